//! The encodings of single entries.
//!
//! | first byte | then | content |
//! |---|---|---|
//! | `0nnnnnnn` | | number, 0 to 127 |
//! | `10nnnnnn` | n bytes | string of up to 63 bytes |
//! | `110nnnnn` | 1 byte | number of 13 bits, signed, high bits first |
//! | `1110nnnn` | 1 byte, n bytes | string of up to 4095 bytes, high bits of the length first |
//! | `F0` | 4 bytes, n bytes | string, length little-endian |
//! | `F1` | 2 bytes | number, signed, little-endian |
//! | `F2` | 3 bytes | the same |
//! | `F3` | 4 bytes | the same |
//! | `F4` | 8 bytes | the same |
//!
//! `F5` to `FE` are not in use; `FF` is the end mark.

use crate::{Entry, Error, back_length};

/// The mark behind the last entry.
pub(crate) const END: u8 = 0xff;

const STR_32: u8 = 0xf0;
const INT_16: u8 = 0xf1;
const INT_24: u8 = 0xf2;
const INT_32: u8 = 0xf3;
const INT_64: u8 = 0xf4;

/// The length of an entry without the backward length, if the first byte alone says it. It is below 128 then.
#[inline]
pub(crate) fn short_len(first: u8) -> Option<usize> {
    match first {
        0..0x80 => Some(1),
        0x80..0xc0 => Some(1 + usize::from(first & 0x3f)),
        0xc0..0xe0 => Some(2),
        INT_16 => Some(3),
        INT_24 => Some(4),
        INT_32 => Some(5),
        INT_64 => Some(9),
        _ => None,
    }
}

/// Decodes the entry that begins at `at`, and gives its length without the backward length.
///
/// `bytes` ends where entries may not reach: before the end mark.
#[inline]
pub(crate) fn decode(bytes: &[u8], at: usize) -> Result<(Entry<'_>, usize), Error> {
    let truncated = Error::Truncated { at };
    let (&first, rest) = bytes.get(at..).and_then(<[u8]>::split_first).ok_or(truncated)?;
    let string = |header: usize, len: usize| {
        let from = header - 1;
        let text = rest.get(from..).and_then(|rest| rest.get(..len)).ok_or(truncated)?;
        Ok((Entry::Str(text), header + len))
    };
    match first {
        0..0x80 => Ok((Entry::Int(i64::from(first)), 1)),
        0x80..0xc0 => string(1, usize::from(first & 0x3f)),
        0xc0..0xe0 => {
            let [low] = *rest.first_chunk().ok_or(truncated)?;
            let number = i16::from_be_bytes([first << 3, 0]) | i16::from(low) << 3;
            // The thirteen bits stand at the top of sixteen: shifting them down brings the sign along.
            Ok((Entry::Int(i64::from(number >> 3)), 2))
        }
        0xe0..0xf0 => {
            let [low] = *rest.first_chunk().ok_or(truncated)?;
            string(2, usize::from(first & 0x0f) << 8 | usize::from(low))
        }
        STR_32 => string(5, u32::from_le_bytes(*rest.first_chunk().ok_or(truncated)?) as usize),
        INT_16 => Ok((Entry::Int(i16::from_le_bytes(*rest.first_chunk().ok_or(truncated)?).into()), 3)),
        INT_24 => {
            let [a, b, c] = *rest.first_chunk().ok_or(truncated)?;
            Ok((Entry::Int(i64::from(i32::from_le_bytes([0, a, b, c]) >> 8)), 4))
        }
        INT_32 => Ok((Entry::Int(i32::from_le_bytes(*rest.first_chunk().ok_or(truncated)?).into()), 5)),
        INT_64 => Ok((Entry::Int(i64::from_le_bytes(*rest.first_chunk().ok_or(truncated)?)), 9)),
        END => Err(Error::BadEnd { at }),
        byte => Err(Error::BadEncoding { byte, at }),
    }
}

