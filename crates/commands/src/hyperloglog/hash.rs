//! Which register an element belongs to, and what it says there.

/// MurmurHash64A (Austin Appleby, public domain): values that other servers filled depend on this very hash and seed.
fn murmur64a(bytes: &[u8], seed: u64) -> u64 {
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    const R: u32 = 47;
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(M);
    let (words, tail) = bytes.as_chunks::<8>();
    for word in words {
        let mut k = u64::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = (hash ^ k.wrapping_mul(M)).wrapping_mul(M);
    }
    if !tail.is_empty() {
        let mut last = [0; 8];
        last[..tail.len()].copy_from_slice(tail);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(M);
    }
    hash ^= hash >> R;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> R)
}

/// What an element does: register `index` becomes at least `rank`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mark {
    pub index: usize,
    /// 1 to 51.
    pub rank: u8,
}

impl Mark {
    pub(super) fn of(element: &[u8]) -> Mark {
        const SEED: u64 = 0xadc8_3b19;
        const INDEX_BITS: u32 = super::REGISTERS.trailing_zeros();
        let hash = murmur64a(element, SEED);
        // A bit behind the last of the rest ends the zeros.
        let rest = hash >> INDEX_BITS | 1 << (64 - INDEX_BITS);
        Mark { index: hash as usize % super::REGISTERS, rank: rest.trailing_zeros() as u8 + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_do_not_depend_on_how_bytes_are_read() {
        // Every length of tail; each must differ from its neighbours.
        let bytes: Vec<u8> = (0..32).collect();
        let hashes: std::collections::BTreeSet<u64> =
            (0..=32).map(|len| murmur64a(&bytes[..len], 0)).collect();
        assert_eq!(hashes.len(), 33);
        assert_eq!(murmur64a(b"", 0), 0);
    }
}
