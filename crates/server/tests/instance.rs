//! An instance in this process, and clients on real sockets.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};

use config::LogLevel;
use node::Signal;
use server::{DiskFiles, Logger, Options, Server, StartError};

/// An instance with a directory of its own.
struct Instance {
    server: Server,
    dir: tempfile::TempDir,
    log: Receiver<String>,
}

fn start(extra: &[&str]) -> Instance {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    start_in(dir, vec![listener], extra)
}

fn start_in(dir: tempfile::TempDir, listeners: Vec<TcpListener>, extra: &[&str]) -> Instance {
    let own = ["--port", "0", "--save", "", "--dir", dir.path().to_str().unwrap()];
    let args: Vec<String> = own.iter().chain(extra).map(|&arg| arg.to_owned()).collect();
    let config = config::load(&args, &DiskFiles).unwrap().config;
    let (sender, log) = channel();
    let logger = Logger::writer(Box::new(Lines(sender)), LogLevel::Verbose);
    let options = Options { listeners, logger: Some(logger), seed: Some(1), ..Options::default() };
    let mut server = Server::start_in_thread(config, options).unwrap();
    assert!(server.wait_until_ready());
    Instance { server, dir, log }
}

struct Lines(std::sync::mpsc::Sender<String>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = self.0.send(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Instance {
    fn address(&self) -> SocketAddr {
        self.server.addresses()[0]
    }

    fn connect(&self) -> Client<TcpStream> {
        Client::to(self.address())
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }
}

struct Client<S> {
    stream: BufReader<S>,
}

impl Client<TcpStream> {
    fn to(address: SocketAddr) -> Client<TcpStream> {
        Client { stream: BufReader::new(TcpStream::connect(address).unwrap()) }
    }
}

impl<S: Read + Write> Client<S> {
    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn bulk(&mut self) -> Vec<u8> {
        let len: usize = self.line().strip_prefix('$').unwrap().parse().unwrap();
        let mut bytes = vec![0; len + 2];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes.truncate(len);
        bytes
    }

    fn ask(&mut self, inline: &str) -> String {
        self.send(format!("{inline}\r\n"));
        self.line()
    }

    /// Whether the server has closed the connection.
    fn is_closed(&mut self) -> bool {
        match self.stream.read(&mut [0; 64]) {
            Ok(len) => len == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }
}

fn set(key: &str, value: &[u8]) -> Vec<u8> {
    let mut request =
        format!("*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${}\r\n", key.len(), value.len()).into_bytes();
    request.extend_from_slice(value);
    request.extend_from_slice(b"\r\n");
    request
}

#[test]
fn many_clients_with_pipelines() {
    let instance = start(&[]);
    let mut clients: Vec<_> = (0..100).map(|_| instance.connect()).collect();
    for round in 0..20 {
        for (n, client) in clients.iter_mut().enumerate() {
            let request: String = (0..16).map(|at| format!("ECHO {n}:{round}:{at}\r\n")).collect();
            client.send(request);
        }
        for (n, client) in clients.iter_mut().enumerate() {
            for at in 0..16 {
                assert_eq!(client.bulk(), format!("{n}:{round}:{at}").into_bytes());
            }
        }
    }
}

#[test]
fn requests_in_pieces() {
    let instance = start(&[]);
    let mut client = instance.connect();
    client.stream.get_ref().set_nodelay(true).unwrap();
    for byte in b"*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n" {
        client.send([*byte]);
    }
    assert_eq!(client.bulk(), b"hello");
}

#[test]
fn values_larger_than_any_buffer() {
    let instance = start(&[]);
    let value: Vec<u8> = (0..20 << 20).map(|n: u32| (n % 251) as u8).collect();
    let mut client = instance.connect();
    client.send(set("big", &value));
    assert_eq!(client.line(), "+OK");
    client.send("GET big\r\nPING\r\n");
    assert!(client.bulk() == value);
    assert_eq!(client.line(), "+PONG");
}

#[test]
fn replies_of_about_what_one_round_writes() {
    let instance = start(&[]);
    let mut client = instance.connect();
    for len in [(1 << 20) - 100, 1 << 20, (1 << 20) + 100_000] {
        let value = vec![7; len];
        client.send(set("key", &value));
        assert_eq!(client.line(), "+OK");
        for _ in 0..5 {
            client.send("GET key\r\n");
            assert!(client.bulk() == value);
            assert_eq!(client.ask("PING"), "+PONG");
        }
    }
}

#[test]
fn a_client_that_does_not_read_holds_nobody_up() {
    let instance = start(&[]);
    let mut other = instance.connect();
    let value = vec![7; 1 << 20];
    other.send(set("big", &value));
    assert_eq!(other.line(), "+OK");
    let mut lazy = instance.connect();
    // 64 MiB of replies are more than the sockets between the two hold.
    lazy.send("GET big\r\n".repeat(64));
    for _ in 0..100 {
        assert_eq!(other.ask("PING"), "+PONG");
    }
    for _ in 0..64 {
        assert!(lazy.bulk() == value);
    }
    assert_eq!(lazy.ask("PING"), "+PONG");
}

#[test]
fn the_replies_come_although_the_client_has_finished_sending() {
    let instance = start(&[]);
    for _ in 0..50 {
        let mut client = instance.connect();
        client.send("PING\r\nECHO last\r\n");
        client.stream.get_ref().shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.line(), "+PONG");
        assert_eq!(client.bulk(), b"last");
        assert!(client.is_closed());
    }
}

#[test]
fn a_client_that_is_gone_is_forgotten_at_once() {
    let instance = start(&[]);
    let mut observer = instance.connect();
    for _ in 0..50 {
        let mut client = instance.connect();
        assert_eq!(client.ask("PING"), "+PONG");
        // Bytes and the end of the file arrive together.
        client.send("PING\r\n");
        drop(client);
    }
    loop {
        observer.send("CLIENT LIST\r\n");
        let list = String::from_utf8(observer.bulk()).unwrap();
        if list.lines().count() == 1 {
            break;
        }
        std::thread::yield_now();
    }
}

#[test]
fn quit_and_protocol_errors_close_after_the_reply() {
    let instance = start(&[]);
    let mut client = instance.connect();
    client.send("QUIT\r\n");
    assert_eq!(client.line(), "+OK");
    assert!(client.is_closed());
    let mut client = instance.connect();
    client.send("*1\r\n$x\r\n");
    assert_eq!(client.line(), "-ERR Protocol error: invalid bulk length");
    assert!(client.is_closed());
}

#[test]
fn more_clients_than_wanted_are_told_so() {
    let instance = start(&["--maxclients", "2"]);
    let (mut one, mut two) = (instance.connect(), instance.connect());
    assert_eq!((one.ask("PING"), two.ask("PING")), ("+PONG".to_owned(), "+PONG".to_owned()));
    let mut three = instance.connect();
    assert_eq!(three.line(), "-ERR max number of clients reached");
    assert!(three.is_closed());
    assert_eq!(one.ask("PING"), "+PONG");
}

#[test]
fn a_unix_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let text = path.to_str().unwrap().to_owned();
    let instance = start_in(dir, Vec::new(), &["--unixsocket", &text]);
    let mut client = Client { stream: BufReader::new(UnixStream::connect(&path).unwrap()) };
    assert_eq!(client.ask("PING"), "+PONG");
    client.send("CLIENT INFO\r\n");
    let info = String::from_utf8(client.bulk()).unwrap();
    assert!(info.contains(&format!(" addr={text}:0 ")), "{info}");
    instance.server.terminate(Signal::Term);
    let Instance { server, dir: _dir, .. } = instance;
    assert_eq!(server.wait(), 0);
    assert!(!path.exists());
}

#[test]
fn a_port_or_a_directory_that_cannot_be_had_changes_nothing() {
    let instance = start(&["--enable-protected-configs", "yes"]);
    let mut client = instance.connect();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let failed = |name: &str| format!("-ERR CONFIG SET failed (possibly related to argument '{name}') - ");
    let reply = client.ask(&format!("CONFIG SET maxmemory 7mb bind 127.0.0.1 port {port} dir /"));
    assert!(reply.starts_with(&(failed("port") + "Unable to listen on this port: ")), "{reply}");
    assert!(reply.ends_with("Address already in use"), "{reply}");
    // A name that nobody can have (RFC 6761), so the resolver is asked and fails.
    let reply = client.ask("CONFIG SET bind tandem.invalid port 1");
    assert!(reply.starts_with(&failed("port")), "{reply}");
    let reply = client.ask("CONFIG SET dir /nonexistent maxmemory 7mb");
    assert_eq!(reply, failed("dir") + "No such file or directory");
    for (name, value) in [("port", "0"), ("bind", "* -::*"), ("maxmemory", "0")] {
        assert_eq!(client.ask(&format!("CONFIG GET {name}")), "*2");
        assert_eq!((client.bulk(), client.bulk()), (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    }
    assert_eq!(instance.connect().ask("PING"), "+PONG", "it listens as before");
    assert_eq!(client.ask(&format!("CONFIG SET dir {}", std::env::temp_dir().display())), "+OK");
}

#[test]
fn another_port_at_run_time() {
    let instance = start(&[]);
    let mut client = instance.connect();
    // Whoever else wants this port in between wins, and the test tries another.
    for _ in 0..100 {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if client.ask(&format!("CONFIG SET bind 127.0.0.1 port {port}")) != "+OK" {
            continue;
        }
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
            let mut other = Client { stream: BufReader::new(stream) };
            assert_eq!(other.ask("PING"), "+PONG");
            assert_eq!(client.ask("PING"), "+PONG", "those who are there stay");
            return;
        }
    }
    panic!("no port could be had");
}

#[test]
fn a_dataset_outlives_its_server() {
    let first = start(&[]);
    let mut client = first.connect();
    client.send(set("key", b"value"));
    assert_eq!(client.line(), "+OK");
    assert_eq!(client.ask("SAVE"), "+OK");
    assert!(first.path().join("dump.rdb").exists());
    first.server.terminate(Signal::Term);
    let Instance { server, dir, log } = first;
    assert_eq!(server.wait(), 0);
    assert!(log.iter().any(|line| line.contains("ready to exit, bye bye")));

    let second = start_in(dir, vec![TcpListener::bind("127.0.0.1:0").unwrap()], &[]);
    let mut client = second.connect();
    client.send("GET key\r\n");
    assert_eq!(client.bulk(), b"value");
}

#[test]
fn a_replica_follows_over_real_sockets() {
    let master = start(&["--repl-diskless-sync-delay", "0"]);
    let mut writer = master.connect();
    writer.send(set("before", b"1"));
    assert_eq!(writer.line(), "+OK");
    let replicas = [start(&[]), start(&["--repl-diskless-load", "swapdb"])];
    for replica in &replicas {
        let mut client = replica.connect();
        let port = master.address().port();
        assert_eq!(client.ask(&format!("REPLICAOF 127.0.0.1 {port}")), "+OK");
    }
    writer.send(set("after", b"2"));
    assert_eq!(writer.line(), "+OK");
    for replica in &replicas {
        let mut client = replica.connect();
        for (key, value) in [("before", "$1"), ("after", "$1")] {
            while client.ask(&format!("GET {key}")) != value {
                std::thread::yield_now();
            }
            client.line();
        }
    }
}

#[test]
fn a_replica_that_loads_slowly_stops_reading_for_a_while() {
    let master = start(&["--repl-diskless-sync-delay", "0", "--rdbcompression", "no"]);
    let mut writer = master.connect();
    let value = vec![7; 1 << 20];
    for n in 0..120 {
        writer.send(set(&format!("key:{n}"), &value));
    }
    for _ in 0..120 {
        assert_eq!(writer.line(), "+OK");
    }
    // More than a node lets wait in front of its loader.
    let replica = start(&["--key-load-delay", "5000"]);
    let mut client = replica.connect();
    assert_eq!(client.ask(&format!("REPLICAOF 127.0.0.1 {}", master.address().port())), "+OK");
    while client.ask("DBSIZE") != ":120" {
        std::thread::yield_now();
    }
}

#[test]
fn what_it_says_from_start_to_end() {
    let Instance { server, log, dir: _dir } = start(&[]);
    server.terminate(Signal::Int);
    assert_eq!(server.wait(), 0);
    let lines: Vec<_> = log.iter().collect();
    let at =
        |text: &str| lines.iter().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{lines:?}"));
    assert!(lines[at(" * Server initialized")].contains(":M "));
    assert!(at("Server initialized") < at(" * Ready to accept connections"));
    assert!(at("Ready to accept connections") < at("bye bye"));
    assert!(lines[at("Ready to accept connections")].contains(":M "));
}

#[test]
fn what_keeps_it_from_starting() {
    let start = |args: &[&str]| {
        let args: Vec<_> = args.iter().map(|&arg| arg.to_owned()).collect();
        let config = config::load(&args, &DiskFiles).unwrap().config;
        let logger = Logger::writer(Box::new(std::io::sink()), LogLevel::Nothing);
        let options = Options { logger: Some(logger), ..Options::default() };
        Server::start_in_thread(config, options).unwrap_err()
    };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    assert!(matches!(start(&["--bind", "127.0.0.1", "--port", &port]), StartError::Listen(_)));
    assert!(matches!(start(&["--port", "0"]), StartError::NoListener));
    assert!(matches!(start(&["--port", "0", "--dir", "/nonexistent"]), StartError::Directory { .. }));
    let socket = ["--port", "0", "--unixsocket", "/nonexistent/socket"];
    assert!(matches!(start(&socket), StartError::Listen(_)));
}
