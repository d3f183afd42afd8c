//! Values of every type and form through payloads and streams.

use keyspace::{Keyspace, Limits, Removed};
use rdb::{Event, Flavor, Reader, WriteOptions, Writer};
use resp::OwnedArgs;

use super::*;
use crate::testing::{Content, Tester};

/// A server with keys of every type, small and large.
fn filled() -> Tester {
    let mut tester = Tester::new();
    let mut run = |words: &[&str]| {
        let args: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let (reply, _) = tester.execute(&OwnedArgs::from_slices(&args));
        assert!(!reply.starts_with(b"-"), "{words:?}: {}", reply.escape_ascii());
    };
    run(&["SET", "string", "text"]);
    run(&["SET", "number", "17", "PX", "100000"]);
    run(&["SET", "long string", &"x".repeat(5000)]);
    run(&["SADD", "ints", "1", "-5", "70000"]);
    run(&["SADD", "small set", "a", "17", "c"]);
    run(&["RPUSH", "small list", "a", "1", "", "a"]);
    run(&["HSET", "small hash", "f", "1", "g", "text", "17", ""]);
    run(&["ZADD", "small zset", "1.5", "a", "1", "b", "inf", "c", "-0.1", "17", "1e300", "d"]);
    run(&["XADD", "stream", "5-1", "f", "v", "g", "17"]);
    run(&["XADD", "stream", "5-2", "f", "w", "g", "18"]);
    run(&["XADD", "stream", "6-0", "other", "x"]);
    run(&["XDEL", "stream", "5-1"]);
    run(&["XGROUP", "CREATE", "stream", "group", "0"]);
    run(&["XGROUP", "CREATE", "stream", "idle", "$", "ENTRIESREAD", "3"]);
    run(&["XGROUP", "CREATECONSUMER", "stream", "group", "nobody"]);
    run(&["XREADGROUP", "GROUP", "group", "alice", "COUNT", "1", "STREAMS", "stream", ">"]);
    run(&["XREADGROUP", "GROUP", "group", "bob", "STREAMS", "stream", ">"]);
    run(&["XGROUP", "CREATE", "empty stream", "group", "$", "MKSTREAM"]);
    for number in 0..2000 {
        let (member, padded) = (format!("member {number}"), format!("{number:020}"));
        run(&["SADD", "large set", &member]);
        run(&["SADD", "large ints", &number.to_string()]);
        run(&["RPUSH", "large list", &member, &"y".repeat(number % 100)]);
        run(&["RPUSH", "uniform list", &padded]);
        run(&["HSET", "large hash", &member, &number.to_string()]);
        run(&["ZADD", "large zset", &(number % 77).to_string(), &member]);
        run(&["XADD", "long stream", &format!("{number}-1"), "field", &member]);
    }
    run(&["RPUSH", "huge element", "a", &"z".repeat(20_000), "b"]);
    run(&["SADD", "long member", &"m".repeat(100)]);
    run(&["HSET", "long value", "f", &"v".repeat(100)]);
    run(&["ZADD", "long scored", "1", &"m".repeat(100)]);
    tester
}

fn limits() -> Limits {
    Limits::default()
}

/// What a database holds after all of it went through a stream in pieces of any size.
fn through_stream(tester: &Tester, options: WriteOptions, chunk: usize) -> (Tester, Flavor) {
    let mut writer = Writer::new(options);
    let mut bytes = Vec::new();
    writer.header();
    for entry in tester.ks.db(0).iter() {
        let whole = write_entry(&mut writer, &entry, 1000, &mut |writer| {
            bytes.extend(writer.take());
            true
        });
        assert!(whole);
        // What has gathered belongs behind what has been taken.
        bytes.extend(writer.take());
    }
    writer.finish();
    bytes.extend(writer.take());

    let mut loaded = Tester::new();
    loaded.ks = Keyspace::new(16, 2);
    let mut loader = Loader::new(limits(), loaded.ks.db(0).value_hasher().clone());
    let (mut reader, mut begun, mut flavor) = (Reader::default(), (Vec::new(), None), Flavor::Redis);
    for chunk in bytes.chunks(chunk) {
        reader.feed(chunk);
        while let Some(event) = reader.next().unwrap() {
            let (key, expiry, value) = match event {
                Event::Header { flavor: found, .. } => {
                    flavor = found;
                    continue;
                }
                Event::Entry { key, expiry_ms, value, .. } => (key.to_vec(), expiry_ms, loader.whole(value)),
                Event::Begin { key, expiry_ms, kind, len, .. } => {
                    begun = (key.to_vec(), expiry_ms);
                    loader.begin(kind, len);
                    continue;
                }
                Event::EndOfKey => (begun.0.clone(), begun.1, loader.end()),
                Event::End { .. } => continue,
                event => {
                    loader.element(event).unwrap();
                    continue;
                }
            };
            let value = value.unwrap().expect("no key is empty");
            assert!(loaded.ks.db_mut(0).insert(&key, value, expiry).is_none());
        }
    }
    reader.close().unwrap();
    (loaded, flavor)
}

fn encodings(tester: &Tester) -> Vec<(Vec<u8>, &'static str)> {
    let mut encodings: Vec<_> =
        tester.ks.db(0).iter().map(|entry| (entry.key().to_vec(), entry.encoding())).collect();
    encodings.sort();
    encodings
}

