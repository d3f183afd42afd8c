//! Loading the append only file: the manifest, the base, the increments.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::thread;

use aof::{Approach, Item, Manifest, Name, NamePattern, PartFile, Point, Reader, Step, Tail, Unreachable};
use bytes::Bytes;
use node::snapshot::LoadOptions;
use node::{AofChunk, AofItem, AofSummary, Completion, LoadError, LoadProgress, Recovery};

use super::Handle;
use super::load::Feeder;
use crate::files::{Replacement, reason};
use crate::mapped::Mapped;
use crate::progress::ProgressLine;

mod aside;

/// A chunk is handed over once it has so many bytes of commands, or so many items.
const CHUNK_BYTES: usize = 256 * 1024;
const CHUNK_ITEMS: usize = 16 * 1024;

/// Where the files are.
pub(super) struct Files {
    pub folder: PathBuf,
    pub name: String,
    pub single: PathBuf,
    pub dump: PathBuf,
    pub cut_is_fine: bool,
    /// What lies beyond this is left out, and kept aside.
    pub until: Option<Point>,
    /// Files that are history already are looked through as well.
    pub past: bool,
}

/// The job was cancelled, or something is wrong.
enum End {
    Cancelled,
    Failed(LoadError),
}

impl From<LoadError> for End {
    fn from(error: LoadError) -> End {
        End::Failed(error)
    }
}

pub(super) fn run(files: &Files, options: LoadOptions, handle: &Handle) {
    let manifest = match find(files) {
        Ok(Some(manifest)) => manifest,
        Ok(None) if files.until.is_some() => {
            let text = "there is no append only file that could be taken back to a moment".to_owned();
            return handle.complete(Completion::AofLoaded(Err(LoadError::Io(text))));
        }
        Ok(None) => return super::load::from_file(&files.dump, options, handle),
        Err(error) => return handle.complete(Completion::AofLoaded(Err(error))),
    };
    match load(files, manifest, options, handle) {
        Ok(summary) => handle.complete(Completion::AofLoaded(Ok(Box::new(summary)))),
        Err(End::Failed(error)) => handle.complete(Completion::AofLoaded(Err(error))),
        Err(End::Cancelled) => {}
    }
}

