//! The entries of a stream.

use std::fmt;

use super::node::{ItemsBack, Node};
use super::{Item, Items, MAX_ENTRY_BYTES, NodeLimits, StreamId};
use crate::tree::{Cursor, Tree};

/// The entries of a stream, and what it remembers of those that are gone.
#[derive(Clone, Default)]
pub struct Entries {
    pub(super) nodes: Tree<Node>,
    pub(super) last_id: StreamId,
    /// The first entry's id; `0-0` without entries.
    pub(super) first_id: StreamId,
    pub(super) max_deleted_id: StreamId,
    pub(super) added: u64,
}

/// Which id a new entry gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewId {
    /// The next: of this moment in unix milliseconds, or right after the last one if that is not earlier.
    Auto(u64),
    /// The next of this millisecond.
    Ms(u64),
    /// This one.
    Full(StreamId),
}

/// Why an entry can't be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendError {
    /// Its id is not above the last one.
    NotAbove,
    /// It is too large for a node.
    TooLarge,
}

impl Entries {
    /// Number of entries.
    #[inline]
    pub fn len(&self) -> u64 {
        self.nodes.weight()
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The last id that was given to an entry, or set.
    #[inline]
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// The first entry's id; `0-0` without entries.
    #[inline]
    pub fn first_id(&self) -> StreamId {
        self.first_id
    }

    /// The id of the last entry that there is.
    #[inline]
    pub fn tail_id(&self) -> Option<StreamId> {
        self.nodes.last().map(Node::tail)
    }

    /// The largest id of an entry that was deleted, apart from trimming.
    #[inline]
    pub fn max_deleted_id(&self) -> StreamId {
        self.max_deleted_id
    }

    /// How many entries were ever added.
    #[inline]
    pub fn added(&self) -> u64 {
        self.added
    }

    /// How many nodes there are.
    pub fn node_count(&self) -> usize {
        self.nodes.leaves()
    }

    /// The nodes in order.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> + '_ {
        let mut cursor = self.nodes.cursor_first();
        std::iter::from_fn(move || {
            let at = cursor.as_mut()?;
            let node = at.leaf();
            if !at.next_leaf() {
                cursor = None;
            }
            Some(node)
        })
    }

    /// Sets the last id, and what there ever was if it is given.
    pub fn set_last_id(&mut self, id: StreamId, added: Option<u64>, max_deleted: Option<StreamId>) {
        self.last_id = id;
        self.added = added.unwrap_or(self.added);
        self.max_deleted_id = max_deleted.unwrap_or(self.max_deleted_id);
    }

    /// Adds an entry. `pairs` is field, value, field, value …, at least one of each.
    pub fn append(
        &mut self,
        id: NewId,
        pairs: &[&[u8]],
        limits: NodeLimits,
    ) -> Result<StreamId, AppendError> {
        let id = self.new_id(id).filter(|id| *id > self.last_id).ok_or(AppendError::NotAbove)?;
        let text_len: usize = pairs.iter().map(|part| part.len()).sum();
        if text_len > MAX_ENTRY_BYTES {
            return Err(AppendError::TooLarge);
        }
        let full = self.nodes.update_last(|node| {
            if node.is_empty() {
                // The tree was empty.
                *node = Node::new(id, pairs);
            } else if node.takes(text_len, limits) {
                node.append(id, pairs);
            } else {
                return Some(node.seal());
            }
            None
        });
        if let Some(bytes) = full {
            let mut node = Node::new(id, pairs);
            // The next will be about as long.
            node.reserve(bytes);
            self.nodes.push_last(node);
        }
        self.last_id = id;
        self.added += 1;
        if self.len() == 1 {
            self.first_id = id;
        }
        Ok(id)
    }

