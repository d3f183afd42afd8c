//! Tests of segments.

use std::collections::HashMap;

use super::*;
use crate::record::{Parts, Payload};
use crate::value::Layout;

fn record(key: &[u8]) -> RecordRef {
    RecordRef::new(Parts {
        key,
        payload: Payload::Inline(Layout::Str, b""),
        expiry: None,
        access: 0,
        raw: false,
    })
}

fn segment(blocks: usize) -> Segment {
    let mut segment = Segment::empty();
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