/// The manifest; that of a single file is made. `None` where there is no file at all.
fn find(files: &Files) -> Result<Option<Manifest>, LoadError> {
    let path = files.folder.join(NamePattern(&files.name).manifest());
    let known = match std::fs::read(&path) {
        Ok(text) => Some(Manifest::parse(&text).map_err(|error| LoadError::Corrupt(error.to_string()))?),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(io_error(&path, &error)),
    };
    if !files.single.is_file() {
        return Ok(known);
    }
    let of_single = node::Node::manifest_of_single_file(&files.name);
    let inside = files.folder.join(&files.name);
    let failed = |error: std::io::Error| io_error(&inside, &error);
    match &known {
        None => {
            std::fs::create_dir_all(&files.folder).map_err(failed)?;
            let temporary = NamePattern(&files.name).temporary_manifest();
            // First the manifest: without it the file would not be found in its new place.
            let mut file = Replacement::begin(&path, &temporary).map_err(failed)?;
            file.write(of_single.to_string().as_bytes()).map_err(failed)?;
            file.commit().map_err(failed)?;
        }
        // It was interrupted in between.
        Some(manifest) if *manifest == of_single && !inside.exists() => {}
        Some(_) => return Ok(known),
    }
    std::fs::rename(&files.single, &inside).map_err(failed)?;
    for folder in [Some(&*files.folder), files.single.parent()].into_iter().flatten() {
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
    tracing::info!("Successfully migrated an old-style AOF {} into the AOF directory", files.name);
    Ok(Some(of_single))
}

fn load(
    files: &Files,
    mut manifest: Manifest,
    options: LoadOptions,
    handle: &Handle,
) -> Result<AofSummary, End> {
    let until = files.until.filter(|point| !aside::was_there(&manifest, point));
    let mut total = 0;
    for part in manifest.parts() {
        let path = files.folder.join(&part.name);
        total += std::fs::metadata(&path).map_err(|error| io_error(&path, &error))?.len();
    }
    let mut loading = Loading {
        handle,
        commands: Vec::new(),
        items: Vec::new(),
        before: 0,
        total,
        line: ProgressLine::for_terminal(),
        approach: until.map(Approach::new),
        beyond: None,
    };
    let count = manifest.parts().count();
    let (mut keep, mut ended, mut bytes) = (0, false, 0);
    if files.past {
        for part in past_increments(&manifest, &files.name) {
            loading.past(&files.folder.join(&part.name), &part.name)?;
        }
    }
    if manifest.base.is_none() {
        handle.complete(Completion::AofBase(None));
    }
    let mut options = Some(options);
    for (number, part) in (1..).zip(manifest.parts()) {
        let path = files.folder.join(&part.name);
        let is_base = manifest.base.as_ref() == Some(part);
        let base_options = options.take().filter(|_| is_base);
        let tail = loading.file(&path, &part.name, base_options)?;
        if loading.beyond.is_some() {
            break;
        }
        (keep, ended) = (tail.len, tail.ended);
        if tail.is_cut {
            let name = path.display();
            if number < count || !files.cut_is_fine {
                return Err(LoadError::Corrupt(format!(
                    "Unexpected end of file reading the append only file {name}: it is whole up to byte {} of {}. \
                     `tandem-rdb check --fix {name}` cuts it off there",
                    tail.whole, tail.len
                ))
                .into());
            }
            tracing::warn!(
                "!!! Warning: short read while loading the AOF file {name}!!! AOF loaded anyway because aof-load-truncated is \
                 enabled. It is cut off at byte {}, and had {}",
                tail.whole,
                tail.len
            );
            let cut = OpenOptions::new().write(true).open(&path).and_then(|file| {
                file.set_len(tail.whole)?;
                file.sync_all()
            });
            cut.map_err(|error| io_error(&path, &error))?;
            (keep, ended) = (tail.whole, false);
        }
        bytes += keep;
    }
    loading.flush()?;
    if manifest.increments.is_empty() {
        keep = 0;
    }
    let Some(point) = until else {
        return Ok(AofSummary { manifest, keep, ended, bytes, recovered: Recovery::None });
    };
    let recovered = match (loading.beyond, &loading.approach) {
        (Some(_), Some(approach)) if !approach.has_anything() => {
            return Err(LoadError::Corrupt(format!("nothing was written before {point}")).into());
        }
        (Some(place), approach) => {
            aside::keep(files, &manifest, &point, &place, approach.as_ref())?;
            Recovery::Cut
        }
        (None, approach) => {
            if let Some(approach) = approach {
                approach.end().map_err(|error| unreachable_point(&files.folder, &error))?;
            }
            tracing::warn!("The append only file has nothing beyond {point}: nothing is left out");
            Recovery::NothingBeyond
        }
    };
    manifest.recovered = Some(point);
    Ok(AofSummary { manifest, keep, ended, bytes, recovered })
}

fn unreachable_point(path: &Path, error: &Unreachable) -> LoadError {
    LoadError::Corrupt(format!("The append only file {} cannot be taken back: {error}", path.display()))
}

/// The increments that are history already, in their order. What else is, is a base, and holds no part of the stream.
fn past_increments<'a>(manifest: &'a Manifest, name: &str) -> Vec<&'a PartFile> {
    let is_increment = |part: &&PartFile| NamePattern(name).file(Name::Increment(part.seq)) == part.name;
    let mut parts: Vec<_> = manifest.history.iter().filter(is_increment).collect();
    parts.sort_by_key(|part| part.seq);
    parts
}

