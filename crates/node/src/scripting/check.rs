//! What a script may do where, by what it declares and by what it calls.

use commands::{CommandSpec, Flags as CommandFlags, Reject};
use resp::Args;
use script::Flags;

use crate::node::Node;
use crate::session::Session;

const NO_REPLICAS: &str = "NOREPLICAS Not enough good replicas to write.";
const READ_ONLY: &str = "READONLY You can't write against a read only replica.";

impl Node {
    /// Why a script with these flags may not begin, if it may not. One that declares nothing is judged by what it calls.
    pub(crate) fn script_refusal(&self, flags: Flags, reads_only: bool) -> Option<&'static str> {
        if self.scripting.replays {
            return None;
        }
        if self.gate.stale && !flags.allow_stale {
            return Some(self.gate.stale_error());
        }
        if flags.undeclared {
            return None;
        }
        if flags.no_writes {
            return None;
        }
        if !flags.allow_oom && self.out_of_memory() {
            return Some(
                "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'",
            );
        }
        if reads_only {
            return Some("ERR Can not execute a script with write flag using *_ro command.");
        }
        if self.gate.read_only {
            return Some(READ_ONLY);
        }
        if self.gate.persistence_failing {
            return Some(
                "MISCONF Tandem is configured to save RDB snapshots, but it's currently unable to persist to disk. Writable \
                 scripts are blocked. Use 'no-writes' flag for read only scripts.",
            );
        }
        if self.gate.few_replicas {
            return Some(NO_REPLICAS);
        }
        None
    }

    /// Why a script may not call a command, if it may not. One that has written may go on with what it has begun.
    pub(crate) fn script_call_refusal(
        &self,
        spec: &CommandSpec,
        reads_only: bool,
        wrote: bool,
    ) -> Option<&'static str> {
        // WAIT answers at once within a script.
        let never = spec.flags.contains(CommandFlags::NOSCRIPT) && spec.full_name != "wait";
        if never && !self.debug.scripts_call_all {
            return Some("ERR This Redis command is not allowed from script");
        }
        if self.scripting.replays {
            return None;
        }
        if self.gate.stale && !spec.flags.contains(CommandFlags::STALE) {
            return Some("ERR Can not execute the command on a stale replica");
        }
        if reads_only && spec.flags.intersects(CommandFlags::WRITE | CommandFlags::MAY_REPLICATE) {
            return Some("ERR Write commands are not allowed from read-only scripts.");
        }
        if !spec.is_write() {
            return None;
        }
        if self.gate.read_only {
            return Some(READ_ONLY);
        }
        if wrote {
            // What it began it may end.
            return None;
        }
        if self.gate.persistence_failing {
            return Some(
                "MISCONF Tandem is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands \
                 that may modify the data set are disabled, because this instance is configured to report errors during \
                 writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the log for details \
                 about the RDB error.",
            );
        }
        if self.gate.few_replicas {
            return Some(NO_REPLICAS);
        }
        None
    }

    /// What the script or function behind a request declares, if that is known before it runs.
    pub(crate) fn declared_flags(&self, spec: &CommandSpec, args: Args<'_>) -> Option<Flags> {
        match spec.full_name {
            "eval" | "eval_ro" => script::Shebang::of_script(args.get(1)?).ok().map(|text| text.flags),
            "evalsha" | "evalsha_ro" => {
                self.scripting.cache.find(args.get(1)?).map(|(_, script)| script.flags)
            }
            "fcall" | "fcall_ro" => {
                self.scripting.libraries.function(args.get(1)?).map(|(_, function)| function.flags)
            }
            _ => None,
        }
    }

    /// What others are told while a script holds everything up.
    pub(crate) fn busy_error(&self) -> &'static str {
        let functions = self
            .scripting
            .parked
            .as_ref()
            .is_some_and(|parked| parked.run.engine == super::Engine::Functions);
        if functions {
            "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
        } else {
            "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
        }
    }

    /// Whether a script might call a command for this client; nothing if there is no such command.
    pub(crate) fn script_may_call(&self, session: &Session, args: Args<'_>) -> Option<bool> {
        let spec = match self.registry.resolve(args) {
            Ok(spec) | Err(Reject::Arity(spec)) => spec,
            Err(_) => return None,
        };
        Some(session.unrestricted || self.verdict(&session.user, spec, args, session.db).is_ok())
    }
}
