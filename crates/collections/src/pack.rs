//! The pack: a short sequence of strings and numbers in one piece of memory.
//!
//! ```text
//! entries       2 bytes, little-endian
//! entry …       as in a listpack, without the length behind it
//! ```
//!
//! It is what small collections are kept in, inside the record of their key: a listpack spends seven bytes on its frame and one
//! or more on each entry so that it can be read backwards, which a collection that is scanned as a whole does not need.
//!
//! ```
//! use collections::pack::{self, Pack};
//! use listpack::Entry;
//!
//! let bytes = pack::of([Entry::Str(b"field"), Entry::from_text(b"17")]);
//! let pack = Pack::new(&bytes);
//! assert_eq!(pack.len(), 2);
//! let found = pack.find(b"field", 2).unwrap();
//! assert_eq!(pack.entry(found.end).map(|(entry, _)| entry), Some(Entry::Int(17)));
//! ```

use std::ops::Range;

use listpack::{Entry, bare};

/// Bytes before the first entry.
pub const HEADER: usize = 2;
/// More entries than this a pack can't count.
pub const MAX_LEN: usize = u16::MAX as usize;
/// A pack without entries.
pub const EMPTY: [u8; HEADER] = [0; HEADER];

/// A pack that somebody else owns.
///
/// It believes its bytes. Of those that are no pack it makes fewer entries than they announce, and nothing worse.
#[derive(Clone, Copy)]
pub struct Pack<'a> {
    bytes: &'a [u8],
}

impl<'a> Pack<'a> {
    /// A view of a pack.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Number of entries.
    #[inline]
    pub fn len(self) -> usize {
        self.bytes.first_chunk().map_or(0, |&count| usize::from(u16::from_le_bytes(count)))
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The bytes, header included.
    pub fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The entry that begins at byte `at`, and the bytes that it takes.
    #[inline]
    pub fn entry(self, at: usize) -> Option<(Entry<'a>, Range<usize>)> {
        let (entry, len) = bare::read(self.bytes, at).ok()?;
        Some((entry, at..at + len))
    }

    /// The entries in order.
    #[inline]
    pub fn iter(self) -> Iter<'a> {
        Iter { pack: self, at: HEADER }
    }

    /// Where the first of every `step`-th entry is whose text is `text`: with a step of two, among the first halves of pairs.
    #[inline]
    pub fn find(self, text: &[u8], step: usize) -> Option<Range<usize>> {
        let wanted = Entry::from_text(text);
        let mut number = 0;
        let mut entries = self.iter();
        loop {
            let from = entries.at;
            let entry = entries.next()?;
            let same = match (entry, wanted) {
                (Entry::Str(own), Entry::Str(_)) => own == text,
                (Entry::Int(own), Entry::Int(wanted)) => own == wanted,
                _ => false,
            };
            if same && number % step.max(1) == 0 {
                return Some(from..entries.at);
            }
            number += 1;
        }
    }

    /// Where entry number `index` begins, or the end if there are just so many.
    pub fn seek(self, index: usize) -> Option<usize> {
        let mut entries = self.iter();
        for _ in 0..index {
            entries.next()?;
        }
        Some(entries.at)
    }
}

impl<'a> IntoIterator for Pack<'a> {
    type Item = Entry<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The entries of a pack.
#[derive(Clone)]
pub struct Iter<'a> {
    pack: Pack<'a>,
    at: usize,
}

impl Iter<'_> {
    /// The byte at which the next entry begins.
    #[inline]
    pub fn position(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        let (entry, len) = bare::read(self.pack.bytes, self.at).ok()?;
        self.at += len;
        Some(entry)
    }
}

/// A pack of these entries.
pub fn of<'a>(entries: impl IntoIterator<Item = Entry<'a>>) -> Vec<u8> {
    let mut bytes = EMPTY.to_vec();
    let mut count = 0u16;
    for entry in entries {
        bare::append(&mut bytes, entry);
        count = count.saturating_add(1);
    }
    bytes[..HEADER].copy_from_slice(&count.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_goes_in_comes_out(texts in proptest::collection::vec("[a-c0-9-]{0,70}", 0..20)) {
            let bytes = of(texts.iter().map(|text| Entry::Str(text.as_bytes())));
            let pack = Pack::new(&bytes);
            prop_assert_eq!(pack.len(), texts.len());
            let back: Vec<_> = pack.iter().map(Entry::to_vec).collect();
            prop_assert_eq!(&back, &texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>());
            prop_assert_eq!(pack.seek(texts.len()), Some(bytes.len()));
            for (index, text) in texts.iter().enumerate() {
                let first = texts.iter().step_by(2).position(|other| other == text).map(|half| half * 2);
                let found = pack.find(text.as_bytes(), 2).map(|range| range.start);
                prop_assert_eq!(found, first.and_then(|first| pack.seek(first)));
                let (entry, _) = pack.entry(pack.seek(index).unwrap()).unwrap();
                prop_assert!(entry.is(text.as_bytes()));
            }
        }

        #[test]
        fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let pack = Pack::new(&bytes);
            let _ = pack.iter().count();
            prop_assert!(pack.find(b"17", 1).is_none_or(|range| range.end <= bytes.len()));
        }
    }
}
