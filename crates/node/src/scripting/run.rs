//! One run of a script: its calls, its end, and what happens when it takes too long.

use std::borrow::Cow;

use resp::{Args, OwnedArgs, Proto, ReplyBuf};
use script::{Flags, FunctionRef, Invocation, Machine, Step};

use commands::CommandSpec;

use super::{Engine, FromTarget, Parked};
use crate::access::refusal_text;
use crate::action::{Action, ConnId};
use crate::exec::{Cost, args_bytes};
use crate::node::Node;
use crate::session::{Blocked, Session};
use crate::time::Now;

/// How long a parked script goes on at a time, in nanoseconds.
const TURN_NS: u64 = 5_000_000;
/// The same in slices, where the clock stands still.
const TURN_SLICES: u32 = 64;

/// What is to run, and for whom.
pub(crate) struct Invoked<'a> {
    pub engine: Engine,
    pub function: FunctionRef,
    pub flags: Flags,
    /// EVAL_RO and its like.
    pub reads_only: bool,
    pub keys: &'a [&'a [u8]],
    pub args: &'a [&'a [u8]],
}

/// A run in progress.
pub(crate) struct Run {
    pub engine: Engine,
    /// Who asked for it.
    pub caller: ConnId,
    /// It may write nothing.
    reads_only: bool,
    /// It may take memory when there is too little.
    allow_oom: bool,
    /// It has written: it may not be killed any more.
    pub wrote: bool,
    /// When it began, and what time it is for it.
    began: Now,
    began_ns: u64,
    /// The request; kept once the script is parked.
    pub request: Option<(&'static CommandSpec, OwnedArgs)>,
    /// Its effects make up a transaction of their own.
    own_transaction: bool,
    /// What the session has in the place of its own while the script runs, and the other way round.
    reply: ReplyBuf,
    db: usize,
    in_exec: bool,
    last_command: Option<&'static CommandSpec>,
}

impl Run {
    /// Exchanges what the script and the client have each of their own.
    fn exchange(&mut self, session: &mut Session) {
        std::mem::swap(&mut self.reply, &mut session.reply);
        std::mem::swap(&mut self.db, &mut session.db);
        std::mem::swap(&mut self.in_exec, &mut session.in_exec);
        std::mem::swap(&mut self.last_command, &mut session.last_command);
    }

    /// Milliseconds that it has taken so far.
    pub fn elapsed_ms(&self, node: &Node) -> u64 {
        (node.boot.clock_ns)().saturating_sub(self.began_ns) / 1_000_000
    }
}

impl Node {
    /// Runs a script or a function and answers with its result, unless it takes too long: then the client is blocked.
    pub(crate) fn run_script(&mut self, session: &mut Session, args: Args<'_>, invoked: &Invoked<'_>) {
        if self.scripting.running {
            // Only DEBUG lets scripts come here.
            return session.reply.error("ERR This Redis command is not allowed from script");
        }
        if let Some(error) = self.script_refusal(invoked.flags, invoked.reads_only) {
            return session.reply.error(error);
        }
        let rng = &mut self.rng;
        let mut machine = self.scripting.take(invoked.engine, || rng.u64(..));
        let invocation = Invocation {
            function: invoked.function,
            keys: invoked.keys,
            args: invoked.args,
            resp3: session.resp3(),
        };
        if let Err(error) = machine.prepare(&invocation) {
            self.scripting.put(invoked.engine, machine);
            return session.reply.error(&error);
        }
        let mut run = Run {
            engine: invoked.engine,
            caller: session.conn,
            reads_only: invoked.reads_only || (!invoked.flags.undeclared && invoked.flags.no_writes),
            allow_oom: invoked.flags.allow_oom,
            wrote: false,
            began: self.now,
            began_ns: (self.boot.clock_ns)(),
            request: None,
            own_transaction: !session.in_exec,
            reply: ReplyBuf::new(),
            db: session.db,
            in_exec: true,
            last_command: session.last_command,
        };
        if run.own_transaction {
            self.replication.begin_transaction();
        }
        run.exchange(session);
        let over = self.drive(session, &mut machine, &mut run, None);
        run.exchange(session);
        if over {
            self.end_run(session, machine, &run);
        } else {
            self.park(session, args, machine, run);
        }
    }

    /// Lets a script go on. `false` when its time is over: that until it is parked, or a turn of a parked one.
    fn drive(
        &mut self,
        session: &mut Session,
        machine: &mut Machine,
        run: &mut Run,
        turn_began_ns: Option<u64>,
    ) -> bool {
        (self.scripting.running, self.env.in_script) = (true, true);
        let over = self.drive_on(session, machine, run, turn_began_ns);
        (self.scripting.running, self.env.in_script) = (false, false);
        over
    }

