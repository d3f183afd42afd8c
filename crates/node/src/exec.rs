//! From bytes to executed commands: parsing in batches, prefetching, the checks before a command, and what follows it.
//!
//! Requests are parsed a batch ahead, so that the memory they will touch can be fetched for all of them at once (`ahead.rs`).

use resp::{Args, Form, Parsed, RequestLimits, RequestParser};

use commands::{CommandSpec, Ctx, ExpiryMode, Flags, Handler};

use crate::batch::{BATCH, Batch, Request};
use crate::commandlog::{LogEntry, LogKind, shorten};
use crate::eviction::{OOM, Room};
use crate::host::pubsub::{is_for_subscribers, replies_by_push, subscribers_ping};
use crate::latency::{Spike, bucket_of};
use crate::node::Node;
use crate::redact::is_secret;
use crate::session::{Blocked, ReplyMode, Session, Transaction};

/// A command with more bytes than this is timed by itself.
const CHEAP_BYTES: usize = 16 * 1024;
/// Slow-log thresholds below this (microseconds) need every command timed by itself.
const PRECISE_BELOW_US: i64 = 1000;

impl Node {
    /// Executes the whole requests at the front of `input`; returns how many bytes they were. Stops early at a command that
    /// blocks its client.
    pub(crate) fn run(&mut self, session: &mut Session, input: &[u8]) -> usize {
        let mut batch = std::mem::take(&mut self.batch);
        let mut at = 0;
        loop {
            batch.clear();
            let end = self.parse_batch(session, input, at, &mut batch);
            self.prefetch_keys(session.db, &batch.hashes);
            self.prefetch_elements(session.db, input, &batch);
            let all = self.run_batch(session, input, &batch, &mut at);
            if !all {
                // The parser may have looked beyond the command that blocks; it starts over there.
                session.parser = RequestParser::new();
                break;
            }
            match end {
                BatchEnd::Full => {}
                BatchEnd::NeedsMore => break,
                BatchEnd::Error(text) => {
                    self.protocol_error(session, &text);
                    break;
                }
            }
        }
        batch.shrink();
        self.batch = batch;
        at
    }

    fn parse_batch(
        &mut self,
        session: &mut Session,
        input: &[u8],
        from: usize,
        batch: &mut Batch,
    ) -> BatchEnd {
        let limits = if session.authenticated {
            RequestLimits { max_bulk: self.env.proto_max_bulk_len, ..RequestLimits::default() }
        } else {
            RequestLimits::unauthenticated()
        };
        let mut at = from;
        while batch.requests.len() < BATCH {
            let span = batch.spans.len();
            match session.parser.parse(input, at, &limits, &mut batch.spans) {
                Ok(Parsed::Request { end, argc, form }) => {
                    let inline = form == Form::Inline;
                    if argc > 0 {
                        let mut request =
                            Request { start: at, end, next: end, span, argc, inline, spec: None };
                        if !inline {
                            let args = Args::new(input, &batch.spans[span..]);
                            request.spec = self.registry.resolve(args).ok();
                            self.collect_keys(session.db, request.spec, args, &mut batch.hashes);
                        }
                        batch.requests.push(request);
                    } else if let Some(last) = batch.requests.last_mut() {
                        // A blank request has no effect but its bytes.
                        last.next = end;
                    } else {
                        let request =
                            Request { start: at, end, next: end, span, argc: 0, inline, spec: None };
                        batch.requests.push(request);
                    }
                    at = end;
                    // Inline arguments stand in the parser until it parses again, and what AUTH changes holds at once.
                    if inline || !session.authenticated {
                        return BatchEnd::Full;
                    }
                }
                Ok(Parsed::Incomplete) => return BatchEnd::NeedsMore,
                Err(error) => return BatchEnd::Error(error.to_string()),
            }
        }
        BatchEnd::Full
    }

