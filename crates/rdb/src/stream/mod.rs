//! Streams: their entries in nodes, then what is known about them, and their groups.

mod builder;
mod node;
mod rest;

use std::fmt;

pub use builder::NodeBuilder;
pub use node::{StreamEntry, StreamFields, StreamNode, StreamNodeError};
pub(crate) use rest::StreamRest;

/// The id of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StreamId {
    /// Milliseconds of Unix time, as a rule.
    pub ms: u64,
    /// Counts the entries of one millisecond.
    pub seq: u64,
}

impl StreamId {
    /// Bytes that an id takes where it is not written as two lengths.
    pub(crate) const LEN: usize = 16;

    pub(crate) fn from_bytes(bytes: [u8; Self::LEN]) -> StreamId {
        let both = u128::from_be_bytes(bytes);
        StreamId { ms: (both >> 64) as u64, seq: both as u64 }
    }

    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        (u128::from(self.ms) << 64 | u128::from(self.seq)).to_be_bytes()
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// What is known about a stream besides the entries that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamMeta {
    /// Number of entries, as declared.
    pub length: u64,
    /// The highest id that was ever given.
    pub last_id: StreamId,
    /// The id of the first entry.
    pub first_id: StreamId,
    /// The highest id of an entry that was deleted.
    pub max_deleted_id: StreamId,
    /// How many entries were ever added.
    pub entries_added: u64,
}

/// How many of a stream's entries a group has read, counted from the first that there ever was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntriesRead {
    /// So many.
    Count(u64),
    /// Nobody knows: the group did not start at an end, or entries have been deleted.
    Unknown,
    /// The stream is written in a form that does not say. What it can be told from is in [`StreamMeta`].
    Unrecorded,
}
