//! One database.

use crate::entry::{Entry, EntryMut, Garbage, Removed, record_of, str_payload};
use crate::frozen::{FrozenDb, Iter};
use crate::hash::{Hasher, Position};
use crate::parts::Part;
use crate::record::{ACCESS_BITS, Parts, RecordRef};
use crate::table::{ExpireCursor, Table};
use crate::value::{SetExpiry, Value, ValueRef};

/// A database: keys, their values and their expiries.
///
/// It knows no clock. A key whose expiry has passed is there until somebody removes it; what an expired key looks like to a
/// client is for the caller to decide.
pub struct Db {
    table: Table,
    value_hasher: collections::Hasher,
    initial_access: u32,
}

impl Db {
    pub(crate) fn new(hasher: Hasher, value_hasher: collections::Hasher) -> Self {
        Self { table: Table::new(hasher), value_hasher, initial_access: 0 }
    }

    /// The hasher for tables inside values. The same in all databases of a keyspace.
    #[inline]
    pub fn value_hasher(&self) -> &collections::Hasher {
        &self.value_hasher
    }

    pub(crate) fn set_initial_access(&mut self, access: u32) {
        self.initial_access = access & ((1 << ACCESS_BITS) - 1);
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.table.totals.len
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of keys with an expiry.
    pub fn expires(&self) -> usize {
        self.table.totals.timed
    }

    /// Milliseconds that the keys with an expiry have left on average; 0 when there are none.
    pub fn avg_ttl(&self, now_ms: u64) -> u64 {
        self.table.totals.mean_expiry().map_or(0, |mean| mean.saturating_sub(now_ms))
    }

    /// The hash of a key, for [`Db::prefetch`], [`Db::prefetch_record`] and [`Db::get_hashed`]. The same in all databases
    /// of a keyspace.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        self.table.hasher.hash(key)
    }

