//! Whole strings of bits at the speed of memory: loops over words that the compiler turns into vector instructions.

/// Words that are worked on side by side.
const LANES: usize = 4;
/// Bytes of one group of words.
const GROUP: usize = LANES * 8;

type Group = [u64; LANES];

/// The number of bits that are set.
pub(super) fn count_ones(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<{ 8 * GROUP }>();
    let mut adder = Adder::default();
    for block in blocks {
        adder.add(block);
    }
    adder.sum() + count_each(rest)
}

/// [`count_ones`] word by word.
fn count_each(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let words: u64 = words.iter().map(|word| u64::from(u64::from_le_bytes(*word).count_ones())).sum();
    words + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

/// Counts eight groups at a time (Harley and Seal's way): full adders gather bits that stand at the same place, so that only
/// one group of eights is counted for eight groups read.
#[derive(Default)]
struct Adder {
    ones: Group,
    twos: Group,
    fours: Group,
    /// Each lane's number of eights.
    eights: Group,
}

impl Adder {
    #[inline(always)]
    fn add(&mut self, block: &[u8; 8 * GROUP]) {
        let group = |at: usize| load(&block[at * GROUP..]);
        let (twos_a, ones) = add3(self.ones, group(0), group(1));
        let (twos_b, ones) = add3(ones, group(2), group(3));
        let (fours_a, twos) = add3(self.twos, twos_a, twos_b);
        let (twos_a, ones) = add3(ones, group(4), group(5));
        let (twos_b, ones) = add3(ones, group(6), group(7));
        let (fours_b, twos) = add3(twos, twos_a, twos_b);
        let (eights, fours) = add3(self.fours, fours_a, fours_b);
        (self.ones, self.twos, self.fours) = (ones, twos, fours);
        for (total, word) in self.eights.iter_mut().zip(eights) {
            *total += u64::from(word.count_ones());
        }
    }

    fn sum(&self) -> u64 {
        let count = |group: &Group| group.iter().map(|word| u64::from(word.count_ones())).sum::<u64>();
        8 * self.eights.iter().sum::<u64>()
            + 4 * count(&self.fours)
            + 2 * count(&self.twos)
            + count(&self.ones)
    }
}

#[inline(always)]
fn load(bytes: &[u8]) -> Group {
    let (words, _) = bytes.as_chunks::<8>();
    std::array::from_fn(|lane| u64::from_le_bytes(words[lane]))
}

/// The sum of three bits at each place: its higher and its lower digit.
#[inline(always)]
fn add3(a: Group, b: Group, c: Group) -> (Group, Group) {
    let (mut high, mut low) = ([0; LANES], [0; LANES]);
    for lane in 0..LANES {
        let half = a[lane] ^ b[lane];
        high[lane] = (a[lane] & b[lane]) | (half & c[lane]);
        low[lane] = half ^ c[lane];
    }
    (high, low)
}

/// The first bit that is set, or the first that is clear; bit 0 is the highest of the first byte.
pub(super) fn first(bytes: &[u8], wanted: bool) -> Option<u64> {
    /// Bytes looked at before it is decided whether to go on.
    const STRIDE: usize = 64;
    let dull = if wanted { 0u8 } else { 0xff };
    let (blocks, _) = bytes.as_chunks::<STRIDE>();
    let skipped = blocks
        .iter()
        .take_while(|block| {
            let (words, _) = block.as_chunks::<8>();
            words
                .iter()
                .fold(0, |found, word| found | (u64::from_ne_bytes(*word) ^ u64::from_ne_bytes([dull; 8])))
                == 0
        })
        .count();
    let from = skipped * STRIDE;
    let at = bytes[from..].iter().position(|byte| *byte != dull)?;
    let byte = bytes[from + at] ^ dull;
    Some((from + at) as u64 * 8 + u64::from(byte.leading_zeros()))
}

/// A way to combine two strings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Combine {
    And,
    Or,
    Xor,
}

impl Combine {
    /// Combines `with` into `into`; where `with` has ended its bits are clear.
    pub(super) fn apply(self, into: &mut [u8], with: &[u8]) {
        let shared = into.len().min(with.len());
        let (both, alone) = into.split_at_mut(shared);
        let pairs = both.iter_mut().zip(with);
        match self {
            Combine::And => {
                pairs.for_each(|(into, with)| *into &= with);
                alone.fill(0);
            }
            Combine::Or => pairs.for_each(|(into, with)| *into |= with),
            Combine::Xor => pairs.for_each(|(into, with)| *into ^= with),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn counting_is_what_bytes_say(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let want: u64 = bytes.iter().map(|byte| u64::from(byte.count_ones())).sum();
            prop_assert_eq!(count_ones(&bytes), want);
        }

        #[test]
        fn the_first_bit_is_found(dull in 0usize..300, rest in proptest::collection::vec(any::<u8>(), 0..20)) {
            for wanted in [false, true] {
                let mut bytes = vec![if wanted { 0 } else { 0xff }; dull];
                bytes.extend_from_slice(&rest);
                let mut bits = bytes.iter().flat_map(|byte| (0..8).map(move |at| (byte >> (7 - at) & 1 == 1) == wanted));
                prop_assert_eq!(first(&bytes, wanted), bits.position(|found| found).map(|at| at as u64));
            }
        }
    }

    #[test]
    fn a_million_ones() {
        assert_eq!(count_ones(&vec![0xff; 125_000]), 1_000_000);
    }
}
