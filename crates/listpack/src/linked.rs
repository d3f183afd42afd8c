//! Single entries with their backward lengths but without the frame of a listpack: sequences that can be read from both ends, with a
//! frame of their own.
//!
//! ```
//! use listpack::{Entry, linked};
//!
//! let mut bytes = Vec::new();
//! for text in ["field", "1000"] {
//!     let entry = linked::Encoded::new(Entry::from(text));
//!     let from = bytes.len();
//!     bytes.resize(from + entry.len(), 0);
//!     entry.write(&mut bytes[from..]);
//! }
//! let (first, len) = linked::read(&bytes, 0).unwrap();
//! assert_eq!((first, len), (Entry::Str(b"field"), 7));
//! assert_eq!(linked::read(&bytes, len), Some((Entry::Int(1000), 3)));
//! assert_eq!(linked::read_back(&bytes, bytes.len()), Some((Entry::Int(1000), 3)));
//! ```

use crate::{Entry, back_length, encoding};

/// The entry that begins at `at`, and how many bytes it takes with its backward length; `None` if no whole entry begins there.
#[inline]
pub fn read(bytes: &[u8], at: usize) -> Option<(Entry<'_>, usize)> {
    let (entry, len) = encoding::decode(bytes, at).ok()?;
    Some((entry, len + back_length::size(len)))
}

/// The entry that ends at `end`, and how many bytes it takes with its backward length; `None` if no entry ends there.
#[inline]
pub fn read_back(bytes: &[u8], end: usize) -> Option<(Entry<'_>, usize)> {
    let (len, taken) = back_length::read_back(bytes.get(..end)?)?;
    let at = end.checked_sub(len + taken)?;
    let (entry, _) = encoding::decode(&bytes[..end], at).ok()?;
    Some((entry, len + taken))
}

/// Bytes that the backward length takes of an entry of `len` bytes.
#[inline]
pub fn back_len(len: usize) -> usize {
    back_length::size(len)
}

/// An entry as it will be written.
pub struct Encoded<'a>(encoding::Encoded<'a>);

impl<'a> Encoded<'a> {
    /// The shortest encoding of an entry. Text is taken as a number where it is one.
    #[inline]
    pub fn new(entry: Entry<'a>) -> Self {
        Encoded(encoding::Encoded::new(entry))
    }

    /// Its bytes, with its backward length.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "an entry always takes some bytes")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Fills `target`.
    ///
    /// # Panics
    ///
    /// When `target` is not just as long as the entry.
    #[inline]
    pub fn write(&self, target: &mut [u8]) {
        self.0.write(target);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_ways(texts in proptest::collection::vec("-?[0-9]{0,20}|[a-z]{0,200}", 1..20)) {
            let mut bytes = Vec::new();
            for text in &texts {
                let entry = Encoded::new(Entry::from(text.as_str()));
                let from = bytes.len();
                bytes.resize(from + entry.len(), 0);
                entry.write(&mut bytes[from..]);
            }
            let (mut forward, mut at) = (Vec::new(), 0);
            while let Some((entry, len)) = read(&bytes, at) {
                forward.push(entry.to_vec());
                at += len;
            }
            let (mut backward, mut end) = (Vec::new(), bytes.len());
            while let Some((entry, len)) = read_back(&bytes, end) {
                backward.push(entry.to_vec());
                end -= len;
            }
            backward.reverse();
            prop_assert_eq!((at, end), (bytes.len(), 0));
            prop_assert_eq!(&forward, &backward);
            prop_assert_eq!(forward, texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>());
        }

        #[test]
        fn noise_never_panics(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), 0xe0u8..], 0..40)) {
            for at in 0..bytes.len() + 2 {
                prop_assert!(read(&bytes, at).is_none_or(|(_, len)| len > 0));
                prop_assert!(read_back(&bytes, at).is_none_or(|(_, len)| len <= at));
            }
        }
    }
}
