//! Lua scripts and functions as Redis and Valkey document them, without the server around them.
//!
//! A [`Machine`] is one Lua 5.1 interpreter. A script on it runs on a stack of its own: `redis.call` suspends it with a request,
//! the host carries the request out and resumes it with the reply. So the host is never called back, and a script that takes too
//! long is simply not resumed for a while.
//!
//! ```
//! use script::{Invocation, Limits, Machine, Step};
//!
//! let mut machine = Machine::for_scripts(1, Limits::default());
//! let function = machine.compile(b"return {redis.call('GET', KEYS[1]), 2}").unwrap();
//! machine.prepare(&Invocation { function, keys: &[b"k"], args: &[], resp3: false }).unwrap();
//!
//! let mut step = machine.resume();
//! while step != Step::Done {
//!     assert_eq!(step, Step::Call);
//!     assert_eq!(machine.request().iter().collect::<Vec<_>>(), [b"GET", &b"k"[..]]);
//!     machine.answer(b"$5\r\nvalue\r\n");
//!     step = machine.resume();
//! }
//! assert_eq!(machine.finish().unwrap(), b"*2\r\n$5\r\nvalue\r\n:2\r\n");
//! ```
//!
//! # Unsafe code
//!
//! Lua is C: all that touches it lies in the module `lua`, which offers a stack of values with checked positions to the rest. Its
//! functions say what has to hold.

#![deny(unsafe_code)]

mod api;
mod cache;
mod error;
mod library;
mod libs;
mod lua;
mod machine;
mod reply;
mod result;
mod sandbox;
mod shebang;
#[cfg(test)]
mod tests;

pub use cache::{Cached, ScriptCache, sha1_hex};
pub use error::ScriptError;
pub use library::{Function, Libraries, Library, RestorePolicy};
pub use lua::FunctionRef;
pub use machine::{Invocation, Limits, Machine, Step};
pub use shebang::{Flags, LibraryHeader, Shebang};

/// Replication flags of `redis.set_repl`.
pub mod repl {
    /// Into the AOF.
    pub const AOF: u8 = 1;
    /// To the replicas.
    pub const REPLICA: u8 = 2;
    /// Both.
    pub const ALL: u8 = AOF | REPLICA;
}
