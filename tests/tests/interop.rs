//! A real Redis, and a real Valkey, on the other end of the link, in both roles.

use std::path::Path;
use std::process::{Command, Stdio};

use harness::changes::{change_everything, change_fields, fields, fill_collections};
use harness::client::Client;
use harness::dataset;
use harness::launch::Launch;
use harness::peers;
use harness::process::Server;
use harness::relay::Relay;
use harness::wait::{wait, wait_eq};

/// Says whose server it is that is started.
type Maker<'a> = &'a dyn Fn() -> Launch;

fn tandem() -> Launch {
    Server::tandem().unsaved()
}

/// One master and one replica of two kinds, through everything that can happen between them.
fn follow(master: Maker<'_>, replica: Maker<'_>, diskless: &str) {
    let master = master().args(&["--repl-diskless-sync", diskless]).start();
    change_everything(&master);
    fill_collections(&master);
    let relay = Relay::to(master.port());
    let replica = replica().follow_port(relay.port()).start();

    // The snapshot, then the stream.
    replica.assert_same_data_as(&master);
    assert!(dataset::read(replica.port()).len() > 40);
    change_everything(&master);
    replica.assert_same_data_as(&master);
    assert!(replica.run("SET k v").starts_with("-READONLY "));

    // The master deletes what has expired.
    master.ok(&["SET fleeting x PX 50"]);
    let keys = master.count("sync_full");
    wait_eq("0", || master.run("EXISTS fleeting"));
    wait("the replica's key is gone as well", || {
        !dataset::read(replica.port()).contains_key(&(0, b"fleeting".to_vec()))
    });

    // A cut.
    relay.cut();
    wait_eq("down", || replica.info("master_link_status"));
    change_everything(&master);
    master.ok(&["SET while-cut yes"]);
    relay.heal();
    replica.assert_same_data_as(&master);
    assert_eq!(replica.run("GET while-cut"), "yes");
    assert_eq!(master.count("sync_full"), keys, "healed by a partial resynchronisation");
    assert_eq!(master.count("sync_partial_ok"), 1);

    // The roles turn round: the old master follows, with what it has.
    replica.wait_for_offset_of(&master);
    relay.cut();
    assert_eq!(replica.run("REPLICAOF NO ONE"), "OK");
    replica.ok(&["SET promoted yes"]);
    let (new_master, old_master) = (replica, master);
    old_master.replicate(&new_master);
    wait_eq("yes", || old_master.run("GET promoted"));
    old_master.assert_same_data_as(&new_master);
    change_everything(&new_master);
    old_master.assert_same_data_as(&new_master);
}

/// Three of two kinds: the middle one is lost, its replica goes on with the top; then the top is lost.
fn chain(top: Maker<'_>, middle: Maker<'_>, last: Maker<'_>) {
    let top = top().start();
    change_everything(&top);
    let middle = middle().follow(&top).start();
    middle.wait_for_link();
    let last = last().follow(&middle).start();
    last.wait_for_link();
    change_everything(&top);
    last.assert_same_data_as(&top);
    middle.assert_same_data_as(&top);

    let full = top.count("sync_full");
    last.wait_for_offset_of(&middle);
    last.replicate(&top);
    top.ok(&["SET moved-up yes"]);
    wait_eq("yes", || last.run("GET moved-up"));
    assert_eq!(top.count("sync_full"), full, "one history, so it can go on with any of them");

    for replica in [&middle, &last] {
        replica.wait_for_offset_of(&top);
    }
    drop(top);
    assert_eq!(middle.run("REPLICAOF NO ONE"), "OK");
    let full = middle.count("sync_full");
    last.replicate(&middle);
    middle.ok(&["SET after yes"]);
    wait_eq("yes", || last.run("GET after"));
    assert_eq!(middle.count("sync_full"), full, "the sibling follows without a full resynchronisation");
    last.assert_same_data_as(&middle);
}