    /// Executes a batch; `at` follows. `false` when the rest has to wait.
    fn run_batch(&mut self, session: &mut Session, input: &[u8], batch: &Batch, at: &mut usize) -> bool {
        let mut timer = GroupTimer::start(self);
        for (number, request) in batch.requests.iter().enumerate() {
            let spans = &batch.spans[request.span..request.span + request.argc];
            let raw = &input[request.start..request.end];
            if request.argc > 0 {
                if request.inline {
                    let text = std::mem::take(&mut session.parser);
                    self.execute_timed(session, None, Args::new(text.inline(), spans), None, &mut timer);
                    session.parser = text;
                } else {
                    self.execute_timed(session, request.spec, Args::new(input, spans), Some(raw), &mut timer);
                }
            }
            if session.blocked == Some(Blocked::Paused) {
                timer.finish(self);
                return false;
            }
            *at = request.next;
            if session.blocked.is_some() || session.close_after_reply {
                timer.finish(self);
                return number + 1 == batch.requests.len() && session.blocked.is_none();
            }
        }
        timer.finish(self);
        true
    }

    fn execute_timed(
        &mut self,
        session: &mut Session,
        spec: Option<&'static CommandSpec>,
        args: Args<'_>,
        raw: Option<&[u8]>,
        timer: &mut GroupTimer,
    ) {
        let spec = match spec {
            Some(spec) => spec,
            None => match self.registry.resolve(args) {
                Ok(spec) => spec,
                Err(reject) => return self.reject(session, reject, args),
            },
        };
        let replied = session.reply.buf.len();
        let cheap = timer.groups
            && spec.flags.intersects(Flags::FAST.union(Flags::DENYOOM))
            && raw.is_some_and(|raw| raw.len() <= CHEAP_BYTES);
        if cheap {
            if self.execute(session, spec, args, raw) {
                timer.cheap.push(spec);
                let reply_bytes = session.reply.buf.len().saturating_sub(replied);
                if reply_bytes > CHEAP_BYTES {
                    self.note_large_reply(session, spec, args, reply_bytes);
                }
            }
            return;
        }
        timer.finish(self);
        if self.execute(session, spec, args, raw) && session.blocked != Some(Blocked::Keys) {
            let nanos = timer.lap(self) + std::mem::take(&mut self.stalled_ns);
            let request_bytes = raw.map_or_else(|| args_bytes(args), <[u8]>::len);
            let reply_bytes = session.reply.buf.len().saturating_sub(replied);
            self.note_executed(session, spec, args, Cost { nanos, request_bytes, reply_bytes });
        }
    }

    /// [`Node::call`] of a command inside of something else, timed by itself.
    pub(crate) fn call_timed(&mut self, session: &mut Session, spec: &'static CommandSpec, args: Args<'_>) {
        let started = (self.boot.clock_ns)();
        let replied = session.reply.buf.len();
        self.call(session, spec, args, None);
        if !matches!(session.blocked, Some(Blocked::Keys | Blocked::Script)) {
            let nanos = (self.boot.clock_ns)().saturating_sub(started) + std::mem::take(&mut self.stalled_ns);
            let reply_bytes = session.reply.buf.len().saturating_sub(replied);
            let cost = Cost { nanos, request_bytes: args_bytes(args), reply_bytes };
            self.note_executed(session, spec, args, cost);
        }
    }

    fn reject(&mut self, session: &mut Session, reject: commands::Reject, args: Args<'_>) {
        if let commands::Reject::Arity(spec) = reject {
            let index = self.registry.index(spec);
            self.stats.per_command[index].rejected += 1;
        }
        if session.authenticated {
            self.refuse(session, None, |out| reject.reply(args, out));
        } else {
            self.refuse(session, None, |out| out.error("NOAUTH Authentication required."));
        }
    }

    /// Answers a command with an error instead of executing it.
    pub(crate) fn refuse(
        &mut self,
        session: &mut Session,
        spec: Option<&'static CommandSpec>,
        error: impl FnOnce(&mut resp::ReplyBuf),
    ) {
        if let Some(transaction) = &mut session.transaction {
            transaction.broken = true;
        }
        if session.tracker.is_some() {
            self.end_exception(session, spec);
        }
        if let Some(spec) = spec {
            let index = self.registry.index(spec);
            self.stats.per_command[index].rejected += 1;
        }
        let from = session.reply.buf.len();
        error(&mut session.reply);
        self.stats.error_reply(&session.reply.buf[from + 1..]);
        self.drop_unwanted_reply(session, from);
    }

