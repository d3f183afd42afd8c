//! Replication: the log of effects with its history, the replicas that read it, the master that is followed.

pub(crate) mod apply;
mod channels;
pub(crate) mod downstream;
pub(crate) mod failover;
pub(crate) mod feed;
mod fit;
pub(crate) mod guard;
pub(crate) mod held;
pub(crate) mod lag;
mod lineage;
mod local;
mod omitted;
mod reach;
pub(crate) mod second;
mod spill;
pub(crate) mod synclog;
pub(crate) mod transfer;
pub(crate) mod upstream;

use backlog::{History, Log, Offset, PastHistory, ReplicationId};
use commands::Effects;
use psync::master::{Channels, FullSyncPlanner, PlannerPolicy};
use resp::Args;

use crate::action::ConnId;
use crate::snapshot::SnapshotIdentity;
use failover::Failover;
use lineage::{Quiet, Untouched};
use local::Local;
use omitted::Omitted;
use reach::FileReads;
use spill::Spill;
use synclog::SyncLog;
use transfer::{Bucket, Source, Transfer};
use upstream::Upstream;

/// Effects of a transaction, held until EXEC has run all its commands: one alone needs no MULTI around it.
struct OpenTransaction {
    bytes: Vec<u8>,
    count: usize,
    first_db: usize,
    db: usize,
    /// A client's of a replica: no part of the history.
    local: bool,
}

/// A point within a transaction.
#[derive(Clone, Copy, Default)]
pub(crate) struct TransactionMark {
    len: usize,
    count: usize,
    first_db: usize,
    db: usize,
}

/// The state of replication.
pub(crate) struct Replication {
    pub history: History,
    pub log: Log,
    /// Whether effects are logged: as long as nobody has ever followed this instance, and it nobody, there is no history to keep.
    logging: bool,
    /// The database that is selected in the stream at the end of the log. `None` makes the next effect select its own.
    stream_db: Option<usize>,
    /// The dataset was given up for that of a master, which is not there yet.
    pub emptied: bool,
    /// No data have been changed since this instance took a new name for what it holds.
    untouched: Option<Untouched>,
    /// The end of the log is of no consequence for the data.
    quiet: Option<Quiet>,
    /// Somebody else knows the present name of the history.
    name_is_known: bool,
    /// Until then what has expired is left alone, unless something is written (monotonic milliseconds).
    rest_until_ms: u64,
    transaction: Option<OpenTransaction>,
    omitted: Omitted,
    local: Local,
    /// The history has got another name at this offset, with this database selected, and the append only file has not been told.
    pub renamed_at: Option<(Offset, usize)>,
    scratch: Vec<u8>,
    /// The master, if this is a replica.
    pub upstream: Option<Box<Upstream>>,
    /// The role is being handed over to a replica.
    pub failover: Option<Box<Failover>>,
    /// Clients that are replicas, in order of arrival.
    pub replicas: Vec<ConnId>,
    pub planner: FullSyncPlanner<ConnId>,
    pub transfers: Vec<Transfer>,
    /// When the log had grown to where.
    pub growth: lag::Growth,
    /// What memory may not hold of the log.
    pub spill: Spill,
    /// What memory does not hold any more, and files do.
    pub file_reads: FileReads,
    /// Full synchronisations that use two connections.
    pub channels: Channels<ConnId>,
    /// Why replicas that were told to use a second connection need a snapshot.
    reasons: channels::Reasons,
    /// What the last streamed snapshot is made of, until its transfer begins.
    pub source: Option<std::sync::Arc<Source>>,
    /// How fast all payloads together may flow.
    pub bandwidth: Bucket,
    /// Up to here the log holds commands that Redis 7.0 does not know; what follows everybody knows.
    newer_end: Offset,
    /// The open transaction has such a command.
    newer_in_transaction: bool,
    /// Peers that did not take a snapshot.
    pub ceilings: fit::Ceilings,
    /// Since when no replica has been attached (monotonic milliseconds).
    pub no_replicas_since_ms: u64,
    pub last_ping_ms: u64,
    /// The last synchronisations.
    pub sync_log: SyncLog,
}

