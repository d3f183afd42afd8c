//! The instance: what it owns, and the face that a driver sees.

use std::path::PathBuf;
use std::time::Duration;

use smallvec::SmallVec;

use crate::access::Access;
use crate::action::{Action, Completion, ConnId, JobId};
use crate::batch::Batch;
use crate::blocking::BlockedClients;
use crate::client_memory::ClientMemory;
use crate::commandlog::CommandLogs;
use crate::eviction::Eviction;
use crate::host::HostTable;
use crate::latency::Spikes;
use crate::lazyfree::LazyFree;
use crate::migrate::Migrations;
use crate::own_keys::OwnKeys;
use crate::pause::Pause;
use crate::persistence::Persistence;
use crate::pubsub::PubSub;
use crate::replication::Replication;
use crate::scripting::Scripting;
use crate::session::{Peer, Session};
use crate::stats::{CpuReading, MemoryReading, Stats};
use crate::time::Now;
use crate::watch::Watchers;
use commands::{Effects, Env, ExpiryMode, Registry};
use keyspace::{ExpireCursor, Keyspace};

/// What a node is told about the process it lives in.
#[derive(Clone, Debug)]
pub struct Boot {
    /// Seed of everything random: ids, hash seeds, sampling.
    pub seed: u64,
    /// Process id, for INFO.
    pub pid: u32,
    /// Path of the program, for INFO.
    pub executable: String,
    /// Path of the configuration file, if there is one.
    pub config_file: Option<PathBuf>,
    /// Name and version of the operating system, for INFO.
    pub os: String,
    /// A monotonic clock in nanoseconds that is read around commands to know what they cost. A simulator gives one that
    /// stands still.
    pub clock_ns: fn() -> u64,
    /// Random bytes of the system, which nobody can guess: passwords are made of them.
    pub secret: [u8; 32],
    /// What stands in the ACL file, if the configuration names one.
    pub acl_file: Option<Vec<u8>>,
    /// Bytes that the program has allocated and not freed, at this very moment; cheap enough to be asked before every command. 0
    /// where nobody knows: then the last reading counts ([`Node::set_readings`]).
    pub memory_used: fn() -> u64,
    /// What the allocator has to say about itself, for MEMORY MALLOC-STATS.
    pub allocator_report: fn() -> Option<String>,
}

impl Default for Boot {
    fn default() -> Boot {
        Boot {
            seed: 0,
            pid: 0,
            executable: String::new(),
            config_file: None,
            os: String::new(),
            clock_ns: || 0,
            secret: [0; 32],
            acl_file: None,
            memory_used: || 0,
            allocator_report: || None,
        }
    }
}

/// What ends the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM.
    Term,
    /// SIGINT.
    Int,
}

/// Reasons for which a command may be refused; none of them set is the fast path.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Gate {
    pub loading: bool,
    pub read_only: bool,
    pub stale: bool,
    pub persistence_failing: bool,
    pub few_replicas: bool,
    pub paused: bool,
    /// Keys are on their way to another instance: what writes to them has to wait.
    pub migrating: bool,
    /// A dataset is being imported (`import-mode`): what a command sees depends on who has sent it.
    pub importing: bool,
    /// There is a limit for memory that this instance has to keep.
    pub memory_limited: bool,
    /// A script is parked.
    pub busy: bool,
}

impl Gate {
    pub fn is_open(self) -> bool {
        self == Gate::default()
    }
}

/// What a slot of the connection table holds.
pub(crate) enum Slot {
    Free,
    Client(Box<Session>),
    /// The session is in use further up the call stack.
    Busy,
    /// The link to the master; its state is in [`Replication`].
    Upstream,
    /// A connection that MIGRATE has made; its state is in [`Migrations`].
    Migration,
}

pub(crate) struct SlotEntry {
    pub generation: u32,
    pub slot: Slot,
}

