//! Segments: one to eight blocks that share a range of hash space evenly.
//!
//! With `n` buckets, a key's home is bucket `coordinate * n / 2^13`: keys stay in the order of their positions, bucket by
//! bucket. A record whose home is full goes next door, to either side (the buckets form a ring), and one that lives
//! in the way may be moved on to make room; the home bucket counts who went where, so a lookup that misses looks no
//! further than it must. That fills a segment to about 95 % before it grows. It grows a block at a time, from its own
//! coordinates alone, without reading a record; only when it splits in two does it look at keys again.

use crate::block::{BLOCK_BUCKETS, BLOCK_SLOTS, Block, BlockRef, COORD_BITS, Coord, Side, bucket_slots};
use crate::record::{RecordMut, RecordPtr, RecordRef, prefetch};

/// Blocks of the largest segment.
pub(crate) const MAX_BLOCKS: usize = 8;

/// Records that a segment of `blocks` blocks is made for when it is laid out anew.
const COMFORTABLE: usize = BLOCK_SLOTS * 15 / 16;

/// How far away a vacancy may be for records to be passed on to it.
const LONGEST_PATH: usize = 8;

/// A slot of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlotIndex {
    /// Within the segment.
    pub(crate) bucket: u8,
    pub(crate) slot: u8,
}

/// See the module's documentation. The number of blocks is kept by the chunk, beside what else a lookup needs first;
/// it is passed in as `blocks`.
#[derive(Clone)]
pub(crate) struct Segment {
    blocks: [BlockRef; MAX_BLOCKS],
}

/// How many blocks `records` need.
pub(crate) fn blocks_for(records: usize) -> usize {
    records.div_ceil(COMFORTABLE).min(MAX_BLOCKS)
}

/// The home bucket of a coordinate.
#[inline]
pub(crate) fn home(coord: Coord, blocks: usize) -> usize {
    (coord.get() * (blocks * BLOCK_BUCKETS)) >> COORD_BITS
}

/// The least coordinate, as a number, whose home is `bucket` or a later one.
pub(crate) fn first_coord(bucket: usize, blocks: usize) -> usize {
    (bucket << COORD_BITS).div_ceil(blocks * BLOCK_BUCKETS)
}

#[inline]
fn neighbour(bucket: usize, side: Side, blocks: usize) -> usize {
    let last = blocks * BLOCK_BUCKETS - 1;
    match side {
        Side::Next if bucket == last => 0,
        Side::Next => bucket + 1,
        Side::Previous if bucket == 0 => last,
        Side::Previous => bucket - 1,
    }
}

const SIDES: [Side; 2] = [Side::Next, Side::Previous];

impl Segment {
    pub(crate) const EMPTY: Self = Self { blocks: [const { BlockRef::NONE }; MAX_BLOCKS] };

    #[inline]
    fn block(&self, bucket: usize) -> &Block {
        self.blocks[bucket / BLOCK_BUCKETS % MAX_BLOCKS].get().expect("every counted block is there")
    }

    #[inline]
    fn block_mut(&mut self, bucket: usize) -> &mut Block {
        self.blocks[bucket / BLOCK_BUCKETS % MAX_BLOCKS].make_mut().expect("every counted block is there")
    }

