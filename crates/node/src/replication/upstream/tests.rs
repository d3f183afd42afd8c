//! When the link to a master is made, and made anew.

use crate::action::{Action, ConnId};
use crate::session::Peer;
use crate::testing::Fixture;

/// The connection to the master that is asked for.
fn connection(node: &mut Fixture) -> Option<ConnId> {
    node.actions().into_iter().find_map(|action| match action {
        Action::Connect { conn, .. } => Some(conn),
        _ => None,
    })
}

/// The other end of a link, from the connection to a partial resynchronisation.
fn comes_up(node: &mut Fixture, link: ConnId) {
    node.node.connected(node.now, link, Ok(Peer::default()));
    node.read_from(link);
    node.node.input(node.now, link, b"+PONG\r\n");
    let said = node.read_from(link);
    node.node.input(node.now, link, b"+OK\r\n".repeat(said.matches("REPLCONF").count()).as_slice());
    assert!(node.read_from(link).contains("PSYNC"));
    node.node.input(node.now, link, b"+CONTINUE\r\n");
    assert!(node.run(&["INFO", "replication"]).contains("master_link_status:up"));
}

#[test]
fn a_link_that_breaks_is_made_anew_at_once_but_not_over_and_over() {
    let mut node = Fixture::new();
    node.begin_logging();
    node.run(&["REPLICAOF", "127.0.0.1", "7001"]);
    let first = connection(&mut node).expect("an attempt");
    comes_up(&mut node, first);
    node.advance_ms(250);
    node.actions();

    node.eof(first);
    let second = connection(&mut node).expect("another attempt, without a tick between");
    comes_up(&mut node, second);

    // This one has not lasted.
    node.eof(second);
    assert_eq!(connection(&mut node), None);
    node.advance_ms(100);
    assert_eq!(connection(&mut node), None);
    node.advance_ms(100);
    let third = connection(&mut node).expect("its time has come");

    // And this one never stood.
    node.node.connected(node.now, third, Err("Connection refused".to_owned()));
    node.advance_ms(900);
    assert_eq!(connection(&mut node), None);
    node.advance_ms(100);
    assert!(connection(&mut node).is_some());
}
