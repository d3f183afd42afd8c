//! Reads and writes RDB, the dump format of Redis and Valkey, as a stream and without I/O.
//!
//! A [`Reader`] takes bytes as they come, from a file or a socket, in pieces of any size, and gives [`Event`]s.
//! A [`Writer`] takes the same items and gives bytes. [`dump_string`] and [`restore`] do the same for the
//! payloads of the DUMP and RESTORE commands.
//!
//! This program prints the keys of a dump:
//!
//! ```no_run
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let mut reader = rdb::Reader::default();
//!     reader.feed(&std::fs::read("dump.rdb")?);
//!     while let Some(event) = reader.next()? {
//!         if let rdb::Event::Entry { key, .. } = event {
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
//!             found.push((key.to_vec(), value.into_owned(), expiry_ms));
//!         }
//!     }
//! }
//! assert!(reader.is_finished());
//! assert_eq!(found, [(b"greeting".to_vec(), b"hello".to_vec(), Some(1_900_000_000_000))]);
//! # Ok::<(), rdb::Error>(())
//! ```
//!
//! Today the values are strings; other types are refused by name, with their offset. Memory stays within what
//! was fed, plus what its compressed strings can really hold: declared lengths alone reserve nothing.

#![forbid(unsafe_code)]

mod checksum;
mod cursor;
mod error;
mod event;
mod header;
mod integer;
mod length;
pub mod lzf;
mod module_aux;
mod opcode;
mod payload;
mod reader;
mod string;
mod value;
mod writer;

pub use error::Error;
pub use event::{Event, Flavor};
pub use module_aux::ModuleId;
pub use payload::{dump_string, restore};
pub use reader::{ReadOptions, Reader};
pub use value::Value;
pub use writer::{Access, WriteOptions, Writer};
