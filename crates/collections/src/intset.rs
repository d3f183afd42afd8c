//! The intset: a set of numbers in ascending order, in one piece of memory.
//!
//! ```text
//! width     4 bytes, little-endian: 2, 4 or 8 bytes a number
//! count     4 bytes, little-endian
//! number …  signed, little-endian, each greater than the one before it
//! ```
//!
//! These are the bytes that Redis and Valkey keep such sets in and write into their dumps. The width is that of the number that
//! needs most; it grows when one comes that does not fit, and never shrinks.
//!
//! [`IntSet`] reads bytes that somebody else owns. What changes them is an [`Insertion`] or a range to cut out, which the owner
//! carries out where the bytes are.
//!
//! ```
//! use collections::intset::{self, IntSet};
//!
//! let mut bytes = intset::of([3, 70_000, 5]);
//! assert_eq!(IntSet::new(&bytes).width(), 4);
//! assert!(IntSet::new(&bytes).contains(5));
//! intset::insert(&mut bytes, -1);
//! intset::remove(&mut bytes, 5);
//! assert_eq!(IntSet::new(&bytes).iter().collect::<Vec<_>>(), [-1, 3, 70_000]);
//! ```

use std::fmt;
use std::ops::Range;

/// Bytes before the first number.
pub const HEADER: usize = 8;
/// Where the count stands.
pub const COUNT: Range<usize> = 4..8;
/// A set without numbers, two bytes wide.
pub const EMPTY: [u8; HEADER] = [2, 0, 0, 0, 0, 0, 0, 0];
/// More numbers than this a set must not hold: servers that read its bytes count them with fewer bits than the count has.
pub const MAX_LEN: usize = 1 << 30;

/// Why bytes from outside are no intset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The width is none of those that there are.
    Width(u32),
    /// There are more or fewer bytes than the header says.
    Length {
        /// Bytes by the header.
        expected: u64,
        /// Bytes that came.
        found: usize,
    },
    /// Number `index` is not greater than the one before it.
    Order {
        /// Counted from 0.
        index: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Width(width) => write!(f, "an intset of {width} bytes a number"),
            Error::Length { expected, found } => {
                write!(f, "an intset of {found} bytes where its header says {expected}")
            }
            Error::Order { index } => write!(f, "number {index} of an intset is out of order"),
        }
    }
}

impl std::error::Error for Error {}

/// An intset that somebody else owns.
///
/// It believes its bytes. Of those that are no intset it makes fewer numbers than they announce, and nothing worse.
#[derive(Clone, Copy)]
pub struct IntSet<'a> {
    width: Width,
    numbers: &'a [u8],
    len: usize,
}

/// Bytes a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Width {
    Two = 2,
    Four = 4,
    Eight = 8,
}

impl Width {
    /// The least that holds `number`.
    #[inline]
    fn of(number: i64) -> Width {
        if i16::try_from(number).is_ok() {
            Width::Two
        } else if i32::try_from(number).is_ok() {
            Width::Four
        } else {
            Width::Eight
        }
    }
}

