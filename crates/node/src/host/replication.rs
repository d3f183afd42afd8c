//! REPLICAOF, REPLCONF, PSYNC, ROLE, WAIT.

use psync::master::{
    Decision, FullReason, PsyncRequest, PsyncRequestError, Replconf, continue_line, decide, lineage_line,
};
use resp::Args;

use crate::aof::NO_FILE_TO_WAIT_FOR;
use crate::node::Node;
use crate::replication::feed::ReplicaFeed;
use crate::replication::synclog::{Outcome, Side};
use crate::replication::upstream::Occasion;
use crate::session::{Blocked, Peer, Session};

/// REPLICAOF host port | NO ONE
pub(crate) fn replicaof(node: &mut Node, session: &mut Session, args: Args<'_>) {
    if node.replication.failover.is_some() {
        return session.reply.error("ERR REPLICAOF not allowed while failing over.");
    }
    if args.at(1).eq_ignore_ascii_case(b"no") && args.at(2).eq_ignore_ascii_case(b"one") {
        if node.replication.is_replica() {
            node.promote();
            node.note_replicaof();
            tracing::info!("MASTER MODE enabled (user request from {})", session.peer.addr);
        }
        node.accept_loss("REPLICAOF NO ONE says that this is the master, as it is");
        return session.reply.ok();
    }
    let Ok(host) = std::str::from_utf8(args.at(1)) else {
        return session.reply.error("ERR Invalid master host");
    };
    let port = std::str::from_utf8(args.at(2)).ok().and_then(|text| text.parse::<i64>().ok());
    let Some(port) = port else {
        return session.reply.error(commands::errors::NOT_INTEGER);
    };
    // A port of 0 is as good as any on which nobody listens.
    let Ok(port) = u16::try_from(port) else {
        return session.reply.error("ERR Invalid master port");
    };
    if let Some(upstream) = &node.replication.upstream
        && upstream.host.eq_ignore_ascii_case(host)
        && upstream.port == port
    {
        return if node.permit_full_sync() {
            session.reply.ok();
        } else {
            session.reply.simple("OK Already connected to specified master");
        };
    }
    node.follow(host, port, Occasion::Commanded);
    node.note_replicaof();
    tracing::info!("REPLICAOF {host}:{port} enabled (user request from {})", session.peer.addr);
    session.reply.ok();
}

/// ROLE
pub(crate) fn role(node: &mut Node, session: &mut Session, _: Args<'_>) {
    let reply = &mut session.reply;
    let offset = node.replication.log.end().0 as i64;
    if let Some(upstream) = &node.replication.upstream {
        reply.array(5);
        reply.bulk(b"slave");
        reply.bulk(upstream.host.as_bytes());
        reply.int(i64::from(upstream.port));
        reply.bulk(upstream.state().name().as_bytes());
        reply.int(if upstream.is_up() { offset } else { -1 });
        return;
    }
    let replicas: Vec<(String, u16, i64)> = node
        .feeds()
        .filter(|(_, feed)| feed.state.is_online())
        .map(|(session, feed)| {
            let acked = feed.state.acked().map_or(0, |acked| acked.0 as i64);
            (replica_ip(session, feed), feed.state.listening_port(), acked)
        })
        .collect();
    reply.array(3);
    reply.bulk(b"master");
    reply.int(offset);
    reply.array(replicas.len());
    for (ip, port, acked) in replicas {
        reply.array(3);
        reply.bulk(ip.as_bytes());
        reply.bulk_int(i64::from(port));
        reply.bulk_int(acked);
    }
}

/// The address a replica is shown with: the one it announces, or the one it comes from.
pub(crate) fn replica_ip(session: &Session, feed: &ReplicaFeed) -> String {
    replica_ip_of(&session.peer, feed)
}

fn replica_ip_of(peer: &Peer, feed: &ReplicaFeed) -> String {
    match feed.state.announced_ip() {
        Some(ip) => ip.to_owned(),
        None => peer
            .addr
            .rsplit_once(':')
            .map_or("", |(ip, _)| ip.trim_start_matches('[').trim_end_matches(']'))
            .to_owned(),
    }
}

