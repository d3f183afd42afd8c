//! A machine's disk: files that survive a crash, and lose what was not made durable when the power goes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Default)]
struct Stored {
    bytes: Vec<u8>,
    /// So many bytes survive whatever happens.
    durable: usize,
}

/// What was under way when a machine crashed never got here.
pub struct Disk {
    files: BTreeMap<PathBuf, Stored>,
    /// There is no room for anything more.
    pub full: bool,
    /// How many of 65536 writes to append only files fail, and how many flushes.
    pub failing_writes: u16,
    pub failing_flushes: u16,
}

impl Default for Disk {
    fn default() -> Disk {
        Disk { files: BTreeMap::new(), full: false, failing_writes: 60, failing_flushes: 200 }
    }
}

impl Disk {
    /// A file that was written, made durable and renamed.
    pub fn write(&mut self, path: &Path, bytes: Vec<u8>) {
        let durable = bytes.len();
        self.files.insert(path.to_owned(), Stored { bytes, durable });
    }

    pub fn read(&self, path: &Path) -> Option<&[u8]> {
        self.files.get(path).map(|file| &file.bytes[..])
    }

    /// Cuts a file to so many bytes, or makes an empty one; gives whether it is there now.
    pub fn open(&mut self, path: &Path, keep: Option<u64>) -> bool {
        match keep {
            None => self.write(path, Vec::new()),
            Some(len) => {
                let Some(file) = self.files.get_mut(path) else { return false };
                file.bytes.truncate(len as usize);
                file.durable = file.durable.min(file.bytes.len());
            }
        }
        true
    }

    /// Appends, durable or not; gives the file's length.
    pub fn append(&mut self, path: &Path, bytes: &[u8]) -> u64 {
        let file = self.files.entry(path.to_owned()).or_default();
        file.bytes.extend_from_slice(bytes);
        file.bytes.len() as u64
    }

    /// Makes a file durable; gives its length.
    pub fn sync(&mut self, path: &Path) -> u64 {
        let file = self.files.entry(path.to_owned()).or_default();
        file.durable = file.bytes.len();
        file.durable as u64
    }

    /// The power goes: of what is not durable any beginning is left.
    pub fn lose_power(&mut self, rng: &mut fastrand::Rng) {
        for file in self.files.values_mut() {
            let len = rng.usize(file.durable..=file.bytes.len());
            file.bytes.truncate(len);
            file.durable = len;
        }
    }

    pub fn remove(&mut self, path: &Path) {
        self.files.remove(path);
    }

    /// Loses everything.
    pub fn wipe(&mut self) {
        self.files.clear();
    }
}
