//! When snapshots are written, what became of them, and the load at the start.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::action::{
    Action, ConnId, JobId, LoadError, LoadJob, LoadProgress, LoadSource, SaveJob, SaveReport, SaveTarget,
};
use crate::aof::load::AofLoading;
use crate::node::Node;
use crate::replication::transfer::Source;
use crate::replication::upstream::Occasion;
use crate::session::Blocked;
use crate::snapshot::{LoadOptions, Loaded, SnapshotFilter, SnapshotForm, SnapshotHeader, SnapshotOptions};
use crate::time::Now;

/// After a failed save by a save point, the next attempt waits for so long.
const RETRY_AFTER_MS: u64 = 5_000;

/// Why a snapshot is being written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SaveKind {
    /// A save point, BGSAVE.
    Background,
    /// SAVE: this client waits.
    Client(ConnId),
    /// FLUSHALL, DEBUG RELOAD: this client has its answer, and what it sends next waits.
    Behind(ConnId),
    /// The process ends afterwards.
    Shutdown,
    /// For replicas, through a file.
    ReplicasByFile,
    /// For replicas, straight to their sockets.
    ReplicasByStream,
    /// The base of the append only file.
    Aof,
}

impl SaveKind {
    /// Whether the snapshot becomes the dump file.
    pub fn is_file(self) -> bool {
        !matches!(self, SaveKind::ReplicasByStream | SaveKind::Aof)
    }
}

/// The snapshot being written.
pub(crate) struct CurrentSave {
    pub job: JobId,
    pub kind: SaveKind,
    pub started: Now,
    pub progress: Arc<AtomicU64>,
    pub total_keys: u64,
    /// Changes since the last save at the time of the freeze.
    dirty: u64,
}

/// The load of the dataset at the start.
pub(crate) struct StartLoad {
    pub job: JobId,
    pub started: Now,
    pub progress: LoadProgress,
    /// What comes of the append only file.
    pub aof: Option<Box<AofLoading>>,
    /// The dataset is there, and the append only file is being opened.
    pub opens_aof: bool,
}

impl StartLoad {
    pub fn new(job: JobId, started: Now) -> StartLoad {
        StartLoad { job, started, progress: LoadProgress::default(), aof: None, opens_aof: false }
    }
}

/// A shutdown under way.
pub(crate) struct Shutdown {
    pub save: bool,
    pub force: bool,
    /// Replicas are waited for until then (monotonic milliseconds).
    pub deadline_ms: u64,
    pub waiting_for_replicas: bool,
    pub clients: Vec<ConnId>,
}

/// The state of persistence.
pub(crate) struct Persistence {
    /// Changes since the last successful save.
    pub dirty: u64,
    pub last_save_unix_s: u64,
    pub last_attempt_ms: u64,
    pub last_ok: bool,
    pub last_duration_s: i64,
    pub saves: u64,
    pub current: Option<CurrentSave>,
    /// Memory that the save kept from being freed, as of the last look: of the current one, or of the one before.
    pub left_behind: u64,
    /// The dump was written for the sake of replicas alone.
    pub dump_is_for_replicas: bool,
    pub scheduled: bool,
    /// The dataset was emptied, and the dump file is to be, too.
    pub emptied: bool,
    pub loading: Option<StartLoad>,
    pub last_load_keys: u64,
    pub last_load_expired: u64,
    pub shutdown: Option<Shutdown>,
}

impl Persistence {
    pub fn new(now: Now) -> Persistence {
        Persistence {
            dirty: 0,
            last_save_unix_s: now.unix_s(),
            last_attempt_ms: 0,
            last_ok: true,
            last_duration_s: -1,
            saves: 0,
            current: None,
            left_behind: 0,
            dump_is_for_replicas: false,
            scheduled: false,
            emptied: false,
            loading: None,
            last_load_keys: 0,
            last_load_expired: 0,
            shutdown: None,
        }
    }
}

/// The file that holds the dataset.
pub fn dump_path(settings: &config::Settings) -> PathBuf {
    Path::new(&settings.dir).join(&settings.dbfilename)
}

impl Node {
    /// The dump file.
    pub(crate) fn rdb_path(&self) -> PathBuf {
        dump_path(self.config.settings())
    }

