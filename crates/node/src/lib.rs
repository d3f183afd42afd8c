//! One whole Tandem instance without I/O.
//!
//! A [`Node`] holds everything that makes a server: sessions, commands, the keyspace, the log of effects with its readers,
//! replication in both roles, and the decisions about persistence. It owns no socket, file, thread or clock. Whoever drives
//! it tells it what happened (bytes came, a job ended, time passed) and carries out what it asks for ([`Action`]). The crate
//! `server` drives it with tokio; the simulator drives dozens of them in one thread, with virtual time.
//!
//! The order of calls in one round of a driver:
//!
//! 1. [`Node::accept`], [`Node::input`], [`Node::eof`], [`Node::complete`] for whatever has happened;
//! 2. [`Node::before_write`], once: the log is handed to its readers;
//! 3. [`Node::take_writable`], and for each connection [`Node::output`] and [`Node::written`];
//! 4. [`Node::take_actions`];
//! 5. [`Node::tick`] when [`Node::deadline`] is reached.
//!
//! ```
//! use node::{Boot, Node, Now, Peer};
//!
//! let config = config::load(&["--save".into(), "".into()], &config::NoFiles)?.config;
//! let now = Now { unix_us: 1_700_000_000_000_000, mono_us: 0 };
//! let mut node = Node::new(config, Boot::default(), now);
//! node.start_empty(now);
//! let client = node.accept(now, Peer { loopback: true, ..Peer::default() }).expect("there is room");
//! node.input(now, client, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n");
//! let mut reply = Default::default();
//! node.output(client, &mut reply);
//! assert_eq!(reply[0], b"+OK\r\n");
//! # Ok::<(), config::ConfigError>(())
//! ```
#![forbid(unsafe_code)]

mod access;
mod action;
mod ahead;
mod aof;
mod batch;
mod blocking;
mod client_memory;
mod commandlog;
mod connections;
mod event_loop;
mod eviction;
mod exec;
mod host;
mod latency;
mod lazyfree;
mod memory;
mod migrate;
mod node;
mod own_keys;
mod pause;
mod persistence;
mod pubsub;
mod redact;
mod redirect;
mod replication;
mod scripting;
mod session;
pub mod snapshot;
mod stats;
#[cfg(test)]
mod testing;
mod tick;
mod time;
mod tracking;
mod watch;

pub use backlog::{Offset, Piece};

pub use access::check_users;
pub use action::{
    Action, AofRead, AofStream, Completion, ConnId, JobId, LoadError, LoadJob, LoadProgress, LoadSource,
    SaveJob, SaveReport, SaveTarget,
};
pub use aof::load::{AofChunk, AofItem, AofSummary, Recovery};
pub use aof::{AofBatch, AofBegin, AofEvent, AofOpen, AofPiece, AofSwitch, AofWork, ManifestFile};
pub use node::{Boot, Node, Signal};
pub use persistence::dump_path;
pub use replication::held::held_path;
pub use session::Peer;
pub use stats::{CpuReading, MemoryReading};
pub use time::Now;

/// The version of Redis whose commands and replies this instance offers; clients choose their features by it.
pub const REDIS_VERSION: &str = "7.2.4";

/// The version of Valkey whose snapshots this instance reads. Its masters are told, and then send the expiry of a hash's fields; without it
/// a full synchronisation of a dataset that has any fails over and over.
pub const VALKEY_VERSION: &str = "9.1.0";

/// The version of Tandem.
pub const TANDEM_VERSION: &str = env!("CARGO_PKG_VERSION");
