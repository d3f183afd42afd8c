//! Members one after the other.

use std::ops::Range;

use super::block::Block;
use crate::tree::{Cursor, Tree};

/// Some members of a sorted set with their scores, in order or in reverse.
#[derive(Clone)]
pub struct Iter<'a> {
    cursor: Option<Cursor<'a, Block>>,
    /// The next member's number in the block where the cursor is; going back, one more than that.
    index: usize,
    left: usize,
    back: bool,
}

impl<'a> Iter<'a> {
    pub(super) fn forwards(tree: &'a Tree<Block>, ranks: Range<usize>) -> Self {
        let left = ranks.end.min(tree.weight() as usize).saturating_sub(ranks.start);
        let place = if left == 0 { None } else { tree.cursor_nth(ranks.start as u64) };
        let index = place.as_ref().map_or(0, |(_, index)| *index as usize);
        Self { cursor: place.map(|(cursor, _)| cursor), index, left, back: false }
    }

    pub(super) fn backwards(tree: &'a Tree<Block>, ranks: Range<usize>) -> Self {
        let end = ranks.end.min(tree.weight() as usize);
        let left = end.saturating_sub(ranks.start);
        let place = if left == 0 { None } else { tree.cursor_nth(end as u64 - 1) };
        let index = place.as_ref().map_or(0, |(_, index)| *index as usize + 1);
        Self { cursor: place.map(|(cursor, _)| cursor), index, left, back: true }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let cursor = self.cursor.as_mut()?;
        self.left -= 1;
        let index = if self.back {
            if self.index == 0 {
                cursor.previous_leaf();
                self.index = cursor.leaf().len();
            }
            self.index -= 1;
            self.index
        } else {
            if self.index == cursor.leaf().len() {
                cursor.next_leaf();
                self.index = 0;
            }
            self.index += 1;
            self.index - 1
        };
        let block = cursor.leaf();
        Some((block.member(index), block.score(index)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Iter<'_> {}
