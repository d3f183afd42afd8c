//! Lists.

use keyspace::Kind;
use resp::OwnedArgs;

use super::{START_MS, Tester, check};
use crate::effects::{BlockRequest, EventClass, TimeoutReply};

/// A random request about lists.
pub(super) fn request(rng: &mut fastrand::Rng) -> Vec<Vec<u8>> {
    fn pick(rng: &mut fastrand::Rng, words: &[&str]) -> String {
        words[rng.usize(0..words.len())].to_owned()
    }
    fn key(rng: &mut fastrand::Rng) -> String {
        pick(rng, &["list1", "list2", "list3", "list1", "list2", "list3", "list4", "a", "set1"])
    }
    fn text(rng: &mut fastrand::Rng) -> String {
        match rng.u8(0..24) {
            0 => String::new(),
            1 => rng.i64(..).to_string(),
            2 => pick(rng, &["007", "-0", "9223372036854775808", "+1"]),
            3 => "x".repeat(rng.usize(0..3000)),
            4..12 => rng.i8(-20..20).to_string(),
            _ => pick(rng, &["aaa", "bbb", "ccc", "foo", "bar"]),
        }
    }
    fn index(rng: &mut fastrand::Rng) -> String {
        match rng.u8(0..30) {
            0 => pick(rng, &["x", "9223372036854775807", "-9223372036854775808", "9223372036854775808", ""]),
            1..6 => rng.i16(-1500..1500).to_string(),
            _ => rng.i8(-6..6).to_string(),
        }
    }
    fn end(rng: &mut fastrand::Rng) -> String {
        if rng.u8(0..40) == 0 { "UP".into() } else { pick(rng, &["LEFT", "right"]) }
    }
    fn timeout(rng: &mut fastrand::Rng) -> String {
        if rng.u8(0..10) == 0 { pick(rng, &["-1", "x", "-0.1"]) } else { "0.001".into() }
    }
    fn several(rng: &mut fastrand::Rng, words: &mut Vec<String>) {
        let keys = rng.usize(1..4);
        words.push(if rng.u8(0..20) == 0 { index(rng) } else { keys.to_string() });
        words.extend((0..keys).map(|_| key(rng)));
        words.push(end(rng));
        if rng.bool() {
            words.extend(["COUNT".into(), index(rng)]);
        }
    }
    let mut words: Vec<String> = Vec::new();
    macro_rules! words {
        ($($word:expr),*) => { words.extend([$(String::from($word)),*]) };
    }
    match rng.u8(0..34) {
        0..9 => {
            words!(pick(rng, &["LPUSH", "RPUSH", "LPUSH", "RPUSH", "LPUSHX", "RPUSHX"]), key(rng));
            match rng.u8(0..30) {
                // More than some form takes.
                0 => words.extend((0..rng.u16(200..1500)).map(|number| format!("element:{number:08}"))),
                1 => words.extend((0..rng.u16(200..900)).map(|number| number.to_string())),
                2 => words.extend((0..rng.u16(10..400)).map(|_| text(rng))),
                _ => words.extend((0..rng.u8(1..5)).map(|_| text(rng))),
            }
        }
        9..13 => {
            words!(pick(rng, &["LPOP", "RPOP"]), key(rng));
            if rng.bool() {
                words!(index(rng));
            }
        }
        13 => words!("LLEN", key(rng)),
        14 => words!("LINDEX", key(rng), index(rng)),
        15 | 16 => words!("LSET", key(rng), index(rng), text(rng)),
        17 | 18 => {
            let place = pick(rng, &["BEFORE", "after", "AFTER", "before", "beside"]);
            words!("LINSERT", key(rng), place, text(rng), text(rng));
        }
        // The least of all numbers is out of range for Valkey, and zero for Redis 7.0.
        19 | 20 => words!("LREM", key(rng), index(rng).replace("-9223372036854775808", "-1"), text(rng)),
        21 | 22 => words!("LRANGE", key(rng), index(rng), index(rng)),
        23 => words!("LTRIM", key(rng), index(rng), index(rng)),
        24 => {
            words!("LPOS", key(rng), text(rng));
            for option in ["RANK", "count", "MAXLEN"] {
                if rng.u8(0..3) == 0 {
                    words!(option, index(rng));
                }
            }
        }
        25 | 26 => words!("LMOVE", key(rng), key(rng), end(rng), end(rng)),
        27 => words!("RPOPLPUSH", key(rng), key(rng)),
        28 => {
            words!("LMPOP");
            several(rng, &mut words);
        }
        // None of these wait: with a real server that would take time.
        29 => words!(pick(rng, &["BLPOP", "BRPOP"]), "list1", key(rng), timeout(rng)),
        30 => words!("BLMOVE", key(rng), key(rng), end(rng), end(rng), timeout(rng)),
        31 => words!("BRPOPLPUSH", key(rng), key(rng), timeout(rng)),
        32 => {
            words!("BLMPOP", timeout(rng));
            several(rng, &mut words);
        }
        _ => words!("LRANGE", key(rng), "0", "-1"),
    }
    words.into_iter().map(String::into_bytes).collect()
}

