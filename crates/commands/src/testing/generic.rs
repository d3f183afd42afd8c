//! Keys.

use resp::OwnedArgs;

use super::{Tester, check};

#[test]
fn deleting_and_counting() {
    check(&[
        ("MSET a 1 b 2 c 3", "+OK\r\n> MSET a 1 b 2 c 3"),
        ("EXISTS a b x a", ":3\r\n"),
        ("TOUCH a x", ":1\r\n"),
        ("DBSIZE", ":3\r\n"),
        ("DEL x", ":0\r\n"),
        ("DEL a a x", ":1\r\n> DEL a a x"),
        ("UNLINK b", ":1\r\n> UNLINK b"),
        ("TYPE c", "+string\r\n"),
        ("TYPE a", "+none\r\n"),
        ("RANDOMKEY", "$1\r\nc\r\n"),
        ("DEL c", ":1\r\n> DEL c"),
        ("RANDOMKEY", "$-1\r\n"),
    ]);
}

#[test]
fn listing() {
    check(&[
        ("KEYS *", "*0\r\n"),
        ("MSET foo 1 bar 2", "+OK\r\n> MSET foo 1 bar 2"),
        ("KEYS f*", "*1\r\n$3\r\nfoo\r\n"),
        ("SCAN 0 MATCH [a-c]* COUNT 100", "*2\r\n$1\r\n0\r\n*1\r\n$3\r\nbar\r\n"),
        ("SCAN 0 TYPE String MATCH foo COUNT 100", "*2\r\n$1\r\n0\r\n*1\r\n$3\r\nfoo\r\n"),
        ("SCAN 0 TYPE list COUNT 100", "*2\r\n$1\r\n0\r\n*0\r\n"),
        ("SCAN 0 TYPE lists", "-ERR unknown type name 'lists'\r\n"),
        ("SCAN 0 NOVALUES", "-ERR NOVALUES option can only be used in HSCAN\r\n"),
        ("SCAN 0 noscores", "-ERR NOSCORES option can only be used in ZSCAN\r\n"),
        ("SCAN x", "-ERR invalid cursor\r\n"),
        ("SCAN -1", "-ERR invalid cursor\r\n"),
        ("SCAN 0 COUNT 0", "-ERR syntax error\r\n"),
        ("SCAN 0 COUNT x", "-ERR value is not an integer or out of range\r\n"),
        ("SCAN 0 MATCH", "-ERR syntax error\r\n"),
    ]);
}

#[test]
fn a_scan_meets_every_key() {
    let mut tester = Tester::new();
    for n in 0..1000 {
        tester.execute(&OwnedArgs::from_slices(&[b"SET", format!("key:{n}").as_bytes(), b"v"]));
    }
    let (mut cursor, mut seen) = ("0".to_owned(), std::collections::HashSet::new());
    for call in 0.. {
        assert!(call < 1000, "the scan does not end");
        let (reply, _) =
            tester.execute(&OwnedArgs::from_slices(&[b"SCAN", cursor.as_bytes(), b"COUNT", b"10"]));
        let reply = String::from_utf8(reply).expect("text");
        let mut lines = reply.split("\r\n");
        cursor = lines.nth(2).expect("a cursor").to_owned();
        seen.extend(lines.filter(|line| line.starts_with("key:")).map(str::to_owned));
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen.len(), 1000);
}

#[test]
fn renaming() {
    check(&[
        ("RENAME a b", "-ERR no such key\r\n"),
        ("SET a 1 PX 5000", "+OK\r\n> SET a 1 PXAT 1000005000"),
        ("SET b 2", "+OK\r\n> SET b 2"),
        ("RENAMENX a b", ":0\r\n"),
        ("RENAMENX a a", ":0\r\n"),
        ("RENAME a a", "+OK\r\n"),
        ("RENAME a b", "+OK\r\n> RENAME a b"),
        ("GET b", "$1\r\n1\r\n"),
        ("PTTL b", ":5000\r\n"),
        ("EXISTS a", ":0\r\n"),
        ("RENAMENX b c", ":1\r\n> RENAMENX b c"),
    ]);
}

