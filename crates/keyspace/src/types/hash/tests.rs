//! Random operations on hashes against plain ones, with views taken in between.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{FrozenKeyspace, Keyspace};

type Held = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;
type Model = BTreeMap<u8, Held>;

#[derive(Debug, Clone)]
enum Op {
    Set(u8, Vec<u8>, Vec<u8>, FieldExpiry),
    SetMany(u8, u16),
    SetExpiry(u8, Vec<u8>, Option<u64>),
    Remove(u8, Vec<u8>),
    RemoveDue(u8, u64),
    Copy(u8, u8),
    Delete(u8),
    Freeze,
    DropView(usize),
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (-30i64..30).prop_map(|number| number.to_string().into_bytes()),
        6 => "[a-c]{0,3}".prop_map(String::into_bytes),
        1 => (60usize..70).prop_map(|len| vec![b'x'; len]),
        1 => (500usize..2000).prop_map(|len| vec![b'y'; len]),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let key = 0u8..3;
    let expiry = prop_oneof![
        6 => Just(FieldExpiry::Clear),
        2 => Just(FieldExpiry::Keep),
        1 => (1u64..100).prop_map(FieldExpiry::At),
    ];
    prop_oneof![
        12 => (key.clone(), text(), text(), expiry).prop_map(|(k, n, v, e)| Op::Set(k, n, v, e)),
        1 => (key.clone(), 1u16..700).prop_map(|(k, count)| Op::SetMany(k, count)),
        2 => (key.clone(), text(), prop::option::of(1u64..100)).prop_map(|(k, n, e)| Op::SetExpiry(k, n, e)),
        5 => (key.clone(), text()).prop_map(|(k, n)| Op::Remove(k, n)),
        1 => (key.clone(), 1u64..100).prop_map(|(k, now)| Op::RemoveDue(k, now)),
        1 => (key.clone(), key.clone()).prop_map(|(from, to)| Op::Copy(from, to)),
        1 => key.prop_map(Op::Delete),
        2 => Just(Op::Freeze),
        1 => any::<usize>().prop_map(Op::DropView),
    ]
}

fn key(key: u8) -> [u8; 2] {
    [b'k', key]
}

