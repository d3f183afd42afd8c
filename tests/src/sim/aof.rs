//! The append only file of a simulated machine: its writer, and its way back.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use aof::{Item, Manifest, Name, NamePattern, Reader, Step};
use backlog::Offset;
use bytes::Bytes;
use node::snapshot::{LoadOptions, SnapshotLoader};
use node::{AofBatch, AofChunk, AofEvent, AofItem, AofSummary, AofWork, Completion, LoadError, Recovery};

use super::disk::Disk;

/// What the writer's thread is to a server.
#[derive(Default)]
pub struct Writer {
    queue: VecDeque<AofWork>,
    open: Option<PathBuf>,
    written: Offset,
    batch: u64,
    epoch: u64,
    failed: bool,
    /// An event that lets it work is on its way.
    pub scheduled: bool,
}

impl Writer {
    pub fn ask(&mut self, work: AofWork) {
        self.queue.push_back(work);
    }

    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Does some of what waits; what has come of it.
    pub fn work(&mut self, disk: &mut Disk, rng: &mut fastrand::Rng) -> Vec<AofEvent> {
        let mut events = Vec::new();
        // What has gathered is written together: a disk that is slow for a moment does not fall behind for good.
        for _ in 0..rng.usize(1..=self.queue.len().max(4)) {
            let Some(work) = self.queue.pop_front() else { break };
            self.act(work, disk, rng, &mut events);
        }
        events
    }

    fn act(&mut self, work: AofWork, disk: &mut Disk, rng: &mut fastrand::Rng, events: &mut Vec<AofEvent>) {
        // Disks fail now and then, and a full one takes nothing.
        let fails = disk.full || rng.u16(..) < disk.failing_writes;
        let error = || "No space left on device".to_owned();
        match work {
            AofWork::Append(batch) => self.append(&batch, fails, disk, rng, events),
            AofWork::Open(_) if fails => events.push(AofEvent::Opened(Err(error()))),
            AofWork::Open(wanted) => {
                if wanted.begins.is_none() && self.failed {
                    return events
                        .push(AofEvent::Opened(Err("the file before could not be written".to_owned())));
                }
                let path = wanted.folder.join(&wanted.file);
                if !disk.open(&path, wanted.keep) {
                    return events.push(AofEvent::Opened(Err("No such file or directory".to_owned())));
                }
                let before = self.open.replace(path);
                if let Some(begin) = wanted.begins {
                    (self.epoch, self.written, self.failed) = (begin.epoch, begin.at, false);
                } else if let Some(before) = before {
                    disk.sync(&before);
                }
                if let Some(manifest) = &wanted.manifest {
                    disk.write(&wanted.folder.join(&manifest.name), manifest.text.clone().into_bytes());
                }
                events.push(AofEvent::Opened(Ok(wanted.keep.unwrap_or(0))));
            }
            AofWork::Sync => match &self.open {
                Some(_) if rng.u16(..) < disk.failing_flushes => {
                    let error = "Input/output error".to_owned();
                    events.push(AofEvent::SyncFailed { epoch: self.epoch, error });
                }
                Some(path) => {
                    disk.sync(path);
                    events.push(self.synced());
                }
                None => events.push(self.synced()),
            },
            AofWork::Switch(_) if fails => events.push(AofEvent::Switched(Err(error()))),
            AofWork::Switch(switch) => {
                disk.write(&switch.folder.join(&switch.manifest.name), switch.manifest.text.into_bytes());
                for name in &switch.delete {
                    disk.remove(&switch.folder.join(name));
                }
                disk.write(&switch.folder.join(&switch.after.name), switch.after.text.into_bytes());
                events.push(AofEvent::Switched(Ok(())));
            }
            AofWork::Survey { folder, name } => {
                let manifest = disk.read(&folder.join(name)).map(Manifest::parse).transpose();
                events.push(AofEvent::Surveyed(manifest.map_err(|error| error.to_string())));
            }
            AofWork::Slow { .. } => {}
            AofWork::Close => self.open = None,
        }
    }

    fn synced(&self) -> AofEvent {
        AofEvent::Synced { epoch: self.epoch, upto: self.written, batch: self.batch }
    }

    fn append(
        &mut self,
        batch: &AofBatch,
        fails: bool,
        disk: &mut Disk,
        rng: &mut fastrand::Rng,
        events: &mut Vec<AofEvent>,
    ) {
        self.failed &= !batch.resume;
        let Some(path) = self.open.as_ref().filter(|_| !self.failed) else { return };
        if fails {
            self.failed = true;
            let error = "No space left on device".to_owned();
            return events.push(AofEvent::WriteFailed { epoch: self.epoch, written: self.written, error });
        }
        let mut bytes = Vec::new();
        for piece in &batch.pieces {
            piece.encode(&mut bytes);
            bytes.extend_from_slice(piece.commands());
        }
        let size = disk.append(path, &bytes);
        (self.written, self.batch) = (batch.upto, batch.number);
        let epoch = self.epoch;
        events.push(AofEvent::Written { epoch, upto: batch.upto, batch: batch.number, size });
        if !batch.sync {
            return;
        }
        if rng.u16(..) < disk.failing_flushes {
            return events.push(AofEvent::SyncFailed { epoch, error: "Input/output error".to_owned() });
        }
        disk.sync(path);
        events.push(self.synced());
        if batch.last {
            events.push(AofEvent::Ended { upto: batch.upto });
        }
    }
}

