//! The append only file: what survives which end, who can read whose, and that a restart costs no full resynchronisation.

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::launch::Launch;
use harness::peers::{redis_server, redis8_server, valkey_server};
use harness::process::Server;
use harness::wait::{wait, wait_eq};

/// Nothing is kept but by the append only file.
fn keeping() -> Launch {
    Server::tandem().unsaved().args(&["--appendonly", "yes"])
}

/// Full and partial synchronisations that an instance has given.
fn given(server: &Server) -> (u64, u64) {
    (server.count("sync_full"), server.count("sync_partial_ok"))
}

fn log_file(server: &Server, name: &str) -> PathBuf {
    server.path("appendonlydir").join(name)
}

/// The increment that is appended to.
fn increment(server: &Server) -> PathBuf {
    let text = std::fs::read(log_file(server, "appendonly.aof.manifest")).expect("there is a manifest");
    let manifest = aof::Manifest::parse(&text).expect("it is one");
    log_file(server, &manifest.increments.last().expect("there is an increment").name)
}

/// What the socket has no room for is on its way when the reply behind it is held until a slow disk has the write.
#[test]
fn a_long_reply_and_a_write_behind_it_both_arrive() {
    let server = keeping().args(&["--appendfsync", "always", "--enable-debug-command", "local"]).start();
    let mut client = server.client();
    assert_eq!(client.run("SETRANGE long 16000000 x"), "16000001");
    assert_eq!(client.run("DEBUG AOF-FLUSH-SLEEP 200000"), "OK");
    for count in 1..4 {
        client.send(&["GET", "long"]);
        // From another connection the server is seen to have got there.
        wait("it is at it", || server.run("CLIENT LIST").contains("cmd=get"));
        client.send(&["INCR", "n"]);
        assert_eq!(client.receive().as_bytes().map(<[u8]>::len), Some(16_000_001));
        assert_eq!(harness::client::show(&client.receive()), count.to_string());
    }
}

#[test]
fn what_was_written_survives_a_crash_and_a_stop() {
    let mut server = keeping().start();
    server.ok(&["SET a 1", "SELECT 3", "SET b 2"]);
    assert_eq!(server.run("INCR n"), "1");
    server.kill();
    server.start_again();
    assert_eq!(server.run("MGET a n"), "[1 1]");
    server.ok(&["SELECT 3", "SET c 3"]);
    assert!(server.terminate().success());
    server.start_again();
    let mut client = server.client();
    assert_eq!(client.run("SELECT 3"), "OK");
    assert_eq!(client.run("MGET b c"), "[2 3]");
    assert_eq!(server.info("aof_enabled"), "1");
}

