//! A sorted set: members, each once, in the order of their scores.
//!
//! ```
//! use collections::Hasher;
//! use collections::zset::{Place, ZSet};
//!
//! let mut ages = ZSet::new(Hasher::new(0x5eed));
//! for (name, age) in [("ada", 36.0), ("alan", 41.0), ("grace", 85.0), ("kurt", 71.0)] {
//!     assert_eq!(ages.insert(name.as_bytes(), age), None);
//! }
//! let then = ages.clone();
//! assert_eq!(ages.insert(b"ada", 37.0), Some(36.0));
//! assert_eq!(then.score(b"ada"), Some(36.0));
//!
//! let (from, to) = (ages.rank_of(Place::BeforeScore(40.0)), ages.rank_of(Place::AfterScore(71.0)));
//! assert!(ages.iter(from..to).eq([(&b"alan"[..], 41.0), (b"kurt", 71.0)]));
//! assert_eq!(ages.rank(b"grace"), Some((3, 85.0)));
//! ```
//!
//! The members are in a [`Tree`] of packed blocks, in order. A table of scores by hash says where in that order a member is to be
//! found, so that each member is kept once only. Both are copy-on-write: a clone takes no time, and a write copies a few KiB.

mod block;
mod iter;
mod page;
mod scan;
#[cfg(test)]
mod tests;

use std::ops::Range;

use smallvec::SmallVec;

use crate::Hasher;
use crate::directory::Directory;
use crate::tree::Tree;
use block::{Block, tag_of};
pub use iter::Iter;
use page::ScorePage;

/// A place between members. That of a range's beginning and that of its end make a range of ranks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place<'a> {
    /// In front of all.
    Start,
    /// Behind all.
    End,
    /// In front of the first member of this score or a higher one.
    BeforeScore(f64),
    /// In front of the first member of a higher score.
    AfterScore(f64),
    /// In front of this member, among members of one score.
    BeforeMember(&'a [u8]),
    /// Behind this member, among members of one score.
    AfterMember(&'a [u8]),
}

impl Place<'_> {
    /// Whether it lies behind a member of this score.
    #[inline]
    pub fn is_behind<'m>(self, score: f64, member: impl FnOnce() -> &'m [u8]) -> bool {
        match self {
            Place::Start => false,
            Place::End => true,
            Place::BeforeScore(of) => score < of,
            Place::AfterScore(of) => score <= of,
            Place::BeforeMember(of) => member() < of,
            Place::AfterMember(of) => member() <= of,
        }
    }
}

/// Members in the order of their scores, and of their bytes where these are equal. See the module's documentation.
///
/// A score is any number but NaN. Both zeros are one score.
#[derive(Clone)]
pub struct ZSet {
    tree: Tree<Block>,
    scores: Directory<ScorePage>,
    hasher: Hasher,
}

impl ZSet {
    /// An empty set.
    pub fn new(hasher: Hasher) -> Self {
        Self { tree: Tree::new(), scores: Directory::new(), hasher }
    }

    /// Number of members.
    #[inline]
    pub fn len(&self) -> usize {
        self.tree.weight() as usize
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    /// Bytes of heap memory behind it, whoever else has them too.
    pub fn heap_bytes(&self) -> usize {
        self.tree.heap_bytes() + self.scores.heap_bytes()
    }

    /// The score of a member.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        self.find(self.hasher.hash(member), member)
    }

    fn find(&self, hash: u64, member: &[u8]) -> Option<f64> {
        let page = self.scores.page(hash);
        page.find(hash).map(|index| page.score(index)).find(|score| self.has(member, *score))
    }

    /// Whether a member is there with this score.
    #[inline]
    fn has(&self, member: &[u8], score: f64) -> bool {
        let block = self.tree.find(|separator| separator.is_reached_by(score, member));
        block.is_some_and(|block| block.find(score, member).is_ok())
    }

