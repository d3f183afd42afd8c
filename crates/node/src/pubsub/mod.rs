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

use crate::action::ConnId;
use crate::session::Session;
use crate::tracking::{Kind, Word};

/// Something for a session that is in use.
struct Letter {
    text: Box<[u8]>,
    /// What it is if it is no message: word for the client's cache, redirected or not.
    word: Option<(Kind, bool)>,
}

impl Letter {
    fn message(text: &[u8]) -> Letter {
        Letter { text: text.into(), word: None }
    }

    fn word(word: Word<'_>) -> Letter {
        Letter { text: word.keys.into(), word: Some((word.kind, word.redirected)) }
    }

    /// Appends it to what its session has to read; by how much that has grown for the sake of a cache.
    fn append(&self, session: &mut Session) -> usize {
        match self.word {
            None => {
                deliver::append(&mut session.reply, &self.text);
                0
            }
            Some((kind, redirected)) => Word { kind, redirected, keys: &self.text }.append(session),
        }
    }
}

/// Messages for sessions that are in use.
#[derive(Default)]
pub(crate) struct Postbox {
    letters: Vec<(ConnId, Letter)>,
    bytes: usize,
    /// Those to whom more was sent than they may have waiting.
    overrun: Vec<ConnId>,
}

impl Postbox {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.letters.is_empty() && self.overrun.is_empty()
    }

    fn put(&mut self, conn: ConnId, letter: Letter, limit: u64) {
        if self.overrun.contains(&conn) {
            return;
        }
        self.bytes += letter.text.len();
        self.letters.push((conn, letter));
        if deliver::exceeds(self.bytes, limit) {
            self.letters.retain(|(to, _)| *to != conn);
            self.bytes = self.letters.iter().map(|(_, letter)| letter.text.len()).sum();
            self.overrun.push(conn);
        }
    }

    /// Moves what is for one connection out, in order; whether it was not too much, and by how much memory has grown for its cache's sake.
    fn take(&mut self, session: &mut Session) -> (bool, usize) {
        let conn = session.conn;
        let mut grown = 0;
        self.letters.retain(|(to, letter)| {
            let own = *to == conn;
            if own {
                self.bytes -= letter.text.len();
                grown += letter.append(session);
            }
            !own
        });
        session.pushed_room += grown;
        let overrun = self.overrun.iter().position(|other| *other == conn);
        (overrun.map(|at| self.overrun.swap_remove(at)).is_none(), grown)
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
    /// Those beyond their limit, to be closed once the message has gone round.
    pub overrun: Vec<ConnId>,
    /// Clients that subscribe to anything, for INFO.
    pub clients: usize,
}
