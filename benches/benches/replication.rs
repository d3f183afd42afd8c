//! Replication throughput: a write becomes an effect, the effect goes into the log, the log feeds k replicas, and each of
//! them parses and applies it.
//!
//! `cargo bench -p tandem-benches --bench replication`

use bench_support::{Group, client, fill, instance, run, sets};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const KEYS: u64 = 100_000;
/// Commands of one round: what fifty clients with a pipeline of 16 have ready.
const ROUND: usize = 800;

fn replication(criterion: &mut Criterion) {
    let mut seed = 3;
    let rounds: Vec<Vec<u8>> = (0..100).map(|_| sets(ROUND, KEYS, 64, &mut seed)).collect();
    let bytes = stream_len(&rounds);
    let mut group = criterion.benchmark_group("replication, SET of 64 B");
    group.throughput(Throughput::ElementsAndBytes { elements: ROUND as u64, bytes });
    for applied in [false, true] {
        for replicas in [0usize, 1, 2, 4] {
            let mut master = instance(&["--repl-diskless-sync-delay", "0"]);
            fill(&mut master, KEYS, 64);
            let mut instances = Group::new(master, replicas);
            let conn = client(&mut instances.master);
            let mut turn = 0;
            let what = if applied { "log, feed and apply" } else { "log and feed" };
            group.bench_function(format!("{what}, {replicas} replicas"), |bencher| {
                bencher.iter(|| {
                    turn = (turn + 1) % rounds.len();
                    run(&mut instances.master, conn, &rounds[turn]);
                    if applied { instances.pump() } else { instances.feed_only() }
                });
            });
        }
    }
    group.finish();
}

/// How many bytes of the log a round comes to; keys and values have the same length everywhere.
fn stream_len(rounds: &[Vec<u8>]) -> u64 {
    let mut group = Group::new(instance(&["--repl-diskless-sync-delay", "0"]), 1);
    let conn = client(&mut group.master);
    // The first write selects a database besides.
    let mut len = 0;
    for round in &rounds[..2] {
        let before = group.master.position().map_or(0, |position| position.offset.0);
        run(&mut group.master, conn, round);
        len = group.master.position().map_or(0, |position| position.offset.0) - before;
    }
    len
}

criterion_group!(benches, replication);
criterion_main!(benches);
