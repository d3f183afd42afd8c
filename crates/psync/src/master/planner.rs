//! When to make a snapshot, and for whom.
//!
//! ```text
//!   arrive()                  poll(): it is time                   finished()
//!  ──────────▶ queue of those ─────────────────▶ one snapshot made ──────────▶ nobody
//!              who wait                          for some of them
//!                 │  ▲                              ▲
//!                 │  └── another filter,            │ arrive(): attached
//!                 ▼      or no longer attachable    │
//!              leave()                              └── to a file, same filter, log still kept
//! ```
//!
//! It is time as soon as no snapshot is being made for replicas, and
//!
//! - if it goes to a file: at once;
//! - if it is streamed: when the first in the queue has waited for `diskless_delay_ms`, or
//!   `diskless_max_replicas` wait.
//!
//! A snapshot goes to a file if the policy says so or somebody who wants it does not know the end mark. The
//! first in the queue decides what it holds, and everybody who wants the same shares it.
//!
//! A replica that comes later can be attached to a snapshot that goes to a file, because the file is sent
//! from its beginning when it is complete. What it needs besides is the stream from the snapshot's position
//! on, so the log must still have that. It does as long as one of the replicas that it was begun for is
//! there, since their cursors hold the log; otherwise it is a matter of the backlog's size. A streamed
//! snapshot has gone past already.

use backlog::Log;

use super::replconf::SnapshotFilter;
use crate::Offset;

/// The settings that the planner goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannerPolicy {
    /// Send the snapshot as it is made (`repl-diskless-sync`), where every replica that waits for it can take
    /// that.
    pub diskless: bool,
    /// Wait so long for more replicas to come (`repl-diskless-sync-delay`).
    pub diskless_delay_ms: u64,
    /// But no longer once so many wait (`repl-diskless-sync-max-replicas`); 0 for no limit.
    pub diskless_max_replicas: usize,
}

impl Default for PlannerPolicy {
    fn default() -> PlannerPolicy {
        PlannerPolicy { diskless: true, diskless_delay_ms: 5000, diskless_max_replicas: 0 }
    }
}

/// A replica that needs a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<K> {
    /// Its name.
    pub replica: K,
    /// Whether it takes a payload with an end mark.
    pub eof: bool,
    /// What it wants.
    pub filter: SnapshotFilter,
}

/// What became of a replica that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Placement {
    /// It waits for a snapshot that has not been begun.
    Queued,
    /// It shares the snapshot that is being made, which stands at this position.
    Attached {
        /// The position.
        at: Offset,
    },
}

/// Where a snapshot goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To a file, which is sent when it is complete, length first.
    Disk,
    /// To the replicas as it is made, with a mark at its end.
    Stream,
}

/// A snapshot to begin now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Start<K> {
    /// Where it goes.
    pub target: Target,
    /// What it holds.
    pub filter: SnapshotFilter,
    /// Where it stands.
    pub at: Offset,
    /// For whom.
    pub replicas: Vec<K>,
}

/// The snapshot that is being made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running<K> {
    /// Where it goes.
    pub target: Target,
    /// What it holds.
    pub filter: SnapshotFilter,
    /// Where it stands.
    pub at: Offset,
    /// Who is to get it.
    pub replicas: Vec<K>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting<K> {
    since_ms: u64,
    candidate: Candidate<K>,
}

/// Decides when to make a snapshot, and for whom. One is made at a time, and as many replicas as possible
/// share it.
#[derive(Clone, Debug)]
pub struct FullSyncPlanner<K> {
    policy: PlannerPolicy,
    /// In the order of arrival.
    waiting: Vec<Waiting<K>>,
    running: Option<Running<K>>,
}

impl<K: Copy + Eq> FullSyncPlanner<K> {
    /// Nobody waits.
    pub fn new(policy: PlannerPolicy) -> FullSyncPlanner<K> {
        FullSyncPlanner { policy, waiting: Vec::new(), running: None }
    }

