//! Keys on their way from a snapshot into a part of a dataset, some dozens or hundreds at a time.
//!
//! A key's place in the table is anywhere in memory. Putting one key in after the other means waiting for that memory each time;
//! of a batch it is fetched for all keys at once, as is done for the requests of a client.

use keyspace::{Part, Value};

/// A longer string is not worth the copy.
pub(super) const MAX_STRING: usize = 4 * 1024;

/// For so many keys at a time memory is fetched: what they need must still be in the first cache when it is their turn.
const AHEAD: usize = 64;

/// How much is gathered at most.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    pub keys: usize,
    /// With no more than about so many bytes: they should still be in the processor's cache when they are needed again.
    pub bytes: usize,
}

struct Pending {
    /// Where its key begins in the batch's bytes; a text follows, up to the next one's key.
    key_at: u32,
    text_at: u32,
    /// Its value is the next one of the batch's values, not a text.
    has_value: bool,
    expiry: Option<u64>,
}

/// Keys with their values, all for one part of one database.
#[derive(Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    hashes: Vec<u64>,
    pending: Vec<Pending>,
    /// Values that are no text, or a long one.
    values: Vec<Value>,
}

impl Batch {
    /// Adds a key with a string.
    #[inline]
    pub fn push_text(&mut self, hash: u64, key: &[u8], text: &[u8], expiry: Option<u64>) {
        self.push(hash, key, false, expiry);
        self.bytes.extend_from_slice(text);
    }

    /// Adds a key with a value.
    pub fn push_value(&mut self, hash: u64, key: &[u8], value: Value, expiry: Option<u64>) {
        self.push(hash, key, true, expiry);
        self.values.push(value);
    }

    #[inline]
    fn push(&mut self, hash: u64, key: &[u8], has_value: bool, expiry: Option<u64>) {
        let key_at = self.bytes.len() as u32;
        self.bytes.extend_from_slice(key);
        let text_at = self.bytes.len() as u32;
        self.hashes.push(hash);
        self.pending.push(Pending { key_at, text_at, has_value, expiry });
    }

    /// Whether it is time for [`Batch::build`].
    #[inline]
    pub fn is_full(&self, limit: Limit) -> bool {
        self.pending.len() >= limit.keys || self.bytes.len() >= limit.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Puts all of them into a part, and is empty again.
    ///
    /// # Errors
    ///
    /// The first key that was there already.
    pub fn build(&mut self, part: &mut Part) -> Result<(), Vec<u8>> {
        let ends = self.pending.iter().skip(1).map(|next| next.key_at).chain([self.bytes.len() as u32]);
        let mut values = self.values.drain(..);
        let mut twice = None;
        for (number, ((entry, &hash), end)) in self.pending.iter().zip(&self.hashes).zip(ends).enumerate() {
            if number % AHEAD == 0 {
                part.prefetch_batch(&self.hashes[number..(number + AHEAD).min(self.hashes.len())]);
            }
            let (key_at, text_at) = (entry.key_at as usize, entry.text_at as usize);
            let key = &self.bytes[key_at..text_at];
            let added = match entry.has_value.then(|| values.next()).flatten() {
                Some(value) => part.add(hash, key, value, entry.expiry),
                None => part.add_str(hash, key, &self.bytes[text_at..end as usize], entry.expiry),
            };
            if !added && twice.is_none() {
                twice = Some(key.to_vec());
            }
        }
        drop(values);
        self.bytes.clear();
        self.hashes.clear();
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
        const LIMIT: Limit = Limit { keys: 64, bytes: 1 << 20 };
        let mut keyspace = Keyspace::new(1, 7);
        let mut parts = keyspace.db(0).parts(0, 0);
        let mut batch = Batch::default();
        assert_eq!(batch.build(&mut parts[0]), Ok(()));
        for number in 0..LIMIT.keys {
            assert!(!batch.is_full(LIMIT));
            let key = format!("key:{number}").into_bytes();
            let (hash, text) = (keyspace.db(0).hash(&key), vec![b'x'; number]);
            let expiry = (number % 2 == 1).then_some(number as u64);
            if number % 5 == 0 {
                batch.push_value(hash, &key, Value::Str(text), expiry);
            } else {
                batch.push_text(hash, &key, &text, expiry);
            }
        }
        assert!(batch.is_full(LIMIT));
        assert_eq!(batch.build(&mut parts[0]), Ok(()));
        assert!(batch.is_empty());
        keyspace.db_mut(0).unite(parts);
        for number in 0..LIMIT.keys {
            let entry = keyspace.db(0).get(format!("key:{number}").as_bytes()).expect("it was in the batch");
            assert_eq!(entry.expiry(), (number % 2 == 1).then_some(number as u64));
            assert_eq!(entry.str().map(<[u8]>::len), Some(number));
        }
    }

    #[test]
    fn a_key_that_comes_twice_is_named() {
        let keyspace = Keyspace::new(1, 7);
        let hash = |key: &[u8]| keyspace.db(0).hash(key);
        let mut parts = keyspace.db(0).parts(0, 0);
        let mut batch = Batch::default();
        batch.push_text(hash(b"a"), b"a", b"1", None);
        batch.push_text(hash(b"b"), b"b", b"1", None);
        batch.push_text(hash(b"a"), b"a", b"2", None);
        assert_eq!(batch.build(&mut parts[0]), Err(b"a".to_vec()));
        batch.push_value(hash(b"b"), b"b", Value::Str(b"3".to_vec()), None);
        batch.push_text(hash(b"c"), b"c", b"3", None);
        assert_eq!(batch.build(&mut parts[0]), Err(b"b".to_vec()));
        assert_eq!(parts[0].len(), 3);
    }

    #[test]
    fn large_texts_fill_it_too() {
        let mut batch = Batch::default();
        batch.push_text(1, b"key", &[b'x'; MAX_STRING], None);
        assert!(!batch.is_full(Limit { keys: 9, bytes: 8_000 }));
        batch.push_text(2, b"other", &[b'x'; MAX_STRING], None);
        assert!(batch.is_full(Limit { keys: 9, bytes: 8_000 }));
    }
}
