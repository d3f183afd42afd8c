//! Sorted sets: a few short members as a pack, in order; trees of all others.

mod read;
mod score;
#[cfg(test)]
mod tests;
mod write;

pub use read::{Scored, ZSetRef};
pub use write::{ZSetDraft, ZSetMut};
