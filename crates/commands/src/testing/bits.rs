//! Bitmaps and bitfields.

use resp::OwnedArgs;

use super::differential::RealServer;
use super::{Tester, check};

/// A random request over few keys. An old server looks a key up before it looks at the rest of BITCOUNT's and BITPOS's arguments, so
/// those are well-formed for it.
pub(super) fn request(rng: &mut fastrand::Rng, old: bool) -> Vec<Vec<u8>> {
    fn pick(rng: &mut fastrand::Rng, words: &[&str]) -> String {
        words[rng.usize(0..words.len())].to_owned()
    }
    fn key(rng: &mut fastrand::Rng) -> String {
        pick(rng, &["a", "b", "c", "bits1", "bits2", "bits3", "bits4"])
    }
    fn index(rng: &mut fastrand::Rng, old: bool) -> String {
        match rng.u8(0..20) {
            0 if old => pick(rng, &["9223372036854775807", "-9223372036854775808"]),
            0 => pick(rng, &["x", "9223372036854775807", "-9223372036854775808", ""]),
            1 => rng.i32(-3000..3000).to_string(),
            _ => rng.i32(-40..120).to_string(),
        }
    }
    fn field(rng: &mut fastrand::Rng) -> String {
        match rng.u8(0..30) {
            0 => pick(rng, &["u64", "i65", "i0", "x8", "i", ""]),
            1 => pick(rng, &["i64", "u63", "i1", "u1"]),
            _ => format!("{}{}", pick(rng, &["i", "u"]), rng.u8(1..64)),
        }
    }
    fn place(rng: &mut fastrand::Rng) -> String {
        match rng.u8(0..30) {
            0 => pick(rng, &["-1", "#-1", "x", "4294967296", "#4294967296"]),
            1..6 => format!("#{}", rng.u8(0..5)),
            _ => rng.u8(0..120).to_string(),
        }
    }
    fn number(rng: &mut fastrand::Rng) -> String {
        match rng.u8(0..30) {
            0 => "x".to_owned(),
            1..10 => rng.i64(..).to_string(),
            10 => pick(rng, &["9223372036854775807", "-9223372036854775808"]),
            _ => rng.i16(..).to_string(),
        }
    }
    let units = if old { &["BIT", "bit", "BYTE", "byte"][..] } else { &["BIT", "bit", "BYTE", "bits"] };
    let mut words = Vec::new();
    match rng.u8(0..12) {
        0..3 => {
            let bit = pick(rng, &["0", "1", "1", "0", "1", "2"]);
            words.extend(["SETBIT".to_owned(), key(rng), rng.i32(-1..300).to_string(), bit]);
        }
        3 => words.extend(["GETBIT".to_owned(), key(rng), rng.i32(-1..300).to_string()]),
        4 | 5 => {
            words.extend(["BITCOUNT".to_owned(), key(rng)]);
            if !old && rng.u8(0..8) == 0 {
                words.push(index(rng, old));
            } else if rng.bool() {
                words.extend([index(rng, old), index(rng, old)]);
                if rng.bool() {
                    words.push(pick(rng, units));
                }
            }
        }
        6 | 7 => {
            words.extend(["BITPOS".to_owned(), key(rng), pick(rng, &["0", "1", "0", "1", "0", "1", "2"])]);
            for _ in 0..rng.u8(0..3) {
                words.push(index(rng, old));
            }
            if words.len() == 5 && rng.bool() {
                words.push(pick(rng, units));
            }
        }
        8 | 9 => {
            words.extend([
                "BITOP".to_owned(),
                pick(rng, &["AND", "or", "XOR", "NOT", "not", "NAND"]),
                key(rng),
            ]);
            let sources = if words[1].eq_ignore_ascii_case("not") { 1 } else { rng.u8(1..4) };
            for _ in 0..sources {
                words.push(key(rng));
            }
        }
        _ => {
            words.extend([pick(rng, &["BITFIELD", "BITFIELD", "BITFIELD", "BITFIELD_RO"]), key(rng)]);
            for _ in 0..rng.u8(0..5) {
                match rng.u8(0..8) {
                    0..3 => words.extend(["GET".to_owned(), field(rng), place(rng)]),
                    3 | 4 => words.extend(["SET".to_owned(), field(rng), place(rng), number(rng)]),
                    5 | 6 => words.extend(["incrby".to_owned(), field(rng), place(rng), number(rng)]),
                    _ => words.extend(["OVERFLOW".to_owned(), pick(rng, &["WRAP", "sat", "FAIL"])]),
                }
            }
        }
    }
    words.into_iter().map(String::into_bytes).collect()
}

