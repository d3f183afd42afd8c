//! The ziplist: a sequence of strings and numbers, which listpacks took the place of in Redis 7.0.
//!
//! ```text
//! total bytes   4 bytes, little-endian, everything included
//! tail          4 bytes, little-endian: offset of the last entry, or of the end mark
//! entries       2 bytes, little-endian; 65535 = too many to say
//! entry …       length of the entry before it (1 byte, or FE and 4 bytes), encoding, content
//! FF            the end mark
//! ```
//!
//! | encoding | content |
//! |---|---|
//! | `00nnnnnn` | n bytes |
//! | `01nnnnnn` and a byte | n bytes, high bits of n first |
//! | `10……` and 4 bytes, big-endian | so many bytes |
//! | `C0`, `D0`, `E0` | number of 2, 4, 8 bytes, signed, little-endian |
//! | `F0`, `FE` | the same of 3 bytes, 1 byte |
//! | `F1` to `FD` | the numbers 0 to 12 |

use listpack::Entry;

use super::ZiplistError;

const HEADER: usize = 4 + 4 + 2;
const END: u8 = 0xff;
/// The count that says nothing.
const UNKNOWN: u16 = u16::MAX;
/// The first byte of a length in five bytes.
const WIDE: u8 = 0xfe;

/// Checks that `bytes` are one ziplist and nothing else, and gives its number of entries.
pub(super) fn check(bytes: &[u8]) -> Result<usize, ZiplistError> {
    let header = bytes.first_chunk::<HEADER>().ok_or(ZiplistError::TooShort)?;
    let [b0, b1, b2, b3, t0, t1, t2, t3, c0, c1] = *header;
    let declared = u32::from_le_bytes([b0, b1, b2, b3]);
    if u32::try_from(bytes.len()) != Ok(declared) {
        return Err(ZiplistError::WrongTotal { declared });
    }
    let end = bytes.len() - 1;
    if end < HEADER || bytes[end] != END {
        return Err(ZiplistError::BadEnd { at: end });
    }
    let (mut at, mut last, mut before, mut count) = (HEADER, HEADER, 0, 0);
    while at < end {
        let entry = decode(&bytes[..end], at)?;
        if entry.before != before {
            return Err(ZiplistError::BadBackLength { at });
        }
        (last, before) = (at, entry.len);
        at += entry.len;
        count += 1;
    }
    let tail = u32::from_le_bytes([t0, t1, t2, t3]);
    if tail as usize != last {
        return Err(ZiplistError::BadTail { tail });
    }
    let declared = u16::from_le_bytes([c0, c1]);
    if declared != UNKNOWN && usize::from(declared) != count {
        return Err(ZiplistError::WrongCount { declared });
    }
    Ok(count)
}

struct Decoded<'a> {
    /// What the entry says about the length of the one before it.
    before: usize,
    content: Entry<'a>,
    /// Bytes of the whole entry.
    len: usize,
}

/// Decodes the entry that begins at `at`; `bytes` ends before the end mark.
#[inline]
fn decode(bytes: &[u8], at: usize) -> Result<Decoded<'_>, ZiplistError> {
    let truncated = ZiplistError::Truncated { at };
    let whole = bytes.get(at..).unwrap_or_default();
    let (before, rest) = match whole {
        [WIDE, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        [WIDE, ..] | [] => return Err(truncated),
        [END, ..] => return Err(ZiplistError::BadEnd { at }),
        [len, rest @ ..] => (usize::from(*len), rest),
    };
    let (&code, rest) = rest.split_first().ok_or(truncated)?;
    let text_len = match (code >> 6, rest) {
        (0, rest) => Some((usize::from(code & 0x3f), rest)),
        (1, [low, rest @ ..]) => Some((usize::from(code & 0x3f) << 8 | usize::from(*low), rest)),
        (2, [a, b, c, d, rest @ ..]) => Some((u32::from_be_bytes([*a, *b, *c, *d]) as usize, rest)),
        (1 | 2, _) => return Err(truncated),
        _ => None,
    };
    if let Some((len, rest)) = text_len {
        let (text, after) = rest.split_at_checked(len).ok_or(truncated)?;
        return Ok(Decoded { before, content: Entry::Str(text), len: whole.len() - after.len() });
    }
    let (number, after) = match (code, rest) {
        (0xf1..=0xfd, rest) => (i64::from(code & 0x0f) - 1, rest),
        (0xfe, [a, rest @ ..]) => (i64::from(*a as i8), rest),
        (0xc0, [a, b, rest @ ..]) => (i64::from(i16::from_le_bytes([*a, *b])), rest),
        (0xf0, [a, b, c, rest @ ..]) => (i64::from(i32::from_le_bytes([0, *a, *b, *c]) >> 8), rest),
        (0xd0, [a, b, c, d, rest @ ..]) => (i64::from(i32::from_le_bytes([*a, *b, *c, *d])), rest),
        (0xe0, rest) => {
            let (number, rest) = rest.split_first_chunk().ok_or(truncated)?;
            (i64::from_le_bytes(*number), rest)
        }
        (0xfe | 0xc0 | 0xf0 | 0xd0, _) => return Err(truncated),
        (byte, _) => return Err(ZiplistError::BadEncoding { byte, at }),
    };
    Ok(Decoded { before, content: Entry::Int(number), len: whole.len() - after.len() })
}

