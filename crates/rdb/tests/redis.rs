//! Files exchanged with a real `redis-server`, found through `PATH`. Without one there is nothing to compare
//! with: the tests say so and pass.

mod common;

use std::collections::BTreeMap;

use common::Server;
use rdb::{Event, Reader, Value, Writer};

/// Strings of every encoding, around every limit of the format.
fn strings() -> Vec<Vec<u8>> {
    let mut rng = fastrand::Rng::with_seed(42);
    let mut strings: Vec<Vec<u8>> = Vec::new();
    for number in [0i64, -1, 127, 128, -128, -129, 32767, 32768, -32769, 2147483647, -2147483648, 2147483648]
    {
        strings.push(number.to_string().into_bytes());
    }
    for len in [0, 1, 20, 21, 32, 63, 64, 65, 264, 265, 8191, 8192, 8193, 16383, 16384, 70_000, 300_000] {
        strings.push(vec![b'r'; len]);
        strings.push((0..len).map(|_| rng.u8(..)).collect());
        strings.push((0..len).map(|i| b"lorem ipsum "[(i + i / 97) % 12]).collect());
        strings.push((0..len).map(|_| b'a' + rng.u8(..3)).collect());
    }
    strings.extend([b"-0".to_vec(), b"007".to_vec(), b"+1".to_vec()]);
    strings
}

fn dump(value: &[u8]) -> Vec<u8> {
    let mut writer = Writer::payload(rdb::WriteOptions::default());
    writer.string(b"", value, None, None);
    writer.finish_payload()
}

const EXPIRY_MS: u64 = 4_000_000_000_123;

fn key(index: usize) -> Vec<u8> {
    match index % 3 {
        0 => index.to_string().into_bytes(),
        1 => format!("key:{index}").into_bytes(),
        _ => format!("key:{}:{index}", "long ".repeat(20)).into_bytes(),
    }
}

fn expiry(index: usize) -> Option<u64> {
    index.is_multiple_of(4).then_some(EXPIRY_MS + index as u64)
}

#[test]
fn a_file_of_the_server_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut server) = Server::start(dir.path()) else { return };
    let mut expected = BTreeMap::new();
    for (index, value) in strings().into_iter().enumerate() {
        server.call(&[b"SET", &key(index), &value]).unwrap();
        if let Some(ms) = expiry(index) {
            server.call(&[b"PEXPIREAT", &key(index), ms.to_string().as_bytes()]).unwrap();
        }
        expected.insert((0, key(index)), (value, expiry(index)));
    }
    server.call(&[b"SELECT", b"9"]).unwrap();
    server.call(&[b"SET", b"elsewhere", b"x"]).unwrap();
    expected.insert((9, b"elsewhere".to_vec()), (b"x".to_vec(), None));
    let library = b"#!lua name=lib\nredis.register_function('f', function() return 1 end)";
    server.call(&[b"FUNCTION", b"LOAD", library]).unwrap();

    for policy in [&b"noeviction"[..], b"allkeys-lru", b"allkeys-lfu"] {
        server.call(&[b"CONFIG", b"SET", b"maxmemory-policy", policy]).unwrap();
        for compression in [&b"yes"[..], b"no"] {
            server.call(&[b"CONFIG", b"SET", b"rdbcompression", compression]).unwrap();
            server.call(&[b"SAVE"]).unwrap();
            let bytes = std::fs::read(dir.path().join("dump.rdb")).unwrap();
            let mut found = BTreeMap::new();
            let mut reader = Reader::default();
            let (mut db, mut functions, mut announced, mut version_seen) = (0, 0, 0, false);
            for chunk in bytes.chunks(4096) {
                reader.feed(chunk);
                while let Some(event) = reader.next().unwrap() {
                    match event {
                        Event::Header { .. } => {}
                        Event::Aux { key, .. } => version_seen |= key == b"redis-ver",
                        Event::SelectDb(index) => db = index,
                        Event::Resize { keys, .. } => announced += keys,
                        Event::Function(code) => {
                            assert_eq!(code, library);
                            functions += 1;
                        }
                        Event::Entry { key, expiry_ms, idle, freq, value: Value::String(value) } => {
                            assert_eq!(idle.is_some(), policy == b"allkeys-lru");
                            assert_eq!(freq.is_some(), policy == b"allkeys-lfu");
                            found.insert((db, key.to_vec()), (value.to_vec(), expiry_ms));
                        }
                        Event::End { checksum } => assert!(checksum.is_some()),
                        other => panic!("{other:?}"),
                    }
                }
            }
            reader.close().unwrap();
            assert!(found == expected, "what the server holds");
            assert_eq!((functions, announced as usize, version_seen), (1, expected.len(), true));
        }
    }
}

#[test]
fn a_file_of_ours_loads_in_the_server() {
    let dir = tempfile::tempdir().unwrap();
    for (compress, checksum) in [(true, true), (false, true), (true, false)] {
        let mut writer = Writer::new(rdb::WriteOptions { compress, checksum, ..Default::default() });
        writer.header();
        writer.aux(b"redis-ver", b"7.0.0");
        writer.aux(b"redis-bits", b"64");
        writer.function(b"#!lua name=lib\nredis.register_function('f', function() return 1 end)");
        let strings = strings();
        writer.select_db(0);
        writer.resize(strings.len() as u64, strings.len().div_ceil(4) as u64);
        for (index, value) in strings.iter().enumerate() {
            let access = match index % 3 {
                0 => None,
                1 => Some(rdb::Access::Idle(100)),
                _ => Some(rdb::Access::Freq(7)),
            };
            writer.string(&key(index), value, expiry(index), access);
        }
        writer.select_db(9);
        writer.resize(1, 0);
        writer.string(b"elsewhere", b"x", None, None);
        writer.finish();
        std::fs::write(dir.path().join("dump.rdb"), writer.take()).unwrap();

        let Some(mut server) = Server::start(dir.path()) else { return };
        assert_eq!(server.call(&[b"DBSIZE"]).unwrap(), strings.len().to_string().as_bytes());
        for (index, value) in strings.iter().enumerate() {
            assert!(server.call(&[b"GET", &key(index)]).as_ref() == Some(value), "value {index}");
            let at = expiry(index).map_or("-1".to_owned(), |ms| ms.to_string());
            assert_eq!(server.call(&[b"PEXPIRETIME", &key(index)]).unwrap(), at.as_bytes());
        }
        assert_eq!(server.call(&[b"FCALL", b"f", b"0"]).unwrap(), b"1");
        server.call(&[b"SELECT", b"9"]).unwrap();
        assert_eq!(server.call(&[b"GET", b"elsewhere"]).unwrap(), b"x");
    }
}

#[test]
fn payloads_are_exchanged() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut server) = Server::start(dir.path()) else { return };
    for value in strings() {
        server.call(&[b"SET", b"theirs", &value]).unwrap();
        let payload = server.call(&[b"DUMP", b"theirs"]).unwrap();
        let mut reader = rdb::Payload::open(&payload, true).unwrap();
        match reader.next().unwrap() {
            Some(Event::Entry { value: Value::String(string), .. }) => assert_eq!(string, value),
            other => panic!("{other:?}"),
        }
        assert_eq!(reader.next(), Ok(None));
        server.call(&[b"RESTORE", b"ours", b"0", &dump(&value), b"REPLACE"]).unwrap();
        assert!(server.call(&[b"GET", b"ours"]) == Some(value));
    }
}
