//! What is asked of the writer, in order.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IoSlice, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use backlog::Offset;
use node::{AofBatch, AofBegin, AofEvent, AofOpen, AofPiece, AofSwitch, AofWork, ManifestFile};
use tracing::Dispatch;

use super::flusher::{Flush, Flusher};
use crate::files::{Replacement, reason};

/// How the engine hears of what has been done.
pub(super) type Tell = dyn Fn(AofEvent) + Send + Sync;

/// Slices handed to one vectored write: the kernel takes no more than 1024.
const MAX_SLICES: usize = 1024;
/// So much is gathered before it is written at the latest: nobody waits for the rest meanwhile.
const MAX_GATHERED: usize = 8 << 20;

/// The file that is appended to.
struct Open {
    file: Arc<File>,
    /// Bytes that are surely in it.
    size: u64,
    /// Behind them may stand what was begun and failed: that goes before anything else comes.
    torn: bool,
}

impl Open {
    /// Takes back what was begun: what is appended later must not follow half a command.
    fn mend(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.size)?;
            (&*self.file).seek(SeekFrom::Start(self.size))?;
            self.torn = false;
        }
        Ok(())
    }
}

pub(super) struct Writer {
    open: Option<Open>,
    /// The log is in the files up to here.
    written: Offset,
    /// And the batches up to the one with this number.
    batch: u64,
    /// Which files they are.
    epoch: u64,
    /// An append has failed, and the engine has not said yet that it knows.
    failed: bool,
    /// Batches that are about to be written.
    gathered: Vec<AofBatch>,
    gathered_bytes: usize,
    /// Lines of these batches, in front of their commands.
    lines: Vec<u8>,
    slow: Duration,
    flusher: Flusher,
    tell: Arc<Tell>,
}

impl Writer {
    pub fn new(tell: Box<Tell>, dispatch: Dispatch) -> Writer {
        let tell: Arc<Tell> = tell.into();
        Writer {
            open: None,
            written: Offset(0),
            batch: 0,
            epoch: 0,
            failed: false,
            gathered: Vec::new(),
            gathered_bytes: 0,
            lines: Vec::new(),
            slow: Duration::ZERO,
            flusher: Flusher::new(Arc::clone(&tell), dispatch),
            tell,
        }
    }

    pub fn run(mut self, queue: &Receiver<AofWork>) {
        while let Ok(work) = queue.recv() {
            self.act(work);
            for work in queue.try_iter() {
                self.act(work);
            }
            self.write_gathered();
        }
    }

    fn act(&mut self, work: AofWork) {
        if let AofWork::Append(batch) = work {
            self.gathered_bytes += batch.pieces.iter().map(|piece| piece.commands().len()).sum::<usize>();
            self.gathered.push(batch);
            if self.gathered_bytes >= MAX_GATHERED {
                self.write_gathered();
            }
            return;
        }
        self.write_gathered();
        match work {
            AofWork::Append(_) => unreachable!("just dealt with"),
            AofWork::Open(open) => {
                let result = self.open(&open).map_err(|error| error.to_string());
                (self.tell)(AofEvent::Opened(result));
            }
            AofWork::Sync => match &self.open {
                Some(open) => {
                    self.flusher.flush(Flush {
                        file: Arc::clone(&open.file),
                        epoch: self.epoch,
                        upto: self.written,
                        batch: self.batch,
                    });
                }
                None => {
                    let (epoch, upto, batch) = (self.epoch, self.written, self.batch);
                    (self.tell)(AofEvent::Synced { epoch, upto, batch });
                }
            },
            AofWork::Switch(switch) => {
                let result = switch_manifest(&switch).map_err(|error| error.to_string());
                (self.tell)(AofEvent::Switched(result));
            }
            AofWork::Survey { folder, name } => (self.tell)(AofEvent::Surveyed(survey(&folder.join(name)))),
            AofWork::Slow { us } => self.slow = Duration::from_micros(us),
            AofWork::Close => self.open = None,
        }
    }

    fn open(&mut self, wanted: &AofOpen) -> io::Result<u64> {
        if wanted.begins.is_none() && self.failed {
            return Err(io::Error::other("the file before could not be written"));
        }
        std::fs::create_dir_all(&wanted.folder)?;
        let path = wanted.folder.join(&wanted.file);
        let about = |error: io::Error| {
            io::Error::new(error.kind(), format!("{}: {}", path.display(), reason(&error)))
        };
        let mut options = OpenOptions::new();
        options.write(true).create(wanted.keep.is_none()).truncate(wanted.keep.is_none());
        let mut file = options.open(&path).map_err(about)?;
        let size = wanted.keep.unwrap_or(0);
        file.set_len(size).map_err(about)?;
        file.seek(SeekFrom::Start(size)).map_err(about)?;
        if let Some(manifest) = &wanted.manifest {
            write_manifest(&wanted.folder, manifest)?;
        }
        let before = self.open.replace(Open { file: Arc::new(file), size, torn: false });
        if let Some(AofBegin { epoch, at }) = wanted.begins {
            (self.epoch, self.written, self.failed) = (epoch, at, false);
        } else if let Some(Open { file, .. }) = before {
            let event = Flush { file, epoch: self.epoch, upto: self.written, batch: self.batch }.run();
            if let AofEvent::SyncFailed { .. } = event {
                (self.tell)(event);
            }
        }
        Ok(size)
    }