/// REPLCONF option value …
pub(crate) fn replconf(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let now_ms = node.now.mono_ms();
    let feed = session.replica.get_or_insert_with(|| Box::new(ReplicaFeed::new(now_ms)));
    match feed.state.replconf(now_ms, args.from(1).iter()) {
        Ok(Replconf::Ok) => session.reply.ok(),
        Ok(Replconf::Ack { starts_stream }) => {
            let conn = session.conn;
            feed.note_lag(&node.replication.growth, now_ms);
            if feed.state.is_online() {
                let backlog = node.config.settings().repl_backlog_size;
                feed.look_whether_up(node.replication.log.end(), backlog);
            }
            if starts_stream {
                tracing::info!("Synchronization with replica {} succeeded", session.peer.addr);
                if let Some(record) = feed.record.take() {
                    node.replication.sync_log.end(record, node.now, Outcome::Done);
                }
                node.refresh_gate();
            }
            node.acks.push(conn);
        }
        Ok(Replconf::Lineage(offers)) => {
            let replication = &node.replication;
            let line =
                lineage_line(&offers, &replication.history, &replication.log, |at| node.reach_covers(at));
            session.reply.raw(&line);
        }
        Ok(Replconf::RdbClient(client)) if node.replication.channels.expects(client) => session.reply.ok(),
        Ok(Replconf::RdbClient(client)) => {
            session.reply.error(&format!("ERR Unrecognized RDB client id {client}"));
        }
        Ok(Replconf::GetAck) => {}
        Err(error) => session.reply.error(&format!("ERR {error}")),
    }
}

/// PSYNC replication-id offset [FAILOVER], and SYNC
pub(crate) fn psync(node: &mut Node, session: &mut Session, args: Args<'_>) {
    if session.is_replica() {
        return;
    }
    if session.transaction.is_some() {
        return session.reply.error("ERR Command not allowed inside a transaction");
    }
    if session.reply_pending() > 0 {
        return session.reply.error("ERR SYNC and PSYNC are invalid with pending output");
    }
    let legacy = args.at(0).eq_ignore_ascii_case(b"sync");
    let request = match (!legacy).then(|| PsyncRequest::parse(args.from(1).iter())).transpose() {
        Ok(request) => request,
        Err(error) => {
            if error == PsyncRequestError::NotANumber {
                tracing::warn!(
                    "Replica {} asks for synchronization but with a wrong offset",
                    session.peer.addr
                );
            }
            return session.reply.error(&format!("ERR {error}"));
        }
    };
    if let Some(request) = request.as_ref().filter(|request| request.failover)
        && let Err(error) = node.take_role_over(request, &session.peer.addr)
    {
        return session.reply.error(error);
    }
    if node.replication.upstream.as_ref().is_some_and(|upstream| !upstream.is_up()) {
        return session.reply.error("NOMASTERLINK Can't SYNC while not connected with my master");
    }
    let now_ms = node.now.mono_ms();
    if node.replication.is_resting(now_ms) {
        node.replication.end_rest();
        node.env.expiry = node.expiry_mode();
        // What was over when the snapshot was loaded is deleted before anything else: those who follow are told.
        node.expire_what_is_over();
    }
    let feed = session.replica.get_or_insert_with(|| Box::new(ReplicaFeed::new(now_ms)));
    let peer = match feed.state.listening_port() {
        0 => session.peer.addr.clone(),
        port => format!("{}:{port}", replica_ip_of(&session.peer, feed)),
    };
    feed.peer.clone_from(&peer);
    node.replication.spill.came_back(&peer);
    let channel = feed.state.payload_channel();
    if let (Some(client), Some(request)) = (feed.state.rdb_client(), &request) {
        return match node.main_connection_comes(session, request, client) {
            Ok(()) => node.refresh_gate(),
            Err(error) => session.reply.error(&format!("ERR {error}")),
        };
    }
    let mut reason = "a SYNC, which says nothing of a history".to_owned();
    let mut backlog_needed = None;
    if let Some(request) = request.filter(|_| channel.is_none()) {
        // A history that begins now can't be the one that is asked for: its id is new.
        node.replication.begin_logging(&mut node.rng);
        let decision =
            decide(&request, feed.state.capabilities(), &node.replication.history, &node.replication.log);
        let decision = match decision {
            Decision::Full { reason: FullReason::TooOld { applied, .. } } if node.reach_covers(applied) => {
                let reply = continue_line(node.replication.history.id(), feed.state.capabilities());
                Decision::Continue { reply, from: applied }
            }
            decision => decision,
        };
        match decision {
            Decision::Continue { from, .. } if !node.can_follow_from(&feed.state, from) => {
                reason = "the log holds commands that this replica's version does not know".to_owned();
                node.stats.sync_partial_err += 1;
                tracing::info!("Partial resynchronization not accepted for replica {peer}: {reason}");
            }
            Decision::Continue { reply, from } => {
                if feed.state.continue_from(now_ms, from).is_err() {
                    return session.reply.error("ERR PSYNC has no place here");
                }
                feed.sent = from;
                let reaches_back = from < node.replication.log.first();
                feed.reach = reaches_back.then(Default::default);
                session.reply.raw(&reply);
                node.replication.name_is_told();
                node.stats.sync_partial_ok += 1;
                let missing = node.replication.log.end().since(from);
                let text = if reaches_back {
                    let older = node.replication.log.first().since(from);
                    format!(
                        "the append only files hold the {missing} bytes that were missing, {older} of which memory does not"
                    )
                } else {
                    format!("the log covers the {missing} bytes that were missing")
                };
                let log = &mut node.replication.sync_log;
                let record = log.begin(node.now, Side::ToReplica, &peer, false, text);
                if let Some(record) = log.get_mut(record) {
                    record.bytes = missing;
                }
                if reaches_back {
                    feed.record = Some(record);
                } else {
                    log.end(record, node.now, Outcome::Done);
                }
                node.replication.replicas.push(session.conn);
                if reaches_back {
                    node.begin_reaching_back();
                }
                tracing::info!(
                    "Partial resynchronization request from {} accepted. Sending {} bytes of backlog starting from offset {}.",
                    session.peer.addr,
                    node.replication.log.end().0 - from.0,
                    from.0 + 1
                );
                node.refresh_gate();
                return;
            }
            Decision::Full { reason: why } => {
                reason = why.to_string();
                if let FullReason::TooOld { applied, .. } = why {
                    if let Some(files) = node.why_out_of_reach() {
                        reason = format!("{reason}; {files}");
                    }
                    backlog_needed = Some(node.replication.log.end().since(applied));
                }
                if request.id.is_some() {
                    node.stats.sync_partial_err += 1;
                    tracing::info!(
                        "Partial resynchronization not accepted for replica {}: {reason}",
                        session.peer.addr
                    );
                } else {
                    tracing::info!("Full resync requested by replica {}", session.peer.addr);
                }
            }
        }
    }
    if let Some(error) = session.replica.as_ref().and_then(|feed| node.snapshot_refusal(&feed.state)) {
        tracing::warn!("Replica {peer} is refused: {error}");
        return session.reply.error(error);
    }
    let tool = session.replica.as_ref().is_some_and(|feed| feed.state.rdb_only()) && channel.is_none();
    if node.withholds_syncs() && !tool {
        tracing::info!("SYNC GUARD: replica {peer} is not given the empty dataset of this instance");
        return session.reply.error(WITHHELD);
    }
    if let Some(form) = channel {
        match node.payload_connection_comes(session, form) {
            Ok(known) => (reason, backlog_needed) = known,
            Err(error) => return session.reply.error(&format!("ERR {error}")),
        }
    } else if !legacy && node.send_to_second_connection(session, &reason, backlog_needed) {
        return;
    }
    node.replication.begin_logging(&mut node.rng);
    node.stats.sync_full += 1;
    let log = &mut node.replication.sync_log;
    let record = log.begin(node.now, Side::ToReplica, &peer, true, reason);
    if let Some(record) = log.get_mut(record) {
        record.backlog_needed = backlog_needed;
    }
    if let Some(feed) = &mut session.replica {
        feed.record = Some(record);
    }
    node.replica_needs_snapshot(session, legacy);
    node.syncs_requested = true;
}

