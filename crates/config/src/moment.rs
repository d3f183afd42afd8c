//! A moment: seconds or milliseconds since the Unix epoch, or a date with a time and a zone.

/// So many seconds lie in the year 5138, so many milliseconds in 1973: what is larger are milliseconds.
const SECONDS_BELOW: u64 = 100_000_000_000;

pub(crate) const FORM: &str = "argument must be a time: seconds or milliseconds since the Unix epoch, or a date with a \
                               time and a zone as in 2026-03-01T12:30:00Z or 2026-03-01T12:30:00.250+08:00";

/// A moment in milliseconds since the Unix epoch.
pub(crate) fn unix_ms(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: u64 = text.parse().ok()?;
        return Some(if number < SECONDS_BELOW { number * 1000 } else { number });
    }
    let (date, clock) = text.split_once(['T', 't', ' '])?;
    let mut date = date.split('-');
    let (year, month, day) = (digits(date.next()?, 4)?, digits(date.next()?, 2)?, digits(date.next()?, 2)?);
    if date.next().is_some() || !(1..=12).contains(&month) || day == 0 || day > days_of(year, month) {
        return None;
    }
    let (clock, zone_minutes) = zone(clock)?;
    let (clock, ms) = match clock.split_once('.') {
        Some((clock, fraction)) => (clock, thousandths(fraction)?),
        None => (clock, 0),
    };
    let mut clock = clock.split(':');
    let (hour, minute, second) =
        (digits(clock.next()?, 2)?, digits(clock.next()?, 2)?, digits(clock.next().unwrap_or("00"), 2)?);
    if clock.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let minutes = (days_since_epoch(year, month, day) * 24 + hour) * 60 + minute - zone_minutes;
    u64::try_from((minutes * 60 + second) * 1000 + ms).ok()
}

/// The clock without the zone, and how many minutes the zone is ahead of UTC.
fn zone(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    // Without a zone it might be meant either way, and hours of writes with it.
    let at = text.rfind(['+', '-'])?;
    let (clock, zone) = text.split_at(at);
    let (hours, minutes) = match zone[1..].split_once(':') {
        Some((hours, minutes)) => (digits(hours, 2)?, digits(minutes, 2)?),
        None if zone.len() == 5 && zone.is_ascii() => (digits(&zone[1..3], 2)?, digits(&zone[3..], 2)?),
        None => (digits(&zone[1..], 2)?, 0),
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    let ahead = hours * 60 + minutes;
    Some((clock, if zone.starts_with('-') { -ahead } else { ahead }))
}

fn digits(text: &str, len: usize) -> Option<i64> {
    if text.len() != len || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// The digits behind the point of seconds; what is finer than milliseconds is left out.
fn thousandths(fraction: &str) -> Option<i64> {
    if fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{fraction:0<3}")[..3].parse().ok()
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from the beginning of 1970, of a date that exists.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    // Of the years before this one; 719,162 days lie before 1970.
    let of_years = before * 365 + before / 4 - before / 100 + before / 400 - 719_162;
    of_years + (1..month).map(|month| days_of(year, month)).sum::<i64>() + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_numbers_or_dates() {
        let day = 1_772_368_200_000;
        for (text, expected) in [
            ("0", 0),
            ("1772368200", day),
            ("1772368200123", day + 123),
            ("2026-03-01T12:30:00Z", day),
            ("2026-03-01 12:30:00z", day),
            ("2026-03-01T12:30Z", day),
            ("2026-03-01T20:30:00+08:00", day),
            ("2026-03-01T07:00:00-0530", day),
            ("2026-03-01T20:30:00.25+08", day + 250),
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59.999999Z", 951_868_799_999),
            ("2400-12-31T00:00:00Z", 13_601_001_600_000),
        ] {
            assert_eq!(unix_ms(text), Some(expected), "{text}");
        }
        for text in [
            "x",
            "-1",
            "1.5",
            "99999999999999999999999",
            "2026-03-01",
            "2026-03-01T12:30:00",
            "2026-02-29T12:30:00Z",
            "2026-13-01T12:30:00Z",
            "2026-00-01T12:30:00Z",
            "2026-03-00T12:30:00Z",
            "2026-03-01T24:30:00Z",
            "2026-03-01T12:30:00.Z",
            "2026-03-01T12:30:00+8:00",
            "2026-03-01T12:30:00+é0",
            "1969-12-31T23:59:59Z",
        ] {
            assert_eq!(unix_ms(text), None, "{text}");
        }
    }
}
