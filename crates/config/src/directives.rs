//! The table of all directives.

use crate::directive::Kind::*;
use crate::directive::{Directive, Kind, Rule};
use crate::keywords::*;
use crate::number::Unit;

/// Every directive of Redis 7.2 and Valkey 9, and some of our own (`script-memory-limit`,
/// `aof-recover-until-time`, `aof-recover-until-offset`), in alphabetical order.
pub fn directives() -> &'static [Directive] {
    DIRECTIVES
}

/// The position in the table of the directive with this name or alias; case does not matter.
pub(crate) fn find(name: &str) -> Option<usize> {
    DIRECTIVES.iter().position(|d| d.names().any(|known| known.eq_ignore_ascii_case(name)))
}

/// The same for names that may be written with `_` for `-`: fields and TOML keys.
pub(crate) fn find_folded(name: &str) -> Option<usize> {
    let fold = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    let same = |known: &str| known.bytes().map(fold).eq(name.bytes().map(fold));
    DIRECTIVES.iter().position(|d| d.names().any(same))
}

const fn row(name: &'static str, kind: Kind, default: &'static str) -> Directive {
    Directive::new(name, kind, default)
}

const PORT: Kind = Int { min: 0, max: 65_535 };
/// A count that other servers keep in 31 bits.
const COUNT: Kind = Int { min: 0, max: i32::MAX as i64 };
const LONG: Kind = Int { min: 0, max: i64::MAX };
const ANY_INT: Kind = Int { min: i32::MIN as i64, max: i32::MAX as i64 };
const SECONDS: Kind = Time { unit: Unit::Seconds, min: 0, max: i32::MAX as i64 };
const SOME_SECONDS: Kind = Time { unit: Unit::Seconds, min: 1, max: i32::MAX as i64 };
const LONG_SECONDS: Kind = Time { unit: Unit::Seconds, min: 0, max: i64::MAX };
const MILLIS: Kind = Time { unit: Unit::Millis, min: 0, max: i64::MAX };
const MICROS_OR_OFF: Kind = Time { unit: Unit::Micros, min: -1, max: i64::MAX };
const SIZE: Kind = Size { min: 0, max: i64::MAX as u64 };
const SOME_SIZE: Kind = Size { min: 1, max: i64::MAX as u64 };
/// A limit below which not even an ordinary command would fit.
const REQUEST_SIZE: Kind = Size { min: 1 << 20, max: i64::MAX as u64 };
const TEXT: Kind = Text(Rule::Any);

const fn int(min: i64, max: i64) -> Kind {
    Int { min, max }
}

// Why a directive has no effect. "yet" marks what is planned.
const NO_CLUSTER: &str = "there is no cluster mode";
const NO_DHE: &str = "only elliptic curves are used to agree on keys";
const NO_SESSION_TIME: &str = "a session can be resumed until the cache is full or the keys change";
const NO_RDMA: &str = "there is no RDMA";
const NO_SYSLOG: &str = "the log goes to a file or the standard output";
const NO_OLD_LUA: &str = "scripts never have what it would open to them";
const NO_MODULES: &str = "modules cannot be loaded";
const NO_DEFRAG: &str = "memory is not defragmented";
const NO_CPU_LISTS: &str = "threads are not bound to processors";
const NO_OOM: &str = "the kernel's choice of a victim is left alone";
const NO_CRASH_REPORT: &str = "there is no crash report of its own";
const NO_IO_THREADS: &str = "commands and sockets share one thread";
const ALWAYS_LAZY: &str = "the old dataset is always freed in the background";
const INTERNAL: &str = "it tunes a mechanism that does not exist here";
const TEST_ONLY: &str = "it serves another server's tests";
const ALWAYS_SANITIZED: &str = "every payload and every dump is checked in full, whatever it says; what RESTORE refuses is logged with the reason";
const ALWAYS: &str = "the server always behaves as the default says";

