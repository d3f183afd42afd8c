//! The program on files with every type of value.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use listpack::Entry;
use rdb::stream::{EntriesRead, NodeBuilder, StreamMeta};
use rdb::{StreamId, WriteOptions, Writer};

const LATE: u64 = 4_000_000_000_000;

fn id(ms: u64) -> StreamId {
    StreamId { ms, seq: 0 }
}

/// A dump with every type; the same content however it is written.
fn dump(options: WriteOptions, timed_field: bool) -> Vec<u8> {
    let small = options.version != 11;
    let text = Entry::Str;
    let mut w = Writer::new(options);
    w.header();
    w.aux(b"redis-ver", b"7.0.0");
    w.select_db(0);
    w.resize(6, 1);
    w.string(b"user:1", b"value", Some(LATE), None);
    w.string(b"bytes", b"\xff\x00", None, None);
    if small {
        w.small_list(b"list", [text(b"a"), Entry::Int(7)].into_iter(), None, None);
        w.small_zset(b"zset", [(text(b"m"), 1.5), (text(b"n"), f64::INFINITY)].into_iter(), None, None);
        w.small_set(b"set", 2, [text(b"x"), text(b"y")].into_iter(), None, None);
    } else {
        w.begin_list(b"list", 2, None, None);
        w.plain_list_node(b"a");
        w.plain_list_node(b"7");
        w.begin_zset(b"zset", 2, None, None);
        w.zset_member(b"n", f64::INFINITY);
        w.zset_member(b"m", 1.5);
        w.begin_set(b"set", 2, None, None);
        w.set_member(b"y");
        w.set_member(b"x");
    }
    w.select_db(3);
    w.begin_hash(b"user:2", 2, timed_field.then_some(LATE), None, None);
    w.field(b"f", b"v", None);
    w.field(b"hex:ff", b"w", timed_field.then_some(LATE));
    w.begin_stream(b"stream", 1, None, None);
    let mut node = NodeBuilder::new();
    node.begin(id(5), 2, [text(b"n")].into_iter());
    node.push_values(id(5), [Entry::Int(1)].into_iter());
    node.push_values(id(6), [Entry::Int(2)].into_iter());
    w.stream_node(&mut node);
    let meta =
        StreamMeta { length: 2, last_id: id(6), first_id: id(5), max_deleted_id: id(0), entries_added: 2 };
    w.stream_meta(&meta, 2);
    w.group(b"g", id(6), EntriesRead::Count(2), 1);
    w.pending_entry(id(6), 1000, 1);
    w.consumers(2);
    w.consumer(b"c", 1000, 1000, 1);
    w.consumer_entry(id(6));
    w.consumer(b"d", 1000, 1000, 0);
    w.group(b"h", id(0), EntriesRead::Count(0), 0);
    w.consumers(0);
    w.finish();
    w.take()
}

/// An append only file in a folder: a base of commands, and three spans.
fn log_in(files: &Files) -> PathBuf {
    use backlog::{Offset, ReplicationId};
    let folder = files.path("log");
    std::fs::create_dir(&folder).unwrap();
    let set = |key: &str| format!("*3\r\n$3\r\nSET\r\n$1\r\n{key}\r\n$1\r\n1\r\n").into_bytes();
    let mut bytes = Vec::new();
    aof::Writer::select(&mut bytes, 0);
    let id = ReplicationId::ZERO;
    aof::Writer::history(&mut bytes, aof::History { id, offset: Offset(100), db: 0, unix_ms: 1 }, &[]);
    for (number, key) in (0..).zip(["a", "b", "c"]) {
        aof::Writer::span(&mut bytes, Offset(100 + 27 * number), 1000 * (number + 1), &[&set(key)]);
    }
    std::fs::write(folder.join("f.1.incr.aof"), bytes).unwrap();
    let manifest = "file f.1.base.aof seq 1 type b\nfile f.1.incr.aof seq 1 type i\n";
    std::fs::write(folder.join("f.manifest"), manifest).unwrap();
    std::fs::write(folder.join("f.1.base.aof"), set("x")).unwrap();
    folder
}

