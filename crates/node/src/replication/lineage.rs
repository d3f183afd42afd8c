//! The names under which others may know what this instance holds.
//!
//! A history is a name for bytes; the same data may go by several. A master that was just promoted, or has loaded its dataset at
//! the start, has taken a new name for what it is going to write. Until it writes something, what it holds is still a position of
//! the history that it comes from, and if it follows a master again it may continue there. Messages go into the log too, but
//! change no data: they are taken back.
//!
//! The same holds for the end of any log. Pings and messages behind the last write are bytes of a history, but not of the data: a
//! master that goes on beside its successor until somebody tells it has written some, and its other replicas hold them. They
//! may continue where they agree with the successor about the data:
//!
//! ```text
//!   old master   ── writes ──┤ ping, message, ping ──▶
//!   promoted     ── writes ──┤ ping ┤ writes of its own ──▶
//!                            └ quiet since here: the same data
//! ```

use backlog::{MAX_ANCESTORS, Offset, ReplicationId};
use psync::replica::Resume;

use super::Replication;

/// So long a master that has loaded a dataset leaves alone what has expired, as long as nobody writes or follows: it may be about to
/// be told that it is a replica now, and deletions of its own would be the end of the common history.
const REST_MS: u64 = 60_000;

/// That no data have been changed since a new name was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Untouched {
    /// Where the log stood then.
    since: Offset,
    /// The database that was selected in the stream there.
    stream_db: usize,
}

/// That the log holds nothing from here on that has changed data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quiet {
    since: Offset,
    /// The database that was selected in the stream there.
    stream_db: usize,
}

impl Replication {
    /// Data have changed: what is held from now on has one name only.
    #[inline]
    pub fn touch(&mut self) {
        self.untouched = None;
        self.quiet = None;
    }

    /// What comes into the log at `at` changes no data, and what comes from there on neither until [`Replication::touch`] is called.
    #[inline]
    pub fn quiet_from(&mut self, at: Offset) {
        if self.quiet.is_none() {
            let stream_db = self.stream_db();
            self.quiet = Some(Quiet { since: at, stream_db });
        }
    }

    /// The database that was selected where the present name was taken, as long as nothing has come of it.
    pub(super) fn untouched_db(&self) -> Option<usize> {
        self.untouched.map(|untouched| untouched.stream_db)
    }

    /// A new name is taken at the end of the log, for data that stand there in a history with this database selected.
    pub(super) fn untouched_from_here(&mut self, stream_db: usize) {
        let here = Untouched { since: self.log.end(), stream_db };
        self.untouched.get_or_insert(here);
    }

    /// Everything that a master may be offered to continue from, what it most probably knows first.
    pub fn offers(&self) -> Vec<Resume> {
        let Some(identity) = self.identity() else { return Vec::new() };
        let mut offers = Vec::new();
        if self.name_is_known {
            offers.push(Resume { id: identity.id, applied: identity.offset });
        }
        if let Some(untouched) = self.untouched {
            let earlier = self.history.ancestors().iter().filter(|past| past.valid_to >= untouched.since);
            offers.extend(earlier.map(|past| Resume { id: past.id, applied: past.valid_to }));
        }
        if offers.is_empty() {
            offers.push(Resume { id: identity.id, applied: identity.offset });
        }
        if let Some(quiet) = self.quiet {
            // The bytes that are given up may come again: that costs less than the data.
            let earlier = self.history.ancestors().iter().filter(|past| past.valid_to >= quiet.since);
            let own = self.name_is_known.then_some(identity.id);
            for id in own.into_iter().chain(earlier.map(|past| past.id)) {
                let offer = Resume { id, applied: quiet.since };
                if !offers.contains(&offer) {
                    offers.push(offer);
                }
            }
        }
        // As many as a peer listens to.
        offers.truncate(MAX_ANCESTORS + 1);
        offers
    }

    /// Goes back to the name, and the position, that a master has accepted: one of [`Replication::offers`]. Whether that was another one.
    pub fn take_name(&mut self, accepted: Resume) -> bool {
        let untouched = self.untouched.take();
        self.name_is_known = true;
        if accepted.id == *self.history.id() && accepted.applied == self.log.end() {
            return false;
        }
        let quiet = self.quiet.take().filter(|quiet| quiet.since == accepted.applied);
        if !self.log.truncate(accepted.applied) {
            self.log.restart(accepted.applied);
        }
        self.history.follow(accepted.id, accepted.applied);
        self.history.cut(accepted.applied);
        let stream_db = quiet.map(|quiet| quiet.stream_db).or(untouched.map(|untouched| untouched.stream_db));
        self.select(stream_db.unwrap_or(0));
        self.renamed();
        true
    }

    /// Somebody else has been told the name of the history, or it comes from somebody else.
    pub fn name_is_told(&mut self) {
        self.name_is_known = true;
    }

    /// A dataset was loaded that others may hold as well: a while begins in which nothing expires by itself.
    pub fn begin_rest(&mut self, now_ms: u64) {
        self.rest_until_ms = now_ms + REST_MS;
    }

    /// Somebody follows: deletions have a reader.
    pub fn end_rest(&mut self) {
        self.rest_until_ms = 0;
    }

    /// Whether what has expired is left alone.
    pub fn is_resting(&self, now_ms: u64) -> bool {
        self.untouched.is_some() && now_ms < self.rest_until_ms
    }

