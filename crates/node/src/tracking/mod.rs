//! Client-side caching: clients are told which keys they must forget (CLIENT TRACKING).
//!
//! ```text
//!   a client reads ──▶ table: key ─▶ readers                      once a key, at once
//!                                        │
//!   a key changes ───────────────────────┴───▶ its readers ─────▶ reply buffers ──▶ sockets
//!          └─────────▶ prefixes that it has ─▶ who listens ─────▶
//!                         (collected for a round)
//! ```
//!
//! What changes is learned from what commands say they have touched ([`commands::Effects::touched`]), which they say only while somebody
//! tracks (or watches). It is the same for writes, expiry, eviction, and what comes in the master's stream. A client that is executing a command is
//! out of its slot; what it is told waits in the postbox of publish/subscribe, and so comes behind the reply, and behind the whole transaction
//! or script.

mod message;
mod prefixes;
mod table;
#[cfg(test)]
mod tests;
mod tracker;

pub(crate) use message::{Kind, Word};
pub(crate) use tracker::{Mode, Number, Redirect, Tracker};

use std::collections::BTreeMap;
use std::sync::Arc;

use commands::{CommandSpec, Flags};
use resp::Args;

use crate::action::{Action, ConnId};
use crate::node::Node;
use crate::pubsub::deliver::Delivery;
use crate::session::Session;
use message::encode_keys;
use prefixes::{Author, Prefixes};
use table::KeyTable;

/// Keys that leave the table in one go when there are more than `tracking-table-max-keys`; the rest follows with the next ticks and reads.
const KEYS_A_GO: usize = 1000;
/// A table with more keys is freed away from the engine thread.
const LARGE_TABLE: usize = 1000;
/// Messages to one client with more bytes leave no memory behind.
const KEEP_CAPACITY: usize = 64 * 1024;

/// Who tracks what.
pub(crate) struct Tracking {
    trackers: BTreeMap<Number, Tracker>,
    next: Number,
    /// How many of them are on.
    active: usize,
    table: KeyTable,
    prefixes: Prefixes,
    /// Memory by which reply buffers have grown for what is not written yet. Evicting keys for its sake would only make more of it.
    pub pushed_room: u64,
    readers: Vec<Number>,
    scratch: Vec<u8>,
}

impl Tracking {
    /// Nobody tracks. The seed is that of the table's hashes.
    pub fn new(seed: u64) -> Tracking {
        Tracking {
            trackers: BTreeMap::new(),
            next: Number::from_bytes([0; 4]),
            active: 0,
            table: KeyTable::new(seed.rotate_left(32)),
            prefixes: Prefixes::default(),
            pushed_room: 0,
            readers: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Clients that are told of anything, for INFO.
    pub fn clients(&self) -> usize {
        self.active
    }

    /// Whether nobody tracks, nor has left anything in the table: it makes no difference what changes.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.active == 0 && self.table.len() == 0
    }

    /// Keys in the table.
    pub fn keys(&self) -> usize {
        self.table.len()
    }

    /// Keys in the table times readers.
    pub fn items(&self) -> usize {
        self.table.items()
    }

    /// Prefixes that somebody listens to.
    pub fn prefixes(&self) -> usize {
        self.prefixes.len()
    }

    /// Whether there are changes to broadcast.
    #[inline]
    pub fn has_news(&self) -> bool {
        self.prefixes.have_news()
    }

    /// What is known about a client, if it has ever asked for tracking.
    pub fn of(&self, session: &Session) -> Option<&Tracker> {
        self.trackers.get(&session.tracker?)
    }

    /// The same, as long as tracking is on.
    pub fn active_of(&self, session: &Session) -> Option<&Tracker> {
        self.of(session).filter(|tracker| tracker.is_on())
    }

    /// The same, to be changed.
    pub fn active_of_mut(&mut self, session: &Session) -> Option<&mut Tracker> {
        self.trackers.get_mut(&session.tracker?).filter(|tracker| tracker.is_on())
    }

    fn enlist(&mut self, conn: ConnId) -> Number {
        while self.trackers.contains_key(&self.next) {
            self.next = self.next.next();
        }
        let number = self.next;
        self.next = number.next();
        self.trackers.insert(number, Tracker::new(conn));
        number
    }
}

/// What CLIENT TRACKING ON asks for, checked.
pub(crate) struct Wish<'a> {
    pub mode: Mode,
    pub noloop: bool,
    pub redirect: Option<Redirect>,
    /// Prefixes to listen to, beside those that it listens to already.
    pub prefixes: Vec<&'a [u8]>,
}

