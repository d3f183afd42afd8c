//! How a node writes its entries.
//!
//! ```text
//! head     bit 0: the entry has the fields of the node; bits 1 and 2: what follows of the id
//!            0  nothing: the number after that of the entry before, in the same millisecond
//!            1  how much larger the number is, in the same millisecond
//!            2  how much later the millisecond is; the number is 0
//!            3  how much later the millisecond is, and the number
//! length   of the body
//! body     fields of its own: how many, then field, value, field, value …; otherwise value, value …
//! ```
//!
//! Numbers are seven bits a byte, low bits first. Fields and values are entries of a listpack without its frame, so text that
//! spells a number takes the space of the number.

use super::StreamId;

const SAME_FIELDS: u8 = 1;

/// The most bytes that the head and the id take.
const HEAD_MAX: usize = 1 + 2 * VARINT_MAX;
const VARINT_MAX: usize = 10;

/// Where an entry is.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub id: StreamId,
    pub same_fields: bool,
    /// Where the body's length is written: the end of what depends on the entry before.
    pub length_at: usize,
    pub body: std::ops::Range<usize>,
}

/// Reads the entry at `at`, which follows the one with the id `prev`.
#[inline]
pub(super) fn read(bytes: &[u8], at: usize, prev: StreamId) -> Option<Place> {
    let (&head, mut at) = (bytes.get(at)?, at + 1);
    let mut number = || -> Option<u64> {
        let (number, end) = read_varint(bytes, at)?;
        at = end;
        Some(number)
    };
    let id = match head >> 1 {
        0 => StreamId::new(prev.ms, prev.seq.wrapping_add(1)),
        1 => StreamId::new(prev.ms, prev.seq.wrapping_add(number()?)),
        2 => StreamId::new(prev.ms.wrapping_add(number()?), 0),
        _ => {
            let ms = prev.ms.wrapping_add(number()?);
            StreamId::new(ms, number()?)
        }
    };
    let length_at = at;
    let (len, from) = read_varint(bytes, length_at)?;
    let end = from.checked_add(usize::try_from(len).ok()?)?;
    (end <= bytes.len()).then_some(Place {
        id,
        same_fields: head & SAME_FIELDS != 0,
        length_at,
        body: from..end,
    })
}

/// The head and the id of an entry that follows the one with the id `prev`.
#[inline]
pub(super) fn head(id: StreamId, prev: StreamId, same_fields: bool) -> Head {
    let mut head = Head { bytes: [0; HEAD_MAX], len: 1 };
    let form = if id.ms != prev.ms {
        head.push_varint(id.ms.wrapping_sub(prev.ms));
        if id.seq != 0 {
            head.push_varint(id.seq);
        }
        if id.seq == 0 { 2 } else { 3 }
    } else if id.seq == prev.seq.wrapping_add(1) {
        0
    } else {
        head.push_varint(id.seq.wrapping_sub(prev.seq));
        1
    };
    head.bytes[0] = form << 1 | u8::from(same_fields);
    head
}

/// A written head with its id.
pub(super) struct Head {
    bytes: [u8; HEAD_MAX],
    len: usize,
}

impl Head {
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn push_varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes[self.len] = number as u8 | 0x80;
            self.len += 1;
            number >>= 7;
        }
        self.bytes[self.len] = number as u8;
        self.len += 1;
    }
}

/// Reads a number, and where it ends.
#[inline]
pub(super) fn read_varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let first = *bytes.get(at)?;
    if first < 0x80 {
        return Some((u64::from(first), at + 1));
    }
    let mut number = u64::from(first & 0x7f);
    for (index, &byte) in bytes[at + 1..].iter().take(VARINT_MAX - 1).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * (index + 1));
        if byte < 0x80 {
            return Some((number, at + 2 + index));
        }
    }
    None
}

pub(super) fn push_varint(target: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        target.push(number as u8 | 0x80);
        number >>= 7;
    }
    target.push(number as u8);
}

/// Writes the length of what was appended from `body_at` on in front of it.
#[inline]
pub(super) fn insert_length(target: &mut Vec<u8>, body_at: usize) {
    // One byte was reserved: most bodies are shorter than 128 bytes, and need not be moved.
    let len = target.len() - body_at - 1;
    if len < 0x80 {
        target[body_at] = len as u8;
        return;
    }
    let end = target.len();
    push_varint(target, len as u64);
    let written = target.len() - end;
    // The length stands behind the body: bring it to the front, and drop the reserved byte.
    target[body_at..].rotate_right(written);
    target.remove(body_at + written);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id() -> impl Strategy<Value = StreamId> {
        let number = prop_oneof![Just(0), 0u64..4, 0u64..100_000, any::<u64>(), Just(u64::MAX)];
        (number.clone(), number).prop_map(|(ms, seq)| StreamId::new(ms, seq))
    }

    proptest! {
        #[test]
        fn ids_survive(prev in id(), id in id(), same_fields: bool, body in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assume!(prev <= id);
            let mut bytes = head(id, prev, same_fields).as_bytes().to_vec();
            let length_at = bytes.len();
            bytes.push(0);
            bytes.extend(&body);
            insert_length(&mut bytes, length_at);
            let place = read(&bytes, 0, prev).unwrap();
            prop_assert_eq!((place.id, place.same_fields, place.length_at), (id, same_fields, length_at));
            prop_assert_eq!(&bytes[place.body.clone()], &body[..]);
            prop_assert_eq!(place.body.end, bytes.len());
        }

        #[test]
        fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..30), prev in id()) {
            let _ = read(&bytes, 0, prev);
        }
    }
}
