//! Writing and reading whole streams, and LZF alone.
//!
//! `cargo bench -p tandem-rdb-codec`. One iteration of a stream of small keys is 1 M keys, so nanoseconds a key
//! are the milliseconds shown; throughput is in bytes of the encoded stream. The baseline to beat is Valkey 9.1,
//! which on the machine of the first measurements saves 2 M keys of 16 bytes with values of 32 bytes in 1.45 s
//! and loads them in 1.2 s, that is 725 and 600 ns a key with everything else that those include.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use listpack::Entry;
use rdb::lzf::{self, Compressor};
use rdb::{Event, ReadOptions, Reader, Value, WriteOptions, Writer};

const SMALL_KEYS: usize = 1_000_000;
const LARGE_KEYS: usize = 100_000;
const HUGE_KEYS: usize = 256;
/// What the server feeds to the reader and takes from the writer at a time.
const CHUNK: usize = 64 * 1024;

struct Dataset {
    name: &'static str,
    keys: usize,
    value_len: usize,
    values: Vec<u8>,
}

impl Dataset {
    fn new(name: &'static str, keys: usize, value_len: usize, mut byte: impl FnMut(usize) -> u8) -> Dataset {
        // Enough distinct values that the branch predictor cannot learn them.
        let distinct = (64 << 20 >> value_len.ilog2()).min(4096);
        Dataset { name, keys, value_len, values: (0..distinct * value_len).map(&mut byte).collect() }
    }

    fn all() -> Vec<Dataset> {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut noise = || rng.u8(..);
        let mut again = fastrand::Rng::with_seed(4);
        let mut noise_again = || again.u8(..);
        let words = b"the quick brown fox jumps over a lazy dog ";
        let mut rng = fastrand::Rng::with_seed(2);
        let mut at = 0;
        let mut text = || {
            at = if rng.u8(..8) == 0 { rng.usize(..words.len()) } else { (at + 1) % words.len() };
            words[at]
        };
        let mut rng = fastrand::Rng::with_seed(3);
        vec![
            Dataset::new("noise-32", SMALL_KEYS, 32, |_| noise()),
            Dataset::new("hex-32", SMALL_KEYS, 32, |_| b"0123456789abcdef"[rng.usize(..16)]),
            Dataset::new("number-8", SMALL_KEYS, 8, |i| b'1' + (i % 9) as u8),
            Dataset::new("noise-1024", LARGE_KEYS, 1024, |_| noise()),
            Dataset::new("text-1024", LARGE_KEYS, 1024, |_| text()),
            Dataset::new("noise-1m", HUGE_KEYS, 1 << 20, |_| noise_again()),
        ]
    }

    fn write(&self, options: WriteOptions, mut sink: impl FnMut(&[u8])) {
        let mut writer = Writer::new(options);
        let mut buffer = Vec::with_capacity(2 * CHUNK);
        let mut key = *b"key:000000000000";
        let mut values = self.values.chunks_exact(self.value_len).cycle();
        writer.header();
        writer.select_db(0);
        writer.resize(self.keys as u64, 0);
        for _ in 0..self.keys {
            for digit in key[4..].iter_mut().rev() {
                if *digit < b'9' {
                    *digit += 1;
                    break;
                }
                *digit = b'0';
            }
            writer.string(&key, values.next().expect("values go round"), None, None);
            if writer.pending() >= CHUNK {
                buffer = writer.take_with(buffer);
                sink(&buffer);
            }
        }
        writer.finish();
        sink(&writer.take());
    }
}

fn read(options: ReadOptions, bytes: &[u8]) -> usize {
    let mut reader = Reader::new(options);
    let mut total = 0;
    for chunk in bytes.chunks(CHUNK) {
        reader.feed(chunk);
        while let Some(event) = reader.next().expect("the stream is whole") {
            if let Event::Entry { key, value: Value::String(value), .. } = black_box(event) {
                total += key.len() + value.len();
            }
        }
    }
    assert!(reader.is_finished());
    total
}

