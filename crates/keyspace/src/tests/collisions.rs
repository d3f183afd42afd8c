//! Keys whose hashes collide: slow at worst, never wrong, and never large.

use crate::{Keyspace, SetExpiry};

fn same(number: u32) -> Vec<u8> {
    [b"\0same", &[9][..], &number.to_le_bytes()].concat()
}

fn near(number: u32) -> Vec<u8> {
    [b"\0near", &number.to_le_bytes()[..]].concat()
}

#[test]
fn a_whole_hash_in_common_degrades_gently() {
    let mut keyspace = Keyspace::new(1, 1);
    let db = keyspace.db_mut(0);
    const KEYS: u32 = 20_000;
    for number in 0..KEYS {
        assert!(!db.set_str(&same(number), &number.to_le_bytes(), SetExpiry::Clear));
        assert!(!db.set_str(&super::key(number), b"x", SetExpiry::Clear));
    }
    db.check();
    // Each costs a pointer in a list, besides the slots of the others.
    assert!(db.table_bytes() < KEYS as usize * 40, "{}", db.table_bytes());
    let view = keyspace.freeze();
    let db = keyspace.db_mut(0);
    for number in 0..KEYS {
        assert_eq!(db.get(&same(number)).and_then(|entry| entry.str()), Some(&number.to_le_bytes()[..]));
        assert!(db.set_str(&same(number), b"other", SetExpiry::Clear));
    }
    assert!(db.get(&same(KEYS)).is_none());
    for number in 0..KEYS {
        assert!(db.remove(&same(number)).is_some());
    }
    db.check();
    assert_eq!(db.len(), KEYS as usize);
    // Some of the others had come to the same list while there was no room for them beside the colliding ones.
    assert!(db.spilled() < 50, "{}", db.spilled());
    for number in (0..KEYS).step_by(100) {
        let then = view.db(0).get(&same(number)).and_then(|entry| entry.str());
        assert_eq!(then, Some(&number.to_le_bytes()[..]));
    }
}

#[test]
fn a_long_prefix_in_common_does_not_blow_up_the_directory() {
    let mut keyspace = Keyspace::new(1, 1);
    let db = keyspace.db_mut(0);
    for number in 0..3000 {
        db.set_str(&near(number), &number.to_le_bytes(), SetExpiry::Clear);
    }
    db.check();
    // To part these keys by splitting alone takes 24 levels, of which the directory would make 256 KiB and more.
    assert!(db.table_bytes() < 3000 * 40, "{}", db.table_bytes());
    // Once there are other keys enough for such a depth, the list empties into the table.
    for number in 0..30_000 {
        db.set_str(&super::key(number), b"x", SetExpiry::Clear);
    }
    db.check();
    for number in 0..3000 {
        assert_eq!(db.get(&near(number)).and_then(|entry| entry.str()), Some(&number.to_le_bytes()[..]));
        db.remove(&near(number));
    }
    db.check();
    assert_eq!(db.len(), 30_000);
}

#[test]
fn even_hashes_spill_nothing() {
    let keyspace = super::filled(200_000);
    assert_eq!(keyspace.db(0).spilled(), 0);
}
