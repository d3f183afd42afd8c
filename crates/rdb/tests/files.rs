//! Files that servers have written: small ones that are part of this repository, and those of a suite of tests, if there is one.

use std::collections::BTreeMap;
use std::path::Path;

use rdb::{Compact, Event, Flavor, Kind, Reader, Value};

/// What a file holds: its version, and a line for each key.
fn read(bytes: &[u8]) -> Result<(Flavor, u32, BTreeMap<String, String>), rdb::Error> {
    let mut reader = Reader::default();
    let (mut lines, mut version) = (BTreeMap::new(), None);
    let mut open = None;
    // In small pieces, as they may come from a socket.
    for chunk in bytes.chunks(7) {
        reader.feed(chunk);
        while let Some(event) = reader.next()? {
            match event {
                Event::Header { version: number, flavor } => version = Some((flavor, number)),
                Event::Entry { key, value, expiry_ms, .. } => {
                    let text = match value {
                        Value::String(text) => text.escape_ascii().to_string(),
                        Value::Compact(compact) => parts(compact).join(" "),
                        other => panic!("{other:?}"),
                    };
                    let expires = if expiry_ms.is_some() { " expires" } else { "" };
                    lines
                        .insert(key.escape_ascii().to_string(), format!("{}: {text}{expires}", value.kind()));
                }
                Event::Begin { key, kind, .. } => {
                    open = Some((key.escape_ascii().to_string(), kind, Vec::new()));
                }
                Event::EndOfKey => {
                    let (key, kind, mut parts) = open.take().expect("a key was begun");
                    if matches!(kind, Kind::Set | Kind::Hash | Kind::ZSet) {
                        parts.sort();
                    }
                    lines.insert(key, format!("{kind}: {}", parts.join(" ")));
                }
                event => {
                    if let Some((_, _, parts)) = &mut open {
                        parts.extend(part(&event));
                    }
                }
            }
        }
    }
    reader.close()?;
    let (flavor, version) = version.expect("a header");
    Ok((flavor, version, lines))
}

fn text(entry: listpack::Entry<'_>) -> String {
    entry.to_vec().escape_ascii().to_string()
}

fn parts(compact: Compact<'_>) -> Vec<String> {
    let mut parts: Vec<String> = match compact.kind() {
        Kind::Hash => compact.fields().map(|(f, v, at)| field(&text(f), &text(v), at)).collect(),
        Kind::ZSet => compact.members().map(|(member, score)| format!("{}={score}", text(member))).collect(),
        _ => compact.entries().map(text).collect(),
    };
    if compact.kind() != Kind::List {
        parts.sort();
    }
    parts
}

fn field(field: &str, value: &str, expiry_ms: Option<u64>) -> String {
    expiry_ms.map_or(format!("{field}={value}"), |at| format!("{field}={value}@{at}"))
}

fn part(event: &Event<'_>) -> Vec<String> {
    let ascii = |bytes: &[u8]| bytes.escape_ascii().to_string();
    match event {
        Event::Element(element) => vec![ascii(element)],
        Event::Elements(compact) => parts(*compact),
        Event::Field { field: name, value, expiry_ms } => {
            vec![field(&ascii(name), &ascii(value), *expiry_ms)]
        }
        Event::Member { member, score } => vec![format!("{}={score}", ascii(member))],
        Event::StreamNode(node) => node
            .entries()
            .map(|entry| {
                let fields: Vec<String> =
                    entry.fields.map(|(f, v)| format!("{}={}", text(f), text(v))).collect();
                format!("{}[{}]", entry.id, fields.join(","))
            })
            .collect(),
        Event::Group { name, last_id, .. } => vec![format!("group {} at {last_id}", ascii(name))],
        Event::Pending { id, deliveries, .. } => vec![format!("{id}x{deliveries}")],
        Event::Consumer { name, .. } => vec![format!("consumer {}", ascii(name))],
        Event::ConsumerPending(id) => vec![format!("has {id}")],
        _ => Vec::new(),
    }
}

/// What was put into the servers; fields expire in those that know it.
fn expected(timed: bool) -> BTreeMap<String, String> {
    let expiry = if timed { "@4000000000000" } else { "" };
    [
        ("s", "string: hello".to_owned()),
        ("n", "string: 12345".to_owned()),
        ("c", format!("string: {} expires", "a".repeat(57))),
        ("l", "list: a b 3".to_owned()),
        ("si", "set: 1 2 70000".to_owned()),
        ("ss", "set: a b".to_owned()),
        ("s2", "set: a b".to_owned()),
        ("h", format!("hash: f=v{expiry} g=7")),
        ("h2", "hash: f=v g=7".to_owned()),
        ("h3", format!("hash: f=v{expiry} g=7")),
        ("z", "zset: a=1.5 b=-inf c=3".to_owned()),
        ("z2", "zset: a=1.5 c=3".to_owned()),
        ("x", "stream: 1-1[a=b] 3-1[q=r] group g at 1-1 1-1x1 consumer c has 1-1".to_owned()),
    ]
    .map(|(key, line)| (key.to_owned(), line))
    .into()
}

#[test]
fn files_of_three_servers_hold_the_same() {
    let files: [(&[u8], _, _); 3] = [
        (include_bytes!("files/redis-7.0.dump"), Flavor::Redis, 10),
        (include_bytes!("files/redis-8.0.dump"), Flavor::Redis, 12),
        (include_bytes!("files/valkey-9.1.dump"), Flavor::Valkey, 80),
    ];
    for (bytes, flavor, version) in files {
        let (found_flavor, found_version, lines) = read(bytes).unwrap();
        assert_eq!((found_flavor, found_version), (flavor, version));
        assert_eq!(lines, expected(version != 10), "{flavor:?} {version}");
    }
}

/// Valkey's tests bring old dumps. They are not part of this repository: `VALKEY_ASSETS` names the directory.
#[test]
fn old_dumps_of_a_suite_are_read() {
    let Some(assets) = std::env::var_os("VALKEY_ASSETS") else {
        println!("SKIPPED: VALKEY_ASSETS does not name a directory with dumps");
        return;
    };
    let line = |file: &str, key: &str| {
        let (_, _, mut lines) = read(&std::fs::read(Path::new(&assets).join(file)).unwrap()).unwrap();
        lines.remove(key).unwrap()
    };
    assert_eq!(line("hash-zipmap.rdb", "hash"), "hash: f1=v1 f2=v2");
    assert_eq!(line("hash-ziplist.rdb", "hash"), "hash: f1=v1 f2=v2");
    assert_eq!(line("zset-ziplist.rdb", "zset"), "zset: one=1 two=2");
    assert_eq!(line("list-quicklist.rdb", "list"), "list: 7");
    assert_eq!(line("encodings.rdb", "set_zipped_1"), "set: 1 2 3 4");
    assert_eq!(line("encodings.rdb", "zset_zipped"), "zset: a=1 b=2 c=3");
    assert_eq!(line("encodings.rdb", "hash_zipped"), "hash: a=1 b=2 c=3");
    assert_eq!(line("encodings.rdb", "list_zipped"), "list: 1 2 3 a b c 100000 6000000000");
    let error = read(&std::fs::read(Path::new(&assets).join("corrupt_ziplist.rdb")).unwrap()).unwrap_err();
    assert!(matches!(error, rdb::Error::BadCompact { kind: Kind::Hash, .. }), "{error}");
}
