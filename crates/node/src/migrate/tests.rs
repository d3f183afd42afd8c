//! Two instances whose only wire is this file.

use smallvec::SmallVec;

use crate::action::{Action, ConnId};
use crate::session::Peer;
use crate::testing::Fixture;

/// A connection that one instance has asked for and another has accepted.
struct Wire {
    near: ConnId,
    far: ConnId,
}

struct Pair {
    source: Fixture,
    target: Fixture,
    wires: Vec<Wire>,
    /// Bytes that the source has sent.
    sent: Vec<u8>,
}

fn words(text: &str) -> Vec<&str> {
    text.split(' ').map(|word| if word == "''" { "" } else { word }).collect()
}

impl Pair {
    fn new() -> Pair {
        let (mut source, mut target) = (Fixture::new(), Fixture::new());
        source.actions();
        target.actions();
        Pair { source, target, wires: Vec::new(), sent: Vec::new() }
    }

    /// Carries out what the source has asked for: connections come about.
    fn connect(&mut self) {
        for action in self.source.actions() {
            match action {
                Action::Connect { conn, .. } => {
                    let far = self.target.client();
                    self.wires.push(Wire { near: conn, far });
                    self.source.node.connected(self.source.now, conn, Ok(Peer::default()));
                }
                Action::Close(conn) => {
                    if let Some(at) = self.wires.iter().position(|wire| wire.near == conn) {
                        let wire = self.wires.swap_remove(at);
                        self.target.eof(wire.far);
                    }
                }
                _ => {}
            }
        }
    }

    /// Moves what the source has to say to the target, and hands back what that answers, so many bytes at a time.
    fn pump(&mut self, step: usize) {
        loop {
            self.connect();
            let mut moved = false;
            for Wire { near, far } in &self.wires {
                let mut slices = SmallVec::new();
                self.source.node.output(*near, &mut slices);
                let bytes = slices.concat();
                drop(slices);
                for bytes in bytes.chunks(step) {
                    self.source.node.written(self.source.now, *near, bytes.len());
                    self.target.node.input(self.target.now, *far, bytes);
                    self.sent.extend_from_slice(bytes);
                    moved = true;
                }
                let reply = self.target.read_from(*far);
                for bytes in reply.as_bytes().chunks(step) {
                    self.source.node.input(self.source.now, *near, bytes);
                    moved = true;
                }
            }
            if !moved {
                return;
            }
        }
    }

    /// A request of the source's first client, carried out to its end.
    fn run(&mut self, text: &str) -> String {
        self.source.input(self.source.conn, &words(text));
        self.pump(7);
        self.source.read()
    }

    fn target(&mut self, text: &str) -> String {
        self.target.run(&words(text))
    }

    fn cached(&mut self) -> String {
        let info = self.source.run(&["INFO", "stats"]);
        let line = info.lines().find(|line| line.starts_with("migrate_cached_sockets")).expect("the line");
        line.to_owned()
    }
}

const OK: &str = "+OK\r\n";

#[test]
fn a_key_goes_over_with_its_expiry() {
    let mut pair = Pair::new();
    pair.run("SET k v PX 10000");
    pair.run("RPUSH l a b c");
    assert_eq!(pair.run("MIGRATE 10.0.0.9 7000 k 0 1000"), OK);
    assert_eq!(pair.run("EXISTS k"), ":0\r\n");
    assert_eq!(pair.target("GET k"), "$1\r\nv\r\n");
    assert_eq!(pair.target("PTTL k"), ":10000\r\n");
    assert_eq!(pair.cached(), "migrate_cached_sockets:1");
    // The same connection serves again; what is selected there is known.
    let before = pair.sent.len();
    assert_eq!(pair.run("MIGRATE 10.0.0.9 7000 l 0 1000 COPY"), OK);
    assert!(!pair.sent[before..].windows(6).any(|bytes| bytes == b"SELECT"));
    assert_eq!(pair.wires.len(), 1);
    assert_eq!(pair.run("LRANGE l 0 -1"), pair.target("LRANGE l 0 -1"));
    assert_eq!(pair.run("MIGRATE 10.0.0.9 7000 l 3 1000"), OK);
    assert_eq!((pair.run("EXISTS l"), pair.target("SELECT 3")), (":0\r\n".into(), OK.into()));
    assert_eq!(pair.target("LLEN l"), ":3\r\n");
    assert_eq!(pair.run("MIGRATE 10.0.0.9 7000 l 3 1000"), "+NOKEY\r\n");
    pair.source.advance_ms(10_001);
    assert_eq!(pair.cached(), "migrate_cached_sockets:0");
}