/// A dump written by one is read by the other.
fn hand_over_a_dump(from: Maker<'_>, to: Maker<'_>) {
    let from = from().start();
    change_everything(&from);
    fill_collections(&from);
    assert_eq!(from.run("SAVE"), "OK");
    let to = to();
    std::fs::copy(from.path("dump.rdb"), to.dir().join("dump.rdb")).unwrap();
    let to = to.start();
    dataset::assert_equal(from.port(), to.port());
}

#[test]
fn redis_follows_tandem_with_a_streamed_snapshot() {
    let Some(redis) = peers::redis_server() else { return };
    follow(&tandem, &|| Server::peer(&redis), "yes");
}

#[test]
fn redis_follows_tandem_with_a_snapshot_on_disk() {
    let Some(redis) = peers::redis_server() else { return };
    follow(&tandem, &|| Server::peer(&redis), "no");
}

#[test]
fn tandem_follows_redis_with_a_streamed_snapshot() {
    let Some(redis) = peers::redis_server() else { return };
    follow(&|| Server::peer(&redis), &tandem, "yes");
}

#[test]
fn tandem_follows_redis_with_a_snapshot_on_disk() {
    let Some(redis) = peers::redis_server() else { return };
    follow(&|| Server::peer(&redis), &tandem, "no");
}

#[test]
fn tandem_between_two_redis() {
    let Some(redis) = peers::redis_server() else { return };
    chain(&|| Server::peer(&redis), &tandem, &|| Server::peer(&redis));
}

#[test]
fn redis_between_two_tandems() {
    let Some(redis) = peers::redis_server() else { return };
    chain(&tandem, &|| Server::peer(&redis), &tandem);
}

#[test]
fn dumps_of_redis_are_read() {
    let Some(redis) = peers::redis_server() else { return };
    hand_over_a_dump(&|| Server::peer(&redis), &tandem);
}

#[test]
fn dumps_are_read_by_redis() {
    let Some(redis) = peers::redis_server() else { return };
    hand_over_a_dump(&tandem, &|| Server::peer(&redis));
}

#[test]
fn valkey_follows_and_is_followed() {
    let Some(valkey) = peers::valkey_server() else { return };
    follow(&tandem, &|| Server::peer(&valkey), "yes");
    follow(&|| Server::peer(&valkey), &tandem, "yes");
}

#[test]
fn redis_8_follows_and_is_followed() {
    let Some(redis) = peers::redis8_server() else { return };
    follow(&tandem, &|| Server::peer(&redis), "yes");
    follow(&|| Server::peer(&redis), &tandem, "yes");
}

#[test]
fn valkey_in_a_chain() {
    let Some(valkey) = peers::valkey_server() else { return };
    chain(&|| Server::peer(&valkey), &tandem, &tandem);
    chain(&tandem, &tandem, &|| Server::peer(&valkey));
}

#[test]
fn dumps_of_redis_8_are_read() {
    let Some(redis) = peers::redis8_server() else { return };
    hand_over_a_dump(&|| Server::peer(&redis), &tandem);
    hand_over_a_dump(&tandem, &|| Server::peer(&redis));
}

#[test]
fn dumps_of_valkey_are_read() {
    let Some(valkey) = peers::valkey_server() else { return };
    hand_over_a_dump(&|| Server::peer(&valkey), &tandem);
    hand_over_a_dump(&tandem, &|| Server::peer(&valkey));
}

/// Names of the fields of a section of INFO, in their order.
fn field_names(server: &Server, section: &str) -> Vec<String> {
    let reply = server.client().call(&["INFO", section]);
    let text = String::from_utf8_lossy(reply.as_bytes().unwrap()).into_owned();
    text.lines().filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect()
}