/// A replica that hears this comes again later and keeps what it has, of whatever make it is.
const WITHHELD: &str = "NOMASTERLINK This instance has come up without the data that it held, and does not hand out an empty dataset. \
REPLICAOF NO ONE here says that it is wanted";

/// WAIT numreplicas timeout
pub(crate) fn wait(node: &mut Node, session: &mut Session, args: Args<'_>) {
    if node.replication.is_replica() {
        return session.reply.error(
            "ERR WAIT cannot be used with replica instances. Please also note that writes to replicas are just local and are \
             not propagated.",
        );
    }
    let number =
        |index: usize| std::str::from_utf8(args.at(index)).ok().and_then(|text| text.parse::<i64>().ok());
    let Some(replicas) = number(1) else {
        return session.reply.error("ERR value is not an integer or out of range");
    };
    wait_until(node, session, replicas, None, number(2));
}

/// WAITAOF numlocal numreplicas timeout
pub(crate) fn waitaof(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let number =
        |index: usize| std::str::from_utf8(args.at(index)).ok().and_then(|text| text.parse::<i64>().ok());
    let Some(local) = number(1).and_then(|local| u8::try_from(local).ok()).filter(|local| *local <= 1) else {
        return session.reply.error("ERR value is out of range, must be between 0 and 1");
    };
    let Some(replicas) = number(2).filter(|replicas| *replicas >= 0) else {
        return session.reply.error("ERR value is out of range, must be positive");
    };
    if node.replication.is_replica() {
        return session.reply.error(
            "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local and are \
             not propagated.",
        );
    }
    if local > 0 && node.aof.is_off() {
        return session.reply.error(NO_FILE_TO_WAIT_FOR);
    }
    wait_until(node, session, replicas, Some(local), number(3));
}

