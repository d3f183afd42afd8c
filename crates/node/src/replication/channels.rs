//! The master's side of full synchronisations that use two connections: one for the payload, one for the stream. Which of them belong
//! together, and what becomes of one when the other ends, [`psync::master::Channels`] knows.

use backlog::{Offset, ReplicationId};
use psync::ChannelForm;
use psync::master::{
    DUAL_CHANNEL_LINE, Decision, PsyncRequest, decide, end_offset_line, full_resync_line, rdb_channel_line,
};

use super::feed::ReplicaFeed;
use crate::action::ConnId;
use crate::node::Node;
use crate::session::Session;

/// A replica whose payload was through before it has asked for the stream may do so for so long. The log is kept for it meanwhile.
const GRACE_MS: u64 = 60_000;
/// The reasons of so many replicas are kept; the oldest are forgotten first.
const MAX_REASONS: usize = 64;

/// Why a replica needs a snapshot, between its request over one connection and the one over the other.
#[derive(Default)]
pub(crate) struct Reasons(Vec<(String, String, Option<u64>)>);

impl Reasons {
    fn note(&mut self, peer: &str, reason: String, backlog_needed: Option<u64>) {
        self.0.retain(|(name, ..)| name != peer);
        if self.0.len() == MAX_REASONS {
            self.0.remove(0);
        }
        self.0.push((peer.to_owned(), reason, backlog_needed));
    }

    fn take(&mut self, peer: &str) -> Option<(String, Option<u64>)> {
        let index = self.0.iter().position(|(name, ..)| name == peer)?;
        let (_, reason, backlog_needed) = self.0.remove(index);
        Some((reason, backlog_needed))
    }
}

impl Node {
    /// In which way a replica that needs a snapshot is to get it over another connection, if so: it can, and the settings say so. What
    /// goes to a file first goes over one connection.
    fn second_connection_for(&self, feed: &ReplicaFeed) -> Option<ChannelForm> {
        let settings = self.config.settings();
        let state = &feed.state;
        let capabilities = state.capabilities();
        if !settings.repl_diskless_sync
            || !capabilities.eof
            || state.rdb_only()
            || state.listening_port() == 0
        {
            return None;
        }
        if settings.repl_rdb_channel && capabilities.rdb_channel {
            Some(ChannelForm::Redis)
        } else if settings.dual_channel_replication_enabled && capabilities.dual_channel {
            Some(ChannelForm::Valkey)
        } else {
            None
        }
    }

    /// Sends a replica that needs a snapshot to another connection for it; whether it was.
    pub(crate) fn send_to_second_connection(
        &mut self,
        session: &mut Session,
        reason: &str,
        backlog_needed: Option<u64>,
    ) -> bool {
        let Some(form) = session.replica.as_ref().and_then(|feed| self.second_connection_for(feed)) else {
            return false;
        };
        let Some(feed) = &mut session.replica else { return false };
        let now_ms = self.now.mono_ms();
        tracing::info!("Replica {} is to take its snapshot over a second connection: {reason}", feed.peer);
        self.replication.reasons.note(&feed.peer, reason.to_owned(), backlog_needed);
        match form {
            ChannelForm::Redis => {
                if feed.state.wait_channel(now_ms).is_err() {
                    return false;
                }
                let until_ms = now_ms + self.config.settings().repl_timeout * 1000;
                self.replication.channels.open(session.conn, session.id, until_ms);
                self.replication.replicas.push(session.conn);
                session.reply.raw(&rdb_channel_line(session.id));
            }
            ChannelForm::Valkey => session.reply.raw(DUAL_CHANNEL_LINE),
        }
        true
    }

    /// A connection asks for a payload whose stream goes over another one. Gives why it is needed, and the backlog that would have
    /// spared it.
    pub(crate) fn payload_connection_comes(
        &mut self,
        session: &mut Session,
        form: ChannelForm,
    ) -> Result<(String, Option<u64>), String> {
        let Some(feed) = &mut session.replica else { return Err("no replica".to_owned()) };
        match form {
            ChannelForm::Redis => {
                let client = feed.state.main_client().unwrap_or(0);
                let main = self.replication.channels.join(client, session.conn).map_err(|e| e.to_string())?;
                if let Some(main) = self.session(main).and_then(|session| session.replica.as_deref()) {
                    feed.state.belongs_to(&main.state);
                }
            }
            ChannelForm::Valkey => self.replication.channels.arrive(session.conn, session.id),
        }
        let known = self.replication.reasons.take(&feed.peer);
        Ok(known.unwrap_or_else(|| ("the payload alone was asked for".to_owned(), None)))
    }

