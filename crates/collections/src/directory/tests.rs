//! The directory with the simplest of pages: sorted hashes.

use proptest::prelude::*;
use std::collections::BTreeSet;
use triomphe::Arc;

use super::{Directory, Page};

#[derive(Clone, Default)]
struct Hashes(Arc<Vec<u64>>);

impl Page for Hashes {
    type Hasher = ();
    const HASH_BITS: u32 = 20;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn heap_bytes(&self) -> usize {
        self.0.capacity() * 8
    }

    /// As if each hash expired when it is reached.
    fn earliest(&self) -> u64 {
        self.0.first().copied().unwrap_or(u64::MAX)
    }

    fn is_overfull(&self) -> bool {
        self.len() > 4
    }

    fn split(&mut self, bit: u32, (): &()) -> Self {
        let (upper, lower) = self.0.iter().partition(|&&hash| hash << bit >> 63 == 1);
        *self = Self(Arc::new(lower));
        Self(Arc::new(upper))
    }

    fn is_sparse(&self) -> bool {
        self.len() <= 1
    }

    fn absorb(&mut self, other: &Self) -> bool {
        let fits = self.len() + other.len() <= 2;
        if fits {
            let own = Arc::make_mut(&mut self.0);
            own.extend(other.0.iter());
            own.sort_unstable();
        }
        fits
    }
}

struct World {
    directory: Directory<Hashes>,
    model: BTreeSet<u64>,
}

impl World {
    fn new() -> Self {
        Self { directory: Directory::new(), model: BTreeSet::new() }
    }

    fn insert(&mut self, hash: u64) {
        let new = self.directory.update(hash, &(), |page| {
            let own = Arc::make_mut(&mut page.0);
            own.binary_search(&hash).map_err(|at| own.insert(at, hash)).is_err()
        });
        assert_eq!(new, self.model.insert(hash));
    }

    fn remove(&mut self, hash: u64) {
        let had = self.directory.update(hash, &(), |page| {
            let own = Arc::make_mut(&mut page.0);
            own.binary_search(&hash).map(|at| own.remove(at)).is_ok()
        });
        assert_eq!(had, self.model.remove(&hash));
    }

    fn check(&self) {
        self.directory.check();
        assert_eq!(self.directory.len(), self.model.len());
        assert!(self.directory.iter().flat_map(|page| page.0.iter()).eq(&self.model));
        assert!(self.directory.earliest() <= self.model.first().copied().unwrap_or(u64::MAX));
        for hash in &self.model {
            assert!(self.directory.page(*hash).0.contains(hash));
        }
    }
}

#[derive(Debug, Clone)]
enum Op {
    Insert(u64),
    Remove(usize),
    Grow(u64, u64),
    Thin(u64),
    Due(u64),
    Clone,
}

fn ops() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => any::<u64>().prop_map(Op::Insert),
        2 => (0..16u64).prop_map(Op::Insert),
        2 => any::<u64>().prop_map(|hash| Op::Insert(hash & 0xff << 50)),
        4 => any::<usize>().prop_map(Op::Remove),
        2 => (any::<u64>(), 0..4000u64).prop_map(|(seed, count)| Op::Grow(seed, count)),
        1 => (0..4u64).prop_map(Op::Thin),
        1 => (0..64u32).prop_map(|bits| Op::Due(u64::MAX >> bits)),
        1 => Just(Op::Clone),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn random_operations_match_the_model(ops in prop::collection::vec(ops(), 1..60)) {
        let mut world = World::new();
        let mut views = Vec::new();
        for op in ops {
            match op {
                Op::Insert(hash) => world.insert(hash),
                Op::Remove(index) => {
                    if let Some(&hash) = world.model.iter().nth(index % (world.model.len() + 1)) {
                        world.remove(hash);
                    }
                }
                Op::Grow(seed, count) => {
                    let mut rng = fastrand::Rng::with_seed(seed);
                    (0..count).for_each(|_| world.insert(rng.u64(..)));
                }
                Op::Thin(part) => {
                    let gone: Vec<u64> =
                        world.model.iter().copied().filter(|hash| hash >> 20 & 3 >= part).collect();
                    gone.into_iter().for_each(|hash| world.remove(hash));
                }
                Op::Due(now) => {
                    let mut gone = BTreeSet::new();
                    while world.directory.earliest() <= now {
                        world.directory.update_due(now, &(), &mut |page| {
                            let own = Arc::make_mut(&mut page.0);
                            gone.extend(own.extract_if(.., |hash| *hash <= now));
                            true
                        });
                        if now == u64::MAX {
                            break;
                        }
                    }
                    if now < u64::MAX {
                        let rest = world.model.split_off(&(now + 1));
                        assert_eq!(gone, std::mem::replace(&mut world.model, rest));
                    } else {
                        world.model.retain(|hash| !gone.contains(hash));
                    }
                }
                Op::Clone => views.push(World { directory: world.directory.clone(), model: world.model.clone() }),
            }
        }
        world.check();
        views.iter().for_each(World::check);
    }
}

#[test]
fn what_empties_becomes_one_page_again() {
    let mut world = World::new();
    let mut rng = fastrand::Rng::with_seed(5);
    (0..50_000).for_each(|_| world.insert(rng.u64(..)));
    world.check();
    assert!(world.directory.pages() > 10_000);
    let all: Vec<u64> = world.model.iter().copied().collect();
    all.into_iter().for_each(|hash| world.remove(hash));
    world.check();
    assert_eq!(world.directory.pages(), 1);
}

#[test]
fn colliding_hashes_do_not_deepen_it_without_bound() {
    let mut world = World::new();
    (0..3000).for_each(|hash| world.insert(hash));
    world.check();
    assert!(world.directory.pages() < 64, "{}", world.directory.pages());
}

#[test]
fn every_entry_has_the_same_chance() {
    let mut world = World::new();
    // Uneven pages: some very full, since their hashes collide.
    let mut rng = fastrand::Rng::with_seed(7);
    (0..200).for_each(|_| world.insert(rng.u64(..)));
    (0..40).for_each(|hash| world.insert(hash));
    let all: Vec<u64> = world.model.iter().copied().collect();
    let mut counts = vec![0u32; all.len()];
    const DRAWS: usize = 240_000;
    for _ in 0..DRAWS {
        let (page, entry) = world.directory.random(&mut rng).unwrap();
        counts[all.binary_search(&page.0[entry]).unwrap()] += 1;
    }
    let expected = DRAWS as f64 / all.len() as f64;
    let chi: f64 = counts.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum();
    // 239 degrees of freedom: beyond 350 once in a hundred thousand times.
    assert!(chi < 350.0, "{chi}");
}
