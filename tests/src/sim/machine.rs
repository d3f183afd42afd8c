//! One machine: an instance or none, its disk, its connections and its jobs.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use bytes::Bytes;
use node::snapshot::SnapshotLoader;
use node::{ConnId, JobId, Node, SaveReport};

use super::disk::Disk;

/// A streamed snapshot or file on its way to the instance, chunk by chunk.
pub struct Feed {
    pub chunks: VecDeque<Bytes>,
    pub credit: u32,
    /// What is said after the last chunk: a report for a snapshot, the length for a file.
    pub end: FeedEnd,
}

pub enum FeedEnd {
    Saved(SaveReport),
    FileSent(u64),
}

/// A dataset that is being built from a stream.
pub struct StreamLoad {
    pub loader: SnapshotLoader,
    pub keep: Option<PathBuf>,
    pub bytes: Vec<u8>,
    pub failed: Option<String>,
}

/// Some of a log that is kept on the disk for as long as the process lives.
#[derive(Default)]
pub struct SpillFile {
    /// By position.
    pub pieces: BTreeMap<u64, Vec<u8>>,
    /// The disk does one thing after the other.
    pub not_before: u64,
    pub failed: bool,
}

#[derive(Default)]
pub struct Machine {
    pub node: Option<Node>,
    /// Counts the machine's lives: what was meant for an earlier one does not reach a later one.
    pub epoch: u64,
    pub disk: Disk,
    /// Pipe and side of each connection. Sorted, like everything here: what a run does must not depend on the order that a hash gives.
    pub conns: BTreeMap<ConnId, (usize, usize)>,
    pub feeds: BTreeMap<JobId, Feed>,
    pub loads: BTreeMap<JobId, StreamLoad>,
    pub spills: BTreeMap<JobId, SpillFile>,
    /// Jobs whose result is on its way.
    pub pending: BTreeMap<JobId, ()>,
    pub aof: super::aof::Writer,
    pub readings: super::reach::Readings,
    pub options: Vec<String>,
    /// When the instance wants to be called next.
    pub tick_at: u64,
    /// The process has been started, and nobody has looked at what it has loaded.
    pub starts: bool,
    /// Since then its append only file counts.
    pub covered_since_us: Option<u64>,
}

impl Machine {
    /// The process is gone: whatever it had under way is gone with it.
    pub fn forget_process(&mut self) {
        self.node = None;
        self.covered_since_us = None;
        self.epoch += 1;
        self.conns.clear();
        self.feeds.clear();
        self.loads.clear();
        self.spills.clear();
        self.pending.clear();
        self.aof = Default::default();
        self.readings = Default::default();
    }

    /// What the rest of the world calls it.
    pub fn address(index: usize) -> String {
        format!("10.0.0.{}", index + 1)
    }

    /// The inverse of [`Machine::address`].
    pub fn index(address: &str) -> Option<usize> {
        address.strip_prefix("10.0.0.")?.parse::<usize>().ok()?.checked_sub(1)
    }
}
