//! Where lines go.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often it is looked whether the log file is still the one its name says: tools that rotate logs rename it, and
/// nobody tells the server.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) enum Sink {
    Stdout,
    File(LogFile),
    Writer(Box<dyn Write + Send>),
}

pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    looked: Option<Instant>,
}

impl Sink {
    pub fn file(path: &Path) -> io::Result<Sink> {
        let file = append_to(path)?;
        // The working directory may change later.
        let path = std::path::absolute(path)?;
        Ok(Sink::File(LogFile { path, file, looked: Some(Instant::now()) }))
    }

    /// Writes, and has nobody to complain to if that fails.
    pub fn write(&mut self, bytes: &[u8]) {
        let _ = match self {
            Sink::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes).and_then(|()| stdout.flush())
            }
            Sink::File(log) => {
                log.follow_name();
                log.file.write_all(bytes)
            }
            Sink::Writer(writer) => writer.write_all(bytes).and_then(|()| writer.flush()),
        };
    }

    /// As if the last look at the file's name were long ago.
    #[cfg(test)]
    pub fn forget_last_look(&mut self) {
        if let Sink::File(log) = self {
            log.looked = None;
        }
    }
}

impl LogFile {
    fn follow_name(&mut self) {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK_EVERY) {
            return;
        }
        self.looked = Some(Instant::now());
        let identity = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
        let open = self.file.metadata().map(identity).ok();
        let named = std::fs::metadata(&self.path).map(identity).ok();
        if open != named
            && let Ok(file) = append_to(&self.path)
        {
            self.file = file;
        }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}