    fn new_id(&self, id: NewId) -> Option<StreamId> {
        match id {
            NewId::Auto(now_ms) if now_ms > self.last_id.ms => Some(StreamId::new(now_ms, 0)),
            NewId::Auto(_) => self.last_id.next(),
            NewId::Ms(ms) if ms == self.last_id.ms => {
                Some(StreamId::new(ms, self.last_id.seq.checked_add(1)?))
            }
            NewId::Ms(ms) => Some(StreamId::new(ms, 0)),
            NewId::Full(id) => Some(id),
        }
    }

    /// The entry with this id.
    #[inline]
    pub fn get(&self, id: StreamId) -> Option<Item<'_>> {
        self.nodes.find(|base| *base <= id)?.get(id)
    }

    /// Whether there is an entry with this id.
    #[inline]
    pub fn contains(&self, id: StreamId) -> bool {
        self.get(id).is_some()
    }

    /// The entries from `start` to `end`, both included.
    #[inline]
    pub fn range(&self, start: StreamId, end: StreamId) -> Range<'_> {
        let cursor = self.nodes.cursor_at(|base| *base <= start);
        let items = cursor.as_ref().map(|cursor| cursor.leaf().iter_from(start));
        Range { position: cursor.zip(items), end }
    }

    /// The entries from `end` down to `start`, both included.
    pub fn range_back(&self, start: StreamId, end: StreamId) -> RangeBack<'_> {
        let cursor = self.nodes.cursor_at(|base| *base <= end);
        let items = cursor.as_ref().map(|cursor| cursor.leaf().iter_back_from(end));
        RangeBack { position: cursor.zip(items), start }
    }

    /// All entries in order.
    pub fn iter(&self) -> Range<'_> {
        self.range(StreamId::MIN, StreamId::MAX)
    }

    /// Deletes an entry; whether there was one.
    pub fn remove(&mut self, id: StreamId) -> bool {
        // Looked for first, so that nothing is copied in vain.
        if !self.contains(id) {
            return false;
        }
        self.nodes.update(|base| *base <= id, |node| node.remove(id));
        self.max_deleted_id = self.max_deleted_id.max(id);
        if id == self.first_id {
            self.renew_first_id();
        }
        true
    }

    pub(super) fn renew_first_id(&mut self) {
        self.first_id =
            self.nodes.first().and_then(|node| node.iter().next()).map_or(StreamId::MIN, |item| item.id);
    }

    /// The memory that they hold, as if nothing were shared with a clone.
    pub fn heap_bytes(&self) -> usize {
        self.nodes.heap_bytes()
    }
}

impl Eq for Entries {}

impl PartialEq for Entries {
    /// Nodes may be cut differently: that is no difference.
    fn eq(&self, other: &Self) -> bool {
        let facts = |own: &Self| (own.len(), own.last_id, own.first_id, own.max_deleted_id, own.added);
        facts(self) == facts(other)
            && self
                .iter()
                .zip(other.iter())
                .all(|(a, b)| a.id == b.id && a.len() == b.len() && a.pairs().eq(b.pairs()))
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Entries in order.
pub struct Range<'a> {
    position: Option<(Cursor<'a, Node>, Items<'a>)>,
    end: StreamId,
}

impl<'a> Iterator for Range<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        let (cursor, items) = self.position.as_mut()?;
        loop {
            match items.next() {
                Some(item) if item.id <= self.end => return Some(item),
                None if cursor.next_leaf() => *items = cursor.leaf().iter(),
                _ => {
                    self.position = None;
                    return None;
                }
            }
        }
    }
}

/// Entries in the opposite order.
pub struct RangeBack<'a> {
    position: Option<(Cursor<'a, Node>, ItemsBack<'a>)>,
    start: StreamId,
}

impl<'a> Iterator for RangeBack<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        let (cursor, items) = self.position.as_mut()?;
        loop {
            match items.next() {
                Some(item) if item.id >= self.start => return Some(item),
                None if cursor.previous_leaf() => *items = cursor.leaf().iter_back_from(StreamId::MAX),
                _ => {
                    self.position = None;
                    return None;
                }
            }
        }
    }
}
