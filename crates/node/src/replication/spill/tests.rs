use std::collections::BTreeMap;

use super::*;
use crate::action::{Completion, SaveReport};
use crate::testing::Fixture;

/// A disk that keeps what it is told to, as long as it works.
#[derive(Default)]
struct Disk {
    job: Option<JobId>,
    pieces: BTreeMap<u64, Vec<u8>>,
    ended: bool,
    broken: bool,
}

impl Disk {
    /// Does what the node has asked for, until it asks for nothing more.
    fn work(&mut self, node: &mut Fixture) {
        loop {
            let actions = node.actions();
            if actions.is_empty() {
                return;
            }
            for action in actions {
                self.act(node, action);
            }
            node.node.before_write(node.now);
        }
    }

    fn act(&mut self, node: &mut Fixture, action: Action) {
        match action {
            Action::BeginSpill { job, .. } => {
                assert!(self.job.is_none_or(|_| self.ended), "one at a time");
                *self = Disk { job: Some(job), broken: self.broken, ..Disk::default() };
            }
            Action::Spill { job, piece } if Some(job) == self.job => {
                let result = match self.broken {
                    true => Err("no space left".to_owned()),
                    false => Ok(piece.end()),
                };
                self.pieces.insert(piece.start().0, piece.bytes().to_vec());
                node.complete(job, Completion::Spilled(result));
            }
            Action::ReadSpill { job, conn, from, len } if Some(job) == self.job => {
                let (start, piece) = self.pieces.range(..=from.0).next_back().expect("it was written");
                let rest = &piece[(from.0 - start) as usize..];
                let bytes = Bytes::copy_from_slice(&rest[..rest.len().min(len)]);
                let result = if self.broken { Err("cannot read".to_owned()) } else { Ok(bytes) };
                node.complete(job, Completion::SpillRead { conn, from, result });
            }
            Action::TrimSpill { before, .. } => {
                self.pieces.retain(|start, piece| start + piece.len() as u64 > before.0);
            }
            Action::Cancel(job) if Some(job) == self.job => self.ended = true,
            _ => {}
        }
    }
}

fn master(options: &[&str]) -> Fixture {
    let mut all = vec![
        "--repl-backlog-size",
        "16384",
        "--repl-diskless-sync-delay",
        "0",
        "--repl-sync-memory-limit",
        "50000",
    ];
    all.extend(options);
    Fixture::with(&all)
}

fn greet(node: &mut Fixture, port: &str) -> ConnId {
    let replica = node.client();
    node.run_on(replica, &["REPLCONF", "listening-port", port, "capa", "eof", "capa", "psync2"]);
    replica
}

/// A replica whose snapshot is being made, and the job that makes it.
fn syncing(node: &mut Fixture, port: &str) -> (ConnId, JobId) {
    let replica = greet(node, port);
    node.run_on(replica, &["PSYNC", "?", "-1"]);
    node.advance_ms(100);
    let saves = node.saves();
    assert_eq!(saves.len(), 1, "a snapshot begins");
    (replica, saves[0].id)
}

