//! Between the keyspace and the RDB codec: a frozen view becomes bytes, bytes become a dataset.
//!
//! Neither side does I/O. The driver runs a [`SnapshotWriter`] or a [`SnapshotLoader`] on a thread of its own and moves
//! the bytes; the simulator runs them in place.

mod batch;
mod commands;
mod crew;
mod dataset;
mod loader;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::commands::transfer::{needs_field_expiry, write_entry};
use backlog::{Offset, PastHistory, ReplicationId};
use keyspace::{FrozenKeyspace, Keyspace, Limits};
pub use psync::master::{SnapshotFilter, SnapshotForm};
use rdb::{Flavor, WriteOptions, Writer};

use crate::action::SaveReport;
use crate::replication::guard::SyncGuard;

pub use crew::Crew;
pub use loader::SnapshotLoader;

/// The replication identity that a snapshot carries: which history it belongs to, up to where, and which database the
/// stream had selected there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotIdentity {
    /// The history.
    pub id: ReplicationId,
    /// Bytes of it that the data contains.
    pub offset: Offset,
    /// The database selected in the stream at that point.
    pub stream_db: usize,
}

/// What a snapshot says about itself in its auxiliary fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotHeader {
    /// Creation time, seconds since the Unix epoch.
    pub created_unix_s: u64,
    /// Memory used by the instance.
    pub used_memory: u64,
    /// The texts of the function libraries.
    pub functions: Arc<[Box<[u8]>]>,
    /// The history, where there is one.
    pub identity: Option<SnapshotIdentity>,
    /// The names that its beginning had before, newest first.
    pub ancestors: Vec<PastHistory>,
    /// It is the base of an append only file.
    pub aof_base: bool,
}

/// How a snapshot is encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotOptions {
    /// `rdbcompression`.
    pub compress: bool,
    /// `rdbchecksum`.
    pub checksum: bool,
    /// The form.
    pub form: SnapshotForm,
    /// Whether it is kept to even if it leaves out when fields of hashes expire. If not, what has such fields is written in
    /// Valkey's own.
    pub lossy: bool,
    /// Which part of the data is written.
    pub contents: SnapshotFilter,
    /// As commands that make the dataset: an append only file without a preamble.
    pub commands: bool,
    /// `rdb-key-save-delay`: microseconds to wait after each key, for tests of others. The writer then hands over small
    /// chunks; whoever runs it waits.
    pub key_delay_us: u64,
}

/// How a dataset is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadOptions {
    /// Number of databases.
    pub databases: usize,
    /// Seed of the tables' hash.
    pub seed: u64,
    /// Whether the checksum at the end must fit.
    pub verify_checksum: bool,
    /// Whether versions beyond those known are read (`rdb-version-check relaxed`).
    pub newer_versions: bool,
    /// Drop keys and fields that expired before this time (milliseconds since the Unix epoch), unless the snapshot carries a replication
    /// identity: replicas that resume from it still hold those keys and wait for a DEL of each.
    pub drop_expired_before: Option<u64>,
    /// The access word of the keys, for recency or frequency: as if they had all been written now.
    pub access: u32,
    /// The limits up to which collections get their small forms.
    pub limits: Limits,
    /// What a dataset that comes from a master has to be held against before it may take the place of the present one.
    pub guard: Option<SyncGuard>,
    /// `key-load-delay`: microseconds to wait after each key, for tests of others.
    pub key_delay_us: u64,
}

/// A dataset as it came out of a snapshot.
pub struct Loaded {
    /// The data.
    pub keyspace: Keyspace,
    /// The texts of its function libraries.
    pub functions: Vec<Vec<u8>>,
    /// Its history, if the snapshot named one.
    pub identity: Option<SnapshotIdentity>,
    /// The names that the beginning of the history had before, if the snapshot named any.
    pub ancestors: Vec<PastHistory>,
    /// When it was made, in seconds since the Unix epoch, if it says so.
    pub created_unix_s: Option<u64>,
    /// Keys loaded.
    pub keys: u64,
    /// Keys left out because they had expired.
    pub expired: u64,
    /// Keys left out because their collections have no elements.
    pub empty: u64,
    /// Bytes read.
    pub bytes: u64,
}

/// A chunk is handed over once it has grown to this size.
const CHUNK_BYTES: usize = 64 * 1024;

/// Serialises a frozen view.
pub struct SnapshotWriter {
    view: FrozenKeyspace,
    header: SnapshotHeader,
    options: SnapshotOptions,
    progress: Arc<AtomicU64>,
    skip: u64,
}

impl SnapshotWriter {
    /// A writer for `view`; `progress` counts the keys written.
    pub fn new(
        view: FrozenKeyspace,
        header: SnapshotHeader,
        options: SnapshotOptions,
        progress: Arc<AtomicU64>,
    ) -> SnapshotWriter {
        SnapshotWriter { view, header, options, progress, skip: 0 }
    }

