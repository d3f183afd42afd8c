//! Keys with their values, as callers see them: borrowed, borrowed for writing, and taken out.

use std::ops::Range;

use collections::Hasher;
use triomphe::Arc;

use crate::chunk::{At, Chunk};
use crate::directory::Directory;
use crate::record::{INLINE_MAX, Parts, Payload, RecordMut, RecordPtr, RecordRef};
use crate::table::Totals;
use crate::value::{Kind, Layout, Object, SetExpiry, Value, ValueRef, encoding_of_bytes};

/// A key and its value, of a database or of a view.
///
/// As small as a reference, and as cheap to copy.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    record: RecordPtr<'a>,
}

impl<'a> Entry<'a> {
    #[inline]
    pub(crate) fn new(record: RecordPtr<'a>) -> Self {
        Self { record }
    }

    /// The key.
    #[inline]
    pub fn key(&self) -> &'a [u8] {
        self.record.key()
    }

    /// The type of the value.
    #[inline]
    pub fn kind(&self) -> Kind {
        self.record.kind()
    }

    /// The value if it is a string, short or long.
    #[inline]
    pub fn str(&self) -> Option<&'a [u8]> {
        match self.record.inline_str() {
            Some(bytes) => Some(bytes),
            None => match self.record.object()? {
                Object::Bytes(Layout::Str, bytes) => Some(bytes),
                _ => None,
            },
        }
    }

    /// The value as it is kept.
    #[inline]
    pub fn value(&self) -> ValueRef<'a> {
        match (self.record.inline(), self.record.object()) {
            (Some((layout, bytes)), _) => ValueRef::Bytes(layout, bytes),
            (None, Some(object)) => object.as_value(),
            // A record has one or the other.
            (None, None) => ValueRef::Bytes(Layout::Str, &[]),
        }
    }

    /// The value if it is not kept in the record itself; a long string is one such.
    #[inline]
    pub fn object(&self) -> Option<&'a Object> {
        self.record.object()
    }

    /// When the key expires, in Unix milliseconds. Whether it has is for the caller to say, who has a clock.
    #[inline]
    pub fn expiry(&self) -> Option<u64> {
        self.record.expiry()
    }

    /// What OBJECT ENCODING answers.
    pub fn encoding(&self) -> &'static str {
        match self.value() {
            ValueRef::Bytes(layout, bytes) => encoding_of_bytes(layout, bytes, self.record.is_raw()),
            ValueRef::Stream(_) => "stream",
            ValueRef::Set(_) | ValueRef::Hash(_) => "hashtable",
            ValueRef::List(list) => list.encoding(),
            ValueRef::ZSet(_) => "skiplist",
        }
    }

    /// The access word: 24 bits that LRU and LFU eviction keep for themselves.
    #[inline]
    pub fn access(&self) -> u32 {
        self.record.access()
    }

    /// Sets the access word, of which the low 24 bits count.
    ///
    /// Works through a shared reference, so that reading a key can note that it was read. A view taken before sees the
    /// new word too, until the record is written to.
    #[inline]
    pub fn set_access(&self, access: u32) {
        self.record.set_access(access);
    }

    /// Bytes of memory that the key and its value take, with their share of the table.
    pub fn memory_usage(&self) -> usize {
        /// A slot, and its part of the slots that are free.
        const SLOT_SHARE: usize = 8;
        self.record.allocated() + SLOT_SHARE + self.record.object().map_or(0, Object::heap_bytes)
    }

    /// A copy of the entry on its own, as if it had been removed. Shares the value, so it takes no time whatever the
    /// value's size.
    pub fn duplicate(&self) -> Removed {
        Removed { record: self.record.to_owned() }
    }
}

impl std::fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("key", &String::from_utf8_lossy(self.key()))
            .field("kind", &self.kind())
            .field("expiry", &self.expiry())
            .finish_non_exhaustive()
    }
}