/// The bytes of an entry, in up to three pieces, so that strings need not be copied to be measured.
pub(crate) struct Encoded<'a> {
    head: [u8; 9],
    head_len: usize,
    text: &'a [u8],
    back: back_length::Encoded,
}

impl<'a> Encoded<'a> {
    /// The shortest encoding of an entry. Text is taken as a number where it is one.
    #[inline]
    pub(crate) fn new(entry: Entry<'a>) -> Encoded<'a> {
        let mut head = [0; 9];
        let entry = if let Entry::Str(text) = entry { Entry::from_text(text) } else { entry };
        let (head_len, text) = match entry {
            Entry::Int(number) => (put_number(&mut head, number), &[][..]),
            Entry::Str(text) => (put_length(&mut head, text.len()), text),
        };
        Encoded { head, head_len, text, back: back_length::Encoded::new(head_len + text.len()) }
    }

    /// Length of the whole, with the backward length.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.head_len + self.text.len() + self.back.as_slice().len()
    }

    /// What stands before the text.
    #[inline]
    pub(crate) fn head(&self) -> &[u8] {
        &self.head[..self.head_len]
    }

    /// The text of a string.
    #[inline]
    pub(crate) fn text(&self) -> &'a [u8] {
        self.text
    }

    /// Appends the entry with its backward length.
    pub(crate) fn append(&self, target: &mut Vec<u8>) {
        target.extend_from_slice(self.head());
        target.extend_from_slice(self.text);
        target.extend_from_slice(self.back.as_slice());
    }

    /// Fills `target`, which has the length of the whole.
    #[inline]
    pub(crate) fn write(&self, target: &mut [u8]) {
        let (head, rest) = target.split_at_mut(self.head_len);
        let (text, back) = rest.split_at_mut(self.text.len());
        head.copy_from_slice(&self.head[..self.head_len]);
        text.copy_from_slice(self.text);
        back.copy_from_slice(self.back.as_slice());
    }
}

fn put_number(head: &mut [u8; 9], number: i64) -> usize {
    if (0..0x80).contains(&number) {
        head[0] = number as u8;
        1
    } else if (-0x1000..0x1000).contains(&number) {
        let [high, low] = (number as u16 & 0x1fff | 0xc000).to_be_bytes();
        head[..2].copy_from_slice(&[high, low]);
        2
    } else {
        let (code, len) = match number {
            -0x8000..0x8000 => (INT_16, 2),
            -0x80_0000..0x80_0000 => (INT_24, 3),
            -0x8000_0000..0x8000_0000 => (INT_32, 4),
            _ => (INT_64, 8),
        };
        head[0] = code;
        head[1..=len].copy_from_slice(&number.to_le_bytes()[..len]);
        1 + len
    }
}

