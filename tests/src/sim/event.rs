//! What happens, and when.

use node::{Completion, ConnId, JobId};

pub enum Event {
    /// Bytes reach an end of a connection.
    Deliver {
        pipe: usize,
        side: usize,
        bytes: Vec<u8>,
    },
    /// An end learns that the connection is closed.
    Closed {
        pipe: usize,
        side: usize,
    },
    /// A connection is made, or not.
    Connect {
        machine: usize,
        epoch: u64,
        conn: ConnId,
        target: usize,
    },
    /// A job has come to something.
    Complete {
        machine: usize,
        epoch: u64,
        job: JobId,
        what: Completion,
        write: Option<(std::path::PathBuf, Vec<u8>)>,
    },
    /// The disk has come to some of a log that it is to keep.
    Spill {
        machine: usize,
        epoch: u64,
        job: JobId,
        task: SpillTask,
    },
    /// The disk has come to something that a replica is to be read.
    ReadAof {
        machine: usize,
        epoch: u64,
        read: Box<node::AofRead>,
    },
    /// The append only file has been loaded.
    AofLoaded {
        machine: usize,
        epoch: u64,
        job: JobId,
        done: Vec<Completion>,
    },
    /// The writer of the append only file gets its turn.
    AofStep {
        machine: usize,
        epoch: u64,
    },
    Tick {
        machine: usize,
        epoch: u64,
    },
    ClientStep {
        client: usize,
    },
    Start {
        machine: usize,
    },
}

impl Event {
    /// Mixes what tells this event from others into a fingerprint.
    pub fn mixed_into(&self, fingerprint: u64) -> u64 {
        let mix = |mixed: u64, part: u64| (mixed ^ part).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        match self {
            Event::Deliver { pipe, side, bytes } => {
                bytes.iter().fold(mix(mix(fingerprint, *pipe as u64), *side as u64), |mixed, byte| {
                    mix(mixed, u64::from(*byte))
                })
            }
            Event::Closed { pipe, side } => mix(mix(fingerprint, *pipe as u64), 16 + *side as u64),
            Event::Connect { machine, .. } => mix(fingerprint, 0x100 + *machine as u64),
            Event::Complete { machine, .. } => mix(fingerprint, 0x200 + *machine as u64),
            Event::Spill { machine, .. } => mix(fingerprint, 0x300 + *machine as u64),
            Event::AofLoaded { machine, .. } => mix(fingerprint, 0x400 + *machine as u64),
            Event::AofStep { machine, .. } => mix(fingerprint, 0x500 + *machine as u64),
            Event::Tick { machine, .. } => mix(fingerprint, 0x600 + *machine as u64),
            Event::ClientStep { client } => mix(fingerprint, 0x700 + *client as u64),
            Event::ReadAof { machine, .. } => mix(fingerprint, 0x900 + *machine as u64),
            Event::Start { machine } => mix(fingerprint, 0x800 + *machine as u64),
        }
    }
}

pub enum SpillTask {
    Write(node::Piece),
    Read { conn: ConnId, from: node::Offset, len: usize },
}

/// An event in the order of time, and of coming up where the time is the same.
pub struct Scheduled {
    pub at: u64,
    pub number: u64,
    pub event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}
impl Eq for Scheduled {}
impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}
