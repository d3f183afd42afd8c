//! The master's side: replicas come, get a snapshot if they need one, then the stream.

use bytes::Bytes;
use psync::master::{
    AfterTransfer, Candidate, EofMark, KEEPALIVE, PayloadForm, Phase, Placement, PlannerPolicy, Start,
    Target, Tick, length_header,
};

use super::Transfer;
use super::feed::ReplicaFeed;
use super::synclog::Outcome;
use crate::action::{Action, ConnId, JobId, SaveReport};
use crate::connections::Slot;
use crate::node::Node;
use crate::persistence::SaveKind;
use crate::session::{Peer, Session};

/// Bytes of a payload that wait in memory for the slowest replica that shares it.
const WINDOW: usize = 4 * 1024 * 1024;
/// What one chunk is taken to be when credit is given.
const CHUNK: usize = 64 * 1024;

impl Node {
    /// A replica needs a snapshot: it waits for one, or shares the one that is being made.
    pub(crate) fn replica_needs_snapshot(&mut self, session: &mut Session, legacy: bool) {
        let now_ms = self.now.mono_ms();
        let conn = session.conn;
        let Some(feed) = &mut session.replica else { return };
        let reader = self.reader_of(feed);
        if feed.state.wait_snapshot(now_ms, legacy).is_err() {
            return;
        }
        let candidate = Candidate {
            replica: conn,
            eof: feed.state.capabilities().eof,
            channel: feed.state.payload_channel().is_some(),
            filter: feed.state.filter(),
            reader,
        };
        self.replication.replicas.push(conn);
        match self.replication.planner.arrive(now_ms, candidate, &self.replication.log) {
            Placement::Queued => {
                tracing::info!("Replica {} waits for a snapshot", session.peer.addr);
                if self.replication.planner.running().is_some_and(|running| running.target == Target::Stream)
                {
                    tracing::info!("Current BGSAVE has socket target. Waiting for next BGSAVE for SYNC");
                }
            }
            Placement::Attached { at } => {
                tracing::info!("Replica {} shares the snapshot that is being made", session.peer.addr);
                self.announce(session, at);
            }
        }
    }

    /// Begins the next snapshot for replicas, if one is due and nothing else is being saved.
    pub(crate) fn plan_full_syncs(&mut self) {
        if self.persistence.current.is_some() || self.gate.loading {
            return;
        }
        // A replica whose own link is down has nothing consistent to hand on under its master's id.
        if self.replication.upstream.as_ref().is_some_and(|upstream| !upstream.is_up()) {
            return;
        }
        self.refuse_unfit();
        let (now_ms, end) = (self.now.mono_ms(), self.replication.log.end());
        self.replication.planner.set_plain(self.is_plain());
        let Some(start) = self.replication.planner.poll(now_ms, end) else { return };
        self.begin_full_sync(start);
    }

    fn begin_full_sync(&mut self, start: Start<ConnId>) {
        let kind = match start.target {
            Target::Disk => SaveKind::ReplicasByFile,
            Target::Stream => SaveKind::ReplicasByStream,
        };
        tracing::info!(
            "Starting a snapshot for {} replica(s), target: {}, form: {}",
            start.replicas.len(),
            if kind.is_file() { "disk" } else { "replicas sockets" },
            start.form
        );
        let job = self.start_save_as(kind, start.form, start.filter);
        self.replication.forget_db();
        self.replication.name_is_told();
        for &conn in &start.replicas {
            if let Some(mut session) = self.take_session(conn) {
                self.announce(&mut session, start.at);
                self.slots[conn.slot()].slot = Slot::Client(session);
            }
            self.stream_begins_beside(conn, start.at);
            if let Some(feed) = self.feed_mut(conn) {
                feed.form = Some(start.form);
            }
            self.list_writable(conn);
        }
        if start.target == Target::Stream {
            self.begin_streaming(job, start.replicas);
        }
    }

