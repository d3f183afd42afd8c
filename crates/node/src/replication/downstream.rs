//! The master's side: replicas come, get a snapshot if they need one, then the stream.

use psync::master::{
    AfterTransfer, Candidate, KEEPALIVE, Phase, Placement, PlannerPolicy, Start, Target, Tick,
};

use super::feed::ReplicaFeed;
use super::synclog::Outcome;
use crate::action::{Action, ConnId, JobId, SaveReport};
use crate::connections::Slot;
use crate::node::Node;
use crate::persistence::SaveKind;
use crate::session::{Peer, Session};

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

    /// Begins the next snapshot for replicas, if one is due and nothing else is being saved; or gives those that came late what the
    /// one consists of that is being made.
    pub(crate) fn plan_full_syncs(&mut self) {
        if self.gate.loading {
            return;
        }
        // A replica whose own link is down has nothing consistent to hand on under its master's id.
        if self.replication.upstream.as_ref().is_some_and(|upstream| !upstream.is_up()) {
            return;
        }
        self.refuse_unfit();
        self.admit_transfers();
        let (now_ms, end) = (self.now.mono_ms(), self.replication.log.end());
        self.replication.planner.set_plain(self.is_plain());
        self.replication.planner.set_room(self.room_for_transfers());
        if let Some(current) = &self.persistence.current {
            if current.kind != SaveKind::ReplicasByStream {
                return;
            }
            let job = current.job;
            let most = self.sync_memory();
            if let Some(start) = self.replication.planner.join(now_ms, end, most) {
                return self.begin_pass(job, start);
            }
            if !self.replication.planner.is_due(now_ms) {
                return;
            }
            // It does not suit those who wait. It goes on by itself, however long that takes, and they do not wait for it.
            self.replication.planner.finished();
            self.persistence.current = None;
        }
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
        self.announce_snapshot(&start);
        if start.target == Target::Stream
            && let Some(source) = self.replication.source.take()
        {
            self.begin_streaming(job, source, start.replicas);
        }
    }

    /// Tells those who share a snapshot where it stands.
    pub(super) fn announce_snapshot(&mut self, start: &Start<ConnId>) {
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
    }

    /// A snapshot made for replicas is complete, or has failed.
    pub(crate) fn snapshot_for_replicas(&mut self, job: JobId, result: &Result<SaveReport, String>) {
        let replicas = self.replication.planner.finished();
        if self.replication.transfers.iter().any(|transfer| transfer.job == job) {
            return self.stream_finished(job, result);
        }
        match result {
            Err(error) => {
                tracing::warn!("SYNC failed. The snapshot for replicas could not be made: {error}");
                for conn in replicas {
                    self.close_client(conn);
                }
            }
            Ok(report) => {
                for conn in replicas {
                    self.queue_file(conn, report.bytes);
                }
                self.admit_transfers();
            }
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
        if feed.reach.is_some() {
            self.reader_gone(conn);
        }
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
        let abandoned = self.leave_transfers(conn);
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
        self.replication.growth.note(self.replication.log.end(), self.now.mono_ms());
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
            // With the time, so that replicas of ours know how old what they get is.
            let now = self.now.unix_ms().to_string();
            self.replication.log_control(&[b"PING", now.as_bytes()]);
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
        self.look_after_transfers();
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
            if feed.catching_up || feed.reach.is_some() {
                // What was written while it was given everything is no fault of its own.
                feed.look_whether_up(end, backlog);
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
