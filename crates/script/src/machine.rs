//! The interpreter as its host sees it.

use resp::{Args, Proto, ReplyBuf};

use crate::error::ScriptError;
use crate::library::{Function, Library, NAME_RULE, is_name};
use crate::lua::{Event, FunctionRef, Kind, Raise, Stack, State};
use crate::result::to_reply;
use crate::sandbox::{Sandbox, build};
use crate::shebang::LibraryHeader;

/// What scripts may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of memory of one interpreter.
    pub memory: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { memory: 1 << 30 }
    }
}

/// One run of a script or a function.
#[derive(Clone, Copy, Debug)]
pub struct Invocation<'a> {
    /// What runs.
    pub function: FunctionRef,
    /// Its keys.
    pub keys: &'a [&'a [u8]],
    /// Its other arguments.
    pub args: &'a [&'a [u8]],
    /// Whoever gets the result speaks RESP3.
    pub resp3: bool,
}

/// Why a machine stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The script calls [`Machine::request`]: [`Machine::answer`] it.
    Call,
    /// It asks whether it might call [`Machine::request`]: [`Machine::answer_acl`].
    AclCheck,
    /// It has something for the log: [`Machine::log_entry`].
    Log,
    /// It has run for a slice of instructions.
    Slice,
    /// It has ended: [`Machine::finish`].
    Done,
}

/// One interpreter, for scripts or for functions.
pub struct Machine {
    state: State,
    sandbox: Sandbox,
    /// Scripts find their keys and arguments in globals; functions are given them.
    globals: bool,
}

impl Machine {
    /// A machine for the scripts of EVAL.
    pub fn for_scripts(seed: u64, limits: Limits) -> Machine {
        Machine::new(seed, limits, true)
    }

    /// A machine for libraries of functions.
    pub fn for_functions(seed: u64, limits: Limits) -> Machine {
        Machine::new(seed, limits, false)
    }

    fn new(seed: u64, limits: Limits, globals: bool) -> Machine {
        let mut state = State::new(usize::MAX);
        let sandbox = build(&mut state);
        state.exchange().rng = fastrand::Rng::with_seed(seed);
        state.collect();
        state.set_limit(limits.memory);
        Machine { state, sandbox, globals }
    }

    /// Bytes that the interpreter holds.
    pub fn memory(&self) -> usize {
        self.state.memory()
    }

