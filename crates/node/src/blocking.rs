//! Clients that wait for keys: BLPOP, BZPOPMIN, XREAD BLOCK and their like.
//!
//! A command that finds nothing asks to wait ([`commands::BlockRequest`]). The node keeps the client's request, and carries it
//! out again when one of its keys has become ready: it then answers as if it had come just now, or goes on waiting.
//!
//! ```text
//!            asks to wait                 a key is ready
//!   running ──────────────▶ waiting ───────────────────────▶ carried out again
//!                            ▲   │ time is over, CLIENT UNBLOCK,    │       │
//!                            │   ▼ change of role                   │       ▼
//!                            │  answered                            │   answered
//!                            └──────────────────────────────────────┘
//!                                     asks to wait again
//! ```
//!
//! Keys become ready while a command runs, and are served after it, or after the transaction that it belongs to: what a client
//! pushes and pops within a transaction nobody else sees. Those who wait for one key are served in the order in which they came.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use commands::{BlockRequest, CommandSpec, TimeoutReply};
use keyspace::Kind;
use resp::{Args, OwnedArgs, ReplyBuf};

use crate::action::ConnId;
use crate::node::Node;
use crate::session::{Blocked, Session};

/// What a session keeps while its client waits.
pub(crate) struct Waiting {
    spec: &'static CommandSpec,
    /// What is carried out when a key is ready.
    request: OwnedArgs,
    keys: Vec<Box<[u8]>>,
    /// What a key must hold.
    kind: Kind,
    deadline_ms: Option<u64>,
    on_timeout: TimeoutReply,
    wake_when_gone: bool,
    /// Its place in the order of arrival.
    ticket: u64,
}

impl Waiting {
    /// The command that waits.
    pub fn spec(&self) -> &'static CommandSpec {
        self.spec
    }
}

/// Who waits for one key, in order of arrival, and whether it is to be woken when the key goes.
type Queue = BTreeMap<u64, (ConnId, bool)>;

/// All clients that wait for keys.
#[derive(Default)]
pub(crate) struct BlockedClients {
    queues: HashMap<(u32, Box<[u8]>), Queue>,
    deadlines: BTreeSet<(u64, ConnId)>,
    /// How many wait to be woken when a key goes.
    watching_gone: usize,
    next_ticket: u64,
    /// Served: what they have sent meanwhile is to be run.
    served: Vec<ConnId>,
}

impl BlockedClients {
    /// Keys that somebody waits for, for INFO.
    pub fn keys(&self) -> usize {
        self.queues.len()
    }

    /// Those of them whose deletion somebody waits for.
    pub fn keys_watched_gone(&self) -> usize {
        self.queues.values().filter(|queue| queue.values().any(|(_, gone)| *gone)).count()
    }

    /// Clients that wait with a time limit.
    pub fn with_deadline(&self) -> usize {
        self.deadlines.len()
    }

    /// When the first of them has waited long enough.
    pub fn earliest_deadline_ms(&self) -> Option<u64> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Whether commands have to say which keys they touched for our sake.
    pub fn wants_touched_keys(&self) -> bool {
        self.watching_gone > 0
    }

    /// The keys of some databases that somebody waits for: those first for which somebody has waited longest.
    fn waited_for(&self, wanted: impl Fn(u32) -> bool) -> Vec<(u32, Box<[u8]>)> {
        let mut found: Vec<_> = self.queues.iter().filter(|((db, _), _)| wanted(*db)).collect();
        found.sort_unstable_by_key(|(place, queue)| {
            (queue.first_key_value().map(|(ticket, _)| *ticket), *place)
        });
        found.into_iter().map(|(place, _)| place.clone()).collect()
    }

    fn add(&mut self, db: usize, conn: ConnId, waiting: &mut Waiting) {
        waiting.ticket = self.next_ticket;
        self.next_ticket += 1;
        for key in &waiting.keys {
            let queue = self.queues.entry((db as u32, key.clone())).or_default();
            queue.insert(waiting.ticket, (conn, waiting.wake_when_gone));
        }
        self.watching_gone += usize::from(waiting.wake_when_gone);
        if let Some(at) = waiting.deadline_ms {
            self.deadlines.insert((at, conn));
        }
    }