impl Replication {
    pub fn new(rng: &mut fastrand::Rng, settings: &config::Settings) -> Replication {
        Replication {
            history: History::new(ReplicationId::random(rng)),
            log: Log::new(Offset(0), settings.repl_backlog_size as usize),
            logging: false,
            stream_db: None,
            emptied: false,
            untouched: None,
            quiet: None,
            name_is_known: false,
            rest_until_ms: 0,
            transaction: None,
            omitted: Omitted::default(),
            local: Local::default(),
            renamed_at: None,
            scratch: Vec::new(),
            upstream: None,
            failover: None,
            replicas: Vec::new(),
            planner: FullSyncPlanner::new(PlannerPolicy::default()),
            transfers: Vec::new(),
            growth: lag::Growth::default(),
            spill: Spill::default(),
            file_reads: FileReads::default(),
            channels: Channels::default(),
            reasons: channels::Reasons::default(),
            source: None,
            bandwidth: Bucket::default(),
            newer_end: Offset(0),
            newer_in_transaction: false,
            ceilings: fit::Ceilings::default(),
            no_replicas_since_ms: 0,
            last_ping_ms: 0,
            sync_log: SyncLog::default(),
        }
    }

    pub fn is_replica(&self) -> bool {
        self.upstream.is_some()
    }

    /// Whether a history is kept.
    pub fn has_log(&self) -> bool {
        self.logging
    }

    /// Whether this instance's own writes are effects of its history. Those of a writable replica are not: its history is its
    /// master's.
    #[inline]
    pub fn is_logging(&self) -> bool {
        self.logging && self.upstream.is_none()
    }

    /// The database selected in the stream.
    pub fn stream_db(&self) -> usize {
        self.stream_db.or(self.untouched_db()).unwrap_or(0)
    }

    /// The master's stream has selected a database.
    pub fn select(&mut self, db: usize) {
        self.stream_db = Some(db);
    }

    /// Makes the next effect name its database: who starts from here knows of none.
    pub fn forget_db(&mut self) {
        if !self.is_replica() {
            self.stream_db = None;
        }
    }

    /// What a snapshot of this moment, or a request to resume, says about the history.
    pub fn identity(&self) -> Option<SnapshotIdentity> {
        // As long as nothing stands in a stream of our own, what counts is the one that this history comes from: somebody may go
        // back to that.
        let stream_db = self.stream_db();
        self.logging.then(|| SnapshotIdentity { id: *self.history.id(), offset: self.log.end(), stream_db })
    }

    /// Takes up the history that a loaded snapshot names. A replica goes on in it; a master begins one of its own and keeps it
    /// as its past: it cannot know whether all that it has ever told its replicas was in the snapshot.
    pub fn restore(
        &mut self,
        identity: SnapshotIdentity,
        ancestors: &[PastHistory],
        replica: bool,
        rng: &mut fastrand::Rng,
    ) {
        self.start_over(identity.id, identity.offset, Some(identity.stream_db), ancestors);
        if !replica {
            self.begin_history(rng);
        }
    }

    /// Starts to keep a history, if there is none yet. What was written so far is in no history: the id is a new one.
    pub fn begin_logging(&mut self, rng: &mut fastrand::Rng) {
        if !self.logging {
            self.logging = true;
            self.history.reset(ReplicationId::random(rng));
            self.restart_log(self.log.end());
            self.stream_db = None;
            self.touch();
            self.name_is_known = false;
            self.renamed();
        }
    }

    /// The history has another name from here on, which is true of what it holds so far.
    pub fn renamed(&mut self) {
        let here = (self.log.end(), self.stream_db());
        // Of two names in a row the later one is true of what lies between, too.
        self.renamed_at = Some(self.renamed_at.filter(|earlier| earlier.0 < here.0).unwrap_or(here));
    }

    /// Takes up a history that the log holds already, with the database that is selected.
    pub fn go_on(&mut self, history: History) {
        self.history = history;
        self.touch();
        self.name_is_known = true;
        self.logging = true;
        self.renamed();
    }

