//! Back to a moment at the start: what came later is left out and kept, and replicas do not notice, or begin anew.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use harness::launch::Launch;
use harness::peers::{redis_server, redis8_server, valkey_server};
use harness::process::Server;
use harness::wait::{wait, wait_eq};

const TIME: &str = "--aof-recover-until-time";
const OFFSET: &str = "--aof-recover-until-offset";

fn keeping() -> Launch {
    Server::tandem().unsaved().args(&["--appendonly", "yes"])
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_millis() as u64
}

/// The time, which is over when this returns.
fn moment() -> u64 {
    let now = now_ms();
    wait("the clock goes on", || now_ms() > now);
    now
}

/// Folders in which files were kept aside.
fn kept(server: &Server) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(server.dir()).expect("it can be listed");
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    paths.filter(|path| path.to_string_lossy().contains("appendonlydir.kept-")).collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("it can be listed") {
        let entry = entry.expect("it can be listed");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("it can be copied");
    }
}

fn manifest(server: &Server) -> String {
    let path = server.path("appendonlydir/appendonly.aof.manifest");
    std::fs::read_to_string(path).expect("there is a manifest")
}

/// What a server makes of a copy of these files.
fn with_files_of(folder: &Path, line: &str) -> String {
    let launch = keeping();
    copy(folder, &launch.dir().join("appendonlydir"));
    launch.start().run(line)
}

#[test]
fn the_moment_before_a_flushall() {
    // Nothing is left to a setting that is for tests.
    let mut server = keeping().args(&["--aof-disable-auto-gc", "yes"]).start();
    server.ok(&["SET a 1", "SELECT 3", "SET b 2"]);
    assert_eq!(server.run("RPUSH list x y"), "2");
    let until = moment();
    server.ok(&["FLUSHALL", "SET later 1"]);
    let (id, _) = server.position();
    assert!(server.terminate().success());

    server.start_again_with(&[TIME, &until.to_string()]);
    assert_eq!(server.run("MGET a later"), "[1 nil]");
    assert_eq!(server.run("LRANGE list 0 -1"), "[x y]");
    assert_ne!(server.position().0, id, "what follows is another history");
    assert!(server.run("CONFIG SET aof-recover-until-time 5").contains("immutable"));
    assert_eq!(server.run("CONFIG GET aof-recover-until-time"), format!("[aof-recover-until-time {until}]"));
    let [folder] = &kept(&server)[..] else { panic!("one folder is kept") };
    assert_eq!(with_files_of(folder, "MGET a later"), "[nil 1]", "nothing is lost");
    assert!(!manifest(&server).contains("type h"), "{}", manifest(&server));

    // The option is still there: once is enough.
    server.ok(&["SET after 1"]);
    server.kill();
    server.start_again();
    assert_eq!(server.run("MGET a later after"), "[1 nil 1]");
    assert!(server.log().contains("and is not again"), "{}", server.log());
    assert_eq!(server.run("BGREWRITEAOF"), "Background append only file rewriting started");
    wait_eq("1", || server.info("aof_rewrites"));
    server.ok(&["SET last 1"]);
    assert!(server.terminate().success());
    server.start_again();
    assert_eq!(server.run("MGET a later after last"), "[1 nil 1 1]");
    server.kill();
    server.start_again_with(&[TIME, ""]);
    assert_eq!(server.run("MGET a later after last"), "[1 nil 1 1]");
    assert_eq!(kept(&server).len(), 1);
}

#[test]
fn replicas_continue_where_the_data_are_the_same() {
    let mut master = keeping().start();
    let mut behind = keeping().follow(&master).start();
    let ahead = keeping().follow(&master).start();
    behind.wait_for_link();
    ahead.wait_for_link();
    master.ok(&["SET a 1"]);
    behind.wait_for_offset_of(&master);
    behind.kill();
    master.ok(&["SET b 1"]);
    let (_, offset) = master.position();
    master.ok(&["FLUSHALL"]);
    wait_eq("0", || ahead.run("DBSIZE"));
    master.kill();
    master.start_again_with(&[OFFSET, &offset.to_string()]);
    behind.start_again();
    master.ok(&["SET c 1"]);
    for replica in [&behind, &ahead] {
        replica.assert_same_data_as(&master);
        assert_eq!(replica.run("MGET a b c"), "[1 1 1]");
    }
    assert_eq!((master.count("sync_full"), master.count("sync_partial_ok")), (1, 1));
}