    fn drive_on(
        &mut self,
        session: &mut Session,
        machine: &mut Machine,
        run: &mut Run,
        turn_began_ns: Option<u64>,
    ) -> bool {
        let mut slices = 0;
        loop {
            match machine.resume() {
                Step::Call => self.call_for_script(session, machine, run),
                Step::AclCheck => {
                    let permitted = self.script_may_call(session, machine.request());
                    machine.answer_acl(permitted);
                }
                Step::Log => log_for_script(machine),
                Step::Slice => {
                    slices += 1;
                    let now_ns = (self.boot.clock_ns)();
                    let over = match turn_began_ns {
                        Some(began) => now_ns.saturating_sub(began) >= TURN_NS || slices >= TURN_SLICES,
                        None if self.scripting.replays => false,
                        None => {
                            let threshold = self.config.settings().busy_reply_threshold;
                            threshold > 0 && now_ns.saturating_sub(run.began_ns) / 1_000_000 >= threshold
                        }
                    };
                    if over {
                        return false;
                    }
                }
                Step::Done => return true,
            }
        }
    }

    /// Carries a call out as if a client had sent it.
    fn call_for_script(&mut self, session: &mut Session, machine: &mut Machine, run: &mut Run) {
        let proto = if machine.wants_resp3() { Proto::Resp3 } else { Proto::Resp2 };
        let mut buf = std::mem::take(machine.reply_buffer());
        buf.clear();
        session.reply = ReplyBuf { buf, proto };
        let replication = machine.replication();
        let args = machine.request();
        match self.registry.resolve(args) {
            Err(reject) => {
                let text = match reject {
                    commands::Reject::Arity(spec) => {
                        self.reject_for_script(spec);
                        "ERR Wrong number of args calling command from script"
                    }
                    _ => "ERR Unknown command called from script",
                };
                self.script_error(session, text);
            }
            Ok(spec) => match self.refusal_for_script(session, spec, args, run) {
                Some(text) => {
                    self.reject_for_script(spec);
                    self.script_error(session, &text);
                }
                None => {
                    run.wrote |= spec.is_write();
                    let mark = (replication & script::repl::REPLICA == 0)
                        .then(|| self.replication.transaction_mark());
                    self.call_timed(session, spec, args);
                    if self.is_watched() {
                        self.show(session.db, "lua", spec, args);
                    }
                    if let Some(mark) = mark {
                        self.replication.cut_transaction(mark);
                    }
                }
            },
        }
        *machine.reply_buffer() = std::mem::take(&mut session.reply.buf);
    }

    /// Why a script may not call a command, be it for what it is or for whom it runs.
    fn refusal_for_script(
        &mut self,
        session: &Session,
        spec: &'static CommandSpec,
        args: Args<'_>,
        run: &Run,
    ) -> Option<Cow<'static, str>> {
        if let Some(text) = self.script_call_refusal(spec, run.reads_only, run.wrote) {
            return Some(text.into());
        }
        let may_take_memory = run.allow_oom || run.wrote || self.scripting.replays;
        let needs_memory = spec.flags.contains(commands::Flags::DENYOOM) && !may_take_memory;
        if needs_memory && self.gate.memory_limited && (self.out_of_memory() || self.is_over_limit()) {
            return Some(crate::eviction::OOM.into());
        }
        if session.unrestricted {
            return None;
        }
        let denial = self.verdict(&session.user, spec, args, session.db).err()?;
        self.note_denied(session, spec, args, denial, acl::Context::Script);
        let why = refusal_text(&session.user, spec, denial);
        Some(format!("NOPERM ACL failure in script: {why}").into())
    }

    fn reject_for_script(&mut self, spec: &'static CommandSpec) {
        let index = self.registry.index(spec);
        self.stats.per_command[index].rejected += 1;
    }

    fn script_error(&mut self, session: &mut Session, text: &str) {
        session.reply.error(text);
        self.stats.error_reply(&session.reply.buf[1..]);
    }

    /// Answers with what a script has come to.
    fn end_run(&mut self, session: &mut Session, mut machine: Box<Machine>, run: &Run) {
        match machine.finish() {
            Ok(reply) => session.reply.raw(&reply),
            Err(error) => {
                session.reply.error(&error.reply());
                self.scripting.error_counted = error.counted;
            }
        }
        self.scripting.put(run.engine, machine);
        if run.own_transaction && self.replication.end_transaction() {
            self.note_write(session);
        }
    }

    // ---- parked ----------------------------------------------------------------------------------

