//! The replica's side: the link to the master, and what comes through it.

use bytes::Bytes;
use psync::replica::{
    Credentials, Event, Link, LinkConfig, LinkError, LinkState, Resume, StreamBuffer, Tick,
};

use super::apply::Applier;
use super::guard::{Holding, SyncGuard, backoff_ms};
use super::lag::LinkLag;
use super::second::Second;
use super::synclog::{Outcome, Side, SyncId};
use crate::action::{Action, ConnId, JobId, LoadError, LoadJob, LoadProgress, LoadSource};
use crate::connections::Slot;
use crate::node::Node;
use crate::session::Peer;
use crate::snapshot::{LoadOptions, Loaded};
use backlog::{Offset, ReplicationId};

/// A failed attempt is repeated after so long.
const RETRY_MS: u64 = 1000;
/// A link that breaks is made anew at once, unless it has not even lasted so long: a master that accepts and hangs up is left in peace.
const LINK_LIFE_MS: u64 = 200;
/// Bytes on their way to the loader beyond which the link is not read any more…
const LOADER_FULL: u64 = 64 * 1024 * 1024;
/// …until no more than so many are left.
const LOADER_READY: u64 = 16 * 1024 * 1024;

/// What those are told who wait for something that only a master can give.
pub(super) const NO_MASTER_ANY_MORE: &str =
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)";

/// Why a master is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// The configuration says so.
    Configured,
    /// Somebody has just said so, and means it: the first synchronisation is let through whatever it brings.
    Commanded,
}

/// The master this instance follows.
pub(crate) struct Upstream {
    pub host: String,
    pub port: u16,
    /// Why the next full synchronisation comes about.
    pub occasion: Occasion,
    /// Full synchronisations that failed in a row.
    failures: u32,
    /// The one that the guard has refused, until another is accepted.
    pub holding: Option<Holding>,
    /// Names of what this instance holds that this master does not know.
    refused_names: usize,
    /// What was offered with the last PSYNC.
    offered: Option<Resume>,
    pub conn: Option<ConnId>,
    pub link: Option<Link>,
    /// When the next attempt to connect is due (monotonic milliseconds).
    pub retry_at_ms: u64,
    /// Since when there has been no working link.
    pub down_since_ms: u64,
    /// The stream has flowed through the present link.
    pub was_connected: bool,
    /// Since when it does, or did (monotonic milliseconds).
    came_up_ms: u64,
    pub applier: Applier,
    pub lag: LinkLag,
    pub sync: Option<FullSync>,
    /// Bytes that came behind a payload that is still being loaded.
    held: Vec<u8>,
    /// The connection for the payload, if that comes over one of its own.
    pub second: Option<Box<Second>>,
    /// The stream that came beside such a payload and is not applied yet.
    pub buffer: StreamBuffer,
    /// There is so much of it that no more is read.
    pub buffer_full: bool,
    /// The dataset stands, but the stream that follows it has not been granted yet.
    pub(super) waits_for_stream: Option<(JobId, Box<Loaded>)>,
}

/// A full resynchronisation that is coming in.
pub(crate) struct FullSync {
    pub job: JobId,
    pub id: ReplicationId,
    pub offset: Offset,
    pub started_ms: u64,
    /// The payload comes over a connection of its own.
    pub beside: bool,
    /// The database that is selected in the stream where the payload stands, if the master has said so.
    pub stream_db: Option<usize>,
    /// Length of the payload, if the master said so.
    pub len: Option<u64>,
    pub received: u64,
    /// What the loader has made of it.
    pub progress: LoadProgress,
    pub paused: bool,
    record: SyncId,
}

impl Upstream {
    pub fn new(host: &str, port: u16, now_ms: u64, occasion: Occasion) -> Upstream {
        Upstream {
            host: host.to_owned(),
            port,
            occasion,
            failures: 0,
            holding: None,
            refused_names: 0,
            offered: None,
            conn: None,
            link: None,
            retry_at_ms: now_ms,
            down_since_ms: now_ms,
            was_connected: false,
            came_up_ms: 0,
            applier: Applier::default(),
            lag: LinkLag::default(),
            sync: None,
            held: Vec::new(),
            second: None,
            buffer: StreamBuffer::default(),
            buffer_full: false,
            waits_for_stream: None,
        }
    }

