//! INFO: everything that is known about the instance, in sections of `name:value` lines.
//!
//! The names are those that clients, Sentinel and monitoring tools look for. What cannot be known here is left out: a zero that
//! means "unknown" misleads.

mod clients;
mod memory;
mod persistence;
mod replication;
mod server;
mod stats;

use std::fmt::{Display, Write};

use resp::Args;

use crate::node::Node;
use crate::session::Session;

/// Writes a section.
type Writer = fn(&Node, &Session, &mut Report);

/// One section.
struct Section {
    name: &'static str,
    title: &'static str,
    /// Shown without being asked for.
    default: bool,
    write: Writer,
}

/// The section that only its name brings.
const DEBUG: &str = "debug";

/// All sections, in the order in which they are shown.
const SECTIONS: [Section; 15] = [
    section("server", "Server", true, server::write),
    section("clients", "Clients", true, clients::write),
    section("memory", "Memory", true, memory::write),
    section("persistence", "Persistence", true, persistence::write),
    section("stats", "Stats", true, stats::write),
    section("replication", "Replication", true, replication::write),
    section("syncs", "Syncs", true, replication::syncs),
    section("cpu", "CPU", true, server::cpu),
    section("modules", "Modules", true, |_, _, _| ()),
    section("commandstats", "Commandstats", false, stats::commands),
    section("errorstats", "Errorstats", true, stats::errors),
    section("latencystats", "Latencystats", false, stats::latencies),
    section("cluster", "Cluster", true, |_, _, report| report.put("cluster_enabled", 0)),
    section("keyspace", "Keyspace", true, stats::keyspace),
    section(DEBUG, "Debug", false, stats::debug),
];

const fn section(name: &'static str, title: &'static str, default: bool, write: Writer) -> Section {
    Section { name, title, default, write }
}

/// INFO [section …]
pub(crate) fn info(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let wanted: Vec<Vec<u8>> = args.from(1).iter().map(<[u8]>::to_ascii_lowercase).collect();
    let mut report = Report::default();
    for section in SECTIONS.iter().filter(|section| is_wanted(section, &wanted)) {
        report.begin(section.title);
        (section.write)(node, session, &mut report);
    }
    session.reply.verbatim("txt", report.text.as_bytes());
}

fn is_wanted(section: &Section, wanted: &[Vec<u8>]) -> bool {
    if wanted.is_empty() {
        return section.default;
    }
    wanted.iter().any(|word| match word.as_slice() {
        b"all" | b"everything" => section.name != DEBUG,
        b"default" => section.default,
        word => word == section.name.as_bytes(),
    })
}

/// The text that INFO answers with.
#[derive(Default)]
struct Report {
    text: String,
}

impl Report {
    fn begin(&mut self, title: &str) {
        if !self.text.is_empty() {
            self.text.push_str("\r\n");
        }
        let _ = write!(self.text, "# {title}\r\n");
    }

    fn put(&mut self, name: &str, value: impl Display) {
        let _ = write!(self.text, "{name}:{value}\r\n");
    }

    fn flag(&mut self, name: &str, value: bool) {
        self.put(name, u8::from(value));
    }

    /// A number of bytes, and once more with `_human` behind the name.
    fn bytes(&mut self, name: &str, value: u64) {
        self.put(name, value);
        let _ = write!(self.text, "{name}_human:{}\r\n", HumanBytes(value));
    }

    /// Fields that are zero because the instance has nothing of what they count.
    fn zeros(&mut self, names: &[&str]) {
        for name in names {
            self.put(name, 0);
        }
    }
}

/// A number of bytes with a unit that keeps it short.
struct HumanBytes(u64);

