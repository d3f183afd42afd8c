//! A hash table of byte strings: what large hashes and sets are.
//!
//! ```
//! use collections::{Expiry, Hasher, Table};
//!
//! let mut table = Table::new(Hasher::new(0x5eed));
//! assert!(table.insert(b"field", b"value", Expiry::Keep));
//! assert!(!table.insert(b"field", b"other", Expiry::At(1_700_000_000_000)));
//!
//! // A clone takes next to no time, and stays as it is.
//! let then = table.clone();
//! assert!(table.remove(b"field"));
//! assert_eq!(then.get(b"field").unwrap().value, b"other");
//! assert!(table.is_empty());
//! ```

mod entry;
mod page;
#[cfg(test)]
mod tests;

use smallvec::SmallVec;

use crate::directory::{Directory, Pages};
use crate::hash::Hasher;
use page::{Items, TablePage, tag_of};

/// Bits of a hash that a SCAN cursor has: it stays below 2^53 and so survives clients that keep numbers as doubles.
const CURSOR_BITS: u32 = 53;

/// No entry expires later: what comes after it means never.
const LATEST: u64 = u64::MAX - 1;

/// An entry of a [`Table`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value; empty in a set.
    pub value: &'a [u8],
    /// When the entry expires, if it does.
    pub expiry: Option<u64>,
}

/// What a write does to the expiry of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// Leaves it as it is; a new entry gets none.
    Keep,
    /// Takes it away.
    Clear,
    /// Sets it.
    At(u64),
}

impl Expiry {
    fn apply(self, before: Option<u64>) -> Option<u64> {
        match self {
            Expiry::Keep => before,
            Expiry::Clear => None,
            Expiry::At(at) => Some(at.min(LATEST)),
        }
    }
}

/// Entries of a key, a value and perhaps an expiry, found by their keys.
///
/// Entries are packed into pages of up to 32, of which a [`Directory`] finds the right one. It knows no clock: an entry whose expiry
/// has passed is there until somebody removes it.
#[derive(Clone)]
pub struct Table {
    directory: Directory<TablePage>,
    hasher: Hasher,
    /// Entries with an expiry.
    timed: usize,
    /// No later than any expiry; [`u64::MAX`] without one.
    earliest: u64,
}

impl Table {
    /// An empty table.
    pub fn new(hasher: Hasher) -> Self {
        Self { directory: Directory::new(), hasher, timed: 0, earliest: u64::MAX }
    }

    /// Number of entries.
    #[inline]
    pub fn len(&self) -> usize {
        self.directory.len()
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of heap memory behind it, whoever else has them too.
    pub fn heap_bytes(&self) -> usize {
        self.directory.heap_bytes()
    }

    /// The entry of a key.
    #[inline]
    pub fn get(&self, key: &[u8]) -> Option<Item<'_>> {
        let hash = self.hasher.hash(key);
        self.directory.page(hash).get(tag_of(hash), key)
    }

    /// Whether there is an entry of this key.
    #[inline]
    pub fn contains(&self, key: &[u8]) -> bool {
        let hash = self.hasher.hash(key);
        self.directory.page(hash).find(tag_of(hash), key).is_some()
    }

