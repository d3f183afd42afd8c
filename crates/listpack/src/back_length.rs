//! The length behind each entry, by which the entry is found from its end.
//!
//! It counts the bytes of the entry before it, seven bits a byte, high bits first. Every byte but the first has its
//! top bit set, so a reader that comes from behind knows when it has reached the first.

/// Most bytes that a backward length takes.
const MAX: usize = 5;

/// Bytes that the backward length of an entry of `len` bytes takes.
///
/// Readers that come from the front skip it by this rule alone, so every implementation must follow it to the
/// letter, oddities included: the largest value of two, three and four bytes is not used, but takes a byte more.
#[inline]
pub(crate) fn size(len: usize) -> usize {
    match len {
        0..=0x7f => 1,
        0x80..0x3fff => 2,
        0x3fff..0x1f_ffff => 3,
        0x1f_ffff..0xfff_ffff => 4,
        _ => 5,
    }
}

/// A backward length as it is written.
pub(crate) struct Encoded {
    bytes: [u8; MAX],
    len: usize,
}

impl Encoded {
    #[inline]
    pub(crate) fn new(entry_len: usize) -> Encoded {
        let len = size(entry_len);
        let mut bytes = [0; MAX];
        let mut rest = entry_len;
        for byte in bytes[..len].iter_mut().rev() {
            *byte = 0x80 | (rest & 0x7f) as u8;
            rest >>= 7;
        }
        bytes[0] &= 0x7f;
        Encoded { bytes, len }
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The entry length that ends `bytes`, and how many bytes it takes; `None` if none ends there.
#[inline]
pub(crate) fn read_back(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut len = 0;
    for (taken, &byte) in bytes.iter().rev().take(MAX).enumerate() {
        len |= usize::from(byte & 0x7f) << (7 * taken);
        if byte < 0x80 {
            return Some((len, taken + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(len: usize, bytes: &[u8]) {
        assert_eq!(Encoded::new(len).as_slice(), bytes, "{len}");
        assert_eq!(read_back(&[&[1, 2], bytes].concat()), Some((len, bytes.len())), "{len}");
    }

    #[test]
    fn lengths_at_every_limit() {
        check(1, &[1]);
        check(127, &[127]);
        check(128, &[1, 0x80]);
        // The example of the format's description.
        check(500, &[0b0000_0011, 0b1111_0100]);
        check(16382, &[0x7f, 0xfe]);
        check(16383, &[0, 0xff, 0xff]);
        check(2_097_150, &[0x7f, 0xff, 0xfe]);
        check(2_097_151, &[0, 0xff, 0xff, 0xff]);
        check(268_435_454, &[0x7f, 0xff, 0xff, 0xfe]);
        check(268_435_455, &[0, 0xff, 0xff, 0xff, 0xff]);
    }

    #[test]
    fn what_has_no_first_byte_is_no_length() {
        assert_eq!(read_back(&[]), None);
        assert_eq!(read_back(&[0x80; 4]), None);
        assert_eq!(read_back(&[0, 0x80, 0x80, 0x80, 0x80, 0x80]), None);
    }
}
