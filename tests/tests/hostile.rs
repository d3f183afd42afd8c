//! Bad input, bad files, a bad disk: a clear error, and nothing else.

use std::io::ErrorKind;

use harness::client::{Client, show};
use harness::launch::Launch;
use harness::process::Server;
use harness::wait::{wait, wait_eq};

/// The server is alive, and has never panicked.
fn assert_unharmed(server: &Server) {
    assert_eq!(server.run("PING"), "PONG");
    let log = server.log();
    assert!(!log.contains("panicked") && !log.contains("BUG"), "{log}");
}

/// Sends bytes on a fresh connection and answers what comes back before the server closes it.
fn answer_to(server: &Server, bytes: &[u8]) -> String {
    let mut client = server.client();
    // The server may close before it has everything.
    let _ = client.send_raw(bytes);
    String::from_utf8_lossy(&client.read_to_close()).into_owned()
}

#[test]
fn what_is_no_protocol_is_answered_and_the_connection_closed() {
    let server = Server::tandem().unsaved().start();
    for (bytes, answer) in [
        (&b"*1\r\n$9223372036854775808\r\n"[..], "invalid bulk length"),
        (b"*1\r\n$9223372036854775807\r\n", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$1x\r\n", "invalid bulk length"),
        (b"*9223372036854775808\r\n", "invalid multibulk length"),
        (b"*1048577\r\n", "invalid multibulk length"),
        (b"*x\r\n", "invalid multibulk length"),
        (b"*1\r\nPING\r\n", "expected '$', got 'P'"),
        (b"SET k \"unbalanced\r\n", "unbalanced quotes in request"),
    ] {
        let expected = format!("-ERR Protocol error: {answer}\r\n");
        assert_eq!(answer_to(&server, bytes), expected, "{}", bytes.escape_ascii());
    }
    assert_unharmed(&server);
}

#[test]
fn lines_without_end() {
    let server = Server::tandem().unsaved().start();
    let megabyte = vec![b'a'; 1 << 20];
    assert_eq!(answer_to(&server, &megabyte), "-ERR Protocol error: too big inline request\r\n");
    let digits = [&b"*"[..], &vec![b'1'; 1 << 20]].concat();
    assert_eq!(answer_to(&server, &digits), "-ERR Protocol error: too big mbulk count string\r\n");
    let digits = [&b"*1\r\n$"[..], &vec![b'1'; 1 << 20]].concat();
    assert_eq!(answer_to(&server, &digits), "-ERR Protocol error: too big bulk count string\r\n");
    assert_unharmed(&server);
}

#[test]
fn deep_nesting() {
    let server = Server::tandem().unsaved().start();
    let nested = b"*1\r\n".repeat(100_000);
    assert_eq!(answer_to(&server, &nested), "-ERR Protocol error: expected '$', got '*'\r\n");
    // Inside a command it is a string like any other.
    let value = b"*1\r\n".repeat(100_000);
    let mut client = server.client();
    assert_eq!(show(&client.call(&[b"SET".as_slice(), b"k", &value])), "OK");
    assert_unharmed(&server);
}

#[test]
fn random_bytes() {
    let server = Server::tandem().unsaved().args(&["--proto-max-bulk-len", "1mb"]).start();
    for seed in 0..200 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let len = rng.usize(1..4000);
        let mut bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(len).collect();
        // Half of them begin as requests do.
        if seed % 2 == 0 {
            let starts =
                [&b"*3\r\n$3\r\nSET\r\n"[..], b"*2\r\n$", b"*", b"PING\r\n", b"*1\r\n$4\r\nINFO\r\n"];
            bytes.splice(0..0, starts[rng.usize(..starts.len())].iter().copied());
        }
        let mut client = server.client();
        let _ = client.send_raw(&bytes);
        client.finish_sending();
        client.read_to_close();
    }
    assert_unharmed(&server);
}

#[test]
fn half_commands() {
    let server = Server::tandem().unsaved().start();
    let request = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n";
    for len in 0..request.len() {
        let mut client = server.client();
        client.send_raw(&request[..len]).unwrap();
        client.finish_sending();
        assert_eq!(client.read_to_close(), b"", "{len} bytes");
    }
    assert_eq!(server.run("EXISTS k"), "0", "what is not complete does nothing");
    assert_unharmed(&server);
}

