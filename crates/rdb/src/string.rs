//! Strings: plain bytes, numbers stored as numbers, or LZF data.

use crate::cursor::{Cursor, Stop};
use crate::length::{self, Length};
use crate::lzf::{self, Compressor};
use crate::{Error, integer};

/// The two top bits of a byte that announces a special encoding.
const SPECIAL: u8 = 0xc0;
/// An 8-bit number.
const INT_8: u8 = 0;
/// A 16-bit little-endian number.
const INT_16: u8 = 1;
/// A 32-bit little-endian number.
const INT_32: u8 = 2;
/// Length of the LZF data, length of the string, LZF data.
const LZF: u8 = 3;

/// Strings up to this length are not worth an attempt at compressing.
const INCOMPRESSIBLE: usize = 20;

/// What stands before a string's own bytes.
pub(crate) enum Header {
    Plain { len: u64 },
    Int8,
    Int16,
    Int32,
    Lzf { packed: u64, len: u64 },
}

impl Header {
    /// Reads a header and holds the lengths that it declares against `limit`.
    #[inline(always)]
    pub(crate) fn read(cursor: &mut Cursor<'_>, limit: u64) -> Result<Header, Stop> {
        let at = cursor.at();
        let header = match length::read(cursor)? {
            Length::Plain(len) => Header::Plain { len },
            Length::Special(INT_8) => Header::Int8,
            Length::Special(INT_16) => Header::Int16,
            Length::Special(INT_32) => Header::Int32,
            Length::Special(LZF) => {
                Header::Lzf { packed: length::read_plain(cursor)?, len: length::read_plain(cursor)? }
            }
            Length::Special(code) => {
                return Err(Error::UnknownEncoding { byte: SPECIAL | code, at }.into());
            }
        };
        let longest = match header {
            Header::Plain { len } => len,
            // Compressed data longer than the string itself is legal, if pointless; it needs memory all the same.
            Header::Lzf { packed, len } => packed.max(len),
            Header::Int8 | Header::Int16 | Header::Int32 => 0,
        };
        if longest > limit {
            return Err(Error::StringTooLong { len: longest, limit, at }.into());
        }
        Ok(header)
    }

    /// Number of bytes that follow the header.
    pub(crate) fn body(&self) -> u64 {
        match *self {
            Header::Plain { len } => len,
            Header::Int8 => 1,
            Header::Int16 => 2,
            Header::Int32 => 4,
            Header::Lzf { packed, .. } => packed,
        }
    }
}

/// Reads a string; `scratch` takes its bytes if they do not stand in the input as they are.
///
/// Decoding at once means that a compressed key is decoded again when the input ends within its value. The cursor
/// says how much is missing, so that happens a few times at most, however small the pieces of input are.
#[inline(always)]
pub(crate) fn read<'a>(
    cursor: &mut Cursor<'a>,
    limit: u64,
    scratch: &'a mut Vec<u8>,
) -> Result<&'a [u8], Stop> {
    if let Some((bytes, _)) = short_plain(cursor.rest(), limit) {
        cursor.skip(1 + bytes.len());
        return Ok(bytes);
    }
    scratch.clear();
    Ok(read_any(cursor, limit, scratch)?.unwrap_or(scratch))
}

/// Reads a string into a buffer of its own.
pub(crate) fn read_owned(cursor: &mut Cursor<'_>, limit: u64) -> Result<Vec<u8>, Stop> {
    let mut bytes = Vec::new();
    if let Some(plain) = read_any(cursor, limit, &mut bytes)? {
        bytes.extend_from_slice(plain);
    }
    Ok(bytes)
}

/// A string that has been read, and where its bytes stand in the stream.
pub(crate) struct Located<'a> {
    pub(crate) bytes: &'a [u8],
    /// Offset of the first byte; `None` if they do not stand there as they are.
    at: Option<u64>,
}

impl Located<'_> {
    /// The offset in the stream of what is at `inner` of the bytes. Where that is unknown it is `string`, where the string begins.
    pub(crate) fn offset_of(&self, string: u64, inner: Option<usize>) -> u64 {
        self.at.zip(inner).map_or(string, |(at, inner)| at + inner as u64)
    }
}