/// One whole instance. See the crate's documentation for how it is driven.
pub struct Node {
    pub(crate) boot: Boot,
    pub(crate) config: config::Config,
    pub(crate) registry: Registry,
    pub(crate) host: HostTable,
    pub(crate) keyspace: Keyspace,
    pub(crate) now: Now,
    pub(crate) env: Env,
    pub(crate) effects: Effects,
    pub(crate) rng: fastrand::Rng,
    pub(crate) slots: Vec<SlotEntry>,
    free_slots: Vec<usize>,
    pub(crate) clients: usize,
    pub(crate) next_client_id: u64,
    next_job: u64,
    pub(crate) writable: Vec<ConnId>,
    pub(crate) actions: Vec<Action>,
    pub(crate) replication: Replication,
    pub(crate) persistence: Persistence,
    pub(crate) stats: Stats,
    pub(crate) access: Access,
    pub(crate) commandlog: CommandLogs,
    /// What took longer than `latency-monitor-threshold`.
    pub(crate) spikes: Spikes,
    /// Every command has to be timed by itself: the settings ask for more than a share of a group's time can tell.
    pub(crate) precise_timing: bool,
    /// Nanoseconds that the engine will stand still because a command of this moment has asked for it (DEBUG SLEEP).
    pub(crate) stalled_ns: u64,
    /// Clients that see every command.
    pub(crate) monitors: Vec<ConnId>,
    pub(crate) watchers: Watchers,
    pub(crate) pubsub: PubSub,
    pub(crate) pause: Pause,
    pub(crate) scripting: Scripting,
    pub(crate) gate: Gate,
    pub(crate) batch: Batch,
    /// Hashes of keys of database 0 that the next requests of several clients will touch.
    foreseen: Vec<u64>,
    foreseen_spans: Vec<resp::Span>,
    pub(crate) run_id: String,
    pub(crate) started: Now,
    pub(crate) memory: MemoryReading,
    pub(crate) cpu: CpuReading,
    pub(crate) expire: ExpireState,
    pub(crate) debug: DebugSwitches,
    pub(crate) next_tick_us: u64,
    pub(crate) wait: WaitList,
    /// Clients that wait for keys.
    pub(crate) blocked: BlockedClients,
    /// Keys on their way to other instances.
    pub(crate) migrations: Migrations,
    pub(crate) eviction: Eviction,
    pub(crate) client_memory: ClientMemory,
    /// Whether clients are counted: there is a limit for what they take together.
    pub(crate) clients_limited: bool,
    pub(crate) lazyfree: LazyFree,
    /// What clients have written to this replica.
    pub(crate) own_keys: OwnKeys,
    /// Replicas whose acknowledgement has come in this round.
    pub(crate) acks: Vec<ConnId>,
    /// A replica has asked for a full synchronisation in this round.
    pub(crate) syncs_requested: bool,
}

/// Where the search for expired keys stands.
#[derive(Default)]
pub(crate) struct ExpireState {
    pub db: usize,
    pub cursor: ExpireCursor,
}

/// Clients that wait for acknowledgements, in order of arrival.
#[derive(Default)]
pub(crate) struct WaitList {
    pub clients: Vec<ConnId>,
}

/// Switches of the DEBUG command.
pub(crate) struct DebugSwitches {
    pub active_expire: bool,
    pub skip_checksum: bool,
    pub pause_cron: bool,
    /// Scripts may call what is not for them.
    pub scripts_call_all: bool,
    /// The driver has been asked to let the instance stand still, and has not told what time it is since.
    pub asleep: bool,
    /// Every reply counts as more than a client that has not authenticated may leave unread.
    pub no_small_replies: bool,
    /// A reload that waits for the dump file.
    pub reload: Option<crate::host::debug::reload::Reload>,
}

impl Default for DebugSwitches {
    fn default() -> Self {
        DebugSwitches {
            active_expire: true,
            skip_checksum: false,
            pause_cron: false,
            scripts_call_all: false,
            asleep: false,
            no_small_replies: false,
            reload: None,
        }
    }
}

