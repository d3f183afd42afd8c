//! Sorted sets.

use super::check;

/// A random request over few keys; with `chance`, also one whose outcome is a matter of chance. Scores are such that servers of all
/// versions print them alike.
pub(super) fn request(rng: &mut fastrand::Rng, chance: bool) -> Vec<Vec<u8>> {
    fn pick(rng: &mut fastrand::Rng, words: &[&str]) -> String {
        words[rng.usize(0..words.len())].to_owned()
    }
    fn key(rng: &mut fastrand::Rng) -> String {
        pick(rng, &["z1", "z2", "z3", "z4", "z1", "z2", "z3", "z4", "set1", "a"])
    }
    fn member(rng: &mut fastrand::Rng) -> String {
        match rng.u8(0..20) {
            0 => String::new(),
            1 => rng.i64(..).to_string(),
            2 => "x".repeat(rng.usize(60..70)),
            3..10 => rng.i8(-20..20).to_string(),
            _ => pick(rng, &["a", "b", "c", "foo", "bar", "A", "x1"]),
        }
    }
    fn score(rng: &mut fastrand::Rng) -> String {
        match rng.u8(0..20) {
            0 => pick(rng, &["inf", "-inf", "+inf", "1e3", "x", "nan", ""]),
            1 => rng.i32(..).to_string(),
            2..6 => (f64::from(rng.i16(-100..100)) / 4.0).to_string(),
            _ => rng.i8(-5..10).to_string(),
        }
    }
    fn bound(rng: &mut fastrand::Rng) -> String {
        match rng.u8(0..5) {
            0 => pick(rng, &["-inf", "+inf", "x"]),
            1 => format!("({}", rng.i8(-5..10)),
            _ => rng.i8(-5..10).to_string(),
        }
    }
    fn lex(rng: &mut fastrand::Rng) -> String {
        match rng.u8(0..5) {
            0 => pick(rng, &["-", "+", "x"]),
            1 => format!("({}", member(rng)),
            _ => format!("[{}", member(rng)),
        }
    }
    fn rank(rng: &mut fastrand::Rng) -> String {
        if rng.u8(0..30) == 0 { "x".into() } else { rng.i8(-8..12).to_string() }
    }
    fn count(rng: &mut fastrand::Rng) -> String {
        pick(rng, &["1", "2", "3", "5", "100", "0", "-1", "x"])
    }
    fn sometimes(rng: &mut fastrand::Rng, words: &mut Vec<String>, of: u8, more: &[&str]) {
        if rng.u8(0..of) == 0 {
            words.extend(more.iter().map(|word| (*word).to_owned()));
        }
    }
    let mut words: Vec<String> = Vec::new();
    macro_rules! words {
        ($($word:expr),*) => { words.extend([$(String::from($word)),*]) };
    }
    match rng.u8(0..if chance { 38 } else { 36 }) {
        0..7 => {
            words!("ZADD", key(rng));
            for option in ["NX", "XX", "gt", "LT", "CH", "INCR"] {
                sometimes(rng, &mut words, 10, &[option]);
            }
            let pairs = if rng.u8(0..40) == 0 { rng.u16(100..160) } else { rng.u16(1..5) };
            for number in 0..pairs {
                words!(score(rng), if pairs > 99 { format!("m{number}") } else { member(rng) });
            }
            sometimes(rng, &mut words, 50, &["1"]);
        }
        7 | 8 => words!("ZINCRBY", key(rng), score(rng), member(rng)),
        9 | 10 => {
            words!("ZREM", key(rng));
            words.extend((0..rng.u8(1..5)).map(|_| member(rng)));
        }
        11 => words!("ZCARD", key(rng)),
        12 => words!("ZSCORE", key(rng), member(rng)),
        13 => words!("ZMSCORE", key(rng), member(rng), member(rng)),
        14 => words!(pick(rng, &["ZRANK", "ZREVRANK"]), key(rng), member(rng)),
        15 => words!("ZCOUNT", key(rng), bound(rng), bound(rng)),
        16 => {
            // A set of its own, whose members all have one score: the order of others is nobody's promise.
            words!(
                pick(
                    rng,
                    &["ZADD", "ZADD", "ZADD", "ZLEXCOUNT", "ZRANGEBYLEX", "ZREVRANGEBYLEX", "ZREMRANGEBYLEX"]
                ),
                "zl"
            );
            if words[0] == "ZADD" {
                words!("0", member(rng), "0", member(rng));
            } else {
                words!(lex(rng), lex(rng));
            }
        }
        17..20 => {
            words!("ZRANGE", key(rng));
            match rng.u8(0..3) {
                0 => words!(rank(rng), rank(rng)),
                1 => words!(bound(rng), bound(rng), "BYSCORE"),
                _ => words!("-inf", "+inf", "byscore"),
            }
            sometimes(rng, &mut words, 3, &["REV"]);
            sometimes(rng, &mut words, 3, &["WITHSCORES"]);
            if rng.u8(0..4) == 0 {
                words!("LIMIT", count(rng), count(rng));
            }
        }
        20 => words!("ZREVRANGE", key(rng), rank(rng), rank(rng), "WITHSCORES"),
        21 | 22 => {
            words!(pick(rng, &["ZRANGEBYSCORE", "ZREVRANGEBYSCORE"]), key(rng), bound(rng), bound(rng));
            sometimes(rng, &mut words, 3, &["withscores"]);
            if rng.u8(0..4) == 0 {
                words!("LIMIT", count(rng), count(rng));
            }
        }
        23 => {
            words!("ZRANGESTORE", key(rng), key(rng));
            match rng.u8(0..2) {
                0 => words!(rank(rng), rank(rng)),
                _ => words!(bound(rng), bound(rng), "BYSCORE", "LIMIT", count(rng), count(rng)),
            }
            sometimes(rng, &mut words, 3, &["REV"]);
        }
        24 => words!("ZREMRANGEBYRANK", key(rng), rank(rng), rank(rng)),
        25 => words!("ZREMRANGEBYSCORE", key(rng), bound(rng), bound(rng)),
        26 | 27 => {
            words!(pick(rng, &["ZPOPMIN", "ZPOPMAX"]), key(rng));
            if rng.bool() {
                words!(count(rng));
            }
        }
        28 => {
            words!("ZMPOP", pick(rng, &["1", "2", "2", "0"]), key(rng), key(rng));
            words!(pick(rng, &["MIN", "MAX", "max", "MID"]));
            if rng.bool() {
                words!("COUNT", count(rng));
            }
        }
        29..34 => {
            let name = pick(rng, &["ZUNION", "ZINTER", "ZDIFF", "ZUNIONSTORE", "ZINTERSTORE", "ZDIFFSTORE"]);
            let (stores, differs) = (name.ends_with("STORE"), name.starts_with("ZDIFF"));
            words!(name);
            if stores {
                words!(key(rng));
            }
            let keys = rng.u8(1..4);
            words!(keys.to_string());
            words.extend((0..keys).map(|_| key(rng)));
            if !differs && rng.u8(0..3) == 0 {
                words!("WEIGHTS");
                words.extend((0..keys).map(|_| score(rng)));
            }
            if !differs && rng.u8(0..3) == 0 {
                words!("AGGREGATE", pick(rng, &["SUM", "min", "MAX", "avg"]));
            }
            sometimes(rng, &mut words, 2, if stores { &[] } else { &["WITHSCORES"] });
        }
        34 => {
            words!("ZINTERCARD", pick(rng, &["1", "2", "2", "0", "x"]), key(rng), key(rng));
            sometimes(rng, &mut words, 2, &["LIMIT", "2"]);
        }
        35 => words!("ZSCAN", key(rng), "0", "COUNT", "1000"),
        36 => words!(pick(rng, &["BZPOPMIN", "BZPOPMAX"]), key(rng), key(rng), "1"),
        _ => words!("BZMPOP", "1", "2", key(rng), key(rng), "MIN"),
    }
    words.into_iter().map(String::into_bytes).collect()
}

