//! Which history an instance holds, and which requests to continue one it can grant.

use std::fmt;
use std::str::FromStr;

use crate::{Log, Offset, ReplicationId};

/// An earlier history, of which the present one is the continuation. As text: `id:offset`.
///
/// ```
/// use backlog::{Offset, PastHistory, ReplicationId};
///
/// let past = PastHistory { id: ReplicationId::random(&mut fastrand::Rng::new()), valid_to: Offset(7) };
/// assert_eq!(past.to_string().parse(), Ok(past));
/// assert!("0:0".parse::<PastHistory>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastHistory {
    /// Its name.
    pub id: ReplicationId,
    /// Up to this position both histories consist of the same bytes.
    pub valid_to: Offset,
}

impl fmt::Display for PastHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.id, self.valid_to)
    }
}

/// A text that names no position in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a position in a history is written as a replication id, a colon and an offset")]
pub struct ParsePastHistoryError;

impl FromStr for PastHistory {
    type Err = ParsePastHistoryError;

    fn from_str(text: &str) -> Result<PastHistory, ParsePastHistoryError> {
        let (id, valid_to) = text.split_once(':').ok_or(ParsePastHistoryError)?;
        let id = id.parse().map_err(|_| ParsePastHistoryError)?;
        Ok(PastHistory { id, valid_to: valid_to.parse().map_err(|_| ParsePastHistoryError)? })
    }
}

/// So many ancestors are remembered; each failover and each restart of a master adds one.
pub const MAX_ANCESTORS: usize = 16;

/// The name of the history that a [`Log`] holds, and the names that its beginning had before.
///
/// Two instances that know a history by the same name hold the same bytes at the same positions. So whoever
/// begins to write bytes of his own, as a replica that is promoted does, must take a new name first; the old
/// one goes on to be true of everything written before, and that is what lets the other replicas of the lost
/// master continue from here. Each further change of name adds an ancestor, so that somebody who was away
/// during several of them still finds the one he knows.
///
/// ```text
/// promoted at 500:   ancestor ├────────────── same bytes ──────────────┤ (500)
///                    id       ├────────────────────────────────────────┼──── own writes ───▶
/// ```
///
/// ```
/// use backlog::{Continuation, History, Log, Offset, ReplicationId};
///
/// let mut rng = fastrand::Rng::with_seed(1);
/// let (old, new) = (ReplicationId::random(&mut rng), ReplicationId::random(&mut rng));
/// let mut log = Log::new(Offset::ZERO, 1 << 20);
/// let mut history = History::new(old);
/// log.append(b"written by the old master");
/// history.promote(new, log.end());
/// log.append(b", and this by the promoted replica");
///
/// assert_eq!(history.can_continue(&old, Offset(25), &log), Continuation::FromPast);
/// assert_eq!(history.can_continue(&old, Offset(26), &log), Continuation::Diverged { valid_to: Offset(25) });
/// assert_eq!(history.can_continue(&new, Offset(26), &log), Continuation::Same);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    id: ReplicationId,
    /// Newest first. None reaches further than a newer one, none has the name of another or of the history.
    ancestors: Vec<PastHistory>,
}

/// Whether somebody who holds a history up to some position can be given the bytes that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Continuation {
    /// Yes: it is this history.
    Same,
    /// Yes: it is the past history, from a position that it shares with this one. The peer learns the new
    /// name.
    FromPast,
    /// No: a history of this name was never seen here.
    UnknownId,
    /// No: it is the past history, but the peer holds bytes of it that were never seen here.
    Diverged {
        /// Up to here both are the same.
        valid_to: Offset,
    },
    /// No: the right history, but the log no longer reaches back so far.
    TooOld {
        /// How many more bytes it would have had to keep.
        missing: u64,
    },
    /// No: the peer claims to hold more of this history than there is.
    Ahead {
        /// So many bytes more.
        by: u64,
    },
}

impl Continuation {
    /// Whether the peer can continue.
    pub fn is_possible(self) -> bool {
        matches!(self, Continuation::Same | Continuation::FromPast)
    }
}

impl History {
    /// A history without a past.
    pub fn new(id: ReplicationId) -> History {
        History { id, ancestors: Vec::new() }
    }

    /// A history of which somebody else has told the ancestors, newest first; the data stand at `at`, so that nothing
    /// is known of what they have in common beyond that.
    pub fn descended(
        id: ReplicationId,
        ancestors: impl IntoIterator<Item = PastHistory>,
        at: Offset,
    ) -> History {
        let mut history = History { id, ancestors: ancestors.into_iter().take(MAX_ANCESTORS).collect() };
        history.hold_to(at);
        history
    }

