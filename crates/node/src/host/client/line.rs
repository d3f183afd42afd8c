//! One line of CLIENT LIST.

use std::borrow::Cow;
use std::fmt::Write;

use super::filter::Class;
use super::tracking::redirection;
use crate::node::Node;
use crate::pubsub::Scope;
use crate::session::{Blocked, Session};
use crate::tracking::{Mode, Tracker};

/// What CLIENT LIST and the filters go by.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub id: u64,
    pub class: Class,
    pub addr: Cow<'a, str>,
    pub laddr: &'a str,
    pub fd: i32,
    pub name: &'a [u8],
    pub age_s: u64,
    pub idle_s: u64,
    pub flags: String,
    pub capabilities: &'static str,
    pub db: usize,
    /// Commands queued by MULTI; `None` outside of a transaction.
    pub queued: Option<usize>,
    /// Channels, patterns and shard channels it listens to.
    pub subscriptions: [usize; 3],
    /// Keys watched.
    pub watched: usize,
    /// Input that is not executed yet, and the room behind it.
    pub input: usize,
    pub input_room: usize,
    /// Bytes of the arguments of the command being executed, and of those queued.
    pub argv_bytes: usize,
    pub queued_bytes: usize,
    /// Size of the reply buffer, and what of it waits to be written.
    pub reply_capacity: usize,
    pub reply_pending: usize,
    /// Bytes of the log that wait to be sent to a replica.
    pub feed_pending: u64,
    pub total_bytes: usize,
    pub command: &'a str,
    pub user: &'a [u8],
    /// The client that its invalidations go to: 0 without one, -1 if it tracks no keys.
    pub redirection: i64,
    pub protocol: u8,
    pub lib_name: &'a [u8],
    pub lib_ver: &'a [u8],
    /// Bytes that have come, bytes that were sent, and commands carried out.
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub commands: u64,
}

impl Default for Facts<'_> {
    fn default() -> Self {
        Facts {
            id: 0,
            class: Class::Normal,
            addr: Cow::Borrowed(""),
            laddr: "",
            fd: -1,
            name: b"",
            age_s: 0,
            idle_s: 0,
            flags: "N".to_owned(),
            capabilities: "",
            db: 0,
            queued: None,
            subscriptions: [0; 3],
            watched: 0,
            input: 0,
            input_room: 0,
            argv_bytes: 0,
            queued_bytes: 0,
            reply_capacity: 0,
            reply_pending: 0,
            feed_pending: 0,
            total_bytes: 0,
            command: "NULL",
            user: b"default",
            redirection: -1,
            protocol: 2,
            lib_name: b"",
            lib_ver: b"",
            bytes_in: 0,
            bytes_out: 0,
            commands: 0,
        }
    }
}

