//! One client that has asked to be told what it must forget.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::action::ConnId;

/// What stands for a client in the table of keys: half the size of its connection's name. A client has one from its first CLIENT
/// TRACKING on; it is given to another one only after it has left, and after four billion others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Number(u32);

impl Number {
    pub fn to_bytes(self) -> [u8; 4] {
        self.0.to_le_bytes()
    }

    pub fn from_bytes(bytes: [u8; 4]) -> Number {
        Number(u32::from_le_bytes(bytes))
    }

    /// The one after it.
    pub fn next(self) -> Number {
        Number(self.0.wrapping_add(1))
    }
}

/// Which keys a client is told about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// None any more.
    Off,
    /// Those that it has read.
    Reads,
    /// Those that it has read right after CLIENT CACHING YES.
    OptIn,
    /// Those that it has read, but for what it read right after CLIENT CACHING NO.
    OptOut,
    /// All that begin with its prefixes.
    Broadcast,
}

/// The client that is told in the place of another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Redirect {
    /// CLIENT ID.
    pub id: u64,
    pub conn: ConnId,
}

/// What is known about such a client.
#[derive(Debug)]
pub(crate) struct Tracker {
    pub conn: ConnId,
    pub mode: Mode,
    /// It does not want to hear of what it changes itself.
    pub noloop: bool,
    /// CLIENT CACHING: the next command is the exception to the rule of OPTIN or OPTOUT.
    pub exception: bool,
    pub redirect: Option<Redirect>,
    /// The client to tell was not there when there was something to tell.
    pub broken: bool,
    /// In broadcasting mode.
    pub prefixes: BTreeSet<Arc<[u8]>>,
}

impl Tracker {
    pub fn new(conn: ConnId) -> Tracker {
        Tracker {
            conn,
            mode: Mode::Off,
            noloop: false,
            exception: false,
            redirect: None,
            broken: false,
            prefixes: BTreeSet::new(),
        }
    }

    /// Whether it is told about anything.
    pub fn is_on(&self) -> bool {
        self.mode != Mode::Off
    }

    /// Whether it is to be told when a key changes that the command in progress reads.
    pub fn remembers_reads(&self) -> bool {
        match self.mode {
            Mode::Reads => true,
            Mode::OptIn => self.exception,
            Mode::OptOut => !self.exception,
            Mode::Off | Mode::Broadcast => false,
        }
    }

    /// Whether it is told about keys in the table.
    pub fn is_told_of_reads(&self) -> bool {
        matches!(self.mode, Mode::Reads | Mode::OptIn | Mode::OptOut)
    }

    /// Bytes of its prefixes that are its own. The text is shared with the others who listen to the same; that of a long one counts
    /// all the same, or else it would cost nothing.
    pub fn memory(&self) -> usize {
        self.prefixes.iter().map(|prefix| PREFIX_BYTES + prefix.len().saturating_sub(SHORT_PREFIX)).sum()
    }
}

/// A place in the ordered set of prefixes, about.
const PREFIX_BYTES: usize = 24;
/// A prefix of no more bytes is a short one.
const SHORT_PREFIX: usize = 64;
