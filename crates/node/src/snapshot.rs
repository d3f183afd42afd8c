//! Between the keyspace and the RDB codec: a frozen view becomes bytes, bytes become a dataset.
//!
//! Neither side does I/O. The driver runs a [`SnapshotWriter`] or a [`SnapshotLoader`] on a thread of its own and moves
//! the bytes; the simulator runs them in place.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use backlog::{MAX_ANCESTORS, Offset, PastHistory, ReplicationId};
use commands::transfer::{BadValue, Loader, needs_field_expiry, write_entry};
use keyspace::{FrozenKeyspace, Keyspace, Limits, SetExpiry, Value};
use rdb::{Event, ReadOptions, Reader, WriteOptions, Writer};

use crate::action::{LoadError, SaveReport};
use crate::load_batch::{MAX_STRING, StringBatch};
use crate::replication::guard::SyncGuard;

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
}

/// How a snapshot is encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotOptions {
    /// `rdbcompression`.
    pub compress: bool,
    /// `rdbchecksum`.
    pub checksum: bool,
    /// RDB version. Not kept to if it can't hold the data: hashes whose fields expire are written in Valkey's own.
    pub version: u32,
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
}

impl SnapshotWriter {
    /// A writer for `view`; `progress` counts the keys written.
    pub fn new(
        view: FrozenKeyspace,
        header: SnapshotHeader,
        options: SnapshotOptions,
        progress: Arc<AtomicU64>,
    ) -> SnapshotWriter {
        SnapshotWriter { view, header, options, progress }
    }

