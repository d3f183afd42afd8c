//! Files that are read through a memory map, from front to back.
//!
//! Reading a page that is not there stops the thread until the disk has it, and a page that can't be had, because the disk is broken or
//! the file has been shortened, ends the process. So the kernel is asked for a stretch of pages before they are looked at, which
//! fails like any other call, and to begin with the next stretch meanwhile.

use std::fs::File;
use std::io;

use memmap2::{Advice, Mmap};

/// How much is asked for at once: enough to make the call cheap, and little against the processor's cache.
const STRETCH: usize = 1 << 20;

/// See the module's documentation.
pub(crate) struct Mapped {
    map: Mmap,
    ready: usize,
}

impl Mapped {
    /// Maps a file. `None` if it has to be read in another way: pipes and devices, files without content, and file systems without maps.
    pub fn new(file: &File) -> Option<Mapped> {
        let known = file.metadata().ok()?;
        if !known.is_file() || known.len() == 0 {
            return None;
        }
        let map = crate::sys::map(file).ok()?;
        // The kernel reads further ahead then. A hint like the one below.
        let _ = map.advise(Advice::Sequential);
        Some(Mapped { map, ready: 0 })
    }

    /// Reads a stretch more; `false` when there is no more.
    pub fn read_on(&mut self) -> io::Result<bool> {
        let left = self.map.len() - self.ready;
        let len = left.min(STRETCH);
        if len == 0 {
            return Ok(false);
        }
        if left > len {
            let _ = self.map.advise_range(Advice::WillNeed, self.ready + len, (left - len).min(STRETCH));
        }
        match self.map.advise_range(Advice::PopulateRead, self.ready, len) {
            // Kernels before 5.14 do not know how.
            Err(error) if error.kind() != io::ErrorKind::InvalidInput => {
                return Err(match error.raw_os_error() {
                    Some(libc::EFAULT) => io::Error::other("it has become shorter, or cannot be read"),
                    _ => error,
                });
            }
            _ => self.ready += len,
        }
        Ok(true)
    }

    /// What has been read: the file from its beginning.
    pub fn bytes(&self) -> &[u8] {
        &self.map[..self.ready]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        for len in [1, STRETCH - 1, STRETCH, STRETCH + 1, 3 * STRETCH + 5] {
            let content: Vec<u8> = (0..len).map(|at| (at * 7) as u8).collect();
            std::fs::write(&path, &content).unwrap();
            let mut mapped = Mapped::new(&File::open(&path).unwrap()).unwrap();
            let mut before = 0;
            while mapped.read_on().unwrap() {
                assert!(mapped.bytes().len() > before && content.starts_with(mapped.bytes()));
                before = mapped.bytes().len();
            }
            assert_eq!(before, len);
        }
    }

    #[test]
    fn what_is_no_file_with_content_is_not_mapped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("empty");
        std::fs::write(&path, "").unwrap();
        assert!(Mapped::new(&File::open(&path).unwrap()).is_none());
        assert!(Mapped::new(&File::open("/dev/zero").unwrap()).is_none());
        assert!(Mapped::new(&File::open("/proc/self/stat").unwrap()).is_none());
    }

    #[test]
    fn a_file_that_becomes_shorter_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, vec![1; 4 * STRETCH]).unwrap();
        let mut mapped = Mapped::new(&File::open(&path).unwrap()).unwrap();
        assert!(mapped.read_on().unwrap());
        File::options().write(true).open(&path).unwrap().set_len(2 * STRETCH as u64).unwrap();
        assert!(mapped.read_on().unwrap());
        match mapped.read_on() {
            Err(error) => assert!(error.to_string().contains("shorter"), "{error}"),
            // A kernel that does not know how to populate.
            Ok(more) => assert!(more),
        }
    }
}
