//! From the bytes of a snapshot to a dataset.

use std::sync::Arc;

use backlog::{MAX_ANCESTORS, Offset, PastHistory, ReplicationId};
use commands::transfer::{BadValue, Loader, damage_of};
use keyspace::Keyspace;
use rdb::{Event, ReadOptions, Reader};

use super::crew::Crew;
use super::dataset::Dataset;
use super::{LoadOptions, Loaded, SnapshotIdentity};
use crate::action::LoadError;

/// Builds a dataset out of the bytes of a snapshot, in pieces of any size.
///
/// Alone it does so on the calling thread. Where there are processors to spare, other threads can [help](SnapshotLoader::crew): this
/// one then decodes, they build.
pub struct SnapshotLoader {
    reader: Reader,
    content: Content,
}

/// What has come of the bytes.
struct Content {
    options: LoadOptions,
    dataset: Dataset,
    functions: Vec<Vec<u8>>,
    aux: AuxFields,
    values: Loader,
    /// The key whose value comes in parts.
    key: Vec<u8>,
    /// What becomes of that value.
    fate: Fate,
    /// What comes belongs to a module, not to a key.
    in_module_aux: bool,
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

/// What a snapshot says about itself.
#[derive(Default)]
struct AuxFields {
    id: Option<ReplicationId>,
    offset: Option<u64>,
    stream_db: usize,
    ancestors: Vec<PastHistory>,
    used_memory: u64,
    created_unix_s: Option<u64>,
}

impl AuxFields {
    fn identity(&self) -> Option<SnapshotIdentity> {
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
            b"ctime" => self.created_unix_s = text.parse().ok(),
            b"used-mem" => self.used_memory = text.parse().unwrap_or(0),
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
        SnapshotLoader { reader: Reader::new(read), content: Content::new(options) }
    }

    /// Says how many bytes the snapshot has. To know that makes loading faster.
    pub fn expect_bytes(&mut self, bytes: u64) {
        self.content.dataset.expect_bytes(bytes);
    }

    /// Takes the next bytes in.
    ///
    /// # Errors
    ///
    /// [`LoadError::Corrupt`] when the bytes are no snapshot, or one that this node cannot hold.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        self.reader.feed(bytes);
        while let Some(event) = self.reader.next().map_err(damage)? {
            self.content.take(event)?;
        }
        Ok(())
    }

    /// Takes in what has become known of a snapshot that lies in memory: `snapshot` begins with its first byte, and each call brings
    /// more of it. Saves a copy against [`SnapshotLoader::feed`], which goes for the next snapshot.
    ///
    /// # Errors
    ///
    /// As [`SnapshotLoader::feed`].
    pub fn read(&mut self, snapshot: &[u8]) -> Result<(), LoadError> {
        while let Some(event) = self.reader.next_in(snapshot).map_err(damage)? {
            self.content.take(event)?;
        }
        Ok(())
    }

    /// Whether the end of the snapshot has come. What follows it is left alone.
    pub fn is_finished(&self) -> bool {
        self.reader.is_finished()
    }

    /// Keys loaded so far.
    pub fn keys(&self) -> u64 {
        self.content.dataset.keys()
    }

    /// Bytes of memory that whoever wrote the snapshot used at that time; 0 until the snapshot has said so.
    pub fn used_memory(&self) -> u64 {
        self.content.aux.used_memory
    }

    /// Those who build the dataset: threads may join them, and do well to once [`SnapshotLoader::wants_help`].
    pub fn crew(&self) -> Arc<Crew> {
        Arc::clone(self.content.dataset.crew())
    }

    /// Whether the snapshot is so large that help is of use.
    pub fn wants_help(&self) -> bool {
        self.content.dataset.is_large()
    }

    /// The dataset, once the last byte has been taken in.
    ///
    /// # Errors
    ///
    /// [`LoadError::Corrupt`] when the snapshot is not at its end.
    pub fn finish(self) -> Result<Box<Loaded>, LoadError> {
        let bytes = self.reader.position();
        if !self.reader.is_finished() {
            return Err(LoadError::Corrupt(format!("unexpected end of file at byte {bytes}")));
        }
        let Content { options, dataset, functions, aux, expired, empty, .. } = self.content;
        let keys = dataset.keys();
        let keyspace = dataset.finish()?;
        if options.guard.is_some_and(|guard| guard.refuses(keys, &aux.ancestors)) {
            return Err(LoadError::Refused { keys });
        }
        let (identity, created_unix_s) = (aux.identity(), aux.created_unix_s);
        let ancestors = aux.ancestors;
        Ok(Box::new(Loaded {
            keyspace,
            functions,
            identity,
            ancestors,
            created_unix_s,
            keys,
            expired,
            empty,
            bytes,
        }))
    }
}

