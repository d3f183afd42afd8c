//! Bytes of resident memory for each entry: `cargo run --release -p tandem-collections --example table_memory`.

use collections::{Expiry, Hasher, Table};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("a Linux system");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a VmRSS line");
    let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok()).expect("a number");
    kib * 1024
}

fn measure(what: &str, entries: usize, key: impl Fn(usize) -> String, value: &[u8]) {
    let before = resident_bytes();
    let mut table = Table::new(Hasher::new(0x5eed));
    let start = std::time::Instant::now();
    for number in 0..entries {
        table.insert(key(number).as_bytes(), value, Expiry::Keep);
    }
    let spent = start.elapsed();
    println!(
        "{what}: {:.2} B an entry resident, {:.2} as the table counts them; filled in {:.0} ns an entry",
        (resident_bytes() - before) as f64 / entries as f64,
        table.heap_bytes() as f64 / entries as f64,
        spent.as_nanos() as f64 / entries as f64,
    );
    std::mem::forget(table);
}

fn main() {
    let entries = std::env::args().nth(1).and_then(|arg| arg.parse().ok()).unwrap_or(1_000_000);
    measure("15 B keys, 16 B values", entries, |number| format!("field:{number:09}"), &[b'x'; 16]);
    measure("16 B keys", entries, |number| format!("member:{number:09}"), b"");
    measure("16 B keys, 700 B values", entries / 10, |number| format!("member:{number:09}"), &[b'x'; 700]);
}
