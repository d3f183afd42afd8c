//! Patterns of keys, and what may be done with the keys that match.

use crate::check::Needs;
use crate::error::RuleError;

/// Keys, and whether they may be read, written, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPattern {
    pub(crate) pattern: Box<[u8]>,
    pub(crate) allows: Needs,
}

impl KeyPattern {
    /// Reads `~pattern`, `%R~pattern`, `%W~pattern` or `%RW~pattern`.
    pub(crate) fn parse(rule: &[u8]) -> Result<KeyPattern, RuleError> {
        if let Some(pattern) = rule.strip_prefix(b"~") {
            return Ok(KeyPattern { pattern: pattern.into(), allows: Needs::BOTH });
        }
        let mut rest = rule.strip_prefix(b"%").ok_or(RuleError::Syntax)?;
        let mut allows = Needs::NOTHING;
        while let Some((&letter, after)) = rest.split_first() {
            let more = match letter.to_ascii_uppercase() {
                b'R' => Needs::READ,
                b'W' => Needs::WRITE,
                b'~' => break,
                _ => return Err(RuleError::Syntax),
            };
            // A letter given twice is a mistake.
            if allows.contains(more) {
                return Err(RuleError::Syntax);
            }
            allows = allows.with(more);
            rest = after;
        }
        if allows == Needs::NOTHING {
            return Err(RuleError::Syntax);
        }
        // Without the tilde there is no pattern, which is the same as an empty one.
        let pattern = rest.strip_prefix(b"~").unwrap_or_default();
        Ok(KeyPattern { pattern: pattern.into(), allows })
    }

    /// Appends the rule that makes it.
    pub(crate) fn describe(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(
            match (self.allows.contains(Needs::READ), self.allows.contains(Needs::WRITE)) {
                (true, false) => b"%R~",
                (false, true) => b"%W~",
                _ => b"~",
            },
        );
        out.extend_from_slice(&self.pattern);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_and_written() {
        for (rule, written) in [
            ("~a*", "~a*"),
            ("~", "~"),
            ("%R~x", "%R~x"),
            ("%w~x", "%W~x"),
            ("%WR~x", "~x"),
            ("%RW", "~"),
            ("%R~~", "%R~~"),
        ] {
            let mut out = Vec::new();
            KeyPattern::parse(rule.as_bytes()).expect("a rule").describe(&mut out);
            assert_eq!(String::from_utf8_lossy(&out), written, "{rule}");
        }
        for rule in ["%", "%~", "%X~a", "%RR~a", "%~a", "a"] {
            assert_eq!(KeyPattern::parse(rule.as_bytes()), Err(RuleError::Syntax), "{rule}");
        }
    }
}
