//! The log: bytes in blocks, addressed by their position in the history.

mod block;
mod slices;
mod spill;

use std::collections::VecDeque;

pub use self::block::Piece;
use self::block::{Block, Full};
pub use self::slices::Slices;
use self::spill::Spill;
use crate::Offset;

/// Blocks are never smaller: the bookkeeping of a block must not matter.
const MIN_BLOCK: usize = 16 * 1024;
/// Blocks are never larger: a block is the unit of trimming, and 256 KiB is still a cheap allocation.
const MAX_BLOCK: usize = 256 * 1024;
/// The backlog is trimmed in steps of about a sixteenth of its capacity.
const BLOCKS_PER_CAPACITY: usize = 16;
/// So many emptied blocks wait for their next use. A log in its steady state fills one as it frees one; what
/// a burst left behind goes back to the allocator.
const MAX_SPARE: usize = 4;

const _: () = assert!(MIN_BLOCK.is_power_of_two() && MAX_BLOCK.is_power_of_two() && MIN_BLOCK <= MAX_BLOCK);

/// The bytes of a history from some position on, up to its end.
///
/// Appending copies into the last block; whoever reads takes slices of the blocks. The log does not know its
/// readers: each keeps its own [`Offset`], and [`Log::trim`] is told the smallest of them.
///
/// ```
/// use backlog::{Log, Offset};
///
/// let mut log = Log::new(Offset::ZERO, 1 << 20);
/// log.append(b"*1\r\n$4\r\nPING\r\n");
/// assert_eq!(log.end(), Offset(14));
///
/// let mut cursor = Offset(4);
/// let mut sent = Vec::new();
/// for slice in log.slices(cursor).expect("the log reaches back to position 4") {
///     sent.extend_from_slice(slice);
///     cursor.0 += slice.len() as u64;
/// }
/// assert_eq!(sent, b"$4\r\nPING\r\n");
/// assert_eq!(cursor, log.end());
/// ```
#[derive(Debug)]
pub struct Log {
    /// Invariant: each block starts where the one before it ends, and none but the last is empty.
    blocks: VecDeque<Full>,
    /// The last block, kept apart so that `append` finds it without a detour. Starts where `blocks` ends.
    tail: Block,
    /// Emptied blocks of `block_size` bytes.
    spare: Vec<Block>,
    capacity: usize,
    block_size: usize,
    /// What came before `blocks` and is kept elsewhere.
    spill: Spill,
}

impl Log {
    /// An empty log at position `start`, which is to keep `capacity` bytes for peers that come back.
    ///
    /// Nothing is allocated before the first byte.
    pub fn new(start: Offset, capacity: usize) -> Log {
        let block_size = block_size(capacity);
        Log {
            blocks: VecDeque::new(),
            tail: Block::unallocated(start),
            spare: Vec::new(),
            capacity,
            block_size,
            spill: Spill::default(),
        }
    }

    /// Appends bytes. This is on the way of every write: one copy into a block that is already there.
    #[inline]
    pub fn append(&mut self, bytes: &[u8]) {
        if !self.tail.try_append(bytes) {
            self.append_across(bytes);
        }
    }

    /// Fills up the last block and goes on in fresh ones: once per block.
    #[cold]
    #[inline(never)]
    fn append_across(&mut self, mut bytes: &[u8]) {
        loop {
            let fits = bytes.len().min(self.tail.room());
            let (now, later) = bytes.split_at(fits);
            let appended = self.tail.try_append(now);
            debug_assert!(appended, "just measured");
            bytes = later;
            if bytes.is_empty() {
                return;
            }
            let mut fresh = self.spare.pop().unwrap_or_else(|| Block::allocate(self.block_size));
            fresh.reuse_at(self.tail.end());
            let full = std::mem::replace(&mut self.tail, fresh);
            if !full.is_empty() {
                self.blocks.push_back(Full::from(full));
            }
        }
    }

    /// The position after the last byte: `master_repl_offset`.
    #[inline]
    pub fn end(&self) -> Offset {
        self.tail.end()
    }

    /// The position before the oldest byte that is kept, here or in the spill.
    pub fn first(&self) -> Offset {
        self.spill.first().unwrap_or_else(|| self.first_in_memory())
    }

    /// The position before the oldest byte that [`Log::slices`] can give: what is older is in the spill, or gone.
    #[inline]
    pub fn first_in_memory(&self) -> Offset {
        self.blocks.front().map_or_else(|| self.tail.start(), Full::start)
    }

    /// How many bytes are kept, here and in the spill.
    pub fn len(&self) -> u64 {
        self.end().since(self.first())
    }

    /// Whether no byte is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether everything that follows `from` is kept, here or in the spill; true for the end itself.
    pub fn covers(&self, from: Offset) -> bool {
        self.first() <= from && from <= self.end()
    }

