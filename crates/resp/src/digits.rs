//! Reading decimal digits eight at a time, without a branch for each.

/// The number that the digits at the front of `text` make, and how many they are; 19 digits at
/// most. The caller judges what follows them.
#[inline(always)]
pub(crate) fn leading_digits(text: &[u8]) -> (u64, usize) {
    let Some(chunk) = text.first_chunk::<8>() else {
        return one_by_one(text, 0, 0);
    };
    let (n, len) = up_to_eight(*chunk);
    if len < 8 {
        return (n, len);
    }
    match text[8..].first_chunk::<8>() {
        Some(chunk) => {
            let (low, len) = up_to_eight(*chunk);
            let n = n * POWERS[len] + low;
            if len < 8 { (n, 8 + len) } else { one_by_one(text, n, 16) }
        }
        None => one_by_one(text, n, 8),
    }
}

const POWERS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// Nineteen digits are the most that an `i64` has, and any nineteen fit in a `u64`.
const MOST: usize = 19;

/// Goes on after `len` digits that make `n`.
#[cold]
fn one_by_one(text: &[u8], mut n: u64, mut len: usize) -> (u64, usize) {
    while let Some(digit @ b'0'..=b'9') = text.get(len) {
        if len == MOST {
            break;
        }
        n = n * 10 + u64::from(digit - b'0');
        len += 1;
    }
    (n, len)
}

#[inline(always)]
fn up_to_eight(chunk: [u8; 8]) -> (u64, usize) {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // Digits become their values, 0 to 9; of the first byte that is larger, this sets the top bit. A carry out of
    // it changes only bytes after it.
    let values = u64::from_le_bytes(chunk) ^ (EACH * 0x30);
    let others = (values.wrapping_add(EACH * (0x80 - 10)) | values) & (EACH * 0x80);
    let len = others.trailing_zeros() as usize / 8;
    // Moves the digits to the top, zeros before them; in two steps, as with no digits one would be a shift by 64.
    let half = 4 * (8 - len);
    let values = (values << half) << half;
    // Neighbours are joined: two digits, then four (high and low half apart), then eight.
    let pairs = values.wrapping_mul(10).wrapping_add(values >> 8);
    const PAIR: u64 = 0x0000_00ff_0000_00ff;
    let high = (pairs & PAIR).wrapping_mul(100 + (1_000_000 << 32));
    let low = ((pairs >> 16) & PAIR).wrapping_mul(1 + (10_000 << 32));
    (high.wrapping_add(low) >> 32, len)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stops_at_anything_else() {
        for byte in (0..=255u8).filter(|byte| !byte.is_ascii_digit()) {
            for digits in 0..20 {
                let mut text = b"12345678901234567890"[..digits].to_vec();
                text.push(byte);
                text.extend_from_slice(b"99999999");
                let number = std::str::from_utf8(&text[..digits]).unwrap().parse().unwrap_or(0);
                assert_eq!(leading_digits(&text), (number, digits), "{text:?}");
            }
        }
    }

    #[test]
    fn takes_nineteen_digits_at_most() {
        assert_eq!(leading_digits(&[b'9'; 19]), (9_999_999_999_999_999_999, 19));
        assert_eq!(leading_digits(&[b'9'; 30]), (9_999_999_999_999_999_999, 19));
        assert_eq!(leading_digits(b""), (0, 0));
    }

    proptest! {
        #[test]
        fn reads_what_is_written(n in 0..10u64.pow(18), shift in 0..18u32, tail in "[^0-9]{0,12}") {
            let n = n / 10u64.pow(shift);
            let text = format!("{n}{tail}");
            prop_assert_eq!(leading_digits(text.as_bytes()), (n, n.to_string().len()));
        }
    }
}
