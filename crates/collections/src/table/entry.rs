//! How a page keeps one entry in its bytes.
//!
//! ```text
//! key length      1 or 2 bytes, with three flags: two bytes; has an expiry; has a value
//! value length    1 or 2 bytes, if it has a value
//! expiry          8 bytes, little-endian, if it has one
//! key
//! value           if it has one
//! ```

use super::Item;

const LONG_KEY: u8 = 1 << 7;
const TIMED: u8 = 1 << 6;
const VALUED: u8 = 1 << 5;
const KEY_BITS: u8 = VALUED - 1;
const LONG_VALUE: u8 = 1 << 7;

/// Entries of more bytes, key and value together, have a piece of memory of their own.
pub(super) const INLINE_MAX: usize = 512;

/// Where the parts of an entry are.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// Where the expiry or, without one, the key begins.
    head: usize,
    timed: bool,
    key_len: usize,
    value_len: usize,
}

impl Layout {
    /// Of an entry that is to be written.
    #[inline]
    pub(super) fn new(key: &[u8], value: &[u8], timed: bool) -> Self {
        let key_head = if key.len() <= usize::from(KEY_BITS) { 1 } else { 2 };
        let value_head = match value.len() {
            0 => 0,
            1..0x80 => 1,
            _ => 2,
        };
        Self { head: key_head + value_head, timed, key_len: key.len(), value_len: value.len() }
    }

    /// Of the entry at the beginning of `bytes`.
    #[inline]
    pub(super) fn read(bytes: &[u8]) -> Self {
        let first = bytes[0];
        let (mut head, mut key_len) = (1, usize::from(first & KEY_BITS));
        if first & LONG_KEY != 0 {
            key_len = key_len << 8 | usize::from(bytes[1]);
            head = 2;
        }
        let mut value_len = 0;
        if first & VALUED != 0 {
            value_len = usize::from(bytes[head]);
            head += 1;
            if value_len & usize::from(LONG_VALUE) != 0 {
                value_len = (value_len & usize::from(!LONG_VALUE)) << 8 | usize::from(bytes[head]);
                head += 1;
            }
        }
        Self { head, timed: first & TIMED != 0, key_len, value_len }
    }

    #[inline]
    fn key_at(self) -> usize {
        if self.timed { self.head + 8 } else { self.head }
    }

    /// Bytes of the entry.
    #[inline]
    pub(super) fn len(self) -> usize {
        self.key_at() + self.key_len + self.value_len
    }

    #[inline]
    pub(super) fn key(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.key_at()..][..self.key_len]
    }

    #[inline]
    fn value(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.key_at() + self.key_len..][..self.value_len]
    }

    #[inline]
    pub(super) fn expiry(self, bytes: &[u8]) -> Option<u64> {
        if !self.timed {
            return None;
        }
        bytes[self.head..].first_chunk().map(|&at| u64::from_le_bytes(at))
    }

    #[inline]
    pub(super) fn item(self, bytes: &[u8]) -> Item<'_> {
        Item { key: self.key(bytes), value: self.value(bytes), expiry: self.expiry(bytes) }
    }

    /// Writes the entry at the beginning of `bytes`.
    #[inline]
    pub(super) fn write(self, bytes: &mut [u8], item: Item<'_>) {
        let mut flags = 0;
        if self.timed {
            flags |= TIMED;
        }
        if self.value_len > 0 {
            flags |= VALUED;
        }
        let mut at = 1;
        if self.key_len <= usize::from(KEY_BITS) {
            bytes[0] = flags | self.key_len as u8;
        } else {
            bytes[0] = flags | LONG_KEY | (self.key_len >> 8) as u8;
            bytes[1] = self.key_len as u8;
            at = 2;
        }
        if self.value_len >= 0x80 {
            bytes[at] = LONG_VALUE | (self.value_len >> 8) as u8;
            bytes[at + 1] = self.value_len as u8;
        } else if self.value_len > 0 {
            bytes[at] = self.value_len as u8;
        }
        at = self.head;
        if let Some(expiry) = item.expiry {
            bytes[at..at + 8].copy_from_slice(&expiry.to_le_bytes());
            at += 8;
        }
        bytes[at..at + self.key_len].copy_from_slice(item.key);
        at += self.key_len;
        bytes[at..at + self.value_len].copy_from_slice(item.value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            key in proptest::collection::vec(any::<u8>(), 0..INLINE_MAX),
            value in proptest::collection::vec(any::<u8>(), 0..INLINE_MAX),
            expiry: Option<u64>,
        ) {
            let layout = Layout::new(&key, &value, expiry.is_some());
            let item = Item { key: &key, value: &value, expiry };
            let mut bytes = vec![0xaa; layout.len() + 3];
            layout.write(&mut bytes, item);
            prop_assert_eq!(&bytes[layout.len()..], [0xaa; 3]);
            let read = Layout::read(&bytes);
            prop_assert_eq!(read.len(), layout.len());
            prop_assert_eq!(read.key(&bytes), &key[..]);
            prop_assert_eq!(read.item(&bytes), item);
        }
    }
}
