use std::collections::BTreeMap;
use std::path::PathBuf;

use aof::StreamReader;

use super::*;
use crate::action::{Completion, SaveReport};
use crate::aof::{AofEvent, AofWork};
use crate::testing::Fixture;

/// The disk under the append only file: it does at once what it is told to.
#[derive(Default)]
struct Disk {
    files: BTreeMap<PathBuf, Vec<u8>>,
    open: Option<PathBuf>,
    epoch: u64,
    written: Offset,
    batch: u64,
    readers: BTreeMap<ConnId, (PathBuf, StreamReader)>,
    /// Replies that are not given yet.
    waiting: Vec<AofRead>,
    slow: bool,
    reads: u64,
}

impl Disk {
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
            Action::Aof(work) => self.aof(node, work),
            Action::Save(save) => {
                node.complete(save.id, Completion::Saved(Ok(SaveReport { bytes: 100, keys: 0 })));
            }
            Action::ReadAof(read) if self.slow => self.waiting.push(*read),
            Action::ReadAof(read) => self.read(node, &read),
            Action::EndAofReads { conn, .. } => {
                self.readers.remove(&conn);
            }
            _ => {}
        }
    }

    fn aof(&mut self, node: &mut Fixture, work: AofWork) {
        let event = match work {
            AofWork::Survey { .. } => AofEvent::Surveyed(Ok(None)),
            AofWork::Open(open) => {
                let path = open.folder.join(&open.file);
                self.files.insert(path.clone(), Vec::new());
                self.open = Some(path);
                if let Some(begin) = open.begins {
                    (self.epoch, self.written) = (begin.epoch, begin.at);
                }
                AofEvent::Opened(Ok(0))
            }
            AofWork::Append(batch) => {
                let Some(file) = self.open.as_ref().and_then(|path| self.files.get_mut(path)) else { return };
                for piece in &batch.pieces {
                    piece.encode(file);
                    file.extend_from_slice(piece.commands());
                }
                (self.written, self.batch) = (batch.upto, batch.number);
                let size = file.len() as u64;
                AofEvent::Written { epoch: self.epoch, upto: batch.upto, batch: batch.number, size }
            }
            AofWork::Sync => AofEvent::Synced { epoch: self.epoch, upto: self.written, batch: self.batch },
            AofWork::Switch(switch) => {
                switch.delete.iter().for_each(|name| {
                    self.files.remove(&switch.folder.join(name));
                });
                AofEvent::Switched(Ok(()))
            }
            AofWork::Slow { .. } | AofWork::Close => return,
        };
        let now = node.now;
        node.node.aof_event(now, event);
    }

    fn read(&mut self, node: &mut Fixture, read: &AofRead) {
        self.reads += 1;
        let result = match self.files.get(&*read.path) {
            None => Err("No such file or directory".to_owned()),
            Some(file) => {
                let mut file = &file[..read.size as usize];
                let goes_on = self
                    .readers
                    .get(&read.conn)
                    .is_some_and(|(path, reader)| *path == *read.path && reader.offset() == read.from);
                if !goes_on {
                    let reader = StreamReader::at(read.mark.0, read.mark.1);
                    self.readers.insert(read.conn, (read.path.to_path_buf(), reader));
                }
                let (_, reader) = self.readers.get_mut(&read.conn).expect("just made");
                let mut bytes = Vec::new();
                reader
                    .seek(&mut file, read.from, read.to)
                    .and_then(|()| reader.read(&mut file, read.len, read.to, &mut bytes))
                    .map(|()| AofStream { bytes: bytes.into(), settled: reader.is_settled() })
                    .map_err(|error| error.to_string())
            }
        };
        node.complete(read.job, Completion::AofRead { conn: read.conn, from: read.from, result });
    }

    /// The increments that are there.
    fn increments(&self) -> Vec<String> {
        let names = self.files.keys().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
        names.filter(|name| name.contains("incr")).collect()
    }
}

/// A master whose file is in use, and whose memory holds little.
fn master(options: &[&str]) -> (Fixture, Disk) {
    let mut all = vec![
        "--repl-backlog-size",
        "16384",
        "--repl-backlog-aof",
        "yes",
        "--auto-aof-rewrite-percentage",
        "0",
    ];
    all.extend(options);
    let (mut node, mut disk) = (Fixture::with(&all), Disk::default());
    node.run(&["CONFIG", "SET", "appendonly", "yes"]);
    disk.work(&mut node);
    assert!(node.node.aof.is_open());
    (node, disk)
}

fn write(node: &mut Fixture, disk: &mut Disk, kilobytes: usize) {
    let value = "v".repeat(1000);
    for number in 0..kilobytes {
        node.run(&["SET", &format!("key:{number}"), &value]);
        if number % 5 == 0 {
            disk.work(node);
        }
        if number % 50 == 10 {
            node.run(&["PUBLISH", "channel", "text"]);
        }
    }
    disk.work(node);
    node.advance_ms(100);
    disk.work(node);
}