#[test]
fn lengths_that_are_announced_cost_nothing() {
    let server = Server::tandem().unsaved().start();
    let before = server.count("used_memory");
    let mut clients: Vec<Client> = Vec::new();
    for _ in 0..20 {
        let mut client = server.client();
        client.send_raw(b"*1000000\r\n$536870912\r\nstart").unwrap();
        clients.push(client);
    }
    assert_eq!(server.run("PING"), "PONG");
    let grown = server.count("used_memory").saturating_sub(before);
    assert!(grown < 20 << 20, "20 announcements of half a gigabyte take {grown} bytes");
    assert_unharmed(&server);
}

#[test]
fn commands_that_are_none() {
    let server = Server::tandem().unsaved().start();
    let mut client = server.client();
    assert_eq!(client.run("NOSUCH a b"), "-ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' ");
    assert_eq!(client.run("GET"), "-ERR wrong number of arguments for 'get' command");
    assert_eq!(client.run("CLIENT NOSUCH"), "-ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.");
    let long = "x".repeat(100_000);
    let reply = show(&client.call(&[&long, &long]));
    assert!(reply.starts_with("-ERR unknown command 'xxx") && reply.len() < 1000, "{} bytes", reply.len());
    let reply = show(&client.call(&["NO\r\n+OK"]));
    assert!(reply.starts_with("-ERR unknown command 'NO  +OK'"), "{reply}");
    assert_eq!(client.run("PING"), "PONG");
    // The other sides of replication, out of place.
    for line in [
        "REPLCONF",
        "REPLCONF ACK",
        "REPLCONF listening-port x",
        "PSYNC x y",
        "PSYNC ? x",
        "REPLCONF GETACK *",
    ] {
        let mut client = server.client();
        client.send_raw(format!("{line}\r\nPING\r\n").as_bytes()).unwrap();
        client.finish_sending();
        client.read_to_close();
    }
    assert_unharmed(&server);
}

/// A replica of a master that talks nonsense.
#[test]
fn a_master_that_is_none() {
    use std::io::{Read, Write};
    let replica = Server::tandem().unsaved().start();
    replica.ok(&["SET kept data"]);
    for nonsense in [
        &b"\xff\xfe\xfd\r\n"[..],
        b"-ERR go away\r\n",
        b"+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC nonsense\r\n",
        b"+PONG\r\n+OK\r\n+OK\r\n+CONTINUE x\r\n",
        b"+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC 0123456789012345678901234567890123456789 1\r\n$99999999999999999999\r\n",
        b"+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC 0123456789012345678901234567890123456789 1\r\n$100\r\nREDIS0010 and then nothing that is a dump at all, for at least a hundred bytes so that it is a whole one",
        b"+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC 0123456789012345678901234567890123456789 1\r\n$EOF:0123456789012345678901234567890123456789\r\nREDIS0010",
    ] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(replica.run(&format!("REPLICAOF 127.0.0.1 {}", listener.local_addr().unwrap().port())), "OK");
        let (mut link, _) = listener.accept().unwrap();
        link.set_read_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
        // The answers come after the questions, as far as there are any.
        let mut buf = [0; 4096];
        for line in nonsense.split_inclusive(|&byte| byte == b'\n') {
            let _ = link.read(&mut buf);
            let _ = link.write_all(line);
        }
        drop(link);
        // It tries again: so it has given the first attempt up.
        drop(listener.accept().unwrap());
        assert_eq!(replica.run("GET kept"), "data", "{}", nonsense.escape_ascii());
    }
    assert_eq!(replica.run("REPLICAOF NO ONE"), "OK");
    assert_eq!(replica.run("SET kept still"), "OK");
    assert_unharmed(&replica);
}

/// A dump of a few hundred keys of all kinds.
fn dump() -> Vec<u8> {
    let server = Server::tandem().unsaved().start();
    let mut client = server.client();
    for i in 0..300 {
        assert_eq!(client.run(&format!("SET key:{i} {}", i * 1000)), "OK");
        assert_eq!(client.run(&format!("SET text:{i} {} PX 100000000", "abc".repeat(i + 1))), "OK");
    }
    assert_eq!(client.run("SAVE"), "OK");
    std::fs::read(server.path("dump.rdb")).unwrap()
}

