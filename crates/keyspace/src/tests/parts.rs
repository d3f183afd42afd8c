//! Databases built in parts, against databases built key by key.

use std::thread;

use super::key;
use crate::{Db, Entry, Keyspace, Part, SetExpiry, Value};

fn expiry(number: u32) -> Option<u64> {
    number.is_multiple_of(3).then(|| 1_000 + u64::from(number))
}

/// Adds keys to the parts that they belong to.
fn fill(db: &Db, parts: &mut [Part], bits: u32, keys: impl Iterator<Item = (Vec<u8>, Option<u64>)>) {
    for (key, expiry) in keys {
        let hash = db.hash(&key);
        assert!(parts[Part::index(hash, bits)].add_str(hash, &key, &key, expiry));
    }
}

fn entries(db: &Db) -> Vec<(Vec<u8>, Vec<u8>, Option<u64>)> {
    let row = |entry: Entry<'_>| (entry.key().to_vec(), entry.str().unwrap().to_vec(), entry.expiry());
    let mut entries: Vec<_> = db.iter().map(row).collect();
    entries.sort_unstable();
    entries
}

#[test]
fn parts_make_the_database_that_single_keys_make() {
    for (bits, count, room) in
        [(0, 1_000, 0), (1, 5_000, 5_000), (0, 20_000, 20_000), (4, 100_000, 90_000), (8, 300_000, 1_000_000)]
    {
        let keys = || (0..count).map(|number| (key(number), expiry(number)));
        let mut whole = Keyspace::new(1, 7);
        for (key, expiry) in keys() {
            let expiry = expiry.map_or(SetExpiry::Clear, SetExpiry::At);
            whole.db_mut(0).set_str(&key, &key, expiry);
        }
        let mut keyspace = Keyspace::new(1, 7);
        let mut parts = keyspace.db(0).parts(bits, room);
        fill(keyspace.db(0), &mut parts, bits, keys());
        let db = keyspace.db_mut(0);
        db.unite(parts);
        db.check();
        assert_eq!(entries(db), entries(whole.db(0)));
        assert_eq!(db.expires(), whole.db(0).expires());
        assert_eq!(db.earliest_expiry(), Some(1_000));
        assert_eq!(db.avg_ttl(0), whole.db(0).avg_ttl(0));
        assert!(count < 1_000 || db.table_bytes() < count as usize * 18, "{}", db.table_bytes());
        // It goes on like any other.
        for number in 0..count {
            assert_eq!(db.expiry(&key(number)), Some(expiry(number)));
            assert!(
                db.remove(&key(number)).is_some() && !db.set_str(&key(count + number), b"", SetExpiry::Clear)
            );
        }
        db.check();
    }
}

#[test]
fn a_key_is_added_once() {
    let keyspace = Keyspace::new(1, 7);
    let mut parts = keyspace.db(0).parts(2, 0);
    let hash = keyspace.db(0).hash(b"key");
    let part = &mut parts[Part::index(hash, 2)];
    part.prefetch_batch(&[hash]);
    assert!(part.is_empty() && part.add_str(hash, b"key", b"first", None));
    assert!(!part.add_str(hash, b"key", b"second", None));
    assert!(!part.add(hash, b"key", Value::Str(b"third".to_vec()), None));
    assert_eq!(part.len(), 1);
}

#[test]
fn threads_can_share_the_work() {
    let mut keyspace = Keyspace::new(2, 7);
    keyspace.set_initial_access(77);
    let mut parts = keyspace.db(1).parts(2, 0);
    thread::scope(|scope| {
        for (index, part) in parts.iter_mut().enumerate() {
            let db = keyspace.db(1);
            scope.spawn(move || {
                for number in 0..20_000 {
                    let key = key(number);
                    let hash = db.hash(&key);
                    if Part::index(hash, 2) == index {
                        assert!(part.add(hash, &key, Value::Str(vec![b'x'; 2_000]), None));
                    }
                }
            });
        }
    });
    keyspace.db_mut(1).unite(parts);
    keyspace.db(1).check();
    assert_eq!((keyspace.db(0).len(), keyspace.db(1).len()), (0, 20_000));
    assert!((0..20_000).all(|number| {
        let entry = keyspace.db(1).get(&key(number)).unwrap();
        entry.access() == 77 && entry.str().is_some_and(|text| text.len() == 2_000)
    }));
}

#[test]
fn few_keys_do_not_keep_many_parts() {
    for count in [0, 1, 100] {
        let mut keyspace = Keyspace::new(1, 7);
        let mut parts = keyspace.db(0).parts(8, 3_000_000);
        fill(keyspace.db(0), &mut parts, 8, (0..count).map(|number| (key(number), None)));
        keyspace.db_mut(0).unite(parts);
        keyspace.db(0).check();
        assert_eq!(keyspace.db(0).len(), count as usize);
        assert!(keyspace.db(0).table_bytes() < 8_192, "{}", keyspace.db(0).table_bytes());
    }
}

#[test]
fn colliding_keys_stay_small_in_a_part_too() {
    let mut keyspace = Keyspace::new(1, 7);
    let mut parts = keyspace.db(0).parts(6, 1_000_000);
    let near = |number: u32| [b"\0near", &number.to_le_bytes()[..]].concat();
    fill(keyspace.db(0), &mut parts, 6, (0..20_000).map(|number| (near(number), None)));
    fill(keyspace.db(0), &mut parts, 6, (0..20_000).map(|number| (key(number), None)));
    let db = keyspace.db_mut(0);
    db.unite(parts);
    db.check();
    assert_eq!(db.len(), 40_000);
    assert!(db.table_bytes() < 40_000 * 40, "{}", db.table_bytes());
}
