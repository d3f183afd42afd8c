//! Connections: the table of them, and the way of their bytes in and out.

use std::sync::Arc;

use acl::User;
use smallvec::SmallVec;

use crate::action::{Action, ConnId};
use crate::node::Node;
use crate::scripting::FromTarget;
use crate::session::{Peer, Session};
use crate::time::Now;

/// What a slot of the connection table holds.
pub(crate) enum Slot {
    Free,
    Client(Box<Session>),
    /// The session is in use further up the call stack.
    Busy,
    /// The link to the master; its state is in [`Replication`].
    Upstream,
    /// A second connection to the master, for the payload; its state is there, too.
    UpstreamPayload,
    /// A connection that MIGRATE has made; its state is in [`Migrations`].
    Migration,
}

pub(crate) struct SlotEntry {
    pub generation: u32,
    pub slot: Slot,
}

impl Node {
    /// A client has connected.
    ///
    /// # Errors
    ///
    /// The bytes to send before the socket is closed: too many clients, or protected mode.
    pub fn accept(&mut self, now: Now, peer: Peer) -> Result<ConnId, &'static [u8]> {
        self.set_now(now);
        self.stats.connections_received += 1;
        let settings = self.config.settings();
        if self.clients >= settings.maxclients as usize {
            self.stats.connections_rejected += 1;
            return Err(b"-ERR max number of clients reached\r\n");
        }
        let open = self.access.lets_anyone_in();
        let protected = settings.protected_mode && self.access.users.default_user().needs_no_password();
        if protected && !peer.unix && !peer.loopback {
            self.stats.connections_rejected += 1;
            return Err(PROTECTED_MODE);
        }
        let conn = self.new_conn();
        let id = self.next_client_id;
        self.next_client_id += 1;
        let (user, known) = self.user_of_certificate(&peer);
        let mut session = Session::new(conn, id, peer, user.clone(), now.mono_us);
        session.set_user(user, open || known);
        self.slots[conn.slot()].slot = Slot::Client(Box::new(session));
        self.clients += 1;
        Ok(conn)
    }

    /// The user whom a client's certificate names, and that it does; the default user otherwise.
    fn user_of_certificate(&mut self, peer: &Peer) -> (Arc<User>, bool) {
        if let Some(name) = &peer.certificate_user {
            match self.access.users.get(name.as_bytes()).filter(|user| user.is_enabled()) {
                Some(user) => return (user.clone(), true),
                None => self.stats.denied_certificates += 1,
            }
        }
        (self.access.users.default_user().clone(), false)
    }

    pub(crate) fn new_conn(&mut self) -> ConnId {
        let slot = self.free_slots.pop().unwrap_or_else(|| {
            self.slots.push(SlotEntry { generation: 0, slot: Slot::Free });
            self.slots.len() - 1
        });
        let entry = &mut self.slots[slot];
        entry.generation += 1;
        ConnId::new(slot, entry.generation)
    }

    /// Forgets a connection's slot. The caller has taken care of what the slot held.
    pub(crate) fn free_conn(&mut self, conn: ConnId) {
        self.slots[conn.slot()].slot = Slot::Free;
        self.free_slots.push(conn.slot());
    }

    pub(crate) fn slot_mut(&mut self, conn: ConnId) -> Option<&mut Slot> {
        self.slots
            .get_mut(conn.slot())
            .filter(|entry| entry.generation == conn.generation())
            .map(|entry| &mut entry.slot)
    }

    /// The client session behind a connection, unless it is in use further up the call stack.
    pub(crate) fn session(&self, conn: ConnId) -> Option<&Session> {
        let entry = self.slots.get(conn.slot())?;
        match &entry.slot {
            Slot::Client(session) if session.conn == conn => Some(session),
            _ => None,
        }
    }

    /// As [`Node::session`], to be changed.
    pub(crate) fn session_mut(&mut self, conn: ConnId) -> Option<&mut Session> {
        match self.slot_mut(conn)? {
            Slot::Client(session) => Some(session),
            _ => None,
        }
    }

    /// All client sessions but one that is in use further up the call stack.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.slots.iter().filter_map(|entry| match &entry.slot {
            Slot::Client(session) => Some(&**session),
            _ => None,
        })
    }

    /// Takes a session out of its slot for the time of a call; [`Node::put_back`] returns it.
    pub(crate) fn take_session(&mut self, conn: ConnId) -> Option<Box<Session>> {
        let slot = self.slot_mut(conn)?;
        match std::mem::replace(slot, Slot::Busy) {
            Slot::Client(session) => Some(session),
            other => {
                *slot = other;
                None
            }
        }
    }

    /// Returns a session to its slot, tells the driver of its output, or lets it go if it has ended.
    pub(crate) fn put_back(&mut self, mut session: Box<Session>) {
        let conn = session.conn;
        if !self.pubsub.postbox.is_empty() {
            self.empty_postbox(&mut session);
        }
        self.check_reply_limit(&mut session);
        if self.clients_limited {
            self.client_memory.count(&mut session);
        }
        if session.close_after_reply && session.reply_pending() == 0 {
            self.end_session(&mut session);
            self.free_conn(conn);
            self.actions.push(Action::Close(conn));
            self.adopt_script_caller(session);
            return;
        }
        // Both at once: neither is the rule.
        if session.held | (session.last_write > self.aof.gate) {
            self.hold_replies(&mut session);
        }
        if !session.held && !session.listed && session.reply_pending() > 0 {
            session.listed = true;
            self.writable.push(conn);
        }
        self.slots[conn.slot()].slot = Slot::Client(session);
    }

    /// Marks a connection as having output. One that has none is left alone: nothing would be written, and so nothing would
    /// ever take the mark away again.
    pub(crate) fn list_writable(&mut self, conn: ConnId) {
        let log = &self.replication.log;
        let limit = self.aof.limit(log.end());
        if let Some(session) = self.session(conn) {
            if session.held {
                return;
            }
            let of_feed = session.replica.as_ref().is_some_and(|feed| feed.has_output(log, limit));
            if session.listed || !(of_feed || session.reply_pending() > 0) {
                return;
            }
        }
        if let Some(session) = self.session_mut(conn) {
            session.listed = true;
        }
        self.writable.push(conn);
    }

    /// Closes a client from within: its socket goes at once.
    pub(crate) fn close_client(&mut self, conn: ConnId) {
        if let Some(mut session) = self.take_session(conn) {
            self.end_session(&mut session);
            self.free_conn(conn);
            self.actions.push(Action::Close(conn));
            self.adopt_script_caller(session);
        }
    }

    /// Undoes everything that refers to a session.
    fn end_session(&mut self, session: &mut Session) {
        self.clients -= 1;
        self.client_memory.forget(session);
        self.unwatch(session);
        self.unsubscribe_all(session);
        self.end_monitor(session);
        self.end_tracking(session);
        self.stop_waiting(session);
        if session.blocked.is_some() {
            self.wait.clients.retain(|&other| other != session.conn);
            self.pause.forget(session.conn);
        }
        if let Some(feed) = session.replica.take() {
            self.replica_gone(session.conn, &session.peer, *feed);
        }
    }

    /// The other end has closed, or the socket failed. The driver drops the socket by itself.
    pub fn eof(&mut self, now: Now, conn: ConnId) {
        self.set_now(now);
        match self.slot_mut(conn) {
            Some(Slot::Upstream) => self.upstream_lost("Connection with master lost."),
            Some(Slot::UpstreamPayload) => self.payload_connection_lost(),
            Some(Slot::Migration) => match &mut self.scripting.parked {
                None => self.migration_lost(conn),
                Some(parked) => parked.migrations.push((conn, FromTarget::End)),
            },
            Some(Slot::Client(_)) => {
                if let Some(mut session) = self.take_session(conn) {
                    self.end_session(&mut session);
                    self.free_conn(conn);
                    self.adopt_script_caller(session);
                }
            }
            _ => {}
        }
    }

    /// Bytes have arrived.
    pub fn input(&mut self, now: Now, conn: ConnId, data: &[u8]) {
        self.set_now(now);
        self.stats.reads += 1;
        match self.slot_mut(conn) {
            Some(Slot::Client(_)) => {}
            Some(Slot::Upstream) => {
                return match &mut self.scripting.parked {
                    None => self.upstream_input(data),
                    // What the master says waits for the script.
                    Some(parked) => {
                        let (from, held) = parked.stream.get_or_insert_with(|| (conn, Vec::new()));
                        if *from != conn {
                            held.clear();
                            *from = conn;
                        }
                        held.extend_from_slice(data);
                    }
                };
            }
            // It only reaches the loader.
            Some(Slot::UpstreamPayload) => return self.payload_connection_input(data),
            Some(Slot::Migration) => match &mut self.scripting.parked {
                None => {
                    self.migration_input(conn, data);
                    return self.after_input();
                }
                // Keys leave when the target has taken them, and the dataset under a script does not change.
                Some(parked) => return parked.migrations.push((conn, FromTarget::Bytes(data.to_vec()))),
            },
            _ => return,
        }
        let Some(mut session) = self.take_session(conn) else { return };
        session.last_input_us = now.mono_us;
        session.bytes_in += data.len() as u64;
        if session.is_replica() {
            self.stats.net_repl_in += data.len() as u64;
        } else {
            self.stats.net_in += data.len() as u64;
        }
        if session.close_after_reply {
            // What a client sends after QUIT or a protocol error is nobody's business any more.
        } else if session.pending.is_empty() && session.blocked.is_none() {
            let used = self.run(&mut session, data);
            if used < data.len() && !session.close_after_reply {
                session.append_input(&data[used..]);
            }
        } else {
            session.append_input(data);
            if self.clients_limited {
                // Before what has become whole is executed, and its memory is given back.
                self.slots[conn.slot()].slot = Slot::Client(session);
                self.recount(conn);
                self.evict_clients();
                match self.take_session(conn) {
                    Some(back) => session = back,
                    None => return,
                }
            }
            self.run_pending(&mut session);
        }
        self.check_query_buffer(&mut session);
        self.put_back(session);
        self.after_input();
    }

    /// Looks at input that [`Node::input`] is about to get, for the sake of [`Node::prefetch_foreseen`]. A driver that has read
    /// from several clients calls this for each first; it changes nothing but speed.
    pub fn foresee(&mut self, conn: ConnId, data: &[u8]) {
        // A pipeline prefetches for itself.
        if data.len() > MAX_FORESEEN_BYTES || self.foreseen.len() >= MAX_FORESEEN {
            return;
        }
        let Some(session) = self.session(conn) else { return };
        if !session.pending.is_empty() || session.db != 0 {
            return;
        }
        let mut spans = std::mem::take(&mut self.foreseen_spans);
        let mut hashes = std::mem::take(&mut self.foreseen);
        spans.clear();
        let parsed = resp::RequestParser::new().parse(data, 0, &resp::RequestLimits::default(), &mut spans);
        if let Ok(resp::Parsed::Request { form: resp::Form::Array, .. }) = parsed {
            let args = resp::Args::new(data, &spans);
            self.collect_keys(0, self.registry.resolve(args).ok(), args, &mut hashes);
        }
        self.foreseen_spans = spans;
        self.foreseen = hashes;
    }

    /// Fetches the memory that the requests which were foreseen will touch.
    pub fn prefetch_foreseen(&mut self) {
        self.prefetch_keys(0, &self.foreseen);
        self.foreseen.clear();
    }

    /// Runs what stands in a session's own input buffer.
    pub(crate) fn run_pending(&mut self, session: &mut Session) {
        if session.blocked.is_some() || session.pending.is_empty() {
            return;
        }
        let mut pending = std::mem::take(&mut session.pending);
        let used = self.run(session, &pending);
        if used > 0 {
            pending.drain(..used);
        }
        if pending.is_empty() && pending.capacity() > KEEP_INPUT_CAPACITY {
            pending = Vec::new();
        }
        session.pending = pending;
    }

    /// Closes a client whose replies are more than may wait, without sending them.
    #[inline]
    fn check_reply_limit(&mut self, session: &mut Session) {
        let pending = session.reply_pending();
        if pending > SMALL_REPLIES {
            let limit = self.config.settings().client_output_buffer_limit[session.output_class()].hard_bytes;
            if limit > 0 && pending as u64 > limit && !session.is_replica() {
                crate::pubsub::deliver::note_cut_off(session);
                self.stats.obl_disconnections += 1;
                session.drop_replies_and_close();
            }
        }
    }

    fn check_query_buffer(&mut self, session: &mut Session) {
        let limit = self.config.settings().client_query_buffer_limit as usize;
        if session.pending.len() > limit {
            tracing::warn!(
                "Closing client {}: its query buffer of {} bytes exceeds the limit",
                session.peer.addr,
                session.pending.len()
            );
            self.stats.query_limit_disconnections += 1;
            session.drop_replies_and_close();
        }
        if !session.was_authenticated {
            self.check_stranger(session);
        }
    }

    /// Who has not said yet who he is does not get memory for replies that he does not read.
    #[cold]
    fn check_stranger(&mut self, session: &mut Session) {
        let limit = if self.debug.no_small_replies { 0 } else { MAX_STRANGERS_REPLIES };
        if session.reply_pending() > limit {
            tracing::warn!(
                "Closing client {}: it does not read replies before it has authenticated",
                session.peer.addr
            );
            self.stats.obl_disconnections += 1;
            session.drop_replies_and_close();
        }
    }

    /// Connections that have got output since they were last drained. Each is named once; after a write that could not
    /// take everything the driver comes back by itself when the socket has room.
    pub fn take_writable(&mut self, into: &mut Vec<ConnId>) {
        into.append(&mut self.writable);
    }

    /// What may be written to a connection now, in order.
    pub fn output<'a>(&'a self, conn: ConnId, slices: &mut SmallVec<[&'a [u8]; 16]>) {
        let Some(entry) = self.slots.get(conn.slot()) else { return };
        match &entry.slot {
            Slot::Client(session) if session.conn == conn => {
                if session.held {
                    return;
                }
                if session.reply_pending() > 0 {
                    slices.push(&session.reply.buf[session.reply_sent..]);
                }
                if let Some(feed) = &session.replica {
                    feed.output(&self.replication.log, self.aof.limit(self.replication.log.end()), slices);
                }
            }
            Slot::Upstream => {
                let pending = self.upstream_output(conn);
                if !pending.is_empty() {
                    slices.push(pending);
                }
            }
            Slot::UpstreamPayload => {
                let pending = self.payload_connection_output(conn);
                if !pending.is_empty() {
                    slices.push(pending);
                }
            }
            Slot::Migration => {
                let pending = self.migration_output(conn);
                if !pending.is_empty() {
                    slices.push(pending);
                }
            }
            _ => {}
        }
    }

    /// So many bytes of [`Node::output`] were written.
    pub fn written(&mut self, now: Now, conn: ConnId, n: usize) {
        self.stats.writes += 1;
        match self.slot_mut(conn) {
            Some(Slot::Client(session)) => {
                let mut pushed_room = 0;
                let of_reply = n.min(session.reply_pending());
                session.reply_sent += of_reply;
                session.bytes_out += n as u64;
                let drained = session.reply_pending() == 0;
                if drained {
                    session.reply.buf.clear();
                    session.reply_sent = 0;
                    session.soft_limit_since_ms = None;
                    let keep = if session.pushed_room == 0 {
                        KEEP_REPLY_CAPACITY
                    } else {
                        pushed_room = std::mem::take(&mut session.pushed_room);
                        KEEP_PUSHED_CAPACITY
                    };
                    if session.reply.buf.capacity() > keep {
                        session.reply.buf = Vec::new();
                    }
                } else if session.reply_sent > KEEP_REPLY_CAPACITY
                    && session.reply_sent > session.reply.buf.len() / 2
                {
                    // One who reads all the time but never to the end must not hold what was written.
                    session.reply.buf.drain(..session.reply_sent);
                    session.reply_sent = 0;
                }
                let closing = session.close_after_reply;
                let more = match &mut session.replica {
                    Some(feed) => {
                        feed.written(n - of_reply);
                        true
                    }
                    None => false,
                };
                session.listed = !drained;
                self.tracking.pushed_room -= pushed_room as u64;
                if more {
                    self.stats.net_repl_out += n as u64;
                    self.set_now(now);
                    self.replica_written(conn);
                } else {
                    self.stats.net_out += n as u64;
                }
                if drained && closing {
                    self.close_client(conn);
                } else if self.clients_limited {
                    self.recount(conn);
                }
            }
            Some(Slot::Upstream) => {
                self.stats.net_repl_out += n as u64;
                self.upstream_written(n);
            }
            Some(Slot::UpstreamPayload) => {
                self.stats.net_repl_out += n as u64;
                self.payload_connection_written(n);
            }
            Some(Slot::Migration) => {
                self.stats.net_out += n as u64;
                self.set_now(now);
                self.migration_written(conn, n);
            }
            _ => {}
        }
    }
}
/// Input of more bytes than this is a pipeline or a large value, for which prefetching across clients gains nothing.
const MAX_FORESEEN_BYTES: usize = 512;
/// Keys foreseen in one round at most.
const MAX_FORESEEN: usize = 128;
/// Replies of no more bytes are never too many, whatever `client-output-buffer-limit` says: others do not count their fixed buffer.
const SMALL_REPLIES: usize = 16 * 1024;
/// Bytes of replies that a client may leave unread before it has authenticated.
const MAX_STRANGERS_REPLIES: usize = 16 * 1024;
/// An input buffer beyond this size is given back once it is empty.
const KEEP_INPUT_CAPACITY: usize = 64 * 1024;
/// So is a reply buffer beyond this one.
const KEEP_REPLY_CAPACITY: usize = 64 * 1024;
/// And this much of one that has grown for invalidations: memory that evicting keys has cost is not to be kept.
const KEEP_PUSHED_CAPACITY: usize = 1024;

const PROTECTED_MODE: &[u8] = b"-DENIED Tandem is running in protected mode because protected mode is enabled and no \
password is set for the default user. In this mode connections are only accepted from the loopback interface. To connect \
from other machines: set a password with CONFIG SET requirepass or the requirepass directive, or, if the network is \
trusted, turn protected mode off with CONFIG SET protected-mode no, the directive protected-mode no, or the option \
--protected-mode no.\r\n";
