//! Access control lists as Redis and Valkey have them: who may run which command on which keys, channels and databases.
//!
//! A [`Catalog`] tells which commands there are. [`Users`] are made of rules (`ACL SETUSER`, the lines of an ACL file), described
//! in their canonical form (`ACL LIST`), and asked whether a [`Request`] is allowed. What was refused is remembered by a [`Log`].
//! The crate knows no socket, file or clock, and no server: commands are numbers, times are arguments.
//!
//! ```
//! use acl::{Catalog, Databases, Key, Needs, Reason, Request, Users};
//!
//! let mut catalog = Catalog::new(&["read", "write"], |pattern, text| pattern == text);
//! let get = catalog.add(0, "get", 0b01, false);
//! let set = catalog.add(1, "set", 0b10, false);
//! let mut users = Users::new(catalog);
//! users.set(b"alice", &[b"on", b">secret", b"+@read", b"~a"])?;
//!
//! let alice = users.authenticate(b"alice", b"secret").expect("that is her password");
//! let key = [Key { at: 1, name: b"a", needs: Needs::READ }];
//! let request = |command| Request { command, keys: &key, ..Request::default() };
//! assert_eq!(users.check(&alice, &request(get)), Ok(()));
//! assert_eq!(users.check(&alice, &request(set)).unwrap_err().reason, Reason::Command);
//! assert!(alice.description().starts_with(b"on #2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b ~a "));
//! # Ok::<(), acl::SetUserError>(())
//! ```
#![forbid(unsafe_code)]

mod catalog;
mod check;
mod error;
mod file;
mod log;
mod password;
mod pattern;
mod selector;
mod set;
mod user;
mod users;
mod words;

pub use catalog::Catalog;
pub use check::{Databases, Denial, Key, Needs, Reason, Request};
pub use error::{RuleError, SetUserError};
pub use log::{Context, Entry, Event, Log};
pub use password::{PasswordHash, SecretSource};
pub use pattern::KeyPattern;
pub use selector::Selector;
pub use user::User;
pub use users::Users;

/// Keeps the example of the README true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
