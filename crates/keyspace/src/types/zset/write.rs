//! Sorted sets for writing.

use std::ops::Range;

use collections::pack::{self, HEADER, MAX_LEN, Pack};
use collections::{Hasher, ZSet};
use listpack::{Entry as Element, TextBuffer};

use super::read::{Pairs, ZSetRef, find};
use super::score::ScoreElement;
use crate::types::holder::{Draft, Holder};
use crate::types::pack as edit;
use crate::{EntryMut, Layout, Limits, Object, Value, ValueRef};

/// More bytes than this a pack is not let grow to, whatever the limits say: dumps count them with 32 bits.
const PACK_MAX_BYTES: usize = 1 << 30;

/// A sorted set, for writing. It becomes a tree when it grows beyond the limits of a pack, and never goes back.
pub struct ZSetMut<'l, H> {
    holder: H,
    limits: &'l Limits,
}

/// A sorted set that has no key yet.
pub type ZSetDraft<'l> = ZSetMut<'l, Draft>;

impl<'l, 'e, 'd> ZSetMut<'l, &'e mut EntryMut<'d>> {
    /// The sorted set of a key, if it holds one.
    #[inline]
    pub fn of(entry: &'e mut EntryMut<'d>, limits: &'l Limits) -> Option<Self> {
        ZSetRef::of(&entry.as_entry())?;
        Some(ZSetMut { holder: entry, limits })
    }
}

impl<'l> ZSetDraft<'l> {
    /// A sorted set without members.
    pub fn new(limits: &'l Limits, hasher: &Hasher) -> Self {
        ZSetMut { holder: Draft::new(Layout::ZSetPack, pack::EMPTY.to_vec(), hasher), limits }
    }

    /// The sorted set as a value for a key.
    pub fn into_value(self) -> Value {
        self.holder.into_value()
    }
}

impl<H: Holder> ZSetMut<'_, H> {
    /// The sorted set for reading.
    #[inline]
    pub fn get(&self) -> ZSetRef<'_> {
        // Whoever made this has seen that it is one.
        ZSetRef::from_value(self.holder.value()).unwrap_or(ZSetRef::Pack(Pack::new(&[])))
    }

    /// Prepares for `count` more members, as if all of them were new and there were none now.
    pub fn expect(&mut self, count: usize) {
        if count > self.pack_max() && matches!(self.get(), ZSetRef::Pack(_)) {
            self.become_tree();
        }
    }

    fn pack_max(&self) -> usize {
        self.limits.zset_max_listpack_entries.min(MAX_LEN / 2)
    }

    /// Adds a member, or gives it another score; gives the score it had.
    #[inline]
    pub fn insert(&mut self, member: &[u8], score: f64) -> Option<f64> {
        self.change(member, |_| Some(score))
    }

    /// Adds a member or changes its score as `f` says, which gets the score that it has and gives the one it is to have; `None`
    /// leaves everything as it is. Gives the score it had.
    #[inline]
    pub fn change(&mut self, member: &[u8], f: impl FnOnce(Option<f64>) -> Option<f64>) -> Option<f64> {
        if let Some(set) = self.tree_mut() {
            return set.change(member, f);
        }
        let ZSetRef::Pack(pack) = self.get() else { return None };
        let found = find(pack, member).map(|pair| (pair.score, pair.score_at, pair.at));
        let old = found.as_ref().map(|(score, _, _)| *score);
        let Some(new) = f(old).filter(|new| old != Some(*new)) else { return old };
        let (bytes, len) = (pack.as_bytes().len(), pack.len() / 2);
        match found {
            Some((old, score_at, at)) => self.change_in_pack(member, old, new, score_at, at),
            None => {
                let fits = len < self.pack_max()
                    && member.len() <= self.limits.zset_max_listpack_value
                    && bytes + member.len() <= PACK_MAX_BYTES;
                if fits {
                    self.insert_in_pack(member, new);
                } else {
                    self.become_tree();
                    self.tree_mut().map(|set| set.insert(member, new));
                }
            }
        }
        old
    }

    fn insert_in_pack(&mut self, member: &[u8], score: f64) {
        let ZSetRef::Pack(pack) = self.get() else { return };
        let mut text = TextBuffer::new();
        let behind = Pairs::of(pack)
            .find(|pair| pair.score > score || (pair.score == score && pair.member.text(&mut text) > member));
        let at = behind.map_or(pack.as_bytes().len(), |pair| pair.at.start);
        edit::insert(&mut self.holder, at, [Element::from_text(member), ScoreElement::new(score).element()]);
    }

    fn change_in_pack(
        &mut self,
        member: &[u8],
        old: f64,
        new: f64,
        score_at: Range<usize>,
        at: Range<usize>,
    ) {
        let ZSetRef::Pack(pack) = self.get() else { return };
        // Often it stays between the same neighbours.
        let stays = if new > old {
            let next = pack.entry(at.end).and_then(|(_, member)| pack.entry(member.end));
            next.is_none_or(|(next, _)| new < super::score::read(next))
        } else {
            at.start == HEADER
        };
        if stays {
            edit::replace(&mut self.holder, score_at, 1, [ScoreElement::new(new).element()]);
        } else {
            edit::remove(&mut self.holder, at, 2);
            self.insert_in_pack(member, new);
        }
    }

    /// Takes a member out; gives the score it had.
    #[inline]
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        if let Some(set) = self.tree_mut() {
            return set.remove(member);
        }
        let ZSetRef::Pack(pack) = self.get() else { return None };
        let pair = find(pack, member)?;
        let (score, at) = (pair.score, pair.at);
        edit::remove(&mut self.holder, at, 2);
        Some(score)
    }

    /// Takes out the members of these ranks, and gives each to `f` before.
    pub fn remove_range(&mut self, ranks: Range<usize>, mut f: impl FnMut(Element<'_>, f64)) {
        if let Some(set) = self.tree_mut() {
            return set.remove_range(ranks, |member, score| f(Element::Str(member), score));
        }
        let ZSetRef::Pack(pack) = self.get() else { return };
        let mut gone: Option<Range<usize>> = None;
        let mut count = 0;
        for pair in Pairs::of(pack).skip(ranks.start).take(ranks.len()) {
            f(pair.member, pair.score);
            let start = gone.map_or(pair.at.start, |gone| gone.start);
            gone = Some(start..pair.at.end);
            count += 2;
        }
        if let Some(gone) = gone {
            edit::remove(&mut self.holder, gone, count);
        }
    }

    #[cold]
    fn become_tree(&mut self) {
        let mut set = ZSet::new(self.holder.hasher().clone());
        let mut text = TextBuffer::new();
        for (member, score) in self.get().all() {
            set.insert(member.text(&mut text), score);
        }
        self.holder.set_object(Object::ZSet(Box::new(set)));
    }

    #[inline]
    fn tree_mut(&mut self) -> Option<&mut ZSet> {
        match self.holder.value() {
            ValueRef::ZSet(_) => match self.holder.object_mut()? {
                Object::ZSet(set) => Some(set),
                _ => None,
            },
            _ => None,
        }
    }
}
