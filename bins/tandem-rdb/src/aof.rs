//! Append only files: `check` reads every part, `recover` copies what came up to some moment.

pub mod stats;

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use ::aof::{Annotation, Approach, FileKind, Item, Manifest, Origin, Point, Reader, Step, Tail};
use anyhow::{Context as _, Result, bail};

use crate::Outcome;
use crate::check;
use crate::cli::{CheckArgs, RecoverArgs};

const CHUNK: usize = 1 << 20;

/// Whether this is an append only file, or a part of one: a folder, a manifest, or a file that begins like a command or a line of it.
pub fn is_one(path: &Path) -> bool {
    if path.as_os_str() == "-" {
        return false;
    }
    path.is_dir() || path.extension().is_some_and(|end| end == "manifest") || begins_with_commands(path)
}

fn begins_with_commands(path: &Path) -> bool {
    let mut first = [0];
    let read = File::open(path).and_then(|mut file| file.read(&mut first)).unwrap_or(0);
    let empty_part = read == 0 && path.extension().is_some_and(|end| end == "aof");
    empty_part || (read == 1 && matches!(first[0], b'*' | b'#'))
}

/// A manifest, and where it is.
struct Log {
    path: PathBuf,
    folder: PathBuf,
    manifest: Manifest,
}

impl Log {
    fn open(path: &Path) -> Result<Log> {
        let path = if path.is_dir() { find_manifest(path)? } else { path.to_owned() };
        let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let manifest = Manifest::parse(&text).with_context(|| path.display().to_string())?;
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Log { path, folder, manifest })
    }
}

fn find_manifest(folder: &Path) -> Result<PathBuf> {
    let listed = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut found = Vec::new();
    for entry in listed {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.ends_with(".manifest") && !name.starts_with("temp-") {
            found.push(path);
        }
    }
    match &found[..] {
        [one] => Ok(one.clone()),
        [] => bail!("there is no manifest in {}", folder.display()),
        _ => bail!("there are several manifests in {}: name one", folder.display()),
    }
}

/// What has been seen of a part.
#[derive(Default)]
struct Seen {
    bytes: u64,
    spans: u64,
    foreign_bytes: u64,
    /// Where it stands: history, offset, time.
    history: Option<String>,
    offset: u64,
    unix_ms: u64,
}

impl Seen {
    fn note(&mut self, item: &Item<'_>) {
        match item {
            Item::Commands { bytes, origin } => {
                let len = bytes.len() as u64;
                self.bytes += len;
                match origin {
                    Origin::History => self.offset += len,
                    Origin::Local => {}
                    Origin::Unknown => self.foreign_bytes += len,
                }
            }
            Item::Annotation(Annotation::History(history)) => {
                self.history = Some(history.id.to_string());
                (self.offset, self.unix_ms) = (history.offset.0, history.unix_ms);
            }
            Item::Annotation(Annotation::Span(span)) => {
                self.spans += 1;
                (self.offset, self.unix_ms) = (span.offset.0, span.unix_ms);
            }
            Item::Annotation(Annotation::End { offset, unix_ms, .. }) => {
                (self.offset, self.unix_ms) = (offset.0, *unix_ms);
            }
            Item::Annotation(Annotation::Local { unix_ms, .. }) => self.unix_ms = *unix_ms,
            Item::Annotation(Annotation::Time { unix_s }) => self.unix_ms = unix_s.saturating_mul(1000),
            Item::Annotation(Annotation::Ancestor(_) | Annotation::Unknown) => {}
        }
    }
}

