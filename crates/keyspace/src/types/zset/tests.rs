//! Random operations on sorted sets against plain ones, with views taken in between.

use std::collections::BTreeMap;

use collections::Hasher;
use collections::zset::Place;
use listpack::Entry as Element;
use proptest::prelude::*;

use super::*;
use crate::{FrozenKeyspace, Keyspace, Limits};

type Members = BTreeMap<Vec<u8>, f64>;

#[derive(Debug, Clone)]
enum Op {
    Insert(u8, Vec<u8>, f64),
    Add(u8, Vec<u8>, f64),
    Remove(u8, Vec<u8>),
    RemoveRange(u8, usize, usize),
    Copy(u8, u8),
    Delete(u8),
    Freeze,
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (-20i64..20).prop_map(|number| number.to_string().into_bytes()),
        4 => "[a-c]{0,3}".prop_map(String::into_bytes),
        1 => (60usize..70).prop_map(|len| vec![b'x'; len]),
        1 => (500usize..1500).prop_map(|len| vec![b'y'; len]),
    ]
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-5i32..5).prop_map(f64::from),
        (-500i32..500).prop_map(|number| f64::from(number) / 7.0),
        Just(-0.0),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let key = 0u8..3;
    prop_oneof![
        8 => (key.clone(), member(), score()).prop_map(|(key, member, score)| Op::Insert(key, member, score)),
        2 => (key.clone(), member(), -3..3i32).prop_map(|(key, member, by)| Op::Add(key, member, by.into())),
        3 => (key.clone(), member()).prop_map(|(key, member)| Op::Remove(key, member)),
        1 => (key.clone(), any::<usize>(), 0..5usize).prop_map(|(key, at, n)| Op::RemoveRange(key, at, n)),
        1 => (key.clone(), key.clone()).prop_map(|(from, to)| Op::Copy(from, to)),
        1 => key.prop_map(Op::Delete),
        2 => Just(Op::Freeze),
    ]
}

fn key(key: u8) -> [u8; 2] {
    [b'k', key]
}

fn sorted(members: &Members) -> Vec<(Vec<u8>, f64)> {
    let mut sorted: Vec<_> = members.iter().map(|(member, score)| (member.clone(), *score)).collect();
    sorted.sort_by(|(_, x), (_, y)| x.partial_cmp(y).expect("no NaN"));
    sorted
}

fn texts(members: Scored<'_>) -> Vec<(Vec<u8>, f64)> {
    let len = members.len();
    let texts: Vec<_> = members.map(|(member, score)| (member.to_vec(), score)).collect();
    assert_eq!(texts.len(), len);
    texts
}

