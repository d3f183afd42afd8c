//! Finding what is due.

use std::collections::BTreeMap;

use super::{filled, key};
use crate::{Db, ExpireCursor, SetExpiry};

/// A whole sweep, removing what is found.
fn sweep(db: &mut Db, now_ms: u64, max_visits: usize) -> Vec<Vec<u8>> {
    let mut cursor = ExpireCursor::default();
    let mut due = Vec::new();
    loop {
        let before = due.len();
        let more = db.due(now_ms, &mut cursor, max_visits, &mut |entry| due.push(entry.key().to_vec()));
        for key in &due[before..] {
            assert!(db.remove(key).and_then(|removed| removed.expiry()).is_some_and(|at| at <= now_ms));
        }
        if !more {
            return due;
        }
    }
}

#[test]
fn sweeps_find_all_that_is_due_and_nothing_else() {
    for max_visits in [1, 50, 100_000] {
        let mut keyspace = filled(20_000);
        let db = keyspace.db_mut(0);
        let mut rng = fastrand::Rng::with_seed(5);
        let mut model = BTreeMap::new();
        for number in (0..20_000).filter(|number| number % 3 > 0) {
            let at = rng.u64(1..1000);
            assert!(db.set_expiry(&key(number), Some(at)));
            model.insert(key(number), at);
        }
        for now in [0, 1, 10, 100, 500, 998, 999, 5000] {
            let mut due = sweep(db, now, max_visits);
            due.sort();
            let want: Vec<_> =
                model.iter().filter(|(_, at)| **at <= now).map(|(key, _)| key.clone()).collect();
            assert_eq!(due, want, "at {now}");
            model.retain(|_, at| *at > now);
            assert_eq!(db.expires(), model.len());
            assert!(db.earliest_expiry() <= model.values().copied().min());
            db.check();
            // Once what is due is gone, and a sweep has seen that, there is nothing more to do at this time.
            assert!(sweep(db, now, max_visits).is_empty());
            assert!(db.earliest_expiry().is_none_or(|earliest| earliest > now));
        }
        assert_eq!((db.len(), db.expires(), db.earliest_expiry()), (6667, 0, None));
    }
}

#[test]
fn what_is_left_is_found_again() {
    let mut keyspace = filled(1000);
    let db = keyspace.db_mut(0);
    db.set_expiry(&key(7), Some(50));
    let mut cursor = ExpireCursor::default();
    for _ in 0..3 {
        let mut found = Vec::new();
        while db.due(60, &mut cursor, 10, &mut |entry| found.push(entry.key().to_vec())) {}
        assert_eq!(found, [key(7)]);
    }
}

#[test]
fn a_sweep_looks_only_where_something_is_due() {
    let mut keyspace = filled(50_000);
    let db = keyspace.db_mut(0);
    for number in 0..50_000 {
        db.set_expiry(&key(number), Some(1_000_000));
    }
    for number in 0..10 {
        db.set_expiry(&key(number), Some(10));
    }
    // Ten segments of a few hundred records at most, so one step does it.
    let mut found = 0;
    assert!(!db.due(10, &mut ExpireCursor::default(), 10 * 280 + 1, &mut |_| found += 1));
    assert_eq!(found, 10);
}

#[test]
fn a_step_ends_when_it_has_visited_enough() {
    let mut keyspace = filled(20_000);
    let db = keyspace.db_mut(0);
    for number in 0..20_000 {
        db.set_expiry(&key(number), Some(10));
    }
    let mut cursor = ExpireCursor::default();
    let mut steps = 1;
    loop {
        let mut found = 0;
        let more = db.due(10, &mut cursor, 100, &mut |_| found += 1);
        assert!(found < 100 + 280);
        if !more {
            break;
        }
        steps += 1;
    }
    assert!(steps > 20_000 / 380);
}

#[test]
fn bounds_follow_segments_as_they_split_and_merge() {
    let mut keyspace = filled(0);
    let db = keyspace.db_mut(0);
    for number in 0..30_000_u32 {
        let expiry = if number % 100 == 0 { SetExpiry::At(u64::from(number) + 1) } else { SetExpiry::Clear };
        db.set_str(&key(number), b"x", expiry);
    }
    db.check();
    for number in 0..29_000 {
        db.remove(&key(number));
    }
    db.check();
    let want: Vec<_> = (29_000..30_000).step_by(100).map(key).collect();
    let mut due = sweep(db, 30_001, 100);
    due.sort();
    assert_eq!(due, want);
}

#[test]
fn averages_are_of_what_is_left() {
    let mut keyspace = filled(10);
    let db = keyspace.db_mut(0);
    assert_eq!(db.avg_ttl(100), 0);
    db.set_expiry(&key(1), Some(200));
    db.set_expiry(&key(2), Some(500));
    assert_eq!(db.avg_ttl(100), 250);
    db.remove(&key(1));
    assert_eq!(db.avg_ttl(100), 400);
    assert_eq!(db.avg_ttl(1000), 0);
    db.set_str(&key(2), b"x", SetExpiry::Keep);
    assert_eq!(db.avg_ttl(100), 400);
    db.set_str(&key(2), b"x", SetExpiry::Clear);
    assert_eq!((db.avg_ttl(100), db.expires()), (0, 0));
    db.set_str(&key(3), b"x", SetExpiry::At(u64::MAX));
    db.set_str(&key(4), b"x", SetExpiry::At(u64::MAX));
    assert_eq!(db.avg_ttl(0), u64::MAX);
}

#[test]
fn spilled_keys_expire_too() {
    let mut keyspace = filled(100);
    let db = keyspace.db_mut(0);
    for number in 0..200_u8 {
        db.set_str(&[b"\0same", &[1, number][..]].concat(), b"", SetExpiry::At(number.into()));
    }
    assert!(db.spilled() > 100);
    assert_eq!(sweep(db, 149, 10).len(), 150);
    assert_eq!(sweep(db, 1000, 10).len(), 50);
    assert_eq!(db.spilled(), 0);
    db.check();
}
