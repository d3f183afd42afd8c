//! Keys with an expiry that clients have written to a replica.
//!
//! What comes from the master goes when the master says so. Of what was written to a writable replica itself the master knows
//! nothing: nobody would ever delete it, so the replica does.

use std::collections::BTreeSet;

use crate::node::Node;

/// Keys looked at in one tick.
const BATCH: usize = 1000;

/// Those keys, with their databases.
#[derive(Default)]
pub(crate) struct OwnKeys {
    keys: BTreeSet<(u32, Box<[u8]>)>,
    /// Where the search for expired ones goes on.
    next: Option<(u32, Box<[u8]>)>,
    /// What is being loaded was written by clients of this replica.
    pub loads: bool,
}

impl OwnKeys {
    /// How many there are, for INFO.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The dataset is another one.
    pub fn clear(&mut self) {
        *self = OwnKeys::default();
    }
}

impl Node {
    /// Whether commands have to say what they touched because this is a replica that clients may write to.
    pub(crate) fn keeps_own_keys(&self) -> bool {
        self.replication.is_replica() && !self.config.settings().replica_read_only
    }

    /// A client's command has touched these keys of a writable replica.
    #[cold]
    pub(crate) fn note_own_keys(&mut self) {
        for (db, key) in &self.effects.touched {
            let expires =
                self.keyspace.db(*db as usize).get(key).is_some_and(|entry| entry.expiry().is_some());
            if expires {
                self.own_keys.keys.insert((*db, key.clone()));
            }
        }
    }

    /// Deletes those of them whose time is over.
    pub(crate) fn expire_own_keys(&mut self) {
        if self.own_keys.keys.is_empty()
            || self.gate.loading
            || !self.debug.active_expire
            || self.pause.is_active()
        {
            return;
        }
        if !self.replication.is_replica() {
            // A master expires all keys alike.
            return self.own_keys.clear();
        }
        let now_ms = self.now.unix_ms();
        let from = self.own_keys.next.take().unwrap_or_default();
        let batch: Vec<(u32, Box<[u8]>)> = self.own_keys.keys.range(from..).take(BATCH).cloned().collect();
        for place in &batch {
            let (db, key) = (place.0 as usize, &*place.1);
            let expiry = self.keyspace.db(db).get(key).and_then(|entry| entry.expiry());
            if expiry.is_none_or(|at| at < now_ms) {
                self.own_keys.keys.remove(place);
            }
            if expiry.is_some_and(|at| at < now_ms) {
                self.expire_key(db, key);
            }
        }
        self.own_keys.next = batch.last().cloned().filter(|_| batch.len() == BATCH);
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    fn replica() -> Fixture {
        let mut node = Fixture::with(&["--replica-read-only", "no"]);
        node.run(&["SET", "of-the-master", "v", "PX", "50"]);
        node.run(&["REPLICAOF", "10.0.0.9", "7000"]);
        node
    }

    #[test]
    fn what_was_written_to_the_replica_expires_there() {
        let mut node = replica();
        node.run(&["SET", "own", "v", "PX", "50"]);
        node.run(&["SET", "later", "v"]);
        node.run(&["SELECT", "2"]);
        node.run(&["SET", "own", "v"]);
        node.run(&["PEXPIRE", "own", "50"]);
        assert!(node.run(&["INFO", "stats"]).contains("slave_expires_tracked_keys:2\r\n"));
        node.advance_ms(200);
        assert_eq!(node.run(&["DBSIZE"]), ":0\r\n");
        node.run(&["SELECT", "0"]);
        // The master's waits for the master.
        assert_eq!(node.run(&["DBSIZE"]), ":2\r\n");
        let report = node.run(&["INFO", "stats"]);
        assert!(report.contains("slave_expires_tracked_keys:0\r\n") && report.contains("expired_keys:2\r\n"));
    }

    #[test]
    fn one_that_expires_no_more_is_forgotten() {
        let mut node = replica();
        node.run(&["SET", "own", "v", "PX", "50"]);
        node.run(&["PERSIST", "own"]);
        node.advance_ms(200);
        assert_eq!(node.run(&["GET", "own"]), "$1\r\nv\r\n");
        assert!(node.run(&["INFO", "stats"]).contains("slave_expires_tracked_keys:0\r\n"));
    }

    #[test]
    fn a_promoted_replica_expires_all_keys() {
        let mut node = replica();
        node.run(&["SET", "own", "v", "PX", "50"]);
        node.run(&["REPLICAOF", "NO", "ONE"]);
        node.advance_ms(200);
        assert_eq!(node.run(&["DBSIZE"]), ":0\r\n");
        assert!(node.run(&["INFO", "stats"]).contains("slave_expires_tracked_keys:0\r\n"));
    }
}
