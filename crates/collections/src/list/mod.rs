//! The list: elements in a row, added and taken at either end at next to no cost, found by their number.
//!
//! It is a [`Tree`] of nodes, each of up to 8 KiB. A node whose elements are texts of one length is just those texts, one behind the
//! other; otherwise its elements are encoded as in a listpack. Either way there is free room on the side where elements are added, so
//! that nothing moves for a new one. An element of more than 2 KiB has a node of its own.
//!
//! Elements are [`Entry`]s. A number may come out as its text or as a number, whichever it is kept as: use [`Entry::text`].
//!
//! ```
//! use collections::list::{End, List};
//! use listpack::Entry;
//!
//! let mut list = List::new();
//! list.push(End::Back, Entry::Str(b"world"));
//! list.push(End::Front, Entry::Str(b"hello"));
//! let before = list.clone(); // shares everything
//! assert_eq!(list.pop(End::Front, |element| element.to_vec()).unwrap(), b"hello");
//! assert_eq!((list.len(), before.len()), (1, 2));
//! assert!(before.get(1).unwrap().is(b"world"));
//! ```

mod gap;
mod iter;
mod node;
mod run;
mod stretch;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

use listpack::Entry;

use crate::tree::Tree;
pub use iter::{Elements, Stretches};
use node::Node;
use run::Needle;
pub use stretch::{Packed, Stretch};

/// One end of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// Where the first element is.
    Front,
    /// Where the last element is.
    Back,
}

/// A list of texts.
#[derive(Clone, Default)]
pub struct List {
    nodes: Tree<Node>,
}

impl List {
    /// A list without elements.
    pub const fn new() -> Self {
        List { nodes: Tree::new() }
    }

    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.nodes.weight() as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Adds an element at one end.
    #[inline]
    pub fn push(&mut self, end: End, element: Entry<'_>) {
        let pushed = match end {
            End::Front => self.nodes.update_first(|node| node.push(end, element)),
            End::Back => self.nodes.update_last(|node| node.push(end, element)),
        };
        if !pushed {
            self.push_node(end, Node::of(element, end));
        }
    }

    #[cold]
    fn push_node(&mut self, end: End, node: Node) {
        match end {
            End::Front => self.nodes.push_first(node),
            End::Back => self.nodes.push_last(node),
        }
    }

    /// Takes the element at one end away; `f` sees it before it goes.
    #[inline]
    pub fn pop<R>(&mut self, end: End, f: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        if self.is_empty() {
            return None;
        }
        let take = |node: &mut Node| {
            let index = if end == End::Front { 0 } else { node.len() - 1 };
            let result = node.stretch(index..index + 1).next().map(f);
            node.remove(index..index + 1);
            result
        };
        match end {
            End::Front => self.nodes.update_first(take),
            End::Back => self.nodes.update_last(take),
        }
    }