    /// Checks and executes one command. `false` when it was refused, queued or held back.
    fn execute(
        &mut self,
        session: &mut Session,
        spec: &'static CommandSpec,
        args: Args<'_>,
        raw: Option<&[u8]>,
    ) -> bool {
        if !session.unrestricted && !self.admit(session, spec, args) {
            return false;
        }
        if !self.gate.is_open() {
            if self.gate.redirecting && !self.gate.busy && self.redirect(session, spec) {
                return false;
            }
            if let Some(error) = self.refusal(session, spec) {
                if spec.full_name == "exec" && session.transaction.take().is_some() {
                    self.unwatch(session);
                    self.refuse(session, Some(spec), |out| {
                        out.error(&format!("EXECABORT Transaction discarded because of: {error}"));
                    });
                    return false;
                }
                self.refuse(session, Some(spec), |out| out.error(error));
                return false;
            }
            if self.gate.importing {
                self.set_import_view(session);
            }
            if self.gate.paused && self.pause.holds(spec, session, || self.declared_flags(spec, args))
                || self.gate.migrating && self.migrations.hold(spec, args, session)
            {
                session.blocked = Some(Blocked::Paused);
                self.pause.held.push(session.conn);
                return false;
            }
        }
        if session.is_replica() && spec.flags.intersects(Flags::WRITE | Flags::READONLY) {
            let from = session.reply.buf.len();
            self.refuse(session, Some(spec), |out| {
                out.error("ERR Replica can't interact with the keyspace");
            });
            let error = String::from_utf8_lossy(&session.reply.buf[from..]).trim_end().to_owned();
            tracing::warn!(
                "== CRITICAL == This primary is sending an error to its replica: '{error}' after processing the command '{}'",
                spec.full_name
            );
            self.drop_talkative_replica(session, spec, from);
            return false;
        }
        if session.subscriptions.is_some() && !session.resp3() {
            if !is_for_subscribers(spec) {
                self.refuse_subscriber(session, spec);
                return false;
            }
            if spec.full_name == "ping" && session.transaction.is_none() {
                subscribers_ping(&mut session.reply, args);
                return true;
            }
        }
        if let Some(transaction) = &mut session.transaction
            && !runs_inside_multi(spec.full_name)
        {
            if spec.flags.contains(Flags::NO_MULTI) {
                let name = spec.full_name;
                self.refuse(session, Some(spec), |out| {
                    out.error(&format!("ERR Command '{name}' not allowed inside a transaction"));
                });
                return false;
            }
            queue(transaction, spec, args);
            if spec.group == "scripting" {
                // EXEC is refused for what a script declares as for the commands themselves, and held by a pause of writes unless it
                // says that it only reads.
                let declared = self.declared_flags(spec, args);
                transaction.replicates |= matches!(spec.full_name, "eval" | "evalsha" | "fcall")
                    && declared.is_none_or(|flags| !flags.no_writes);
                let declared = declared.filter(|flags| !flags.undeclared && !flags.no_writes);
                transaction.writes |= declared.is_some();
                transaction.uses_memory |= declared.is_some_and(|flags| !flags.allow_oom);
            }
            if let Some(db) = crate::access::selected_by(spec, args) {
                transaction.db = db;
            }
            let from = session.reply.buf.len();
            session.reply.simple("QUEUED");
            self.drop_unwanted_reply(session, from);
            return false;
        }
        let from = session.reply.buf.len();
        let was_replica = session.is_replica();
        // What a script does is seen behind the command that began it; everything else when it has been done.
        let script = self.is_watched() && spec.group == "scripting";
        if script {
            self.show_clients(session, spec, args);
        }
        self.call(session, spec, args, raw);
        if session.blocked == Some(Blocked::Script) {
            return false;
        }
        if self.is_watched() && !script {
            self.show_clients(session, spec, args);
        }
        if session.reply_mode != ReplyMode::On {
            let from = if replies_by_push(spec) { session.reply.buf.len() } else { from };
            self.drop_unwanted_reply(session, from);
        }
        if was_replica && session.reply.buf.len() > from && spec.full_name != "replconf" {
            self.drop_talkative_replica(session, spec, from);
        }
        self.serve_ready();
        if !self.pubsub.postbox.is_empty() {
            self.empty_postbox(session);
        }
        true
    }

