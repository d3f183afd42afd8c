//! ACL and its subcommands.

use acl::{Selector, User};
use resp::Args;

use commands::Reject;
use commands::errors::NOT_INTEGER;
use commands::number::parse_i64;

use crate::access::full_refusal_text;
use crate::action::Action;
use crate::node::Node;
use crate::session::Session;

/// Bits of a password that nobody asked to be of another length.
const PASSWORD_BITS: i64 = 256;
/// The longest password that is made up.
const MAX_PASSWORD_BITS: i64 = 4096;
/// Entries of ACL LOG unless told otherwise.
const LOG_ENTRIES: i64 = 10;

/// The error of a subcommand whose arguments make no sense.
fn wrong_arguments(session: &mut Session, args: Args<'_>) {
    let word = String::from_utf8_lossy(args.at(1)).into_owned();
    let error = format!("ERR unknown subcommand or wrong number of arguments for '{word}'. Try ACL HELP.");
    session.reply.error(&error);
}

/// ACL CAT [category]
pub(crate) fn cat(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let catalog = node.access.users.catalog();
    match args.get(2) {
        _ if args.len() > 3 => wrong_arguments(session, args),
        None => {
            session.reply.array(catalog.categories().len());
            for name in catalog.categories() {
                session.reply.bulk(name.as_bytes());
            }
        }
        Some(name) => {
            let Some(bit) = catalog.category(name) else {
                let name = String::from_utf8_lossy(name);
                return session.reply.error(&format!("ERR Unknown category '{name}'"));
            };
            let all = node.registry.all().flat_map(|spec| std::iter::once(spec).chain(spec.subcommands));
            let mark = session.reply.deferred_len();
            let mut count = 0;
            for spec in all.filter(|spec| spec.categories.bits() & bit != 0) {
                session.reply.bulk(spec.full_name.as_bytes());
                count += 1;
            }
            session.reply.set_array_len(mark, count);
        }
    }
}

/// ACL USERS
pub(crate) fn users(node: &mut Node, session: &mut Session, _: Args<'_>) {
    session.reply.array(node.access.users.iter().count());
    for user in node.access.users.iter() {
        session.reply.bulk(user.name());
    }
}

/// ACL LIST
pub(crate) fn list(node: &mut Node, session: &mut Session, _: Args<'_>) {
    session.reply.array(node.access.users.iter().count());
    for definition in node.access.users.definitions() {
        session.reply.bulk(&[b"user ", &definition[..]].concat());
    }
}

/// ACL WHOAMI
pub(crate) fn whoami(_: &mut Node, session: &mut Session, _: Args<'_>) {
    session.reply.bulk(session.user.name());
}

/// ACL SETUSER username [rule [rule …]]: all of them or none.
pub(crate) fn setuser(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let rules: Vec<&[u8]> = args.from(3).iter().collect();
    match node.access.users.set(args.at(2), &rules) {
        Ok(_) => {
            node.renew_users(Some(session));
            session.reply.ok();
        }
        Err(error) => session.reply.error(&format!("ERR {error}")),
    }
}

/// ACL DELUSER username [username …]
pub(crate) fn deluser(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let names = args.from(2);
    if names.iter().any(|name| name == b"default") {
        return session.reply.error("ERR The 'default' user cannot be removed");
    }
    let removed = names.iter().filter(|name| node.access.users.remove(name).is_some()).count();
    if removed > 0 {
        node.renew_users(Some(session));
    }
    session.reply.int(removed as i64);
}

/// ACL GETUSER username
pub(crate) fn getuser(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let Some(user) = node.access.users.get(args.at(2)) else { return session.reply.null() };
    let reply = &mut session.reply;
    reply.map(7);
    reply.bulk(b"flags");
    let flags = flags_of(user);
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"passwords");
    reply.array(user.passwords().len());
    user.passwords().iter().for_each(|hash| reply.bulk(hash.to_hex().as_bytes()));
    rights(reply, user.root());
    reply.bulk(b"selectors");
    reply.array(user.selectors().len());
    for selector in user.selectors() {
        reply.map(4);
        rights(reply, selector);
    }
}

fn flags_of(user: &User) -> Vec<&'static str> {
    let mut flags = vec![if user.is_enabled() { "on" } else { "off" }];
    if user.needs_no_password() {
        flags.push("nopass");
    }
    flags
}