    fn remove(&mut self, db: usize, conn: ConnId, waiting: &Waiting) {
        for key in &waiting.keys {
            let place = (db as u32, key.clone());
            if let Some(queue) = self.queues.get_mut(&place) {
                queue.remove(&waiting.ticket);
                if queue.is_empty() {
                    self.queues.remove(&place);
                }
            }
        }
        self.watching_gone -= usize::from(waiting.wake_when_gone);
        if let Some(at) = waiting.deadline_ms {
            self.deadlines.remove(&(at, conn));
        }
    }
}

impl Node {
    /// Lets a client wait as its command has asked.
    pub(crate) fn start_waiting(
        &mut self,
        session: &mut Session,
        spec: &'static CommandSpec,
        args: Args<'_>,
        request: BlockRequest,
    ) {
        let BlockRequest { keys, kind, deadline_ms, on_timeout, wake_when_gone, request } = request;
        let request = request.unwrap_or_else(|| OwnedArgs::from_args(args));
        let mut waiting =
            Waiting { spec, request, keys, kind, deadline_ms, on_timeout, wake_when_gone, ticket: 0 };
        self.blocked.add(session.db, session.conn, &mut waiting);
        session.waiting = Some(Box::new(waiting));
        session.blocked = Some(Blocked::Keys);
        self.note_waiting();
    }

    /// Ends a client's wait without an answer.
    pub(crate) fn stop_waiting(&mut self, session: &mut Session) {
        let Some(waiting) = session.waiting.take() else { return };
        self.blocked.remove(session.db, session.conn, &waiting);
        session.blocked = None;
        self.note_waiting();
    }

    /// Commands need to say what they touched only while somebody waits for it.
    pub(crate) fn note_waiting(&mut self) {
        self.effects.track_ready = !self.blocked.queues.is_empty();
        self.effects.track_keys = !self.watchers.is_empty()
            || self.blocked.wants_touched_keys()
            || self.migrations.under_way()
            || self.keeps_own_keys()
            || !self.tracking.is_idle();
    }

    /// Takes the keys that a command touched for ready, as far as somebody waits to hear that they are gone.
    pub(crate) fn note_gone(&mut self) {
        if !self.blocked.wants_touched_keys() {
            return;
        }
        for place in &self.effects.touched {
            let waited_for = self.blocked.queues.get(place);
            if waited_for.is_some_and(|queue| queue.values().any(|(_, gone)| *gone)) {
                self.effects.ready.push(place.clone());
            }
        }
    }

    /// Whole databases were exchanged or emptied: every key of theirs that somebody waits for is worth a try.
    #[cold]
    pub(crate) fn note_replaced(&mut self) {
        let replaced = &self.effects.replaced;
        let places = self.blocked.waited_for(|db| replaced.contains(&db));
        self.effects.ready.extend(places);
    }

    /// Serves those who wait for keys that have become ready. To be called after a command, or the transaction around it.
    #[inline]
    pub(crate) fn serve_ready(&mut self) {
        if !self.effects.ready.is_empty() && !self.gate.paused && !self.gate.busy {
            self.serve_ready_keys();
        }
    }

    #[cold]
    fn serve_ready_keys(&mut self) {
        if self.debug.asleep {
            // Those who wait are served when the sleep is over, at the time that it is then.
            return;
        }
        // Serving one may make other keys ready, which are served in turn.
        while !self.effects.ready.is_empty() {
            let ready = std::mem::take(&mut self.effects.ready);
            let mut seen = BTreeSet::new();
            for place in ready {
                if seen.insert(place.clone()) {
                    self.serve_key(&place);
                }
            }
        }
    }

    fn serve_key(&mut self, place: &(u32, Box<[u8]>)) {
        let Some(queue) = self.blocked.queues.get(place) else { return };
        let waiting: Vec<(ConnId, bool)> = queue.values().copied().collect();
        for (conn, wake_when_gone) in waiting {
            // What is over is no reason to try: whoever comes upon it next deletes it.
            let alive = |entry: &keyspace::Entry<'_>| !self.env.is_expired(entry.expiry());
            let kind =
                self.keyspace.db(place.0 as usize).get(&place.1).filter(alive).map(|entry| entry.kind());
            if kind.is_none() && !wake_when_gone {
                // Those who came later may still wait for the key to go.
                continue;
            }
            let Some(mut session) = self.take_session(conn) else { continue };
            self.serve_client(&mut session, kind);
            self.put_back(session);
        }
    }

