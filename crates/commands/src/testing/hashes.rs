//! Hashes: replies and effects.

use super::check;

/// A random request about few hashes and few fields; one in some has keys that other types use too.
pub(super) fn request(rng: &mut fastrand::Rng) -> Vec<Vec<u8>> {
    fn key(rng: &mut fastrand::Rng) -> Vec<u8> {
        match rng.u8(0..8) {
            0 => vec![b'a' + rng.u8(0..8)],
            _ => vec![b'h', b'1' + rng.u8(0..3)],
        }
    }
    fn text(rng: &mut fastrand::Rng) -> Vec<u8> {
        match rng.u8(0..12) {
            0 => vec![b'x'; rng.usize(60..70)],
            1 => i64::MAX.to_string().into_bytes(),
            2 => format!("{}.5", rng.i8(..)).into_bytes(),
            3..7 => rng.i8(-20..20).to_string().into_bytes(),
            _ => vec![b"abcdef"[rng.usize(0..6)]; rng.usize(0..3)],
        }
    }
    let mut words: Vec<Vec<u8>> = Vec::new();
    let name = match rng.u8(0..24) {
        0..6 => "HSET",
        6 => "HMSET",
        7 => "HSETNX",
        8 | 9 => "HGET",
        10 => "HMGET",
        11 | 12 => "HDEL",
        13 => "HLEN",
        14 => "HEXISTS",
        15 => "HSTRLEN",
        16 => "HGETALL",
        17 => "HKEYS",
        18 => "HVALS",
        19 => "HINCRBY",
        20 => "HINCRBYFLOAT",
        21 => "HSCAN",
        22 => "OBJECT",
        _ => "HRANDFIELD",
    };
    words.push(name.into());
    if name == "OBJECT" {
        words.push("ENCODING".into());
    }
    words.push(key(rng));
    let more = match name {
        "HSET" | "HMSET" => 2 * rng.usize(1..4) - usize::from(rng.u8(0..40) == 0),
        "HSETNX" | "HINCRBY" | "HINCRBYFLOAT" => 2,
        "HGET" | "HEXISTS" | "HSTRLEN" => 1,
        "HMGET" | "HDEL" => rng.usize(1..4),
        _ => 0,
    };
    words.extend((0..more).map(|_| text(rng)));
    match name {
        "HSCAN" => words.extend(["0", "COUNT", "1000"].map(Vec::from)),
        // Of several, each server chooses its own.
        "HRANDFIELD" => words.push("0".into()),
        _ => {}
    }
    words
}

