//! What disks and background threads come to for instances: snapshots written, read and streamed, logs kept on the disk.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use node::snapshot::{SnapshotLoader, SnapshotWriter};
use node::{Completion, JobId, LoadError, LoadSource, SaveTarget};

use super::event::{Event, SpillTask};
use super::machine::{Feed, FeedEnd, StreamLoad};
use super::world::World;

impl World {
    pub(super) fn complete_later(
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

    pub(super) fn spill_later(&mut self, index: usize, job: JobId, task: SpillTask) {
        let delay = self.rng.u64(100..20_000);
        let epoch = self.machines[index].epoch;
        let Some(file) = self.machines[index].spills.get_mut(&job) else { return };
        file.not_before = file.not_before.max(self.now_us + delay) + 1;
        let at = file.not_before;
        self.schedule_at(at, Event::Spill { machine: index, epoch, job, task });
    }

    /// What comes of a task of the disk, if anybody still wants to know.
    pub(super) fn spill(
        &mut self,
        index: usize,
        epoch: u64,
        job: JobId,
        task: SpillTask,
    ) -> Option<Completion> {
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

    pub(super) fn save(&mut self, index: usize, job: node::SaveJob) {
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

    pub(super) fn cut_up(&mut self, bytes: &[u8]) -> VecDeque<Bytes> {
        let size = self.rng.usize(1..2_000);
        bytes.chunks(size).map(Bytes::copy_from_slice).collect()
    }

    /// Hands over as many chunks as there is credit for.
    pub(super) fn feed(&mut self, index: usize, job: JobId) {
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

    pub(super) fn load(&mut self, index: usize, job: node::LoadJob) {
        if let LoadSource::Aof { folder, name, dump, past, .. } = &job.source {
            let state = &mut self.machines[index];
            let done =
                super::aof::load(&mut state.disk, folder, name, *past, job.options.clone(), &mut self.rng);
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
