//! Building a dataset out of a file, or out of the bytes that a master sends.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::thread::{self, Scope};
use std::time::Duration;

use bytes::Bytes;
use node::snapshot::{LoadOptions, Loaded, SnapshotLoader};
use node::{Completion, LoadError, LoadProgress};
use tracing::Dispatch;

use super::Handle;
use crate::files::{Replacement, reason};
use crate::mapped::Mapped;
use crate::progress::ProgressLine;

/// How much is read at once of what cannot be mapped.
const READ_BYTES: usize = 1 << 20;
/// How much is decoded between two looks at the clock when keys are to take time.
const SLOW_FEED_BYTES: usize = 256;
/// The node hears of progress after so many bytes: often enough to keep a connection going that it pauses at a few MiB.
const PROGRESS_BYTES: u64 = 256 * 1024;
/// So many threads at most help with a large snapshot, and no more than there are processors besides the one that decodes: that one cannot
/// keep more of them busy.
const MAX_HELPERS: usize = 3;
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
    thread::scope(|scope| {
        let mut feeder = Feeder::new(options, handle, scope);
        // Pipes have no length.
        if let Some(known) = file.metadata().ok().filter(|known| known.is_file()) {
            feeder.total = known.len();
            feeder.loader.expect_bytes(known.len());
        }
        feeder.line = ProgressLine::for_terminal();
        if let Some(mut mapped) = Mapped::new(&file) {
            while mapped.read_on().map_err(failed)? {
                if !feeder.read(mapped.bytes())? {
                    return Ok(None);
                }
                feeder.report();
            }
            return feeder.finish().map(Some);
        }
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
    })
}

pub(super) fn from_stream(outlet: &Outlet, keep: Option<PathBuf>, options: LoadOptions, handle: &Handle) {
    let loaded = thread::scope(|scope| stream(outlet, keep, Feeder::new(options, handle, scope)));
    match loaded {
        Ok(Some(loaded)) => handle.complete(Completion::Loaded(Ok(loaded))),
        Ok(None) => {}
        Err(error) => handle.complete(Completion::Loaded(Err(error))),
    }
}

fn stream(
    outlet: &Outlet,
    keep: Option<PathBuf>,
    mut feeder: Feeder<'_, '_>,
) -> Result<Option<Box<Loaded>>, LoadError> {
    let mut keeper = keep.map(|path| Keeper::start(&path)).transpose()?;
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

/// A loader, its helpers, and what the node has heard of it.
pub(super) struct Feeder<'scope, 'env> {
    loader: SnapshotLoader,
    handle: &'env Handle,
    scope: &'scope Scope<'scope, 'env>,
    /// Helpers that are still to be called.
    helpers: usize,
    key_delay_us: u64,
    taken: u64,
    /// Bytes in all, where that is known.
    total: u64,
    reported: u64,
    line: Option<ProgressLine<std::io::Stderr>>,
}

impl<'scope, 'env> Feeder<'scope, 'env> {
    pub fn new(options: LoadOptions, handle: &'env Handle, scope: &'scope Scope<'scope, 'env>) -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Feeder {
            key_delay_us: options.key_delay_us,
            loader: SnapshotLoader::new(options),
            handle,
            scope,
            helpers: (processors - 1).min(MAX_HELPERS),
            taken: 0,
            total: 0,
            reported: 0,
            line: None,
        }
    }

    /// The snapshot has so many bytes at most, and is a part of so many.
    pub fn expect(&mut self, total: u64, bytes: u64) {
        self.total = total;
        self.loader.expect_bytes(bytes);
    }

    /// Whether the end of the snapshot has come.
    pub fn is_finished(&self) -> bool {
        self.loader.is_finished()
    }

    /// Takes the next bytes in; `false` if the job was cancelled meanwhile.
    fn feed(&mut self, bytes: &[u8]) -> Result<bool, LoadError> {
        let mut from = 0;
        let feed =
            |loader: &mut SnapshotLoader, to| loader.feed(&bytes[std::mem::replace(&mut from, to)..to]);
        self.take(bytes.len(), feed)
    }

    /// Takes in a snapshot as far as it is known, from its first byte on; `false` if the job was cancelled meanwhile.
    pub fn read(&mut self, snapshot: &[u8]) -> Result<bool, LoadError> {
        let known = self.taken as usize;
        self.take(snapshot.len() - known, |loader, to| loader.read(&snapshot[..known + to]))
    }

    /// Has the loader go on to so many bytes from here, at once or with the pauses that are wanted.
    fn take(
        &mut self,
        len: usize,
        mut go_to: impl FnMut(&mut SnapshotLoader, usize) -> Result<(), LoadError>,
    ) -> Result<bool, LoadError> {
        if self.key_delay_us == 0 {
            go_to(&mut self.loader, len)?;
            self.taken += len as u64;
            self.call_helpers();
            return Ok(!self.handle.control.is_cancelled());
        }
        let begun = self.taken;
        for to in (SLOW_FEED_BYTES..len).step_by(SLOW_FEED_BYTES).chain([len]) {
            let before = self.loader.keys();
            go_to(&mut self.loader, to)?;
            self.taken = begun + to as u64;
            let delay = self.key_delay_us.saturating_mul(self.loader.keys() - before);
            if !self.handle.control.sleep(Duration::from_micros(delay)) {
                return Ok(false);
            }
            // Slow as it is, somebody will want to see that it moves.
            if delay > 0 {
                self.report();
            }
        }
        Ok(true)
    }

    /// Starts the helpers once there is enough to do. They leave when the loader has ended, however it ends.
    fn call_helpers(&mut self) {
        if self.helpers == 0 || !self.loader.wants_help() {
            return;
        }
        for _ in 0..std::mem::take(&mut self.helpers) {
            let crew = self.loader.crew();
            let help = move || crew.help(&mut crate::memory::publish);
            // Without a thread more it goes on, slower.
            let _ = thread::Builder::new().name("load-helper".to_owned()).spawn_scoped(self.scope, help);
        }
    }

    fn report_if_due(&mut self) {
        if self.taken - self.reported >= PROGRESS_BYTES {
            self.report();
        }
    }

    pub fn report(&mut self) {
        if self.taken > self.reported {
            self.reported = self.taken;
            let (total, used_memory) = (self.total, self.loader.used_memory());
            let progress = LoadProgress { bytes: self.taken, total, used_memory };
            self.handle.complete(Completion::LoadProgress(progress));
            if let Some(line) = &mut self.line {
                line.show(self.taken, self.total);
            }
        }
    }

    pub fn finish(mut self) -> Result<Box<Loaded>, LoadError> {
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
        let rename = |error| {
            let error = reason(&error);
            LoadError::Io(format!("Failed trying to rename the temp DB into dump.rdb: {error}"))
        };
        self.join()?.commit().map_err(rename)
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