    /// The stream of a master flows: from here on it is logged.
    pub fn ensure_log(&mut self) {
        self.logging = true;
    }

    /// Ends the history: the log is freed. The id must go with it: without the log, writes leave no trace in the offset, and a
    /// replica with the old id and offset would be told that it misses nothing.
    pub fn end_logging(&mut self, rng: &mut fastrand::Rng) {
        self.logging = false;
        self.touch();
        self.name_is_known = false;
        self.history.reset(ReplicationId::random(rng));
        self.restart_log(self.log.end());
    }

    /// A replica becomes a master: its history goes on under a new id.
    pub fn begin_history(&mut self, rng: &mut fastrand::Rng) {
        self.emptied = false;
        self.untouched_from_here(self.stream_db());
        self.history.promote(ReplicationId::random(rng), self.log.end());
        self.renamed();
        self.name_is_known = false;
        // A replica that continues across the promotion may stand in another database than this instance's stream did.
        self.stream_db = None;
    }

    /// The whole dataset was replaced by one that stands elsewhere, in a history with these ancestors.
    pub fn start_over(
        &mut self,
        id: ReplicationId,
        offset: Offset,
        stream_db: Option<usize>,
        ancestors: &[PastHistory],
    ) {
        self.history = History::descended(id, ancestors.iter().copied(), offset);
        self.touch();
        self.name_is_known = true;
        self.emptied = false;
        self.restart_log(offset);
        self.logging = true;
        self.stream_db = stream_db;
    }

    /// Begins an empty log there.
    fn restart_log(&mut self, at: Offset) {
        self.log.restart(at);
        self.spill.let_go();
        self.planner.seal();
        self.newer_end = Offset(0);
    }

    // ---- effects -----------------------------------------------------------------------------

    /// Puts what a command did into the log. `raw` are the client's own bytes, if they are a request in array form.
    pub fn log_effects(&mut self, effects: &Effects, db: usize, args: Args<'_>, raw: Option<&[u8]>) {
        let count = effects.count();
        let local = self.upstream.is_some();
        if !local {
            self.touch();
        }
        if self.transaction.as_ref().is_some_and(|open| open.count > 0 && open.local != local) {
            // The transaction itself has made a master of a replica.
            self.end_transaction();
            self.begin_transaction();
        }
        if let Some(open) = &mut self.transaction {
            open.local = local;
            if open.count == 0 {
                open.first_db = db;
            } else if open.db != db {
                encode_select(&mut open.bytes, db);
            }
            open.db = db;
            open.count += count;
            open.bytes.extend_from_slice(&effects.log);
            if effects.is_verbatim() {
                match raw {
                    Some(raw) => open.bytes.extend_from_slice(raw),
                    None => encode_args(&mut open.bytes, args),
                }
            }
            self.newer_in_transaction |= effects.newer;
            return;
        }
        if local {
            return self.note_local(effects, db, args, raw);
        }
        let together = count > 1 && !effects.separate;
        if together {
            self.log.append(MULTI);
        }
        self.select_in_log(db);
        if effects.log_count > 0 {
            self.log.append(&effects.log);
        }
        if effects.is_verbatim() {
            match raw {
                Some(raw) => self.log.append(raw),
                None => {
                    self.scratch.clear();
                    encode_args(&mut self.scratch, args);
                    self.log.append(&self.scratch);
                }
            }
        }
        if together {
            self.log.append(EXEC);
        }
        if effects.newer {
            self.note_newer();
        }
    }

    /// A message: it changes nothing, but the subscribers of replicas are to hear it too.
    pub fn log_message(&mut self, db: usize, args: Args<'_>) {
        // In a transaction that writes it belongs to what is written.
        if self.transaction.as_ref().is_none_or(|open| open.count == 0) {
            self.quiet_from(self.log.end());
        }
        let marks = (self.untouched, self.quiet);
        let effects = Effects { dirty: 1, ..Effects::default() };
        if self.transaction.is_none() {
            // It may select a database, and that is for the file as well.
            self.select_in_log(db);
        }
        let begin = self.log.end();
        self.log_effects(&effects, db, args, None);
        self.omit_since(begin);
        (self.untouched, self.quiet) = marks;
    }