    /// A reply would be taken for a part of the stream: a replica that asks for one is disconnected.
    #[cold]
    fn drop_talkative_replica(&mut self, session: &mut Session, spec: &'static CommandSpec, from: usize) {
        let reply = String::from_utf8_lossy(&session.reply.buf[from..]).trim_end().to_owned();
        tracing::warn!(
            "Replica generated a reply to command '{}', disconnecting it: {}",
            spec.full_name,
            reply.chars().take(64).collect::<String>().escape_debug()
        );
        session.drop_replies_and_close();
    }

    /// A subscriber that speaks RESP2 could not tell replies from messages.
    #[cold]
    fn refuse_subscriber(&mut self, session: &mut Session, spec: &'static CommandSpec) {
        let name = spec.full_name;
        self.refuse(session, Some(spec), |out| {
            out.error(&format!(
                "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
            ));
        });
    }

    /// CLIENT REPLY OFF and SKIP.
    #[inline]
    pub(crate) fn drop_unwanted_reply(&mut self, session: &mut Session, from: usize) {
        if session.reply_mode == ReplyMode::On {
            return;
        }
        match session.reply_mode {
            ReplyMode::On => {}
            ReplyMode::Off => session.reply.buf.truncate(from),
            ReplyMode::SkipNext => session.reply_mode = ReplyMode::Skipping,
            ReplyMode::Skipping => {
                session.reply.buf.truncate(from);
                session.reply_mode = ReplyMode::On;
            }
        }
    }

    /// Executes one command that has passed all checks, and carries its effects on.
    pub(crate) fn call(
        &mut self,
        session: &mut Session,
        spec: &'static CommandSpec,
        args: Args<'_>,
        raw: Option<&[u8]>,
    ) {
        let index = self.registry.index(spec);
        self.stats.commands += 1;
        session.last_command = Some(spec);
        let from = session.reply.buf.len();
        match spec.handler {
            Handler::Data(handler) => {
                if self.env.expiry == ExpiryMode::Spare && spec.is_write() {
                    self.rest_no_longer();
                }
                self.env.no_touch = session.no_touch;
                self.env.may_block = !session.in_exec;
                self.env.reads_all_keys = session.unrestricted || self.may_read_all_keys(session, spec);
                self.effects.clear();
                let mut ctx = Ctx {
                    ks: &mut self.keyspace,
                    db: session.db,
                    out: &mut session.reply,
                    env: &self.env,
                    fx: &mut self.effects,
                    rng: &mut self.rng,
                    registry: &self.registry,
                };
                handler(&mut ctx, args);
                self.stats.hits += self.effects.keyspace_hits;
                self.stats.misses += self.effects.keyspace_misses;
                if self.effects.are_any() {
                    self.carry_effects(session, args, raw);
                }
                if session.tracker.is_some() {
                    self.note_reads(session, spec, args);
                }
                if let Some(request) = self.effects.blocked.take() {
                    // It counts as a call once it is answered.
                    return self.start_waiting(session, spec, args, request);
                }
            }
            Handler::Host => {
                self.host.get(index)(self, session, args);
                if session.blocked == Some(Blocked::Script) {
                    // It counts as a call once it has ended.
                    return;
                }
                if session.tracker.is_some() {
                    self.end_exception(session, Some(spec));
                }
            }
        }
        self.count_call(session, index, from);
    }

    /// A write is about to come of what is held. What it finds over here is still there for those who follow, unless it is deleted first.
    #[cold]
    fn rest_no_longer(&mut self) {
        if self.replication.is_resting(self.now.mono_ms()) {
            self.replication.end_rest();
            self.env.expiry = self.expiry_mode();
        }
    }

    /// Counts a command that has been carried out; its reply begins at `from`.
    #[inline]
    pub(crate) fn count_call(&mut self, session: &mut Session, index: usize, from: usize) {
        session.commands += 1;
        let stats = &mut self.stats.per_command[index];
        stats.calls += 1;
        if session.reply.buf.get(from) == Some(&b'-') {
            stats.failed += 1;
            // An error that a script passes on was counted where it arose.
            if !std::mem::take(&mut self.scripting.error_counted) {
                let text = &session.reply.buf[from + 1..];
                self.stats.error_reply(text);
            }
        }
    }

