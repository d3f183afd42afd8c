//! Random keys are fair.

use std::collections::HashMap;

use super::{filled, key};
use crate::hash::Position;

#[test]
fn each_key_of_a_small_table_has_the_same_chance() {
    let keyspace = filled(700);
    let mut rng = fastrand::Rng::with_seed(11);
    let mut drawn: HashMap<&[u8], u32> = HashMap::new();
    for _ in 0..700 * 100 {
        let entry = keyspace.db(0).random(&mut rng).expect("not empty");
        *drawn.entry(entry.key()).or_insert(0) += 1;
    }
    // Of 700 counts with mean 100 and standard deviation 10.
    assert_eq!(drawn.len(), 700);
    assert!(drawn.values().all(|count| (50..160).contains(count)));
}

#[test]
fn regions_of_a_large_table_have_chances_by_their_keys() {
    let mut keyspace = filled(150_000);
    let db = keyspace.db_mut(0);
    // Thin out a quarter of hash space, so that segments and chunks there merge or stand half empty.
    let quarter = |db: &crate::Db, key: &[u8]| Position::of_hash(db.hash(key)).prefix(2);
    for number in 0..150_000 {
        if quarter(db, &key(number)) == 1 && number % 10 > 0 {
            db.remove(&key(number));
        }
    }
    let mut there = [0_u32; 4];
    db.iter().for_each(|entry| there[quarter(db, entry.key())] += 1);
    let mut rng = fastrand::Rng::with_seed(12);
    let mut drawn = [0_u32; 4];
    const DRAWS: u32 = 40_000;
    for _ in 0..DRAWS {
        let entry = db.random(&mut rng).expect("not empty");
        drawn[quarter(db, entry.key())] += 1;
    }
    for (there, drawn) in there.into_iter().zip(drawn) {
        let want = f64::from(DRAWS) * f64::from(there) / db.len() as f64;
        let deviation = (f64::from(drawn) - want) / want.sqrt();
        assert!(deviation.abs() < 5.0, "{drawn} drawn, {want} expected");
    }
}

#[test]
fn nothing_comes_of_nothing() {
    assert!(filled(0).db(0).random(&mut fastrand::Rng::with_seed(1)).is_none());
}
