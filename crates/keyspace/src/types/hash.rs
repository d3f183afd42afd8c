//! Hashes: a few short fields as a pack, and tables of all others.
//!
//! A pack has no room for expiries: a hash becomes a table when a field of it gets one.

mod sample;
#[cfg(test)]
mod tests;

use collections::pack::{self, Pack};
use collections::{Hasher, Table, table};
use listpack::{Entry as Element, TextBuffer};

pub use collections::Expiry as FieldExpiry;

/// The last moment at which a field can expire, in the year 4199; what is meant to expire later does so then. Redis 8 knows no later one:
/// it ends when a dump names one, be it that of its master.
pub const LAST_FIELD_EXPIRY: u64 = (1 << 46) - 1;

use super::holder::{Draft, Holder};
use super::pack as edit;
use crate::{Entry, EntryMut, Layout, Limits, Object, Value, ValueRef};

/// More bytes than this a pack is not let grow to, whatever the limits say: dumps count them with 32 bits.
const PACK_MAX_BYTES: usize = 1 << 30;

/// A field of a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its name.
    pub name: Element<'a>,
    /// Its value.
    pub value: Element<'a>,
    /// When it expires, in Unix milliseconds. Whether it has is for the caller to say.
    pub expiry: Option<u64>,
}

/// A hash, for reading.
#[derive(Clone, Copy)]
pub enum HashRef<'a> {
    /// Fields and values in turn, in the order in which they came.
    Pack(Pack<'a>),
    /// Fields in no order.
    Table(&'a Table),
}

impl<'a> HashRef<'a> {
    /// The hash of a key, if it holds one.
    #[inline]
    pub fn of(entry: &Entry<'a>) -> Option<Self> {
        Self::from_value(entry.value())
    }

    /// The hash that a value is, if it is one.
    #[inline]
    pub fn from_value(value: ValueRef<'a>) -> Option<Self> {
        match value {
            ValueRef::Bytes(Layout::HashPack, bytes) => Some(HashRef::Pack(Pack::new(bytes))),
            ValueRef::Hash(table) => Some(HashRef::Table(table)),
            _ => None,
        }
    }

    /// How many fields there are, those included whose time is over.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            HashRef::Pack(pack) => pack.len() / 2,
            HashRef::Table(table) => table.len(),
        }
    }

    /// Whether there is none. Only while a hash is being built or emptied: no key holds such a hash.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// How many fields expire.
    pub fn expires(self) -> usize {
        match self {
            HashRef::Pack(_) => 0,
            HashRef::Table(table) => table.expires(),
        }
    }

    /// The value and the expiry of a field.
    #[inline]
    pub fn get(self, name: &[u8]) -> Option<(Element<'a>, Option<u64>)> {
        match self {
            HashRef::Pack(pack) => {
                let field = pack.find(name, 2)?;
                let (value, _) = pack.entry(field.end)?;
                Some((value, None))
            }
            HashRef::Table(table) => table.get(name).map(|item| (Element::Str(item.value), item.expiry)),
        }
    }

    /// The fields.
    pub fn iter(self) -> Fields<'a> {
        match self {
            HashRef::Pack(pack) => Fields::Pack(pack.iter()),
            HashRef::Table(table) => Fields::Table(table.iter()),
        }
    }

    /// A step of HSCAN: calls `f` with some fields, about `count`, and gives the cursor of the next step, or 0 at the end. A small
    /// hash is given as a whole.
    pub fn scan(self, cursor: u64, count: usize, f: &mut dyn FnMut(Field<'_>)) -> u64 {
        match self {
            HashRef::Table(table) => table.scan(cursor, count, &mut |item| f(field_of(item))),
            small => {
                small.iter().for_each(f);
                0
            }
        }
    }

    /// A field, each with the same chance.
    pub fn random(self, rng: &mut fastrand::Rng) -> Option<Field<'a>> {
        match self {
            HashRef::Pack(_) if self.is_empty() => None,
            HashRef::Pack(_) => self.iter().nth(rng.usize(..self.len())),
            HashRef::Table(table) => table.random(rng).map(field_of),
        }
    }
}

fn field_of(item: table::Item<'_>) -> Field<'_> {
    Field { name: Element::Str(item.key), value: Element::Str(item.value), expiry: item.expiry }
}

/// The fields of a hash.
#[derive(Clone)]
pub enum Fields<'a> {
    /// Of a pack.
    Pack(pack::Iter<'a>),
    /// Of a table.
    Table(table::Iter<'a>),
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        match self {
            Fields::Pack(pack) => Some(Field { name: pack.next()?, value: pack.next()?, expiry: None }),
            Fields::Table(table) => table.next().map(field_of),
        }
    }
}

/// A hash, for writing. It changes its form when it grows beyond the limits of the old one, and never goes back.
pub struct HashMut<'l, H> {
    holder: H,
    limits: &'l Limits,
}

/// A hash that has no key yet.
pub type HashDraft<'l> = HashMut<'l, Draft>;

