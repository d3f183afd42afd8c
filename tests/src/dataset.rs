//! What a server holds, for comparison with another one.

use std::collections::BTreeMap;

use resp::{OwnedReply, Value};

use crate::client::{Client, show};

/// A key: its database and its name.
pub type Key = (usize, Vec<u8>);

/// A value and when it expires, in Unix milliseconds.
pub type Entry = (Vec<u8>, Option<i64>);

/// Everything in the first 16 databases. Nothing may change meanwhile.
///
/// # Panics
///
/// If a reply is not what it should be.
#[must_use]
pub fn read(port: u16) -> BTreeMap<Key, Entry> {
    let mut client = Client::connect(port);
    let mut data = BTreeMap::new();
    for db in 0..16_usize {
        assert_eq!(client.run(&format!("SELECT {db}")), "OK");
        let Value::Array(keys) = client.call(&["KEYS", "*"]) else { panic!("KEYS answers an array") };
        for key in keys {
            let key = key.as_bytes().expect("a key is a string").to_vec();
            let value = content(&mut client, &key);
            let expiry = match client.call(&[b"PEXPIRETIME".as_slice(), &key]) {
                Value::Int(-1) => None,
                Value::Int(at) => Some(at),
                other => panic!("{}: {}", key.escape_ascii(), show(&other)),
            };
            data.insert((db, key), (value, expiry));
        }
    }
    data
}

/// What a key holds: the bytes of a string, or a text that says what is in another value, whatever its order is left to chance.
fn content(client: &mut Client, key: &[u8]) -> Vec<u8> {
    let kind = show(&client.call(&[b"TYPE".as_slice(), key]));
    let mut ask = |command: &str, more: &[&str]| {
        let args: Vec<&[u8]> =
            [command.as_bytes(), key].into_iter().chain(more.iter().map(|word| word.as_bytes())).collect();
        client.call(&args)
    };
    let text = match kind.as_str() {
        "string" => {
            let value = ask("GET", &[]);
            return value.as_bytes().unwrap_or_else(|| panic!("{}", show(&value))).to_vec();
        }
        "list" => show(&ask("LRANGE", &["0", "-1"])),
        "set" => groups(&ask("SMEMBERS", &[]), 1),
        "hash" => groups(&ask("HGETALL", &[]), 2),
        "zset" => scored(&ask("ZRANGE", &["0", "-1", "WITHSCORES"])),
        "stream" => stream(client, key),
        other => panic!("{} is a {other}", key.escape_ascii()),
    };
    text.into_bytes()
}

/// The elements of an array, `size` by `size`, sorted.
fn groups(reply: &OwnedReply, size: usize) -> String {
    let Value::Array(items) = reply else { panic!("{}", show(reply)) };
    let mut groups: Vec<String> =
        items.chunks(size).map(|group| group.iter().map(show).collect::<Vec<_>>().join(" = ")).collect();
    groups.sort();
    groups.join(", ")
}

/// Members with their scores, as numbers: Redis 7.0 prints more digits of some than Valkey does.
fn scored(reply: &OwnedReply) -> String {
    let Value::Array(items) = reply else { panic!("{}", show(reply)) };
    let pairs = items.chunks(2).map(|pair| {
        let score: f64 = show(&pair[1]).parse().expect("a score is a number");
        // Whose sum of scores is the zero with a sign is left open.
        format!("{} {:?}", show(&pair[0]), score + 0.0)
    });
    pairs.collect::<Vec<_>>().join(", ")
}

/// Entries, and of each group what is pending with whom. Times are left out: they differ by what the clocks said.
fn stream(client: &mut Client, key: &[u8]) -> String {
    let mut text = show(&client.call(&[b"XRANGE".as_slice(), key, b"-", b"+"]));
    let Value::Array(groups) = client.call(&[b"XINFO".as_slice(), b"GROUPS", key]) else {
        panic!("an array")
    };
    for group in groups {
        text.push_str(&show(&group));
        let Value::Array(fields) = group else { panic!("an array") };
        let name = fields.get(1).and_then(|name| name.as_bytes()).expect("the name comes first").to_vec();
        let pending = client.call(&[b"XPENDING".as_slice(), key, &name, b"-", b"+", b"1000"]);
        let Value::Array(pending) = pending else { panic!("an array") };
        for entry in pending {
            let Value::Array(fields) = entry else { panic!("an array") };
            for at in [0, 1, 3] {
                text.push_str(&format!(" {}", fields.get(at).map(show).unwrap_or_default()));
            }
        }
    }
    text
}

/// Compares two servers.
///
/// # Panics
///
/// With the first keys that differ, if any.
pub fn assert_equal(one: u16, two: u16) {
    let (one, two) = (read(one), read(two));
    let differing: Vec<String> = one
        .keys()
        .chain(two.keys().filter(|key| !one.contains_key(*key)))
        .filter(|key| one.get(*key) != two.get(*key))
        .take(5)
        .map(|key| {
            let show = |entry: Option<&Entry>| match entry {
                None => "nothing".to_owned(),
                Some((value, expiry)) => format!("{:.80} {expiry:?}", value.escape_ascii().to_string()),
            };
            format!("{}:{}: {} / {}", key.0, key.1.escape_ascii(), show(one.get(key)), show(two.get(key)))
        })
        .collect();
    assert!(differing.is_empty(), "{} / {} keys, differing: {differing:#?}", one.len(), two.len());
}
