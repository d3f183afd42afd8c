//! Where Redis would keep a list as one listpack, and where as a quicklist of several.

use collections::list::List;
use collections::pack::{HEADER, Pack};

use super::LISTPACK_FRAME;

/// The most bytes of a node whose elements are counted.
const SAFE_BYTES: usize = 8192;

/// What `list-max-listpack-size` says: how much a node of a quicklist holds, which is also how long a list stays one listpack.
#[derive(Clone, Copy)]
pub(super) enum NodeLimit {
    Bytes(usize),
    Elements(usize),
}

impl NodeLimit {
    pub fn new(list_max_listpack_size: i32) -> Self {
        match list_max_listpack_size {
            // The classes 1 to 5; what is beyond counts as the last.
            class @ ..0 => NodeLimit::Bytes(2048 << class.unsigned_abs().min(5)),
            // A node must hold something.
            count => NodeLimit::Elements(count.max(1) as usize),
        }
    }

    /// Whether a listpack of so many bytes and elements is one node.
    pub fn has_room(self, bytes: usize, count: usize) -> bool {
        match self {
            NodeLimit::Bytes(limit) => bytes <= limit,
            NodeLimit::Elements(limit) => bytes <= SAFE_BYTES && count <= limit,
        }
    }

    /// Half of it: what a quicklist has to fit to become a listpack again.
    pub fn half(self) -> Self {
        match self {
            NodeLimit::Bytes(limit) => NodeLimit::Bytes(limit / 2),
            NodeLimit::Elements(limit) => NodeLimit::Elements(limit / 2),
        }
    }

    /// Whether all of a list is one node.
    ///
    /// Of a list that was longer before, a quicklist may have kept more nodes than it would need; that is not known here.
    pub fn holds(self, list: &List) -> bool {
        // An element takes two bytes at least, so most lists are too long at first sight.
        let (bytes, count) = match self {
            NodeLimit::Bytes(limit) => (limit, limit / 2),
            NodeLimit::Elements(limit) => (SAFE_BYTES, limit),
        };
        list.len() <= count
            && bytes
                .checked_sub(LISTPACK_FRAME)
                .and_then(|limit| list.listpack_bytes(limit))
                .is_some_and(|own| own + LISTPACK_FRAME <= bytes)
    }

    /// Whether a listpack takes elements of these lengths in all, by the estimate that Redis makes.
    pub fn takes(self, bytes: usize, count: usize, added_bytes: usize, added: usize) -> bool {
        self.has_room(bytes.saturating_add(added_bytes), count + added)
    }
}

/// What a pack takes as a listpack.
pub(super) fn listpack_bytes_of_pack(bytes: &[u8]) -> usize {
    let mut entries = Pack::new(bytes).iter();
    let (mut before, mut total) = (HEADER, LISTPACK_FRAME);
    while entries.next().is_some() {
        let len = entries.position() - before;
        total += len + listpack::linked::back_len(len);
        before = entries.position();
    }
    total
}
