//! Numbers as the configuration writes them: integers, sizes, percentages and times.

/// A whole number in its one canonical spelling: no sign but `-`, no leading zeros, no spaces.
///
/// Stricter than it need be, so that CONFIG SET refuses what the original refuses.
pub(crate) fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical = !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit())
        && (digits == "0" && digits.len() == text.len() || !digits.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}

/// A size in bytes: digits and one of `b`, `k`, `kb`, `m`, `mb`, `g`, `gb`, case ignored.
///
/// `k` is 1000 and `kb` 1024, and so on; a size that does not fit in 64 bits is none.
pub(crate) fn size(text: &str) -> Option<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// The unit a time is kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Millis,
    Micros,
}

impl Unit {
    fn micros(self) -> i64 {
        match self {
            Self::Seconds => 1_000_000,
            Self::Millis => 1000,
            Self::Micros => 1,
        }
    }
}

/// A time in `unit`: a bare number is one already; `us`, `ms`, `s`, `m`, `h` and `d` convert, if nothing is
/// lost.
pub(crate) fn time(text: &str, unit: Unit) -> Option<i64> {
    if let Some(bare) = integer(text) {
        return Some(bare);
    }
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (digits, suffix) = text.split_at(split);
    let micros: i64 = match suffix.to_ascii_lowercase().as_str() {
        "us" => 1,
        "ms" => 1000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        "d" => 86_400_000_000,
        _ => return None,
    };
    let total = integer(digits)?.checked_mul(micros)?;
    (total >= 0 && total % unit.micros() == 0).then(|| total / unit.micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_one_spelling() {
        for (text, expected) in [("0", Some(0)), ("-1", Some(-1)), ("9223372036854775807", Some(i64::MAX))] {
            assert_eq!(integer(text), expected, "{text}");
        }
        for text in ["", "-", "+5", "05", "-0", "-05", " 5", "5 ", "1e3", "0x10", "9223372036854775808"] {
            assert_eq!(integer(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_know_decimal_and_binary_units() {
        for (text, expected) in [
            ("5", 5),
            ("5b", 5),
            ("1k", 1000),
            ("1kb", 1024),
            ("10Mb", 10 << 20),
            ("1g", 1_000_000_000),
            ("1GB", 1 << 30),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(size(text), Some(expected), "{text}");
        }
        for text in
            ["", "b", "1.5gb", "-1", "1 gb", "1tb", "50%", "+5", "18446744073709551616", "20000000000gb"]
        {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn times_convert_without_loss_or_not_at_all() {
        assert_eq!(time("60", Unit::Seconds), Some(60));
        assert_eq!(time("1m", Unit::Seconds), Some(60));
        assert_eq!(time("2h", Unit::Seconds), Some(7200));
        assert_eq!(time("5s", Unit::Millis), Some(5000));
        assert_eq!(time("10ms", Unit::Micros), Some(10_000));
        assert_eq!(time("-1", Unit::Micros), Some(-1));
        for text in ["500ms", "1w", "s", "-1m", "", "9223372036854775807d"] {
            assert_eq!(time(text, Unit::Seconds), None, "{text}");
        }
    }
}
