//! Restarts, rejoins and changes of role: which of them need no full resynchronisation, why the others do, and the guard that
//! keeps a replica's data from a master that has come back without its own. `docs/replication.md` has the rules.

use harness::launch::Launch;
use harness::peers::{redis_server, redis8_server, skipped, valkey_server};
use harness::process::Server;
use harness::wait::{wait, wait_eq};

/// Saves when it is told to, and at the end.
fn saving() -> Launch {
    Server::tandem().args(&["--save", "3600 1000000"])
}

/// Full and partial synchronisations that an instance has given.
fn given(server: &Server) -> (u64, u64) {
    (server.count("sync_full"), server.count("sync_partial_ok"))
}

/// A master and a replica of it, in step, with a key.
fn pair() -> (Server, Server) {
    let master = saving().start();
    let replica = saving().follow(&master).start();
    replica.wait_for_link();
    master.ok(&["SET shared 1"]);
    replica.wait_for_offset_of(&master);
    (master, replica)
}

#[test]
fn a_crashed_master_rejoins_the_replica_that_took_over() {
    let (mut master, replica) = pair();
    assert_eq!(master.run("SAVE"), "OK");
    master.ok(&["SET after-the-dump 1", "SELECT 3"]);
    replica.wait_for_offset_of(&master);
    master.kill();
    assert_eq!(replica.run("REPLICAOF NO ONE"), "OK");
    replica.ok(&["SET by-the-new-master 1"]);
    // It comes up as the master that it was, hears the hello messages of a sentinel, and is told its new role.
    master.start_again();
    assert_eq!(master.run("PUBLISH __sentinel__:hello hello"), "0");
    master.replicate(&replica);
    master.assert_same_data_as(&replica);
    assert_eq!(given(&replica), (0, 1));
    assert_eq!(master.run("MGET shared after-the-dump by-the-new-master"), "[1 1 1]");
}

#[test]
fn what_expired_while_a_master_was_down_does_not_part_it_from_its_history() {
    let (mut master, replica) = pair();
    master.ok(&["SET fleeting x PX 200"]);
    assert_eq!(master.run("SAVE"), "OK");
    replica.wait_for_offset_of(&master);
    master.kill();
    assert_eq!(replica.run("REPLICAOF NO ONE"), "OK");
    wait_eq("1", || replica.run("DBSIZE"));
    master.start_again();
    assert_eq!(master.run("GET fleeting"), "nil");
    master.replicate(&replica);
    master.assert_same_data_as(&replica);
    assert_eq!(given(&replica), (0, 1));
}

#[test]
fn a_restarted_master_that_stays_one_expires_as_ever() {
    let (mut master, replica) = pair();
    master.ok(&["SET fleeting x PX 200"]);
    replica.wait_for_offset_of(&master);
    assert!(master.terminate().success());
    master.start_again();
    replica.wait_for_link();
    wait_eq("1", || replica.run("DBSIZE"));
    assert_eq!(given(&master), (0, 1));
}

#[test]
fn to_be_a_master_for_a_while_and_back() {
    let (master, replica) = pair();
    let (id, _) = master.position();
    assert_eq!(replica.run("REPLICAOF NO ONE"), "OK");
    assert_ne!(replica.position().0, id);
    assert_eq!(replica.run("PUBLISH channel message"), "0");
    master.ok(&["SET meanwhile 1"]);
    replica.replicate(&master);
    replica.assert_same_data_as(&master);
    assert_eq!(given(&master), (1, 1));

    // One write is one too many: it is given up, and nobody is left in doubt why.
    assert_eq!(replica.run("REPLICAOF NO ONE"), "OK");
    replica.ok(&["SET own 1"]);
    replica.replicate(&master);
    replica.assert_same_data_as(&master);
    assert_eq!(given(&master), (2, 1));
    let why = replica.run("REPLICATION WHY 1");
    assert!(why.contains("does not continue"), "{why}");
    let why = master.run("REPLICATION WHY 1");
    assert!(why.contains("is not known here"), "{why}");
}

#[test]
fn back_to_a_peer_that_cannot_be_asked_about_names() {
    for (what, peer) in [("redis-server", redis_server()), ("valkey-server", valkey_server())] {
        let Some(program) = peer else {
            skipped(what);
            continue;
        };
        let master = Server::peer(&program).unsaved().start();
        let replica = Server::tandem().unsaved().follow(&master).start();
        replica.wait_for_link();
        let last = Server::tandem().unsaved().follow(&replica).start();
        last.wait_for_link();
        master.ok(&["SET shared 1"]);
        last.wait_for_offset_of(&master);
        assert_eq!(replica.run("REPLICAOF NO ONE"), "OK");
        // This one has learned the new name, so that it is offered first, and in vain.
        last.wait_for_link();
        wait_eq(&replica.position().0, || last.position().0);
        master.ok(&["SET meanwhile 1"]);
        replica.replicate(&master);
        replica.assert_same_data_as(&master);
        last.wait_for_link();
        last.assert_same_data_as(&master);
        assert_eq!(replica.count("sync_full"), 1, "{what}: the end of the chain goes on, too");
        let why = replica.run("REPLICATION WHY");
        assert!(why.contains("the master continues"), "{what}: {why}");
    }
}

