//! A file on its way through a reader.

use std::fs::File;
use std::io::{IsTerminal as _, Read};
use std::path::Path;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use rdb::{Event, Reader};

use crate::text;

const CHUNK: usize = 256 * 1024;

/// Where an event stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Offset of its first byte in the file; what precedes a key, like its expiry, belongs to the key's first event. An event
    /// reaches up to the next one's first byte.
    pub from: u64,
    /// The database that was selected last.
    pub db: u64,
}

/// What a command does with each event.
pub type Visitor<'v> = dyn FnMut(Event<'_>, Place) -> anyhow::Result<()> + 'v;

/// Why a file was not read to its end.
#[derive(Debug)]
pub enum Stop {
    /// It is damaged, or of a kind that is not read.
    Damaged(Damage),
    /// Reading it failed, or what was done with it did.
    Failed(anyhow::Error),
}

/// What is wrong with a file, and where.
#[derive(Debug)]
pub struct Damage {
    /// What, with its offset.
    pub error: rdb::Error,
    /// The key whose value was being read, with its database.
    pub inside: Option<(u64, Vec<u8>)>,
    /// The last key that was read whole.
    pub behind: Option<(u64, Vec<u8>)>,
}

impl std::error::Error for Damage {}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.error)?;
        // It is about all bytes, not about those before it.
        if let rdb::Error::ChecksumMismatch { .. } = self.error {
            return write!(f, ": some byte is not what was written, though everything can be read");
        }
        match (&self.inside, &self.behind) {
            (Some((db, key)), _) => write!(f, ", in the value of key {} of database {db}", text::quoted(key)),
            (None, Some((db, key))) => write!(f, ", behind key {} of database {db}", text::quoted(key)),
            (None, None) => write!(f, ", before the first key"),
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Stop {
    fn from(error: E) -> Stop {
        Stop::Failed(error.into())
    }
}

impl Stop {
    /// For commands that need the whole file.
    pub fn into_error(self, path: &Path) -> anyhow::Error {
        match self {
            Stop::Damaged(damage) => anyhow::Error::new(damage).context(path.display().to_string()),
            Stop::Failed(error) => error,
        }
    }
}

/// A file that is read from its beginning to its end, with a progress bar if a terminal is there to see it.
pub struct Source {
    input: Box<dyn Read>,
    name: String,
    bar: ProgressBar,
}

impl Source {
    /// Opens a file; `-` is the standard input.
    pub fn open(path: &Path, doing: &'static str) -> anyhow::Result<Source> {
        if path.as_os_str() == "-" {
            let name = "the standard input".to_owned();
            return Ok(Source { input: Box::new(std::io::stdin()), name, bar: ProgressBar::hidden() });
        }
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let len = file.metadata().with_context(|| format!("cannot look at {}", path.display()))?.len();
        Ok(Source { input: Box::new(file), name: path.display().to_string(), bar: progress(len, doing) })
    }

    /// Hands every event to `f`, in order.
    pub fn read(mut self, f: &mut Visitor<'_>) -> Result<(), Stop> {
        let mut reader = Reader::default();
        let mut chunk = vec![0; CHUNK];
        let mut context = Context::default();
        while !reader.is_finished() {
            let read = self.input.read(&mut chunk).with_context(|| format!("cannot read {}", self.name))?;
            if read == 0 {
                return reader.close().map_err(|error| Stop::Damaged(context.damage(error)));
            }
            reader.feed(&chunk[..read]);
            self.bar.inc(read as u64);
            loop {
                let from = reader.position();
                match reader.next() {
                    Ok(None) => break,
                    Ok(Some(event)) => {
                        context.note(&event);
                        f(event, Place { from, db: context.db })?;
                    }
                    Err(error) => return Err(Stop::Damaged(context.damage(error))),
                }
            }
        }
        self.bar.finish_and_clear();
        Ok(())
    }
}

/// What surrounds the place that is being read.
#[derive(Default)]
struct Context {
    db: u64,
    /// The last key that came, and its database.
    key: Option<(u64, Vec<u8>)>,
    /// Its value is not over.
    open: bool,
}

impl Context {
    fn note(&mut self, event: &Event<'_>) {
        match event {
            Event::SelectDb(db) => self.db = *db,
            Event::Entry { key, .. } | Event::Begin { key, .. } => {
                self.open = matches!(event, Event::Begin { .. });
                let (db, last) = self.key.get_or_insert_default();
                *db = self.db;
                last.clear();
                last.extend_from_slice(key);
            }
            Event::EndOfKey => self.open = false,
            _ => {}
        }
    }

    fn damage(&mut self, error: rdb::Error) -> Damage {
        let key = self.key.take();
        if self.open {
            return Damage { error, inside: key, behind: None };
        }
        Damage { error, inside: None, behind: key }
    }
}

/// A bar on a terminal, and nothing anywhere else.
fn progress(len: u64, doing: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}");
    let bar = ProgressBar::new(len).with_message(doing);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
