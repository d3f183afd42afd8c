//! Sorted sets against sorted vectors.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::tree::Leaf;

#[derive(Clone, Default)]
struct Model(BTreeMap<Vec<u8>, f64>);

impl Model {
    fn sorted(&self) -> Vec<(&[u8], f64)> {
        let mut sorted: Vec<_> = self.0.iter().map(|(member, score)| (&member[..], *score)).collect();
        sorted.sort_by(|(a, x), (b, y)| x.partial_cmp(y).unwrap().then(a.cmp(b)));
        sorted
    }
}

fn check(set: &ZSet, model: &Model) {
    let sorted = model.sorted();
    assert_eq!(set.len(), sorted.len());
    assert_eq!(set.is_empty(), sorted.is_empty());
    assert!(set.iter(0..set.len()).eq(sorted.iter().copied()));
    assert!(set.iter_back(0..set.len()).eq(sorted.iter().rev().copied()));
    set.scores.check();
    assert_eq!(set.scores.len(), set.len());
    for (rank, (member, score)) in sorted.iter().enumerate() {
        assert_eq!(set.score(member), Some(*score), "{}", member.escape_ascii());
        assert_eq!(set.rank(member), Some((rank, *score)));
        assert_eq!(set.nth(rank), Some((*member, *score)));
        let hash = set.hasher.hash(member);
        assert!(set.scores.page(hash).find(hash).any(|index| set.scores.page(hash).score(index) == *score));
    }
    let mut cursor = set.tree.cursor_first();
    while let Some(cursor) = &mut cursor {
        let block = cursor.leaf();
        for index in 0..block.len() {
            assert_eq!(block.tag(index), tag_of(set.hasher.hash(block.member(index))));
        }
        assert!(!block.is_overfull());
        if !cursor.next_leaf() {
            break;
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Vec<u8>, f64),
    Bump(Vec<u8>, f64),
    Remove(Vec<u8>),
    RemoveNth(usize),
    RemoveRange(usize, usize),
    Freeze,
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        12 => (0..500u32).prop_map(|number| number.to_string().into_bytes()),
        4 => "[ab]{0,5}".prop_map(String::into_bytes),
        // Long beginnings in common, and some that lie outside their blocks.
        3 => (0..900usize, 0..4u8).prop_map(|(len, last)| [vec![b'x'; len], vec![last]].concat()),
        // Equal and nearly equal hashes.
        2 => (0..2u8, 0..20u8).prop_map(|(group, number)| [&b"\0same"[..], &[group, number]].concat()),
        1 => (0..30u8).prop_map(|number| [&b"\0near"[..], &[number]].concat()),
    ]
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-3..4i32).prop_map(f64::from),
        4 => (-1000..1000i32).prop_map(|number| f64::from(number) / 8.0),
        1 => Just(-0.0),
        1 => Just(f64::INFINITY),
        1 => Just(f64::NEG_INFINITY),
        2 => any::<f64>().prop_map(|score| if score.is_nan() { 1.5 } else { score }),
    ]
}

fn steps(insert: u32, remove: u32, max: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        insert => (member(), score()).prop_map(|(member, score)| Step::Insert(member, score)),
        2 => (member(), -2..3i32).prop_map(|(member, by)| Step::Bump(member, f64::from(by))),
        remove => member().prop_map(Step::Remove),
        remove => any::<usize>().prop_map(Step::RemoveNth),
        1 => (any::<usize>(), 0..50usize).prop_map(|(from, count)| Step::RemoveRange(from, count)),
        1 => Just(Step::Freeze),
    ];
    proptest::collection::vec(step, 0..max)
}

fn apply(set: &mut ZSet, model: &mut Model, step: Step) {
    match step {
        Step::Insert(member, score) => {
            let old = model.0.get(&member).copied();
            assert_eq!(set.insert(&member, score), old);
            // Zero is zero: the one that is there stays.
            if old != Some(score) {
                model.0.insert(member, score);
            }
        }
        Step::Bump(member, by) => {
            let sum = |old: Option<f64>| old.map(|old| old + by).filter(|new| !new.is_nan());
            let old = model.0.get(&member).copied();
            assert_eq!(set.change(&member, sum), old);
            if let Some(new) = sum(old).filter(|new| old != Some(*new)) {
                model.0.insert(member, new);
            }
        }
        Step::Remove(member) => assert_eq!(set.remove(&member), model.0.remove(&member)),
        Step::RemoveNth(rank) if !model.0.is_empty() => {
            let member = set.nth(rank % set.len()).unwrap().0.to_vec();
            assert_eq!(set.remove(&member), model.0.remove(&member));
        }
        Step::RemoveRange(from, count) if !model.0.is_empty() => {
            let from = from % set.len();
            let gone: Vec<_> =
                model.sorted().into_iter().skip(from).take(count).map(|(m, s)| (m.to_vec(), s)).collect();
            let mut given = Vec::new();
            set.remove_range(from..from + count, |member, score| given.push((member.to_vec(), score)));
            assert_eq!(given, gone);
            for (member, _) in gone {
                model.0.remove(&member);
            }
        }
        _ => {}
    }
}