/// Starts on that file; the server must end with an error and say which file and where.
fn assert_refused(bytes: &[u8], what: &str) {
    let launch = Server::tandem();
    let path = launch.dir().join("dump.rdb");
    std::fs::write(&path, bytes).unwrap();
    let failure = launch.fail();
    assert_eq!(failure.status.code(), Some(1), "{what}: {}", failure.log);
    assert!(failure.log.contains("dump.rdb: "), "{what}: {}", failure.log);
    assert!(!failure.log.contains("panicked"), "{what}: {}", failure.log);
    assert!(!failure.log.contains("Ready to accept connections"), "{what}: {}", failure.log);
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "{what}: the file is left as it was");
}

#[test]
fn a_truncated_dump_stops_the_start() {
    let dump = dump();
    for len in [0, 3, 9, 20, dump.len() / 2, dump.len() - 9, dump.len() - 8, dump.len() - 1] {
        assert_refused(&dump[..len], &format!("the first {len} of {} bytes", dump.len()));
    }
}

#[test]
fn a_flipped_bit_in_a_dump_stops_the_start() {
    let dump = dump();
    let mut rng = fastrand::Rng::with_seed(3);
    let random = std::iter::repeat_with(|| rng.usize(..dump.len() * 8)).take(20);
    // The first of the signature, one of the version, then anywhere, then the checksum.
    let bits: Vec<usize> = [0, 60].into_iter().chain(random).chain([(dump.len() - 1) * 8]).collect();
    for bit in bits {
        let mut damaged = dump.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_refused(&damaged, &format!("bit {bit} of {}", dump.len() * 8));
    }
}

#[test]
fn something_else_in_place_of_a_dump_stops_the_start() {
    assert_refused(b"This is no dump.\n", "a text");
    assert_refused(&[0; 1000], "zeros");
    let launch = Server::tandem();
    std::fs::create_dir(launch.dir().join("dump.rdb")).unwrap();
    let failure = launch.fail();
    assert_eq!(failure.status.code(), Some(1), "{}", failure.log);
    assert!(failure.log.contains("dump.rdb"), "{}", failure.log);
}

#[test]
fn bytes_behind_a_dump_do_not_pass_in_silence() {
    let mut bytes = dump();
    bytes.extend_from_slice(b"more");
    let launch = Server::tandem();
    std::fs::write(launch.dir().join("dump.rdb"), &bytes).unwrap();
    // Peers take no notice of them either: what counts is that all keys are there.
    let server = launch.start();
    assert_eq!(server.run("DBSIZE"), "600");
}

/// A server that may write no file larger than 64 KiB: the disk is full for whoever writes more.
fn with_a_small_disk() -> Launch {
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$@\"";
    Server::tandem().through(&["bash", "-c", script, "bash"])
}

/// A value that cannot be made smaller.
fn noise(len: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(11);
    std::iter::repeat_with(|| rng.u8(..)).take(len).collect()
}

/// Saves, makes the data too large for the disk, saves again, and looks what is left of the first file.
fn fails_to_save(server: &Server, spoil: impl FnOnce(&mut Client)) -> Client {
    let mut client = server.client();
    assert_eq!(client.run("SET small data"), "OK");
    assert_eq!(client.run("SAVE"), "OK");
    assert_eq!(client.info("persistence")["rdb_last_bgsave_status"], "ok");
    let (saved, file) = (client.run("LASTSAVE"), std::fs::read(server.path("dump.rdb")).unwrap());
    // A save that were taken for successful would show another second.
    wait("a second later", || !client.run("TIME").starts_with(&format!("[{saved} ")));
    spoil(&mut client);

    assert_eq!(client.run("BGSAVE"), "Background saving started");
    wait_eq("err", || client.info("persistence").remove("rdb_last_bgsave_status").unwrap());
    wait_eq("0", || client.info("persistence").remove("rdb_bgsave_in_progress").unwrap());
    let refused = client.run("SAVE");
    assert!(refused.starts_with("-ERR"), "{refused}");
    assert_eq!(client.run("LASTSAVE"), saved, "nothing has been saved since");
    assert_eq!(client.info("persistence")["rdb_last_save_time"], saved);
    assert_ne!(client.info("persistence")["rdb_changes_since_last_save"], "0");
    assert_eq!(std::fs::read(server.path("dump.rdb")).unwrap(), file);
    assert!(server.log().contains("Background saving error"), "{}", server.log());
    client
}

