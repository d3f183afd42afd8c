//! Which hashes of a database have fields that expire, in the order of when.
//!
//! Keys that expire are found through the segments of the table; a field that expires is not in the table but in a hash somewhere in it. Few
//! databases have such hashes, so they are listed here, and nobody else pays for them.
//!
//! Whatever changes which hashes there are keeps the list: adding a record, replacing or removing one, and [`crate::HashMut`].

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::value::Object;

#[derive(Debug, Default)]
pub(crate) struct TimedHashes {
    /// No later than the first field of the hash expires.
    by_key: HashMap<Arc<[u8]>, u64>,
    by_time: BTreeSet<(u64, Arc<[u8]>)>,
}

impl TimedHashes {
    /// Number of hashes.
    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Says that no field of a key expires before `earliest`, or that none ever does.
    #[inline]
    pub(crate) fn note(&mut self, key: &[u8], earliest: Option<u64>) {
        if earliest.is_some() || !self.by_key.is_empty() {
            self.note_some(key, earliest);
        }
    }

    #[cold]
    fn note_some(&mut self, key: &[u8], earliest: Option<u64>) {
        let before = self.by_key.get(key).copied();
        if before == earliest {
            return;
        }
        let key: Arc<[u8]> = match self.by_key.remove_entry(key) {
            Some((key, at)) => {
                self.by_time.remove(&(at, key.clone()));
                key
            }
            None => key.into(),
        };
        if let Some(at) = earliest {
            self.by_key.insert(key.clone(), at);
            self.by_time.insert((at, key));
        }
    }

    /// [`TimedHashes::note`] of what a record has that is added, or of what it had that is removed.
    #[inline]
    pub(crate) fn note_value(&mut self, key: &[u8], added: Option<&Object>) {
        let earliest = match added {
            Some(Object::Hash(table)) => table.earliest_expiry(),
            _ => None,
        };
        self.note(key, earliest);
    }

    /// Adds the hashes of another list, which names none of these.
    pub(crate) fn append(&mut self, other: &mut Self) {
        self.by_key.extend(other.by_key.drain());
        self.by_time.append(&mut other.by_time);
    }

    /// The key of the hash whose first field expires first, if one does at `now_ms` or earlier.
    pub(crate) fn due(&self, now_ms: u64) -> Option<&[u8]> {
        let (at, key) = self.by_time.first()?;
        (*at <= now_ms).then_some(key)
    }

    #[cfg(test)]
    pub(crate) fn check<'a>(&self, objects: impl Iterator<Item = (&'a [u8], Option<&'a Object>)>) {
        let mut hashes = 0;
        for (key, object) in objects {
            let Some(Object::Hash(table)) = object else { continue };
            if let Some(earliest) = table.iter().filter_map(|item| item.expiry).min() {
                hashes += 1;
                assert!(self.by_key.get(key).is_some_and(|at| *at <= earliest), "a hash is not listed");
            }
        }
        assert_eq!(self.by_key.len(), hashes);
        assert!(
            self.by_time.iter().map(|(at, key)| (key, at)).all(|(key, at)| self.by_key.get(key) == Some(at))
        );
        assert_eq!(self.by_time.len(), hashes);
    }
}
