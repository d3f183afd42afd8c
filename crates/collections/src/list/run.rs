//! The run: short elements, one behind the other in one piece of memory.

use std::ops::Range;

use listpack::{Entry, TextBuffer, linked};

use super::End;
use super::gap::GapBuf;
use super::node::NODE_BYTES;
use super::stretch::{Packed, Stretch};

/// An element longer than this is in no run.
pub(super) const LONE_BYTES: usize = NODE_BYTES / 4;
/// The longest elements of uniform nodes.
const CELL_BYTES: usize = 64;
/// A uniform node becomes a packed one for the sake of a new element at its end only while it has this few bytes; after that the new
/// element begins a new node.
const CONVERT_BYTES: usize = NODE_BYTES / 4;
/// What a uniform node would take as a packed one, at the most: so much that two nodes hold it, and one more element.
const CONVERTED_BYTES: usize = NODE_BYTES + NODE_BYTES / 8 * 3;

/// Short elements, one behind the other.
#[derive(Clone, Default)]
pub(super) struct Run {
    cells: GapBuf,
    /// The sum of what the elements take in a listpack; in a packed run, the length of `cells`.
    listpack_bytes: u32,
    count: u16,
    /// The length of each element if they all have the same and `cells` is their texts and nothing else; 0 if `cells` is the elements'
    /// encodings as in a listpack.
    unit: u8,
}

/// What is looked for.
#[derive(Clone, Copy)]
pub(super) struct Needle<'a> {
    text: &'a [u8],
    /// Invariant: `Entry::from_text(text)`.
    entry: Entry<'a>,
}

impl<'a> Needle<'a> {
    pub fn new(text: &'a [u8]) -> Self {
        Needle { text, entry: Entry::from_text(text) }
    }

    /// Whether a text is it.
    #[inline]
    pub fn is_text(self, text: &[u8]) -> bool {
        self.text == text
    }

    /// Whether a packed run's entry is it. Such an entry is a number whenever its text is one.
    #[inline]
    fn is(self, entry: Entry<'_>) -> bool {
        match (entry, self.entry) {
            (Entry::Str(own), Entry::Str(text)) => own == text,
            (Entry::Int(own), Entry::Int(number)) => own == number,
            _ => false,
        }
    }
}

/// Whether an element may be in one node with others.
pub(super) fn mixes(element: Entry<'_>) -> bool {
    !matches!(element, Entry::Str(text) if text.len() > LONE_BYTES)
}

