//! Arrays of Redis 8.8: elements with their indexes, most of which may be missing.

use crate::cursor::{Cursor, Stop};
use crate::{Error, Event, length, string};

/// The highest index is one less: this number says that there is none.
const NO_INDEX: u64 = u64::MAX;

/// A string.
const TEXT: u64 = 0;
/// A number of 8 bytes, which stands for its decimal text.
const INTEGER: u64 = 1;
/// A double, the same.
const FLOAT: u64 = 2;
/// A string that is kept in another way.
const SHORT_TEXT: u64 = 3;

/// What is left of an array.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ArrayRest {
    left: u64,
    cursor: Option<u64>,
    /// The cursor has been reported.
    begun: bool,
    /// The lowest index that the next element can have.
    next: u64,
}

impl ArrayRest {
    /// Reads what precedes the elements.
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<ArrayRest, Stop> {
        let bad = |reason, at| Stop::from(Error::BadArray { reason, at });
        let at = cursor.at();
        let left = length::read_plain(cursor)?;
        if left == 0 {
            return Err(bad("it has no elements", at));
        }
        let at = cursor.at();
        let insert = match length::read_plain(cursor)? {
            0 => None,
            1 => Some(length::read_plain(cursor)?),
            _ => return Err(bad("a cursor is there or is not", at)),
        };
        Ok(ArrayRest { left, cursor: insert, begun: false, next: 0 })
    }

    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.left == 0
    }

    /// The next event. An incomplete element leaves no trace.
    #[inline(never)]
    pub(crate) fn next<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        limit: u64,
        scratch: &'a mut Vec<u8>,
    ) -> Result<Event<'a>, Stop> {
        if !self.begun {
            self.begun = true;
            return Ok(Event::Cursor(self.cursor));
        }
        let bad = |reason, at| Stop::from(Error::BadArray { reason, at });
        let at = cursor.at();
        let index = length::read_plain(cursor)?;
        if index < self.next || index == NO_INDEX {
            return Err(bad("its elements are not in order", at));
        }
        let at = cursor.at();
        let value = match length::read_plain(cursor)? {
            TEXT | SHORT_TEXT => string::read(cursor, limit, scratch)?,
            INTEGER => {
                let number = i64::from_le_bytes(cursor.array()?);
                text(scratch, itoa::Buffer::new().format(number), "")
            }
            FLOAT => {
                let number = f64::from_le_bytes(cursor.array()?);
                if !number.is_finite() {
                    return Err(bad("an element is no number", at));
                }
                let mut buffer = zmij::Buffer::new();
                let digits = buffer.format_finite(number);
                let whole = !digits.contains(['.', 'e', 'E']);
                text(scratch, digits, if whole { ".0" } else { "" })
            }
            _ => return Err(bad("an element is of an unknown form", at)),
        };
        self.left -= 1;
        self.next = index + 1;
        Ok(Event::Cell { index, value })
    }
}

fn text<'a>(scratch: &'a mut Vec<u8>, digits: &str, end: &str) -> &'a [u8] {
    scratch.clear();
    scratch.extend_from_slice(digits.as_bytes());
    scratch.extend_from_slice(end.as_bytes());
    scratch
}
