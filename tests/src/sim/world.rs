//! Time, events, and the carrying out of what instances ask for.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use node::snapshot::{SnapshotLoader, SnapshotWriter};
use node::{
    Action, Boot, Completion, ConnId, JobId, LoadError, LoadProgress, LoadSource, Node, Now, Peer, SaveTarget,
};
use smallvec::SmallVec;

use super::check::Positions;
use super::machine::{Feed, FeedEnd, Machine, SpillFile, StreamLoad};
use super::pipe::{End, Pipe, WINDOW};
use super::workload::Client;

/// The wall clock at the start of every run.
const EPOCH_UNIX_US: u64 = 1_700_000_000_000_000;

pub enum Event {
    /// Bytes reach an end of a connection.
    Deliver {
        pipe: usize,
        side: usize,
        bytes: Vec<u8>,
    },
    /// An end learns that the connection is closed.
    Closed {
        pipe: usize,
        side: usize,
    },
    /// A connection is made, or not.
    Connect {
        machine: usize,
        epoch: u64,
        conn: ConnId,
        target: usize,
    },
    /// A job has come to something.
    Complete {
        machine: usize,
        epoch: u64,
        job: JobId,
        what: Completion,
        write: Option<(std::path::PathBuf, Vec<u8>)>,
    },
    /// The disk has come to some of a log that it is to keep.
    Spill {
        machine: usize,
        epoch: u64,
        job: JobId,
        task: SpillTask,
    },
    /// The append only file has been loaded.
    AofLoaded {
        machine: usize,
        epoch: u64,
        job: JobId,
        done: Vec<Completion>,
    },
    /// The writer of the append only file gets its turn.
    AofStep {
        machine: usize,
        epoch: u64,
    },
    Tick {
        machine: usize,
        epoch: u64,
    },
    ClientStep {
        client: usize,
    },
    Start {
        machine: usize,
    },
}

pub enum SpillTask {
    Write(node::Piece),
    Read { conn: ConnId, from: node::Offset, len: usize },
}

struct Scheduled {
    at: u64,
    number: u64,
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}
impl Eq for Scheduled {}
impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

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
    /// Bytes of logs that went to a disk, and came back from it.
    pub spilled: u64,
    pub read_back: u64,
    /// Disks that failed at that.
    pub spills_failed: u32,
    /// Clients write only while this is set.
    pub writing: bool,
    pub trace: bool,
}

impl World {
    pub fn new(seed: u64, machines: usize, options: impl Fn(usize) -> Vec<String>) -> World {
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
            positions: Positions::default(),
            steps: 0,
            spilled: 0,
            read_back: 0,
            spills_failed: 0,
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

    fn schedule_at(&mut self, at: u64, event: Event) {
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
            if let Some(machine) = self.handle(scheduled.event) {
                self.check(machine)?;
            }
        }
        self.now_us = until_us;
        Ok(())
    }

