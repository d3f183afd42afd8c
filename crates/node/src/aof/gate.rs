//! Who may be told of what: a reply waits until what its client has written stands in the file, with `appendfsync always` until that is
//! durable.
//!
//! What is in the history is known by its offset. What clients write to a replica is in none, and known by the number of the batch that
//! takes it to the file.

use backlog::Offset;

use super::Phase;
use crate::action::ConnId;
use crate::connections::Slot;
use crate::node::Node;
use crate::session::Session;

/// Behind all offsets: what the client has written is known by the number of its batch.
const BY_BATCH: Offset = Offset(u64::MAX);

impl Session {
    /// Where its last write stands in the history, for WAIT.
    pub(crate) fn written_offset(&self) -> Offset {
        if self.last_write == BY_BATCH { Offset::ZERO } else { self.last_write }
    }
}

impl Node {
    /// A client has written something: its replies wait for that.
    #[inline]
    pub(crate) fn note_write(&self, session: &mut Session) {
        if self.replication.is_logging() {
            session.last_write = self.replication.log.end();
        } else {
            self.note_local_write(session);
        }
    }

    #[cold]
    fn note_local_write(&self, session: &mut Session) {
        if self.aof.phase == Phase::On && self.replication.records() {
            session.last_write = BY_BATCH;
            session.last_batch = self.aof.batches + 1;
        }
    }

    /// Works out anew who may be told of what.
    pub(crate) fn move_gate(&mut self) {
        let always = self.syncs_always();
        let aof = &mut self.aof;
        let before = (aof.gate, aof.batch_gate);
        (aof.gate, aof.batch_gate) = match aof.phase {
            Phase::Off | Phase::Beginning => (Offset(u64::MAX), u64::MAX),
            Phase::On if always => (aof.synced, aof.synced_batch),
            Phase::On => (aof.written, aof.written_batch),
        };
        if (aof.gate, aof.batch_gate) == before {
            return;
        }
        let mut held = std::mem::take(&mut aof.held);
        held.retain(|&conn| self.stays_held(conn));
        self.aof.held = held;
        for conn in self.replication.replicas.clone() {
            self.list_writable(conn);
        }
        self.serve_waiting();
        if self.persistence.shutdown.is_some() {
            self.continue_shutdown();
        }
    }

    fn stays_held(&mut self, conn: ConnId) -> bool {
        match self.slot_mut(conn) {
            // It is looked at when it is put back.
            Some(Slot::Busy) => return true,
            Some(Slot::Client(_)) => {}
            _ => return false,
        }
        if self.session(conn).is_some_and(|session| self.waits_for_file(session)) {
            return true;
        }
        let Some(session) = self.session_mut(conn) else { return false };
        session.held = false;
        if session.reply_pending() > 0 {
            // Named or not: the driver may have come for something, and found nothing, while it was held.
            session.listed = true;
            self.writable.push(conn);
        }
        false
    }

    fn waits_for_file(&self, session: &Session) -> bool {
        if session.last_write == BY_BATCH {
            session.last_batch > self.aof.batch_gate
        } else {
            // What lies beyond the end was written in a history that is gone.
            session.last_write > self.aof.gate && session.last_write <= self.replication.log.end()
        }
    }

    /// What a client has written may not be in the file yet: then its replies wait.
    #[cold]
    pub(crate) fn hold_replies(&mut self, session: &mut Session) {
        let waits = self.waits_for_file(session) && (session.held || session.reply_pending() > 0);
        if session.held == waits {
            return;
        }
        session.held = waits;
        if waits {
            self.aof.held.push(session.conn);
        } else {
            // The gate has moved while the session was in use.
            self.aof.held.retain(|&conn| conn != session.conn);
            session.listed = false;
        }
    }
}

#[cfg(test)]
mod tests;