    fn begin_streaming(&mut self, job: JobId, replicas: Vec<ConnId>) {
        let mark = EofMark::random(&mut self.rng);
        self.replication.stream_mark = Some(mark);
        let now_ms = self.now.mono_ms();
        let now = self.now;
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
        self.replication.transfers.push(Transfer { job, replicas, outstanding: 0 });
        self.refill(job);
    }

    /// Asks for as many chunks as the slowest replica of a transfer has room for.
    fn refill(&mut self, job: JobId) {
        let Some(index) = self.replication.transfers.iter().position(|transfer| transfer.job == job) else {
            return;
        };
        let queued = self.replication.transfers[index]
            .replicas
            .iter()
            .filter_map(|&conn| self.session(conn)?.replica.as_ref())
            .map(|feed| feed.payload.len())
            .max()
            .unwrap_or(0);
        let transfer = &mut self.replication.transfers[index];
        let room = WINDOW.saturating_sub(queued + transfer.outstanding as usize * CHUNK);
        let chunks = (room / CHUNK) as u32;
        if chunks > 0 {
            transfer.outstanding += chunks;
            self.actions.push(Action::Credit { job, chunks });
        }
    }

    /// A chunk of a payload has come.
    pub(crate) fn transfer_chunk(&mut self, job: JobId, chunk: Bytes) {
        let Some(transfer) = self.replication.transfers.iter_mut().find(|transfer| transfer.job == job)
        else {
            return;
        };
        transfer.outstanding = transfer.outstanding.saturating_sub(1);
        for conn in transfer.replicas.clone() {
            if let Some(feed) = self.feed_mut(conn) {
                feed.payload.push(chunk.clone());
                self.list_writable(conn);
            }
        }
        self.refill(job);
    }

    /// A snapshot made for replicas is complete, or has failed.
    pub(crate) fn snapshot_for_replicas(&mut self, job: JobId, result: &Result<SaveReport, String>) {
        let streamed = self.replication.transfers.iter().any(|transfer| transfer.job == job);
        let replicas = self.replication.planner.finished();
        match result {
            Err(error) => {
                tracing::warn!("SYNC failed. The snapshot for replicas could not be made: {error}");
                self.replication.transfers.retain(|transfer| transfer.job != job);
                for conn in replicas {
                    self.close_client(conn);
                }
            }
            Ok(_) if streamed => {
                let mark = self.replication.stream_mark.take();
                self.payload_handed_over(job, mark.map(|mark| mark.trailer().to_vec()));
            }
            Ok(report) => {
                for conn in replicas {
                    self.send_file(conn, report.bytes);
                }
            }
        }
    }

    fn send_file(&mut self, conn: ConnId, len: u64) {
        let now_ms = self.now.mono_ms();
        let Some(feed) = self.feed_mut(conn) else { return };
        if feed.state.start_transfer(now_ms, PayloadForm::Length).is_err() {
            return;
        }
        feed.payload.push(Bytes::from(length_header(len)));
        if let Some(record) = feed.record {
            self.replication.sync_log.transfer_begins(record, self.now);
        }
        self.list_writable(conn);
        let job = self.new_job();
        self.actions.push(Action::SendFile { job, path: self.rdb_path() });
        self.replication.transfers.push(Transfer { job, replicas: vec![conn], outstanding: 0 });
        self.refill(job);
    }

    /// The file has been read to its end, or could not be.
    pub(crate) fn file_sent(&mut self, job: JobId, result: Result<u64, String>) {
        match result {
            Ok(_) => self.payload_handed_over(job, None),
            Err(error) => {
                tracing::warn!("SYNC failed. The dump file could not be read: {error}");
                let Some(index) = self.replication.transfers.iter().position(|transfer| transfer.job == job)
                else {
                    return;
                };
                for conn in self.replication.transfers.swap_remove(index).replicas {
                    self.close_client(conn);
                }
            }
        }
    }

