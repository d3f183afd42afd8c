//! Finding members and fields that occur twice.
//!
//! Hardly any collection has them, so each entry is first brought down to a number; only where two of those are equal are texts
//! compared.

use std::collections::HashSet;

use listpack::Entry;

/// Up to so many entries, comparing each number with each is faster than sorting them.
const FEW: usize = 64;

/// An entry in the form that only depends on its text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Text<'a> {
    Str(&'a [u8]),
    Int(i64),
}

impl<'a> Text<'a> {
    #[inline]
    fn of(entry: Entry<'a>) -> Text<'a> {
        match entry {
            // Nobody has to write a number as one.
            Entry::Str(text) if matches!(text.first(), Some(b'0'..=b'9' | b'-')) => {
                match Entry::from_text(text) {
                    Entry::Int(number) => Text::Int(number),
                    Entry::Str(text) => Text::Str(text),
                }
            }
            Entry::Str(text) => Text::Str(text),
            Entry::Int(number) => Text::Int(number),
        }
    }

    /// A number that depends on the text alone. Somebody may make many texts with the same one: those are compared.
    #[inline]
    fn sign(self) -> u64 {
        const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
        let mix = |sign: u64, word: u64| (sign ^ word).wrapping_mul(FACTOR).rotate_left(32);
        match self {
            Text::Int(number) => mix(0, number as u64),
            Text::Str(text) => {
                let len = text.len() as u64;
                let Some(last) = text.last_chunk() else { return mix(len, short_word(text)) };
                // The last word overlaps the one before it: no byte is looked at alone.
                let (words, _) = text[..text.len() - 1].as_chunks::<8>();
                let sign = words.iter().fold(len, |sign, word| mix(sign, u64::from_le_bytes(*word)));
                mix(sign, u64::from_le_bytes(*last))
            }
        }
    }
}

/// Up to seven bytes as one number.
#[inline]
fn short_word(text: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last));
    }
    text.iter().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// Whether two of these entries have the same text.
pub(super) fn any<'a>(entries: impl ExactSizeIterator<Item = Entry<'a>> + Clone) -> bool {
    let signs = entries.clone().map(|entry| Text::of(entry).sign());
    let suspicious = if entries.len() <= FEW {
        let mut seen = [0; FEW];
        signs.take(FEW).enumerate().any(|(index, sign)| {
            seen[index] = sign;
            // Without a way out early, so that several are compared at a time.
            seen[..index].iter().fold(false, |found, &other| found | (other == sign))
        })
    } else {
        // The number of entries is bounded by their bytes, and those are there.
        let mut signs: Vec<u64> = signs.collect();
        signs.sort_unstable();
        signs.windows(2).any(|pair| pair[0] == pair[1])
    };
    suspicious && any_text(entries)
}

#[cold]
fn any_text<'a>(mut entries: impl ExactSizeIterator<Item = Entry<'a>>) -> bool {
    let mut seen = HashSet::with_capacity(entries.len());
    !entries.all(|entry| seen.insert(Text::of(entry)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_and_few_entries() {
        for len in [0, 1, 2, FEW, FEW + 1, 200] {
            let texts: Vec<String> = (0..len).map(|n| format!("member {n}")).collect();
            let mut entries: Vec<Entry<'_>> = texts.iter().map(|text| Entry::Str(text.as_bytes())).collect();
            assert!(!any(entries.iter().copied()), "{len}");
            if let [first, .., last] = &mut entries[..] {
                *last = *first;
                assert!(any(entries.iter().copied()), "{len}");
            }
        }
        assert!(any([Entry::Int(17), Entry::Str(b"17")].into_iter()));
        assert!(!any([Entry::Int(17), Entry::Str(b"017")].into_iter()));
    }

    #[test]
    fn equal_numbers_of_different_texts() {
        // Of the same length; one word away from each other, and the next takes it back.
        let other = |one: u64, two: u64| {
            const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
            let mix = |sign: u64, word: u64| (sign ^ word).wrapping_mul(FACTOR).rotate_left(32);
            two ^ mix(16, one) ^ mix(16, one ^ 1)
        };
        let (one, two) = (u64::from_le_bytes(*b"member o"), u64::from_le_bytes(*b"f a set."));
        let texts = [(one, two), (one ^ 1, other(one, two))]
            .map(|(one, two)| [one.to_le_bytes(), two.to_le_bytes()].concat());
        let entries = [Entry::Str(&texts[0]), Entry::Str(&texts[1])];
        assert_eq!(Text::of(entries[0]).sign(), Text::of(entries[1]).sign());
        assert!(!any(entries.into_iter()));
        assert!(any([entries[0], entries[1], entries[0]].into_iter()));
    }
}
