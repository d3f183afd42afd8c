//! The list of hashes with fields that expire stays true, whatever is done to their keys.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::{Element, FieldExpiry, HashDraft, HashMut, HashRef, Keyspace, Limits, SetExpiry};

/// Field and expiry; values do not matter here.
type Hash = BTreeMap<Vec<u8>, Option<u64>>;

#[derive(Default)]
struct Model {
    dbs: [BTreeMap<u8, Option<Hash>>; 2],
}

#[derive(Debug, Clone)]
enum Op {
    Set(u8, u8, FieldExpiry),
    SetExpiry(u8, u8, Option<u64>),
    Remove(u8, u8),
    Overwrite(u8),
    Delete(u8),
    Rename(u8, u8),
    Copy(u8, u8),
    Move(u8),
    Swap,
    Flush,
    Freeze,
    Due(u64, usize),
}

fn ops() -> impl Strategy<Value = Op> {
    let key = 0..5u8;
    let field = 0..6u8;
    let expiry =
        prop_oneof![Just(FieldExpiry::Keep), Just(FieldExpiry::Clear), (0..100u64).prop_map(FieldExpiry::At)];
    prop_oneof![
        8 => (key.clone(), field.clone(), expiry).prop_map(|(key, field, expiry)| Op::Set(key, field, expiry)),
        4 => (key.clone(), field.clone(), prop::option::of(0..100u64)).prop_map(|(k, f, at)| Op::SetExpiry(k, f, at)),
        3 => (key.clone(), field).prop_map(|(key, field)| Op::Remove(key, field)),
        1 => key.clone().prop_map(Op::Overwrite),
        1 => key.clone().prop_map(Op::Delete),
        1 => (key.clone(), key.clone()).prop_map(|(from, to)| Op::Rename(from, to)),
        1 => (key.clone(), key.clone()).prop_map(|(from, to)| Op::Copy(from, to)),
        1 => key.prop_map(Op::Move),
        1 => Just(Op::Swap),
        1 => prop::bool::weighted(0.2).prop_map(|flush| if flush { Op::Flush } else { Op::Swap }),
        1 => Just(Op::Freeze),
        3 => (0..60u64, 1..4usize).prop_map(|(now, max)| Op::Due(now, max)),
    ]
}

