//! Why a link ended.

use super::LinkState;

/// Why a link ended, or why a call was refused.
///
/// After any error but [`LinkError::Misuse`] the link is of no use: close the connection, and if
/// [`LinkError::retry`] says so, make another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// Nothing came from the master for too long.
    #[error("no byte from the master for {after_ms} ms while waiting for {waiting_for}")]
    Timeout {
        /// For so long.
        after_ms: u64,
        /// What the link was waiting for.
        waiting_for: &'static str,
    },
    /// The master cannot serve replicas right now: it loads its data, or its own link to its master is down.
    #[error("the master is not ready: {reply}")]
    NotReady {
        /// What it said.
        reply: String,
    },
    /// The master does not let us in.
    #[error("the master refused {request}: {reply}")]
    Denied {
        /// What was asked.
        request: &'static str,
        /// What it said.
        reply: String,
    },
    /// The master gave up on a synchronisation that it had agreed to.
    #[error("the master gave up the synchronisation: {reply}")]
    SyncAborted {
        /// What it said.
        reply: String,
    },
    /// The master sent something that this protocol has no place for.
    #[error("expected {expected}, the master sent \"{got}\"")]
    Unexpected {
        /// What would have been right.
        expected: &'static str,
        /// What came, shortened.
        got: String,
    },
    /// A line that does not end.
    #[error("the master sent a line of more than {limit} bytes instead of {expected}")]
    LineTooLong {
        /// The limit.
        limit: usize,
        /// What would have been right.
        expected: &'static str,
    },
    /// The caller asked for something that has no place in this state. Nothing has changed.
    #[error("{call} has no place while the link is in state {state:?}")]
    Misuse {
        /// The call.
        call: &'static str,
        /// The state.
        state: LinkState,
    },
}

impl LinkError {
    /// Whether the same attempt may succeed later without anybody's doing.
    pub fn retry(&self) -> bool {
        matches!(self, LinkError::Timeout { .. } | LinkError::NotReady { .. } | LinkError::SyncAborted { .. })
    }
}
