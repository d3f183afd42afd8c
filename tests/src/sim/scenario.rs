//! One run: machines, clients, faults, then quiet, then the comparison.

use super::check::{At, describe};
use super::digest::digest;
use super::event::Event;
use super::machine::Machine;
use super::workload::Client;
use super::world::World;

/// What a run that went well consisted of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// Events handled.
    pub steps: u64,
    /// Of everything that happened, in order.
    pub fingerprint: u64,
    /// Virtual time.
    pub virtual_us: u64,
    /// Positions at which data was compared.
    pub positions: usize,
    /// Replies to clients.
    pub replies: u64,
    /// Processes killed.
    pub crashes: u32,
    /// REPLICAOF commands.
    pub role_changes: u32,
    /// Machines that have become replicas to hand their role over, as far as they were seen at it.
    pub failovers: u32,
    /// Links cut.
    pub cuts: u32,
    /// Bytes of logs that memory was not to hold: they went to a disk…
    pub spilled: u64,
    /// …and so many of them came back, for replicas on their way up to the stream.
    pub read_back: u64,
    /// Bytes that replicas which had been away for long were read out of append only files.
    pub read_from_files: u64,
    /// Disks that failed at that.
    pub spills_failed: u32,
    /// Full synchronisations over two connections, of those processes that saw the end.
    pub beside: u64,
    /// Messages that those who listen have heard.
    pub messages: u64,
}

const SECOND: u64 = 1_000_000;

/// Runs the scenario of one seed.
///
/// # Errors
///
/// What did not hold.
pub fn run(seed: u64) -> Result<Outcome, String> {
    let (result, differs_at) = play(seed, None);
    match differs_at {
        // Once more, to see what was held there.
        Some(at) => play(seed, Some(at)).0,
        None => result,
    }
}

/// The scenario of one seed, and where data differed in it.
fn play(seed: u64, watched: Option<At>) -> (Result<Outcome, String>, Option<At>) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let machines = rng.usize(2..6);
    let mut options: Vec<Vec<String>> = (0..machines).map(|_| random_options(&mut rng)).collect();
    // Dice of their own, so that the rest of a storm is what it is without them.
    let mut limits = fastrand::Rng::with_seed(seed ^ 0x5eed);
    options.iter_mut().for_each(|options| options.extend(random_limits(&mut limits)));
    let mut reach = fastrand::Rng::with_seed(seed ^ 0xa0f);
    options.iter_mut().for_each(|options| options.extend(super::reach::random_options(&mut reach)));
    let mut world = World::new(rng.u64(..), machines, |index| options[index].clone(), watched);
    let result = storm_and_calm(&mut world, seed, &mut rng, &mut limits);
    (result, world.positions.differs_at)
}

fn storm_and_calm(
    world: &mut World,
    seed: u64,
    rng: &mut fastrand::Rng,
    limits: &mut fastrand::Rng,
) -> Result<Outcome, String> {
    let machines = world.machines.len();
    let mut outcome = Outcome::default();
    for _ in 0..rng.usize(1..4) {
        let client = world.clients.len();
        world.clients.push(Client::new(0));
        world.schedule(rng.u64(..SECOND), Event::ClientStep { client });
    }
    for machine in 0..machines {
        let client = world.clients.len();
        world.clients.push(Client::listening(machine));
        world.schedule(rng.u64(..SECOND), Event::ClientStep { client });
    }
    let began_us = world.now_us;
    world.run_until(began_us + 2 * SECOND)?;
    for index in 1..machines {
        let master = if rng.u8(..4) == 0 { rng.usize(..index) } else { 0 };
        follow(world, index, master);
    }
    let mut handovers = fastrand::Rng::with_seed(!seed);
    let storm_ends = world.now_us + rng.u64(5..60) * SECOND;
    while world.now_us < storm_ends {
        world.run_until(world.now_us + rng.u64(10_000..3 * SECOND))?;
        disturb(world, rng, &mut outcome);
        if limits.u8(..3) == 0 {
            burst(world, limits)?;
        }
        if handovers.u8(..5) == 0 {
            hand_over(world, &mut handovers, &mut outcome)?;
        }
    }
    settle_down(world, rng)?;
    outcome.steps = world.steps;
    outcome.fingerprint = world.fingerprint;
    outcome.spilled = world.spilled;
    outcome.read_back = world.read_back;
    outcome.read_from_files = world.read_from_files;
    outcome.spills_failed = world.spills_failed;
    outcome.virtual_us = world.now_us - began_us;
    outcome.positions = world.positions.len();
    outcome.replies =
        world.clients.iter().filter(|client| !client.listens).map(|client| client.replies).sum();
    outcome.beside =
        world.machines.iter().filter_map(|machine| machine.node.as_ref()).map(node::Node::syncs_beside).sum();
    outcome.messages =
        world.clients.iter().filter(|client| client.listens).map(|client| client.replies).sum();
    Ok(outcome)
}

