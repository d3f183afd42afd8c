//! Pages of a table: one piece of memory that holds some dozens of entries.
//!
//! ```text
//! count │ header 16 │ tag, a byte each │ offset, two bytes each │ entries, packed
//! ```
//!
//! A tag is the low byte of an entry's hash; finding a key compares the tags, eight at a time, and then one entry as a rule. Tags
//! lie in one cache line with the header or in the next, then comes the line of the offset, then that of the entry.
//!
//! Entries lie without gaps: removing one moves those behind it, which are a KiB or so. An entry too long for that has a piece of
//! memory of its own, and its offset is its number among these. Neither will do for thousands of entries, which a page gets only
//! when their hashes collide; they go to a sorted map.

mod builder;
mod extra;

use std::hint::black_box;

use triomphe::{Arc, HeaderSlice};

use super::Item;
use super::entry::{INLINE_MAX, Layout};
use crate::directory::Page;
use crate::hash::Hasher;
use builder::Builder;
use extra::{Extra, Large, Overflow};

/// A page with more entries than this is split.
///
/// All pages grow alike, and leave memory of one size after the other behind that only pages of that size can use. With 64 entries a page,
/// a million fields of 31 bytes took 60 bytes each of resident memory, with 32 they take 52.
const SPLIT_ABOVE: usize = 32;
/// So is one with more bytes of packed entries. With the rest, a page then just fits 2560 bytes.
const SPLIT_ABOVE_BYTES: usize = 2432;
/// Two pages with no more than this between them become one.
const MERGE_UP_TO: usize = SPLIT_ABOVE / 2;
const MERGE_UP_TO_BYTES: usize = 1216;
/// What a page holds at most outside its sorted map; only a page that can't split comes this far.
const MAX_ENTRIES: usize = 128;
const MAX_BYTES: usize = 16 * 1024;

/// In an offset: it is the number of a [`Large`].
const LARGE: u16 = 1 << 15;

/// The tag of a hash. The directory uses its other end.
#[inline]
pub(super) fn tag_of(hash: u64) -> u8 {
    hash as u8
}

/// What all pages know of themselves.
#[derive(Clone, Default)]
struct Header {
    /// Entries, without those in the sorted map.
    len: u16,
    /// Room for tags and offsets; a multiple of eight.
    cap: u16,
    /// Bytes of packed entries.
    used: u16,
    /// What few pages have.
    extra: Option<Box<Extra>>,
}

/// The count of references, and the header.
const OVERHEAD: usize = size_of::<usize>() + size_of::<Header>();

/// See the module's documentation.
#[derive(Clone)]
pub(super) struct TablePage(Arc<HeaderSlice<Header, [u8]>>);

/// Where an entry is in its page.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// Number so many.
    Index(usize),
    /// In the sorted map.
    Overflow,
}

impl Default for TablePage {
    fn default() -> Self {
        Builder::new(0, 0).finish(None)
    }
}

impl TablePage {
    fn cap(&self) -> usize {
        usize::from(self.0.header.cap)
    }

    /// Entries outside the sorted map.
    fn indexed(&self) -> usize {
        usize::from(self.0.header.len)
    }

    fn used(&self) -> usize {
        usize::from(self.0.header.used)
    }

    fn extra(&self) -> Option<&Extra> {
        self.0.header.extra.as_deref()
    }

    #[inline]
    fn offset(&self, index: usize) -> u16 {
        offset_at(&self.0.slice[self.cap()..], index)
    }

    /// The packed entries.
    #[inline]
    fn data(&self) -> &[u8] {
        &self.0.slice[3 * self.cap()..]
    }

    #[inline]
    fn key(&self, index: usize) -> &[u8] {
        let offset = self.offset(index);
        if offset & LARGE == 0 {
            let bytes = &self.data()[usize::from(offset)..];
            return Layout::read(bytes).key(bytes);
        }
        self.item(index).key
    }

