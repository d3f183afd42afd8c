//! Sets.

use std::collections::BTreeMap;

use resp::{OwnedArgs, Proto};

use super::differential::{RealServer, alike};
use super::{Tester, check};
use crate::EventClass;

/// A random request over few keys; with `chance`, also one whose outcome is a matter of chance.
pub(super) fn request(rng: &mut fastrand::Rng, chance: bool) -> Vec<Vec<u8>> {
    fn pick(rng: &mut fastrand::Rng, words: &[&str]) -> String {
        words[rng.usize(0..words.len())].to_owned()
    }
    fn key(rng: &mut fastrand::Rng) -> String {
        pick(rng, &["set1", "set2", "set3", "set4", "set1", "set2", "set3", "set4", "set5", "a", "b"])
    }
    fn member(rng: &mut fastrand::Rng) -> String {
        match rng.u8(0..20) {
            0 => String::new(),
            1 => rng.i64(..).to_string(),
            2 => pick(rng, &["007", "-0", "9223372036854775808", "+1"]),
            3 => "x".repeat(rng.usize(60..70)),
            4..14 => rng.i8(-20..20).to_string(),
            _ => pick(rng, &["a", "b", "c", "foo", "bar", "A", "x1"]),
        }
    }
    fn members(rng: &mut fastrand::Rng, words: &mut Vec<String>) {
        match rng.u8(0..30) {
            // More than some form takes.
            0 => {
                let from = rng.i16(0..500);
                words.extend((from..from + rng.i16(1..600)).map(|number| number.to_string()));
            }
            1 => {
                let from = rng.i16(0..100);
                words.extend((from..from + rng.i16(1..150)).map(|number| format!("m{number}")));
            }
            _ => words.extend((0..rng.u8(1..5)).map(|_| member(rng))),
        }
    }
    fn keys(rng: &mut fastrand::Rng, words: &mut Vec<String>) {
        words.extend((0..rng.u8(1..5)).map(|_| key(rng)));
    }
    let mut words: Vec<String> = Vec::new();
    macro_rules! words {
        ($($word:expr),*) => { words.extend([$(String::from($word)),*]) };
    }
    match rng.u8(0..if chance { 26 } else { 22 }) {
        0..5 => {
            words!("SADD", key(rng));
            members(rng, &mut words);
        }
        5..7 => {
            words!("SREM", key(rng));
            members(rng, &mut words);
        }
        7 => words!("SMOVE", key(rng), key(rng), member(rng)),
        8 => words!("SISMEMBER", key(rng), member(rng)),
        9 => {
            words!("SMISMEMBER", key(rng));
            members(rng, &mut words);
        }
        10 => words!("SCARD", key(rng)),
        11 => words!("SMEMBERS", key(rng)),
        12..15 => {
            words!(pick(rng, &["SINTER", "SUNION", "SDIFF"]));
            keys(rng, &mut words);
        }
        15..18 => {
            words!(pick(rng, &["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"]), key(rng));
            keys(rng, &mut words);
        }
        18 => {
            words!("SINTERCARD", pick(rng, &["1", "2", "2", "3", "0", "x"]));
            keys(rng, &mut words);
            if rng.bool() {
                words!("limit", pick(rng, &["0", "1", "3", "100", "-1", "x"]));
            }
        }
        19 => {
            words!("SSCAN", key(rng), pick(rng, &["0", "0", "x"]), "COUNT", "10000");
            if rng.bool() {
                words!("MATCH", pick(rng, &["*", "m*", "?", "1*"]));
            }
        }
        20 => words!(pick(rng, &["DEL", "TYPE", "PERSIST"]), key(rng)),
        21 => words!("RENAME", key(rng), key(rng)),
        22 => words!("SPOP", key(rng)),
        23 => words!("SPOP", key(rng), pick(rng, &["0", "1", "2", "5", "20", "100", "1000", "-1"])),
        24 => words!("SRANDMEMBER", key(rng)),
        _ => words!("SRANDMEMBER", key(rng), pick(rng, &["0", "1", "3", "50", "-3", "-50", "x"])),
    }
    words.into_iter().map(String::into_bytes).collect()
}

