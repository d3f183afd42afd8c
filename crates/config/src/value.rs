//! The value of one directive: read from words, printed for CONFIG GET, written as lines of a file.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::directive::{Directive, Kind, Rule};
use crate::grammar::quote;
use crate::moment;
use crate::number::{integer, size, time};
use crate::types::{KeyspaceEvents, OUTPUT_CLASSES, OutputBufferLimit, ShutdownFlags, output_class};

/// A checked value; the variant follows from the directive's kind.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    Int(i64),
    Size(u64),
    /// Positive: bytes. Negative: percent.
    SizeOrPercent(i64),
    Octal(u32),
    Text(String),
    Word(&'static str),
    Words(Vec<String>),
    Shutdown(ShutdownFlags),
    Percentiles(Vec<f64>),
    OomScores([i64; 3]),
    Events(KeyspaceEvents),
    Master(Option<(String, u16)>),
    Save(Vec<(u64, u64)>),
    OutputLimits([OutputBufferLimit; 3]),
    Rename(Vec<(String, String)>),
    Lines(Vec<String>),
}

const WRONG_NUMBER: &str = "wrong number of arguments";

impl Value {
    /// The directive's default.
    pub(crate) fn default_of(directive: &Directive) -> Self {
        match directive.kind {
            Kind::Rename => Self::Rename(Vec::new()),
            Kind::Lines | Kind::Include | Kind::Sentinel | Kind::Obsolete => Self::Lines(Vec::new()),
            Kind::Text(_) => Self::Text(directive.default.to_string()),
            Kind::OutputLimits => {
                let none = Self::OutputLimits([OutputBufferLimit::default(); 3]);
                Self::parse(directive, &[directive.default.to_string()], none)
                    .expect("because a test reads every default")
            }
            _ => Self::parse(directive, &[directive.default.to_string()], Self::Bool(false))
                .expect("because a test reads every default"),
        }
    }

    /// Reads the words after a directive's name; `before` is the value they add to, where they add. It is given
    /// away, so that many lines cost no more than their sum.
    pub(crate) fn parse(directive: &Directive, words: &[String], before: Self) -> Result<Self, String> {
        let split;
        let words = match words {
            [one] if directive.kind.splits() => {
                split = one.split_ascii_whitespace().map(str::to_string).collect::<Vec<_>>();
                &split
            }
            _ => words,
        };
        match directive.kind {
            Kind::Bool => match single(words)?.to_ascii_lowercase().as_str() {
                "yes" => Ok(Self::Bool(true)),
                "no" => Ok(Self::Bool(false)),
                _ => Err("argument must be 'yes' or 'no'".into()),
            },
            Kind::Int { min, max } => in_range(integer(single(words)?), min, max).map(Self::Int),
            Kind::ClampedInt { max, low, high } => {
                in_range(integer(single(words)?), 0, max).map(|n| Self::Int(n.clamp(low, high)))
            }
            Kind::Time { unit, min, max } => in_range(time(single(words)?, unit), min, max).map(Self::Int),
            Kind::Size { min, max } => {
                let bytes = size(single(words)?).ok_or("argument must be a memory value")?;
                if (min..=max).contains(&bytes) {
                    Ok(Self::Size(bytes))
                } else {
                    Err(format!("argument must be between {min} and {max} inclusive"))
                }
            }
            Kind::SizeOrPercent => size_or_percent(single(words)?),
            Kind::Octal => {
                let digits = single(words)?;
                let not_octal = "argument couldn't be parsed as an octal number";
                let mode = u32::from_str_radix(digits, 8).map_err(|_| not_octal)?;
                if mode > 0o777 || digits.starts_with('+') {
                    return Err("argument must be between 0 and 777 inclusive".into());
                }
                Ok(Self::Octal(mode))
            }
            Kind::Text(rule) => text(directive.name, rule, single(words)?),
            Kind::Word(known) => {
                let word = single(words)?;
                let found = known.iter().find(|(spelling, _)| word.eq_ignore_ascii_case(spelling));
                found.map(|(_, meant)| Self::Word(meant)).ok_or_else(|| one_of(known.iter().map(|(w, _)| *w)))
            }
            Kind::Words => Ok(Self::Words(words.iter().filter(|w| !w.is_empty()).cloned().collect())),
            Kind::Shutdown => shutdown(words),
            Kind::Percentiles => percentiles(directive.name, words),
            Kind::OomScores => oom_scores(words),
            Kind::Events => KeyspaceEvents::parse(single(words)?)
                .map(Self::Events)
                .ok_or_else(|| "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".into()),
            Kind::Master => master(words),
            Kind::Save => save(words, before),
            Kind::OutputLimits => output_limits(words, before),
            Kind::Rename => {
                let [from, to] = words else { return Err(WRONG_NUMBER.into()) };
                let mut renamed = if let Self::Rename(before) = before { before } else { Vec::new() };
                renamed.push((from.clone(), to.clone()));
                Ok(Self::Rename(renamed))
            }
            Kind::Lines => {
                if words.is_empty() {
                    return Err(WRONG_NUMBER.into());
                }
                let mut lines = if let Self::Lines(before) = before { before } else { Vec::new() };
                let line = match words {
                    // An option of the command line, all in one argument.
                    [one] => one.split_whitespace().map(quote).collect::<Vec<_>>(),
                    words => words.iter().map(|word| quote(word)).collect(),
                };
                let name = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
                let new = line.join(" ");
                if directive.name == "user" && lines.iter().any(|known| name(known) == name(&new)) {
                    return Err(format!(
                        "Error in user declaration '{}': Duplicate user found. A user can only be defined once in config files",
                        name(&new)
                    ));
                }
                lines.push(new);
                Ok(Self::Lines(lines))
            }
            Kind::Include | Kind::Sentinel | Kind::Obsolete => Ok(Self::Lines(Vec::new())),
        }
    }

