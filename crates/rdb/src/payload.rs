//! DUMP payloads: one value with its type before it, and a version and checksum after it.

use crate::cursor::{Cursor, Stop};
use crate::form::Form;
use crate::value::{self, Rest, Scratch, Start};
use crate::{Error, Event, Flavor, ReadOptions, checksum, header};

/// The version's two bytes and the checksum's eight.
pub(crate) const FOOTER: usize = 2 + 8;

/// A reader of one DUMP payload.
///
/// Its events are those of a key in a stream, an [`Event::Entry`] or all from [`Event::Begin`] to [`Event::EndOfKey`], with an
/// empty key.
///
/// ```
/// use rdb::{Event, Payload, Value, Writer};
///
/// let mut writer = Writer::payload(rdb::WriteOptions::default());
/// writer.string(b"", b"hello", None, None);
/// let bytes = writer.finish_payload();
///
/// let mut payload = Payload::open(&bytes, true)?;
/// assert!(matches!(payload.next()?, Some(Event::Entry { value: Value::String(b"hello"), .. })));
/// assert_eq!(payload.next()?, None);
/// # Ok::<(), rdb::Error>(())
/// ```
#[derive(Debug)]
pub struct Payload<'a> {
    /// Type and value.
    body: &'a [u8],
    used: usize,
    flavor: Flavor,
    max_string: u64,
    state: State,
    scratch: Scratch,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Type,
    Value(Rest),
    Finished,
    Failed(Error),
}

impl<'a> Payload<'a> {
    /// Begins with a payload. Its checksum is compared if `verify` is set.
    pub fn open(payload: &'a [u8], verify: bool) -> Result<Payload<'a>, Error> {
        Payload::with_options(payload, ReadOptions { verify_checksum: verify, ..ReadOptions::default() })
    }

    /// Begins with a payload that is read in this way.
    pub fn with_options(payload: &'a [u8], options: ReadOptions) -> Result<Payload<'a>, Error> {
        let (body, flavor) = frame(payload, options)?;
        let max_string = options.max_string;
        Ok(Payload { body, used: 0, flavor, max_string, state: State::Type, scratch: Scratch::default() })
    }

    /// The next event; `None` behind the last. Only then is it known that the payload is valid as a whole; an error is final.
    #[expect(
        clippy::should_implement_trait,
        reason = "events borrow from the reader, which no Iterator can say"
    )]
    pub fn next(&mut self) -> Result<Option<Event<'_>>, Error> {
        let mut cursor = Cursor::new(&self.body[self.used..], self.used as u64);
        let (state, scratch) = (&mut self.state, &mut self.scratch);
        let result = match state {
            State::Finished => return Ok(None),
            State::Failed(error) => return Err(*error),
            State::Value(rest) if !rest.is_done() => {
                let event = rest.next(&mut cursor, self.max_string, scratch);
                // The end of some values is only seen when it is there.
                if let (Rest::Module(_), Ok(Event::EndOfKey)) = (rest, &event) {
                    *state = State::Finished;
                }
                event
            }
            _ => step(state, self.flavor, self.max_string, &mut cursor, scratch),
        };
        let at = self.used as u64 + cursor.rest().len() as u64 + cursor.used() as u64;
        let error = match result {
            Ok(_) if matches!(self.state, State::Finished) && !cursor.rest().is_empty() => {
                Error::TrailingBytes { at: cursor.at() }
            }
            Ok(event) => {
                self.used += cursor.used();
                return Ok(Some(event));
            }
            Err(Stop::Fail(error)) => *error,
            Err(Stop::More(_)) => Error::Truncated { at },
        };
        self.state = State::Failed(error);
        Err(error)
    }
}

/// What stands before a payload's footer, once that is known to fit, and the family that wrote it.
pub(crate) fn frame(payload: &[u8], options: ReadOptions) -> Result<(&[u8], Flavor), Error> {
    let truncated = Error::Truncated { at: payload.len() as u64 };
    let (body, footer) = payload.split_last_chunk::<FOOTER>().ok_or(truncated)?;
    let at = body.len() as u64;
    let [v0, v1, sum @ ..] = *footer;
    let version = u32::from(u16::from_le_bytes([v0, v1]));
    if !header::payload_version_known(version, options.newer_versions) {
        return Err(Error::UnsupportedVersion { version, at });
    }
    if options.verify_checksum {
        let stored = u64::from_le_bytes(sum);
        let computed = checksum::of(&payload[..payload.len() - sum.len()]);
        if stored != computed {
            return Err(Error::ChecksumMismatch { stored, computed, at: at + 2 });
        }
    }
    // A payload has no magic word.
    Ok((body, header::payload_flavor(version)))
}

