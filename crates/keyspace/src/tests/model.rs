//! Random operations against a map, with views taken in between.

use std::collections::HashMap;

use proptest::prelude::*;

use crate::record::INLINE_MAX;
use crate::{Entry, FrozenDb, FrozenKeyspace, Keyspace, Layout, Object, SetExpiry, Value, ValueRef};

#[derive(Debug, Clone, PartialEq)]
struct Held {
    layout: Layout,
    value: Vec<u8>,
    expiry: Option<u64>,
}

type Model = HashMap<Vec<u8>, Held>;

#[derive(Debug, Clone)]
enum Op {
    Set(Vec<u8>, Vec<u8>, SetExpiry),
    Insert(Vec<u8>, Vec<u8>, Option<u64>),
    Append(Vec<u8>, Vec<u8>),
    SetRange(Vec<u8>, usize, Vec<u8>),
    Replace(Vec<u8>, Vec<u8>),
    Push(Vec<u8>, u8),
    SetBytes(Vec<u8>, Layout, Vec<u8>),
    Splice(Vec<u8>, prop::sample::Index, prop::sample::Index, Vec<u8>),
    Expire(Vec<u8>, Option<u64>),
    Touch(Vec<u8>, u32),
    Remove(Vec<u8>),
    Rename(Vec<u8>, Vec<u8>),
    Copy(Vec<u8>, Vec<u8>),
    AddMany(u32),
    RemoveMany(u32),
    Flush,
    Freeze,
    DropView(usize),
}

fn keys() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (0..60_u32).prop_map(super::key),
        1 => Just(Vec::new()),
        1 => (0..3_u8, 0..40_u8).prop_map(|(group, n)| [b"\0same", &[group, n][..]].concat()),
        1 => (250..260_usize).prop_map(|len| vec![b'k'; len]),
    ]
}

fn values() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (0..80_usize, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
        1 => (240..270_usize, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
        1 => (1000..1100_usize, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
    ]
}

fn expiries() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![2 => Just(None), 3 => (1..100_u64).prop_map(Some), 1 => Just(Some(u64::MAX))]
}

fn set_expiries() -> impl Strategy<Value = SetExpiry> {
    prop_oneof![Just(SetExpiry::Keep), Just(SetExpiry::Clear), (1..100_u64).prop_map(SetExpiry::At)]
}

fn layouts() -> impl Strategy<Value = Layout> {
    use Layout::*;
    prop::sample::select(vec![Str, ListPack, SetPack, IntSet, HashPack, ZSetPack])
}

fn ops() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => (keys(), values(), set_expiries()).prop_map(|(k, v, e)| Op::Set(k, v, e)),
        3 => (keys(), values(), expiries()).prop_map(|(k, v, e)| Op::Insert(k, v, e)),
        4 => (keys(), values()).prop_map(|(k, v)| Op::Append(k, v)),
        3 => (keys(), 0..1200_usize, values()).prop_map(|(k, at, v)| Op::SetRange(k, at, v)),
        2 => (keys(), values()).prop_map(|(k, v)| Op::Replace(k, v)),
        2 => (keys(), any::<u8>()).prop_map(|(k, byte)| Op::Push(k, byte)),
        4 => (keys(), layouts(), values()).prop_map(|(k, layout, v)| Op::SetBytes(k, layout, v)),
        6 => (keys(), any::<prop::sample::Index>(), any::<prop::sample::Index>(), values())
            .prop_map(|(k, from, to, v)| Op::Splice(k, from, to, v)),
        4 => (keys(), expiries()).prop_map(|(k, e)| Op::Expire(k, e)),
        2 => (keys(), any::<u32>()).prop_map(|(k, access)| Op::Touch(k, access)),
        8 => keys().prop_map(Op::Remove),
        2 => (keys(), keys()).prop_map(|(a, b)| Op::Rename(a, b)),
        2 => (keys(), keys()).prop_map(|(a, b)| Op::Copy(a, b)),
        1 => (100..3000_u32).prop_map(Op::AddMany),
        1 => (100..3000_u32).prop_map(Op::RemoveMany),
        1 => Just(Op::Flush),
        3 => Just(Op::Freeze),
        2 => any::<usize>().prop_map(Op::DropView),
    ]
}

fn assert_same<'a>(entries: impl ExactSizeIterator<Item = Entry<'a>>, model: &Model) {
    assert_eq!(entries.len(), model.len());
    let mut seen = 0;
    for entry in entries {
        seen += 1;
        let held = model.get(entry.key()).expect("a key of the model");
        assert_holds(&entry, held);
        assert_eq!(entry.expiry(), held.expiry);
        assert_eq!(entry.kind(), held.layout.kind());
        // In between, a value stays where it is.
        if !(INLINE_MAX / 2..=INLINE_MAX).contains(&held.value.len()) {
            assert_eq!(entry.object().is_some(), held.value.len() > INLINE_MAX);
        }
    }
    assert_eq!(seen, model.len());
}

