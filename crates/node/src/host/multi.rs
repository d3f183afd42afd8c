//! Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH.

use resp::Args;

use crate::node::Node;
use crate::session::{Session, Transaction, Watched};

/// MULTI
pub(crate) fn multi(_: &mut Node, session: &mut Session, _: Args<'_>) {
    session.transaction = Some(Box::new(Transaction { db: session.db, ..Transaction::default() }));
    session.reply.ok();
}

/// DISCARD
pub(crate) fn discard(node: &mut Node, session: &mut Session, _: Args<'_>) {
    if session.transaction.take().is_none() {
        return session.reply.error("ERR DISCARD without MULTI");
    }
    node.unwatch(session);
    session.reply.ok();
}

/// EXEC
pub(crate) fn exec(node: &mut Node, session: &mut Session, _: Args<'_>) {
    let Some(transaction) = session.transaction.take() else {
        return session.reply.error("ERR EXEC without MULTI");
    };
    let stale = session.watch_broken || node.watched_key_expired(session);
    node.unwatch(session);
    if transaction.broken {
        return session.reply.error("EXECABORT Transaction discarded because of previous errors.");
    }
    if stale {
        return session.reply.null_array();
    }
    session.reply.array(transaction.queue.len());
    node.replication.begin_transaction();
    session.in_exec = true;
    let exec = session.last_command;
    for (spec, args) in &transaction.queue {
        if session.unrestricted || node.admit_queued(session, spec, args.as_args(), exec) {
            node.call_timed(session, spec, args.as_args());
            if node.is_watched() {
                node.show_clients(session, spec, args.as_args());
            }
        }
    }
    // What the client has sent is EXEC: CLIENT LIST says so.
    session.last_command = exec;
    session.in_exec = false;
    node.replication.end_transaction();
    session.last_write = node.replication.log.end();
}

/// WATCH key [key …]
pub(crate) fn watch(node: &mut Node, session: &mut Session, args: Args<'_>) {
    // A transaction that is doomed already needs no more watches.
    if !session.watch_broken {
        for key in args.from(1).iter() {
            if session.watched.iter().any(|watched| watched.db == session.db && *watched.key == *key) {
                continue;
            }
            let expiry = node.keyspace.db(session.db).get(key).map(|entry| entry.expiry());
            let expired = expiry.flatten().is_some_and(|at| at < node.now.unix_ms());
            let existed = expiry.is_some() && !expired;
            session.watched.push(Watched { db: session.db, key: key.into(), existed, expired });
            node.watchers.add(session.db, key, session.conn);
        }
        node.note_waiting();
    }
    session.reply.ok();
}

/// UNWATCH
pub(crate) fn unwatch(node: &mut Node, session: &mut Session, _: Args<'_>) {
    node.unwatch(session);
    session.reply.ok();
}

impl Node {
    /// Ends all watches of a client.
    pub(crate) fn unwatch(&mut self, session: &mut Session) {
        session.watch_broken = false;
        for watched in session.watched.drain(..) {
            self.watchers.remove(watched.db, &watched.key, session.conn);
        }
        self.note_waiting();
    }

    /// Whether a watched key that was alive has expired since, deleted already or not.
    fn watched_key_expired(&self, session: &Session) -> bool {
        session.watched.iter().any(|watched| {
            let expiry = self.keyspace.db(watched.db).get(&watched.key).and_then(|entry| entry.expiry());
            !watched.expired && expiry.is_some_and(|at| at < self.now.unix_ms())
        })
    }
}
