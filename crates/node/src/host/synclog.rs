//! REPLICATION: why the last synchronisations were what they were, and what this instance may continue.

use std::fmt::Write;

use resp::Args;

use crate::node::Node;
use crate::replication::synclog::{Outcome, SyncRecord};
use crate::session::Session;
use crate::time::Now;

/// REPLICATION WHY [count]: the last synchronisations, in both roles, the latest first.
pub(crate) fn why(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let count = match args.len() {
        2 => usize::MAX,
        3 => match std::str::from_utf8(args.at(2)).ok().and_then(|text| text.parse::<u32>().ok()) {
            Some(count) => count as usize,
            None => return session.reply.error(commands::errors::NOT_INTEGER),
        },
        _ => return session.reply.error("ERR wrong number of arguments for 'replication|why' command"),
    };
    let reply = &mut session.reply;
    reply.array(node.replication.sync_log.len().min(count));
    for record in node.replication.sync_log.iter().take(count) {
        write(reply, record, node.now);
    }
}

fn write(reply: &mut resp::ReplyBuf, record: &SyncRecord, now: Now) {
    let [prepare, transfer, load] = record.phases_ms(now);
    let failed = match &record.outcome {
        Outcome::Failed(why) => Some(why),
        _ => None,
    };
    let mut fields = 11;
    fields += usize::from(failed.is_some()) + usize::from(record.backlog_needed.is_some());
    reply.map(fields);
    let mut text = |name: &str, value: &str| {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    };
    text("side", record.side.name());
    text("peer", &record.peer);
    text("type", if record.full { "full" } else { "partial" });
    text("state", record.outcome.name());
    text("reason", &record.reason);
    if let Some(why) = failed {
        text("error", why);
    }
    let mut number = |name: &str, value: u64| {
        reply.bulk(name.as_bytes());
        reply.int(value as i64);
    };
    number("time-ms", record.began.unix_ms());
    number("bytes", record.bytes);
    number("duration-ms", record.total_ms(now));
    number("prepare-ms", prepare);
    number("transfer-ms", transfer);
    number("load-ms", load);
    if let Some(bytes) = record.backlog_needed {
        number("backlog-needed", bytes);
    }
}

/// REPLICATION LINEAGE: the names of the history that is held here, the present one first, and up to where each is true.
pub(crate) fn lineage(node: &mut Node, session: &mut Session, _: Args<'_>) {
    let history = &node.replication.history;
    session.reply.array(1 + history.ancestors().len());
    let present = (history.id(), node.replication.log.end());
    let ancestors = history.ancestors().iter().map(|past| (&past.id, past.valid_to));
    for (id, valid_to) in std::iter::once(present).chain(ancestors) {
        session.reply.array(2);
        session.reply.bulk(id.as_bytes());
        session.reply.int(valid_to.0 as i64);
    }
}

/// REPLICATION GUARD: whether this replica keeps its data from those that its master offers.
pub(crate) fn guard(node: &mut Node, session: &mut Session, _: Args<'_>) {
    let reply = &mut session.reply;
    let holding = node.replication.upstream.as_ref().and_then(|upstream| upstream.holding.as_ref());
    let Some(holding) = holding else {
        reply.map(1);
        reply.bulk(b"state");
        let enabled = node.config.settings().repl_sync_guard;
        return reply.bulk(if enabled { b"ready" } else { b"off" });
    };
    reply.map(5);
    reply.bulk(b"state");
    reply.bulk(b"holding");
    reply.bulk(b"offered-replid");
    reply.bulk(holding.offered.as_bytes());
    for (name, value) in [
        ("offered-keys", holding.keys),
        ("own-keys", holding.own_keys),
        ("refused", u64::from(holding.refused)),
    ] {
        reply.bulk(name.as_bytes());
        reply.int(value as i64);
    }
}

/// One record as a value of INFO: the reason stands last, since it may hold any character but a line break.
pub(crate) fn info_line(record: &SyncRecord, now: Now) -> String {
    let mut line = format!(
        "time={},side={},peer={},type={},state={},bytes={},ms={}",
        record.began.unix_s(),
        record.side.name(),
        record.peer,
        if record.full { "full" } else { "partial" },
        record.outcome.name(),
        record.bytes,
        record.total_ms(now)
    );
    if let Some(bytes) = record.backlog_needed {
        let _ = write!(line, ",backlog_needed={bytes}");
    }
    let _ = write!(line, ",reason={}", record.reason);
    line
}
