//! Keyspace events (`notify-keyspace-events`), published as messages.

use commands::EventClass;
use config::KeyspaceEvents;

use super::Scope;
use crate::node::Node;

/// How the configuration names the classes that commands know.
const CLASSES: [(KeyspaceEvents, EventClass); 11] = [
    (KeyspaceEvents::GENERIC, EventClass::GENERIC),
    (KeyspaceEvents::STRING, EventClass::STRING),
    (KeyspaceEvents::LIST, EventClass::LIST),
    (KeyspaceEvents::SET, EventClass::SET),
    (KeyspaceEvents::HASH, EventClass::HASH),
    (KeyspaceEvents::ZSET, EventClass::ZSET),
    (KeyspaceEvents::EXPIRED, EventClass::EXPIRED),
    (KeyspaceEvents::EVICTED, EventClass::EVICTED),
    (KeyspaceEvents::STREAM, EventClass::STREAM),
    (KeyspaceEvents::KEY_MISS, EventClass::KEY_MISS),
    (KeyspaceEvents::NEW, EventClass::NEW),
];

impl Node {
    /// Works out which events commands have to record: those that are configured, as long as anybody could hear them.
    pub(crate) fn refresh_event_classes(&mut self) {
        let wanted = self.config.settings().notify_keyspace_events;
        let published =
            wanted.contains(KeyspaceEvents::KEYSPACE) || wanted.contains(KeyspaceEvents::KEYEVENT);
        self.effects.notify = EventClass::empty();
        if published && !self.pubsub.registry.is_deaf() {
            for (configured, class) in CLASSES {
                self.effects.notify.set(class, wanted.contains(configured));
            }
        }
    }

    /// Publishes the events that a command has recorded.
    #[cold]
    pub(crate) fn publish_events(&mut self) {
        let mut events = std::mem::take(&mut self.effects.events);
        for event in events.drain(..) {
            self.publish_key_event(event.name, event.db as usize, &event.key);
        }
        self.effects.events = events;
    }

    /// Publishes an event that no command has recorded, if somebody listens to its class.
    pub(crate) fn notify(&mut self, class: EventClass, name: &str, db: usize, key: &[u8]) {
        if self.effects.notify.intersects(class) {
            self.publish_key_event(name, db, key);
        }
    }

    fn publish_key_event(&mut self, name: &str, db: usize, key: &[u8]) {
        let wanted = self.config.settings().notify_keyspace_events;
        let mut channel = std::mem::take(&mut self.pubsub.event_channel);
        if wanted.contains(KeyspaceEvents::KEYSPACE) {
            name_channel(&mut channel, "keyspace", db, key);
            self.publish(Scope::Channel, &channel, name.as_bytes());
        }
        if wanted.contains(KeyspaceEvents::KEYEVENT) {
            name_channel(&mut channel, "keyevent", db, name.as_bytes());
            self.publish(Scope::Channel, &channel, key);
        }
        self.pubsub.event_channel = channel;
    }
}

/// `__keyspace@0__:key`
fn name_channel(into: &mut Vec<u8>, kind: &str, db: usize, of: &[u8]) {
    into.clear();
    into.extend_from_slice(b"__");
    into.extend_from_slice(kind.as_bytes());
    into.push(b'@');
    into.extend_from_slice(itoa::Buffer::new().format(db).as_bytes());
    into.extend_from_slice(b"__:");
    into.extend_from_slice(of);
}
