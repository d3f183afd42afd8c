//! Passwords: kept as hashes, compared in constant time, made up at random.

use sha2::{Digest, Sha256};

use crate::error::RuleError;

/// The SHA-256 of a password.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PasswordHash([u8; 32]);

impl PasswordHash {
    /// Of a password as the user types it.
    pub fn of(password: &[u8]) -> PasswordHash {
        PasswordHash(Sha256::digest(password).into())
    }

    /// From 64 lowercase hexadecimal digits.
    pub fn from_hex(text: &[u8]) -> Result<PasswordHash, RuleError> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(RuleError::BadHash),
        };
        let mut hash = [0; 32];
        if text.len() != 64 {
            return Err(RuleError::BadHash);
        }
        for (byte, pair) in hash.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(PasswordHash(hash))
    }

    /// The inverse of [`PasswordHash::from_hex`].
    pub fn to_hex(self) -> String {
        hex(&self.0)
    }

    /// Whether both are the same; the time it takes does not tell where they differ.
    pub(crate) fn matches(&self, other: &PasswordHash) -> bool {
        let difference = self.0.iter().zip(&other.0).fold(0, |sum, (a, b)| sum | (a ^ b));
        std::hint::black_box(difference) == 0
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|half| DIGITS[usize::from(half)] as char)
        .collect()
}

/// Makes passwords up (`ACL GENPASS`): hashes of a secret and a counter, which nobody can tell who does not know the secret.
#[derive(Clone)]
pub struct SecretSource {
    secret: [u8; 32],
    counter: u64,
}

impl SecretSource {
    /// The secret must come from the system's source of randomness.
    pub fn new(secret: [u8; 32]) -> SecretSource {
        SecretSource { secret, counter: 0 }
    }

    /// So many random bits, rounded up to whole hexadecimal digits.
    pub fn password(&mut self, bits: usize) -> String {
        let digits = bits.div_ceil(4);
        let mut text = String::with_capacity(digits + 64);
        while text.len() < digits {
            let block = Sha256::new().chain_update(self.secret).chain_update(self.counter.to_le_bytes());
            self.counter += 1;
            text.push_str(&hex(&block.finalize()));
        }
        text.truncate(digits);
        text
    }
}

impl std::fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretSource")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_that_others_store() {
        let hash = PasswordHash::of(b"passwd4");
        assert_eq!(hash.to_hex(), "34344e4d60c2b6d639b7bd22e18f2b0b91bc34bf0ac5f9952744435093cfb4e6");
        assert_eq!(PasswordHash::from_hex(hash.to_hex().as_bytes()), Ok(hash));
        assert!(hash.matches(&hash) && !hash.matches(&PasswordHash::of(b"passwd5")));
        for wrong in
            ["", "34", &hash.to_hex().to_uppercase(), &hash.to_hex()[1..], &hash.to_hex().replace('b', "g")]
        {
            assert_eq!(PasswordHash::from_hex(wrong.as_bytes()), Err(RuleError::BadHash), "{wrong}");
        }
    }

    #[test]
    fn passwords_are_of_the_length_asked_for_and_all_different() {
        let mut source = SecretSource::new([7; 32]);
        let lengths = [(1, 1), (4, 1), (5, 2), (256, 64), (4096, 1024)];
        for (bits, digits) in lengths {
            assert_eq!(source.password(bits).len(), digits);
        }
        assert_ne!(source.password(256), source.password(256));
        assert_ne!(SecretSource::new([1; 32]).password(64), SecretSource::new([2; 32]).password(64));
    }
}
