//! Full synchronisations over two connections: which belong together, and what becomes of one when the other ends.
//!
//! ```text
//!   Redis: the main connection comes first and is given a number, by which the other one names it.
//!
//!   open() ──▶ join() ──▶ begins(): the stream of the main one ──▶ completes()
//!
//!   Valkey: the payload's connection asks first and is given a number, by which the main one names it. Until that has come,
//!   the log must be kept from the snapshot's position on.
//!
//!   arrive() ──▶ begins() ──▶ attach(): the stream of the main one ──▶ completes()
//!                        └──▶ completes() ──▶ attach()
//! ```
//!
//! A payload without its stream is of no use, nor a stream without its payload. So when one of the connections ends before it has done
//! its duty, the other is to be closed, and the replica comes again. The payload's connection has done its duty when the payload is
//! complete: then the main one may still come for a while, since a small dataset may be through before it has asked.

use crate::{ChannelForm, Offset};

/// Which of the two connections one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelRole {
    /// The stream goes over it.
    Main,
    /// The payload goes over it.
    Payload,
}

/// The other connection that was named is not one that waits for this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no replica waits for a connection under the number {client}")]
pub struct UnknownChannel {
    /// The number.
    pub client: u64,
}

/// The connections of full synchronisations that use two of them. `K` names a connection.
#[derive(Clone, Debug)]
pub struct Channels<K> {
    pairs: Vec<Pair<K>>,
}

/// One of them. A pair is forgotten once it has nothing more to tell: the payload is complete, and the stream flows.
#[derive(Clone, Debug)]
struct Pair<K> {
    form: ChannelForm,
    /// The number under which the first connection was made known to the second.
    client: u64,
    main: Option<K>,
    payload: Option<K>,
    /// Where the snapshot stands, once it has begun.
    at: Option<Offset>,
    complete: bool,
    /// The connection that is missing has to come before this time.
    until_ms: Option<u64>,
}

impl<K> Default for Channels<K> {
    fn default() -> Channels<K> {
        Channels { pairs: Vec::new() }
    }
}

impl<K: Copy + Eq> Channels<K> {
    /// Redis: a replica is told to ask for its payload over another connection, by `until_ms`, and to name this one as `client`.
    pub fn open(&mut self, main: K, client: u64, until_ms: u64) {
        self.pairs.push(Pair {
            form: ChannelForm::Redis,
            client,
            main: Some(main),
            payload: None,
            at: None,
            complete: false,
            until_ms: Some(until_ms),
        });
    }

    /// Redis: the other connection has come; which is the main one.
    pub fn join(&mut self, client: u64, payload: K) -> Result<K, UnknownChannel> {
        let waits = |pair: &&mut Pair<K>| {
            pair.form == ChannelForm::Redis && pair.client == client && pair.payload.is_none()
        };
        let pair = self.pairs.iter_mut().find(waits).ok_or(UnknownChannel { client })?;
        pair.payload = Some(payload);
        pair.until_ms = None;
        pair.main.ok_or(UnknownChannel { client })
    }

    /// Valkey: a connection asks for a payload whose stream another one will ask for, which names this one as `client`.
    pub fn arrive(&mut self, payload: K, client: u64) {
        self.pairs.push(Pair {
            form: ChannelForm::Valkey,
            client,
            main: None,
            payload: Some(payload),
            at: None,
            complete: false,
            until_ms: None,
        });
    }

    /// The snapshot for this payload begins. Returns the main connection if the stream is to flow over it from now on.
    pub fn begins(&mut self, payload: K, at: Offset) -> Option<K> {
        let pair = self.pairs.iter_mut().find(|pair| pair.payload == Some(payload))?;
        pair.at = Some(at);
        pair.main
    }

    /// Valkey: whether a payload was begun for this client whose stream nobody has asked for yet.
    pub fn expects(&self, client: u64) -> bool {
        self.pairs.iter().any(|pair| pair.expects(client))
    }