struct Loading<'a> {
    handle: &'a Handle,
    /// The next chunk.
    commands: Vec<u8>,
    items: Vec<AofItem>,
    /// Bytes of the files before this one.
    before: u64,
    total: u64,
    line: Option<ProgressLine<std::io::Stderr>>,
    /// On the way to a point, and where the first thing stands that is beyond it.
    approach: Option<Approach>,
    beyond: Option<String>,
}

impl Loading<'_> {
    /// Loads one file; as the base, if there are options for it.
    fn file(&mut self, path: &Path, name: &str, base: Option<LoadOptions>) -> Result<Tail, End> {
        let failed = |error: std::io::Error| io_error(path, &error);
        let mut file = File::open(path).map_err(failed)?;
        let mut magic = [0; 6];
        let known = file.read(&mut magic).map_err(failed)?;
        let is_base = base.is_some();
        let is_snapshot =
            is_base && (magic[..known].starts_with(b"REDIS") || magic[..known].starts_with(b"VALKEY"));
        let mut source = Source::new(&file, path)?;
        let mut from = 0;
        if let Some(options) = base {
            if is_snapshot {
                from = self.snapshot(&mut source, path, options)?;
            } else {
                self.handle.complete(Completion::AofBase(None));
            }
        }
        self.items.push(AofItem::File { name: name.to_owned(), len: source.len() as u64 });
        self.increment(&mut source, path, from, is_base)
    }

    /// Looks through a file that is history already: its lines may be of use.
    fn past(&mut self, path: &Path, name: &str) -> Result<(), End> {
        match self.past_lines(path, name) {
            Ok(()) => Ok(()),
            Err(End::Cancelled) => Err(End::Cancelled),
            Err(End::Failed(error)) => {
                self.items.push(AofItem::PastFailed(error.to_string()));
                Ok(())
            }
        }
    }

    fn past_lines(&mut self, path: &Path, name: &str) -> Result<(), End> {
        let file = File::open(path).map_err(|error| io_error(path, &error))?;
        let mut source = Source::new(&file, path)?;
        self.items.push(AofItem::Past { name: name.to_owned(), len: source.len() as u64 });
        let (mut reader, mut at) = (Reader::new(), 0);
        loop {
            let step = reader
                .next(&source.bytes()[at..])
                .map_err(|damage| LoadError::Corrupt(format!("{}: {damage}", path.display())))?;
            match step {
                Step::Item { item, len } => {
                    if let Item::Annotation(line) = item {
                        self.items.push(AofItem::Line { line, at: at as u64 });
                    }
                    at += len;
                    if self.items.len() >= CHUNK_ITEMS {
                        self.flush()?;
                    }
                }
                Step::NeedsMore => {
                    if !source.read_on().map_err(|error| io_error(path, &error))? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Loads the snapshot in front of a file; gives its length.
    fn snapshot(&mut self, source: &mut Source, path: &Path, options: LoadOptions) -> Result<usize, End> {
        let handle = self.handle;
        let total = self.total;
        let loaded = thread::scope(|scope| {
            let mut feeder = Feeder::new(options, handle, scope);
            feeder.expect(total, source.len() as u64);
            while !feeder.is_finished() && source.read_on().map_err(|error| io_error(path, &error))? {
                if !feeder.read(source.bytes())? {
                    return Ok(None);
                }
                feeder.report();
            }
            feeder.finish().map(Some)
        })?;
        let Some(loaded) = loaded else { return Err(End::Cancelled) };
        let len = loaded.bytes as usize;
        if let Some(approach) = &mut self.approach {
            let offset = loaded.identity.map(|identity| identity.offset.0);
            let reached = approach.snapshot(offset, loaded.created_unix_s);
            reached.map_err(|error| unreachable_point(path, &error))?;
        }
        handle.complete(Completion::AofBase(Some(loaded)));
        Ok(len)
    }

    /// Loads commands from a byte of the file on, to its end, or to where it goes beyond the point.
    fn increment(
        &mut self,
        source: &mut Source,
        path: &Path,
        from: usize,
        is_base: bool,
    ) -> Result<Tail, End> {
        let mut reader = Reader::at(from as u64);
        let mut at = from;
        loop {
            let step = reader.next(&source.bytes()[at..]).map_err(|damage| {
                let name = path.display();
                LoadError::Corrupt(format!(
                    "Bad file format reading the append only file {name}: {damage}. `tandem-rdb check {name}` shows it"
                ))
            })?;
            match step {
                Step::Item { item, len } => {
                    if let Some(approach) = &mut self.approach {
                        let before = if is_base {
                            approach.base_item(&item).map(|()| true)
                        } else {
                            approach.comes_before(at as u64, &item)
                        };
                        if !before.map_err(|error| unreachable_point(path, &error))? {
                            self.beyond = Some(format!("byte {at} of {}", path.display()));
                            return Ok(reader.tail(0));
                        }
                    }
                    let begins = at as u64;
                    at += len;
                    match item {
                        Item::Annotation(line) => self.items.push(AofItem::Line { line, at: begins }),
                        Item::Commands { bytes, origin } => {
                            self.commands.extend_from_slice(bytes);
                            self.items.push(AofItem::Commands { at: begins, len: bytes.len(), origin });
                        }
                    }
                    if self.commands.len() >= CHUNK_BYTES || self.items.len() >= CHUNK_ITEMS {
                        self.flush()?;
                        self.report(at as u64);
                    }
                }
                Step::NeedsMore => {
                    if !source.read_on().map_err(|error| io_error(path, &error))? {
                        self.before += source.len() as u64;
                        return Ok(reader.tail((source.bytes().len() - at) as u64));
                    }
                }
            }
        }
    }

    fn report(&mut self, of_file: u64) {
        let bytes = self.before + of_file;
        let progress = LoadProgress { bytes, total: self.total, used_memory: 0 };
        self.handle.complete(Completion::LoadProgress(progress));
        if let Some(line) = &mut self.line {
            line.show(bytes, self.total);
        }
    }

    fn flush(&mut self) -> Result<(), End> {
        if self.items.is_empty() {
            return Ok(());
        }
        if !self.handle.control.take_credit() {
            return Err(End::Cancelled);
        }
        let commands = Bytes::from(std::mem::take(&mut self.commands));
        let items = std::mem::take(&mut self.items);
        self.handle.complete(Completion::AofChunk(AofChunk { commands, items }));
        Ok(())
    }
}

/// The bytes of a file, as far as they have been read.
enum Source {
    Mapped(Mapped, usize),
    /// It cannot be mapped: an empty file, a strange file system.
    Read(Vec<u8>, bool),
}

impl Source {
    fn new(file: &File, path: &Path) -> Result<Source, LoadError> {
        if let Some(mapped) = Mapped::new(file) {
            let len = file.metadata().map_err(|error| io_error(path, &error))?.len() as usize;
            return Ok(Source::Mapped(mapped, len));
        }
        std::fs::read(path).map(|bytes| Source::Read(bytes, false)).map_err(|error| io_error(path, &error))
    }

    fn len(&self) -> usize {
        match self {
            Source::Mapped(_, len) => *len,
            Source::Read(bytes, _) => bytes.len(),
        }
    }

    fn read_on(&mut self) -> std::io::Result<bool> {
        match self {
            Source::Mapped(mapped, _) => mapped.read_on(),
            Source::Read(_, known) => Ok(!std::mem::replace(known, true)),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Source::Mapped(mapped, _) => mapped.bytes(),
            Source::Read(bytes, known) => {
                if *known {
                    bytes
                } else {
                    &[]
                }
            }
        }
    }
}

fn io_error(path: &Path, error: &std::io::Error) -> LoadError {
    LoadError::Io(format!(
        "Fatal error: can't open the append log file {} for reading: {}",
        path.display(),
        reason(error)
    ))
}
