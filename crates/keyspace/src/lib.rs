//! The keyspace of a Redis-compatible server: databases of keys and values with expiry, of which a *frozen view* can be
//! taken at any time, in microseconds.
//!
//! ```
//! use keyspace::{Keyspace, SetExpiry};
//!
//! let seed = 0x5eed; // random, in a server
//! let mut keyspace = Keyspace::new(16, seed);
//! let db = keyspace.db_mut(0);
//! db.set_str(b"greeting", b"hello", SetExpiry::Clear);
//! db.set_str(b"session", b"42", SetExpiry::At(1_700_000_060_000));
//!
//! // A view stays as it is, whatever is written afterwards; another thread can save it at leisure.
//! let view = keyspace.freeze();
//! let saver = std::thread::spawn(move || {
//!     let mut entries: Vec<_> = view.db(0).iter().map(|e| (e.key(), e.str().unwrap())).collect();
//!     entries.sort();
//!     assert_eq!(entries, [(&b"greeting"[..], &b"hello"[..]), (b"session", b"42")]);
//! });
//!
//! let db = keyspace.db_mut(0);
//! db.get_mut(b"greeting").unwrap().append(b", world");
//! db.remove(b"session");
//! assert_eq!(db.get(b"greeting").unwrap().str(), Some(&b"hello, world"[..]));
//! assert_eq!(db.len(), 1);
//! saver.join().unwrap();
//! ```
//!
//! # What it is made of
//!
//! ```text
//! Keyspace ── Db ── directory ── chunk ── segment ── block ── record
//!                   2^n entries  64 slots 1-8 blocks 4 cache  key, expiry, access word,
//!                                                    lines    short value ── Arc<Object>
//! ```
//!
//! The table is extendible hashing with keys in the order of their hash. The directory takes the first bits of the hash to a
//! chunk, the next six name a segment there, and what remains says where in the segment's blocks the key lies. A
//! segment grows block by block, then splits alone; nothing ever rehashes as a whole, so the slowest insertion moves a
//! few hundred pointers. After mass deletion segments and chunks merge again, a bounded piece with each removal.
//!
//! Chunks, blocks, records and objects are reference-counted. Freezing counts a reference to each chunk. A write copies what
//! it changes and somebody else has: first its chunk, which is pointers to blocks, then its block, 35 pointers to
//! records; the record it replaces stays with the view. Nothing waits for anything, and the memory that a view costs is
//! what was written since.
//!
//! Each segment and chunk knows a lower bound of the expiries in it, so keys that are due are found without a second
//! dictionary ([`Db::due`]). A SCAN cursor is a position in the order of hashes, which growth does not disturb
//! ([`Db::scan`]).
//!
//! The unsafe code is in the modules `record` and `block`, with the invariants that it relies on.
//!
//! # What it is not
//!
//! There is no clock and no I/O here: the caller says what time it is, whether an expired key is to be hidden or
//! removed, and what to evict. One thread writes.

mod block;
mod chunk;
mod db;
mod directory;
mod entry;
mod fields;
mod frozen;
mod hash;
mod keyspace;
mod parts;
mod record;
mod sample;
mod segment;
mod spill;
mod table;
#[cfg(test)]
mod tests;
mod types;
mod value;
mod views;

pub use collections::list::{End as ListEnd, Stretch};
pub use collections::stream;
pub use collections::zset::Place;
pub use db::Db;
pub use entry::{Entry, EntryMut, Garbage, Removed};
pub use frozen::{FrozenDb, FrozenKeyspace, Iter};
pub use keyspace::Keyspace;
/// An element of a collection: text, or a number that stands for the text that it prints as.
pub use listpack::{Entry as Element, TextBuffer};
pub use parts::Part;
pub use table::ExpireCursor;
pub use types::{
    Draft, Field, FieldExpiry, Fields, HashDraft, HashMut, HashRef, Holder, LAST_FIELD_EXPIRY, Limits,
    ListElements, ListMut, ListRef, LongList, Members, NewList, Scored, SetDraft, SetMut, SetRef, Taken,
    ZSetDraft, ZSetMut, ZSetRef,
};
pub use value::{Kind, Layout, Object, SetExpiry, Value, ValueRef};

/// The example of the README is tested, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
