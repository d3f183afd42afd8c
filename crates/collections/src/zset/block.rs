//! Blocks of members in order: the leaves of a sorted set's tree.
//!
//! ```text
//! score, eight bytes each │ mark, four bytes each │ members, one behind the other
//! ```
//!
//! A mark says where its member ends and has sixteen bits of its hash. A member too long for a block has a piece of memory of its
//! own and takes no room among the others.

use std::cmp::Ordering;
use std::ops::Range;

use smallvec::SmallVec;
use triomphe::Arc;

use super::Place;
use crate::alloc::size_class;
use crate::tree::Leaf;

/// A block with more members than this is split.
const MAX_LEN: usize = if cfg!(test) { 12 } else { 64 };
/// So is one with more bytes.
const MAX_BYTES: usize = 4096;
/// With fewer members than this, and fewer bytes, a block looks for a neighbour to join.
const MIN_LEN: usize = MAX_LEN / 4;
const MIN_BYTES: usize = MAX_BYTES / 4;
/// What two blocks may have together to become one: there must be room left, or the next additions split it again.
const UNITED_LEN: usize = MAX_LEN * 3 / 4;
const UNITED_BYTES: usize = MAX_BYTES * 3 / 4;

/// A member longer than this lies outside.
const INLINE_MAX: usize = 512;

/// Bytes that a member takes besides its own.
const FIXED: usize = SCORE + MARK;
const SCORE: usize = 8;
const MARK: usize = 4;

/// In a mark: the member lies outside.
const OUTSIDE: u32 = 1 << 15;
/// In a mark: the end of the member, counted from the beginning of the first one.
const END: u32 = OUTSIDE - 1;

/// The bits of a hash that a mark has. Whoever looks for a hash knows the score, and there may be many members of that.
#[inline]
pub(super) fn tag_of(hash: u64) -> u16 {
    (hash >> 32) as u16
}

/// See the module's documentation.
#[derive(Clone, Default)]
pub(super) struct Block {
    bytes: Vec<u8>,
    len: u16,
    /// Where the last addition went. One that is full of members that came in order is not split in the middle.
    newest: u16,
    /// The members that lie outside, in order.
    #[expect(clippy::box_collection, reason = "few blocks have any, and all carry this")]
    outside: Option<Box<Vec<Arc<[u8]>>>>,
}

impl Block {
    #[inline]
    pub(super) fn len(&self) -> usize {
        usize::from(self.len)
    }

    #[inline]
    fn scores(&self) -> &[[u8; SCORE]] {
        self.bytes[..self.len() * SCORE].as_chunks().0
    }

    #[inline]
    fn marks(&self) -> &[[u8; MARK]] {
        let len = self.len();
        self.bytes[len * SCORE..len * FIXED].as_chunks().0
    }

    #[inline]
    fn marks_mut(&mut self) -> &mut [[u8; MARK]] {
        let len = self.len();
        self.bytes[len * SCORE..len * FIXED].as_chunks_mut().0
    }

    #[inline]
    fn mark(&self, index: usize) -> u32 {
        u32::from_le_bytes(self.marks()[index])
    }

    /// Where member number `index` begins among the members; where they end, if there are just so many.
    #[inline]
    fn start(&self, index: usize) -> usize {
        match index.checked_sub(1) {
            None => 0,
            Some(before) => (self.mark(before) & END) as usize,
        }
    }

    #[inline]
    pub(super) fn score(&self, index: usize) -> f64 {
        f64::from_le_bytes(self.scores()[index])
    }

    #[inline]
    pub(super) fn tag(&self, index: usize) -> u16 {
        (self.mark(index) >> 16) as u16
    }

    #[inline]
    pub(super) fn member(&self, index: usize) -> &[u8] {
        let mark = self.mark(index);
        if mark & OUTSIDE != 0 {
            return self.outside_member(index);
        }
        let from = self.len() * FIXED;
        &self.bytes[from + self.start(index)..from + (mark & END) as usize]
    }

    #[cold]
    fn outside_member(&self, index: usize) -> &[u8] {
        let number = self.outside_before(index);
        self.outside.as_ref().and_then(|members| members.get(number)).map_or(&[], |member| member)
    }

    /// How many members before number `index` lie outside.
    fn outside_before(&self, index: usize) -> usize {
        if self.outside.is_none() {
            return 0;
        }
        self.marks()[..index].iter().filter(|mark| u32::from_le_bytes(**mark) & OUTSIDE != 0).count()
    }

