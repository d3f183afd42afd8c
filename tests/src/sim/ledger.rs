//! What was answered is kept: clients count, and no instance may come back with less than it has told them, nor with more than they
//! have asked for.
//!
//! A master and a replica that clients may write to, both with append only files. Every client has a counter of its own at one of them.
//! Processes are killed, and where every reply waits for a flush the power goes as well.

use keyspace::Keyspace;
use resp::Value;

use super::event::Event;
use super::machine::Machine;
use super::workload::Client;
use super::world::World;

const SECOND: u64 = 1_000_000;
/// Replies that were given before the file counted have got there after this.
const SETTLED: u64 = 2 * SECOND;

/// What a client knows of its counter.
#[derive(Default)]
pub struct Ledger {
    key: String,
    /// It has been told this.
    acked: i64,
    /// It has not asked for more than this.
    most: i64,
}

impl Ledger {
    /// Requests that count up; how many replies they will have.
    pub fn requests(&mut self, rng: &mut fastrand::Rng, out: &mut Vec<u8>) -> usize {
        const ONCE: &[u8] = b"return redis.call('incr', KEYS[1])";
        const TWICE: &[u8] = b"redis.call('incr', KEYS[1]) return redis.call('incr', KEYS[1])";
        let key = self.key.as_bytes();
        let (requests, steps): (&[&[&[u8]]], i64) = match rng.u8(..6) {
            0 => (&[&[b"MULTI"], &[b"INCR", key], &[b"INCR", key], &[b"EXEC"]], 2),
            1 => (&[&[b"EVAL", ONCE, b"1", key]], 1),
            2 => (&[&[b"EVAL", TWICE, b"1", key]], 2),
            _ => (&[&[b"INCR", key]], 1),
        };
        self.most += steps;
        requests.iter().for_each(|request| resp::encode_request(out, request));
        requests.len()
    }

    /// A reply; whether it was the last that the client waited for, and whether it promises anything.
    pub fn answered<B>(&mut self, reply: &Value<B>, is_last: bool, promises: bool) {
        let count = match reply {
            Value::Int(count) => *count,
            Value::Array(items) => match items.last() {
                Some(Value::Int(count)) => *count,
                _ => return,
            },
            _ => return,
        };
        if promises {
            self.acked = count;
            if is_last {
                self.most = count;
            }
        }
    }
}

/// What a run consisted of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept {
    /// Starts after which counters were looked at.
    pub starts: u32,
    /// Of these, starts after the power had gone.
    pub power: u32,
    /// Counts that were looked at then, and were more than zero: at the master, and at the replica.
    pub counts: [u32; 2],
}

/// A run of one seed.
///
/// # Errors
///
/// What was not kept.
pub fn keeps(seed: u64) -> Result<Kept, String> {
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x1ed9e4);
    let always = [rng.bool(), rng.bool()];
    let options = [0, 1].map(|index| random_options(&mut rng, always[index]));
    let mut world = World::new(rng.u64(..), 2, |index| options[index].clone(), None);
    world.compares = false;
    // What a disk that takes nothing keeps from the file of a replica is answered all the same.
    world.machines[1].disk.failing_writes = 0;
    for number in 0..6 {
        let mut client = Client::new(number % 2);
        client.ledger = Some(Ledger { key: format!("counter:{number}"), ..Ledger::default() });
        world.clients.push(client);
        world.schedule(rng.u64(..SECOND), Event::ClientStep { client: number });
    }
    let (mut kept, mut powerless) = (Kept::default(), [false; 2]);
    let ends = world.now_us + rng.u64(20..60) * SECOND;
    let mut next_us = world.now_us + SECOND;
    let mut follows = false;
    while world.now_us < ends {
        world.run_until(world.now_us + 1_000)?;
        look(&mut world, &mut kept, &mut powerless)?;
        if world.now_us < next_us {
            continue;
        }
        next_us = world.now_us + rng.u64(1_000..3 * SECOND);
        let one = rng.usize(..2);
        match rng.u8(..14) {
            0..=4 => {
                world.crash(one);
                if always[one] && rng.bool() {
                    world.machines[one].disk.lose_power(&mut rng);
                    powerless[one] = true;
                }
                world.schedule(rng.u64(10_000..3 * SECOND), Event::Start { machine: one });
            }
            5 => {
                world.command(one, &["SHUTDOWN"]);
                world.schedule(rng.u64(SECOND..5 * SECOND), Event::Start { machine: one });
            }
            6..=7 => world.command(one, &["BGREWRITEAOF"]),
            8 if !world.cut.remove(&(0, 1)) => _ = world.cut.insert((0, 1)),
            9 => world.machines[0].disk.full = rng.u8(..4) == 0,
            10..=11 => world.machines[one].disk.failing_flushes = [0, 60_000][rng.usize(..2)],
            _ if !follows => {
                world.command(1, &["REPLICAOF", &Machine::address(0), "6379"]);
                follows = true;
            }
            _ => {}
        }
    }
    Ok(kept)
}