fn apply(keyspace: &mut Keyspace, model: &mut Model, op: &Op, limits: &Limits) {
    let held = &mut model.dbs[0];
    match *op {
        Op::Set(key, field, expiry) => {
            let db = keyspace.db_mut(0);
            let hash = match held.entry(key).or_insert_with(|| Some(Hash::new())) {
                Some(hash) => hash,
                None => return,
            };
            let slot = hash.entry(vec![field]).or_default();
            *slot = match expiry {
                FieldExpiry::Keep => *slot,
                FieldExpiry::Clear => None,
                FieldExpiry::At(at) => Some(at),
            };
            if let Some(mut entry) = db.get_mut(&[key]) {
                HashMut::of(&mut entry, limits).expect("a hash").set(&[field], b"v", expiry);
            } else {
                let mut draft = HashDraft::new(limits, db.value_hasher());
                draft.set(&[field], b"v", expiry);
                drop(db.insert(&[key], draft.into_value(), None));
            }
        }
        Op::SetExpiry(key, field, expiry) => {
            let Some(Some(hash)) = held.get_mut(&key) else { return };
            let mut entry = keyspace.db_mut(0).get_mut(&[key]).expect("there as well");
            let set = HashMut::of(&mut entry, limits).expect("a hash").set_expiry(&[field], expiry);
            assert_eq!(set, hash.get_mut(&vec![field]).map(|slot| *slot = expiry).is_some());
        }
        Op::Remove(key, field) => {
            let Some(Some(hash)) = held.get_mut(&key) else { return };
            let mut entry = keyspace.db_mut(0).get_mut(&[key]).expect("there as well");
            let removed = HashMut::of(&mut entry, limits).expect("a hash").remove(&[field]);
            assert_eq!(removed, hash.remove(&vec![field]).is_some());
            if hash.is_empty() {
                held.remove(&key);
                drop(keyspace.db_mut(0).remove(&[key]));
            }
        }
        Op::Overwrite(key) => {
            keyspace.db_mut(0).set_str(&[key], b"string", SetExpiry::Clear);
            held.insert(key, None);
        }
        Op::Delete(key) => {
            drop(keyspace.db_mut(0).remove(&[key]));
            held.remove(&key);
        }
        Op::Rename(from, to) => {
            if let Some(removed) = keyspace.db_mut(0).remove(&[from]) {
                drop(keyspace.db_mut(0).insert_removed(&[to], removed));
                let hash = held.remove(&from).expect("there as well");
                held.insert(to, hash);
            }
        }
        Op::Copy(from, to) => {
            if let Some(copy) = keyspace.db(0).get(&[from]).map(|entry| entry.duplicate()) {
                drop(keyspace.db_mut(0).insert_removed(&[to], copy));
                held.insert(to, held[&from].clone());
            }
        }
        Op::Move(key) => {
            let (from, to) = keyspace.two_mut(0, 1);
            if let Some(removed) = from.remove(&[key]) {
                drop(to.insert_removed(&[key], removed));
                let hash = held.remove(&key).expect("there as well");
                model.dbs[1].insert(key, hash);
            }
        }
        Op::Swap => {
            keyspace.swap(0, 1);
            model.dbs.swap(0, 1);
        }
        Op::Flush => {
            drop(keyspace.db_mut(0).flush());
            held.clear();
        }
        Op::Freeze => {}
        Op::Due(now, max) => {
            while let Some(key) = keyspace.db(0).due_hash(now).map(<[u8]>::to_vec) {
                let mut entry = keyspace.db_mut(0).get_mut(&key).expect("a key that is there");
                let mut hash = HashMut::of(&mut entry, limits).expect("a hash");
                let slot = held.get_mut(&key[0]).expect("there as well");
                let fields = slot.as_mut().expect("a hash");
                hash.remove_due(now, max, &mut |field| {
                    let Element::Str(name) = field.name else { panic!("text") };
                    let expiry = fields.remove(name).expect("a field that is there");
                    assert!(expiry.is_some_and(|at| at <= now));
                });
                if hash.get().is_empty() {
                    held.remove(&key[0]);
                    drop(keyspace.db_mut(0).remove(&key));
                }
            }
            let due = |hash: &Hash| hash.values().any(|expiry| expiry.is_some_and(|at| at <= now));
            assert!(!held.values().flatten().any(due));
        }
    }
}

fn check(keyspace: &Keyspace, model: &Model) {
    for (index, held) in model.dbs.iter().enumerate() {
        let db = keyspace.db(index);
        db.check();
        let timed = |hash: &&Hash| hash.values().any(Option::is_some);
        assert_eq!(db.timed_hashes(), held.values().flatten().filter(timed).count());
        for (key, hash) in held {
            let entry = db.get(&[*key]).expect("a key of the model");
            let Some(hash) = hash else {
                assert!(entry.str().is_some());
                continue;
            };
            let fields = HashRef::of(&entry).expect("a hash").iter();
            let fields: Hash = fields.map(|field| (field.name.to_vec(), field.expiry)).collect();
            assert_eq!(
                &fields,
                &hash.iter().map(|(name, at)| (Element::from_text(name).to_vec(), *at)).collect()
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn hashes_are_listed_while_they_have_such_fields(ops in prop::collection::vec(ops(), 1..120)) {
        let limits = Limits::default();
        let (mut keyspace, mut model) = (Keyspace::new(2, 1), Model::default());
        let mut views = Vec::new();
        for op in &ops {
            if matches!(op, Op::Freeze) {
                views.push((keyspace.freeze(), model.dbs[0].len()));
            }
            apply(&mut keyspace, &mut model, op, &limits);
        }
        check(&keyspace, &model);
        for (view, len) in views {
            prop_assert_eq!(view.db(0).len(), len);
        }
    }
}
