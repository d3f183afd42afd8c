//! An ordered map that copies on write.

use std::borrow::Borrow;
use std::fmt;

use crate::tree::{Cursor, Leaf, Tree};

/// Keys in order, each with a value. A clone shares all of it; a write copies one block of at most `N` entries, and the nodes
/// above it.
pub struct Sorted<K: Key, V: Clone, const N: usize> {
    tree: Tree<Block<K, V, N>>,
}

/// What keys have to be.
pub trait Key: Ord + Clone {}
impl<K: Ord + Clone> Key for K {}

impl<K: Key, V: Clone, const N: usize> Sorted<K, V, N> {
    /// A map without entries.
    pub const fn new() -> Self {
        Sorted { tree: Tree::new() }
    }

    /// Number of entries.
    #[inline]
    pub fn len(&self) -> usize {
        self.tree.weight() as usize
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.tree.weight() == 0
    }

    /// The value of a key.
    #[inline]
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let block = self.tree.find(|separator| separator.borrow() <= key)?;
        let at = block.search(key).ok()?;
        Some(&block.entries[at].1)
    }

    /// Whether there is such a key.
    #[inline]
    pub fn contains<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// Changes the value of a key, if there is one.
    ///
    /// Whether or not there is, what is shared on the way there is copied: a caller that expects to find nothing should look
    /// first.
    #[inline]
    pub fn update<Q: Ord + ?Sized, R>(&mut self, key: &Q, change: impl FnOnce(&mut V) -> R) -> Option<R>
    where
        K: Borrow<Q>,
    {
        if self.is_empty() {
            return None;
        }
        self.tree.update(
            |separator| separator.borrow() <= key,
            |block| {
                let at = block.search(key).ok()?;
                Some(change(&mut block.entries[at].1))
            },
        )
    }

    /// Sets the value of a key; gives the one that it replaces.
    #[inline]
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.tree.update(|separator| *separator <= key, |block| block.insert(key.clone(), value))
    }

    /// Removes a key; gives its value.
    #[inline]
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        if self.is_empty() {
            return None;
        }
        self.tree.update(
            |separator| separator.borrow() <= key,
            |block| {
                let at = block.search(key).ok()?;
                Some(block.entries.remove(at).1)
            },
        )
    }

    /// The first entry.
    pub fn first(&self) -> Option<(&K, &V)> {
        self.tree.first()?.entries.first().map(|(key, value)| (key, value))
    }

    /// The last entry.
    pub fn last(&self) -> Option<(&K, &V)> {
        self.tree.last()?.entries.last().map(|(key, value)| (key, value))
    }

    /// All entries in order.
    pub fn iter(&self) -> Iter<'_, K, V, N> {
        Iter { cursor: self.tree.cursor_first(), at: 0 }
    }

    /// The entries from `key` on.
    pub fn iter_from<Q: Ord + ?Sized>(&self, key: &Q) -> Iter<'_, K, V, N>
    where
        K: Borrow<Q>,
    {
        let cursor = self.tree.cursor_at(|separator| separator.borrow() <= key);
        let at = cursor.as_ref().map_or(0, |cursor| cursor.leaf().search(key).unwrap_or_else(|at| at));
        Iter { cursor, at }
    }

    /// The memory that it holds beyond its own size, without what keys and values hold.
    pub fn heap_bytes(&self) -> usize {
        self.tree.heap_bytes()
    }
}

impl<K: Key, V: Clone, const N: usize> Default for Sorted<K, V, N> {
    fn default() -> Self {
        Sorted::new()
    }
}

impl<K: Key, V: Clone, const N: usize> Clone for Sorted<K, V, N> {
    fn clone(&self) -> Self {
        Sorted { tree: self.tree.clone() }
    }
}

impl<K: Key, V: Clone + PartialEq, const N: usize> PartialEq for Sorted<K, V, N> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl<K: Key, V: Clone + Eq, const N: usize> Eq for Sorted<K, V, N> {}

impl<K: Key + fmt::Debug, V: Clone + fmt::Debug, const N: usize> fmt::Debug for Sorted<K, V, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Entries in order.
pub struct Iter<'a, K: Key, V: Clone, const N: usize> {
    cursor: Option<Cursor<'a, Block<K, V, N>>>,
    at: usize,
}

impl<'a, K: Key, V: Clone, const N: usize> Iterator for Iter<'a, K, V, N> {
    type Item = (&'a K, &'a V);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let cursor = self.cursor.as_mut()?;
        while self.at >= cursor.leaf().entries.len() {
            if !cursor.next_leaf() {
                self.cursor = None;
                return None;
            }
            self.at = 0;
        }
        let (key, value) = &cursor.leaf().entries[self.at];
        self.at += 1;
        Some((key, value))
    }
}