fn random_options(rng: &mut fastrand::Rng) -> Vec<String> {
    let mut options: Vec<String> = Vec::new();
    let mut set = |name: &str, value: &str| options.extend([format!("--{name}"), value.to_owned()]);
    set("protected-mode", "no");
    set("repl-diskless-sync", if rng.bool() { "yes" } else { "no" });
    set("repl-diskless-sync-delay", ["0", "1", "3"][rng.usize(..3)]);
    set("repl-backlog-size", ["16384", "65536", "1mb"][rng.usize(..3)]);
    set("repl-diskless-load", ["disabled", "swapdb", "on-empty-db"][rng.usize(..3)]);
    set("repl-timeout", ["5", "20", "60"][rng.usize(..3)]);
    set("repl-ping-replica-period", ["1", "4", "10"][rng.usize(..3)]);
    set("repl-backlog-ttl", ["3", "3600"][rng.usize(..2)]);
    set("save", ["", "1 1", "5 20"][rng.usize(..3)]);
    set("repl-rdb-channel", ["no", "no", "yes"][rng.usize(..3)]);
    set("dual-channel-replication-enabled", if rng.bool() { "yes" } else { "no" });
    set("replica-full-sync-buffer-limit", ["0", "1", "1000", "100000"][rng.usize(..4)]);
    if rng.bool() {
        set("appendonly", "yes");
        set("appendfsync", ["always", "everysec", "no"][rng.usize(..3)]);
        set("no-appendfsync-on-rewrite", if rng.u8(..4) == 0 { "yes" } else { "no" });
        set("auto-aof-rewrite-min-size", ["1", "4096", "67108864"][rng.usize(..3)]);
        set("aof-timestamp-enabled", if rng.bool() { "yes" } else { "no" });
    }
    options
}

/// What is kept for replicas that are being synchronised, in memory and on the disk, how many may be at it, and how fast.
fn random_limits(rng: &mut fastrand::Rng) -> Vec<String> {
    let mut options = Vec::new();
    let mut set = |name: &str, value: &str| options.extend([format!("--{name}"), value.to_owned()]);
    set("repl-sync-memory-limit", ["0", "0", "40000", "128mb"][rng.usize(..4)]);
    set("repl-sync-spill-limit", ["0", "100000", "8gb", "8gb"][rng.usize(..4)]);
    set("repl-sync-max-transfers", ["0", "0", "1", "2"][rng.usize(..4)]);
    set("repl-sync-bandwidth", ["0", "0", "0", "100000"][rng.usize(..4)]);
    set("repl-sync-guard-min-keys-percent", ["0", "0", "0", "60"][rng.usize(..4)]);
    set("repl-sync-bandwidth-per-replica", ["0", "0", "0", "100000"][rng.usize(..4)]);
    set("repl-diskless-sync-max-replicas", ["0", "0", "1", "2"][rng.usize(..4)]);
    options
}

/// Much is written in a short time; half the time while a replica that needs everything is being served, and cannot be reached.
fn burst(world: &mut World, rng: &mut fastrand::Rng) -> Result<(), String> {
    let is_master = |index: &usize| {
        world.machines[*index].node.as_ref().is_some_and(|node| node.is_ready() && node.master().is_none())
    };
    let masters: Vec<usize> = (0..world.machines.len()).filter(is_master).collect();
    let Some(&machine) = masters.get(rng.usize(..masters.len().max(1))) else { return Ok(()) };
    let other = rng.usize(..world.machines.len());
    let pair = (machine.min(other), machine.max(other));
    let cuts = other != machine && rng.bool() && !world.cut.contains(&pair);
    if cuts {
        world.command(machine, &["CONFIG", "SET", "repl-diskless-sync-delay", "0"]);
        world.crash(other);
        world.machines[other].disk.wipe();
        world.start(other);
        world.run_until(world.now_us + SECOND / 3)?;
        follow(world, other, machine);
        world.run_until(world.now_us + rng.u64(5_000..400_000))?;
        world.cut.insert(pair);
    }
    for number in 0..rng.usize(5..60) {
        world.command(machine, &["SET", "bulk", &format!("{number:03}").repeat(3_000)]);
        world.run_until(world.now_us + rng.u64(1_000..50_000))?;
    }
    if cuts {
        world.cut.remove(&pair);
    }
    Ok(())
}