#[test]
fn copying_and_moving() {
    check(&[
        ("SET a 1 PX 5000", "+OK\r\n> SET a 1 PXAT 1000005000"),
        ("COPY a a", "-ERR source and destination objects are the same\r\n"),
        ("COPY a b", ":1\r\n> COPY a b"),
        ("PTTL b", ":5000\r\n"),
        ("COPY a b", ":0\r\n"),
        ("COPY a b REPLACE", ":1\r\n> COPY a b REPLACE"),
        ("COPY x b REPLACE", ":0\r\n"),
        ("COPY a a DB 1", ":1\r\n> COPY a a DB 1"),
        ("COPY a b DB 16", "-ERR DB index is out of range\r\n"),
        ("COPY a b DB x", "-ERR value is not an integer or out of range\r\n"),
        ("COPY a b DB", "-ERR syntax error\r\n"),
        ("MOVE a 1", ":0\r\n"),
        ("MOVE a 0", "-ERR source and destination objects are the same\r\n"),
        ("MOVE a 99", "-ERR DB index is out of range\r\n"),
        ("MOVE b 1", ":1\r\n> MOVE b 1"),
        ("SELECT 1", "+OK\r\n"),
        ("PTTL b", ":5000\r\n"),
        ("SET b 2", "+OK\r\n> SELECT 1; SET b 2"),
        ("APPEND a 2", ":2\r\n> APPEND a 2"),
        ("SELECT 0", "+OK\r\n"),
        ("GET a", "$1\r\n1\r\n"),
    ]);
}

#[test]
fn an_expired_key_in_another_database_is_deleted_there() {
    check(&[
        ("SET a 1", "+OK\r\n> SET a 1"),
        ("SELECT 1", "+OK\r\n"),
        ("SET a 2 PX 10", "+OK\r\n> SELECT 1; SET a 2 PXAT 1000000010"),
        ("SELECT 0", "+OK\r\n"),
        ("@advance 11", ""),
        ("MOVE a 1", ":1\r\n> SELECT 0; SELECT 1; DEL a; SELECT 0; MOVE a 1"),
    ]);
}

#[test]
fn swapping_and_flushing() {
    check(&[
        ("SET a 1", "+OK\r\n> SET a 1"),
        ("SWAPDB 0 1", "+OK\r\n> SWAPDB 0 1"),
        ("GET a", "$-1\r\n"),
        ("SWAPDB 1 1", "+OK\r\n> SWAPDB 1 1"),
        ("SWAPDB x 1", "-ERR invalid first DB index\r\n"),
        ("SWAPDB 1 x", "-ERR invalid second DB index\r\n"),
        ("SWAPDB 0 99", "-ERR DB index is out of range\r\n"),
        ("FLUSHDB", "+OK\r\n> FLUSHDB"),
        ("SELECT 1", "+OK\r\n"),
        ("GET a", "$1\r\n1\r\n"),
        ("FLUSHDB ASYNC", "+OK\r\n> SELECT 1; FLUSHDB ASYNC"),
        ("DBSIZE", ":0\r\n"),
        ("FLUSHALL sync", "+OK\r\n> FLUSHALL sync"),
        ("FLUSHALL now", "-ERR syntax error\r\n"),
        ("FLUSHDB SYNC ASYNC", "-ERR syntax error\r\n"),
    ]);
}

#[test]
fn how_values_are_kept() {
    check(&[
        ("OBJECT ENCODING a", "$-1\r\n"),
        ("SET a 12", "+OK\r\n> SET a 12"),
        ("OBJECT ENCODING a", "$3\r\nint\r\n"),
        ("SET a x", "+OK\r\n> SET a x"),
        ("OBJECT ENCODING a", "$6\r\nembstr\r\n"),
        ("APPEND a y", ":2\r\n> APPEND a y"),
        ("OBJECT ENCODING a", "$3\r\nraw\r\n"),
        ("OBJECT REFCOUNT a", ":1\r\n"),
        ("@advance 5000", ""),
        ("OBJECT IDLETIME a", ":5\r\n"),
        ("EXISTS a", ":1\r\n"),
        ("TYPE a", "+string\r\n"),
        ("TTL a", ":-1\r\n"),
        ("OBJECT IDLETIME a", ":5\r\n"),
        ("TOUCH a", ":1\r\n"),
        ("OBJECT IDLETIME a", ":0\r\n"),
        ("@lfu", ""),
        (
            "OBJECT IDLETIME a",
            "-ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when \
             switching between policies at runtime LRU and LFU data will take some time to adjust.\r\n",
        ),
        ("SET b 1", "+OK\r\n> SET b 1"),
        ("OBJECT FREQ b", ":5\r\n"),
        ("GET b", "$1\r\n1\r\n"),
        ("OBJECT FREQ b", ":6\r\n"),
        ("@advance 180000", ""),
        ("OBJECT FREQ b", ":3\r\n"),
        ("OBJECT", "-ERR wrong number of arguments for 'object' command\r\n"),
        ("OBJECT foo", "-ERR unknown subcommand 'foo'. Try OBJECT HELP.\r\n"),
        ("OBJECT ENCODING", "-ERR wrong number of arguments for 'object|encoding' command\r\n"),
    ]);
}