/// Reads the commands of a file; `f` is told where each item begins and what it is, and answers whether to go on.
fn read(
    path: &Path,
    f: &mut dyn FnMut(u64, &Item<'_>) -> bool,
) -> Result<std::result::Result<Tail, ::aof::Damage>> {
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let (mut reader, mut known, mut from) = (Reader::new(), Vec::new(), 0);
    let mut chunk = vec![0; CHUNK];
    loop {
        let begins = reader.position();
        match reader.next(&known[from..]) {
            Err(damage) => return Ok(Err(damage)),
            Ok(Step::Item { item, len }) => {
                if !f(begins, &item) {
                    return Ok(Ok(reader.tail(0)));
                }
                from += len;
            }
            Ok(Step::NeedsMore) => {
                known.drain(..std::mem::take(&mut from));
                let read =
                    file.read(&mut chunk).with_context(|| format!("cannot read {}", path.display()))?;
                if read == 0 {
                    return Ok(Ok(reader.tail(known.len() as u64)));
                }
                known.extend_from_slice(&chunk[..read]);
            }
        }
    }
}

/// `check` of an append only file.
pub fn check(args: &CheckArgs, out: &mut dyn Write) -> Result<Outcome> {
    if !args.file.is_dir() && begins_with_commands(&args.file) {
        return check_part(&args.file, args.fix, true, out);
    }
    let log = Log::open(&args.file)?;
    writeln!(out, "{}: {} files", log.path.display(), log.manifest.parts().count())?;
    let mut outcome = Outcome::Good;
    let last = log.manifest.parts().last().cloned();
    for part in log.manifest.parts() {
        let path = log.folder.join(&part.name);
        let found = if part.kind == FileKind::Base && !begins_with_commands(&path) {
            check::run(&CheckArgs { file: path, fix: false }, out)?
        } else {
            check_part(&path, args.fix, last.as_ref() == Some(part), out)?
        };
        if found == Outcome::Bad {
            outcome = Outcome::Bad;
        }
    }
    Ok(outcome)
}

fn check_part(path: &Path, fix: bool, is_last: bool, out: &mut dyn Write) -> Result<Outcome> {
    let mut seen = Seen::default();
    let name = path.display();
    let tail = read(path, &mut |_, item| {
        seen.note(item);
        true
    })?;
    let tail = match tail {
        Ok(tail) => tail,
        Err(damage) => {
            writeln!(out, "{name}: damaged: {damage}; {} bytes of commands came before that", seen.bytes)?;
            return Ok(Outcome::Bad);
        }
    };
    let mut outcome = Outcome::Good;
    if tail.is_cut {
        writeln!(out, "{name}: cut off: it is whole up to byte {} of {}", tail.whole, tail.len)?;
        outcome = Outcome::Bad;
        if fix && is_last {
            let file =
                OpenOptions::new().write(true).open(path).with_context(|| format!("cannot open {name}"))?;
            file.set_len(tail.whole)
                .and_then(|()| file.sync_all())
                .with_context(|| format!("cannot cut {name}"))?;
            writeln!(out, "{name}: cut back to {} bytes", tail.whole)?;
            outcome = Outcome::Good;
        }
    } else {
        writeln!(
            out,
            "{name}: good: {} bytes of commands, {} of them checked in {} spans",
            seen.bytes,
            seen.bytes - seen.foreign_bytes,
            seen.spans
        )?;
    }
    match &seen.history {
        Some(id) if !tail.foreign => {
            let end = if tail.ended { ", where writing ended in good order" } else { "" };
            writeln!(
                out,
                "  history {id} up to offset {}, written at {} ms{end}",
                seen.offset, seen.unix_ms
            )?;
        }
        Some(_) => writeln!(out, "  somebody else has appended commands: the history ends before them")?,
        None => {}
    }
    Ok(outcome)
}

/// The offset and the time of a base, in seconds, as far as it says so.
fn moment_of(base: &Path) -> Result<(Option<u64>, Option<u64>)> {
    let mut file = File::open(base).with_context(|| format!("cannot open {}", base.display()))?;
    let (mut reader, mut chunk) = (rdb::Reader::default(), vec![0; 1 << 16]);
    let (mut offset, mut unix_s) = (None, None);
    loop {
        let read = file.read(&mut chunk).with_context(|| format!("cannot read {}", base.display()))?;
        if read == 0 {
            return Ok((offset, unix_s));
        }
        reader.feed(&chunk[..read]);
        while let Some(event) = reader.next().with_context(|| base.display().to_string())? {
            let number =
                |value: &[u8]| std::str::from_utf8(value).ok().and_then(|text| text.parse::<u64>().ok());
            match event {
                rdb::Event::Header { .. } => {}
                rdb::Event::Aux { key: b"repl-offset", value } => offset = number(value),
                rdb::Event::Aux { key: b"ctime", value } => unix_s = number(value),
                rdb::Event::Aux { .. } => {}
                // It says so at its beginning.
                _ => return Ok((offset, unix_s)),
            }
        }
    }
}

/// Shows the base to whoever looks for a point.
fn approach_base(path: &Path, approach: &mut Approach) -> Result<()> {
    if !begins_with_commands(path) {
        let (offset, unix_s) = moment_of(path)?;
        return approach.snapshot(offset, unix_s).with_context(|| path.display().to_string());
    }
    let mut reached = Ok(());
    let read = read(path, &mut |_, item| {
        reached = approach.base_item(item);
        reached.is_ok()
    })?;
    reached.with_context(|| path.display().to_string())?;
    read.map(drop).with_context(|| path.display().to_string())
}

/// `recover`: the base and the increments up to some moment, in another folder.
pub fn recover(args: &RecoverArgs, out: &mut dyn Write) -> Result<Outcome> {
    let log = Log::open(&args.from)?;
    if args.to.exists() {
        bail!("{} is there already", args.to.display());
    }
    let mut approach = Approach::new(Point { unix_ms: args.until_ms, offset: args.until_offset });
    let mut manifest = Manifest { history: Vec::new(), ..log.manifest.clone() };
    if let Some(base) = &manifest.base {
        approach_base(&log.folder.join(&base.name), &mut approach)?;
    }
    // Where each increment is cut, before anything is written.
    let mut kept: Vec<(String, Option<u64>)> = Vec::new();
    let mut over = false;
    for part in &log.manifest.increments {
        if over {
            break;
        }
        let path = log.folder.join(&part.name);
        let (mut before, mut at) = (Ok(true), 0);
        let tail = read(&path, &mut |begins, item| {
            at = begins;
            before = approach.comes_before(begins, item);
            matches!(before, Ok(true))
        })?;
        over = !before.with_context(|| path.display().to_string())?;
        let tail = tail.with_context(|| path.display().to_string())?;
        let cut = if over { Some(at) } else { tail.is_cut.then_some(tail.whole) };
        kept.push((part.name.clone(), cut));
    }
    approach.end().with_context(|| log.path.display().to_string())?;
    if !approach.has_anything() {
        bail!("nothing is left of it");
    }
    manifest.increments.truncate(kept.len());
    std::fs::create_dir(&args.to).with_context(|| format!("cannot make {}", args.to.display()))?;
    let copy = |name: &str, len: Option<u64>| -> Result<()> {
        let (from, to) = (log.folder.join(name), args.to.join(name));
        std::fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
        if let Some(len) = len {
            OpenOptions::new().write(true).open(&to)?.set_len(len)?;
        }
        Ok(())
    };
    if let Some(base) = &manifest.base {
        copy(&base.name, None)?;
    }
    for (name, len) in &kept {
        copy(name, *len)?;
    }
    let name = log.path.file_name().context("a manifest has a name")?;
    std::fs::write(args.to.join(name), manifest.to_string())?;
    let offset = approach.offset().map_or_else(|| "unknown".to_owned(), |offset| offset.to_string());
    writeln!(out, "{}: up to offset {offset}, written at {} ms", args.to.display(), approach.unix_ms())?;
    if !over {
        writeln!(out, "nothing of it was written later")?;
    }
    Ok(Outcome::Good)
}
