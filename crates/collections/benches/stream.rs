//! A stream of entries with three short fields, beside a map from ids to vectors: `cargo bench -p tandem-collections --bench stream`.
//!
//! Figures depend on the machine; compare the lines of one run.

use std::collections::BTreeMap;
use std::hint::black_box;

use collections::stream::{NewId, NodeLimits, Pending, Stream, StreamId, Trim, TrimTo};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ENTRIES: u64 = 200_000;
const LIMITS: NodeLimits = NodeLimits { max_bytes: 4096, max_entries: 100 };
const PAIRS: [&[u8]; 6] = [b"a", b"noise123", b"b", b"noise456", b"c", b"noise789"];

type Map = BTreeMap<StreamId, Vec<(Box<[u8]>, Box<[u8]>)>>;

/// A few entries a millisecond, as under load.
fn now_ms(number: u64) -> u64 {
    1_700_000_000_000 + number / 250
}

fn stream() -> Stream {
    let mut stream = Stream::default();
    for number in 0..ENTRIES {
        stream.entries.append(NewId::Auto(now_ms(number)), &PAIRS, LIMITS).expect("ids rise");
    }
    stream
}

fn map() -> Map {
    let mut map = Map::new();
    for number in 0..ENTRIES {
        map.insert(StreamId::new(now_ms(number), number), pairs());
    }
    map
}

/// A field with its value.
type Pair = (Box<[u8]>, Box<[u8]>);

fn pairs() -> Vec<Pair> {
    PAIRS.chunks(2).map(|pair| (pair[0].into(), pair[1].into())).collect()
}

fn append(c: &mut Criterion) {
    let mut group = c.benchmark_group("append");
    group.throughput(Throughput::Elements(1));
    let (mut own, mut number) = (stream(), ENTRIES);
    group.bench_function("stream", |b| {
        b.iter(|| {
            number += 1;
            own.entries.append(NewId::Auto(now_ms(number)), &PAIRS, LIMITS).expect("ids rise")
        });
    });
    let (mut own, mut number) = (stream(), ENTRIES);
    let trim = Trim { to: TrimTo::Len(ENTRIES), approximate: true, limit: 10_000 };
    group.bench_function("stream, trimmed", |b| {
        b.iter(|| {
            number += 1;
            own.entries.append(NewId::Auto(now_ms(number)), &PAIRS, LIMITS).expect("ids rise");
            own.entries.trim(trim)
        });
    });
    let (mut own, mut number) = (map(), ENTRIES);
    group.bench_function("map", |b| {
        b.iter(|| {
            number += 1;
            own.insert(StreamId::new(now_ms(number), number), pairs())
        });
    });
    group.finish();
}

fn read(c: &mut Criterion) {
    let mut group = c.benchmark_group("read 10 from the middle");
    group.throughput(Throughput::Elements(10));
    let own = stream();
    let mut rng = fastrand::Rng::with_seed(1);
    group.bench_function("stream", |b| {
        b.iter(|| {
            let start = StreamId::new(now_ms(rng.u64(..ENTRIES)), 0);
            let items = own.entries.range(start, StreamId::MAX).take(10);
            items.map(|item| black_box(item.pairs().count())).sum::<usize>()
        });
    });
    let own = map();
    group.bench_function("map", |b| {
        b.iter(|| {
            let start = StreamId::new(now_ms(rng.u64(..ENTRIES)), 0);
            own.range(start..).take(10).map(|(_, pairs)| black_box(pairs.len())).sum::<usize>()
        });
    });
    group.finish();
}

/// A group with many pending entries: one acknowledgement, also right after a view was taken.
fn acknowledge(c: &mut Criterion) {
    let mut own = Stream::default();
    own.groups.create(b"g", StreamId::MIN, Some(0));
    own.groups.update(b"g", |group| {
        let (consumer, _) = group.ensure_consumer(b"c", 0);
        for ms in 0..ENTRIES {
            group.assign(StreamId::new(ms, 0), Pending { consumer, delivered_ms: 0, count: 1 });
        }
    });
    let mut group = c.benchmark_group("acknowledge one of 200,000");
    let mut rng = fastrand::Rng::with_seed(1);
    let mut id = move || StreamId::new(rng.u64(..ENTRIES), 0);
    group.bench_function("alone", |b| {
        b.iter(|| own.groups.update(b"g", |group| group.acknowledge(id())));
    });
    group.bench_function("shared with a view", |b| {
        b.iter(|| {
            let view = own.clone();
            own.groups.update(b"g", |group| group.acknowledge(id()));
            view
        });
    });
    group.finish();
}

criterion_group!(benches, append, read, acknowledge);
criterion_main!(benches);
