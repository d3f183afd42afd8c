//! Until when blocking commands wait.

use crate::number::parse_f64;

/// For how long a command waits, in seconds: the moment at which it gives up, unix milliseconds; `None` is never.
pub(crate) fn deadline(text: &[u8], now_ms: u64) -> Result<Option<u64>, &'static str> {
    const OUT_OF_RANGE: &str = "ERR timeout is out of range";
    let seconds = parse_f64(text).or_else(|| parse_hex(text));
    let ms = seconds.ok_or("ERR timeout is not a float or out of range")? * 1000.0;
    if ms > i64::MAX as f64 {
        return Err(OUT_OF_RANGE);
    }
    // A tiny one is still a time limit.
    match ms.ceil() as i64 {
        ..0 => Err("ERR timeout is negative"),
        0 => Ok(None),
        ms => now_ms.checked_add(ms as u64).filter(|&at| at <= i64::MAX as u64).map(Some).ok_or(OUT_OF_RANGE),
    }
}

/// Whole numbers may be hexadecimal, as C's own parser has it.
fn parse_hex(text: &[u8]) -> Option<f64> {
    let digits = text.strip_prefix(b"0x").or(text.strip_prefix(b"0X"))?;
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    u128::from_str_radix(digits, 16).ok().map(|number| number as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines() {
        for (text, expected) in [
            ("0", Ok(None)),
            ("-0", Ok(None)),
            ("1", Ok(Some(2000))),
            ("0.0001", Ok(Some(1001))),
            ("1.5", Ok(Some(2500))),
            ("1e2", Ok(Some(101_000))),
            ("0x10", Ok(Some(17_000))),
            ("-1", Err("ERR timeout is negative")),
            ("-0.001", Err("ERR timeout is negative")),
            ("-inf", Err("ERR timeout is negative")),
            ("inf", Err("ERR timeout is out of range")),
            ("9223372036854775", Err("ERR timeout is out of range")),
            ("0x7FFFFFFFFFFFFFFF", Err("ERR timeout is out of range")),
            ("", Err("ERR timeout is not a float or out of range")),
            ("nan", Err("ERR timeout is not a float or out of range")),
            ("1 ", Err("ERR timeout is not a float or out of range")),
            ("0x+1", Err("ERR timeout is not a float or out of range")),
        ] {
            assert_eq!(deadline(text.as_bytes(), 1000), expected, "{text}");
        }
    }
}
