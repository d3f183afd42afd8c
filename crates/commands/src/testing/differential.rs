//! The same requests to a real redis-server and to this crate: the same replies.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keyspace::Kind;
use resp::{OwnedArgs, Proto, Reply, ReplyLimits, Value};

use super::Tester;

/// A redis-server of its own, on a socket in a directory of its own.
pub(super) struct RealServer {
    child: Child,
    stream: UnixStream,
    dir: std::path::PathBuf,
    buf: Vec<u8>,
}

impl RealServer {
    /// `None` where redis-server is not installed.
    pub fn start(name: &str) -> Option<Self> {
        Self::start_program("redis-server".as_ref(), name)
    }

    /// A Valkey server, from where `bench/compare` and the whole-system tests have theirs; `None` where there is none.
    pub fn start_valkey(name: &str) -> Option<Self> {
        let peers = std::env::var_os("PEERS").map(std::path::PathBuf::from);
        let default = std::env::home_dir().map(|home| home.join(".cache/tandem-peers"));
        let program = [peers, default]
            .into_iter()
            .flatten()
            .map(|peers| peers.join("bin/valkey-server"))
            .find(|program| program.is_file());
        Self::start_program(program.as_deref().unwrap_or("valkey-server".as_ref()), name)
    }

    fn start_program(program: &std::path::Path, name: &str) -> Option<Self> {
        let dir = std::env::temp_dir().join(format!("tandem-commands-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory for the socket");
        let socket = dir.join("redis.sock");
        let child = Command::new(program)
            .args([
                "--port",
                "0",
                "--save",
                "",
                "--appendonly",
                "no",
                "--enable-debug-command",
                "local",
                "--dir",
            ])
            .arg(&dir)
            .arg("--unixsocket")
            .arg(&socket)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut child) = child else {
            println!("skipped: {} is not installed", program.display());
            return None;
        };
        let stdout = child.stdout.take().expect("piped");
        let ready = BufReader::new(stdout)
            .lines()
            .map_while(Result::ok)
            .any(|line| line.contains("accept connections"));
        assert!(ready, "{} did not start", program.display());
        let stream = UnixStream::connect(&socket).expect("redis-server listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        Some(RealServer { child, stream, dir, buf: Vec::new() })
    }

    /// The encoded reply to one request.
    pub fn execute(&mut self, request: &OwnedArgs) -> Vec<u8> {
        let args: Vec<&[u8]> = request.as_args().iter().collect();
        let mut bytes = Vec::new();
        resp::encode_request(&mut bytes, &args);
        self.stream.write_all(&bytes).expect("redis-server reads");
        loop {
            if let Some((_, len)) = resp::parse_reply(&self.buf, &ReplyLimits::default()).expect("a reply") {
                return self.buf.drain(..len).collect();
            }
            let mut chunk = [0; 65536];
            let len = self.stream.read(&mut chunk).expect("redis-server answers");
            assert!(len > 0, "redis-server closed the connection");
            self.buf.extend_from_slice(&chunk[..len]);
        }
    }

    pub fn run(&mut self, words: &[&[u8]]) -> Vec<u8> {
        self.execute(&OwnedArgs::from_slices(words))
    }
}

impl Drop for RealServer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        std::fs::remove_dir_all(&self.dir).ok();
    }
}

pub(super) fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_micros() as u64
}

/// Random requests over few keys, so that they meet one another's results.
pub(super) struct Generator {
    pub rng: fastrand::Rng,
    /// Expiries may be met: only where the clock is the test's own.
    pub short_expiries: bool,
    /// The outcome of a request may be a matter of chance.
    pub chance: bool,
    pub now_ms: u64,
}

impl Generator {
    fn key(&mut self) -> Vec<u8> {
        vec![b'a' + self.rng.u8(0..8)]
    }

    fn value(&mut self) -> Vec<u8> {
        match self.rng.u8(0..10) {
            0 => Vec::new(),
            1..4 => self.integer(),
            4 => format!("{}.{}", self.rng.i16(..), self.rng.u16(..)).into_bytes(),
            5 => vec![b'x'; self.rng.usize(0..100)],
            6 => (0..self.rng.usize(0..12)).map(|_| self.rng.u8(..)).collect(),
            _ => (0..self.rng.usize(0..8)).map(|_| b"abcd"[self.rng.usize(0..4)]).collect(),
        }
    }

