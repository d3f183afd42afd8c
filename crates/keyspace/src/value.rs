//! What a key can hold.

use collections::stream::Stream;
use collections::{Table, ZSet};

use crate::types::LongList;

/// The type of a value, as TYPE names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A string of bytes.
    String,
    /// A list.
    List,
    /// A set.
    Set,
    /// A sorted set.
    ZSet,
    /// A hash.
    Hash,
    /// A stream.
    Stream,
}

impl Kind {
    /// The name that TYPE answers and that SCAN's TYPE option takes.
    pub fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::List => "list",
            Kind::Set => "set",
            Kind::ZSet => "zset",
            Kind::Hash => "hash",
            Kind::Stream => "stream",
        }
    }

    /// The type of this name, in any case.
    pub fn from_name(name: &[u8]) -> Option<Kind> {
        const KINDS: [Kind; 6] = [Kind::String, Kind::List, Kind::Set, Kind::ZSet, Kind::Hash, Kind::Stream];
        KINDS.into_iter().find(|kind| kind.name().as_bytes().eq_ignore_ascii_case(name))
    }
}

/// How the bytes of a value are to be read that is kept as one piece of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// A string: the bytes themselves.
    Str,
    /// A list: a pack of its elements.
    ListPack,
    /// A set: a pack of its members.
    SetPack,
    /// A set of integers, as Redis lays it out: width and count, four bytes each, then the integers in order.
    IntSet,
    /// A hash: a pack of fields and values in turn.
    HashPack,
    /// A sorted set: a pack of members and scores in turn, in order.
    ZSetPack,
}

impl Layout {
    /// The type of a value in this layout.
    pub fn kind(self) -> Kind {
        match self {
            Layout::Str => Kind::String,
            Layout::ListPack => Kind::List,
            Layout::SetPack | Layout::IntSet => Kind::Set,
            Layout::HashPack => Kind::Hash,
            Layout::ZSetPack => Kind::ZSet,
        }
    }
}

/// A value as it is kept: bytes in some layout, or one of the large forms.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum ValueRef<'a> {
    /// One piece of memory.
    Bytes(Layout, &'a [u8]),
    /// A stream.
    Stream(&'a Stream),
    /// A large set: its members are the keys.
    Set(&'a Table),
    /// A list that is no pack.
    List(&'a LongList),
    /// A large hash.
    Hash(&'a Table),
    /// A large sorted set.
    ZSet(&'a ZSet),
}

/// A value too large for its record, or of a kind that never fits one.
///
/// It hangs off the record through a reference-counted pointer, so a view and the live table share it until it is
/// written to; a write then clones what is behind the pointer. A kind whose values grow large must therefore clone in
/// time that does not depend on its size, as a copy-on-write tree does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Object {
    /// A string, or another value that is one piece of memory, longer than records hold inline.
    Bytes(Layout, Vec<u8>),
    /// A stream. In a box of its own, so that other objects need not be as large.
    Stream(Box<Stream>),
    /// A large set: its members are the keys.
    Set(Table),
    /// A list that is no pack.
    List(Box<LongList>),
    /// A large hash.
    Hash(Table),
    /// A large sorted set.
    ZSet(Box<ZSet>),
}

impl Object {
    /// The kind of value this is.
    pub fn kind(&self) -> Kind {
        match self {
            Object::Bytes(layout, _) => layout.kind(),
            Object::Stream(_) => Kind::Stream,
            Object::Set(_) => Kind::Set,
            Object::List(_) => Kind::List,
            Object::Hash(_) => Kind::Hash,
            Object::ZSet(_) => Kind::ZSet,
        }
    }

    /// Bytes of heap memory behind the object, itself included.
    pub(crate) fn heap_bytes(&self) -> usize {
        // The count in front of what an `Arc` points to.
        let shell = size_of::<usize>() + size_of::<Self>();
        match self {
            Object::Bytes(_, bytes) => shell + bytes.capacity(),
            Object::Stream(stream) => shell + size_of::<Stream>() + stream.heap_bytes(),
            Object::List(list) => shell + size_of::<LongList>() + list.heap_bytes(),
            Object::Set(table) | Object::Hash(table) => shell + table.heap_bytes(),
            Object::ZSet(set) => shell + size_of::<ZSet>() + set.heap_bytes(),
        }
    }

    /// Bytes that a clone of the object copies.
    pub(crate) fn bytes_cloned(&self) -> usize {
        let shell = size_of::<usize>() + size_of::<Self>();
        match self {
            Object::Bytes(_, bytes) => shell + bytes.capacity(),
            Object::Stream(_) => shell + size_of::<Stream>(),
            Object::List(_) => shell + size_of::<LongList>(),
            Object::Set(_) | Object::Hash(_) => shell,
            Object::ZSet(_) => shell + size_of::<ZSet>(),
        }
    }

    /// The object for reading.
    pub(crate) fn as_value(&self) -> ValueRef<'_> {
        match self {
            Object::Bytes(layout, bytes) => ValueRef::Bytes(*layout, bytes),
            Object::Stream(stream) => ValueRef::Stream(stream),
            Object::Set(table) => ValueRef::Set(table),
            Object::List(list) => ValueRef::List(list),
            Object::Hash(table) => ValueRef::Hash(table),
            Object::ZSet(set) => ValueRef::ZSet(set),
        }
    }
}

/// A value on its way into a database or out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A string of any length.
    Str(Vec<u8>),
    /// Bytes of any length in some layout.
    Bytes(Layout, Vec<u8>),
    /// Anything else.
    Object(Object),
}

/// What a write does to the expiry of the key that it overwrites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetExpiry {
    /// Leaves it as it is; a new key gets none.
    Keep,
    /// Takes it away.
    Clear,
    /// Sets it, in Unix milliseconds.
    At(u64),
}

impl SetExpiry {
    /// The expiry after the write, given the one before.
    pub(crate) fn apply(self, before: Option<u64>) -> Option<u64> {
        match self {
            SetExpiry::Keep => before,
            SetExpiry::Clear => None,
            SetExpiry::At(at) => Some(at),
        }
    }
}

/// How OBJECT ENCODING names a value that is one piece of memory.
pub(crate) fn encoding_of_bytes(layout: Layout, bytes: &[u8], raw: bool) -> &'static str {
    match layout {
        Layout::Str => string_encoding(bytes, raw),
        Layout::IntSet => "intset",
        Layout::ListPack | Layout::SetPack | Layout::HashPack | Layout::ZSetPack => "listpack",
    }
}

