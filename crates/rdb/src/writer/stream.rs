//! Streams.

use super::{Access, Writer};
use crate::form;
use crate::stream::{EntriesRead, NodeBuilder, StreamId, StreamMeta};

impl Writer {
    /// Begins a key that holds a stream of so many nodes. The calls that follow, in this order: a
    /// [`stream_node`](Writer::stream_node) for each; [`stream_meta`](Writer::stream_meta); and for each group
    /// [`group`](Writer::group), a [`pending_entry`](Writer::pending_entry) for each of its pending entries, [`consumers`](Writer::consumers),
    /// and for each of those [`consumer`](Writer::consumer) and a [`consumer_entry`](Writer::consumer_entry) for each entry
    /// that is its own.
    pub fn begin_stream(&mut self, key: &[u8], nodes: u64, expiry_ms: Option<u64>, access: Option<Access>) {
        let type_byte = if self.options.has_third_forms() { form::STREAM_3 } else { form::STREAM_2 };
        self.begin_entry(type_byte, key, expiry_ms, access);
        self.put_length(nodes);
    }

    /// A node with its entries, whose ids are above those of the node before it.
    pub fn stream_node(&mut self, node: &mut NodeBuilder) {
        let (id, pack) = node.finish();
        self.packed_stream_node(id, pack);
    }

    /// A node with its entries, as a listpack that has been made elsewhere.
    pub fn packed_stream_node(&mut self, id: StreamId, pack: &[u8]) {
        self.put_string(&id.to_bytes());
        self.put_string(pack);
        self.sum_up_if_due();
    }

    /// What is known about the stream, and its number of groups.
    pub fn stream_meta(&mut self, meta: &StreamMeta, groups: u64) {
        self.put_length(meta.length);
        self.put_id(meta.last_id);
        self.put_id(meta.first_id);
        self.put_id(meta.max_deleted_id);
        self.put_length(meta.entries_added);
        self.put_length(groups);
    }

    /// A group with so many pending entries.
    pub fn group(&mut self, name: &[u8], last_id: StreamId, entries_read: EntriesRead, pending: u64) {
        self.put_string(name);
        self.put_id(last_id);
        self.put_length(match entries_read {
            EntriesRead::Count(count) => count,
            EntriesRead::Unknown | EntriesRead::Unrecorded => u64::MAX,
        });
        self.put_length(pending);
    }

    /// A pending entry of the group; their ids rise.
    pub fn pending_entry(&mut self, id: StreamId, delivered_ms: i64, deliveries: u64) {
        self.buf.extend_from_slice(&id.to_bytes());
        self.buf.extend_from_slice(&delivered_ms.to_le_bytes());
        self.put_length(deliveries);
        self.sum_up_if_due();
    }

    /// The group's number of consumers.
    pub fn consumers(&mut self, consumers: u64) {
        self.put_length(consumers);
    }

    /// A consumer with so many pending entries; `active_ms` is -1 if it never got any. Version 10 leaves that out.
    pub fn consumer(&mut self, name: &[u8], seen_ms: i64, active_ms: i64, pending: u64) {
        self.put_string(name);
        self.buf.extend_from_slice(&seen_ms.to_le_bytes());
        if self.options.has_third_forms() {
            self.buf.extend_from_slice(&active_ms.to_le_bytes());
        }
        self.put_length(pending);
        self.sum_up_if_due();
    }

    /// A pending entry of the group that is this consumer's; their ids rise.
    pub fn consumer_entry(&mut self, id: StreamId) {
        self.buf.extend_from_slice(&id.to_bytes());
        self.sum_up_if_due();
    }

    fn put_id(&mut self, id: StreamId) {
        self.put_length(id.ms);
        self.put_length(id.seq);
    }
}
