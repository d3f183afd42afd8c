//! The type bytes: which kind of value follows in which form.

use crate::compact::Encoding;
use crate::{Error, Flavor, Kind};

pub(crate) const STRING: u8 = 0;
pub(crate) const SET: u8 = 2;
pub(crate) const HASH: u8 = 4;
pub(crate) const ZSET: u8 = 5;
pub(crate) const SET_INTSET: u8 = 11;
pub(crate) const HASH_LISTPACK: u8 = 16;
pub(crate) const ZSET_LISTPACK: u8 = 17;
pub(crate) const LIST_NODES: u8 = 18;
pub(crate) const STREAM_2: u8 = 19;
pub(crate) const SET_LISTPACK: u8 = 20;
pub(crate) const STREAM_3: u8 = 21;
/// Of Valkey.
pub(crate) const HASH_TIMED_VALKEY: u8 = 22;
/// Of Redis.
pub(crate) const HASH_TIMED_REDIS: u8 = 24;

/// How a value is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One string.
    String,
    /// One string that holds a whole collection.
    Compact(Kind, Encoding),
    /// The same, after the earliest expiry of its fields.
    CompactAfterExpiry(Kind, Encoding),
    /// A count and so many strings.
    Strings(Kind),
    /// A count and so many members with their scores.
    Members(Scores),
    /// A count and so many fields with their values.
    Fields(FieldExpiry),
    /// A count and so many strings, each of which holds a part of a list.
    Nodes(Nodes),
    /// A stream, in its first, second or third form.
    Stream(StreamForm),
}

/// How the score of a member is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scores {
    /// As decimal text.
    Text,
    /// As a double.
    Binary,
}

/// How the expiry of a field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldExpiry {
    /// Not at all.
    Absent,
    /// Behind the value: eight bytes, -1 for none.
    Behind,
    /// Before the field: a length, 0 for none.
    Before,
    /// Before the field: a length that counts from one before the earliest expiry, 0 for none. That expiry stands before the count.
    BeforeRelative,
}

/// What the nodes of a list are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nodes {
    Ziplists,
    /// Each says whether it is a listpack or one plain element.
    Containers,
}

/// The forms of streams: each has all that the one before it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StreamForm {
    /// Redis 5.
    First,
    /// Redis 7.0: more about the entries that were there, and about how far groups have read.
    Second,
    /// Redis 7.2: when a consumer last got anything.
    Third,
}

impl Form {
    /// The form that a type byte stands for. From 22 on the families have gone separate ways.
    #[inline]
    pub(crate) fn of(type_byte: u8, flavor: Flavor, at: u64) -> Result<Form, Error> {
        Ok(match (type_byte, flavor) {
            (STRING, _) => Form::String,
            (1, _) => Form::Strings(Kind::List),
            (SET, _) => Form::Strings(Kind::Set),
            (3, _) => Form::Members(Scores::Text),
            (HASH, _) => Form::Fields(FieldExpiry::Absent),
            (ZSET, _) => Form::Members(Scores::Binary),
            (9, _) => Form::Compact(Kind::Hash, Encoding::Zipmap),
            (10, _) => Form::Compact(Kind::List, Encoding::Ziplist),
            (SET_INTSET, _) => Form::Compact(Kind::Set, Encoding::Intset),
            (12, _) => Form::Compact(Kind::ZSet, Encoding::Ziplist),
            (13, _) => Form::Compact(Kind::Hash, Encoding::Ziplist),
            (14, _) => Form::Nodes(Nodes::Ziplists),
            (15, _) => Form::Stream(StreamForm::First),
            (HASH_LISTPACK, _) => Form::Compact(Kind::Hash, Encoding::Listpack),
            (ZSET_LISTPACK, _) => Form::Compact(Kind::ZSet, Encoding::Listpack),
            (LIST_NODES, _) => Form::Nodes(Nodes::Containers),
            (STREAM_2, _) => Form::Stream(StreamForm::Second),
            (SET_LISTPACK, _) => Form::Compact(Kind::Set, Encoding::Listpack),
            (STREAM_3, _) => Form::Stream(StreamForm::Third),
            (HASH_TIMED_VALKEY, Flavor::Valkey) => Form::Fields(FieldExpiry::Behind),
            // What the prereleases of Redis 7.4 wrote.
            (22, Flavor::Redis) => Form::Fields(FieldExpiry::Before),
            (23, Flavor::Redis) => Form::Compact(Kind::Hash, Encoding::TimedListpack),
            (HASH_TIMED_REDIS, Flavor::Redis) => Form::Fields(FieldExpiry::BeforeRelative),
            (25, Flavor::Redis) => Form::CompactAfterExpiry(Kind::Hash, Encoding::TimedListpack),
            (6, _) => return Err(unsupported(type_byte, "module, first form", at)),
            (7, _) => return Err(unsupported(type_byte, "module", at)),
            _ => return Err(Error::UnknownType { byte: type_byte, at }),
        })
    }
}

#[cold]
fn unsupported(type_byte: u8, name: &'static str, at: u64) -> Error {
    Error::UnsupportedType { type_byte, name, at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_byte_is_a_form_or_an_error_with_its_offset() {
        for type_byte in 0..=242u8 {
            for flavor in [Flavor::Redis, Flavor::Valkey] {
                let module = matches!(type_byte, 6 | 7);
                let known = type_byte <= 22 && type_byte != 8 || type_byte <= 25 && flavor == Flavor::Redis;
                match Form::of(type_byte, flavor, 4) {
                    Ok(_) => assert!(known && type_byte != 8 && !module),
                    Err(Error::UnsupportedType { type_byte: t, at: 4, .. }) => {
                        assert!(module && t == type_byte)
                    }
                    Err(Error::UnknownType { byte, at: 4 }) => {
                        assert!((!known || type_byte == 8) && byte == type_byte);
                    }
                    other => panic!("type {type_byte}: {other:?}"),
                }
            }
        }
    }
}
