//! Fields of hashes that expire.

use resp::OwnedArgs;

use super::{Tester, check};
use crate::{Ctx, EventClass, ExpiryMode};

const BAD_COUNT: &str = "-ERR numfields should be greater than 0 and match the provided number of fields\r\n";
const NOT_INTEGER: &str = "-ERR value is not an integer or out of range\r\n";
const SYNTAX: &str = "-ERR syntax error\r\n";
const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";

#[test]
fn expiries_are_set_and_read() {
    check(&[
        ("HSET h a 1 b 2 c 3", ":3\r\n> HSET h a 1 b 2 c 3"),
        ("OBJECT ENCODING h", "$8\r\nlistpack\r\n"),
        ("HTTL h FIELDS 3 a b x", "*3\r\n:-1\r\n:-1\r\n:-2\r\n"),
        ("HEXPIRE h 10 FIELDS 2 a x", "*2\r\n:1\r\n:-2\r\n> HPEXPIREAT h 1000010000 FIELDS 1 a"),
        ("OBJECT ENCODING h", "$9\r\nhashtable\r\n"),
        ("HPEXPIRE h 10 FIELDS 1 b", "*1\r\n:1\r\n> HPEXPIREAT h 1000000010 FIELDS 1 b"),
        ("HEXPIREAT h 1000100 FIELDS 1 c", "*1\r\n:1\r\n> HPEXPIREAT h 1000100000 FIELDS 1 c"),
        ("HPEXPIREAT h 1000100001 FIELDS 1 c", "*1\r\n:1\r\n> HPEXPIREAT h 1000100001 FIELDS 1 c"),
        ("HTTL h FIELDS 2 a c", "*2\r\n:10\r\n:100\r\n"),
        ("HPTTL h FIELDS 2 a c", "*2\r\n:10000\r\n:100001\r\n"),
        ("HEXPIRETIME h FIELDS 2 a c", "*2\r\n:1000010\r\n:1000100\r\n"),
        ("HPEXPIRETIME h FIELDS 2 a c", "*2\r\n:1000010000\r\n:1000100001\r\n"),
        ("HPERSIST h FIELDS 3 a a x", "*3\r\n:1\r\n:-1\r\n:-2\r\n> HPERSIST h FIELDS 1 a"),
        ("HTTL h FIELDS 1 a", "*1\r\n:-1\r\n"),
        ("HTTL none FIELDS 2 a b", "*2\r\n:-2\r\n:-2\r\n"),
        ("HEXPIRE none 10 FIELDS 2 a b", "*2\r\n:-2\r\n:-2\r\n"),
        ("HPERSIST none FIELDS 1 a", "*1\r\n:-2\r\n"),
        (
            "HPEXPIREAT h 9223372036854775807 FIELDS 1 a",
            "*1\r\n:1\r\n> HPEXPIREAT h 9223372036854775807 FIELDS 1 a",
        ),
        ("HPEXPIRETIME h FIELDS 1 a", "*1\r\n:9223372036854775807\r\n"),
    ]);
}

#[test]
fn conditions_of_expiries() {
    check(&[
        ("HSET h a 1 b 2", ":2\r\n> HSET h a 1 b 2"),
        ("HEXPIRE h 10 XX FIELDS 1 a", "*1\r\n:0\r\n"),
        ("HEXPIRE h 10 GT FIELDS 1 a", "*1\r\n:0\r\n"),
        ("HEXPIRE h 10 NX FIELDS 2 a a", "*2\r\n:1\r\n:0\r\n> HPEXPIREAT h 1000010000 FIELDS 1 a"),
        ("HEXPIRE h 9 GT FIELDS 1 a", "*1\r\n:0\r\n"),
        ("HEXPIRE h 11 gt FIELDS 2 a b", "*2\r\n:1\r\n:0\r\n> HPEXPIREAT h 1000011000 FIELDS 1 a"),
        ("HEXPIRE h 12 LT FIELDS 2 a b", "*2\r\n:0\r\n:1\r\n> HPEXPIREAT h 1000012000 FIELDS 1 b"),
        ("HEXPIRE h 5 XX LT FIELDS 1 b", "*1\r\n:1\r\n> HPEXPIREAT h 1000005000 FIELDS 1 b"),
        (
            "HEXPIRE h 5 NX XX FIELDS 2 b",
            "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n",
        ),
        ("HEXPIRE h 5 GT LT FIELDS 1 b", "-ERR GT and LT options at the same time are not compatible\r\n"),
        ("HEXPIRE h x FOO FIELDS 1 b", "-ERR Unsupported option FOO\r\n"),
    ]);
}

