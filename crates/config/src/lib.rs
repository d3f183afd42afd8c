//! Configuration of a Redis-compatible server: redis.conf, TOML and command line in, typed settings out;
//! CONFIG GET, CONFIG SET and CONFIG REWRITE on top.
//!
//! The crate touches no file itself: whoever starts the server hands over a [`Files`], and a test a pair of
//! texts.
//!
//! ```
//! use std::io;
//! use std::path::{Path, PathBuf};
//!
//! struct OneFile(&'static str);
//!
//! impl config::Files for OneFile {
//!     fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
//!         Ok(self.0.into())
//!     }
//!     fn glob(&self, _: &str) -> io::Result<Vec<PathBuf>> {
//!         Ok(Vec::new())
//!     }
//!     fn stdin(&self) -> io::Result<Vec<u8>> {
//!         Ok(Vec::new())
//!     }
//! }
//!
//! let file = OneFile("# a replica\nport 6381\nslaveof 127.0.0.1 6379\nrepl-backlog-size 64mb\n");
//! let args = ["redis.conf", "--loglevel", "debug"].map(String::from);
//! let mut config = config::load(&args, &file)?.config;
//!
//! assert_eq!(config.settings().port, 6381);
//! assert_eq!(config.settings().replicaof, Some(("127.0.0.1".into(), 6379)));
//! assert_eq!(config.settings().loglevel, config::LogLevel::Debug);
//!
//! // CONFIG GET and CONFIG SET; old names work beside new ones.
//! assert_eq!(config.get(&[b"repl-backlog-s*"])[0], ("repl-backlog-size".into(), "67108864".into()));
//! assert_eq!(config.set(&[(b"slave-priority", b"10"), (b"timeout", b"1m")])?, ["replica-priority", "timeout"]);
//! let refused = config.set(&[(b"timeout", b"5"), (b"port", b"none")]).unwrap_err();
//! assert_eq!(
//!     refused.to_string(),
//!     "CONFIG SET failed (possibly related to argument 'port') - argument couldn't be parsed into an integer"
//! );
//! assert_eq!(config.settings().timeout, 60);
//!
//! // CONFIG REWRITE changes only what it must.
//! let text = String::from_utf8(config.rewrite(file.0.as_bytes())?)?;
//! assert!(text.starts_with(file.0) && text.ends_with("loglevel debug\nreplica-priority 10\ntimeout 60\n"));
//!
//! // A misspelt directive stops the start and says which one is near.
//! let error = config::load(&["redis.conf".into()], &OneFile("prot 1\n")).unwrap_err();
//! assert_eq!(error.line(), Some(1));
//! assert!(error.reason.contains("'port'"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it hangs together
//!
//! One [table](directives) has a row for every directive of Redis 7.2 and Valkey 9: its names, kind of value,
//! default, and whether it acts. Everything else follows from it. A line becomes words ([grammar](#grammar)),
//! words become a checked value of the row's kind, and [`Settings`] is filled from the values alone. A row
//! that says "no effect" is still checked, kept and printed: it only leads to a warning at the start.
//!
//! # Grammar
//!
//! A redis.conf is read line by line. A line is a comment (`#` first), or a directive followed by words. A
//! word may be quoted: in double quotes `\n`, `\r`, `\t`, `\b`, `\a`, `\xHH` and `\` before any character are
//! escapes, in single quotes only `\'` is. Text is UTF-8, comments may be anything. Sizes take `b`, `k`,
//! `kb`, `m`, `mb`, `g` and `gb`; times take `us`, `ms`, `s`, `m`, `h` and `d` beside the bare number in the
//! directive's own unit.
#![forbid(unsafe_code)]

mod config;
mod directive;
mod directives;
mod error;
mod glob;
mod grammar;
mod keywords;
mod load;
mod moment;
mod nearest;
mod number;
mod rewrite;
mod settings;
mod toml_file;
mod types;
mod value;

pub use config::Config;
pub use directive::{Directive, Effect};
pub use directives::directives;
pub use error::{ConfigError, Place, RewriteError, SetError};
pub use keywords::{
    AclPubsubDefault, AppendFsync, LogLevel, MaxmemoryPolicy, Permission, PropagationErrorBehavior,
    RdbVersionCheck, ReplDisklessLoad, Supervised, TlsAuthClients, TlsUser,
};
pub use load::{Files, Loaded, NoFiles, Print, load};
pub use settings::Settings;
pub use types::{KeyspaceEvents, OutputBufferLimit, ShutdownFlags};
