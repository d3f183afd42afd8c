//! A machine's disk: files that survive a crash.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Files that were written, fsynced and renamed. What was under way when a machine crashed never got here.
#[derive(Default)]
pub struct Disk {
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Disk {
    pub fn write(&mut self, path: &Path, bytes: Vec<u8>) {
        self.files.insert(path.to_owned(), bytes);
    }

    pub fn read(&self, path: &Path) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    pub fn remove(&mut self, path: &Path) {
        self.files.remove(path);
    }

    /// Loses everything.
    pub fn wipe(&mut self) {
        self.files.clear();
    }
}