    fn select_in_log(&mut self, db: usize) {
        if self.stream_db != Some(db) {
            self.scratch.clear();
            encode_select(&mut self.scratch, db);
            self.log.append(&self.scratch);
            self.stream_db = Some(db);
        }
    }

    /// A deletion by expiry; `name` is the command for it.
    pub fn log_deletion(&mut self, db: usize, name: &[u8], key: &[u8]) {
        self.scratch.clear();
        resp::encode_request(&mut self.scratch, &[name, key]);
        if self.upstream.is_some() {
            let command = std::mem::take(&mut self.scratch);
            self.note_local_bytes(&command, db, db, false);
            self.scratch = command;
            return;
        }
        let command = std::mem::take(&mut self.scratch);
        self.touch();
        self.select_in_log(db);
        self.log.append(&command);
        self.scratch = command;
    }

    /// A command of the replication itself, which concerns no database.
    pub fn log_control(&mut self, command: &[&[u8]]) {
        self.quiet_from(self.log.end());
        self.scratch.clear();
        resp::encode_request(&mut self.scratch, command);
        let begin = self.log.end();
        self.log.append(&self.scratch);
        self.omit_since(begin);
    }

    /// Whether effects are held back: the data are further than the log.
    pub fn in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// EXEC begins to run its commands.
    pub fn begin_transaction(&mut self) {
        self.transaction =
            Some(OpenTransaction { bytes: Vec::new(), count: 0, first_db: 0, db: 0, local: false });
    }

    /// Where the transaction stands, for [`Replication::cut_transaction`].
    pub fn transaction_mark(&self) -> TransactionMark {
        let mark = |open: &OpenTransaction| TransactionMark {
            len: open.bytes.len(),
            count: open.count,
            first_db: open.first_db,
            db: open.db,
        };
        self.transaction.as_ref().map(mark).unwrap_or_default()
    }

    /// Takes out again what has been added since: effects that a script wants nobody to hear of.
    pub fn cut_transaction(&mut self, mark: TransactionMark) {
        if let Some(open) = &mut self.transaction {
            open.bytes.truncate(mark.len);
            open.count = mark.count;
            open.first_db = mark.first_db;
            open.db = mark.db;
        }
    }

    /// Nobody is to hear of what the transaction has done: it stands in the log already, in other words.
    pub fn forget_transaction(&mut self) {
        self.transaction = None;
        self.newer_in_transaction = false;
    }

    /// EXEC has run its commands: their effects, if there are any, go into the log together.
    pub fn end_transaction(&mut self) -> bool {
        let Some(open) = self.transaction.take() else { return false };
        if open.count == 0 {
            return false;
        }
        if open.local {
            self.newer_in_transaction = false;
            self.note_local_bytes(&open.bytes, open.first_db, open.db, open.count > 1);
            return true;
        }
        if open.count > 1 {
            self.log.append(MULTI);
        }
        self.select_in_log(open.first_db);
        self.log.append(&open.bytes);
        if open.count > 1 {
            self.log.append(EXEC);
        }
        if std::mem::take(&mut self.newer_in_transaction) {
            self.note_newer();
        }
        self.stream_db = Some(open.db);
        true
    }
}

const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";

fn encode_select(out: &mut Vec<u8>, db: usize) {
    let mut digits = itoa::Buffer::new();
    resp::encode_request(out, &[b"SELECT", digits.format(db).as_bytes()]);
}