impl<'a> IntSet<'a> {
    /// A view of an intset.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        let (width, count) = header(bytes);
        let width = match width {
            8 => Width::Eight,
            4 => Width::Four,
            _ => Width::Two,
        };
        let numbers = bytes.get(HEADER..).unwrap_or_default();
        IntSet { width, numbers, len: (count as usize).min(numbers.len() / width as usize) }
    }

    /// A view of bytes from outside, after a look at all of them.
    ///
    /// # Errors
    ///
    /// When the bytes are no intset.
    pub fn check(bytes: &'a [u8]) -> Result<Self, Error> {
        let (width, count) = header(bytes);
        if !matches!(width, 2 | 4 | 8) {
            return Err(Error::Width(width));
        }
        let expected = HEADER as u64 + u64::from(width) * u64::from(count);
        if expected != bytes.len() as u64 {
            return Err(Error::Length { expected, found: bytes.len() });
        }
        let set = IntSet::new(bytes);
        let mut numbers = set.iter();
        if let Some(mut last) = numbers.next() {
            for (index, number) in numbers.enumerate() {
                if number <= last {
                    return Err(Error::Order { index: index + 1 });
                }
                last = number;
            }
        }
        Ok(set)
    }

    /// How many numbers there are.
    #[inline]
    pub fn len(self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// Bytes a number.
    pub fn width(self) -> usize {
        self.width as usize
    }

    /// Number `index`, in ascending order.
    #[inline]
    pub fn get(self, index: usize) -> Option<i64> {
        if index >= self.len {
            return None;
        }
        let bytes = self.numbers.get(index * self.width as usize..)?;
        Some(match self.width {
            Width::Two => i16::from_le_bytes(*bytes.first_chunk()?).into(),
            Width::Four => i32::from_le_bytes(*bytes.first_chunk()?).into(),
            Width::Eight => i64::from_le_bytes(*bytes.first_chunk()?),
        })
    }

    /// The least and the greatest number.
    pub fn bounds(self) -> Option<(i64, i64)> {
        Some((self.get(0)?, self.get(self.len - 1)?))
    }

    /// The index of `number`, or the one that it would have.
    ///
    /// # Errors
    ///
    /// When the number is not there.
    #[inline]
    pub fn find(self, number: i64) -> Result<usize, usize> {
        // Numbers often come in order, so the end is looked at first.
        let Some(last) = self.len.checked_sub(1).and_then(|last| self.get(last)) else { return Err(0) };
        if number > last {
            return Err(self.len);
        }
        let (mut from, mut to) = (0, self.len);
        while from < to {
            let middle = from + (to - from) / 2;
            match self.get(middle).unwrap_or(i64::MAX).cmp(&number) {
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Greater => to = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(from)
    }

    /// Whether `number` is there.
    #[inline]
    pub fn contains(self, number: i64) -> bool {
        Width::of(number) <= self.width && self.find(number).is_ok()
    }

    /// The numbers in ascending order.
    #[inline]
    pub fn iter(self) -> Iter<'a> {
        Iter { set: self, from: 0, to: self.len }
    }

    /// A number, each with the same chance.
    pub fn random(self, rng: &mut fastrand::Rng) -> Option<i64> {
        if self.is_empty() { None } else { self.get(rng.usize(0..self.len)) }
    }

    /// The bytes of number `index`, for cutting them out.
    pub fn range(self, index: usize) -> Range<usize> {
        let width = self.width as usize;
        let from = HEADER + index * width;
        from..from + width
    }

    /// What adding `number` comes to; `None` if it is there already.
    #[inline]
    pub fn insertion(self, number: i64) -> Option<Insertion> {
        let width = Width::of(number);
        if width > self.width {
            return Some(Insertion::Widened(self.widened(number, width)));
        }
        let index = self.find(number).err()?;
        Some(Insertion::Splice {
            at: HEADER + index * self.width as usize,
            bytes: Number::new(number, self.width),
        })
    }

    /// The set with wider numbers and one more, which is less or greater than all others: they are narrower.
    fn widened(self, number: i64, width: Width) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + (self.len + 1) * width as usize);
        bytes.extend_from_slice(&(width as u32).to_le_bytes());
        bytes.extend_from_slice(&count_bytes(self.len + 1));
        let mut push = |number| bytes.extend_from_slice(Number::new(number, width).as_bytes());
        if number < 0 {
            push(number);
        }
        self.iter().for_each(&mut push);
        if number >= 0 {
            push(number);
        }
        bytes
    }
}

/// Width and count as the bytes have them; zeros where bytes are missing.
#[inline]
fn header(bytes: &[u8]) -> (u32, u32) {
    let word =
        |at: usize| bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |&word| u32::from_le_bytes(word));
    (word(0), word(4))
}