/// A key and its value, borrowed for writing.
///
/// Whatever a view shares is copied before it is written, and only then.
pub struct EntryMut<'a> {
    chunk: &'a mut Chunk,
    totals: &'a mut Totals,
    hasher: &'a Hasher,
    at: At,
}

impl<'a> EntryMut<'a> {
    #[inline]
    pub(crate) fn new(chunk: &'a mut Chunk, totals: &'a mut Totals, hasher: &'a Hasher, at: At) -> Self {
        Self { chunk, totals, hasher, at }
    }

    /// The hasher for tables inside the value.
    #[inline]
    pub fn hasher(&self) -> &'a Hasher {
        self.hasher
    }

    /// The entry for reading.
    #[inline]
    pub fn as_entry(&self) -> Entry<'_> {
        Entry::new(self.chunk.record(self.at))
    }

    /// Replaces the value by a string. The expiry and the access word stay.
    pub fn set_str(&mut self, value: &[u8]) {
        drop(self.store(value, SetExpiry::Keep));
    }

    /// Replaces value and expiry; in place if the record is not shared and keeps its size class. Gives the old value if it was not
    /// kept in the record.
    #[inline]
    pub(crate) fn store(&mut self, value: &[u8], expiry: SetExpiry) -> Option<Removed> {
        let (before, after) = match self.chunk.record_mut(self.at) {
            Some(mut record) => {
                let before = record.as_ptr().expiry();
                let after = expiry.apply(before);
                if record.overwrite(value, after) {
                    self.note_expiry(before, after);
                    return None;
                }
                (before, after)
            }
            None => {
                let before = self.chunk.record(self.at).expiry();
                (before, expiry.apply(before))
            }
        };
        let old = self.rebuild(after, false, Some(str_payload(value)));
        self.note_expiry(before, after);
        old.as_ptr().object().is_some().then(|| Removed::new(old))
    }

    /// Appends to a string; gives its new length.
    ///
    /// # Panics
    ///
    /// When the value is not a string: see [`Entry::kind`].
    pub fn append(&mut self, bytes: &[u8]) -> usize {
        self.splice(self.str_len(), bytes)
    }

    /// Overwrites a part of a string, filling a gap before `offset` with zeros; gives the length of the string after.
    /// With no bytes to write the string stays as it is.
    ///
    /// # Panics
    ///
    /// When the value is not a string: see [`Entry::kind`]; or when the end would overflow a `usize`.
    pub fn set_range(&mut self, offset: usize, bytes: &[u8]) -> usize {
        if bytes.is_empty() { self.str_len() } else { self.splice(offset, bytes) }
    }

    fn str_len(&self) -> usize {
        self.as_entry().str().expect("the caller has seen that the value is a string").len()
    }

    fn splice(&mut self, from: usize, bytes: &[u8]) -> usize {
        let end = from.checked_add(bytes.len()).expect("the caller has limited the length of strings");
        if self.as_entry().object().is_some() {
            let Some(Object::Bytes(Layout::Str, string)) = self.object_mut() else { return 0 };
            splice_into(string, from, end, bytes);
            return string.len();
        }
        let in_place = self.chunk.record_mut(self.at).is_some_and(|mut record| record.splice(from, bytes));
        if !in_place {
            let old = self.as_entry().str().unwrap_or_default();
            let mut string = Vec::with_capacity(end.max(old.len()));
            string.extend_from_slice(old);
            splice_into(&mut string, from, end, bytes);
            let expiry = self.as_entry().expiry();
            drop(self.rebuild(expiry, true, Some(owned_payload(Layout::Str, &mut string))));
        }
        self.str_len()
    }

    /// Puts `with` into the place of a part of a value that is kept as bytes. Its layout stays.
    ///
    /// # Panics
    ///
    /// When the value is not kept as bytes (see [`Entry::value`]), or the range does not lie within them.
    pub fn splice_bytes(&mut self, range: Range<usize>, with: &[u8]) {
        /// What has become so short goes back into the record. Far enough from what is moved out that it does not go back and
        /// forth.
        const SHORT: usize = INLINE_MAX / 2;
        if self.as_entry().object().is_some() {
            let Some(Object::Bytes(layout, bytes)) = self.object_mut() else {
                panic!("the caller has seen that the value is bytes")
            };
            bytes.splice(range, with.iter().copied());
            if bytes.len() <= SHORT {
                let (layout, bytes) = (*layout, std::mem::take(bytes));
                self.set_bytes(layout, &bytes);
            }
            return;
        }
        if self.chunk.record_mut(self.at).is_some_and(|mut record| record.replace(range.clone(), with)) {
            return;
        }
        let old = self.chunk.record(self.at);
        let (layout, bytes) = old.inline().unwrap_or((Layout::Str, &[]));
        assert!(range.start <= range.end && range.end <= bytes.len(), "the caller edits what is there");
        let mut new = Vec::with_capacity(bytes.len() - range.len() + with.len());
        new.extend_from_slice(&bytes[..range.start]);
        new.extend_from_slice(with);
        new.extend_from_slice(&bytes[range.end..]);
        let (expiry, raw) = (old.expiry(), old.is_raw());
        drop(self.rebuild(expiry, raw, Some(owned_payload(layout, &mut new))));
    }

    /// Replaces the value by bytes in some layout. The expiry and the access word stay.
    pub fn set_bytes(&mut self, layout: Layout, bytes: &[u8]) {
        if let Some((own, old)) = self.chunk.record(self.at).inline()
            && own == layout
            && layout != Layout::Str
        {
            let len = old.len();
            let in_place =
                self.chunk.record_mut(self.at).is_some_and(|mut record| record.replace(0..len, bytes));
            if in_place {
                return;
            }
        }
        let expiry = self.as_entry().expiry();
        drop(self.rebuild(expiry, false, Some(payload_for(layout, bytes))));
    }

    /// Replaces the value by one of the large forms. The expiry and the access word stay.
    pub fn set_object(&mut self, object: Object) {
        let expiry = self.as_entry().expiry();
        drop(self.rebuild(expiry, false, Some(Payload::Hung(Arc::new(object)))));
    }

    /// The value for writing if it is not kept in the record itself. If a view shares it, it is cloned first.
    pub fn object_mut(&mut self) -> Option<&mut Object> {
        self.as_entry().object()?;
        if self.chunk.record_mut(self.at).is_none() {
            // A view shares the record: have one of our own, which shares the object until it is written to.
            let expiry = self.as_entry().expiry();
            let raw = self.chunk.record(self.at).is_raw();
            drop(self.rebuild(expiry, raw, None));
        }
        self.chunk.record_mut(self.at).and_then(RecordMut::into_object_mut)
    }

    /// As [`EntryMut::object_mut`], for as long as the database is borrowed.
    pub fn into_object_mut(mut self) -> Option<&'a mut Object> {
        self.object_mut()?;
        self.chunk.record_mut(self.at).and_then(RecordMut::into_object_mut)
    }

    /// Lists the value among the hashes with fields that expire if it has some, and else does not. To be called after a change that
    /// may have changed that.
    pub(crate) fn note_fields(&mut self) {
        let record = self.chunk.record(self.at);
        self.totals.hashes.note_value(record.key(), record.object());
    }

    /// Sets when the key expires, or that it does not.
    pub fn set_expiry(&mut self, expiry: Option<u64>) {
        let before = self.as_entry().expiry();
        if before == expiry {
            return;
        }
        let in_place = self.chunk.record_mut(self.at).is_some_and(|mut record| record.set_expiry(expiry));
        if !in_place {
            let raw = self.chunk.record(self.at).is_raw();
            drop(self.rebuild(expiry, raw, None));
        }
        self.note_expiry(before, expiry);
    }

    /// Puts a new record with the same key and access word into the place of the old one. Without a new value it has
    /// the old one, or shares it.
    fn rebuild(&mut self, expiry: Option<u64>, raw: bool, value: Option<Payload<'_>>) -> RecordRef {
        let old = self.chunk.record(self.at);
        let new_value = value.is_some();
        let payload = match value {
            Some(value) => {
                let object = if let Payload::Hung(object) = &value { Some(&**object) } else { None };
                self.totals.hashes.note_value(old.key(), object);
                value
            }
            None => payload_of(old),
        };
        let record = RecordRef::new(Parts { key: old.key(), payload, expiry, access: old.access(), raw });
        let old = self.chunk.replace(self.at, record);
        old.note_left(new_value);
        old
    }

    #[inline]
    fn note_expiry(&mut self, before: Option<u64>, after: Option<u64>) {
        self.chunk.note_expiry(self.at.segment(), before, after);
        self.totals.note_expiry(before, after);
    }
}

