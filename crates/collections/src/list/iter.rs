//! Walking through a list.

use std::ops::Range;

use listpack::Entry;

use super::End;
use super::node::Node;
use super::stretch::Stretch;
use crate::tree::{Cursor, Tree};

/// The nodes that have elements of a range.
#[derive(Clone)]
pub(super) struct Nodes<'a> {
    /// At the node that comes next.
    cursor: Option<Cursor<'a, Node>>,
    /// What is still to come.
    range: Range<usize>,
    from: End,
}

impl<'a> Nodes<'a> {
    pub fn new(tree: &'a Tree<Node>, range: Range<usize>, from: End) -> Self {
        let range = range.start..range.end.min(tree.weight() as usize);
        let first = match from {
            End::Front => range.start,
            End::Back => range.end.wrapping_sub(1),
        };
        let cursor = if range.is_empty() { None } else { tree.cursor_nth(first as u64) };
        Nodes { cursor: cursor.map(|(cursor, _)| cursor), range, from }
    }

    /// A node, the number of its first element, and which of its elements are of the range.
    #[inline]
    pub fn next(&mut self) -> Option<(&'a Node, usize, Range<usize>)> {
        let cursor = self.cursor.as_mut()?;
        let (node, before) = (cursor.leaf(), cursor.before() as usize);
        let part = self.range.start.max(before) - before..(self.range.end - before).min(node.len());
        let more = match self.from {
            End::Front => {
                self.range.start = before + part.end;
                !self.range.is_empty() && cursor.next_leaf()
            }
            End::Back => {
                self.range.end = before + part.start;
                !self.range.is_empty() && cursor.previous_leaf()
            }
        };
        if !more {
            self.cursor = None;
        }
        Some((node, before, part))
    }
}

/// The elements of a range as they lie in the nodes: see [`List::stretches`](super::List::stretches).
#[derive(Clone)]
pub struct Stretches<'a>(Nodes<'a>);

impl<'a> Stretches<'a> {
    #[inline]
    pub(super) fn new(nodes: Nodes<'a>) -> Self {
        Stretches(nodes)
    }
}

impl<'a> Iterator for Stretches<'a> {
    type Item = Stretch<'a>;

    #[inline]
    fn next(&mut self) -> Option<Stretch<'a>> {
        self.0.next().map(|(node, _, part)| node.stretch(part))
    }
}

/// The elements of a range, beginning at one end.
#[derive(Clone)]
pub struct Elements<'a> {
    stretches: Stretches<'a>,
    current: Option<Stretch<'a>>,
    from: End,
}

impl<'a> Elements<'a> {
    pub(super) fn new(mut stretches: Stretches<'a>, from: End) -> Self {
        Elements { current: stretches.next(), stretches, from }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            let current = self.current.as_mut()?;
            let element = match self.from {
                End::Front => current.next(),
                End::Back => current.next_back(),
            };
            if element.is_some() {
                return element;
            }
            self.current = self.stretches.next();
        }
    }
}