/// A count as it stands in the header.
#[inline]
pub fn count_bytes(len: usize) -> [u8; 4] {
    // A set of so many numbers that 32 bits don't count them is beyond `MAX_LEN`.
    (len as u32).to_le_bytes()
}

/// What adding a number comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Insertion {
    /// The number's bytes go to this place, and the count grows by one.
    Splice {
        /// Where the bytes go.
        at: usize,
        /// The number as bytes.
        bytes: Number,
    },
    /// The number is wider than the others: these are the new bytes of the whole set.
    Widened(Vec<u8>),
}

/// The bytes of one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    bytes: [u8; 8],
    width: Width,
}

impl Number {
    #[inline]
    fn new(number: i64, width: Width) -> Self {
        // Little-endian: the low bytes come first, and the high ones of a number that fits only repeat its sign.
        Number { bytes: number.to_le_bytes(), width }
    }

    /// As many bytes as the set is wide.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.width as usize]
    }
}

impl<'a> IntoIterator for IntSet<'a> {
    type Item = i64;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The numbers of an intset, ascending.
#[derive(Clone)]
pub struct Iter<'a> {
    set: IntSet<'a>,
    from: usize,
    to: usize,
}

impl Iterator for Iter<'_> {
    type Item = i64;

    #[inline]
    fn next(&mut self) -> Option<i64> {
        if self.from == self.to {
            return None;
        }
        self.from += 1;
        self.set.get(self.from - 1)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.to - self.from, Some(self.to - self.from))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<i64> {
        if self.from == self.to {
            return None;
        }
        self.to -= 1;
        self.set.get(self.to)
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// An intset of these numbers, in whatever order they come.
pub fn of(numbers: impl IntoIterator<Item = i64>) -> Vec<u8> {
    let mut bytes = EMPTY.to_vec();
    for number in numbers {
        insert(&mut bytes, number);
    }
    bytes
}

/// Adds a number to a set that is a vector; whether it was missing.
pub fn insert(bytes: &mut Vec<u8>, number: i64) -> bool {
    let set = IntSet::new(bytes);
    let count = count_bytes(set.len() + 1);
    match set.insertion(number) {
        None => return false,
        Some(Insertion::Widened(wider)) => *bytes = wider,
        Some(Insertion::Splice { at, bytes: number }) => {
            bytes.splice(at..at, number.as_bytes().iter().copied());
            bytes[COUNT].copy_from_slice(&count);
        }
    }
    true
}

/// Takes a number out of a set that is a vector; whether it was there.
pub fn remove(bytes: &mut Vec<u8>, number: i64) -> bool {
    let set = IntSet::new(bytes);
    let Ok(index) = set.find(number) else { return false };
    let (range, count) = (set.range(index), count_bytes(set.len() - 1));
    bytes.drain(range);
    bytes[COUNT].copy_from_slice(&count);
    true
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Bytes that Redis 7.0 gave for these sets (the value part of DUMP).
    #[test]
    fn bytes_are_those_of_redis() {
        assert_eq!(of([1, 2, 3]), b"\x02\0\0\0\x03\0\0\0\x01\0\x02\0\x03\0");
        assert_eq!(of([-70_000, 5]), b"\x04\0\0\0\x02\0\0\0\x90\xee\xfe\xff\x05\0\0\0");
        assert_eq!(of([5, 1 << 40]), b"\x08\0\0\0\x02\0\0\0\x05\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0");
    }

    #[test]
    fn widths_at_their_limits() {
        for (number, width) in [
            (0, 2),
            (32_767, 2),
            (-32_768, 2),
            (32_768, 4),
            (-32_769, 4),
            (i64::from(i32::MAX), 4),
            (i64::from(i32::MIN), 4),
            (i64::from(i32::MAX) + 1, 8),
            (i64::MIN, 8),
            (i64::MAX, 8),
        ] {
            let bytes = of([7, number]);
            let set = IntSet::check(&bytes).unwrap();
            assert_eq!(set.width(), width, "{number}");
            assert!(set.contains(number) && set.contains(7));
            assert_eq!(set.bounds(), Some((number.min(7), number.max(7))));
        }
    }

    #[test]
    fn what_is_no_intset_is_refused() {
        let check = |bytes: &[u8]| IntSet::check(bytes).map(IntSet::len);
        assert_eq!(check(&EMPTY), Ok(0));
        assert_eq!(check(b""), Err(Error::Width(0)));
        assert_eq!(check(b"\x03\0\0\0\0\0\0\0"), Err(Error::Width(3)));
        assert_eq!(check(b"\x02\0\0\0\x02\0\0\0\x01\0"), Err(Error::Length { expected: 12, found: 10 }));
        assert_eq!(check(b"\x02\0\0\0\x01\0\0\0\x01\0\0"), Err(Error::Length { expected: 10, found: 11 }));
        assert_eq!(check(b"\x02\0\0\0\x02\0\0\0\x01\0\x01\0"), Err(Error::Order { index: 1 }));
        assert_eq!(check(b"\x02\0\0\0\x02\0\0\0\x01\0\xff\xff"), Err(Error::Order { index: 1 }));
        let huge = check(b"\x08\0\0\0\xff\xff\xff\xff\x01\0");
        assert_eq!(huge, Err(Error::Length { expected: 8 + 8 * u64::from(u32::MAX), found: 10 }));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(i64),
        Remove(i64),
        RemoveNth(usize),
    }

    fn number() -> impl Strategy<Value = i64> {
        prop_oneof![4 => -20i64..20, 2 => -100_000i64..100_000, 1 => any::<i64>()]
    }

    proptest! {
        #[test]
        fn behaves_like_a_sorted_set(steps in proptest::collection::vec(
            prop_oneof![
                3 => number().prop_map(Step::Insert),
                1 => number().prop_map(Step::Remove),
                1 => any::<usize>().prop_map(Step::RemoveNth),
            ],
            0..100,
        )) {
            let (mut bytes, mut model) = (EMPTY.to_vec(), BTreeSet::new());
            for step in steps {
                match step {
                    Step::Insert(number) => prop_assert_eq!(insert(&mut bytes, number), model.insert(number)),
                    Step::Remove(number) => prop_assert_eq!(remove(&mut bytes, number), model.remove(&number)),
                    Step::RemoveNth(nth) if !model.is_empty() => {
                        let number = IntSet::new(&bytes).get(nth % model.len()).unwrap();
                        prop_assert!(remove(&mut bytes, number) && model.remove(&number));
                    }
                    Step::RemoveNth(_) => {}
                }
                let set = IntSet::check(&bytes).unwrap();
                prop_assert_eq!(set.len(), model.len());
                prop_assert!(set.iter().eq(model.iter().copied()));
                prop_assert!(set.iter().rev().eq(model.iter().rev().copied()));
                prop_assert_eq!(set.bounds(), model.first().copied().zip(model.last().copied()));
                for number in -20..20 {
                    prop_assert_eq!(set.contains(number), model.contains(&number));
                }
            }
        }

        #[test]
        fn noise_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..40), number in number()) {
            let _ = IntSet::check(&bytes);
            let set = IntSet::new(&bytes);
            prop_assert_eq!(set.iter().count(), set.len());
            let _ = (set.contains(number), set.bounds(), set.random(&mut fastrand::Rng::with_seed(1)));
            if bytes.len() >= HEADER {
                insert(&mut bytes, number);
                remove(&mut bytes, number);
            }
        }
    }

    #[test]
    fn every_number_is_drawn() {
        let bytes = of(0..10);
        let mut rng = fastrand::Rng::with_seed(1);
        let mut counts = [0; 10];
        for _ in 0..10_000 {
            counts[IntSet::new(&bytes).random(&mut rng).unwrap() as usize] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }
}
