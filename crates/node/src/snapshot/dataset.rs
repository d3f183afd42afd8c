//! A dataset while a snapshot is being loaded into it.

use std::sync::{Arc, Mutex, PoisonError};

use keyspace::{Keyspace, Part, Value};

use super::batch::{Batch, Limit, MAX_STRING};
use super::crew::{Crew, Parts};
use crate::action::LoadError;

/// A database is divided so that each part gets about so many keys at first sight …
const KEYS_PER_PART: u64 = 16 * 1024;
/// … if there are some parts at least, and not very many: each has a batch that is being filled.
const MIN_BITS: u32 = 3;
const MAX_BITS: u32 = 8;
/// From so many keys on it is worth waking other threads.
const MANY_KEYS: u64 = 64 * 1024;

/// Room is made beforehand for as many keys as are announced, but not for more than one for so many bytes of the snapshot: that takes
/// less memory than the snapshot's own size, whatever it announces. Where keys are shorter, the table grows as usual.
const LEAST_BYTES: u64 = 16;
/// Of a snapshot whose size nobody knows so many announced keys are believed.
const TRUSTED_KEYS: u64 = 1 << 20;

/// Of a database in one part, batches are as large as what can be fetched into the cache at once.
const UNDIVIDED: Limit = Limit { keys: 64, bytes: 128 * 1024 };
/// Of one in many parts, as large as it takes to make the change from one part to the next cheap.
const DIVIDED: Limit = Limit { keys: 256, bytes: 32 * 1024 };

/// The database that keys go to.
struct Current {
    parts: Arc<Parts>,
    bits: u32,
    limit: Limit,
    /// By part.
    batches: Vec<Batch>,
}

/// See the module's documentation.
pub(super) struct Dataset {
    /// The databases, empty until the end.
    keyspace: Keyspace,
    /// By database: what will be in it.
    parts: Vec<Option<Arc<Parts>>>,
    db: usize,
    /// How many keys the snapshot says that the database will get.
    announced: u64,
    /// Bytes of the whole snapshot, where that is known.
    snapshot_bytes: Option<u64>,
    current: Option<Current>,
    crew: Arc<Crew>,
    keys: u64,
}

impl Dataset {
    pub fn new(keyspace: Keyspace) -> Dataset {
        Dataset {
            parts: (0..keyspace.databases()).map(|_| None).collect(),
            keyspace,
            db: 0,
            announced: 0,
            snapshot_bytes: None,
            current: None,
            crew: Arc::default(),
            keys: 0,
        }
    }

    /// Keys added so far.
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// Those who may help to build it.
    pub fn crew(&self) -> &Arc<Crew> {
        &self.crew
    }

    /// Whether there are, or will be, so many keys that help is of use.
    pub fn is_large(&self) -> bool {
        self.keys.max(self.announced) >= MANY_KEYS
    }

    /// The whole snapshot has so many bytes.
    pub fn expect_bytes(&mut self, bytes: u64) {
        self.snapshot_bytes = Some(bytes);
    }

    /// What is added from here on goes to this database.
    pub fn select(&mut self, db: usize) -> Result<(), LoadError> {
        self.flush()?;
        self.current = None;
        (self.db, self.announced) = (db, 0);
        Ok(())
    }

    /// The database is going to get so many keys, it is said.
    pub fn announce(&mut self, keys: u64) {
        self.announced = keys;
    }

    /// Adds a key with a string.
    #[inline]
    pub fn add_text(&mut self, key: &[u8], text: &[u8], expiry: Option<u64>) -> Result<(), LoadError> {
        if text.len() > MAX_STRING {
            return self.add(key, Value::Str(text.to_vec()), expiry);
        }
        self.push(key, |batch, hash| batch.push_text(hash, key, text, expiry))
    }

    /// Adds a key with a value.
    pub fn add(&mut self, key: &[u8], value: Value, expiry: Option<u64>) -> Result<(), LoadError> {
        self.push(key, |batch, hash| batch.push_value(hash, key, value, expiry))
    }

    #[inline]
    fn push(&mut self, key: &[u8], push: impl FnOnce(&mut Batch, u64)) -> Result<(), LoadError> {
        self.keys += 1;
        let hash = self.keyspace.db(self.db).hash(key);
        let current = match &mut self.current {
            Some(current) => current,
            None => {
                let room = self.announced.min(self.snapshot_bytes.map_or(TRUSTED_KEYS, |b| b / LEAST_BYTES));
                self.current.insert(begin(
                    &self.keyspace,
                    self.db,
                    &mut self.parts,
                    self.announced,
                    room as usize,
                ))
            }
        };
        let index = Part::index(hash, current.bits);
        let batch = &mut current.batches[index];
        push(batch, hash);
        if batch.is_full(current.limit) {
            *batch = self.crew.build(&current.parts, index, std::mem::take(batch))?;
        }
        Ok(())
    }

    /// Hands over what has been gathered.
    fn flush(&mut self) -> Result<(), LoadError> {
        let Some(current) = &mut self.current else { return Ok(()) };
        for (index, batch) in current.batches.iter_mut().enumerate().filter(|(_, batch)| !batch.is_empty()) {
            *batch = self.crew.build(&current.parts, index, std::mem::take(batch))?;
        }
        Ok(())
    }

    /// The databases with all that was added.
    pub fn finish(mut self) -> Result<Keyspace, LoadError> {
        self.flush()?;
        self.current = None;
        self.crew.finish()?;
        let mut keyspace = std::mem::replace(&mut self.keyspace, Keyspace::new(0, 0));
        for (db, parts) in self.parts.iter_mut().enumerate() {
            let Some(parts) = parts.take() else { continue };
            let parts = Arc::into_inner(parts).expect("nobody builds any more");
            let whole = |part: Mutex<Part>| part.into_inner().unwrap_or_else(PoisonError::into_inner);
            keyspace.db_mut(db).unite(parts.into_iter().map(whole).collect());
        }
        Ok(keyspace)
    }
}

impl Drop for Dataset {
    fn drop(&mut self) {
        self.crew.end();
    }
}

/// Begins to fill a database, or goes on with it.
#[cold]
fn begin(
    keyspace: &Keyspace,
    db: usize,
    all: &mut [Option<Arc<Parts>>],
    announced: u64,
    room: usize,
) -> Current {
    let parts = all[db].get_or_insert_with(|| {
        let bits = match (announced / KEYS_PER_PART).checked_ilog2() {
            Some(bits) if announced >= MANY_KEYS => bits.clamp(MIN_BITS, MAX_BITS),
            _ => 0,
        };
        Arc::new(keyspace.db(db).parts(bits, room).into_iter().map(Mutex::new).collect())
    });
    let bits = parts.len().ilog2();
    Current {
        parts: Arc::clone(parts),
        bits,
        limit: if bits == 0 { UNDIVIDED } else { DIVIDED },
        batches: (0..parts.len()).map(|_| Batch::default()).collect(),
    }
}
