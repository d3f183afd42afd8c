//! Sorted sets of a million members of 16 bytes, beside what the standard library has for the purpose: a map from members to scores
//! and a tree of both.
//!
//! `cargo bench -p tandem-collections --bench zset`; figures depend on the machine, compare the lines of one run.

use std::collections::{BTreeSet, HashMap};
use std::hint::black_box;
use std::sync::Arc;

use collections::zset::Place;
use collections::{Hasher, ZSet};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const MEMBERS: u64 = 1_000_000;

/// A score that has an order.
#[derive(Clone, Copy, PartialEq)]
struct Score(f64);

impl Eq for Score {}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// The baseline.
#[derive(Default)]
struct Baseline {
    scores: HashMap<Arc<[u8]>, f64>,
    order: BTreeSet<(Score, Arc<[u8]>)>,
}

impl Baseline {
    fn insert(&mut self, member: &[u8], score: f64) {
        let member: Arc<[u8]> = match self.scores.get_key_value(member) {
            Some((shared, old)) => {
                self.order.remove(&(Score(*old), shared.clone()));
                shared.clone()
            }
            None => Arc::from(member),
        };
        self.scores.insert(member.clone(), score);
        self.order.insert((Score(score), member));
    }
}

fn member(number: u64) -> [u8; 16] {
    let mut member = *b"member:000000000";
    let mut digits = number;
    for byte in member[7..].iter_mut().rev() {
        *byte = b'0' + (digits % 10) as u8;
        digits /= 10;
    }
    member
}

fn sorted_sets(c: &mut Criterion) {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut set = ZSet::new(Hasher::new(1));
    let mut baseline = Baseline::default();
    for number in 0..MEMBERS {
        let score = rng.f64();
        set.insert(&member(number), score);
        baseline.insert(&member(number), score);
    }
    println!("{} bytes a member", set.heap_bytes() as f64 / MEMBERS as f64);

    let mut group = c.benchmark_group("zset of 1M");
    group.throughput(Throughput::Elements(1));
    let mut next = MEMBERS;
    group.bench_function("insert new and remove old", |b| {
        b.iter(|| {
            set.insert(&member(next), rng.f64());
            set.remove(&member(next - MEMBERS));
            next += 1;
        });
    });
    let oldest = next - MEMBERS;
    group.bench_function("change score", |b| {
        b.iter(|| set.insert(&member(oldest + rng.u64(..MEMBERS)), rng.f64()));
    });
    group.bench_function("change score, baseline", |b| {
        b.iter(|| baseline.insert(&member(rng.u64(..MEMBERS)), rng.f64()));
    });
    group.bench_function("score", |b| b.iter(|| black_box(set.score(&member(oldest + rng.u64(..MEMBERS))))));
    group.bench_function("score, baseline", |b| {
        b.iter(|| black_box(baseline.scores.get(&member(rng.u64(..MEMBERS))[..])));
    });
    group.bench_function("rank", |b| b.iter(|| black_box(set.rank(&member(oldest + rng.u64(..MEMBERS))))));
    group.bench_function("range of 100 by rank", |b| {
        b.iter(|| {
            let from = rng.usize(..MEMBERS as usize - 100);
            set.iter(from..from + 100).map(|(member, score)| member.len() as f64 + score).sum::<f64>()
        });
    });
    group.bench_function("count in range of scores", |b| {
        b.iter(|| {
            let from = rng.f64();
            set.rank_of(Place::AfterScore(from + 0.1)) - set.rank_of(Place::BeforeScore(from))
        });
    });
    group.bench_function("range of 100 by score, baseline", |b| {
        b.iter(|| {
            let from = (Score(rng.f64()), Arc::from(&b""[..]));
            baseline
                .order
                .range(from..)
                .take(100)
                .map(|(score, member)| member.len() as f64 + score.0)
                .sum::<f64>()
        });
    });
    group.bench_function("freeze and change 1000 scores", |b| {
        b.iter(|| {
            let frozen = set.clone();
            for _ in 0..1000 {
                set.insert(&member(oldest + rng.u64(..MEMBERS)), rng.f64());
            }
            frozen
        });
    });
    group.finish();

    let mut group = c.benchmark_group("zset from nothing");
    group.throughput(Throughput::Elements(MEMBERS));
    group.sample_size(10);
    group.bench_function("insert 1M, scores at random", |b| {
        b.iter(|| {
            let mut set = ZSet::new(Hasher::new(1));
            (0..MEMBERS).for_each(|number| {
                set.insert(&member(number), rng.f64());
            });
            set
        });
    });
    group.bench_function("insert 1M, scores at random, baseline", |b| {
        b.iter(|| {
            let mut set = Baseline::default();
            (0..MEMBERS).for_each(|number| set.insert(&member(number), rng.f64()));
            set
        });
    });
    group.bench_function("insert 1M, scores in order", |b| {
        b.iter(|| {
            let mut set = ZSet::new(Hasher::new(1));
            (0..MEMBERS).for_each(|number| {
                set.insert(&member(number), number as f64);
            });
            set
        });
    });
    group.finish();
}

criterion_group!(benches, sorted_sets);
criterion_main!(benches);
