//! HyperLogLogs.

use resp::OwnedArgs;

use super::differential::RealServer;
use super::{Tester, check};

/// A random request over few keys.
pub(super) fn request(rng: &mut fastrand::Rng) -> Vec<Vec<u8>> {
    let key = |rng: &mut fastrand::Rng| format!("hll{}", rng.u8(0..6));
    let mut words = Vec::new();
    match rng.u8(0..20) {
        0..9 => {
            words.extend(["PFADD".to_owned(), key(rng)]);
            // Few different ones or many, so that both forms stay common.
            let (count, of) = match rng.u8(0..20) {
                0 => (rng.u32(500..1500), 1_000_000),
                1..5 => (rng.u32(0..100), 10_000),
                _ => (rng.u32(0..6), 1_000),
            };
            words.extend((0..count).map(|_| format!("element-{}", rng.u32(0..of))));
        }
        9..12 => words.extend(["PFCOUNT".to_owned(), key(rng)]),
        12 => words.extend(["PFCOUNT".to_owned(), key(rng), key(rng), key(rng)]),
        13..16 => {
            words.extend(["PFMERGE".to_owned(), key(rng)]);
            words.extend((0..rng.u8(0..3)).map(|_| key(rng)));
        }
        16 => words.extend(["DEL".to_owned(), key(rng)]),
        17 => {
            let word = ["ENCODING", "DECODE", "GETREG", "nosuch"][rng.usize(0..4)];
            words.extend(["PFDEBUG".to_owned(), word.to_owned(), key(rng)]);
        }
        _ => words.extend(["GET".to_owned(), key(rng)]),
    }
    words.into_iter().map(String::into_bytes).collect()
}

/// The same requests to a real server and to this crate: the same counts, and the very same bytes.
fn compare(mut real: RealServer, seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut tester = Tester::new();
    for number in 0..10_000 {
        let words = request(&mut rng);
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let request = OwnedArgs::from_slices(&words);
        let (ours, theirs) = (tester.execute(&request).0, real.execute(&request));
        assert!(
            ours == theirs,
            "request {number}: {request:?}\n  ours: {}\ntheirs: {}",
            ours.escape_ascii(),
            theirs.escape_ascii()
        );
    }
}

#[test]
fn hyperloglogs_are_those_of_redis() {
    if let Some(real) = RealServer::start("hll") {
        compare(real, 21);
    }
}

#[test]
fn hyperloglogs_are_those_of_valkey() {
    if let Some(real) = RealServer::start_valkey("hll-valkey") {
        compare(real, 22);
    }
}

#[test]
fn adding_counting_merging() {
    check(&[
        ("PFCOUNT a", ":0\r\n"),
        ("PFADD a", ":1\r\n> PFADD a"),
        ("PFADD a", ":0\r\n"),
        ("OBJECT ENCODING a", "$3\r\nraw\r\n"),
        // The first count is noted, and so replicas get it as well.
        ("PFCOUNT a", ":0\r\n> PFCOUNT a"),
        ("PFCOUNT a", ":0\r\n"),
        ("PFADD a x y z", ":1\r\n> PFADD a x y z"),
        ("PFADD a y", ":0\r\n"),
        ("PFCOUNT a", ":3\r\n> PFCOUNT a"),
        ("PFADD b z w", ":1\r\n> PFADD b z w"),
        ("PFCOUNT a b nosuch", ":4\r\n"),
        ("PFMERGE c a b nosuch", "+OK\r\n> PFMERGE c a b nosuch"),
        ("PFCOUNT c", ":4\r\n> PFCOUNT c"),
        ("PFMERGE d", "+OK\r\n> PFMERGE d"),
        ("PFCOUNT d", ":0\r\n> PFCOUNT d"),
        ("PFDEBUG ENCODING c", "+sparse\r\n"),
        ("PFDEBUG TODENSE c", ":1\r\n> PFDEBUG TODENSE c"),
        ("PFDEBUG todense c", ":0\r\n"),
        ("PFDEBUG ENCODING c", "+dense\r\n"),
        ("PFDEBUG DECODE c", "-ERR HLL encoding is not sparse\r\n"),
        ("PFCOUNT c", ":4\r\n"),
        ("PFADD c z", ":0\r\n"),
        ("PFADD c v", ":1\r\n> PFADD c v"),
        ("PFCOUNT c", ":5\r\n> PFCOUNT c"),
        ("PFMERGE a c", "+OK\r\n> PFMERGE a c"),
        ("PFDEBUG ENCODING a", "+dense\r\n"),
        ("PFCOUNT a", ":5\r\n> PFCOUNT a"),
        ("PFSELFTEST", "+OK\r\n"),
    ]);
}

