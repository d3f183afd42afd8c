//! `stats` of an append only file: what was written, how often, when, and in which history.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, Result};
use aof::{Annotation, Command, Commands, FileKind, Item, Origin};
use serde_json::json;

use super::{Log, begins_with_commands, read};
use crate::Outcome;
use crate::cli::StatsArgs;
use crate::source::{Source, Stop};
use crate::text;

/// Names counted by themselves at most: what is damaged, or no command, must not fill the memory.
const MAX_NAMES: usize = 1000;
/// Longer names are cut.
const MAX_NAME: usize = 64;
/// The same as for names, for histories.
const MAX_HISTORIES: usize = 1000;

#[derive(Clone, Copy, Default)]
struct Sum {
    commands: u64,
    bytes: u64,
}

impl Sum {
    fn add(&mut self, command: Command<'_>) {
        self.commands += 1;
        self.bytes += command.bytes().len() as u64;
    }
}

/// One file.
struct Part {
    name: String,
    kind: &'static str,
    bytes: u64,
    /// Keys, where it is a snapshot.
    keys: Option<u64>,
    commands: Sum,
    spans: u64,
}

/// A history, by one of its names.
struct History {
    id: String,
    from: u64,
    to: u64,
    /// Lines that name it: one for each file that begins, and each start.
    lines: u64,
    /// What the log has had and the file has not: pings, messages.
    gaps: u64,
    gap_bytes: u64,
}

#[derive(Default)]
struct Stats {
    parts: Vec<Part>,
    names: BTreeMap<String, Sum>,
    other_names: Sum,
    dbs: BTreeMap<u64, Sum>,
    db: u64,
    spans: u64,
    empty_spans: u64,
    span_bytes: u64,
    largest_span: u64,
    /// What a replica's own clients have written.
    local: Sum,
    foreign: Sum,
    histories: Vec<History>,
    /// Where the history stands.
    offset: Option<u64>,
    transactions: u64,
    first_ms: Option<u64>,
    last_ms: Option<u64>,
    ended: bool,
}

pub fn run(args: &StatsArgs, out: &mut dyn Write) -> Result<Outcome> {
    let mut stats = Stats::default();
    let damage = if !args.file.is_dir() && begins_with_commands(&args.file) {
        stats.part(&args.file, "part")?
    } else {
        let log = Log::open(&args.file)?;
        let mut damage = None;
        for part in log.manifest.parts() {
            let kind = if part.kind == FileKind::Base { "base" } else { "increment" };
            damage = stats.part(&log.folder.join(&part.name), kind)?;
            if damage.is_some() {
                break;
            }
        }
        damage
    };
    if args.json {
        stats.print_json(out)?;
    } else {
        stats.print(out)?;
    }
    let Some(damage) = damage else { return Ok(Outcome::Good) };
    out.flush()?;
    eprintln!("tandem-rdb: {damage}; only what comes before that is counted");
    Ok(Outcome::Bad)
}

impl Stats {
    /// Counts a file; gives what is wrong with it.
    fn part(&mut self, path: &Path, kind: &'static str) -> Result<Option<String>> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = std::fs::metadata(path).with_context(|| format!("cannot open {}", path.display()))?.len();
        self.parts.push(Part { name, kind, bytes, keys: None, commands: Sum::default(), spans: 0 });
        self.db = 0;
        if !begins_with_commands(path) {
            return self.snapshot(path);
        }
        let tail = read(path, &mut |_, item| {
            self.item(item);
            true
        })?;
        match tail {
            Err(damage) => Ok(Some(format!("{}: {damage}", path.display()))),
            Ok(tail) => {
                self.ended = tail.ended;
                let cut =
                    || format!("{}: it is whole up to byte {} of {}", path.display(), tail.whole, tail.len);
                Ok(tail.is_cut.then(cut))
            }
        }
    }

    fn snapshot(&mut self, path: &Path) -> Result<Option<String>> {
        let mut keys = 0;
        let read = Source::open(path, "counting")?.read(&mut |event, _| {
            keys += u64::from(matches!(event, rdb::Event::Entry { .. } | rdb::Event::Begin { .. }));
            Ok(())
        });
        if let Some(part) = self.parts.last_mut() {
            part.keys = Some(keys);
        }
        match read {
            Ok(()) => Ok(None),
            Err(Stop::Damaged(damage)) => Ok(Some(format!("{}: {damage}", path.display()))),
            Err(stop) => Err(stop.into_error(path)),
        }
    }

