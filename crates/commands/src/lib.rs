//! The command table of a Redis-compatible server, and the commands themselves over a [`keyspace::Keyspace`].
//!
//! A request comes as [`resp::Args`]. [`Registry::resolve`] finds its row, a [`CommandSpec`], and checks its
//! arity. The row's [`Handler`] is a function of this crate, or the command is the host's business:
//! connections, transactions, replication, files. A function is given a [`Ctx`]; it writes one reply into
//! [`Ctx::out`] and records in [`Effects`] what it did.
//!
//! ```
//! use commands::{Ctx, Effects, Env, Handler, Registry};
//! use keyspace::Keyspace;
//! use resp::{OwnedArgs, ReplyBuf};
//!
//! let registry = Registry::new();
//! let mut ks = Keyspace::new(16, 1);
//! let mut env = Env::default();
//! env.set_now_ms(1_700_000_000_000);
//! let (mut fx, mut rng) = (Effects::new(), fastrand::Rng::with_seed(1));
//!
//! let mut run = |words: &[&[u8]]| {
//!     let request = OwnedArgs::from_slices(words);
//!     let mut out = ReplyBuf::new();
//!     fx.clear();
//!     match registry.resolve(request.as_args()) {
//!         Err(reject) => reject.reply(request.as_args(), &mut out),
//!         Ok(spec) => {
//!             let Handler::Data(handler) = spec.handler else { panic!("{} needs a host", spec.name) };
//!             let mut ctx = Ctx {
//!                 ks: &mut ks,
//!                 db: 0,
//!                 out: &mut out,
//!                 env: &env,
//!                 fx: &mut fx,
//!                 rng: &mut rng,
//!                 registry: &registry,
//!             };
//!             handler(&mut ctx, request.as_args());
//!         }
//!     }
//!     // The log gets the commands in `fx.log`, then the request itself if it is to be logged verbatim.
//!     (String::from_utf8(out.buf).unwrap(), fx.is_verbatim(), String::from_utf8(fx.log.clone()).unwrap())
//! };
//!
//! assert_eq!(run(&[b"SET", b"key", b"10"]), ("+OK\r\n".into(), true, "".into()));
//! assert_eq!(run(&[b"incr", b"key"]).0, ":11\r\n");
//! assert_eq!(run(&[b"GET", b"key"]), ("$2\r\n11\r\n".into(), false, "".into()));
//! assert_eq!(run(&[b"GET"]).0, "-ERR wrong number of arguments for 'get' command\r\n");
//! // What depends on the moment is rewritten so that it does not.
//! let (reply, verbatim, log) = run(&[b"EXPIRE", b"key", b"10"]);
//! assert_eq!((reply.as_str(), verbatim), (":1\r\n", false));
//! assert!(log.starts_with("*3\r\n$9\r\nPEXPIREAT\r\n") && log.ends_with("1700000010000\r\n"));
//! ```
//!
//! # Where things are
//!
//! The rows stand in the module of their group (`strings`, `generic`, `connection`, `server`), beside the
//! handlers; the table is put together from them at compile time. Nothing else in the server repeats what a
//! row says.
#![forbid(unsafe_code)]

pub mod access;
mod bits;
mod cluster;
mod connection;
mod ctx;
mod deadline;
mod effects;
mod element;
mod env;
pub mod errors;
mod generic;
mod geo;
pub mod glob;
mod hashes;
mod hyperloglog;
mod keys;
mod lists;
pub mod number;
mod pubsub;
mod registry;
mod repeats;
mod row;
mod scan;
mod scripting;
mod server;
mod sets;
mod sort;
mod spec;
mod streams;
mod strings;
mod table;
#[cfg(test)]
mod testing;
pub mod transfer;
mod zsets;

pub use ctx::{Ctx, deletion};
pub use effects::{BlockRequest, Effects, EventClass, KeyEvent, Rewritten, TimeoutReply};
pub use env::{Env, ExpiryMode};
pub use errors::Reject;
pub use hashes::expire_fields;
pub use keys::{Begin, Find, KeyFlags, KeyIter, KeyRange, KeySpec};
pub use pubsub::{ChannelUse, Channels};
pub use registry::{Registry, RenameError};
pub use spec::{AclCategories, CommandSpec, ElementRange, Flags, Handler};

/// Keeps the example of the README true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