    /// A connection asks for the stream that belongs to a payload (Valkey's form).
    pub(crate) fn main_connection_comes(
        &mut self,
        session: &mut Session,
        request: &PsyncRequest,
        client: u64,
    ) -> Result<(), String> {
        let Some(feed) = &mut session.replica else { return Err("no replica".to_owned()) };
        let decision =
            decide(request, feed.state.capabilities(), &self.replication.history, &self.replication.log);
        let Decision::Continue { reply, from } = decision else {
            return Err(format!("the log does not cover what follows the payload of client {client}"));
        };
        let (at, payload) =
            self.replication.channels.attach(client, session.conn).map_err(|error| error.to_string())?;
        let now_ms = self.now.mono_ms();
        if from != at || feed.state.stream_beside(now_ms, at).is_err() {
            self.channel_gone(session.conn);
            return Err(format!("the payload of client {client} stands at {at}, not at {from}"));
        }
        feed.sent = at;
        session.reply.raw(&reply);
        self.replication.replicas.push(session.conn);
        if let Some(payload) = payload.and_then(|conn| self.feed_mut(conn)) {
            share_record(payload, feed);
        }
        self.stats.sync_partial_ok += 1;
        tracing::info!("Replica {} takes the stream from {at} beside its snapshot", feed.peer);
        Ok(())
    }

    /// Tells a replica where its snapshot stands.
    pub(super) fn announce(&mut self, session: &mut Session, at: Offset) {
        let db = self.replication.stream_db;
        let id: ReplicationId = *self.replication.history.id();
        let Some(feed) = &mut session.replica else { return };
        if feed.state.announce(at).is_err() {
            return;
        }
        feed.sent = at;
        if feed.state.payload_channel() == Some(ChannelForm::Valkey) {
            session.reply.raw(&end_offset_line(&id, at, db, session.id));
        } else if !feed.state.is_legacy() {
            session.reply.raw(&full_resync_line(&id, at));
        }
    }

    /// The snapshot for this connection begins: so does the stream over the other one, if it has one.
    pub(super) fn stream_begins_beside(&mut self, conn: ConnId, at: Offset) {
        let Some(main) = self.replication.channels.begins(conn, at) else { return };
        let now_ms = self.now.mono_ms();
        let Some(mut session) = self.take_session(main) else { return };
        if let Some(feed) = &mut session.replica
            && feed.state.stream_beside(now_ms, at).is_ok()
        {
            feed.sent = at;
            if let Some(payload) = self.feed_mut(conn) {
                share_record(payload, feed);
            }
        }
        self.slots[main.slot()].slot = crate::connections::Slot::Client(session);
        self.list_writable(main);
    }

    /// The whole payload has been written to a connection that was for nothing else.
    pub(super) fn payload_delivered(&mut self, conn: ConnId, bytes: u64) {
        let until_ms = self.now.mono_ms() + GRACE_MS;
        let form = self.feed_mut(conn).and_then(|feed| feed.form);
        if let Some(main) = self.replication.channels.completes(conn, until_ms)
            && let Some(feed) = self.feed_mut(main)
        {
            (feed.form, feed.payload_sent) = (form, bytes);
        }
        self.close_client(conn);
    }

    /// One of the connections of a synchronisation has ended: closes the other, if it is of no use alone.
    pub(super) fn channel_gone(&mut self, conn: ConnId) {
        if let Some(other) = self.replication.channels.gone(conn) {
            tracing::warn!("A full synchronisation has lost one of its connections, the other is closed");
            self.close_client(other);
        }
    }

    /// Closes connections that have waited for too long for the other one of their replica.
    pub(super) fn give_up_late_channels(&mut self) {
        let waiting = self.replication.channels.waiting();
        for conn in self.replication.channels.tick(self.now.mono_ms()) {
            tracing::warn!("A replica did not come for its snapshot over a second connection");
            self.close_client(conn);
        }
        if self.replication.channels.waiting() < waiting {
            tracing::warn!("Replica main channel failed to establish PSYNC within the grace period");
        }
    }
}

/// The synchronisation is over when the replica has acknowledged, which it does over its main connection.
fn share_record(payload: &mut ReplicaFeed, main: &mut ReplicaFeed) {
    main.record = payload.record;
    payload.record_shared = true;
}
