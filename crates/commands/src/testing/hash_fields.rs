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
            "*1\r\n:1\r\n> HPEXPIREAT h 70368744177663 FIELDS 1 a",
        ),
        ("HPEXPIRETIME h FIELDS 1 a", "*1\r\n:70368744177663\r\n"),
        ("HSETEX h PXAT 70368744177664 FIELDS 1 a 2", ":1\r\n> HSETEX h PXAT 70368744177663 FIELDS 1 a 2"),
        ("HGETEX h EXAT 80000000000 FIELDS 1 b", "*1\r\n$1\r\n2\r\n> HPEXPIREAT h 70368744177663 FIELDS 1 b"),
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
        ("HSET h x 0", ":1\r\n> HSET h x 0"),
        ("HDEL h a x nothing", ":1\r\n> HDEL h x"),
        // Those that are there count until they are deleted.
        ("HLEN h", ":4\r\n"),
        ("HSETEX h FNX KEEPTTL FIELDS 2 a 1 e 5", ":1\r\n> HSET h a 1; HSETEX h KEEPTTL FIELDS 1 e 5"),
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

/// A random request about fields that expire, soon as a rule.
fn request(rng: &mut fastrand::Rng, now_ms: u64) -> Vec<Vec<u8>> {
    fn one_of(rng: &mut fastrand::Rng, words: &[&str]) -> Vec<u8> {
        words[rng.usize(..words.len())].into()
    }
    let key = one_of(rng, &["h1", "h2", "h3"]);
    let names: Vec<Vec<u8>> =
        (0..rng.usize(1..4)).map(|_| one_of(rng, &["a", "b", "c", "d", "e", "17"])).collect();
    let count = names.len().to_string().into_bytes();
    let value = |rng: &mut fastrand::Rng| rng.i8(..).to_string().into_bytes();
    let time = |rng: &mut fastrand::Rng| match rng.u8(0..8) {
        0 => ["EX".into(), rng.u8(0..2).to_string().into_bytes()],
        1 => ["EXAT".into(), (now_ms / 1000 + rng.u64(0..2)).to_string().into_bytes()],
        2..5 => ["PX".into(), rng.u16(0..400).to_string().into_bytes()],
        _ => ["PXAT".into(), (now_ms - 20 + rng.u64(0..400)).to_string().into_bytes()],
    };
    let mut words: Vec<Vec<u8>> = Vec::new();
    let fields = |words: &mut Vec<Vec<u8>>| {
        words.extend(["FIELDS".into(), count.clone()]);
        words.extend(names.iter().cloned());
    };
    match rng.u8(0..24) {
        0..4 => {
            words.extend(["HSETEX".into(), key]);
            for option in [["NX", "XX"], ["FNX", "FXX"]] {
                if rng.u8(0..4) == 0 {
                    words.push(one_of(rng, &option));
                }
            }
            match rng.u8(0..4) {
                0 => words.push("KEEPTTL".into()),
                1 => {}
                _ => words.extend(time(rng)),
            }
            words.extend(["FIELDS".into(), count]);
            names.iter().for_each(|name| words.extend([name.clone(), value(rng)]));
        }
        4..8 => {
            let [word, number] = time(rng);
            let name: &str = match &word[..] {
                b"EX" => "HEXPIRE",
                b"PX" => "HPEXPIRE",
                b"EXAT" => "HEXPIREAT",
                _ => "HPEXPIREAT",
            };
            words.extend([name.into(), key, number]);
            if rng.bool() {
                words.push(one_of(rng, &["NX", "XX", "GT", "LT"]));
            }
            fields(&mut words);
        }
        8..10 => {
            words.extend(["HGETEX".into(), key]);
            match rng.u8(0..4) {
                0 => words.push("PERSIST".into()),
                1 => {}
                _ => words.extend(time(rng)),
            }
            fields(&mut words);
        }
        10 => {
            words.extend(["HPERSIST".into(), key]);
            fields(&mut words);
        }
        11 => {
            words.extend(["HGETDEL".into(), key]);
            fields(&mut words);
        }
        12..15 => {
            words.extend([one_of(rng, &["HSET", "HMSET"]), key]);
            names.iter().for_each(|name| words.extend([name.clone(), value(rng)]));
        }
        15 => words.extend(["HSETNX".into(), key, names[0].clone(), value(rng)]),
        16..18 => {
            words.extend([one_of(rng, &["HINCRBY", "HINCRBYFLOAT"]), key, names[0].clone(), value(rng)])
        }
        18 => {
            words.extend(["HDEL".into(), key]);
            words.extend(names);
        }
        19 => words.extend([one_of(rng, &["RENAME", "COPY"]), key, one_of(rng, &["h1", "h2", "h3"])]),
        20 => words.extend(["DEL".into(), key]),
        21 => words.extend(["PEXPIRE".into(), key, rng.u16(0..600).to_string().into_bytes()]),
        _ => words.extend([one_of(rng, &["HGETALL", "HKEYS", "HLEN", "HRANDFIELD"]), key]),
    }
    words
}

