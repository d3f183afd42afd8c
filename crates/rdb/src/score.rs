//! The scores of sorted sets.

use listpack::Entry;

/// What stands for a score.
const NAN: u8 = 253;
const POSITIVE_INFINITY: u8 = 254;
const NEGATIVE_INFINITY: u8 = 255;

/// The score that an entry of a compact sorted set is; `None` if it is no number.
#[inline]
pub(crate) fn of(entry: Entry<'_>) -> Option<f64> {
    match entry {
        Entry::Int(number) => Some(number as f64),
        Entry::Str(text) => parse(text),
    }
}

/// The number that a decimal text or the name of an infinity spells.
pub(crate) fn parse(text: &[u8]) -> Option<f64> {
    let score: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (!score.is_nan()).then_some(score)
}

/// What the first byte of a score as text means.
pub(crate) enum Text {
    /// The score.
    Score(f64),
    /// So many characters follow.
    Len(u8),
    /// It is no number.
    Nan,
}

impl Text {
    pub(crate) fn of(byte: u8) -> Text {
        match byte {
            NAN => Text::Nan,
            POSITIVE_INFINITY => Text::Score(f64::INFINITY),
            NEGATIVE_INFINITY => Text::Score(f64::NEG_INFINITY),
            len => Text::Len(len),
        }
    }
}

/// Room for the text of a score.
pub struct ScoreText(zmij::Buffer);

impl ScoreText {
    /// An empty one.
    pub fn new() -> Self {
        ScoreText(zmij::Buffer::new())
    }

    /// A score as it is kept in compact sorted sets: a number if it is a whole one, its text otherwise.
    #[inline]
    pub fn entry(&mut self, score: f64) -> Entry<'_> {
        /// Beyond it doubles are further apart than whole numbers.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let whole = score as i64;
        // Zero below zero compares like zero, but reads back as another number.
        if whole as f64 == score && score.abs() <= EXACT && !(whole == 0 && score.is_sign_negative()) {
            Entry::Int(whole)
        } else {
            Entry::Str(self.0.format(score).as_bytes())
        }
    }
}

impl Default for ScoreText {
    fn default() -> Self {
        ScoreText::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_servers_write_is_read() {
        for (text, score) in [
            ("0", 0.0),
            ("-1.5", -1.5),
            ("1e+30", 1e30),
            ("3.1415926535897931", std::f64::consts::PI),
            ("inf", f64::INFINITY),
            ("-inf", f64::NEG_INFINITY),
            ("17", 17.0),
        ] {
            assert_eq!(of(Entry::Str(text.as_bytes())), Some(score), "{text}");
        }
        for text in ["nan", "-nan", "", "one", "1 ", "\u{ff11}"] {
            assert_eq!(of(Entry::Str(text.as_bytes())), None, "{text}");
        }
    }

    fn check(score: f64) {
        let back = of(ScoreText::new().entry(score)).map(f64::to_bits);
        assert_eq!(back, Some(score.to_bits()), "{score}");
    }

    #[test]
    fn borders() {
        for score in [
            0.0,
            -0.0,
            1.0,
            -1.0,
            0.1,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MAX,
            f64::MIN_POSITIVE,
            9e15,
            1e16,
            2e18,
            1e19,
            9_007_199_254_740_993.0,
        ] {
            check(score);
            check(-score);
        }
    }

    proptest! {
        #[test]
        fn any_score_survives(bits: u64, whole: i32) {
            let score = f64::from_bits(bits);
            if !score.is_nan() {
                check(score);
            }
            check(whole.into());
        }
    }
}
