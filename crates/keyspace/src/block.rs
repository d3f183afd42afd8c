//! Blocks: four cache lines of record pointers, shared between the live table and frozen views until one is written.
//!
//! A bucket is one cache line of nine slots. A slot is an 8-bit tag, all nine matched with one comparison, and six
//! bytes that hold the record's address and five hash bits more:
//!
//! ```text
//! bucket   tags 0..8 | tag 8 | displaced | slot 8   | slots 0..8        64 bytes
//!          8 bytes   | 1     | 1         | 2 + 4    | 8 * 6
//!
//! slot     bit 47      43 42                                        0
//!          | 5 hash bits | address / 16, 43 bits                    |
//! ```
//!
//! Records start at multiples of 16, and no platform hands out user memory above 2^47 unless asked to, so an address
//! has 43 bits of its own. Tag and hash bits together are the slot's *coordinate*: 13 bits of the key's position in hash
//! space. With them a segment finds a slot's home bucket without looking at the record, so that growing and shrinking
//! touch no record. A tag of zero means an empty slot; the coordinates whose tag would be zero share their upper
//! neighbour's.
//!
//! The block's reference count takes the place of slot 8 in its first bucket, which therefore has eight slots. A count
//! outside the four lines would cost a fifth of them.
//!
//! # Invariants
//!
//! 1. A slot with a tag other than zero owns one reference to the record whose address it has; it came from
//!    [`RecordRef::into_address`]. A slot with tag zero owns nothing.
//! 2. Slot 8 of bucket 0 always has tag zero.
//! 3. `refs` counts the [`BlockRef`]s; whoever takes it from one to zero frees the block. All but `refs` is written
//!    only through a `&mut Block`, which [`BlockRef::make_mut`] gives out when the count is one.
//! 4. Every method that changes tags or addresses is in this module, and changes both together.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::record::{RECORD_ALIGN, RecordMut, RecordPtr, RecordRef, bump, prefetch, release};

/// Buckets in a block.
pub(crate) const BLOCK_BUCKETS: usize = 4;
/// Slots in a bucket; the first bucket of a block has one less.
pub(crate) const BUCKET_SLOTS: usize = 9;
/// Slots in a block.
pub(crate) const BLOCK_SLOTS: usize = BLOCK_BUCKETS * BUCKET_SLOTS - 1;
/// Bits of a coordinate.
pub(crate) const COORD_BITS: u32 = TAG_BITS + EXTRA_BITS;

const TAG_BITS: u32 = 8;
const EXTRA_BITS: u32 = 5;
const ADDRESS_BITS: u32 = 47;
const ADDRESS_SHIFT: u32 = RECORD_ALIGN.ilog2();
/// Where the extra hash bits start in a slot.
const EXTRA_SHIFT: u32 = ADDRESS_BITS - ADDRESS_SHIFT;
const _: () = assert!(EXTRA_SHIFT + EXTRA_BITS == 48 && RECORD_ALIGN.is_power_of_two());

/// Where a key lies within its segment's share of hash space, with a tag that is never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Coord(u16);

impl Coord {
    /// The coordinate of `bits`, which are [`COORD_BITS`] bits of a position.
    #[inline]
    pub(crate) fn new(bits: usize) -> Self {
        debug_assert!(bits < 1 << COORD_BITS);
        let bits = bits as u16;
        // No branch: one more when the tag would be zero.
        Self(bits + u16::from(bits as u8 == 0))
    }

    #[inline]
    pub(crate) fn get(self) -> usize {
        usize::from(self.0)
    }

    #[inline]
    fn tag(self) -> u8 {
        self.0 as u8
    }

    #[inline]
    fn extra(self) -> u64 {
        u64::from(self.0) >> TAG_BITS
    }

    /// The coordinate after the segment merges with its neighbour, of which it is the upper half or the lower.
    pub(crate) fn merged(self, upper: bool) -> Self {
        Self::new(usize::from(upper) << (COORD_BITS - 1) | self.get() >> 1)
    }
}

/// Which way a record went that found its home bucket full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Next,
    Previous,
}

#[repr(C, align(64))]
struct Bucket {
    tags: [u8; 8],
    tag8: u8,
    /// How many records whose home is here are in the next bucket (low four bits) and the previous one (high four).
    displaced: u8,
    slot8_low: u16,
    /// In bucket 0 the reference count, else the upper four bytes of slot 8.
    slot8_high: AtomicU32,
    slots: [[u8; 6]; 8],
}

