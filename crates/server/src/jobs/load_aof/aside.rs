//! Files as they were before the dataset was taken back to a moment: a folder of its own beside theirs, which can be started from.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use aof::{Approach, Manifest, NamePattern, Point};
use node::LoadError;

use super::Files;
use crate::files::{Replacement, reason};

/// Whether the files have been taken back to the point before. Once is enough: what was written since lies beyond it.
pub(super) fn was_there(manifest: &Manifest, point: &Point) -> bool {
    let was = manifest.recovered == Some(*point);
    if was {
        tracing::warn!(
            "The append only file has been taken back to {point} before, and is not again: \
             aof-recover-until-time and aof-recover-until-offset can be removed"
        );
    }
    was
}

/// Keeps all files under second names, and says where and why.
pub(super) fn keep(
    files: &Files,
    manifest: &Manifest,
    point: &Point,
    beyond: &str,
    reached: Option<&Approach>,
) -> Result<(), LoadError> {
    let (folder, result) = second_names(files, manifest);
    if let Err(error) = result {
        return Err(LoadError::Io(format!(
            "The append only file cannot be kept aside in {}, and is not taken back: {}",
            folder.display(),
            reason(&error)
        )));
    }
    let offset = reached.and_then(Approach::offset).map(|offset| format!(" to offset {offset}"));
    tracing::warn!(
        "The append only file is taken back to {point}{}: what follows from {beyond} on is left out. All of it as it was is kept in {}",
        offset.unwrap_or_default(),
        folder.display()
    );
    Ok(())
}

fn second_names(files: &Files, manifest: &Manifest) -> (PathBuf, io::Result<()>) {
    let mut now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64);
    loop {
        let mut name = files.folder.file_name().map_or_else(OsString::new, OsString::from);
        name.push(format!(".kept-{now}"));
        let folder = files.folder.with_file_name(name);
        match std::fs::create_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => now += 1,
            Err(error) => return (folder, Err(error)),
            Ok(()) => {
                let result = fill(files, manifest, &folder);
                return (folder, result);
            }
        }
    }
}

fn fill(files: &Files, manifest: &Manifest, folder: &Path) -> io::Result<()> {
    for part in manifest.parts() {
        let (from, to) = (files.folder.join(&part.name), folder.join(&part.name));
        // None of them is written to any more. Not every file system has links.
        if std::fs::hard_link(&from, &to).is_err() {
            std::fs::copy(&from, &to)?;
            File::open(&to)?.sync_all()?;
        }
    }
    let manifest = Manifest { history: Vec::new(), ..manifest.clone() };
    let names = NamePattern(&files.name);
    let mut file = Replacement::begin(&folder.join(names.manifest()), &names.temporary_manifest())?;
    file.write(manifest.to_string().as_bytes())?;
    file.commit()?;
    for folder in [Some(folder), folder.parent()].into_iter().flatten() {
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
    Ok(())
}
