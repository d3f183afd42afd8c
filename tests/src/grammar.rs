//! Requests made up at random out of what COMMAND DOCS says of the arguments of commands: those that make sense, and those that almost do.

use fastrand::Rng;
use resp::{OwnedReply, Value};

use crate::client::{Client, show};

/// What an argument is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Key,
    Integer,
    Double,
    Moment,
    /// A word that stands for itself.
    Word,
    /// One of its parts.
    One,
    /// All of its parts.
    Block,
    Text,
}

#[derive(Clone, Debug)]
struct Argument {
    name: String,
    kind: Kind,
    token: Option<String>,
    optional: bool,
    multiple: bool,
    repeats_token: bool,
    parts: Vec<Argument>,
}

/// A command, as COMMAND DOCS describes it.
#[derive(Clone, Debug)]
pub struct Command {
    /// Its name, in lower case; that of a subcommand behind `|`.
    pub name: String,
    group: String,
    arguments: Vec<Argument>,
}

/// The pairs of a map, which the older protocol has as one array.
fn pairs(reply: &OwnedReply) -> impl Iterator<Item = (String, &OwnedReply)> {
    let items = reply.as_slice().unwrap_or_default();
    items.chunks_exact(2).map(|pair| (show(&pair[0]), &pair[1]))
}

fn argument(reply: &OwnedReply) -> Argument {
    let mut argument = Argument {
        name: String::new(),
        kind: Kind::Text,
        token: None,
        optional: false,
        multiple: false,
        repeats_token: false,
        parts: Vec::new(),
    };
    for (field, value) in pairs(reply) {
        match field.as_str() {
            "name" => argument.name = show(value),
            "token" => argument.token = Some(show(value)),
            "arguments" => {
                argument.parts = value.as_slice().unwrap_or_default().iter().map(self::argument).collect()
            }
            "type" => {
                argument.kind = match show(value).as_str() {
                    "key" => Kind::Key,
                    "integer" => Kind::Integer,
                    "double" => Kind::Double,
                    "unix-time" => Kind::Moment,
                    "pure-token" => Kind::Word,
                    "oneof" => Kind::One,
                    "block" => Kind::Block,
                    _ => Kind::Text,
                };
            }
            "flags" => {
                let flags = value.as_slice().unwrap_or_default();
                let has = |name: &str| flags.iter().any(|flag| show(flag) == name);
                (argument.optional, argument.multiple) = (has("optional"), has("multiple"));
                argument.repeats_token = has("multiple_token");
            }
            _ => {}
        }
    }
    argument
}

fn add(name: String, reply: &OwnedReply, all: &mut Vec<Command>) {
    let mut command = Command { name, group: String::new(), arguments: Vec::new() };
    let mut is_container = false;
    for (field, value) in pairs(reply) {
        match field.as_str() {
            "group" => command.group = show(value),
            "arguments" => {
                command.arguments = value.as_slice().unwrap_or_default().iter().map(argument).collect()
            }
            "subcommands" => {
                is_container = true;
                pairs(value).for_each(|(name, sub)| add(name, sub, all));
            }
            _ => {}
        }
    }
    if !is_container {
        all.push(command);
    }
}

