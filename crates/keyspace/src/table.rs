//! A table of records: the directory with what is counted over all of it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::block::COORD_BITS;
use crate::chunk::{At, Chunk, NEVER};
use crate::directory::Directory;
use crate::fields::TimedHashes;
use crate::hash::{Hasher, POSITION_BITS, POSITION_END, Position};
use crate::record::{RecordPtr, RecordRef};
use crate::segment::{Home, MAX_BLOCKS, first_coord};

/// What is counted over a whole table.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    /// Records.
    pub(crate) len: usize,
    /// Records with an expiry.
    pub(crate) timed: usize,
    /// Of all expiries. A u128 can't overflow: there are fewer than 2^64 of 64 bits.
    expiry_sum: u128,
    /// No later than any expiry. Atomic for the reason that a chunk's is.
    earliest: AtomicU64,
    /// Hashes with fields that expire.
    pub(crate) hashes: TimedHashes,
}

impl Totals {
    /// Keeps the books when a record's expiry changes, comes or goes.
    #[inline]
    pub(crate) fn note_expiry(&mut self, before: Option<u64>, after: Option<u64>) {
        if before == after {
            return;
        }
        if let Some(at) = before {
            self.timed -= 1;
            self.expiry_sum -= u128::from(at);
        }
        if let Some(at) = after {
            let earliest = self.earliest.get_mut();
            *earliest = if self.timed == 0 { at } else { at.min(*earliest) };
            self.timed += 1;
            self.expiry_sum += u128::from(at);
        }
    }

    /// Adds what is counted over another part of the same table.
    pub(crate) fn add(&mut self, mut other: Totals) {
        let earliest = self.earliest().into_iter().chain(other.earliest()).min();
        self.len += other.len;
        self.timed += other.timed;
        self.expiry_sum += other.expiry_sum;
        *self.earliest.get_mut() = earliest.unwrap_or(0);
        self.hashes.append(&mut other.hashes);
    }

    /// No later than any expiry; `None` when there is none.
    pub(crate) fn earliest(&self) -> Option<u64> {
        (self.timed > 0).then(|| self.earliest.load(Ordering::Relaxed))
    }

    /// The mean of all expiries.
    pub(crate) fn mean_expiry(&self) -> Option<u64> {
        (self.timed > 0).then(|| (self.expiry_sum / self.timed as u128) as u64)
    }
}

/// A place in the sweep that finds expired keys.
///
/// A default one starts at the beginning. It belongs to one database; with another one it does no harm but starts
/// anywhere.
#[derive(Debug, Clone, Default)]
pub struct ExpireCursor {
    position: u64,
    /// How much of hash space this sweep has been over.
    swept: u64,
}

/// See the module's documentation.
pub(crate) struct Table {
    pub(crate) directory: Directory,
    pub(crate) hasher: Hasher,
    pub(crate) totals: Totals,
    /// How many first bits all positions have in common: none, unless this is a part of a table.
    shared: u32,
}

impl Table {
    pub(crate) fn new(hasher: Hasher) -> Self {
        Self { directory: Directory::default(), hasher, totals: Totals::default(), shared: 0 }
    }

    /// A part of a table, for the positions with so many first bits in common, with room for so many keys.
    pub(crate) fn part(hasher: Hasher, shared: u32, keys: usize) -> Self {
        Self { directory: Directory::part(shared, keys), shared, ..Self::new(hasher) }
    }

    /// Puts all parts of a table together, which come in the order of their positions.
    pub(crate) fn join(hasher: Hasher, parts: impl Iterator<Item = Table>) -> Self {
        let mut whole = Self::new(hasher);
        let mut directories = Vec::new();
        for part in parts {
            directories.push(part.directory);
            whole.totals.add(part.totals);
        }
        whole.directory = Directory::join(directories);
        whole
    }

