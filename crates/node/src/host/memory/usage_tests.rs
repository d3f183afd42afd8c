//! MEMORY USAGE against what was really allocated.

use crate::node::Boot;
use crate::testing::{Fixture, allocated_here};

/// Runs `build` for keys of a numbered series, and holds what MEMORY USAGE says of them against what the allocator says.
fn compare(what: &str, keys: usize, build: impl Fn(&mut Fixture, &str)) {
    let mut node = Fixture::boot(&[], Boot { memory_used: allocated_here, ..Boot::default() });
    // Buffers take the size that they need.
    build(&mut node, "warm-up");
    node.run(&["DEL", "warm-up"]);
    drop(node.actions());
    // Room for all, so that the table does not stand just before or behind a step.
    node.node.writable = Vec::with_capacity(1 << 20);
    let before = allocated_here();
    for number in 0..keys {
        build(&mut node, &format!("key:{number:06}"));
    }
    let allocated = allocated_here() - before;
    let said: u64 = (0..keys)
        .map(|number| {
            let reply = node.run(&["MEMORY", "USAGE", &format!("key:{number:06}")]);
            reply[1..].trim().parse::<u64>().unwrap_or_else(|_| panic!("{what}: {reply}"))
        })
        .sum();
    let ratio = said as f64 / allocated as f64;
    println!("{what}: {said} said, {allocated} allocated, {ratio:.3}");
    assert!((0.9..=1.1).contains(&ratio), "{what}: {said} said, {allocated} allocated");
}

/// A request in pieces of so many elements.
fn run_in_pieces(node: &mut Fixture, head: &[&str], elements: &[String], piece: usize) {
    for elements in elements.chunks(piece) {
        let words: Vec<&str> = head.iter().copied().chain(elements.iter().map(String::as_str)).collect();
        let reply = node.run(&words);
        assert!(!reply.starts_with('-'), "{reply}");
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("element:{number:08}")).collect()
}

fn pairs(count: usize, value: impl Fn(usize) -> String) -> Vec<String> {
    (0..count).flat_map(|number| [format!("field:{number:06}"), value(number)]).collect()
}

#[test]
fn strings() {
    compare("short strings", 5000, |node, key| {
        node.run(&["SET", key, "thirty-two bytes of some value.."]);
    });
    compare("strings with an expiry", 5000, |node, key| {
        node.run(&["SET", key, "v", "EX", "1000"]);
    });
    compare("strings of 700 bytes", 2000, |node, key| {
        node.run(&["SET", key, &"x".repeat(700)]);
    });
    compare("strings of 100 kB", 50, |node, key| {
        node.run(&["SET", key, &"x".repeat(100_000)]);
    });
}

#[test]
fn lists() {
    compare("small lists", 2000, |node, key| run_in_pieces(node, &["RPUSH", key], &names(6), 6));
    compare("lists of a node", 200, |node, key| run_in_pieces(node, &["RPUSH", key], &names(300), 300));
    compare("large lists", 3, |node, key| run_in_pieces(node, &["RPUSH", key], &names(20_000), 500));
    let large: Vec<String> = (0..40).map(|_| "x".repeat(20_000)).collect();
    compare("lists of large elements", 3, |node, key| run_in_pieces(node, &["RPUSH", key], &large, 10));
}

#[test]
fn sets() {
    let numbers: Vec<String> = (0..100).map(|number| (number * 1000).to_string()).collect();
    compare("sets of numbers", 1000, |node, key| run_in_pieces(node, &["SADD", key], &numbers, 100));
    compare("small sets", 2000, |node, key| run_in_pieces(node, &["SADD", key], &names(5), 5));
    compare("middling sets", 100, |node, key| run_in_pieces(node, &["SADD", key], &names(300), 300));
    compare("large sets", 3, |node, key| run_in_pieces(node, &["SADD", key], &names(20_000), 500));
}

#[test]
fn hashes() {
    let value = |number: usize| format!("value {number}");
    compare("small hashes", 2000, |node, key| {
        run_in_pieces(node, &["HSET", key], &pairs(10, value), 20);
    });
    compare("large hashes", 3, |node, key| {
        run_in_pieces(node, &["HSET", key], &pairs(20_000, value), 1000);
    });
    compare("hashes of long values", 20, |node, key| {
        run_in_pieces(node, &["HSET", key], &pairs(50, |_| "v".repeat(2000)), 10);
    });
}

#[test]
fn sorted_sets() {
    let members = |count: usize| -> Vec<String> {
        (0..count)
            .flat_map(|number| [format!("{}.5", number * 7 % 1000), format!("member:{number}")])
            .collect()
    };
    compare("small sorted sets", 2000, |node, key| run_in_pieces(node, &["ZADD", key], &members(8), 16));
    compare("large sorted sets", 3, |node, key| {
        run_in_pieces(node, &["ZADD", key], &members(20_000), 1000);
    });
}

#[test]
fn streams() {
    let add = |node: &mut Fixture, key: &str, count: usize| {
        for number in 1..=count {
            node.run(&[
                "XADD",
                key,
                &format!("{number}-1"),
                "sensor",
                "7",
                "temperature",
                &number.to_string(),
            ]);
        }
    };
    compare("small streams", 500, |node, key| add(node, key, 3));
    compare("large streams", 2, |node, key| add(node, key, 20_000));
    compare("streams with groups", 2, |node, key| {
        add(node, key, 10_000);
        node.run(&["XGROUP", "CREATE", key, "group", "0"]);
        node.run(&["XREADGROUP", "GROUP", "group", "alice", "COUNT", "5000", "STREAMS", key, ">"]);
        node.run(&["XREADGROUP", "GROUP", "group", "bob", "COUNT", "5000", "STREAMS", key, ">"]);
        node.read();
    });
}
