//! Blocks: four cache lines of record pointers, shared between the live table and frozen views until one is written.
//!
//! A bucket is one cache line of nine slots. A slot is an 8-bit tag, all nine matched with one comparison, and six
//! bytes that hold the record's address and five hash bits more:
//!
//! ```text
//! bucket   tags 0..8 | tag 8 | displaced | slot 8 | slot 7 | ... | slot 0        64 bytes
//!          8 bytes   | 1     | 1         | 6      | 6      |     | 6
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
//! 4. A `BlockRef` with the bit [`SOLE`] is the only one to its block.
//! 5. Every method that changes tags or addresses is in this module, and changes both together.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::mem::offset_of;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

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

/// Slots of a bucket, by its index in its block.
#[inline]
pub(crate) fn bucket_slots(bucket: usize) -> usize {
    BUCKET_SLOTS - usize::from(bucket == 0)
}

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

impl Side {
    pub(crate) fn opposite(self) -> Self {
        match self {
            Side::Next => Side::Previous,
            Side::Previous => Side::Next,
        }
    }
}

#[repr(C, align(64))]
struct Bucket {
    tags: [u8; 8],
    tag8: u8,
    /// How many records whose home is here are in the next bucket (low four bits) and the previous one (high four).
    displaced: u8,
    /// The first two bytes of slot 8.
    slot8_low: [u8; 2],
    /// In bucket 0 the reference count, else the other four bytes of slot 8.
    slot8_high: AtomicU32,
    /// Slots 7 to 0.
    slots: [[u8; 6]; 8],
}

