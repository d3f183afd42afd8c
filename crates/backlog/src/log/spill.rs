//! The part of a log that memory may not hold: whoever owns the log keeps it elsewhere.
//!
//! ```text
//!  first()                first_in_memory()                              end()
//!    ├── in the spill ──────────┼── handed over ──┼──── in memory alone ───┤
//!                               │   not confirmed │
//!                               └── confirmed by spilled(): freed here
//! ```
//!
//! The oldest blocks are handed over, one after the other, and stay readable here until it is confirmed that they can be read
//! there. So the spill is always one run of bytes that ends where memory begins, and a reader that is further behind reads there
//! until it has come up to here.

use super::{Log, Piece};
use crate::Offset;

/// What is known of it.
#[derive(Debug, Default)]
pub(super) struct Spill {
    /// The position before the oldest byte there that is still wanted; `None` while there is none.
    first: Option<Offset>,
    /// Up to here blocks have been handed over; `None` while there is no spill.
    handed_to: Option<Offset>,
}

impl Spill {
    #[inline]
    pub(super) fn first(&self) -> Option<Offset> {
        self.first
    }

    #[inline]
    pub(super) fn is_in_use(&self) -> bool {
        self.handed_to.is_some()
    }
}

impl Log {
    /// The next block that is to be written elsewhere, so that no more than about `memory` bytes, or the capacity if that is more,
    /// have to be held here: whole blocks further behind the end than that, the oldest first, each once. `None` if there is none.
    ///
    /// ```
    /// use backlog::{Log, Offset};
    ///
    /// let mut log = Log::new(Offset::ZERO, 0);
    /// log.append(&[b'x'; 100_000]);
    /// let mut elsewhere = Vec::new();
    /// while let Some(piece) = log.hand_over(20_000) {
    ///     elsewhere.extend_from_slice(piece.bytes());
    ///     log.spilled(piece.end());
    /// }
    /// assert!(log.end().since(log.first_in_memory()) < 40_000);
    /// assert!(log.covers(Offset::ZERO) && log.slices(Offset::ZERO).is_none(), "to be read elsewhere");
    /// assert_eq!(log.first_in_memory(), Offset(elsewhere.len() as u64));
    /// ```
    pub fn hand_over(&mut self, memory: u64) -> Option<Piece> {
        let keep_from = self.end().saturating_sub(memory.max(self.capacity as u64));
        let from = self.spill.handed_to.unwrap_or(Offset::ZERO).max(self.first_in_memory());
        let index = self.blocks.partition_point(|block| block.end() <= from);
        let block = self.blocks.get(index).filter(|block| block.end() <= keep_from)?;
        self.spill.handed_to = Some(block.end());
        Some(block.piece())
    }

    /// Everything that was handed over, up to position `to`, can be read elsewhere: it is freed here.
    pub fn spilled(&mut self, to: Offset) {
        let Some(handed_to) = self.spill.handed_to else { return };
        let before = self.first_in_memory();
        self.free_before(to.min(handed_to));
        if before < self.first_in_memory() {
            self.spill.first.get_or_insert(before);
        }
    }

    /// Nothing can be read elsewhere, or written there, any more: a reader that needs it is lost. Blocks whose writing was not
    /// confirmed are still here.
    pub fn forget_spill(&mut self) {
        self.spill = Spill::default();
    }

    /// How many bytes are to be read elsewhere.
    pub fn in_spill(&self) -> u64 {
        self.spill.first.map_or(0, |first| self.first_in_memory().since(first))
    }

    /// How many bytes were handed over without it having been confirmed that they can be read there.
    pub fn being_spilled(&self) -> u64 {
        self.spill.handed_to.map_or(0, |to| to.since(self.first_in_memory()))
    }

    /// Whether anything was handed over that is of use to a reader, so that who keeps it has to go on doing so.
    pub fn needs_spill(&self) -> bool {
        self.spill.first.is_some() || self.being_spilled() > 0
    }

    /// No reader needs what lies before the slowest of them.
    #[cold]
    pub(super) fn trim_spill(&mut self, slowest_reader: Option<Offset>) {
        let begins = self.first_in_memory();
        self.spill.first = match (self.spill.first, slowest_reader) {
            (Some(first), Some(reader)) if reader < begins => Some(first.max(reader)),
            _ => None,
        };
    }
}

#[cfg(test)]
mod tests;
