//! Reading the log.

use std::collections::vec_deque;
use std::iter::FusedIterator;

use super::block::Full;

/// The bytes of a log from some position to its end, as slices of its blocks in order. None of them is empty.
#[derive(Clone, Debug)]
pub struct Slices<'a> {
    head: &'a [u8],
    middle: vec_deque::Iter<'a, Full>,
    last: &'a [u8],
}

impl<'a> Slices<'a> {
    pub(super) fn new(head: &'a [u8], middle: vec_deque::Iter<'a, Full>, last: &'a [u8]) -> Slices<'a> {
        Slices { head, middle, last }
    }

    #[inline]
    pub(super) fn one(head: &'a [u8]) -> Slices<'a> {
        Slices { head, middle: vec_deque::Iter::default(), last: &[] }
    }
}

impl<'a> Iterator for Slices<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let head = std::mem::take(&mut self.head);
        if !head.is_empty() {
            return Some(head);
        }
        if let Some(block) = self.middle.next() {
            return Some(block.bytes());
        }
        let last = std::mem::take(&mut self.last);
        (!last.is_empty()).then_some(last)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let slices =
            usize::from(!self.head.is_empty()) + self.middle.len() + usize::from(!self.last.is_empty());
        (slices, Some(slices))
    }
}

impl ExactSizeIterator for Slices<'_> {}
impl FusedIterator for Slices<'_> {}
