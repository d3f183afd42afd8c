//! CLIENT and its subcommands.
//!
//! The session that asks is out of its slot while its command runs, so everything that goes over all connections looks at it apart.

mod filter;
pub(crate) mod line;
pub(crate) mod tracking;

use resp::Args;

use commands::errors::{NOT_INTEGER, SYNTAX};
use commands::number::parse_i64;

use self::filter::{Class, Filter, Known};
use self::line::Facts;
use crate::action::{Action, ConnId};
use crate::node::Node;
use crate::pause::PauseKind;
use crate::session::{Blocked, ReplyMode, Session};

/// CLIENT ID
pub(crate) fn id(_: &mut Node, session: &mut Session, _: Args<'_>) {
    session.reply.int(session.id as i64);
}

/// CLIENT INFO: this connection as a line of CLIENT LIST.
pub(crate) fn info(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let mut text = Vec::new();
    own_facts(node, session, args).write(&mut text);
    session.reply.verbatim("txt", &text);
}

/// CLIENT LIST [TYPE type] [ID id …] and the other filters of CLIENT KILL
pub(crate) fn list(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let filter = match node.filter(args) {
        Ok(filter) => filter,
        Err(error) => return session.reply.error(&error),
    };
    let mut lines: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut add = |facts: &Facts<'_>| {
        if filter.matches(facts) {
            let mut line = Vec::new();
            facts.write(&mut line);
            lines.push((facts.id, line));
        }
    };
    if filter.skip_me != Some(true) {
        add(&own_facts(node, session, args));
    }
    for other in node.sessions() {
        add(&Facts::of(node, other));
    }
    if let Some(facts) = upstream_facts(node) {
        add(&facts);
    }
    // Slots are used again; numbers tell who came first.
    lines.sort_unstable_by_key(|(id, _)| *id);
    let text: Vec<u8> = lines.into_iter().flat_map(|(_, line)| line).collect();
    session.reply.verbatim("txt", &text);
}

/// The facts of the connection that asks, which is executing a command.
fn own_facts<'a>(node: &Node, session: &'a Session, args: Args<'_>) -> Facts<'a> {
    let mut facts = Facts::of(node, session);
    facts.argv_bytes = args.iter().map(<[u8]>::len).sum();
    facts.total_bytes += facts.argv_bytes;
    facts
}

/// The link to the master, if there is a connection. It has no number among the clients: they begin at 1.
fn upstream_facts(node: &Node) -> Option<Facts<'_>> {
    let upstream = node.replication.upstream.as_deref()?;
    upstream.conn?;
    let link = upstream.link.as_ref()?;
    Some(Facts {
        class: Class::Master,
        addr: format!("{}:{}", upstream.host, upstream.port).into(),
        flags: "M".to_owned(),
        user: b"(superuser)",
        idle_s: link.silent_ms(node.now.mono_ms()) / 1000,
        reply_pending: link.transmit().len(),
        ..Facts::default()
    })
}

/// CLIENT KILL addr, or CLIENT KILL filter value [filter value …]
pub(crate) fn kill(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let old_form = args.len() == 3;
    let filter = if old_form {
        Filter::of_address(args.at(2))
    } else {
        match node.filter(args) {
            Ok(filter) => filter,
            Err(error) => return session.reply.error(&error),
        }
    };
    let mut doomed: Vec<ConnId> = node
        .sessions()
        .filter(|other| filter.matches(&Facts::of(node, other)))
        .map(|other| other.conn)
        .collect();
    // An address names one connection.
    doomed.truncate(if old_form { 1 } else { usize::MAX });
    let upstream = upstream_facts(node).is_some_and(|facts| filter.matches(&facts));
    let enough = old_form && !doomed.is_empty();
    let own_spared = enough || filter.skip_me.unwrap_or(true);
    let own = !own_spared && filter.matches(&Facts::of(node, session));
    for &conn in &doomed {
        node.close_client(conn);
    }
    if upstream {
        node.reconnect_upstream();
    }
    // The answer goes out first.
    session.close_after_reply |= own;
    let killed = doomed.len() + usize::from(upstream) + usize::from(own);
    match (old_form, killed) {
        (false, killed) => session.reply.int(killed as i64),
        (true, 0) => session.reply.error("ERR No such client"),
        (true, _) => session.reply.ok(),
    }
}

