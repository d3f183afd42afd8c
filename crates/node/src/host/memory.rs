//! MEMORY: what the instance knows of its memory. MEMORY USAGE is a command over data and stands among those.

use resp::{Args, ReplyBuf};

use super::client::line;
use crate::node::Node;
use crate::session::Session;

/// Below this there is nothing to diagnose.
const SMALL_BYTES: u64 = 5 * 1024 * 1024;

/// Memory that is not the data itself.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Overhead {
    /// The log: what is kept for replicas that come back, and what the attached ones have not got yet.
    pub log: u64,
    /// Clients with their buffers.
    pub clients: u64,
    /// Replicas with theirs, the log apart.
    pub replicas: u64,
    /// The tables of the databases.
    pub tables: u64,
}

impl Overhead {
    /// All of it.
    pub fn total(self) -> u64 {
        self.log + self.clients + self.replicas + self.tables
    }
}

impl Node {
    /// Adds up what is not data; `asking` is the session in use.
    pub(crate) fn overhead(&self, asking: &Session) -> Overhead {
        let mut overhead = Overhead { log: self.replication.log.memory() as u64, ..Overhead::default() };
        for session in self.sessions().chain(std::iter::once(asking)) {
            let bytes = line::memory(session) as u64;
            if session.is_replica() {
                let payload = session.replica.as_ref().map_or(0, |feed| feed.payload.len()) as u64;
                overhead.replicas += bytes + payload;
            } else {
                overhead.clients += bytes;
            }
        }
        for index in 0..self.keyspace.databases() {
            overhead.tables += self.keyspace.db(index).table_bytes() as u64;
        }
        overhead
    }
}

/// A quotient, 0 where there is nothing to divide by.
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A difference of two sizes.
pub(crate) fn difference(a: u64, b: u64) -> i64 {
    a as i64 - b as i64
}

struct Map<'a> {
    out: &'a mut ReplyBuf,
    entries: usize,
}

impl Map<'_> {
    fn int(&mut self, name: &str, value: u64) {
        self.signed(name, value as i64);
    }

    fn signed(&mut self, name: &str, value: i64) {
        self.out.bulk(name.as_bytes());
        self.out.int(value);
        self.entries += 1;
    }

    fn double(&mut self, name: &str, value: f64) {
        self.out.bulk(name.as_bytes());
        self.out.double(value);
        self.entries += 1;
    }
}

/// MEMORY STATS
pub(crate) fn stats(node: &mut Node, session: &mut Session, _: Args<'_>) {
    let overhead = node.overhead(session);
    let memory = node.memory;
    let (used, peak) = (node.used_memory(), node.peak_memory());
    let keys = node.keyspace.total_keys() as u64;
    let dataset = used.saturating_sub(overhead.total());
    let mark = session.reply.deferred_len();
    let mut map = Map { out: &mut session.reply, entries: 0 };
    map.int("peak.allocated", peak);
    map.int("total.allocated", used);
    map.int("startup.allocated", node.stats.startup_memory);
    map.int("replication.backlog", overhead.log);
    map.int("clients.slaves", overhead.replicas + node.unsent_log());
    map.int("clients.normal", overhead.clients);
    map.int("cluster.links", 0);
    map.int("aof.buffer", 0);
    map.int("lua.caches", 0);
    map.int("functions.caches", 0);
    for index in 0..node.keyspace.databases() {
        let db = node.keyspace.db(index);
        if !db.is_empty() {
            map.out.bulk(format!("db.{index}").as_bytes());
            map.out.map(1);
            map.out.bulk(b"overhead.hashtable.main");
            map.out.int(db.table_bytes() as i64);
            map.entries += 1;
        }
    }
    map.int("overhead.total", overhead.total());
    map.int("keys.count", keys);
    map.int("keys.bytes-per-key", used.checked_div(keys).unwrap_or(0));
    map.int("dataset.bytes", dataset);
    map.double("dataset.percentage", 100.0 * ratio(dataset, used));
    map.double("peak.percentage", 100.0 * ratio(used, peak));
    map.int("allocator.allocated", used);
    map.int("allocator.active", memory.active);
    map.int("allocator.resident", memory.resident);
    map.double("allocator-fragmentation.ratio", ratio(memory.active, used));
    map.signed("allocator-fragmentation.bytes", difference(memory.active, used));
    map.double("allocator-rss.ratio", ratio(memory.resident, memory.active));
    map.signed("allocator-rss.bytes", difference(memory.resident, memory.active));
    map.double("rss-overhead.ratio", ratio(memory.rss, memory.resident));
    map.signed("rss-overhead.bytes", difference(memory.rss, memory.resident));
    map.double("fragmentation", ratio(memory.rss, used));
    map.signed("fragmentation.bytes", difference(memory.rss, used));
    let entries = map.entries;
    session.reply.set_map_len(mark, entries);
}

