//! TLS: clients with and without certificates, replication between all makes, certificates that change.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use harness::changes::{change_everything, fill_collections};
use harness::launch::{Launch, free_port};
use harness::peers;
use harness::process::Server;
use harness::relay::Relay;
use harness::wait::{wait, wait_eq};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};

/// An authority and what it has signed, as files.
struct Authority {
    dir: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Authority { dir: tempfile::tempdir().unwrap(), issuer };
        std::fs::write(authority.path("ca.crt"), authority.issuer.pem()).unwrap();
        authority
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Makes a certificate for this common name, and a URI beside it, in files of that name.
    fn sign(&self, name: &str) {
        self.sign_as(name, name);
    }

    fn sign_as(&self, file: &str, name: &str) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names.push(SanType::URI(format!("urn:user:{name}").try_into().unwrap()));
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.path(&format!("{file}.key")), key.serialize_pem()).unwrap();
        std::fs::write(self.path(&format!("{file}.crt")), certificate.pem()).unwrap();
    }

    /// The options of a server that has this certificate and listens for TLS on that port.
    fn options(&self, name: &str, port: u16) -> Vec<String> {
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        let mut options = vec!["--tls-port".to_owned(), port.to_string()];
        for (option, file) in [
            ("--tls-cert-file", format!("{name}.crt")),
            ("--tls-key-file", format!("{name}.key")),
            ("--tls-ca-cert-file", "ca.crt".to_owned()),
        ] {
            options.extend([option.to_owned(), text(self.path(&file))]);
        }
        options
    }

    fn certificate(&self, name: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.path(&format!("{name}.crt"))).unwrap()
    }

    /// A connection to a TLS port; the handshake happens with the first bytes. `who` names the client's certificate.
    fn connect(&self, port: u16, who: Option<&str>) -> Connection {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate("ca")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match who {
            None => builder.with_no_client_auth(),
            Some(who) => {
                let key = PrivateKeyDer::from_pem_file(self.path(&format!("{who}.key"))).unwrap();
                builder.with_client_auth_cert(vec![self.certificate(who)], key).unwrap()
            }
        };
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let session = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        Connection(rustls::StreamOwned::new(session, stream))
    }
}

/// A client's end.
struct Connection(rustls::StreamOwned<rustls::ClientConnection, TcpStream>);

impl Connection {
    /// Sends a line and reads so many bytes of the answer.
    fn ask(&mut self, line: &str, len: usize) -> std::io::Result<String> {
        self.0.write_all(format!("{line}\r\n").as_bytes())?;
        let mut answer = vec![0; len];
        self.0.read_exact(&mut answer)?;
        Ok(String::from_utf8(answer).expect("an answer in ASCII"))
    }

    /// The first answer, if the server lets this client in at all.
    fn is_let_in(&mut self) -> bool {
        self.ask("PING", 7).is_ok_and(|answer| answer == "+PONG\r\n")
    }
}

