//! The type bytes: which kind of value follows in which form.

use crate::compact::Encoding;
use crate::{Error, Flavor, Kind};

pub(crate) const STRING: u8 = 0;
pub(crate) const LIST: u8 = 1;
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
pub(crate) const HASH_TIMED_LISTPACK: u8 = 25;
pub(crate) const MODULE: u8 = 7;
const HASH_TEMPLATE_LISTPACK: u8 = 30;
const HASH_TEMPLATE_STRINGS: u8 = 32;

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
    /// A stream, in one of its forms.
    Stream(StreamForm),
    /// An array.
    Array,
    /// What a module keeps.
    Module,
    /// A hash whose fields stand in a template, before all keys.
    Templated(Templated),
}

/// How the values of a hash with a template are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Templated {
    /// One string: a listpack of the template's number and the values.
    Listpack,
    /// The template's number, then a string for each value.
    Strings,
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
    /// Redis 8.6: which messages have come already.
    Fourth,
    /// Redis 8.8: pending entries that are nobody's.
    Fifth,
}

impl Form {
    /// The form that a type byte stands for. From 22 on the families have gone separate ways.
    #[inline]
    pub(crate) fn of(type_byte: u8, flavor: Flavor, at: u64) -> Result<Form, Error> {
        Ok(match (type_byte, flavor) {
            (STRING, _) => Form::String,
            (LIST, _) => Form::Strings(Kind::List),
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
            (HASH_TIMED_LISTPACK, Flavor::Redis) => {
                Form::CompactAfterExpiry(Kind::Hash, Encoding::TimedListpack)
            }
            (26, Flavor::Redis) => Form::Stream(StreamForm::Fourth),
            (27, Flavor::Redis) => Form::Stream(StreamForm::Fifth),
            (28, Flavor::Redis) => Form::Array,
            (HASH_TEMPLATE_LISTPACK, Flavor::Redis) => Form::Templated(Templated::Listpack),
            // Its fields stand with their values.
            (31, Flavor::Redis) => Form::Fields(FieldExpiry::Absent),
            (HASH_TEMPLATE_STRINGS, Flavor::Redis) => Form::Templated(Templated::Strings),
            (MODULE, _) => Form::Module,
            (6, _) => {
                return Err(unsupported(
                    type_byte,
                    "module, in the form of the first prerelease of Redis 4",
                    at,
                ));
            }
            (29, Flavor::Redis) => return Err(unsupported(type_byte, "hash with a template of its own", at)),
            (33, Flavor::Redis) => return Err(unsupported(type_byte, "rate limiter", at)),
            _ => return Err(Error::UnknownType { byte: type_byte, at }),
        })
    }
}

impl Templated {
    /// The type byte that stands for it.
    pub(crate) fn type_byte(self) -> u8 {
        match self {
            Templated::Listpack => HASH_TEMPLATE_LISTPACK,
            Templated::Strings => HASH_TEMPLATE_STRINGS,
        }
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
        for type_byte in 0..=u8::MAX {
            for flavor in [Flavor::Redis, Flavor::Valkey] {
                let last = if flavor == Flavor::Redis { 33 } else { 22 };
                let named = type_byte == 6 || flavor == Flavor::Redis && [29, 33].contains(&type_byte);
                let known = type_byte <= last && type_byte != 8;
                match Form::of(type_byte, flavor, 4) {
                    Ok(_) => assert!(known && !named, "{type_byte}"),
                    Err(Error::UnsupportedType { type_byte: t, at: 4, .. }) => {
                        assert!(named && t == type_byte);
                    }
                    Err(Error::UnknownType { byte, at: 4 }) => assert!(!known && byte == type_byte),
                    other => panic!("type {type_byte}: {other:?}"),
                }
            }
        }
    }
}
