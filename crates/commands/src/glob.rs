//! Glob patterns, as KEYS, SCAN, CONFIG GET and PSUBSCRIBE know them.
//!
//! `*` any bytes, `?` one byte, `[abc]`, `[a-z]`, `[^a]` one of a class, `\x` the byte x itself.

/// Whether the whole of `text` matches `pattern`.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    search(pattern, text, |byte| byte)
}

/// The same, without regard to the case of ASCII letters.
pub fn matches_ignore_case(pattern: &[u8], text: &[u8]) -> bool {
    search(pattern, text, |byte| byte.to_ascii_lowercase())
}

/// A pattern that comes upon more stars than this matches nothing. It would take no longer than others here, but others give up on it,
/// and clients are told the same by all.
const MAX_STARS: usize = 1000;

fn search(pattern: &[u8], text: &[u8], fold: impl Fn(u8) -> u8) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut stars = 0;
    // Where to go on when what follows the last star does not match: that star would have to take in one byte
    // more. Only the last star matters: whatever an earlier one could take in instead, the last one can as
    // well. So the time is at most pattern times text.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            if p == pattern.len() {
                return true;
            }
            // Several in a row are one.
            stars += usize::from(p == 1 || pattern[p - 2] != b'*');
            if stars > MAX_STARS {
                return false;
            }
            retry = Some((p, t));
            continue;
        }
        if t == text.len() {
            return p == pattern.len();
        }
        match one(&pattern[p..], text[t], &fold) {
            Some(len) => {
                p += len;
                t += 1;
            }
            None => {
                let Some((after_star, from)) = retry else { return false };
                retry = Some((after_star, from + 1));
                (p, t) = (after_star, from + 1);
            }
        }
    }
}

/// Matches one byte with the first element of `pattern`, which is no star; the element's length if it fits.
fn one(pattern: &[u8], byte: u8, fold: &impl Fn(u8) -> u8) -> Option<usize> {
    match *pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', ..] => {
            let (len, fits) = class(pattern, byte, fold);
            fits.then_some(len)
        }
        [b'\\', literal, ..] => (fold(literal) == fold(byte)).then_some(2),
        [literal, ..] => (fold(literal) == fold(byte)).then_some(1),
    }
}

/// Matches one byte with the class at the beginning of `pattern`: its length, and whether the byte is in it.
/// A class that is not closed ends with the pattern.
fn class(pattern: &[u8], byte: u8, fold: &impl Fn(u8) -> u8) -> (usize, bool) {
    let byte = fold(byte);
    let mut at = 1;
    let negated = pattern.get(at) == Some(&b'^');
    at += usize::from(negated);
    let mut fits = false;
    loop {
        match pattern[at..] {
            [] => return (at, fits != negated),
            [b']', ..] => return (at + 1, fits != negated),
            [b'\\', literal, ..] => {
                fits |= fold(literal) == byte;
                at += 2;
            }
            [first, b'-', last, ..] => {
                let (first, last) = (fold(first), fold(last));
                fits |= (first.min(last)..=first.max(last)).contains(&byte);
                at += 3;
            }
            [literal, ..] => {
                fits |= fold(literal) == byte;
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        for text in matching {
            assert!(matches(pattern.as_bytes(), text.as_bytes()), "{pattern} should match {text:?}");
        }
        for text in others {
            assert!(!matches(pattern.as_bytes(), text.as_bytes()), "{pattern} should not match {text:?}");
        }
    }

    #[test]
    fn elements() {
        check("", &[""], &["a"]);
        check("abc", &["abc"], &["ab", "abcd", "ABC"]);
        check("a?c", &["abc", "a?c"], &["ac", "abbc"]);
        check("*", &["", "a", "abc"], &[]);
        check("a*c", &["ac", "abc", "accc"], &["a", "acb"]);
        check("*a*b*", &["ab", "xaybz"], &["ba"]);
        check("**a", &["a", "aa"], &["", "b"]);
        check("\\*", &["*"], &["a"]);
        check("a\\", &["a\\"], &["a"]);
    }

    #[test]
    fn classes() {
        check("h[ae]llo", &["hello", "hallo"], &["hillo", "hllo"]);
        check("h[^e]llo", &["hallo"], &["hello", "hllo"]);
        check("[a-c]", &["a", "b", "c"], &["d", "-"]);
        check("[c-a]", &["b"], &["d"]);
        check("[a\\]b]", &["a", "]", "b"], &["\\"]);
        // A range up to the bracket, which then closes nothing.
        check("[a-]", &["a", "]", "_"], &["-", "b"]);
        check("[]", &[], &["a", "]", ""]);
        check("[^]", &["a"], &[""]);
        check("[abc", &["a", "c"], &["d", "[abc"]);
        check("*[0-9]", &["a1", "7"], &["a"]);
    }

    #[test]
    fn case_can_be_ignored() {
        assert!(matches_ignore_case(b"MAX*[A-C]", b"maxmemoryB"));
        assert!(!matches_ignore_case(b"MAX*[A-C]", b"maxmemoryD"));
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = "a*".repeat(1000) + "b";
        assert!(!matches(pattern.as_bytes(), &[b'a'; 10_000]));
    }
}
