use proptest::prelude::*;

use super::*;

fn collect(log: &Log, from: Offset) -> Option<Vec<u8>> {
    Some(log.slices(from)?.flatten().copied().collect())
}

/// Bytes that tell where they stand: `len` of them from position `at` on.
fn bytes(at: Offset, len: usize) -> Vec<u8> {
    (at.0..).take(len).map(|position| (position.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

fn append(log: &mut Log, len: usize) {
    log.append(&bytes(log.end(), len));
}

#[test]
fn positions_count_the_bytes_before() {
    let mut log = Log::new(Offset::ZERO, 1 << 20);
    assert_eq!((log.first(), log.end(), log.len()), (Offset(0), Offset(0), 0));
    assert_eq!(
        collect(&log, Offset(0)),
        Some(vec![]),
        "at the end there is nothing more, but that is no error"
    );
    assert_eq!(collect(&log, Offset(1)), None);

    log.append(b"abc");
    assert_eq!((log.first(), log.end(), log.len()), (Offset(0), Offset(3), 3));
    // Byte number 3, which a peer that has applied two bytes asks for, is the one that follows position 2.
    assert_eq!(Offset::before_byte(3), Some(Offset(2)));
    assert_eq!(collect(&log, Offset(2)), Some(b"c".to_vec()));
    assert_eq!(collect(&log, Offset(0)), Some(b"abc".to_vec()));
    assert_eq!(collect(&log, Offset(4)), None);
}

#[test]
fn a_log_may_begin_anywhere() {
    let mut log = Log::new(Offset(1000), 1 << 20);
    assert!(log.is_empty() && log.covers(Offset(1000)));
    assert!(!log.covers(Offset(999)) && !log.covers(Offset(1001)));
    log.append(b"abc");
    assert_eq!(collect(&log, Offset(999)), None);
    assert_eq!(collect(&log, Offset(1001)), Some(b"bc".to_vec()));
}

#[test]
fn slices_are_whole_blocks_and_know_their_number() {
    let mut log = Log::new(Offset::ZERO, 0);
    append(&mut log, 5 * MIN_BLOCK + 10);
    let slices = log.slices(Offset(1)).expect("kept");
    assert_eq!(slices.len(), 6);
    let lengths: Vec<usize> = slices.clone().map(<[u8]>::len).collect();
    assert_eq!(lengths, [MIN_BLOCK - 1, MIN_BLOCK, MIN_BLOCK, MIN_BLOCK, MIN_BLOCK, 10]);
    // At a border between two blocks there is no empty slice.
    assert_eq!(log.slices(Offset(MIN_BLOCK as u64)).map(|slices| slices.len()), Some(5));
    assert_eq!(slices.flatten().copied().collect::<Vec<u8>>(), bytes(Offset(1), 5 * MIN_BLOCK + 9));
}

#[test]
fn trimming_keeps_the_capacity_and_what_readers_need() {
    let block = MIN_BLOCK as u64;
    let mut log = Log::new(Offset::ZERO, 2 * MIN_BLOCK);
    append(&mut log, 10 * MIN_BLOCK);
    log.trim(Some(Offset(3 * block + 1)));
    assert_eq!(log.first(), Offset(3 * block), "the reader's block is kept whole");
    log.trim(Some(Offset(3 * block)));
    assert_eq!(log.first(), Offset(3 * block), "a reader at the border still needs what follows");
    log.trim(None);
    assert_eq!(log.first(), Offset(8 * block), "exactly the capacity");
    append(&mut log, 1);
    log.trim(None);
    assert_eq!(log.first(), Offset(8 * block), "never less than the capacity");
    log.trim(Some(Offset(u64::MAX)));
    assert_eq!(log.first(), Offset(8 * block), "nor for a reader that claims to be ahead");
    log.set_capacity(0);
    log.trim(None);
    assert_eq!((log.first(), log.len()), (Offset(10 * block), 1), "the block that is being filled stays");
}

#[test]
fn the_steady_state_allocates_nothing() {
    let mut log = Log::new(Offset::ZERO, 4 * MIN_BLOCK);
    append(&mut log, 8 * MIN_BLOCK);
    log.trim(None);
    append(&mut log, 2 * MIN_BLOCK);
    log.trim(None);
    let settled = log.memory();
    for _ in 0..100 {
        append(&mut log, MIN_BLOCK / 3);
        log.trim(None);
        assert_eq!(log.memory(), settled);
    }
}

#[test]
fn a_burst_is_given_back() {
    let mut log = Log::new(Offset::ZERO, MIN_BLOCK);
    let mut reader = None;
    for _ in 0..200 {
        append(&mut log, MIN_BLOCK);
        log.trim(Some(*reader.get_or_insert(Offset::ZERO)));
    }
    assert!(log.memory() > 200 * MIN_BLOCK);
    log.trim(None);
    assert!(log.memory() < 10 * MIN_BLOCK, "{} bytes", log.memory());
}

#[test]
fn an_idle_log_occupies_nothing() {
    assert!(Log::new(Offset::ZERO, 1 << 30).memory() < 1024);
}

#[test]
fn restarting_forgets_everything() {
    let mut log = Log::new(Offset::ZERO, 1 << 20);
    append(&mut log, 1 << 20);
    log.restart(Offset(5));
    assert_eq!((log.first(), log.end(), log.len()), (Offset(5), Offset(5), 0));
    append(&mut log, 100_000);
    assert_eq!(collect(&log, Offset(6)), Some(bytes(Offset(6), 99_999)));
}

#[test]
fn block_sizes_follow_the_capacity() {
    let sizes = [0, 16 << 10, 1 << 20, (1 << 20) + 16, 10 << 20, 1 << 30, usize::MAX].map(block_size);
    assert_eq!(sizes.map(|size| size >> 10), [16, 16, 64, 128, 256, 256, 256]);
}

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    /// Trims for a reader so far behind the end.
    Trim(Option<u64>),
    SetCapacity(usize),
    Restart(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let append = prop_oneof![8 => 0usize..200, 4 => 0usize..40_000, 1 => 0usize..600_000];
    prop_oneof![
        10 => append.prop_map(Step::Append),
        4 => prop::option::of(0u64..300_000).prop_map(Step::Trim),
        1 => (0usize..3_000_000).prop_map(Step::SetCapacity),
        1 => (0u64..1000).prop_map(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The log holds what a plain vector holds, as far back as it promises.
    #[test]
    fn a_log_is_the_tail_of_a_vector(
        steps in prop::collection::vec(step(), 1..60),
        capacity in 0usize..200_000,
        probes in prop::collection::vec(0.0f64..=1.0, 4),
    ) {
        let mut log = Log::new(Offset(7), capacity);
        let (mut start, mut model) = (Offset(7), Vec::<u8>::new());
        let mut capacity = capacity as u64;
        for step in steps {
            let first_before = log.first();
            match step {
                Step::Append(len) => {
                    let piece = bytes(log.end(), len);
                    log.append(&piece);
                    model.extend_from_slice(&piece);
                    prop_assert_eq!(log.first(), first_before);
                }
                Step::Trim(behind) => {
                    let reader = behind.map(|behind| log.end().saturating_sub(behind));
                    log.trim(reader);
                    let promised = log.end().saturating_sub(capacity).min(reader.unwrap_or(Offset(u64::MAX)));
                    prop_assert!(log.first() <= promised.max(first_before));
                    prop_assert!(promised.since(log.first()) <= MAX_BLOCK as u64, "too much is kept");
                    prop_assert!(log.first() >= first_before);
                }
                Step::SetCapacity(to) => {
                    log.set_capacity(to);
                    capacity = to as u64;
                }
                Step::Restart(at) => {
                    log.restart(Offset(at));
                    (start, model) = (Offset(at), Vec::new());
                }
            }
            prop_assert_eq!(log.end(), Offset(start.0 + model.len() as u64));
            prop_assert_eq!(log.len(), log.end().since(log.first()));
            for probe in &probes {
                let from = Offset(start.0 + (probe * model.len() as f64) as u64);
                prop_assert_eq!(log.covers(from), from >= log.first());
                let expected = log.covers(from).then(|| model[from.since(start) as usize..].to_vec());
                if let Some(slices) = log.slices(from) {
                    prop_assert_eq!(slices.len(), slices.clone().count());
                    prop_assert!(slices.clone().all(|slice| !slice.is_empty()));
                }
                prop_assert!(collect(&log, from) == expected, "other bytes from {}", from);
            }
            prop_assert!(!log.covers(Offset(log.end().0 + 1)));
            prop_assert!(log.slices(Offset(log.end().0 + 1)).is_none());
            prop_assert!(log.memory() as u64 <= log.len() + (MAX_SPARE as u64 + 4) * MAX_BLOCK as u64);
        }
    }
}

#[test]
fn what_was_appended_last_can_be_taken_back() {
    let mut log = Log::new(Offset(100), 1 << 20);
    append(&mut log, 3 * MIN_BLOCK);
    for at in [3 * MIN_BLOCK, 3 * MIN_BLOCK - 1, 2 * MIN_BLOCK, 2 * MIN_BLOCK - 5, 7, 0] {
        let at = Offset(100 + at as u64);
        assert!(log.truncate(at));
        assert_eq!((log.first(), log.end()), (Offset(100), at));
        assert_eq!(collect(&log, Offset(100)), Some(bytes(Offset(100), at.since(Offset(100)) as usize)));
        let mut again = Log::new(at, 1 << 20);
        append(&mut again, 10);
        append(&mut log, 10);
        assert_eq!(collect(&log, at), collect(&again, at));
        assert!(log.truncate(at));
    }
    assert!(!log.truncate(Offset(99)) && !log.truncate(Offset(101)));
}