    #[inline]
    pub(crate) fn get(&self, position: Position, key: &[u8]) -> Option<RecordPtr<'_>> {
        find(&self.directory, position, key)
    }

    /// The home bucket of a position; asks for its cache line.
    #[inline]
    pub(crate) fn start(&self, position: Position) -> Option<Home<'_>> {
        let (segment, route) = self.directory.chunk(position)?.start(position);
        segment.start(route.blocks, route.coord)
    }

    /// Prefetches what a batch of operations will look at. Each stage asks for what the next one reads.
    pub(crate) fn prefetch_batch(&self, hashes: &[u64]) {
        /// As many as the processor has lines in flight, more or less, and the first ones are there for the next stage.
        const GROUP: usize = 32;
        for hashes in hashes.chunks(GROUP) {
            let mut routes = [None; GROUP];
            for (route, &hash) in routes.iter_mut().zip(hashes) {
                let position = Position::of_hash(hash);
                if let Some(chunk) = self.directory.chunk(position) {
                    *route = Some(chunk.start(position));
                }
            }
            let mut homes = [None; GROUP];
            for (home, route) in homes.iter_mut().zip(routes) {
                *home = route.and_then(|(segment, route)| segment.start(route.blocks, route.coord));
            }
            let mut elsewhere = [None; GROUP];
            for (elsewhere, home) in elsewhere.iter_mut().zip(homes) {
                *elsewhere = home.and_then(Home::prefetch_record);
            }
            for home in elsewhere.into_iter().flatten() {
                home.prefetch_displaced_record();
            }
        }
    }

    /// The chunk of a key, for writing, and the key's place there.
    #[inline]
    pub(crate) fn find_mut(&mut self, position: Position, key: &[u8]) -> Option<(usize, At)> {
        let index = self.directory.index(position)?;
        Some((index, self.directory.at(index).find(position, key)?.0))
    }

    /// Adds a record whose key is not there. Gives the index of its chunk and its place there.
    pub(crate) fn insert(&mut self, position: Position, mut record: RecordRef) -> (usize, At) {
        self.totals.note_expiry(None, record.as_ptr().expiry());
        self.totals.len += 1;
        if let Some(object) = record.as_ptr().object() {
            self.totals.hashes.note_value(record.as_ptr().key(), Some(object));
        }
        // Segments have no reason to be much deeper than even hashing would make them: a directory that colliding
        // keys could deepen at will would grow without bound.
        let even = (self.totals.len / 64).checked_ilog2().unwrap_or(0);
        let max_depth = self.shared + even + 8;
        loop {
            let index = self.directory.index(position).unwrap_or_else(|| self.directory.begin());
            match self.directory.chunk_mut(index).insert(position, record, max_depth, &self.hasher) {
                Ok(at) => return (index, at),
                Err(back) => {
                    record = back;
                    self.directory.split(index, position, &self.hasher);
                }
            }
        }
    }

    pub(crate) fn remove(&mut self, position: Position, key: &[u8]) -> Option<RecordRef> {
        let (index, at) = self.find_mut(position, key)?;
        let chunk = self.directory.chunk_mut(index);
        let record = chunk.remove(at);
        record.note_left(true);
        if chunk.tidy(at.segment()) {
            self.directory.merge(index, position);
        }
        self.totals.len -= 1;
        self.totals.note_expiry(record.as_ptr().expiry(), None);
        self.totals.hashes.note(key, None);
        if self.totals.len == 0 {
            self.directory = Directory::default();
        }
        Some(record)
    }

    /// Empties the table; gives what it had.
    pub(crate) fn take(&mut self) -> Directory {
        self.totals = Totals::default();
        std::mem::take(&mut self.directory)
    }

    /// A step of SCAN; see [`crate::Db::scan`].
    pub(crate) fn scan<'a>(&'a self, cursor: u64, count: usize, f: &mut dyn FnMut(RecordPtr<'a>)) -> u64 {
        let mut found = 0;
        // Empty stretches count a little, so that a call ends in a sparse table too.
        let mut budget = count.max(1).saturating_mul(10);
        let mut next = cursor;
        while let Some(position) = Position::new(next) {
            let Some(chunk) = self.directory.chunk(position) else { return 0 };
            next = self.scan_segment(chunk, position, count, &mut found, f);
            budget = budget.saturating_sub(1);
            if found >= count || budget == 0 {
                break;
            }
        }
        if next >= POSITION_END { 0 } else { next }
    }

    /// Goes over what one segment has from `from` on, bucket by bucket, until `count` records are found; gives the
    /// position to go on from.
    fn scan_segment<'a>(
        &'a self,
        chunk: &'a Chunk,
        from: Position,
        count: usize,
        found: &mut usize,
        f: &mut dyn FnMut(RecordPtr<'a>),
    ) -> u64 {
        let route = chunk.route(from);
        let segment = chunk.segment(route.segment);
        // Positions to a coordinate, and to the segment.
        let shift = POSITION_BITS - route.depth - COORD_BITS;
        let start = (from.prefix(route.depth) as u64) << (POSITION_BITS - route.depth);
        let mut end = start + (1 << (POSITION_BITS - route.depth));
        let from_coord = from.bits(route.depth, COORD_BITS);
        let buckets = route.blocks * crate::block::BLOCK_BUCKETS;
        for bucket in (from_coord * buckets) >> COORD_BITS..buckets {
            segment.for_home(route.blocks, bucket, from_coord, &mut |record| {
                *found += 1;
                f(record);
            });
            if *found >= count && bucket + 1 < buckets {
                // Coordinates with a zero tag count as their upper neighbour; a cursor between the two could, once the
                // segment has split, pass by keys that it still owes.
                let coord = first_coord(bucket + 1, route.blocks);
                let coord = if coord & 0xff == 1 { coord - 1 } else { coord };
                end = start + ((coord as u64) << shift);
                break;
            }
        }
        for record in chunk.spilled() {
            let position = self.hasher.position(record.as_ptr().key());
            if (from.get()..end).contains(&position.get()) {
                *found += 1;
                f(record.as_ptr());
            }
        }
        end
    }

    /// A record, each with the same chance.
    pub(crate) fn random(&self, rng: &mut fastrand::Rng) -> Option<RecordPtr<'_>> {
        /// More than a chunk holds, as a rule.
        const CHUNK_MAX: usize = 64 * MAX_BLOCKS * crate::block::BLOCK_SLOTS;
        /// Below this it is quicker to count.
        const FEW_CHUNKS: usize = 8;
        if self.totals.len == 0 {
            return None;
        }
        let chunks = self.directory.chunks();
        if chunks.len() > FEW_CHUNKS {
            // Draw positions, which find chunks by their share of hash space, and reject the more of them the emptier a
            // chunk is for its share.
            for _ in 0..64 {
                let position = Position::new(rng.u64(..POSITION_END))?;
                let chunk = self.directory.chunk(position)?;
                let shares = 1 << (self.directory.depth() - chunk.depth());
                let limit = CHUNK_MAX.max(chunk.len()) as u64 * shares;
                let index = rng.u64(..limit);
                // `shares` entries lead here, so a chunk as deep as the directory gets one chance for each record.
                let index = usize::try_from(index).ok()?;
                if index < chunk.len() {
                    return chunk.nth(index);
                }
            }
        }
        let mut index = rng.usize(..self.totals.len);
        for chunk in chunks {
            if index < chunk.len() {
                return chunk.nth(index);
            }
            index -= chunk.len();
        }
        None
    }

    /// A step of the sweep for expired keys; see [`crate::Db::due`].
    pub(crate) fn due<'a>(
        &'a self,
        now_ms: u64,
        cursor: &mut ExpireCursor,
        max_visits: usize,
        f: &mut dyn FnMut(RecordPtr<'a>),
    ) -> bool {
        if self.totals.earliest().is_none_or(|earliest| earliest > now_ms) {
            *cursor = ExpireCursor::default();
            return false;
        }
        let mut visits = 0;
        while cursor.swept < POSITION_END {
            if visits >= max_visits {
                return true;
            }
            let position = Position::new(cursor.position).unwrap_or(Position::START);
            let Some(chunk) = self.directory.chunk(position) else { break };
            let mut depth = chunk.depth();
            if chunk.earliest() <= now_ms {
                let route = chunk.route(position);
                visits += chunk.visit_due(route.segment, now_ms, &self.hasher, f);
                depth = route.depth;
            }
            // On to the end of what was looked at.
            let width = 1 << (POSITION_BITS - depth);
            let end = (position.get() & !(width - 1)) + width;
            if Position::new(end)
                .is_none_or(|next| next.prefix(chunk.depth()) != position.prefix(chunk.depth()))
            {
                chunk.refresh_earliest();
            }
            cursor.swept += end - position.get();
            cursor.position = end % POSITION_END;
        }
        cursor.swept = 0;
        let earliest = self.directory.chunks().iter().map(|chunk| chunk.earliest()).min().unwrap_or(NEVER);
        self.totals.earliest.store(earliest, Ordering::Relaxed);
        false
    }

    /// Walks all that the table promises; for tests.
    #[cfg(test)]
    pub(crate) fn check(&self) {
        self.directory.check(&self.hasher);
        let records: Vec<_> = Records::new(&self.directory, self.totals.len).collect();
        assert_eq!(records.len(), self.totals.len);
        let expiries: Vec<_> = records.iter().filter_map(|record| record.expiry()).collect();
        assert_eq!(expiries.len(), self.totals.timed);
        assert_eq!(expiries.iter().map(|&at| u128::from(at)).sum::<u128>(), self.totals.expiry_sum);
        assert!(expiries.iter().all(|&at| self.totals.earliest().is_some_and(|earliest| earliest <= at)));
        self.totals.hashes.check(records.iter().map(|record| (record.key(), record.object())));
    }
}

