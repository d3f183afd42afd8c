//! Nodes as Redis arranges them in a listpack: what dumps carry.
//!
//! ```text
//! entries, deleted entries, fields, field …, 0
//! for each entry:  flags, ms and number as distance from the node's id, [fields], [field], value, …, parts
//! ```
//!
//! Flags: 1 deleted, 2 the fields of the node. The number of parts, of those before it in the entry, serves readers that come
//! from behind.

use std::fmt;

use listpack::{Entry, Iter, Listpack, TooLarge, View};

use super::node::Node;
use super::{Entries, StreamId};

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;

/// A listpack that is no node of a stream, or not the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadNode;

impl fmt::Display for BadNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a listpack that is no node of this stream")
    }
}

impl std::error::Error for BadNode {}

impl Node {
    /// The node as a listpack, which belongs to the node's [`base`](Node::base). Deleted entries are not in it.
    ///
    /// # Errors
    ///
    /// When it would be longer than a listpack can be.
    pub fn to_listpack(&self) -> Result<Listpack, TooLarge> {
        let mut pack = Listpack::with_capacity(self.listpack_len());
        pack.push_back(self.len() as i64)?;
        pack.push_back(0)?;
        pack.push_back(self.field_count() as i64)?;
        for field in self.fields() {
            pack.push_back(field)?;
        }
        pack.push_back(0)?;
        for item in self.iter() {
            let same = item.has_shared_fields();
            pack.push_back(if same { SAME_FIELDS } else { 0 })?;
            pack.push_back(item.id.ms.wrapping_sub(self.base().ms) as i64)?;
            pack.push_back(item.id.seq.wrapping_sub(self.base().seq) as i64)?;
            if !same {
                pack.push_back(item.len() as i64)?;
            }
            for (field, value) in item.pairs() {
                if !same {
                    pack.push_back(field)?;
                }
                pack.push_back(value)?;
            }
            pack.push_back(if same { 3 + item.len() } else { 4 + 2 * item.len() } as i64)?;
        }
        Ok(pack)
    }

    /// Reads a node. Nothing in it is believed.
    fn from_listpack(base: StreamId, pack: View<'_>) -> Result<Node, BadNode> {
        let mut parts = Parts { entries: pack.iter() };
        let (live, deleted, field_count) = (parts.count()?, parts.count()?, parts.count()?);
        let fields = parts.take(field_count)?;
        let mut node = Node::begin(base, fields.iter().copied(), field_count);
        if parts.number()? != 0 {
            return Err(BadNode);
        }
        let mut last = None;
        let (mut found, mut gone) = (0, 0);
        while let Some(flags) = parts.entries.next() {
            let flags = flags.as_int().ok_or(BadNode)?;
            let ms = base.ms.wrapping_add(parts.number()? as u64);
            let id = StreamId::new(ms, base.seq.wrapping_add(parts.number()? as u64));
            if last.is_some_and(|last| id <= last) || id < base {
                return Err(BadNode);
            }
            last = Some(id);
            let own_fields = if flags & SAME_FIELDS == 0 { Some(parts.count()?) } else { None };
            let len = own_fields.map_or(Some(field_count), |count| count.checked_mul(2)).ok_or(BadNode)?;
            let content = parts.take(len)?;
            if parts.count()? != len + 3 + usize::from(own_fields.is_some()) {
                return Err(BadNode);
            }
            if flags & DELETED == 0 {
                node.append_parts(id, own_fields, content.iter().copied());
                found += 1;
            } else {
                gone += 1;
            }
        }
        if (found, gone) != (live, deleted) {
            return Err(BadNode);
        }
        node.note_deleted(gone, last.unwrap_or(base));
        node.seal();
        Ok(node)
    }
}

impl Entries {
    /// Puts a node behind all others that a listpack holds; `base` is the id it is to be found by.
    ///
    /// # Errors
    ///
    /// When it is malformed, or its entries do not belong behind the others.
    pub fn push_listpack(&mut self, base: StreamId, pack: View<'_>) -> Result<(), BadNode> {
        let node = Node::from_listpack(base, pack)?;
        if self.nodes.last().is_some_and(|before| before.last() >= base) {
            return Err(BadNode);
        }
        if !node.is_empty() {
            self.last_id = self.last_id.max(node.last());
            self.added += node.len() as u64;
            self.nodes.push_last(node);
            if self.first_id.is_zero() {
                self.renew_first_id();
            }
        }
        Ok(())
    }
}

struct Parts<'a> {
    entries: Iter<'a>,
}

impl<'a> Parts<'a> {
    fn number(&mut self) -> Result<i64, BadNode> {
        self.entries.next().and_then(Entry::as_int).ok_or(BadNode)
    }

    fn count(&mut self) -> Result<usize, BadNode> {
        usize::try_from(self.number()?).map_err(|_| BadNode)
    }

    fn take(&mut self, count: usize) -> Result<Vec<Entry<'a>>, BadNode> {
        // As many as there are, before memory is taken for as many as there should be.
        let parts: Vec<_> = self.entries.by_ref().take(count).collect();
        if parts.len() == count { Ok(parts) } else { Err(BadNode) }
    }
}