    /// Everything of a payload stands in the queues.
    fn payload_handed_over(&mut self, job: JobId, trailer: Option<Vec<u8>>) {
        let Some(index) = self.replication.transfers.iter().position(|transfer| transfer.job == job) else {
            return;
        };
        let trailer = trailer.map(Bytes::from);
        for conn in self.replication.transfers.swap_remove(index).replicas {
            let Some(feed) = self.feed_mut(conn) else { continue };
            if let Some(trailer) = &trailer {
                feed.payload.push(trailer.clone());
            }
            feed.payload_complete = true;
            self.list_writable(conn);
            self.replica_written(conn);
        }
    }

    /// Bytes have gone out to a replica: its payload may be through, and the next chunk may come.
    pub(crate) fn replica_written(&mut self, conn: ConnId) {
        let now_ms = self.now.mono_ms();
        let Some(feed) = self.feed_mut(conn) else { return };
        if feed.state.phase() != Phase::Transfer {
            return;
        }
        feed.state.alive(now_ms);
        if !feed.payload.is_empty() || !feed.payload_complete {
            let job = self
                .replication
                .transfers
                .iter()
                .find(|transfer| transfer.replicas.contains(&conn))
                .map(|transfer| transfer.job);
            if let Some(job) = job {
                self.refill(job);
            }
            return;
        }
        let (record, bytes) = (feed.record, feed.payload_sent);
        let finished = feed.state.finish_transfer(now_ms);
        if let Some(record) = record {
            self.replication.sync_log.load_begins(record, self.now, bytes);
        }
        match finished {
            Ok(AfterTransfer::Stream) => self.replica_online(conn),
            Ok(AfterTransfer::AwaitAck) => {}
            Ok(AfterTransfer::Close) => self.payload_delivered(conn, bytes),
            Err(error) => tracing::warn!("Replica: {error}"),
        }
    }

    /// The stream to a replica begins.
    pub(crate) fn replica_online(&mut self, conn: ConnId) {
        if let Some(session) = self.session(conn) {
            tracing::info!("Synchronization with replica {} succeeded", session.peer.addr);
        }
        if let Some(record) = self.feed_mut(conn).and_then(|feed| feed.record.take()) {
            self.replication.sync_log.end(record, self.now, Outcome::Done);
        }
        self.list_writable(conn);
        self.refresh_gate();
    }

    /// A replica has gone.
    pub(crate) fn replica_gone(&mut self, conn: ConnId, peer: &Peer, feed: ReplicaFeed) {
        self.replication.replicas.retain(|&other| other != conn);
        if !feed.is_attached() {
            return;
        }
        tracing::info!("Connection with replica {} lost.", peer.addr);
        self.note_hung_up(&feed);
        self.hold_for_return(&feed);
        self.channel_gone(conn);
        if let Some(record) = feed.record.filter(|_| !(feed.record_shared && feed.payload_complete)) {
            let outcome = match feed.state.rdb_only() && feed.payload_complete {
                true => Outcome::Done,
                false => Outcome::Failed("the connection was lost".to_owned()),
            };
            self.replication.sync_log.end(record, self.now, outcome);
        }
        if self.replication.replicas.is_empty() {
            self.replication.no_replicas_since_ms = self.now.mono_ms();
        }
        let mut abandoned = Vec::new();
        self.replication.transfers.retain_mut(|transfer| {
            transfer.replicas.retain(|&other| other != conn);
            if transfer.replicas.is_empty() {
                abandoned.push(transfer.job);
            }
            !transfer.replicas.is_empty()
        });
        let nobody_left = self.replication.planner.leave(conn);
        let saving = self.persistence.current.as_ref().map(|current| (current.kind, current.job));
        for job in abandoned {
            if saving == Some((SaveKind::ReplicasByStream, job)) {
                continue;
            }
            self.actions.push(Action::Cancel(job));
        }
        if nobody_left && matches!(saving, Some((SaveKind::ReplicasByStream, _))) {
            tracing::info!("Diskless rdb transfer, last replica dropped, giving the snapshot up");
            tracing::warn!("Background RDB transfer error: nobody is left to take it");
            self.cancel_save();
            self.replication.planner.finished();
            self.replication.stream_mark = None;
        }
        let for_file = matches!(saving, Some((SaveKind::ReplicasByFile, _)));
        if nobody_left && for_file && self.config.settings().save.is_empty() {
            tracing::info!(
                "The snapshot for replicas is given up: nobody waits for it, and nobody wants a dump"
            );
            self.cancel_save();
            self.replication.planner.finished();
        }
        self.refresh_gate();
    }