    /// The entry number `index`, which is not in the sorted map.
    #[inline]
    fn item(&self, index: usize) -> Item<'_> {
        let offset = self.offset(index);
        if offset & LARGE == 0 {
            let bytes = &self.data()[usize::from(offset)..];
            return Layout::read(bytes).item(bytes);
        }
        match self.extra() {
            Some(extra) => extra.larges[usize::from(offset & !LARGE)].item(),
            None => unreachable!("an offset names a large entry"),
        }
    }

    /// Where the entry of a key is.
    #[inline]
    pub(super) fn find(&self, tag: u8, key: &[u8]) -> Option<Place> {
        let len = self.indexed();
        let (words, _) = self.0.slice[..len.next_multiple_of(8)].as_chunks::<8>();
        for (number, &word) in words.iter().enumerate() {
            let mut hits = equal_bytes(u64::from_le_bytes(word), tag);
            while hits != 0 {
                let index = number * 8 + hits.trailing_zeros() as usize / 8;
                // The tags behind the last one are zeros.
                if index < len && self.key(index) == key {
                    return Some(Place::Index(index));
                }
                hits &= hits - 1;
            }
        }
        let overflow = &self.extra()?.overflow;
        overflow.contains_key(key).then_some(Place::Overflow)
    }

    /// Reads the line that the tags are in, for nothing but to have it in the cache.
    #[inline]
    pub(super) fn touch(&self) {
        black_box(self.0.header.len);
    }

    /// Reads the beginning of the first entry with this tag, as [`TablePage::touch`] does.
    #[inline]
    pub(super) fn touch_entry(&self, tag: u8) {
        let len = self.indexed();
        let (words, _) = self.0.slice[..len.next_multiple_of(8)].as_chunks::<8>();
        let hit = words.iter().enumerate().find_map(|(number, &word)| {
            let hits = equal_bytes(u64::from_le_bytes(word), tag);
            (hits != 0).then(|| number * 8 + hits.trailing_zeros() as usize / 8)
        });
        // What is not there will be added behind the others.
        let at = match hit {
            Some(index) if index < len => usize::from(self.offset(index)),
            _ => self.used(),
        };
        black_box(self.data().get(at).copied());
    }

    /// The entry of a key.
    #[inline]
    pub(super) fn get(&self, tag: u8, key: &[u8]) -> Option<Item<'_>> {
        match self.find(tag, key)? {
            Place::Index(index) => Some(self.item(index)),
            Place::Overflow => self.extra()?.overflow_item(key),
        }
    }

    /// The expiry of an entry that is there.
    pub(super) fn expiry_at(&self, place: Place, key: &[u8]) -> Option<u64> {
        match place {
            // Most pages have no entry with one.
            _ if self.earliest() == u64::MAX => None,
            Place::Index(index) => self.item(index).expiry,
            Place::Overflow => self.extra()?.overflow_item(key)?.expiry,
        }
    }

    /// The entry of this number, of all that the page has.
    pub(super) fn nth(&self, number: usize) -> Option<Item<'_>> {
        if number < self.indexed() {
            return Some(self.item(number));
        }
        self.items().nth(number)
    }

    /// All entries.
    pub(super) fn items(&self) -> Items<'_> {
        Items { page: self, number: 0, overflow: self.extra().map(|extra| extra.overflow.iter()) }
    }

    /// Adds an entry whose key is not there.
    pub(super) fn insert(&mut self, tag: u8, item: Item<'_>) {
        let large = item.is_large();
        let layout = Layout::new(item.key, item.value, item.expiry.is_some());
        let bytes = if large { 0 } else { layout.len() };
        if self.indexed() >= MAX_ENTRIES || self.used() + bytes > MAX_BYTES {
            self.extra_mut().insert_overflow(item);
            return self.note_expiry(None, item.expiry);
        }
        self.reserve(1, bytes);
        let offset = if large {
            let larges = &mut self.extra_mut().larges;
            larges.push(Large::new(item));
            LARGE | (larges.len() - 1) as u16
        } else {
            let at = self.used();
            let (header, slab) = self.own();
            let data = &mut slab[3 * usize::from(header.cap)..];
            layout.write(&mut data[at..], item);
            header.used += bytes as u16;
            at as u16
        };
        if large {
            self.extra_mut().bytes += Large::heap_bytes(item.key, item.value);
        }
        let (header, slab) = self.own();
        let (index, cap) = (usize::from(header.len), usize::from(header.cap));
        slab[index] = tag;
        set_offset(&mut slab[cap..], index, offset);
        header.len += 1;
        self.note_expiry(None, item.expiry);
    }

    /// Gives an entry that is there another value and expiry.
    pub(super) fn replace(&mut self, place: Place, tag: u8, item: Item<'_>) {
        let inline = match place {
            Place::Index(index) if !item.is_large() => Some(index),
            _ => None,
        };
        let inline = inline.filter(|&index| self.offset(index) & LARGE == 0);
        let Some(index) = inline else {
            self.remove(place, item.key);
            return self.insert(tag, item);
        };
        let at = usize::from(self.offset(index));
        let old = Layout::read(&self.data()[at..]);
        let before = old.expiry(&self.data()[at..]);
        let new = Layout::new(item.key, item.value, item.expiry.is_some());
        let (old_len, new_len) = (old.len(), new.len());
        if self.used() - old_len + new_len > MAX_BYTES {
            self.remove(place, item.key);
            return self.insert(tag, item);
        }
        if old_len == new_len {
            let (header, slab) = self.own();
            new.write(&mut slab[3 * usize::from(header.cap) + at..], item);
        } else {
            self.reserve(0, new_len.saturating_sub(old_len));
            let (header, slab) = self.own();
            resize_entry(header, slab, at, old_len, new_len);
            new.write(&mut slab[3 * usize::from(header.cap) + at..], item);
            if new_len < old_len {
                self.shrink();
            }
        }
        self.note_expiry(before, item.expiry);
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, place: Place, key: &[u8]) {
        let Place::Index(index) = place else {
            let expiry = self.extra_mut().remove_overflow(key);
            return self.note_expiry(expiry, None);
        };
        let expiry = self.item(index).expiry;
        let offset = self.offset(index);
        if offset & LARGE == 0 {
            let at = usize::from(offset);
            let len = Layout::read(&self.data()[at..]).len();
            let (header, slab) = self.own();
            resize_entry(header, slab, at, len, 0);
        } else {
            let larges = &mut self.extra_mut().larges;
            let large = larges.swap_remove(usize::from(offset & !LARGE));
            let moved = LARGE | larges.len() as u16;
            let item = large.item();
            self.extra_mut().bytes -= Large::heap_bytes(item.key, item.value);
            let (header, slab) = self.own();
            let (len, offsets) = (usize::from(header.len), &mut slab[usize::from(header.cap)..]);
            if let Some(last) = (0..len).find(|&other| offset_at(offsets, other) == moved) {
                set_offset(offsets, last, offset);
            }
        }
        let (header, slab) = self.own();
        header.len -= 1;
        let (last, cap) = (usize::from(header.len), usize::from(header.cap));
        slab[index] = slab[last];
        slab[last] = 0;
        let moved = offset_at(&slab[cap..], last);
        set_offset(&mut slab[cap..], index, moved);
        self.note_expiry(expiry, None);
        self.shrink();
    }

    /// Takes out up to `max` entries that expire at `now` or earlier, and gives them to `f`.
    pub(super) fn remove_due(&mut self, now: u64, max: usize, f: &mut dyn FnMut(Item<'_>)) -> usize {
        let mut removed = 0;
        while removed < max && self.earliest() <= now {
            let due = |item: &Item<'_>| item.expiry.is_some_and(|at| at <= now);
            let index = (0..self.indexed()).find(|&index| due(&self.item(index)));
            let (place, item) = match index {
                Some(index) => (Place::Index(index), self.item(index)),
                None => match self.extra().and_then(|extra| extra.overflow_items().find(due)) {
                    Some(item) => (Place::Overflow, item),
                    None => break,
                },
            };
            f(item);
            let key = item.key.to_vec();
            self.remove(place, &key);
            removed += 1;
        }
        removed
    }

    /// The page's memory for writing; copies it first while a clone exists.
    #[inline]
    fn own(&mut self) -> (&mut Header, &mut [u8]) {
        if !self.0.is_unique() {
            self.note_left();
            self.0 = Arc::from_header_and_slice(self.0.header.clone(), &self.0.slice);
        }
        match Arc::get_mut(&mut self.0) {
            Some(own) => (&mut own.header, &mut own.slice),
            None => unreachable!("nobody else has a page that was copied just now"),
        }
    }

    /// The page is left to whoever else has it.
    #[cold]
    fn note_left(&self) {
        crate::left_behind::note(OVERHEAD + self.0.slice.len());
    }

    fn extra_mut(&mut self) -> &mut Extra {
        self.own().0.extra.get_or_insert_default()
    }

    /// Makes room for so many more entries, and bytes of them.
    #[inline]
    fn reserve(&mut self, entries: usize, bytes: usize) {
        let entries = self.indexed() + entries;
        let bytes = self.used() + bytes;
        if entries > self.cap() || bytes > self.data().len() {
            self.lay_out(entries, bytes);
        }
    }

    /// Gives memory back if the page takes much more than it needs.
    fn shrink(&mut self) {
        if Builder::slab_len(self.indexed(), self.used()) + OVERHEAD <= (self.0.slice.len() + OVERHEAD) / 2 {
            self.lay_out(self.indexed(), self.used());
        }
    }

    /// Moves to memory with room for so many entries and bytes.
    fn lay_out(&mut self, entries: usize, bytes: usize) {
        let extra = match Arc::get_mut(&mut self.0) {
            Some(own) => own.header.extra.take(),
            None => {
                self.note_left();
                self.0.header.extra.clone()
            }
        };
        let (len, used) = (self.indexed(), self.used());
        let mut builder = Builder::new(entries, bytes);
        builder.extend(
            &self.0.slice[..len],
            &self.0.slice[self.cap()..self.cap() + 2 * len],
            &self.data()[..used],
        );
        *self = builder.finish(extra);
    }

    /// Keeps the books when an entry's expiry changes, comes or goes; the entry itself has changed already.
    #[inline]
    fn note_expiry(&mut self, before: Option<u64>, after: Option<u64>) {
        if before.is_some() || after.is_some() {
            self.note_some_expiry(before, after);
        }
        if self.extra().is_some_and(Extra::is_empty) {
            self.own().0.extra = None;
        }
    }

    fn note_some_expiry(&mut self, before: Option<u64>, after: Option<u64>) {
        let extra = self.extra_mut();
        if let Some(at) = after {
            extra.timed += 1;
            extra.earliest = extra.earliest.min(at);
        }
        if let Some(at) = before {
            extra.timed -= 1;
            if at == extra.earliest && after != before {
                let earliest = self.items().filter_map(|item| item.expiry).min();
                self.extra_mut().earliest = earliest.unwrap_or(u64::MAX);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn check(&self, hasher: &Hasher) {
        assert!(self.indexed() <= self.cap() && self.used() <= self.data().len());
        let mut ends = 0;
        for index in 0..self.indexed() {
            assert_eq!(self.0.slice[index], tag_of(hasher.hash(self.key(index))));
            let offset = self.offset(index);
            if offset & LARGE == 0 {
                ends += Layout::read(&self.data()[usize::from(offset)..]).len();
            }
        }
        assert_eq!(ends, self.used());
        assert!(self.0.slice[self.indexed()..self.cap()].iter().all(|&tag| tag == 0));
        let expiries: Vec<u64> = self.items().filter_map(|item| item.expiry).collect();
        assert_eq!(self.earliest(), expiries.iter().copied().min().unwrap_or(u64::MAX));
        if let Some(extra) = self.extra() {
            assert!(!extra.is_empty());
            assert_eq!(extra.timed as usize, expiries.len());
            extra.check();
        }
    }
}

impl Page for TablePage {
    type Hasher = Hasher;

    /// As many as a SCAN cursor, which is below 2^53, can tell apart.
    const HASH_BITS: u32 = super::CURSOR_BITS;

    #[inline]
    fn len(&self) -> usize {
        self.indexed() + self.extra().map_or(0, |extra| extra.overflow.len())
    }

    #[inline]
    fn heap_bytes(&self) -> usize {
        OVERHEAD + self.0.slice.len() + self.extra().map_or(0, Extra::total_bytes)
    }

    #[inline]
    fn earliest(&self) -> u64 {
        self.extra().map_or(u64::MAX, |extra| extra.earliest)
    }

    #[inline]
    fn is_overfull(&self) -> bool {
        self.indexed() > SPLIT_ABOVE || self.used() > SPLIT_ABOVE_BYTES
    }

    #[inline]
    fn is_sparse(&self) -> bool {
        self.indexed() <= MERGE_UP_TO / 2 && self.used() <= MERGE_UP_TO_BYTES / 2
    }

    fn split(&mut self, bit: u32, hasher: &Hasher) -> Self {
        let half_of = |key: &[u8]| (hasher.hash(key) >> (63 - bit) & 1) as usize;
        let mut halves = [0; MAX_ENTRIES];
        let mut counts = [0; 2];
        let mut bytes = [0; 2];
        for (index, half) in halves.iter_mut().enumerate().take(self.indexed()) {
            *half = half_of(self.key(index));
            counts[*half] += 1;
            bytes[*half] += self.entry_bytes(index).map_or(0, <[u8]>::len);
        }
        let mut builders = [0, 1].map(|half| Builder::new(counts[half], bytes[half]));
        let mut extras: [Extra; 2] = Default::default();
        for (index, half) in halves.into_iter().enumerate().take(self.indexed()) {
            let tag = self.0.slice[index];
            let extra = &mut extras[half];
            match self.entry_bytes(index) {
                Some(entry) => builders[half].push(tag, entry),
                None => {
                    let item = self.item(index);
                    builders[half].push_large(tag, extra.larges.len());
                    extra.bytes += Large::heap_bytes(item.key, item.value);
                    extra.larges.extend(self.large(index).cloned());
                }
            }
            if let Some(extra) = self.extra()
                && extra.timed > 0
            {
                extras[half].count_expiry(self.item(index).expiry);
            }
        }
        let [lower, upper] = builders;
        let [lower_extra, upper_extra] = extras;
        let mut pages = [lower.finish(lower_extra.boxed()), upper.finish(upper_extra.boxed())];
        // Those in the sorted map get another chance.
        for item in self.extra().into_iter().flat_map(Extra::overflow_items) {
            pages[half_of(item.key)].insert(tag_of(hasher.hash(item.key)), item);
        }
        let [lower, upper] = pages;
        *self = lower;
        upper
    }

    fn absorb(&mut self, other: &Self) -> bool {
        if self.len() + other.len() > MERGE_UP_TO || self.used() + other.used() > MERGE_UP_TO_BYTES {
            return false;
        }
        if self.len() > self.indexed() || other.len() > other.indexed() {
            return false;
        }
        let (entries, bytes) = (self.indexed() + other.indexed(), self.used() + other.used());
        let mut builder = Builder::new(entries, bytes);
        let mut merged = Extra::default();
        for page in [&*self, other] {
            for index in 0..page.indexed() {
                let tag = page.0.slice[index];
                match page.entry_bytes(index) {
                    Some(entry) => builder.push(tag, entry),
                    None => {
                        builder.push_large(tag, merged.larges.len());
                        merged.larges.extend(page.large(index).cloned());
                    }
                }
            }
            if let Some(extra) = page.extra() {
                merged.timed += extra.timed;
                merged.earliest = merged.earliest.min(extra.earliest);
                merged.bytes += extra.bytes;
            }
        }
        *self = builder.finish(merged.boxed());
        true
    }
}

impl TablePage {
    /// The bytes of an entry, unless it is large.
    fn entry_bytes(&self, index: usize) -> Option<&[u8]> {
        let offset = self.offset(index);
        if offset & LARGE != 0 {
            return None;
        }
        let bytes = &self.data()[usize::from(offset)..];
        Some(&bytes[..Layout::read(bytes).len()])
    }

    fn large(&self, index: usize) -> Option<&Large> {
        let offset = self.offset(index);
        let number = (offset & LARGE != 0).then_some(usize::from(offset & !LARGE))?;
        self.extra()?.larges.get(number)
    }
}

/// The entries of a page.
#[derive(Clone)]
pub(super) struct Items<'a> {
    page: &'a TablePage,
    number: usize,
    overflow: Option<Overflow<'a>>,
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        if self.number < self.page.indexed() {
            self.number += 1;
            return Some(self.page.item(self.number - 1));
        }
        self.overflow.as_mut()?.next().map(extra::item_of)
    }
}

impl Item<'_> {
    fn is_large(&self) -> bool {
        self.key.len() + self.value.len() > INLINE_MAX
    }
}

