//! A new base in the place of everything before it; and how the file is switched on and off.
//!
//! The dataset is frozen, and from that moment on the log goes to a new increment. As long as the base is being written, the manifest
//! names the files so far and the new increment behind them; then it names the base and the new increment alone, and what was before
//! is deleted. Whatever fails on the way leaves a manifest that is complete.
//!
//! A file that is switched on, or whose dataset has been replaced by another, begins the same way, but for that nothing of it counts
//! before the base stands: the manifest of before stays until then.

use std::path::{Path, PathBuf};

use aof::{Manifest, Name, NamePattern};
use backlog::Offset;

use super::{AofOpen, AofSwitch, AofWork, ManifestFile, Opening, Phase};
use crate::action::{Action, JobId, SaveJob, SaveReport, SaveTarget};
use crate::node::Node;
use crate::persistence::SaveKind;
use crate::snapshot::{SnapshotFilter, SnapshotForm};
use crate::time::Now;

/// Rewrites that fail again and again are tried at growing intervals: from so many on …
const PATIENCE: u64 = 3;
/// … of one minute, two, four, up to an hour.
const WAIT_MS: u64 = 60_000;
const MAX_WAIT_MS: u64 = 3_600_000;

/// A rewrite under way.
pub(crate) struct Rewrite {
    /// The snapshot, until the new increment is open.
    save: Option<Box<SaveJob>>,
    job: JobId,
    base: String,
    base_seq: u64,
    /// The new increment.
    increment_seq: u64,
    /// The manifest with the new increment.
    manifest: Manifest,
    /// The dataset was frozen here, and this was the last batch of before.
    at: Offset,
    batch: u64,
    pub started: Now,
    /// What came of the snapshot.
    bytes: u64,
    stage: Stage,
    /// Nothing counts before its end.
    begins: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Opening,
    Saving,
    Switching,
}

impl Node {
    /// The folder of the log.
    pub(crate) fn aof_folder(&self) -> PathBuf {
        let settings = self.config.settings();
        PathBuf::from(&settings.dir).join(&settings.appenddirname)
    }

    pub(super) fn manifest_file(&self, manifest: &Manifest) -> ManifestFile {
        let names = NamePattern(&self.config.settings().appendfilename);
        ManifestFile {
            name: names.manifest(),
            temporary: names.temporary_manifest(),
            text: manifest.to_string(),
        }
    }

    /// Switches the file on, or has it follow a dataset that has been replaced.
    pub(crate) fn begin_aof(&mut self) {
        self.give_rewrite_up();
        self.aof.phase = Phase::Beginning;
        self.replication.keep_omitted(true);
        self.move_gate();
        if self.aof.manifest.is_none() {
            let names = NamePattern(&self.config.settings().appendfilename);
            let work = AofWork::Survey { folder: self.aof_folder(), name: names.manifest() };
            return self.ask_aof(work);
        }
        self.start_or_schedule_rewrite();
    }

    pub(super) fn aof_surveyed(&mut self, result: Result<Option<Manifest>, String>) {
        if self.aof.phase != Phase::Beginning || self.aof.manifest.is_some() {
            return;
        }
        match result {
            Ok(manifest) => {
                self.aof.manifest = Some(manifest.unwrap_or_default());
                self.start_or_schedule_rewrite();
            }
            Err(error) => {
                tracing::warn!("The append only file is not switched on: {error}");
                self.stop_aof();
                let _ = self.config.force("appendonly", "no");
            }
        }
    }

    /// Switches the file off.
    pub(crate) fn stop_aof(&mut self) {
        if self.aof.is_off() {
            return;
        }
        if self.aof.rewrite.is_some() {
            tracing::info!("Killing AOF child: the rewrite that is under way is given up");
        }
        self.give_rewrite_up();
        if self.aof.open && self.aof.phase == Phase::On {
            self.append_to_aof();
            self.ask_aof(AofWork::Sync);
        }
        self.ask_aof(AofWork::Close);
        self.aof.open = false;
        self.aof.phase = Phase::Off;
        self.aof.rewrite_scheduled = false;
        self.aof.suspect = false;
        let _ = self.aof.restart_at(self.replication.log.end(), self.replication.stream_db());
        self.aof.increment_bytes = 0;
        self.aof.earlier_bytes = 0;
        self.replication.keep_omitted(false);
        self.move_gate();
        self.refresh_gate();
        self.refuse_local_waits();
    }

