//! `stats`: what a file is made of.
//!
//! The bytes of a key are those that it takes in the file, with its name and its expiry, after compression: the shares say what a
//! dataset is made of, the sums do not say what it takes in memory.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use rdb::{Event, Kind, Value};
use serde_json::json;

use crate::Outcome;
use crate::cli::StatsArgs;
use crate::source::{Place, Source, Stop};
use crate::text;

/// Prefixes counted at most; keys with one more are counted together. Datasets without prefixes have as many as keys.
const MAX_PREFIXES: usize = 1 << 20;

#[derive(Clone, Copy, Default)]
struct Sum {
    keys: u64,
    elements: u64,
    bytes: u64,
}

impl Sum {
    fn add(&mut self, elements: u64, bytes: u64) {
        self.keys += 1;
        self.elements += elements;
        self.bytes += bytes;
    }
}

/// A key whose size is known once the next one begins.
struct Open {
    db: u64,
    key: Vec<u8>,
    kind: Kind,
    from: u64,
    elements: u64,
}

/// A large key: its bytes, database, name, type and number of elements.
type Large = (u64, u64, Vec<u8>, &'static str, u64);
/// Prefixes and what is of them.
type Prefixes<'a> = Vec<(&'a [u8], Sum)>;

struct Stats<'a> {
    args: &'a StatsArgs,
    now_ms: u64,
    open: Option<Open>,
    total: Sum,
    kinds: BTreeMap<&'static str, Sum>,
    dbs: BTreeMap<u64, Sum>,
    prefixes: HashMap<Vec<u8>, Sum>,
    other_prefixes: Sum,
    /// The smallest on top.
    largest: BinaryHeap<Reverse<Large>>,
    expiries: [u64; EXPIRIES.len()],
    fields_that_expire: u64,
}

/// The classes of the expiry histogram: their names, and up to how many milliseconds from now they reach.
const EXPIRIES: [(&str, u64); 8] = [
    ("never", 0),
    ("is over", 0),
    ("within a minute", 60_000),
    ("within an hour", 3_600_000),
    ("within a day", 86_400_000),
    ("within a week", 7 * 86_400_000),
    ("within 30 days", 30 * 86_400_000),
    ("later", u64::MAX),
];

pub fn run(args: &StatsArgs, out: &mut dyn Write) -> Result<Outcome> {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64);
    let mut stats = Stats {
        args,
        now_ms,
        open: None,
        total: Sum::default(),
        kinds: BTreeMap::new(),
        dbs: BTreeMap::new(),
        prefixes: HashMap::new(),
        other_prefixes: Sum::default(),
        largest: BinaryHeap::new(),
        expiries: [0; EXPIRIES.len()],
        fields_that_expire: 0,
    };
    let read = Source::open(&args.file, "counting")?.read(&mut |event, place| {
        stats.event(event, place);
        Ok(())
    });
    // What a damaged file says before its fault is worth knowing, too.
    let damage = match read {
        Ok(()) => None,
        Err(Stop::Damaged(damage)) if stats.total.keys > 0 => Some(damage),
        Err(stop) => return Err(stop.into_error(&args.file)),
    };
    if args.json {
        stats.print_json(out)?
    } else {
        stats.print(out)?
    }
    damage.map_or(Ok(Outcome::Good), |damage| {
        out.flush()?;
        Err(Stop::Damaged(damage)
            .into_error(&args.file)
            .context("only what comes before the fault is counted"))
    })
}