    fn write_gathered(&mut self) {
        let mut gathered = std::mem::take(&mut self.gathered);
        self.gathered_bytes = 0;
        gathered.retain(|batch| {
            self.failed &= !batch.resume;
            !self.failed
        });
        let Some(last) = gathered.last() else { return };
        let (upto, batch, ends) = (last.upto, last.number, last.last);
        let sync = gathered.iter().any(|batch| batch.sync);
        // Without a file nothing is expected of it.
        let Some(open) = &mut self.open else { return };
        if !self.slow.is_zero() {
            std::thread::sleep(self.slow);
        }
        match append(open, &mut self.lines, gathered.iter().flat_map(|batch| &batch.pieces)) {
            Ok(()) => (self.written, self.batch) = (upto, batch),
            Err(error) => {
                self.failed = true;
                let error = reason(&error);
                let (epoch, written) = (self.epoch, self.written);
                return (self.tell)(AofEvent::WriteFailed { epoch, written, error });
            }
        }
        let epoch = self.epoch;
        let written = AofEvent::Written { epoch, upto, batch, size: open.size };
        if !sync {
            return (self.tell)(written);
        }
        let event = Flush { file: Arc::clone(&open.file), epoch, upto, batch }.run();
        let durable = matches!(event, AofEvent::Synced { .. });
        // Nobody waits for the first of these alone: told together, they wake the engine once.
        (self.tell)(written);
        (self.tell)(event);
        if ends && durable {
            (self.tell)(AofEvent::Ended { upto });
        }
    }
}

/// Appends all of it, or leaves the file as it was: at once, or before the next append.
fn append<'a>(
    open: &mut Open,
    lines: &mut Vec<u8>,
    pieces: impl Iterator<Item = &'a AofPiece> + Clone,
) -> io::Result<()> {
    lines.clear();
    let mut cuts = Vec::new();
    for piece in pieces.clone() {
        piece.encode(lines);
        cuts.push(lines.len());
    }
    let mut slices = Vec::with_capacity(2 * cuts.len());
    let mut from = 0;
    for (piece, to) in pieces.zip(cuts) {
        slices.push(IoSlice::new(&lines[from..to]));
        if !piece.commands().is_empty() {
            slices.push(IoSlice::new(piece.commands()));
        }
        from = to;
    }
    open.mend()?;
    match write_all(&mut &*open.file, &mut slices) {
        Ok(len) => {
            open.size += len;
            Ok(())
        }
        Err(error) => {
            open.torn = true;
            // If that fails, too, it is tried again before the next append.
            let _ = open.mend();
            Err(error)
        }
    }
}

fn write_all(file: &mut &File, mut slices: &mut [IoSlice<'_>]) -> io::Result<u64> {
    let mut total = 0;
    while !slices.is_empty() {
        let now = slices.len().min(MAX_SLICES);
        match file.write_vectored(&slices[..now]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(len) => {
                total += len as u64;
                IoSlice::advance_slices(&mut slices, len);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}

fn write_manifest(folder: &Path, manifest: &ManifestFile) -> io::Result<()> {
    let mut file = Replacement::begin(&folder.join(&manifest.name), &manifest.temporary)?;
    file.write(manifest.text.as_bytes())?;
    file.commit()
}

fn switch_manifest(switch: &AofSwitch) -> io::Result<()> {
    write_manifest(&switch.folder, &switch.manifest)?;
    let mut left = false;
    for name in &switch.delete {
        match std::fs::remove_file(switch.folder.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::warn!("Cannot remove {name}: {}", reason(&error));
                left = true;
            }
            _ => {}
        }
    }
    // What could not be deleted is tried again with the next rewrite.
    if left || switch.after.text == switch.manifest.text {
        return Ok(());
    }
    if let Err(error) = write_manifest(&switch.folder, &switch.after) {
        // The manifest is the new one all the same.
        tracing::warn!("{error}");
    }
    Ok(())
}

fn survey(path: &Path) -> Result<Option<aof::Manifest>, String> {
    match std::fs::read(path) {
        Ok(text) => {
            aof::Manifest::parse(&text).map(Some).map_err(|error| format!("{}: {error}", path.display()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {}", path.display(), reason(&error))),
    }
}

#[cfg(test)]
mod tests;