    fn integer(&mut self) -> Vec<u8> {
        let value = match self.rng.u8(0..20) {
            0 => i64::MAX,
            1 => i64::MIN,
            2 => return b"9223372036854775808".to_vec(),
            3 => return b"007".to_vec(),
            4 => return b"x1".to_vec(),
            5 => self.rng.i64(..),
            _ => i64::from(self.rng.i8(..)),
        };
        value.to_string().into_bytes()
    }

    /// Seconds or milliseconds from now on.
    fn span(&mut self, unit_ms: u64) -> Vec<u8> {
        let ms = match self.rng.u8(0..10) {
            0 => {
                return self
                    .integer()
                    .into_iter()
                    .filter(|byte| self.short_expiries || *byte == b'x')
                    .chain(*b"-1")
                    .collect();
            }
            1 => 0,
            2..5 if self.short_expiries => self.rng.u64(1..500),
            _ => self.rng.u64(200_000..10_000_000),
        };
        (ms / unit_ms).to_string().into_bytes()
    }

    /// A moment in seconds or milliseconds.
    fn moment(&mut self, unit_ms: u64) -> Vec<u8> {
        let at = match self.rng.u8(0..10) {
            0 => 1,
            1..4 if self.short_expiries => self.now_ms + self.rng.u64(0..500),
            _ => self.now_ms + self.rng.u64(200_000..10_000_000),
        };
        (at / unit_ms).to_string().into_bytes()
    }

    fn expiry(&mut self, words: &mut Vec<Vec<u8>>) {
        let (word, value) = match self.rng.u8(0..4) {
            0 => ("EX", self.span(1000)),
            1 => ("px", self.span(1)),
            2 => ("EXAT", self.moment(1000)),
            _ => ("PXAT", self.moment(1)),
        };
        // Old servers store what is over at once, and count it among their keys.
        let value =
            if value == b"1" || value == b"0" && word.ends_with("AT") { b"-1".to_vec() } else { value };
        words.extend([word.into(), value]);
    }

    fn chance(&mut self, of_ten: u8) -> bool {
        self.rng.u8(0..10) < of_ten
    }