impl std::fmt::Debug for EntryMut<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_entry().fmt(f)
    }
}

/// Writes `bytes` at `from..end`, with zeros before it where the string is shorter.
fn splice_into(string: &mut Vec<u8>, from: usize, end: usize, bytes: &[u8]) {
    if string.len() < end {
        string.resize(end, 0);
    }
    string[from..end].copy_from_slice(bytes);
}

/// How a record keeps this string.
#[inline]
pub(crate) fn str_payload(value: &[u8]) -> Payload<'_> {
    payload_for(Layout::Str, value)
}

/// How a record keeps these bytes.
#[inline]
fn payload_for(layout: Layout, value: &[u8]) -> Payload<'_> {
    if value.len() <= INLINE_MAX {
        Payload::Inline(layout, value)
    } else {
        Payload::Hung(Arc::new(Object::Bytes(layout, value.to_vec())))
    }
}

/// As [`payload_for`], taking long bytes instead of copying them.
fn owned_payload(layout: Layout, value: &mut Vec<u8>) -> Payload<'_> {
    if value.len() <= INLINE_MAX {
        Payload::Inline(layout, value)
    } else {
        Payload::Hung(Arc::new(Object::Bytes(layout, std::mem::take(value))))
    }
}

/// The record's value, for another record.
fn payload_of(record: RecordPtr<'_>) -> Payload<'_> {
    match record.share_object() {
        Some(object) => Payload::Hung(object),
        None => {
            let (layout, bytes) = record.inline().unwrap_or((Layout::Str, &[]));
            Payload::Inline(layout, bytes)
        }
    }
}

/// A record for a key with an owned value.
pub(crate) fn record_of(key: &[u8], value: Value, expiry: Option<u64>, access: u32) -> RecordRef {
    let mut bytes;
    let payload = match value {
        Value::Str(string) => {
            bytes = string;
            owned_payload(Layout::Str, &mut bytes)
        }
        Value::Bytes(layout, own) | Value::Object(Object::Bytes(layout, own)) => {
            bytes = own;
            owned_payload(layout, &mut bytes)
        }
        Value::Object(object) => Payload::Hung(Arc::new(object)),
    };
    RecordRef::new(Parts { key, payload, expiry, access, raw: false })
}

/// A key and its value, taken out of a database.
///
/// Dropping it frees them, unless a view still has them; it may be sent to another thread for that.
pub struct Removed {
    record: RecordRef,
}

impl Removed {
    pub(crate) fn new(record: RecordRef) -> Self {
        Self { record }
    }

    fn entry(&self) -> Entry<'_> {
        Entry::new(self.record.as_ptr())
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        self.entry().key()
    }

    /// The type of the value.
    pub fn kind(&self) -> Kind {
        self.entry().kind()
    }

    /// When the key was to expire, in Unix milliseconds.
    pub fn expiry(&self) -> Option<u64> {
        self.entry().expiry()
    }

    /// The access word.
    pub fn access(&self) -> u32 {
        self.entry().access()
    }

    /// Bytes of memory that it takes: [`Entry::memory_usage`].
    pub fn memory_usage(&self) -> usize {
        self.entry().memory_usage()
    }

    /// Whether freeing it takes long enough to be worth another thread.
    pub fn is_large(&self) -> bool {
        /// Less than this the allocator keeps ready for the next; more goes back to the system.
        const LARGE_BYTES: usize = 32 * 1024;
        self.entry().object().is_some_and(|object| object.heap_bytes() >= LARGE_BYTES)
    }

    /// The value. Copied if it is short or if a view has it too.
    pub fn into_value(self) -> Value {
        let Some(object) = self.record.as_ptr().share_object() else {
            return match self.record.as_ptr().inline() {
                None | Some((Layout::Str, &[])) => Value::Str(Vec::new()),
                Some((Layout::Str, bytes)) => Value::Str(bytes.to_vec()),
                Some((layout, bytes)) => Value::Bytes(layout, bytes.to_vec()),
            };
        };
        drop(self);
        match Arc::unwrap_or_clone(object) {
            Object::Bytes(Layout::Str, bytes) => Value::Str(bytes),
            Object::Bytes(layout, bytes) => Value::Bytes(layout, bytes),
            object => Value::Object(object),
        }
    }

    /// A record with this value under a key: the same one if it is the same key.
    pub(crate) fn into_record(self, key: &[u8]) -> RecordRef {
        let old = self.record.as_ptr();
        if old.key() == key {
            return self.record;
        }
        let (expiry, access, raw) = (old.expiry(), old.access(), old.is_raw());
        RecordRef::new(Parts { key, payload: payload_of(old), expiry, access, raw })
    }
}