    pub fn state(&self) -> LinkState {
        self.link.as_ref().map_or(LinkState::Connect, Link::state)
    }

    /// How the master is called in the log of synchronisations.
    fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Where the payload comes from.
    fn payload_conn(&self) -> Option<ConnId> {
        self.second.as_ref().map(|second| second.conn).or(self.conn)
    }

    pub fn is_up(&self) -> bool {
        self.state() == LinkState::Connected
    }
}

impl Node {
    /// Becomes a replica of this master, or of another one than so far.
    pub(crate) fn follow(&mut self, host: &str, port: u16, occasion: Occasion) {
        self.accept_loss("this instance follows a master now");
        self.drop_link();
        let was_master = !self.replication.is_replica();
        let upstream = Upstream::new(host, port, self.now.mono_ms(), occasion);
        self.replication.upstream = Some(Box::new(upstream));
        if was_master {
            self.abort_migrations(NO_MASTER_ANY_MORE);
            self.end_waits_of_master();
        }
        // Our replicas stay: what they hold is still what we hold. They have to come back once that is called otherwise, or is something
        // else.
        self.role_changed();
        tracing::info!("Connecting to MASTER {host}:{port}");
        self.connect_upstream();
    }

    /// Whatever a client of the master waits for will not come from a replica.
    pub(super) fn end_waits_of_master(&mut self) {
        self.disconnect_waiting(NO_MASTER_ANY_MORE);
        self.unblock_waiting(NO_MASTER_ANY_MORE);
    }

    /// Becomes a master and keeps the history it has followed as its past.
    pub(crate) fn promote(&mut self) {
        if !self.replication.is_replica() {
            return;
        }
        self.drop_link();
        self.replication.upstream = None;
        self.replication.begin_history(&mut self.rng);
        // Replicas of ours go on with us, but they have to learn the new id.
        self.disconnect_replicas();
        self.role_changed();
        tracing::info!("MASTER MODE enabled");
    }

    pub(super) fn role_changed(&mut self) {
        self.env.expiry = self.expiry_mode();
        // A history that others may want to continue is not abandoned for what was before it: the time begins anew.
        self.replication.no_replicas_since_ms = self.now.mono_ms();
        self.refresh_gate();
    }

    /// Asks for a connection to the master.
    pub(super) fn connect_upstream(&mut self) {
        let conn = self.new_conn();
        self.slots[conn.slot()].slot = Slot::Upstream;
        let mut offers = self.replication.offers();
        let refused = self.replication.upstream.as_ref().map_or(0, |upstream| upstream.refused_names);
        let resume = (!offers.is_empty()).then(|| offers.remove(refused.min(offers.len() - 1)));
        let failover = self.replication.failover.is_some();
        if failover {
            // The peer is a replica of ours: it knows the present name, and must take over from exactly here.
            offers.clear();
        }
        let settings = self.config.settings();
        let config = LinkConfig {
            listening_port: settings.port_for_masters(),
            announce_ip: settings.replica_announce_ip.clone(),
            auth: settings
                .masterauth
                .clone()
                .map(|password| Credentials { user: settings.masteruser.clone(), password }),
            resume,
            alternatives: offers,
            failover,
            timeout_ms: settings.repl_timeout * 1000,
            version: Some(crate::VALKEY_VERSION.to_owned()),
            // Who is to take over sends no snapshot, or must send it to who is not prepared for anything else.
            rdb_channel: settings.repl_rdb_channel && !failover,
            dual_channel: settings.dual_channel_replication_enabled && !failover,
        };
        let (bind_source, tls) = (settings.bind_source_addr.clone(), settings.tls_replication);
        let timeout_ms = config.timeout_ms;
        let now_ms = self.now.mono_ms();
        let Some(upstream) = &mut self.replication.upstream else { return };
        upstream.offered = resume;
        upstream.link = Some(Link::new(config, now_ms));
        upstream.conn = Some(conn);
        upstream.applier.reset();
        upstream.was_connected = false;
        upstream.held.clear();
        let (host, port) = (upstream.host.clone(), upstream.port);
        self.actions.push(Action::Connect { conn, host, port, timeout_ms, bind_source, tls });
    }