/// Waits until what the client has written last is where it shall be.
fn wait_until(
    node: &mut Node,
    session: &mut Session,
    replicas: i64,
    local: Option<u8>,
    timeout_ms: Option<i64>,
) {
    let Some(timeout_ms) = timeout_ms else {
        return session.reply.error("ERR timeout is not an integer or out of range");
    };
    if timeout_ms < 0 {
        return session.reply.error("ERR timeout is negative");
    }
    // The end of the time must be a time.
    if i64::try_from(node.now.unix_ms()).is_ok_and(|now| now.checked_add(timeout_ms).is_none()) {
        return session.reply.error("ERR timeout is out of range");
    }
    let offset = session.written_offset();
    let reached = node.reached(offset, local);
    // Inside a transaction nothing can be waited for.
    if reached.is_enough(replicas, local) || session.in_exec {
        return reached.reply(&mut session.reply);
    }
    let deadline_ms = (timeout_ms > 0).then(|| node.now.mono_ms().saturating_add(timeout_ms as u64));
    session.blocked = Some(Blocked::Wait { offset, replicas, local, deadline_ms });
    node.wait.clients.push(session.conn);
    node.ask_for_acks();
}

/// How far something that was written has got.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reached {
    replicas: i64,
    /// The own file, where that counts.
    local: Option<u8>,
}

impl Reached {
    fn is_enough(self, replicas: i64, local: Option<u8>) -> bool {
        self.replicas >= replicas && self.local >= local
    }

    pub fn reply(self, out: &mut resp::ReplyBuf) {
        if let Some(local) = self.local {
            out.array(2);
            out.int(i64::from(local));
        }
        out.int(self.replicas);
    }
}

impl Node {
    /// Makes the configuration say which master is followed: CONFIG GET and CONFIG REWRITE show it.
    pub(crate) fn note_replicaof(&mut self) {
        let text = match &self.replication.upstream {
            Some(upstream) => format!("{} {}", upstream.host, upstream.port),
            None => String::new(),
        };
        if let Err(error) = self.config.force("replicaof", &text) {
            tracing::warn!("The configuration does not take replicaof '{text}': {error}");
        }
    }

    /// Where the log up to this offset has got: to how many replicas, or into how many files of theirs and into the own one.
    pub(crate) fn reached(&self, offset: backlog::Offset, local: Option<u8>) -> Reached {
        match local {
            None => Reached { replicas: self.replicas_at(offset) as i64, local: None },
            Some(_) => Reached {
                replicas: self.files_at(offset) as i64,
                local: Some(u8::from(self.synced_offset().is_some_and(|synced| synced >= offset))),
            },
        }
    }

    /// Asks all replicas how far they are.
    pub(crate) fn ask_for_acks(&mut self) {
        // In a failover the end of the log stands still until a replica has reached it; acknowledgements come anyway.
        if !self.replication.replicas.is_empty() && self.replication.failover.is_none() {
            self.replication.log_control(&[b"REPLCONF", b"GETACK", b"*"]);
        }
    }

    /// Answers those whose replicas have acknowledged, or whose time is over.
    pub(crate) fn serve_waiting(&mut self) {
        if self.wait.clients.is_empty() {
            return;
        }
        let now_ms = self.now.mono_ms();
        for conn in self.wait.clients.clone() {
            let Some(session) = self.session(conn) else { continue };
            let Some(Blocked::Wait { offset, replicas, local, deadline_ms }) = session.blocked else {
                continue;
            };
            let reached = self.reached(offset, local);
            if reached.is_enough(replicas, local) || deadline_ms.is_some_and(|deadline| now_ms >= deadline) {
                self.wait.clients.retain(|&other| other != conn);
                self.unblock(conn, |session| reached.reply(&mut session.reply));
            }
        }
    }

    /// The role changes: what clients wait for will not come.
    pub(crate) fn unblock_waiting(&mut self, error: &str) {
        for conn in std::mem::take(&mut self.wait.clients) {
            self.unblock(conn, |session| session.reply.error(error));
        }
    }
}