    /// The names of the history, its own first.
    pub fn names(&self) -> Vec<ReplicationId> {
        let ancestors = self.history.ancestors().iter().map(|past| past.id);
        std::iter::once(*self.history.id()).chain(ancestors).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replication::tests::{effect, message, replication};

    fn rng() -> fastrand::Rng {
        fastrand::Rng::with_seed(7)
    }

    /// The name of a master's history.
    fn foreign(seed: u64) -> ReplicationId {
        ReplicationId::random(&mut fastrand::Rng::with_seed(seed))
    }

    /// A replica that has followed a master: its history, and what it holds.
    fn follower() -> (Replication, Resume) {
        let mut replication = replication();
        let id = foreign(100);
        replication.start_over(id, Offset(1000), Some(3), &[]);
        replication.log.append(b"*1\r\n$4\r\nPING\r\n");
        let held = Resume { id, applied: Offset(1014) };
        assert_eq!(replication.offers(), [held]);
        (replication, held)
    }

    #[test]
    fn a_promoted_replica_that_wrote_nothing_goes_back() {
        let (mut replication, held) = follower();
        replication.begin_history(&mut rng());
        message(&mut replication);
        assert!(replication.log.end() > held.applied, "the message stands in the log");
        assert_eq!(replication.offers(), [held], "the new name is known to nobody");
        assert!(replication.take_name(held));
        assert_eq!((*replication.history.id(), replication.log.end()), (held.id, held.applied));
        assert_eq!(replication.stream_db(), 3, "as the master's stream has it");
        assert!(replication.log.covers(Offset(1000)), "what was kept for others is still there");
        assert_eq!(replication.offers(), [held]);
    }

    #[test]
    fn what_changes_no_data_is_given_up_for_the_history_of_a_successor() {
        let (mut replication, held) = follower();
        replication.quiet_from(Offset(1014));
        replication.log.append(b"*1\r\n$4\r\nPING\r\n");
        let whole = Resume { id: held.id, applied: Offset(1028) };
        assert_eq!(replication.offers(), [whole, held]);
        assert!(!replication.take_name(whole), "the master has it all");
        assert_eq!(replication.offers(), [whole, held]);
        assert!(replication.take_name(held));
        assert_eq!((replication.log.end(), replication.stream_db()), (held.applied, 3));
        assert_eq!(replication.offers(), [held]);
    }

    #[test]
    fn a_write_between_messages_is_no_quiet() {
        let mut replication = replication();
        replication.name_is_told();
        let offers = |replication: &Replication| {
            replication.offers().iter().map(|offer| offer.applied.0).collect::<Vec<_>>()
        };
        effect(&mut replication, 0, &[b"SET", b"a", b"1"]);
        let written = replication.log.end().0;
        message(&mut replication);
        replication.log_control(&[b"PING"]);
        assert_eq!(offers(&replication), [replication.log.end().0, written]);
        // In one transaction with a write, before it or behind it, a message is no quiet either.
        for order in [[true, false], [false, true]] {
            replication.begin_transaction();
            for write in order {
                match write {
                    true => effect(&mut replication, 0, &[b"SET", b"a", b"1"]),
                    false => message(&mut replication),
                }
            }
            replication.end_transaction();
            assert_eq!(offers(&replication), [replication.log.end().0]);
        }
        let before = replication.log.end().0;
        replication.begin_transaction();
        message(&mut replication);
        message(&mut replication);
        replication.end_transaction();
        assert_eq!(offers(&replication), [replication.log.end().0, before]);
    }

    #[test]
    fn one_write_is_the_end_of_the_common_history() {
        let (mut replication, held) = follower();
        replication.begin_history(&mut rng());
        effect(&mut replication, 0, &[b"SET", b"a", b"1"]);
        let offers = replication.offers();
        assert_eq!(offers, [Resume { id: *replication.history.id(), applied: replication.log.end() }]);
        assert_ne!(offers[0].id, held.id);
        replication.begin_history(&mut fastrand::Rng::with_seed(8));
        assert!(!replication.offers().contains(&held), "a further name does not undo it");
    }

    #[test]
    fn a_snapshot_of_a_promoted_replica_knows_the_database_of_the_stream_it_comes_from() {
        let (mut replication, held) = follower();
        replication.begin_history(&mut rng());
        let identity = replication.identity().expect("a history");
        let ancestors = replication.history.ancestors().to_vec();
        let mut restored = super::super::tests::replication();
        restored.restore(identity, &ancestors, false, &mut fastrand::Rng::with_seed(9));
        assert!(restored.offers().contains(&held));
        restored.take_name(held);
        assert_eq!(restored.stream_db(), 3);
    }

    #[test]
    fn a_name_that_somebody_knows_is_offered_first() {
        let (mut replication, held) = follower();
        replication.begin_history(&mut rng());
        replication.name_is_told();
        let told = Resume { id: *replication.history.id(), applied: replication.log.end() };
        assert_eq!(replication.offers(), [told, held]);
        assert!(!replication.take_name(told));
        assert_eq!(replication.offers(), [told], "now it is the master's");
    }

    #[test]
    fn a_master_restored_from_a_snapshot_offers_what_it_has_loaded() {
        let (before, held) = follower();
        let identity = before.identity().expect("a history");
        let ancestors = [backlog::PastHistory { id: foreign(101), valid_to: Offset(900) }];
        let mut restored = replication();
        restored.restore(identity, &ancestors, false, &mut rng());
        restored.begin_rest(5);
        assert_eq!(restored.offers(), [held]);
        assert_eq!(restored.history.ancestors().len(), 2);
        assert!(restored.is_resting(5) && !restored.is_resting(REST_MS + 5));
        effect(&mut restored, 0, &[b"DEL", b"a"]);
        assert!(!restored.is_resting(5));
    }
}
