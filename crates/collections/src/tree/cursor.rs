//! Walking from leaf to leaf.

use smallvec::SmallVec;

use super::Leaf;
use super::node::{Inner, Node};

/// A place in a tree: a leaf, and the way to its neighbours.
pub struct Cursor<'a, L: Leaf> {
    /// The inner nodes above the leaf from the root on, and which child of each leads to it.
    path: SmallVec<[(&'a Inner<L>, usize); 4]>,
    leaf: &'a L,
    before: u64,
}

impl<L: Leaf> Clone for Cursor<'_, L> {
    fn clone(&self) -> Self {
        Self { path: self.path.clone(), leaf: self.leaf, before: self.before }
    }
}

impl<'a, L: Leaf> Cursor<'a, L> {
    /// Goes down from `root`, at each inner node to the child that `pick` chooses.
    pub(super) fn descend(root: &'a Node<L>, mut pick: impl FnMut(&Inner<L>) -> usize) -> Self {
        let mut path = SmallVec::new();
        let mut before = 0;
        let mut node = root;
        loop {
            match node {
                Node::Leaf(leaf) => return Self { path, leaf, before },
                Node::Inner(inner) => {
                    let child = pick(inner);
                    before += inner.weights[..child].iter().sum::<u64>();
                    path.push((&**inner, child));
                    node = &inner.children[child];
                }
            }
        }
    }

    /// The leaf.
    #[inline]
    pub fn leaf(&self) -> &'a L {
        self.leaf
    }

    /// How many elements lie before the leaf.
    #[inline]
    pub fn before(&self) -> u64 {
        self.before
    }

    /// Goes to the next leaf; stays and says `false` if there is none.
    pub fn next_leaf(&mut self) -> bool {
        let Some(level) = self.path.iter().rposition(|(inner, child)| child + 1 < inner.children.len())
        else {
            return false;
        };
        self.before += self.leaf.weight();
        self.path.truncate(level + 1);
        self.path[level].1 += 1;
        let (inner, child) = self.path[level];
        self.follow(&inner.children[child], |_| 0);
        true
    }

    /// Goes to the leaf before; stays and says `false` if there is none.
    pub fn previous_leaf(&mut self) -> bool {
        let Some(level) = self.path.iter().rposition(|(_, child)| *child > 0) else {
            return false;
        };
        self.path.truncate(level + 1);
        self.path[level].1 -= 1;
        let (inner, child) = self.path[level];
        self.follow(&inner.children[child], |inner| inner.children.len() - 1);
        self.before -= self.leaf.weight();
        true
    }

    fn follow(&mut self, mut node: &'a Node<L>, pick: impl Fn(&Inner<L>) -> usize) {
        while let Node::Inner(inner) = node {
            let child = pick(inner);
            self.path.push((&**inner, child));
            node = &inner.children[child];
        }
        if let Node::Leaf(leaf) = node {
            self.leaf = leaf;
        }
    }
}
