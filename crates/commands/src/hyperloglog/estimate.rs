//! From registers to a number of elements.

use super::dense;
use super::{REGISTERS, Registers};

/// Ranks that registers can have; the dense form has room for more of them than hashes can give.
const RANKS: usize = 64;
/// Bits of a hash that ranks are made of.
const RANK_BITS: usize = 64 - REGISTERS.trailing_zeros() as usize;

/// How many registers there are of each rank.
pub(super) struct Histogram([u32; RANKS]);

impl Default for Histogram {
    fn default() -> Self {
        Histogram([0; RANKS])
    }
}

impl Histogram {
    pub(super) fn of(registers: &Registers) -> Self {
        let mut histogram = Histogram::default();
        let (eights, _) = registers.as_chunks::<8>();
        histogram.add_eights(eights.iter().copied());
        histogram
    }

    /// Counts `len` registers of one rank.
    pub(super) fn add(&mut self, rank: u8, len: usize) {
        self.0[usize::from(rank) % RANKS] += len as u32;
    }

    /// Counts all registers of the dense form.
    pub(super) fn add_packed(&mut self, packed: &[u8]) {
        let (sixes, _) = packed.as_chunks::<6>();
        self.add_eights(sixes.iter().map(dense::spread));
    }

    fn add_eights(&mut self, eights: impl Iterator<Item = [u8; 8]>) {
        // Equal ranks often follow one another: adding to the same place each time would wait for the one before.
        let mut counts = [[0u32; RANKS]; 4];
        for eight in eights {
            for (at, rank) in eight.into_iter().enumerate() {
                counts[at % 4][usize::from(rank) % RANKS] += 1;
            }
        }
        for count in &counts {
            self.0.iter_mut().zip(count).for_each(|(sum, count)| *sum += count);
        }
    }

    /// The number of different elements, as Ertl estimates it ("New cardinality estimation algorithms for HyperLogLog sketches",
    /// algorithm 6): no tables, no switch between formulas, no bias at either end. Clients compare the counts of different
    /// servers, so the steps stand in the order in which the others take them.
    pub(super) fn estimate(&self) -> u64 {
        /// 1 / (2 ln 2).
        const ALPHA: f64 = 0.721_347_520_444_481_7;
        let m = REGISTERS as f64;
        let mut z = m * tau((m - f64::from(self.0[RANK_BITS + 1])) / m);
        for rank in (1..=RANK_BITS).rev() {
            z += f64::from(self.0[rank]);
            z *= 0.5;
        }
        z += m * sigma(f64::from(self.0[0]) / m);
        (ALPHA * m * m / z).round() as u64
    }
}

/// What the registers that are still 0 add.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

/// What the registers that can rise no more take away.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::hash::Mark;
    use super::*;

    #[test]
    fn estimates_are_near() {
        let mut registers = [0; REGISTERS];
        assert_eq!(Histogram::of(&registers).estimate(), 0);
        for number in 1..=200_000u64 {
            let mark = Mark::of(&number.to_le_bytes());
            registers[mark.index] = mark.rank.max(registers[mark.index]);
            if [1, 10, 100, 5_000, 200_000].contains(&number) {
                let error = Histogram::of(&registers).estimate().abs_diff(number);
                assert!(error * 40 <= number, "{number} +- {error}");
            }
        }
    }

    #[test]
    fn registers_of_any_rank_give_a_number() {
        for rank in 0..64 {
            let mut histogram = Histogram::default();
            histogram.add(rank, REGISTERS);
            histogram.estimate();
        }
    }
}