/// Sets the top bit of the bytes of `word` that equal `byte`, and no other bits.
#[inline]
fn equal_bytes(word: u64, byte: u8) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let difference = word ^ u64::from_ne_bytes([byte; 8]);
    !(((difference & LOW) + LOW) | difference | LOW)
}

#[inline]
fn offset_at(offsets: &[u8], index: usize) -> u16 {
    u16::from_le_bytes([offsets[2 * index], offsets[2 * index + 1]])
}

#[inline]
fn set_offset(offsets: &mut [u8], index: usize, offset: u16) {
    offsets[2 * index..2 * index + 2].copy_from_slice(&offset.to_le_bytes());
}

/// Moves the packed entries behind the one at `at` so that it has another length. There is room.
fn resize_entry(header: &mut Header, slab: &mut [u8], at: usize, old_len: usize, new_len: usize) {
    let (cap, used) = (usize::from(header.cap), usize::from(header.used));
    let (index, data) = slab.split_at_mut(3 * cap);
    data.copy_within(at + old_len..used, at + new_len);
    header.used = (used - old_len + new_len) as u16;
    let delta = (new_len as u16).wrapping_sub(old_len as u16);
    let (offsets, _) = index[cap..].as_chunks_mut::<2>();
    for bytes in &mut offsets[..usize::from(header.len)] {
        let offset = u16::from_le_bytes(*bytes);
        if offset & LARGE == 0 && usize::from(offset) > at {
            *bytes = offset.wrapping_add(delta).to_le_bytes();
        }
    }
}
