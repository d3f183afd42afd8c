//! Lists for writing.

use std::ops::Range;

use collections::list::{End, List};
use collections::pack::{self, HEADER, Pack};
use listpack::Entry as Element;

use super::nodes::{NodeLimit, listpack_bytes_of_pack};
use super::{ListRef, LongList, PACK_AGAIN_BYTES, PACK_MAX_BYTES};
use crate::types::pack as edit;
use crate::{EntryMut, Layout, Limits, Object, ValueRef};

/// A list, for writing.
///
/// What takes elements away may leave a list without any; it is for the caller to remove its key then.
pub struct ListMut<'m, 'e> {
    entry: &'m mut EntryMut<'e>,
    limit: NodeLimit,
}

impl<'m, 'e> ListMut<'m, 'e> {
    /// The list of a key, if it holds one.
    #[inline]
    pub fn of(entry: &'m mut EntryMut<'e>, limits: &Limits) -> Option<Self> {
        ListRef::of(&entry.as_entry())?;
        Some(ListMut { entry, limit: NodeLimit::new(limits.list_max_listpack_size) })
    }

    /// The list for reading.
    #[inline]
    pub fn as_ref(&self) -> ListRef<'_> {
        // It is a list, as `of` has seen.
        ListRef::of(&self.entry.as_entry()).unwrap_or(ListRef::Pack(Pack::new(&pack::EMPTY)))
    }

    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.as_ref().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds elements at one end, one after the other; gives the number of elements after.
    #[inline]
    pub fn push<'t>(&mut self, end: End, texts: impl DoubleEndedIterator<Item = &'t [u8]> + Clone) -> usize {
        if let Some(list) = self.long_mut()
            && list.is_quicklist
        {
            texts.for_each(|text| list.elements.push(end, Element::Str(text)));
            return list.elements.len();
        }
        self.push_short(end, texts)
    }

    fn push_short<'t>(
        &mut self,
        end: End,
        texts: impl DoubleEndedIterator<Item = &'t [u8]> + Clone,
    ) -> usize {
        let (bytes, count) = super::lengths(texts.clone());
        self.make_room(bytes, count);
        if let Some(list) = self.long_mut() {
            texts.for_each(|text| list.elements.push(end, Element::Str(text)));
            return list.elements.len();
        }
        match end {
            // The last one comes to stand first.
            End::Front => edit::insert(self.entry, HEADER, texts.rev().map(Element::Str)),
            End::Back => edit::insert(self.entry, self.pack().as_bytes().len(), texts.map(Element::Str)),
        }
        self.len()
    }

    /// Takes the element at one end away; `f` sees it before it goes.
    #[inline]
    pub fn pop<R>(&mut self, end: End, f: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        if let Some(list) = self.long_mut() {
            let result = list.elements.pop(end, f);
            self.shrunk();
            return result;
        }
        let pack = self.pack();
        let at = match end {
            End::Front => HEADER,
            End::Back => pack.seek(pack.len().checked_sub(1)?)?,
        };
        let (element, bytes) = pack.entry(at)?;
        let result = f(element);
        edit::remove(self.entry, bytes, 1);
        Some(result)
    }

    /// Takes the elements of a range away, of those that there are.
    pub fn remove(&mut self, range: Range<usize>) {
        let range = range.start..range.end.min(self.len());
        if range.is_empty() {
            return;
        }
        if let Some(list) = self.long_mut() {
            list.elements.remove(range);
            return self.shrunk();
        }
        let pack = self.pack();
        if let (Some(from), Some(to)) = (pack.seek(range.start), pack.seek(range.end)) {
            edit::remove(self.entry, from..to, range.len());
        }
    }

    /// Takes elements away whose text is `text`, `limit` at the most, beginning at one end. Says how many.
    pub fn remove_equal(&mut self, text: &[u8], from: End, limit: usize) -> usize {
        if let Some(list) = self.long_mut() {
            let removed = list.elements.remove_equal(text, from, limit);
            if removed > 0 {
                self.shrunk();
            }
            return removed;
        }
        let mut found = Vec::new();
        self.as_ref().find_each(0..self.len(), text, from, |index| {
            found.push(index);
            found.len() < limit
        });
        found.truncate(limit);
        // From the back, so that the numbers of the others stay.
        found.sort_unstable();
        for &index in found.iter().rev() {
            self.remove(index..index + 1);
        }
        found.len()
    }

    /// Replaces element number `index`; false if there is none.
    pub fn set(&mut self, index: usize, text: &[u8]) -> bool {
        self.make_room(text.len(), 1);
        if let Some(list) = self.long_mut() {
            let replaced = list.elements.set(index, Element::Str(text));
            if replaced {
                self.shrunk();
            }
            return replaced;
        }
        let pack = self.pack();
        match pack.seek(index).and_then(|at| pack.entry(at)) {
            Some((_, bytes)) => {
                edit::replace(self.entry, bytes, 1, [Element::Str(text)]);
                true
            }
            None => false,
        }
    }

    /// Puts an element before or behind the first one whose text is `pivot`; false if there is none.
    pub fn insert_beside(&mut self, pivot: &[u8], behind: bool, text: &[u8]) -> bool {
        // Redis does this before it looks for the pivot.
        self.make_room(text.len(), 1);
        let mut found = None;
        self.as_ref().find_each(0..self.len(), pivot, End::Front, |index| {
            found = Some(index + usize::from(behind));
            false
        });
        let Some(index) = found else { return false };
        if let Some(list) = self.long_mut() {
            return list.elements.insert(index, Element::Str(text));
        }
        let at = self.pack().seek(index);
        if let Some(at) = at {
            edit::insert(self.entry, at, [Element::Str(text)]);
        }
        at.is_some()
    }

    /// Brings the list into the form that it has to have for elements of these lengths in all to be added.
    fn make_room(&mut self, added_bytes: usize, added: usize) {
        /// The most that an element takes in a pack beside its text.
        const HEAD_MAX: usize = 5;
        let limit = self.limit;
        let is_quicklist = match self.as_ref() {
            ListRef::Long(list) if list.is_quicklist => return,
            ListRef::Long(list) => {
                let bytes =
                    super::LISTPACK_FRAME + list.elements.listpack_bytes(usize::MAX).unwrap_or_default();
                !limit.takes(bytes, list.elements.len(), added_bytes, added)
            }
            ListRef::Pack(pack) => {
                !limit.takes(listpack_bytes_of_pack(pack.as_bytes()), pack.len(), added_bytes, added)
            }
        };
        if let Some(list) = self.long_mut() {
            list.is_quicklist = is_quicklist;
            return;
        }
        let bytes = self.pack().as_bytes();
        if is_quicklist || bytes.len() + added_bytes + added * HEAD_MAX > PACK_MAX_BYTES {
            let elements: List = self.pack().iter().collect();
            self.entry.set_object(Object::List(Box::new(LongList { elements, is_quicklist })));
        }
    }

    /// Brings the list into the form that it has to have now that it is shorter.
    #[inline]
    fn shrunk(&mut self) {
        let limit = self.limit.half();
        let Some(list) = self.long_mut() else { return };
        if list.is_quicklist && !limit.holds(&list.elements) {
            return;
        }
        list.is_quicklist = false;
        if list.elements.listpack_bytes(PACK_AGAIN_BYTES).is_some_and(|bytes| bytes <= PACK_AGAIN_BYTES) {
            let bytes = pack::of(list.elements.iter());
            self.entry.set_bytes(Layout::ListPack, &bytes);
        }
    }

    #[inline]
    fn long_mut(&mut self) -> Option<&mut LongList> {
        // Only with one of these would asking for the object copy anything.
        if !matches!(self.entry.as_entry().value(), ValueRef::List(_)) {
            return None;
        }
        match self.entry.object_mut()? {
            Object::List(list) => Some(list),
            _ => None,
        }
    }

    fn pack(&self) -> Pack<'_> {
        match self.as_ref() {
            ListRef::Pack(pack) => pack,
            ListRef::Long(_) => Pack::new(&pack::EMPTY),
        }
    }
}
