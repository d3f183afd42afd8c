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
//! first in the queue decides what it holds, and everybody who wants the same shares it, in the best form that
//! all of them read. If the data have fields of hashes that expire, only those share one that read the same form
//! for them, or that can hold none of it.
//!
//! What goes to a file becomes the dump: it is written in the oldest form that holds the data, which the most
//! readers know, and never in one that leaves something out.
//!
//! A replica that comes later can be attached to a snapshot that goes to a file, because the file is sent
//! from its beginning when it is complete. What it needs besides is the stream from the snapshot's position
//! on, so the log must still have that. It does as long as one of the replicas that it was begun for is
//! there, since their cursors hold the log; otherwise it is a matter of the backlog's size.
//!
//! A streamed snapshot has gone past already. But what it was made of, a frozen view, can be streamed once more from its
//! beginning, by the side: then the newcomers stand at the same position, and no second view is held. That is worth while
//! as long as not much has been written since; [`FullSyncPlanner::join`] is told how much that is.

use backlog::Log;

use super::form::{Reader, SnapshotForm};
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
    /// Its stream goes over another connection. It takes no other payload than one with an end mark.
    pub channel: bool,
    /// What it wants.
    pub filter: SnapshotFilter,
    /// In which form it can take it.
    pub reader: Reader,
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
    /// In which form.
    pub form: SnapshotForm,
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
    /// In which form.
    pub form: SnapshotForm,
    /// Where it stands.
    pub at: Offset,
    /// Who is to get it.
    pub replicas: Vec<K>,
    /// No field of a hash expires in it.
    plain: bool,
    /// It belongs to a history that is over: nobody may share it any more.
    sealed: bool,
}

impl<K> Running<K> {
    /// Whether it holds all that a replica wants, in a form that it reads.
    fn suits(&self, candidate: &Candidate<K>) -> bool {
        let lossless = self.plain || candidate.reader.knows_field_expiry() == self.form.holds_field_expiry();
        !self.sealed && self.filter == candidate.filter && candidate.reader.takes(self.form) && lossless
    }
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
    /// No field of a hash expires.
    plain: bool,
    /// So many replicas may be given a streamed payload in addition.
    room: usize,
}

/// Those who share the next snapshot.
struct Company<K> {
    filter: SnapshotFilter,
    form: SnapshotForm,
    target: Target,
    replicas: Vec<K>,
}

impl<K: Copy + Eq> FullSyncPlanner<K> {
    /// Nobody waits.
    pub fn new(policy: PlannerPolicy) -> FullSyncPlanner<K> {
        FullSyncPlanner { policy, waiting: Vec::new(), running: None, plain: true, room: usize::MAX }
    }

    /// Changes the settings; a snapshot that has been begun goes on.
    pub fn set_policy(&mut self, policy: PlannerPolicy) {
        self.policy = policy;
    }

    /// Says whether the data are plain: no field of a hash expires. To be called before [`FullSyncPlanner::poll`] and
    /// [`FullSyncPlanner::timeout`] whenever that may have changed.
    pub fn set_plain(&mut self, plain: bool) {
        self.plain = plain;
    }

    /// Says how many replicas more may be given a payload now. One that goes to a file is made for everybody; who is sent it, and
    /// when, is up to the caller.
    pub fn set_room(&mut self, room: usize) {
        self.room = room;
    }

    /// A replica needs a snapshot. It shares the one that is being made if that goes to a file, holds what
    /// the replica wants, and `log` still has everything that followed.
    pub fn arrive(&mut self, now_ms: u64, candidate: Candidate<K>, log: &Log) -> Placement {
        self.leave(candidate.replica);
        if let Some(running) = &mut self.running {
            let joinable = running.target == Target::Disk && !candidate.channel && running.suits(&candidate);
            if joinable && log.covers(running.at) {
                running.replicas.push(candidate.replica);
                return Placement::Attached { at: running.at };
            }
        }
        self.waiting.push(Waiting { since_ms: now_ms, candidate });
        Placement::Queued
    }