    /// The blocks.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter().filter_map(BlockRef::get)
    }

    /// The block at an index, which may be past the last one.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&Block> {
        self.blocks[index].get()
    }

    /// Asks for the cache lines that cloning the segment writes to.
    pub(crate) fn prefetch_refs(&self) {
        self.blocks.iter().for_each(BlockRef::prefetch_refs);
    }

    /// The slot of a key, and its record.
    #[inline]
    pub(crate) fn find(&self, blocks: usize, coord: Coord, key: &[u8]) -> Option<(SlotIndex, RecordPtr<'_>)> {
        if blocks == 0 {
            return None;
        }
        let home = home(coord, blocks);
        let block = self.block(home);
        if let Some(found) = find_in(block, home, coord, key) {
            return Some(found);
        }
        if !block.any_displaced(home % BLOCK_BUCKETS) {
            return None;
        }
        self.find_next_door(blocks, home, coord, key)
    }

    #[inline]
    fn find_next_door(
        &self,
        blocks: usize,
        home: usize,
        coord: Coord,
        key: &[u8],
    ) -> Option<(SlotIndex, RecordPtr<'_>)> {
        let block = self.block(home);
        let places = SIDES
            .map(|side| (block.displaced(home % BLOCK_BUCKETS, side) > 0).then(|| neighbour(home, side, blocks)));
        // Have both on their way before waiting for the first.
        places.into_iter().flatten().for_each(|bucket| self.prefetch_bucket(bucket));
        places.into_iter().flatten().find_map(|bucket| find_in(self.block(bucket), bucket, coord, key))
    }

    #[inline]
    fn prefetch_bucket(&self, bucket: usize) {
        self.block(bucket).prefetch(bucket % BLOCK_BUCKETS);
    }

    /// Asks for the cache line that has the pointers to the blocks.
    #[inline]
    pub(crate) fn prefetch(&self) {
        prefetch(&raw const *self);
    }

    /// Where a lookup, or a write, of this coordinate begins; asks for that cache line.
    #[inline]
    pub(crate) fn start(&self, blocks: usize, coord: Coord) -> Option<Home<'_>> {
        if blocks == 0 {
            return None;
        }
        let bucket = home(coord, blocks);
        let block = self.block(bucket);
        block.prefetch(bucket % BLOCK_BUCKETS);
        Some(Home { segment: self, block, bucket: bucket as u32, blocks: blocks as u16, coord })
    }

    #[inline]
    pub(crate) fn record(&self, at: SlotIndex) -> RecordPtr<'_> {
        let bucket = usize::from(at.bucket);
        self.block(bucket).record(bucket % BLOCK_BUCKETS, usize::from(at.slot))
    }

    #[inline]
    pub(crate) fn record_mut(&mut self, at: SlotIndex) -> Option<RecordMut<'_>> {
        let bucket = usize::from(at.bucket);
        self.block_mut(bucket).record_mut(bucket % BLOCK_BUCKETS, usize::from(at.slot))
    }

    /// Exchanges a record for another one with the same key.
    #[inline]
    pub(crate) fn replace(&mut self, at: SlotIndex, record: RecordRef) -> RecordRef {
        let bucket = usize::from(at.bucket);
        self.block_mut(bucket).replace(bucket % BLOCK_BUCKETS, usize::from(at.slot), record)
    }

    /// Takes a record out.
    pub(crate) fn take(&mut self, blocks: usize, at: SlotIndex) -> RecordRef {
        let bucket = usize::from(at.bucket);
        let (coord, record) = self.block_mut(bucket).take(bucket % BLOCK_BUCKETS, usize::from(at.slot));
        self.count_displaced(blocks, home(coord, blocks), bucket, -1);
        record
    }

    /// Puts a record in, if there is room near its home.
    pub(crate) fn place(
        &mut self,
        blocks: usize,
        coord: Coord,
        record: RecordRef,
    ) -> Result<SlotIndex, RecordRef> {
        if blocks == 0 {
            return Err(record);
        }
        let home = home(coord, blocks);
        if let Some(slot) = self.vacancy(home) {
            return Ok(self.put(blocks, home, home, slot, coord, record));
        }
        let places = SIDES.map(|side| neighbour(home, side, blocks));
        places.into_iter().for_each(|bucket| self.prefetch_bucket(bucket));
        for bucket in places {
            if let Some(slot) = self.vacancy(bucket) {
                return Ok(self.put(blocks, home, bucket, slot, coord, record));
            }
        }
        match self.make_room(blocks, home) {
            Some((bucket, slot)) => Ok(self.put(blocks, home, bucket, slot, coord, record)),
            None => Err(record),
        }
    }

    #[inline]
    fn vacancy(&self, bucket: usize) -> Option<usize> {
        self.block(bucket).vacancy(bucket % BLOCK_BUCKETS)
    }

    fn put(
        &mut self,
        blocks: usize,
        home: usize,
        bucket: usize,
        slot: usize,
        coord: Coord,
        record: RecordRef,
    ) -> SlotIndex {
        self.block_mut(bucket).put(bucket % BLOCK_BUCKETS, slot, coord, record);
        self.count_displaced(blocks, home, bucket, 1);
        SlotIndex { bucket: bucket as u8, slot: slot as u8 }
    }

    /// Keeps the home's counts right when a record comes to `bucket` or leaves it.
    #[inline]
    fn count_displaced(&mut self, blocks: usize, home: usize, bucket: usize, by: i8) {
        if bucket == home {
            return;
        }
        let side = if bucket == neighbour(home, Side::Next, blocks) { Side::Next } else { Side::Previous };
        self.block_mut(home).count_displaced(home % BLOCK_BUCKETS, side, by);
    }

    /// Frees a slot next to the bucket `home`, when that bucket and its neighbours are full: looks for the nearest
    /// vacancy on either side, and moves one record in each bucket on the way there to the next one.
    fn make_room(&mut self, blocks: usize, home: usize) -> Option<(usize, usize)> {
        // Have the buckets on both sides on their way before waiting for the first.
        for side in SIDES {
            let mut bucket = neighbour(home, side, blocks);
            for _ in 0..LONGEST_PATH / 2 {
                bucket = neighbour(bucket, side, blocks);
                self.prefetch_bucket(bucket);
            }
        }
        let paths = SIDES.map(|side| self.path_to_vacancy(blocks, neighbour(home, side, blocks), side));
        let (side, length) = match paths {
            [Some(next), Some(previous)] if previous < next => (Side::Previous, previous),
            [Some(next), _] => (Side::Next, next),
            [None, Some(previous)] => (Side::Previous, previous),
            [None, None] => return None,
        };
        let back = match side {
            Side::Next => Side::Previous,
            Side::Previous => Side::Next,
        };
        let near = neighbour(home, side, blocks);
        let mut target = (0..length).fold(near, |bucket, _| neighbour(bucket, side, blocks));
        let mut free = self.vacancy(target)?;
        while target != near {
            let source = neighbour(target, back, blocks);
            let slot = self.movable(blocks, source, target)?;
            let (coord, record) = self.block_mut(source).take(source % BLOCK_BUCKETS, slot);
            let home = self::home(coord, blocks);
            self.count_displaced(blocks, home, source, -1);
            self.put(blocks, home, target, free, coord, record);
            (target, free) = (source, slot);
        }
        Some((near, free))
    }

    /// How many buckets on from `bucket` the nearest vacancy is, if each bucket on the way has a record to pass on.
    fn path_to_vacancy(&self, blocks: usize, mut bucket: usize, side: Side) -> Option<usize> {
        for length in 0..LONGEST_PATH.min(blocks * BLOCK_BUCKETS) {
            if self.vacancy(bucket).is_some() {
                return Some(length);
            }
            let next = neighbour(bucket, side, blocks);
            self.movable(blocks, bucket, next)?;
            bucket = next;
        }
        None
    }

    /// The slot of a record in one bucket that may live in the neighbouring bucket `to`; one that has its home there if
    /// there is one.
    fn movable(&self, blocks: usize, from: usize, to: usize) -> Option<usize> {
        let mut found = None;
        for (slot, coord, _) in self.block(from).residents(from % BLOCK_BUCKETS) {
            let home = home(coord, blocks);
            if home == to {
                return Some(slot);
            }
            if home == from {
                found = Some(slot);
            }
        }
        found
    }

    /// Takes out every record. The blocks stay, empty.
    pub(crate) fn drain(&mut self) -> Vec<(Coord, RecordRef)> {
        let mut records = Vec::with_capacity(MAX_BLOCKS * BLOCK_SLOTS);
        for block in self.blocks() {
            (0..BLOCK_BUCKETS).for_each(|bucket| block.prefetch(bucket));
        }
        for block in self.blocks.iter_mut().filter_map(BlockRef::make_mut) {
            block.drain(&mut records);
        }
        records
    }

    /// Puts in records, in so many blocks; the segment must be empty. Gives back those that found no room.
    pub(crate) fn fill(&mut self, blocks: usize, records: &mut Vec<(Coord, RecordRef)>) -> Vec<RecordRef> {
        for (index, block) in self.blocks.iter_mut().enumerate() {
            if index >= blocks {
                *block = BlockRef::NONE;
            } else if block.get().is_none() {
                *block = BlockRef::new();
            }
        }
        // Most find room at home. Whoever is there first is as good as anybody, so count instead of looking.
        let mut taken = [0; MAX_BLOCKS * BLOCK_BUCKETS];
        let mut made = self.blocks.each_mut().map(BlockRef::make_mut);
        let mut displaced = Vec::with_capacity(MAX_BLOCKS * BLOCK_BUCKETS);
        for (coord, record) in records.drain(..) {
            let home = home(coord, blocks);
            match &mut made[home / BLOCK_BUCKETS] {
                Some(block) if taken[home] < bucket_slots(home % BLOCK_BUCKETS) => {
                    block.put(home % BLOCK_BUCKETS, taken[home], coord, record);
                    taken[home] += 1;
                }
                _ => displaced.push((coord, record)),
            }
        }
        let mut rejected = Vec::new();
        for (coord, record) in displaced {
            if let Err(record) = self.place(blocks, coord, record) {
                rejected.push(record);
            }
        }
        rejected
    }

    /// Calls `f` with each record whose home is `bucket` and whose coordinate is at least `from`.
    pub(crate) fn for_home<'a>(
        &'a self,
        blocks: usize,
        bucket: usize,
        from: usize,
        f: &mut dyn FnMut(RecordPtr<'a>),
    ) {
        let block = self.block(bucket);
        let inner = bucket % BLOCK_BUCKETS;
        let next = (block.displaced(inner, Side::Next) > 0).then(|| neighbour(bucket, Side::Next, blocks));
        let previous =
            (block.displaced(inner, Side::Previous) > 0).then(|| neighbour(bucket, Side::Previous, blocks));
        for place in [Some(bucket), next, previous].into_iter().flatten() {
            for (_, coord, record) in self.block(place).residents(place % BLOCK_BUCKETS) {
                if home(coord, blocks) == bucket && coord.get() >= from {
                    f(record);
                }
            }
        }
    }
}

