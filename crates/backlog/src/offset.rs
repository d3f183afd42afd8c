//! Positions in a replication history.
//!
//! There are two ways to count in Redis replication, and they differ by one. A *position* counts the bytes
//! before it: a fresh history stands at 0, and after `k` bytes it stands at `k`. A *byte number* names one
//! byte, and the first byte of a history has number 1. `master_repl_offset`, `+FULLRESYNC` and `REPLCONF ACK`
//! speak of positions; `PSYNC`, `second_repl_offset` and `repl_backlog_first_byte_offset` speak of byte
//! numbers.
//!
//! ```text
//! bytes            | S | E | T | … |
//! byte number      | 1 | 2 | 3 | 4 |
//! position         0   1   2   3   4
//! ```
//!
//! [`Offset`] is always a position. [`Offset::next_byte`] and [`Offset::before_byte`] are the only two
//! functions that know about the difference.

use std::fmt;
use std::str::FromStr;

/// A position in a history: the count of the bytes that come before it.
///
/// ```
/// use backlog::Offset;
///
/// let applied = Offset(100);
/// assert_eq!(applied.next_byte(), 101); // what a replica that has applied 100 bytes asks for
/// assert_eq!(Offset::before_byte(101), Some(applied));
/// assert_eq!(Offset::before_byte(0), None); // no history has a byte number 0
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Offset(pub u64);

impl Offset {
    /// Where every history begins.
    pub const ZERO: Offset = Offset(0);

    /// The number of the byte that follows this position, as PSYNC and INFO count bytes.
    ///
    /// Saturates at `u64::MAX`; a history never gets there, as it would take 500 years at 1 GB/s.
    pub const fn next_byte(self) -> u64 {
        self.0.saturating_add(1)
    }

    /// The position right before byte `number`; `None` for 0, which names no byte.
    pub const fn before_byte(number: u64) -> Option<Offset> {
        match number.checked_sub(1) {
            Some(before) => Some(Offset(before)),
            None => None,
        }
    }

    /// The position `bytes` further on.
    pub const fn checked_add(self, bytes: u64) -> Option<Offset> {
        match self.0.checked_add(bytes) {
            Some(sum) => Some(Offset(sum)),
            None => None,
        }
    }

    /// The position `bytes` back, or the beginning of the history.
    pub const fn saturating_sub(self, bytes: u64) -> Offset {
        Offset(self.0.saturating_sub(bytes))
    }

    /// How many bytes lie between `earlier` and this position; `None` if `earlier` is in fact later.
    pub const fn checked_since(self, earlier: Offset) -> Option<u64> {
        self.0.checked_sub(earlier.0)
    }

    /// How many bytes lie between `earlier` and this position; 0 if `earlier` is in fact later.
    pub const fn since(self, earlier: Offset) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that is no offset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an offset is a decimal number from 0 to {}, not {text:?}", u64::MAX)]
pub struct ParseOffsetError {
    text: String,
}

impl FromStr for Offset {
    type Err = ParseOffsetError;

    fn from_str(text: &str) -> Result<Offset, ParseOffsetError> {
        // u64's own parser accepts a plus sign, which no peer writes.
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(value) if digits => Ok(Offset(value)),
            _ => Err(ParseOffsetError { text: text.chars().take(32).collect() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_and_byte_numbers_differ_by_one() {
        assert_eq!(Offset::ZERO.next_byte(), 1, "the first byte of a history has number 1");
        for number in [1, 2, 101, u64::MAX] {
            assert_eq!(Offset::before_byte(number).map(Offset::next_byte), Some(number));
        }
        assert_eq!(Offset::before_byte(0), None);
    }

    #[test]
    fn arithmetic_is_checked() {
        assert_eq!(Offset(1).checked_add(2), Some(Offset(3)));
        assert_eq!(Offset(u64::MAX).checked_add(1), None);
        assert_eq!(Offset(5).checked_since(Offset(3)), Some(2));
        assert_eq!(Offset(3).checked_since(Offset(5)), None);
        assert_eq!(Offset(3).since(Offset(5)), 0);
        assert_eq!(Offset(3).saturating_sub(5), Offset::ZERO);
    }

    #[test]
    fn text_goes_both_ways() {
        for text in ["0", "1", "18446744073709551615"] {
            assert_eq!(text.parse::<Offset>().map(|o| o.to_string()), Ok(text.to_string()));
        }
        for text in ["", "+1", "-1", " 1", "1 ", "0x1", "18446744073709551616", "ä"] {
            assert!(text.parse::<Offset>().is_err(), "{text:?}");
        }
    }
}
