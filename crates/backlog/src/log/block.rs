//! One piece of the log.

use std::sync::Arc;

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

/// A block that nothing is appended to any more. Its bytes can be shared with whoever writes them elsewhere.
#[derive(Debug)]
pub(super) struct Full {
    start: Offset,
    bytes: Arc<Vec<u8>>,
}

impl Full {
    #[inline]
    pub(super) fn start(&self) -> Offset {
        self.start
    }

    #[inline]
    pub(super) fn end(&self) -> Offset {
        Offset(self.start.0 + self.bytes.len() as u64)
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes that follow position `from`, if it is within this block or at its end.
    pub(super) fn after(&self, from: Offset) -> Option<&[u8]> {
        let skip = usize::try_from(from.checked_since(self.start)?).ok()?;
        self.bytes.get(skip..)
    }

    pub(super) fn piece(&self) -> Piece {
        Piece { start: self.start, bytes: Arc::clone(&self.bytes) }
    }

    /// The block to write in again; what somebody else still reads is copied.
    pub(super) fn reopen(self) -> Block {
        Block { start: self.start, bytes: Arc::unwrap_or_clone(self.bytes) }
    }

    /// The memory, for another use, unless somebody else still reads it.
    pub(super) fn into_memory(self) -> Option<Block> {
        Some(Block { start: self.start, bytes: Arc::into_inner(self.bytes)? })
    }
}

impl From<Block> for Full {
    fn from(block: Block) -> Full {
        Full { start: block.start, bytes: Arc::new(block.bytes) }
    }
}

/// Some of the log, to be written elsewhere: [`Log::hand_over`](super::Log::hand_over). Shares its bytes with the log.
#[derive(Clone, Debug)]
pub struct Piece {
    start: Offset,
    bytes: Arc<Vec<u8>>,
}

impl Piece {
    /// The position before its first byte.
    pub fn start(&self) -> Offset {
        self.start
    }

    /// The position after its last byte.
    pub fn end(&self) -> Offset {
        Offset(self.start.0 + self.bytes.len() as u64)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
