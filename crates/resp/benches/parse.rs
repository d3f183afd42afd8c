//! Parsing of requests and replies, beside the `redis-protocol` crate.
//!
//! Run with `cargo bench -p tandem-resp`. The baseline is the faster of the two forms of `redis-protocol` that do
//! not copy strings either: `range` gives offsets, `bytes` gives shared `Bytes`. Both sides parse the same buffer,
//! front to back, and what they found is dropped; the budget is twice the speed of the baseline in each row.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use redis_protocol::resp2::decode as resp2;
use redis_protocol::resp3::decode::complete as resp3;
use resp::{
    Parsed, ReplyBuf, ReplyLimits, ReplyParser, RequestLimits, RequestParser, encode_request, parse_reply,
};

fn requests(c: &mut Criterion) {
    let mut get_set = Vec::new();
    for i in 0..32 {
        let key = format!("key:{i:012}");
        encode_request(&mut get_set, &[b"GET", key.as_bytes()]);
        encode_request(&mut get_set, &[b"SET", key.as_bytes(), &[b'v'; 32]]);
    }
    let mut get = Vec::new();
    for i in 0..64 {
        encode_request(&mut get, &[b"GET", format!("k{i}").as_bytes()]);
    }
    let mut mset = Vec::new();
    let strings: Vec<String> = (0..99).map(|i| format!("argument:{i}")).collect();
    let mut args = vec![b"MSET".as_slice()];
    args.extend(strings.iter().map(String::as_bytes));
    encode_request(&mut mset, &args);
    let mut big = Vec::new();
    encode_request(&mut big, &[b"SET", b"key", &[b'x'; 16 << 10]]);

    for (name, buf, commands) in [
        ("64 GET and SET", get_set, 64),
        ("64 short GET", get, 64),
        ("MSET of 100 arguments", mset, 1),
        ("SET of 16 KiB", big, 1),
    ] {
        let mut group = c.benchmark_group(format!("request: {name}"));
        group.throughput(Throughput::Elements(commands));
        let limits = RequestLimits::default();
        let (mut parser, mut spans) = (RequestParser::new(), Vec::new());
        group.bench_function("tandem", |b| {
            b.iter(|| {
                let buf = black_box(buf.as_slice());
                let (mut at, mut seen) = (0, 0);
                while at < buf.len() {
                    spans.clear();
                    match parser.parse(buf, at, &limits, &mut spans) {
                        Ok(Parsed::Request { end, .. }) => at = end,
                        other => panic!("{other:?}"),
                    }
                    black_box(spans.as_slice());
                    seen += 1;
                }
                assert_eq!(seen, commands);
            })
        });
        resp2_baseline(&mut group, &buf);
        group.finish();
    }
}

type Group<'a> = criterion::BenchmarkGroup<'a, criterion::measurement::WallTime>;

fn resp2_baseline(group: &mut Group<'_>, buf: &[u8]) {
    group.bench_function("redis-protocol range", |b| {
        b.iter(|| {
            let mut rest = black_box(buf);
            while !rest.is_empty() {
                let (frame, len) = resp2::decode_range(rest).unwrap().unwrap();
                black_box(&frame);
                rest = &rest[len..];
            }
        })
    });
    let shared = Bytes::copy_from_slice(buf);
    group.bench_function("redis-protocol bytes", |b| {
        b.iter(|| {
            let mut rest = black_box(&shared).clone();
            while !rest.is_empty() {
                let (frame, len) = resp2::decode_bytes(&rest).unwrap().unwrap();
                black_box(&frame);
                rest = rest.slice(len..);
            }
        })
    });
}

fn resp3_baseline(group: &mut Group<'_>, buf: &[u8]) {
    group.bench_function("redis-protocol range", |b| {
        b.iter(|| black_box(resp3::decode_range(black_box(buf)).unwrap().unwrap()))
    });
    let shared = Bytes::copy_from_slice(buf);
    group.bench_function("redis-protocol bytes", |b| {
        b.iter(|| black_box(resp3::decode_bytes(black_box(&shared)).unwrap().unwrap()))
    });
}

fn replies(c: &mut Criterion) {
    let mut bulk = ReplyBuf::new();
    bulk.bulk(&[b'v'; 32]);
    let mut bulks = ReplyBuf::new();
    bulks.array(100);
    (0..100).for_each(|_| bulks.bulk(b"value of some bytes"));
    let mut ints = ReplyBuf::new();
    ints.array(100);
    (0..100).for_each(|i| ints.int(i * i * i * 1000 - 7));
    let mut nested = ReplyBuf::new();
    nested.array(10);
    for i in 0..10 {
        nested.array(5);
        nested.bulk(b"field");
        nested.int(i);
        nested.null();
        nested.simple("a status");
        nested.array(3);
        (0..3).for_each(|_| nested.bulk(b"element"));
    }
    let mut nested3 = ReplyBuf { proto: resp::Proto::Resp3, ..ReplyBuf::new() };
    nested3.map(10);
    for i in 0..10 {
        nested3.bulk(format!("name {i}").as_bytes());
        nested3.array(5);
        nested3.double(1.5 * i as f64);
        nested3.boolean(i % 2 == 0);
        nested3.null();
        nested3.int(-i);
        nested3.array(2);
        (0..2).for_each(|_| nested3.bulk(b"element"));
    }
    for (name, buf, is_resp3) in [
        ("bulk", bulk.buf, false),
        ("100 bulks", bulks.buf, false),
        ("100 integers", ints.buf, false),
        ("nested", nested.buf, false),
        ("nested, RESP3", nested3.buf, true),
    ] {
        let mut group = c.benchmark_group(format!("reply: {name}"));
        group.throughput(Throughput::Bytes(buf.len() as u64));
        let limits = ReplyLimits::default();
        group.bench_function("tandem", |b| {
            b.iter(|| black_box(parse_reply(black_box(&buf), &limits).unwrap().unwrap()))
        });
        let mut parser = ReplyParser::new(limits);
        group.bench_function("tandem incremental, owned", |b| {
            b.iter(|| {
                parser.feed(black_box(&buf));
                black_box(parser.next().unwrap().unwrap())
            })
        });
        if is_resp3 {
            resp3_baseline(&mut group, &buf)
        } else {
            resp2_baseline(&mut group, &buf)
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(50);
    targets = requests, replies
}
criterion_main!(benches);