    /// The answer to [`Action::Connect`].
    pub fn connected(&mut self, now: crate::Now, conn: ConnId, result: Result<Peer, String>) {
        self.set_now(now);
        if matches!(self.slot_mut(conn), Some(Slot::Migration)) {
            self.migration_connected(conn, &result);
            return self.after_input();
        }
        if matches!(self.slot_mut(conn), Some(Slot::UpstreamPayload)) {
            return self.payload_connection_made(conn, result);
        }
        let Some(upstream) = self.replication.upstream.as_mut().filter(|up| up.conn == Some(conn)) else {
            return;
        };
        match result {
            Ok(_) => {
                tracing::info!("MASTER <-> REPLICA sync started");
                upstream.lag.connected(now.mono_us);
                if let Some(link) = &mut upstream.link
                    && link.connected(now.mono_ms()).is_ok()
                {
                    self.list_writable(conn);
                }
            }
            Err(error) => {
                tracing::warn!("Error condition on socket for SYNC: {error}");
                self.forget_link(RETRY_MS);
                self.failover_link_ended(false, &error, None);
            }
        }
    }

    /// The link was lost without an error of ours.
    pub(crate) fn upstream_lost(&mut self, why: &str) {
        let Some(upstream) = &self.replication.upstream else { return };
        let was_connected = upstream.was_connected;
        self.full_sync_failed(why);
        let Some(upstream) = &self.replication.upstream else { return };
        if was_connected {
            tracing::warn!("{why}");
        } else {
            tracing::warn!(
                "The master closed the connection while waiting for {}",
                upstream.link.as_ref().map_or("the connection", Link::waiting_for)
            );
        }
        let asked = upstream.link.as_ref().is_some_and(Link::has_asked);
        // A link that worked is worth an attempt at once; one that never did is not.
        let retry_ms = if was_connected {
            (upstream.came_up_ms + LINK_LIFE_MS).saturating_sub(self.now.mono_ms())
        } else {
            RETRY_MS
        };
        self.forget_link(retry_ms);
        self.failover_link_ended(asked, why, None);
        // Not with the next tick: every millisecond is one of stale reads.
        self.tick_upstream();
    }

    /// The link failed: closes it and tries again.
    pub(super) fn upstream_failed(&mut self, error: &LinkError) {
        match error {
            LinkError::Timeout { .. } => {
                tracing::warn!("Timeout connecting to the PRIMARY or receiving data from it: {error}");
            }
            LinkError::Denied { request: "AUTH", .. } => tracing::warn!("Unable to AUTH to PRIMARY: {error}"),
            _ => tracing::warn!("MASTER <-> REPLICA link: {error}"),
        }
        self.full_sync_failed(&error.to_string());
        let link = self.replication.upstream.as_ref().and_then(|upstream| upstream.link.as_ref());
        let asked = link.is_some_and(Link::has_asked);
        self.close_link(RETRY_MS);
        let reply = match error {
            LinkError::NotReady { reply } | LinkError::Denied { reply, .. } => Some(reply.as_str()),
            LinkError::Unexpected { got, .. } => Some(got.as_str()),
            _ => None,
        };
        self.failover_link_ended(asked, &error.to_string(), reply);
    }

    /// Notes in the log of synchronisations that the one that was coming in has ended without a result.
    pub(super) fn full_sync_failed(&mut self, why: &str) {
        let record = self
            .replication
            .upstream
            .as_ref()
            .and_then(|upstream| upstream.sync.as_ref())
            .map(|sync| sync.record);
        if let Some(record) = record {
            self.replication.sync_log.end(record, self.now, Outcome::Failed(why.to_owned()));
        }
    }

