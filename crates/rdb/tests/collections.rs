//! Collections of every type and encoding, exchanged with real servers of both families.
//!
//! A server fills itself and saves; the file is read here and written again, in every version that the server reads; from that the
//! server starts anew and has to show what it showed before.

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::Server;
use rdb::{Event, Flavor, Reader, WriteOptions, Writer};

const REDIS_7: &str = "redis-server";
const REDIS_8: &str = "redis8-server";
const VALKEY: &str = "valkey-server";

/// Fills a server with values on both sides of each limit.
fn fill(server: &mut Server) {
    let mut run = |line: String| assert!(!server.ask(&line).is_empty(), "{line}");
    let numbers = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
    let words = |count: usize| (0..count).map(|n| format!("word-{n}")).collect::<Vec<_>>().join(" ");
    let pairs = |count: usize| (0..count).map(|n| format!("f{n} {n}")).collect::<Vec<_>>().join(" ");
    let scored = |count: usize| (0..count).map(|n| format!("{}.5 m{n}", n * 7)).collect::<Vec<_>>().join(" ");
    let long = "long ".repeat(40).replace(' ', "_");
    let huge = "huge!".repeat(3000);
    for (name, count) in [("few", 3), ("many", 700)] {
        run(format!("RPUSH list-{name} {}", words(count)));
        run(format!("RPUSH list-ints-{name} {}", numbers(count)));
        run(format!("SADD set-ints-{name} {}", numbers(count)));
        run(format!("SADD set-{name} {}", words(count)));
        run(format!("HSET hash-{name} {}", pairs(count)));
        run(format!("ZADD zset-{name} {}", scored(count)));
    }
    run(format!("RPUSH list-long a {long} {huge} b"));
    run("SADD set-wide 1 70000 -5000000000".to_owned());
    run(format!("SADD set-long a {long}"));
    run(format!("HSET hash-long f {long} {long} v"));
    run(format!("ZADD zset-long -inf a +inf b 0.1 {long} -3 c"));
    run("ZADD zset-infinite -inf a +inf b 0.30000000000000004 c 1e300 d".to_owned());
    run("EXPIRE hash-few 100000".to_owned());
    run("PFADD hll a b c".to_owned());
    for n in 1..300 {
        run(format!("XADD stream {n}-{n} field {n} other-{} {long}", n % 3));
    }
    run("XDEL stream 7-7 299-299".to_owned());
    run("XGROUP CREATE stream g 0".to_owned());
    run("XGROUP CREATE stream idle $".to_owned());
    run("XREADGROUP GROUP g alice COUNT 5 STREAMS stream >".to_owned());
    run("XREADGROUP GROUP g bob COUNT 3 STREAMS stream >".to_owned());
    run("XACK stream g 2-2".to_owned());
    run("XGROUP CREATECONSUMER stream g carol".to_owned());
    run("XADD gone 1-1 a b".to_owned());
    run("XTRIM gone MAXLEN 0".to_owned());
}

/// Everything that a server shows of each key.
fn shown(server: &mut Server, timed_fields: bool) -> BTreeMap<String, Vec<String>> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let keys: Vec<String> = server.ask("KEYS *").iter().map(|key| text(key)).collect();
    let mut all = BTreeMap::new();
    for key in keys {
        let mut ask =
            |line: String| -> Vec<String> { server.ask(&line).iter().map(|part| text(part)).collect() };
        let kind = ask(format!("TYPE {key}")).remove(0);
        // How a string is kept depends on how it came about.
        let encoding = if kind == "string" { Vec::new() } else { ask(format!("OBJECT ENCODING {key}")) };
        let mut lines = encoding;
        lines.extend(ask(format!("PEXPIRETIME {key}")));
        let pairs = |parts: Vec<String>| {
            let mut pairs: Vec<String> = parts.chunks(2).map(|pair| pair.join("=")).collect();
            pairs.sort();
            pairs
        };
        lines.extend(match &kind[..] {
            "list" => ask(format!("LRANGE {key} 0 -1")),
            "set" => {
                pairs(ask(format!("SMEMBERS {key}")).into_iter().flat_map(|m| [m, String::new()]).collect())
            }
            "zset" => ask(format!("ZRANGE {key} 0 -1 WITHSCORES")),
            "hash" => {
                let mut fields = pairs(ask(format!("HGETALL {key}")));
                if timed_fields {
                    let mut names = ask(format!("HKEYS {key}"));
                    names.sort();
                    let list = names.join(" ");
                    fields.extend(ask(format!("HPEXPIRETIME {key} FIELDS {} {list}", names.len())));
                }
                fields
            }
            "stream" => {
                let mut lines = ask(format!("XRANGE {key} - +"));
                lines.extend(ask(format!("XINFO GROUPS {key}")));
                let info = ask(format!("XINFO STREAM {key}"));
                // How many nodes a tree has is the server's own business.
                let told = info.chunks(2).filter(|pair| !pair[0].starts_with("radix"));
                lines.extend(told.take(5).map(|pair| pair.join("=")));
                for group in ["g", "idle"] {
                    if key == "stream" {
                        let pending = ask(format!("XPENDING {key} {group} - + 100"));
                        // The third of four is the time since.
                        lines
                            .extend(pending.chunks(4).map(|one| format!("{} {} {}", one[0], one[1], one[3])));
                    }
                }
                lines
            }
            _ => ask(format!("GET {key}")),
        });
        all.insert(key, lines);
    }
    all
}

