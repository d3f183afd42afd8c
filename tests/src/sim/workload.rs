//! Clients: they connect, send one request after the other, and come again when the connection breaks.

use resp::{ReplyLimits, Value};

use super::event::Event;
use super::ledger::Ledger;
use super::world::World;

/// One client.
pub struct Client {
    pub machine: usize,
    pub pipe: Option<usize>,
    /// Bytes of a reply that is not whole yet.
    input: Vec<u8>,
    /// Requests whose replies are outstanding.
    waiting: usize,
    pub replies: u64,
    pub errors: u64,
    /// Sends nothing of its own accord.
    pub idle: bool,
    /// Subscribes, again and again, and sends nothing else.
    pub listens: bool,
    /// The messages that it has heard, with their kind.
    pub heard: Vec<String>,
    /// Counts, and sends nothing else.
    pub ledger: Option<Ledger>,
}

impl Client {
    pub fn new(machine: usize) -> Client {
        Client {
            machine,
            pipe: None,
            input: Vec::new(),
            waiting: 0,
            replies: 0,
            errors: 0,
            idle: false,
            listens: false,
            heard: Vec::new(),
            ledger: None,
        }
    }

    /// One that listens to the channel `news` at a machine.
    pub fn listening(machine: usize) -> Client {
        Client { listens: true, ..Client::new(machine) }
    }
}

const KEYS: usize = 40;

impl World {
    /// The next step of a client: connects, or sends its next requests.
    pub fn client_step(&mut self, index: usize) {
        let pause = self.rng.u64(500..20_000);
        if self.clients[index].listens {
            self.listen(index);
            return self.schedule(50 * pause, Event::ClientStep { client: index });
        }
        if self.writing && !self.clients[index].idle {
            let machine = self.clients[index].machine;
            if self.clients[index].pipe.is_none() {
                let pipe = self.connect_client(index, machine);
                let client = &mut self.clients[index];
                client.pipe = pipe;
                client.input.clear();
                client.waiting = 0;
            }
            if let Some(pipe) = self.clients[index].pipe
                && self.clients[index].waiting == 0
            {
                let mut bytes = Vec::new();
                for _ in 0..self.rng.usize(1..6) {
                    let requests = match &mut self.clients[index].ledger {
                        Some(ledger) => ledger.requests(&mut self.rng, &mut bytes),
                        None => self.random_requests(&mut bytes),
                    };
                    self.clients[index].waiting += requests;
                }
                self.send(pipe, 1, bytes);
            }
        }
        self.schedule(pause, Event::ClientStep { client: index });
    }

    /// Connects and subscribes, if it is not connected.
    fn listen(&mut self, index: usize) {
        let machine = self.clients[index].machine;
        if self.clients[index].pipe.is_some() {
            return;
        }
        if let Some(pipe) = self.connect_client(index, machine) {
            self.clients[index].pipe = Some(pipe);
            let mut bytes = Vec::new();
            resp::encode_request(&mut bytes, &[b"SUBSCRIBE", b"news"]);
            resp::encode_request(&mut bytes, &[b"SSUBSCRIBE", b"news"]);
            self.send(pipe, 1, bytes);
        }
    }

    /// Sends one command over a connection of its own; nobody reads the reply.
    pub fn command(&mut self, machine: usize, command: &[&str]) {
        self.note(|| format!("machine {machine} is told {command:?}"));
        let index = self.clients.len();
        let mut client = Client::new(machine);
        client.idle = true;
        self.clients.push(client);
        if let Some(pipe) = self.connect_client(index, machine) {
            let args: Vec<&[u8]> = command.iter().map(|word| word.as_bytes()).collect();
            let mut bytes = Vec::new();
            resp::encode_request(&mut bytes, &args);
            self.clients[index].pipe = Some(pipe);
            self.clients[index].waiting = 1;
            self.send(pipe, 1, bytes);
        }
    }

    /// Bytes of replies.
    pub fn client_input(&mut self, index: usize, pipe: usize, bytes: &[u8]) {
        let promises = self.promises(self.clients[index].machine);
        let client = &mut self.clients[index];
        if client.pipe != Some(pipe) {
            return;
        }
        client.input.extend_from_slice(bytes);
        loop {
            match resp::parse_reply(&client.input, &ReplyLimits::default()) {
                Ok(Some((reply, used))) => {
                    if client.listens
                        && let Value::Array(items) = &reply
                        && let [kind, _, Value::Bulk(text)] = &items[..]
                    {
                        let kind = kind.as_bytes().unwrap_or_default();
                        client.heard.push(format!("{} {}", kind.escape_ascii(), text.escape_ascii()));
                    }
                    client.errors += u64::from(client.input.first() == Some(&b'-'));
                    client.replies += 1;
                    client.waiting = client.waiting.saturating_sub(1);
                    if let Some(ledger) = &mut client.ledger {
                        ledger.answered(&reply, client.waiting == 0, promises);
                    }
                    client.input.drain(..used);
                }
                Ok(None) => break,
                Err(error) => panic!("a reply that is none: {error}"),
            }
        }
        if client.idle && client.waiting == 0 {
            client.pipe = None;
            self.close_from(pipe, 0);
        }
    }