    pub(super) fn close_link(&mut self, retry_after_ms: u64) {
        if let Some(conn) = self.replication.upstream.as_ref().and_then(|upstream| upstream.conn) {
            self.actions.push(Action::Close(conn));
        }
        self.forget_link(retry_after_ms);
    }

    /// Closes the link to the master for good.
    fn drop_link(&mut self) {
        if self.replication.upstream.is_some() {
            self.close_link(0);
        }
    }

    /// Forgets the link's connection; an unfinished synchronisation leaves data and identity as they are.
    fn forget_link(&mut self, retry_after_ms: u64) {
        let now_ms = self.now.mono_ms();
        self.full_sync_failed("the link was given up");
        let Some(upstream) = &mut self.replication.upstream else { return };
        if upstream.is_up() {
            upstream.down_since_ms = now_ms;
        }
        upstream.link = None;
        upstream.held = Vec::new();
        upstream.applier.reset();
        upstream.retry_at_ms = now_ms + retry_after_ms;
        let conn = upstream.conn.take();
        if let Some(sync) = upstream.sync.take() {
            self.actions.push(Action::Cancel(sync.job));
        }
        upstream.waits_for_stream = None;
        self.forget_second();
        if let Some(conn) = conn {
            self.free_conn(conn);
        }
        self.refresh_gate();
    }

    /// Bytes from the master.
    pub(crate) fn upstream_input(&mut self, mut data: &[u8]) {
        self.stats.net_repl_in += data.len() as u64;
        let now_ms = self.now.mono_ms();
        if let Some(upstream) = &mut self.replication.upstream {
            upstream.lag.heard(self.now.mono_us);
        }
        loop {
            let Some(link) = self.replication.upstream.as_mut().and_then(|upstream| upstream.link.as_mut())
            else {
                return;
            };
            match link.step(now_ms, &mut data) {
                Ok(Some(Event::Stream(bytes))) => self.take_stream(bytes),
                Ok(Some(Event::SecondConnection(request))) => self.open_second_connection(request),
                Ok(Some(Event::FullResync { id, offset })) => {
                    if self.another_name_is_worth_a_try(&id) {
                        return self.close_link(0);
                    }
                    self.full_sync_begins(id, offset, false);
                }
                Ok(Some(Event::LegacySync)) => {
                    let id = ReplicationId::random(&mut self.rng);
                    self.full_sync_begins(id, Offset(0), true);
                }
                Ok(Some(Event::Continue { offered, new_id })) => self.stream_continues(offered, new_id),
                Ok(Some(Event::PayloadStart { len })) => self.payload_begins(len),
                Ok(Some(Event::Payload(bytes))) => self.payload(&bytes),
                Ok(Some(Event::PayloadEnd)) => self.payload_ends(),
                Ok(None) => break,
                Err(error) => return self.upstream_failed(&error),
            }
        }
        if let Some(upstream) = &mut self.replication.upstream {
            upstream.held.extend_from_slice(data);
            upstream.lag.applied(upstream.applier.unapplied() == 0, now_ms);
        }
        self.stream_was_granted();
        self.list_upstream_output();
    }

    pub(super) fn list_upstream_output(&mut self) {
        let Some(upstream) = &self.replication.upstream else { return };
        if let (Some(link), Some(conn)) = (&upstream.link, upstream.conn)
            && !link.transmit().is_empty()
        {
            self.list_writable(conn);
        }
    }

    pub(crate) fn upstream_output(&self, conn: ConnId) -> &[u8] {
        match &self.replication.upstream {
            Some(upstream) if upstream.conn == Some(conn) => {
                upstream.link.as_ref().map_or(&[], |link| link.transmit())
            }
            _ => &[],
        }
    }

    pub(crate) fn upstream_written(&mut self, n: usize) {
        if let Some(link) = self.replication.upstream.as_mut().and_then(|upstream| upstream.link.as_mut()) {
            link.transmitted(n);
        }
    }

