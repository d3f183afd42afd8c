//! Collections that clone in next to no time, and copy on write what they change.
//!
//! A clone shares everything with the original by reference count. Writing to either copies the blocks, of a few KiB at the most,
//! that lead to what is written; the other keeps the old ones. That is how a database takes a snapshot of a value of any size.
//!
//! Small collections are a [`pack`] instead: one short piece of memory, copied as a whole.

#![forbid(unsafe_code)]

mod alloc;
pub mod directory;
mod hash;
pub mod intset;
pub mod left_behind;
pub mod list;
pub mod pack;
pub mod stream;
pub mod table;
pub mod tree;
pub mod zset;

pub use hash::Hasher;
pub use table::{Expiry, Item, Table};
pub use zset::ZSet;
