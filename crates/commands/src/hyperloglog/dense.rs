//! Registers of six bits each, side by side.

use super::{REGISTERS, Registers};

/// Bytes of all registers.
pub(super) const BYTES: usize = REGISTERS * 6 / 8;

/// Where a register stands: its first byte, and its lowest bit there.
fn place(index: usize) -> (usize, usize) {
    (index * 6 / 8, index * 6 % 8)
}

/// One register.
#[inline]
pub(super) fn get(packed: &[u8], index: usize) -> u8 {
    let (byte, bit) = place(index);
    let low = u16::from(packed[byte]);
    let high = packed.get(byte + 1).map_or(0, |byte| u16::from(*byte));
    ((low | high << 8) >> bit) as u8 & 0x3f
}

/// The bytes that change when a register becomes `rank`: the first one's place, and the two as they are then. The second is to be
/// ignored where there is none.
#[inline]
pub(super) fn with(packed: &[u8], index: usize, rank: u8) -> (usize, [u8; 2]) {
    let (byte, bit) = place(index);
    let low = u16::from(packed[byte]);
    let high = packed.get(byte + 1).map_or(0, |byte| u16::from(*byte));
    let changed = (low | high << 8) & !(0x3f << bit) | u16::from(rank) << bit;
    (byte, changed.to_le_bytes())
}

/// Sets one register.
pub(super) fn set(packed: &mut [u8], index: usize, rank: u8) {
    let (at, bytes) = with(packed, index, rank);
    for (byte, new) in packed[at..].iter_mut().zip(bytes) {
        *byte = new;
    }
}

/// Raises each of `registers` to what the packed one is.
pub(super) fn raise(registers: &mut Registers, packed: &[u8]) {
    let (eights, _) = registers.as_chunks_mut::<8>();
    let (sixes, _) = packed.as_chunks::<6>();
    for (eight, six) in eights.iter_mut().zip(sixes) {
        for (register, rank) in eight.iter_mut().zip(spread(six)) {
            *register = (*register).max(rank);
        }
    }
}

/// Eight registers, a byte each.
#[inline]
pub(super) fn spread(six: &[u8; 6]) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..6].copy_from_slice(six);
    let mut word = u64::from_le_bytes(bytes);
    // Halves apart, then quarters, then eighths.
    word = (word & 0x0000_00ff_ffff) | (word & 0xffff_ff00_0000) << 8;
    word = (word & 0x0000_0fff_0000_0fff) | (word & 0x00ff_f000_00ff_f000) << 4;
    word = (word & 0x003f_003f_003f_003f) | (word & 0x0fc0_0fc0_0fc0_0fc0) << 2;
    word.to_le_bytes()
}

/// All registers, packed.
pub(super) fn pack(registers: &Registers) -> Vec<u8> {
    let mut packed = Vec::with_capacity(BYTES);
    let (eights, _) = registers.as_chunks::<8>();
    for eight in eights {
        let mut word = u64::from_le_bytes(*eight);
        // The steps of `spread`, backwards.
        word = (word & 0x003f_003f_003f_003f) | (word & 0x3f00_3f00_3f00_3f00) >> 2;
        word = (word & 0x0000_0fff_0000_0fff) | (word & 0x0fff_0000_0fff_0000) >> 4;
        word = (word & 0x0000_00ff_ffff) | (word & 0x00ff_ffff_0000_0000) >> 8;
        packed.extend_from_slice(&word.to_le_bytes()[..6]);
    }
    packed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_register_is_apart_from_its_neighbours() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut packed = vec![0; BYTES];
        let mut model = [0u8; REGISTERS];
        for _ in 0..4 {
            for (index, register) in model.iter_mut().enumerate() {
                *register = rng.u8(0..64);
                set(&mut packed, index, *register);
            }
            assert!(model.iter().enumerate().all(|(index, rank)| get(&packed, index) == *rank));
            assert_eq!(pack(&model), packed);
            let mut raised = [31; REGISTERS];
            raise(&mut raised, &packed);
            assert!(raised.iter().zip(&model).all(|(raised, rank)| *raised == (*rank).max(31)));
        }
    }
}