    /// How many members come before this one, and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let hash = self.hasher.hash(member);
        let page = self.scores.page(hash);
        page.find(hash).map(|index| page.score(index)).find_map(|score| {
            let (block, before) = self.tree.locate(|separator| separator.is_reached_by(score, member))?;
            let index = block.find(score, member).ok()?;
            Some((before as usize + index, block.score(index)))
        })
    }

    /// Member number `rank` and its score.
    pub fn nth(&self, rank: usize) -> Option<(&[u8], f64)> {
        let (block, index) = self.tree.nth(rank as u64)?;
        Some((block.member(index as usize), block.score(index as usize)))
    }

    /// How many members lie before a place.
    pub fn rank_of(&self, place: Place<'_>) -> usize {
        match place {
            Place::Start => return 0,
            Place::End => return self.len(),
            _ => {}
        }
        let found = self.tree.locate(|separator| separator.is_before(place));
        found.map_or(0, |(block, before)| before as usize + block.rank_of(place))
    }

    /// Members by rank, forwards. What lies behind the last one is left out.
    pub fn iter(&self, ranks: Range<usize>) -> Iter<'_> {
        Iter::forwards(&self.tree, ranks)
    }

    /// Members by rank, from the last of the range to its first.
    pub fn iter_back(&self, ranks: Range<usize>) -> Iter<'_> {
        Iter::backwards(&self.tree, ranks)
    }

    /// A member, each with the same chance.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<(&[u8], f64)> {
        if self.is_empty() {
            return None;
        }
        self.nth(rng.usize(..self.len()))
    }

    /// Adds a member, or gives it another score; gives the score it had.
    pub fn insert(&mut self, member: &[u8], score: f64) -> Option<f64> {
        self.change(member, |_| Some(score))
    }

    /// Adds a member or changes its score as `f` says, which gets the score that it has and gives the one it is to have; `None`
    /// leaves everything as it is. Gives the score it had.
    pub fn change(&mut self, member: &[u8], f: impl FnOnce(Option<f64>) -> Option<f64>) -> Option<f64> {
        let hash = self.hasher.hash(member);
        let old = self.find(hash, member);
        let Some(new) = f(old) else { return old };
        debug_assert!(!new.is_nan());
        match old {
            None => {
                self.insert_in_tree(hash, member, new);
                self.scores.update(hash, &(), |page| page.insert(hash, new));
            }
            Some(old) if old != new => {
                self.relocate(hash, member, old, new);
                self.set_score(hash, old, new);
            }
            Some(_) => {}
        }
        old
    }

    fn insert_in_tree(&mut self, hash: u64, member: &[u8], score: f64) {
        self.tree.update(
            |separator| separator.is_reached_by(score, member),
            |block| {
                let (Ok(at) | Err(at)) = block.find(score, member);
                block.insert(at, score, member, tag_of(hash));
            },
        );
    }

    fn relocate(&mut self, hash: u64, member: &[u8], old: f64, new: f64) {
        let alone = self.tree.leaves() == 1;
        let done = self.tree.update(
            |separator| separator.is_reached_by(old, member),
            |block| match block.find(old, member) {
                Ok(index) if block.relocate(index, new, member, alone) => true,
                Ok(index) => {
                    block.remove(index..index + 1);
                    false
                }
                Err(_) => false,
            },
        );
        if !done {
            self.insert_in_tree(hash, member, new);
        }
    }

    fn set_score(&mut self, hash: u64, old: f64, new: f64) {
        self.scores.update(hash, &(), |page| {
            if let Some(index) = page.find(hash).find(|index| page.score(*index) == old) {
                page.set_score(index, new);
            }
        });
    }

    fn forget_score(&mut self, hash: u64, score: f64) {
        self.scores.update(hash, &(), |page| {
            // Members of one hash and one score are the same to the table.
            if let Some(index) = page.find(hash).find(|index| page.score(*index) == score) {
                page.remove(index);
            }
        });
    }

    /// Takes a member out; gives the score it had.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let hash = self.hasher.hash(member);
        // Looked for first: what is not there must not cost a copy of a shared block.
        let score = self.find(hash, member)?;
        self.tree.update(
            |separator| separator.is_reached_by(score, member),
            |block| {
                if let Ok(index) = block.find(score, member) {
                    block.remove(index..index + 1);
                }
            },
        );
        self.forget_score(hash, score);
        Some(score)
    }

    /// Takes out the members of these ranks, and gives each to `f` before.
    pub fn remove_range(&mut self, ranks: Range<usize>, mut f: impl FnMut(&[u8], f64)) {
        let mut left = ranks.end.min(self.len()).saturating_sub(ranks.start);
        while left > 0 {
            let Some((block, offset)) = self.tree.nth(ranks.start as u64) else { return };
            let from = offset as usize;
            let to = block.len().min(from + left);
            let gone: SmallVec<[(u64, f64); 64]> = (from..to)
                .map(|index| {
                    let (member, score) = (block.member(index), block.score(index));
                    f(member, score);
                    (self.hasher.hash(member), score)
                })
                .collect();
            if gone.len() == block.len() {
                self.tree.remove_leaf(ranks.start as u64);
            } else {
                self.tree.update_nth(ranks.start as u64, |block, _| block.remove(from..to));
            }
            left -= gone.len();
            for (hash, score) in gone {
                self.forget_score(hash, score);
            }
        }
    }

    /// A step of SCAN: calls `f` with some members, `count` or a few more, and gives the cursor for the next step.
    ///
    /// It begins with cursor 0 and has ended when it gives 0. A member that is there all the time is given at least once, whatever is
    /// added, removed and changed between the steps. Cursors are below 2^53; one that nobody gave does no harm.
    pub fn scan(&self, cursor: u64, count: usize, f: &mut dyn FnMut(&[u8], f64)) -> u64 {
        scan::scan(self, cursor, count, f)
    }
}

/// The same members with the same scores.
impl PartialEq for ZSet {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter(0..self.len()).eq(other.iter(0..other.len()))
    }
}

impl Eq for ZSet {}

impl std::fmt::Debug for ZSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ZSet").field("len", &self.len()).finish_non_exhaustive()
    }
}
