//! The instance: what it owns, and the face that a driver sees.

use std::path::PathBuf;
use std::time::Duration;

use crate::access::Access;
use crate::action::{Action, Completion, ConnId, JobId};
use crate::aof::Aof;
use crate::batch::Batch;
use crate::blocking::BlockedClients;
use crate::client_memory::ClientMemory;
use crate::commandlog::CommandLogs;
use crate::connections::SlotEntry;
use crate::eviction::Eviction;
use crate::host::HostTable;
use crate::host::config::trial::Trials;
use crate::latency::Spikes;
use crate::lazyfree::LazyFree;
use crate::migrate::Migrations;
use crate::own_keys::OwnKeys;
use crate::pause::Pause;
use crate::persistence::Persistence;
use crate::pubsub::PubSub;
use crate::replication::Replication;
use crate::replication::held::Held;
use crate::scripting::Scripting;
use crate::stats::{CpuReading, MemoryReading, Stats};
use crate::time::Now;
use crate::tracking::Tracking;
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
    /// What stands in the file [`held_path`](crate::held_path) names, if there is one.
    pub held: Option<Vec<u8>>,
    /// There is no file that [`dump_path`](crate::dump_path) names: without an append only file nothing has to be loaded.
    pub has_no_dump: bool,
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
            held: None,
            has_no_dump: false,
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
    /// The dataset was given up for one that is still on its way: there is nothing to serve.
    pub emptied: bool,
    pub persistence_failing: bool,
    /// The append only file cannot be written.
    pub aof_failing: bool,
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
    /// There is a master to which clients can be sent.
    pub redirecting: bool,
    /// The disk takes nothing, and an instance that cannot keep what its master writes is to end (`replica-ignore-disk-write-errors no`).
    pub ends_on_writes: bool,
}

impl Gate {
    /// What those are told who want data that are not up to date.
    pub fn stale_error(self) -> &'static str {
        match self.emptied {
            true => "LOADING Tandem is loading the dataset in memory",
            false => "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        }
    }

    pub fn is_open(self) -> bool {
        self == Gate::default()
    }
}

/// One whole instance. See the crate's documentation for how it is driven.
pub struct Node {
    /// What this instance held, and whether it is still there.
    pub(crate) held: Held,
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
    pub(crate) free_slots: Vec<usize>,
    pub(crate) clients: usize,
    pub(crate) next_client_id: u64,
    next_job: u64,
    pub(crate) writable: Vec<ConnId>,
    pub(crate) actions: Vec<Action>,
    pub(crate) replication: Replication,
    pub(crate) persistence: Persistence,
    pub(crate) aof: Aof,
    pub(crate) stats: Stats,
    pub(crate) access: Access,
    pub(crate) commandlog: CommandLogs,
    /// What took longer than `latency-monitor-threshold`.
    pub(crate) spikes: Spikes,
    /// CONFIG SET that waits for the driver.
    pub(crate) trials: Trials,
    /// Every command has to be timed by itself: the settings ask for more than a share of a group's time can tell.
    pub(crate) precise_timing: bool,
    /// Nanoseconds that the engine will stand still because a command of this moment has asked for it (DEBUG SLEEP).
    pub(crate) stalled_ns: u64,
    /// Clients that see every command.
    pub(crate) monitors: Vec<ConnId>,
    pub(crate) watchers: Watchers,
    pub(crate) pubsub: PubSub,
    /// Clients that are told which keys their caches must forget.
    pub(crate) tracking: Tracking,
    pub(crate) pause: Pause,
    pub(crate) scripting: Scripting,
    pub(crate) gate: Gate,
    pub(crate) batch: Batch,
    /// Hashes of keys of database 0 that the next requests of several clients will touch.
    pub(crate) foreseen: Vec<u64>,
    pub(crate) foreseen_spans: Vec<resp::Span>,
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
    /// A client waits for the append only file to be loaded again.
    pub loadaof: Option<ConnId>,
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
            loadaof: None,
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
        let tracking = Tracking::new(boot.seed);
        let mut replication = Replication::new(&mut rng, settings);
        // The first ping is due after the first period, whatever the clock stands at.
        replication.last_ping_ms = now.mono_ms();
        let access = Access::new(&registry, settings, &boot, &config);
        let run_id = backlog::ReplicationId::random(&mut rng).to_string();
        let persistence = Persistence::new(now);
        let mut node = Node {
            held: Held::new(boot.held.as_deref()),
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
            aof: Aof::default(),
            stats,
            access,
            commandlog: CommandLogs::default(),
            spikes: Spikes::default(),
            trials: Trials::default(),
            precise_timing: false,
            stalled_ns: 0,
            monitors: Vec::new(),
            watchers: Watchers::default(),
            pubsub: PubSub::default(),
            tracking,
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
        if self.has_leftovers() { self.now.mono_us } else { self.deadline_without_eviction() }
    }

    /// Whether there is work that goes on as soon as clients have had their turn.
    pub(crate) fn has_leftovers(&self) -> bool {
        self.eviction.unfinished || self.has_buffered_stream()
    }

    /// The deadline but for that work.
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
            Completion::LoadProgress(progress) => self.load_progress(job, progress),
            Completion::AofBase(base) => self.aof_base_loaded(job, base),
            Completion::AofChunk(chunk) => self.aof_chunk(job, &chunk),
            Completion::AofLoaded(result) => self.aof_loaded(job, result),
            Completion::Loaded(result) => match &mut self.scripting.parked {
                None => self.load_finished(job, result),
                // The dataset under a script does not change.
                Some(parked) => parked.loaded.push((job, Completion::Loaded(result))),
            },
            Completion::ConfigRewritten(result) => self.config_rewritten(job, result),
            Completion::SettingsTried(result) => self.settings_tried(job, result),
            Completion::AclSaved(result) => self.acl_saved(job, result),
            Completion::Spilled(result) => self.spilled(job, result),
            Completion::SpillRead { conn, from, result } => self.spill_read(job, conn, from, result),
            Completion::AofRead { conn, from, result } => self.aof_read(job, conn, from, result),
            Completion::FileReplaced(result) => self.held_noted(job, &result),
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

    /// Whether this instance is handing its role over, and has become a replica for that.
    pub fn is_handing_over(&self) -> bool {
        self.replication.is_replica() && self.replication.failover.is_some()
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