    /// What a data command did goes to the log, to those who watch its keys, and to the save points.
    pub(crate) fn carry_effects(&mut self, session: &mut Session, args: Args<'_>, raw: Option<&[u8]>) {
        self.note_effects(Some(session), true);
        if self.replication.records() && self.effects.count() > 0 {
            self.replication.log_effects(&self.effects, session.db, args, raw);
            self.note_write(session);
        }
        if self.effects.emptied {
            self.save_emptied(session);
        }
    }

    /// The same for what the instance did of itself in a database, all of which is in the effects' own log.
    pub(crate) fn carry_own_effects(&mut self, db: usize, session: Option<&mut Session>) {
        self.note_effects(session, false);
        if self.replication.records() && self.effects.count() > 0 {
            self.replication.log_effects(&self.effects, db, Args::new(&[], &[]), None);
        }
    }

    /// `session` is the one in use, if one is; `asked` says whether these are effects of its own command.
    fn note_effects(&mut self, session: Option<&mut Session>, asked: bool) {
        self.persistence.dirty += self.effects.dirty;
        self.stats.expired += self.effects.expired;
        if self.effects.expired_fields > 0 {
            self.stats.expired_fields += std::mem::take(&mut self.effects.expired_fields);
        }
        if !self.effects.garbage.is_empty() {
            let waste = std::mem::take(&mut self.effects.garbage);
            self.free_garbage(waste);
        }
        if self.effects.track_ready && !self.effects.replaced.is_empty() {
            self.note_replaced();
        }
        if self.effects.track_keys {
            if self.gate.migrating {
                self.migrations.note_changes(&self.effects.touched, &self.effects.replaced);
            }
            self.note_gone();
            if session.is_some() && self.keeps_own_keys() {
                self.note_own_keys();
            }
            if !self.tracking.is_idle() {
                self.invalidate_touched(session.as_deref().filter(|_| asked));
            }
            self.touch_watched(session);
        }
        if !self.effects.events.is_empty() {
            self.publish_events();
        }
    }

    /// Marks the transactions of those who watch a key that the last command changed.
    pub(crate) fn touch_watched(&mut self, mut session: Option<&mut Session>) {
        let touched = std::mem::take(&mut self.effects.touched);
        for (db, key) in &touched {
            let db = *db as usize;
            let gone = !self.keyspace.db(db).contains(key);
            for conn in self.watchers.of_key(db, key).to_vec() {
                self.with_watcher(session.as_deref_mut(), conn, |session| {
                    let watch =
                        session.watched.iter_mut().find(|watch| watch.db == db && *watch.key == **key);
                    match watch {
                        // What was over already when it was watched is deleted now: nothing that a client could have seen.
                        Some(watch) if watch.expired && gone => watch.expired = false,
                        _ => session.watch_broken = true,
                    }
                });
            }
        }
        self.effects.touched = touched;
        let replaced = std::mem::take(&mut self.effects.replaced);
        for &db in &replaced {
            self.touch_whole_db(db as usize, session.as_deref_mut());
        }
        self.effects.replaced = replaced;
    }

    /// A database was emptied or exchanged: a watched key has changed if it was there before or is there now. One whose time is
    /// over is not there for clients.
    pub(crate) fn touch_whole_db(&mut self, db: usize, mut current: Option<&mut Session>) {
        let watched: Vec<(Vec<u8>, Vec<crate::ConnId>)> =
            self.watchers.in_db(db).map(|(key, conns)| (key.to_vec(), conns.to_vec())).collect();
        for (key, conns) in watched {
            let now = self.keyspace.db(db).get(&key).map(|entry| entry.expiry());
            let exists = now.is_some();
            let expired = now.flatten().is_some_and(|at| at < self.now.unix_ms());
            for conn in conns {
                self.with_watcher(current.as_deref_mut(), conn, |session| {
                    let watch = session.watched.iter_mut().find(|watch| watch.db == db && *watch.key == *key);
                    let Some(watch) = watch else { return };
                    let was_there = watch.existed;
                    let is_there = exists && !expired;
                    if was_there || is_there {
                        session.watch_broken = true;
                    } else {
                        watch.expired = expired;
                    }
                });
            }
        }
    }

    /// Hands a watching client's session to `f`; it may be the current one, which is out of its place meanwhile.
    fn with_watcher(
        &mut self,
        current: Option<&mut Session>,
        conn: crate::ConnId,
        f: impl FnOnce(&mut Session),
    ) {
        match current.filter(|session| session.conn == conn) {
            Some(current) => f(current),
            None => {
                if let Some(other) = self.session_mut(conn) {
                    f(other);
                }
            }
        }
    }