fn follow(world: &mut World, replica: usize, master: usize) {
    if replica != master {
        world.command(replica, &["REPLICAOF", &Machine::address(master), "6379"]);
    }
}

/// One fault, or one act of an operator.
fn disturb(world: &mut World, rng: &mut fastrand::Rng, outcome: &mut Outcome) {
    let machines = world.machines.len();
    let (one, other) = (rng.usize(..machines), rng.usize(..machines));
    match rng.u8(..24) {
        0..=2 => {
            world.crash(one);
            outcome.crashes += 1;
            match rng.u8(..12) {
                0 => world.machines[one].disk.wipe(),
                1..=3 => world.machines[one].disk.lose_power(rng),
                _ => {}
            }
            world.schedule(rng.u64(10_000..10 * SECOND), Event::Start { machine: one });
        }
        3 => {
            let how: &[&str] =
                [&["SHUTDOWN", "SAVE"][..], &["SHUTDOWN", "NOSAVE", "NOW"], &["SHUTDOWN"]][rng.usize(..3)];
            world.command(one, how);
            world.schedule(rng.u64(SECOND..20 * SECOND), Event::Start { machine: one });
        }
        4..=6 if one != other => {
            let pair = (one.min(other), one.max(other));
            if !world.cut.remove(&pair) {
                world.note(|| format!("link {pair:?} is cut"));
                world.cut.insert(pair);
                outcome.cuts += 1;
            }
        }
        7..=8 => world.cut.clear(),
        9..=12 => {
            let pipes: Vec<usize> =
                (0..world.pipes.len()).filter(|&pipe| world.pipes[pipe].machines().is_some()).collect();
            if let Some(&pipe) =
                pipes.len().checked_sub(1).map(|last| &pipes[rng.usize(last.saturating_sub(4)..=last)])
            {
                world.reset_pipe(pipe);
            }
        }
        13..=16 if one != other => {
            follow(world, one, other);
            outcome.role_changes += 1;
        }
        17..=18 => {
            world.command(one, &["REPLICAOF", "NO", "ONE"]);
            outcome.role_changes += 1;
        }
        19 => world.command(one, &["BGSAVE"]),
        20 => world
            .command(one, &["CONFIG", "SET", "repl-diskless-sync", if rng.bool() { "yes" } else { "no" }]),
        21 => {
            for client in &mut world.clients {
                if !client.idle && !client.listens {
                    client.machine = one;
                }
            }
        }
        22 => world.command(one, &["CLIENT", "KILL", "TYPE", "replica"]),
        _ => match rng.u8(..5) {
            0 => world.command(one, &["DEBUG", "SLEEP", "0"]),
            1 => {
                let full = &mut world.machines[one].disk.full;
                *full = !*full;
            }
            2 => world.command(one, &["CONFIG", "SET", "appendonly", if rng.bool() { "yes" } else { "no" }]),
            3 => world.command(
                one,
                &["CONFIG", "SET", "appendfsync", ["always", "everysec", "no"][rng.usize(..3)]],
            ),
            _ => world.command(one, &["BGREWRITEAOF"]),
        },
    }
}

/// FAILOVER in all its forms; of machines that cannot do it, it is a request that is refused.
fn hand_over(world: &mut World, rng: &mut fastrand::Rng, outcome: &mut Outcome) -> Result<(), String> {
    let machines = world.machines.len();
    let (one, other) = (rng.usize(..machines), rng.usize(..machines));
    let address = Machine::address(other);
    let words: &[&str] = match rng.u8(..8) {
        0 => &["FAILOVER", "ABORT"],
        1..=3 => &["FAILOVER", "TIMEOUT", "2000"],
        4 => &["FAILOVER", "TO", &address, "6379", "TIMEOUT", "200", "FORCE"],
        5..=6 => &["FAILOVER", "TO", &address, "6379", "TIMEOUT", "3000"],
        _ => &["FAILOVER"],
    };
    world.command(one, words);
    // Looks closely for a while: in the middle of it is where a fault hurts.
    for _ in 0..rng.usize(..20) {
        world.run_until(world.now_us + rng.u64(100..2_000))?;
        if world.machines[one].node.as_ref().is_some_and(node::Node::is_handing_over) {
            outcome.failovers += 1;
            break;
        }
    }
    Ok(())
}