/// A master does not know that it has a successor, and goes on for a while, with one of its replicas: pings, messages, no writes.
fn goes_on_beside_its_successor(successor: Launch) -> Server {
    let master = saving().start();
    let one = successor.follow(&master).start();
    one.wait_for_link();
    let two = saving().follow(&master).start();
    two.wait_for_link();
    master.ok(&["SET k 1", "SELECT 3"]);
    one.wait_for_offset_of(&master);
    assert_eq!(one.run("REPLICAOF NO ONE"), "OK");
    let (_, parted) = master.position();
    one.ok(&["SET k 2"]);
    assert_eq!(master.run("PUBLISH channel message"), "0");
    wait("pings and messages stand in the old master's log", || master.position().1 > parted + 60);
    two.wait_for_offset_of(&master);
    two.replicate(&one);
    master.replicate(&one);
    two.assert_same_data_as(&one);
    master.assert_same_data_as(&one);
    for follower in [&two, &master] {
        let why = follower.run("REPLICATION WHY 1");
        assert!(why.contains("the master continues"), "{why}");
    }
    one
}

#[test]
fn a_master_that_goes_on_beside_its_successor_without_a_write() {
    let one = goes_on_beside_its_successor(saving());
    assert_eq!(given(&one), (0, 2));
}

#[test]
fn the_successor_may_be_a_redis() {
    for (what, peer) in [("redis-server", redis_server()), ("valkey-server", valkey_server())] {
        match peer {
            Some(program) => drop(goes_on_beside_its_successor(Server::peer(&program).unsaved())),
            None => skipped(what),
        }
    }
}

#[test]
fn away_during_two_failovers() {
    let (master, one) = pair();
    let two = saving().follow(&master).start();
    two.wait_for_link();
    let mut away = saving().follow(&master).start();
    away.wait_for_link();
    away.wait_for_offset_of(&master);
    assert!(away.terminate().success());

    drop(master);
    assert_eq!(one.run("REPLICAOF NO ONE"), "OK");
    two.replicate(&one);
    one.ok(&["SET by-the-second 1"]);
    two.wait_for_offset_of(&one);
    drop(one);
    assert_eq!(two.run("REPLICAOF NO ONE"), "OK");
    two.ok(&["SET by-the-third 1"]);

    away.start_again_with(&["--replicaof", &format!("127.0.0.1 {}", two.port())]);
    away.wait_for_link();
    away.assert_same_data_as(&two);
    assert_eq!(given(&two), (0, 1), "the first master's name is remembered");
    let lineage = two.run("REPLICATION LINEAGE");
    assert_eq!(lineage.matches('[').count(), 4, "three names: {lineage}");
}

#[test]
fn a_sibling_is_as_good_as_the_master() {
    let (master, one) = pair();
    let two = saving().follow(&master).start();
    two.wait_for_link();
    master.ok(&["SET k 1"]);
    two.replicate(&one);
    master.ok(&["SET k 2"]);
    two.assert_same_data_as(&master);
    assert_eq!((given(&master).0, given(&one)), (2, (0, 1)));
}

#[test]
fn the_names_survive_a_restart() {
    let (master, mut replica) = pair();
    drop(master);
    assert_eq!(replica.run("REPLICAOF NO ONE"), "OK");
    let before = replica.run("REPLICATION LINEAGE");
    assert!(replica.terminate().success());
    replica.start_again_with(&["--replicaof", "no one"]);
    let after = replica.run("REPLICATION LINEAGE");
    assert_eq!(after.matches('[').count(), before.matches('[').count() + 1, "{before} {after}");
}

