use super::Scope;
use crate::action::ConnId;
use crate::testing::Fixture;

/// A request or a message as it is read: arrays of bulk strings and numbers, one a line.
fn lines(raw: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for line in raw.split("\r\n").filter(|line| !line.is_empty()) {
        let header = line.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
        match line.as_bytes()[0] {
            b'*' | b'>' if header => out.push(line[..1].to_owned()),
            b'$' if line != "$-1" => {}
            _ => {
                let last = out.last_mut().filter(|last| last.starts_with(['*', '>']));
                match last {
                    Some(last) => {
                        last.push(' ');
                        last.push_str(line);
                    }
                    None => out.push(line.to_owned()),
                }
            }
        }
    }
    out
}

fn resp3(node: &mut Fixture) -> ConnId {
    let conn = node.client();
    node.run_on(conn, &["HELLO", "3"]);
    conn
}

#[test]
fn messages_reach_channels_patterns_and_shards() {
    let mut node = Fixture::new();
    let (old, new) = (node.client(), resp3(&mut node));
    assert_eq!(
        lines(&node.run_on(old, &["SUBSCRIBE", "a", "b", "a"])),
        ["* subscribe a :1", "* subscribe b :2", "* subscribe a :2"]
    );
    assert_eq!(
        lines(&node.run_on(new, &["PSUBSCRIBE", "?", "a*"])),
        ["> psubscribe ? :1", "> psubscribe a* :2"]
    );
    assert_eq!(lines(&node.run_on(new, &["SSUBSCRIBE", "a"])), ["> ssubscribe a :1"]);
    assert_eq!(node.run(&["PUBLISH", "a", "hello"]), ":3\r\n");
    assert_eq!(lines(&node.read_from(old)), ["* message a hello"]);
    assert_eq!(lines(&node.read_from(new)), ["> pmessage ? a hello", "> pmessage a* a hello"]);
    assert_eq!(node.run(&["SPUBLISH", "a", "hi"]), ":1\r\n");
    assert_eq!(lines(&node.read_from(new)), ["> smessage a hi"]);
    assert_eq!(node.read_from(old), "");
    assert_eq!(node.run(&["PUBLISH", "nobody", "x"]), ":0\r\n");
    assert_eq!(lines(&node.run(&["PUBSUB", "CHANNELS"])), ["* a b"]);
    assert_eq!(lines(&node.run(&["PUBSUB", "CHANNELS", "b*"])), ["* b"]);
    assert_eq!(lines(&node.run(&["PUBSUB", "SHARDCHANNELS"])), ["* a"]);
    assert_eq!(lines(&node.run(&["PUBSUB", "NUMSUB", "a", "c"])), ["* a :1 c :0"]);
    assert_eq!(lines(&node.run(&["PUBSUB", "SHARDNUMSUB", "a"])), ["* a :1"]);
    assert_eq!(node.run(&["PUBSUB", "NUMPAT"]), ":2\r\n");
    let info = node.run(&["INFO", "everything"]);
    for line in ["pubsub_channels:2", "pubsub_patterns:2", "pubsubshard_channels:1", "pubsub_clients:2"] {
        assert!(info.contains(&format!("\r\n{line}\r\n")), "no {line}");
    }
    let list = node.run(&["CLIENT", "LIST", "TYPE", "PUBSUB"]);
    assert!(list.contains("flags=P capa= db=0 sub=2 psub=0 ssub=0 "), "{list}");
    assert!(list.contains("flags=P capa= db=0 sub=0 psub=2 ssub=1 "), "{list}");
    assert_eq!(node.run(&["CLIENT", "KILL", "TYPE", "pubsub"]), ":2\r\n");
    assert_eq!(node.run(&["PUBSUB", "NUMPAT"]), ":0\r\n");
    assert_eq!(node.run(&["PUBLISH", "a", "hello"]), ":0\r\n");
}

