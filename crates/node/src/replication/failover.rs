//! FAILOVER: a master hands its role over to one of its replicas, and no write is lost.
//!
//! Writes are held back until a replica has everything. Then the master becomes a replica of that one and asks it with its PSYNC to
//! take over, at the position where both stand. Until the answer has come nobody takes writes; if it is a refusal the master is one
//! again. If no answer comes, nobody knows whether the peer has taken over: it is asked again until it answers or an operator
//! decides (FAILOVER ABORT).

use backlog::Offset;
use psync::master::PsyncRequest;

use super::upstream::{NO_MASTER_ANY_MORE, Occasion, Upstream};
use crate::host::replication::replica_ip;
use crate::node::Node;

/// A replica as FAILOVER names it: the address and the port that INFO shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Target {
    pub host: String,
    pub port: u16,
}

/// A failover under way.
#[derive(Debug)]
pub(crate) struct Failover {
    /// Who is to take over; without one whoever has everything first.
    target: Option<Target>,
    /// When the time is over the target takes over, whether it has everything or not.
    force: bool,
    /// Until when the target may take to catch up (monotonic milliseconds).
    deadline_ms: Option<u64>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Waits for a replica to have everything.
    Waiting { question: Option<Question> },
    /// Is a replica of the target, which does not know that it is to be the master, or has not said so. With whether an earlier
    /// request has ended without an answer.
    HandingOver { unanswered: bool },
}

/// `REPLCONF GETACK` at the end of the log: replicas tell at once how far they are, instead of within a second.
#[derive(Clone, Copy, Debug)]
struct Question {
    /// Where it begins. The answer counts what is before it, and nothing behind it changes data.
    begin: Offset,
    end: Offset,
}

impl Failover {
    /// The word that INFO shows.
    pub fn info_name(&self) -> &'static str {
        match self.stage {
            Stage::Waiting { .. } => "waiting-for-sync",
            Stage::HandingOver { .. } => "failover-in-progress",
        }
    }
}

impl Node {
    /// Begins to hand the role over. Writes are held from now on; the rest happens when the round is over.
    pub(crate) fn begin_failover(&mut self, target: Option<Target>, force: bool, timeout_ms: Option<u64>) {
        let deadline_ms = timeout_ms.map(|timeout_ms| self.now.mono_ms().saturating_add(timeout_ms));
        let stage = Stage::Waiting { question: None };
        self.replication.failover = Some(Box::new(Failover { target, force, deadline_ms, stage }));
        self.pause.failover = true;
        self.env.expiry = self.expiry_mode();
        self.refresh_gate();
    }

    /// Looks whether a replica has everything, or whether the time for that is over.
    #[inline]
    pub(crate) fn continue_failover(&mut self) {
        if self.replication.failover.is_some() {
            self.wait_for_target();
        }
    }

    #[cold]
    fn wait_for_target(&mut self) {
        let Some(failover) = &self.replication.failover else { return };
        // A script that is being carried out may still write.
        let Stage::Waiting { question } = failover.stage else { return };
        if self.gate.busy {
            return;
        }
        if failover.deadline_ms.is_some_and(|deadline_ms| self.now.mono_ms() >= deadline_ms) {
            return match failover.target.clone().filter(|_| failover.force) {
                Some(target) => {
                    tracing::warn!("FAILOVER: time out exceeded, failing over. The target may lack writes.");
                    self.hand_over(target);
                }
                None => self.abort_failover("no replica has caught up in time"),
            };
        }
        if self.gate.migrating {
            return;
        }
        let end = self.replication.log.end();
        // Who has everything that changes data has everything.
        let enough = question.filter(|question| question.end == end).map_or(end, |question| question.begin);
        if let Some(target) = self.replica_with(enough) {
            return self.hand_over(target);
        }
        if enough == end {
            self.replication.log_control(&[b"REPLCONF", b"GETACK", b"*"]);
            let question = Question { begin: end, end: self.replication.log.end() };
            if let Some(failover) = &mut self.replication.failover {
                failover.stage = Stage::Waiting { question: Some(question) };
            }
        }
    }

