//! The directive a misspelt name most likely means.

use crate::directives::directives;

/// The known name with the fewest insertions, deletions, replacements and swaps of neighbours, if it is near
/// enough to be worth suggesting.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase().replace('_', "-");
    // No directive is longer than this; a longer word has no near neighbour.
    if name.len() > 64 {
        return None;
    }
    let names = directives().iter().flat_map(|directive| directive.names());
    let (distance, best) = names.map(|known| (distance(&name, known), known)).min()?;
    (distance <= (name.chars().count() / 3).max(1)).then_some(best)
}

/// Edit distance that counts a swap of neighbours as one (each place edited once at most).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut older = vec![0; b.len() + 1];
    let mut old: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (old[j] + 1).min(row[j - 1] + 1).min(old[j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(older[j - 2] + 1);
            }
        }
        older = std::mem::replace(&mut old, row);
    }
    old[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [("", "", 0), ("abc", "", 3), ("prot", "port", 1), ("kitten", "sitting", 3)] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn misspelt_names_find_theirs() {
        for (wrong, right) in [
            ("prot", "port"),
            ("max-memory", "maxmemory"),
            ("repl_disklesssync", "repl-diskless-sync"),
            ("SLAVE-READONLY", "slave-read-only"),
        ] {
            assert_eq!(nearest(wrong), Some(right), "{wrong}");
        }
        assert_eq!(nearest("zzzzzzzz"), None);
        assert_eq!(nearest(&"x".repeat(100_000)), None);
    }
}