impl<'l, 'e, 'd> HashMut<'l, &'e mut EntryMut<'d>> {
    /// The hash of a key, if it holds one.
    #[inline]
    pub fn of(entry: &'e mut EntryMut<'d>, limits: &'l Limits) -> Option<Self> {
        HashRef::of(&entry.as_entry())?;
        Some(HashMut { holder: entry, limits })
    }
}

impl<'l> HashDraft<'l> {
    /// A hash without fields.
    pub fn new(limits: &'l Limits, hasher: &Hasher) -> Self {
        HashMut { holder: Draft::new(Layout::HashPack, pack::EMPTY.to_vec(), hasher), limits }
    }

    /// The hash as a value for a key.
    pub fn into_value(self) -> Value {
        self.holder.into_value()
    }
}

impl<H: Holder> HashMut<'_, H> {
    /// The hash for reading.
    #[inline]
    pub fn get(&self) -> HashRef<'_> {
        // Whoever made this has seen that it is one.
        HashRef::from_value(self.holder.value()).unwrap_or(HashRef::Pack(Pack::new(&[])))
    }

    /// Prepares for `count` more fields, as if all of them were new and there were none now.
    pub fn expect(&mut self, count: usize) {
        if count > self.limits.hash_max_listpack_entries {
            self.grow();
        }
    }

    /// Sets a field; says whether it is new.
    #[inline]
    pub fn set(&mut self, name: &[u8], value: &[u8], expiry: FieldExpiry) -> bool {
        if let Some(new) = self.change_table(|table| table.insert(name, value, expiry)) {
            return new;
        }
        let HashRef::Pack(pack) = self.get() else { return false };
        let (found, end) = (pack.find(name, 2), pack.as_bytes().len());
        let longest = name.len().max(value.len());
        let room = longest <= self.limits.hash_max_listpack_value
            && end.saturating_add(name.len() + value.len()) <= PACK_MAX_BYTES
            && !matches!(expiry, FieldExpiry::At(_));
        match found {
            Some(field) if room => {
                let Some((_, old)) = pack.entry(field.end) else { return false };
                edit::replace(&mut self.holder, old, 1, [Element::Str(value)]);
                false
            }
            None if room && pack.len() / 2 < pack_max(self.limits) => {
                edit::insert(&mut self.holder, end, [Element::Str(name), Element::Str(value)]);
                true
            }
            _ => {
                self.grow();
                self.change_table(|table| table.insert(name, value, expiry)) == Some(true)
            }
        }
    }

    /// Sets when a field expires, or that it does not; says whether the field is there.
    pub fn set_expiry(&mut self, name: &[u8], expiry: Option<u64>) -> bool {
        if let HashRef::Pack(pack) = self.get() {
            if expiry.is_none() || pack.find(name, 2).is_none() {
                return pack.find(name, 2).is_some();
            }
            self.grow();
        }
        self.change_table(|table| table.set_expiry(name, expiry)) == Some(true)
    }

    /// Takes a field out; says whether it was there.
    #[inline]
    pub fn remove(&mut self, name: &[u8]) -> bool {
        if let Some(removed) = self.change_table(|table| table.remove(name)) {
            return removed;
        }
        let HashRef::Pack(pack) = self.get() else { return false };
        let Some(field) = pack.find(name, 2) else { return false };
        let Some((_, value)) = pack.entry(field.end) else { return false };
        edit::remove(&mut self.holder, field.start..value.end, 2);
        true
    }

    /// Takes out up to `max` fields that expire at `now_ms` or earlier, and gives them to `f`; says whether there are more.
    pub fn remove_due(&mut self, now_ms: u64, max: usize, f: &mut dyn FnMut(Field<'_>)) -> bool {
        self.change_table(|table| table.remove_due(now_ms, max, &mut |item| f(field_of(item)))) == Some(true)
    }

    /// Changes the table, if it is one, and has it noted when other fields expire first then.
    #[inline]
    fn change_table<R>(&mut self, f: impl FnOnce(&mut Table) -> R) -> Option<R> {
        let table = self.table_mut()?;
        let before = table.earliest_expiry();
        let result = f(table);
        if table.earliest_expiry() != before {
            self.holder.note_fields();
        }
        Some(result)
    }

    /// Becomes a table if it is none.
    #[inline]
    fn grow(&mut self) {
        if matches!(self.get(), HashRef::Pack(_)) {
            self.become_table();
        }
    }

    #[cold]
    fn become_table(&mut self) {
        let mut table = Table::new(self.holder.hasher().clone());
        let (mut name, mut value) = (TextBuffer::new(), TextBuffer::new());
        for field in self.get().iter() {
            table.insert(field.name.text(&mut name), field.value.text(&mut value), FieldExpiry::Clear);
        }
        self.holder.set_object(Object::Hash(table));
    }

    #[inline]
    fn table_mut(&mut self) -> Option<&mut Table> {
        match self.holder.value() {
            ValueRef::Hash(_) => match self.holder.object_mut()? {
                Object::Hash(table) => Some(table),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Fields that a pack may have.
fn pack_max(limits: &Limits) -> usize {
    limits.hash_max_listpack_entries.min(pack::MAX_LEN / 2)
}
