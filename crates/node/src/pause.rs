//! CLIENT PAUSE: commands that are held back for a while.

use commands::{CommandSpec, Flags};

use crate::action::ConnId;
use crate::session::Session;

/// What is held back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub(crate) enum PauseKind {
    /// Commands that write.
    Write,
    /// All commands.
    All,
}

/// The pause in force, and the clients it holds.
#[derive(Default)]
pub(crate) struct Pause {
    /// What is held, and until when on the wall clock (milliseconds).
    pub active: Option<(PauseKind, u64)>,
    /// Clients with a command held back, in order of arrival.
    pub held: Vec<ConnId>,
}

impl Pause {
    /// Whether this command has to wait.
    pub fn holds(
        &self,
        spec: &CommandSpec,
        session: &Session,
        declared: impl FnOnce() -> Option<script::Flags>,
    ) -> bool {
        let Some((kind, _)) = self.active else { return false };
        if session.is_replica() {
            return false;
        }
        match kind {
            PauseKind::All => true,
            PauseKind::Write => {
                spec.is_write()
                    // A script that says that it only reads is believed.
                    || (matches!(spec.full_name, "eval" | "evalsha" | "fcall")
                        && declared().is_none_or(|flags| !flags.no_writes))
                    || spec.flags.contains(Flags::MAY_REPLICATE)
                    || (spec.full_name == "exec"
                        && session.transaction.as_ref().is_some_and(|transaction| transaction.replicates))
            }
        }
    }

    pub fn forget(&mut self, conn: ConnId) {
        self.held.retain(|&other| other != conn);
    }
}
