//! Channels and patterns, with those who listen to them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::action::ConnId;

/// The three kinds of things that can be subscribed to; they know nothing of each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scope {
    /// SUBSCRIBE.
    Channel,
    /// PSUBSCRIBE.
    Pattern,
    /// SSUBSCRIBE.
    Shard,
}

/// Who listens to one channel or pattern, in the order in which they came. Leaving costs little however many there are.
pub(crate) type Subscribers = BTreeMap<u64, ConnId>;

/// Everything that somebody listens to. Names are shared with the sessions' own lists.
#[derive(Default)]
pub(crate) struct Registry {
    channels: HashMap<Arc<[u8]>, Subscribers>,
    shards: HashMap<Arc<[u8]>, Subscribers>,
    /// In the order of the patterns, which is the order in which a message is compared with them.
    patterns: BTreeMap<Arc<[u8]>, Subscribers>,
    next_ticket: u64,
}

impl Registry {
    /// Whether nobody listens to anything that a keyspace event could be published on.
    pub fn is_deaf(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty()
    }

    /// Adds a subscriber; its name in the registry, and its ticket there.
    pub fn add(&mut self, scope: Scope, name: &[u8], conn: ConnId) -> (Arc<[u8]>, u64) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let shared = match scope {
            Scope::Channel => self.channels.get_key_value(name).map(|(name, _)| name),
            Scope::Shard => self.shards.get_key_value(name).map(|(name, _)| name),
            Scope::Pattern => self.patterns.get_key_value(name).map(|(name, _)| name),
        };
        let name: Arc<[u8]> = shared.cloned().unwrap_or_else(|| name.into());
        let subscribers = match scope {
            Scope::Channel => self.channels.entry(name.clone()).or_default(),
            Scope::Shard => self.shards.entry(name.clone()).or_default(),
            Scope::Pattern => self.patterns.entry(name.clone()).or_default(),
        };
        subscribers.insert(ticket, conn);
        (name, ticket)
    }

    /// Takes a subscriber out; a channel that nobody listens to any more is forgotten.
    pub fn remove(&mut self, scope: Scope, name: &[u8], ticket: u64) {
        let subscribers = match scope {
            Scope::Channel => self.channels.get_mut(name),
            Scope::Shard => self.shards.get_mut(name),
            Scope::Pattern => self.patterns.get_mut(name),
        };
        let Some(subscribers) = subscribers else { return };
        subscribers.remove(&ticket);
        if subscribers.is_empty() {
            match scope {
                Scope::Channel => drop(self.channels.remove(name)),
                Scope::Shard => drop(self.shards.remove(name)),
                Scope::Pattern => drop(self.patterns.remove(name)),
            }
        }
    }

    /// The subscribers of a channel or shard channel.
    pub fn subscribers(&self, scope: Scope, name: &[u8]) -> Option<&Subscribers> {
        match scope {
            Scope::Channel => self.channels.get(name),
            Scope::Shard => self.shards.get(name),
            Scope::Pattern => self.patterns.get(name),
        }
    }

    /// The patterns that a channel's name matches, with their subscribers.
    pub fn matching<'a>(&'a self, channel: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a Subscribers)> {
        self.patterns
            .iter()
            .filter(move |(pattern, _)| commands::glob::matches(pattern, channel))
            .map(|(pattern, subscribers)| (&**pattern, subscribers))
    }

    /// The names of a scope, in order.
    pub fn names(&self, scope: Scope) -> Vec<&[u8]> {
        let mut names: Vec<&[u8]> = match scope {
            Scope::Channel => self.channels.keys().map(|name| &**name).collect(),
            Scope::Shard => self.shards.keys().map(|name| &**name).collect(),
            Scope::Pattern => return self.patterns.keys().map(|name| &**name).collect(),
        };
        names.sort_unstable();
        names
    }

    /// How many names of a scope somebody listens to.
    pub fn len(&self, scope: Scope) -> usize {
        match scope {
            Scope::Channel => self.channels.len(),
            Scope::Shard => self.shards.len(),
            Scope::Pattern => self.patterns.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conn(number: u64) -> ConnId {
        ConnId::from_u64(number)
    }

    #[test]
    fn subscribers_come_in_order_and_leave_nothing_behind() {
        for scope in [Scope::Channel, Scope::Shard, Scope::Pattern] {
            let mut registry = Registry::default();
            let (_, first) = registry.add(scope, b"a", conn(1));
            let (_, second) = registry.add(scope, b"a", conn(2));
            let (_, other) = registry.add(scope, b"b", conn(1));
            assert_eq!(registry.names(scope), [b"a", b"b"]);
            let of_a = |registry: &Registry| -> Vec<ConnId> {
                registry.subscribers(scope, b"a").into_iter().flat_map(|all| all.values().copied()).collect()
            };
            assert_eq!(of_a(&registry), [conn(1), conn(2)]);
            registry.remove(scope, b"a", first);
            assert_eq!(of_a(&registry), [conn(2)]);
            registry.remove(scope, b"a", second);
            registry.remove(scope, b"b", other);
            registry.remove(scope, b"b", other);
            assert_eq!(registry.len(scope), 0);
        }
    }

    #[test]
    fn scopes_are_apart() {
        let mut registry = Registry::default();
        registry.add(Scope::Shard, b"a", conn(1));
        assert!(registry.is_deaf(), "events are not published to shards");
        assert!(registry.subscribers(Scope::Channel, b"a").is_none());
        registry.add(Scope::Pattern, b"a*", conn(1));
        assert!(!registry.is_deaf());
        registry.add(Scope::Pattern, b"?b", conn(2));
        let matching: Vec<&[u8]> = registry.matching(b"ab").map(|(pattern, _)| pattern).collect();
        assert_eq!(matching, [b"?b".as_slice(), b"a*"]);
    }
}
