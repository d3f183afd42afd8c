//! A node: entries that follow each other, in one piece of memory.

use listpack::{Entry, bare};

use super::encoding::{self, Place};
use super::{Item, MAX_ENTRY_BYTES, NodeLimits, StreamId};
use crate::tree::Leaf;

/// What a listpack takes besides its entries.
const LISTPACK_FRAME: usize = 7;

/// A run of entries.
///
/// The fields of the first stand in front; most entries of a stream have the same, and then only their values are kept. Ids
/// are kept as their distance from the one before. See the module `encoding`.
///
/// A node also knows how long it would be as a listpack in Redis's arrangement, because how many entries a node takes is
/// visible from outside: trimming "about" to a length removes whole nodes.
#[derive(Clone, Default)]
pub struct Node {
    /// The id of the entry that the node began with. It stays when that entry goes.
    base: StreamId,
    /// The id of the last entry there is.
    tail: StreamId,
    /// The id of the last entry there ever was.
    last: StreamId,
    live: u32,
    deleted: u32,
    /// Bytes of the entries, deleted ones included, in a listpack; without its frame and the two counters in front.
    listpack_len: u32,
    field_count: u32,
    /// Where the entries begin in `bytes`: behind the fields.
    entries_at: u32,
    bytes: Vec<u8>,
}

impl Node {
    /// A node of one entry. `pairs` is field, value, field, value …
    pub(super) fn new(id: StreamId, pairs: &[&[u8]]) -> Node {
        let fields = pairs.iter().step_by(2);
        let field_count = pairs.len() / 2;
        let mut node = Node::begin(id, fields.map(|field| Entry::Str(field)), field_count);
        node.append_parts(id, None, pairs.iter().skip(1).step_by(2).map(|value| Entry::Str(value)));
        node
    }

