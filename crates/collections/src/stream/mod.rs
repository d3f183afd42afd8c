//! The stream: a log of entries with rising ids, and the groups that read it.
//!
//! ```
//! use collections::stream::{NewId, NodeLimits, Stream, StreamId};
//!
//! let limits = NodeLimits { max_bytes: 4096, max_entries: 100 };
//! let mut stream = Stream::default();
//! let first = stream.entries.append(NewId::Auto(1_700_000_000_000), &[b"temperature", b"18"], limits).unwrap();
//! let before = stream.clone();
//! let second = stream.entries.append(NewId::Auto(1_700_000_000_000), &[b"temperature", b"19"], limits).unwrap();
//! assert_eq!(second.to_string(), "1700000000000-1");
//!
//! let after: Vec<_> = stream.entries.range(first.next().unwrap(), StreamId::MAX).map(|item| item.id).collect();
//! assert_eq!(after, [second]);
//! assert_eq!((stream.entries.len(), before.entries.len()), (2, 1));
//! ```
//!
//! Entries are kept in nodes of up to a hundred or so, each one piece of memory; the nodes hang in a [`Tree`](crate::tree::Tree).
//! What groups know is kept in ordered maps made of the same tree. So a clone shares everything, and a write to it afterwards
//! copies a few KiB, whether the stream has ten entries or ten million, delivered to whomever.

mod counters;
mod encoding;
mod entries;
mod group;
mod id;
mod item;
mod listpack_form;
mod node;
mod sorted;
#[cfg(test)]
mod tests;
mod trim;

pub use entries::{AppendError, Entries, NewId, Range, RangeBack};
pub use group::{Consumer, ConsumerId, Group, Groups, Name, Pending, PendingIter};
pub use id::{IdText, PartialId, StreamId};
pub use item::{Item, Pairs};
pub use listpack_form::BadNode;
pub use node::{Items, Node};
pub use trim::{Trim, TrimTo};

/// The longest fields and values of one entry together, in bytes. Peers refuse listpacks beyond this.
pub const MAX_ENTRY_BYTES: usize = 1 << 30;

/// When a node is full, as the configuration says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeLimits {
    /// `stream-node-max-bytes`, measured as Redis's listpack would be; 0 is no limit of its own.
    pub max_bytes: usize,
    /// `stream-node-max-entries`; 0 is no limit.
    pub max_entries: u64,
}

/// A stream.
///
/// Its two halves are separate, so that what one knows can be asked while the other is changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stream {
    /// The entries.
    pub entries: Entries,
    /// The groups.
    pub groups: Groups,
}

impl Stream {
    /// The memory that it holds beyond its own size, as if nothing were shared with a clone.
    pub fn heap_bytes(&self) -> usize {
        self.entries.heap_bytes() + self.groups.heap_bytes()
    }
}