impl Stats<'_> {
    fn event(&mut self, event: Event<'_>, place: Place) {
        match event {
            Event::Entry { key, expiry_ms, value, .. } => {
                self.close(place.from);
                let elements = match value {
                    Value::Compact(compact) => compact.len() as u64,
                    _ => 1,
                };
                if let Value::Compact(compact) = value
                    && compact.kind() == Kind::Hash
                {
                    self.fields_that_expire +=
                        compact.fields().filter(|(_, _, at)| at.is_some()).count() as u64;
                }
                self.open(key, value.kind(), expiry_ms, place, elements);
            }
            Event::Begin { key, expiry_ms, kind, .. } => {
                self.close(place.from);
                self.open(key, kind, expiry_ms, place, 0);
            }
            Event::Element(_) | Event::Member { .. } | Event::Cell { .. } => self.more(1),
            Event::Field { expiry_ms, .. } => {
                self.fields_that_expire += u64::from(expiry_ms.is_some());
                self.more(1);
            }
            Event::Elements(compact) => self.more(compact.len() as u64),
            Event::StreamNode(node) => self.more(node.entries().count() as u64),
            Event::SelectDb(_) | Event::Resize { .. } | Event::SlotInfo { .. } | Event::End { .. } => {
                self.close(place.from);
            }
            _ => {}
        }
    }

    fn open(&mut self, key: &[u8], kind: Kind, expiry_ms: Option<u64>, place: Place, elements: u64) {
        let class = match expiry_ms {
            None => 0,
            Some(at) if at <= self.now_ms => 1,
            Some(at) => {
                let left = at - self.now_ms;
                EXPIRIES.iter().skip(2).position(|(_, reach)| left <= *reach).map_or(1, |class| class + 2)
            }
        };
        self.expiries[class] += 1;
        self.open = Some(Open { db: place.db, key: key.to_vec(), kind, from: place.from, elements });
    }

    fn more(&mut self, elements: u64) {
        if let Some(open) = &mut self.open {
            open.elements += elements;
        }
    }

    fn close(&mut self, to: u64) {
        let Some(Open { db, key, kind, from, elements }) = self.open.take() else { return };
        let bytes = to - from;
        self.total.add(elements, bytes);
        self.kinds.entry(kind.name()).or_default().add(elements, bytes);
        self.dbs.entry(db).or_default().add(elements, bytes);
        let prefix = prefix_of(&key, self.args.delimiter.as_bytes(), self.args.depth);
        let room = self.prefixes.len() < MAX_PREFIXES;
        let sum = match self.prefixes.get_mut(prefix) {
            Some(sum) => sum,
            None if room => self.prefixes.entry(prefix.to_vec()).or_default(),
            None => &mut self.other_prefixes,
        };
        sum.add(elements, bytes);
        let smallest = self.largest.peek().map(|Reverse((bytes, ..))| *bytes);
        if self.largest.len() < self.args.top || smallest.is_some_and(|smallest| bytes > smallest) {
            self.largest.push(Reverse((bytes, db, key, kind.name(), elements)));
            if self.largest.len() > self.args.top {
                self.largest.pop();
            }
        }
    }

    /// The largest keys and the prefixes with most bytes, the largest first.
    fn tops(&self) -> (Vec<&Large>, Prefixes<'_>) {
        let mut largest: Vec<_> = self.largest.iter().map(|Reverse(large)| large).collect();
        largest.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| (a.1, &a.2).cmp(&(b.1, &b.2))));
        let mut prefixes: Prefixes<'_> =
            self.prefixes.iter().map(|(prefix, sum)| (prefix.as_slice(), *sum)).collect();
        prefixes.sort_by(|(a, x), (b, y)| y.bytes.cmp(&x.bytes).then_with(|| a.cmp(b)));
        prefixes.truncate(self.args.top);
        (largest, prefixes)
    }

    fn print(&self, out: &mut dyn Write) -> Result<()> {
        let row = |name: String, sum: &Sum| {
            let share = 100.0 * sum.bytes as f64 / self.total.bytes.max(1) as f64;
            vec![
                name,
                sum.keys.to_string(),
                sum.elements.to_string(),
                text::bytes(sum.bytes),
                format!("{share:.1} %"),
            ]
        };
        let head = |name: &str| {
            ["keys", "elements", "in the file", "share"].iter().fold(
                vec![name.to_owned()],
                |mut row, title| {
                    row.push((*title).to_owned());
                    row
                },
            )
        };
        let mut section = |title: &str, rows: Vec<Vec<String>>| -> Result<()> {
            let mut all = vec![head(title)];
            all.extend(rows);
            writeln!(out, "{}", text::table(&all))?;
            Ok(())
        };
        section("all", vec![row("all keys".to_owned(), &self.total)])?;
        section("type", self.kinds.iter().map(|(name, sum)| row((*name).to_owned(), sum)).collect())?;
        section("database", self.dbs.iter().map(|(db, sum)| row(db.to_string(), sum)).collect())?;
        let (largest, prefixes) = self.tops();
        let mut rows: Vec<_> = prefixes.iter().map(|(prefix, sum)| row(text::quoted(prefix), sum)).collect();
        if self.other_prefixes.keys > 0 {
            rows.push(row("(others)".to_owned(), &self.other_prefixes));
        }
        section("prefix", rows)?;
        let mut rows =
            vec![["largest keys", "database", "type", "elements", "in the file"].map(String::from).to_vec()];
        rows.extend(largest.iter().map(|(bytes, db, key, kind, elements)| {
            vec![
                text::quoted(key),
                db.to_string(),
                (*kind).to_owned(),
                elements.to_string(),
                text::bytes(*bytes),
            ]
        }));
        writeln!(out, "{}", text::table(&rows))?;
        let mut rows = vec![vec!["expiry".to_owned(), "keys".to_owned()]];
        rows.extend(
            EXPIRIES
                .iter()
                .zip(self.expiries)
                .map(|((name, _), keys)| vec![(*name).to_owned(), keys.to_string()]),
        );
        write!(out, "{}", text::table(&rows))?;
        if self.fields_that_expire > 0 {
            writeln!(out, "\n  fields of hashes that expire: {}", self.fields_that_expire)?;
        }
        Ok(())
    }

    fn print_json(&self, out: &mut dyn Write) -> Result<()> {
        let sum = |sum: &Sum| json!({"keys": sum.keys, "elements": sum.elements, "bytes": sum.bytes});
        let (largest, prefixes) = self.tops();
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let value = json!({
            "all": sum(&self.total),
            "types": self.kinds.iter().map(|(name, own)| ((*name).to_owned(), sum(own))).collect::<serde_json::Map<_, _>>(),
            "databases": self.dbs.iter().map(|(db, own)| (db.to_string(), sum(own))).collect::<serde_json::Map<_, _>>(),
            "prefixes": prefixes.iter().map(|(prefix, own)| {
                json!({"prefix": lossy(prefix), "keys": own.keys, "elements": own.elements, "bytes": own.bytes})
            }).collect::<Vec<_>>(),
            "largest": largest.iter().map(|(bytes, db, key, kind, elements)| {
                json!({"key": lossy(key), "db": db, "type": kind, "elements": elements, "bytes": bytes})
            }).collect::<Vec<_>>(),
            "expiries": EXPIRIES.iter().zip(self.expiries).map(|((name, _), keys)| {
                json!({"expires": name, "keys": keys})
            }).collect::<Vec<_>>(),
            "fields_that_expire": self.fields_that_expire,
        });
        serde_json::to_writer_pretty(&mut *out, &value)?;
        writeln!(out)?;
        Ok(())
    }
}

/// A key up to and with its delimiter number `depth`; all of it if it has fewer.
fn prefix_of<'k>(key: &'k [u8], delimiter: &[u8], depth: usize) -> &'k [u8] {
    if delimiter.is_empty() {
        return key;
    }
    let mut end = 0;
    for _ in 0..depth {
        match key[end..].windows(delimiter.len()).position(|window| window == delimiter) {
            Some(at) => end += at + delimiter.len(),
            None => return key,
        }
    }
    &key[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_reaches_over_as_many_delimiters_as_asked_for() {
        assert_eq!(prefix_of(b"a:b:c", b":", 1), b"a:");
        assert_eq!(prefix_of(b"a:b:c", b":", 2), b"a:b:");
        assert_eq!(prefix_of(b"a:b:c", b":", 3), b"a:b:c");
        assert_eq!(prefix_of(b"a::b", b"::", 1), b"a::");
        assert_eq!(prefix_of(b"a", b":", 0), b"");
    }
}
