//! Segments: one to eight blocks that share a range of hash space evenly.
//!
//! With `n` buckets, a key's home is bucket `coordinate * n / 2^13`: keys stay in the order of their positions, bucket by
//! bucket. A record whose home is full goes next door, to either side (the buckets form a ring), and one that lives
//! in the way may be moved on to make room; the home bucket counts who went where, so a lookup that misses looks no
//! further than it must. That fills a segment to about 95 % before it grows. It grows a block at a time, from its own
//! coordinates alone, without reading a record; only when it splits in two does it look at keys again.

use crate::block::{BLOCK_BUCKETS, BLOCK_SLOTS, Block, BlockRef, COORD_BITS, Coord, Side, bucket_slots};
use crate::record::{RecordMut, RecordPtr, RecordRef};

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
    pub(crate) fn find(
        &self,
        blocks: usize,
        coord: Coord,
        key: &[u8],
    ) -> Option<(SlotIndex, RecordPtr<'_>)> {
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
        SIDES.into_iter().filter(|&side| block.displaced(home % BLOCK_BUCKETS, side) > 0).find_map(|side| {
            let bucket = neighbour(home, side, blocks);
            find_in(self.block(bucket), bucket, coord, key)
        })
    }

    /// Asks for the cache line that a lookup, or a write, of this coordinate begins with.
    #[inline]
    pub(crate) fn prefetch(&self, blocks: usize, coord: Coord) {
        if blocks > 0 {
            let home = home(coord, blocks);
            self.block(home).prefetch(home % BLOCK_BUCKETS);
        }
    }

    /// Asks for the record that a lookup of this coordinate would most likely look at.
    #[inline]
    pub(crate) fn prefetch_record(&self, blocks: usize, coord: Coord) {
        if blocks == 0 {
            return;
        }
        let home = home(coord, blocks);
        let block = self.block(home);
        let mut found = false;
        for (_, record) in block.candidates(home % BLOCK_BUCKETS, coord) {
            record.prefetch();
            found = true;
        }
        if !found && block.any_displaced(home % BLOCK_BUCKETS) {
            for side in SIDES {
                if block.displaced(home % BLOCK_BUCKETS, side) > 0 {
                    let bucket = neighbour(home, side, blocks);
                    for (_, record) in self.block(bucket).candidates(bucket % BLOCK_BUCKETS, coord) {
                        record.prefetch();
                    }
                }
            }
        }
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
        let places =
            [home, neighbour(home, Side::Next, blocks), neighbour(home, Side::Previous, blocks)];
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
        let mut displaced = Vec::new();
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
