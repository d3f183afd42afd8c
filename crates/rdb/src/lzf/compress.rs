//! Compression, tuned to cost little where it gains nothing.

use super::{MAX_COPY, MAX_DISTANCE, MAX_LITERALS, MIN_COPY};

/// Places in the table of positions for small, middling and large inputs. A table should have several times as
/// many places as the input has positions, or as are in reach, but no more than the caches like.
const SMALL: usize = 1 << 11;
const MIDDLE: usize = 1 << 12;
const LARGE: usize = 1 << 14;
/// Inputs up to this length are small.
const SMALL_INPUT: usize = 64;
/// Inputs up to this length are middling.
const MIDDLE_INPUT: usize = 2048;
/// After each 2^SKIP_BITS positions in a row without a copy, the search takes longer steps.
const SKIP_BITS: usize = 5;
/// Bytes at the end that are not searched, since a search reads four bytes at once.
const TAIL: usize = 4;

/// Compresses one string after the other, reusing its memory.
#[derive(Debug, Clone, Default)]
pub struct Compressor {
    /// For each hash of three bytes, `base` plus the position where they were last seen.
    ///
    /// Invariant: entries below `base` belong to earlier inputs. So nothing has to be cleared between inputs.
    table: Vec<u32>,
    base: u32,
    out: Vec<u8>,
}

impl Compressor {
    /// A compressor that owns no memory yet.
    pub fn new() -> Self {
        Compressor::default()
    }

    /// The compressed form of `input` if it has at most `room` bytes.
    ///
    /// Returns `None` for an empty input too. Input that does not repeat itself is given up early.
    pub fn compress(&mut self, input: &[u8], room: usize) -> Option<&[u8]> {
        // Positions must fit 32 bits. No string of the format's users is nearly that long.
        let len = u32::try_from(input.len()).ok().filter(|&len| len > 0 && len < u32::MAX - 2)?;
        let places = match input.len() {
            len if len <= SMALL_INPUT => SMALL,
            len if len <= MIDDLE_INPUT => MIDDLE,
            _ => LARGE,
        };
        if self.table.len() < places {
            self.table.resize(places, 0);
        }
        match self.base.max(1).checked_add(len + 1) {
            Some(_) => self.base = self.base.max(1),
            None => {
                self.table.fill(0);
                self.base = 1;
            }
        }
        self.out.clear();
        if places == SMALL {
            let least = least_repeats(input.len(), room);
            if least > 0 && repeats(input, first_places(&mut self.table), self.base) < least {
                self.base += 1;
                return None;
            }
            self.base += 1;
        }
        let base = self.base;
        self.base += len;
        let fits = match places {
            SMALL => search::<SMALL>(input, first_places(&mut self.table), base, room, &mut self.out),
            MIDDLE => search::<MIDDLE>(input, first_places(&mut self.table), base, room, &mut self.out),
            _ => search::<LARGE>(input, first_places(&mut self.table), base, room, &mut self.out),
        };
        fits.then_some(&self.out[..])
    }
}

fn first_places<const PLACES: usize>(table: &mut [u32]) -> &mut [u32; PLACES] {
    table.first_chunk_mut().expect("the table has been made large enough")
}

/// How many positions of an input must repeat an earlier one at the least, if its tokens are to fit in `room`.
///
/// Let the tokens be copies of lengths a, b, … with literals between. Each copy takes two bytes at least, and each
/// run of literals one besides its own, of which there is one at least: the input's first byte cannot be copied.
/// So the copies have to save `len - room`, plus one, plus two each. A copy of length a stands at a place where
/// a − 2 positions in a row begin with three bytes that have been seen; one of them may lie in the tail, which is
/// not searched.
fn least_repeats(len: usize, room: usize) -> usize {
    len.saturating_sub(room)
}

/// How many positions begin with three bytes that an earlier one begins with, and some more by coincidence.
///
/// A test without branches, and so much cheaper than the search: short strings that do not repeat themselves,
/// such as ids and digests, are what most servers hold most of.
fn repeats(input: &[u8], table: &mut [u32; SMALL], base: u32) -> usize {
    let mut repeats = 0;
    for window in input.windows(TAIL) {
        let slot = &mut table[hash::<SMALL>(word_at(window, 0))];
        repeats += usize::from(*slot >= base);
        *slot = base;
    }
    repeats
}

/// Finds copies and writes tokens to `out`; false if they would need more than `room` bytes.
///
/// The table's size is a constant here for the sake of speed: then no access to it has to be checked.
#[inline(never)]
fn search<const PLACES: usize>(
    input: &[u8],
    table: &mut [u32; PLACES],
    base: u32,
    room: usize,
    out: &mut Vec<u8>,
) -> bool {
    let mut literals = 0; // where the bytes begin that no token covers yet
    while let Some(copy) = next_copy(input, table, base, literals, room.saturating_sub(out.len())) {
        if !put_literals(&input[literals..copy.at], room, out) || out.len() + 3 > room {
            return false;
        }
        put_copy(copy.distance, copy.len, out);
        literals = copy.at + copy.len;
        // A copy's last positions are the likeliest to be met again; entering all of them costs more than it gives.
        for entered in [literals - 2, literals - 1] {
            if entered + TAIL <= input.len() {
                table[hash::<PLACES>(word_at(input, entered))] = base + entered as u32;
            }
        }
    }
    put_literals(&input[literals..], room, out)
}

struct Copy {
    at: usize,
    distance: usize,
    len: usize,
}

