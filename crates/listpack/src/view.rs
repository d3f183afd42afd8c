//! Reading a listpack.

use std::fmt;
use std::iter::FusedIterator;

use crate::encoding::{self, END};
use crate::{Entry, Error, back_length};

/// Bytes before the first entry: the total of bytes and the count of entries.
pub(crate) const HEADER: usize = 4 + 2;
/// The least a listpack has: a header and an end mark.
pub(crate) const EMPTY: usize = HEADER + 1;
/// The count that says nothing: with this many entries or more they have to be counted.
pub(crate) const UNKNOWN: u16 = u16::MAX;

/// Where an entry begins, or the end mark stands. Good for as long as the listpack is not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub(crate) usize);

/// A listpack that somebody else owns.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// Invariant: a valid listpack.
    bytes: &'a [u8],
}

impl<'a> View<'a> {
    /// Checks all of `bytes`, front to back.
    pub fn new(bytes: &'a [u8]) -> Result<View<'a>, Error> {
        validate(bytes)?;
        Ok(View { bytes })
    }

    /// A view of what is known to be valid, for instance because [`View::new`] has accepted it before.
    ///
    /// Other bytes give wrong entries or a panic, though nothing worse.
    #[inline]
    pub fn trusted(bytes: &'a [u8]) -> View<'a> {
        View { bytes }
    }

    /// The bytes, header and end mark included.
    pub fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Number of entries. Beyond 65534 they have to be counted one by one.
    pub fn len(self) -> usize {
        match count(self.bytes) {
            UNKNOWN => self.iter().count(),
            count => usize::from(count),
        }
    }

    /// Whether there is no entry.
    pub fn is_empty(self) -> bool {
        self.bytes.len() == EMPTY
    }

    /// The entries, from either end.
    pub fn iter(self) -> Iter<'a> {
        Iter { view: self, front: HEADER, back: self.bytes.len() - 1 }
    }

    /// The entries from `position` on.
    pub fn iter_from(self, position: Position) -> Iter<'a> {
        Iter { front: position.0, ..self.iter() }
    }

    /// The entry at `index`; a negative index counts from the end, where -1 is the last.
    pub fn get(self, index: isize) -> Option<Entry<'a>> {
        self.seek(index).and_then(|position| self.at(position))
    }

    /// Where the entry at `index` begins; a negative index counts from the end, where -1 is the last.
    pub fn seek(self, index: isize) -> Option<Position> {
        let count = count(self.bytes);
        let from_back = match usize::try_from(index) {
            Err(_) => index.unsigned_abs() - 1,
            // The way from the end may be the shorter one.
            Ok(index) if count != UNKNOWN => {
                let after = usize::from(count).checked_sub(index + 1)?;
                if after >= index {
                    return self.iter().positions().nth(index).map(|(position, _)| position);
                }
                after
            }
            Ok(index) => return self.iter().positions().nth(index).map(|(position, _)| position),
        };
        self.iter().positions().nth_back(from_back).map(|(position, _)| position)
    }

    /// The first position, which is the end's if there is no entry.
    pub fn first(self) -> Position {
        Position(HEADER)
    }

    /// The position behind the last entry.
    pub fn end(self) -> Position {
        Position(self.bytes.len() - 1)
    }

    /// The entry at a position; `None` at the end.
    #[inline]
    pub fn at(self, position: Position) -> Option<Entry<'a>> {
        self.entry(position.0).map(|(entry, _)| entry)
    }

    /// The position after the one given; `None` from the end.
    pub fn next(self, position: Position) -> Option<Position> {
        self.entry(position.0).map(|(_, next)| Position(next))
    }

    /// The position before the one given; `None` from the first.
    pub fn prev(self, position: Position) -> Option<Position> {
        self.entry_before(position.0).map(Position)
    }

    /// The first of every `step`-th entry from `from` on whose text is `text`: with a step of two, the keys or the
    /// values of a list of pairs.
    pub fn find(self, text: &[u8], from: Position, step: usize) -> Option<Position> {
        // Comparing in the entries' own form spares printing the numbers.
        let wanted = Entry::from_text(text);
        let matches = |entry| match (entry, wanted) {
            (Entry::Str(own), _) => own == text,
            (own, wanted) => own == wanted,
        };
        self.iter_from(from)
            .positions()
            .step_by(step.max(1))
            .find_map(|(at, entry)| matches(entry).then_some(at))
    }

    /// The entry that begins at `at`, and where the next one does; `None` at the end mark.
    #[inline]
    fn entry(self, at: usize) -> Option<(Entry<'a>, usize)> {
        let entries = &self.bytes[..self.bytes.len() - 1];
        if at >= entries.len() {
            return None;
        }
        let (entry, len) = encoding::decode(entries, at).ok()?;
        Some((entry, at + len + back_length::size(len)))
    }

    /// Where the entry begins that ends before `at`.
    #[inline]
    fn entry_before(self, at: usize) -> Option<usize> {
        let (len, taken) = back_length::read_back(self.bytes.get(HEADER..at)?)?;
        at.checked_sub(len + taken)
    }
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for View<'a> {
    type Item = Entry<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The entries of a listpack, from either end.
