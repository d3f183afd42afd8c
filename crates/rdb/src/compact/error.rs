//! What can be wrong with a collection in a compact form.

/// Why bytes are not the collection that they claim to be. Offsets and indexes are within those bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompactError {
    /// It is no valid listpack.
    #[error(transparent)]
    Listpack(#[from] listpack::Error),
    /// It is no valid ziplist.
    #[error(transparent)]
    Ziplist(#[from] ZiplistError),
    /// It is no valid intset.
    #[error(transparent)]
    Intset(#[from] IntsetError),
    /// It is no valid zipmap.
    #[error(transparent)]
    Zipmap(#[from] ZipmapError),
    /// Fields or members without what belongs to each.
    #[error("{entries} entries do not come out even")]
    Unpaired {
        /// Number of entries.
        entries: usize,
    },
    /// A field or member that was there before.
    #[error("a member or field occurs twice")]
    Duplicate,
    /// A score that is no number.
    #[error("the score of member {index} is no number")]
    BadScore {
        /// The member, counted from 0.
        index: usize,
    },
    /// A member of a sorted set that does not belong behind the one before it.
    #[error("member {index} is not in order")]
    Unordered {
        /// The member, counted from 0.
        index: usize,
    },
    /// A field with an expiry that is no time.
    #[error("the expiry of field {index} is no time")]
    BadExpiry {
        /// The field, counted from 0.
        index: usize,
    },
}

impl CompactError {
    /// The offset within the bytes of what is wrong, where there is one.
    pub fn offset(&self) -> Option<usize> {
        match *self {
            CompactError::Listpack(error) => Some(error.at()),
            CompactError::Ziplist(error) => Some(match error {
                ZiplistError::TooShort | ZiplistError::WrongTotal { .. } => 0,
                ZiplistError::BadTail { .. } => 4,
                ZiplistError::WrongCount { .. } => 8,
                ZiplistError::BadEnd { at }
                | ZiplistError::BadBackLength { at }
                | ZiplistError::BadEncoding { at, .. }
                | ZiplistError::Truncated { at } => at,
            }),
            CompactError::Intset(error) => Some(match error {
                IntsetError::TooShort | IntsetError::BadWidth { .. } => 0,
                IntsetError::WrongCount { .. } => 4,
                IntsetError::Unordered { .. } => return None,
            }),
            CompactError::Zipmap(error) => Some(match error {
                ZipmapError::WrongCount { .. } => 0,
                ZipmapError::Truncated { at } | ZipmapError::BadEnd { at } => at,
            }),
            _ => None,
        }
    }
}

/// Why bytes are not a ziplist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ZiplistError {
    /// Too few bytes for a header.
    #[error("too few bytes for a ziplist")]
    TooShort,
    /// The header's total differs from the number of bytes.
    #[error("the ziplist declares {declared} bytes and has another number")]
    WrongTotal {
        /// The header's total.
        declared: u32,
    },
    /// An end mark stands before the last byte, or something else is the last byte.
    #[error("misplaced or missing end mark of a ziplist at its offset {at}")]
    BadEnd {
        /// Offset of the mark, or where it should be.
        at: usize,
    },
    /// An entry gives another length for the one before it than that has.
    #[error("the entry at offset {at} of a ziplist does not know the length of the one before it")]
    BadBackLength {
        /// Offset of the entry.
        at: usize,
    },
    /// An entry is of no known encoding.
    #[error("byte {byte:#04x} in the entry at offset {at} of a ziplist names no encoding")]
    BadEncoding {
        /// The byte.
        byte: u8,
        /// Offset of the entry.
        at: usize,
    },
    /// An entry does not end before the end mark.
    #[error("the entry at offset {at} of a ziplist reaches beyond the end")]
    Truncated {
        /// Offset of the entry.
        at: usize,
    },
    /// The last entry is not where the header says.
    #[error("the last entry of a ziplist is not at its offset {tail}")]
    BadTail {
        /// The header's offset.
        tail: u32,
    },
    /// The header's count differs from the number of entries.
    #[error("the ziplist declares {declared} entries and has another number")]
    WrongCount {
        /// The header's count.
        declared: u16,
    },
}

/// Why bytes are not an intset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IntsetError {
    /// Too few bytes for a header.
    #[error("too few bytes for an intset")]
    TooShort,
    /// Numbers cannot be of this size.
    #[error("an intset cannot have numbers of {width} bytes")]
    BadWidth {
        /// The declared size.
        width: u32,
    },
    /// So many numbers take another number of bytes.
    #[error("the intset declares {count} numbers and has another number of bytes")]
    WrongCount {
        /// The declared count.
        count: u32,
    },
    /// A number is not above the one before it.
    #[error("number {index} of an intset is not above the one before it")]
    Unordered {
        /// The number, counted from 0.
        index: usize,
    },
}

/// Why bytes are not a zipmap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ZipmapError {
    /// A field and its value reach beyond the end, or are no lengths and texts at all.
    #[error("the field at offset {at} of a zipmap reaches beyond the end or is malformed")]
    Truncated {
        /// Offset of the field.
        at: usize,
    },
    /// An end mark stands before the last byte.
    #[error("misplaced end mark of a zipmap at its offset {at}")]
    BadEnd {
        /// Offset of the mark.
        at: usize,
    },
    /// The count differs from the number of fields.
    #[error("the zipmap declares {declared} fields and has another number")]
    WrongCount {
        /// The declared count.
        declared: u8,
    },
}