impl Node {
    // ---- on and off ------------------------------------------------------------------------------

    /// Turns tracking on for a client, or changes how it is done.
    pub(crate) fn start_tracking(&mut self, session: &mut Session, wish: Wish<'_>) {
        let tracking = &mut self.tracking;
        let number = match session.tracker {
            Some(number) => number,
            None => *session.tracker.insert(tracking.enlist(session.conn)),
        };
        let Some(tracker) = tracking.trackers.get_mut(&number) else { return };
        tracking.active += usize::from(!tracker.is_on());
        tracker.mode = wish.mode;
        tracker.noloop = wish.noloop;
        tracker.redirect = wish.redirect;
        tracker.broken = false;
        for prefix in wish.prefixes {
            let shared: Arc<[u8]> = tracking.prefixes.add(prefix, number);
            tracker.prefixes.insert(shared);
        }
        session.tracker_bytes = tracker.memory();
        self.note_waiting();
    }

    /// Turns tracking off for a client. The keys that it has read stay in the table: should it turn tracking on again, it is still told of them.
    pub(crate) fn stop_tracking(&mut self, session: &mut Session) {
        let tracking = &mut self.tracking;
        let Some(number) = session.tracker else { return };
        let Some(tracker) = tracking.trackers.get_mut(&number).filter(|tracker| tracker.is_on()) else {
            return;
        };
        let old = std::mem::replace(tracker, Tracker::new(session.conn));
        for prefix in &old.prefixes {
            tracking.prefixes.remove(prefix, number);
        }
        tracking.active -= 1;
        session.tracker_bytes = 0;
        self.note_waiting();
    }

    /// A client has left.
    pub(crate) fn end_tracking(&mut self, session: &mut Session) {
        self.forget_pushed_room(session);
        if session.tracker.is_none() {
            return;
        }
        self.stop_tracking(session);
        if let Some(number) = session.tracker.take() {
            self.tracking.trackers.remove(&number);
        }
        if self.tracking.trackers.is_empty() {
            self.free_tracking_table();
            self.note_waiting();
        }
    }

    // ---- what clients read -----------------------------------------------------------------------

    /// A tracking client has carried a command out: what it has read is remembered, and CLIENT CACHING has been for this one.
    #[cold]
    pub(crate) fn note_reads(&mut self, session: &Session, spec: &'static CommandSpec, args: Args<'_>) {
        let tracking = &mut self.tracking;
        let Some(number) = session.tracker else { return };
        let Some(tracker) = tracking.trackers.get_mut(&number) else { return };
        if spec.flags.contains(Flags::READONLY) && tracker.remembers_reads() {
            let trackers = &tracking.trackers;
            for position in spec.keys_of(args) {
                tracking.table.remember(args.at(position), number, |other| trackers.contains_key(&other));
            }
            self.limit_tracking_table();
        }
        self.end_exception(session, Some(spec));
    }

    /// CLIENT CACHING holds for one command, or for one transaction; CLIENT itself does not count.
    pub(crate) fn end_exception(&mut self, session: &Session, spec: Option<&CommandSpec>) {
        let of_client = spec.is_some_and(|spec| spec.full_name.starts_with("client|"));
        if !session.in_exec
            && session.transaction.is_none()
            && !of_client
            && let Some(tracker) = self.tracking.active_of_mut(session)
        {
            tracker.exception = false;
        }
    }

    /// Makes room in the table if there are more keys than there may be: those whose turn it is count as changed.
    pub(crate) fn limit_tracking_table(&mut self) {
        let max = self.config.settings().tracking_table_max_keys;
        if max == 0 {
            return;
        }
        let excess = (self.tracking.table.len() as u64).saturating_sub(max);
        for _ in 0..excess.min(KEYS_A_GO as u64) {
            let Some(key) = self.tracking.table.any_key(&mut self.rng) else { break };
            self.tell_readers(&key, None);
        }
        if excess > 0 {
            self.cut_off_overrun();
        }
    }

    // ---- what changes ----------------------------------------------------------------------------

    /// Tells those who track of what the last command has touched. `author` is the client that has sent it.
    #[cold]
    pub(crate) fn invalidate_touched(&mut self, author: Option<&Session>) {
        // What has expired nobody has changed, whoever came upon it.
        let author = author.and_then(|session| session.tracker).filter(|_| self.effects.expired == 0);
        if !self.effects.replaced.is_empty() {
            return self.invalidate_everything();
        }
        let touched = std::mem::take(&mut self.effects.touched);
        for (_, key) in &touched {
            self.tell_readers(key, author);
            self.tracking.prefixes.note(key, author);
        }
        self.effects.touched = touched;
        self.cut_off_overrun();
    }

