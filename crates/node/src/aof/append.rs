//! What goes into the file: the log as far as it has come, in pieces that say what they are.

use backlog::Offset;
use config::AppendFsync;

use super::{AofBatch, AofPiece, AofWork, MAX_ON_ITS_WAY, MAX_WAITING, OnItsWay, Phase};
use crate::node::Node;

impl Node {
    /// Hands over what the log has got since the last call. Everything in it is whole: transactions, too.
    pub(crate) fn append_to_aof(&mut self) {
        let end = self.replication.log.end();
        let local = self.replication.local_bytes();
        let behind = end != self.aof.cursor
            || self.aof.history_due
            || self.replication.renamed_at.is_some()
            || local > 0;
        if !self.aof.open || !behind || self.aof.write_error.is_some() {
            if local > 0 {
                self.lose_local();
            }
            return;
        }
        if self.aof.cursor < self.replication.log.first_in_memory() {
            tracing::warn!("The append only file has fallen too far behind: it begins anew");
            return self.begin_file_anew();
        }
        let on_its_way = end.since(self.aof.written) + self.aof.local_on_its_way as u64;
        if on_its_way > MAX_ON_ITS_WAY && !self.aof.on_their_way.is_empty() {
            if local as u64 > MAX_WAITING {
                self.lose_local();
            }
            return;
        }
        let pieces = self.pieces_up_to(end);
        self.append_pieces(pieces, end);
    }

    /// Hands a batch over, with which the log is in the file up to there.
    fn append_batch(&mut self, pieces: Vec<AofPiece>, upto: Offset, sync: bool, last: bool) {
        let db = self.replication.stream_db();
        (self.aof.cursor, self.aof.cursor_db) = (upto, db);
        self.aof.batches += 1;
        let number = self.aof.batches;
        let local = pieces.iter().map(AofPiece::local_len).sum();
        self.aof.local_on_its_way += local;
        self.aof.on_their_way.push_back(OnItsWay { number, db, local });
        let resume = std::mem::take(&mut self.aof.resume);
        self.ask_aof(AofWork::Append(AofBatch { pieces, upto, number, sync, resume, last }));
    }

    /// Appends what has to be durable before it is answered.
    pub(super) fn append_durably(&mut self, pieces: Vec<AofPiece>, upto: Offset) {
        self.aof.sync_under_way = true;
        self.append_batch(pieces, upto, true, false);
    }

    pub(super) fn append_pieces(&mut self, pieces: Vec<AofPiece>, upto: Offset) {
        let sync = self.syncs_always() && !self.rests_from_syncs();
        self.append_batch(pieces, upto, sync, false);
    }

    pub(super) fn syncs_always(&self) -> bool {
        self.config.settings().appendfsync == AppendFsync::Always
    }

    /// `no-appendfsync-on-rewrite`: the disk is left to the snapshot that is being written.
    pub(super) fn rests_from_syncs(&self) -> bool {
        self.config.settings().no_appendfsync_on_rewrite && self.persistence.current.is_some()
    }

    pub(super) fn pieces_up_to(&mut self, end: Offset) -> Vec<AofPiece> {
        let mut pieces = Vec::new();
        let renamed = self.replication.renamed_at.take();
        let mut at = self.aof.cursor.min(end);
        if self.aof.history_due {
            // Whatever it is called now, that name is true of everything before as well.
            self.push_history(at, self.aof.cursor_db, &mut pieces);
            self.aof.history_due = false;
        } else if let Some((renamed, db)) = renamed {
            let renamed = renamed.clamp(at, end);
            self.pieces_between(at, renamed, &mut pieces);
            self.push_history(renamed, db, &mut pieces);
            at = renamed;
        }
        self.pieces_between(at, end, &mut pieces);
        self.replication.forget_omitted(end);
        pieces
    }

    /// What clients have written to this replica does not get into the file: a new base will have it, and nobody waits for that.
    #[cold]
    pub(super) fn lose_local(&mut self) {
        self.replication.forget_local();
        self.aof.local_lost |= self.aof.open;
        self.aof.skip_batch();
        self.move_gate();
    }