#[test]
fn a_rewrite_leaves_one_base_and_one_increment() {
    let mut server = keeping().start();
    for n in 0..100 {
        assert_eq!(server.run("INCR n"), (n + 1).to_string());
    }
    assert_eq!(server.run("BGREWRITEAOF"), "Background append only file rewriting started");
    wait_eq("2", || server.info("aof_rewrites"));
    server.ok(&["SET after 1"]);
    let mut names: Vec<String> = std::fs::read_dir(server.path("appendonlydir"))
        .expect("there is a folder")
        .map(|entry| entry.expect("it can be listed").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    assert_eq!(names, ["appendonly.aof.2.base.rdb", "appendonly.aof.2.incr.aof", "appendonly.aof.manifest"]);
    server.kill();
    server.start_again();
    assert_eq!(server.run("MGET n after"), "[100 1]");
}

#[test]
fn a_master_that_is_killed_and_comes_back_continues_with_its_replicas() {
    let mut master = keeping().start();
    let replica = keeping().follow(&master).start();
    replica.wait_for_link();
    master.ok(&["SET a 1", "SELECT 2", "SET b 2"]);
    // What replicas get and the file does not.
    assert_eq!(master.run("PUBLISH channel text"), "0");
    assert_eq!(master.run("WAIT 1 0"), "1");
    replica.wait_for_offset_of(&master);
    let (id, _) = master.position();
    master.kill();
    master.start_again();
    assert_ne!(master.position().0, id, "a crash may have lost something: the history gets a new name");
    master.ok(&["SET c 3"]);
    replica.assert_same_data_as(&master);
    assert_eq!(given(&master), (0, 1));
    assert_eq!(replica.run("GET c"), "3");
}

/// A replica that is behind when its master is killed gets what it lacks out of the file, and blank lines for what the file has left out.
fn continues_over_a_gap(replica: Launch) {
    let mut master = keeping().start();
    let replica = replica.unsaved().follow(&master).start();
    replica.wait_for_link();
    master.ok(&["SET a 1"]);
    replica.wait_for_offset_of(&master);
    replica.freeze();
    // What is on its way to a process that stands still is lost with the connection.
    assert_eq!(master.run("CLIENT KILL TYPE replica"), "1");
    for line in ["PUBLISH channel text", "SET b 2", "PUBLISH channel text", "INCR n", "PUBLISH channel text"]
    {
        assert!(!master.run(line).starts_with('-'), "{line}");
    }
    master.kill();
    master.start_again();
    replica.thaw();
    replica.assert_same_data_as(&master);
    assert_eq!(given(&master), (0, 1));
    master.ok(&["SET c 3"]);
    replica.assert_same_data_as(&master);
}

#[test]
fn replicas_of_every_make_continue_over_what_the_file_leaves_out() {
    continues_over_a_gap(Server::tandem());
    for program in [redis_server(), redis8_server(), valkey_server()].into_iter().flatten() {
        continues_over_a_gap(Server::peer(&program));
    }
}

#[test]
fn a_master_that_is_stopped_and_comes_back_is_the_same() {
    let mut master = keeping().start();
    let replica = keeping().follow(&master).start();
    replica.wait_for_link();
    master.ok(&["SELECT 5", "SET a 1"]);
    let (id, _) = master.position();
    assert!(master.terminate().success());
    master.start_again();
    assert_eq!(master.position().0, id);
    master.ok(&["SELECT 5", "SET b 1"]);
    replica.assert_same_data_as(&master);
    assert_eq!(given(&master), (0, 1));
}

#[test]
fn a_replica_that_is_killed_comes_back_where_it_was() {
    let master = keeping().start();
    let mut replica = keeping().follow(&master).start();
    replica.wait_for_link();
    for n in 0..50 {
        master.ok(&[&format!("SET key{n} {n}")]);
    }
    replica.wait_for_offset_of(&master);
    wait("the initial file stands", || {
        replica.info("aof_rewrite_in_progress") == "0" && replica.info("aof_rewrites") != "0"
    });
    replica.kill();
    master.ok(&["SET meanwhile 1"]);
    let before = given(&master);
    replica.start_again();
    replica.assert_same_data_as(&master);
    assert_eq!(given(&master), (before.0, before.1 + 1));
    assert!(replica.terminate().success());
    replica.start_again();
    replica.assert_same_data_as(&master);
    assert_eq!(given(&master), (before.0, before.1 + 2));
}

#[test]
fn what_is_cut_off_is_left_out() {
    let mut server = keeping().start();
    server.ok(&["SET a 1", "SET b 2"]);
    server.kill();
    let path = increment(&server);
    let len = std::fs::metadata(&path).expect("it is there").len();
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("it can be opened");
    file.set_len(len - 3).expect("it can be cut");
    server.start_again();
    assert_eq!(server.run("MGET a b"), "[1 nil]");
    server.ok(&["SET c 3"]);
    server.kill();
    server.start_again();
    assert_eq!(server.run("MGET a b c"), "[1 nil 3]");
}

#[test]
fn a_flipped_bit_is_noticed_and_its_place_named() {
    let mut server = keeping().start();
    server.ok(&["SET a 1", "SET key value", "SET b 2"]);
    server.kill();
    let path = increment(&server);
    let mut bytes = std::fs::read(&path).expect("it is there");
    let at = bytes.windows(5).position(|part| part == b"value").expect("the value is in the file");
    bytes[at] = b'V';
    std::fs::write(&path, &bytes).expect("it can be written");
    let failure = server.fail_to_start_again();
    assert!(failure.contains("Bad file format reading the append only file"), "{failure}");
    assert!(failure.contains("the checksum of the") && failure.contains("tandem-rdb check"), "{failure}");
}

/// Others read what we have written, and we what they have written.
fn with_peer(program: &Path) {
    let mut ours = keeping().start();
    ours.ok(&["SET a 1", "SELECT 3", "SET b 1"]);
    assert_eq!(ours.run("RPUSH list x y z"), "3");
    assert_eq!(ours.run("BGREWRITEAOF"), "Background append only file rewriting started");
    wait_eq("2", || ours.info("aof_rewrites"));
    let mut client = ours.client();
    for line in ["MULTI", "SET behind 1", "SET behind-it 1", "EXEC"] {
        client.run(line);
    }
    assert_eq!(ours.run("PUBLISH channel text"), "0");
    assert!(ours.terminate().success());
    let theirs = Launch::new(program).unsaved().args(&["--appendonly", "yes"]);
    copy(&ours.path("appendonlydir"), &theirs.dir().join("appendonlydir"));
    let mut peer = theirs.start();
    assert_eq!(peer.run("MGET a behind"), "[1 1]");
    assert_eq!(peer.run("LRANGE list 0 -1"), "[x y z]");
    peer.ok(&["SET theirs 1"]);
    assert!(peer.terminate().success());
    // And back, with what they have appended.
    let back = keeping();
    copy(&peer.path("appendonlydir"), &back.dir().join("appendonlydir"));
    let mut back = back.start();
    assert_eq!(back.run("MGET a behind theirs"), "[1 1 1]");
    back.ok(&["SET ours 1"]);
    back.kill();
    back.start_again();
    assert_eq!(back.run("MGET a behind theirs ours"), "[1 1 1 1]");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("it can be listed") {
        let entry = entry.expect("it can be listed");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("it can be copied");
    }
}

#[test]
fn redis_7_reads_ours_and_we_read_theirs() {
    if let Some(program) = redis_server() {
        with_peer(&program);
    }
}

#[test]
fn redis_8_reads_ours_and_we_read_theirs() {
    if let Some(program) = redis8_server() {
        with_peer(&program);
    }
}

#[test]
fn valkey_9_reads_ours_and_we_read_theirs() {
    if let Some(program) = valkey_server() {
        with_peer(&program);
    }
}

#[test]
fn the_checkers_of_others_are_content() {
    let mut server = keeping().args(&["--aof-timestamp-enabled", "yes"]).start();
    server.ok(&["SET a 1", "SET b 2"]);
    assert_eq!(server.run("PUBLISH channel text"), "0");
    assert!(server.terminate().success());
    for checker in harness::peers::aof_checkers() {
        let output = Command::new(&checker)
            .arg(log_file(&server, "appendonly.aof.manifest"))
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && text.contains("All AOF files and manifest are valid"), "{text}");
    }
}

