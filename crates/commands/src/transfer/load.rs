//! From the events of a reader to the keyspace.

use std::fmt;

use collections::Hasher;
use keyspace::{Element, Layout, Limits, NewList, Value};
use rdb::{Compact, Event, Kind};

use super::gather::{HashParts, SetParts, Small, ZSetParts};
use super::stream::{NOT_OF_STREAM, StreamParts};

/// Why what a reader gave is no value, though each of its parts is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadValue(pub(super) &'static str);

pub(super) const TWICE: BadValue = BadValue("a member or field occurs twice");

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadValue {}

/// Puts values together, one after the other, each in the form that the limits ask for.
pub struct Loader {
    limits: Limits,
    hasher: Hasher,
    parts: Parts,
    /// Fields of hashes that expired before this are left out.
    drop_before: Option<u64>,
}

enum Parts {
    None,
    List(NewList),
    Set(SetParts),
    Hash(HashParts),
    ZSet(ZSetParts),
    Stream(Box<StreamParts>),
}

impl Loader {
    /// A loader of values for databases with this hasher: see [`keyspace::Db::value_hasher`].
    pub fn new(limits: Limits, hasher: Hasher) -> Loader {
        Loader { limits, hasher, parts: Parts::None, drop_before: None }
    }

    /// Leaves out, from the next value on, fields of hashes that expired before this moment (Unix milliseconds).
    pub fn drop_expired_fields(&mut self, before: Option<u64>) {
        self.drop_before = before;
    }

    /// A value that came whole; `None` if it is a collection without elements.
    ///
    /// # Errors
    ///
    /// When it is no possible value.
    pub fn whole(&mut self, value: rdb::Value<'_>) -> Result<Option<Value>, BadValue> {
        match value {
            rdb::Value::String(text) => Ok(Some(Value::Str(text.to_vec()))),
            rdb::Value::Compact(compact) => match self.packed(compact) {
                Some(value) => Ok(Some(value)),
                None => {
                    self.begin(compact.kind(), compact.len() as u64);
                    self.compact(compact)?;
                    self.end()
                }
            },
            _ => Err(NOT_OF_STREAM),
        }
    }

    /// A small collection as it will be kept. What makes it one, that its elements are different and in order, the reader has seen to.
    fn packed(&self, compact: Compact<'_>) -> Option<Value> {
        let mut entries = compact.entries();
        let mut pair = || Some([entries.next()?, entries.next()?]);
        let (mut small, layout) = match compact.kind() {
            _ if compact.is_empty() => return None,
            Kind::Set if compact.encoding() == rdb::compact::Encoding::Intset => {
                let fits = compact.len() <= self.limits.set_max_intset_entries;
                return fits.then(|| Value::Bytes(Layout::IntSet, compact.as_bytes().to_vec()));
            }
            Kind::Set => (Small::set(&self.limits), Layout::SetPack),
            Kind::Hash if compact.encoding() != rdb::compact::Encoding::TimedListpack => {
                (Small::hash(&self.limits), Layout::HashPack)
            }
            Kind::ZSet => (Small::zset(&self.limits), Layout::ZSetPack),
            _ => return None,
        };
        let fits = match layout {
            Layout::SetPack => compact.entries().all(|member| small.push(&[member])),
            _ => std::iter::from_fn(&mut pair).all(|pair| small.push(&pair)),
        };
        fits.then(|| small.into_value(layout))
    }

    /// Begins a value whose elements follow; about `len` of them.
    pub fn begin(&mut self, kind: Kind, len: u64) {
        let (limits, hasher) = (&self.limits, &self.hasher);
        self.parts = match kind {
            // Of what these begin no element is taken.
            Kind::String | Kind::Array | Kind::Module => Parts::None,
            Kind::List => Parts::List(NewList::new()),
            Kind::Set => Parts::Set(SetParts::new(len, limits, hasher)),
            Kind::Hash => Parts::Hash(HashParts::new(len, self.drop_before, limits, hasher)),
            Kind::ZSet => Parts::ZSet(ZSetParts::new(len, limits, hasher)),
            Kind::Stream => Parts::Stream(Box::default()),
        };
    }

    /// An element.
    ///
    /// # Errors
    ///
    /// When it can't be one of the value's.
    pub fn element(&mut self, event: Event<'_>) -> Result<(), BadValue> {
        let (limits, hasher) = (&self.limits, &self.hasher);
        match (event, &mut self.parts) {
            (Event::Element(member), Parts::Set(set)) => set.add(Element::from_text(member), limits, hasher),
            (Event::Field { field, value, expiry_ms }, Parts::Hash(hash)) => {
                hash.add(Element::Str(field), Element::Str(value), expiry_ms, hasher)
            }
            (Event::Member { member, score }, Parts::ZSet(set)) => {
                set.add(Element::Str(member), score, limits, hasher)
            }
            (Event::Element(element), Parts::List(list)) => {
                list.push(Element::from_text(element));
                Ok(())
            }
            (Event::Elements(compact), _) => self.compact(compact),
            (event, Parts::Stream(stream)) => stream.take(event),
            (Event::Module(_), Parts::None) => Err(BadValue("values of modules are not supported")),
            (Event::Cursor(_), Parts::None) => Err(BadValue("arrays are not supported")),
            _ => Err(NOT_OF_STREAM),
        }
    }

    fn compact(&mut self, compact: Compact<'_>) -> Result<(), BadValue> {
        let (limits, hasher) = (&self.limits, &self.hasher);
        match &mut self.parts {
            Parts::List(list) => {
                list.extend(compact.entries());
                Ok(())
            }
            Parts::Set(set) => compact.entries().try_for_each(|member| set.add(member, limits, hasher)),
            Parts::Hash(hash) => {
                compact.fields().try_for_each(|(field, value, expiry)| hash.add(field, value, expiry, hasher))
            }
            Parts::ZSet(set) => {
                compact.members().try_for_each(|(member, score)| set.add(member, score, limits, hasher))
            }
            Parts::None | Parts::Stream(_) => Err(NOT_OF_STREAM),
        }
    }

    /// The value, after its last element; `None` if it is a collection without elements, which no key may hold.
    ///
    /// # Errors
    ///
    /// When its elements make no value.
    pub fn end(&mut self) -> Result<Option<Value>, BadValue> {
        match std::mem::replace(&mut self.parts, Parts::None) {
            Parts::None => Err(NOT_OF_STREAM),
            Parts::List(list) => Ok(list.into_value(&self.limits)),
            Parts::Set(set) => set.finish(),
            Parts::Hash(hash) => hash.finish(),
            Parts::ZSet(set) => set.finish(),
            Parts::Stream(stream) => stream.finish().map(|stream| Some(stream.into())),
        }
    }
}
