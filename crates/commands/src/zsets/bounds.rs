//! Scores and the bounds of ranges, as arguments have them.

use keyspace::Place;

use crate::number::parse_f64;

pub(super) const NOT_SCORES: &str = "ERR min or max is not a float";
pub(super) const NOT_MEMBERS: &str = "ERR min or max not valid string range item";

/// A score: a number that a double can hold, infinity included where it is meant.
#[inline]
pub(crate) fn parse_score(text: &[u8]) -> Option<f64> {
    let score = parse_f64(text)?;
    let lost = (score.is_infinite() && text.iter().any(u8::is_ascii_digit))
        || (score == 0.0 && mantissa(text).iter().any(|byte| (b'1'..=b'9').contains(byte)));
    (!lost).then_some(score)
}

/// What stands before the exponent.
fn mantissa(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| byte.eq_ignore_ascii_case(&b'e')).unwrap_or(text.len());
    &text[..end]
}

/// The lower and the upper bound of a range of scores.
pub(super) fn score_range(min: &[u8], max: &[u8]) -> Option<(Place<'static>, Place<'static>)> {
    let (min, min_excluded) = score_bound(min)?;
    let (max, max_excluded) = score_bound(max)?;
    let from = if min_excluded { Place::AfterScore(min) } else { Place::BeforeScore(min) };
    let to = if max_excluded { Place::BeforeScore(max) } else { Place::AfterScore(max) };
    Some((from, to))
}

/// A bound, and whether it is excluded itself. No text at all is zero.
fn score_bound(text: &[u8]) -> Option<(f64, bool)> {
    let (number, excluded) = match text {
        [b'(', number @ ..] => (number, true),
        number => (number, false),
    };
    let score = if number.is_empty() { 0.0 } else { parse_f64(number)? };
    Some((score, excluded))
}

/// The lower and the upper bound of a range of members.
pub(super) fn member_range<'a>(min: &'a [u8], max: &'a [u8]) -> Option<(Place<'a>, Place<'a>)> {
    let place = |text: &'a [u8], is_min: bool| match text {
        b"-" => Some(Place::Start),
        b"+" => Some(Place::End),
        [b'[', member @ ..] if is_min => Some(Place::BeforeMember(member)),
        [b'[', member @ ..] => Some(Place::AfterMember(member)),
        [b'(', member @ ..] if is_min => Some(Place::AfterMember(member)),
        [b'(', member @ ..] => Some(Place::BeforeMember(member)),
        _ => None,
    };
    Some((place(min, true)?, place(max, false)?))
}

/// The ranks from `start` to `stop`, both included and negative ones counted from the end, of `len` members.
pub(super) fn rank_range(start: i64, stop: i64, len: usize) -> std::ops::Range<usize> {
    let len = len as i64;
    let place = |at: i64| if at < 0 { at + len } else { at };
    let (start, stop) = (place(start).max(0), place(stop).min(len - 1));
    if start > stop { 0..0 } else { start as usize..stop as usize + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores() {
        for (text, score) in [
            ("1", Some(1.0)),
            ("+5", Some(5.0)),
            ("5.", Some(5.0)),
            (".5", Some(0.5)),
            ("-INF", Some(f64::NEG_INFINITY)),
            ("infinity", Some(f64::INFINITY)),
            ("0e9", Some(0.0)),
            ("1e400", None),
            ("1e-400", None),
            ("nan", None),
            ("", None),
            (" 1", None),
            ("0x10", None),
        ] {
            assert_eq!(parse_score(text.as_bytes()), score, "{text:?}");
        }
    }

    #[test]
    fn ranks() {
        assert_eq!(rank_range(0, -1, 3), 0..3);
        assert_eq!(rank_range(-2, -1, 3), 1..3);
        assert_eq!(rank_range(-9, 9, 3), 0..3);
        assert_eq!(rank_range(2, 1, 3), 0..0);
        assert_eq!(rank_range(3, 5, 3), 0..0);
        assert_eq!(rank_range(i64::MIN, i64::MAX, 0), 0..0);
    }
}
