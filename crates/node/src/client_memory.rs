//! How much memory clients take together, and who goes when it is more than `maxmemory-clients`.
//!
//! Each client is counted anew whenever something has happened to it, and stands in a bucket by the order of magnitude. When clients
//! take too much, those in the highest buckets go first. As long as there is no limit nothing is counted.

use std::collections::BTreeSet;

use crate::action::ConnId;
use crate::connections::Slot;
use crate::host::client::line;
use crate::node::Node;
use crate::session::Session;

/// The first bucket has all clients below 32 KiB …
const FIRST_LOG: u32 = 15;
/// … and the last one all from 8 GiB on.
const LAST_LOG: u32 = 33;
const BUCKETS: usize = (LAST_LOG - FIRST_LOG + 1) as usize;

/// A lower limit than this would leave no room for an ordinary client.
const LEAST_LIMIT: u64 = 128 * 1024;

/// What a session remembers of how it was counted.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Counted {
    bytes: u64,
    /// Its bucket, if it is one that may go.
    bucket: Option<u8>,
}

/// All clients as they were counted.
#[derive(Default)]
pub(crate) struct ClientMemory {
    total: u64,
    buckets: [BTreeSet<ConnId>; BUCKETS],
}

fn bucket_of(bytes: u64) -> u8 {
    let log = bytes.checked_ilog2().unwrap_or(0).clamp(FIRST_LOG - 1, LAST_LOG - 1);
    (log + 1 - FIRST_LOG) as u8
}

impl ClientMemory {
    /// Counts a client anew.
    pub fn count(&mut self, session: &mut Session) {
        // Replicas have a limit of their own.
        let bytes = if session.is_replica() { 0 } else { line::memory(session) as u64 };
        let evictable = !session.is_replica() && !session.no_evict;
        let bucket = evictable.then(|| bucket_of(bytes));
        self.change(session, Counted { bytes, bucket });
    }

    /// The client has left, or nobody counts any more.
    pub fn forget(&mut self, session: &mut Session) {
        self.change(session, Counted::default());
    }

    fn change(&mut self, session: &mut Session, now: Counted) {
        let before = std::mem::replace(&mut session.counted, now);
        self.total = self.total - before.bytes + now.bytes;
        if before.bucket != now.bucket {
            if let Some(bucket) = before.bucket {
                self.buckets[usize::from(bucket)].remove(&session.conn);
            }
            if let Some(bucket) = now.bucket {
                self.buckets[usize::from(bucket)].insert(session.conn);
            }
        }
    }

    /// One of the largest.
    fn largest(&self) -> Option<ConnId> {
        self.buckets.iter().rev().find_map(|bucket| bucket.first().copied())
    }
}

impl Node {
    /// What clients may take together: `maxmemory-clients`, which may be a share of `maxmemory`.
    pub(crate) fn client_memory_limit(&self) -> Option<u64> {
        let settings = self.config.settings();
        let limit = match settings.maxmemory_clients {
            0 => return None,
            bytes @ 1.. => bytes as u64,
            percent => {
                let share = u128::from(settings.maxmemory) * u128::from(percent.unsigned_abs()) / 100;
                u64::try_from(share).unwrap_or(u64::MAX)
            }
        };
        (limit > 0).then(|| limit.max(LEAST_LIMIT))
    }

    /// Counts all clients, or forgets them all, when that changes.
    pub(crate) fn count_all_clients(&mut self, limited: bool) {
        for entry in &mut self.slots {
            if let Slot::Client(session) = &mut entry.slot {
                if limited {
                    self.client_memory.count(session);
                } else {
                    self.client_memory.forget(session);
                }
            }
        }
    }

    /// Counts a client that something was written to.
    pub(crate) fn recount(&mut self, conn: ConnId) {
        if let Some(entry) = self.slots.get_mut(conn.slot())
            && let Slot::Client(session) = &mut entry.slot
            && session.conn == conn
        {
            self.client_memory.count(session);
        }
    }

    /// Disconnects clients until the others take no more than they may. A session in use has to wait for its end.
    pub(crate) fn evict_clients(&mut self) {
        let Some(limit) = self.client_memory_limit() else { return };
        while self.client_memory.total > limit {
            let Some(conn) = self.client_memory.largest() else { return };
            let Some(session) = self.session(conn) else { return };
            let (addr, bytes) = (&session.peer.addr, session.counted.bytes);
            tracing::info!("Evicting client {addr}, which takes {bytes} bytes");
            self.stats.evicted_clients += 1;
            self.close_client(conn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    #[test]
    fn buckets_go_by_the_order_of_magnitude() {
        assert_eq!((bucket_of(0), bucket_of(32_767)), (0, 0));
        assert_eq!((bucket_of(32_768), bucket_of(65_535), bucket_of(65_536)), (1, 1, 2));
        assert_eq!((bucket_of(8 << 30), bucket_of(u64::MAX)), (18, 18));
    }

    fn half_a_request(node: &mut Fixture, conn: ConnId, bytes: usize) {
        let request = format!("*2\r\n$3\r\nGET\r\n${}\r\n{}", bytes * 2, "x".repeat(bytes));
        node.node.input(node.now, conn, request.as_bytes());
        node.node.before_write(node.now);
    }

    #[test]
    fn the_largest_goes_first() {
        let mut node = Fixture::with(&["--maxmemory-clients", "1mb"]);
        let (small, large) = (node.client(), node.client());
        half_a_request(&mut node, small, 100_000);
        half_a_request(&mut node, large, 500_000);
        assert!(node.node.session(large).is_some());
        half_a_request(&mut node, large, 1_000_000);
        assert!(node.node.session(large).is_none() && node.node.session(small).is_some());
        assert!(node.run(&["INFO", "stats"]).contains("evicted_clients:1\r\n"));
    }

    #[test]
    fn who_must_not_be_evicted_stays() {
        let mut node = Fixture::new();
        let large = node.client();
        node.run_on(large, &["CLIENT", "NO-EVICT", "on"]);
        half_a_request(&mut node, large, 500_000);
        node.run(&["CONFIG", "SET", "maxmemory-clients", "200kb"]);
        node.node.before_write(node.now);
        assert!(node.node.session(large).is_some());
        // The one that asks is the only other one. It is small, and yet there is nobody else.
        assert!(node.node.session(node.conn).is_none());
    }

    #[test]
    fn a_limit_that_is_set_later_holds_for_those_who_are_there() {
        let mut node = Fixture::new();
        let clients: Vec<ConnId> = (0..4).map(|_| node.client()).collect();
        for &conn in &clients {
            half_a_request(&mut node, conn, 400_000);
        }
        node.run(&["CONFIG", "SET", "maxmemory", "4mb", "maxmemory-clients", "25%"]);
        node.node.before_write(node.now);
        let left = clients.iter().filter(|conn| node.node.session(**conn).is_some()).count();
        assert!((1..=2).contains(&left), "{left}");
        node.run(&["CONFIG", "SET", "maxmemory-clients", "0"]);
        assert_eq!(node.node.client_memory.buckets.iter().map(BTreeSet::len).sum::<usize>(), 0);
    }
}
