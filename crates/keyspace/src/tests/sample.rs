//! Drawing entries for eviction.

use std::collections::HashMap;

use crate::{Db, Keyspace, SetExpiry};

fn draw(db: &Db, rng: &mut fastrand::Rng, want: usize, with_expiry: bool) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    let found = db.sample(rng, want, with_expiry, &mut |entry| keys.push(entry.key().to_vec()));
    assert_eq!(found, keys.len());
    keys
}

#[test]
fn gives_what_there_is() {
    let mut ks = Keyspace::new(1, 7);
    let mut rng = fastrand::Rng::with_seed(1);
    let db = ks.db_mut(0);
    assert!(draw(db, &mut rng, 5, false).is_empty());
    db.set_str(b"one", b"1", SetExpiry::Clear);
    assert_eq!(draw(db, &mut rng, 5, false), [b"one"]);
    assert!(draw(db, &mut rng, 5, true).is_empty());
    db.set_str(b"two", b"2", SetExpiry::At(1));
    for _ in 0..50 {
        assert_eq!(draw(db, &mut rng, 5, true), [b"two"]);
        assert_eq!(draw(db, &mut rng, 5, false).len(), 2);
    }
}

#[test]
fn one_key_that_expires_among_many_is_found() {
    let mut ks = Keyspace::new(1, 8);
    let mut rng = fastrand::Rng::with_seed(2);
    let db = ks.db_mut(0);
    for number in 0..100_000 {
        db.set_str(format!("key:{number}").as_bytes(), b"v", SetExpiry::Clear);
    }
    db.set_str(b"key:777", b"v", SetExpiry::At(5));
    for _ in 0..20 {
        assert_eq!(draw(db, &mut rng, 5, true), [b"key:777"]);
    }
}

#[test]
fn all_keys_have_about_the_same_chance() {
    const KEYS: usize = 3000;
    let mut ks = Keyspace::new(1, 9);
    let mut rng = fastrand::Rng::with_seed(3);
    let db = ks.db_mut(0);
    for number in 0..KEYS {
        db.set_str(&number.to_le_bytes(), b"v", SetExpiry::Clear);
    }
    let mut drawn: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut total = 0;
    while total < KEYS * 100 {
        for key in draw(db, &mut rng, 5, false) {
            *drawn.entry(key).or_default() += 1;
            total += 1;
        }
    }
    assert_eq!(drawn.len(), KEYS, "every key is drawn some time");
    let mean = total / KEYS;
    let (least, most) = (drawn.values().min().unwrap(), drawn.values().max().unwrap());
    // A hundred each on the average; records whose bucket was full count with their neighbours.
    assert!(*least * 4 > mean && *most < mean * 4, "{least} to {most}, {mean} on the average");
}

#[test]
fn keys_that_collide_are_drawn_too() {
    let mut ks = Keyspace::new(1, 10);
    let mut rng = fastrand::Rng::with_seed(4);
    let db = ks.db_mut(0);
    for number in 0..2000u32 {
        let key = [&b"\0samex"[..], &number.to_le_bytes()].concat();
        db.set_str(&key, b"v", SetExpiry::At(u64::from(number)));
    }
    assert!(db.spilled() > 0);
    for with_expiry in [false, true] {
        assert!(draw(db, &mut rng, 2000, with_expiry).len() >= 2000);
    }
}
