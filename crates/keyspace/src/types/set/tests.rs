//! Random operations on sets against plain ones, with views taken in between.

use std::collections::{BTreeMap, BTreeSet};

use collections::Hasher;
use proptest::prelude::*;

use super::*;
use crate::{FrozenKeyspace, Keyspace};

type Model = BTreeMap<u8, BTreeSet<Vec<u8>>>;

#[derive(Debug, Clone)]
enum Op {
    Add(u8, Vec<Vec<u8>>),
    Remove(u8, Vec<u8>),
    RemoveSome(u8, usize),
    Pop(u8),
    PopMany(u8, usize),
    Copy(u8, u8),
    Delete(u8),
    Freeze,
    DropView(usize),
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (-30i64..30).prop_map(|number| number.to_string().into_bytes()),
        2 => any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        4 => "[a-c]{0,3}".prop_map(String::into_bytes),
        1 => Just(b"007".to_vec()),
        1 => (60usize..70).prop_map(|len| vec![b'x'; len]),
        1 => (500usize..2000).prop_map(|len| vec![b'y'; len]),
    ]
}

fn numbers() -> impl Strategy<Value = Vec<Vec<u8>>> {
    (-50i64..50, 0i64..40)
        .prop_map(|(from, len)| (from..from + len).map(|n| n.to_string().into_bytes()).collect())
}

fn op() -> impl Strategy<Value = Op> {
    let key = 0u8..3;
    prop_oneof![
        6 => (key.clone(), prop::collection::vec(member(), 1..6)).prop_map(|(key, members)| Op::Add(key, members)),
        3 => (key.clone(), numbers()).prop_map(|(key, members)| Op::Add(key, members)),
        4 => (key.clone(), member()).prop_map(|(key, member)| Op::Remove(key, member)),
        2 => (key.clone(), any::<usize>()).prop_map(|(key, nth)| Op::RemoveSome(key, nth)),
        2 => key.clone().prop_map(Op::Pop),
        2 => (key.clone(), 0usize..40).prop_map(|(key, count)| Op::PopMany(key, count)),
        1 => (key.clone(), key.clone()).prop_map(|(from, to)| Op::Copy(from, to)),
        1 => key.prop_map(Op::Delete),
        2 => Just(Op::Freeze),
        1 => any::<usize>().prop_map(Op::DropView),
    ]
}

fn key(key: u8) -> [u8; 2] {
    [b'k', key]
}

fn texts(set: SetRef<'_>) -> BTreeSet<Vec<u8>> {
    let members: Vec<_> = set.iter().map(Element::to_vec).collect();
    assert_eq!(members.len(), set.len());
    let texts: BTreeSet<_> = members.into_iter().collect();
    assert_eq!(texts.len(), set.len(), "a member is there twice");
    texts
}

