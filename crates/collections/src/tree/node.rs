//! The nodes of a tree, and how they are split and united.

use std::mem::size_of;

use triomphe::Arc;

use super::Leaf;

/// More children than this an inner node does not keep. 48 measured best for sorted sets of a million members; tests want depth.
pub(super) const MAX_CHILDREN: usize = if cfg!(test) { 8 } else { 48 };
/// Two neighbours become one if that has no more children than this: room to grow, so that a few additions don't split it again.
const MAX_UNITED: usize = MAX_CHILDREN * 3 / 4;
/// With fewer children than this an inner node looks for a neighbour to join.
const MIN_CHILDREN: usize = MAX_CHILDREN / 4;

/// A leaf or what lies above leaves.
pub(super) enum Node<L: Leaf> {
    Leaf(Arc<L>),
    Inner(Arc<Inner<L>>),
}

impl<L: Leaf> Clone for Node<L> {
    fn clone(&self) -> Self {
        match self {
            Self::Leaf(leaf) => Self::Leaf(leaf.clone()),
            Self::Inner(inner) => Self::Inner(inner.clone()),
        }
    }
}

/// A node that follows another: what separates the two, the node, its weight.
pub(super) type Follower<L> = (<L as Leaf>::Key, Node<L>, u64);

/// Children in order; all of them are leaves, or none is.
pub(super) struct Inner<L: Leaf> {
    /// One less than there are children: number `i` is above all elements of child `i`, and not above any of child `i + 1`.
    pub(super) keys: Vec<L::Key>,
    /// How many elements each child holds.
    pub(super) weights: Vec<u64>,
    pub(super) children: Vec<Node<L>>,
}

impl<L: Leaf> Inner<L> {
    /// Bytes of memory that the node takes, its children apart.
    pub(super) fn bytes(&self) -> usize {
        let child = size_of::<L::Key>() + size_of::<u64>() + size_of::<Node<L>>();
        size_of::<Self>() + self.children.capacity() * child
    }
}

impl<L: Leaf> Clone for Inner<L> {
    fn clone(&self) -> Self {
        Self { keys: self.keys.clone(), weights: self.weights.clone(), children: self.children.clone() }
    }
}

impl<L: Leaf> Inner<L> {
    /// A node above `first` and those that follow it.
    pub(super) fn above(first: Node<L>, weight: u64, followers: Vec<Follower<L>>) -> Self {
        let mut inner = Self { keys: Vec::new(), weights: vec![weight], children: vec![first] };
        inner.insert_after(0, followers);
        inner
    }

    /// The child that is responsible for an element.
    #[inline]
    pub(super) fn find(&self, reached: &mut impl FnMut(&L::Key) -> bool) -> usize {
        self.keys.partition_point(reached)
    }

    /// The child that holds element number `rank` of this node; `rank` becomes its number in that child.
    #[inline]
    pub(super) fn nth(&self, rank: &mut u64) -> usize {
        let last = self.weights.len() - 1;
        for (child, weight) in self.weights[..last].iter().enumerate() {
            if *rank < *weight {
                return child;
            }
            *rank -= weight;
        }
        last
    }

    pub(super) fn insert_after(&mut self, child: usize, followers: Vec<Follower<L>>) {
        for (number, (key, node, weight)) in followers.into_iter().enumerate() {
            self.keys.insert(child + number, key);
            self.weights.insert(child + number + 1, weight);
            self.children.insert(child + number + 1, node);
        }
    }

    pub(super) fn remove(&mut self, child: usize) {
        if !self.keys.is_empty() {
            // The separator on either side will do: nothing lies between them any more.
            self.keys.remove(child.saturating_sub(1));
        }
        self.weights.remove(child);
        self.children.remove(child);
    }

    /// Cuts off what is too much, in pieces that are of about the same size.
    pub(super) fn split(&mut self) -> Vec<Follower<L>> {
        let mut pieces = Vec::new();
        let mut count = self.children.len().div_ceil(MAX_CHILDREN);
        while count > 1 {
            let at = self.children.len() / count * (count - 1);
            let mut keys = self.keys.split_off(at - 1);
            let key = keys.remove(0);
            let piece =
                Self { keys, weights: self.weights.split_off(at), children: self.children.split_off(at) };
            let weight = piece.weights.iter().sum();
            pieces.push((key, Node::Inner(Arc::new(piece)), weight));
            count -= 1;
        }
        pieces.reverse();
        pieces
    }

    /// Looks for a neighbour that child number `child` can be united with, if it has become small.
    pub(super) fn tidy(&mut self, child: usize, totals: &mut Totals) {
        let small = match &self.children[child] {
            Node::Leaf(leaf) => leaf.is_underfull(),
            Node::Inner(inner) => inner.children.len() < MIN_CHILDREN,
        };
        if small && !self.unite(child, totals) && child > 0 {
            self.unite(child - 1, totals);
        }
    }

    /// Makes one child of the given one and its follower if they are small enough.
    fn unite(&mut self, child: usize, totals: &mut Totals) -> bool {
        let (head, tail) = self.children.split_at_mut(child + 1);
        match (head.last_mut(), tail.first()) {
            (Some(Node::Leaf(left)), Some(Node::Leaf(right))) => {
                let before = left.heap_bytes() + right.heap_bytes();
                if !super::own(left).absorb(right) {
                    // That may have been a copy, of another capacity.
                    totals.exchange_bytes(before, left.heap_bytes() + right.heap_bytes());
                    return false;
                }
                totals.exchange_bytes(before, left.heap_bytes());
                totals.leaves -= 1;
            }
            (Some(Node::Inner(left)), Some(Node::Inner(right))) => {
                if left.children.len() + right.children.len() > MAX_UNITED {
                    return false;
                }
                let left = crate::left_behind::make_mut(left, Inner::bytes);
                left.keys.push(self.keys[child].clone());
                left.keys.extend_from_slice(&right.keys);
                left.weights.extend_from_slice(&right.weights);
                left.children.extend_from_slice(&right.children);
                totals.inners -= 1;
            }
            _ => return false,
        }
        self.weights[child] += self.weights[child + 1];
        self.remove(child + 1);
        true
    }
}

/// What a tree keeps count of to know its size.
#[derive(Clone, Copy)]
pub(super) struct Totals {
    pub(super) leaves: usize,
    pub(super) inners: usize,
    leaf_bytes: usize,
}

impl Totals {
    pub(super) const ZERO: Self = Self { leaves: 0, inners: 0, leaf_bytes: 0 };

    pub(super) fn exchange_bytes(&mut self, before: usize, after: usize) {
        self.leaf_bytes = self.leaf_bytes + after - before;
    }

    /// In each node stands a reference count beside its content; above each, its entry in a parent.
    pub(super) fn heap_bytes<L: Leaf>(&self) -> usize {
        let child = size_of::<L::Key>() + size_of::<u64>() + size_of::<Node<L>>();
        self.leaf_bytes
            + self.leaves * (size_of::<usize>() + size_of::<L>() + child)
            + self.inners * (size_of::<usize>() + size_of::<Inner<L>>() + child)
    }
}