fn info(node: &mut Fixture, name: &str) -> u64 {
    let info = node.run(&["INFO", "replication"]);
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {info}"))
}

/// Asks for what follows an offset; the connection and the first line of the answer.
fn ask(node: &mut Fixture, disk: &mut Disk, id: &str, from: Offset) -> (ConnId, String) {
    let replica = node.client();
    node.run_on(replica, &["REPLCONF", "listening-port", "7001", "capa", "eof", "capa", "psync2"]);
    node.input(replica, &["PSYNC", id, &(from.0 + 1).to_string()]);
    let line = node.read_from(replica);
    let (line, rest) = line.split_once("\r\n").unwrap_or((&line, ""));
    assert_eq!(rest, "", "the stream waits for the disk");
    let line = line.to_owned();
    node.node.before_write(node.now);
    disk.work(node);
    (replica, line)
}

/// Everything that is on its way to a replica, while the disk works.
fn stream(node: &mut Fixture, disk: &mut Disk, replica: ConnId) -> String {
    let mut all = String::new();
    loop {
        let some = node.read_from(replica);
        if some.is_empty() {
            return all;
        }
        all.push_str(&some);
        node.node.before_write(node.now);
        disk.work(node);
    }
}

fn id(node: &Fixture) -> String {
    node.node.replication.history.id().to_string()
}

fn why(node: &mut Fixture) -> String {
    node.run(&["REPLICATION", "WHY", "1"])
}

#[test]
fn a_replica_that_was_away_for_long_is_fed_from_the_files() {
    let (mut node, mut disk) = master(&[]);
    write(&mut node, &mut disk, 10);
    let from = node.log_end();
    write(&mut node, &mut disk, 3000);
    assert!(info(&mut node, "repl_backlog_first_byte_offset") > from.0 + 2_000_000);
    assert_eq!(info(&mut node, "repl_backlog_aof_first_byte_offset"), 1);
    let id = id(&node);
    let (replica, line) = ask(&mut node, &mut disk, &id, from);
    assert_eq!(line, format!("+CONTINUE {id}"));
    assert!(why(&mut node).contains("the append only files hold the"), "{}", why(&mut node));
    assert!(why(&mut node).contains("running"));
    let mut all = stream(&mut node, &mut disk, replica);
    assert!(node.node.replication.log.memory() < 200_000, "nothing is kept for it");
    assert_eq!(all.len() as u64, node.log_end().since(from));
    assert_eq!(all.matches("$3\r\nSET\r\n").count(), 3000);
    assert_eq!(all.matches("PUBLISH").count(), 0, "what memory has of these is none");
    assert!(why(&mut node).contains("done"), "{}", why(&mut node));
    assert!(disk.readers.is_empty() && !node.node.replication.file_reads.is_in_use());
    // From here on it is one like others.
    let reads = disk.reads;
    write(&mut node, &mut disk, 10);
    all = stream(&mut node, &mut disk, replica);
    assert_eq!(all.matches("$3\r\nSET\r\n").count(), 10);
    assert_eq!((disk.reads, info(&mut node, "repl_backlog_aof_syncs")), (reads, 1));
}

#[test]
fn it_follows_the_files_while_they_grow_and_through_a_rewrite() {
    let (mut node, mut disk) = master(&[]);
    let from = node.log_end();
    write(&mut node, &mut disk, 2000);
    let id = id(&node);
    let (replica, _) = ask(&mut node, &mut disk, &id, from);
    let mut all = String::new();
    for round in 0..40 {
        all.push_str(&node.read_from(replica));
        write(&mut node, &mut disk, 30);
        if round % 10 == 0 {
            node.run(&["BGREWRITEAOF"]);
            disk.work(&mut node);
        }
    }
    assert_eq!(disk.increments().len(), 5);
    all.push_str(&stream(&mut node, &mut disk, replica));
    assert_eq!(all.len() as u64, node.log_end().since(from));
    assert_eq!(all.matches("$3\r\nSET\r\n").count(), 3200);
}

#[test]
fn what_is_not_wanted_any_more_is_deleted() {
    let (mut node, mut disk) = master(&["--repl-backlog-aof-limit", "250000"]);
    for _ in 0..5 {
        write(&mut node, &mut disk, 100);
        node.run(&["BGREWRITEAOF"]);
        disk.work(&mut node);
    }
    node.advance_ms(200);
    disk.work(&mut node);
    assert_eq!(disk.increments().len(), 3, "two of before, and the present one");
    let first = info(&mut node, "repl_backlog_aof_first_byte_offset");
    let reach = node.log_end().0 + 1 - first;
    assert!((150_000..=250_000).contains(&reach), "{reach}");
    node.run(&["CONFIG", "SET", "repl-backlog-aof", "no"]);
    node.advance_ms(200);
    disk.work(&mut node);
    assert_eq!(disk.increments().len(), 1);
    assert_eq!(info(&mut node, "repl_backlog_aof_active"), 0);
}

