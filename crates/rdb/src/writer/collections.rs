//! Lists, sets, sorted sets and hashes.

use listpack::Entry;

use super::{Access, Writer};
use crate::compact::intset;
use crate::form::{self, FieldExpiry};
use crate::score::ScoreText;

/// The container of a list's node that is one element.
const PLAIN: u64 = 1;
/// The container of a list's node that is a listpack.
const PACKED: u64 = 2;

impl Writer {
    /// A key that holds a list small enough for one node.
    pub fn small_list<'e>(
        &mut self,
        key: &[u8],
        elements: impl Iterator<Item = Entry<'e>>,
        expiry_ms: Option<u64>,
        access: Option<Access>,
    ) {
        self.begin_list(key, 1, expiry_ms, access);
        self.list_node(elements);
    }

    /// Begins a key that holds a list of so many nodes. A [`list_node`](Writer::list_node), a
    /// [`packed_list_node`](Writer::packed_list_node) or a [`plain_list_node`](Writer::plain_list_node) for each follows.
    pub fn begin_list(&mut self, key: &[u8], nodes: u64, expiry_ms: Option<u64>, access: Option<Access>) {
        self.begin_entry(form::LIST_NODES, key, expiry_ms, access);
        self.put_length(nodes);
        self.owed = nodes;
    }

    /// A node of a list.
    pub fn list_node<'e>(&mut self, elements: impl Iterator<Item = Entry<'e>>) {
        self.put_length(PACKED);
        elements.for_each(|element| self.pack.push(element));
        self.put_pack();
        self.paid();
    }

    /// A node of a list, given as the bytes of a listpack.
    pub(super) fn whole_list_node(&mut self, pack: &[u8]) {
        self.put_length(PACKED);
        self.put_string(pack);
        self.paid();
    }

    /// Begins a key that holds a list of so many elements, without nodes: the oldest form, which every server reads. A
    /// [`list_string`](Writer::list_string) for each follows.
    pub fn begin_strings(&mut self, key: &[u8], len: u64, expiry_ms: Option<u64>, access: Option<Access>) {
        self.begin_entry(form::LIST, key, expiry_ms, access);
        self.put_length(len);
        self.owed = len;
    }

    /// An element of a list without nodes.
    pub fn list_string(&mut self, element: &[u8]) {
        self.put_string(element);
        self.paid();
    }

    /// A node of a list, of elements that are encoded already: what stands in a listpack between its header and its end mark.
    pub fn packed_list_node(&mut self, entries: &[u8], count: usize) {
        self.put_length(PACKED);
        self.pack.push_framed(entries, count);
        self.put_pack();
        self.paid();
    }

    /// A node of a list that is one element, which may be a large one.
    pub fn plain_list_node(&mut self, element: &[u8]) {
        // An empty one would be taken for a node without elements.
        if element.is_empty() {
            return self.list_node(std::iter::once(Entry::Str(element)));
        }
        self.put_length(PLAIN);
        self.put_string(element);
        self.paid();
    }

    /// A key that holds a set of numbers, which come in rising order.
    pub fn int_set(
        &mut self,
        key: &[u8],
        numbers: impl ExactSizeIterator<Item = i64> + Clone,
        expiry_ms: Option<u64>,
        access: Option<Access>,
    ) {
        let mut bytes = Vec::new();
        intset::write(&mut bytes, numbers);
        self.packed_int_set(key, &bytes, expiry_ms, access);
    }

    /// A key that holds a set of numbers, given as the bytes of an intset.
    pub fn packed_int_set(
        &mut self,
        key: &[u8],
        intset: &[u8],
        expiry_ms: Option<u64>,
        access: Option<Access>,
    ) {
        debug_assert_eq!(intset::check(intset), Ok(()));
        self.begin_entry(form::SET_INTSET, key, expiry_ms, access);
        self.put_string(intset);
        self.sum_up_if_due();
    }

    /// A key that holds a set of few and short members: `len` of them.
    pub fn small_set<'e>(
        &mut self,
        key: &[u8],
        len: u64,
        members: impl Iterator<Item = Entry<'e>>,
        expiry_ms: Option<u64>,
        access: Option<Access>,
    ) {
        if self.options.has_third_forms() {
            self.begin_entry(form::SET_LISTPACK, key, expiry_ms, access);
            members.for_each(|member| self.pack.push(member));
            self.put_pack();
            return self.sum_up_if_due();
        }
        self.begin_set(key, len, expiry_ms, access);
        for member in members {
            self.put_entry(member);
            self.paid();
        }
    }

    /// Begins a key that holds a set of so many members. A [`set_member`](Writer::set_member) for each follows.
    pub fn begin_set(&mut self, key: &[u8], len: u64, expiry_ms: Option<u64>, access: Option<Access>) {
        self.begin_entry(form::SET, key, expiry_ms, access);
        self.put_length(len);
        self.owed = len;
    }

    /// A member of a set.
    #[inline]
    pub fn set_member(&mut self, member: &[u8]) {
        self.put_string(member);
        self.paid();
    }

    /// A key that holds a sorted set of few and short members, which come in their order: by score, then by text.
    pub fn small_zset<'e>(
        &mut self,
        key: &[u8],
        members: impl Iterator<Item = (Entry<'e>, f64)>,
        expiry_ms: Option<u64>,
        access: Option<Access>,
    ) {
        self.begin_entry(form::ZSET_LISTPACK, key, expiry_ms, access);
        let mut text = ScoreText::new();
        for (member, score) in members {
            self.pack.push(member);
            self.pack.push(text.entry(score));
        }
        self.put_pack();
        self.sum_up_if_due();
    }

    /// Like [`small_zset`](Writer::small_zset), from members and scores in turn, where each score is an entry as
    /// [`ScoreText`] makes it.
    pub fn small_zset_entries<'e>(
        &mut self,
        key: &[u8],
        members_and_scores: impl Iterator<Item = Entry<'e>>,
        expiry_ms: Option<u64>,
        access: Option<Access>,
    ) {
        self.begin_entry(form::ZSET_LISTPACK, key, expiry_ms, access);
        members_and_scores.for_each(|entry| self.pack.push(entry));
        self.put_pack();
        self.sum_up_if_due();
    }

    /// Begins a key that holds a sorted set of so many members. A [`zset_member`](Writer::zset_member) for each follows; peers
    /// load fastest what comes from the highest score to the lowest.
    pub fn begin_zset(&mut self, key: &[u8], len: u64, expiry_ms: Option<u64>, access: Option<Access>) {
        self.begin_entry(form::ZSET, key, expiry_ms, access);
        self.put_length(len);
        self.owed = len;
    }

    /// A member of a sorted set.
    #[inline]
    pub fn zset_member(&mut self, member: &[u8], score: f64) {
        self.put_string(member);
        self.buf.extend_from_slice(&score.to_le_bytes());
        self.paid();
    }

    /// A key that holds a hash of few and short fields and values, none of which expires.
    pub fn small_hash<'e>(
        &mut self,
        key: &[u8],
        fields_and_values: impl Iterator<Item = Entry<'e>>,
        expiry_ms: Option<u64>,
        access: Option<Access>,
    ) {
        self.begin_entry(form::HASH_LISTPACK, key, expiry_ms, access);
        fields_and_values.for_each(|entry| self.pack.push(entry));
        self.put_pack();
        self.sum_up_if_due();
    }

    /// Begins a key that holds a hash of so many fields. A [`field`](Writer::field) for each follows.
    ///
    /// If fields expire, `earliest_ms` says when the first of them does; an earlier time is fine. Whether the version written
    /// holds that, [`WriteOptions::holds_field_expiry`](super::WriteOptions::holds_field_expiry) says.
    pub fn begin_hash(
        &mut self,
        key: &[u8],
        len: u64,
        earliest_ms: Option<u64>,
        expiry_ms: Option<u64>,
        access: Option<Access>,
    ) {
        self.fields = if earliest_ms.is_some() { self.options.timed_fields() } else { FieldExpiry::Absent };
        let type_byte = match self.fields {
            FieldExpiry::Absent => form::HASH,
            FieldExpiry::Behind => form::HASH_TIMED_VALKEY,
            FieldExpiry::Before | FieldExpiry::BeforeRelative => form::HASH_TIMED_REDIS,
        };
        self.begin_entry(type_byte, key, expiry_ms, access);
        if type_byte == form::HASH_TIMED_REDIS {
            self.earliest = earliest_ms.unwrap_or(0);
            self.buf.extend_from_slice(&self.earliest.to_le_bytes());
        }
        self.put_length(len);
        self.owed = len;
    }

    /// A field of a hash.
    #[inline]
    pub fn field(&mut self, field: &[u8], value: &[u8], expiry_ms: Option<u64>) {
        if self.fields == FieldExpiry::BeforeRelative {
            // Zero says none, so the earliest expiry is one.
            let distance = expiry_ms.map_or(0, |ms| ms.saturating_sub(self.earliest) + 1);
            self.put_length(distance);
        }
        self.put_string(field);
        self.put_string(value);
        if self.fields == FieldExpiry::Behind {
            self.buf.extend_from_slice(&expiry_ms.map_or(-1, |ms| ms as i64).to_le_bytes());
        }
        self.paid();
    }

    /// One of the announced elements has been written.
    #[inline]
    fn paid(&mut self) {
        debug_assert!(self.owed > 0, "no more elements than announced");
        self.owed = self.owed.wrapping_sub(1);
        self.sum_up_if_due();
    }
}
