//! The way back: what the files hold becomes the dataset, and their annotations the history.
//!
//! The base comes as a snapshot is loaded, beside everything else; the increments come chunk by chunk, and their commands are carried
//! out like those of a master's stream. They go into the log as well, with their offsets, so that replicas which are a little behind
//! can continue from there.

use std::ops::Range;
use std::path::PathBuf;

use aof::{Annotation, FileKind, Manifest, NamePattern, Origin, PartFile};
use backlog::{History, Offset, PastHistory, ReplicationId};
use bytes::Bytes;
use commands::ExpiryMode;

use super::{AofOpen, AofWork, Opening, Phase, Reach};
use crate::action::{Action, ConnId, JobId, LoadError, LoadJob, LoadSource};
use crate::node::Node;
use crate::persistence::StartLoad;
use crate::replication::apply::Applier;
use crate::session::{Blocked, Session};
use crate::snapshot::Loaded;

/// Chunks that may be under way.
const CHUNKS: u32 = 8;
/// What is not in the file, and has left a gap in the offsets, is filled with lines that mean nothing, unless it is this much.
const MAX_GAP: u64 = 16 << 20;

/// A piece of what the files hold.
#[derive(Debug, Default)]
pub struct AofChunk {
    /// Commands, one after the other.
    pub commands: Bytes,
    /// What is to be done with them.
    pub items: Vec<AofItem>,
}

/// What comes next.
#[derive(Debug)]
pub enum AofItem {
    /// A file begins.
    File {
        /// Its name.
        name: String,
        /// Bytes of it.
        len: u64,
    },
    /// A file begins that was history already: nothing of it is a part of the dataset. Only its lines follow.
    Past {
        /// Its name.
        name: String,
        /// Bytes of it.
        len: u64,
    },
    /// It cannot be read, for this reason.
    PastFailed(String),
    /// So many bytes of commands.
    Commands {
        /// Where in the file they begin.
        at: u64,
        /// Bytes.
        len: usize,
        /// Whose they are.
        origin: Origin,
    },
    /// What is said of them.
    Line {
        /// What it says.
        line: Annotation,
        /// The byte of the file where it stands.
        at: u64,
    },
}

/// What was loaded.
#[derive(Debug)]
pub struct AofSummary {
    /// The files.
    pub manifest: Manifest,
    /// The last increment is to be cut back to so many bytes, which may be all that it has.
    pub keep: u64,
    /// Its last line says that writing ended in good order.
    pub ended: bool,
    /// Bytes of all files.
    pub bytes: u64,
    /// What became of the point that was to be taken back to.
    pub recovered: Recovery,
}

/// What became of the wish to have the dataset as it was at some point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recovery {
    /// There was none, or it had been fulfilled at an earlier start.
    #[default]
    None,
    /// All of the files came before the point. The manifest is to say so.
    NothingBeyond,
    /// What was loaded came before the point, and there was more. The files as they were have second names: a new base takes their
    /// place.
    Cut,
}

/// Files while they are being loaded.
#[derive(Default)]
pub(crate) struct AofLoading {
    applier: Applier,
    /// Where the files are.
    folder: PathBuf,
    file: String,
    /// It was history already.
    is_past: bool,
    /// The history that the commands so far belong to; `None` where that is not known.
    history: Option<(ReplicationId, Vec<PastHistory>)>,
    /// The last line said that writing had ended, and which role the writer had.
    ended_as_replica: Option<bool>,
    /// A DEBUG LOADAOF: this client waits, and the history is not to be touched.
    client: Option<ConnId>,
    /// What was selected in the stream before that.
    stream_db: usize,
    commands: u64,
    /// The commands that come are of clients of a replica.
    local: bool,
    /// What is selected in the stream meanwhile: of what selects a database and then another, the end may be missing.
    db_outside: usize,
    /// Commands of the chunk that have not been carried out: where they are in it, and in the file.
    places: Vec<(usize, u64)>,
    /// Why it cannot go on.
    pub error: Option<String>,
}

impl AofLoading {
    fn keeps_log(&self) -> bool {
        self.history.is_some() && self.client.is_none()
    }
}