const SANITIZE: &[(&str, &str)] = &[("no", "no"), ("yes", "yes"), ("clients", "clients")];
const OOM: &[(&str, &str)] = &[("no", "no"), ("yes", "yes"), ("relative", "yes"), ("absolute", "absolute")];
const LOG_FORMAT: &[(&str, &str)] = &[("legacy", "legacy"), ("logfmt", "logfmt"), ("json", "json")];
const LOG_TIME: &[(&str, &str)] =
    &[("legacy", "legacy"), ("iso8601", "iso8601"), ("milliseconds", "milliseconds")];
const ENDPOINT: &[(&str, &str)] =
    &[("ip", "ip"), ("hostname", "hostname"), ("unknown-endpoint", "unknown-endpoint")];
const SAVE_BEHAVIOR: &[(&str, &str)] = &[("sync", "sync"), ("best-effort", "best-effort")];
const SYSLOG: &[(&str, &str)] = &[
    ("user", "user"),
    ("local0", "local0"),
    ("local1", "local1"),
    ("local2", "local2"),
    ("local3", "local3"),
    ("local4", "local4"),
    ("local5", "local5"),
    ("local6", "local6"),
    ("local7", "local7"),
];

#[rustfmt::skip]
static DIRECTIVES: &[Directive] = &[
    row("acl-pubsub-default", Word(AclPubsubDefault::WORDS), "resetchannels"),
    row("aclfile", TEXT, "").immutable(),
    row("acllog-max-len", LONG, "128"),
    row("active-defrag-cycle-max", int(1, 99), "25").inert(NO_DEFRAG),
    row("active-defrag-cycle-min", int(1, 99), "1").inert(NO_DEFRAG),
    row("active-defrag-cycle-us", int(0, 100_000), "500").inert(NO_DEFRAG),
    row("active-defrag-ignore-bytes", SOME_SIZE, "104857600").inert(NO_DEFRAG),
    row("active-defrag-max-scan-fields", int(1, i64::MAX), "1000").inert(NO_DEFRAG),
    row("active-defrag-threshold-lower", int(0, 1000), "10").inert(NO_DEFRAG),
    row("active-defrag-threshold-upper", int(0, 1000), "100").inert(NO_DEFRAG),
    row("active-expire-effort", int(1, 10), "1").inert(INTERNAL),
    row("activedefrag", Bool, "no").inert(NO_DEFRAG),
    row("activerehashing", Bool, "yes").inert("the table grows a little at a time and is never rehashed as a whole"),
    row("always-show-logo", Bool, "no").immutable(),
    row("aof-disable-auto-gc", Bool, "no").hidden(),
    row("aof-load-truncated", Bool, "yes"),
    row("aof-recover-until-offset", Int { min: -1, max: i64::MAX }, "-1").immutable(),
    row("aof-recover-until-time", Text(Rule::Moment), "").immutable(),
    row("aof-rewrite-cpulist", TEXT, "").immutable().alias(&["aof_rewrite_cpulist"]).inert(NO_CPU_LISTS),
    row("aof-rewrite-incremental-fsync", Bool, "yes"),
    row("aof-timestamp-enabled", Bool, "no"),
    row("aof-use-rdb-preamble", Bool, "yes"),
    row("appenddirname", Text(Rule::FileName), "appendonlydir").immutable(),
    row("appendfilename", Text(Rule::FileName), "appendonly.aof").immutable(),
    row("appendfsync", Word(AppendFsync::WORDS), "everysec"),
    row("appendonly", Bool, "no"),
    row("auto-aof-rewrite-min-size", SIZE, "67108864"),
    row("auto-aof-rewrite-percentage", COUNT, "100"),
    row("availability-zone", TEXT, ""),
    row("bgsave-cpulist", TEXT, "").immutable().alias(&["bgsave_cpulist"]).inert(NO_CPU_LISTS),
    row("bind", Words, "* -::*"),
    row("bind-source-addr", TEXT, ""),
    row("bio-cpulist", TEXT, "").immutable().alias(&["bio_cpulist"]).inert(NO_CPU_LISTS),
    row("busy-reply-threshold", MILLIS, "5000").alias(&["lua-time-limit"]),
    row("client-default-resp", int(2, 3), "2").hidden().inert(TEST_ONLY),
    row("client-output-buffer-limit", OutputLimits, "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"),
    row("client-query-buffer-limit", REQUEST_SIZE, "1073741824"),
    row("cluster-allow-pubsubshard-when-down", Bool, "yes").inert(NO_CLUSTER),
    row("cluster-allow-reads-when-down", Bool, "no").inert(NO_CLUSTER),
    row("cluster-allow-replica-migration", Bool, "yes").inert(NO_CLUSTER),
    row("cluster-announce-bus-port", PORT, "0").inert(NO_CLUSTER),
    row("cluster-announce-client-ipv4", Text(Rule::Ipv4), "").inert(NO_CLUSTER),
    row("cluster-announce-client-ipv6", Text(Rule::Ipv6), "").inert(NO_CLUSTER),
    row("cluster-announce-client-port", PORT, "0").inert(NO_CLUSTER),
    row("cluster-announce-client-tls-port", PORT, "0").inert(NO_CLUSTER),
    row("cluster-announce-hostname", TEXT, "").inert(NO_CLUSTER),
    row("cluster-announce-human-nodename", TEXT, "").inert(NO_CLUSTER),
    row("cluster-announce-ip", TEXT, "").inert(NO_CLUSTER),
    row("cluster-announce-port", PORT, "0").inert(NO_CLUSTER),
    row("cluster-announce-tls-port", PORT, "0").inert(NO_CLUSTER),
    row("cluster-blacklist-ttl", LONG_SECONDS, "60").inert(NO_CLUSTER),
    row("cluster-compatibility-sample-ratio", int(0, 100), "0").inert(NO_CLUSTER),
    row("cluster-config-file", TEXT, "nodes.conf").immutable().inert(NO_CLUSTER),
    row("cluster-config-save-behavior", Word(SAVE_BEHAVIOR), "sync").inert(NO_CLUSTER),
    row("cluster-databases", int(1, i32::MAX as i64), "1").immutable().inert(NO_CLUSTER),
    row("cluster-enabled", Bool, "no").immutable().inert(NO_CLUSTER),
    row("cluster-link-sendbuf-limit", SIZE, "0").inert(NO_CLUSTER),
    row("cluster-manual-failover-timeout", Time { unit: Unit::Millis, min: 1, max: i32::MAX as i64 }, "5000").inert(NO_CLUSTER),
    row("cluster-message-gossip-perc", int(1, 100), "10").hidden().inert(NO_CLUSTER),
    row("cluster-migration-barrier", COUNT, "1").inert(NO_CLUSTER),
    row("cluster-node-timeout", MILLIS, "15000").inert(NO_CLUSTER),
    row("cluster-ping-interval", LONG, "0").hidden().inert(NO_CLUSTER),
    row("cluster-port", PORT, "0").immutable().inert(NO_CLUSTER),
    row("cluster-preferred-endpoint-type", Word(ENDPOINT), "ip").inert(NO_CLUSTER),
    row("cluster-replica-no-failover", Bool, "no").alias(&["cluster-slave-no-failover"]).inert(NO_CLUSTER),
    row("cluster-replica-validity-factor", COUNT, "10").alias(&["cluster-slave-validity-factor"]).inert(NO_CLUSTER),
    row("cluster-require-full-coverage", Bool, "yes").inert(NO_CLUSTER),
    row("cluster-slot-migration-log-max-len", LONG, "1000").inert(NO_CLUSTER),
    row("cluster-slot-stats-enabled", Bool, "no").inert(NO_CLUSTER),
    row("commandlog-large-reply-max-len", LONG, "128"),
    row("commandlog-large-request-max-len", LONG, "128"),
    row("commandlog-reply-larger-than", int(-1, i64::MAX), "1048576"),
    row("commandlog-request-larger-than", int(-1, i64::MAX), "1048576"),
    row("crash-log-enabled", Bool, "yes").inert(NO_CRASH_REPORT),
    row("crash-memcheck-enabled", Bool, "yes").inert(NO_CRASH_REPORT),
    row("daemonize", Bool, "no").immutable(),
    row("databases", int(1, i32::MAX as i64), "16").immutable(),
    row("dbfilename", Text(Rule::FileName), "dump.rdb").protected(),
    row("debug-context", TEXT, "").hidden().inert(TEST_ONLY),
    row("dir", TEXT, ".").protected(),
    row("disable-thp", Bool, "yes").immutable().inert("huge pages are left as the system has them"),
    row("dual-channel-replication-enabled", Bool, "no"),
    row("dynamic-hz", Bool, "yes").inert(INTERNAL),
    row("enable-debug-assert", Bool, "no").immutable().hidden().inert(TEST_ONLY),
    row("enable-debug-command", Word(Permission::WORDS), "no").immutable(),
    row("enable-module-command", Word(Permission::WORDS), "no").immutable().inert(NO_MODULES),
    row("enable-protected-configs", Word(Permission::WORDS), "no").immutable(),
    row("extended-redis-compatibility", Bool, "no").inert("the server is compatible either way"),
    row("hash-max-listpack-entries", LONG, "512").alias(&["hash-max-ziplist-entries"]),
    row("hash-max-listpack-value", SIZE, "64").alias(&["hash-max-ziplist-value"]),
    row("hash-seed", TEXT, "").immutable().inert("the seed is drawn at each start"),
    row("hide-user-data-from-log", Bool, "yes").inert(ALWAYS),
    row("hll-sparse-max-bytes", SIZE, "3000"),
    row("hz", ClampedInt { max: i32::MAX as i64, low: 1, high: 500 }, "10").inert(INTERNAL),
    row("ignore-warnings", TEXT, "").inert("there is no such warning"),
    row("import-mode", Bool, "no"),
    row("include", Include, "").immutable(),
    row("io-threads", int(1, 256), "1").inert(NO_IO_THREADS),
    row("io-threads-always-active", Bool, "no").hidden().inert(INTERNAL),
    row("io-threads-do-reads", Obsolete, "").inert("I/O threads always read"),
    row("jemalloc-bg-thread", Bool, "yes").inert(INTERNAL),
    row("key-load-delay", ANY_INT, "0").hidden(),
    row("latency-monitor-threshold", MILLIS, "0"),
    row("latency-tracking", Bool, "yes"),
    row("latency-tracking-info-percentiles", Percentiles, "50 99 99.9"),
    row("lazyfree-lazy-eviction", Bool, "yes"),
    row("lazyfree-lazy-expire", Bool, "yes"),
    row("lazyfree-lazy-server-del", Bool, "yes"),
    row("lazyfree-lazy-user-del", Bool, "yes"),
    row("lazyfree-lazy-user-flush", Bool, "yes"),
    row("lfu-decay-time", COUNT, "1"),
    row("lfu-log-factor", COUNT, "10"),
    row("list-compress-depth", COUNT, "0").inert("the nodes of a list are not compressed"),
    row("list-max-listpack-size", ANY_INT, "-2").alias(&["list-max-ziplist-size"]),
    row("list-max-ziplist-entries", Obsolete, "").inert("list-max-listpack-size took its place long ago"),
    row("list-max-ziplist-value", Obsolete, "").inert("list-max-listpack-size took its place long ago"),
    row("loading-process-events-interval-bytes", int(1024, i32::MAX as i64), "2097152").hidden().inert(INTERNAL),
    row("loadmodule", Lines, "").immutable().inert(NO_MODULES),
    row("locale-collate", TEXT, "").inert("texts are compared byte by byte"),
    row("log-format", Word(LOG_FORMAT), "legacy").inert(ALWAYS),
    row("log-timestamp-format", Word(LOG_TIME), "legacy").inert(ALWAYS),
    row("logfile", TEXT, "").immutable(),
    row("loglevel", Word(LogLevel::WORDS), "notice"),
    row("lua-enable-deprecated-api", Bool, "no").hidden().inert(NO_OLD_LUA),
    row("lua-enable-insecure-api", Bool, "no").hidden().inert(NO_OLD_LUA),
    row("masterauth", TEXT, "").alias(&["primaryauth"]),
    row("masteruser", TEXT, "").alias(&["primaryuser"]),
    row("max-new-connections-per-cycle", int(1, 1000), "10").inert(INTERNAL),
    row("max-new-tls-connections-per-cycle", int(1, 1000), "1"),
    row("maxclients", int(1, u32::MAX as i64), "10000"),
    row("maxmemory", Size { min: 0, max: u64::MAX }, "0"),
    row("maxmemory-clients", SizeOrPercent, "0"),
    row("maxmemory-eviction-tenacity", int(0, 100), "10"),
    row("maxmemory-policy", Word(MaxmemoryPolicy::WORDS), "noeviction"),
    row("maxmemory-samples", int(1, 64), "5"),
    row("min-io-threads-avoid-copy-reply", COUNT, "7").hidden().inert(INTERNAL),
    row("min-replicas-max-lag", SECONDS, "10").alias(&["min-slaves-max-lag"]),
    row("min-replicas-to-write", COUNT, "0").alias(&["min-slaves-to-write"]),
    row("min-string-size-avoid-copy-reply", COUNT, "16384").hidden().inert(INTERNAL),
    row("min-string-size-avoid-copy-reply-threaded", COUNT, "65536").hidden().inert(INTERNAL),
    row("mptcp", Bool, "no").immutable().inert("connections are plain TCP"),
    row("no-appendfsync-on-rewrite", Bool, "no"),
    row("notify-keyspace-events", Events, ""),
    row("oom-score-adj", Word(OOM), "no").inert(NO_OOM),
    row("oom-score-adj-values", OomScores, "0 200 800").inert(NO_OOM),
    row("pidfile", TEXT, "").immutable(),
    row("port", PORT, "6379"),
    row("prefetch-batch-max-size", int(0, 128), "16").inert(INTERNAL),
    row("proc-title-template", Text(Rule::ProcTitle), "{title} {listen-addr} {server-mode}"),
    row("propagation-error-behavior", Word(PropagationErrorBehavior::WORDS), "ignore"),
    row("protected-mode", Bool, "yes"),
    row("proto-max-bulk-len", REQUEST_SIZE, "536870912"),
    row("rdb-del-sync-files", Bool, "no"),
    row("rdb-key-save-delay", ANY_INT, "0").hidden(),
    row("rdb-save-incremental-fsync", Bool, "yes"),
    row("rdb-version-check", Word(RdbVersionCheck::WORDS), "strict"),
    row("rdbchecksum", Bool, "yes").immutable(),
    row("rdbcompression", Bool, "yes"),
    row("rdma-bind", Words, "").immutable().inert(NO_RDMA),
    row("rdma-completion-vector", int(-1, 1024), "-1").immutable().inert(NO_RDMA),
    row("rdma-port", PORT, "0").inert(NO_RDMA),
    row("rdma-rx-size", int(0, i32::MAX as i64), "1048576").immutable().inert(NO_RDMA),
    row("rename-command", Rename, "").immutable(),
    row("repl-backlog-aof", Bool, "no"),
    row("repl-backlog-aof-limit", SIZE, "1073741824"),
    row("repl-backlog-size", SOME_SIZE, "10485760"),
    row("repl-backlog-ttl", LONG_SECONDS, "3600"),
    row("repl-disable-tcp-nodelay", Bool, "no").inert(ALWAYS),
    row("repl-diskless-load", Word(ReplDisklessLoad::WORDS), "disabled"),
    row("repl-diskless-sync", Bool, "yes"),
    row("repl-diskless-sync-delay", SECONDS, "5"),
    row("repl-diskless-sync-max-replicas", COUNT, "0"),
    row("repl-drop-field-expiry", Bool, "no"),
    row("repl-mptcp", Bool, "no").immutable().inert("connections are plain TCP"),
    row("repl-ping-replica-period", SOME_SECONDS, "10").alias(&["repl-ping-slave-period"]),
    row("repl-rdb-channel", Bool, "no"),
    row("repl-sync-bandwidth", SIZE, "0"),
    row("repl-sync-bandwidth-per-replica", SIZE, "0"),
    row("repl-sync-guard", Bool, "yes"),
    row("repl-sync-guard-min-keys-percent", int(0, 100), "0"),
    row("repl-sync-max-transfers", COUNT, "0"),
    row("repl-sync-memory-limit", SIZE, "134217728"),
    row("repl-sync-spill-limit", SIZE, "8589934592"),
    row("repl-timeout", SOME_SECONDS, "60"),
    row("replica-announce-ip", TEXT, "").alias(&["slave-announce-ip"]),
    row("replica-announce-port", PORT, "0").alias(&["slave-announce-port"]),
    row("replica-announced", Bool, "yes"),
    row("replica-full-sync-buffer-limit", SIZE, "0"),
    row("replica-ignore-disk-write-errors", Bool, "yes"),
    row("replica-ignore-maxmemory", Bool, "yes").alias(&["slave-ignore-maxmemory"]),
    row("replica-lazy-flush", Bool, "yes").alias(&["slave-lazy-flush"]).inert(ALWAYS_LAZY),
    row("replica-priority", COUNT, "100").alias(&["slave-priority"]),
    row("replica-read-only", Bool, "yes").alias(&["slave-read-only"]),
    row("replica-serve-stale-data", Bool, "yes").alias(&["slave-serve-stale-data"]),
    row("replicaof", Master, "").immutable().alias(&["slaveof"]),
    row("requirepass", TEXT, ""),
    row("sanitize-dump-payload", Word(SANITIZE), "no").inert(ALWAYS_SANITIZED),
    row("save", Save, "3600 1 300 100 60 10000"),
    row("script-memory-limit", Size { min: 8 << 20, max: i64::MAX as u64 }, "1073741824"),
    row("sentinel", Sentinel, "").immutable(),
    row("server-cpulist", TEXT, "").immutable().alias(&["server_cpulist"]).inert(NO_CPU_LISTS),
    row("set-max-intset-entries", LONG, "512"),
    row("set-max-listpack-entries", LONG, "128"),
    row("set-max-listpack-value", SIZE, "64"),
    row("set-proc-title", Bool, "yes").immutable(),
    row("shutdown-on-sigint", Shutdown, "default"),
    row("shutdown-on-sigterm", Shutdown, "default"),
    row("shutdown-timeout", SECONDS, "10"),
    row("slot-migration-max-failover-repl-bytes", int(-1, i64::MAX), "0").inert(NO_CLUSTER),
    row("slowlog-log-slower-than", MICROS_OR_OFF, "10000").alias(&["commandlog-execution-slower-than"]),
    row("slowlog-max-len", LONG, "128").alias(&["commandlog-slow-execution-max-len"]),
    row("socket-mark-id", int(0, u32::MAX as i64), "0").immutable().inert("packets are not marked"),
    row("stop-writes-on-bgsave-error", Bool, "yes"),
    row("stream-node-max-bytes", SIZE, "4096"),
    row("stream-node-max-entries", LONG, "100"),
    row("supervised", Word(Supervised::WORDS), "no").immutable(),
    row("syslog-enabled", Bool, "no").immutable().inert(NO_SYSLOG),
    row("syslog-facility", Word(SYSLOG), "local0").immutable().inert(NO_SYSLOG),
    row("syslog-ident", TEXT, "tandem").immutable().inert(NO_SYSLOG),
    row("tcp-backlog", COUNT, "511").immutable(),
    row("tcp-keepalive", SECONDS, "300"),
    row("timeout", SECONDS, "0"),
    row("tls-auth-clients", Word(TlsAuthClients::WORDS), "yes"),
    row("tls-auth-clients-user", Word(TlsUser::WORDS), "off"),
    row("tls-auto-reload-interval", SECONDS, "0"),
    row("tls-ca-cert-dir", TEXT, ""),
    row("tls-ca-cert-file", TEXT, ""),
    row("tls-cert-file", TEXT, ""),
    row("tls-ciphers", TEXT, ""),
    row("tls-ciphersuites", TEXT, ""),
    row("tls-client-cert-file", TEXT, ""),
    row("tls-client-key-file", TEXT, ""),
    row("tls-client-key-file-pass", TEXT, ""),
    row("tls-cluster", Bool, "no").inert(NO_CLUSTER),
    row("tls-dh-params-file", TEXT, "").inert(NO_DHE),
    row("tls-key-file", TEXT, ""),
    row("tls-key-file-pass", TEXT, ""),
    row("tls-port", PORT, "0"),
    row("tls-prefer-server-ciphers", Bool, "no"),
    row("tls-protocols", TEXT, ""),
    row("tls-replication", Bool, "no"),
    row("tls-session-cache-size", COUNT, "20480"),
    row("tls-session-cache-timeout", SECONDS, "300").inert(NO_SESSION_TIME),
    row("tls-session-caching", Bool, "yes"),
    row("tracking-table-max-keys", LONG, "1000000"),
    row("unixsocket", TEXT, "").immutable(),
    row("unixsocketgroup", TEXT, "").immutable(),
    row("unixsocketperm", Octal, "0").immutable(),
    row("use-exit-on-panic", Bool, "no").hidden().inert(TEST_ONLY),
    row("user", Lines, "").immutable(),
    row("watchdog-period", Time { unit: Unit::Millis, min: 0, max: i32::MAX as i64 }, "0").hidden().inert(TEST_ONLY),
    row("zset-max-listpack-entries", LONG, "128").alias(&["zset-max-ziplist-entries"]),
    row("zset-max-listpack-value", SIZE, "64").alias(&["zset-max-ziplist-value"]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directive::Effect;

    #[test]
    fn the_table_is_sorted_and_every_name_means_one_directive() {
        assert!(
            DIRECTIVES.is_sorted_by_key(|d| d.name),
            "{:?}",
            DIRECTIVES.windows(2).find(|w| w[0].name > w[1].name)
        );
        for (at, directive) in DIRECTIVES.iter().enumerate() {
            for name in directive.names() {
                assert_eq!(find(name), Some(at), "{name}");
                assert_eq!(find(&name.to_uppercase()), Some(at), "{name}");
                assert_eq!(find_folded(&name.to_uppercase().replace('-', "_")), Some(at), "{name}");
            }
        }
        assert_eq!(find("nothing"), None);
        assert_eq!(find("repl_timeout"), None);
    }

    #[test]
    fn a_reason_is_given_wherever_there_is_no_effect() {
        for directive in DIRECTIVES {
            if let Effect::None(why) = directive.effect {
                assert!(why.len() > 10 && !why.ends_with('.'), "{}", directive.name);
            }
        }
    }

    /// Names that existing configuration files, tools and test suites use.
    #[test]
    fn names_of_other_servers_are_known() {
        let names = "slaveof replicaof slave-read-only replica-read-only primaryauth masterauth primaryuser \
            lua-time-limit busy-reply-threshold slowlog-max-len commandlog-execution-slower-than \
            commandlog-slow-execution-max-len hash-max-ziplist-entries zset-max-listpack-value list-max-ziplist-size \
            min-slaves-to-write repl-ping-slave-period cluster-slave-no-failover bgsave_cpulist io-threads-do-reads \
            dynamic-hz sanitize-dump-payload enable-debug-assert hide-user-data-from-log rdb-version-check \
            crash-memcheck-enabled use-exit-on-panic dual-channel-replication-enabled import-mode mptcp log-format \
            list-max-ziplist-entries rename-command user include loadmodule client-default-resp hash-seed";
        for name in names.split_whitespace() {
            assert!(find(name).is_some(), "{name}");
        }
    }
}
