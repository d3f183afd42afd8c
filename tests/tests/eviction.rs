//! Memory runs out: what replicas hear of it, and what real ones make of that.

use std::path::Path;

use harness::client::show;
use harness::peers;
use harness::process::Server;
use harness::stream::Stream;
use harness::wait::{wait, wait_eq};

/// What stands in the stream of `master` while `run` runs, and while its limit is taken away.
fn stream_of(master: &Server, run: impl FnOnce()) -> String {
    let mut stream = Stream::follow(master);
    stream.effects(master, || {
        run();
        master.ok(&["CONFIG SET maxmemory 0"]);
    })
}

fn master(options: &[&str]) -> Server {
    Server::tandem().unsaved().args(&["--enable-debug-command", "yes"]).args(options).start()
}

#[test]
fn evicted_keys_leave_by_a_deletion_of_their_own() {
    for (setting, name) in [("yes", "UNLINK"), ("no", "DEL")] {
        let master = master(&["--maxmemory-policy", "allkeys-lru", "--lazyfree-lazy-eviction", setting]);
        let stream = stream_of(&master, || {
            let mut client = master.client();
            for line in ["MULTI", "INCR x", "CONFIG SET maxmemory 1", "INCR x"] {
                client.run(line);
            }
            assert!(client.run("EXEC").contains('2'));
            wait_eq("0", || master.run("DBSIZE"));
        });
        let mut lines: Vec<&str> = stream.lines().collect();
        lines.sort_unstable();
        let deletions = [format!("{name} mark"), format!("{name} x")];
        let mut expected = vec!["MULTI", "INCR x", "INCR x", "EXEC", &deletions[0], &deletions[1]];
        expected.sort_unstable();
        assert_eq!(lines, expected, "{stream}");
        assert!(stream.starts_with("MULTI\nINCR x\nINCR x\nEXEC\n"), "{stream}");
    }
}

#[test]
fn expired_keys_leave_as_the_setting_says() {
    for (setting, name) in [("yes", "UNLINK"), ("no", "DEL")] {
        let master = master(&["--lazyfree-lazy-expire", setting]);
        master.ok(&["DEBUG SET-ACTIVE-EXPIRE 0"]);
        for key in ["get", "scan1", "scan2", "incr"] {
            master.ok(&[&format!("SET {key} 1 PX 1")]);
        }
        let stream = stream_of(&master, || {
            wait_eq("nil", || master.run("GET get"));
            assert_eq!(master.run("INCR incr"), "1");
            assert!(master.run("SCAN 0 MATCH scan*").contains("0"));
            master.ok(&["SET past 1"]);
            assert_eq!(master.run("EXPIRE past -1"), "1");
        });
        let mut lines: Vec<&str> = stream.lines().collect();
        // In the order of the table.
        lines[5..7].sort_unstable();
        let deleted = |key: &str| format!("{name} {key}");
        let expected = [
            deleted("get"),
            "MULTI".to_owned(),
            deleted("incr"),
            "INCR incr".to_owned(),
            "EXEC".to_owned(),
            deleted("scan1"),
            deleted("scan2"),
            "SET past 1".to_owned(),
            deleted("past"),
        ];
        assert_eq!(lines, expected, "{stream}");
    }
}

/// Writes far more than fits, of several types, some with an expiry; reads some of it all the time.
fn overflow(master: &Server) {
    let mut client = master.client();
    for round in 0..40 {
        for number in 0..500 {
            let key = round * 500 + number;
            client.send(&["SET", &format!("key:{key}"), &"v".repeat(key % 700)]);
            client.send(&["SETEX", &format!("timed:{key}"), "1000", "value"]);
            client.send(&["HSET", &format!("hash:{}", key % 3000), &format!("f{}", key % 11), "value"]);
            client.send(&["RPUSH", &format!("list:{}", key % 1000), &"e".repeat(key % 90)]);
            client.send(&["GET", &format!("key:{}", key % 50)]);
        }
        for _ in 0..2500 {
            let reply = client.receive();
            assert!(reply.as_error().is_none(), "{}", show(&reply));
        }
    }
}

fn follows_an_evicting_master(peer: &Path) {
    for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random"] {
        let master = master(&["--maxmemory", "8mb", "--maxmemory-policy", policy]);
        let replica = Server::peer(peer).unsaved().start();
        replica.replicate(&master);
        replica.wait_for_link();
        overflow(&master);
        assert!(master.count("evicted_keys") > 1000, "{policy}: {}", master.count("evicted_keys"));
        // Looking at all of it must not evict more.
        master.ok(&["CONFIG SET maxmemory 0"]);
        replica.wait_for_offset_of(&master);
        replica.assert_same_data_as(&master);
    }
}

#[test]
fn a_redis_follows_an_evicting_master() {
    match peers::redis_server() {
        Some(peer) => follows_an_evicting_master(&peer),
        None => peers::skipped("redis-server"),
    }
}

#[test]
fn a_valkey_follows_an_evicting_master() {
    match peers::valkey_server() {
        Some(peer) => follows_an_evicting_master(&peer),
        None => peers::skipped("valkey-server"),
    }
}

#[test]
fn a_replica_of_ours_does_not_evict_until_promoted() {
    let master = master(&[]);
    let options = ["--maxmemory", "3mb", "--maxmemory-policy", "allkeys-lru"];
    let replica = Server::tandem().unsaved().args(&options).follow(&master).start();
    replica.wait_for_link();
    overflow(&master);
    replica.wait_for_offset_of(&master);
    replica.assert_same_data_as(&master);
    assert_eq!(replica.count("evicted_keys"), 0);
    replica.ok(&["REPLICAOF NO ONE"]);
    wait("the promoted instance keeps its limit", || replica.count("evicted_keys") > 1000);
}
