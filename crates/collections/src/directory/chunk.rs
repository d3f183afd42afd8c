//! Chunks: up to 256 pages, whose hashes share the first `depth` bits.

use super::Page;

/// Bits of the hash, behind those that the chunk's entries share, that name a slot.
pub(super) const SLOT_BITS: u32 = 8;
const SLOTS: usize = 1 << SLOT_BITS;

/// Neighbours with no more pages than this become one chunk. A split leaves each with more in all but freak cases, so a table at rest
/// does not go back and forth.
const SPARSE_PAGES: usize = SLOTS / 8;

/// What is known of the entries of a chunk.
#[derive(Clone)]
pub(super) struct Sums {
    pub(super) len: u32,
    /// No larger than the [`Page::earliest`] of any page.
    pub(super) earliest: u64,
}

pub(super) struct Chunk<P> {
    /// Indexes into `pages`. A page that has used up fewer than the eight bits has several slots in a row.
    slots: [u8; SLOTS],
    depth: u8,
    sums: Sums,
    /// In no particular order.
    pages: Vec<P>,
}

impl<P: Page> Clone for Chunk<P> {
    /// Another chunk with the same pages, which both then share.
    #[cold]
    fn clone(&self) -> Self {
        // Counting a reference waits for the page's memory, one page at a time. Looking at all of them first lets the waits overlap,
        // and the sum makes sure that they are looked at.
        let len = self.pages.iter().map(|page| page.len() as u32).sum();
        let sums = Sums { len, earliest: self.sums.earliest };
        Self { slots: self.slots, depth: self.depth, sums, pages: self.pages.clone() }
    }
}

impl<P: Page> Chunk<P> {
    pub(super) fn of_one(page: P) -> Self {
        let sums = Sums { len: page.len() as u32, earliest: page.earliest() };
        Self { slots: [0; SLOTS], depth: 0, sums, pages: vec![page] }
    }

    /// Bits of the hash that all entries of the chunk share.
    pub(super) fn depth(&self) -> u32 {
        u32::from(self.depth)
    }

    pub(super) fn len(&self) -> usize {
        self.sums.len as usize
    }

    pub(super) fn earliest(&self) -> u64 {
        self.sums.earliest
    }

    pub(super) fn renew_earliest(&mut self) {
        self.sums.earliest = self.pages.iter().map(P::earliest).min().unwrap_or(u64::MAX);
    }

    pub(super) fn pages(&self) -> &[P] {
        &self.pages
    }

    pub(super) fn is_sparse(&self) -> bool {
        self.pages.len() <= SPARSE_PAGES
            && (0..SLOTS).step_by(2).all(|at| self.slots[at] == self.slots[at + 1])
    }

    #[inline]
    fn slot(&self, hash: u64) -> usize {
        (hash << self.depth >> (64 - SLOT_BITS)) as usize
    }

    #[inline]
    pub(super) fn page(&self, hash: u64) -> &P {
        &self.pages[usize::from(self.slots[self.slot(hash)])]
    }

    #[inline]
    pub(super) fn page_mut(&mut self, hash: u64) -> (&mut P, &mut Sums) {
        let index = usize::from(self.slots[self.slot(hash)]);
        (&mut self.pages[index], &mut self.sums)
    }

    /// How many slots the page of this slot has.
    fn width(&self, slot: usize) -> usize {
        self.slots.iter().filter(|&&index| index == self.slots[slot]).count()
    }

    /// Bits of the hash that all entries of the page of this hash share.
    pub(super) fn depth_of(&self, hash: u64) -> u32 {
        self.depth() + SLOT_BITS - self.width(self.slot(hash)).trailing_zeros()
    }

    /// Whether the page of this hash has only one slot.
    pub(super) fn must_split_for(&self, hash: u64) -> bool {
        self.width(self.slot(hash)) == 1
    }

    /// Splits the page of this hash, which has several slots; gives by how much the pages' memory has grown.
    pub(super) fn split_page(&mut self, hash: u64, hasher: &P::Hasher) -> isize {
        let slot = self.slot(hash);
        let width = self.width(slot);
        debug_assert!(width > 1);
        let bit = self.depth() + SLOT_BITS - width.trailing_zeros();
        let lower = &mut self.pages[usize::from(self.slots[slot])];
        let before = lower.heap_bytes();
        let upper = lower.split(bit, hasher);
        let bytes = lower.heap_bytes() + upper.heap_bytes();
        let from = slot & !(width - 1);
        self.slots[from + width / 2..from + width].fill(self.pages.len() as u8);
        self.pages.push(upper);
        bytes as isize - before as isize
    }