/// The snapshot is complete, and the replica has loaded it.
fn loaded(node: &mut Fixture, replica: ConnId, save: JobId) {
    node.complete(save, Completion::Saved(Ok(SaveReport { bytes: 0, keys: 0 })));
    read_all(node, replica);
    node.input(replica, &["REPLCONF", "ACK", "0"]);
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

/// Writes so many kilobytes and lets the disk work.
fn write(node: &mut Fixture, disk: &mut Disk, kilobytes: usize) {
    let value = "v".repeat(1000);
    for number in 0..kilobytes {
        node.run(&["SET", &format!("key:{number}"), &value]);
    }
    disk.work(node);
    node.advance_ms(100);
    disk.work(node);
}

fn field(node: &mut Fixture, name: &str) -> u64 {
    let info = node.run(&["INFO", "replication"]);
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {info}"))
}

fn is_there(node: &mut Fixture, port: &str) -> bool {
    node.run(&["INFO", "replication"]).contains(&format!(",port={port},"))
}

#[test]
fn what_is_written_during_a_synchronisation_goes_through_the_spill() {
    // A limit far below what is written: it does not hold before the replica has come up to the stream.
    let mut node = master(&["--client-output-buffer-limit", "replica 20000 0 0"]);
    let mut disk = Disk::default();
    let (replica, save) = syncing(&mut node, "7001");
    let base = node.log_end();
    write(&mut node, &mut disk, 900);
    assert!(field(&mut node, "repl_spill_bytes") > 800_000);
    assert!(node.node.replication.log.memory() < 300_000);
    assert_eq!(field(&mut node, "repl_spill_written_bytes"), field(&mut node, "repl_spill_bytes"));

    loaded(&mut node, replica, save);
    disk.work(&mut node);
    let mut stream = String::new();
    while stream.len() < node.log_end().since(base) as usize {
        let some = read_all(&mut node, replica);
        assert!(!some.is_empty(), "it stops after {} bytes", stream.len());
        stream.push_str(&some);
        node.node.before_write(node.now);
        disk.work(&mut node);
        if stream.len() > 500_000 && stream.len() < 600_000 {
            // More is written while it reads what was written before.
            write(&mut node, &mut disk, 100);
        }
    }
    let sets = stream.matches("$3\r\nSET\r\n").count();
    assert_eq!(sets, 1000, "each write once, in whatever it was kept");
    assert!(stream.find("key:0\r\n") < stream.find("key:1\r\n"));

    node.advance_ms(100);
    disk.work(&mut node);
    assert!(field(&mut node, "repl_spill_bytes") > 0, "it has not acknowledged: it might come back for it");
    let end = node.log_end().0.to_string();
    node.input(replica, &["REPLCONF", "ACK", &end]);
    node.advance_ms(100);
    disk.work(&mut node);
    assert_eq!(field(&mut node, "repl_spill_bytes"), 0);
    assert!(disk.ended, "the files are given up");

    write(&mut node, &mut disk, 100);
    assert!(!is_there(&mut node, "7001"), "from here on the limit holds");
    assert_eq!(field(&mut node, "repl_sync_dropped_replicas"), 0);
}

#[test]
fn a_disk_that_fails_costs_the_replica_and_nothing_else() {
    let mut node = master(&[]);
    let mut disk = Disk { broken: true, ..Disk::default() };
    let (early, save) = syncing(&mut node, "7001");
    loaded(&mut node, early, save);
    let (_, save) = syncing(&mut node, "7002");
    for _ in 0..5 {
        write(&mut node, &mut disk, 30);
        read_all(&mut node, early);
    }
    assert!(is_there(&mut node, "7001") && !is_there(&mut node, "7002"));
    assert!(disk.ended);
    assert_eq!(
        (field(&mut node, "repl_spill_errors"), field(&mut node, "repl_sync_dropped_replicas")),
        (1, 1)
    );
    node.complete(save, Completion::Saved(Ok(SaveReport { bytes: 0, keys: 0 })));

    // The next one may have more luck.
    disk.broken = false;
    let (late, save) = syncing(&mut node, "7002");
    for _ in 0..5 {
        write(&mut node, &mut disk, 500);
        read_all(&mut node, early);
    }
    loaded(&mut node, late, save);
    disk.work(&mut node);
    assert!(!read_all(&mut node, late).is_empty() && is_there(&mut node, "7002"));
    disk.broken = true;
    for _ in 0..20 {
        node.node.before_write(node.now);
        disk.work(&mut node);
        read_all(&mut node, late);
    }
    assert!(!is_there(&mut node, "7002") && is_there(&mut node, "7001"), "nor can it be read back now");
}

#[test]
fn more_than_both_limits_is_not_kept() {
    for (spill, kept, lost) in [("0", 40, 200), ("200000", 180, 400)] {
        let mut node = master(&["--repl-sync-spill-limit", spill]);
        let mut disk = Disk::default();
        syncing(&mut node, "7001");
        write(&mut node, &mut disk, kept);
        assert!(is_there(&mut node, "7001"), "{spill}");
        write(&mut node, &mut disk, lost - kept);
        assert!(!is_there(&mut node, "7001"), "{spill}");
        assert_eq!(field(&mut node, "repl_sync_dropped_replicas"), 1);
        assert_eq!(disk.job.is_some(), spill != "0");
        assert!(disk.job.is_none() || disk.ended);
    }
}

#[test]
fn one_that_is_lost_on_its_way_comes_back_for_the_rest() {
    let mut node = master(&["--repl-timeout", "60"]);
    let mut disk = Disk::default();
    let (replica, save) = syncing(&mut node, "7001");
    let base = node.log_end();
    write(&mut node, &mut disk, 300);
    loaded(&mut node, replica, save);
    node.eof(replica);
    node.advance_ms(30_000);
    disk.work(&mut node);
    assert!(field(&mut node, "repl_spill_bytes") > 0);

    let replica = greet(&mut node, "7001");
    let id = node.node.replication.history.id().to_string();
    let reply = node.run_on(replica, &["PSYNC", &id, &base.next_byte().to_string()]);
    assert!(reply.starts_with("+CONTINUE"), "{reply}");
    disk.work(&mut node);
    assert!(read_all(&mut node, replica).contains("key:0\r\n"));

    node.eof(replica);
    node.advance_ms(61_000);
    disk.work(&mut node);
    assert!(disk.ended, "it had its time");
    assert_eq!(field(&mut node, "repl_spill_bytes"), 0);
}

#[test]
fn who_wants_a_snapshot_only_does_not_hold_the_log() {
    let mut node = master(&[]);
    let mut disk = Disk::default();
    let tool = node.client();
    node.run_on(tool, &["REPLCONF", "capa", "eof", "rdb-only", "1"]);
    node.run_on(tool, &["PSYNC", "?", "-1"]);
    node.advance_ms(100);
    write(&mut node, &mut disk, 300);
    assert!(disk.job.is_none() && node.node.replication.log.len() < 50_000);
}
