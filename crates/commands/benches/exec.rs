//! The whole way of a command: bytes are parsed, the name looked up, the command executed, the reply written.
//! One million keys of 16 bytes with values of 32 bytes, in random order, 64 requests at a time, as a
//! pipeline brings them.
//!
//! Baseline: the same without prefetching, and the parts by themselves (`parse`, `lookup`). Times are the
//! thread's processor time, so that other work on the machine disturbs them through its caches only.

use std::hint::black_box;
use std::time::Duration;

use commands::{CommandSpec, Ctx, Effects, Env, Handler, Registry};
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use keyspace::{Keyspace, SetExpiry};
use resp::{Args, Parsed, ReplyBuf, RequestLimits, RequestParser, Span};
use rustix::time::{ClockId, clock_gettime};

/// Processor time of the thread.
struct CpuTime;

impl CpuTime {
    fn now() -> Duration {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
}

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        CpuTime::now()
    }

    fn end(&self, start: Duration) -> Duration {
        CpuTime::now() - start
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

const KEYS: u64 = 1_000_000;
const PIPELINE: usize = 64;
/// Enough batches that one round does not leave all its keys in the caches.
const BATCHES: usize = 2048;

struct Bench {
    ks: Keyspace,
    registry: Registry,
    env: Env,
    fx: Effects,
    rng: fastrand::Rng,
    out: ReplyBuf,
    parser: RequestParser,
    limits: RequestLimits,
    spans: Vec<Span>,
    requests: Vec<(usize, usize, &'static CommandSpec)>,
    hashes: Vec<u64>,
}

fn key(n: u64) -> Vec<u8> {
    format!("key:{n:012}").into_bytes()
}

impl Bench {
    fn new() -> Self {
        let mut env = Env::default();
        env.set_now_ms(1_700_000_000_000);
        let mut ks = Keyspace::new(16, 1);
        for n in 0..KEYS {
            ks.db_mut(0).set_str(&key(n), &[b'v'; 32], SetExpiry::Clear);
        }
        Bench {
            ks,
            registry: Registry::new(),
            env,
            fx: Effects::new(),
            rng: fastrand::Rng::with_seed(1),
            out: ReplyBuf::new(),
            parser: RequestParser::new(),
            limits: RequestLimits::default(),
            spans: Vec::new(),
            requests: Vec::new(),
            hashes: Vec::new(),
        }
    }

    fn parse(&mut self, input: &[u8]) {
        self.spans.clear();
        self.requests.clear();
        let mut at = 0;
        while at < input.len() {
            let from = self.spans.len();
            let Ok(Parsed::Request { end, .. }) = self.parser.parse(input, at, &self.limits, &mut self.spans)
            else {
                unreachable!("the input is whole requests")
            };
            let spec = self.registry.resolve(Args::new(input, &self.spans[from..])).expect("known commands");
            self.requests.push((from, self.spans.len(), spec));
            at = end;
        }
    }

    fn prefetch(&mut self, input: &[u8]) {
        self.hashes.clear();
        let db = self.ks.db(0);
        for (from, to, spec) in &self.requests {
            let args = Args::new(input, &self.spans[*from..*to]);
            for position in spec.keys_of(args) {
                let hash = db.hash(args.at(position));
                db.prefetch(hash);
                self.hashes.push(hash);
            }
        }
        for hash in &self.hashes {
            db.prefetch_record(*hash);
        }
    }

    fn execute(&mut self, input: &[u8]) {
        self.out.buf.clear();
        for (from, to, spec) in &self.requests {
            let Handler::Data(handler) = spec.handler else { unreachable!("only data commands") };
            self.fx.clear();
            let mut ctx = Ctx {
                ks: &mut self.ks,
                db: 0,
                out: &mut self.out,
                env: &self.env,
                fx: &mut self.fx,
                rng: &mut self.rng,
                registry: &self.registry,
            };
            handler(&mut ctx, Args::new(input, &self.spans[*from..*to]));
            black_box(self.fx.is_verbatim());
        }
    }
}

/// Batches of requests for random keys.
fn batches(words: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut batch = || {
        let mut bytes = Vec::new();
        for _ in 0..PIPELINE {
            let words = words(&key(rng.u64(0..KEYS)));
            resp::encode_request(&mut bytes, &words.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
        bytes
    };
    (0..BATCHES).map(|_| batch()).collect()
}

fn commands(c: &mut Criterion<CpuTime>) {
    let mut bench = Bench::new();
    let kinds = [
        ("get", batches(|key| vec![b"GET".to_vec(), key.to_vec()])),
        ("set", batches(|key| vec![b"SET".to_vec(), key.to_vec(), vec![b'w'; 32]])),
        ("exists", batches(|key| vec![b"EXISTS".to_vec(), key.to_vec()])),
    ];
    let mut group = c.benchmark_group("pipeline-64");
    group.throughput(Throughput::Elements(PIPELINE as u64));
    for (name, inputs) in &kinds {
        for prefetch in [true, false] {
            let mut next = (0..inputs.len()).cycle();
            let id = format!("{name}{}", if prefetch { "" } else { "-without-prefetch" });
            group.bench_function(id, |b| {
                b.iter(|| {
                    let input = &inputs[next.next().expect("a cycle")];
                    bench.parse(input);
                    if prefetch {
                        bench.prefetch(input);
                    }
                    bench.execute(input);
                    bench.out.buf.len()
                });
            });
        }
    }
    group.bench_function("parse", |b| {
        let mut next = (0..BATCHES).cycle();
        b.iter(|| bench.parse(&kinds[1].1[next.next().expect("a cycle")]));
    });
    group.finish();

    let mut group = c.benchmark_group("lookup");
    let names: Vec<Vec<u8>> =
        bench.registry.iter().map(|spec| spec.name.to_uppercase().into_bytes()).collect();
    group.throughput(Throughput::Elements(names.len() as u64));
    group.bench_function("every-name", |b| {
        b.iter(|| names.iter().filter(|name| bench.registry.lookup(black_box(name)).is_some()).count());
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("get", |b| b.iter(|| bench.registry.lookup(black_box(b"GET")).is_some()));
    group.finish();
}

criterion_group!(name = benches; config = Criterion::default().with_measurement(CpuTime); targets = commands);
criterion_main!(benches);
