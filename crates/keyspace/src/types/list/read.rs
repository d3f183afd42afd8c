//! Lists for reading.

use std::ops::Range;

use collections::list::End;
use collections::pack::Pack;
use listpack::Entry as Element;

use super::elements::{Elements, Form};
use super::{LongList, nodes};
use crate::{Entry, Layout, ValueRef};

/// A list, for reading.
///
/// Elements are texts; one that is a number may come as a number or as its text.
#[derive(Clone, Copy)]
pub enum ListRef<'a> {
    /// Few and short elements.
    Pack(Pack<'a>),
    /// All others.
    Long(&'a LongList),
}

impl<'a> ListRef<'a> {
    /// The list of a key, if it holds one.
    #[inline]
    pub fn of(entry: &Entry<'a>) -> Option<Self> {
        Self::from_value(entry.value())
    }

    /// The list that a value is, if it is one.
    #[inline]
    pub fn from_value(value: ValueRef<'a>) -> Option<Self> {
        match value {
            ValueRef::Bytes(Layout::ListPack, bytes) => Some(ListRef::Pack(Pack::new(bytes))),
            ValueRef::List(list) => Some(ListRef::Long(list)),
            _ => None,
        }
    }

    /// Number of elements.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            ListRef::Pack(pack) => pack.len(),
            ListRef::Long(list) => list.elements.len(),
        }
    }

    /// Whether there is none. No key holds such a list.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Element number `index`.
    pub fn get(self, index: usize) -> Option<Element<'a>> {
        match self {
            ListRef::Pack(pack) => pack.iter().nth(index),
            ListRef::Long(list) => list.elements.get(index),
        }
    }

    /// The elements of a range, those that there are, beginning at one end.
    pub fn range(self, range: Range<usize>, from: End) -> Elements<'a> {
        let range = range.start.min(self.len())..range.end.min(self.len());
        Elements(match self {
            ListRef::Long(list) => Form::Long(list.elements.range(range, from)),
            ListRef::Pack(pack) => {
                let mut elements = pack.iter();
                (0..range.start).for_each(|_| _ = elements.next());
                let elements = elements.take(range.len());
                match from {
                    End::Front => Form::Pack(elements),
                    End::Back => Form::Reversed(elements.collect()),
                }
            }
        })
    }

    /// All elements in order.
    pub fn iter(self) -> Elements<'a> {
        self.range(0..self.len(), End::Front)
    }

    /// Calls `visit` with the number of each element of a range whose text is `text`, beginning at one end, for as long as it
    /// answers true.
    pub fn find_each(self, range: Range<usize>, text: &[u8], from: End, visit: impl FnMut(usize) -> bool) {
        let pack = match self {
            ListRef::Long(list) => return list.elements.find_each(range, text, from, visit),
            ListRef::Pack(pack) => pack,
        };
        let wanted = Element::from_text(text);
        let here = pack.iter().enumerate().take(range.end).skip(range.start);
        let mut found = here.filter(|(_, own)| *own == wanted).map(|(index, _)| index);
        match from {
            End::Front => _ = found.all(visit),
            End::Back => _ = found.collect::<Vec<_>>().into_iter().rev().all(visit),
        }
    }

    /// What the list takes as one listpack, frame included.
    pub fn listpack_bytes(self) -> usize {
        match self {
            ListRef::Pack(pack) => nodes::listpack_bytes_of_pack(pack.as_bytes()),
            ListRef::Long(list) => {
                super::LISTPACK_FRAME + list.elements.listpack_bytes(usize::MAX).unwrap_or_default()
            }
        }
    }
}
