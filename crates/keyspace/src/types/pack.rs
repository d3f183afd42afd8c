//! Editing a value that is a pack: see [`collections::pack`].

use std::ops::Range;

use collections::pack::{HEADER, Pack};
use listpack::{Entry as Element, bare};
use smallvec::SmallVec;

use crate::{EntryMut, ValueRef};

/// Elements on their way into a pack; short ones take no allocation.
type Encoded = SmallVec<[u8; 128]>;

/// The pack that a value is, if it is one.
fn pack_of<'a>(entry: &'a EntryMut<'_>) -> Pack<'a> {
    match entry.as_entry().value() {
        ValueRef::Bytes(_, bytes) => Pack::new(bytes),
        #[allow(unreachable_patterns, reason = "there are other values, or will be")]
        _ => Pack::new(&[]),
    }
}

/// Puts elements in front of the byte `at`, where an element begins or the pack ends.
pub(crate) fn insert<'e>(
    entry: &mut EntryMut<'_>,
    at: usize,
    elements: impl IntoIterator<Item = Element<'e>>,
) {
    replace(entry, at..at, 0, elements);
}

/// Takes out the `count` elements in a range of bytes.
pub(crate) fn remove(entry: &mut EntryMut<'_>, range: Range<usize>, count: usize) {
    replace(entry, range, count, []);
}

/// Puts elements into the place of the `count` ones in a range of bytes.
pub(crate) fn replace<'e>(
    entry: &mut EntryMut<'_>,
    range: Range<usize>,
    count: usize,
    elements: impl IntoIterator<Item = Element<'e>>,
) {
    let (mut encoded, mut added) = (Encoded::new(), 0);
    for element in elements {
        let element = bare::encode(element);
        encoded.extend_from_slice(element.head());
        encoded.extend_from_slice(element.text());
        added += 1;
    }
    let before = pack_of(entry).len();
    let after =
        u16::try_from(before - count + added).expect("the limits of packs are far below what they can count");
    if added != count {
        entry.splice_bytes(0..HEADER, &after.to_le_bytes());
    }
    entry.splice_bytes(range, &encoded);
}
