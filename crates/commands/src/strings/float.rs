//! Floating-point numbers as INCRBYFLOAT has them: the x87 extended format.
//!
//! Redis adds `long double`s, which on x86 have 64 bits of precision, and prints them with 17 decimals. An
//! `f64` has 53 bits, and so shows 0.30000000000000004 where users know 0.3, and where they know
//! 1000.19999999999999996 it shows something else again. This is the little of that format that is needed:
//! reading, adding, printing.

use num_bigint::BigUint;

/// A number of 64 bits of precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Float {
    /// `mantissa * 2^exponent`; the mantissa's top bit is set, unless it is zero.
    Finite {
        negative: bool,
        mantissa: u64,
        exponent: i32,
    },
    Infinite {
        negative: bool,
    },
    NotANumber,
}

/// The largest exponent of a 64-bit integer mantissa that the format's 15-bit exponent allows.
const MAX_EXPONENT: i32 = 16383 - 63;
/// That of the smallest number.
const MIN_EXPONENT: i32 = -16445;
/// Longer texts are refused: no number of the format needs more digits.
const MAX_TEXT: usize = 5 * 1024;

impl Float {
    pub const ZERO: Float = Float::Finite { negative: false, mantissa: 0, exponent: 0 };

    /// Reads decimal notation, with or without an exponent, and the names of infinity. `None` for anything
    /// else, NaN and numbers too small or too large for the format included.
    pub fn parse(text: &[u8]) -> Option<Float> {
        if text.len() >= MAX_TEXT {
            return None;
        }
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        if text.eq_ignore_ascii_case(b"inf") || text.eq_ignore_ascii_case(b"infinity") {
            return Some(Float::Infinite { negative });
        }
        let exponent_at = text.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(text.len());
        let (number, exponent) = text.split_at(exponent_at);
        let mut exponent = match exponent {
            [] => 0,
            [_, rest @ ..] => parse_exponent(rest)?,
        };
        let point = number.iter().position(|&byte| byte == b'.').unwrap_or(number.len());
        let (whole, fraction) = (&number[..point], number.get(point + 1..).unwrap_or_default());
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        exponent -= fraction.len() as i64;
        let digits = [whole, fraction].concat();
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let significant = match digits.iter().position(|&digit| digit != b'0') {
            Some(first) => &digits[first..],
            None => return Some(Float::Finite { negative, mantissa: 0, exponent: 0 }),
        };
        // Far outside the format: not worth computing, and ten to that power would be large.
        let magnitude = exponent + significant.len() as i64;
        if !(-5000..=5000).contains(&magnitude) {
            return None;
        }
        let digits = BigUint::parse_bytes(significant, 10)?;
        let ten_to = |power: i64| BigUint::from(10u8).pow(power.unsigned_abs() as u32);
        let value = if exponent >= 0 {
            rounded(negative, &(digits * ten_to(exponent)), 0, false)
        } else {
            // Scaled up until the quotient has the bits that rounding looks at; the remainder only says "and
            // a little more".
            let divisor = ten_to(exponent);
            let scale = (divisor.bits() + 66).saturating_sub(digits.bits());
            let scaled = digits << scale;
            let quotient = &scaled / &divisor;
            let exact = scaled == &quotient * &divisor;
            rounded(negative, &quotient, -(scale as i32), !exact)
        };
        match value {
            Float::Finite { exponent, .. } if exponent < MIN_EXPONENT => None,
            Float::Finite { .. } => Some(value),
            _ => None,
        }
    }

    /// The sum, rounded to the nearest number of the format.
    pub fn plus(self, other: Float) -> Float {
        let (a, b) = match (self, other) {
            (Float::NotANumber, _) | (_, Float::NotANumber) => return Float::NotANumber,
            (Float::Infinite { negative: a }, Float::Infinite { negative: b }) if a != b => {
                return Float::NotANumber;
            }
            (Float::Infinite { negative }, _) | (_, Float::Infinite { negative }) => {
                return Float::Infinite { negative };
            }
            (Float::Finite { mantissa: 0, .. }, _) => return other,
            (_, Float::Finite { mantissa: 0, .. }) => return self,
            (
                Float::Finite { negative: na, mantissa: ma, exponent: ea },
                Float::Finite { negative: nb, mantissa: mb, exponent: eb },
            ) => ((na, ma, ea), (nb, mb, eb)),
        };
        // Mantissas fill their 64 bits, so the exponent decides which is larger, and only then the mantissa.
        let (large, small) = if (a.2, a.1) >= (b.2, b.1) { (a, b) } else { (b, a) };
        let distance = (large.2 - small.2) as u32;
        // 63 spare bits below and one above for the carry; what falls off the end is remembered as one bit.
        let wide = u128::from(large.1) << 63;
        let shifted = u128::from(small.1) << 63;
        let (aligned, lost) = if distance >= 127 {
            (0, true)
        } else {
            (shifted >> distance, (shifted >> distance) << distance != shifted)
        };
        let sum = if large.0 == small.0 { wide + aligned } else { wide - aligned - u128::from(lost) };
        if sum == 0 {
            return Float::ZERO;
        }
        rounded_wide(large.0, sum, large.2 - 63, lost)
    }