    /// The value as CONFIG GET prints it.
    pub(crate) fn print(&self) -> String {
        match self {
            Self::Bool(yes) => if *yes { "yes" } else { "no" }.into(),
            Self::Int(number) => number.to_string(),
            Self::Size(bytes) => bytes.to_string(),
            Self::SizeOrPercent(percent @ ..0) => format!("{}%", percent.unsigned_abs()),
            Self::SizeOrPercent(bytes) => bytes.to_string(),
            Self::Octal(mode) => format!("{mode:o}"),
            Self::Text(text) => text.clone(),
            Self::Word(word) => (*word).to_string(),
            Self::Words(words) => words.join(" "),
            Self::Shutdown(flags) => flags.to_string(),
            Self::Percentiles(list) => joined(list),
            Self::OomScores(list) => joined(list),
            Self::Events(events) => events.to_string(),
            Self::Master(None) => String::new(),
            Self::Master(Some((host, port))) => format!("{host} {port}"),
            Self::Save(points) => {
                joined(points.iter().map(|(seconds, changes)| format!("{seconds} {changes}")))
            }
            Self::OutputLimits(limits) => joined(OUTPUT_CLASSES.iter().zip(limits).map(|(c, l)| limit(c, l))),
            Self::Rename(pairs) => {
                joined(pairs.iter().map(|(from, to)| format!("{} {}", quote(from), quote(to))))
            }
            Self::Lines(lines) => lines.join(" "),
        }
    }

    /// What stands after the directive's name in a redis.conf, a text a line. None is no line at all.
    pub(crate) fn lines(&self) -> Vec<String> {
        match self {
            Self::Text(text) => vec![quote(text)],
            Self::Words(words) if !words.is_empty() => vec![joined(words.iter().map(|word| quote(word)))],
            Self::Master(None) => Vec::new(),
            Self::Master(Some((host, port))) => vec![format!("{} {port}", quote(host))],
            Self::Save(points) if !points.is_empty() => {
                points.iter().map(|(seconds, changes)| format!("{seconds} {changes}")).collect()
            }
            Self::OutputLimits(limits) => {
                OUTPUT_CLASSES.iter().zip(limits).map(|(c, l)| limit(c, l)).collect()
            }
            Self::Rename(pairs) => {
                pairs.iter().map(|(from, to)| format!("{} {}", quote(from), quote(to))).collect()
            }
            Self::Lines(lines) => lines.clone(),
            other => {
                let printed = other.print();
                vec![if printed.is_empty() { "\"\"".into() } else { printed }]
            }
        }
    }
}

fn single(words: &[String]) -> Result<&str, String> {
    match words {
        [one] => Ok(one),
        [_, second, ..] if second.starts_with('#') => {
            Err(format!("{WRONG_NUMBER}: a comment must stand on a line of its own"))
        }
        _ => Err(WRONG_NUMBER.into()),
    }
}

