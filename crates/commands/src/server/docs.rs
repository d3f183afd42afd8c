//! COMMAND DOCS, and the arguments it lists, read out of a row's syntax.

use resp::ReplyBuf;

use crate::spec::{CommandSpec, Flags};

/// One argument of a command, or a group of them.
struct Argument {
    name: &'static str,
    kind: Kind,
    /// The word in front of it, or the word that it is.
    token: Option<&'static str>,
    optional: bool,
    multiple: bool,
    parts: Vec<Argument>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Key,
    Text,
    Integer,
    Double,
    Pattern,
    UnixTime,
    Token,
    OneOf,
    Block,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Key => "key",
            Kind::Text => "string",
            Kind::Integer => "integer",
            Kind::Double => "double",
            Kind::Pattern => "pattern",
            Kind::UnixTime => "unix-time",
            Kind::Token => "pure-token",
            Kind::OneOf => "oneof",
            Kind::Block => "block",
        }
    }

    /// What an argument of this name is to a command.
    fn of(name: &str, command: &CommandSpec) -> Kind {
        let of = command.full_name;
        match name {
            "timeout" if command.flags.contains(Flags::BLOCKING) && of.starts_with('b') => Kind::Double,
            "increment" if of.ends_with("float") => Kind::Double,
            "min" | "max"
                if matches!(of, "zcount" | "zrangebyscore" | "zrevrangebyscore" | "zremrangebyscore") =>
            {
                Kind::Double
            }
            "stop" if !of.starts_with("zrange") && !of.ends_with("bylex") && !of.ends_with("byscore") => {
                Kind::Integer
            }
            "src" | "dst" => Kind::Key,
            "start" | "end" if matches!(command.group, "stream") || of.starts_with("zrange") => Kind::Text,
            "key" | "key1" | "key2" | "newkey" | "source" | "destination" | "destkey" | "sourcekey" => {
                Kind::Key
            }
            "seconds" | "milliseconds" | "start" | "end" | "offset" | "decrement" | "cursor" | "count"
            | "ttl" | "numkeys" | "frequency" | "db" | "destination-db" | "index1" | "index2"
            | "min-match-len" | "index" | "numreplicas" | "timeout" | "port" | "client-id" | "protover"
            | "version" | "numfields" | "limit" | "rank" | "num-matches" | "len" | "ms" | "min-idle-time"
            | "entries-added" | "numlocal" | "cluster-bus-port" | "config-epoch" | "bits" | "bit"
            | "slot" | "start-slot" | "end-slot" | "weight" | "increment" | "num-vertices" => Kind::Integer,
            "longitude" | "latitude" | "radius" | "width" | "height" | "score" => Kind::Double,
            "pattern" => Kind::Pattern,
            name if name.starts_with("unix-time") => Kind::UnixTime,
            _ => Kind::Text,
        }
    }
}

/// Writes the map that documents one command.
pub(super) fn reply(out: &mut ReplyBuf, spec: &'static CommandSpec) {
    let arguments = parse(spec);
    let fields = 3
        + usize::from(!spec.complexity.is_empty())
        + usize::from(!arguments.is_empty())
        + usize::from(spec.is_container());
    out.map(fields);
    for (name, value) in [
        ("summary", spec.summary),
        ("since", spec.since),
        ("group", spec.group),
        ("complexity", spec.complexity),
    ] {
        if !value.is_empty() || name != "complexity" {
            out.bulk(name.as_bytes());
            out.bulk(value.as_bytes());
        }
    }
    if !arguments.is_empty() {
        out.bulk(b"arguments");
        reply_arguments(out, &arguments, &mut 0, spec.keys.len());
    }
    if spec.is_container() {
        out.bulk(b"subcommands");
        out.map(spec.subcommands.len());
        for sub in spec.subcommands {
            out.bulk(sub.full_name.as_bytes());
            reply(out, sub);
        }
    }
}

/// `next_key` is the key specification that the next key argument belongs to; the last one takes all that
/// follow.
fn reply_arguments(out: &mut ReplyBuf, arguments: &[Argument], next_key: &mut usize, key_specs: usize) {
    out.array(arguments.len());
    for one in arguments {
        let flags = usize::from(one.optional) + usize::from(one.multiple);
        let is_key = one.kind == Kind::Key && key_specs > 0;
        let fields = 2
            + usize::from(is_key)
            + usize::from(one.token.is_some())
            + usize::from(flags > 0)
            + usize::from(!one.parts.is_empty());
        out.map(fields);
        out.bulk(b"name");
        out.bulk(one.name.to_ascii_lowercase().as_bytes());
        out.bulk(b"type");
        out.bulk(one.kind.name().as_bytes());
        if is_key {
            out.bulk(b"key_spec_index");
            out.int((*next_key).min(key_specs - 1) as i64);
            *next_key += 1;
        }
        if let Some(token) = one.token {
            out.bulk(b"token");
            out.bulk(token.as_bytes());
        }
        if flags > 0 {
            out.bulk(b"flags");
            out.set(flags);
            if one.optional {
                out.simple("optional");
            }
            if one.multiple {
                out.simple("multiple");
            }
        }
        if !one.parts.is_empty() {
            out.bulk(b"arguments");
            reply_arguments(out, &one.parts, next_key, key_specs);
        }
    }
}

