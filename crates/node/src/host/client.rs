//! CLIENT and its subcommands.
//!
//! The session that asks is out of its slot while its command runs, so everything that goes over all connections looks at it apart.

mod filter;
pub(crate) mod line;
pub(crate) mod tracking;

use resp::Args;

use commands::errors::{NOT_INTEGER, SYNTAX};
use commands::number::parse_i64;

use self::filter::{Caller, Class, Filter};
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
    let filter = match Filter::parse(args.from(2), Caller::List) {
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
        match Filter::parse(args.from(2), Caller::Kill) {
            Ok(filter) => filter,
            Err(error) => return session.reply.error(&error),
        }
    };
    let mut doomed: Vec<ConnId> =
        node.sessions().filter(|other| filter.matches(&Facts::of(node, other))).map(|other| other.conn).collect();
    // An address names one connection.
    doomed.truncate(if old_form { 1 } else { usize::MAX });
    let upstream = upstream_facts(node).is_some_and(|facts| filter.matches(&facts));
    let own = !filter.skip_me.unwrap_or(true)
        && !(old_form && !doomed.is_empty())
        && filter.matches(&Facts::of(node, session));
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
        return session.reply.error("ERR Client names cannot contain spaces, newlines or special characters.");
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
        if let Some((_, until_ms)) = &mut node.pause.active {
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
    let waiting = node.sessions().find_map(|other| match other.blocked {
        Some(Blocked::Wait { offset, .. }) if i64::try_from(other.id) == Ok(id) => Some((other.conn, offset)),
        _ => None,
    });
    let Some((conn, offset)) = waiting else { return session.reply.int(0) };
    node.wait.clients.retain(|&other| other != conn);
    let acknowledged = node.replicas_at(offset) as i64;
    node.unblock(conn, |other| {
        if error {
            other.reply.error("UNBLOCKED client unblocked via CLIENT UNBLOCK");
        } else {
            other.reply.int(acknowledged);
        }
    });
    session.reply.int(1);
}

impl Node {
    /// Holds commands back until a moment (unix milliseconds). A pause in force is never shortened, nor made to hold less.
    fn pause_clients(&mut self, kind: PauseKind, until_ms: u64) {
        let (kind, until_ms) = match self.pause.active {
            Some((old_kind, old_until)) => (kind.max(old_kind), until_ms.max(old_until)),
            None => (kind, until_ms),
        };
        self.pause.active = Some((kind, until_ms));
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
mod tests {
    use crate::action::{Action, ConnId};
    use crate::session::Peer;
    use crate::testing::Fixture;

    /// The value of a field in a line of CLIENT LIST.
    fn field<'a>(line: &'a str, name: &str) -> &'a str {
        let found = line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        found.unwrap_or_else(|| panic!("no {name} in {line}")).trim_end()
    }

    fn closed(node: &mut Fixture) -> Vec<ConnId> {
        let closed = node.actions().into_iter().filter_map(|action| match action {
            Action::Close(conn) => Some(conn),
            _ => None,
        });
        closed.collect()
    }

    #[test]
    fn a_line_has_the_fields_of_redis_in_their_order() {
        let mut node = Fixture::new();
        node.run(&["CLIENT", "SETNAME", "me"]);
        node.run(&["CLIENT", "SETINFO", "lib-name", "mylib"]);
        node.run(&["CLIENT", "SETINFO", "LIB-VER", "1.2"]);
        node.run(&["SELECT", "3"]);
        node.advance_ms(2500);
        let reply = node.run(&["CLIENT", "LIST"]);
        let line = reply.split("\r\n").nth(1).expect("a bulk string");
        let names: Vec<&str> = line.trim_end().split(' ').map(|word| word.split('=').next().unwrap_or("")).collect();
        assert_eq!(
            names,
            [
                "id", "addr", "laddr", "fd", "name", "age", "idle", "flags", "db", "sub", "psub", "ssub", "multi", "qbuf",
                "qbuf-free", "argv-mem", "multi-mem", "rbs", "rbp", "obl", "oll", "omem", "tot-mem", "events", "cmd", "user",
                "redir", "resp", "lib-name", "lib-ver",
            ]
        );
        for (name, value) in [
            ("id", "1"),
            ("addr", "127.0.0.1:1"),
            ("name", "me"),
            ("age", "2"),
            ("idle", "0"),
            ("flags", "N"),
            ("db", "3"),
            ("multi", "-1"),
            ("argv-mem", "10"),
            ("cmd", "client|list"),
            ("user", "default"),
            ("resp", "2"),
            ("lib-name", "mylib"),
            ("lib-ver", "1.2"),
        ] {
            assert_eq!(field(line, name), value, "{name} in {line}");
        }
        assert!(line.ends_with('\n'));
    }

