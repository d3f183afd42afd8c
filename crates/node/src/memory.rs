//! How much memory is in use, and how much of it counts against `maxmemory`.

use crate::node::Node;

impl Node {
    /// Bytes that the program has allocated and not freed: now, where the driver can say so at any moment, else at its last reading.
    #[inline]
    pub(crate) fn used_memory(&self) -> u64 {
        match (self.boot.memory_used)() {
            0 => self.memory.used,
            used => used,
        }
    }

    /// Memory that evicting keys would not reduce, or that grows by the very deletions: what the log and the replicas' feeds hold,
    /// what clients are being told of keys that are gone, what views still hold of the past, and what is being freed already.
    pub(crate) fn memory_not_counted(&self) -> u64 {
        let mut bytes = self.replication.log.memory() as u64;
        for &conn in &self.replication.replicas {
            let Some(session) = self.session(conn) else { continue };
            bytes += session.reply.buf.capacity() as u64;
            bytes += session.replica.as_ref().map_or(0, |feed| feed.payload.len()) as u64;
        }
        bytes + self.tracking.pushed_room + self.keyspace.left_behind() + self.lazyfree.pending_bytes()
    }

    /// What the log holds beyond its capacity because a replica has not got it yet.
    pub(crate) fn unsent_log(&self) -> u64 {
        if self.replication.replicas.is_empty() {
            return 0;
        }
        let log = &self.replication.log;
        log.len().saturating_sub(log.capacity() as u64)
    }

    /// What is held against `maxmemory`.
    #[inline]
    pub(crate) fn counted_memory(&self) -> u64 {
        self.used_memory().saturating_sub(self.memory_not_counted())
    }

    /// The most that was ever in use, as far as anybody has looked.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.stats.peak_memory.max(self.used_memory())
    }
}
