//! The content of one entry.

use std::fmt;

/// What an entry holds. Numbers are kept as numbers, and read back as their decimal text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A string.
    Str(&'a [u8]),
    /// A number.
    Int(i64),
}

impl<'a> Entry<'a> {
    /// The form in which `text` is kept: a number if it is the decimal text of one, exactly as printing gives it.
    pub fn from_text(text: &'a [u8]) -> Entry<'a> {
        match parse(text) {
            Some(number) => Entry::Int(number),
            None => Entry::Str(text),
        }
    }

    /// The number that the entry is or spells.
    pub fn as_int(self) -> Option<i64> {
        match self {
            Entry::Str(text) => parse(text),
            Entry::Int(number) => Some(number),
        }
    }

    /// The entry's text; `buffer` takes it if the entry is a number.
    pub fn text<'b>(self, buffer: &'b mut TextBuffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Entry::Str(text) => text,
            Entry::Int(number) => buffer.0.format(number).as_bytes(),
        }
    }

    /// Whether the entry's text is `text`.
    pub fn is(self, text: &[u8]) -> bool {
        match self {
            Entry::Str(own) => own == text,
            Entry::Int(number) => parse(text) == Some(number),
        }
    }

    /// The entry's text as a vector of its own.
    pub fn to_vec(self) -> Vec<u8> {
        self.text(&mut TextBuffer::new()).to_vec()
    }
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Entry::Str(text) => write!(f, "\"{}\"", text.escape_ascii()),
            Entry::Int(number) => write!(f, "{number}"),
        }
    }
}

impl<'a> From<&'a [u8]> for Entry<'a> {
    fn from(text: &'a [u8]) -> Self {
        Entry::from_text(text)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Entry<'a> {
    fn from(text: &'a [u8; N]) -> Self {
        Entry::from_text(text)
    }
}

impl<'a> From<&'a str> for Entry<'a> {
    fn from(text: &'a str) -> Self {
        Entry::from_text(text.as_bytes())
    }
}

impl From<i64> for Entry<'_> {
    fn from(number: i64) -> Self {
        Entry::Int(number)
    }
}

/// Room for the text of a number.
pub struct TextBuffer(itoa::Buffer);

impl TextBuffer {
    /// An empty buffer.
    pub fn new() -> Self {
        TextBuffer(itoa::Buffer::new())
    }
}

impl Default for TextBuffer {
    fn default() -> Self {
        TextBuffer::new()
    }
}

/// The number that `text` spells, if printing that number gives exactly `text` again.
fn parse(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        // Nineteen digits at most: their number fits 64 unsigned bits.
        [b'1'..=b'9', rest @ ..] if rest.len() < 19 => {}
        _ => return None,
    }
    let mut magnitude = 0u64;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        magnitude = magnitude * 10 + u64::from(digit - b'0');
    }
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_canonical_text_is_a_number() {
        for (text, number) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("-9223372036854775809", None),
            ("9999999999999999999", None),
            ("99999999999999999999", None),
            ("", None),
            ("-", None),
            ("-0", None),
            ("00", None),
            ("01", None),
            ("+1", None),
            ("1a", None),
        ] {
            assert_eq!(parse(text.as_bytes()), number, "{text:?}");
            assert_eq!(Entry::from(text), number.map_or(Entry::Str(text.as_bytes()), Entry::Int));
        }
    }

    proptest! {
        #[test]
        fn agrees_with_printing(text in "-?[0-9]{0,21}|.{0,3}") {
            let oracle = text.parse::<i64>().ok().filter(|n| n.to_string() == text);
            prop_assert_eq!(parse(text.as_bytes()), oracle);
        }

        #[test]
        fn text_survives(number: i64) {
            let text = number.to_string();
            prop_assert_eq!(Entry::from(text.as_str()), Entry::Int(number));
            prop_assert_eq!(Entry::Int(number).to_vec(), text.as_bytes());
            prop_assert!(Entry::Int(number).is(text.as_bytes()));
            prop_assert_eq!(Entry::Str(text.as_bytes()).as_int(), Some(number));
        }
    }
}