#[test]
fn fields_are_set_and_read() {
    check(&[
        ("HSET h a 1 b two", ":2\r\n> HSET h a 1 b two"),
        ("HSET h a 2 c 3", ":1\r\n> HSET h a 2 c 3"),
        ("HGET h a", "$1\r\n2\r\n"),
        ("HGET h nothing", "$-1\r\n"),
        ("HGET missing a", "$-1\r\n"),
        ("HMGET h a nothing c", "*3\r\n$1\r\n2\r\n$-1\r\n$1\r\n3\r\n"),
        ("HMGET missing a b", "*2\r\n$-1\r\n$-1\r\n"),
        ("HGETALL h", "*6\r\n$1\r\na\r\n$1\r\n2\r\n$1\r\nb\r\n$3\r\ntwo\r\n$1\r\nc\r\n$1\r\n3\r\n"),
        ("HKEYS h", "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"),
        ("HVALS h", "*3\r\n$1\r\n2\r\n$3\r\ntwo\r\n$1\r\n3\r\n"),
        ("HLEN h", ":3\r\n"),
        ("HLEN missing", ":0\r\n"),
        ("HEXISTS h b", ":1\r\n"),
        ("HEXISTS h nothing", ":0\r\n"),
        ("HSTRLEN h b", ":3\r\n"),
        ("HSTRLEN h a", ":1\r\n"),
        ("HSTRLEN h nothing", ":0\r\n"),
        ("HMSET h d 4", "+OK\r\n> HMSET h d 4"),
        ("HSETNX h d 5", ":0\r\n"),
        ("HSETNX h e 5", ":1\r\n> HSETNX h e 5"),
        ("HSETNX new a 1", ":1\r\n> HSETNX new a 1"),
        ("TYPE h", "+hash\r\n"),
        ("OBJECT ENCODING h", "$8\r\nlistpack\r\n"),
        ("@resp 3", ""),
        ("HGETALL new", "%1\r\n$1\r\na\r\n$1\r\n1\r\n"),
        ("HGETALL missing", "%0\r\n"),
        ("HRANDFIELD new 1 WITHVALUES", "*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
    ]);
}

#[test]
fn the_last_field_takes_the_key_with_it() {
    check(&[
        ("HSET h a 1 b 2", ":2\r\n> HSET h a 1 b 2"),
        ("HDEL h nothing", ":0\r\n"),
        ("HDEL h a nothing", ":1\r\n> HDEL h a nothing"),
        ("HDEL h b a", ":1\r\n> HDEL h b a"),
        ("EXISTS h", ":0\r\n"),
        ("HDEL h b", ":0\r\n"),
    ]);
}

#[test]
fn counters() {
    check(&[
        ("HINCRBY h n 5", ":5\r\n> HINCRBY h n 5"),
        ("HINCRBY h n -7", ":-2\r\n> HINCRBY h n -7"),
        ("HINCRBY h n x", "-ERR value is not an integer or out of range\r\n"),
        ("HSET h t text", ":1\r\n> HSET h t text"),
        ("HINCRBY h t 1", "-ERR hash value is not an integer\r\n"),
        ("HINCRBYFLOAT h t 1", "-ERR hash value is not a float\r\n"),
        ("HSET h n 9223372036854775807", ":0\r\n> HSET h n 9223372036854775807"),
        ("HINCRBY h n 1", "-ERR increment or decrement would overflow\r\n"),
        ("HINCRBYFLOAT h f 0.1", "$3\r\n0.1\r\n> HSET h f 0.1"),
        ("HINCRBYFLOAT h f 0.2", "$3\r\n0.3\r\n> HSET h f 0.3"),
        ("HINCRBYFLOAT h f inf", "-ERR value is NaN or Infinity\r\n"),
        ("HINCRBYFLOAT h f x", "-ERR value is not a valid float\r\n"),
    ]);
}

#[test]
fn arguments_and_types() {
    check(&[
        ("SET s x", "+OK\r\n> SET s x"),
        ("HSET s a 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("HGET s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("HINCRBY s a 1", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("HDEL s a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("HSET h a 1 b", "-ERR wrong number of arguments for 'hset' command\r\n"),
        ("HMSET h a 1 b", "-ERR wrong number of arguments for 'hmset' command\r\n"),
        ("HRANDFIELD h", "$-1\r\n"),
        ("HRANDFIELD h 3", "*0\r\n"),
        (
            "HRANDFIELD h x",
            "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807\r\n",
        ),
        ("HRANDFIELD h 1 WITH", "-ERR syntax error\r\n"),
        ("HRANDFIELD h 9223372036854775807 WITHVALUES", "-ERR value is out of range\r\n"),
        ("HSET h a 1", ":1\r\n> HSET h a 1"),
        ("HRANDFIELD h", "$1\r\na\r\n"),
        ("HRANDFIELD h -2", "*2\r\n$1\r\na\r\n$1\r\na\r\n"),
        ("HRANDFIELD h 2 WITHVALUES", "*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
        ("HSCAN h 0", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"),
        ("HSCAN h 0 NOVALUES", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n"),
        ("HSCAN h 0 MATCH b*", "*2\r\n$1\r\n0\r\n*0\r\n"),
        ("HSCAN missing 0", "*2\r\n$1\r\n0\r\n*0\r\n"),
        ("HSCAN h x", "-ERR invalid cursor\r\n"),
    ]);
}

#[test]
fn long_values_make_a_table() {
    let long = "x".repeat(65);
    let set = format!("HSET h a {long}");
    check(&[
        (&set, &format!(":1\r\n> {set}")),
        ("OBJECT ENCODING h", "$9\r\nhashtable\r\n"),
        ("HSET h b 1", ":1\r\n> HSET h b 1"),
        ("HINCRBY h b 1", ":2\r\n> HINCRBY h b 1"),
        ("HDEL h a b", ":2\r\n> HDEL h a b"),
        ("EXISTS h", ":0\r\n"),
    ]);
}