impl Content {
    fn new(options: LoadOptions) -> Content {
        let mut keyspace = Keyspace::new(options.databases, options.seed);
        keyspace.set_initial_access(options.access);
        Content {
            values: Loader::new(options.limits.clone(), keyspace.db(0).value_hasher().clone()),
            dataset: Dataset::new(keyspace),
            functions: Vec::new(),
            options,
            aux: AuxFields::default(),
            key: Vec::new(),
            fate: Fate::Drop,
            in_module_aux: false,
            expired: 0,
            empty: 0,
        }
    }

    fn take(&mut self, event: Event<'_>) -> Result<(), LoadError> {
        match event {
            Event::Entry { key, expiry_ms, value, .. } => {
                if self.is_dead(expiry_ms) {
                    self.expired += 1;
                    return Ok(());
                }
                if let rdb::Value::String(text) = value {
                    return self.dataset.add_text(key, text, expiry_ms);
                }
                match self.values.whole(value).map_err(|error| bad_value(key, error))? {
                    Some(value) => self.dataset.add(key, value, expiry_ms)?,
                    None => skip_empty(&mut self.empty, key),
                }
            }
            Event::Begin { key, expiry_ms, kind, len, .. } => {
                self.key.clear();
                self.key.extend_from_slice(key);
                self.fate = if self.is_dead(expiry_ms) {
                    self.expired += 1;
                    Fate::Drop
                } else {
                    self.values.begin(kind, len);
                    Fate::Keep(expiry_ms)
                };
            }
            Event::EndOfKey => {
                let Fate::Keep(expiry_ms) = self.fate else { return Ok(()) };
                match self.values.end().map_err(|error| bad_value(&self.key, error))? {
                    Some(value) => self.dataset.add(&self.key, value, expiry_ms)?,
                    None => skip_empty(&mut self.empty, &self.key),
                }
            }
            Event::Aux { key, value } => self.aux.read(key, value),
            Event::Function(code) => self.functions.push(code.to_vec()),
            Event::SelectDb(index) => self.select(index)?,
            Event::Resize { keys, .. } => self.dataset.announce(keys),
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
            Event::Header { .. } | Event::SlotInfo { .. } | Event::KeyMeta { .. } | Event::End { .. } => {}
            Event::ModulePart(_) if self.in_module_aux => {}
            event => {
                if let Fate::Keep(_) = self.fate {
                    self.values.element(event).map_err(|error| bad_value(&self.key, error))?;
                }
            }
        }
        Ok(())
    }

    fn select(&mut self, index: u64) -> Result<(), LoadError> {
        if index >= self.options.databases as u64 {
            return Err(LoadError::Corrupt(format!(
                "database number {index} is out of range: this instance has {} databases",
                self.options.databases
            )));
        }
        self.dataset.select(index as usize)?;
        // What the snapshot says of itself has come by now.
        let drop_before = self.options.drop_expired_before;
        self.values.drop_expired_fields(drop_before.filter(|_| self.aux.identity().is_none()));
        Ok(())
    }

    /// Whether a key has expired and nobody waits for its DEL.
    fn is_dead(&self, expiry_ms: Option<u64>) -> bool {
        match (self.options.drop_expired_before, expiry_ms) {
            (Some(now), Some(at)) => at <= now && self.aux.identity().is_none(),
            _ => false,
        }
    }
}

/// What is wrong with a snapshot, in words that operators look for in logs.
#[cold]
fn damage(error: rdb::Error) -> LoadError {
    LoadError::Corrupt(match error {
        rdb::Error::ChecksumMismatch { .. } => format!("CRC error: {error}"),
        rdb::Error::UnsupportedVersion { version, .. } => {
            format!("Can't handle RDB format version {version}: {error}")
        }
        _ => damage_of(error),
    })
}

/// So many keys without elements are told of one by one.
const EMPTY_KEYS_LOGGED: u64 = 10;

#[cold]
fn skip_empty(count: &mut u64, key: &[u8]) {
    *count += 1;
    if *count <= EMPTY_KEYS_LOGGED {
        tracing::info!(
            "The snapshot has a collection without elements; skipping empty key: {}",
            key.escape_ascii()
        );
    }
}

#[cold]
fn bad_value(key: &[u8], error: BadValue) -> LoadError {
    LoadError::Corrupt(format!("the value of the key {} is damaged: {error}", String::from_utf8_lossy(key)))
}