impl Run {
    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.count.into()
    }

    /// What its elements take in a listpack.
    pub fn listpack_bytes(&self) -> usize {
        self.listpack_bytes as usize
    }

    /// What its elements take here.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.cells.len()
    }

    /// Bytes of memory held.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        self.cells.capacity()
    }

    /// Some of the elements.
    #[inline]
    pub fn stretch(&self, range: Range<usize>) -> Stretch<'_> {
        match self.unit {
            0 => Stretch::Packed(self.packed(range)),
            unit => Stretch::Uniform { unit: unit.into(), texts: self.uniform(range) },
        }
    }

    /// [`Node::positions`](super::node::Node::positions).
    pub fn positions(
        &self,
        range: Range<usize>,
        needle: Needle<'_>,
        from: End,
        mut visit: impl FnMut(usize) -> bool,
    ) -> bool {
        // Each form by itself, as most of a search is spent here.
        macro_rules! walk {
            ($elements:expr, $is:expr) => {{
                let (elements, is) = ($elements, $is);
                match from {
                    End::Front => range.zip(elements).all(|(index, element)| !is(element) || visit(index)),
                    End::Back => {
                        range.rev().zip(elements.rev()).all(|(index, element)| !is(element) || visit(index))
                    }
                }
            }};
        }
        match usize::from(self.unit) {
            0 => walk!(self.packed(range.clone()), |entry: Entry<'_>| needle.is(entry)),
            unit if unit == needle.text.len() => {
                walk!(self.uniform(range.clone()).chunks_exact(unit), |cell: &[u8]| needle.is_text(cell))
            }
            _ => true,
        }
    }

    /// What the elements of `range` are kept as; only for uniform runs.
    #[inline]
    fn uniform(&self, range: Range<usize>) -> &[u8] {
        let unit = usize::from(self.unit);
        &self.cells.as_slice()[range.start * unit..range.end * unit]
    }

    /// The elements of `range`; only for packed runs.
    #[inline]
    fn packed(&self, range: Range<usize>) -> Packed<'_> {
        let at = self.offset(range.start);
        let end = match range.len() {
            0 => at,
            // A short stretch ends near where it begins.
            len if len < usize::from(self.count) - range.end => {
                let mut rest = Packed { bytes: self.cells.as_slice(), at, end: self.cells.len() };
                (0..len).for_each(|_| _ = rest.next());
                rest.at
            }
            _ => self.offset(range.end),
        };
        Packed { bytes: self.cells.as_slice(), at, end }
    }

    /// Where element number `index` begins, or the end for the one behind the last.
    fn offset(&self, index: usize) -> usize {
        if self.unit > 0 {
            return index * usize::from(self.unit);
        }
        let count = usize::from(self.count);
        let mut whole = Packed { bytes: self.cells.as_slice(), at: 0, end: self.cells.len() };
        if index <= count / 2 {
            (0..index).for_each(|_| _ = whole.next());
            whole.at
        } else {
            (index..count).for_each(|_| _ = whole.next_back());
            whole.end
        }
    }

    /// [`Node::push`](super::node::Node::push).
    #[inline]
    pub fn push(&mut self, end: End, element: Entry<'_>) -> bool {
        if self.unit > 0
            && let Entry::Str(text) = element
            && text.len() == usize::from(self.unit)
        {
            let listpack_bytes = self.listpack_bytes as usize + linked::Encoded::new(element).len();
            if !self.cells.takes(end, text.len()) || listpack_bytes > CONVERTED_BYTES {
                return false;
            }
            self.cells.extend(end, text.len()).copy_from_slice(text);
            self.listpack_bytes = listpack_bytes as u32;
            self.count += 1;
            return true;
        }
        self.push_packed(end, element)
    }

    /// [`Run::push`] of anything but what a uniform run expects.
    fn push_packed(&mut self, end: End, element: Entry<'_>) -> bool {
        let mut digits = TextBuffer::new();
        if self.unit > 0 {
            if let Entry::Int(_) = element
                && let text = element.text(&mut digits)
                && text.len() == usize::from(self.unit)
            {
                return self.push(end, Entry::Str(text));
            }
            if self.cells.len() > CONVERT_BYTES || self.listpack_bytes as usize > NODE_BYTES / 2 {
                return false;
            }
        }
        if !mixes(element) {
            return false;
        }
        if self.count == 0
            && let Entry::Str(text) = element
            && (1..=CELL_BYTES).contains(&text.len())
            && element.as_int().is_none()
        {
            *self = Run { unit: text.len() as u8, ..Run::default() };
            return self.push(end, element);
        }
        let encoded = linked::Encoded::new(element);
        if self.unit == 0 && !self.cells.takes(end, encoded.len()) {
            return false;
        }
        self.pack();
        encoded.write(self.cells.extend(end, encoded.len()));
        self.listpack_bytes += encoded.len() as u32;
        self.count += 1;
        true
    }

    /// Makes a uniform run a packed one.
    fn pack(&mut self) {
        if self.unit == 0 {
            return;
        }
        let mut cells = GapBuf::with_capacity(self.listpack_bytes as usize);
        for cell in self.uniform(0..self.count.into()).chunks_exact(self.unit.into()) {
            let encoded = linked::Encoded::new(Entry::Str(cell));
            encoded.write(cells.extend(End::Back, encoded.len()));
        }
        self.cells = cells;
        self.unit = 0;
    }

    /// Puts an element in before number `index`.
    pub fn insert(&mut self, index: usize, element: Entry<'_>) {
        let encoded = linked::Encoded::new(element);
        let mut digits = TextBuffer::new();
        let text = element.text(&mut digits);
        if text.len() == usize::from(self.unit) && self.unit > 0 {
            self.cells.open(index * text.len(), text.len()).copy_from_slice(text);
        } else {
            self.pack();
            let at = self.offset(index);
            encoded.write(self.cells.open(at, encoded.len()));
        }
        self.listpack_bytes += encoded.len() as u32;
        self.count += 1;
    }

    pub fn set(&mut self, index: usize, element: Entry<'_>) {
        let mut digits = TextBuffer::new();
        let text = element.text(&mut digits);
        if text.len() == usize::from(self.unit) && self.unit > 0 {
            let at = index * text.len();
            let cell = &mut self.cells.as_mut_slice()[at..at + text.len()];
            self.listpack_bytes -= linked::Encoded::new(Entry::Str(cell)).len() as u32;
            self.listpack_bytes += linked::Encoded::new(element).len() as u32;
            cell.copy_from_slice(text);
        } else {
            self.pack();
            self.remove(index..index + 1);
            self.insert(index, element);
        }
    }

    pub fn remove(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        let bytes = self.offset(range.start)..self.offset(range.end);
        self.listpack_bytes -= self.listpack_bytes_of(range.clone(), bytes.clone());
        self.count -= range.len() as u16;
        self.cells.close(bytes);
    }

    /// What some elements, which are kept in these bytes, take in a listpack.
    fn listpack_bytes_of(&self, range: Range<usize>, bytes: Range<usize>) -> u32 {
        if self.unit == 0 {
            return bytes.len() as u32;
        }
        let cells = self.uniform(range).chunks_exact(self.unit.into());
        cells.map(|cell| linked::Encoded::new(Entry::Str(cell)).len() as u32).sum()
    }

    /// Removes the elements at these positions, which ascend.
    pub fn remove_many(&mut self, positions: &[usize]) {
        let mut left =
            Run { cells: GapBuf::with_capacity(self.cells.len()), unit: self.unit, ..Run::default() };
        let mut from = 0;
        for &position in positions.iter().chain([&usize::from(self.count)]) {
            left.append(self, from..position);
            from = position + 1;
        }
        *self = left;
    }

    /// Appends elements of a run of the same form.
    fn append(&mut self, other: &Run, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        let bytes = other.offset(range.start)..other.offset(range.end);
        self.listpack_bytes += other.listpack_bytes_of(range.clone(), bytes.clone());
        self.count += range.len() as u16;
        self.cells.extend(End::Back, bytes.len()).copy_from_slice(&other.cells.as_slice()[bytes]);
    }

    /// The element at which the second half of the bytes begins; neither the first nor the end, if there are two.
    pub fn middle(&self) -> usize {
        let half = self.cells.len() / 2;
        if self.unit > 0 {
            return half.div_ceil(usize::from(self.unit));
        }
        let (mut before, mut elements) = (0, self.packed(0..self.count.into()));
        loop {
            let at = elements.at;
            // The end of this element may be nearer to the middle than its beginning.
            if elements.next().is_none() || (before > 0 && at + elements.at > 2 * half) {
                return before;
            }
            before += 1;
        }
    }

    pub fn split_off(&mut self, index: usize) -> Run {
        let at = self.offset(index);
        let tail = index..usize::from(self.count);
        let mut second =
            Run { cells: GapBuf::with_capacity(self.cells.len() - at), unit: self.unit, ..Run::default() };
        second.append(self, tail.clone());
        self.remove(tail);
        second
    }

    /// [`Leaf::absorb`](crate::tree::Leaf::absorb).
    pub fn absorb(&mut self, next: &Run) -> bool {
        /// Two forms that become a third had better not fill it to the brim.
        const MIXED_BYTES: usize = NODE_BYTES / 2;
        let listpack_bytes = self.listpack_bytes as usize + next.listpack_bytes as usize;
        if self.count == 0 {
            *self = next.clone();
        } else if next.count == 0 {
        } else if self.unit == next.unit {
            if self.cells.len() + next.cells.len() > NODE_BYTES || listpack_bytes > CONVERTED_BYTES {
                return false;
            }
            self.append(next, 0..next.count.into());
        } else {
            if listpack_bytes > MIXED_BYTES {
                return false;
            }
            let mut next = next.clone();
            self.pack();
            next.pack();
            self.append(&next, 0..next.count.into());
        }
        true
    }
}
