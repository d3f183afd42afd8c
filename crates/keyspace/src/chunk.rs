//! Chunks: 64 slots of segments, the unit in which a freeze counts references.
//!
//! A chunk covers the positions that share its first `depth` bits. The next six bits name a slot, and a segment that has
//! used up `local` of them takes `2^(6 - local)` slots in a row. Only the first of these, its *canonical* slot, holds
//! the segment, so every block has one reference from each chunk that has it and the check whether it is shared is not
//! misled. What a lookup needs first, the number of blocks and the local depth, is repeated in all the slots.

use std::sync::atomic::{AtomicU64, Ordering};

use triomphe::Arc;

use crate::block::{BLOCK_SLOTS, COORD_BITS, Coord};
use crate::hash::{Hasher, POSITION_BITS, Position};
use crate::record::{RecordMut, RecordPtr, RecordRef};
use crate::segment::{MAX_BLOCKS, Segment, SlotIndex, blocks_for};
use crate::spill::Spill;

const SLOT_BITS: u32 = 6;
/// Slots of a chunk.
pub(crate) const SLOTS: usize = 1 << SLOT_BITS;

/// The deepest a segment can be: its coordinates must still fit into a position.
pub(crate) const MAX_DEPTH: u32 = POSITION_BITS - COORD_BITS;

/// The deepest a chunk can be.
pub(crate) const MAX_CHUNK_DEPTH: u32 = MAX_DEPTH - SLOT_BITS;

/// Neighbours with no more records than this between them become one segment. A split leaves each with twice as many,
/// so that a table at rest near a limit does not go back and forth.
const MERGE_AT: usize = 2 * BLOCK_SLOTS;

/// No expiry, as far as the earliest one of several is concerned.
pub(crate) const NEVER: u64 = u64::MAX;

/// Whether a segment that can't take a record is full enough for more room to help. If not, its keys collide.
fn is_crowded(records: usize, blocks: usize) -> bool {
    records * 5 >= blocks * BLOCK_SLOTS * 3
}

/// What a slot knows of its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot(u8);

impl Slot {
    const SPILLED: u8 = 1 << 7;

    fn new(blocks: usize, local: u32, spilled: bool) -> Self {
        debug_assert!(blocks <= MAX_BLOCKS && local <= SLOT_BITS);
        Self(blocks as u8 | (local as u8) << 4 | if spilled { Self::SPILLED } else { 0 })
    }

    /// Blocks of the segment.
    #[inline]
    fn blocks(self) -> usize {
        usize::from(self.0 & 0xf)
    }

    /// Bits that the segment has used of the six that name a slot.
    #[inline]
    fn local(self) -> u32 {
        u32::from(self.0 >> 4 & 0b111)
    }

    /// Whether some of the segment's records may be in the spill.
    #[inline]
    fn spilled(self) -> bool {
        self.0 & Self::SPILLED != 0
    }

    /// How many slots in a row the segment takes.
    #[inline]
    fn width(self) -> usize {
        SLOTS >> self.local()
    }
}

/// Where a record is within its chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// In a slot of a segment.
    Slot { segment: u8, slot: SlotIndex },
    /// In the spill.
    Spill { segment: u8, index: u32 },
}

impl At {
    /// The segment that the record belongs to.
    pub(crate) fn segment(self) -> usize {
        match self {
            At::Slot { segment, .. } | At::Spill { segment, .. } => usize::from(segment),
        }
    }
}

/// The way to a position.
#[derive(Clone, Copy)]
pub(crate) struct Route {
    /// The canonical slot of the segment.
    pub(crate) segment: usize,
    /// Blocks of the segment.
    pub(crate) blocks: usize,
    /// Position bits that all keys of the segment share.
    pub(crate) depth: u32,
    pub(crate) coord: Coord,
    spilled: bool,
}

/// See the module's documentation.
pub(crate) struct Chunk {
    slots: [Slot; SLOTS],
    depth: u8,
    /// Records, those in the spill included.
    len: u32,
    /// No later than any expiry in the chunk.
    ///
    /// This and `earliest_of` are atomics because a visit that finds them too early corrects them through `&self`.
    /// They say something true about the chunk whoever reads them when.
    earliest: AtomicU64,
    spill: Option<Arc<Spill>>,
    /// By canonical slot: records, without those in the spill.
    lens: [u16; SLOTS],
    /// By canonical slot: records with an expiry, with those in the spill.
    timed: [u32; SLOTS],
    /// By canonical slot: no later than any expiry in the segment; [`NEVER`] when there is none.
    earliest_of: [AtomicU64; SLOTS],
    segments: [Segment; SLOTS],
}

