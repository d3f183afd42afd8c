//! What replicas are good for: waiting for them, depending on them, going down and changing roles with them; and not losing to a master that
//! has lost its data.

use std::time::{Duration, Instant};

use harness::peers::{redis_server, redis8_server, skipped, valkey_server};
use harness::process::Server;
use harness::relay::Relay;
use harness::wait::{wait, wait_eq};

fn pair(options: &[&str]) -> (Server, Server) {
    let master = Server::tandem().unsaved().args(options).start();
    let replica = Server::tandem().unsaved().follow(&master).start();
    replica.wait_for_link();
    (master, replica)
}

#[test]
fn a_shutdown_waits_for_replicas_that_lag() {
    let (mut master, replica) = pair(&["--shutdown-timeout", "20"]);
    master.ok(&["SET before 1"]);
    replica.wait_for_offset_of(&master);
    replica.freeze();
    master.ok(&["SET at-the-last-moment 1"]);
    let mut client = master.client();
    client.send(&["SHUTDOWN", "NOSAVE"]);
    wait("it waits", || master.log().contains("Waiting for replicas before shutting down"));
    replica.thaw();
    assert!(master.wait_for_end().success());
    assert_eq!(replica.run("GET at-the-last-moment"), "1");
}

#[test]
fn a_shutdown_does_not_wait_for_ever_and_can_be_called_off() {
    let (mut master, replica) = pair(&["--shutdown-timeout", "60"]);
    replica.freeze();
    master.ok(&["SET k v"]);
    let mut client = master.client();
    client.send(&["SHUTDOWN", "NOSAVE"]);
    wait("it waits", || master.log().contains("Waiting for replicas before shutting down"));
    assert_eq!(master.run("SHUTDOWN ABORT"), "OK");
    assert_eq!(harness::client::show(&client.receive()), "-ERR Errors trying to SHUTDOWN. Check logs.");
    assert_eq!(master.run("CONFIG SET shutdown-timeout 1"), "OK");
    let started = Instant::now();
    client.send(&["SHUTDOWN", "NOSAVE"]);
    assert!(master.wait_for_end().success());
    assert!(started.elapsed() >= Duration::from_millis(900), "it has given the replica its time");
    replica.thaw();
}

#[test]
fn replicas_that_are_silent_do_not_count() {
    let (master, replica) = pair(&["--min-replicas-to-write", "1", "--min-replicas-max-lag", "2"]);
    wait_eq("OK", || master.run("SET k 1"));
    assert_eq!(master.info("min_slaves_good_slaves"), "1");
    replica.freeze();
    wait("it is missed", || master.run("SET k 2").starts_with("-NOREPLICAS "));
    assert_eq!(master.info("min_slaves_good_slaves"), "0");
    assert_eq!(master.run("GET k"), master.run("GET k"), "reads go on");
    replica.thaw();
    wait_eq("OK", || master.run("SET k 3"));
    replica.assert_same_data_as(&master);
}

#[test]
fn who_waits_is_told_when_the_role_changes() {
    let (master, replica) = pair(&[]);
    let other = Server::tandem().unsaved().start();
    replica.freeze();
    let mut waits = master.client();
    assert_eq!(waits.run("SET k v"), "OK");
    waits.send(&["WAIT", "1", "0"]);
    let mut pops = master.client();
    pops.send(&["BLPOP", "nothing-there", "0"]);
    wait_eq("2", || master.info("blocked_clients"));
    assert_eq!(master.run(&format!("REPLICAOF 127.0.0.1 {}", other.port())), "OK");
    for client in [&mut waits, &mut pops] {
        let reply = client.try_receive().map(|reply| harness::client::show(&reply));
        // An error, or an end: not an answer that says that all is well.
        assert!(reply.as_ref().map_or(true, |reply| reply.starts_with("-UNBLOCKED")), "{reply:?}");
    }
    wait_eq("0", || master.info("blocked_clients"));
    replica.thaw();
}

#[test]
fn waiting_counts_those_who_have_it() {
    let master = Server::tandem().unsaved().start();
    let relay = Relay::to(master.port());
    let near = Server::tandem().unsaved().follow(&master).start();
    let far = Server::tandem().unsaved().follow_port(relay.port()).start();
    near.wait_for_link();
    far.wait_for_link();
    let mut client = master.client();
    assert_eq!(client.run("WAIT 2 0"), "2", "nothing was written: all have it");
    assert_eq!(client.run("SET k 1"), "OK");
    assert_eq!(client.run("WAIT 2 20000"), "2");
    relay.freeze();
    assert_eq!(client.run("SET k 2"), "OK");
    let started = Instant::now();
    assert_eq!(client.run("WAIT 2 300"), "1");
    assert!(started.elapsed() >= Duration::from_millis(290));
    client.send(&["WAIT", "2", "0"]);
    relay.heal();
    assert_eq!(harness::client::show(&client.receive()), "2");
    assert!(far.run("WAIT 0 0").starts_with("-ERR WAIT cannot be used with replica instances"));
}

#[test]
fn a_writable_replica_keeps_what_it_writes_to_itself() {
    let (master, replica) = pair(&[]);
    assert!(replica.run("SET own 1").starts_with("-READONLY "));
    assert_eq!(replica.run("CONFIG SET replica-read-only no"), "OK");
    let below = Server::tandem().unsaved().follow(&replica).start();
    below.wait_for_link();
    replica.ok(&["SET own 1", "SET fleeting 1 PX 100"]);
    master.ok(&["SET shared 1"]);
    wait_eq("1", || below.run("GET shared"));
    assert_eq!((below.run("EXISTS own"), master.run("EXISTS own")), ("0".to_owned(), "0".to_owned()));
    wait_eq("0", || replica.run("EXISTS fleeting"));
    // A write of the master's takes the place of the replica's own.
    master.ok(&["SET own 2"]);
    wait_eq("2", || replica.run("GET own"));
    assert_eq!(replica.info("slave_read_only"), "0");
}

