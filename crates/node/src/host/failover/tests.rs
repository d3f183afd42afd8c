//! FAILOVER at both ends, driven by hand.

use crate::action::{Action, ConnId};
use crate::session::Peer;
use crate::testing::Fixture;

const OTHER_ID: &str = "0123456789abcdef0123456789abcdef01234567";

/// A replica of the first instance, in step with it, that listens on `port`.
fn replica(node: &mut Fixture, port: &str) -> ConnId {
    node.begin_logging();
    let conn = node.client();
    assert_eq!(node.run_on(conn, &["REPLCONF", "listening-port", port, "capa", "psync2"]), "+OK\r\n");
    let (id, next) = here(node);
    let reply = node.run_on(conn, &["PSYNC", &id, &next]);
    assert!(reply.starts_with("+CONTINUE"), "{reply}");
    conn
}

/// The name of the history, and the byte that comes next in it.
fn here(node: &Fixture) -> (String, String) {
    (node.node.replication.history.id().to_string(), node.log_end().next_byte().to_string())
}

fn ack(node: &mut Fixture, replica: ConnId, offset: u64) {
    node.input(replica, &["REPLCONF", "ACK", &offset.to_string()]);
}

/// Acknowledges everything.
fn ack_all(node: &mut Fixture, replica: ConnId) {
    let end = node.log_end().0;
    ack(node, replica, end);
}

fn state(node: &mut Fixture) -> String {
    let info = node.run(&["INFO", "replication"]);
    let state = info.lines().find_map(|line| line.strip_prefix("master_failover_state:"));
    state.expect("INFO tells of it").to_owned()
}

/// The connection that is asked for, and to which port.
fn connection(node: &mut Fixture) -> Option<(ConnId, u16)> {
    node.actions().into_iter().rev().find_map(|action| match action {
        Action::Connect { conn, port, .. } => Some((conn, port)),
        _ => None,
    })
}

/// A master with a replica on port 7002 that has everything, handing over to it: all is said but the answer to PSYNC.
fn handing_over(node: &mut Fixture) -> ConnId {
    let replica = replica(node, "7002");
    assert_eq!(node.run(&["FAILOVER"]), "+OK\r\n");
    ack_all(node, replica);
    let (link, port) = connection(node).expect("a connection to the target");
    assert_eq!((port, state(node).as_str()), (7002, "failover-in-progress"));
    ask(node, link);
    link
}

/// Goes through the handshake up to PSYNC.
fn ask(node: &mut Fixture, link: ConnId) {
    let (id, next) = here(node);
    node.node.connected(node.now, link, Ok(Peer::default()));
    assert!(node.read_from(link).contains("PING"));
    node.node.input(node.now, link, b"+PONG\r\n");
    let said = node.read_from(link);
    assert!(!said.contains("lineage"), "there is one name only: {said}");
    node.node.input(node.now, link, b"+OK\r\n".repeat(said.matches("REPLCONF").count()).as_slice());
    let psync = node.read_from(link).replace("\r\n", " ");
    assert!(
        psync.contains(&id) && psync.contains(&format!(" {next} ")) && psync.contains(" FAILOVER "),
        "{psync}"
    );
}

fn answer(node: &mut Fixture, link: ConnId, line: &str) {
    node.node.input(node.now, link, line.as_bytes());
    node.node.before_write(node.now);
}

