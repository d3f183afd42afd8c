//! Small pieces of the wire format that both roles share.

use backlog::Offset;

/// Positions and lengths are signed 64-bit numbers in every peer.
const MAX: u64 = i64::MAX as u64;

/// What a master answers `REPLCONF lineage` with when it can continue none of the names.
pub(crate) const LINEAGE_UNKNOWN: &[u8] = b"+NONE";

/// Reads a decimal number of at most 63 bits: digits only, no sign, no blanks.
pub(crate) fn parse_number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let value = text.iter().try_fold(0u64, |value, &byte| match byte {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })?;
    (value <= MAX).then_some(value)
}

/// Reads a number that may be negative.
pub(crate) fn parse_signed(text: &[u8]) -> Option<i64> {
    match text.strip_prefix(b"-") {
        Some(digits) => parse_number(digits).map(|value| -(value as i64)),
        None => parse_number(text).map(|value| value as i64),
    }
}

/// What stands in a `PSYNC` request for a peer that has applied everything up to `applied`: the number of the
/// byte it wants next. Here, and in [`position_asked_for`], the wire's way to count meets that of [`Offset`];
/// nowhere else.
pub(crate) fn byte_wanted(applied: Offset) -> u64 {
    applied.next_byte()
}

/// The position that a peer holds which asks for byte `number`; `None` if there is no such byte.
pub(crate) fn position_asked_for(number: i64) -> Option<Offset> {
    Offset::before_byte(u64::try_from(number).ok()?)
}

/// Appends a request as an array of bulk strings.
pub(crate) fn encode_request(out: &mut Vec<u8>, args: &[&[u8]]) {
    out.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
    for arg in args {
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}

/// A peer's line as it may stand in an error message: printable, and not longer than is useful.
pub(crate) fn excerpt(line: &[u8]) -> String {
    const LIMIT: usize = 128;
    let mut text = String::new();
    for &byte in &line[..line.len().min(LIMIT)] {
        match byte {
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.extend(byte.escape_ascii().map(char::from)),
        }
    }
    if line.len() > LIMIT {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_63_bits_and_no_ornaments() {
        assert_eq!(parse_number(b"0"), Some(0));
        assert_eq!(parse_number(b"9223372036854775807"), Some(MAX));
        for text in
            [&b""[..], b"+1", b"-1", b" 1", b"1 ", b"1x", b"9223372036854775808", b"99999999999999999999999"]
        {
            assert_eq!(parse_number(text), None, "{}", text.escape_ascii());
        }
        assert_eq!(parse_signed(b"-1"), Some(-1));
        assert_eq!(parse_signed(b"-9223372036854775807"), Some(-i64::MAX));
        for text in [&b"-"[..], b"--1", b"-+1", b""] {
            assert_eq!(parse_signed(text), None, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn the_wire_counts_bytes_and_we_count_positions() {
        assert_eq!(byte_wanted(Offset::ZERO), 1, "an empty history is continued with byte 1");
        assert_eq!(position_asked_for(1), Some(Offset::ZERO));
        assert_eq!(position_asked_for(101), Some(Offset(100)));
        for nothing in [0, -1, i64::MIN] {
            assert_eq!(position_asked_for(nothing), None);
        }
    }

    #[test]
    fn excerpts_are_short_and_printable() {
        assert_eq!(excerpt(b"-ERR can't \"x\"\r\x00\xff"), r#"-ERR can't "x"\r\x00\xff"#);
        assert_eq!(excerpt(&[b'a'; 1000]).chars().count(), 129);
    }
}
