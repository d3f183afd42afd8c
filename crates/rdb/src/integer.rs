//! Strings that spell a 32-bit number, which the format stores as that number.

/// Longest text that can stand for such a number: `-2147483648`.
const MAX_TEXT: usize = 11;

/// The number that `text` spells, if printing that number gives exactly `text` again.
#[inline]
pub(crate) fn parse(text: &[u8]) -> Option<i32> {
    if text.len() > MAX_TEXT {
        return None;
    }
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] => {}
        _ => return None,
    }
    // At most eleven digits: no overflow in 64 bits.
    let mut magnitude = 0i64;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        magnitude = magnitude * 10 + i64::from(digit - b'0');
    }
    i32::try_from(if negative { -magnitude } else { magnitude }).ok()
}

#[cfg(test)]
mod tests {
    use super::parse;
    use proptest::prelude::*;

    #[test]
    fn only_canonical_text_is_a_number() {
        for (text, number) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("10", Some(10)),
            ("2147483647", Some(i32::MAX)),
            ("-2147483648", Some(i32::MIN)),
            ("2147483648", None),
            ("-2147483649", None),
            ("99999999999", None),
            ("", None),
            ("-", None),
            ("-0", None),
            ("00", None),
            ("01", None),
            ("+1", None),
            ("1 ", None),
            (" 1", None),
            ("1e3", None),
            ("--1", None),
            ("123456789012", None),
        ] {
            assert_eq!(parse(text.as_bytes()), number, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_printing(text in "-?[0-9]{0,12}|.{0,3}") {
            let oracle = text.parse::<i32>().ok().filter(|n| n.to_string() == text);
            prop_assert_eq!(parse(text.as_bytes()), oracle);
        }

        #[test]
        fn every_number_is_found(n: i32) {
            prop_assert_eq!(parse(n.to_string().as_bytes()), Some(n));
        }
    }
}
