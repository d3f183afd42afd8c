//! Machines, time, and what happens in it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use node::{Boot, Node, Now};

use super::check::{At, Positions};
use super::event::{Event, Scheduled};
use super::machine::Machine;
use super::pipe::{End, Pipe};
use super::workload::Client;

/// The wall clock at the start of every run.
const EPOCH_UNIX_US: u64 = 1_700_000_000_000_000;

pub struct World {
    pub now_us: u64,
    pub rng: fastrand::Rng,
    events: BinaryHeap<Reverse<Scheduled>>,
    next_number: u64,
    pub machines: Vec<Machine>,
    pub pipes: Vec<Pipe>,
    pub clients: Vec<Client>,
    /// Pairs of machines that cannot reach each other.
    pub cut: HashSet<(usize, usize)>,
    pub positions: Positions,
    pub steps: u64,
    /// Differs as soon as two runs differ in what happens, when, and to whom.
    pub fingerprint: u64,
    /// Bytes of logs that went to a disk, and came back from it.
    pub spilled: u64,
    pub read_back: u64,
    /// Bytes that replicas were read out of append only files.
    pub read_from_files: u64,
    /// Disks that failed at that.
    pub spills_failed: u32,
    /// Positions are compared.
    pub compares: bool,
    /// Clients write only while this is set.
    pub writing: bool,
    pub trace: bool,
}

impl World {
    pub fn new(
        seed: u64,
        machines: usize,
        options: impl Fn(usize) -> Vec<String>,
        watched: Option<At>,
    ) -> World {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut world = World {
            // The clock has not begun with the instances: it may have run for a hundred days already.
            now_us: rng.u64(1_000_000..10_000_000_000_000),
            rng,
            events: BinaryHeap::new(),
            next_number: 0,
            machines: (0..machines)
                .map(|index| Machine { options: options(index), ..Machine::default() })
                .collect(),
            pipes: Vec::new(),
            clients: Vec::new(),
            cut: HashSet::new(),
            positions: Positions::watching(watched),
            steps: 0,
            fingerprint: 0,
            spilled: 0,
            read_back: 0,
            read_from_files: 0,
            spills_failed: 0,
            compares: true,
            writing: true,
            trace: std::env::var_os("TRACE").is_some(),
        };
        for machine in 0..machines {
            world.start(machine);
        }
        world
    }

    pub fn now(&self) -> Now {
        Now { unix_us: EPOCH_UNIX_US + self.now_us, mono_us: self.now_us }
    }

    pub fn schedule(&mut self, delay_us: u64, event: Event) {
        self.schedule_at(self.now_us + delay_us, event);
    }

    pub(super) fn schedule_at(&mut self, at: u64, event: Event) {
        self.next_number += 1;
        self.events.push(Reverse(Scheduled { at, number: self.next_number, event }));
    }

    pub fn note(&self, text: impl FnOnce() -> String) {
        if self.trace {
            println!("[{:>12.6}] {}", self.now_us as f64 / 1e6, text());
        }
    }

    /// Lets time pass until `until_us`, checking after every event that equal positions mean equal data.
    pub fn run_until(&mut self, until_us: u64) -> Result<(), String> {
        while let Some(Reverse(next)) = self.events.peek() {
            if next.at > until_us {
                break;
            }
            let Some(Reverse(scheduled)) = self.events.pop() else { break };
            self.now_us = scheduled.at;
            self.steps += 1;
            self.fingerprint = scheduled.event.mixed_into(self.fingerprint ^ scheduled.at);
            if let Some(machine) = self.handle(scheduled.event) {
                self.check(machine)?;
            }
        }
        self.now_us = until_us;
        Ok(())
    }

    fn check(&mut self, machine: usize) -> Result<(), String> {
        // The digest of everything at every step would be most of a run's time.
        if !self.compares || !self.rng.u8(..).is_multiple_of(8) {
            return Ok(());
        }
        let Some(node) = &self.machines[machine].node else { return Ok(()) };
        match node.position() {
            Some(position) if node.is_ready() => {
                self.positions.note(position.id, position.offset, machine, node)
            }
            _ => Ok(()),
        }
    }

