//! The hash function of tables.

use rapidhash::v3::{RapidSecrets, rapidhash_v3_inline};
use triomphe::Arc;

/// Hashes keys. Seeded, so that nobody who does not know the seed can prepare keys that collide.
///
/// Clones share what was made of the seed; a table has one, of the size of a pointer.
#[derive(Clone)]
pub struct Hasher {
    secrets: Arc<RapidSecrets>,
}

impl Hasher {
    /// The hasher of a seed, which a server draws at random.
    pub fn new(seed: u64) -> Self {
        Self { secrets: Arc::new(RapidSecrets::seed(seed)) }
    }

    /// The hash of a key.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        #[cfg(test)]
        if let Some(hash) = self.weak_hash(key) {
            return hash;
        }
        rapidhash_v3_inline::<true, false, false>(key, &self.secrets)
    }

    /// What somebody who has found the seed could do: keys that begin with `\0same` and a byte have one hash for each byte, and
    /// keys that begin with `\0near` share the first 24 bits.
    #[cfg(test)]
    fn weak_hash(&self, key: &[u8]) -> Option<u64> {
        let hash = |bytes| rapidhash_v3_inline::<true, false, false>(bytes, &self.secrets);
        if let Some(rest) = key.strip_prefix(b"\0same") {
            return Some(hash(&rest[..rest.len().min(1)]));
        }
        let rest = key.strip_prefix(b"\0near")?;
        Some(0xABCDEF << 40 | hash(rest) >> 24)
    }
}

impl std::fmt::Debug for Hasher {
    /// The secrets stay secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hasher").finish_non_exhaustive()
    }
}