/// Names of the fields that a client sees, with their times, as the reply of HGETALL has them.
fn visible(tester: &mut Tester, key: &str) -> usize {
    let reply = run(tester, &format!("HGETALL {key}"));
    let items: usize = reply[1..].lines().next().and_then(|count| count.parse().ok()).expect("an array");
    items / 2
}

/// A replica whose clock is far ahead applies the log of a master whose clock moves, and holds what the master holds; so does one that
/// is served by the expire cycle's deletions.
fn replicate(seed: u64, requests: usize) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut master, mut replica) = (Tester::new(), Tester::replica());
    replica.env.set_now_ms(super::START_MS + 5_000_000);
    for _ in 0..requests {
        let now_ms = master.env.now_ms + rng.u64(0..60);
        master.env.set_now_ms(now_ms);
        let words = request(&mut rng, now_ms);
        let request = OwnedArgs::from_slices(&words.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let (reply, from) = master.execute(&request);
        assert!(!reply.is_empty());
        let mut effects = master.log.split_off(from);
        // Now and then the cycle comes by.
        while rng.u8(0..6) == 0
            && let Some(key) = master.ks.db(0).due_hash(now_ms).map(<[u8]>::to_vec)
        {
            let max = rng.usize(1..4);
            // Nothing may have been over: the list has lower bounds. It has a better one then.
            if expire(&mut master, &key, max).0 == 0 {
                assert_ne!(master.ks.db(0).due_hash(now_ms), Some(&key[..]), "seed {seed}");
            }
            effects.extend(super::parse_all(&master.fx.log));
        }
        for effect in &effects {
            let reply = replica.execute(effect).0;
            assert!(!reply.starts_with(b"-"), "seed {seed}: {effect:?}: {}", reply.escape_ascii());
        }
        assert_eq!(master.contents(), replica.contents(), "seed {seed}: {request:?} as {effects:?}");
        assert_eq!(
            master.ks.db(0).timed_hashes(),
            replica.ks.db(0).timed_hashes(),
            "seed {seed}: {request:?}"
        );
        for entry in master.ks.db(0).iter() {
            let hash = keyspace::HashRef::of(&entry).expect("only hashes");
            assert!(!hash.is_empty(), "seed {seed}: an empty hash is left by {request:?}");
        }
    }
    // When the cycle has done its work, what is there is what clients see.
    while let Some(key) = master.ks.db(0).due_hash(master.env.now_ms).map(<[u8]>::to_vec) {
        expire(&mut master, &key, 100);
    }
    // A field that expires in this very millisecond is deleted, but would have been visible until it was over.
    for key in ["h1", "h2", "h3"] {
        let seen = visible(&mut master, key);
        assert_eq!(run(&mut master, &format!("HLEN {key}")), format!(":{seen}\r\n"), "seed {seed}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 96, ..Default::default() })]

    #[test]
    fn a_replica_holds_what_its_master_holds(seed: u64) {
        replicate(seed, 500);
    }
}
