//! The typed settings the rest of the server reads.

use crate::directives::find_folded;
use crate::keywords::*;
use crate::types::{KeyspaceEvents, OutputBufferLimit, ShutdownFlags};
use crate::value::Value;

/// A type a field of [`Settings`] can have.
trait FromValue: Sized {
    /// The typed value, if the directive's kind and range fit this type.
    fn from_value(value: &Value) -> Option<Self>;
}

/// Declares the struct, and how it is filled: each field from the directive of its name.
macro_rules! settings {
    ($(#[$doc:meta])* { $($(#[$fdoc:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub struct Settings { $($(#[$fdoc])* pub $field: $type,)+ }

        impl Settings {
            /// The names of the fields.
            #[cfg(test)]
            pub(crate) const FIELDS: &'static [&'static str] = &[$(stringify!($field)),+];

            /// The settings that the values of all directives, in the registry's order, amount to.
            pub(crate) fn from_values(values: &[Value]) -> Self {
                Self { $($field: {
                    let at = find_folded(stringify!($field)).expect("because a test builds every field");
                    <$type>::from_value(&values[at]).expect("because a test builds every field at both ends of its range")
                },)+ }
            }
        }
    };
}

settings! {
    /// Every directive that has a typed value, under its current name with `_` for `-`.
    ///
    /// Sizes are in bytes; the unit of a time is in the field's description. An empty text that means
    /// "not set" is `None`. The fields are filled from the [registry](crate::directives) alone, so that
    /// [`Settings::default`] and the table in the documentation cannot disagree.
    {
        // Network
        /// TCP port; 0 listens on none.
        port: u16,
        /// Addresses to listen on; a leading `-` marks one that may be missing, `*` is every address.
        bind: Vec<String>,
        /// Address that connections to a master start from.
        bind_source_addr: Option<String>,
        /// Path of the Unix socket.
        unixsocket: Option<String>,
        /// Permissions of the Unix socket; `None` leaves them to the umask.
        unixsocketperm: Option<u32>,
        /// Group of the Unix socket.
        unixsocketgroup: Option<String>,
        /// Length of the queue of connections not yet accepted.
        tcp_backlog: u32,
        /// Seconds between TCP keep-alive probes; 0 turns them off.
        tcp_keepalive: u32,
        /// Seconds after which an idle client is disconnected; 0 never.
        timeout: u64,
        /// Clients connected at once.
        maxclients: u32,
        /// Whether clients from other machines are refused while neither a password nor a user protects the
        /// data.
        protected_mode: bool,
        /// I/O threads.
        io_threads: u32,

        // TLS
        /// TCP port for TLS; 0 listens on none.
        tls_port: u16,
        /// Whether the connection to a master is encrypted.
        tls_replication: bool,
        /// Whether clients need a certificate.
        tls_auth_clients: TlsAuthClients,
        /// Where the name of a client's user stands in its certificate.
        tls_auth_clients_user: TlsUser,
        /// The certificate, and those between it and the authority's.
        tls_cert_file: Option<String>,
        /// Its private key.
        tls_key_file: Option<String>,
        /// The pass phrase of that.
        tls_key_file_pass: Option<String>,
        /// The certificate for connections to a master, if it is another.
        tls_client_cert_file: Option<String>,
        /// Its private key.
        tls_client_key_file: Option<String>,
        /// The pass phrase of that.
        tls_client_key_file_pass: Option<String>,
        /// Certificates of the authorities that are trusted.
        tls_ca_cert_file: Option<String>,
        /// A directory of such.
        tls_ca_cert_dir: Option<String>,
        /// Versions that are spoken.
        tls_protocols: Option<String>,
        /// Cipher suites of TLS 1.2, in the form of OpenSSL.
        tls_ciphers: Option<String>,
        /// Cipher suites of TLS 1.3.
        tls_ciphersuites: Option<String>,
        /// Whether the server's order of suites counts, not the client's.
        tls_prefer_server_ciphers: bool,
        /// Whether sessions can be resumed.
        tls_session_caching: bool,
        /// How many are kept for that.
        tls_session_cache_size: u32,
        /// Seconds between looks whether the files have changed; 0 never looks.
        tls_auto_reload_interval: u64,
        /// Clients whose handshake is begun in one round.
        max_new_tls_connections_per_cycle: u32,

        // Process
        /// Whether to run in the background.
        daemonize: bool,
        /// Where the process id is written.
        pidfile: Option<String>,
        /// Which supervisor hears that the server is ready.
        supervised: Supervised,
        /// How much is logged.
        loglevel: LogLevel,
        /// Path of the log; empty is the standard output.
        logfile: String,
        /// Whether `ps` is shown a title of the server's own.
        set_proc_title: bool,
        /// The title, with names in braces for what is filled in.
        proc_title_template: String,
        /// Number of databases.
        databases: usize,
        /// Whether the start-up banner is printed even where it would not be.
        always_show_logo: bool,
        /// How often a second background work runs.
        hz: u32,
        /// What SIGINT does about saving.
        shutdown_on_sigint: ShutdownFlags,
        /// What SIGTERM does about saving.
        shutdown_on_sigterm: ShutdownFlags,
        /// Seconds a shutdown waits for replicas to catch up.
        shutdown_timeout: u64,

        // Persistence: dump
        /// Save points: (seconds, changes).
        save: Vec<(u64, u64)>,
        /// Whether writes are refused after a background save failed.
        stop_writes_on_bgsave_error: bool,
        /// Whether strings in a dump are compressed.
        rdbcompression: bool,
        /// Whether a dump is written and read with its checksum.
        rdbchecksum: bool,
        /// Whether dumps of unknown newer versions are read.
        rdb_version_check: RdbVersionCheck,
        /// Whether a dataset is being imported: nothing expires, except for clients that do not import.
        import_mode: bool,
        /// Name of the dump inside `dir`.
        dbfilename: String,
        /// Working directory.
        dir: String,
        /// Whether dumps that only served a synchronisation are removed.
        rdb_del_sync_files: bool,
        /// Whether a dump is flushed to the disk while it is written.
        rdb_save_incremental_fsync: bool,
        /// For tests: microseconds to wait after each key written; negative: that many keys a microsecond.
        rdb_key_save_delay: i64,
        /// For tests: microseconds to wait after each key loaded; negative: that many keys a microsecond.
        key_load_delay: i64,
        /// Bytes loaded between two looks at the clients.
        loading_process_events_interval_bytes: u64,

        // Persistence: append only file
        /// Whether writes are logged to the append only file.
        appendonly: bool,
        /// Base name of the files.
        appendfilename: String,
        /// Directory of the files inside `dir`.
        appenddirname: String,
        /// When they are flushed.
        appendfsync: AppendFsync,
        /// Whether flushing pauses while a save or rewrite runs.
        no_appendfsync_on_rewrite: bool,
        /// Growth in percent that starts a rewrite; 0 never.
        auto_aof_rewrite_percentage: u32,
        /// Size below which no rewrite starts by itself.
        auto_aof_rewrite_min_size: u64,
        /// Whether a file cut short is loaded as far as it goes.
        aof_load_truncated: bool,
        /// Whether a rewrite starts with a dump.
        aof_use_rdb_preamble: bool,
        /// Whether timestamps are logged.
        aof_timestamp_enabled: bool,
        /// Whether a rewrite is flushed while it is written.
        aof_rewrite_incremental_fsync: bool,
        /// For tests: whether files that a rewrite has replaced are left where they are.
        aof_disable_auto_gc: bool,
        /// Where a start stops replaying the files: an offset of the replication history; negative for none.
        aof_recover_until_offset: i64,
        /// Where a start stops replaying the files: a time, as it was written; see [`Settings::aof_recover_until_ms`].
        aof_recover_until_time: Option<String>,

        // Replication
        /// The master to follow: host and port.
        replicaof: Option<(String, u16)>,
        /// Password given to the master.
        masterauth: Option<String>,
        /// User name given to the master.
        masteruser: Option<String>,
        /// Whether a replica without its master answers with what it has.
        replica_serve_stale_data: bool,
        /// Whether a replica refuses writes.
        replica_read_only: bool,
        /// Rank for Sentinel; 0 is never promoted.
        replica_priority: u32,
        /// Address a replica tells its master.
        replica_announce_ip: Option<String>,
        /// Port a replica tells its master; 0 is the one it listens on.
        replica_announce_port: u16,
        /// Whether Sentinel may see this replica.
        replica_announced: bool,
        /// Whether a replica frees its old dataset in the background before loading.
        replica_lazy_flush: bool,
        /// Whether a replica leaves eviction to its master.
        replica_ignore_maxmemory: bool,
        /// Whether a replica goes on applying writes it cannot persist.
        replica_ignore_disk_write_errors: bool,
        /// Seconds of silence after which a link counts as dead.
        repl_timeout: u64,
        /// Seconds between a master's PINGs.
        repl_ping_replica_period: u64,
        /// Whether partial synchronisation reaches back through the append only files where memory no longer does.
        repl_backlog_aof: bool,
        /// By how many bytes at most, and bytes of files that are kept for it after a rewrite.
        repl_backlog_aof_limit: u64,
        /// Bytes of history kept for partial synchronisation.
        repl_backlog_size: u64,
        /// Seconds after the last replica left until the history is freed; 0 never.
        repl_backlog_ttl: u64,
        /// Whether small writes to replicas may be held back to fill packets.
        repl_disable_tcp_nodelay: bool,
        /// Whether a full synchronisation goes straight to the sockets.
        repl_diskless_sync: bool,
        /// Seconds to wait for more replicas before such a synchronisation starts.
        repl_diskless_sync_delay: u64,
        /// Waiting replicas that start it at once; 0 is no such number.
        repl_diskless_sync_max_replicas: u32,
        /// Whether a replica loads straight from the socket.
        repl_diskless_load: ReplDisklessLoad,
        /// Whether a replica that was in sync refuses the empty dataset of a master with an unrelated history.
        repl_sync_guard: bool,
        /// It refuses one with fewer keys than so many percent of its own, too; 0 looks for empty ones only.
        repl_sync_guard_min_keys_percent: u32,
        /// Replicas that are sent a snapshot at a time; 0 for any number.
        repl_sync_max_transfers: u32,
        /// Bytes a second of all snapshots on their way to replicas together; 0 for no limit.
        repl_sync_bandwidth: u64,
        /// The same for each replica.
        repl_sync_bandwidth_per_replica: u64,
        /// Bytes of the log held in memory for replicas that are being synchronised; what is written beyond that goes to the disk.
        repl_sync_memory_limit: u64,
        /// Bytes of it held on the disk; 0 for none. A replica that needs more is dropped.
        repl_sync_spill_limit: u64,
        /// Whether replicas whose version cannot hold when fields of hashes expire are served without.
        repl_drop_field_expiry: bool,
        /// Whether stream and snapshot travel over two connections, as Valkey does it.
        dual_channel_replication_enabled: bool,
        /// Whether they do, as Redis does it.
        repl_rdb_channel: bool,
        /// Bytes of the stream that a replica keeps in memory while it takes a snapshot over another connection; 0 stands for the
        /// hard limit of replicas in client-output-buffer-limit.
        replica_full_sync_buffer_limit: u64,
        /// Replicas needed for a master to accept writes; 0 turns the rule off.
        min_replicas_to_write: u32,
        /// Seconds since its last acknowledgement up to which a replica counts.
        min_replicas_max_lag: u64,
        /// What an error in the replication stream leads to: it is logged and counted; or the replica, which no longer has its master's data, stops.
        propagation_error_behavior: PropagationErrorBehavior,

        // Security
        /// Password of the default user.
        requirepass: Option<String>,
        /// Commands renamed: old name, new name (empty: disabled).
        rename_command: Vec<(String, String)>,
        /// Definitions of users, one a line of the file, without the word `user`.
        user: Vec<String>,
        /// File holding the users.
        aclfile: Option<String>,
        /// Entries of ACL LOG.
        acllog_max_len: u64,
        /// Rights on channels of a new user.
        acl_pubsub_default: AclPubsubDefault,
        /// Who may use DEBUG.
        enable_debug_command: Permission,
        /// Who may use MODULE.
        enable_module_command: Permission,
        /// Who may change protected settings.
        enable_protected_configs: Permission,
        /// Whether log lines leave out what users stored.
        hide_user_data_from_log: bool,

        // Memory
        /// Limit in bytes; 0 is none.
        maxmemory: u64,
        /// What is evicted at the limit.
        maxmemory_policy: MaxmemoryPolicy,
        /// Keys looked at for each eviction.
        maxmemory_samples: u32,
        /// How hard eviction tries, 0 to 100.
        maxmemory_eviction_tenacity: u32,
        /// Limit for all clients together: bytes if positive, percent of `maxmemory` if negative; 0 is none.
        maxmemory_clients: i64,
        /// How fast frequency counters saturate.
        lfu_log_factor: u32,
        /// Minutes after which a frequency counter decays.
        lfu_decay_time: u32,
        /// How hard expired keys are searched for, 1 to 10.
        active_expire_effort: u32,
        /// Whether evicted values are freed in the background.
        lazyfree_lazy_eviction: bool,
        /// Whether expired values are freed in the background.
        lazyfree_lazy_expire: bool,
        /// Whether overwritten values are freed in the background.
        lazyfree_lazy_server_del: bool,
        /// Whether DEL works like UNLINK.
        lazyfree_lazy_user_del: bool,
        /// Whether FLUSHALL and FLUSHDB are ASYNC unless told otherwise.
        lazyfree_lazy_user_flush: bool,

        // Clients
        /// Longest bulk string of a request.
        proto_max_bulk_len: u64,
        /// Largest query buffer of a client.
        client_query_buffer_limit: u64,
        /// Limits of what waits to be sent to a client: normal, replica, pubsub.
        client_output_buffer_limit: [OutputBufferLimit; 3],
        /// Keys remembered for client-side caching.
        tracking_table_max_keys: u64,
        /// Whether the server presents itself as Redis where that matters.
        extended_redis_compatibility: bool,
        /// Availability zone shown to clients.
        availability_zone: String,

        // Watching
        /// Microseconds from which a command is slow; 0 logs all, negative none.
        slowlog_log_slower_than: i64,
        /// Entries of SLOWLOG.
        slowlog_max_len: u64,
        /// Bytes from which a request is logged; negative logs none.
        commandlog_request_larger_than: i64,
        /// Entries of the log of large requests.
        commandlog_large_request_max_len: u64,
        /// Bytes from which a reply is logged; negative logs none.
        commandlog_reply_larger_than: i64,
        /// Entries of the log of large replies.
        commandlog_large_reply_max_len: u64,
        /// Milliseconds from which an event is a latency spike; 0 turns the monitor off.
        latency_monitor_threshold: u64,
        /// Whether the time of every command is counted.
        latency_tracking: bool,
        /// Percentiles shown by INFO latencystats.
        latency_tracking_info_percentiles: Vec<f64>,
        /// Events published to keyspace channels.
        notify_keyspace_events: KeyspaceEvents,
        /// Milliseconds after which a script counts as slow.
        busy_reply_threshold: u64,
        /// Bytes that an interpreter of scripts may hold.
        script_memory_limit: u64,

        // Encodings
        /// Fields up to which a hash is compact.
        hash_max_listpack_entries: usize,
        /// Bytes of a field or value up to which a hash is compact.
        hash_max_listpack_value: usize,
        /// Size of a list node: entries if positive, size class if negative.
        list_max_listpack_size: i32,
        /// Nodes at either end of a list that are not compressed; 0 compresses none.
        list_compress_depth: u32,
        /// Members up to which a set of integers is compact.
        set_max_intset_entries: usize,
        /// Members up to which another set is compact.
        set_max_listpack_entries: usize,
        /// Bytes of a member up to which a set is compact.
        set_max_listpack_value: usize,
        /// Members up to which a sorted set is compact.
        zset_max_listpack_entries: usize,
        /// Bytes of a member up to which a sorted set is compact.
        zset_max_listpack_value: usize,
        /// Bytes up to which a HyperLogLog is sparse.
        hll_sparse_max_bytes: usize,
        /// Bytes of a stream node; 0 is no limit.
        stream_node_max_bytes: usize,
        /// Entries of a stream node; 0 is no limit.
        stream_node_max_entries: u64,
    }
}

