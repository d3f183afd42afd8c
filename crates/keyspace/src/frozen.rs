//! Frozen views.

use std::sync::Arc;

use crate::directory::Directory;
use crate::entry::Entry;
use crate::hash::Hasher;
use crate::table::{Records, Table, find};
use crate::views::Token;

/// A whole keyspace as it was when it was frozen.
///
/// It shares all memory with the live keyspace that was not written to since, and may be read and dropped on any thread.
/// Dropping the last clone frees what only the view had kept.
#[derive(Clone)]
pub struct FrozenKeyspace {
    dbs: Arc<[FrozenDb]>,
    /// Stands behind the rest: it goes when everything else has been freed.
    _token: Arc<Token>,
}

impl FrozenKeyspace {
    pub(crate) fn new(dbs: impl Iterator<Item = FrozenDb>, token: Arc<Token>) -> Self {
        Self { dbs: dbs.collect(), _token: token }
    }

    /// Number of databases, empty ones included.
    pub fn databases(&self) -> usize {
        self.dbs.len()
    }

    /// A database.
    ///
    /// # Panics
    ///
    /// When there is none of this number.
    pub fn db(&self, index: usize) -> &FrozenDb {
        &self.dbs[index]
    }

    /// Number of keys in all databases.
    pub fn total_keys(&self) -> usize {
        self.dbs.iter().map(FrozenDb::len).sum()
    }
}

/// One database as it was when it was frozen.
pub struct FrozenDb {
    directory: Directory,
    hasher: Hasher,
    len: usize,
    expires: usize,
}

impl FrozenDb {
    pub(crate) fn new(table: &Table) -> Self {
        Self {
            directory: table.directory.clone(),
            hasher: table.hasher.clone(),
            len: table.totals.len,
            expires: table.totals.timed,
        }
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of keys with an expiry.
    pub fn expires(&self) -> usize {
        self.expires
    }

    /// The entry of a key.
    pub fn get(&self, key: &[u8]) -> Option<Entry<'_>> {
        find(&self.directory, self.hasher.position(key), key).map(Entry::new)
    }

    /// All entries, in no particular order.
    pub fn iter(&self) -> Iter<'_> {
        Iter::new(&self.directory, self.len)
    }
}

impl<'a> IntoIterator for &'a FrozenDb {
    type Item = Entry<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// All entries of a database or a view.
pub struct Iter<'a> {
    records: Records<'a>,
}

impl<'a> Iter<'a> {
    pub(crate) fn new(directory: &'a Directory, len: usize) -> Self {
        Self { records: Records::new(directory, len) }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        self.records.next().map(Entry::new)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.records.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl std::iter::FusedIterator for Iter<'_> {}