    /// Where a member of this score is, or would belong.
    #[inline]
    pub(super) fn find(&self, score: f64, member: &[u8]) -> Result<usize, usize> {
        let scores = self.scores();
        let from = scores.partition_point(|own| f64::from_le_bytes(*own) < score);
        let mut to = from;
        while to < scores.len() && f64::from_le_bytes(scores[to]) == score {
            to += 1;
            if to - from > 8 {
                to += scores[to..].partition_point(|own| f64::from_le_bytes(*own) <= score);
                break;
            }
        }
        let (mut low, mut high) = (from, to);
        while low < high {
            let middle = (low + high) / 2;
            match self.member(middle).cmp(member) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Ok(middle),
                Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// How many members lie before a place.
    pub(super) fn rank_of(&self, place: Place<'_>) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            if place.is_behind(self.score(middle), || self.member(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Makes room for `more` bytes: as many as the allocator gives anyway.
    fn reserve(&mut self, more: usize) {
        let needed = self.bytes.len() + more;
        if needed > self.bytes.capacity() {
            self.bytes.reserve_exact(size_class(needed) - self.bytes.len());
        }
    }

    /// Puts a member in front of number `at`.
    pub(super) fn insert(&mut self, at: usize, score: f64, member: &[u8], tag: u16) {
        let (len, start) = (self.len(), self.start(at));
        let is_outside = member.len() > INLINE_MAX;
        if is_outside {
            let number = self.outside_before(at);
            self.outside.get_or_insert_default().insert(number, Arc::from(member));
        }
        let inline = if is_outside { &[] } else { member };
        self.reserve(FIXED + inline.len());
        let old_end = self.bytes.len();
        self.bytes.resize(old_end + FIXED + inline.len(), 0);
        // From behind: the members behind the new one; those before it, with the marks from its own on; the scores from its own
        // on, with the marks before its own.
        let text = len * FIXED + start;
        let mark = len * SCORE + at * MARK;
        self.bytes.copy_within(text..old_end, text + FIXED + inline.len());
        self.bytes.copy_within(mark..text, mark + FIXED);
        self.bytes.copy_within(at * SCORE..mark, (at + 1) * SCORE);
        self.bytes[text + FIXED..][..inline.len()].copy_from_slice(inline);
        self.bytes[at * SCORE..][..SCORE].copy_from_slice(&score.to_le_bytes());
        self.len += 1;
        self.newest = at as u16;
        let flag = if is_outside { OUTSIDE } else { 0 };
        let marks = self.marks_mut();
        marks[at] = (u32::from(tag) << 16 | flag | start as u32).to_le_bytes();
        for mark in &mut marks[at..] {
            *mark = (u32::from_le_bytes(*mark) + inline.len() as u32).to_le_bytes();
        }
    }

    /// Takes members out.
    pub(super) fn remove(&mut self, range: Range<usize>) {
        let (len, count) = (self.len(), range.len());
        if count == 0 {
            return;
        }
        if self.outside.is_some() {
            let gone = self.outside_before(range.start)..self.outside_before(range.end);
            self.outside.as_mut().map(|members| members.drain(gone).count());
            self.outside.take_if(|members| members.is_empty());
        }
        let (from, to) = (self.start(range.start), self.start(range.end));
        for mark in &mut self.marks_mut()[range.end..] {
            *mark = (u32::from_le_bytes(*mark) - (to - from) as u32).to_le_bytes();
        }
        // From the front: the scores behind, with the marks before; the marks behind, with the members before; the members behind.
        let end = self.bytes.len();
        let mark = len * SCORE + range.start * MARK;
        self.bytes.copy_within(range.end * SCORE..mark, range.start * SCORE);
        self.bytes.copy_within(mark + count * MARK..len * FIXED + from, mark - count * SCORE);
        self.bytes.copy_within(len * FIXED + to..end, (len - count) * FIXED + from);
        self.bytes.truncate(end - count * FIXED - (to - from));
        self.len -= count as u16;
        self.newest = 0;
        self.shrink();
    }

    /// Gives memory back if there is much of it to spare.
    fn shrink(&mut self) {
        let spare = self.bytes.capacity() - self.bytes.len();
        if spare > 128 + self.bytes.len() / 4 {
            self.bytes.shrink_to(size_class(self.bytes.len()));
        }
    }

    /// Moves a member of the block to another score, if that leaves it between the same neighbours of the block.
    ///
    /// `alone`: the block has no neighbours.
    pub(super) fn relocate(&mut self, from: usize, score: f64, member: &[u8], alone: bool) -> bool {
        // Where it belongs while it is still in its old place.
        let to = match self.find(score, member) {
            Ok(to) | Err(to) => to,
        };
        let inside = 0 < to && to < self.len();
        if !(inside || alone) {
            return false;
        }
        if to == from || to == from + 1 {
            // Among its own neighbours.
            self.bytes[from * SCORE..][..SCORE].copy_from_slice(&score.to_le_bytes());
            return true;
        }
        let tag = self.tag(from);
        self.remove(from..from + 1);
        self.insert(if to > from { to - 1 } else { to }, score, member, tag);
        true
    }

    /// What takes up the memory that blocks have limits for.
    fn size(&self) -> usize {
        self.bytes.len()
    }

    fn outside_members(&self) -> &[Arc<[u8]>] {
        self.outside.as_ref().map_or(&[], |members| members)
    }
}

/// What lies between two blocks: a score, and as much of a member as it takes.
#[derive(Clone)]
pub(super) struct Separator {
    score: f64,
    member: SmallVec<[u8; 16]>,
}

impl Separator {
    /// Whether a member of this score does not belong before the separator.
    #[inline]
    pub(super) fn is_reached_by(&self, score: f64, member: &[u8]) -> bool {
        self.score < score || (self.score == score && self.member[..] <= *member)
    }

    /// Whether it lies before a place.
    pub(super) fn is_before(&self, place: Place<'_>) -> bool {
        place.is_behind(self.score, || &self.member)
    }
}

impl Leaf for Block {
    type Key = Separator;

    #[inline]
    fn weight(&self) -> u64 {
        u64::from(self.len)
    }

    fn separator(&self, next: &Self) -> Separator {
        let last = self.len().saturating_sub(1);
        let score = next.score(0);
        if self.score(last) < score {
            return Separator { score, member: SmallVec::new() };
        }
        let (below, member) = (self.member(last), next.member(0));
        let same = below.iter().zip(member).take_while(|(below, above)| below == above).count();
        Separator { score, member: SmallVec::from_slice(&member[..same + 1]) }
    }

    #[inline]
    fn is_overfull(&self) -> bool {
        self.len() > MAX_LEN || (self.size() > MAX_BYTES && self.len() > 1)
    }

    fn is_underfull(&self) -> bool {
        self.len() < MIN_LEN && self.size() < MIN_BYTES
    }

    fn split(&mut self) -> Self {
        let len = self.len();
        /// What is left to the part that has no more members to expect.
        const FEW: usize = MAX_LEN / 16;
        let at = match usize::from(self.newest) {
            0 => FEW + 1,
            newest if newest + 1 == len => len - FEW - 1,
            _ => len / 2,
        };
        let at = at.clamp(1, len - 1);
        let (start, outside) = (self.start(at), self.outside_before(at));
        let text = len * FIXED;
        let size = (len - at) * FIXED + self.bytes.len() - text - start;
        let mut rest =
            Self { bytes: Vec::with_capacity(size_class(size)), len: (len - at) as u16, ..Self::default() };
        rest.bytes.extend_from_slice(&self.bytes[at * SCORE..len * SCORE]);
        rest.bytes.extend_from_slice(&self.bytes[len * SCORE + at * MARK..text]);
        rest.bytes.extend_from_slice(&self.bytes[text + start..]);
        for mark in rest.marks_mut() {
            *mark = (u32::from_le_bytes(*mark) - start as u32).to_le_bytes();
        }
        rest.newest = (len - at) as u16 / 2;
        if let Some(members) = &mut self.outside {
            let rest_of = members.split_off(outside);
            rest.outside = (!rest_of.is_empty()).then(|| Box::new(rest_of));
            self.outside.take_if(|members| members.is_empty());
        }
        self.bytes.copy_within(len * SCORE..len * SCORE + at * MARK, at * SCORE);
        self.bytes.copy_within(text..text + start, at * FIXED);
        self.bytes.truncate(at * FIXED + start);
        self.bytes.shrink_to(size_class(self.bytes.len()));
        self.len = at as u16;
        self.newest = at as u16 / 2;
        rest
    }

    fn absorb(&mut self, next: &Self) -> bool {
        if self.len() + next.len() > UNITED_LEN || self.size() + next.size() > UNITED_BYTES {
            return false;
        }
        let (own, theirs) = (self.len(), next.len());
        let (own_text, their_text) = (&self.bytes[own * FIXED..], &next.bytes[theirs * FIXED..]);
        let mut bytes = Vec::with_capacity(size_class(self.size() + next.size()));
        bytes.extend_from_slice(self.scores().as_flattened());
        bytes.extend_from_slice(next.scores().as_flattened());
        bytes.extend_from_slice(self.marks().as_flattened());
        for mark in next.marks() {
            bytes.extend_from_slice(&(u32::from_le_bytes(*mark) + own_text.len() as u32).to_le_bytes());
        }
        bytes.extend_from_slice(own_text);
        bytes.extend_from_slice(their_text);
        self.bytes = bytes;
        self.len += next.len;
        self.newest = self.len / 2;
        if !next.outside_members().is_empty() {
            self.outside.get_or_insert_default().extend_from_slice(next.outside_members());
        }
        true
    }

    fn heap_bytes(&self) -> usize {
        let outside = match &self.outside {
            None => 0,
            Some(members) => {
                let each = size_of::<Arc<[u8]>>() + size_of::<usize>();
                size_of_val(&**members) + members.iter().map(|member| each + member.len()).sum::<usize>()
            }
        };
        self.bytes.capacity() + outside
    }
}
