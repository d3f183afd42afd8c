//! What must hold: equal positions mean equal data.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use backlog::{Offset, ReplicationId};
use keyspace::Keyspace;

/// A digest of all data: keys, values, expiry, by database.
pub fn digest(keyspace: &Keyspace) -> u64 {
    let mut sum = 0u64;
    for index in 0..keyspace.databases() {
        for entry in keyspace.db(index).iter() {
            let mut hasher = DefaultHasher::new();
            (index, entry.key(), entry.str(), entry.expiry()).hash(&mut hasher);
            sum = sum.wrapping_add(hasher.finish());
        }
    }
    sum
}

/// All data as text, for a failure's report.
pub fn describe(keyspace: &Keyspace) -> Vec<String> {
    let mut lines: Vec<String> = (0..keyspace.databases())
        .flat_map(|index| {
            keyspace.db(index).iter().map(move |entry| {
                let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
                let value = text(entry.str().unwrap_or_default());
                format!("{index}/{} = {value} expires {:?}", text(entry.key()), entry.expiry())
            })
        })
        .collect();
    lines.sort();
    lines
}

/// Remembers which data belongs to which position of which history.
#[derive(Default)]
pub struct Positions {
    seen: HashMap<(ReplicationId, Offset), (u64, usize, Vec<String>)>,
}

impl Positions {
    /// Notes what `machine` holds at a position; an error if another one held something else there.
    pub fn note(
        &mut self,
        id: ReplicationId,
        offset: Offset,
        machine: usize,
        keyspace: &Keyspace,
    ) -> Result<(), String> {
        let found = digest(keyspace);
        let (expected, first, data) =
            self.seen.entry((id, offset)).or_insert_with(|| (found, machine, describe(keyspace)));
        if *expected == found {
            return Ok(());
        }
        let here = describe(keyspace);
        let only_here: Vec<_> = here.iter().filter(|line| !data.contains(line)).collect();
        let only_there: Vec<_> = data.iter().filter(|line| !here.contains(line)).collect();
        Err(format!(
            "machines {first} and {machine} differ at {id}:{offset}: only {machine} has {only_here:#?}, only {first} has \
             {only_there:#?}"
        ))
    }

    pub fn len(&self) -> usize {
        self.seen.len()
    }
}