#[test]
fn adding_and_asking() {
    check(&[
        ("ZADD z 1 a 2 b 3 c", ":3\r\n> ZADD z 1 a 2 b 3 c"),
        ("ZADD z 1 a", ":0\r\n"),
        ("ZADD z CH 2 a 5 d", ":2\r\n> ZADD z CH 2 a 5 d"),
        ("ZADD z NX 9 a", ":0\r\n"),
        ("ZADD z XX 9 new", ":0\r\n"),
        ("ZADD z GT CH 1 a", ":0\r\n"),
        ("ZADD z LT CH 1 a", ":1\r\n> ZADD z LT CH 1 a"),
        ("ZADD z INCR 1.5 a", "$3\r\n2.5\r\n> ZADD z INCR 1.5 a"),
        ("ZADD z INCR 0 a", "$3\r\n2.5\r\n"),
        ("ZADD z XX INCR 1 nope", "$-1\r\n"),
        ("ZADD nokey XX 1 a", ":0\r\n"),
        ("ZINCRBY z 2 a", "$3\r\n4.5\r\n> ZINCRBY z 2 a"),
        ("ZCARD z", ":4\r\n"),
        ("ZSCORE z a", "$3\r\n4.5\r\n"),
        ("ZSCORE z x", "$-1\r\n"),
        ("ZMSCORE z a x", "*2\r\n$3\r\n4.5\r\n$-1\r\n"),
        ("ZRANK z a", ":2\r\n"),
        ("ZREVRANK z a", ":1\r\n"),
        ("ZRANK z a WITHSCORE", "*2\r\n:2\r\n$3\r\n4.5\r\n"),
        ("ZRANK z x WITHSCORE", "*-1\r\n"),
        ("ZRANK z x", "$-1\r\n"),
        ("ZCOUNT z (2 +inf", ":3\r\n"),
        ("ZCOUNT z \"\" 10", ":4\r\n"),
        ("ZLEXCOUNT z - +", ":4\r\n"),
        ("OBJECT ENCODING z", "$8\r\nlistpack\r\n"),
        ("TYPE z", "+zset\r\n"),
        ("@resp 3", ""),
        ("ZSCORE z a", ",4.5\r\n"),
        ("ZRANGE z 0 0 WITHSCORES", "*1\r\n*2\r\n$1\r\nb\r\n,2\r\n"),
        ("ZPOPMIN z", "*2\r\n$1\r\nb\r\n,2\r\n> ZPOPMIN z"),
        ("ZPOPMIN z 1", "*1\r\n*2\r\n$1\r\nc\r\n,3\r\n> ZPOPMIN z 1"),
        ("ZRANK z x WITHSCORE", "_\r\n"),
    ]);
}