/// The home bucket of a coordinate: where the stages of prefetching stand.
#[derive(Clone, Copy)]
pub(crate) struct Home<'a> {
    segment: &'a Segment,
    block: &'a Block,
    bucket: u32,
    blocks: u16,
    coord: Coord,
}

impl<'a> Home<'a> {
    /// Asks for the record that a lookup would most likely look at. Gives itself back when that may be next door, and
    /// has asked for the cache lines there.
    #[inline]
    pub(crate) fn prefetch_record(self) -> Option<Self> {
        let mut found = false;
        for (_, record) in self.block.candidates(self.bucket as usize % BLOCK_BUCKETS, self.coord) {
            record.prefetch();
            found = true;
        }
        if found {
            return None;
        }
        let bucket = self.bucket as usize;
        let displaced = self.block.any_displaced(bucket % BLOCK_BUCKETS);
        if displaced || self.block.vacancy(bucket % BLOCK_BUCKETS).is_none() {
            // The record is next door; or it is nowhere, and if it is added it goes there.
            for side in SIDES {
                self.segment.prefetch_bucket(neighbour(bucket, side, usize::from(self.blocks)));
            }
        }
        displaced.then_some(self)
    }

    /// Asks for the record if it is next door.
    #[inline]
    pub(crate) fn prefetch_displaced_record(self) {
        for (block, bucket) in self.next_door() {
            for (_, record) in block.candidates(bucket, self.coord) {
                record.prefetch();
            }
        }
    }