    /// What was lost of it is made good, as far as that is possible.
    pub(super) fn make_local_good(&mut self) {
        if self.aof.write_error.is_none() && std::mem::take(&mut self.aof.local_lost) {
            tracing::warn!(
                "Writes of clients to this replica are missing in the append only file: it is rewritten"
            );
            self.aof.suspect = true;
            self.aof.rewrite_not_before_ms = 0;
            self.start_or_schedule_rewrite();
        }
    }

    /// The log between two offsets, and what clients of a replica have written meanwhile.
    pub(super) fn pieces_between(&mut self, from: Offset, to: Offset, pieces: &mut Vec<AofPiece>) {
        let mut at = from;
        while let Some((offset, bytes)) = self.replication.take_local(to) {
            let upto = offset.max(at);
            self.span_pieces(at, upto, pieces);
            at = upto;
            self.aof.had_local = true;
            self.push_time(pieces);
            pieces.push(AofPiece::Local { unix_ms: self.now.unix_ms(), bytes });
        }
        self.span_pieces(at, to, pieces);
    }

    /// The log between two offsets, without what is not for the file.
    pub(super) fn span_pieces(&mut self, from: Offset, to: Offset, pieces: &mut Vec<AofPiece>) {
        if from >= to {
            return;
        }
        let omitted: Vec<_> = self.replication.omitted_between(from, to).collect();
        let mut at = from;
        for (begin, end) in omitted {
            self.push_span(at, begin, pieces);
            at = end;
        }
        if at < to {
            self.push_span(at, to, pieces);
        } else {
            // The log has gone on without the file: that is said at once, as replicas hear of it.
            pieces.push(AofPiece::Span { offset: to, unix_ms: self.now.unix_ms(), bytes: Vec::new() });
        }
    }

    pub(super) fn push_span(&mut self, from: Offset, to: Offset, pieces: &mut Vec<AofPiece>) {
        if from >= to {
            return;
        }
        self.push_time(pieces);
        let bytes = self.replication.log.copy(from, to).unwrap_or_default();
        pieces.push(AofPiece::Span { offset: from, unix_ms: self.now.unix_ms(), bytes });
    }

    /// `aof-timestamp-enabled`: a line for each second.
    pub(super) fn push_time(&mut self, pieces: &mut Vec<AofPiece>) {
        let unix_s = self.now.unix_s();
        if self.config.settings().aof_timestamp_enabled && self.aof.told_unix_s != unix_s {
            self.aof.told_unix_s = unix_s;
            pieces.push(AofPiece::Time { unix_s });
        }
    }

    /// Names the history; and selects the database that is selected there, for those who know nothing of histories.
    pub(super) fn push_history(&self, offset: Offset, db: usize, pieces: &mut Vec<AofPiece>) {
        let db = db as u32;
        pieces.push(AofPiece::Select(db));
        let history =
            aof::History { id: *self.replication.history.id(), offset, db, unix_ms: self.now.unix_ms() };
        pieces.push(AofPiece::History(history, self.replication.history.ancestors().to_vec()));
    }

    /// Before the process ends: everything is appended, then the line that says so, and made durable. Whether that has happened.
    pub(crate) fn end_aof(&mut self) -> bool {
        if !self.aof.open || self.aof.phase != Phase::On {
            // What is being written for the first time is waited for.
            return self.aof.phase != Phase::Beginning || self.aof.rewrite.is_none();
        }
        let end = self.replication.log.end();
        if self.aof.ended_at != Some(end) {
            if self.aof.write_error.is_some() {
                return false;
            }
            let mut pieces = self.pieces_up_to(end);
            let db = self.replication.stream_db() as u32;
            let replica = self.replication.is_replica();
            pieces.push(AofPiece::End { offset: end, unix_ms: self.now.unix_ms(), db, replica });
            self.aof.ended_at = Some(end);
            self.aof.end_stands = false;
            self.append_batch(pieces, end, true, true);
            return false;
        }
        self.aof.end_stands
    }
}