#[test]
fn a_master_that_comes_back_empty_does_not_wipe_its_replica() {
    let mut masters = vec![Server::tandem().unsaved()];
    for (what, peer) in [
        ("redis-server", redis_server()),
        ("redis8-server", redis8_server()),
        ("valkey-server", valkey_server()),
    ] {
        match peer {
            Some(program) => masters.push(Server::peer(&program).unsaved()),
            None => skipped(what),
        }
    }
    for master in masters {
        let mut master = master.start();
        let replica = saving().follow(&master).start();
        replica.wait_for_link();
        master.ok(&["SET a 1", "SET b 2"]);
        replica.wait_for_offset_of(&master);
        assert_eq!(replica.run("SAVE"), "OK");
        let held = replica.position();
        master.kill();
        master.start_again();
        wait("the guard holds", || replica.info("master_sync_guard").starts_with("holding,"));
        assert_eq!(replica.run("MGET a b"), "[1 2]");
        assert_eq!(replica.position(), held, "data and identity are as they were");
        assert!(replica.info("master_sync_guard").ends_with("offered_keys=0,own_keys=2"));
        let guard = replica.run("REPLICATION GUARD");
        assert!(guard.contains("holding"), "{guard}");
        let why = replica.run("REPLICATION WHY 1");
        assert!(why.contains("unrelated history"), "{why}");
        assert!(replica.log().contains("SYNC GUARD"));

        // It asks again, and would go on to; then somebody decides.
        wait("it is asked again", || replica.info("master_sync_guard").contains("refused=2,"));
        assert_eq!(replica.run(&format!("REPLICAOF 127.0.0.1 {}", master.port())), "OK");
        replica.wait_for_link();
        assert_eq!(replica.run("DBSIZE"), "0");
        assert_eq!(replica.info("master_sync_guard"), "ready");

        // A flush on a living master is followed, as ever.
        master.ok(&["SET c 3"]);
        wait_eq("1", || replica.run("DBSIZE"));
        master.ok(&["FLUSHALL"]);
        wait_eq("0", || replica.run("DBSIZE"));
    }
}

#[test]
fn the_dump_on_the_disk_is_guarded_too() {
    let mut master = Server::tandem().unsaved().start();
    let mut replica = saving().args(&["--repl-diskless-load", "disabled"]).follow(&master).start();
    replica.wait_for_link();
    master.ok(&["SET a 1"]);
    replica.wait_for_offset_of(&master);
    assert!(replica.terminate().success());
    master.kill();
    master.start_again();
    // Both restart, and the replica knows what it was in the middle of.
    replica.start_again();
    wait("the guard holds", || replica.info("master_sync_guard").starts_with("holding,"));
    assert_eq!(replica.run("GET a"), "1");
    replica.kill();
    replica.start_again_with(&["--replicaof", "no one"]);
    assert_eq!(replica.run("GET a"), "1", "the file was not replaced either");
}

#[test]
fn a_share_of_the_keys_can_be_asked_for() {
    let mut master = Server::tandem().unsaved().start();
    let replica = saving().args(&["--repl-sync-guard-min-keys-percent", "50"]).follow(&master).start();
    replica.wait_for_link();
    master.ok(&["MSET a 1 b 2 c 3 d 4"]);
    replica.wait_for_offset_of(&master);
    master.kill();
    master.start_again();
    wait("the guard holds", || replica.info("master_sync_guard").starts_with("holding,"));
    master.ok(&["SET a 1"]);
    assert_eq!(replica.run("DBSIZE"), "4");
    replica.ok(&["CONFIG SET repl-sync-guard-min-keys-percent 25"]);
    replica.wait_for_link();
    assert_eq!(replica.run("DBSIZE"), "1");
}

#[test]
fn the_guard_can_be_switched_off() {
    let mut master = Server::tandem().unsaved().start();
    let replica = saving().args(&["--repl-sync-guard", "no"]).follow(&master).start();
    replica.wait_for_link();
    master.ok(&["SET a 1"]);
    replica.wait_for_offset_of(&master);
    master.kill();
    master.start_again();
    wait_eq("0", || replica.run("DBSIZE"));
    assert_eq!(replica.info("master_sync_guard"), "off");
}

#[test]
fn a_full_synchronisation_says_why() {
    let master = Server::tandem().unsaved().args(&["--repl-backlog-size", "16384"]).start();
    let mut replica = saving().follow(&master).start();
    replica.wait_for_link();
    replica.wait_for_offset_of(&master);
    let (_, held) = replica.position();
    assert!(replica.terminate().success());
    let value = "x".repeat(100_000);
    for _ in 0..4 {
        master.ok(&[&format!("SET k {value}")]);
    }
    wait("the log is trimmed", || master.count("repl_backlog_histlen") < 400_000);
    replica.start_again();
    replica.assert_same_data_as(&master);
    assert_eq!(given(&master).0, 2);
    let missing = master.position().1 - held;
    for (server, reason) in [(&master, "a larger backlog would have sufficed"), (&replica, "bytes behind")] {
        let why = server.run("REPLICATION WHY");
        assert!(why.contains(reason), "{why}");
        assert!(why.contains("backlog-needed"), "{why}");
        assert!(server.info("sync0").contains(",type=full,state=done,"), "{}", server.info("sync0"));
    }
    let needed: u64 = master
        .info("sync0")
        .split("backlog_needed=")
        .nth(1)
        .and_then(|rest| rest.split(',').next()?.parse().ok())
        .expect("it is told");
    assert!(needed > 400_000 && needed <= missing, "{needed} of {missing}");
}