    /// Element number `index`.
    pub fn get(&self, index: usize) -> Option<Entry<'_>> {
        let (node, offset) = self.nodes.nth(index as u64)?;
        let offset = offset as usize;
        node.stretch(offset..offset + 1).next()
    }

    /// Replaces element number `index`; false if there is none.
    pub fn set(&mut self, index: usize, element: Entry<'_>) -> bool {
        if index >= self.len() {
            return false;
        }
        self.nodes.spread_nth(index as u64, |node, offset, behind| {
            let offset = offset as usize;
            if !node.set(offset, element) {
                behind.extend([Node::of(element, End::Back), node.split_off(offset + 1)]);
                node.remove(offset..offset + 1);
            }
        });
        true
    }

    /// Puts an element before number `index`, or at the end if there are just so many; false if there are fewer.
    pub fn insert(&mut self, index: usize, element: Entry<'_>) -> bool {
        if index > self.len() {
            return false;
        }
        if index == 0 || index == self.len() {
            self.push(if index == 0 { End::Front } else { End::Back }, element);
            return true;
        }
        self.nodes.spread_nth(index as u64, |node, offset, behind| {
            let offset = offset as usize;
            if !node.insert(offset, element) {
                behind.extend([Node::of(element, End::Back), node.split_off(offset)]);
            }
        });
        true
    }

    /// Takes the elements of `range` away, of those that there are.
    pub fn remove(&mut self, range: Range<usize>) {
        let (at, mut left) =
            (range.start as u64, range.end.min(self.len()).saturating_sub(range.start) as u64);
        while left > 0 {
            let Some((node, offset)) = self.nodes.nth(at) else { return };
            let there = node.len() as u64 - offset;
            if offset == 0 && there <= left {
                left -= self.nodes.remove_leaf(at);
                continue;
            }
            let taken = there.min(left);
            self.nodes.update_nth(at, |node, offset| node.remove(offset as usize..(offset + taken) as usize));
            left -= taken;
        }
    }

    /// Takes elements away whose text is `text`, `limit` at the most, beginning at one end. Says how many.
    pub fn remove_equal(&mut self, text: &[u8], from: End, limit: usize) -> usize {
        let needle = Needle::new(text);
        let (mut range, mut removed) = (0..self.len(), 0);
        while removed < limit {
            let mut found = None;
            self.find_each(range.clone(), text, from, |index| {
                found = Some(index);
                false
            });
            let Some(index) = found else { break };
            self.nodes.update_nth(index as u64, |node, offset| {
                removed += node.remove_equal(needle, from, limit - removed);
                // Nothing is left to find in this node.
                let start = index - offset as usize;
                match from {
                    End::Front => range.start = start + node.len(),
                    End::Back => range.end = start,
                }
            });
            range.end = range.end.min(self.len());
        }
        removed
    }

    /// Calls `visit` with the number of each element of `range` whose text is `text`, beginning at one end, for as long as it
    /// answers true.
    pub fn find_each(
        &self,
        range: Range<usize>,
        text: &[u8],
        from: End,
        mut visit: impl FnMut(usize) -> bool,
    ) {
        let needle = Needle::new(text);
        let mut nodes = iter::Nodes::new(&self.nodes, range, from);
        while let Some((node, before, part)) = nodes.next() {
            if !node.positions(part, needle, from, |index| visit(before + index)) {
                return;
            }
        }
    }

    /// The elements of `range`, beginning at one end.
    pub fn range(&self, range: Range<usize>, from: End) -> Elements<'_> {
        Elements::new(self.stretches(range, from), from)
    }

    /// The elements of `range` as they lie in the nodes, beginning at one end.
    ///
    /// From the back the stretches come last one first, but each begins with its first element as always.
    #[inline]
    pub fn stretches(&self, range: Range<usize>, from: End) -> Stretches<'_> {
        Stretches::new(iter::Nodes::new(&self.nodes, range, from))
    }

    /// All elements in order.
    pub fn iter(&self) -> Elements<'_> {
        self.range(0..self.len(), End::Front)
    }

    /// What the elements take in a listpack without its frame, unless that is more than `limit`; then it may not count them all.
    pub fn listpack_bytes(&self, limit: usize) -> Option<usize> {
        let mut nodes = iter::Nodes::new(&self.nodes, 0..self.len(), End::Front);
        let mut bytes = 0;
        while bytes <= limit {
            match nodes.next() {
                None => return Some(bytes),
                Some((node, ..)) => bytes += node.listpack_bytes(),
            }
        }
        None
    }

    /// Bytes of memory behind the list, as if nothing were shared with a clone.
    pub fn heap_bytes(&self) -> usize {
        self.nodes.heap_bytes()
    }
}

impl<'e> Extend<Entry<'e>> for List {
    fn extend<T: IntoIterator<Item = Entry<'e>>>(&mut self, elements: T) {
        elements.into_iter().for_each(|element| self.push(End::Back, element));
    }
}

impl<'e> FromIterator<Entry<'e>> for List {
    fn from_iter<T: IntoIterator<Item = Entry<'e>>>(elements: T) -> Self {
        let mut list = List::new();
        list.extend(elements);
        list
    }
}

impl<'a> IntoIterator for &'a List {
    type Item = Entry<'a>;
    type IntoIter = Elements<'a>;

    fn into_iter(self) -> Elements<'a> {
        self.iter()
    }
}

/// Lists are equal if their elements have the same texts.
impl PartialEq for List {
    fn eq(&self, other: &Self) -> bool {
        let same = |(own, other): (Entry<'_>, Entry<'_>)| match (own, other) {
            (own, Entry::Str(text)) | (Entry::Str(text), own) => own.is(text),
            (own, other) => own == other,
        };
        self.len() == other.len() && self.iter().zip(other).all(same)
    }
}

impl Eq for List {}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}
