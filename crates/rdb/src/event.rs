//! What the reader reports.

use crate::module_aux::ModuleId;
use crate::value::Value;

/// Whose numbering of versions, types and opcodes a stream follows.
///
/// The two families share everything up to version 11; beyond that the same byte can mean different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavor {
    /// The magic word is `REDIS`.
    Redis,
    /// The magic word is `VALKEY`.
    Valkey,
}

/// One item of an RDB stream, in the order of the stream.
///
/// The byte slices belong to the reader: copy what has to outlive the next call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The magic word and version; always the first event.
    Header {
        /// The declared version of the format.
        version: u32,
        /// The family of the version number.
        flavor: Flavor,
    },
    /// A field of information about the stream as a whole. Unknown fields are to be ignored.
    Aux {
        /// The field's name.
        key: &'a [u8],
        /// The field's value.
        value: &'a [u8],
    },
    /// The entries that follow belong to this database.
    SelectDb(u64),
    /// How many keys the current database will bring: a hint for the size of tables, not a promise. Bound it
    /// before reserving memory, since it comes from the stream.
    Resize {
        /// Number of keys.
        keys: u64,
        /// Number of keys with an expiry.
        expires: u64,
    },
    /// How many keys of one hash slot follow: a hint like [`Event::Resize`].
    SlotInfo {
        /// The hash slot.
        slot: u64,
        /// Number of keys.
        keys: u64,
        /// Number of keys with an expiry.
        expires: u64,
    },
    /// The source text of a function library.
    Function(&'a [u8]),
    /// Data that a module attached to the stream as a whole; its content has been skipped.
    ModuleAux {
        /// Whose data it is.
        module: ModuleId,
    },
    /// A key with its value.
    Entry {
        /// The key.
        key: &'a [u8],
        /// When the key expires, in milliseconds of Unix time. Expired keys are reported like all others.
        expiry_ms: Option<u64>,
        /// Seconds since the last access, if the writer tracked that.
        idle: Option<u64>,
        /// Logarithmic access counter, if the writer tracked that.
        freq: Option<u8>,
        /// The value.
        value: Value<'a>,
    },
    /// The end of the stream; always the last event.
    End {
        /// The checksum in the stream; `None` if the writer left it out.
        checksum: Option<u64>,
    },
}
