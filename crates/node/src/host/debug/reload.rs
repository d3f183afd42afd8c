//! DEBUG RELOAD: the dataset is encoded, decoded and put back, or read from the dump file.
//!
//! With a save before it, everything happens in memory and the client is answered at once; the file is written behind that, and the
//! client's next command waits for it. Without one (NOSAVE) the file is read like at the start, once it is whole, and the client waits.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use keyspace::Keyspace;
use resp::Args;

use crate::action::{Action, JobId, LoadError, LoadJob, LoadSource};
use crate::node::Node;
use crate::session::{Blocked, Session};
use crate::snapshot::{
    Loaded, SnapshotFilter, SnapshotForm, SnapshotHeader, SnapshotLoader, SnapshotOptions, SnapshotWriter,
};

const FAILED: &str = "ERR Error trying to load the RDB dump, check server logs.";

/// What becomes of the keys that are there already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Present {
    /// They go.
    Flush,
    /// They stay, and none of them may be in the dump.
    Keep,
    /// They stay, unless the dump holds the same key.
    Merge,
}

/// A reload that waits for the file.
#[derive(Debug)]
pub(crate) struct Reload {
    pub job: JobId,
    present: Present,
    /// The file is being read.
    begun: bool,
}

/// DEBUG RELOAD [NOSAVE] [NOFLUSH] [MERGE]
pub(super) fn reload(node: &mut Node, session: &mut Session, options: Args<'_>) {
    if node.gate.loading {
        // What is there now is not the dataset, and must not overwrite its file.
        return session.reply.error("LOADING Tandem is loading the dataset in memory");
    }
    let (mut save, mut flush, mut merge) = (true, true, false);
    for option in options.iter() {
        match option.to_ascii_lowercase().as_slice() {
            b"nosave" => save = false,
            b"noflush" => flush = false,
            b"merge" => merge = true,
            _ => {
                return session
                    .reply
                    .error("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
            }
        }
    }
    let present = match (flush, merge) {
        (true, _) => Present::Flush,
        (false, false) => Present::Keep,
        (false, true) => Present::Merge,
    };
    if !save && !session.in_exec {
        if node.debug.reload.is_some() {
            return session.reply.error("ERR Another DEBUG RELOAD is in progress");
        }
        let job = node.new_job();
        node.debug.reload = Some(Reload { job, present, begun: false });
        session.blocked = Some(Blocked::Job(job));
        return node.begin_reload();
    }
    if !save {
        return session.reply.error("ERR DEBUG RELOAD NOSAVE is not allowed in transactions");
    }
    let result = node.through_memory().and_then(|loaded| node.take_over(*loaded, present));
    match result {
        Ok(()) => {
            session.watch_broken |= !session.watched.is_empty();
            session.reply.ok();
            node.save_behind(session);
        }
        Err(error) => {
            tracing::warn!("DEBUG RELOAD: {error}");
            session.reply.error(FAILED);
        }
    }
}

impl Node {
    /// The dataset, encoded and decoded, in a version that loses nothing.
    fn through_memory(&mut self) -> Result<Box<Loaded>, LoadError> {
        let settings = self.config.settings();
        let options = SnapshotOptions {
            compress: settings.rdbcompression,
            checksum: settings.rdbchecksum,
            // The last that both families have: it leaves out less than the one that is for every peer.
            form: SnapshotForm::Redis11,
            lossy: false,
            contents: SnapshotFilter::Everything,
            commands: false,
            key_delay_us: 0,
        };
        let header = SnapshotHeader {
            created_unix_s: self.now.unix_s(),
            functions: self.library_texts(),
            ..SnapshotHeader::default()
        };
        let view = self.keyspace.freeze();
        let mut loader = SnapshotLoader::new(self.load_options());
        let mut result = Ok(());
        SnapshotWriter::new(view, header, options, Arc::new(AtomicU64::new(0))).run(&mut |chunk, _| {
            result = loader.feed(&chunk);
            result.is_ok()
        });
        result?;
        loader.finish()
    }

    /// Reads the dump file for a reload that waits for it, as soon as nothing is being written to it.
    pub(crate) fn begin_reload(&mut self) {
        let writing = self.persistence.current.as_ref().is_some_and(|current| current.kind.is_file());
        if writing || self.persistence.scheduled {
            return;
        }
        let Some(reload) = self.debug.reload.as_mut().filter(|reload| !reload.begun) else { return };
        reload.begun = true;
        let id = reload.job;
        let mut options = self.load_options();
        // Where nobody follows nobody has to hear of it.
        if self.expiry_mode() == commands::ExpiryMode::Delete && !self.replication.is_logging() {
            options.drop_expired_before = Some(self.now.unix_ms());
        }
        let source = LoadSource::File(self.rdb_path());
        self.actions.push(Action::Load(Box::new(LoadJob { id, source, options })));
    }

    /// Puts what was loaded in the place of the dataset, or beside it.
    fn take_over(&mut self, mut loaded: Loaded, present: Present) -> Result<(), LoadError> {
        match present {
            Present::Flush => {
                self.replace_functions(&loaded.functions);
                let old = std::mem::replace(&mut self.keyspace, loaded.keyspace);
                self.free_keyspace(old);
            }
            Present::Keep => {
                if let Some(key) = common_key(&self.keyspace, &loaded.keyspace) {
                    let text = format!("the key {} is in the dump and in the dataset", key.escape_ascii());
                    return Err(LoadError::Corrupt(text));
                }
                self.add_functions(&loaded.functions, script::RestorePolicy::Append)
                    .map_err(LoadError::Corrupt)?;
                add_all(&mut self.keyspace, &mut loaded.keyspace);
            }
            Present::Merge => {
                self.add_functions(&loaded.functions, script::RestorePolicy::Replace)
                    .map_err(LoadError::Corrupt)?;
                add_all(&mut self.keyspace, &mut loaded.keyspace);
            }
        }
        self.replication.touch();
        self.persistence.last_load_keys = loaded.keys;
        self.persistence.last_load_expired = loaded.expired;
        for db in 0..self.keyspace.databases() {
            self.touch_whole_db(db, None);
        }
        self.invalidate_everything();
        Ok(())
    }

    /// A job that loads has ended: `None` if it was that of a reload.
    pub(crate) fn reload_finished(
        &mut self,
        job: JobId,
        result: Result<Box<Loaded>, LoadError>,
    ) -> Option<Result<Box<Loaded>, LoadError>> {
        let Some(reload) = self.debug.reload.take_if(|reload| reload.job == job) else { return Some(result) };
        let result = result.and_then(|loaded| self.take_over(*loaded, reload.present));
        if result.is_ok() {
            self.aof_dataset_replaced();
        }
        if let Err(error) = &result {
            tracing::warn!("DEBUG RELOAD: {error}");
        }
        let waiting = self
            .sessions()
            .find(|session| session.blocked == Some(Blocked::Job(job)))
            .map(|session| session.conn);
        if let Some(conn) = waiting {
            self.unblock(conn, |session| match result {
                Ok(()) => session.reply.ok(),
                Err(_) => session.reply.error(FAILED),
            });
        }
        None
    }
}

/// A key that both datasets hold.
fn common_key(ours: &Keyspace, theirs: &Keyspace) -> Option<Vec<u8>> {
    (0..theirs.databases()).find_map(|index| {
        theirs
            .db(index)
            .iter()
            .find(|entry| ours.db(index).contains(entry.key()))
            .map(|entry| entry.key().to_vec())
    })
}

/// Adds all keys of one dataset to another.
fn add_all(ours: &mut Keyspace, theirs: &mut Keyspace) {
    for index in 0..theirs.databases() {
        for entry in theirs.db(index).iter() {
            ours.db_mut(index).insert_removed(entry.key(), entry.duplicate());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::action::{Action, Completion, LoadError};
    use crate::snapshot::{LoadOptions, SnapshotLoader};
    use crate::testing::Fixture;

    fn filled() -> Fixture {
        let mut node = Fixture::new();
        node.run(&["SET", "a", "1"]);
        node.run(&["SET", "b", "text", "EX", "1000"]);
        node.run(&["SELECT", "2"]);
        node.run(&["SET", "c", &"long ".repeat(100)]);
        node
    }

    #[test]
    fn a_reload_keeps_everything() {
        let mut node = filled();
        let digest = node.run(&["DEBUG", "DIGEST"]);
        let ttl = node.run(&["PEXPIRETIME", "b"]);
        assert_eq!(node.run(&["DEBUG", "RELOAD"]), "+OK\r\n");
        assert_eq!(node.run(&["DEBUG", "DIGEST"]), "", "the file is written behind it");
        node.finish_saves();
        assert_eq!(node.read(), digest);
        assert_eq!(node.run(&["PEXPIRETIME", "b"]), ttl);
        assert_eq!(
            node.run(&["DEBUG", "RELOAD", "NOFLUSH"]),
            "-ERR Error trying to load the RDB dump, check server logs.\r\n"
        );
        assert_eq!(node.run(&["DEBUG", "DIGEST"]), digest, "a reload that fails changes nothing");
        assert_eq!(node.run(&["DEBUG", "RELOAD", "NOFLUSH", "MERGE"]), "+OK\r\n");
        node.finish_saves();
        assert_eq!(node.run(&["DEBUG", "DIGEST"]), digest);
        assert!(node.run(&["DEBUG", "RELOAD", "FAST"]).starts_with("-ERR DEBUG RELOAD only supports"));
    }

    #[test]
    fn without_a_save_the_file_is_read() {
        let mut node = filled();
        node.actions();
        node.run(&["BGSAVE"]);
        assert_eq!(node.run(&["DEBUG", "RELOAD", "NOSAVE"]), "", "it waits for the file");
        let [Action::Save(save)] = &node.actions()[..] else { panic!("the file is still being written") };
        let report = crate::action::SaveReport { bytes: 1, keys: 3 };
        node.complete(save.id, Completion::Saved(Ok(report)));
        let job = node
            .actions()
            .into_iter()
            .find_map(|action| match action {
                Action::Load(job) => Some(job.id),
                _ => None,
            })
            .expect("a load was asked for");
        let mut dump = rdb::Writer::new(rdb::WriteOptions::default());
        dump.header();
        dump.select_db(0);
        dump.string(b"from the file", b"1", None, None);
        dump.finish();
        let mut loader = SnapshotLoader::new(LoadOptions {
            databases: 16,
            seed: 1,
            verify_checksum: true,
            newer_versions: false,
            drop_expired_before: None,
            access: 0,
            limits: keyspace::Limits::default(),
            guard: None,
            key_delay_us: 0,
        });
        loader.feed(&dump.take()).expect("well-formed");
        node.complete(job, Completion::Loaded(loader.finish()));
        assert_eq!(node.read(), "+OK\r\n");
        node.run(&["SELECT", "0"]);
        assert_eq!(node.run(&["KEYS", "*"]), "*1\r\n$13\r\nfrom the file\r\n");

        node.run(&["DEBUG", "RELOAD", "NOSAVE"]);
        let job = node
            .actions()
            .into_iter()
            .find_map(|action| match action {
                Action::Load(job) => Some(job.id),
                _ => None,
            })
            .expect("a load was asked for");
        node.complete(job, Completion::Loaded(Err(LoadError::NotFound)));
        assert!(node.read().starts_with("-ERR Error trying to load"));
        assert_eq!(node.run(&["DBSIZE"]), ":1\r\n", "a reload that fails changes nothing");
    }
}
