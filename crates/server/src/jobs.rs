//! Work off the engine thread: each job has a thread of its own for as long as it runs.
//!
//! A job hands its results to the engine as [`Completion`]s. One that produces chunks waits for credits first, so that
//! never more chunks are under way than the node has asked for; one that consumes them says how far it has come, and the
//! node pauses the connection they come from. Each can be cancelled at any moment, also while it waits.

mod control;
mod free;
mod load;
mod load_aof;
mod read_aof;
mod rewrite;
mod save;
mod send_file;
pub(crate) mod spill;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use node::{
    AofRead, AofWork, Completion, ConnId, JobId, LoadError, LoadJob, LoadSource, SaveJob, SaveTarget,
};
use tracing::Dispatch;

use crate::aof::AofThread;
use crate::event::{Event, EventSender};
use crate::files::reason;
use crate::sys;
use control::Control;
use free::FreeThread;
use load::Inbox;
use read_aof::{ReaderThread, Task};
use spill::SpillThread;

/// How long a job that was cancelled because the server ends is waited for, so that it can remove its temporary file.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How far work that nobody is waiting for stands back where processors are short. A little: it shall still come to its end.
const BACKGROUND_NICE: i32 = 5;

/// How long the engine runs at a time where others want its processor, too.
const SHORT_SLICE: Duration = Duration::from_micros(100);

/// Lets the engine go first: the calling thread, and those that it starts, are less urgent from here on.
fn stand_back() {
    // Where it is not allowed, all are alike.
    let nice = rustix::process::nice(BACKGROUND_NICE).unwrap_or(0);
    let _ = sys::set_time_slice(None, nice);
}

/// A thread on which clients wait: its turn comes soon when it wakes up, even where others have begun theirs. A snapshot being written
/// would otherwise hold up a request for the whole of its turn, some milliseconds, wherever it runs on the same processor.
pub(crate) fn step_forward() {
    let nice = rustix::process::getpriority_process(None).unwrap_or(0);
    let _ = sys::set_time_slice(Some(SHORT_SLICE), nice);
}

/// The jobs that run, and the ways to start one.
pub(crate) struct Jobs {
    running: HashMap<JobId, Running>,
    events: EventSender,
    dispatch: Dispatch,
    free: FreeThread,
    aof: AofThread,
    /// Jobs that were cancelled, until their threads have noticed.
    leaving: Vec<Running>,
    /// Parts of the log that are kept in files. There is hardly ever more than one.
    spills: HashMap<JobId, SpillThread>,
    /// What reads the append only files for replicas.
    readers: HashMap<JobId, ReaderThread>,
}

struct Running {
    control: Arc<Control>,
    thread: Option<JoinHandle<()>>,
    inbox: Option<Inbox>,
    writes_dump: bool,
}

impl Running {
    fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

/// What a job's thread needs to talk to the engine.
struct Handle {
    id: JobId,
    control: Arc<Control>,
    events: EventSender,
}

impl Handle {
    fn complete(&self, what: Completion) {
        // What is handed over is freed by the engine.
        crate::memory::publish();
        self.events.send(Event::Job(self.id, what));
    }
}

impl Jobs {
    pub fn new(events: EventSender, dispatch: Dispatch) -> Jobs {
        Jobs {
            running: HashMap::new(),
            free: FreeThread::new(dispatch.clone()),
            aof: AofThread::new(events.clone(), dispatch.clone()),
            events,
            dispatch,
            leaving: Vec::new(),
            spills: HashMap::new(),
            readers: HashMap::new(),
        }
    }

    /// Writes a snapshot. `incremental` flushes a file while it is written.
    pub fn save(&mut self, job: SaveJob, incremental: bool) {
        let id = job.id;
        let to_file = matches!(job.target, SaveTarget::File(_));
        let failed = |text| Completion::Saved(Err(text));
        if to_file {
            let temporary = self.dump_name(id);
            self.spawn("save", id, None, failed, move |handle| {
                stand_back();
                save::to_file(job, &temporary, incremental, handle)
            });
        } else {
            self.spawn("save", id, None, failed, move |handle| {
                stand_back();
                save::to_stream(job, handle)
            });
        }
        if let Some(running) = self.running.get_mut(&id) {
            running.writes_dump = to_file;
        }
    }