#[test]
fn what_is_past_goes_at_once() {
    check(&[
        ("HSET h a 1 b 2 c 3", ":3\r\n> HSET h a 1 b 2 c 3"),
        ("HEXPIRE h 0 FIELDS 2 a a", "*2\r\n:2\r\n:-2\r\n> HDEL h a"),
        ("HEXPIREAT h 1 FIELDS 2 x b", "*2\r\n:-2\r\n:2\r\n> HDEL h b"),
        ("HGETALL h", "*2\r\n$1\r\nc\r\n$1\r\n3\r\n"),
        ("HPEXPIRE h 0 FIELDS 1 c", "*1\r\n:2\r\n> HDEL h c"),
        ("EXISTS h", ":0\r\n"),
        ("HSETEX h PXAT 1 FIELDS 1 a 1", ":1\r\n"),
        ("EXISTS h", ":0\r\n"),
        ("HSETEX h EX 9 FIELDS 2 a 1 b 2", ":1\r\n> HSETEX h PXAT 1000009000 FIELDS 2 a 1 b 2"),
        ("HSETEX h EX 0 FIELDS 2 a 1 z 1", ":1\r\n> HDEL h a"),
        ("HGETEX h EXAT 1 FIELDS 3 b b z", "*3\r\n$1\r\n2\r\n$-1\r\n$-1\r\n> HDEL h b"),
        ("EXISTS h", ":0\r\n"),
        // Whoever does not expire himself keeps what he is told.
        ("@expiry ignore", ""),
        ("HSET h a 1", ":1\r\n> HSET h a 1"),
        ("HPEXPIREAT h 1 FIELDS 1 a", "*1\r\n:1\r\n> HPEXPIREAT h 1 FIELDS 1 a"),
        ("HGET h a", "$1\r\n1\r\n"),
        ("@expiry hide", ""),
        ("HGET h a", "$-1\r\n"),
    ]);
}

