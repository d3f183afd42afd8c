//! What a link is to say to its master.

use std::fmt;
use std::str::FromStr;

use crate::{Offset, ReplicationId};

/// What a link says to its master, and how long it waits for answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkConfig {
    /// The port that the master is to show for this replica.
    pub listening_port: u16,
    /// The address that the master is to show instead of the one it sees (`replica-announce-ip`).
    pub announce_ip: Option<String>,
    /// `masteruser` and `masterauth`.
    pub auth: Option<Credentials>,
    /// The history this replica holds, and up to where. Without it a full synchronisation is asked for.
    pub resume: Option<Resume>,
    /// Other names under which a master may know what this replica holds. A master that understands the question is asked which of
    /// them it can continue (`REPLCONF lineage`); to others `resume` alone is offered.
    pub alternatives: Vec<Resume>,
    /// Ask the peer to take over (`PSYNC … FAILOVER`): it is a replica of the same history and is to be
    /// promoted.
    pub failover: bool,
    /// Give up after so long without a byte from the master (`repl-timeout`).
    pub timeout_ms: u64,
    /// The version to announce, if any. Valkey masters choose the format of the payload by it: a peer that
    /// announces 9.0 or more is sent RDB version 80, one that announces nothing is sent version 11.
    pub version: Option<String>,
    /// Offer to take the payload over another connection, as Redis does it.
    pub rdb_channel: bool,
    /// Offer that, as Valkey does it.
    pub dual_channel: bool,
}

impl Default for LinkConfig {
    fn default() -> LinkConfig {
        LinkConfig {
            listening_port: 6379,
            announce_ip: None,
            auth: None,
            resume: None,
            alternatives: Vec::new(),
            failover: false,
            timeout_ms: 60_000,
            version: None,
            rdb_channel: false,
            dual_channel: false,
        }
    }
}

/// A position in a named history. As text: `id:offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resume {
    /// The history.
    pub id: ReplicationId,
    /// Everything up to here has been applied.
    pub applied: Offset,
}

impl fmt::Display for Resume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.id, self.applied)
    }
}

impl FromStr for Resume {
    type Err = backlog::ParsePastHistoryError;

    fn from_str(text: &str) -> Result<Resume, Self::Err> {
        let past: backlog::PastHistory = text.parse()?;
        Ok(Resume { id: past.id, applied: past.valid_to })
    }
}

/// How to authenticate.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Without a user the default user is meant.
    pub user: Option<String>,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A password must not end up in a log.
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}
