//! Payloads on their way to replicas: who shares one, how fast it flows, and what becomes of those that are slower than others.
//!
//! A streamed payload is made once for all that wait for it. Each replica has a queue, and the next chunk is made when the fullest of
//! them has room. So the slowest would set the pace for all. But what is streamed is a frozen view, and the same view is encoded to the
//! same bytes each time: those that hold others up are given a pass over it of their own, which leaves out what they have. In the same
//! way those that come late get what is being sent already: from its beginning, by another pass.

use std::sync::Arc;

use bytes::Bytes;
use keyspace::FrozenKeyspace;
use psync::master::{EofMark, PayloadForm, Phase, Start, length_header};

use crate::action::{Action, ConnId, JobId, SaveJob, SaveReport, SaveTarget};
use crate::node::Node;
use crate::snapshot::{SnapshotHeader, SnapshotOptions};

/// Bytes of a payload that wait in memory for the slowest replica that shares it.
const WINDOW: usize = 4 * 1024 * 1024;
/// What one chunk is taken to be when credit is given.
const CHUNK: usize = 64 * 1024;
/// Replicas are parted when some have had nothing to take for so long because the queues of others are full.
const PATIENCE_MS: u64 = 2000;

/// What a streamed payload is made of.
pub(crate) struct Source {
    pub view: FrozenKeyspace,
    pub header: SnapshotHeader,
    pub options: SnapshotOptions,
}

/// A payload on its way to replicas, chunk by chunk.
pub(crate) struct Transfer {
    pub job: JobId,
    pub replicas: Vec<ConnId>,
    content: Content,
    /// Chunks asked for that have not come.
    outstanding: u32,
    /// Bytes that have come.
    come: u64,
    /// Since when some take nothing because of others (monotonic milliseconds).
    held_up_since: Option<u64>,
    bandwidth: Bucket,
}

enum Content {
    /// Streamed, with this mark at its end.
    Stream { source: Arc<Source>, mark: EofMark },
    /// A file of this length; it is open, and nothing of it flows before the replica's turn has come.
    File { len: u64, admitted: bool },
}

impl Transfer {
    fn new(job: JobId, replicas: Vec<ConnId>, content: Content) -> Transfer {
        let bandwidth = Bucket::default();
        Transfer { job, replicas, content, outstanding: 0, come: 0, held_up_since: None, bandwidth }
    }

    fn is_admitted(&self) -> bool {
        !matches!(self.content, Content::File { admitted: false, .. })
    }
}

/// How fast something may flow: what may flow now, filled up as time passes.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    /// Below zero if more has flown than was there.
    bytes: i64,
    filled_ms: u64,
}

impl Bucket {
    /// How many chunks may flow at so many bytes a second, 0 for as many as one likes, if each counts `cost` bytes.
    fn chunks(&mut self, rate: u64, cost: u64, now_ms: u64) -> u32 {
        if rate == 0 {
            return u32::MAX;
        }
        // Less would be silence for longer than replicas bear.
        let rate = i64::try_from(rate).unwrap_or(i64::MAX).max(CHUNK as i64);
        let ms = i64::try_from(now_ms.saturating_sub(self.filled_ms)).unwrap_or(i64::MAX);
        let most = (rate / 5).max(CHUNK as i64);
        self.bytes = self.bytes.saturating_add((rate / 1000).saturating_mul(ms)).min(most);
        self.filled_ms = now_ms;
        u64::try_from(self.bytes)
            .map_or(0, |bytes| bytes.div_ceil(cost.max(1)))
            .try_into()
            .unwrap_or(u32::MAX)
    }