#[test]
fn clients() {
    let authority = Authority::new();
    authority.sign("server");
    authority.sign("somebody");
    let port = free_port();
    let server = Server::tandem().unsaved().args(&authority.options("server", port)).start();
    assert_eq!(server.info("tcp_port"), server.port().to_string());

    // By default everybody has to have a certificate.
    assert!(!authority.connect(port, None).is_let_in());
    assert!(authority.connect(port, Some("somebody")).is_let_in());
    let others = Authority::new();
    others.sign("stranger");
    std::fs::copy(others.path("stranger.crt"), authority.path("stranger.crt")).unwrap();
    std::fs::copy(others.path("stranger.key"), authority.path("stranger.key")).unwrap();
    assert!(!authority.connect(port, Some("stranger")).is_let_in());

    server.ok(&["CONFIG SET tls-auth-clients optional"]);
    assert!(authority.connect(port, None).is_let_in());
    assert!(!authority.connect(port, Some("stranger")).is_let_in());
    server.ok(&["CONFIG SET tls-auth-clients no"]);
    assert!(authority.connect(port, None).is_let_in());

    // More than any buffer on the way holds, in both directions and at once.
    let mut client = authority.connect(port, None);
    let value = "0123456789abcdef".repeat(1 << 16);
    let set = format!("*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n${}\r\n{value}", value.len());
    assert_eq!(client.ask(&set, 5).unwrap(), "+OK\r\n");
    for _ in 0..20 {
        client.0.write_all(b"GET big\r\n").unwrap();
    }
    let one = format!("${}\r\n{value}\r\n", value.len());
    for _ in 0..20 {
        let mut answer = vec![0; one.len()];
        client.0.read_exact(&mut answer).unwrap();
        assert!(answer == one.as_bytes());
    }
    let batch = "INCR counter\r\n".repeat(10_000);
    client.0.write_all(batch.as_bytes()).unwrap();
    let mut answer = vec![0; (1..=10_000).map(|n: u32| n.to_string().len() + 3).sum()];
    client.0.read_exact(&mut answer).unwrap();
    assert!(answer.ends_with(b":10000\r\n"));

    // QUIT is answered before the end, and the end is announced.
    assert_eq!(client.ask("QUIT", 5).unwrap(), "+OK\r\n");
    assert_eq!(client.0.read(&mut [0; 16]).unwrap(), 0);

    // What is no TLS at all, and who does not go on.
    let mut plain = TcpStream::connect(("127.0.0.1", port)).unwrap();
    plain.write_all(b"PING\r\n").unwrap();
    let mut rest = Vec::new();
    let _ = plain.read_to_end(&mut rest);
    assert!(!rest.starts_with(b"+PONG"));
    let silent = TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert!(authority.connect(port, None).is_let_in());
    drop(silent);
    assert_eq!(server.run("PING"), "PONG");
}

#[test]
fn who_is_too_many_is_told_so() {
    let authority = Authority::new();
    authority.sign("server");
    let port = free_port();
    let server = Server::tandem()
        .unsaved()
        .args(&authority.options("server", port))
        .args(&["--tls-auth-clients", "no", "--maxclients", "1"])
        .start();
    let mut only = server.client();
    assert_eq!(only.run("PING"), "PONG");
    let text = "-ERR max number of clients reached\r\n";
    assert_eq!(authority.connect(port, None).ask("PING", text.len()).unwrap(), text);
}

#[test]
fn users_by_certificate() {
    let authority = Authority::new();
    for name in ["server", "reader", "nobody"] {
        authority.sign(name);
    }
    let port = free_port();
    let server = Server::tandem()
        .unsaved()
        .args(&authority.options("server", port))
        .args(&["--tls-auth-clients-user", "CN", "--user", "reader on nopass ~* +@read +acl|whoami +ping"])
        .start();
    let mut reader = authority.connect(port, Some("reader"));
    assert_eq!(reader.ask("ACL WHOAMI", 12).unwrap(), "$6\r\nreader\r\n");
    assert!(reader.ask("SET k v", 7).unwrap().starts_with("-NOPERM"));
    let mut nobody = authority.connect(port, Some("nobody"));
    assert_eq!(nobody.ask("ACL WHOAMI", 13).unwrap(), "$7\r\ndefault\r\n");
    assert_eq!(server.info("acl_access_denied_tls_cert"), "1");

    server.ok(&["CONFIG SET tls-auth-clients-user URI", "ACL SETUSER urn:user:nobody on nopass +acl|whoami"]);
    let mut nobody = authority.connect(port, Some("nobody"));
    assert_eq!(nobody.ask("ACL WHOAMI", 22).unwrap(), "$15\r\nurn:user:nobody\r\n");
}

