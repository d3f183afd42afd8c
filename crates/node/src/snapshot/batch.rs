//! Strings on their way from a snapshot into a dataset, some dozens at a time.
//!
//! A key's place in the table is anywhere in memory. Putting one key in after the other means waiting for that memory each time;
//! of a batch it is fetched for all keys at once, as is done for the requests of a client.

use keyspace::{Db, SetExpiry};

/// As many keys are gathered at most.
const KEYS: usize = 64;
/// And no more than about so many bytes, which then are still in the processor's cache.
const BYTES: usize = 128 * 1024;
/// A longer string is not worth the copy.
pub(crate) const MAX_STRING: usize = 4 * 1024;

struct Pending {
    /// Where its key begins in the batch's bytes; its value follows, up to the next one's key.
    from: u32,
    value: u32,
    expiry: SetExpiry,
}

/// Keys with their strings, all for one database.
#[derive(Default)]
pub(crate) struct StringBatch {
    bytes: Vec<u8>,
    pending: Vec<Pending>,
    hashes: Vec<u64>,
}

impl StringBatch {
    /// Adds one.
    #[inline]
    pub fn push(&mut self, key: &[u8], text: &[u8], expiry: SetExpiry) {
        let from = self.bytes.len() as u32;
        self.bytes.extend_from_slice(key);
        let value = self.bytes.len() as u32;
        self.bytes.extend_from_slice(text);
        self.pending.push(Pending { from, value, expiry });
    }

    /// Whether it is time for [`StringBatch::insert`].
    #[inline]
    pub fn is_full(&self) -> bool {
        self.pending.len() >= KEYS || self.bytes.len() >= BYTES
    }

    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Puts all of them into a database, and is empty again.
    ///
    /// # Errors
    ///
    /// The first key that was there already.
    pub fn insert(&mut self, db: &mut Db) -> Result<(), Vec<u8>> {
        let ends = self.pending.iter().skip(1).map(|next| next.from).chain([self.bytes.len() as u32]);
        let parts = self.pending.iter().zip(ends).map(|(entry, end)| {
            let (from, value) = (entry.from as usize, entry.value as usize);
            (&self.bytes[from..value], &self.bytes[value..end as usize], entry.expiry)
        });
        self.hashes.clear();
        self.hashes.extend(parts.clone().map(|(key, _, _)| db.hash(key)));
        db.prefetch_batch(&self.hashes);
        let mut twice = None;
        for (key, text, expiry) in parts {
            if db.set_str(key, text, expiry) && twice.is_none() {
                twice = Some(key.to_vec());
            }
        }
        self.bytes.clear();
        self.pending.clear();
        twice.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use keyspace::Keyspace;

    use super::*;

    #[test]
    fn what_is_gathered_arrives_with_its_expiry() {
        let mut keyspace = Keyspace::new(1, 7);
        let mut batch = StringBatch::default();
        assert_eq!(batch.insert(keyspace.db_mut(0)), Ok(()));
        for number in 0..KEYS {
            assert!(!batch.is_full());
            let expiry = if number % 2 == 0 { SetExpiry::Clear } else { SetExpiry::At(number as u64) };
            batch.push(format!("key:{number}").as_bytes(), &vec![b'x'; number], expiry);
        }
        assert!(batch.is_full());
        assert_eq!(batch.insert(keyspace.db_mut(0)), Ok(()));
        assert!(batch.is_empty());
        for number in 0..KEYS {
            let entry = keyspace.db(0).get(format!("key:{number}").as_bytes()).expect("it was in the batch");
            assert_eq!(entry.expiry(), (number % 2 == 1).then_some(number as u64));
            assert_eq!(entry.str().map(<[u8]>::len), Some(number));
        }
    }

    #[test]
    fn a_key_that_comes_twice_is_named() {
        let mut keyspace = Keyspace::new(1, 7);
        let mut batch = StringBatch::default();
        batch.push(b"a", b"1", SetExpiry::Clear);
        batch.push(b"b", b"1", SetExpiry::Clear);
        batch.push(b"a", b"2", SetExpiry::Clear);
        assert_eq!(batch.insert(keyspace.db_mut(0)), Err(b"a".to_vec()));
    }
}
