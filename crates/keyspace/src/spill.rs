//! Where records go that the structure of a table has no room for.
//!
//! A segment that is far from full yet can't take a key is one whose keys collide in whole stretches of their hash; neither
//! growing nor splitting would part them. Without knowledge of the seed nobody brings that about, but if it happens the
//! table must neither fail nor grow without bound. Such records go to a list that their chunk keeps sorted by key:
//! finding one takes a logarithm of comparisons, adding one moves some pointers.

use crate::record::RecordRef;

/// Records sorted by key.
#[derive(Clone, Default)]
pub(crate) struct Spill {
    records: Vec<RecordRef>,
}

impl Spill {
    pub(crate) fn find(&self, key: &[u8]) -> Option<usize> {
        self.search(key).ok()
    }

    fn search(&self, key: &[u8]) -> Result<usize, usize> {
        self.records.binary_search_by(|record| record.as_ptr().key().cmp(key))
    }

    /// Adds a record whose key is not there yet; gives its index.
    pub(crate) fn insert(&mut self, record: RecordRef) -> usize {
        let index = match self.search(record.as_ptr().key()) {
            Ok(index) | Err(index) => index,
        };
        self.records.insert(index, record);
        index
    }

    pub(crate) fn remove(&mut self, index: usize) -> RecordRef {
        self.records.remove(index)
    }

    pub(crate) fn records(&self) -> &[RecordRef] {
        &self.records
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> &mut RecordRef {
        &mut self.records[index]
    }

    /// Takes out the records for which `pick` says so.
    pub(crate) fn extract(&mut self, mut pick: impl FnMut(&[u8]) -> bool) -> Vec<RecordRef> {
        self.records.extract_if(.., |record| pick(record.as_ptr().key())).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.records.capacity() * size_of::<RecordRef>()
    }
}
