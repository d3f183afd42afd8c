//! Elements of collections in replies.

use keyspace::Element;
use resp::ReplyBuf;

/// Writes an element as a bulk string.
#[inline]
pub(crate) fn bulk(out: &mut ReplyBuf, element: Element<'_>) {
    match element {
        Element::Str(text) => out.bulk(text),
        Element::Int(number) => out.bulk_int(number),
    }
}
