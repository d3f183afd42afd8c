//! The nine bytes at the start of a stream: a magic word and the version in decimal digits.

use crate::cursor::{Cursor, Stop};
use crate::{Error, Flavor};

/// The first Valkey version with its own magic word; below, Valkey writes what Redis 7.2 writes.
pub(crate) const VALKEY_FIRST: u32 = 80;
/// The last version of Redis whose opcodes and types are known to this crate.
pub(crate) const REDIS_LAST: u32 = 15;
/// The last version of Redis that is written.
const REDIS_LAST_WRITTEN: u32 = 12;
/// From this version on a checksum follows the end opcode.
pub(crate) const CHECKSUM_SINCE: u32 = 5;
/// The version written unless another is asked for: that of Redis 7.0, which every later server reads.
pub(crate) const DEFAULT_VERSION: u32 = 10;

/// Whether the writer offers a version; those below the default lack what it writes.
pub(crate) fn is_written(version: u32, flavor: Flavor) -> bool {
    match flavor {
        Flavor::Redis => (DEFAULT_VERSION..=REDIS_LAST_WRITTEN).contains(&version),
        Flavor::Valkey => version == VALKEY_FIRST,
    }
}

/// Reads it. `newer`: a version that is beyond those known is read as the last of them.
pub(crate) fn read(cursor: &mut Cursor<'_>, newer: bool) -> Result<(u32, Flavor), Stop> {
    let at = cursor.at();
    let bytes: [u8; 9] = cursor.array()?;
    let (flavor, digits) = if let Some(digits) = bytes.strip_prefix(b"REDIS") {
        (Flavor::Redis, digits)
    } else if let Some(digits) = bytes.strip_prefix(b"VALKEY") {
        (Flavor::Valkey, digits)
    } else {
        return Err(Error::BadMagic { at }.into());
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(Error::BadMagic { at }.into());
    }
    let version = digits.iter().fold(0, |n, digit| n * 10 + u32::from(digit - b'0'));
    let known = match flavor {
        Flavor::Redis => (1..=REDIS_LAST).contains(&version) || newer && version > REDIS_LAST,
        Flavor::Valkey => version == VALKEY_FIRST || newer && version > VALKEY_FIRST,
    };
    if !known {
        return Err(Error::UnsupportedVersion { version, at: at + (9 - digits.len()) as u64 }.into());
    }
    Ok((version, flavor))
}

/// Whether a DUMP payload of this version can be read; payloads carry a number, but no magic word. `newer` as for [`read`].
pub(crate) fn payload_version_known(version: u32, newer: bool) -> bool {
    (1..=REDIS_LAST).contains(&version) || version == VALKEY_FIRST || newer && version > REDIS_LAST
}

/// Whose version a payload's is: the families' numbers do not overlap.
pub(crate) fn payload_flavor(version: u32) -> Flavor {
    if version < VALKEY_FIRST { Flavor::Redis } else { Flavor::Valkey }
}

pub(crate) fn write(out: &mut Vec<u8>, version: u32, flavor: Flavor) {
    let header = match flavor {
        Flavor::Redis => format!("REDIS{version:04}"),
        Flavor::Valkey => format!("VALKEY{version:03}"),
    };
    out.extend_from_slice(header.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8; 9], expected: Result<(u32, Flavor), Error>) {
        match (read(&mut Cursor::new(bytes, 0), false), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(Stop::Fail(found)), Err(expected)) => assert_eq!(*found, expected),
            (_, expected) => panic!("{bytes:?} should give {expected:?}"),
        }
    }

    #[test]
    fn versions_of_both_families() {
        check(b"REDIS0001", Ok((1, Flavor::Redis)));
        check(b"REDIS0012", Ok((12, Flavor::Redis)));
        check(b"VALKEY080", Ok((80, Flavor::Valkey)));
        check(b"REDIS0000", Err(Error::UnsupportedVersion { version: 0, at: 5 }));
        check(b"REDIS0015", Ok((15, Flavor::Redis)));
        check(b"REDIS0016", Err(Error::UnsupportedVersion { version: 16, at: 5 }));
        check(b"REDIS0080", Err(Error::UnsupportedVersion { version: 80, at: 5 }));
        check(b"VALKEY011", Err(Error::UnsupportedVersion { version: 11, at: 6 }));
        check(b"VALKEY081", Err(Error::UnsupportedVersion { version: 81, at: 6 }));
        check(b"REDIS 010", Err(Error::BadMagic { at: 0 }));
        check(b"redis0010", Err(Error::BadMagic { at: 0 }));
        check(b"PK\x03\x04\0\0\0\0\0", Err(Error::BadMagic { at: 0 }));
    }

    #[test]
    fn what_is_written_is_read() {
        let mut seen = 0;
        for version in 0..100 {
            for flavor in [Flavor::Redis, Flavor::Valkey] {
                if is_written(version, flavor) {
                    let mut out = Vec::new();
                    write(&mut out, version, flavor);
                    check(out[..].try_into().unwrap(), Ok((version, flavor)));
                    seen += 1;
                }
            }
        }
        assert_eq!(seen, 4);
    }
}