#[test]
fn a_full_disk_leaves_the_old_dump() {
    let mut server = with_a_small_disk().unsaved().start();
    let mut client = fails_to_save(&server, |client| {
        assert_eq!(show(&client.call(&[b"SET".as_slice(), b"large", &noise(300_000)])), "OK");
    });
    let names: Vec<String> = std::fs::read_dir(server.dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "dump.rdb" && name != "output.log")
        .collect();
    assert_eq!(names, Vec::<String>::new(), "no half file is left behind");

    // Room again.
    assert_eq!(client.run("DEL large"), "1");
    assert_eq!(client.run("BGSAVE"), "Background saving started");
    wait_eq("ok", || client.info("persistence").remove("rdb_last_bgsave_status").unwrap());
    server.kill();
    server.start_again();
    assert_eq!(server.run("KEYS *"), "[small]");
    assert_unharmed(&server);
}

#[test]
fn writes_stop_while_save_points_fail() {
    let server = with_a_small_disk().args(&["--save", "3600 1000000"]).start();
    let mut client = fails_to_save(&server, |client| {
        assert_eq!(show(&client.call(&[b"SET".as_slice(), b"large", &noise(300_000)])), "OK");
    });
    assert!(client.run("SET more data").starts_with("-MISCONF "), "{}", client.run("SET more data"));
    assert_eq!(client.run("GET small"), "data", "reading goes on");
    assert_eq!(client.run("CONFIG SET stop-writes-on-bgsave-error no"), "OK");
    assert_eq!(client.run("SET more data"), "OK");
}

#[test]
fn a_directory_that_is_gone() {
    let server = Server::tandem().unsaved().start();
    let dir = server.dir().to_owned();
    let aside = dir.with_extension("aside");
    let mut client = server.client();
    assert_eq!(client.run("SET small data"), "OK");
    assert_eq!(client.run("SAVE"), "OK");
    let saved = client.run("LASTSAVE");
    std::fs::rename(&dir, &aside).unwrap();
    assert_eq!(client.run("SET more data"), "OK");
    assert_eq!(client.run("BGSAVE"), "Background saving started");
    wait_eq("err", || client.info("persistence").remove("rdb_last_bgsave_status").unwrap());
    assert_eq!(client.run("LASTSAVE"), saved);
    std::fs::rename(&aside, &dir).unwrap();
    assert_eq!(client.run("BGSAVE"), "Background saving started");
    wait_eq("ok", || client.info("persistence").remove("rdb_last_bgsave_status").unwrap());
    assert_unharmed(&server);
}

#[test]
fn a_shutdown_that_cannot_save_does_not_end() {
    let mut server = with_a_small_disk().args(&["--save", "3600 1000000"]).start();
    let mut client = server.client();
    assert_eq!(show(&client.call(&[b"SET".as_slice(), b"large", &noise(300_000)])), "OK");
    assert_eq!(client.run("SHUTDOWN"), "-ERR Errors trying to SHUTDOWN. Check logs.");
    assert_eq!(client.run("STRLEN large"), "300000", "the data is still there");
    client.send(&["SHUTDOWN", "NOSAVE"]);
    assert_eq!(client.try_receive().unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert!(server.wait_for_end().success());
}

#[test]
fn a_client_that_reads_nothing_is_let_go() {
    let server = Server::tandem().unsaved().args(&["--client-output-buffer-limit", "normal 1mb 0 0"]).start();
    let mut client = server.client();
    assert_eq!(show(&client.call(&[b"SET".as_slice(), b"k", &vec![b'x'; 1 << 20]])), "OK");
    let mut deaf = server.client();
    let _ = deaf.send_raw(&b"GET k\r\n".repeat(200));
    wait_eq("1", || client.info("clients").remove("connected_clients").unwrap());
    assert_unharmed(&server);
}
