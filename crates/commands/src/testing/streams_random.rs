//! Random requests about streams: the replies of a real server, and effects that make the same of another dataset.

use keyspace::stream::{Stream, StreamId};
use proptest::prelude::*;
use resp::{OwnedArgs, Reply, ReplyLimits, Value};

use super::differential::{RealServer, now_us};
use super::{START_MS, Tester};

/// One request. Ids and names are few, so that requests meet one another's results.
pub(super) fn request(rng: &mut fastrand::Rng) -> Vec<Vec<u8>> {
    let mut random = Random { rng, words: Vec::new() };
    random.request();
    random.words
}

/// One request about keys of all types, to which Redis 7.0 has the reply of today.
pub(super) fn old_request(rng: &mut fastrand::Rng) -> Vec<Vec<u8>> {
    loop {
        let mut words = request(rng);
        let is_old = match &words[0][..] {
            b"XINFO" | b"XPENDING" | b"OBJECT" => false,
            b"XREAD" => !words.iter().any(|word| word == b"+"),
            // The number of entries that go into a node is set for the others.
            b"XADD" | b"XTRIM" => !words.iter().any(|word| word == b"~"),
            _ => true,
        };
        if is_old {
            let key = [b'a' + rng.u8(0..8)];
            for word in words.iter_mut().filter(|word| matches!(&word[..], b"s" | b"t" | b"k")) {
                *word = key.to_vec();
            }
            return words;
        }
    }
}

struct Random<'a> {
    rng: &'a mut fastrand::Rng,
    words: Vec<Vec<u8>>,
}