#[test]
fn settings_and_certificates_change() {
    let authority = Authority::new();
    authority.sign("server");
    let server = Server::tandem().unsaved().start();
    let refused = "-ERR CONFIG SET failed (possibly related to argument 'tls-port') - Unable to update TLS";
    let port = free_port();
    assert!(server.run(&format!("CONFIG SET tls-port {port}")).starts_with(refused));
    assert_eq!(server.run("CONFIG GET tls-port"), "[tls-port 0]");

    let options = authority.options("server", port);
    let mut words =
        vec!["CONFIG".to_owned(), "SET".to_owned(), "tls-auth-clients".to_owned(), "no".to_owned()];
    words.extend(options.iter().map(|word| word.trim_start_matches("--").to_owned()));
    let mut client = server.client();
    assert_eq!(harness::client::show(&client.call(&words)), "OK");
    let mut before = authority.connect(port, None);
    assert!(before.is_let_in());
    assert!(client.run("CONFIG SET tls-key-file /nowhere").starts_with("-ERR CONFIG SET failed"));
    assert!(client.run("CONFIG SET tls-protocols SSLv3").starts_with("-ERR CONFIG SET failed"));
    assert_eq!(client.run("CONFIG SET tls-protocols TLSv1.2"), "OK");
    let mut old = authority.connect(port, None);
    assert!(old.is_let_in());
    assert_eq!(old.0.conn.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_2));

    // A renewed certificate is found. Connections that stand stay.
    assert_eq!(client.run("CONFIG SET tls-auto-reload-interval 1"), "OK");
    authority.sign("server");
    let renewed = authority.certificate("server");
    wait("the new certificate is shown", || {
        let mut client = authority.connect(port, None);
        client.is_let_in() && client.0.conn.peer_certificates().unwrap()[0] == renewed
    });
    assert!(before.is_let_in());

    assert_eq!(client.run("CONFIG SET tls-port 0"), "OK");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(before.is_let_in());
}

#[test]
fn a_start_without_what_it_needs() {
    let authority = Authority::new();
    authority.sign("server");
    let port = free_port();
    let fails = |changed: &[&str], expected: &str| {
        let launch = Server::tandem().args(&authority.options("server", port)).args(changed);
        let failure = launch.fail();
        assert_eq!(failure.status.code(), Some(1));
        assert!(failure.log.contains(expected), "{}", failure.log);
    };
    fails(&["--tls-cert-file", ""], "tls-cert-file must be configured");
    fails(&["--tls-key-file", "nowhere.key"], "Failed to load private key nowhere.key: No such file");
    fails(&["--tls-ca-cert-file", ""], "tls-ca-cert-dir");
    let key = authority.path("ca.crt");
    fails(&["--tls-key-file", key.to_str().unwrap()], "Failed to load private key");
}

/// One that speaks TLS to its master.
fn secure(launch: Launch, authority: &Authority) -> (Launch, u16) {
    let port = free_port();
    (launch.args(&authority.options("server", port)).args(&["--tls-replication", "yes"]), port)
}

/// A master and a replica, of two kinds; the link is cut and heals.
fn follow(authority: &Authority, master: Launch, replica: Launch) {
    let (master, port) = secure(master, authority);
    let master = master.start();
    change_everything(&master);
    fill_collections(&master);
    let relay = Relay::to(port);
    let (replica, replicas_port) = secure(replica, authority);
    let replica = replica.follow_port(relay.port()).start();
    replica.assert_same_data_as(&master);
    let slave = master.client().info("replication")["slave0"].clone();
    assert!(slave.contains(&format!("port={replicas_port},")), "{slave}");
    change_everything(&master);
    // A Redis 8 that is cut off in the middle of a FLUSHALL forgets where it was.
    replica.wait_for_offset_of(&master);
    relay.cut();
    wait_eq("down", || replica.info("master_link_status"));
    change_everything(&master);
    relay.heal();
    replica.assert_same_data_as(&master);
    assert_eq!(master.count("sync_full"), 1);
}

fn tandem() -> Launch {
    Server::tandem().unsaved()
}

