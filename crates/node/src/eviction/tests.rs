//! Eviction in a whole node. What is in use is what this thread has allocated, to the byte.

use std::cell::Cell;

use crate::node::Boot;
use crate::testing::{Fixture, allocated_here};

thread_local! {
    static CLOCK: Cell<u64> = const { Cell::new(0) };
}

/// A clock on which each look takes a millisecond.
fn slow_clock() -> u64 {
    CLOCK.set(CLOCK.get() + 1_000_000);
    CLOCK.get()
}

fn fixture(options: &[&str]) -> Fixture {
    // A command that is called for the first time gets a histogram of its times: nothing that these tests are about.
    let options: Vec<&str> = ["--latency-tracking", "no"].iter().chain(options).copied().collect();
    Fixture::boot(&options, Boot { memory_used: allocated_here, ..Boot::default() })
}

fn logging(options: &[&str]) -> Fixture {
    let mut node = fixture(options);
    node.begin_logging();
    node
}

/// Sets the limit so far above what is in use.
fn limit(node: &mut Fixture, above: u64) -> u64 {
    let limit = node.node.counted_memory() + above;
    assert_eq!(node.run(&["CONFIG", "SET", "maxmemory", &limit.to_string()]), "+OK\r\n");
    limit
}

fn dbsize(node: &mut Fixture) -> usize {
    node.run(&["DBSIZE"])[1..].trim().parse().expect("a number")
}

fn stat(node: &mut Fixture, section: &str, name: &str) -> u64 {
    let report = node.run(&["INFO", section]);
    let line =
        report.split("\r\n").find_map(|line| line.strip_prefix(&format!("{name}:")).map(str::to_owned));
    line.unwrap_or_else(|| panic!("no {name} in {report}")).parse().expect("a number")
}

#[test]
fn every_policy_keeps_the_limit() {
    for policy in [
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
    ] {
        let mut node = fixture(&["--maxmemory-policy", policy]);
        let limit = limit(&mut node, 500_000);
        for number in 0..20_000 {
            let reply = node.run(&["SETEX", &format!("key:{number}"), "10000", "some value"]);
            assert_eq!(reply, "+OK\r\n", "{policy}");
            if number % 100 == 0 {
                let used = node.node.counted_memory();
                assert!(used < limit + 16 * 1024, "{policy}: {used} of {limit}");
            }
        }
        let (kept, evicted) = (dbsize(&mut node) as u64, stat(&mut node, "stats", "evicted_keys"));
        assert_eq!(kept + evicted, 20_000, "{policy}");
        assert!(kept > 1000 && evicted > 1000, "{policy}: {kept} and {evicted}");
    }
}

#[test]
fn volatile_policies_take_nothing_else() {
    for policy in ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", "noeviction"] {
        let mut node = fixture(&["--maxmemory-policy", policy]);
        limit(&mut node, 400_000);
        for number in 0..500 {
            node.run(&["SETEX", &format!("volatile:{number}"), "10000", "v"]);
        }
        let mut stored = 0;
        while node.run(&["SET", &format!("key:{stored}"), "v"]) == "+OK\r\n" {
            stored += 1;
            assert!(stored < 100_000, "{policy}");
        }
        let reply = node.run(&["SET", "one", "more"]);
        assert_eq!(reply, "-OOM command not allowed when used memory > 'maxmemory'.\r\n", "{policy}");
        assert_eq!(dbsize(&mut node), if policy == "noeviction" { stored + 500 } else { stored }, "{policy}");
        // What frees memory, and what reads, goes on.
        assert_eq!(node.run(&["GET", "key:0"]), "$1\r\nv\r\n");
        assert_eq!(node.run(&["DEL", "key:0"]), ":1\r\n");
        assert!(node.run(&["INFO", "errorstats"]).contains("errorstat_OOM:count=2\r\n"));
    }
}

