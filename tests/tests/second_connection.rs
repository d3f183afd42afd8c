//! Full synchronisations over two connections, as Redis 8 and as Valkey do them: with real ones on either side, and every way in which
//! one of the connections can end before its time.

use harness::launch::Launch;
use harness::peers;
use harness::process::Server;
use harness::wait::{wait, wait_eq};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Redis,
    Valkey,
}

impl Form {
    const BOTH: [Form; 2] = [Form::Redis, Form::Valkey];

    fn setting(self) -> [&'static str; 2] {
        match self {
            Form::Redis => ["--repl-rdb-channel", "yes"],
            Form::Valkey => ["--dual-channel-replication-enabled", "yes"],
        }
    }

    /// A real server that speaks of it in this way.
    fn peer(self) -> Option<Launch> {
        let program = match self {
            Form::Redis => peers::redis8_server(),
            Form::Valkey => peers::valkey_server(),
        };
        Some(Server::peer(&program?).unsaved().args(&self.setting()).args(&["--enable-debug-command", "yes"]))
    }

    fn tandem(self) -> Launch {
        Server::tandem().unsaved().args(&self.setting()).args(&["--enable-debug-command", "yes"])
    }

    /// How a master shows that the stream flows beside the payload.
    fn state(self) -> &'static str {
        match self {
            Form::Redis => "send_bulk_and_stream",
            Form::Valkey => "bg_transfer",
        }
    }

    /// How the last command of the payload's connection is called.
    fn payload_command(self) -> &'static str {
        match self {
            Form::Redis => "psync",
            Form::Valkey => "sync",
        }
    }
}

/// Fills a master, so that its snapshot takes some seconds from now on.
fn fill(master: &Server) {
    master.ok(&[
        "DEBUG POPULATE 3000 key 100",
        "SET marker of-the-snapshot",
        "CONFIG SET rdb-key-save-delay 1000",
    ]);
}

fn replication(server: &Server) -> String {
    server.run("INFO replication")
}

/// Waits until the stream flows to a replica while the payload is on its way.
fn wait_beside(master: &Server, form: Form) {
    wait("the stream flows beside the payload", || replication(master).contains(form.state()));
}

/// The ids of the clients of a master that are replicas: the payload's connection, and the main one.
fn connections(master: &Server, form: Form) -> (String, String) {
    let word = |line: &str, name: &str| {
        line.split(' ').find_map(|word| word.strip_prefix(name)).unwrap_or_default().to_owned()
    };
    let list = master.run("CLIENT LIST TYPE replica");
    let lines: Vec<&str> = list.lines().filter(|line| line.contains("id=")).collect();
    assert_eq!(lines.len(), 2, "{list}");
    // Redis: the main one came first. Valkey: so it did, too.
    let ids: Vec<u64> = lines.iter().map(|line| word(line, "id=").parse().expect("a number")).collect();
    let last = |line: &&&str| word(line, "cmd=") == form.payload_command();
    if form == Form::Valkey {
        assert_eq!(lines.iter().filter(last).count(), 1, "{list}");
    }
    (ids.iter().max().expect("two").to_string(), ids.iter().min().expect("two").to_string())
}

/// Writes while the snapshot is on its way, and looks whether everything arrives.
fn synchronises(master: &Server, replica: &Server, form: Form) {
    fill(master);
    replica.replicate(master);
    wait_beside(master, form);
    for number in 0..200 {
        assert_eq!(master.run(&format!("SET beside:{number} {number}")), "OK");
    }
    assert!(replication(master).contains(form.state()), "the snapshot was to take longer");
    assert_eq!(master.run("CONFIG SET rdb-key-save-delay 0"), "OK");
    replica.assert_same_data_as(master);
    wait("the replica is online", || {
        let info = replication(master);
        info.contains("connected_slaves:1\r") && info.contains("state=online")
    });
    assert_eq!(master.run("INCR after"), "1");
    replica.assert_same_data_as(master);
    assert_eq!(replica.run("GET beside:199"), "199");
    assert_eq!(master.count("sync_full"), 1);
}

