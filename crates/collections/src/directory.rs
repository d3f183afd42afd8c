//! The directory of a hash table: which page has the entries of a hash.
//!
//! Extendible hashing in the order of the hash. The first bits of a hash lead through the root to a *chunk*, the next eight
//! through the chunk to a *page*, which holds some dozens of entries in whatever way suits them. A page that is full splits in two
//! by the next bit of the hash, alone; a chunk whose eight bits do not suffice any more splits likewise; and sparse neighbours
//! merge again. Nothing ever rehashes as a whole.
//!
//! ```text
//! Directory ── root, 2^n entries ── chunk, 256 slots ── page
//! ```
//!
//! Chunks and pages are reference-counted. A clone counts a reference to each chunk; a write copies the chunk (its pointers to
//! pages) and the page, if somebody else has them too. A directory of one page is that page and nothing else.
//!
//! Since pages lie in the order of the hash, a position in hash space names the same place however the directory has grown since:
//! that is what a SCAN cursor is made of.

mod chunk;
#[cfg(test)]
mod tests;

use triomphe::Arc;

use chunk::{Chunk, SLOT_BITS};

/// The entries whose hashes share some number of first bits.
///
/// A page is a handle that clones by counting a reference, and copies itself before it is changed while a clone exists.
/// [`Default`] makes an empty one.
pub trait Page: Clone + Default {
    /// What it takes to know the hash of an entry that is in a page.
    type Hasher;

    /// How many bits of the hash can tell entries apart; a page is never split beyond.
    const HASH_BITS: u32;

    /// Number of entries.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of heap memory behind the page, whoever else has them too.
    fn heap_bytes(&self) -> usize;

    /// A number that is no larger than any that the entries have for [`Directory::update_due`].
    fn earliest(&self) -> u64 {
        u64::MAX
    }

    /// Whether it should be split. It must be able to take more entries all the same: hashes may collide.
    fn is_overfull(&self) -> bool;

    /// Takes out the entries whose hash has bit number `bit` set, counted from the top; gives them.
    fn split(&mut self, bit: u32, hasher: &Self::Hasher) -> Self;

    /// Whether it is worth a look whether [`Page::absorb`] will do: so few entries are left.
    fn is_sparse(&self) -> bool;

    /// Takes in all entries of another page, unless they would fill it so far that it may soon have to split again; says whether
    /// it did.
    fn absorb(&mut self, other: &Self) -> bool;
}

/// Pages by hash. See the module's documentation.
#[derive(Clone)]
pub struct Directory<P: Page> {
    root: Root<P>,
    /// Entries in all pages.
    len: usize,
    /// Memory of all pages.
    page_bytes: usize,
    /// No page has ever had more entries.
    widest: u32,
}

#[derive(Clone)]
enum Root<P: Page> {
    One(P),
    Many(Box<Many<P>>),
}

struct Many<P> {
    /// Bits of the hash that name an entry.
    depth: u32,
    /// `2^depth` indexes into `chunks`.
    entries: Vec<u32>,
    /// In no particular order. A chunk that shares fewer bits than `depth` has several entries in a row.
    chunks: Vec<Arc<Chunk<P>>>,
    /// Pages in all chunks.
    pages: usize,
}

impl<P: Page> Default for Directory<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Page> Directory<P> {
    /// An empty one.
    pub fn new() -> Self {
        let page = P::default();
        let page_bytes = page.heap_bytes();
        Self { root: Root::One(page), len: 0, page_bytes, widest: 0 }
    }

    /// Number of entries in all pages.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of pages.
    pub fn pages(&self) -> usize {
        match &self.root {
            Root::One(_) => 1,
            Root::Many(many) => many.pages,
        }
    }

    /// Bytes of heap memory behind it, whoever else has them too. Does not visit the pages.
    pub fn heap_bytes(&self) -> usize {
        let own = match &self.root {
            Root::One(_) => 0,
            Root::Many(many) => many.heap_bytes(),
        };
        self.page_bytes + own
    }

    /// The page that has the entries of a hash.
    #[inline]
    pub fn page(&self, hash: u64) -> &P {
        match &self.root {
            Root::One(page) => page,
            Root::Many(many) => many.chunk(hash).page(hash),
        }
    }

