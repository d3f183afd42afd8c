use std::collections::HashMap;

use super::*;
use crate::action::Completion;
use crate::snapshot::SnapshotWriter;
use crate::testing::Fixture;

/// What a driver would have under way: snapshots that are streamed, with what they may hand over.
#[derive(Default)]
struct Driver {
    streams: HashMap<JobId, SaveJob>,
    files: Vec<JobId>,
    credits: HashMap<JobId, u32>,
    cancelled: Vec<JobId>,
    begun: Vec<JobId>,
}

impl Driver {
    fn take(&mut self, node: &mut Fixture) {
        for action in node.actions() {
            match action {
                Action::Save(job) => {
                    self.begun.push(job.id);
                    self.streams.insert(job.id, *job);
                }
                Action::SendFile { job, .. } => self.files.push(job),
                Action::Credit { job, chunks } => *self.credits.entry(job).or_default() += chunks,
                Action::Cancel(job) => self.cancelled.push(job),
                _ => {}
            }
        }
    }

    /// Hands chunks over, as many as there is credit for; gives how many those were.
    fn feed(&mut self, node: &mut Fixture, job: JobId) -> u32 {
        self.take(node);
        let credits = self.credits.remove(&job).unwrap_or(0);
        for _ in 0..credits {
            node.complete(job, Completion::Chunk(Bytes::from(vec![b'c'; CHUNK])));
        }
        self.take(node);
        credits
    }
}

fn master(options: &[&str]) -> (Fixture, Driver) {
    let mut all = vec!["--repl-diskless-sync-delay", "0"];
    all.extend(options);
    (Fixture::with(&all), Driver::default())
}

/// The bytes of a snapshot, but for the first.
fn encoded(job: &SaveJob, skip: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (view, header, options) = (job.view.clone(), job.header.clone(), job.options.clone());
    let writer = SnapshotWriter::new(view, header, options, Arc::default()).skipping(skip);
    writer.run(&mut |chunk, _| {
        bytes.extend_from_slice(&chunk);
        true
    });
    bytes
}

#[test]
fn the_same_view_is_encoded_to_the_same_bytes() {
    let (mut node, mut driver) = master(&["--maxmemory-policy", "allkeys-lfu"]);
    for number in 0..3000 {
        let number = number.to_string();
        node.run(&["SET", &format!("string:{number}"), &number.repeat(20), "EX", "1000"]);
        node.run(&["HSET", "hash", &number, &number]);
        node.run(&["SADD", "set", &format!("member:{number}")]);
        node.run(&["ZADD", "zset", &number, &number]);
        node.run(&["RPUSH", "list", &number]);
        node.run(&["XADD", "stream", "*", "field", &number]);
    }
    arrive(&mut node, "7001");
    step(&mut node, &mut driver);
    let job = &driver.streams[&driver.begun[0]];
    let whole = encoded(job, 0);
    for number in 0..3000 {
        // Reading leaves traces in what the view shares with the present, and so does writing.
        node.run(&["GET", &format!("string:{number}")]);
        node.run(&["DEL", &format!("string:{}", number / 2)]);
        node.run(&["HSET", "hash", &number.to_string(), "other"]);
    }
    assert!(whole.len() > 3 * CHUNK);
    assert!(encoded(job, 0) == whole);
    for skip in [1, CHUNK, CHUNK + 1, 2 * CHUNK - 7, whole.len() - 1, whole.len(), whole.len() + 1] {
        assert!(encoded(job, skip as u64)[..] == whole[skip.min(whole.len())..], "without {skip} bytes");
    }
}

/// A snapshot begins when there are two for it.
const TWO_TOGETHER: [&str; 4] = ["--repl-diskless-sync-delay", "5", "--repl-diskless-sync-max-replicas", "2"];

fn arrive(node: &mut Fixture, port: &str) -> ConnId {
    let replica = node.client();
    node.run_on(replica, &["REPLCONF", "listening-port", port, "capa", "eof", "capa", "psync2"]);
    node.input(replica, &["PSYNC", "?", "-1"]);
    replica
}

/// A moment later.
fn step(node: &mut Fixture, driver: &mut Driver) {
    node.advance_ms(100);
    driver.take(node);
}

fn finish(node: &mut Fixture, driver: &mut Driver, job: JobId) {
    node.complete(job, Completion::Saved(Ok(SaveReport { bytes: 0, keys: 0 })));
    driver.take(node);
}

fn read_all(node: &mut Fixture, conn: ConnId) -> String {
    let mut all = String::new();
    loop {
        let some = node.read_from(conn);
        if some.is_empty() {
            return all;
        }
        all.push_str(&some);
    }
}

