//! Sets: numbers as an intset, a few short members as a pack, and tables of all others.

mod sample;
#[cfg(test)]
mod tests;

pub use sample::Taken;

use collections::intset::{self, Insertion, IntSet};
use collections::pack::{self, Pack};
use collections::{Hasher, Table, table};
use listpack::{Entry as Element, TextBuffer};

use super::holder::{Draft, Holder};
use super::pack as edit;
use crate::{Entry, EntryMut, Layout, Limits, Object, Value, ValueRef};

/// More bytes than this a pack is not let grow to, whatever the limits say: dumps count them with 32 bits.
const PACK_MAX_BYTES: usize = 1 << 30;

/// A set, for reading.
#[derive(Clone, Copy)]
pub enum SetRef<'a> {
    /// Numbers in ascending order.
    Ints(IntSet<'a>),
    /// Members in the order in which they came.
    Pack(Pack<'a>),
    /// Members in no order.
    Table(&'a Table),
}

impl<'a> SetRef<'a> {
    /// The set of a key, if it holds one.
    #[inline]
    pub fn of(entry: &Entry<'a>) -> Option<Self> {
        Self::from_value(entry.value())
    }

    /// The set that a value is, if it is one.
    #[inline]
    pub fn from_value(value: ValueRef<'a>) -> Option<Self> {
        match value {
            ValueRef::Bytes(Layout::IntSet, bytes) => Some(SetRef::Ints(IntSet::new(bytes))),
            ValueRef::Bytes(Layout::SetPack, bytes) => Some(SetRef::Pack(Pack::new(bytes))),
            ValueRef::Set(table) => Some(SetRef::Table(table)),
            _ => None,
        }
    }

    /// How many members there are.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            SetRef::Ints(ints) => ints.len(),
            SetRef::Pack(pack) => pack.len(),
            SetRef::Table(table) => table.len(),
        }
    }

    /// Whether there is none. Only while a set is being built or emptied: no key holds such a set.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether `member` is one.
    #[inline]
    pub fn contains(self, member: &[u8]) -> bool {
        match self {
            SetRef::Ints(ints) => number(member).is_some_and(|number| ints.contains(number)),
            SetRef::Pack(pack) => pack.find(member, 1).is_some(),
            SetRef::Table(table) => table.contains(member),
        }
    }

    /// [`SetRef::contains`] of what another set gave.
    #[inline]
    pub fn contains_element(self, member: Element<'_>) -> bool {
        match (self, member) {
            (SetRef::Ints(ints), member) => member.as_int().is_some_and(|number| ints.contains(number)),
            (_, Element::Str(text)) => self.contains(text),
            (_, number) => self.contains(number.text(&mut TextBuffer::new())),
        }
    }

    /// The members.
    pub fn iter(self) -> Members<'a> {
        match self {
            SetRef::Ints(ints) => Members::Ints(ints.iter()),
            SetRef::Pack(pack) => Members::Pack(pack.iter()),
            SetRef::Table(table) => Members::Table(table.iter()),
        }
    }

    /// A step of SSCAN: calls `f` with some members, about `count`, and gives the cursor of the next step, or 0 at the end. A small
    /// set is given as a whole.
    pub fn scan(self, cursor: u64, count: usize, f: &mut dyn FnMut(Element<'_>)) -> u64 {
        match self {
            SetRef::Table(table) => table.scan(cursor, count, &mut |item| f(Element::Str(item.key))),
            small => {
                small.iter().for_each(f);
                0
            }
        }
    }

    /// A member, each with the same chance.
    pub fn random(self, rng: &mut fastrand::Rng) -> Option<Element<'a>> {
        match self {
            SetRef::Ints(ints) => ints.random(rng).map(Element::Int),
            SetRef::Pack(pack) if pack.is_empty() => None,
            SetRef::Pack(pack) => pack.iter().nth(rng.usize(..pack.len())),
            SetRef::Table(table) => table.random(rng).map(|item| Element::Str(item.key)),
        }
    }
}

/// The number that a member is, if it is one exactly as it would be printed.
#[inline]
fn number(member: &[u8]) -> Option<i64> {
    Element::Str(member).as_int()
}