const _: () = assert!(size_of::<Bucket>() == 64);

impl Bucket {
    /// A bit for each slot that has this tag.
    #[inline]
    fn matches(&self, tag: u8) -> u32 {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8};
            // SAFETY: SSE2 is part of x86-64. Tags 0 to 7 are the lower eight bytes, tag 8 the next one.
            let bits = unsafe {
                let tags = _mm_set_epi64x(i64::from(self.tag8), i64::from_le_bytes(self.tags));
                _mm_movemask_epi8(_mm_cmpeq_epi8(tags, _mm_set1_epi8(tag as i8)))
            };
            bits as u32 & ((1 << BUCKET_SLOTS) - 1)
        }
        #[cfg(not(target_arch = "x86_64"))]
        self.matches_portably(tag)
    }

    /// What `matches` gives, without the vector unit.
    #[cfg(any(test, not(target_arch = "x86_64")))]
    fn matches_portably(&self, tag: u8) -> u32 {
        let lower = self.tags.iter().enumerate().map(|(slot, &t)| u32::from(t == tag) << slot).sum::<u32>();
        lower | u32::from(self.tag8 == tag) << 8
    }

    #[inline]
    fn tag(&self, slot: usize) -> u8 {
        if slot < 8 { self.tags[slot] } else { self.tag8 }
    }

    #[inline]
    fn packed(&self, slot: usize) -> u64 {
        if slot < 8 {
            let [a, b, c, d, e, f] = self.slots[slot];
            u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
        } else {
            u64::from(self.slot8_low) | u64::from(self.slot8_high.load(Ordering::Relaxed)) << 16
        }
    }

    #[inline]
    fn address(&self, slot: usize) -> usize {
        ((self.packed(slot) & ((1 << EXTRA_SHIFT) - 1)) << ADDRESS_SHIFT) as usize
    }

    #[inline]
    fn coord(&self, slot: usize) -> Coord {
        Coord((self.packed(slot) >> EXTRA_SHIFT << TAG_BITS) as u16 | u16::from(self.tag(slot)))
    }

    #[inline]
    fn write(&mut self, slot: usize, tag: u8, packed: u64) {
        if slot < 8 {
            let [a, b, c, d, e, f, ..] = packed.to_le_bytes();
            self.slots[slot] = [a, b, c, d, e, f];
            self.tags[slot] = tag;
        } else {
            self.slot8_low = packed as u16;
            *self.slot8_high.get_mut() = (packed >> 16) as u32;
            self.tag8 = tag;
        }
    }
}

fn pack(coord: Coord, address: usize) -> u64 {
    let address = address as u64;
    // On a platform where this fails, blocks need another format: better to stop than to lose bits.
    assert!(
        address < 1 << ADDRESS_BITS && address.is_multiple_of(RECORD_ALIGN as u64),
        "a record at an address that a slot can't hold"
    );
    address >> ADDRESS_SHIFT | coord.extra() << EXTRA_SHIFT
}

/// The slots of one bucket that have something in common, as bits.
#[derive(Debug, Clone, Copy)]
struct Slots(u32);

impl Iterator for Slots {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let slot = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(slot)
    }
}

/// Four buckets; see the module's documentation.
#[repr(C)]
pub(crate) struct Block {
    buckets: [Bucket; BLOCK_BUCKETS],
}

impl Block {
    /// The slots of a bucket whose tag is that of `coord`, with their records.
    #[inline]
    pub(crate) fn candidates(
        &self,
        bucket: usize,
        coord: Coord,
    ) -> impl Iterator<Item = (usize, RecordPtr<'_>)> {
        let bucket = &self.buckets[bucket];
        // SAFETY: tags of coordinates are not zero, so these slots own records (1), which can't be taken while the
        // block is borrowed.
        Slots(bucket.matches(coord.tag()))
            .map(|slot| (slot, unsafe { RecordPtr::from_address(bucket.address(slot)) }))
    }

    /// The occupied slots of a bucket with their coordinates and records.
    #[inline]
    pub(crate) fn residents(
        &self,
        bucket: usize,
    ) -> impl Iterator<Item = (usize, Coord, RecordPtr<'_>)> + Clone {
        let occupied = self.occupied(bucket);
        let bucket = &self.buckets[bucket];
        // SAFETY: occupied slots own records (1), which can't be taken while the block is borrowed.
        Slots(occupied).map(|slot| {
            (slot, bucket.coord(slot), unsafe { RecordPtr::from_address(bucket.address(slot)) })
        })
    }

