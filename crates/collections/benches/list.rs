//! What a list of a million elements costs, beside the standard library's deque: `cargo bench -p tandem-collections --bench list`.
//!
//! Elements are texts of 16 bytes, each in an allocation of its own in the deque; the allocator is the server's. On a busy machine judge
//! the list by the deque in the same run.

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant};

use collections::list::{End, List};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use listpack::Entry;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ENTRIES: usize = 1_000_000;
const BATCH: usize = 64;

type Text = [u8; 16];

fn text(mut number: usize) -> Text {
    let mut text = *b"element:00000000";
    for digit in text[8..].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    text
}

fn list(entries: usize) -> List {
    let mut list = List::new();
    (0..entries).for_each(|number| list.push(End::Back, Entry::Str(&text(number))));
    list
}

fn deque(entries: usize) -> VecDeque<Box<[u8]>> {
    (0..entries).map(|number| text(number).into()).collect()
}

/// Both ends: a queue that neither grows nor shrinks.
fn ends(c: &mut Criterion) {
    let mut group = c.benchmark_group("push and pop");
    group.throughput(Throughput::Elements(BATCH as u64));
    let texts: Vec<Text> = (0..BATCH).map(text).collect();
    for entries in [1000, ENTRIES] {
        let mut ours = list(entries);
        group.bench_function(format!("List, {entries}"), |b| {
            b.iter(|| {
                for text in &texts {
                    ours.push(End::Front, Entry::Str(text));
                    black_box(ours.pop(End::Back, |element| element.as_int()));
                }
            });
        });
        let mut std = deque(entries);
        group.bench_function(format!("VecDeque, {entries}"), |b| {
            b.iter(|| {
                for text in &texts {
                    std.push_front((*text).into());
                    black_box(std.pop_back());
                }
            });
        });
    }
    group.finish();
}

fn index(c: &mut Criterion) {
    let mut group = c.benchmark_group("get by index");
    group.throughput(Throughput::Elements(BATCH as u64));
    let mut rng = fastrand::Rng::with_seed(1);
    let indexes: Vec<usize> = (0..BATCH * 1024).map(|_| rng.usize(..ENTRIES)).collect();
    let mut batches = indexes.chunks_exact(BATCH).cycle();
    let ours = list(ENTRIES);
    group.bench_function("List", |b| {
        b.iter(|| {
            let batch = batches.next().unwrap_or_default();
            batch.iter().filter(|&&index| black_box(ours.get(index)).is_some()).count()
        });
    });
    let std = deque(ENTRIES);
    group.bench_function("VecDeque", |b| {
        b.iter(|| {
            let batch = batches.next().unwrap_or_default();
            batch.iter().filter(|&&index| black_box(std.get(index)).is_some_and(|text| text[15] > 0)).count()
        });
    });
    group.finish();
}

fn range(c: &mut Criterion) {
    const LEN: usize = 100;
    let mut group = c.benchmark_group("a hundred elements from the middle");
    group.throughput(Throughput::Elements(LEN as u64));
    let from = ENTRIES / 2;
    let sum = |bytes: &[u8]| black_box(bytes.len());
    let ours = list(ENTRIES);
    let mut buffer = listpack::TextBuffer::new();
    group.bench_function("List", |b| {
        b.iter(|| {
            ours.range(from..from + LEN, End::Front)
                .map(|element| sum(element.text(&mut buffer)))
                .sum::<usize>()
        });
    });
    let std = deque(ENTRIES);
    group.bench_function("VecDeque", |b| {
        b.iter(|| std.range(from..from + LEN).map(|element| sum(element)).sum::<usize>());
    });
    group.finish();
}

/// An insertion in the middle, and its removal: what the deque moves half of itself for.
fn middle(c: &mut Criterion) {
    let mut group = c.benchmark_group("insert and remove in the middle");
    let mut rng = fastrand::Rng::with_seed(1);
    let mut ours = list(ENTRIES);
    let one = text(1);
    group.bench_function("List", |b| {
        b.iter(|| {
            let index = rng.usize(..ENTRIES);
            ours.insert(index, Entry::Str(&one));
            ours.remove(index..index + 1);
        });
    });
    let mut std = deque(ENTRIES);
    group.bench_function("VecDeque", |b| {
        b.iter(|| {
            let index = rng.usize(..ENTRIES);
            std.insert(index, one.into());
            std.remove(index);
        });
    });
    group.finish();
}

fn build(c: &mut Criterion) {
    let mut group = c.benchmark_group("build a million");
    group.throughput(Throughput::Elements(ENTRIES as u64));
    group.sample_size(10);
    group.bench_function("List", |b| b.iter_batched(|| (), |()| list(ENTRIES), BatchSize::PerIteration));
    group.bench_function("VecDeque", |b| b.iter_batched(|| (), |()| deque(ENTRIES), BatchSize::PerIteration));
    group.finish();
}

/// The first change of one element after a copy for a view has been made.
fn after_freeze(c: &mut Criterion) {
    let mut group = c.benchmark_group("set after a freeze");
    let mut rng = fastrand::Rng::with_seed(1);
    let mut ours = list(ENTRIES);
    let one = text(1);
    group.bench_function("List", |b| {
        b.iter_custom(|rounds| {
            let mut total = Duration::ZERO;
            for _ in 0..rounds {
                let view = ours.clone();
                let index = rng.usize(..ENTRIES);
                let start = Instant::now();
                ours.set(index, Entry::Str(&one));
                total += start.elapsed();
                drop(view);
            }
            total
        });
    });
    group.finish();
}

criterion_group!(benches, ends, index, range, middle, build, after_freeze);
criterion_main!(benches);
