//! Inline requests: a line of text split into arguments, with the quoting of `redis-cli`.
//!
//! Arguments are separated by white space. Any part of one may be quoted:
//! `"…"` understands `\n \r \t \b \a`, `\xhh` and takes any other escaped byte as it is; `'…'` understands `\'`
//! only. All other bytes, NUL among them, stand for themselves.

use nom::branch::alt;
use nom::bytes::complete::{is_not, tag, take, take_till, take_while_m_n};
use nom::combinator::{map, value};
use nom::multi::fold_many0;
use nom::sequence::{delimited, preceded};
use nom::{AsChar, IResult, Parser};

use crate::{Span, UnbalancedQuotes};

/// Splits a line (without its end) into its arguments.
///
/// ```
/// let args = resp::split_inline(br#"  SET key "two\x20words\n" 'it\'s' "#)?;
/// assert_eq!(args, [b"SET".as_slice(), b"key", b"two words\n", b"it's"]);
/// assert!(resp::split_inline(br#"GET "key"#).is_err());
/// # Ok::<(), resp::UnbalancedQuotes>(())
/// ```
///
/// # Errors
/// A quote does not end.
pub fn split_inline(line: &[u8]) -> Result<Vec<Vec<u8>>, UnbalancedQuotes> {
    let (mut out, mut spans) = (Vec::new(), Vec::new());
    split_into(line, &mut out, &mut spans)?;
    Ok(spans.into_iter().map(|span| span.of(&out).to_vec()).collect())
}

/// Splits a line: appends the arguments' bytes to `out` and their spans within `out` to `spans`.
pub(crate) fn split_into(
    line: &[u8],
    out: &mut Vec<u8>,
    spans: &mut Vec<Span>,
) -> Result<(), UnbalancedQuotes> {
    let mut rest = blanks(line);
    while !rest.is_empty() {
        let start = out.len();
        let (after, ()) = argument(rest, out).map_err(|_| UnbalancedQuotes)?;
        spans.push(Span { start: start as u32, len: (out.len() - start) as u32 });
        rest = blanks(after);
    }
    Ok(())
}

/// What `isspace` of C holds for white space: vertical tab included, unlike `u8::is_ascii_whitespace`.
fn is_space(byte: u8) -> bool {
    byte == b' ' || (b'\t'..=b'\r').contains(&byte)
}

fn blanks(line: &[u8]) -> &[u8] {
    &line[line.iter().take_while(|&&byte| is_space(byte)).count()..]
}

/// One argument: bytes as they are and quoted parts, in any order.
fn argument<'a>(line: &'a [u8], out: &mut Vec<u8>) -> IResult<&'a [u8], ()> {
    let mut line = line;
    loop {
        let (rest, plain) = take_till(|byte| is_space(byte) || byte == b'"' || byte == b'\'')(line)?;
        out.extend_from_slice(plain);
        (line, ()) = match rest.first() {
            Some(b'"') => quoted(b"\"", double_quoted_piece, rest, out)?,
            Some(b'\'') => quoted(b"'", single_quoted_piece, rest, out)?,
            _ => return Ok((rest, ())),
        };
    }
}

/// A part between two `quote`s.
fn quoted<'a>(
    quote: &'static [u8],
    piece: impl Fn(&'a [u8]) -> IResult<&'a [u8], Piece<'a>>,
    line: &'a [u8],
    out: &mut Vec<u8>,
) -> IResult<&'a [u8], ()> {
    let pieces = fold_many0(
        piece,
        || (),
        |(), piece| match piece {
            Piece::Run(bytes) => out.extend_from_slice(bytes),
            Piece::Byte(byte) => out.push(byte),
        },
    );
    delimited(tag(quote), pieces, tag(quote)).parse(line)
}

/// A piece of a quoted part.
#[derive(Clone)]
enum Piece<'a> {
    /// Bytes that stand for themselves.
    Run(&'a [u8]),
    /// What an escape stands for.
    Byte(u8),
}

fn double_quoted_piece(line: &[u8]) -> IResult<&[u8], Piece<'_>> {
    let hex_digits = take_while_m_n(2, 2, |byte: u8| byte.is_hex_digit());
    let hex = map(preceded(tag(&b"x"[..]), hex_digits), |digits: &[u8]| {
        Piece::Byte(digits.iter().fold(0, |n, &digit| n << 4 | hex_value(digit)))
    });
    let other = map(take(1usize), |byte: &[u8]| {
        Piece::Byte(match byte[0] {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 0x08,
            b'a' => 0x07,
            byte => byte,
        })
    });
    let escape = preceded(tag(&b"\\"[..]), alt((hex, other)));
    alt((map(is_not(&b"\"\\"[..]), Piece::Run), escape)).parse(line)
}

fn single_quoted_piece(line: &[u8]) -> IResult<&[u8], Piece<'_>> {
    let quote = value(Piece::Byte(b'\''), tag(&b"\\'"[..]));
    let backslash = value(Piece::Byte(b'\\'), tag(&b"\\"[..]));
    alt((map(is_not(&b"'\\"[..]), Piece::Run), quote, backslash)).parse(line)
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &[u8], expected: &[&[u8]]) {
        assert_eq!(split_inline(line).expect("the quotes are balanced"), expected, "{}", line.escape_ascii());
    }

    #[test]
    fn white_space_separates() {
        check(b"", &[]);
        check(b" \t\r\n\x0b\x0c", &[]);
        check(b"a", &[b"a"]);
        check(b"\ta\x0bbc  d ", &[b"a", b"bc", b"d"]);
        check(b"a\0b \xff", &[b"a\0b", b"\xff"]);
    }

    #[test]
    fn double_quotes_know_escapes() {
        check(br#""a b" "" "c""#, &[b"a b", b"", b"c"]);
        check(br#""\n\r\t\b\a\\\"\q""#, &[b"\n\r\t\x08\x07\\\"q"]);
        check(br#""\x00\xfF\xg0\x1""#, &[b"\x00\xffxg0x1"]);
        check(br#""it's""#, &[b"it's"]);
    }

    #[test]
    fn single_quotes_know_only_themselves() {
        check(br"'a b' ''", &[b"a b", b""]);
        check(br"'it\'s' '\n\\n' '\x41'", &[b"it's", br"\n\\n", br"\x41"]);
        check(br#"'"'"#, &[b"\""]);
    }

    #[test]
    fn quotes_and_plain_bytes_mix() {
        check(br#"key="a b" x'y z'"#, &[b"key=a b", b"xy z"]);
        check(br#""a"b 'a'b "a"'b' """a"b""c'"'"#, &[b"ab", b"ab", b"ab", b"abc\""]);
        check(br"a\b\x41", &[br"a\b\x41"]);
    }

    #[test]
    fn quotes_must_balance() {
        for line in
            [&br#"""#[..], b"'", br#""a"#, b"a 'b", br#""a\""#, br"'a\'", br#""a"b""#, b"'a'b'", br#""\"#]
        {
            assert_eq!(split_inline(line), Err(UnbalancedQuotes), "{}", line.escape_ascii());
        }
    }
}
