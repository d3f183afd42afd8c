//! The root of a table: which chunk has which positions.
//!
//! The directory has `2^depth` entries, each the index of a chunk; a chunk that shares fewer bits than that has several
//! entries in a row. It doubles when a chunk as deep as it must split, which moves four bytes for some thousands of keys,
//! and halves when no chunk needs its depth any more.
//!
//! A directory that is a part of a larger one has the positions that begin with the same few bits, and entries for these alone:
//! `2^(depth - shared)` of them. Nothing else is different, since the number of entries tells which bits of a position count.

use triomphe::Arc;

use crate::chunk::{Chunk, MAX_CHUNK_DEPTH, SLOTS};
use crate::hash::{Hasher, Position};

/// Where room is made beforehand, a segment gets no more records than this on average, so that most can take all of theirs …
const ROOM_MOST: usize = 240;
/// … and no fewer than this: small tables are better off with few segments.
const ROOM_LEAST: usize = 60;

/// See the module's documentation. A clone shares all chunks: that is what a freeze is.
#[derive(Clone, Default)]
pub(crate) struct Directory {
    depth: u32,
    /// Empty, or `2^depth` indexes into `chunks`; fewer in a part.
    entries: Vec<u32>,
    chunks: Vec<Arc<Chunk>>,
    /// Chunks by depth.
    at_depth: [u32; MAX_CHUNK_DEPTH as usize + 1],
}

impl Directory {
    /// The index of the chunk that a position belongs to; `None` in an empty directory.
    #[inline]
    pub(crate) fn index(&self, position: Position) -> Option<usize> {
        self.entries.get(self.entry_of(position.prefix(self.depth))).map(|&index| index as usize)
    }

    /// The entry of a prefix as long as the directory is deep. In a directory without entries, none.
    #[inline]
    fn entry_of(&self, prefix: usize) -> usize {
        prefix & self.entries.len().wrapping_sub(1)
    }

    /// The chunk that a position belongs to; `None` in an empty directory.
    #[inline]
    pub(crate) fn chunk(&self, position: Position) -> Option<&Chunk> {
        self.index(position).map(|index| &*self.chunks[index])
    }

    /// A chunk for writing; copies it first when a view has it too.
    #[inline]
    pub(crate) fn chunk_mut(&mut self, index: usize) -> &mut Chunk {
        Arc::make_mut(&mut self.chunks[index])
    }

    #[inline]
    pub(crate) fn at(&self, index: usize) -> &Chunk {
        &self.chunks[index]
    }

    pub(crate) fn chunks(&self) -> &[Arc<Chunk>] {
        &self.chunks
    }

    /// Bits of position that name an entry.
    pub(crate) fn depth(&self) -> u32 {
        self.depth
    }

    /// Makes the one chunk that an empty directory begins with; gives its index.
    pub(crate) fn begin(&mut self) -> usize {
        *self = Self::part(0, 0);
        0
    }

    /// A part that has the positions with so many first bits in common, with room for about so many keys: to grow while they come takes
    /// as long as to put them in.
    pub(crate) fn part(shared: u32, keys: usize) -> Self {
        let chunks = keys.div_ceil(SLOTS * ROOM_MOST).next_power_of_two();
        let depth = shared + chunks.ilog2();
        let per_segment = keys / (chunks * SLOTS);
        let chunk = || match per_segment {
            ROOM_LEAST.. => Chunk::with_room(depth, per_segment),
            _ => Chunk::new(depth),
        };
        let mut at_depth = [0; MAX_CHUNK_DEPTH as usize + 1];
        at_depth[depth as usize] = chunks as u32;
        Self {
            depth,
            entries: (0..chunks as u32).collect(),
            chunks: (0..chunks).map(|_| Arc::new(chunk())).collect(),
            at_depth,
        }
    }

    /// One directory out of all its parts, which come in the order of their positions. No entry of theirs moves.
    pub(crate) fn join(parts: Vec<Self>) -> Self {
        let depth = parts.iter().map(|part| part.depth).max().unwrap_or(0);
        let mut whole = Self { depth, ..Self::default() };
        whole.entries.reserve_exact(1 << depth);
        for part in parts {
            let first = u32::try_from(whole.chunks.len()).expect("chunks are larger than four bytes");
            let width = 1 << (depth - part.depth);
            let entries = part.entries.iter().flat_map(|entry| std::iter::repeat_n(first + entry, width));
            whole.entries.extend(entries);
            whole.chunks.extend(part.chunks);
            for (sum, count) in whole.at_depth.iter_mut().zip(part.at_depth) {
                *sum += count;
            }
        }
        debug_assert_eq!(whole.entries.len(), 1 << depth);
        whole
    }