    /// Its name: `master_replid` of INFO.
    pub fn id(&self) -> &ReplicationId {
        &self.id
    }

    /// What it was called before, if that is known.
    pub fn past(&self) -> Option<&PastHistory> {
        self.ancestors.first()
    }

    /// All its earlier names, newest first.
    pub fn ancestors(&self) -> &[PastHistory] {
        &self.ancestors
    }

    /// Whether it is, or descends from, the history of this name.
    pub fn knows(&self, id: &ReplicationId) -> bool {
        self.id == *id || self.ancestors.iter().any(|past| past.id == *id)
    }

    /// `master_replid2` of INFO: forty zeros where there is no past.
    pub fn second_id(&self) -> ReplicationId {
        self.past().map_or(ReplicationId::ZERO, |past| past.id)
    }

    /// `second_repl_offset` of INFO: the number of the first byte that is not part of the past history, and
    /// so the last byte that may be asked for under the old name; -1 where there is no past.
    pub fn second_repl_offset(&self) -> i64 {
        self.past().map_or(-1, |past| i64::try_from(past.valid_to.next_byte()).unwrap_or(i64::MAX))
    }

    /// From position `at` on, this instance writes bytes of its own: it is promoted.
    pub fn promote(&mut self, new_id: ReplicationId, at: Offset) {
        self.ancestors.insert(0, PastHistory { id: self.id, valid_to: at });
        self.id = new_id;
        self.hold_to(at);
        self.ancestors.truncate(MAX_ANCESTORS);
    }

    /// The master calls its history by another name from now on (`+CONTINUE` with an id), or this instance goes back
    /// to an earlier name of its own; it holds the history up to `at`. The same name again changes nothing.
    pub fn follow(&mut self, new_id: ReplicationId, at: Offset) {
        if new_id != self.id {
            self.promote(new_id, at);
        }
    }

    /// The data was replaced, or bytes were lost: nothing that was true under the old names is true any more.
    pub fn reset(&mut self, new_id: ReplicationId) {
        *self = History::new(new_id);
    }

    /// Forgets the past: bytes were written that the log does not hold.
    pub fn forget_past(&mut self) {
        self.ancestors.clear();
    }

    /// What was held beyond `at` is given up: nothing is in common any more with what came before under other names.
    ///
    /// ```
    /// # use backlog::{History, Offset, ReplicationId};
    /// let mut rng = fastrand::Rng::with_seed(1);
    /// let mut history = History::new(ReplicationId::random(&mut rng));
    /// history.promote(ReplicationId::random(&mut rng), Offset(30));
    /// history.cut(Offset(20));
    /// assert_eq!(history.ancestors()[0].valid_to, Offset(20));
    /// ```
    pub fn cut(&mut self, at: Offset) {
        self.hold_to(at);
    }

    /// Keeps the invariant for an instance that stands at `at`.
    fn hold_to(&mut self, at: Offset) {
        let (id, mut reach) = (self.id, at);
        let mut seen: Vec<ReplicationId> = Vec::with_capacity(self.ancestors.len());
        self.ancestors.retain_mut(|past| {
            if past.id == id || past.id == ReplicationId::ZERO || seen.contains(&past.id) {
                return false;
            }
            reach = reach.min(past.valid_to);
            past.valid_to = reach;
            seen.push(past.id);
            true
        });
    }

