//! Full synchronisations: what is written meanwhile, who waits for whom, and what a replica answers until it has its new data.

use std::time::{Duration, Instant};

use harness::client::{Client, show};
use harness::launch::Launch;
use harness::process::Server;
use harness::relay::Relay;
use harness::wait::{wait, wait_eq};

/// Keys of a hundred bytes that do not compress.
fn fill(server: &Server, prefix: &str, keys: usize) {
    let mut client = server.client();
    let mut rng = fastrand::Rng::with_seed(7);
    for number in 0..keys {
        let value: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(100).collect();
        client.send(&[b"SET".as_slice(), format!("{prefix}:{number}").as_bytes(), &value]);
    }
    for _ in 0..keys {
        assert_eq!(show(&client.receive()), "OK");
    }
}

/// Writes so many kilobytes to one key, over and over.
fn write(client: &mut Client, kilobytes: usize) {
    let value = vec![b'v'; 1000];
    for _ in 0..kilobytes {
        client.send(&[b"SET".as_slice(), b"written-meanwhile", &value]);
    }
    for _ in 0..kilobytes {
        assert_eq!(show(&client.receive()), "OK");
    }
}

/// A master whose snapshots take their time: so many keys, half a millisecond each.
fn slow_master(keys: usize, options: &[&str]) -> Server {
    let master = Server::tandem().unsaved().args(&["--rdb-key-save-delay", "500"]).args(options).start();
    fill(&master, "key", keys);
    master
}

fn is_syncing(replica: &Server) -> bool {
    replica.info("master_sync_in_progress") == "1"
}

#[test]
fn what_is_written_during_a_synchronisation_does_not_end_it() {
    let limits = ["--client-output-buffer-limit", "replica 1mb 512kb 1", "--repl-backlog-size", "16kb"];
    for diskless in ["yes", "no"] {
        let memory = ["--repl-sync-memory-limit", "100kb", "--repl-diskless-sync", diskless];
        let master = slow_master(3_000, &[&limits[..], &memory].concat());
        let replica = Server::tandem().unsaved().follow(&master).start();
        wait("the synchronisation is under way", || is_syncing(&replica));
        let mut client = master.client();
        while is_syncing(&replica) {
            write(&mut client, 500);
        }
        replica.assert_same_data_as(&master);
        assert!(master.count("repl_spill_written_bytes") > 2_000_000, "{diskless}");
        assert_eq!((master.count("sync_full"), master.count("sync_partial_ok")), (1, 0), "{diskless}");
        wait_eq("0", || master.info("repl_spill_bytes"));
        assert_eq!((master.count("repl_spill_errors"), master.count("repl_sync_dropped_replicas")), (0, 0));
        let left = std::fs::read_dir(master.dir()).expect("a directory").flatten();
        let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
        assert!(left.iter().all(|name| !name.to_string_lossy().contains("spill")), "{left:?}");
    }
}

#[test]
fn a_replica_that_would_need_too_much_is_dropped_and_no_other() {
    let limits =
        ["--repl-sync-memory-limit", "100kb", "--repl-sync-spill-limit", "0", "--repl-backlog-size", "16kb"];
    let master = slow_master(2_000, &limits);
    let replica = Server::tandem().unsaved().follow(&master).start();
    wait("the synchronisation is under way", || is_syncing(&replica));
    let mut client = master.client();
    write(&mut client, 1_000);
    wait("it is dropped", || master.count("repl_sync_dropped_replicas") == 1);
    assert!(master.log().contains("repl-sync-spill-limit"));
    assert_eq!(client.run("PING"), "PONG");
    // With room for it, it gets there.
    master.ok(&["CONFIG SET repl-sync-spill-limit 1gb"]);
    replica.assert_same_data_as(&master);
}

#[test]
fn a_late_replica_does_not_wait_for_the_end_of_anothers_snapshot() {
    // Half a minute for what is there, unless the limit is lifted.
    let master = Server::tandem().unsaved().args(&["--repl-sync-bandwidth-per-replica", "64kb"]).start();
    fill(&master, "key", 20_000);
    let early = Server::tandem().unsaved().follow(&master).start();
    wait_eq("1", || master.info("repl_sync_transfers"));
    let late = Server::tandem().unsaved().follow(&master).start();
    wait_eq("2", || master.info("repl_sync_transfers"));
    assert_eq!(master.count("total_forks"), 1, "and from the same view");
    master.ok(&["CONFIG SET repl-sync-bandwidth-per-replica 0"]);
    early.assert_same_data_as(&master);
    late.assert_same_data_as(&master);
}

#[test]
fn a_slow_replica_does_not_hold_up_the_others() {
    let master = Server::tandem()
        .unsaved()
        .args(&["--repl-diskless-sync-delay", "60", "--repl-diskless-sync-max-replicas", "2"])
        .args(&["--repl-sync-bandwidth-per-replica", "20mb"])
        .start();
    // Beyond what the window and the buffers of sockets hold.
    let value = fastrand::Rng::with_seed(1);
    let mut client = master.client();
    for number in 0..400 {
        let mut rng = value.clone();
        let bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(100_000).collect();
        client.send(&[b"SET".as_slice(), format!("key:{number}").as_bytes(), &bytes]);
        assert_eq!(show(&client.receive()), "OK");
    }
    let relay = Relay::to(master.port());
    let slow = Server::tandem().unsaved().follow_port(relay.port()).start();
    wait("the slow one waits", || master.info("slave0").contains("state=wait_bgsave"));
    let fast = Server::tandem().unsaved().follow(&master).start();
    wait_eq("2", || master.info("repl_sync_transfers"));
    relay.freeze();
    fast.wait_for_link();
    assert!(!master.info("slave0").contains("state=online"), "the slow one has not got it");
    relay.heal();
    slow.assert_same_data_as(&master);
    fast.assert_same_data_as(&master);
    assert_eq!((master.count("total_forks"), master.count("sync_full")), (1, 2));
}

