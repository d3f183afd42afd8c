//! Time.

use super::{START_MS, Tester, check};
use crate::EventClass;
use resp::OwnedArgs;

#[test]
fn expiries_are_logged_as_moments() {
    check(&[
        ("EXPIRE a 10", ":0\r\n"),
        ("SET a 1", "+OK\r\n> SET a 1"),
        ("EXPIRE a 10", ":1\r\n> PEXPIREAT a 1000010000"),
        ("TTL a", ":10\r\n"),
        ("PEXPIRE a 1499", ":1\r\n> PEXPIREAT a 1000001499"),
        ("TTL a", ":1\r\n"),
        ("PEXPIRE a 1500", ":1\r\n> PEXPIREAT a 1000001500"),
        ("TTL a", ":2\r\n"),
        ("EXPIREAT a 1000002", ":1\r\n> PEXPIREAT a 1000002000"),
        ("EXPIRETIME a", ":1000002\r\n"),
        ("PEXPIREAT a 1000003001", ":1\r\n> PEXPIREAT a 1000003001"),
        ("PEXPIRETIME a", ":1000003001\r\n"),
        ("PERSIST a", ":1\r\n> PERSIST a"),
        ("PERSIST a", ":0\r\n"),
        ("TTL a", ":-1\r\n"),
        ("PTTL x", ":-2\r\n"),
        ("EXPIRE a x", "-ERR value is not an integer or out of range\r\n"),
        ("EXPIRE a 9223372036854775807", "-ERR invalid expire time in 'expire' command\r\n"),
        ("PEXPIRE a 9223372036854775807", "-ERR invalid expire time in 'pexpire' command\r\n"),
        ("EXPIRE a -9223372036854775808", "-ERR invalid expire time in 'expire' command\r\n"),
    ]);
}

#[test]
fn an_expiry_in_the_past_deletes() {
    check(&[
        ("SET a 1", "+OK\r\n> SET a 1"),
        ("EXPIRE a -1", ":1\r\n> DEL a"),
        ("SET a 1", "+OK\r\n> SET a 1"),
        ("PEXPIREAT a 1000000000", ":1\r\n> DEL a"),
        ("EXISTS a", ":0\r\n"),
        ("@expiry ignore", ""),
        ("SET a 1", "+OK\r\n> SET a 1"),
        ("PEXPIREAT a 5", ":1\r\n> PEXPIREAT a 5"),
        ("GET a", "$1\r\n1\r\n"),
        ("PEXPIREAT a -5", ":1\r\n> PEXPIREAT a 1"),
    ]);
}

#[test]
fn expiry_conditions() {
    check(&[
        ("SET a 1", "+OK\r\n> SET a 1"),
        ("EXPIRE a 10 XX", ":0\r\n"),
        ("EXPIRE a 10 GT", ":0\r\n"),
        ("EXPIRE a 10 LT", ":1\r\n> PEXPIREAT a 1000010000"),
        ("EXPIRE a 10 LT", ":0\r\n"),
        ("EXPIRE a 20 LT", ":0\r\n"),
        ("EXPIRE a 10 GT", ":0\r\n"),
        ("EXPIRE a 20 GT", ":1\r\n> PEXPIREAT a 1000020000"),
        ("EXPIRE a 30 NX", ":0\r\n"),
        ("EXPIRE a 30 XX GT", ":1\r\n> PEXPIREAT a 1000030000"),
        ("EXPIRE a 30 NX XX", "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"),
        ("EXPIRE a 30 GT LT", "-ERR GT and LT options at the same time are not compatible\r\n"),
        ("EXPIRE a 30 foo", "-ERR Unsupported option foo\r\n"),
        ("PERSIST a", ":1\r\n> PERSIST a"),
        ("EXPIRE a 30 NX", ":1\r\n> PEXPIREAT a 1000030000"),
    ]);
}

