//! From the keyspace to a writer.

use collections::list::{End, Stretch};
use collections::pack::Pack;
use keyspace::{Element, Entry, FrozenKeyspace, Layout, ValueRef};
use rdb::Writer;

use super::stream;

/// Where a key goes: a writer whose bytes are taken away as they gather.
pub(super) struct Out<'w> {
    pub(super) writer: &'w mut Writer,
    chunk_bytes: usize,
    take: &'w mut dyn FnMut(&mut Writer) -> bool,
}

impl Out<'_> {
    /// To be called after each element of a large value. False: there is no point in going on.
    #[inline]
    pub(super) fn go_on(&mut self) -> bool {
        self.writer.pending() < self.chunk_bytes || (self.take)(self.writer)
    }
}

/// Writes a key. Whenever more than `chunk_bytes` have gathered within a large value, `take` is to take them; false from it ends the
/// matter, and is the answer then.
pub fn write_entry(
    writer: &mut Writer,
    entry: &Entry<'_>,
    chunk_bytes: usize,
    take: &mut dyn FnMut(&mut Writer) -> bool,
) -> bool {
    let (key, expiry) = (entry.key(), entry.expiry());
    match entry.value() {
        ValueRef::Bytes(layout, bytes) => {
            write_bytes(writer, key, expiry, layout, bytes);
            true
        }
        value => write_object(&mut Out { writer, chunk_bytes, take }, key, expiry, value),
    }
}

fn write_bytes(writer: &mut Writer, key: &[u8], expiry: Option<u64>, layout: Layout, bytes: &[u8]) {
    let pack = Pack::new(bytes);
    match layout {
        Layout::Str => writer.string(key, bytes, expiry, None),
        Layout::ListPack => writer.small_list(key, pack.iter(), expiry, None),
        Layout::SetPack => writer.small_set(key, pack.len() as u64, pack.iter(), expiry, None),
        Layout::IntSet => writer.packed_int_set(key, bytes, expiry, None),
        Layout::HashPack => writer.small_hash(key, pack.iter(), expiry, None),
        Layout::ZSetPack => writer.small_zset_entries(key, pack.iter(), expiry, None),
    }
}

fn write_object(out: &mut Out<'_>, key: &[u8], expiry: Option<u64>, value: ValueRef<'_>) -> bool {
    match value {
        ValueRef::Set(members) => {
            out.writer.begin_set(key, members.len() as u64, expiry, None);
            members.iter().all(|member| {
                out.writer.set_member(member.key);
                out.go_on()
            })
        }
        ValueRef::Hash(fields) => {
            let earliest = fields.earliest_expiry();
            out.writer.begin_hash(key, fields.len() as u64, earliest, expiry, None);
            fields.iter().all(|field| {
                out.writer.field(field.key, field.value, field.expiry);
                out.go_on()
            })
        }
        ValueRef::ZSet(members) => {
            out.writer.begin_zset(key, members.len() as u64, expiry, None);
            // From the highest down: what a peer with a skip list loads fastest.
            members.iter_back(0..members.len()).all(|(member, score)| {
                out.writer.zset_member(member, score);
                out.go_on()
            })
        }
        ValueRef::List(list) => {
            let list = list.elements();
            let nodes = list.stretches(0..list.len(), End::Front);
            out.writer.begin_list(key, nodes.clone().count() as u64, expiry, None);
            nodes.into_iter().all(|node| {
                match node {
                    Stretch::Uniform { unit, texts } => {
                        out.writer.list_node(texts.chunks_exact(unit.max(1)).map(Element::Str));
                    }
                    Stretch::Packed(elements) => out.writer.list_node(elements),
                }
                out.go_on()
            })
        }
        ValueRef::Stream(value) => stream::write(out, key, expiry, value),
        _ => true,
    }
}

/// Whether there is a hash with fields that expire, which not all versions of the format can hold.
pub fn needs_field_expiry(view: &FrozenKeyspace) -> bool {
    (0..view.databases()).any(|index| view.db(index).iter().any(|entry| expiring_fields(&entry)))
}

/// Whether a key holds a hash with fields that expire.
pub(super) fn expiring_fields(entry: &Entry<'_>) -> bool {
    matches!(entry.value(), ValueRef::Hash(fields) if fields.expires() > 0)
}

/// Whether a key holds a stream of which the older form would say something wrong about when consumers were active.
pub(super) fn idle_consumers(entry: &Entry<'_>) -> bool {
    let ValueRef::Stream(stream) = entry.value() else { return false };
    let mut groups = stream.groups.iter().map(|(_, group)| group);
    groups.any(|group| group.consumers().any(|(_, consumer)| consumer.active_ms != Some(consumer.seen_ms)))
}
