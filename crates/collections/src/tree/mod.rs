//! The counted tree: blocks of elements in order, found by key or by number.
//!
//! A [`Tree`] is a B+tree whose leaves are blocks of the caller's making ([`Leaf`]). It knows of each subtree how many elements
//! lie in it, so that "the element number 500,000" is a descent, and so is "how many lie before this one". A clone of a tree
//! shares all of it; writing to one copies the leaf that is written and the inner nodes above it, a few KiB, and nothing else.
//!
//! ```
//! use collections::tree::{Leaf, Tree};
//!
//! #[derive(Clone, Default)]
//! struct Numbers(Vec<u32>);
//!
//! impl Leaf for Numbers {
//!     type Key = u32;
//!     fn weight(&self) -> u64 { self.0.len() as u64 }
//!     fn separator(&self, next: &Self) -> u32 { next.0[0] }
//!     fn is_overfull(&self) -> bool { self.0.len() > 64 }
//!     fn is_underfull(&self) -> bool { self.0.len() < 16 }
//!     fn split(&mut self) -> Self { Self(self.0.split_off(self.0.len() / 2)) }
//!     fn absorb(&mut self, next: &Self) -> bool {
//!         let fits = self.0.len() + next.0.len() <= 48;
//!         if fits { self.0.extend_from_slice(&next.0) }
//!         fits
//!     }
//!     fn heap_bytes(&self) -> usize { self.0.capacity() * 4 }
//! }
//!
//! let mut tree = Tree::<Numbers>::new();
//! for number in (0..1000).rev() {
//!     tree.update(|key| *key <= number, |leaf| leaf.0.insert(leaf.0.partition_point(|own| *own < number), number));
//! }
//! let before = tree.clone();
//! tree.update_nth(500, |leaf, offset| leaf.0.remove(offset as usize));
//! let (leaf, offset) = tree.nth(500).unwrap();
//! assert_eq!(leaf.0[offset as usize], 501);
//! assert_eq!((tree.weight(), before.weight()), (999, 1000));
//! ```

mod cursor;
mod edit;
mod node;
#[cfg(test)]
mod tests;

use std::cell::Cell;

use triomphe::Arc;

pub use cursor::Cursor;
use node::{Inner, Node, Totals};

/// A block of elements in a row.
///
/// The elements may be anything; the tree only counts them. `Default` is the block without elements: the first update of an empty
/// tree gets one, and a block that is left without elements is dropped.
pub trait Leaf: Clone + Default {
    /// What blocks are found by; `()` where they are found by number only.
    type Key: Clone;

    /// The number of elements.
    fn weight(&self) -> u64;

    /// A key above all elements of `self` and not above any of `next`, which follows it. Neither is empty.
    ///
    /// The tree asks for it when a block is split or appended, and keeps it until one of the two is gone: it goes on separating
    /// them whatever is added or removed by means of it.
    fn separator(&self, next: &Self) -> Self::Key;

    /// Whether it is to be split. It must not be with less than two elements.
    fn is_overfull(&self) -> bool;

    /// Whether it should be united with a neighbour; asked when elements have been removed.
    fn is_underfull(&self) -> bool;

    /// Keeps the first elements and gives away the others. Asked of overfull blocks only; must leave neither without elements.
    fn split(&mut self) -> Self;

    /// Takes over all elements of the block that follows it, or, if they are too many, changes nothing and says `false`.
    fn absorb(&mut self, next: &Self) -> bool;

    /// The memory that it holds beyond its own size.
    fn heap_bytes(&self) -> usize;
}

/// Blocks of elements, in order and counted.
pub struct Tree<L: Leaf> {
    root: Option<Node<L>>,
    weight: u64,
    totals: Totals,
}

impl<L: Leaf> Tree<L> {
    /// A tree without elements.
    pub const fn new() -> Self {
        Self { root: None, weight: 0, totals: Totals::ZERO }
    }

    /// The number of elements.
    #[inline]
    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// The number of leaves.
    pub fn leaves(&self) -> usize {
        self.totals.leaves
    }

    /// The memory that it holds beyond its own size, as if nothing were shared with a clone. Kept, not counted.
    pub fn heap_bytes(&self) -> usize {
        self.totals.heap_bytes::<L>()
    }

    /// The leaf where an element belongs.
    ///
    /// `reached` says whether a separator is at or below the element, `|key| key <= element`: true for all up to a certain
    /// one, false from there on.
    #[inline]
    pub fn find(&self, mut reached: impl FnMut(&L::Key) -> bool) -> Option<&L> {
        let mut node = self.root.as_ref()?;
        loop {
            match node {
                Node::Leaf(leaf) => return Some(leaf),
                Node::Inner(inner) => node = &inner.children[inner.find(&mut reached)],
            }
        }
    }

    /// As [`find`](Self::find), and the number of elements before that leaf.
    #[inline]
    pub fn locate(&self, mut reached: impl FnMut(&L::Key) -> bool) -> Option<(&L, u64)> {
        let mut node = self.root.as_ref()?;
        let mut before = 0;
        loop {
            match node {
                Node::Leaf(leaf) => return Some((leaf, before)),
                Node::Inner(inner) => {
                    let child = inner.find(&mut reached);
                    before += inner.weights[..child].iter().sum::<u64>();
                    node = &inner.children[child];
                }
            }
        }
    }

    /// The leaf that holds element number `rank`, and how many elements of it come before that one.
    #[inline]
    pub fn nth(&self, mut rank: u64) -> Option<(&L, u64)> {
        if rank >= self.weight {
            return None;
        }
        let mut node = self.root.as_ref()?;
        loop {
            match node {
                Node::Leaf(leaf) => return Some((leaf, rank)),
                Node::Inner(inner) => node = &inner.children[inner.nth(&mut rank)],
            }
        }
    }

