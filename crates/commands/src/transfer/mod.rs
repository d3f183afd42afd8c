//! Values between the keyspace and the RDB format: for snapshots in both directions, and for DUMP and RESTORE.
//!
//! `write_value` gives a value to a [`Writer`](rdb::Writer), and [`Loader`] puts one together from the events of a reader, at once
//! in the form that the limits ask for.

mod gather;
mod load;
mod payload;
mod stream;
#[cfg(test)]
mod tests;
mod write;

pub use load::{BadValue, Loader};
pub use payload::{RestoreError, damage_of, dump, dump_for_any, read_options, restore};
pub use write::{needs_field_expiry, write_entry};
