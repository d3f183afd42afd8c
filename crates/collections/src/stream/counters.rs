//! How far a group has come, in entries.
//!
//! A stream counts the entries that were ever added, a group those that it has read; the difference is its lag. After deletions
//! in the part that the group has not read yet that is no longer known, and the count is found again where it can be.

use super::{Entries, Group, StreamId};

impl Entries {
    /// Whether something was deleted among the entries after `id`, as far as is known.
    fn has_gap_after(&self, id: StreamId) -> bool {
        !self.is_empty() && !self.max_deleted_id.is_zero() && id <= self.max_deleted_id
    }

    /// How many entries had been added when the one with this id was, itself included; `None` if that can't be told.
    pub fn count_at(&self, id: StreamId) -> Option<u64> {
        if self.added == 0 {
            return Some(0);
        }
        if self.is_empty() && id <= self.last_id {
            return Some(self.added);
        }
        if !id.is_zero() && id < self.max_deleted_id {
            return None;
        }
        if id >= self.last_id {
            return (id == self.last_id).then_some(self.added);
        }
        // Between the first entry and the last only counting would tell; and only if all that is missing lies in front.
        let whole = self.max_deleted_id.is_zero() || self.max_deleted_id < self.first_id;
        if !whole || id > self.first_id {
            return None;
        }
        Some(self.added.wrapping_sub(self.len()).wrapping_add(u64::from(id == self.first_id)))
    }
}

impl Group {
    /// How many entries are still to be read; `None` if that can't be told.
    pub fn lag(&self, entries: &Entries) -> Option<i64> {
        let read = match self.entries_read {
            _ if entries.added == 0 => return Some(0),
            Some(read) if !entries.has_gap_after(self.last_id) => read,
            _ => entries.count_at(self.last_id)?,
        };
        Some(entries.added.wrapping_sub(read) as i64)
    }

    /// Notes that the entry with this id, which is above all that were delivered, is delivered.
    pub fn advance(&mut self, entries: &Entries, id: StreamId) {
        match &mut self.entries_read {
            Some(read) if self.last_id >= entries.first_id && !entries.has_gap_after(self.last_id) => {
                *read += 1
            }
            read if entries.added > 0 => *read = entries.count_at(id),
            _ => {}
        }
        self.last_id = id;
    }
}