    /// Begins to serve: loads what the disk holds. Clients that come meanwhile are told so.
    pub fn start(&mut self, now: Now) {
        self.set_now(now);
        self.started = now;
        let settings = self.config.settings();
        let expires = settings.replicaof.is_none() && !settings.import_mode;
        let options =
            LoadOptions { drop_expired_before: expires.then_some(now.unix_ms()), ..self.load_options() };
        if self.config.settings().appendonly {
            // What is over in the base may have been given more time since.
            let options = LoadOptions { drop_expired_before: None, ..options };
            return self.load_aof(options, None);
        }
        if self.wants_recovery().is_some() {
            tracing::warn!(
                "aof-recover-until-time and aof-recover-until-offset are about the append only file, and appendonly is no. Exiting."
            );
            return self.actions.push(Action::Exit { code: 1 });
        }
        if self.boot.has_no_dump {
            // Nobody has to be told to wait.
            return self.begin_serving();
        }
        let job = self.new_job();
        self.persistence.loading = Some(StartLoad::new(job, now));
        self.gate.loading = true;
        let source = LoadSource::File(self.rdb_path());
        self.actions.push(Action::Load(Box::new(LoadJob { id: job, source, options })));
    }

    /// Begins to serve with no data at all, without looking at the disk.
    pub fn start_empty(&mut self, now: Now) {
        self.set_now(now);
        self.started = now;
        self.begin_serving();
    }

    pub(crate) fn load_options(&mut self) -> LoadOptions {
        let settings = self.config.settings();
        LoadOptions {
            databases: settings.databases,
            seed: self.rng.u64(..),
            verify_checksum: settings.rdbchecksum && !self.debug.skip_checksum,
            newer_versions: settings.rdb_version_check == config::RdbVersionCheck::Relaxed,
            drop_expired_before: None,
            access: commands::access::fresh(&self.env),
            limits: self.env.limits.clone(),
            guard: None,
            key_delay_us: settings.key_load_delay.max(0) as u64,
        }
    }

    /// The dataset of the start stands, or could not be loaded.
    fn start_load_finished(&mut self, result: Result<Box<Loaded>, LoadError>) {
        let Some(loading) = self.persistence.loading.take() else { return };
        match result {
            Ok(loaded) => {
                let seconds = (self.now.mono_us - loading.started.mono_us) as f64 / 1e6;
                tracing::info!(
                    "Done loading RDB, keys loaded: {}, keys expired: {}, empty keys skipped: {}.",
                    loaded.keys,
                    loaded.expired,
                    loaded.empty
                );
                tracing::info!("DB loaded from disk: {seconds:.3} seconds");
                self.adopt(*loaded);
            }
            Err(LoadError::NotFound) => {}
            Err(error) => {
                let path = self.rdb_path();
                tracing::warn!("Fatal error loading the DB from {}: {error}. Exiting.", path.display());
                self.actions.push(Action::Exit { code: 1 });
                return;
            }
        }
        if self.config.settings().appendonly {
            // There is no append only file yet: it begins with what has been loaded.
            self.persistence.loading =
                Some(StartLoad { opens_aof: true, ..StartLoad::new(loading.job, self.now) });
            return self.begin_aof();
        }
        self.begin_serving();
    }

    pub(crate) fn begin_serving(&mut self) {
        self.gate.loading = false;
        self.persistence.last_save_unix_s = self.now.unix_s();
        self.persistence.dirty = 0;
        // The clock has not begun with this instance.
        self.replication.no_replicas_since_ms = self.now.mono_ms();
        self.look_for_lost_data();
        if let Some((host, port)) = self.config.settings().replicaof.clone() {
            self.follow(&host, port, Occasion::Configured);
        } else {
            // What was over when the snapshot was loaded is deleted before anybody sees it: those who follow are told.
            self.expire_what_is_over();
        }
    }