impl Node {
    /// Where the files are. At the start they may have to be taken back to some point.
    fn aof_source(&self, starts: bool) -> LoadSource {
        let settings = self.config.settings();
        LoadSource::Aof {
            folder: self.aof_folder(),
            name: settings.appendfilename.clone(),
            single: PathBuf::from(&settings.dir).join(&settings.appendfilename),
            dump: self.rdb_path(),
            cut_is_fine: settings.aof_load_truncated,
            until: self.wants_recovery().filter(|_| starts),
            past: settings.repl_backlog_aof && starts,
        }
    }

    /// To where the files are to be taken back at the start.
    pub(crate) fn wants_recovery(&self) -> Option<aof::Point> {
        let settings = self.config.settings();
        let point = aof::Point {
            unix_ms: settings.aof_recover_until_ms(),
            offset: u64::try_from(settings.aof_recover_until_offset).ok(),
        };
        Some(point).filter(|point| *point != aof::Point::default())
    }

    /// Begins to load the files, at the start or for DEBUG LOADAOF.
    pub(crate) fn load_aof(&mut self, options: crate::snapshot::LoadOptions, client: Option<ConnId>) {
        let job = self.new_job();
        let source = self.aof_source(client.is_none());
        let loading = AofLoading {
            client,
            folder: self.aof_folder(),
            stream_db: self.replication.stream_db(),
            ..AofLoading::default()
        };
        self.persistence.loading =
            Some(StartLoad { aof: Some(Box::new(loading)), ..StartLoad::new(job, self.now) });
        self.gate.loading = true;
        self.actions.push(Action::Load(Box::new(LoadJob { id: job, source, options })));
        self.actions.push(Action::Credit { job, chunks: CHUNKS });
    }

    fn aof_loading(&mut self, job: JobId) -> Option<&mut AofLoading> {
        let loading = self.persistence.loading.as_mut().filter(|loading| loading.job == job)?;
        loading.aof.as_deref_mut()
    }

    /// The base has been loaded, or there is none, and commands follow.
    pub(crate) fn aof_base_loaded(&mut self, job: JobId, base: Option<Box<Loaded>>) {
        if self.aof_loading(job).is_none() {
            return;
        }
        let databases = self.keyspace.databases();
        let Some(mut base) = base else {
            let empty = keyspace::Keyspace::new(databases, self.rng.u64(..));
            let old = std::mem::replace(&mut self.keyspace, empty);
            self.free_keyspace(old);
            return;
        };
        self.replace_functions(&base.functions);
        let old = std::mem::replace(
            &mut self.keyspace,
            std::mem::replace(&mut base.keyspace, keyspace::Keyspace::new(0, 0)),
        );
        self.free_keyspace(old);
        self.persistence.last_load_keys = base.keys;
        self.persistence.last_load_expired = base.expired;
        let Some(loading) = self.aof_loading(job) else { return };
        if let Some(identity) = base.identity {
            loading.history = Some((identity.id, base.ancestors));
            if loading.client.is_none() {
                self.replication.log.restart(identity.offset);
                self.replication.select(identity.stream_db);
            }
        }
    }

    /// The next chunk of commands.
    pub(crate) fn aof_chunk(&mut self, job: JobId, chunk: &AofChunk) {
        let Some(loading) = self.persistence.loading.as_mut().filter(|loading| loading.job == job) else {
            return;
        };
        let Some(mut aof) = loading.aof.take() else { return };
        if aof.error.is_none() {
            let result = self.load_chunk(&mut aof, chunk);
            if let Err(text) = result {
                aof.error.get_or_insert(text);
            }
        }
        let error = aof.error.clone();
        if let Some(loading) = &mut self.persistence.loading {
            loading.aof = Some(aof);
        }
        match error {
            Some(error) => {
                self.actions.push(Action::Cancel(job));
                self.aof_loaded(job, Err(LoadError::Corrupt(error)));
            }
            None => self.actions.push(Action::Credit { job, chunks: 1 }),
        }
    }