    /// Splits the chunk that a position belongs to.
    pub(crate) fn split(&mut self, index: usize, position: Position, hasher: &Hasher) {
        let chunk = self.chunk_mut(index);
        let depth = chunk.depth();
        let upper = chunk.split(hasher);
        if depth == self.depth {
            self.entries = self.entries.iter().flat_map(|&entry| [entry, entry]).collect();
            self.depth += 1;
        }
        let upper_index = u32::try_from(self.chunks.len()).expect("chunks are larger than four bytes");
        self.chunks.push(Arc::new(upper));
        let width = 1 << (self.depth - depth - 1);
        let upper_from = self.entry_of((position.prefix(depth) * 2 + 1) * width);
        self.entries[upper_from..upper_from + width].fill(upper_index);
        self.at_depth[depth as usize] -= 1;
        self.at_depth[depth as usize + 1] += 2;
    }

    /// Merges the chunk that a position belongs to with its neighbour, if both have become sparse. Done once for each
    /// time that segments merged, so the work for one removal stays bounded.
    pub(crate) fn merge(&mut self, index: usize, position: Position) {
        let depth = self.chunks[index].depth();
        if depth == 0 {
            return;
        }
        let width = 1 << (self.depth - depth);
        let prefix = position.prefix(depth);
        let neighbour = self.entries[(prefix ^ 1) * width] as usize;
        let joinable = |chunk: &Chunk| chunk.depth() == depth && chunk.is_sparse();
        if !joinable(&self.chunks[index]) || !joinable(&self.chunks[neighbour]) {
            return;
        }
        let (lower, upper) = if prefix & 1 == 0 { (index, neighbour) } else { (neighbour, index) };
        let from = (prefix & !1) * width;
        self.entries[from..from + 2 * width].fill(lower as u32);
        // Take the upper chunk out of the list, and give the last one its place.
        let chunk = Arc::unwrap_or_clone(self.chunks.swap_remove(upper));
        let moved = self.chunks.len();
        let lower = if lower == moved { upper } else { lower };
        if upper != moved {
            self.entries.iter_mut().filter(|entry| **entry == moved as u32).for_each(|e| *e = upper as u32);
        }
        self.chunk_mut(lower).merge(chunk);
        self.at_depth[depth as usize] -= 2;
        self.at_depth[depth as usize - 1] += 1;
        while self.depth > 0 && self.at_depth[self.depth as usize] == 0 {
            self.entries = self.entries.iter().copied().step_by(2).collect();
            self.depth -= 1;
        }
    }

    /// Memory of the directory and all that hangs off it, without the records.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<u32>()
            + self.chunks.capacity() * size_of::<usize>()
            + self.chunks.iter().map(|chunk| size_of::<Chunk>() + chunk.heap_bytes()).sum::<usize>()
    }

    #[cfg(test)]
    pub(crate) fn check(&self, hasher: &Hasher) {
        assert_eq!(self.entries.len(), if self.chunks.is_empty() { 0 } else { 1 << self.depth });
        let mut seen = vec![0; self.chunks.len()];
        for (prefix, &index) in self.entries.iter().enumerate() {
            let chunk = &self.chunks[index as usize];
            assert!(chunk.depth() <= self.depth);
            if seen[index as usize] == 0 {
                chunk.check(hasher, prefix >> (self.depth - chunk.depth()));
            }
            seen[index as usize] += 1;
        }
        for (chunk, seen) in self.chunks.iter().zip(seen) {
            assert_eq!(seen, 1 << (self.depth - chunk.depth()));
        }
        for (depth, &count) in self.at_depth.iter().enumerate() {
            assert_eq!(
                self.chunks.iter().filter(|chunk| chunk.depth() as usize == depth).count(),
                count as usize
            );
        }
        assert!(self.depth == 0 || self.at_depth[self.depth as usize] > 0);
    }
}
