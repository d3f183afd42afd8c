//! Applying the master's stream: the commands are executed, and their very bytes go into this instance's own log, from
//! which its replicas are fed.

use backlog::Offset;
use resp::{Args, Form, OwnedArgs, Parsed, ReplyBuf, RequestLimits, RequestParser};

use commands::{CommandSpec, Ctx, ExpiryMode, Handler};

use crate::action::Action;
use crate::batch::{BATCH, Batch, Request};
use crate::node::Node;
use crate::pubsub::Scope;

/// Where the stream's reader stands.
#[derive(Default)]
pub(crate) struct Applier {
    parser: RequestParser,
    /// The beginning of a command whose end has not come.
    pending: Vec<u8>,
    /// Commands since a MULTI whose EXEC has not come.
    transaction: Option<Vec<(Option<&'static CommandSpec>, OwnedArgs)>>,
    /// Bytes of that transaction from earlier inputs. They reach the log together with the EXEC: whoever resumes from our
    /// offset must not find half a transaction behind it.
    uncommitted: Vec<u8>,
    /// Among the bytes that are not in the log yet is a command that Redis 7.0 does not know.
    newer: bool,
    /// Replies nobody reads.
    scratch: ReplyBuf,
    /// The commands are not of a master: they come from the append only file.
    loads: Option<FromFile>,
}

/// Commands that come from the append only file.
#[derive(Default)]
struct FromFile {
    /// Their offsets are known, and they go into the log with them.
    logs: bool,
    commands: u64,
    /// Where in what is being carried out the present one begins.
    at: usize,
    /// One of them cannot be carried out, and where it begins.
    error: Option<(usize, String)>,
}

impl FromFile {
    fn fail(&mut self, text: String) {
        let at = self.at;
        self.error.get_or_insert((at, text));
    }
}

impl Applier {
    /// Forgets half a command and half a transaction: they come again, because their bytes were never acknowledged.
    pub fn reset(&mut self) {
        *self = Applier::default();
    }

    /// What comes next comes from the append only file, and goes into the log or not.
    pub fn load(&mut self, logs: bool) {
        self.loads.get_or_insert_default().logs = logs;
    }

    /// How many commands have been carried out since the last call.
    pub fn take_loaded(&mut self) -> u64 {
        self.loads.as_mut().map_or(0, |loads| std::mem::take(&mut loads.commands))
    }

    /// Why the file cannot be loaded, and where in what was to be carried out.
    pub fn take_load_error(&mut self) -> Option<(usize, String)> {
        self.loads.as_mut().and_then(|loads| loads.error.take())
    }

    /// Bytes of the stream that have come but are not applied, or not whole: they are in no log yet.
    pub fn unapplied(&self) -> usize {
        self.pending.len() + self.uncommitted.len()
    }
}

impl Node {
    /// Applies a piece of the stream, cut anywhere.
    pub(crate) fn apply_stream(&mut self, bytes: &[u8]) {
        if self.pause.is_active() {
            return self.hold_stream(bytes);
        }
        let Some(upstream) = &mut self.replication.upstream else { return };
        let mut applier = std::mem::take(&mut upstream.applier);
        let before = std::mem::replace(&mut self.env.expiry, ExpiryMode::Ignore);
        self.env.no_touch = false;
        self.env.may_block = false;
        let result = if applier.pending.is_empty() {
            let result = self.apply(&mut applier, bytes);
            if let Ok(used) = result {
                applier.pending.extend_from_slice(&bytes[used..]);
            }
            result
        } else {
            applier.pending.extend_from_slice(bytes);
            let pending = std::mem::take(&mut applier.pending);
            let result = self.apply(&mut applier, &pending);
            if let Ok(used) = result {
                applier.pending = pending;
                applier.pending.drain(..used);
            }
            result
        };
        self.env.expiry = before;
        self.serve_ready();
        self.resume_served();
        if let Some(upstream) = &mut self.replication.upstream {
            upstream.applier = applier;
        }
        if let Err(text) = result {
            tracing::warn!("The master's stream is broken at offset {}: {text}", self.replication.log.end());
            self.upstream_lost("Connection with master given up because its stream is broken.");
        }
    }

    /// During CLIENT PAUSE the stream waits like the commands of clients. It is read on up to what a client's input may take.
    fn hold_stream(&mut self, bytes: &[u8]) {
        let limit = self.config.settings().client_query_buffer_limit as usize;
        let Some(upstream) = &mut self.replication.upstream else { return };
        let pending = &mut upstream.applier.pending;
        pending.extend_from_slice(bytes);
        if pending.len() > limit
            && let Some(conn) = upstream.conn
        {
            self.actions.push(Action::PauseReading(conn));
        }
    }