    /// Why a command may not run now, if it may not.
    fn refusal(&mut self, session: &mut Session, spec: &CommandSpec) -> Option<&'static str> {
        let gate = self.gate;
        // EXEC answers for what is queued, as things stand when it comes.
        let queued = session.transaction.as_deref().filter(|_| spec.full_name == "exec");
        let needs_whole_data = queued.is_some_and(|multi| multi.needs_whole_data);
        let needs_fresh_data = queued.is_some_and(|multi| multi.needs_fresh_data);
        let writes = spec.is_write() || queued.is_some_and(|multi| multi.writes);
        if gate.loading && (needs_whole_data || !spec.flags.contains(Flags::LOADING)) {
            return Some("LOADING Tandem is loading the dataset in memory");
        }
        if gate.busy && !spec.flags.contains(Flags::ALLOW_BUSY) {
            return Some(self.busy_error());
        }
        let room =
            if gate.memory_limited && !gate.busy { self.make_room(Some(session)) } else { Room::Enough };
        if gate.memory_limited && !self.pubsub.postbox.is_empty() {
            // What was evicted for this command is told before its reply.
            self.empty_postbox(session);
        }
        if room == Room::Lacking {
            let queued = spec.full_name == "exec"
                && session.transaction.as_ref().is_some_and(|multi| multi.uses_memory);
            if queued || spec.flags.contains(Flags::DENYOOM) {
                return Some(OOM);
            }
        }
        if gate.stale && (needs_fresh_data || !spec.flags.contains(Flags::STALE)) {
            return Some(gate.stale_error());
        }
        if !writes {
            return None;
        }
        if gate.persistence_failing {
            return Some(
                "MISCONF Tandem is configured to save RDB snapshots, but it's currently unable to persist to disk. \
                 Commands that may modify the data set are disabled, because this instance is configured to report errors \
                 during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the log for \
                 details about the RDB error.",
            );
        }
        if gate.aof_failing {
            return Some(self.aof_error());
        }
        if gate.few_replicas {
            return Some("NOREPLICAS Not enough good replicas to write.");
        }
        if gate.read_only {
            return Some("READONLY You can't write against a read only replica.");
        }
        None
    }

    /// Says that the client broke the protocol, and ends the connection.
    fn protocol_error(&mut self, session: &mut Session, text: &str) {
        tracing::debug!("Protocol error ({text}) from client {}", session.peer.addr);
        let from = session.reply.buf.len();
        session.reply.error(&format!("ERR Protocol error: {text}"));
        self.stats.error_reply(&session.reply.buf[from + 1..]);
        session.close_after_reply = true;
    }

    /// Takes down what a command has cost.
    pub(crate) fn note_executed(
        &mut self,
        session: &Session,
        spec: &'static CommandSpec,
        args: Args<'_>,
        cost: Cost,
    ) {
        let index = self.registry.index(spec);
        self.stats.per_command[index].nanos += cost.nanos;
        let settings = self.config.settings();
        if settings.latency_tracking {
            self.stats.record_time(index, bucket_of(cost.nanos));
        }
        let (threshold, millis) = (settings.latency_monitor_threshold, cost.nanos / 1_000_000);
        if threshold > 0 && millis >= threshold {
            let kind = if spec.flags.contains(Flags::FAST) { "fast-command" } else { "command" };
            self.spikes.add(kind, Spike { unix_s: self.now.unix_s(), millis });
        }
        self.note_in_log(LogKind::Slow, session, spec, args, cost.nanos / 1000);
        self.note_in_log(LogKind::LargeRequest, session, spec, args, cost.request_bytes as u64);
        self.note_in_log(LogKind::LargeReply, session, spec, args, cost.reply_bytes as u64);
    }

    /// The same of a command that is cheap but for its reply, whose time is a share of a group's.
    #[cold]
    fn note_large_reply(&mut self, session: &Session, spec: &CommandSpec, args: Args<'_>, bytes: usize) {
        self.note_in_log(LogKind::LargeReply, session, spec, args, bytes as u64);
    }

    #[inline]
    fn note_in_log(
        &mut self,
        kind: LogKind,
        session: &Session,
        spec: &CommandSpec,
        args: Args<'_>,
        value: u64,
    ) {
        let (threshold, max_len) = kind.limits(self.config.settings());
        // Where nothing is kept nothing is numbered either.
        let wanted = threshold >= 0 && value >= threshold as u64 && max_len > 0;
        if !wanted || spec.flags.contains(Flags::SKIP_SLOWLOG) {
            return;
        }
        let entry = LogEntry {
            id: 0,
            unix_s: self.now.unix_s(),
            value,
            args: shorten(args, |at| is_secret(spec, args, at)),
            client: session.peer.addr.clone(),
            client_name: session.name.clone(),
        };
        self.commandlog.of(kind).push(entry, max_len);
    }

    /// Shows a client's command to those who watch.
    #[cold]
    pub(crate) fn show_clients(&mut self, session: &Session, spec: &'static CommandSpec, args: Args<'_>) {
        self.show(session.db, &session.peer.addr, spec, args);
    }

    /// Works out whether every command has to be timed by itself.
    pub(crate) fn refresh_timing(&mut self) {
        let settings = self.config.settings();
        let limited = |kind: LogKind, up_to: i64| (0..up_to).contains(&kind.limits(settings).0);
        self.precise_timing = settings.latency_monitor_threshold > 0
            || limited(LogKind::Slow, PRECISE_BELOW_US)
            || limited(LogKind::LargeRequest, CHEAP_BYTES as i64)
            || limited(LogKind::LargeReply, CHEAP_BYTES as i64);
    }
}