    /// With 17 decimals, zeros at the end cut off; `None` unless it is a finite number.
    pub fn to_text(self) -> Option<String> {
        const DECIMALS: usize = 17;
        let Float::Finite { negative, mantissa, exponent } = self else { return None };
        let mut digits = if exponent >= 0 {
            let whole = BigUint::from(mantissa) << exponent as u32;
            format!("{whole}.")
        } else {
            // 64 + 57 bits: fits.
            let scaled = u128::from(mantissa) * 10u128.pow(DECIMALS as u32);
            let digits = format!(
                "{:0>width$}",
                divided_by_power(scaled, exponent.unsigned_abs()),
                width = DECIMALS + 1
            );
            let (whole, fraction) = digits.split_at(digits.len() - DECIMALS);
            format!("{whole}.{}", fraction.trim_end_matches('0'))
        };
        if digits.ends_with('.') {
            digits.pop();
        }
        if negative && digits != "0" {
            digits.insert(0, '-');
        }
        Some(digits)
    }
}

/// `[+-]digits`, clamped: what is clamped is out of every range anyway.
fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value =
        digits.iter().fold(0i64, |value, digit| (value * 10 + i64::from(digit - b'0')).min(1_000_000));
    Some(if negative { -value } else { value })
}

/// `value / 2^power`, rounded to the nearest, ties to the even.
fn divided_by_power(value: u128, power: u32) -> u128 {
    if power > 127 {
        return 0;
    }
    let quotient = value >> power;
    let rest = value - (quotient << power);
    let half = 1u128 << (power - 1);
    if rest > half || (rest == half && quotient & 1 == 1) { quotient + 1 } else { quotient }
}

/// `value * 2^exponent`, and a little more if `inexact`, in the format.
fn rounded(negative: bool, value: &BigUint, exponent: i32, inexact: bool) -> Float {
    let excess = value.bits().saturating_sub(128) as u32;
    let top = value >> excess;
    let lost = value.trailing_zeros().is_some_and(|zeros| zeros < u64::from(excess));
    let top = u128::try_from(top).expect("shifted to at most 128 bits");
    rounded_wide(negative, top, exponent + excess as i32, inexact || lost)
}

/// The same for a value of 128 bits. If `inexact`, the value must have more than 65 bits, so that the
/// inexactness lies below what decides.
fn rounded_wide(negative: bool, value: u128, exponent: i32, inexact: bool) -> Float {
    let lead = value.leading_zeros();
    let (value, exponent) = (value << lead, exponent - lead as i32);
    let (mut mantissa, rest) = ((value >> 64) as u64, value as u64);
    let mut exponent = exponent + 64;
    const HALF: u64 = 1 << 63;
    if rest > HALF || (rest == HALF && (inexact || mantissa & 1 == 1)) {
        match mantissa.checked_add(1) {
            Some(sum) => mantissa = sum,
            None => {
                mantissa = HALF;
                exponent += 1;
            }
        }
    }
    if exponent > MAX_EXPONENT {
        return Float::Infinite { negative };
    }
    Float::Finite { negative, mantissa, exponent }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(a: &str, b: &str, sum: &str) {
        let a = Float::parse(a.as_bytes()).expect("a number");
        let b = Float::parse(b.as_bytes()).expect("a number");
        assert_eq!(a.plus(b).to_text().as_deref(), Some(sum));
        assert_eq!(b.plus(a).to_text().as_deref(), Some(sum));
    }

    /// The expected texts are what redis-server 7.0 on x86-64 answers.
    #[test]
    fn sums_as_the_extended_format_has_them() {
        check("0.1", "0.2", "0.3");
        check("1", "-1.1", "-0.1");
        check("1000.1", "0.1", "1000.19999999999999996");
        check("5.0e3", "2.0e2", "5200");
        check("17179869184", "1.5", "17179869185.5");
        check("3.0e-25", "0", "0");
        check("-3.0e-25", "0", "0");
        check("1", "-1", "0");
        check("+1.", ".5", "1.5");
        check("10.50", "0.1", "10.6");
        check("1e19", "1e-5", "10000000000000000000");
        check("0", "1e22", "10000000000000000000000");
    }

    #[test]
    fn rounds_to_the_even_and_carries() {
        // 2^64 needs 65 bits with a one at the end: the tie goes to the even neighbour.
        check("18446744073709551616", "1", "18446744073709551616");
        check("18446744073709551616", "3", "18446744073709551620");
        check("18446744073709551615", "1", "18446744073709551616");
        check("18446744073709551615", "0.5", "18446744073709551616");
        // A tie that only the lost bits break.
        check("18446744073709551616", "1.000000000000000001", "18446744073709551618");
        check("18446744073709551616", "-0.25", "18446744073709551616");
        check("9223372036854775808", "-0.25", "9223372036854775808");
    }

    #[test]
    fn refuses_what_is_no_number() {
        for text in [
            "", " 1", "1 ", "nan", "-", ".", "e5", "1e", "1e+", "1.2.3", "0x10", "1_0", "1e5000", "1e-5000",
            "--1",
        ] {
            assert_eq!(Float::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(Float::parse("9".repeat(MAX_TEXT).as_bytes()), None);
    }

    #[test]
    fn infinity_is_read_but_not_printed() {
        let inf = Float::parse(b"-Infinity").expect("a name of infinity");
        assert_eq!(inf.plus(Float::ZERO).to_text(), None);
        assert_eq!(inf.plus(Float::parse(b"inf").expect("another")), Float::NotANumber);
        let large = Float::parse(b"1e4932").expect("within range");
        assert_eq!(large.plus(large), Float::Infinite { negative: false });
    }
}