    /// `appendonly` may have changed.
    pub(crate) fn switch_aof(&mut self) {
        let wanted = self.config.settings().appendonly;
        if wanted && self.aof.is_off() && !self.gate.loading {
            self.begin_aof();
        } else if !wanted && !self.aof.is_off() {
            self.stop_aof();
        }
    }

    /// Another dataset has taken the place of the one that the file is about.
    pub(crate) fn aof_dataset_replaced(&mut self) {
        if self.aof.is_off() {
            return;
        }
        self.replication.forget_omitted(Offset(u64::MAX));
        for entry in &mut self.slots {
            if let crate::connections::Slot::Client(session) = &mut entry.slot {
                // It was written in a history that is gone.
                session.last_write = Offset(0);
            }
        }
        self.begin_file_anew();
    }

    /// Nothing of the file counts any more, but as long as there is no other one.
    pub(super) fn begin_file_anew(&mut self) {
        self.give_rewrite_up();
        self.aof.open = false;
        self.aof.suspect = false;
        let _ = self.aof.restart_at(self.replication.log.end(), self.replication.stream_db());
        self.replication.renamed_at = None;
        self.ask_aof(AofWork::Close);
        self.begin_aof();
        self.refresh_gate();
    }

    /// BGREWRITEAOF: whether the rewrite begins at once.
    pub(crate) fn start_or_schedule_rewrite(&mut self) -> bool {
        let busy = self.persistence.current.is_some() || self.aof.rewrite.is_some();
        // In the midst of a transaction the dataset is no position of the log.
        if busy || self.replication.in_transaction() || self.gate.loading && !self.is_opening() {
            self.aof.rewrite_scheduled = true;
            return false;
        }
        self.start_rewrite()
    }

    pub(crate) fn is_opening(&self) -> bool {
        self.persistence.loading.as_ref().is_some_and(|loading| loading.opens_aof)
    }

    pub(crate) fn start_scheduled_rewrite(&mut self) {
        let busy = self.persistence.current.is_some()
            || self.aof.rewrite.is_some()
            || self.aof.phase == Phase::On && self.aof.write_error.is_some()
            || self.gate.loading
            || self.replication.in_transaction();
        let late = self.now.mono_ms() >= self.aof.rewrite_not_before_ms;
        if self.aof.rewrite_scheduled && !busy && late && self.persistence.shutdown.is_none() {
            self.start_rewrite();
        }
    }

