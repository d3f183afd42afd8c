//! Consumer groups: who has been given which entries, and has not yet said that they are done.

use triomphe::Arc;

use super::StreamId;
use super::sorted::{self, Sorted};

/// A name of a group or a consumer.
pub type Name = Arc<[u8]>;

/// A consumer within its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerId(u32);

/// A delivered entry that is not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// Who has it.
    pub consumer: ConsumerId,
    /// When it was delivered last, unix milliseconds.
    pub delivered_ms: u64,
    /// How often it was delivered.
    pub count: u64,
}

/// The groups of a stream, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Groups {
    by_name: Sorted<Name, Group, 8>,
}

impl Groups {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The group of this name.
    #[inline]
    pub fn get(&self, name: &[u8]) -> Option<&Group> {
        self.by_name.get(name)
    }

    /// Changes the group of this name, if there is one.
    #[inline]
    pub fn update<R>(&mut self, name: &[u8], change: impl FnOnce(&mut Group) -> R) -> Option<R> {
        self.by_name.update(name, change)
    }

    /// Creates a group that has been given all entries up to `last_id`; `false` if there is one of this name.
    pub fn create(&mut self, name: &[u8], last_id: StreamId, entries_read: Option<u64>) -> bool {
        if self.by_name.contains(name) {
            return false;
        }
        self.by_name.insert(Arc::from(name), Group::new(last_id, entries_read));
        true
    }

    /// Removes a group and all that it knows; `false` if there is none of this name.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        self.by_name.contains(name) && self.by_name.remove(name).is_some()
    }

    /// All groups in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Group)> + '_ {
        self.by_name.iter().map(|(name, group)| (&name[..], group))
    }

    /// The memory that they hold, as if nothing were shared with a clone; what consumers hold is estimated.
    pub fn heap_bytes(&self) -> usize {
        self.by_name.heap_bytes()
            + self.iter().map(|(name, group)| name.len() + group.heap_bytes()).sum::<usize>()
    }
}

/// A consumer group.
#[derive(Clone)]
pub struct Group {
    /// The last entry that was delivered to a consumer.
    pub last_id: StreamId,
    /// How many entries of the stream have been delivered, if that is known.
    pub entries_read: Option<u64>,
    pending: Sorted<StreamId, Pending, 64>,
    consumers: Sorted<ConsumerId, Consumer, 16>,
    names: Sorted<Name, ConsumerId, 32>,
    next_consumer: u32,
}

/// A consumer.
#[derive(Clone)]
pub struct Consumer {
    name: Name,
    /// When it last tried to get entries, unix milliseconds.
    pub seen_ms: u64,
    /// When it last got some.
    pub active_ms: Option<u64>,
    /// Which entries it has. What else is known of them is in the group's list.
    pending: Sorted<StreamId, (), 128>,
}

impl Consumer {
    /// Its name.
    #[inline]
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// How many entries it has that it has not acknowledged.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// The ids of those from `id` on.
    pub fn pending_from(&self, id: StreamId) -> impl Iterator<Item = StreamId> + '_ {
        self.pending.iter_from(&id).map(|(id, ())| *id)
    }
}

impl Group {
    fn new(last_id: StreamId, entries_read: Option<u64>) -> Self {
        Group {
            last_id,
            entries_read,
            pending: Sorted::new(),
            consumers: Sorted::new(),
            names: Sorted::new(),
            next_consumer: 0,
        }
    }

    /// How many consumers it has.
    pub fn consumers_len(&self) -> usize {
        self.names.len()
    }