#[test]
fn what_cannot_be_is_refused() {
    let mut node = Fixture::new();
    let lacking = "-ERR FAILOVER requires connected replicas.\r\n";
    assert_eq!(node.run(&["FAILOVER"]), lacking);
    assert_eq!(node.run(&["FAILOVER", "ABORT"]), "-ERR No failover in progress.\r\n");
    replica(&mut node, "7002");
    let syntax = "-ERR syntax error\r\n";
    let not_a_replica = "-ERR FAILOVER target HOST and PORT is not a replica.\r\n";
    let force = "-ERR FAILOVER with force option requires both a timeout and target HOST and IP.\r\n";
    for (words, expected) in [
        ("TO", syntax),
        ("TO 127.0.0.1", syntax),
        ("TO 127.0.0.1 7002 TO 127.0.0.1 7002", syntax),
        ("NOW", syntax),
        ("TIMEOUT", syntax),
        ("ABORT TIMEOUT 5", syntax),
        ("TIMEOUT x", "-ERR value is not an integer or out of range\r\n"),
        ("TO 127.0.0.1 x", "-ERR value is not an integer or out of range\r\n"),
        ("TIMEOUT 0", "-ERR FAILOVER timeout must be greater than 0\r\n"),
        ("TIMEOUT -1", "-ERR FAILOVER timeout must be greater than 0\r\n"),
        ("TO 127.0.0.1 7003", not_a_replica),
        ("TO 127.0.0.2 7002", not_a_replica),
        ("TO 127.0.0.1 72538", not_a_replica),
        ("FORCE TIMEOUT 100", force),
        ("TO 127.0.0.1 7002 FORCE", force),
    ] {
        let words: Vec<&str> = std::iter::once("FAILOVER").chain(words.split(' ')).collect();
        assert_eq!(node.run(&words), expected, "{words:?}");
    }
    assert_eq!(state(&mut node), "no-failover");

    let loading = node.client();
    node.run_on(loading, &["REPLCONF", "listening-port", "7003"]);
    node.run_on(loading, &["PSYNC", "?", "-1"]);
    let target = ["FAILOVER", "TO", "127.0.0.1", "7003"];
    assert_eq!(node.run(&target), "-ERR FAILOVER target replica is not online.\r\n");

    assert_eq!(node.run(&["FAILOVER"]), "+OK\r\n");
    assert_eq!(node.run(&["FAILOVER"]), "-ERR FAILOVER already in progress.\r\n");
    assert_eq!(node.run(&["REPLICAOF", "NO", "ONE"]), "-ERR REPLICAOF not allowed while failing over.\r\n");
    node.run(&["FAILOVER", "ABORT"]);
    node.run(&["REPLICAOF", "127.0.0.1", "7009"]);
    assert_eq!(node.run(&["FAILOVER"]), "-ERR FAILOVER is not valid when server is a replica.\r\n");
}

#[test]
fn writes_wait_until_a_replica_has_everything_and_takes_over() {
    let mut node = Fixture::new();
    let replica = replica(&mut node, "7002");
    assert_eq!(node.run(&["SET", "a", "1", "PX", "50"]), "+OK\r\n");
    let written = node.log_end();
    assert_eq!(node.run(&["FAILOVER", "TO", "127.0.0.1", "7002"]), "+OK\r\n");
    assert_eq!(state(&mut node), "waiting-for-sync");
    assert_eq!(node.log_from(written), "*3 $8 REPLCONF $6 GETACK $1 * ", "it is asked at once");
    let asked = node.log_end();
    let writer = node.client();
    assert_eq!(node.run_on(writer, &["SET", "b", "1"]), "", "held back");
    let waiter = node.client();
    assert_eq!(node.run_on(waiter, &["BLPOP", "list", "0"]), "", "held back as well");
    assert_eq!(node.run(&["CLIENT", "UNPAUSE"]), "+OK\r\n");
    let info = node.run(&["INFO", "clients"]);
    assert!(info.contains("paused_reason:failover_in_progress\r\npaused_actions:write\r\n"), "{info}");

    // Nothing goes into the log: neither what expires nor pings.
    node.advance_ms(20_000);
    assert_eq!(node.log_end(), asked);
    assert_eq!(node.run(&["EXISTS", "a"]), ":0\r\n");
    ack(&mut node, replica, written.0 - 1);
    assert_eq!((connection(&mut node), state(&mut node).as_str()), (None, "waiting-for-sync"));

    // The answer to the question counts what was before it.
    ack(&mut node, replica, written.0);
    let (link, port) = connection(&mut node).expect("a connection to the target");
    assert_eq!(port, 7002);
    assert_eq!(state(&mut node), "failover-in-progress");
    assert!(node.run(&["ROLE"]).contains("slave"));
    ask(&mut node, link);
    assert_eq!(node.read_from(writer), "");

    answer(&mut node, link, &format!("+CONTINUE {OTHER_ID}\r\n"));
    assert_eq!(state(&mut node), "no-failover");
    assert_eq!(node.node.replication.history.id().to_string(), OTHER_ID);
    assert!(node.read_from(writer).starts_with("-READONLY"));
    assert!(node.run(&["CONFIG", "GET", "replicaof"]).contains("127.0.0.1 7002"));
    assert!(node.run(&["INFO", "clients"]).contains("paused_reason:none\r\n"));
}

