//! Places on the globe.

use resp::{OwnedArgs, Proto};

use super::differential::{RealServer, alike};
use super::{Tester, check};

/// A random request over few keys; with `new`, also what Redis 7.0 does not know.
pub(super) fn request(rng: &mut fastrand::Rng, new: bool) -> Vec<Vec<u8>> {
    fn pick(rng: &mut fastrand::Rng, words: &[&str]) -> String {
        words[rng.usize(0..words.len())].to_owned()
    }
    fn key(rng: &mut fastrand::Rng) -> String {
        pick(rng, &["geo1", "geo2", "geo3", "geo1", "geo2", "geo3", "geo4", "a"])
    }
    fn degrees(rng: &mut fastrand::Rng, most: f64) -> String {
        match rng.u8(0..20) {
            0 => pick(rng, &["x", "200", "-90.5", "180", "-180", "85.05112878", "0"]),
            // Near one another, so that searches find something.
            1..12 => format!("{:.6}", 13.0 + rng.f64()),
            _ => format!("{:.6}", (rng.f64() * 2.0 - 1.0) * most),
        }
    }
    fn length(rng: &mut fastrand::Rng) -> String {
        match rng.u8(0..20) {
            0 => pick(rng, &["-1", "x", "0", "30000000"]),
            1..10 => format!("{:.3}", rng.f64() * 100.0),
            _ => format!("{}", rng.u32(1..20_000)),
        }
    }
    fn unit(rng: &mut fastrand::Rng) -> String {
        pick(rng, &["m", "km", "KM", "ft", "mi", "km", "km", "mi", "parsec"])
    }
    fn member(rng: &mut fastrand::Rng) -> String {
        format!("m{}", rng.u8(0..60))
    }
    let mut words: Vec<String> = Vec::new();
    macro_rules! words {
        ($($word:expr),*) => { words.extend([$(String::from($word)),*]) };
    }
    fn options(rng: &mut fastrand::Rng, words: &mut Vec<String>) {
        for word in ["WITHDIST", "withcoord", "WITHHASH", "ASC", "DESC"] {
            if rng.u8(0..4) == 0 {
                words.push(word.to_owned());
            }
        }
        if rng.u8(0..3) == 0 {
            words.extend(["COUNT".to_owned(), pick(rng, &["1", "3", "10", "100", "3", "10", "0", "x"])]);
        }
    }
    match rng.u8(0..12) {
        0..3 => {
            words!("GEOADD", key(rng));
            for word in ["NX", "xx", "CH"] {
                if rng.u8(0..8) == 0 {
                    words!(word);
                }
            }
            for _ in 0..rng.u8(1..8) {
                words!(degrees(rng, 180.0), degrees(rng, 85.0), member(rng));
            }
        }
        3 => words!("GEODIST", key(rng), member(rng), member(rng), unit(rng)),
        4 => words!("GEOPOS", key(rng), member(rng), member(rng)),
        5 => words!("GEOHASH", key(rng), member(rng), member(rng)),
        6 => {
            words!(
                pick(rng, &["GEORADIUS", "GEORADIUS_RO"]),
                key(rng),
                degrees(rng, 180.0),
                degrees(rng, 85.0)
            );
            words!(length(rng), unit(rng));
            options(rng, &mut words);
        }
        7 => {
            words!(pick(rng, &["GEORADIUSBYMEMBER", "GEORADIUSBYMEMBER_RO"]), key(rng), member(rng));
            words!(length(rng), unit(rng));
            options(rng, &mut words);
        }
        8..11 => {
            words!("GEOSEARCH", key(rng));
            let polygon = new && rng.u8(0..3) == 0;
            if polygon {
                // Not across half the globe: of a polygon so large Valkey searches but a part.
                let corners = rng.usize(3..7);
                words!("BYPOLYGON", corners.to_string());
                for _ in 0..corners {
                    words!(
                        format!("{:.6}", 8.0 + rng.f64() * 10.0),
                        format!("{:.6}", 8.0 + rng.f64() * 10.0)
                    );
                }
            } else {
                if rng.bool() {
                    words!("FROMMEMBER", member(rng));
                } else {
                    words!("FROMLONLAT", degrees(rng, 180.0), degrees(rng, 85.0));
                }
                if rng.bool() {
                    words!("BYRADIUS", length(rng), unit(rng));
                } else {
                    words!("BYBOX", length(rng), length(rng), unit(rng));
                }
            }
            options(rng, &mut words);
        }
        _ => {
            // Distances are no places: searched themselves, many would lie at one, in no particular order.
            let distances = rng.bool();
            let destination = if distances { "distances".to_owned() } else { key(rng) };
            words!("GEOSEARCHSTORE", destination, key(rng));
            words!("FROMLONLAT", degrees(rng, 180.0), degrees(rng, 85.0), "BYRADIUS", length(rng), unit(rng));
            if distances {
                words!("STOREDIST");
            }
        }
    }
    words.into_iter().map(String::into_bytes).collect()
}

