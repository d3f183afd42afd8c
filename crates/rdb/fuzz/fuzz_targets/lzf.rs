//! Any bytes decompress within the declared length or are refused; any bytes survive compression.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rdb::lzf::{Compressor, decompress};

fuzz_target!(|data: &[u8]| {
    let Some((len, rest)) = data.split_first_chunk::<2>() else { return };
    let len = usize::from(u16::from_le_bytes(*len));
    let mut out = Vec::new();
    assert_eq!(decompress(rest, len, &mut out).is_ok(), out.len() == len && (len > 0 || rest.is_empty()));

    let mut compressor = Compressor::new();
    // Twice, so that the second run meets the positions that the first one left behind.
    for input in [rest, data] {
        let packed = compressor.compress(input, input.len() + input.len() / 32 + 1).map(<[u8]>::to_vec);
        if let Some(packed) = packed {
            out.clear();
            decompress(&packed, input.len(), &mut out).expect("our own data is valid");
            assert_eq!(out, input);
        }
    }
});