    /// Its consumers in the order of their names.
    pub fn consumers(&self) -> impl Iterator<Item = (ConsumerId, &Consumer)> + '_ {
        self.names.iter().filter_map(|(_, id)| Some((*id, self.consumers.get(id)?)))
    }

    /// The consumer of this name.
    #[inline]
    pub fn find_consumer(&self, name: &[u8]) -> Option<ConsumerId> {
        self.names.get(name).copied()
    }

    /// A consumer that was found here.
    pub fn consumer(&self, id: ConsumerId) -> Option<&Consumer> {
        self.consumers.get(&id)
    }

    /// Changes when a consumer was seen and active.
    #[inline]
    pub fn update_consumer(&mut self, id: ConsumerId, change: impl FnOnce(&mut Consumer)) {
        self.consumers.update(&id, change);
    }

    /// Creates a consumer; `false` if there is one of this name.
    pub fn create_consumer(&mut self, name: &[u8], now_ms: u64) -> bool {
        !self.names.contains(name) && self.ensure_consumer(name, now_ms).1
    }

    /// The consumer of this name, which is created if need be; whether it was.
    pub fn ensure_consumer(&mut self, name: &[u8], now_ms: u64) -> (ConsumerId, bool) {
        if let Some(id) = self.find_consumer(name) {
            return (id, false);
        }
        // After four thousand million consumers the numbers begin again.
        while self.consumers.contains(&ConsumerId(self.next_consumer)) {
            self.next_consumer = self.next_consumer.wrapping_add(1);
        }
        let id = ConsumerId(self.next_consumer);
        self.next_consumer = self.next_consumer.wrapping_add(1);
        let name = Name::from(name);
        let consumer =
            Consumer { name: name.clone(), seen_ms: now_ms, active_ms: None, pending: Sorted::new() };
        self.names.insert(name, id);
        self.consumers.insert(id, consumer);
        (id, true)
    }

    /// Removes a consumer and forgets what it had; says how many entries that were.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let id = self.find_consumer(name)?;
        self.names.remove(name);
        let consumer = self.consumers.remove(&id)?;
        for (id, ()) in consumer.pending.iter() {
            self.pending.remove(id);
        }
        Some(consumer.pending.len())
    }

    /// How many delivered entries are not acknowledged.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// What is known of a delivered entry.
    #[inline]
    pub fn pending(&self, id: StreamId) -> Option<&Pending> {
        self.pending.get(&id)
    }

    /// Changes what is known of a delivered entry, other than who has it.
    #[inline]
    pub fn update_pending<R>(&mut self, id: StreamId, change: impl FnOnce(&mut Pending) -> R) -> Option<R> {
        self.pending.update(&id, change)
    }

    /// The delivered entries from `id` on.
    pub fn pending_from(&self, id: StreamId) -> PendingIter<'_> {
        PendingIter { entries: self.pending.iter_from(&id) }
    }

    /// The first and the last of the delivered entries.
    pub fn pending_bounds(&self) -> Option<(StreamId, StreamId)> {
        Some((*self.pending.first()?.0, *self.pending.last()?.0))
    }

    /// Gives an entry to a consumer, whoever had it before.
    pub fn assign(&mut self, id: StreamId, pending: Pending) {
        self.assign_all(&[id], pending);
    }

    /// Gives entries to a consumer, whoever had them before.
    pub fn assign_all(&mut self, ids: &[StreamId], pending: Pending) {
        for &id in ids {
            if let Some(before) = self.pending.insert(id, pending)
                && before.consumer != pending.consumer
            {
                self.consumers.update(&before.consumer, |consumer| consumer.pending.remove(&id));
            }
        }
        self.consumers.update(&pending.consumer, |consumer| {
            for &id in ids {
                consumer.pending.insert(id, ());
            }
        });
    }

    /// Forgets a delivered entry; whether there was one.
    #[inline]
    pub fn acknowledge(&mut self, id: StreamId) -> bool {
        let Some(pending) = self.pending.remove(&id) else { return false };
        self.consumers.update(&pending.consumer, |consumer| consumer.pending.remove(&id));
        true
    }

    fn heap_bytes(&self) -> usize {
        // The lists of the consumers have as many ids as the group's together.
        const ID: usize = size_of::<(StreamId, ())>();
        self.pending.heap_bytes()
            + self.consumers.heap_bytes()
            + self.names.heap_bytes()
            + self.pending.len() * ID * 5 / 4
    }
}

impl Eq for Group {}

impl PartialEq for Group {
    fn eq(&self, other: &Self) -> bool {
        let pending = |group: &Self| {
            let named = |(id, pending): (StreamId, &Pending)| {
                let consumer = group.consumer(pending.consumer).map(|consumer| consumer.name.clone());
                (id, consumer, pending.delivered_ms, pending.count)
            };
            group.pending_from(StreamId::MIN).map(named).collect::<Vec<_>>()
        };
        let consumers = |group: &Self| {
            let facts =
                |(_, consumer): (_, &Consumer)| (consumer.name.clone(), consumer.seen_ms, consumer.active_ms);
            group.consumers().map(facts).collect::<Vec<_>>()
        };
        (self.last_id, self.entries_read) == (other.last_id, other.entries_read)
            && consumers(self) == consumers(other)
            && pending(self) == pending(other)
    }
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group")
            .field("last_id", &self.last_id)
            .field("entries_read", &self.entries_read)
            .field("pending", &self.pending)
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

/// Delivered entries in the order of their ids.
pub struct PendingIter<'a> {
    entries: sorted::Iter<'a, StreamId, Pending, 64>,
}

impl<'a> Iterator for PendingIter<'a> {
    type Item = (StreamId, &'a Pending);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.entries.next().map(|(id, pending)| (*id, pending))
    }
}