impl Node {
    /// An instance with this configuration, still without data. Call [`Node::start`] next.
    pub fn new(config: config::Config, boot: Boot, now: Now) -> Node {
        let mut rng = fastrand::Rng::with_seed(boot.seed);
        let settings = config.settings();
        let databases = settings.databases;
        let mut registry = Registry::new();
        for (from, to) in &settings.rename_command {
            if let Err(error) = registry.rename(from.as_bytes(), to.as_bytes()) {
                tracing::warn!("rename-command {from} {to}: {error}");
            }
        }
        let host = HostTable::new(&registry);
        let stats = Stats::for_commands(host.len());
        let keyspace = Keyspace::new(databases, rng.u64(..));
        let replication = Replication::new(&mut rng, settings);
        let access = Access::new(&registry, settings, &boot, &config);
        let run_id = backlog::ReplicationId::random(&mut rng).to_string();
        let persistence = Persistence::new(now);
        let mut node = Node {
            boot,
            registry,
            host,
            keyspace,
            now,
            env: Env { databases, expiry: ExpiryMode::Delete, ..Env::default() },
            effects: Effects::new(),
            rng,
            slots: Vec::new(),
            free_slots: Vec::new(),
            clients: 0,
            next_client_id: 1,
            next_job: 1,
            writable: Vec::new(),
            actions: Vec::new(),
            replication,
            persistence,
            stats,
            access,
            commandlog: CommandLogs::default(),
            spikes: Spikes::default(),
            precise_timing: false,
            stalled_ns: 0,
            monitors: Vec::new(),
            watchers: Watchers::default(),
            pubsub: PubSub::default(),
            pause: Pause::default(),
            scripting: Scripting::default(),
            gate: Gate::default(),
            batch: Batch::default(),
            foreseen: Vec::new(),
            foreseen_spans: Vec::new(),
            run_id,
            started: now,
            memory: MemoryReading::default(),
            cpu: CpuReading::default(),
            expire: ExpireState::default(),
            debug: DebugSwitches::default(),
            next_tick_us: now.mono_us,
            wait: WaitList::default(),
            blocked: BlockedClients::default(),
            migrations: Migrations::default(),
            eviction: Eviction::default(),
            client_memory: ClientMemory::default(),
            clients_limited: false,
            lazyfree: LazyFree::default(),
            own_keys: OwnKeys::default(),
            acks: Vec::new(),
            syncs_requested: false,
            config,
        };
        node.env.set_now_us(now.unix_us);
        node.apply_settings();
        node
    }

    // ---- connections -------------------------------------------------------------------------