    /// Tells everybody who tracks that nothing is as it was: a database was emptied or exchanged, or the whole dataset.
    #[cold]
    pub(crate) fn invalidate_everything(&mut self) {
        self.free_tracking_table();
        if self.tracking.active == 0 {
            return self.note_waiting();
        }
        self.tracking.prefixes.forget_news();
        let all: Vec<Number> = self.tracking.trackers.keys().copied().collect();
        for number in all {
            self.tell(number, Kind::Everything, &[]);
        }
        self.cut_off_overrun();
    }

    fn free_tracking_table(&mut self) {
        let old = self.tracking.table.take_all();
        if old.len() > LARGE_TABLE {
            self.actions.push(Action::Free(Box::new(old)));
        }
    }

    /// Takes a key out of the table and tells its readers.
    fn tell_readers(&mut self, key: &[u8], author: Author) {
        let mut readers = std::mem::take(&mut self.tracking.readers);
        self.tracking.table.take(key, &mut readers);
        if !readers.is_empty() {
            let mut keys = std::mem::take(&mut self.tracking.scratch);
            encode_keys(&mut keys, std::iter::once(key));
            for number in readers.drain(..) {
                let Some(tracker) = self.tracking.trackers.get(&number) else { continue };
                if tracker.is_told_of_reads() && !(tracker.noloop && author == Some(number)) {
                    self.tell(number, Kind::Keys, &keys);
                }
            }
            self.tracking.scratch = keys;
        }
        self.tracking.readers = readers;
    }

    /// Tells those who listen to prefixes of what has changed since the last time.
    #[cold]
    pub(crate) fn broadcast_changes(&mut self) {
        let changed = self.tracking.prefixes.take_news();
        let (mut all, mut some) = (std::mem::take(&mut self.tracking.scratch), Vec::new());
        for (listeners, changes) in self.tracking.prefixes.sort(&changed) {
            encode_keys(&mut all, changes.iter().map(|(key, _)| *key));
            for number in listeners {
                let noloop = self.tracking.trackers.get(&number).is_some_and(|tracker| tracker.noloop);
                if !noloop || changes.iter().all(|(_, author)| *author != Some(number)) {
                    self.tell(number, Kind::Keys, &all);
                    continue;
                }
                let others: Vec<&[u8]> = changes
                    .iter()
                    .filter(|(_, author)| *author != Some(number))
                    .map(|(key, _)| *key)
                    .collect();
                if !others.is_empty() {
                    encode_keys(&mut some, others.into_iter());
                    self.tell(number, Kind::Keys, &some);
                }
            }
        }
        if all.capacity() > KEEP_CAPACITY {
            all = Vec::new();
        }
        self.tracking.scratch = all;
        self.cut_off_overrun();
    }

    // ---- words on their way ----------------------------------------------------------------------

    /// Tells one client, or the one that it is redirected to.
    fn tell(&mut self, number: Number, kind: Kind, keys: &[u8]) {
        let limits = self.config.settings().client_output_buffer_limit;
        let tracking = &mut self.tracking;
        let Some(tracker) = tracking.trackers.get_mut(&number).filter(|tracker| tracker.is_on()) else {
            return;
        };
        let mut delivery = Delivery {
            slots: &mut self.slots,
            writable: &mut self.writable,
            postbox: &mut self.pubsub.postbox,
            overrun: &mut self.pubsub.overrun,
            hard_limits: limits.map(|limit| limit.hard_bytes),
            client_memory: self.clients_limited.then_some(&mut self.client_memory),
        };
        let (conn, redirected) = tracker.redirect.map_or((tracker.conn, false), |to| (to.conn, true));
        let sent = delivery.tell(conn, Word { kind, redirected, keys }).or_else(|| {
            let Redirect { id, .. } = tracker.redirect?;
            tracker.broken = true;
            delivery.tell(tracker.conn, Word { kind: Kind::RedirectBroken(id), redirected: false, keys: &[] })
        });
        tracking.pushed_room += sent.unwrap_or(0) as u64;
    }

    /// What was told to a client is written, or counts like everything else that it does not read.
    #[inline]
    pub(crate) fn forget_pushed_room(&mut self, session: &mut Session) {
        if session.pushed_room > 0 {
            self.tracking.pushed_room -= std::mem::take(&mut session.pushed_room) as u64;
        }
    }
}
