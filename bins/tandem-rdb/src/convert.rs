//! `convert`: the same content in another version of the format.
//!
//! What has been read is written again, event by event; nothing is gathered.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use rdb::{Event, Flavor, WriteError, WriteOptions, Writer};

use crate::Outcome;
use crate::cli::ConvertArgs;
use crate::source::Source;
use crate::text;

/// As much is gathered before it goes to the file.
const FLUSH: usize = 256 * 1024;

pub fn run(args: &ConvertArgs, out: &mut dyn Write) -> Result<Outcome> {
    let flavor = if args.to_version == 80 { Flavor::Valkey } else { Flavor::Redis };
    let options = WriteOptions {
        flavor,
        version: args.to_version,
        compress: !args.no_compression,
        checksum: !args.no_checksum,
        drop_field_expiry: args.drop_field_expiry,
    };
    let target = Target::create(&args.to)?;
    let mut converter = Converter {
        writer: Writer::new(options),
        target,
        db: 0,
        key: Vec::new(),
        keys: 0,
        buffer: Vec::new(),
    };
    let read = Source::open(&args.from, "converting")?.read(&mut |event, _| converter.event(&event));
    read.map_err(|stop| stop.into_error(&args.from))?;
    converter.flush(0)?;
    converter.target.finish()?;
    writeln!(out, "{}: {} keys in version {}", args.to.display(), converter.keys, args.to_version)?;
    Ok(Outcome::Good)
}

/// A file that takes its place when it is complete.
struct Target {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    done: bool,
}

impl Target {
    fn create(path: &Path) -> Result<Target> {
        let mut name = path.file_name().context("the file to write has no name")?.to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let temporary = path.with_file_name(name);
        let file =
            File::create_new(&temporary).with_context(|| format!("cannot create {}", temporary.display()))?;
        Ok(Target { file, temporary, path: path.to_owned(), done: false })
    }

    fn finish(&mut self) -> Result<()> {
        self.file.sync_all().context("cannot write to the disk")?;
        std::fs::rename(&self.temporary, &self.path)
            .with_context(|| format!("cannot put {} into its place", self.path.display()))?;
        self.done = true;
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if !self.done {
            // Nothing more can be done about it than has been tried.
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

struct Converter {
    writer: Writer,
    target: Target,
    /// The database and key that came last.
    db: u64,
    key: Vec<u8>,
    keys: u64,
    /// What is on its way to the file, and then memory for the next.
    buffer: Vec<u8>,
}

impl Converter {
    fn event(&mut self, event: &Event<'_>) -> Result<()> {
        match event {
            Event::SelectDb(db) => self.db = *db,
            Event::Entry { key, .. } | Event::Begin { key, .. } => {
                self.keys += 1;
                self.key.clear();
                self.key.extend_from_slice(key);
            }
            _ => {}
        }
        self.writer.event(event).map_err(|error| {
            let advice = match error {
                WriteError::FieldExpiry { .. } => ": choose 12 or 80, or --drop-field-expiry",
                _ => "",
            };
            let place = match self.keys {
                0 => String::new(),
                _ => format!("key {} of database {}: ", text::quoted(&self.key), self.db),
            };
            anyhow!("{place}{error}{advice}")
        })?;
        self.flush(FLUSH)
    }

    /// Writes what has been gathered, if it is as much.
    fn flush(&mut self, at_least: usize) -> Result<()> {
        if self.writer.pending() > at_least {
            self.buffer = self.writer.take_with(std::mem::take(&mut self.buffer));
            self.target.file.write_all(&self.buffer).context("cannot write")?;
        }
        Ok(())
    }
}