    /// A client has connected.
    ///
    /// # Errors
    ///
    /// The bytes to send before the socket is closed: too many clients, or protected mode.
    pub fn accept(&mut self, now: Now, peer: Peer) -> Result<ConnId, &'static [u8]> {
        self.set_now(now);
        self.stats.connections_received += 1;
        let settings = self.config.settings();
        if self.clients >= settings.maxclients as usize {
            self.stats.connections_rejected += 1;
            return Err(b"-ERR max number of clients reached\r\n");
        }
        let open = self.access.lets_anyone_in();
        let protected = settings.protected_mode && self.access.users.default_user().needs_no_password();
        if protected && !peer.unix && !peer.loopback {
            self.stats.connections_rejected += 1;
            return Err(PROTECTED_MODE);
        }
        let conn = self.new_conn();
        let id = self.next_client_id;
        self.next_client_id += 1;
        let user = self.access.users.default_user().clone();
        let mut session = Session::new(conn, id, peer, user.clone(), now.mono_us);
        session.set_user(user, open);
        self.slots[conn.slot()].slot = Slot::Client(Box::new(session));
        self.clients += 1;
        Ok(conn)
    }

    pub(crate) fn new_conn(&mut self) -> ConnId {
        let slot = self.free_slots.pop().unwrap_or_else(|| {
            self.slots.push(SlotEntry { generation: 0, slot: Slot::Free });
            self.slots.len() - 1
        });
        let entry = &mut self.slots[slot];
        entry.generation += 1;
        ConnId::new(slot, entry.generation)
    }

    /// Forgets a connection's slot. The caller has taken care of what the slot held.
    pub(crate) fn free_conn(&mut self, conn: ConnId) {
        self.slots[conn.slot()].slot = Slot::Free;
        self.free_slots.push(conn.slot());
    }

    pub(crate) fn slot_mut(&mut self, conn: ConnId) -> Option<&mut Slot> {
        self.slots
            .get_mut(conn.slot())
            .filter(|entry| entry.generation == conn.generation())
            .map(|entry| &mut entry.slot)
    }

    /// The client session behind a connection, unless it is in use further up the call stack.
    pub(crate) fn session(&self, conn: ConnId) -> Option<&Session> {
        let entry = self.slots.get(conn.slot())?;
        match &entry.slot {
            Slot::Client(session) if session.conn == conn => Some(session),
            _ => None,
        }
    }

    /// As [`Node::session`], to be changed.
    pub(crate) fn session_mut(&mut self, conn: ConnId) -> Option<&mut Session> {
        match self.slot_mut(conn)? {
            Slot::Client(session) => Some(session),
            _ => None,
        }
    }

    /// All client sessions but one that is in use further up the call stack.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.slots.iter().filter_map(|entry| match &entry.slot {
            Slot::Client(session) => Some(&**session),
            _ => None,
        })
    }

    /// Takes a session out of its slot for the time of a call; [`Node::put_back`] returns it.
    pub(crate) fn take_session(&mut self, conn: ConnId) -> Option<Box<Session>> {
        let slot = self.slot_mut(conn)?;
        match std::mem::replace(slot, Slot::Busy) {
            Slot::Client(session) => Some(session),
            other => {
                *slot = other;
                None
            }
        }
    }

    /// Returns a session to its slot, tells the driver of its output, or lets it go if it has ended.
    pub(crate) fn put_back(&mut self, mut session: Box<Session>) {
        let conn = session.conn;
        if !self.pubsub.postbox.is_empty() {
            self.empty_postbox(&mut session);
        }
        self.check_reply_limit(&mut session);
        if self.clients_limited {
            self.client_memory.count(&mut session);
        }
        if session.close_after_reply && session.reply_pending() == 0 {
            self.end_session(&mut session);
            self.free_conn(conn);
            self.actions.push(Action::Close(conn));
            self.adopt_script_caller(session);
            return;
        }
        if !session.listed && session.reply_pending() > 0 {
            session.listed = true;
            self.writable.push(conn);
        }
        self.slots[conn.slot()].slot = Slot::Client(session);
    }

    /// Marks a connection as having output. One that has none is left alone: nothing would be written, and so nothing would
    /// ever take the mark away again.
    pub(crate) fn list_writable(&mut self, conn: ConnId) {
        let end = self.replication.log.end();
        if let Some(session) = self.session_mut(conn) {
            let of_feed = session.replica.as_ref().is_some_and(|feed| feed.has_output(end));
            if session.listed || !(of_feed || session.reply_pending() > 0) {
                return;
            }
            session.listed = true;
        }
        self.writable.push(conn);
    }

    /// Closes a client from within: its socket goes at once.
    pub(crate) fn close_client(&mut self, conn: ConnId) {
        if let Some(mut session) = self.take_session(conn) {
            self.end_session(&mut session);
            self.free_conn(conn);
            self.actions.push(Action::Close(conn));
            self.adopt_script_caller(session);
        }
    }

    /// Undoes everything that refers to a session.
    fn end_session(&mut self, session: &mut Session) {
        self.clients -= 1;
        self.client_memory.forget(session);
        self.unwatch(session);
        self.unsubscribe_all(session);
        self.end_monitor(session);
        self.stop_waiting(session);
        if session.blocked.is_some() {
            self.wait.clients.retain(|&other| other != session.conn);
            self.pause.forget(session.conn);
        }
        if let Some(feed) = session.replica.take() {
            self.replica_gone(session.conn, &session.peer, *feed);
        }
    }

    /// The other end has closed, or the socket failed. The driver drops the socket by itself.
    pub fn eof(&mut self, now: Now, conn: ConnId) {
        self.set_now(now);
        match self.slot_mut(conn) {
            Some(Slot::Upstream) => self.upstream_lost("Connection with master lost."),
            Some(Slot::Migration) => self.migration_lost(conn),
            Some(Slot::Client(_)) => {
                if let Some(mut session) = self.take_session(conn) {
                    self.end_session(&mut session);
                    self.free_conn(conn);
                    self.adopt_script_caller(session);
                }
            }
            _ => {}
        }
    }

    /// Bytes have arrived.
    pub fn input(&mut self, now: Now, conn: ConnId, data: &[u8]) {
        self.set_now(now);
        self.stats.reads += 1;
        match self.slot_mut(conn) {
            Some(Slot::Client(_)) => {}
            Some(Slot::Upstream) => {
                return match &mut self.scripting.parked {
                    None => self.upstream_input(data),
                    // What the master says waits for the script.
                    Some(parked) => {
                        let (from, held) = parked.stream.get_or_insert_with(|| (conn, Vec::new()));
                        if *from != conn {
                            held.clear();
                            *from = conn;
                        }
                        held.extend_from_slice(data);
                    }
                };
            }
            Some(Slot::Migration) => {
                self.migration_input(conn, data);
                return self.after_input();
            }
            _ => return,
        }
        let Some(mut session) = self.take_session(conn) else { return };
        session.last_input_us = now.mono_us;
        session.bytes_in += data.len() as u64;
        if session.is_replica() {
            self.stats.net_repl_in += data.len() as u64;
        } else {
            self.stats.net_in += data.len() as u64;
        }
        if session.close_after_reply {
            // What a client sends after QUIT or a protocol error is nobody's business any more.
        } else if session.pending.is_empty() && session.blocked.is_none() {
            let used = self.run(&mut session, data);
            if used < data.len() && !session.close_after_reply {
                session.append_input(&data[used..]);
            }
        } else {
            session.append_input(data);
            if self.clients_limited {
                // Before what has become whole is executed, and its memory is given back.
                self.slots[conn.slot()].slot = Slot::Client(session);
                self.recount(conn);
                self.evict_clients();
                match self.take_session(conn) {
                    Some(back) => session = back,
                    None => return,
                }
            }
            self.run_pending(&mut session);
        }
        self.check_query_buffer(&mut session);
        self.put_back(session);
        self.after_input();
    }

    /// Looks at input that [`Node::input`] is about to get, for the sake of [`Node::prefetch_foreseen`]. A driver that has read
    /// from several clients calls this for each first; it changes nothing but speed.
    pub fn foresee(&mut self, conn: ConnId, data: &[u8]) {
        // A pipeline prefetches for itself.
        if data.len() > MAX_FORESEEN_BYTES || self.foreseen.len() >= MAX_FORESEEN {
            return;
        }
        let Some(session) = self.session(conn) else { return };
        if !session.pending.is_empty() || session.db != 0 {
            return;
        }
        let mut spans = std::mem::take(&mut self.foreseen_spans);
        let mut hashes = std::mem::take(&mut self.foreseen);
        spans.clear();
        let parsed = resp::RequestParser::new().parse(data, 0, &resp::RequestLimits::default(), &mut spans);
        if let Ok(resp::Parsed::Request { form: resp::Form::Array, .. }) = parsed {
            let args = resp::Args::new(data, &spans);
            self.collect_keys(0, self.registry.resolve(args).ok(), args, &mut hashes);
        }
        self.foreseen_spans = spans;
        self.foreseen = hashes;
    }

    /// Fetches the memory that the requests which were foreseen will touch.
    pub fn prefetch_foreseen(&mut self) {
        self.prefetch_keys(0, &self.foreseen);
        self.foreseen.clear();
    }

    /// Runs what stands in a session's own input buffer.
    pub(crate) fn run_pending(&mut self, session: &mut Session) {
        if session.blocked.is_some() || session.pending.is_empty() {
            return;
        }
        let mut pending = std::mem::take(&mut session.pending);
        let used = self.run(session, &pending);
        if used > 0 {
            pending.drain(..used);
        }
        if pending.is_empty() && pending.capacity() > KEEP_INPUT_CAPACITY {
            pending = Vec::new();
        }
        session.pending = pending;
    }

    /// Closes a client whose replies are more than may wait, without sending them.
    #[inline]
    fn check_reply_limit(&mut self, session: &mut Session) {
        let pending = session.reply_pending();
        if pending > SMALL_REPLIES {
            let limit = self.config.settings().client_output_buffer_limit[session.output_class()].hard_bytes;
            if limit > 0 && pending as u64 > limit && !session.is_replica() {
                crate::pubsub::deliver::note_cut_off(session);
                self.stats.obl_disconnections += 1;
                session.drop_replies_and_close();
            }
        }
    }

    fn check_query_buffer(&mut self, session: &mut Session) {
        let limit = self.config.settings().client_query_buffer_limit as usize;
        if session.pending.len() > limit {
            tracing::warn!(
                "Closing client {}: its query buffer of {} bytes exceeds the limit",
                session.peer.addr,
                session.pending.len()
            );
            self.stats.query_limit_disconnections += 1;
            session.drop_replies_and_close();
        }
        if !session.was_authenticated {
            self.check_stranger(session);
        }
    }

    /// Who has not said yet who he is does not get memory for replies that he does not read.
    #[cold]
    fn check_stranger(&mut self, session: &mut Session) {
        let limit = if self.debug.no_small_replies { 0 } else { MAX_STRANGERS_REPLIES };
        if session.reply_pending() > limit {
            tracing::warn!(
                "Closing client {}: it does not read replies before it has authenticated",
                session.peer.addr
            );
            self.stats.obl_disconnections += 1;
            session.drop_replies_and_close();
        }
    }

    /// Connections that have got output since they were last drained. Each is named once; after a write that could not
    /// take everything the driver comes back by itself when the socket has room.
    pub fn take_writable(&mut self, into: &mut Vec<ConnId>) {
        into.append(&mut self.writable);
    }

    /// What may be written to a connection now, in order.
    pub fn output<'a>(&'a self, conn: ConnId, slices: &mut SmallVec<[&'a [u8]; 16]>) {
        let Some(entry) = self.slots.get(conn.slot()) else { return };
        match &entry.slot {
            Slot::Client(session) if session.conn == conn => {
                if session.reply_pending() > 0 {
                    slices.push(&session.reply.buf[session.reply_sent..]);
                }
                if let Some(feed) = &session.replica {
                    feed.output(&self.replication.log, slices);
                }
            }
            Slot::Upstream => {
                let pending = self.upstream_output(conn);
                if !pending.is_empty() {
                    slices.push(pending);
                }
            }
            Slot::Migration => {
                let pending = self.migration_output(conn);
                if !pending.is_empty() {
                    slices.push(pending);
                }
            }
            _ => {}
        }
    }

    /// So many bytes of [`Node::output`] were written.
    pub fn written(&mut self, now: Now, conn: ConnId, n: usize) {
        self.stats.writes += 1;
        match self.slot_mut(conn) {
            Some(Slot::Client(session)) => {
                let of_reply = n.min(session.reply_pending());
                session.reply_sent += of_reply;
                session.bytes_out += n as u64;
                let drained = session.reply_pending() == 0;
                if drained {
                    session.reply.buf.clear();
                    session.reply_sent = 0;
                    session.soft_limit_since_ms = None;
                    if session.reply.buf.capacity() > KEEP_REPLY_CAPACITY {
                        session.reply.buf = Vec::new();
                    }
                } else if session.reply_sent > KEEP_REPLY_CAPACITY
                    && session.reply_sent > session.reply.buf.len() / 2
                {
                    // One who reads all the time but never to the end must not hold what was written.
                    session.reply.buf.drain(..session.reply_sent);
                    session.reply_sent = 0;
                }
                let closing = session.close_after_reply;
                let more = match &mut session.replica {
                    Some(feed) => {
                        feed.written(n - of_reply);
                        true
                    }
                    None => false,
                };
                session.listed = !drained;
                if more {
                    self.stats.net_repl_out += n as u64;
                    self.set_now(now);
                    self.replica_written(conn);
                } else {
                    self.stats.net_out += n as u64;
                }
                if drained && closing {
                    self.close_client(conn);
                } else if self.clients_limited {
                    self.recount(conn);
                }
            }
            Some(Slot::Upstream) => {
                self.stats.net_repl_out += n as u64;
                self.upstream_written(n);
            }
            Some(Slot::Migration) => {
                self.stats.net_out += n as u64;
                self.set_now(now);
                self.migration_written(conn, n);
            }
            _ => {}
        }
    }

    // ---- time --------------------------------------------------------------------------------

    pub(crate) fn set_now(&mut self, now: Now) {
        if now == self.now {
            return;
        }
        self.now = now;
        let clock = self.env.clock;
        self.env.set_now_us(now.unix_us);
        if self.env.clock != clock {
            self.keyspace.set_initial_access(commands::access::fresh(&self.env));
        }
    }

    /// When [`Node::tick`] must be called next, on the monotonic clock.
    pub fn deadline(&self) -> u64 {
        if self.gate.busy {
            // The script goes on at once.
            return self.now.mono_us;
        }
        if self.eviction.unfinished { self.now.mono_us } else { self.deadline_without_eviction() }
    }

    /// The same, but for eviction that goes on as soon as clients have had their turn.
    pub(crate) fn deadline_without_eviction(&self) -> u64 {
        let tick = match self.migrations.earliest_deadline_us() {
            None => self.next_tick_us,
            Some(at_us) => self.next_tick_us.min(at_us),
        };
        match self.blocked.earliest_deadline_ms() {
            None => tick,
            Some(at_ms) => {
                let wait_us = at_ms.saturating_mul(1000).saturating_sub(self.now.unix_us);
                tick.min(self.now.mono_us.saturating_add(wait_us))
            }
        }
    }

    // ---- jobs --------------------------------------------------------------------------------

    pub(crate) fn new_job(&mut self) -> JobId {
        let job = JobId(self.next_job);
        self.next_job += 1;
        job
    }

    /// Moves everything that the node wants done to `into`. To be called after every other call.
    pub fn take_actions(&mut self, into: &mut Vec<Action>) {
        into.append(&mut self.actions);
    }

    /// Whether [`Node::take_actions`] has anything to hand over.
    pub fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    /// Something has come of a job. Results of jobs that were given up are ignored.
    pub fn complete(&mut self, now: Now, job: JobId, what: Completion) {
        self.set_now(now);
        match what {
            Completion::Chunk(bytes) => self.transfer_chunk(job, bytes),
            Completion::Saved(result) => self.save_finished(job, result),
            Completion::FileSent(result) => self.file_sent(job, result),
            Completion::LoadProgress { bytes } => self.load_progress(job, bytes),
            Completion::Loaded(result) => match &mut self.scripting.parked {
                None => self.load_finished(job, result),
                // The dataset under a script does not change.
                Some(parked) => parked.loaded.push((job, Completion::Loaded(result))),
            },
            Completion::ConfigRewritten(result) => self.config_rewritten(job, result),
            Completion::AclSaved(result) => self.acl_saved(job, result),
            Completion::AclRead(result) => self.acl_read(job, result),
        }
    }

    // ---- what the driver may ask -------------------------------------------------------------

    /// The configuration as it is now.
    pub fn config(&self) -> &config::Config {
        &self.config
    }

    /// `M` for a master, `S` for a replica: log lines carry it.
    pub fn role_letter(&self) -> char {
        if self.replication.is_replica() { 'S' } else { 'M' }
    }

    /// Whether the dataset is there and clients are served.
    pub fn is_ready(&self) -> bool {
        !self.gate.loading
    }

    /// The data, for whoever wants to look at all of it at once.
    pub fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    /// The history this instance is in and how far; `None` as long as there is none.
    pub fn position(&self) -> Option<crate::snapshot::SnapshotIdentity> {
        self.replication.identity()
    }

    /// Whether this is a replica whose stream flows.
    pub fn link_is_up(&self) -> bool {
        self.replication.upstream.as_ref().is_some_and(|upstream| upstream.is_up())
    }

    /// What the process uses of the machine, for INFO.
    pub fn set_readings(&mut self, memory: MemoryReading, cpu: CpuReading) {
        self.memory = memory;
        self.cpu = cpu;
        self.stats.peak_memory = self.stats.peak_memory.max(memory.used);
        if self.stats.startup_memory == 0 {
            self.stats.startup_memory = memory.used;
        }
    }

    /// How long the instance has run.
    pub(crate) fn uptime(&self) -> Duration {
        Duration::from_micros(self.now.mono_us.saturating_sub(self.started.mono_us))
    }
}

/// Input of more bytes than this is a pipeline or a large value, for which prefetching across clients gains nothing.
const MAX_FORESEEN_BYTES: usize = 512;
/// Keys foreseen in one round at most.
const MAX_FORESEEN: usize = 128;
/// Replies of no more bytes are never too many, whatever `client-output-buffer-limit` says: others do not count their fixed buffer.
const SMALL_REPLIES: usize = 16 * 1024;
/// Bytes of replies that a client may leave unread before it has authenticated.
const MAX_STRANGERS_REPLIES: usize = 16 * 1024;
/// An input buffer beyond this size is given back once it is empty.
const KEEP_INPUT_CAPACITY: usize = 64 * 1024;
/// So is a reply buffer beyond this one.
const KEEP_REPLY_CAPACITY: usize = 64 * 1024;

const PROTECTED_MODE: &[u8] = b"-DENIED Tandem is running in protected mode because protected mode is enabled and no \
password is set for the default user. In this mode connections are only accepted from the loopback interface. To connect \
from other machines: set a password with CONFIG SET requirepass or the requirepass directive, or, if the network is \
trusted, turn protected mode off with CONFIG SET protected-mode no, the directive protected-mode no, or the option \
--protected-mode no.\r\n";
