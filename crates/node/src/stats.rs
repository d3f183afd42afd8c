//! Counters behind INFO.

use std::collections::BTreeMap;

use crate::event_loop::LoopStats;
use crate::latency::Histogram;

/// What one command has cost so far.
#[derive(Clone, Copy, Default)]
pub(crate) struct CommandStats {
    pub calls: u64,
    pub nanos: u64,
    pub rejected: u64,
    pub failed: u64,
}

/// What the driver knows of the process's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryReading {
    /// Bytes that the program has allocated and not freed.
    pub used: u64,
    /// Bytes resident in memory.
    pub rss: u64,
    /// Bytes in pages that the allocator uses.
    pub active: u64,
    /// Bytes resident for the allocator.
    pub resident: u64,
    /// Bytes of the whole machine.
    pub total_system: u64,
}

/// Processor time of the process, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuReading {
    /// In the kernel.
    pub system_us: u64,
    /// In the program.
    pub user_us: u64,
    /// In the kernel, engine thread alone.
    pub main_system_us: u64,
    /// In the program, engine thread alone.
    pub main_user_us: u64,
}

/// How many samples the instantaneous rates are averaged over.
const RATE_SAMPLES: usize = 16;

/// A rate per second, averaged over the last samples.
#[derive(Default)]
pub(crate) struct Rate {
    samples: [u64; RATE_SAMPLES],
    next: usize,
    last_count: u64,
    last_us: u64,
}

impl Rate {
    /// Takes the running total at a moment.
    pub fn sample(&mut self, count: u64, mono_us: u64) {
        let elapsed = mono_us.saturating_sub(self.last_us);
        if self.last_us > 0 && elapsed > 0 {
            let events = count.saturating_sub(self.last_count);
            self.samples[self.next] = events.saturating_mul(1_000_000) / elapsed;
            self.next = (self.next + 1) % RATE_SAMPLES;
        }
        self.last_count = count;
        self.last_us = mono_us;
    }

    pub fn per_second(&self) -> u64 {
        self.samples.iter().sum::<u64>() / RATE_SAMPLES as u64
    }
}

/// What an event takes on average, over the last samples.
#[derive(Default)]
pub(crate) struct Mean {
    samples: [u64; RATE_SAMPLES],
    next: usize,
    last_sum: u64,
    last_count: u64,
}

impl Mean {
    /// Takes the running totals: what all events have taken, and how many they were.
    pub fn sample(&mut self, sum: u64, count: u64) {
        if count > self.last_count {
            self.samples[self.next] = sum.saturating_sub(self.last_sum) / (count - self.last_count);
            self.next = (self.next + 1) % RATE_SAMPLES;
        }
        self.last_sum = sum;
        self.last_count = count;
    }

    pub fn per_event(&self) -> u64 {
        self.samples.iter().sum::<u64>() / RATE_SAMPLES as u64
    }
}

/// All counters that CONFIG RESETSTAT sets back, and a few that it leaves.
#[derive(Default)]
pub(crate) struct Stats {
    pub per_command: Vec<CommandStats>,
    /// The times of each command, once it has been called.
    times: Vec<Option<Box<Histogram>>>,
    pub errors: BTreeMap<String, u64>,
    pub connections_received: u64,
    pub connections_rejected: u64,
    pub commands: u64,
    pub net_in: u64,
    pub net_out: u64,
    pub net_repl_in: u64,
    pub net_repl_out: u64,
    pub expired: u64,
    pub expired_fields: u64,
    /// Commands of the master's stream that could not be applied.
    pub propagation_errors: u64,
    pub expired_time_cap: u64,
    pub evicted: u64,
    pub evicted_clients: u64,
    pub hits: u64,
    pub misses: u64,
    pub error_replies: u64,
    pub sync_full: u64,
    pub sync_partial_ok: u64,
    pub sync_partial_err: u64,
    /// Full synchronisations of this replica whose payload came over a connection of its own.
    pub syncs_beside: u64,
    pub forks: u64,
    pub obl_disconnections: u64,
    pub query_limit_disconnections: u64,
    pub reads: u64,
    pub writes: u64,
    pub peak_memory: u64,
    /// What was in use when the instance began.
    pub startup_memory: u64,
    pub last_freeze_us: u64,
    /// Logins that failed, and what users had no right to: commands, keys, channels, databases.
    pub denied_logins: u64,
    pub denied_commands: u64,
    pub denied_keys: u64,
    /// Certificates of clients that name no user.
    pub denied_certificates: u64,
    pub denied_channels: u64,
    pub denied_databases: u64,
    pub ops_rate: Rate,
    pub in_rate: Rate,
    pub out_rate: Rate,
    pub repl_in_rate: Rate,
    pub repl_out_rate: Rate,
    pub event_loop: LoopStats,
}

