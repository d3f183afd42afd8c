//! Cutting a stream's old entries off.

use super::{Entries, StreamId};

/// How far a stream is to be trimmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrimTo {
    /// To the last so many entries.
    Len(u64),
    /// To the entries from this id on.
    MinId(StreamId),
}

/// An order to trim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trim {
    /// How far.
    pub to: TrimTo,
    /// Whole nodes only: more may be left, but it is cheap.
    pub approximate: bool,
    /// Remove no more than so many entries; 0 is no limit.
    pub limit: u64,
}

impl Entries {
    /// Removes entries from the front; says how many.
    pub fn trim(&mut self, trim: Trim) -> u64 {
        let mut removed = 0;
        while let Some(node) = self.nodes.first() {
            let len = node.len() as u64;
            let (excess, whole) = match trim.to {
                TrimTo::Len(max) => {
                    let excess = self.len().saturating_sub(max);
                    (excess, excess >= len)
                }
                TrimTo::MinId(min) => (u64::from(node.base() < min), node.last() < min),
            };
            if excess == 0 || (trim.limit > 0 && removed + len > trim.limit) {
                break;
            }
            if whole {
                removed += self.nodes.remove_leaf(0);
                continue;
            }
            if !trim.approximate {
                removed += self.trim_first_node(trim.to, excess);
            }
            break;
        }
        if removed > 0 {
            self.renew_first_id();
        }
        removed
    }

    /// Removes entries of the first node, which has others that stay.
    fn trim_first_node(&mut self, to: TrimTo, excess: u64) -> u64 {
        let count = match to {
            TrimTo::Len(_) => excess,
            TrimTo::MinId(min) => {
                let node = self.nodes.first();
                node.map_or(0, |node| node.iter().take_while(|item| item.id < min).count() as u64)
            }
        };
        if count > 0 {
            self.nodes.update_first(|node| node.remove_first(count as usize));
        }
        count
    }
}
