//! Scores as elements of a pack: whole numbers as numbers, others as text. A zero loses its sign there, as it does in Redis's
//! listpacks.

use std::fmt::Write;

use listpack::Entry as Element;

/// Whole numbers up to here are told apart by a double.
const WHOLE_MAX: f64 = (1u64 << 53) as f64;

/// The score that an element of a pack says.
#[inline]
pub(super) fn read(element: Element<'_>) -> f64 {
    match element {
        Element::Int(number) => number as f64,
        Element::Str(text) => {
            std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0.0)
        }
    }
}

/// A score as an element; the text of one that is no whole number is in here.
pub(super) struct ScoreElement {
    text: Text,
    whole: Option<i64>,
}

impl ScoreElement {
    #[inline]
    pub(super) fn new(score: f64) -> Self {
        let mut text = Text { bytes: [0; 32], len: 0 };
        let whole = score as i64;
        if score.abs() <= WHOLE_MAX && whole as f64 == score {
            return Self { text, whole: Some(whole) };
        }
        // All shortest forms fit: 17 digits, a sign, a point, an exponent.
        let plain = (1e-5..1e16).contains(&score.abs()) || score.is_infinite();
        let written = if plain { write!(text, "{score}") } else { write!(text, "{score:e}") };
        debug_assert!(written.is_ok());
        Self { text, whole: None }
    }

    #[inline]
    pub(super) fn element(&self) -> Element<'_> {
        match self.whole {
            Some(number) => Element::Int(number),
            None => Element::Str(&self.text.bytes[..self.text.len]),
        }
    }
}

struct Text {
    bytes: [u8; 32],
    len: usize,
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let room = self.bytes.get_mut(self.len..self.len + text.len()).ok_or(std::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(score: f64) {
        let element = ScoreElement::new(score);
        assert_eq!(read(element.element()), score, "as {:?}", element.element());
        // It is kept in a form that comes back as the same from a pack.
        assert_eq!(Element::from_text(&element.element().to_vec()), element.element());
    }

    #[test]
    fn special_scores() {
        for score in [
            0.0,
            -0.0,
            1.5,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324,
            1e17,
            -1e22,
        ] {
            check(score);
        }
        assert_eq!(ScoreElement::new(-7.0).element(), Element::Int(-7));
        assert_eq!(ScoreElement::new(0.1).element(), Element::Str(b"0.1"));
        assert_eq!(ScoreElement::new(f64::NEG_INFINITY).element(), Element::Str(b"-inf"));
    }

    proptest! {
        #[test]
        fn scores_survive(bits: u64, number: i32) {
            let score = f64::from_bits(bits);
            if !score.is_nan() {
                check(score);
            }
            check(f64::from(number));
            check(f64::from(number) / 1000.0);
        }
    }
}