#[test]
fn links_can_be_killed_from_both_ends() {
    let (master, replica) = pair(&[]);
    master.ok(&["SET k 1"]);
    replica.wait_for_offset_of(&master);
    let partial = |expected: u64| wait("it has come back", || master.count("sync_partial_ok") == expected);
    assert_eq!(master.run("CLIENT KILL TYPE replica"), "1");
    partial(1);
    replica.wait_for_link();
    assert_eq!(master.run("CLIENT KILL TYPE slave"), "1");
    partial(2);
    replica.wait_for_link();
    assert_eq!(replica.run("CLIENT KILL TYPE master"), "1");
    partial(3);
    replica.wait_for_link();
    assert_eq!(master.count("sync_full"), 1);
}

#[test]
fn what_sentinels_go_by_can_be_set_and_seen() {
    let (_master, replica) = pair(&[]);
    assert_eq!(
        (replica.info("slave_priority"), replica.info("replica_announced")),
        ("100".into(), "1".into())
    );
    replica.ok(&["CONFIG SET replica-priority 0", "CONFIG SET replica-announced no"]);
    assert_eq!((replica.info("slave_priority"), replica.info("replica_announced")), ("0".into(), "0".into()));
}

#[test]
fn lag_is_told_in_milliseconds_at_both_ends() {
    let master = Server::tandem().unsaved().start();
    let relay = Relay::to(master.port());
    let replica = Server::tandem().unsaved().follow_port(relay.port()).start();
    replica.wait_for_link();
    master.ok(&["SET k 1"]);
    let field = |server: &Server, name: &str, part: &str| -> u64 {
        let line = server.info(name);
        let value = line.split(',').find_map(|item| item.strip_prefix(part)?.strip_prefix('='));
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {part} in {line}"))
    };
    wait("both have measured", || {
        [master.info("replica0_lag_ms"), replica.info("master_lag_ms")]
            .iter()
            .all(|line| line.ends_with("source=measured"))
    });
    wait("it is up with the stream", || field(&master, "replica0_lag_ms", "applied") == 0);
    // Nothing gets through: what is written now is lacking for longer and longer.
    relay.freeze();
    master.ok(&["SET k 2"]);
    wait("the lag grows", || field(&master, "replica0_lag_ms", "applied") > 1500);
    assert_eq!(field(&master, "replica0_lag_ms", "sent"), 0, "it has left this instance");
    wait("the replica notices", || field(&replica, "master_lag_ms", "received") > 300);
    relay.heal();
    wait("it catches up", || field(&master, "replica0_lag_ms", "applied") == 0);
    wait("and knows it", || field(&replica, "master_lag_ms", "received") < 300);
}

#[test]
fn lag_of_other_makes_is_estimated() {
    let Some(program) = valkey_server() else { return skipped("valkey-server") };
    let peer = Server::peer(&program).unsaved().start();
    let middle = Server::tandem().unsaved().follow(&peer).start();
    middle.wait_for_link();
    let below = Server::peer(&program).unsaved().follow(&middle).start();
    below.wait_for_link();
    peer.ok(&["SET k v"]);
    wait_eq("v", || below.run("GET k"));
    assert!(middle.info("master_lag_ms").ends_with("source=estimated"), "{}", middle.info("master_lag_ms"));
    wait("it acknowledges", || middle.info("replica0_lag_ms").ends_with("applied=0,source=estimated"));
    assert_eq!(below.run("DBSIZE"), "1", "what our acknowledgements say in addition is ignored");
}

#[test]
fn a_master_without_its_data_does_not_wipe_replicas_of_any_make() {
    let mut replicas = vec![Server::tandem().unsaved().args(&["--repl-sync-guard", "no"])];
    for (what, peer) in [
        ("redis-server", redis_server()),
        ("redis8-server", redis8_server()),
        ("valkey-server", valkey_server()),
    ] {
        match peer {
            Some(program) => replicas.push(Server::peer(&program).unsaved()),
            None => skipped(what),
        }
    }
    let mut master = Server::tandem().args(&["--save", "3600 1000000"]).start();
    let replicas: Vec<_> = replicas.into_iter().map(|replica| replica.follow(&master).start()).collect();
    master.ok(&["SET a 1", "SET b 2"]);
    for replica in &replicas {
        wait_eq("2", || replica.run("DBSIZE"));
    }
    // No save point is reached: there is no dump, but a note of what there was.
    let note = master.path("dump.rdb.held");
    wait("what is held is noted", || note.exists());
    master.kill();
    assert!(!master.path("dump.rdb").exists());
    master.start_again();
    assert!(
        master.info("repl_sync_guard").starts_with("holding,keys_lost="),
        "{}",
        master.info("repl_sync_guard")
    );
    master.ok(&["SET something-else 1"]);
    wait("all have asked", || {
        master.log().matches("is not given the empty dataset").count() >= 2 * replicas.len()
    });
    for replica in &replicas {
        assert_eq!(replica.run("MGET a b"), "[1 2]");
    }
    assert_eq!(master.count("sync_full"), 0);
    assert!(master.log().contains("SYNC GUARD"));

    assert_eq!(master.run("REPLICAOF NO ONE"), "OK");
    assert_eq!(master.info("repl_sync_guard"), "ready");
    for replica in &replicas {
        wait_eq("[nil nil 1]", || replica.run("MGET a b something-else"));
    }

    // Data that are there again are no loss.
    assert_eq!(master.run("SAVE"), "OK");
    master.kill();
    master.start_again();
    assert_eq!(master.info("repl_sync_guard"), "ready");
}