/// Implements [`FromValue`] by a pattern and what it yields.
macro_rules! from_value {
    ($($type:ty: $pattern:pat => $result:expr;)+) => {
        $(impl FromValue for $type {
            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    $pattern => $result,
                    _ => None,
                }
            }
        })+
    };
}

from_value! {
    bool: Value::Bool(yes) => Some(*yes);
    u16: Value::Int(n) => (*n).try_into().ok();
    u32: Value::Int(n) => (*n).try_into().ok();
    i32: Value::Int(n) => (*n).try_into().ok();
    i64: Value::Int(n) | Value::SizeOrPercent(n) => Some(*n);
    String: Value::Text(text) => Some(text.clone());
    // Absent and empty are one in a configuration file.
    Option<String>: Value::Text(text) => Some((!text.is_empty()).then(|| text.clone()));
    Option<u32>: Value::Octal(mode) => Some((*mode != 0).then_some(*mode));
    Vec<String>: Value::Words(list) | Value::Lines(list) => Some(list.clone());
    Vec<(u64, u64)>: Value::Save(points) => Some(points.clone());
    Vec<(String, String)>: Value::Rename(pairs) => Some(pairs.clone());
    Vec<f64>: Value::Percentiles(list) => Some(list.clone());
    Option<(String, u16)>: Value::Master(master) => Some(master.clone());
    [OutputBufferLimit; 3]: Value::OutputLimits(limits) => Some(*limits);
    ShutdownFlags: Value::Shutdown(flags) => Some(*flags);
    KeyspaceEvents: Value::Events(events) => Some(*events);
    LogLevel: Value::Word(word) => Self::from_word(word);
    Supervised: Value::Word(word) => Self::from_word(word);
    AppendFsync: Value::Word(word) => Self::from_word(word);
    ReplDisklessLoad: Value::Word(word) => Self::from_word(word);
    MaxmemoryPolicy: Value::Word(word) => Self::from_word(word);
    Permission: Value::Word(word) => Self::from_word(word);
    PropagationErrorBehavior: Value::Word(word) => Self::from_word(word);
    RdbVersionCheck: Value::Word(word) => Self::from_word(word);
    AclPubsubDefault: Value::Word(word) => Self::from_word(word);
    TlsAuthClients: Value::Word(word) => Self::from_word(word);
    TlsUser: Value::Word(word) => Self::from_word(word);
}