/// What holds of every sorted set, whatever its form.
fn check(set: ZSetRef<'_>, members: &Members) {
    let mut sorted = sorted(members);
    assert_eq!(set.len(), sorted.len());
    assert_eq!(texts(set.all()), sorted);
    for (rank, (member, score)) in sorted.iter().enumerate() {
        assert_eq!(set.score(member), Some(*score));
        assert_eq!(set.rank(member), Some((rank, *score)));
        assert_eq!(
            set.nth(rank).map(|(member, score)| (member.to_vec(), score)),
            Some((member.clone(), *score))
        );
        for place in [Place::BeforeScore(*score), Place::AfterScore(*score), Place::Start, Place::End] {
            let before = sorted.iter().filter(|(member, score)| place.is_behind(*score, || member)).count();
            assert_eq!(set.rank_of(place), before);
        }
    }
    let (from, to) = (sorted.len() / 3, sorted.len() / 3 * 2);
    assert_eq!(texts(set.iter(from..to)), sorted[from..to]);
    assert_eq!(set.iter(to..from).len(), 0);
    let (mut cursor, mut scanned) = (0, Members::new());
    loop {
        cursor = set.scan(cursor, 7, &mut |member, score| _ = scanned.insert(member.to_vec(), score));
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(&scanned, members);
    let random = set.random(&mut fastrand::Rng::with_seed(1)).map(|(member, _)| member.to_vec());
    assert_eq!(random.is_some_and(|member| members.contains_key(&member)), !members.is_empty());
    sorted[from..to].reverse();
    assert_eq!(texts(set.iter_back(from..to)), sorted[from..to]);
    assert_eq!(set.score(b"never there"), None);
}

fn check_view(view: &FrozenKeyspace, model: &BTreeMap<u8, Members>) {
    assert_eq!(view.db(0).len(), model.len());
    for (number, members) in model {
        let entry = view.db(0).get(&key(*number)).expect("a key of the model");
        check(ZSetRef::of(&entry).expect("a sorted set"), members);
    }
}

fn run(ops: Vec<Op>, limits: &Limits) {
    let mut keyspace = Keyspace::new(1, 1);
    let hasher = Hasher::new(1);
    let mut model: BTreeMap<u8, Members> = BTreeMap::new();
    let mut views = Vec::new();
    for op in ops {
        let db = keyspace.db_mut(0);
        match op {
            Op::Insert(number, member, score) => {
                let members = model.entry(number).or_default();
                let old = members.get(&member).copied();
                if old != Some(score) {
                    members.insert(member.clone(), score);
                }
                match db.get_mut(&key(number)) {
                    Some(mut entry) => {
                        let mut set = ZSetMut::of(&mut entry, limits).expect("a sorted set");
                        assert_eq!(set.insert(&member, score), old);
                    }
                    None => {
                        let mut set = ZSetDraft::new(limits, &hasher);
                        assert_eq!(set.insert(&member, score), None);
                        db.insert(&key(number), set.into_value(), None);
                    }
                }
            }
            Op::Add(number, member, by) => {
                let Some(mut entry) = db.get_mut(&key(number)) else { continue };
                let mut set = ZSetMut::of(&mut entry, limits).expect("a sorted set");
                let old = model[&number].get(&member).copied();
                assert_eq!(set.change(&member, |old| old.map(|old| old + by)), old);
                if let Some(score) = model.get_mut(&number).and_then(|members| members.get_mut(&member)) {
                    *score += by;
                }
            }
            Op::Remove(number, member) => {
                let Some(mut entry) = db.get_mut(&key(number)) else { continue };
                let mut set = ZSetMut::of(&mut entry, limits).expect("a sorted set");
                let members = model.get_mut(&number).expect("there as well");
                assert_eq!(set.remove(&member), members.remove(&member));
            }
            Op::RemoveRange(number, at, count) => {
                let Some(mut entry) = db.get_mut(&key(number)) else { continue };
                let mut set = ZSetMut::of(&mut entry, limits).expect("a sorted set");
                let members = model.get_mut(&number).expect("there as well");
                let at = at % (members.len() + 1);
                let mut given = Vec::new();
                let push = |member: Element<'_>, score| given.push((member.to_vec(), score));
                set.remove_range(at..at + count, push);
                assert_eq!(given, sorted(members).into_iter().skip(at).take(count).collect::<Vec<_>>());
                given.iter().for_each(|(member, _)| _ = members.remove(member));
            }
            Op::Copy(from, to) => {
                let Some(copy) = db.get(&key(from)).map(|entry| entry.duplicate()) else { continue };
                db.insert_removed(&key(to), copy);
                model.insert(to, model[&from].clone());
            }
            Op::Delete(number) => {
                assert_eq!(db.remove(&key(number)).is_some(), model.remove(&number).is_some());
            }
            Op::Freeze => views.push((keyspace.freeze(), model.clone())),
        }
    }
    check_view(&keyspace.freeze(), &model);
    views.iter().for_each(|(view, model)| check_view(view, model));
}

proptest! {
    #[test]
    fn random_operations_match_the_model(
        ops in prop::collection::vec(op(), 1..250), entries in prop_oneof![Just(0usize), 1..30usize, Just(128)]
    ) {
        let limits = Limits { zset_max_listpack_entries: entries, ..Limits::default() };
        run(ops, &limits);
    }
}