impl Random<'_> {
    fn push(&mut self, word: impl Into<Vec<u8>>) {
        self.words.push(word.into());
    }

    fn chance(&mut self, of_ten: u8) -> bool {
        self.rng.u8(0..10) < of_ten
    }

    fn one_of(&mut self, words: &[&str]) {
        let word = words[self.rng.usize(0..words.len())];
        self.push(word);
    }

    fn id_text(&mut self) -> String {
        match self.rng.u8(0..20) {
            0 => "-".into(),
            1 => "+".into(),
            2 => "(5-1".into(),
            3 => "$".into(),
            4 => "0".into(),
            5 => "bad".into(),
            6 => self.rng.u8(0..40).to_string(),
            _ => format!("{}-{}", self.rng.u8(0..40), self.rng.u8(0..3)),
        }
    }

    fn id(&mut self) {
        let id = self.id_text();
        self.push(id);
    }

    /// An id that is one.
    fn plain_id(&mut self) {
        let id = format!("{}-{}", self.rng.u8(0..40), self.rng.u8(0..3));
        self.push(id);
    }

    fn number(&mut self, below: u8) {
        let number = match self.rng.u8(0..30) {
            0 => "-1".into(),
            1 => "x".into(),
            _ => self.rng.u8(0..below).to_string(),
        };
        self.push(number);
    }

    fn key(&mut self) {
        self.one_of(&["s", "s", "s", "s", "t", "t", "t", "k"]);
    }

    fn group(&mut self) {
        self.one_of(&["g", "g", "g", "h", "i"]);
    }

    fn consumer(&mut self) {
        self.one_of(&["alice", "bob", "carol"]);
    }

    fn trimming(&mut self) {
        let by_len = self.chance(5);
        self.push(if by_len { "MAXLEN" } else { "minid" });
        if self.chance(7) {
            self.one_of(&["~", "~", "="]);
        }
        if by_len {
            self.number(30);
        } else {
            self.id();
        }
        if self.chance(3) {
            self.push("LIMIT");
            self.number(20);
        }
    }

    fn count(&mut self) {
        if self.chance(4) {
            self.push("COUNT");
            self.number(6);
        }
    }

    fn fields(&mut self) {
        let own = self.rng.u8(0..8);
        for field in 0..=self.rng.u8(0..2) + u8::from(own == 0) {
            self.push(if own == 1 { format!("other{field}") } else { format!("f{field}") });
            let value = match self.rng.u8(0..4) {
                0 => self.rng.i16(..).to_string(),
                1 => "x".repeat(self.rng.usize(0..80)),
                _ => "value".into(),
            };
            self.push(value);
        }
    }

    fn request(&mut self) {
        match self.rng.u8(0..40) {
            0..12 => {
                self.push("XADD");
                self.key();
                if self.chance(1) {
                    self.push("NOMKSTREAM");
                }
                if self.chance(3) {
                    self.trimming();
                }
                // Mostly at the end, so that some succeed.
                let id = match self.rng.u8(0..10) {
                    0 => self.id_text(),
                    1 => format!("{}-*", self.rng.u8(0..40)),
                    2 => format!("{}-{}", self.rng.u8(0..40), self.rng.u8(0..3)),
                    _ => format!("{}-*", self.rng.u8(36..40)),
                };
                self.push(id);
                self.fields();
            }
            12 => {
                self.push("XTRIM");
                self.key();
                self.trimming();
            }
            13 | 14 => {
                self.push("XDEL");
                self.key();
                for _ in 0..self.rng.u8(1..4) {
                    self.plain_id();
                }
            }
            15 => {
                self.push("XLEN");
                self.key();
            }
            16 | 17 => {
                self.one_of(&["XRANGE", "XREVRANGE"]);
                self.key();
                self.id();
                self.id();
                self.count();
            }
            18 | 19 => {
                self.push("XREAD");
                self.count();
                self.push("STREAMS");
                self.key();
                self.key();
                self.id();
                self.id();
            }
            20..25 => {
                self.push("XREADGROUP");
                self.push("GROUP");
                self.group();
                self.consumer();
                self.count();
                if self.chance(1) {
                    self.push("NOACK");
                }
                self.push("STREAMS");
                self.key();
                if self.chance(7) {
                    self.push(">");
                } else {
                    self.id();
                }
            }
            25..28 => {
                self.push("XGROUP");
                match self.rng.u8(0..8) {
                    0..3 => {
                        self.push("CREATE");
                        self.key();
                        self.group();
                        self.id();
                        if self.chance(5) {
                            self.push("MKSTREAM");
                        }
                        if self.chance(3) {
                            self.push("ENTRIESREAD");
                            self.number(20);
                        }
                    }
                    3 | 4 => {
                        self.push("SETID");
                        self.key();
                        self.group();
                        self.id();
                        if self.chance(3) {
                            self.push("ENTRIESREAD");
                            self.number(20);
                        }
                    }
                    5 => {
                        self.push("CREATECONSUMER");
                        self.key();
                        self.group();
                        self.consumer();
                    }
                    6 => {
                        self.push("DELCONSUMER");
                        self.key();
                        self.group();
                        self.consumer();
                    }
                    _ => {
                        self.push("DESTROY");
                        self.key();
                        self.group();
                    }
                }
            }
            28 => {
                self.push("XACK");
                self.key();
                self.group();
                for _ in 0..self.rng.u8(1..4) {
                    self.plain_id();
                }
            }
            29 | 30 => self.claim(),
            31 | 32 => {
                self.push("XAUTOCLAIM");
                self.key();
                self.group();
                self.consumer();
                self.one_of(&["0", "0", "100000", "x"]);
                self.id();
                self.count();
                if self.chance(3) {
                    self.push("JUSTID");
                }
            }
            33 => {
                self.push("XPENDING");
                self.key();
                self.group();
                if self.chance(7) {
                    if self.chance(3) {
                        self.push("IDLE");
                        self.one_of(&["0", "100000"]);
                    }
                    self.id();
                    self.id();
                    self.number(10);
                    if self.chance(3) {
                        self.consumer();
                    }
                }
            }
            34..37 => {
                self.push("XINFO");
                match self.rng.u8(0..4) {
                    0 => {
                        self.push("CONSUMERS");
                        self.key();
                        self.group();
                    }
                    1 => {
                        self.push("GROUPS");
                        self.key();
                    }
                    _ => {
                        self.push("STREAM");
                        self.key();
                        if self.chance(6) {
                            self.push("FULL");
                            self.count();
                        }
                    }
                }
            }
            37 => {
                self.push("XSETID");
                self.key();
                self.id();
                if self.chance(3) {
                    self.push("ENTRIESADDED");
                    self.number(100);
                }
                if self.chance(3) {
                    self.push("MAXDELETEDID");
                    self.id();
                }
            }
            38 if self.chance(2) => {
                self.push("DEL");
                self.one_of(&["s", "t"]);
            }
            _ => {
                self.push("OBJECT");
                self.push("ENCODING");
                self.key();
            }
        }
    }

    fn claim(&mut self) {
        self.push("XCLAIM");
        self.key();
        self.group();
        self.consumer();
        self.one_of(&["0", "0", "100000", "x"]);
        for _ in 0..self.rng.u8(1..4) {
            self.plain_id();
        }
        for word in ["FORCE", "JUSTID"] {
            if self.chance(4) {
                self.push(word);
            }
        }
        for word in ["IDLE", "RETRYCOUNT"] {
            if self.chance(2) {
                self.push(word);
                self.number(20);
            }
        }
        if self.chance(1) {
            self.push("TIME");
            self.one_of(&["5", "-3", "99999999999999999"]);
        }
        if self.chance(1) {
            self.push("LASTID");
            self.id();
        }
    }
}

