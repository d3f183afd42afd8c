//! Tests of blocks; also run under valgrind, as the README says.

use super::*;
use crate::record::{Parts, Payload};
use crate::value::Layout;

fn record(key: &[u8]) -> RecordRef {
    RecordRef::new(Parts {
        key,
        payload: Payload::Inline(Layout::Str, b"v"),
        expiry: None,
        access: 0,
        raw: false,
    })
}

fn block_mut(block: &mut BlockRef) -> &mut Block {
    block.make_mut().expect("a block")
}

/// All slots, with a different record in each.
fn full() -> BlockRef {
    let mut block = BlockRef::new();
    for bucket in 0..BLOCK_BUCKETS {
        for slot in 0..bucket_slots(bucket) {
            let coord = Coord::new((bucket * 1000 + slot * 257) % 8192);
            block_mut(&mut block).put(bucket, slot, coord, record(&[bucket as u8, slot as u8]));
        }
    }
    block
}

fn keys(block: &BlockRef) -> Vec<Vec<u8>> {
    block.get().expect("a block").records().map(|record| record.key().to_vec()).collect()
}

#[test]
fn coordinates_never_have_a_zero_tag_and_keep_their_order() {
    let coords: Vec<Coord> = (0..1 << COORD_BITS).map(Coord::new).collect();
    assert!(coords.iter().all(|coord| coord.tag() != 0));
    assert!(coords.is_sorted());
    for (bits, coord) in coords.iter().enumerate() {
        // Merging is what looking with one bit less of position gives.
        assert_eq!(coord.merged(false), Coord::new(bits >> 1));
        assert_eq!(coord.merged(true), Coord::new(1 << (COORD_BITS - 1) | bits >> 1));
    }
}

#[test]
fn slots_hold_what_was_put() {
    let mut block = full();
    assert_eq!(keys(&block).len(), BLOCK_SLOTS);
    for bucket in 0..BLOCK_BUCKETS {
        assert_eq!(block_mut(&mut block).vacancy(bucket), None);
        for slot in 0..bucket_slots(bucket) {
            let coord = Coord::new((bucket * 1000 + slot * 257) % 8192);
            let block = block_mut(&mut block);
            assert_eq!(block.record(bucket, slot).key(), [bucket as u8, slot as u8]);
            assert!(block.candidates(bucket, coord).any(|(found, _)| found == slot));
            assert!(block.residents(bucket).any(|(s, c, _)| (s, c) == (slot, coord)));
            let old = block.replace(bucket, slot, record(b"new"));
            assert_eq!(old.as_ptr().key(), [bucket as u8, slot as u8]);
            assert_eq!(block.take(bucket, slot).0, coord);
            assert_eq!(block.vacancy(bucket), Some(slot));
            block.put(bucket, slot, coord, old);
        }
    }
    let mut out = Vec::new();
    block_mut(&mut block).drain(&mut out);
    assert_eq!(out.len(), BLOCK_SLOTS);
    assert!(keys(&block).is_empty());
}

#[test]
fn matching_with_and_without_the_vector_unit_is_the_same() {
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..1000 {
        let mut bucket = Bucket {
            tags: [0; 8],
            tag8: rng.u8(..4),
            displaced: rng.u8(..),
            slot8_low: [rng.u8(..), rng.u8(..)],
            slot8_high: AtomicU32::new(rng.u32(..)),
            slots: [[rng.u8(..); 6]; 8],
        };
        bucket.tags.fill_with(|| rng.u8(..4));
        for tag in 0..5 {
            assert_eq!(bucket.matches(tag), bucket.matches_portably(tag));
        }
    }
}

#[test]
fn a_shared_block_is_copied_before_it_is_written() {
    let mut ours = full();
    let view = ours.clone();
    let before = keys(&view);
    block_mut(&mut ours).count_displaced(1, Side::Next, 1);
    drop(block_mut(&mut ours).take(2, 3));
    assert_eq!(keys(&view), before);
    assert_eq!(keys(&ours).len(), BLOCK_SLOTS - 1);
    assert!(!view.get().expect("a block").any_displaced(1));
    // The records are shared until one of the two goes.
    assert!(block_mut(&mut ours).record_mut(0, 0).is_none());
    drop(view);
    assert!(block_mut(&mut ours).record_mut(0, 0).is_some());
}

#[test]
fn a_clone_takes_back_that_a_reference_is_the_only_one() {
    let mut ours = full();
    let address = |block: &BlockRef| block.pointer().addr();
    let first = address(&ours);
    block_mut(&mut ours);
    assert_eq!(address(&ours), first);
    drop(ours.clone());
    block_mut(&mut ours);
    assert_eq!(address(&ours), first, "the only one again");
    let view = ours.clone();
    block_mut(&mut ours);
    assert_ne!(address(&ours), first);
    assert_eq!(address(&view), first);
}

#[test]
fn displacement_is_counted_to_each_side() {
    let mut block = BlockRef::new();
    let block = block_mut(&mut block);
    for _ in 0..BUCKET_SLOTS {
        block.count_displaced(3, Side::Next, 1);
    }
    block.count_displaced(3, Side::Previous, 1);
    assert_eq!((block.displaced(3, Side::Next), block.displaced(3, Side::Previous)), (BUCKET_SLOTS, 1));
    block.count_displaced(3, Side::Previous, -1);
    assert_eq!((block.displaced(3, Side::Next), block.displaced(3, Side::Previous)), (BUCKET_SLOTS, 0));
}

#[test]
#[should_panic(expected = "taken")]
fn the_reference_count_is_not_a_slot() {
    block_mut(&mut BlockRef::new()).put(0, BUCKET_SLOTS - 1, Coord::new(1), record(b"key"));
}

#[test]
fn views_may_go_on_other_threads() {
    let mut ours = full();
    for round in 0..20 {
        let view = ours.clone();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                assert_eq!(keys(&view).len(), BLOCK_SLOTS);
                drop(view);
            });
            let block = block_mut(&mut ours);
            let (coord, _) = block.take(round % BLOCK_BUCKETS, 0);
            block.put(round % BLOCK_BUCKETS, 0, coord, record(&[round as u8]));
        });
    }
}