fn put_length(head: &mut [u8; 9], len: usize) -> usize {
    match len {
        0..0x40 => {
            head[0] = 0x80 | len as u8;
            1
        }
        0x40..0x1000 => {
            head[..2].copy_from_slice(&(0xe000 | len as u16).to_be_bytes());
            2
        }
        _ => {
            // Longer strings than 32 bits can count are refused for the listpack's own limit, by their length.
            head[0] = STR_32;
            head[1..5].copy_from_slice(&(len as u32).to_le_bytes());
            5
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(entry: Entry<'_>) -> Vec<u8> {
        let encoded = Encoded::new(entry);
        let mut bytes = vec![0; encoded.len()];
        encoded.write(&mut bytes);
        bytes
    }

    /// Holds in both directions.
    #[track_caller]
    fn check<'a>(entry: impl Into<Entry<'a>>, bytes: &[u8]) {
        let entry = entry.into();
        assert_eq!(encode(entry), bytes);
        let back = back_length::Encoded::new(bytes.len() - 1).as_slice().len();
        assert_eq!(decode(bytes, 0), Ok((entry, bytes.len() - back)));
        assert!(short_len(bytes[0]).is_none_or(|len| len == bytes.len() - back));
    }

    #[test]
    fn numbers_at_the_limits_of_every_encoding() {
        check(0, &[0, 1]);
        check(127, &[0x7f, 1]);
        check(128, &[0xc0, 0x80, 2]);
        check(-1, &[0xdf, 0xff, 2]);
        check(4095, &[0xcf, 0xff, 2]);
        check(-4096, &[0xd0, 0, 2]);
        check(4096, &[0xf1, 0, 0x10, 3]);
        check(-4097, &[0xf1, 0xff, 0xef, 3]);
        check(32767, &[0xf1, 0xff, 0x7f, 3]);
        check(-32768, &[0xf1, 0, 0x80, 3]);
        check(32768, &[0xf2, 0, 0x80, 0, 4]);
        check(8_388_607, &[0xf2, 0xff, 0xff, 0x7f, 4]);
        check(-8_388_608, &[0xf2, 0, 0, 0x80, 4]);
        check(8_388_608, &[0xf3, 0, 0, 0x80, 0, 5]);
        check(-8_388_609, &[0xf3, 0xff, 0xff, 0x7f, 0xff, 5]);
        check(i64::from(i32::MAX), &[0xf3, 0xff, 0xff, 0xff, 0x7f, 5]);
        check(i64::from(i32::MIN), &[0xf3, 0, 0, 0, 0x80, 5]);
        check(1 << 31, &[0xf4, 0, 0, 0, 0x80, 0, 0, 0, 0, 9]);
        check(i64::MIN, &[0xf4, 0, 0, 0, 0, 0, 0, 0, 0x80, 9]);
        check(i64::MAX, &[0xf4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 9]);
    }

    #[test]
    fn strings_at_the_limits_of_every_encoding() {
        check("", &[0x80, 1]);
        check("hello", b"\x85hello\x06");
        check("-0", b"\x82-0\x03");
        let long = [b'x'; 4096];
        check(&long[..63], &[&[0xbf], &long[..63], &[64]].concat());
        check(&long[..64], &[&[0xe0, 64], &long[..64], &[66]].concat());
        check(
            &long[..4095],
            &[&[0xef, 0xff], &long[..4095], &[4097u16.to_be_bytes()[0] << 1, 0x81]].concat(),
        );
        check(&long[..], &[&[0xf0, 0, 0x10, 0, 0], &long[..], &[0x20, 0x85]].concat());
    }

    #[test]
    fn text_that_spells_a_number_is_kept_as_one() {
        assert_eq!(encode(Entry::Str(b"1000")), encode(Entry::Int(1000)));
    }

    #[test]
    fn numbers_in_longer_encodings_than_needed_are_read() {
        assert_eq!(decode(&[0xc0, 5], 0), Ok((Entry::Int(5), 2)));
        assert_eq!(decode(&[0xf4, 5, 0, 0, 0, 0, 0, 0, 0], 0), Ok((Entry::Int(5), 9)));
        assert_eq!(decode(&[0xf0, 1, 0, 0, 0, b'5'], 0), Ok((Entry::Str(b"5"), 6)));
    }

    #[test]
    fn damage_is_named_with_its_offset() {
        for byte in 0xf5..0xff {
            assert_eq!(decode(&[0, 0, byte], 2), Err(Error::BadEncoding { byte, at: 2 }));
        }
        assert_eq!(decode(&[0, 0xff], 1), Err(Error::BadEnd { at: 1 }));
        for entry in
            [&b"\x82a"[..], b"\xc0", b"\xe0", b"\xe0\x02a", b"\xf0\xff\xff\xff", b"\xf0\xff\xff\xff\xffa"]
        {
            assert_eq!(decode(entry, 0), Err(Error::Truncated { at: 0 }), "{entry:?}");
        }
        for (code, len) in [(INT_16, 2), (INT_24, 3), (INT_32, 4), (INT_64, 8)] {
            for cut in 0..len {
                assert_eq!(decode(&[&[code], &[0; 8][..cut]].concat(), 0), Err(Error::Truncated { at: 0 }));
            }
        }
        assert_eq!(decode(&[], 3), Err(Error::Truncated { at: 3 }));
    }
}