#[test]
fn a_crash_meanwhile_leaves_it_to_be_done_again() {
    let mut server = keeping().start();
    server.ok(&["SET a 1"]);
    let until = moment();
    server.ok(&["FLUSHALL"]);
    server.kill();
    // The new base cannot be made: its name is taken by a folder.
    let obstacle = server.path("appendonlydir/appendonly.aof.2.base.rdb");
    std::fs::create_dir(&obstacle).expect("a folder can be made");
    let log = server.start_fails_with(&[TIME, &until.to_string()]);
    assert!(log.contains("cannot be created"), "{log}");
    std::fs::remove_dir(&obstacle).expect("it is empty");
    assert!(manifest(&server).contains("appendonly.aof.1.incr.aof"), "{}", manifest(&server));
    server.start_again_with(&[TIME, &until.to_string()]);
    assert_eq!(server.run("GET a"), "1");
    assert_eq!(kept(&server).len(), 2);
}

#[test]
fn nothing_beyond_the_point_is_not_cut_off_later_either() {
    let mut server = keeping().start();
    server.ok(&["SET a 1"]);
    let (id, _) = server.position();
    assert!(server.terminate().success());
    let until = now_ms();
    server.start_again_with(&[TIME, &until.to_string()]);
    assert!(server.log().contains("nothing is left out"), "{}", server.log());
    assert_eq!(server.position().0, id, "nothing has happened");
    server.ok(&["SET b 1"]);
    server.kill();
    server.start_again();
    assert_eq!(server.run("MGET a b"), "[1 1]");
    assert!(kept(&server).is_empty());
}

#[test]
fn what_cannot_be_done_is_refused() {
    let mut server = keeping().start();
    server.ok(&["SET a 1"]);
    let before = manifest(&server);
    server.kill();
    for (options, why) in [
        (&[TIME, "1000"][..], "its base is of a later moment already"),
        (&[TIME, "2026-03-01T12:30:00"], "argument must be a time"),
        (&[OFFSET, "-2"], "argument must be between"),
        (&[TIME, "1000", "--appendonly", "no"], "appendonly is no"),
        (&[TIME, "1000", "--appenddirname", "other"], "there is no append only file"),
    ] {
        let log = server.start_fails_with(options);
        assert!(log.contains(why), "{why}: {log}");
    }
    assert_eq!(manifest(&server), before);
    assert!(kept(&server).is_empty());
}

/// Files of others know the second of each command, if they were told to.
fn with_peer(program: &Path) {
    let launch = || Launch::new(program).unsaved().args(&["--appendonly", "yes"]);
    let mut timeless = launch().start();
    timeless.ok(&["SET a 1"]);
    assert!(timeless.terminate().success());
    let ours = keeping();
    copy(&timeless.path("appendonlydir"), &ours.dir().join("appendonlydir"));
    let failure = ours.args(&[TIME, &now_ms().to_string()]).fail();
    assert!(failure.log.contains("nothing says when the commands from byte"), "{}", failure.log);

    let mut peer = launch().args(&["--aof-timestamp-enabled", "yes"]).start();
    peer.ok(&["SET a 1", "SET b 1"]);
    let second = now_ms() / 1000;
    wait("the second is over", || now_ms() / 1000 > second);
    peer.ok(&["FLUSHALL", "SET later 1"]);
    assert!(peer.terminate().success());
    let ours = keeping();
    copy(&peer.path("appendonlydir"), &ours.dir().join("appendonlydir"));
    let mut ours = ours.args(&[TIME, &second.to_string()]).start();
    assert_eq!(ours.run("MGET a b later"), "[1 1 nil]");
    ours.ok(&["SET c 1"]);
    assert!(ours.terminate().success());
    // The manifest, with its remark, is none of their business.
    let back = launch();
    copy(&ours.path("appendonlydir"), &back.dir().join("appendonlydir"));
    assert_eq!(back.start().run("MGET a b c later"), "[1 1 1 nil]");
}

#[test]
fn files_of_others_go_by_their_time_lines() {
    for program in [redis_server(), redis8_server(), valkey_server()].into_iter().flatten() {
        with_peer(&program);
    }
}