#[test]
fn it_is_switched_on_and_off_while_it_runs() {
    let mut server = Server::tandem().unsaved().start();
    server.ok(&["SET a 1", "CONFIG SET appendonly yes"]);
    wait_eq("0", || server.info("aof_rewrite_in_progress"));
    wait("the first base stands", || log_file(&server, "appendonly.aof.manifest").exists());
    server.ok(&["SET b 2"]);
    server.kill();
    server.start_again_with(&["--appendonly", "yes"]);
    assert_eq!(server.run("MGET a b"), "[1 2]");
    server.ok(&["CONFIG SET appendonly no", "SET c 3"]);
    server.kill();
    server.start_again();
    assert_eq!(server.run("MGET a b c"), "[1 2 nil]");
}

#[test]
fn a_single_file_of_old_becomes_the_base() {
    let launch = keeping();
    let text = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";
    std::fs::write(launch.dir().join("appendonly.aof"), text).expect("it can be written");
    let mut server = launch.start();
    assert_eq!(server.run("GET a"), "1");
    server.ok(&["SET b 2"]);
    assert!(!server.path("appendonly.aof").exists());
    server.kill();
    server.start_again();
    assert_eq!(server.run("MGET a b"), "[1 2]");
}

/// Starts on a single file of old.
fn on_single_file(text: &str) -> Launch {
    let launch = keeping();
    std::fs::write(launch.dir().join("appendonly.aof"), text).expect("it can be written");
    launch
}

#[test]
fn scripts_of_old_files_are_run() {
    let select = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";
    let eval = "*4\r\n$4\r\nEVAL\r\n$30\r\nreturn redis.call('incr', 'n')\r\n$1\r\n0\r\n$1\r\nx\r\n";
    let mut server = on_single_file(&[select, eval, eval].concat()).start();
    assert_eq!(server.run("INCR n"), "3");
    server.kill();
    server.start_again();
    assert_eq!(server.run("INCR n"), "4");
    assert_eq!(server.run("BGREWRITEAOF"), "Background append only file rewriting started");
    wait_eq("1", || server.info("aof_rewrites"));
    server.kill();
    server.start_again();
    assert_eq!(server.run("GET n"), "4");
}

