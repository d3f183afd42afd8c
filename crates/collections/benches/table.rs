//! What a hash of a million fields costs, beside the standard library's map: `cargo bench -p tandem-collections --bench table`.
//!
//! Fields have 15 bytes and values 16, the allocator is the server's. On a busy machine judge the table by the map in the same run.

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use collections::{Expiry, Hasher, Table};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ENTRIES: usize = 1_000_000;
const BATCH: usize = 64;
const VALUE: [u8; 16] = [b'x'; 16];

type Key = [u8; 15];

fn key(mut number: usize) -> Key {
    let mut key = *b"field:000000000";
    for digit in key[6..].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    key
}

fn table(entries: usize) -> Table {
    let mut table = Table::new(Hasher::new(fastrand::u64(..)));
    for number in 0..entries {
        table.insert(&key(number), &VALUE, Expiry::Keep);
    }
    table
}

fn map(entries: usize) -> HashMap<Box<[u8]>, Box<[u8]>> {
    (0..entries).map(|number| (key(number).into(), VALUE.into())).collect()
}

/// Endless random keys, drawn beforehand, a batch at a time.
struct Draw {
    keys: Vec<Key>,
    next: usize,
}

impl Draw {
    fn new(entries: usize) -> Self {
        let mut rng = fastrand::Rng::with_seed(1);
        Self { keys: (0..256 * 1024).map(|_| key(rng.usize(..entries))).collect(), next: 0 }
    }

    fn batch(&mut self) -> &[Key] {
        if self.next == self.keys.len() {
            self.next = 0;
        }
        self.next += BATCH;
        &self.keys[self.next - BATCH..self.next]
    }
}

fn get(c: &mut Criterion) {
    for entries in [1000, ENTRIES] {
        let mut group = c.benchmark_group(format!("get/{entries}"));
        group.throughput(Throughput::Elements(BATCH as u64));
        let mut draw = Draw::new(entries);
        let ours = table(entries);
        group.bench_function("Table", |b| {
            b.iter(|| draw.batch().iter().filter(|key| black_box(ours.get(*key)).is_some()).count());
        });
        group.bench_function("Table, prefetched", |b| {
            b.iter(|| {
                let keys = draw.batch();
                ours.prefetch(keys.iter().map(|key| &key[..]));
                keys.iter().filter(|key| black_box(ours.get(*key)).is_some()).count()
            });
        });
        let std = map(entries);
        group.bench_function("HashMap", |b| {
            b.iter(|| draw.batch().iter().filter(|key| black_box(std.get(&key[..])).is_some()).count());
        });
    }
}

fn set(c: &mut Criterion) {
    let mut group = c.benchmark_group("set/1000000");
    group.throughput(Throughput::Elements(BATCH as u64));
    let mut draw = Draw::new(ENTRIES);
    let mut ours = table(ENTRIES);
    group.bench_function("Table, the same length", |b| {
        b.iter(|| draw.batch().iter().filter(|key| ours.insert(*key, &VALUE, Expiry::Clear)).count());
    });
    let mut lengths = 1..;
    group.bench_function("Table, another length", |b| {
        b.iter(|| {
            let len = lengths.next().unwrap_or(0) % 3 + 13;
            draw.batch().iter().filter(|key| ours.insert(*key, &VALUE[..len], Expiry::Clear)).count()
        });
    });
    group.bench_function("Table, removed and added", |b| {
        b.iter(|| {
            draw.batch()
                .iter()
                .filter(|key| ours.remove(*key) && ours.insert(*key, &VALUE, Expiry::Clear))
                .count()
        });
    });
    group.bench_function("Table, shared", |b| {
        // A view is taken before each batch, so nearly every write copies a page, and many a chunk.
        b.iter_custom(|iterations| {
            let mut spent = Duration::ZERO;
            for _ in 0..iterations {
                let view = ours.clone();
                let start = Instant::now();
                draw.batch().iter().for_each(|key| {
                    black_box(ours.insert(key, &VALUE, Expiry::Clear));
                });
                spent += start.elapsed();
                drop(view);
            }
            spent
        });
    });
    let mut std = map(ENTRIES);
    group.bench_function("HashMap", |b| {
        b.iter(|| {
            draw.batch().iter().filter(|key| std.insert((**key).into(), VALUE.into()).is_none()).count()
        });
    });
}

fn fill(c: &mut Criterion) {
    let mut group = c.benchmark_group("fill");
    group.sample_size(10).throughput(Throughput::Elements(ENTRIES as u64));
    group.bench_function("Table", |b| b.iter_batched(|| (), |()| table(ENTRIES), BatchSize::PerIteration));
    group.bench_function("HashMap", |b| b.iter_batched(|| (), |()| map(ENTRIES), BatchSize::PerIteration));
    group.bench_function("Table, read through", |b| {
        let ours = table(ENTRIES);
        b.iter(|| ours.iter().map(|item| item.key.len() + item.value.len()).sum::<usize>());
    });
}

fn freeze(c: &mut Criterion) {
    let ours = table(ENTRIES);
    c.bench_function("clone/1000000", |b| b.iter(|| ours.clone()));
}

criterion_group!(benches, get, set, fill, freeze);
criterion_main!(benches);