#[test]
fn an_append_only_file_is_checked_and_mended() {
    let files = Files::new();
    let folder = log_in(&files);
    let out = text(&run("check", &[&folder], &[]), 0);
    assert!(out.contains("history 0000000000000000000000000000000000000000 up to offset 181"), "{out}");
    let part = folder.join("f.1.incr.aof");
    let bytes = std::fs::read(&part).unwrap();
    std::fs::write(&part, &bytes[..bytes.len() - 3]).unwrap();
    let out = text(&run("check", &[&folder], &[]), 1);
    assert!(out.contains("cut off: it is whole up to byte"), "{out}");
    let out = text(&run("check", &[&folder.join("f.manifest")], &["--fix"]), 0);
    assert!(out.contains("cut back to"), "{out}");
    let mut flipped = bytes.clone();
    let at = flipped.windows(3).rposition(|part| part == b"c\r\n").unwrap();
    flipped[at] = b'd';
    std::fs::write(&part, &flipped).unwrap();
    let out = text(&run("check", &[&part], &[]), 1);
    assert!(out.contains("the checksum of the 27 bytes from byte"), "{out}");
}

#[test]
fn an_append_only_file_is_recovered_to_a_moment() {
    let files = Files::new();
    let folder = log_in(&files);
    for (option, until, left) in
        [("--until-ms", "2500", 2), ("--until-offset", "127", 1), ("--until-ms", "9000", 3)]
    {
        let to = files.path(&format!("to-{until}"));
        text(&run("recover", &[&folder, &to], &[option, until]), 0);
        let out = text(&run("check", &[&to], &[]), 0);
        assert!(out.contains(&format!("in {left} spans")), "{out}");
        // What is there is not overwritten.
        text(&run("recover", &[&folder, &to], &[option, until]), 2);
    }
}