#[test]
fn deletions_stand_before_the_command_and_outside_of_its_transaction() {
    for (lazy, name) in [("yes", "*2 $6 UNLINK $1 "), ("no", "*2 $3 DEL $1 ")] {
        let mut node = logging(&["--maxmemory-policy", "allkeys-lru", "--lazyfree-lazy-eviction", lazy]);
        for key in ["a", "b", "c"] {
            node.run(&["SET", key, "v"]);
        }
        node.run(&["MULTI"]);
        node.run(&["INCR", "x"]);
        node.run(&["CONFIG", "SET", "maxmemory", "1"]);
        node.run(&["INCR", "x"]);
        let before = node.node.replication.log.end();
        assert_eq!(node.run(&["EXEC"]), "*3\r\n:1\r\n+OK\r\n:2\r\n");
        let committed = node.log_from(before);
        assert!(committed.starts_with("*1 $5 MULTI ") && committed.ends_with("*1 $4 EXEC "), "{committed}");
        let before = node.node.replication.log.end();
        assert_eq!(
            node.run(&["SET", "y", "1"]),
            "-OOM command not allowed when used memory > 'maxmemory'.\r\n"
        );
        let evicted = node.log_from(before);
        assert_eq!(evicted.matches(name).count(), 4, "{evicted}");
        assert!(!evicted.contains("MULTI"), "{evicted}");
        assert_eq!(dbsize(&mut node), 0);
    }
}

