//! What was refused: `ACL LOG`.

use std::collections::VecDeque;

/// The same thing again within this time is counted in the entry that is there.
const SAME_FOR_MS: u64 = 60_000;
/// How many of the latest entries are looked at for that.
const LOOK_BACK: usize = 10;

/// Where a command came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Context {
    /// The client itself.
    TopLevel,
    /// A transaction.
    Multi,
    /// A script or a function.
    Script,
    /// A module.
    Module,
}

impl Context {
    /// As the log names it.
    pub fn name(self) -> &'static str {
        match self {
            Context::TopLevel => "toplevel",
            Context::Multi => "multi",
            Context::Script => "lua",
            Context::Module => "module",
        }
    }
}

/// Something that was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// What was lacking: "command", "key", "channel", "database" or "auth".
    pub reason: &'static str,
    /// Where it came from.
    pub context: Context,
    /// The command, key, channel or database.
    pub object: Vec<u8>,
    /// The user, or the name that somebody tried to come in with.
    pub username: Vec<u8>,
    /// The client, as CLIENT LIST describes it.
    pub client_info: Vec<u8>,
}

/// An entry of the log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What was refused.
    pub event: Event,
    /// How often.
    pub count: u64,
    /// Its number: they grow.
    pub id: u64,
    /// When it was first refused, unix milliseconds.
    pub created_ms: u64,
    /// When it was last refused.
    pub updated_ms: u64,
}

/// The latest things that were refused.
#[derive(Debug, Default)]
pub struct Log {
    entries: VecDeque<Entry>,
    next_id: u64,
}

impl Log {
    /// Notes something at a moment (unix milliseconds), and keeps `max` entries.
    pub fn note(&mut self, event: Event, now_ms: u64, max: usize) {
        let same = |entry: &Entry| {
            let (old, new) = (&entry.event, &event);
            now_ms.saturating_sub(entry.updated_ms) <= SAME_FOR_MS
                && (old.reason, old.context) == (new.reason, new.context)
                && (&old.object, &old.username) == (&new.object, &new.username)
        };
        let known = self.entries.iter().take(LOOK_BACK).position(same);
        if let Some(mut entry) = known.and_then(|at| self.entries.remove(at)) {
            entry.count += 1;
            entry.updated_ms = now_ms;
            entry.event.client_info = event.client_info;
            self.entries.push_front(entry);
            return;
        }
        let id = self.next_id;
        self.next_id += 1;
        self.entries.push_front(Entry { event, count: 1, id, created_ms: now_ms, updated_ms: now_ms });
        self.entries.truncate(max);
    }

    /// The entries, latest first.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(object: &str) -> Event {
        Event {
            reason: "key",
            context: Context::TopLevel,
            object: object.into(),
            username: b"u".to_vec(),
            client_info: b"id=1".to_vec(),
        }
    }

    fn seen(log: &Log) -> Vec<(String, u64, u64)> {
        let text = |entry: &Entry| String::from_utf8_lossy(&entry.event.object).into_owned();
        log.entries().map(|entry| (text(entry), entry.count, entry.id)).collect()
    }

    #[test]
    fn the_same_again_is_counted_and_comes_first() {
        let mut log = Log::default();
        log.note(event("a"), 1000, 128);
        log.note(event("b"), 1001, 128);
        log.note(Event { client_info: b"id=2".to_vec(), ..event("a") }, 61_000, 128);
        assert_eq!(seen(&log), [("a".into(), 2, 0), ("b".into(), 1, 1)]);
        let first = log.entries().next().expect("there is one");
        assert_eq!(
            (first.created_ms, first.updated_ms, &first.event.client_info[..]),
            (1000, 61_000, &b"id=2"[..])
        );
        log.note(Event { context: Context::Multi, ..event("a") }, 61_000, 128);
        log.note(event("a"), 121_001, 128);
        assert_eq!(seen(&log).iter().map(|(_, count, _)| *count).collect::<Vec<_>>(), [1, 1, 2, 1]);
    }

    #[test]
    fn the_oldest_go_when_a_new_one_comes() {
        let mut log = Log::default();
        for object in ["a", "b", "c"] {
            log.note(event(object), 0, 2);
        }
        assert_eq!(seen(&log), [("c".into(), 1, 2), ("b".into(), 1, 1)]);
        log.note(event("d"), 0, 0);
        assert_eq!(log.entries().len(), 0);
        log.note(event("e"), 0, 2);
        log.clear();
        assert_eq!(log.entries().len(), 0);
    }
}
