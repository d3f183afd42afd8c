//! Making a listpack from front to back.

use crate::encoding::{END, Encoded};
use crate::view::{EMPTY, HEADER, UNKNOWN};
use crate::{Entry, back_length};

/// A listpack that only grows at its end, in memory that can be used again for the next one.
///
/// Cheaper than [`Listpack`](crate::Listpack), which is whole after every change.
///
/// ```
/// use listpack::{Builder, Entry, View};
///
/// let mut builder = Builder::new();
/// builder.push(Entry::Str(b"field"));
/// builder.push(Entry::Int(1000));
/// let pack = View::new(builder.finish())?;
/// assert_eq!(pack.iter().collect::<Vec<_>>(), [Entry::Str(b"field"), Entry::Int(1000)]);
/// # Ok::<(), listpack::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Builder {
    /// Invariant: begins with room for a header; whole entries follow it.
    bytes: Vec<u8>,
    count: usize,
}

impl Builder {
    /// A builder without entries.
    pub fn new() -> Self {
        Builder { bytes: vec![0; HEADER], count: 0 }
    }

    /// Appends an entry in its shortest encoding. Text is taken as a number where it is one.
    #[inline]
    pub fn push(&mut self, entry: Entry<'_>) {
        Encoded::new(entry).append(&mut self.bytes);
        self.count += 1;
    }

    /// Appends an entry that is encoded already, without its backward length: what [`bare`](crate::bare) reads and writes.
    #[inline]
    pub fn push_bare(&mut self, entry: &[u8]) {
        self.bytes.extend_from_slice(entry);
        self.bytes.extend_from_slice(back_length::Encoded::new(entry.len()).as_slice());
        self.count += 1;
    }

    /// Appends entries that are encoded already, each with its backward length: what stands in a listpack between header and
    /// end mark.
    pub fn push_framed(&mut self, entries: &[u8], count: usize) {
        self.bytes.extend_from_slice(entries);
        self.count += count;
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes that the listpack takes as it is, header and end mark included.
    pub fn bytes(&self) -> usize {
        // One byte of an empty listpack is the end mark, which is not there before the end.
        self.bytes.len() + (EMPTY - HEADER)
    }

    /// The bytes of the listpack. To be followed by [`clear`](Builder::clear), not by further entries.
    pub fn finish(&mut self) -> &[u8] {
        self.bytes.push(END);
        // A total that needs more than 32 bits belongs to no listpack: readers refuse it, as they do far smaller ones.
        let total = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        let count = u16::try_from(self.count).unwrap_or(UNKNOWN);
        self.bytes[..4].copy_from_slice(&total.to_le_bytes());
        self.bytes[4..HEADER].copy_from_slice(&count.to_le_bytes());
        &self.bytes
    }

    /// Begins anew.
    pub fn clear(&mut self) {
        self.bytes.truncate(HEADER);
        self.count = 0;
    }
}

impl Default for Builder {
    fn default() -> Self {
        Builder::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Listpack, View, bare};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_same_bytes_as_one_change_after_the_other(
            texts in proptest::collection::vec("[a-c0-9-]{0,200}", 0..20),
            bare_form: bool,
        ) {
            let mut builder = Builder::default();
            for round in 0..2 {
                let mut pack = Listpack::new();
                for text in &texts {
                    pack.push_back(text.as_str()).unwrap();
                    if bare_form {
                        let mut bytes = Vec::new();
                        bare::append(&mut bytes, Entry::Str(text.as_bytes()));
                        builder.push_bare(&bytes);
                    } else {
                        builder.push(Entry::Str(text.as_bytes()));
                    }
                }
                prop_assert_eq!((builder.len(), builder.is_empty()), (texts.len(), texts.is_empty()));
                prop_assert_eq!(builder.bytes(), pack.as_bytes().len());
                prop_assert_eq!(builder.finish(), pack.as_bytes(), "round {}", round);
                builder.clear();
            }
        }
    }

    #[test]
    fn more_entries_than_the_header_counts() {
        let mut builder = Builder::new();
        for number in 0..70_000 {
            builder.push(Entry::Int(number));
        }
        let bytes = builder.finish().to_vec();
        assert_eq!(View::new(&bytes).unwrap().len(), 70_000);
        builder.clear();
        builder.push_framed(&bytes[HEADER..bytes.len() - 1], 70_000);
        assert_eq!(builder.finish(), bytes);
    }
}
