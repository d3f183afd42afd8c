use super::*;

const DELAY: u64 = 5000;

fn planner(diskless: bool, diskless_max_replicas: usize) -> FullSyncPlanner<u32> {
    FullSyncPlanner::new(PlannerPolicy { diskless, diskless_delay_ms: DELAY, diskless_max_replicas })
}

fn candidate(replica: u32) -> Candidate<u32> {
    Candidate {
        replica,
        eof: true,
        channel: false,
        filter: SnapshotFilter::Everything,
        reader: Reader::UpTo(SnapshotForm::Redis10),
    }
}

/// A log that holds positions 100 to 200.
fn log() -> Log {
    let mut log = Log::new(Offset(100), 1 << 20);
    log.append(&[0; 100]);
    log
}

fn start(target: Target, replicas: &[u32]) -> Option<Start<u32>> {
    let at = Offset(200);
    Some(Start {
        target,
        filter: SnapshotFilter::Everything,
        form: SnapshotForm::Redis10,
        at,
        replicas: replicas.to_vec(),
    })
}

#[test]
fn a_diskless_snapshot_waits_for_company() {
    let mut planner = planner(true, 0);
    assert_eq!((planner.timeout(), planner.poll(0, Offset(200))), (None, None));
    assert_eq!(planner.arrive(1000, candidate(1), &log()), Placement::Queued);
    assert_eq!(planner.timeout(), Some(1000 + DELAY));
    assert_eq!(planner.arrive(3000, candidate(2), &log()), Placement::Queued);
    assert_eq!(planner.timeout(), Some(1000 + DELAY), "the delay counts from the first");
    assert_eq!(planner.poll(999 + DELAY, Offset(200)), None);
    assert_eq!(planner.poll(1000 + DELAY, Offset(200)), start(Target::Stream, &[1, 2]));
    assert_eq!((planner.timeout(), planner.waiting()), (None, 0));
}

#[test]
fn enough_company_ends_the_wait() {
    let mut planner = planner(true, 2);
    let _ = planner.arrive(0, candidate(1), &log());
    assert_eq!(planner.poll(0, Offset(200)), None);
    let _ = planner.arrive(10, candidate(2), &log());
    assert_eq!(planner.poll(10, Offset(200)), start(Target::Stream, &[1, 2]));
}

#[test]
fn a_snapshot_on_disk_begins_at_once() {
    let mut planner = planner(false, 0);
    let _ = planner.arrive(0, candidate(1), &log());
    assert_eq!(planner.poll(0, Offset(200)), start(Target::Disk, &[1]));
}

#[test]
fn one_that_does_not_know_the_mark_makes_it_a_file_for_all() {
    let mut planner = planner(true, 0);
    let _ = planner.arrive(0, candidate(1), &log());
    let _ = planner.arrive(10, Candidate { eof: false, ..candidate(2) }, &log());
    assert_eq!(
        planner.poll(10, Offset(200)),
        start(Target::Disk, &[1, 2]),
        "and there is nothing to wait for"
    );
}

#[test]
fn who_comes_late_shares_a_file_whose_log_is_kept() {
    let mut planner = planner(false, 0);
    let _ = planner.arrive(0, candidate(1), &log());
    let _ = planner.poll(0, Offset(200));
    assert_eq!(planner.arrive(1, candidate(2), &log()), Placement::Attached { at: Offset(200) });
    let trimmed = Log::new(Offset(201), 1 << 20);
    assert_eq!(planner.arrive(2, candidate(3), &trimmed), Placement::Queued, "it would miss a byte");
    let other = Candidate { filter: SnapshotFilter::Nothing, ..candidate(4) };
    assert_eq!(planner.arrive(3, other, &log()), Placement::Queued, "it wants something else");
    assert_eq!(planner.poll(1_000_000, Offset(200)), None, "one at a time");
    assert_eq!(planner.timeout(), None);
    assert_eq!(planner.finished(), [1, 2]);
    assert_eq!(
        planner.poll(1_000_000, Offset(200)),
        start(Target::Disk, &[3]),
        "the first in the queue decides"
    );
    assert_eq!(planner.waiting(), 1);
}

#[test]
fn what_is_streamed_cannot_be_joined() {
    let mut planner = planner(true, 1);
    let _ = planner.arrive(0, candidate(1), &log());
    assert!(planner.poll(0, Offset(200)).is_some());
    assert_eq!(planner.arrive(1, candidate(2), &log()), Placement::Queued);
    assert_eq!(planner.running().map(|running| running.replicas.clone()), Some(vec![1]));
    assert_eq!(planner.finished(), [1]);
    assert_eq!(planner.poll(1, Offset(200)), start(Target::Stream, &[2]));
}

#[test]
fn a_filtered_snapshot_is_streamed_to_those_who_want_it() {
    let mut planner = planner(false, 0);
    let filter = SnapshotFilter::FunctionsOnly;
    let _ = planner.arrive(0, Candidate { filter, ..candidate(1) }, &log());
    let _ = planner.arrive(0, candidate(2), &log());
    let expected = Start {
        target: Target::Stream,
        filter,
        form: SnapshotForm::Redis10,
        at: Offset(200),
        replicas: vec![1],
    };
    assert_eq!(planner.poll(DELAY, Offset(200)), Some(expected));
}

