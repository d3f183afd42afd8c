//! Serialising a frozen view, to a file or to replicas.

use std::time::Duration;

use bytes::Bytes;
use node::snapshot::SnapshotWriter;
use node::{Completion, SaveJob, SaveReport, SaveTarget};

use super::Handle;
use crate::files::Replacement;

/// Writes a dump under a temporary name and puts it in the place of the old one.
pub(super) fn to_file(job: SaveJob, temporary: &str, incremental: bool, handle: &Handle) {
    let SaveTarget::File(path) = &job.target else { unreachable!("the caller has looked at the target") };
    let path = path.clone();
    if job.makes_folder
        && let Some(folder) = path.parent()
    {
        // If that fails, opening the file says so.
        let _ = std::fs::create_dir_all(folder);
    }
    let written = Replacement::begin(&path, temporary).and_then(|file| {
        let mut file = file.flush_as_it_grows(incremental);
        let mut failure = None;
        let report = serialise(job, handle, |chunk| match file.write(&chunk) {
            Ok(()) => true,
            Err(error) => {
                failure = Some(error);
                false
            }
        });
        if let Some(error) = failure {
            return Err(error);
        }
        if report.is_some() {
            file.commit()?;
        }
        Ok(report)
    });
    match written {
        Ok(Some(report)) => handle.complete(Completion::Saved(Ok(report))),
        // Cancelled: nobody waits for an answer.
        Ok(None) => {}
        Err(error) => handle.complete(Completion::Saved(Err(error.to_string()))),
    }
}

/// Hands a snapshot to the node, a chunk for a credit.
pub(super) fn to_stream(job: SaveJob, handle: &Handle) {
    // The next chunk is encoded before its credit is waited for: a replica's socket does not wait for the encoder.
    let report = serialise(job, handle, |chunk| {
        if chunk.is_empty() {
            return true;
        }
        let granted = handle.control.take_credit();
        if granted {
            handle.complete(Completion::Chunk(Bytes::from(chunk)));
        }
        granted
    });
    if let Some(report) = report {
        handle.complete(Completion::Saved(Ok(report)));
    }
}

/// Runs the writer into `sink`, which answers whether to go on. `None` if it did not come to the end.
fn serialise(job: SaveJob, handle: &Handle, mut sink: impl FnMut(Vec<u8>) -> bool) -> Option<SaveReport> {
    let key_delay_us = job.options.key_delay_us;
    let writer = SnapshotWriter::new(job.view, job.header, job.options, job.progress).skipping(job.skip);
    writer.run(&mut |chunk, keys| {
        let wanted = if key_delay_us > 0 {
            handle.control.sleep(Duration::from_micros(key_delay_us.saturating_mul(keys)))
        } else {
            !handle.control.is_cancelled()
        };
        wanted && sink(chunk)
    })
}