    /// The slots of the page of this hash and of its neighbour, lower first, and how many each has; `None` if the neighbour is in
    /// another chunk or in several pieces.
    fn neighbours(&self, hash: u64) -> Option<(usize, usize, usize)> {
        let slot = self.slot(hash);
        let width = self.width(slot);
        if width == SLOTS {
            return None;
        }
        let from = slot & !(width - 1);
        let (lower, upper) = (from & !width, from | width);
        (self.width(from ^ width) == width).then_some((lower, upper, width))
    }

    /// Whether [`Chunk::merge_page`] is worth making a copy of a chunk that somebody else has too.
    pub(super) fn may_merge_page(&self, hash: u64) -> bool {
        self.neighbours(hash).is_some()
    }

    /// Merges the page of this hash with its neighbour, if there is room in one for both; gives by how much the pages' memory has
    /// grown, a negative number as a rule.
    pub(super) fn merge_page(&mut self, hash: u64) -> Option<isize> {
        let (lower, upper, width) = self.neighbours(hash)?;
        let (into, from) = (usize::from(self.slots[lower]), usize::from(self.slots[upper]));
        let [page, other] = self.pages.get_disjoint_mut([into, from]).ok()?;
        let before = page.heap_bytes() + other.heap_bytes();
        if !page.absorb(other) {
            return None;
        }
        let bytes = page.heap_bytes() as isize - before as isize;
        self.slots[upper..upper + width].fill(into as u8);
        // The last page takes the place of the one that is gone.
        self.pages.swap_remove(from);
        let moved = self.pages.len() as u8;
        self.slots.iter_mut().filter(|index| **index == moved).for_each(|index| *index = from as u8);
        if self.pages.len() < self.pages.capacity() / 2 {
            self.pages.shrink_to(self.pages.len() + 1);
        }
        Some(bytes)
    }

    /// Splits the chunk by the next bit of the hash; gives the upper half.
    pub(super) fn split(&mut self) -> Self {
        let mut pages: Vec<Option<P>> = std::mem::take(&mut self.pages).into_iter().map(Some).collect();
        let slots = self.slots;
        let depth = self.depth + 1;
        let mut half = |from: usize| {
            let mut chunk = Self {
                slots: [0; SLOTS],
                depth,
                sums: Sums { len: 0, earliest: u64::MAX },
                pages: Vec::new(),
            };
            for slot in 0..SLOTS / 2 {
                // The first slot of a page brings it along, the others follow it.
                if let Some(page) = pages[usize::from(slots[from + slot])].take() {
                    chunk.sums.len += page.len() as u32;
                    chunk.sums.earliest = chunk.sums.earliest.min(page.earliest());
                    chunk.pages.push(page);
                }
                chunk.slots[2 * slot..2 * slot + 2].fill(chunk.pages.len() as u8 - 1);
            }
            chunk
        };
        let (lower, upper) = (half(0), half(SLOTS / 2));
        *self = lower;
        upper
    }

    /// Merges with the chunk behind this one. Both are sparse.
    pub(super) fn merge(&mut self, upper: Self) {
        let offset = self.pages.len() as u8;
        for slot in 0..SLOTS / 2 {
            self.slots[slot] = self.slots[2 * slot];
        }
        for slot in 0..SLOTS / 2 {
            self.slots[SLOTS / 2 + slot] = upper.slots[2 * slot] + offset;
        }
        self.pages.extend(upper.pages);
        self.depth -= 1;
        self.sums.len += upper.sums.len;
        self.sums.earliest = self.sums.earliest.min(upper.sums.earliest);
    }

    #[cfg(test)]
    pub(super) fn check(&self) {
        assert_eq!(self.len(), self.pages.iter().map(P::len).sum::<usize>());
        assert!(self.pages.iter().all(|page| self.earliest() <= page.earliest()));
        for slot in 0..SLOTS {
            let width = self.width(slot);
            assert!(width.is_power_of_two());
            let from = slot & !(width - 1);
            assert!(self.slots[from..from + width].iter().all(|&index| index == self.slots[slot]));
        }
        let mut indexes = self.slots.to_vec();
        indexes.sort_unstable();
        indexes.dedup();
        assert!(indexes.into_iter().map(usize::from).eq(0..self.pages.len()));
    }
}