/// The same requests to a real Valkey and to this crate, and how the sets are kept.
#[test]
fn sets_are_those_of_valkey() {
    let Some(mut real) = RealServer::start_valkey("sets") else { return };
    let mut rng = fastrand::Rng::with_seed(21);
    let mut tester = Tester::new();
    for (proto, version) in [(Proto::Resp2, b"2"), (Proto::Resp3, b"3")] {
        real.run(&[b"HELLO", version]);
        tester.out.proto = proto;
        for number in 0..10_000 {
            let words = match rng.u8(0..10) {
                0 => vec![
                    b"OBJECT".to_vec(),
                    b"ENCODING".to_vec(),
                    format!("set{}", rng.u8(1..5)).into_bytes(),
                ],
                _ => request(&mut rng, false),
            };
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            let request = OwnedArgs::from_slices(&words);
            let (ours, theirs) = (tester.execute(&request).0, real.execute(&request));
            assert!(
                alike(&String::from_utf8_lossy(words[0]), &ours, &theirs),
                "request {number}: {request:?}\n  ours: {}\ntheirs: {}",
                ours.escape_ascii(),
                theirs.escape_ascii()
            );
        }
    }
}

#[test]
fn members_of_one_set() {
    check(&[
        ("SADD s 3 1 2 3", ":3\r\n> SADD s 3 1 2 3"),
        ("SADD s 1", ":0\r\n"),
        ("OBJECT ENCODING s", "$6\r\nintset\r\n"),
        ("SMEMBERS s", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n"),
        ("SADD s a", ":1\r\n> SADD s a"),
        ("OBJECT ENCODING s", "$8\r\nlistpack\r\n"),
        ("SCARD s", ":4\r\n"),
        ("SCARD none", ":0\r\n"),
        ("SISMEMBER s 2", ":1\r\n"),
        ("SISMEMBER s 02", ":0\r\n"),
        ("SISMEMBER none a", ":0\r\n"),
        ("SMISMEMBER s a b 1", "*3\r\n:1\r\n:0\r\n:1\r\n"),
        ("SMISMEMBER none a b", "*2\r\n:0\r\n:0\r\n"),
        ("SMEMBERS none", "*0\r\n"),
        ("SREM s x 1", ":1\r\n> SREM s x 1"),
        ("SREM s x", ":0\r\n"),
        ("SREM none x", ":0\r\n"),
        ("SREM s 2 3 a b", ":3\r\n> SREM s 2 3 a b"),
        ("EXISTS s", ":0\r\n"),
        ("SET t v", "+OK\r\n> SET t v"),
        ("SADD t a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("SREM t a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("SCARD t", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("SMISMEMBER t a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("SADD u a", ":1\r\n> SADD u a"),
        ("GET u", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("TYPE u", "+set\r\n"),
        ("@resp 3", ""),
        ("SMEMBERS u", "~1\r\n$1\r\na\r\n"),
        ("SMEMBERS none", "~0\r\n"),
    ]);
}

#[test]
fn moving_members() {
    check(&[
        ("SADD s a b", ":2\r\n> SADD s a b"),
        ("SMOVE s t x", ":0\r\n"),
        ("SMOVE none t x", ":0\r\n"),
        ("SMOVE s s a", ":1\r\n"),
        ("SMOVE s s x", ":0\r\n"),
        ("SMOVE s t a", ":1\r\n> SMOVE s t a"),
        ("SADD t b", ":1\r\n> SADD t b"),
        ("SMOVE s t b", ":1\r\n> SMOVE s t b"),
        ("EXISTS s", ":0\r\n"),
        ("SCARD t", ":2\r\n"),
        ("SET w v", "+OK\r\n> SET w v"),
        ("SMOVE none w x", ":0\r\n"),
        ("SMOVE w t x", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("SMOVE t w x", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    ]);
}

#[test]
fn random_members_are_logged_as_what_they_were() {
    check(&[
        ("SADD s a", ":1\r\n> SADD s a"),
        ("SPOP s 0", "*0\r\n"),
        ("SRANDMEMBER s", "$1\r\na\r\n"),
        ("SRANDMEMBER s 5", "*1\r\n$1\r\na\r\n"),
        ("SRANDMEMBER s -2", "*2\r\n$1\r\na\r\n$1\r\na\r\n"),
        ("SRANDMEMBER s 0", "*0\r\n"),
        ("SPOP s", "$1\r\na\r\n> SREM s a"),
        ("EXISTS s", ":0\r\n"),
        ("SPOP s", "$-1\r\n"),
        ("SPOP s 2", "*0\r\n"),
        ("SRANDMEMBER s", "$-1\r\n"),
        ("SRANDMEMBER s 2", "*0\r\n"),
        ("SADD s 7", ":1\r\n> SADD s 7"),
        ("SPOP s 3", "*1\r\n$1\r\n7\r\n> DEL s"),
        ("SPOP s -1", "-ERR value is out of range, must be positive\r\n"),
        ("SPOP s x", "-ERR value is not an integer or out of range\r\n"),
        ("SPOP s 1 2", "-ERR syntax error\r\n"),
        ("SRANDMEMBER s 1 2", "-ERR syntax error\r\n"),
        ("SRANDMEMBER s x", "-ERR value is not an integer or out of range\r\n"),
        (
            "SRANDMEMBER s -9223372036854775808",
            "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807\r\n",
        ),
        ("SET t v", "+OK\r\n> SET t v"),
        ("SPOP t", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("SPOP t 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("SRANDMEMBER t", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("@resp 3", ""),
        ("SPOP none 1", "~0\r\n"),
        ("SPOP none", "_\r\n"),
        ("SRANDMEMBER none 1", "*0\r\n"),
        ("SADD s 7", ":1\r\n> SADD s 7"),
        ("SPOP s 1", "~1\r\n$1\r\n7\r\n> DEL s"),
    ]);
}

#[test]
fn many_popped_members_are_logged_in_batches() {
    let mut tester = Tester::new();
    let members: Vec<String> = (0..5000).map(|number| format!("m{number}")).collect();
    let mut words: Vec<&[u8]> = vec![b"SADD", b"s"];
    words.extend(members.iter().map(String::as_bytes));
    tester.execute(&OwnedArgs::from_slices(&words));
    for (count, batches, left) in [(b"2500", [1024, 1024, 452], 2500), (b"2490", [1024, 1024, 442], 10)] {
        let from = tester.execute(&OwnedArgs::from_slices(&[b"SPOP", b"s", count])).1;
        let lens: Vec<usize> = tester.log[from..].iter().map(|effect| effect.as_args().len() - 2).collect();
        assert_eq!(lens, batches);
        assert_eq!(tester.fx.dirty, batches.iter().sum::<usize>() as u64);
        let reply = tester.execute(&OwnedArgs::from_slices(&[b"SCARD", b"s"])).0;
        assert_eq!(reply, format!(":{left}\r\n").into_bytes());
    }
    // What is left of so many is a set of its own.
    let reply = tester.execute(&OwnedArgs::from_slices(&[b"OBJECT", b"ENCODING", b"s"])).0;
    assert_eq!(reply, b"$8\r\nlistpack\r\n");
}

#[test]
fn intersections_unions_and_differences() {
    check(&[
        ("SADD a 1 2 3", ":3\r\n> SADD a 1 2 3"),
        ("SADD b 2 3 4", ":3\r\n> SADD b 2 3 4"),
        ("SADD c 3 x", ":2\r\n> SADD c 3 x"),
        ("SINTER a b", "*2\r\n$1\r\n2\r\n$1\r\n3\r\n"),
        ("SINTER a b c", "*1\r\n$1\r\n3\r\n"),
        ("SINTER a none", "*0\r\n"),
        ("SINTER a", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n"),
        ("SUNION b a", "*4\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n1\r\n"),
        ("SUNION none", "*0\r\n"),
        ("SUNION none a a", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n"),
        ("SUNION a a a a b", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n"),
        ("SDIFF a b", "*1\r\n$1\r\n1\r\n"),
        ("SDIFF a none", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n"),
        ("SDIFF none a", "*0\r\n"),
        ("SDIFF a b a", "*0\r\n"),
        ("SINTERCARD 2 a b", ":2\r\n"),
        ("SINTERCARD 2 a b LIMIT 1", ":1\r\n"),
        ("SINTERCARD 2 a b LIMIT 0", ":2\r\n"),
        ("SINTERCARD 2 a none", ":0\r\n"),
        ("SINTERCARD 0 a", "-ERR numkeys should be greater than 0\r\n"),
        ("SINTERCARD x a", "-ERR numkeys should be greater than 0\r\n"),
        ("SINTERCARD 3 a b", "-ERR Number of keys can't be greater than number of args\r\n"),
        ("SINTERCARD 1 a b", "-ERR syntax error\r\n"),
        ("SINTERCARD 1 a LIMIT", "-ERR syntax error\r\n"),
        ("SINTERCARD 1 a LIMIT -1", "-ERR LIMIT can't be negative\r\n"),
        ("SINTERSTORE d a b", ":2\r\n> SINTERSTORE d a b"),
        ("SMEMBERS d", "*2\r\n$1\r\n2\r\n$1\r\n3\r\n"),
        ("SINTERSTORE d a c", ":1\r\n> SINTERSTORE d a c"),
        ("OBJECT ENCODING d", "$6\r\nintset\r\n"),
        ("EXPIRE d 100", ":1\r\n> PEXPIREAT d 1000100000"),
        ("SUNIONSTORE d a c", ":4\r\n> SUNIONSTORE d a c"),
        ("TTL d", ":-1\r\n"),
        ("OBJECT ENCODING d", "$8\r\nlistpack\r\n"),
        ("SDIFFSTORE d c a", ":1\r\n> SDIFFSTORE d c a"),
        ("SMEMBERS d", "*1\r\n$1\r\nx\r\n"),
        ("SDIFFSTORE d a a", ":0\r\n> SDIFFSTORE d a a"),
        ("EXISTS d", ":0\r\n"),
        ("SINTERSTORE d a none", ":0\r\n"),
        ("SET t v", "+OK\r\n> SET t v"),
        ("SINTER none t", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("SDIFFSTORE a none t", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("SUNIONSTORE t none", ":0\r\n> SUNIONSTORE t none"),
        ("EXISTS t", ":0\r\n"),
        ("SUNIONSTORE a a b", ":4\r\n> SUNIONSTORE a a b"),
        ("COMMAND GETKEYS SINTERCARD 2 a b LIMIT 3", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
        ("COMMAND GETKEYS SDIFFSTORE d a b", "*3\r\n$1\r\nd\r\n$1\r\na\r\n$1\r\nb\r\n"),
    ]);
}

#[test]
fn walking_through_members() {
    check(&[
        ("SADD s foo bar 12", ":3\r\n> SADD s foo bar 12"),
        ("SSCAN s 0", "*2\r\n$1\r\n0\r\n*3\r\n$3\r\nfoo\r\n$3\r\nbar\r\n$2\r\n12\r\n"),
        ("SSCAN s 0 MATCH *1* COUNT 1", "*2\r\n$1\r\n0\r\n*1\r\n$2\r\n12\r\n"),
        ("SSCAN s x", "-ERR invalid cursor\r\n"),
        ("SSCAN s 0 TYPE set", "-ERR syntax error\r\n"),
        ("SSCAN s 0 NOVALUES", "-ERR NOVALUES option can only be used in HSCAN\r\n"),
        ("SSCAN none 0 what ever", "*2\r\n$1\r\n0\r\n*0\r\n"),
        ("SET t v", "+OK\r\n> SET t v"),
        ("SSCAN t 0", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    ]);
}

#[test]
fn expired_sets_are_gone() {
    check(&[
        ("SADD s a", ":1\r\n> SADD s a"),
        ("PEXPIRE s 10", ":1\r\n> PEXPIREAT s 1000000010"),
        ("@advance 20", ""),
        ("SADD s b", ":1\r\n> DEL s; SADD s b"),
        ("PEXPIRE s 10", ":1\r\n> PEXPIREAT s 1000000030"),
        ("@advance 20", ""),
        ("SUNION s", "*0\r\n> DEL s"),
        ("SADD s b", ":1\r\n> SADD s b"),
        ("PEXPIRE s 10", ":1\r\n> PEXPIREAT s 1000000050"),
        ("@advance 20", ""),
        ("SUNIONSTORE t s", ":0\r\n> DEL s"),
        ("SADD s b", ":1\r\n> SADD s b"),
        ("PEXPIRE s 10", ":1\r\n> PEXPIREAT s 1000000070"),
        ("@advance 20", ""),
        ("SPOP s", "$-1\r\n> DEL s"),
    ]);
}

#[test]
fn events_are_those_of_valkey() {
    let mut tester = Tester::new();
    tester.fx.notify = EventClass::SET | EventClass::GENERIC | EventClass::NEW | EventClass::KEY_MISS;
    let mut log = String::new();
    for line in [
        "SADD s a b c",
        "SADD s a",
        "SREM s a x",
        "SMOVE s t b",
        "SMOVE s t c",
        "SPOP t 1",
        "SPOP t",
        "SADD a 1 2",
        "SINTER a none",
        "SUNIONSTORE d a",
        "SUNIONSTORE d a",
        "SDIFFSTORE d a a",
        "SPOP a 2",
    ] {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        tester.execute(&OwnedArgs::from_slices(&words));
        let events: Vec<String> = tester
            .fx
            .events
            .iter()
            .map(|event| format!("{} {}", event.name, event.key.escape_ascii()))
            .collect();
        log.push_str(&format!("{line}: {}, dirty {}\n", events.join(", "), tester.fx.dirty));
    }
    let expected = "\
SADD s a b c: new s, sadd s, dirty 3
SADD s a: , dirty 0
SREM s a x: srem s, dirty 1
SMOVE s t b: srem s, new t, sadd t, dirty 2
SMOVE s t c: srem s, del s, sadd t, dirty 2
SPOP t 1: spop t, dirty 1
SPOP t: spop t, del t, dirty 1
SADD a 1 2: new a, sadd a, dirty 2
SINTER a none: keymiss none, dirty 0
SUNIONSTORE d a: new d, sunionstore d, dirty 1
SUNIONSTORE d a: sunionstore d, dirty 1
SDIFFSTORE d a a: del d, dirty 1
SPOP a 2: spop a, del a, dirty 2
";
    assert_eq!(log, expected);
}

/// Chi-square over what a request gives, again and again.
#[test]
fn random_members_are_fair() {
    let forms = [
        "1 5 10 50 125 MARY PATRICIA LINDA BARBARA ELIZABETH",
        "0 1 2 3 4 5 6 7 8 9",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 1 5 10 50 125 MARY PATRICIA LINDA BARBARA",
    ];
    for (members, encoding) in forms.into_iter().zip(["listpack", "intset", "hashtable"]) {
        let mut tester = Tester::new();
        let mut words: Vec<&[u8]> = vec![b"SADD", b"s"];
        words.extend(members.split(' ').map(str::as_bytes));
        tester.execute(&OwnedArgs::from_slices(&words));
        let reply = tester.execute(&OwnedArgs::from_slices(&[b"OBJECT", b"ENCODING", b"s"])).0;
        assert!(reply.ends_with(format!("{encoding}\r\n").as_bytes()));
        for (count, times) in [("-1000", 1), ("8", 125), ("2", 500)] {
            let mut counts: BTreeMap<String, u32> = BTreeMap::new();
            for _ in 0..times {
                let reply =
                    tester.execute(&OwnedArgs::from_slices(&[b"SRANDMEMBER", b"s", count.as_bytes()])).0;
                let reply = String::from_utf8(reply).expect("text");
                for member in reply.split("\r\n").skip(2).step_by(2) {
                    *counts.entry(member.to_owned()).or_default() += 1;
                }
            }
            assert_eq!(counts.values().sum::<u32>(), 1000);
            assert_eq!(counts.len(), 10);
            // With 9 degrees of freedom, one time in a hundred thousand is above 40.
            let value: f64 = counts.values().map(|&count| (f64::from(count) - 100.0).powi(2) / 100.0).sum();
            assert!(value < 40.0, "{encoding} {count}: {value}, {counts:?}");
        }
    }
}