/// The commands that are about data and say the same twice, in the order of their names.
pub fn commands(client: &mut Client) -> Vec<Command> {
    const GROUPS: [&str; 11] = [
        "string",
        "list",
        "set",
        "sorted-set",
        "sorted_set",
        "hash",
        "stream",
        "hyperloglog",
        "bitmap",
        "geo",
        "generic",
    ];
    // What depends on chance, on the clock, or on how a server is built.
    const OTHERS: [&str; 28] = [
        "copy",
        "geohash",
        "dump",
        "hrandfield",
        "hscan",
        "keys",
        "migrate",
        "move",
        "object|freq",
        "object|idletime",
        "pfdebug",
        "pfselftest",
        "randomkey",
        "restore",
        "restore-asking",
        "scan",
        "sort",
        "sort_ro",
        "spop",
        "srandmember",
        "sscan",
        "touch",
        "wait",
        "waitaof",
        "xinfo|stream",
        "zrandmember",
        "zscan",
        "object|encoding",
    ];
    let mut all = Vec::new();
    pairs(&client.call(&["COMMAND", "DOCS"])).for_each(|(name, docs)| add(name, docs, &mut all));
    all.retain(|command| {
        GROUPS.contains(&command.group.as_str())
            && !OTHERS.contains(&command.name.as_str())
            && !command.name.ends_with("|help")
    });
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

/// A source of requests.
pub struct Requests {
    commands: Vec<Command>,
    rng: Rng,
    now_s: u64,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The name of its command.
    pub name: String,
    /// What is sent.
    pub words: Vec<Vec<u8>>,
    /// It was made up rightly and then changed.
    pub is_spoiled: bool,
}

/// A place where a number of arguments belongs, until they are counted.
const COUNT: &[u8] = b"\0count";

impl Requests {
    /// Requests for these commands, the same ones for the same seed but for the moments in them, which lie around `now_s`.
    #[must_use]
    pub fn new(commands: Vec<Command>, seed: u64, now_s: u64) -> Requests {
        Requests { commands, rng: Rng::with_seed(seed), now_s }
    }

    /// The next one.
    pub fn make(&mut self) -> Request {
        let command = self.commands[self.rng.usize(..self.commands.len())].clone();
        let mut words: Vec<Vec<u8>> =
            command.name.to_uppercase().split('|').map(|word| word.as_bytes().to_vec()).collect();
        let begin = words.len();
        self.all(&command.arguments, &command, &mut words);
        self.count(&command, &mut words);
        let is_spoiled = self.spoil(begin, &mut words);
        Request { name: command.name, words, is_spoiled }
    }

    fn all(&mut self, arguments: &[Argument], command: &Command, out: &mut Vec<Vec<u8>>) {
        for argument in arguments {
            if !(argument.optional && self.rng.u8(..10) < 6) {
                self.one(argument, command, out);
            }
        }
    }

    fn one(&mut self, argument: &Argument, command: &Command, out: &mut Vec<Vec<u8>>) {
        let repeats = if argument.multiple { [1, 1, 2, 3][self.rng.usize(..4)] } else { 1 };
        for number in 0..repeats {
            if let Some(token) = &argument.token
                && (number == 0 || argument.repeats_token)
            {
                let token = if self.rng.u8(..10) == 0 { token.to_lowercase() } else { token.clone() };
                out.push(token.into_bytes());
            }
            match argument.kind {
                Kind::Word => {}
                Kind::One => {
                    let part = argument.parts[self.rng.usize(..argument.parts.len())].clone();
                    self.one(&part, command, out);
                }
                Kind::Block => self.all(&argument.parts, command, out),
                _ => out.push(self.value(argument, command)),
            }
        }
    }

    fn pick(&mut self, words: &str) -> Vec<u8> {
        let words: Vec<&str> = words.split(' ').collect();
        words[self.rng.usize(..words.len())].as_bytes().to_vec()
    }

    fn key(&mut self, command: &Command) -> Vec<u8> {
        let own = match command.group.as_str() {
            "string" | "bitmap" => "s",
            "list" => "l",
            "set" => "t",
            "sorted-set" | "sorted_set" => "z",
            "hash" => "h",
            "stream" => "x",
            "hyperloglog" => "p",
            "geo" => "g",
            _ => "",
        };
        match self.rng.u8(..20) {
            0 => Vec::new(),
            1 => b"none".to_vec(),
            2..=4 => self.pick("s0 l0 t0 z0 h0 x0 p0 g0"),
            _ if own.is_empty() => self.pick("s0 s1 l0 l1 t0 t1 z0 z1 h0 h1 x0 x1 p0 g0"),
            _ => format!("{own}{}", self.rng.u8(..3)).into_bytes(),
        }
    }

    fn value(&mut self, argument: &Argument, command: &Command) -> Vec<u8> {
        const NUMBERS: &str = "0 1 2 3 -1 -2 5 10 100 -100";
        const NO_NUMBERS: &str = "9223372036854775808 abc 1.5 +1 01 -0";
        let (name, of) = (argument.name.as_str(), command.name.as_str());
        let blocks = of.starts_with('b') && command.group != "bitmap" || of.starts_with("xread");
        match argument.kind {
            Kind::Key => self.key(command),
            Kind::Integer if matches!(name, "numkeys" | "numfields" | "num-ids" | "numids") => COUNT.to_vec(),
            Kind::Integer if blocks && matches!(name, "milliseconds" | "timeout") => self.pick("1 2 -1 abc"),
            Kind::Integer if matches!(name, "seconds" | "milliseconds" | "ttl") => {
                self.pick("100000 1000000 10000000 -1 0 abc 9223372036854775807")
            }
            Kind::Integer if self.rng.u8(..12) == 0 => self.pick(NO_NUMBERS),
            Kind::Integer => self.pick(NUMBERS),
            Kind::Double if name == "timeout" => self.pick("0.001 0.002 -1 abc nan"),
            Kind::Double if matches!(name, "longitude" | "latitude") => {
                self.pick("13.36 38.1 15.08 37.5 2.3 48.8 -200 0 abc")
            }
            Kind::Double if self.rng.u8(..10) == 0 => {
                self.pick("nan abc 1.0e400 1e-400 +5 .5 5. (1 infinity -inf 1_0")
            }
            Kind::Double => self.pick("1 2 -1 1.5 3.14 10 1e3 -2.5 0.1 +inf inf 100 200000"),
            Kind::Moment => {
                let soon = self.now_s + 100_000;
                match self.rng.u8(..6) {
                    0..=1 => soon.to_string().into_bytes(),
                    2..=3 => (soon * 1000).to_string().into_bytes(),
                    _ => self.pick("0 -1 abc 9223372036854775807"),
                }
            }
            _ => self.text(name, of),
        }
    }

    fn text(&mut self, name: &str, of: &str) -> Vec<u8> {
        match name {
            "group" => self.pick("g1 g2"),
            "consumer" => self.pick("c1 c2"),
            "unit" => self.pick("m km ft mi xx"),
            "encoding" | "type" => self.pick("u8 i16 u63 i64 u64 i0 u1 list string zset x"),
            "pattern" => self.pick("* s* ?"),
            "id" | "start" | "end" | "lastid" | "last-id" | "min" | "max" | "threshold"
                if of.starts_with('x') =>
            {
                // An id that the clock completes is another one everywhere.
                let ids = "0 0-0 1-1 2-0 2-3 3 - + $ > (1-1 5-5 10 100-1 abc 1-* 7-* 1-1-1 -1 18446744073709551615-1";
                self.pick(ids)
            }
            "min" | "max" | "start" | "stop" => {
                self.pick("- + [a (a [c (foo 0 1 (1 -inf +inf 2 3 (3.5 abc [ ( -1 10")
            }
            _ => match self.rng.u8(..14) {
                0 => Vec::new(),
                1 => vec![b'x'; 70],
                2 => vec![0xff, 1],
                3 => b" 1".to_vec(),
                4 => self.pick("9223372036854775807 -9223372036854775808 1e3 007"),
                _ => self.pick("a b c foo 1 2 3 -1 3.5 10"),
            },
        }
    }

    /// Counts the arguments whose number has to be given, and now and then not rightly.
    fn count(&mut self, command: &Command, words: &mut [Vec<u8>]) {
        const BEHIND: [&[u8]; 9] =
            [b"WEIGHTS", b"AGGREGATE", b"WITHSCORES", b"LIMIT", b"LEFT", b"RIGHT", b"MIN", b"MAX", b"COUNT"];
        while let Some(at) = words.iter().position(|word| word == COUNT) {
            let behind = words[at + 1..].iter().take_while(|word| !BEHIND.contains(&word.as_slice()));
            let of_pairs = matches!(command.name.as_str(), "hsetex" | "msetex");
            let right = behind.count() / if of_pairs { 2 } else { 1 };
            let wrong = [0, right + 1, 99][self.rng.usize(..3)];
            words[at] = if self.rng.u8(..12) == 0 { wrong } else { right }.to_string().into_bytes();
        }
    }

    /// One request of twelve is not what it should be; whether this is one.
    fn spoil(&mut self, begin: usize, words: &mut Vec<Vec<u8>>) -> bool {
        let before = words.clone();
        let one = |rng: &mut Rng, words: &Vec<Vec<u8>>| rng.usize(begin..words.len().max(begin + 1));
        match self.rng.u8(..48) {
            0 if words.len() > begin => _ = words.pop(),
            1 => words.push(self.text("", "")),
            2 if words.len() > begin + 1 => {
                let at = one(&mut self.rng, words);
                words[at] = self.text("", "");
            }
            3 if words.len() > begin + 1 => {
                let (at, other) = (one(&mut self.rng, words), one(&mut self.rng, words));
                words.swap(at, other);
            }
            _ => {}
        }
        let is_spoiled = *words != before;
        // Nobody waits for long: what has become the limit of a wait by accident is taken back.
        let waits =
            words[0].starts_with(b"B") && !words[0].starts_with(b"BIT") || words[0].starts_with(b"XREAD");
        if waits {
            for word in &mut words[begin..] {
                let number = std::str::from_utf8(word).ok().and_then(|text| text.trim().parse::<f64>().ok());
                if number.is_some_and(|number| number > 3.0 || number == 0.0) {
                    *word = b"0.001".to_vec();
                }
            }
        }
        // An id of the clock's.
        if words[0] == b"XADD" {
            words.iter_mut().filter(|word| *word == b"*").for_each(|word| *word = b"9-*".to_vec());
        }
        is_spoiled
    }
}

/// A reply as text, without the order where a command promises none.
#[must_use]
pub fn normal(command: &str, reply: &OwnedReply) -> String {
    const UNORDERED: [&str; 12] = [
        "smembers",
        "sinter",
        "sunion",
        "sdiff",
        "hkeys",
        "hvals",
        "zinter",
        "zunion",
        "zdiff",
        "geosearch",
        "georadius",
        "georadiusbymember",
    ];
    let Value::Array(items) = reply else { return unsigned(reply) };
    let mut texts: Vec<String> = match command {
        "hgetall" => {
            items.chunks(2).map(|pair| pair.iter().map(show).collect::<Vec<_>>().join("=")).collect()
        }
        _ => items.iter().map(unsigned).collect(),
    };
    if command == "hgetall" || UNORDERED.contains(&command.trim_end_matches("_ro")) {
        texts.sort();
    }
    format!("[{}]", texts.join(" "))
}

/// As text, with one zero only: of a sum of scores that is zero Redis and Valkey keep the sign, as long as the set is large.
fn unsigned(reply: &OwnedReply) -> String {
    let text = show(reply);
    if text == "-0" { "0".to_owned() } else { text }
}
