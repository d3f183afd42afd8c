//! One master and two replicas, as an operator sets them up and works with them.

use harness::client::Client;
use harness::launch::{Launch, tandem_server};
use harness::process::Server;
use harness::relay::Relay;
use harness::wait::{wait, wait_eq};

/// How a replica learns of its master.
#[derive(Clone, Copy, Debug)]
enum Way {
    ConfigFile,
    OptionOfTwoValues,
    OptionOfOneValue,
    Command,
}

/// An instance from a redis.conf of its own.
fn instance(extra: &str) -> Launch {
    let launch = Launch::bare(&tandem_server());
    let port = launch.port();
    let text = format!(
        "port {port}\nbind 127.0.0.1\nloglevel notice\ndbfilename dump_{port}.rdb\nappendonly no\nsave 3600 1000000\n\
         repl-diskless-sync yes\nrepl-diskless-sync-delay 0\n{extra}"
    );
    launch.config_file("redis.conf", &text)
}

/// Starts a replica of what listens on that port.
fn replica_of(port: u16, way: Way) -> Server {
    let server = match way {
        Way::ConfigFile => instance(&format!("slaveof 127.0.0.1 {port}\n")).start(),
        Way::OptionOfTwoValues => instance("").args(&["--slaveof", "127.0.0.1", &port.to_string()]).start(),
        Way::OptionOfOneValue => instance("").args(&["--slaveof", &format!("127.0.0.1 {port}")]).start(),
        Way::Command => {
            let server = instance("").start();
            assert_eq!(server.run(&format!("SLAVEOF 127.0.0.1 {port}")), "OK");
            server
        }
    };
    server.wait_for_link();
    server
}

/// Names of the fields of INFO replication, in their order.
fn field_names(server: &Server) -> Vec<String> {
    let reply = server.client().call(&["INFO", "replication"]);
    let text = String::from_utf8_lossy(reply.as_bytes().unwrap()).into_owned();
    assert!(text.starts_with("# Replication\r\n"), "{text}");
    text.lines().filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect()
}

/// What a master with two replicas prints: what a Redis 7.0 does, and a field of Valkey.
const MASTER_FIELDS: [&str; 13] = [
    "role",
    "connected_slaves",
    "slave0",
    "slave1",
    "replicas_waiting_psync",
    "master_failover_state",
    "master_replid",
    "master_replid2",
    "master_repl_offset",
    "second_repl_offset",
    "repl_backlog_active",
    "repl_backlog_size",
    "repl_backlog_first_byte_offset",
];

/// What a replica prints whose link is up: the same, with fields of Valkey, of Redis 8 and one of ours.
const REPLICA_FIELDS: [&str; 26] = [
    "role",
    "master_host",
    "master_port",
    "master_link_status",
    "master_last_io_seconds_ago",
    "master_sync_in_progress",
    "slave_read_repl_offset",
    "slave_repl_offset",
    "replicas_repl_buffer_size",
    "replicas_repl_buffer_peak",
    "replica_full_sync_buffer_size",
    "replica_full_sync_buffer_peak",
    "slave_priority",
    "slave_read_only",
    "replica_announced",
    "master_sync_guard",
    "connected_slaves",
    "replicas_waiting_psync",
    "master_failover_state",
    "master_replid",
    "master_replid2",
    "master_repl_offset",
    "second_repl_offset",
    "repl_backlog_active",
    "repl_backlog_size",
    "repl_backlog_first_byte_offset",
];

/// What both print behind that, the first of them like others.
const OWN_FIELDS: [&str; 13] = [
    "repl_backlog_histlen",
    "repl_backlog_aof_active",
    "repl_backlog_aof_first_byte_offset",
    "repl_backlog_aof_bytes",
    "repl_backlog_aof_syncs",
    "repl_backlog_aof_read_bytes",
    "repl_backlog_aof_errors",
    "repl_spill_bytes",
    "repl_spill_written_bytes",
    "repl_spill_errors",
    "repl_sync_dropped_replicas",
    "repl_sync_transfers",
    "repl_sync_guard",
];