    fn item(&mut self, item: &Item<'_>) {
        match item {
            Item::Commands { bytes, origin } => {
                for command in Commands::of(bytes) {
                    self.command(command, *origin);
                }
                match origin {
                    Origin::History => self.go_on(bytes.len() as u64),
                    Origin::Local => {}
                    Origin::Unknown if is_select(bytes) => {}
                    // Nobody knows where the history stands behind them.
                    Origin::Unknown => self.offset = None,
                }
            }
            Item::Annotation(line) => self.line(line),
        }
    }

    fn command(&mut self, command: Command<'_>, origin: Origin) {
        if let Some(part) = self.parts.last_mut() {
            part.commands.add(command);
        }
        let name = command.name();
        let name = &name[..name.len().min(MAX_NAME)].to_ascii_uppercase();
        let name = String::from_utf8_lossy(name).into_owned();
        if name == "SELECT" {
            let db = command.words().nth(1).and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
            self.db = db.unwrap_or(self.db);
        } else {
            self.dbs.entry(self.db).or_default().add(command);
        }
        self.transactions += u64::from(name == "MULTI");
        match origin {
            Origin::History => {}
            Origin::Local => self.local.add(command),
            Origin::Unknown => self.foreign.add(command),
        }
        let room = self.names.len() < MAX_NAMES;
        let sum = match self.names.get_mut(&name) {
            Some(sum) => sum,
            None if room => self.names.entry(name).or_default(),
            None => &mut self.other_names,
        };
        sum.add(command);
    }

    fn line(&mut self, line: &Annotation) {
        match line {
            Annotation::History(history) => {
                self.time(history.unix_ms);
                self.offset = Some(history.offset.0);
                self.db = u64::from(history.db);
                let id = history.id.to_string();
                let room = self.histories.len() < MAX_HISTORIES;
                match self.histories.last_mut().filter(|last| last.id == id) {
                    Some(last) => last.lines += 1,
                    // There is no end to what a damaged file names.
                    None if !room => {}
                    None => {
                        let at = history.offset.0;
                        self.histories.push(History {
                            id,
                            from: at,
                            to: at,
                            lines: 1,
                            gaps: 0,
                            gap_bytes: 0,
                        });
                    }
                }
            }
            Annotation::Span(span) => {
                self.time(span.unix_ms);
                self.spans += 1;
                self.empty_spans += u64::from(span.len == 0);
                self.span_bytes += span.len;
                self.largest_span = self.largest_span.max(span.len);
                if let Some(part) = self.parts.last_mut() {
                    part.spans += 1;
                }
                self.stands_at(span.offset.0);
            }
            Annotation::End { offset, unix_ms, .. } => {
                self.time(*unix_ms);
                self.stands_at(offset.0);
            }
            Annotation::Local { unix_ms, .. } => self.time(*unix_ms),
            Annotation::Time { unix_s } => self.time(unix_s.saturating_mul(1000)),
            Annotation::Ancestor(_) | Annotation::Unknown => {}
        }
    }

    fn time(&mut self, unix_ms: u64) {
        self.first_ms = Some(self.first_ms.map_or(unix_ms, |first| first.min(unix_ms)));
        self.last_ms = Some(self.last_ms.map_or(unix_ms, |last| last.max(unix_ms)));
    }

    /// The history stands here; what lies between is not in the file.
    fn stands_at(&mut self, offset: u64) {
        let gap = self.offset.map_or(0, |before| offset.saturating_sub(before));
        self.offset = Some(offset);
        if let Some(history) = self.histories.last_mut() {
            history.to = offset;
            history.gaps += u64::from(gap > 0);
            history.gap_bytes += gap;
        }
    }

    fn go_on(&mut self, bytes: u64) {
        if let Some(offset) = &mut self.offset {
            *offset = offset.saturating_add(bytes);
            if let Some(history) = self.histories.last_mut() {
                history.to = *offset;
            }
        }
    }

    fn total(&self) -> Sum {
        self.parts.iter().fold(Sum::default(), |sum, part| Sum {
            commands: sum.commands + part.commands.commands,
            bytes: sum.bytes + part.commands.bytes,
        })
    }

    /// Names and what is of them, those with most bytes first.
    fn by_bytes(&self) -> Vec<(&str, Sum)> {
        let mut names: Vec<_> = self.names.iter().map(|(name, sum)| (name.as_str(), *sum)).collect();
        names.sort_by(|(a, x), (b, y)| y.bytes.cmp(&x.bytes).then_with(|| a.cmp(b)));
        if self.other_names.commands > 0 {
            names.push(("(others)", self.other_names));
        }
        names
    }

