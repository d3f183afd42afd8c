//! Values of keys, by type.
//!
//! A type gets a module of its own that reads and writes its layout, as `string` does, a variant of [`Value`], and
//! a line here wherever types are told apart. Layouts are read from a [`Cursor`], without recursion; what is not
//! there yet stops the cursor, and the reader tries again once it has as much as the cursor asked for.

use std::borrow::Cow;

use crate::cursor::{Cursor, Stop};
use crate::{Error, Flavor, string};

/// The type byte of a string.
pub(crate) const STRING: u8 = 0;

/// The value of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// A string. Borrowed where its bytes stand as they are in the input or in the reader's buffers.
    String(Cow<'a, [u8]>),
}

/// Refuses types that [`read`] does not know. Apart from it, so that a stream is refused at the type byte,
/// before its key.
#[inline]
pub(crate) fn check_type(type_byte: u8, flavor: Flavor, at: u64) -> Result<(), Error> {
    if type_byte == STRING { Ok(()) } else { Err(refuse(type_byte, flavor, at)) }
}

#[cold]
fn refuse(type_byte: u8, flavor: Flavor, at: u64) -> Error {
    match name(type_byte, flavor) {
        Some(name) => Error::UnsupportedType { type_byte, name, at },
        None => Error::UnknownType { byte: type_byte, at },
    }
}

/// Reads a value of a type that [`check_type`] has accepted; `scratch` takes what does not stand in the input.
#[inline]
pub(crate) fn read<'a>(
    type_byte: u8,
    cursor: &mut Cursor<'a>,
    limit: u64,
    scratch: &'a mut Vec<u8>,
) -> Result<Value<'a>, Stop> {
    debug_assert_eq!(type_byte, STRING);
    Ok(Value::String(Cow::Borrowed(string::read(cursor, limit, scratch)?)))
}

/// Like [`read`], but the value owns what does not stand in the input.
pub(crate) fn read_cow<'a>(type_byte: u8, cursor: &mut Cursor<'a>, limit: u64) -> Result<Value<'a>, Stop> {
    debug_assert_eq!(type_byte, STRING);
    Ok(Value::String(string::read_cow(cursor, limit)?))
}

/// What a type byte stands for. From 22 on the families have gone separate ways.
fn name(type_byte: u8, flavor: Flavor) -> Option<&'static str> {
    Some(match (type_byte, flavor) {
        (0, _) => "string",
        (1, _) => "list",
        (2, _) => "set",
        (3, _) => "sorted set with scores as text",
        (4, _) => "hash",
        (5, _) => "sorted set",
        (6, _) => "module, first form",
        (7, _) => "module",
        (9, _) => "hash as zipmap",
        (10, _) => "list as ziplist",
        (11, _) => "set as intset",
        (12, _) => "sorted set as ziplist",
        (13, _) => "hash as ziplist",
        (14, _) => "list as quicklist of ziplists",
        (15, _) => "stream, first form",
        (16, _) => "hash as listpack",
        (17, _) => "sorted set as listpack",
        (18, _) => "list as quicklist of listpacks",
        (19, _) => "stream, second form",
        (20, _) => "set as listpack",
        (21, _) => "stream, third form",
        (22, Flavor::Valkey) => "hash with field expiry",
        (22, Flavor::Redis) => "hash with field expiry, prerelease form",
        (23, Flavor::Redis) => "hash with field expiry as listpack, prerelease form",
        (24, Flavor::Redis) => "hash with field expiry",
        (25, Flavor::Redis) => "hash with field expiry as listpack",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_to_come_are_named_and_others_are_unknown() {
        for type_byte in 1..=242u8 {
            for flavor in [Flavor::Redis, Flavor::Valkey] {
                let known = type_byte <= 22 && type_byte != 8
                    || type_byte <= 25 && flavor == Flavor::Redis && type_byte > 22;
                match check_type(type_byte, flavor, 4) {
                    Err(Error::UnsupportedType { type_byte: t, at: 4, .. }) => {
                        assert!(known && t == type_byte)
                    }
                    Err(Error::UnknownType { byte, at: 4 }) => assert!(!known && byte == type_byte),
                    other => panic!("type {type_byte}: {other:?}"),
                }
            }
        }
        assert_eq!(check_type(STRING, Flavor::Redis, 0), Ok(()));
    }
}