    #[test]
    fn the_new_protocol_has_a_verbatim_string() {
        let mut node = Fixture::new();
        node.run(&["HELLO", "3"]);
        for words in [["CLIENT", "LIST"], ["CLIENT", "INFO"]] {
            let reply = node.run(&words);
            assert!(reply.starts_with('=') && reply.contains("\r\ntxt:id=1 "), "{reply}");
            assert_eq!(field(&reply, "resp"), "3");
        }
    }

    #[test]
    fn flags_show_the_state() {
        let mut node = Fixture::new();
        let other = node.client_from(Peer { addr: "/tmp/s:0".to_owned(), unix: true, ..Peer::default() });
        node.run_on(other, &["CLIENT", "NO-EVICT", "on"]);
        node.run_on(other, &["CLIENT", "NO-TOUCH", "on"]);
        node.run_on(other, &["WATCH", "a"]);
        node.run_on(other, &["MULTI"]);
        node.run_on(other, &["GET", "a"]);
        node.run(&["SET", "a", "1"]);
        let reply = node.run(&["CLIENT", "LIST", "ID", "2"]);
        assert_eq!(field(&reply, "flags"), "xdUeT");
        assert_eq!(field(&reply, "multi"), "1");
        let replica = node.client();
        node.run_on(replica, &["PSYNC", "?", "-1"]);
        assert_eq!(field(&node.run(&["CLIENT", "LIST", "TYPE", "replica"]), "flags"), "S");
        assert_eq!(node.run(&["CLIENT", "LIST", "TYPE", "pubsub"]), "$0\r\n\r\n");
        assert_eq!(node.run(&["CLIENT", "LIST", "TYPE", "normal"]).matches("id=").count(), 2);
        assert_eq!(node.run(&["CLIENT", "LIST", "ID", "3", "1", "99"]).matches("id=").count(), 2);
    }

    #[test]
    fn connections_are_listed_in_the_order_of_their_numbers() {
        let mut node = Fixture::new();
        let second = node.client();
        node.client();
        node.eof(second);
        node.client();
        let reply = node.run(&["CLIENT", "LIST"]);
        let ids: Vec<&str> = reply.lines().filter(|line| line.starts_with("id=")).map(|line| field(line, "id")).collect();
        assert_eq!(ids, ["1", "3", "4"]);
    }

    #[test]
    fn an_address_is_killed_in_the_old_form() {
        let mut node = Fixture::new();
        let other = node.client();
        node.actions();
        assert_eq!(node.run(&["CLIENT", "KILL", "127.0.0.1:2"]), "+OK\r\n");
        assert_eq!(closed(&mut node), [other]);
        assert_eq!(node.run(&["CLIENT", "KILL", "127.0.0.1:2"]), "-ERR No such client\r\n");
    }

