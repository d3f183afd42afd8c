//! Reads and writes RDB, the dump format of Redis and Valkey, as a stream and without I/O.
//!
//! A [`Reader`] takes bytes as they come, from a file or a socket, in pieces of any size, and gives [`Event`]s.
//! A [`Writer`] takes the same items and gives bytes. [`Payload`] and [`Writer::payload`] do the same for the
//! payloads of the DUMP and RESTORE commands.
//!
//! This program prints the keys of a dump:
//!
//! ```no_run
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let mut reader = rdb::Reader::default();
//!     reader.feed(&std::fs::read("dump.rdb")?);
//!     while let Some(event) = reader.next()? {
//!         if let rdb::Event::Entry { key, .. } | rdb::Event::Begin { key, .. } = event {
//!             println!("{}", key.escape_ascii());
//!         }
//!     }
//!     Ok(reader.close()?)
//! }
//! ```
//!
//! And this is a whole stream in both directions:
//!
//! ```
//! use rdb::{Event, Reader, Value, Writer};
//!
//! let mut writer = Writer::default();
//! writer.header();
//! writer.aux(b"redis-ver", b"7.0.15");
//! writer.select_db(0);
//! writer.resize(1, 1);
//! writer.string(b"greeting", b"hello", Some(1_900_000_000_000), None);
//! writer.finish();
//! let bytes = writer.take();
//!
//! let mut reader = Reader::default();
//! let mut found = Vec::new();
//! for chunk in bytes.chunks(7) {
//!     reader.feed(chunk);
//!     while let Some(event) = reader.next()? {
//!         if let Event::Entry { key, value: Value::String(value), expiry_ms, .. } = event {
//!             found.push((key.to_vec(), value.to_vec(), expiry_ms));
//!         }
//!     }
//! }
//! assert!(reader.is_finished());
//! assert_eq!(found, [(b"greeting".to_vec(), b"hello".to_vec(), Some(1_900_000_000_000))]);
//! # Ok::<(), rdb::Error>(())
//! ```
//!
//! Values are of all types. A value that stands in the stream as one
//! string is one [`Event::Entry`]; the elements of any other come one by one, see [`Event`]. Memory stays within what
//! was fed, plus what its compressed strings can really hold: declared lengths alone reserve nothing.

#![forbid(unsafe_code)]

/// The programs of the README are compiled, and run where they can be.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod array;
mod checksum;
pub mod compact;
mod cursor;
mod error;
mod event;
mod form;
mod functions;
mod header;
mod integer;
mod kind;
mod length;
pub mod lzf;
mod module;
mod opcode;
mod payload;
mod reader;
mod score;
mod slots;
pub mod stream;
mod string;
mod template;
mod value;
mod writer;

pub use compact::Compact;
pub use error::Error;
pub use event::{Event, Flavor, Shape};
pub use functions::{read_functions, write_functions};
pub use kind::Kind;
pub use module::{ModuleId, ModulePart};
pub use payload::Payload;
pub use reader::{ReadOptions, Reader};
pub use score::ScoreText;
pub use slots::SlotRanges;
pub use stream::StreamId;
pub use value::Value;
pub use writer::{Access, WriteError, WriteOptions, Writer};