#[test]
fn info_replication_looks_the_same() {
    let Some(redis) = peers::redis_server() else { return };
    let fields = |kind: Maker<'_>| {
        let master = kind().start();
        let alone = field_names(&master, "replication");
        let replicas = [(); 2].map(|()| kind().follow(&master).start());
        replicas.iter().for_each(Server::wait_for_link);
        wait("both are online", || {
            ["slave0", "slave1"].iter().all(|field| master.info(field).contains("state=online"))
        });
        // Without the values that no two servers share.
        let line = master.info("slave0");
        let line: Vec<_> =
            line.split(',').filter_map(|field| Some(field.split_once('=')?.0.to_owned())).collect();
        let served = field_names(&master, "replication");
        let following = field_names(&replicas[0], "replication");
        drop(master);
        wait_eq("down", || replicas[0].info("master_link_status"));
        let mut fields = vec![alone, line, served, following, field_names(&replicas[0], "replication")];
        // Versions from 8.0 on add fields of their own, and so do we.
        for names in &mut fields {
            let own = [
                "replicas_",
                "replica_full_sync_buffer_",
                "master_current_",
                "master_sync_guard",
                "repl_spill_",
                "repl_backlog_aof_",
                "repl_sync_",
                "master_lag_ms",
                "replica0_lag_ms",
                "replica1_lag_ms",
                "type",
            ];
            names.retain(|name| !own.iter().any(|prefix| name.starts_with(prefix)));
        }
        fields
    };
    assert_eq!(fields(&tandem), fields(&|| Server::peer(&redis)));
}

#[test]
fn the_command_line_client_fetches_a_dump() {
    let (Some(redis), Some(cli)) = (peers::redis_server(), peers::redis_cli()) else { return };
    for diskless in ["yes", "no"] {
        let master = tandem().args(&["--repl-diskless-sync", diskless]).start();
        change_everything(&master);
        let copy = Server::peer(&redis);
        let path = copy.dir().join("dump.rdb");
        let output =
            Command::new(&cli).args(["-p", &master.port().to_string(), "--rdb"]).arg(&path).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        dataset::assert_equal(master.port(), copy.start().port());
    }
}

