//! What a node of a cluster says about hash slots.

use crate::cursor::{Cursor, Stop};
use crate::{Error, Event, length, string};

/// A cluster has so many slots, and so at most so many ranges of them.
const SLOTS: u64 = 16384;

/// Ranges of hash slots: the first and the last of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotRanges<'a> {
    /// Invariant: pairs of lengths, each of which has been read once.
    bytes: &'a [u8],
}

impl Iterator for SlotRanges<'_> {
    type Item = (u64, u64);

    fn next(&mut self) -> Option<(u64, u64)> {
        let mut cursor = Cursor::new(self.bytes, 0);
        let range = (length::read_plain(&mut cursor).ok()?, length::read_plain(&mut cursor).ok()?);
        self.bytes = &self.bytes[cursor.used()..];
        Some(range)
    }
}

/// Reads the state of an import, behind its opcode.
pub(crate) fn read_import<'a>(
    cursor: &mut Cursor<'a>,
    limit: u64,
    scratch: &'a mut Vec<u8>,
) -> Result<Event<'a>, Stop> {
    let job = string::read(cursor, limit, scratch)?;
    let at = cursor.at();
    let count = length::read_plain(cursor)?;
    if count > SLOTS {
        return Err(Error::BadSlots { at }.into());
    }
    let (rest, from) = (cursor.rest(), cursor.used());
    for _ in 0..count {
        let at = cursor.at();
        let (first, last) = (length::read_plain(cursor)?, length::read_plain(cursor)?);
        if first > last || last >= SLOTS {
            return Err(Error::BadSlots { at }.into());
        }
    }
    Ok(Event::SlotImport { job, ranges: SlotRanges { bytes: &rest[..cursor.used() - from] } })
}

/// What Valkey says in an aux field instead of an item of its own: slot, keys, keys with an expiry, as decimal text. More may follow,
/// and does from Valkey 9 on.
pub(crate) fn from_aux(key: &[u8], value: &[u8]) -> Option<Event<'static>> {
    if key != b"slot-info" {
        return None;
    }
    let mut numbers = std::str::from_utf8(value).ok()?.split(',').map(str::parse);
    let mut number = || numbers.next()?.ok();
    Some(Event::SlotInfo { slot: number()?, keys: number()?, expires: number()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_numbers_are_a_hint() {
        let hint = Event::SlotInfo { slot: 7, keys: 3, expires: 0 };
        assert_eq!(from_aux(b"slot-info", b"7,3,0"), Some(hint.clone()));
        assert_eq!(from_aux(b"slot-info", b"7,3,0,12"), Some(hint));
        for value in [&b"7,3"[..], b"7,3,x", b"", b"\xff"] {
            assert_eq!(from_aux(b"slot-info", value), None, "{value:?}");
        }
        assert_eq!(from_aux(b"slot", b"7,3,0"), None);
    }
}