    /// Holds for what is allocated from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.state.set_limit(limits.memory);
    }

    /// Whether a script is under way.
    pub fn is_running(&self) -> bool {
        self.state.is_running()
    }

    /// Compiles a script, without its first line if that begins with `#!`.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn compile(&mut self, code: &[u8]) -> Result<FunctionRef, String> {
        match self.state.load(code, c"@user_script") {
            Ok(()) => Ok(self.state.keep()),
            Err(error) => Err(String::from_utf8_lossy(&error).into_owned()),
        }
    }

    /// Forgets what was compiled.
    pub fn release(&mut self, function: FunctionRef) {
        self.state.release(function);
    }

    /// Makes ready to run: [`Machine::resume`] begins.
    ///
    /// # Errors
    ///
    /// There is no memory for a stack.
    pub fn prepare(&mut self, run: &Invocation<'_>) -> Result<(), String> {
        self.begin_exchange(run.resp3);
        self.state.stack().set_top(0);
        if self.globals {
            self.state.push_kept(self.sandbox.globals);
            let mut stack = self.state.stack();
            for (name, values) in [("KEYS", run.keys), ("ARGV", run.args)] {
                push_list(&mut stack, values);
                stack.set_field(1, name);
            }
            stack.set_top(0);
            self.state.push_kept(run.function);
            return self.begin(0);
        }
        self.state.push_kept(run.function);
        let mut stack = self.state.stack();
        push_list(&mut stack, run.keys);
        push_list(&mut stack, run.args);
        self.begin(2)
    }

    fn begin_exchange(&mut self, resp3: bool) {
        let exchange = self.state.exchange();
        exchange.resp3 = false;
        exchange.repl = crate::repl::ALL;
        exchange.killed = None;
        exchange.error = None;
        exchange.out = ReplyBuf { proto: if resp3 { Proto::Resp3 } else { Proto::Resp2 }, ..ReplyBuf::new() };
    }

    fn begin(&mut self, arguments: i32) -> Result<(), String> {
        self.state
            .begin(arguments, describe, conclude)
            .map_err(|error| format!("ERR no stack for the script: {error}"))
    }

    /// Lets the script go on until it stops.
    pub fn resume(&mut self) -> Step {
        match self.state.resume() {
            Some(Event::Call) => Step::Call,
            Some(Event::AclCheck) => Step::AclCheck,
            Some(Event::Log) => Step::Log,
            Some(Event::Tick) => Step::Slice,
            None => Step::Done,
        }
    }

    /// The command that the script calls.
    pub fn request(&self) -> Args<'_> {
        let exchange = self.state.exchange_ref();
        Args::new(&exchange.request, &exchange.spans)
    }

    /// Answers the call with a reply as it would go to a client.
    pub fn answer(&mut self, reply: &[u8]) {
        let exchange = self.state.exchange();
        exchange.reply.clear();
        exchange.reply.extend_from_slice(reply);
    }

    /// Lends the buffer that the reply is to be written to.
    pub fn reply_buffer(&mut self) -> &mut Vec<u8> {
        &mut self.state.exchange().reply
    }

    /// Answers whether the call would be permitted; nothing if there is no such command.
    pub fn answer_acl(&mut self, permitted: Option<bool>) {
        self.state.exchange().permitted = permitted;
    }

    /// What is to be logged: its level, from 0 (debug) to 3 (warning), and the text.
    pub fn log_entry(&self) -> (u8, &[u8]) {
        let (level, text) = &self.state.exchange_ref().log;
        (*level, text)
    }

    /// The protocol that the script wants its calls answered in.
    pub fn wants_resp3(&self) -> bool {
        self.state.exchange_ref().resp3
    }

    /// What becomes of the script's effects, as in [`crate::repl`].
    pub fn replication(&self) -> u8 {
        self.state.exchange_ref().repl
    }

    /// Makes the script end with an error at its next step, whatever it catches.
    pub fn kill(&mut self, why: &'static str) {
        self.state.exchange().killed = Some(why);
    }

    /// The result of what has ended: an encoded reply.
    ///
    /// # Errors
    ///
    /// The error that ended it, or that it returned.
    pub fn finish(&mut self) -> Result<Vec<u8>, ScriptError> {
        let exchange = self.state.exchange();
        match exchange.error.take() {
            Some(error) => Err(error),
            None => Ok(std::mem::take(&mut exchange.out.buf)),
        }
    }

    // ---- libraries -------------------------------------------------------------------------------

    /// Makes a library's text ready to be loaded: [`Machine::resume`] runs it, [`Machine::loaded`] has what it registered.
    ///
    /// # Errors
    ///
    /// The error reply.
    pub fn prepare_library(&mut self, body: &[u8]) -> Result<(), String> {
        let header = LibraryHeader::of(body)?;
        self.begin_exchange(false);
        self.state.stack().set_top(0);
        if let Err(error) = self.state.load(header.code, c"@user_function") {
            return Err(format!("ERR Error compiling function: {}", String::from_utf8_lossy(&error)));
        }
        self.state.exchange().loading = Some(Vec::new());
        self.show_globals(self.sandbox.loading);
        let begun = self.begin(0);
        if begun.is_err() {
            self.show_globals(self.sandbox.globals);
        }
        begun
    }

    /// The library that was loaded.
    ///
    /// # Errors
    ///
    /// The error reply.
    pub fn loaded(&mut self, body: &[u8]) -> Result<Library, String> {
        self.show_globals(self.sandbox.globals);
        let header = LibraryHeader::of(body)?;
        let registered = self.state.exchange().loading.take().unwrap_or_default();
        let failed = match self.state.exchange().error.take() {
            Some(error) => {
                Some(format!("ERR Error registering functions: {}", String::from_utf8_lossy(&error.text)))
            }
            None if registered.is_empty() => Some("ERR No functions registered".to_owned()),
            None if registered.iter().any(|function| !is_name(&function.name)) => {
                Some(format!("ERR Function {NAME_RULE}"))
            }
            None if has_twice(&registered) => Some("ERR Function already exists in the library".to_owned()),
            None => None,
        };
        if let Some(error) = failed {
            for callback in registered.iter().filter_map(|function| function.callback) {
                self.state.release(callback);
            }
            return Err(error);
        }
        let functions = registered
            .into_iter()
            .filter_map(|function| {
                Some(Function {
                    name: function.name.into(),
                    description: function.description.map(Into::into),
                    flags: function.flags,
                    callback: function.callback?,
                })
            })
            .collect();
        Ok(Library { name: header.name.into(), code: body.into(), functions })
    }

    /// Makes the globals lead to other contents.
    fn show_globals(&mut self, contents: FunctionRef) {
        let top = self.state.stack().top();
        self.state.push_kept(self.sandbox.meta);
        self.state.push_kept(contents);
        let mut stack = self.state.stack();
        stack.set_field(-2, "__index");
        stack.set_top(top);
    }
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine")
            .field("memory", &self.memory())
            .field("running", &self.is_running())
            .finish()
    }
}