fn in_range(number: Option<i64>, min: i64, max: i64) -> Result<i64, String> {
    let number = number.ok_or("argument couldn't be parsed into an integer")?;
    if (min..=max).contains(&number) {
        Ok(number)
    } else {
        Err(format!("argument must be between {min} and {max} inclusive"))
    }
}

fn one_of<'a>(words: impl Iterator<Item = &'a str>) -> String {
    format!("argument(s) must be one of the following: {}", words.collect::<Vec<_>>().join(", "))
}

fn joined<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(" ")
}

fn limit(class: &str, limit: &OutputBufferLimit) -> String {
    format!("{class} {} {} {}", limit.hard_bytes, limit.soft_bytes, limit.soft_seconds)
}

fn size_or_percent(word: &str) -> Result<Value, String> {
    let malformed = "argument must be a memory or percent value";
    let number = match word.strip_suffix('%') {
        Some(digits) => {
            let percent = integer(digits).filter(|n| *n >= 0).ok_or(malformed)?;
            if percent > 100 {
                return Err("percentage argument must be less or equal to 100".into());
            }
            -percent
        }
        None => size(word).and_then(|bytes| i64::try_from(bytes).ok()).ok_or(malformed)?,
    };
    Ok(Value::SizeOrPercent(number))
}

fn text(name: &str, rule: Rule, word: &str) -> Result<Value, String> {
    let wrong = match rule {
        Rule::Any => None,
        Rule::FileName if word.is_empty() => Some(format!("{name} can't be empty")),
        Rule::FileName if word.contains(['/', '\\']) || word == "." || word == ".." => {
            Some(format!("{name} can't be a path, just a filename"))
        }
        Rule::FileName => None,
        Rule::Ipv4 => {
            (!word.is_empty() && word.parse::<Ipv4Addr>().is_err()).then(|| "Invalid IPv4 address".into())
        }
        Rule::Ipv6 => {
            (!word.is_empty() && word.parse::<Ipv6Addr>().is_err()).then(|| "Invalid IPv6 address".into())
        }
        Rule::Moment => (!word.is_empty() && moment::unix_ms(word).is_none()).then(|| moment::FORM.into()),
        Rule::ProcTitle => {
            (!is_title(word)).then(|| "template format is invalid or contains unknown variables".into())
        }
    };
    wrong.map_or_else(|| Ok(Value::Text(word.to_string())), Err)
}

/// Whether every `{…}` of a process title names something.
fn is_title(template: &str) -> bool {
    const KNOWN: [&str; 7] =
        ["title", "listen-addr", "server-mode", "port", "tls-port", "unixsocket", "config-file"];
    let mut parts = template.split('{');
    let plain = parts.next().is_some_and(|text| !text.contains('}'));
    plain
        && parts.all(|part| {
            part.split_once('}').is_some_and(|(name, rest)| KNOWN.contains(&name) && !rest.contains('}'))
        })
}

fn shutdown(words: &[String]) -> Result<Value, String> {
    let mut flags = ShutdownFlags::default();
    let known = |word: &String, flags: &mut ShutdownFlags| {
        word.eq_ignore_ascii_case("default") || flags.turn_on(word)
    };
    if words.is_empty() || !words.iter().all(|word| known(word, &mut flags)) {
        return Err(one_of(["default"].into_iter().chain(ShutdownFlags::WORDS)));
    }
    if flags.save && flags.nosave {
        return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into());
    }
    Ok(Value::Shutdown(flags))
}

fn percentiles(name: &str, words: &[String]) -> Result<Value, String> {
    let mut list = Vec::new();
    for word in words {
        let number: f64 = word
            .parse()
            .ok()
            .filter(|n: &f64| !n.is_nan())
            .ok_or_else(|| format!("Invalid {name} parameters"))?;
        if !(0.0..=100.0).contains(&number) {
            return Err(format!("{name} parameters should sit between [0.0,100.0]"));
        }
        // Adding zero turns a negative zero, which would print as "-0", into a plain one.
        list.push(number + 0.0);
    }
    Ok(Value::Percentiles(list))
}

fn oom_scores(words: &[String]) -> Result<Value, String> {
    let [a, b, c] = words else { return Err(WRONG_NUMBER.into()) };
    let mut scores = [0; 3];
    for (score, word) in scores.iter_mut().zip([a, b, c]) {
        *score = integer(word)
            .filter(|n| (-2000..=2000).contains(n))
            .ok_or("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")?;
    }
    Ok(Value::OomScores(scores))
}

