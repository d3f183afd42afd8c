//! Editing a value that is a pack: see [`collections::pack`].

use std::ops::Range;

use collections::pack::{HEADER, Pack};
use listpack::{Entry as Element, bare};
use smallvec::SmallVec;

use super::holder::Holder;
use crate::ValueRef;

/// Elements on their way into a pack; short ones take no allocation.
type Encoded = SmallVec<[u8; 128]>;

/// The pack that a value is, if it is one.
fn pack_of<H: Holder>(holder: &H) -> Pack<'_> {
    match holder.value() {
        ValueRef::Bytes(_, bytes) => Pack::new(bytes),
        _ => Pack::new(&[]),
    }
}

/// Puts elements in front of the byte `at`, where an element begins or the pack ends.
pub(crate) fn insert<'e>(
    holder: &mut impl Holder,
    at: usize,
    elements: impl IntoIterator<Item = Element<'e>>,
) {
    replace(holder, at..at, 0, elements);
}

/// Takes out the `count` elements in a range of bytes.
pub(crate) fn remove(holder: &mut impl Holder, range: Range<usize>, count: usize) {
    replace(holder, range, count, []);
}

/// Puts elements into the place of the `count` ones in a range of bytes.
pub(crate) fn replace<'e>(
    holder: &mut impl Holder,
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
    let before = pack_of(holder).len();
    let after =
        u16::try_from(before - count + added).expect("the limits of packs are far below what they can count");
    if added != count {
        holder.splice(0..HEADER, &after.to_le_bytes());
    }
    holder.splice(range, &encoded);
}
