//! Doubles as text: the fewest digits that read back the same, laid out as clients know them.

/// A formatted number, on the stack. Use it as a `&str` through [`AsRef`].
#[derive(Clone, Copy)]
pub struct DoubleText {
    buf: [u8; CAPACITY],
    len: u8,
}

/// The longest text has a sign, 17 digits and seven zeros: 25 bytes.
const CAPACITY: usize = 32;

impl DoubleText {
    const EMPTY: Self = DoubleText { buf: [0; CAPACITY], len: 0 };

    fn push(&mut self, bytes: &[u8]) {
        let start = usize::from(self.len);
        self.buf[start..start + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len() as u8;
    }

    fn zeros(&mut self, n: usize) {
        self.push(&[b'0'; CAPACITY][..n]);
    }

    /// The text as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.buf[..usize::from(self.len)]
    }
}

impl AsRef<str> for DoubleText {
    fn as_ref(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("digits, signs and letters are ASCII")
    }
}

impl std::fmt::Display for DoubleText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_ref())
    }
}

impl std::fmt::Debug for DoubleText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_ref())
    }
}

/// Formats a double as replies print it: `inf`, `-inf`, `nan`; whole numbers of up to 62 bits without a point or
/// exponent; others with the fewest digits that read back the same, and an exponent where that is shorter.
///
/// ```
/// use resp::format_double;
/// assert_eq!(format_double(3.0).as_ref(), "3");
/// assert_eq!(format_double(0.1).as_ref(), "0.1");
/// assert_eq!(format_double(-1.5e300).as_ref(), "-1.5e+300");
/// assert_eq!(format_double(f64::INFINITY).as_ref(), "inf");
/// ```
#[must_use]
pub fn format_double(value: f64) -> DoubleText {
    let mut text = DoubleText::EMPTY;
    if let Some(word) = not_finite(value) {
        text.push(word.as_bytes());
    } else if let Some(whole) = whole(value) {
        text.push(itoa::Buffer::new().format(whole).as_bytes());
    } else {
        if value.is_sign_negative() {
            text.push(b"-");
        }
        Decimal::shortest(value.abs()).lay_out(&mut text);
    }
    text
}

/// Formats a double in plain notation, never with an exponent, as INCRBYFLOAT and HINCRBYFLOAT print it.
///
/// ```
/// assert_eq!(resp::format_human_double(1e25), "10000000000000000000000000");
/// assert_eq!(resp::format_human_double(10.50), "10.5");
/// ```
#[must_use]
pub fn format_human_double(value: f64) -> String {
    match not_finite(value) {
        Some(word) => word.to_owned(),
        // There is no negative zero in what these commands print.
        None if value == 0.0 => "0".to_owned(),
        None => value.to_string(),
    }
}

fn not_finite(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("nan")
    } else if value.is_infinite() {
        Some(if value > 0.0 { "inf" } else { "-inf" })
    } else {
        None
    }
}

/// The value as an integer if it is one of up to 62 bits; negative zero is not.
fn whole(value: f64) -> Option<i64> {
    const BOUND: f64 = (1i64 << 62) as f64;
    let whole = value as i64;
    (value.abs() <= BOUND && whole as f64 == value && (whole != 0 || value.is_sign_positive()))
        .then_some(whole)
}

/// `digits` × 10^`scale`, without a zero at either end (unless it is zero).
struct Decimal {
    digits: [u8; 17],
    len: usize,
    scale: i32,
}

impl Decimal {
    /// The shortest decimal that reads back as `value`, which is finite and not negative.
    fn shortest(value: f64) -> Self {
        let mut buffer = zmij::Buffer::new();
        let text = buffer.format_finite(value);
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut scale: i32 = exponent.parse().expect("an exponent is a small number");
        scale -= after.len() as i32;
        let all = before.bytes().chain(after.bytes()).skip_while(|&digit| digit == b'0');
        let (mut digits, mut len, mut zeros) = ([0; 17], 0, 0);
        // Zeros are taken along only when another digit follows.
        for digit in all {
            if digit == b'0' {
                zeros += 1;
                continue;
            }
            digits[len..len + zeros].fill(b'0');
            digits[len + zeros] = digit;
            len += zeros + 1;
            zeros = 0;
        }
        if len == 0 {
            return Decimal { digits: [b'0'; 17], len: 1, scale: 0 };
        }
        Decimal { digits, len, scale: scale + zeros as i32 }
    }

