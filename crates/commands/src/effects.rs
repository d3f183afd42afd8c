//! What a command did beyond its reply.

use bitflags::bitflags;
use keyspace::{Garbage, Kind};
use resp::OwnedArgs;

bitflags! {
    /// Classes of keyspace events, as `notify-keyspace-events` names them.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
    pub struct EventClass: u16 {
        /// `g`: commands that work on every type (DEL, EXPIRE, RENAME …).
        const GENERIC = 1 << 0;
        /// `$`: strings.
        const STRING = 1 << 1;
        /// `l`: lists.
        const LIST = 1 << 2;
        /// `s`: sets.
        const SET = 1 << 3;
        /// `h`: hashes.
        const HASH = 1 << 4;
        /// `z`: sorted sets.
        const ZSET = 1 << 5;
        /// `x`: a key expired.
        const EXPIRED = 1 << 6;
        /// `e`: a key was evicted.
        const EVICTED = 1 << 7;
        /// `t`: streams.
        const STREAM = 1 << 8;
        /// `m`: a read found no key.
        const KEY_MISS = 1 << 9;
        /// `n`: a key came into being.
        const NEW = 1 << 10;
    }
}

/// One keyspace event, recorded when [`Effects::notify`] asks for its class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEvent {
    /// Its class.
    pub class: EventClass,
    /// Its name: "set", "expire" …
    pub name: &'static str,
    /// The database of the key.
    pub db: u32,
    /// The key.
    pub key: Box<[u8]>,
}

/// What a client waits for that a command could not answer at once.
///
/// The host keeps the client's request. Once one of the keys has become ready it carries the request out again, and when the
/// time is over it answers instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockRequest {
    /// Keys of the selected database, in the order in which the command tries them.
    pub keys: Vec<Box<[u8]>>,
    /// What a key has to hold to be worth a try.
    pub kind: Kind,
    /// When to give up, unix milliseconds; `None`: never.
    pub deadline_ms: Option<u64>,
    /// The answer when the time is over.
    pub on_timeout: TimeoutReply,
    /// A key that is deleted, or overwritten by another type, is worth a try as well: the command then has an error to give.
    pub wake_when_gone: bool,
    /// The request to carry out instead of the client's own, where that depends on the moment (XREAD from `$`).
    pub request: Option<OwnedArgs>,
}

/// What a client that has waited in vain is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutReply {
    /// A null.
    Null,
    /// A null array.
    NullArray,
}

/// How the command itself goes into the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Rewritten {
    /// As the client sent it, if it changed anything ([`Effects::dirty`] > 0).
    #[default]
    Verbatim,
    /// Not at all, whatever it changed.
    Nothing,
    /// As the commands in [`Effects::log`].
    As,
}

/// What one command did. The instance owns one, hands it to every command and clears it in between.
#[derive(Default)]
pub struct Effects {
    /// How many changes the command made to the dataset.
    pub dirty: u64,
    /// How the command itself goes into the log.
    pub rewritten: Rewritten,
    /// Encoded commands for the log, in order: deletions of expired keys that the command came upon, then
    /// what it was rewritten as. All belong to the command's database: one that concerns another database
    /// stands between two SELECTs.
    pub log: Vec<u8>,
    /// How many effects `log` holds (SELECTs not counted).
    pub log_count: usize,
    /// The effects have nothing to do with one another: they need no MULTI and EXEC around them.
    pub separate: bool,
    /// Among them is one that Redis 7.0 does not know.
    pub newer: bool,
    /// Whether `touched` is to be filled.
    pub track_keys: bool,
    /// Database and key of everything that changed (only with `track_keys`).
    pub touched: Vec<(u32, Box<[u8]>)>,
    /// Databases whose whole contents were replaced: emptied, or swapped with another (only with
    /// `track_keys`). A watched key of such a database has changed if it existed when it was watched or
    /// exists now.
    pub replaced: Vec<u32>,
    /// FLUSHALL: nothing is left of the dataset.
    pub emptied: bool,
    /// Values to free away from the engine thread: dropping them frees them.
    pub garbage: Vec<Garbage>,
    /// Keys that the command found expired and deleted.
    pub expired: u64,
    /// Fields of hashes that it found expired, or let expire at once. Kept by [`Effects::clear`]: the host takes it.
    pub expired_fields: u64,
    /// Reads that found their key.
    pub keyspace_hits: u64,
    /// Reads that did not.
    pub keyspace_misses: u64,
    /// The command wrote no reply: its client waits.
    pub blocked: Option<BlockRequest>,
    /// Whether `ready` is to be filled: somebody waits for a key. Kept by [`Effects::clear`].
    pub track_ready: bool,
    /// Database and key of what somebody may be waiting for (only with `track_ready`).
    pub ready: Vec<(u32, Box<[u8]>)>,
    /// The event classes somebody listens to; kept by [`Effects::clear`].
    pub notify: EventClass,
    /// The events of those classes, in order.
    pub events: Vec<KeyEvent>,
}