impl Clone for Chunk {
    /// Another chunk with the same blocks, which both then share.
    #[cold]
    fn clone(&self) -> Self {
        // Counting a reference writes the first line of a block: have them on their way.
        self.segments.iter().for_each(Segment::prefetch_refs);
        collections::left_behind::note(size_of::<usize>() + size_of::<Self>());
        Self {
            slots: self.slots,
            depth: self.depth,
            len: self.len,
            earliest: AtomicU64::new(self.earliest()),
            spill: self.spill.clone(),
            lens: self.lens,
            timed: self.timed,
            earliest_of: std::array::from_fn(|i| AtomicU64::new(self.earliest_of(i))),
            segments: self.segments.clone(),
        }
    }
}

impl Chunk {
    /// An empty chunk of one segment.
    pub(crate) fn new(depth: u32) -> Self {
        Self {
            slots: [Slot::new(0, 0, false); SLOTS],
            depth: depth as u8,
            len: 0,
            earliest: AtomicU64::new(NEVER),
            spill: None,
            lens: [0; SLOTS],
            timed: [0; SLOTS],
            earliest_of: [const { AtomicU64::new(NEVER) }; SLOTS],
            segments: [const { Segment::empty() }; SLOTS],
        }
    }

    /// An empty chunk in which each slot has a segment of its own with room for about so many records.
    pub(crate) fn with_room(depth: u32, per_segment: usize) -> Self {
        let blocks = blocks_for(per_segment);
        Self {
            slots: [Slot::new(blocks, SLOT_BITS, false); SLOTS],
            segments: std::array::from_fn(|_| Segment::with_blocks(blocks)),
            ..Self::new(depth)
        }
    }

    /// Position bits that all keys of the chunk share.
    pub(crate) fn depth(&self) -> u32 {
        u32::from(self.depth)
    }

    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// No later than any expiry in the chunk.
    pub(crate) fn earliest(&self) -> u64 {
        self.earliest.load(Ordering::Relaxed)
    }

    fn earliest_of(&self, segment: usize) -> u64 {
        self.earliest_of[segment].load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn route(&self, position: Position) -> Route {
        let chunk_depth = self.depth();
        let index = position.bits(chunk_depth, SLOT_BITS);
        let slot = self.slots[index % SLOTS];
        let depth = chunk_depth + slot.local();
        Route {
            segment: index & !(slot.width() - 1),
            blocks: slot.blocks(),
            depth,
            coord: Coord::new(position.bits(depth, COORD_BITS)),
            spilled: slot.spilled(),
        }
    }

    #[inline]
    pub(crate) fn find(&self, position: Position, key: &[u8]) -> Option<(At, RecordPtr<'_>)> {
        let route = self.route(position);
        let segment = route.segment as u8;
        match self.segments[route.segment % SLOTS].find(route.blocks, route.coord, key) {
            Some((slot, record)) => Some((At::Slot { segment, slot }, record)),
            None if route.spilled => {
                let index = self.spill.as_ref()?.find(key)?;
                Some((At::Spill { segment, index: index as u32 }, self.spilled()[index].as_ptr()))
            }
            None => None,
        }
    }

    #[inline]
    pub(crate) fn record(&self, at: At) -> RecordPtr<'_> {
        match at {
            At::Slot { segment, slot } => self.segments[usize::from(segment) % SLOTS].record(slot),
            At::Spill { index, .. } => self.spilled()[index as usize].as_ptr(),
        }
    }

