//! The name of a history.

use std::fmt;
use std::str::FromStr;

/// The name of a replication history: 40 letters or digits, in practice hexadecimal.
///
/// Letters are kept in lower case, so that equality does not depend on how a peer writes them.
///
/// ```
/// use backlog::ReplicationId;
///
/// let id = ReplicationId::random(&mut fastrand::Rng::with_seed(7));
/// assert_eq!(id.to_string().parse(), Ok(id));
/// assert!("?".parse::<ReplicationId>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicationId([u8; 40]);

impl ReplicationId {
    /// How many characters an id has.
    pub const LEN: usize = 40;

    /// Forty zeros: what INFO shows where there is no history. Nobody's history has this name.
    pub const ZERO: ReplicationId = ReplicationId([b'0'; 40]);

    /// Draws a new id.
    pub fn random(rng: &mut fastrand::Rng) -> ReplicationId {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut id = [0; 40];
        id.fill_with(|| DIGITS[rng.usize(..16)]);
        ReplicationId(id)
    }

    /// Reads an id as it stands on the wire.
    pub fn from_bytes(bytes: &[u8]) -> Result<ReplicationId, ParseReplicationIdError> {
        let id: [u8; 40] =
            bytes.try_into().map_err(|_| ParseReplicationIdError::Length { len: bytes.len() })?;
        match id.iter().position(|b| !b.is_ascii_alphanumeric()) {
            Some(at) => Err(ParseReplicationIdError::Character { byte: id[at], at }),
            None => Ok(ReplicationId(id.map(|b| b.to_ascii_lowercase()))),
        }
    }

    /// The 40 characters.
    pub fn as_bytes(&self) -> &[u8; 40] {
        &self.0
    }

    /// The 40 characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("an id consists of ASCII letters and digits")
    }
}

impl fmt::Display for ReplicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for ReplicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplicationId({self})")
    }
}

/// A text that is no replication id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseReplicationIdError {
    /// Too short or too long.
    #[error("a replication id has 40 characters, not {len}")]
    Length {
        /// Its length.
        len: usize,
    },
    /// Something that is neither letter nor digit.
    #[error("a replication id consists of letters and digits, not of byte {byte:#04x} (at {at})")]
    Character {
        /// What stands there.
        byte: u8,
        /// Where, from 0.
        at: usize,
    },
}

impl FromStr for ReplicationId {
    type Err = ParseReplicationIdError;

    fn from_str(text: &str) -> Result<ReplicationId, ParseReplicationIdError> {
        ReplicationId::from_bytes(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_forty_letters_or_digits() {
        let text = "0123456789abcdef0123456789abcdef01234567";
        let id: ReplicationId = text.parse().expect("well-formed");
        assert_eq!(id.as_str(), text);
        assert_eq!(id.as_bytes(), text.as_bytes());
        assert_eq!(text.to_uppercase().parse(), Ok(id), "case does not matter");
        assert_eq!("?".parse::<ReplicationId>(), Err(ParseReplicationIdError::Length { len: 1 }));
        assert_eq!(
            "0123456789abcdef0123456789abcdef0123456 ".parse::<ReplicationId>(),
            Err(ParseReplicationIdError::Character { byte: b' ', at: 39 })
        );
        assert_eq!("0".repeat(40).parse(), Ok(ReplicationId::ZERO));
    }

    #[test]
    fn random_ids_differ_and_follow_the_seed() {
        let mut rng = fastrand::Rng::with_seed(1);
        let (a, b) = (ReplicationId::random(&mut rng), ReplicationId::random(&mut rng));
        assert_ne!(a, b);
        assert_eq!(a, ReplicationId::random(&mut fastrand::Rng::with_seed(1)));
        assert!(a.as_bytes().iter().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()));
    }
}