    /// Valkey: the main connection asks for the stream of that payload; where this begins, and the payload's connection, if that is
    /// still there.
    pub fn attach(&mut self, client: u64, main: K) -> Result<(Offset, Option<K>), UnknownChannel> {
        let index = self.pairs.iter().position(|pair| pair.expects(client));
        let index = index.ok_or(UnknownChannel { client })?;
        let pair = &mut self.pairs[index];
        pair.main = Some(main);
        pair.until_ms = None;
        let found = pair.at.map(|at| (at, pair.payload)).ok_or(UnknownChannel { client });
        if pair.complete {
            self.pairs.remove(index);
        }
        found
    }

    /// The whole payload has been handed to its connection, which is about to be closed; the main one, if it has come. If it has not,
    /// it may come until `until_ms`.
    pub fn completes(&mut self, payload: K, until_ms: u64) -> Option<K> {
        let index = self.pairs.iter().position(|pair| pair.payload == Some(payload))?;
        let pair = &mut self.pairs[index];
        pair.complete = true;
        pair.until_ms = Some(until_ms);
        let main = pair.main;
        if main.is_some() {
            self.pairs.remove(index);
        }
        main
    }

    /// A connection has ended; the one that has to be closed with it.
    pub fn gone(&mut self, conn: K) -> Option<K> {
        let of_conn = |pair: &Pair<K>| pair.payload == Some(conn) || pair.main == Some(conn);
        let index = self.pairs.iter().position(of_conn)?;
        let pair = &mut self.pairs[index];
        if pair.complete && pair.payload == Some(conn) {
            pair.payload = None;
            return None;
        }
        let pair = self.pairs.remove(index);
        if pair.main == Some(conn) { pair.payload } else { pair.main }
    }

    /// Time has passed: gives the connections whose other one did not come in time, and are to be closed.
    pub fn tick(&mut self, now_ms: u64) -> Vec<K> {
        let mut late = Vec::new();
        self.pairs.retain(|pair| {
            let over = pair.until_ms.is_some_and(|until| now_ms >= until);
            if over {
                late.extend(pair.main.into_iter().chain(pair.payload));
            }
            !over
        });
        late
    }

    /// The log can no longer be kept from these positions on: forgets the streams that nobody has asked for yet, and gives the
    /// connections of their payloads, which are to be closed.
    pub fn lose(&mut self, lost: impl Fn(Offset) -> bool) -> Vec<K> {
        let mut payloads = Vec::new();
        self.pairs.retain(|pair| {
            let gone = pair.main.is_none() && pair.at.is_some_and(&lost);
            if gone {
                payloads.extend(pair.payload);
            }
            !gone
        });
        payloads
    }

    /// From where on the log has to be kept for streams that nobody has asked for yet.
    pub fn needed_from(&self) -> Option<Offset> {
        self.pairs.iter().filter(|pair| pair.main.is_none()).filter_map(|pair| pair.at).min()
    }

    /// How many payloads were begun whose stream nobody has asked for yet: `replicas_waiting_psync` of INFO.
    pub fn waiting(&self) -> usize {
        self.pairs.iter().filter(|pair| pair.main.is_none() && pair.at.is_some()).count()
    }

    /// Which connection of which form this one is, while its synchronisation is under way.
    pub fn role(&self, conn: K) -> Option<(ChannelForm, ChannelRole)> {
        self.pairs.iter().find_map(|pair| {
            if pair.main == Some(conn) {
                Some((pair.form, ChannelRole::Main))
            } else if pair.payload == Some(conn) {
                Some((pair.form, ChannelRole::Payload))
            } else {
                None
            }
        })
    }
}

impl<K> Pair<K> {
    fn expects(&self, client: u64) -> bool {
        self.form == ChannelForm::Valkey && self.client == client && self.main.is_none() && self.at.is_some()
    }
}

#[cfg(test)]
mod tests;