    /// Whether a peer that holds history `id` up to position `from` can be given what follows out of `log`.
    pub fn can_continue(&self, id: &ReplicationId, from: Offset, log: &Log) -> Continuation {
        let granted = if *id == self.id {
            Continuation::Same
        } else {
            match self.ancestors.iter().find(|past| past.id == *id) {
                Some(past) if from <= past.valid_to => Continuation::FromPast,
                Some(past) => return Continuation::Diverged { valid_to: past.valid_to },
                None => return Continuation::UnknownId,
            }
        };
        if from > log.end() {
            Continuation::Ahead { by: from.since(log.end()) }
        } else if from < log.first() {
            Continuation::TooOld { missing: log.first().since(from) }
        } else {
            granted
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(c: char) -> ReplicationId {
        c.to_string().repeat(40).parse().expect("well-formed")
    }

    /// A log that holds positions 100 to 200.
    fn log() -> Log {
        let mut log = Log::new(Offset(100), 1 << 20);
        log.append(&[0; 100]);
        log
    }

    #[test]
    fn the_same_history_continues_within_the_log() {
        let (history, log) = (History::new(id('a')), log());
        let check = |from, expected| assert_eq!(history.can_continue(&id('a'), Offset(from), &log), expected);
        check(99, Continuation::TooOld { missing: 1 });
        check(100, Continuation::Same);
        check(200, Continuation::Same);
        check(201, Continuation::Ahead { by: 1 });
        check(0, Continuation::TooOld { missing: 100 });
        assert_eq!(history.can_continue(&id('b'), Offset(150), &log), Continuation::UnknownId);
        assert_eq!(history.can_continue(&ReplicationId::ZERO, Offset(150), &log), Continuation::UnknownId);
    }

    #[test]
    fn a_past_history_continues_up_to_the_promotion() {
        let (mut history, mut log) = (History::new(id('a')), log());
        assert_eq!((history.second_id(), history.second_repl_offset()), (ReplicationId::ZERO, -1));
        history.promote(id('b'), log.end());
        // The byte numbers of the wire: at offset 200, byte 201 is the first of the new history.
        assert_eq!((history.second_id(), history.second_repl_offset()), (id('a'), 201));
        log.append(b"0123456789");
        let check = |name, from, expected| {
            assert_eq!(history.can_continue(&id(name), Offset(from), &log), expected);
        };
        check('a', 99, Continuation::TooOld { missing: 1 });
        check('a', 200, Continuation::FromPast);
        check('a', 201, Continuation::Diverged { valid_to: Offset(200) });
        check('b', 201, Continuation::Same);
        check('b', 210, Continuation::Same);
        check('c', 150, Continuation::UnknownId);
    }

    #[test]
    fn ancestors_are_remembered() {
        let (mut history, mut log) = (History::new(id('a')), log());
        history.promote(id('b'), log.end());
        log.append(b"x");
        history.follow(id('c'), log.end());
        log.append(b"y");
        assert_eq!(history.past(), Some(&PastHistory { id: id('b'), valid_to: Offset(201) }));
        assert_eq!(history.can_continue(&id('a'), Offset(150), &log), Continuation::FromPast);
        let diverged = Continuation::Diverged { valid_to: Offset(200) };
        assert_eq!(history.can_continue(&id('a'), Offset(201), &log), diverged);
        history.follow(id('c'), Offset(999));
        assert_eq!(history.past(), Some(&PastHistory { id: id('b'), valid_to: Offset(201) }), "no news");
        assert!(history.knows(&id('a')) && history.knows(&id('c')) && !history.knows(&id('d')));
        history.forget_past();
        assert_eq!(history.can_continue(&id('b'), Offset(150), &log), Continuation::UnknownId);
        history.reset(id('d'));
        assert_eq!(history, History::new(id('d')));
    }

    #[test]
    fn going_back_to_an_earlier_name_keeps_the_others() {
        let mut history = History::new(id('a'));
        history.promote(id('b'), Offset(200));
        history.promote(id('c'), Offset(230));
        history.follow(id('a'), Offset(200));
        // Of b and c no more is in common with a than what was there before them.
        let past = |c, to| PastHistory { id: id(c), valid_to: Offset(to) };
        assert_eq!(history.ancestors(), [past('c', 200), past('b', 200)]);
        assert_eq!(*history.id(), id('a'));
    }

    #[test]
    fn what_others_tell_of_ancestors_is_held_to_the_position() {
        let told = [
            PastHistory { id: id('b'), valid_to: Offset(900) },
            PastHistory { id: id('a'), valid_to: Offset(50) },
            PastHistory { id: id('a'), valid_to: Offset(40) },
            PastHistory { id: id('z'), valid_to: Offset(60) },
            PastHistory { id: id('c'), valid_to: Offset(10) },
            PastHistory { id: ReplicationId::ZERO, valid_to: Offset(10) },
        ];
        let history = History::descended(id('c'), told, Offset(100));
        let past = |c, to| PastHistory { id: id(c), valid_to: Offset(to) };
        assert_eq!(history.ancestors(), [past('b', 100), past('a', 50), past('z', 50)]);
        let many = (0..100).map(|n| PastHistory {
            id: ReplicationId::random(&mut fastrand::Rng::with_seed(n)),
            valid_to: Offset(100 - n),
        });
        assert_eq!(History::descended(id('c'), many, Offset(100)).ancestors().len(), MAX_ANCESTORS);
    }
}