/// All that a stream holds, apart from when its consumers were seen, which no log can tell.
pub(super) fn describe(stream: &Stream) -> Vec<u8> {
    let entries = &stream.entries;
    let mut text = format!(
        "{} {} {} {} {entries:?}",
        entries.last_id(),
        entries.first_id(),
        entries.max_deleted_id(),
        entries.added(),
    );
    for (name, group) in stream.groups.iter() {
        text.push_str(&format!("\n{} {} {:?}", name.escape_ascii(), group.last_id, group.entries_read));
        for (_, consumer) in group.consumers() {
            let pending: Vec<_> = consumer.pending_from(StreamId::MIN).collect();
            text.push_str(&format!(" {} {pending:?}", consumer.name().escape_ascii()));
        }
        for (id, pending) in group.pending_from(StreamId::MIN) {
            text.push_str(&format!(" {id} {} {}", pending.delivered_ms, pending.count));
        }
    }
    text.into_bytes()
}

/// A reply as text, without what can't be equal: moments are cut to nearly nothing, and a radix tree has other nodes than ours.
fn shown(reply: &[u8]) -> String {
    fn show(reply: &Reply<'_>, text: &mut String, hide: bool) {
        match reply {
            // Sooner or later than on the other side by the time that a request takes.
            Value::Int(number) if *number > 1_000_000_000_000 => text.push_str(":now"),
            Value::Int(number) if hide && *number >= 0 => text.push_str(":some"),
            Value::Int(number) => text.push_str(&format!(":{number}")),
            other => match (other.as_slice(), other.as_bytes()) {
                (Some(parts), _) => {
                    text.push('[');
                    let mut hide = false;
                    for (index, part) in parts.iter().enumerate() {
                        // The third of four parts: for how long an entry of XPENDING has been with its consumer.
                        let idle = parts.len() == 4 && index == 2 && matches!(part, Value::Int(_));
                        show(part, text, hide || idle);
                        text.push(' ');
                        hide = part.as_bytes().is_some_and(|name| {
                            [&b"radix-tree-nodes"[..], b"idle", b"inactive"].contains(&name)
                        });
                    }
                    text.push(']');
                }
                (_, Some(bytes)) => text.push_str(&bytes.escape_ascii().to_string()),
                _ => text.push_str(&format!("{other:?}")),
            },
        }
    }
    let (reply, _) =
        resp::parse_reply(reply, &ReplyLimits::default()).expect("a reply").expect("a whole one");
    let mut text = String::new();
    show(&reply, &mut text, false);
    text
}