/// Whether a text may name a client or a library: printable, without spaces.
fn is_nameable(text: &[u8]) -> bool {
    text.iter().all(|byte| (b'!'..=b'~').contains(byte))
}

/// CLIENT SETNAME name
pub(crate) fn setname(_: &mut Node, session: &mut Session, args: Args<'_>) {
    let name = args.at(2);
    if !is_nameable(name) {
        return session
            .reply
            .error("ERR Client names cannot contain spaces, newlines or special characters.");
    }
    session.name = name.to_vec();
    session.reply.ok();
}

/// CLIENT GETNAME
pub(crate) fn getname(_: &mut Node, session: &mut Session, _: Args<'_>) {
    if session.name.is_empty() {
        session.reply.null();
    } else {
        session.reply.bulk(&session.name);
    }
}

/// CLIENT SETINFO LIB-NAME|LIB-VER value
pub(crate) fn setinfo(_: &mut Node, session: &mut Session, args: Args<'_>) {
    let (option, value) = (args.at(2), args.at(3));
    let (field, name) = match option.to_ascii_lowercase().as_slice() {
        b"lib-name" => (&mut session.lib_name, "lib-name"),
        b"lib-ver" => (&mut session.lib_ver, "lib-ver"),
        _ => {
            let option = String::from_utf8_lossy(option);
            return session.reply.error(&format!("ERR Unrecognized option '{option}'"));
        }
    };
    if !is_nameable(value) {
        let error = format!("ERR {name} cannot contain spaces, newlines or special characters.");
        return session.reply.error(&error);
    }
    *field = value.to_vec();
    session.reply.ok();
}

/// CLIENT REPLY ON|OFF|SKIP: only ON has a reply.
pub(crate) fn reply(_: &mut Node, session: &mut Session, args: Args<'_>) {
    match args.at(2).to_ascii_lowercase().as_slice() {
        b"on" => {
            session.reply_mode = ReplyMode::On;
            session.reply.ok();
        }
        b"off" => session.reply_mode = ReplyMode::Off,
        b"skip" => {
            if session.reply_mode != ReplyMode::Off {
                session.reply_mode = ReplyMode::SkipNext;
            }
        }
        _ => session.reply.error(SYNTAX),
    }
}

fn on_or_off(word: &[u8]) -> Option<bool> {
    match word.to_ascii_lowercase().as_slice() {
        b"on" => Some(true),
        b"off" => Some(false),
        _ => None,
    }
}

/// CLIENT NO-EVICT ON|OFF
pub(crate) fn no_evict(_: &mut Node, session: &mut Session, args: Args<'_>) {
    let Some(on) = on_or_off(args.at(2)) else { return session.reply.error(SYNTAX) };
    session.no_evict = on;
    session.reply.ok();
}

/// CLIENT NO-TOUCH ON|OFF
pub(crate) fn no_touch(_: &mut Node, session: &mut Session, args: Args<'_>) {
    let Some(on) = on_or_off(args.at(2)) else { return session.reply.error(SYNTAX) };
    session.no_touch = on;
    session.reply.ok();
}

/// CLIENT IMPORT-SOURCE ON|OFF
pub(crate) fn import_source(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let Some(on) = on_or_off(args.at(2)) else { return session.reply.error(SYNTAX) };
    if on && !node.config.settings().import_mode {
        return session.reply.error("ERR Server is not in import mode");
    }
    session.import_source = on;
    session.reply.ok();
}