    fn take(&mut self, bytes: i64) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl Node {
    pub(super) fn begin_streaming(&mut self, job: JobId, source: Arc<Source>, replicas: Vec<ConnId>) {
        let mark = EofMark::random(&mut self.rng);
        let (now, now_ms) = (self.now, self.now.mono_ms());
        for &conn in &replicas {
            if let Some(feed) = self.feed_mut(conn)
                && feed.state.start_transfer(now_ms, PayloadForm::Mark).is_ok()
            {
                feed.payload.push(Bytes::from(mark.header()));
                if let Some(record) = feed.record {
                    self.replication.sync_log.transfer_begins(record, now);
                }
            }
        }
        self.replication.transfers.push(Transfer::new(job, replicas, Content::Stream { source, mark }));
        self.refill(job);
    }

    /// Gives some what the streamed snapshot `of` consists of, from its beginning.
    pub(super) fn begin_pass(&mut self, of: JobId, start: Start<ConnId>) {
        let transfer = self.replication.transfers.iter().find(|transfer| transfer.job == of);
        let source = transfer.and_then(|transfer| match &transfer.content {
            Content::Stream { source, .. } => Some(Arc::clone(source)),
            Content::File { .. } => None,
        });
        let Some(source) = source else {
            // Its replicas have gone, and it goes with them: these come again.
            return start.replicas.into_iter().for_each(|conn| self.close_client(conn));
        };
        tracing::info!("{} replica(s) share the snapshot that is being sent", start.replicas.len());
        self.announce_snapshot(&start);
        let job = self.encode_again(&source, 0);
        self.begin_streaming(job, source, start.replicas);
    }

    fn encode_again(&mut self, source: &Arc<Source>, skip: u64) -> JobId {
        let id = self.new_job();
        self.actions.push(Action::Save(Box::new(SaveJob {
            id,
            view: source.view.clone(),
            header: source.header.clone(),
            options: source.options.clone(),
            target: SaveTarget::Stream,
            makes_folder: false,
            skip,
            progress: Arc::default(),
        })));
        id
    }

    /// A dump that was made for replicas is ready for one of them.
    pub(super) fn queue_file(&mut self, conn: ConnId, len: u64) {
        let job = self.new_job();
        // Opened now: it may be replaced before the replica's turn has come.
        self.actions.push(Action::SendFile { job, path: self.rdb_path() });
        let content = Content::File { len, admitted: false };
        self.replication.transfers.push(Transfer::new(job, vec![conn], content));
    }

    /// Replicas that are being sent a payload.
    pub(crate) fn replicas_in_transfer(&self) -> usize {
        self.feeds().filter(|(_, feed)| feed.state.phase() == Phase::Transfer).count()
    }

    /// How many more replicas may be sent one.
    pub(super) fn room_for_transfers(&self) -> usize {
        match self.config.settings().repl_sync_max_transfers as usize {
            0 => usize::MAX,
            most => most.saturating_sub(self.replicas_in_transfer()),
        }
    }

    /// Lets files flow to as many replicas as may be sent one.
    pub(super) fn admit_transfers(&mut self) {
        let waits = |transfer: &Transfer| !transfer.is_admitted();
        if !self.replication.transfers.iter().any(waits) {
            return;
        }
        for _ in 0..self.room_for_transfers() {
            let Some(transfer) = self.replication.transfers.iter_mut().find(|transfer| waits(transfer))
            else {
                return;
            };
            let Content::File { len, admitted } = &mut transfer.content else { return };
            *admitted = true;
            let (job, len, conn) = (transfer.job, *len, transfer.replicas.first().copied());
            if let Some(conn) = conn {
                self.begin_file(conn, len);
            }
            self.refill(job);
        }
    }

    fn begin_file(&mut self, conn: ConnId, len: u64) {
        let (now, now_ms) = (self.now, self.now.mono_ms());
        let Some(feed) = self.feed_mut(conn) else { return };
        if feed.state.start_transfer(now_ms, PayloadForm::Length).is_err() {
            return;
        }
        feed.payload.push(Bytes::from(length_header(len)));
        if let Some(record) = feed.record {
            self.replication.sync_log.transfer_begins(record, now);
        }
        self.list_writable(conn);
    }

    /// Asks for as many chunks as the slowest replica of a transfer has room for, and the bandwidth.
    pub(super) fn refill(&mut self, job: JobId) {
        let Some(index) = self.replication.transfers.iter().position(|transfer| transfer.job == job) else {
            return;
        };
        let [_, queued] = self.queues(&self.replication.transfers[index]);
        let settings = self.config.settings();
        let (all, each) = (settings.repl_sync_bandwidth, settings.repl_sync_bandwidth_per_replica);
        let now_ms = self.now.mono_ms();
        let transfer = &mut self.replication.transfers[index];
        if !transfer.is_admitted() {
            return;
        }
        let room = WINDOW.saturating_sub(queued + transfer.outstanding as usize * CHUNK);
        let cost = (CHUNK * transfer.replicas.len()) as u64;
        let chunks = ((room / CHUNK) as u32)
            .min(self.replication.bandwidth.chunks(all, cost, now_ms))
            .min(transfer.bandwidth.chunks(each, CHUNK as u64, now_ms));
        if chunks > 0 {
            transfer.outstanding += chunks;
            transfer.bandwidth.take(i64::from(chunks) * CHUNK as i64);
            self.replication.bandwidth.take(i64::from(chunks) * cost as i64);
            self.actions.push(Action::Credit { job, chunks });
        }
    }

    /// What the emptiest and the fullest queue of a transfer's replicas hold.
    fn queues(&self, transfer: &Transfer) -> [usize; 2] {
        let queues = transfer.replicas.iter().filter_map(|&conn| self.session(conn)?.replica.as_ref());
        queues
            .map(|feed| feed.payload.len())
            .fold([usize::MAX, 0], |[least, most], len| [least.min(len), most.max(len)])
    }

    /// A chunk of a payload has come.
    pub(crate) fn transfer_chunk(&mut self, job: JobId, chunk: Bytes) {
        let Some(transfer) = self.replication.transfers.iter_mut().find(|transfer| transfer.job == job)
        else {
            return;
        };
        transfer.outstanding = transfer.outstanding.saturating_sub(1);
        transfer.come += chunk.len() as u64;
        // It was counted as one of the usual length.
        let more = chunk.len() as i64 - CHUNK as i64;
        transfer.bandwidth.take(more);
        self.replication.bandwidth.take(more * transfer.replicas.len() as i64);
        for conn in transfer.replicas.clone() {
            if let Some(feed) = self.feed_mut(conn) {
                feed.payload.push(chunk.clone());
                self.list_writable(conn);
            }
        }
        self.refill(job);
    }

    /// A streamed snapshot has been handed over to its end, or has failed.
    pub(crate) fn stream_finished(&mut self, job: JobId, result: &Result<SaveReport, String>) {
        match result {
            Ok(_) => self.payload_handed_over(job),
            Err(error) => {
                tracing::warn!("SYNC failed. The snapshot for replicas could not be made: {error}");
                self.give_transfer_up(job);
            }
        }
    }

    /// The file has been read to its end, or could not be.
    pub(crate) fn file_sent(&mut self, job: JobId, result: Result<u64, String>) {
        match result {
            Ok(_) => self.payload_handed_over(job),
            Err(error) => {
                tracing::warn!("SYNC failed. The dump file could not be read: {error}");
                self.give_transfer_up(job);
            }
        }
    }

    /// Takes a transfer off the list.
    fn end_transfer(&mut self, job: JobId) -> Option<(Vec<ConnId>, Option<EofMark>)> {
        let index = self.replication.transfers.iter().position(|transfer| transfer.job == job)?;
        let transfer = self.replication.transfers.swap_remove(index);
        Some((transfer.replicas, self.drop_content(transfer.content)))
    }

    /// Lets go of what a payload was made of, elsewhere: the view may be the last that holds the data of that moment.
    fn drop_content(&mut self, content: Content) -> Option<EofMark> {
        match content {
            Content::Stream { source, mark } => {
                self.actions.push(Action::Free(Box::new(source)));
                Some(mark)
            }
            Content::File { .. } => None,
        }
    }

    fn give_transfer_up(&mut self, job: JobId) {
        let Some((replicas, _)) = self.end_transfer(job) else { return };
        for conn in replicas {
            self.close_client(conn);
        }
    }

    /// Everything of a payload stands in the queues.
    fn payload_handed_over(&mut self, job: JobId) {
        let Some((replicas, mark)) = self.end_transfer(job) else { return };
        let trailer = mark.map(|mark| Bytes::from(mark.trailer().to_vec()));
        for conn in replicas {
            let Some(feed) = self.feed_mut(conn) else { continue };
            if let Some(trailer) = &trailer {
                feed.payload.push(trailer.clone());
            }
            feed.payload_complete = true;
            self.list_writable(conn);
            self.replica_written(conn);
        }
    }

    /// A replica takes part in no transfer any more; gives those in which nobody is left.
    pub(super) fn leave_transfers(&mut self, conn: ConnId) -> Vec<JobId> {
        let mut abandoned = Vec::new();
        for transfer in &mut self.replication.transfers {
            transfer.replicas.retain(|&other| other != conn);
            if transfer.replicas.is_empty() {
                abandoned.push(transfer.job);
            }
        }
        for &job in &abandoned {
            self.end_transfer(job);
        }
        abandoned
    }

    /// What transfers need as time passes.
    pub(super) fn look_after_transfers(&mut self) {
        if self.replication.transfers.is_empty() {
            return;
        }
        let jobs: Vec<JobId> = self.replication.transfers.iter().map(|transfer| transfer.job).collect();
        for job in jobs {
            self.part_slow_ones(job);
            // The bandwidth may have room again.
            self.refill(job);
        }
    }

    /// Those that keep the others from getting anything go on by themselves.
    fn part_slow_ones(&mut self, job: JobId) {
        let now_ms = self.now.mono_ms();
        let Some(index) = self.replication.transfers.iter().position(|transfer| transfer.job == job) else {
            return;
        };
        let transfer = &self.replication.transfers[index];
        let [emptiest, fullest] = self.queues(transfer);
        let Content::Stream { source, mark } = &transfer.content else { return };
        let (source, mark, come) = (Arc::clone(source), *mark, transfer.come);
        let is_full = |queued: usize| queued + CHUNK > WINDOW;
        let outstanding = transfer.outstanding as usize * CHUNK;
        let held_up = emptiest == 0 && is_full(fullest + outstanding);
        let slow: Vec<ConnId> = transfer
            .replicas
            .iter()
            .copied()
            .filter(|&conn| {
                let feed = self.session(conn).and_then(|session| session.replica.as_ref());
                feed.is_some_and(|feed| feed.payload.len() > WINDOW / 2)
            })
            .collect();
        let transfer = &mut self.replication.transfers[index];
        let since = held_up.then(|| *transfer.held_up_since.get_or_insert(now_ms));
        transfer.held_up_since = since;
        if slow.is_empty() || since.is_none_or(|since| now_ms - since < PATIENCE_MS) {
            return;
        }
        transfer.held_up_since = None;
        transfer.replicas.retain(|conn| !slow.contains(conn));
        tracing::info!(
            "{} replica(s) that held others up get the rest of their snapshot by themselves",
            slow.len()
        );
        for &conn in &slow {
            // What becomes of the snapshot that was made for all is nothing to them any more.
            self.replication.planner.leave(conn);
        }
        let pass = self.encode_again(&source, come);
        let mut transfer = Transfer::new(pass, slow, Content::Stream { source, mark });
        transfer.come = come;
        self.replication.transfers.push(transfer);
    }
}

#[cfg(test)]
mod tests;