    /// Leaves out so many bytes at the beginning: somebody has them already. The same view is encoded to the same bytes each time.
    #[must_use]
    pub fn skipping(mut self, bytes: u64) -> SnapshotWriter {
        self.skip = bytes;
        self
    }

    /// Encodes everything and hands it to `sink` in chunks with the number of keys in each. Ends early, with `None`, when
    /// the sink answers `false`. Of a chunk that is left out the sink is given nothing but the number of keys.
    pub fn run(self, sink: &mut dyn FnMut(Vec<u8>, u64) -> bool) -> Option<SaveReport> {
        if self.options.commands {
            return commands::run(self, sink);
        }
        let mut left = self.skip;
        if left == 0 {
            return self.encode(sink);
        }
        self.encode(&mut |mut chunk, keys| {
            let skipped = usize::try_from(left).map_or(chunk.len(), |left| left.min(chunk.len()));
            left -= skipped as u64;
            if skipped > 0 {
                chunk.drain(..skipped);
            }
            sink(chunk, keys)
        })
    }

    fn encode(self, sink: &mut dyn FnMut(Vec<u8>, u64) -> bool) -> Option<SaveReport> {
        let mut writer = Writer::new(self.write_options());
        writer.header();
        self.aux_fields(&mut writer);
        if self.options.contents != SnapshotFilter::Nothing {
            for code in self.header.functions.iter() {
                writer.function(code);
            }
        }
        let chunk_bytes = if self.options.key_delay_us > 0 { 1 } else { CHUNK_BYTES };
        let (mut bytes, mut keys, mut in_chunk) = (0u64, 0u64, 0u64);
        let everything = self.options.contents == SnapshotFilter::Everything;
        for index in 0..self.view.databases() {
            let db = self.view.db(index);
            if db.is_empty() || !everything {
                continue;
            }
            writer.select_db(index as u64);
            writer.resize(db.len() as u64, db.expires() as u64);
            for entry in db.iter() {
                // A large value is handed over in pieces; the key counts with the last of them.
                let whole = write_entry(&mut writer, &entry, CHUNK_BYTES, &mut |writer| {
                    let chunk = writer.take();
                    bytes += chunk.len() as u64;
                    keys += in_chunk;
                    sink(chunk, std::mem::take(&mut in_chunk))
                });
                if !whole {
                    return None;
                }
                in_chunk += 1;
                if writer.pending() >= chunk_bytes {
                    keys += in_chunk;
                    self.progress.store(keys, Ordering::Relaxed);
                    let chunk = writer.take();
                    bytes += chunk.len() as u64;
                    if !sink(chunk, std::mem::take(&mut in_chunk)) {
                        return None;
                    }
                }
            }
        }
        writer.finish();
        keys += in_chunk;
        self.progress.store(keys, Ordering::Relaxed);
        let chunk = writer.take();
        bytes += chunk.len() as u64;
        sink(chunk, in_chunk).then_some(SaveReport { bytes, keys })
    }

    fn write_options(&self) -> WriteOptions {
        let SnapshotOptions { compress, checksum, form, lossy, .. } = self.options;
        let (flavor, version) = match form {
            SnapshotForm::Redis10 => (Flavor::Redis, 10),
            SnapshotForm::Redis11 => (Flavor::Redis, 11),
            SnapshotForm::Redis12 => (Flavor::Redis, 12),
            SnapshotForm::Valkey80 => (Flavor::Valkey, 80),
        };
        let wanted = WriteOptions { flavor, version, compress, checksum, ..WriteOptions::ANY };
        if !lossy && !wanted.holds_field_expiry() && needs_field_expiry(&self.view) {
            WriteOptions { compress, checksum, ..WriteOptions::VALKEY }
        } else {
            wanted
        }
    }

    fn aux_fields(&self, writer: &mut Writer) {
        writer.aux(b"redis-ver", crate::REDIS_VERSION.as_bytes());
        writer.aux(b"redis-bits", b"64");
        writer.aux(b"ctime", decimal(self.header.created_unix_s).as_bytes());
        writer.aux(b"used-mem", decimal(self.header.used_memory).as_bytes());
        if let Some(identity) = &self.header.identity {
            writer.aux(b"repl-stream-db", decimal(identity.stream_db as u64).as_bytes());
            writer.aux(b"repl-id", identity.id.to_string().as_bytes());
            writer.aux(b"repl-offset", decimal(identity.offset.0).as_bytes());
            if !self.header.ancestors.is_empty() {
                let names: Vec<String> = self.header.ancestors.iter().map(PastHistory::to_string).collect();
                writer.aux(b"repl-lineage", names.join(",").as_bytes());
            }
        }
        writer.aux(b"aof-base", if self.header.aof_base { b"1" } else { b"0" });
    }
}

fn decimal(n: u64) -> String {
    n.to_string()
}
