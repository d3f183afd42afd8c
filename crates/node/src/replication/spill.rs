//! What memory may not hold of the log while replicas are being synchronised: it goes to a file, and they read it from there.
//!
//! A replica that is given everything needs the log from its snapshot's position on, and that is as much as is written until it has
//! the snapshot. If it were cut off for that, it would come again, need everything again, and be cut off again. So the limits of a
//! replica's output hold from the moment on when it has come up to the stream; until then the log is kept for it, in memory up to
//! `repl-sync-memory-limit`, and beyond that in the spill up to `repl-sync-spill-limit`.

use bytes::Bytes;

use backlog::Offset;

use crate::action::{Action, ConnId, JobId};
use crate::node::Node;

/// Bytes on their way to the spill at most: they are in memory until they have arrived.
const IN_FLIGHT: u64 = 4 * 1024 * 1024;
/// Bytes that one replica has read back and not been sent, at most…
const READ_AHEAD: usize = 1024 * 1024;
/// …and so many are read at once.
const READ: u64 = 512 * 1024;
/// The spill is told of what is not needed any more in steps of this many bytes.
const TRIM: u64 = 1024 * 1024;
/// So many lost replicas are waited for.
const MAX_HELD: usize = 64;

/// A replica that was lost on its way up to the stream and may come back.
#[derive(Debug)]
struct Held {
    peer: String,
    /// For what follows this position.
    from: Offset,
    /// Until then (monotonic milliseconds).
    until_ms: u64,
}

/// The spill, and what it has been used for.
#[derive(Debug, Default)]
pub(crate) struct Spill {
    job: Option<JobId>,
    /// Who reads it has been told that nothing before this position is needed.
    trimmed: Offset,
    held: Vec<Held>,
    /// Bytes written since the start.
    pub written: u64,
    /// Failures to write or to read.
    pub errors: u64,
    /// Replicas that were dropped because more was written during their synchronisation than may be kept, or can be.
    pub dropped: u64,
}

impl Spill {
    /// From where on the log is kept for replicas that may come back.
    fn held_from(&self) -> Option<Offset> {
        self.held.iter().map(|held| held.from).min()
    }

    /// A replica has come: what was kept for it need not be kept for its return.
    pub fn came_back(&mut self, peer: &str) {
        self.held.retain(|held| held.peer != peer);
    }

    /// The history is another one: nobody can come back to what was kept.
    pub fn let_go(&mut self) {
        self.held.clear();
    }
}

impl Node {
    /// Frees what no reader needs of the log, and keeps what replicas need that are being synchronised.
    pub(crate) fn keep_log(&mut self) {
        let now_ms = self.now.mono_ms();
        self.replication.spill.held.retain(|held| now_ms < held.until_ms);
        let held = self.replication.spill.held_from();
        let held = held.into_iter().chain(self.replication.channels.needed_from()).min();
        let (mut slowest, mut newcomer) = (held, held);
        for (_, feed) in self.feeds() {
            let Some(from) = feed.needs_from() else { continue };
            slowest = Some(slowest.map_or(from, |slowest| slowest.min(from)));
            if feed.catching_up {
                newcomer = Some(newcomer.map_or(from, |newcomer| newcomer.min(from)));
            }
        }
        let slowest = slowest.into_iter().chain(self.aof.needs_from()).min();
        self.replication.log.trim(slowest);
        let memory = self.sync_memory();
        let behind = newcomer.map_or(0, |from| self.replication.log.end().since(from));
        if behind > memory || self.replication.spill.job.is_some() {
            self.look_after_spill(behind, memory);
        }
        if self.replication.file_reads.is_in_use() {
            self.look_after_reach();
        }
    }

    /// Bytes of the log that are held in memory for replicas that are being synchronised. The backlog is kept anyway.
    pub(super) fn sync_memory(&self) -> u64 {
        let settings = self.config.settings();
        settings.repl_sync_memory_limit.max(settings.repl_backlog_size)
    }

    /// `behind` is how far the slowest of those is behind who are being synchronised.
    #[cold]
    fn look_after_spill(&mut self, behind: u64, memory: u64) {
        let log = &self.replication.log;
        if self.replication.spill.job.is_some() && !log.needs_spill() {
            // Everybody has what was in it; or the log began anew, and what is in it belongs to another history.
            self.end_spill();
        }
        // Who continues from the oldest block is let in, and must not be dropped for it over and over.
        let limit =
            self.config.settings().repl_sync_spill_limit.saturating_add(self.replication.log.block_bytes());
        let limit = limit.saturating_add(memory);
        if behind > limit {
            return self.drop_those_behind(limit, "more was written than may be kept for it");
        }
        let in_memory = self.replication.log.end().since(self.replication.log.first_in_memory());
        if behind > memory && in_memory > memory.saturating_mul(2).saturating_add(2 * IN_FLIGHT) {
            return self.drop_those_behind(memory, "the disk takes less than is written");
        }
        while behind > memory && self.replication.log.being_spilled() < IN_FLIGHT {
            let Some(piece) = self.replication.log.hand_over(memory) else { break };
            let job = match self.replication.spill.job {
                Some(job) => job,
                None => self.begin_spill(),
            };
            self.actions.push(Action::Spill { job, piece });
        }
        self.read_back();
    }

    fn begin_spill(&mut self) -> JobId {
        let job = self.new_job();
        self.replication.spill.job = Some(job);
        self.replication.spill.trimmed = self.replication.log.first();
        let dir = self.config.settings().dir.clone().into();
        tracing::info!("What is written during a full synchronisation goes to the disk from here on");
        self.actions.push(Action::BeginSpill { job, dir });
        job
    }

