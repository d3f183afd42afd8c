//! Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH.

use resp::Args;

use crate::node::Node;
use crate::session::{Blocked, ExecRest, Session, Transaction, Watched};

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
    let from = session.reply.buf.len();
    session.reply.array(transaction.queue.len());
    node.replication.begin_transaction();
    let exec = session.last_command;
    run_queue(node, session, ExecRest { queue: transaction.queue.into_iter(), from, held: Vec::new(), exec });
}

/// Executes the rest of a transaction; whether to the end. A script may take long: the rest waits for it.
fn run_queue(node: &mut Node, session: &mut Session, mut rest: ExecRest) -> bool {
    session.in_exec = true;
    while let Some((spec, args)) = rest.queue.next() {
        if session.unrestricted || node.admit_queued(session, spec, args.as_args(), rest.exec) {
            node.call_timed(session, spec, args.as_args());
            if node.is_watched() {
                node.show_clients(session, spec, args.as_args());
            }
        }
        if session.blocked == Some(Blocked::Script) {
            rest.held = session.reply.buf.split_off(rest.from);
            session.exec_rest = Some(Box::new(rest));
            return false;
        }
    }
    // What the client has sent is EXEC: CLIENT LIST says so.
    session.last_command = rest.exec;
    session.in_exec = false;
    if node.replication.end_transaction() {
        node.note_write(session);
    }
    true
}

/// Goes on with a transaction whose script has ended; whether to the end.
pub(crate) fn continue_exec(node: &mut Node, session: &mut Session, rest: ExecRest) -> bool {
    let (exec, from) = (rest.exec, rest.from);
    let whole = run_queue(node, session, rest);
    if whole && let Some(spec) = exec {
        let index = node.registry.index(spec);
        node.count_call(session, index, from);
    }
    whole
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