    /// The pause is over: applies what was held.
    pub(crate) fn release_stream(&mut self) {
        let Some(upstream) = &self.replication.upstream else { return };
        if let Some(conn) = upstream.conn.filter(|_| !upstream.applier.pending.is_empty()) {
            self.actions.push(Action::ResumeReading(conn));
            self.apply_stream(&[]);
        }
    }

    /// Applies the whole commands at the front of `input`; returns how many bytes they were.
    fn apply(&mut self, applier: &mut Applier, input: &[u8]) -> Result<usize, String> {
        let mut batch = std::mem::take(&mut self.batch);
        let limits = RequestLimits {
            max_bulk: self.env.proto_max_bulk_len.max(512 << 20),
            ..RequestLimits::default()
        };
        let mut at = 0;
        // From here on the input is not in the log yet.
        let mut unlogged = 0;
        let result = 'input: loop {
            batch.clear();
            let end = self.parse_stream(applier, input, at, &limits, &mut batch);
            self.prefetch_keys(self.replication.stream_db(), &batch.hashes);
            for request in &batch.requests {
                if self.gate.ends_on_writes && applier.loads.is_none() && may_write(request.spec) {
                    if applier.transaction.is_none() {
                        self.log_applied(applier, &input[unlogged..at]);
                        unlogged = at;
                    }
                    break 'input Err(self.end_for_disk());
                }
                if request.argc > 0 {
                    let spans = &batch.spans[request.span..request.span + request.argc];
                    let args = Args::new(input, spans);
                    self.apply_one(applier, request, args, input, &mut unlogged);
                } else if applier.transaction.is_none() && self.replication.keeps_omitted() {
                    self.log_omitted(applier, request, input, &mut unlogged);
                }
                at = request.end;
            }
            if applier.transaction.is_none() && unlogged < at {
                self.log_applied(applier, &input[unlogged..at]);
                unlogged = at;
            }
            match end {
                StreamEnd::Full => {}
                StreamEnd::NeedsMore => break Ok(at),
                StreamEnd::Error(text) => break Err(text),
            }
        };
        applier.uncommitted.extend_from_slice(&input[unlogged..at]);
        self.batch = batch;
        result
    }

    fn parse_stream(
        &mut self,
        applier: &mut Applier,
        input: &[u8],
        from: usize,
        limits: &RequestLimits,
        batch: &mut Batch,
    ) -> StreamEnd {
        let mut at = from;
        while batch.requests.len() < BATCH {
            let span = batch.spans.len();
            match applier.parser.parse(input, at, limits, &mut batch.spans) {
                Ok(Parsed::Request { end, argc, form: Form::Array }) => {
                    let args = Args::new(input, &batch.spans[span..]);
                    let spec = if argc > 0 { self.registry.resolve(args).ok() } else { None };
                    self.collect_keys(self.replication.stream_db(), spec, args, &mut batch.hashes);
                    batch.requests.push(Request {
                        start: at,
                        end,
                        next: end,
                        span,
                        argc,
                        inline: false,
                        spec,
                    });
                    at = end;
                }
                // A master sends blank lines as signs of life; nothing else of this form.
                Ok(Parsed::Request { end, argc: 0, .. }) => {
                    batch.requests.push(Request {
                        start: at,
                        end,
                        next: end,
                        span,
                        argc: 0,
                        inline: true,
                        spec: None,
                    });
                    at = end;
                }
                Ok(Parsed::Request { .. }) => return StreamEnd::Error("an inline command".to_owned()),
                Ok(Parsed::Incomplete) => return StreamEnd::NeedsMore,
                Err(error) => return StreamEnd::Error(error.to_string()),
            }
        }
        StreamEnd::Full
    }