    /// A node without entries: only on the way to one.
    pub(super) fn begin<'a>(
        base: StreamId,
        fields: impl Iterator<Item = Entry<'a>>,
        field_count: usize,
    ) -> Node {
        let mut bytes = Vec::new();
        // How many fields there are, and a zero behind them.
        let mut listpack_len = framed_len(field_count as u64) + framed_len(0);
        for field in fields {
            listpack_len += push(&mut bytes, field);
        }
        Node {
            base,
            tail: base,
            last: base,
            live: 0,
            deleted: 0,
            listpack_len: listpack_len as u32,
            field_count: field_count as u32,
            entries_at: bytes.len() as u32,
            bytes,
        }
    }

    /// The id that the node is found by: that of the entry it began with.
    #[inline]
    pub fn base(&self) -> StreamId {
        self.base
    }

    /// The id of the last entry that there is.
    #[inline]
    pub fn tail(&self) -> StreamId {
        self.tail
    }

    /// The id of the last entry that there ever was.
    #[inline]
    pub(super) fn last(&self) -> StreamId {
        self.last
    }

    /// How many entries there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.live as usize
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// How many of its entries were deleted.
    pub fn deleted(&self) -> usize {
        self.deleted as usize
    }

    /// The fields that its entries share.
    pub fn fields(&self) -> impl Iterator<Item = Entry<'_>> + '_ {
        let mut at = 0;
        (0..self.field_count).map_while(move |_| {
            let (entry, len) = bare::read(&self.bytes, at).ok()?;
            at += len;
            Some(entry)
        })
    }

    /// How many fields its entries share.
    pub fn field_count(&self) -> usize {
        self.field_count as usize
    }

    /// Bytes that the node would take as a listpack of Redis, deleted entries included.
    pub(super) fn listpack_len(&self) -> usize {
        let counters = [self.live, self.deleted].map(|count| framed_len(count.into()));
        LISTPACK_FRAME + counters[0] + counters[1] + self.listpack_len as usize
    }

    /// Whether an entry whose fields and values are `text_len` bytes long still belongs into this node.
    #[inline]
    pub(super) fn takes(&self, text_len: usize, limits: NodeLimits) -> bool {
        let max_bytes = match limits.max_bytes {
            0 => MAX_ENTRY_BYTES,
            bytes => bytes.min(MAX_ENTRY_BYTES),
        };
        self.listpack_len() + text_len < max_bytes
            && (limits.max_entries == 0
                || u64::from(self.live) + u64::from(self.deleted) < limits.max_entries)
    }

    /// Adds an entry behind all others. `pairs` is field, value, field, value …
    pub(super) fn append(&mut self, id: StreamId, pairs: &[&[u8]]) {
        let same = pairs.len() == 2 * self.field_count as usize
            && self.fields().zip(pairs.iter().step_by(2)).all(|(own, field)| own.is(field));
        if same {
            self.append_parts(id, None, pairs.iter().skip(1).step_by(2).map(|value| Entry::Str(value)));
        } else {
            self.append_parts(id, Some(pairs.len() / 2), pairs.iter().map(|part| Entry::Str(part)));
        }
    }

    /// Adds an entry behind all others: with so many fields of its own, then `parts` is field, value, field, value …; or with
    /// the node's, then it is the values.
    pub(super) fn append_parts<'e>(
        &mut self,
        id: StreamId,
        own_fields: Option<usize>,
        parts: impl Iterator<Item = Entry<'e>>,
    ) {
        self.bytes.extend_from_slice(encoding::head(id, self.tail, own_fields.is_none()).as_bytes());
        let length_at = self.bytes.len();
        self.bytes.push(0);
        // What a listpack has around the parts: flags, the distance from the first id, and behind them how many they are; with
        // fields of its own also their number.
        let mut listpack_len = framed_len(0);
        listpack_len +=
            framed_len(id.ms.wrapping_sub(self.base.ms)) + framed_len(id.seq.wrapping_sub(self.base.seq));
        if let Some(count) = own_fields {
            encoding::push_varint(&mut self.bytes, count as u64);
            listpack_len += framed_len(count as u64);
        }
        let mut count = if own_fields.is_some() { 4 } else { 3 };
        for part in parts {
            listpack_len += push(&mut self.bytes, part);
            count += 1;
        }
        encoding::insert_length(&mut self.bytes, length_at);
        self.listpack_len += (listpack_len + framed_len(count)) as u32;
        self.live += 1;
        (self.tail, self.last) = (id, id);
    }

    /// Notes that the node had entries which are gone, the last of them with this id.
    pub(super) fn note_deleted(&mut self, count: usize, last: StreamId) {
        self.deleted += count as u32;
        self.last = self.last.max(last);
    }

    /// The entries in order.
    #[inline]
    pub fn iter(&self) -> Items<'_> {
        Items { node: self, at: self.entries_at as usize, prev: self.base }
    }

    /// The entries from `id` on.
    #[inline]
    pub(super) fn iter_from(&self, id: StreamId) -> Items<'_> {
        let mut items = self.iter();
        while let Some(place) = items.peek() {
            if place.id >= id {
                break;
            }
            items.pass(&place);
        }
        items
    }

    /// The entry with this id.
    pub(super) fn get(&self, id: StreamId) -> Option<Item<'_>> {
        self.iter_from(id).next().filter(|item| item.id == id)
    }

    /// Removes the entry with this id; whether there was one.
    pub(super) fn remove(&mut self, id: StreamId) -> bool {
        let items = self.iter_from(id);
        let (at, prev) = (items.at, items.prev);
        match items.peek() {
            Some(place) if place.id == id => {
                self.cut(at, prev, place.body.end, id);
                self.live -= 1;
                self.deleted += 1;
                true
            }
            _ => false,
        }
    }

    /// Removes the first `count` entries.
    pub(super) fn remove_first(&mut self, count: usize) {
        let mut items = self.iter();
        let mut removed = 0;
        while removed < count
            && let Some(place) = items.peek()
        {
            items.pass(&place);
            removed += 1;
        }
        let (end, last) = (items.at, items.prev);
        self.cut(self.entries_at as usize, self.base, end, last);
        self.live -= removed as u32;
        self.deleted += removed as u32;
    }

    /// Takes the bytes from `at` to `end` out: whole entries, of which the last has the id `last`, behind the one with the
    /// id `prev`.
    fn cut(&mut self, at: usize, prev: StreamId, end: usize, last: StreamId) {
        match encoding::read(&self.bytes, end, last) {
            Some(next) => {
                let head = encoding::head(next.id, prev, next.same_fields);
                self.bytes.splice(at..next.length_at, head.as_bytes().iter().copied());
            }
            None => {
                self.bytes.truncate(at);
                self.tail = prev;
            }
        }
        if self.bytes.capacity() > 2 * self.bytes.len() + 64 {
            self.bytes.shrink_to_fit();
        }
    }

    /// Gives memory back that a node needs only while it grows; says how much it keeps.
    pub(super) fn seal(&mut self) -> usize {
        self.bytes.shrink_to_fit();
        self.bytes.len()
    }

    /// Makes room for so many bytes of entries.
    pub(super) fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve_exact(bytes.saturating_sub(self.bytes.len()));
    }

    fn item(&self, place: Place) -> Item<'_> {
        let body = &self.bytes[place.body];
        if place.same_fields {
            let fields = Some(&self.bytes[..self.entries_at as usize]);
            return Item { id: place.id, len: self.field_count as usize, fields, body };
        }
        let (len, at) = encoding::read_varint(body, 0).unwrap_or_default();
        Item { id: place.id, len: len as usize, fields: None, body: &body[at..] }
    }

    /// The entries up to `id`, last first.
    pub(super) fn iter_back_from(&self, id: StreamId) -> ItemsBack<'_> {
        let mut starts = Vec::with_capacity(self.len());
        let mut items = self.iter();
        while let Some(place) = items.peek() {
            if place.id > id {
                break;
            }
            starts.push((items.at, items.prev));
            items.pass(&place);
        }
        ItemsBack { node: self, starts }
    }
}

