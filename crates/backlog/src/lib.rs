//! The log of effects of a replicating server, and the names of the histories that it is a part of.
//!
//! A server that replicates writes every effect down once, as bytes, in one sequence. Everything else reads
//! that sequence: each replica, whoever writes a file, and a peer that was away for a while and wants to
//! catch up. This crate holds the recent part of the sequence in memory ([`Log`]), says where in it something
//! stands ([`Offset`]), and what the sequence is called ([`ReplicationId`], [`History`]), so that two servers
//! can tell whether they mean the same one.
//!
//! It does no I/O, reads no clock and contains no unsafe code.
//!
//! # One log, many readers
//!
//! ```
//! use backlog::{Log, Offset};
//!
//! let mut log = Log::new(Offset::ZERO, 16 * 1024);
//! let (mut fast, slow) = (Offset::ZERO, Offset::ZERO);
//! for _ in 0..1000 {
//!     log.append(&[b'x'; 100]);
//!     fast.0 += log.slices(fast).expect("not trimmed yet").map(|slice| slice.len() as u64).sum::<u64>();
//! }
//! assert_eq!(fast, Offset(100_000));
//!
//! // Whatever the slowest reader still needs is kept, however much that is…
//! log.trim(Some(fast.min(slow)));
//! assert_eq!(log.first(), Offset::ZERO);
//! // …and once it is gone, whole blocks beyond the capacity are freed.
//! log.trim(Some(fast));
//! assert!(log.first() > Offset::ZERO);
//! assert!(log.len() >= 16 * 1024);
//! ```
//!
//! # Positions
//!
//! An [`Offset`] counts the bytes before it, so a fresh history stands at 0. `PSYNC` and two fields of INFO
//! number the bytes instead, from 1; see [`Offset::next_byte`].
//!
//! # Who may continue
//!
//! ```
//! use backlog::{Continuation, History, Log, Offset, ReplicationId};
//!
//! let id = ReplicationId::random(&mut fastrand::Rng::new());
//! let history = History::new(id);
//! let mut log = Log::new(Offset(500), 1 << 20);
//! log.append(&[0; 100]);
//!
//! assert_eq!(history.can_continue(&id, Offset(600), &log), Continuation::Same);
//! assert_eq!(history.can_continue(&id, Offset(499), &log), Continuation::TooOld { missing: 1 });
//! assert_eq!(history.can_continue(&id, Offset(601), &log), Continuation::Ahead { by: 1 });
//! ```
#![forbid(unsafe_code)]

mod history;
mod id;
mod log;
mod offset;

pub use history::{Continuation, History, MAX_ANCESTORS, ParsePastHistoryError, PastHistory};
pub use id::{ParseReplicationIdError, ReplicationId};
pub use log::{Log, Piece, Slices};
pub use offset::{Offset, ParseOffsetError};
