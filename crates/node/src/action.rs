//! What a node asks of the world, and what the world answers.
//!
//! A node owns no socket, file or thread. It collects [`Action`]s, which its driver takes with
//! [`Node::take_actions`](crate::Node::take_actions) and carries out; what comes of a job goes back through
//! [`Node::complete`](crate::Node::complete). The tokio server and the deterministic simulator are two such drivers.

use std::any::Any;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use backlog::{Offset, Piece};
use bytes::Bytes;
use keyspace::FrozenKeyspace;

use crate::aof::AofWork;
use crate::aof::load::{AofChunk, AofSummary};
use crate::snapshot::{Loaded, SnapshotHeader, SnapshotOptions};

/// Names one connection: a client, a replica, or the link to the master. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub(crate) u64);

impl ConnId {
    pub(crate) fn new(slot: usize, generation: u32) -> ConnId {
        ConnId(((generation as u64) << 32) | slot as u64)
    }

    /// A small dense number, free to be reused once the connection is closed: an index for the driver's table.
    pub fn slot(self) -> usize {
        (self.0 & 0xffff_ffff) as usize
    }

    /// Tells apart the connections that have had the same slot one after the other.
    pub(crate) fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The value as one number, for tokens of a poller.
    pub fn as_u64(self) -> u64 {
        self.0
    }

    /// The inverse of [`ConnId::as_u64`].
    pub fn from_u64(raw: u64) -> ConnId {
        ConnId(raw)
    }
}

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conn#{}.{}", self.slot(), self.0 >> 32)
    }
}

/// Names one job that the driver carries out off the engine thread. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct JobId(pub u64);

/// Where a snapshot is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SaveTarget {
    /// A file: written under a temporary name in the same directory, fsynced, renamed, the directory fsynced.
    /// The chunks are not handed back.
    File(PathBuf),
    /// Replicas: each chunk comes back as [`Completion::Chunk`], one for every credit given.
    Stream,
}

/// A snapshot to be serialised on another thread.
pub struct SaveJob {
    /// Under which its results come back.
    pub id: JobId,
    /// The data as it was at the freeze.
    pub view: FrozenKeyspace,
    /// What the file says about itself.
    pub header: SnapshotHeader,
    /// How to encode it.
    pub options: SnapshotOptions,
    /// Where to.
    pub target: SaveTarget,
    /// Whether the folder of the file is made if it is not there.
    pub makes_folder: bool,
    /// So many bytes at the beginning are not handed over: whoever gets the rest has them from another pass over the same view.
    pub skip: u64,
    /// The job counts the keys it has written here (INFO `current_save_keys_processed`).
    pub progress: Arc<AtomicU64>,
}

/// Where a dataset is loaded from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadSource {
    /// A file on the disk.
    File(PathBuf),
    /// The chunks that follow as [`Action::LoadChunk`], until [`Action::LoadEnd`]. With a path, the very bytes are also
    /// kept there: written beside it, fsynced and renamed before the job is done.
    Stream {
        /// Where a copy is kept.
        keep: Option<PathBuf>,
    },
    /// The append only file. What is found comes back as [`Completion::AofBase`], then [`Completion::AofChunk`], one for each credit,
    /// and [`Completion::AofLoaded`] at the end. Where there is no such file, the dump is loaded instead, as from
    /// [`LoadSource::File`].
    Aof {
        /// The folder of the log.
        folder: PathBuf,
        /// `appendfilename`.
        name: String,
        /// The one file that the log once was. It becomes the base.
        single: PathBuf,
        /// The dump.
        dump: PathBuf,
        /// The last file may end anywhere (`aof-load-truncated`).
        cut_is_fine: bool,
        /// What lies beyond this is not loaded, unless the manifest says that this was done before. All files are kept aside as they
        /// are then.
        until: Option<aof::Point>,
        /// What files hold that are history already is wanted, too: the increments among them come first, as
        /// [`AofItem::Past`](crate::AofItem::Past), in their order.
        past: bool,
    },
}