fn assert_holds(entry: &Entry<'_>, held: &Held) {
    // Large forms are tested by type.
    let ValueRef::Bytes(layout, bytes) = entry.value() else {
        panic!("{entry:?} is not one piece of memory")
    };
    assert_eq!((layout, bytes), (held.layout, &held.value[..]));
    assert_eq!(entry.str(), (layout == Layout::Str).then_some(bytes));
}

/// Whether a key is there and holds no string, which is what operations on strings ask for.
fn is_other(model: &Model, key: &[u8]) -> bool {
    model.get(key).is_some_and(|held| held.layout != Layout::Str)
}

fn assert_view(view: &FrozenDb, model: &Model) {
    assert_same(view.iter(), model);
    assert_eq!(view.expires(), model.values().filter(|held| held.expiry.is_some()).count());
    for (key, held) in model.iter().take(50) {
        assert_holds(&view.get(key).expect("a key of the model"), held);
    }
    assert!(view.get(b"never there").is_none());
}

struct World {
    keyspace: Keyspace,
    model: Model,
    views: Vec<(FrozenKeyspace, Model)>,
}

impl World {
    fn apply(&mut self, op: Op) {
        let Self { keyspace, model, views } = self;
        let db = keyspace.db_mut(0);
        match op {
            Op::Set(key, value, expiry) => {
                let before = model.get(&key).map(|held| held.expiry);
                assert_eq!(db.set_str(&key, &value, expiry), before.is_some());
                let expiry = expiry.apply(before.flatten());
                model.insert(key, Held { layout: Layout::Str, value, expiry });
            }
            Op::Insert(key, value, expiry) => {
                let replaced = db.insert(&key, Value::Str(value.clone()), expiry).is_some();
                let held = Held { layout: Layout::Str, value, expiry };
                assert_eq!(replaced, model.insert(key, held).is_some());
            }
            Op::Append(key, _) | Op::SetRange(key, ..) | Op::Push(key, _) if is_other(model, &key) => {}
            Op::Append(key, bytes) => {
                let got = db.get_mut(&key).map(|mut entry| entry.append(&bytes));
                let want = model.get_mut(&key).map(|held| {
                    held.value.extend_from_slice(&bytes);
                    held.value.len()
                });
                assert_eq!(got, want);
            }
            Op::SetRange(key, at, bytes) => {
                let got = db.get_mut(&key).map(|mut entry| entry.set_range(at, &bytes));
                let want = model.get_mut(&key).map(|held| {
                    if !bytes.is_empty() {
                        let end = at + bytes.len();
                        held.value.resize(held.value.len().max(end), 0);
                        held.value[at..end].copy_from_slice(&bytes);
                    }
                    held.value.len()
                });
                assert_eq!(got, want);
            }
            Op::Replace(key, value) => {
                if let Some(mut entry) = db.get_mut(&key) {
                    entry.set_str(&value);
                    assert_eq!(entry.as_entry().str(), Some(&value[..]));
                    let held = model.get_mut(&key).expect("there as well");
                    (held.layout, held.value) = (Layout::Str, value);
                }
            }
            Op::SetBytes(key, layout, bytes) => {
                if let Some(mut entry) = db.get_mut(&key) {
                    entry.set_bytes(layout, &bytes);
                    assert_eq!(entry.as_entry().kind(), layout.kind());
                    let held = model.get_mut(&key).expect("there as well");
                    (held.layout, held.value) = (layout, bytes);
                }
            }
            Op::Splice(key, from, to, with) => {
                if let (Some(mut entry), Some(held)) = (db.get_mut(&key), model.get_mut(&key)) {
                    let (from, to) = (from.index(held.value.len() + 1), to.index(held.value.len() + 1));
                    let range = from.min(to)..from.max(to);
                    entry.splice_bytes(range.clone(), &with);
                    held.value.splice(range, with);
                }
            }
            Op::Push(key, byte) => {
                if let Some(mut entry) = db.get_mut(&key)
                    && let Some(Object::Bytes(Layout::Str, bytes)) = entry.object_mut()
                {
                    bytes.push(byte);
                    model.get_mut(&key).expect("there as well").value.push(byte);
                }
            }
            Op::Expire(key, expiry) => {
                assert_eq!(db.set_expiry(&key, expiry), model.contains_key(&key));
                if let Some(held) = model.get_mut(&key) {
                    held.expiry = expiry;
                }
                assert_eq!(db.expiry(&key), model.get(&key).map(|held| held.expiry));
            }
            Op::Touch(key, access) => {
                if let Some(entry) = db.get(&key) {
                    entry.set_access(access);
                    assert_eq!(entry.access(), access & 0xff_ffff);
                }
            }
            Op::Remove(key) => {
                let removed = db.remove(&key);
                let want = model.remove(&key);
                assert_eq!(
                    removed.as_ref().map(|removed| removed.expiry()),
                    want.as_ref().map(|held| held.expiry)
                );
                let value = removed.map(|removed| removed.into_value());
                let want = want.map(|held| match held.layout {
                    Layout::Str => Value::Str(held.value),
                    layout => Value::Bytes(layout, held.value),
                });
                assert_eq!(value, want);
            }
            Op::Rename(from, to) => {
                if let Some(removed) = db.remove(&from) {
                    let access = removed.access();
                    let replaced = db.insert_removed(&to, removed).is_some();
                    assert_eq!(db.get(&to).map(|entry| entry.access()), Some(access));
                    let held = model.remove(&from).expect("there as well");
                    assert_eq!(replaced, model.insert(to, held).is_some());
                }
            }
            Op::Copy(from, to) => {
                if let Some(copy) = db.get(&from).map(|entry| entry.duplicate()) {
                    let replaced = db.insert_removed(&to, copy).is_some();
                    let held = model.get(&from).cloned().expect("there as well");
                    assert_eq!(replaced, model.insert(to, held).is_some());
                }
            }
            Op::AddMany(count) => {
                for number in 0..count {
                    let expiry = if number % 5 == 0 { SetExpiry::At(number.into()) } else { SetExpiry::Keep };
                    self.apply(Op::Set(super::key(number), number.to_le_bytes().to_vec(), expiry));
                }
            }
            Op::RemoveMany(count) => {
                (0..count).for_each(|number| self.apply(Op::Remove(super::key(number))));
            }
            Op::Flush => {
                drop(db.flush());
                model.clear();
            }
            Op::Freeze => views.push((keyspace.freeze(), model.clone())),
            Op::DropView(index) => {
                if !views.is_empty() {
                    let (view, model) = views.swap_remove(index % views.len());
                    // On another thread, while this one goes on writing.
                    std::thread::spawn(move || assert_view(view.db(0), &model)).join().expect("a true view");
                }
            }
        }
    }