    /// Makes a loaded dataset the one that is served, with its history.
    fn adopt(&mut self, loaded: Loaded) {
        self.replace_functions(&loaded.functions);
        let old = std::mem::replace(&mut self.keyspace, loaded.keyspace);
        self.free_keyspace(old);
        self.persistence.last_load_keys = loaded.keys;
        self.persistence.last_load_expired = loaded.expired;
        let becomes_replica = self.config.settings().replicaof.is_some();
        if let Some(identity) = loaded.identity {
            self.replication.restore(identity, &loaded.ancestors, becomes_replica, &mut self.rng);
            if !becomes_replica {
                self.replication.begin_rest(self.now.mono_ms());
                self.env.expiry = self.expiry_mode();
            }
        }
    }

    /// A job that loads has ended: the one of the start, or that of a full resynchronisation.
    pub(crate) fn load_finished(&mut self, job: JobId, result: Result<Box<Loaded>, LoadError>) {
        if self.persistence.loading.as_ref().is_some_and(|loading| loading.job == job) {
            self.start_load_finished(result);
        } else if let Some(result) = self.reload_finished(job, result) {
            self.full_sync_loaded(job, result);
        }
    }

    pub(crate) fn load_progress(&mut self, job: JobId, progress: LoadProgress) {
        match &mut self.persistence.loading {
            Some(loading) if loading.job == job => loading.progress = progress,
            _ => self.full_sync_load_progress(job, progress),
        }
    }

    /// Freezes the dataset and has it written, in the form that every peer reads, if it holds the data. The caller has made sure
    /// that nothing else is being saved.
    pub(crate) fn start_save(&mut self, kind: SaveKind) -> JobId {
        self.start_save_as(kind, SnapshotForm::Redis10, SnapshotFilter::Everything)
    }

    /// The same in a given form, with a given part of the data.
    pub(crate) fn start_save_as(
        &mut self,
        kind: SaveKind,
        form: SnapshotForm,
        contents: SnapshotFilter,
    ) -> JobId {
        let target = if kind.is_file() { SaveTarget::File(self.rdb_path()) } else { SaveTarget::Stream };
        let save = self.prepare_save(kind, form, contents, target);
        let job = save.id;
        self.actions.push(Action::Save(save));
        job
    }

    /// The same, but that writing it is left to the caller.
    pub(crate) fn prepare_save(
        &mut self,
        kind: SaveKind,
        form: SnapshotForm,
        contents: SnapshotFilter,
        target: SaveTarget,
    ) -> Box<SaveJob> {
        let job = self.new_job();
        let before = (self.boot.clock_ns)();
        let view = self.keyspace.freeze();
        self.stats.last_freeze_us = (self.boot.clock_ns)().saturating_sub(before) / 1000;
        self.stats.forks += 1;
        let settings = self.config.settings();
        let progress = Arc::new(AtomicU64::new(0));
        let header = SnapshotHeader {
            created_unix_s: self.now.unix_s(),
            used_memory: self.memory.used,
            functions: self.library_texts(),
            identity: self.replication.identity(),
            ancestors: self.replication.history.ancestors().to_vec(),
            aof_base: kind == SaveKind::Aof,
        };
        let options = SnapshotOptions {
            compress: settings.rdbcompression,
            checksum: settings.rdbchecksum,
            form,
            lossy: kind == SaveKind::ReplicasByStream,
            contents,
            commands: false,
            key_delay_us: settings.rdb_key_save_delay.max(0) as u64,
        };
        self.persistence.current = Some(CurrentSave {
            job,
            kind,
            started: self.now,
            progress: Arc::clone(&progress),
            total_keys: self.keyspace.total_keys() as u64,
            dirty: self.persistence.dirty,
        });
        self.persistence.left_behind = 0;
        if kind.is_file() {
            self.persistence.dump_is_for_replicas = kind == SaveKind::ReplicasByFile && !self.persists();
        }
        self.persistence.last_attempt_ms = self.now.mono_ms();
        if kind == SaveKind::ReplicasByStream {
            self.replication.source = Some(Arc::new(Source {
                view: view.clone(),
                header: header.clone(),
                options: options.clone(),
            }));
        }
        let makes_folder = kind == SaveKind::Aof;
        Box::new(SaveJob { id: job, view, header, options, target, makes_folder, skip: 0, progress })
    }