/// Four pairs of a map.
fn rights(reply: &mut resp::ReplyBuf, selector: &Selector) {
    reply.bulk(b"commands");
    reply.bulk(&selector.commands());
    reply.bulk(b"keys");
    reply.bulk(&selector.keys());
    reply.bulk(b"channels");
    reply.bulk(&selector.channels());
    reply.bulk(b"databases");
    reply.bulk(selector.databases().as_bytes());
}

/// ACL GENPASS [bits]
pub(crate) fn genpass(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let bits = match args.get(2) {
        _ if args.len() > 3 => return wrong_arguments(session, args),
        None => PASSWORD_BITS,
        Some(text) => match parse_i64(text) {
            Some(bits) => bits,
            None => return session.reply.error(NOT_INTEGER),
        },
    };
    if !(1..=MAX_PASSWORD_BITS).contains(&bits) {
        return session.reply.error(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096",
        );
    }
    session.reply.bulk(node.access.secrets.password(bits as usize).as_bytes());
}

/// ACL LOG [count | RESET]
pub(crate) fn log(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let count = match args.get(2) {
        _ if args.len() > 3 => return wrong_arguments(session, args),
        None => LOG_ENTRIES,
        Some(word) if word.eq_ignore_ascii_case(b"reset") => {
            node.access.log.clear();
            return session.reply.ok();
        }
        Some(text) => match parse_i64(text) {
            Some(count) => count.max(0),
            None => return session.reply.error(NOT_INTEGER),
        },
    };
    let entries = node.access.log.entries();
    let count = entries.len().min(usize::try_from(count).unwrap_or(usize::MAX));
    let now_ms = node.now.unix_ms();
    let reply = &mut session.reply;
    reply.array(count);
    for entry in entries.take(count) {
        let event = &entry.event;
        reply.map(10);
        reply.bulk(b"count");
        reply.int(entry.count as i64);
        for (name, text) in [
            ("reason", event.reason.as_bytes()),
            ("context", event.context.name().as_bytes()),
            ("object", &event.object),
            ("username", &event.username),
        ] {
            reply.bulk(name.as_bytes());
            reply.bulk(text);
        }
        reply.bulk(b"age-seconds");
        reply.double(now_ms.saturating_sub(entry.updated_ms) as f64 / 1000.0);
        reply.bulk(b"client-info");
        reply.bulk(&event.client_info);
        for (name, number) in [
            ("entry-id", entry.id),
            ("timestamp-created", entry.created_ms),
            ("timestamp-last-updated", entry.updated_ms),
        ] {
            reply.bulk(name.as_bytes());
            reply.int(number as i64);
        }
    }
}

/// ACL DRYRUN username command [arg [arg …]]
pub(crate) fn dryrun(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let Some(user) = node.access.users.get(args.at(2)).cloned() else {
        let name = String::from_utf8_lossy(args.at(2));
        return session.reply.error(&format!("ERR User '{name}' not found"));
    };
    let request = args.from(3);
    let spec = match node.registry.resolve(request) {
        Ok(spec) => spec,
        Err(reject @ Reject::Arity(_)) => return reject.reply(request, &mut session.reply),
        Err(_) => {
            let name = String::from_utf8_lossy(request.at(0));
            return session.reply.error(&format!("ERR Command '{name}' not found"));
        }
    };
    match node.verdict(&user, spec, request, session.db) {
        Ok(()) => session.reply.ok(),
        Err(denial) => session.reply.bulk(&full_refusal_text(&user, spec, request, denial)),
    }
}

/// ACL LOAD: answered when the file has been read.
pub(crate) fn load(node: &mut Node, session: &mut Session, _: Args<'_>) {
    match node.acl_path() {
        Some(path) => node.start_acl_job(session, |job| Action::ReadAcl { job, path }),
        None => session.reply.error(Node::NO_ACL_FILE),
    }
}

/// ACL SAVE: answered when the file is written.
pub(crate) fn save(node: &mut Node, session: &mut Session, _: Args<'_>) {
    let text = node.access.users.save();
    match node.acl_path() {
        Some(path) => node.start_acl_job(session, |job| Action::SaveAcl { job, path, text }),
        None => session.reply.error(Node::NO_ACL_FILE),
    }
}
