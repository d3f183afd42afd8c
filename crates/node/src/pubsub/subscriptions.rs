//! What one client listens to.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Scope;

/// The names of one scope, each with its ticket in the registry.
pub(crate) type Names = BTreeMap<Arc<[u8]>, u64>;

/// The subscriptions of a client; a session has them only while there are any.
#[derive(Default)]
pub(crate) struct Subscriptions {
    channels: Names,
    patterns: Names,
    shards: Names,
    /// Bytes of the names, for the client's memory.
    name_bytes: usize,
}

/// What a subscription costs beyond the bytes of its name, about: its places in two ordered maps.
const ENTRY_BYTES: usize = 64;

impl Subscriptions {
    pub fn of(&self, scope: Scope) -> &Names {
        match scope {
            Scope::Channel => &self.channels,
            Scope::Pattern => &self.patterns,
            Scope::Shard => &self.shards,
        }
    }

    fn of_mut(&mut self, scope: Scope) -> &mut Names {
        match scope {
            Scope::Channel => &mut self.channels,
            Scope::Pattern => &mut self.patterns,
            Scope::Shard => &mut self.shards,
        }
    }

    pub fn insert(&mut self, scope: Scope, name: Arc<[u8]>, ticket: u64) {
        self.name_bytes += name.len();
        self.of_mut(scope).insert(name, ticket);
    }

    /// Takes a name out; its ticket, if it was there.
    pub fn remove(&mut self, scope: Scope, name: &[u8]) -> Option<u64> {
        let ticket = self.of_mut(scope).remove(name)?;
        self.name_bytes -= name.len();
        Some(ticket)
    }

    pub fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty() && self.shards.is_empty()
    }

    /// What replies to SUBSCRIBE and its like count: channels and patterns together, shard channels by themselves.
    pub fn counted_with(&self, scope: Scope) -> usize {
        match scope {
            Scope::Channel | Scope::Pattern => self.channels.len() + self.patterns.len(),
            Scope::Shard => self.shards.len(),
        }
    }

    /// Bytes it takes, about.
    pub fn memory(&self) -> usize {
        let entries = self.channels.len() + self.patterns.len() + self.shards.len();
        size_of::<Subscriptions>() + self.name_bytes + entries * ENTRY_BYTES
    }
}
