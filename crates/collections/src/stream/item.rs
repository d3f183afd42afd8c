//! One entry, as readers see it.

use listpack::{Entry, bare};

use super::StreamId;

/// An entry of a stream: its id and its fields with their values, in the order in which they were given.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    /// Its id.
    pub id: StreamId,
    pub(super) len: usize,
    /// Where the fields are if they are those of the node.
    pub(super) fields: Option<&'a [u8]>,
    pub(super) body: &'a [u8],
}

impl<'a> Item<'a> {
    /// How many pairs of field and value it has.
    #[inline]
    pub fn len(self) -> usize {
        self.len
    }

    /// Whether it has none: only a broken one.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// Its fields and values.
    #[inline]
    pub fn pairs(self) -> Pairs<'a> {
        Pairs {
            left: self.len,
            fields: self.fields.unwrap_or_default(),
            shared: self.fields.is_some(),
            body: self.body,
        }
    }

    /// Whether its fields are those of its node.
    pub(super) fn has_shared_fields(self) -> bool {
        self.fields.is_some()
    }
}

impl std::fmt::Debug for Item<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ", self.id)?;
        f.debug_map().entries(self.pairs()).finish()
    }
}

/// The fields and values of an entry.
#[derive(Clone)]
pub struct Pairs<'a> {
    left: usize,
    fields: &'a [u8],
    shared: bool,
    body: &'a [u8],
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Entry<'a>, Entry<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let field = take(if self.shared { &mut self.fields } else { &mut self.body })?;
        let value = take(&mut self.body)?;
        Some((field, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left))
    }
}

#[inline]
fn take<'a>(bytes: &mut &'a [u8]) -> Option<Entry<'a>> {
    let (entry, len) = bare::read(bytes, 0).ok()?;
    *bytes = &bytes[len..];
    Some(entry)
}
