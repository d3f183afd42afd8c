//! What a server holds, for comparison with another one.

use std::collections::BTreeMap;

use resp::Value;

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
            let value = client.call(&[b"GET".as_slice(), &key]);
            let Some(value) = value.as_bytes() else {
                panic!("{}: {}", key.escape_ascii(), show(&value));
            };
            let expiry = match client.call(&[b"PEXPIRETIME".as_slice(), &key]) {
                Value::Int(-1) => None,
                Value::Int(at) => Some(at),
                other => panic!("{}: {}", key.escape_ascii(), show(&other)),
            };
            data.insert((db, key), (value.to_vec(), expiry));
        }
    }
    data
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
