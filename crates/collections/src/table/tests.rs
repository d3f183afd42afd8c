//! The table against a plain map.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Expiry, Item, Table};
use crate::Hasher;

type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

#[derive(Clone)]
struct World {
    table: Table,
    model: Model,
}

fn key(number: u32) -> Vec<u8> {
    format!("key:{number}").into_bytes()
}

fn same(number: u32) -> Vec<u8> {
    [b"\0same", &[9][..], &number.to_le_bytes()].concat()
}

fn near(number: u32) -> Vec<u8> {
    [b"\0near", &number.to_le_bytes()[..]].concat()
}

impl World {
    fn new() -> Self {
        Self { table: Table::new(Hasher::new(0x5eed)), model: Model::new() }
    }

    fn insert(&mut self, key: Vec<u8>, value: Vec<u8>, expiry: Expiry) {
        let new = self.table.insert(&key, &value, expiry);
        assert_eq!(new, !self.model.contains_key(&key));
        let held = self.model.entry(key).or_default();
        *held = (value, expiry.apply(held.1));
    }

    fn remove(&mut self, key: &[u8]) {
        assert_eq!(self.table.remove(key), self.model.remove(key).is_some());
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Insert(key, value, expiry) => self.insert(key, value, expiry),
            Op::Remove(key) => self.remove(&key),
            Op::SetExpiry(key, expiry) => {
                assert_eq!(self.table.set_expiry(&key, expiry), self.model.contains_key(&key));
                if let Some(held) = self.model.get_mut(&key) {
                    held.1 = expiry;
                }
            }
            Op::Grow(count, len) => {
                for number in 0..count {
                    let expiry = if number % 7 == 0 { Expiry::At(u64::from(number)) } else { Expiry::Keep };
                    self.insert(key(number), vec![b'v'; len], expiry);
                }
            }
            Op::Collide(count) => {
                for number in 0..count {
                    let expiry = if number % 7 == 0 { Expiry::At(u64::from(number)) } else { Expiry::Keep };
                    self.insert(same(number), vec![b'v'; (number % 60) as usize], expiry);
                }
            }
            Op::Thin(part) => {
                let keys: Vec<_> = self.model.keys().cloned().collect();
                keys.iter().skip(1).step_by(part).for_each(|key| self.remove(key));
            }
            Op::Due(now, max) => {
                let mut gone = Vec::new();
                let more = self.table.remove_due(now, max, &mut |item| gone.push(owned(item)));
                let due = self.model.values().filter(|held| held.1.is_some_and(|at| at <= now)).count();
                assert!(gone.len() == max.min(due) || more);
                assert!(gone.len() <= max);
                assert!(more || gone.len() == due);
                for (key, held) in gone {
                    assert_eq!(self.model.remove(&key), Some(held.clone()));
                    assert!(held.1.is_some_and(|at| at <= now));
                }
            }
        }
    }

    fn check(&self) {
        self.table.check();
        let mut entries: Vec<_> = self.table.iter().map(owned).collect();
        entries.sort();
        assert!(entries.into_iter().eq(self.model.clone()));
        for (key, held) in self.model.iter().take(300) {
            assert_eq!(self.table.get(key).map(owned), Some((key.clone(), held.clone())));
            assert!(self.table.contains(key));
        }
        assert_eq!(self.table.get(b"no such key"), None);
        assert_eq!(self.scan(10).0, self.model.keys().cloned().collect::<BTreeSet<_>>());
    }

    /// The keys that a whole iteration gives, and the most in one step.
    fn scan(&self, count: usize) -> (BTreeSet<Vec<u8>>, usize) {
        let (mut keys, mut cursor, mut most) = (BTreeSet::new(), 0, 0);
        loop {
            let mut step = 0;
            cursor = self.table.scan(cursor, count, &mut |item| {
                step += 1;
                assert!(keys.insert(item.key.to_vec()), "given twice");
            });
            assert!(cursor < 1 << 53);
            most = most.max(step);
            if cursor == 0 {
                return (keys, most);
            }
        }
    }
}

fn owned(item: Item<'_>) -> (Vec<u8>, (Vec<u8>, Option<u64>)) {
    (item.key.to_vec(), (item.value.to_vec(), item.expiry))
}

