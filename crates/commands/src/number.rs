//! Numbers in arguments and values.

/// Parses a 64-bit integer in its one canonical form: no sign but `-`, no leading zeros, no spaces.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    // 19 digits always fit a u64, so that one check at the end is enough.
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    if digits[0] == b'0' && text.len() > 1 {
        return None;
    }
    let mut value: u64 = 0;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    if negative { 0i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

/// Parses a floating-point number as the arguments of INCRBYFLOAT and friends have it: no surrounding space,
/// no NaN.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    let value: f64 = text.parse().ok()?;
    (!value.is_nan()).then_some(value)
}

/// Parses a 32-bit integer; the error is what clients are told.
pub fn parse_i32(text: &[u8]) -> Result<i32, &'static str> {
    let value = parse_i64(text).ok_or(crate::errors::NOT_INTEGER)?;
    i32::try_from(value)
        .map_err(|_| "ERR value is out of range, value must between -2147483648 and 2147483647")
}