/// What holds of every set, whatever its form.
fn check(set: SetRef<'_>, model: &BTreeSet<Vec<u8>>, rng: &mut fastrand::Rng) {
    assert_eq!(&texts(set), model);
    assert!(model.iter().all(|member| set.contains(member)));
    for absent in [&b"never there"[..], b"9999", b""] {
        assert_eq!(set.contains(absent), model.contains(absent));
        assert_eq!(set.contains_element(Element::from_text(absent)), model.contains(absent));
    }
    assert!(set.iter().all(|member| set.contains_element(member)));
    assert_eq!(
        set.random(rng).map(Element::to_vec).is_some_and(|one| model.contains(&one)),
        !model.is_empty()
    );
    for count in [0, 1, model.len() / 4, model.len() / 2, model.len(), model.len() + 1] {
        let sample: BTreeSet<_> = set.sample(count, rng).into_iter().map(Element::to_vec).collect();
        assert_eq!(sample.len(), count.min(model.len()));
        assert!(sample.is_subset(model));
    }
    let (mut cursor, mut scanned) = (0, BTreeSet::new());
    loop {
        cursor = set.scan(cursor, 7, &mut |member| _ = scanned.insert(member.to_vec()));
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(&scanned, model);
}

fn check_view(view: &FrozenKeyspace, model: &Model, rng: &mut fastrand::Rng) {
    assert_eq!(view.db(0).len(), model.len());
    for (number, members) in model {
        let entry = view.db(0).get(&key(*number)).expect("a key of the model");
        check(SetRef::of(&entry).expect("a set"), members, rng);
    }
}

fn run(ops: Vec<Op>, limits: &Limits) {
    let mut keyspace = Keyspace::new(1, 1);
    let hasher = Hasher::new(1);
    let (mut model, mut views) = (Model::new(), Vec::new());
    let mut rng = fastrand::Rng::with_seed(1);
    for op in ops {
        let db = keyspace.db_mut(0);
        match op {
            Op::Add(number, members) => {
                let texts = members.iter().map(Vec::as_slice);
                let held = model.entry(number).or_default();
                let new = members.iter().filter(|member| held.insert((*member).clone())).count();
                match db.get_mut(&key(number)) {
                    Some(mut entry) => {
                        let mut set = SetMut::of(&mut entry, limits).expect("a set");
                        set.expect(members.len());
                        assert_eq!(set.add_all(texts), new);
                    }
                    None => {
                        let first = members.first().map_or(&b""[..], Vec::as_slice);
                        let mut set = SetDraft::for_members(first, members.len(), limits, &hasher);
                        assert_eq!(set.add_all(texts), new);
                        assert!(db.insert(&key(number), set.into_value(), None).is_none());
                    }
                }
            }
            Op::Remove(number, member) => {
                let removed = db
                    .get_mut(&key(number))
                    .is_some_and(|mut entry| SetMut::of(&mut entry, limits).expect("a set").remove(&member));
                assert_eq!(removed, model.get_mut(&number).is_some_and(|held| held.remove(&member)));
            }
            Op::RemoveSome(number, nth) => {
                if let Some(held) = model.get_mut(&number)
                    && let Some(member) = held.iter().nth(nth % held.len().max(1)).cloned()
                {
                    held.remove(&member);
                    let mut entry = db.get_mut(&key(number)).expect("there as well");
                    assert!(SetMut::of(&mut entry, limits).expect("a set").remove(&member));
                }
            }
            Op::Pop(number) => {
                if let Some(mut entry) = db.get_mut(&key(number)) {
                    let held = model.get_mut(&number).expect("there as well");
                    match SetMut::of(&mut entry, limits).expect("a set").pop(&mut rng) {
                        Some(member) => assert!(held.remove(&member)),
                        None => assert!(held.is_empty()),
                    }
                }
            }
            Op::PopMany(number, count) => {
                if let Some(mut entry) = db.get_mut(&key(number)) {
                    let held = model.get_mut(&number).expect("there as well");
                    let taken = SetMut::of(&mut entry, limits).expect("a set").pop_many(count, &mut rng);
                    assert_eq!(taken.len(), count.min(held.len()));
                    assert!(taken.iter().all(|member| held.remove(member)));
                }
            }
            Op::Copy(from, to) => {
                if let Some(copy) = db.get(&key(from)).map(|entry| entry.duplicate()) {
                    drop(db.insert_removed(&key(to), copy));
                    model.insert(to, model[&from].clone());
                }
            }
            Op::Delete(number) => {
                assert_eq!(db.remove(&key(number)).is_some(), model.remove(&number).is_some());
            }
            Op::Freeze => views.push((keyspace.freeze(), model.clone())),
            Op::DropView(nth) if !views.is_empty() => drop(views.swap_remove(nth % views.len())),
            Op::DropView(_) => {}
        }
        for (number, members) in &model {
            let entry = keyspace.db(0).get(&key(*number)).expect("a key of the model");
            let set = SetRef::of(&entry).expect("a set");
            assert_eq!(set.len(), members.len());
            let allowed = match set {
                SetRef::Ints(ints) => ints.len() <= limits.set_max_intset_entries,
                SetRef::Pack(pack) => pack.len() <= limits.set_max_listpack_entries,
                SetRef::Table(_) => true,
            };
            assert!(allowed, "{} members in a small form", set.len());
        }
    }
    check_view(&keyspace.freeze(), &model, &mut rng);
    for (view, model) in &views {
        check_view(view, model, &mut rng);
    }
}

proptest! {
    #[test]
    fn sets_behave_like_sets(ops in prop::collection::vec(op(), 1..60)) {
        run(ops, &Limits::default());
    }

    #[test]
    fn sets_with_narrow_limits_behave_like_sets(ops in prop::collection::vec(op(), 1..60)) {
        let limits = Limits {
            set_max_intset_entries: 20,
            set_max_listpack_entries: 12,
            set_max_listpack_value: 10,
            ..Limits::default()
        };
        run(ops, &limits);
    }
}

/// The form of a set after these members, which come one by one.
fn form(members: impl IntoIterator<Item = String>, limits: &Limits) -> &'static str {
    let mut members = members.into_iter();
    let first = members.next().unwrap_or_default();
    let mut set = SetDraft::for_members(first.as_bytes(), 1, limits, &Hasher::new(1));
    set.add(first.as_bytes());
    members.for_each(|member| _ = set.add(member.as_bytes()));
    match set.get() {
        SetRef::Ints(_) => "ints",
        SetRef::Pack(_) => "pack",
        SetRef::Table(_) => "table",
    }
}

