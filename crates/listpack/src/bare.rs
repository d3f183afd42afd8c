//! Single entries without the frame of a listpack: no header, no backward lengths, no end mark.
//!
//! ```
//! use listpack::{Entry, bare};
//!
//! let mut bytes = Vec::new();
//! bare::append(&mut bytes, Entry::Str(b"field"));
//! bare::append(&mut bytes, Entry::from_text(b"1000"));
//! let (field, len) = bare::read(&bytes, 0).unwrap();
//! assert_eq!(field, Entry::Str(b"field"));
//! assert_eq!(bare::read(&bytes, len), Ok((Entry::Int(1000), 2)));
//! ```

use crate::encoding::{self, Encoded};
use crate::{Entry, Error};

/// The entry that begins at `at`, and how many bytes it takes.
///
/// # Errors
///
/// When no whole entry begins there.
#[inline]
pub fn read(bytes: &[u8], at: usize) -> Result<(Entry<'_>, usize), Error> {
    encoding::decode(bytes, at)
}

/// Appends an entry in its shortest encoding. Text is taken as a number where it is one.
#[inline]
pub fn append(target: &mut Vec<u8>, entry: Entry<'_>) {
    let bare = encode(entry);
    target.extend_from_slice(bare.head());
    target.extend_from_slice(bare.text());
}

/// The bytes of an entry, in two pieces so that a string need not be copied to be measured.
pub struct Bare<'a>(Encoded<'a>);

impl Bare<'_> {
    /// The first piece: a number, or the length of a string.
    #[inline]
    pub fn head(&self) -> &[u8] {
        self.0.head()
    }

    /// The second piece: the string.
    #[inline]
    pub fn text(&self) -> &[u8] {
        self.0.text()
    }

    /// How many bytes the entry takes in a listpack, where its length stands behind it.
    #[inline]
    pub fn framed_len(&self) -> usize {
        self.0.len()
    }
}

/// An entry in its shortest encoding.
#[inline]
pub fn encode(entry: Entry<'_>) -> Bare<'_> {
    Bare(Encoded::new(entry))
}
