//! Tests of the whole, against plain models.

mod collisions;
mod expiry;
mod fields;
mod model;
mod parts;
mod random;
mod sample;
mod scan;
mod shrink;

use crate::{Db, Keyspace, SetExpiry};

/// A keyspace of one database with keys `0..count`.
fn filled(count: u32) -> Keyspace {
    let mut keyspace = Keyspace::new(1, 0x5eed);
    add(keyspace.db_mut(0), 0..count);
    keyspace
}

fn key(number: u32) -> Vec<u8> {
    format!("key:{number}").into_bytes()
}

fn add(db: &mut Db, numbers: std::ops::Range<u32>) {
    for number in numbers {
        db.set_str(&key(number), &number.to_le_bytes(), SetExpiry::Keep);
    }
}

fn remove(db: &mut Db, numbers: std::ops::Range<u32>) {
    for number in numbers {
        assert!(db.remove(&key(number)).is_some(), "{number}");
    }
}