/// The entries of a ziplist that has been checked.
pub(super) fn iter(bytes: &[u8]) -> Iter<'_> {
    Iter { bytes: bytes.split_last().map_or(&[], |(_, bytes)| bytes), at: HEADER }
}

/// The entries in order.
#[derive(Debug, Clone)]
pub(super) struct Iter<'a> {
    /// Without the end mark.
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        let entry = decode(self.bytes, self.at).ok()?;
        self.at += entry.len;
        Some(entry.content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2, "hello", 1024, then "".
    const SAMPLE: &[u8] = b"\x1a\0\0\0\x17\0\0\0\x04\0\0\xf3\x02\x05hello\x07\xc0\0\x04\x04\0\xff";

    fn read(bytes: &[u8]) -> Result<Vec<Entry<'_>>, ZiplistError> {
        let count = check(bytes)?;
        let entries: Vec<_> = iter(bytes).collect();
        assert_eq!(entries.len(), count);
        Ok(entries)
    }

    /// A ziplist of these entries, given without the length before each.
    fn build(entries: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        let (mut before, mut tail) = (0, HEADER);
        for entry in entries {
            tail = bytes.len();
            match before {
                0..254 => bytes.push(before as u8),
                _ => {
                    bytes.push(WIDE);
                    bytes.extend_from_slice(&(before as u32).to_le_bytes());
                }
            }
            bytes.extend_from_slice(entry);
            before = bytes.len() - tail;
        }
        bytes.push(END);
        let total = bytes.len() as u32;
        bytes[..4].copy_from_slice(&total.to_le_bytes());
        bytes[4..8].copy_from_slice(&(tail as u32).to_le_bytes());
        bytes[8..10].copy_from_slice(&(entries.len() as u16).to_le_bytes());
        bytes
    }

    #[test]
    fn valid_by_hand() {
        assert_eq!(read(b"\x0b\0\0\0\x0a\0\0\0\0\0\xff"), Ok(vec![]));
        let entries = [Entry::Int(2), Entry::Str(b"hello"), Entry::Int(1024), Entry::Str(b"")];
        assert_eq!(read(SAMPLE), Ok(entries.to_vec()));
    }

    #[test]
    fn every_encoding() {
        let long = vec![b'x'; 300];
        let middle = [&[0x41, 0x2c], &long[..]].concat();
        let wide = [&[0x80, 0, 0, 1, 0x2c], &long[..]].concat();
        let bytes = build(&[
            b"\xf1",
            b"\xfd",
            b"\xfe\x80",
            b"\xc0\0\x80",
            b"\xf0\0\0\x80",
            b"\xd0\0\0\0\x80",
            b"\xe0\0\0\0\0\0\0\0\x80",
            &middle,
            &wide,
            b"\x01a",
        ]);
        let expected = [
            Entry::Int(0),
            Entry::Int(12),
            Entry::Int(-128),
            Entry::Int(-32768),
            Entry::Int(-8_388_608),
            Entry::Int(i32::MIN.into()),
            Entry::Int(i64::MIN),
            Entry::Str(&long),
            Entry::Str(&long),
            Entry::Str(b"a"),
        ];
        assert_eq!(read(&bytes), Ok(expected.to_vec()));
    }

    #[test]
    fn cuts_and_flips_are_found_or_harmless() {
        for cut in 0..SAMPLE.len() {
            assert!(check(&SAMPLE[..cut]).is_err());
        }
        for bit in 0..SAMPLE.len() * 8 {
            let mut damaged = SAMPLE.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            if let Ok(entries) = read(&damaged) {
                // Only an entry's content can have changed.
                assert_eq!(entries.len(), 4);
            }
        }
    }

    #[test]
    fn damage_is_named() {
        let damaged = |at: usize, byte: u8| {
            let mut bytes = SAMPLE.to_vec();
            bytes[at] = byte;
            read(&bytes).map(|_| ())
        };
        assert_eq!(damaged(0, 1), Err(ZiplistError::WrongTotal { declared: 1 }));
        assert_eq!(damaged(4, 1), Err(ZiplistError::BadTail { tail: 1 }));
        assert_eq!(damaged(8, 1), Err(ZiplistError::WrongCount { declared: 1 }));
        assert_eq!(damaged(12, 1), Err(ZiplistError::BadBackLength { at: 12 }));
        assert_eq!(damaged(20, 0xc1), Err(ZiplistError::BadEncoding { byte: 0xc1, at: 19 }));
        assert_eq!(damaged(20, 0xe0), Err(ZiplistError::Truncated { at: 19 }));
        assert_eq!(damaged(19, 0xff), Err(ZiplistError::BadEnd { at: 19 }));
        assert_eq!(damaged(25, 0), Err(ZiplistError::BadEnd { at: 25 }));
        // An entry's length may take five bytes where one would do.
        let mut wide = build(&[b"\xf1", b"\xf1"]);
        wide.splice(12..13, [WIDE, 2, 0, 0, 0]);
        wide[0] += 4;
        assert_eq!(read(&wide).map(|entries| entries.len()), Ok(2));
    }
}