    /// The first leaf.
    pub fn first(&self) -> Option<&L> {
        self.find(|_| false)
    }

    /// The last leaf.
    pub fn last(&self) -> Option<&L> {
        let mut node = self.root.as_ref()?;
        loop {
            match node {
                Node::Leaf(leaf) => return Some(leaf),
                Node::Inner(inner) => node = inner.children.last()?,
            }
        }
    }

    /// A cursor at the first leaf.
    pub fn cursor_first(&self) -> Option<Cursor<'_, L>> {
        self.cursor(|_| 0)
    }

    /// A cursor at the last leaf.
    pub fn cursor_last(&self) -> Option<Cursor<'_, L>> {
        self.cursor(|inner| inner.children.len() - 1)
    }

    /// A cursor at the leaf that [`find`](Self::find) finds.
    pub fn cursor_at(&self, mut reached: impl FnMut(&L::Key) -> bool) -> Option<Cursor<'_, L>> {
        self.cursor(|inner| inner.find(&mut reached))
    }

    /// A cursor at the leaf that holds element number `rank`, and how many elements of it come before that one.
    pub fn cursor_nth(&self, mut rank: u64) -> Option<(Cursor<'_, L>, u64)> {
        if rank >= self.weight {
            return None;
        }
        let cursor = self.cursor(|inner| inner.nth(&mut rank))?;
        Some((cursor, rank))
    }

    fn cursor(&self, pick: impl FnMut(&Inner<L>) -> usize) -> Option<Cursor<'_, L>> {
        Some(Cursor::descend(self.root.as_ref()?, pick))
    }

    /// Changes the leaf that [`find`](Self::find) finds, or a new one if the tree is empty.
    ///
    /// Whatever is added must belong there. The leaf may come back of any size: the tree splits it, unites it with a neighbour or
    /// drops it.
    #[inline]
    pub fn update<R>(
        &mut self,
        mut reached: impl FnMut(&L::Key) -> bool,
        change: impl FnOnce(&mut L) -> R,
    ) -> R {
        self.edit(&mut |inner| inner.find(&mut reached), |leaf, _| change(own(leaf)))
    }

    /// Changes the leaf that holds element number `rank`; `change` gets the number of its elements that come before that one. Past
    /// the end it is the last leaf, and the number is that of its elements.
    #[inline]
    pub fn update_nth<R>(&mut self, rank: u64, change: impl FnOnce(&mut L, u64) -> R) -> R {
        let rank = Cell::new(rank.min(self.weight));
        self.edit(&mut |inner| pick_nth(inner, &rank), |leaf, _| change(own(leaf), rank.get()))
    }

    /// As [`update_nth`](Self::update_nth); the leaves that `change` pushes come to stand behind the leaf.
    pub fn spread_nth<R>(&mut self, rank: u64, change: impl FnOnce(&mut L, u64, &mut Vec<L>) -> R) -> R {
        let rank = Cell::new(rank.min(self.weight));
        self.edit(&mut |inner| pick_nth(inner, &rank), |leaf, behind| {
            let mut more = Vec::new();
            let result = change(own(leaf), rank.get(), &mut more);
            behind.extend(more.into_iter().map(Arc::new));
            result
        })
    }

    /// Changes the first leaf, or a new one if the tree is empty.
    #[inline]
    pub fn update_first<R>(&mut self, change: impl FnOnce(&mut L) -> R) -> R {
        self.edit(&mut |_| 0, |leaf, _| change(own(leaf)))
    }

    /// Changes the last leaf, or a new one if the tree is empty.
    #[inline]
    pub fn update_last<R>(&mut self, change: impl FnOnce(&mut L) -> R) -> R {
        self.edit(&mut |inner| inner.children.len() - 1, |leaf, _| change(own(leaf)))
    }

    /// Puts a leaf before the first one. Its elements must be below all others.
    pub fn push_first(&mut self, leaf: L) {
        self.edit(&mut |_| 0, |first, more| more.push(std::mem::replace(first, Arc::new(leaf))));
    }

    /// Puts a leaf behind the last one. Its elements must be above all others.
    pub fn push_last(&mut self, leaf: L) {
        self.edit(&mut |inner| inner.children.len() - 1, |_, more| more.push(Arc::new(leaf)));
    }

    /// Drops the leaf that holds element number `rank`, and says how many elements it had: without a look at them, and without a
    /// copy of a leaf that is shared.
    pub fn remove_leaf(&mut self, mut rank: u64) -> u64 {
        if rank >= self.weight {
            return 0;
        }
        let weight = self.weight;
        self.edit(&mut |inner| inner.nth(&mut rank), |leaf, _| *leaf = Arc::new(L::default()));
        weight - self.weight
    }

    /// Drops all.
    pub fn clear(&mut self) {
        *self = Self::new();
    }
}

/// The child that holds element number `rank`, which becomes its number in that child.
fn pick_nth<L: Leaf>(inner: &Inner<L>, rank: &Cell<u64>) -> usize {
    let mut left = rank.get();
    let child = inner.nth(&mut left);
    rank.set(left);
    child
}

impl<L: Leaf> Default for Tree<L> {
    fn default() -> Self {
        Self::new()
    }
}

impl<L: Leaf> Clone for Tree<L> {
    fn clone(&self) -> Self {
        Self { root: self.root.clone(), weight: self.weight, totals: self.totals }
    }
}

/// The leaf for writing; copied first if others have it.
#[inline]
fn own<L: Leaf>(leaf: &mut Arc<L>) -> &mut L {
    crate::left_behind::make_mut(leaf, |leaf| size_of::<L>() + leaf.heap_bytes())
}