    /// One request.
    pub fn request(&mut self) -> OwnedArgs {
        let mut words: Vec<Vec<u8>> = Vec::new();
        macro_rules! words {
            ($($word:expr),*) => { words.extend([$(Vec::from($word)),*]) };
        }
        match self.rng.u8(0..82) {
            0..5 => {
                words!("SET", self.key(), self.value());
                for word in ["NX", "xx", "GET", "KEEPTTL"] {
                    if self.chance(2) {
                        words!(word);
                    }
                }
                if self.chance(3) {
                    self.expiry(&mut words);
                }
            }
            5 | 6 => words!("GET", self.key()),
            7 => words!("GETSET", self.key(), self.value()),
            8 => words!("GETDEL", self.key()),
            9 => {
                words!("GETEX", self.key());
                if self.chance(6) {
                    self.expiry(&mut words);
                } else if self.chance(5) {
                    words!("PERSIST");
                }
            }
            10 => words!("SETNX", self.key(), self.value()),
            11 => words!("SETEX", self.key(), self.span(1000), self.value()),
            12 => words!("PSETEX", self.key(), self.span(1), self.value()),
            13 | 14 => {
                words!(if self.chance(5) { "MSET" } else { "MSETNX" });
                for _ in 0..self.rng.u8(1..4) {
                    words!(self.key(), self.value());
                }
                if self.chance(1) {
                    words!(self.key());
                }
            }
            15 => words!("MGET", self.key(), self.key(), self.key()),
            16 => words!("INCR", self.key()),
            17 => words!("DECR", self.key()),
            18 => words!("INCRBY", self.key(), self.integer()),
            19 => words!("DECRBY", self.key(), self.integer()),
            20 => words!("INCRBYFLOAT", self.key(), self.value()),
            21 => words!("APPEND", self.key(), self.value()),
            22 => words!("STRLEN", self.key()),
            23 => words!("SETRANGE", self.key(), self.rng.i8(-1..100).to_string(), self.value()),
            24 => words!("GETRANGE", self.key(), self.integer(), self.integer()),
            25 => words!("SUBSTR", self.key(), self.integer(), self.integer()),
            26 => {
                words!("LCS", self.key(), self.key());
                for word in ["LEN", "IDX", "WITHMATCHLEN"] {
                    if self.chance(3) {
                        words!(word);
                    }
                }
                if self.chance(2) {
                    words!("MINMATCHLEN", self.integer());
                }
            }
            27 => words!("DEL", self.key(), self.key()),
            28 => words!("UNLINK", self.key()),
            29 => words!("EXISTS", self.key(), self.key()),
            30 => words!("TYPE", self.key()),
            31 => words!("KEYS", ["*", "[a-c]", "?", "a*", "[^a]"][self.rng.usize(0..5)]),
            32 => words!("RENAME", self.key(), self.key()),
            33 => words!("RENAMENX", self.key(), self.key()),
            34 => {
                words!("COPY", self.key(), self.key());
                if self.chance(4) {
                    words!("DB", self.rng.u8(0..3).to_string());
                }
                if self.chance(5) {
                    words!("REPLACE");
                }
            }
            35 => words!("MOVE", self.key(), self.rng.u8(0..3).to_string()),
            36 => words!("TOUCH", self.key(), self.key()),
            37..41 => {
                match self.rng.u8(0..4) {
                    0 => words!("EXPIRE", self.key(), self.span(1000)),
                    1 => words!("PEXPIRE", self.key(), self.span(1)),
                    2 => words!("EXPIREAT", self.key(), self.moment(1000)),
                    _ => words!("PEXPIREAT", self.key(), self.moment(1)),
                }
                for word in ["NX", "XX", "GT", "lt"] {
                    if self.chance(2) {
                        words!(word);
                    }
                }
            }
            41 => words!(["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"][self.rng.usize(0..4)], self.key()),
            42 => words!("PERSIST", self.key()),
            43 => words!("SELECT", self.rng.u8(0..3).to_string()),
            44 if self.chance(3) => {
                words!("SWAPDB", self.rng.u8(0..3).to_string(), self.rng.u8(0..3).to_string())
            }
            44 if self.chance(2) => words!(["FLUSHDB", "FLUSHALL"][self.rng.usize(0..2)]),
            45 => words!("SCAN", "0", "COUNT", "1000", "MATCH", "*"),
            46 if self.chance(2) => {
                words!(["GET", "SET", "EXPIRE", "OBJECT", "NOSUCH", "DEL"][self.rng.usize(0..6)], self.key())
            }
            47..51 => words = super::bits::request(&mut self.rng, true),
            57..61 => words = super::streams_random::old_request(&mut self.rng),
            51 | 52 => words = super::hyperloglog::request(&mut self.rng),
            53..57 => words = super::sets::request(&mut self.rng, self.chance),
            61..66 => words = super::hashes::request(&mut self.rng),
            66..71 => words = super::zsets::request(&mut self.rng, self.chance),
            71..77 => words = super::lists::request(&mut self.rng),
            77..79 => words = super::sort::request(&mut self.rng),
            79..81 if self.short_expiries => words = super::geo::request(&mut self.rng, true),
            _ => words!("DBSIZE"),
        }
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        OwnedArgs::from_slices(&words)
    }
}

/// Whether two replies are equal, as far as they have to be.
pub(super) fn alike(command: &str, ours: &[u8], theirs: &[u8]) -> bool {
    // A sorted set has one zero here; elsewhere the sign of some shows.
    if ours == theirs || command.starts_with('Z') && unsigned_zeros(ours) == unsigned_zeros(theirs) {
        return true;
    }
    let parse =
        |bytes| resp::parse_reply(bytes, &ReplyLimits::default()).expect("a reply").expect("a whole one").0;
    let (ours, theirs) = (parse(ours), parse(theirs));
    match command {
        // The clocks are read at two moments.
        "TTL" | "PTTL" | "EXPIRETIME" | "PEXPIRETIME" => match (ours, theirs) {
            (Value::Int(ours), Value::Int(theirs)) => ours > 0 && theirs > 0 && (ours - theirs).abs() < 2000,
            _ => false,
        },
        // What INCRBYFLOAT leaves is a text there, though it may be an integer, until it is written or loaded again.
        "OBJECT" => ours.as_bytes() == Some(b"int") && theirs.as_bytes() == Some(b"embstr"),
        // An old server looks for the key before it looks at the expiry.
        "GETEX" => matches!((ours, theirs), (Value::Error(_), Value::Null | Value::Error(_))),
        "KEYS" | "SCAN" | "SSCAN" | "ZSCAN" | "HGETALL" | "HKEYS" | "HVALS" | "HSCAN" | "SMEMBERS"
        | "SINTER" | "SUNION" | "SDIFF" => sorted(ours) == sorted(theirs),
        _ => false,
    }
}

