//! The append only files of a simulated machine as replicas are read them.

use std::collections::HashMap;

use aof::StreamReader;
use node::{AofRead, AofStream, Completion, ConnId};

use super::disk::Disk;

/// What is being read for whom.
#[derive(Default)]
pub struct Readings(HashMap<(node::JobId, ConnId), (std::sync::Arc<std::path::Path>, StreamReader)>);

impl Readings {
    /// What comes of a task of the disk. Disks fail now and then.
    pub fn read(&mut self, disk: &Disk, wanted: &AofRead, rng: &mut fastrand::Rng) -> Completion {
        let result = match rng.u8(..) {
            0 => Err("Input/output error".to_owned()),
            _ => self.stream(disk, wanted),
        };
        if result.is_err() {
            self.end(wanted.job, wanted.conn);
        }
        Completion::AofRead { conn: wanted.conn, from: wanted.from, result }
    }

    fn stream(&mut self, disk: &Disk, wanted: &AofRead) -> Result<AofStream, String> {
        let key = (wanted.job, wanted.conn);
        let goes_on = self
            .0
            .get(&key)
            .is_some_and(|(path, stream)| *path == wanted.path && stream.offset() == wanted.from);
        // One that has the file open does not mind that it has been deleted; here it does.
        let file = disk.read(&wanted.path).ok_or("No such file or directory")?;
        let mut file = file.get(..wanted.size as usize).unwrap_or_else(|| {
            panic!("{} bytes of {:?} are said to be written", wanted.size, wanted.path);
        });
        if !goes_on {
            let (position, offset) = wanted.mark;
            self.0.insert(key, (wanted.path.clone(), StreamReader::at(position, offset)));
        }
        let (_, stream) = self.0.get_mut(&key).ok_or("it is not open")?;
        let mut bytes = Vec::new();
        let done = stream
            .seek(&mut file, wanted.from, wanted.to)
            .and_then(|()| stream.read(&mut file, wanted.len, wanted.to, &mut bytes));
        // Nothing damages a file here.
        done.unwrap_or_else(|error| panic!("{wanted:?}: {error}"));
        Ok(AofStream { bytes: bytes.into(), settled: stream.is_settled() })
    }

    /// Nothing more is read for this replica.
    pub fn end(&mut self, job: node::JobId, conn: ConnId) {
        self.0.remove(&(job, conn));
    }
}

/// Whether partial synchronisation reaches back through the files, and how far.
pub fn random_options(rng: &mut fastrand::Rng) -> Vec<String> {
    let mut options = Vec::new();
    if rng.u8(..3) > 0 {
        options.extend(["--repl-backlog-aof", "yes"].map(str::to_owned));
        let limit = ["1", "20000", "200000", "1gb"][rng.usize(..4)];
        options.extend(["--repl-backlog-aof-limit", limit].map(str::to_owned));
    }
    options
}
