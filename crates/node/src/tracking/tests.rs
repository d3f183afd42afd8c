//! What clients are told, and when.

use super::*;
use crate::testing::Fixture;

/// A push about some keys.
fn push(keys: &[&str]) -> String {
    format!(">2\r\n$10\r\ninvalidate\r\n{}", array(keys))
}

/// The same as a message for a subscriber that speaks RESP2.
fn message(keys: &[&str]) -> String {
    format!("*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n{}", array(keys))
}

fn array(keys: &[&str]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| format!("${}\r\n{key}\r\n", key.len())).collect();
    format!("*{}\r\n{}", keys.len(), keys.concat())
}

const FORGET_ALL: &str = ">2\r\n$10\r\ninvalidate\r\n_\r\n";

/// The value of a field of INFO.
fn info(node: &mut Fixture, field: &str) -> u64 {
    let report = node.run(&["INFO", "everything"]);
    let line = report.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {field} in {report}"))
}

impl Fixture {
    /// A client that speaks RESP3 and tracks as it is told here.
    fn tracking(&mut self, options: &[&str]) -> ConnId {
        let conn = self.client();
        self.run_on(conn, &["HELLO", "3"]);
        self.track(conn, options);
        conn
    }

    fn track(&mut self, conn: ConnId, options: &[&str]) {
        let words: Vec<&str> = ["CLIENT", "TRACKING", "on"].iter().chain(options).copied().collect();
        assert_eq!(self.run_on(conn, &words), "+OK\r\n");
    }

    /// Sends several commands in one piece, and reads what comes.
    fn pipeline(&mut self, conn: ConnId, commands: &[&[&str]]) -> String {
        let mut input = Vec::new();
        for words in commands {
            let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
            resp::encode_request(&mut input, &words);
        }
        self.node.input(self.now, conn, &input);
        self.node.before_write(self.now);
        self.read_from(conn)
    }

    fn id_of(&mut self, conn: ConnId) -> String {
        self.run_on(conn, &["CLIENT", "ID"])[1..].trim().to_owned()
    }

    fn flags_of(&mut self, conn: ConnId) -> Vec<String> {
        let reply = self.run_on(conn, &["CLIENT", "TRACKINGINFO"]);
        let flags = reply.split("$8\r\nredirect").next().expect("it begins with flags");
        flags
            .lines()
            .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()))
            .skip(1)
            .map(str::to_owned)
            .collect()
    }
}

#[test]
fn a_reader_is_told_once_and_nobody_else_is() {
    let mut node = Fixture::new();
    let reader = node.tracking(&[]);
    let other = node.tracking(&[]);
    node.run_on(reader, &["MGET", "a", "b"]);
    node.run_on(reader, &["GET", "a"]);
    assert_eq!((info(&mut node, "tracking_total_keys"), info(&mut node, "tracking_total_items")), (2, 2));
    node.run(&["SET", "a", "1"]);
    node.run(&["SET", "a", "2"]);
    node.run(&["SET", "c", "1"]);
    assert_eq!(node.read_from(reader), push(&["a"]));
    assert_eq!(node.read_from(other), "");
    assert_eq!(info(&mut node, "tracking_total_keys"), 1);
    // Databases are all one.
    node.run(&["SELECT", "3"]);
    node.run(&["SET", "b", "1"]);
    assert_eq!(node.read_from(reader), push(&["b"]));
    assert_eq!(info(&mut node, "tracking_clients"), 2);
}

#[test]
fn what_writes_is_not_remembered_and_what_fails_is() {
    let mut node = Fixture::new();
    let reader = node.tracking(&[]);
    node.run(&["LPUSH", "list", "x"]);
    assert!(node.run_on(reader, &["GET", "list"]).starts_with("-WRONGTYPE"));
    node.run_on(reader, &["SET", "own", "1"]);
    node.run_on(reader, &["INCR", "n"]);
    node.run_on(reader, &["WATCH", "watched"]);
    assert_eq!(info(&mut node, "tracking_total_keys"), 1);
    node.run_on(reader, &["XREAD", "BLOCK", "1000", "STREAMS", "st", "0"]);
    assert_eq!(info(&mut node, "tracking_total_keys"), 2);
    node.run(&["RPUSH", "list", "y"]);
    assert_eq!(node.read_from(reader), push(&["list"]));
}