/// Valkey 9.1 keeps longer texts beside their key than Redis does, whose limit is followed here.
fn alike_in_valkey(command: &str, ours: &[u8], theirs: &[u8]) -> bool {
    command == "OBJECT" && ours == b"$3\r\nraw\r\n" && theirs == b"$6\r\nembstr\r\n"
}

/// Redis 7.0 writes some scores with more digits, and in another form, than Valkey 9.1, which is followed here; and it looks at some
/// arguments in another order.
fn alike_in_old(command: &str, ours: &[u8], theirs: &[u8]) -> bool {
    let parse =
        |bytes| resp::parse_reply(bytes, &ReplyLimits::default()).expect("a reply").expect("a whole one").0;
    match (parse(ours), parse(theirs)) {
        // A list is never one listpack there.
        (Value::Bulk(b"listpack"), Value::Bulk(b"quicklist")) => command == "OBJECT",
        // Nor is a set of other things than numbers.
        (Value::Bulk(b"listpack"), Value::Bulk(b"hashtable")) => command == "OBJECT",
        // Of several mistakes another one may be named.
        (Value::Error(ours), Value::Error(theirs)) => {
            command == "LPOS"
                && ours.split(|byte| *byte == b' ').next() == theirs.split(|byte| *byte == b' ').next()
        }
        (ours, theirs) => command.starts_with('Z') && same_numbers(&ours, &theirs),
    }
}

/// Whether two replies are equal, texts that are numbers as numbers.
fn same_numbers(ours: &Reply<'_>, theirs: &Reply<'_>) -> bool {
    match (ours, theirs) {
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|(ours, theirs)| same_numbers(ours, theirs))
        }
        (Value::Bulk(ours), Value::Bulk(theirs)) => {
            let number =
                |text: &[u8]| std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
            ours == theirs || number(ours).is_some_and(|ours| Some(ours) == number(theirs))
        }
        (ours, theirs) => ours == theirs,
    }
}

/// A reply whose zeros have no sign.
fn unsigned_zeros(reply: &[u8]) -> String {
    let text = reply.escape_ascii().to_string();
    text.replace(r"$2\r\n-0\r\n", r"$1\r\n0\r\n").replace(r",-0\r\n", r",0\r\n")
}

fn sorted(reply: Reply<'_>) -> Vec<Vec<u8>> {
    let items: Vec<Reply<'_>> = match reply {
        Value::Array(mut items) if items.len() == 2 && items[1].as_slice().is_some() => match items.remove(1)
        {
            Value::Array(keys) => keys,
            other => vec![other],
        },
        Value::Array(items) | Value::Set(items) => items,
        Value::Map(pairs) => pairs.into_iter().flat_map(|(key, value)| [key, value]).collect(),
        other => vec![other],
    };
    let mut texts: Vec<Vec<u8>> =
        items.iter().map(|item| item.as_bytes().or(item.as_error()).unwrap_or_default().to_vec()).collect();
    texts.sort();
    texts
}

fn compare(seed: u64, requests: usize, proto: Proto) {
    if let Some(real) = RealServer::start(&format!("{seed}")) {
        compare_with(real, seed, requests, proto, false);
    }
}