    /// The partial resynchronisation was accepted.
    fn stream_continues(&mut self, offered: Resume, new_id: Option<ReplicationId>) {
        if self.replication.take_name(offered) {
            self.aof_log_cut();
            tracing::info!(
                "Nothing was written under a name of our own: the history is {} again",
                offered.id
            );
            self.disconnect_replicas();
        }
        if let Some(id) = new_id
            && id != *self.replication.history.id()
        {
            tracing::warn!("Master replication ID changed to {id}");
            self.replication.history.follow(id, self.replication.log.end());
            self.replication.renamed();
            self.disconnect_replicas();
        }
        tracing::info!("Successful partial resynchronization with master.");
        self.replication.ensure_log();
        self.failover_accepted();
        let peer = self.replication.upstream.as_ref().map_or_else(String::new, |upstream| upstream.name());
        let reason = format!("the master continues {} from {}", offered.id, offered.applied);
        let record = self.replication.sync_log.begin(self.now, Side::FromMaster, &peer, false, reason);
        self.replication.sync_log.end(record, self.now, Outcome::Done);
        self.link_came_up();
    }

    /// Whether a full synchronisation that was just announced may be due to the name that was offered, so that it is better not to
    /// take it but to come again with another one.
    pub(super) fn another_name_is_worth_a_try(&mut self, announced: &ReplicationId) -> bool {
        let Some(upstream) = &mut self.replication.upstream else { return false };
        let (Some(link), Some(offered)) = (&upstream.link, upstream.offered) else { return false };
        let alternatives = link.config().alternatives.len();
        if link.consulted() || offered.id == *announced || upstream.refused_names >= alternatives {
            return false;
        }
        tracing::info!(
            "The master does not know the history {}: coming again with an earlier name of it",
            offered.id
        );
        upstream.refused_names += 1;
        true
    }

    fn link_came_up(&mut self) {
        if let Some(upstream) = &mut self.replication.upstream {
            upstream.was_connected = true;
            upstream.came_up_ms = self.now.mono_ms();
            upstream.occasion = Occasion::Configured;
            upstream.failures = 0;
            upstream.refused_names = 0;
            upstream.holding = None;
        }
        self.refresh_gate();
    }

    pub(super) fn full_sync_begins(&mut self, id: ReplicationId, offset: Offset, legacy: bool) {
        self.failover_accepted();
        let Some(upstream) = &self.replication.upstream else { return };
        let (reason, backlog_needed) = why_full(upstream, id, offset, legacy);
        tracing::info!("Full resync from master: {id}:{offset} ({reason})");
        let record =
            self.replication.sync_log.begin(self.now, Side::FromMaster, &upstream.name(), true, reason);
        if let Some(record) = self.replication.sync_log.get_mut(record) {
            record.backlog_needed = backlog_needed;
        }
        let guard = self.sync_guard(id);
        let job = self.new_job();
        let settings = self.config.settings();
        let keep = self.keeps_sync_dump() && (!settings.rdb_del_sync_files || self.persists());
        let keep = keep.then(|| self.rdb_path());
        let options = LoadOptions { guard, ..self.load_options() };
        let source = LoadSource::Stream { keep };
        self.actions.push(Action::Load(Box::new(LoadJob { id: job, source, options })));
        let started_ms = self.now.mono_ms();
        if let Some(upstream) = &mut self.replication.upstream {
            upstream.sync = Some(FullSync {
                job,
                id,
                offset,
                beside: upstream.second.is_some(),
                stream_db: None,
                started_ms,
                len: None,
                received: 0,
                progress: LoadProgress::default(),
                paused: false,
                record,
            });
        }
    }

    /// What the dataset of an unrelated history is held against before it may replace that of a replica that was in sync.
    fn sync_guard(&self, announced: ReplicationId) -> Option<SyncGuard> {
        let settings = self.config.settings();
        let own_keys = self.keyspace.total_keys() as u64;
        let commanded =
            self.replication.upstream.as_ref().is_none_or(|up| up.occasion == Occasion::Commanded);
        let guarded = settings.repl_sync_guard && self.replication.has_log() && own_keys > 0 && !commanded;
        guarded.then(|| SyncGuard {
            names: self.replication.names(),
            announced,
            own_keys,
            min_keys_percent: u64::from(settings.repl_sync_guard_min_keys_percent),
        })
    }