/// The same requests to a real server and to this crate, the strings compared now and then.
fn compare(mut real: RealServer, seed: u64, old: bool) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut tester = Tester::new();
    for number in 0..20_000 {
        let words = match rng.u8(0..10) {
            0 => vec![b"GET".to_vec(), format!("bits{}", rng.u8(1..5)).into_bytes()],
            _ => request(&mut rng, old),
        };
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let request = OwnedArgs::from_slices(&words);
        let (ours, theirs) = (tester.execute(&request).0, real.execute(&request));
        assert_eq!(
            ours.escape_ascii().to_string(),
            theirs.escape_ascii().to_string(),
            "request {number}: {request:?}"
        );
    }
}

#[test]
fn bits_are_those_of_redis() {
    if let Some(real) = RealServer::start("bits") {
        compare(real, 11, true);
    }
}

#[test]
fn bits_are_those_of_valkey() {
    if let Some(real) = RealServer::start_valkey("bits-valkey") {
        compare(real, 12, false);
    }
}

#[test]
fn single_bits() {
    check(&[
        ("GETBIT a 7", ":0\r\n"),
        ("SETBIT a 7 1", ":0\r\n> SETBIT a 7 1"),
        ("SETBIT a 7 1", ":1\r\n"),
        ("GETBIT a 7", ":1\r\n"),
        ("GETBIT a 1000", ":0\r\n"),
        ("SETBIT a 16 0", ":0\r\n> SETBIT a 16 0"),
        ("STRLEN a", ":3\r\n"),
        ("SETBIT a 7 0", ":1\r\n> SETBIT a 7 0"),
        ("GET a", "$3\r\n\\x00\\x00\\x00\r\n"),
        ("OBJECT ENCODING a", "$3\r\nraw\r\n"),
        ("SET n 12", "+OK\r\n> SET n 12"),
        ("SETBIT n 6 1", ":0\r\n> SETBIT n 6 1"),
        ("GET n", "$2\r\n32\r\n"),
        ("SETBIT a -1 1", "-ERR bit offset is not an integer or out of range\r\n"),
        ("SETBIT a x 1", "-ERR bit offset is not an integer or out of range\r\n"),
        ("SETBIT a #1 1", "-ERR bit offset is not an integer or out of range\r\n"),
        ("SETBIT a 4294967296 1", "-ERR bit offset is not an integer or out of range\r\n"),
        ("GETBIT a 4294967296", "-ERR bit offset is not an integer or out of range\r\n"),
        ("SETBIT a 1 2", "-ERR bit is not an integer or out of range\r\n"),
        ("SETBIT a 1 x", "-ERR bit is not an integer or out of range\r\n"),
        ("@max-bulk 100", ""),
        ("SETBIT a 800 1", "-ERR bit offset is not an integer or out of range\r\n"),
        ("SETBIT a 799 1", ":0\r\n> SETBIT a 799 1"),
        ("@max-bulk 10", ""),
        // What a master did is done again, whatever the limit here.
        ("@expiry ignore", ""),
        ("SETBIT a 803 1", ":0\r\n> SETBIT a 803 1"),
    ]);
}

#[test]
fn an_expired_bitmap_begins_anew() {
    check(&[
        ("SET a xxxx PX 10", "+OK\r\n> SET a xxxx PXAT 1000000010"),
        ("@advance 11", ""),
        ("SETBIT a 1 1", ":0\r\n> DEL a; SETBIT a 1 1"),
        ("GET a", "$1\r\n@\r\n"),
        ("SET b xxxx PX 10", "+OK\r\n> SET b xxxx PXAT 1000000021"),
        ("@advance 11", ""),
        ("BITOP OR c a b", ":1\r\n> DEL b; BITOP OR c a b"),
        ("PEXPIRE a 1000", ":1\r\n> PEXPIREAT a 1000001022"),
        ("SETBIT a 2 1", ":0\r\n> SETBIT a 2 1"),
        ("PTTL a", ":1000\r\n"),
    ]);
}

