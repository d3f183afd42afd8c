//! Files: read as configuration, replaced as a whole.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The file system and the standard input, as [`config::load`] wants to see them.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskFiles;

impl config::Files for DiskFiles {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn glob(&self, pattern: &str) -> io::Result<Vec<PathBuf>> {
        let paths =
            glob::glob(pattern).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        // The iterator is sorted already.
        paths.map(|path| path.map_err(io::Error::from)).collect()
    }

    fn stdin(&self) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        io::stdin().lock().read_to_end(&mut text)?;
        Ok(text)
    }
}

/// After so many bytes the kernel is asked to begin writing them to the disk, so that the fsync at the end has little left
/// to wait for.
const WRITEBACK_BYTES: u64 = 4 << 20;

/// A file that takes the place of another once it is complete. Until then it has a temporary name beside it; dropped
/// before [`Replacement::commit`], it is removed and the old file stays as it was.
#[derive(Debug)]
pub(crate) struct Replacement {
    file: File,
    temporary: PathBuf,
    target: PathBuf,
    written: u64,
    handed_over: u64,
    incremental: bool,
    committed: bool,
}

impl Replacement {
    /// Begins a file for `target` under the name `temporary` in the same directory. What stands under that name is lost.
    pub fn begin(target: &Path, temporary: &str) -> io::Result<Replacement> {
        Replacement::open(target, temporary, OpenOptions::new().write(true).create(true).truncate(true))
    }

    /// As [`Replacement::begin`]; nobody but the owner may read the file.
    pub fn begin_private(target: &Path, temporary: &str) -> io::Result<Replacement> {
        Replacement::open(
            target,
            temporary,
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600),
        )
    }

    fn open(target: &Path, temporary: &str, options: &OpenOptions) -> io::Result<Replacement> {
        let temporary = directory_of(target).join(temporary);
        let file = options.open(&temporary).map_err(|error| about("opening", &temporary, &error))?;
        let target = target.to_owned();
        Ok(Replacement {
            file,
            temporary,
            target,
            written: 0,
            handed_over: 0,
            incremental: false,
            committed: false,
        })
    }

    /// Whether bytes go to the disk while later ones are still being written.
    pub fn flush_as_it_grows(mut self, incremental: bool) -> Replacement {
        self.incremental = incremental;
        self
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).map_err(|error| about("writing", &self.temporary, &error))?;
        self.written += bytes.len() as u64;
        if self.incremental && self.written - self.handed_over >= WRITEBACK_BYTES {
            crate::sys::start_writeback(self.file.as_fd(), self.handed_over, self.written - self.handed_over);
            self.handed_over = self.written;
        }
        Ok(())
    }

    /// Gives the file the permissions of another.
    pub fn set_permissions(&self, permissions: std::fs::Permissions) -> io::Result<()> {
        self.file
            .set_permissions(permissions)
            .map_err(|error| about("setting permissions of", &self.temporary, &error))
    }

    /// Bytes written so far.
    #[cfg(test)]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Makes the file durable and puts it in the place of the target. The rename is what decides: a crash leaves the old
    /// file or the new one, whole.
    pub fn commit(mut self) -> io::Result<()> {
        self.file.sync_all().map_err(|error| about("flushing", &self.temporary, &error))?;
        std::fs::rename(&self.temporary, &self.target).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!(
                    "renaming {} to {}: {}",
                    self.temporary.display(),
                    self.target.display(),
                    reason(&error)
                ),
            )
        })?;
        self.committed = true;
        let directory = directory_of(&self.target);
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|error| about("flushing the directory", directory, &error))
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.committed {
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

/// A file that is removed by whichever thread drops this: that of a large file takes a while.
pub(crate) struct Removal(pub PathBuf);

impl Drop for Removal {
    fn drop(&mut self) {
        match std::fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!("Cannot remove {}: {}", self.0.display(), reason(&error));
            }
            _ => {}
        }
    }
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn about(doing: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{doing} {}: {}", path.display(), reason(error)))
}

/// An error's text as C programs print it, without the number that Rust appends.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::Files;
    use std::os::unix::fs::{MetadataExt, symlink};

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn replaces_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("dump.rdb");
        std::fs::write(&target, "old").unwrap();
        let mut file = Replacement::begin(&target, "temp-1.rdb").unwrap().flush_as_it_grows(true);
        let block = vec![7; 1 << 20];
        for _ in 0..9 {
            file.write(&block).unwrap();
        }
        assert_eq!(file.written(), 9 << 20);
        assert_eq!(std::fs::read(&target).unwrap(), b"old");
        file.commit().unwrap();
        assert_eq!(std::fs::metadata(&target).unwrap().len(), 9 << 20);
        assert_eq!(names(dir.path()), ["dump.rdb"]);
    }

    #[test]
    fn leaves_nothing_behind_when_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("dump.rdb");
        std::fs::write(&target, "old").unwrap();
        let mut file = Replacement::begin(&target, "temp-1.rdb").unwrap();
        file.write(b"half").unwrap();
        assert_eq!(names(dir.path()), ["dump.rdb", "temp-1.rdb"]);
        drop(file);
        assert_eq!(names(dir.path()), ["dump.rdb"]);
        assert_eq!(std::fs::read(&target).unwrap(), b"old");
    }

    #[test]
    fn a_full_disk_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("dump.rdb");
        symlink("/dev/full", dir.path().join("temp-1.rdb")).unwrap();
        let mut file = Replacement::begin(&target, "temp-1.rdb").unwrap();
        let error = file.write(b"anything").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(error.to_string().ends_with("temp-1.rdb: No space left on device"), "{error}");
        drop(file);
        assert!(names(dir.path()).is_empty());
    }

    #[test]
    fn private_files_are_for_the_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("redis.conf");
        Replacement::begin_private(&target, "temp").unwrap().commit().unwrap();
        assert_eq!(std::fs::metadata(&target).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn bytes_are_handed_to_the_disk_as_the_file_grows_if_that_is_wanted() {
        let dir = tempfile::tempdir().unwrap();
        let block = vec![7; 1 << 20];
        for incremental in [false, true] {
            let target = dir.path().join("dump.rdb");
            let mut file = Replacement::begin(&target, "temp").unwrap().flush_as_it_grows(incremental);
            (0..9).for_each(|_| file.write(&block).unwrap());
            assert_eq!(file.handed_over, if incremental { 2 * WRITEBACK_BYTES } else { 0 });
        }
    }

    #[test]
    fn a_file_is_removed_when_its_removal_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dump.rdb");
        std::fs::write(&path, "old").unwrap();
        let removal = Removal(path.clone());
        assert!(path.exists());
        drop(removal);
        assert!(!path.exists());
        drop(Removal(path));
    }

    #[test]
    fn a_missing_directory_is_reported() {
        let error = Replacement::begin(Path::new("/nonexistent/dump.rdb"), "temp-1.rdb").unwrap_err();
        assert_eq!(error.to_string(), "opening /nonexistent/temp-1.rdb: No such file or directory");
    }

    #[test]
    fn patterns_find_files_in_order() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.conf", "a.conf", "c.txt"] {
            std::fs::write(dir.path().join(name), name).unwrap();
        }
        let found = DiskFiles.glob(&format!("{}/*.conf", dir.path().display())).unwrap();
        assert_eq!(found, [dir.path().join("a.conf"), dir.path().join("b.conf")]);
        assert_eq!(DiskFiles.read(&found[0]).unwrap(), b"a.conf");
        assert!(DiskFiles.glob("/none/*").unwrap().is_empty());
        assert!(DiskFiles.glob("/***").is_err());
    }
}