    #[test]
    fn filters_kill_and_count() {
        let mut node = Fixture::new();
        let (a, b) = (node.client(), node.client());
        let far = node.client_from(Peer { addr: "10.0.0.1:9".to_owned(), loopback: true, ..Peer::default() });
        node.actions();
        assert_eq!(node.run(&["CLIENT", "KILL", "ID", "2", "ID", "99"]), ":1\r\n");
        assert_eq!(closed(&mut node), [a]);
        assert_eq!(node.run(&["CLIENT", "KILL", "ADDR", "10.0.0.1:9", "TYPE", "normal"]), ":1\r\n");
        assert_eq!(closed(&mut node), [far]);
        assert_eq!(node.run(&["CLIENT", "KILL", "TYPE", "replica"]), ":0\r\n");
        assert_eq!(node.run(&["CLIENT", "KILL", "TYPE", "normal"]), ":1\r\n", "all but the one that asks");
        assert_eq!(closed(&mut node), [b]);
        assert_eq!(node.run(&["PING"]), "+PONG\r\n");
    }

    #[test]
    fn whoever_kills_itself_gets_the_answer_first() {
        for words in [&["CLIENT", "KILL", "ID", "1", "SKIPME", "no"][..], &["CLIENT", "KILL", "127.0.0.1:1"]] {
            let mut node = Fixture::new();
            node.actions();
            let me = node.conn;
            node.input(me, words);
            assert!(closed(&mut node).is_empty(), "not before the answer is written");
            let reply = node.read();
            assert!(reply == ":1\r\n" || reply == "+OK\r\n", "{reply}");
            assert_eq!(closed(&mut node), [me]);
        }
    }