fn master(words: &[String]) -> Result<Value, String> {
    match words {
        // An empty text, as CONFIG GET prints it, names no master.
        [] => Ok(Value::Master(None)),
        [host, port] if host.eq_ignore_ascii_case("no") && port.eq_ignore_ascii_case("one") => {
            Ok(Value::Master(None))
        }
        [host, port] => {
            // A port of 0 is as good as any on which nobody listens.
            let port = integer(port).and_then(|n| u16::try_from(n).ok());
            let port = port.ok_or("Invalid master port")?;
            if host.is_empty() || host.contains(char::is_whitespace) {
                return Err("Invalid master host".into());
            }
            Ok(Value::Master(Some((host.clone(), port))))
        }
        _ => Err(WRONG_NUMBER.into()),
    }
}

fn save(words: &[String], before: Value) -> Result<Value, String> {
    if words.is_empty() {
        return Ok(Value::Save(Vec::new()));
    }
    let mut points = if let Value::Save(before) = before { before } else { Vec::new() };
    let positive = |word: &String, min: i64| {
        integer(word).filter(|n| *n >= min && *n <= i32::MAX.into()).and_then(|n| u64::try_from(n).ok())
    };
    for pair in words.chunks(2) {
        let point = match pair {
            [seconds, changes] => positive(seconds, 1).zip(positive(changes, 0)),
            _ => None,
        };
        points.push(point.ok_or("Invalid save parameters")?);
    }
    Ok(Value::Save(points))
}