/// A dataset to be built on another thread, beside the one that is being served.
pub struct LoadJob {
    /// Under which its results come back.
    pub id: JobId,
    /// Where the bytes come from.
    pub source: LoadSource,
    /// How many databases, which checks.
    pub options: crate::snapshot::LoadOptions,
}

/// A part of the stream to be read out of an increment.
#[derive(Clone, Debug)]
pub struct AofRead {
    /// The job.
    pub job: JobId,
    /// Whom it is for. Each has one of these under way at most, and they mostly go on where the one before ended.
    pub conn: ConnId,
    /// The file.
    pub path: std::sync::Arc<std::path::Path>,
    /// A byte of it, and where the history stands there, not behind `from`: for who has not read this file for this replica before.
    pub mark: (u64, Offset),
    /// So many bytes of it are surely written. What lies behind that is not to be touched: it may be taken back.
    pub size: u64,
    /// The position before the part.
    pub from: Offset,
    /// Bytes of the stream.
    pub len: usize,
    /// Up to here the file holds the history.
    pub to: Offset,
}

/// A part of the stream that was read out of an increment.
#[derive(Clone, Debug)]
pub struct AofStream {
    /// The bytes.
    pub bytes: Bytes,
    /// What follows may be had from somewhere else as well; see [`aof::StreamReader::is_settled`].
    pub settled: bool,
}