/// Like [`read`], for strings whose content is checked.
pub(crate) fn read_located<'a>(
    cursor: &mut Cursor<'a>,
    limit: u64,
    scratch: &'a mut Vec<u8>,
) -> Result<Located<'a>, Stop> {
    let plain = cursor.rest().first().is_some_and(|first| first & SPECIAL != SPECIAL);
    let bytes = read(cursor, limit, scratch)?;
    Ok(Located { bytes, at: plain.then(|| cursor.at() - bytes.len() as u64) })
}

/// Reads a string of any form: gives its bytes, or appends them to `decoded`.
#[inline(never)]
fn read_any<'a>(
    cursor: &mut Cursor<'a>,
    limit: u64,
    decoded: &mut Vec<u8>,
) -> Result<Option<&'a [u8]>, Stop> {
    let at = cursor.at();
    let number = match Header::read(cursor, limit)? {
        Header::Plain { len } => return Ok(Some(cursor.bytes(len)?)),
        Header::Int8 => i8::from_le_bytes(cursor.array()?).into(),
        Header::Int16 => i16::from_le_bytes(cursor.array()?).into(),
        Header::Int32 => i32::from_le_bytes(cursor.array()?),
        Header::Lzf { packed, len } => {
            let packed = cursor.bytes(packed)?;
            // A length that memory cannot address is one that the data cannot have.
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            lzf::decompress(packed, len, decoded).map_err(|reason| Error::BadCompression { reason, at })?;
            return Ok(None);
        }
    };
    decoded.extend_from_slice(itoa::Buffer::new().format::<i32>(number).as_bytes());
    Ok(None)
}

/// The string at the start of `data`, and what follows it, if the string is plain and shorter than 64 bytes.
///
/// Nearly all strings are; reading them costs a third this way of what it costs by way of [`Header`].
#[inline(always)]
pub(crate) fn short_plain(data: &[u8], limit: u64) -> Option<(&[u8], &[u8])> {
    match data {
        [len @ 0..0x40, rest @ ..] if u64::from(*len) <= limit => rest.split_at_checked(usize::from(*len)),
        _ => None,
    }
}

/// Appends a string in its shortest form; compressed forms are considered if there is a compressor.
#[inline]
pub(crate) fn write(out: &mut Vec<u8>, string: &[u8], compressor: Option<&mut Compressor>) {
    if let Some(number) = integer::parse(string) {
        return write_integer(out, number);
    }
    if let Some(compressor) = compressor
        && string.len() > INCOMPRESSIBLE
        && write_lzf(out, string, compressor)
    {
        return;
    }
    length::write(out, string.len() as u64);
    out.extend_from_slice(string);
}

fn write_integer(out: &mut Vec<u8>, number: i32) {
    if let Ok(number) = i8::try_from(number) {
        out.extend_from_slice(&[SPECIAL | INT_8, number as u8]);
    } else if let Ok(number) = i16::try_from(number) {
        out.push(SPECIAL | INT_16);
        out.extend_from_slice(&number.to_le_bytes());
    } else {
        out.push(SPECIAL | INT_32);
        out.extend_from_slice(&number.to_le_bytes());
    }
}