#[test]
fn counting_and_finding() {
    check(&[
        ("BITCOUNT a", ":0\r\n"),
        ("BITPOS a 1", ":-1\r\n"),
        ("BITPOS a 0", ":0\r\n"),
        ("SET a foobar", "+OK\r\n> SET a foobar"),
        ("BITCOUNT a", ":26\r\n"),
        ("BITCOUNT a 0", ":26\r\n"),
        ("BITCOUNT a 1 1", ":6\r\n"),
        ("BITCOUNT a 5 30 BIT", ":17\r\n"),
        ("BITCOUNT a 0 0 byte", ":4\r\n"),
        ("BITCOUNT a -2 -3", ":0\r\n"),
        ("BITCOUNT a 0 1 BITE", "-ERR syntax error\r\n"),
        ("BITCOUNT a 0 1 BIT 3", "-ERR syntax error\r\n"),
        ("BITCOUNT a x 1", "-ERR value is not an integer or out of range\r\n"),
        ("BITPOS a 2", "-ERR The bit argument must be 1 or 0.\r\n"),
        ("BITPOS a x", "-ERR value is not an integer or out of range\r\n"),
        ("SETBIT ones 23 0", ":0\r\n> SETBIT ones 23 0"),
        ("BITOP NOT ones ones", ":3\r\n> BITOP NOT ones ones"),
        ("BITPOS ones 0", ":24\r\n"),
        ("BITPOS ones 0 0 -1", ":-1\r\n"),
        ("BITPOS ones 1 9 15 BIT", ":9\r\n"),
        ("SET e \"\"", "+OK\r\n> SET e "),
        ("BITPOS e 0", ":-1\r\n"),
        ("BITCOUNT e", ":0\r\n"),
    ]);
}

#[test]
fn combining() {
    check(&[
        ("SET a abc", "+OK\r\n> SET a abc"),
        ("SET b \"    \"", "+OK\r\n> SET b     "),
        ("SET t old PX 1000", "+OK\r\n> SET t old PXAT 1000001000"),
        ("BITOP xor t a b", ":4\r\n> BITOP xor t a b"),
        ("GET t", "$4\r\nABC \r\n"),
        ("PTTL t", ":-1\r\n"),
        ("BITOP AND t a b none", ":4\r\n> BITOP AND t a b none"),
        ("GET t", "$4\r\n\\x00\\x00\\x00\\x00\r\n"),
        ("BITOP OR t none", ":0\r\n> BITOP OR t none"),
        ("EXISTS t", ":0\r\n"),
        ("BITOP OR t none", ":0\r\n"),
        ("BITOP NOT t a b", "-ERR BITOP NOT must be called with a single source key.\r\n"),
        ("BITOP NAND t a b", "-ERR syntax error\r\n"),
    ]);
}

#[test]
fn fields() {
    check(&[
        ("BITFIELD a GET u8 0 GET i5 100", "*2\r\n:0\r\n:0\r\n"),
        ("BITFIELD a", "*0\r\n"),
        ("EXISTS a", ":0\r\n"),
        (
            "BITFIELD a SET u8 #1 200 INCRBY u8 8 60",
            "*2\r\n:0\r\n:4\r\n> BITFIELD a SET u8 #1 200 INCRBY u8 8 60",
        ),
        ("BITFIELD a SET u8 8 4", "*1\r\n:4\r\n"),
        (
            "BITFIELD a OVERFLOW SAT INCRBY u8 8 300 OVERFLOW FAIL INCRBY u8 8 1 GET u16 0",
            "*3\r\n:255\r\n$-1\r\n:255\r\n> BITFIELD a OVERFLOW SAT INCRBY u8 8 300 OVERFLOW FAIL INCRBY u8 8 1 GET u16 0",
        ),
        ("BITFIELD a OVERFLOW FAIL INCRBY u8 8 1", "*1\r\n$-1\r\n"),
        ("BITFIELD_RO a GET i8 8", "*1\r\n:-1\r\n"),
        ("BITFIELD_RO a GET i8 8 SET i8 0 1", "-ERR BITFIELD_RO only supports the GET subcommand\r\n"),
        // The string grows even where nothing is written into it, and replicas have to know.
        ("BITFIELD b OVERFLOW FAIL SET u1 16 2", "*1\r\n$-1\r\n> BITFIELD b OVERFLOW FAIL SET u1 16 2"),
        ("STRLEN b", ":3\r\n"),
        (
            "BITFIELD a SET u64 0 1",
            "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.\r\n",
        ),
        ("BITFIELD a SET u8 -1 1", "-ERR bit offset is not an integer or out of range\r\n"),
        ("BITFIELD a SET u8 #9223372036854775807 1", "-ERR bit offset is not an integer or out of range\r\n"),
        ("BITFIELD a SET u8 0 x", "-ERR value is not an integer or out of range\r\n"),
        ("BITFIELD a SET u8 0", "-ERR syntax error\r\n"),
        ("BITFIELD a OVERFLOW x", "-ERR Invalid OVERFLOW type specified\r\n"),
        ("BITFIELD a OVERFLOW", "-ERR syntax error\r\n"),
    ]);
}