/// The whole practice: everything an operator tries with three instances.
fn practice(way: Way) {
    let master = instance("").start();
    let relay = Relay::to(master.port());
    master.ok(&["SET before sync", "SET counter 41"]);
    let one = replica_of(master.port(), way);
    let two = replica_of(relay.port(), way);
    for replica in [&one, &two] {
        replica.assert_same_data_as(&master);
    }

    // INFO replication.
    wait_eq("2", || master.info("connected_slaves"));
    let mut names: Vec<String> = MASTER_FIELDS.map(str::to_owned).to_vec();
    names.extend(OWN_FIELDS.map(str::to_owned));
    names.extend(["replica0_lag_ms".to_owned(), "replica1_lag_ms".to_owned()]);
    assert_eq!(field_names(&master), names);
    let mut names: Vec<String> = REPLICA_FIELDS.map(str::to_owned).to_vec();
    names.extend(OWN_FIELDS.map(str::to_owned));
    names.push("master_lag_ms".to_owned());
    assert_eq!(field_names(&one), names);
    for replica in [&one, &two] {
        let line = format!("ip=127.0.0.1,port={},state=online,offset=", replica.port());
        wait("a line for the replica", || {
            ["slave0", "slave1"].iter().any(|field| master.info(field).starts_with(&line))
        });
    }
    let info = one.client().info("replication");
    assert_eq!((info["role"].as_str(), info["slave_read_only"].as_str()), ("slave", "1"));
    assert_eq!(
        (info["master_host"].as_str(), &info["master_port"]),
        ("127.0.0.1", &master.port().to_string())
    );
    assert_eq!(info["master_replid"], master.info("master_replid"));

    // A write arrives, and only the master takes one.
    assert_eq!(master.run("INCR counter"), "42");
    for replica in [&one, &two] {
        wait_eq("42", || replica.run("GET counter"));
        assert_eq!(replica.run("SET counter 0"), "-READONLY You can't write against a read only replica.");
        assert_eq!(replica.run("GET counter"), "42");
    }

    // An expired key goes by the master's deletion.
    assert_eq!(master.run("SET fleeting x PX 100"), "OK");
    wait_eq("0", || master.run("EXISTS fleeting"));
    wait_eq("1", || master.info("expired_keys"));
    for replica in [&one, &two] {
        replica.wait_for_offset_of(&master);
        assert_eq!(replica.run("DBSIZE"), "2");
        assert_eq!(replica.info("expired_keys"), "0", "it was the master who did it");
    }

    // A link that is cut, and heals.
    let (full, partial) = (master.count("sync_full"), master.count("sync_partial_ok"));
    relay.cut();
    wait_eq("down", || two.info("master_link_status"));
    assert_eq!(master.run("SET while-cut yes"), "OK");
    wait_eq("yes", || one.run("GET while-cut"));
    assert_eq!(two.run("GET while-cut"), "nil");
    assert_eq!(two.run("GET counter"), "42", "it goes on answering with what it has");
    relay.heal();
    wait_eq("yes", || two.run("GET while-cut"));
    assert_eq!(master.count("sync_full"), full, "no full resynchronisation");
    assert_eq!(master.count("sync_partial_ok"), partial + 1);

    // The master is lost: a replica takes its place, and the other one follows it with what it has.
    for replica in [&one, &two] {
        replica.wait_for_offset_of(&master);
    }
    let (old_id, offset) = master.position();
    drop(master);
    assert_eq!(one.run("SLAVEOF NO ONE"), "OK");
    let info = one.client().info("replication");
    assert_eq!((info["role"].as_str(), info["master_replid2"].as_str()), ("master", old_id.as_str()));
    assert_ne!(info["master_replid"], old_id);
    assert!(info["second_repl_offset"].parse::<u64>().unwrap() > offset, "{info:#?}");
    assert_eq!(one.run("SET after promotion"), "OK");
    two.replicate(&one);
    wait_eq("promotion", || two.run("GET after"));
    assert_eq!((one.count("sync_full"), one.count("sync_partial_ok")), (0, 1));
    two.assert_same_data_as(&one);
}