fn with_peer(program: Option<PathBuf>) {
    let Some(program) = program else { return };
    let peer = || peer(&program);
    let authority = Authority::new();
    authority.sign("server");
    follow(&authority, tandem(), peer());
    follow(&authority, peer(), tandem());
}

fn peer(program: &Path) -> Launch {
    Server::peer(program).unsaved()
}

#[test]
fn replication_between_our_own() {
    let authority = Authority::new();
    authority.sign("server");
    follow(&authority, tandem(), tandem());
    // Through a file as well.
    let disk = ["--repl-diskless-sync", "no"];
    follow(&authority, tandem().args(&disk), tandem());
}

#[test]
fn replication_with_redis() {
    with_peer(peers::redis_server());
}

#[test]
fn replication_with_redis_8() {
    with_peer(peers::redis8_server());
}

#[test]
fn replication_with_valkey() {
    with_peer(peers::valkey_server());
}

/// A full synchronisation over two connections, both of which speak TLS: the stream flows while the snapshot is on its way.
fn beside(authority: &Authority, master: Launch, replica: Launch, [setting, state]: [&str; 2]) {
    let debug = [setting, "yes", "--enable-debug-command", "yes"];
    let (master, port) = secure(master.args(&debug), authority);
    let master = master.start();
    master.ok(&["DEBUG POPULATE 1000 key 100", "CONFIG SET rdb-key-save-delay 2000"]);
    let (replica, _) = secure(replica.args(&debug), authority);
    let replica = replica.follow_port(port).start();
    wait("the stream flows beside the payload", || master.run("INFO replication").contains(state));
    master.ok(&["SET beside 1", "CONFIG SET rdb-key-save-delay 0"]);
    replica.assert_same_data_as(&master);
    assert_eq!((replica.run("GET beside"), master.count("sync_full")), ("1".to_owned(), 1));
}

#[test]
fn two_connections() {
    let authority = Authority::new();
    authority.sign("server");
    let redis = ["--repl-rdb-channel", "send_bulk_and_stream"];
    let valkey = ["--dual-channel-replication-enabled", "bg_transfer"];
    for (form, program) in [(redis, peers::redis8_server()), (valkey, peers::valkey_server())] {
        beside(&authority, tandem(), tandem(), form);
        let Some(program) = program else { continue };
        beside(&authority, tandem(), peer(&program), form);
        beside(&authority, peer(&program), tandem(), form);
    }
}

#[test]
fn a_master_that_nobody_vouches_for() {
    let (authority, others) = (Authority::new(), Authority::new());
    authority.sign("server");
    others.sign("server");
    let (master, port) = secure(tandem(), &others);
    let master = master.start();
    let (replica, _) = secure(tandem(), &authority);
    let replica = replica.follow_port(port).start();
    wait("the replica says why it does not follow", || replica.log().contains("invalid peer certificate"));
    assert_eq!(replica.info("master_link_status"), "down");
    assert_eq!(master.info("connected_slaves"), "0");
}

#[test]
fn keys_with_a_pass_phrase() {
    let authority = Authority::new();
    authority.sign("server");
    let encrypted = authority.path("encrypted.key");
    let made = std::process::Command::new("openssl")
        .args(["pkcs8", "-topk8", "-passout", "pass:secret", "-in"])
        .arg(authority.path("server.key"))
        .arg("-out")
        .arg(&encrypted)
        .output();
    if !made.is_ok_and(|output| output.status.success()) {
        return peers::skipped("openssl");
    }
    let port = free_port();
    let key = ["--tls-key-file", encrypted.to_str().unwrap(), "--tls-auth-clients", "no"];
    let launch = || Server::tandem().args(&authority.options("server", port)).args(&key);
    let _server = launch().args(&["--tls-key-file-pass", "secret"]).start();
    assert!(authority.connect(port, None).is_let_in());
    assert!(launch().fail().log.contains("no pass phrase is configured"));
    let failure = launch().args(&["--tls-key-file-pass", "wrong"]).fail();
    assert!(failure.log.contains("Failed to load private key"), "{}", failure.log);
}
