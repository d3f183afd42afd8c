//! What a link tells its owner.

use std::ops::Deref;

use super::Resume;
use crate::{Offset, ReplicationId};

/// What came from the master.
///
/// The order is: one of `FullResync`, `LegacySync` and `Continue`; after the first two `PayloadStart`, any
/// number of `Payload`, `PayloadEnd`; then, once [`Link::loaded`](super::Link::loaded) has been called, any
/// number of `Stream`. With `SecondConnection` none of those come but `Stream`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'b> {
    /// A full synchronisation: the payload that follows holds everything up to `offset`, and the stream after
    /// it begins there.
    FullResync {
        /// The master's history.
        id: ReplicationId,
        /// Where the payload stands in it.
        offset: Offset,
    },
    /// The master does not know PSYNC: a payload follows, but nobody says where it stands in which history.
    /// It has to be counted from 0 under an id of one's own.
    LegacySync,
    /// The stream goes on right after the position that was offered.
    Continue {
        /// What was offered: one of those that the link was given.
        offered: Resume,
        /// The master's history has another name now.
        new_id: Option<ReplicationId>,
    },
    /// A full synchronisation whose payload is to be asked for over another connection, with a
    /// [`PayloadLink`](super::PayloadLink). If the request is one of Valkey's, the stream begins once
    /// [`Link::attach`](super::Link::attach) has been called; if it is one of Redis's, by itself. Either way its pieces come from
    /// then on, and are to be kept until the payload is loaded.
    SecondConnection(PayloadRequest),
    /// The payload begins.
    PayloadStart {
        /// Its length, if the master knew it beforehand.
        len: Option<u64>,
    },
    /// A piece of the payload.
    Payload(PayloadBytes<'b>),
    /// The payload is complete.
    PayloadEnd,
    /// A piece of the stream of effects: cut anywhere.
    Stream(&'b [u8]),
}

/// How a payload is asked for over a connection of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadRequest {
    /// As Redis does it: the connection names the main one.
    Redis {
        /// The master's number for the main connection.
        main_client: u64,
    },
    /// As Valkey does it: the main connection names this one.
    Valkey,
}

/// A piece of the payload: a slice of the input, except for the few bytes at the end of an earlier input that
/// looked like the beginning of the end mark and were not.
#[derive(Clone, Debug)]
pub struct PayloadBytes<'b>(Repr<'b>);

#[derive(Clone, Debug)]
enum Repr<'b> {
    Borrowed(&'b [u8]),
    HeldBack { mark: [u8; 40], len: usize },
}

impl<'b> PayloadBytes<'b> {
    pub(super) fn borrowed(bytes: &'b [u8]) -> PayloadBytes<'b> {
        PayloadBytes(Repr::Borrowed(bytes))
    }

    /// The first `len` bytes of `mark`.
    pub(super) fn held_back(mark: [u8; 40], len: usize) -> PayloadBytes<'b> {
        debug_assert!(len <= mark.len());
        PayloadBytes(Repr::HeldBack { mark, len })
    }
}

impl Deref for PayloadBytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Borrowed(bytes) => bytes,
            Repr::HeldBack { mark, len } => &mark[..*len],
        }
    }
}

impl PartialEq for PayloadBytes<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for PayloadBytes<'_> {}