#[test]
fn no_touch_leaves_the_idle_time() {
    let mut tester = Tester::new();
    let run = |tester: &mut Tester, words: &[&[u8]]| tester.execute(&OwnedArgs::from_slices(words)).0;
    run(&mut tester, &[b"SET", b"a", b"1"]);
    tester.env.set_now_ms(tester.env.now_ms + 7000);
    tester.env.no_touch = true;
    run(&mut tester, &[b"GET", b"a"]);
    assert_eq!(run(&mut tester, &[b"OBJECT", b"IDLETIME", b"a"]), b":7\r\n");
    tester.env.no_touch = false;
    run(&mut tester, &[b"GET", b"a"]);
    assert_eq!(run(&mut tester, &[b"OBJECT", b"IDLETIME", b"a"]), b":0\r\n");
}

/// The payload that redis-server 7.0 answers to DUMP of the string `hello`.
const HELLO: &str = "\"\\x00\\x05hello\\n\\x00cr\\xdfve4 \\n\"";

#[test]
fn restoring() {
    let line = |rest: &str| rest.replace("HELLO", HELLO);
    let effect = "\\x00\\x05hello\\n\\x00cr\\xdfve4 \\n";
    check(&[
        (&line("RESTORE a 0 HELLO"), &format!("+OK\r\n> RESTORE a 0 {effect}")),
        ("GET a", "$5\r\nhello\r\n"),
        ("DUMP a", &format!("$17\r\n{effect}\r\n")),
        ("DUMP x", "$-1\r\n"),
        (&line("RESTORE a 0 HELLO"), "-BUSYKEY Target key name already exists.\r\n"),
        (
            &line("RESTORE a 5000 HELLO replace"),
            &format!("+OK\r\n> RESTORE a 1000005000 {effect} replace ABSTTL"),
        ),
        ("PTTL a", ":5000\r\n"),
        (
            &line("RESTORE b 1000005000 HELLO ABSTTL"),
            &format!("+OK\r\n> RESTORE b 1000005000 {effect} ABSTTL"),
        ),
        (&line("RESTORE a 1 HELLO REPLACE ABSTTL"), "+OK\r\n> DEL a"),
        (&line("RESTORE a 1 HELLO ABSTTL"), "+OK\r\n"),
        (&line("RESTORE c 0 HELLO IDLETIME 100"), &format!("+OK\r\n> RESTORE c 0 {effect} IDLETIME 100")),
        ("OBJECT IDLETIME c", ":100\r\n"),
        (&line("RESTORE d 0 HELLO IDLETIME -1"), "-ERR Invalid IDLETIME value, must be >= 0\r\n"),
        (&line("RESTORE d 0 HELLO FREQ 256"), "-ERR Invalid FREQ value, must be >= 0 and <= 255\r\n"),
        (&line("RESTORE d 0 HELLO FREQ 1 IDLETIME 1"), "-ERR syntax error\r\n"),
        (&line("RESTORE d -1 HELLO"), "-ERR Invalid TTL value, must be >= 0\r\n"),
        (&line("RESTORE d x HELLO"), "-ERR value is not an integer or out of range\r\n"),
        ("RESTORE d 0 hello", "-ERR DUMP payload version or checksum are wrong\r\n"),
        (
            "RESTORE d 0 \"\\x00\\x05hellO\\n\\x00cr\\xdfve4 \\n\"",
            "-ERR DUMP payload version or checksum are wrong\r\n",
        ),
    ]);
}