    /// The guard has refused a dataset: everything stays as it is, and the master is asked again later.
    fn hold(&mut self, offered: ReplicationId, keys: u64) {
        let own_keys = self.keyspace.total_keys() as u64;
        let Some(upstream) = &mut self.replication.upstream else { return };
        let refused = upstream.holding.as_ref().map_or(0, |holding| holding.refused) + 1;
        upstream.holding = Some(Holding { offered, keys, own_keys, refused });
        let retry_ms = backoff_ms(refused, &mut self.rng);
        tracing::warn!(
            "SYNC GUARD: the master {} has come with an unrelated history ({offered}) and {keys} keys; the {own_keys} keys of this \
             replica are kept and served. If they are to be given up, repeat REPLICAOF {} {}. Asking again in {:.1} s.",
            upstream.name(),
            upstream.host,
            upstream.port,
            retry_ms as f64 / 1000.0
        );
        self.close_link(retry_ms);
    }

    /// Somebody repeats REPLICAOF: if the guard holds, that is the permission it waits for. Whether it did.
    pub(crate) fn permit_full_sync(&mut self) -> bool {
        let Some(upstream) = &mut self.replication.upstream else { return false };
        if upstream.holding.is_none() {
            return false;
        }
        tracing::warn!("SYNC GUARD: the next full resynchronisation is permitted by REPLICAOF");
        upstream.occasion = Occasion::Commanded;
        upstream.retry_at_ms = self.now.mono_ms();
        true
    }

    /// The host and port of the master that is followed.
    pub fn master(&self) -> Option<(&str, u16)> {
        self.replication.upstream.as_ref().map(|upstream| (upstream.host.as_str(), upstream.port))
    }

    /// How many full synchronisations have brought their payload over a connection of its own.
    pub fn syncs_beside(&self) -> u64 {
        self.stats.syncs_beside
    }

    /// Whether the guard keeps the data of this replica from those of its master.
    pub fn sync_is_held(&self) -> bool {
        self.replication.upstream.as_ref().is_some_and(|upstream| upstream.holding.is_some())
    }

    /// Whether what a synchronisation brings becomes the dump, too.
    fn keeps_sync_dump(&self) -> bool {
        self.config.settings().repl_diskless_load == config::ReplDisklessLoad::Disabled
    }

    pub(super) fn payload_begins(&mut self, len: Option<u64>) {
        match len {
            Some(len) => tracing::info!("MASTER <-> REPLICA sync: receiving {len} bytes from master"),
            None => tracing::info!("MASTER <-> REPLICA sync: receiving streamed RDB from master"),
        }
        if !self.keeps_sync_dump() {
            tracing::info!("MASTER <-> REPLICA sync: Loading DB in memory");
        }
        if let Some(sync) = self.replication.upstream.as_mut().and_then(|upstream| upstream.sync.as_mut()) {
            sync.len = len;
            self.replication.sync_log.transfer_begins(sync.record, self.now);
            let id = sync.id;
            self.make_room_for(id);
        }
    }

    /// `flush-before-load`: gives the old data up before the new ones come, so that memory holds one of them only. What is held against
    /// the guard is not given up before the guard has seen the new ones.
    fn make_room_for(&mut self, announced: ReplicationId) {
        let wanted = self.config.settings().repl_diskless_load == config::ReplDisklessLoad::FlushBeforeLoad;
        if !wanted || self.sync_guard(announced).is_some() {
            return;
        }
        tracing::info!("MASTER <-> REPLICA sync: giving up old data");
        let empty = keyspace::Keyspace::new(self.keyspace.databases(), self.rng.u64(..));
        let old = std::mem::replace(&mut self.keyspace, empty);
        self.keyspace.set_initial_access(commands::access::fresh(&self.env));
        self.free_keyspace(old);
        self.replace_functions(&[]);
        // Whatever was held is no position of a history any more.
        self.replication.end_logging(&mut self.rng);
        self.replication.emptied = true;
        self.disconnect_replicas();
        for db in 0..self.keyspace.databases() {
            self.touch_whole_db(db, None);
        }
        self.dataset_replaced();
        self.refresh_gate();
    }