#[test]
fn set_up_by_the_configuration_file() {
    practice(Way::ConfigFile);
}

#[test]
fn set_up_by_an_option_of_two_values() {
    practice(Way::OptionOfTwoValues);
}

#[test]
fn set_up_by_an_option_of_one_quoted_value() {
    practice(Way::OptionOfOneValue);
}

#[test]
fn set_up_by_the_command() {
    practice(Way::Command);
}

/// Follows a master as a raw client, and reads until the text has come.
fn read_stream_until(master: &Server, text: &str) -> String {
    let mut client = Client::connect(master.port());
    client.send_raw(b"PSYNC ? -1\r\n").unwrap();
    let bytes =
        client.read_raw_until(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()));
    String::from_utf8_lossy(&bytes.unwrap()).into_owned()
}

#[test]
fn only_the_master_expires() {
    let master = Server::tandem().unsaved().start();
    let replica = Server::tandem().unsaved().follow(&master).start();
    replica.wait_for_link();
    master.ok(&["SET fleeting x PX 300", "SET staying y"]);
    wait_eq("2", || replica.run("DBSIZE"));
    master.freeze();
    wait_eq("nil", || replica.run("GET fleeting"));
    assert_eq!(replica.run("DBSIZE"), "2", "hidden, and kept until the master says so");
    assert_eq!(replica.run("GET staying"), "y");
    master.thaw();
    wait_eq("1", || replica.run("DBSIZE"));
}

#[test]
fn the_deletion_of_an_expired_key_is_in_the_stream() {
    let master = Server::tandem().unsaved().start();
    let reader = std::thread::scope(|scope| {
        let reader = scope.spawn(|| read_stream_until(&master, "*2\r\n$6\r\nUNLINK\r\n$8\r\nfleeting\r\n"));
        wait_eq("1", || master.info("connected_slaves"));
        master.ok(&["SET fleeting x PX 50"]);
        reader.join().unwrap()
    });
    assert!(
        reader.contains("*5\r\n$3\r\nSET\r\n$8\r\nfleeting\r\n$1\r\nx\r\n$4\r\nPXAT\r\n$13\r\n"),
        "{reader}"
    );
}

#[test]
fn a_replica_of_a_replica() {
    let master = Server::tandem().unsaved().start();
    let middle = Server::tandem().unsaved().follow(&master).start();
    middle.wait_for_link();
    let last = Server::tandem().unsaved().follow(&middle).start();
    last.wait_for_link();
    master.ok(&["SET k v"]);
    last.assert_same_data_as(&master);
    assert_eq!(last.position().0, master.position().0, "one history for all of them");
    assert_eq!(master.info("connected_slaves"), "1");
    assert_eq!(middle.info("connected_slaves"), "1");
    master.ok(&["SET fleeting x PX 100", "SET after-it y"]);
    wait_eq("y", || last.run("GET after-it"));
    wait_eq("2", || last.run("DBSIZE"));

    // The end of the chain moves to the top, and takes with it what it has.
    last.replicate(&master);
    master.ok(&["SET k w"]);
    wait_eq("w", || last.run("GET k"));
    assert_eq!((master.count("sync_full"), master.count("sync_partial_ok")), (1, 1));

    // A write to the middle is refused there as well.
    assert!(middle.run("SET k x").starts_with("-READONLY "));
}

#[test]
fn a_middle_that_is_promoted_takes_its_own_replicas_along() {
    let master = Server::tandem().unsaved().start();
    let middle = Server::tandem().unsaved().follow(&master).start();
    middle.wait_for_link();
    let last = Server::tandem().unsaved().follow(&middle).start();
    last.wait_for_link();
    master.ok(&["SET k v"]);
    last.wait_for_offset_of(&master);
    let full = middle.count("sync_full");
    drop(master);
    assert_eq!(middle.run("REPLICAOF NO ONE"), "OK");
    middle.ok(&["SET k w"]);
    wait_eq("w", || last.run("GET k"));
    assert_eq!(middle.count("sync_full"), full, "the replica goes on where it was");
    last.assert_same_data_as(&middle);
}