#[test]
fn real_replicas_take_both_from_us() {
    for form in Form::BOTH {
        let Some(replica) = form.peer() else { continue };
        let (master, replica) = (form.tandem().start(), replica.start());
        synchronises(&master, &replica, form);
        assert!(!replica.log().contains("CRITICAL"));
    }
}

#[test]
fn we_take_both_from_real_masters() {
    for form in Form::BOTH {
        let Some(master) = form.peer() else { continue };
        let (master, replica) = (master.start(), form.tandem().start());
        synchronises(&master, &replica, form);
        assert!(replica.count("replica_full_sync_buffer_peak") > 5000, "the stream was kept here");
        assert_eq!(replica.count("replica_full_sync_buffer_size"), 0);
    }
}

#[test]
fn we_take_both_from_each_other() {
    for form in Form::BOTH {
        let (master, replica) = (form.tandem().start(), form.tandem().start());
        synchronises(&master, &replica, form);
        assert!(replica.count("replica_full_sync_buffer_peak") > 5000, "the stream was kept here");
        let why = master.run("REPLICATION WHY 9");
        assert!(why.contains("no history to continue") && why.contains("done"), "{why}");
    }
}

#[test]
fn one_connection_is_enough_unless_both_sides_want_two() {
    let peers = [(Form::Redis, peers::redis8_server()), (Form::Valkey, peers::valkey_server())];
    for (form, peer) in peers {
        let mut pairs = vec![
            (Server::tandem().unsaved().start(), form.tandem().start()),
            (form.tandem().start(), Server::tandem().unsaved().start()),
            // What goes to a file first goes over one connection.
            (form.tandem().args(&["--repl-diskless-sync", "no"]).start(), form.tandem().start()),
        ];
        if peer.is_some()
            && let (Some(master), Some(replica)) = (form.peer(), form.peer())
        {
            pairs.push((master.start(), Server::tandem().unsaved().start()));
            pairs.push((Server::tandem().unsaved().start(), replica.start()));
        }
        for (master, replica) in pairs {
            assert_eq!(master.run("SET a 1"), "OK");
            replica.replicate(&master);
            replica.assert_same_data_as(&master);
            assert_eq!(replica.run("GET a"), "1");
        }
    }
}

/// A replica with data of its own from an earlier master, in the midst of a synchronisation with a new one.
fn midway(form: Form) -> (Server, Server, (String, u64)) {
    let (old, replica) = (Server::tandem().unsaved().start(), form.tandem().start());
    assert_eq!(old.run("SET marker old"), "OK");
    replica.replicate(&old);
    replica.assert_same_data_as(&old);
    let before = replica.position();
    let master = form.tandem().start();
    fill(&master);
    replica.replicate(&master);
    wait_beside(&master, form);
    (master, replica, before)
}

/// Data and identity are what they were before the attempt.
fn assert_untouched(replica: &Server, before: &(String, u64)) {
    assert_eq!(replica.run("GET marker"), "old");
    let (id, offset) = replica.position();
    assert!(id == before.0 && offset >= before.1, "{id}:{offset} {before:?}");
}

/// The replica comes again, and this time it gets everything.
fn assert_recovers(master: &Server, replica: &Server) {
    assert_eq!(master.run("CONFIG SET rdb-key-save-delay 0"), "OK");
    replica.assert_same_data_as(master);
    assert_eq!(replica.run("GET marker"), "of-the-snapshot");
    wait("one replica is left", || replication(master).contains("connected_slaves:1\r"));
    assert_eq!(master.count("replicas_waiting_psync"), 0);
}