#[test]
fn the_command_line_client_shows_the_stream() {
    use std::io::{BufRead, BufReader};
    let Some(cli) = peers::redis_cli() else { return };
    let master = tandem().start();
    let mut command = Command::new(cli);
    command
        .args(["-p", &master.port().to_string(), "--replica"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    wait("it is served as a replica", || master.info("slave0").contains("state=online"));
    master.ok(&["SET greeting hello"]);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    // Pings may come between. The loop ends when the line has come; if it never does, the master's end closes the pipe.
    let seen: Vec<String> = {
        let mut seen = Vec::new();
        for line in lines {
            let found = line.contains("\"greeting\"");
            seen.push(line);
            if found {
                break;
            }
        }
        seen
    };
    let _ = child.kill();
    let _ = child.wait();
    assert!(seen.iter().any(|line| line == "\"SELECT\",\"0\""), "{seen:?}");
    assert_eq!(seen.last().unwrap().to_uppercase(), "\"SET\",\"GREETING\",\"HELLO\"");
}

#[test]
fn a_redis_replica_that_was_cut_off_long_takes_everything_anew() {
    let Some(redis) = peers::redis_server() else { return };
    for (master, replica) in [(true, false), (false, true)] {
        let kind = |ours: bool| if ours { tandem() } else { Server::peer(Path::new(&redis)) };
        let master = kind(master).args(&["--repl-backlog-size", "16kb"]).start();
        let relay = Relay::to(master.port());
        let replica = kind(replica).follow_port(relay.port()).start();
        replica.wait_for_link();
        relay.cut();
        wait_eq("down", || replica.info("master_link_status"));
        let mut client = Client::connect(master.port());
        for i in 0..100 {
            assert_eq!(client.run(&format!("SET key:{i} {}", "x".repeat(400))), "OK");
        }
        // What is beyond the backlog is dropped a little later.
        wait("the backlog is trimmed", || master.count("repl_backlog_histlen") < 40_000);
        relay.heal();
        replica.assert_same_data_as(&master);
        assert_eq!(master.count("sync_full"), 2);
    }
}

/// By full synchronisation, by the stream, and by a dump.
fn exchange_fields(master: Maker<'_>, replica: Maker<'_>, valkey: bool) {
    let master = master().start();
    change_fields(&master, valkey);
    let replica = replica().follow_port(master.port()).start();
    replica.wait_for_link();
    wait("what the synchronisation brought is the same", || fields(&replica) == fields(&master));
    let kept = |line: &String| line.starts_with("few b ") && line.contains("4000000000123");
    assert!(fields(&master).iter().any(kept), "{:?}", fields(&master));
    change_fields(&master, valkey);
    master.ok(&["SET done yes"]);
    wait_eq("yes", || replica.run("GET done"));
    assert_eq!(fields(&replica), fields(&master));
    assert!(!master.run("HPEXPIRE mixed 30 FIELDS 1 stays").starts_with('-'));
    wait_eq("0", || master.run("EXISTS mixed"));
    wait_eq("0", || replica.run("EXISTS mixed"));
}

#[test]
fn expiring_fields_are_exchanged_with_valkey() {
    let Some(valkey) = peers::valkey_server() else { return };
    exchange_fields(&tandem, &|| Server::peer(&valkey), true);
    exchange_fields(&|| Server::peer(&valkey), &tandem, true);
    let (from, to) = (Server::peer(&valkey).start(), tandem());
    change_fields(&from, true);
    assert_eq!(from.run("SAVE"), "OK");
    std::fs::copy(from.path("dump.rdb"), to.dir().join("dump.rdb")).unwrap();
    assert_eq!(fields(&to.start()), fields(&from));
    let (from, to) = (tandem().start(), Server::peer(&valkey));
    change_fields(&from, true);
    assert_eq!(from.run("SAVE"), "OK");
    std::fs::copy(from.path("dump.rdb"), to.dir().join("dump.rdb")).unwrap();
    assert_eq!(fields(&to.start()), fields(&from));
}

/// Redis 8 has its own form of them.
#[test]
fn expiring_fields_are_exchanged_with_redis_8() {
    let Some(redis) = peers::redis8_server() else { return };
    exchange_fields(&tandem, &|| Server::peer(&redis), true);
    exchange_fields(&|| Server::peer(&redis), &tandem, false);
    let (from, to) = (Server::peer(&redis).start(), tandem());
    change_fields(&from, false);
    assert_eq!(from.run("SAVE"), "OK");
    std::fs::copy(from.path("dump.rdb"), to.dir().join("dump.rdb")).unwrap();
    assert_eq!(fields(&to.start()), fields(&from));
}

/// Keys go over by MIGRATE, to either and from either.
#[test]
fn keys_migrate() {
    let pairs: Vec<_> = [peers::redis_server(), peers::valkey_server()].into_iter().flatten().collect();
    for peer in pairs {
        for ours_first in [true, false] {
            let peer = || Server::peer(&peer).args(&["--requirepass", "secret"]).start();
            let ours = || tandem().args(&["--requirepass", "secret"]).start();
            let (from, to) = if ours_first { (ours(), peer()) } else { (peer(), ours()) };
            let (mut near, mut far) = (from.client(), to.client());
            for client in [&mut near, &mut far] {
                assert_eq!(client.run("AUTH secret"), "OK");
            }
            near.run("SET text hello PX 100000000");
            near.run("RPUSH list a b c");
            near.run("ZADD zset 1.5 a 2 b");
            near.run("XADD stream 1-1 f v");
            near.run("XGROUP CREATE stream group 0");
            near.run("XREADGROUP GROUP group alice STREAMS stream >");
            let target = format!("127.0.0.1 {}", to.port());
            let refused = near.run(&format!("MIGRATE {target} text 0 5000 AUTH wrong"));
            assert!(refused.contains("Target instance replied with error: WRONGPASS"), "{refused}");
            let done = near.run(&format!(
                "MIGRATE {target} '' 2 5000 AUTH2 default secret KEYS text list none zset stream"
            ));
            assert_eq!(done, "OK");
            assert_eq!(near.run("DBSIZE"), "0");
            assert_eq!(far.run("SELECT 2"), "OK");
            assert_eq!(far.run("GET text"), "hello");
            assert!(far.run("PTTL text").parse::<i64>().unwrap() > 90_000_000);
            assert_eq!(far.run("LLEN list"), "3");
            assert_eq!(far.run("ZSCORE zset a"), "1.5");
            assert!(far.run("XPENDING stream group").contains("alice"));
            assert_eq!(near.run(&format!("MIGRATE {target} none 2 5000")), "NOKEY");
        }
    }
}