#[test]
fn pushing_and_popping() {
    check(&[
        ("RPUSH l b c", ":2\r\n> RPUSH l b c"),
        ("LPUSH l a 0", ":4\r\n> LPUSH l a 0"),
        ("LRANGE l 0 -1", "*4\r\n$1\r\n0\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"),
        ("LPUSHX l x", ":5\r\n> LPUSHX l x"),
        ("RPUSHX none x", ":0\r\n"),
        ("LPOP l", "$1\r\nx\r\n> LPOP l"),
        ("RPOP l 2", "*2\r\n$1\r\nc\r\n$1\r\nb\r\n> RPOP l 2"),
        ("LPOP l 0", "*0\r\n"),
        ("LPOP l -1", "-ERR value is out of range, must be positive\r\n"),
        ("LPOP l x", "-ERR value is out of range, must be positive\r\n"),
        ("LPOP l 1 1", "-ERR wrong number of arguments for 'lpop' command\r\n"),
        ("LPOP l 10", "*2\r\n$1\r\n0\r\n$1\r\na\r\n> LPOP l 10"),
        ("EXISTS l", ":0\r\n"),
        ("LPOP l", "$-1\r\n"),
        ("RPOP l 1", "*-1\r\n"),
        ("@resp 3", ""),
        ("LPOP l", "_\r\n"),
        ("SET s x", "+OK\r\n> SET s x"),
        ("LPUSH s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("LPOP s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("RPUSH l a", ":1\r\n> RPUSH l a"),
        ("GET l", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("PEXPIRE l 10", ":1\r\n> PEXPIREAT l 1000000010"),
        ("@advance 20", ""),
        ("RPUSH l b", ":1\r\n> DEL l; RPUSH l b"),
        ("TTL l", ":-1\r\n"),
    ]);
}

#[test]
fn reading() {
    check(&[
        ("LLEN l", ":0\r\n"),
        ("LINDEX l x", "$-1\r\n"),
        ("LRANGE l 0 -1", "*0\r\n"),
        ("RPUSH l a b c 1 2 3 c c", ":8\r\n> RPUSH l a b c 1 2 3 c c"),
        ("LLEN l", ":8\r\n"),
        ("LINDEX l 3", "$1\r\n1\r\n"),
        ("LINDEX l -8", "$1\r\na\r\n"),
        ("LINDEX l 8", "$-1\r\n"),
        ("LINDEX l -9", "$-1\r\n"),
        ("LINDEX l x", "-ERR value is not an integer or out of range\r\n"),
        ("LRANGE l 1 2", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n"),
        ("LRANGE l -1 100", "*1\r\n$1\r\nc\r\n"),
        ("LRANGE l -100 0", "*1\r\n$1\r\na\r\n"),
        ("LRANGE l 5 3", "*0\r\n"),
        ("LRANGE l 1 x", "-ERR value is not an integer or out of range\r\n"),
        ("LPOS l c", ":2\r\n"),
        ("LPOS l c RANK 2", ":6\r\n"),
        ("LPOS l c RANK -1", ":7\r\n"),
        ("LPOS l c RANK -1 COUNT 2", "*2\r\n:7\r\n:6\r\n"),
        ("LPOS l c COUNT 0", "*3\r\n:2\r\n:6\r\n:7\r\n"),
        ("LPOS l c COUNT 0 MAXLEN 7", "*2\r\n:2\r\n:6\r\n"),
        ("LPOS l c MAXLEN 2", "$-1\r\n"),
        ("LPOS l 3 MAXLEN 3 RANK -1", ":5\r\n"),
        ("LPOS l x", "$-1\r\n"),
        ("LPOS l x COUNT 1", "*0\r\n"),
        ("LPOS none x COUNT 1", "*0\r\n"),
        (
            "LPOS l c RANK 0",
            "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to \
             start from the end of the list\r\n",
        ),
        ("LPOS l c COUNT -1", "-ERR COUNT can't be negative\r\n"),
        ("LPOS l c MAXLEN -1", "-ERR MAXLEN can't be negative\r\n"),
        (
            "LPOS l c RANK -9223372036854775808",
            "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807\r\n",
        ),
        ("LPOS l c RANK", "-ERR syntax error\r\n"),
        ("LPOS l c FOO 1", "-ERR syntax error\r\n"),
    ]);
}

#[test]
fn editing() {
    check(&[
        ("LSET l 0 x", "-ERR no such key\r\n"),
        ("LINSERT l BEFORE a x", ":0\r\n"),
        ("LREM l 0 a", ":0\r\n"),
        ("LTRIM l 0 1", "+OK\r\n"),
        ("RPUSH l a b a c a", ":5\r\n> RPUSH l a b a c a"),
        ("LSET l x y", "-ERR value is not an integer or out of range\r\n"),
        ("LSET l 5 x", "-ERR index out of range\r\n"),
        ("LSET l -1 17", "+OK\r\n> LSET l -1 17"),
        ("LINSERT l BEFORE 17 x", ":6\r\n> LINSERT l BEFORE 17 x"),
        ("LINSERT l after none x", ":-1\r\n"),
        ("LINSERT l beside 17 x", "-ERR syntax error\r\n"),
        ("LINSERT l after a first", ":7\r\n> LINSERT l after a first"),
        ("LREM l -1 a", ":1\r\n> LREM l -1 a"),
        ("LRANGE l 0 -1", "*6\r\n$1\r\na\r\n$5\r\nfirst\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nx\r\n$2\r\n17\r\n"),
        ("LREM l x a", "-ERR value is not an integer or out of range\r\n"),
        ("LTRIM l 0 -1", "+OK\r\n"),
        ("LTRIM l 1 -2", "+OK\r\n> LTRIM l 1 -2"),
        ("LLEN l", ":4\r\n"),
        ("LTRIM l 5 1", "+OK\r\n> LTRIM l 5 1"),
        ("EXISTS l", ":0\r\n"),
        ("RPUSH l a a", ":2\r\n> RPUSH l a a"),
        ("LREM l 0 a", ":2\r\n> LREM l 0 a"),
        ("EXISTS l", ":0\r\n"),
    ]);
}

#[test]
fn moving() {
    check(&[
        ("LMOVE l d LEFT RIGHT", "$-1\r\n"),
        ("RPUSH l a b c", ":3\r\n> RPUSH l a b c"),
        ("LMOVE l d LEFT up", "-ERR syntax error\r\n"),
        ("LMOVE l d LEFT RIGHT", "$1\r\na\r\n> LMOVE l d LEFT RIGHT"),
        ("RPOPLPUSH l d", "$1\r\nc\r\n> RPOPLPUSH l d"),
        ("RPOPLPUSH d d", "$1\r\na\r\n> RPOPLPUSH d d"),
        ("LRANGE d 0 -1", "*2\r\n$1\r\na\r\n$1\r\nc\r\n"),
        ("LMOVE l l LEFT LEFT", "$1\r\nb\r\n> LMOVE l l LEFT LEFT"),
        ("LLEN l", ":1\r\n"),
        ("SET s x", "+OK\r\n> SET s x"),
        ("LMOVE l s LEFT LEFT", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("LMOVE none s LEFT LEFT", "$-1\r\n"),
        ("LMOVE l d RIGHT LEFT", "$1\r\nb\r\n> LMOVE l d RIGHT LEFT"),
        ("EXISTS l", ":0\r\n"),
    ]);
}

#[test]
fn several_lists() {
    check(&[
        ("LMPOP 1 l LEFT", "*-1\r\n"),
        ("RPUSH m a b c", ":3\r\n> RPUSH m a b c"),
        ("LMPOP 2 l m RIGHT", "*2\r\n$1\r\nm\r\n*1\r\n$1\r\nc\r\n> RPOP m 1"),
        ("LMPOP 2 l m left count 10", "*2\r\n$1\r\nm\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n> LPOP m 2"),
        ("LMPOP 0 l LEFT", "-ERR numkeys should be greater than 0\r\n"),
        ("LMPOP x l LEFT", "-ERR numkeys should be greater than 0\r\n"),
        ("LMPOP 9223372036854775807 l LEFT", "-ERR syntax error\r\n"),
        ("LMPOP 1 l UP", "-ERR syntax error\r\n"),
        ("LMPOP 1 l LEFT COUNT 0", "-ERR count should be greater than 0\r\n"),
        ("LMPOP 1 l LEFT COUNT 1 COUNT 1", "-ERR syntax error\r\n"),
        ("LMPOP 1 l LEFT COUNT", "-ERR syntax error\r\n"),
        ("SET s x", "+OK\r\n> SET s x"),
        ("LMPOP 2 l s LEFT", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    ]);
}

#[test]
fn waiting_commands_that_need_not_wait() {
    check(&[
        ("RPUSH l a b c d e f g", ":7\r\n> RPUSH l a b c d e f g"),
        ("BLPOP none l 0", "*2\r\n$1\r\nl\r\n$1\r\na\r\n> LPOP l"),
        ("BRPOP l 0", "*2\r\n$1\r\nl\r\n$1\r\ng\r\n> RPOP l"),
        ("BLMPOP 0 2 none l RIGHT COUNT 2", "*2\r\n$1\r\nl\r\n*2\r\n$1\r\nf\r\n$1\r\ne\r\n> RPOP l 2"),
        ("BLMOVE l d left RIGHT 0", "$1\r\nb\r\n> LMOVE l d left RIGHT"),
        ("BRPOPLPUSH l d 0", "$1\r\nd\r\n> RPOPLPUSH l d"),
        ("BLPOP l x", "-ERR timeout is not a float or out of range\r\n"),
        ("BLPOP l -1", "-ERR timeout is negative\r\n"),
        ("BLMOVE l d LEFT RIGHT 1e300", "-ERR timeout is out of range\r\n"),
        ("BLMPOP -1 1 l LEFT COUNT 0", "-ERR count should be greater than 0\r\n"),
        ("SET s x", "+OK\r\n> SET s x"),
        ("BLPOP none s l 0", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("BLMOVE s d LEFT RIGHT 0", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    ]);
}

fn execute(tester: &mut Tester, line: &str) -> String {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    String::from_utf8(tester.execute(&OwnedArgs::from_slices(&words)).0).expect("text")
}

#[test]
fn waiting() {
    let mut tester = Tester::new();
    tester.fx.track_ready = true;
    for (line, keys, after) in [
        ("BLPOP a b 0", &[&b"a"[..], b"b"][..], None),
        ("BRPOP a 1.5", &[b"a"], Some(1500)),
        ("BLMPOP 0.0001 2 a b LEFT", &[b"a", b"b"], Some(1)),
        ("BLMOVE a b LEFT LEFT 2", &[b"a"], Some(2000)),
        ("BRPOPLPUSH a b 0", &[b"a"], None),
    ] {
        assert_eq!(execute(&mut tester, line), "", "{line}");
        let expected = BlockRequest {
            keys: keys.iter().map(|&key| key.into()).collect(),
            kind: Kind::List,
            deadline_ms: after.map(|ms: u64| START_MS + ms),
            on_timeout: TimeoutReply::NullArray,
            wake_when_gone: false,
            request: None,
        };
        assert_eq!(tester.fx.blocked, Some(expected), "{line}");
    }
    // What is pushed is announced where it makes a list.
    for (line, ready) in
        [("RPUSH a x y", 1), ("RPUSH a z", 1), ("LMOVE a b LEFT LEFT", 2), ("LMOVE a b LEFT LEFT", 2)]
    {
        execute(&mut tester, line);
        assert_eq!(tester.fx.ready.len(), ready, "{line}");
    }
    assert_eq!(tester.fx.ready, [(0, b"a"[..].into()), (0, b"b"[..].into())]);
    // Within a transaction nobody waits.
    tester.env.may_block = false;
    for (line, reply) in [
        ("BLPOP none 0", "*-1\r\n"),
        ("BLMPOP 0 1 none LEFT", "*-1\r\n"),
        ("BLMOVE none b LEFT LEFT 0", "$-1\r\n"),
        ("BRPOPLPUSH none b 0", "$-1\r\n"),
    ] {
        assert_eq!(execute(&mut tester, line), reply, "{line}");
        assert_eq!(tester.fx.blocked, None);
    }
}

#[test]
fn events_are_those_of_valkey() {
    let mut tester = Tester::new();
    tester.fx.notify = EventClass::LIST | EventClass::GENERIC | EventClass::NEW;
    let mut log = String::new();
    for line in [
        "RPUSH l a b c d",
        "LPUSH l x",
        "LPOP l",
        "LTRIM l 0 -1",
        "LTRIM l 0 2",
        "LSET l 0 y",
        "LINSERT l AFTER y z",
        "LREM l 0 z",
        "LMOVE l d LEFT LEFT",
        "LMOVE l l LEFT RIGHT",
        "LPOP l 2",
        "LMOVE d d LEFT RIGHT",
        "LMOVE d e LEFT RIGHT",
        "LMPOP 1 e LEFT",
        "RPUSH l a a",
        "LREM l 0 a",
        "RPUSH l a a",
        "LTRIM l 1 0",
    ] {
        execute(&mut tester, line);
        let events: Vec<String> = tester
            .fx
            .events
            .iter()
            .map(|event| format!("{} {}", event.name, event.key.escape_ascii()))
            .collect();
        log.push_str(&format!("{line}: {}, dirty {}\n", events.join(", "), tester.fx.dirty));
    }
    let expected = "\
RPUSH l a b c d: new l, rpush l, dirty 4
LPUSH l x: lpush l, dirty 1
LPOP l: lpop l, dirty 1
LTRIM l 0 -1: ltrim l, dirty 0
LTRIM l 0 2: ltrim l, dirty 1
LSET l 0 y: lset l, dirty 1
LINSERT l AFTER y z: linsert l, dirty 1
LREM l 0 z: lrem l, dirty 1
LMOVE l d LEFT LEFT: new d, lpush d, lpop l, dirty 1
LMOVE l l LEFT RIGHT: rpush l, lpop l, dirty 1
LPOP l 2: lpop l, del l, dirty 2
LMOVE d d LEFT RIGHT: rpush d, lpop d, dirty 1
LMOVE d e LEFT RIGHT: new e, rpush e, lpop d, del d, dirty 1
LMPOP 1 e LEFT: lpop e, del e, dirty 1
RPUSH l a a: new l, rpush l, dirty 2
LREM l 0 a: lrem l, del l, dirty 2
RPUSH l a a: new l, rpush l, dirty 2
LTRIM l 1 0: ltrim l, del l, dirty 2
";
    assert_eq!(log, expected);
}