    /// Changes the page that has the entries of a hash; splits or merges it if that has become necessary.
    #[inline]
    pub fn update<R>(&mut self, hash: u64, hasher: &P::Hasher, f: impl FnOnce(&mut P) -> R) -> R {
        let (page, chunk_sums) = match &mut self.root {
            Root::One(page) => (page, None),
            Root::Many(many) => {
                let (page, sums) = many.chunk_mut(hash).page_mut(hash);
                (page, Some(sums))
            }
        };
        let (len, bytes) = (page.len(), page.heap_bytes());
        let result = f(page);
        let (len_now, bytes_now) = (page.len(), page.heap_bytes());
        self.len = self.len - len + len_now;
        self.page_bytes = self.page_bytes - bytes + bytes_now;
        self.widest = self.widest.max(len_now as u32);
        let (overfull, sparse) = (page.is_overfull(), len_now < len && page.is_sparse());
        if let Some(sums) = chunk_sums {
            sums.len = sums.len - len as u32 + len_now as u32;
            sums.earliest = sums.earliest.min(page.earliest());
        }
        if overfull {
            self.split(hash, hasher);
        } else if sparse {
            self.merge(hash);
        }
        result
    }

    /// How deep pages may be: hardly deeper than even hashing makes them. A directory that colliding keys could deepen at will
    /// would grow without bound.
    fn max_depth(&self) -> u32 {
        (self.pages().ilog2() + 8).min(P::HASH_BITS)
    }

    /// Splits the page of a hash until it is not overfull, or as deep as it may be.
    #[cold]
    fn split(&mut self, hash: u64, hasher: &P::Hasher) {
        while self.page(hash).is_overfull() {
            let max_depth = self.max_depth();
            let many = match &mut self.root {
                Root::Many(many) => many,
                Root::One(page) => {
                    let many = Many::of_one(std::mem::take(page));
                    self.root = Root::Many(Box::new(many));
                    continue;
                }
            };
            if many.chunk(hash).depth_of(hash) >= max_depth {
                return;
            }
            if many.chunk(hash).must_split_for(hash) {
                many.split_chunk(hash);
            }
            let bytes = many.chunk_mut(hash).split_page(hash, hasher);
            many.pages += 1;
            self.page_bytes = self.page_bytes.wrapping_add_signed(bytes);
        }
    }

    /// Merges the page of a hash with its neighbour if there is room in one for both, and what comes of that with its own neighbour.
    #[cold]
    fn merge(&mut self, hash: u64) {
        while self.page(hash).is_sparse() {
            let Root::Many(many) = &mut self.root else { return };
            if !many.chunk(hash).may_merge_page(hash) {
                return;
            }
            let Some(bytes) = many.chunk_mut(hash).merge_page(hash) else { return };
            self.page_bytes = self.page_bytes.wrapping_add_signed(bytes);
            self.widest = self.widest.max(many.chunk(hash).page(hash).len() as u32);
            many.pages -= 1;
            many.merge_chunk(hash);
            if many.pages == 1 {
                let page = many.chunk(hash).page(hash).clone();
                self.root = Root::One(page);
            }
        }
    }

    /// The page that has the entries of a hash, and the first hash of the page behind it; 0 if there is none.
    ///
    /// Beginning with 0 and going on with what this gave one visits all pages in order.
    pub fn page_and_next(&self, hash: u64) -> (&P, u64) {
        match &self.root {
            Root::One(page) => (page, 0),
            Root::Many(many) => {
                let chunk = many.chunk(hash);
                (chunk.page(hash), next(hash, chunk.depth_of(hash)))
            }
        }
    }

