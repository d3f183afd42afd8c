//! What the tests of all groups share: one server without sessions, driven by text.

mod bits;
mod differential;
mod events;
mod expiry;
mod generic;
mod geo;
mod hash_fields;
mod hashes;
mod hyperloglog;
mod lists;
mod replay;
mod server;
mod sets;
mod sort;
mod streams;
mod streams_random;
mod strings;
mod table;
mod zsets;

use keyspace::{Element, Entry, HashRef, Keyspace, ListRef, SetRef, ZSetRef};
use resp::{Form, OwnedArgs, Parsed, Proto, ReplyBuf, RequestLimits, RequestParser};

use crate::{Ctx, Effects, Env, ExpiryMode, Handler, Registry};

/// The tests' clock begins here: a round number, so that times in expectations are easy to read.
pub(crate) const START_MS: u64 = 1_000_000_000;

/// Database, key, value as [`canonical`] has it, expiry.
pub(crate) type Content = (usize, Vec<u8>, Vec<u8>, Option<u64>);

/// A dataset, and everything around it that a command needs.
pub(crate) struct Tester {
    pub ks: Keyspace,
    pub fx: Effects,
    pub env: Env,
    pub registry: Registry,
    pub rng: fastrand::Rng,
    pub out: ReplyBuf,
    pub db: usize,
    /// What the commands put into the log, with SELECTs where the database changes.
    pub log: Vec<OwnedArgs>,
    log_db: usize,
}

impl Tester {
    pub fn new() -> Self {
        let mut env = Env::default();
        env.set_now_ms(START_MS);
        Tester {
            ks: Keyspace::new(env.databases, 1),
            fx: Effects::new(),
            env,
            registry: Registry::new(),
            rng: fastrand::Rng::with_seed(1),
            out: ReplyBuf::new(),
            db: 0,
            log: Vec::new(),
            log_db: 0,
        }
    }

    /// A dataset that follows a master.
    pub fn replica() -> Self {
        let mut tester = Tester::new();
        tester.env.expiry = ExpiryMode::Ignore;
        tester
    }

    /// Executes one request and returns the encoded reply. Its effects are in `log` afterwards, from the
    /// returned position on.
    pub fn execute(&mut self, request: &OwnedArgs) -> (Vec<u8>, usize) {
        let args = request.as_args();
        let before = self.log.len();
        self.out.buf.clear();
        self.fx.clear();
        match self.registry.resolve(args) {
            Err(reject) => reject.reply(args, &mut self.out),
            Ok(spec) => match spec.handler {
                Handler::Host if spec.name == "select" => {
                    self.db = String::from_utf8_lossy(args.at(1)).parse().expect("a database");
                    self.out.ok();
                }
                Handler::Host => panic!("{} is not carried out here", spec.full_name),
                Handler::Data(handler) => {
                    let mut ctx = Ctx {
                        ks: &mut self.ks,
                        db: self.db,
                        out: &mut self.out,
                        env: &self.env,
                        fx: &mut self.fx,
                        rng: &mut self.rng,
                        registry: &self.registry,
                    };
                    handler(&mut ctx, args);
                    assert!(
                        spec.is_write()
                            || spec.flags.contains(crate::Flags::MAY_REPLICATE)
                            || self.fx.dirty == 0,
                        "{} changed something although it is no write",
                        spec.full_name
                    );
                    self.append_log(request);
                }
            },
        }
        (std::mem::take(&mut self.out.buf), before)
    }

    fn append_log(&mut self, request: &OwnedArgs) {
        if self.fx.count() == 0 {
            return;
        }
        if self.log_db != self.db {
            self.log.push(OwnedArgs::from_slices(&[b"SELECT", self.db.to_string().as_bytes()]));
            self.log_db = self.db;
        }
        self.log.extend(parse_all(&self.fx.log));
        if self.fx.is_verbatim() {
            self.log.push(request.clone());
        }
    }

    /// Everything in all databases, expired or not.
    pub fn contents(&self) -> Vec<Content> {
        let mut contents: Vec<_> = (0..self.ks.databases())
            .flat_map(|db| self.ks.db(db).iter().map(move |entry| (db, entry)))
            .map(|(db, entry)| (db, entry.key().to_vec(), canonical(&entry), entry.expiry()))
            .collect();
        contents.sort();
        contents
    }