    #[test]
    fn sentinel_may_kill_inside_a_transaction() {
        let mut node = Fixture::new();
        let other = node.client();
        node.actions();
        node.run(&["MULTI"]);
        node.run(&["CLIENT", "KILL", "TYPE", "normal"]);
        node.run(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        assert_eq!(node.run(&["EXEC"]), "*2\r\n:1\r\n:0\r\n");
        assert_eq!(closed(&mut node), [other]);
        assert_eq!(node.run(&["PING"]), "+PONG\r\n");
    }

    #[test]
    fn the_link_to_the_master_is_a_connection_too() {
        let mut node = Fixture::new();
        node.run(&["REPLICAOF", "10.0.0.9", "7000"]);
        let reply = node.run(&["CLIENT", "LIST", "TYPE", "master"]);
        assert_eq!(field(&reply, "addr"), "10.0.0.9:7000");
        assert_eq!(field(&reply, "flags"), "M");
        node.actions();
        assert_eq!(node.run(&["CLIENT", "KILL", "TYPE", "master"]), ":1\r\n");
        assert_eq!(closed(&mut node).len(), 1);
        assert_eq!(node.run(&["CLIENT", "KILL", "TYPE", "master"]), ":0\r\n", "until the next attempt");
    }

    #[test]
    fn names_are_printable() {
        let mut node = Fixture::new();
        assert_eq!(node.run(&["CLIENT", "GETNAME"]), "$-1\r\n");
        assert_eq!(node.run(&["CLIENT", "SETNAME", "me"]), "+OK\r\n");
        assert!(node.run(&["CLIENT", "SETNAME", "a b"]).starts_with("-ERR Client names cannot contain spaces"));
        assert_eq!(node.run(&["CLIENT", "GETNAME"]), "$2\r\nme\r\n");
        node.run(&["CLIENT", "SETNAME", ""]);
        assert_eq!(node.run(&["CLIENT", "GETNAME"]), "$-1\r\n");
        let reply = node.run(&["CLIENT", "SETINFO", "lib-ver", "a\nb"]);
        assert_eq!(reply, "-ERR lib-ver cannot contain spaces, newlines or special characters.\r\n");
        assert_eq!(node.run(&["CLIENT", "SETINFO", "colour", "red"]), "-ERR Unrecognized option 'colour'\r\n");
    }

    #[test]
    fn replies_can_be_turned_off() {
        let mut node = Fixture::new();
        assert_eq!(node.run(&["CLIENT", "REPLY", "OFF"]), "");
        assert_eq!(node.run(&["PING"]), "");
        assert_eq!(node.run(&["CLIENT", "REPLY", "SKIP"]), "");
        assert_eq!(node.run(&["PING"]), "");
        assert_eq!(node.run(&["CLIENT", "REPLY", "ON"]), "+OK\r\n");
        assert_eq!(node.run(&["CLIENT", "REPLY", "SKIP"]), "");
        assert_eq!(node.run(&["PING"]), "");
        assert_eq!(node.run(&["PING"]), "+PONG\r\n");
        assert_eq!(node.run(&["CLIENT", "REPLY", "maybe"]), "-ERR syntax error\r\n");
    }

    #[test]
    fn a_pause_holds_writes_back_until_it_ends() {
        let mut node = Fixture::new();
        let other = node.client();
        assert_eq!(node.run(&["CLIENT", "PAUSE", "10000", "WRITE"]), "+OK\r\n");
        assert_eq!(node.run_on(other, &["GET", "a"]), "$-1\r\n");
        assert_eq!(node.run_on(other, &["SET", "a", "1"]), "");
        assert_eq!(field(&node.run(&["CLIENT", "LIST", "ID", "2"]), "flags"), "b");
        assert_eq!(node.run(&["CLIENT", "UNPAUSE"]), "+OK\r\n");
        assert_eq!(node.read_from(other), "+OK\r\n");
        assert_eq!(node.run(&["GET", "a"]), "$1\r\n1\r\n");
    }

    #[test]
    fn a_pause_is_not_weakened_by_another() {
        let mut node = Fixture::new();
        let other = node.client();
        node.run(&["CLIENT", "PAUSE", "10000", "ALL"]);
        node.run(&["CLIENT", "PAUSE", "10", "WRITE"]);
        node.advance_ms(1000);
        assert_eq!(node.run_on(other, &["PING"]), "", "still everything is held");
        node.advance_ms(10_000);
        assert_eq!(node.read_from(other), "+PONG\r\n");
    }

    #[test]
    fn what_is_held_back_does_not_run_inside_a_transaction() {
        let mut node = Fixture::new();
        let other = node.client();
        node.run(&["CLIENT", "PAUSE", "100000", "WRITE"]);
        node.run_on(other, &["SET", "a", "1"]);
        node.run(&["MULTI"]);
        node.run(&["CLIENT", "UNPAUSE"]);
        node.run(&["GET", "a"]);
        assert_eq!(node.run(&["EXEC"]), "*2\r\n+OK\r\n$-1\r\n");
        node.advance_ms(0);
        assert_eq!(node.read_from(other), "+OK\r\n");
    }

    #[test]
    fn pauses_are_checked() {
        let mut node = Fixture::new();
        for (words, error) in [
            (&["x"][..], "timeout is not an integer or out of range"),
            (&["-1"], "timeout is negative"),
            (&["1", "reads"], "CLIENT PAUSE mode must be WRITE or ALL"),
        ] {
            let words: Vec<&str> = ["CLIENT", "PAUSE"].iter().chain(words).copied().collect();
            assert_eq!(node.run(&words), format!("-ERR {error}\r\n"));
        }
        assert_eq!(node.run(&["CLIENT", "PAUSE", "9223372036854775807", "WRITE"]), "+OK\r\n");
        assert_eq!(node.run(&["CLIENT", "UNPAUSE"]), "+OK\r\n");
    }

    #[test]
    fn a_waiting_client_can_be_woken() {
        let mut node = Fixture::new();
        let other = node.client();
        for (reason, reply) in [
            (&[][..], ":0\r\n"),
            (&["TIMEOUT"], ":0\r\n"),
            (&["ERROR"], "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"),
        ] {
            let words: Vec<&str> = ["CLIENT", "UNBLOCK", "2"].iter().chain(reason).copied().collect();
            assert_eq!(node.run(&words), ":0\r\n", "it waits for nothing");
            assert_eq!(node.run_on(other, &["WAIT", "3", "0"]), "");
            assert_eq!(node.run(&words), ":1\r\n");
            assert_eq!(node.read_from(other), reply);
        }
    }
}