    /// Begins, if what the log holds so far can go to the file so far: the new increment must not begin before its base. Otherwise it is
    /// done later.
    fn start_rewrite(&mut self) -> bool {
        let begins = self.aof.phase != Phase::On;
        let was_off = self.aof.is_off();
        if !was_off {
            self.replication.begin_logging(&mut self.rng);
            self.append_to_aof();
        }
        let behind = self.aof.cursor < self.replication.log.end() || self.replication.local_bytes() > 0;
        let is_behind = self.aof.open && behind;
        self.aof.rewrite_scheduled = !begins && (self.aof.write_error.is_some() || is_behind);
        if self.aof.rewrite_scheduled {
            return false;
        }
        let at = self.replication.log.end();
        let settings = self.config.settings();
        let names = NamePattern(&settings.appendfilename);
        let mut manifest = self.aof.manifest.clone().unwrap_or_default();
        let base_seq = manifest.next_base().max(self.aof.base_floor);
        let commands = !settings.aof_use_rdb_preamble;
        let base =
            names.file(if commands { Name::CommandBase(base_seq) } else { Name::SnapshotBase(base_seq) });
        let increment = manifest.add_increment(names, self.aof.increment_floor);
        let increment_seq = manifest.increments.last().map_or(1, |part| part.seq);
        // A line that says that writing ended is not the last one any more.
        self.aof.ended_at = None;
        self.aof.base_floor = base_seq + 1;
        self.aof.increment_floor = increment_seq + 1;
        let folder = self.aof_folder();
        let target = SaveTarget::File(folder.join(&base));
        let mut save =
            self.prepare_save(SaveKind::Aof, SnapshotForm::Redis10, SnapshotFilter::Everything, target);
        save.options.commands = commands;
        tracing::info!("Background append only file rewriting started");
        if !was_off {
            let of_file = (!begins).then(|| self.manifest_file(&manifest));
            let begin = begins.then(|| self.aof.restart_at(at, self.replication.stream_db()));
            let (path, epoch) = (folder.join(&increment).into(), self.aof.epoch);
            let open = AofOpen { folder, file: increment, keep: None, manifest: of_file, begins: begin };
            let manifest = (!begins).then(|| manifest.clone());
            self.aof.opening.push_back(Opening { manifest, rewrite: Some(save.id), path, epoch });
            self.ask_aof(AofWork::Open(Box::new(open)));
        }
        self.aof.rewrite = Some(Box::new(Rewrite {
            job: save.id,
            save: Some(save),
            base,
            base_seq,
            increment_seq,
            manifest,
            at,
            batch: self.aof.batches,
            started: self.now,
            bytes: 0,
            stage: Stage::Opening,
            begins,
        }));
        if was_off {
            // Nothing is appended: it is for whoever wants the files.
            self.start_saving();
        } else {
            self.begin_increment(at);
        }
        true
    }

    /// What is appended from here on is the beginning of a file.
    fn begin_increment(&mut self, at: Offset) {
        self.aof.open = true;
        self.aof.history_due = true;
        self.aof.told_unix_s = 0;
        let pieces = self.pieces_up_to(at);
        self.append_pieces(pieces, at);
    }

    /// The file that was to be opened is, or is not: that of a rewrite, or of the start.
    pub(super) fn aof_opened(&mut self, result: Result<u64, String>) {
        let Some(opening) = self.aof.opening.pop_front() else { return };
        let job = self.aof.rewrite.as_ref().map(|rewrite| rewrite.job);
        // The rewrite may have been given up since.
        let of_present = opening.rewrite.is_some() && opening.rewrite == job;
        match result {
            Ok(size) => {
                if let Some(manifest) = opening.manifest {
                    self.aof.manifest = Some(manifest);
                }
                if opening.rewrite.is_some() {
                    self.aof.earlier_bytes = self.aof.current_bytes();
                }
                self.aof.increment_bytes = size;
                if opening.epoch == self.aof.epoch {
                    self.aof.reach.begin_file(opening.path, self.aof.written, size);
                }
                if of_present {
                    self.start_saving();
                }
            }
            Err(error) if opening.rewrite.is_some() => {
                tracing::warn!("Can't open the append-only file: {error}");
                if of_present {
                    self.rewrite_failed();
                }
            }
            Err(error) => {
                tracing::warn!("Can't open the append-only file: {error}. Exiting.");
                self.actions.push(Action::Exit { code: 1 });
            }
        }
    }

    fn start_saving(&mut self) {
        if let Some(rewrite) = &mut self.aof.rewrite
            && let Some(save) = rewrite.save.take()
        {
            rewrite.stage = Stage::Saving;
            self.actions.push(Action::Save(save));
        }
    }