#[derive(Debug, Clone)]
enum Op {
    Insert(Vec<u8>, Vec<u8>, Expiry),
    Remove(Vec<u8>),
    SetExpiry(Vec<u8>, Option<u64>),
    Grow(u32, usize),
    Collide(u32),
    Thin(usize),
    Due(u64, usize),
}

fn keys() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (0..200u32).prop_map(key),
        2 => (0..40u32).prop_map(near),
        2 => (0..200u32).prop_map(same),
        1 => prop::collection::vec(any::<u8>(), 0..4),
        1 => (0..4usize, 0..3u8).prop_map(|(len, byte)| vec![byte; [31, 32, 300, 600][len]]),
    ]
}

fn values() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (100..700usize, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
        1 => Just(Vec::new()),
    ]
}

fn expiries() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![Just(None), (0..100u64).prop_map(Some)]
}

fn ops() -> impl Strategy<Value = Op> {
    let expiry = prop_oneof![
        3 => Just(Expiry::Keep),
        1 => Just(Expiry::Clear),
        1 => (0..100u64).prop_map(Expiry::At),
    ];
    prop_oneof![
        20 => (keys(), values(), expiry).prop_map(|(key, value, expiry)| Op::Insert(key, value, expiry)),
        8 => keys().prop_map(Op::Remove),
        4 => (keys(), expiries()).prop_map(|(key, expiry)| Op::SetExpiry(key, expiry)),
        2 => (0..3000u32, 0..50usize).prop_map(|(count, len)| Op::Grow(count, len)),
        1 => (0..700u32).prop_map(Op::Collide),
        1 => (1..4usize).prop_map(Op::Thin),
        2 => (0..1000u64, 0..300usize).prop_map(|(now, max)| Op::Due(now, max)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn random_operations_match_the_model(
        ops in prop::collection::vec((ops(), prop::bool::weighted(0.1)), 1..150),
    ) {
        let mut world = World::new();
        let mut views = Vec::new();
        for (op, clone) in ops {
            if clone {
                views.push(world.clone());
            }
            world.apply(op);
        }
        world.check();
        views.iter().for_each(World::check);
    }

    #[test]
    fn a_scan_gives_what_stays(
        start in 0..4000u32,
        steps in prop::collection::vec((0..2000u32, any::<bool>()), 1..20),
        count in 1..200usize,
    ) {
        let mut world = World::new();
        world.apply(Op::Grow(start, 3));
        let stays: BTreeSet<_> = (0..50).map(|number| [b"stays:", &key(number)[..]].concat()).collect();
        stays.iter().for_each(|key| world.insert(key.clone(), Vec::new(), Expiry::Keep));
        let (mut seen, mut cursor) = (BTreeSet::new(), 0);
        let mut steps = steps.into_iter().cycle().take(400);
        loop {
            cursor = world.table.scan(cursor, count, &mut |item| {
                seen.insert(item.key.to_vec());
            });
            if cursor == 0 {
                break;
            }
            match steps.next() {
                Some((number, true)) => world.apply(Op::Grow(number, 3)),
                Some((number, false)) => (0..number).for_each(|number| world.remove(&key(number))),
                None => {}
            }
        }
        prop_assert!(seen.is_superset(&stays));
    }
}

#[test]
fn prefetching_finds_its_way_in_any_table() {
    let mut table = Table::new(Hasher::new(0x5eed));
    let asked: Vec<Vec<u8>> = (0..300).map(key).chain((0..300).map(same)).collect();
    let prefetch = |table: &Table| table.prefetch(asked.iter().map(Vec::as_slice));
    prefetch(&table);
    // Long values, and more keys of one hash than a page takes.
    for (number, key) in asked.iter().enumerate().filter(|(number, _)| number % 3 != 0) {
        table.insert(key, &vec![b'x'; number * 7], Expiry::Keep);
        prefetch(&table);
    }
    table.check();
}

#[test]
fn a_step_of_scan_gives_as_many_as_asked_for() {
    let mut world = World::new();
    world.apply(Op::Grow(1000, 3));
    for count in [1, 3, 10, 100, 5000] {
        let (keys, most) = world.scan(count);
        assert_eq!(keys.len(), 1000);
        // Two keys of one position come together; nobody can do anything about that, and it hardly ever happens.
        assert!(most <= count, "{most} > {count}");
    }
    assert_eq!(world.table.scan(1 << 53, 1, &mut |_| panic!("outside hash space")), 0);
    assert_eq!(world.table.scan(u64::MAX, 1, &mut |_| panic!("outside hash space")), 0);
    world.table.scan((1 << 53) - 1, 1, &mut |_| {});
}

#[test]
fn whole_hashes_in_common_degrade_gently() {
    let mut world = World::new();
    const KEYS: u32 = 20_000;
    for number in 0..KEYS {
        world.insert(same(number), number.to_le_bytes().to_vec(), Expiry::Keep);
        world.insert(key(number), b"x".to_vec(), Expiry::Keep);
    }
    world.check();
    let view = world.clone();
    for number in 0..KEYS {
        world.insert(same(number), b"other".to_vec(), Expiry::Keep);
    }
    for number in 0..KEYS {
        world.remove(&same(number));
    }
    world.check();
    view.check();
    assert!(world.table.heap_bytes() < KEYS as usize * 40, "{}", world.table.heap_bytes());
}

#[test]
fn a_long_prefix_in_common_does_not_blow_up_the_directory() {
    let mut world = World::new();
    for number in 0..3000 {
        world.insert(near(number), Vec::new(), Expiry::Keep);
    }
    world.check();
    assert!(world.table.directory.pages() < 100, "{}", world.table.directory.pages());
    // Once there are other keys enough for such a depth, the sorted map empties into pages.
    world.apply(Op::Grow(30_000, 0));
    (0..3000).for_each(|number| world.insert(near(number), b"1".to_vec(), Expiry::Keep));
    world.check();
    (0..3000).for_each(|number| world.remove(&near(number)));
    world.check();
}

#[test]
fn a_write_copies_a_page_and_not_the_table() {
    let mut world = World::new();
    world.apply(Op::Grow(20_000, 10));
    let view = world.table.clone();
    world.table.insert(&key(5), b"other", Expiry::Keep);
    let shared = world
        .table
        .iter()
        .filter(|item| view.get(item.key).is_some_and(|theirs| std::ptr::eq(item.key, theirs.key)));
    let copied = 20_000 - shared.count();
    assert!((1..=64).contains(&copied), "{copied}");
    // What is not there is not copied for.
    let before = world.table.clone();
    assert!(!world.table.remove(b"no such key"));
    assert!(
        world.table.iter().all(|item| before.get(item.key).is_some_and(|b| std::ptr::eq(b.key, item.key)))
    );
}

#[test]
fn memory_comes_back() {
    let mut world = World::new();
    let empty = world.table.heap_bytes();
    assert!(empty < 64);
    world.apply(Op::Grow(20_000, 10));
    let full = world.table.heap_bytes();
    for number in 100..20_000 {
        world.remove(&key(number));
    }
    assert!(world.table.heap_bytes() < full / 40, "{} of {full}", world.table.heap_bytes());
    (0..100).for_each(|number| world.remove(&key(number)));
    assert_eq!(world.table.heap_bytes(), empty);
}

#[test]
fn equal_tables_need_not_lie_alike() {
    let (mut a, mut b) = (World::new(), World { table: Table::new(Hasher::new(2)), model: Model::new() });
    a.apply(Op::Grow(500, 4));
    b.apply(Op::Grow(900, 4));
    assert_ne!(a.table, b.table);
    (500..900).for_each(|number| b.remove(&key(number)));
    assert_eq!(a.table, b.table);
    b.table.set_expiry(&key(3), Some(4));
    assert_ne!(a.table, b.table);
}

#[test]
fn every_entry_is_drawn() {
    let mut world = World::new();
    let mut rng = fastrand::Rng::with_seed(1);
    assert_eq!(world.table.random(&mut rng), None);
    world.apply(Op::Grow(300, 1));
    let drawn: BTreeSet<_> =
        (0..6000).filter_map(|_| world.table.random(&mut rng)).map(|item| item.key.to_vec()).collect();
    assert_eq!(drawn.len(), 300);
}