fn streams(c: &mut Criterion) {
    for dataset in Dataset::all() {
        let mut group = c.benchmark_group(dataset.name);
        group
            .sample_size(10)
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(2));
        for (name, compress, checksum) in
            [("", true, true), ("-no-lzf", false, true), ("-bare", false, false)]
        {
            let write = WriteOptions { compress, checksum, ..WriteOptions::default() };
            let mut bytes = Vec::new();
            dataset.write(write, |piece| bytes.extend_from_slice(piece));
            group.throughput(Throughput::Bytes(bytes.len() as u64));
            group.bench_function(BenchmarkId::from_parameter(format!("write{name}")), |b| {
                b.iter(|| {
                    dataset.write(write, |piece| {
                        black_box(piece);
                    })
                });
            });
            let read_options = ReadOptions { verify_checksum: checksum, ..ReadOptions::default() };
            group.bench_function(BenchmarkId::from_parameter(format!("read{name}")), |b| {
                b.iter(|| read(read_options, &bytes));
            });
        }
    }
}

fn lzf_alone(c: &mut Criterion) {
    let mut group = c.benchmark_group("lzf");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    for dataset in Dataset::all() {
        let values: Vec<&[u8]> = dataset.values.chunks_exact(dataset.value_len).collect();
        group.throughput(Throughput::Bytes(dataset.value_len as u64));
        let mut compressor = Compressor::new();
        let mut next = values.iter().cycle();
        group.bench_function(format!("compress/{}", dataset.name), |b| {
            b.iter(|| {
                let value = next.next().expect("values go round");
                compressor.compress(value, value.len() - 3).map(<[u8]>::len)
            });
        });
        let packed: Vec<Vec<u8>> = values
            .iter()
            .filter_map(|value| compressor.compress(value, value.len() - 3).map(<[u8]>::to_vec))
            .collect();
        if packed.len() < values.len() {
            continue;
        }
        let mut next = packed.iter().cycle();
        let mut out = Vec::new();
        group.bench_function(format!("decompress/{}", dataset.name), |b| {
            b.iter(|| {
                out.clear();
                lzf::decompress(next.next().expect("values go round"), dataset.value_len, &mut out)
            });
        });
    }
}

/// Values in compact forms and in parts, as large as servers make them: what their checks cost.
fn large_values(c: &mut Criterion) {
    let mut rng = fastrand::Rng::with_seed(5);
    let mut noise = |len: usize| (0..len).map(|_| rng.u8(..)).collect::<Vec<u8>>();
    let options = WriteOptions { compress: false, ..WriteOptions::default() };
    let file = |fill: &mut dyn FnMut(&mut Writer)| {
        let mut writer = Writer::new(options);
        writer.header();
        fill(&mut writer);
        writer.finish();
        writer.take()
    };
    let elements: Vec<Vec<u8>> = (0..8).map(|_| noise(1000)).collect();
    let list = file(&mut |writer| {
        writer.begin_list(b"list", 10_000, None, None);
        for _ in 0..10_000 {
            writer.list_node(elements.iter().map(|element| Entry::Str(element)));
        }
    });
    let hash = file(&mut |writer| {
        writer.begin_hash(b"hash", 20_000, None, None, None);
        for number in 0..20_000 {
            writer.field(format!("field:{number}").as_bytes(), &elements[number % 8].repeat(4), None);
        }
    });
    let mut group = c.benchmark_group("large");
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for (name, bytes) in [("list-of-nodes", list), ("hash-of-4k-values", hash)] {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |b| b.iter(|| events(&bytes)));
    }
}

/// How many events there are.
fn events(bytes: &[u8]) -> usize {
    let mut reader = Reader::default();
    let mut count = 0;
    for chunk in bytes.chunks(CHUNK) {
        reader.feed(chunk);
        while let Some(event) = reader.next().expect("the stream is whole") {
            black_box(event);
            count += 1;
        }
    }
    assert!(reader.is_finished());
    count
}

criterion_group!(benches, streams, large_values, lzf_alone);
criterion_main!(benches);
