//! One connection between two ends, with delay, a bounded window, and a way to break.

use node::ConnId;

/// Who is at an end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// An instance's connection; `epoch` tells the machine's lives apart.
    Machine { machine: usize, epoch: u64, conn: ConnId },
    /// A simulated client.
    Client(usize),
    /// Nobody any more.
    Gone,
}

/// Bytes under way in one direction before the sender has to wait.
pub const WINDOW: usize = 16 * 1024;

/// One connection.
pub struct Pipe {
    pub ends: [End; 2],
    /// Bytes on their way to each end.
    pub in_flight: [usize; 2],
    /// Nothing may arrive at an end before this: bytes stay in order.
    pub not_before: [u64; 2],
    /// An end does not read for the time being; what arrives is kept.
    pub paused: [bool; 2],
    pub kept: [Vec<Vec<u8>>; 2],
    /// Somebody looks from time to time whether the link has healed.
    pub looking: [bool; 2],
    /// Whether the sender to each end waits for room.
    pub blocked: [bool; 2],
}

impl Pipe {
    pub fn new(ends: [End; 2]) -> Pipe {
        Pipe {
            ends,
            in_flight: [0; 2],
            not_before: [0; 2],
            paused: [false; 2],
            kept: [Vec::new(), Vec::new()],
            looking: [false; 2],
            blocked: [false; 2],
        }
    }

    /// The machines at both ends, if both are machines.
    pub fn machines(&self) -> Option<(usize, usize)> {
        match self.ends {
            [End::Machine { machine: a, .. }, End::Machine { machine: b, .. }] => Some((a, b)),
            _ => None,
        }
    }
}