    /// `temp-<pid>.rdb`, which is what operators look for, unless a second dump is written at the same time.
    fn dump_name(&self, id: JobId) -> String {
        let pid = std::process::id();
        let others = self.running.values().chain(self.leaving.iter().filter(|job| !job.is_finished()));
        if others.into_iter().any(|job| job.writes_dump) {
            format!("temp-{pid}-{}.rdb", id.0)
        } else {
            format!("temp-{pid}.rdb")
        }
    }

    /// Hands a file over chunk by chunk.
    pub fn send_file(&mut self, id: JobId, path: PathBuf) {
        let failed = |text| Completion::FileSent(Err(text));
        self.spawn("send-file", id, None, failed, move |handle| {
            handle.complete(Completion::FileSent(send_file::run(&path, handle)));
        });
    }

    /// Gets ready to keep some of the log.
    pub fn begin_spill(&mut self, id: JobId, dir: PathBuf) {
        let handle = Handle { id, control: Arc::default(), events: self.events.clone() };
        self.spills.insert(id, SpillThread::start(dir, handle, self.dispatch.clone()));
    }

    /// Something for the one who keeps it.
    pub fn spill(&mut self, id: JobId, task: spill::Task) {
        if let Some(thread) = self.spills.get(&id) {
            thread.send(task);
        }
    }

    /// Reads some of the stream out of the append only file.
    pub fn read_aof(&mut self, read: Box<AofRead>) {
        let id = read.job;
        let thread = self.readers.entry(id).or_insert_with(|| {
            let handle = Handle { id, control: Arc::default(), events: self.events.clone() };
            ReaderThread::start(handle, self.dispatch.clone())
        });
        if let Err(Task::Read(read)) = thread.send(Task::Read(read)) {
            let result = Err("there is no thread to read it".to_owned());
            let what = Completion::AofRead { conn: read.conn, from: read.from, result };
            self.events.send(Event::Job(id, what));
        }
    }

    /// Nothing more is read for this replica.
    pub fn end_aof_reads(&mut self, id: JobId, conn: ConnId) {
        if let Some(thread) = self.readers.get(&id) {
            let _ = thread.send(Task::End(conn));
        }
    }

    /// Builds a dataset.
    pub fn load(&mut self, job: LoadJob) {
        let failed = |text| Completion::Loaded(Err(LoadError::Io(text)));
        let id = job.id;
        match job.source {
            LoadSource::Aof { folder, name, single, dump, cut_is_fine, until, past } => {
                let files = load_aof::Files { folder, name, single, dump, cut_is_fine, until, past };
                self.spawn("load", id, None, failed, move |handle| {
                    load_aof::run(&files, job.options, handle)
                });
            }
            LoadSource::File(path) => self.spawn("load", id, None, failed, move |handle| {
                load::from_file(&path, job.options, handle);
            }),
            LoadSource::Stream { keep } => {
                let (inbox, outlet) = load::channel_ends();
                self.spawn("load", id, Some(inbox), failed, move |handle| {
                    // The old dataset is served meanwhile.
                    stand_back();
                    load::from_stream(&outlet, keep, job.options, handle);
                });
            }
        }
    }

    /// Replaces the configuration file.
    pub fn rewrite_config(
        &mut self,
        id: JobId,
        path: PathBuf,
        config: Box<config::Config>,
        everything: bool,
    ) {
        let failed = |text| Completion::ConfigRewritten(Err(text));
        self.spawn("rewrite-config", id, None, failed, move |handle| {
            handle.complete(Completion::ConfigRewritten(rewrite::run(&path, &config, everything)));
        });
    }

    /// Replaces a small file.
    pub fn replace_file(&mut self, id: JobId, path: PathBuf, text: Vec<u8>) {
        let failed = |text| Completion::FileReplaced(Err(text));
        self.spawn("replace-file", id, None, failed, move |handle| {
            handle.complete(Completion::FileReplaced(rewrite::replace(&path, &text)));
        });
    }

