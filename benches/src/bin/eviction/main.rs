//! Hit ratio and processor time of servers that evict, under the same load.
//!
//! ```text
//! cargo run --release -p tandem-benches --bin eviction -- tandem-server valkey-server docs/eviction.svg
//! ```
//!
//! Each server is started with a limit for its memory and used as a cache: keys are asked for whose popularity follows Zipf's law, and
//! what is missing is set. The sequence of keys is the same for all. Prints tables, and draws the hit ratios.
//!
//! Two more arguments make it quicker: limits in MiB, separated by commas, and the number of rounds.

mod load;
mod plot;
mod server;

use std::path::PathBuf;

use load::{Load, Outcome};
use plot::Line;
use server::Server;

/// Limits that are tried, in MiB.
const LIMITS: &str = "8,16,24,32";
const POLICIES: [&str; 2] = ["allkeys-lru", "allkeys-lfu"];
/// Each combination is run so many times, the servers in turn; the median is shown.
const ROUNDS: &str = "3";

fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [ours, theirs, picture, rest @ ..] = &args[..] else {
        eprintln!("usage: eviction tandem-server valkey-server picture.svg [limits [rounds]]");
        std::process::exit(2);
    };
    let limits = rest.first().map_or(LIMITS, String::as_str);
    let limits: Vec<u64> = limits.split(',').map(|mib| mib.parse().expect("a limit in MiB")).collect();
    let rounds: usize = rest.get(1).map_or(ROUNDS, String::as_str).parse().expect("a number of rounds");
    let servers = [("Tandem", PathBuf::from(ours)), ("Valkey", PathBuf::from(theirs))];
    let load = Load::new();
    let mut lines = Vec::new();
    println!("| policy | limit | hits Tandem | hits Valkey | points | µs/op Tandem | µs/op Valkey | ratio |");
    println!("|---|---|---|---|---|---|---|---|");
    for policy in POLICIES {
        let mut ratios = [Vec::new(), Vec::new()];
        for &mib in &limits {
            let mut outcomes = [Vec::new(), Vec::new()];
            for _ in 0..rounds {
                for ((_, program), outcomes) in servers.iter().zip(&mut outcomes) {
                    let mut server = Server::start(program, mib << 20, policy)?;
                    outcomes.push(load.cache(&mut server)?);
                }
            }
            let [tandem, valkey] = outcomes.map(median);
            row(policy, mib, tandem, valkey);
            ratios[0].push((mib as f64, tandem.hit_ratio));
            ratios[1].push((mib as f64, valkey.hit_ratio));
        }
        for ((name, _), points) in servers.iter().zip(ratios) {
            lines.push(Line { name: format!("{name}, {policy}"), points });
        }
    }
    if limits.len() > 1 {
        std::fs::write(picture, plot::draw(&lines))?;
    }
    println!("\n| every SET evicts | µs/op Tandem | µs/op Valkey | ratio |\n|---|---|---|---|");
    for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-ttl"] {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            for ((_, program), times) in servers.iter().zip(&mut times) {
                let mut server = Server::start(program, 64 << 20, policy)?;
                times.push(load.flood(&mut server)?);
            }
        }
        let [tandem, valkey] = times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        });
        println!("| {policy} | {tandem:.2} | {valkey:.2} | {:.2} |", tandem / valkey);
    }
    Ok(())
}

fn row(policy: &str, mib: u64, tandem: Outcome, valkey: Outcome) {
    println!(
        "| {policy} | {mib} MiB | {:.2} % | {:.2} % | {:+.2} | {:.2} | {:.2} | {:.2} |",
        100.0 * tandem.hit_ratio,
        100.0 * valkey.hit_ratio,
        100.0 * (tandem.hit_ratio - valkey.hit_ratio),
        tandem.micros_per_op,
        valkey.micros_per_op,
        tandem.micros_per_op / valkey.micros_per_op,
    );
}

/// The median of each figure.
fn median(outcomes: Vec<Outcome>) -> Outcome {
    let of = |figure: fn(&Outcome) -> f64| {
        let mut figures: Vec<f64> = outcomes.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    Outcome { hit_ratio: of(|outcome| outcome.hit_ratio), micros_per_op: of(|outcome| outcome.micros_per_op) }
}
