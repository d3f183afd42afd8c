//! Finding members and fields that occur twice.

use std::collections::HashSet;

use listpack::Entry;

/// Up to so many entries, comparing each with each is faster than hashing.
const FEW: usize = 16;

/// An entry in the form that only depends on its text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Text<'a> {
    Str(&'a [u8]),
    Int(i64),
}

impl<'a> Text<'a> {
    #[inline]
    fn of(entry: Entry<'a>) -> Text<'a> {
        // Nobody has to write a number as one.
        match entry {
            Entry::Str(text) => match Entry::from_text(text) {
                Entry::Int(number) => Text::Int(number),
                Entry::Str(text) => Text::Str(text),
            },
            Entry::Int(number) => Text::Int(number),
        }
    }
}

/// Whether two of these entries have the same text.
pub(super) fn any<'a>(entries: impl ExactSizeIterator<Item = Entry<'a>>) -> bool {
    let len = entries.len();
    if len <= FEW {
        let mut seen = [Text::Int(0); FEW];
        for (index, entry) in entries.take(FEW).enumerate() {
            let text = Text::of(entry);
            if seen[..index].contains(&text) {
                return true;
            }
            seen[index] = text;
        }
        return false;
    }
    // The number of entries is bounded by their bytes, and those are there.
    let mut seen = HashSet::with_capacity(len);
    !entries.into_iter().all(|entry| seen.insert(Text::of(entry)))
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
}