    /// Changes the settings; a snapshot that has been begun goes on.
    pub fn set_policy(&mut self, policy: PlannerPolicy) {
        self.policy = policy;
    }

    /// A replica needs a snapshot. It shares the one that is being made if that goes to a file, holds what
    /// the replica wants, and `log` still has everything that followed.
    pub fn arrive(&mut self, now_ms: u64, candidate: Candidate<K>, log: &Log) -> Placement {
        self.leave(candidate.replica);
        if let Some(running) = &mut self.running {
            let joinable = running.target == Target::Disk && running.filter == candidate.filter;
            if joinable && log.covers(running.at) {
                running.replicas.push(candidate.replica);
                return Placement::Attached { at: running.at };
            }
        }
        self.waiting.push(Waiting { since_ms: now_ms, candidate });
        Placement::Queued
    }

    /// A replica is gone, or gave up. Returns whether nobody is left to whom the running snapshot would be of
    /// use, so that it can be cancelled (and [`FullSyncPlanner::finished`] called).
    pub fn leave(&mut self, replica: K) -> bool {
        self.waiting.retain(|waiting| waiting.candidate.replica != replica);
        let Some(running) = &mut self.running else {
            return false;
        };
        running.replicas.retain(|&attached| attached != replica);
        running.replicas.is_empty()
    }

    /// Whether a snapshot has to be begun now, at the position `end` of the log. The caller begins it at
    /// once.
    pub fn poll(&mut self, now_ms: u64, end: Offset) -> Option<Start<K>> {
        if self.start_at()? > now_ms {
            return None;
        }
        let filter = self.waiting.first()?.candidate.filter;
        let target = self.target(filter);
        let mut replicas = Vec::new();
        self.waiting.retain(|waiting| {
            let chosen = waiting.candidate.filter == filter;
            if chosen {
                replicas.push(waiting.candidate.replica);
            }
            !chosen
        });
        self.running = Some(Running { target, filter, at: end, replicas: replicas.clone() });
        Some(Start { target, filter, at: end, replicas })
    }

    /// The running snapshot is complete, or has failed. Returns those who wait for it: to be sent the file,
    /// or, after a failure, to be disconnected, since they have been promised this snapshot and no other.
    pub fn finished(&mut self) -> Vec<K> {
        self.running.take().map(|running| running.replicas).unwrap_or_default()
    }

    /// When [`FullSyncPlanner::poll`] has to be called next.
    #[must_use]
    pub fn timeout(&self) -> Option<u64> {
        self.start_at()
    }

    /// The snapshot that is being made.
    pub fn running(&self) -> Option<&Running<K>> {
        self.running.as_ref()
    }

    /// How many replicas wait for one that has not been begun.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// When the next snapshot may begin.
    fn start_at(&self) -> Option<u64> {
        if self.running.is_some() {
            return None;
        }
        let oldest = self.waiting.first()?;
        let filter = oldest.candidate.filter;
        let company = self.company(filter).count();
        let max = self.policy.diskless_max_replicas;
        if self.target(filter) == Target::Disk || (max > 0 && company >= max) {
            return Some(oldest.since_ms);
        }
        Some(oldest.since_ms.saturating_add(self.policy.diskless_delay_ms))
    }

    fn company(&self, filter: SnapshotFilter) -> impl Iterator<Item = &Candidate<K>> {
        self.waiting
            .iter()
            .map(|waiting| &waiting.candidate)
            .filter(move |candidate| candidate.filter == filter)
    }

    /// One payload for all: it ends with a mark only if everybody knows that. What is filtered is of no use
    /// as a file.
    fn target(&self, filter: SnapshotFilter) -> Target {
        let streamed = self.policy.diskless || filter != SnapshotFilter::Everything;
        if streamed && self.company(filter).all(|candidate| candidate.eof) {
            Target::Stream
        } else {
            Target::Disk
        }
    }
}

#[cfg(test)]
mod tests;