#[test]
fn any_replica_will_do_if_none_is_named() {
    let mut node = Fixture::new();
    let slow = replica(&mut node, "7002");
    let fast = replica(&mut node, "7003");
    node.run(&["SET", "a", "1"]);
    node.run(&["FAILOVER"]);
    ack(&mut node, slow, 0);
    assert_eq!(connection(&mut node), None);
    ack_all(&mut node, fast);
    assert_eq!(connection(&mut node).map(|(_, port)| port), Some(7003));
}

#[test]
fn a_refusal_makes_it_a_master_again() {
    let mut node = Fixture::new();
    let waiter = node.client();
    assert_eq!(node.run_on(waiter, &["BLPOP", "list", "0"]), "");
    let link = handing_over(&mut node);
    let (id, _) = here(&node);
    let writer = node.client();
    assert_eq!(node.run_on(writer, &["RPUSH", "list", "x"]), "");
    answer(&mut node, link, "-NOPERM no\r\n");
    assert_eq!(state(&mut node), "no-failover");
    assert!(node.run(&["ROLE"]).contains("master"));
    assert_eq!(node.read_from(writer), ":1\r\n", "what was held back is carried out");
    assert_eq!(node.read_from(waiter), "*2\r\n$4\r\nlist\r\n$1\r\nx\r\n", "who waits has not noticed");
    assert_ne!(here(&node).0, id, "writes of its own have a name of their own");
    assert!(node.node.replication.replicas.is_empty(), "replicas come back and learn it");
}

#[test]
fn a_link_that_fails_before_the_request_is_a_refusal() {
    let mut node = Fixture::new();
    let replica = replica(&mut node, "7002");
    node.run(&["FAILOVER"]);
    ack_all(&mut node, replica);
    let (link, _) = connection(&mut node).expect("a connection to the target");
    node.node.connected(node.now, link, Err("Connection refused".to_owned()));
    assert_eq!(state(&mut node), "no-failover");
    assert_eq!(node.run(&["SET", "a", "1"]), "+OK\r\n");
}

#[test]
fn an_answer_that_was_lost_is_asked_for_again() {
    let mut node = Fixture::new();
    let link = handing_over(&mut node);
    node.eof(link);
    assert_eq!(state(&mut node), "failover-in-progress", "the target may have taken over");
    node.advance_ms(1100);
    let (link, port) = connection(&mut node).expect("another attempt");
    assert_eq!(port, 7002);
    ask(&mut node, link);
    answer(&mut node, link, "-ERR PSYNC FAILOVER can't be sent to a master.\r\n");
    assert_eq!(state(&mut node), "no-failover");
    assert!(node.run(&["SET", "a", "1"]).starts_with("-READONLY"), "it has taken over: this is its replica");
    node.advance_ms(1100);
    let (link, _) = connection(&mut node).expect("the link of a replica like any other");
    node.node.connected(node.now, link, Ok(Peer::default()));
    node.read_from(link);
    node.node.input(node.now, link, b"+PONG\r\n");
    let said = node.read_from(link);
    node.node.input(node.now, link, b"+OK\r\n".repeat(said.matches("REPLCONF").count()).as_slice());
    let psync = node.read_from(link);
    assert!(psync.contains("PSYNC") && !psync.contains("FAILOVER"), "{psync}");
}

#[test]
fn a_master_that_refuses_at_the_first_request_is_not_followed() {
    let mut node = Fixture::new();
    let link = handing_over(&mut node);
    answer(&mut node, link, "-ERR PSYNC FAILOVER can't be sent to a master.\r\n");
    assert_eq!(node.run(&["SET", "a", "1"]), "+OK\r\n");
}

