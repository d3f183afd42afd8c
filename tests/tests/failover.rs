//! FAILOVER: a master hands its role over to a replica, and nobody needs a full synchronisation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use harness::client::show;
use harness::launch::Launch;
use harness::peers::{redis_server, redis8_server, skipped, valkey_server};
use harness::process::Server;
use harness::wait::wait_eq;

/// Full and partial synchronisations that an instance has given.
fn given(server: &Server) -> (u64, u64) {
    (server.count("sync_full"), server.count("sync_partial_ok"))
}

fn replica_of(master: &Server) -> Server {
    Server::tandem().unsaved().follow(master).start()
}

/// Waits until the master shows so many replicas that follow its stream.
fn wait_for_replicas(master: &Server, count: usize) {
    wait_eq(&count, || {
        let info = master.client().info("replication");
        info.iter()
            .filter(|(field, value)| field.starts_with("slave") && value.contains("state=online"))
            .count()
    });
}

/// Hands over, and waits until the old master is a replica in step.
fn hand_over(from: &Server, to: &Server) {
    let ask = format!("FAILOVER TO 127.0.0.1 {} TIMEOUT 15000", to.port());
    assert_eq!(from.run(&ask), "OK");
    wait_eq("no-failover", || from.info("master_failover_state"));
    assert_eq!(to.info("role"), "master");
    assert_eq!(from.info("role"), "slave");
    from.wait_for_link();
}

#[test]
fn under_load_no_write_is_lost_and_nobody_is_sent_everything() {
    let master = Server::tandem().unsaved().start();
    let (target, other) = (replica_of(&master), replica_of(&master));
    wait_for_replicas(&master, 2);
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..3)
        .map(|writer| {
            let (stop, mut client) = (Arc::clone(&stop), master.client());
            std::thread::spawn(move || {
                let mut acknowledged = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    let reply = show(&client.call(&["INCR".to_owned(), format!("counter:{writer}")]));
                    if reply.starts_with("-READONLY") {
                        return acknowledged;
                    }
                    acknowledged = reply.parse().expect("INCR answers a number");
                }
                panic!("the writer has never been told that its master is none any more");
            })
        })
        .collect();
    wait_eq(&true, || master.count("total_commands_processed") > 500);
    let before = given(&master);
    hand_over(&master, &target);
    let acknowledged: Vec<u64> =
        writers.into_iter().map(|writer| writer.join().expect("it has ended")).collect();
    stop.store(true, Ordering::Relaxed);
    for (writer, count) in acknowledged.iter().enumerate() {
        assert_eq!(target.run(&format!("GET counter:{writer}")), count.to_string());
    }
    assert_eq!(given(&target), (0, 1));

    // The other replica is behind the old master still, and in the new master's history.
    target.ok(&["SET by-the-new-master 1"]);
    other.assert_same_data_as(&target);
    assert_eq!(given(&master).0, before.0);
    other.replicate(&target);
    other.assert_same_data_as(&target);
    assert_eq!(given(&target), (0, 2));
}

#[test]
fn it_is_over_as_soon_as_the_replica_has_everything() {
    let master = Server::tandem().unsaved().start();
    let target = replica_of(&master);
    wait_for_replicas(&master, 1);
    for (from, to) in [(&master, &target), (&target, &master)] {
        from.ok(&["SET last 1"]);
        hand_over(from, to);
        assert_eq!(to.run("GET last"), "1");
    }
    assert_eq!(given(&master), (1, 1));
    assert_eq!(given(&target), (0, 1));
}

#[test]
fn a_target_that_stands_still_is_given_up_or_forced() {
    let master = Server::tandem().unsaved().start();
    let target = replica_of(&master);
    wait_for_replicas(&master, 1);
    let before = given(&master);
    target.freeze();
    master.ok(&["SET a 1"]);
    assert_eq!(master.run("FAILOVER TIMEOUT 300"), "OK");
    assert_eq!(master.info("master_failover_state"), "waiting-for-sync");
    wait_eq("no-failover", || master.info("master_failover_state"));
    master.ok(&["SET b 1"]);

    assert_eq!(master.run("FAILOVER"), "OK");
    assert_eq!(master.run("FAILOVER ABORT"), "OK");
    master.ok(&["SET c 1"]);
    assert_eq!(given(&master), before, "replicas have not noticed");

    let force = format!("FAILOVER TO 127.0.0.1 {} TIMEOUT 100 FORCE", target.port());
    assert_eq!(master.run(&force), "OK");
    wait_eq("failover-in-progress", || master.info("master_failover_state"));
    assert_eq!(master.run("REPLICAOF NO ONE"), "-ERR REPLICAOF not allowed while failing over.");
    target.thaw();
    wait_eq("no-failover", || master.info("master_failover_state"));
    assert_eq!(target.run("MGET a b c"), "[1 1 1]");
    master.assert_same_data_as(&target);
    assert_eq!(given(&target), (0, 1));
}

#[test]
fn a_target_that_refuses_leaves_everything_as_it_was() {
    let master = Server::tandem().unsaved().start();
    let target = replica_of(&master);
    wait_for_replicas(&master, 1);
    target.ok(&["ACL SETUSER default -psync"]);
    assert_eq!(master.run("FAILOVER"), "OK");
    wait_eq("no-failover", || master.info("master_failover_state"));
    master.ok(&["SET a 1"]);
    target.assert_same_data_as(&master);
    assert_eq!(given(&master), (1, 1));
}

/// Hands over to the server of another make and back.
fn there_and_back(peer: Launch) {
    let tandem = Server::tandem().unsaved().start();
    let other = peer.unsaved().follow(&tandem).start();
    other.wait_for_link();
    wait_for_replicas(&tandem, 1);
    tandem.ok(&["SET by-tandem 1", "SELECT 3"]);
    let full = given(&tandem).0;
    hand_over(&tandem, &other);
    assert!(tandem.run("SET refused 1").starts_with("-READONLY"));
    other.ok(&["SET by-the-other 1"]);
    tandem.assert_same_data_as(&other);
    assert_eq!(given(&other), (0, 1), "{}", tandem.run("REPLICATION WHY 3"));

    wait_for_replicas(&other, 1);
    hand_over(&other, &tandem);
    tandem.ok(&["SET by-tandem 2"]);
    other.assert_same_data_as(&tandem);
    assert_eq!(given(&tandem).0, full, "{}", tandem.run("REPLICATION WHY 3"));
    assert_eq!(given(&other), (0, 1));
    assert_eq!(tandem.run("MGET by-tandem by-the-other"), "[2 1]");
}

#[test]
fn to_redis_7_and_back() {
    match redis_server() {
        Some(program) => there_and_back(Server::peer(&program)),
        None => skipped("redis-server"),
    }
}

#[test]
fn to_redis_8_and_back() {
    match redis8_server() {
        Some(program) => there_and_back(Server::peer(&program)),
        None => skipped("redis8-server"),
    }
}

#[test]
fn to_valkey_and_back() {
    match valkey_server() {
        Some(program) => there_and_back(Server::peer(&program)),
        None => skipped("valkey-server"),
    }
}
