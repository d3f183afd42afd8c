//! Arguments that several commands have.

use keyspace::ListEnd as End;
use resp::Args;

use crate::errors::SYNTAX;
use crate::number::parse_i64;

/// LEFT or RIGHT.
pub(super) fn end(word: &[u8]) -> Result<End, &'static str> {
    if word.eq_ignore_ascii_case(b"LEFT") {
        Ok(End::Front)
    } else if word.eq_ignore_ascii_case(b"RIGHT") {
        Ok(End::Back)
    } else {
        Err(SYNTAX)
    }
}

/// A number that is not negative.
pub(super) fn positive(text: &[u8]) -> Option<usize> {
    parse_i64(text).and_then(|number| usize::try_from(number).ok())
}

/// `numkeys key [key ...] <LEFT | RIGHT> [COUNT count]`
pub(super) struct Several<'a> {
    pub keys: Args<'a>,
    pub end: End,
    pub count: usize,
}

impl<'a> Several<'a> {
    /// Parses from position `at` to the end.
    pub fn parse(args: Args<'a>, at: usize) -> Result<Self, &'static str> {
        let count = positive(args.at(at)).filter(|&count| count > 0);
        let count = count.ok_or("ERR numkeys should be greater than 0")?;
        let end_at = at.saturating_add(count).saturating_add(1);
        let end = end(args.get(end_at).ok_or(SYNTAX)?)?;
        let keys = args.slice(at + 1..end_at);
        let mut taken = None;
        let mut words = args.from(end_at + 1).iter();
        while let Some(word) = words.next() {
            if taken.is_some() || !word.eq_ignore_ascii_case(b"COUNT") {
                return Err(SYNTAX);
            }
            let count = positive(words.next().ok_or(SYNTAX)?).filter(|&count| count > 0);
            taken = Some(count.ok_or("ERR count should be greater than 0")?);
        }
        Ok(Several { keys, end, count: taken.unwrap_or(1) })
    }
}