#[test]
fn a_snapshot_nobody_waits_for_any_more_can_be_cancelled() {
    let mut planner = planner(false, 0);
    assert!(!planner.leave(9), "there is no snapshot");
    let _ = planner.arrive(0, candidate(1), &log());
    let _ = planner.arrive(0, candidate(2), &log());
    assert!(!planner.leave(2));
    assert_eq!(planner.poll(0, Offset(200)), start(Target::Disk, &[1]));
    assert_eq!(planner.arrive(1, candidate(3), &log()), Placement::Attached { at: Offset(200) });
    assert!(!planner.leave(1));
    assert!(planner.leave(3));
    assert_eq!(planner.finished(), []);
    assert_eq!(planner.running(), None);
}

#[test]
fn who_asks_twice_is_served_once() {
    let mut planner = planner(false, 0);
    let _ = planner.arrive(0, candidate(1), &log());
    let _ = planner.arrive(5, candidate(1), &log());
    assert_eq!(planner.poll(5, Offset(200)), start(Target::Disk, &[1]));
}

/// Whom the next snapshot is for, in which form and where to.
fn next(planner: &mut FullSyncPlanner<u32>) -> Option<(Vec<u32>, SnapshotForm, Target)> {
    let start = planner.poll(DELAY, Offset(200))?;
    Some((start.replicas, start.form, start.target))
}

fn all_kinds(diskless: bool) -> FullSyncPlanner<u32> {
    use SnapshotForm::{Redis10, Redis12, Valkey80};
    let mut planner = planner(diskless, 0);
    let readers = [Reader::Keeper, Reader::UpTo(Valkey80), Reader::UpTo(Redis10), Reader::UpTo(Redis12)];
    for (replica, reader) in (1..).zip(readers) {
        let _ = planner.arrive(0, Candidate { reader, ..candidate(replica) }, &log());
    }
    let valkey = Candidate { reader: Reader::UpTo(Valkey80), ..candidate(5) };
    let _ = planner.arrive(0, valkey, &log());
    planner
}

#[test]
fn all_kinds_share_what_is_plain() {
    let mut planner = all_kinds(true);
    assert_eq!(next(&mut planner), Some((vec![1, 2, 3, 4, 5], SnapshotForm::Redis10, Target::Stream)));
    assert_eq!(planner.waiting(), 0);
}

#[test]
fn alone_each_kind_gets_the_best_it_reads() {
    let mut planner = planner(true, 0);
    for form in [SnapshotForm::Redis12, SnapshotForm::Valkey80, SnapshotForm::Redis11] {
        let _ = planner.arrive(0, Candidate { reader: Reader::UpTo(form), ..candidate(1) }, &log());
        assert_eq!(next(&mut planner), Some((vec![1], form, Target::Stream)));
        planner.finished();
    }
}

#[test]
fn fields_that_expire_part_the_families() {
    let mut planner = all_kinds(true);
    planner.set_plain(false);
    let stream = Target::Stream;
    assert_eq!(next(&mut planner), Some((vec![1, 2, 5], SnapshotForm::Valkey80, stream)));
    assert_eq!(next(&mut planner), None, "one at a time");
    planner.finished();
    assert_eq!(next(&mut planner), Some((vec![3], SnapshotForm::Redis10, stream)));
    planner.finished();
    assert_eq!(next(&mut planner), Some((vec![4], SnapshotForm::Redis12, stream)));
}

#[test]
fn a_file_is_for_most_readers_and_lacks_nothing() {
    let mut planner = planner(false, 0);
    let reader = Reader::UpTo(SnapshotForm::Valkey80);
    let _ = planner.arrive(0, Candidate { reader, ..candidate(1) }, &log());
    assert_eq!(next(&mut planner), Some((vec![1], SnapshotForm::Redis10, Target::Disk)));
    assert_eq!(planner.arrive(1, candidate(2), &log()), Placement::Attached { at: Offset(200) });
    planner.finished();
    planner.set_plain(false);
    let _ = planner.arrive(0, Candidate { reader, ..candidate(1) }, &log());
    let _ = planner.arrive(0, candidate(2), &log());
    assert_eq!(next(&mut planner), Some((vec![1], SnapshotForm::Valkey80, Target::Disk)));
    let keeper = Candidate { reader: Reader::Keeper, ..candidate(3) };
    assert_eq!(planner.arrive(1, keeper, &log()), Placement::Attached { at: Offset(200) });
    planner.finished();
    assert_eq!(next(&mut planner), Some((vec![2], SnapshotForm::Redis10, Target::Stream)), "never the dump");
}