    /// All pages in the order of the hash.
    pub fn iter(&self) -> Pages<'_, P> {
        Pages { directory: self, next: Some(0) }
    }

    /// A page, and the number of an entry in it, so that each entry has the same chance; `None` when there is none.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<(&P, usize)> {
        let many = match &self.root {
            _ if self.len == 0 => return None,
            Root::One(page) => return Some((page, rng.usize(..self.len))),
            Root::Many(many) => many,
        };
        /// Two or three do on average, unless hashes collide.
        const TRIES: usize = 64;
        for _ in 0..TRIES {
            // A chunk, a page and an entry of it, each with the same chance, as if all had the same number of them; what is not
            // there is drawn again.
            let chunk = &many.chunks[rng.usize(..many.chunks.len())];
            let Some(page) = chunk.pages().get(rng.usize(..1 << SLOT_BITS)) else { continue };
            let entry = rng.usize(..self.widest as usize);
            if entry < page.len() {
                return Some((page, entry));
            }
        }
        let mut rank = rng.usize(..self.len);
        let chunk = many.chunks.iter().find(|chunk| skip(&mut rank, chunk.len()))?;
        let page = chunk.pages().iter().find(|page| skip(&mut rank, page.len()))?;
        Some((page, rank))
    }

    /// No larger than [`Page::earliest`] of any page.
    pub fn earliest(&self) -> u64 {
        match &self.root {
            Root::One(page) => page.earliest(),
            Root::Many(many) => many.chunks.iter().map(|chunk| chunk.earliest()).min().unwrap_or(u64::MAX),
        }
    }

    /// Calls `f` with every page whose [`Page::earliest`] is no larger than `now`, until it gives false. Looks only where there
    /// may be such pages. `f` may change the page, and should do so that its `earliest` becomes larger.
    pub fn update_due(&mut self, now: u64, hasher: &P::Hasher, f: &mut dyn FnMut(&mut P) -> bool) {
        let mut hash = 0;
        loop {
            if let Root::Many(many) = &self.root {
                let chunk = many.chunk(hash);
                if chunk.earliest() > now {
                    hash = next(hash, chunk.depth());
                    if hash == 0 {
                        return;
                    }
                    continue;
                }
            }
            if self.page(hash).earliest() <= now && !self.update(hash, hasher, &mut *f) {
                return;
            }
            // Only now: the page may have merged with its neighbours.
            let behind = self.page_and_next(hash).1;
            if let Root::Many(many) = &mut self.root {
                let depth = many.chunk(hash).depth();
                if behind == next(hash, depth) {
                    // That was the last page of the chunk.
                    many.chunk_mut(hash).renew_earliest();
                }
            }
            if behind == 0 {
                return;
            }
            hash = behind;
        }
    }

    /// Panics unless everything is as it should be.
    #[cfg(test)]
    pub(crate) fn check(&self) {
        assert_eq!(self.len, self.iter().map(Page::len).sum::<usize>());
        assert_eq!(self.page_bytes, self.iter().map(Page::heap_bytes).sum::<usize>());
        assert_eq!(self.pages(), self.iter().count());
        assert!(self.iter().all(|page| page.len() <= self.widest as usize));
        let Root::Many(many) = &self.root else { return };
        assert!(many.pages > 1);
        assert_eq!(many.entries.len(), 1 << many.depth);
        let mut seen = vec![0; many.chunks.len()];
        many.entries.iter().for_each(|&index| seen[index as usize] += 1);
        for (chunk, seen) in many.chunks.iter().zip(seen) {
            assert_eq!(seen, 1 << (many.depth - chunk.depth()));
            chunk.check();
        }
        assert!(many.chunks.iter().any(|chunk| chunk.depth() == many.depth));
    }
}

/// The first hash that does not share its first `depth` bits with `hash`, nor comes before it; 0 if there is none.
fn next(hash: u64, depth: u32) -> u64 {
    match depth {
        0 => 0,
        _ => (hash >> (64 - depth)).wrapping_add(1) << (64 - depth),
    }
}

/// Whether `rank` falls into the next `len`; if not, what remains of it behind them.
fn skip(rank: &mut usize, len: usize) -> bool {
    let within = *rank < len;
    if !within {
        *rank -= len;
    }
    within
}

impl<P: Page> Clone for Many<P> {
    fn clone(&self) -> Self {
        // As in a chunk: all of them are looked at before the first reference is counted.
        let pages = self.chunks.iter().map(|chunk| chunk.pages().len()).sum();
        Self { depth: self.depth, entries: self.entries.clone(), chunks: self.chunks.clone(), pages }
    }
}