    fn end_spill(&mut self) {
        self.replication.log.forget_spill();
        if let Some(job) = self.replication.spill.job.take() {
            self.actions.push(Action::Cancel(job));
        }
    }

    /// Gives up replicas that are being synchronised and are further behind than that.
    fn drop_those_behind(&mut self, behind: u64, why: &str) {
        let end = self.replication.log.end();
        let lost = |from: Offset| end.since(from) > behind;
        self.replication.spill.held.retain(|held| !lost(held.from));
        for conn in self.replication.channels.lose(lost) {
            self.replication.spill.dropped += 1;
            self.close_client(conn);
        }
        let dropped: Vec<(ConnId, String)> = self
            .feeds()
            .filter(|(_, feed)| feed.catching_up && feed.needs_from().is_some_and(lost))
            .map(|(session, _)| (session.conn, session.peer.addr.clone()))
            .collect();
        for (conn, addr) in dropped {
            tracing::warn!(
                "Replica {addr} is dropped during its full synchronisation: {why} (repl-sync-memory-limit, repl-sync-spill-limit)"
            );
            self.replication.spill.dropped += 1;
            self.drop_replica(conn);
        }
    }

    /// Closes the connection of a replica for which nothing is kept.
    fn drop_replica(&mut self, conn: ConnId) {
        if let Some(feed) = self.feed_mut(conn) {
            feed.catching_up = false;
        }
        self.close_client(conn);
    }

    /// A replica is gone; if it was on its way up to the stream, it can come back within `repl-timeout`.
    pub(super) fn hold_for_return(&mut self, feed: &super::feed::ReplicaFeed) {
        if !feed.catching_up || !feed.state.is_online() {
            return;
        }
        let Some(from) = feed.needs_from().filter(|&from| self.replication.log.covers(from)) else { return };
        let until_ms = self.now.mono_ms() + self.config.settings().repl_timeout * 1000;
        self.replication.spill.came_back(&feed.peer);
        if self.replication.spill.held.len() < MAX_HELD {
            self.replication.spill.held.push(Held { peer: feed.peer.clone(), from, until_ms });
        }
    }

    /// Has read what replicas need next of the spill.
    fn read_back(&mut self) {
        let Some(job) = self.replication.spill.job else { return };
        let border = self.replication.log.first_in_memory();
        let due: Vec<(ConnId, Offset)> = self
            .feeds()
            .filter(|(_, feed)| feed.state.takes_stream() && !feed.reads_back && feed.reach.is_none())
            .filter(|(_, feed)| feed.read_back.len() <= READ_AHEAD / 2 && feed.has_to() < border)
            .map(|(session, feed)| (session.conn, feed.has_to()))
            .collect();
        for (conn, from) in due {
            let len = border.since(from).min(READ) as usize;
            if let Some(feed) = self.feed_mut(conn) {
                feed.reads_back = true;
            }
            self.actions.push(Action::ReadSpill { job, conn, from, len });
        }
        let before = self.replication.log.first();
        if before.since(self.replication.spill.trimmed) >= TRIM {
            self.replication.spill.trimmed = before;
            self.actions.push(Action::TrimSpill { job, before });
        }
    }

    /// Some of the log is in the spill, or could not be written.
    pub(crate) fn spilled(&mut self, job: JobId, result: Result<Offset, String>) {
        if self.replication.spill.job != Some(job) {
            return;
        }
        match result {
            Ok(to) => {
                let before = self.replication.log.being_spilled();
                self.replication.log.spilled(to);
                self.replication.spill.written += before - self.replication.log.being_spilled();
            }
            Err(error) => {
                tracing::warn!(
                    "What is written during a full synchronisation cannot be kept on the disk: {error}"
                );
                self.replication.spill.errors += 1;
                self.lose_spill("the disk did not take what was written meanwhile");
            }
        }
        self.keep_log();
    }

    /// Goes on without the spill, and without those who need it.
    fn lose_spill(&mut self, why: &str) {
        let (end, memory) = (self.replication.log.end(), self.sync_memory());
        self.end_spill();
        let in_memory = end.since(self.replication.log.first_in_memory());
        self.drop_those_behind(memory.min(in_memory), why);
        // One that came back, and was up with the stream before, may need it as well.
        let border = self.replication.log.first_in_memory();
        let lost: Vec<ConnId> = self
            .feeds()
            .filter(|(_, feed)| feed.state.base().is_some() && feed.reach.is_none() && feed.has_to() < border)
            .map(|(session, _)| session.conn)
            .collect();
        for conn in lost {
            self.replication.spill.dropped += 1;
            self.drop_replica(conn);
        }
    }

    /// Some of the spill was read for a replica, or could not be.
    pub(crate) fn spill_read(
        &mut self,
        job: JobId,
        conn: ConnId,
        from: Offset,
        result: Result<Bytes, String>,
    ) {
        if self.replication.spill.job != Some(job) {
            return;
        }
        let Some(feed) = self.feed_mut(conn) else { return };
        feed.reads_back = false;
        match result {
            Ok(bytes) if from == feed.has_to() => {
                feed.read_back.push(bytes);
                self.list_writable(conn);
                self.keep_log();
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!("A replica is dropped: the log cannot be read back from the disk: {error}");
                self.replication.spill.errors += 1;
                self.replication.spill.dropped += 1;
                self.drop_replica(conn);
            }
        }
    }
}

#[cfg(test)]
mod tests;