    fn directive(&mut self, words: &[&str]) {
        match *words {
            ["advance", ms] => {
                self.env.set_now_ms(self.env.now_ms + ms.parse::<u64>().expect("milliseconds"))
            }
            ["expiry", "delete"] => self.env.expiry = ExpiryMode::Delete,
            ["expiry", "hide"] => self.env.expiry = ExpiryMode::Hide,
            ["expiry", "ignore"] => self.env.expiry = ExpiryMode::Ignore,
            ["resp", "2"] => self.out.proto = Proto::Resp2,
            ["resp", "3"] => self.out.proto = Proto::Resp3,
            ["lfu"] => {
                self.env.lfu = true;
                self.env.set_now_ms(self.env.now_ms);
            }
            ["stream-node-max-entries", entries] => {
                self.env.limits.stream_node_max_entries = entries.parse().expect("entries");
            }
            ["max-bulk", bytes] => self.env.proto_max_bulk_len = bytes.parse().expect("bytes"),
            _ => panic!("unknown directive {words:?}"),
        }
    }
}

/// A value as bytes that do not depend on how it is kept: a string as it is, others with their type in front.
pub(crate) fn canonical(entry: &Entry<'_>) -> Vec<u8> {
    if let Some(text) = entry.str() {
        return text.to_vec();
    }
    if let Some(stream) = entry.stream() {
        return streams_random::describe(stream);
    }
    let mut bytes = format!("{:?} ", entry.kind()).into_bytes();
    let mut push = |text: &[u8]| resp::encode_bulk(&mut bytes, text);
    if let Some(list) = ListRef::of(entry) {
        list.iter().for_each(|element| push(&element.to_vec()));
    }
    if let Some(set) = SetRef::of(entry) {
        let mut members: Vec<_> = set.iter().map(Element::to_vec).collect();
        members.sort();
        members.iter().for_each(|member| push(member));
    }
    if let Some(hash) = HashRef::of(entry) {
        let mut fields: Vec<_> =
            hash.iter().map(|field| (field.name.to_vec(), field.value.to_vec(), field.expiry)).collect();
        fields.sort();
        for (name, value, expiry) in &fields {
            push(name);
            push(value);
            push(format!("{expiry:?}").as_bytes());
        }
    }
    if let Some(set) = ZSetRef::of(entry) {
        for (member, score) in set.all() {
            push(&member.to_vec());
            push(resp::format_double(score + 0.0).as_ref().as_bytes());
        }
    }
    bytes
}

/// Executes requests on a new dataset and compares each reply, with its effects behind it: `":1\r\n> DEL a;
/// SET b 1"`. A line beginning with `@` changes the circumstances: `@advance 1000` (milliseconds), `@expiry
/// hide`, `@resp 3` …
#[track_caller]
pub(crate) fn check(script: &[(&str, &str)]) {
    let mut tester = Tester::new();
    for (line, expected) in script {
        if let Some(directive) = line.strip_prefix('@') {
            tester.directive(&directive.split(' ').collect::<Vec<_>>());
            assert_eq!(*expected, "", "{line} has no reply");
            continue;
        }
        let words = resp::split_inline(line.as_bytes()).expect("balanced quotes");
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let (reply, from) = tester.execute(&OwnedArgs::from_slices(&words));
        let mut actual = show(&reply);
        if tester.log.len() > from {
            let effects: Vec<String> = tester.log[from..].iter().map(show_request).collect();
            actual.push_str("> ");
            actual.push_str(&effects.join("; "));
        }
        assert_eq!(actual, *expected, "{line}");
    }
}

/// The keys that the table sees in a request.
fn keys_of(line: &str) -> Vec<String> {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let request = OwnedArgs::from_slices(&words);
    let args = request.as_args();
    let registry = Registry::new();
    let spec = registry.resolve(args).expect("a command");
    spec.keys_of(args).map(|at| String::from_utf8_lossy(args.at(at)).into_owned()).collect()
}

/// Bytes as text; what is no text is escaped.
fn show(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => text.to_owned(),
        _ => bytes.escape_ascii().to_string().replace("\\r\\n", "\r\n"),
    }
}

fn show_request(request: &OwnedArgs) -> String {
    request.as_args().iter().map(show).collect::<Vec<_>>().join(" ")
}

/// The requests in encoded bytes.
pub(crate) fn parse_all(bytes: &[u8]) -> Vec<OwnedArgs> {
    let (mut parser, limits) = (RequestParser::new(), RequestLimits::default());
    let (mut requests, mut spans, mut from) = (Vec::new(), Vec::new(), 0);
    while from < bytes.len() {
        match parser.parse(bytes, from, &limits, &mut spans).expect("what was encoded is well-formed") {
            Parsed::Request { end, form: Form::Array, .. } => {
                requests.push(OwnedArgs::from_args(resp::Args::new(bytes, &spans)));
                spans.clear();
                from = end;
            }
            _ => panic!("half a request in the log"),
        }
    }
    requests
}