fn places(model: &Model) -> Vec<Place<'_>> {
    let mut places = vec![Place::Start, Place::End, Place::BeforeScore(0.5), Place::AfterScore(0.5)];
    places.extend([f64::INFINITY, f64::NEG_INFINITY].map(Place::AfterScore));
    places.extend([f64::INFINITY, f64::NEG_INFINITY].map(Place::BeforeScore));
    for score in model.0.values() {
        places.extend([Place::BeforeScore(*score), Place::AfterScore(*score)]);
    }
    places
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 500, ..ProptestConfig::default() })]

    #[test]
    fn random_operations_match_the_model(
        growing in steps(12, 1, 700), mixed in steps(4, 2, 300), shrinking in steps(1, 12, 500), seed: u64
    ) {
        let (mut set, mut model) = (ZSet::new(Hasher::new(seed)), Model::default());
        let mut frozen = Vec::new();
        for steps in [growing, mixed, shrinking] {
            for step in steps {
                if let Step::Freeze = step {
                    frozen.push((set.clone(), model.clone()));
                } else {
                    apply(&mut set, &mut model, step);
                }
            }
            check(&set, &model);
            for place in places(&model) {
                let before = model.sorted().iter().filter(|(member, score)| place.is_behind(*score, || member)).count();
                prop_assert_eq!(set.rank_of(place), before, "{:?}", place);
            }
        }
        for (set, model) in &frozen {
            check(set, model);
        }
        prop_assert!(frozen.windows(2).all(|two| (two[0].0 == two[1].0) == (two[0].1.0 == two[1].1.0)));
        set.remove_range(0..set.len(), |_, _| {});
        check(&set, &Model::default());
    }

    #[test]
    fn members_of_one_score_by_their_bytes(members in proptest::collection::btree_set(member(), 0..300), places in proptest::collection::vec(member(), 0..50)) {
        let mut set = ZSet::new(Hasher::new(1));
        for member in &members {
            set.insert(member, 7.0);
        }
        for of in members.iter().chain(&places) {
            let before = members.range::<Vec<u8>, _>(..of).count();
            prop_assert_eq!(set.rank_of(Place::BeforeMember(of)), before);
            prop_assert_eq!(set.rank_of(Place::AfterMember(of)), before + usize::from(members.contains(of)));
        }
    }

    #[test]
    fn scan_keeps_its_promise(start in steps(10, 1, 400), between in steps(3, 3, 400), count in 1..40usize, seed: u64) {
        let (mut set, mut model) = (ZSet::new(Hasher::new(seed)), Model::default());
        for step in start {
            apply(&mut set, &mut model, step);
        }
        let mut all_the_time: BTreeSet<Vec<u8>> = model.0.keys().cloned().collect();
        let mut given = BTreeSet::new();
        let mut cursor = 0;
        let mut between = between.into_iter();
        loop {
            let mut step = Vec::new();
            cursor = set.scan(cursor, count, &mut |member, score| step.push((member.to_vec(), score)));
            for (member, score) in step {
                prop_assert_eq!(model.0.get(&member), Some(&score));
                given.insert(member);
            }
            if cursor == 0 {
                break;
            }
            for step in between.by_ref().take(5) {
                apply(&mut set, &mut model, step);
                all_the_time.retain(|member| model.0.contains_key(member));
            }
        }
        prop_assert!(all_the_time.is_subset(&given));
    }
}

#[test]
fn a_million_members_take_their_bytes_and_little_more() {
    let mut set = ZSet::new(Hasher::new(1));
    let mut rng = fastrand::Rng::with_seed(1);
    for number in 0..100_000 {
        set.insert(format!("member:{number:09}").as_bytes(), rng.f64());
    }
    // Pages and blocks are a fraction of their size in tests.
    assert!(set.heap_bytes() / set.len() < 90, "{}", set.heap_bytes() / set.len());
}

#[test]
fn cursors_that_nobody_gave() {
    let mut set = ZSet::new(Hasher::new(1));
    for number in 0..100 {
        set.insert(&[number], 1.0);
    }
    for cursor in [1, 12345, u64::from(u32::MAX), 1 << 32, u64::MAX] {
        assert_eq!(set.scan(cursor, 1000, &mut |_, _| {}), 0);
    }
}

#[test]
fn random_gives_every_member() {
    let mut set = ZSet::new(Hasher::new(1));
    let mut rng = fastrand::Rng::with_seed(1);
    assert_eq!(set.random(&mut rng), None);
    for number in 0..100 {
        set.insert(&[number], 1.0);
    }
    let seen: BTreeSet<_> = (0..2000).map(|_| set.random(&mut rng).unwrap().0).collect();
    assert_eq!(seen.len(), 100);
}
