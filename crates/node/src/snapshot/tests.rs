//! Snapshots that are large enough for several threads, with and without any.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rdb::{WriteOptions, Writer};

use super::{LoadOptions, Loaded, SnapshotLoader};
use crate::action::LoadError;

const KEYS: u64 = 150_000;

fn options() -> LoadOptions {
    LoadOptions {
        databases: 16,
        seed: 1,
        verify_checksum: true,
        newer_versions: false,
        drop_expired_before: None,
        access: 0,
        limits: keyspace::Limits::default(),
        guard: None,
        key_delay_us: 0,
    }
}

fn key(number: u64) -> Vec<u8> {
    format!("key:{number}").into_bytes()
}

/// A snapshot of [`KEYS`] keys in database 0, of which so many are announced, between two parts of database 3; and `more`.
fn snapshot(announced: u64, more: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new(WriteOptions::default());
    writer.header();
    writer.select_db(3);
    writer.string(b"first", b"1", None, None);
    writer.select_db(0);
    writer.resize(announced, 0);
    let long = vec![b'x'; 5_000];
    for number in 0..KEYS {
        let text = if number % 10_000 == 0 { &long[..] } else { b"some text" };
        let expiry = number.is_multiple_of(1_000).then_some(2_000_000_000_000 + number);
        writer.string(&key(number), text, expiry, None);
    }
    more(&mut writer);
    writer.select_db(3);
    writer.string(b"second", b"2", None, None);
    writer.finish();
    writer.take()
}

/// Loads it with so many helpers; gives how many pieces of work these did, too.
fn load(bytes: &[u8], helpers: usize) -> (Result<Box<Loaded>, LoadError>, usize) {
    let work = AtomicUsize::new(0);
    let loaded = thread::scope(|scope| {
        let mut loader = SnapshotLoader::new(options());
        loader.expect_bytes(bytes.len() as u64);
        for _ in 0..helpers {
            let crew = loader.crew();
            let work = &work;
            scope.spawn(move || crew.help(&mut || _ = work.fetch_add(1, Ordering::Relaxed)));
        }
        let mut wanted = false;
        for known in (0..bytes.len()).step_by(50_000).chain([bytes.len()]) {
            loader.read(&bytes[..known])?;
            wanted |= loader.wants_help();
        }
        assert!(wanted);
        loader.finish()
    });
    (loaded, work.into_inner())
}

fn check(loaded: &Loaded) {
    assert_eq!((loaded.keys, loaded.expired, loaded.empty), (KEYS + 2, 0, 0));
    let (db, other) = (loaded.keyspace.db(0), loaded.keyspace.db(3));
    assert_eq!((db.len() as u64, other.len(), db.expires()), (KEYS, 2, 150));
    for number in 0..KEYS {
        let entry = db.get(&key(number)).expect("every key was loaded");
        let len = if number % 10_000 == 0 { 5_000 } else { 9 };
        assert_eq!(entry.str().map(<[u8]>::len), Some(len));
        assert_eq!(entry.expiry(), number.is_multiple_of(1_000).then_some(2_000_000_000_000 + number));
    }
    assert!(other.contains(b"first") && other.contains(b"second"));
}

#[test]
fn any_number_of_threads_makes_the_same_dataset() {
    let bytes = snapshot(KEYS, |_| ());
    for helpers in [0, 1, 3] {
        let (loaded, work) = load(&bytes, helpers);
        check(&loaded.expect("a snapshot"));
        assert!(helpers > 0 || work == 0);
    }
}

#[test]
fn what_is_announced_need_not_be_true() {
    for announced in [0, 100, 3_000_000_000, u64::MAX] {
        let bytes = snapshot(announced, |_| ());
        let loaded = load(&bytes, 1).0.expect("a snapshot");
        check(&loaded);
        assert!(loaded.keyspace.db(0).table_bytes() < KEYS as usize * 18, "for {announced} keys announced");
    }
}

#[test]
fn a_key_that_comes_twice_is_an_error_whoever_finds_it() {
    for helpers in [0, 2] {
        let text = |more: fn(&mut Writer)| load(&snapshot(KEYS, more), helpers).0.err().unwrap().to_string();
        let twice = text(|writer| writer.string(b"key:77", b"again", None, None));
        assert_eq!(twice, "the key key:77 occurs twice");
        let long = text(|writer| writer.string(b"key:78", &[b'x'; 5_000], None, None));
        assert_eq!(long, "the key key:78 occurs twice");
    }
}

#[test]
fn helpers_leave_when_a_load_is_given_up() {
    let bytes = snapshot(KEYS, |_| ());
    thread::scope(|scope| {
        let mut loader = SnapshotLoader::new(options());
        let crew = loader.crew();
        scope.spawn(move || crew.help(&mut || ()));
        loader.feed(&bytes[..bytes.len() / 2]).expect("what has come is right");
        // The scope ends only when the helper has.
        drop(loader);
    });
    let (cut, _) = load(&bytes[..bytes.len() - 1], 2);
    assert!(cut.err().unwrap().to_string().starts_with("unexpected end of file"));
}