    /// Makes every replica of ours come again.
    pub(crate) fn disconnect_replicas(&mut self) {
        for conn in self.replication.replicas.clone() {
            self.close_client(conn);
        }
    }

    pub(super) fn feed_mut(&mut self, conn: ConnId) -> Option<&mut ReplicaFeed> {
        self.session_mut(conn)?.replica.as_deref_mut()
    }

    /// Replicas and how far they are.
    pub(crate) fn feeds(&self) -> impl Iterator<Item = (&Session, &ReplicaFeed)> {
        self.replication
            .replicas
            .iter()
            .filter_map(|&conn| self.session(conn))
            .filter_map(|session| Some((session, session.replica.as_deref()?)))
    }

    /// Replicas that have acknowledged `offset`.
    pub(crate) fn replicas_at(&self, offset: backlog::Offset) -> usize {
        self.feeds()
            .filter(|(_, feed)| feed.state.is_online())
            .filter(|(_, feed)| feed.state.acked().is_some_and(|acked| acked >= offset))
            .count()
    }

    /// Replicas in whose append only files everything up to `offset` is durable.
    pub(crate) fn files_at(&self, offset: backlog::Offset) -> usize {
        self.feeds()
            .filter(|(_, feed)| feed.state.is_online())
            .filter(|(_, feed)| feed.state.file_acked().is_some_and(|acked| acked >= offset))
            .count()
    }

    /// Whether a replica that is online lacks something.
    pub(crate) fn some_replica_lags(&self) -> bool {
        let end = self.replication.log.end();
        self.feeds()
            .filter(|(_, feed)| feed.state.is_online())
            .any(|(_, feed)| feed.state.acked().is_none_or(|acked| acked < end))
    }

    /// Replicas that count for `min-replicas-to-write`.
    pub(crate) fn good_replicas(&self) -> usize {
        let max_lag_ms = self.config.settings().min_replicas_max_lag * 1000;
        let now_ms = self.now.mono_ms();
        self.feeds()
            .filter(|(_, feed)| feed.state.is_online() && feed.state.silent_ms(now_ms) <= max_lag_ms)
            .count()
    }

    /// The end of a round over the ready sockets: hands what the log has got to its readers.
    pub fn before_write(&mut self, now: crate::Now) {
        self.set_now(now);
        if self.debug.asleep {
            self.wake();
        }
        if self.tracking.has_news() {
            self.broadcast_changes();
        }
        if self.clients_limited {
            self.evict_clients();
        }
        self.continue_failover();
        self.append_to_aof();
        if self.replication.replicas.is_empty() {
            if !self.aof.is_off() {
                self.keep_log();
            }
            return;
        }
        self.cut_off_unfit();
        let limit = self.aof.limit(self.replication.log.end());
        let lagging: Vec<ConnId> = self
            .feeds()
            .filter(|(session, feed)| !session.listed && feed.lags(&self.replication.log, limit))
            .map(|(session, _)| session.conn)
            .collect();
        for conn in lagging {
            self.list_writable(conn);
        }
        self.keep_log();
    }

