//! Reading the stream out of the append only files, for replicas that are further behind than memory goes.
//!
//! One thread reads for all of them. It remembers for each where it is, so that a replica that is read one piece after the other costs
//! each byte of the file one look. Files are mapped, as far as they are known to be written.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use aof::{Source, StreamReader};
use memmap2::{Advice, Mmap};
use node::{AofRead, AofStream, Completion, ConnId};
use tracing::Dispatch;

use super::Handle;
use crate::files::reason;

/// Pages are asked for in stretches of so many bytes.
const STRETCH: usize = 1 << 20;

/// What is asked of the thread.
pub(super) enum Task {
    Read(Box<AofRead>),
    End(ConnId),
}

/// The engine's end. Dropped, it ends the thread and with it the maps.
pub(super) struct ReaderThread {
    tasks: Sender<Task>,
    control: Arc<super::Control>,
}

impl ReaderThread {
    pub fn start(handle: Handle, dispatch: Dispatch) -> ReaderThread {
        let (tasks, inbox) = channel();
        let control = handle.control.clone();
        let spawned = std::thread::Builder::new().name("read-aof".to_owned()).spawn(move || {
            tracing::dispatcher::with_default(&dispatch, || {
                let mut readings = Readings::default();
                while let Ok(task) = inbox.recv() {
                    if handle.control.is_cancelled() {
                        return;
                    }
                    match task {
                        Task::End(conn) => readings.end(conn),
                        Task::Read(read) => {
                            // What a panic leaves half done is this replica's place in its file.
                            let result = catch_unwind(AssertUnwindSafe(|| readings.read(&read)));
                            let result = result.unwrap_or_else(|_| {
                                readings.end(read.conn);
                                Err("an internal error, see the log".to_owned())
                            });
                            let (conn, from) = (read.conn, read.from);
                            handle.complete(Completion::AofRead { conn, from, result });
                        }
                    }
                }
            });
        });
        if let Err(error) = spawned {
            tracing::warn!("The append only files cannot be read: no thread: {}", reason(&error));
        }
        ReaderThread { tasks, control }
    }

    /// Hands something over; gives it back if there is no thread.
    pub fn send(&self, task: Task) -> Result<(), Task> {
        self.tasks.send(task).map_err(|refused| refused.0)
    }
}

impl Drop for ReaderThread {
    fn drop(&mut self) {
        self.control.cancel();
    }
}

/// What is being read for whom.
#[derive(Default)]
struct Readings(HashMap<ConnId, Reading>);

impl Readings {
    fn read(&mut self, wanted: &AofRead) -> Result<AofStream, String> {
        let failed = |text: String| format!("{}: {text}", wanted.path.display());
        let goes_on = |reading: &&mut Reading| {
            reading.file.path == wanted.path && reading.stream.offset() == wanted.from
        };
        let reading = match self.0.get_mut(&wanted.conn).filter(goes_on) {
            Some(_) => self.0.get_mut(&wanted.conn),
            None => {
                let (position, offset) = wanted.mark;
                let file = MappedFile::open(&wanted.path).map_err(|error| failed(reason(&error)))?;
                let reading = Reading { file, stream: StreamReader::at(position, offset) };
                self.0.insert(wanted.conn, reading);
                self.0.get_mut(&wanted.conn)
            }
        };
        let Some(reading) = reading else { return Err(failed("it is not open".to_owned())) };
        let result = reading.read(wanted);
        if result.is_err() {
            self.end(wanted.conn);
        }
        result.map_err(failed)
    }

    fn end(&mut self, conn: ConnId) {
        self.0.remove(&conn);
    }
}

/// One replica's place in one file.
struct Reading {
    file: MappedFile,
    stream: StreamReader,
}

impl Reading {
    fn read(&mut self, wanted: &AofRead) -> Result<AofStream, String> {
        self.file.grow_to(wanted.size).map_err(|error| reason(&error))?;
        let Reading { file, stream } = self;
        let mut bytes = Vec::with_capacity(wanted.len);
        stream.seek(file, wanted.from, wanted.to).map_err(|error| error.to_string())?;
        stream.read(file, wanted.len, wanted.to, &mut bytes).map_err(|error| error.to_string())?;
        Ok(AofStream { bytes: bytes.into(), settled: stream.is_settled() })
    }
}

/// A file that others append to, mapped as far as it is known to be written.
struct MappedFile {
    path: Arc<Path>,
    file: File,
    map: Option<Mmap>,
    /// These bytes of the map are in memory.
    ready: std::ops::Range<usize>,
}

impl MappedFile {
    fn open(path: &Arc<Path>) -> io::Result<MappedFile> {
        Ok(MappedFile { path: Arc::clone(path), file: File::open(path)?, map: None, ready: 0..0 })
    }

    fn grow_to(&mut self, size: u64) -> io::Result<()> {
        let len = usize::try_from(size).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        // Somebody may have done away with what was written.
        if self.file.metadata()?.len() < size {
            return Err(io::Error::other("it has become shorter"));
        }
        if len == 0 || self.map.as_ref().is_some_and(|map| map.len() == len) {
            return Ok(());
        }
        self.map = Some(crate::sys::map_beginning(&self.file, len)?);
        self.ready = 0..0;
        Ok(())
    }
}

/// Pages are asked for before they are looked at: what cannot be had is an error then, and not the end of the process.
impl Source for MappedFile {
    type Error = io::Error;

    fn bytes(&mut self, from: u64, len: usize) -> io::Result<&[u8]> {
        let Some(map) = &self.map else { return Ok(&[]) };
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(map.len());
        let to = from.saturating_add(len).min(map.len());
        let mut at = from;
        if self.ready.contains(&from) {
            at = self.ready.end;
        } else {
            self.ready = from..from;
        }
        while at < to {
            let now = STRETCH.min(map.len() - at);
            match map.advise_range(Advice::PopulateRead, at, now) {
                // Kernels before 5.14 do not know how.
                Err(error) if error.kind() != io::ErrorKind::InvalidInput => {
                    return Err(match error.raw_os_error() {
                        Some(libc::EFAULT) => io::Error::other("it has become shorter, or cannot be read"),
                        _ => error,
                    });
                }
                _ => at += now,
            }
            self.ready.end = at;
        }
        Ok(&map[from..to])
    }
}

#[cfg(test)]
mod tests;