impl std::fmt::Debug for Removed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.entry().fmt(f)
    }
}

/// What a write replaced or a flush emptied. Dropping it frees it, on whatever thread.
#[must_use = "dropping it here frees it here; send it away if it is large"]
pub struct Garbage {
    content: Content,
}

enum Content {
    Entry(Removed),
    Tables(Vec<(Directory, usize)>),
}

impl Garbage {
    pub(crate) fn tables(tables: Vec<(Directory, usize)>) -> Self {
        Self { content: Content::Tables(tables) }
    }

    /// Whether freeing it takes long enough to be worth another thread.
    pub fn is_large(&self) -> bool {
        /// Freeing so many small records costs about as much as waking a thread.
        const MANY: usize = 128;
        match &self.content {
            Content::Entry(entry) => entry.is_large(),
            Content::Tables(tables) => tables.iter().map(|(_, len)| len).sum::<usize>() >= MANY,
        }
    }
}

impl Garbage {
    /// How many keys it is of.
    pub fn objects(&self) -> usize {
        match &self.content {
            Content::Entry(_) => 1,
            Content::Tables(tables) => tables.iter().map(|(_, len)| len).sum(),
        }
    }

    /// About how many bytes freeing it will give back, as far as no view has them; of whole tables, as many as a few of their keys
    /// suggest.
    pub fn bytes(&self) -> usize {
        /// Keys looked at.
        const SAMPLE: usize = 32;
        match &self.content {
            Content::Entry(entry) => entry.memory_usage(),
            Content::Tables(tables) => {
                let of_table = |(directory, len): &(Directory, usize)| {
                    let sample = crate::table::Records::new(directory, *len).take(SAMPLE);
                    let (count, bytes) = sample.fold((0, 0), |(count, bytes), record| {
                        (count + 1, bytes + Entry::new(record).memory_usage())
                    });
                    (bytes * *len).checked_div(count).unwrap_or(0)
                };
                tables.iter().map(of_table).sum()
            }
        }
    }
}

impl From<Removed> for Garbage {
    fn from(removed: Removed) -> Self {
        Self { content: Content::Entry(removed) }
    }
}

impl std::fmt::Debug for Garbage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.content {
            Content::Entry(entry) => entry.fmt(f),
            Content::Tables(tables) => {
                write!(f, "Garbage of {} keys", tables.iter().map(|(_, len)| len).sum::<usize>())
            }
        }
    }
}
