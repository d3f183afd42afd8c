//! One replica of ours: how far it is, and what it is sent next.

use smallvec::SmallVec;

use backlog::{Log, Offset};
use psync::master::{Phase, ReplicaState, SnapshotForm};

use super::lag::{Acknowledged, Growth, Lag};
use super::reach::ReachBack;
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
    /// The connection over which its stream goes answers for that, too.
    pub record_shared: bool,
    /// Bytes of the payload that it has been sent.
    pub payload_sent: u64,
    /// Up to here the stream was sent beside the payload, before that was loaded.
    pub sent_beside: Option<Offset>,
    /// It has not come up to the stream since it began: the limits of its output do not hold yet.
    pub catching_up: bool,
    /// It is fed from the append only files, and the log is not kept for it.
    pub reach: Option<ReachBack>,
    /// What follows `sent`, read back from the spill or from the files.
    pub read_back: PayloadQueue,
    /// It has come up to memory from the files.
    pub was_behind_memory: bool,
    /// More of that is being read.
    pub reads_back: bool,
    /// How late it was when it acknowledged last.
    pub acknowledged: Acknowledged,
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
            record_shared: false,
            payload_sent: 0,
            sent_beside: None,
            catching_up: true,
            reach: None,
            was_behind_memory: false,
            read_back: PayloadQueue::default(),
            reads_back: false,
            acknowledged: Acknowledged::default(),
            soft_limit_since_ms: None,
        }
    }

    /// Whether it has asked for the stream; before that it is a client like any other.
    pub fn is_attached(&self) -> bool {
        self.state.is_replica()
    }

    /// What may be written now: the payload, then the stream; of that, what lies before `limit`.
    pub fn output<'a>(&'a self, log: &'a Log, limit: Offset, slices: &mut SmallVec<[&'a [u8]; 16]>) {
        if !self.payload.is_empty() {
            slices.extend(self.payload.slices().take(MAX_SLICES));
        } else if !self.state.takes_stream() || self.sent >= limit {
            // Nothing, or not yet.
        } else if !self.read_back.is_empty() {
            slices.extend(self.read_back.slices().take(MAX_SLICES));
        } else if let Some(stream) = log.slices(self.sent).filter(|_| self.reach.is_none()) {
            let mut left = limit.since(self.sent) as usize;
            slices.extend(stream.take(MAX_SLICES).map_while(|slice| {
                let now = slice.len().min(left);
                left -= now;
                (now > 0).then(|| &slice[..now])
            }));
        }
    }

    /// So many bytes of the output were written.
    pub fn written(&mut self, n: usize) {
        let of_payload = self.payload.written(n);
        self.payload_sent += of_payload as u64;
        self.read_back.written(n - of_payload);
        self.sent = Offset(self.sent.0 + (n - of_payload) as u64);
        if self.state.phase() == Phase::Beside {
            self.sent_beside = Some(self.sent);
        }
    }

    /// Whether there is something to write, now that the stream goes up to here.
    pub fn has_output(&self, log: &Log, limit: Offset) -> bool {
        !self.payload.is_empty() || self.lags(log, limit)
    }

    /// Whether the stream has something for it that is at hand, now that it may have it up to here.
    pub fn lags(&self, log: &Log, limit: Offset) -> bool {
        self.state.takes_stream()
            && self.sent < limit
            && (!self.read_back.is_empty() || self.reach.is_none() && self.sent >= log.first_in_memory())
    }

    /// Looks whether it has come up to the stream: it lacks no more than the backlog holds anyway, so that it can be lost and come back.
    pub fn look_whether_up(&mut self, end: Offset, backlog: u64) {
        if self.reach.is_some() {
            return;
        }
        let lacks = self.needs_from().map_or(0, |from| end.since(from));
        self.catching_up = self.catching_up && lacks > backlog;
    }

    /// It has acknowledged something.
    pub fn note_lag(&mut self, growth: &Growth, now_ms: u64) {
        let [_, received, applied] = self.reached();
        self.acknowledged = Lag::acknowledged(growth, received, applied, now_ms);
    }

    /// How late it is.
    pub fn lag(&self, growth: &Growth, now_ms: u64) -> Lag {
        Lag::of(growth, self.acknowledged, self.reached(), self.state.received().is_some(), now_ms)
    }

    /// What it has been sent, has received as far as it has said so, and has applied.
    fn reached(&self) -> [Offset; 3] {
        let applied = self.state.acked().unwrap_or_default();
        let received = self.state.received().unwrap_or(applied);
        [self.sent, received.max(applied).min(self.sent.max(applied)), applied]
    }

    /// What it is sent next stands here.
    pub fn stands_at(&self) -> Option<Offset> {
        if self.reach.is_some() { Some(self.has_to()) } else { self.needs_from() }
    }

    /// Up to here it has been sent everything, or what it is sent has been read back.
    pub fn has_to(&self) -> Offset {
        Offset(self.sent.0 + self.read_back.len() as u64)
    }

    /// From where on the log has to be kept for it. One that has not come up to the stream may be lost on the way: it then comes back
    /// for what it has not acknowledged. One that has not loaded its payload throws away what came beside it, and who wants the snapshot
    /// only needs nothing.
    pub fn needs_from(&self) -> Option<Offset> {
        if self.reach.is_some() {
            return None;
        }
        let base = self.state.base().filter(|_| !self.state.rdb_only())?;
        if self.was_behind_memory {
            // What it lacks of that it would find in the files again.
            return Some(self.has_to());
        }
        if !self.catching_up || self.state.is_legacy() {
            return Some(self.sent);
        }
        let kept = self.sent_beside.unwrap_or(base);
        Some(self.state.acked().map_or(kept, |acked| acked.clamp(kept, self.sent)))
    }
}