    /// The blocks, and buckets there, where records of this home are displaced to.
    #[inline]
    fn next_door(self) -> impl Iterator<Item = (&'a Block, usize)> {
        let bucket = self.bucket as usize;
        SIDES.into_iter().filter(move |&side| self.block.displaced(bucket % BLOCK_BUCKETS, side) > 0).map(
            move |side| {
                let bucket = neighbour(bucket, side, usize::from(self.blocks));
                (self.segment.block(bucket), bucket % BLOCK_BUCKETS)
            },
        )
    }
}

#[inline]
fn find_in<'a>(
    block: &'a Block,
    bucket: usize,
    coord: Coord,
    key: &[u8],
) -> Option<(SlotIndex, RecordPtr<'a>)> {
    block
        .candidates(bucket % BLOCK_BUCKETS, coord)
        .find(|(_, record)| record.has_key(key))
        .map(|(slot, record)| (SlotIndex { bucket: bucket as u8, slot: slot as u8 }, record))
}

const _: () = assert!(MAX_BLOCKS * BLOCK_BUCKETS <= 256);

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::record::{Parts, Payload};

    fn record(key: &[u8]) -> RecordRef {
        RecordRef::new(Parts { key, payload: Payload::Inline(b""), expiry: None, access: 0, raw: false })
    }

    fn segment(blocks: usize) -> Segment {
        let mut segment = Segment::EMPTY;
        segment.fill(blocks, &mut Vec::new());
        segment
    }

    /// What is displaced is what is not at home.
    fn check(segment: &Segment, blocks: usize) {
        let mut displaced = HashMap::new();
        for bucket in 0..blocks * BLOCK_BUCKETS {
            for (_, coord, _) in segment.block(bucket).residents(bucket % BLOCK_BUCKETS) {
                let home = home(coord, blocks);
                if home != bucket {
                    let side = SIDES.into_iter().position(|side| neighbour(home, side, blocks) == bucket);
                    *displaced.entry((home, side.expect("next door"))).or_insert(0) += 1;
                }
            }
        }
        for bucket in 0..blocks * BLOCK_BUCKETS {
            for (index, side) in SIDES.into_iter().enumerate() {
                let counted = segment.block(bucket).displaced(bucket % BLOCK_BUCKETS, side);
                assert_eq!(counted, displaced.get(&(bucket, index)).copied().unwrap_or(0));
            }
        }
    }

    #[test]
    fn homes_divide_the_coordinates_evenly_and_in_order() {
        for blocks in 1..=MAX_BLOCKS {
            let buckets = blocks * BLOCK_BUCKETS;
            assert_eq!(first_coord(0, blocks), 0);
            assert_eq!(first_coord(buckets, blocks), 1 << COORD_BITS);
            for bucket in 0..buckets {
                let (first, next) = (first_coord(bucket, blocks), first_coord(bucket + 1, blocks));
                // From the second on, since the coordinates may be a neighbour's.
                assert_eq!(home(Coord::new(first + 1), blocks), bucket);
                assert_eq!(home(Coord::new(next - 1), blocks), bucket);
            }
        }
    }

    #[test]
    fn segments_fill_well_before_they_grow() {
        for blocks in 1..=MAX_BLOCKS {
            let runs = 40;
            let mut placed = 0;
            for run in 0..runs {
                let mut rng = fastrand::Rng::with_seed(run);
                let mut segment = segment(blocks);
                while segment.place(blocks, Coord::new(rng.usize(..1 << COORD_BITS)), record(b"")).is_ok() {
                    placed += 1;
                }
                check(&segment, blocks);
            }
            let fill = placed as f64 / (runs as usize * blocks * BLOCK_SLOTS) as f64;
            assert!(fill > 0.94, "{blocks} blocks: {fill}");
        }
    }

    #[test]
    fn random_operations_match_a_map() {
        let mut rng = fastrand::Rng::with_seed(7);
        for blocks in [1, 2, 5, MAX_BLOCKS] {
            let mut segment = segment(blocks);
            let mut blocks = blocks;
            let mut model = HashMap::new();
            for step in 0..6000_u32 {
                let key = rng.u16(..400).to_le_bytes();
                let coord = Coord::new(usize::from(u16::from_le_bytes(key)) * 7919 % (1 << COORD_BITS));
                let found = segment.find(blocks, coord, &key).map(|(at, _)| at);
                assert_eq!(found.is_some(), model.contains_key(&key), "{key:?} at step {step}");
                match found {
                    Some(at) => {
                        assert_eq!(segment.take(blocks, at).as_ptr().key(), key);
                        model.remove(&key);
                    }
                    None => {
                        if segment.place(blocks, coord, record(&key)).is_ok() {
                            model.insert(key, coord);
                        }
                    }
                }
                if step % 500 == 0 {
                    check(&segment, blocks);
                    let fits = blocks_for(model.len()).max(1);
                    let mut records = segment.drain();
                    blocks = rng.usize(fits..=MAX_BLOCKS);
                    assert!(segment.fill(blocks, &mut records).is_empty());
                    check(&segment, blocks);
                }
            }
            assert!(model.iter().all(|(key, &coord)| segment.find(blocks, coord, key).is_some()));
            let mut by_home = 0;
            for bucket in 0..blocks * BLOCK_BUCKETS {
                segment.for_home(blocks, bucket, 0, &mut |_| by_home += 1);
            }
            assert_eq!(by_home, model.len());
        }
    }
}