#[test]
fn ones_own_changes_come_behind_the_reply_or_not_at_all() {
    let mut node = Fixture::new();
    let client = node.tracking(&[]);
    node.run_on(client, &["MGET", "a", "b"]);
    assert_eq!(
        node.pipeline(client, &[&["SET", "a", "1"], &["SET", "b", "1"], &["PING"]]),
        format!("+OK\r\n{}+OK\r\n{}+PONG\r\n", push(&["a"]), push(&["b"]))
    );
    node.track(client, &["NOLOOP"]);
    node.run_on(client, &["MGET", "a", "b"]);
    assert_eq!(node.run_on(client, &["SET", "a", "2"]), "+OK\r\n");
    node.run(&["SET", "b", "2"]);
    assert_eq!(node.read_from(client), push(&["b"]));
}

#[test]
fn transactions_and_scripts_are_not_interrupted() {
    let mut node = Fixture::new();
    let client = node.tracking(&[]);
    let reply = node.pipeline(
        client,
        &[
            &["MULTI"],
            &["GET", "a"],
            &["SET", "a", "1"],
            &["GET", "a"],
            &["EXEC"],
            &["SET", "a", "2"],
            &["PING"],
        ],
    );
    assert_eq!(
        reply,
        format!(
            "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n_\r\n+OK\r\n$1\r\n1\r\n{}+OK\r\n{}+PONG\r\n",
            push(&["a"]),
            push(&["a"])
        )
    );
    // What a script reads is tracked, be it among its keys or not; what it does not read is not.
    let script = "redis.call('get', 'x') redis.call('set', 'x', 1) redis.call('set', KEYS[1], 1) return redis.call('get', 'y')";
    assert_eq!(node.run_on(client, &["EVAL", script, "2", "k", "z"]), format!("_\r\n{}", push(&["x"])));
    node.run(&["MSET", "x", "1", "y", "1", "k", "1", "z", "1"]);
    assert_eq!(node.read_from(client), push(&["y"]));
    node.run_on(client, &["EVAL_RO", "return redis.call('get', 'y')", "1", "k"]);
    node.run(&["MSET", "y", "1", "k", "1"]);
    assert_eq!(node.read_from(client), push(&["y"]));
}

#[test]
fn opting_in_and_out_is_for_one_command() {
    let mut node = Fixture::new();
    let reader = node.tracking(&["OPTIN"]);
    let write = |node: &mut Fixture| {
        node.run(&["MSET", "a", "1", "b", "1", "c", "1"]);
        node.read_from(reader)
    };
    node.run_on(reader, &["GET", "a"]);
    assert_eq!(write(&mut node), "");
    let caching = |node: &mut Fixture, word: &str| node.run_on(reader, &["CLIENT", "CACHING", word]);
    caching(&mut node, "YES");
    assert_eq!(node.flags_of(reader), ["on", "optin", "caching-yes"]);
    node.pipeline(reader, &[&["GET", "a"], &["GET", "b"]]);
    assert_eq!(node.flags_of(reader), ["on", "optin"]);
    assert_eq!(write(&mut node), push(&["a"]));
    // For a whole transaction, from outside or from within; and for a script.
    for commands in [
        &[
            &["CLIENT", "CACHING", "yes"][..],
            &["MULTI"],
            &["GET", "a"],
            &["GET", "b"],
            &["EXEC"],
            &["GET", "c"],
        ][..],
        &[&["MULTI"], &["CLIENT", "CACHING", "yes"], &["GET", "a"], &["GET", "b"], &["EXEC"], &["GET", "c"]],
        &[
            &["CLIENT", "CACHING", "yes"],
            &["EVAL", "redis.call('get', 'a') redis.call('get', 'b')", "0"],
            &["GET", "c"],
        ],
    ] {
        node.pipeline(reader, commands);
        assert_eq!(write(&mut node), push(&["a"]) + &push(&["b"]), "{commands:?}");
    }
    // What is refused counts as well.
    caching(&mut node, "YES");
    node.pipeline(reader, &[&["NOSUCHCOMMAND"], &["GET", "a"]]);
    assert_eq!(write(&mut node), "");

    node.run_on(reader, &["CLIENT", "TRACKING", "off"]);
    node.track(reader, &["OPTOUT"]);
    caching(&mut node, "NO");
    assert_eq!(node.flags_of(reader), ["on", "optout", "caching-no"]);
    node.pipeline(reader, &[&["GET", "a"], &["GET", "b"]]);
    assert_eq!(write(&mut node), push(&["b"]));
}