    /// The connection broke.
    pub fn client_lost(&mut self, index: usize) {
        let client = &mut self.clients[index];
        client.pipe = None;
        client.waiting = 0;
        client.input.clear();
    }

    /// One command, or one transaction; returns how many replies it will have.
    fn random_requests(&mut self, out: &mut Vec<u8>) -> usize {
        if self.rng.u8(..10) != 0 {
            self.random_request(out);
            return 1;
        }
        resp::encode_request(out, &[b"MULTI"]);
        let count = self.rng.usize(1..4);
        for _ in 0..count {
            self.random_request(out);
        }
        resp::encode_request(out, &[if self.rng.u8(..8) == 0 { b"DISCARD" } else { b"EXEC" }]);
        count + 2
    }

    fn random_request(&mut self, out: &mut Vec<u8>) {
        let words = match self.rng.u8(..25) {
            0..=7 => self.string_or_key_request(),
            8..=9 => self.list_request(),
            10..=11 => self.set_request(),
            12..=13 => self.hash_request(),
            14..=15 => self.zset_request(),
            16..=18 => self.stream_request(),
            19..=23 => self.script_request(),
            _ => self.other_request(),
        };
        let args: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        resp::encode_request(out, &args);
    }

    /// One of a few keys: of one type as a rule, and sometimes of any.
    pub fn key(&mut self, kind: &str) -> String {
        match self.rng.u8(..20) {
            0 => format!("key:{}", self.rng.usize(..KEYS)),
            _ => format!("{kind}:{}", self.rng.usize(..6)),
        }
    }

    /// An element of a collection: seldom one that is too long for a small collection, so that all become large in time.
    pub fn element(&mut self) -> String {
        match self.rng.u8(..40) {
            0 => "long".repeat(self.rng.usize(17..30)) + &self.rng.u8(..).to_string(),
            1..=10 => self.rng.i16(-200..200).to_string(),
            _ => format!("element:{}", self.rng.usize(..60)),
        }
    }

    fn millis(&mut self) -> String {
        self.rng.u32(1..30_000).to_string()
    }

    pub fn small(&mut self) -> String {
        self.rng.u8(..6).to_string()
    }

    fn string_or_key_request(&mut self) -> Vec<String> {
        let key = format!("key:{}", self.rng.usize(..KEYS));
        let other = format!("key:{}", self.rng.usize(..KEYS));
        let kind = ["list", "set", "hash", "zset", "stream"][self.rng.usize(..5)];
        let any = self.key(kind);
        let counter = format!("counter:{}", self.rng.usize(..8));
        let value = "v".repeat(self.rng.usize(1..60)) + &self.rng.u32(..).to_string();
        let millis = self.millis();
        let db = self.rng.usize(..3).to_string();
        let offset = self.rng.usize(..50).to_string();
        words(&match self.rng.u8(..30) {
            0..=6 => vec!["SET", &key, &value],
            7..=8 => vec!["SET", &key, &value, "PX", &millis],
            9 => vec!["SET", &key, &value, "NX"],
            10..=12 => vec!["INCR", &counter],
            13 => vec!["INCRBYFLOAT", &counter, "0.5"],
            14 => vec!["APPEND", &key, &value],
            15 => vec!["SETRANGE", &key, &offset, &value],
            16 => vec!["DEL", &key, &any],
            17 => vec!["PEXPIRE", &any, &millis],
            18 => vec!["PERSIST", &any],
            19 => vec!["RENAME", &any, &other],
            20 => vec!["COPY", &any, &other, "REPLACE"],
            21 => vec!["MSET", &key, &value, &other, &value],
            22 => vec!["GETDEL", &key],
            23 => vec!["GETEX", &key, "PX", &millis],
            24 => vec!["SELECT", &db],
            25 => vec!["MOVE", &any, &db],
            26..=27 => vec!["GET", &key],
            28 => match self.rng.u8(..12) {
                0 => vec!["FLUSHALL"],
                1 => vec!["FLUSHDB", "ASYNC"],
                2 => vec!["SWAPDB", "0", "1"],
                _ => vec!["EXISTS", &key],
            },
            _ => vec!["SCAN", "0"],
        })
    }

    fn list_request(&mut self) -> Vec<String> {
        let (key, other) = (self.key("list"), self.key("list"));
        let (a, b, n) = (self.element(), self.element(), self.small());
        words(&match self.rng.u8(..14) {
            0..=2 => vec!["RPUSH", &key, &a, &b],
            3..=4 => vec!["LPUSH", &key, &a],
            5 => vec!["LPOP", &key, &n],
            6 => vec!["RPOP", &key],
            7 => vec!["LREM", &key, "0", &a],
            8 => vec!["LINSERT", &key, "BEFORE", &a, &b],
            9 => vec!["LSET", &key, &n, &b],
            10 => vec!["LTRIM", &key, "0", "40"],
            11 => vec!["LMOVE", &key, &other, "LEFT", "RIGHT"],
            12 => vec!["BLPOP", &key, &other, "0.05"],
            _ => vec!["BLMOVE", &key, &other, "RIGHT", "LEFT", "0.05"],
        })
    }

