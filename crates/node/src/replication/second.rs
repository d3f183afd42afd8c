//! The replica's side of full synchronisations that use two connections: the payload comes over the second one and goes to the
//! loader, while the stream that follows it comes over the main one and is kept here, up to a limit, instead of at the master.
//!
//! Both connections have to last until the payload is complete, and the main one until it is loaded. If one of them ends before, both
//! are given up, with the loader and what was kept of the stream; data and identity are what they were before.

use psync::replica::{LinkError, PayloadLink, PayloadLinkEvent, PayloadRequest, Resume, StreamBuffer};

use crate::action::{Action, ConnId};
use crate::connections::Slot;
use crate::node::Node;
use crate::session::Peer;

/// Of the stream that was kept, so much is applied before clients get their turn again.
const APPLIED_AT_ONCE: usize = 256 * 1024;

/// The connection for the payload.
pub(crate) struct Second {
    pub conn: ConnId,
    pub link: PayloadLink,
}

impl Node {
    /// The master sends the payload over another connection: makes that.
    pub(super) fn open_second_connection(&mut self, request: PayloadRequest) {
        let conn = self.new_conn();
        self.slots[conn.slot()].slot = Slot::UpstreamPayload;
        let (now_ms, settings) = (self.now.mono_ms(), self.config.settings());
        let (bind_source, timeout_ms) = (settings.bind_source_addr.clone(), settings.repl_timeout * 1000);
        let tls = settings.tls_replication;
        let Some(upstream) = &mut self.replication.upstream else { return };
        let Some(link) = &upstream.link else { return };
        tracing::info!("PSYNC is not possible, initialize RDB channel.");
        let payload = PayloadLink::new(link.config().clone(), request, now_ms);
        upstream.second = Some(Box::new(Second { conn, link: payload }));
        upstream.buffer = StreamBuffer::default();
        upstream.buffer_full = false;
        let (host, port) = (upstream.host.clone(), upstream.port);
        self.actions.push(Action::Connect { conn, host, port, timeout_ms, bind_source, tls });
    }

    /// The connection for the payload is made, or could not be.
    pub(super) fn payload_connection_made(&mut self, conn: ConnId, result: Result<Peer, String>) {
        let now_ms = self.now.mono_ms();
        let Some(second) = self.second() else { return };
        match result.map(|_| second.link.connected(now_ms)) {
            Ok(Ok(())) => self.list_writable(conn),
            Ok(Err(error)) => self.upstream_failed(&error),
            Err(error) => {
                self.payload_given_up(&format!("no connection for the payload: {error}"));
            }
        }
    }

    /// The connection for the payload has ended before that was complete: without it the stream is of no use.
    pub(crate) fn payload_connection_lost(&mut self) {
        self.payload_given_up("the connection for the payload was lost");
    }

    fn payload_given_up(&mut self, why: &str) {
        self.upstream_failed(&LinkError::SyncAborted { reply: why.to_owned() });
    }

    /// Bytes that came over the connection for the payload.
    pub(crate) fn payload_connection_input(&mut self, mut data: &[u8]) {
        self.stats.net_repl_in += data.len() as u64;
        let now_ms = self.now.mono_ms();
        while let Some(second) = self.second() {
            match second.link.step(now_ms, &mut data) {
                Ok(Some(PayloadLinkEvent::Position { id, offset, db, client })) => {
                    if self.another_name_is_worth_a_try(&id) {
                        return self.close_link(0);
                    }
                    self.full_sync_begins(id, offset, false);
                    let Some(upstream) = &mut self.replication.upstream else { return };
                    if let Some(sync) = &mut upstream.sync {
                        sync.stream_db = db;
                    }
                    let attached = match (client, &mut upstream.link) {
                        (Some(client), Some(link)) => {
                            link.attach(now_ms, client, Resume { id, applied: offset })
                        }
                        _ => Ok(()),
                    };
                    if let Err(error) = attached {
                        return self.upstream_failed(&error);
                    }
                    self.list_upstream_output();
                }
                Ok(Some(PayloadLinkEvent::Start(len))) => self.payload_begins(len),
                Ok(Some(PayloadLinkEvent::Piece(bytes))) => self.payload(&bytes),
                Ok(Some(PayloadLinkEvent::End)) => {
                    self.payload_ends();
                    return self.close_second();
                }
                Ok(None) => break,
                Err(error) => return self.upstream_failed(&error),
            }
        }
        if let Some(second) = self.second()
            && !second.link.transmit().is_empty()
        {
            let conn = second.conn;
            self.list_writable(conn);
        }
    }

