//! The append only file: one more reader of the log.
//!
//! What the log gets is handed, round by round, to a thread that writes it to the last increment, and nobody is told of it before it
//! stands there: neither the client who wrote it nor the replicas. That way an instance that was killed finds everything in its
//! files that anybody may know of, and can say so. With `appendfsync always` the same goes for a machine that loses its power.
//!
//! ```text
//! log   ├──────── durable ────────┤── written ──┤── on its way ──┤
//!                               synced       written           cursor          end of the log
//! ```
//!
//! `gate` says who may be told of what, `rewrite` has a new base written from a frozen view, and switches the file on and off; `load` is
//! the way back.

mod append;
mod gate;
pub(crate) mod load;
mod reach;
mod replay;
mod rewrite;
mod work;

use std::collections::VecDeque;

use std::path::Path;
use std::sync::Arc;

use backlog::Offset;
use config::AppendFsync;

use crate::action::{Action, ConnId, JobId};
use crate::node::Node;
use crate::session::Blocked;

pub use work::{AofBatch, AofBegin, AofEvent, AofOpen, AofPiece, AofSwitch, AofWork, ManifestFile};

pub(crate) use reach::{Place, Reach};
pub(crate) use rewrite::Rewrite;

/// With `appendfsync everysec`.
const SYNC_EVERY_MS: u64 = 1000;
/// What could not be written is tried again after so long.
const RETRY_MS: u64 = 1000;
/// So much may be on its way to the disk. What is more waits in the log.
const MAX_ON_ITS_WAY: u64 = 64 << 20;

/// WAITAOF waits for this instance's own file, and there is none.
pub(crate) const NO_FILE_TO_WAIT_FOR: &str =
    "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";

/// So much may wait for a disk that takes nothing, where no other limit is set.
const MAX_WAITING: u64 = 256 << 20;

/// What the file is good for at present.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// There is none.
    Off,
    /// The first base is being written; without it the increments are worth nothing.
    Beginning,
    /// It holds everything.
    On,
}

/// A file that is being opened.
struct Opening {
    /// What the manifest says once it is open.
    manifest: Option<aof::Manifest>,
    /// The rewrite that it is for; the start, if there is none.
    rewrite: Option<JobId>,
    path: Arc<Path>,
    /// Which files were the present ones when this was asked for.
    epoch: u64,
}

/// A batch that has been handed over.
struct OnItsWay {
    number: u64,
    /// The database that is selected in the stream behind it.
    db: usize,
    /// Bytes of what clients have written to this replica.
    local: usize,
}

/// The state of the append only file.
pub(crate) struct Aof {
    pub phase: Phase,
    /// What the manifest on the disk says, once it is known.
    pub manifest: Option<aof::Manifest>,
    /// Files that are being opened, in order.
    opening: VecDeque<Opening>,
    /// Manifests that are about to take the place of the present one, in order.
    switching: VecDeque<aof::Manifest>,
    /// The files of the manifest have second names elsewhere, and are deleted once they are replaced, whatever is set.
    kept_aside: bool,
    /// Numbers below these have been used, if only in vain: nobody knows for sure what a manifest says that could not be written.
    base_floor: u64,
    increment_floor: u64,
    /// There is an open file to append to.
    open: bool,
    /// Tells the files from those before, of which there may still be news.
    epoch: u64,
    /// Up to here the log has been handed over.
    cursor: Offset,
    pub written: Offset,
    /// The database that is selected in the stream at the cursor, and at what is written.
    cursor_db: usize,
    written_db: usize,
    /// Batches on their way, in order.
    on_their_way: VecDeque<OnItsWay>,
    pub synced: Offset,
    /// The numbers of the last batches that were handed over, written and made durable.
    batches: u64,
    written_batch: u64,
    synced_batch: u64,
    /// Nobody is told of what lies behind this.
    pub gate: Offset,
    /// The same for what clients write to a replica, as the number of a batch.
    batch_gate: u64,
    /// Clients whose replies wait for one of them.
    held: Vec<ConnId>,
    /// The next thing to be appended is the name of the history.
    history_due: bool,
    /// The second that the last time line told of.
    told_unix_s: u64,
    /// What keeps bytes from being written.
    pub write_error: Option<String>,
    /// What keeps them from being made durable.
    pub sync_error: Option<String>,
    /// What was written may be lost although it was made durable later: only a new base can be trusted.
    suspect: bool,
    retry_at_ms: u64,
    /// The next batch tells the writer to try again.
    resume: bool,
    sync_under_way: bool,
    last_sync_ms: u64,
    /// Times that a sync was due while the one before was still under way.
    pub delayed_syncs: u64,
    /// Bytes of the base and of the increments before the present one.
    earlier_bytes: u64,
    /// Bytes of the present increment.
    increment_bytes: u64,
    /// Size after the last rewrite, or at the start.
    pub base_bytes: u64,
    pub rewrite: Option<Box<Rewrite>>,
    pub rewrite_scheduled: bool,
    pub rewrites: u64,
    pub rewrite_failures: u64,
    pub last_rewrite_ok: bool,
    pub last_rewrite_s: i64,
    rewrite_not_before_ms: u64,
    /// Which part of the history is in the files.
    pub reach: Reach,
    /// Something of what a replica's clients have written has gone to this file; so many bytes of it are still on their way.
    had_local: bool,
    local_on_its_way: usize,
    /// Of that, something could not be written: only a new base has it.
    local_lost: bool,
    /// The last line has been asked for: writing ended at this offset.
    ended_at: Option<Offset>,
    /// And stands.
    end_stands: bool,
}