/// Some entries in a row.
#[derive(Clone)]
struct Block<K, V, const N: usize> {
    entries: Vec<(K, V)>,
    /// The last insertion went to the end. Where keys come in order, a block that is full is best left as it is.
    grew_at_end: bool,
}

impl<K: Key, V: Clone, const N: usize> Block<K, V, N> {
    #[inline]
    fn search<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.entries.binary_search_by(|(own, _)| own.borrow().cmp(key))
    }

    fn insert(&mut self, key: K, value: V) -> Option<V> {
        // Keys mostly come in order.
        let at = match self.entries.last() {
            Some((last, _)) if *last < key => Err(self.entries.len()),
            _ => self.search(&key),
        };
        match at {
            Ok(at) => Some(std::mem::replace(&mut self.entries[at].1, value)),
            Err(at) => {
                self.grew_at_end = at == self.entries.len();
                self.entries.insert(at, (key, value));
                None
            }
        }
    }
}

impl<K, V, const N: usize> Default for Block<K, V, N> {
    fn default() -> Self {
        Block { entries: Vec::new(), grew_at_end: false }
    }
}

impl<K: Key, V: Clone, const N: usize> Leaf for Block<K, V, N> {
    type Key = K;

    #[inline]
    fn weight(&self) -> u64 {
        self.entries.len() as u64
    }

    fn separator(&self, next: &Self) -> K {
        next.entries[0].0.clone()
    }

    #[inline]
    fn is_overfull(&self) -> bool {
        self.entries.len() > N
    }

    fn is_underfull(&self) -> bool {
        self.entries.len() < N / 4
    }

    fn split(&mut self) -> Self {
        let at = if self.grew_at_end { self.entries.len() - 1 } else { self.entries.len() / 2 };
        let entries = self.entries.split_off(at);
        self.entries.shrink_to_fit();
        Block { entries, grew_at_end: std::mem::take(&mut self.grew_at_end) }
    }

    fn absorb(&mut self, next: &Self) -> bool {
        let fits = self.entries.len() + next.entries.len() <= N * 3 / 4;
        if fits {
            self.entries.extend_from_slice(&next.entries);
            self.grew_at_end = next.grew_at_end;
        }
        fits
    }

    fn heap_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<(K, V)>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    type Small = Sorted<u16, u32, 8>;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u16, u32),
        Append(u32),
        Remove(u16),
        RemoveFirst,
        Update(u16),
        Freeze,
    }

    fn step() -> impl Strategy<Value = Step> {
        let key = 0..400u16;
        prop_oneof![
            3 => (key.clone(), any::<u32>()).prop_map(|(key, value)| Step::Insert(key, value)),
            3 => any::<u32>().prop_map(Step::Append),
            2 => key.clone().prop_map(Step::Remove),
            2 => Just(Step::RemoveFirst),
            1 => key.prop_map(Step::Update),
            1 => Just(Step::Freeze),
        ]
    }

    fn check(map: &Small, model: &BTreeMap<u16, u32>) {
        assert_eq!(map.len(), model.len());
        assert!(map.iter().eq(model.iter()));
        assert_eq!((map.first(), map.last()), (model.first_key_value(), model.last_key_value()));
        for key in (0..410).step_by(23) {
            assert_eq!(map.get(&key), model.get(&key));
            assert!(map.iter_from(&key).eq(model.range(key..)));
        }
    }

    proptest! {
        #[test]
        fn behaves_like_a_btreemap(steps in proptest::collection::vec(step(), 0..400)) {
            let (mut map, mut model) = (Small::new(), BTreeMap::new());
            let mut frozen = Vec::new();
            for step in steps {
                match step {
                    Step::Insert(key, value) => assert_eq!(map.insert(key, value), model.insert(key, value)),
                    Step::Append(value) => {
                        let key = model.last_key_value().map_or(0, |(key, _)| key + 1);
                        assert_eq!(map.insert(key, value), model.insert(key, value));
                    }
                    Step::Remove(key) => assert_eq!(map.remove(&key), model.remove(&key)),
                    Step::RemoveFirst => {
                        if let Some((key, value)) = model.pop_first() {
                            assert_eq!(map.remove(&key), Some(value));
                        }
                    }
                    Step::Update(key) => {
                        let mut expected = None;
                        model.entry(key).and_modify(|value| {
                            *value = value.wrapping_add(1);
                            expected = Some(*value);
                        });
                        let changed = map.update(&key, |value| {
                            *value = value.wrapping_add(1);
                            *value
                        });
                        assert_eq!(changed, expected);
                    }
                    Step::Freeze => frozen.push((map.clone(), model.clone())),
                }
            }
            frozen.push((map, model));
            for (map, model) in &frozen {
                check(map, model);
            }
        }
    }
}
