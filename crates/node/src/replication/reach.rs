//! What memory does not hold of the log any more: replicas that have been away for long read it from the append only files.
//!
//! A replica that continues from a position before the backlog is fed with what is read there, piece by piece, until it has come up to
//! what is in memory. Nothing is kept for it meanwhile: it follows the files as they grow, and memory is given up as if it were not
//! there. Only what stands in a file can be read, and nothing that is not written yet: so it never gets ahead of anybody else.
//!
//! The files lack what was for replicas only, and have something else in its place. In the midst of such a part a replica does not change
//! over to memory, where the original is.

use backlog::Offset;

use super::synclog::Outcome;
use crate::action::{Action, AofRead, AofStream, ConnId, JobId};
use crate::aof::Place;
use crate::node::Node;

/// Bytes that one replica has been read and not been sent, at most…
const READ_AHEAD: usize = 1024 * 1024;
/// …and so many are read at once.
const READ: u64 = 512 * 1024;

/// What the append only files are used for.
#[derive(Debug, Default)]
pub(crate) struct FileReads {
    job: Option<JobId>,
    /// Replicas that have continued from a position that was in no memory.
    pub syncs: u64,
    /// Bytes read for them.
    pub bytes: u64,
    /// Times that it came to nothing.
    pub errors: u64,
}

impl FileReads {
    /// Whether a replica is fed from files.
    #[inline]
    pub fn is_in_use(&self) -> bool {
        self.job.is_some()
    }
}

/// A replica that is fed from files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReachBack {
    /// What it has been read ends where it could go on in memory.
    settled: bool,
}

impl Node {
    /// Whether partial synchronisation reaches back through the append only files.
    pub(crate) fn reaches_back(&self) -> bool {
        self.config.settings().repl_backlog_aof && self.aof.is_open()
    }

    /// From here on the files hold what memory does not, as far as they may be used for that; `None` where they are of no use.
    pub(crate) fn reach_first(&self) -> Option<Offset> {
        let border = self.replication.log.first_in_memory();
        let first = self.aof.reach.first(self.config.settings().repl_backlog_aof_limit)?;
        let joins = self.aof.reach.end().is_some_and(|end| end >= border);
        (self.reaches_back() && joins && first < border).then_some(first)
    }

    /// Whether a replica could continue from here out of the files.
    pub(crate) fn reach_covers(&self, from: Offset) -> bool {
        self.reach_first().is_some_and(|first| first <= from && from < self.replication.log.first())
    }

    /// What is to be said of the files where they do not reach back to where a replica stands.
    pub(crate) fn why_out_of_reach(&self) -> Option<String> {
        if !self.reaches_back() {
            return None;
        }
        let first = self.reach_first().unwrap_or_else(|| self.replication.log.first());
        let why = self.aof.reach.lost().map(|why| format!(" ({why})")).unwrap_or_default();
        Some(format!("the append only files reach back to {first}{why}"))
    }

    /// Has read what replicas need next, and lets those go on in memory that have come up to it.
    pub(super) fn look_after_reach(&mut self) {
        let readers: Vec<ConnId> =
            self.feeds().filter(|(_, feed)| feed.reach.is_some()).map(|(session, _)| session.conn).collect();
        let mut left = false;
        for conn in readers {
            left |= self.feed_from_files(conn);
        }
        if !left && let Some(job) = self.replication.file_reads.job.take() {
            self.actions.push(Action::Cancel(job));
        }
    }

    /// A replica continues from a position that only the files have.
    pub(crate) fn begin_reaching_back(&mut self) {
        self.replication.file_reads.syncs += 1;
        if self.replication.file_reads.job.is_none() {
            self.replication.file_reads.job = Some(self.new_job());
        }
    }