#[derive(Clone)]
pub struct Iter<'a> {
    view: View<'a>,
    /// Invariant: `front <= back`; both are where an entry begins or the end mark stands.
    front: usize,
    back: usize,
}

impl<'a> Iter<'a> {
    /// The same entries with their positions.
    pub fn positions(self) -> Positions<'a> {
        Positions(self)
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        if self.front >= self.back {
            return None;
        }
        let (entry, next) = self.view.entry(self.front)?;
        self.front = next;
        Some(entry)
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        self.back = self.view.entry_before(self.back)?;
        self.view.entry(self.back).map(|(entry, _)| entry)
    }
}

impl FusedIterator for Iter<'_> {}

/// The entries of a listpack with their positions, from either end.
#[derive(Clone)]
pub struct Positions<'a>(Iter<'a>);

impl<'a> Iterator for Positions<'a> {
    type Item = (Position, Entry<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let position = Position(self.0.front);
        self.0.next().map(|entry| (position, entry))
    }
}

impl DoubleEndedIterator for Positions<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(|entry| (Position(self.0.back), entry))
    }
}

impl FusedIterator for Positions<'_> {}

/// The header's count of entries.
pub(crate) fn count(bytes: &[u8]) -> u16 {
    u16::from_le_bytes([bytes[4], bytes[5]])
}

