//! What a snapshot costs those who go on writing: `cargo bench -p tandem-keyspace --bench frozen`.
//!
//! Two million keys and a sorted set of a million members. First the freeze itself; then writes to the sorted set while a view of
//! everything exists, each timed by itself: members that get another score, at random, so that nearly every one of the first
//! copies what it touches. Criterion has no percentiles, so this prints its own. The same writes without a view stand beside.

use std::time::{Duration, Instant};

use keyspace::{Keyspace, Limits, SetExpiry, ZSetDraft, ZSetMut};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const KEYS: usize = 2_000_000;
const MEMBERS: usize = 1_000_000;
const ROUNDS: usize = 20;
const WRITES: usize = 10_000;

fn filled(limits: &Limits) -> Keyspace {
    let mut keyspace = Keyspace::new(1, 0x5eed);
    let db = keyspace.db_mut(0);
    for number in 0..KEYS {
        db.set_str(format!("key:{number:012}").as_bytes(), &[b'x'; 32], SetExpiry::Clear);
    }
    let mut zset = ZSetDraft::new(limits, db.value_hasher());
    for number in 0..MEMBERS {
        zset.insert(member(number).as_bytes(), (number * 7919 % 1_000_003) as f64);
    }
    let value = zset.into_value();
    db.put(b"zset", value, None);
    keyspace
}

fn member(number: usize) -> String {
    format!("member:{number:09}")
}

/// Gives `WRITES` members another score, and adds what each took to `times`.
fn write(keyspace: &mut Keyspace, limits: &Limits, rng: &mut fastrand::Rng, times: &mut Vec<Duration>) {
    for _ in 0..WRITES {
        let member = member(rng.usize(..MEMBERS));
        let score = rng.u32(..) as f64;
        let start = Instant::now();
        let mut entry = keyspace.db_mut(0).get_mut(b"zset").expect("the sorted set is there");
        ZSetMut::of(&mut entry, limits).expect("it is one").insert(member.as_bytes(), score);
        times.push(start.elapsed());
    }
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_nanos() as f64 / 1000.0;
    println!(
        "{what:40} {:8} times, µs: median {:8.2}, p99 {:8.2}, p99.9 {:8.2}, longest {:8.2}",
        times.len(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
}

fn main() {
    // Under `cargo test --benches` it is only to run, not to measure.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let limits = Limits::default();
    let mut rng = fastrand::Rng::with_seed(1);
    let mut keyspace = filled(&limits);
    let (mut freezes, mut shared, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        write(&mut keyspace, &limits, &mut rng, &mut alone);
        let start = Instant::now();
        let view = keyspace.freeze();
        freezes.push(start.elapsed());
        write(&mut keyspace, &limits, &mut rng, &mut shared);
        drop(view);
    }
    report("freeze of 2 M keys and the sorted set", freezes);
    report("a score, nothing frozen", alone);
    report("a score, everything frozen", shared);
}
