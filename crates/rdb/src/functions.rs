//! The payloads of FUNCTION DUMP: the texts of libraries, in the frame of a DUMP payload.

use crate::cursor::{Cursor, Stop};
use crate::payload::frame;
use crate::{Error, ReadOptions, WriteOptions, Writer, length, opcode, string};

/// A library's text is no longer than a request.
const MAX_CODE: u64 = 512 << 20;

/// Reads a library as the first two prereleases of Redis 7 wrote it, with its name and engine beside its text. What comes of it, in
/// `scratch`, is the text of today, which begins with a line that says both.
pub(crate) fn read_prerelease<'a>(
    cursor: &mut Cursor<'_>,
    limit: u64,
    scratch: &'a mut Vec<u8>,
) -> Result<&'a [u8], Stop> {
    let name = string::read_owned(cursor, limit)?;
    let engine = string::read_owned(cursor, limit)?;
    // A description, which libraries have no more.
    if length::read_plain(cursor)? != 0 {
        string::read_owned(cursor, limit)?;
    }
    let code = string::read_owned(cursor, limit)?;
    scratch.clear();
    for part in [b"#!", &engine.to_ascii_lowercase()[..], b" name=", &name, b"\n", &code] {
        scratch.extend_from_slice(part);
    }
    Ok(scratch)
}

/// The payload that holds these libraries.
///
/// ```
/// let payload = rdb::write_functions([&b"#!lua name=one"[..], b"#!lua name=two"]);
/// let libraries = rdb::read_functions(&payload, true)?;
/// assert_eq!(libraries, [b"#!lua name=one", b"#!lua name=two"]);
/// # Ok::<(), rdb::Error>(())
/// ```
pub fn write_functions<'a>(libraries: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut writer = Writer::payload(WriteOptions::default());
    for code in libraries {
        writer.function(code);
    }
    writer.finish_payload()
}

/// The libraries in a payload. Its checksum is compared if `verify` is set.
///
/// # Errors
///
/// [`Error::UnsupportedVersion`], [`Error::ChecksumMismatch`] and a missing footer are faults of the frame; everything else one of
/// the content.
pub fn read_functions(payload: &[u8], verify: bool) -> Result<Vec<Vec<u8>>, Error> {
    let (body, _) = frame(payload, ReadOptions { verify_checksum: verify, ..ReadOptions::default() })?;
    let (mut libraries, mut used) = (Vec::new(), 0);
    while used < body.len() {
        let mut scratch = Vec::new();
        let mut cursor = Cursor::new(&body[used..], used as u64);
        let library = match cursor.byte() {
            Ok(opcode::FUNCTION) => string::read(&mut cursor, MAX_CODE, &mut scratch).map(<[u8]>::to_vec),
            Ok(byte) => Err(Error::UnknownType { byte, at: used as u64 }.into()),
            Err(stop) => Err(stop),
        };
        match library {
            Ok(library) => libraries.push(library),
            Err(Stop::Fail(error)) => return Err(*error),
            Err(Stop::More(_)) => return Err(Error::Truncated { at: body.len() as u64 }),
        }
        used += cursor.used();
    }
    Ok(libraries)
}
