//! The node: a run of elements, or a long one alone.

use std::ops::Range;

use listpack::{Entry, linked};
use triomphe::Arc;

use super::End;
use super::gap::MAX_CAPACITY;
use super::run::{LONE_BYTES, Needle, Run, mixes};
use super::stretch::Stretch;
use crate::tree::Leaf;

/// The most bytes that a node keeps.
pub(super) const NODE_BYTES: usize = MAX_CAPACITY;
/// A run of elements.
#[derive(Clone)]
pub(super) enum Node {
    /// Short elements.
    Run(Run),
    /// One long element. Shared, so that a copy of the node does not copy it.
    Lone(Arc<[u8]>),
}

impl Node {
    /// A node of one element, to which others will be added at one end.
    pub fn of(element: Entry<'_>, end: End) -> Self {
        if let Entry::Str(text) = element
            && text.len() > LONE_BYTES
        {
            return Node::Lone(Arc::from(text));
        }
        let mut run = Run::default();
        run.push(end, element);
        Node::Run(run)
    }

    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Node::Run(run) => run.len(),
            Node::Lone(_) => 1,
        }
    }

    /// What its elements take in a listpack.
    pub fn listpack_bytes(&self) -> usize {
        match self {
            Node::Run(run) => run.listpack_bytes(),
            Node::Lone(text) => linked::Encoded::new(Entry::Str(text)).len(),
        }
    }

    /// Adds an element at one end; false if the node had better stay as it is.
    #[inline]
    pub fn push(&mut self, end: End, element: Entry<'_>) -> bool {
        match self {
            Node::Run(run) => run.push(end, element),
            Node::Lone(_) => false,
        }
    }

    /// Inserts an element, after which the node may have too many bytes; false if it can't be in this node.
    pub fn insert(&mut self, index: usize, element: Entry<'_>) -> bool {
        match self {
            Node::Run(run) if mixes(element) => {
                run.insert(index, element);
                true
            }
            _ => false,
        }
    }

    /// Replaces an element, after which the node may have too many bytes; false if the new one can't be in this node.
    pub fn set(&mut self, index: usize, element: Entry<'_>) -> bool {
        if self.len() == 1 {
            *self = Node::of(element, End::Back);
            return true;
        }
        match self {
            Node::Run(run) if mixes(element) => {
                run.set(index, element);
                true
            }
            _ => false,
        }
    }

    /// Removes elements.
    pub fn remove(&mut self, range: Range<usize>) {
        match self {
            Node::Run(run) => run.remove(range),
            Node::Lone(_) if range.is_empty() => {}
            Node::Lone(_) => *self = Node::default(),
        }
    }

    /// Removes elements that are `needle`, as many as `limit` says: the first ones from the front, or from the back. Says how many.
    pub fn remove_equal(&mut self, needle: Needle<'_>, from: End, limit: usize) -> usize {
        let mut found = Vec::new();
        self.positions(0..self.len(), needle, from, |index| {
            found.push(index);
            found.len() < limit
        });
        if from == End::Back {
            found.reverse();
        }
        match (self, &found[..]) {
            (_, []) => {}
            (node, &[index]) => node.remove(index..index + 1),
            (node @ Node::Lone(_), _) => node.remove(0..1),
            (Node::Run(run), _) => run.remove_many(&found),
        }
        found.len()
    }

    /// Calls `visit` with the position of each element of `range` that is `needle`, beginning at one end, for as long as it answers
    /// true. Says whether it always did.
    pub fn positions(
        &self,
        range: Range<usize>,
        needle: Needle<'_>,
        from: End,
        mut visit: impl FnMut(usize) -> bool,
    ) -> bool {
        match self {
            Node::Run(run) => run.positions(range, needle, from, visit),
            Node::Lone(text) => range.is_empty() || !needle.is_text(text) || visit(range.start),
        }
    }

    /// Some of the elements.
    #[inline]
    pub fn stretch(&self, range: Range<usize>) -> Stretch<'_> {
        match self {
            Node::Run(run) => run.stretch(range),
            Node::Lone(text) if range.is_empty() => Stretch::Uniform { unit: text.len(), texts: &[] },
            Node::Lone(text) => Stretch::Uniform { unit: text.len(), texts: text },
        }
    }

    /// Takes the elements from `index` on off.
    pub fn split_off(&mut self, index: usize) -> Self {
        match self {
            Node::Run(run) => Node::Run(run.split_off(index)),
            Node::Lone(_) if index == 0 => std::mem::take(self),
            Node::Lone(_) => Node::default(),
        }
    }
}

impl Default for Node {
    fn default() -> Self {
        Node::Run(Run::default())
    }
}

impl Leaf for Node {
    type Key = ();

    fn weight(&self) -> u64 {
        self.len() as u64
    }

    fn separator(&self, _: &Self) {}

    fn is_overfull(&self) -> bool {
        matches!(self, Node::Run(run) if run.bytes() > NODE_BYTES)
    }

    fn is_underfull(&self) -> bool {
        matches!(self, Node::Run(run) if run.bytes() < NODE_BYTES / 8)
    }

    fn split(&mut self) -> Self {
        let index = match self {
            Node::Run(run) => run.middle(),
            Node::Lone(_) => 1,
        };
        self.split_off(index)
    }

    fn absorb(&mut self, next: &Self) -> bool {
        match (self, next) {
            (Node::Run(own), Node::Run(next)) => own.absorb(next),
            _ => false,
        }
    }

    fn heap_bytes(&self) -> usize {
        /// The count in front of what an `Arc` points to.
        const COUNT: usize = size_of::<usize>();
        match self {
            Node::Run(run) => run.heap_bytes(),
            Node::Lone(text) => text.len() + COUNT,
        }
    }
}

#[cfg(test)]
mod tests;