#[test]
fn the_main_connection_is_lost() {
    for form in Form::BOTH {
        let (master, replica, before) = midway(form);
        let (payload, main) = connections(&master, form);
        assert_eq!(master.run(&format!("CLIENT KILL ID {main}")), "1");
        wait("the payload's connection goes with it", || {
            !master.run("CLIENT LIST TYPE replica").contains(&format!("id={payload} "))
        });
        assert_untouched(&replica, &before);
        assert_recovers(&master, &replica);
    }
}

#[test]
fn the_payloads_connection_is_lost() {
    for form in Form::BOTH {
        let (master, replica, before) = midway(form);
        let (payload, main) = connections(&master, form);
        assert_eq!(master.run(&format!("CLIENT KILL ID {payload}")), "1");
        wait("the main connection goes with it", || {
            !master.run("CLIENT LIST TYPE replica").contains(&format!("id={main} "))
        });
        assert_untouched(&replica, &before);
        assert_recovers(&master, &replica);
    }
}

#[test]
fn the_master_is_started_anew() {
    for form in Form::BOTH {
        let (mut master, replica, before) = midway(form);
        master.kill();
        wait("the replica has noticed", || replica.info("master_sync_in_progress") == "0");
        assert_untouched(&replica, &before);
        assert_eq!(replica.count("replica_full_sync_buffer_size"), 0);
        master.start_again();
        assert_eq!(master.run("SET marker of-the-snapshot"), "OK");
        assert_recovers(&master, &replica);
    }
}

#[test]
fn the_replica_goes_away() {
    for form in Form::BOTH {
        let (master, replica, before) = midway(form);
        assert_eq!(replica.run("REPLICAOF NO ONE"), "OK");
        assert_eq!(replica.run("GET marker"), "old");
        assert!(replica.position().1 >= before.1);
        wait("the master gives the snapshot up", || {
            replication(&master).contains("connected_slaves:0\r")
                && master.count("rdb_bgsave_in_progress") == 0
        });
        assert_eq!(master.count("replicas_waiting_psync"), 0);
    }
}

#[test]
fn what_the_replica_may_not_keep_the_master_keeps() {
    for form in Form::BOTH {
        let master = form.tandem().args(&["--repl-backlog-size", "100kb"]).start();
        let replica = form.tandem().args(&["--replica-full-sync-buffer-limit", "100kb"]).start();
        fill(&master);
        replica.replicate(&master);
        wait_beside(&master, form);
        let value = "x".repeat(10_000);
        let mut client = master.client();
        // More than sockets, buffer and backlog hold together.
        for number in 0..2000 {
            assert_eq!(client.run(&format!("SET big:{number} {value}")), "OK");
        }
        wait("the buffer is full", || replica.count("replica_full_sync_buffer_size") >= 100 * 1024);
        assert!(replica.count("replica_full_sync_buffer_size") < 1024 * 1024);
        assert!(replication(&master).contains(form.state()), "the snapshot was to take longer");
        assert_eq!(master.run("CONFIG SET rdb-key-save-delay 0"), "OK");
        replica.assert_same_data_as(&master);
        assert_eq!(master.count("sync_full"), 1, "at the first attempt");
        wait_eq("0", || replica.info("replica_full_sync_buffer_size"));
    }
}

#[test]
fn numbers_of_nobody_are_refused() {
    let master = Form::Valkey.tandem().args(&Form::Redis.setting()).start();
    let mut client = master.client();
    assert_eq!(client.run("REPLCONF set-rdb-client-id 77"), "-ERR Unrecognized RDB client id 77");
    assert!(
        client.run("PSYNC ? -1").starts_with("-ERR the log does not cover"),
        "nor is its stream to be had"
    );
    let mut client = master.client();
    let options = "capa eof rdb-only 1 rdb-channel 1 main-ch-client-id 77 listening-port 7000";
    assert_eq!(client.run(&format!("REPLCONF {options}")), "OK");
    assert_eq!(client.run("PSYNC ? -1"), "-ERR no replica waits for a connection under the number 77");
    assert_eq!(client.run("PING"), "PONG");
}
