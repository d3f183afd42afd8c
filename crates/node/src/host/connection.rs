//! AUTH, HELLO, SELECT and the other commands that concern one connection.

use resp::{Args, Proto};

use crate::node::Node;
use crate::session::{ReplyMode, Session};

const WRONG_PASSWORD: &str = "WRONGPASS invalid username-password pair or user is disabled.";

/// AUTH [user] password
pub(crate) fn auth(node: &mut Node, session: &mut Session, args: Args<'_>) {
    if args.len() > 3 {
        return session.reply.error(commands::errors::SYNTAX);
    }
    let (user, password) =
        if args.len() == 3 { (args.at(1), args.at(2)) } else { (&b"default"[..], args.at(1)) };
    if args.len() == 2 && node.access.users.default_user().needs_no_password() {
        return session.reply.error(
            "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
             configuration is correct?",
        );
    }
    if node.authenticate(session, user, password, args.at(0)) {
        session.reply.ok();
    } else {
        session.reply.error(WRONG_PASSWORD);
    }
}

/// HELLO [version [AUTH user password] [SETNAME name]]
pub(crate) fn hello(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let mut proto = session.reply.proto;
    if let Some(version) = args.get(1) {
        proto = match version {
            b"2" => Proto::Resp2,
            b"3" => Proto::Resp3,
            other if other.iter().all(u8::is_ascii_digit) && !other.is_empty() => {
                return session.reply.error("NOPROTO unsupported protocol version");
            }
            _ => return session.reply.error("ERR Protocol version is not an integer or out of range"),
        };
    }
    let mut name = None;
    let mut at = 2;
    let mut credentials = None;
    while at < args.len() {
        let word = args.at(at);
        if word.eq_ignore_ascii_case(b"auth") && at + 2 < args.len() {
            credentials = Some((args.at(at + 1), args.at(at + 2)));
            at += 3;
        } else if word.eq_ignore_ascii_case(b"setname") && at + 1 < args.len() {
            name = Some(args.at(at + 1));
            at += 2;
        } else {
            let word = String::from_utf8_lossy(word);
            return session.reply.error(&format!("ERR Syntax error in HELLO option '{word}'"));
        }
    }
    if let Some((user, password)) = credentials
        && !node.authenticate(session, user, password, args.at(0))
    {
        return session.reply.error(WRONG_PASSWORD);
    }
    if !session.authenticated {
        return session.reply.error(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> \
             <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
        );
    }
    if let Some(name) = name {
        if !name.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
            return session
                .reply
                .error("ERR Client names cannot contain spaces, newlines or special characters.");
        }
        session.name = name.to_vec();
    }
    session.reply.proto = proto;
    let zone = &node.config.settings().availability_zone;
    let reply = &mut session.reply;
    reply.map(7 + usize::from(!zone.is_empty()));
    reply.bulk(b"server");
    reply.bulk(b"redis");
    reply.bulk(b"version");
    reply.bulk(crate::REDIS_VERSION.as_bytes());
    reply.bulk(b"proto");
    reply.int(if proto == Proto::Resp3 { 3 } else { 2 });
    reply.bulk(b"id");
    reply.int(session.id as i64);
    reply.bulk(b"mode");
    reply.bulk(b"standalone");
    reply.bulk(b"role");
    reply.bulk(if node.replication.is_replica() { b"replica" } else { b"master" });
    reply.bulk(b"modules");
    reply.array(0);
    if !zone.is_empty() {
        reply.bulk(b"availability_zone");
        reply.bulk(zone.as_bytes());
    }
}

/// PING [message]
pub(crate) fn ping(_: &mut Node, session: &mut Session, args: Args<'_>) {
    match args.len() {
        1 => session.reply.simple("PONG"),
        2 => session.reply.bulk(args.at(1)),
        _ => commands::errors::wrong_arity(&mut session.reply, "ping"),
    }
}

/// ECHO message
pub(crate) fn echo(_: &mut Node, session: &mut Session, args: Args<'_>) {
    session.reply.bulk(args.at(1));
}

/// TIME
pub(crate) fn time(node: &mut Node, session: &mut Session, _: Args<'_>) {
    session.reply.array(2);
    session.reply.bulk_int((node.now.unix_us / 1_000_000) as i64);
    session.reply.bulk_int((node.now.unix_us % 1_000_000) as i64);
}

/// QUIT
pub(crate) fn quit(_: &mut Node, session: &mut Session, _: Args<'_>) {
    session.reply.ok();
    session.close_after_reply = true;
}

/// RESET
pub(crate) fn reset(node: &mut Node, session: &mut Session, _: Args<'_>) {
    session.transaction = None;
    node.unwatch(session);
    node.unsubscribe_all(session);
    node.end_monitor(session);
    node.stop_tracking(session);
    session.db = 0;
    session.reply.proto = Proto::Resp2;
    session.reply_mode = ReplyMode::On;
    session.name.clear();
    session.read_only = false;
    session.no_evict = false;
    session.no_touch = false;
    session.import_source = false;
    session.set_user(node.access.users.default_user().clone(), node.access.lets_anyone_in());
    session.reply.simple("RESET");
}

/// SELECT index
pub(crate) fn select(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let Some(index) = std::str::from_utf8(args.at(1)).ok().and_then(|text| text.parse::<i64>().ok()) else {
        return session.reply.error(commands::errors::NOT_INTEGER);
    };
    match usize::try_from(index) {
        Ok(index) if index < node.keyspace.databases() => {
            session.db = index;
            session.reply.ok();
        }
        _ => session.reply.error(commands::errors::DB_OUT_OF_RANGE),
    }
}

/// READONLY: a client of a cluster is content with a replica's data. Here it is noted and shown, and makes no difference.
pub(crate) fn readonly(_: &mut Node, session: &mut Session, _: Args<'_>) {
    session.read_only = true;
    session.reply.ok();
}

/// READWRITE
pub(crate) fn readwrite(_: &mut Node, session: &mut Session, _: Args<'_>) {
    session.read_only = false;
    session.reply.ok();
}
