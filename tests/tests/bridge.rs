//! From any make of server to any other by way of a Tandem in the middle: by snapshot and by stream, and what is done about data that
//! one of them cannot hold.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use harness::changes::{change_everything, change_fields, change_strings, fields, fill_collections};
use harness::dataset;
use harness::launch::Launch;
use harness::peers;
use harness::process::Server;
use harness::wait::{wait, wait_eq};

fn tandem() -> Launch {
    Server::tandem().unsaved()
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Make {
    Redis7,
    Redis8,
    Valkey9,
}

impl Make {
    const ALL: [Make; 3] = [Make::Redis7, Make::Redis8, Make::Valkey9];

    fn program(self) -> Option<PathBuf> {
        match self {
            Make::Redis7 => peers::redis_server(),
            Make::Redis8 => peers::redis8_server(),
            Make::Valkey9 => peers::valkey_server(),
        }
    }

    fn launch(self) -> Option<Launch> {
        Some(Server::peer(&self.program()?).args(&["--save", ""]))
    }

    fn knows_field_expiry(self) -> bool {
        self != Make::Redis7
    }
}

/// Nobody has met a command that it does not know.
fn assert_understood(server: &Server) {
    let log = server.log();
    assert!(!log.contains("CRITICAL"), "{log}");
}

/// Runs a line that must not be answered with an error.
fn done(server: &Server, line: &str) {
    let reply = server.run(line);
    assert!(!reply.starts_with('-'), "{line}: {reply}");
}

/// `top` → Tandem → `last`: the snapshot, the stream, then the Tandem is promoted.
fn bridge(top_make: Make, last_make: Make) {
    let (Some(top), Some(last)) = (top_make.launch(), last_make.launch()) else { return };
    let both_know = top_make.knows_field_expiry() && last_make.knows_field_expiry();
    let top = top.start();
    let change = |server: &Server, valkey: bool, with_fields: bool| {
        change_strings(server);
        fill_collections(server);
        if with_fields {
            change_fields(server, valkey);
        }
    };
    let same = |one: &Server, two: &Server, with_fields: bool| {
        two.assert_same_data_as(one);
        if with_fields {
            assert_eq!(fields(two), fields(one));
        }
    };
    change(&top, top_make == Make::Valkey9, both_know);
    let middle = tandem().follow(&top).start();
    middle.wait_for_link();
    let last = last.follow(&middle).start();
    same(&top, &middle, both_know);
    same(&top, &last, both_know);

    let full = middle.count("sync_full");
    change(&top, top_make == Make::Valkey9, both_know);
    if top_make == Make::Redis7 {
        // It does not tell its replicas how many entries a group has read.
        let mut client = top.client();
        assert_eq!(client.run("SELECT 4"), "OK");
        assert_eq!(client.run("DEL stream"), "1");
    }
    same(&top, &middle, both_know);
    same(&top, &last, both_know);
    assert_eq!(middle.count("sync_full"), full, "all of it was in the stream");

    drop(top);
    assert_eq!(middle.run("REPLICAOF NO ONE"), "OK");
    let knows = last_make.knows_field_expiry();
    change(&middle, true, knows);
    same(&middle, &last, knows);
    assert_eq!(middle.count("sync_full"), full, "the promotion is no reason for a snapshot");
    assert_understood(&middle);
    assert_understood(&last);
}

#[test]
fn from_redis_7_to_each() {
    Make::ALL.iter().for_each(|&last| bridge(Make::Redis7, last));
}

#[test]
fn from_redis_8_to_each() {
    Make::ALL.iter().for_each(|&last| bridge(Make::Redis8, last));
}

#[test]
fn from_valkey_9_to_each() {
    Make::ALL.iter().for_each(|&last| bridge(Make::Valkey9, last));
}

/// One that knows a command above, one that does not below: what came of the command arrives all the same.
#[test]
fn what_an_old_replica_does_not_know_comes_as_a_snapshot() {
    for (make, command) in
        [(Make::Redis8, "HINCRBYFLOAT hash a 1.5"), (Make::Valkey9, "HGETDEL hash FIELDS 1 a")]
    {
        let (Some(top), Some(last)) = (make.launch(), Make::Redis7.launch()) else { continue };
        let top = top.start();
        assert_eq!(top.run("HSET hash a 1 b 2"), "2");
        let middle = tandem().follow(&top).start();
        middle.wait_for_link();
        let last = last.follow(&middle).start();
        last.assert_same_data_as(&top);
        let full = middle.count("sync_full");
        assert!(!top.run(command).starts_with('-'));
        let value = top.run("HGET hash a");
        wait_eq(&value, || last.run("HGET hash a"));
        last.assert_same_data_as(&top);
        assert_eq!(middle.count("sync_full"), full + 1);
        assert_understood(&middle);
        assert_understood(&last);
    }
}

/// One of each make at the same master, whose data no single form holds for all of them.
#[test]
fn each_make_gets_a_snapshot_in_its_own_form() {
    let master = tandem().start();
    change_everything(&master);
    change_fields(&master, true);
    let mut replicas = vec![tandem().follow(&master).start()];
    for make in [Make::Redis8, Make::Valkey9] {
        let Some(launch) = make.launch() else { continue };
        let form = if make == Make::Redis8 { "REDIS0012" } else { "VALKEY080" };
        let replica = launch.follow(&master).start();
        replica.wait_for_link();
        assert!(master.log().contains(&format!("form: {form}")), "{}", master.log());
        replicas.push(replica);
    }
    for replica in &replicas {
        replica.assert_same_data_as(&master);
        assert_eq!(fields(replica), fields(&master));
    }
    change_fields(&master, true);
    master.ok(&["SET done yes"]);
    for replica in &replicas {
        replica.wait_for_offset_of(&master);
        assert_eq!(fields(replica), fields(&master));
        assert_understood(replica);
    }
}

#[test]
fn a_replica_that_cannot_hold_the_data_is_refused_with_a_reason() {
    let Some(redis) = Make::Redis7.launch() else { return };
    let master = tandem().start();
    done(&master, "HSET hash a 1 b 2");
    let replica = redis.follow(&master).start();
    replica.assert_same_data_as(&master);

    // It was in sync, then something comes that it cannot hold.
    assert!(master.run("HEXPIRE hash 1000 FIELDS 1 a").contains('1'));
    wait("the replica is told why", || replica.log().contains("fields that expire"));
    assert!(master.log().contains("is refused"), "{}", master.log());
    assert_eq!(replica.info("master_link_status"), "down");
    assert_eq!(replica.run("HGET hash a"), "1", "it keeps what it had");

    // Once nothing expires any more, it can hold everything again.
    assert!(master.run("HPERSIST hash FIELDS 1 a").contains('1'));
    master.ok(&["SET after yes"]);
    wait_eq("yes", || replica.run("GET after"));
    replica.assert_same_data_as(&master);
    assert_understood(&replica);
}

#[test]
fn a_replica_may_be_served_without_what_it_cannot_hold() {
    let Some(redis) = Make::Redis7.launch() else { return };
    let master = tandem().args(&["--repl-drop-field-expiry", "yes", "--repl-diskless-sync", "no"]).start();
    done(&master, "HSET hash a 1 b 2 c 3");
    done(&master, "HEXPIRE hash 1000 FIELDS 1 a");
    let replica = redis.follow(&master).start();
    replica.assert_same_data_as(&master);
    let full = master.count("sync_full");
    // Not by the command, which it does not know, but by what came of it.
    done(&master, "HSETEX hash EX 1000 FIELDS 1 c 33");
    wait_eq("33", || replica.run("HGET hash c"));
    assert_eq!(master.count("sync_full"), full + 1);
    replica.assert_same_data_as(&master);
    // The end of a field is an ordinary deletion.
    done(&master, "HPEXPIRE hash 1 FIELDS 1 b");
    wait_eq("2", || master.run("HLEN hash"));
    wait_eq("2", || replica.run("HLEN hash"));
    replica.assert_same_data_as(&master);
    assert_understood(&replica);
    assert!(!master.path("dump.rdb").exists(), "what lacks something never becomes the dump");
}

/// Valkey lets a field expire at any moment. Redis 8 knows none after the year 4199, and ends when a snapshot names one.
#[test]
fn fields_that_are_to_live_for_ever_do_not_end_redis_8() {
    let (Some(valkey), Some(redis)) = (Make::Valkey9.launch(), Make::Redis8.launch()) else { return };
    let top = valkey.start();
    done(&top, "HSET hash a 1 b 2");
    done(&top, "HPEXPIREAT hash 9223372036854775807 FIELDS 1 a");
    let middle = tandem().follow(&top).start();
    middle.wait_for_link();
    let last = redis.follow(&middle).start();
    last.wait_for_link();
    wait_eq("[70368744177663 -1]", || last.run("HPEXPIRETIME hash FIELDS 2 a b"));
    middle.ok(&["REPLICAOF NO ONE"]);
    done(&middle, "HPEXPIREAT hash 9223372036854775807 FIELDS 1 b");
    wait_eq("[70368744177663 70368744177663]", || last.run("HPEXPIRETIME hash FIELDS 2 a b"));
    last.assert_same_data_as(&middle);
    assert_understood(&last);
}

/// Introduces itself as a replica, asks for a snapshot, and reads until `seen` says that it is enough.
fn fetch(port: u16, introduction: &[&str], seen: &dyn Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    let mut input = Vec::new();
    let mut piece = [0; 4096];
    for (at, line) in introduction.iter().chain(&["PSYNC ? -1"]).enumerate() {
        let words: Vec<Vec<u8>> = resp::split_inline(line.as_bytes()).unwrap();
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let mut request = Vec::new();
        resp::encode_request(&mut request, &words);
        socket.write_all(&request).unwrap();
        while at < introduction.len() && input.iter().filter(|&&byte| byte == b'\n').count() <= at {
            let n = socket.read(&mut piece).unwrap();
            assert!(n > 0, "{line}: {}", input.escape_ascii());
            input.extend_from_slice(&piece[..n]);
        }
    }
    while !seen(&input) {
        let n = socket.read(&mut piece).unwrap();
        assert!(n > 0, "{}", input.escape_ascii());
        input.extend_from_slice(&piece[..n]);
    }
    input
}

fn contains(bytes: &[u8], part: &str) -> bool {
    bytes.windows(part.len()).any(|window| window == part.as_bytes())
}

#[test]
fn who_hangs_up_on_a_snapshot_is_given_an_older_form() {
    let master = tandem().start();
    master.ok(&["SET key value"]);
    let introduction =
        ["REPLCONF listening-port 4321", "REPLCONF capa eof capa psync2", "REPLCONF version 9.1.0"];
    for form in ["VALKEY080", "REDIS0011", "REDIS0010", "REDIS0010"] {
        fetch(master.port(), &introduction, &|input| contains(input, form));
        wait_eq("0", || master.info("connected_slaves"));
    }
    // Another one is none the worse for that.
    let other = ["REPLCONF listening-port 4322", introduction[1], introduction[2]];
    fetch(master.port(), &other, &|input| contains(input, "VALKEY080"));
    // And where an older form would lose something, it is not tried.
    wait_eq("0", || master.info("connected_slaves"));
    done(&master, "HSET hash a 1");
    done(&master, "HEXPIRE hash 1000 FIELDS 1 a");
    fetch(master.port(), &introduction, &|input| contains(input, "VALKEY080"));
}

#[test]
fn a_filtered_snapshot_holds_what_was_asked_for() {
    let master = tandem().args(&["--repl-diskless-sync", "no"]).start();
    master.ok(&["SET key secret-value"]);
    let code = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";
    assert_eq!(harness::client::show(&master.client().call(&["FUNCTION", "LOAD", code])), "lib");
    for (filter, functions) in [("functions", true), ("''", false)] {
        let filter = format!("REPLCONF rdb-only 1 rdb-filter-only {filter}");
        // With `rdb-only` the master closes behind the payload, whose mark stands in its header.
        let input = fetch(master.port(), &["REPLCONF capa eof", &filter], &|input| {
            let Some(at) = input.windows(5).position(|window| window == b"$EOF:") else { return false };
            input.len() > at + 100 && input.ends_with(&input[at + 5..at + 45])
        });
        assert!(!contains(&input, "secret-value"), "{}", input.escape_ascii());
        assert_eq!(contains(&input, "register_function"), functions);
    }
    let refused = fetch(master.port(), &["REPLCONF rdb-filter-only functions"], &|input| {
        contains(input, "capability eof")
    });
    assert!(contains(&refused, "-ERR "), "{}", refused.escape_ascii());
    assert!(!master.path("dump.rdb").exists());
}

#[test]
fn command_line_clients_fetch_dumps_and_functions() {
    for cli in peers::command_line_clients() {
        let master = tandem().start();
        change_everything(&master);
        fill_collections(&master);
        change_fields(&master, true);
        let code = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";
        master.client().call(&["FUNCTION", "LOAD", code]);
        let fetched = |option: &str| {
            let copy = tandem();
            let output = Command::new(&cli)
                .args(["-p", &master.port().to_string(), option])
                .arg(copy.dir().join("dump.rdb"))
                .output()
                .unwrap();
            assert!(output.status.success(), "{cli:?} {option}: {output:?}");
            copy.start()
        };
        let copy = fetched("--rdb");
        dataset::assert_equal(master.port(), copy.port());
        assert_eq!(fields(&copy), fields(&master));
        assert!(copy.run("FUNCTION LIST").contains("lib"));
        let copy = fetched("--functions-rdb");
        assert_eq!(copy.run("DBSIZE"), "0");
        assert!(copy.run("FUNCTION LIST").contains("lib"));
        assert!(!master.path("dump.rdb").exists());
    }
}

#[test]
fn command_line_clients_show_the_stream() {
    use std::io::{BufRead, BufReader};
    for cli in peers::command_line_clients() {
        let master = tandem().start();
        done(&master, "HSET hash a 1");
        done(&master, "HEXPIRE hash 1000 FIELDS 1 a");
        let mut child = Command::new(&cli)
            .args(["-p", &master.port().to_string(), "--replica"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait("it is served as a replica", || master.info("slave0").contains("state=online"));
        assert!(master.run("HEXPIRE hash 2000 FIELDS 1 a").contains('1'));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        // The loop ends when the line has come; if it never does, the end of the master closes the pipe.
        let seen = lines.map(|line| line.to_uppercase()).find(|line| line.contains("HPEXPIREAT"));
        let _ = child.kill();
        let _ = child.wait();
        assert!(seen.is_some_and(|line| line.contains("HASH")));
    }
}

#[test]
fn a_command_that_a_replica_does_not_know_is_reported_or_stops_it() {
    let master = tandem().start();
    let strange = |behavior: &str| {
        tandem()
            .args(&["--rename-command", "SETRANGE", "", "--propagation-error-behavior", behavior])
            .follow(&master)
            .start()
    };
    let (lenient, mut strict) = (strange("ignore"), strange("panic-on-replicas"));
    lenient.wait_for_link();
    strict.wait_for_link();
    assert_eq!(master.run("SETRANGE key 0 text"), "4");
    assert_eq!(strict.wait_for_end().code(), Some(1));
    assert!(strict.log().contains("propagation-error-behavior"), "{}", strict.log());
    wait_eq("1", || lenient.info("unexpected_error_replies"));
    assert!(lenient.log().contains("cannot apply a command of its master: 'SETRANGE'"), "{}", lenient.log());
    master.ok(&["SET after yes"]);
    wait_eq("yes", || lenient.run("GET after"));
}