    /// The next step for one of them; whether it needs files any longer.
    fn feed_from_files(&mut self, conn: ConnId) -> bool {
        let border = self.replication.log.first_in_memory();
        let Some(job) = self.replication.file_reads.job else { return false };
        let Some(feed) = self.feed_mut(conn) else { return false };
        let Some(reach) = feed.reach else { return false };
        if feed.reads_back || feed.read_back.len() > READ_AHEAD / 2 {
            return true;
        }
        let from = feed.has_to();
        if reach.settled && from >= border {
            (feed.reach, feed.was_behind_memory) = (None, true);
            let (record, peer) = (feed.record.take(), feed.peer.clone());
            tracing::info!("Replica {peer} has come up to what is in memory, at offset {from}");
            if let Some(record) = record {
                self.replication.sync_log.end(record, self.now, Outcome::Done);
            }
            self.actions.push(Action::EndAofReads { job, conn });
            self.list_writable(conn);
            return false;
        }
        let first = self.aof.reach.first(self.config.settings().repl_backlog_aof_limit);
        let place = self.aof.reach.place(from).filter(|_| first.is_some_and(|first| first <= from));
        let place = place.filter(|_| self.reaches_back());
        let Some(Place { path, mark, size, to }) = place else {
            let written = self.aof.reach.end().is_some_and(|end| from >= end);
            if written && self.reaches_back() {
                // It has everything that is written: what comes next is in memory, or comes.
                return true;
            }
            self.give_reader_up(conn, "the append only files do not reach back to it any more");
            return false;
        };
        let upto = self.aof.limit(to);
        if upto <= from {
            return true;
        }
        let len = upto.since(from).min(READ) as usize;
        if let Some(feed) = self.feed_mut(conn) {
            feed.reads_back = true;
        }
        self.actions.push(Action::ReadAof(Box::new(AofRead { job, conn, path, mark, size, from, len, to })));
        true
    }

    /// Some of the stream was read for a replica, or could not be.
    pub(crate) fn aof_read(
        &mut self,
        job: JobId,
        conn: ConnId,
        from: Offset,
        result: Result<AofStream, String>,
    ) {
        if self.replication.file_reads.job != Some(job) {
            return;
        }
        let Some(feed) = self.feed_mut(conn).filter(|feed| feed.reach.is_some()) else { return };
        feed.reads_back = false;
        match result {
            Ok(stream) if from == feed.has_to() && !stream.bytes.is_empty() => {
                feed.reach = Some(ReachBack { settled: stream.settled });
                let len = stream.bytes.len() as u64;
                feed.read_back.push(stream.bytes);
                self.replication.file_reads.bytes += len;
                self.list_writable(conn);
            }
            Ok(_) => self.give_reader_up(conn, "what was read is not what it needs"),
            Err(error) => {
                tracing::warn!(
                    "The append only files are not used for partial synchronisation up to the place of the damage: {error}"
                );
                self.replication.file_reads.errors += 1;
                // Whoever comes again for it needs everything, and is told why.
                self.aof.reach.damaged(from, error.clone());
                self.give_reader_up(conn, &error);
            }
        }
        self.keep_log();
    }

    /// Closes the connection of a replica that the files can't give what it needs.
    fn give_reader_up(&mut self, conn: ConnId, why: &str) {
        let now = self.now;
        let Some(feed) = self.feed_mut(conn) else { return };
        let (record, peer) = (feed.record.take(), feed.peer.clone());
        tracing::warn!("Replica {peer} is dropped: {why}");
        if let Some(record) = record {
            self.replication.sync_log.end(record, now, Outcome::Failed(why.to_owned()));
        }
        self.close_client(conn);
    }

    /// A replica that was fed from files is gone.
    pub(super) fn reader_gone(&mut self, conn: ConnId) {
        if let Some(job) = self.replication.file_reads.job {
            self.actions.push(Action::EndAofReads { job, conn });
        }
    }
}

impl Default for ReachBack {
    /// It has been read nothing: where it stands it could go on in memory, if that held it.
    fn default() -> ReachBack {
        ReachBack { settled: true }
    }
}

#[cfg(test)]
mod tests;