#[test]
fn what_nobody_knows_is_refused_with_its_place() {
    let select = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";
    for (command, why) in [
        ("*2\r\n$6\r\nNOSUCH\r\n$1\r\na\r\n", "unknown command 'NOSUCH'"),
        ("*3\r\n$7\r\nEVALSHA\r\n$3\r\nabc\r\n$1\r\n0\r\n", "NOSCRIPT"),
        ("*1\r\n$3\r\nSET\r\n", "wrong number of arguments"),
    ] {
        let failure = on_single_file(&[select, command, select].concat()).fail();
        let place = format!("at byte {}, reading the append only file appendonly.aof", select.len());
        assert!(failure.log.contains(why) && failure.log.contains(&place), "{}", failure.log);
    }
}

#[test]
fn waitaof_waits_for_the_disk() {
    let master = keeping().start();
    let replica = keeping().follow(&master).start();
    replica.wait_for_link();
    let mut client = master.client();
    assert_eq!(client.run("SET a 1"), "OK");
    assert_eq!(client.run("WAITAOF 1 1 0"), "[1 1]");
    assert_eq!(client.run("CONFIG SET appendfsync always"), "OK");
    assert_eq!(client.run("SET a 2"), "OK");
    assert_eq!(client.run("WAITAOF 1 0 0"), "[1 1]".replace("1]", "0]"));
}

#[test]
fn debug_loadaof_gives_the_same_data() {
    let server = keeping().args(&["--enable-debug-command", "yes"]).start();
    server.ok(&["SET a 1", "SET b 2 EX 1000", "SELECT 2", "SET c 3"]);
    let digest = server.run("DEBUG DIGEST");
    server.ok(&["DEBUG LOADAOF"]);
    assert_eq!(server.run("DEBUG DIGEST"), digest);
    server.ok(&["SET d 4"]);
}

#[test]
fn a_file_is_written_where_it_is_switched_off() {
    let server = Server::tandem().unsaved().args(&["--enable-debug-command", "local"]).start();
    server.ok(&["SET a 1", "SET b 2"]);
    assert!(server.run("BGREWRITEAOF").starts_with("Background append only file rewriting"));
    wait_eq("1", || server.info("aof_rewrites"));
    assert_eq!(server.info("aof_last_bgrewrite_status"), "ok");
    server.ok(&["SET b 3", "DEBUG LOADAOF"]);
    assert_eq!(server.run("MGET a b"), "[1 2]");
}