impl Display for HumanBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const UNITS: [(u64, char); 5] =
            [(1 << 50, 'P'), (1 << 40, 'T'), (1 << 30, 'G'), (1 << 20, 'M'), (1 << 10, 'K')];
        match UNITS.iter().find(|(unit, _)| self.0 >= *unit) {
            Some((unit, letter)) => write!(f, "{:.2}{letter}", self.0 as f64 / *unit as f64),
            None => write!(f, "{}B", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    /// The text inside the one bulk string of a reply.
    fn text(reply: &str) -> &str {
        let (header, rest) = reply.split_once("\r\n").expect("a bulk string");
        let len: usize = header[1..].parse().expect("its length");
        assert_eq!(&rest[len..], "\r\n");
        &rest[..len]
    }

    fn titles(text: &str) -> Vec<&str> {
        text.lines().filter_map(|line| line.strip_prefix("# ")).collect()
    }

    #[test]
    fn sections_are_chosen_by_name() {
        let mut node = Fixture::new();
        let all = [
            "Server",
            "Clients",
            "Memory",
            "Persistence",
            "Stats",
            "Replication",
            "Syncs",
            "CPU",
            "Modules",
            "Commandstats",
            "Errorstats",
            "Latencystats",
            "Cluster",
            "Keyspace",
        ];
        let default: Vec<&str> =
            all.into_iter().filter(|title| !["Commandstats", "Latencystats"].contains(title)).collect();
        assert_eq!(titles(text(&node.run(&["INFO"]))), default);
        assert_eq!(titles(text(&node.run(&["INFO", "default"]))), default);
        assert_eq!(titles(text(&node.run(&["INFO", "ALL"]))), all);
        assert_eq!(titles(text(&node.run(&["INFO", "everything"]))), all);
        assert_eq!(titles(text(&node.run(&["INFO", "keyspace", "CPU", "nonsense"]))), ["CPU", "Keyspace"]);
        assert_eq!(node.run(&["INFO", "nonsense"]), "$0\r\n\r\n");
        let with_default = node.run(&["INFO", "commandstats", "default"]);
        assert_eq!(titles(text(&with_default)).len(), default.len() + 1);
    }

    #[test]
    fn lines_end_in_crlf_and_sections_in_a_blank_line() {
        let mut node = Fixture::new();
        let reply = node.run(&["INFO", "cluster", "keyspace"]);
        assert_eq!(text(&reply), "# Cluster\r\ncluster_enabled:0\r\n\r\n# Keyspace\r\n");
        let everything = node.run(&["INFO", "everything"]);
        let text = text(&everything);
        assert!(text.ends_with("\r\n"));
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
        for line in text.split("\r\n").filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (name, _) = line.split_once(':').unwrap_or_else(|| panic!("no colon in {line:?}"));
            assert!(!name.is_empty() && !name.contains(' '), "{line:?}");
        }
    }

    #[test]
    fn no_field_stands_twice() {
        let mut node = Fixture::new();
        node.run(&["SET", "a", "b"]);
        let reply = node.run(&["INFO", "everything"]);
        let mut names: Vec<&str> =
            text(&reply).lines().filter_map(|line| Some(line.split_once(':')?.0)).collect();
        names.sort_unstable();
        for pair in names.windows(2) {
            assert_ne!(pair[0], pair[1]);
        }
    }

    #[test]
    fn the_new_protocol_has_a_verbatim_string() {
        let mut node = Fixture::new();
        node.run(&["HELLO", "3"]);
        assert_eq!(node.run(&["INFO", "cluster"]), "=34\r\ntxt:# Cluster\r\ncluster_enabled:0\r\n\r\n");
    }

    #[test]
    fn what_sentinel_reads_of_a_master_is_there() {
        let mut node = Fixture::new();
        let reply = node.run(&["INFO"]);
        let field = |name: &str| {
            let prefix = format!("{name}:");
            text(&reply).split("\r\n").find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned)
        };
        assert_eq!(field("run_id").map(|id| id.len()), Some(40));
        assert_eq!(field("role").as_deref(), Some("master"));
        assert_eq!(field("connected_slaves").as_deref(), Some("0"));
        assert_eq!(field("master_failover_state").as_deref(), Some("no-failover"));
        assert_eq!(field("master_replid").map(|id| id.len()), Some(40));
        assert_eq!(field("master_replid2").as_deref(), Some("0000000000000000000000000000000000000000"));
        assert_eq!(field("master_repl_offset").as_deref(), Some("0"));
        assert_eq!(field("second_repl_offset").as_deref(), Some("-1"));
        assert_eq!(field("repl_backlog_active").as_deref(), Some("0"));
        assert_eq!(field("repl_backlog_first_byte_offset").as_deref(), Some("0"));
        assert_eq!(field("redis_version").as_deref(), Some(crate::REDIS_VERSION));
        assert_eq!(field("server_name").as_deref(), Some("tandem"));
    }

    #[test]
    fn what_sentinel_reads_of_a_replica_is_there() {
        let mut node = Fixture::new();
        node.run(&["REPLICAOF", "10.0.0.9", "7000"]);
        let reply = node.run(&["INFO", "replication"]);
        let names: Vec<&str> =
            text(&reply).lines().filter_map(|line| Some(line.split_once(':')?.0)).collect();
        assert_eq!(
            names,
            [
                "role",
                "master_host",
                "master_port",
                "master_link_status",
                "master_last_io_seconds_ago",
                "master_sync_in_progress",
                "slave_read_repl_offset",
                "slave_repl_offset",
                "replicas_repl_buffer_size",
                "replicas_repl_buffer_peak",
                "replica_full_sync_buffer_size",
                "replica_full_sync_buffer_peak",
                "master_link_down_since_seconds",
                "slave_priority",
                "slave_read_only",
                "replica_announced",
                "master_sync_guard",
                "connected_slaves",
                "replicas_waiting_psync",
                "master_failover_state",
                "master_replid",
                "master_replid2",
                "master_repl_offset",
                "second_repl_offset",
                "repl_backlog_active",
                "repl_backlog_size",
                "repl_backlog_first_byte_offset",
                "repl_backlog_histlen",
                "repl_backlog_aof_active",
                "repl_backlog_aof_first_byte_offset",
                "repl_backlog_aof_bytes",
                "repl_backlog_aof_syncs",
                "repl_backlog_aof_read_bytes",
                "repl_backlog_aof_errors",
                "repl_spill_bytes",
                "repl_spill_written_bytes",
                "repl_spill_errors",
                "repl_sync_dropped_replicas",
                "repl_sync_transfers",
                "repl_sync_guard",
            ]
        );
        assert!(reply.contains(
            "role:slave\r\nmaster_host:10.0.0.9\r\nmaster_port:7000\r\nmaster_link_status:down\r\n"
        ));
        assert!(reply.contains("master_last_io_seconds_ago:-1\r\n"), "{reply}");
        assert!(
            reply.contains("slave_priority:100\r\nslave_read_only:1\r\nreplica_announced:1\r\n"),
            "{reply}"
        );
    }

    #[test]
    fn commands_errors_and_keys_are_counted() {
        let mut node = Fixture::new();
        node.run(&["SET", "a", "b"]);
        node.run(&["SET", "c", "d", "EX", "100"]);
        node.run(&["CLIENT", "ID"]);
        node.run(&["INCR", "a"]);
        node.run(&["GET"]);
        let reply = node.run(&["INFO", "commandstats", "errorstats", "keyspace", "stats"]);
        assert!(reply.contains("\r\ncmdstat_set:calls=2,usec="), "{reply}");
        assert!(reply.contains("\r\ncmdstat_client|id:calls=1,"), "{reply}");
        assert!(reply.contains(
            "\r\ncmdstat_get:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0\r\n"
        ));
        assert!(
            reply.lines().any(|line| line.starts_with("cmdstat_incr:") && line.ends_with("failed_calls=1"))
        );
        assert!(reply.contains("\r\nerrorstat_ERR:count=2\r\n"), "{reply}");
        assert!(reply.contains("\r\ntotal_error_replies:2\r\n"), "{reply}");
        assert!(reply.contains("\r\ndb0:keys=2,expires=1,avg_ttl="), "{reply}");
        node.run(&["CONFIG", "RESETSTAT"]);
        let reply = node.run(&["INFO", "commandstats", "errorstats"]);
        assert!(!reply.contains("cmdstat_set") && !reply.contains("errorstat_"), "{reply}");
    }

    #[test]
    fn bytes_for_people() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (916_472, "894.99K"),
            (25_276_514_304, "23.54G"),
            (u64::MAX, "16384.00P"),
        ] {
            assert_eq!(HumanBytes(bytes).to_string(), text);
        }
    }
}