    pub(super) fn payload(&mut self, bytes: &[u8]) {
        let Some(upstream) = &mut self.replication.upstream else { return };
        let conn = upstream.payload_conn();
        let (Some(sync), Some(conn)) = (&mut upstream.sync, conn) else { return };
        sync.received += bytes.len() as u64;
        let bytes = Bytes::copy_from_slice(bytes);
        self.actions.push(Action::LoadChunk { job: sync.job, bytes });
        if !sync.paused && sync.received - sync.progress.bytes > LOADER_FULL {
            sync.paused = true;
            self.actions.push(Action::PauseReading(conn));
        }
    }

    pub(crate) fn full_sync_load_progress(&mut self, job: JobId, progress: LoadProgress) {
        let now_ms = self.now.mono_ms();
        let Some(upstream) = &mut self.replication.upstream else { return };
        let conn = upstream.payload_conn();
        let Some(sync) = &mut upstream.sync else { return };
        if sync.job != job {
            return;
        }
        sync.progress = LoadProgress { total: sync.len.unwrap_or(0), ..progress };
        if sync.paused && sync.received.saturating_sub(progress.bytes) < LOADER_READY {
            sync.paused = false;
            if let Some(link) = &mut upstream.link {
                link.excuse_silence(now_ms);
            }
            if let Some(second) = &mut upstream.second {
                second.link.excuse_silence(now_ms);
            }
            self.actions.extend(conn.map(Action::ResumeReading));
        }
    }

    pub(super) fn payload_ends(&mut self) {
        if let Some(sync) = self.replication.upstream.as_ref().and_then(|upstream| upstream.sync.as_ref()) {
            if self.keeps_sync_dump() {
                tracing::info!("MASTER <-> REPLICA sync: Loading DB in memory");
            }
            self.replication.sync_log.load_begins(sync.record, self.now, sync.received);
            self.actions.push(Action::LoadEnd(sync.job));
        }
    }

    /// The new dataset stands beside the old one: takes its place, and the stream goes on behind it.
    pub(crate) fn full_sync_loaded(&mut self, job: JobId, result: Result<Box<Loaded>, LoadError>) {
        let now_ms = self.now.mono_ms();
        let Some(upstream) = &mut self.replication.upstream else { return };
        let granted = upstream.link.as_ref().is_some_and(Link::takes_loaded);
        let result = match result {
            Ok(loaded) if !granted && upstream.sync.as_ref().is_some_and(|sync| sync.job == job) => {
                upstream.waits_for_stream = Some((job, loaded));
                return;
            }
            result => result,
        };
        let Some(sync) = upstream.sync.take_if(|sync| sync.job == job) else { return };
        let loaded = match result {
            Ok(loaded) => loaded,
            Err(error) => {
                let outcome = Outcome::Failed(error.to_string());
                self.replication.sync_log.end(sync.record, self.now, outcome);
                if let LoadError::Refused { keys } = error {
                    return self.hold(sync.id, keys);
                }
                tracing::warn!("Failed trying to load the PRIMARY synchronization DB: {error}");
                upstream.failures += 1;
                let retry_ms = backoff_ms(upstream.failures, &mut self.rng);
                return self.close_link(retry_ms);
            }
        };
        let Some(link) = upstream.link.as_mut() else { return };
        if let Err(error) = link.loaded(now_ms, sync.offset) {
            return self.upstream_failed(&error);
        }
        if sync.paused
            && !sync.beside
            && let Some(conn) = upstream.conn
        {
            self.actions.push(Action::ResumeReading(conn));
        }
        let held = std::mem::take(&mut upstream.held);
        upstream.applier.reset();
        if self.config.settings().rdb_del_sync_files && !self.persists() {
            // A copy of the snapshot was not kept; what an earlier one left is of a dataset that is gone.
            self.actions.push(Action::RemoveFile(self.rdb_path()));
        }
        self.replace_functions(&loaded.functions);
        let old = std::mem::replace(&mut self.keyspace, loaded.keyspace);
        self.free_keyspace(old);
        self.persistence.last_load_keys = loaded.keys;
        self.persistence.last_load_expired = loaded.expired;
        self.persistence.dirty += 1;
        let stream_db = loaded.identity.map_or(0, |identity| identity.stream_db);
        let stream_db = sync.stream_db.unwrap_or(stream_db);
        self.replication.start_over(sync.id, sync.offset, Some(stream_db), &loaded.ancestors);
        self.replication.sync_log.end(sync.record, self.now, Outcome::Done);
        self.disconnect_replicas();
        for db in 0..self.keyspace.databases() {
            self.touch_whole_db(db, None);
        }
        self.dataset_replaced();
        self.stats.syncs_beside += u64::from(sync.beside);
        self.aof_dataset_replaced();
        tracing::info!(
            "MASTER <-> REPLICA sync: Finished with success, {} keys in {} ms",
            loaded.keys,
            now_ms - sync.started_ms
        );
        self.link_came_up();
        self.list_upstream_output();
        if !held.is_empty() {
            self.upstream_input(&held);
        }
        self.apply_buffered_stream();
    }

