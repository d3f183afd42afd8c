//! Changing a listpack.

use std::fmt;
use std::ops::Range;

use crate::encoding::{END, Encoded};
use crate::view::{EMPTY, Iter, Position, UNKNOWN, View, count};
use crate::{Entry, Error, TooLarge};

/// Most bytes that a listpack of ours takes. The format could count to 4 GiB; peers refuse to go beyond this.
pub const MAX_BYTES: usize = 1 << 30;

/// A listpack: a sequence of strings and numbers in one allocation.
///
/// Changes move everything behind them, so a listpack is for few and small entries; it pays by what it saves: two
/// or three bytes an entry besides the content, and no pointers.
#[derive(Clone, PartialEq, Eq)]
pub struct Listpack {
    /// Invariant: a valid listpack.
    bytes: Vec<u8>,
}

impl Listpack {
    /// A listpack without entries.
    pub fn new() -> Self {
        Listpack::with_capacity(EMPTY)
    }

    /// A listpack without entries, with memory for `bytes` bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        let mut own = Vec::with_capacity(bytes.max(EMPTY));
        own.extend_from_slice(&(EMPTY as u32).to_le_bytes());
        own.extend_from_slice(&[0, 0, END]);
        Listpack { bytes: own }
    }

    /// Takes over bytes from elsewhere, after checking all of them.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Error> {
        View::new(&bytes)?;
        Ok(Listpack { bytes })
    }

    /// The bytes, header and end mark included.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, header and end mark included.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The reading side: iteration, access by index and position, search.
    #[inline]
    pub fn view(&self) -> View<'_> {
        View::trusted(&self.bytes)
    }

    /// Number of entries. Beyond 65534 they have to be counted one by one.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.view().is_empty()
    }

    /// The entries, from either end.
    pub fn iter(&self) -> Iter<'_> {
        self.view().iter()
    }

    /// The entry at `index`; a negative index counts from the end, where -1 is the last.
    pub fn get(&self, index: isize) -> Option<Entry<'_>> {
        self.view().get(index)
    }

    /// Bytes of memory held.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Gives back memory that is not needed.
    pub fn shrink_to_fit(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// Adds an entry before all others.
    pub fn push_front<'e>(&mut self, entry: impl Into<Entry<'e>>) -> Result<(), TooLarge> {
        let first = self.view().first();
        self.insert_at(first, entry)
    }

    /// Adds an entry behind all others.
    pub fn push_back<'e>(&mut self, entry: impl Into<Entry<'e>>) -> Result<(), TooLarge> {
        let end = self.view().end();
        self.insert_at(end, entry)
    }

    /// Inserts an entry so that it is the one at `index`; false if there are fewer entries than that.
    pub fn insert<'e>(&mut self, index: usize, entry: impl Into<Entry<'e>>) -> Result<bool, TooLarge> {
        let view = self.view();
        let position = match isize::try_from(index).ok().and_then(|index| view.seek(index)) {
            Some(position) => position,
            None if index == view.len() => view.end(),
            None => return Ok(false),
        };
        self.insert_at(position, entry).map(|()| true)
    }

    /// Replaces the entry at `index`, counted as by [`get`](Listpack::get); false if there is none.
    pub fn replace<'e>(&mut self, index: isize, entry: impl Into<Entry<'e>>) -> Result<bool, TooLarge> {
        match self.view().seek(index) {
            Some(position) => self.replace_at(position, entry).map(|()| true),
            None => Ok(false),
        }
    }

    /// Removes the entry at `index`, counted as by [`get`](Listpack::get); false if there is none.
    pub fn remove(&mut self, index: isize) -> bool {
        let position = self.view().seek(index);
        position.is_some_and(|position| self.remove_at(position, 1) == 1)
    }

    /// Inserts an entry before the one at `position`, or at the end. The position is then the new entry's.
    ///
    /// # Panics
    ///
    /// May panic if the position is not of this listpack as it is now; the same holds for the other methods that
    /// take one.
    pub fn insert_at<'e>(&mut self, position: Position, entry: impl Into<Entry<'e>>) -> Result<(), TooLarge> {
        self.splice(position.0..position.0, Some(entry.into()), 0)
    }

    /// Replaces the entry at `position`, which is then the new entry's. At the end it inserts.
    pub fn replace_at<'e>(
        &mut self,
        position: Position,
        entry: impl Into<Entry<'e>>,
    ) -> Result<(), TooLarge> {
        match self.view().next(position) {
            Some(next) => self.splice(position.0..next.0, Some(entry.into()), 1),
            None => self.insert_at(position, entry),
        }
    }

    /// Removes up to `count` entries from `position` on, and says how many there were. The position is then that
    /// of what came after them.
    pub fn remove_at(&mut self, position: Position, count: usize) -> usize {
        let mut entries = self.view().iter_from(position).positions();
        let removed = entries.by_ref().take(count).count();
        let end = entries.next().map_or(self.view().end(), |(next, _)| next);
        self.splice(position.0..end.0, None, removed).expect("it gets smaller");
        removed
    }

    /// Removes all entries, keeping the memory.
    pub fn clear(&mut self) {
        let (first, end) = (self.view().first(), self.view().end());
        self.bytes.drain(first.0..end.0);
        self.put_header(Some(0));
    }

    /// Puts at most one entry in the place of `removed` entries, which take the bytes of `range`.
    fn splice(
        &mut self,
        range: Range<usize>,
        entry: Option<Entry<'_>>,
        removed: usize,
    ) -> Result<(), TooLarge> {
        let encoded = entry.map(Encoded::new);
        let (old, new) = (range.len(), encoded.as_ref().map_or(0, Encoded::len));
        // Saturating, as the text may be of any length and is not copied yet.
        let total = (self.bytes.len() - old).saturating_add(new);
        if total > MAX_BYTES && new > old {
            return Err(TooLarge { bytes: total });
        }
        let known = count(&self.bytes);
        let tail = range.end..self.bytes.len();
        if new > old {
            self.bytes.resize(total, 0);
        }
        self.bytes.copy_within(tail, range.start + new);
        self.bytes.truncate(total);
        if let Some(encoded) = encoded {
            encoded.write(&mut self.bytes[range.start..range.start + new]);
        }
        let added = usize::from(entry.is_some());
        self.put_header((known != UNKNOWN).then(|| usize::from(known) - removed + added));
        Ok(())
    }

    /// Brings the header up to date; with a count that is unknown, or too large for its place, it says so.
    fn put_header(&mut self, count: Option<usize>) {
        let total = u32::try_from(self.bytes.len()).expect("listpacks are limited to less than that");
        let count = count.and_then(|count| u16::try_from(count).ok()).unwrap_or(UNKNOWN);
        self.bytes[..4].copy_from_slice(&total.to_le_bytes());
        self.bytes[4..6].copy_from_slice(&count.to_le_bytes());
    }
}

impl Default for Listpack {
    fn default() -> Self {
        Listpack::new()
    }
}

impl fmt::Debug for Listpack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

impl<'a> IntoIterator for &'a Listpack {
    type Item = Entry<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

#[cfg(test)]
mod tests;
