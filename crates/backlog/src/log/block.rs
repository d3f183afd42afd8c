//! One piece of the log.

use crate::Offset;

/// A run of consecutive bytes of the history, with room for more.
#[derive(Debug)]
pub(super) struct Block {
    start: Offset,
    /// Invariant: never grows beyond the capacity it was allocated with.
    bytes: Vec<u8>,
}

impl Block {
    /// An empty block without any room, at `start`.
    pub(super) fn unallocated(start: Offset) -> Block {
        Block { start, bytes: Vec::new() }
    }

    pub(super) fn allocate(size: usize) -> Block {
        Block { start: Offset::ZERO, bytes: Vec::with_capacity(size) }
    }

    /// Empties the block; its next byte is the one after `start`.
    pub(super) fn reuse_at(&mut self, start: Offset) {
        self.start = start;
        self.bytes.clear();
    }

    /// Drops the bytes that follow position `at`, which is within this block.
    pub(super) fn cut(&mut self, at: Offset) {
        self.bytes.truncate(at.since(self.start) as usize);
    }

    /// Appends the bytes if they all fit.
    #[inline]
    pub(super) fn try_append(&mut self, bytes: &[u8]) -> bool {
        let fits = bytes.len() <= self.room();
        if fits {
            self.bytes.extend_from_slice(bytes);
        }
        fits
    }

    #[inline]
    pub(super) fn room(&self) -> usize {
        self.bytes.capacity() - self.bytes.len()
    }

    #[inline]
    pub(super) fn start(&self) -> Offset {
        self.start
    }

    #[inline]
    pub(super) fn end(&self) -> Offset {
        Offset(self.start.0 + self.bytes.len() as u64)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes that follow position `from`, if it is within this block or at its end.
    #[inline]
    pub(super) fn after(&self, from: Offset) -> Option<&[u8]> {
        let skip = usize::try_from(from.checked_since(self.start)?).ok()?;
        self.bytes.get(skip..)
    }

    pub(super) fn allocated(&self) -> usize {
        self.bytes.capacity()
    }
}
