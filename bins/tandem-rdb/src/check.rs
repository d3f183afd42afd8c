//! `check`: reads a file to its end.
//!
//! The reader checks the structure of everything, and the checksum. What it leaves to whoever puts values together is found here:
//! members or fields that occur twice in one value, which no server loads.

use std::collections::HashSet;
use std::io::Write;

use anyhow::Result;
use rapidhash::v3::rapidhash_v3;
use rdb::{Event, Flavor};

use crate::Outcome;
use crate::cli::CheckArgs;
use crate::source::{Source, Stop};
use crate::text;

/// What has been seen of a file.
#[derive(Default)]
struct Seen {
    header: Option<(u32, Flavor)>,
    keys: u64,
    functions: u64,
    modules: u64,
    checksum: Option<u64>,
    /// What wrote the file, as it says itself.
    writer: Option<String>,
    elements: Elements,
}

/// Members or fields of the value that is being read. Hashes stand for them, of 64 bits: two of a million different ones agree by
/// chance once in forty million files.
#[derive(Default)]
struct Elements {
    hashes: HashSet<u64>,
    of: Option<(u64, Vec<u8>)>,
    /// The first that occurred twice.
    twice: Option<Twice>,
}

struct Twice {
    element: Vec<u8>,
    at: u64,
    of: (u64, Vec<u8>),
}

impl Elements {
    fn note(&mut self, element: &[u8], at: u64) {
        if !self.hashes.insert(rapidhash_v3(element))
            && self.twice.is_none()
            && let Some(of) = &self.of
        {
            self.twice = Some(Twice { element: element.to_vec(), at, of: of.clone() });
        }
    }
}

pub fn run(args: &CheckArgs, out: &mut dyn Write) -> Result<Outcome> {
    let mut seen = Seen::default();
    let read = Source::open(&args.file, "checking")?.read(&mut |event, place| {
        match event {
            Event::Header { version, flavor } => seen.header = Some((version, flavor)),
            Event::Aux { key: key @ (b"redis-ver" | b"valkey-ver"), value } => {
                let make = if key.starts_with(b"redis") { "Redis" } else { "Valkey" };
                seen.writer = Some(format!("{make} {}", value.escape_ascii()));
            }
            Event::Function(_) => seen.functions += 1,
            Event::ModuleAux { .. } => seen.modules += 1,
            Event::Entry { .. } => seen.keys += 1,
            Event::Begin { key, kind, .. } => {
                seen.keys += 1;
                let unique = matches!(kind, rdb::Kind::Set | rdb::Kind::ZSet | rdb::Kind::Hash);
                seen.elements.of = unique.then(|| (place.db, key.to_vec()));
                seen.elements.hashes.clear();
            }
            Event::Field { field: element, .. }
            | Event::Member { member: element, .. }
            | Event::Element(element)
                if seen.elements.of.is_some() =>
            {
                seen.elements.note(element, place.from);
            }
            Event::EndOfKey => seen.elements.hashes.clear(),
            Event::End { checksum } => seen.checksum = checksum,
            _ => {}
        }
        Ok(())
    });
    let name = args.file.display();
    let version = match seen.header {
        Some((version, Flavor::Redis)) => format!("RDB version {version}"),
        Some((version, Flavor::Valkey)) => format!("RDB version {version} of Valkey"),
        None => String::new(),
    };
    let by = seen.writer.map_or(String::new(), |writer| format!(", written by {writer}"));
    match read {
        Err(Stop::Failed(error)) => return Err(error),
        Err(Stop::Damaged(damage)) if seen.header.is_none() => {
            writeln!(out, "{name}: no dump: {}", damage.error)?;
            return Ok(Outcome::Bad);
        }
        Err(Stop::Damaged(damage)) => {
            writeln!(out, "{name}: damaged: {damage}")?;
            writeln!(out, "{version}{by}; {} keys came before that", seen.keys)?;
            return Ok(Outcome::Bad);
        }
        Ok(()) => {}
    }
    if let Some(Twice { element, at, of: (db, key) }) = seen.elements.twice {
        let (element, key) = (text::quoted(&element), text::quoted(&key));
        writeln!(
            out,
            "{name}: damaged: {element} at offset {at} occurs twice in key {key} of database {db}"
        )?;
        return Ok(Outcome::Bad);
    }
    let checksum = if seen.checksum.is_some() { "the checksum is right" } else { "there is no checksum" };
    writeln!(out, "{name}: good: {version}{by}, {} keys, {checksum}", seen.keys)?;
    if seen.functions > 0 {
        writeln!(out, "function libraries: {}", seen.functions)?;
    }
    if seen.modules > 0 {
        writeln!(out, "data of modules, which only they can judge: {}", seen.modules)?;
    }
    Ok(Outcome::Good)
}
