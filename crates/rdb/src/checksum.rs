//! The checksum of the format: CRC-64 with the Jones polynomial, reflected, starting from zero, no final xor.

use crc_fast::{CrcAlgorithm, Digest};

/// How many bytes to let gather before they are added to the checksum. The routine is at its best on long runs,
/// and runs of this size are still in the processor's cache.
pub(crate) const RUN: usize = 32 * 1024;

/// A running checksum.
#[derive(Debug, Clone)]
pub(crate) struct Checksum(Digest);

impl Checksum {
    pub(crate) fn new() -> Self {
        Checksum(Digest::new(CrcAlgorithm::Crc64Redis))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.finalize()
    }
}

/// The checksum of `bytes`.
pub(crate) fn of(bytes: &[u8]) -> u64 {
    crc_fast::checksum(CrcAlgorithm::Crc64Redis, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bit by bit from the polynomial's definition: the judge of the fast routine.
    fn slow(bytes: &[u8]) -> u64 {
        // 0xad93d23594c935a9 with its bits in reverse order.
        const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;
        bytes.iter().fold(0, |crc, &byte| {
            (0..8)
                .fold(crc ^ u64::from(byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 })
        })
    }

    #[test]
    fn known_check_value() {
        assert_eq!(of(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(slow(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(of(b""), 0);
    }

    proptest! {
        #[test]
        fn any_division_gives_the_definitions_value(
            bytes in proptest::collection::vec(any::<u8>(), 0..700),
            cuts in proptest::collection::vec(0usize..700, 0..4),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut running = Checksum::new();
            for pair in cuts.windows(2) {
                running.update(&bytes[pair[0]..pair[1]]);
            }
            prop_assert_eq!(running.value(), slow(&bytes));
            prop_assert_eq!(of(&bytes), slow(&bytes));
        }
    }
}