#[test]
fn what_the_target_refuses_stays() {
    let mut pair = Pair::new();
    pair.run("MSET a 1 b 2 c 3");
    pair.target("SET b other");
    let busy = "-ERR Target instance replied with error: BUSYKEY Target key name already exists.\r\n";
    assert_eq!(pair.run("MIGRATE h 1 '' 0 1000 KEYS a none b c"), busy);
    assert_eq!(pair.run("EXISTS a b c"), ":1\r\n");
    assert_eq!(pair.target("MGET a b c"), "*3\r\n$1\r\n1\r\n$5\r\nother\r\n$1\r\n3\r\n");
    assert_eq!(pair.run("MIGRATE h 1 '' 0 1000 REPLACE KEYS a none b c"), OK);
    assert_eq!(pair.target("GET b"), "$1\r\n2\r\n");
    pair.run("SET d 1");
    let range = "-ERR Target instance replied with error: ERR DB index is out of range\r\n";
    assert_eq!(pair.run("MIGRATE h 1 d 99 1000"), range);
    assert_eq!(pair.run("MIGRATE h 1 d 0 1000 AUTH2 nobody x").split(' ').nth(6), Some("WRONGPASS"));
    // Since nobody knows what is selected after an error, it is said anew.
    assert_eq!(pair.run("MIGRATE h 1 d 0 1000 REPLACE"), OK);
    assert_eq!(pair.target("GET d"), "$1\r\n1\r\n");
}

#[test]
fn one_deletion_is_logged_for_all_that_arrived() {
    let mut pair = Pair::new();
    pair.source.begin_logging();
    pair.run("MSET a 1 b 2 c 3");
    pair.target("SET b other");
    let before = pair.source.log_end();
    pair.run("MIGRATE h 1 '' 0 1000 KEYS a b c");
    assert_eq!(pair.source.log_from(before), "*3 $3 DEL $1 a $1 c ");
}

#[test]
fn writes_wait_for_keys_on_their_way() {
    let mut pair = Pair::new();
    pair.run("MSET a 1 b 2");
    pair.source.input(pair.source.conn, &words("MIGRATE h 1 a 0 1000"));
    let other = pair.source.client();
    assert_eq!(pair.source.run_on(other, &words("GET a")), "$1\r\n1\r\n", "reads do not");
    assert_eq!(pair.source.run_on(other, &words("INCR b")), ":3\r\n");
    assert_eq!(pair.source.run_on(other, &words("INCR a")), "");
    let third = pair.source.client();
    assert_eq!(pair.source.run_on(third, &words("MULTI")), OK);
    assert_eq!(pair.source.run_on(third, &words("INCR a")), "+QUEUED\r\n");
    assert_eq!(pair.source.run_on(third, &words("EXEC")), "");
    let fourth = pair.source.client();
    assert_eq!(pair.source.run_on(fourth, &words("FLUSHALL")), "", "it may concern any key");
    pair.source.eof(fourth);
    pair.pump(1000);
    assert_eq!(pair.source.read(), OK);
    assert_eq!(pair.source.read_from(other), ":1\r\n", "it began anew");
    assert_eq!(pair.source.read_from(third), "*1\r\n:2\r\n");
    assert_eq!(pair.target("GET a"), "$1\r\n1\r\n");
    assert_eq!(pair.run("GET a"), "$1\r\n2\r\n");
    assert_eq!(pair.run("MULTI"), OK);
    assert!(pair.run("MIGRATE h 1 a 0 1000").starts_with("-ERR Command 'migrate' not allowed"));
}

