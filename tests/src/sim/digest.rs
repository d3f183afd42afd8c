//! A number that two instances share as long as they hold the same data.

use keyspace::stream::{Stream, StreamId};
use keyspace::{Element, Entry, HashRef, ListRef, SetRef, TextBuffer, ZSetRef};
use node::Node;

/// A digest of all data: libraries of functions; keys, values, expiry, by database. Most of a run's time is spent here.
pub fn digest(node: &Node) -> u64 {
    let keyspace = node.keyspace();
    let mut sum = Digest::default();
    for text in node.library_texts().iter() {
        sum.unordered(|part| part.bytes(text));
    }
    for index in 0..keyspace.databases() {
        for entry in keyspace.db(index).iter() {
            sum.unordered(|part| {
                part.number(index as u64);
                part.bytes(entry.key());
                part.optional(entry.expiry());
                part.number(entry.kind() as u64);
                part.value(&entry);
            });
        }
    }
    sum.0
}

#[derive(Default)]
struct Digest(u64);

impl Digest {
    fn number(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
    }

    fn optional(&mut self, number: Option<u64>) {
        self.number(number.map_or(u64::MAX, |number| number ^ 0x5555));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.number(u64::from_le_bytes(word));
        }
    }

    fn element(&mut self, element: Element<'_>) {
        self.bytes(element.text(&mut TextBuffer::new()));
    }

    fn id(&mut self, id: StreamId) {
        self.number(id.ms);
        self.number(id.seq);
    }

    /// Something whose place among others means nothing.
    fn unordered(&mut self, part: impl FnOnce(&mut Digest)) {
        let mut own = Digest::default();
        part(&mut own);
        own.number(1);
        self.0 = self.0.wrapping_add(own.0);
    }

    /// What a value holds, whichever form it is kept in.
    fn value(&mut self, entry: &Entry<'_>) {
        if let Some(string) = entry.str() {
            self.bytes(string);
        } else if let Some(list) = ListRef::of(entry) {
            list.iter().for_each(|element| self.element(element));
        } else if let Some(set) = SetRef::of(entry) {
            set.iter().for_each(|member| self.unordered(|part| part.element(member)));
        } else if let Some(hash) = HashRef::of(entry) {
            for field in hash.iter() {
                self.unordered(|part| {
                    part.element(field.name);
                    part.element(field.value);
                    part.optional(field.expiry);
                });
            }
        } else if let Some(set) = ZSetRef::of(entry) {
            for (member, score) in set.all() {
                self.element(member);
                self.number(score.to_bits());
            }
        } else if let Some(stream) = entry.stream() {
            self.stream(stream);
        }
    }

    fn stream(&mut self, stream: &Stream) {
        let entries = &stream.entries;
        self.id(entries.last_id());
        self.id(entries.max_deleted_id());
        self.number(entries.added());
        for item in entries.iter() {
            self.id(item.id);
            for (field, value) in item.pairs() {
                self.element(field);
                self.element(value);
            }
        }
        for (name, group) in stream.groups.iter() {
            self.bytes(name);
            self.id(group.last_id);
            self.optional(group.entries_read);
            for (_, consumer) in group.consumers() {
                self.bytes(consumer.name());
                consumer.pending_from(StreamId::MIN).for_each(|id| self.id(id));
            }
            for (id, pending) in group.pending_from(StreamId::MIN) {
                self.id(id);
                self.number(pending.delivered_ms);
                self.number(pending.count);
            }
        }
    }
}