/// Appends a field or a value; says how many bytes it would take in a listpack.
#[inline]
fn push(bytes: &mut Vec<u8>, part: Entry<'_>) -> usize {
    let bare = bare::encode(part);
    bytes.extend_from_slice(bare.head());
    bytes.extend_from_slice(bare.text());
    bare.framed_len()
}

/// How many bytes a number takes in a listpack. Beyond 63 bits it is kept as a negative one.
#[inline]
fn framed_len(number: u64) -> usize {
    bare::encode(Entry::Int(number as i64)).framed_len()
}

/// Nodes are cut where Redis would cut them, when they are made: the tree neither splits nor unites them.
impl Leaf for Node {
    type Key = StreamId;

    #[inline]
    fn weight(&self) -> u64 {
        self.live.into()
    }

    fn separator(&self, next: &Self) -> StreamId {
        next.base
    }

    #[inline]
    fn is_overfull(&self) -> bool {
        false
    }

    fn is_underfull(&self) -> bool {
        false
    }

    fn split(&mut self) -> Self {
        unreachable!("a node is never overfull")
    }

    fn absorb(&mut self, _: &Self) -> bool {
        false
    }

    fn heap_bytes(&self) -> usize {
        crate::alloc::size_class(self.bytes.capacity())
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The entries of a node.
#[derive(Clone)]
pub struct Items<'a> {
    node: &'a Node,
    at: usize,
    prev: StreamId,
}

impl<'a> Items<'a> {
    #[inline]
    fn peek(&self) -> Option<Place> {
        encoding::read(&self.node.bytes, self.at, self.prev)
    }

    #[inline]
    fn pass(&mut self, place: &Place) {
        self.at = place.body.end;
        self.prev = place.id;
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        let place = self.peek()?;
        self.pass(&place);
        Some(self.node.item(place))
    }
}

/// Entries of a node, last first.
#[derive(Clone)]
pub(super) struct ItemsBack<'a> {
    node: &'a Node,
    /// Where each entry begins, and the id of the one before it.
    starts: Vec<(usize, StreamId)>,
}

impl<'a> Iterator for ItemsBack<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        let (at, prev) = self.starts.pop()?;
        encoding::read(&self.node.bytes, at, prev).map(|place| self.node.item(place))
    }
}