#[test]
fn a_restarted_replica_resumes() {
    let master = Server::tandem().unsaved().start();
    let mut replica = Server::tandem().args(&["--save", "3600 1000000"]).follow(&master).start();
    replica.wait_for_link();
    master.ok(&["SET a 1"]);
    replica.wait_for_offset_of(&master);
    assert!(replica.terminate().success());
    master.ok(&["SET b 2"]);
    replica.start_again();
    replica.assert_same_data_as(&master);
    assert_eq!((master.count("sync_full"), master.count("sync_partial_ok")), (1, 1));

    // As after a crash: what its file holds is older than what it had.
    assert_eq!(replica.run("SAVE"), "OK");
    master.ok(&["SET c 3"]);
    replica.wait_for_offset_of(&master);
    replica.kill();
    master.ok(&["SET d 4"]);
    replica.start_again();
    replica.assert_same_data_as(&master);
    assert_eq!((master.count("sync_full"), master.count("sync_partial_ok")), (1, 2));
}

#[test]
fn a_restarted_master_is_resumed_from() {
    let mut master = Server::tandem().args(&["--save", "3600 1000000"]).start();
    let replica = Server::tandem().unsaved().follow(&master).start();
    replica.wait_for_link();
    master.ok(&["SET a 1"]);
    replica.wait_for_offset_of(&master);
    let (id, _) = master.position();
    assert!(master.terminate().success());
    wait_eq("down", || replica.info("master_link_status"));
    assert_eq!(replica.run("GET a"), "1");
    master.start_again();
    master.ok(&["SET b 2"]);
    replica.assert_same_data_as(&master);
    assert_ne!(master.position().0, id, "a new history…");
    assert_eq!(master.info("master_replid2"), id, "…that goes on from the old one");
    assert_eq!((master.count("sync_full"), master.count("sync_partial_ok")), (0, 1));
}

/// Waits until an instance has looked for what is due, as it does by itself from time to time.
fn wait_for_a_tick(server: &Server) {
    let before = server.count("expired_keys");
    server.ok(&["SET due x PX 1"]);
    // Nobody asks for the key, so it is found by the search for expired ones.
    wait("an expired key is found", || server.count("expired_keys") > before);
}

#[test]
fn a_history_is_kept_for_those_who_may_come() {
    let ttl = ["--repl-backlog-ttl", "20"];
    // After a restart.
    let mut master = Server::tandem().args(&["--save", "3600 1000000"]).args(&ttl).start();
    let one = Server::tandem().unsaved().args(&ttl).follow(&master).start();
    let two = Server::tandem().unsaved().args(&ttl).follow(&master).start();
    one.wait_for_link();
    two.wait_for_link();
    one.freeze();
    two.freeze();
    // Whoever is frozen does not acknowledge: this is about what comes later.
    assert_eq!(master.run("CONFIG SET shutdown-timeout 0"), "OK");
    assert!(master.terminate().success());
    master.start_again();
    wait_for_a_tick(&master);
    one.thaw();
    two.thaw();
    for replica in [&one, &two] {
        replica.assert_same_data_as(&master);
    }
    assert_eq!((master.count("sync_full"), master.count("sync_partial_ok")), (0, 2));

    // After a promotion.
    drop(master);
    assert_eq!(one.run("REPLICAOF NO ONE"), "OK");
    wait_for_a_tick(&one);
    two.replicate(&one);
    two.assert_same_data_as(&one);
    assert_eq!((one.count("sync_full"), one.count("sync_partial_ok")), (0, 1));
}