/// CLIENT PAUSE milliseconds [WRITE|ALL]
pub(crate) fn pause(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let kind = match args.get(3) {
        _ if args.len() > 4 => return session.reply.error(SYNTAX),
        None => PauseKind::All,
        Some(word) if word.eq_ignore_ascii_case(b"all") => PauseKind::All,
        Some(word) if word.eq_ignore_ascii_case(b"write") => PauseKind::Write,
        Some(_) => return session.reply.error("ERR CLIENT PAUSE mode must be WRITE or ALL"),
    };
    let Some(timeout_ms) = parse_i64(args.at(2)) else {
        return session.reply.error("ERR timeout is not an integer or out of range");
    };
    let Ok(timeout_ms) = u64::try_from(timeout_ms) else {
        return session.reply.error("ERR timeout is negative");
    };
    node.pause_clients(kind, node.now.unix_ms().saturating_add(timeout_ms));
    session.reply.ok();
}

/// CLIENT UNPAUSE
pub(crate) fn unpause(node: &mut Node, session: &mut Session, _: Args<'_>) {
    if session.in_exec {
        // What was held back must not run in the middle of this transaction: the next tick ends the pause.
        if let Some((_, until_ms)) = &mut node.pause.client {
            *until_ms = node.now.unix_ms();
            node.next_tick_us = node.now.mono_us;
        }
    } else {
        node.unpause();
    }
    session.reply.ok();
}

/// CLIENT UNBLOCK id [TIMEOUT|ERROR]
pub(crate) fn unblock(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let error = match args.get(3) {
        _ if args.len() > 4 => return session.reply.error(SYNTAX),
        None => false,
        Some(word) if word.eq_ignore_ascii_case(b"timeout") => false,
        Some(word) if word.eq_ignore_ascii_case(b"error") => true,
        Some(_) => return session.reply.error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
    };
    let Some(id) = parse_i64(args.at(2)) else { return session.reply.error(NOT_INTEGER) };
    let on_keys = node.sessions().find(|other| other.waiting.is_some() && i64::try_from(other.id) == Ok(id));
    if let Some(conn) = on_keys.map(|other| other.conn) {
        node.end_wait(conn, |on_timeout, out| {
            if error {
                out.error("UNBLOCKED client unblocked via CLIENT UNBLOCK");
            } else {
                crate::blocking::timeout_reply(on_timeout, out);
            }
        });
        return session.reply.int(1);
    }
    let waiting = node.sessions().find_map(|other| match other.blocked {
        Some(Blocked::Wait { offset, local, .. }) if i64::try_from(other.id) == Ok(id) => {
            Some((other.conn, offset, local))
        }
        _ => None,
    });
    let Some((conn, offset, local)) = waiting else { return session.reply.int(0) };
    node.wait.clients.retain(|&other| other != conn);
    let reached = node.reached(offset, local);
    node.unblock(conn, |other| {
        if error {
            other.reply.error("UNBLOCKED client unblocked via CLIENT UNBLOCK");
        } else {
            reached.reply(&mut other.reply);
        }
    });
    session.reply.int(1);
}

impl Node {
    /// The filter that a request of CLIENT LIST or KILL gives. The user that it names has to be there.
    fn filter(&self, args: Args<'_>) -> Result<Filter, String> {
        let known = Known {
            databases: self.keyspace.databases(),
            user: &|name| self.access.users.get(name).is_some(),
        };
        Filter::parse(args.from(2), &known)
    }

    /// Holds commands back until a moment (unix milliseconds). A pause in force is never shortened, nor made to hold less.
    fn pause_clients(&mut self, kind: PauseKind, until_ms: u64) {
        let (kind, until_ms) = match self.pause.client {
            Some((old_kind, old_until)) => (kind.max(old_kind), until_ms.max(old_until)),
            None => (kind, until_ms),
        };
        self.pause.client = Some((kind, until_ms));
        self.env.expiry = self.expiry_mode();
        self.refresh_gate();
    }

    /// Gives the link to the master up; another one is made as after any loss.
    fn reconnect_upstream(&mut self) {
        if let Some(conn) = self.replication.upstream.as_ref().and_then(|upstream| upstream.conn) {
            self.actions.push(Action::Close(conn));
            self.upstream_lost("Connection with master closed by CLIENT KILL.");
        }
    }
}

#[cfg(test)]
mod tests;