    fn load_chunk(&mut self, aof: &mut AofLoading, chunk: &AofChunk) -> Result<(), String> {
        let mut at = 0;
        // Commands that have not been carried out: those of several spans are, if nothing lies between them.
        let mut run = 0..0;
        for item in &chunk.items {
            match item {
                AofItem::File { name, len } => {
                    self.run_loaded(aof, chunk, &mut run)?;
                    let was_past = std::mem::take(&mut aof.is_past);
                    if was_past || aof.file.is_empty() {
                        self.note_reach(aof, |reach, end| reach.load_seen(end));
                    }
                    aof.file.clone_from(name);
                    self.replication.select(0);
                    self.note_reach(aof, |reach, _| reach.load_file(aof.folder.join(name).into(), *len));
                }
                AofItem::Past { name, len } => {
                    aof.is_past = true;
                    self.note_reach(aof, |reach, _| reach.load_file(aof.folder.join(name).into(), *len));
                }
                AofItem::PastFailed(why) => {
                    tracing::warn!("Partial synchronisation does not reach back beyond it: {why}");
                    self.note_reach(aof, |reach, _| reach.load_failed(why.clone()));
                }
                AofItem::Line { line, at } if aof.is_past => {
                    self.note_reach(aof, |reach, _| reach.load_line(line, *at));
                }
                AofItem::Commands { at: in_file, len, origin } => {
                    if (*origin == Origin::Local) != aof.local {
                        self.run_loaded(aof, chunk, &mut run)?;
                        self.turn_local(aof);
                    }
                    if *origin == Origin::Unknown && aof.history.is_some() {
                        self.run_loaded(aof, chunk, &mut run)?;
                        aof.history = None;
                    }
                    aof.ended_as_replica = None;
                    if run.is_empty() {
                        run = at..at;
                    }
                    aof.places.push((at, *in_file));
                    at += len;
                    run.end = at;
                }
                AofItem::Line { line, at: position } => {
                    self.note_reach(aof, |reach, _| reach.load_line(line, *position));
                    if let Annotation::Span(span) = line
                        && aof.keeps_log()
                        && !aof.local
                        && span.offset.0 == self.replication.log.end().0 + run.len() as u64
                        && aof.ended_as_replica.is_none()
                    {
                        continue;
                    }
                    self.run_loaded(aof, chunk, &mut run)?;
                    self.load_line(aof, line)?;
                }
            }
        }
        self.run_loaded(aof, chunk, &mut run)
    }

    /// Has the reach know of what stands in the files, at a start.
    fn note_reach(&mut self, aof: &AofLoading, note: impl FnOnce(&mut Reach, Offset)) {
        if aof.client.is_none() {
            note(&mut self.aof.reach, self.replication.log.end());
        }
    }

    /// Commands of the history are followed by those of a replica's clients, or the other way round.
    fn turn_local(&mut self, aof: &mut AofLoading) {
        aof.local = !aof.local;
        if aof.local {
            aof.db_outside = self.replication.stream_db();
        } else {
            self.replication.select(aof.db_outside);
        }
    }

    fn load_line(&mut self, aof: &mut AofLoading, line: &Annotation) -> Result<(), String> {
        match line {
            Annotation::History(history) => {
                aof.history = Some((history.id, Vec::new()));
                aof.ended_as_replica = None;
                aof.local = false;
                if aof.client.is_none() {
                    if !self.replication.log.truncate(history.offset) {
                        self.replication.log.restart(history.offset);
                    }
                    self.replication.select(history.db as usize);
                }
            }
            Annotation::Ancestor(past) => {
                if let Some((_, ancestors)) = &mut aof.history {
                    ancestors.push(*past);
                }
            }
            Annotation::Span(span) => {
                aof.ended_as_replica = None;
                if aof.keeps_log() {
                    self.go_on_to(span.offset, &aof.file)?;
                }
            }
            Annotation::End { offset, replica, .. } => {
                if aof.keeps_log() {
                    self.go_on_to(*offset, &aof.file)?;
                    aof.ended_as_replica = Some(*replica);
                }
            }
            Annotation::Local { .. } | Annotation::Time { .. } | Annotation::Unknown => {}
        }
        Ok(())
    }

    /// The log has gone on without the file.
    fn go_on_to(&mut self, offset: Offset, file: &str) -> Result<(), String> {
        let end = self.replication.log.end();
        let Some(gap) = offset.checked_since(end) else {
            return Err(format!(
                "Bad file format reading the append only file {file}: an offset of {offset} behind one of {end}"
            ));
        };
        if gap > MAX_GAP.min(self.replication.log.capacity() as u64) {
            self.replication.log.restart(offset);
        } else {
            const LINES: &[u8] = &[b'\n'; 64];
            let mut left = gap as usize;
            while left > 0 {
                let now = left.min(LINES.len());
                self.replication.log.append(&LINES[..now]);
                left -= now;
            }
        }
        Ok(())
    }