/// Fills a master with keys of all sizes.
fn fill(server: &Server, keys: usize) {
    let mut client = server.client();
    let mut rng = fastrand::Rng::with_seed(7);
    for i in 0..keys {
        let len = if i % 1000 == 0 { 100_000 } else { rng.usize(..200) };
        let value: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(len).collect();
        client.send(&[b"SET".as_slice(), format!("key:{i}").as_bytes(), &value]);
    }
    for _ in 0..keys {
        assert_eq!(harness::client::show(&client.receive()), "OK");
    }
}

/// A full resynchronisation with writes going on, in either way of sending the snapshot and of loading it.
fn full_sync_under_writes(diskless: &str, load: &str) {
    let master = Server::tandem().unsaved().args(&["--repl-diskless-sync", diskless]).start();
    fill(&master, 5_000);
    let replicas = [(); 2]
        .map(|()| Server::tandem().unsaved().args(&["--repl-diskless-load", load]).follow(&master).start());
    let mut client = master.client();
    wait("both links are up", || {
        client.run("INCR writes-meanwhile");
        client.run("SET key:0 changed");
        replicas.iter().all(|replica| replica.info("master_link_status") == "up")
    });
    for replica in &replicas {
        replica.assert_same_data_as(&master);
    }
    assert_eq!(master.count("sync_full"), 2);
    let form = if diskless == "yes" { "streamed RDB" } else { "bytes from master" };
    assert!(replicas[0].log().contains(form), "{}", replicas[0].log());
}

#[test]
fn full_synchronisation_over_the_socket() {
    full_sync_under_writes("yes", "disabled");
}

#[test]
fn full_synchronisation_over_the_disk() {
    full_sync_under_writes("no", "disabled");
}

#[test]
fn full_synchronisation_without_any_disk() {
    full_sync_under_writes("yes", "swapdb");
}

#[test]
fn a_replica_answers_with_its_old_data_while_the_new_comes() {
    let master = Server::tandem().unsaved().args(&["--rdb-key-save-delay", "2000"]).start();
    fill(&master, 1_000);
    let replica = Server::tandem().unsaved().start();
    replica.ok(&["SET old data"]);
    replica.replicate(&master);
    wait_eq("1", || replica.info("master_sync_in_progress"));
    assert_eq!(replica.run("GET old"), "data", "no -LOADING");
    assert_eq!(replica.run("DBSIZE"), "1");
    assert_eq!(replica.info("master_link_status"), "down");
    replica.assert_same_data_as(&master);
    assert_eq!(replica.run("GET old"), "nil");
}

#[test]
fn what_no_longer_is_in_the_backlog_needs_a_full_synchronisation() {
    // Nor is more kept for a replica that is lost on its way up to the stream, as this one may still be.
    let nothing_more = ["--repl-sync-memory-limit", "0", "--repl-sync-spill-limit", "0"];
    let master =
        Server::tandem().unsaved().args(&["--repl-backlog-size", "16kb"]).args(&nothing_more).start();
    let relay = Relay::to(master.port());
    let replica = Server::tandem().unsaved().follow_port(relay.port()).start();
    replica.wait_for_link();
    relay.cut();
    wait_eq("0", || master.info("connected_slaves"));
    fill(&master, 2_000);
    relay.heal();
    replica.assert_same_data_as(&master);
    assert_eq!((master.count("sync_full"), master.count("sync_partial_err")), (2, 1));
}

#[test]
fn a_link_that_is_silent_is_given_up() {
    let master = Server::tandem().unsaved().start();
    let relay = Relay::to(master.port());
    let replica = Server::tandem().unsaved().args(&["--repl-timeout", "2"]).follow_port(relay.port()).start();
    replica.wait_for_link();
    relay.freeze();
    wait_eq("down", || replica.info("master_link_status"));
    relay.heal();
    master.ok(&["SET k v"]);
    wait_eq("v", || replica.run("GET k"));
    assert_eq!((master.count("sync_full"), master.count("sync_partial_ok")), (1, 1));
}

