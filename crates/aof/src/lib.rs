//! The append only file of Redis 7 and Valkey, in its many parts. No I/O: text and bytes go in, text and bytes come out.
//!
//! - [`Manifest`]: which files there are, and in which order they are to be read;
//! - [`Annotation`]: lines between the commands, which other servers skip. They say which replication history the commands belong to
//!   and at which offset, and carry a checksum of the commands that follow;
//! - [`Writer`]: commands and annotations to bytes;
//! - [`Reader`]: bytes to commands and annotations, with the place of what is damaged and of what is cut off;
//! - [`Approach`]: which of that came before some moment, a [`Point`];
//! - [`Commands`]: whole commands, one by one, with their words;
//! - [`StreamReader`]: bytes to the stream of a history, from any offset on.
//!
//! ```
//! use aof::{Annotation, Item, Reader, Span, Step, Writer};
//! use backlog::Offset;
//!
//! let mut file = Vec::new();
//! let set = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";
//! Writer::span(&mut file, Offset(1000), 1_700_000_000_000, &[set]);
//! assert!(file.starts_with(b"#TANDEM span 1000 1700000000000 27 "));
//!
//! let mut reader = Reader::new();
//! let Ok(Step::Item { item: Item::Annotation(Annotation::Span(span)), len }) = reader.next(&file) else { panic!() };
//! assert_eq!((span.offset, span.len), (Offset(1000), 27));
//! let Ok(Step::Item { item: Item::Commands { bytes: commands, .. }, .. }) = reader.next(&file[len..]) else { panic!() };
//! assert_eq!(commands, set);
//! ```

#![forbid(unsafe_code)]

mod annotation;
mod checksum;
mod commands;
mod framing;
mod manifest;
mod point;
mod reader;
mod stream;
mod writer;

pub use annotation::{Annotation, BadAnnotation, History, MAX_LINE, Span};
pub use commands::{Command, Commands};
pub use manifest::{FileKind, Manifest, ManifestError, Name, NamePattern, PartFile};
pub use point::{Approach, Point, Unreachable};
pub use reader::{Damage, DamageKind, Item, Origin, Reader, Step, Tail};
pub use stream::{Source, StreamError, StreamReader};
pub use writer::Writer;