#[test]
fn an_append_only_file_is_counted() {
    use backlog::Offset;
    let files = Files::new();
    let folder = log_in(&files);
    // More of the history: a gap, a transaction in another database, an end; then what somebody else has appended.
    let part = folder.join("f.1.incr.aof");
    let mut bytes = std::fs::read(&part).unwrap();
    let commands = b"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nincr\r\n$1\r\nn\r\n*1\r\n$4\r\nEXEC\r\n";
    let len = commands.len() as u64;
    aof::Writer::span(&mut bytes, Offset(200), 9000, &[commands]);
    aof::Writer::span(&mut bytes, Offset(200 + len + 14), 9500, &[]);
    bytes.extend_from_slice(b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n");
    std::fs::write(&part, &bytes).unwrap();
    let out = text(&run("stats", &[&folder], &["--json"]), 0);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    let number = |path: &str| value.pointer(path).and_then(serde_json::Value::as_u64);
    for (path, expected) in [
        ("/commands/SET/commands", 4),
        ("/commands/SET/bytes", 4 * 27),
        ("/commands/INCR/commands", 2),
        ("/commands/SELECT/commands", 2),
        ("/databases/0/commands", 4),
        ("/databases/3/commands", 4),
        ("/spans/count", 5),
        ("/spans/empty", 1),
        ("/spans/largest", len),
        ("/spans/bytes", 81 + len),
        ("/histories/0/from", 100),
        ("/histories/0/to", 200 + len + 14),
        ("/histories/0/gaps", 2),
        ("/histories/0/gap_bytes", 19 + 14),
        ("/without_offset/commands", 3),
        ("/transactions", 1),
        ("/first_ms", 1),
        ("/last_ms", 9500),
        ("/files/1/spans", 5),
    ] {
        assert_eq!(number(path), Some(expected), "{path}: {out}");
    }
    let out = text(&run("stats", &[&folder.join("f.manifest")], &[]), 0);
    assert!(out.contains("f.1.incr.aof  increment") && out.contains("largest span"), "{out}");
    // Of a damaged one what comes before is counted.
    let at = bytes.windows(5).rposition(|part| part == b"MULTI").unwrap();
    bytes[at] = b'm';
    std::fs::write(&part, &bytes).unwrap();
    let out = text(&run("stats", &[&part], &["--json"]), 1);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(value.pointer("/commands/SET/commands").and_then(serde_json::Value::as_u64), Some(3));
}

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn with(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

fn run(command: &str, paths: &[&Path], more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tandem-rdb")).arg(command).args(paths).args(more).output().unwrap()
}

/// What it printed; it must have ended with this status.
fn text(output: &Output, status: i32) -> String {
    let out = String::from_utf8(output.stdout.clone()).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{out}{errors}");
    out
}

#[test]
fn check_says_that_a_file_is_good() {
    let files = Files::new();
    let path = files.with("a.rdb", &dump(WriteOptions::ANY, false));
    let out = text(&run("check", &[&path], &[]), 0);
    assert!(
        out.contains("good: RDB version 10, written by Redis 7.0.0, 7 keys, the checksum is right"),
        "{out}"
    );
}

#[test]
fn check_says_where_a_file_is_broken() {
    let files = Files::new();
    let whole = dump(WriteOptions::ANY, false);

    let path = files.with("cut.rdb", &whole[..whole.len() - 40]);
    let out = text(&run("check", &[&path], &[]), 1);
    assert!(out.contains("in the value of key \"stream\" of database 3"), "{out}");
    assert!(out.contains(&format!("{}", whole.len() - 40)), "{out}");

    let mut flipped = whole.clone();
    let at = whole.windows(5).position(|window| window == b"value").unwrap();
    flipped[at] ^= 1;
    let path = files.with("flipped.rdb", &flipped);
    let out = text(&run("check", &[&path], &[]), 1);
    assert!(out.contains("checksum"), "{out}");

    let mut w = Writer::default();
    w.header();
    w.select_db(0);
    w.begin_set(b"s", 2, None, None);
    w.set_member(b"m");
    w.set_member(b"m");
    w.finish();
    let path = files.with("twice.rdb", &w.take());
    let out = text(&run("check", &[&path], &[]), 1);
    assert!(out.contains("\"m\"") && out.contains("occurs twice in key \"s\""), "{out}");
}

#[test]
fn json_is_a_line_a_key() {
    let files = Files::new();
    let path = files.with("a.rdb", &dump(WriteOptions::VALKEY, true));
    let out = text(&run("json", &[&path], &[]), 0);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(
        lines,
        [
            r#"{"db":0,"key":"user:1","type":"string","expiry_ms":4000000000000,"value":"value"}"#,
            r#"{"db":0,"key":"bytes","type":"string","value":{"hex":"ff00"}}"#,
            r#"{"db":0,"key":"list","type":"list","value":["a","7"]}"#,
            r#"{"db":0,"key":"zset","type":"zset","value":[["m",1.5],["n","inf"]]}"#,
            r#"{"db":0,"key":"set","type":"set","value":["x","y"]}"#,
            r#"{"db":3,"key":"user:2","type":"hash","value":{"f":"v","hex:6865783a6666":"w"},"field_expiry_ms":{"hex:6865783a6666":4000000000000}}"#,
            r#"{"db":3,"key":"stream","type":"stream","value":[["5-0",[["n","1"]]],["6-0",[["n","2"]]]],"length":2,"last_id":"6-0","max_deleted_id":"0-0","entries_added":2,"groups":[{"name":"g","last_id":"6-0","entries_read":2,"pending":[["6-0",1000,1]],"consumers":[{"name":"c","seen_ms":1000,"active_ms":1000,"pending":["6-0"]},{"name":"d","seen_ms":1000,"active_ms":1000,"pending":[]}]},{"name":"h","last_id":"0-0","entries_read":0,"pending":[],"consumers":[]}]}"#,
        ]
    );
    let some = text(&run("json", &[&path], &["--prefix", "user:", "--db", "3"]), 0);
    assert_eq!(some.lines().count(), 1);
    assert!(some.contains("user:2"));
}

#[test]
fn stats_add_up() {
    let files = Files::new();
    let bytes = dump(WriteOptions::ANY, false);
    let path = files.with("a.rdb", &bytes);
    let out = text(&run("stats", &[&path], &["--json"]), 0);
    // What is not keys: header, aux field, two databases, hints, end.
    assert!(out.contains("\"keys\": 7"), "{out}");
    assert!(out.contains("\"prefix\": \"user:\""), "{out}");
    let tables = text(&run("stats", &[&path], &["--top", "1"]), 0);
    assert!(tables.contains("\"stream\""), "{tables}");
    assert!(tables.lines().any(|line| line.split_whitespace().eq(["later", "1"])), "{tables}");
}

#[test]
fn the_same_content_in_other_forms_is_no_difference() {
    let files = Files::new();
    let a = files.with("a.rdb", &dump(WriteOptions::ANY, false));
    let b =
        files.with("b.rdb", &dump(WriteOptions { version: 11, compress: false, ..WriteOptions::ANY }, false));
    let out = text(&run("diff", &[&a, &b], &[]), 0);
    assert!(out.starts_with("7 keys are the same, 0 have another value"), "{out}");
}

#[test]
fn diff_names_the_keys() {
    let files = Files::new();
    let pair = |third: &[u8], expiry: Option<u64>, value: &[u8]| {
        let mut w = Writer::default();
        w.header();
        w.select_db(0);
        w.string(b"same", b"1", None, None);
        w.string(b"expires", b"1", expiry, None);
        w.string(b"value", value, None, None);
        w.string(third, b"1", None, None);
        w.finish();
        w.take()
    };
    let a = files.with("a.rdb", &pair(b"old", None, b"1"));
    let b = files.with("b.rdb", &pair(b"new", Some(LATE), b"2"));
    let out = text(&run("diff", &[&a, &b], &[]), 1);
    for line in
        ["~ 0 \"expires\": another expiry", "~ 0 \"value\": another value", "+ 0 \"new\"", "- 0 \"old\""]
    {
        assert!(out.lines().any(|found| found == line), "{line} in {out}");
    }
    let out = text(&run("diff", &[&a, &b], &["--ignore-expiry", "--count"]), 1);
    assert!(
        out.starts_with("2 keys are the same, 1 have another value, 0 another expiry; 1 are only in"),
        "{out}"
    );
}

#[test]
fn what_is_converted_stays_the_same() {
    let files = Files::new();
    let from = files.with("from.rdb", &dump(WriteOptions::VALKEY, true));
    for version in ["12", "80"] {
        let to = files.path(version);
        text(&run("convert", &[&from, &to], &["--to-version", version]), 0);
        text(&run("check", &[&to], &[]), 0);
        text(&run("diff", &[&from, &to], &[]), 0);
    }
    let to = files.path("10");
    let output = run("convert", &[&from, &to], &[]);
    text(&output, 2);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected =
        "key \"user:2\" of database 3: fields of hashes that expire are not known to RDB version 10";
    assert!(errors.contains(expected), "{errors}");
    assert_eq!(std::fs::read_dir(files.0.path()).unwrap().count(), 3, "nothing half-done is left");
    text(&run("convert", &[&from, &to], &["--drop-field-expiry"]), 0);
    let plain = files.with("plain.rdb", &dump(WriteOptions::ANY, false));
    text(&run("diff", &[&plain, &to], &[]), 0);
}

#[test]
fn a_damaged_file_is_told_from_a_failure() {
    let files = Files::new();
    let whole = dump(WriteOptions::ANY, false);
    let path = files.with("cut.rdb", &whole[..whole.len() - 40]);
    for command in ["stats", "json"] {
        let output = run(command, &[&path], &[]);
        let out = text(&output, 1);
        assert!(out.contains("user:"), "what came before the fault: {out}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("before its end"), "{command}");
    }
    let output = run("convert", &[&path, &files.path("to.rdb")], &[]);
    text(&output, 1);
    assert!(!files.path("to.rdb").exists());
    let path = files.with("text", b"no dump at all");
    assert!(text(&run("check", &[&path], &[]), 1).contains("no dump"));
}

#[test]
fn what_is_no_file_is_an_error_of_its_own() {
    let output = run("check", &[Path::new("/nowhere/dump.rdb")], &[]);
    text(&output, 2);
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot open /nowhere/dump.rdb"));
}
