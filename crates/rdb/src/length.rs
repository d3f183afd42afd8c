//! Lengths: the variable-size numbers that stand before strings and counts.
//!
//! The two top bits of the first byte choose the form: 6 bits in the byte itself, 14 bits in two bytes, a
//! 32-bit or 64-bit big-endian number after the byte, or, where a string may stand, a special string encoding.

use crate::Error;
use crate::cursor::{Cursor, Stop};

/// The whole first byte of a 32-bit length.
const WIDE_32: u8 = 0x80;
/// The whole first byte of a 64-bit length.
const WIDE_64: u8 = 0x81;

/// What stands where a length is read.
pub(crate) enum Length {
    /// A number.
    Plain(u64),
    /// The low six bits of a byte that announces a special string encoding.
    Special(u8),
}

#[inline(always)]
pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Length, Stop> {
    let at = cursor.at();
    let first = cursor.byte()?;
    Ok(match first >> 6 {
        0 => Length::Plain(u64::from(first)),
        1 => Length::Plain(u64::from(first & 0x3f) << 8 | u64::from(cursor.byte()?)),
        3 => Length::Special(first & 0x3f),
        _ => match first {
            WIDE_32 => Length::Plain(u64::from(u32::from_be_bytes(cursor.array()?))),
            WIDE_64 => Length::Plain(u64::from_be_bytes(cursor.array()?)),
            byte => return Err(Error::BadLength { byte, at }.into()),
        },
    })
}

/// A length where no string encoding may stand.
#[inline]
pub(crate) fn read_plain(cursor: &mut Cursor<'_>) -> Result<u64, Stop> {
    let at = cursor.at();
    match read(cursor)? {
        Length::Plain(n) => Ok(n),
        Length::Special(code) => Err(Error::ExpectedLength { byte: 0xc0 | code, at }.into()),
    }
}

/// Appends `n` in its shortest form.
#[inline]
pub(crate) fn write(out: &mut Vec<u8>, n: u64) {
    match n {
        0..0x40 => out.push(n as u8),
        0x40..0x4000 => out.extend_from_slice(&(0x4000 | n as u16).to_be_bytes()),
        0x4000..=0xffff_ffff => {
            out.push(WIDE_32);
            out.extend_from_slice(&(n as u32).to_be_bytes());
        }
        _ => {
            out.push(WIDE_64);
            out.extend_from_slice(&n.to_be_bytes());
        }
    }
}

/// Number of bytes that [`write`] appends for `n`.
#[inline]
pub(crate) fn size(n: u64) -> usize {
    match n {
        0..0x40 => 1,
        0x40..0x4000 => 2,
        0x4000..=0xffff_ffff => 5,
        _ => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(n: u64, bytes: &[u8]) {
        let mut out = Vec::new();
        write(&mut out, n);
        assert_eq!(out, bytes, "encoding of {n}");
        assert_eq!(size(n), bytes.len());
        let mut cursor = Cursor::new(bytes, 0);
        assert!(matches!(read_plain(&mut cursor), Ok(m) if m == n), "decoding of {n}");
        assert_eq!(cursor.used(), bytes.len());
    }

    #[test]
    fn every_form_at_its_limits() {
        check(0, &[0]);
        check(63, &[0x3f]);
        check(64, &[0x40, 64]);
        check(700, &[0x42, 0xbc]);
        check(16383, &[0x7f, 0xff]);
        check(16384, &[0x80, 0, 0, 0x40, 0]);
        check(u64::from(u32::MAX), &[0x80, 0xff, 0xff, 0xff, 0xff]);
        check(1 << 32, &[0x81, 0, 0, 0, 1, 0, 0, 0, 0]);
        check(u64::MAX, &[0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    }

    #[test]
    fn forms_longer_than_needed_are_read() {
        assert!(matches!(read_plain(&mut Cursor::new(&[0x40, 5], 0)), Ok(5)));
        assert!(matches!(read_plain(&mut Cursor::new(&[0x80, 0, 0, 0, 5], 0)), Ok(5)));
    }

    #[test]
    fn bad_first_bytes_are_named_with_their_offset() {
        for byte in 0x82..=0xbf {
            let stop = read_plain(&mut Cursor::new(&[byte, 0, 0, 0, 0, 0, 0, 0, 0], 7));
            assert!(matches!(stop, Err(Stop::Fail(error)) if *error == Error::BadLength { byte, at: 7 }));
        }
        let stop = read_plain(&mut Cursor::new(&[0xc1, 0, 0], 3));
        let expected = Error::ExpectedLength { byte: 0xc1, at: 3 };
        assert!(matches!(stop, Err(Stop::Fail(error)) if *error == expected));
    }

    #[test]
    fn a_cut_length_asks_for_what_it_lacks() {
        assert!(matches!(read_plain(&mut Cursor::new(&[], 0)), Err(Stop::More(1))));
        assert!(matches!(read_plain(&mut Cursor::new(&[0x80, 1], 0)), Err(Stop::More(5))));
        assert!(matches!(read_plain(&mut Cursor::new(&[0x81, 1], 0)), Err(Stop::More(9))));
    }
}