/// Checks that `bytes` are one listpack and nothing else. Needs no memory, and visits each entry once.
fn validate(bytes: &[u8]) -> Result<(), Error> {
    let (Some((header, _)), true) = (bytes.split_first_chunk::<HEADER>(), bytes.len() >= EMPTY) else {
        return Err(Error::TooShort { len: bytes.len() });
    };
    let [t0, t1, t2, t3, _, _] = *header;
    let declared = u32::from_le_bytes([t0, t1, t2, t3]);
    if u32::try_from(bytes.len()) != Ok(declared) {
        return Err(Error::WrongTotal { declared, actual: bytes.len() });
    }
    let end = bytes.len() - 1;
    if bytes[end] != END {
        return Err(Error::BadEnd { at: end });
    }
    let entries = &bytes[..end];
    let mut at = HEADER;
    let mut actual = 0;
    while at < end {
        // Nearly all are short: then one byte says so behind them, and what they say is of no interest here.
        if let Some(len) = encoding::short_len(entries[at])
            && entries.get(at + len).is_some_and(|&back| usize::from(back) == len)
        {
            at += len + 1;
            actual += 1;
            continue;
        }
        let (_, len) = encoding::decode(entries, at)?;
        let back = back_length::Encoded::new(len);
        let back = back.as_slice();
        if !entries[at + len..].starts_with(back) {
            return Err(Error::BadBackLength { at: at + len });
        }
        at += len + back.len();
        actual += 1;
    }
    let declared = count(bytes);
    if declared != UNKNOWN && usize::from(declared) != actual {
        return Err(Error::WrongCount { declared, actual });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `hello`, 1000, then the empty string.
    const SAMPLE: &[u8] = b"\x13\0\0\0\x03\0\x85hello\x06\xc3\xe8\x02\x80\x01\xff";

    fn check(bytes: &[u8], expected: Result<&str, Error>) {
        let found = View::new(bytes).map(|view| format!("{view:?}"));
        assert_eq!(found.as_deref().map_err(|&error| error), expected);
    }

    #[test]
    fn valid_by_hand() {
        check(b"\x07\0\0\0\0\0\xff", Ok("[]"));
        check(SAMPLE, Ok("[\"hello\", 1000, \"\"]"));
        // A count that says nothing is fine with few entries too.
        check(b"\x09\0\0\0\xff\xff\x05\x01\xff", Ok("[5]"));
        assert_eq!(View::new(b"\x09\0\0\0\xff\xff\x05\x01\xff").unwrap().len(), 1);
    }

    #[test]
    fn invalid_by_hand() {
        check(b"", Err(Error::TooShort { len: 0 }));
        check(b"\x06\0\0\0\0\0", Err(Error::TooShort { len: 6 }));
        check(b"\x08\0\0\0\0\0\xff", Err(Error::WrongTotal { declared: 8, actual: 7 }));
        check(b"\xff\xff\xff\xff\0\0\xff", Err(Error::WrongTotal { declared: u32::MAX, actual: 7 }));
        check(b"\x07\0\0\0\0\0\x00", Err(Error::BadEnd { at: 6 }));
        check(b"\x08\0\0\0\0\0\xff\xff", Err(Error::BadEnd { at: 6 }));
        check(b"\x09\0\0\0\x01\0\xf5\x01\xff", Err(Error::BadEncoding { byte: 0xf5, at: 6 }));
        check(b"\x09\0\0\0\x01\0\x85\x01\xff", Err(Error::Truncated { at: 6 }));
        check(b"\x09\0\0\0\x01\0\x05\x02\xff", Err(Error::BadBackLength { at: 7 }));
        check(b"\x08\0\0\0\x01\0\x05\xff", Err(Error::BadBackLength { at: 7 }));
        check(b"\x09\0\0\0\x02\0\x05\x01\xff", Err(Error::WrongCount { declared: 2, actual: 1 }));
    }

    #[test]
    fn cuts_and_flips_are_found_or_harmless() {
        for cut in 0..SAMPLE.len() {
            assert!(View::new(&SAMPLE[..cut]).is_err());
        }
        for bit in 0..SAMPLE.len() * 8 {
            let mut damaged = SAMPLE.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            if let Ok(view) = View::new(&damaged) {
                // Only an entry's content can have changed.
                assert_eq!(view.len(), 3);
                assert_eq!(view.iter().rev().count(), 3);
            }
        }
    }

    #[test]
    fn both_directions_and_every_index() {
        let view = View::new(SAMPLE).unwrap();
        let entries = [Entry::Str(b"hello"), Entry::Int(1000), Entry::Str(b"")];
        assert!(view.iter().eq(entries));
        assert!(view.iter().rev().eq(entries.into_iter().rev()));
        let mut both = view.iter();
        assert_eq!(
            (both.next(), both.next_back(), both.next_back()),
            (Some(entries[0]), Some(entries[2]), Some(entries[1]))
        );
        assert_eq!((both.next(), both.next_back()), (None, None));
        for index in 0..3 {
            assert_eq!(view.get(index), Some(entries[index as usize]));
            assert_eq!(view.get(index - 3), Some(entries[index as usize]));
        }
        for index in [3, -4, isize::MAX, isize::MIN] {
            assert_eq!(view.get(index), None);
        }
    }

    #[test]
    fn positions() {
        let view = View::new(SAMPLE).unwrap();
        let mut position = view.first();
        let mut forward = vec![];
        while let Some(entry) = view.at(position) {
            forward.push(entry.to_vec());
            assert_eq!(view.prev(view.next(position).unwrap()), Some(position));
            position = view.next(position).unwrap();
        }
        assert_eq!(forward, [&b"hello"[..], b"1000", b""]);
        assert_eq!(position, view.end());
        assert_eq!((view.next(view.end()), view.prev(view.first())), (None, None));
        assert_eq!(view.find(b"1000", view.first(), 1), view.seek(1));
        assert_eq!(view.find(b"1000", view.first(), 2), None);
        assert_eq!(view.find(b"", view.first(), 2), view.seek(2));
        assert_eq!(view.find(b"hello", view.seek(1).unwrap(), 1), None);
    }

    proptest! {
        #[test]
        fn noise_never_panics(noise in proptest::collection::vec(prop_oneof![any::<u8>(), 0xf0u8..], 0..60)) {
            let total = (noise.len() + EMPTY) as u32;
            let bytes = [&total.to_le_bytes()[..], &[0xff; 2], &noise, &[END]].concat();
            if let Ok(view) = View::new(&bytes) {
                let forward: Vec<_> = view.iter().collect();
                let mut backward: Vec<_> = view.iter().rev().collect();
                backward.reverse();
                prop_assert_eq!(forward, backward);
            }
        }
    }
}