fn compare_with(mut real: RealServer, seed: u64, requests: usize, proto: Proto, valkey: bool) {
    let mut tester = Tester::new();
    tester.out.proto = proto;
    if proto == Proto::Resp3 {
        real.run(&[b"HELLO", b"3"]);
    }
    let mut generator = Generator {
        rng: fastrand::Rng::with_seed(seed),
        short_expiries: false,
        chance: false,
        now_ms: now_us() / 1000,
    };
    let mut recent = std::collections::VecDeque::new();
    for number in 0..requests {
        let request = generator.request();
        if recent.len() == 60 {
            recent.pop_front();
        }
        recent.push_back(format!("{request:?}"));
        let command = String::from_utf8_lossy(request.as_args().at(0)).to_uppercase();
        if valkey && command == "LSET" && request.as_args().at(2).len() > 9 {
            // Of an index of more than 32 bits Valkey takes those, changes an element, and says so.
            continue;
        }
        let words = request.as_args();
        let offset =
            words.iter().position(|word| word.eq_ignore_ascii_case(b"LIMIT")).map(|at| words.at(at + 1));
        if valkey && command.starts_with('Z') && offset.is_some_and(|offset| offset.starts_with(b"-")) {
            // In a skip list Valkey begins before the range then; elsewhere nothing is in it.
            continue;
        }
        let rank = i64::MIN.to_string();
        if !valkey && command == "LPOS" && request.as_args().iter().any(|word| word == rank.as_bytes()) {
            // That this can't be a rank Redis 7.0 does not know.
            continue;
        }
        let theirs = real.execute(&request);
        tester.env.set_now_us(now_us());
        let mut ours = tester.execute(&request).0;
        if tester.fx.blocked.is_some() {
            // The real server has waited for a moment, and then given up.
            ours = if proto == Proto::Resp3 { b"_\r\n".to_vec() } else { b"*-1\r\n".to_vec() };
        }
        let no_score = |reply: &[u8]| reply.starts_with(b"-ERR One or more scores");
        if command.starts_with("SORT") && no_score(&theirs) != no_score(&ours) {
            // An empty text is no number to Valkey, and 0 to Redis; hexadecimal digits and leading blanks are fine with Redis 7.0
            // alone. What was stored goes on both sides.
            if let Some(at) = request.as_args().iter().rposition(|word| word.eq_ignore_ascii_case(b"STORE")) {
                let del = OwnedArgs::from_slices(&[b"DEL", request.as_args().at(at + 1)]);
                real.execute(&del);
                tester.execute(&del);
            }
            continue;
        }
        assert!(
            alike(&command, &ours, &theirs)
                || if valkey {
                    alike_in_valkey(&command, &ours, &theirs)
                } else {
                    alike_in_old(&command, &ours, &theirs)
                },
            "request {number} of seed {seed}: {request:?}\n  ours: {}\ntheirs: {}\nafter: {recent:#?}",
            ours.escape_ascii(),
            theirs.escape_ascii()
        );
    }
}

#[test]
fn random_requests_get_the_replies_of_redis() {
    compare(1, 10_000, Proto::Resp2);
    compare(2, 5_000, Proto::Resp3);
}

/// As many as `DIFFERENTIAL_REQUESTS` says, of the seed in `DIFFERENTIAL_SEED`, against both servers or the one in `DIFFERENTIAL_PEER`:
/// for long runs.
#[test]
fn long_runs_get_the_replies_of_both() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let requests = number("DIFFERENTIAL_REQUESTS").unwrap_or(3_000) as usize;
    let seed = number("DIFFERENTIAL_SEED").unwrap_or(3);
    let only = std::env::var("DIFFERENTIAL_PEER").unwrap_or_default();
    if only != "valkey"
        && let Some(redis) = RealServer::start(&format!("long-{seed}"))
    {
        compare_with(redis, seed, requests, Proto::Resp2, false);
    }
    if only != "redis"
        && let Some(valkey) = RealServer::start_valkey(&format!("long-valkey-{seed}"))
    {
        compare_with(valkey, seed, requests, Proto::Resp3, true);
    }
}

/// Errors that random requests seldom reach.
#[test]
fn rare_requests_get_the_replies_of_redis() {
    let Some(mut real) = RealServer::start("rare") else { return };
    let mut tester = Tester::new();
    tester.env.set_now_us(now_us());
    for line in
        include_str!("rare_requests.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let words = resp::split_inline(line.as_bytes()).expect("balanced quotes");
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let request = OwnedArgs::from_slices(&words);
        let theirs = real.execute(&request);
        let ours = tester.execute(&request).0;
        assert_eq!(ours.escape_ascii().to_string(), theirs.escape_ascii().to_string(), "{line}");
    }
}