fn compare(mut real: RealServer, seed: u64, new: bool) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut tester = Tester::new();
    for (proto, version) in [(Proto::Resp2, b"2"), (Proto::Resp3, b"3")] {
        real.run(&[b"HELLO", version]);
        tester.out.proto = proto;
        for number in 0..6_000 {
            let words = match rng.u8(0..12) {
                // Without the scores: the last bit of a distance is the mathematical library's.
                0 => ["ZRANGE", "distances", "0", "-1"].map(Vec::from).to_vec(),
                _ => request(&mut rng, new),
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
fn places_are_those_of_valkey() {
    if let Some(real) = RealServer::start_valkey("geo") {
        compare(real, 31, true);
    }
}

#[test]
fn places_go_into_the_log_as_scores() {
    check(&[
        (
            "GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania",
            ":2\r\n> ZADD Sicily 3479099956230698 Palermo 3479447370796909 Catania",
        ),
        ("GEOADD Sicily nx CH 13.361389 38.115556 Palermo", ":0\r\n"),
        ("GEOADD Sicily xx ch 13.361389 38.2 Palermo", ":1\r\n> ZADD Sicily xx ch 3479101030759983 Palermo"),
        ("GEOADD Sicily 13.361389 38.115556 Palermo", ":0\r\n> ZADD Sicily 3479099956230698 Palermo"),
        ("GEODIST Sicily Palermo Catania", "$11\r\n166274.1516\r\n"),
        ("GEODIST Sicily Palermo Catania km", "$8\r\n166.2742\r\n"),
        ("GEODIST Sicily Palermo none", "$-1\r\n"),
        ("GEODIST none a b", "$-1\r\n"),
        ("GEODIST Sicily a b parsec", "-ERR unsupported unit provided. please use M, KM, FT, MI\r\n"),
        ("GEOHASH Sicily Palermo none", "*2\r\n$11\r\nsqc8b49rny0\r\n$-1\r\n"),
        (
            "GEOPOS Sicily Palermo none",
            "*2\r\n*2\r\n$20\r\n13.36138933897018433\r\n$20\r\n38.11555639549629859\r\n*-1\r\n",
        ),
        ("GEOADD x 200 10 a", "-ERR invalid longitude,latitude pair 200.000000,10.000000\r\n"),
        ("GEOADD x 20 10 a b", "-ERR syntax error\r\n"),
        ("GEOADD x nx xx 20 10 a", "-ERR syntax error\r\n"),
        ("GEOADD x y 10 a", "-ERR value is not a valid float\r\n"),
    ]);
}

#[test]
fn searches_store_what_they_find() {
    check(&[
        (
            "GEOADD s 13.361389 38.115556 Palermo 15.087269 37.502669 Catania",
            ":2\r\n> ZADD s 3479099956230698 Palermo 3479447370796909 Catania",
        ),
        (
            "GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 200 km ASC WITHDIST",
            "*2\r\n*2\r\n$7\r\nCatania\r\n$7\r\n56.4413\r\n*2\r\n$7\r\nPalermo\r\n$8\r\n190.4424\r\n",
        ),
        ("GEOSEARCH s FROMMEMBER Catania BYBOX 100 100 km", "*1\r\n$7\r\nCatania\r\n"),
        ("GEOSEARCH s BYPOLYGON 3 13 38 14 38 13.5 39", "*1\r\n$7\r\nPalermo\r\n"),
        ("GEOSEARCH s BYPOLYGON 2 13 38 14 38", "-ERR GEOSEARCH BYPOLYGON must have at least 3 vertices\r\n"),
        ("GEORADIUS s 15 37 200 km COUNT 1", "*1\r\n$7\r\nCatania\r\n"),
        (
            "GEORADIUS s 15 37 200 km STORE d",
            ":2\r\n> ZADD d 3479099956230698 Palermo 3479447370796909 Catania",
        ),
        ("GEORADIUS s 15 37 200 km COUNT 1 STORE d", ":1\r\n> DEL d; ZADD d 3479447370796909 Catania"),
        ("GEORADIUS s 0 0 1 km STORE d", ":0\r\n> DEL d"),
        ("GEORADIUS s 0 0 1 km STORE d", ":0\r\n"),
        ("GEORADIUS none 0 0 1 km", "*0\r\n"),
        (
            "GEOSEARCHSTORE d s FROMMEMBER Palermo BYRADIUS 10 km WITHDIST",
            "-ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options\r\n",
        ),
        ("GEOSEARCHSTORE d s FROMMEMBER Palermo BYRADIUS 10 km STOREDIST", ":1\r\n> ZADD d 0 Palermo"),
        ("GEORADIUSBYMEMBER s nobody 10 km", "-ERR member nobody does not exist\r\n"),
        ("GEORADIUSBYMEMBER none nobody 10 km", "*0\r\n"),
        ("GEORADIUS_RO s 15 37 200 km STORE d", "-ERR syntax error\r\n"),
        (
            "GEOSEARCH s FROMMEMBER Palermo BYRADIUS 10 km ANY",
            "-ERR the ANY argument requires COUNT argument\r\n",
        ),
        ("COMMAND GETKEYS GEORADIUS s 15 37 200 km STORE d", "*2\r\n$1\r\ns\r\n$1\r\nd\r\n"),
    ]);
}
