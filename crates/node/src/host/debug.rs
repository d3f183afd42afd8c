//! DEBUG: what tests need to look behind the scenes, and to make time and luck predictable.

mod digest;
mod protocol;
pub(crate) mod reload;

use keyspace::{Entry, ListEnd, ListRef, SetExpiry};
use resp::Args;

use commands::errors::{NO_SUCH_KEY, NOT_FLOAT, TOO_LONG};
use commands::number::{parse_f64, parse_i64};

use self::digest::Digest;
use crate::action::Action;
use crate::node::Node;
use crate::session::Session;

/// DEBUG subcommand [argument …]
pub(crate) fn debug(node: &mut Node, session: &mut Session, args: Args<'_>) {
    if !session.is_permitted(node.config.settings().enable_debug_command) {
        return session.reply.error(
            "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a local \
             connection, otherwise you need to set this option in the configuration file, and then restart the server.",
        );
    }
    let word = args.at(1).to_ascii_lowercase();
    let rest = args.from(2);
    match (word.as_slice(), rest.len()) {
        (b"sleep", 1) => sleep(node, session, rest.at(0)),
        (b"set-active-expire", 1) => switch(session, rest.at(0), &mut node.debug.active_expire),
        (b"set-disable-deny-scripts", 1) => switch(session, rest.at(0), &mut node.debug.scripts_call_all),
        (b"pause-cron", 1) => switch(session, rest.at(0), &mut node.debug.pause_cron),
        (b"client-enforce-reply-list", 1) => switch(session, rest.at(0), &mut node.debug.no_small_replies),
        (b"set-skip-checksum-validation", 1) => {
            switch(session, rest.at(0), &mut node.debug.skip_checksum);
            node.env.verify_dump = !node.debug.skip_checksum;
        }
        (b"digest", 0) => session.reply.simple(&Digest::of_keyspace(&node.keyspace).to_string()),
        (b"digest-value", _) => digest_value(node, session, rest),
        (b"object", 1 | 2) => object(node, session, rest.at(0)),
        (b"populate", 1..=3) => populate(node, session, rest),
        (b"loadaof", 0) => crate::aof::load::reload(node, session),
        (b"aof-flush-sleep", 1) => {
            let us = parse_i64(rest.at(0)).unwrap_or(0).max(0) as u64;
            node.actions.push(Action::Aof(crate::AofWork::Slow { us }));
            session.reply.ok();
        }
        (b"reload", _) => reload::reload(node, session, rest),
        (b"log", 1) => {
            tracing::warn!("DEBUG LOG: {}", String::from_utf8_lossy(rest.at(0)));
            session.reply.ok();
        }
        (b"error", 1) => session.reply.error(&String::from_utf8_lossy(rest.at(0))),
        (b"protocol", 1) => protocol::write(&mut session.reply, rest.at(0)),
        (b"config-rewrite-force-all", 0) => super::config::write_file(node, session, true),
        (b"change-repl-id", 0) => change_repl_id(node, session),
        (b"stringmatch-len", 2) => {
            session.reply.int(i64::from(commands::glob::matches(rest.at(0), rest.at(1))));
        }
        (b"htstats", 1 | 2) => htstats(node, session, rest.at(0)),
        (b"htstats-key", 1 | 2) => htstats_key(node, session, rest.at(0)),
        // Of things that Tandem has not: there is nothing to set, and tests only want to be sure that it is set.
        (b"quicklist-packed-threshold" | b"dict-resizing", 1) | (b"replybuffer", 2) => session.reply.ok(),
        (b"segfault" | b"panic" | b"assert" | b"oom", 0) => crash(node, session, &word),
        (b"help", 0) => print_help(session),
        _ => {
            let word = String::from_utf8_lossy(&args.at(1)[..args.at(1).len().min(128)]).into_owned();
            let error =
                format!("ERR unknown subcommand or wrong number of arguments for '{word}'. Try DEBUG HELP.");
            session.reply.error(&error);
        }
    }
}

