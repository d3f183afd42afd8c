//! LZF: the small compression of long strings inside an RDB stream.
//!
//! Compressed data is a row of tokens. A control byte below 32 announces that many plus one literal bytes.
//! Any other control byte begins a copy of bytes that were produced before: its three top bits are the length
//! minus two, where 7 says that a further byte is to be added to the length; its five low bits and one more byte
//! are the distance minus one. So a copy has 3 to 264 bytes and reaches at most 8192 bytes back; it may overlap
//! the bytes that it produces.
//!
//! ```
//! let text = b"one fish two fish red fish blue fish red fish two fish";
//! let mut compressor = rdb::lzf::Compressor::new();
//! let packed = compressor.compress(text, text.len()).expect("the text repeats itself").to_vec();
//! let mut unpacked = Vec::new();
//! rdb::lzf::decompress(&packed, text.len(), &mut unpacked)?;
//! assert_eq!(unpacked, text);
//! # Ok::<(), rdb::lzf::DecompressError>(())
//! ```

mod compress;
mod decompress;

pub use compress::Compressor;
pub use decompress::{DecompressError, decompress};

/// Longest run of literal bytes in one token.
const MAX_LITERALS: usize = 32;
/// Shortest copy.
const MIN_COPY: usize = 3;
/// Longest copy: three bits of length, of which 7 adds a byte, plus two.
const MAX_COPY: usize = 7 + 255 + 2;
/// Furthest distance of a copy: thirteen bits plus one.
const MAX_DISTANCE: usize = 1 << 13;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Data that resembles what people store: a few words, many times, with noise between them.
    fn texts() -> impl Strategy<Value = Vec<u8>> {
        let word = prop_oneof![
            Just(b"user:".to_vec()),
            Just(vec![b'a'; 300]),
            Just(b"\0\0\0".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..40),
            proptest::collection::vec(0u8..3, 0..40),
        ];
        proptest::collection::vec(word, 0..60).prop_map(|words| words.concat())
    }

    proptest! {
        #[test]
        fn round_trip(inputs in proptest::collection::vec(texts(), 1..5)) {
            // One compressor for all: what it remembers of one input must not leak into the next.
            let mut compressor = Compressor::new();
            for input in inputs {
                let room = input.len() + input.len() / MAX_LITERALS + 1;
                let packed = match compressor.compress(&input, room) {
                    Some(packed) => packed.to_vec(),
                    None => { prop_assert!(input.is_empty()); continue }
                };
                let mut out = b"before".to_vec();
                decompress(&packed, input.len(), &mut out).unwrap();
                prop_assert_eq!(&out[..6], b"before");
                prop_assert_eq!(&out[6..], &input[..]);
            }
        }

        #[test]
        fn the_room_given_is_respected(input in texts(), room in 0usize..600) {
            let mut compressor = Compressor::new();
            if let Some(packed) = compressor.compress(&input, room) {
                prop_assert!(packed.len() <= room);
            }
        }
    }

    #[test]
    fn far_copies_and_long_inputs() {
        // A block that recurs exactly at, and just beyond, the furthest distance.
        let mut rng = fastrand::Rng::with_seed(3);
        for gap in [MAX_DISTANCE - 64, MAX_DISTANCE - 63, 3 * MAX_DISTANCE] {
            let block: Vec<u8> = (0..64).map(|_| rng.u8(..)).collect();
            let mut input = block.clone();
            input.extend((0..gap).map(|_| rng.u8(..)));
            input.extend_from_slice(&block);
            input.extend(std::iter::repeat_n(7, 100_000));
            let packed = Compressor::new().compress(&input, input.len()).expect("ends in zeros").to_vec();
            let mut out = Vec::new();
            decompress(&packed, input.len(), &mut out).unwrap();
            assert!(out == input);
        }
    }
}