/// The members of a set.
#[derive(Clone)]
pub enum Members<'a> {
    /// Of an intset.
    Ints(intset::Iter<'a>),
    /// Of a pack.
    Pack(pack::Iter<'a>),
    /// Of a table.
    Table(table::Iter<'a>),
}

impl<'a> Iterator for Members<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        match self {
            Members::Ints(ints) => ints.next().map(Element::Int),
            Members::Pack(pack) => pack.next(),
            Members::Table(table) => table.next().map(|item| Element::Str(item.key)),
        }
    }
}

/// A set, for writing. It changes its form when it grows beyond the limits of the old one, and never goes back.
pub struct SetMut<'l, H> {
    holder: H,
    limits: &'l Limits,
}

/// A set that has no key yet.
pub type SetDraft<'l> = SetMut<'l, Draft>;

impl<'l, 'e, 'd> SetMut<'l, &'e mut EntryMut<'d>> {
    /// The set of a key, if it holds one.
    #[inline]
    pub fn of(entry: &'e mut EntryMut<'d>, limits: &'l Limits) -> Option<Self> {
        SetRef::of(&entry.as_entry())?;
        Some(SetMut { holder: entry, limits })
    }
}

impl<'l> SetDraft<'l> {
    /// A set without members that will get up to `count`, of which the first is `first`.
    pub fn for_members(first: &[u8], count: usize, limits: &'l Limits, hasher: &Hasher) -> Self {
        if number(first).is_some() && count <= limits.set_max_intset_entries {
            return Self::ints(limits, hasher);
        }
        let mut set = Self::pack(limits, hasher);
        set.expect(count);
        set
    }

    /// A set without members, in the form for numbers.
    pub fn ints(limits: &'l Limits, hasher: &Hasher) -> Self {
        SetMut { holder: Draft::new(Layout::IntSet, intset::EMPTY.to_vec(), hasher), limits }
    }

    /// A set without members, in the form for a few short ones.
    pub fn pack(limits: &'l Limits, hasher: &Hasher) -> Self {
        SetMut { holder: Draft::new(Layout::SetPack, pack::EMPTY.to_vec(), hasher), limits }
    }

    /// Takes on the form for numbers if all members are some and not too many.
    pub fn prefer_ints(&mut self) {
        let set = self.get();
        if matches!(set, SetRef::Ints(_)) || set.len() > ints_max(self.limits) {
            return;
        }
        let mut numbers: Vec<i64> = Vec::with_capacity(set.len());
        for member in set.iter() {
            match member.as_int() {
                Some(number) => numbers.push(number),
                None => return,
            }
        }
        numbers.sort_unstable();
        self.holder.set_bytes(Layout::IntSet, intset::of(numbers));
    }

    /// The set as a value for a key.
    pub fn into_value(self) -> Value {
        self.holder.into_value()
    }
}

fn ints_max(limits: &Limits) -> usize {
    limits.set_max_intset_entries.min(intset::MAX_LEN)
}

fn pack_max(limits: &Limits) -> usize {
    limits.set_max_listpack_entries.min(pack::MAX_LEN)
}