/// What a node wants done.
pub enum Action {
    /// Resolve the name and open a TCP connection, off the engine thread; then call
    /// [`Node::connected`](crate::Node::connected). Its bytes then go through `input`, `output`, `written` and `eof` like any other's.
    Connect {
        /// The connection's name from now on.
        conn: ConnId,
        /// Host name or address.
        host: String,
        /// TCP port.
        port: u16,
        /// Give up after so long.
        timeout_ms: u64,
        /// The local address to bind first (`bind-source-addr`), if any.
        bind_source: Option<String>,
        /// Speak TLS there (`tls-replication`).
        tls: bool,
    },
    /// Close the socket now. The node has forgotten the connection already.
    Close(ConnId),
    /// Stop reading from this connection (the loader behind it has enough to do).
    PauseReading(ConnId),
    /// Read from it again.
    ResumeReading(ConnId),
    /// The append only file's writer has something to do; what comes of it goes back through
    /// [`Node::aof_event`](crate::Node::aof_event).
    Aof(AofWork),
    /// Serialise a snapshot.
    Save(Box<SaveJob>),
    /// Read a file and hand it back chunk by chunk, one for every credit.
    SendFile {
        /// Under which the chunks come back.
        job: JobId,
        /// What to read.
        path: PathBuf,
    },
    /// So many more chunks may be handed to the node for this job. A job begins with none.
    Credit {
        /// The job.
        job: JobId,
        /// Chunks.
        chunks: u32,
    },
    /// Get ready to keep some of the log in files in this directory, which disappear when the job is given up, or the process ends.
    BeginSpill {
        /// The job.
        job: JobId,
        /// The directory.
        dir: PathBuf,
    },
    /// Keep this, too; then say so with [`Completion::Spilled`]. Pieces come in order.
    Spill {
        /// The job.
        job: JobId,
        /// The bytes.
        piece: Piece,
    },
    /// Read so many bytes back, or fewer, for this replica.
    ReadSpill {
        /// The job.
        job: JobId,
        /// Whom they are for.
        conn: ConnId,
        /// The position before them.
        from: Offset,
        /// How many.
        len: usize,
    },
    /// Nothing before this position will be read again.
    TrimSpill {
        /// The job.
        job: JobId,
        /// The position.
        before: Offset,
    },
    /// Read some of the stream out of the append only file for a replica, off the engine thread; then say so with
    /// [`Completion::AofRead`]. The first of a job begins it, and it goes on until it is given up.
    ReadAof(Box<AofRead>),
    /// Nothing more will be read for this replica.
    EndAofReads {
        /// The job.
        job: JobId,
        /// Whom it was for.
        conn: ConnId,
    },
    /// Build a dataset.
    Load(Box<LoadJob>),
    /// More bytes for a job that loads from a stream.
    LoadChunk {
        /// The job.
        job: JobId,
        /// The bytes.
        bytes: Bytes,
    },
    /// No more bytes will come.
    LoadEnd(JobId),
    /// Give the job up: no completion is wanted any more, a temporary file is removed.
    Cancel(JobId),
    /// Rewrite the configuration file: read it, pass its text through [`config::Config::rewrite`], or
    /// [`config::Config::rewrite_all`] if it shall say everything, replace it atomically.
    RewriteConfig {
        /// The job.
        job: JobId,
        /// The file.
        path: PathBuf,
        /// The settings to write.
        config: Box<config::Config>,
        /// Those with their default values, too.
        everything: bool,
    },
    /// Replace a small file atomically.
    ReplaceFile {
        /// The job.
        job: JobId,
        /// The file.
        path: PathBuf,
        /// What it shall hold.
        text: Vec<u8>,
    },
    /// Replace the ACL file atomically; it holds hashes of passwords.
    SaveAcl {
        /// The job.
        job: JobId,
        /// The file.
        path: PathBuf,
        /// What it shall hold.
        text: Vec<u8>,
    },
    /// Read the ACL file.
    ReadAcl {
        /// The job.
        job: JobId,
        /// The file.
        path: PathBuf,
    },
    /// Try whether these settings could hold, as far as only the driver can tell: listen there, go there. If so, go on with them;
    /// if not, leave everything as it was. Never more than one of these is under way.
    TrySettings {
        /// The job.
        job: JobId,
        /// Those that would change.
        names: Vec<&'static str>,
        /// All of them as they would be.
        settings: Box<config::Settings>,
    },
    /// These settings were changed at run time; the driver looks whether one is its own (loglevel, maxclients…). What was tried
    /// before is among them, and in force already.
    Settings(Vec<&'static str>),
    /// Drop this elsewhere: freeing it takes long.
    Free(Box<dyn Any + Send>),
    /// Remove this file, elsewhere. Nobody waits for it, and it may be gone already.
    RemoveFile(PathBuf),
    /// Have the allocator give memory that nobody uses back to the system, elsewhere (MEMORY PURGE).
    Purge,
    /// Let the whole engine stand still for so long (DEBUG SLEEP).
    Sleep {
        /// Microseconds.
        us: u64,
    },
    /// End the process.
    Exit {
        /// Its exit code.
        code: i32,
    },
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Connect { conn, host, port, .. } => write!(f, "Connect({conn:?} {host}:{port})"),
            Action::Close(conn) => write!(f, "Close({conn:?})"),
            Action::PauseReading(conn) => write!(f, "PauseReading({conn:?})"),
            Action::ResumeReading(conn) => write!(f, "ResumeReading({conn:?})"),
            Action::Aof(work) => write!(f, "Aof({work:?})"),
            Action::Save(job) => write!(f, "Save({:?} to {:?})", job.id, job.target),
            Action::SendFile { job, path } => write!(f, "SendFile({job:?} {})", path.display()),
            Action::Credit { job, chunks } => write!(f, "Credit({job:?} {chunks})"),
            Action::BeginSpill { job, dir } => write!(f, "BeginSpill({job:?} in {})", dir.display()),
            Action::Spill { job, piece } => write!(f, "Spill({job:?} {}..{})", piece.start(), piece.end()),
            Action::ReadSpill { job, conn, from, len } => {
                write!(f, "ReadSpill({job:?} {len} bytes from {from} for {conn:?})")
            }
            Action::ReadAof(read) => {
                write!(f, "ReadAof({:?} {} bytes from {} for {:?})", read.job, read.len, read.from, read.conn)
            }
            Action::EndAofReads { job, conn } => write!(f, "EndAofReads({job:?} for {conn:?})"),
            Action::TrimSpill { job, before } => write!(f, "TrimSpill({job:?} {before})"),
            Action::Load(job) => write!(f, "Load({:?} from {:?})", job.id, job.source),
            Action::LoadChunk { job, bytes } => write!(f, "LoadChunk({job:?} {} bytes)", bytes.len()),
            Action::LoadEnd(job) => write!(f, "LoadEnd({job:?})"),
            Action::Cancel(job) => write!(f, "Cancel({job:?})"),
            Action::RewriteConfig { job, path, .. } => write!(f, "RewriteConfig({job:?} {})", path.display()),
            Action::ReplaceFile { job, path, .. } => write!(f, "ReplaceFile({job:?} {})", path.display()),
            Action::SaveAcl { job, path, .. } => write!(f, "SaveAcl({job:?} {})", path.display()),
            Action::ReadAcl { job, path } => write!(f, "ReadAcl({job:?} {})", path.display()),
            Action::RemoveFile(path) => write!(f, "RemoveFile({})", path.display()),
            Action::Purge => f.write_str("Purge"),
            Action::TrySettings { job, names, .. } => write!(f, "TrySettings({job:?} {names:?})"),
            Action::Settings(names) => write!(f, "Settings({names:?})"),
            Action::Free(_) => write!(f, "Free"),
            Action::Sleep { us } => write!(f, "Sleep({us} us)"),
            Action::Exit { code } => write!(f, "Exit({code})"),
        }
    }
}