    /// The record for writing, unless it is shared.
    #[inline]
    pub(crate) fn record_mut(&mut self, at: At) -> Option<RecordMut<'_>> {
        match at {
            At::Slot { segment, slot } => self.segments[usize::from(segment) % SLOTS].record_mut(slot),
            At::Spill { index, .. } => self.spill_mut().get_mut(index as usize).as_mut(),
        }
    }

    /// Exchanges a record for another one with the same key. Expiries are the caller's to note.
    #[inline]
    pub(crate) fn replace(&mut self, at: At, record: RecordRef) -> RecordRef {
        match at {
            At::Slot { segment, slot } => self.segments[usize::from(segment) % SLOTS].replace(slot, record),
            At::Spill { index, .. } => std::mem::replace(self.spill_mut().get_mut(index as usize), record),
        }
    }

    /// The segment of a position and the way there; asks for the segment's cache line.
    #[inline]
    pub(crate) fn start(&self, position: Position) -> (&Segment, Route) {
        let route = self.route(position);
        let segment = &self.segments[route.segment % SLOTS];
        segment.prefetch();
        (segment, route)
    }

    /// The records in the spill.
    pub(crate) fn spilled(&self) -> &[RecordRef] {
        self.spill.as_deref().map_or(&[], Spill::records)
    }

    fn spill_mut(&mut self) -> &mut Spill {
        Arc::make_mut(self.spill.get_or_insert_with(Arc::default))
    }

    /// Keeps the books when a record's expiry changes, comes or goes.
    #[inline]
    pub(crate) fn note_expiry(&mut self, segment: usize, before: Option<u64>, after: Option<u64>) {
        if before == after {
            return;
        }
        if before.is_some() {
            self.timed[segment] -= 1;
        }
        if let Some(at) = after {
            self.timed[segment] += 1;
            let earliest = self.earliest_of[segment].get_mut();
            *earliest = at.min(*earliest);
            let earliest = self.earliest.get_mut();
            *earliest = at.min(*earliest);
        } else if self.timed[segment] == 0 {
            *self.earliest_of[segment].get_mut() = NEVER;
        }
    }

    /// Adds a record whose key is not there. Gives it back when the chunk must split first.
    pub(crate) fn insert(
        &mut self,
        position: Position,
        mut record: RecordRef,
        max_depth: u32,
        hasher: &Hasher,
    ) -> Result<At, RecordRef> {
        let expiry = record.as_ptr().expiry();
        loop {
            let Route { segment, blocks, depth, coord, .. } = self.route(position);
            match self.segments[segment].place(blocks, coord, record) {
                Ok(slot) => {
                    self.lens[segment] += 1;
                    self.len += 1;
                    self.note_expiry(segment, None, expiry);
                    return Ok(At::Slot { segment: segment as u8, slot });
                }
                Err(back) => record = back,
            }
            let crowded = is_crowded(usize::from(self.lens[segment]), blocks);
            if crowded && blocks < MAX_BLOCKS {
                self.resize(segment, blocks + 1);
            } else if !crowded || depth >= max_depth.min(MAX_DEPTH) {
                self.len += 1;
                self.note_expiry(segment, None, expiry);
                let index = self.spill(segment, record) as u32;
                return Ok(At::Spill { segment: segment as u8, index });
            } else if self.slots[segment].local() < SLOT_BITS {
                self.split_segment(segment, position.prefix(depth), hasher);
            } else {
                return Err(record);
            }
        }
    }

    /// Takes a record out.
    pub(crate) fn remove(&mut self, at: At) -> RecordRef {
        let segment = at.segment();
        let record = match at {
            At::Slot { slot, .. } => {
                self.lens[segment] -= 1;
                self.segments[segment].take(self.slots[segment].blocks(), slot)
            }
            At::Spill { index, .. } => {
                let record = self.spill_mut().remove(index as usize);
                self.forget_empty_spill();
                record
            }
        };
        self.len -= 1;
        self.note_expiry(segment, record.as_ptr().expiry(), None);
        record
    }

    /// Puts a record of the segment into the spill, without counting it.
    fn spill(&mut self, segment: usize, record: RecordRef) -> usize {
        let slot = self.slots[segment];
        self.set_slot(segment, Slot::new(slot.blocks(), slot.local(), true));
        self.spill_mut().insert(record)
    }

    fn forget_empty_spill(&mut self) {
        if self.spill.as_ref().is_some_and(|spill| spill.len() == 0) {
            self.spill = None;
            for slot in &mut self.slots {
                slot.0 &= !Slot::SPILLED;
            }
        }
    }

    /// Sets what all slots of a segment say.
    fn set_slot(&mut self, segment: usize, slot: Slot) {
        debug_assert!(segment.is_multiple_of(slot.width()));
        self.slots[segment..segment + slot.width()].fill(slot);
    }

    /// Lays a segment out anew in so many blocks.
    fn resize(&mut self, segment: usize, blocks: usize) {
        let records = self.segments[segment].drain();
        let slot = self.slots[segment];
        self.settle(segment, blocks, slot.local(), slot.spilled(), records);
    }

    /// Fills an empty segment, with so many blocks if that will do; what finds no room goes to the spill.
    fn settle(
        &mut self,
        segment: usize,
        mut blocks: usize,
        local: u32,
        spilled: bool,
        mut records: Vec<(Coord, RecordRef)>,
    ) {
        let total = records.len();
        let rejected = loop {
            let rejected = self.segments[segment].fill(blocks, &mut records);
            if rejected.is_empty() || blocks == MAX_BLOCKS || !is_crowded(total - rejected.len(), blocks) {
                break rejected;
            }
            records = self.segments[segment].drain();
            records.extend(rejected);
            blocks += 1;
        };
        self.set_slot(segment, Slot::new(blocks, local, spilled));
        self.lens[segment] = (total - rejected.len()) as u16;
        for (_, record) in rejected {
            self.spill(segment, record);
        }
    }

    /// Splits a segment in two by the next bit of position, and gives those in its spill another chance.
    /// `prefix` is what all its keys share.
    fn split_segment(&mut self, segment: usize, prefix: usize, hasher: &Hasher) {
        let slot = self.slots[segment];
        let depth = self.depth() + slot.local();
        let records = self.segments[segment].drain();
        let mut spilled = Vec::new();
        if slot.spilled() {
            let own = |key: &[u8]| hasher.position(key).prefix(depth) == prefix;
            spilled = self.spill_mut().extract(own);
            self.forget_empty_spill();
        }
        let local = slot.local() + 1;
        let upper_segment = segment + (SLOTS >> local);
        let mut halves = [Vec::with_capacity(records.len()), Vec::with_capacity(records.len())];
        let mut timed = [0, 0];
        let mut earliest = [NEVER, NEVER];
        records.iter().for_each(|(_, record)| record.as_ptr().prefetch());
        for record in records.into_iter().map(|(_, record)| record).chain(spilled) {
            let position = hasher.position(record.as_ptr().key());
            let half = position.bits(depth, 1);
            if let Some(at) = record.as_ptr().expiry() {
                timed[half] += 1;
                earliest[half] = at.min(earliest[half]);
            }
            halves[half].push((Coord::new(position.bits(depth + 1, COORD_BITS)), record));
        }
        for ((half, records), segment) in halves.into_iter().enumerate().zip([segment, upper_segment]) {
            self.timed[segment] = timed[half];
            *self.earliest_of[segment].get_mut() = earliest[half];
            self.settle(segment, blocks_for(records.len()), local, false, records);
        }
    }

    /// Gives back what the segment of a record that was removed no longer needs; true when segments merged.
    pub(crate) fn tidy(&mut self, mut segment: usize) -> bool {
        let mut merged = false;
        while let Some(lower) = self.mergeable(segment) {
            self.merge_segments(lower);
            segment = lower;
            merged = true;
        }
        let len = usize::from(self.lens[segment]);
        let blocks = self.slots[segment].blocks();
        let fewer = blocks_for(len);
        // Half empty, or quite.
        if fewer < blocks && (len == 0 || len * 2 < blocks * BLOCK_SLOTS) {
            self.resize(segment, fewer);
        }
        merged
    }

    /// The lower one of this segment and its neighbour, when they should be one.
    fn mergeable(&self, segment: usize) -> Option<usize> {
        let slot = self.slots[segment];
        if slot.local() == 0 {
            return None;
        }
        let neighbour = segment ^ slot.width();
        let len = usize::from(self.lens[segment]) + usize::from(self.lens[neighbour]);
        (self.slots[neighbour].local() == slot.local() && len <= MERGE_AT).then_some(segment.min(neighbour))
    }

    fn merge_segments(&mut self, lower: usize) {
        let slot = self.slots[lower];
        let upper = lower + slot.width();
        let spilled = slot.spilled() || self.slots[upper].spilled();
        let mut records = self.segments[lower].drain();
        let from_upper = records.len();
        records.append(&mut self.segments[upper].drain());
        for (index, (coord, _)) in records.iter_mut().enumerate() {
            *coord = coord.merged(index >= from_upper);
        }
        self.segments[upper] = Segment::empty();
        self.lens[upper] = 0;
        self.timed[lower] += std::mem::take(&mut self.timed[upper]);
        let earliest = std::mem::replace(self.earliest_of[upper].get_mut(), NEVER);
        let lower_earliest = self.earliest_of[lower].get_mut();
        *lower_earliest = earliest.min(*lower_earliest);
        self.settle(lower, blocks_for(records.len()), slot.local() - 1, spilled, records);
    }

    /// Canonical slots, in order.
    pub(crate) fn segments(&self) -> impl Iterator<Item = usize> + '_ {
        let mut next = 0;
        std::iter::from_fn(move || {
            let segment = next;
            next += self.slots.get(segment)?.width();
            Some(segment)
        })
    }

    /// Whether the chunk has used so few of its slots that it could share a chunk with one like it.
    pub(crate) fn is_sparse(&self) -> bool {
        // Two bits short of full, so that what comes of a merge does not split soon.
        self.slots.iter().all(|slot| slot.local() <= SLOT_BITS - 2)
    }

    /// Whether no segment covers the whole chunk, so that it can be split.
    pub(crate) fn can_split(&self) -> bool {
        self.slots[0].local() > 0
    }

    /// Splits off the upper half of the chunk's positions.
    pub(crate) fn split(&mut self, hasher: &Hasher) -> Chunk {
        debug_assert!(self.can_split());
        let depth = self.depth();
        let mut old = std::mem::replace(self, Chunk::new(depth + 1));
        let mut upper = Chunk::new(depth + 1);
        let canonical: Vec<usize> = old.segments().collect();
        for from in canonical {
            let (target, to) =
                if from < SLOTS / 2 { (&mut *self, from * 2) } else { (&mut upper, from * 2 - SLOTS) };
            let local = old.slots[from].local() - 1;
            target.adopt(&mut old, from, to, local);
        }
        for record in old.take_spill() {
            let half = hasher.position(record.as_ptr().key()).bits(depth, 1);
            let target = if half == 0 { &mut *self } else { &mut upper };
            target.len += 1;
            target.spill_mut().insert(record);
        }
        for chunk in [self, &mut upper] {
            if chunk.spill.is_none() {
                chunk.slots.iter_mut().for_each(|slot| slot.0 &= !Slot::SPILLED);
            }
            *chunk.earliest.get_mut() = chunk.least_earliest();
        }
        upper
    }

    /// Takes in the chunk that has the positions after this one's; both must be sparse and of one depth.
    pub(crate) fn merge(&mut self, mut upper: Chunk) {
        debug_assert!(self.depth == upper.depth && self.depth > 0);
        let depth = self.depth();
        let mut lower = std::mem::replace(self, Chunk::new(depth - 1));
        for (chunk, offset) in [(&mut lower, 0), (&mut upper, SLOTS / 2)] {
            let canonical: Vec<usize> = chunk.segments().collect();
            for from in canonical {
                let local = chunk.slots[from].local() + 1;
                self.adopt(chunk, from, from / 2 + offset, local);
            }
            for record in chunk.take_spill() {
                self.len += 1;
                self.spill_mut().insert(record);
            }
        }
        *self.earliest.get_mut() = self.least_earliest();
    }

    /// Moves a segment here from another chunk, with all that is known of it.
    fn adopt(&mut self, other: &mut Chunk, from: usize, to: usize, local: u32) {
        let slot = other.slots[from];
        self.set_slot(to, Slot::new(slot.blocks(), local, slot.spilled()));
        self.segments[to] = std::mem::replace(&mut other.segments[from], Segment::empty());
        self.lens[to] = other.lens[from];
        self.timed[to] = other.timed[from];
        *self.earliest_of[to].get_mut() = *other.earliest_of[from].get_mut();
        self.len += u32::from(other.lens[from]);
    }

    fn take_spill(&mut self) -> Vec<RecordRef> {
        match self.spill.take() {
            Some(mut spill) => Arc::make_mut(&mut spill).extract(|_| true),
            None => Vec::new(),
        }
    }

    fn least_earliest(&self) -> u64 {
        (0..SLOTS).map(|segment| self.earliest_of(segment)).min().unwrap_or(NEVER)
    }

    /// The segment at a canonical slot.
    pub(crate) fn segment(&self, segment: usize) -> &Segment {
        &self.segments[segment]
    }

    /// Records of a segment with an expiry, those in the spill included.
    pub(crate) fn timed(&self, segment: usize) -> usize {
        self.timed[segment] as usize
    }

    /// Records of a segment, without those in the spill.
    pub(crate) fn segment_len(&self, segment: usize) -> usize {
        usize::from(self.lens[segment])
    }

    /// The `index`-th record of the chunk, in no particular order.
    pub(crate) fn nth(&self, mut index: usize) -> Option<RecordPtr<'_>> {
        for (segment, &len) in self.segments.iter().zip(&self.lens) {
            let len = usize::from(len);
            if index < len {
                return segment.blocks().flat_map(|block| block.records()).nth(index);
            }
            index -= len;
        }
        self.spilled().get(index).map(RecordRef::as_ptr)
    }

    /// Calls `f` with the records of a segment that expire at `now_ms` or earlier, and learns the earliest expiry on
    /// the way. Gives the number of records looked at.
    pub(crate) fn visit_due<'a>(
        &'a self,
        segment: usize,
        now_ms: u64,
        hasher: &Hasher,
        f: &mut dyn FnMut(RecordPtr<'a>),
    ) -> usize {
        if self.earliest_of(segment) > now_ms {
            return 0;
        }
        let mut earliest = NEVER;
        let mut visited = 0;
        let mut visit = |record: RecordPtr<'a>| {
            visited += 1;
            if let Some(at) = record.expiry() {
                earliest = at.min(earliest);
                if at <= now_ms {
                    f(record);
                }
            }
        };
        self.segments[segment].blocks().for_each(|block| block.prefetch_records());
        self.segments[segment].blocks().flat_map(|block| block.records()).for_each(&mut visit);
        let slot = self.slots[segment];
        if slot.spilled() {
            for record in self.spilled() {
                let index = hasher.position(record.as_ptr().key()).bits(self.depth(), SLOT_BITS);
                if index & !(slot.width() - 1) == segment {
                    visit(record.as_ptr());
                }
            }
        }
        self.earliest_of[segment].store(earliest, Ordering::Relaxed);
        visited
    }

    /// Brings the chunk's earliest expiry up to date with those of its segments.
    pub(crate) fn refresh_earliest(&self) {
        self.earliest.store(self.least_earliest(), Ordering::Relaxed);
    }

    /// Heap memory of the chunk's blocks and spill.
    pub(crate) fn heap_bytes(&self) -> usize {
        let blocks: usize = self.segments().map(|segment| self.slots[segment].blocks()).sum();
        blocks * size_of::<crate::block::Block>() + self.spill.as_ref().map_or(0, |spill| spill.heap_bytes())
    }

    /// Walks all that the chunk promises; for tests.
    #[cfg(test)]
    pub(crate) fn check(&self, hasher: &Hasher, prefix: usize) {
        let mut len = 0;
        for segment in self.segments() {
            let slot = self.slots[segment];
            assert!(self.slots[segment..segment + slot.width()].iter().all(|&s| s == slot));
            assert_eq!(self.segments[segment].blocks().count(), slot.blocks());
            let (mut records, mut timed) = (0, 0);
            let mut visit = |record: RecordPtr<'_>| {
                let position = hasher.position(record.key());
                assert_eq!(position.prefix(self.depth()), prefix);
                assert_eq!(self.route(position).segment, segment);
                let at = self.find(position, record.key()).expect("every record is found");
                assert_eq!(self.record(at.0).key().as_ptr(), record.key().as_ptr());
                if let Some(at) = record.expiry() {
                    timed += 1;
                    assert!(self.earliest_of(segment) <= at && self.earliest() <= at);
                }
            };
            for record in self.segments[segment].blocks().flat_map(|block| block.records()) {
                records += 1;
                visit(record);
            }
            assert_eq!(records, usize::from(self.lens[segment]));
            for record in self.spilled() {
                if self.route(hasher.position(record.as_ptr().key())).segment == segment {
                    assert!(slot.spilled());
                    visit(record.as_ptr());
                }
            }
            assert_eq!(timed, self.timed[segment]);
            assert!(timed > 0 || self.earliest_of(segment) == NEVER);
            len += records;
        }
        for other in (0..SLOTS).filter(|slot| !self.segments().any(|segment| segment == *slot)) {
            assert_eq!(self.segments[other].blocks().count(), 0);
            assert_eq!((self.lens[other], self.timed[other], self.earliest_of(other)), (0, 0, NEVER));
        }
        assert_eq!(len + self.spilled().len(), self.len());
    }
}

const _: () =
    assert!(size_of::<Chunk>() + size_of::<usize>() <= 5120, "one size class, with the count in front");