    #[inline]
    fn occupied(&self, bucket: usize) -> u32 {
        !self.buckets[bucket].matches(0) & ((1 << BUCKET_SLOTS) - 1)
    }

    /// Every record in the block.
    pub(crate) fn records(&self) -> impl Iterator<Item = RecordPtr<'_>> {
        (0..BLOCK_BUCKETS).flat_map(|bucket| self.residents(bucket)).map(|(_, _, record)| record)
    }

    /// The record in a slot.
    ///
    /// # Panics
    ///
    /// When the slot is empty.
    #[inline]
    pub(crate) fn record(&self, bucket: usize, slot: usize) -> RecordPtr<'_> {
        let bucket = &self.buckets[bucket];
        assert!(bucket.tag(slot) != 0, "an empty slot");
        // SAFETY: as in `residents`.
        unsafe { RecordPtr::from_address(bucket.address(slot)) }
    }

    /// The coordinate in a slot.
    #[inline]
    pub(crate) fn coord(&self, bucket: usize, slot: usize) -> Coord {
        self.buckets[bucket].coord(slot)
    }

    /// A slot of the bucket that is free.
    #[inline]
    pub(crate) fn vacancy(&self, bucket: usize) -> Option<usize> {
        let slots = if bucket == 0 { BUCKET_SLOTS - 1 } else { BUCKET_SLOTS };
        Slots(self.buckets[bucket].matches(0) & ((1 << slots) - 1)).next()
    }

    /// How many records of this home bucket are next door.
    #[inline]
    pub(crate) fn displaced(&self, bucket: usize, side: Side) -> usize {
        let both = usize::from(self.buckets[bucket].displaced);
        match side {
            Side::Next => both & 0xf,
            Side::Previous => both >> 4,
        }
    }

    /// Whether any record of this home bucket is next door.
    #[inline]
    pub(crate) fn any_displaced(&self, bucket: usize) -> bool {
        self.buckets[bucket].displaced != 0
    }

    /// Counts a record of this home bucket that went next door, or came back or away.
    pub(crate) fn count_displaced(&mut self, bucket: usize, side: Side, by: i8) {
        let old = self.displaced(bucket, side);
        let new = old.checked_add_signed(isize::from(by)).expect("only what went next door comes back");
        debug_assert!(new <= BUCKET_SLOTS);
        let field = &mut self.buckets[bucket].displaced;
        *field = match side {
            Side::Next => *field & 0xf0 | new as u8,
            Side::Previous => *field & 0x0f | (new as u8) << 4,
        };
    }

    /// Puts a record into a slot.
    ///
    /// # Panics
    ///
    /// When the slot is taken.
    #[inline]
    pub(crate) fn put(&mut self, bucket: usize, slot: usize, coord: Coord, record: RecordRef) {
        let reserved = bucket == 0 && slot == BUCKET_SLOTS - 1;
        let bucket = &mut self.buckets[bucket];
        assert!(!reserved && bucket.tag(slot) == 0, "a slot that is taken");
        bucket.write(slot, coord.tag(), pack(coord, record.into_address()));
    }

    /// Takes the record out of a slot.
    ///
    /// # Panics
    ///
    /// When the slot is empty.
    #[inline]
    pub(crate) fn take(&mut self, bucket: usize, slot: usize) -> (Coord, RecordRef) {
        let bucket = &mut self.buckets[bucket];
        assert!(bucket.tag(slot) != 0, "an empty slot");
        let coord = bucket.coord(slot);
        // SAFETY: the slot owns this reference (1), and gives it up in the same breath.
        let record = unsafe { RecordRef::from_address(bucket.address(slot)) };
        if slot < 8 {
            bucket.tags[slot] = 0;
        } else {
            bucket.tag8 = 0;
        }
        (coord, record)
    }

    /// Exchanges the record in a slot for another one with the same key.
    ///
    /// # Panics
    ///
    /// When the slot is empty.
    #[inline]
    pub(crate) fn replace(&mut self, bucket: usize, slot: usize, record: RecordRef) -> RecordRef {
        let (coord, old) = self.take(bucket, slot);
        self.put(bucket, slot, coord, record);
        old
    }

    /// The record in a slot for writing, unless it is shared.
    ///
    /// # Panics
    ///
    /// When the slot is empty.
    #[inline]
    pub(crate) fn record_mut(&mut self, bucket: usize, slot: usize) -> Option<RecordMut<'_>> {
        let bucket = &self.buckets[bucket];
        assert!(bucket.tag(slot) != 0, "an empty slot");
        // SAFETY: the slot owns a reference (1), and the block stays mutably borrowed.
        unsafe { RecordMut::from_address(bucket.address(slot)) }
    }

    /// Takes out every record, and forgets what was displaced.
    pub(crate) fn drain(&mut self, out: &mut Vec<(Coord, RecordRef)>) {
        for index in 0..BLOCK_BUCKETS {
            for slot in Slots(self.occupied(index)) {
                out.push(self.take(index, slot));
            }
            self.buckets[index].displaced = 0;
        }
    }

    /// Asks for one of the block's cache lines.
    #[inline]
    pub(crate) fn prefetch(&self, bucket: usize) {
        prefetch(&raw const self.buckets[bucket]);
    }

    /// Asks for every record.
    #[inline]
    pub(crate) fn prefetch_records(&self) {
        self.records().for_each(RecordPtr::prefetch);
    }

    #[inline]
    fn refs(&self) -> &AtomicU32 {
        &self.buckets[0].slot8_high
    }
}