/// Error codes beyond this many different ones are not counted apart: clients can make codes up in scripts.
const MAX_ERROR_CODES: usize = 128;
/// Where they are counted instead.
const OVERFLOW: &str = "ERRORSTATS_OVERFLOW";
/// The codes of this server's own errors, which are always counted apart.
const OWN_CODES: &[&str] = &[
    "BUSY",
    "BUSYGROUP",
    "BUSYKEY",
    "ERR",
    "EXECABORT",
    "IOERR",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "NOAUTH",
    "NOGROUP",
    "NOPERM",
    "NOPROTO",
    "NOREPLICAS",
    "NOSCRIPT",
    "NOTBUSY",
    "OOM",
    "READONLY",
    "UNBLOCKED",
    "UNKILLABLE",
    "WRONGPASS",
    "WRONGTYPE",
];

impl Stats {
    pub fn sample(&mut self, mono_us: u64) {
        self.ops_rate.sample(self.commands, mono_us);
        self.in_rate.sample(self.net_in + self.net_repl_in, mono_us);
        self.out_rate.sample(self.net_out + self.net_repl_out, mono_us);
        self.repl_in_rate.sample(self.net_repl_in, mono_us);
        self.repl_out_rate.sample(self.net_repl_out, mono_us);
        self.event_loop.sample(mono_us);
    }

    pub fn for_commands(count: usize) -> Stats {
        let times = std::iter::repeat_with(|| None).take(count).collect();
        Stats { per_command: vec![CommandStats::default(); count], times, ..Stats::default() }
    }

    /// Counts the time of one call, by its bucket in the histogram.
    #[inline]
    pub fn record_time(&mut self, command: usize, bucket: usize) {
        self.times[command].get_or_insert_default().record(bucket);
    }

    /// The times of a command, if it was called.
    pub fn times_of(&self, command: usize) -> Option<&Histogram> {
        self.times[command].as_deref()
    }

    /// Counts an error reply; `text` begins with its code, after the `-`.
    pub fn error_reply(&mut self, text: &[u8]) {
        self.error_replies += 1;
        let code = text.split(|&byte| byte == b' ' || byte == b'\r').next().unwrap_or_default();
        let code = String::from_utf8_lossy(code).into_owned();
        if let Some(count) = self.errors.get_mut(&code) {
            *count += 1;
        } else if self.errors.len() < MAX_ERROR_CODES || OWN_CODES.contains(&code.as_str()) {
            self.errors.insert(code, 1);
        } else {
            *self.errors.entry(OVERFLOW.to_owned()).or_default() += 1;
        }
    }

    /// CONFIG RESETSTAT.
    pub fn reset(&mut self) {
        let commands = self.per_command.len();
        let (peak_memory, last_freeze_us) = (self.peak_memory, self.last_freeze_us);
        let startup_memory = self.startup_memory;
        *self = Stats { startup_memory, peak_memory, last_freeze_us, ..Stats::for_commands(commands) };
    }
}
