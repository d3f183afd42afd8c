//! A message on its way to those who listen.

use resp::ReplyBuf;

use super::{Postbox, Scope};
use crate::action::ConnId;
use crate::client_memory::ClientMemory;
use crate::connections::{Slot, SlotEntry};
use crate::node::Node;
use crate::session::Session;

/// Position of the limits for subscribers in `client-output-buffer-limit`.
pub(crate) const PUBSUB_CLASS: usize = 2;

/// What sending needs of the node, apart from the registry that is read meanwhile.
struct Delivery<'a> {
    slots: &'a mut [SlotEntry],
    writable: &'a mut Vec<ConnId>,
    postbox: &'a mut Postbox,
    overrun: &'a mut Vec<ConnId>,
    hard_limit: u64,
    /// Where clients are counted, if they are.
    client_memory: Option<&'a mut ClientMemory>,
}

impl Delivery<'_> {
    /// Appends an encoded message to what a connection has to read.
    fn send(&mut self, conn: ConnId, message: &[u8]) {
        let Some(entry) = self.slots.get_mut(conn.slot()) else { return };
        match &mut entry.slot {
            Slot::Client(session) if session.conn == conn => {
                if session.close_after_reply {
                    return;
                }
                append(&mut session.reply, message);
                if let Some(client_memory) = &mut self.client_memory {
                    client_memory.count(session);
                }
                if !session.listed {
                    session.listed = true;
                    self.writable.push(conn);
                }
                if exceeds(session.reply_pending(), self.hard_limit) {
                    self.overrun.push(conn);
                }
            }
            Slot::Busy if entry.generation == conn.generation() => {
                self.postbox.put(conn, message, self.hard_limit);
            }
            _ => {}
        }
    }
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
        let hard_limit = self.config.settings().client_output_buffer_limit[PUBSUB_CLASS].hard_bytes;
        let pubsub = &mut self.pubsub;
        let (registry, scratch) = (&pubsub.registry, &mut pubsub.scratch);
        let mut delivery = Delivery {
            slots: &mut self.slots,
            writable: &mut self.writable,
            postbox: &mut pubsub.postbox,
            overrun: &mut pubsub.overrun,
            hard_limit,
            client_memory: self.clients_limited.then_some(&mut self.client_memory),
        };
        let mut receivers = 0;
        if let Some(subscribers) = registry.subscribers(scope, channel) {
            let kind: &[u8] = if scope == Scope::Shard { b"smessage" } else { b"message" };
            encode(scratch, &[kind, channel, message]);
            for &conn in subscribers.values() {
                delivery.send(conn, scratch);
            }
            receivers += subscribers.len();
        }
        if scope == Scope::Channel {
            for (pattern, subscribers) in registry.matching(channel) {
                encode(scratch, &[b"pmessage", pattern, channel, message]);
                for &conn in subscribers.values() {
                    delivery.send(conn, scratch);
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
        let pubsub = &mut self.pubsub;
        let mut delivery = Delivery {
            slots: &mut self.slots,
            writable: &mut self.writable,
            postbox: &mut pubsub.postbox,
            overrun: &mut pubsub.overrun,
            hard_limit: self.config.settings().client_output_buffer_limit[0].hard_bytes,
            client_memory: self.clients_limited.then_some(&mut self.client_memory),
        };
        for &conn in conns {
            delivery.send(conn, bytes);
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
        let in_time = self.pubsub.postbox.take(session.conn, &mut session.reply);
        let limit = self.config.settings().client_output_buffer_limit[PUBSUB_CLASS].hard_bytes;
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
