//! Drawing some records of a table for eviction to choose from.
//!
//! A draw begins at a random position and takes whole buckets from there on, as they lie: the records of a bucket are fetched
//! together, and the keys in it have nothing in common but bits of their hashes. Where only records with an expiry count, segments
//! and chunks without any are passed over by what they know of themselves.

use crate::block::{BLOCK_BUCKETS, COORD_BITS};
use crate::chunk::{Chunk, NEVER};
use crate::hash::{POSITION_BITS, POSITION_END, Position};
use crate::record::{RecordPtr, RecordRef};
use crate::table::Table;

/// What is drawn, and what has been.
struct Draw<'f, 'a> {
    /// Only records with an expiry count.
    timed: bool,
    want: usize,
    found: usize,
    f: &'f mut dyn FnMut(RecordPtr<'a>),
}

impl<'a> Draw<'_, 'a> {
    fn take(&mut self, record: RecordPtr<'a>) {
        if !self.timed || record.expiry().is_some() {
            self.found += 1;
            (self.f)(record);
        }
    }

    fn is_enough(&self) -> bool {
        self.found >= self.want
    }

    /// Takes the buckets of one segment, from the one of a position on and around, until there are enough.
    fn take_segment(&mut self, table: &Table, chunk: &'a Chunk, at: Position) {
        let route = chunk.route(at);
        if self.timed && chunk.timed(route.segment) == 0 {
            return;
        }
        if chunk.segment_len(route.segment) > 0 {
            let segment = chunk.segment(route.segment);
            let buckets = route.blocks * BLOCK_BUCKETS;
            let first = (at.bits(route.depth, COORD_BITS) * buckets) >> COORD_BITS;
            for bucket in (first..buckets).chain(0..first) {
                segment.for_bucket(bucket, &mut |record| self.take(record));
                if self.is_enough() {
                    return;
                }
            }
        }
        for record in chunk.spilled().iter().map(RecordRef::as_ptr) {
            let position = table.hasher.position(record.key());
            if chunk.route(position).segment == route.segment {
                self.take(record);
            }
        }
    }
}

/// Calls `f` with about `want` records, at least one if there is one; see [`crate::Db::sample`].
pub(crate) fn sample<'a>(
    table: &'a Table,
    rng: &mut fastrand::Rng,
    want: usize,
    timed: bool,
    f: &mut dyn FnMut(RecordPtr<'a>),
) -> usize {
    let there = if timed { table.totals.timed } else { table.totals.len };
    let mut draw = Draw { timed, want: want.min(there), found: 0, f };
    let mut position = rng.u64(..POSITION_END);
    let mut passed = 0;
    // Once around hash space at most; a little more, since it begins in the middle of a segment.
    while !draw.is_enough() && passed <= POSITION_END {
        let Some(at) = Position::new(position) else { break };
        let Some(chunk) = table.directory.chunk(at) else { break };
        let mut depth = chunk.depth();
        if chunk.len() > 0 && !(timed && chunk.earliest() == NEVER) {
            depth = chunk.route(at).depth;
            draw.take_segment(table, chunk, at);
        }
        // On to the end of what was looked at.
        let width = 1 << (POSITION_BITS - depth);
        let end = (position & !(width - 1)) + width;
        passed += end - position;
        position = end % POSITION_END;
    }
    draw.found
}