#[test]
fn a_master_logs_the_deletion_of_what_it_finds_expired() {
    check(&[
        ("SET a 1 PX 100", "+OK\r\n> SET a 1 PXAT 1000000100"),
        ("@advance 100", ""),
        ("GET a", "$1\r\n1\r\n"),
        ("@advance 1", ""),
        ("DBSIZE", ":1\r\n"),
        ("KEYS *", "*0\r\n"),
        ("GET a", "$-1\r\n> DEL a"),
        ("GET a", "$-1\r\n"),
        ("SET a 1 PX 100", "+OK\r\n> SET a 1 PXAT 1000000201"),
        ("@advance 101", ""),
        ("INCR a", ":1\r\n> DEL a; INCR a"),
        ("SET a 1 PX 100", "+OK\r\n> SET a 1 PXAT 1000000302"),
        ("SET b 1", "+OK\r\n> SET b 1"),
        ("@advance 101", ""),
        ("DEL a b", ":1\r\n> DEL a; DEL a b"),
        ("SET a 1 PX 100", "+OK\r\n> SET a 1 PXAT 1000000403"),
        ("@advance 101", ""),
        ("SCAN 0 COUNT 100 TYPE list", "*2\r\n$1\r\n0\r\n*0\r\n"),
        ("SCAN 0 COUNT 100 MATCH b", "*2\r\n$1\r\n0\r\n*0\r\n"),
        ("SCAN 0 COUNT 100", "*2\r\n$1\r\n0\r\n*0\r\n> DEL a"),
        ("SET a 1 PX 100", "+OK\r\n> SET a 1 PXAT 1000000504"),
        ("@advance 101", ""),
        ("RANDOMKEY", "$-1\r\n> DEL a"),
        ("SET a 1 PX 100", "+OK\r\n> SET a 1 PXAT 1000000605"),
        ("@advance 101", ""),
        ("SET a 2 XX", "$-1\r\n> DEL a"),
        ("SET a 1 PX 100", "+OK\r\n> SET a 1 PXAT 1000000706"),
        ("@advance 101", ""),
        ("SET a 2 KEEPTTL", "+OK\r\n> DEL a; SET a 2 KEEPTTL"),
        ("PTTL a", ":-1\r\n"),
        ("SET a 1 PX 100", "+OK\r\n> SET a 1 PXAT 1000000807"),
        ("@advance 101", ""),
        ("SET a 2", "+OK\r\n> SET a 2"),
    ]);
}

#[test]
fn a_replica_hides_what_has_expired() {
    check(&[
        ("SET a 1 PX 100", "+OK\r\n> SET a 1 PXAT 1000000100"),
        ("@advance 101", ""),
        ("@expiry hide", ""),
        ("GET a", "$-1\r\n"),
        ("EXISTS a", ":0\r\n"),
        ("TTL a", ":-2\r\n"),
        ("KEYS *", "*0\r\n"),
        ("SCAN 0 COUNT 100", "*2\r\n$1\r\n0\r\n*0\r\n"),
        ("RANDOMKEY", "$1\r\na\r\n"),
        ("DBSIZE", ":1\r\n"),
        ("@expiry ignore", ""),
        ("GET a", "$1\r\n1\r\n"),
        ("@expiry hide", ""),
        ("APPEND a 2", ":1\r\n> APPEND a 2"),
        ("GET a", "$1\r\n2\r\n"),
    ]);
}

#[test]
fn what_happens_to_keys_is_reported() {
    let mut tester = Tester::new();
    tester.fx.track_keys = true;
    tester.fx.notify = EventClass::all();
    let mut run = |line: &str| {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        tester.execute(&OwnedArgs::from_slices(&words));
        if line.starts_with("SET") {
            tester.env.set_now_ms(START_MS + 20);
        }
        let events: Vec<String> = tester
            .fx
            .events
            .iter()
            .map(|event| format!("{}:{}:{}", event.db, event.name, String::from_utf8_lossy(&event.key)))
            .collect();
        let touched: Vec<String> = tester
            .fx
            .touched
            .iter()
            .map(|(db, key)| format!("{db}:{}", String::from_utf8_lossy(key)))
            .collect();
        let counts = (tester.fx.keyspace_hits, tester.fx.keyspace_misses, tester.fx.expired);
        (events.join(" "), touched.join(" "), counts)
    };
    let expect = |events: &str, touched: &str, counts| (events.to_owned(), touched.to_owned(), counts);
    assert_eq!(run("SET a 1 PX 10"), expect("0:new:a 0:set:a 0:expire:a", "0:a", (0, 0, 0)));
    assert_eq!(run("GET a"), expect("0:expired:a 0:keymiss:a", "0:a", (0, 1, 1)));
    assert_eq!(run("MSET a 1 b 2"), expect("0:new:a 0:set:a 0:new:b 0:set:b", "0:a 0:b", (0, 0, 0)));
    assert_eq!(run("MGET a b c"), expect("0:keymiss:c", "", (2, 1, 0)));
    assert_eq!(run("RENAME a c"), expect("0:new:c 0:rename_from:a 0:rename_to:c", "0:a 0:c", (0, 0, 0)));
    assert_eq!(run("MOVE c 3"), expect("3:new:c 0:move_from:c 3:move_to:c", "0:c 3:c", (0, 0, 0)));
    assert_eq!(run("COPY b d DB 3"), expect("3:new:d 3:copy_to:d", "3:d", (1, 0, 0)));
    assert_eq!(run("DEL b x"), expect("0:del:b", "0:b", (0, 0, 0)));
    run("SWAPDB 0 3");
    assert_eq!(tester.fx.replaced, [0, 3]);
}