    /// A replica that waits can take its snapshot in another form than was said when it came.
    pub fn set_reader(&mut self, replica: K, reader: Reader) {
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.candidate.replica == replica) {
            waiting.candidate.reader = reader;
        }
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
        if self.running.is_some() || !self.is_due(now_ms) {
            return None;
        }
        let Company { filter, form, target, replicas } = self.company()?;
        self.waiting.retain(|waiting| !replicas.contains(&waiting.candidate.replica));
        self.running = Some(Running {
            target,
            filter,
            form,
            at: end,
            replicas: replicas.clone(),
            plain: self.plain,
            sealed: false,
        });
        Some(Start { target, filter, form, at: end, replicas })
    }

    /// Those who wait and are to be given, by the side, what the streamed snapshot that is being made consists of: it suits them, they
    /// have waited for company as for one of their own, and no more than `most` bytes have been written since. They do not
    /// belong to the running snapshot, whose end is nothing to them.
    pub fn join(&mut self, now_ms: u64, end: Offset, most: u64) -> Option<Start<K>> {
        let running = self.running.as_ref().filter(|running| running.target == Target::Stream)?;
        if end.since(running.at) > most {
            return None;
        }
        let able = |waiting: &&Waiting<K>| waiting.candidate.eof && running.suits(&waiting.candidate);
        let since_ms = self.waiting.iter().find(able)?.since_ms;
        let replicas: Vec<K> = self
            .waiting
            .iter()
            .filter(able)
            .take(self.room)
            .map(|waiting| waiting.candidate.replica)
            .collect();
        if replicas.is_empty() || self.due_at(since_ms, replicas.len()) > now_ms {
            return None;
        }
        let Running { target, filter, form, at, .. } = *running;
        self.waiting.retain(|waiting| !replicas.contains(&waiting.candidate.replica));
        Some(Start { target, filter, form, at, replicas })
    }

    /// The history that the running snapshot belongs to is over: nobody else may share it.
    pub fn seal(&mut self) {
        if let Some(running) = &mut self.running {
            running.sealed = true;
        }
    }

    /// Whether those who wait have waited long enough, whatever is being made for others.
    pub fn is_due(&self, now_ms: u64) -> bool {
        self.start_at().is_some_and(|at| at <= now_ms)
    }

    /// The running snapshot is complete, or has failed. Returns those who wait for it: to be sent the file,
    /// or, after a failure, to be disconnected, since they have been promised this snapshot and no other.
    pub fn finished(&mut self) -> Vec<K> {
        self.running.take().map(|running| running.replicas).unwrap_or_default()
    }

    /// When [`FullSyncPlanner::poll`] has to be called next.
    #[must_use]
    pub fn timeout(&self) -> Option<u64> {
        if self.running.is_some() { None } else { self.start_at() }
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
        let since_ms = self.waiting.first()?.since_ms;
        let company = self.company()?;
        match company.target {
            Target::Disk => Some(since_ms),
            Target::Stream => Some(self.due_at(since_ms, company.replicas.len())),
        }
    }

    /// When a payload is to be streamed to so many, of whom the first has waited since then.
    fn due_at(&self, since_ms: u64, replicas: usize) -> u64 {
        let max = self.policy.diskless_max_replicas;
        if max > 0 && replicas >= max {
            return since_ms;
        }
        since_ms.saturating_add(self.policy.diskless_delay_ms)
    }

    /// The first in the queue, and everybody who can share his snapshot, as far as there is room.
    fn company(&self) -> Option<Company<K>> {
        let all = self.company_of(usize::MAX)?;
        if all.target == Target::Disk || all.replicas.len() <= self.room {
            return Some(all);
        }
        if self.room == 0 { None } else { self.company_of(self.room) }
    }

    fn company_of(&self, most: usize) -> Option<Company<K>> {
        let first = self.waiting.first()?.candidate;
        let mut reader = first.reader;
        let (mut eof, mut channel, mut replicas) = (true, false, Vec::new());
        for candidate in self.waiting.iter().map(|waiting| waiting.candidate) {
            let common = reader.common(candidate.reader);
            // Nobody loses what he could have had.
            let knows = first.reader.knows_field_expiry();
            let lossless =
                common.knows_field_expiry() == knows && candidate.reader.knows_field_expiry() == knows;
            // Who can only be streamed to does not share with those who cannot be.
            let unlike = (channel || candidate.channel) && !(eof && candidate.eof);
            let fits = candidate.filter == first.filter && (self.plain || lossless) && !unlike;
            if fits && replicas.len() < most {
                reader = common;
                eof &= candidate.eof;
                channel |= candidate.channel;
                replicas.push(candidate.replica);
            }
        }
        let lossy = !self.plain && !reader.knows_field_expiry();
        // One payload for all: it ends with a mark only if everybody knows that. What is filtered, or lacks something, is of
        // no use as a file.
        let streamed = self.policy.diskless || channel || first.filter != SnapshotFilter::Everything || lossy;
        let target = if streamed && eof { Target::Stream } else { Target::Disk };
        let form = match reader {
            Reader::UpTo(best) if target == Target::Stream || !self.plain => best,
            _ if self.plain => SnapshotForm::Redis10,
            _ => SnapshotForm::Valkey80,
        };
        Some(Company { filter: first.filter, form, target, replicas })
    }
}

#[cfg(test)]
mod tests;
