//! Tables give memory back.

use super::{add, filled, remove};

#[test]
fn a_table_that_empties_shrinks_with_its_keys() {
    let mut keyspace = filled(100_000);
    let db = keyspace.db_mut(0);
    for left in [50_000, 10_000, 1000, 100] {
        remove(db, left..db.len() as u32);
        db.check();
        // Segments keep up to twice the room that they need; the last chunk has its size whatever is in it.
        let limit = left as usize * 20 + 8192;
        assert!(db.table_bytes() < limit, "{} bytes for {left} keys", db.table_bytes());
    }
    remove(db, 0..100);
    assert_eq!((db.table_bytes(), db.segments()), (0, 0));
    add(db, 0..1000);
    db.check();
}

#[test]
fn memory_a_key_is_even_at_every_size() {
    let mut keyspace = filled(0);
    let db = keyspace.db_mut(0);
    let mut next = 50_000;
    for number in 0..300_000 {
        add(db, number..number + 1);
        if number == next {
            let bytes = db.table_bytes() as f64 / f64::from(number);
            assert!((7.3..9.3).contains(&bytes), "{bytes:.2} bytes a key at {number}");
            next += next / 16;
        }
    }
}

#[test]
fn comings_and_goings_near_a_limit_do_not_pile_up() {
    let mut keyspace = filled(20_000);
    let db = keyspace.db_mut(0);
    let mut oldest = 0;
    for round in 0..20 {
        let newest = 20_000 + round * 1000;
        add(db, newest..newest + 1000);
        remove(db, oldest..oldest + 1000);
        oldest += 1000;
    }
    db.check();
    assert_eq!(db.spilled(), 0);
    assert!(db.table_bytes() < 20_000 * 12, "{}", db.table_bytes());
}
