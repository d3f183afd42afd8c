//! The patterns of CONFIG GET.

/// Whether a pattern holds a character that makes it match more than itself.
pub(crate) fn is_pattern(text: &[u8]) -> bool {
    text.iter().any(|b| matches!(b, b'*' | b'?' | b'['))
}

/// Whether `pattern` matches all of `text`, case ignored: `*`, `?`, `[a-z]`, `[^a-z]`, `\` before a
/// character.
///
/// Keeps only the last star to go back to, so the time is at most the product of the two lengths.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p + 1, t));
            p += 1;
        } else if let Some(width) = matches_one(&pattern[p..], text[t]) {
            p += width;
            t += 1;
        } else if let Some((after, from)) = star {
            star = Some((after, from + 1));
            (p, t) = (after, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

/// How much of the pattern matches one byte, if it does.
fn matches_one(pattern: &[u8], byte: u8) -> Option<usize> {
    let same = |a: u8| a.eq_ignore_ascii_case(&byte);
    match *pattern.first()? {
        b'?' => Some(1),
        b'[' => {
            let (width, hit) = class(pattern, byte);
            hit.then_some(width)
        }
        b'\\' if pattern.len() > 1 => same(pattern[1]).then_some(2),
        other => same(other).then_some(1),
    }
}

/// The width of a `[…]` and whether it holds the byte; one that is not closed reaches to the end.
fn class(pattern: &[u8], byte: u8) -> (usize, bool) {
    let byte = byte.to_ascii_lowercase();
    let mut at = 1;
    let negated = pattern.get(at) == Some(&b'^');
    at += usize::from(negated);
    let mut hit = false;
    while at < pattern.len() && pattern[at] != b']' {
        if pattern[at] == b'\\' && at + 1 < pattern.len() {
            at += 1;
        }
        let low = pattern[at].to_ascii_lowercase();
        let mut high = low;
        if pattern.get(at + 1) == Some(&b'-') && at + 2 < pattern.len() {
            high = pattern[at + 2].to_ascii_lowercase();
            at += 2;
        }
        hit |= (low.min(high)..=low.max(high)).contains(&byte);
        at += 1;
    }
    ((at + 1).min(pattern.len()), hit != negated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name) in [
            ("*", ""),
            ("*", "port"),
            ("p*t", "port"),
            ("?ort", "port"),
            ("[p-q]ORT", "port"),
            ("[^a]ort", "port"),
            ("*-*-*", "slave-read-only"),
            ("hash-*-listpack-*", "hash-max-listpack-value"),
            (r"\p*", "port"),
            ("[port", "p"),
        ] {
            assert!(matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
        for (pattern, name) in
            [("", "port"), ("por", "port"), ("p*x", "port"), ("[^p]ort", "port"), ("?", "")]
        {
            assert!(!matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn any_pattern_ends(pattern in "[*?\\[\\]^a\\\\-]{0,24}", name in "[a-]{0,24}") {
            let _ = matches(pattern.as_bytes(), name.as_bytes());
        }

        #[test]
        fn a_name_matches_itself_and_its_parts(name in "[a-z-]{0,20}", cut in 0usize..20) {
            let cut = cut.min(name.len());
            prop_assert!(matches(name.as_bytes(), name.to_uppercase().as_bytes()));
            let (front, back) = (format!("{}*", &name[..cut]), format!("*{}", &name[cut..]));
            prop_assert!(matches(front.as_bytes(), name.as_bytes()));
            prop_assert!(matches(back.as_bytes(), name.as_bytes()));
        }
    }
}
