//! Scripts and functions: what is known of them, and how they run within the instance.
//!
//! The interpreter knows no commands ([`script`]). It stops whenever a script calls one; [`run`] carries the call out like a
//! client's, on the session of whoever asked for the script, and lets it go on. A script that has run for longer than
//! `busy-reply-threshold` is parked: the driver gets its turn, other clients are told that the instance is busy, and every tick
//! lets the script go on for a little while.
//!
//! ```text
//!   EVAL ──▶ running ──────────────────────────────▶ answered
//!               │  threshold is over      ▲   ▲
//!               ▼                         │   │ ended, killed
//!             parked ── tick: a slice ────┴───┘
//! ```

pub(crate) mod check;
pub(crate) mod functions;
mod run;
#[cfg(test)]
mod tests;

use script::{Libraries, Limits, Machine, ScriptCache};

use crate::action::{Completion, ConnId, JobId};
use crate::node::Node;
use crate::session::Session;
pub(crate) use run::{Invoked, Run};

/// Which interpreter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// That of EVAL.
    Scripts,
    /// That of FCALL.
    Functions,
}

/// Everything about scripts.
#[derive(Default)]
pub(crate) struct Scripting {
    /// The interpreters, made when they are first needed; the one that runs is out of its place.
    scripts: Option<Box<Machine>>,
    functions: Option<Box<Machine>>,
    /// What an interpreter may take (`script-memory-limit`).
    pub limits: Limits,
    pub cache: ScriptCache,
    pub libraries: Libraries,
    /// What the interpreters held when they were last looked at.
    scripts_memory: usize,
    functions_memory: usize,
    /// A script that has run for too long.
    pub parked: Option<Box<Parked>>,
    /// A script has the engine thread.
    pub running: bool,
    /// It is carried out once more, from the append only file: it may do what it did, and takes the time that it takes.
    pub replays: bool,
    /// The error that the last script ended with was counted where it arose.
    pub error_counted: bool,
}

/// A script between two slices of its time.
pub(crate) struct Parked {
    pub machine: Box<Machine>,
    pub run: Run,
    /// The session that asked for it, if its connection has been closed meanwhile.
    pub orphan: Option<Box<Session>>,
    /// What the master has sent meanwhile.
    pub stream: Option<(ConnId, Vec<u8>)>,
    /// What the targets of MIGRATE have sent meanwhile.
    pub migrations: Vec<(ConnId, FromTarget)>,
    /// Datasets that were loaded meanwhile.
    pub loaded: Vec<(JobId, Completion)>,
}

/// What comes from the instance that keys go to.
pub(crate) enum FromTarget {
    Bytes(Vec<u8>),
    /// It has closed the connection.
    End,
}

impl Scripting {
    /// Bytes that an interpreter holds.
    pub fn memory(&self, engine: Engine) -> usize {
        let (machine, last) = match engine {
            Engine::Scripts => (&self.scripts, self.scripts_memory),
            Engine::Functions => (&self.functions, self.functions_memory),
        };
        machine.as_ref().map_or(last, |machine| machine.memory())
    }

    fn slot(&mut self, engine: Engine) -> &mut Option<Box<Machine>> {
        match engine {
            Engine::Scripts => &mut self.scripts,
            Engine::Functions => &mut self.functions,
        }
    }

    /// Takes an interpreter out of its place, or makes it.
    fn take(&mut self, engine: Engine, seed: impl FnOnce() -> u64) -> Box<Machine> {
        let limits = self.limits;
        let mut machine = self.slot(engine).take().unwrap_or_else(|| {
            Box::new(match engine {
                Engine::Scripts => Machine::for_scripts(seed(), limits),
                Engine::Functions => Machine::for_functions(seed(), limits),
            })
        });
        machine.set_limits(limits);
        match engine {
            Engine::Scripts => self.scripts_memory = machine.memory(),
            Engine::Functions => self.functions_memory = machine.memory(),
        }
        machine
    }

    /// The interpreter in its place, made if need be.
    pub fn machine(&mut self, engine: Engine, seed: impl FnOnce() -> u64) -> &mut Machine {
        let machine = self.take(engine, seed);
        self.slot(engine).insert(machine)
    }

    /// Puts an interpreter back in its place.
    pub fn put(&mut self, engine: Engine, machine: Box<Machine>) {
        *self.slot(engine) = Some(machine);
    }

    /// Forgets all scripts, and the interpreter with them.
    pub fn flush_scripts(&mut self) -> Option<Box<Machine>> {
        let evicted = std::mem::take(&mut self.cache).evicted;
        self.cache.evicted = evicted;
        self.scripts_memory = 0;
        self.scripts.take()
    }

    /// Forgets all functions, and the interpreter with them.
    pub fn flush_functions(&mut self) -> Option<Box<Machine>> {
        self.libraries = Libraries::default();
        self.functions_memory = 0;
        self.functions.take()
    }
}

impl Node {
    /// Whether a script holds everything up.
    pub(crate) fn is_busy(&self) -> bool {
        self.gate.busy
    }

    /// Whether a parked script, or the transaction that it stands in, has changed something and may change more: the dataset is one
    /// that no client was ever to see, and no snapshot may have it.
    pub(crate) fn is_half_done(&self) -> bool {
        let Some(parked) = &self.scripting.parked else { return false };
        let caller = parked.orphan.as_deref().or_else(|| self.session(parked.run.caller));
        parked.run.wrote || caller.is_some_and(|session| session.exec_rest.is_some())
    }
}
