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
    /// A segment without blocks.
    pub(crate) const fn empty() -> Self {
        Self { blocks: [const { BlockRef::none() }; MAX_BLOCKS] }
    }

    /// A segment with so many empty blocks.
    pub(crate) fn with_blocks(blocks: usize) -> Self {
        debug_assert!(blocks <= MAX_BLOCKS);
        Self {
            blocks: std::array::from_fn(|at| if at < blocks { BlockRef::new() } else { BlockRef::none() }),
        }
    }

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
        let places = SIDES.map(|side| {
            (block.displaced(home % BLOCK_BUCKETS, side) > 0).then(|| neighbour(home, side, blocks))
        });
        // Have both on their way before waiting for the first.
        places.into_iter().flatten().for_each(|bucket| self.prefetch_bucket(bucket));
        places.into_iter().flatten().find_map(|bucket| find_in(self.block(bucket), bucket, coord, key))
    }

    #[inline]
    fn prefetch_bucket(&self, bucket: usize) {
        self.block(bucket).prefetch(bucket % BLOCK_BUCKETS);
    }

    /// Calls `f` with the records that lie in a bucket, wherever their home is, once all of them are on their way into the cache.
    pub(crate) fn for_bucket<'a>(&'a self, bucket: usize, f: &mut dyn FnMut(RecordPtr<'a>)) {
        let block = self.block(bucket);
        let residents = block.residents(bucket % BLOCK_BUCKETS);
        residents.clone().for_each(|(_, _, record)| record.prefetch());
        residents.for_each(|(_, _, record)| f(record));
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
        let (side, length) = self.nearest_vacancy(blocks, home)?;
        let near = neighbour(home, side, blocks);
        let mut target = (0..length).fold(near, |bucket, _| neighbour(bucket, side, blocks));
        let mut free = self.vacancy(target)?;
        while target != near {
            let source = neighbour(target, side.opposite(), blocks);
            let (slot, home) = self.movable(blocks, source, target)?;
            let (coord, record) = self.block_mut(source).take(source % BLOCK_BUCKETS, slot);
            self.count_displaced(blocks, home, source, -1);
            self.put(blocks, home, target, free, coord, record);
            (target, free) = (source, slot);
        }
        Some((near, free))
    }

    /// The side on which a vacancy is nearest, and how many buckets away from the neighbour on that side; with a record
    /// to pass on in each bucket on the way.
    fn nearest_vacancy(&self, blocks: usize, home: usize) -> Option<(Side, usize)> {
        let mut ends = SIDES.map(|side| (side, Some(neighbour(home, side, blocks))));
        for length in 1..LONGEST_PATH.min(blocks * BLOCK_BUCKETS) {
            for (side, end) in &mut ends {
                let Some(bucket) = *end else { continue };
                let next = neighbour(bucket, *side, blocks);
                self.prefetch_bucket(neighbour(next, *side, blocks));
                // Of a full bucket, all may move on but those that came from the bucket before.
                let before = neighbour(bucket, side.opposite(), blocks);
                let stuck = self.block(before).displaced(before % BLOCK_BUCKETS, *side);
                if stuck >= bucket_slots(bucket % BLOCK_BUCKETS) {
                    *end = None;
                } else if self.vacancy(next).is_some() {
                    return Some((*side, length));
                } else {
                    *end = Some(next);
                }
            }
        }
        None
    }

    /// A record in one bucket that may live in the neighbouring bucket `to`, as its slot and its home; one that has its
    /// home there if there is one.
    fn movable(&self, blocks: usize, from: usize, to: usize) -> Option<(usize, usize)> {
        let mut residents = self
            .block(from)
            .residents(from % BLOCK_BUCKETS)
            .map(|(slot, coord, _)| (slot, home(coord, blocks)));
        residents.clone().find(|&(_, home)| home == to).or_else(|| residents.find(|&(_, home)| home == from))
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
    pub(crate) fn fill(
        &mut self,
        blocks: usize,
        records: &mut Vec<(Coord, RecordRef)>,
    ) -> Vec<(Coord, RecordRef)> {
        for (index, block) in self.blocks.iter_mut().enumerate() {
            if index >= blocks {
                *block = BlockRef::none();
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
        displaced
            .into_iter()
            .filter_map(|(coord, record)| Some((coord, self.place(blocks, coord, record).err()?)))
            .collect()
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
            record.prefetch_value();
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
                record.prefetch_value();
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
mod tests;
