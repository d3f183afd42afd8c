//! The master's side: what it knows about each of its replicas, whether one can go on where it left off, and
//! when a snapshot is made for those that cannot.
//!
//! ```text
//!      REPLCONF …
//!      ┌───────┐
//!   ┌──▼───────┴──┐ PSYNC: continue_from()                       ┌────────┐
//!   │  handshake  ├─────────────────────────────────────────────▶│ online │
//!   └──────┬──────┘                                              └─▲────▲─┘
//!          │ PSYNC, SYNC: wait_snapshot()                          │    │
//!   ┌──────▼──────┐                                                │    │
//!   │wait snapshot│ a newline each second                          │    │
//!   └──────┬──────┘                                                │    │
//!          │ announce(): +FULLRESYNC id offset                     │    │
//!   ┌──────▼──────┐                                                │    │
//!   │  announced  │ a newline each second                          │    │
//!   └──────┬──────┘                                                │    │
//!          │ start_transfer(): $length | $EOF:mark                 │    │
//!   ┌──────▼──────┐ finish_transfer() after $length                │    │
//!   │  transfer   ├────────────────────────────────────────────────┘    │
//!   └──────┬──────┘                                                     │
//!          │ finish_transfer() after $EOF:mark                          │
//!   ┌──────▼──────┐ REPLCONF ACK offset                                 │
//!   │  await ack  ├─────────────────────────────────────────────────────┘
//!   └─────────────┘
//! ```
//!
//! With two connections the stream does not wait for the payload ([`Channels`] says which belong together):
//!
//! ```text
//!   the main one      handshake ──[wait_channel(): +RDBCHANNELSYNC]──▶ stream_beside(): the stream ── REPLCONF ACK ──▶ online
//!   the payload's     handshake ──▶ wait snapshot ──▶ announced ──▶ transfer ──▶ closed
//! ```
//!
//! INFO calls the phases `wait_bgsave` (those that wait for a snapshot, and the transfer of one that is made meanwhile), `send_bulk` (the
//! transfer of a file, and the wait for the acknowledgement after either) and `online`. A step that has no place in the present phase is
//! refused with a [`PhaseError`] and changes nothing.
//!
//! From the announcement on the log must be kept from the snapshot's position, [`ReplicaState::base`], for
//! that is where the replica's stream begins.

mod channels;
mod decide;
mod form;
mod payload;
mod planner;
mod replconf;
mod replica_state;
mod reply;

pub use channels::{ChannelRole, Channels, UnknownChannel};
pub use decide::{Decision, FullReason, PsyncRequest, PsyncRequestError, decide};
pub use form::{Reader, SnapshotForm};
pub use payload::{EofMark, PayloadForm, length_header};
pub use planner::{Candidate, FullSyncPlanner, Placement, PlannerPolicy, Running, Start, Target};
pub use replconf::{Replconf, ReplconfError, SnapshotFilter};
pub use replica_state::{AfterTransfer, Phase, PhaseError, ReplicaState, Tick};
pub use reply::{
    DUAL_CHANNEL_LINE, KEEPALIVE, continue_line, end_offset_line, full_resync_line, lineage_line,
    rdb_channel_line,
};