/// How OBJECT ENCODING names a string.
pub(crate) fn string_encoding(bytes: &[u8], raw: bool) -> &'static str {
    /// The longest string that Redis keeps in one piece with its object.
    const EMBSTR_MAX: usize = 44;
    if raw {
        "raw"
    } else if is_canonical_i64(bytes) {
        "int"
    } else if bytes.len() <= EMBSTR_MAX {
        "embstr"
    } else {
        "raw"
    }
}

/// Whether `bytes` is exactly how an `i64` is printed: no plus sign, no leading zeros, no `-0`.
fn is_canonical_i64(bytes: &[u8]) -> bool {
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, bytes),
    };
    match digits {
        [] => false,
        [b'0'] => !negative,
        [b'0', ..] => false,
        // 19 digits hold every i64; more can't be one, and that few can't overflow a u64.
        _ if digits.len() > 19 || !digits.iter().all(u8::is_ascii_digit) => false,
        _ => {
            let magnitude = digits.iter().fold(0u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
            magnitude <= i64::MAX as u64 + u64::from(negative)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_of_strings() {
        let embstr = vec![b'x'; 44];
        let raw = vec![b'x'; 45];
        for (bytes, want) in [
            (&b"0"[..], "int"),
            (b"-1", "int"),
            (b"9223372036854775807", "int"),
            (b"-9223372036854775808", "int"),
            (b"9223372036854775808", "embstr"),
            (b"-9223372036854775809", "embstr"),
            (b"99999999999999999999", "embstr"),
            (b"-0", "embstr"),
            (b"007", "embstr"),
            (b"+7", "embstr"),
            (b"7 ", "embstr"),
            (b"-", "embstr"),
            (b"", "embstr"),
            (&embstr, "embstr"),
            (&raw, "raw"),
        ] {
            assert_eq!(string_encoding(bytes, false), want, "{:?}", String::from_utf8_lossy(bytes));
        }
        assert_eq!(string_encoding(b"7", true), "raw");
    }
}
