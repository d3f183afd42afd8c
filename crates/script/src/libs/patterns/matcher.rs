//! Matching a pattern at one place of a subject.
//!
//! A pattern is a sequence of items, matched from the left. Items that may repeat are tried as often as they match, or as seldom as
//! possible, and tried again otherwise when what follows does not match: that is the backtracking, which may take more steps than
//! anybody can wait for. So steps are counted, and every so many of them whoever asked is asked whether to go on.

/// How many captures a pattern may have.
pub(super) const MAX_CAPTURES: usize = 32;
/// Steps between two questions whether to go on: some milliseconds.
const STEPS: usize = 500_000;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The pattern is wrong.
    Malformed(&'static str),
    /// It was not to go on.
    Stopped,
}

/// Part of the subject that a pattern remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Capture {
    /// Begun here, and not ended yet.
    Open(usize),
    /// From here to there.
    Text(usize, usize),
    /// Nothing but the position.
    Position(usize),
}

/// A pattern, a subject, and what has been captured.
pub(super) struct Matcher<'a, 'f> {
    subject: &'a [u8],
    pattern: &'a [u8],
    pub captures: Vec<Capture>,
    left: usize,
    go_on: &'f mut dyn FnMut() -> bool,
}

type Outcome = Result<Option<usize>, Failure>;

impl<'a, 'f> Matcher<'a, 'f> {
    /// `go_on` is asked after so many steps each.
    pub fn new(subject: &'a [u8], pattern: &'a [u8], go_on: &'f mut dyn FnMut() -> bool) -> Matcher<'a, 'f> {
        Matcher { subject, pattern, captures: Vec::new(), left: STEPS, go_on }
    }

    /// Where the match ends that begins at `at`, if there is one.
    pub fn match_at(&mut self, at: usize) -> Outcome {
        self.captures.clear();
        self.items(at, 0)
    }

    fn spend(&mut self, steps: usize) -> Result<(), Failure> {
        match self.left.checked_sub(steps + 1) {
            Some(left) => self.left = left,
            None if (self.go_on)() => self.left = STEPS,
            None => return Err(Failure::Stopped),
        }
        Ok(())
    }

    /// Matches the items from `p` on at `s`.
    fn items(&mut self, mut s: usize, mut p: usize) -> Outcome {
        loop {
            self.spend(0)?;
            let Some(&item) = self.pattern.get(p) else { return Ok(Some(s)) };
            match (item, self.pattern.get(p + 1)) {
                (b'(', Some(b')')) => return self.begin(Capture::Position(s), s, p + 2),
                (b'(', _) => return self.begin(Capture::Open(s), s, p + 1),
                (b')', _) => return self.end(s, p + 1),
                (b'$', None) => return Ok((s == self.subject.len()).then_some(s)),
                (b'%', Some(b'b')) => match self.balanced(s, p + 2)? {
                    Some(end) => (s, p) = (end, p + 4),
                    None => return Ok(None),
                },
                (b'%', Some(b'f')) => {
                    let set = p + 2;
                    if self.pattern.get(set) != Some(&b'[') {
                        return Err(Failure::Malformed("missing '[' after '%f' in pattern"));
                    }
                    let behind = self.class_end(set)?;
                    // Beyond both ends of the subject there is a zero.
                    let before = s.checked_sub(1).map_or(0, |at| self.subject[at]);
                    let here = self.subject.get(s).copied().unwrap_or(0);
                    if self.in_set(before, set, behind) || !self.in_set(here, set, behind) {
                        return Ok(None);
                    }
                    p = behind;
                }
                (b'%', Some(&digit)) if digit.is_ascii_digit() => match self.repeated(s, digit)? {
                    Some(end) => (s, p) = (end, p + 2),
                    None => return Ok(None),
                },
                _ => {
                    let behind = self.class_end(p)?;
                    match self.pattern.get(behind) {
                        Some(b'?') => {
                            if self.single(s, p, behind)
                                && let Some(end) = self.items(s + 1, behind + 1)?
                            {
                                return Ok(Some(end));
                            }
                            p = behind + 1;
                        }
                        Some(b'*') => return self.as_often_as_possible(s, p, behind, 0),
                        Some(b'+') => return self.as_often_as_possible(s, p, behind, 1),
                        Some(b'-') => return self.as_seldom_as_possible(s, p, behind),
                        _ if self.single(s, p, behind) => (s, p) = (s + 1, behind),
                        _ => return Ok(None),
                    }
                }
            }
        }
    }

    fn as_often_as_possible(&mut self, s: usize, p: usize, behind: usize, least: usize) -> Outcome {
        let mut times = 0;
        while self.single(s + times, p, behind) {
            times += 1;
            self.spend(behind - p)?;
        }
        while times >= least {
            if let Some(end) = self.items(s + times, behind + 1)? {
                return Ok(Some(end));
            }
            match times.checked_sub(1) {
                Some(fewer) => times = fewer,
                None => break,
            }
        }
        Ok(None)
    }