fn phase(node: &Fixture, conn: ConnId) -> Option<Phase> {
    Some(node.node.session(conn)?.replica.as_ref()?.state.phase())
}

#[test]
fn who_comes_late_shares_the_view_and_the_position() {
    let (mut node, mut driver) = master(&[]);
    node.run(&["SET", "before", "1"]);
    let early = arrive(&mut node, "7001");
    step(&mut node, &mut driver);
    let (at, first) = (node.log_end(), driver.begun[0]);
    assert!(read_all(&mut node, early).starts_with("+FULLRESYNC"));
    driver.feed(&mut node, first);

    node.run(&["SET", "between", "2"]);
    let late = arrive(&mut node, "7002");
    step(&mut node, &mut driver);
    assert_eq!(driver.begun.len(), 2, "another pass");
    let pass = driver.begun[1];
    assert_eq!(
        (driver.streams[&pass].skip, driver.streams[&pass].view.db(0).len()),
        (0, 1),
        "of the same view"
    );
    assert_eq!(node.node.stats.forks, 1);
    let announced = read_all(&mut node, late);
    assert!(announced.contains(&format!(" {}\r\n$EOF:", at.0)), "{announced}");

    // The end of the one is not that of the other.
    finish(&mut node, &mut driver, first);
    read_all(&mut node, early);
    assert_eq!(phase(&node, late), Some(Phase::Transfer));
    assert!(driver.feed(&mut node, pass) > 0);
    finish(&mut node, &mut driver, pass);
    read_all(&mut node, late);
    for replica in [early, late] {
        node.input(replica, &["REPLCONF", "ACK", "0"]);
        let stream = read_all(&mut node, replica);
        assert!(stream.contains("between") && !stream.contains("before"), "{stream}");
    }
    assert!(driver.cancelled.is_empty() && node.node.replication.transfers.is_empty());
}

#[test]
fn too_much_written_since_makes_a_new_view_and_nobody_waits() {
    let options = ["--repl-backlog-size", "16384", "--repl-sync-memory-limit", "0", "--save", ""];
    let (mut node, mut driver) = master(&options);
    let early = arrive(&mut node, "7001");
    step(&mut node, &mut driver);
    let first = driver.begun[0];
    node.run(&["SET", "large", &"v".repeat(30_000)]);
    let late = arrive(&mut node, "7002");
    let end = node.log_end();
    step(&mut node, &mut driver);
    assert_eq!(node.node.stats.forks, 2);
    assert!(read_all(&mut node, late).contains(&format!(" {}\r\n", end.0)));
    assert_eq!(phase(&node, early), Some(Phase::Transfer), "it goes on");
    // Its end, and that of its replica, are its own affair.
    finish(&mut node, &mut driver, first);
    read_all(&mut node, early);
    assert_eq!(phase(&node, early), Some(Phase::AwaitAck));
    node.eof(early);
    driver.take(&mut node);
    assert_eq!(phase(&node, late), Some(Phase::Transfer));
    assert!(driver.cancelled.is_empty());
    node.eof(late);
    driver.take(&mut node);
    assert_eq!(driver.cancelled, [driver.begun[1]]);
}

#[test]
fn a_slow_one_does_not_hold_others_up_for_ever() {
    let (mut node, mut driver) = master(&TWO_TOGETHER);
    let (fast, slow) = (arrive(&mut node, "7001"), arrive(&mut node, "7002"));
    step(&mut node, &mut driver);
    let first = driver.begun[0];
    let (mut chunks, mut steps) = (0, 0);
    while driver.begun.len() == 1 {
        chunks += driver.feed(&mut node, first);
        read_all(&mut node, fast);
        step(&mut node, &mut driver);
        steps += 1;
        assert!(steps < 40, "it is never parted");
    }
    assert!(steps >= 20, "parted after {steps} steps");
    assert_eq!(chunks as usize, WINDOW / CHUNK - 1, "a window, less what the header took of it");
    let pass = driver.begun[1];
    assert_eq!(driver.streams[&pass].skip as usize, chunks as usize * CHUNK, "it gets what it has not");
    assert!(driver.feed(&mut node, first) > 0 && driver.feed(&mut node, pass) == 0);

    finish(&mut node, &mut driver, first);
    read_all(&mut node, fast);
    assert_eq!(phase(&node, fast), Some(Phase::AwaitAck));
    let mut got = read_all(&mut node, slow);
    assert!(driver.feed(&mut node, pass) > 0);
    finish(&mut node, &mut driver, pass);
    got.push_str(&read_all(&mut node, slow));
    let header = got.find("$EOF:").expect("a header");
    let mark = &got[header + 5..header + 45];
    assert!(got.ends_with(mark), "the end that was announced");
    assert_eq!(phase(&node, slow), Some(Phase::AwaitAck));
}

