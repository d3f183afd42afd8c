//! Ids and other arguments.

use keyspace::stream::StreamId;

use crate::errors::NOT_INTEGER;
use crate::number::parse_i64;

pub(super) const INVALID_ID: &str = "ERR Invalid stream ID specified as stream command argument";
const INVALID_START: &str = "ERR invalid start ID for the interval";
const INVALID_END: &str = "ERR invalid end ID for the interval";

/// What a client is told.
pub(super) type Error = &'static str;

/// An id of an entry: `ms-seq`, or `ms` for `ms-0`.
pub(super) fn id(text: &[u8]) -> Result<StreamId, Error> {
    StreamId::parse(text, 0).ok_or(INVALID_ID)
}

/// Several ids.
pub(super) fn ids(args: resp::Args<'_>) -> Result<Vec<StreamId>, Error> {
    args.iter().map(id).collect()
}

/// An id that may also be `-` or `+`, the smallest and the largest.
pub(super) fn id_or_extreme(text: &[u8], missing_seq: u64) -> Result<StreamId, Error> {
    match text {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        _ => StreamId::parse(text, missing_seq).ok_or(INVALID_ID),
    }
}

/// The first id of a range; `(` in front leaves the id itself out.
pub(super) fn range_start(text: &[u8]) -> Result<StreamId, Error> {
    match text {
        [b'(', id @ ..] if !id.is_empty() => {
            StreamId::parse(id, 0).ok_or(INVALID_ID)?.next().ok_or(INVALID_START)
        }
        _ => id_or_extreme(text, 0),
    }
}

/// The last id of a range; `(` in front leaves the id itself out.
pub(super) fn range_end(text: &[u8]) -> Result<StreamId, Error> {
    match text {
        [b'(', id @ ..] if !id.is_empty() => {
            StreamId::parse(id, u64::MAX).ok_or(INVALID_ID)?.prev().ok_or(INVALID_END)
        }
        _ => id_or_extreme(text, u64::MAX),
    }
}

/// A number.
pub(super) fn number(text: &[u8]) -> Result<i64, Error> {
    parse_i64(text).ok_or(NOT_INTEGER)
}

/// How many entries are wanted; negative numbers count as 0.
pub(super) fn count(text: &[u8]) -> Result<u64, Error> {
    number(text).map(|count| count.max(0) as u64)
}

/// Whether an argument is this word, in any case.
pub(super) fn is(text: &[u8], word: &str) -> bool {
    text.eq_ignore_ascii_case(word.as_bytes())
}