/// What a command has cost.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    pub nanos: u64,
    pub request_bytes: usize,
    pub reply_bytes: usize,
}

pub(crate) fn args_bytes(args: Args<'_>) -> usize {
    args.iter().map(<[u8]>::len).sum()
}

enum BatchEnd {
    /// There may be more requests behind these.
    Full,
    /// The rest is not a whole request.
    NeedsMore,
    /// The rest is no request.
    Error(String),
}

/// The commands that act on the transaction itself.
fn runs_inside_multi(name: &str) -> bool {
    matches!(name, "exec" | "discard" | "quit" | "reset")
}

fn queue(transaction: &mut Transaction, spec: &'static CommandSpec, args: Args<'_>) {
    let owned = resp::OwnedArgs::from_args(args);
    transaction.bytes += owned.heap_bytes();
    transaction.reads |= spec.flags.contains(Flags::READONLY);
    transaction.writes |= spec.is_write();
    transaction.needs_fresh_data |= !spec.flags.contains(Flags::STALE);
    transaction.needs_whole_data |= !spec.flags.contains(Flags::LOADING);
    transaction.replicates |= spec.flags.intersects(Flags::WRITE | Flags::MAY_REPLICATE);
    transaction.uses_memory |= spec.flags.contains(Flags::DENYOOM);
    transaction.queue.push((spec, owned));
}

/// Measures what commands cost. Reading the clock costs as much as half a GET, so cheap commands that follow one another
/// are measured together and share the time evenly.
struct GroupTimer {
    started_ns: u64,
    cheap: smallvec::SmallVec<[&'static CommandSpec; BATCH]>,
    groups: bool,
}

impl GroupTimer {
    fn start(node: &Node) -> GroupTimer {
        GroupTimer {
            started_ns: (node.boot.clock_ns)(),
            cheap: smallvec::SmallVec::new(),
            groups: !node.precise_timing,
        }
    }

    fn lap(&mut self, node: &mut Node) -> u64 {
        let now = (node.boot.clock_ns)();
        let nanos = now.saturating_sub(self.started_ns);
        self.started_ns = now;
        node.stats.event_loop.command_ns += nanos;
        nanos
    }

    /// Gives the cheap commands so far their share.
    fn finish(&mut self, node: &mut Node) {
        if self.cheap.is_empty() {
            return;
        }
        let share = self.lap(node) / self.cheap.len() as u64;
        let bucket = node.config.settings().latency_tracking.then(|| bucket_of(share));
        for spec in self.cheap.drain(..) {
            let index = node.registry.index(spec);
            node.stats.per_command[index].nanos += share;
            if let Some(bucket) = bucket {
                node.stats.record_time(index, bucket);
            }
        }
    }
}