#[track_caller]
fn assert_same(found: &[Content], expected: &[Content]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!(found == expected, "{} differs", expected.1.escape_ascii());
    }
}

#[test]
fn all_types_through_streams() {
    let tester = filled();
    for version in 10..=12 {
        for chunk in [1 << 20, 777] {
            let options = WriteOptions { version, ..WriteOptions::ANY };
            let (loaded, _) = through_stream(&tester, options, chunk);
            assert_same(&loaded.contents(), &tester.contents());
            assert_eq!(encodings(&loaded), encodings(&tester));
            if version > 10 {
                let value =
                    |tester: &Tester| tester.ks.db(0).get(b"stream").unwrap().duplicate().into_value();
                assert!(value(&loaded) == value(&tester), "with the times of its consumers");
            }
        }
    }
}

#[test]
fn all_types_through_payloads() {
    let mut tester = filled();
    let keys: Vec<Vec<u8>> = tester.ks.db(0).iter().map(|entry| entry.key().to_vec()).collect();
    for key in keys {
        let entry = tester.ks.db(0).get(&key).unwrap();
        let payload = dump(&entry);
        let before = entry.duplicate();
        let copy =
            restore(&payload, rdb::ReadOptions::default(), limits(), tester.ks.db(0).value_hasher()).unwrap();
        tester.ks.db_mut(0).insert(&key, copy, before.expiry());
        assert_eq!(dump(&tester.ks.db(0).get(&key).unwrap()), payload, "{}", key.escape_ascii());
        let after: Removed = tester.ks.db(0).get(&key).unwrap().duplicate();
        assert!(after.into_value() == before.into_value(), "{} differs", key.escape_ascii());
    }
}

#[test]
fn fields_that_expire_need_a_version_that_holds_them() {
    let mut tester = Tester::new();
    let mut table = collections::Table::new(tester.ks.db(0).value_hasher().clone());
    table.insert(b"f", b"v", collections::Expiry::At(5_000_000_000));
    table.insert(b"g", b"w", collections::Expiry::Clear);
    tester.ks.db_mut(0).insert(b"hash", keyspace::Value::Object(keyspace::Object::Hash(table)), None);
    assert!(needs_field_expiry(&tester.ks.freeze()));
    for options in [WriteOptions::VALKEY, WriteOptions { version: 12, ..WriteOptions::ANY }] {
        let (loaded, flavor) = through_stream(&tester, options, 3);
        assert_eq!(flavor, options.flavor);
        let entry = loaded.ks.db(0).get(b"hash").unwrap();
        let keyspace::ValueRef::Hash(table) = entry.value() else { panic!("a table") };
        assert_eq!(table.get(b"f").unwrap().expiry, Some(5_000_000_000));
        assert_eq!(table.get(b"g").unwrap().expiry, None);
    }
    let (mut loaded, _) = through_stream(&tester, WriteOptions::ANY, 3);
    assert!(!needs_field_expiry(&loaded.ks.freeze()));
    let payload = dump(&tester.ks.db(0).get(b"hash").unwrap());
    assert_eq!(payload[payload.len() - 10], 80);
}

/// A payload of these bytes with a right checksum.
fn sealed(body: &[u8]) -> Vec<u8> {
    let mut payload = [body, &[10, 0]].concat();
    let checksum = checksum(&payload);
    payload.extend_from_slice(&checksum.to_le_bytes());
    payload
}

/// CRC-64 with the Jones polynomial, bit by bit.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ u64::from(byte), |crc: u64, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0x95ac_9329_ac4b_c9b5 } else { 0 }
        })
    })
}

#[test]
fn what_is_valid_in_its_parts_only_is_refused() {
    let tester = Tester::new();
    let try_restore = |body: &[u8]| {
        restore(&sealed(body), rdb::ReadOptions::default(), limits(), tester.ks.db(0).value_hasher())
            .map(|_| ())
    };
    assert_eq!(try_restore(b"\x02\x02\x01a\x01b"), Ok(()));
    for body in [
        // A member, a number, a field and a scored member twice.
        &b"\x02\x02\x01a\x01a"[..],
        b"\x02\x02\xc0\x05\xc0\x05",
        b"\x04\x02\x01a\x01b\x01a\x01c",
        b"\x05\x02\x01a\0\0\0\0\0\0\0\0\x01a\0\0\0\0\0\0\xf0\x3f",
        // Collections without elements.
        b"\x01\0",
        b"\x02\0",
        b"\x04\0",
        b"\x05\0",
        b"\x12\0",
        b"\x10\x07\x07\0\0\0\0\0\xff",
        // A stream's group twice; a pending entry that nobody has; a consumer with an entry that is not pending.
        b"\x0f\0\0\0\0\x02\x01g\0\0\0\0\x01g\0\0\0\0",
        b"\x0f\0\0\0\0\x01\x01g\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0",
        b"\x0f\0\0\0\0\x01\x01g\0\0\0\x01\x01c\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0",
    ] {
        let refused = matches!(try_restore(body), Err(RestoreError::Content(_)));
        assert!(refused, "{}", body.escape_ascii());
    }
    // An empty stream is a stream.
    assert_eq!(try_restore(b"\x0f\0\0\0\0\0"), Ok(()));
    assert_eq!(
        restore(b"nonsense", rdb::ReadOptions::default(), limits(), tester.ks.db(0).value_hasher()),
        Err(RestoreError::Frame)
    );
}