    /// Everything that follows position `from`, in slices; `None` if the log does not cover `from`, or has it in the spill.
    ///
    /// Costs a look at the last block, or a binary search over the blocks for a reader that is further
    /// behind.
    #[inline]
    pub fn slices(&self, from: Offset) -> Option<Slices<'_>> {
        if from >= self.tail.start() {
            return self.tail.after(from).map(Slices::one);
        }
        self.slices_of_older(from)
    }

    fn slices_of_older(&self, from: Offset) -> Option<Slices<'_>> {
        let index = self.blocks.partition_point(|block| block.end() <= from);
        let head = self.blocks.get(index)?.after(from)?;
        Some(Slices::new(head, self.blocks.range(index + 1..), self.tail.bytes()))
    }

    /// The bytes between two positions; `None` if the log does not cover them.
    pub fn copy(&self, from: Offset, to: Offset) -> Option<Vec<u8>> {
        let mut left = usize::try_from(to.checked_since(from)?).ok().filter(|_| to <= self.end())?;
        let slices = self.slices(from)?;
        let mut bytes = Vec::with_capacity(left);
        for slice in slices {
            let now = slice.len().min(left);
            bytes.extend_from_slice(&slice[..now]);
            left -= now;
            if left == 0 {
                break;
            }
        }
        Some(bytes)
    }

    /// How many bytes the log keeps for peers that come back.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Changes how many bytes are kept. Takes effect with the next [`Log::trim`]; bytes already dropped do
    /// not come back.
    pub fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
        let size = block_size(capacity);
        if size != self.block_size {
            self.block_size = size;
            self.spare.clear();
        }
    }

    /// The unit of trimming: by up to so much the log reaches further back than its capacity.
    #[must_use]
    pub fn block_bytes(&self) -> u64 {
        block_size(self.capacity) as u64
    }

    /// Frees the whole blocks that lie more than `capacity` bytes behind the end and that no reader needs any
    /// more. `slowest_reader` is the smallest cursor of all that are attached.
    ///
    /// A call that finds nothing to do costs two comparisons.
    #[inline]
    pub fn trim(&mut self, slowest_reader: Option<Offset>) {
        let mut keep_from = self.end().saturating_sub(self.capacity as u64);
        if let Some(reader) = slowest_reader {
            keep_from = keep_from.min(reader);
        }
        if self.spill.is_in_use() {
            self.trim_spill(slowest_reader);
        }
        self.free_before(keep_from);
    }

    /// Frees the whole blocks that end at this position or before it.
    #[inline]
    fn free_before(&mut self, position: Offset) {
        while self.blocks.front().is_some_and(|oldest| oldest.end() <= position) {
            if let Some(freed) = self.blocks.pop_front().and_then(Full::into_memory) {
                self.recycle(freed);
            }
        }
    }

    /// Takes back what was appended after position `at`; nobody may have been given it. `false`, and nothing happens, if the log does
    /// not have that position in memory. What the spill holds is given up.
    pub fn truncate(&mut self, at: Offset) -> bool {
        if at < self.first_in_memory() || at > self.end() {
            return false;
        }
        self.forget_spill();
        while at < self.tail.start() {
            let Some(before) = self.blocks.pop_back() else { return false };
            let dropped = std::mem::replace(&mut self.tail, before.reopen());
            self.recycle(dropped);
        }
        self.tail.cut(at);
        true
    }

    /// Forgets all bytes and begins anew at position `at`.
    pub fn restart(&mut self, at: Offset) {
        self.forget_spill();
        self.free_before(self.tail.start());
        if self.tail.allocated() == self.block_size {
            self.tail.reuse_at(at);
        } else {
            self.tail = Block::unallocated(at);
        }
    }

    /// Bytes of memory that the log occupies, spare blocks included. Does not go over the blocks.
    pub fn memory(&self) -> usize {
        // A block is only left behind when it is full.
        let blocks = self.tail.start().since(self.first_in_memory()) as usize;
        let spare: usize = self.spare.iter().map(Block::allocated).sum();
        let table = (self.blocks.capacity() + self.spare.capacity()) * size_of::<Block>();
        size_of::<Log>() + table + blocks + spare + self.tail.allocated()
    }

    fn recycle(&mut self, block: Block) {
        if self.spare.len() < MAX_SPARE && block.allocated() == self.block_size {
            self.spare.push(block);
        }
    }
}

/// The size of the blocks of a log with this capacity.
fn block_size(capacity: usize) -> usize {
    (capacity / BLOCKS_PER_CAPACITY).clamp(MIN_BLOCK, MAX_BLOCK).next_power_of_two()
}

#[cfg(test)]
mod tests;
