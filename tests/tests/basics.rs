//! Everyday use, with a client library that people use, over real sockets.

use std::process::Command;

use harness::client::{Client, show};
use harness::launch::{Launch, free_port, tandem_server};
use harness::peers;
use harness::process::Server;
use harness::wait::{wait, wait_eq, wait_some};
use redis::{Commands, RedisResult};

/// A connection of the client library.
fn connect(server: &Server, query: &str) -> redis::Connection {
    let client =
        redis::Client::open(format!("redis://127.0.0.1:{}/{query}", server.port())).expect("an address");
    client.get_connection().expect("the server answers a real client")
}

#[test]
fn a_client_library_feels_at_home() -> RedisResult<()> {
    let server = Server::tandem().unsaved().start();
    let mut con = connect(&server, "");

    let () = con.set("name", "Tandem")?;
    assert_eq!(con.get::<_, String>("name")?, "Tandem");
    assert_eq!(con.get::<_, Option<String>>("nobody")?, None);
    assert_eq!(con.incr::<_, _, i64>("visits", 5)?, 5);
    assert_eq!(con.decr::<_, _, i64>("visits", 7)?, -2);
    assert_eq!(con.append::<_, _, usize>("name", " server")?, 13);
    assert_eq!(con.getrange::<_, String>("name", 0, 5)?, "Tandem");
    assert_eq!(
        con.mget::<_, Vec<Option<String>>>(&["name", "nobody"])?,
        [Some("Tandem server".into()), None]
    );
    assert!(con.expire::<_, bool>("name", 100)?);
    assert!((99..=100).contains(&con.ttl::<_, i64>("name")?));
    assert!(con.persist::<_, bool>("name")?);
    assert_eq!(con.rename::<_, _, String>("name", "title")?, "OK");
    assert!(con.exists::<_, bool>("title")?);
    assert_eq!(con.del::<_, i64>(&["title", "visits", "nobody"])?, 2);

    let binary: Vec<u8> = (0..=255).collect();
    let () = con.set(&binary, &binary)?;
    assert_eq!(con.get::<_, Vec<u8>>(&binary)?, binary);

    let error = con.incr::<_, _, i64>(&binary, 1).unwrap_err();
    assert!(error.to_string().contains("not an integer or out of range"), "{error}");
    Ok(())
}

#[test]
fn pipelines_and_transactions() -> RedisResult<()> {
    let server = Server::tandem().unsaved().start();
    let mut con = connect(&server, "");

    let mut pipeline = redis::pipe();
    for i in 0..2_000 {
        pipeline.set(format!("key:{i}"), i).ignore().get(format!("key:{i}"));
    }
    let values: Vec<i64> = pipeline.query(&mut con)?;
    assert!(values.into_iter().eq(0..2_000), "answers come in order");

    let (one, two): (i64, i64) = redis::pipe().atomic().incr("a", 1).incr("a", 1).query(&mut con)?;
    assert_eq!((one, two), (1, 2));

    // A key that changes between WATCH and EXEC makes the library try again.
    let mut other = connect(&server, "");
    let mut attempts = 0;
    let (value,): (i64,) = redis::transaction(&mut con, &["a"], |con, pipe| {
        attempts += 1;
        let value: i64 = con.get("a")?;
        if attempts == 1 {
            let () = other.set("a", 10)?;
        }
        pipe.set("a", value + 1).ignore().get("a").query(con)
    })?;
    assert_eq!((attempts, value), (2, 11));
    Ok(())
}

#[test]
fn the_new_protocol() -> RedisResult<()> {
    let server = Server::tandem().unsaved().start();
    let mut con = connect(&server, "?protocol=resp3");
    let () = con.set("k", "v")?;
    assert_eq!(con.get::<_, String>("k")?, "v");
    let settings: redis::Value = redis::cmd("CONFIG").arg("GET").arg("port").query(&mut con)?;
    assert!(matches!(settings, redis::Value::Map(_)), "{settings:?}");

    let mut client = server.client();
    assert_eq!(client.run("GET nothing"), "nil");
    let hello = client.run("HELLO 3");
    assert!(hello.starts_with("{server:redis version:") && hello.contains(" proto:3 "), "{hello}");
    assert!(hello.contains(" role:master "), "{hello}");
    client.send_raw(b"GET nothing\r\n").unwrap();
    assert_eq!(client.read_raw_until(|bytes| bytes.ends_with(b"\n")).unwrap(), b"_\r\n");
    assert!(client.run("HELLO 4").starts_with("-NOPROTO "));
    Ok(())
}