    fn apply_one(
        &mut self,
        applier: &mut Applier,
        request: &Request,
        args: Args<'_>,
        input: &[u8],
        unlogged: &mut usize,
    ) {
        let name = request.spec.map_or("", |spec| spec.full_name);
        if let Some(loads) = &mut applier.loads {
            loads.at = request.start;
        }
        applier.newer |= request.spec.is_none_or(CommandSpec::is_newer_than_redis_7_0);
        if let Some(queue) = &mut applier.transaction {
            if name != "exec" {
                queue.push((request.spec, OwnedArgs::from_args(args)));
                return;
            }
            self.replication.touch();
            for (spec, args) in applier.transaction.take().unwrap_or_default() {
                self.apply_command(applier, spec, args.as_args());
            }
            self.log_applied(applier, &input[*unlogged..request.end]);
            *unlogged = request.end;
            return;
        }
        match name {
            "multi" => {
                // What came before is whole and may be passed on and acknowledged already.
                self.log_applied(applier, &input[*unlogged..request.start]);
                *unlogged = request.start;
                applier.transaction = Some(Vec::new());
            }
            "replconf" if args.len() >= 2 && args.at(1).eq_ignore_ascii_case(b"getack") => {
                // The answer counts everything before the question.
                self.log_applied(applier, &input[*unlogged..request.start]);
                *unlogged = request.start;
                self.quiet_from(request.start - *unlogged);
                self.acknowledge();
                if self.replication.keeps_omitted() {
                    self.log_omitted(applier, request, input, unlogged);
                }
            }
            "ping" | "replconf" | "select" | "publish" | "spublish" => {
                self.quiet_from(request.start - *unlogged);
                if name == "ping" && args.len() == 2 {
                    self.note_ping(args.at(1));
                }
                self.apply_command(applier, request.spec, args);
                if name != "select" && self.replication.keeps_omitted() {
                    self.log_omitted(applier, request, input, unlogged);
                }
            }
            _ => {
                self.replication.touch();
                self.apply_command(applier, request.spec, args);
            }
        }
    }

    /// A command that changes no data stands so many bytes behind the end of the log.
    fn quiet_from(&mut self, behind: usize) {
        let at = Offset(self.replication.log.end().0 + behind as u64);
        self.replication.quiet_from(at);
    }

    /// What is for replicas only goes into the log by itself.
    fn log_omitted(&mut self, applier: &mut Applier, request: &Request, input: &[u8], unlogged: &mut usize) {
        self.log_applied(applier, &input[*unlogged..request.start]);
        let begin = self.replication.log.end();
        self.log_applied(applier, &input[request.start..request.end]);
        self.replication.omit_since(begin);
        *unlogged = request.end;
    }

    /// Carries out whole commands of the append only file.
    pub(crate) fn apply_loaded(&mut self, applier: &mut Applier, commands: &[u8]) -> Result<(), String> {
        let used = self.apply(applier, commands)?;
        if used < commands.len() { Err("half a command".to_owned()) } else { Ok(()) }
    }