    /// What replicas need as time passes.
    pub(crate) fn tick_downstream(&mut self) {
        let now_ms = self.now.mono_ms();
        let settings = self.config.settings();
        let timeout_ms = settings.repl_timeout * 1000;
        let ping_ms = settings.repl_ping_replica_period * 1000;
        let ttl_ms = settings.repl_backlog_ttl * 1000;
        let has_replicas = !self.replication.replicas.is_empty();
        // During a shutdown none: its snapshot would lack them, and replicas would stand beyond it.
        let leaving = self.replication.failover.is_some() || self.persistence.shutdown.is_some();
        let pings = !self.replication.is_replica() && has_replicas && !leaving;
        if pings && now_ms >= self.replication.last_ping_ms + ping_ms {
            self.replication.last_ping_ms = now_ms;
            self.replication.log_control(&[b"PING"]);
        }
        for conn in self.replication.replicas.clone() {
            let Some(session) = self.session_mut(conn) else { continue };
            let Some(feed) = &mut session.replica else { continue };
            match feed.state.tick(now_ms, timeout_ms) {
                Tick::Idle => {}
                Tick::Keepalive => {
                    session.reply.raw(KEEPALIVE);
                    self.list_writable(conn);
                }
                Tick::TimedOut => {
                    let phase = if feed.state.is_online() { "streaming sync" } else { "full sync" };
                    tracing::warn!("Disconnecting timedout replica ({phase}): {}", session.peer.addr);
                    self.close_client(conn);
                }
            }
        }
        self.give_up_late_channels();
        self.plan_full_syncs();
        self.check_replica_limits();
        self.keep_log();
        let idle_ms = now_ms.saturating_sub(self.replication.no_replicas_since_ms);
        if self.replication.is_logging()
            && self.aof.is_off()
            && !has_replicas
            && ttl_ms > 0
            && idle_ms > ttl_ms
        {
            tracing::info!(
                "Replication backlog freed after {} seconds without connected replicas.",
                idle_ms / 1000
            );
            self.replication.end_logging(&mut self.rng);
        }
    }

    /// Cuts off replicas that fall too far behind the stream, once they were up with it. A snapshot on its way is not counted: it is
    /// bounded by itself.
    fn check_replica_limits(&mut self) {
        let limit = self.config.settings().client_output_buffer_limit[1];
        // A limit below the backlog would cut off replicas that cost nothing: the log is kept anyway.
        let backlog = self.config.settings().repl_backlog_size;
        let (hard, soft) = (limit.hard_bytes, limit.soft_bytes);
        let (now_ms, end) = (self.now.mono_ms(), self.replication.log.end());
        for conn in self.replication.replicas.clone() {
            let Some(session) = self.session_mut(conn) else { continue };
            let Some(feed) = session.replica.as_mut().filter(|feed| feed.state.is_online()) else { continue };
            let behind = end.0.saturating_sub(feed.sent.0);
            let is_over = |limit: u64, behind: u64| limit > 0 && behind > limit.max(backlog);
            if feed.catching_up {
                // What was written while it was given everything is no fault of its own.
                let lacks = feed.needs_from().map_or(0, |from| end.since(from));
                feed.catching_up = is_over(hard, lacks) || is_over(soft, lacks);
                continue;
            }
            let (over_hard, over_soft) = (is_over(hard, behind), is_over(soft, behind));
            feed.soft_limit_since_ms =
                if over_soft { Some(feed.soft_limit_since_ms.unwrap_or(now_ms)) } else { None };
            let too_long =
                feed.soft_limit_since_ms.is_some_and(|since| now_ms - since >= limit.soft_seconds * 1000);
            if over_hard || (over_soft && too_long) {
                tracing::warn!(
                    "Client {} closed for overcoming of output buffer limits: {behind} bytes behind the stream",
                    session.peer.addr
                );
                self.stats.obl_disconnections += 1;
                self.close_client(conn);
            }
        }
    }

    /// Settings of the planner have changed.
    pub(crate) fn set_planner_policy(&mut self) {
        let settings = self.config.settings();
        let policy = PlannerPolicy {
            diskless: settings.repl_diskless_sync,
            diskless_delay_ms: settings.repl_diskless_sync_delay * 1000,
            diskless_max_replicas: settings.repl_diskless_sync_max_replicas as usize,
        };
        self.replication.planner.set_policy(policy);
    }
}
