//! Faults of a real network: lost packets, links that are cut and heal, a replica that stands still, many that come at once.
//!
//! Each runs in a network namespace of its own, which holds nothing but a loopback device and goes away with the test. The link
//! between master and replicas is the address 127.0.0.2, so that a firewall rule hits it and nothing else.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use harness::client::Client;
use harness::launch::Launch;
use harness::peers::skipped;
use harness::process::Server;
use harness::wait::{wait, wait_eq, wait_some_for};

/// Where replicas find their master.
const LINK: &str = "127.0.0.2";
/// Waiting for retransmissions takes longer than anything else in these tests.
const LONG: Duration = Duration::from_secs(90);

/// Set for the run of a test inside of its namespace.
const INSIDE: &str = "TANDEM_TEST_IN_NAMESPACE";

/// Runs a test of this file once more, in a namespace, if the system allows that. There it carries on.
fn in_a_namespace(test: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let program = std::env::current_exe().expect("a running program has a path");
    let probe = "ip link set lo up && iptables -A INPUT -s 127.9.9.9 -m statistic --mode random --probability 0.5 -j DROP";
    let allowed = unshare().args(["sh", "-c", probe]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        return skipped("right to make a network namespace with a firewall (unshare, ip, iptables)");
    }
    let output = unshare()
        .args(["sh", "-c", "ip link set lo up && exec \"$@\"", "sh"])
        .arg(program)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare has just run");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    print!("{text}");
}

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    // Who is not root becomes it inside.
    command.args(["--net", "--map-root-user"]);
    command
}

/// A rule of the firewall, in both directions of the link, until it is dropped.
struct Rule(Vec<String>);

impl Rule {
    fn drop_share(share: &str) -> Rule {
        Rule::add(&["-m", "statistic", "--mode", "random", "--probability", share])
    }

    fn drop_all() -> Rule {
        Rule::add(&[])
    }

    fn add(what: &[&str]) -> Rule {
        let rule = Rule(what.iter().map(|&word| word.to_owned()).collect());
        rule.run("-A");
        rule
    }

    fn run(&self, how: &str) {
        for side in ["-d", "-s"] {
            let status = Command::new("iptables")
                .args([how, "INPUT", side, LINK])
                .args(&self.0)
                .args(["-j", "DROP"])
                .status()
                .expect("iptables runs");
            assert!(status.success(), "iptables {how}");
        }
    }
}

impl Drop for Rule {
    fn drop(&mut self) {
        self.run("-D");
    }
}

/// Short times, so that what takes minutes elsewhere takes seconds.
fn quick() -> Launch {
    Server::tandem().unsaved().args(&["--repl-timeout", "4", "--repl-backlog-size", "64mb"])
}

fn master() -> Server {
    // Whoever comes from an address of the link is local, too.
    quick().args(&["--bind", "127.0.0.1", LINK]).start()
}

fn replica(master: &Server) -> Server {
    quick().args(&["--slaveof", LINK, &master.port().to_string()]).start()
}

/// Somebody who writes all the time, so many commands a second.
struct Writer {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    fn start(server: &Server, a_second: u64) -> Writer {
        const BATCH: u64 = 100;
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut client = server.client();
        let thread = std::thread::spawn({
            let (stop, written) = (stop.clone(), written.clone());
            move || {
                let mut turn: u64 = 0;
                let mut next = Instant::now();
                while !stop.load(Ordering::Relaxed) {
                    for _ in 0..BATCH {
                        turn += 1;
                        let key = format!("key:{}", turn.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 50_000);
                        match turn % 4 {
                            0 => client.send(&["INCR", &format!("n:{key}")]),
                            1 => client.send(&["SET", &key, &"v".repeat((turn % 200) as usize)]),
                            2 => client.send(&["RPUSH", &format!("l:{}", turn % 100), &turn.to_string()]),
                            _ => client.send(&["HSET", &format!("h:{}", turn % 100), &key, "x"]),
                        }
                    }
                    for _ in 0..BATCH {
                        client.receive();
                    }
                    written.fetch_add(BATCH, Ordering::Relaxed);
                    next += Duration::from_micros(BATCH * 1_000_000 / a_second);
                    // The pace of the load; nothing is waited for.
                    std::thread::sleep(next.saturating_duration_since(Instant::now()));
                }
            }
        });
        Writer { stop, written, thread: Some(thread) }
    }

    fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Waits until so many more commands have been written.
    fn write(&self, more: u64) {
        let goal = self.written() + more;
        wait_some_for(LONG, "the writer goes on", || (self.written() >= goal).then_some(()));
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn info(server: &Server) -> BTreeMap<String, String> {
    Client::connect(server.port()).info("replication")
}

fn wait_for_links(replicas: &[Server]) {
    for replica in replicas {
        wait_some_for(LONG, "the link comes up", || {
            (info(replica)["master_link_status"] == "up").then_some(())
        });
    }
}

/// Nobody writes any more: everybody gets everything, and all are equal.
fn assert_all_equal(master: &Server, replicas: &[Server]) {
    wait_for_links(replicas);
    let (id, offset) = master.position();
    for replica in replicas {
        wait_some_for(LONG, "the replica catches up", || {
            let (its_id, applied) = replica.position();
            (its_id == id && applied >= offset).then_some(())
        });
    }
    let digest = master.run("DEBUG DIGEST");
    for replica in replicas {
        assert_eq!(replica.run("DEBUG DIGEST"), digest);
    }
}

#[test]
fn packets_are_lost() {
    in_a_namespace("packets_are_lost", one_packet_in_twenty_is_lost);
}

fn one_packet_in_twenty_is_lost() {
    let master = master();
    let writer = Writer::start(&master, 3000);
    writer.write(10_000);
    let loss = Rule::drop_share("0.05");
    let replicas: Vec<Server> = (0..2).map(|_| replica(&master)).collect();
    wait_for_links(&replicas);
    writer.write(20_000);
    drop(writer);
    assert_all_equal(&master, &replicas);
    drop(loss);
}

#[test]
fn a_link_is_cut() {
    in_a_namespace("a_link_is_cut", a_cut_link_heals);
}

fn a_cut_link_heals() {
    let master = master();
    let replicas = [replica(&master)];
    wait_for_links(&replicas);
    let writer = Writer::start(&master, 3000);
    for round in 1..=2 {
        let cut = Rule::drop_all();
        // Both ends notice by themselves that nothing comes any more.
        wait_some_for(LONG, "the replica gives the link up", || {
            (info(&replicas[0])["master_link_status"] == "down").then_some(())
        });
        wait_some_for(LONG, "the master gives the replica up", || {
            (info(&master)["connected_slaves"] == "0").then_some(())
        });
        drop(cut);
        wait_for_links(&replicas);
        wait_eq(&round.to_string(), || master.info("sync_partial_ok"));
    }
    drop(writer);
    assert_all_equal(&master, &replicas);
    assert_eq!(master.count("sync_full"), 1);
}

#[test]
fn a_replica_stands_still() {
    in_a_namespace("a_replica_stands_still", a_replica_is_stopped_for_longer_than_its_master_waits);
}

fn a_replica_is_stopped_for_longer_than_its_master_waits() {
    let master = master();
    let replicas = [replica(&master), replica(&master)];
    wait_for_links(&replicas);
    let writer = Writer::start(&master, 3000);
    writer.write(3000);
    replicas[0].freeze();
    wait_some_for(LONG, "the master gives it up", || {
        (info(&master)["connected_slaves"] == "1").then_some(())
    });
    replicas[0].thaw();
    wait_for_links(&replicas);
    wait_eq("1", || master.info("sync_partial_ok"));
    drop(writer);
    assert_all_equal(&master, &replicas);
    assert_eq!(master.count("sync_full"), 2);
}

#[test]
fn many_come_at_once() {
    in_a_namespace("many_come_at_once", ten_replicas_join_under_load);
}

fn ten_replicas_join_under_load() {
    let master = quick()
        .args(&["--bind", "127.0.0.1", LINK, "--repl-timeout", "60", "--repl-diskless-sync-delay", "3"])
        .args(&["--repl-diskless-sync-max-replicas", "10"])
        .start();
    let writer = Writer::start(&master, 20_000);
    writer.write(100_000);
    let before = master.count("used_memory");
    let replicas: Vec<Server> = (0..10)
        .map(|_| {
            let launch = quick().args(&["--repl-timeout", "60"]);
            launch.args(&["--slaveof", LINK, &master.port().to_string()]).start()
        })
        .collect();
    let mut peak = before;
    wait("all links are up", || {
        peak = peak.max(master.count("used_memory"));
        replicas.iter().all(|replica| info(replica)["master_link_status"] == "up")
    });
    let (written, kept) = (writer.written(), master.count("mem_total_replication_buffers"));
    drop(writer);
    assert_all_equal(&master, &replicas);
    assert_eq!(master.log().matches("Starting a snapshot for").count(), 1, "one serialisation for all");
    assert_eq!(master.count("sync_full"), 10);
    // The log is kept once, not once a replica: what is beyond that and the data is windows and buffers.
    let grown = peak.saturating_sub(before);
    assert!(grown < kept + 100 * 1024 * 1024, "{grown} bytes more, of which the log has {kept}");
    println!("{written} commands, {grown} bytes more at the most, the log held {kept}");
}