    fn park(&mut self, session: &mut Session, args: Args<'_>, machine: Box<Machine>, mut run: Run) {
        tracing::warn!(
            "Slow script detected: still in execution after {} milliseconds. You can try killing the script using the {} \
             command.",
            run.elapsed_ms(self),
            if run.engine == Engine::Scripts { "SCRIPT KILL" } else { "FUNCTION KILL" },
        );
        run.request = session.last_command.map(|spec| (spec, OwnedArgs::from_args(args)));
        session.blocked = Some(Blocked::Script);
        // What the master sends has to wait.
        if let Some(conn) = self.replication.upstream.as_ref().and_then(|upstream| upstream.conn) {
            self.actions.push(Action::PauseReading(conn));
        }
        self.scripting.parked = Some(Box::new(Parked {
            machine,
            run,
            orphan: None,
            stream: None,
            migrations: Vec::new(),
            loaded: Vec::new(),
        }));
        self.gate.busy = true;
    }

    /// Gives a parked script its turn.
    pub(crate) fn continue_script(&mut self) {
        let Some(mut parked) = self.scripting.parked.take() else { return };
        let session = parked.orphan.take().or_else(|| self.take_session(parked.run.caller));
        let Some(mut session) = session else {
            // A session leaves its place only by way of `adopt_script_caller`.
            self.scripting.parked = Some(parked);
            return;
        };
        let orphaned = self.session_is_gone(session.conn);
        // The time stands still for a script.
        let now = self.now;
        self.set_now(parked.run.began);
        let turn = (self.boot.clock_ns)();
        parked.run.exchange(&mut session);
        let over = self.drive(&mut session, &mut parked.machine, &mut parked.run, Some(turn));
        parked.run.exchange(&mut session);
        self.set_now(now);
        if over {
            return self.end_parked(*parked, session, orphaned);
        }
        if orphaned {
            parked.orphan = Some(session);
            self.scripting.parked = Some(parked);
        } else {
            self.scripting.parked = Some(parked);
            self.put_back(session);
        }
    }

    fn session_is_gone(&mut self, conn: ConnId) -> bool {
        !matches!(self.slot_mut(conn), Some(crate::connections::Slot::Busy))
    }

    fn end_parked(&mut self, parked: Parked, mut session: Box<Session>, orphaned: bool) {
        let Parked { machine, run, stream, migrations, loaded, .. } = parked;
        self.gate.busy = false;
        session.blocked = None;
        let mut rest = session.exec_rest.take();
        let from = session.reply.buf.len();
        if let Some(rest) = &mut rest {
            session.reply.buf.append(&mut rest.held);
            rest.from = from;
        }
        let own_from = session.reply.buf.len();
        self.end_run(&mut session, machine, &run);
        if let Some((spec, args)) = &run.request {
            let nanos = (self.boot.clock_ns)().saturating_sub(run.began_ns);
            let args = args.as_args();
            let reply_bytes = session.reply.buf.len() - own_from;
            let cost = Cost { nanos, request_bytes: args_bytes(args), reply_bytes };
            self.note_executed(&session, spec, args, cost);
            self.count_call(&mut session, self.registry.index(spec), own_from);
            if session.tracker.is_some() {
                self.end_exception(&session, Some(spec));
            }
        }
        if let Some(rest) = rest
            && !crate::host::multi::continue_exec(self, &mut session, *rest)
        {
            // The next script of the transaction is parked in its turn.
            if let Some(next) = &mut self.scripting.parked {
                next.stream = stream;
                next.migrations = migrations;
                next.loaded = loaded;
            }
            if orphaned {
                self.adopt_script_caller(session);
            } else {
                self.put_back(session);
            }
            return;
        }
        self.drop_unwanted_reply(&mut session, from);
        if let Some(conn) = self.replication.upstream.as_ref().and_then(|upstream| upstream.conn) {
            self.actions.push(Action::ResumeReading(conn));
            if let Some((from, bytes)) = stream
                && from == conn
            {
                self.upstream_input(&bytes);
            }
        }
        self.serve_ready();
        self.empty_postbox(&mut session);
        if orphaned {
            drop(session);
        } else {
            self.run_pending(&mut session);
            self.put_back(session);
        }
        self.resume_served();
        for (conn, what) in migrations {
            match what {
                FromTarget::Bytes(bytes) => self.input(self.now, conn, &bytes),
                FromTarget::End => self.eof(self.now, conn),
            }
        }
        for (job, what) in loaded {
            self.complete(self.now, job, what);
        }
    }

    /// A connection is closed whose script is parked: the script goes on without it.
    pub(crate) fn adopt_script_caller(&mut self, session: Box<Session>) {
        if session.blocked == Some(Blocked::Script)
            && let Some(parked) = &mut self.scripting.parked
            && parked.run.caller == session.conn
        {
            parked.orphan = Some(session);
        }
    }
}

/// Logs what a script has to say.
pub(super) fn log_for_script(machine: &Machine) {
    let (level, text) = machine.log_entry();
    let text = String::from_utf8_lossy(text);
    match level {
        0 => tracing::trace!("{text}"),
        1 => tracing::debug!("{text}"),
        2 => tracing::info!("{text}"),
        _ => tracing::warn!("{text}"),
    }
}