#[test]
fn switched_off_it_is_as_if_it_were_not_there() {
    let (mut node, mut disk) = master(&["--repl-backlog-aof", "no"]);
    let from = node.log_end();
    write(&mut node, &mut disk, 100);
    let id = id(&node);
    let (_, line) = ask(&mut node, &mut disk, &id, from);
    assert_eq!(line, "");
    assert!(why(&mut node).contains("a larger backlog would have sufficed\r\n"), "{}", why(&mut node));
    node.run(&["BGREWRITEAOF"]);
    disk.work(&mut node);
    assert_eq!(disk.increments().len(), 1);
}

#[test]
fn damage_costs_the_link_and_is_told() {
    let (mut node, mut disk) = master(&[]);
    let from = node.log_end();
    write(&mut node, &mut disk, 2000);
    let path = disk.open.clone().expect("a file is open");
    let file = disk.files.get_mut(&path).expect("it is there");
    let middle = file.len() / 2;
    let at = middle + file[middle..].windows(9).position(|part| part == b"vvvvvvvvv").expect("a value");
    file[at] = b'w';
    let id = id(&node);
    let (replica, line) = ask(&mut node, &mut disk, &id, from);
    assert!(line.starts_with("+CONTINUE"));
    let all = stream(&mut node, &mut disk, replica);
    assert!(!all.contains('w') && all.len() < 1_500_000, "{}", all.len());
    assert!(node.node.session(replica).is_none(), "it is dropped");
    let told = why(&mut node);
    assert!(told.contains("failed") && told.contains("the checksum of the"), "{told}");
    let (_, line) = ask(&mut node, &mut disk, &id, Offset(from.0 + all.len() as u64));
    assert_eq!(line, "", "it needs everything");
    let told = why(&mut node);
    assert!(
        told.contains("full")
            && told.contains("the append only files reach back to")
            && told.contains("checksum"),
        "{told}"
    );
    assert_eq!(info(&mut node, "repl_backlog_aof_errors"), 1);
    // And what is written from here on is of use again.
    let from = node.log_end();
    write(&mut node, &mut disk, 100);
    let (_, line) = ask(&mut node, &mut disk, &id, from);
    assert!(line.starts_with("+CONTINUE"));
}

#[test]
fn one_that_takes_too_long_is_dropped_when_its_file_goes() {
    let (mut node, mut disk) = master(&["--repl-backlog-aof-limit", "3000000"]);
    let from = node.log_end();
    write(&mut node, &mut disk, 2000);
    let id = id(&node);
    let (replica, _) = ask(&mut node, &mut disk, &id, from);
    for _ in 0..3 {
        node.run(&["BGREWRITEAOF"]);
        write(&mut node, &mut disk, 1000);
    }
    let all = stream(&mut node, &mut disk, replica);
    assert!(all.len() < 2_500_000 && node.node.session(replica).is_none(), "{}", all.len());
    assert!(why(&mut node).contains("do not reach back to it any more"), "{}", why(&mut node));
    assert!(!node.node.replication.file_reads.is_in_use());
}

#[test]
fn an_answer_that_comes_too_late_is_nobodys() {
    let (mut node, mut disk) = master(&[]);
    let from = node.log_end();
    write(&mut node, &mut disk, 100);
    disk.slow = true;
    let id = id(&node);
    let (replica, _) = ask(&mut node, &mut disk, &id, from);
    let late = disk.waiting.pop().expect("it is asked for");
    node.eof(replica);
    node.node.before_write(node.now);
    disk.read(&mut node, &late);
    let (replica, _) = ask(&mut node, &mut disk, &id, from);
    disk.read(&mut node, &late);
    disk.slow = false;
    let now = disk.waiting.pop().expect("it is asked for");
    disk.read(&mut node, &now);
    disk.read(&mut node, &now);
    assert_eq!(stream(&mut node, &mut disk, replica).matches("SET\r\n").count(), 100);
}

#[test]
fn names_can_be_asked_about_there() {
    let (mut node, mut disk) = master(&[]);
    let from = node.log_end();
    write(&mut node, &mut disk, 100);
    let id = id(&node);
    let replica = node.client();
    let offer = format!("{id}:{from}");
    let line = node.run_on(replica, &["REPLCONF", "lineage", &offer]);
    assert_eq!(line, format!("+{offer}\r\n"));
}