    /// Starts the process of a machine that is down.
    pub fn start(&mut self, index: usize) {
        if self.machines[index].node.is_some() {
            return;
        }
        self.note(|| format!("machine {index} starts"));
        let now = self.now();
        let seed = self.rng.u64(..);
        let machine = &mut self.machines[index];
        let loaded =
            config::load(&machine.options, &config::NoFiles).expect("the options of a scenario are right");
        let held = machine.disk.read(&node::held_path(loaded.config.settings())).map(<[u8]>::to_vec);
        let boot = Boot { seed, pid: index as u32, held, ..Boot::default() };
        let mut node = Node::new(loaded.config, boot, now);
        node.start(now);
        machine.tick_at = node.deadline();
        machine.starts = true;
        let (epoch, tick_at) = (machine.epoch, machine.tick_at);
        machine.node = Some(node);
        self.schedule_at(tick_at, Event::Tick { machine: index, epoch });
        self.settle(index);
    }

    /// The process is killed: nothing is saved, every connection breaks.
    pub fn crash(&mut self, index: usize) {
        if self.machines[index].node.is_none() {
            return;
        }
        self.note(|| format!("machine {index} crashes"));
        let conns: Vec<(usize, usize)> = self.machines[index].conns.values().copied().collect();
        self.machines[index].forget_process();
        for (pipe, side) in conns {
            self.hang_up(pipe, side);
        }
    }

    /// Carries an event out; the machine it concerned, if any.
    fn handle(&mut self, event: Event) -> Option<usize> {
        let now = self.now();
        match event {
            Event::Deliver { pipe, side, bytes } => return self.deliver(pipe, side, bytes),
            Event::Closed { pipe, side } => {
                if let Some((a, b)) = self.pipes[pipe].machines()
                    && self.is_cut(a, b)
                {
                    self.schedule(100_000, Event::Closed { pipe, side });
                    return None;
                }
                let end = std::mem::replace(&mut self.pipes[pipe].ends[side], End::Gone);
                self.lose(end);
            }
            Event::Connect { machine, epoch, conn, target } => {
                self.connect_machines(machine, epoch, conn, target);
                return Some(machine);
            }
            Event::Complete { machine, epoch, job, what, write } => {
                let state = &mut self.machines[machine];
                if state.epoch != epoch || state.pending.remove(&job).is_none() {
                    return None;
                }
                if let Some((path, bytes)) = write {
                    state.disk.write(&path, bytes);
                }
                if let Some(node) = &mut state.node {
                    node.complete(now, job, what);
                }
                self.settle(machine);
                return Some(machine);
            }
            Event::Spill { machine, epoch, job, task } => {
                let what = self.spill(machine, epoch, job, task)?;
                if let Some(node) = &mut self.machines[machine].node {
                    node.complete(now, job, what);
                }
                self.settle(machine);
                return Some(machine);
            }
            Event::ReadAof { machine, epoch, read } => {
                let state = &mut self.machines[machine];
                if state.epoch != epoch {
                    return None;
                }
                let what = state.readings.read(&state.disk, &read, &mut self.rng);
                if let node::Completion::AofRead { result: Ok(stream), .. } = &what {
                    self.read_from_files += stream.bytes.len() as u64;
                }
                if let Some(node) = &mut state.node {
                    node.complete(now, read.job, what);
                }
                self.settle(machine);
                return Some(machine);
            }
            Event::AofLoaded { machine, epoch, job, done } => {
                let state = &mut self.machines[machine];
                if state.epoch != epoch || state.pending.remove(&job).is_none() {
                    return None;
                }
                for what in done {
                    if let Some(node) = &mut self.machines[machine].node {
                        node.complete(now, job, what);
                    }
                    self.settle(machine);
                }
                return Some(machine);
            }
            Event::AofStep { machine, epoch } => {
                let state = &mut self.machines[machine];
                if state.epoch != epoch {
                    return None;
                }
                state.aof.scheduled = false;
                let events = state.aof.work(&mut state.disk, &mut self.rng);
                for event in events {
                    if self.trace {
                        println!("machine {machine}: {event:?}");
                    }
                    let switched = matches!(event, node::AofEvent::Switched(Ok(())));
                    if let Some(node) = &mut self.machines[machine].node {
                        node.aof_event(now, event);
                    }
                    if switched {
                        self.file_counts(machine, true);
                    }
                }
                self.settle(machine);
                self.schedule_aof(machine);
                return Some(machine);
            }
            Event::Tick { machine, epoch } => {
                let state = &mut self.machines[machine];
                if state.epoch != epoch {
                    return None;
                }
                let node = state.node.as_mut()?;
                node.tick(now);
                let at = node.deadline().max(self.now_us + 1);
                self.schedule_at(at, Event::Tick { machine, epoch });
                self.settle(machine);
                return Some(machine);
            }
            Event::ClientStep { client } => self.client_step(client),
            Event::Start { machine } => self.start(machine),
        }
        None
    }
}