/// Faults stop, everybody follows one master, and in the end all have to agree.
fn settle_down(world: &mut World, rng: &mut fastrand::Rng) -> Result<(), String> {
    world.writing = false;
    world.cut.clear();
    world.machines.iter_mut().for_each(|machine| machine.disk.full = false);
    for index in 0..world.machines.len() {
        world.start(index);
    }
    // Machines that were on their way down have to come back, too.
    world.run_until(world.now_us + 25 * SECOND)?;
    for index in 0..world.machines.len() {
        world.start(index);
    }
    world.run_until(world.now_us + SECOND)?;
    let machines = world.machines.len();
    for index in 0..machines {
        // One whose target is gone waits for somebody to decide.
        world.command(index, &["FAILOVER", "ABORT"]);
    }
    world.run_until(world.now_us + SECOND)?;
    let master = rng.usize(..machines);
    world.command(master, &["REPLICAOF", "NO", "ONE"]);
    world.run_until(world.now_us + SECOND)?;
    let mut placed = vec![master];
    for index in (0..machines).filter(|&index| index != master) {
        let upstream = if rng.u8(..3) == 0 { placed[rng.usize(..placed.len())] } else { master };
        follow(world, index, upstream);
        placed.push(index);
    }
    let deadline = world.now_us + 400 * SECOND;
    while world.now_us < deadline {
        world.run_until(world.now_us + SECOND / 2)?;
        permit_held(world);
        if agree(world, master) {
            return all_hear(world, master);
        }
    }
    Err(disagreement(world, master))
}

/// What is published at the master is heard by those who listen at any of its replicas, in order and once.
fn all_hear(world: &mut World, master: usize) -> Result<(), String> {
    // Whoever listens has come back by now.
    world.run_until(world.now_us + 5 * SECOND)?;
    world.clients.iter_mut().for_each(|client| client.heard.clear());
    world.command(master, &["PUBLISH", "news", "last:1"]);
    world.run_until(world.now_us + SECOND)?;
    let code = "redis.call('publish', 'news', 'last:2') redis.call('spublish', 'news', 'last:3')";
    world.command(master, &["EVAL", code, "0"]);
    world.run_until(world.now_us + 5 * SECOND)?;
    let expected = ["message last:1", "message last:2", "smessage last:3"];
    match world.clients.iter().find(|client| client.listens && client.heard != expected) {
        None => Ok(()),
        Some(client) => Err(format!("at machine {} was heard {:?}", client.machine, client.heard)),
    }
}

/// Where a guard keeps a replica's data from a master that has come back empty, the operator decides for the master.
fn permit_held(world: &mut World) {
    for index in 0..world.machines.len() {
        if world.machines[index].node.as_ref().is_some_and(node::Node::withholds_syncs) {
            world.command(index, &["REPLICAOF", "NO", "ONE"]);
        }
    }
    for index in 0..world.machines.len() {
        let master = world.machines[index].node.as_ref().filter(|node| node.sync_is_held());
        let Some((host, port)) = master.and_then(|node| node.master()) else { continue };
        let (host, port) = (host.to_owned(), port.to_string());
        world.command(index, &["REPLICAOF", &host, &port]);
    }
}

fn agree(world: &World, master: usize) -> bool {
    let Some(of_master) = &world.machines[master].node else { return false };
    let Some(position) = of_master.position() else { return world.machines.len() == 1 };
    let data = digest(of_master);
    world.machines.iter().enumerate().filter(|&(index, _)| index != master).all(|(_, machine)| {
        machine.node.as_ref().is_some_and(|node| {
            node.link_is_up()
                && node.position().is_some_and(|at| (at.id, at.offset) == (position.id, position.offset))
                && digest(node) == data
        })
    })
}

fn disagreement(world: &World, master: usize) -> String {
    let mut text = format!("no agreement with master {master} at {} s:\n", world.now_us / SECOND);
    for (index, machine) in world.machines.iter().enumerate() {
        let state = match &machine.node {
            Some(node) => format!(
                "at {:?}, link up {}, ready {}, {} keys",
                node.position().map(|at| (at.id, at.offset)),
                node.link_is_up(),
                node.is_ready(),
                describe(node).len()
            ),
            None => "down".to_owned(),
        };
        text.push_str(&format!("  machine {index}: {state}\n"));
    }
    text
}