/// A switch that is 0 or 1.
fn switch(session: &mut Session, word: &[u8], value: &mut bool) {
    *value = parse_i64(word).is_some_and(|number| number != 0);
    session.reply.ok();
}

fn sleep(node: &mut Node, session: &mut Session, seconds: &[u8]) {
    match parse_f64(seconds) {
        Some(seconds) if seconds >= 0.0 => {
            let us = (seconds * 1e6) as u64;
            node.actions.push(Action::Sleep { us });
            node.stalled_ns = node.stalled_ns.saturating_add(us.saturating_mul(1000));
            node.debug.asleep = true;
            session.reply.ok();
        }
        _ => session.reply.error(NOT_FLOAT),
    }
}

fn digest_value(node: &Node, session: &mut Session, keys: Args<'_>) {
    let db = node.keyspace.db(session.db);
    session.reply.array(keys.len());
    for key in keys.iter() {
        let digest = db.get(key).map(|entry| Digest::of_value(&entry)).unwrap_or_default();
        session.reply.simple(&digest.to_string());
    }
}

/// Bytes of a listpack without elements.
const LISTPACK_FRAME: usize = 7;
/// Bytes around a value in a payload of DUMP: type, version, checksum.
const DUMP_FRAME: usize = 1 + 2 + 8;

fn object(node: &Node, session: &mut Session, key: &[u8]) {
    let Some(entry) = node.keyspace.db(session.db).get(key) else {
        return session.reply.error(NO_SUCH_KEY);
    };
    let text = format!(
        "Value at:{:p} refcount:1 encoding:{} serializedlength:{}{}{}",
        entry.key().as_ptr(),
        entry.encoding(),
        commands::transfer::dump(&entry).len() - DUMP_FRAME,
        access(node, &entry),
        quicklist(node, &entry)
    );
    session.reply.simple(&text);
}

/// When a key was last used, where that is recorded.
fn access(node: &Node, entry: &Entry<'_>) -> String {
    if node.env.lfu {
        return String::new();
    }
    let idle = commands::access::idle_seconds(entry.access(), &node.env);
    format!(" lru:{} lru_seconds_idle:{idle}", entry.access())
}

/// The nodes of a list that is said to be a quicklist: ours, since there are no others.
fn quicklist(node: &Node, entry: &Entry<'_>) -> String {
    let Some(ListRef::Long(list)) = ListRef::of(entry).filter(|_| entry.encoding() == "quicklist") else {
        return String::new();
    };
    let settings = node.config.settings();
    let elements = list.elements();
    let nodes = elements.stretches(0..elements.len(), ListEnd::Front).count();
    let bytes = elements.listpack_bytes(usize::MAX).unwrap_or(0) + nodes * LISTPACK_FRAME;
    format!(
        " ql_nodes:{nodes} ql_avg_node:{:.2} ql_listpack_max:{} ql_compressed:{} ql_uncompressed_size:{bytes}",
        elements.len() as f64 / nodes.max(1) as f64,
        settings.list_max_listpack_size,
        u8::from(settings.list_compress_depth > 0),
    )
}

/// DEBUG POPULATE count [prefix [size]]: keys that never get into the log, as it is with Redis.
fn populate(node: &mut Node, session: &mut Session, args: Args<'_>) {
    node.replication.touch();
    const NOT_POSITIVE: &str = "ERR value is out of range, must be positive";
    let number = |at: usize| parse_i64(args.at(at)).and_then(|number| u64::try_from(number).ok());
    let Some(count) = number(0) else { return session.reply.error(NOT_POSITIVE) };
    let prefix = args.get(1).unwrap_or(b"key");
    let size = match args.len() {
        3 => match number(2).and_then(|size| usize::try_from(size).ok()) {
            Some(size) if size > node.env.proto_max_bulk_len => return session.reply.error(TOO_LONG),
            Some(size) => Some(size),
            None => return session.reply.error(NOT_POSITIVE),
        },
        _ => None,
    };
    let db = node.keyspace.db_mut(session.db);
    for number in 0..count {
        let mut key = prefix.to_vec();
        key.extend_from_slice(format!(":{number}").as_bytes());
        if db.contains(&key) {
            continue;
        }
        let mut value = format!("value:{number}").into_bytes();
        if let Some(size) = size {
            value.resize(size, 0);
        }
        let (_, entry, _) = db.put_str(&key, &value, SetExpiry::Clear);
        entry.set_access(commands::access::fresh(&node.env));
    }
    session.reply.ok();
}

