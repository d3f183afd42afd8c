//! Lists: a few short elements as a pack, others as a [`List`].
//!
//! Redis has two forms, too, and says in OBJECT ENCODING which one a list has: a listpack, or a quicklist of several. Where it
//! changes from one to the other depends on `list-max-listpack-size`, and it goes back when a list has become much smaller. Ours are
//! chosen by what is small enough for a record; of the other two we remember which it would be, see [`LongList::is_quicklist`].

mod elements;
mod nodes;
mod read;
#[cfg(test)]
mod tests;
mod write;

use collections::list::{End, List};
use collections::pack;
use listpack::{Entry as Element, bare};

use crate::{Layout, Limits, Object, Value};
pub use elements::Elements;
use nodes::NodeLimit;
pub use read::ListRef;
pub use write::ListMut;

/// Longer packs are not made: they are copied at every change.
const PACK_MAX_BYTES: usize = 1024;
/// A list that has become so short becomes a pack again.
const PACK_AGAIN_BYTES: usize = PACK_MAX_BYTES / 2;
/// The frame of a listpack.
const LISTPACK_FRAME: usize = 7;

/// A list that is no pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LongList {
    elements: List,
    is_quicklist: bool,
}

impl LongList {
    /// The elements.
    #[inline]
    pub fn elements(&self) -> &List {
        &self.elements
    }

    /// Whether Redis would keep it as a quicklist.
    pub fn is_quicklist(&self) -> bool {
        self.is_quicklist
    }

    /// What OBJECT ENCODING answers.
    pub(crate) fn encoding(&self) -> &'static str {
        if self.is_quicklist { "quicklist" } else { "listpack" }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.elements.heap_bytes()
    }
}

/// A list on its way into a database: while it is built, and as a whole.
#[derive(Debug, Default)]
pub struct NewList {
    pack: Vec<u8>,
    count: u16,
    /// What came after the pack was full, and the pack's elements too.
    long: Option<List>,
}

impl NewList {
    /// A list without elements.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an element at the end.
    pub fn push(&mut self, element: Element<'_>) {
        if let Some(list) = &mut self.long {
            return list.push(End::Back, element);
        }
        if self.pack.is_empty() {
            self.pack.extend_from_slice(&pack::EMPTY);
        }
        self.count += 1;
        bare::append(&mut self.pack, element);
        if self.pack.len() > PACK_MAX_BYTES {
            self.long = Some(unpacked(&self.pack, self.count));
            self.pack = Vec::new();
        }
    }

    /// Whether there is no element yet.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The value of a key that is made by pushing these elements at one end, one after the other. `None` if there are none.
    pub fn pushed<'t>(
        end: End,
        texts: impl DoubleEndedIterator<Item = &'t [u8]> + Clone,
        limits: &Limits,
    ) -> Option<Value> {
        let mut list = NewList::new();
        match end {
            End::Front => list.extend(texts.clone().rev().map(Element::Str)),
            End::Back => list.extend(texts.clone().map(Element::Str)),
        }
        let (bytes, count) = lengths(texts);
        let fits = NodeLimit::new(limits.list_max_listpack_size).takes(LISTPACK_FRAME, 0, bytes, count);
        list.finish(!fits)
    }

    /// The list as a value, in the form that Redis gives to a list that it has just loaded or computed. `None` if it is empty: no
    /// key holds such a list.
    pub fn into_value(self, limits: &Limits) -> Option<Value> {
        let limit = NodeLimit::new(limits.list_max_listpack_size);
        let fits = match &self.long {
            Some(list) => limit.holds(list),
            None => limit.has_room(nodes::listpack_bytes_of_pack(&self.pack), self.count.into()),
        };
        self.finish(!fits)
    }

    fn finish(mut self, is_quicklist: bool) -> Option<Value> {
        if self.is_empty() {
            return None;
        }
        let elements = match self.long {
            Some(list) => list,
            None if is_quicklist => unpacked(&self.pack, self.count),
            None => {
                self.pack[..pack::HEADER].copy_from_slice(&self.count.to_le_bytes());
                return Some(Value::Bytes(Layout::ListPack, self.pack));
            }
        };
        Some(Value::Object(Object::List(Box::new(LongList { elements, is_quicklist }))))
    }
}

impl<'e> Extend<Element<'e>> for NewList {
    fn extend<T: IntoIterator<Item = Element<'e>>>(&mut self, elements: T) {
        elements.into_iter().for_each(|element| self.push(element));
    }
}

/// How many bytes these texts have in all, and how many they are.
fn lengths<'t>(texts: impl Iterator<Item = &'t [u8]>) -> (usize, usize) {
    texts.fold((0, 0), |(bytes, count), text| (text.len().saturating_add(bytes), count + 1))
}

/// The list of a pack's elements; of the pack's header only its place counts.
fn unpacked(bytes: &[u8], count: u16) -> List {
    pack::Pack::new(bytes).iter().take(count.into()).collect()
}
