//! DUMP payloads: one value with its type before it, and a version and checksum after it.

use crate::cursor::{Cursor, Stop};
use crate::lzf::Compressor;
use crate::string;
use crate::value::{self, Value};
use crate::{Error, Flavor, checksum, header};

/// The version's two bytes and the checksum's eight.
const FOOTER: usize = 2 + 8;
/// Payloads are as long as their sender made them; the value inside may still claim more than they carry.
const MAX_STRING: u64 = 512 << 20;

/// The payload by which DUMP describes a string.
pub fn dump_string(string: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(string.len() + 16);
    out.push(value::STRING);
    string::write(&mut out, string, Some(&mut Compressor::new()));
    out.extend_from_slice(&(header::DEFAULT_VERSION as u16).to_le_bytes());
    let checksum = checksum::of(&out);
    out.extend_from_slice(&checksum.to_le_bytes());
    out
}

/// The value in a DUMP payload. Its checksum is compared if `verify` is set.
pub fn restore(payload: &[u8], verify: bool) -> Result<Value<'_>, Error> {
    let truncated = Error::Truncated { at: payload.len() as u64 };
    let (body, footer) = payload.split_last_chunk::<FOOTER>().ok_or(truncated)?;
    let at = body.len() as u64;
    let [v0, v1, sum @ ..] = *footer;
    let version = u32::from(u16::from_le_bytes([v0, v1]));
    if !header::payload_version_known(version) {
        return Err(Error::UnsupportedVersion { version, at });
    }
    if verify {
        let stored = u64::from_le_bytes(sum);
        let computed = checksum::of(&payload[..payload.len() - sum.len()]);
        if stored != computed {
            return Err(Error::ChecksumMismatch { stored, computed, at: at + 2 });
        }
    }
    let mut cursor = Cursor::new(body, 0);
    let value = match parse(&mut cursor, version) {
        Ok(value) => value,
        Err(Stop::Fail(error)) => return Err(*error),
        Err(Stop::More(_)) => return Err(Error::Truncated { at }),
    };
    if cursor.at() < at {
        return Err(Error::TrailingBytes { at: cursor.at() });
    }
    Ok(value)
}

fn parse<'a>(cursor: &mut Cursor<'a>, version: u32) -> Result<Value<'a>, Stop> {
    // A payload has no magic word, but the families' version numbers do not overlap.
    let flavor = if version > header::REDIS_LAST { Flavor::Valkey } else { Flavor::Redis };
    let at = cursor.at();
    let type_byte = cursor.byte()?;
    value::check_type(type_byte, flavor, at)?;
    value::read_cow(type_byte, cursor, MAX_STRING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Ends `body` with a footer whose checksum is right.
    fn sealed(body: &[u8], version: u16) -> Vec<u8> {
        let mut payload = [body, &version.to_le_bytes()].concat();
        let checksum = checksum::of(&payload);
        payload.extend_from_slice(&checksum.to_le_bytes());
        payload
    }

    fn check(payload: &[u8], expected: Result<&[u8], Error>) {
        let expected = expected.map(|bytes| Value::String(bytes.into()));
        assert_eq!(restore(payload, true), expected);
    }

    #[test]
    fn the_example_of_the_commands_documentation() {
        // What the documentation of DUMP shows for `SET mykey 10`, with version 9.
        let payload = b"\x00\xc0\n\t\x00\xbem\x06\x89Z(\x00\n";
        check(payload, Ok(b"10"));
        assert_eq!(sealed(b"\x00\xc0\n", 9), payload);
    }

    #[test]
    fn versions() {
        for version in [1, 9, 10, 11, 12, 80] {
            check(&sealed(b"\0\x01a", version), Ok(b"a"));
        }
        for version in [0, 13, 79, 81] {
            let error = Error::UnsupportedVersion { version: version.into(), at: 3 };
            check(&sealed(b"\0\x01a", version), Err(error));
        }
    }

    #[test]
    fn malformed_values() {
        check(b"", Err(Error::Truncated { at: 0 }));
        check(&[0; 9], Err(Error::Truncated { at: 9 }));
        check(&sealed(b"", 10), Err(Error::Truncated { at: 0 }));
        check(&sealed(b"\0\x02a", 10), Err(Error::Truncated { at: 3 }));
        check(&sealed(b"\0\x01ab", 10), Err(Error::TrailingBytes { at: 3 }));
        check(&sealed(b"\xfe\x00", 10), Err(Error::UnknownType { byte: 0xfe, at: 0 }));
        let name = "hash with field expiry";
        check(&sealed(b"\x16\x00", 80), Err(Error::UnsupportedType { type_byte: 22, name, at: 0 }));
        let limit = MAX_STRING;
        check(
            &sealed(b"\0\x81\x80\0\0\0\0\0\0\0", 10),
            Err(Error::StringTooLong { len: 1 << 63, limit, at: 1 }),
        );
    }

    #[test]
    fn the_checksum_counts_only_if_asked_for() {
        let mut payload = dump_string(b"value");
        let last = payload.len() - 1;
        payload[last] ^= 1;
        assert!(matches!(restore(&payload, true), Err(Error::ChecksumMismatch { at: 9, .. })));
        assert_eq!(restore(&payload, false), Ok(Value::String(b"value"[..].into())));
    }

    proptest! {
        #[test]
        fn round_trip(string in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..300),
            proptest::collection::vec(0u8..2, 0..3000),
            any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        ]) {
            let payload = dump_string(&string);
            prop_assert_eq!(restore(&payload, true), Ok(Value::String(string.into())));
        }

        #[test]
        fn any_flipped_bit_is_noticed(string in "[ab0-9]{0,60}", bit: proptest::sample::Index) {
            let mut payload = dump_string(string.as_bytes());
            let bit = bit.index(payload.len() * 8);
            payload[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(restore(&payload, true).is_err());
            let _ = restore(&payload, false);
        }

        #[test]
        fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = restore(&sealed(&[&[0], &bytes[..]].concat(), 10), true);
        }
    }
}
