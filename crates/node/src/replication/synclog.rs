//! What became of the last synchronisations, and why they were full: the question that operators ask first.

use std::collections::VecDeque;

use crate::time::Now;

/// So many are remembered.
const KEPT: usize = 32;

/// Names one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyncId(u64);

/// Who gives and who takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// This instance was the master.
    ToReplica,
    /// This instance was the replica.
    FromMaster,
}

impl Side {
    pub fn name(self) -> &'static str {
        match self {
            Side::ToReplica => "to-replica",
            Side::FromMaster => "from-master",
        }
    }
}

/// How far one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Under way.
    Running,
    /// The stream flows.
    Done,
    /// It ended before that, for this reason.
    Failed(String),
}

impl Outcome {
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Running => "running",
            Outcome::Done => "done",
            Outcome::Failed(_) => "failed",
        }
    }
}

/// One synchronisation.
#[derive(Clone, Debug)]
pub(crate) struct SyncRecord {
    id: SyncId,
    pub began: Now,
    pub side: Side,
    pub peer: String,
    pub full: bool,
    pub outcome: Outcome,
    /// Why it was a full one, or what made it a partial one.
    pub reason: String,
    /// Bytes of the payload, or of the part of the stream that was missing.
    pub bytes: u64,
    /// The payload began to flow.
    transfer_at: Option<Now>,
    /// The last byte of it was there.
    load_at: Option<Now>,
    ended_at: Option<Now>,
    /// A backlog of so many bytes would have spared it.
    pub backlog_needed: Option<u64>,
}

impl SyncRecord {
    /// Milliseconds spent before the payload, with the payload, and after it; as far as they are known by now.
    pub fn phases_ms(&self, now: Now) -> [u64; 3] {
        let end = self.ended_at.unwrap_or(now);
        let transfer = self.transfer_at.unwrap_or(end);
        let load = self.load_at.unwrap_or(end);
        [ms(self.began, transfer), ms(transfer, load), ms(load, end)]
    }

    /// Milliseconds in all.
    pub fn total_ms(&self, now: Now) -> u64 {
        ms(self.began, self.ended_at.unwrap_or(now))
    }
}

fn ms(from: Now, to: Now) -> u64 {
    to.mono_us.saturating_sub(from.mono_us) / 1000
}

/// The last synchronisations of this instance, in both roles.
#[derive(Debug, Default)]
pub(crate) struct SyncLog {
    records: VecDeque<SyncRecord>,
    next: u64,
}

impl SyncLog {
    /// One begins.
    pub fn begin(&mut self, now: Now, side: Side, peer: &str, full: bool, reason: String) -> SyncId {
        let id = SyncId(self.next);
        self.next += 1;
        if self.records.len() == KEPT {
            self.records.pop_front();
        }
        self.records.push_back(SyncRecord {
            id,
            began: now,
            side,
            peer: peer.to_owned(),
            full,
            outcome: Outcome::Running,
            reason,
            bytes: 0,
            transfer_at: None,
            load_at: None,
            ended_at: None,
            backlog_needed: None,
        });
        id
    }

    /// A record that has not been pushed out by later ones.
    pub fn get_mut(&mut self, id: SyncId) -> Option<&mut SyncRecord> {
        self.records.iter_mut().rev().find(|record| record.id == id)
    }

    /// The payload begins to flow.
    pub fn transfer_begins(&mut self, id: SyncId, now: Now) {
        if let Some(record) = self.get_mut(id) {
            record.transfer_at.get_or_insert(now);
        }
    }

    /// The payload is complete.
    pub fn load_begins(&mut self, id: SyncId, now: Now, bytes: u64) {
        if let Some(record) = self.get_mut(id) {
            record.load_at.get_or_insert(now);
            record.bytes = bytes;
        }
    }

    /// It has ended one way or the other; only the first word counts.
    pub fn end(&mut self, id: SyncId, now: Now, outcome: Outcome) {
        if let Some(record) = self.get_mut(id).filter(|record| record.outcome == Outcome::Running) {
            record.outcome = outcome;
            record.ended_at = Some(now);
        }
    }

    /// The latest first.
    pub fn iter(&self) -> impl Iterator<Item = &SyncRecord> {
        self.records.iter().rev()
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Now {
        Now { mono_us: ms * 1000, ..Now::default() }
    }

    #[test]
    fn phases_add_up() {
        let mut log = SyncLog::default();
        let id = log.begin(at(10), Side::FromMaster, "h:1", true, "why".to_owned());
        let phases = |log: &SyncLog, now| log.iter().next().expect("one").phases_ms(at(now));
        assert_eq!(phases(&log, 15), [5, 0, 0]);
        log.transfer_begins(id, at(20));
        assert_eq!(phases(&log, 25), [10, 5, 0]);
        log.load_begins(id, at(50), 7);
        log.end(id, at(60), Outcome::Done);
        log.end(id, at(70), Outcome::Failed("the link was lost later".to_owned()));
        assert_eq!(phases(&log, 1000), [10, 30, 10]);
        let record = log.iter().next().expect("one");
        assert_eq!((record.total_ms(at(1000)), record.bytes, &record.outcome), (50, 7, &Outcome::Done));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut log = SyncLog::default();
        let first = log.begin(at(0), Side::ToReplica, "first", false, String::new());
        for _ in 0..KEPT {
            log.begin(at(1), Side::ToReplica, "later", false, String::new());
        }
        assert_eq!(log.len(), KEPT);
        assert!(log.get_mut(first).is_none());
        assert!(log.iter().all(|record| record.peer == "later"));
    }
}
