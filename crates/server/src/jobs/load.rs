//! Building a dataset out of a file, or out of the bytes that a master sends.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::time::Duration;

use bytes::Bytes;
use node::snapshot::{LoadOptions, Loaded, SnapshotLoader};
use node::{Completion, LoadError};
use tracing::Dispatch;

use super::Handle;
use crate::files::{Replacement, reason};

/// How much of a file is read at once.
const READ_BYTES: usize = 1 << 20;
/// How much is decoded between two looks at the clock when keys are to take time.
const SLOW_FEED_BYTES: usize = 256;
/// The node hears of progress after so many bytes: often enough to keep a connection going that it pauses at a few MiB.
const PROGRESS_BYTES: u64 = 256 * 1024;
/// Chunks that may wait to be kept on the disk. What a node lets wait in front of the loader bounds the chunks before that.
const KEEP_QUEUE: usize = 64;

/// The engine's end of the way to a loader.
///
/// The channel has no bound of its own, since the engine can't wait: the node pauses the connection that the bytes come
/// from when [`Completion::LoadProgress`] falls behind.
pub(super) struct Inbox(Sender<Inbound>);

enum Inbound {
    Bytes(Bytes),
    End,
}

/// The loader's end.
pub(super) struct Outlet(Receiver<Inbound>);

pub(super) fn channel_ends() -> (Inbox, Outlet) {
    let (sender, receiver) = channel();
    (Inbox(sender), Outlet(receiver))
}

impl Inbox {
    pub fn bytes(&self, bytes: Bytes) {
        // A loader that has failed has said so already.
        let _ = self.0.send(Inbound::Bytes(bytes));
    }

    pub fn end(self) {
        let _ = self.0.send(Inbound::End);
    }
}

pub(super) fn from_file(path: &Path, options: LoadOptions, handle: &Handle) {
    match file(path, options, handle) {
        Ok(Some(loaded)) => handle.complete(Completion::Loaded(Ok(loaded))),
        Ok(None) => {}
        Err(error) => handle.complete(Completion::Loaded(Err(error))),
    }
}

fn file(path: &Path, options: LoadOptions, handle: &Handle) -> Result<Option<Box<Loaded>>, LoadError> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => LoadError::NotFound,
        _ => LoadError::Io(format!("reading {}: {}", path.display(), reason(&error))),
    };
    let mut file = File::open(path).map_err(failed)?;
    let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Sequential);
    let mut feeder = Feeder::new(options, handle);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return feeder.finish().map(Some),
            Ok(len) => {
                if !feeder.feed(&buffer[..len])? {
                    return Ok(None);
                }
                feeder.report();
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

pub(super) fn from_stream(outlet: &Outlet, keep: Option<PathBuf>, options: LoadOptions, handle: &Handle) {
    match stream(outlet, keep, options, handle) {
        Ok(Some(loaded)) => handle.complete(Completion::Loaded(Ok(loaded))),
        Ok(None) => {}
        Err(error) => handle.complete(Completion::Loaded(Err(error))),
    }
}

fn stream(
    outlet: &Outlet,
    keep: Option<PathBuf>,
    options: LoadOptions,
    handle: &Handle,
) -> Result<Option<Box<Loaded>>, LoadError> {
    let mut keeper = keep.map(|path| Keeper::start(&path)).transpose()?;
    let mut feeder = Feeder::new(options, handle);
    loop {
        let next = match outlet.0.try_recv() {
            Ok(next) => next,
            Err(TryRecvError::Empty) => {
                // About to wait: whoever sends must not wait for us in turn.
                feeder.report();
                match outlet.0.recv() {
                    Ok(next) => next,
                    Err(_) => return Ok(None),
                }
            }
            Err(TryRecvError::Disconnected) => return Ok(None),
        };
        match next {
            Inbound::Bytes(bytes) => {
                if let Some(keeper) = &mut keeper {
                    keeper.keep(bytes.clone())?;
                }
                if !feeder.feed(&bytes)? {
                    return Ok(None);
                }
                feeder.report_if_due();
            }
            Inbound::End => {
                let loaded = feeder.finish()?;
                if let Some(keeper) = keeper {
                    keeper.finish()?;
                }
                return Ok(Some(loaded));
            }
        }
    }
}

/// A loader, and what the node has heard of it.
struct Feeder<'a> {
    loader: SnapshotLoader,
    handle: &'a Handle,
    key_delay_us: u64,
    taken: u64,
    reported: u64,
}

