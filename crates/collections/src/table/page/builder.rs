//! Laying out a page anew.

use smallvec::SmallVec;
use triomphe::Arc;

use super::{Header, LARGE, OVERHEAD, TablePage, set_offset};
use crate::alloc::size_class;
use crate::table::page::extra::Extra;

/// A page in the making, on the stack as a rule.
pub(super) struct Builder {
    slab: SmallVec<[u8; 4096]>,
    cap: usize,
    len: usize,
    used: usize,
}

impl Builder {
    /// Bytes behind the header of a page with room for so many entries and bytes of them. What the allocator would round up to
    /// anyway is made use of.
    pub(super) fn slab_len(entries: usize, bytes: usize) -> usize {
        size_class(OVERHEAD + 3 * entries.next_multiple_of(8) + bytes) - OVERHEAD
    }

    /// A page with room for so many entries and bytes of them.
    pub(super) fn new(entries: usize, bytes: usize) -> Self {
        let mut slab = SmallVec::new();
        slab.resize(Self::slab_len(entries, bytes), 0);
        Self { slab, cap: entries.next_multiple_of(8), len: 0, used: 0 }
    }

    /// Adds a packed entry.
    pub(super) fn push(&mut self, tag: u8, entry: &[u8]) {
        let at = 3 * self.cap + self.used;
        self.slab[at..at + entry.len()].copy_from_slice(entry);
        self.push_offset(tag, self.used as u16);
        self.used += entry.len();
    }

    /// Adds an entry that has memory of its own, of this number.
    pub(super) fn push_large(&mut self, tag: u8, number: usize) {
        self.push_offset(tag, LARGE | number as u16);
    }

    fn push_offset(&mut self, tag: u8, offset: u16) {
        self.slab[self.len] = tag;
        set_offset(&mut self.slab[self.cap..], self.len, offset);
        self.len += 1;
    }

    /// Takes over the whole contents of a page; to be called on an empty builder.
    pub(super) fn extend(&mut self, tags: &[u8], offsets: &[u8], data: &[u8]) {
        self.slab[..tags.len()].copy_from_slice(tags);
        self.slab[self.cap..self.cap + offsets.len()].copy_from_slice(offsets);
        self.slab[3 * self.cap..3 * self.cap + data.len()].copy_from_slice(data);
        self.len = tags.len();
        self.used = data.len();
    }

    pub(super) fn finish(self, extra: Option<Box<Extra>>) -> TablePage {
        let header = Header { len: self.len as u16, cap: self.cap as u16, used: self.used as u16, extra };
        TablePage(Arc::from_header_and_slice(header, &self.slab))
    }
}
