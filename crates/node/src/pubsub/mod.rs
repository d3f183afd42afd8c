//! Publish/subscribe: who listens to what, and how a message reaches those who listen.
//!
//! ```text
//!  PUBLISH, keyspace events,          registry              reply buffers
//!  the master's stream      ───▶  channel ─▶ subscribers ───▶ of the subscribers ───▶ sockets
//!                                 patterns                    (a limit each)
//! ```
//!
//! A message is encoded once and appended to the reply buffer of each subscriber. A session that is executing a command is out of
//! its slot meanwhile; what it is to hear waits in [`Postbox`] and comes behind the reply of that command, and behind the whole
//! transaction or script.

pub(crate) mod deliver;
mod events;
mod registry;
mod subscriptions;
#[cfg(test)]
mod tests;

pub(crate) use registry::{Registry, Scope};
pub(crate) use subscriptions::Subscriptions;

use resp::ReplyBuf;

use crate::action::ConnId;

/// Messages for sessions that are in use.
#[derive(Default)]
pub(crate) struct Postbox {
    letters: Vec<(ConnId, Box<[u8]>)>,
    bytes: usize,
    /// Those to whom more was sent than they may have waiting.
    overrun: Vec<ConnId>,
}

impl Postbox {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.letters.is_empty() && self.overrun.is_empty()
    }

    fn put(&mut self, conn: ConnId, message: &[u8], limit: u64) {
        if self.overrun.contains(&conn) {
            return;
        }
        self.bytes += message.len();
        self.letters.push((conn, message.into()));
        if deliver::exceeds(self.bytes, limit) {
            self.letters.retain(|(to, _)| *to != conn);
            self.bytes = self.letters.iter().map(|(_, message)| message.len()).sum();
            self.overrun.push(conn);
        }
    }

    /// Moves what is for one connection out, in order; `false` if it was too much.
    fn take(&mut self, conn: ConnId, into: &mut ReplyBuf) -> bool {
        self.letters.retain(|(to, message)| {
            let own = *to == conn;
            if own {
                self.bytes -= message.len();
                deliver::append(into, message);
            }
            !own
        });
        let overrun = self.overrun.iter().position(|other| *other == conn);
        overrun.map(|at| self.overrun.swap_remove(at)).is_none()
    }
}

/// All that the node keeps for publish/subscribe.
#[derive(Default)]
pub(crate) struct PubSub {
    pub registry: Registry,
    /// For those whose session is in use.
    pub postbox: Postbox,
    /// The encoding of the message on its way, kept for its capacity.
    scratch: Vec<u8>,
    /// Likewise the name of the channel of a keyspace event.
    event_channel: Vec<u8>,
    /// Subscribers beyond their limit, to be closed once the message has gone round.
    overrun: Vec<ConnId>,
    /// Clients that subscribe to anything, for INFO.
    pub clients: usize,
}