    /// Replaces the ACL file.
    pub fn save_acl(&mut self, id: JobId, path: PathBuf, text: Vec<u8>) {
        let failed = |text| Completion::AclSaved(Err(text));
        self.spawn("save-acl", id, None, failed, move |handle| {
            handle.complete(Completion::AclSaved(rewrite::replace(&path, &text)));
        });
    }

    /// Reads the ACL file.
    pub fn read_acl(&mut self, id: JobId, path: PathBuf) {
        let failed = |text| Completion::AclRead(Err(text));
        self.spawn("read-acl", id, None, failed, move |handle| {
            handle.complete(Completion::AclRead(std::fs::read(&path).map_err(|error| reason(&error))));
        });
    }

    /// Something for the writer of the append only file.
    pub fn aof(&mut self, work: AofWork) {
        self.aof.ask(work);
    }

    /// Frees something that takes long to free.
    pub fn free(&mut self, what: Box<dyn std::any::Any + Send>) {
        self.free.free(what);
    }

    /// Lets a job hand over so many more chunks.
    pub fn credit(&mut self, id: JobId, chunks: u32) {
        if let Some(job) = self.running.get(&id) {
            job.control.add_credits(chunks);
        }
    }

    /// More bytes for a job that loads.
    pub fn chunk(&mut self, id: JobId, bytes: Bytes) {
        if let Some(inbox) = self.running.get(&id).and_then(|job| job.inbox.as_ref()) {
            inbox.bytes(bytes);
        }
    }

    /// There are no more.
    pub fn end(&mut self, id: JobId) {
        if let Some(inbox) = self.running.get_mut(&id).and_then(|job| job.inbox.take()) {
            inbox.end();
        }
    }

    /// Gives a job up.
    pub fn cancel(&mut self, id: JobId) {
        self.spills.remove(&id);
        self.readers.remove(&id);
        if let Some(mut job) = self.running.remove(&id) {
            job.control.cancel();
            job.inbox = None;
            self.leaving.retain(|job| !job.is_finished());
            self.leaving.push(job);
        }
    }

    /// To be called with every completion: forgets the job after its last one. Answers whether the job was still wanted.
    pub fn note(&mut self, id: JobId, what: &Completion) -> bool {
        match what {
            Completion::Chunk(_)
            | Completion::LoadProgress(_)
            | Completion::AofBase(_)
            | Completion::AofChunk(_) => self.running.contains_key(&id),
            Completion::Spilled(_) | Completion::SpillRead { .. } => self.spills.contains_key(&id),
            Completion::AofRead { .. } => self.readers.contains_key(&id),
            _ => self.running.remove(&id).is_some(),
        }
    }

    /// Gives all jobs up and waits a little for them to clean up behind themselves.
    pub fn shut_down(&mut self) {
        self.spills.clear();
        self.readers.clear();
        let ids: Vec<_> = self.running.keys().copied().collect();
        for id in ids {
            self.cancel(id);
        }
        let begun = Instant::now();
        while self.leaving.iter().any(|job| !job.is_finished()) && begun.elapsed() < LAST_WORDS {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn spawn(
        &mut self,
        name: &str,
        id: JobId,
        inbox: Option<Inbox>,
        failed: fn(String) -> Completion,
        work: impl FnOnce(&Handle) + Send + 'static,
    ) {
        let control = Arc::new(Control::default());
        let handle = Handle { id, control: control.clone(), events: self.events.clone() };
        let dispatch = self.dispatch.clone();
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            tracing::dispatcher::with_default(&dispatch, || {
                // The engine shares nothing with a job that a panic could leave half done: the job fails, that is all.
                if catch_unwind(AssertUnwindSafe(|| work(&handle))).is_err() {
                    handle.complete(failed("an internal error, see the log".to_owned()));
                }
            });
        });
        let thread = match spawned {
            Ok(thread) => Some(thread),
            Err(error) => {
                let text = format!("cannot start a thread: {}", crate::files::reason(&error));
                self.events.send(Event::Job(id, failed(text)));
                None
            }
        };
        self.running.insert(id, Running { control, thread, inbox, writes_dump: false });
    }
}

#[cfg(test)]
mod tests;
