use crate::action::Action;
use crate::aof::tests::{appended, event, increment, kept, opened, start_on, synced, written};
use crate::aof::{AofEvent, AofWork, MAX_ON_ITS_WAY};
use crate::testing::Fixture;

/// A replica that clients may write to, and one of them.
fn writable(options: &[&str]) -> Fixture {
    let always = ["--replicaof", "10.0.0.9 7000", "--replica-read-only", "no"];
    let mut node = start_on(&increment(true), &[&always, options].concat());
    opened(&mut node);
    node
}

fn batches(node: &mut Fixture) -> Vec<u64> {
    let number = |action| match action {
        Action::Aof(AofWork::Append(batch)) => Some(batch.number),
        _ => None,
    };
    node.actions().into_iter().filter_map(number).collect()
}

#[test]
fn what_clients_write_to_a_replica_is_answered_when_it_is_in_the_file() {
    for always in [false, true] {
        let mut node = writable(&["--appendfsync", if always { "always" } else { "everysec" }]);
        let (other, third) = (node.client(), node.client());
        let (epoch, upto) = (node.node.aof.epoch, node.log_end());
        assert_eq!(node.run(&["SET", "own", "1"]), "");
        let first = batches(&mut node);
        assert_eq!(node.run_on(other, &["SET", "own", "2"]), "");
        let second = batches(&mut node);
        assert_eq!(node.run_on(third, &["GET", "own"]), "$1\r\n2\r\n", "who only reads does not wait");
        assert_eq!((first.len(), second.len(), node.log_end()), (1, 1, upto));
        for (conn, batch) in [(node.conn, first[0]), (other, second[0])] {
            event(&mut node, AofEvent::Written { epoch, upto, batch, size: 100 });
            if always {
                assert_eq!(node.read_from(conn), "");
                event(&mut node, AofEvent::Synced { epoch, upto, batch });
            }
            assert_eq!(node.read_from(conn), "+OK\r\n");
        }
    }
}

/// To itself, with the number of the batch, or into the history, with the offset.
#[test]
fn transactions_and_scripts_wait_for_what_they_have_written() {
    for mut node in [writable(&[]), kept(&[])] {
        let other = node.client();
        assert_eq!(node.run(&["MULTI"]), "+OK\r\n");
        assert_eq!(node.run(&["INCR", "m"]), "+QUEUED\r\n");
        assert_eq!(node.run(&["EXEC"]), "");
        assert_eq!(node.run(&["EVAL", "return redis.call('incr', 'm')", "0"]), "");
        node.run_on(other, &["MULTI"]);
        node.run_on(other, &["GET", "m"]);
        assert_eq!(node.run_on(other, &["EXEC"]), "*1\r\n$1\r\n2\r\n", "it has written nothing");
        assert_eq!(node.run_on(other, &["EVAL", "return redis.call('get', 'm')", "0"]), "$1\r\n2\r\n");
        let end = node.log_end();
        written(&mut node, end);
        assert_eq!(node.read(), "*1\r\n:1\r\n:2\r\n");
    }
}

#[test]
fn what_is_lost_keeps_nobody_waiting() {
    let mut node = writable(&[]);
    let (epoch, at) = (node.node.aof.epoch, node.log_end());
    assert_eq!(node.run(&["SET", "own", "1"]), "");
    let error = "No space left on device".to_owned();
    event(&mut node, AofEvent::WriteFailed { epoch, written: at, error });
    assert_eq!(node.read(), "+OK\r\n");
    assert_eq!(node.run(&["SET", "own", "2"]), "+OK\r\n");
}

#[test]
fn a_client_that_moves_the_gate_itself_waits_on_or_goes() {
    let mut node = kept(&["--appendfsync", "always"]);
    let set = |node: &mut Fixture, setting| node.run(&["CONFIG", "SET", "appendfsync", setting]);
    assert_eq!(node.run(&["SET", "a", "1"]), "");
    let (_, first, _) = appended(&mut node);
    let first = first.expect("something was appended");
    written(&mut node, first);
    assert_eq!(node.read(), "", "it is not durable");
    assert_eq!(set(&mut node, "everysec"), "+OK\r\n+OK\r\n");
    assert_eq!(set(&mut node, "always"), "");
    synced(&mut node, first);
    assert_eq!(node.read(), "+OK\r\n");
    assert_eq!(node.run(&["SET", "a", "2"]), "");
    let (_, second, _) = appended(&mut node);
    written(&mut node, second.expect("something was appended"));
    assert_eq!(node.run(&["SET", "a", "3"]), "");
    assert_eq!(set(&mut node, "everysec"), "", "the last is not even in the file");
    let end = node.log_end();
    written(&mut node, end);
    assert_eq!(node.read(), "+OK\r\n+OK\r\n+OK\r\n");
}

#[test]
fn a_reply_that_was_half_sent_goes_on_when_what_came_behind_it_is_in_the_file() {
    for by_itself in [false, true] {
        let mut node = kept(&["--appendfsync", "always"]);
        node.run(&["SET", "a", "some text"]);
        let end = node.log_end();
        written(&mut node, end);
        synced(&mut node, end);
        assert_eq!(node.read(), "+OK\r\n");
        node.input(node.conn, &["GET", "a"]);
        node.node.take_writable(&mut Vec::new());
        node.node.written(node.now, node.conn, 5);
        node.input(node.conn, &["SET", "a", "1"]);
        assert_eq!(node.read(), "", "there is room again, but nothing to be sent");
        let end = node.log_end();
        written(&mut node, end);
        if by_itself {
            node.input(node.conn, &["CONFIG", "SET", "appendfsync", "no"]);
        } else {
            synced(&mut node, end);
        }
        let mut writable = Vec::new();
        node.node.take_writable(&mut writable);
        assert!(writable.contains(&node.conn), "the driver is told");
        assert!(node.read().starts_with("ome text\r\n+OK\r\n"));
    }
}

#[test]
fn what_moves_no_offset_is_flushed_as_well() {
    let mut node = writable(&["--appendfsync", "everysec"]);
    node.advance_ms(1100);
    node.actions();
    node.run(&["SET", "own", "1"]);
    let end = node.log_end();
    written(&mut node, end);
    node.advance_ms(1100);
    let syncs = |node: &mut Fixture| {
        node.actions().iter().filter(|action| matches!(action, Action::Aof(AofWork::Sync))).count()
    };
    assert_eq!(syncs(&mut node), 1);
}

/// Otherwise the base would have it, and the increment as well.
#[test]
fn a_rewrite_waits_for_what_has_not_gone_to_the_file_before_it() {
    let mut node = writable(&[]);
    let end = node.log_end();
    let large = "x".repeat(MAX_ON_ITS_WAY as usize);
    node.run(&["SET", "large", &large]);
    node.run(&["INCR", "own"]);
    let (text, ..) = appended(&mut node);
    assert!(!text.contains("INCR"), "so much is on its way");
    node.run(&["BGREWRITEAOF"]);
    let opens = |action: &Action| matches!(action, Action::Aof(AofWork::Open(_)));
    assert!(!node.actions().iter().any(opens));
    written(&mut node, end);
    node.node.before_write(node.now);
    let (text, ..) = appended(&mut node);
    assert!(text.contains("INCR"));
    node.advance_ms(1100);
    assert!(node.actions().iter().any(opens));
}