#[test]
fn who_has_another_connection_for_the_stream_is_always_streamed_to() {
    let channel = |replica| Candidate { channel: true, ..candidate(replica) };
    let without_eof = |replica| Candidate { eof: false, ..candidate(replica) };
    let mut planner = planner(false, 0);
    let _ = planner.arrive(0, channel(1), &log());
    let _ = planner.arrive(0, without_eof(2), &log());
    let _ = planner.arrive(0, channel(3), &log());
    assert_eq!(planner.poll(DELAY, Offset(200)), start(Target::Stream, &[1, 3]));
    assert_eq!(planner.finished(), [1, 3]);
    assert_eq!(planner.poll(DELAY, Offset(200)), start(Target::Disk, &[2]));
    assert_eq!(planner.arrive(0, channel(4), &log()), Placement::Queued, "a file is not for it");
    assert_eq!(planner.finished(), [2]);
    let _ = planner.arrive(0, without_eof(5), &log());
    assert_eq!(planner.poll(DELAY, Offset(200)), start(Target::Stream, &[4]));
}

/// A snapshot that is being streamed to replica 1, and replica 2, who has come after it began.
fn late() -> FullSyncPlanner<u32> {
    let mut planner = planner(true, 0);
    let _ = planner.arrive(0, candidate(1), &log());
    assert_eq!(planner.poll(DELAY, Offset(200)), start(Target::Stream, &[1]));
    assert_eq!(planner.arrive(DELAY, candidate(2), &log()), Placement::Queued);
    planner
}

#[test]
fn who_comes_late_joins_a_streamed_snapshot_by_the_side() {
    let mut planner = late();
    assert_eq!(planner.join(2 * DELAY - 1, Offset(300), 1000), None, "more may come");
    assert_eq!(planner.join(2 * DELAY, Offset(1201), 1000), None, "too much was written since");
    assert!(planner.is_due(2 * DELAY) && planner.poll(2 * DELAY, Offset(1201)).is_none(), "one at a time");
    assert_eq!(planner.join(2 * DELAY, Offset(1200), 1000), start(Target::Stream, &[2]));
    assert_eq!(planner.waiting(), 0);
    assert!(planner.leave(1), "the newcomer does not keep the first one alive");
    assert_eq!(planner.finished(), []);
}

#[test]
fn a_snapshot_that_does_not_suit_is_not_joined() {
    let join = |planner: &mut FullSyncPlanner<u32>| planner.join(9 * DELAY, Offset(300), 1000);
    let other = Candidate { filter: SnapshotFilter::FunctionsOnly, ..candidate(2) };
    for candidate in [other, Candidate { eof: false, ..candidate(2) }] {
        let mut planner = late();
        let _ = planner.arrive(DELAY, candidate, &log());
        assert_eq!(join(&mut planner), None, "{candidate:?}");
    }
    let mut sealed = late();
    sealed.seal();
    assert_eq!(join(&mut sealed), None, "another history");

    // One that lacks when fields expire, made for a replica that does not know it.
    for plain in [true, false] {
        let mut planner = planner(true, 0);
        planner.set_plain(plain);
        let _ = planner.arrive(0, candidate(1), &log());
        assert!(planner.poll(DELAY, Offset(200)).is_some());
        planner.set_plain(true);
        let knows = Candidate { reader: Reader::UpTo(SnapshotForm::Valkey80), ..candidate(2) };
        let _ = planner.arrive(DELAY, knows, &log());
        assert_eq!(join(&mut planner).is_some(), plain);
    }
}

#[test]
fn there_is_room_for_so_many() {
    let mut planner = planner(true, 0);
    for replica in 1..=4 {
        let _ = planner.arrive(0, candidate(replica), &log());
    }
    planner.set_room(0);
    assert_eq!((planner.poll(DELAY, Offset(200)), planner.is_due(DELAY)), (None, false));
    planner.set_room(2);
    assert_eq!(planner.poll(DELAY, Offset(200)), start(Target::Stream, &[1, 2]));
    planner.set_room(1);
    assert_eq!(planner.join(DELAY, Offset(200), 0), start(Target::Stream, &[3]));
    planner.set_room(0);
    assert_eq!(planner.join(DELAY, Offset(200), 0), None);
    // A file is for everybody: who gets it when is another matter.
    planner.finished();
    planner.set_policy(PlannerPolicy { diskless: false, ..PlannerPolicy::default() });
    for replica in [5, 6] {
        let _ = planner.arrive(0, candidate(replica), &log());
    }
    assert_eq!(planner.poll(0, Offset(200)), start(Target::Disk, &[4, 5, 6]));
}

#[test]
fn a_form_that_would_lose_something_by_now_is_not_kept_to() {
    let mut planner = planner(true, 0);
    let lower = Candidate { reader: Reader::UpTo(SnapshotForm::Redis11), ..candidate(1) };
    let _ = planner.arrive(0, lower, &log());
    planner.set_plain(false);
    planner.set_reader(1, Reader::UpTo(SnapshotForm::Valkey80));
    planner.set_reader(2, Reader::Keeper);
    let form = planner.poll(DELAY, Offset(200)).map(|start| start.form);
    assert_eq!(form, Some(SnapshotForm::Valkey80));
}