#[test]
fn leaving_is_confirmed_one_by_one() {
    let mut node = Fixture::new();
    let conn = node.client();
    node.run_on(conn, &["SUBSCRIBE", "a", "b"]);
    node.run_on(conn, &["PSUBSCRIBE", "c*"]);
    assert_eq!(
        lines(&node.run_on(conn, &["UNSUBSCRIBE", "b", "x"])),
        ["* unsubscribe b :2", "* unsubscribe x :2"]
    );
    assert_eq!(lines(&node.run_on(conn, &["UNSUBSCRIBE"])), ["* unsubscribe a :1"]);
    assert_eq!(lines(&node.run_on(conn, &["UNSUBSCRIBE"])), ["* unsubscribe $-1 :1"]);
    assert_eq!(lines(&node.run_on(conn, &["PUNSUBSCRIBE"])), ["* punsubscribe c* :0"]);
    assert_eq!(lines(&node.run_on(conn, &["SUNSUBSCRIBE"])), ["* sunsubscribe $-1 :0"]);
    assert_eq!(node.run_on(conn, &["GET", "k"]), "$-1\r\n", "no subscriber any more");
}

#[test]
fn subscribers_of_the_old_protocol_may_do_little() {
    let mut node = Fixture::new();
    let conn = node.client();
    node.run_on(conn, &["SSUBSCRIBE", "a"]);
    assert_eq!(
        node.run_on(conn, &["GET", "k"]),
        "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context\r\n"
    );
    assert!(node.run_on(conn, &["CLIENT", "ID"]).starts_with("-ERR Can't execute 'client|id': only "));
    assert_eq!(node.run_on(conn, &["PING"]), "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    assert_eq!(node.run_on(conn, &["PING", "x"]), "*2\r\n$4\r\npong\r\n$1\r\nx\r\n");
    assert_eq!(node.run_on(conn, &["RESET"]), "+RESET\r\n");
    assert_eq!(node.run(&["PUBSUB", "SHARDCHANNELS"]), "*0\r\n");
    assert_eq!(node.run_on(conn, &["PING"]), "+PONG\r\n");
    let free = resp3(&mut node);
    node.run_on(free, &["SUBSCRIBE", "a"]);
    assert_eq!(node.run_on(free, &["PING"]), "+PONG\r\n");
    assert_eq!(node.run_on(free, &["GET", "k"]), "_\r\n");
}

#[test]
fn ones_own_messages_come_behind_the_reply() {
    let mut node = Fixture::new();
    let conn = resp3(&mut node);
    node.run_on(conn, &["SUBSCRIBE", "a"]);
    assert_eq!(
        node.run_on(conn, &["PUBLISH", "a", "x"]),
        ":1\r\n>3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n"
    );
    node.run_on(conn, &["MULTI"]);
    node.run_on(conn, &["PUBLISH", "a", "1"]);
    node.run_on(conn, &["PUBLISH", "a", "2"]);
    node.run_on(conn, &["PING"]);
    let reply = node.run_on(conn, &["EXEC"]);
    assert!(reply.starts_with("*3\r\n:1\r\n:1\r\n+PONG\r\n>3\r\n"), "{reply}");
    assert_eq!(lines(&reply)[1..], ["> message a 1", "> message a 2"]);
}

#[test]
fn silenced_replies_are_not_messages() {
    let mut node = Fixture::new();
    let conn = resp3(&mut node);
    assert_eq!(node.run_on(conn, &["CLIENT", "REPLY", "OFF"]), "");
    assert_eq!(lines(&node.run_on(conn, &["SUBSCRIBE", "a"])), ["> subscribe a :1"]);
    assert_eq!(lines(&node.run_on(conn, &["PUBLISH", "a", "x"])), ["> message a x"]);
    node.run(&["PUBLISH", "a", "y"]);
    assert_eq!(lines(&node.read_from(conn)), ["> message a y"]);
    assert_eq!(lines(&node.run_on(conn, &["UNSUBSCRIBE"])), ["> unsubscribe a :0"]);
    assert_eq!(node.run_on(conn, &["PING"]), "");
}

#[test]
fn who_does_not_read_is_cut_off_and_nobody_else() {
    let mut node = Fixture::with(&["--client-output-buffer-limit", "pubsub 1000 0 0"]);
    let (slow, quick) = (node.client(), node.client());
    for conn in [slow, quick] {
        node.run_on(conn, &["SUBSCRIBE", "a"]);
    }
    let message = "x".repeat(300);
    for _ in 0..4 {
        assert_eq!(node.run(&["PUBLISH", "a", &message]), ":2\r\n");
        assert!(node.read_from(quick).contains(&message));
    }
    assert_eq!(node.run(&["PUBLISH", "a", &message]), ":1\r\n");
    assert!(
        node.actions().iter().any(|action| matches!(action, crate::Action::Close(conn) if *conn == slow))
    );
    assert!(node.run(&["INFO", "stats"]).contains("client_output_buffer_limit_disconnections:1\r\n"));
}

#[test]
fn one_that_floods_itself_is_cut_off_too() {
    let mut node = Fixture::with(&["--client-output-buffer-limit", "pubsub 1000 0 0"]);
    let conn = resp3(&mut node);
    node.run_on(conn, &["SUBSCRIBE", "a"]);
    node.run_on(conn, &["MULTI"]);
    for _ in 0..20 {
        node.run_on(conn, &["PUBLISH", "a", &"x".repeat(100)]);
    }
    assert_eq!(node.run_on(conn, &["EXEC"]), "");
    assert!(
        node.actions().iter().any(|action| matches!(action, crate::Action::Close(other) if *other == conn))
    );
    assert_eq!(node.run(&["PUBSUB", "CHANNELS"]), "*0\r\n");
    assert!(node.node.pubsub.postbox.is_empty());
}

#[test]
fn a_soft_limit_leaves_time() {
    let mut node = Fixture::with(&["--client-output-buffer-limit", "pubsub 0 100 2"]);
    let conn = node.client();
    node.run_on(conn, &["SUBSCRIBE", "a"]);
    node.run(&["PUBLISH", "a", &"x".repeat(200)]);
    node.advance_ms(100);
    node.advance_ms(1500);
    assert_eq!(node.run(&["PUBSUB", "NUMSUB", "a"]), "*2\r\n$1\r\na\r\n:1\r\n");
    node.advance_ms(1000);
    assert_eq!(node.run(&["PUBSUB", "NUMSUB", "a"]), "*2\r\n$1\r\na\r\n:0\r\n");
}

#[test]
fn what_is_written_is_not_kept() {
    let mut node = Fixture::new();
    let conn = node.client();
    node.run_on(conn, &["SUBSCRIBE", "a"]);
    let message = "x".repeat(100_000);
    for _ in 0..10 {
        node.run(&["PUBLISH", "a", &message]);
    }
    // It reads all the time, and is never done.
    for _ in 0..100 {
        node.run(&["PUBLISH", "a", &message]);
        node.node.written(node.now, conn, 100_000);
    }
    let session = node.node.session(conn).expect("connected");
    assert!(session.reply.buf.len() < 3_000_000, "{}", session.reply.buf.len());
}

#[test]
fn messages_are_logged_and_a_replicas_are_not() {
    let mut node = Fixture::new();
    node.begin_logging();
    let from = node.log_end();
    node.run(&["PUBLISH", "a", "1"]);
    node.run(&["MULTI"]);
    node.run(&["SPUBLISH", "b", "2"]);
    node.run(&["SET", "k", "v"]);
    node.run(&["EXEC"]);
    let log = node.log_from(from);
    let words: Vec<&str> = log.split(' ').filter(|word| !word.starts_with(['*', '$'])).collect();
    assert_eq!(words.join(" ").trim(), "SELECT 0 PUBLISH a 1 MULTI SPUBLISH b 2 SET k v EXEC");
    node.run(&["REPLICAOF", "10.0.0.9", "7000"]);
    let conn = node.client();
    node.run_on(conn, &["SUBSCRIBE", "a"]);
    let end = node.node.replication.log.end();
    assert_eq!(node.run(&["PUBLISH", "a", "3"]), ":1\r\n", "those who are here hear it");
    assert_eq!(node.node.replication.log.end(), end);
}

#[test]
fn events_are_recorded_only_for_ears() {
    let mut node = Fixture::with(&["--notify-keyspace-events", "KEA"]);
    assert!(node.node.effects.notify.is_empty(), "nobody listens");
    let conn = node.client();
    node.run_on(conn, &["SSUBSCRIBE", "x"]);
    assert!(node.node.effects.notify.is_empty(), "no event goes to a shard");
    node.run_on(conn, &["PSUBSCRIBE", "__key*"]);
    assert!(!node.node.effects.notify.is_empty());
    node.run(&["CONFIG", "SET", "notify-keyspace-events", "A"]);
    assert!(node.node.effects.notify.is_empty(), "without K and E nothing is published");
    node.run(&["CONFIG", "SET", "notify-keyspace-events", "KEA"]);
    node.eof(conn);
    assert!(node.node.effects.notify.is_empty());
    assert_eq!(node.node.pubsub.registry.len(Scope::Pattern), 0);
    assert_eq!(node.node.pubsub.clients, 0);
}

#[test]
fn events_come_in_order_on_both_channels() {
    let mut node = Fixture::with(&["--notify-keyspace-events", "KEAn"]);
    let conn = node.client();
    node.run_on(conn, &["PSUBSCRIBE", "*"]);
    node.run(&["SET", "k", "v", "PX", "150"]);
    let heard: Vec<String> =
        lines(&node.read_from(conn)).iter().map(|line| line.replace("* pmessage * ", "")).collect();
    assert_eq!(
        heard,
        [
            "__keyspace@0__:k new",
            "__keyevent@0__:new k",
            "__keyspace@0__:k set",
            "__keyevent@0__:set k",
            "__keyspace@0__:k expire",
            "__keyevent@0__:expire k",
        ]
    );
    node.advance_ms(300);
    assert_eq!(
        lines(&node.read_from(conn)),
        ["* pmessage * __keyspace@0__:k expired", "* pmessage * __keyevent@0__:expired k"]
    );
}

#[test]
fn a_read_that_misses_is_an_event_if_asked_for() {
    let mut node = Fixture::with(&["--notify-keyspace-events", "Em"]);
    let conn = node.client();
    node.run_on(conn, &["SUBSCRIBE", "__keyevent@3__:keymiss"]);
    node.run(&["SELECT", "3"]);
    node.run(&["GET", "k"]);
    assert_eq!(lines(&node.read_from(conn)), ["* message __keyevent@3__:keymiss k"]);
}

#[test]
fn what_a_blocked_client_does_is_heard() {
    let mut node = Fixture::with(&["--notify-keyspace-events", "El"]);
    let (ear, waiting) = (node.client(), node.client());
    node.run_on(ear, &["PSUBSCRIBE", "*"]);
    node.run_on(waiting, &["BLPOP", "l", "0"]);
    node.run(&["RPUSH", "l", "x"]);
    assert_eq!(
        lines(&node.read_from(ear)),
        ["* pmessage * __keyevent@0__:rpush l", "* pmessage * __keyevent@0__:lpop l"]
    );
}

#[test]
fn a_client_hears_of_its_own_wait() {
    let mut node = Fixture::with(&["--notify-keyspace-events", "El"]);
    let conn = resp3(&mut node);
    node.run_on(conn, &["SUBSCRIBE", "__keyevent@0__:lpop", "__keyevent@0__:rpush"]);
    node.run_on(conn, &["BLPOP", "l", "0"]);
    node.run(&["RPUSH", "l", "x"]);
    assert_eq!(
        node.read_from(conn).replace("\r\n", " "),
        ">3 $7 message $20 __keyevent@0__:rpush $1 l *2 $1 l $1 x >3 $7 message $19 __keyevent@0__:lpop $1 l "
    );
}