    /// A snapshot is written, or has failed.
    pub(crate) fn save_finished(&mut self, job: JobId, result: Result<SaveReport, String>) {
        let Some(current) = self.persistence.current.take_if(|current| current.job == job) else {
            return self.stream_finished(job, &result);
        };
        if current.kind.is_file() {
            self.persistence.last_duration_s =
                ((self.now.mono_us.saturating_sub(current.started.mono_us)) / 1_000_000) as i64;
            match &result {
                Ok(report) => {
                    tracing::info!("DB saved on disk: {} keys, {} bytes", report.keys, report.bytes);
                    self.persistence.dirty -= current.dirty;
                    self.persistence.last_save_unix_s = self.now.unix_s();
                    self.persistence.last_ok = true;
                    self.persistence.saves += 1;
                    self.note_held(report.keys);
                }
                Err(error) => {
                    tracing::warn!("Background saving error: {error}");
                    self.persistence.last_ok = false;
                }
            }
            self.refresh_gate();
        }
        match current.kind {
            SaveKind::Background => {}
            SaveKind::Client(conn) => self.answer_save(conn, &result),
            SaveKind::Behind(conn) => self.unblock(conn, |_| {}),
            SaveKind::Shutdown => self.shutdown_saved(&result),
            SaveKind::ReplicasByFile | SaveKind::ReplicasByStream => self.snapshot_for_replicas(job, &result),
            SaveKind::Aof => self.base_saved(job, &result),
        }
        self.after_save();
    }

    /// Gives a save up without its result.
    pub(crate) fn cancel_save(&mut self) {
        if let Some(current) = self.persistence.current.take() {
            self.actions.push(Action::Cancel(current.job));
            match current.kind {
                SaveKind::Client(conn) => self.answer_save(conn, &Err("cancelled".to_owned())),
                SaveKind::Behind(conn) => self.unblock(conn, |_| {}),
                SaveKind::Aof => self.aof.rewrite = None,
                _ => {}
            }
        }
    }

