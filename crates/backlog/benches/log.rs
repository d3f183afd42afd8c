//! What the log costs the way of a write: appending 100-byte effects while k readers take slices of them.
//!
//! One round is 64 effects (a pipeline) followed by each reader's look at what is new and a trim, as a server
//! does once per turn of its event loop. The baseline is a plain copy of the same bytes into one buffer.
//!
//! `cargo bench -p tandem-backlog --bench log`

use std::hint::black_box;
use std::time::Duration;

use backlog::{Log, Offset};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const EFFECTS: u64 = 64;

fn effect() -> [u8; 100] {
    std::array::from_fn(|i| i as u8)
}

fn append(c: &mut Criterion) {
    let mut group = c.benchmark_group("append");
    group.measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    group.throughput(Throughput::Elements(EFFECTS));
    let effect = effect();

    let mut buffer = Vec::with_capacity(1 << 20);
    group.bench_function("baseline: into one Vec", |b| {
        b.iter(|| {
            if buffer.len() + EFFECTS as usize * effect.len() > buffer.capacity() {
                buffer.clear();
            }
            for _ in 0..EFFECTS {
                buffer.extend_from_slice(black_box(&effect[..]));
            }
        });
    });

    for readers in [0usize, 1, 2, 4] {
        for (name, capacity) in [("1 MiB", 1 << 20), ("64 MiB", 64 << 20)] {
            let mut log = Log::new(Offset::ZERO, capacity);
            let mut cursors = vec![Offset::ZERO; readers];
            group.bench_function(format!("{readers} readers, {name} backlog"), |b| {
                b.iter(|| {
                    for _ in 0..EFFECTS {
                        log.append(black_box(&effect[..]));
                    }
                    for cursor in &mut cursors {
                        for slice in log.slices(*cursor).expect("kept for this reader") {
                            cursor.0 += black_box(slice).len() as u64;
                        }
                    }
                    log.trim(cursors.iter().min().copied());
                });
            });
        }
    }
    group.finish();
}

/// A reader that is far behind has to find its block.
fn seek(c: &mut Criterion) {
    let mut log = Log::new(Offset::ZERO, 1 << 30);
    let piece = vec![0; 1 << 20];
    (0..256).for_each(|_| log.append(&piece));
    let mut rng = fastrand::Rng::with_seed(1);
    c.bench_function("seek in 256 MiB", |b| {
        b.iter(|| {
            let from = Offset(rng.u64(..256 << 20));
            black_box(log.slices(from).and_then(|mut slices| slices.next()).map(<[u8]>::len))
        });
    });
}

criterion_group!(benches, append, seek);
criterion_main!(benches);
