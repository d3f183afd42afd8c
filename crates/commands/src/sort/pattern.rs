//! Keys named after elements: `weight_*`, `object_*->field`, `#`.

use keyspace::{HashRef, TextBuffer};

use crate::Ctx;

/// Where the value that belongs to an element is to be found.
pub(super) enum Pattern<'a> {
    /// It is the element.
    Element,
    /// In the key of this name, the element between its two halves, or in the field of a hash there.
    Key { before: &'a [u8], after: &'a [u8], field: Option<&'a [u8]> },
    /// Nowhere: the pattern has no place for the element.
    Nowhere,
}

impl<'a> Pattern<'a> {
    pub fn new(pattern: &'a [u8]) -> Self {
        if pattern == b"#" {
            return Pattern::Element;
        }
        let Some(star) = pattern.iter().position(|&byte| byte == b'*') else { return Pattern::Nowhere };
        let (before, after) = (&pattern[..star], &pattern[star + 1..]);
        let arrow = after.windows(2).position(|pair| pair == b"->");
        match arrow {
            // An arrow that points to nothing is part of the key.
            Some(at) if at + 2 < after.len() => {
                Pattern::Key { before, after: &after[..at], field: Some(&after[at + 2..]) }
            }
            _ => Pattern::Key { before, after, field: None },
        }
    }

    /// Appends the value that belongs to `element` to `target`; false if there is none.
    pub fn fetch(&self, ctx: &mut Ctx<'_>, element: &[u8], target: &mut Vec<u8>) -> bool {
        let (before, after, field) = match *self {
            Pattern::Nowhere => return false,
            Pattern::Element => {
                target.extend_from_slice(element);
                return true;
            }
            Pattern::Key { before, after, field } => (before, after, field),
        };
        let key = [before, element, after].concat();
        let env = ctx.env;
        ctx.read(&key, |entry, _| {
            let Some(entry) = entry else { return false };
            match field {
                None => entry.str().map(|value| target.extend_from_slice(value)).is_some(),
                Some(field) => match HashRef::of(&entry).and_then(|hash| hash.get(field)) {
                    Some((value, expiry)) if !env.is_expired(expiry) => {
                        target.extend_from_slice(value.text(&mut TextBuffer::new()));
                        true
                    }
                    _ => false,
                },
            }
        })
    }
}
