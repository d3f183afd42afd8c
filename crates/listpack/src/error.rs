//! What can be wrong with bytes that claim to be a listpack, and with a change to one.

/// Why bytes are not a listpack. Every variant names the offset of the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Too few bytes for a header and an end mark.
    #[error("{len} bytes are too few for a listpack")]
    TooShort {
        /// How many there are.
        len: usize,
    },
    /// The header's total differs from the number of bytes.
    #[error("the header at offset 0 declares {declared} bytes, there are {actual}")]
    WrongTotal {
        /// The header's total.
        declared: u32,
        /// The number of bytes.
        actual: usize,
    },
    /// An entry begins with a byte that begins no encoding.
    #[error("byte {byte:#04x} at offset {at} begins no entry")]
    BadEncoding {
        /// The byte.
        byte: u8,
        /// Its offset.
        at: usize,
    },
    /// An entry does not end before the end mark.
    #[error("the entry at offset {at} reaches beyond the end")]
    Truncated {
        /// Offset of the entry.
        at: usize,
    },
    /// The length behind an entry, by which it is found from the end, is not the entry's length.
    #[error("the backward length at offset {at} does not match its entry")]
    BadBackLength {
        /// Offset of the backward length.
        at: usize,
    },
    /// An end mark stands before the last byte, or something else is the last byte.
    #[error("misplaced or missing end mark at offset {at}")]
    BadEnd {
        /// Offset of the mark, or where it should be.
        at: usize,
    },
    /// The header's count differs from the number of entries.
    #[error("the header at offset 4 declares {declared} entries, there are {actual}")]
    WrongCount {
        /// The header's count.
        declared: u16,
        /// The number of entries.
        actual: usize,
    },
}

impl Error {
    /// The offset within the bytes of what is wrong.
    pub fn at(&self) -> usize {
        match *self {
            Error::TooShort { .. } | Error::WrongTotal { .. } => 0,
            Error::WrongCount { .. } => 4,
            Error::BadEncoding { at, .. }
            | Error::Truncated { at }
            | Error::BadBackLength { at }
            | Error::BadEnd { at } => at,
        }
    }
}

/// A change would make a listpack larger than [`MAX_BYTES`](crate::MAX_BYTES). It has not been made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a listpack cannot grow to {bytes} bytes")]
pub struct TooLarge {
    /// How large it would have become.
    pub bytes: usize,
}