#[test]
fn a_key_that_changes_all_the_same_stays() {
    let mut pair = Pair::new();
    let waiting = pair.source.client();
    pair.run("RPUSH d x");
    // Served by somebody else's write, which names another key.
    pair.source.run_on(waiting, &words("BLMOVE s d LEFT RIGHT 0"));
    pair.source.input(pair.source.conn, &words("MIGRATE h 1 d 0 1000"));
    let other = pair.source.client();
    assert_eq!(pair.source.run_on(other, &words("RPUSH s y")), ":1\r\n");
    pair.pump(1000);
    assert!(pair.source.read().starts_with("-ERR A key was changed"));
    assert_eq!(pair.run("LRANGE d 0 -1"), "*2\r\n$1\r\nx\r\n$1\r\ny\r\n");
}

#[test]
fn silence_and_refusal_end_it() {
    let mut pair = Pair::new();
    pair.run("SET k v");
    pair.source.input(pair.source.conn, &words("MIGRATE h 1 k 0 500"));
    pair.source.advance_ms(501);
    assert_eq!(pair.source.read(), "-IOERR error or timeout connecting to the client\r\n");
    pair.source.input(pair.source.conn, &words("MIGRATE h 1 k 0 500"));
    let asked = pair.source.actions().into_iter().filter_map(|action| match action {
        Action::Connect { conn, .. } => Some(conn),
        _ => None,
    });
    let conn = asked.last().expect("a connection is asked for");
    pair.source.node.connected(pair.source.now, conn, Err("refused".into()));
    assert_eq!(pair.source.read(), "-IOERR error or timeout connecting to the client\r\n");
    // A target that takes everything and says nothing.
    pair.source.input(pair.source.conn, &words("MIGRATE h 1 k 0 500"));
    pair.connect();
    let near = pair.wires[0].near;
    let mut slices = SmallVec::new();
    pair.source.node.output(near, &mut slices);
    let len = slices.concat().len();
    drop(slices);
    pair.source.advance_ms(300);
    assert_eq!(pair.source.read(), "");
    pair.source.node.written(pair.source.now, near, len);
    pair.source.advance_ms(300);
    assert_eq!(pair.source.read(), "", "something has happened meanwhile");
    pair.source.advance_ms(300);
    assert_eq!(pair.source.read(), "-IOERR error or timeout reading to target instance\r\n");
    assert_eq!(pair.run("GET k"), "$1\r\nv\r\n");
    // Nonsense is no answer.
    pair.source.input(pair.source.conn, &words("MIGRATE h 1 k 0 500"));
    pair.connect();
    let near = pair.wires[0].near;
    pair.source.node.input(pair.source.now, near, b"?\r\n");
    assert!(pair.source.read().starts_with("-IOERR"));
    assert_eq!(pair.cached(), "migrate_cached_sockets:0");
}

#[test]
fn a_connection_that_had_died_is_replaced() {
    let mut pair = Pair::new();
    pair.run("MSET a 1 b 2");
    assert_eq!(pair.run("MIGRATE h 1 a 0 1000"), OK);
    let wire = pair.wires.pop().expect("one is kept");
    pair.source.input(pair.source.conn, &words("MIGRATE h 1 b 0 1000"));
    pair.source.eof(wire.near);
    pair.pump(1000);
    assert_eq!(pair.source.read(), OK);
    assert_eq!(pair.target("GET b"), "$1\r\n2\r\n");
    // A new one that dies is an error.
    pair.run("SET c 3");
    let wire = pair.wires.pop().expect("one is kept");
    pair.source.eof(wire.near);
    pair.source.input(pair.source.conn, &words("MIGRATE h 1 c 0 1000"));
    pair.connect();
    let wire = pair.wires.pop().expect("a new one");
    pair.source.eof(wire.near);
    assert!(pair.source.read().starts_with("-IOERR"));
    assert_eq!(pair.run("EXISTS c"), ":1\r\n");
}

