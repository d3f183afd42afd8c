//! All databases together.

use crate::db::Db;
use crate::entry::Garbage;
use crate::frozen::FrozenKeyspace;
use crate::hash::Hasher;
use crate::views::Views;

/// Numbered databases.
///
/// One thread writes to it. Others read views of it: see [`Keyspace::freeze`].
#[derive(Debug)]
pub struct Keyspace {
    dbs: Vec<Db>,
    views: Views,
}

impl Keyspace {
    /// So many empty databases. The seed decides where keys go in their tables: unless it is random, others can choose
    /// keys that collide.
    pub fn new(databases: usize, seed: u64) -> Self {
        let hasher = Hasher::new(seed);
        let value_hasher = collections::Hasher::new(seed.rotate_left(32));
        let dbs = (0..databases).map(|_| Db::new(hasher.clone(), value_hasher.clone())).collect();
        Self { dbs, views: Views::default() }
    }

    /// Number of databases.
    pub fn databases(&self) -> usize {
        self.dbs.len()
    }

    /// A database.
    ///
    /// # Panics
    ///
    /// When there is none of this number.
    #[inline]
    pub fn db(&self, index: usize) -> &Db {
        &self.dbs[index]
    }

    /// A database, for writing.
    ///
    /// # Panics
    ///
    /// When there is none of this number.
    #[inline]
    pub fn db_mut(&mut self, index: usize) -> &mut Db {
        &mut self.dbs[index]
    }

    /// Two databases, for writing: to move a key from one to the other.
    ///
    /// # Panics
    ///
    /// When they are the same, or there is none of one of these numbers.
    pub fn two_mut(&mut self, a: usize, b: usize) -> (&mut Db, &mut Db) {
        match self.dbs.get_disjoint_mut([a, b]) {
            Ok([a, b]) => (a, b),
            Err(error) => panic!("databases {a} and {b}: {error}"),
        }
    }

    /// Exchanges the contents of two databases.
    ///
    /// # Panics
    ///
    /// When there is none of one of these numbers.
    pub fn swap(&mut self, a: usize, b: usize) {
        self.dbs.swap(a, b);
    }

    /// Removes all keys, in a time that does not depend on their number; gives them.
    pub fn flush(&mut self) -> Garbage {
        Garbage::tables(self.dbs.iter_mut().map(Db::take).collect())
    }

    /// A view of everything as it is now, for any thread to read.
    ///
    /// Takes time in proportion to the number of chunks, of which there is one for every ten thousand keys or so:
    /// microseconds for millions of keys. From then on the first write to a part of the table copies that part: at most 35
    /// pointers for a write to a key that is there, and no values.
    pub fn freeze(&mut self) -> FrozenKeyspace {
        FrozenKeyspace::new(self.dbs.iter().map(Db::freeze), self.views.begin())
    }

    /// Whether a view of this keyspace is still there.
    pub fn has_views(&self) -> bool {
        self.views.any()
    }

    /// About how many bytes are only there because views have them: what was overwritten or removed since they were taken. They come
    /// free with the views.
    pub fn left_behind(&self) -> u64 {
        self.views.left_behind()
    }

    /// Adds to what [`Keyspace::left_behind`] says, for a caller who knows better than the sum of single writes.
    pub fn note_left_behind(&mut self, bytes: u64) {
        collections::left_behind::note(usize::try_from(bytes).unwrap_or(usize::MAX));
    }

    /// Number of keys in all databases.
    pub fn total_keys(&self) -> usize {
        self.dbs.iter().map(Db::len).sum()
    }

    /// Number of hashes with fields that expire, in all databases.
    pub fn timed_hashes(&self) -> usize {
        self.dbs.iter().map(Db::timed_hashes).sum()
    }

    /// The access word that new entries begin with, of which the low 24 bits count.
    ///
    /// What it means is for the caller's eviction policy to say: see [`crate::Entry::access`].
    pub fn set_initial_access(&mut self, access: u32) {
        self.dbs.iter_mut().for_each(|db| db.set_initial_access(access));
    }
}
