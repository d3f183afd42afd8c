//! What can be wrong with an RDB stream.

use crate::Kind;
use crate::compact::CompactError;
use crate::stream::StreamNodeError;

/// Why an RDB stream or a DUMP payload was refused.
///
/// Every variant carries `at`, the offset of the offending byte from the start of the stream (or payload).
/// An error says that the *input* is at fault, or is of a kind that this crate does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The first nine bytes are not the magic word and version of an RDB stream.
    #[error("not an RDB stream: no known magic word at offset {at}")]
    BadMagic {
        /// Offset of the magic word.
        at: u64,
    },
    /// The stream declares a version that this crate does not read.
    #[error("RDB version {version} at offset {at} is not supported")]
    UnsupportedVersion {
        /// The declared version.
        version: u32,
        /// Offset of the version's digits, or of the version field of a DUMP payload.
        at: u64,
    },
    /// A length begins with a byte that starts no known form of length.
    #[error("byte {byte:#04x} at offset {at} starts no valid length")]
    BadLength {
        /// The byte that was found.
        byte: u8,
        /// Its offset.
        at: u64,
    },
    /// A special string encoding stands where only a plain length makes sense.
    #[error("a string encoding (byte {byte:#04x}) stands at offset {at} where a plain length is expected")]
    ExpectedLength {
        /// The byte that was found.
        byte: u8,
        /// Its offset.
        at: u64,
    },
    /// A string begins with a special encoding that does not exist.
    #[error("byte {byte:#04x} at offset {at} names no known string encoding")]
    UnknownEncoding {
        /// The byte that was found.
        byte: u8,
        /// Its offset.
        at: u64,
    },
    /// A string is longer than the reader was told to accept.
    #[error("string of {len} bytes at offset {at} exceeds the limit of {limit} bytes")]
    StringTooLong {
        /// The declared length.
        len: u64,
        /// The limit in force.
        limit: u64,
        /// Offset of the string.
        at: u64,
    },
    /// A compressed string does not decompress to its declared length.
    #[error("damaged LZF data in the string at offset {at}: {reason}")]
    BadCompression {
        /// What is wrong with the compressed bytes.
        reason: crate::lzf::DecompressError,
        /// Offset of the string.
        at: u64,
    },
    /// A value type that exists in the format, but that this crate does not read.
    #[error("value type {type_byte} ({name}) at offset {at} is not supported")]
    UnsupportedType {
        /// The type byte.
        type_byte: u8,
        /// What the format calls the type.
        name: &'static str,
        /// Offset of the type byte.
        at: u64,
    },
    /// A byte that is neither an opcode nor a value type.
    #[error("byte {byte} at offset {at} is neither an opcode nor a value type")]
    UnknownType {
        /// The byte that was found.
        byte: u8,
        /// Its offset.
        at: u64,
    },
    /// A collection in a compact form that is damaged, or not a collection of its kind.
    #[error("damaged {kind} at offset {at} (in the string at offset {string}: {reason})")]
    BadCompact {
        /// What it claims to be.
        kind: Kind,
        /// What is wrong with it, with offsets within the string's bytes.
        reason: CompactError,
        /// Offset of the string.
        string: u64,
        /// Offset of what is wrong, where the string stands as it is and the fault has a place; otherwise that of the string.
        at: u64,
    },
    /// A node of a list that is neither packed nor plain.
    #[error("node of a list at offset {at} is of the unknown form {container}")]
    BadListNode {
        /// The form that was found.
        container: u64,
        /// Its offset.
        at: u64,
    },
    /// A node of a list that is to be one element and is none.
    #[error("node of a list at offset {at} is empty")]
    EmptyListNode {
        /// Offset of the node.
        at: u64,
    },
    /// A member of a sorted set whose score is no number.
    #[error("the score at offset {at} is no number")]
    BadScore {
        /// Offset of the score.
        at: u64,
    },
    /// A field of a hash with an expiry that is no time.
    #[error("the expiry of a field at offset {at} is no time")]
    BadFieldExpiry {
        /// Offset of the expiry.
        at: u64,
    },
    /// Entries of a stream that are damaged or out of order.
    #[error("damaged entries of a stream at offset {at} (in the string at offset {string}: {reason})")]
    BadStreamNode {
        /// What is wrong with them, with offsets within the string's bytes.
        reason: StreamNodeError,
        /// Offset of the string.
        string: u64,
        /// Offset of what is wrong, as in [`Error::BadCompact`].
        at: u64,
    },
    /// An array that is empty, or an element of one that is out of order or of an unknown form.
    #[error("damaged array at offset {at}: {reason}")]
    BadArray {
        /// What is wrong.
        reason: &'static str,
        /// Offset of the part.
        at: u64,
    },
    /// A hash whose fields stand elsewhere, or that place, is damaged.
    #[error("damaged template of a hash at offset {at}: {reason}")]
    BadTemplate {
        /// What is wrong.
        reason: &'static str,
        /// Offset of the part.
        at: u64,
    },
    /// Slots that a cluster does not have.
    #[error("the hash slots at offset {at} are none")]
    BadSlots {
        /// Offset of the slots.
        at: u64,
    },
    /// Parts of a stream that do not fit each other.
    #[error("damaged stream at offset {at}: {reason}")]
    BadStream {
        /// What is wrong.
        reason: &'static str,
        /// Offset of the part.
        at: u64,
    },
    /// An opcode that exists in the format, but that this crate does not read.
    #[error("opcode {opcode} ({name}) at offset {at} is not supported")]
    UnsupportedOpcode {
        /// The opcode.
        opcode: u8,
        /// What the opcode announces.
        name: &'static str,
        /// Its offset.
        at: u64,
    },
    /// An opcode that describes the next key is followed by something that is no key.
    #[error("expiry or access information for a key is followed by opcode {opcode} at offset {at}")]
    DanglingKeyInfo {
        /// The opcode that came instead of a value type.
        opcode: u8,
        /// Its offset.
        at: u64,
    },
    /// The data of a module does not follow the generic form that allows skipping it.
    #[error("module data at offset {at} has the unknown part {found}")]
    BadModuleData {
        /// The code that was found.
        found: u64,
        /// Its offset.
        at: u64,
    },
    /// The trailing checksum differs from that of the bytes read.
    #[error("checksum at offset {at} is {stored:016x}, the data has {computed:016x}")]
    ChecksumMismatch {
        /// The checksum in the stream.
        stored: u64,
        /// The checksum of the bytes before it.
        computed: u64,
        /// Offset of the checksum.
        at: u64,
    },
    /// The input ends inside an item.
    #[error("the input ends at offset {at}, before its end is reached")]
    Truncated {
        /// Offset of the first missing byte.
        at: u64,
    },
    /// A DUMP payload holds more than one value.
    #[error("the value of the payload ends at offset {at}, but bytes follow")]
    TrailingBytes {
        /// Offset of the first byte too many.
        at: u64,
    },
}

impl Error {
    /// The offset of the offending byte from the start of the stream or payload.
    pub fn at(&self) -> u64 {
        match *self {
            Error::BadMagic { at }
            | Error::UnsupportedVersion { at, .. }
            | Error::BadLength { at, .. }
            | Error::ExpectedLength { at, .. }
            | Error::UnknownEncoding { at, .. }
            | Error::StringTooLong { at, .. }
            | Error::BadCompression { at, .. }
            | Error::UnsupportedType { at, .. }
            | Error::UnknownType { at, .. }
            | Error::BadCompact { at, .. }
            | Error::BadListNode { at, .. }
            | Error::EmptyListNode { at }
            | Error::BadScore { at }
            | Error::BadFieldExpiry { at }
            | Error::BadStreamNode { at, .. }
            | Error::BadStream { at, .. }
            | Error::BadArray { at, .. }
            | Error::BadTemplate { at, .. }
            | Error::BadSlots { at }
            | Error::UnsupportedOpcode { at, .. }
            | Error::DanglingKeyInfo { at, .. }
            | Error::BadModuleData { at, .. }
            | Error::ChecksumMismatch { at, .. }
            | Error::Truncated { at }
            | Error::TrailingBytes { at } => at,
        }
    }
}