impl<H: Holder> SetMut<'_, H> {
    /// The set for reading.
    #[inline]
    pub fn get(&self) -> SetRef<'_> {
        // Whoever made this has seen that it is one.
        SetRef::from_value(self.holder.value()).unwrap_or(SetRef::Pack(Pack::new(&[])))
    }

    /// Prepares for `count` more members, as if all of them were new and there were none now.
    pub fn expect(&mut self, count: usize) {
        let small = match self.get() {
            SetRef::Ints(_) => self.limits.set_max_intset_entries,
            SetRef::Pack(_) => self.limits.set_max_listpack_entries,
            SetRef::Table(_) => return,
        };
        if count > small {
            self.grow();
        }
    }

    /// Adds members; gives how many of them are new.
    pub fn add_all<'m>(&mut self, members: impl IntoIterator<Item = &'m [u8]>) -> usize {
        let mut members = members.into_iter();
        let mut added = 0;
        loop {
            if let Some(table) = self.table_mut() {
                return added + members.filter(|member| table.add(member)).count();
            }
            let Some(member) = members.next() else { return added };
            added += usize::from(self.add(member));
        }
    }

    /// Adds a member; says whether it is new.
    #[inline]
    pub fn add(&mut self, member: &[u8]) -> bool {
        match self.get() {
            SetRef::Table(_) => self.add_to_table(member),
            SetRef::Pack(pack) => {
                if pack.find(member, 1).is_some() {
                    return false;
                }
                let end = pack.as_bytes().len();
                if pack.len() < pack_max(self.limits) && self.fits_pack(member.len(), end) {
                    edit::insert(&mut self.holder, end, [Element::Str(member)]);
                    true
                } else {
                    self.add_to_table(member)
                }
            }
            SetRef::Ints(ints) => match number(member) {
                Some(number) => self.add_number(number),
                None => {
                    let room = ints.len() < pack_max(self.limits) && self.fits_pack(member.len(), 0);
                    if room && longest_text(ints) <= self.limits.set_max_listpack_value {
                        let members = ints.iter().map(Element::Int).chain([Element::Str(member)]);
                        let bytes = pack::of(members);
                        self.holder.set_bytes(Layout::SetPack, bytes);
                        true
                    } else {
                        self.add_to_table(member)
                    }
                }
            },
        }
    }

    /// Adds what another set gave; says whether it is new.
    pub fn add_element(&mut self, member: Element<'_>) -> bool {
        match (self.get(), member) {
            (SetRef::Ints(_), Element::Int(number)) => self.add_number(number),
            (_, member) => self.add(member.text(&mut TextBuffer::new())),
        }
    }

    fn fits_pack(&self, member_len: usize, pack_bytes: usize) -> bool {
        member_len <= self.limits.set_max_listpack_value
            && pack_bytes.saturating_add(member_len) <= PACK_MAX_BYTES
    }

    /// [`SetMut::add`] to an intset.
    fn add_number(&mut self, number: i64) -> bool {
        let SetRef::Ints(ints) = self.get() else { return false };
        let len = ints.len() + 1;
        let Some(insertion) = ints.insertion(number) else { return false };
        if len > ints_max(self.limits) {
            return self.add_to_table(itoa::Buffer::new().format(number).as_bytes());
        }
        match insertion {
            Insertion::Widened(bytes) => self.holder.set_bytes(Layout::IntSet, bytes),
            Insertion::Splice { at, bytes } => {
                self.holder.splice(at..at, bytes.as_bytes());
                self.holder.splice(intset::COUNT, &intset::count_bytes(len));
            }
        }
        true
    }

    fn add_to_table(&mut self, member: &[u8]) -> bool {
        self.grow();
        self.table_mut().is_some_and(|table| table.add(member))
    }

    /// Becomes a table.
    #[cold]
    fn become_table(&mut self) {
        let mut table = Table::new(self.holder.hasher().clone());
        let mut text = TextBuffer::new();
        for member in self.get().iter() {
            table.add(member.text(&mut text));
        }
        self.holder.set_object(Object::Set(table));
    }

    /// Becomes a table if it is none.
    #[inline]
    fn grow(&mut self) {
        if !matches!(self.get(), SetRef::Table(_)) {
            self.become_table();
        }
    }

    #[inline]
    fn table_mut(&mut self) -> Option<&mut Table> {
        match self.holder.value() {
            ValueRef::Set(_) => match self.holder.object_mut()? {
                Object::Set(table) => Some(table),
                _ => None,
            },
            _ => None,
        }
    }

    /// Takes out what another set gave; says whether it was there.
    pub fn remove_element(&mut self, member: Element<'_>) -> bool {
        self.remove(member.text(&mut TextBuffer::new()))
    }

    /// Takes a member out; says whether it was there.
    #[inline]
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match self.get() {
            SetRef::Table(_) => self.table_mut().is_some_and(|table| table.remove(member)),
            SetRef::Pack(pack) => match pack.find(member, 1) {
                Some(range) => {
                    edit::remove(&mut self.holder, range, 1);
                    true
                }
                None => false,
            },
            SetRef::Ints(ints) => match number(member).and_then(|number| ints.find(number).ok()) {
                Some(index) => {
                    let (range, count) = (ints.range(index), intset::count_bytes(ints.len() - 1));
                    self.holder.splice(range, &[]);
                    self.holder.splice(intset::COUNT, &count);
                    true
                }
                None => false,
            },
        }
    }
}

/// Characters of the longest number of an intset: the least or the greatest.
fn longest_text(ints: IntSet<'_>) -> usize {
    let len = |number: i64| itoa::Buffer::new().format(number).len();
    ints.bounds().map_or(0, |(least, greatest)| len(least).max(len(greatest)))
}