    /// The base stands, or could not be written.
    pub(crate) fn base_saved(&mut self, job: JobId, result: &Result<SaveReport, String>) {
        let is_off = self.aof.is_off();
        let Some(rewrite) = self.aof.rewrite.as_mut().filter(|rewrite| rewrite.job == job) else { return };
        match result {
            Ok(report) => {
                rewrite.bytes = report.bytes;
                rewrite.stage = Stage::Switching;
                rewrite.manifest.replace_base(rewrite.base.clone(), rewrite.base_seq, rewrite.increment_seq);
                if is_off {
                    // A base alone, without increments: it is all that there is.
                    rewrite.manifest.history.append(&mut rewrite.manifest.increments);
                    for part in &mut rewrite.manifest.history {
                        part.kind = aof::FileKind::History;
                    }
                }
                let complete = rewrite.manifest.clone();
                let (after, delete) = self.without_useless(&complete);
                let switch = AofSwitch {
                    folder: self.aof_folder(),
                    manifest: self.manifest_file(&complete),
                    delete,
                    after: self.manifest_file(&after),
                };
                self.aof.switching.push_back(after);
                self.ask_aof(AofWork::Switch(Box::new(switch)));
            }
            Err(error) => {
                tracing::warn!("Background AOF rewrite terminated with error: {error}");
                self.rewrite_failed();
            }
        }
    }

    pub(super) fn aof_switched(&mut self, result: Result<(), String>) {
        let manifest = self.aof.switching.pop_front();
        if let (Ok(()), Some(manifest)) = (&result, manifest) {
            // What it says is certain now, and numbers that were used in vain are free.
            self.aof.base_floor = manifest.next_base();
            self.aof.increment_floor = manifest.next_increment();
            self.aof.manifest = Some(manifest);
            self.aof.kept_aside = false;
        }
        // It may have been given up since.
        let last = self.aof.switching.is_empty();
        let Some(rewrite) = self.aof.rewrite.take_if(|rewrite| last && rewrite.stage == Stage::Switching)
        else {
            return;
        };
        if let Err(error) = result {
            tracing::warn!("The manifest of the append only file could not be replaced: {error}");
            self.aof.rewrite = Some(rewrite);
            return self.rewrite_failed();
        }
        self.aof.rewrites += 1;
        self.aof.rewrite_failures = 0;
        self.aof.rewrite_not_before_ms = 0;
        self.aof.last_rewrite_ok = true;
        self.aof.last_rewrite_s =
            (self.now.mono_us.saturating_sub(rewrite.started.mono_us) / 1_000_000) as i64;
        self.aof.earlier_bytes = rewrite.bytes;
        self.aof.base_bytes = self.aof.current_bytes();
        self.aof.suspect = false;
        self.aof.is_durable(rewrite.at, rewrite.batch);
        tracing::info!("Background AOF rewrite finished successfully");
        if rewrite.begins && self.aof.phase == Phase::Beginning {
            self.aof.phase = Phase::On;
            self.aof_ready();
        }
        self.refresh_gate();
    }

    /// The manifest without those files of before that are of no use any more, and these files.
    fn without_useless(&self, manifest: &Manifest) -> (Manifest, Vec<String>) {
        if self.config.settings().aof_disable_auto_gc && !self.aof.kept_aside {
            return (manifest.clone(), Vec::new());
        }
        let mut after = manifest.clone();
        let reaches = self.config.settings().repl_backlog_aof;
        let useless = after.history.extract_if(.., |part| !(reaches && self.aof.reach.uses(&part.name)));
        let delete = useless.map(|part| part.name).collect();
        (after, delete)
    }

    /// Lets go of files that partial synchronisation need not reach back through (`repl-backlog-aof`).
    pub(crate) fn limit_reach(&mut self) {
        let settings = self.config.settings();
        let limit = if settings.repl_backlog_aof { settings.repl_backlog_aof_limit } else { 0 };
        let increments =
            self.aof.manifest.as_ref().map(|manifest| &manifest.increments[..]).unwrap_or_default();
        let is_history = |path: &Path| {
            let name = path.file_name();
            !increments.iter().any(|part| name.is_some_and(|name| name == part.name.as_str()))
        };
        self.aof.reach.trim(limit, is_history);
        if self.aof.phase == Phase::On && !self.gate.loading {
            self.collect_aof_history();
        }
    }

