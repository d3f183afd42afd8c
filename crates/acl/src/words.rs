//! Cutting lines and rules into words.

use crate::error::SetUserError;

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// Whether a word would not stay one if it were written into a file.
pub(crate) fn has_spaces(word: &[u8]) -> bool {
    word.iter().any(|&byte| is_space(byte) || byte == 0)
}

/// The words of a line, at spaces, tabs and the like.
pub(crate) fn words(line: &[u8]) -> Vec<&[u8]> {
    line.split(|byte| is_space(*byte)).filter(|word| !word.is_empty()).collect()
}

/// Puts the words of selectors together: `(+get`, `~a)` are one rule.
///
/// # Errors
///
/// A selector that begins and does not end; its beginning is named.
pub(crate) fn merge_selectors(rules: &[&[u8]]) -> Result<Vec<Vec<u8>>, SetUserError> {
    let mut merged: Vec<Vec<u8>> = Vec::with_capacity(rules.len());
    // Where in `rules` the selector that is still open began.
    let mut open: Option<usize> = None;
    for (at, rule) in rules.iter().enumerate() {
        match (open, merged.last_mut()) {
            (Some(_), Some(selector)) => {
                selector.push(b' ');
                selector.extend_from_slice(rule);
            }
            _ => {
                merged.push(rule.to_vec());
                open = (rule.first() == Some(&b'(')).then_some(at);
            }
        }
        if rule.last() == Some(&b')') {
            open = None;
        }
    }
    match open {
        Some(at) => Err(SetUserError::Unmatched(String::from_utf8_lossy(rules[at]).into_owned())),
        None => Ok(merged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merge(text: &str) -> Result<Vec<String>, SetUserError> {
        let rules: Vec<&[u8]> = text.split(' ').map(str::as_bytes).collect();
        let merged = merge_selectors(&rules)?;
        Ok(merged.into_iter().map(|rule| String::from_utf8(rule).expect("ASCII")).collect())
    }

    #[test]
    fn selectors_may_be_spread_over_words() {
        assert_eq!(merge("on (~a +get ) ( ~b +get) (x)").unwrap(), ["on", "(~a +get )", "( ~b +get)", "(x)"]);
        assert_eq!(merge("(+PING (+SELECT (+DEL ) ) )").unwrap(), ["(+PING (+SELECT (+DEL )", ")", ")"]);
        assert_eq!(merge("on (a (b").unwrap_err(), SetUserError::Unmatched("(a".to_owned()));
        assert_eq!(merge("(").unwrap_err(), SetUserError::Unmatched("(".to_owned()));
    }
}
