//! The best candidates for eviction that were seen so far.
//!
//! Each draw from the table looks at a few keys. Those that were not the worst of their draw may still be worse than all of the
//! next one, so the best are remembered: after some draws the pool holds keys from far down in the order, and what is evicted
//! comes close to what keeping that order exactly would evict.

use keyspace::Entry;

/// Candidates that are remembered.
const SIZE: usize = 16;

/// A key that was seen.
#[derive(Debug, Default)]
pub(crate) struct Candidate {
    /// The lower, the sooner it goes.
    rank: u64,
    pub db: usize,
    pub key: Vec<u8>,
    access: u32,
    expiry: Option<u64>,
}

impl Candidate {
    /// Whether the key is still as it was when it was seen. If it has been used since, it is no candidate any more.
    pub fn is_still(&self, entry: &Entry<'_>) -> bool {
        entry.access() == self.access && entry.expiry() == self.expiry
    }
}

/// Up to [`SIZE`] candidates in order, the next one to go last.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    candidates: Vec<Candidate>,
    /// Used again for the sake of their buffers.
    spare: Vec<Candidate>,
}

impl Pool {
    /// Forgets all candidates: they were ranked by another rule.
    pub fn clear(&mut self) {
        self.spare.append(&mut self.candidates);
    }

    /// Remembers a key if it ranks among the best.
    pub fn offer(&mut self, rank: u64, db: usize, entry: &Entry<'_>) {
        let full = self.candidates.len() == SIZE;
        if full && self.candidates.first().is_some_and(|worst| worst.rank <= rank) {
            return;
        }
        let key = entry.key();
        let at = self.candidates.partition_point(|other| other.rank > rank);
        let same_rank = self.candidates[at..].iter().take_while(|other| other.rank == rank);
        if same_rank.into_iter().any(|other| other.db == db && other.key == key) {
            return;
        }
        let mut candidate = self.spare.pop().unwrap_or_default();
        candidate.key.clear();
        candidate.key.extend_from_slice(key);
        candidate.rank = rank;
        candidate.db = db;
        candidate.access = entry.access();
        candidate.expiry = entry.expiry();
        self.candidates.insert(at, candidate);
        if full {
            self.spare.push(self.candidates.remove(0));
        }
    }

    /// Takes out the next one to go.
    pub fn pop(&mut self) -> Option<Candidate> {
        self.candidates.pop()
    }

    /// Takes back what was taken out, for the next use of its buffer.
    pub fn recycle(&mut self, candidate: Candidate) {
        /// Longer keys are rare enough to be allocated anew.
        const KEEP: usize = 1024;
        if candidate.key.capacity() <= KEEP && self.spare.len() < SIZE {
            self.spare.push(candidate);
        }
    }
}

#[cfg(test)]
mod tests {
    use keyspace::{Keyspace, SetExpiry};

    use super::*;

    #[test]
    fn the_best_of_many_come_out_in_order() {
        let mut keyspace = Keyspace::new(1, 1);
        let db = keyspace.db_mut(0);
        let mut pool = Pool::default();
        let mut ranks: Vec<u64> = (0..100).collect();
        fastrand::Rng::with_seed(1).shuffle(&mut ranks);
        for &rank in &ranks {
            let key = rank.to_string();
            db.set_str(key.as_bytes(), b"v", SetExpiry::Clear);
            let entry = db.get(key.as_bytes()).expect("just set");
            pool.offer(rank, 0, &entry);
            pool.offer(rank, 0, &entry);
        }
        let out: Vec<u64> = std::iter::from_fn(|| pool.pop()).map(|candidate| candidate.rank).collect();
        assert_eq!(out, (0..SIZE as u64).collect::<Vec<_>>());
    }

    #[test]
    fn a_key_that_was_used_is_no_candidate() {
        let mut keyspace = Keyspace::new(1, 1);
        let db = keyspace.db_mut(0);
        db.set_str(b"key", b"v", SetExpiry::Clear);
        let mut pool = Pool::default();
        pool.offer(1, 0, &db.get(b"key").expect("just set"));
        let candidate = pool.pop().expect("just offered");
        assert!(candidate.is_still(&db.get(b"key").expect("just set")));
        db.get(b"key").expect("just set").set_access(77);
        assert!(!candidate.is_still(&db.get(b"key").expect("just set")));
    }
}
