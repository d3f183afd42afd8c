//! The root of a table: which chunk has which positions.
//!
//! The directory has `2^depth` entries, each the index of a chunk; a chunk that shares fewer bits than that has several
//! entries in a row. It doubles when a chunk as deep as it must split, which moves four bytes for some thousands of keys,
//! and halves when no chunk needs its depth any more.

use triomphe::Arc;

use crate::chunk::{Chunk, MAX_CHUNK_DEPTH};
use crate::hash::{Hasher, Position};

/// See the module's documentation. A clone shares all chunks: that is what a freeze is.
#[derive(Clone, Default)]
pub(crate) struct Directory {
    depth: u32,
    /// Empty, or `2^depth` indexes into `chunks`.
    entries: Vec<u32>,
    chunks: Vec<Arc<Chunk>>,
    /// Chunks by depth.
    at_depth: [u32; MAX_CHUNK_DEPTH as usize + 1],
}

impl Directory {
    /// The index of the chunk that a position belongs to; `None` in an empty directory.
    #[inline]
    pub(crate) fn index(&self, position: Position) -> Option<usize> {
        self.entries.get(position.prefix(self.depth)).map(|&index| index as usize)
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
        debug_assert!(self.entries.is_empty());
        self.entries.push(0);
        self.chunks.push(Arc::new(Chunk::new(0)));
        self.at_depth[0] = 1;
        0
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
        let upper_from = (position.prefix(depth) * 2 + 1) * width;
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