#[test]
fn broadcasts_are_gathered_and_follow_the_prefixes() {
    let mut node = Fixture::new();
    let all = node.tracking(&["BCAST"]);
    let some = node.tracking(&["BCAST", "PREFIX", "user:", "PREFIX", "item:"]);
    let quiet = node.tracking(&["BCAST", "NOLOOP"]);
    assert_eq!(info(&mut node, "tracking_total_prefixes"), 3);
    let commands: &[&[&str]] = &[
        &["SET", "user:2", "x"],
        &["SET", "user:1", "x"],
        &["SET", "user:2", "y"],
        &["SET", "zoo", "x"],
        &["SET", "item:1", "x"],
    ];
    node.pipeline(node.conn, commands);
    assert_eq!(node.read_from(all), push(&["item:1", "user:1", "user:2", "zoo"]));
    assert_eq!(node.read_from(some), push(&["item:1"]) + &push(&["user:1", "user:2"]));
    assert_eq!(node.read_from(quiet), push(&["item:1", "user:1", "user:2", "zoo"]));
    // What it has changed itself, and nobody else in the same round, is left out.
    assert_eq!(node.pipeline(quiet, &[&["SET", "a", "1"], &["SET", "b", "1"]]), "+OK\r\n+OK\r\n");
    assert_eq!(node.read_from(all), push(&["a", "b"]));
    let mut input = Vec::new();
    resp::encode_request(&mut input, &[b"INCR", b"a"]);
    node.node.input(node.now, quiet, &input);
    node.node.input(node.now, all, &input);
    assert_eq!(node.run_on(quiet, &["INCR", "b"]), format!(":2\r\n:2\r\n{}", push(&["a"])));
    assert_eq!(node.read_from(all), format!(":3\r\n{}", push(&["a", "b"])));
    // Pipelined replies first.
    assert_eq!(
        node.pipeline(all, &[&["DEL", "a"], &["DEL", "none"], &["PING"]]),
        format!(":1\r\n:0\r\n+PONG\r\n{}", push(&["a"]))
    );
    node.run_on(some, &["CLIENT", "TRACKING", "off"]);
    assert_eq!(info(&mut node, "tracking_total_prefixes"), 1);
}

