//! Reading the same files with this library and with the crates `rdb` and `librdb` (which wraps Redis's own C library): every key
//! and element is handed to the caller, who adds up lengths.
//!
//! Each file lies in the page cache. All three verify what they verify by default; `rdb` never compares the checksum. What is measured
//! is the processor time of the thread, so that other work on the machine does not count.

use std::fs::File;
use std::hint::black_box;
use std::io::{BufReader, Read};
use std::path::Path;
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use listpack::{Entry, TextBuffer};
use rdb::{Event, Kind, Reader, Value, Writer};

/// Bytes read from the file at a time, by all that let us choose.
const CHUNK: usize = 64 * 1024;

/// The processor time of the thread.
struct ProcessorTime;

fn processor_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

impl Measurement for ProcessorTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        processor_time()
    }

    fn end(&self, start: Duration) -> Duration {
        processor_time() - start
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

/// The library in this directory's parent.
fn own(path: &Path) -> usize {
    let (mut one, mut other) = (TextBuffer::new(), TextBuffer::new());
    let mut total = 0;
    let mut reader = Reader::default();
    let mut file = File::open(path).unwrap();
    let mut chunk = vec![0; CHUNK];
    while !reader.is_finished() {
        let read = file.read(&mut chunk).unwrap();
        assert!(read > 0, "the file is whole");
        reader.feed(&chunk[..read]);
        while let Some(event) = reader.next().unwrap() {
            total += match black_box(event) {
                Event::Entry { key, value: Value::String(value), .. } => key.len() + value.len(),
                Event::Entry { key, value: Value::Compact(compact), .. } => {
                    let elements: usize = match compact.kind() {
                        Kind::Hash => compact
                            .fields()
                            .map(|(field, value, _)| field.text(&mut one).len() + value.text(&mut other).len())
                            .sum(),
                        Kind::ZSet => compact.members().map(|(member, _)| member.text(&mut one).len()).sum(),
                        _ => compact.entries().map(|entry| entry.text(&mut one).len()).sum(),
                    };
                    key.len() + elements
                }
                Event::Begin { key, .. } => key.len(),
                Event::Elements(compact) => compact.entries().map(|entry| entry.text(&mut one).len()).sum(),
                Event::Element(element) => element.len(),
                Event::Field { field, value, .. } => field.len() + value.len(),
                Event::Member { member, .. } => member.len(),
                _ => 0,
            };
        }
    }
    reader.close().unwrap();
    total
}

/// The crate `rdb`.
fn rdb_rs(path: &Path) -> usize {
    use other::RdbValue;
    let file = BufReader::with_capacity(CHUNK, File::open(path).unwrap());
    let decoder = other::RdbDecoder::new(file, other::filter::Simple::new()).unwrap();
    decoder
        .map(|item| match black_box(item.unwrap()) {
            RdbValue::String { key, value, .. } => key.len() + value.len(),
            RdbValue::Hash { key, values, .. } => {
                key.len() + values.iter().map(|(field, value)| field.len() + value.len()).sum::<usize>()
            }
            RdbValue::Set { key, members: all, .. } | RdbValue::List { key, values: all, .. } => {
                key.len() + all.iter().map(Vec::len).sum::<usize>()
            }
            RdbValue::SortedSet { key, values, .. } => {
                key.len() + values.iter().map(|(_, member)| member.len()).sum::<usize>()
            }
            _ => 0,
        })
        .sum()
}

/// The crate `librdb`.
#[derive(Default)]
struct Lengths(usize);

impl librdb::RdbHandlers for Lengths {
    fn handle_new_key(&mut self, key: &[u8], _: &librdb::KeyInfo) -> librdb::Result<()> {
        self.0 += key.len();
        Ok(())
    }

    fn handle_string_value(&mut self, value: &[u8]) -> librdb::Result<()> {
        self.0 += value.len();
        Ok(())
    }

    fn handle_list_item(&mut self, item: &[u8]) -> librdb::Result<()> {
        self.0 += item.len();
        Ok(())
    }

    fn handle_hash_field(&mut self, field: &[u8], value: &[u8], _: i64) -> librdb::Result<()> {
        self.0 += field.len() + value.len();
        Ok(())
    }

    fn handle_set_member(&mut self, member: &[u8]) -> librdb::Result<()> {
        self.0 += member.len();
        Ok(())
    }

    fn handle_zset_member(&mut self, member: &[u8], _: f64) -> librdb::Result<()> {
        self.0 += member.len();
        Ok(())
    }
}

fn librdb_c(path: &Path) -> usize {
    let mut parser = librdb::Parser::new(Lengths::default()).unwrap();
    parser.parse_file(path).unwrap();
    parser.into_handler().0
}

/// A file, by name.
fn write(name: &str) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut noise = |len: usize| (0..len).map(|_| rng.u8(..)).collect::<Vec<u8>>();
    let mut writer = Writer::default();
    writer.header();
    writer.aux(b"redis-ver", b"7.0.15");
    writer.select_db(0);
    let text = b"the quick brown fox jumps over the lazy dog, again and again and again; ".repeat(14);
    match name {
        "strings-32" => {
            for n in 0..500_000 {
                writer.string(format!("key:{n:012}").as_bytes(), &noise(32), None, None);
            }
        }
        "strings-1m" => {
            for n in 0..128 {
                writer.string(format!("key:{n:012}").as_bytes(), &noise(1 << 20), None, None);
            }
        }
        "strings-text" => {
            for n in 0..100_000 {
                writer.string(format!("key:{n:012}").as_bytes(), &text[n % 71..], None, None);
            }
        }
        "small-hashes" => {
            for n in 0..100_000i64 {
                let fields = (0..8).flat_map(|f| [Entry::Int(1000 + f), Entry::Int(n * 7 + f)]);
                writer.small_hash(format!("user:{n:012}").as_bytes(), fields, None, None);
            }
        }
        "large-hash" => {
            writer.begin_hash(b"all", 500_000, None, None, None);
            for n in 0..500_000 {
                writer.field(format!("field:{n}").as_bytes(), &noise(16), None);
            }
        }
        "lists" => {
            for n in 0..500 {
                writer.begin_list(format!("list:{n}").as_bytes(), 20, None, None);
                for node in 0..20 {
                    let texts: Vec<String> = (0..128).map(|e| format!("element {node} {e} of {n}")).collect();
                    writer.list_node(texts.iter().map(|text| Entry::Str(text.as_bytes())));
                }
            }
        }
        "zset" => {
            writer.begin_zset(b"scores", 500_000, None, None);
            for n in 0..500_000 {
                writer.zset_member(format!("member:{n}").as_bytes(), f64::from(n) / 3.0);
            }
        }
        _ => unreachable!("no file {name}"),
    }
    writer.finish();
    writer.take()
}

fn beside(c: &mut Criterion<ProcessorTime>) {
    let dir = tempfile::tempdir().unwrap();
    for name in ["strings-32", "strings-1m", "strings-text", "small-hashes", "large-hash", "lists", "zset"] {
        let path = dir.path().join(name);
        std::fs::write(&path, write(name)).unwrap();
        let expected = own(&path);
        assert_eq!(rdb_rs(&path), expected, "{name}");
        assert_eq!(librdb_c(&path), expected, "{name}");
        let mut group = c.benchmark_group(name);
        group
            .sample_size(10)
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_secs(2))
            .throughput(Throughput::Bytes(std::fs::metadata(&path).unwrap().len()));
        group.bench_function("tandem", |b| b.iter(|| own(&path)));
        group.bench_function("rdb", |b| b.iter(|| rdb_rs(&path)));
        group.bench_function("librdb", |b| b.iter(|| librdb_c(&path)));
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(ProcessorTime);
    targets = beside
}
criterion_main!(benches);
