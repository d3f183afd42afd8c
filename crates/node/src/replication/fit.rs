//! What can be given to a replica of another make: in which form its snapshot is, and whether it knows the commands of the stream.
//!
//! The stream is the same for everybody, byte for byte. So who does not know a command in it is not sent that part: he is
//! disconnected before, and takes a snapshot of what came of it instead. And if that cannot hold the data either, he is refused,
//! rather than left with data that are not ours.

use psync::master::{Phase, Reader, ReplicaState, SnapshotFilter, SnapshotForm};

use super::Replication;
use super::feed::ReplicaFeed;
use crate::action::ConnId;
use crate::node::Node;

/// For so long it is remembered that a peer did not take a snapshot.
const REMEMBER_MS: u64 = 10 * 60 * 1000;
/// So many such peers are remembered; the oldest are forgotten first.
const MAX_PEERS: usize = 64;

const NEEDS_EOF: &str = "ERR a filtered snapshot is sent to replicas with the capability eof only";
const NEEDS_FIELD_EXPIRY: &str = "ERR this dataset has hashes with fields that expire, which this version of a replica cannot hold; \
                                  repl-drop-field-expiry yes on the master leaves out when they expire";

/// Peers that hung up on a snapshot, and the best form that is tried with them next.
#[derive(Default)]
pub(crate) struct Ceilings {
    /// Peer, form, and until when (monotonic milliseconds).
    peers: Vec<(String, SnapshotForm, u64)>,
}

impl Ceilings {
    fn note(&mut self, peer: &str, form: SnapshotForm, now_ms: u64) {
        self.peers.retain(|(name, _, until)| name != peer && *until > now_ms);
        if self.peers.len() == MAX_PEERS {
            self.peers.remove(0);
        }
        self.peers.push((peer.to_owned(), form, now_ms + REMEMBER_MS));
    }

    fn reader(&self, peer: &str, reader: Reader, now_ms: u64) -> Reader {
        let ceiling = self.peers.iter().find(|(name, _, until)| name == peer && *until > now_ms);
        match (ceiling, reader) {
            (Some((_, form, _)), Reader::UpTo(best)) => Reader::UpTo(best.common(*form)),
            _ => reader,
        }
    }
}

impl Replication {
    /// Notes that the log ends with a command that Redis 7.0 does not know.
    pub(super) fn note_newer(&mut self) {
        self.newer_end = self.log.end();
    }

    /// Whether a replica that has everything up to `from` could go on with the log: it knows all commands that follow.
    pub(crate) fn can_follow(&self, state: &ReplicaState, from: backlog::Offset) -> bool {
        from >= self.newer_end || state.reader().knows_field_expiry()
    }
}

impl Node {
    /// As [`Replication::can_follow`], of a position that may lie before the log: what stood in files that were history at the start nobody
    /// has looked at.
    pub(crate) fn can_follow_from(&self, state: &ReplicaState, from: backlog::Offset) -> bool {
        let in_files = from < self.replication.log.first() && from < self.aof.reach.seen_from();
        self.replication.can_follow(state, from) && (!in_files || state.reader().knows_field_expiry())
    }

    /// Whether no field of a hash expires: what every form of a snapshot holds.
    pub(crate) fn is_plain(&self) -> bool {
        self.keyspace.timed_hashes() == 0
    }

