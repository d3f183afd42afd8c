//! Elements as they lie in a node.

use listpack::{Entry, linked};

/// Elements that lie in one node, in the form that they have there.
#[derive(Clone)]
pub enum Stretch<'a> {
    /// Elements that all have the same length, a positive one.
    Uniform {
        /// Their length.
        unit: usize,
        /// Their texts, one behind the other.
        texts: &'a [u8],
    },
    /// Elements of any length.
    Packed(Packed<'a>),
}

/// Encoded elements, from either end.
#[derive(Clone)]
pub struct Packed<'a> {
    pub(super) bytes: &'a [u8],
    /// Invariant: `at <= end`, and both are where an element begins or the last one ends.
    pub(super) at: usize,
    pub(super) end: usize,
}

impl<'a> Iterator for Packed<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        if self.at >= self.end {
            return None;
        }
        let (entry, len) = linked::read(self.bytes, self.at)?;
        self.at += len;
        Some(entry)
    }
}

impl DoubleEndedIterator for Packed<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let (entry, len) = linked::read_back(self.bytes, self.end)?;
        self.end -= len;
        Some(entry)
    }
}

impl<'a> Iterator for Stretch<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        match self {
            Stretch::Uniform { unit, texts } => {
                let (text, rest) = texts.split_at_checked(*unit)?;
                *texts = rest;
                Some(Entry::Str(text))
            }
            Stretch::Packed(packed) => packed.next(),
        }
    }
}

impl DoubleEndedIterator for Stretch<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Stretch::Uniform { unit, texts } => {
                let (rest, text) = texts.split_at_checked(texts.len().checked_sub(*unit)?)?;
                *texts = rest;
                Some(Entry::Str(text))
            }
            Stretch::Packed(packed) => packed.next_back(),
        }
    }
}