#[test]
fn requests_may_come_in_any_pieces() {
    let server = Server::tandem().unsaved().start();
    let mut client = server.client();
    for piece in [&b"*3\r\n$3\r\nSE"[..], b"T\r\n$1\r", b"\nk\r\n$5\r\nva", b"lue\r\nGE", b"T k\r\n"] {
        client.send_raw(piece).unwrap();
        // Another client's turn makes sure that the piece has been read alone.
        assert_eq!(server.run("PING"), "PONG");
    }
    assert_eq!(show(&client.receive()), "OK");
    assert_eq!(show(&client.receive()), "value");
    let big = vec![b'x'; 3_000_000];
    assert_eq!(show(&client.call(&[b"SET", b"big".as_slice(), &big])), "OK");
    assert_eq!(client.call(&["GET", "big"]).as_bytes(), Some(&big[..]));
}

#[test]
fn configuration_at_run_time() {
    let launch = Launch::bare(&tandem_server());
    let text = "# the first line\nmaxclients 100\n\n# behind it\ntimeout 0\n";
    let mut server = launch.config_file("redis.conf", text).start();
    let mut client = server.client();
    assert_eq!(client.run("CONFIG GET maxclients"), "[maxclients 100]");
    assert_eq!(client.run("CONFIG SET timeout 300 slowlog-max-len 7"), "OK");
    assert_eq!(client.run("CONFIG GET timeout slowlog-max-len"), "[slowlog-max-len 7 timeout 300]");
    let refused = client.run("CONFIG SET timeout 100 slowlog-max-len many");
    assert!(refused.starts_with("-ERR CONFIG SET failed"), "{refused}");
    assert_eq!(client.run("CONFIG GET timeout"), "[timeout 300]", "all or none");
    assert_eq!(client.run("CONFIG REWRITE"), "OK");
    let written = std::fs::read_to_string(server.path("redis.conf")).unwrap();
    assert!(
        written.starts_with("# the first line\nmaxclients 100\n\n# behind it\ntimeout 300\n"),
        "{written}"
    );

    assert!(server.terminate().success());
    server.start_again();
    assert_eq!(server.run("CONFIG GET timeout slowlog-max-len"), "[slowlog-max-len 7 timeout 300]");
}

#[test]
fn an_unknown_directive_stops_the_start() {
    let launch =
        Launch::bare(&tandem_server()).config_file("redis.conf", "timeout 1\nrepl-backlog-sise 64mb\n");
    let failure = launch.fail();
    assert!(!failure.status.success());
    assert!(
        failure.log.contains("redis.conf:2") && failure.log.contains("'repl-backlog-size'"),
        "{}",
        failure.log
    );
}

#[test]
fn a_port_in_use_is_said() {
    let server = Server::tandem().start();
    let (port, dir) = (server.port().to_string(), tempfile::tempdir().unwrap());
    let output = Command::new(tandem_server()).args(["--port", &port]).current_dir(&dir).output().unwrap();
    assert!(!output.status.success());
    let log = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("Failed listening on port"), "{log}");
}

#[test]
fn sigterm_saves_and_a_restart_brings_everything_back() {
    let mut server = Server::tandem().args(&["--save", "3600 1000000"]).start();
    let mut client = server.client();
    for line in ["SET plain value", "SET short-lived x PX 100000000", "SET number 12345", "SET empty ''"] {
        assert_eq!(client.run(line), "OK");
    }
    assert_eq!(client.run("SELECT 9"), "OK");
    assert_eq!(show(&client.call(&[b"SET".as_slice(), b"big", &vec![b'a'; 300_000]])), "OK");
    let before = harness::dataset::read(server.port());
    assert_eq!(before.len(), 5);
    let status = server.terminate();
    assert!(status.success(), "{status}\n{}", server.log());
    server.start_again();
    assert_eq!(harness::dataset::read(server.port()), before);

    assert_eq!(server.run("SET late arrival"), "OK");
    server.kill();
    server.start_again();
    assert_eq!(
        harness::dataset::read(server.port()),
        before,
        "a crash loses what was not saved, and only that"
    );

    assert_eq!(server.run("SET late arrival"), "OK");
    assert_eq!(server.run("SAVE"), "OK");
    server.kill();
    server.start_again();
    assert_eq!(server.run("GET late"), "arrival");
}

#[test]
fn save_points_write_by_themselves() {
    let server = Server::tandem().args(&["--save", "1 3"]).start();
    server.ok(&["SET a 1", "SET b 2"]);
    assert_eq!(server.count("rdb_changes_since_last_save"), 2);
    assert!(!server.path("dump.rdb").exists());
    server.ok(&["SET c 3"]);
    wait("the save point", || server.path("dump.rdb").exists());
    wait_eq("0", || server.info("rdb_changes_since_last_save"));
    assert_eq!(server.info("rdb_last_bgsave_status"), "ok");
}