#[test]
fn when_those_who_are_fast_have_gone_the_slow_one_goes_on() {
    let (mut node, mut driver) = master(&TWO_TOGETHER);
    let (fast, slow) = (arrive(&mut node, "7001"), arrive(&mut node, "7002"));
    step(&mut node, &mut driver);
    let first = driver.begun[0];
    for _ in 0..30 {
        driver.feed(&mut node, first);
        read_all(&mut node, fast);
        step(&mut node, &mut driver);
    }
    node.eof(fast);
    driver.take(&mut node);
    assert_eq!(driver.cancelled, [first]);
    assert!(node.node.persistence.current.is_none());
    read_all(&mut node, slow);
    assert!(driver.feed(&mut node, driver.begun[1]) > 0);
}

#[test]
fn no_more_are_streamed_to_at_a_time_than_wanted() {
    let (mut node, mut driver) = master(&["--repl-sync-max-transfers", "2"]);
    let replicas = ["7001", "7002", "7003"].map(|port| arrive(&mut node, port));
    for _ in 0..3 {
        step(&mut node, &mut driver);
    }
    let waiting = |node: &Fixture| {
        replicas.iter().filter(|&&conn| phase(node, conn) == Some(Phase::WaitSnapshot)).count()
    };
    assert_eq!(waiting(&node), 1);
    let done = driver.begun[0];
    finish(&mut node, &mut driver, done);
    for replica in replicas {
        read_all(&mut node, replica);
    }
    step(&mut node, &mut driver);
    step(&mut node, &mut driver);
    assert_eq!(waiting(&node), 0, "its turn has come");
}

#[test]
fn a_file_flows_to_no_more_at_a_time_than_wanted() {
    let (mut node, mut driver) = master(&["--repl-diskless-sync", "no", "--repl-sync-max-transfers", "1"]);
    let replicas = ["7001", "7002"].map(|port| arrive(&mut node, port));
    step(&mut node, &mut driver);
    let save = driver.begun[0];
    node.complete(save, Completion::Saved(Ok(SaveReport { bytes: 100, keys: 0 })));
    step(&mut node, &mut driver);
    assert_eq!(driver.files.len(), 2, "both have it open");
    assert_eq!(replicas.map(|conn| phase(&node, conn)), [Some(Phase::Transfer), Some(Phase::Announced)]);
    assert!(driver.credits.contains_key(&driver.files[0]) && !driver.credits.contains_key(&driver.files[1]));
    node.advance_ms(120_000);
    assert_eq!(phase(&node, replicas[0]), None, "silent for too long");
    assert_eq!(
        phase(&node, replicas[1]),
        Some(Phase::Transfer),
        "who waits may be silent; now it is its turn"
    );
    assert!(driver.feed(&mut node, driver.files[1]) > 0);
}

#[test]
fn payloads_flow_no_faster_than_wanted() {
    let cases: [(&[&str], u64); 3] = [
        (&["--repl-sync-bandwidth", "1mb"], 500_000),
        (&["--repl-sync-bandwidth-per-replica", "1mb"], 1_000_000),
        (&["--repl-sync-bandwidth", "1kb"], 32_768),
    ];
    for (options, expected) in cases {
        let (mut node, mut driver) = master(&[options, &TWO_TOGETHER].concat());
        let replicas = ["7001", "7002"].map(|port| arrive(&mut node, port));
        step(&mut node, &mut driver);
        let job = driver.begun[0];
        let mut bytes = 0;
        for _ in 0..100 {
            bytes += u64::from(driver.feed(&mut node, job)) * CHUNK as u64;
            for replica in replicas {
                read_all(&mut node, replica);
            }
            step(&mut node, &mut driver);
        }
        let rate = bytes / 10;
        assert!(rate > expected * 8 / 10 && rate < expected * 13 / 10, "{options:?}: {rate} bytes a second");
    }
}

#[test]
fn the_bucket_does_not_fill_up_without_end() {
    let mut bucket = Bucket::default();
    assert_eq!(bucket.chunks(0, 1, 0), u32::MAX);
    assert_eq!(bucket.chunks(10 << 20, CHUNK as u64, 3_600_000), 32, "a fifth of a second");
    bucket.take(64 << 20);
    assert_eq!(bucket.chunks(10 << 20, CHUNK as u64, 3_601_000), 0, "too much has flown");
    assert!(bucket.chunks(u64::MAX, CHUNK as u64, u64::MAX) > 0);
}
