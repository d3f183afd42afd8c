//! The zipmap: a hash in one string, as Redis wrote it before 2.6.
//!
//! ```text
//! fields   1 byte; 254 and above = too many to say
//! field    length (1 byte below 254, or FE and 4 bytes, little-endian), content
//! value    length, 1 byte: how many unused bytes follow the content, content, those bytes
//! …
//! FF       the end mark
//! ```

use super::ZipmapError;

const END: u8 = 0xff;
/// The first byte of a length in five bytes; as a count, and above, it says nothing.
const WIDE: u8 = 0xfe;

/// Checks that `bytes` are one zipmap and nothing else, and gives its number of fields.
pub(super) fn check(bytes: &[u8]) -> Result<usize, ZipmapError> {
    let (&[declared], mut rest) = bytes.split_first_chunk().ok_or(ZipmapError::Truncated { at: 0 })?;
    let mut count = 0;
    loop {
        let at = bytes.len() - rest.len();
        match rest {
            [END] => break,
            [END, ..] => return Err(ZipmapError::BadEnd { at }),
            _ => {}
        }
        let truncated = ZipmapError::Truncated { at };
        (_, rest) = field(rest).ok_or(truncated)?;
        (_, rest) = value(rest).ok_or(truncated)?;
        count += 1;
    }
    if declared < WIDE && usize::from(declared) != count {
        return Err(ZipmapError::WrongCount { declared });
    }
    Ok(count)
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [END, ..] | [] => None,
        // Five bytes for a length that one could say: readers that reckon with the one go astray.
        [WIDE, a, 0, 0, 0, ..] if *a < WIDE => None,
        [WIDE, a, b, c, d, rest @ ..] => Some((u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest)),
        [WIDE, ..] => None,
        [len, rest @ ..] => Some((usize::from(*len), rest)),
    }
}

fn field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = length(bytes)?;
    rest.split_at_checked(len)
}

fn value(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = length(bytes)?;
    let (&unused, rest) = rest.split_first()?;
    let (value, rest) = rest.split_at_checked(len)?;
    let (_, rest) = rest.split_at_checked(usize::from(unused))?;
    Some((value, rest))
}

/// The fields and values, in turns.
pub(super) fn iter(bytes: &[u8]) -> Iter<'_> {
    Iter { rest: bytes.get(1..).unwrap_or_default(), at_value: false }
}

/// The fields and values, in turns.
#[derive(Debug, Clone)]
pub(super) struct Iter<'a> {
    rest: &'a [u8],
    at_value: bool,
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (text, rest) = if self.at_value { value(self.rest)? } else { field(self.rest)? };
        self.rest = rest;
        self.at_value = !self.at_value;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &[u8] = b"\x02\x03foo\x03\x02bar..\x01a\0\0\xff";

    fn read(bytes: &[u8]) -> Result<Vec<&[u8]>, ZipmapError> {
        let count = check(bytes)?;
        let texts: Vec<_> = iter(bytes).collect();
        assert_eq!(texts.len(), 2 * count);
        Ok(texts)
    }

    #[test]
    fn valid_by_hand() {
        assert_eq!(read(b"\0\xff"), Ok(vec![]));
        assert_eq!(read(SAMPLE), Ok(vec![&b"foo"[..], b"bar", b"a", b""]));
        let long = [b'x'; 300];
        let bytes = [b"\xfe\x01a\xfe\x2c\x01\0\0\0", &long[..], b"\x01b\x01\0c\xff"].concat();
        assert_eq!(read(&bytes), Ok(vec![&b"a"[..], &long, b"b", b"c"]));
    }

    #[test]
    fn damage() {
        for cut in 0..SAMPLE.len() {
            assert!(check(&SAMPLE[..cut]).is_err());
        }
        assert_eq!(check(b"\0\xff\xff"), Err(ZipmapError::BadEnd { at: 1 }));
        assert_eq!(check(b"\x01\xff"), Err(ZipmapError::WrongCount { declared: 1 }));
        assert_eq!(check(b"\x01\x01a\x01\x09b\xff"), Err(ZipmapError::Truncated { at: 1 }));
        let overlong = b"\x01\xfe\x01\0\0\0a\x01\0b\xff";
        assert_eq!(
            check(overlong),
            Err(ZipmapError::Truncated { at: 1 }),
            "a length in more bytes than it needs"
        );
        assert_eq!(check(b"\x01\x01a\xfe\x01\0\0\0\0b\xff"), Err(ZipmapError::Truncated { at: 1 }));
        assert_eq!(check(b"\x01\x01a\xff"), Err(ZipmapError::Truncated { at: 1 }));
        assert_eq!(check(b"\x01\xfe\xff\xff\xff\xff\xff"), Err(ZipmapError::Truncated { at: 1 }));
    }
}