    fn as_seldom_as_possible(&mut self, mut s: usize, p: usize, behind: usize) -> Outcome {
        loop {
            if let Some(end) = self.items(s, behind + 1)? {
                return Ok(Some(end));
            }
            if !self.single(s, p, behind) {
                return Ok(None);
            }
            s += 1;
            self.spend(behind - p)?;
        }
    }

    fn begin(&mut self, capture: Capture, s: usize, p: usize) -> Outcome {
        if self.captures.len() >= MAX_CAPTURES {
            return Err(Failure::Malformed("too many captures"));
        }
        let level = self.captures.len();
        self.captures.push(capture);
        let end = self.items(s, p)?;
        if end.is_none() {
            self.captures.truncate(level);
        }
        Ok(end)
    }

    fn end(&mut self, s: usize, p: usize) -> Outcome {
        let open = self.captures.iter().rposition(|capture| matches!(capture, Capture::Open(_)));
        let Some((level, start)) = open.and_then(|level| match self.captures[level] {
            Capture::Open(start) => Some((level, start)),
            _ => None,
        }) else {
            return Err(Failure::Malformed("invalid pattern capture"));
        };
        self.captures[level] = Capture::Text(start, s);
        let end = self.items(s, p)?;
        if end.is_none() {
            self.captures[level] = Capture::Open(start);
        }
        Ok(end)
    }

    /// `%bxy`: from an x to the y that closes it. `p` is where the x stands.
    fn balanced(&mut self, s: usize, p: usize) -> Outcome {
        let (Some(&opens), Some(&closes)) = (self.pattern.get(p), self.pattern.get(p + 1)) else {
            return Err(Failure::Malformed("unbalanced pattern"));
        };
        if self.subject.get(s) != Some(&opens) {
            return Ok(None);
        }
        let mut depth = 1usize;
        for at in s + 1..self.subject.len() {
            self.spend(0)?;
            let byte = self.subject[at];
            if byte == closes {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some(at + 1));
                }
            } else if byte == opens {
                depth += 1;
            }
        }
        Ok(None)
    }

    /// `%1`: once more what was captured.
    fn repeated(&mut self, s: usize, digit: u8) -> Outcome {
        let capture =
            usize::from(digit).checked_sub(usize::from(b'1')).and_then(|level| self.captures.get(level));
        let (start, end) = match capture {
            Some(Capture::Text(start, end)) => (*start, *end),
            // A position is as long as nothing can be.
            Some(Capture::Position(_)) => return Ok(None),
            Some(Capture::Open(_)) | None => return Err(Failure::Malformed("invalid capture index")),
        };
        self.spend(end - start)?;
        let again = self.subject[s..].starts_with(&self.subject[start..end]);
        Ok(again.then_some(s + end - start))
    }

    /// Where the single-character class at `p` ends.
    fn class_end(&mut self, p: usize) -> Result<usize, Failure> {
        match self.pattern[p] {
            b'%' if p + 1 >= self.pattern.len() => {
                Err(Failure::Malformed("malformed pattern (ends with '%')"))
            }
            b'%' => Ok(p + 2),
            b'[' => {
                let mut at = p + 1;
                if self.pattern.get(at) == Some(&b'^') {
                    at += 1;
                }
                // A bracket that comes first is one of the set.
                loop {
                    let Some(&byte) = self.pattern.get(at) else {
                        return Err(Failure::Malformed("malformed pattern (missing ']')"));
                    };
                    at += if byte == b'%' && at + 1 < self.pattern.len() { 2 } else { 1 };
                    if self.pattern.get(at) == Some(&b']') {
                        self.spend(at - p)?;
                        return Ok(at + 1);
                    }
                }
            }
            _ => Ok(p + 1),
        }
    }

    /// Whether the byte at `s` belongs to the class from `p` to `behind`.
    fn single(&self, s: usize, p: usize, behind: usize) -> bool {
        let Some(&byte) = self.subject.get(s) else { return false };
        match self.pattern[p] {
            b'.' => true,
            b'%' => in_class(byte, self.pattern[p + 1]),
            b'[' => self.in_set(byte, p, behind),
            literal => literal == byte,
        }
    }

    fn in_set(&self, byte: u8, p: usize, behind: usize) -> bool {
        let mut set = &self.pattern[p + 1..behind - 1];
        let positive = set.first() != Some(&b'^');
        if !positive {
            set = &set[1..];
        }
        let mut found = false;
        while let Some((&first, rest)) = set.split_first() {
            set = rest;
            found |= match (first, rest) {
                (b'%', [class, rest @ ..]) => {
                    set = rest;
                    in_class(byte, *class)
                }
                (low, [b'-', high, rest @ ..]) => {
                    set = rest;
                    (low..=*high).contains(&byte)
                }
                (literal, _) => literal == byte,
            };
        }
        found == positive
    }
}

/// Whether a byte belongs to what `%class` stands for: in upper case everything else, and what is no letter itself.
fn in_class(byte: u8, class: u8) -> bool {
    let belongs = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => matches!(byte, b' ' | 9..=13),
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        b'z' => byte == 0,
        _ => return class == byte,
    };
    belongs != class.is_ascii_uppercase()
}
