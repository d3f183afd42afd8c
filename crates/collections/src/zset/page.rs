//! Pages of the score table: hashes and the scores that belong to them.
//!
//! ```text
//! len, cap │ hash, 32 bits each, in order; room for cap │ score, twice 32 bits each
//! ```
//!
//! The members themselves are in the tree. Two of them may have one hash, so what a page says of a member is true only if the tree
//! has it with that score.

use triomphe::{Arc, HeaderSlice};

use crate::alloc::size_class;
use crate::directory::Page;

/// A page with more entries than this is split.
const SPLIT_ABOVE: usize = if cfg!(test) { 10 } else { 64 };
/// Two pages with no more entries than this between them become one.
const MERGE_UP_TO: usize = SPLIT_ABOVE / 2;
/// Words of an entry.
const WORDS: usize = 3;

#[derive(Clone, Copy)]
struct Header {
    len: u32,
    cap: u32,
}

/// The count of references, and the header.
const OVERHEAD: usize = size_of::<usize>() + size_of::<Header>();

/// See the module's documentation.
#[derive(Clone)]
pub(super) struct ScorePage(Arc<HeaderSlice<Header, [u32]>>);

/// The bits of a hash that a page has.
#[inline]
pub(super) fn short(hash: u64) -> u32 {
    (hash >> 32) as u32
}

impl Default for ScorePage {
    fn default() -> Self {
        Self::of(&[], &[], 0)
    }
}

impl ScorePage {
    /// A page of these entries, with room for `cap`.
    fn of(hashes: &[u32], scores: &[u32], cap: usize) -> Self {
        let header = Header { len: hashes.len() as u32, cap: cap as u32 };
        let mut words = Vec::with_capacity(cap * WORDS);
        words.extend_from_slice(hashes);
        words.resize(cap, 0);
        words.extend_from_slice(scores);
        words.resize(cap * WORDS, 0);
        Self(Arc::from_header_and_slice(header, &words))
    }

    /// Room for so many entries, and as many more as the allocator gives room for anyway.
    fn roomy(entries: usize) -> usize {
        let entry = WORDS * size_of::<u32>();
        (size_class(OVERHEAD + entries * entry) - OVERHEAD) / entry
    }

    fn size(&self) -> usize {
        self.0.header.len as usize
    }

    fn cap(&self) -> usize {
        self.0.header.cap as usize
    }

    #[inline]
    pub(super) fn hashes(&self) -> &[u32] {
        &self.0.slice[..self.size()]
    }

    fn words_of_scores(&self) -> &[u32] {
        &self.0.slice[self.cap()..][..2 * self.size()]
    }

    #[inline]
    pub(super) fn score(&self, index: usize) -> f64 {
        let at = self.cap() + 2 * index;
        let [low, high] = [self.0.slice[at], self.0.slice[at + 1]];
        f64::from_bits(u64::from(high) << 32 | u64::from(low))
    }

    /// The numbers of the entries of a hash.
    #[inline]
    pub(super) fn find(&self, hash: u64) -> std::ops::Range<usize> {
        let (hashes, hash) = (self.hashes(), short(hash));
        let from = hashes.partition_point(|own| *own < hash);
        let mut to = from;
        while hashes.get(to) == Some(&hash) {
            to += 1;
        }
        from..to
    }

    /// The header and the words, to be changed; copied first if somebody else has the page too.
    fn make_mut(&mut self) -> &mut HeaderSlice<Header, [u32]> {
        if !self.0.is_unique() {
            self.note_left();
            *self = Self::of(self.hashes(), self.words_of_scores(), self.cap());
        }
        Arc::get_mut(&mut self.0).expect("a page that was copied is nobody else's")
    }

    /// The page is left to whoever else has it, if somebody has.
    fn note_left(&self) {
        if !self.0.is_unique() {
            crate::left_behind::note(self.heap_bytes());
        }
    }

    pub(super) fn insert(&mut self, hash: u64, score: f64) {
        let at = self.find(hash).start;
        let len = self.size();
        if len == self.cap() {
            self.note_left();
            *self = Self::of(self.hashes(), self.words_of_scores(), Self::roomy(len + 1));
        }
        let cap = self.cap();
        let page = self.make_mut();
        page.slice.copy_within(at..len, at + 1);
        page.slice.copy_within(cap + 2 * at..cap + 2 * len, cap + 2 * at + 2);
        page.slice[at] = short(hash);
        page.header.len += 1;
        self.set_score(at, score);
    }

    pub(super) fn set_score(&mut self, index: usize, score: f64) {
        let at = self.cap() + 2 * index;
        let page = self.make_mut();
        page.slice[at] = score.to_bits() as u32;
        page.slice[at + 1] = (score.to_bits() >> 32) as u32;
    }

    pub(super) fn remove(&mut self, index: usize) {
        let (len, cap) = (self.size(), self.cap());
        if cap > Self::roomy(len - 1) * 2 {
            let (mut hashes, mut scores) = (self.hashes().to_vec(), self.words_of_scores().to_vec());
            hashes.remove(index);
            scores.drain(2 * index..2 * index + 2);
            self.note_left();
            *self = Self::of(&hashes, &scores, Self::roomy(len - 1));
            return;
        }
        let page = self.make_mut();
        page.slice.copy_within(index + 1..len, index);
        page.slice.copy_within(cap + 2 * index + 2..cap + 2 * len, cap + 2 * index);
        page.header.len -= 1;
    }
}

impl Page for ScorePage {
    type Hasher = ();
    const HASH_BITS: u32 = u32::BITS;

    fn len(&self) -> usize {
        self.size()
    }

    fn heap_bytes(&self) -> usize {
        OVERHEAD + self.cap() * WORDS * size_of::<u32>()
    }

    fn is_overfull(&self) -> bool {
        self.size() > SPLIT_ABOVE
    }

    fn split(&mut self, bit: u32, (): &()) -> Self {
        let mask = 1 << (u32::BITS - 1 - bit);
        // They are in order, and the bits before this one are the same in all.
        let at = self.hashes().partition_point(|hash| hash & mask == 0);
        let (hashes, scores) = (self.hashes(), self.words_of_scores());
        let part = |hashes: &[u32], scores: &[u32]| Self::of(hashes, scores, Self::roomy(hashes.len()));
        let (lower, upper) = (part(&hashes[..at], &scores[..2 * at]), part(&hashes[at..], &scores[2 * at..]));
        *self = lower;
        upper
    }

    fn is_sparse(&self) -> bool {
        self.size() <= MERGE_UP_TO / 2
    }

    fn absorb(&mut self, other: &Self) -> bool {
        let len = self.size() + other.size();
        if len > MERGE_UP_TO {
            return false;
        }
        let (first, second) =
            if self.hashes().first() <= other.hashes().first() { (&*self, other) } else { (other, &*self) };
        let hashes = [first.hashes(), second.hashes()].concat();
        let scores = [first.words_of_scores(), second.words_of_scores()].concat();
        *self = Self::of(&hashes, &scores, Self::roomy(len));
        true
    }
}
