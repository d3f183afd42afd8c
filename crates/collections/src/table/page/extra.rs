//! What only some pages have: entries with an expiry, long entries, and more entries than fit.

use std::collections::BTreeMap;

use triomphe::Arc;

use crate::table::Item;

#[derive(Clone)]
pub(super) struct Extra {
    /// Entries with an expiry.
    pub(super) timed: u32,
    /// The earliest expiry; [`u64::MAX`] without one.
    pub(super) earliest: u64,
    /// Entries with memory of their own; an offset in the page is an index into this.
    pub(super) larges: Vec<Large>,
    /// Entries that found no room, by key.
    pub(super) overflow: BTreeMap<Box<[u8]>, Held>,
    /// Memory of the entries in `larges` and `overflow`.
    pub(super) bytes: usize,
}

/// Value and expiry of an entry in the sorted map.
#[derive(Clone)]
pub(super) struct Held {
    value: Box<[u8]>,
    expiry: Option<u64>,
}

/// An entry with memory of its own. Copies of the page share it.
#[derive(Clone)]
pub(super) struct Large {
    /// The key, then the value.
    bytes: Arc<[u8]>,
    key_len: usize,
    expiry: Option<u64>,
}

impl Large {
    pub(super) fn new(item: Item<'_>) -> Self {
        let bytes = [item.key, item.value].concat();
        Self { bytes: Arc::from(bytes), key_len: item.key.len(), expiry: item.expiry }
    }

    pub(super) fn item(&self) -> Item<'_> {
        let (key, value) = self.bytes.split_at(self.key_len);
        Item { key, value, expiry: self.expiry }
    }

    /// Memory of such an entry, besides its place in the list.
    pub(super) fn heap_bytes(key: &[u8], value: &[u8]) -> usize {
        size_of::<usize>() + key.len() + value.len()
    }
}

impl Default for Extra {
    fn default() -> Self {
        Self { timed: 0, earliest: u64::MAX, larges: Vec::new(), overflow: BTreeMap::new(), bytes: 0 }
    }
}

impl Extra {
    /// Whether the page can do without.
    pub(super) fn is_empty(&self) -> bool {
        self.timed == 0 && self.larges.is_empty() && self.overflow.is_empty()
    }

    pub(super) fn boxed(self) -> Option<Box<Self>> {
        (!self.is_empty()).then(|| Box::new(self))
    }

    pub(super) fn total_bytes(&self) -> usize {
        size_of::<Self>() + self.larges.capacity() * size_of::<Large>() + self.bytes
    }

    pub(super) fn count_expiry(&mut self, expiry: Option<u64>) {
        if let Some(at) = expiry {
            self.timed += 1;
            self.earliest = self.earliest.min(at);
        }
    }

    /// Adds an entry to the sorted map; its expiry is the caller's to count.
    pub(super) fn insert_overflow(&mut self, item: Item<'_>) {
        let held = Held { value: item.value.into(), expiry: item.expiry };
        self.bytes += overflow_bytes(item.key, item.value);
        self.overflow.insert(item.key.into(), held);
    }

    /// Takes an entry out of the sorted map; gives its expiry.
    pub(super) fn remove_overflow(&mut self, key: &[u8]) -> Option<u64> {
        let held = self.overflow.remove(key)?;
        self.bytes -= overflow_bytes(key, &held.value);
        held.expiry
    }

    pub(super) fn overflow_item(&self, key: &[u8]) -> Option<Item<'_>> {
        self.overflow.get_key_value(key).map(item_of)
    }

    pub(super) fn overflow_items(&self) -> impl Iterator<Item = Item<'_>> {
        self.overflow.iter().map(item_of)
    }

    #[cfg(test)]
    pub(super) fn check(&self) {
        let larges: usize =
            self.larges.iter().map(Large::item).map(|item| Large::heap_bytes(item.key, item.value)).sum();
        let overflow: usize = self.overflow_items().map(|item| overflow_bytes(item.key, item.value)).sum();
        assert_eq!(self.bytes, larges + overflow);
    }
}

/// The entries of a sorted map.
pub(super) type Overflow<'a> = std::collections::btree_map::Iter<'a, Box<[u8]>, Held>;

pub(super) fn item_of<'a>((key, held): (&'a (impl AsRef<[u8]> + ?Sized), &'a Held)) -> Item<'a> {
    let key = key.as_ref();
    Item { key, value: &held.value, expiry: held.expiry }
}

/// Memory of an entry in the sorted map, about.
fn overflow_bytes(key: &[u8], value: &[u8]) -> usize {
    size_of::<(Box<[u8]>, Held)>() + key.len() + value.len()
}