#[test]
fn time_is_limited() {
    let mut node = Fixture::new();
    replica(&mut node, "7002");
    node.run(&["SET", "a", "1"]);
    let (id, _) = here(&node);
    node.run(&["FAILOVER", "TIMEOUT", "500"]);
    node.advance_ms(400);
    assert_eq!(state(&mut node), "waiting-for-sync");
    node.advance_ms(100);
    assert_eq!(state(&mut node), "no-failover");
    assert_eq!(here(&node).0, id, "nothing has happened");
    assert_eq!(node.node.replication.replicas.len(), 1);

    node.run(&["FAILOVER", "TO", "127.0.0.1", "7002", "TIMEOUT", "500", "FORCE"]);
    node.advance_ms(500);
    assert_eq!(state(&mut node), "failover-in-progress");
    assert_eq!(connection(&mut node).map(|(_, port)| port), Some(7002));
    assert_eq!(node.run(&["FAILOVER", "ABORT"]), "+OK\r\n");
    assert!(node.run(&["ROLE"]).contains("master"));
}

#[test]
fn writes_that_were_held_do_not_run_within_the_transaction_that_aborts() {
    let mut node = Fixture::new();
    replica(&mut node, "7002");
    node.run(&["SET", "n", "1"]);
    node.run(&["FAILOVER"]);
    let writer = node.client();
    assert_eq!(node.run_on(writer, &["INCR", "n"]), "");
    node.run(&["MULTI"]);
    node.run(&["FAILOVER", "ABORT"]);
    node.run(&["GET", "n"]);
    assert_eq!(node.run(&["EXEC"]), "*2\r\n+OK\r\n$1\r\n1\r\n");
    node.advance_ms(0);
    assert_eq!(node.read_from(writer), ":2\r\n");
}

#[test]
fn a_transaction_may_pause_and_hand_over() {
    let mut node = Fixture::new();
    let replica = replica(&mut node, "7002");
    node.run(&["MULTI"]);
    node.run(&["CLIENT", "PAUSE", "5000", "WRITE"]);
    node.run(&["FAILOVER", "TO", "127.0.0.1", "7002", "TIMEOUT", "5000"]);
    assert_eq!(node.run(&["EXEC"]), "*2\r\n+OK\r\n+OK\r\n");
    ack_all(&mut node, replica);
    let (link, _) = connection(&mut node).expect("a connection to the target");
    ask(&mut node, link);
    let writer = node.client();
    answer(&mut node, link, &format!("+CONTINUE {OTHER_ID}\r\n"));
    assert!(node.run(&["INFO", "clients"]).contains("paused_reason:client_pause\r\n"), "that one goes on");
    assert!(node.run_on(writer, &["SET", "a", "1"]).starts_with("-READONLY"));
}

#[test]
fn a_replica_takes_over_before_it_answers() {
    let mut node = Fixture::new();
    node.begin_logging();
    node.run(&["SET", "a", "1"]);
    let (id, next) = here(&node);
    let master = node.client();
    node.run_on(master, &["REPLCONF", "capa", "psync2"]);
    let to_a_master = node.run_on(master, &["PSYNC", &id, &next, "FAILOVER"]);
    assert_eq!(to_a_master, "-ERR PSYNC FAILOVER can't be sent to a master.\r\n");
    node.run(&["REPLICAOF", "127.0.0.1", "7009"]);
    let stranger = node.run_on(master, &["PSYNC", OTHER_ID, &next, "FAILOVER"]);
    assert_eq!(stranger, "-ERR PSYNC FAILOVER replid must match my replid.\r\n");
    assert!(node.run(&["ROLE"]).contains("slave"));

    let reply = node.run_on(master, &["PSYNC", &id, &next, "FAILOVER"]);
    let (new_id, _) = here(&node);
    assert_ne!(new_id, id);
    assert_eq!(reply, format!("+CONTINUE {new_id}\r\n"));
    assert!(node.run(&["ROLE"]).contains("master"));
    assert_eq!(node.node.replication.replicas.len(), 1, "the old master is its replica now");
    assert_eq!(node.run(&["SET", "b", "1"]), "+OK\r\n");
}