impl Default for Aof {
    fn default() -> Aof {
        Aof {
            phase: Phase::Off,
            manifest: None,
            opening: VecDeque::new(),
            switching: VecDeque::new(),
            kept_aside: false,
            base_floor: 1,
            increment_floor: 1,
            open: false,
            epoch: 0,
            cursor: Offset(0),
            written: Offset(0),
            cursor_db: 0,
            written_db: 0,
            on_their_way: VecDeque::new(),
            synced: Offset(0),
            batches: 0,
            written_batch: 0,
            synced_batch: 0,
            gate: Offset(u64::MAX),
            batch_gate: u64::MAX,
            held: Vec::new(),
            history_due: false,
            told_unix_s: 0,
            write_error: None,
            sync_error: None,
            suspect: false,
            retry_at_ms: 0,
            resume: false,
            sync_under_way: false,
            last_sync_ms: 0,
            delayed_syncs: 0,
            earlier_bytes: 0,
            increment_bytes: 0,
            base_bytes: 0,
            rewrite: None,
            rewrite_scheduled: false,
            rewrites: 0,
            rewrite_failures: 0,
            last_rewrite_ok: true,
            last_rewrite_s: -1,
            rewrite_not_before_ms: 0,
            reach: Reach::default(),
            had_local: false,
            local_on_its_way: 0,
            local_lost: false,
            ended_at: None,
            end_stands: false,
        }
    }
}

impl Aof {
    pub fn is_off(&self) -> bool {
        self.phase == Phase::Off
    }

    /// It has been switched on, and nothing of it counts yet.
    pub fn is_beginning(&self) -> bool {
        self.phase == Phase::Beginning
    }

    /// Whether writes have to be refused because they could not be kept.
    pub fn is_failing(&self) -> bool {
        self.write_error.is_some() || self.sync_error.is_some()
    }

    /// Whether what the log gets is handed to a file.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// From here on it needs the log.
    pub fn needs_from(&self) -> Option<Offset> {
        self.open.then_some(self.cursor.min(self.written))
    }

    /// Up to here replicas may be told of the log.
    pub fn limit(&self, end: Offset) -> Offset {
        end.min(self.gate)
    }

    /// Bytes of all files.
    pub fn current_bytes(&self) -> u64 {
        self.earlier_bytes + self.increment_bytes
    }

    /// Bytes that are not in a file yet.
    pub fn unwritten(&self, end: Offset) -> u64 {
        if self.open { end.since(self.written) } else { 0 }
    }

    /// The next rewrite need not wait.
    pub fn allow_rewrite(&mut self) {
        self.rewrite_not_before_ms = 0;
    }

    pub fn is_syncing(&self) -> bool {
        self.sync_under_way
    }

    /// Something of what was written is not durable yet.
    fn owes_sync(&self) -> bool {
        self.synced < self.written || self.synced_batch < self.written_batch
    }

    fn is_durable(&mut self, upto: Offset, batch: u64) {
        self.synced = self.synced.max(upto);
        self.synced_batch = self.synced_batch.max(batch);
    }

    /// Nobody need wait for the batches so far, nor for the next one, any more.
    fn skip_batch(&mut self) {
        self.batches += 1;
        (self.written_batch, self.synced_batch) = (self.batches, self.batches);
    }