fn output_limits(words: &[String], before: Value) -> Result<Value, String> {
    let Value::OutputLimits(mut limits) = before else { return Err(WRONG_NUMBER.into()) };
    for group in words.chunks(4) {
        let [class, hard, soft, seconds] = group else {
            return Err("Wrong number of arguments in buffer limit configuration.".into());
        };
        let class =
            output_class(class).ok_or("Invalid client class specified in buffer limit configuration.")?;
        // A plain number: others know no units here either.
        let seconds = seconds.parse::<u64>().ok();
        let (Some(hard_bytes), Some(soft_bytes), Some(soft_seconds)) = (size(hard), size(soft), seconds)
        else {
            return Err("Error in hard, soft or soft_seconds setting in buffer limit configuration.".into());
        };
        limits[class] = OutputBufferLimit { hard_bytes, soft_bytes, soft_seconds };
    }
    Ok(Value::OutputLimits(limits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directives::{directives, find};

    fn parse(name: &str, text: &str) -> Result<String, String> {
        let directive = &directives()[find(name).expect("because the test names a directive")];
        Value::parse(directive, &[text.to_string()], Value::default_of(directive)).map(|value| value.print())
    }

    #[track_caller]
    fn check(name: &str, cases: &[(&str, Result<&str, &str>)]) {
        for (text, expected) in cases {
            let expected = expected.map(str::to_string).map_err(str::to_string);
            assert_eq!(parse(name, text), expected, "{name} {text}");
        }
    }

    #[test]
    fn every_default_reads_and_prints_as_itself() {
        for directive in directives() {
            assert_eq!(Value::default_of(directive).print(), directive.default, "{}", directive.name);
        }
    }

    #[test]
    fn simple_kinds() {
        let yes_no = Err("argument must be 'yes' or 'no'");
        check("rdbcompression", &[("YES", Ok("yes")), ("no", Ok("no")), ("", yes_no), ("true", yes_no)]);
        let range = Err("argument must be between 0 and 65535 inclusive");
        let number = Err("argument couldn't be parsed into an integer");
        check("port", &[("70000", range), ("-1", range), ("abc", number), ("", number), ("07", number)]);
        check("hz", &[("0", Ok("1")), ("1000", Ok("500")), ("50", Ok("50"))]);
        check("repl-timeout", &[("2m", Ok("120")), ("500ms", number)]);
        check("maxmemory", &[("100mb", Ok("104857600")), ("x", Err("argument must be a memory value"))]);
        check(
            "proto-max-bulk-len",
            &[("1", Err("argument must be between 1048576 and 9223372036854775807 inclusive"))],
        );
        check("unixsocketperm", &[("0700", Ok("700")), ("777", Ok("777"))]);
        check("unixsocketperm", &[("9", Err("argument couldn't be parsed as an octal number"))]);
        check("unixsocketperm", &[("1777", Err("argument must be between 0 and 777 inclusive"))]);
        check("appendfsync", &[("ALWAYS", Ok("always"))]);
        check("appendfsync", &[("x", Err("argument(s) must be one of the following: everysec, always, no"))]);
        check("oom-score-adj", &[("relative", Ok("yes"))]);
        check("maxmemory-clients", &[("10%", Ok("10%")), ("1mb", Ok("1048576")), ("0%", Ok("0"))]);
        check("maxmemory-clients", &[("101%", Err("percentage argument must be less or equal to 100"))]);
        check("maxmemory-clients", &[("%", Err("argument must be a memory or percent value"))]);
        check("dbfilename", &[("a/b", Err("dbfilename can't be a path, just a filename"))]);
        check("dbfilename", &[("", Err("dbfilename can't be empty")), ("x.rdb", Ok("x.rdb"))]);
        check("proc-title-template", &[("{title} {port}", Ok("{title} {port}"))]);
        for wrong in ["{x}", "{title", "title}"] {
            check(
                "proc-title-template",
                &[(wrong, Err("template format is invalid or contains unknown variables"))],
            );
        }
    }

    #[test]
    fn keyspace_events_print_in_one_order() {
        check(
            "notify-keyspace-events",
            &[
                ("KEA", Ok("AKE")),
                ("gxE", Ok("gxE")),
                ("Km", Ok("Km")),
                ("Amn", Ok("Amn")),
                ("gKE$lshzxetd", Ok("AKE")),
                ("", Ok("")),
                ("Q", Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")),
            ],
        );
    }

    #[test]
    fn shutdown_flags() {
        check(
            "shutdown-on-sigterm",
            &[("now save", Ok("save now")), ("default now", Ok("now")), ("SAVE", Ok("save"))],
        );
        let both = Err("shutdown options SAVE and NOSAVE can't be used simultaneously");
        check("shutdown-on-sigterm", &[("save nosave", both), ("default", Ok("default"))]);
        let words = Err(
            "argument(s) must be one of the following: default, save, nosave, now, force, safe, failover",
        );
        check("shutdown-on-sigterm", &[("", words), ("save x", words)]);
    }

    #[test]
    fn lists_of_numbers() {
        let name = "latency-tracking-info-percentiles";
        check(name, &[("", Ok("")), ("50.5 99.999", Ok("50.5 99.999")), ("1e1", Ok("10")), ("-0", Ok("0"))]);
        for wrong in ["101", "-1", "inf"] {
            let expected = "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]";
            check(name, &[(wrong, Err(expected))]);
        }
        check(name, &[("nan", Err("Invalid latency-tracking-info-percentiles parameters"))]);
        check("oom-score-adj-values", &[("1 2", Err("wrong number of arguments")), ("1 -2 3", Ok("1 -2 3"))]);
    }

    #[test]
    fn masters() {
        check("replicaof", &[("127.0.0.1 6380", Ok("127.0.0.1 6380")), ("no one", Ok("")), ("", Ok(""))]);
        for wrong in ["h -1", "h 70000", "h x"] {
            check("replicaof", &[(wrong, Err("Invalid master port"))]);
        }
        check("replicaof", &[("h", Err("wrong number of arguments"))]);
    }

    #[test]
    fn save_points() {
        let default = "3600 1 300 100 60 10000";
        check("save", &[("60 1", Ok(&format!("{default} 60 1"))), ("", Ok(""))]);
        for wrong in ["60", "60 1 70", "0 1", "-1 1", "a b", "\"\""] {
            check("save", &[(wrong, Err("Invalid save parameters"))]);
        }
    }

    #[test]
    fn output_limits_change_only_the_classes_named() {
        let name = "client-output-buffer-limit";
        check(
            name,
            &[
                ("replica 1mb 0 5", Ok("normal 0 0 0 slave 1048576 0 5 pubsub 33554432 8388608 60")),
                ("Slave 1 1 1 pubsub 0 0 0", Ok("normal 0 0 0 slave 1 1 1 pubsub 0 0 0")),
                ("normal 1 1", Err("Wrong number of arguments in buffer limit configuration.")),
                ("master 1 1 1", Err("Invalid client class specified in buffer limit configuration.")),
                (
                    "normal 1 1 -1",
                    Err("Error in hard, soft or soft_seconds setting in buffer limit configuration."),
                ),
            ],
        );
    }
}
