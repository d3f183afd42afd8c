//! Collections that stand in the stream as one string.

pub(crate) mod duplicates;
mod error;
pub(crate) mod intset;
mod ziplist;
mod zipmap;

pub use error::{CompactError, IntsetError, ZiplistError, ZipmapError};
use listpack::{Entry, TextBuffer, View};

use crate::{Kind, score};

/// How a string holds a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// A sequence of entries.
    Listpack,
    /// A sequence of entries, as before Redis 7.0.
    Ziplist,
    /// Sorted numbers.
    Intset,
    /// Fields and values, as before Redis 2.6.
    Zipmap,
    /// A listpack of fields, values and expiries.
    TimedListpack,
}

/// A collection, or a node of a list, that stands in the stream as one string. Its bytes have been checked: their structure,
/// and what the kind of collection demands of its elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compact<'a> {
    /// Invariant: valid for `encoding` and `kind`.
    bytes: &'a [u8],
    encoding: Encoding,
    kind: Kind,
}

impl<'a> Compact<'a> {
    /// Checks `bytes` in all respects.
    pub(crate) fn check(
        bytes: &'a [u8],
        encoding: Encoding,
        kind: Kind,
    ) -> Result<Compact<'a>, CompactError> {
        let entries = match encoding {
            Encoding::Listpack | Encoding::TimedListpack => View::new(bytes)?.len(),
            Encoding::Ziplist => ziplist::check(bytes)?,
            Encoding::Zipmap => 2 * zipmap::check(bytes)?,
            // Order and uniqueness are part of the encoding.
            Encoding::Intset => {
                intset::check(bytes)?;
                return Ok(Compact { bytes, encoding, kind });
            }
        };
        let compact = Compact { bytes, encoding, kind };
        let step = compact.step();
        if !entries.is_multiple_of(step) {
            return Err(CompactError::Unpaired { entries });
        }
        if kind == Kind::ZSet {
            compact.check_members()?;
        }
        if encoding == Encoding::TimedListpack {
            compact.check_expiries()?;
        }
        if kind != Kind::List
            && duplicates::any(Firsts { entries: compact.entries(), step, left: entries / step })
        {
            return Err(CompactError::Duplicate);
        }
        Ok(compact)
    }

    /// How many entries make an element.
    fn step(self) -> usize {
        match (self.kind, self.encoding) {
            (_, Encoding::TimedListpack) => 3,
            (Kind::Hash | Kind::ZSet, _) => 2,
            _ => 1,
        }
    }

    /// Checks that the members of a sorted set have scores and stand in the order of those, then of their texts.
    fn check_members(self) -> Result<(), CompactError> {
        let (mut own, mut other) = (TextBuffer::new(), TextBuffer::new());
        let mut last: Option<(Entry<'_>, f64)> = None;
        let mut entries = self.entries();
        let mut index = 0;
        while let (Some(member), Some(score)) = (entries.next(), entries.next()) {
            let score = score::of(score).ok_or(CompactError::BadScore { index })?;
            if let Some((last, last_score)) = last
                && (score < last_score
                    || score == last_score && member.text(&mut own) <= last.text(&mut other))
            {
                return Err(CompactError::Unordered { index });
            }
            last = Some((member, score));
            index += 1;
        }
        Ok(())
    }

    fn check_expiries(self) -> Result<(), CompactError> {
        let bad = self.entries().skip(2).step_by(3).position(|expiry| timed(expiry).is_none());
        bad.map_or(Ok(()), |index| Err(CompactError::BadExpiry { index }))
    }

    /// What it is.
    pub fn kind(self) -> Kind {
        self.kind
    }

    /// How its string holds it.
    pub fn encoding(self) -> Encoding {
        self.encoding
    }

    /// Its bytes, valid for the encoding.
    pub fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Number of elements: members, or fields with their values.
    pub fn len(self) -> usize {
        match self.encoding {
            Encoding::Listpack => View::trusted(self.bytes).len() / self.step(),
            Encoding::Intset => intset::len(self.bytes),
            _ => self.entries().count() / self.step(),
        }
    }

    /// Whether there is no element. No server keeps such a collection; who loads it passes over it.
    pub fn is_empty(self) -> bool {
        self.entries().next().is_none()
    }

    /// The entries, one after the other: members and scores, or fields, values, and expiries if the encoding has them.
    pub fn entries(self) -> Entries<'a> {
        Entries(match self.encoding {
            Encoding::Listpack | Encoding::TimedListpack => Inner::Listpack(View::trusted(self.bytes).iter()),
            Encoding::Ziplist => Inner::Ziplist(ziplist::iter(self.bytes)),
            Encoding::Intset => Inner::Intset(intset::iter(self.bytes)),
            Encoding::Zipmap => Inner::Zipmap(zipmap::iter(self.bytes)),
        })
    }

    /// The fields of a hash, with their values and expiries in milliseconds of Unix time.
    pub fn fields(self) -> impl Iterator<Item = (Entry<'a>, Entry<'a>, Option<u64>)> {
        let mut entries = self.entries();
        let has_expiries = self.encoding == Encoding::TimedListpack;
        std::iter::from_fn(move || {
            let (field, value) = (entries.next()?, entries.next()?);
            let expiry = if has_expiries { timed(entries.next()?)? } else { None };
            Some((field, value, expiry))
        })
    }

    /// The members of a sorted set with their scores, in order.
    pub fn members(self) -> impl Iterator<Item = (Entry<'a>, f64)> {
        let mut entries = self.entries();
        std::iter::from_fn(move || Some((entries.next()?, score::of(entries.next()?)?)))
    }
}

/// The expiry that an entry stands for; the outer `None` if it stands for no time.
fn timed(entry: Entry<'_>) -> Option<Option<u64>> {
    match entry.as_int()? {
        0 => Some(None),
        at => u64::try_from(at).ok().map(Some),
    }
}

/// The entries of a [`Compact`].
#[derive(Clone)]
pub struct Entries<'a>(Inner<'a>);

#[derive(Clone)]
enum Inner<'a> {
    Listpack(listpack::Iter<'a>),
    Ziplist(ziplist::Iter<'a>),
    Intset(intset::Iter<'a>),
    Zipmap(zipmap::Iter<'a>),
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        match &mut self.0 {
            Inner::Listpack(entries) => entries.next(),
            Inner::Ziplist(entries) => entries.next(),
            Inner::Intset(numbers) => numbers.next().map(Entry::Int),
            Inner::Zipmap(texts) => texts.next().map(Entry::Str),
        }
    }
}

/// The first entry of each element.
#[derive(Clone)]
struct Firsts<'a> {
    entries: Entries<'a>,
    step: usize,
    left: usize,
}

impl<'a> Iterator for Firsts<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        self.left = self.left.checked_sub(1)?;
        let first = self.entries.next()?;
        for _ in 1..self.step {
            self.entries.next();
        }
        Some(first)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Firsts<'_> {}

#[cfg(test)]
mod tests;