    /// A master of ours says in its pings when they were sent.
    fn note_ping(&mut self, text: &[u8]) {
        let sent_ms = std::str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok());
        if let (Some(sent_ms), Some(upstream)) = (sent_ms, &mut self.replication.upstream) {
            upstream.lag.ping(sent_ms, self.now.unix_ms());
        }
    }

    fn acknowledge(&mut self) {
        let (now_ms, end, fack) = (self.now.mono_ms(), self.replication.log.end(), self.synced_offset());
        if let Some(link) = self.replication.upstream.as_mut().and_then(|upstream| upstream.link.as_mut()) {
            link.set_received(end);
            // Refused only outside of the stream, and this is the stream.
            let _ = link.ack(now_ms, end, fack);
        }
    }

    fn apply_command(&mut self, applier: &mut Applier, spec: Option<&'static CommandSpec>, args: Args<'_>) {
        let Some(spec) = spec else {
            if let Some(loads) = &mut applier.loads {
                let mut out = ReplyBuf::new();
                if let Err(reject) = self.registry.resolve(args) {
                    reject.reply(args, &mut out);
                }
                let text = String::from_utf8_lossy(&out.buf).trim().trim_start_matches("-ERR ").to_owned();
                return loads.fail(text);
            }
            let name = String::from_utf8_lossy(args.at(0)).into_owned();
            return self
                .propagation_error(&format!("This replica cannot apply a command of its master: '{name}'"));
        };
        if self.is_watched() {
            self.show_master(spec, args);
        }
        match spec.handler {
            Handler::Data(handler) => {
                self.effects.clear();
                let mut ctx = Ctx {
                    ks: &mut self.keyspace,
                    db: self.replication.stream_db(),
                    out: &mut applier.scratch,
                    env: &self.env,
                    fx: &mut self.effects,
                    rng: &mut self.rng,
                    registry: &self.registry,
                };
                handler(&mut ctx, args);
                self.persistence.dirty += self.effects.dirty;
                self.persistence.emptied |= self.effects.emptied;
                if !self.effects.garbage.is_empty() {
                    let waste = std::mem::take(&mut self.effects.garbage);
                    self.free_garbage(waste);
                }
                if self.effects.track_ready && !self.effects.replaced.is_empty() {
                    self.note_replaced();
                }
                if self.effects.track_keys {
                    if self.own_keys.loads {
                        self.note_own_keys();
                    }
                    self.note_gone();
                    if !self.tracking.is_idle() {
                        self.invalidate_touched(None);
                    }
                    self.touch_watched(None);
                }
                if !self.effects.events.is_empty() {
                    self.publish_events();
                }
            }
            Handler::Host if let Some(loads) = &mut applier.loads => {
                if let Err(text) = self.load_host_command(spec, args) {
                    loads.fail(text);
                }
            }
            Handler::Host => self.apply_host_command(spec, args),
        }
        if let Some(loads) = &mut applier.loads {
            // An error was one when the command was first carried out, too.
            loads.commands += 1;
            return applier.scratch.buf.clear();
        }
        if applier.scratch.buf.first() == Some(&b'-') {
            let error = String::from_utf8_lossy(&applier.scratch.buf).trim_end().to_owned();
            self.propagation_error(&format!(
                "This replica is sending an error to its primary: '{error}' after processing the command '{}'",
                spec.full_name
            ));
        }
        applier.scratch.buf.clear();
        let index = self.registry.index(spec);
        self.stats.per_command[index].calls += 1;
        self.stats.commands += 1;
    }

    /// What the master has carried out fails here: the data are no longer the same. What follows from that,
    /// `propagation-error-behavior` says.
    #[cold]
    fn propagation_error(&mut self, text: &str) {
        self.stats.propagation_errors += 1;
        tracing::warn!("== CRITICAL == {text}");
        if self.config.settings().propagation_error_behavior != config::PropagationErrorBehavior::Ignore {
            tracing::error!("The end, as propagation-error-behavior has it");
            self.actions.push(Action::Exit { code: 1 });
        }
    }

    /// `replica-ignore-disk-write-errors no`: a write of the master comes, and could not be kept.
    #[cold]
    fn end_for_disk(&mut self) -> String {
        let text = "what it writes cannot be kept on this replica's disk".to_owned();
        tracing::error!("{text}. The end, as replica-ignore-disk-write-errors has it");
        self.actions.push(Action::Exit { code: 1 });
        text
    }

    /// Shows a command of the master's stream to those who watch.
    #[cold]
    fn show_master(&mut self, spec: &CommandSpec, args: Args<'_>) {
        let Some(upstream) = &self.replication.upstream else { return };
        let addr = format!("{}:{}", upstream.host, upstream.port);
        self.show(self.replication.stream_db(), &addr, spec, args);
    }

    pub(crate) fn apply_host_command(&mut self, spec: &'static CommandSpec, args: Args<'_>) {
        match spec.full_name {
            "select" => {
                let index = args
                    .get(1)
                    .and_then(|text| std::str::from_utf8(text).ok())
                    .and_then(|text| text.parse::<usize>().ok())
                    .filter(|&index| index < self.keyspace.databases());
                match index {
                    Some(index) => self.replication.select(index),
                    None => {
                        self.propagation_error("The master selects a database that is not configured here")
                    }
                }
            }
            "publish" => {
                self.publish(Scope::Channel, args.at(1), args.at(2));
            }
            "spublish" => {
                self.publish(Scope::Shard, args.at(1), args.at(2));
            }
            "ping" | "replconf" => {}
            "function|load" | "function|delete" | "function|flush" | "function|restore" => {
                let mut out = ReplyBuf::new();
                crate::host::functions::change(self, spec, args, &mut out);
                if out.buf.first() == Some(&b'-') {
                    self.propagation_error(&format!(
                        "The master's '{}' failed here: {}",
                        spec.full_name,
                        String::from_utf8_lossy(&out.buf).trim_end()
                    ));
                }
                self.persistence.dirty += 1;
            }
            name => tracing::debug!("The master's stream holds '{name}', which has no effect here"),
        }
    }

    /// Applied bytes go into the log, behind those of the same transaction that came earlier.
    fn log_applied(&mut self, applier: &mut Applier, bytes: &[u8]) {
        if applier.loads.as_ref().is_some_and(|loads| !loads.logs) {
            applier.uncommitted.clear();
            return;
        }
        if !applier.uncommitted.is_empty() {
            self.replication.log.append(&applier.uncommitted);
            applier.uncommitted.clear();
        }
        self.replication.log.append(bytes);
        if std::mem::take(&mut applier.newer) {
            self.replication.note_newer();
        }
    }
}

/// Whether a command of the stream changes data, or begins a transaction that does.
fn may_write(spec: Option<&'static CommandSpec>) -> bool {
    spec.is_some_and(|spec| spec.is_write() || matches!(spec.full_name, "multi" | "exec"))
}

enum StreamEnd {
    Full,
    NeedsMore,
    Error(String),
}