fn check(hash: HashRef<'_>, held: &Held, rng: &mut fastrand::Rng) {
    let fields: Held =
        hash.iter().map(|field| (field.name.to_vec(), (field.value.to_vec(), field.expiry))).collect();
    assert_eq!(&fields, held);
    assert_eq!(hash.len(), held.len());
    assert_eq!(hash.expires(), held.values().filter(|(_, expiry)| expiry.is_some()).count());
    for (name, (value, expiry)) in held {
        let found = hash.get(name).map(|(value, expiry)| (value.to_vec(), expiry));
        assert_eq!(found, Some((value.clone(), *expiry)));
    }
    assert_eq!(hash.get(b"never there"), None);
    assert_eq!(
        hash.random(rng).is_some_and(|field| held.contains_key(&field.name.to_vec())),
        !held.is_empty()
    );
    for count in [0, 1, held.len() / 4, held.len(), held.len() + 1] {
        let sample = hash.sample(count, held.len(), rng, |_| true);
        let names: BTreeMap<_, _> = sample.iter().map(|field| (field.name.to_vec(), ())).collect();
        assert_eq!(names.len(), count.min(held.len()));
    }
    let (mut cursor, mut scanned) = (0, Held::new());
    loop {
        cursor = hash.scan(cursor, 7, &mut |field| {
            scanned.insert(field.name.to_vec(), (field.value.to_vec(), field.expiry));
        });
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(&scanned, held);
}

fn check_view(view: &FrozenKeyspace, model: &Model, rng: &mut fastrand::Rng) {
    assert_eq!(view.db(0).len(), model.len());
    for (number, held) in model {
        let entry = view.db(0).get(&key(*number)).expect("a key of the model");
        check(HashRef::of(&entry).expect("a hash"), held, rng);
    }
}

/// Sets a field of a hash that may not be there yet.
fn set(
    keyspace: &mut Keyspace,
    limits: &Limits,
    at: u8,
    name: &[u8],
    value: &[u8],
    expiry: FieldExpiry,
) -> bool {
    let db = keyspace.db_mut(0);
    if let Some(mut entry) = db.get_mut(&key(at)) {
        return HashMut::of(&mut entry, limits).expect("a hash").set(name, value, expiry);
    }
    let mut draft = HashDraft::new(limits, &Hasher::new(1));
    let new = draft.set(name, value, expiry);
    db.insert(&key(at), draft.into_value(), None);
    new
}

fn run(ops: Vec<Op>, limits: &Limits) {
    let mut keyspace = Keyspace::new(1, 1);
    let (mut model, mut views) = (Model::new(), Vec::new());
    let mut rng = fastrand::Rng::with_seed(1);
    for op in ops {
        match op {
            Op::Set(at, name, value, expiry) => {
                let new = set(&mut keyspace, limits, at, &name, &value, expiry);
                let held = model.entry(at).or_default();
                let before = held.get(&name).and_then(|(_, expiry)| *expiry);
                let after = match expiry {
                    FieldExpiry::Keep => before,
                    FieldExpiry::Clear => None,
                    FieldExpiry::At(at) => Some(at),
                };
                assert_eq!(new, held.insert(name, (value, after)).is_none());
            }
            Op::SetMany(at, count) => {
                for number in 0..count {
                    let (name, value) = (format!("n{number}"), number.to_string());
                    set(&mut keyspace, limits, at, name.as_bytes(), value.as_bytes(), FieldExpiry::Clear);
                    model.entry(at).or_default().insert(name.into_bytes(), (value.into_bytes(), None));
                }
            }
            Op::SetExpiry(at, name, expiry) => {
                if let Some(mut entry) = keyspace.db_mut(0).get_mut(&key(at)) {
                    let done = HashMut::of(&mut entry, limits).expect("a hash").set_expiry(&name, expiry);
                    let held = model.get_mut(&at).and_then(|held| held.get_mut(&name));
                    assert_eq!(done, held.is_some());
                    held.into_iter().for_each(|held| held.1 = expiry);
                }
            }
            Op::Remove(at, name) => {
                if let Some(mut entry) = keyspace.db_mut(0).get_mut(&key(at)) {
                    let removed = HashMut::of(&mut entry, limits).expect("a hash").remove(&name);
                    assert_eq!(removed, model.get_mut(&at).expect("there as well").remove(&name).is_some());
                }
            }
            Op::RemoveDue(at, now) => {
                if let Some(mut entry) = keyspace.db_mut(0).get_mut(&key(at)) {
                    let mut hash = HashMut::of(&mut entry, limits).expect("a hash");
                    assert!(
                        !hash.remove_due(now, usize::MAX, &mut |field| assert!(field.expiry <= Some(now)))
                    );
                    model
                        .get_mut(&at)
                        .expect("there as well")
                        .retain(|_, held| held.1.is_none_or(|at| at > now));
                }
            }
            Op::Copy(from, to) => {
                let db = keyspace.db_mut(0);
                if let Some(copy) = db.get(&key(from)).map(|entry| entry.duplicate()) {
                    drop(db.insert_removed(&key(to), copy));
                    model.insert(to, model[&from].clone());
                }
            }
            Op::Delete(at) => {
                assert_eq!(keyspace.db_mut(0).remove(&key(at)).is_some(), model.remove(&at).is_some());
            }
            Op::Freeze => views.push((keyspace.freeze(), model.clone())),
            Op::DropView(nth) if !views.is_empty() => drop(views.swap_remove(nth % views.len())),
            Op::DropView(_) => {}
        }
        for (number, held) in &model {
            let entry = keyspace.db(0).get(&key(*number)).expect("a key of the model");
            let hash = HashRef::of(&entry).expect("a hash");
            assert_eq!(hash.len(), held.len());
            if let HashRef::Pack(pack) = hash {
                assert!(pack.len() / 2 <= limits.hash_max_listpack_entries);
            }
        }
    }
    check_view(&keyspace.freeze(), &model, &mut rng);
    for (view, model) in &views {
        check_view(view, model, &mut rng);
    }
}

proptest! {
    #[test]
    fn hashes_behave_like_hashes(ops in prop::collection::vec(op(), 1..60)) {
        run(ops, &Limits::default());
    }

    #[test]
    fn hashes_with_narrow_limits_behave_like_hashes(ops in prop::collection::vec(op(), 1..60)) {
        let limits =
            Limits { hash_max_listpack_entries: 6, hash_max_listpack_value: 10, ..Limits::default() };
        run(ops, &limits);
    }
}

#[test]
fn forms_at_their_limits() {
    let limits = Limits::default();
    let is_pack = |fields: usize, len: usize, expiry| {
        let mut hash = HashDraft::new(&limits, &Hasher::new(1));
        for number in 0..fields {
            hash.set(format!("f{number}").as_bytes(), &vec![b'v'; len], expiry);
        }
        matches!(hash.get(), HashRef::Pack(_))
    };
    assert!(is_pack(512, 3, FieldExpiry::Clear));
    assert!(!is_pack(513, 3, FieldExpiry::Clear));
    assert!(is_pack(1, 64, FieldExpiry::Keep));
    assert!(!is_pack(1, 65, FieldExpiry::Keep));
    assert!(!is_pack(1, 1, FieldExpiry::At(5)));
}