    fn print(&self, out: &mut dyn Write) -> Result<()> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
        let total = self.total();
        let mut rows = vec![words(&["file", "kind", "size", "keys", "commands", "spans"])];
        rows.extend(self.parts.iter().map(|part| {
            vec![
                part.name.clone(),
                part.kind.to_owned(),
                text::bytes(part.bytes),
                part.keys.map_or_else(|| "-".to_owned(), |keys| keys.to_string()),
                part.commands.commands.to_string(),
                part.spans.to_string(),
            ]
        }));
        writeln!(out, "{}", text::table(&rows))?;
        let row = |name: String, sum: Sum| {
            let share = 100.0 * sum.bytes as f64 / total.bytes.max(1) as f64;
            vec![name, sum.commands.to_string(), text::bytes(sum.bytes), format!("{share:.1} %")]
        };
        let mut rows = vec![words(&["command", "times", "bytes", "share"]), row("all".to_owned(), total)];
        rows.extend(self.by_bytes().into_iter().map(|(name, sum)| row(name.escape_debug().to_string(), sum)));
        writeln!(out, "{}", text::table(&rows))?;
        let mut rows = vec![words(&["database", "commands", "bytes", "share"])];
        rows.extend(self.dbs.iter().map(|(db, sum)| row(db.to_string(), *sum)));
        writeln!(out, "{}", text::table(&rows))?;
        if !self.histories.is_empty() {
            let mut rows = vec![words(&["history", "from", "to", "lines", "gaps", "bytes in gaps"])];
            rows.extend(self.histories.iter().map(|history| {
                let numbers = [history.from, history.to, history.lines, history.gaps, history.gap_bytes];
                std::iter::once(history.id.clone()).chain(numbers.map(|number| number.to_string())).collect()
            }));
            writeln!(out, "{}", text::table(&rows))?;
        }
        let mean = self.span_bytes / (self.spans - self.empty_spans).max(1);
        let mut rows = vec![
            words(&["spans", &self.spans.to_string()]),
            words(&["of those empty", &self.empty_spans.to_string()]),
            words(&["mean span", &text::bytes(mean)]),
            words(&["largest span", &text::bytes(self.largest_span)]),
            words(&["commands of a replica's own", &self.local.commands.to_string()]),
            words(&["commands without an offset", &self.foreign.commands.to_string()]),
            words(&["transactions", &self.transactions.to_string()]),
        ];
        if let (Some(first), Some(last)) = (self.first_ms, self.last_ms) {
            rows.push(words(&["first time, ms", &first.to_string()]));
            rows.push(words(&["last time, ms", &last.to_string()]));
            rows.push(words(&["between them, s", &(last.saturating_sub(first) / 1000).to_string()]));
        }
        rows.push(words(&["ended in good order", if self.ended { "yes" } else { "no" }]));
        write!(out, "{}", text::table(&rows))?;
        Ok(())
    }

    fn print_json(&self, out: &mut dyn Write) -> Result<()> {
        let sum = |sum: &Sum| json!({"commands": sum.commands, "bytes": sum.bytes});
        let value = json!({
            "all": sum(&self.total()),
            "files": self.parts.iter().map(|part| json!({
                "file": part.name, "kind": part.kind, "size": part.bytes, "keys": part.keys,
                "commands": part.commands.commands, "bytes": part.commands.bytes, "spans": part.spans,
            })).collect::<Vec<_>>(),
            "commands": self.by_bytes().iter().map(|(name, own)| ((*name).to_owned(), sum(own)))
                .collect::<serde_json::Map<_, _>>(),
            "databases": self.dbs.iter().map(|(db, own)| (db.to_string(), sum(own))).collect::<serde_json::Map<_, _>>(),
            "histories": self.histories.iter().map(|history| json!({
                "id": history.id, "from": history.from, "to": history.to, "lines": history.lines,
                "gaps": history.gaps, "gap_bytes": history.gap_bytes,
            })).collect::<Vec<_>>(),
            "spans": {
                "count": self.spans, "empty": self.empty_spans, "bytes": self.span_bytes, "largest": self.largest_span,
            },
            "local": sum(&self.local),
            "without_offset": sum(&self.foreign),
            "transactions": self.transactions,
            "first_ms": self.first_ms,
            "last_ms": self.last_ms,
            "ended": self.ended,
        });
        serde_json::to_writer_pretty(&mut *out, &value)?;
        writeln!(out)?;
        Ok(())
    }
}

/// The command in front of a history selects its database, for those who know nothing of histories.
fn is_select(bytes: &[u8]) -> bool {
    let mut commands = Commands::of(bytes);
    commands.next().is_some_and(|command| command.name().eq_ignore_ascii_case(b"select"))
        && commands.next().is_none()
}
