//! GET and SET through the whole path of a command but the socket: parsing, look-up, prefetching, execution, reply.
//!
//! `cargo bench -p tandem-benches --bench command_path`

use bench_support::{client, fill, gets, instance, run, sets};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const KEYS: u64 = 1_000_000;

fn command_path(criterion: &mut Criterion) {
    let mut node = instance(&[]);
    fill(&mut node, KEYS, 64);
    let conn = client(&mut node);
    let mut group = criterion.benchmark_group("command path, 1 M keys of 64 B");
    for pipeline in [1usize, 16, 64] {
        group.throughput(Throughput::Elements(pipeline as u64));
        for name in ["GET", "SET"] {
            let mut seed = 7;
            // Enough different pipelines that the keys are not in the cache.
            let pipelines: Vec<Vec<u8>> = (0..40_000 / pipeline)
                .map(|_| match name {
                    "GET" => gets(pipeline, KEYS, &mut seed),
                    _ => sets(pipeline, KEYS, 64, &mut seed),
                })
                .collect();
            let mut turn = 0;
            group.bench_function(format!("{name}, pipeline {pipeline}"), |bencher| {
                bencher.iter(|| {
                    turn = (turn + 1) % pipelines.len();
                    run(&mut node, conn, &pipelines[turn])
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, command_path);
criterion_main!(benches);