    /// The target, or without one any replica, if it has acknowledged everything up to `offset`.
    fn replica_with(&self, offset: Offset) -> Option<Target> {
        let wanted = self.replication.failover.as_ref()?.target.as_ref();
        self.feeds()
            .filter(|(_, feed)| {
                feed.state.is_online() && feed.state.acked().is_some_and(|acked| acked >= offset)
            })
            .map(|(session, feed)| Target {
                host: replica_ip(session, feed),
                port: feed.state.listening_port(),
            })
            .find(|target| wanted.is_none_or(|wanted| wanted == target))
    }

    /// Becomes a replica of the target and asks it to take over. Our other replicas stay where they are until it has.
    fn hand_over(&mut self, target: Target) {
        tracing::info!("FAILOVER: handing over to {}:{}", target.host, target.port);
        self.abort_migrations(NO_MASTER_ANY_MORE);
        let upstream = Upstream::new(&target.host, target.port, self.now.mono_ms(), Occasion::Commanded);
        self.replication.upstream = Some(Box::new(upstream));
        if let Some(failover) = &mut self.replication.failover {
            failover.target = Some(target);
            failover.stage = Stage::HandingOver { unanswered: false };
        }
        self.role_changed();
        self.connect_upstream();
    }

    /// The target has taken over: this instance is its replica for good.
    pub(crate) fn failover_accepted(&mut self) {
        if self.replication.failover.take().is_none() {
            return;
        }
        tracing::info!("FAILOVER: the target has taken over");
        self.note_replicaof();
        self.end_waits_of_master();
        // They come back and learn which history this is now.
        self.disconnect_replicas();
        self.pause.failover = false;
        self.pause_ended();
    }

    /// The link to the target has ended before it has taken over, as far as one knows. `asked`: the request was sent; `reply`: what
    /// the target said, if it said anything.
    pub(crate) fn failover_link_ended(&mut self, asked: bool, why: &str, reply: Option<&str>) {
        let Some(failover) = &mut self.replication.failover else { return };
        let Stage::HandingOver { unanswered } = &mut failover.stage else { return };
        match reply {
            // It has become a master, and nobody but us has asked it to: the answer to that was lost.
            Some(reply) if asked && *unanswered && is_a_master(reply) => self.failover_accepted(),
            Some(_) if asked => {
                self.abort_failover(&format!("Failover target rejected psync request: {why}"))
            }
            _ if *unanswered => {}
            None if asked => {
                tracing::warn!("FAILOVER: the target may have taken over or not: it is asked again");
                *unanswered = true;
            }
            _ => self.abort_failover(&format!("the target does not hear us: {why}")),
        }
    }

    /// Gives a failover up: this instance is a master again. Under a new name if it was none meanwhile, because the target may have
    /// become one as well.
    pub(crate) fn abort_failover(&mut self, why: &str) {
        let Some(failover) = self.replication.failover.take() else { return };
        tracing::warn!("FAILOVER: aborted: {why}");
        if let Stage::HandingOver { .. } = failover.stage {
            self.promote();
        }
        self.pause.failover = false;
        if self.pause.release_due {
            self.env.expiry = self.expiry_mode();
            self.refresh_gate();
        } else {
            self.pause_ended();
        }
    }

    /// `PSYNC … FAILOVER` from the master of this replica: takes over, if both are in the same history.
    pub(crate) fn take_role_over(&mut self, request: &PsyncRequest, from: &str) -> Result<(), &'static str> {
        if !self.replication.is_replica() {
            return Err("ERR PSYNC FAILOVER can't be sent to a master.");
        }
        if request.id != Some(*self.replication.history.id()) {
            return Err("ERR PSYNC FAILOVER replid must match my replid.");
        }
        if self.replication.failover.is_some() {
            return Err("ERR PSYNC FAILOVER can't be sent to an instance that is handing over itself.");
        }
        self.promote();
        self.note_replicaof();
        tracing::info!("MASTER MODE enabled (failover request from {from})");
        Ok(())
    }
}

/// Whether a refusal says that the peer is a master.
fn is_a_master(reply: &str) -> bool {
    reply.contains("can't be sent to a ")
}