    fn check(&self) {
        let db = self.keyspace.db(0);
        db.check();
        assert_same(db.iter(), &self.model);
        let expiries: Vec<u64> = self.model.values().filter_map(|held| held.expiry).collect();
        assert_eq!(db.expires(), expiries.len());
        assert!(db.earliest_expiry() <= expiries.iter().copied().min());
        for (key, held) in self.model.iter().take(200) {
            assert_holds(&db.get(key).expect("a key of the model"), held);
        }
        for (view, model) in &self.views {
            assert_view(view.db(0), model);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn random_operations_match_the_model(ops in prop::collection::vec(ops(), 1..120), seed in any::<u64>()) {
        let mut world = World { keyspace: Keyspace::new(1, seed), model: Model::new(), views: Vec::new() };
        for op in ops {
            world.apply(op);
        }
        world.check();
        // The views outlive the keyspace.
        let World { keyspace, views, .. } = world;
        drop(keyspace);
        std::thread::spawn(move || views.iter().for_each(|(view, model)| assert_view(view.db(0), model)))
            .join()
            .expect("true views");
    }
}

#[test]
fn views_stay_true_while_another_thread_reads_and_drops_them() {
    let mut keyspace = super::filled(30_000);
    let mut model: Model = keyspace
        .db(0)
        .iter()
        .map(|entry| {
            (
                entry.key().to_vec(),
                Held { layout: Layout::Str, value: entry.str().expect("a string").to_vec(), expiry: None },
            )
        })
        .collect();
    let mut rng = fastrand::Rng::with_seed(3);
    std::thread::scope(|scope| {
        for round in 0..6_u8 {
            let (view, then) = (keyspace.freeze(), model.clone());
            scope.spawn(move || assert_view(view.db(0), &then));
            for _ in 0..3000 {
                let key = super::key(rng.u32(..40_000));
                if rng.u8(..4) == 0 {
                    assert_eq!(keyspace.db_mut(0).remove(&key).is_some(), model.remove(&key).is_some());
                } else {
                    keyspace.db_mut(0).set_str(&key, &[round; 20], SetExpiry::Clear);
                    model.insert(key, Held { layout: Layout::Str, value: vec![round; 20], expiry: None });
                }
            }
        }
    });
    keyspace.db(0).check();
    assert_same(keyspace.db(0).iter(), &model);
}

#[test]
fn a_write_under_a_view_copies_little() {
    let mut keyspace = super::filled(20_000);
    let bytes = keyspace.db(0).table_bytes();
    let view = keyspace.freeze();
    let db = keyspace.db_mut(0);
    db.set_str(&super::key(5), b"other", SetExpiry::Keep);
    db.remove(&super::key(6));
    // A view shares the records that were not written to: the very same memory.
    let shared = (0..20_000)
        .map(super::key)
        .filter(|key| {
            let (ours, theirs) = (db.get(key), view.db(0).get(key));
            ours.zip(theirs).is_some_and(|(ours, theirs)| std::ptr::eq(ours.key(), theirs.key()))
        })
        .count();
    assert_eq!(shared, 19_998);
    assert!(db.table_bytes() <= bytes);
    assert_eq!(view.db(0).get(&super::key(5)).and_then(|entry| entry.str()), Some(&5_u32.to_le_bytes()[..]));
    assert!(view.db(0).get(&super::key(6)).is_some());
}

#[test]
fn databases_are_apart() {
    let mut keyspace = Keyspace::new(3, 1);
    keyspace.db_mut(0).set_str(b"a", b"0", SetExpiry::At(9));
    keyspace.db_mut(1).set_str(b"b", b"1", SetExpiry::Clear);
    keyspace.swap(0, 1);
    assert!(keyspace.db(1).contains(b"a") && keyspace.db(0).contains(b"b"));
    let (from, to) = keyspace.two_mut(1, 2);
    let moved = from.remove(b"a").expect("just seen");
    let address = moved.key().as_ptr();
    assert!(to.insert_removed(b"a", moved).is_none());
    let entry = to.get(b"a").expect("just moved");
    assert_eq!((entry.str(), entry.expiry()), (Some(&b"0"[..]), Some(9)));
    assert_eq!(entry.key().as_ptr(), address, "moved, not copied");
    assert_eq!(keyspace.total_keys(), 2);
    let view = keyspace.freeze();
    let garbage = keyspace.flush();
    assert!(!garbage.is_large());
    drop(garbage);
    assert_eq!((keyspace.total_keys(), view.total_keys()), (0, 2));
    assert_eq!(view.clone().db(2).expires(), 1);
}

#[test]
#[should_panic(expected = "databases 1 and 1")]
fn the_same_database_can_not_be_borrowed_twice() {
    Keyspace::new(2, 1).two_mut(1, 1);
}

#[test]
fn encodings_and_access_words_survive_what_they_should() {
    let mut keyspace = Keyspace::new(1, 1);
    keyspace.set_initial_access(0x1_234567);
    let db = keyspace.db_mut(0);
    db.set_str(b"n", b"12", SetExpiry::Clear);
    let encoding = |db: &crate::Db| db.get(b"n").expect("there").encoding();
    assert_eq!((encoding(db), db.get(b"n").expect("there").access()), ("int", 0x234567));
    let mut entry = db.get_mut(b"n").expect("there");
    assert_eq!(entry.append(b"3"), 3);
    entry.set_expiry(Some(5));
    assert_eq!(encoding(db), "raw");
    let removed = db.remove(b"n").expect("there");
    db.insert_removed(b"n", removed);
    assert_eq!((encoding(db), db.get(b"n").expect("there").access()), ("raw", 0x234567));
    let (existed, entry, replaced) = db.put_str(b"n", b"hello", SetExpiry::Keep);
    assert!(replaced.is_none(), "what was in the record takes no time to free");
    assert!(existed);
    assert_eq!((entry.encoding(), entry.access(), entry.expiry()), ("embstr", 0x234567, Some(5)));
    assert!(entry.memory_usage() >= 16);
    db.set_str(b"n", &[b'x'; 5000], SetExpiry::Keep);
    let entry = db.get(b"n").expect("there");
    assert_eq!((entry.encoding(), entry.access()), ("raw", 0x234567));
    assert!(entry.memory_usage() >= 5000);
    assert!(!entry.duplicate().is_large());
}

#[test]
fn prefetching_changes_nothing() {
    let keyspace = super::filled(5000);
    let empty = Keyspace::new(1, 1);
    let hashes: Vec<u64> = (0..6000).map(|number| keyspace.db(0).hash(&super::key(number))).collect();
    for db in [keyspace.db(0), empty.db(0)] {
        db.prefetch_batch(&hashes);
        for &hash in &hashes {
            db.prefetch(hash);
            db.prefetch_record(hash);
        }
    }
    let found = (0..6000).filter(|&number| {
        let key = super::key(number);
        keyspace.db(0).get_hashed(hashes[number as usize], &key).is_some()
    });
    assert_eq!(found.count(), 5000);
}

#[test]
fn views_go_to_other_threads() {
    fn assert_send_sync<T: Send + Sync>() {}
    assert_send_sync::<FrozenKeyspace>();
    assert_send_sync::<Keyspace>();
    assert_send_sync::<crate::Garbage>();
    assert_send_sync::<crate::Removed>();
}