/// Why a dataset could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such file: an instance that starts has no data yet.
    #[error("no such file")]
    NotFound,
    /// Reading or keeping the bytes failed.
    #[error("{0}")]
    Io(String),
    /// The bytes are no dataset.
    #[error("{0}")]
    Corrupt(String),
    /// They are one, and it must not take the place of the present one.
    #[error("a dataset of {keys} keys from an unrelated history")]
    Refused {
        /// How many keys it has.
        keys: u64,
    },
}

/// What became of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaveReport {
    /// Encoded size.
    pub bytes: u64,
    /// Keys written.
    pub keys: u64,
}

/// How far a load has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadProgress {
    /// Bytes taken in.
    pub bytes: u64,
    /// Bytes in all; 0 where the loader can't know.
    pub total: u64,
    /// Bytes of memory that whoever wrote the snapshot used at that time; 0 until the snapshot has said so.
    pub used_memory: u64,
}

/// What came of a job, or of a part of it.
pub enum Completion {
    /// A piece of a streamed snapshot or of a file that is sent.
    Chunk(Bytes),
    /// The snapshot is written, or the last chunk has been handed over.
    Saved(Result<SaveReport, String>),
    /// The file has been handed over to its end.
    FileSent(Result<u64, String>),
    /// The loader has come so far.
    LoadProgress(LoadProgress),
    /// The base of the append only file, if there is one.
    AofBase(Option<Box<Loaded>>),
    /// What follows it.
    AofChunk(AofChunk),
    /// That was all of it, or something is wrong with it.
    AofLoaded(Result<Box<AofSummary>, LoadError>),
    /// The dataset stands.
    Loaded(Result<Box<Loaded>, LoadError>),
    /// The configuration file is written.
    ConfigRewritten(Result<(), String>),
    /// Whether the settings that were to be tried could hold.
    SettingsTried(Result<(), config::SetError>),
    /// Everything up to this position that was to be kept can be read back; or it could not be written.
    Spilled(Result<Offset, String>),
    /// Bytes that were kept, at least one.
    SpillRead {
        /// Whom they are for.
        conn: ConnId,
        /// The position before them.
        from: Offset,
        /// The bytes, or why there are none.
        result: Result<Bytes, String>,
    },
    /// Some of the stream, at least one byte, or why there is none.
    AofRead {
        /// Whom it is for.
        conn: ConnId,
        /// The position before it.
        from: Offset,
        /// The bytes.
        result: Result<AofStream, String>,
    },
    /// The ACL file is written.
    AclSaved(Result<(), String>),
    /// The small file is written.
    FileReplaced(Result<(), String>),
    /// What stands in the ACL file.
    AclRead(Result<Vec<u8>, String>),
}
