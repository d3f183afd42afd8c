//! What a million keys cost: `cargo bench -p tandem-keyspace`.
//!
//! Keys and values have 16 and 32 bytes, the allocator is the server's. The group `memory` does the same two dependent
//! accesses as a lookup, on plain arrays of the same size: no table can be faster than that, so on a busy machine judge
//! the others by it.

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use keyspace::{Keyspace, SetExpiry};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const KEYS: usize = 1_000_000;
const BATCH: usize = 64;
const VALUE: [u8; 32] = [b'x'; 32];

type Key = [u8; 16];

fn key(mut number: usize) -> Key {
    let mut key = *b"key:000000000000";
    for digit in key[4..].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    key
}

fn filled(keys: usize) -> Keyspace {
    let mut keyspace = Keyspace::new(1, fastrand::u64(..));
    for number in 0..keys {
        keyspace.db_mut(0).set_str(&key(number), &VALUE, SetExpiry::Clear);
    }
    keyspace
}

/// Endless random keys, drawn beforehand, a batch at a time.
struct Draw {
    keys: Vec<Key>,
    next: usize,
}

impl Draw {
    fn new() -> Self {
        let mut rng = fastrand::Rng::with_seed(1);
        Self { keys: (0..KEYS / BATCH * BATCH).map(|_| key(rng.usize(..KEYS))).collect(), next: 0 }
    }

    fn batch(&mut self) -> &[Key] {
        if self.next == self.keys.len() {
            self.next = 0;
        }
        self.next += BATCH;
        &self.keys[self.next - BATCH..self.next]
    }
}

fn hash_and_prefetch(keyspace: &Keyspace, keys: &[Key]) -> [u64; BATCH] {
    let mut hashes = [0; BATCH];
    for (hash, key) in hashes.iter_mut().zip(keys) {
        *hash = keyspace.db(0).hash(key);
    }
    keyspace.db(0).prefetch_batch(&hashes);
    hashes
}

fn lookups(c: &mut Criterion) {
    let keyspace = filled(KEYS);
    let mut draw = Draw::new();
    let mut group = c.benchmark_group("get");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("hit", |b| {
        b.iter(|| {
            for key in draw.batch() {
                black_box(keyspace.db(0).get(key).and_then(|entry| entry.str()));
            }
        })
    });
    group.bench_function("hit, prefetched by 64", |b| {
        b.iter(|| {
            let keys = draw.batch();
            let hashes = hash_and_prefetch(&keyspace, keys);
            for (key, hash) in keys.iter().zip(hashes) {
                black_box(keyspace.db(0).get_hashed(hash, key).and_then(|entry| entry.str()));
            }
        })
    });
    group.bench_function("miss", |b| {
        b.iter(|| {
            for key in draw.batch() {
                let mut key = *key;
                key[0] = b'q';
                black_box(keyspace.db(0).contains(&key));
            }
        })
    });
    drop(keyspace);
    let map: HashMap<Key, Box<[u8]>> = (0..KEYS).map(|number| (key(number), VALUE.into())).collect();
    group.bench_function("hit, std HashMap", |b| {
        b.iter(|| {
            for key in draw.batch() {
                black_box(map.get(key).map(|value| value[0]));
            }
        })
    });
}

fn writes(c: &mut Criterion) {
    let mut keyspace = filled(KEYS);
    let mut draw = Draw::new();
    let mut group = c.benchmark_group("set");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("overwrite", |b| {
        b.iter(|| {
            for key in draw.batch() {
                keyspace.db_mut(0).set_str(key, &VALUE, SetExpiry::Clear);
            }
        })
    });
    group.bench_function("overwrite, prefetched by 64", |b| {
        b.iter(|| {
            let keys = draw.batch();
            hash_and_prefetch(&keyspace, keys);
            for key in keys {
                keyspace.db_mut(0).set_str(key, &VALUE, SetExpiry::Clear);
            }
        })
    });
    // The first writes after a freeze: nearly each copies a block.
    group.throughput(Throughput::Elements(6400));
    group.bench_function("overwrite under a fresh view", |b| {
        b.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                let view = keyspace.freeze();
                let start = Instant::now();
                for _ in 0..100 {
                    for key in draw.batch() {
                        keyspace.db_mut(0).set_str(key, &VALUE, SetExpiry::Clear);
                    }
                }
                spent += start.elapsed();
                drop(view);
            }
            spent
        })
    });
    group.throughput(Throughput::Elements(100_000));
    group.bench_function("add 100,000 to an empty table", |b| {
        b.iter_batched(|| (), |()| filled(100_000), BatchSize::PerIteration)
    });
}

fn views(c: &mut Criterion) {
    let mut keyspace = filled(KEYS);
    let mut group = c.benchmark_group("view");
    group.sample_size(20);
    group.bench_function("freeze a million keys", |b| b.iter_with_large_drop(|| keyspace.freeze()));
    let view = keyspace.freeze();
    group.throughput(Throughput::Elements(KEYS as u64));
    group.bench_function("go through a million keys", |b| {
        b.iter(|| view.db(0).iter().map(|entry| entry.str().map_or(0, <[u8]>::len)).sum::<usize>())
    });
}

fn memory(c: &mut Criterion) {
    #[derive(Clone, Copy)]
    #[repr(align(64))]
    struct Line([u32; 16]);

    let mut rng = fastrand::Rng::with_seed(2);
    let records: Vec<Line> = (0..KEYS as u32).map(|number| Line([number; 16])).collect();
    let mut order: Vec<u32> = (0..KEYS as u32).collect();
    rng.shuffle(&mut order);
    let buckets: Vec<Line> =
        order.chunks_exact(8).map(|records| Line(std::array::from_fn(|slot| records[slot % 8]))).collect();
    let draw: Vec<u32> = (0..KEYS as u32).map(|_| rng.u32(..KEYS as u32 / 8 * 8)).collect();
    let mut batches = draw.chunks_exact(BATCH).cycle();
    let mut group = c.benchmark_group("memory");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("two dependent lines", |b| {
        b.iter(|| {
            let mut sum = 0;
            for &number in batches.next().expect("endless") {
                // Each depends on the one before, as the steps of a single lookup do.
                let number = (number ^ (sum & 1)) as usize;
                let record = buckets[number / 8].0[number % 8];
                sum ^= records[record as usize].0[3] & 1;
            }
            sum
        })
    });
    group.bench_function("two dependent lines, 64 at once", |b| {
        b.iter(|| {
            let batch = batches.next().expect("endless");
            let mut found = [0; BATCH];
            for (found, &number) in found.iter_mut().zip(batch) {
                *found = buckets[number as usize / 8].0[number as usize % 8];
            }
            found.into_iter().map(|record| u64::from(records[record as usize].0[3])).sum::<u64>()
        })
    });
}

criterion_group!(benches, memory, lookups, writes, views);
criterion_main!(benches);
