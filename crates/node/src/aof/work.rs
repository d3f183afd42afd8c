//! What the node asks of the thread that writes the append only file, and what it hears of it.

use std::path::PathBuf;

use backlog::{Offset, PastHistory};

/// One thing to do. They are done in the order in which they were asked for.
#[derive(Debug)]
pub enum AofWork {
    /// What is appended from now on goes to this file. What went to the one before is made durable first, in the background as far as
    /// possible. Answered with [`AofEvent::Opened`].
    Open(Box<AofOpen>),
    /// Append to the file. Answered with [`AofEvent::Written`], once for as many of these as were written together.
    Append(AofBatch),
    /// Make durable what has been written so far; appending goes on meanwhile. Answered with [`AofEvent::Synced`].
    Sync,
    /// Another manifest takes the place of the present one, then files are deleted. Answered with [`AofEvent::Switched`].
    Switch(Box<AofSwitch>),
    /// Look for a manifest. Answered with [`AofEvent::Surveyed`].
    Survey {
        /// The folder of the log.
        folder: PathBuf,
        /// The manifest's name there.
        name: String,
    },
    /// Wait so long before each append (DEBUG AOF-FLUSH-SLEEP).
    Slow {
        /// Microseconds.
        us: u64,
    },
    /// Close the file; nothing more is appended.
    Close,
}

/// A file to be opened.
#[derive(Debug)]
pub struct AofOpen {
    /// The folder of the log, which is made if it is not there.
    pub folder: PathBuf,
    /// The file's name there.
    pub file: String,
    /// It exists: it is cut back to so many bytes and goes on behind them. Otherwise it is made, or emptied.
    pub keep: Option<u64>,
    /// What becomes the manifest once the file is there.
    pub manifest: Option<ManifestFile>,
    /// Nothing of what was before counts any more: the files begin here. Otherwise the file follows the one before, which has to have
    /// everything that came before this.
    pub begins: Option<AofBegin>,
}

/// Where files begin.
#[derive(Clone, Copy, Debug)]
pub struct AofBegin {
    /// Events tell it from those of files before.
    pub epoch: u64,
    /// The log stands there.
    pub at: Offset,
}

/// A manifest to be written: under the temporary name first, made durable, then renamed.
#[derive(Clone, Debug)]
pub struct ManifestFile {
    /// Its name.
    pub name: String,
    /// Its name until it is complete.
    pub temporary: String,
    /// What stands in it.
    pub text: String,
}

/// A manifest that takes the place of another.
#[derive(Debug)]
pub struct AofSwitch {
    /// The folder of the log.
    pub folder: PathBuf,
    /// The manifest, which still names the files that are to be deleted.
    pub manifest: ManifestFile,
    /// Those files.
    pub delete: Vec<String>,
    /// The manifest once they are deleted.
    pub after: ManifestFile,
}

/// Pieces to be appended together.
#[derive(Debug)]
pub struct AofBatch {
    /// What to append.
    pub pieces: Vec<AofPiece>,
    /// With this the log is in the file up to here.
    pub upto: Offset,
    /// Batches are numbered: what clients write to a replica moves no offset.
    pub number: u64,
    /// It is to be made durable at once: [`AofEvent::Synced`] follows.
    pub sync: bool,
    /// An earlier append has failed, and the node knows: this one is to be tried again. Until one of these comes, all others are left
    /// out.
    pub resume: bool,
    /// It is the last one before the process ends: once it is durable, [`AofEvent::Ended`] says so in the end.
    pub last: bool,
}

/// What is appended.
#[derive(Debug)]
pub enum AofPiece {
    /// Stands in front of the name of a history.
    Select(u32),
    /// The name of the history.
    History(aof::History, Vec<PastHistory>),
    /// Whole commands of the log, which begin at this offset; or none, to say that the log has gone on to there.
    Span {
        /// Where they begin.
        offset: Offset,
        /// The time, milliseconds since the Unix epoch.
        unix_ms: u64,
        /// Their bytes.
        bytes: Vec<u8>,
    },
    /// Whole commands that clients have written to a replica: they belong to no history.
    Local {
        /// The time, milliseconds since the Unix epoch.
        unix_ms: u64,
        /// Their bytes.
        bytes: Vec<u8>,
    },
    /// The time.
    Time {
        /// Seconds since the Unix epoch.
        unix_s: u64,
    },
    /// Writing ends in good order.
    End {
        /// Where the log stands.
        offset: Offset,
        /// The time, milliseconds since the Unix epoch.
        unix_ms: u64,
        /// The database that is selected in the stream.
        db: u32,
        /// This is a replica.
        replica: bool,
    },
}

impl AofPiece {
    /// Encodes the piece, but for commands behind a line, which stand behind what this appends.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            AofPiece::Select(db) => aof::Writer::select(out, *db),
            AofPiece::History(history, ancestors) => aof::Writer::history(out, *history, ancestors),
            AofPiece::Span { offset, unix_ms, bytes } => {
                let pieces = [&bytes[..]];
                let pieces = if bytes.is_empty() { &[][..] } else { &pieces[..] };
                aof::Writer::span_line(out, *offset, *unix_ms, pieces);
            }
            AofPiece::Local { unix_ms, bytes } => aof::Writer::local_line(out, *unix_ms, bytes),
            AofPiece::Time { unix_s } => aof::Writer::time(out, *unix_s),
            AofPiece::End { offset, unix_ms, db, replica } => {
                aof::Writer::end(out, *offset, *unix_ms, *db, *replica);
            }
        }
    }

    /// Bytes of it that clients have written to a replica.
    pub(super) fn local_len(&self) -> usize {
        if let AofPiece::Local { bytes, .. } = self { bytes.len() } else { 0 }
    }

    /// The commands that stand behind it.
    pub fn commands(&self) -> &[u8] {
        match self {
            AofPiece::Span { bytes, .. } | AofPiece::Local { bytes, .. } => bytes,
            _ => &[],
        }
    }
}

/// What has become of it.
#[derive(Debug)]
pub enum AofEvent {
    /// The file is open and has so many bytes, or could not be opened; then the one before stays.
    Opened(Result<u64, String>),
    /// The log is in the file up to here; the file has so many bytes.
    Written {
        /// Of the files that began with this.
        epoch: u64,
        /// Up to here.
        upto: Offset,
        /// And the batches up to the one with this number.
        batch: u64,
        /// The file's size.
        size: u64,
    },
    /// And durable up to here.
    Synced {
        /// Of the files that began with this.
        epoch: u64,
        /// Up to here.
        upto: Offset,
        /// And the batches up to the one with this number.
        batch: u64,
    },
    /// The last batch is durable. There may be a later one by now.
    Ended {
        /// Up to here.
        upto: Offset,
    },
    /// An append failed. The file ends where the log was at this offset, and everything is left out until a batch comes that says
    /// otherwise.
    WriteFailed {
        /// Of the files that began with this.
        epoch: u64,
        /// Up to here it is in the file.
        written: Offset,
        /// What the system says.
        error: String,
    },
    /// What was written could not be made durable: nobody knows what of it is.
    SyncFailed {
        /// Of the files that began with this.
        epoch: u64,
        /// What the system says.
        error: String,
    },
    /// The manifest is another one, or still the same.
    Switched(Result<(), String>),
    /// The manifest that is there, if there is one.
    Surveyed(Result<Option<aof::Manifest>, String>),
}
