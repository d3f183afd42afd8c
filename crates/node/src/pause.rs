//! Commands that are held back for a while: by CLIENT PAUSE, while the role of the master is handed over, and before the end.

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
    /// What CLIENT PAUSE holds, and until when on the wall clock (milliseconds).
    pub client: Option<(PauseKind, u64)>,
    /// A failover holds writes until it ends.
    pub failover: bool,
    /// A shutdown holds writes: what it saves, and what replicas have, is to be everything that was answered.
    pub shutdown: bool,
    /// Those who were held are to be let go at the next tick, because now would be in the middle of a transaction.
    pub release_due: bool,
    /// Clients with a command held back, in order of arrival.
    pub held: Vec<ConnId>,
}

impl Pause {
    /// What is held, for whichever reason.
    pub fn kind(&self) -> Option<PauseKind> {
        let of_client = self.client.map(|(kind, _)| kind);
        of_client.max((self.failover || self.shutdown).then_some(PauseKind::Write))
    }

    pub fn is_active(&self) -> bool {
        self.client.is_some() || self.failover || self.shutdown
    }

    /// Whether this command has to wait.
    pub fn holds(
        &self,
        spec: &CommandSpec,
        session: &Session,
        declared: impl FnOnce() -> Option<script::Flags>,
    ) -> bool {
        let Some(kind) = self.kind() else { return false };
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