#[test]
fn what_adding_refuses() {
    check(&[
        ("ZADD z NX XX 1 a", "-ERR XX and NX options at the same time are not compatible\r\n"),
        ("ZADD z NX GT 1 a", "-ERR GT, LT, and/or NX options at the same time are not compatible\r\n"),
        ("ZADD z INCR 1 a 2 b", "-ERR INCR option supports a single increment-element pair\r\n"),
        ("ZADD z 1 a 2", "-ERR syntax error\r\n"),
        ("ZADD z 1 a x b", "-ERR value is not a valid float\r\n"),
        ("ZADD z 1e400 a", "-ERR value is not a valid float\r\n"),
        ("EXISTS z", ":0\r\n"),
        ("ZADD z inf a", ":1\r\n> ZADD z inf a"),
        ("ZINCRBY z -inf a", "-ERR resulting score is not a number (NaN)\r\n"),
        ("SET s 1", "+OK\r\n> SET s 1"),
        ("ZADD s 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("ZRANGE s 0 -1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
    ]);
}

#[test]
fn ranges() {
    check(&[
        ("ZADD z 1 a 2 b 3 c 4 d", ":4\r\n> ZADD z 1 a 2 b 3 c 4 d"),
        ("ZRANGE z 1 2", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n"),
        ("ZRANGE z 0 1 REV WITHSCORES", "*4\r\n$1\r\nd\r\n$1\r\n4\r\n$1\r\nc\r\n$1\r\n3\r\n"),
        ("ZREVRANGE z -1 -1", "*1\r\n$1\r\na\r\n"),
        ("ZRANGE z (1 3 BYSCORE", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n"),
        ("ZRANGE z 3 (1 BYSCORE REV LIMIT 1 5", "*1\r\n$1\r\nb\r\n"),
        ("ZRANGEBYSCORE z -inf +inf LIMIT -1 2", "*0\r\n"),
        ("ZREVRANGEBYSCORE z +inf -inf LIMIT 1 2", "*2\r\n$1\r\nc\r\n$1\r\nb\r\n"),
        ("ZRANGE z 4 1", "*0\r\n"),
        ("ZRANGE nokey 0 -1", "*0\r\n"),
        (
            "ZRANGE z 0 1 LIMIT 0 1",
            "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX\r\n",
        ),
        (
            "ZRANGE z - + BYLEX WITHSCORES",
            "-ERR syntax error, WITHSCORES not supported in combination with BYLEX\r\n",
        ),
        ("ZRANGE z a b BYSCORE", "-ERR min or max is not a float\r\n"),
        ("ZRANGE z a b BYLEX", "-ERR min or max not valid string range item\r\n"),
        ("ZRANGEBYSCORE z 0 1 REV", "-ERR syntax error\r\n"),
        ("ZADD l 0 a 0 b 0 c 0 d", ":4\r\n> ZADD l 0 a 0 b 0 c 0 d"),
        ("ZRANGEBYLEX l [b (d", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n"),
        ("ZREVRANGEBYLEX l + (c", "*1\r\n$1\r\nd\r\n"),
        ("ZRANGESTORE d z 1 2", ":2\r\n> ZRANGESTORE d z 1 2"),
        ("ZRANGE d 0 -1", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n"),
        ("ZRANGESTORE d z 9 9", ":0\r\n> ZRANGESTORE d z 9 9"),
        ("EXISTS d", ":0\r\n"),
        ("ZRANGESTORE d z 9 9", ":0\r\n"),
        ("ZREMRANGEBYLEX l [b [c", ":2\r\n> ZREMRANGEBYLEX l [b [c"),
        ("ZREMRANGEBYSCORE z 5 9", ":0\r\n"),
        ("ZREMRANGEBYRANK z 0 1", ":2\r\n> ZREMRANGEBYRANK z 0 1"),
        ("ZREMRANGEBYSCORE z -inf +inf", ":2\r\n> ZREMRANGEBYSCORE z -inf +inf"),
        ("EXISTS z", ":0\r\n"),
    ]);
}

#[test]
fn popping_is_logged_as_what_was_popped() {
    check(&[
        ("ZADD z 1 a 2 b 3 c 4 d 5 e 6 f", ":6\r\n> ZADD z 1 a 2 b 3 c 4 d 5 e 6 f"),
        ("ZPOPMIN z 0", "*0\r\n"),
        ("ZPOPMIN z -1", "-ERR value is out of range, must be positive\r\n"),
        ("ZPOPMAX z", "*2\r\n$1\r\nf\r\n$1\r\n6\r\n> ZPOPMAX z"),
        ("ZMPOP 2 no z MIN", "*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n> ZPOPMIN z 1"),
        ("BZPOPMIN no z 0", "*3\r\n$1\r\nz\r\n$1\r\nb\r\n$1\r\n2\r\n> ZPOPMIN z"),
        ("BZPOPMAX z 0", "*3\r\n$1\r\nz\r\n$1\r\ne\r\n$1\r\n5\r\n> ZPOPMAX z"),
        (
            "BZMPOP 0 1 z MAX COUNT 5",
            "*2\r\n$1\r\nz\r\n*2\r\n*2\r\n$1\r\nd\r\n$1\r\n4\r\n*2\r\n$1\r\nc\r\n$1\r\n3\r\n> ZPOPMAX z 2",
        ),
        ("EXISTS z", ":0\r\n"),
        ("ZMPOP 1 z MIN", "*-1\r\n"),
        ("ZMPOP 0 z MIN", "-ERR numkeys should be greater than 0\r\n"),
        ("ZMPOP 1 z MIN COUNT 0", "-ERR count should be greater than 0\r\n"),
        ("ZMPOP 1 z MIN COUNT 1 COUNT 2", "-ERR syntax error\r\n"),
        ("BZPOPMIN z -1", "-ERR timeout is negative\r\n"),
        ("BZPOPMIN z x", "-ERR timeout is not a float or out of range\r\n"),
        ("ZMPOP 1 z MIN COUNT 0 x", "-ERR count should be greater than 0\r\n"),
        ("ZMPOP 1 z MIN COUNT 1 x", "-ERR syntax error\r\n"),
        ("BZPOPMIN z 1e30", "-ERR timeout is out of range\r\n"),
        // Waiting clients get no reply here.
        ("BZPOPMIN z 0", ""),
        ("BZMPOP 0.1 1 z MIN", ""),
    ]);
}

#[test]
fn several_sets() {
    check(&[
        ("ZADD x 1 a 2 b", ":2\r\n> ZADD x 1 a 2 b"),
        ("ZADD y 10 b 20 c", ":2\r\n> ZADD y 10 b 20 c"),
        ("SADD s b d", ":2\r\n> SADD s b d"),
        ("ZUNION 2 x y", "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"),
        ("ZINTER 2 x y WITHSCORES", "*2\r\n$1\r\nb\r\n$2\r\n12\r\n"),
        ("ZINTER 3 x y s WEIGHTS 1 2 3 AGGREGATE MAX WITHSCORES", "*2\r\n$1\r\nb\r\n$2\r\n20\r\n"),
        ("ZDIFF 2 x y WITHSCORES", "*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
        ("ZINTERCARD 2 x y LIMIT 1", ":1\r\n"),
        ("ZINTERCARD 2 x nokey", ":0\r\n"),
        ("ZUNIONSTORE d 2 x y", ":3\r\n> ZUNIONSTORE d 2 x y"),
        (
            "ZRANGE d 0 -1 WITHSCORES",
            "*6\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$2\r\n12\r\n$1\r\nc\r\n$2\r\n20\r\n",
        ),
        ("ZINTERSTORE d 2 x nokey", ":0\r\n> ZINTERSTORE d 2 x nokey"),
        ("ZDIFFSTORE d 1 nokey", ":0\r\n"),
        ("ZUNION 0 x", "-ERR at least 1 input key is needed for 'zunion' command\r\n"),
        ("ZUNION 3 x", "-ERR syntax error\r\n"),
        ("ZUNION 1 x WEIGHTS y", "-ERR weight value is not a float\r\n"),
        ("ZUNIONSTORE d 1 x WITHSCORES", "-ERR syntax error\r\n"),
        ("ZDIFF 1 x WEIGHTS 1", "-ERR syntax error\r\n"),
        ("ZINTERCARD 1 x LIMIT -1", "-ERR LIMIT can't be negative\r\n"),
    ]);
}

#[test]
fn scores_are_printed_as_valkey_prints_them() {
    check(&[
        (
            "ZADD z 1.5 a 1e21 b 0.1 c -0 d 1e-7 e 123456789012345680 f 3.0e15 g",
            ":7\r\n> ZADD z 1.5 a 1e21 b 0.1 c -0 d 1e-7 e 123456789012345680 f 3.0e15 g",
        ),
        (
            "ZSCAN z 0",
            "*2\r\n$1\r\n0\r\n*14\r\n$1\r\nd\r\n$1\r\n0\r\n$1\r\ne\r\n$4\r\n1e-7\r\n$1\r\nc\r\n$3\r\n0.1\r\n$1\r\na\r\n$3\r\n1.5\r\n\
             $1\r\ng\r\n$16\r\n3000000000000000\r\n$1\r\nf\r\n$18\r\n123456789012345680\r\n$1\r\nb\r\n$5\r\n1e+21\r\n",
        ),
        ("ZSCAN z 0 NOSCORES MATCH [ab]", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
        ("ZSCAN nokey x", "-ERR invalid cursor\r\n"),
    ]);
}

#[test]
fn random_members() {
    check(&[
        ("ZADD z 1 a", ":1\r\n> ZADD z 1 a"),
        ("ZRANDMEMBER z", "$1\r\na\r\n"),
        ("ZRANDMEMBER z 5 WITHSCORES", "*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
        ("ZRANDMEMBER z -2", "*2\r\n$1\r\na\r\n$1\r\na\r\n"),
        ("ZRANDMEMBER nokey", "$-1\r\n"),
        ("ZRANDMEMBER nokey 2", "*0\r\n"),
        ("ZRANDMEMBER z 1 FOO", "-ERR syntax error\r\n"),
        ("ZRANDMEMBER z x", "-ERR value is not an integer or out of range\r\n"),
        ("ZRANDMEMBER z 9223372036854775807 WITHSCORES", "-ERR value is out of range\r\n"),
    ]);
}
