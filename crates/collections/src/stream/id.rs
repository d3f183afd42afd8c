//! The id of an entry: a moment and a number within it.

use std::fmt;

/// An entry's id: unix milliseconds, and a sequence number among the entries of the same millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StreamId {
    /// Unix milliseconds.
    pub ms: u64,
    /// The number within the millisecond.
    pub seq: u64,
}

/// An id whose sequence number may be left to the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartialId {
    /// `ms-seq`
    Full(StreamId),
    /// `ms-*`
    Ms(u64),
}

/// The longest text of an id.
const TEXT_MAX: usize = 41;

/// Longer arguments are no ids, whatever they say.
const ARGUMENT_MAX: usize = 127;

impl StreamId {
    /// The smallest id, which no entry has.
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    /// The largest id.
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

    /// The id of these two numbers.
    #[inline]
    pub const fn new(ms: u64, seq: u64) -> Self {
        StreamId { ms, seq }
    }

    /// Whether it is `0-0`.
    #[inline]
    pub fn is_zero(self) -> bool {
        self == StreamId::MIN
    }

    /// The id right after this one; none after the largest.
    #[inline]
    pub fn next(self) -> Option<StreamId> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { ms: self.ms, seq }),
            None => Some(StreamId { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The id right before this one; none before `0-0`.
    #[inline]
    pub fn prev(self) -> Option<StreamId> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { ms: self.ms, seq }),
            None => Some(StreamId { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }

    /// Reads `ms-seq`, or `ms` alone, to which `missing_seq` is added.
    pub fn parse(text: &[u8], missing_seq: u64) -> Option<StreamId> {
        if text.len() > ARGUMENT_MAX {
            return None;
        }
        match text.iter().position(|&byte| byte == b'-') {
            None => Some(StreamId { ms: parse_number(text)?, seq: missing_seq }),
            Some(dash) => {
                let (ms, seq) = (&text[..dash], &text[dash + 1..]);
                Some(StreamId { ms: parse_number(ms)?, seq: parse_number(seq)? })
            }
        }
    }

    /// Reads what [`StreamId::parse`] does, and `ms-*`.
    pub fn parse_partial(text: &[u8]) -> Option<PartialId> {
        match text {
            [ms @ .., b'-', b'*'] if text.len() <= ARGUMENT_MAX => Some(PartialId::Ms(parse_number(ms)?)),
            _ => Some(PartialId::Full(StreamId::parse(text, 0)?)),
        }
    }

    /// The id in the 16 bytes, high ones first, in which dumps carry it.
    pub fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.ms) << 64 | u128::from(self.seq)).to_be_bytes()
    }

    /// The id that [`StreamId::to_bytes`] made these bytes of.
    pub fn from_bytes(bytes: [u8; 16]) -> StreamId {
        let both = u128::from_be_bytes(bytes);
        StreamId { ms: (both >> 64) as u64, seq: both as u64 }
    }

    /// The id's text.
    #[inline]
    pub fn text(self) -> IdText {
        let mut text = IdText { bytes: [0; TEXT_MAX], len: 0 };
        let mut digits = itoa::Buffer::new();
        text.push(digits.format(self.ms).as_bytes());
        text.push(b"-");
        text.push(digits.format(self.seq).as_bytes());
        text
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// The text of an id, kept in place.
#[derive(Clone, Copy)]
pub struct IdText {
    bytes: [u8; TEXT_MAX],
    len: u8,
}

impl IdText {
    #[inline]
    fn push(&mut self, part: &[u8]) {
        let from = usize::from(self.len);
        self.bytes[from..from + part.len()].copy_from_slice(part);
        self.len += part.len() as u8;
    }

    /// The text.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// Decimal digits, as loosely as clients may write them: spaces and a plus sign in front, and leading zeros.
fn parse_number(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii_start();
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, &byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 { None } else { number.checked_mul(10)?.checked_add(u64::from(digit)) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn neighbours() {
        let id = StreamId::new;
        for (id, next) in [
            (id(0, 0), Some(id(0, 1))),
            (id(5, u64::MAX), Some(id(6, 0))),
            (id(u64::MAX, 3), Some(id(u64::MAX, 4))),
            (StreamId::MAX, None),
        ] {
            assert_eq!(id.next(), next);
            assert_eq!(next.map_or(Some(StreamId::MAX), StreamId::prev), Some(id));
        }
        assert_eq!(StreamId::MIN.prev(), None);
    }

    #[test]
    fn texts() {
        let id = StreamId::new;
        for (text, parsed) in [
            ("0-0", Some(id(0, 0))),
            ("7", Some(id(7, 9))),
            ("1526919030474-55", Some(id(1_526_919_030_474, 55))),
            ("18446744073709551615-18446744073709551615", Some(StreamId::MAX)),
            ("18446744073709551616-0", None),
            ("007-01", Some(id(7, 1))),
            (" 5-+1", Some(id(5, 1))),
            ("", None),
            ("-", None),
            ("+", None),
            ("5-", None),
            ("-5", None),
            ("5--1", None),
            ("5-1-1", None),
            ("5-*", None),
            ("a-1", None),
            ("5-1 ", None),
        ] {
            assert_eq!(StreamId::parse(text.as_bytes(), 9), parsed, "{text:?}");
        }
        assert_eq!(StreamId::parse_partial(b"5-*"), Some(PartialId::Ms(5)));
        assert_eq!(StreamId::parse_partial(b"5"), Some(PartialId::Full(id(5, 0))));
        assert_eq!(StreamId::parse_partial(b"-*"), None);
        assert_eq!(StreamId::parse(&[b'0'; 128], 0), None);
    }

    proptest! {
        #[test]
        fn text_and_bytes_keep_the_id(ms: u64, seq: u64) {
            let id = StreamId::new(ms, seq);
            let text = id.text();
            let text = text.as_bytes();
            prop_assert_eq!(String::from_utf8_lossy(text), id.to_string());
            prop_assert_eq!(StreamId::parse(text, 0), Some(id));
            prop_assert_eq!(StreamId::from_bytes(id.to_bytes()), id);
        }
    }
}