#[test]
fn shutdown_by_command() {
    let mut server = Server::tandem().unsaved().start();
    server.ok(&["SET k v"]);
    let mut client = server.client();
    client.send(&["SHUTDOWN", "SAVE"]);
    assert_eq!(
        client.try_receive().unwrap_err().kind(),
        std::io::ErrorKind::UnexpectedEof,
        "no answer is the answer"
    );
    assert!(server.wait_for_end().success());
    server.start_again();
    assert_eq!(server.run("GET k"), "v");
    server.client().send(&["SHUTDOWN"]);
    assert!(server.wait_for_end().success(), "and no save point means no save");
}

#[test]
fn a_password_is_asked_for() {
    let server = Server::tandem().unsaved().args(&["--requirepass", "secret"]).start();
    let mut client = server.client();
    assert_eq!(client.run("GET k"), "-NOAUTH Authentication required.");
    assert!(client.run("AUTH wrong").starts_with("-WRONGPASS "));
    assert_eq!(client.run("AUTH secret"), "OK");
    // That it asks for a password says nothing of whether it has loaded its data.
    wait_eq("nil", || client.run("GET k"));
    let mut url = redis::Client::open(format!("redis://:secret@127.0.0.1:{}/", server.port())).unwrap();
    assert_eq!(url.set::<_, _, String>("k", "v").unwrap(), "OK");
}

#[test]
fn clients_are_known_and_limited() {
    let server = Server::tandem().unsaved().args(&["--maxclients", "3"]).start();
    let mut one = server.client();
    assert_eq!(one.run("CLIENT SETNAME first"), "OK");
    assert!(one.run("CLIENT LIST").contains(" name=first "));
    // The connections of the start are on their way out.
    wait_eq("1", || one.info("clients").remove("connected_clients").unwrap());
    let (mut two, mut three) = (server.client(), server.client());
    assert_eq!((two.run("PING"), three.run("PING")), ("PONG".into(), "PONG".into()));
    let refused = server.client().read_to_close();
    assert_eq!(refused, b"-ERR max number of clients reached\r\n");
    let id = two.run("CLIENT ID");
    assert_eq!(one.run(&format!("CLIENT KILL ID {id}")), "1");
    assert!(two.try_receive().is_err());
    assert_eq!(three.run("PING"), "PONG");
}