#[test]
fn a_change_of_role_ends_it() {
    let mut pair = Pair::new();
    pair.run("SET k v");
    let client = pair.source.client();
    pair.source.input(client, &words("MIGRATE h 1 k 0 1000"));
    pair.connect();
    assert_eq!(pair.source.run(&words("REPLICAOF 10.0.0.1 7000")), OK);
    pair.source.advance_ms(1);
    assert!(pair.source.read_from(client).starts_with("-UNBLOCKED"));
    assert_eq!(pair.source.run(&words("EXISTS k")), ":1\r\n");
}

#[test]
fn many_and_large_keys_go_in_pieces() {
    let mut pair = Pair::new();
    // Text that does not become shorter.
    let mut rng = fastrand::Rng::with_seed(1);
    let large: String = (0..700_000).map(|_| rng.alphanumeric()).collect();
    for key in 0..8 {
        pair.source.run(&["SET", &format!("k{key}"), &large]);
    }
    let names: Vec<String> = (0..8).map(|key| format!("k{key}")).collect();
    let text = format!("MIGRATE h 1 '' 0 1000 KEYS {}", names.join(" "));
    pair.source.input(pair.source.conn, &words(&text));
    pair.connect();
    let near = pair.wires[0].near;
    // SELECT is answered first.
    pair.source.node.written(pair.source.now, near, b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n".len());
    pair.source.node.input(pair.source.now, near, OK.as_bytes());
    let mut slices = SmallVec::new();
    pair.source.node.output(near, &mut slices);
    let ahead = slices.concat().len();
    drop(slices);
    assert!((700_000..2_000_000).contains(&ahead), "{ahead} bytes wait to be sent");
    pair.pump(100_000);
    assert_eq!(pair.source.read(), OK);
    assert_eq!(pair.target("DBSIZE"), ":8\r\n");
    assert_eq!(pair.target("STRLEN k7"), ":700000\r\n");
    assert_eq!(pair.run("DBSIZE"), ":0\r\n");
}

#[test]
fn a_client_that_leaves_does_not_stop_it() {
    let mut pair = Pair::new();
    pair.run("SET k v");
    let client = pair.source.client();
    pair.source.input(client, &words("MIGRATE h 1 k 0 1000"));
    pair.source.eof(client);
    pair.pump(1000);
    assert_eq!(pair.run("EXISTS k"), ":0\r\n");
    assert_eq!(pair.target("GET k"), "$1\r\nv\r\n");
}

#[test]
fn keys_do_not_leave_under_a_script() {
    let mut pair = Pair::new();
    pair.source = Fixture::boot(
        &["--busy-reply-threshold", "1"],
        crate::node::Boot { clock_ns: restless, ..crate::node::Boot::default() },
    );
    pair.source.actions();
    // What goes first has connected and selected the database.
    pair.source.run(&["MSET", "first", "1", "k", "v"]);
    assert_eq!(pair.run("MIGRATE 10.0.0.2 6379 first 0 5000"), OK);
    let caller = pair.source.client();
    pair.source.input(pair.source.conn, &words("MIGRATE 10.0.0.2 6379 k 0 5000"));
    let code = "local a = redis.call('get', 'k') for i = 1, 3e7 do end return {a, redis.call('get', 'k')}";
    assert_eq!(pair.source.run_on(caller, &["EVAL", code, "0"]), "", "it is parked");
    pair.pump(7);
    assert_eq!(pair.target("GET k"), "$1\r\nv\r\n", "the target has it");
    assert_eq!(pair.source.read(), "", "MIGRATE waits for the script");
    for _ in 0..1000 {
        pair.source.advance_ms(1);
    }
    assert_eq!(pair.source.read_from(caller), "*2\r\n$1\r\nv\r\n$1\r\nv\r\n");
    pair.pump(7);
    assert_eq!(pair.source.read(), "+OK\r\n");
    assert_eq!(pair.source.run(&["EXISTS", "k"]), ":0\r\n");
}

thread_local! {
    static CLOCK: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// A clock that goes on by a millisecond whenever it is read.
fn restless() -> u64 {
    CLOCK.with(|clock| {
        clock.set(clock.get() + 1_000_000);
        clock.get()
    })
}