/// An owning, counted reference to a block; `Option` of it is no larger.
pub(crate) struct BlockRef {
    at: NonNull<Block>,
}

// SAFETY: a block owns `RecordRef`s, which are `Send` and `Sync`, and is otherwise bytes that are immutable while shared
// (invariant 3) and an atomic.
unsafe impl Send for BlockRef {}
// SAFETY: as above.
unsafe impl Sync for BlockRef {}

const fn assert_send_sync<T: Send + Sync>() {}
const _: () = assert_send_sync::<RecordRef>();

impl BlockRef {
    /// An empty block.
    pub(crate) fn new() -> Self {
        let layout = Layout::new::<Block>();
        // SAFETY: a block has a size; all its fields may be zero, and zero tags are empty slots.
        let at = unsafe { alloc_zeroed(layout) };
        let at = NonNull::new(at.cast::<Block>()).unwrap_or_else(|| handle_alloc_error(layout));
        let block = Self { at };
        block.refs().store(1, Ordering::Relaxed);
        block
    }

    /// The block for writing; copies it first when it is shared.
    #[inline]
    pub(crate) fn make_mut(&mut self) -> &mut Block {
        // Acquire: what others did to the block before they let go of it has happened.
        if self.refs().load(Ordering::Acquire) != 1 {
            *self = self.copy();
        }
        // SAFETY: there is no other reference (3), and this one is mutably borrowed.
        unsafe { self.at.as_mut() }
    }

    /// Another block with the same records.
    #[cold]
    fn copy(&self) -> Self {
        // Counting a reference writes the record's cache line: have them all on their way first.
        self.prefetch_records();
        let mut copy = Self::new();
        // SAFETY: nobody else knows the copy yet.
        let target = unsafe { copy.at.as_mut() };
        for (index, source) in self.buckets.iter().enumerate() {
            for (slot, coord, record) in self.residents(index) {
                target.put(index, slot, coord, record.to_owned());
            }
            target.buckets[index].displaced = source.displaced;
        }
        copy
    }

    /// Asks for the cache line with the reference count.
    #[inline]
    pub(crate) fn prefetch_refs(&self) {
        prefetch(self.at.as_ptr());
    }
}

impl Clone for BlockRef {
    fn clone(&self) -> Self {
        bump(self.refs());
        Self { at: self.at }
    }
}

impl Deref for BlockRef {
    type Target = Block;

    #[inline]
    fn deref(&self) -> &Block {
        // SAFETY: the block lives as long as this reference (3), and is not written while this is borrowed.
        unsafe { self.at.as_ref() }
    }
}

impl Drop for BlockRef {
    fn drop(&mut self) {
        if !release(self.refs()) {
            return;
        }
        self.prefetch_records();
        // SAFETY: the last reference is gone; the slots' references are dropped once, then the memory is freed with the
        // layout that it was allocated with.
        unsafe {
            let block = self.at.as_mut();
            for index in 0..BLOCK_BUCKETS {
                for slot in Slots(block.occupied(index)) {
                    drop(block.take(index, slot));
                }
            }
            dealloc(self.at.as_ptr().cast(), Layout::new::<Block>());
        }
    }
}