#[test]
fn payloads_keep_to_the_bandwidth() {
    let master = Server::tandem().unsaved().args(&["--repl-sync-bandwidth", "1mb"]).start();
    fill(&master, "key", 16_000);
    let started = Instant::now();
    let replica = Server::tandem().unsaved().follow(&master).start();
    replica.assert_same_data_as(&master);
    let took = started.elapsed();
    assert!(took > Duration::from_millis(1_200), "two megabytes in {took:?}");
}

#[test]
fn no_more_transfers_than_wanted_at_a_time() {
    for diskless in ["yes", "no"] {
        let master = Server::tandem()
            .unsaved()
            .args(&["--repl-sync-max-transfers", "1", "--repl-sync-bandwidth", "2mb"])
            .args(&["--repl-diskless-sync", diskless])
            .start();
        fill(&master, "key", 10_000);
        let replicas = [(); 3].map(|()| Server::tandem().unsaved().follow(&master).start());
        let mut most = 0;
        wait("all are there", || {
            most = most.max(master.count("repl_sync_transfers"));
            replicas.iter().all(|replica| replica.info("master_link_status") == "up")
        });
        assert_eq!(most, 1, "{diskless}");
        for replica in &replicas {
            replica.assert_same_data_as(&master);
        }
    }
}

/// A replica that holds data of its own and is about to be given others.
fn with_old_data(load: &str, options: &[&str]) -> (Server, Launch) {
    let master = slow_master(4_000, &[]);
    let replica = Server::tandem().unsaved().args(&["--repl-diskless-load", load]).args(options);
    (master, replica)
}

#[test]
fn old_data_are_served_until_the_new_ones_are_complete() {
    // The last of these loads as the first if there are data.
    for load in ["disabled", "swapdb", "on-empty-db"] {
        let (master, replica) = with_old_data(load, &[]);
        let replica = replica.start();
        replica.ok(&["SET old 1"]);
        assert_eq!(replica.run(&format!("REPLICAOF 127.0.0.1 {}", master.port())), "OK");
        let mut reads = 0;
        wait("the link is up", || {
            let syncing = is_syncing(&replica);
            let (old, new) = (replica.run("GET old"), replica.run("EXISTS key:1"));
            if syncing && is_syncing(&replica) {
                assert_eq!((old.as_str(), new.as_str()), ("1", "0"), "{load}");
                reads += 1;
            }
            replica.info("master_link_status") == "up"
        });
        assert!(reads > 10, "{load}: {reads} reads during the synchronisation");
        assert_eq!(replica.run("GET old"), "nil", "{load}");
        replica.assert_same_data_as(&master);
        let dump = replica.path("dump.rdb").exists();
        assert_eq!(dump, load == "disabled", "{load}: the snapshot is kept as a file, or is not");
    }
}

#[test]
fn stale_reads_are_refused_during_a_synchronisation_if_so_wanted() {
    let (master, replica) = with_old_data("swapdb", &["--replica-serve-stale-data", "no"]);
    let replica = replica.start();
    replica.ok(&["SET old 1"]);
    assert_eq!(replica.run(&format!("REPLICAOF 127.0.0.1 {}", master.port())), "OK");
    wait("the synchronisation is under way", || is_syncing(&replica));
    assert!(replica.run("GET old").starts_with("-MASTERDOWN "));
    assert_eq!(
        replica.run("PING"),
        "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
    );
    replica.wait_for_link();
    assert_eq!(replica.run("GET old"), "nil");
}

#[test]
fn an_interrupted_synchronisation_leaves_everything_as_it_was() {
    for load in ["disabled", "swapdb", "on-empty-db"] {
        let (mut master, replica) = with_old_data(load, &[]);
        let first = Server::tandem().unsaved().start();
        first.ok(&["SET old 1"]);
        let replica = replica.follow(&first).start();
        replica.wait_for_link();
        replica.wait_for_offset_of(&first);
        let held = replica.position();
        assert_eq!(replica.run(&format!("REPLICAOF 127.0.0.1 {}", master.port())), "OK");
        wait("some of it has come", || {
            is_syncing(&replica) && replica.count("master_sync_read_bytes") > 1000
        });
        master.kill();
        wait("it is given up", || !is_syncing(&replica));
        assert_eq!(replica.run("GET old"), "1", "{load}");
        assert_eq!(replica.position(), held, "{load}: data and identity belong together");
        // It can go back to where it was.
        let full = first.count("sync_full");
        replica.replicate(&first);
        assert_eq!(first.count("sync_full"), full, "{load}");
    }
}

#[test]
fn flushing_first_saves_memory_and_says_that_it_loads() {
    let (mut master, replica) = with_old_data("flush-before-load", &[]);
    let replica = replica.start();
    replica.ok(&["SET old 1"]);
    assert_eq!(replica.run(&format!("REPLICAOF 127.0.0.1 {}", master.port())), "OK");
    wait("the synchronisation is under way", || replica.run("GET old").starts_with("-LOADING"));
    assert!(is_syncing(&replica));
    assert!(replica.run("INFO keyspace").lines().all(|line| !line.starts_with("db")));
    master.kill();
    wait("it is given up", || !is_syncing(&replica));
    assert!(replica.run("GET old").starts_with("-LOADING"), "what is not there is not said to be empty");
    master.start_again();
    fill(&master, "key", 100);
    replica.wait_for_link();
    assert_eq!(replica.run("GET old"), "nil");
    replica.assert_same_data_as(&master);
}
