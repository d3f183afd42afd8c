//! Sorted sets for reading.

use std::ops::Range;

use collections::ZSet;
use collections::pack::{self, Pack};
use collections::zset::{self, Place};
use listpack::{Entry as Element, TextBuffer};

use super::score;
use crate::{Entry, Layout, ValueRef};

/// A sorted set, for reading.
#[derive(Clone, Copy)]
pub enum ZSetRef<'a> {
    /// Members and scores in turn.
    Pack(Pack<'a>),
    /// Any number of members.
    Tree(&'a ZSet),
}

/// A pair in a pack.
#[derive(Clone)]
pub(super) struct Pair<'a> {
    pub(super) member: Element<'a>,
    pub(super) score: f64,
    /// The bytes of the score.
    pub(super) score_at: Range<usize>,
    /// The bytes of both.
    pub(super) at: Range<usize>,
}

/// The pairs of a pack.
#[derive(Clone)]
pub(super) struct Pairs<'a>(pack::Iter<'a>);

impl<'a> Pairs<'a> {
    #[inline]
    pub(super) fn of(pack: Pack<'a>) -> Self {
        Pairs(pack.iter())
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    #[inline]
    fn next(&mut self) -> Option<Pair<'a>> {
        let from = self.0.position();
        let member = self.0.next()?;
        let middle = self.0.position();
        let score = score::read(self.0.next()?);
        let to = self.0.position();
        Some(Pair { member, score, score_at: middle..to, at: from..to })
    }
}

/// The pair of a member.
#[inline]
pub(super) fn find<'a>(pack: Pack<'a>, member: &[u8]) -> Option<Pair<'a>> {
    let found = pack.find(member, 2)?;
    let (element, _) = pack.entry(found.start)?;
    let (score, score_at) = pack.entry(found.end)?;
    let at = found.start..score_at.end;
    Some(Pair { member: element, score: score::read(score), score_at, at })
}

/// Whether a place lies behind a member of a pack.
#[inline]
pub(super) fn is_behind(place: Place<'_>, pair: &Pair<'_>) -> bool {
    let mut text = TextBuffer::new();
    place.is_behind(pair.score, || pair.member.text(&mut text))
}

impl<'a> ZSetRef<'a> {
    /// The sorted set of a key, if it holds one.
    #[inline]
    pub fn of(entry: &Entry<'a>) -> Option<Self> {
        Self::from_value(entry.value())
    }

    /// The sorted set that a value is, if it is one.
    #[inline]
    pub fn from_value(value: ValueRef<'a>) -> Option<Self> {
        match value {
            ValueRef::Bytes(Layout::ZSetPack, bytes) => Some(ZSetRef::Pack(Pack::new(bytes))),
            ValueRef::ZSet(set) => Some(ZSetRef::Tree(set)),
            _ => None,
        }
    }

    /// How many members there are.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            ZSetRef::Pack(pack) => pack.len() / 2,
            ZSetRef::Tree(set) => set.len(),
        }
    }

    /// Whether there is none. Only while a set is being built or emptied: no key holds such a set.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The score of a member.
    #[inline]
    pub fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            ZSetRef::Pack(pack) => find(pack, member).map(|pair| pair.score),
            ZSetRef::Tree(set) => set.score(member),
        }
    }

    /// How many members come before this one, and its score.
    pub fn rank(self, member: &[u8]) -> Option<(usize, f64)> {
        match self {
            ZSetRef::Pack(pack) => {
                let member = Element::from_text(member);
                let mut pairs = Pairs::of(pack).enumerate();
                pairs.find(|(_, pair)| pair.member == member).map(|(rank, pair)| (rank, pair.score))
            }
            ZSetRef::Tree(set) => set.rank(member),
        }
    }

    /// How many members lie before a place.
    pub fn rank_of(self, place: Place<'_>) -> usize {
        match (self, place) {
            (_, Place::Start) => 0,
            (set, Place::End) => set.len(),
            (ZSetRef::Pack(pack), _) => Pairs::of(pack).take_while(|pair| is_behind(place, pair)).count(),
            (ZSetRef::Tree(set), _) => set.rank_of(place),
        }
    }

    /// Members by rank, in order. What lies behind the last one is left out.
    #[inline]
    pub fn iter(self, ranks: Range<usize>) -> Scored<'a> {
        match self {
            ZSetRef::Pack(pack) => {
                let left = ranks.end.min(pack.len() / 2).saturating_sub(ranks.start);
                let mut pairs = Pairs::of(pack);
                for _ in 0..2 * ranks.start.min(pack.len()) {
                    pairs.0.next();
                }
                Scored(Source::Pack(pairs, left))
            }
            ZSetRef::Tree(set) => Scored(Source::Tree(set.iter(ranks))),
        }
    }

    /// Members by rank, from the last of the range to its first.
    pub fn iter_back(self, ranks: Range<usize>) -> Scored<'a> {
        match self {
            ZSetRef::Pack(_) => {
                let mut pairs: Vec<_> = self.iter(ranks).collect();
                pairs.reverse();
                Scored(Source::Listed(pairs.into_iter()))
            }
            ZSetRef::Tree(set) => Scored(Source::Tree(set.iter_back(ranks))),
        }
    }

    /// All members, in order.
    pub fn all(self) -> Scored<'a> {
        self.iter(0..self.len())
    }

    /// Member number `rank` and its score.
    pub fn nth(self, rank: usize) -> Option<(Element<'a>, f64)> {
        match self {
            ZSetRef::Pack(_) => self.iter(rank..rank + 1).next(),
            ZSetRef::Tree(set) => set.nth(rank).map(|(member, score)| (Element::Str(member), score)),
        }
    }

    /// A step of ZSCAN: calls `f` with some members, about `count`, and gives the cursor of the next step, or 0 at the end. A small
    /// set is given as a whole.
    pub fn scan(self, cursor: u64, count: usize, f: &mut dyn FnMut(Element<'_>, f64)) -> u64 {
        match self {
            ZSetRef::Tree(set) => {
                set.scan(cursor, count, &mut |member, score| f(Element::Str(member), score))
            }
            ZSetRef::Pack(_) => {
                self.all().for_each(|(member, score)| f(member, score));
                0
            }
        }
    }

    /// A member, each with the same chance.
    pub fn random(self, rng: &mut fastrand::Rng) -> Option<(Element<'a>, f64)> {
        if self.is_empty() {
            return None;
        }
        self.nth(rng.usize(..self.len()))
    }
}

/// Some members of a sorted set, with their scores.
#[derive(Clone)]
pub struct Scored<'a>(Source<'a>);

#[derive(Clone)]
enum Source<'a> {
    /// The next one and those behind it, of which so many are to be given.
    Pack(Pairs<'a>, usize),
    /// Those of a pack in another order.
    Listed(std::vec::IntoIter<(Element<'a>, f64)>),
    Tree(zset::Iter<'a>),
}

impl<'a> Iterator for Scored<'a> {
    type Item = (Element<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Source::Tree(members) => members.next().map(|(member, score)| (Element::Str(member), score)),
            Source::Pack(pairs, left) => {
                *left = left.checked_sub(1)?;
                pairs.next().map(|pair| (pair.member, pair.score))
            }
            Source::Listed(members) => members.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match &self.0 {
            Source::Tree(members) => members.len(),
            Source::Pack(_, left) => *left,
            Source::Listed(members) => members.len(),
        };
        (left, Some(left))
    }
}

impl ExactSizeIterator for Scored<'_> {}
