//! A message on its way to those who listen.

use resp::ReplyBuf;

use super::{Letter, Postbox, Scope};
use crate::action::ConnId;
use crate::client_memory::ClientMemory;
use crate::connections::{Slot, SlotEntry};
use crate::node::Node;
use crate::session::Session;
use crate::tracking::Word;

/// Position of the limits for subscribers in `client-output-buffer-limit`.
pub(crate) const PUBSUB_CLASS: usize = 2;

/// What sending needs of the node, apart from the registry that is read meanwhile.
pub(crate) struct Delivery<'a> {
    pub slots: &'a mut [SlotEntry],
    pub writable: &'a mut Vec<ConnId>,
    pub postbox: &'a mut Postbox,
    pub overrun: &'a mut Vec<ConnId>,
    /// Of each class in `client-output-buffer-limit`.
    pub hard_limits: [u64; 3],
    /// Where clients are counted, if they are.
    pub client_memory: Option<&'a mut ClientMemory>,
}

impl Delivery<'_> {
    /// Appends an encoded message to what a connection has to read. It is of this class as long as it is in use.
    fn send(&mut self, conn: ConnId, message: &[u8], class: usize) {
        let found = self.append(conn, |session| append(&mut session.reply, message));
        if matches!(found, Some(Found::Busy)) {
            self.postbox.put(conn, Letter::message(message), self.hard_limits[class]);
        }
    }

    /// Tells a connection what its cache must forget; by how much its memory has grown, or `None` if there is no such connection.
    pub fn tell(&mut self, conn: ConnId, word: Word<'_>) -> Option<usize> {
        let mut grown = 0;
        let found = self.append(conn, |session| {
            grown = word.append(session);
            session.pushed_room += grown;
        })?;
        if found == Found::Busy {
            // It is held against the limits of the client when it is handed over.
            self.postbox.put(conn, Letter::word(word), 0);
        }
        Some(grown)
    }

    /// Lets something be appended to what a connection has to read, if it is there and not in use.
    #[inline]
    fn append(&mut self, conn: ConnId, f: impl FnOnce(&mut Session)) -> Option<Found> {
        let entry = self.slots.get_mut(conn.slot())?;
        match &mut entry.slot {
            Slot::Client(session) if session.conn == conn => {
                if session.close_after_reply {
                    return Some(Found::Here);
                }
                f(session);
                if let Some(client_memory) = &mut self.client_memory {
                    client_memory.count(session);
                }
                if !session.listed && session.reply_pending() > 0 {
                    session.listed = true;
                    self.writable.push(conn);
                }
                if exceeds(session.reply_pending(), self.hard_limits[session.output_class()]) {
                    self.overrun.push(conn);
                }
                Some(Found::Here)
            }
            Slot::Busy if entry.generation == conn.generation() => Some(Found::Busy),
            _ => None,
        }
    }
}

/// Where a connection was found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Here,
    /// Its session is in use.
    Busy,
}

/// Whether so many bytes are beyond a limit; 0 is none.
pub(super) fn exceeds(bytes: usize, limit: u64) -> bool {
    limit > 0 && bytes as u64 > limit
}

/// Messages are encoded as arrays; what RESP3 calls a push differs in the first byte.
pub(super) fn append(reply: &mut ReplyBuf, message: &[u8]) {
    if reply.is_resp3() && message[0] == b'*' {
        reply.buf.reserve(message.len());
        reply.buf.push(b'>');
        reply.buf.extend_from_slice(&message[1..]);
    } else {
        reply.buf.extend_from_slice(message);
    }
}

fn encode(into: &mut Vec<u8>, parts: &[&[u8]]) {
    into.clear();
    resp::encode_array_header(into, parts.len());
    for part in parts {
        resp::encode_bulk(into, part);
    }
}

impl Node {
    /// Sends a message to those who listen to a channel; how many there are.
    pub(crate) fn publish(&mut self, scope: Scope, channel: &[u8], message: &[u8]) -> usize {
        let limits = self.config.settings().client_output_buffer_limit;
        let pubsub = &mut self.pubsub;
        let (registry, scratch) = (&pubsub.registry, &mut pubsub.scratch);
        let mut delivery = Delivery {
            slots: &mut self.slots,
            writable: &mut self.writable,
            postbox: &mut pubsub.postbox,
            overrun: &mut pubsub.overrun,
            hard_limits: limits.map(|limit| limit.hard_bytes),
            client_memory: self.clients_limited.then_some(&mut self.client_memory),
        };
        let mut receivers = 0;
        if let Some(subscribers) = registry.subscribers(scope, channel) {
            let kind: &[u8] = if scope == Scope::Shard { b"smessage" } else { b"message" };
            encode(scratch, &[kind, channel, message]);
            for &conn in subscribers.values() {
                delivery.send(conn, scratch, PUBSUB_CLASS);
            }
            receivers += subscribers.len();
        }
        if scope == Scope::Channel {
            for (pattern, subscribers) in registry.matching(channel) {
                encode(scratch, &[b"pmessage", pattern, channel, message]);
                for &conn in subscribers.values() {
                    delivery.send(conn, scratch, PUBSUB_CLASS);
                }
                receivers += subscribers.len();
            }
        }
        if scratch.capacity() > KEEP_CAPACITY {
            *scratch = Vec::new();
        }
        self.cut_off_overrun();
        receivers
    }

    /// Sends bytes that are the same for every protocol to some clients.
    pub(crate) fn send_to(&mut self, conns: &[ConnId], bytes: &[u8]) {
        let limits = self.config.settings().client_output_buffer_limit;
        let pubsub = &mut self.pubsub;
        let mut delivery = Delivery {
            slots: &mut self.slots,
            writable: &mut self.writable,
            postbox: &mut pubsub.postbox,
            overrun: &mut pubsub.overrun,
            hard_limits: limits.map(|limit| limit.hard_bytes),
            client_memory: self.clients_limited.then_some(&mut self.client_memory),
        };
        for &conn in conns {
            delivery.send(conn, bytes, 0);
        }
    }

    /// Closes those who could not be sent any more.
    #[inline]
    pub(crate) fn cut_off_overrun(&mut self) {
        if !self.pubsub.overrun.is_empty() {
            self.cut_off();
        }
    }

    /// Closes those who do not read what they have asked for.
    #[cold]
    fn cut_off(&mut self) {
        for conn in std::mem::take(&mut self.pubsub.overrun) {
            // Named twice if two messages were too many.
            if let Some(session) = self.session(conn) {
                note_cut_off(session);
                self.stats.obl_disconnections += 1;
                self.close_client(conn);
            }
        }
    }

    /// Gives a session what came for it while it was in use.
    #[cold]
    pub(crate) fn empty_postbox(&mut self, session: &mut Session) {
        let (in_time, grown) = self.pubsub.postbox.take(session);
        self.tracking.pushed_room += grown as u64;
        let limit = self.config.settings().client_output_buffer_limit[session.output_class()].hard_bytes;
        if !in_time || exceeds(session.reply_pending(), limit) {
            note_cut_off(session);
            self.stats.obl_disconnections += 1;
            session.drop_replies_and_close();
        }
    }
}

/// A message of more bytes leaves nothing behind in memory.
const KEEP_CAPACITY: usize = 64 * 1024;

/// Says in the log that a client is closed because it does not read.
pub(crate) fn note_cut_off(session: &Session) {
    tracing::warn!(
        "Client {} scheduled to be closed ASAP for overcoming of output buffer limits.",
        session.peer.addr
    );
}