fn random_options(rng: &mut fastrand::Rng, always: bool) -> Vec<String> {
    let mut options: Vec<String> = Vec::new();
    let mut set = |name: &str, value: &str| options.extend([format!("--{name}"), value.to_owned()]);
    set("protected-mode", "no");
    set("save", "");
    set("appendonly", "yes");
    set("appendfsync", if always { "always" } else { ["everysec", "no"][rng.usize(..2)] });
    set("auto-aof-rewrite-min-size", ["1", "4096", "67108864"][rng.usize(..3)]);
    set("aof-use-rdb-preamble", if rng.u8(..4) == 0 { "no" } else { "yes" });
    set("replica-read-only", "no");
    set("repl-backlog-size", ["16384", "1mb"][rng.usize(..2)]);
    set("repl-diskless-sync-delay", "0");
    set("repl-ping-replica-period", ["1", "10"][rng.usize(..2)]);
    options
}

/// Compares what the instances hold with what they have said.
fn look(world: &mut World, kept: &mut Kept, powerless: &mut [bool; 2]) -> Result<(), String> {
    for (index, machine) in world.machines.iter_mut().enumerate() {
        let Some(node) = machine.node.as_ref().filter(|node| node.is_ready()) else { continue };
        let starts = std::mem::take(&mut machine.starts);
        if starts {
            machine.covered_since_us = Some(world.now_us);
            kept.starts += 1;
            kept.power += u32::from(std::mem::take(&mut powerless[index]));
        }
        for client in world.clients.iter().filter(|client| client.machine == index) {
            let Some(Ledger { key, acked, most }) = &client.ledger else { continue };
            let count = count_at(node.keyspace(), key)?;
            if count < *acked || starts && count > *most {
                let when = if starts { "after a start " } else { "" };
                return Err(format!(
                    "machine {index} has {key} at {count} {when}at {} us: it has said {acked}, and at most {most} was asked for",
                    world.now_us
                ));
            }
            kept.counts[index] += u32::from(starts && *acked > 0);
        }
    }
    Ok(())
}

fn count_at(keyspace: &Keyspace, key: &str) -> Result<i64, String> {
    let Some(entry) = keyspace.db(0).get(key.as_bytes()) else { return Ok(0) };
    let text = entry.str().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    text.and_then(|text| text.parse().ok()).ok_or_else(|| format!("{key} is no number"))
}

impl World {
    /// The present file of a machine counts no more, or another one counts now.
    pub(super) fn file_counts(&mut self, machine: usize, counts: bool) {
        let since = &mut self.machines[machine].covered_since_us;
        if counts {
            since.get_or_insert(self.now_us);
            return;
        }
        *since = None;
        let clients = self.clients.iter_mut().filter(|client| client.machine == machine);
        clients.filter_map(|client| client.ledger.as_mut()).for_each(|ledger| ledger.acked = 0);
    }

    /// Whether what a machine says now is bound to be in its file.
    pub(super) fn promises(&self, machine: usize) -> bool {
        self.machines[machine].covered_since_us.is_some_and(|since| self.now_us >= since + SETTLED)
    }
}