    /// Carries a waiting client's request out again, if the key now holds what it is after.
    fn serve_client(&mut self, session: &mut Session, kind: Option<Kind>) {
        let Some(waiting) = session.waiting.take() else { return };
        let worth_it = kind == Some(waiting.kind) || waiting.wake_when_gone;
        if worth_it {
            // Not waiting while it runs: whatever it asks for then is the same wait as before.
            session.blocked = None;
            let from = session.reply.buf.len();
            if self.gate.importing {
                self.set_import_view(session);
            }
            // What the user may do can have changed while the client waited.
            if session.unrestricted || self.admit(session, waiting.spec, waiting.request.as_args()) {
                self.call_timed(session, waiting.spec, waiting.request.as_args());
            }
            if session.blocked.is_none() {
                self.blocked.remove(session.db, session.conn, &waiting);
                self.note_waiting();
                self.blocked.served.push(session.conn);
                self.drop_unwanted_reply(session, from);
                return;
            }
            if let Some(again) = session.waiting.take() {
                self.blocked.remove(session.db, session.conn, &again);
            }
        }
        session.blocked = Some(Blocked::Keys);
        session.waiting = Some(waiting);
        self.note_waiting();
    }

    /// The sleep that was asked for is over.
    #[cold]
    pub(crate) fn wake(&mut self) {
        self.debug.asleep = false;
        self.serve_ready();
        self.resume_served();
    }

    /// Runs what those have sent meanwhile who have been served.
    pub(crate) fn resume_served(&mut self) {
        while let Some(conn) = self.blocked.served.pop() {
            let Some(mut session) = self.take_session(conn) else { continue };
            self.run_pending(&mut session);
            self.put_back(session);
        }
    }

    /// Answers those whose time is over.
    pub(crate) fn expire_waiting(&mut self) {
        let now_ms = self.now.unix_ms();
        while let Some(&(at, conn)) = self.blocked.deadlines.first() {
            if at > now_ms {
                break;
            }
            if !self.end_wait(conn, timeout_reply) {
                // A deadline without its client can't be; were it, it would be due for ever.
                self.blocked.deadlines.remove(&(at, conn));
            }
        }
    }

    /// Ends a client's wait with an answer; whether it was waiting.
    pub(crate) fn end_wait(
        &mut self,
        conn: ConnId,
        answer: impl FnOnce(TimeoutReply, &mut ReplyBuf),
    ) -> bool {
        let Some(mut session) = self.take_session(conn) else { return false };
        let waiting = session.waiting.as_ref().map(|waiting| (waiting.on_timeout, waiting.spec));
        self.stop_waiting(&mut session);
        self.put_back(session);
        let Some((on_timeout, spec)) = waiting else { return false };
        let index = self.registry.index(spec);
        self.stats.per_command[index].calls += 1;
        let mut reply = ReplyBuf::new();
        self.unblock(conn, |session| {
            let from = session.reply.buf.len();
            answer(on_timeout, &mut session.reply);
            if session.reply.buf.get(from) == Some(&b'-') {
                reply.raw(&session.reply.buf[from + 1..]);
            }
            session.commands += 1;
            if session.reply_mode == crate::session::ReplyMode::Off {
                session.reply.buf.truncate(from);
            }
        });
        if !reply.buf.is_empty() {
            self.stats.per_command[index].rejected += 1;
            self.stats.error_reply(&reply.buf);
        }
        true
    }

    /// The role changes: what clients wait for will not come. They are told, and have to connect anew.
    pub(crate) fn disconnect_waiting(&mut self, error: &str) {
        let conns: Vec<ConnId> =
            self.sessions().filter(|session| session.waiting.is_some()).map(|session| session.conn).collect();
        for conn in conns {
            if self.keep_or_redirect(conn) {
                continue;
            }
            if let Some(session) = self.session_mut(conn) {
                // Nothing behind the request that waits is to run.
                session.pending.clear();
            }
            self.end_wait(conn, |_, out| out.error(error));
            if let Some(mut session) = self.take_session(conn) {
                session.close_after_reply = true;
                self.put_back(session);
            }
        }
    }

    /// Another dataset has taken the place of this one: every key may be ready now.
    pub(crate) fn dataset_replaced(&mut self) {
        self.own_keys.clear();
        self.invalidate_everything();
        if self.effects.track_ready {
            self.effects.ready.extend(self.blocked.waited_for(|_| true));
            self.serve_ready();
            self.resume_served();
        }
    }
}

/// The answer of a command that has waited in vain.
pub(crate) fn timeout_reply(kind: TimeoutReply, out: &mut ReplyBuf) {
    match kind {
        TimeoutReply::Null => out.null(),
        TimeoutReply::NullArray => out.null_array(),
    }
}

#[cfg(test)]
mod tests;
