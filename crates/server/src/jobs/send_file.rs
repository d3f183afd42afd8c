//! Handing a file over, chunk by chunk.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use node::Completion;

use super::Handle;
use crate::files::reason;

/// One read of the disk, one chunk: as long as a chunk of a streamed snapshot.
const CHUNK_BYTES: usize = 64 * 1024;

/// The bytes handed over, or why it ended early.
pub(super) fn run(path: &Path, handle: &Handle) -> Result<u64, String> {
    let failed = |error: std::io::Error| format!("reading {}: {}", path.display(), reason(&error));
    // The length is the one at the start: the file may be replaced, but not changed.
    let mut file = File::open(path).map_err(failed)?;
    let mut sent = 0;
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let len = file.read(&mut chunk).map_err(failed)?;
        if len == 0 {
            return Ok(sent);
        }
        chunk.truncate(len);
        if !handle.control.take_credit() {
            return Err("given up".to_owned());
        }
        sent += len as u64;
        handle.complete(Completion::Chunk(Bytes::from(chunk)));
    }
}