impl Effects {
    /// Nothing done yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes ready for the next command. `track_keys`, `track_ready` and `notify` stay: they are settings, not results; and so
    /// do the keys that are ready, which the host serves when it comes to that.
    #[inline]
    pub fn clear(&mut self) {
        self.dirty = 0;
        self.rewritten = Rewritten::Verbatim;
        self.log_count = 0;
        self.separate = false;
        self.emptied = false;
        self.newer = false;
        self.expired = 0;
        self.keyspace_hits = 0;
        self.keyspace_misses = 0;
        self.log.clear();
        self.touched.clear();
        self.replaced.clear();
        self.events.clear();
        if self.blocked.is_some() {
            self.blocked = None;
        }
        // An empty vector of droppable things still costs a call.
        if !self.garbage.is_empty() {
            self.garbage.clear();
        }
    }

    /// Whether there is anything for the host to carry on.
    #[inline]
    pub fn are_any(&self) -> bool {
        let log_or_events = self.log_count | self.garbage.len() | self.events.len();
        self.dirty | log_or_events as u64 != 0
    }

    /// Whether the client's own bytes go into the log, after what `log` holds.
    #[inline]
    pub fn is_verbatim(&self) -> bool {
        self.dirty > 0 && self.rewritten == Rewritten::Verbatim
    }

    /// How many effects the command has in all; two or more belong between MULTI and EXEC.
    #[inline]
    pub fn count(&self) -> usize {
        self.log_count + usize::from(self.is_verbatim())
    }

    /// Puts `command` into the log in the place of the client's own; several calls make several effects.
    #[inline]
    pub fn rewrite(&mut self, command: &[&[u8]]) {
        self.rewritten = Rewritten::As;
        self.push(command);
    }

    /// Keeps the command itself out of the log.
    #[inline]
    pub fn suppress(&mut self) {
        self.rewritten = Rewritten::Nothing;
    }

    /// Makes the client wait. The caller writes no reply, and asks [`crate::Env::may_block`] first.
    pub fn block(&mut self, request: BlockRequest) {
        self.blocked = Some(request);
    }

    /// Adds an effect of its own, before whatever becomes of the command itself.
    #[inline]
    pub fn push(&mut self, command: &[&[u8]]) {
        resp::encode_request(&mut self.log, command);
        self.log_count += 1;
    }
}

impl std::fmt::Debug for Effects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Effects")
            .field("dirty", &self.dirty)
            .field("rewritten", &self.rewritten)
            .field("log", &self.log.escape_ascii().to_string())
            .field("log_count", &self.log_count)
            .field("blocked", &self.blocked)
            .field("ready", &self.ready)
            .field("touched", &self.touched)
            .field("replaced", &self.replaced)
            .field("garbage", &self.garbage.len())
            .field("expired", &self.expired)
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}