/// Kills the master, then the replica, at moments when much is being written. Nothing that was acknowledged is lost, no replica needs
/// a full resynchronisation, and all are equal in the end. `AOF_ROUNDS` asks for more of it.
#[test]
fn killed_again_and_again() {
    let rounds = std::env::var("AOF_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let mut master = keeping().start();
    let mut replica = keeping().follow(&master).start();
    replica.wait_for_link();
    wait("the initial file stands", || {
        replica.info("aof_rewrites") != "0" && replica.info("aof_rewrite_in_progress") == "0"
    });
    let mut written = 0u64;
    for round in 0..rounds {
        let port = master.port();
        let writer = std::thread::spawn(move || {
            let Ok(mut client) = harness::client::Client::try_connect(port) else { return written };
            loop {
                if client.send_raw(format!("SET count {}\r\n", written + 1).as_bytes()).is_err() {
                    return written;
                }
                match client.try_receive() {
                    Ok(_) => written += 1,
                    Err(_) => return written,
                }
            }
        });
        if round % 3 == 1 {
            assert!(master.run("BGREWRITEAOF").contains("Background"));
        }
        // Any moment will do, but not always the same.
        let until = written + 300 * (round as u64 % 5 + 1);
        wait("much has been written", || {
            master.run("GET count").parse().is_ok_and(|count: u64| count >= until)
        });
        if round % 2 == 0 {
            master.kill();
            written = writer.join().expect("the writer does not panic");
            master.start_again();
            let count: u64 = master.run("GET count").parse().expect("a number");
            assert!(
                count == written || count == written + 1,
                "{written} were acknowledged, {count} are there"
            );
            written = count;
        } else {
            replica.kill();
            replica.start_again();
            replica.wait_for_link();
            if round > 0 {
                assert_eq!(master.count("sync_full"), 0, "round {round}: {}", master.run("REPLICATION WHY"));
            }
            master.kill();
            written = writer.join().expect("the writer does not panic");
            master.start_again();
            written = written.max(master.run("GET count").parse().expect("a number"));
        }
        replica.assert_same_data_as(&master);
        // The master has been started again in every round, and has counted since.
        assert_eq!(master.count("sync_full"), 0, "round {round}: {}", master.run("REPLICATION WHY"));
    }
}

#[test]
fn what_clients_write_to_a_replica_survives_with_its_position() {
    let master = Server::tandem().unsaved().start();
    let mut replica = keeping().args(&["--replica-read-only", "no"]).follow(&master).start();
    replica.wait_for_link();
    wait_eq("0", || replica.info("aof_rewrite_in_progress"));
    master.ok(&["SELECT 1", "SET a 1", "SET both 1"]);
    replica.wait_for_offset_of(&master);
    let mut client = replica.client();
    for line in
        ["SET own 1 EX 1000", "SELECT 1", "APPEND both 2", "MULTI", "SELECT 2", "INCR n", "INCR n", "EXEC"]
    {
        assert!(!client.run(line).starts_with('-'), "{line}");
    }
    assert_eq!(client.run("EVAL return(redis.call([[rpush]],[[list]],[[x]],[[y]])) 0"), "2");
    master.ok(&["SELECT 1", "SET b 1"]);
    assert_eq!(master.run("APPEND both x"), "1");
    let mut in_one = master.client();
    assert_eq!(in_one.run("SELECT 1"), "OK");
    assert_eq!(in_one.run("APPEND both 3"), "2");
    replica.wait_for_offset_of(&master);
    for stops in [false, true] {
        if stops {
            assert!(replica.terminate().success());
        } else {
            replica.kill();
        }
        replica.start_again();
        replica.wait_for_link();
        let mut client = replica.client();
        assert_eq!(client.run("GET own"), "1");
        assert_eq!(client.run("SELECT 1"), "OK");
        assert_eq!(client.run("MGET a b both"), "[1 1 123]");
        assert_eq!(client.run("SELECT 2"), "OK");
        assert_eq!(client.run("GET n"), "2");
        assert_eq!(client.run("LRANGE list 0 -1"), "[x y]");
        assert_eq!(replica.info("slave_expires_tracked_keys"), "1");
        assert_eq!(
            client.run("EVAL return(redis.call([[incr]],[[again]])) 0"),
            if stops { "2" } else { "1" }
        );
    }
    assert_eq!(given(&master), (1, 2), "what it was written by others is no reason to begin anew");
    // Others read it like any commands.
    if let Some(program) = redis_server() {
        assert!(replica.terminate().success());
        let theirs = Launch::new(&program).unsaved().args(&["--appendonly", "yes"]);
        copy(&replica.path("appendonlydir"), &theirs.dir().join("appendonlydir"));
        let peer = theirs.start();
        let mut client = peer.client();
        assert_eq!(client.run("SELECT 1"), "OK");
        assert_eq!(client.run("MGET a b both"), "[1 1 123]");
        assert_eq!(client.run("SELECT 2"), "OK");
        assert_eq!(client.run("MGET n again"), "[2 2]");
    }
}

/// A replica that may write no file larger than 64 KiB.
fn with_a_small_disk(master: &Server, ignores: &str) -> Server {
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$@\"";
    let launch = keeping().through(&["bash", "-c", script, "bash"]).follow(master);
    let replica = launch.args(&["--replica-ignore-disk-write-errors", ignores]).start();
    replica.wait_for_link();
    wait_eq("0", || replica.info("aof_rewrite_in_progress"));
    replica
}

#[test]
fn a_replica_whose_disk_is_full_goes_on_or_ends() {
    let master = Server::tandem().unsaved().start();
    let goes_on = with_a_small_disk(&master, "yes");
    let mut ends = with_a_small_disk(&master, "no");
    let value = "x".repeat(8000);
    for n in 0..20 {
        master.ok(&[&format!("SET key{n} {value}")]);
    }
    wait_eq("err", || goes_on.info("aof_last_write_status"));
    // It ends at the first write after the one that failed.
    wait("the other has ended", || {
        master.ok(&["SET last 1"]);
        master.info("connected_slaves") == "1"
    });
    assert_eq!(ends.wait_for_end().code(), Some(1));
    assert!(ends.log().contains("as replica-ignore-disk-write-errors has it"), "{}", ends.log());
    goes_on.assert_same_data_as(&master);
}
