//! Under real Sentinels: a master that dies, and masters that are asked to make room.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use harness::client::Client;
use harness::launch::Launch;
use harness::peers::{redis_server, skipped, valkey_server};
use harness::process::Server;
use harness::wait::wait_some_for;

/// A Sentinel looks every few seconds, so things take longer than elsewhere.
const LONG: Duration = Duration::from_secs(60);

fn wait_long(what: &str, mut look: impl FnMut() -> bool) {
    wait_some_for(LONG, what, || look().then_some(()));
}

/// INFO replication, unless a Sentinel cuts the connection off: it does so with all clients of an instance whose role it changes.
fn replication(server: &Server) -> Option<BTreeMap<String, String>> {
    let mut client = Client::try_connect(server.port()).ok()?;
    client.send_raw(b"INFO replication\r\n").ok()?;
    let reply = client.try_receive().ok()?;
    let text = String::from_utf8_lossy(reply.as_bytes()?).into_owned();
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    Some(fields.map(|(field, value)| (field.to_owned(), value.to_owned())).collect())
}

fn has(server: &Server, expected: &[(&str, &str)]) -> bool {
    replication(server).is_some_and(|info| {
        expected.iter().all(|&(field, value)| info.get(field).is_some_and(|found| found == value))
    })
}

/// One Tandem master, two replicas of it, three Sentinels that watch them.
struct Watched {
    instances: Vec<Server>,
    sentinels: Vec<Server>,
}

impl Watched {
    fn start(program: &Path) -> Watched {
        let tandem = || Server::tandem().args(&["--save", "3600 1000000"]);
        let master = tandem().start();
        let replicas = [tandem().follow(&master).start(), tandem().follow(&master).start()];
        replicas.iter().for_each(Server::wait_for_link);
        master.ok(&["SET shared 1"]);
        let text = format!(
            "sentinel monitor watched 127.0.0.1 {} 2\nsentinel down-after-milliseconds watched 1500\n\
             sentinel failover-timeout watched 10000\nsentinel parallel-syncs watched 2\n",
            master.port()
        );
        let sentinel =
            || Launch::bare(program).config_file("sentinel.conf", &text).args(&["--sentinel"]).start();
        let watched = Watched {
            instances: [master].into_iter().chain(replicas).collect(),
            sentinels: (0..3).map(|_| sentinel()).collect(),
        };
        wait_long("the sentinels know everybody", || {
            watched.sentinels.iter().all(|sentinel| {
                let seen = sentinel.run("SENTINEL MASTER watched");
                seen.contains("num-slaves 2 ") && seen.contains("num-other-sentinels 2 ")
            })
        });
        // A Sentinel asks for votes once: those to whom it has no connection yet never hear of it.
        wait_long("the sentinels are connected to each other", || {
            watched.sentinels.iter().all(|sentinel| {
                let others = sentinel.run("SENTINEL SENTINELS watched");
                others.matches(" flags sentinel ").count() == 2
            })
        });
        watched
    }

    /// Which of the instances that run is the master, once there is one other than `not` and all Sentinels say so.
    fn wait_for_master(&self, not: usize) -> usize {
        wait_some_for(LONG, "another instance becomes the master", || {
            let is_master = |index: &usize| {
                let port = self.instances[*index].port();
                let address = format!("[127.0.0.1 {port}]");
                self.sentinels
                    .iter()
                    .all(|sentinel| sentinel.run("SENTINEL GET-MASTER-ADDR-BY-NAME watched") == address)
                    && has(&self.instances[*index], &[("role", "master")])
            };
            (0..self.instances.len()).filter(|&index| index != not).find(is_master)
        })
    }

    /// Waits until these, the master aside, follow it, and compares data.
    fn assert_all_follow(&self, all: &[usize], master: usize) {
        let port = self.instances[master].port().to_string();
        for &index in all.iter().filter(|&&index| index != master) {
            let instance = &self.instances[index];
            wait_long(&format!("instance {index} follows the new master"), || {
                has(instance, &[("role", "slave"), ("master_port", &port), ("master_link_status", "up")])
            });
            instance.assert_same_data_as(&self.instances[master]);
        }
    }

    /// Asks a Sentinel for a failover until it is willing.
    fn ask(&self, request: &str) {
        let mut answer = String::new();
        wait_long(&format!("{request} is accepted"), || {
            answer = self.sentinels[0].run(request);
            answer == "OK"
        });
    }
}

fn full_syncs(server: &Server) -> u64 {
    server.count("sync_full")
}

/// The master is killed and comes back.
fn a_master_dies(program: &Path) {
    let mut watched = Watched::start(program);
    assert_eq!(watched.instances[0].run("SAVE"), "OK");
    watched.instances[0].ok(&["SET after-the-dump 1"]);
    for replica in &watched.instances[1..] {
        replica.wait_for_offset_of(&watched.instances[0]);
    }
    watched.instances[0].kill();
    let master = wait_some_for(LONG, "a replica is promoted", || {
        (1..3).find(|&index| has(&watched.instances[index], &[("role", "master")]))
    });
    watched.instances[master].ok(&["SET by-the-new-master 1"]);
    // Not before the other replica has moved: it would take up the history of the old master, who comes back as one.
    watched.assert_all_follow(&[1, 2], master);
    watched.instances[0].start_again();
    watched.assert_all_follow(&[0, 1, 2], master);
    let new = &watched.instances[master];
    assert_eq!(full_syncs(new), 0, "{}", new.run("REPLICATION WHY 4"));
    assert_eq!(watched.instances[0].run("MGET shared after-the-dump by-the-new-master"), "[1 1 1]");
}

/// A Sentinel is asked to put another in the master's place, which may cost so many full synchronisations.
fn a_master_makes_room(program: &Path, request: &str, allowed: u64) {
    let watched = Watched::start(program);
    let before = full_syncs(&watched.instances[0]);
    watched.ask(request);
    let master = watched.wait_for_master(0);
    watched.instances[master].ok(&["SET by-the-new-master 1"]);
    watched.assert_all_follow(&[0, 1, 2], master);
    assert_eq!(full_syncs(&watched.instances[0]), before);
    let new = &watched.instances[master];
    assert!(full_syncs(new) <= allowed, "{}", new.run("REPLICATION WHY 4"));
}

#[test]
fn redis_sentinels_replace_a_master_that_dies() {
    match redis_server() {
        Some(program) => a_master_dies(&program),
        None => skipped("redis-server --sentinel"),
    }
}

#[test]
fn valkey_sentinels_replace_a_master_that_dies() {
    match valkey_server() {
        Some(program) => a_master_dies(&program),
        None => skipped("valkey-server --sentinel"),
    }
}

#[test]
fn a_redis_sentinel_is_asked_for_a_failover() {
    match redis_server() {
        // The old master is told some seconds later. Until then it goes on, with pings and the Sentinels' messages, and with the other
        // replica.
        Some(program) => a_master_makes_room(&program, "SENTINEL FAILOVER watched", 0),
        None => skipped("redis-server --sentinel"),
    }
}

#[test]
fn a_valkey_sentinel_is_asked_for_a_coordinated_failover() {
    match valkey_server() {
        Some(program) => a_master_makes_room(&program, "SENTINEL FAILOVER watched COORDINATED", 0),
        None => skipped("valkey-server --sentinel"),
    }
}