#[inline]
pub(crate) fn find<'a>(directory: &'a Directory, position: Position, key: &[u8]) -> Option<RecordPtr<'a>> {
    directory.chunk(position)?.find(position, key).map(|(_, record)| record)
}

/// All records of a directory. While one block is gone through, the records of the next are on their way to the cache.
pub(crate) struct Records<'a> {
    directory: &'a Directory,
    /// The block after the current one: chunk, and segment and block within it.
    chunk: usize,
    block: usize,
    current: Vec<RecordPtr<'a>>,
    upcoming: Vec<RecordPtr<'a>>,
    remaining: usize,
}

impl<'a> Records<'a> {
    pub(crate) fn new(directory: &'a Directory, len: usize) -> Self {
        let mut records =
            Self { directory, chunk: 0, block: 0, current: Vec::new(), upcoming: Vec::new(), remaining: len };
        records.advance();
        records.advance();
        records
    }

    /// Makes the upcoming records the current ones, and looks for the next that are upcoming.
    fn advance(&mut self) {
        std::mem::swap(&mut self.current, &mut self.upcoming);
        self.upcoming.clear();
        while let Some(chunk) = self.directory.chunks().get(self.chunk) {
            let Some(block) = self.next_block(chunk) else {
                // After the last block, the spill.
                self.upcoming.extend(chunk.spilled().iter().map(RecordRef::as_ptr));
                self.chunk += 1;
                self.block = 0;
                if self.upcoming.is_empty() { continue } else { break }
            };
            self.upcoming.extend(block.records());
            break;
        }
        self.upcoming.iter().for_each(|record| record.prefetch());
    }

    fn next_block(&mut self, chunk: &'a Chunk) -> Option<&'a crate::block::Block> {
        while self.block < 64 * MAX_BLOCKS {
            let index = self.block;
            self.block += 1;
            if let Some(block) = chunk.segment(index / MAX_BLOCKS).get(index % MAX_BLOCKS) {
                return Some(block);
            }
        }
        None
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = RecordPtr<'a>;

    fn next(&mut self) -> Option<RecordPtr<'a>> {
        loop {
            if let Some(record) = self.current.pop() {
                self.remaining -= 1;
                return Some(record);
            }
            if self.upcoming.is_empty() && self.chunk >= self.directory.chunks().len() {
                return None;
            }
            self.advance();
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}