#[test]
fn a_replica_notes_no_counts_of_its_own() {
    check(&[
        ("PFADD a x y", ":1\r\n> PFADD a x y"),
        ("@expiry hide", ""),
        ("PFCOUNT a", ":2\r\n"),
        ("@expiry ignore", ""),
        ("PFCOUNT a", ":2\r\n> PFCOUNT a"),
    ]);
}

#[test]
fn what_is_no_hyperloglog() {
    check(&[
        ("SET a hello", "+OK\r\n> SET a hello"),
        ("PFADD a x", "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"),
        ("PFCOUNT a", "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"),
        ("PFCOUNT a b", "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"),
        ("PFMERGE b a", "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"),
        ("PFDEBUG GETREG a", "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"),
        ("PFDEBUG GETREG nosuch", "-ERR The specified key does not exist\r\n"),
        ("PFADD b x", ":1\r\n> PFADD b x"),
        ("PFDEBUG foo b", "-ERR Unknown PFDEBUG subcommand 'foo'\r\n"),
        // Opcodes after the last register, and a header that promises what is not there.
        ("APPEND b hello", ":25\r\n> APPEND b hello"),
        ("PFCOUNT b", "-INVALIDOBJ Corrupted HLL object detected\r\n"),
        ("PFCOUNT b b", "-INVALIDOBJ Corrupted HLL object detected\r\n"),
        ("PFMERGE c b", "-INVALIDOBJ Corrupted HLL object detected\r\n"),
        ("PFDEBUG TODENSE b", "-INVALIDOBJ Corrupted HLL object detected\r\n"),
        ("SETRANGE b 4 \"\\x00\"", ":25\r\n> SETRANGE b 4 \\x00"),
        ("PFADD b y", "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"),
        ("SETRANGE b 4 \"\\x02\"", ":25\r\n> SETRANGE b 4 \u{2}"),
        ("PFCOUNT b", "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"),
        ("PFDEBUG SIMD on", "+enabled\r\n"),
        ("PFDEBUG SIMD off", "+disabled\r\n"),
        ("PFDEBUG SIMD x", "-ERR Argument must be ON or OFF\r\n"),
    ]);
}

/// Whatever bytes a string has behind a good header, every command comes back.
#[test]
fn broken_values_do_no_harm() {
    let mut rng = fastrand::Rng::with_seed(9);
    let mut tester = Tester::new();
    for round in 0..3000 {
        let len = if round % 3 == 0 { 12_288 } else { rng.usize(0..60) };
        let mut value = b"HYLL".to_vec();
        value.push(rng.u8(0..3));
        value.extend((0..11 + len).map(|_| rng.u8(..)));
        let mut run = |words: &[&[u8]]| tester.execute(&OwnedArgs::from_slices(words));
        run(&[b"SET", b"k", &value]);
        run(&[b"SET", b"m", &value]);
        let element = rng.u32(..).to_string();
        run(&[b"PFADD", b"k", element.as_bytes(), b"x"]);
        for words in
            [[&b"PFCOUNT"[..], b"k", b"nosuch"], [b"PFMERGE", b"m", b"k"], [b"PFDEBUG", b"GETREG", b"k"]]
        {
            run(&words);
        }
        run(&[b"PFCOUNT", b"m"]);
        run(&[b"PFDEBUG", b"DECODE", b"m"]);
        run(&[b"DEL", b"k", b"m"]);
    }
}