/// Takes a new name for the history, as if it had nothing to do with the one before.
fn change_repl_id(node: &mut Node, session: &mut Session) {
    tracing::info!("Changing replication IDs after receiving change-repl-id");
    node.replication.history.reset(backlog::ReplicationId::random(&mut node.rng));
    session.reply.ok();
}

fn htstats(node: &Node, session: &mut Session, index: &[u8]) {
    let index = parse_i64(index).and_then(|index| usize::try_from(index).ok());
    let Some(index) = index.filter(|&index| index < node.keyspace.databases()) else {
        return session.reply.error("ERR Out of range database");
    };
    let db = node.keyspace.db(index);
    let text = format!(
        "[Dictionary HT]\nHash table 0 stats (main hash table):\n number of elements: {}\n segments: {}\n table bytes: {}\n\
         [Expires HT]\nKept with the keys: {} of them expire\n",
        db.len(),
        db.segments(),
        db.table_bytes(),
        db.expires(),
    );
    session.reply.verbatim("txt", text.as_bytes());
}

fn htstats_key(node: &Node, session: &mut Session, key: &[u8]) {
    session.reply.error(match node.keyspace.db(session.db).get(key) {
        Some(_) => "ERR The value stored at the specified key is not represented using an hash table",
        None => NO_SUCH_KEY,
    });
}

/// Ends the process as a failure would.
fn crash(node: &mut Node, session: &mut Session, how: &[u8]) {
    tracing::error!("Ending at once: DEBUG {} was called", String::from_utf8_lossy(how).to_uppercase());
    node.actions.push(Action::Exit { code: 1 });
    session.close_after_reply = true;
}

/// The subcommands: they have no rows in the command table, being nothing to build on.
const HELP: &[(&str, &str)] = &[
    ("CONFIG-REWRITE-FORCE-ALL", "CONFIG REWRITE, with a line for every setting."),
    ("CHANGE-REPL-ID", "Take a new replication id; for tests of replication only."),
    ("DIGEST", "Forty digits that tell this dataset from any other, in whatever order it was written."),
    ("DIGEST-VALUE <key> [<key> ...]", "The same for single values."),
    ("ERROR <text>", "Reply with this error."),
    ("HTSTATS <dbid>", "The size of the table of a database."),
    ("HTSTATS-KEY <key>", "The size of the table inside a value."),
    ("LOG <message>", "Write a line to the log."),
    ("OBJECT <key>", "What is known about a value: encoding, size, last use."),
    ("PANIC", "End the process at once; so do ASSERT, OOM and SEGFAULT."),
    ("PAUSE-CRON <0|1>", "Stop whatever happens by itself as time passes."),
    (
        "POPULATE <count> [<prefix>] [<size>]",
        "Create strings <prefix>:0 to <prefix>:<count-1>; replicas do not get them.",
    ),
    (
        "PROTOCOL <type>",
        "Reply with an example of a type: string, integer, double, bignum, null, array, set, map, attrib, \
              push, verbatim, true, false.",
    ),
    ("QUICKLIST-PACKED-THRESHOLD <size>", "Accepted without effect; so are DICT-RESIZING and REPLYBUFFER."),
    (
        "RELOAD [NOSAVE] [NOFLUSH] [MERGE]",
        "Encode the dataset and load it back; NOSAVE loads the dump file instead, NOFLUSH \
              adds to what is there, MERGE lets the dump win where both have a key.",
    ),
    ("SEGFAULT", "End the process at once."),
    ("SET-ACTIVE-EXPIRE <0|1>", "Whether expired keys are deleted before anybody asks for them."),
    ("SET-SKIP-CHECKSUM-VALIDATION <0|1>", "Whether RESTORE and the loading of dumps ignore checksums."),
    ("SLEEP <seconds>", "Let the whole server stand still; decimals allowed."),
    ("STRINGMATCH-LEN <pattern> <text>", "Whether a glob-style pattern matches: 1 or 0."),
];