    fn set_request(&mut self) -> Vec<String> {
        let (key, other) = (self.key("set"), self.key("set"));
        let (a, b, n) = (self.element(), self.element(), self.small());
        words(&match self.rng.u8(..10) {
            0..=3 => vec!["SADD", &key, &a, &b],
            4 => vec!["SREM", &key, &a],
            5 => vec!["SPOP", &key],
            6 => vec!["SPOP", &key, &n],
            7 => vec!["SMOVE", &key, &other, &a],
            8 => vec!["SUNIONSTORE", &key, &other, &key],
            _ => vec!["SDIFFSTORE", &key, &key, &other],
        })
    }

    fn hash_request(&mut self) -> Vec<String> {
        let key = self.key("hash");
        let (a, b, millis) = (self.element(), self.element(), self.millis());
        words(&match self.rng.u8(..11) {
            0..=3 => vec!["HSET", &key, &a, &b],
            4 => vec!["HDEL", &key, &a],
            5 => vec!["HINCRBY", &key, &a, "3"],
            6 => vec!["HINCRBYFLOAT", &key, &a, "0.25"],
            7..=8 => vec!["HPEXPIRE", &key, &millis, "FIELDS", "2", &a, &b],
            9 => vec!["HGETEX", &key, "PX", &millis, "FIELDS", "1", &a],
            _ => vec!["HPERSIST", &key, "FIELDS", "1", &a],
        })
    }

    fn zset_request(&mut self) -> Vec<String> {
        let (key, other) = (self.key("zset"), self.key("zset"));
        let (a, b) = (self.element(), self.element());
        let (score, n) = (self.rng.i8(..).to_string(), self.small());
        words(&match self.rng.u8(..11) {
            0..=3 => vec!["ZADD", &key, &score, &a, &n, &b],
            4 => vec!["ZINCRBY", &key, "0.1", &a],
            5 => vec!["ZREM", &key, &a],
            6 => vec!["ZPOPMIN", &key, &n],
            7 => vec!["BZPOPMAX", &key, &other, "0.05"],
            8 => vec!["ZUNIONSTORE", &key, "2", &key, &other],
            9 => vec!["ZRANGESTORE", &key, &other, "0", "20"],
            _ => vec!["ZREMRANGEBYRANK", &key, "30", "-1"],
        })
    }

    fn stream_request(&mut self) -> Vec<String> {
        let key = self.key("stream");
        let (a, b, n) = (self.element(), self.element(), self.small());
        let consumer = format!("consumer:{}", self.rng.u8(..3));
        let from = (self.now().unix_us / 1000).saturating_sub(self.rng.u64(..20_000)).to_string();
        words(&match self.rng.u8(..16) {
            0..=3 => vec!["XADD", &key, "*", "field", &a, &b, &a],
            4 => vec!["XADD", &key, "MAXLEN", "~", "50", "*", "field", &b],
            5 => vec!["XTRIM", &key, "MAXLEN", "30"],
            6 => vec!["XGROUP", "CREATE", &key, "group", "0", "MKSTREAM"],
            7..=8 => vec!["XREADGROUP", "GROUP", "group", &consumer, "COUNT", &n, "STREAMS", &key, ">"],
            9 => vec!["XREADGROUP", "GROUP", "group", &consumer, "BLOCK", "50", "STREAMS", &key, ">"],
            10 => vec!["XAUTOCLAIM", &key, "group", &consumer, "100", "0", "COUNT", "3"],
            11 => vec!["XACK", &key, "group", &from],
            12 => vec!["XREAD", "BLOCK", "50", "STREAMS", &key, "$"],
            13 => vec!["XGROUP", "DELCONSUMER", &key, "group", &consumer],
            14 => vec!["XTRIM", &key, "MINID", &from],
            _ => vec!["XGROUP", "SETID", &key, "group", "$"],
        })
    }

    fn other_request(&mut self) -> Vec<String> {
        let (key, list, zset) =
            (format!("key:{}", self.rng.usize(..KEYS)), self.key("list"), self.key("zset"));
        let (a, b) = (self.element(), self.element());
        let bit = self.rng.u16(..500).to_string();
        words(&match self.rng.u8(..7) {
            0 => vec!["SETBIT", &key, &bit, "1"],
            1 => vec!["BITOP", "XOR", &key, &key, "key:1"],
            2 => vec!["BITFIELD", &key, "INCRBY", "u8", &bit, "200"],
            3 => vec!["PFADD", "hll:1", &a, &b],
            4 => vec!["PFMERGE", "hll:2", "hll:1"],
            5 => vec!["SORT", &list, "ALPHA", "STORE", "list:0"],
            _ => vec!["GEOADD", &zset, "13.36", "38.11", &a],
        })
    }
}

pub fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}
