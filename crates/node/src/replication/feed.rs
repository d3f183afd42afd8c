//! One replica of ours: how far it is, and what it is sent next.

use smallvec::SmallVec;

use backlog::{Log, Offset};
use psync::master::{ReplicaState, SnapshotForm};

use super::synclog::SyncId;
use crate::session::PayloadQueue;

/// Slices handed to one vectored write at most; the kernel takes no more than 1024, and 16 blocks are megabytes already.
const MAX_SLICES: usize = 16;

/// A client that has introduced itself as a replica.
pub(crate) struct ReplicaFeed {
    pub state: ReplicaState,
    /// Where it can be reached, as far as it has said so.
    pub peer: String,
    /// The form of its snapshot.
    pub form: Option<SnapshotForm>,
    /// The snapshot on its way.
    pub payload: PayloadQueue,
    /// All of the payload stands in the queue, or has left it.
    pub payload_complete: bool,
    /// Everything up to here has been written to the socket, or is in its snapshot.
    pub sent: Offset,
    /// Its full synchronisation in the log of them.
    pub record: Option<SyncId>,
    /// Bytes of the payload that it has been sent.
    pub payload_sent: u64,
    /// When the feed first exceeded the soft limit (monotonic milliseconds).
    pub soft_limit_since_ms: Option<u64>,
}

impl ReplicaFeed {
    pub fn new(now_ms: u64) -> ReplicaFeed {
        ReplicaFeed {
            state: ReplicaState::new(now_ms),
            peer: String::new(),
            form: None,
            payload: PayloadQueue::default(),
            payload_complete: false,
            sent: Offset(0),
            record: None,
            payload_sent: 0,
            soft_limit_since_ms: None,
        }
    }

    /// Whether it has asked for the stream; before that it is a client like any other.
    pub fn is_attached(&self) -> bool {
        self.state.is_replica()
    }

    /// What may be written now: the payload, then the stream.
    pub fn output<'a>(&'a self, log: &'a Log, slices: &mut SmallVec<[&'a [u8]; 16]>) {
        if !self.payload.is_empty() {
            slices.extend(self.payload.slices().take(MAX_SLICES));
        } else if self.state.is_online()
            && self.sent < log.end()
            && let Some(stream) = log.slices(self.sent)
        {
            slices.extend(stream.take(MAX_SLICES));
        }
    }

    /// So many bytes of the output were written.
    pub fn written(&mut self, n: usize) {
        let of_payload = self.payload.written(n);
        self.payload_sent += of_payload as u64;
        self.sent = Offset(self.sent.0 + (n - of_payload) as u64);
    }

    /// Whether the stream has something for it.
    pub fn lags(&self, log: &Log) -> bool {
        self.lacks(log.end())
    }

    /// Whether there is something to write, now that the log ends here.
    pub fn has_output(&self, end: Offset) -> bool {
        !self.payload.is_empty() || self.lacks(end)
    }

    fn lacks(&self, end: Offset) -> bool {
        self.state.is_online() && self.sent < end
    }

    /// From where on the log has to be kept for it.
    pub fn needs_from(&self) -> Option<Offset> {
        self.state.base().map(|_| self.sent)
    }
}
