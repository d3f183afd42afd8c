//! What SCAN promises.

use std::collections::HashMap;

use super::{add, filled, key, remove};
use crate::{Db, Keyspace, SetExpiry};

fn whole_scan(db: &Db, count: usize) -> HashMap<Vec<u8>, u32> {
    let mut seen = HashMap::new();
    let mut cursor = 0;
    loop {
        cursor = db.scan(cursor, count, &mut |entry| *seen.entry(entry.key().to_vec()).or_insert(0) += 1);
        if cursor == 0 {
            return seen;
        }
    }
}

#[test]
fn a_scan_of_a_table_at_rest_gives_each_key_once() {
    for keys in [0, 1, 10, 35, 36, 300, 20_000] {
        let keyspace = filled(keys);
        for count in [1, 10, 1000, usize::MAX] {
            let seen = whole_scan(keyspace.db(0), count);
            assert_eq!(seen.len(), keys as usize);
            assert!(seen.values().all(|&times| times == 1));
        }
    }
}

#[test]
fn a_step_gives_about_as_many_as_asked_for() {
    let keyspace = filled(50_000);
    let mut cursor = 0;
    loop {
        let mut found = 0;
        cursor = keyspace.db(0).scan(cursor, 10, &mut |_| found += 1);
        assert!(found <= 10 + 27, "no more than one home more: {found}");
        if cursor == 0 {
            break;
        }
        assert!(found >= 10);
        assert!(cursor < 1 << 53);
    }
}

/// Scans while `change` changes the table between the steps, and checks the two promises.
fn scan_during(
    db: &mut Db,
    stable: std::ops::Range<u32>,
    count: usize,
    mut change: impl FnMut(&mut Db, u32),
) {
    let mut seen = HashMap::new();
    let (mut cursor, mut step) = (0, 0);
    loop {
        cursor = db.scan(cursor, count, &mut |entry| *seen.entry(entry.key().to_vec()).or_insert(0) += 1);
        if cursor == 0 {
            break;
        }
        change(db, step);
        step += 1;
        assert!(step < 1_000_000, "a scan comes to its end");
    }
    for number in stable {
        assert!(seen.contains_key(&key(number)), "{number} was there all the time");
    }
    assert!(!seen.contains_key(&b"never there"[..]));
    db.check();
}

#[test]
fn nothing_is_missed_while_the_table_grows() {
    for count in [1, 7, 50] {
        let mut keyspace = filled(2000);
        let mut next = 2000;
        scan_during(keyspace.db_mut(0), 0..2000, count, |db, _| {
            if next < 60_000 {
                add(db, next..next + 100);
                next += 100;
            }
        });
        assert!(next > 10_000);
    }
}

#[test]
fn nothing_is_missed_while_the_table_shrinks() {
    for count in [1, 7, 50] {
        let mut keyspace = filled(40_000);
        let mut next = 1000;
        scan_during(keyspace.db_mut(0), 0..1000, count, |db, _| {
            if next < 40_000 {
                remove(db, next..next + 100);
                next += 100;
            }
        });
        assert!(next > 10_000);
    }
}

#[test]
fn nothing_is_missed_while_the_table_does_both() {
    let mut keyspace = filled(1500);
    let mut there = 1500;
    scan_during(keyspace.db_mut(0), 0..1500, 3, |db, step| {
        // In waves, of which several pass in the course of the scan.
        if step / 60 % 2 == 0 {
            add(db, there..there + 300);
            there += 300;
        } else if there >= 1800 {
            remove(db, there - 300..there);
            there -= 300;
        }
    });
}

#[test]
fn colliding_keys_are_scanned_too() {
    let mut keyspace = filled(3000);
    let db = keyspace.db_mut(0);
    for number in 0..500_u32 {
        db.set_str(&[b"\0same", &number.to_be_bytes()[..]].concat(), b"", SetExpiry::Keep);
    }
    assert!(db.spilled() > 300);
    let seen = whole_scan(db, 10);
    assert_eq!(seen.len(), 3500);
    assert!(seen.values().all(|&times| times == 1));
}

#[test]
fn foreign_cursors_do_no_harm() {
    let keyspace = filled(5000);
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..1000 {
        let cursor = rng.u64(..) >> rng.u32(..64);
        let next = keyspace.db(0).scan(cursor, 10, &mut |_| {});
        assert!(next == 0 || next > cursor);
    }
    assert_eq!(keyspace.db(0).scan(u64::MAX, 10, &mut |_| panic!("nothing is there")), 0);
    assert_eq!(Keyspace::new(1, 1).db(0).scan(77, 10, &mut |_| panic!("nothing is there")), 0);
}
