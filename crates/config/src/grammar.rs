//! The words of one line of redis.conf.
//!
//! ```text
//! line   = space* ( "#" anything | word ( space+ word )* )? space*
//! word   = plain? quoted | plain
//! plain  = bytes other than spaces and quotes, one or more
//! quoted = '"' ( \n \r \t \b \a | \xHH | \anything | byte )* '"' | "'" ( \' | byte )* "'"
//! ```
//!
//! A closing quote ends its word: what follows it must be a space or the end of the line. A `#` starts
//! a comment only where a line starts, because passwords may hold one.

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while_m_n, take_while1};
use nom::character::complete::char;
use nom::combinator::{eof, map, opt, peek, value, verify};
use nom::multi::{fold_many0, many0};
use nom::sequence::{delimited, preceded, terminated};
use nom::{IResult, Parser};

/// A quote that is not closed, or not followed by a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnbalancedQuotes;

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c)
}

fn is_plain(byte: u8) -> bool {
    !is_space(byte) && byte != b'"' && byte != b'\''
}

fn spaces(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while(is_space)(input)
}

fn hex_escape(input: &[u8]) -> IResult<&[u8], Vec<u8>> {
    let digits = take_while_m_n(2, 2, |b: u8| b.is_ascii_hexdigit());
    map(preceded(tag("\\x"), digits), |pair: &[u8]| {
        vec![pair.iter().fold(0, |byte, digit| byte << 4 | (*digit as char).to_digit(16).unwrap_or(0) as u8)]
    })
    .parse(input)
}

fn escape(input: &[u8]) -> IResult<&[u8], Vec<u8>> {
    let (rest, byte) = preceded(char('\\'), nom::number::complete::u8).parse(input)?;
    let meant = match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    };
    Ok((rest, vec![meant]))
}

fn literal(stop: u8) -> impl Fn(&[u8]) -> IResult<&[u8], Vec<u8>> {
    move |input| map(take_while1(|b| b != stop && b != b'\\'), <[u8]>::to_vec).parse(input)
}

fn joined<'a>(
    piece: impl Parser<&'a [u8], Output = Vec<u8>, Error = nom::error::Error<&'a [u8]>>,
) -> impl Parser<&'a [u8], Output = Vec<u8>, Error = nom::error::Error<&'a [u8]>> {
    fold_many0(piece, Vec::new, |mut text, piece| {
        text.extend(piece);
        text
    })
}

fn quoted(input: &[u8]) -> IResult<&[u8], Vec<u8>> {
    let double = delimited(char('"'), joined(alt((hex_escape, escape, literal(b'"')))), char('"'));
    let backslash = alt((value(vec![b'\''], tag("\\'")), value(vec![b'\\'], tag("\\"))));
    let single = delimited(char('\''), joined(alt((backslash, literal(b'\'')))), char('\''));
    let boundary =
        peek(alt((value((), eof), value((), verify(nom::number::complete::u8, |b| is_space(*b))))));
    terminated(alt((double, single)), boundary).parse(input)
}

fn word(input: &[u8]) -> IResult<&[u8], Vec<u8>> {
    let (rest, plain) = opt(take_while1(is_plain)).parse(input)?;
    let mut text = plain.unwrap_or_default().to_vec();
    // A quote glued to plain bytes belongs to the same word.
    if plain.is_some() && rest.first().is_none_or(|b| is_space(*b)) {
        return Ok((rest, text));
    }
    let (rest, tail) = quoted(rest)?;
    text.extend(tail);
    Ok((rest, text))
}

/// The words of a text, unquoted.
pub(crate) fn words(input: &[u8]) -> Result<Vec<Vec<u8>>, UnbalancedQuotes> {
    match preceded(spaces, many0(terminated(word, spaces))).parse(input) {
        Ok((b"", words)) => Ok(words),
        _ => Err(UnbalancedQuotes),
    }
}

/// Whether a line says nothing.
pub(crate) fn is_blank_or_comment(line: &[u8]) -> bool {
    line.iter().find(|b| !is_space(**b)).is_none_or(|b| *b == b'#')
}

/// A word that reads back as `text`, quoted only where it has to be.
pub(crate) fn quote(text: &str) -> String {
    let plain = |c: char| !c.is_control() && c != '"' && c != '\'' && c != ' ';
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_string();
    }
    quote_always(text)
}

/// A word in double quotes that reads back as `text`.
pub(crate) fn quote_always(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x08' => out.push_str("\\b"),
            '\x07' => out.push_str("\\a"),
            // Control characters beyond ASCII are two bytes, which an `\x` escape cannot name one by one
            // without splitting the character: they may stand as they are.
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(line: &str, expected: &[&str]) {
        let words = words(line.as_bytes()).expect("because the line is well formed");
        let words: Vec<_> = words.iter().map(|w| String::from_utf8_lossy(w).into_owned()).collect();
        assert_eq!(words, expected, "{line}");
    }

    #[test]
    fn words_are_split_and_unquoted() {
        check("", &[]);
        check("  port\t6379 \r", &["port", "6379"]);
        check(r#"save """#, &["save", ""]);
        check("logfile ''", &["logfile", ""]);
        check(r#"requirepass "a b\n\x41\"\\\q""#, &["requirepass", "a b\nA\"\\q"]);
        check(r#"x '\n\'"'"#, &["x", "\\n'\""]);
        check(r#"x a"b c""#, &["x", "ab c"]);
        check(r#"x "\xzz""#, &["x", "xzz"]);
        check(r"x c:\dir #pass", &["x", r"c:\dir", "#pass"]);
    }

    #[test]
    fn quotes_must_be_closed_and_end_the_word() {
        for line in [r#"x "1"#, "x '", r#"x "1"2"#, r#"x "1\""#, r#"x 'a'"b""#, r#"a" "b"#] {
            assert_eq!(words(line.as_bytes()), Err(UnbalancedQuotes), "{line}");
        }
    }

    #[test]
    fn comments_are_whole_lines() {
        assert!(
            is_blank_or_comment(b"") && is_blank_or_comment(b" \t\r") && is_blank_or_comment(b"  # port 1")
        );
        assert!(!is_blank_or_comment(b"port 1 # x"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_words_or_an_error(line in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = words(&line);
        }

        #[test]
        fn quoting_reads_back(texts in proptest::collection::vec(any::<String>(), 1..4)) {
            let line: Vec<_> = texts.iter().map(|t| quote(t)).collect();
            let read = words(line.join(" ").as_bytes()).expect("because it was quoted");
            prop_assert_eq!(read, texts.iter().map(|t| t.as_bytes().to_vec()).collect::<Vec<_>>());
        }
    }
}