    /// Why a replica cannot be given a snapshot, if it can't: the error to answer with.
    pub(crate) fn snapshot_refusal(&self, state: &ReplicaState) -> Option<&'static str> {
        let eof = state.capabilities().eof;
        if state.filter() != SnapshotFilter::Everything {
            return (!eof).then_some(NEEDS_EOF);
        }
        if state.reader().knows_field_expiry() || self.is_plain() {
            return None;
        }
        // What lacks something goes straight to the socket: in a file it would become the dump.
        let left_out = self.config.settings().repl_drop_field_expiry && eof;
        (!left_out).then_some(NEEDS_FIELD_EXPIRY)
    }

    /// In which form a replica may take its snapshot: what it has announced, or less if it did not take that. Less only as long as
    /// the data lose nothing by it, for what ended the last attempt may have been the network.
    pub(crate) fn reader_of(&self, feed: &ReplicaFeed) -> Reader {
        let reader = feed.state.reader();
        if !self.is_plain() {
            return reader;
        }
        self.replication.ceilings.reader(&feed.peer, reader, self.now.mono_ms())
    }

    /// A replica has gone. If it was in the midst of its snapshot, or loading it, the form may have been the reason.
    pub(super) fn note_hung_up(&mut self, feed: &ReplicaFeed) {
        let loading = match feed.state.phase() {
            Phase::Transfer | Phase::Beside => true,
            // A connection for the payload only ends when that is through.
            Phase::AwaitAck => !feed.state.rdb_only(),
            _ => false,
        };
        let Some(form) = feed.form.filter(|_| loading && feed.payload_sent > 0) else { return };
        if let (Reader::UpTo(_), Some(lower)) = (feed.state.reader(), form.step_down()) {
            tracing::info!(
                "Replica {} hung up on a snapshot in the form {form}; its next one will be {lower}",
                feed.peer
            );
            self.replication.ceilings.note(&feed.peer, lower, self.now.mono_ms());
        }
    }

    /// Refuses those who wait for a snapshot that can no longer be for them, now that fields of hashes expire.
    pub(super) fn refuse_unfit(&mut self) {
        if self.is_plain() {
            return;
        }
        for conn in self.replication.replicas.clone() {
            let Some(feed) = self.session(conn).and_then(|session| session.replica.as_deref()) else {
                continue;
            };
            if feed.state.phase() != Phase::WaitSnapshot {
                continue;
            }
            let Some(error) = self.snapshot_refusal(&feed.state) else {
                // One that was to get less when nothing was lost by it gets what it has announced.
                self.replication.planner.set_reader(conn, self.reader_of(feed));
                continue;
            };
            tracing::warn!("Replica {} is refused: {error}", feed.peer);
            self.replication.planner.leave(conn);
            if let Some(session) = self.session_mut(conn) {
                session.reply.error(error);
                session.close_after_reply = true;
            }
            self.list_writable(conn);
        }
    }

    /// Disconnects those who would next be sent a command that they do not know.
    pub(super) fn cut_off_unfit(&mut self) {
        if self.replication.newer_end.0 == 0 {
            return;
        }
        let unfit: Vec<ConnId> = self
            .feeds()
            .filter(|(_, feed)| {
                feed.stands_at().is_some_and(|from| !self.replication.can_follow(&feed.state, from))
            })
            .map(|(session, _)| session.conn)
            .collect();
        for conn in unfit {
            if let Some(feed) = self.session(conn).and_then(|session| session.replica.as_deref()) {
                tracing::warn!(
                    "Replica {} is disconnected: what follows in the stream is not known to its version. It needs a snapshot",
                    feed.peer
                );
            }
            self.close_client(conn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEST: Reader = Reader::UpTo(SnapshotForm::Valkey80);

    #[test]
    fn a_peer_that_hung_up_is_remembered_for_a_while() {
        let mut ceilings = Ceilings::default();
        ceilings.note("a:1", SnapshotForm::Redis11, 0);
        assert_eq!(ceilings.reader("a:1", BEST, 1), Reader::UpTo(SnapshotForm::Redis11));
        assert_eq!(ceilings.reader("a:2", BEST, 1), BEST);
        assert_eq!(ceilings.reader("a:1", Reader::Keeper, 1), Reader::Keeper);
        assert_eq!(ceilings.reader("a:1", BEST, REMEMBER_MS), BEST);
        ceilings.note("a:1", SnapshotForm::Redis10, 2);
        assert_eq!(ceilings.peers.len(), 1);
    }

    #[test]
    fn memory_is_bounded() {
        let mut ceilings = Ceilings::default();
        for n in 0..=MAX_PEERS {
            ceilings.note(&n.to_string(), SnapshotForm::Redis10, 0);
        }
        assert_eq!(ceilings.peers.len(), MAX_PEERS);
        assert_eq!(ceilings.reader("0", BEST, 1), BEST);
    }
}