fn start(tester: &mut Tester, real: &mut RealServer) {
    tester.env.limits.stream_node_max_entries = 6;
    tester.env.limits.stream_node_max_bytes = 300;
    real.run(&[b"CONFIG", b"SET", b"stream-node-max-entries", b"6", b"stream-node-max-bytes", b"300"]);
    let request = OwnedArgs::from_slices(&[b"SET", b"k", b"v"]);
    real.execute(&request);
    tester.execute(&request);
}

fn owned(words: &[Vec<u8>]) -> OwnedArgs {
    OwnedArgs::from_slices(&words.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

#[test]
fn random_requests_get_the_replies_of_valkey() {
    let Some(mut real) = RealServer::start_valkey("streams") else { return };
    let mut tester = Tester::new();
    start(&mut tester, &mut real);
    let mut rng = fastrand::Rng::with_seed(3);
    let requests = std::env::var("STREAM_REQUESTS").map_or(10_000, |n| n.parse().expect("a number"));
    for number in 0..requests {
        let request = owned(&request(&mut rng));
        let theirs = real.execute(&request);
        tester.env.set_now_us(now_us());
        let ours = tester.execute(&request).0;
        assert_eq!(shown(&ours), shown(&theirs), "request {number}: {request:?}");
    }
}

#[test]
fn a_real_valkey_applies_our_effects() {
    let Some(mut real) = RealServer::start_valkey("stream-effects") else { return };
    let mut tester = Tester::new();
    start(&mut tester, &mut real);
    let mut rng = fastrand::Rng::with_seed(4);
    for number in 0..10_000 {
        tester.env.set_now_us(now_us());
        let from = tester.log.len();
        tester.execute(&owned(&request(&mut rng)));
        for effect in tester.log.split_off(from) {
            let reply = real.execute(&effect);
            assert!(!reply.starts_with(b"-"), "request {number}: {effect:?}: {}", reply.escape_ascii());
        }
        if number % 50 == 0 {
            for key in [&b"s"[..], b"t"] {
                let full = OwnedArgs::from_slices(&[b"XINFO", b"STREAM", key, b"FULL", b"COUNT", b"0"]);
                let (ours, theirs) = (shown(&tester.execute(&full).0), shown(&real.execute(&full)));
                // Each notes when consumers were active by what it has executed itself.
                let without_active = |text: &str| {
                    text.split("active-time ")
                        .map(|part| part.split_once(' ').map_or(part, |(_, rest)| rest).to_owned())
                        .collect::<Vec<_>>()
                };
                assert_eq!(without_active(&ours), without_active(&theirs), "after request {number}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// A replica with another clock and other limits, and views taken in between, which stay as they were.
    #[test]
    fn a_replica_holds_what_its_master_holds(seed: u64) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut master = Tester::new();
        let mut replica = Tester::replica();
        replica.env.set_now_ms(START_MS - 5_000_000);
        master.env.limits.stream_node_max_entries = 5;
        let mut views = Vec::new();
        for step in 0..500 {
            master.env.set_now_ms(master.env.now_ms + rng.u64(0..100));
            let request = owned(&request(&mut rng));
            let from = master.execute(&request).1;
            let effects = master.log.split_off(from);
            for effect in &effects {
                let reply = replica.execute(effect).0;
                prop_assert!(!reply.starts_with(b"-"), "{:?}: {}", effect, reply.escape_ascii());
            }
            prop_assert_eq!(master.contents(), replica.contents(), "{:?} as {:?}", request, effects);
            if step % 50 == 0 {
                views.push((master.ks.freeze(), master.contents()));
            }
        }
        for (view, contents) in views {
            let mut seen: Vec<_> = view
                .db(0)
                .iter()
                .map(|entry| (0, entry.key().to_vec(), super::canonical(&entry), entry.expiry()))
                .collect();
            seen.sort();
            prop_assert_eq!(seen, contents);
        }
    }
}