    /// Encodes everything and hands it to `sink` in chunks with the number of keys in each. Ends early, with `None`, when
    /// the sink answers `false`.
    pub fn run(self, sink: &mut dyn FnMut(Vec<u8>, u64) -> bool) -> Option<SaveReport> {
        let mut writer = Writer::new(self.write_options());
        writer.header();
        self.aux_fields(&mut writer);
        for code in self.header.functions.iter() {
            writer.function(code);
        }
        let chunk_bytes = if self.options.key_delay_us > 0 { 1 } else { CHUNK_BYTES };
        let (mut bytes, mut keys, mut in_chunk) = (0u64, 0u64, 0u64);
        for index in 0..self.view.databases() {
            let db = self.view.db(index);
            if db.is_empty() {
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
        let SnapshotOptions { compress, checksum, version, .. } = self.options;
        let wanted = WriteOptions { version, compress, checksum, ..WriteOptions::ANY };
        if !wanted.holds_field_expiry() && needs_field_expiry(&self.view) {
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
        writer.aux(b"aof-base", b"0");
    }
}

fn decimal(n: u64) -> String {
    n.to_string()
}

/// Builds a dataset out of the bytes of a snapshot, in pieces of any size.
pub struct SnapshotLoader {
    reader: Reader,
    options: LoadOptions,
    keyspace: Keyspace,
    functions: Vec<Vec<u8>>,
    db: usize,
    identity: IdentityFields,
    values: Loader,
    /// Strings that are not in the database yet.
    strings: StringBatch,
    /// The key whose value comes in parts.
    key: Vec<u8>,
    /// What becomes of that value.
    fate: Fate,
    /// What comes belongs to a module, not to a key.
    in_module_aux: bool,
    keys: u64,
    expired: u64,
    empty: u64,
}

/// What becomes of a value that comes in parts.
#[derive(Clone, Copy)]
enum Fate {
    /// It is kept, with this expiry.
    Keep(Option<u64>),
    /// Its time is over.
    Drop,
}

#[derive(Default)]
struct IdentityFields {
    id: Option<ReplicationId>,
    offset: Option<u64>,
    stream_db: usize,
    ancestors: Vec<PastHistory>,
}

impl IdentityFields {
    fn get(&self) -> Option<SnapshotIdentity> {
        Some(SnapshotIdentity { id: self.id?, offset: Offset(self.offset?), stream_db: self.stream_db })
    }

    fn read(&mut self, key: &[u8], value: &[u8]) {
        let text = std::str::from_utf8(value).unwrap_or_default();
        match key {
            b"repl-id" => self.id = text.parse().ok(),
            b"repl-offset" => self.offset = text.parse().ok(),
            b"repl-lineage" => {
                self.ancestors =
                    text.split(',').take(MAX_ANCESTORS).map_while(|item| item.parse().ok()).collect();
            }
            b"repl-stream-db" => self.stream_db = text.parse().unwrap_or(0),
            _ => {}
        }
    }
}

impl SnapshotLoader {
    /// A loader with an empty dataset.
    pub fn new(options: LoadOptions) -> SnapshotLoader {
        let read = ReadOptions {
            verify_checksum: options.verify_checksum,
            newer_versions: options.newer_versions,
            ..ReadOptions::default()
        };
        let mut keyspace = Keyspace::new(options.databases, options.seed);
        keyspace.set_initial_access(options.access);
        let values = Loader::new(options.limits.clone(), keyspace.db(0).value_hasher().clone());
        SnapshotLoader {
            reader: Reader::new(read),
            keyspace,
            functions: Vec::new(),
            options,
            db: 0,
            identity: IdentityFields::default(),
            values,
            strings: StringBatch::default(),
            key: Vec::new(),
            fate: Fate::Drop,
            in_module_aux: false,
            keys: 0,
            expired: 0,
            empty: 0,
        }
    }

    /// Takes the next bytes in.
    ///
    /// # Errors
    ///
    /// [`LoadError::Corrupt`] when the bytes are no snapshot, or one that this node cannot hold.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        self.reader.feed(bytes);
        while let Some(event) = self.reader.next().map_err(damage)? {
            match event {
                Event::Aux { key, value } => self.identity.read(key, value),
                Event::Function(code) => self.functions.push(code.to_vec()),
                Event::SelectDb(index) => {
                    if index >= self.options.databases as u64 {
                        return Err(LoadError::Corrupt(format!(
                            "database number {index} is out of range: this instance has {} databases",
                            self.options.databases
                        )));
                    }
                    // Those gathered so far belong to the database before.
                    insert_strings(&mut self.strings, &mut self.keyspace, self.db)?;
                    self.db = index as usize;
                    // What the snapshot says of itself has come by now.
                    let drop_before = self.options.drop_expired_before;
                    self.values.drop_expired_fields(drop_before.filter(|_| self.identity.get().is_none()));
                }
                Event::Entry { key, expiry_ms, value, .. } => {
                    if is_dead(&self.options, &self.identity, expiry_ms) {
                        self.expired += 1;
                        continue;
                    }
                    if let rdb::Value::String(text) = value {
                        let expiry = expiry_ms.map_or(SetExpiry::Clear, SetExpiry::At);
                        self.keys += 1;
                        if text.len() <= MAX_STRING {
                            self.strings.push(key, text, expiry);
                            if self.strings.is_full() {
                                insert_strings(&mut self.strings, &mut self.keyspace, self.db)?;
                            }
                        } else if self.keyspace.db_mut(self.db).set_str(key, text, expiry) {
                            return Err(twice(key));
                        }
                        continue;
                    }
                    match self.values.whole(value).map_err(|error| bad_value(key, error))? {
                        Some(value) => {
                            insert(&mut self.keyspace, self.db, key, value, expiry_ms)?;
                            self.keys += 1;
                        }
                        None => skip_empty(&mut self.empty, key),
                    }
                }
                Event::Begin { key, expiry_ms, kind, len, .. } => {
                    self.key.clear();
                    self.key.extend_from_slice(key);
                    self.fate = if is_dead(&self.options, &self.identity, expiry_ms) {
                        self.expired += 1;
                        Fate::Drop
                    } else {
                        self.values.begin(kind, len);
                        Fate::Keep(expiry_ms)
                    };
                }
                Event::EndOfKey => {
                    let Fate::Keep(expiry_ms) = self.fate else { continue };
                    match self.values.end().map_err(|error| bad_value(&self.key, error))? {
                        Some(value) => {
                            insert(&mut self.keyspace, self.db, &self.key, value, expiry_ms)?;
                            self.keys += 1;
                        }
                        None => skip_empty(&mut self.empty, &self.key),
                    }
                }
                Event::Module(module) => {
                    return Err(LoadError::Corrupt(format!(
                        "the key {:?} holds a value of the module type {module}, which is not supported",
                        String::from_utf8_lossy(&self.key)
                    )));
                }
                Event::SlotImport { .. } => {
                    return Err(LoadError::Corrupt(
                        "it is of a cluster's node in the midst of an import of slots".to_owned(),
                    ));
                }
                // Data of modules, which nobody here misses, and hints.
                Event::ModuleAux { .. } => self.in_module_aux = true,
                Event::EndOfModuleAux => self.in_module_aux = false,
                Event::Header { .. }
                | Event::Resize { .. }
                | Event::SlotInfo { .. }
                | Event::KeyMeta { .. }
                | Event::End { .. } => {}
                Event::ModulePart(_) if self.in_module_aux => {}
                event => {
                    if let Fate::Keep(_) = self.fate {
                        self.values.element(event).map_err(|error| bad_value(&self.key, error))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Keys loaded so far.
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// The dataset, once the last byte has been taken in.
    ///
    /// # Errors
    ///
    /// [`LoadError::Corrupt`] when the snapshot is not at its end.
    pub fn finish(mut self) -> Result<Box<Loaded>, LoadError> {
        if !self.reader.is_finished() {
            return Err(LoadError::Corrupt(format!(
                "unexpected end of file at byte {}",
                self.reader.position()
            )));
        }
        insert_strings(&mut self.strings, &mut self.keyspace, self.db)?;
        if let Some(guard) = &self.options.guard
            && guard.refuses(self.keys, &self.identity.ancestors)
        {
            return Err(LoadError::Refused { keys: self.keys });
        }
        Ok(Box::new(Loaded {
            identity: self.identity.get(),
            ancestors: self.identity.ancestors,
            bytes: self.reader.position(),
            keyspace: self.keyspace,
            functions: self.functions,
            keys: self.keys,
            expired: self.expired,
            empty: self.empty,
        }))
    }
}

/// What is wrong with a snapshot, in words that operators look for in logs.
fn damage(error: rdb::Error) -> LoadError {
    LoadError::Corrupt(match error {
        rdb::Error::ChecksumMismatch { .. } => format!("CRC error: {error}"),
        rdb::Error::UnsupportedVersion { version, .. } => {
            format!("Can't handle RDB format version {version}: {error}")
        }
        _ => commands::transfer::damage_of(error),
    })
}

/// So many keys without elements are told of one by one.
const EMPTY_KEYS_LOGGED: u64 = 10;

fn skip_empty(count: &mut u64, key: &[u8]) {
    *count += 1;
    if *count <= EMPTY_KEYS_LOGGED {
        tracing::info!(
            "The snapshot has a collection without elements; skipping empty key: {}",
            key.escape_ascii()
        );
    }
}

/// Whether a key has expired and nobody waits for its DEL.
fn is_dead(options: &LoadOptions, identity: &IdentityFields, expiry_ms: Option<u64>) -> bool {
    match (options.drop_expired_before, expiry_ms) {
        (Some(now), Some(at)) => at <= now && identity.get().is_none(),
        _ => false,
    }
}

fn insert_strings(strings: &mut StringBatch, keyspace: &mut Keyspace, db: usize) -> Result<(), LoadError> {
    if strings.is_empty() {
        return Ok(());
    }
    strings.insert(keyspace.db_mut(db)).map_err(|key| twice(&key))
}

fn insert(
    keyspace: &mut Keyspace,
    db: usize,
    key: &[u8],
    value: Value,
    expiry: Option<u64>,
) -> Result<(), LoadError> {
    match keyspace.db_mut(db).insert(key, value, expiry) {
        None => Ok(()),
        Some(_) => Err(twice(key)),
    }
}

#[cold]
fn twice(key: &[u8]) -> LoadError {
    LoadError::Corrupt(format!("the key {} occurs twice", String::from_utf8_lossy(key)))
}

#[cold]
fn bad_value(key: &[u8], error: BadValue) -> LoadError {
    LoadError::Corrupt(format!("the value of the key {} is damaged: {error}", String::from_utf8_lossy(key)))
}