#[test]
fn a_field_that_is_over_is_hidden_and_begins_anew() {
    check(&[
        ("HSET h a 1 b 2 c 3 d 4", ":4\r\n> HSET h a 1 b 2 c 3 d 4"),
        ("HPEXPIRE h 10 FIELDS 3 a b c", "*3\r\n:1\r\n:1\r\n:1\r\n> HPEXPIREAT h 1000000010 FIELDS 3 a b c"),
        ("HGET h a", "$1\r\n1\r\n"),
        ("@advance 11", ""),
        ("HGET h a", "$-1\r\n"),
        ("HMGET h a d", "*2\r\n$-1\r\n$1\r\n4\r\n"),
        ("HEXISTS h a", ":0\r\n"),
        ("HSTRLEN h a", ":0\r\n"),
        ("HGETALL h", "*2\r\n$1\r\nd\r\n$1\r\n4\r\n"),
        ("HKEYS h", "*1\r\n$1\r\nd\r\n"),
        ("HVALS h", "*1\r\n$1\r\n4\r\n"),
        ("HSCAN h 0", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\nd\r\n$1\r\n4\r\n"),
        ("HRANDFIELD h", "$1\r\nd\r\n"),
        ("HRANDFIELD h 5", "*1\r\n$1\r\nd\r\n"),
        ("HRANDFIELD h -2", "*2\r\n$1\r\nd\r\n$1\r\nd\r\n"),
        ("HTTL h FIELDS 1 a", "*1\r\n:-2\r\n"),
        ("HPERSIST h FIELDS 1 a", "*1\r\n:-2\r\n"),
        ("HEXPIRE h 10 FIELDS 1 a", "*1\r\n:-2\r\n"),
        ("HGETEX h EX 10 FIELDS 1 a", "*1\r\n$-1\r\n"),
        ("HGETDEL h FIELDS 1 a", "*1\r\n$-1\r\n"),
        ("HDEL h a", ":0\r\n"),
        ("HSETEX h FXX FIELDS 1 a 1", ":0\r\n"),
        // Those that are there count until they are deleted.
        ("HLEN h", ":4\r\n"),
        ("HSETEX h FNX KEEPTTL FIELDS 2 a 1 e 5", ":1\r\n> HDEL h a; HSETEX h KEEPTTL FIELDS 2 a 1 e 5"),
        ("HTTL h FIELDS 2 a e", "*2\r\n:-1\r\n:-1\r\n"),
        ("HINCRBY h b 7", ":7\r\n> HSET h b 7"),
        ("HTTL h FIELDS 1 b", "*1\r\n:-1\r\n"),
        ("HSETNX h c 8", ":1\r\n> HSET h c 8"),
        ("HLEN h", ":5\r\n"),
        ("HPEXPIRE h 10 FIELDS 1 a", "*1\r\n:1\r\n> HPEXPIREAT h 1000000021 FIELDS 1 a"),
        ("@advance 11", ""),
        ("HINCRBYFLOAT h a 1.5", "$3\r\n1.5\r\n> HSET h a 1.5"),
        ("HPEXPIRE h 10 FIELDS 1 a", "*1\r\n:1\r\n> HPEXPIREAT h 1000000032 FIELDS 1 a"),
        ("@advance 11", ""),
        ("HSET h a 2", ":1\r\n> HSET h a 2"),
        ("HTTL h FIELDS 1 a", "*1\r\n:-1\r\n"),
    ]);
}

#[test]
fn writes_and_the_expiry_that_is_there() {
    check(&[
        ("HSETEX h EX 10 FIELDS 3 a 1 b 2 c 3", ":1\r\n> HSETEX h PXAT 1000010000 FIELDS 3 a 1 b 2 c 3"),
        ("HINCRBY h a 1", ":2\r\n> HSETEX h PXAT 1000010000 FIELDS 1 a 2"),
        ("HINCRBYFLOAT h a 1", "$1\r\n3\r\n> HSETEX h PXAT 1000010000 FIELDS 1 a 3"),
        ("HTTL h FIELDS 1 a", "*1\r\n:10\r\n"),
        ("HSET h a 1", ":0\r\n> HSET h a 1"),
        ("HTTL h FIELDS 2 a b", "*2\r\n:-1\r\n:10\r\n"),
        ("HSETNX h b 1", ":0\r\n"),
        ("HSETEX h KEEPTTL FIELDS 2 a 5 b 6", ":1\r\n> HSETEX h KEEPTTL FIELDS 2 a 5 b 6"),
        ("HTTL h FIELDS 2 a b", "*2\r\n:-1\r\n:10\r\n"),
        ("HSETEX h FIELDS 1 b 7", ":1\r\n> HSET h b 7"),
        ("HTTL h FIELDS 1 b", "*1\r\n:-1\r\n"),
        ("RENAME h i", "+OK\r\n> RENAME h i"),
        ("HTTL i FIELDS 1 c", "*1\r\n:10\r\n"),
        ("COPY i j", ":1\r\n> COPY i j"),
        ("HTTL j FIELDS 1 c", "*1\r\n:10\r\n"),
        ("HPERSIST j FIELDS 1 c", "*1\r\n:1\r\n> HPERSIST j FIELDS 1 c"),
        ("HTTL i FIELDS 1 c", "*1\r\n:10\r\n"),
    ]);
}

#[test]
fn hsetex() {
    check(&[
        ("HSETEX h XX EX 10 FIELDS 1 a 1", ":0\r\n"),
        ("HSETEX h NX PX 10 FIELDS 1 a 1", ":1\r\n> HSETEX h PXAT 1000000010 FIELDS 1 a 1"),
        ("HSETEX h NX EX 10 FIELDS 1 b 1", ":0\r\n"),
        ("HSETEX h XX EXAT 1000010 FIELDS 1 a 1", ":1\r\n> HSETEX h PXAT 1000010000 FIELDS 1 a 1"),
        ("HSETEX h FNX EX 10 FIELDS 2 a 1 b 1", ":0\r\n"),
        ("HSETEX h FXX EX 10 FIELDS 2 a 1 b 1", ":0\r\n"),
        ("HSETEX h fnx FIELDS 1 b 1", ":1\r\n> HSET h b 1"),
        (
            "HSETEX h FXX PXAT 1000010001 FIELDS 2 a 1 b 1",
            ":1\r\n> HSETEX h PXAT 1000010001 FIELDS 2 a 1 b 1",
        ),
        ("HSETEX h KEEPTTL KEEPTTL EX 1 FIELDS 1 a 1", SYNTAX),
        ("HSETEX h EX 1 KEEPTTL FIELDS 1 a 1", SYNTAX),
        ("HSETEX h EX 1 PX 1 FIELDS 1 a 1", SYNTAX),
        ("HSETEX h NX XX FIELDS 1 a 1", SYNTAX),
        ("HSETEX h FNX FXX FIELDS 1 a 1", SYNTAX),
        ("HSETEX h PERSIST FIELDS 1 a 1", SYNTAX),
        ("HSETEX h EX FIELDS 1 a 1", SYNTAX),
        ("HSETEX h EX 10 FOO FIELDS 1 a 1", SYNTAX),
        ("HSETEX h EX 10 FELDS 1 a 1", BAD_COUNT),
        ("HSETEX h FIELDS 1 a 1 EX 10", BAD_COUNT),
        ("HSETEX h EX 10 FIELDS 2 a 1", BAD_COUNT),
        ("HSETEX h EX 10 FIELDS 0 a 1", BAD_COUNT),
        ("HSETEX h EX 10 FIELDS 2 a 1 b", BAD_COUNT),
        ("HSETEX h EX 10 FIELDS x a 1", NOT_INTEGER),
        ("HSETEX h EX x FIELDS 1 a 1", NOT_INTEGER),
        ("HSETEX h EX -1 FIELDS 1 a 1", "-ERR invalid expire time in 'hsetex' command\r\n"),
        ("HSETEX h EX 9223372036854775807 FIELDS 1 a 1", "-ERR invalid expire time in 'hsetex' command\r\n"),
        ("SET s 1", "+OK\r\n> SET s 1"),
        ("HSETEX s EX x FIELDS 1 a 1", WRONG_TYPE),
    ]);
}

#[test]
fn hgetex_and_hgetdel() {
    check(&[
        ("HSET h a 1 b 2", ":2\r\n> HSET h a 1 b 2"),
        ("HGETEX h FIELDS 2 a z", "*2\r\n$1\r\n1\r\n$-1\r\n"),
        ("HGETEX h EX 10 FIELDS 2 a z", "*2\r\n$1\r\n1\r\n$-1\r\n> HPEXPIREAT h 1000010000 FIELDS 1 a"),
        ("HGETEX h EX 1 EX 10 FIELDS 1 z", "*1\r\n$-1\r\n"),
        ("HGETEX h PERSIST FIELDS 3 a a b", "*3\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n2\r\n> HPERSIST h FIELDS 1 a"),
        ("HGETEX h PERSIST FIELDS 1 a", "*1\r\n$1\r\n1\r\n"),
        ("HGETEX none EX 10 FIELDS 2 a z", "*2\r\n$-1\r\n$-1\r\n"),
        ("HGETEX none EX x FIELDS 1 a", NOT_INTEGER),
        ("HGETEX none EX -1 FIELDS 1 a", "-ERR invalid expire time in 'hgetex' command\r\n"),
        ("HGETEX h EX 1 PX 1 FIELDS 1 a", SYNTAX),
        ("HGETEX h EX 1 PERSIST FIELDS 1 a", SYNTAX),
        ("HGETEX h KEEPTTL FIELDS 1 a", SYNTAX),
        ("HGETEX h FOO FIELDS 1 a", SYNTAX),
        ("HGETEX h EX 10 FELDS 1 a", BAD_COUNT),
        ("HGETEX h FIELDS 1 a EX 10", BAD_COUNT),
        ("HGETEX h FIELDS 0 a", BAD_COUNT),
        ("HGETEX h FIELDS x a", NOT_INTEGER),
        ("HGETDEL h FIELDS 3 a a z", "*3\r\n$1\r\n1\r\n$-1\r\n$-1\r\n> HDEL h a"),
        ("HGETDEL h FIELDS 1 z", "*1\r\n$-1\r\n"),
        ("HGETDEL h FIELDS 1 b", "*1\r\n$1\r\n2\r\n> HDEL h b"),
        ("EXISTS h", ":0\r\n"),
        ("HGETDEL h FIELDS 2 a b", "*2\r\n$-1\r\n$-1\r\n"),
        ("HGETDEL h FELDS 1 a", SYNTAX),
        ("HGETDEL h FIELDS 2 a", BAD_COUNT),
        ("HGETDEL h FIELDS x a", NOT_INTEGER),
        ("SET s 1", "+OK\r\n> SET s 1"),
        ("HGETDEL s FIELDS 1 a", WRONG_TYPE),
        ("HGETEX s EX x FIELDS 1 a", WRONG_TYPE),
    ]);
}

#[test]
fn words_that_are_missing_or_wrong() {
    check(&[
        ("HSET h a 1", ":1\r\n> HSET h a 1"),
        ("SET s 1", "+OK\r\n> SET s 1"),
        ("HEXPIRE h 10 FIELDS 2 a", BAD_COUNT),
        ("HEXPIRE h 10 FIELDS 1 a b", BAD_COUNT),
        ("HEXPIRE h 10 FIELDS 0 a", BAD_COUNT),
        ("HEXPIRE h 10 FELDS 1 a", BAD_COUNT),
        ("HEXPIRE h 10 FIELDS x a", NOT_INTEGER),
        ("HEXPIRE s x FIELDS 1 a", NOT_INTEGER),
        ("HEXPIRE h -1 FIELDS 1 a", "-ERR invalid expire time in 'hexpire' command\r\n"),
        ("HEXPIRE h 9223372036854775807 FIELDS 1 a", "-ERR invalid expire time in 'hexpire' command\r\n"),
        ("HPEXPIRE h 9223372036854775807 FIELDS 1 a", "-ERR invalid expire time in 'hpexpire' command\r\n"),
        ("HEXPIREAT h -5 FIELDS 1 a", "-ERR invalid expire time in 'hexpireat' command\r\n"),
        ("HEXPIRE s 10 FIELDS 1 a", WRONG_TYPE),
        ("HEXPIRE h 10 FIELDS", "-ERR wrong number of arguments for 'hexpire' command\r\n"),
        ("HTTL h FIELDS 2 a", SYNTAX),
        ("HTTL h FELDS 1 a", SYNTAX),
        ("HTTL h FIELDS 0 a", SYNTAX),
        ("HTTL h FIELDS x a", NOT_INTEGER),
        ("HTTL s FIELDS 1 a", WRONG_TYPE),
        ("HPERSIST h FIELDS 2 a", BAD_COUNT),
        ("HPERSIST h FELDS 1 a", SYNTAX),
        ("HPERSIST s FIELDS 1 a", WRONG_TYPE),
    ]);
}

fn run(tester: &mut Tester, line: &str) -> String {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    super::show(&tester.execute(&OwnedArgs::from_slices(&words)).0)
}

/// What the expire cycle does with a hash; the effects as they go into the log.
fn expire(tester: &mut Tester, key: &[u8], max: usize) -> (usize, String) {
    tester.fx.clear();
    let mut ctx = Ctx {
        ks: &mut tester.ks,
        db: 0,
        out: &mut tester.out,
        env: &tester.env,
        fx: &mut tester.fx,
        rng: &mut tester.rng,
        registry: &tester.registry,
    };
    let gone = crate::expire_fields(&mut ctx, key, max);
    let effects = super::parse_all(&tester.fx.log);
    (gone, effects.iter().map(super::show_request).collect::<Vec<_>>().join("; "))
}

#[test]
fn the_cycle_deletes_what_is_over() {
    let mut tester = Tester::new();
    tester.fx.notify = EventClass::all();
    tester.fx.track_keys = true;
    run(&mut tester, "HSET h a 1 b 2");
    run(&mut tester, "HSETEX h PX 10 FIELDS 1 c 3");
    run(&mut tester, "HSETEX i PX 20 FIELDS 2 d 4 e 5");
    assert_eq!(tester.ks.db(0).timed_hashes(), 2);
    assert_eq!(tester.ks.db(0).due_hash(tester.env.now_ms), None);
    tester.env.set_now_ms(tester.env.now_ms + 15);
    assert_eq!(tester.ks.db(0).due_hash(tester.env.now_ms), Some(&b"h"[..]));
    assert_eq!(expire(&mut tester, b"h", 10), (1, "HDEL h c".into()));
    assert_eq!(tester.fx.dirty, 1);
    assert_eq!(tester.fx.touched, [(0, Box::from(*b"h"))]);
    assert_eq!(tester.fx.events.iter().map(|event| event.name).collect::<Vec<_>>(), ["hexpired"]);
    assert_eq!(tester.ks.db(0).due_hash(tester.env.now_ms), None);
    assert_eq!(run(&mut tester, "HLEN h"), ":2\r\n");

    tester.env.set_now_ms(tester.env.now_ms + 15);
    assert_eq!(expire(&mut tester, b"i", 1).0, 1);
    assert_eq!(tester.ks.db(0).due_hash(tester.env.now_ms), Some(&b"i"[..]));
    assert_eq!(expire(&mut tester, b"i", 1).0, 1);
    let events: Vec<_> = tester.fx.events.iter().map(|event| event.name).collect();
    assert_eq!(events, ["hexpired", "del"]);
    assert_eq!(run(&mut tester, "EXISTS i"), ":0\r\n");
    assert_eq!(tester.ks.db(0).timed_hashes(), 0);
    assert_eq!(expire(&mut tester, b"i", 1), (0, String::new()));
    assert_eq!(expire(&mut tester, b"h", 1), (0, String::new()));
}

#[test]
fn events_are_those_that_others_know() {
    let mut tester = Tester::new();
    tester.fx.notify = EventClass::all();
    run(&mut tester, "HSET h a 1 b 2 c 3");
    for (line, names) in [
        ("HSETEX h EX 9 FIELDS 1 a 1", "hset hexpire"),
        ("HSETEX h KEEPTTL FIELDS 1 a 1", "hset"),
        ("HEXPIRE h 9 FIELDS 1 b", "hexpire"),
        ("HPERSIST h FIELDS 1 b", "hpersist"),
        ("HGETEX h EX 9 FIELDS 1 b", "hexpire"),
        ("HGETEX h PERSIST FIELDS 1 b", "hpersist"),
        ("HGETEX h FIELDS 1 b", ""),
        ("HGETEX h EX 0 FIELDS 1 b", "hexpired"),
        ("HSETEX h EX 0 FIELDS 1 a 1", "hset hexpire hexpired"),
        ("HEXPIRE h 0 FIELDS 1 c", "hexpired del"),
        ("HSET h a 1", "hset"),
        ("HGETDEL h FIELDS 1 a", "hdel del"),
    ] {
        tester.fx.events.clear();
        run(&mut tester, line);
        let events: Vec<_> = tester.fx.events.iter().map(|event| event.name).collect();
        let events: Vec<_> = events.into_iter().filter(|name| !matches!(*name, "new" | "keymiss")).collect();
        assert_eq!(events.join(" "), names, "{line}");
    }
}

#[test]
fn a_replica_waits_for_its_master() {
    let mut replica = Tester::replica();
    run(&mut replica, "HSETEX h PXAT 1000000010 FIELDS 2 a 1 b 2");
    replica.env.set_now_ms(replica.env.now_ms + 100);
    replica.env.expiry = ExpiryMode::Hide;
    assert_eq!(run(&mut replica, "HGETALL h"), "*0\r\n");
    assert_eq!(run(&mut replica, "HLEN h"), ":2\r\n");
    replica.env.expiry = ExpiryMode::Ignore;
    assert_eq!(run(&mut replica, "HDEL h a b"), ":2\r\n");
    assert_eq!(run(&mut replica, "EXISTS h"), ":0\r\n");
}