fn print_help(session: &mut Session) {
    session.reply.array(1 + 2 * HELP.len());
    session.reply.simple("DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    for (usage, meaning) in HELP {
        session.reply.simple(usage);
        session.reply.simple(&format!("    {meaning}"));
    }
}

#[cfg(test)]
mod tests {
    use crate::action::Action;
    use crate::session::Peer;
    use crate::testing::Fixture;

    #[test]
    fn debug_is_for_those_who_may() {
        for (permission, loopback, allowed) in
            [("no", true, false), ("local", true, true), ("local", false, false), ("yes", false, true)]
        {
            let mut node = Fixture::with(&["--enable-debug-command", permission, "--protected-mode", "no"]);
            let client =
                node.client_from(Peer { addr: "10.0.0.1:9".to_owned(), loopback, ..Peer::default() });
            let reply = node.run_on(client, &["DEBUG", "DIGEST"]);
            assert_eq!(
                !reply.starts_with("-ERR DEBUG command not allowed."),
                allowed,
                "{permission} {loopback}: {reply}"
            );
        }
    }

    #[test]
    fn populate_makes_keys_and_leaves_those_that_are_there() {
        let mut node = Fixture::new();
        node.run(&["SET", "key:1", "mine"]);
        assert_eq!(node.run(&["DEBUG", "POPULATE", "3"]), "+OK\r\n");
        assert_eq!(node.run(&["DBSIZE"]), ":3\r\n");
        assert_eq!(node.run(&["GET", "key:1"]), "$4\r\nmine\r\n");
        assert_eq!(node.run(&["GET", "key:2"]), "$7\r\nvalue:2\r\n");
        node.run(&["DEBUG", "POPULATE", "2", "foo", "10"]);
        assert_eq!(node.run(&["GET", "foo:1"]), "$10\r\nvalue:1\0\0\0\r\n");
        node.run(&["DEBUG", "POPULATE", "1", "bar", "3"]);
        assert_eq!(node.run(&["GET", "bar:0"]), "$3\r\nval\r\n");
        for bad in [&["DEBUG", "POPULATE", "x"][..], &["DEBUG", "POPULATE", "1", "k", "-1"]] {
            assert_eq!(node.run(bad), "-ERR value is out of range, must be positive\r\n");
        }
        let endless = node.run(&["DEBUG", "POPULATE", "1", "k", "9223372036854775807"]);
        assert!(endless.starts_with("-ERR string exceeds"), "{endless}");
    }

    #[test]
    fn objects_are_described() {
        let mut node = Fixture::new();
        node.run(&["SET", "a", "b"]);
        node.run(&["SET", "n", "12345"]);
        node.advance_ms(5000);
        let reply = node.run(&["DEBUG", "OBJECT", "a"]);
        assert!(reply.starts_with("+Value at:0x"), "{reply}");
        assert!(reply.contains(" refcount:1 encoding:embstr serializedlength:2 lru:"), "{reply}");
        assert!(reply.ends_with(" lru_seconds_idle:5\r\n"), "{reply}");
        assert!(node.run(&["DEBUG", "OBJECT", "n"]).contains(" encoding:int serializedlength:3 "));
        assert_eq!(node.run(&["DEBUG", "OBJECT", "none"]), "-ERR no such key\r\n");
        assert_eq!(node.run(&["DEBUG", "HTSTATS-KEY", "none"]), "-ERR no such key\r\n");
        assert!(node.run(&["DEBUG", "HTSTATS", "0"]).contains("number of elements: 2\n"));
        assert!(node.run(&["DEBUG", "HTSTATS", "16"]).starts_with("-ERR Out of range"));
    }

