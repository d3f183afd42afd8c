//! TLS: connections of clients and replicas on `tls-port`, and those to a master with `tls-replication`.
//!
//! ```text
//!   accepted socket ──▶ handshake, on a thread for all of them ──▶ session + socket ──▶ the engine's loop
//!   connection to a master ─────────────┘                                                 reads, writes
//! ```
//!
//! A handshake costs a thousand times what a command does and waits for the peer, so it is done elsewhere. What is left for the
//! engine is to encrypt and decrypt, without a wait.

mod ciphers;
mod context;
mod handshake;
mod keys;
mod session;
mod trust;

pub(crate) use context::{Context, TlsError, is_concerned};
pub(crate) use handshake::{Arrived, Handshakes, Secured, with_master};
pub(crate) use session::{Received, Session};
