//! Bytes of resident memory for each key: `cargo run --release --example memory -- [keys] [value bytes]`.

use keyspace::{Keyspace, SetExpiry};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("a Linux system");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a VmRSS line");
    let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok()).expect("a number");
    kib * 1024
}

fn main() {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<usize>().expect("a number"));
    let keys = args.next().unwrap_or(2_000_000);
    let value_len = args.next().unwrap_or(32);
    let value = vec![b'x'; value_len];
    let mut keyspace = Keyspace::new(16, 0x5eed);
    let before = resident_bytes();
    let start = std::time::Instant::now();
    let db = keyspace.db_mut(0);
    for i in 0..keys {
        let key = format!("key:{i:012}");
        db.set_str(key.as_bytes(), &value, SetExpiry::Clear);
    }
    let load = start.elapsed();
    let after = resident_bytes();
    println!(
        "{keys} keys of 16 B with {value_len} B: {:.2} B/key resident, of which table {:.2}; {} segments; loaded in {:.0} ns/key; {:.1} MiB before",
        (after - before) as f64 / keys as f64,
        db.table_bytes() as f64 / keys as f64,
        db.segments(),
        load.as_nanos() as f64 / keys as f64,
        before as f64 / 1048576.0,
    );
}