    fn run_loaded(
        &mut self,
        aof: &mut AofLoading,
        chunk: &AofChunk,
        run: &mut Range<usize>,
    ) -> Result<(), String> {
        let range = std::mem::take(run);
        let places = std::mem::take(&mut aof.places);
        if range.is_empty() {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.env.expiry, ExpiryMode::Ignore);
        self.env.no_touch = false;
        self.env.may_block = false;
        let commands = &chunk.commands[range.clone()];
        aof.applier.load(aof.keeps_log() && !aof.local);
        let tracks = self.effects.track_keys;
        self.effects.track_keys |= aof.local;
        self.own_keys.loads = aof.local;
        let result = self.apply_loaded(&mut aof.applier, commands);
        self.own_keys.loads = false;
        self.effects.track_keys = tracks;
        aof.commands += aof.applier.take_loaded();
        self.env.expiry = before;
        self.pubsub.postbox = Default::default();
        if let Some((at, text)) = aof.applier.take_load_error() {
            let at = range.start + at;
            let place = places.iter().rev().find(|(begin, _)| *begin <= at);
            let byte = place.map_or(0, |(begin, in_file)| in_file + (at - begin) as u64);
            return Err(format!("{text} at byte {byte}, reading the append only file {}", aof.file));
        }
        self.replication.log.trim(None);
        result.map_err(|text| format!("Bad file format reading the append only file {}: {text}", aof.file))
    }

    /// All files have been loaded, or something is wrong with them.
    pub(crate) fn aof_loaded(&mut self, job: JobId, result: Result<Box<AofSummary>, LoadError>) {
        let Some(loading) =
            self.persistence.loading.take_if(|loading| loading.job == job && loading.aof.is_some())
        else {
            return;
        };
        let Some(mut aof) = loading.aof else { return };
        if aof.local {
            self.turn_local(&mut aof);
        }
        let seconds = self.now.mono_us.saturating_sub(loading.started.mono_us) as f64 / 1e6;
        if let Err(error) = &result {
            tracing::warn!("{error}");
        }
        if let Some(conn) = aof.client {
            self.gate.loading = false;
            // The data are others, the stream is the same.
            self.replication.touch();
            self.replication.select(aof.stream_db);
            self.replication.forget_db();
            let text = result.err().map(|_| "ERR Error trying to load the AOF files, check server logs.");
            if text.is_none() {
                tracing::info!("Append Only File loaded by DEBUG LOADAOF");
            }
            for db in 0..self.keyspace.databases() {
                self.touch_whole_db(db, None);
            }
            return self.unblock(conn, |session| match text {
                None => session.reply.ok(),
                Some(text) => session.reply.error(text),
            });
        }
        let summary = match result {
            Ok(summary) => *summary,
            Err(_) => {
                tracing::warn!("The append only file cannot be loaded. Exiting.");
                self.actions.push(Action::Exit { code: 1 });
                return;
            }
        };
        tracing::info!("DB loaded from append only file: {seconds:.3} seconds");
        let clean = summary.ended.then_some(aof.ended_as_replica).flatten();
        self.take_up_history(aof.history, clean);
        self.persistence.loading = Some(StartLoad { opens_aof: true, ..StartLoad::new(job, self.now) });
        if summary.recovered == Recovery::Cut {
            self.begin_recovered(summary.manifest);
        } else {
            self.open_loaded(summary);
        }
    }

    /// The files hold more than was loaded: they are replaced by others before anybody is served, and deleted, as they have been kept
    /// aside. Until then a crash leaves everything as it was.
    fn begin_recovered(&mut self, manifest: Manifest) {
        if self.config.settings().replicaof.is_some() {
            tracing::warn!("This instance is a replica: what was left out comes again, if its master has it");
        }
        self.aof.manifest = Some(manifest);
        self.aof.kept_aside = true;
        self.aof.reach.clear();
        self.begin_aof();
    }