impl FromValue for u64 {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Int(n) => (*n).try_into().ok(),
            Value::Size(bytes) => Some(*bytes),
            _ => None,
        }
    }
}

impl FromValue for usize {
    // A limit beyond the address space limits nothing: the largest there is means the same.
    fn from_value(value: &Value) -> Option<Self> {
        u64::from_value(value).map(|n| n.try_into().unwrap_or(usize::MAX))
    }
}

impl Settings {
    /// The port that a replica names to its master.
    pub fn port_for_masters(&self) -> u16 {
        if self.replica_announce_port > 0 {
            self.replica_announce_port
        } else if self.tls_replication && self.tls_port != 0 {
            self.tls_port
        } else {
            self.port
        }
    }

    /// The time up to which a start replays the append only file, in milliseconds since the Unix epoch.
    pub fn aof_recover_until_ms(&self) -> Option<u64> {
        self.aof_recover_until_time.as_deref().and_then(crate::moment::unix_ms)
    }

    /// The port that counts where there is room for one.
    pub fn main_port(&self) -> u16 {
        if self.port == 0 { self.tls_port } else { self.port }
    }
}

impl Default for Settings {
    fn default() -> Self {
        crate::Config::default().settings().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directive::{Kind, Rule};
    use crate::directives::directives;

    /// Both ends of every directive's range fit the field's type, each changes its own field and no other,
    /// and every word means something.
    #[test]
    fn every_field_takes_every_value_of_its_directive() {
        let defaults: Vec<_> = directives().iter().map(Value::default_of).collect();
        let default = Settings::from_values(&defaults);
        for field in Settings::FIELDS {
            let at = find_folded(field).expect("because every field is a directive");
            let directive = &directives()[at];
            let texts: Vec<String> = match directive.kind {
                Kind::Bool => vec!["yes".into(), "no".into()],
                Kind::Int { min, max } | Kind::Time { min, max, .. } => {
                    vec![min.to_string(), max.to_string()]
                }
                Kind::ClampedInt { max, .. } => vec!["0".into(), max.to_string()],
                Kind::Size { min, max } => vec![min.to_string(), max.to_string()],
                Kind::SizeOrPercent => vec!["100%".into(), i64::MAX.to_string()],
                Kind::Octal => vec!["0".into(), "777".into()],
                Kind::Word(words) => words.iter().map(|(word, _)| word.to_string()).collect(),
                Kind::Shutdown => vec!["save now".into()],
                Kind::Percentiles => vec!["1.5".into()],
                Kind::Events => vec!["KEA".into()],
                Kind::Master => vec!["host 1".into()],
                Kind::Save => vec!["1 2".into()],
                Kind::OutputLimits => vec!["normal 1 2 3".into()],
                Kind::Rename => vec![],
                Kind::Text(Rule::Moment) => vec!["1".into()],
                _ => vec!["x".into()],
            };
            let mut words: Vec<Vec<String>> = texts.into_iter().map(|text| vec![text]).collect();
            if matches!(directive.kind, Kind::Rename) {
                words.push(vec!["a".into(), "b".into()]);
            }
            let mut changed = false;
            for words in words {
                let mut values = defaults.clone();
                values[at] =
                    Value::parse(directive, &words, defaults[at].clone()).expect("because it is in range");
                let settings = Settings::from_values(&values);
                assert_eq!(settings == default, values[at] == defaults[at], "{field} {words:?}");
                changed |= settings != default;
            }
            assert!(changed, "{field}");
        }
    }

    #[test]
    fn defaults_are_those_of_the_table() {
        let settings = Settings::default();
        assert_eq!((settings.port, settings.databases, settings.maxclients), (6379, 16, 10_000));
        assert_eq!(settings.bind, ["*", "-::*"]);
        assert_eq!(settings.save, [(3600, 1), (300, 100), (60, 10_000)]);
        assert_eq!(settings.repl_backlog_size, 10 << 20);
        assert!(settings.repl_diskless_sync && settings.replica_read_only && settings.protected_mode);
        assert_eq!((settings.requirepass, settings.replicaof, settings.unixsocketperm), (None, None, None));
    }
}