    #[test]
    fn switches_are_set_and_reset() {
        let mut node = Fixture::new();
        assert_eq!(node.run(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]), "+OK\r\n");
        assert!(!node.node.debug.active_expire);
        node.run(&["DEBUG", "SET-ACTIVE-EXPIRE", "1"]);
        assert!(node.node.debug.active_expire);
        node.run(&["DEBUG", "PAUSE-CRON", "1"]);
        assert!(node.node.debug.pause_cron);
        node.run(&["DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", "1"]);
        assert!(!node.node.env.verify_dump);
        node.run(&["DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", "0"]);
        assert!(node.node.env.verify_dump);
    }

    #[test]
    fn quicklists_tell_of_their_nodes() {
        let mut node = Fixture::with(&["--list-max-listpack-size", "4", "--list-compress-depth", "2"]);
        node.run(&["RPUSH", "l", "a"]);
        assert!(!node.run(&["DEBUG", "OBJECT", "l"]).contains("ql_"), "a listpack has no nodes");
        node.run(&["RPUSH", "l", "b", "c", "d", "e"]);
        let reply = node.run(&["DEBUG", "OBJECT", "l"]);
        let expected =
            " ql_nodes:1 ql_avg_node:5.00 ql_listpack_max:4 ql_compressed:1 ql_uncompressed_size:22\r\n";
        assert!(reply.ends_with(expected), "{reply}");
    }

    #[test]
    fn the_driver_is_asked_to_sleep_and_to_exit() {
        let mut node = Fixture::new();
        node.actions();
        assert_eq!(node.run(&["DEBUG", "SLEEP", "0.25"]), "+OK\r\n");
        assert!(matches!(node.actions()[..], [Action::Sleep { us: 250_000 }]));
        assert!(node.run(&["DEBUG", "SLEEP", "long"]).starts_with("-ERR"));
        assert!(node.actions().is_empty());
        assert_eq!(node.run(&["DEBUG", "PANIC"]), "");
        assert!(node.actions().iter().any(|action| matches!(action, Action::Exit { code: 1 })));
    }

    #[test]
    fn the_replication_id_changes() {
        let mut node = Fixture::new();
        let before = *node.node.replication.history.id();
        assert_eq!(node.run(&["DEBUG", "CHANGE-REPL-ID"]), "+OK\r\n");
        assert_ne!(*node.node.replication.history.id(), before);
    }

    #[test]
    fn words_that_mean_nothing_are_refused() {
        let mut node = Fixture::new();
        for words in [&["DEBUG", "JMAP"][..], &["DEBUG", "DIGEST", "x"], &["DEBUG", "SLEEP"]] {
            let expected = format!(
                "-ERR unknown subcommand or wrong number of arguments for '{}'. Try DEBUG HELP.\r\n",
                words[1]
            );
            assert_eq!(node.run(words), expected);
        }
        assert!(node.run(&["DEBUG", "HELP"]).contains("DEBUG <subcommand>"));
        assert_eq!(node.run(&["DEBUG", "ERROR", "MYCODE text"]), "-MYCODE text\r\n");
        for pair in [(["a*", "abc"], ":1\r\n"), (["a?", "abc"], ":0\r\n")] {
            let ([pattern, text], expected) = pair;
            assert_eq!(node.run(&["DEBUG", "STRINGMATCH-LEN", pattern, text]), expected);
        }
    }
}