impl<P: Page> Many<P> {
    fn of_one(page: P) -> Self {
        Self { depth: 0, entries: vec![0], chunks: vec![Arc::new(Chunk::of_one(page))], pages: 1 }
    }

    #[inline]
    fn index(&self, hash: u64) -> usize {
        // Shifted twice: by 64 at once is more than a shift can be.
        self.entries[(hash >> 1 >> (63 - self.depth)) as usize] as usize
    }

    #[inline]
    fn chunk(&self, hash: u64) -> &Chunk<P> {
        &self.chunks[self.index(hash)]
    }

    #[inline]
    fn chunk_mut(&mut self, hash: u64) -> &mut Chunk<P> {
        let index = self.index(hash);
        crate::left_behind::make_mut(&mut self.chunks[index], size_of_val)
    }

    fn split_chunk(&mut self, hash: u64) {
        let depth = self.chunk(hash).depth();
        if depth == self.depth {
            self.entries = self.entries.iter().flat_map(|&entry| [entry, entry]).collect();
            self.depth += 1;
        }
        let upper = self.chunk_mut(hash).split();
        let upper_index = self.chunks.len() as u32;
        self.chunks.push(Arc::new(upper));
        let entries = self.entries_of(hash, depth);
        let half = entries.len() / 2;
        self.entries[entries][half..].fill(upper_index);
    }

    /// The entries of the hashes that share their first `depth` bits with this one.
    fn entries_of(&self, hash: u64, depth: u32) -> std::ops::Range<usize> {
        let width = 1 << (self.depth - depth);
        let from = (hash >> 1 >> (63 - self.depth)) as usize & !(width - 1);
        from..from + width
    }

    /// Merges the chunk of a hash with its neighbour, if both have become sparse. Done once for each time that pages merged, so
    /// the work for one removal stays bounded.
    fn merge_chunk(&mut self, hash: u64) {
        let index = self.index(hash);
        let depth = self.chunks[index].depth();
        if depth == 0 || !self.chunks[index].is_sparse() {
            return;
        }
        let neighbour = self.index(hash ^ (1 << (64 - depth)));
        if self.chunks[neighbour].depth() != depth || !self.chunks[neighbour].is_sparse() {
            return;
        }
        let is_lower = (hash >> (64 - depth)) & 1 == 0;
        let (lower, upper) = if is_lower { (index, neighbour) } else { (neighbour, index) };
        let entries = self.entries_of(hash, depth - 1);
        self.entries[entries].fill(lower as u32);
        // Take the upper chunk out of the list, and give the last one its place.
        let chunk = self.chunks.swap_remove(upper);
        let moved = self.chunks.len();
        let lower = if lower == moved { upper } else { lower };
        self.entries.iter_mut().filter(|entry| **entry == moved as u32).for_each(|e| *e = upper as u32);
        Arc::make_mut(&mut self.chunks[lower]).merge(Arc::unwrap_or_clone(chunk));
        while self.depth > 0 && self.chunks.iter().all(|chunk| chunk.depth() < self.depth) {
            self.entries = self.entries.iter().copied().step_by(2).collect();
            self.depth -= 1;
        }
    }

    fn heap_bytes(&self) -> usize {
        // The chunks' own vectors are counted as if they had no room to spare: they would have to be visited to know.
        size_of::<Self>()
            + self.entries.capacity() * size_of::<u32>()
            + self.chunks.capacity() * size_of::<usize>()
            + self.chunks.len() * (size_of::<usize>() + size_of::<Chunk<P>>())
            + self.pages * size_of::<P>()
    }
}

/// The pages of a directory in the order of the hash.
#[derive(Clone)]
pub struct Pages<'a, P: Page> {
    directory: &'a Directory<P>,
    next: Option<u64>,
}

impl<'a, P: Page> Iterator for Pages<'a, P> {
    type Item = &'a P;

    fn next(&mut self) -> Option<&'a P> {
        let (page, behind) = self.directory.page_and_next(self.next?);
        self.next = (behind != 0).then_some(behind);
        Some(page)
    }
}
