//! Partial synchronisation that reaches back through the append only files (`repl-backlog-aof yes`): a replica that was cut off while far more
//! was written than memory holds continues where it was.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use harness::client::Client;
use harness::launch::Launch;
use harness::peers::{redis_server, redis8_server, valkey_server};
use harness::process::Server;
use harness::relay::Relay;
use harness::wait::{wait, wait_eq};

/// A master whose memory holds little of the history, and whose files hold all of it.
fn reaching() -> Launch {
    Server::tandem().unsaved().args(&[
        "--appendonly",
        "yes",
        "--repl-backlog-size",
        "16384",
        "--repl-backlog-aof",
        "yes",
        "--auto-aof-rewrite-percentage",
        "0",
    ])
}

/// Writes so many kilobytes, in many batches; messages between them.
fn fill(master: &Server, round: usize, kilobytes: usize) {
    let mut client = master.client();
    let value = "v".repeat(960);
    for number in 0..kilobytes {
        let key = format!("key:{round}:{}", number % 700);
        client.send(&["SET", &key, &format!("{value}{number}")]);
        if number % 20 == 19 {
            client.send(&["PUBLISH", "channel", "text that is for replicas and for no file"]);
            for _ in 0..21 {
                client.receive();
            }
        }
    }
    // What was not answered above.
    for _ in 0..kilobytes % 20 {
        client.receive();
    }
}

/// Full and partial synchronisations that an instance has given, and how many of them out of its files.
fn given(server: &Server) -> (u64, u64, u64) {
    (server.count("sync_full"), server.count("sync_partial_ok"), server.count("repl_backlog_aof_syncs"))
}

/// A master, what stands between it and a replica, and the replica, in step.
fn parted(master: Launch, replica: Launch) -> (Server, Relay, Server) {
    let master = master.start();
    let relay = Relay::to(master.port());
    let replica = replica.unsaved().follow_port(relay.port()).start();
    replica.wait_for_link();
    master.ok(&["SET before 1", "SELECT 3", "SET elsewhere 1"]);
    replica.wait_for_offset_of(&master);
    relay.cut();
    wait_eq("0", || master.info("connected_slaves"));
    (master, relay, replica)
}

fn increments(server: &Server) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(server.path("appendonlydir")).expect("it can be listed");
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.to_string_lossy().contains(".incr.")).collect();
    paths.sort();
    paths
}

fn rewrite(server: &Server) {
    let before = server.count("aof_rewrites");
    assert!(server.run("BGREWRITEAOF").contains("Background"));
    wait("the rewrite is done", || server.count("aof_rewrites") > before);
}

/// Cut off, left behind, back.
fn comes_back(replica: Launch) {
    let (master, relay, replica) = parted(reaching(), replica);
    fill(&master, 0, 3000);
    let missing = master.count("repl_backlog_first_byte_offset") - replica.count("slave_repl_offset");
    assert!(missing > 2_900_000, "memory does not hold it: {missing}");
    relay.heal();
    replica.assert_same_data_as(&master);
    assert_eq!(given(&master), (1, 1, 1));
    let why = master.run("REPLICATION WHY 1");
    assert!(why.contains("partial") && why.contains("the append only files hold the"), "{why}");
    assert!(master.count("repl_backlog_aof_read_bytes") >= missing);
    // And it is a replica like others from here on.
    fill(&master, 1, 100);
    replica.assert_same_data_as(&master);
    assert_eq!(given(&master), (1, 1, 1));
    wait("the synchronisation is over", || master.run("REPLICATION WHY 1").contains("state done"));
}

#[test]
fn a_replica_that_was_away_for_long_continues() {
    comes_back(Server::tandem());
}

#[test]
fn replicas_of_every_make_continue() {
    for program in [redis_server(), redis8_server(), valkey_server()].into_iter().flatten() {
        comes_back(Server::peer(&program));
    }
}

#[test]
fn it_continues_while_more_is_written() {
    let (master, relay, replica) = parted(reaching(), Server::tandem());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let (master, done) = (&master, &done);
            scope.spawn(move || {
                let mut round = 0;
                while !done.load(Ordering::SeqCst) {
                    fill(master, writer, 200);
                    round += 1;
                }
                round
            });
        }
        wait("much is written", || master.count("master_repl_offset") > 8_000_000);
        relay.heal();
        replica.wait_for_link();
        wait("it has come up to what is in memory", || {
            master.run("REPLICATION WHY 1").contains("state done")
        });
        rewrite(&master);
        done.store(true, Ordering::SeqCst);
    });
    replica.assert_same_data_as(&master);
    assert_eq!(given(&master), (1, 1, 1), "{}", master.run("REPLICATION WHY"));
}

#[test]
fn it_continues_over_rewrites() {
    let (master, relay, replica) = parted(reaching(), Server::tandem());
    for round in 0..3 {
        fill(&master, round, 500);
        rewrite(&master);
    }
    fill(&master, 3, 500);
    assert_eq!(increments(&master).len(), 4, "the first, and one for each rewrite");
    relay.heal();
    replica.assert_same_data_as(&master);
    assert_eq!(given(&master), (1, 1, 1));
    // Without the setting they are of no use.
    assert_eq!(master.run("CONFIG SET repl-backlog-aof no"), "OK");
    wait_eq(&1, || increments(&master).len());
}

