//! The PSYNC replication protocol of Redis and Valkey, both ends of it, as state machines without I/O.
//!
//! Bytes and the time go in; events, and bytes to send, come out. Nothing here opens a socket, reads a clock,
//! starts a thread or knows what a key is, so the same code runs in a server, in a tool that copies a
//! master's data, and in a simulator. `docs/protocol-psync.md` of the repository describes what goes over the
//! wire.
//!
//! - [`replica::Link`] is the replica's side of one connection to a master: it introduces itself, asks to go
//!   on where it left off, takes in the payload of a full synchronisation in either of its forms, and then
//!   the stream.
//! - [`master::ReplicaState`] is what a master knows about one of its replicas, [`master::decide`] says
//!   whether a replica can go on where it left off, and [`master::FullSyncPlanner`] when to make a snapshot,
//!   and for whom.
//!
//! # Positions and byte numbers
//!
//! Every [`Offset`] in this interface is a position: the count of the bytes before it. The wire speaks of
//! positions in `+FULLRESYNC` and `REPLCONF ACK`, but `PSYNC` asks for a byte by its number, which is one
//! more. The conversion is made here, once in each direction, and nobody outside has to know.
//!
//! # Following a master
//!
//! ```
//! use psync::replica::{Event, Link, LinkConfig, LinkError, Resume};
//! use psync::Offset;
//!
//! # fn main() -> Result<(), LinkError> {
//! let id = "0123456789abcdef0123456789abcdef01234567".parse().expect("40 letters or digits");
//! let resume = Some(Resume { id, applied: Offset(41) });
//! let mut link = Link::new(LinkConfig { resume, ..LinkConfig::default() }, 0);
//! link.connected(3)?;
//! assert_eq!(link.transmit(), b"*1\r\n$4\r\nPING\r\n");
//! link.transmitted(link.transmit().len());
//!
//! // What the master answers, and then the beginning of its stream.
//! let mut input: &[u8] = b"+PONG\r\n+OK\r\n+OK\r\n+CONTINUE\r\n*1\r\n$4\r\nPING\r\n";
//! assert_eq!(link.step(5, &mut input)?, Some(Event::Continue { offered: resume.expect("set above"), new_id: None }));
//! assert!(link.transmit().ends_with(b"$2\r\n42\r\n"), "byte 42 is the one after the first 41");
//! assert_eq!(link.step(5, &mut input)?, Some(Event::Stream(b"*1\r\n$4\r\nPING\r\n")));
//! assert_eq!(link.step(5, &mut input)?, None);
//!
//! link.ack(1005, Offset(55), None)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Being followed
//!
//! ```
//! use backlog::{History, Log, ReplicationId};
//! use psync::master::{Decision, PsyncRequest, ReplicaState, decide};
//! use psync::Offset;
//!
//! let id: ReplicationId = "0123456789abcdef0123456789abcdef01234567".parse().expect("40 letters or digits");
//! let history = History::new(id);
//! let mut log = Log::new(Offset::ZERO, 1 << 20);
//! log.append(b"*1\r\n$4\r\nPING\r\n");
//!
//! let mut replica = ReplicaState::new(0);
//! assert!(replica.replconf(0, [&b"capa"[..], b"psync2"]).is_ok());
//! let request = PsyncRequest::parse([id.as_bytes().as_slice(), b"5"]).expect("well-formed");
//! match decide(&request, replica.capabilities(), &history, &log) {
//!     Decision::Continue { reply, from } => {
//!         assert_eq!(reply, format!("+CONTINUE {id}\r\n").as_bytes());
//!         assert_eq!(from, Offset(4));
//!         replica.continue_from(0, from).expect("it has only introduced itself so far");
//!     }
//!     Decision::Full { reason } => panic!("{reason}"),
//! }
//! ```
#![forbid(unsafe_code)]

mod capabilities;
mod channel_form;
pub mod master;
pub mod replica;
mod wire;

pub use backlog::{Offset, ReplicationId};
pub use capabilities::Capabilities;
pub use channel_form::ChannelForm;
