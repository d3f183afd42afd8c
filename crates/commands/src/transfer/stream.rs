//! Streams.

use collections::stream::{Group, Pending, Stream, StreamId};
use listpack::View;
use rdb::stream::{EntriesRead, StreamMeta};
use rdb::{Event, StreamId as RdbId};

use super::load::BadValue;
use super::write::Out;

fn outer(id: StreamId) -> RdbId {
    RdbId { ms: id.ms, seq: id.seq }
}

fn inner(id: RdbId) -> StreamId {
    StreamId::new(id.ms, id.seq)
}

/// Times before 1970 nobody has seen anything at.
fn time(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0)
}

pub(super) fn write(out: &mut Out<'_>, key: &[u8], expiry: Option<u64>, stream: &Stream) -> bool {
    let (entries, groups) = (&stream.entries, &stream.groups);
    out.writer.begin_stream(key, entries.node_count() as u64, expiry, None);
    for node in entries.nodes() {
        // Entries are limited so that a node fits a listpack. One that would not is left without content, which every reader refuses:
        // better than a dump that lacks entries.
        let pack = node.to_listpack().map(listpack::Listpack::into_bytes).unwrap_or_default();
        out.writer.packed_stream_node(outer(node.base()), &pack);
        if !out.go_on() {
            return false;
        }
    }
    let meta = StreamMeta {
        length: entries.len(),
        last_id: outer(entries.last_id()),
        first_id: outer(entries.first_id()),
        max_deleted_id: outer(entries.max_deleted_id()),
        entries_added: entries.added(),
    };
    out.writer.stream_meta(&meta, groups.len() as u64);
    groups.iter().all(|(name, group)| write_group(out, name, group))
}

fn write_group(out: &mut Out<'_>, name: &[u8], group: &Group) -> bool {
    let read = group.entries_read.map_or(EntriesRead::Unknown, EntriesRead::Count);
    out.writer.group(name, outer(group.last_id), read, group.pending_len() as u64);
    for (id, pending) in group.pending_from(StreamId::MIN) {
        out.writer.pending_entry(outer(id), pending.delivered_ms as i64, pending.count);
        if !out.go_on() {
            return false;
        }
    }
    out.writer.consumers(group.consumers_len() as u64);
    group.consumers().all(|(_, consumer)| {
        let active = consumer.active_ms.map_or(-1, |ms| ms as i64);
        let (seen, pending) = (consumer.seen_ms as i64, consumer.pending_len() as u64);
        out.writer.consumer(consumer.name(), seen, active, pending);
        consumer.pending_from(StreamId::MIN).all(|id| {
            out.writer.consumer_entry(outer(id));
            out.go_on()
        })
    })
}

/// A stream that is being put together.
#[derive(Default)]
pub(super) struct StreamParts {
    stream: Stream,
    group: Option<GroupParts>,
}

/// The group that came last.
struct GroupParts {
    name: Vec<u8>,
    /// What is pending in it, and whose it is turns out only behind all of it.
    pending: Vec<PendingPart>,
    /// How many of those nobody has claimed yet.
    unclaimed: usize,
    consumer: Option<ConsumerParts>,
}

struct PendingPart {
    id: StreamId,
    delivered_ms: u64,
    count: u64,
    claimed: bool,
}

/// The consumer that came last.
struct ConsumerParts {
    name: Vec<u8>,
    seen_ms: u64,
    active_ms: Option<u64>,
    /// Which of the group's pending entries it has.
    own: Vec<usize>,
}