    /// The log begins anew, at an offset that has nothing to do with those before.
    #[must_use]
    fn restart_at(&mut self, at: Offset, db: usize) -> AofBegin {
        (self.cursor_db, self.written_db) = (db, db);
        self.reach.clear();
        self.on_their_way.clear();
        self.epoch += 1;
        self.sync_under_way = false;
        self.write_error = None;
        self.sync_error = None;
        self.cursor = at;
        self.written = at;
        self.synced = at;
        self.history_due = true;
        (self.had_local, self.local_on_its_way, self.local_lost) = (false, 0, false);
        // What is on its way is not heard of again.
        self.skip_batch();
        AofBegin { epoch: self.epoch, at }
    }
}

impl Node {
    /// Up to here the log is durable in this instance's own file, if it has one.
    pub(crate) fn synced_offset(&self) -> Option<Offset> {
        (!self.aof.is_off()).then_some(self.aof.synced.min(self.replication.log.end()))
    }

    /// What those are told who may not write.
    pub(crate) fn aof_error(&self) -> &'static str {
        if self.aof.write_error.is_some() {
            "MISCONF Errors writing to the AOF file: see aof_last_error in INFO persistence"
        } else {
            "MISCONF Errors flushing the AOF file to the disk: see aof_last_error in INFO persistence"
        }
    }

    /// `appendonly` is not what it was: those who wait for this instance's own file wait in vain.
    pub(crate) fn refuse_local_waits(&mut self) {
        for conn in self.wait.clients.clone() {
            let Some(session) = self.session(conn) else { continue };
            if matches!(session.blocked, Some(Blocked::Wait { local: Some(1..), .. })) {
                self.wait.clients.retain(|&other| other != conn);
                self.unblock(conn, |session| session.reply.error(NO_FILE_TO_WAIT_FOR));
            }
        }
    }

    fn ask_aof(&mut self, work: AofWork) {
        self.actions.push(Action::Aof(work));
    }

    /// What has become of something that was asked of the file's writer.
    pub fn aof_event(&mut self, now: crate::Now, event: AofEvent) {
        self.set_now(now);
        match event {
            AofEvent::Opened(result) => self.aof_opened(result),
            AofEvent::Surveyed(result) => self.aof_surveyed(result),
            AofEvent::Switched(result) => self.aof_switched(result),
            AofEvent::Written { epoch, .. }
            | AofEvent::Synced { epoch, .. }
            | AofEvent::WriteFailed { epoch, .. }
            | AofEvent::SyncFailed { epoch, .. }
                if epoch != self.aof.epoch =>
            {
                // Of files that do not count any more.
            }
            AofEvent::Written { upto, batch, size, .. } => {
                self.aof_written(upto, batch, size);
                if self.syncs_always() && self.rests_from_syncs() {
                    // Nothing is made durable meanwhile, and nobody waits for it.
                    self.aof.is_durable(upto, batch);
                }
            }
            AofEvent::Synced { upto, batch, .. } => {
                self.aof.sync_under_way = false;
                if self.aof.sync_error.take().is_some() {
                    tracing::warn!(
                        "The append only file can be flushed again: it is rewritten, as nobody knows what was lost"
                    );
                    self.aof.suspect = true;
                    self.aof.rewrite_not_before_ms = 0;
                    self.start_or_schedule_rewrite();
                }
                if !self.aof.suspect {
                    self.aof.is_durable(upto, batch);
                }
                if self.aof.phase == Phase::On {
                    self.aof_ready();
                }
            }
            AofEvent::Ended { upto } => {
                // What was written meanwhile has a last line of its own.
                self.aof.end_stands |= self.aof.ended_at == Some(upto);
                if self.persistence.shutdown.is_some() {
                    self.continue_shutdown();
                }
            }
            AofEvent::WriteFailed { written, error, .. } => {
                if self.aof.open && self.aof.write_error.is_none() {
                    tracing::warn!("Error writing to the AOF file: {error}");
                }
                self.aof.written = written;
                self.aof.cursor = written;
                self.aof.cursor_db = self.aof.written_db;
                self.aof.on_their_way.clear();
                self.aof.sync_under_way = false;
                self.aof.history_due = true;
                self.aof.ended_at = None;
                self.aof.local_lost |= std::mem::take(&mut self.aof.had_local);
                self.aof.local_on_its_way = 0;
                self.aof.skip_batch();
                self.aof.write_error = Some(error);
                self.aof.retry_at_ms = self.now.mono_ms() + RETRY_MS;
                self.refresh_gate();
            }
            AofEvent::SyncFailed { error, .. } => {
                self.aof.sync_under_way = false;
                if self.aof.sync_error.is_none() {
                    tracing::warn!("Fail to fsync the AOF file: {error}");
                }
                // If that was the last line, there has to be another.
                self.aof.ended_at = None;
                self.aof.sync_error = Some(error);
                self.aof.last_sync_ms = self.now.mono_ms();
                self.refresh_gate();
            }
        }
        self.move_gate();
    }

    fn aof_written(&mut self, upto: Offset, number: u64, size: u64) {
        self.aof.written = self.aof.written.max(upto).min(self.aof.cursor);
        self.aof.written_batch = self.aof.written_batch.max(number);
        while self.aof.on_their_way.front().is_some_and(|batch| batch.number <= number) {
            let Some(batch) = self.aof.on_their_way.pop_front() else { break };
            self.aof.written_db = batch.db;
            self.aof.local_on_its_way -= batch.local;
        }
        self.aof.increment_bytes = size;
        self.aof.reach.written(self.aof.written, size);
        if self.aof.write_error.take().is_some() {
            tracing::warn!("AOF write error looks solved. The instance can write again.");
            self.refresh_gate();
        }
        self.make_local_good();
    }

    /// The end of the log has been taken back.
    pub(crate) fn aof_log_cut(&mut self) {
        let end = self.replication.log.end();
        if !self.aof.open || self.aof.cursor <= end {
            return;
        }
        if self.aof.written < self.aof.cursor {
            // What is on its way cannot be told from what takes its place.
            return self.begin_file_anew();
        }
        let db = self.replication.stream_db();
        (self.aof.cursor, self.aof.cursor_db) = (end, db);
        (self.aof.written, self.aof.written_db) = (end, db);
        self.aof.synced = self.aof.synced.min(end);
        self.aof.reach.cut(end);
        self.move_gate();
    }

    /// What the file needs as time passes.
    pub(crate) fn tick_aof(&mut self) {
        if self.aof.is_off() {
            return;
        }
        let now_ms = self.now.mono_ms();
        if self.aof.write_error.is_some() && self.aof.open && now_ms >= self.aof.retry_at_ms {
            // Whether there is room again is found out by trying.
            self.aof.retry_at_ms = now_ms + RETRY_MS;
            if self.aof.cursor < self.replication.log.first_in_memory() {
                return self.begin_file_anew();
            }
            self.aof.resume = true;
            let end = self.replication.log.end();
            let pieces = self.pieces_up_to(end);
            if self.gate.loading {
                // The start waits for it to be durable.
                self.append_durably(pieces, end);
            } else {
                self.append_pieces(pieces, end);
            }
        }
        self.give_up_hopeless_file();
        self.sync_aof_if_due();
        if self.aof.suspect && self.aof.rewrite.is_none() {
            self.start_or_schedule_rewrite();
        }
        self.check_aof_growth();
        self.start_scheduled_rewrite();
        self.limit_reach();
    }

    /// What waits for a disk that takes nothing stays in memory. On a replica, whose master writes on, that has an end: then the file
    /// begins anew once there is room.
    fn give_up_hopeless_file(&mut self) {
        let settings = self.config.settings();
        let limit = match settings.client_output_buffer_limit[1].hard_bytes {
            0 => MAX_WAITING,
            limit => limit,
        };
        let waiting = self.aof.unwritten(self.replication.log.end());
        if self.aof.write_error.is_some() && waiting > limit.max(settings.repl_backlog_size) {
            tracing::warn!(
                "{waiting} bytes wait for the append only file: it begins anew when there is room"
            );
            self.begin_file_anew();
        }
    }

    fn sync_aof_if_due(&mut self) {
        let now_ms = self.now.mono_ms();
        let everysec = self.config.settings().appendfsync == AppendFsync::Everysec;
        // With `no` as well, one that failed is tried again: the start waits for it, and writes are refused until it works.
        let wanted = everysec || self.aof.sync_error.is_some() || self.syncs_always() && self.aof.owes_sync();
        let due = self.aof.owes_sync() || self.aof.sync_error.is_some();
        if !wanted
            || !due
            || !self.aof.open
            || now_ms < self.aof.last_sync_ms + SYNC_EVERY_MS
            || self.rests_from_syncs()
        {
            return;
        }
        if self.aof.sync_under_way {
            self.aof.delayed_syncs += 1;
            self.aof.last_sync_ms = now_ms;
            return;
        }
        self.sync_aof();
    }

    fn sync_aof(&mut self) {
        self.aof.sync_under_way = true;
        self.aof.last_sync_ms = self.now.mono_ms();
        self.ask_aof(AofWork::Sync);
    }

    /// Settings of the file have changed.
    pub(crate) fn apply_aof_settings(&mut self) {
        if self.aof.open && self.syncs_always() && self.aof.owes_sync() && !self.aof.sync_under_way {
            self.sync_aof();
        }
        self.move_gate();
    }
}

#[cfg(test)]
mod tests;