/// Reads a file and writes it again.
fn rewrite(file: &[u8], options: WriteOptions) -> (Vec<u8>, Flavor, u32) {
    let mut reader = Reader::default();
    reader.feed(file);
    let mut writer = Writer::new(options);
    let mut seen = None;
    while let Some(event) = reader.next().unwrap() {
        if let Event::Header { version, flavor } = event {
            seen = Some((flavor, version));
        }
        writer.event(&event).unwrap();
    }
    reader.close().unwrap();
    let (flavor, version) = seen.expect("a header");
    (writer.take(), flavor, version)
}

fn exchange(program: &str, versions: &[WriteOptions], timed: Option<&[&str]>) -> Option<(Flavor, u32)> {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start_program(program, dir.path())?;
    fill(&mut server);
    for line in timed.unwrap_or_default() {
        server.ask(line);
    }
    let file = dir.path().join("dump.rdb");
    let mut written = (Flavor::Redis, 0);
    for compression in ["yes", "no"] {
        server.ask(&format!("CONFIG SET rdbcompression {compression}"));
        server.ask("SAVE");
        let bytes = std::fs::read(&file).unwrap();
        let expected = shown(&mut server, timed.is_some());
        for options in versions {
            let (again, flavor, version) = rewrite(&bytes, *options);
            written = (flavor, version);
            compare(program, &again, &expected, timed.is_some(), *options);
        }
    }
    Some(written)
}

fn compare(
    program: &str,
    file: &[u8],
    expected: &BTreeMap<String, Vec<String>>,
    timed: bool,
    options: WriteOptions,
) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(Path::new(dir.path()).join("dump.rdb"), file).unwrap();
    let mut server = Server::start_program(program, dir.path()).expect("it was there before");
    let found = shown(&mut server, timed);
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>(),
        "{program}, {options:?}"
    );
    for (key, lines) in expected {
        assert_eq!(&found[key], lines, "{key} in {program}, {options:?}");
    }
}

const fn version(version: u32) -> WriteOptions {
    WriteOptions { version, ..WriteOptions::ANY }
}

#[test]
fn with_redis_7() {
    exchange(REDIS_7, &[version(10)], None);
}

#[test]
fn with_redis_8_and_its_expiring_fields() {
    let timed = [
        "HPEXPIREAT hash-few 4000000000123 FIELDS 1 f1",
        "HPEXPIREAT hash-many 4000000000123 FIELDS 2 f1 f500",
        "HEXPIREAT hash-long 4000000000 FIELDS 1 f",
    ];
    let written = exchange(REDIS_8, &[version(12)], Some(&timed));
    assert!(written.is_none_or(|(flavor, version)| flavor == Flavor::Redis && version == 12), "{written:?}");
    exchange(REDIS_8, &[version(10), version(11)], None);
}

#[test]
fn with_valkey_and_its_expiring_fields() {
    let timed = [
        "HPEXPIREAT hash-few 4000000000123 FIELDS 1 f1",
        "HPEXPIREAT hash-many 4000000000123 FIELDS 2 f1 f500",
        "HEXPIREAT hash-long 4000000000 FIELDS 1 f",
    ];
    let written = exchange(VALKEY, &[WriteOptions::VALKEY], Some(&timed));
    assert!(written.is_none_or(|(flavor, version)| flavor == Flavor::Valkey && version == 80), "{written:?}");
    exchange(VALKEY, &[version(10), version(11), WriteOptions::VALKEY], None);
}
