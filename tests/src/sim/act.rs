//! What instances have to say and ask for, carried out.

use node::{Action, AofWork, Completion, ConnId, LoadError, LoadProgress};
use smallvec::SmallVec;

use super::event::{Event, SpillTask};
use super::machine::{Feed, FeedEnd, Machine, SpillFile};
use super::pipe::WINDOW;
use super::world::World;

impl World {
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
    pub(super) fn flush(&mut self, index: usize, conn: ConnId) {
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
                if matches!(work, AofWork::Close) {
                    self.file_counts(index, false);
                }
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
            Action::ReadAof(read) => {
                let delay = self.rng.u64(100..20_000);
                self.schedule(delay, Event::ReadAof { machine: index, epoch, read });
            }
            Action::EndAofReads { job, conn } => self.machines[index].readings.end(job, conn),
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

    pub(super) fn schedule_aof(&mut self, index: usize) {
        let state = &mut self.machines[index];
        if state.aof.is_idle() || std::mem::replace(&mut state.aof.scheduled, true) {
            return;
        }
        let epoch = state.epoch;
        let delay =
            if self.rng.u8(..16) == 0 { self.rng.u64(1_000..400_000) } else { self.rng.u64(10..2_000) };
        self.schedule(delay, Event::AofStep { machine: index, epoch });
    }
}
