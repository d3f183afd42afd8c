//! The checksum of annotations: CRC-64/XZ.

use crc64fast::Digest;

/// The checksum of some pieces, one after the other.
pub(crate) fn of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    let mut digest = Digest::new();
    pieces.into_iter().for_each(|piece| digest.write(piece));
    digest.sum64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_check_value() {
        assert_eq!(of([&b"123456789"[..]]), 0x995d_c9bb_df19_39fa);
        assert_eq!(of([&b"1234"[..], b"", b"56789"]), 0x995d_c9bb_df19_39fa);
    }
}