    /// BGSAVE CANCEL: what has been given up, the save that was running or the one that waited for its turn.
    pub(crate) fn cancel_background_save(&mut self) -> Option<&'static str> {
        if self.is_saving_in_background() {
            tracing::info!("Background saving given up.");
            self.cancel_save();
            self.after_save();
            return Some("Background saving cancelled");
        }
        std::mem::take(&mut self.persistence.scheduled).then_some("Scheduled background saving cancelled")
    }

    fn is_saving_in_background(&self) -> bool {
        self.persistence.current.as_ref().is_some_and(|current| current.kind == SaveKind::Background)
    }

    /// Something that waited for the end of a save may begin.
    fn after_save(&mut self) {
        if self.persistence.shutdown.is_some() {
            return;
        }
        self.plan_full_syncs();
        self.start_scheduled_save();
        self.start_scheduled_rewrite();
        self.begin_reload();
    }

    fn start_scheduled_save(&mut self) {
        let busy = self.persistence.current.is_some() || self.gate.loading;
        if !busy && self.persistence.shutdown.is_none() && std::mem::take(&mut self.persistence.scheduled) {
            self.start_save(SaveKind::Background);
        }
    }

    /// Writes the dump file behind a command that a client has the answer to: it waits with what it sends next, so that it finds the
    /// file written. Inside of transactions and scripts there is no waiting.
    pub(crate) fn save_behind(&mut self, session: &mut crate::session::Session) {
        if self.persistence.current.is_some() {
            self.persistence.scheduled = true;
        } else if session.in_exec || session.blocked.is_some() {
            self.start_save(SaveKind::Background);
        } else {
            let job = self.start_save(SaveKind::Behind(session.conn));
            session.blocked = Some(Blocked::Job(job));
        }
    }

    /// FLUSHALL has emptied the dataset and stands in the log: a dump that is being written of what was there before is given up, and where
    /// there are save points the dump file is emptied as well.
    pub(crate) fn save_emptied(&mut self, session: &mut crate::session::Session) {
        if self.persistence.shutdown.is_some() {
            return;
        }
        if self.is_saving_in_background() {
            self.cancel_save();
        }
        if self.config.settings().save.is_empty() {
            return;
        }
        if session.in_exec {
            // The log does not hold it before the end of the transaction.
            self.persistence.emptied = true;
            return;
        }
        self.save_behind(session);
    }

    fn answer_save(&mut self, conn: ConnId, result: &Result<SaveReport, String>) {
        self.unblock(conn, |session| match result {
            Ok(_) => session.reply.ok(),
            Err(error) => session.reply.error(&format!("ERR {error}")),
        });
    }

    /// Ends a client's wait: `reply` writes its answer, then its further requests run.
    pub(crate) fn unblock(&mut self, conn: ConnId, reply: impl FnOnce(&mut crate::session::Session)) {
        let Some(mut session) = self.take_session(conn) else { return };
        session.blocked = None;
        reply(&mut session);
        self.run_pending(&mut session);
        self.put_back(session);
    }

    /// Whether the dataset is meant to outlive the process.
    pub(crate) fn persists(&self) -> bool {
        let settings = self.config.settings();
        !settings.save.is_empty() || settings.appendonly
    }

    /// What has to be done about saves from time to time.
    pub(crate) fn look_after_saves(&mut self) {
        if self.persistence.current.is_some() {
            self.persistence.left_behind = self.persistence.left_behind.max(self.keyspace.left_behind());
        }
        self.remove_sync_dump();
        self.start_scheduled_save();
        self.check_save_points();
    }

    /// `rdb-del-sync-files`: removes a dump that was written for replicas once all of them have it.
    fn remove_sync_dump(&mut self) {
        let busy = self.persistence.current.is_some() || !self.replication.transfers.is_empty();
        if !self.persistence.dump_is_for_replicas || busy || !self.config.settings().rdb_del_sync_files {
            return;
        }
        self.persistence.dump_is_for_replicas = false;
        if !self.persists() {
            tracing::info!("Removing the dump that was written for replicas: no persistence is wanted");
            self.actions.push(Action::RemoveFile(self.rdb_path()));
        }
    }

    /// Looks whether a save point is reached.
    fn check_save_points(&mut self) {
        if self.persistence.current.is_some() || self.persistence.shutdown.is_some() || self.gate.loading {
            return;
        }
        if std::mem::take(&mut self.persistence.emptied) && !self.config.settings().save.is_empty() {
            self.start_save(SaveKind::Background);
            return;
        }
        let now_ms = self.now.mono_ms();
        let since_save = self.now.unix_s().saturating_sub(self.persistence.last_save_unix_s);
        let may_try = self.persistence.last_ok || now_ms > self.persistence.last_attempt_ms + RETRY_AFTER_MS;
        let due = self
            .config
            .settings()
            .save
            .iter()
            .find(|(seconds, changes)| self.persistence.dirty >= *changes && since_save > *seconds)
            .copied();
        if let Some((seconds, changes)) = due
            && may_try
        {
            tracing::info!("{changes} changes in {seconds} seconds. Saving...");
            self.start_save(SaveKind::Background);
        }
    }

    // ---- shutdown ----------------------------------------------------------------------------

    /// SIGTERM or SIGINT has come.
    pub fn terminate(&mut self, now: Now, signal: crate::Signal) {
        self.set_now(now);
        let settings = self.config.settings();
        let flags = match signal {
            crate::Signal::Term => settings.shutdown_on_sigterm,
            crate::Signal::Int => settings.shutdown_on_sigint,
        };
        let name = if signal == crate::Signal::Term { "SIGTERM" } else { "SIGINT" };
        tracing::warn!("Received {name} scheduling shutdown...");
        if self.persistence.shutdown.is_some() {
            return;
        }
        let save = flags.save || (!flags.nosave && !settings.save.is_empty());
        self.begin_shutdown(save, flags.now, flags.force, None);
    }

    /// Starts to end: waits for replicas, saves if wanted, exits.
    pub(crate) fn begin_shutdown(&mut self, save: bool, now: bool, force: bool, client: Option<ConnId>) {
        tracing::warn!("User requested shutdown...");
        let timeout_ms = if now { 0 } else { self.config.settings().shutdown_timeout * 1000 };
        // A dataset that is still being loaded must not overwrite the file it comes from.
        let save = save && !self.gate.loading;
        self.persistence.shutdown = Some(Shutdown {
            save,
            force,
            deadline_ms: self.now.mono_ms() + timeout_ms,
            waiting_for_replicas: timeout_ms > 0 && self.some_replica_lags(),
            clients: client.into_iter().collect(),
        });
        self.pause.shutdown = true;
        self.env.expiry = self.expiry_mode();
        self.refresh_gate();
        if self.persistence.shutdown.as_ref().is_some_and(|shutdown| shutdown.waiting_for_replicas) {
            tracing::info!("Waiting for replicas before shutting down.");
        }
        self.continue_shutdown();
    }

    /// Says which replicas have not caught up before the shutdown.
    fn tell_of_replicas(&self) {
        let end = self.replication.log.end();
        let (mut all, mut in_step) = (0, 0);
        for (session, feed) in self.feeds().filter(|(_, feed)| feed.state.is_online()) {
            all += 1;
            let acked = feed.state.acked().unwrap_or_default();
            if acked >= end {
                in_step += 1;
            } else {
                let (addr, behind) = (&session.peer.addr, end.since(acked));
                tracing::info!("Lagging replica {addr}: it has not acknowledged the last {behind} bytes");
            }
        }
        tracing::info!("{in_step} of {all} replicas are in sync at the shutdown");
    }

    /// The next step of a shutdown, if nothing has to be waited for.
    pub(crate) fn continue_shutdown(&mut self) {
        let now_ms = self.now.mono_ms();
        let lagging = self.some_replica_lags();
        let Some(shutdown) = &mut self.persistence.shutdown else { return };
        if shutdown.waiting_for_replicas {
            if lagging && now_ms < shutdown.deadline_ms {
                return;
            }
            shutdown.waiting_for_replicas = false;
            self.tell_of_replicas();
        }
        let Some(shutdown) = &self.persistence.shutdown else { return };
        if !shutdown.save {
            return self.exit();
        }
        if self.is_half_done() {
            // The script ends first; who cannot wait has SHUTDOWN NOSAVE.
            return;
        }
        match self.persistence.current.as_ref().map(|current| current.kind) {
            Some(SaveKind::Shutdown) => {}
            other => {
                if other.is_some() {
                    tracing::warn!("There is a save in progress. Giving it up for the final one.");
                    self.cancel_save();
                }
                tracing::info!("Saving the final RDB snapshot before exiting.");
                self.start_save(SaveKind::Shutdown);
            }
        }
    }

    fn shutdown_saved(&mut self, result: &Result<SaveReport, String>) {
        let Some(shutdown) = &mut self.persistence.shutdown else { return };
        match result {
            Ok(_) => {
                shutdown.save = false;
                self.exit();
            }
            Err(_) if shutdown.force => self.exit(),
            Err(error) => {
                tracing::warn!("Error trying to save the DB, can't exit: {error}");
                self.abort_shutdown("ERR Errors trying to SHUTDOWN. Check logs.");
            }
        }
    }

    /// Goes on as if no shutdown had been asked for.
    pub(crate) fn abort_shutdown(&mut self, error: &str) {
        let Some(shutdown) = self.persistence.shutdown.take() else { return };
        self.pause.shutdown = false;
        // With the next tick: now may be in the middle of a transaction.
        self.pause.release_due = true;
        self.env.expiry = self.expiry_mode();
        self.refresh_gate();
        if self.persistence.current.as_ref().is_some_and(|current| current.kind == SaveKind::Shutdown) {
            self.cancel_save();
        }
        for conn in shutdown.clients {
            if self.session(conn).is_some_and(|session| session.blocked == Some(Blocked::Shutdown)) {
                self.unblock(conn, |session| session.reply.error(error));
            }
        }
    }

    fn exit(&mut self) {
        if !self.gate.loading && !self.end_aof() {
            let (now_ms, failing) = (self.now.mono_ms(), self.aof.is_failing());
            let Some(shutdown) = &self.persistence.shutdown else { return };
            let hopeless = failing && now_ms >= shutdown.deadline_ms;
            if !shutdown.force && !hopeless {
                return;
            }
            tracing::warn!("The append only file is left as it is");
        }
        tracing::warn!("Tandem is now ready to exit, bye bye...");
        self.actions.push(Action::Exit { code: 0 });
    }
}
