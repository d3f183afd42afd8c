//! The part of a string that BITCOUNT and BITPOS are about.

use resp::Args;

use crate::errors::{NOT_INTEGER, SYNTAX};
use crate::number::parse_i64;

/// What a request says about the part: `[start [end [BYTE | BIT]]]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    start: i64,
    /// `None`: up to the end of the string.
    end: Option<i64>,
    in_bits: bool,
}

impl Range {
    /// The whole string.
    const WHOLE: Range = Range { start: 0, end: None, in_bits: false };

    /// Parses what stands from argument `from` on.
    pub(super) fn parse(args: Args<'_>, from: usize) -> Result<Range, &'static str> {
        let mut range = Range::WHOLE;
        let number = |at| parse_i64(args.at(at)).ok_or(NOT_INTEGER);
        let given = args.len() - from;
        if given > 3 {
            return Err(SYNTAX);
        }
        if given > 0 {
            range.start = number(from)?;
        }
        if given == 3 {
            range.in_bits = match args.at(from + 2) {
                unit if unit.eq_ignore_ascii_case(b"bit") => true,
                unit if unit.eq_ignore_ascii_case(b"byte") => false,
                _ => return Err(SYNTAX),
            };
        }
        if given > 1 {
            range.end = Some(number(from + 1)?);
        }
        Ok(range)
    }

    /// Whether the request says where the part ends.
    pub(super) fn has_end(&self) -> bool {
        self.end.is_some()
    }

    /// Whether the part runs backwards, both ends seen from the string's end.
    pub(super) fn is_reversed(&self) -> bool {
        matches!(self.end, Some(end) if self.start < 0 && end < 0 && self.start > end)
    }

    /// The first bit of the part in a string of `len` bytes, and the one behind its last; `None` if there is nothing between.
    pub(super) fn resolve(&self, len: usize) -> Option<(u64, u64)> {
        // Strings are limited far below the 2^60 bytes at which their bits could no longer be counted.
        let units = if self.in_bits { len as i64 * 8 } else { len as i64 };
        let from_front = |at: i64| if at < 0 { at.saturating_add(units).max(0) } else { at };
        let start = from_front(self.start);
        let end = from_front(self.end.unwrap_or(units - 1)).min(units - 1);
        if start > end {
            return None;
        }
        let bits_per_unit = if self.in_bits { 1 } else { 8 };
        Some((start as u64 * bits_per_unit, (end as u64 + 1) * bits_per_unit))
    }
}
