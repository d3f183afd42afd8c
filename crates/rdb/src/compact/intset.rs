//! The intset: a set of numbers, sorted, each in as many bytes as the widest needs.
//!
//! ```text
//! width     4 bytes, little-endian: 2, 4 or 8
//! numbers   4 bytes, little-endian: how many
//! number …  so many bytes each, signed, little-endian, in rising order
//! ```

use super::IntsetError;

const HEADER: usize = 4 + 4;

/// Checks that `bytes` are one intset and nothing else.
pub(crate) fn check(bytes: &[u8]) -> Result<(), IntsetError> {
    let (width, count) = header(bytes).ok_or(IntsetError::TooShort)?;
    if !matches!(width, 2 | 4 | 8) {
        return Err(IntsetError::BadWidth { width });
    }
    // Neither is above 32 bits, so the product is in 64.
    if u64::from(width) * u64::from(count) != (bytes.len() - HEADER) as u64 {
        return Err(IntsetError::WrongCount { count });
    }
    let mut numbers = iter(bytes);
    let mut last = numbers.next();
    for (index, number) in numbers.enumerate() {
        if Some(number) <= last {
            return Err(IntsetError::Unordered { index: index + 1 });
        }
        last = Some(number);
    }
    Ok(())
}

fn header(bytes: &[u8]) -> Option<(u32, u32)> {
    let [w0, w1, w2, w3, c0, c1, c2, c3] = *bytes.first_chunk::<HEADER>()?;
    Some((u32::from_le_bytes([w0, w1, w2, w3]), u32::from_le_bytes([c0, c1, c2, c3])))
}

/// How many numbers there are, by the header.
pub(super) fn len(bytes: &[u8]) -> usize {
    header(bytes).map_or(0, |(_, count)| count as usize)
}

pub(super) fn iter(bytes: &[u8]) -> Iter<'_> {
    let width = header(bytes).map_or(0, |(width, _)| width as usize);
    Iter { width, rest: bytes.get(HEADER..).unwrap_or_default() }
}

/// The numbers, in rising order.
#[derive(Debug, Clone)]
pub(super) struct Iter<'a> {
    width: usize,
    rest: &'a [u8],
}

impl Iterator for Iter<'_> {
    type Item = i64;

    #[inline]
    fn next(&mut self) -> Option<i64> {
        let (number, rest) = self.rest.split_at_checked(self.width)?;
        self.rest = rest;
        match *number {
            [a, b] => Some(i16::from_le_bytes([a, b]).into()),
            [a, b, c, d] => Some(i32::from_le_bytes([a, b, c, d]).into()),
            [a, b, c, d, e, f, g, h] => Some(i64::from_le_bytes([a, b, c, d, e, f, g, h])),
            _ => None,
        }
    }
}

/// Appends the intset of numbers that come in rising order.
pub(crate) fn write(out: &mut Vec<u8>, numbers: impl ExactSizeIterator<Item = i64> + Clone) {
    let widest = numbers.clone().map(width).max().unwrap_or(2);
    out.extend_from_slice(&(widest as u32).to_le_bytes());
    // More numbers than that no peer takes in one string.
    out.extend_from_slice(&(u32::try_from(numbers.len()).unwrap_or(u32::MAX)).to_le_bytes());
    for number in numbers {
        out.extend_from_slice(&number.to_le_bytes()[..widest]);
    }
}

/// Bytes that a number needs.
fn width(number: i64) -> usize {
    if i16::try_from(number).is_ok() {
        2
    } else if i32::try_from(number).is_ok() {
        4
    } else {
        8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn valid(numbers: &[i64], bytes: &[u8]) {
        let mut out = Vec::new();
        write(&mut out, numbers.iter().copied());
        assert_eq!(out, bytes);
        assert_eq!(check(bytes), Ok(()));
        assert_eq!(len(bytes), numbers.len());
        assert!(iter(bytes).eq(numbers.iter().copied()));
    }

    #[test]
    fn the_widest_number_sets_the_width() {
        valid(&[], b"\x02\0\0\0\0\0\0\0");
        valid(&[-1, 5], b"\x02\0\0\0\x02\0\0\0\xff\xff\x05\0");
        valid(&[-1, 32768], b"\x04\0\0\0\x02\0\0\0\xff\xff\xff\xff\0\x80\0\0");
        valid(&[i64::MIN], b"\x08\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\x80");
    }

    #[test]
    fn damage() {
        assert_eq!(check(b""), Err(IntsetError::TooShort));
        assert_eq!(check(b"\x02\0\0\0\0\0\0"), Err(IntsetError::TooShort));
        assert_eq!(check(b"\x03\0\0\0\0\0\0\0"), Err(IntsetError::BadWidth { width: 3 }));
        assert_eq!(check(b"\x02\0\0\0\x01\0\0\0"), Err(IntsetError::WrongCount { count: 1 }));
        assert_eq!(check(b"\x02\0\0\0\x01\0\0\0\0\0\0"), Err(IntsetError::WrongCount { count: 1 }));
        let huge = b"\x08\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0";
        assert_eq!(check(huge), Err(IntsetError::WrongCount { count: u32::MAX }));
        assert_eq!(check(b"\x02\0\0\0\x02\0\0\0\x05\0\x05\0"), Err(IntsetError::Unordered { index: 1 }));
        assert_eq!(
            check(b"\x02\0\0\0\x03\0\0\0\x05\0\x06\0\0\x80"),
            Err(IntsetError::Unordered { index: 2 })
        );
    }
}