/// The master is killed while the replica is away, and comes back.
fn continues_after_a_crash(replica: Launch, rewrites: bool) {
    let (mut master, relay, replica) = parted(reaching(), replica);
    fill(&master, 0, 1000);
    if rewrites {
        rewrite(&master);
        fill(&master, 1, 1000);
    }
    let (id, _) = master.position();
    master.kill();
    master.start_again();
    assert_ne!(master.position().0, id);
    fill(&master, 2, 500);
    relay.heal();
    replica.assert_same_data_as(&master);
    assert_eq!(given(&master), (0, 1, 1), "{}", master.run("REPLICATION WHY"));
    assert_eq!(master.info("repl_backlog_aof_active"), "1");
}

#[test]
fn it_continues_after_a_crash_of_the_master() {
    continues_after_a_crash(Server::tandem(), false);
    continues_after_a_crash(Server::tandem(), true);
}

#[test]
fn replicas_of_every_make_continue_after_a_crash() {
    if let Some(program) = redis_server() {
        continues_after_a_crash(Server::peer(&program), false);
    }
    for program in [redis8_server(), valkey_server()].into_iter().flatten() {
        continues_after_a_crash(Server::peer(&program), true);
    }
}

#[test]
fn an_old_version_is_not_given_files_that_nobody_has_looked_at() {
    let Some(program) = redis_server() else { return };
    let (mut master, relay, replica) = parted(reaching(), Server::peer(&program));
    fill(&master, 0, 100);
    rewrite(&master);
    fill(&master, 1, 100);
    master.kill();
    master.start_again();
    relay.heal();
    replica.assert_same_data_as(&master);
    let why = master.run("REPLICATION WHY 1");
    assert!(why.contains("full") && why.contains("this replica's version"), "{why}");
}

/// Changes a byte of a value in the midst of a file.
fn damage(path: &Path) {
    let bytes = std::fs::read(path).expect("it can be read");
    let middle = bytes.len() / 2;
    let at = middle + bytes[middle..].windows(9).position(|part| part == b"vvvvvvvvv").expect("a value");
    let file = std::fs::OpenOptions::new().write(true).open(path).expect("it can be opened");
    file.write_all_at(b"w", at as u64).expect("it can be written");
}

#[test]
fn damage_ends_it_and_is_told() {
    let (master, relay, replica) = parted(reaching(), Server::tandem());
    fill(&master, 0, 3000);
    damage(increments(&master).last().expect("there is one"));
    relay.heal();
    wait_eq("2", || master.info("sync_full"));
    replica.assert_same_data_as(&master);
    assert_eq!(given(&master), (2, 1, 1));
    assert_eq!(master.count("repl_backlog_aof_errors"), 1);
    let why = master.run("REPLICATION WHY 2");
    assert!(why.contains("failed") && why.contains("the checksum of the"), "{why}");
    assert!(why.contains("the append only files reach back to"), "{why}");
    assert!(master.log().contains("is dropped: "), "{}", master.log());
    let marked = replica.run("GET key:0:1");
    assert!(!marked.contains('w'));
}

#[test]
fn a_file_that_is_gone_ends_it_and_is_told() {
    let (master, relay, replica) = parted(reaching(), Server::tandem());
    fill(&master, 0, 500);
    rewrite(&master);
    fill(&master, 1, 500);
    std::fs::remove_file(&increments(&master)[0]).expect("it can be removed");
    relay.heal();
    wait_eq("2", || master.info("sync_full"));
    replica.assert_same_data_as(&master);
    let why = master.run("REPLICATION WHY 2");
    assert!(why.contains("No such file or directory"), "{why}");
}

#[test]
fn without_the_setting_it_needs_everything() {
    let (master, relay, replica) = parted(reaching().args(&["--repl-backlog-aof", "no"]), Server::tandem());
    fill(&master, 0, 300);
    relay.heal();
    replica.assert_same_data_as(&master);
    assert_eq!(given(&master), (2, 0, 0));
    let why = master.run("REPLICATION WHY 1");
    assert!(why.contains("a larger backlog would have sufficed") && !why.contains("append only"), "{why}");
}

#[test]
fn beyond_the_limit_it_needs_everything() {
    let limited = reaching().args(&["--repl-backlog-aof-limit", "1mb"]);
    let (master, relay, replica) = parted(limited, Server::tandem());
    fill(&master, 0, 2000);
    rewrite(&master);
    wait_eq(&1, || increments(&master).len());
    relay.heal();
    replica.assert_same_data_as(&master);
    assert_eq!(given(&master), (2, 0, 0));
    let why = master.run("REPLICATION WHY 1");
    assert!(why.contains("the append only files reach back to"), "{why}");
}

#[test]
fn other_servers_load_what_is_kept() {
    for program in [redis_server(), redis8_server(), valkey_server()].into_iter().flatten() {
        let mut master = reaching().start();
        fill(&master, 0, 300);
        rewrite(&master);
        fill(&master, 1, 300);
        assert_eq!(increments(&master).len(), 2);
        let expected = Client::connect(master.port()).run("DBSIZE");
        assert!(master.terminate().success());
        let theirs = Launch::new(&program).unsaved().args(&["--appendonly", "yes"]);
        let folder = theirs.dir().join("appendonlydir");
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        for entry in std::fs::read_dir(master.path("appendonlydir")).expect("it can be listed") {
            let entry = entry.expect("it can be listed");
            std::fs::copy(entry.path(), folder.join(entry.file_name())).expect("it can be copied");
        }
        let peer = theirs.start();
        assert_eq!(peer.run("DBSIZE"), expected);
        master.start_again();
        assert_eq!(master.run("DBSIZE"), expected);
    }
}