    fn lay_out(&self, text: &mut DoubleText) {
        let digits = &self.digits[..self.len];
        // The exponent of scientific notation, with one digit before the point.
        let exponent = self.scale + self.len as i32 - 1;
        if self.scale >= 0 && (exponent as usize) < self.len + 7 {
            text.push(digits);
            text.zeros(self.scale as usize);
        } else if self.scale < 0 && (self.scale > -7 || exponent.abs() < 4) {
            match usize::try_from(exponent + 1) {
                Ok(before @ 1..) => {
                    text.push(&digits[..before]);
                    text.push(b".");
                    text.push(&digits[before..]);
                }
                _ => {
                    text.push(b"0.");
                    text.zeros((-exponent - 1) as usize);
                    text.push(digits);
                }
            }
        } else {
            text.push(&digits[..1]);
            if digits.len() > 1 {
                text.push(b".");
                text.push(&digits[1..]);
            }
            text.push(if exponent < 0 { b"e-" } else { b"e+" });
            text.push(itoa::Buffer::new().format(exponent.unsigned_abs()).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(value: f64, expected: &str) {
        assert_eq!(format_double(value).as_ref(), expected);
    }

    #[test]
    fn whole_numbers_have_no_point() {
        check(0.0, "0");
        check(-0.0, "-0");
        check(1.0, "1");
        check(-42.0, "-42");
        check(1e10, "10000000000");
        check(4_611_686_018_427_387_904.0, "4611686018427387904");
        check(1e19, "1e+19");
        check(-1e25, "-1e+25");
        check(1.234_567_890_123_456_7e23, "123456789012345670000000");
        check(-1.234_567_890_123_456_7e23, "-123456789012345670000000");
    }

    #[test]
    fn fractions_are_shortest() {
        check(0.1, "0.1");
        check(3.21, "3.21");
        check(-1.5, "-1.5");
        check(0.000_001, "0.000001");
        check(0.000_000_1, "1e-7");
        check(1.2345e-9, "1.2345e-9");
        check(1.0 / 3.0, "0.3333333333333333");
        check(123_456.789, "123456.789");
        check(5e-324, "5e-324");
        check(f64::MAX, "1.7976931348623157e+308");
    }

    #[test]
    fn not_numbers_are_words() {
        check(f64::INFINITY, "inf");
        check(f64::NEG_INFINITY, "-inf");
        check(f64::NAN, "nan");
        check(-f64::NAN, "nan");
        assert_eq!(format_human_double(f64::NEG_INFINITY), "-inf");
    }

    #[test]
    fn plain_notation_has_no_exponent() {
        assert_eq!(format_human_double(5e-7), "0.0000005");
        assert_eq!(format_human_double(3.0), "3");
        assert_eq!(format_human_double(-0.0), "0");
        assert_eq!(format_human_double(-1e21), "-1000000000000000000000");
    }

    #[test]
    fn displays_with_padding() {
        assert_eq!(format!("[{:>5}]", format_double(1.5)), "[  1.5]");
    }

    proptest! {
        #[test]
        fn reads_back_the_same(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let text = format_double(value);
            prop_assert_eq!(text.as_ref().parse::<f64>().unwrap().to_bits(), bits, "{}", text);
            prop_assert_eq!(format_human_double(value).parse::<f64>().unwrap(), value);
        }

        #[test]
        fn reads_back_the_same_in_the_usual_range(n: i32, scale in 0i32..12) {
            let value = f64::from(n) / 10f64.powi(scale);
            let text = format_double(value);
            prop_assert_eq!(text.as_ref().parse::<f64>().unwrap(), value, "{}", text);
        }
    }
}