/// Everything that loading the files comes to, in order. `None` where there are no files.
pub fn load(
    disk: &mut Disk,
    folder: &Path,
    name: &str,
    past: bool,
    options: LoadOptions,
    rng: &mut fastrand::Rng,
) -> Option<Vec<Completion>> {
    let text = disk.read(&folder.join(NamePattern(name).manifest()))?;
    let mut done = Vec::new();
    let result =
        Manifest::parse(text).map_err(|error| LoadError::Corrupt(error.to_string())).and_then(|manifest| {
            if past {
                done.push(Completion::AofChunk(past_lines(disk, folder, &manifest, name)));
            }
            files(disk, folder, manifest, options, rng, &mut done)
        });
    done.push(Completion::AofLoaded(result.map(Box::new)));
    Some(done)
}

/// What stands between the commands of increments that are history already.
fn past_lines(disk: &Disk, folder: &Path, manifest: &Manifest, name: &str) -> AofChunk {
    let mut chunk = AofChunk::default();
    let is_increment = |part: &&aof::PartFile| NamePattern(name).file(Name::Increment(part.seq)) == part.name;
    let mut parts: Vec<_> = manifest.history.iter().filter(is_increment).collect();
    parts.sort_by_key(|part| part.seq);
    for part in parts {
        let Some(content) = disk.read(&folder.join(&part.name)) else {
            chunk.items.push(AofItem::PastFailed(format!("{} is missing", part.name)));
            continue;
        };
        chunk.items.push(AofItem::Past { name: part.name.clone(), len: content.len() as u64 });
        let (mut reader, mut at) = (Reader::new(), 0);
        while let Step::Item { item, len } = reader.next(&content[at..]).expect("nothing damages a file") {
            if let Item::Annotation(line) = item {
                chunk.items.push(AofItem::Line { line, at: at as u64 });
            }
            at += len;
        }
    }
    chunk
}

fn files(
    disk: &mut Disk,
    folder: &Path,
    manifest: Manifest,
    options: LoadOptions,
    rng: &mut fastrand::Rng,
    done: &mut Vec<Completion>,
) -> Result<AofSummary, LoadError> {
    let file = |disk: &Disk, name: &str| {
        disk.read(&folder.join(name))
            .map(<[u8]>::to_vec)
            .ok_or_else(|| LoadError::Io(format!("{name} is missing")))
    };
    let mut bytes = 0;
    match &manifest.base {
        None => done.push(Completion::AofBase(None)),
        Some(base) => {
            let content = file(disk, &base.name)?;
            bytes += content.len() as u64;
            let mut loader = SnapshotLoader::new(options);
            loader.feed(&content)?;
            done.push(Completion::AofBase(Some(loader.finish()?)));
        }
    }
    let (mut keep, mut ended) = (0, false);
    for (number, part) in (1..).zip(&manifest.increments) {
        let content = file(disk, &part.name)?;
        let (mut reader, mut at) = (Reader::new(), 0);
        let begins = AofItem::File { name: part.name.clone(), len: content.len() as u64 };
        let mut chunk = AofChunk { items: vec![begins], ..AofChunk::default() };
        let mut commands = Vec::new();
        loop {
            match reader.next(&content[at..]).map_err(|damage| LoadError::Corrupt(damage.to_string()))? {
                Step::NeedsMore => break,
                Step::Item { item, len } => {
                    let begins = at as u64;
                    at += len;
                    match item {
                        Item::Annotation(line) => chunk.items.push(AofItem::Line { line, at: begins }),
                        Item::Commands { bytes, origin } => {
                            commands.extend_from_slice(bytes);
                            chunk.items.push(AofItem::Commands { at: begins, len: bytes.len(), origin });
                        }
                    }
                    if rng.u8(..8) == 0 {
                        chunk.commands = Bytes::from(std::mem::take(&mut commands));
                        done.push(Completion::AofChunk(std::mem::take(&mut chunk)));
                    }
                }
            }
        }
        chunk.commands = Bytes::from(commands);
        done.push(Completion::AofChunk(chunk));
        let tail = reader.tail((content.len() - at) as u64);
        if tail.is_cut && number < manifest.increments.len() {
            return Err(LoadError::Corrupt(format!("{} is cut off", part.name)));
        }
        disk.open(&folder.join(&part.name), Some(tail.whole));
        (keep, ended) = (tail.whole, tail.ended && !tail.is_cut);
        bytes += keep;
    }
    Ok(AofSummary { manifest, keep, ended, bytes, recovered: Recovery::None })
}
