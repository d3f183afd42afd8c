//! SORT.

use super::{check, keys_of};

/// A random request that sorts. Only what has one right order: with ALPHA, what is sorted by keys is not unique.
pub(super) fn request(rng: &mut fastrand::Rng) -> Vec<Vec<u8>> {
    fn pick(rng: &mut fastrand::Rng, words: &[&str]) -> String {
        words[rng.usize(0..words.len())].to_owned()
    }
    let key = pick(rng, &["list1", "list2", "list3", "set1", "set2", "z1", "a", "none"]);
    let mut words = vec![pick(rng, &["SORT", "SORT", "SORT_RO"]), key.clone()];
    match rng.u8(0..6) {
        0..3 => words.push("ALPHA".into()),
        3 => words.extend(["BY".into(), pick(rng, &["*", "list*", "h*->f", "*->f"])]),
        4 if key.starts_with("list") => words.extend(["BY".into(), "nosort".into()]),
        _ => {}
    }
    if rng.bool() {
        words.push(pick(rng, &["DESC", "asc", "desc"]));
    }
    if rng.bool() {
        words.extend(["LIMIT".into(), rng.i8(-2..10).to_string(), rng.i8(-2..20).to_string()]);
    }
    for _ in 0..rng.u8(0..3) {
        words.extend(["GET".into(), pick(rng, &["#", "*", "h*->f", "x", "*->"])]);
    }
    if rng.u8(0..3) == 0 {
        words.extend(["STORE".into(), pick(rng, &["list4", "list5", "a"])]);
    }
    words.into_iter().map(String::into_bytes).collect()
}

#[test]
fn numbers_and_texts() {
    check(&[
        ("SORT l", "*0\r\n"),
        ("RPUSH l 3 1.5 -2 10", ":4\r\n> RPUSH l 3 1.5 -2 10"),
        ("SORT l", "*4\r\n$2\r\n-2\r\n$3\r\n1.5\r\n$1\r\n3\r\n$2\r\n10\r\n"),
        ("SORT_RO l DESC LIMIT 1 2", "*2\r\n$1\r\n3\r\n$3\r\n1.5\r\n"),
        ("SORT l ALPHA LIMIT 0 2", "*2\r\n$2\r\n-2\r\n$3\r\n1.5\r\n"),
        ("SORT l LIMIT 10 2", "*0\r\n"),
        ("SORT l LIMIT -5 -1 desc asc", "*4\r\n$2\r\n-2\r\n$3\r\n1.5\r\n$1\r\n3\r\n$2\r\n10\r\n"),
        ("SORT l BY nosort DESC LIMIT 1 2", "*2\r\n$2\r\n-2\r\n$3\r\n1.5\r\n"),
        ("SORT l BY nosort LIMIT 1 2", "*2\r\n$3\r\n1.5\r\n$2\r\n-2\r\n"),
        ("SORT l LIMIT 0 x", "-ERR value is not an integer or out of range\r\n"),
        ("SORT l LIMIT 0", "-ERR syntax error\r\n"),
        ("SORT l FOO", "-ERR syntax error\r\n"),
        ("SORT_RO l STORE d", "-ERR syntax error\r\n"),
        ("RPUSH l x", ":5\r\n> RPUSH l x"),
        ("SORT l", "-ERR One or more scores can't be converted into double\r\n"),
        ("SORT l STORE d", "-ERR One or more scores can't be converted into double\r\n"),
        ("SET s x", "+OK\r\n> SET s x"),
        ("SORT s", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("SADD set b a c", ":3\r\n> SADD set b a c"),
        ("SORT set ALPHA DESC", "*3\r\n$1\r\nc\r\n$1\r\nb\r\n$1\r\na\r\n"),
        ("SORT set BY nosort STORE d", ":3\r\n> RPUSH d a b c"),
        ("ZADD z 1 c 2 b 3 a", ":3\r\n> ZADD z 1 c 2 b 3 a"),
        ("SORT z BY nosort DESC LIMIT 0 2", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
        ("SORT z ALPHA", "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"),
    ]);
}

#[test]
fn by_and_get_patterns() {
    check(&[
        ("RPUSH l 1 2 3", ":3\r\n> RPUSH l 1 2 3"),
        ("MSET w1 30 w2 20 w3 10 o1 one o3 three", "+OK\r\n> MSET w1 30 w2 20 w3 10 o1 one o3 three"),
        ("SORT l BY w*", "*3\r\n$1\r\n3\r\n$1\r\n2\r\n$1\r\n1\r\n"),
        (
            "SORT l BY w* GET o* GET #",
            "*6\r\n$5\r\nthree\r\n$1\r\n3\r\n$-1\r\n$1\r\n2\r\n$3\r\none\r\n$1\r\n1\r\n",
        ),
        ("SORT l GET fixed", "*3\r\n$-1\r\n$-1\r\n$-1\r\n"),
        ("HSET h1 f c", ":1\r\n> HSET h1 f c"),
        ("HSET h2 f b", ":1\r\n> HSET h2 f b"),
        ("SORT l BY h*->f ALPHA", "*3\r\n$1\r\n3\r\n$1\r\n2\r\n$1\r\n1\r\n"),
        ("SORT l GET h*->f", "*3\r\n$1\r\nc\r\n$1\r\nb\r\n$-1\r\n"),
        (
            "SORT l GET h*->none GET h* GET w*->f",
            "*9\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n",
        ),
        ("SET h1-> arrow", "+OK\r\n> SET h1-> arrow"),
        ("SORT l GET h*-> LIMIT 0 1", "*1\r\n$5\r\narrow\r\n"),
        ("SORT l BY w* GET o* STORE l", ":3\r\n> DEL l; RPUSH l three  one"),
        ("LRANGE l 0 -1", "*3\r\n$5\r\nthree\r\n$0\r\n\r\n$3\r\none\r\n"),
        ("PEXPIRE l 1000", ":1\r\n> PEXPIREAT l 1000001000"),
        ("SORT none STORE l", ":0\r\n> DEL l"),
        ("EXISTS l", ":0\r\n"),
        ("SORT none STORE l", ":0\r\n"),
    ]);
}

#[test]
fn its_keys() {
    for (line, keys) in [
        ("SORT abc STORE def", &["abc", "def"][..]),
        ("SORT abc STORE invalid STORE stillbad store def", &["abc", "def"]),
        ("SORT abc BY STORE GET store LIMIT store STORE", &["abc"]),
        ("SORT abc", &["abc"]),
        ("SORT_RO abc BY w* GET #", &["abc"]),
    ] {
        assert_eq!(keys_of(line), keys, "{line}");
    }
}
