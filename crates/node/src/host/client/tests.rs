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
    let names: Vec<&str> =
        line.trim_end().split(' ').map(|word| word.split('=').next().unwrap_or("")).collect();
    assert_eq!(
        names,
        [
            "id",
            "addr",
            "laddr",
            "fd",
            "name",
            "age",
            "idle",
            "flags",
            "capa",
            "db",
            "sub",
            "psub",
            "ssub",
            "multi",
            "watch",
            "qbuf",
            "qbuf-free",
            "argv-mem",
            "multi-mem",
            "rbs",
            "rbp",
            "obl",
            "oll",
            "omem",
            "tot-mem",
            "events",
            "cmd",
            "user",
            "redir",
            "resp",
            "lib-name",
            "lib-ver",
            "tot-net-in",
            "tot-net-out",
            "tot-cmds",
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
    let other = node.client_from(Peer { addr: "/run/s:0".to_owned(), unix: true, ..Peer::default() });
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
    let ids: Vec<&str> =
        reply.lines().filter(|line| line.starts_with("id=")).map(|line| field(line, "id")).collect();
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
    node.run(&["CLIENT", "PAUSE", "10000", "WRITE"]);
    node.run(&["CLIENT", "PAUSE", "10", "WRITE"]);
    node.advance_ms(1000);
    assert_eq!(node.run_on(other, &["SET", "a", "1"]), "", "still writes are held");
    let info = node.run(&["INFO", "clients"]);
    for line in ["paused_reason:client_pause", "paused_actions:write", "paused_timeout_milliseconds:9000"] {
        assert!(info.contains(&format!("\r\n{line}\r\n")), "no {line} in {info}");
    }
    node.advance_ms(10_000);
    assert_eq!(node.read_from(other), "+OK\r\n");
    assert!(node.run(&["INFO", "clients"]).contains("paused_reason:none\r\npaused_actions:none\r\n"));
}

#[test]
fn a_pause_of_everything_holds_its_own_end_too() {
    let mut node = Fixture::new();
    node.run(&["CLIENT", "PAUSE", "10000", "ALL"]);
    assert_eq!(node.run(&["CLIENT", "UNPAUSE"]), "");
    node.advance_ms(11_000);
    assert_eq!(node.read(), "+OK\r\n");
}

#[test]
fn nothing_expires_in_a_pause_but_what_its_own_transaction_overwrites() {
    let mut node = Fixture::with(&["--lazyfree-lazy-expire", "no"]);
    node.begin_logging();
    node.run(&["HSET", "read", "f", "1"]);
    node.run(&["HSET", "written", "f", "1"]);
    node.run(&["PEXPIRE", "read", "10"]);
    node.run(&["PEXPIRE", "written", "10"]);
    node.run(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    node.advance_ms(20);
    let from = node.log_end();
    for words in [&["MULTI"][..], &["CLIENT", "PAUSE", "1000", "WRITE"], &["HSET", "written", "g", "2"]] {
        node.run(words);
    }
    assert_eq!(node.run(&["EXEC"]), "*2\r\n+OK\r\n:1\r\n");
    assert_eq!(node.run(&["HGETALL", "written"]), "*2\r\n$1\r\ng\r\n$1\r\n2\r\n");
    assert_eq!(node.run(&["EXISTS", "read"]), ":0\r\n");
    // Whoever follows has the old hash until he hears that it is gone.
    let log = node.log_from(from);
    assert!(log.contains("DEL $7 written *4 $4 HSET $7 written"), "{log}");
    assert!(!log.contains("$4 read"), "{log}");
    node.advance_ms(1000);
    assert_eq!(node.run(&["EXISTS", "read"]), ":0\r\n");
    assert!(node.log_from(from).contains("DEL $4 read"));
}

#[test]
fn a_queued_message_is_held_like_a_write() {
    let mut node = Fixture::new();
    let other = node.client();
    node.run_on(other, &["MULTI"]);
    node.run_on(other, &["PUBLISH", "a", "b"]);
    node.run(&["CLIENT", "PAUSE", "10000", "WRITE"]);
    assert_eq!(node.run_on(other, &["EXEC"]), "");
    node.run(&["CLIENT", "UNPAUSE"]);
    assert_eq!(node.read_from(other), "*1\r\n:0\r\n");
}

#[test]
fn replies_beyond_the_limit_are_not_sent() {
    let mut node = Fixture::with(&["--client-output-buffer-limit", "normal 100000 0 0"]);
    let other = node.client();
    node.run(&["SET", "k", &"x".repeat(60_000)]);
    assert!(node.run_on(other, &["GET", "k"]).len() > 60_000);
    node.run_on(other, &["MULTI"]);
    node.run_on(other, &["GET", "k"]);
    node.run_on(other, &["SET", "done", "1"]);
    node.run_on(other, &["GET", "k"]);
    assert_eq!(node.run_on(other, &["EXEC"]), "");
    assert_eq!(closed(&mut node), [other]);
    assert_eq!(node.run(&["GET", "done"]), "$1\r\n1\r\n");
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

#[test]
fn while_a_dataset_is_imported_nothing_expires() {
    let mut node = Fixture::new();
    assert_eq!(node.run(&["CLIENT", "IMPORT-SOURCE", "ON"]), "-ERR Server is not in import mode\r\n");
    assert_eq!(node.run(&["CLIENT", "IMPORT-SOURCE", "OFF"]), "+OK\r\n");
    node.run(&["CONFIG", "SET", "import-mode", "yes"]);
    let source = node.client();
    assert_eq!(node.run_on(source, &["CLIENT", "IMPORT-SOURCE", "ON"]), "+OK\r\n");
    assert!(node.run_on(source, &["CLIENT", "INFO"]).contains(" flags=I "));
    for key in ["a", "b"] {
        node.run_on(source, &["SET", key, "1", "PX", "10"]);
    }
    node.run_on(source, &["HSETEX", "h", "EXAT", "0", "FIELDS", "1", "f", "1"]);
    node.advance_ms(200);
    assert_eq!(node.run(&["DBSIZE"]), ":3\r\n");
    assert_eq!(node.run(&["GET", "a"]), "$-1\r\n");
    assert_eq!(node.run(&["HGET", "h", "f"]), "$-1\r\n");
    assert_eq!(node.run(&["DBSIZE"]), ":3\r\n", "hidden, but there");
    assert_eq!(node.run_on(source, &["INCR", "a"]), ":2\r\n");
    assert_eq!(node.run_on(source, &["TTL", "a"]), ":0\r\n");
    assert_eq!(node.run_on(source, &["HGET", "h", "f"]), "$1\r\n1\r\n");
    assert_eq!(node.run(&["INCR", "b"]), ":1\r\n", "a client of the instance begins anew");
    node.run_on(source, &["RESET"]);
    assert_eq!(node.run_on(source, &["GET", "a"]), "$-1\r\n");
    node.run(&["CONFIG", "SET", "import-mode", "no"]);
    node.advance_ms(200);
    assert_eq!(node.run(&["KEYS", "*"]), "*1\r\n$1\r\nb\r\n");
}
