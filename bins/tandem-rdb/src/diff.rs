//! `diff`: which keys two files do not agree in.
//!
//! Of the first file a fingerprint of each key and its value is kept, 48 bytes a key. The second is compared with that as it is
//! read; for the names of keys that only the first has, that one is read once more.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use anyhow::Result;
use rdb::Event;

use crate::Outcome;
use crate::cli::DiffArgs;
use crate::fingerprint::{Fingerprinter, Print};
use crate::source::Source;
use crate::text;

/// What is compared of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Held {
    value: Print,
    expiry_ms: Option<u64>,
}

/// What is done with a key: its fingerprint, its database, its name, and what is compared of it.
type OfKey<'f> = dyn FnMut(Print, u64, &[u8], Held) -> Result<()> + 'f;

/// Calls `f` with each key of a file.
fn each_key(path: &Path, f: &mut OfKey<'_>) -> Result<()> {
    let mut prints = Fingerprinter::new();
    let mut open: Option<(u64, Vec<u8>, Option<u64>)> = None;
    let place_of =
        |prints: &Fingerprinter, db: u64, key: &[u8]| prints.of(&[&db.to_le_bytes(), key].concat());
    let read = Source::open(path, "comparing")?.read(&mut |event, place| {
        match event {
            Event::Entry { key, expiry_ms, value, .. } => {
                let value = prints.whole(value)?;
                return f(place_of(&prints, place.db, key), place.db, key, Held { value, expiry_ms });
            }
            Event::Begin { key, expiry_ms, kind, .. } => {
                open = Some((place.db, key.to_vec(), expiry_ms));
                prints.begin(kind);
            }
            Event::EndOfKey => {
                if let Some((db, key, expiry_ms)) = open.take() {
                    let held = Held { value: prints.end(), expiry_ms };
                    return f(place_of(&prints, db, &key), db, &key, held);
                }
            }
            part => prints.part(&part),
        }
        Ok(())
    });
    read.map_err(|stop| stop.into_error(path))
}

pub fn run(args: &DiffArgs, out: &mut dyn Write) -> Result<Outcome> {
    let mut first: HashMap<Print, Held> = HashMap::new();
    each_key(&args.a, &mut |place, _, _, held| {
        first.insert(place, held);
        Ok(())
    })?;
    let (mut same, mut values, mut expiries, mut added) = (0u64, 0u64, 0u64, 0u64);
    let mut line = |sign: char, db: u64, key: &[u8], what: &str| -> Result<()> {
        if !args.count {
            writeln!(out, "{sign} {db} {}{what}", text::quoted(key))?;
        }
        Ok(())
    };
    each_key(&args.b, &mut |place, db, key, held| match first.remove(&place) {
        None => {
            added += 1;
            line('+', db, key, "")
        }
        Some(before) if before.value != held.value => {
            values += 1;
            line('~', db, key, ": another value")
        }
        Some(before) if before.expiry_ms != held.expiry_ms && !args.ignore_expiry => {
            expiries += 1;
            line('~', db, key, ": another expiry")
        }
        Some(_) => {
            same += 1;
            Ok(())
        }
    })?;
    let removed = first.len();
    if removed > 0 && !args.count {
        each_key(&args.a, &mut |place, db, key, _| match first.contains_key(&place) {
            true => line('-', db, key, ""),
            false => Ok(()),
        })?;
    }
    let good = removed == 0 && added == 0 && values == 0 && expiries == 0;
    writeln!(
        out,
        "{same} keys are the same, {values} have another value, {expiries} another expiry; {removed} are only in {}, \
         {added} only in {}",
        args.a.display(),
        args.b.display()
    )?;
    Ok(if good { Outcome::Good } else { Outcome::Bad })
}