/// The first copy found at or after `from`.
///
/// Gives up after `room` positions: the bytes without a copy alone would exceed it.
#[inline]
fn next_copy<const PLACES: usize>(
    input: &[u8],
    table: &mut [u32; PLACES],
    base: u32,
    from: usize,
    room: usize,
) -> Option<Copy> {
    let end = (input.len() + 1).saturating_sub(TAIL).min(from + room);
    let mut at = from;
    while at < end {
        let word = word_at(input, at);
        let seen = std::mem::replace(&mut table[hash::<PLACES>(word)], base + at as u32);
        // What an earlier input has entered, of which there is much in the way of branch prediction, is compared
        // with the first bytes, and then not believed.
        let earlier = seen.saturating_sub(base) as usize;
        let alike = (word_at(input, earlier) ^ word) << 8 == 0;
        if alike & (seen >= base) && at - earlier <= MAX_DISTANCE {
            let len = common_prefix(&input[earlier..], &input[at..]);
            return Some(Copy { at, distance: at - earlier, len });
        }
        at += 1 + ((at - from) >> SKIP_BITS);
    }
    None
}

/// Four bytes from `at` on, the first in the lowest bits.
#[inline]
fn word_at(input: &[u8], at: usize) -> u32 {
    let bytes: [u8; 4] = input[at..at + 4].try_into().expect("four bytes were asked for");
    u32::from_le_bytes(bytes)
}

/// A hash of the three low bytes, spread by a multiplication with a large odd number (2^32 ÷ the golden ratio).
#[inline]
fn hash<const PLACES: usize>(word: u32) -> usize {
    const { assert!(PLACES.is_power_of_two()) };
    ((word << 8).wrapping_mul(0x9e37_79b1) >> (32 - PLACES.trailing_zeros())) as usize
}

/// How many bytes both begin with, at most [`MAX_COPY`]; `later` is the shorter one.
#[inline]
fn common_prefix(earlier: &[u8], later: &[u8]) -> usize {
    let limit = later.len().min(MAX_COPY);
    let (earlier, later) = (&earlier[..limit], &later[..limit]);
    let mut len = 0;
    for (a, b) in earlier.as_chunks::<8>().0.iter().zip(later.as_chunks::<8>().0) {
        let difference = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if difference != 0 {
            return len + difference.trailing_zeros() as usize / 8;
        }
        len += 8;
    }
    while len < limit && earlier[len] == later[len] {
        len += 1;
    }
    len
}

#[inline]
fn put_literals(bytes: &[u8], room: usize, out: &mut Vec<u8>) -> bool {
    if out.len() + bytes.len() + bytes.len().div_ceil(MAX_LITERALS) > room {
        return false;
    }
    for run in bytes.chunks(MAX_LITERALS) {
        out.push((run.len() - 1) as u8);
        out.extend_from_slice(run);
    }
    true
}

#[inline]
fn put_copy(distance: usize, len: usize, out: &mut Vec<u8>) {
    debug_assert!((MIN_COPY..=MAX_COPY).contains(&len) && (1..=MAX_DISTANCE).contains(&distance));
    let [high, low] = ((distance - 1) as u16).to_be_bytes();
    match len - 2 {
        short @ ..7 => out.extend_from_slice(&[(short as u8) << 5 | high, low]),
        long => out.extend_from_slice(&[7 << 5 | high, (long - 7) as u8, low]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_by_hand() {
        let mut compressor = Compressor::new();
        // One literal, then a copy of 264 and one of the 35 bytes that remain, all from one byte back.
        let packed = compressor.compress(&[b'z'; 300], 300).unwrap();
        assert_eq!(packed, [0, b'z', 0xe0, 255, 0, 0xe0, 35 - 9, 0]);
        let packed = compressor.compress(b"abcdabcdabcd", 12).unwrap();
        assert_eq!(packed, [3, b'a', b'b', b'c', b'd', 6 << 5, 3]);
    }

    #[test]
    fn noise_is_given_up() {
        let mut rng = fastrand::Rng::with_seed(1);
        let noise: Vec<u8> = (0..5000).map(|_| rng.u8(..)).collect();
        assert_eq!(Compressor::new().compress(&noise, noise.len()), None);
        assert_eq!(Compressor::new().compress(&noise[..32], 28), None);
    }

    proptest::proptest! {
        /// The cheap test may only refuse what the search would refuse.
        #[test]
        fn giving_up_early_gives_up_nothing(
            input in proptest::collection::vec(0u8..4, 1..=SMALL_INPUT),
            spared in 0usize..8,
        ) {
            let room = input.len().saturating_sub(spared);
            let mut out = Vec::new();
            let fits = search::<SMALL>(&input, &mut [0; SMALL], 1, room, &mut out);
            let mut compressor = Compressor::new();
            compressor.compress(b"something before, something before", 20);
            proptest::prop_assert_eq!(compressor.compress(&input, room), fits.then_some(&out[..]));
        }
    }

    #[test]
    fn short_inputs() {
        let mut compressor = Compressor::new();
        assert_eq!(compressor.compress(b"", 10), None);
        assert_eq!(compressor.compress(b"a", 10), Some(&[0, b'a'][..]));
        assert_eq!(compressor.compress(b"aaaa", 10), Some(&[3, b'a', b'a', b'a', b'a'][..]));
    }

    #[test]
    fn positions_start_over_when_their_numbers_run_out() {
        let mut compressor = Compressor::new();
        let first = compressor.compress(&[1; 40], 40).unwrap().to_vec();
        compressor.base = u32::MAX - 60;
        for _ in 0..4 {
            assert_eq!(compressor.compress(&[1; 40], 40).unwrap(), first);
        }
        assert!(compressor.base < 200);
    }
}
