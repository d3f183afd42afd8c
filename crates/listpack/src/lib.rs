//! The listpack: the compact sequence encoding of Redis and Valkey.
//!
//! A listpack keeps strings and numbers one behind the other in one piece of memory. Servers keep small hashes,
//! lists, sets, sorted sets and the nodes of streams in it, and write it into their dumps as it is.
//!
//! ```text
//! total bytes   4 bytes, little-endian, everything included
//! entries       2 bytes, little-endian; 65535 = too many to say, or not counted
//! entry …       encoding and content, then its own length once more, readable from behind
//! FF            the end mark
//! ```
//!
//! [`Listpack`] owns such a piece of memory and changes it; [`View`] reads one that somebody else owns, after having
//! checked it. Both give entries from either end, by index, or by [`Position`].
//!
//! ```
//! use listpack::{Entry, Listpack, View};
//!
//! let mut pack = Listpack::new();
//! pack.push_back("field")?;
//! pack.push_back("1000")?; // kept as a number
//! pack.push_front(-7)?;
//! assert_eq!(pack.iter().collect::<Vec<_>>(), [Entry::Int(-7), Entry::Str(b"field"), Entry::Int(1000)]);
//! assert_eq!(pack.get(-1).unwrap().to_vec(), b"1000");
//!
//! // Bytes from outside are checked from front to back before they are believed.
//! let bytes = pack.into_bytes();
//! assert_eq!(View::new(&bytes)?.len(), 3);
//! assert!(View::new(&bytes[1..]).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Builder`] makes one from front to back, for those who write many of them.
//!
//! [`bare`] has the encoding of single entries, for sequences with a frame of their own; [`linked`] has it with the lengths by which they
//! are read backwards.

#![forbid(unsafe_code)]

mod back_length;
pub mod bare;
mod builder;
mod encoding;
mod entry;
mod error;
pub mod linked;
mod owned;
mod view;

pub use builder::Builder;
pub use entry::{Entry, TextBuffer};
pub use error::{Error, TooLarge};
pub use owned::{Listpack, MAX_BYTES};
pub use view::{Iter, Position, Positions, View};