/// Reads the type and what follows it, or ends the value.
fn step<'a>(
    state: &mut State,
    flavor: Flavor,
    max_string: u64,
    cursor: &mut Cursor<'a>,
    scratch: &'a mut Scratch,
) -> Result<Event<'a>, Stop> {
    if let State::Value(_) = state {
        *state = State::Finished;
        return Ok(Event::EndOfKey);
    }
    let at = cursor.at();
    let form = Form::of(cursor.byte()?, flavor, at)?;
    let (key, expiry_ms, idle, freq) = (&[][..], None, None, None);
    Ok(match value::start(form, cursor, max_string, &mut scratch.second)? {
        Start::Whole(value) => {
            *state = State::Finished;
            Event::Entry { key, expiry_ms, idle, freq, value }
        }
        Start::Parts { kind, shape, len, rest } => {
            *state = State::Value(rest);
            Event::Begin { key, expiry_ms, idle, freq, kind, shape, len }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Value, WriteOptions, Writer};
    use proptest::prelude::*;

    fn dump_string(string: &[u8]) -> Vec<u8> {
        let mut writer = Writer::payload(WriteOptions::default());
        writer.string(b"", string, None, None);
        writer.finish_payload()
    }

    /// Ends `body` with a footer whose checksum is right.
    fn sealed(body: &[u8], version: u16) -> Vec<u8> {
        let mut payload = [body, &version.to_le_bytes()].concat();
        let checksum = checksum::of(&payload);
        payload.extend_from_slice(&checksum.to_le_bytes());
        payload
    }

    /// The string in a payload, or why it is refused. Other values are read to their end.
    fn restore(payload: &[u8], verify: bool) -> Result<Vec<u8>, Error> {
        let mut payload = Payload::open(payload, verify)?;
        let mut string = Vec::new();
        loop {
            match payload.next() {
                Ok(Some(Event::Entry { value: Value::String(value), .. })) => string = value.to_vec(),
                Ok(Some(_)) => {}
                Ok(None) => return Ok(string),
                Err(error) => {
                    assert_eq!(payload.next(), Err(error), "an error is final");
                    return Err(error);
                }
            }
        }
    }

    fn check(payload: &[u8], expected: Result<&[u8], Error>) {
        assert_eq!(restore(payload, true).as_deref().map_err(|&error| error), expected);
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
        for version in [1, 9, 10, 11, 12, 15, 80] {
            check(&sealed(b"\0\x01a", version), Ok(b"a"));
        }
        for version in [0, 16, 79, 81] {
            let newer =
                ReadOptions { newer_versions: true, verify_checksum: false, ..ReadOptions::default() };
            let bytes = sealed(b"\0\x01a", version);
            let relaxed = Payload::with_options(&bytes, newer);
            assert_eq!(relaxed.is_ok(), version > 15, "{version}");
            let error = Error::UnsupportedVersion { version: version.into(), at: 3 };
            check(&sealed(b"\0\x01a", version), Err(error));
        }
    }

    #[test]
    fn values_in_parts() {
        let mut payload = sealed(b"\x04\x02\x01f\x01v\x01g\x01w", 10);
        {
            let mut reader = Payload::open(&payload, true).unwrap();
            let mut next = || reader.next().map(|event| format!("{event:?}"));
            assert!(next().unwrap().contains("Begin { key: [], "));
            assert!(next().unwrap().contains("Field { field: [102], value: [118], "));
            assert!(next().unwrap().contains("Field { field: [103], value: [119], "));
            assert_eq!(next().unwrap(), "Some(EndOfKey)");
            assert_eq!(next().unwrap(), "None");
        }
        payload.insert(2, 0);
        assert!(restore(&payload, true).is_err());
        check(&sealed(b"\x04\x01\x01f\x01vx", 10), Err(Error::TrailingBytes { at: 6 }));
        check(&sealed(b"\x04\x01\x01f\x02v", 10), Err(Error::Truncated { at: 6 }));
        check(&sealed(b"\x02\0", 10), Ok(b""));
        check(&sealed(b"\x02\0x", 10), Err(Error::TrailingBytes { at: 2 }));
        // The meaning of the type depends on the family, which the version tells.
        check(&sealed(b"\x16\x01\x01f\x01v\xff\xff\xff\xff\xff\xff\xff\xff", 80), Ok(b""));
        check(&sealed(b"\x16\x01\0\x01f\x01v", 12), Ok(b""));
    }

    #[test]
    fn malformed_values() {
        check(b"", Err(Error::Truncated { at: 0 }));
        check(&[0; 9], Err(Error::Truncated { at: 9 }));
        check(&sealed(b"", 10), Err(Error::Truncated { at: 0 }));
        check(&sealed(b"\0\x02a", 10), Err(Error::Truncated { at: 3 }));
        check(&sealed(b"\0\x01ab", 10), Err(Error::TrailingBytes { at: 3 }));
        check(&sealed(b"\xfe\x00", 10), Err(Error::UnknownType { byte: 0xfe, at: 0 }));
        check(&sealed(b"\x07\x00", 80), Err(Error::Truncated { at: 2 }));
        check(&sealed(b"\x07\x00\x06", 80), Err(Error::BadModuleData { found: 6, at: 2 }));
        check(&sealed(b"\x07\x00\x02\x05\x00", 80), Ok(b""));
        check(&sealed(b"\x07\x00\x02\x05\x00x", 80), Err(Error::TrailingBytes { at: 5 }));
        let name = "hash with a template that stands in a file";
        check(&sealed(b"\x20\x00", 15), Err(Error::UnsupportedType { type_byte: 32, name, at: 0 }));
        let limit = ReadOptions::default().max_string;
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
        assert_eq!(restore(&payload, false).as_deref(), Ok(&b"value"[..]));
    }

    proptest! {
        #[test]
        fn round_trip(string in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..300),
            proptest::collection::vec(0u8..2, 0..3000),
            any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        ]) {
            prop_assert_eq!(restore(&dump_string(&string), true), Ok(string));
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
        fn noise_never_panics(type_byte in 0u8..30, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for version in [10, 12, 80] {
                let _ = restore(&sealed(&[&[type_byte], &bytes[..]].concat(), version), true);
            }
        }
    }
}
