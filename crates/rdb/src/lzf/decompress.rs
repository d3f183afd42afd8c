//! Decompression of untrusted data into at most as many bytes as were promised.

use super::{MAX_COPY, MAX_LITERALS};

/// Why compressed data is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecompressError {
    /// The declared length cannot come out of so few bytes.
    #[error("the declared length is out of reach")]
    Implausible,
    /// The data ends inside a token.
    #[error("the compressed data ends inside a token")]
    Truncated,
    /// A copy reaches back beyond the first byte.
    #[error("a copy begins before the start of the data")]
    BadDistance,
    /// The data gives more bytes than declared.
    #[error("the data is longer than declared")]
    TooLong,
    /// The data gives fewer bytes than declared.
    #[error("the data is shorter than declared")]
    TooShort,
}

/// Appends to `out` the `len` bytes that `packed` stands for.
///
/// A `len` that so many packed bytes can never give is refused before anything is allocated, so memory is
/// bounded by the input's length times 88 whatever is declared. On an error `out` holds what it held before.
pub fn decompress(packed: &[u8], len: usize, out: &mut Vec<u8>) -> Result<(), DecompressError> {
    // The densest token, three bytes for a copy of the longest kind, bounds the result.
    if len > (packed.len() / 3 + 1).saturating_mul(MAX_COPY) {
        return Err(DecompressError::Implausible);
    }
    let start = out.len();
    out.resize(start + len, 0);
    let result = tokens(packed, &mut out[start..]);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// Fills `out` exactly.
fn tokens(mut packed: &[u8], out: &mut [u8]) -> Result<(), DecompressError> {
    use DecompressError::{BadDistance, TooLong, TooShort, Truncated};

    // Invariant: `out[..done]` is what the tokens so far stand for.
    let mut done = 0;
    while let [control, rest @ ..] = packed {
        let control = usize::from(*control);
        if control < MAX_LITERALS {
            let len = control + 1;
            let (literals, after) = rest.split_at_checked(len).ok_or(Truncated)?;
            if len > out.len() - done {
                return Err(TooLong);
            }
            // Bytes beyond `done` are of no account yet, so all runs can be copied in one size: no call, no loop.
            match (rest.first_chunk::<MAX_LITERALS>(), out[done..].first_chunk_mut()) {
                (Some(source), Some(target)) => *target = *source,
                _ => out[done..done + len].copy_from_slice(literals),
            }
            done += len;
            packed = after;
            continue;
        }
        let (len, rest) = match (control >> 5, rest) {
            (7, [more, rest @ ..]) => (7 + usize::from(*more) + 2, rest),
            (7, []) => return Err(Truncated),
            (len, rest) => (len + 2, rest),
        };
        let [low, rest @ ..] = rest else { return Err(Truncated) };
        let distance = ((control & 0x1f) << 8 | usize::from(*low)) + 1;
        if len > out.len() - done {
            return Err(TooLong);
        }
        if distance > done {
            return Err(BadDistance);
        }
        copy(out, done, distance, len);
        done += len;
        packed = rest;
    }
    if done < out.len() { Err(TooShort) } else { Ok(()) }
}

/// Copies to `at` the `len` bytes that begin `distance` before, seeing the bytes it writes itself.
#[inline]
fn copy(out: &mut [u8], at: usize, distance: usize, len: usize) {
    /// Bytes moved at once; some beyond the end of the copy may be written with them.
    const STEP: usize = 16;
    let from = at - distance;
    if distance >= STEP && at + len + STEP <= out.len() {
        for done in (0..len).step_by(STEP) {
            let step: [u8; STEP] = *out[from + done..].first_chunk().expect("the source precedes the target");
            out[at + done..at + done + STEP].copy_from_slice(&step);
        }
    } else if distance == 1 {
        let byte = out[from];
        out[at..at + len].fill(byte);
    } else {
        // What stands from `from` on is periodic, and grows by each pass: few passes even for short distances.
        let mut done = 0;
        while done < len {
            let pass = (len - done).min(distance + done);
            out.copy_within(from..from + pass, at + done);
            done += pass;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(packed: &[u8], len: usize, expected: Result<&[u8], DecompressError>) {
        let mut out = b"x".to_vec();
        let result = decompress(packed, len, &mut out);
        assert_eq!(out[0], b'x');
        match expected {
            Ok(bytes) => {
                assert_eq!(result, Ok(()));
                assert_eq!(&out[1..], bytes);
            }
            Err(error) => {
                assert_eq!(result, Err(error));
                assert_eq!(out, b"x", "nothing is left of a failed attempt");
            }
        }
    }

    #[test]
    fn each_token_by_hand() {
        check(&[], 0, Ok(b""));
        check(&[2, b'a', b'b', b'c'], 3, Ok(b"abc"));
        // Copy of three from three back; of four from two back, overlapping.
        check(&[2, b'a', b'b', b'c', 0x20, 2], 6, Ok(b"abcabc"));
        check(&[2, b'a', b'b', b'c', 0x40, 1], 7, Ok(b"abcbcbc"));
        // The longest copy: 7 + 255 + 2 bytes, distance one.
        check(&[0, b'z', 0xe0, 255, 0], 265, Ok(&[b'z'; 265]));
        // A distance of nine bits: literal runs of 32, then a copy from 257 back.
        let mut packed = Vec::new();
        for run in 0..9u8 {
            packed.push(31);
            packed.extend((0..32).map(|i| run * 16 + i / 2));
        }
        packed.extend([0x21, 0]);
        let mut out = Vec::new();
        decompress(&packed, 291, &mut out).unwrap();
        let copied: Vec<u8> = out[288 - 257..288 - 254].to_vec();
        assert_eq!(out[288..], copied[..]);
    }

    #[test]
    fn damage_is_named() {
        use DecompressError::*;
        check(&[2, b'a'], 3, Err(Truncated));
        check(&[0, b'a', 0x20], 4, Err(Truncated));
        check(&[0, b'a', 0xe0], 10, Err(Truncated));
        check(&[0, b'a', 0xe0, 1], 10, Err(Truncated));
        check(&[0, b'a', 0x20, 1], 4, Err(BadDistance));
        // The byte before the string's own first byte is out of reach too.
        check(&[0x20, 0], 3, Err(BadDistance));
        check(&[1, b'a', b'b'], 1, Err(TooLong));
        check(&[0, b'a', 0x20, 0], 3, Err(TooLong));
        check(&[1, b'a', b'b'], 3, Err(TooShort));
        check(&[], 1, Err(TooShort));
    }

    #[test]
    fn a_hostile_length_is_refused_before_memory_is_taken() {
        let mut out = Vec::new();
        assert_eq!(decompress(&[0; 10], usize::MAX, &mut out), Err(DecompressError::Implausible));
        assert_eq!(decompress(&[0; 10], 1 << 40, &mut out), Err(DecompressError::Implausible));
        assert_eq!(out.capacity(), 0);
    }
}