    fn check(&mut self, machine: usize) -> Result<(), String> {
        // The digest of everything at every step would be most of a run's time.
        if !self.rng.u8(..).is_multiple_of(8) {
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

    // ---- machines ----------------------------------------------------------------------------

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

    /// The end `side` has closed the connection: the other one learns of it.
    fn hang_up(&mut self, pipe: usize, side: usize) {
        self.pipes[pipe].ends[side] = End::Gone;
        self.pipes[pipe].kept[side].clear();
        let other = 1 - side;
        if self.pipes[pipe].ends[other] != End::Gone {
            let at = self.arrival(pipe, other);
            self.schedule_at(at, Event::Closed { pipe, side: other });
        }
    }

    /// Breaks a connection in the middle: what is under way is lost.
    pub fn reset_pipe(&mut self, pipe: usize) {
        for side in [0, 1] {
            self.pipes[pipe].kept[side].clear();
            let end = std::mem::replace(&mut self.pipes[pipe].ends[side], End::Gone);
            self.lose(end);
        }
    }

    fn lose(&mut self, end: End) {
        let now = self.now();
        match end {
            End::Machine { machine, epoch, conn } => {
                let target = &mut self.machines[machine];
                if target.epoch == epoch && target.conns.remove(&conn).is_some() {
                    if let Some(node) = &mut target.node {
                        node.eof(now, conn);
                    }
                    self.settle(machine);
                }
            }
            End::Client(client) => self.client_lost(client),
            End::Gone => {}
        }
    }

    pub fn is_cut(&self, a: usize, b: usize) -> bool {
        self.cut.contains(&(a.min(b), a.max(b)))
    }

    /// When something sent now arrives at an end.
    fn arrival(&mut self, pipe: usize, side: usize) -> u64 {
        let delay = self.rng.u64(50..2_000);
        let at = (self.now_us + delay).max(self.pipes[pipe].not_before[side]);
        self.pipes[pipe].not_before[side] = at + 1;
        at
    }

    /// Sends bytes towards an end.
    pub fn send(&mut self, pipe: usize, side: usize, bytes: Vec<u8>) {
        self.pipes[pipe].in_flight[side] += bytes.len();
        let at = self.arrival(pipe, side);
        self.schedule_at(at, Event::Deliver { pipe, side, bytes });
    }

    /// Opens a client's connection to a machine; `None` if nobody listens there.
    pub fn connect_client(&mut self, client: usize, machine: usize) -> Option<usize> {
        let now = self.now();
        let pipe = self.pipes.len();
        let node = self.machines[machine].node.as_mut()?;
        let peer = Peer { addr: format!("10.0.1.{client}:{pipe}"), ..Peer::default() };
        let conn = node.accept(now, peer).ok()?;
        let epoch = self.machines[machine].epoch;
        self.pipes.push(Pipe::new([End::Client(client), End::Machine { machine, epoch, conn }]));
        self.machines[machine].conns.insert(conn, (pipe, 1));
        Some(pipe)
    }

    /// Closes a client's own connection.
    pub fn close_from(&mut self, pipe: usize, side: usize) {
        self.hang_up(pipe, side);
    }

    // ---- events ------------------------------------------------------------------------------

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
                    if let Some(node) = &mut self.machines[machine].node {
                        node.aof_event(now, event);
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

    fn deliver(&mut self, pipe: usize, side: usize, bytes: Vec<u8>) -> Option<usize> {
        if let Some((a, b)) = self.pipes[pipe].machines()
            && self.is_cut(a, b)
        {
            // The bytes wait in the sender's kernel until the link heals. An empty piece is the look whether it has.
            let is_look = bytes.is_empty();
            if !is_look {
                self.pipes[pipe].kept[side].push(bytes);
            }
            if is_look || !std::mem::replace(&mut self.pipes[pipe].looking[side], true) {
                self.schedule(100_000, Event::Deliver { pipe, side, bytes: Vec::new() });
            }
            return None;
        }
        self.pipes[pipe].looking[side] = false;
        if self.pipes[pipe].paused[side] {
            self.pipes[pipe].kept[side].push(bytes);
            return None;
        }
        let mut all = std::mem::take(&mut self.pipes[pipe].kept[side]);
        all.push(bytes);
        let now = self.now();
        let mut concerned = None;
        for bytes in all {
            self.pipes[pipe].in_flight[side] -= bytes.len();
            match self.pipes[pipe].ends[side] {
                End::Machine { machine, epoch, conn } => {
                    let target = &mut self.machines[machine];
                    if target.epoch == epoch && target.conns.contains_key(&conn) {
                        if let Some(node) = &mut target.node
                            && !bytes.is_empty()
                        {
                            node.input(now, conn, &bytes);
                        }
                        self.settle(machine);
                        concerned = Some(machine);
                    }
                }
                End::Client(client) => self.client_input(client, pipe, &bytes),
                End::Gone => {}
            }
        }
        // There is room again for whoever sends in this direction.
        if std::mem::take(&mut self.pipes[pipe].blocked[side])
            && let End::Machine { machine, epoch, conn } = self.pipes[pipe].ends[1 - side]
            && self.machines[machine].epoch == epoch
        {
            self.flush(machine, conn);
            self.settle(machine);
        }
        concerned
    }

    fn connect_machines(&mut self, machine: usize, epoch: u64, conn: ConnId, target: usize) {
        let now = self.now();
        if self.machines[machine].epoch != epoch {
            return;
        }
        let reachable = target < self.machines.len() && !self.is_cut(machine, target);
        let pipe = self.pipes.len();
        let accepted = match self.machines.get_mut(target).and_then(|machine| machine.node.as_mut()) {
            Some(node) if reachable => {
                let peer = Peer { addr: format!("{}:{pipe}", Machine::address(machine)), ..Peer::default() };
                node.accept(now, peer).ok()
            }
            _ => None,
        };
        if let Some(theirs) = accepted {
            let other = self.machines[target].epoch;
            self.pipes.push(Pipe::new([
                End::Machine { machine, epoch, conn },
                End::Machine { machine: target, epoch: other, conn: theirs },
            ]));
            self.machines[target].conns.insert(theirs, (pipe, 1));
            self.machines[machine].conns.insert(conn, (pipe, 0));
        }
        let result = match accepted {
            Some(_) => Ok(Peer::default()),
            None => Err("Connection refused".to_owned()),
        };
        if let Some(node) = &mut self.machines[machine].node {
            node.connected(now, conn, result);
        }
        self.settle(machine);
    }

    // ---- what an instance wants --------------------------------------------------------------

    /// Sends what an instance has to say and carries out what it asks for, until it asks for nothing more.
    pub fn settle(&mut self, index: usize) {
        let now = self.now();
        loop {
            let machine = &mut self.machines[index];
            let Some(node) = &mut machine.node else { return };
            node.before_write(now);
            let (mut writable, mut actions) = (Vec::new(), Vec::new());
            node.take_writable(&mut writable);
            node.take_actions(&mut actions);
            if writable.is_empty() && actions.is_empty() {
                return;
            }
            for conn in writable {
                self.flush(index, conn);
            }
            for action in actions {
                if !self.act(index, action) {
                    return;
                }
            }
        }
    }

    /// Writes as much of a connection's output as the window has room for.
    fn flush(&mut self, index: usize, conn: ConnId) {
        let now = self.now();
        loop {
            let Some(&(pipe, side)) = self.machines[index].conns.get(&conn) else { return };
            let other = 1 - side;
            let Some(node) = &mut self.machines[index].node else { return };
            let mut slices: SmallVec<[&[u8]; 16]> = SmallVec::new();
            node.output(conn, &mut slices);
            let room = WINDOW.saturating_sub(self.pipes[pipe].in_flight[other]);
            let total: usize = slices.iter().map(|slice| slice.len()).sum();
            if total == 0 {
                return;
            }
            if room == 0 {
                self.pipes[pipe].blocked[other] = true;
                return;
            }
            // A kernel may take any part of what it is given.
            let take =
                if self.rng.u8(..8) == 0 { self.rng.usize(1..=total.min(room)) } else { total.min(room) };
            let mut bytes = Vec::with_capacity(take);
            for slice in slices {
                let rest = take - bytes.len();
                bytes.extend_from_slice(&slice[..slice.len().min(rest)]);
            }
            node.written(now, conn, take);
            self.send(pipe, other, bytes);
        }
    }

    /// Carries one action out; `false` if the process has ended.
    fn act(&mut self, index: usize, action: Action) -> bool {
        self.note(|| format!("machine {index}: {action:?}"));
        let epoch = self.machines[index].epoch;
        match action {
            Action::Connect { conn, host, .. } => {
                let target = Machine::index(&host).unwrap_or(usize::MAX);
                let delay = if target < self.machines.len() && self.is_cut(index, target) {
                    // Nobody answers: the attempt runs into its time limit.
                    3_000_000
                } else {
                    self.rng.u64(100..3_000)
                };
                self.schedule(delay, Event::Connect { machine: index, epoch, conn, target });
            }
            Action::Close(conn) => {
                if let Some((pipe, side)) = self.machines[index].conns.remove(&conn) {
                    self.hang_up(pipe, side);
                }
            }
            Action::PauseReading(conn) | Action::ResumeReading(conn) => {
                let pause = matches!(action, Action::PauseReading(_));
                if let Some(&(pipe, side)) = self.machines[index].conns.get(&conn) {
                    self.pipes[pipe].paused[side] = pause;
                    if !pause {
                        self.send(pipe, side, Vec::new());
                    }
                }
            }
            Action::Aof(work) => {
                self.machines[index].aof.ask(work);
                self.schedule_aof(index);
            }
            Action::Save(job) => self.save(index, *job),
            Action::SendFile { job, path } => {
                let bytes = self.machines[index].disk.read(&path).map(<[u8]>::to_vec);
                match bytes {
                    Some(bytes) => {
                        let len = bytes.len() as u64;
                        let chunks = self.cut_up(&bytes);
                        let feed = Feed { chunks, credit: 0, end: FeedEnd::FileSent(len) };
                        self.machines[index].feeds.insert(job, feed);
                    }
                    None => self.complete_later(
                        index,
                        job,
                        Completion::FileSent(Err("no such file".to_owned())),
                        None,
                    ),
                }
            }
            Action::Credit { job, chunks } => {
                if let Some(feed) = self.machines[index].feeds.get_mut(&job) {
                    feed.credit += chunks;
                }
                self.feed(index, job);
            }
            Action::Load(job) => self.load(index, *job),
            Action::LoadChunk { job, bytes } => {
                let machine = &mut self.machines[index];
                if let Some(load) = machine.loads.get_mut(&job) {
                    load.bytes.extend_from_slice(&bytes);
                    if load.failed.is_none()
                        && let Err(error) = load.loader.feed(&bytes)
                    {
                        load.failed = Some(error.to_string());
                    }
                    let loaded = load.bytes.len() as u64;
                    let now = self.now();
                    if let Some(node) = &mut self.machines[index].node {
                        node.complete(
                            now,
                            job,
                            Completion::LoadProgress(LoadProgress {
                                bytes: loaded,
                                ..LoadProgress::default()
                            }),
                        );
                    }
                }
            }
            Action::BeginSpill { job, .. } => {
                self.machines[index].spills.insert(job, SpillFile::default());
            }
            Action::Spill { job, piece } => self.spill_later(index, job, SpillTask::Write(piece)),
            Action::ReadSpill { job, conn, from, len } => {
                self.spill_later(index, job, SpillTask::Read { conn, from, len });
            }
            Action::TrimSpill { job, before } => {
                if let Some(file) = self.machines[index].spills.get_mut(&job) {
                    file.pieces.retain(|start, piece| start + piece.len() as u64 > before.0);
                }
            }
            Action::LoadEnd(job) => {
                if let Some(load) = self.machines[index].loads.remove(&job) {
                    let result = match load.failed {
                        Some(error) => Err(LoadError::Corrupt(error)),
                        None => load.loader.finish(),
                    };
                    let write = load.keep.filter(|_| result.is_ok()).map(|path| (path, load.bytes));
                    self.complete_later(index, job, Completion::Loaded(result), write);
                }
            }
            Action::Cancel(job) => {
                let machine = &mut self.machines[index];
                machine.feeds.remove(&job);
                machine.loads.remove(&job);
                machine.spills.remove(&job);
                machine.pending.remove(&job);
            }
            Action::ReplaceFile { job, path, text } => {
                self.complete_later(index, job, Completion::FileReplaced(Ok(())), Some((path, text)));
            }
            Action::SaveAcl { job, .. } => {
                self.complete_later(index, job, Completion::AclSaved(Ok(())), None);
            }
            Action::ReadAcl { job, .. } => {
                self.complete_later(index, job, Completion::AclRead(Ok(Vec::new())), None);
            }
            Action::RewriteConfig { job, .. } => {
                self.complete_later(index, job, Completion::ConfigRewritten(Ok(())), None);
            }
            Action::TrySettings { job, .. } => {
                self.complete_later(index, job, Completion::SettingsTried(Ok(())), None);
            }
            Action::RemoveFile(path) => self.machines[index].disk.remove(&path),
            Action::Settings(_) | Action::Free(_) | Action::Purge | Action::Sleep { .. } => {}
            Action::Exit { .. } => {
                self.crash(index);
                return false;
            }
        }
        true
    }

    fn schedule_aof(&mut self, index: usize) {
        let state = &mut self.machines[index];
        if state.aof.is_idle() || std::mem::replace(&mut state.aof.scheduled, true) {
            return;
        }
        let epoch = state.epoch;
        let delay =
            if self.rng.u8(..16) == 0 { self.rng.u64(1_000..400_000) } else { self.rng.u64(10..2_000) };
        self.schedule(delay, Event::AofStep { machine: index, epoch });
    }

    fn complete_later(
        &mut self,
        index: usize,
        job: JobId,
        what: Completion,
        write: Option<(std::path::PathBuf, Vec<u8>)>,
    ) {
        let delay = self.rng.u64(1_000..300_000);
        let epoch = self.machines[index].epoch;
        self.machines[index].pending.insert(job, ());
        self.schedule(delay, Event::Complete { machine: index, epoch, job, what, write });
    }

    fn spill_later(&mut self, index: usize, job: JobId, task: SpillTask) {
        let delay = self.rng.u64(100..20_000);
        let epoch = self.machines[index].epoch;
        let Some(file) = self.machines[index].spills.get_mut(&job) else { return };
        file.not_before = file.not_before.max(self.now_us + delay) + 1;
        let at = file.not_before;
        self.schedule_at(at, Event::Spill { machine: index, epoch, job, task });
    }

    /// What comes of a task of the disk, if anybody still wants to know.
    fn spill(&mut self, index: usize, epoch: u64, job: JobId, task: SpillTask) -> Option<Completion> {
        let machine = &mut self.machines[index];
        let file = machine.spills.get_mut(&job).filter(|file| machine.epoch == epoch && !file.failed)?;
        let fails = self.rng.u8(..) < 6;
        let failure = || "Input/output error".to_owned();
        Some(match task {
            SpillTask::Write(_) if fails => {
                file.failed = true;
                self.spills_failed += 1;
                Completion::Spilled(Err(failure()))
            }
            SpillTask::Write(piece) => {
                file.pieces.insert(piece.start().0, piece.bytes().to_vec());
                self.spilled += piece.bytes().len() as u64;
                Completion::Spilled(Ok(piece.end()))
            }
            SpillTask::Read { conn, from, .. } if fails => {
                Completion::SpillRead { conn, from, result: Err(failure()) }
            }
            SpillTask::Read { conn, from, len } => {
                let found = file.pieces.range(..=from.0).next_back();
                let rest = found.and_then(|(start, piece)| piece.get((from.0 - start) as usize..));
                let Some(rest) = rest.filter(|rest| !rest.is_empty()) else {
                    assert!(!machine.conns.contains_key(&conn), "what a replica reads was not kept");
                    return None;
                };
                let bytes = Bytes::copy_from_slice(&rest[..rest.len().min(len)]);
                self.read_back += bytes.len() as u64;
                Completion::SpillRead { conn, from, result: Ok(bytes) }
            }
        })
    }

    fn save(&mut self, index: usize, job: node::SaveJob) {
        let mut bytes = Vec::new();
        let writer = SnapshotWriter::new(job.view, job.header, job.options, Arc::new(AtomicU64::new(0)))
            .skipping(job.skip);
        let report = writer.run(&mut |chunk, _| {
            bytes.extend_from_slice(&chunk);
            true
        });
        let report = report.expect("the sink takes everything");
        match job.target {
            SaveTarget::File(path) => {
                // Disks fail now and then.
                let result =
                    if self.rng.u8(..) == 0 { Err("Input/output error".to_owned()) } else { Ok(report) };
                let write = result.is_ok().then_some((path, bytes));
                self.complete_later(index, job.id, Completion::Saved(result), write);
            }
            SaveTarget::Stream => {
                let chunks = self.cut_up(&bytes);
                let feed = Feed { chunks, credit: 0, end: FeedEnd::Saved(report) };
                self.machines[index].feeds.insert(job.id, feed);
            }
        }
    }

    fn cut_up(&mut self, bytes: &[u8]) -> VecDeque<Bytes> {
        let size = self.rng.usize(1..2_000);
        bytes.chunks(size).map(Bytes::copy_from_slice).collect()
    }

    /// Hands over as many chunks as there is credit for.
    fn feed(&mut self, index: usize, job: JobId) {
        let now = self.now();
        loop {
            let machine = &mut self.machines[index];
            let Some(feed) = machine.feeds.get_mut(&job) else { return };
            if feed.credit == 0 {
                return;
            }
            let Some(node) = &mut machine.node else { return };
            if let Some(chunk) = feed.chunks.pop_front() {
                feed.credit -= 1;
                node.complete(now, job, Completion::Chunk(chunk));
                continue;
            }
            let Some(feed) = machine.feeds.remove(&job) else { return };
            let what = match feed.end {
                FeedEnd::Saved(report) => Completion::Saved(Ok(report)),
                FeedEnd::FileSent(len) => Completion::FileSent(Ok(len)),
            };
            return self.complete_later(index, job, what, None);
        }
    }

    fn load(&mut self, index: usize, job: node::LoadJob) {
        if let LoadSource::Aof { folder, name, dump, .. } = &job.source {
            let state = &mut self.machines[index];
            let done = super::aof::load(&mut state.disk, folder, name, job.options.clone(), &mut self.rng);
            let Some(done) = done else {
                let source = LoadSource::File(dump.clone());
                return self.load(index, node::LoadJob { source, ..job });
            };
            let epoch = self.machines[index].epoch;
            self.machines[index].pending.insert(job.id, ());
            let delay = self.rng.u64(1_000..300_000);
            return self.schedule(delay, Event::AofLoaded { machine: index, epoch, job: job.id, done });
        }
        let mut loader = SnapshotLoader::new(job.options);
        match job.source {
            LoadSource::Aof { .. } => unreachable!("just dealt with"),
            LoadSource::File(path) => {
                let result = match self.machines[index].disk.read(&path) {
                    None => Err(LoadError::NotFound),
                    Some(bytes) => loader.feed(bytes).and_then(|()| loader.finish()),
                };
                self.complete_later(index, job.id, Completion::Loaded(result), None);
            }
            LoadSource::Stream { keep } => {
                let load = StreamLoad { loader, keep, bytes: Vec::new(), failed: None };
                self.machines[index].loads.insert(job.id, load);
            }
        }
    }
}