    /// Has the processor read what these keys lead to, many of them at once, so that whatever is done with them next need not wait for
    /// memory one key after the other. Changes nothing but speed.
    ///
    /// Plain reads do for that: those of one round do not depend on each other, so that their cache misses overlap as far as the
    /// processor looks ahead. That is a few hundred instructions, and why each round does so little.
    pub fn prefetch<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) {
        /// More would push each other out before they are used.
        const AT_ONCE: usize = 64;
        let hashes: SmallVec<[u64; AT_ONCE]> = keys.take(AT_ONCE).map(|key| self.hasher.hash(key)).collect();
        let pages: SmallVec<[&TablePage; AT_ONCE]> =
            hashes.iter().map(|&hash| self.directory.page(hash)).collect();
        pages.iter().for_each(|page| page.touch());
        hashes.iter().zip(&pages).for_each(|(&hash, page)| page.touch_entry(tag_of(hash)));
    }

    /// Sets the value of a key; says whether the key is new.
    ///
    /// # Panics
    ///
    /// When key and value have more bytes together than memory can hold.
    pub fn insert(&mut self, key: &[u8], value: &[u8], expiry: Expiry) -> bool {
        let hash = self.hasher.hash(key);
        let tag = tag_of(hash);
        let (new, before, after) =
            self.directory.update(hash, &self.hasher, |page| match page.find(tag, key) {
                Some(place) => {
                    let before = page.expiry_at(place, key);
                    let after = expiry.apply(before);
                    page.replace(place, tag, Item { key, value, expiry: after });
                    (false, before, after)
                }
                None => {
                    let after = expiry.apply(None);
                    page.insert(tag, Item { key, value, expiry: after });
                    (true, None, after)
                }
            });
        self.note_expiry(before, after);
        new
    }

    /// Adds a key without a value, as sets do; says whether it is new. One that is there stays as it is.
    #[inline]
    pub fn add(&mut self, key: &[u8]) -> bool {
        let hash = self.hasher.hash(key);
        let tag = tag_of(hash);
        // Looked for first: what is there must not cost a copy of a shared page.
        if self.directory.page(hash).find(tag, key).is_some() {
            return false;
        }
        let item = Item { key, value: &[], expiry: None };
        self.directory.update(hash, &self.hasher, |page| page.insert(tag, item));
        true
    }

    /// Sets when the entry of a key expires, or that it does not; says whether there is one.
    pub fn set_expiry(&mut self, key: &[u8], expiry: Option<u64>) -> bool {
        let Some(item) = self.get(key) else { return false };
        if item.expiry != expiry {
            let value = item.value.to_vec();
            self.insert(key, &value, expiry.map_or(Expiry::Clear, Expiry::At));
        }
        true
    }

    /// Takes an entry out; says whether it was there.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let hash = self.hasher.hash(key);
        let tag = tag_of(hash);
        // Looked for first: what is not there must not cost a copy of a shared page.
        if self.directory.page(hash).find(tag, key).is_none() {
            return false;
        }
        let before = self.directory.update(hash, &self.hasher, |page| {
            let place = page.find(tag, key)?;
            let before = page.expiry_at(place, key);
            page.remove(place, key);
            before
        });
        self.note_expiry(before, None);
        true
    }

    #[inline]
    fn note_expiry(&mut self, before: Option<u64>, after: Option<u64>) {
        if let Some(at) = after {
            self.timed += 1;
            self.earliest = self.earliest.min(at);
        }
        if before.is_some() {
            self.timed -= 1;
            if self.timed == 0 {
                self.earliest = u64::MAX;
            }
        }
    }

    /// All entries, in no particular order.
    pub fn iter(&self) -> Iter<'_> {
        Iter { pages: self.directory.iter(), items: None, remaining: self.len() }
    }

    /// A step of SCAN: calls `f` with some entries, `count` or a few more, and gives the cursor for the next step.
    ///
    /// It begins with cursor 0 and has ended when it gives 0. An entry that is there all the time is given at least once, whatever is
    /// added and removed between the steps. A cursor is a position in hash space, below 2^53; one that nobody gave does no harm.
    pub fn scan(&self, cursor: u64, count: usize, f: &mut dyn FnMut(Item<'_>)) -> u64 {
        const REST: u32 = 64 - CURSOR_BITS;
        if cursor >> CURSOR_BITS != 0 {
            return 0;
        }
        let position = |item: &Item<'_>| self.hasher.hash(item.key) >> REST;
        let (mut from, mut room) = (cursor, count.max(1));
        loop {
            let (page, behind) = self.directory.page_and_next(from << REST);
            let mut entries: Vec<(u64, Item<'_>)> =
                page.items().map(|item| (position(&item), item)).filter(|(at, _)| *at >= from).collect();
            if entries.len() > room {
                // Some now, the rest next time; but all of one position together.
                entries.sort_unstable_by_key(|(at, _)| *at);
                let last = entries[room - 1].0;
                let given = entries.partition_point(|(at, _)| *at <= last);
                if given < entries.len() {
                    entries[..given].iter().for_each(|(_, item)| f(*item));
                    return last + 1;
                }
            }
            entries.iter().for_each(|(_, item)| f(*item));
            room = room.saturating_sub(entries.len());
            from = behind >> REST;
            if room == 0 || from == 0 {
                return from;
            }
        }
    }

    /// An entry, each with the same chance.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<Item<'_>> {
        let (page, number) = self.directory.random(rng)?;
        page.nth(number)
    }

    /// Number of entries with an expiry.
    #[inline]
    pub fn expires(&self) -> usize {
        self.timed
    }

    /// A time before which no entry expires; `None` when none ever does.
    #[inline]
    pub fn earliest_expiry(&self) -> Option<u64> {
        (self.timed > 0).then_some(self.earliest)
    }

    /// Takes out up to `max` entries that expire at `now` or earlier, and gives them to `f`; says whether there are more.
    ///
    /// Looks only where something is due: each page knows its earliest expiry.
    pub fn remove_due(&mut self, now: u64, max: usize, f: &mut dyn FnMut(Item<'_>)) -> bool {
        if self.timed == 0 || self.earliest > now {
            return false;
        }
        let mut removed = 0;
        self.directory.update_due(now, &self.hasher, &mut |page| {
            removed += page.remove_due(now, max - removed, f);
            removed < max
        });
        self.timed -= removed;
        self.earliest = if self.timed == 0 { u64::MAX } else { self.directory.earliest() };
        self.timed > 0 && self.earliest <= now
    }

    #[cfg(test)]
    pub(crate) fn check(&self) {
        self.directory.check();
        self.directory.iter().for_each(|page| page.check(&self.hasher));
        assert_eq!(self.timed, self.iter().filter(|item| item.expiry.is_some()).count());
        assert!(self.earliest <= self.iter().filter_map(|item| item.expiry).min().unwrap_or(u64::MAX));
    }
}

/// The same entries, wherever they lie.
impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|item| other.get(item.key) == Some(item))
    }
}

impl Eq for Table {}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table")
            .field("len", &self.len())
            .field("expires", &self.expires())
            .finish_non_exhaustive()
    }
}

impl<'a> IntoIterator for &'a Table {
    type Item = Item<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// All entries of a table.
#[derive(Clone)]
pub struct Iter<'a> {
    pages: Pages<'a, TablePage>,
    items: Option<Items<'a>>,
    remaining: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        loop {
            if let Some(item) = self.items.as_mut().and_then(Items::next) {
                self.remaining -= 1;
                return Some(item);
            }
            self.items = Some(self.pages.next()?.items());
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for Iter<'_> {}