#[test]
fn stale_data_is_served_or_not() {
    let mut master = Server::tandem().unsaved().start();
    let replica = Server::tandem().unsaved().follow(&master).start();
    replica.wait_for_link();
    master.ok(&["SET k v"]);
    wait_eq("v", || replica.run("GET k"));
    master.kill();
    wait_eq("down", || replica.info("master_link_status"));
    assert_eq!(replica.run("GET k"), "v");
    assert_eq!(replica.run("CONFIG SET replica-serve-stale-data no"), "OK");
    assert!(replica.run("GET k").starts_with("-MASTERDOWN "), "{}", replica.run("GET k"));
    assert_eq!(replica.run("SLAVEOF NO ONE"), "OK");
    assert_eq!(replica.run("GET k"), "v");
}

#[test]
fn a_password_between_master_and_replica() {
    let master = Server::tandem().unsaved().args(&["--requirepass", "secret"]).start();
    let replica = Server::tandem().unsaved().follow(&master).start();
    wait("the refusal is logged", || replica.log().contains("NOAUTH"));
    assert_eq!(replica.info("master_link_status"), "down");
    assert_eq!(replica.run("CONFIG SET masterauth secret"), "OK");
    replica.wait_for_link();
    let mut client = master.client();
    assert_eq!(client.run("AUTH secret"), "OK");
    assert_eq!(client.run("SET k v"), "OK");
    wait_eq("v", || replica.run("GET k"));
}

#[test]
fn writes_can_wait_for_replicas_and_depend_on_them() {
    let master = Server::tandem().unsaved().args(&["--min-replicas-to-write", "1"]).start();
    assert_eq!(master.run("SET k v"), "-NOREPLICAS Not enough good replicas to write.");
    let mut replica = Server::tandem().unsaved().follow(&master).start();
    replica.wait_for_link();
    wait_eq("OK", || master.run("SET k v"));
    let mut client = master.client();
    assert_eq!(client.run("SET k w"), "OK");
    assert_eq!(client.run("WAIT 1 20000"), "1");
    assert_eq!(replica.run("GET k"), "w", "whoever has waited finds it there");
    replica.kill();
    wait_eq("0", || master.info("connected_slaves"));
    assert_eq!(client.run("WAIT 1 10"), "0");
}

#[test]
fn transactions_arrive_whole_and_databases_are_kept_apart() {
    let master = Server::tandem().unsaved().start();
    let replica = Server::tandem().unsaved().follow(&master).start();
    replica.wait_for_link();
    let mut client = master.client();
    for line in ["SELECT 3", "SET in-three 3", "MULTI"] {
        assert_eq!(client.run(line), "OK");
    }
    for line in ["SET a 1", "SELECT 5", "SET b 2"] {
        assert_eq!(client.run(line), "QUEUED");
    }
    assert_eq!(client.run("EXEC"), "[OK OK OK]");
    assert_eq!(client.run("SWAPDB 3 4"), "OK");
    replica.assert_same_data_as(&master);
    let data = harness::dataset::read(replica.port());
    let keys: Vec<_> =
        data.keys().map(|(db, key)| (*db, String::from_utf8_lossy(key).into_owned())).collect();
    assert_eq!(keys, [(4, "a".to_owned()), (4, "in-three".to_owned()), (5, "b".to_owned())]);
}

#[test]
fn role_says_the_same_as_info() {
    let master = Server::tandem().unsaved().start();
    let replica = Server::tandem().unsaved().follow(&master).start();
    replica.wait_for_link();
    master.ok(&["SET k v"]);
    let (port, offset) = (replica.port(), master.position().1);
    wait_eq(&format!("[master {offset} [[127.0.0.1 {port} {offset}]]]"), || {
        // Pings move the offset on: ask again with the one of now.
        let role = master.run("ROLE");
        role.replace(&master.position().1.to_string(), &offset.to_string())
    });
    let role = replica.run("ROLE");
    assert!(role.starts_with(&format!("[slave 127.0.0.1 {} connected ", master.port())), "{role}");
}