/// Bytes of a slot.
const SLOT_SIZE: usize = 6;
/// Where slot 0 is in a bucket; the others lie before it, so that slot 8 ends where the slots behind it begin.
const SLOT_0_AT: usize = size_of::<Bucket>() - SLOT_SIZE;
const _: () =
    assert!(size_of::<Bucket>() == 64 && SLOT_0_AT - 8 * SLOT_SIZE == offset_of!(Bucket, slot8_low));

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

    /// The six bytes of a slot.
    ///
    /// Read without asking which slot it is: one in nine being different, a branch would be mispredicted as often.
    ///
    /// # Safety
    ///
    /// `slot` is less than [`BUCKET_SLOTS`]; and not 8 in bucket 0.
    #[inline]
    unsafe fn packed(&self, slot: usize) -> u64 {
        debug_assert!(slot < BUCKET_SLOTS);
        // SAFETY: the six bytes lie within this bucket. They are not the reference count, which others write (the
        // caller's promise); the bytes that slot 8 has in other buckets are only written through `&mut`.
        unsafe {
            let at = (&raw const *self).cast::<u8>().add(SLOT_0_AT - slot * SLOT_SIZE);
            let low = u16::from_le_bytes(at.cast::<[u8; 2]>().read());
            let high = u32::from_le_bytes(at.add(2).cast::<[u8; 4]>().read());
            u64::from(low) | u64::from(high) << 16
        }
    }

    /// # Safety
    ///
    /// The slot is occupied.
    #[inline]
    unsafe fn address(&self, slot: usize) -> usize {
        // SAFETY: an occupied slot exists, and slot 8 of bucket 0 is never occupied (2).
        let packed = unsafe { self.packed(slot) };
        ((packed & ((1 << EXTRA_SHIFT) - 1)) << ADDRESS_SHIFT) as usize
    }

    /// # Safety
    ///
    /// The slot is occupied.
    #[inline]
    unsafe fn coord(&self, slot: usize) -> Coord {
        // SAFETY: as in `address`.
        let packed = unsafe { self.packed(slot) };
        Coord((packed >> EXTRA_SHIFT << TAG_BITS) as u16 | u16::from(self.tag(slot)))
    }

    #[inline]
    fn write(&mut self, slot: usize, tag: u8, packed: u64) {
        let [a, b, c, d, e, f, ..] = packed.to_le_bytes();
        if slot < 8 {
            self.slots[7 - slot] = [a, b, c, d, e, f];
            self.tags[slot] = tag;
        } else {
            self.slot8_low = [a, b];
            *self.slot8_high.get_mut() = u32::from_ne_bytes([c, d, e, f]);
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
        Slots(occupied)
            .map(|slot| unsafe { (slot, bucket.coord(slot), RecordPtr::from_address(bucket.address(slot))) })
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

    /// A slot of the bucket that is free.
    #[inline]
    pub(crate) fn vacancy(&self, bucket: usize) -> Option<usize> {
        Slots(self.buckets[bucket].matches(0) & ((1 << bucket_slots(bucket)) - 1)).next()
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
        assert!(slot < bucket_slots(bucket) && self.buckets[bucket].tag(slot) == 0, "a slot that is taken");
        let bucket = &mut self.buckets[bucket];
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
        // SAFETY: the slot owns this reference (1), and gives it up in the same breath.
        let (coord, record) = unsafe { (bucket.coord(slot), RecordRef::from_address(bucket.address(slot))) };
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

    /// Another block with the same records.
    fn copy(&self) -> BlockRef {
        // Counting a reference writes the record's cache line: have them all on their way first.
        self.prefetch_records();
        let mut copy = BlockRef::new();
        if let Some(target) = copy.make_mut() {
            for (index, source) in self.buckets.iter().enumerate() {
                for (slot, coord, record) in self.residents(index) {
                    target.put(index, slot, coord, record.to_owned());
                }
                target.buckets[index].displaced = source.displaced;
            }
        }
        copy
    }

    #[inline]
    fn refs(&self) -> &AtomicU32 {
        &self.buckets[0].slot8_high
    }
}

/// Room for an owning, counted reference to a block.
///
/// A write must know that nobody else has the block. The count is in a cache line that a write to another bucket has no
/// need for, so the reference remembers, in the lowest bit of its pointer, that it has looked and was the only one.
/// Cloning takes that back, which is why the pointer is an atomic.
pub(crate) struct BlockRef {
    /// Null; or a block, of which this owns a reference, plus [`SOLE`] if there is certainly no other one.
    at: AtomicPtr<Block>,
}

/// Set in a pointer to a block while the reference is known to be the only one. Blocks are aligned to cache lines.
const SOLE: usize = 1;

// SAFETY: a block owns `RecordRef`s, which are `Send` and `Sync`, and is otherwise bytes that are immutable while shared
// (invariant 3) and an atomic.
unsafe impl Send for BlockRef {}
// SAFETY: as above.
unsafe impl Sync for BlockRef {}

const fn assert_send_sync<T: Send + Sync>() {}
const _: () = assert_send_sync::<RecordRef>();

impl BlockRef {
    /// No block.
    pub(crate) const fn none() -> Self {
        Self { at: AtomicPtr::new(ptr::null_mut()) }
    }

    /// An empty block.
    pub(crate) fn new() -> Self {
        let layout = Layout::new::<Block>();
        // SAFETY: a block has a size; all its fields may be zero, and zero tags are empty slots.
        let at = unsafe { alloc_zeroed(layout) }.cast::<Block>();
        if at.is_null() {
            handle_alloc_error(layout);
        }
        // SAFETY: nobody else knows the block yet.
        *unsafe { &mut *at }.buckets[0].slot8_high.get_mut() = 1;
        Self { at: AtomicPtr::new(at.map_addr(|address| address | SOLE)) }
    }

    #[inline]
    fn pointer(&self) -> *mut Block {
        // Relaxed: only the bit changes through `&self`.
        self.at.load(Ordering::Relaxed).map_addr(|address| address & !SOLE)
    }

    /// The block.
    #[inline]
    pub(crate) fn get(&self) -> Option<&Block> {
        // SAFETY: if not null, the block lives as long as this reference (3), and is not written while this is borrowed.
        unsafe { self.pointer().as_ref() }
    }

    /// The block for writing; copies it first when it is shared.
    #[inline]
    pub(crate) fn make_mut(&mut self) -> Option<&mut Block> {
        if self.at.get_mut().addr() & SOLE == 0 {
            self.make_sole();
        }
        // SAFETY: if not null, there is no other reference (3), and this one is mutably borrowed.
        unsafe { self.pointer().as_mut() }
    }

    #[cold]
    fn make_sole(&mut self) {
        let Some(block) = self.get() else { return };
        // Acquire: what others did to the block before they let go of it has happened.
        if block.refs().load(Ordering::Acquire) == 1 {
            self.at = AtomicPtr::new(self.pointer().map_addr(|address| address | SOLE));
        } else {
            collections::left_behind::note(size_of::<Block>());
            *self = block.copy();
        }
    }

    /// Asks for the cache line with the reference count.
    #[inline]
    pub(crate) fn prefetch_refs(&self) {
        prefetch(self.pointer());
    }
}

impl Clone for BlockRef {
    fn clone(&self) -> Self {
        let at = self.pointer();
        if let Some(block) = self.get() {
            bump(block.refs());
            // Whoever finds the bit set later has `&mut self`, hence comes after this.
            self.at.store(at, Ordering::Relaxed);
        }
        Self { at: AtomicPtr::new(at) }
    }
}

impl Drop for BlockRef {
    fn drop(&mut self) {
        let Some(block) = self.get() else { return };
        if !release(block.refs()) {
            return;
        }
        block.prefetch_records();
        let at = self.pointer();
        // SAFETY: the last reference is gone; the slots' references are dropped once, then the memory is freed with the
        // layout that it was allocated with.
        unsafe {
            let block = &mut *at;
            for index in 0..BLOCK_BUCKETS {
                for slot in Slots(block.occupied(index)) {
                    drop(block.take(index, slot));
                }
            }
            dealloc(at.cast(), Layout::new::<Block>());
        }
    }
}

#[cfg(test)]
mod tests;
