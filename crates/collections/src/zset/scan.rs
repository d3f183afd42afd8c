//! SCAN in the order of the hash, which does not change when a score does.
//!
//! The score table knows the hashes in their order, but not the members: these are looked for in the tree, among those of the same
//! score, by the bits of the hash that their blocks have beside them.

use std::collections::BTreeMap;

use super::page::short;
use super::{Place, ZSet};

/// Bits of a hash that a cursor has.
const CURSOR_BITS: u32 = u32::BITS;

/// So many members of the right score are looked through for each entry without a second thought.
const CHEAP: usize = 1024;
/// Where many members have one score, a step finds up to so many at a time: looking through these is what takes time, and it finds
/// many as fast as one.
const MAX_STEP: usize = 8192;

/// What is to be found: the hashes, in order, and how many entries of each there are.
type Wanted = BTreeMap<u32, usize>;

pub(super) fn scan(set: &ZSet, cursor: u64, count: usize, f: &mut dyn FnMut(&[u8], f64)) -> u64 {
    if cursor >> CURSOR_BITS != 0 {
        return 0;
    }
    // Scores in the order of their bits: which order does not matter, as long as equal ones come together.
    let mut wanted: BTreeMap<u64, Wanted> = BTreeMap::new();
    let mut room = count.max(1);
    let mut taken = 0;
    let mut from = cursor;
    loop {
        let (page, behind) = set.scores.page_and_next(from << CURSOR_BITS);
        let first = page.hashes().partition_point(|hash| u64::from(*hash) < from);
        // Entries of one hash stay together: the cursor can't tell them apart.
        let mut last = page.hashes().len().min(first + room);
        while last > first && page.hashes().get(last) == Some(&page.hashes()[last - 1]) {
            last += 1;
        }
        for index in first..last {
            let score = page.score(index);
            // The zeros are one score.
            let score = if score == 0.0 { 0.0 } else { score };
            let group = wanted.entry(score.to_bits()).or_insert_with(|| {
                let members = set.rank_of(Place::AfterScore(score)) - set.rank_of(Place::BeforeScore(score));
                if members > CHEAP {
                    room = room.max((members / 16).min(MAX_STEP).saturating_sub(taken));
                }
                Wanted::new()
            });
            *group.entry(page.hashes()[index]).or_default() += 1;
        }
        taken += last - first;
        room = room.saturating_sub(last - first);
        from = match page.hashes().get(last) {
            Some(_) if room > 0 => u64::from(page.hashes()[last]),
            Some(hash) => {
                from = u64::from(*hash);
                break;
            }
            None => behind >> CURSOR_BITS,
        };
        if room == 0 || from == 0 {
            break;
        }
    }
    for (score, wanted) in wanted {
        find(set, f64::from_bits(score), wanted, f);
    }
    from
}

/// Gives the members of this score whose hash is wanted.
fn find(set: &ZSet, score: f64, mut wanted: Wanted, f: &mut dyn FnMut(&[u8], f64)) {
    let Some(mut cursor) = set.tree.cursor_at(|separator| separator.is_before(Place::BeforeScore(score)))
    else {
        return;
    };
    let tags = Tags::of(&wanted);
    let mut index = cursor.leaf().rank_of(Place::BeforeScore(score));
    loop {
        let block = cursor.leaf();
        while index < block.len() {
            if block.score(index) != score {
                return;
            }
            if tags.has(block.tag(index)) {
                let member = block.member(index);
                let hash = short(set.hasher.hash(member));
                if let Some(left) = wanted.get_mut(&hash) {
                    f(member, block.score(index));
                    *left -= 1;
                    if *left == 0 {
                        wanted.remove(&hash);
                        if wanted.is_empty() {
                            return;
                        }
                    }
                }
            }
            index += 1;
        }
        if !cursor.next_leaf() {
            return;
        }
        index = 0;
    }
}

/// A set of sixteen-bit tags.
enum Tags {
    One(u16),
    /// A bit each.
    Many(Box<[u64; 1024]>),
}

impl Tags {
    fn of(wanted: &Wanted) -> Self {
        let mut tags = wanted.keys().map(|hash| *hash as u16);
        if let (Some(tag), None) = (tags.next(), tags.next()) {
            return Self::One(tag);
        }
        let mut bits = Box::new([0; 1024]);
        for hash in wanted.keys() {
            bits[usize::from(*hash as u16) / 64] |= 1 << (*hash % 64);
        }
        Self::Many(bits)
    }

    #[inline]
    fn has(&self, tag: u16) -> bool {
        match self {
            Self::One(own) => *own == tag,
            Self::Many(bits) => bits[usize::from(tag) / 64] >> (tag % 64) & 1 == 1,
        }
    }
}