#[test]
fn a_transaction_that_needs_memory_is_discarded() {
    let mut node = fixture(&[]);
    let other = node.client();
    node.run(&["SET", "x", "value"]);
    node.run(&["MULTI"]);
    node.run(&["GET", "x"]);
    node.run_on(other, &["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(node.run(&["EXEC"]), "*1\r\n$5\r\nvalue\r\n");
    node.run_on(other, &["CONFIG", "SET", "maxmemory", "0"]);
    node.run(&["WATCH", "x"]);
    node.run(&["MULTI"]);
    node.run(&["SET", "x", "1"]);
    node.run_on(other, &["CONFIG", "SET", "maxmemory", "1"]);
    let reply = node.run(&["EXEC"]);
    assert_eq!(
        reply,
        "-EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.\r\n"
    );
    assert_eq!(node.run(&["EXEC"]), "-ERR EXEC without MULTI\r\n", "it is over");
    assert!(node.node.watchers.is_empty());
    node.run(&["MULTI"]);
    assert!(node.run(&["SET", "x", "1"]).starts_with("-OOM "));
    assert_eq!(node.run(&["EXEC"]), "-EXECABORT Transaction discarded because of previous errors.\r\n");
    node.run(&["MULTI"]);
    assert_eq!(node.run(&["DISCARD"]), "+OK\r\n");
}

#[test]
fn eviction_breaks_watches_of_all_clients() {
    let mut node = fixture(&["--maxmemory-policy", "allkeys-random"]);
    let other = node.client();
    node.run(&["SET", "key", "v"]);
    node.run(&["WATCH", "key"]);
    node.run_on(other, &["WATCH", "key"]);
    node.run(&["CONFIG", "SET", "maxmemory", "1"]);
    node.run(&["PING"]);
    for conn in [node.conn, other] {
        node.run_on(conn, &["MULTI"]);
        node.run_on(conn, &["PING"]);
        assert_eq!(node.run_on(conn, &["EXEC"]), "*-1\r\n");
    }
}

#[test]
fn those_who_listen_hear_of_it() {
    let mut node = fixture(&["--maxmemory-policy", "allkeys-random"]);
    node.run(&["SELECT", "3"]);
    node.run(&["SET", "key", "v"]);
    let listener = node.client();
    node.run_on(listener, &["SUBSCRIBE", "__keyevent@3__:evicted"]);
    node.run(&["CONFIG", "SET", "maxmemory", "1", "notify-keyspace-events", "Ee"]);
    node.run(&["PING"]);
    let heard = node.read_from(listener);
    assert!(heard.ends_with("$22\r\n__keyevent@3__:evicted\r\n$3\r\nkey\r\n"), "{heard}");
}

#[test]
fn a_replica_leaves_it_to_its_master_until_promoted() {
    let mut node = fixture(&["--maxmemory-policy", "allkeys-lru", "--replica-read-only", "no"]);
    for number in 0..10 {
        node.run(&["SET", &number.to_string(), "v"]);
    }
    node.run(&["REPLICAOF", "10.0.0.9", "7000"]);
    node.run(&["CONFIG", "SET", "maxmemory", "1"]);
    node.advance_ms(1000);
    assert_eq!(node.run(&["SET", "more", "v"]), "+OK\r\n");
    assert_eq!(dbsize(&mut node), 11);
    node.run(&["REPLICAOF", "NO", "ONE"]);
    node.advance_ms(100);
    assert_eq!(dbsize(&mut node), 0);
}

#[test]
fn nothing_is_evicted_while_clients_are_paused_or_data_is_imported() {
    let mut node = fixture(&["--maxmemory-policy", "allkeys-lru"]);
    node.run(&["SET", "key", "v"]);
    node.run(&["CLIENT", "PAUSE", "1000", "WRITE"]);
    node.run(&["CONFIG", "SET", "maxmemory", "1"]);
    node.advance_ms(100);
    assert_eq!(dbsize(&mut node), 1);
    node.run(&["CONFIG", "SET", "import-mode", "yes"]);
    node.advance_ms(1000);
    assert_eq!(dbsize(&mut node), 1);
    assert!(node.run(&["SET", "other", "v"]).starts_with("-OOM "));
    node.run(&["CONFIG", "SET", "import-mode", "no"]);
    assert_eq!(dbsize(&mut node), 0);
}

#[test]
fn what_the_log_holds_is_no_reason_to_evict() {
    let mut node = logging(&["--maxmemory-policy", "allkeys-lru", "--repl-backlog-size", "8mb"]);
    node.run(&["SET", "key", &"x".repeat(10_000)]);
    let limit = limit(&mut node, 100_000);
    for _ in 0..500 {
        node.run(&["SETRANGE", "key", "0", &"y".repeat(10_000)]);
    }
    assert!(node.node.replication.log.memory() > 4_000_000);
    assert!(node.node.used_memory() > limit + 4_000_000);
    assert_eq!((dbsize(&mut node), stat(&mut node, "stats", "evicted_keys")), (1, 0));
    assert!(stat(&mut node, "memory", "mem_not_counted_for_evict") > 4_000_000);
}

#[test]
fn what_a_snapshot_holds_is_no_reason_to_evict_more() {
    let mut node = fixture(&["--maxmemory-policy", "allkeys-random"]);
    for number in 0..20_000 {
        node.run(&["SET", &format!("key:{number}"), &format!("{number:0100}")]);
    }
    let members: Vec<String> = (0..20_000).map(|number| format!("member:{number}")).collect();
    for chunk in members.chunks(1000) {
        let mut words = vec!["SADD", "set"];
        words.extend(chunk.iter().map(String::as_str));
        node.run(&words);
    }
    let write_everything = |node: &mut Fixture| {
        for (number, member) in members.iter().enumerate() {
            node.run(&["SET", &format!("key:{number}"), &format!("{number:0100}")]);
            node.run(&["SREM", "set", member]);
            node.run(&["SADD", "set", member]);
            // Nobody drains it here, and it would grow.
            node.node.writable.clear();
        }
    };
    // Once for the room that a set leaves when it is changed member by member.
    write_everything(&mut node);
    let before = node.node.counted_memory();
    limit(&mut node, 100_000);
    let view = node.node.keyspace.freeze();
    // All that is written lies twice in memory now.
    write_everything(&mut node);
    let (used, counted) = (node.node.used_memory(), node.node.counted_memory());
    assert!(used > before + 2_000_000, "{used}, {before} before");
    assert!(counted < before + 200_000, "{counted}, {before} before");
    let evicted = stat(&mut node, "stats", "evicted_keys");
    assert!(evicted < 2000, "{evicted} keys had to go");
    // And what has to go goes although a view keeps it.
    let size = dbsize(&mut node);
    let less = (node.node.counted_memory() - 500_000).to_string();
    node.run(&["CONFIG", "SET", "maxmemory", &less]);
    node.advance_ms(100);
    let gone = size - dbsize(&mut node);
    assert!((1000..10_000).contains(&gone), "{gone}");
    drop(view);
    assert_eq!(node.node.keyspace.left_behind(), 0);
}

#[test]
fn a_limit_far_below_is_reached_bit_by_bit() {
    let boot = Boot { memory_used: allocated_here, clock_ns: slow_clock, ..Boot::default() };
    let mut node = Fixture::boot(&["--maxmemory-policy", "allkeys-random"], boot);
    for number in 0..1000 {
        node.run(&["SET", &number.to_string(), &"v".repeat(100)]);
    }
    node.run(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(node.node.deadline(), node.now.mono_us, "it is to go on at once");
    let mut left = dbsize(&mut node);
    assert!((900..1000).contains(&left), "{left}");
    // Meanwhile clients that need memory are served.
    assert_eq!(node.run(&["SET", "another", "v"]), "+OK\r\n");
    let mut turns = 0;
    while node.node.eviction.unfinished {
        node.node.tick(node.now);
        let now = node.node.keyspace.total_keys();
        assert!(left - now <= 100, "{now} of {left}");
        (left, turns) = (now, turns + 1);
    }
    assert_eq!(left, 0);
    assert!(turns > 20, "{turns}");
    assert!(node.run(&["SET", "another", "v"]).starts_with("-OOM "));
    node.advance_ms(5000);
    assert!(stat(&mut node, "stats", "current_eviction_exceeded_time") >= 5000);
    node.run(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(stat(&mut node, "stats", "current_eviction_exceeded_time"), 0);
    assert!(stat(&mut node, "stats", "total_eviction_exceeded_time") >= 5000);
}

/// Which of two groups of keys survive: that of `kept` should.
fn survivors(node: &mut Fixture, group: &str) -> usize {
    (0..1000).filter(|number| node.run(&["EXISTS", &format!("{group}:{number}")]) == ":1\r\n").count()
}

#[test]
fn what_was_used_lately_or_often_stays() {
    for policy in ["allkeys-lru", "allkeys-lfu", "volatile-ttl"] {
        let mut node = fixture(&["--maxmemory-policy", policy]);
        for number in 0..1000 {
            for (group, seconds) in [("cold", "5000"), ("hot", "10000")] {
                node.run(&["SETEX", &format!("{group}:{number}"), seconds, "v"]);
            }
        }
        for _ in 0..20 {
            node.advance_ms(2000);
            for number in 0..1000 {
                node.run(&["GET", &format!("hot:{number}")]);
            }
        }
        let half = (node.node.counted_memory() - 25_000).to_string();
        node.run(&["CONFIG", "SET", "maxmemory", &half]);
        node.advance_ms(100);
        let evicted = stat(&mut node, "stats", "evicted_keys");
        assert!((300..1000).contains(&evicted), "{policy}: {evicted}");
        let hot = survivors(&mut node, "hot");
        assert!(hot >= 990, "{policy}: {hot} of 1000 are left, {evicted} evicted");
    }
}

#[test]
fn steps_of_tenacity() {
    assert_eq!((super::slice_ns(0), super::slice_ns(5), super::slice_ns(10)), (0, 250_000, 500_000));
    assert!(super::slice_ns(11) > 570_000 && super::slice_ns(99) > 60_000_000_000);
    assert_eq!(super::slice_ns(100), u64::MAX);
}

#[test]
fn what_a_script_takes_to_run_is_no_reason_to_refuse_its_writes() {
    let code = "local t = {} for i = 1, 2000 do t[i] = string.rep('x', 100) .. i end return redis.call('set', 'k', 'v')";
    for (policy, reply) in [("allkeys-random", "+OK\r\n"), ("noeviction", "-OOM ")] {
        let mut node = fixture(&["--maxmemory-policy", policy]);
        node.run(&["EVAL", "return 1", "0"]);
        for number in 0..2000 {
            node.run(&["SET", &format!("key:{number}"), &"v".repeat(200)]);
        }
        limit(&mut node, 20_000);
        assert!(node.run(&["EVAL", code, "0"]).starts_with(reply), "{policy}");
        let evicted = stat(&mut node, "stats", "evicted_keys");
        assert_eq!(evicted > 0, policy != "noeviction", "{policy}: {evicted}");
    }
}