#[test]
fn a_unix_socket() {
    use std::io::{Read, Write};
    let server =
        Server::tandem().unsaved().args(&["--unixsocket", "tandem.sock", "--unixsocketperm", "700"]).start();
    let mut stream = std::os::unix::net::UnixStream::connect(server.path("tandem.sock")).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    let mut reply = [0; 7];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"+PONG\r\n");
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(server.path("tandem.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

/// The poller tells of an end once, together with the first of what came before it.
#[test]
fn the_end_behind_more_than_one_read_is_noticed() {
    use std::io::{Read, Write};
    let server = Server::tandem().unsaved().args(&["--unixsocket", "tandem.sock"]).start();
    let mut stream = std::os::unix::net::UnixStream::connect(server.path("tandem.sock")).unwrap();
    // Nothing is written to it, or writing would notice.
    stream.write_all(b"PING\r\nCLIENT REPLY OFF\r\n").unwrap();
    let mut reply = [0; 7];
    stream.read_exact(&mut reply).unwrap();
    let clients = || server.info("connected_clients");
    wait_eq("2", clients);
    server.freeze();
    let value = "x".repeat(90_000);
    stream.write_all(format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$90000\r\n{value}\r\n").as_bytes()).unwrap();
    drop(stream);
    server.thaw();
    wait_eq("1", clients);
    assert_eq!(server.run("STRLEN k"), "90000");
}

#[test]
fn redis_cli_and_redis_benchmark() {
    let Some(cli) = peers::redis_cli() else { return };
    let server = Server::tandem().unsaved().start();
    let port = server.port().to_string();
    let run = |args: &[&str]| {
        let output = Command::new(&cli).args(["-p", &port]).args(args).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(run(&["PING"]), "PONG\n");
    assert_eq!(run(&["--no-raw", "SET", "k", "v w"]), "OK\n");
    assert_eq!(run(&["--no-raw", "GET", "k"]), "\"v w\"\n");
    assert_eq!(run(&["--no-raw", "INCR", "n"]), "(integer) 1\n");
    assert_eq!(run(&["-3", "--no-raw", "CONFIG", "GET", "port"]), format!("1# \"port\" => \"{port}\"\n"));
    assert!(run(&["INFO", "server"]).starts_with("# Server\r\nredis_version:7."));
    assert!(run(&["--scan"]).lines().any(|key| key == "k"));
    let benchmark = cli.with_file_name("redis-benchmark");
    if benchmark.is_file() {
        let args = ["-p", &port, "-t", "set,get,incr,mset", "-n", "2000", "-P", "16", "-q"];
        let output = Command::new(benchmark).args(args).output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8_lossy(&output.stdout).replace('\r', "\n");
        assert_eq!(text.matches("requests per second").count(), 4, "{text}");
    }
}

/// Ends a process that has left for the background.
struct Background(u32);

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.0).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// A configuration as it is found in the field: two addresses, in the background, with its own names for every file.
#[test]
fn a_configuration_of_the_field_works_as_it_is() {
    let master = Server::tandem().start();
    master.ok(&["SET greeting hello"]);
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    let port = free_port();
    let text = format!(
        "bind 127.0.0.1 127.0.0.2\nport {port}\ndaemonize yes\npidfile {folder}/redis_{port}.pid\nloglevel notice\n\
         logfile \"{folder}/redis_{port}.log\"\ndbfilename dump_{port}.rdb\ndir {folder}\nappendonly no\n\
         appendfilename \"appendonly.aof\"\nappendfsync everysec\nslowlog-log-slower-than 10000\nslowlog-max-len 128\n\
         protected-mode no\nrepl-diskless-sync yes\nrepl-diskless-sync-delay 5\nslaveof 127.0.0.1 {}\n",
        master.port()
    );
    let path = dir.path().join("redis.conf");
    std::fs::write(&path, text).unwrap();
    let started = Command::new(tandem_server()).arg(&path).output().unwrap();
    assert!(started.status.success(), "the process that was started ends at once: {started:?}");

    let pid_file = dir.path().join(format!("redis_{port}.pid"));
    let pid: u32 = wait_some("a pid file", || std::fs::read_to_string(&pid_file).ok()?.trim().parse().ok());
    let background = Background(pid);
    let mut client = wait_some("the background process listens", || Client::try_connect(port).ok());
    wait_eq("up", || client.info("replication").remove("master_link_status").unwrap_or_default());
    assert_eq!(client.run("GET greeting"), "hello");
    let server = client.info("server");
    assert_eq!(server["process_id"], pid.to_string());
    assert_eq!(server["config_file"], path.to_str().unwrap());
    assert!(std::net::TcpStream::connect(("127.0.0.2", port)).is_ok(), "the second address");
    for (name, value) in [
        ("dir", folder),
        ("loglevel", "notice"),
        ("slowlog-max-len", "128"),
        ("appendfsync", "everysec"),
        ("repl-diskless-sync-delay", "5"),
        ("bind", "127.0.0.1 127.0.0.2"),
        ("protected-mode", "no"),
    ] {
        assert_eq!(client.run(&format!("CONFIG GET {name}")), format!("[{name} {value}]"));
    }
    let log = std::fs::read_to_string(dir.path().join(format!("redis_{port}.log"))).unwrap();
    for phrase in ["Server initialized", "Ready to accept connections"] {
        assert_eq!(log.matches(phrase).count(), 1, "{phrase:?} stands once in\n{log}");
    }

    assert_eq!(client.run("SAVE"), "OK");
    assert!(dir.path().join(format!("dump_{port}.rdb")).exists());
    client.send(&["SHUTDOWN", "NOSAVE"]);
    wait("the pid file is removed", || !pid_file.exists());
    drop(background);
}

#[test]
fn protected_mode_refuses_strangers() {
    // Somebody is a stranger who comes over another address than the loopback's; where the machine has none, there is nothing
    // to try.
    let Some(address) = own_address() else { return peers::skipped("address beside the loopback's") };
    let connect = |protected: &str| {
        let server =
            Server::tandem().unsaved().args(&["--bind", "0.0.0.0", "--protected-mode", protected]).start();
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect((address, server.port())).unwrap();
        let _ = stream.write_all(b"PING\r\n");
        let mut start = [0; 7];
        stream.read_exact(&mut start).unwrap();
        String::from_utf8_lossy(&start).into_owned()
    };
    assert_eq!(connect("yes"), "-DENIED");
    assert_eq!(connect("no"), "+PONG\r\n");
}

/// The address this machine would use to reach others. No packet is sent to find it out.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback()).then_some(address)
}
