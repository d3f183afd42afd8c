//! What a peer can do wrong.

use thiserror::Error;

/// The peer's request breaks the protocol. The text is what follows `ERR Protocol error: ` in the reply, after
/// which the connection is closed: the start of the next request is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The count after `*` is not a number, or over the limit.
    #[error("invalid multibulk length")]
    InvalidMultibulkLength,
    /// The length after `$` is not a number, negative, or over the limit.
    #[error("invalid bulk length")]
    InvalidBulkLength,
    /// An argument does not begin with `$`.
    #[error("expected '$', got '{}'", byte.escape_ascii())]
    ExpectedBulk {
        /// What came instead.
        byte: u8,
    },
    /// An argument's bytes are not followed by CR LF, because its length was wrong, or the CR of a header by LF.
    #[error("invalid CRLF in request")]
    InvalidCrlf,
    /// The line of `*` does not end.
    #[error("too big mbulk count string")]
    TooBigMultibulkCount,
    /// The line of `$` does not end.
    #[error("too big bulk count string")]
    TooBigBulkCount,
    /// An inline request's line is too long.
    #[error("too big inline request")]
    TooBigInline,
    /// An inline request's quote does not end.
    #[error("unbalanced quotes in request")]
    UnbalancedQuotes,
    /// More arguments than a peer may send before it has authenticated.
    #[error("unauthenticated multibulk length")]
    UnauthenticatedMultibulkLength,
    /// A longer argument than a peer may send before it has authenticated.
    #[error("unauthenticated bulk length")]
    UnauthenticatedBulkLength,
}

impl From<UnbalancedQuotes> for ProtocolError {
    fn from(_: UnbalancedQuotes) -> Self {
        ProtocolError::UnbalancedQuotes
    }
}

/// A quoted part of an argument does not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("unbalanced quotes")]
pub struct UnbalancedQuotes;

/// The peer's reply breaks the protocol or a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// The first byte of a reply names no type.
    #[error("unknown reply type {:?} at byte {at}", char::from(*byte))]
    UnknownType {
        /// The byte.
        byte: u8,
        /// Where in the buffer or stream.
        at: u64,
    },
    /// A line that should hold a number, length or other value does not.
    #[error("malformed {what} at byte {at}")]
    Malformed {
        /// What should have been there.
        what: &'static str,
        /// Where in the buffer or stream.
        at: u64,
    },
    /// A string is longer than [`ReplyLimits::max_bulk`](crate::ReplyLimits::max_bulk).
    #[error("a string of {len} bytes at byte {at} is over the limit of {limit}")]
    TooLong {
        /// The claimed length, or for a line how much of it there is.
        len: u64,
        /// The limit.
        limit: u64,
        /// Where in the buffer or stream.
        at: u64,
    },
    /// An aggregate has more elements than [`ReplyLimits::max_elements`](crate::ReplyLimits::max_elements).
    #[error("an aggregate of {len} elements at byte {at} is over the limit of {limit}")]
    TooManyElements {
        /// The claimed number.
        len: u64,
        /// The limit.
        limit: u64,
        /// Where in the buffer or stream.
        at: u64,
    },
    /// Aggregates are nested deeper than [`ReplyLimits::max_depth`](crate::ReplyLimits::max_depth).
    #[error("aggregates are nested deeper than {limit} at byte {at}")]
    TooDeep {
        /// The limit.
        limit: usize,
        /// Where in the buffer or stream.
        at: u64,
    },
}