fn encode_args(out: &mut Vec<u8>, args: Args<'_>) {
    resp::encode_array_header(out, args.len());
    for arg in args.iter() {
        resp::encode_bulk(out, arg);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use resp::OwnedArgs;

    pub(crate) fn replication() -> Replication {
        let loaded = config::Settings::default();
        let mut rng = fastrand::Rng::with_seed(1);
        let mut replication = Replication::new(&mut rng, &loaded);
        replication.begin_logging(&mut rng);
        replication
    }

    pub(crate) fn message(replication: &mut Replication) {
        let owned = OwnedArgs::from_slices(&[b"PUBLISH", b"channel", b"text"]);
        replication.log_message(0, owned.as_args());
    }

    pub(crate) fn effect(replication: &mut Replication, db: usize, command: &[&[u8]]) {
        let owned = OwnedArgs::from_slices(command);
        let effects = Effects { dirty: 1, ..Effects::default() };
        replication.log_effects(&effects, db, owned.as_args(), None);
    }

    /// The commands in the log, one a line.
    fn log_text(replication: &Replication) -> String {
        let mut bytes = Vec::new();
        for slice in replication.log.slices(Offset(0)).expect("nothing was trimmed") {
            bytes.extend_from_slice(slice);
        }
        let mut parser = resp::RequestParser::new();
        let (mut at, mut text) = (0, String::new());
        loop {
            let mut spans = Vec::new();
            let parsed = parser.parse(&bytes, at, &resp::RequestLimits::default(), &mut spans);
            let Ok(resp::Parsed::Request { end, .. }) = parsed else { break };
            let words: Vec<_> = Args::new(&bytes, &spans)
                .iter()
                .map(|arg| String::from_utf8_lossy(arg).into_owned())
                .collect();
            text.push_str(&words.join(" "));
            text.push('\n');
            at = end;
        }
        assert_eq!(at, bytes.len());
        text
    }

    #[test]
    fn databases_are_selected_when_they_change() {
        let mut replication = replication();
        effect(&mut replication, 0, &[b"SET", b"a", b"1"]);
        effect(&mut replication, 0, &[b"SET", b"b", b"1"]);
        effect(&mut replication, 3, &[b"SET", b"c", b"1"]);
        replication.forget_db();
        effect(&mut replication, 3, &[b"SET", b"d", b"1"]);
        assert_eq!(
            log_text(&replication),
            "SELECT 0\nSET a 1\nSET b 1\nSELECT 3\nSET c 1\nSELECT 3\nSET d 1\n"
        );
    }

    #[test]
    fn a_transaction_of_one_effect_stands_alone() {
        let mut replication = replication();
        replication.begin_transaction();
        replication.end_transaction();
        replication.begin_transaction();
        effect(&mut replication, 0, &[b"SET", b"a", b"1"]);
        replication.end_transaction();
        assert_eq!(log_text(&replication), "SELECT 0\nSET a 1\n");
    }

    #[test]
    fn a_transaction_of_several_effects_is_one() {
        let mut replication = replication();
        replication.begin_transaction();
        effect(&mut replication, 1, &[b"SET", b"a", b"1"]);
        effect(&mut replication, 2, &[b"SET", b"b", b"1"]);
        replication.end_transaction();
        effect(&mut replication, 2, &[b"DEL", b"b"]);
        assert_eq!(log_text(&replication), "MULTI\nSELECT 1\nSET a 1\nSELECT 2\nSET b 1\nEXEC\nDEL b\n");
    }

    #[test]
    fn a_command_with_several_effects_is_a_transaction() {
        let mut replication = replication();
        let mut effects = Effects { dirty: 1, ..Effects::default() };
        effects.push(&[b"DEL", b"old"]);
        let owned = OwnedArgs::from_slices(&[b"SET", b"a", b"1"]);
        replication.log_effects(&effects, 0, owned.as_args(), None);
        assert_eq!(log_text(&replication), "MULTI\nSELECT 0\nDEL old\nSET a 1\nEXEC\n");
    }

    #[test]
    fn a_freed_log_takes_its_id_with_it() {
        let mut replication = replication();
        let mut rng = fastrand::Rng::with_seed(2);
        let before = *replication.history.id();
        replication.end_logging(&mut rng);
        assert!(replication.identity().is_none());
        replication.begin_logging(&mut rng);
        assert_ne!(*replication.history.id(), before);
        assert_eq!(replication.history.past(), None);
    }
}
