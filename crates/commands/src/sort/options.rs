//! The options of SORT.

use std::ops::Range;

use resp::Args;

use crate::errors::{NOT_INTEGER, SYNTAX};
use crate::number::parse_i64;

const BY_DENIED: &str = "ERR BY option of SORT denied due to insufficient ACL permissions.";
const GET_DENIED: &str = "ERR GET option of SORT denied due to insufficient ACL permissions.";

/// What is to be sorted how, and what becomes of it.
#[derive(Default)]
pub(super) struct Options<'a> {
    /// What to sort by, if not by the elements themselves.
    pub by: Option<&'a [u8]>,
    /// The pattern to sort by names nothing of an element: the order is to stay as it is.
    pub unsorted: bool,
    pub descending: bool,
    pub alpha: bool,
    limit: Option<(i64, i64)>,
    /// What to give for each element; the element itself if there is nothing here.
    pub get: Vec<&'a [u8]>,
    /// Where to put the result.
    pub store: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    pub fn parse(args: Args<'a>, may_store: bool, reads_all_keys: bool) -> Result<Self, &'static str> {
        let mut options = Options::default();
        let mut words = args.iter();
        while let Some(word) = words.next() {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            if is("ASC") {
                options.descending = false;
            } else if is("DESC") {
                options.descending = true;
            } else if is("ALPHA") {
                options.alpha = true;
            } else if is("LIMIT") {
                let (Some(start), Some(count)) = (words.next(), words.next()) else { return Err(SYNTAX) };
                let number = |text| parse_i64(text).ok_or(NOT_INTEGER);
                options.limit = Some((number(start)?, number(count)?));
            } else if is("BY") {
                let pattern = words.next().ok_or(SYNTAX)?;
                if pattern.contains(&b'*') && !reads_all_keys {
                    return Err(BY_DENIED);
                }
                options.by = Some(pattern);
                // Once said, it holds: whatever other BY follows.
                options.unsorted |= !pattern.contains(&b'*');
            } else if is("GET") {
                let pattern = words.next().ok_or(SYNTAX)?;
                if !reads_all_keys {
                    return Err(GET_DENIED);
                }
                options.get.push(pattern);
            } else if is("STORE") && may_store {
                options.store = Some(words.next().ok_or(SYNTAX)?);
            } else {
                return Err(SYNTAX);
            }
        }
        Ok(options)
    }

    /// Which of so many elements are wanted, in the order that they come to be in.
    pub fn range(&self, len: usize) -> Range<usize> {
        let Some((start, count)) = self.limit else { return 0..len };
        let start = usize::try_from(start.max(0)).unwrap_or(usize::MAX).min(len);
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(len - start);
        start..start + count
    }
}