fn parse(spec: &CommandSpec) -> Vec<Argument> {
    let mut words = words(spec.syntax).into_iter().peekable();
    let mut arguments = sequence(&mut words);
    settle(&mut arguments, spec);
    debug_assert!(words.next().is_none(), "unbalanced syntax of {}", spec.full_name);
    arguments
}

/// Says what those are that stand for a value.
fn settle(arguments: &mut [Argument], spec: &CommandSpec) {
    for argument in arguments {
        if argument.kind == Kind::Text {
            argument.kind = Kind::of(argument.name, spec);
        }
        settle(&mut argument.parts, spec);
    }
}

type Words = std::iter::Peekable<std::vec::IntoIter<&'static str>>;

/// Brackets, bars and words, each by itself.
fn words(syntax: &'static str) -> Vec<&'static str> {
    let mut words = Vec::new();
    let mut rest = syntax;
    while let Some(at) = rest.find(|c: char| c != ' ') {
        rest = &rest[at..];
        let len = match rest.as_bytes()[0] {
            b'[' | b']' | b'<' | b'>' | b'|' => 1,
            _ => rest.find(|c: char| " []<>|".contains(c)).unwrap_or(rest.len()),
        };
        words.push(&rest[..len]);
        rest = &rest[len..];
    }
    words
}

/// Arguments up to a closing bracket, a bar or the end.
fn sequence(words: &mut Words) -> Vec<Argument> {
    let mut arguments: Vec<Argument> = Vec::new();
    while let Some(&word) = words.peek() {
        match word {
            "]" | ">" | "|" => break,
            "..." => {
                words.next();
                if let Some(last) = arguments.last_mut() {
                    last.multiple = true;
                }
            }
            "[" | "<" => {
                words.next();
                let mut group = alternatives(words);
                words.next();
                group.optional = word == "[";
                // `key [key ...]` is one argument, which may come several times.
                match arguments.last_mut() {
                    Some(last) if group.multiple && group.name == last.name => last.multiple = true,
                    _ => arguments.push(group),
                }
            }
            _ => {
                words.next();
                arguments.push(word_argument(word, words));
            }
        }
    }
    arguments
}

/// A word in capitals is a token, alone or in front of a value; any other word is a value.
fn word_argument(word: &'static str, words: &mut Words) -> Argument {
    let is_sign = |word: &str| matches!(word, "=" | "~" | "*" | "$");
    let is_token = |word: &str| {
        is_sign(word)
            || word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-' || byte.is_ascii_digit())
    };
    let is_value = |word: &&str| !is_token(word) && !"[]<>|...".contains(*word);
    let one = |name, kind, token| Argument {
        name,
        kind,
        token,
        optional: false,
        multiple: false,
        parts: Vec::new(),
    };
    if is_sign(word) {
        return one(word, Kind::Token, Some(word));
    }
    if !is_token(word) {
        return one(word, Kind::Text, None);
    }
    match words.next_if(is_value) {
        Some(name) => one(name, Kind::Text, Some(word)),
        None => one(word, Kind::Token, Some(word)),
    }
}

/// What stands between brackets: one argument, several in a row, or a choice.
fn alternatives(words: &mut Words) -> Argument {
    let mut choices = vec![block(sequence(words))];
    while words.next_if_eq(&"|").is_some() {
        choices.push(block(sequence(words)));
    }
    if choices.len() == 1 {
        return choices.remove(0);
    }
    let name = choices[0].name;
    Argument { name, kind: Kind::OneOf, token: None, optional: false, multiple: false, parts: choices }
}

/// Several arguments in a row as one.
fn block(mut parts: Vec<Argument>) -> Argument {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    // `[key value ...]`: the dots belong to the whole row.
    let multiple = parts.last_mut().is_some_and(|last| std::mem::take(&mut last.multiple));
    let name = parts.first().map_or("", |first| first.name);
    Argument { name, kind: Kind::Block, token: None, optional: false, multiple, parts }
}