/// A real server takes our effects as its own: it ends with what we have.
#[test]
fn a_real_server_applies_our_effects() {
    let Some(mut real) = RealServer::start("effects") else { return };
    let mut tester = Tester::new();
    let now_ms = now_us() / 1000;
    let mut generator =
        Generator { rng: fastrand::Rng::with_seed(7), short_expiries: false, chance: true, now_ms };
    tester.env.set_now_ms(now_ms);
    for _ in 0..5_000 {
        let request = generator.request();
        let from = tester.execute(&request).1;
        for effect in tester.log.split_off(from) {
            let reply = real.execute(&effect);
            assert!(!reply.starts_with(b"-"), "{effect:?}: {}", reply.escape_ascii());
        }
    }
    let mut keys = 0;
    for (db, key, _, expiry) in tester.contents() {
        let select = OwnedArgs::from_slices(&[b"SELECT", db.to_string().as_bytes()]);
        real.execute(&select);
        tester.execute(&select);
        let kind = tester.ks.db(db).get(&key).expect("a key of ours").kind();
        let request = read_all(kind, &key);
        let (ours, theirs) = (tester.execute(&request).0, real.execute(&request));
        let command = String::from_utf8_lossy(request.as_args().at(0)).into_owned();
        assert!(alike(&command, &ours, &theirs), "{}: {}", key.escape_ascii(), theirs.escape_ascii());
        let expiry = expiry.map_or(-1, |at| at as i64);
        assert_eq!(real.run(&[b"PEXPIRETIME", &key]), format!(":{expiry}\r\n").into_bytes());
        keys += 1;
    }
    let mut theirs = 0;
    for db in 0..16 {
        real.run(&[b"SELECT", format!("{db}").as_bytes()]);
        let reply = real.run(&[b"DBSIZE"]);
        theirs += String::from_utf8_lossy(&reply[1..]).trim().parse::<usize>().expect("a number");
    }
    assert_eq!(keys, theirs);
}

/// The request that reads a value of this kind as a whole.
fn read_all(kind: Kind, key: &[u8]) -> OwnedArgs {
    let words: &[&[u8]] = match kind {
        Kind::List => &[b"LRANGE", key, b"0", b"-1"],
        Kind::Set => &[b"SMEMBERS", key],
        Kind::Stream => &[b"XRANGE", key, b"-", b"+"],
        Kind::ZSet => &[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"],
        _ => &[b"GET", key],
    };
    OwnedArgs::from_slices(words)
}

/// KEYS with random patterns over the bytes that mean something in them.
#[test]
fn patterns_match_as_in_redis() {
    let Some(mut real) = RealServer::start("patterns") else { return };
    let mut tester = Tester::new();
    let mut rng = fastrand::Rng::with_seed(5);
    let mut text = |max: usize| -> Vec<u8> {
        (0..rng.usize(0..=max)).map(|_| b"abc[]^-\\*?"[rng.usize(0..10)]).collect()
    };
    for _ in 0..200 {
        // An empty key is matched here by every pattern of stars, there by a single star alone.
        let key = [text(2), b"a".to_vec(), text(1)].concat();
        let request = OwnedArgs::from_slices(&[b"SET", &key, b"v"]);
        real.execute(&request);
        tester.execute(&request);
    }
    for _ in 0..3000 {
        let request = OwnedArgs::from_slices(&[b"KEYS", &text(8)]);
        let (ours, theirs) = (tester.execute(&request).0, real.execute(&request));
        assert!(
            alike("KEYS", &ours, &theirs),
            "{request:?}\n  ours: {}\ntheirs: {}",
            ours.escape_ascii(),
            theirs.escape_ascii()
        );
    }
}

/// DUMP on one side, RESTORE on the other.
#[test]
fn dumps_are_understood_by_both() {
    let Some(mut real) = RealServer::start("dumps") else { return };
    let mut tester = Tester::new();
    let mut values: Vec<Vec<u8>> = ["", "hello", "0", "-128", "32767", "2147483648", "007"]
        .iter()
        .map(|text| Vec::from(*text))
        .collect();
    values.extend([vec![b'x'; 1000], b"abcabcabcabc".repeat(5000), (0..=255).collect()]);
    for value in values {
        let bulk = |reply: &[u8]| match resp::parse_reply(reply, &ReplyLimits::default()) {
            Ok(Some((Value::Bulk(bytes), _))) => bytes.to_vec(),
            other => panic!("{other:?} is no string"),
        };
        real.run(&[b"SET", b"k", &value]);
        let dump = bulk(&real.run(&[b"DUMP", b"k"]));
        let restore = OwnedArgs::from_slices(&[b"RESTORE", b"k", b"0", &dump, b"REPLACE"]);
        assert_eq!(tester.execute(&restore).0, b"+OK\r\n");
        assert_eq!(bulk(&tester.execute(&OwnedArgs::from_slices(&[b"GET", b"k"])).0), value);
        let dump = bulk(&tester.execute(&OwnedArgs::from_slices(&[b"DUMP", b"k"])).0);
        assert_eq!(real.run(&[b"RESTORE", b"k", b"0", &dump, b"REPLACE"]), b"+OK\r\n");
        assert_eq!(bulk(&real.run(&[b"GET", b"k"])), value);
    }
}
