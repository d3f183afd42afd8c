//! FAILOVER.

use resp::Args;

use commands::errors::{NOT_INTEGER, SYNTAX};

use super::replication::replica_ip;
use crate::node::Node;
use crate::replication::failover::Target;
use crate::session::Session;

/// FAILOVER [TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds]
pub(crate) fn failover(node: &mut Node, session: &mut Session, args: Args<'_>) {
    if args.len() == 2 && args.at(1).eq_ignore_ascii_case(b"abort") {
        return abort(node, session);
    }
    let request = match Request::parse(args.from(1)) {
        Ok(request) => request,
        Err(error) => return session.reply.error(error),
    };
    match request.begin(node) {
        Ok(()) => {
            tracing::info!("FAILOVER requested by {}", session.peer.addr);
            session.reply.ok();
        }
        Err(error) => session.reply.error(error),
    }
}

fn abort(node: &mut Node, session: &mut Session) {
    if node.replication.failover.is_none() {
        return session.reply.error("ERR No failover in progress.");
    }
    if session.in_exec {
        // What was held back must not run in the middle of this transaction.
        node.pause.release_due = true;
        node.next_tick_us = node.now.mono_us;
    }
    node.abort_failover("by FAILOVER ABORT");
    session.reply.ok();
}

/// What is asked for.
#[derive(Default)]
struct Request {
    target: Option<Target>,
    force: bool,
    timeout_ms: Option<u64>,
}

impl Request {
    fn parse(args: Args<'_>) -> Result<Request, &'static str> {
        let mut request = Request::default();
        let mut words = args.iter();
        while let Some(word) = words.next() {
            if word.eq_ignore_ascii_case(b"to") && request.target.is_none() {
                let (Some(host), Some(port)) = (words.next(), words.next()) else { return Err(SYNTAX) };
                let port = number(port).ok_or(NOT_INTEGER)?;
                // No replica has any other port, nor another host.
                let port = u16::try_from(port).unwrap_or(0);
                request.target = Some(Target { host: String::from_utf8_lossy(host).into_owned(), port });
            } else if word.eq_ignore_ascii_case(b"timeout") && request.timeout_ms.is_none() {
                let timeout_ms = number(words.next().ok_or(SYNTAX)?).ok_or(NOT_INTEGER)?;
                let timeout_ms = u64::try_from(timeout_ms).ok().filter(|&timeout_ms| timeout_ms > 0);
                request.timeout_ms = Some(timeout_ms.ok_or("ERR FAILOVER timeout must be greater than 0")?);
            } else if word.eq_ignore_ascii_case(b"force") && !request.force {
                request.force = true;
            } else {
                return Err(SYNTAX);
            }
        }
        Ok(request)
    }

    fn begin(self, node: &mut Node) -> Result<(), &'static str> {
        if node.replication.failover.is_some() {
            return Err("ERR FAILOVER already in progress.");
        }
        if node.replication.is_replica() {
            return Err("ERR FAILOVER is not valid when server is a replica.");
        }
        if node.replication.replicas.is_empty() {
            return Err("ERR FAILOVER requires connected replicas.");
        }
        if self.force && (self.timeout_ms.is_none() || self.target.is_none()) {
            return Err("ERR FAILOVER with force option requires both a timeout and target HOST and IP.");
        }
        if let Some(target) = &self.target {
            let found = node.feeds().find(|(session, feed)| {
                feed.state.listening_port() == target.port && replica_ip(session, feed) == target.host
            });
            match found {
                None => return Err("ERR FAILOVER target HOST and PORT is not a replica."),
                Some((_, feed)) if !feed.state.is_online() => {
                    return Err("ERR FAILOVER target replica is not online.");
                }
                Some(_) => {}
            }
        }
        node.begin_failover(self.target, self.force, self.timeout_ms);
        Ok(())
    }
}

fn number(word: &[u8]) -> Option<i64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