    /// The history that the files name goes on: under its name if it ended in good order, under a new one if nobody knows what of it
    /// was lost. `clean` says so, and whether the writer was a replica.
    fn take_up_history(&mut self, history: Option<(ReplicationId, Vec<PastHistory>)>, clean: Option<bool>) {
        let becomes_replica = self.config.settings().replicaof.is_some();
        let end = self.replication.log.end();
        let Some((id, ancestors)) = history else {
            self.aof.reach.clear();
            self.replication.begin_logging(&mut self.rng);
            return;
        };
        self.replication.go_on(History::descended(id, ancestors, end));
        if !becomes_replica && clean != Some(false) {
            self.replication.begin_history(&mut self.rng);
            self.replication.begin_rest(self.now.mono_ms());
        }
        self.env.expiry = self.expiry_mode();
        let name = self.replication.history.id();
        match clean {
            Some(_) => {
                tracing::info!("The history {id} ended in good order at offset {end}, and goes on as {name}")
            }
            None => {
                tracing::warn!("The history {id} was recovered up to offset {end}, and goes on as {name}")
            }
        }
    }

    /// Opens the last increment, or the first.
    fn open_loaded(&mut self, summary: AofSummary) {
        let settings = self.config.settings();
        let mut manifest = summary.manifest;
        let folder = self.aof_folder();
        let names = NamePattern(&settings.appendfilename);
        let at = self.replication.log.end();
        let mut reach = std::mem::take(&mut self.aof.reach);
        reach.loaded(at, summary.keep);
        let begins = Some(self.aof.restart_at(at, self.replication.stream_db()));
        self.aof.reach = reach;
        let open: AofOpen = match manifest.increments.last() {
            Some(last) => {
                let file = last.name.clone();
                let changed = summary.recovered == Recovery::NothingBeyond;
                let manifest = changed.then(|| self.manifest_file(&manifest));
                AofOpen { folder, file, keep: Some(summary.keep), manifest, begins }
            }
            None => {
                let file = manifest.add_increment(names, 1);
                let manifest = Some(self.manifest_file(&manifest));
                AofOpen { folder, file, keep: None, manifest, begins }
            }
        };
        let (path, epoch) = (open.folder.join(&open.file).into(), self.aof.epoch);
        self.aof.opening.push_back(Opening { manifest: None, rewrite: None, path, epoch });
        self.aof.manifest = Some(manifest);
        self.aof.phase = Phase::On;
        self.aof.open = true;
        self.aof.earlier_bytes = summary.bytes.saturating_sub(summary.keep);
        self.aof.base_bytes = summary.bytes;
        self.replication.keep_omitted(true);
        self.replication.renamed_at = None;
        self.ask_aof(AofWork::Open(Box::new(open)));
        let pieces = self.pieces_up_to(at);
        // That writing goes on is durable before anybody is told of anything: a line that says that it ended does not count any more.
        self.append_durably(pieces, at);
        self.move_gate();
    }

    /// The file can be appended to: clients are served.
    pub(crate) fn aof_ready(&mut self) {
        if self.persistence.loading.take_if(|loading| loading.opens_aof).is_some() {
            if self.config.settings().replicaof.is_none() {
                // Those who continue may stand in another database than the files know of.
                self.replication.forget_db();
            }
            self.begin_serving();
        }
    }
}

/// DEBUG LOADAOF
pub(crate) fn reload(node: &mut Node, session: &mut Session) {
    if node.gate.loading || node.debug.loadaof.is_some() {
        return session.reply.error("LOADING Tandem is loading the dataset in memory");
    }
    if session.in_exec || session.transaction.is_some() {
        return session.reply.error("ERR DEBUG LOADAOF is not allowed in transactions");
    }
    session.blocked = Some(Blocked::Job(JobId(0)));
    node.debug.loadaof = Some(session.conn);
    node.append_to_aof();
}

impl Node {
    /// Begins DEBUG LOADAOF once everything stands in the file.
    pub(crate) fn begin_loadaof(&mut self) {
        let Some(conn) = self.debug.loadaof else { return };
        let waits = self.aof.unwritten(self.replication.log.end()) > 0;
        if waits || self.aof.phase == Phase::Beginning || self.gate.loading {
            return;
        }
        self.debug.loadaof = None;
        let options = self.load_options();
        self.load_aof(options, Some(conn));
    }

    /// A single file of old becomes the base of a log in parts.
    pub fn manifest_of_single_file(name: &str) -> Manifest {
        let base = PartFile { name: name.to_owned(), seq: 1, kind: FileKind::Base };
        Manifest { base: Some(base), ..Manifest::default() }
    }
}