/// Appends the LZF form if that is shorter than the plain form.
fn write_lzf(out: &mut Vec<u8>, string: &[u8], compressor: &mut Compressor) -> bool {
    let len = string.len() as u64;
    // Both forms carry the string's length; LZF adds a byte and a second length, which is not larger than the first.
    let overhead = 1 + length::size(len);
    let Some(packed) = compressor.compress(string, string.len() - overhead - 1) else { return false };
    out.push(SPECIAL | LZF);
    length::write(out, packed.len() as u64);
    length::write(out, len);
    out.extend_from_slice(packed);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 1 << 29;

    fn decode(bytes: &[u8]) -> Result<Vec<u8>, Error> {
        let mut cursor = Cursor::new(bytes, 0);
        let mut scratch = vec![1, 2, 3];
        match read(&mut cursor, LIMIT, &mut scratch) {
            Ok(string) => {
                assert_eq!(cursor.used(), bytes.len());
                Ok(string.to_vec())
            }
            Err(Stop::Fail(error)) => Err(*error),
            Err(Stop::More(len)) => {
                assert!(len > bytes.len());
                Err(Error::Truncated { at: bytes.len() as u64 })
            }
        }
    }

    /// Holds in both directions.
    fn check(string: &[u8], bytes: &[u8]) {
        let mut out = Vec::new();
        write(&mut out, string, Some(&mut Compressor::new()));
        assert_eq!(out, bytes, "encoding of {string:?}");
        assert_eq!(decode(bytes).as_deref(), Ok(string));
    }

    #[test]
    fn plain_and_numbers() {
        check(b"", &[0]);
        check(b"foo", b"\x03foo");
        check(b"0", &[0xc0, 0]);
        check(b"-1", &[0xc0, 0xff]);
        check(b"127", &[0xc0, 0x7f]);
        check(b"-128", &[0xc0, 0x80]);
        check(b"128", &[0xc1, 0x80, 0]);
        check(b"-129", &[0xc1, 0x7f, 0xff]);
        check(b"32767", &[0xc1, 0xff, 0x7f]);
        check(b"32768", &[0xc2, 0, 0x80, 0, 0]);
        check(b"-2147483648", &[0xc2, 0, 0, 0, 0x80]);
        check(b"2147483648", b"\x0a2147483648");
        check(b"007", b"\x03007");
    }

    #[test]
    fn compression_begins_above_twenty_bytes_and_only_where_it_gains() {
        check(&[b'a'; 20], &[&[20], &[b'a'; 20][..]].concat());
        check(&[b'a'; 21], &[0xc3, 5, 21, 0, b'a', 0xe0, 20 - 9, 0]);
        check(b"abcdefghijklmnopqrstuvwxyz", b"\x1aabcdefghijklmnopqrstuvwxyz");
        check(&[b'a'; 265], &[0xc3, 5, 0x41, 9, 0, b'a', 0xe0, 255, 0]);
    }

    #[test]
    fn without_a_compressor_bytes_stay_plain() {
        let mut out = Vec::new();
        write(&mut out, &[b'a'; 30], None);
        assert_eq!(out, [&[30], &[b'a'; 30][..]].concat());
    }

    #[test]
    fn damage() {
        assert_eq!(decode(&[0xc4]), Err(Error::UnknownEncoding { byte: 0xc4, at: 0 }));
        assert_eq!(decode(&[0xff]), Err(Error::UnknownEncoding { byte: 0xff, at: 0 }));
        assert_eq!(decode(&[0x90]), Err(Error::BadLength { byte: 0x90, at: 0 }));
        assert_eq!(decode(&[0xc3, 0xc0, 1]), Err(Error::ExpectedLength { byte: 0xc0, at: 1 }));
        let reason = lzf::DecompressError::TooShort;
        assert_eq!(decode(&[0xc3, 2, 3, 0, b'a']), Err(Error::BadCompression { reason, at: 0 }));
        // 2^63 bytes, plain and on either side of a compressed string.
        let huge = [0x81, 0x80, 0, 0, 0, 0, 0, 0, 0];
        let too_long = Err(Error::StringTooLong { len: 1 << 63, limit: LIMIT, at: 0 });
        assert_eq!(decode(&huge), too_long);
        assert_eq!(decode(&[&[0xc3, 3], &huge[..]].concat()), too_long);
        assert_eq!(decode(&[&[0xc3], &huge[..], &[3]].concat()), too_long);
    }

    #[test]
    fn the_body_of_a_header_is_its_length_in_the_input() {
        for bytes in [&b"\x03foo"[..], &[0xc0, 1], &[0xc1, 1, 2], &[0xc2, 1, 2, 3, 4], &[0xc3, 2, 1, 0, b'a']]
        {
            let mut cursor = Cursor::new(bytes, 0);
            let Ok(header) = Header::read(&mut cursor, LIMIT) else { panic!("{bytes:?}") };
            assert_eq!(cursor.used() as u64 + header.body(), bytes.len() as u64);
        }
    }
}
