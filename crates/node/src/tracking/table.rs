//! Which clients have read which keys.
//!
//! ```text
//!   key ─▶ numbers of its readers, ascending, four bytes each
//! ```
//!
//! A key read by one client takes its own bytes, four for the client, and about eight for its place in a page; the table grows
//! page by page and is never rehashed as a whole. Clients that leave stay in it until the key changes: looking for all their keys
//! would cost more than a number that nobody answers to. Lists that grow are cleared of them, so that a key which never changes
//! does not remember everybody who ever came by.

use collections::{Expiry, Hasher, Table};

use super::tracker::Number;

/// Bytes of one number.
const WIDTH: usize = size_of::<Number>();
/// A list that reaches so many numbers, or that times a power of two, is cleared of those who have left.
const FIRST_CLEARING: usize = 8;

/// See the module's documentation. Keys of different databases are the same here: clients are not told of databases.
pub(super) struct KeyTable {
    keys: Table,
    hasher: Hasher,
    items: usize,
    scratch: Vec<u8>,
}

impl KeyTable {
    /// An empty table whose hashes begin with this seed.
    pub fn new(seed: u64) -> KeyTable {
        let hasher = Hasher::new(seed);
        KeyTable { keys: Table::new(hasher.clone()), hasher, items: 0, scratch: Vec::new() }
    }

    /// How many keys somebody has read.
    #[inline]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// How many readers they have, each key counted by itself.
    pub fn items(&self) -> usize {
        self.items
    }

    /// Notes that a client has read a key. `is_there` says who has not left.
    pub fn remember(&mut self, key: &[u8], reader: Number, is_there: impl Fn(Number) -> bool) {
        let known = self.keys.get(key).map_or(&[][..], |item| item.value);
        let Err(at) = search(known, reader) else { return };
        let before = known.len() / WIDTH;
        self.scratch.clear();
        self.scratch.extend_from_slice(&known[..at * WIDTH]);
        self.scratch.extend_from_slice(&reader.to_bytes());
        self.scratch.extend_from_slice(&known[at * WIDTH..]);
        let mut after = before + 1;
        if after >= FIRST_CLEARING && after.is_power_of_two() {
            after = clear(&mut self.scratch, |number| number == reader || is_there(number));
        }
        self.keys.insert(key, &self.scratch, Expiry::Keep);
        self.items = self.items - before + after;
    }

    /// Takes a key out, and adds its readers to `readers`.
    pub fn take(&mut self, key: &[u8], readers: &mut Vec<Number>) {
        let Some(item) = self.keys.get(key) else { return };
        readers.extend(numbers(item.value));
        self.items -= item.value.len() / WIDTH;
        self.keys.remove(key);
    }

    /// Any key, each with the same chance.
    pub fn any_key(&self, rng: &mut fastrand::Rng) -> Option<Box<[u8]>> {
        self.keys.random(rng).map(|item| item.key.into())
    }

    /// Empties the table. What was in it is for the caller to free.
    pub fn take_all(&mut self) -> Table {
        self.items = 0;
        std::mem::replace(&mut self.keys, Table::new(self.hasher.clone()))
    }
}

fn number_at(list: &[u8], at: usize) -> Number {
    let mut bytes = [0; WIDTH];
    bytes.copy_from_slice(&list[at * WIDTH..][..WIDTH]);
    Number::from_bytes(bytes)
}

fn numbers(list: &[u8]) -> impl Iterator<Item = Number> {
    (0..list.len() / WIDTH).map(|at| number_at(list, at))
}

/// Where a number is in a list, or where it would have to be.
fn search(list: &[u8], number: Number) -> Result<usize, usize> {
    let (mut low, mut high) = (0, list.len() / WIDTH);
    while low < high {
        let middle = low + (high - low) / 2;
        match number_at(list, middle).cmp(&number) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Equal => return Ok(middle),
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    Err(low)
}

/// Keeps the numbers that `keep` wants; how many those are.
fn clear(list: &mut Vec<u8>, keep: impl Fn(Number) -> bool) -> usize {
    let mut kept = 0;
    for at in 0..list.len() / WIDTH {
        let number = number_at(list, at);
        if keep(number) {
            list[kept * WIDTH..][..WIDTH].copy_from_slice(&number.to_bytes());
            kept += 1;
        }
    }
    list.truncate(kept * WIDTH);
    kept
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn number(n: u32) -> Number {
        Number::from_bytes(n.to_le_bytes())
    }

    #[derive(Clone, Debug)]
    enum Op {
        Remember(u8, u32),
        Take(u8),
        TakeAny,
        TakeAll,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            20 => (0u8..6, 0u32..40).prop_map(|(key, reader)| Op::Remember(key, reader)),
            2 => (0u8..6).prop_map(Op::Take),
            1 => Just(Op::TakeAny),
            1 => Just(Op::TakeAll),
        ]
    }

    proptest! {
        /// Against a plain map of sets: nobody who is there is ever forgotten, and nobody is made up.
        #[test]
        fn it_is_a_map_of_sets(ops in prop::collection::vec(op(), 1..200), left in 0u32..40) {
            let mut table = KeyTable::new(1);
            let mut model: BTreeMap<Vec<u8>, BTreeSet<Number>> = BTreeMap::new();
            let mut rng = fastrand::Rng::with_seed(7);
            let is_there = |of: Number| of >= number(left);
            for op in ops {
                let mut readers = Vec::new();
                match op {
                    Op::Remember(key, reader) => {
                        let key = vec![b'k'; usize::from(key) * 100];
                        table.remember(&key, number(reader), is_there);
                        model.entry(key).or_default().insert(number(reader));
                    }
                    Op::Take(key) => {
                        let key = vec![b'k'; usize::from(key) * 100];
                        table.take(&key, &mut readers);
                        let expected = model.remove(&key).unwrap_or_default();
                        prop_assert!(readers.is_sorted());
                        prop_assert!(readers.iter().all(|reader| expected.contains(reader)));
                        prop_assert!(expected.iter().all(|reader| !is_there(*reader) || readers.contains(reader)));
                    }
                    Op::TakeAny => match table.any_key(&mut rng) {
                        Some(key) => {
                            table.take(&key, &mut readers);
                            prop_assert!(!readers.is_empty() && model.remove(&*key).is_some());
                        }
                        None => prop_assert!(model.is_empty()),
                    },
                    Op::TakeAll => {
                        prop_assert_eq!(table.take_all().len(), model.len());
                        model.clear();
                    }
                }
                prop_assert_eq!(table.len(), model.len());
                prop_assert!(table.items() <= model.values().map(BTreeSet::len).sum());
            }
            let mut left = 0;
            while let Some(key) = table.any_key(&mut rng) {
                let mut readers = Vec::new();
                table.take(&key, &mut readers);
                left += readers.len();
                prop_assert!(left > 0);
            }
            prop_assert_eq!(table.items(), 0);
        }
    }

    #[test]
    fn a_key_that_never_changes_forgets_those_who_left() {
        let mut table = KeyTable::new(1);
        for reader in 0..100_000 {
            // Each has left when the next one comes.
            table.remember(b"k", number(reader), |_| false);
        }
        assert!(table.items() < FIRST_CLEARING, "{}", table.items());
    }

    #[test]
    fn a_key_takes_little_more_than_its_bytes() {
        let mut table = KeyTable::new(1);
        for key in 0..100_000 {
            table.remember(format!("key:{key:012}").as_bytes(), number(1), |_| true);
        }
        let bytes = table.keys.heap_bytes() as f64 / 100_000.0;
        assert!(bytes < 48.0, "{bytes} bytes a key of 16");
    }
}
