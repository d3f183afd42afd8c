//! Where a key lies in hash space.
//!
//! A table orders its keys by [`Position`]: the top 48 bits of a seeded hash. Every level of the table consumes some
//! of these bits from the top, so a position names the same place however far the table has grown since.

use rapidhash::v3::{RapidSecrets, rapidhash_v3_inline};

/// Significant bits of a [`Position`].
///
/// 48, so that a SCAN cursor, which is a position, stays below 2^53 and survives clients that keep numbers as doubles.
pub(crate) const POSITION_BITS: u32 = 48;

/// One past the last position.
pub(crate) const POSITION_END: u64 = 1 << POSITION_BITS;

/// A key's place in hash space, below [`POSITION_END`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position(u64);

impl Position {
    /// The first position.
    pub(crate) const START: Self = Self(0);

    /// The position that a whole hash means.
    #[inline]
    pub(crate) fn of_hash(hash: u64) -> Self {
        Self(hash >> (64 - POSITION_BITS))
    }

    /// A position given as a number, as in a SCAN cursor; `None` outside hash space.
    pub(crate) fn new(value: u64) -> Option<Self> {
        (value < POSITION_END).then_some(Self(value))
    }

    /// The number.
    #[inline]
    pub(crate) fn get(self) -> u64 {
        self.0
    }

    /// The first `bits` bits.
    #[inline]
    pub(crate) fn prefix(self, bits: u32) -> usize {
        debug_assert!(bits <= POSITION_BITS);
        (self.0 >> (POSITION_BITS - bits)) as usize
    }

    /// The `len` bits that follow the first `from` bits.
    #[inline]
    pub(crate) fn bits(self, from: u32, len: u32) -> usize {
        debug_assert!(from + len <= POSITION_BITS);
        ((self.0 >> (POSITION_BITS - from - len)) & ((1 << len) - 1)) as usize
    }
}

/// Hashes keys. Seeded, so that nobody can prepare colliding keys without knowing the seed.
#[derive(Clone)]
pub(crate) struct Hasher {
    secrets: RapidSecrets,
}

impl Hasher {
    pub(crate) fn new(seed: u64) -> Self {
        Self { secrets: RapidSecrets::seed(seed) }
    }

    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        #[cfg(test)]
        if let Some(hash) = self.weak_hash(key) {
            return hash;
        }
        rapidhash_v3_inline::<true, false, false>(key, &self.secrets)
    }

    /// What somebody who has found the seed could do: keys that begin with `\0same` and a byte have one hash for each
    /// byte, and keys that begin with `\0near` share the first 24 bits.
    #[cfg(test)]
    fn weak_hash(&self, key: &[u8]) -> Option<u64> {
        let hash = |bytes| rapidhash_v3_inline::<true, false, false>(bytes, &self.secrets);
        if let Some(rest) = key.strip_prefix(b"\0same") {
            return Some(hash(&rest[..rest.len().min(1)]));
        }
        let rest = key.strip_prefix(b"\0near")?;
        Some(0xABCDEF << 40 | hash(rest) >> 24)
    }

    #[inline]
    pub(crate) fn position(&self, key: &[u8]) -> Position {
        Position::of_hash(self.hash(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_taken_from_the_top() {
        let p = Position::of_hash(0xABCD_EF01_2345_6789);
        assert_eq!(p.get(), 0xABCD_EF01_2345);
        assert_eq!(p.prefix(0), 0);
        assert_eq!(p.prefix(8), 0xAB);
        assert_eq!(p.bits(8, 4), 0xC);
        assert_eq!(p.bits(35, 13), 0x0345);
    }

    #[test]
    fn seeds_matter() {
        assert_ne!(Hasher::new(1).hash(b"key"), Hasher::new(2).hash(b"key"));
        assert_eq!(Hasher::new(1).hash(b"key"), Hasher::new(1).hash(b"key"));
    }
}
