//! Places as numbers: the bits of longitude and latitude in turn, 26 of each, as Redis keeps them in the scores of sorted sets.

use super::distance::Point;

/// The longitudes that have a hash.
pub(super) const LONGITUDES: (f64, f64) = (-180.0, 180.0);
/// The latitudes that have one: those of a square map in Mercator's projection.
pub(super) const LATITUDES: (f64, f64) = (-85.051_128_78, 85.051_128_78);
/// Halvings of either range that make a score.
pub(super) const STEPS: u32 = 26;

/// The bits of longitudes, which stand above those of latitudes.
const X: u64 = 0xaaaa_aaaa_aaaa_aaaa;
const Y: u64 = 0x5555_5555_5555_5555;

/// A cell of the world: 2^`steps` of them stand on each meridian and each parallel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cell {
    bits: u64,
    steps: u32,
}

/// The rectangle of a cell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub longitude: (f64, f64),
    pub latitude: (f64, f64),
}

impl Cell {
    /// The cell of a point; one outside the ranges is moved to their borders.
    pub fn of(point: Point, steps: u32) -> Self {
        Self::within(point, steps, LONGITUDES, LATITUDES)
    }

    fn within(point: Point, steps: u32, longitudes: (f64, f64), latitudes: (f64, f64)) -> Self {
        let part = |value: f64, (low, high): (f64, f64)| {
            (value.clamp(low, high) - low) / (high - low) * (1u64 << steps) as f64
        };
        let bits = spread(part(point.latitude, latitudes) as u32)
            | spread(part(point.longitude, longitudes) as u32) << 1;
        Cell { bits, steps }
    }

    /// The cell that a score names.
    pub fn of_score(score: f64) -> Self {
        Cell { bits: score as u64, steps: STEPS }
    }

    /// The score of a place.
    pub fn score(self) -> u64 {
        self.bits << (2 * (STEPS - self.steps))
    }

    /// The scores of all places in the cell: from the first on, below the second.
    pub fn scores(self) -> (u64, u64) {
        (self.score(), Cell { bits: self.bits + 1, ..self }.score())
    }

    /// The rectangle of the cell.
    pub fn area(self) -> Area {
        let cells = (1u64 << self.steps) as f64;
        let side = |index: u32, (low, high): (f64, f64)| {
            let scale = high - low;
            (low + f64::from(index) / cells * scale, low + (f64::from(index) + 1.0) / cells * scale)
        };
        Area {
            longitude: side(gather(self.bits >> 1), LONGITUDES),
            latitude: side(gather(self.bits), LATITUDES),
        }
    }

    /// The middle of the cell.
    pub fn middle(self) -> Point {
        let area = self.area();
        let middle =
            |(low, high): (f64, f64), (least, most): (f64, f64)| ((low + high) / 2.0).clamp(least, most);
        Point { longitude: middle(area.longitude, LONGITUDES), latitude: middle(area.latitude, LATITUDES) }
    }

    /// The cell so many to the east and to the north, each one at most; the world is round.
    pub fn neighbour(self, east: i8, north: i8) -> Self {
        let shift = 64 - 2 * self.steps;
        let (x, y) = (self.bits & X, self.bits & Y);
        let bits = shifted(x, Y, X, shift, east) | shifted(y, X, Y, shift, north);
        Cell { bits, ..self }
    }

    /// The name of a place as other systems have it: eleven characters over the whole range of latitudes.
    pub fn name(point: Point) -> [u8; 11] {
        const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let bits = Self::within(point, STEPS, LONGITUDES, (-90.0, 90.0)).bits;
        // The last character would take 55 bits.
        let mut name = [b'0'; 11];
        for (index, char) in name[..10].iter_mut().enumerate() {
            *char = ALPHABET[(bits >> (47 - 5 * index)) as usize & 31];
        }
        name
    }
}

/// Adds -1, 0 or 1 to the number that stands in the bits `own`, those of the other one between them being `other`.
fn shifted(value: u64, other: u64, own: u64, shift: u32, by: i8) -> u64 {
    // With the bits in between set, a carry runs through them.
    let between = other >> shift;
    let value = match by {
        1.. => value + between + 1,
        0 => return value,
        _ => (value | between).wrapping_sub(between + 1),
    };
    value & (own >> shift)
}

/// Puts a zero above each bit.
fn spread(value: u32) -> u64 {
    let mut bits = u64::from(value);
    for (by, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, Y),
    ] {
        bits = (bits | bits << by) & mask;
    }
    bits
}

/// Every other bit, from the lowest on.
fn gather(bits: u64) -> u32 {
    let mut value = bits & Y;
    for (by, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ] {
        value = (value | value >> by) & mask;
    }
    value as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scores_and_names_of_known_places() {
        let palermo = Point { longitude: 13.361389, latitude: 38.115556 };
        let cell = Cell::of(palermo, STEPS);
        assert_eq!(cell.score(), 3_479_099_956_230_698);
        assert_eq!(&Cell::name(cell.middle()), b"sqc8b49rny0");
    }

    proptest! {
        #[test]
        fn bits_are_gathered_as_they_were_spread(value: u32) {
            prop_assert_eq!(gather(spread(value)), value);
        }

        #[test]
        fn a_cell_holds_its_point(longitude in -180.0..180.0, latitude in -85.0..85.0, steps in 1u32..=26) {
            let cell = Cell::of(Point { longitude, latitude }, steps);
            let area = cell.area();
            let slack = 1e-9;
            prop_assert!(area.longitude.0 - slack <= longitude && longitude <= area.longitude.1 + slack);
            prop_assert!(area.latitude.0 - slack <= latitude && latitude <= area.latitude.1 + slack);
            prop_assert_eq!(cell.neighbour(1, -1).neighbour(-1, 1), cell);
            prop_assert_eq!(cell.neighbour(0, 0), cell);
            let east = cell.neighbour(1, 0).area().longitude;
            prop_assert!(steps == 1 || (east.0 - area.longitude.1).abs() < slack || east.0 == -180.0);
        }
    }
}