    /// What the link needs as time passes.
    pub(crate) fn tick_upstream(&mut self) {
        let now_ms = self.now.mono_ms();
        let timeout_ms = self.config.settings().repl_timeout * 1000;
        let (end, fack) = (self.replication.log.end(), self.synced_offset());
        let Some(upstream) = &mut self.replication.upstream else { return };
        let Some(link) = &mut upstream.link else {
            if now_ms >= upstream.retry_at_ms && self.persistence.shutdown.is_none() {
                tracing::info!("Connecting to MASTER {}:{}", upstream.host, upstream.port);
                self.connect_upstream();
            }
            return;
        };
        link.set_timeout(timeout_ms);
        if upstream.sync.as_ref().is_some_and(|sync| sync.paused) {
            // It is us who do not listen.
            link.excuse_silence(now_ms);
            if let Some(second) = &mut upstream.second {
                second.link.excuse_silence(now_ms);
            }
        }
        if upstream.buffer_full {
            link.excuse_silence(now_ms);
        }
        if let Some(second) = &mut upstream.second
            && let Err(error) = second.link.tick(now_ms, timeout_ms)
        {
            return self.upstream_failed(&error);
        }
        match link.tick(now_ms) {
            Ok(Tick::AckDue) => {
                link.set_received(Offset(end.0 + upstream.applier.unapplied() as u64));
                // Refused only outside of the stream, where no acknowledgement is due.
                let _ = link.ack(now_ms, end, fack);
            }
            Ok(Tick::Idle) => {}
            Err(error) => return self.upstream_failed(&error),
        }
        self.list_upstream_output();
    }
}

/// Why a master answers with a full synchronisation, as far as a replica can know, and the backlog that would have spared it.
fn why_full(upstream: &Upstream, id: ReplicationId, offset: Offset, legacy: bool) -> (String, Option<u64>) {
    let Some(offered) = upstream.offered else {
        return ("this replica holds no history to continue".to_owned(), None);
    };
    if legacy {
        return ("the master does not know PSYNC".to_owned(), None);
    }
    if offered.id != id {
        return (format!("the master's history {id} does not continue {offered}"), None);
    }
    match offset.checked_since(offered.applied) {
        Some(missing) => (
            format!("this replica is {missing} bytes behind, further than the master's backlog reaches"),
            Some(missing),
        ),
        None => {
            let by = offered.applied.since(offset);
            (format!("this replica is {by} bytes ahead of the master, in a history of the same name"), None)
        }
    }
}

#[cfg(test)]
mod tests;