    /// Gets the part of the table where a key with this hash is, or would go, on its way into the cache.
    ///
    /// For a batch of keys: this for all of them, then [`Db::prefetch_record`] for all of them, then the operations.
    /// The memory accesses of a stage overlap, and the batch waits for two of them instead of two for each key.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        let position = Position::of_hash(hash);
        self.table.start(position);
    }

    /// Gets the record of a key with this hash on its way into the cache.
    #[inline]
    pub fn prefetch_record(&self, hash: u64) {
        let position = Position::of_hash(hash);
        if let Some(home) = self.table.start(position).and_then(crate::segment::Home::prefetch_record) {
            home.prefetch_displaced_record();
        }
    }

    /// Gets all that operations on keys with these hashes will look at on its way into the cache: the two stages of
    /// [`Db::prefetch`] and [`Db::prefetch_record`] at once, and better, since it never waits for one key alone.
    #[inline]
    pub fn prefetch_batch(&self, hashes: &[u64]) {
        self.table.prefetch_batch(hashes);
    }

    /// Has the processor read where these fields or members of one large hash or set are, as [`Table::prefetch`] does. A small one
    /// came with its key.
    ///
    /// [`Table::prefetch`]: collections::Table::prefetch
    pub fn prefetch_elements<'k>(&self, key: &[u8], elements: impl Iterator<Item = &'k [u8]>) {
        if let Some(ValueRef::Hash(table) | ValueRef::Set(table)) = self.get(key).map(|entry| entry.value()) {
            table.prefetch(elements);
        }
    }

    /// The entry of a key.
    #[inline]
    pub fn get(&self, key: &[u8]) -> Option<Entry<'_>> {
        self.get_hashed(self.hash(key), key)
    }

    /// [`Db::get`] when the hash of the key is known already.
    #[inline]
    pub fn get_hashed(&self, hash: u64, key: &[u8]) -> Option<Entry<'_>> {
        self.table.get(Position::of_hash(hash), key).map(Entry::new)
    }

    /// Whether the key is there.
    #[inline]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.get(key).is_some()
    }

    /// The entry of a key, for writing.
    pub fn get_mut(&mut self, key: &[u8]) -> Option<EntryMut<'_>> {
        let position = self.table.hasher.position(key);
        let (index, at) = self.table.find_mut(position, key)?;
        Some(EntryMut::new(
            self.table.directory.chunk_mut(index),
            &mut self.table.totals,
            &self.value_hasher,
            at,
        ))
    }

    /// Sets a key to a string; says whether the key was there before.
    ///
    /// The most frequent write, hence its own way: a value that a view does not share, of about the length of the old
    /// one, is overwritten in place.
    #[inline]
    pub fn set_str(&mut self, key: &[u8], value: &[u8], expiry: SetExpiry) -> bool {
        self.write_str(key, value, expiry).0
    }

    /// [`Db::set_str`] that also gives the entry, whose access word the caller may want to set, and what it replaced if that may take
    /// long to free.
    #[inline]
    pub fn put_str(
        &mut self,
        key: &[u8],
        value: &[u8],
        expiry: SetExpiry,
    ) -> (bool, Entry<'_>, Option<Removed>) {
        let (existed, index, at, replaced) = self.write_str(key, value, expiry);
        (existed, Entry::new(self.table.directory.at(index).record(at)), replaced)
    }

    #[inline]
    fn write_str(
        &mut self,
        key: &[u8],
        value: &[u8],
        expiry: SetExpiry,
    ) -> (bool, usize, crate::chunk::At, Option<Removed>) {
        let position = self.table.hasher.position(key);
        if let Some((index, at)) = self.table.find_mut(position, key) {
            let chunk = self.table.directory.chunk_mut(index);
            let replaced =
                EntryMut::new(chunk, &mut self.table.totals, &self.value_hasher, at).store(value, expiry);
            return (true, index, at, replaced);
        }
        let record = RecordRef::new(Parts {
            key,
            payload: str_payload(value),
            expiry: expiry.apply(None),
            access: self.initial_access,
            raw: false,
        });
        let (index, at) = self.table.insert(position, record);
        (false, index, at, None)
    }

    /// Sets a key to a value with an expiry or none; gives what it replaced.
    pub fn insert(&mut self, key: &[u8], value: Value, expiry: Option<u64>) -> Option<Garbage> {
        self.put(key, value, expiry).0
    }

    /// [`Db::insert`] that also gives the entry, whose access word the caller may want to set.
    pub fn put(&mut self, key: &[u8], value: Value, expiry: Option<u64>) -> (Option<Garbage>, Entry<'_>) {
        let record = record_of(key, value, expiry, self.initial_access);
        let (replaced, index, at) = self.insert_record(record);
        (replaced, Entry::new(self.table.directory.at(index).record(at)))
    }

    fn insert_record(&mut self, record: RecordRef) -> (Option<Garbage>, usize, crate::chunk::At) {
        let key = record.as_ptr().key();
        let position = self.table.hasher.position(key);
        let Some((index, at)) = self.table.find_mut(position, key) else {
            let (index, at) = self.table.insert(position, record);
            return (None, index, at);
        };
        let chunk = self.table.directory.chunk_mut(index);
        let after = record.as_ptr().expiry();
        let old = chunk.replace(at, record);
        old.note_left(true);
        let before = old.as_ptr().expiry();
        chunk.note_expiry(at.segment(), before, after);
        self.table.totals.note_expiry(before, after);
        let new = chunk.record(at);
        self.table.totals.hashes.note_value(new.key(), new.object());
        (Some(Removed::new(old).into()), index, at)
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &[u8]) -> Option<Removed> {
        self.table.remove(self.table.hasher.position(key), key).map(Removed::new)
    }

    /// Puts back, under this key or another, in this database or another, what was removed or duplicated; gives what it
    /// replaced. Expiry and access word come along, and a value that is not short is not copied.
    pub fn insert_removed(&mut self, key: &[u8], removed: Removed) -> Option<Garbage> {
        self.insert_record(removed.into_record(key)).0
    }

    /// Sets when a key expires, or that it does not; says whether the key is there.
    pub fn set_expiry(&mut self, key: &[u8], expiry: Option<u64>) -> bool {
        match self.get_mut(key) {
            Some(mut entry) => {
                entry.set_expiry(expiry);
                true
            }
            None => false,
        }
    }

    /// When a key expires. The outer `None`: there is no such key.
    pub fn expiry(&self, key: &[u8]) -> Option<Option<u64>> {
        self.get(key).map(|entry| entry.expiry())
    }

    /// A step of SCAN: calls `f` with some entries, about `count`, and gives the cursor for the next step.
    ///
    /// It begins with cursor 0 and has ended when it gives 0. A key that is there all the time is given at least once, and
    /// one that is never there not at all, whatever is added and removed between the steps. A cursor is a position in
    /// hash space, so steps keep no state, and one that nobody gave does no harm. Cursors are below 2^53.
    pub fn scan(&self, cursor: u64, count: usize, f: &mut dyn FnMut(Entry<'_>)) -> u64 {
        self.table.scan(cursor, count, &mut |record| f(Entry::new(record)))
    }

    /// An entry, each with the same chance.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<Entry<'_>> {
        self.table.random(rng).map(Entry::new)
    }

    /// Calls `f` with some entries from a random place, about `want`, or with those of them that have an expiry. Says how many
    /// those were: none only if there are none.
    ///
    /// The entries are neighbours in the table, which orders keys by their hash: as far as their use is concerned, they are a random
    /// choice. Looks at a bucket at a time, whose records it fetches together, so one entry costs far less than [`Db::random`].
    pub fn sample(
        &self,
        rng: &mut fastrand::Rng,
        want: usize,
        with_expiry: bool,
        f: &mut dyn FnMut(Entry<'_>),
    ) -> usize {
        crate::sample::sample(&self.table, rng, want, with_expiry, &mut |record| f(Entry::new(record)))
    }

    /// A step of the sweep for expired keys: calls `f` with entries that expire at `now_ms` or earlier. Says whether
    /// the sweep goes on with `cursor`.
    ///
    /// Each segment of the table knows its earliest expiry, so the sweep looks only where something is due, and each
    /// step looks at `max_visits` records or a few hundred more. It removes nothing: the caller collects keys, removes
    /// them, and what it does not remove is found again by the next sweep.
    pub fn due(
        &self,
        now_ms: u64,
        cursor: &mut ExpireCursor,
        max_visits: usize,
        f: &mut dyn FnMut(&Entry<'_>),
    ) -> bool {
        self.table.due(now_ms, cursor, max_visits, &mut |record| f(&Entry::new(record)))
    }

    /// A time before which no key expires; `None` when no key ever does.
    pub fn earliest_expiry(&self) -> Option<u64> {
        self.table.totals.earliest()
    }

    /// Number of hashes with fields that expire.
    pub fn timed_hashes(&self) -> usize {
        self.table.totals.hashes.len()
    }

    /// The key of a hash that may have a field which expires at `now_ms` or earlier.
    ///
    /// Once [`crate::HashMut::remove_due`] has been called for it, or the key has been removed, this gives another one. Looks at no
    /// hash itself.
    pub fn due_hash(&self, now_ms: u64) -> Option<&[u8]> {
        self.table.totals.hashes.due(now_ms)
    }

    /// All entries, in no particular order.
    pub fn iter(&self) -> Iter<'_> {
        Iter::new(&self.table.directory, self.len())
    }

    /// Removes all keys, in constant time; gives them.
    pub fn flush(&mut self) -> Garbage {
        Garbage::tables(vec![self.take()])
    }

    pub(crate) fn take(&mut self) -> (crate::directory::Directory, usize) {
        let len = self.len();
        (self.table.take(), len)
    }

    /// Parts to build this database of, each by whichever thread: `2^bits` of them, in the order of [`Part::index`].
    ///
    /// They come with room for `keys` keys in all, which takes some nine bytes for each; with 0, and beyond that number, they grow like
    /// any database. Room that turns out not to be needed is given back by [`Db::unite`].
    pub fn parts(&self, bits: u32, keys: usize) -> Vec<Part> {
        let part = |_| Part::new(self.table.hasher.clone(), self.initial_access, bits, keys >> bits);
        (0..1 << bits).map(part).collect()
    }

    /// Takes in what [`Db::parts`] have become: all of them, in their order. No key is touched for that.
    ///
    /// # Panics
    ///
    /// When the database is not empty, or the parts are not all.
    pub fn unite(&mut self, parts: Vec<Part>) {
        assert!(self.is_empty() && parts.len().is_power_of_two(), "all parts, for an empty database");
        self.table = crate::parts::unite(self.table.hasher.clone(), parts);
    }

    /// A view of the database as it is now. Takes time in proportion to the number of chunks, of which there is one for
    /// every ten thousand keys or so.
    pub fn freeze(&self) -> FrozenDb {
        FrozenDb::new(&self.table)
    }

    /// Bytes of memory that the table takes, without its records.
    pub fn table_bytes(&self) -> usize {
        self.table.directory.bytes()
    }

    /// Number of segments of the table.
    pub fn segments(&self) -> usize {
        self.table.directory.chunks().iter().map(|chunk| chunk.segments().count()).sum()
    }

    #[cfg(test)]
    pub(crate) fn check(&self) {
        self.table.check();
    }

    #[cfg(test)]
    pub(crate) fn spilled(&self) -> usize {
        self.table.directory.chunks().iter().map(|chunk| chunk.spilled().len()).sum()
    }
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db")
            .field("len", &self.len())
            .field("expires", &self.expires())
            .finish_non_exhaustive()
    }
}

impl<'a> IntoIterator for &'a Db {
    type Item = Entry<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}
