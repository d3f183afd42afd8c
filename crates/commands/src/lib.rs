//! The command table of a Redis-compatible server, and the commands themselves.
#![forbid(unsafe_code)]

pub mod access;
mod connection;
mod ctx;
mod effects;
mod env;
pub mod errors;
mod generic;
pub mod glob;
mod keys;
pub mod number;
mod registry;
mod row;
mod server;
mod spec;
mod strings;
mod table;
#[cfg(test)]
mod testing;

pub use ctx::Ctx;
pub use effects::{Effects, EventClass, KeyEvent, Rewritten};
pub use env::{Env, ExpiryMode};
pub use errors::Reject;
pub use keys::{Begin, Find, KeyFlags, KeyIter, KeyRange, KeySpec};
pub use registry::{Registry, RenameError};
pub use spec::{AclCategories, CommandSpec, Flags, Handler};
