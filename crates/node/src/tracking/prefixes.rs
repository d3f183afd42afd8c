//! The prefixes of broadcasting mode, and the keys that have changed since those who listen were last told.
//!
//! Which prefixes a key has is found by looking its beginnings up, one for each length that any prefix has: that goes by the
//! number of lengths, not of prefixes. Changes are collected for a round of the engine, so that a key which changes a hundred times
//! is told once, and many keys in one message.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::tracker::Number;

/// Those who listen to one prefix.
pub(super) type Listeners = BTreeSet<Number>;

/// Who has changed a key: a tracking client alone, or anybody else.
pub(super) type Author = Option<Number>;

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Prefixes {
    listeners: BTreeMap<Arc<[u8]>, Listeners>,
    /// How many prefixes have so many bytes.
    lengths: BTreeMap<usize, usize>,
    changed: BTreeMap<Box<[u8]>, Author>,
}

impl Prefixes {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.listeners.len()
    }

    /// Adds a listener; gives the prefix as it is kept.
    pub fn add(&mut self, prefix: &[u8], number: Number) -> Arc<[u8]> {
        let shared = self.listeners.get_key_value(prefix).map(|(shared, _)| shared.clone());
        let shared = shared.unwrap_or_else(|| {
            *self.lengths.entry(prefix.len()).or_default() += 1;
            prefix.into()
        });
        self.listeners.entry(shared.clone()).or_default().insert(number);
        shared
    }

    /// Takes a listener out.
    pub fn remove(&mut self, prefix: &[u8], number: Number) {
        let Some(listeners) = self.listeners.get_mut(prefix) else { return };
        listeners.remove(&number);
        if !listeners.is_empty() {
            return;
        }
        self.listeners.remove(prefix);
        if let Some(count) = self.lengths.get_mut(&prefix.len()) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&prefix.len());
            }
        }
        if self.listeners.is_empty() {
            self.changed.clear();
        }
    }

    /// The prefixes that a key has, the shortest first.
    fn matching<'a>(&'a self, key: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a Listeners)> {
        self.lengths.range(..=key.len()).filter_map(move |(&len, _)| {
            self.listeners.get_key_value(&key[..len]).map(|(prefix, listeners)| (&**prefix, listeners))
        })
    }

    /// Notes that a key has changed, if anybody listens.
    pub fn note(&mut self, key: &[u8], author: Author) {
        if self.listeners.is_empty() || self.matching(key).next().is_none() {
            return;
        }
        match self.changed.get_mut(key) {
            // What two have changed neither of them knows.
            Some(before) => *before = before.filter(|_| *before == author),
            None => {
                self.changed.insert(key.into(), author);
            }
        }
    }

    /// Whether there is anything to tell.
    #[inline]
    pub fn have_news(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Everything has changed: there is no need to name keys.
    pub fn forget_news(&mut self) {
        self.changed.clear();
    }

    /// Takes what has changed out.
    pub fn take_news(&mut self) -> BTreeMap<Box<[u8]>, Author> {
        std::mem::take(&mut self.changed)
    }

    /// Sorts changed keys by the prefixes that they have.
    pub fn sort<'a>(&self, changed: &'a BTreeMap<Box<[u8]>, Author>) -> Vec<(Vec<Number>, Vec<Change<'a>>)> {
        let mut sorted: BTreeMap<&[u8], (&Listeners, Vec<Change<'a>>)> = BTreeMap::new();
        for (key, &author) in changed {
            for (prefix, listeners) in self.matching(key) {
                sorted.entry(prefix).or_insert((listeners, Vec::new())).1.push((key, author));
            }
        }
        sorted.into_values().map(|(listeners, keys)| (listeners.iter().copied().collect(), keys)).collect()
    }
}

/// A key that has changed, and who has changed it.
pub(super) type Change<'a> = (&'a [u8], Author);

#[cfg(test)]
mod tests {
    use super::*;

    fn number(n: u32) -> Number {
        Number::from_bytes(n.to_le_bytes())
    }

    fn names<'a>(prefixes: &'a Prefixes, key: &'a [u8]) -> Vec<&'a [u8]> {
        prefixes.matching(key).map(|(prefix, _)| prefix).collect()
    }

    #[test]
    fn a_key_has_the_prefixes_that_it_begins_with() {
        let mut prefixes = Prefixes::default();
        for (prefix, listener) in [("", 1), ("user:", 1), ("user:", 2), ("user:1", 3), ("item:", 1)] {
            prefixes.add(prefix.as_bytes(), number(listener));
        }
        assert_eq!(prefixes.len(), 4);
        assert_eq!(names(&prefixes, b"user:12"), [b"".as_slice(), b"user:", b"user:1"]);
        assert_eq!(names(&prefixes, b"user"), [b"".as_slice()]);
        assert_eq!(names(&prefixes, b""), [b"".as_slice()]);
        prefixes.remove(b"", number(1));
        prefixes.remove(b"user:", number(1));
        prefixes.remove(b"none", number(1));
        assert_eq!(names(&prefixes, b"user:12"), [b"user:".as_slice(), b"user:1"]);
        prefixes.remove(b"user:", number(2));
        prefixes.remove(b"user:1", number(3));
        prefixes.remove(b"item:", number(1));
        assert_eq!((prefixes.len(), prefixes.lengths.len()), (0, 0));
    }

    #[test]
    fn a_change_has_an_author_as_long_as_there_is_just_one() {
        let mut prefixes = Prefixes::default();
        prefixes.note(b"a", None);
        assert!(!prefixes.have_news(), "nobody listens");
        prefixes.add(b"a", number(1));
        let (one, two) = (Some(number(1)), Some(number(2)));
        let changes = [
            ("a1", [one, one]),
            ("a2", [one, two]),
            ("a3", [one, None]),
            ("a4", [None, one]),
            ("b", [one, one]),
        ];
        for (key, authors) in changes {
            authors.iter().for_each(|author| prefixes.note(key.as_bytes(), *author));
        }
        let news = prefixes.take_news();
        let authors: Vec<(&[u8], Author)> = news.iter().map(|(key, author)| (&**key, *author)).collect();
        assert_eq!(authors, [(b"a1".as_slice(), one), (b"a2", None), (b"a3", None), (b"a4", None)]);
        assert!(!prefixes.have_news());
    }

    #[test]
    fn what_nobody_hears_any_more_is_forgotten() {
        let mut prefixes = Prefixes::default();
        prefixes.add(b"", number(1));
        prefixes.note(b"a", None);
        assert!(prefixes.have_news());
        prefixes.remove(b"", number(1));
        assert!(!prefixes.have_news());
    }
}
