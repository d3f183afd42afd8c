//! Keeping some of the log on the disk, and reading it back.
//!
//! The files are of use to this process alone. Each is unlinked as soon as it is open, so that whatever ends the process, the
//! space is free again; one that was caught between the two is removed at the next start.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};

use bytes::Bytes;
use node::{Completion, ConnId, JobId, Offset, Piece};
use tracing::Dispatch;

use super::Handle;
use crate::files::reason;

/// What is not needed any more is freed in steps of so many bytes: one file.
const FILE_BYTES: u64 = 16 * 1024 * 1024;
const PREFIX: &str = "temp-repl-spill-";

/// What is asked of the thread.
pub(crate) enum Task {
    Write(Piece),
    Read { conn: ConnId, from: Offset, len: usize },
    Trim(Offset),
}

/// The engine's end. Dropped, it ends the thread and with it the files.
pub(super) struct SpillThread {
    tasks: Sender<Task>,
    control: std::sync::Arc<super::Control>,
}

impl SpillThread {
    pub fn start(dir: PathBuf, handle: Handle, dispatch: Dispatch) -> SpillThread {
        let (tasks, inbox) = channel();
        let control = handle.control.clone();
        let (id, events) = (handle.id, handle.events.clone());
        let spawned = std::thread::Builder::new().name("spill".to_owned()).spawn(move || {
            tracing::dispatcher::with_default(&dispatch, || {
                let mut files = Files::new(dir, handle.id);
                while let Ok(task) = inbox.recv() {
                    if handle.control.is_cancelled() {
                        return;
                    }
                    if let Some(what) = files.perform(task) {
                        handle.complete(what);
                    }
                }
            });
        });
        if let Err(error) = spawned {
            let text = format!("cannot start a thread: {}", reason(&error));
            events.send(crate::event::Event::Job(id, Completion::Spilled(Err(text))));
        }
        SpillThread { tasks, control }
    }

    pub fn send(&self, task: Task) {
        // Without a thread the engine has been told already.
        let _ = self.tasks.send(task);
    }
}

impl Drop for SpillThread {
    fn drop(&mut self) {
        self.control.cancel();
    }
}

/// One file, and which part of the log it holds.
struct Part {
    file: File,
    start: Offset,
    len: u64,
}

impl Part {
    fn end(&self) -> Offset {
        Offset(self.start.0 + self.len)
    }
}

/// All of them, in the order of the log.
struct Files {
    dir: PathBuf,
    job: JobId,
    parts: VecDeque<Part>,
    next: u64,
    /// Nothing is written behind a hole.
    failed: bool,
}

impl Files {
    fn new(dir: PathBuf, job: JobId) -> Files {
        Files { dir, job, parts: VecDeque::new(), next: 0, failed: false }
    }

    fn perform(&mut self, task: Task) -> Option<Completion> {
        match task {
            Task::Write(_) if self.failed => None,
            Task::Write(piece) => {
                let result = self.write(&piece);
                self.failed = result.is_err();
                Some(Completion::Spilled(result.map(|()| piece.end()).map_err(|error| self.describe(&error))))
            }
            Task::Read { conn, from, len } => {
                let result = self.read(from, len).map_err(|error| self.describe(&error));
                Some(Completion::SpillRead { conn, from, result })
            }
            Task::Trim(before) => {
                while self.parts.len() > 1 && self.parts.front().is_some_and(|part| part.end() <= before) {
                    self.parts.pop_front();
                }
                None
            }
        }
    }

    fn describe(&self, error: &io::Error) -> String {
        format!("in {}: {}", self.dir.display(), reason(error))
    }

    fn write(&mut self, piece: &Piece) -> io::Result<()> {
        let goes_on =
            self.parts.back().is_some_and(|part| part.end() == piece.start() && part.len < FILE_BYTES);
        if !goes_on {
            let part = Part { file: self.open()?, start: piece.start(), len: 0 };
            self.parts.push_back(part);
        }
        let Some(part) = self.parts.back_mut() else { return Ok(()) };
        part.file.write_all_at(piece.bytes(), part.len)?;
        part.len += piece.bytes().len() as u64;
        Ok(())
    }

    fn open(&mut self) -> io::Result<File> {
        self.next += 1;
        let name = format!("{PREFIX}{}-{}-{}", std::process::id(), self.job.0, self.next);
        let path = self.dir.join(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(file)
    }

    fn read(&self, from: Offset, len: usize) -> io::Result<Bytes> {
        let index = self.parts.partition_point(|part| part.end() <= from);
        let part = self.parts.get(index).filter(|part| part.start <= from);
        let Some(part) = part else { return Err(io::ErrorKind::NotFound.into()) };
        let len = len.min(part.end().since(from) as usize);
        let mut bytes = vec![0; len];
        part.file.read_exact_at(&mut bytes, from.since(part.start))?;
        Ok(bytes.into())
    }
}

/// Removes what an earlier process has left in this directory. Another one that lives does not mind: it has its files open, and
/// would have removed them itself.
pub(crate) fn remove_leftovers(dir: &Path) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests;
