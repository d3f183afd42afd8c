//! The replica's side: one link to a master.
//!
//! ```text
//!            Link::new
//!                │
//!           ┌────▼─────┐ connected()  ┌───────────┐ +CONTINUE [id]
//!           │connecting├─────────────▶│ handshake ├─────────────────────────────┐
//!           └──────────┘              └─────┬─────┘                             │
//!                                           │ +FULLRESYNC id offset,            │
//!                                           │ or any error that sends us to SYNC│
//!                                     ┌─────▼─────┐                             │
//!                                     │   sync    │ $length | $EOF:mark         │
//!                                     └─────┬─────┘                             │
//!                                           │ the last byte, or the mark        │
//!                                     ┌─────▼─────┐ loaded()             ┌──────▼────┐
//!                                     │  loading  ├─────────────────────▶│ connected │
//!                                     └───────────┘                      └───────────┘
//!
//!  handshake ── +RDBCHANNELSYNC ──────────────────────────▶ beside ── loaded() ──▶ connected
//!            └─ +DUALCHANNELSYNC ──▶ sync ── attach() ──────▶      (the stream, while the payload comes over a `PayloadLink`)
//!
//!   any state ── an error, or silence for longer than the timeout (not while loading) ──▶ connect: over
//! ```
//!
//! # The order of calls
//!
//! 1. Make the connection; say [`Link::connected`].
//! 2. Whenever bytes come in, call [`Link::step`] until it returns `None`. It takes bytes from the front of
//!    the input and keeps nothing but incomplete lines; pieces of the payload and of the stream are slices of
//!    the input. While the payload is being loaded `step` takes nothing: keep what is left, and offer it
//!    again after [`Link::loaded`].
//! 3. After anything else, send what [`Link::transmit`] returns and report it with [`Link::transmitted`].
//! 4. At the time [`Link::timeout`] names, or earlier, call [`Link::tick`]; if it says so, [`Link::ack`].
//!
//! A link is for one connection. After an error close that, and make another link with the position reached.

mod config;
mod error;
mod event;
mod handshake;
mod line;
mod link;
mod outbox;
mod payload;
mod payload_link;
mod stream_buffer;

pub use config::{Credentials, LinkConfig, Resume};
pub use error::LinkError;
pub use event::{Event, PayloadBytes, PayloadRequest};
pub use link::{Link, LinkState, Tick};
pub use payload_link::{PayloadLink, PayloadLinkEvent};
pub use stream_buffer::StreamBuffer;