impl StreamParts {
    pub(super) fn take(&mut self, event: Event<'_>) -> Result<(), BadValue> {
        match event {
            Event::StreamNode(node) => {
                let pack = View::trusted(node.as_bytes());
                let pushed = self.stream.entries.push_listpack(inner(node.id()), pack);
                pushed.map_err(|_| BadValue("the nodes of a stream do not follow each other"))
            }
            Event::StreamMeta { meta, .. } => {
                let (added, deleted) = (Some(meta.entries_added), Some(inner(meta.max_deleted_id)));
                self.stream.entries.set_last_id(inner(meta.last_id), added, deleted);
                Ok(())
            }
            Event::Group { name, last_id, entries_read, .. } => {
                self.end_group()?;
                let last_id = inner(last_id);
                let read = match entries_read {
                    EntriesRead::Count(count) => Some(count),
                    EntriesRead::Unknown => None,
                    EntriesRead::Unrecorded => self.stream.entries.count_at(last_id),
                };
                if !self.stream.groups.create(name, last_id, read) {
                    return Err(BadValue("a group of a stream occurs twice"));
                }
                self.group = Some(GroupParts {
                    name: name.to_vec(),
                    pending: Vec::new(),
                    unclaimed: 0,
                    consumer: None,
                });
                Ok(())
            }
            // Which messages of which producers have come: nothing here asks.
            Event::Idempotence { .. }
            | Event::Producer { .. }
            | Event::ProducerEntry { .. }
            | Event::IdempotenceCounts { .. } => Ok(()),
            event => self.group.as_mut().ok_or(NOT_OF_STREAM)?.take(event, &mut self.stream),
        }
    }

    fn end_group(&mut self) -> Result<(), BadValue> {
        let Some(mut group) = self.group.take() else { return Ok(()) };
        group.end_consumer(&mut self.stream)?;
        if group.unclaimed > 0 {
            return Err(BadValue("a pending entry of a group is no consumer's"));
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Stream, BadValue> {
        self.end_group()?;
        Ok(self.stream)
    }
}

pub(super) const NOT_OF_STREAM: BadValue = BadValue("an element that is none of this type");

impl GroupParts {
    fn take(&mut self, event: Event<'_>, stream: &mut Stream) -> Result<(), BadValue> {
        match event {
            Event::Pending { id, delivered_ms, deliveries } => {
                let delivered_ms = time(delivered_ms);
                self.pending.push(PendingPart {
                    id: inner(id),
                    delivered_ms,
                    count: deliveries,
                    claimed: false,
                });
                self.unclaimed += 1;
                Ok(())
            }
            Event::Consumer { name, seen_ms, active_ms, .. } => {
                self.end_consumer(stream)?;
                let (seen_ms, active_ms) = (time(seen_ms), u64::try_from(active_ms).ok());
                self.consumer =
                    Some(ConsumerParts { name: name.to_vec(), seen_ms, active_ms, own: Vec::new() });
                Ok(())
            }
            Event::ConsumerPending(id) => self.claim(inner(id)),
            Event::Consumers(_) | Event::Nacks(0) => Ok(()),
            Event::Nacks(_) => {
                Err(BadValue("entries of a stream that consumers gave back are not supported"))
            }
            _ => Err(NOT_OF_STREAM),
        }
    }

    fn claim(&mut self, id: StreamId) -> Result<(), BadValue> {
        let consumer = self.consumer.as_mut().ok_or(NOT_OF_STREAM)?;
        // They come in the order of their ids.
        let found = self.pending.binary_search_by_key(&id, |part| part.id).ok();
        let at = found.ok_or(BadValue("a consumer's entry is not pending in its group"))?;
        if std::mem::replace(&mut self.pending[at].claimed, true) {
            return Err(BadValue("a pending entry of a group is of two consumers"));
        }
        self.unclaimed -= 1;
        consumer.own.push(at);
        Ok(())
    }

    fn end_consumer(&mut self, stream: &mut Stream) -> Result<(), BadValue> {
        let Some(consumer) = self.consumer.take() else { return Ok(()) };
        let created = stream.groups.update(&self.name, |group| {
            let (id, created) = group.ensure_consumer(&consumer.name, consumer.seen_ms);
            group.update_consumer(id, |own| own.active_ms = consumer.active_ms);
            for &at in &consumer.own {
                let PendingPart { id: entry, delivered_ms, count, .. } = self.pending[at];
                group.assign(entry, Pending { consumer: id, delivered_ms, count });
            }
            created
        });
        if created == Some(true) { Ok(()) } else { Err(BadValue("a consumer of a group occurs twice")) }
    }
}