impl<'a> Facts<'a> {
    /// The facts of a client or replica.
    pub fn of(node: &Node, session: &'a Session) -> Facts<'a> {
        let seconds_since = |us: u64| node.now.mono_us.saturating_sub(us) / 1_000_000;
        // Complete arguments of a request that is not; others move them elsewhere.
        let parsed = session.parser.consumed().min(session.pending.len());
        let tracker = node.tracking.active_of(session);
        let queued_bytes = session.transaction.as_ref().map_or(0, |transaction| transaction.bytes);
        Facts {
            id: session.id,
            class: class(session),
            addr: Cow::Borrowed(&session.peer.addr),
            laddr: &session.peer.laddr,
            fd: session.peer.fd,
            name: &session.name,
            age_s: seconds_since(session.created_us),
            idle_s: seconds_since(session.last_input_us),
            flags: flags(session, tracker),
            capabilities: if session.redirect { "r" } else { "" },
            db: session.db,
            queued: session.transaction.as_ref().map(|transaction| transaction.queue.len()),
            subscriptions: subscriptions(session),
            watched: session.watched.len(),
            input: session.pending.len() - parsed,
            input_room: session.pending.capacity() - session.pending.len(),
            argv_bytes: parsed,
            queued_bytes,
            reply_capacity: session.reply.buf.capacity(),
            reply_pending: session.reply_pending(),
            feed_pending: feed_pending(node, session),
            total_bytes: memory(session),
            command: session.last_command.map_or("NULL", |spec| spec.full_name),
            user: session.user.name(),
            redirection: redirection(tracker),
            protocol: if session.resp3() { 3 } else { 2 },
            lib_name: &session.lib_name,
            lib_ver: &session.lib_ver,
            bytes_in: session.bytes_in,
            bytes_out: session.bytes_out,
            commands: session.commands,
        }
    }

    /// Appends the line.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut text = String::with_capacity(320);
        let queued = self.queued.map_or(-1, |queued| queued as i64);
        let events = if self.reply_pending > 0 || self.feed_pending > 0 { "rw" } else { "r" };
        let _ = write!(text, "id={} addr={} laddr={} fd={} name=", self.id, self.addr, self.laddr, self.fd);
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(self.name);
        text.clear();
        let _ = write!(
            text,
            " age={} idle={} flags={} capa={} db={} sub={} psub={} ssub={} multi={queued} watch={} qbuf={} qbuf-free={} argv-mem={} multi-mem={} \
             rbs={} rbp={} obl={} oll=0 omem={} tot-mem={} events={events} cmd={} user=",
            self.age_s,
            self.idle_s,
            self.flags,
            self.capabilities,
            self.db,
            self.subscriptions[0],
            self.subscriptions[1],
            self.subscriptions[2],
            self.watched,
            self.input,
            self.input_room,
            self.argv_bytes,
            self.queued_bytes,
            self.reply_capacity,
            // The buffer has grown to what was needed of it, and is given back when it is no longer.
            self.reply_capacity,
            self.reply_pending,
            self.reply_pending as u64 + self.feed_pending,
            self.total_bytes,
            self.command,
        );
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(self.user);
        text.clear();
        let _ = write!(text, " redir={} resp={} lib-name=", self.redirection, self.protocol);
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(self.lib_name);
        out.extend_from_slice(b" lib-ver=");
        out.extend_from_slice(self.lib_ver);
        let totals = format!(
            " tot-net-in={} tot-net-out={} tot-cmds={}\n",
            self.bytes_in, self.bytes_out, self.commands
        );
        out.extend_from_slice(totals.as_bytes());
    }
}

fn class(session: &Session) -> Class {
    if session.is_replica() {
        Class::Replica
    } else if session.subscriptions.is_some() {
        Class::Pubsub
    } else {
        Class::Normal
    }
}

fn subscriptions(session: &Session) -> [usize; 3] {
    let Some(all) = &session.subscriptions else { return [0; 3] };
    [Scope::Channel, Scope::Pattern, Scope::Shard].map(|scope| all.of(scope).len())
}

/// The letters of the state a client is in.
fn flags(session: &Session, tracker: Option<&Tracker>) -> String {
    let letters = [
        ('O', session.monitor),
        ('S', session.is_replica()),
        ('P', session.subscriptions.is_some()),
        ('x', session.transaction.is_some()),
        ('b', session.blocked.is_some_and(|blocked| !matches!(blocked, Blocked::Job(_)))),
        ('t', tracker.is_some()),
        ('R', tracker.is_some_and(|tracker| tracker.broken)),
        ('B', tracker.is_some_and(|tracker| tracker.mode == Mode::Broadcast)),
        ('d', session.watch_broken),
        ('c', session.close_after_reply),
        ('U', session.peer.unix),
        ('r', session.read_only),
        ('e', session.no_evict),
        ('T', session.no_touch),
        ('I', session.import_source),
    ];
    let set: String = letters.iter().filter(|(_, set)| *set).map(|(letter, _)| letter).collect();
    if set.is_empty() { "N".to_owned() } else { set }
}

/// Bytes that wait to be sent to the replica behind a connection, its replies apart.
pub(crate) fn feed_pending(node: &Node, session: &Session) -> u64 {
    let Some(feed) = session.replica.as_deref().filter(|feed| feed.is_attached()) else { return 0 };
    let stream = if feed.state.is_online() { node.replication.log.end().since(feed.sent) } else { 0 };
    feed.payload.len() as u64 + stream
}

/// Bytes that a client occupies.
pub(crate) fn memory(session: &Session) -> usize {
    size_of::<Session>()
        + session.pending.capacity()
        + session.reply.buf.capacity()
        + session.name.capacity()
        + session.tracker_bytes
        + session.transaction.as_ref().map_or(0, |transaction| transaction.bytes)
        + session.subscriptions.as_ref().map_or(0, |all| all.memory())
        + session.watched.iter().map(|watched| size_of_val(watched) + watched.key.len()).sum::<usize>()
}