/// MEMORY DOCTOR
pub(crate) fn doctor(node: &mut Node, session: &mut Session, _: Args<'_>) {
    let text = diagnosis(node, session);
    session.reply.verbatim("txt", text.as_bytes());
}

fn diagnosis(node: &Node, session: &Session) -> String {
    let memory = node.memory;
    let used = node.used_memory();
    if used < SMALL_BYTES {
        return "This instance is empty or uses very little memory: there is nothing to diagnose.".to_owned();
    }
    let overhead = node.overhead(session);
    let clients = node.clients.max(1) as u64;
    let findings = [
        (
            ratio(node.peak_memory(), used) > 1.5,
            "Peak: the peak was more than half as large again as the memory used now. The allocator may keep pages of that time, \
             which will be used before new ones are asked for.",
        ),
        (
            ratio(memory.rss, used) > 1.4,
            "Fragmentation: the process occupies more than 1.4 times the memory it uses.",
        ),
        (
            overhead.clients / clients > 200 * 1024,
            "Clients: their buffers take more than 200 KiB each on the average. A client may be slow to read its replies, or send \
             very large requests.",
        ),
        (
            overhead.log > node.config.settings().repl_backlog_size.saturating_mul(2)
                && overhead.log > SMALL_BYTES,
            "Replicas: the log is more than twice as large as repl-backlog-size, because a replica is slow to take the stream.",
        ),
    ];
    let found: Vec<&str> = findings.iter().filter(|(applies, _)| *applies).map(|(_, text)| *text).collect();
    if found.is_empty() {
        "No memory issues were found in this instance.".to_owned()
    } else {
        found.join("\n\n")
    }
}

/// MEMORY MALLOC-STATS: the allocator belongs to the program around the instance.
pub(crate) fn malloc_stats(node: &mut Node, session: &mut Session, _: Args<'_>) {
    match (node.boot.allocator_report)() {
        Some(report) => session.reply.verbatim("txt", report.as_bytes()),
        None => session.reply.bulk(b"Stats not supported for the current allocator"),
    }
}

/// MEMORY PURGE: the allocator gives unused pages back by itself, after a while. This has it do so now, on another thread.
pub(crate) fn purge(node: &mut Node, session: &mut Session, _: Args<'_>) {
    node.actions.push(crate::Action::Purge);
    session.reply.ok();
}

#[cfg(test)]
mod usage_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{CpuReading, MemoryReading};
    use crate::testing::Fixture;

    #[test]
    fn stats_are_a_map_of_what_is_known() {
        let mut node = Fixture::new();
        let reading = MemoryReading { used: 50 << 20, rss: 100 << 20, ..MemoryReading::default() };
        node.node.set_readings(reading, CpuReading::default());
        node.run(&["SET", "a", "b"]);
        let reply = node.run(&["MEMORY", "STATS"]);
        assert!(reply.contains("$15\r\ntotal.allocated\r\n:52428800\r\n"), "{reply}");
        assert!(reply.contains("$10\r\nkeys.count\r\n:1\r\n"), "{reply}");
        assert!(reply.contains("$4\r\ndb.0\r\n*2\r\n"), "{reply}");
        assert!(reply.contains("$13\r\nfragmentation\r\n$1\r\n2\r\n"), "{reply}");
        // A map of 28 entries with one database; two words each in the old protocol.
        assert!(reply.starts_with("*56\r\n"), "{reply}");
    }

    #[test]
    fn the_doctor_speaks_of_what_it_sees() {
        let mut node = Fixture::new();
        assert!(node.run(&["MEMORY", "DOCTOR"]).contains("nothing to diagnose"));
        let reading = MemoryReading { used: 50 << 20, rss: 51 << 20, ..MemoryReading::default() };
        node.node.set_readings(reading, CpuReading::default());
        assert!(node.run(&["MEMORY", "DOCTOR"]).contains("No memory issues"));
        node.node.set_readings(MemoryReading { rss: 100 << 20, ..reading }, CpuReading::default());
        let reply = node.run(&["MEMORY", "DOCTOR"]);
        assert!(reply.contains("Fragmentation") && !reply.contains("Peak"), "{reply}");
    }

    #[test]
    fn ratios_of_nothing_are_zero() {
        assert_eq!(ratio(1, 0), 0.0);
        assert_eq!(ratio(1, 4), 0.25);
        assert_eq!(difference(1, 3), -2);
    }
}