impl<'a> Feeder<'a> {
    fn new(options: LoadOptions, handle: &'a Handle) -> Feeder<'a> {
        let key_delay_us = options.key_delay_us;
        Feeder { loader: SnapshotLoader::new(options), handle, key_delay_us, taken: 0, reported: 0 }
    }

    /// Takes bytes in; `false` if the job was cancelled meanwhile.
    fn feed(&mut self, bytes: &[u8]) -> Result<bool, LoadError> {
        if self.key_delay_us == 0 {
            self.loader.feed(bytes)?;
        } else {
            for piece in bytes.chunks(SLOW_FEED_BYTES) {
                let before = self.loader.keys();
                self.loader.feed(piece)?;
                let delay = self.key_delay_us.saturating_mul(self.loader.keys() - before);
                if !self.handle.control.sleep(Duration::from_micros(delay)) {
                    return Ok(false);
                }
            }
        }
        self.taken += bytes.len() as u64;
        Ok(!self.handle.control.is_cancelled())
    }

    fn report_if_due(&mut self) {
        if self.taken - self.reported >= PROGRESS_BYTES {
            self.report();
        }
    }

    fn report(&mut self) {
        if self.taken > self.reported {
            self.reported = self.taken;
            self.handle.complete(Completion::LoadProgress { bytes: self.taken });
        }
    }

    fn finish(mut self) -> Result<Box<Loaded>, LoadError> {
        self.report();
        self.loader.finish()
    }
}

/// Keeps a copy of a stream in a file, on a thread of its own: the disk and the loader need not wait for each other.
struct Keeper {
    queue: Option<SyncSender<Bytes>>,
    thread: Option<std::thread::JoinHandle<std::io::Result<Replacement>>>,
}

impl Keeper {
    fn start(path: &Path) -> Result<Keeper, LoadError> {
        let now = crate::clock::now().unix_s();
        let temporary = format!("temp-{now}.{}.rdb", std::process::id());
        let mut file = Replacement::begin(path, &temporary).map_err(io_error)?.flush_as_it_grows(true);
        let (sender, receiver) = sync_channel::<Bytes>(KEEP_QUEUE);
        let dispatch = tracing::dispatcher::get_default(Dispatch::clone);
        let thread = std::thread::Builder::new()
            .name("keep".to_owned())
            .spawn(move || {
                tracing::dispatcher::with_default(&dispatch, || {
                    for bytes in receiver {
                        file.write(&bytes)?;
                    }
                    Ok(file)
                })
            })
            .map_err(io_error)?;
        Ok(Keeper { queue: Some(sender), thread: Some(thread) })
    }

    fn keep(&mut self, bytes: Bytes) -> Result<(), LoadError> {
        let queue = self.queue.as_ref().expect("the queue is there until the keeper has ended");
        if queue.send(bytes).is_ok() {
            return Ok(());
        }
        // The thread ends early for one reason only.
        Err(self.join().err().unwrap_or_else(|| LoadError::Io("the copy could not be kept".to_owned())))
    }

    /// Puts the copy in its place.
    fn finish(mut self) -> Result<(), LoadError> {
        self.join()?.commit().map_err(io_error)
    }

    fn join(&mut self) -> Result<Replacement, LoadError> {
        self.queue = None;
        let thread = self.thread.take().expect("a keeper is joined once");
        match thread.join() {
            Ok(result) => result.map_err(io_error),
            Err(_) => Err(LoadError::Io("an internal error, see the log".to_owned())),
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // Given up: the thread drops the file, which removes it.
        if self.thread.is_some() {
            let _ = self.join();
        }
    }
}

fn io_error(error: std::io::Error) -> LoadError {
    LoadError::Io(reason(&error))
}