/// Whether two functions have one name.
fn has_twice(registered: &[crate::library::Registration]) -> bool {
    let names: std::collections::HashSet<&[u8]> =
        registered.iter().map(|function| &function.name[..]).collect();
    names.len() < registered.len()
}

fn push_list(stack: &mut Stack<'_>, values: &[&[u8]]) {
    stack.push_table(values.len(), 0);
    for (index, value) in values.iter().enumerate() {
        stack.push_bytes(value);
        stack.set_index(-2, index + 1);
    }
}

/// Says of an error where it happened, as long as that is known: makes a table with `err`, `source` and `line` of it.
fn describe(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    let place = stack.place(1).and_then(|place| stack.caller(if place.native { 2 } else { 1 }));
    stack.set_top(1);
    if stack.kind(1) != Kind::Table {
        let text = match stack.kind(1) {
            Kind::String | Kind::Number => stack.bytes(1).unwrap_or_default().to_vec(),
            Kind::Boolean => stack.boolean(1).to_string().into_bytes(),
            kind => kind.name().as_bytes().to_vec(),
        };
        stack.push_table(0, 3);
        stack.push_bytes(&[b"ERR ", &text[..]].concat());
        stack.set_field(-2, "err");
        stack.replace(1);
    }
    if let Some(place) = place {
        stack.push_bytes(&place.source);
        stack.set_field(1, "source");
        stack.push_number(place.line as f64);
        stack.set_field(1, "line");
    }
    Ok(1)
}

/// Makes the reply, or the error, of what a run has left on top.
fn conclude(stack: &mut Stack<'_>, fine: bool) {
    if fine {
        let mut out = std::mem::take(&mut stack.exchange().out);
        let resp3 = stack.exchange().resp3;
        let error = to_reply(stack, &mut out, resp3);
        let exchange = stack.exchange();
        exchange.out = out;
        exchange.error = error;
        return;
    }
    let mut error = ScriptError::default();
    if stack.kind(-1) == Kind::Table {
        stack.field(-1, "err");
        error.text = match stack.kind(-1) {
            Kind::String | Kind::Number => stack.bytes(-1).unwrap_or_default().to_vec(),
            _ => b"ERR unknown error".to_vec(),
        };
        stack.pop(1);
        stack.field(-1, "source");
        stack.field(-2, "line");
        if let (Some(source), Some(line)) = (stack.string(-2), stack.number(-1)) {
            error.place = Some((source.to_vec(), line as i64));
        }
        stack.pop(2);
        stack.field(-1, "ignore_error_stats_update");
        error.counted = stack.boolean(-1);
    } else {
        error.text = [b"ERR ", stack.bytes(-1).unwrap_or(b"unknown error")].concat();
    }
    stack.exchange().error = Some(error);
}
