//! The deterministic simulator, over many seeds. `make sim SEED=n` replays one; with `TRACE=1` it tells what happens.

use harness::sim::{self, Kept, Outcome};

/// Runs a range of seeds and gives what each consisted of to `add`; the first failure ends the test with its seed, and with how it is
/// named to be replayed.
fn each_seed<T>(
    first: u64,
    count: u64,
    name: &str,
    run: fn(u64) -> Result<T, String>,
    mut add: impl FnMut(T),
) {
    for seed in first..first + count {
        match run(seed) {
            Ok(outcome) => add(outcome),
            Err(error) => panic!("seed {seed}: {error}\nreplay it with: make sim {name}={seed}"),
        }
    }
}

/// What a range of seeds consisted of.
fn run_seeds(first: u64, count: u64) -> Outcome {
    let mut total = Outcome::default();
    each_seed(first, count, "SEED", sim::run, |outcome| {
        total.steps += outcome.steps;
        total.fingerprint ^= outcome.fingerprint;
        total.virtual_us += outcome.virtual_us;
        total.positions += outcome.positions;
        total.replies += outcome.replies;
        total.crashes += outcome.crashes;
        total.role_changes += outcome.role_changes;
        total.failovers += outcome.failovers;
        total.cuts += outcome.cuts;
        total.messages += outcome.messages;
        total.spilled += outcome.spilled;
        total.read_back += outcome.read_back;
        total.read_from_files += outcome.read_from_files;
        total.spills_failed += outcome.spills_failed;
        total.beside += outcome.beside;
    });
    total
}

fn from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn instances_agree_after_every_storm() {
    let count = from_env("SIM_SEEDS").unwrap_or(200);
    let total = run_seeds(1, count);
    println!("{count} seeds: {total:?}");
    // A simulator that does nothing finds nothing.
    assert!(total.replies > count * 100 && total.positions > count as usize * 20, "{total:?}");
    assert!(total.messages > count * 10, "{total:?}");
    assert!(total.beside > count / 5, "{total:?}");
    assert!(total.failovers as u64 > count / 10, "{total:?}");
    assert!(total.spilled > 0 && total.read_back > 0 && total.spills_failed > 0, "{total:?}");
    assert!(total.read_from_files > 0, "{total:?}");
    assert!(total.crashes > 0 && total.role_changes > 0 && total.cuts > 0, "{total:?}");
}

/// What this one has found is mended: a snapshot in a lower form than was announced.
#[test]
fn what_was_found_before() {
    run_seeds(149, 1);
}

/// Only for `make sim`: replays the seeds that the environment names.
#[test]
fn replay() {
    let Some(seed) = from_env("SEED") else { return };
    let total = run_seeds(seed, from_env("COUNT").unwrap_or(1));
    println!("{total:?}");
}

/// With another number as `ALIKE_SEEDS`, of more of them.
#[test]
fn a_run_depends_on_its_seed_alone() {
    for seed in 1..=from_env("ALIKE_SEEDS").unwrap_or(12) {
        let (one, two) = (sim::run(seed), sim::run(seed));
        assert_eq!(format!("{one:?}"), format!("{two:?}"), "seed {seed}");
    }
}

/// What a range of seeds of those about acknowledged writes consisted of.
fn keep_seeds(first: u64, count: u64) -> Kept {
    let mut total = Kept::default();
    each_seed(first, count, "KEEP", sim::keeps, |kept| {
        total.starts += kept.starts;
        total.power += kept.power;
        (0..2).for_each(|index| total.counts[index] += kept.counts[index]);
    });
    total
}

#[test]
fn what_was_answered_is_there_after_a_crash() {
    let count = from_env("SIM_SEEDS").unwrap_or(100);
    let total = keep_seeds(1, count);
    println!("{count} seeds: {total:?}");
    let at_least = count as u32 / 2;
    assert!(total.starts > at_least && total.power > at_least / 2, "{total:?}");
    assert!(total.counts.iter().all(|&counts| counts > at_least), "{total:?}");
}

/// Only for `make sim`: replays the seeds of it that the environment names.
#[test]
fn replay_keeping() {
    let Some(seed) = from_env("KEEP") else { return };
    println!("{:?}", keep_seeds(seed, from_env("COUNT").unwrap_or(1)));
}
