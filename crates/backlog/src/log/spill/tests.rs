use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::super::{MAX_BLOCK, MIN_BLOCK, Piece};
use super::*;

const BLOCK: u64 = MIN_BLOCK as u64;

fn bytes(at: Offset, len: usize) -> Vec<u8> {
    (at.0..).take(len).map(|position| (position.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

fn append(log: &mut Log, len: usize) {
    log.append(&bytes(log.end(), len));
}

/// What was handed over, as a file would have it.
#[derive(Default)]
struct Elsewhere(BTreeMap<u64, Vec<u8>>);

impl Elsewhere {
    fn write(&mut self, piece: &Piece) {
        self.0.insert(piece.start().0, piece.bytes().to_vec());
    }

    /// Reads from `from` to the end of what is held, or `None` if there is a hole.
    fn read(&self, from: Offset, to: Offset) -> Option<Vec<u8>> {
        let (mut at, mut found) = (from.0, Vec::new());
        while at < to.0 {
            let (start, piece) = self.0.range(..=at).next_back()?;
            let rest = piece.get((at - start) as usize..)?;
            if rest.is_empty() {
                return None;
            }
            at += rest.len() as u64;
            found.extend_from_slice(rest);
        }
        found.truncate(to.since(from) as usize);
        Some(found)
    }
}

#[test]
fn blocks_are_handed_over_in_order_and_once() {
    let mut log = Log::new(Offset(7), 0);
    append(&mut log, 10 * MIN_BLOCK + 100);
    let starts: Vec<u64> =
        std::iter::from_fn(|| log.hand_over(4 * BLOCK)).map(|piece| piece.start().0).collect();
    assert_eq!(starts, [0, 1, 2, 3, 4, 5].map(|block| 7 + block * BLOCK));
    assert_eq!((log.in_spill(), log.being_spilled()), (0, 6 * BLOCK));
    assert!(log.slices(Offset(7)).is_some(), "readable here until it is readable there");

    log.spilled(Offset(7 + 2 * BLOCK));
    assert_eq!((log.in_spill(), log.being_spilled()), (2 * BLOCK, 4 * BLOCK));
    assert_eq!((log.first(), log.first_in_memory()), (Offset(7), Offset(7 + 2 * BLOCK)));
    assert!(log.slices(Offset(7)).is_none() && log.covers(Offset(7)));
    log.spilled(Offset(u64::MAX));
    assert_eq!((log.in_spill(), log.being_spilled()), (6 * BLOCK, 0), "no more than was handed over");
}

#[test]
fn the_capacity_stays_in_memory() {
    let mut log = Log::new(Offset::ZERO, 4 * MIN_BLOCK);
    append(&mut log, 5 * MIN_BLOCK);
    assert_eq!(log.hand_over(0).map(|piece| piece.end()), Some(Offset(BLOCK)));
    assert!(log.hand_over(0).is_none());
}

#[test]
fn readers_let_go_of_the_spill() {
    let mut log = Log::new(Offset::ZERO, 0);
    append(&mut log, 10 * MIN_BLOCK);
    while log.hand_over(2 * BLOCK).is_some() {}
    log.spilled(log.end());
    let held = log.in_spill();
    log.trim(Some(Offset(100)));
    assert_eq!((log.first(), log.in_spill()), (Offset(100), held - 100));
    log.trim(Some(Offset(10)));
    assert_eq!(log.first(), Offset(100), "what was let go does not come back");
    log.trim(Some(log.first_in_memory()));
    assert!(log.in_spill() == 0 && !log.needs_spill());
}

#[test]
fn without_the_spill_memory_is_what_there_is() {
    let mut log = Log::new(Offset::ZERO, 0);
    append(&mut log, 10 * MIN_BLOCK);
    let first = log.hand_over(2 * BLOCK).expect("more than that");
    log.hand_over(2 * BLOCK).expect("and more");
    log.spilled(first.end());
    log.forget_spill();
    assert_eq!(log.first(), first.end(), "what was not confirmed is still here");
    log.spilled(Offset(5 * BLOCK));
    assert_eq!(log.first(), first.end(), "a late word changes nothing");
    assert_eq!(
        log.hand_over(2 * BLOCK).map(|piece| piece.start()),
        Some(first.end()),
        "a new one begins here"
    );
}

#[test]
fn taking_back_and_starting_over_end_the_spill() {
    for end in
        [|log: &mut Log| assert!(log.truncate(Offset(5 * BLOCK))), |log: &mut Log| log.restart(Offset(3))]
    {
        let mut log = Log::new(Offset::ZERO, 0);
        append(&mut log, 10 * MIN_BLOCK);
        let piece = log.hand_over(BLOCK).expect("much");
        log.spilled(piece.end());
        assert!(!log.truncate(Offset(3)), "not in memory");
        end(&mut log);
        assert!(!log.needs_spill());
        assert_eq!(log.first(), log.first_in_memory());
    }
}

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    HandOver(u64),
    /// The oldest piece under way is written.
    Written,
    Failed,
    /// Trims for a reader so far on from the oldest byte.
    Trim(Option<u64>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0usize..200_000).prop_map(Step::Append),
        6 => (0u64..200_000).prop_map(Step::HandOver),
        5 => Just(Step::Written),
        1 => Just(Step::Failed),
        3 => prop::option::weighted(0.8, 0u64..300_000).prop_map(Step::Trim),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever happens, the log and what was confirmed to be elsewhere are one run of the right bytes.
    #[test]
    fn nothing_is_lost_between_the_two(steps in prop::collection::vec(step(), 1..80), capacity in 0usize..100_000) {
        let mut log = Log::new(Offset(7), capacity);
        let (mut elsewhere, mut under_way) = (Elsewhere::default(), VecDeque::<Piece>::new());
        for step in steps {
            let first = log.first();
            match step {
                Step::Append(len) => append(&mut log, len),
                Step::HandOver(memory) => {
                    under_way.extend(std::iter::from_fn(|| log.hand_over(memory)));
                    let alone = log.end().since(log.first_in_memory()) - log.being_spilled();
                    prop_assert!(alone <= memory.max(capacity as u64) + MAX_BLOCK as u64, "{} bytes", alone);
                }
                Step::Written => if let Some(piece) = under_way.pop_front() {
                    elsewhere.write(&piece);
                    log.spilled(piece.end());
                    prop_assert_eq!(log.first(), first);
                },
                Step::Failed => {
                    under_way.clear();
                    elsewhere = Elsewhere::default();
                    log.forget_spill();
                    prop_assert!(!log.needs_spill());
                }
                Step::Trim(ahead) => log.trim(ahead.map(|ahead| Offset(first.0 + ahead))),
            }
            prop_assert!(log.first() >= first && log.first() <= log.first_in_memory());
            prop_assert_eq!(log.in_spill(), log.first_in_memory().since(log.first()));
            let (from, border) = (log.first(), log.first_in_memory());
            let Some(mut all) = elsewhere.read(from, border) else { panic!("a hole behind {from}") };
            all.extend(log.slices(border).expect("in memory").flatten());
            prop_assert!(all == bytes(from, log.len() as usize), "other bytes from {}", from);
        }
    }
}