#[test]
fn keys_that_expire_are_told_whoever_comes_upon_them() {
    let mut node = Fixture::new();
    let reader = node.tracking(&["NOLOOP"]);
    let listener = node.tracking(&["BCAST", "NOLOOP"]);
    for key in ["soon", "later"] {
        node.run(&["SET", key, "v", "PX", "100"]);
        node.run_on(reader, &["GET", key]);
    }
    node.run(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    node.read_from(listener);
    node.advance_ms(200);
    // It comes upon it itself, and yet it was not its doing.
    assert_eq!(node.run_on(reader, &["GET", "soon"]), format!("_\r\n{}", push(&["soon"])));
    assert_eq!(node.read_from(listener), push(&["soon"]));
    node.run(&["DEBUG", "SET-ACTIVE-EXPIRE", "1"]);
    node.advance_ms(200);
    node.node.before_write(node.now);
    assert_eq!(node.read_from(reader), push(&["later"]));
    assert_eq!(node.read_from(listener), push(&["later"]));
    // Fields of hashes are changes of their hash.
    node.run(&["HSETEX", "h", "PX", "50", "FIELDS", "1", "f", "v"]);
    node.run_on(reader, &["HGETALL", "h"]);
    node.advance_ms(200);
    assert_eq!(node.read_from(reader), push(&["h"]));
}

#[test]
fn whole_databases_are_told_in_a_word() {
    for words in [&["FLUSHALL"][..], &["FLUSHDB", "ASYNC"], &["SWAPDB", "0", "1"], &["DEBUG", "RELOAD"]] {
        let mut node = Fixture::new();
        let reader = node.tracking(&[]);
        let listener = node.tracking(&["BCAST", "PREFIX", "a"]);
        let off = node.tracking(&[]);
        node.run_on(off, &["CLIENT", "TRACKING", "off"]);
        node.run_on(reader, &["GET", "a"]);
        if words.ends_with(&["RELOAD"]) {
            // It is the reading of a dump file that replaces everything.
            node.node.invalidate_everything();
        } else {
            node.pipeline(node.conn, &[&["SET", "a1", "x"], words]);
        }
        assert_eq!(node.read_from(reader), FORGET_ALL, "{words:?}");
        assert_eq!(node.read_from(listener), FORGET_ALL, "{words:?}");
        assert_eq!(node.read_from(off), "");
        assert_eq!(info(&mut node, "tracking_total_keys"), 0);
    }
    let mut node = Fixture::new();
    let reader = node.tracking(&["NOLOOP"]);
    let reply = node.pipeline(reader, &[&["MULTI"], &["FLUSHDB"], &["PING"], &["EXEC"]]);
    assert_eq!(reply, format!("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n+PONG\r\n{FORGET_ALL}"));
}

#[test]
fn others_read_in_the_place_of_a_client() {
    let mut node = Fixture::new();
    let (old, new, client) = (node.client(), node.client(), node.client());
    node.run_on(old, &["SUBSCRIBE", "__redis__:invalidate"]);
    node.run_on(new, &["HELLO", "3"]);
    let (old_id, new_id) = (node.id_of(node.conn), node.id_of(new));
    // The subscriber cannot be asked for its id.
    let old_id = (old_id.parse::<u64>().unwrap() + 1).to_string();
    for (id, conn, expected) in [(&old_id, old, message(&["a"])), (&new_id, new, push(&["a"]))] {
        node.track(client, &["REDIRECT", id]);
        assert_eq!(node.run_on(client, &["CLIENT", "GETREDIR"]), format!(":{id}\r\n"));
        node.run_on(client, &["GET", "a"]);
        node.run(&["SET", "a", "1"]);
        assert_eq!(node.read_from(conn), expected);
        assert_eq!(node.read_from(client), "");
    }
    node.track(client, &["REDIRECT", &old_id]);
    node.run(&["FLUSHALL"]);
    assert_eq!(node.read_from(old), "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n$-1\r\n");
    // One that is not subscribed, and speaks RESP2, could not tell it from a reply. Nor could the client itself.
    let plain = node.client();
    let id = node.id_of(plain);
    node.track(client, &["REDIRECT", &id]);
    node.run_on(client, &["GET", "a"]);
    node.run(&["SET", "a", "1"]);
    assert_eq!((node.read_from(plain), node.read_from(client)), (String::new(), String::new()));
    node.track(client, &[]);
    node.run_on(client, &["GET", "a"]);
    node.run(&["SET", "a", "1"]);
    assert_eq!(node.read_from(client), "");
}

#[test]
fn a_client_hears_that_nobody_reads_for_it() {
    let mut node = Fixture::new();
    let target = node.client();
    let id = node.id_of(target);
    let client = node.tracking(&["REDIRECT", &id]);
    node.run_on(client, &["GET", "a"]);
    node.eof(target);
    // A new connection in the old one's slot is somebody else.
    let next = node.client();
    node.run_on(next, &["HELLO", "3"]);
    assert_eq!(node.flags_of(client), ["on"]);
    node.run(&["SET", "a", "1"]);
    assert_eq!(node.read_from(client), format!(">2\r\n$21\r\ntracking-redir-broken\r\n:{id}\r\n"));
    assert_eq!(node.read_from(next), "");
    assert_eq!(node.flags_of(client), ["on", "broken_redirect"]);
    assert!(node.run_on(client, &["CLIENT", "INFO"]).contains(" flags=tR "));
    assert_eq!(node.run_on(client, &["CLIENT", "GETREDIR"]), format!(":{id}\r\n"));
    node.track(client, &[]);
    assert_eq!(node.flags_of(client), ["on"]);
}

#[test]
fn silence_is_for_replies_only() {
    let mut node = Fixture::new();
    let client = node.tracking(&[]);
    node.run_on(client, &["GET", "a"]);
    node.run_on(client, &["CLIENT", "REPLY", "OFF"]);
    node.run(&["SET", "a", "1"]);
    assert_eq!(node.read_from(client), push(&["a"]));
    node.run_on(client, &["GET", "a"]);
    assert_eq!(node.run_on(client, &["SET", "a", "2"]), push(&["a"]));
}

#[test]
fn the_table_keeps_its_limit() {
    let mut node = Fixture::with(&["--tracking-table-max-keys", "10"]);
    let reader = node.tracking(&["NOLOOP"]);
    let mut told = 0;
    for key in 0..50 {
        let reply = node.run_on(reader, &["GET", &key.to_string()]);
        told += reply.matches("invalidate").count();
    }
    assert_eq!((told, info(&mut node, "tracking_total_keys")), (40, 10));
    node.run(&["CONFIG", "SET", "tracking-table-max-keys", "1"]);
    assert_eq!(node.read_from(reader).matches("invalidate").count(), 9);
    node.run(&["CONFIG", "SET", "tracking-table-max-keys", "0"]);
    for key in 0..5000 {
        node.run_on(reader, &["GET", &key.to_string()]);
    }
    assert_eq!(info(&mut node, "tracking_total_keys"), 5000);
    // A table that is far too large is not emptied in one go.
    node.run(&["CONFIG", "SET", "tracking-table-max-keys", "1"]);
    assert_eq!(info(&mut node, "tracking_total_keys"), 4000);
    node.advance_ms(1000);
    node.advance_ms(1000);
    assert_eq!(info(&mut node, "tracking_total_keys"), 2000);
}

#[test]
fn those_who_leave_take_everything_along() {
    let mut node = Fixture::new();
    let reader = node.tracking(&[]);
    let listener = node.tracking(&["BCAST", "PREFIX", "a"]);
    node.run_on(reader, &["GET", "a"]);
    node.run(&["SET", "a", "1"]);
    node.run_on(reader, &["GET", "a"]);
    assert_eq!(node.run_on(listener, &["RESET"]).matches("RESET").count(), 1);
    assert_eq!(node.flags_of(listener), ["off"]);
    assert_eq!((info(&mut node, "tracking_clients"), info(&mut node, "tracking_total_prefixes")), (1, 0));
    node.eof(reader);
    assert_eq!(info(&mut node, "tracking_clients"), 0);
    // The key's reader is somebody who is no more.
    assert_eq!(info(&mut node, "tracking_total_keys"), 1);
    node.eof(listener);
    assert!(!node.node.effects.track_keys, "commands need not say any more what they touch");
    assert_eq!((info(&mut node, "tracking_total_keys"), node.node.tracking.trackers.len()), (0, 0));
    assert_eq!(node.node.tracking.pushed_room, 0);
}

#[test]
fn what_was_read_before_tracking_was_turned_off_and_on_again_is_told() {
    let mut node = Fixture::new();
    let reader = node.tracking(&[]);
    node.run_on(reader, &["GET", "a"]);
    node.run_on(reader, &["CLIENT", "TRACKING", "off"]);
    node.track(reader, &[]);
    node.run(&["SET", "a", "1"]);
    assert_eq!(node.read_from(reader), push(&["a"]));
    // Changes meanwhile are nobody's business any more, but the table is kept true.
    node.run_on(reader, &["GET", "a"]);
    node.run_on(reader, &["CLIENT", "TRACKING", "off"]);
    node.run(&["SET", "a", "1"]);
    assert_eq!(info(&mut node, "tracking_total_keys"), 0);
    node.run_on(reader, &["GET", "a"]);
    node.track(reader, &[]);
    node.run_on(reader, &["GET", "a"]);
    node.run_on(reader, &["CLIENT", "TRACKING", "off"]);
    node.run(&["FLUSHALL"]);
    assert_eq!(info(&mut node, "tracking_total_keys"), 0);
    node.track(reader, &[]);
    node.run(&["SET", "a", "1"]);
    assert_eq!(node.read_from(reader), "");
    // One that has gone over to broadcasting is told of a key once, however it came to it.
    node.run_on(reader, &["GET", "a"]);
    node.run_on(reader, &["CLIENT", "TRACKING", "off"]);
    node.track(reader, &["BCAST"]);
    node.run(&["SET", "a", "1"]);
    assert_eq!(node.read_from(reader), push(&["a"]));
}

#[test]
fn who_does_not_read_is_cut_off_alone() {
    let mut node = Fixture::with(&["--client-output-buffer-limit", "normal 20000 0 0"]);
    let (slow, quick) = (node.tracking(&["BCAST"]), node.tracking(&["BCAST"]));
    let key = "k".repeat(10_000);
    for round in 0..4 {
        node.run(&["SET", &key, "v"]);
        assert!(node.read_from(quick).starts_with(">2"), "{round}");
    }
    assert!(node.node.session(slow).is_none() && node.node.session(quick).is_some());
    assert_eq!(info(&mut node, "client_output_buffer_limit_disconnections"), 1);
    assert_eq!(info(&mut node, "tracking_clients"), 1);
}

#[test]
fn memory_for_messages_on_their_way_evicts_nothing_but_not_for_ever() {
    let mut node = Fixture::new();
    let slow = node.tracking(&["BCAST"]);
    let key = "k".repeat(100_000);
    node.run(&["SET", &key, "v"]);
    assert!(node.node.tracking.pushed_room > 90_000);
    assert!(node.node.memory_not_counted() > 90_000);
    node.read_from(slow);
    assert_eq!(node.node.tracking.pushed_room, 0);
    let room = node.node.session(slow).map(|session| session.reply.buf.capacity());
    assert!(room.is_some_and(|room| room < 10_000), "{room:?}");
    node.run(&["SET", &key, "v"]);
    node.advance_ms(100);
    node.advance_ms(100);
    assert_eq!(node.node.tracking.pushed_room, 0, "it does not read");
    node.run(&["SET", &key, "v"]);
    node.eof(slow);
    assert_eq!(node.node.tracking.pushed_room, 0);
}

#[test]
fn a_replica_tells_its_own_clients() {
    let mut node = Fixture::new();
    let reader = node.tracking(&[]);
    node.run_on(reader, &["MGET", "a", "b"]);
    node.run(&["REPLICAOF", "10.0.0.9", "7000"]);
    node.node.apply_stream(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n");
    assert_eq!(node.read_from(reader), push(&["a"]));
    node.node.dataset_replaced();
    assert_eq!(node.read_from(reader), FORGET_ALL);
}