    pub(crate) fn payload_connection_output(&self, conn: ConnId) -> &[u8] {
        let second = self.replication.upstream.as_ref().and_then(|upstream| upstream.second.as_ref());
        second.filter(|second| second.conn == conn).map_or(&[], |second| second.link.transmit())
    }

    pub(crate) fn payload_connection_written(&mut self, n: usize) {
        if let Some(second) = self.second() {
            second.link.transmitted(n);
        }
    }

    fn second(&mut self) -> Option<&mut Second> {
        self.replication.upstream.as_mut()?.second.as_deref_mut()
    }

    /// The connection for the payload has done its duty, or there is nothing any more that it could do.
    fn close_second(&mut self) {
        let second = self.replication.upstream.as_mut().and_then(|upstream| upstream.second.take());
        if let Some(second) = second {
            self.actions.push(Action::Close(second.conn));
            self.free_conn(second.conn);
        }
    }

    /// The link to the master is given up: so is everything beside it.
    pub(super) fn forget_second(&mut self) {
        self.close_second();
        let Some(upstream) = &mut self.replication.upstream else { return };
        upstream.buffer_full = false;
        if !upstream.buffer.is_empty() {
            let stream = upstream.buffer.take();
            self.free_stream(stream);
        }
    }

    // ---- the stream beside the payload ---------------------------------------------------------

    /// A piece of the stream: it is applied, unless what comes before it is not.
    pub(super) fn take_stream(&mut self, bytes: &[u8]) {
        let limit = self.stream_buffer_limit();
        let Some(upstream) = &mut self.replication.upstream else { return };
        let loaded = upstream.link.as_ref().is_some_and(|link| !link.is_beside());
        if loaded && upstream.buffer.is_empty() {
            return self.apply_stream(bytes);
        }
        upstream.buffer.push(bytes);
        if !upstream.buffer_full
            && upstream.buffer.len() as u64 >= limit
            && let Some(conn) = upstream.conn
        {
            tracing::info!(
                "Replication buffer limit reached ({limit} bytes), stopping buffering. The master keeps what follows"
            );
            upstream.buffer_full = true;
            self.actions.push(Action::PauseReading(conn));
        }
    }

    /// How much of the stream is kept beside a payload.
    fn stream_buffer_limit(&self) -> u64 {
        let settings = self.config.settings();
        let of_replicas = settings.client_output_buffer_limit[1].hard_bytes;
        [settings.replica_full_sync_buffer_limit, of_replicas]
            .into_iter()
            .find(|&limit| limit > 0)
            .unwrap_or(u64::MAX)
    }

    /// Whether there is stream that was kept and can be applied now.
    pub(crate) fn has_buffered_stream(&self) -> bool {
        let upstream = self.replication.upstream.as_ref();
        upstream.is_some_and(|upstream| upstream.is_up() && !upstream.buffer.is_empty())
            && !self.pause.is_active()
            && !self.gate.busy
    }

    /// Applies some of the stream that was kept.
    pub(crate) fn apply_buffered_stream(&mut self) {
        let mut applied = 0;
        while applied < APPLIED_AT_ONCE && self.has_buffered_stream() {
            let block = self.replication.upstream.as_mut().and_then(|upstream| upstream.buffer.pop());
            let Some(block) = block else { break };
            applied += block.len();
            self.apply_stream(&block);
        }
        let limit = self.stream_buffer_limit();
        let Some(upstream) = &mut self.replication.upstream else { return };
        if upstream.buffer_full
            && upstream.is_up()
            && (upstream.buffer.len() as u64) <= limit / 2
            && let Some(conn) = upstream.conn
        {
            upstream.buffer_full = false;
            self.actions.push(Action::ResumeReading(conn));
        }
        if applied > 0 {
            self.list_upstream_output();
        }
    }

    /// The master has granted the stream. If the payload was loaded before that, it was what the dataset has waited for.
    pub(super) fn stream_was_granted(&mut self) {
        let Some(upstream) = &mut self.replication.upstream else { return };
        if upstream.link.as_ref().is_some_and(|link| link.is_beside())
            && let Some((job, loaded)) = upstream.waits_for_stream.take()
        {
            tracing::info!("The stream was granted after the payload was loaded");
            self.full_sync_loaded(job, Ok(loaded));
        }
    }
}
