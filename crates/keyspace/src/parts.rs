//! Databases that several threads build at once.
//!
//! A table has its keys in the order of their hashes. The keys whose hashes begin with the same few bits are a stretch of it, and
//! can be put into a table of their own that knows of no other. When all stretches are there they are laid end to end: what
//! is counted is added up, and the directory of the whole lists the chunks of the parts.
//!
//! Also for one thread alone it pays to put many keys into one part before going on to the next: the part's share of the table stays
//! in the processor's cache meanwhile.

use crate::entry::{record_of, str_payload};
use crate::hash::{Hasher, Position};
use crate::record::{Parts, RecordRef};
use crate::table::{Records, Table};
use crate::value::Value;

/// Memory of a table for each of its keys beyond which it is laid out anew. Usual are about nine bytes.
const LOOSE_BYTES: usize = 18;

/// A part of a database that is being built: see [`crate::Db::parts`].
pub struct Part {
    table: Table,
    access: u32,
}

impl Part {
    pub(crate) fn new(hasher: Hasher, access: u32, bits: u32, keys: usize) -> Self {
        Self { table: Table::part(hasher, bits, keys), access }
    }

    /// Which of `2^bits` parts a key with this hash belongs to.
    #[inline]
    pub fn index(hash: u64, bits: u32) -> usize {
        Position::of_hash(hash).prefix(bits)
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.table.totals.len
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gets what adding keys with these hashes will look at on its way into the cache.
    pub fn prefetch_batch(&self, hashes: &[u64]) {
        self.table.prefetch_batch(hashes);
    }

    /// Adds a key with a string. False, and nothing is done, if the key is there already.
    ///
    /// `hash` is what [`crate::Db::hash`] gives for the key, and says that it belongs to this part.
    #[must_use]
    #[inline]
    pub fn add_str(&mut self, hash: u64, key: &[u8], value: &[u8], expiry: Option<u64>) -> bool {
        let position = Position::of_hash(hash);
        if self.table.get(position, key).is_some() {
            return false;
        }
        let payload = str_payload(value);
        let record = RecordRef::new(Parts { key, payload, expiry, access: self.access, raw: false });
        self.table.insert(position, record);
        true
    }

    /// Adds a key with a value, as [`Part::add_str`] does.
    #[must_use]
    pub fn add(&mut self, hash: u64, key: &[u8], value: Value, expiry: Option<u64>) -> bool {
        let position = Position::of_hash(hash);
        if self.table.get(position, key).is_some() {
            return false;
        }
        self.table.insert(position, record_of(key, value, expiry, self.access));
        true
    }
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// The table of all parts together.
pub(crate) fn unite(hasher: Hasher, parts: Vec<Part>) -> Table {
    let table = Table::join(hasher.clone(), parts.into_iter().map(|part| part.table));
    if table.directory.bytes() <= table.totals.len * LOOSE_BYTES {
        return table;
    }
    // Far fewer keys have come than the parts were made for.
    let mut dense = Table::new(hasher);
    for record in Records::new(&table.directory, table.totals.len) {
        dense.insert(dense.hasher.position(record.key()), record.to_owned());
    }
    dense
}