#[test]
fn forms_at_their_limits() {
    let limits = Limits::default();
    let numbers = |count: usize| (0..count).map(|number| number.to_string());
    let words = |count: usize| (0..count).map(|number| format!("w{number}"));
    let text = |len: usize| std::iter::once("x".repeat(len));
    assert_eq!(form(numbers(512), &limits), "ints");
    assert_eq!(form(numbers(513), &limits), "table");
    assert_eq!(form(words(128), &limits), "pack");
    assert_eq!(form(words(129), &limits), "table");
    assert_eq!(form(words(1).chain(numbers(127)), &limits), "pack");
    assert_eq!(form(words(1).chain(numbers(128)), &limits), "table");
    assert_eq!(form(numbers(127).chain(words(1)), &limits), "pack");
    assert_eq!(form(numbers(128).chain(words(1)), &limits), "table");
    assert_eq!(form(text(64), &limits), "pack");
    assert_eq!(form(text(65), &limits), "table");
    assert_eq!(form(numbers(3).chain(text(64)), &limits), "pack");
    assert_eq!(form(numbers(3).chain(text(65)), &limits), "table");
    // The numbers must fit as well.
    let short = Limits { set_max_listpack_value: 3, ..Limits::default() };
    let long = |number: i64| [number.to_string(), "a".to_owned()];
    assert_eq!(form(long(999), &short), "pack");
    assert_eq!(form(long(1000), &short), "table");
    assert_eq!(form(long(-99), &short), "pack");
    assert_eq!(form(long(-100), &short), "table");
}

#[test]
fn results_take_the_form_for_numbers_if_they_can() {
    let limits = Limits::default();
    let mut set = SetDraft::pack(&limits, &Hasher::new(1));
    let numbers: Vec<String> = (0..512).rev().map(|number| number.to_string()).collect();
    set.add_all(numbers.iter().map(String::as_bytes));
    assert!(matches!(set.get(), SetRef::Table(_)));
    set.prefer_ints();
    assert!(matches!(set.get(), SetRef::Ints(ints) if ints.len() == 512));
    set.add(b"x");
    set.prefer_ints();
    assert!(matches!(set.get(), SetRef::Table(table) if table.len() == 513));
}

/// Chi-square over the members of a set.
fn assert_even(counts: &BTreeMap<Vec<u8>, u32>, members: usize) {
    assert_eq!(counts.len(), members);
    let mean = f64::from(counts.values().sum::<u32>()) / members as f64;
    let value: f64 = counts.values().map(|&count| (f64::from(count) - mean).powi(2) / mean).sum();
    // With 9 degrees of freedom, one time in a hundred thousand is above 40.
    assert!(members != 10 || value < 40.0, "{value}: {counts:?}");
}

#[test]
fn random_members_are_fair() {
    let limits = Limits::default();
    let words: Vec<String> = (0..10).map(|number| format!("w{number}")).collect();
    let numbers: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    let mut large = SetDraft::pack(&limits, &Hasher::new(1));
    large.grow();
    large.add_all(words.iter().map(String::as_bytes));
    let mut small = SetDraft::pack(&limits, &Hasher::new(1));
    small.add_all(words.iter().map(String::as_bytes));
    let mut ints = SetDraft::ints(&limits, &Hasher::new(1));
    ints.add_all(numbers.iter().map(String::as_bytes));
    let mut rng = fastrand::Rng::with_seed(5);
    for set in [large.get(), small.get(), ints.get()] {
        let mut counts = BTreeMap::new();
        for _ in 0..1000 {
            *counts.entry(set.random(&mut rng).unwrap().to_vec()).or_insert(0) += 1;
        }
        assert_even(&counts, 10);
        for count in [2, 8] {
            let mut counts = BTreeMap::new();
            for _ in 0..1000 / count {
                for member in set.sample(count, &mut rng) {
                    *counts.entry(member.to_vec()).or_insert(0) += 1;
                }
            }
            assert_even(&counts, 10);
        }
    }
}