    /// Deletes what was left where it was (`aof-disable-auto-gc`).
    pub(crate) fn collect_aof_history(&mut self) {
        let Some(manifest) = &self.aof.manifest else { return };
        if manifest.history.is_empty()
            || self.aof.rewrite.is_some()
            || !self.aof.opening.is_empty()
            || !self.aof.switching.is_empty()
        {
            return;
        }
        let (after, delete) = self.without_useless(manifest);
        if delete.is_empty() {
            return;
        }
        let switch = AofSwitch {
            folder: self.aof_folder(),
            manifest: self.manifest_file(&after),
            delete,
            after: self.manifest_file(&after),
        };
        self.aof.switching.push_back(after);
        self.ask_aof(AofWork::Switch(Box::new(switch)));
    }

    /// Everything stays as it was before the rewrite, but for an increment more.
    fn rewrite_failed(&mut self) {
        let Some(rewrite) = self.aof.rewrite.take() else { return };
        if self.persistence.current.as_ref().is_some_and(|current| current.job == rewrite.job) {
            self.persistence.current = None;
            self.actions.push(Action::Cancel(rewrite.job));
        }
        self.aof.last_rewrite_ok = false;
        self.aof.rewrite_failures += 1;
        let more = self.aof.rewrite_failures.saturating_sub(PATIENCE).min(16);
        let wait_ms =
            if self.aof.rewrite_failures < PATIENCE { 1000 } else { (WAIT_MS << more).min(MAX_WAIT_MS) };
        self.aof.rewrite_not_before_ms = self.now.mono_ms() + wait_ms;
        if rewrite.begins {
            // There is nothing yet without it.
            self.aof.open = false;
            let _ = self.aof.restart_at(self.replication.log.end(), self.replication.stream_db());
            self.ask_aof(AofWork::Close);
            if self.is_opening() {
                tracing::warn!("The append only file cannot be created. Exiting.");
                self.actions.push(Action::Exit { code: 1 });
            }
        }
        if rewrite.begins || self.aof.suspect {
            self.aof.rewrite_scheduled = true;
        }
    }

    /// Something that somebody waits for goes first.
    pub(crate) fn postpone_rewrite(&mut self) {
        // One whose base stands already is as good as done.
        if self.aof.rewrite.as_ref().is_some_and(|rewrite| rewrite.stage != Stage::Switching) {
            self.give_rewrite_up();
            self.aof.rewrite_scheduled = true;
        }
    }

    /// Gives a rewrite up that is under way.
    pub(crate) fn give_rewrite_up(&mut self) {
        let Some(rewrite) = self.aof.rewrite.take() else { return };
        if self.persistence.current.as_ref().is_some_and(|current| current.job == rewrite.job) {
            self.persistence.current = None;
        }
        self.actions.push(Action::Cancel(rewrite.job));
    }

    /// `auto-aof-rewrite-percentage`: whether the files have grown so much that a rewrite is worth it.
    pub(super) fn check_aof_growth(&mut self) {
        let settings = self.config.settings();
        let (percentage, min) =
            (u64::from(settings.auto_aof_rewrite_percentage), settings.auto_aof_rewrite_min_size);
        let current = self.aof.current_bytes();
        let busy = self.persistence.current.is_some()
            || self.aof.rewrite.is_some()
            || self.aof.write_error.is_some()
            || self.gate.loading
            || self.persistence.shutdown.is_some();
        let late = self.now.mono_ms() >= self.aof.rewrite_not_before_ms;
        if self.aof.phase != Phase::On || percentage == 0 || busy || !late || current <= min {
            return;
        }
        let base = self.aof.base_bytes.max(1);
        let growth = (current * 100 / base).saturating_sub(100);
        if growth >= percentage {
            tracing::info!("Starting automatic rewriting of AOF on {growth}% growth");
            self.start_rewrite();
        }
    }
}
