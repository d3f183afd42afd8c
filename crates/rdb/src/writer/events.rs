//! Writing what a reader has reported, or whoever else makes events.

use listpack::TextBuffer;

use super::{Access, Writer};
use crate::compact::{Compact, Encoding};
use crate::form::{self, FieldExpiry};
use crate::stream::StreamId;
use crate::{Event, Flavor, Kind, Shape, Value, length, opcode};

/// Why an event was not written. The writer can go on only with a stream of its own: this one is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A field of a hash expires, and the version written can't say it.
    #[error("fields of hashes that expire are not known to {} {version}", name(*.flavor))]
    FieldExpiry {
        /// Whose version is written.
        flavor: Flavor,
        /// The version.
        version: u32,
    },
    /// Something that the version written does not know.
    #[error("{what} is not known to {} {version}", name(*.flavor))]
    NotHeld {
        /// What it is.
        what: &'static str,
        /// Whose version is written.
        flavor: Flavor,
        /// The version.
        version: u32,
    },
    /// An event that can't follow those before it.
    #[error("{event} does not belong here")]
    OutOfPlace {
        /// What the event is.
        event: &'static str,
    },
    /// Another number of elements than was announced.
    #[error("the elements are not as many as were announced")]
    WrongCount,
}

fn name(flavor: Flavor) -> &'static str {
    match flavor {
        Flavor::Redis => "RDB version",
        Flavor::Valkey => "Valkey's RDB version",
    }
}

/// What the events that come belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    /// Nothing.
    Nothing,
    /// A key that is left out, since it has no elements.
    Empty,
    /// A list of strings.
    Strings,
    /// A list of nodes.
    Nodes,
    Set,
    ZSet,
    Hash,
    /// A stream, and what is left to come of it.
    Stream(StreamOwed),
    /// A value of a module whose id has not come.
    ModuleStart {
        expiry_ms: Option<u64>,
        access: Option<Access>,
    },
    Module,
    ModuleAux,
}

/// What has been announced of a stream and has not come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct StreamOwed {
    nodes: u64,
    meta: bool,
    groups: u64,
    pending: u64,
    /// The number of a group's consumers.
    count: bool,
    consumers: u64,
    own: u64,
}

impl StreamOwed {
    /// Nothing is left of the group that came last, or before the first group.
    fn between_groups(self) -> bool {
        self.pending == 0 && !self.count && self.consumers == 0 && self.own == 0
    }
}

impl Writer {
    /// Writes an event as a reader gives it. Together the events of a stream make a stream with the same content, in the version of
    /// this writer and in the forms that it knows: ziplists, say, become listpacks.
    ///
    /// Left out are hints about slots, and keys with collections without elements, which servers do not keep. When a stream's
    /// consumers were active is left out where the version lacks it; when fields of hashes expire only if
    /// [`drop_field_expiry`](super::WriteOptions::drop_field_expiry) says so.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let mut first = rdb::Writer::default();
    /// # first.header();
    /// # first.string(b"key", b"value", None, None);
    /// # first.finish();
    /// # let old = first.take();
    /// let mut reader = rdb::Reader::default();
    /// let mut writer = rdb::Writer::new(rdb::WriteOptions::VALKEY);
    /// reader.feed(&old);
    /// while let Some(event) = reader.next()? {
    ///     writer.event(&event)?;
    /// }
    /// reader.close()?;
    /// assert!(writer.take().starts_with(b"VALKEY080"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the version does not hold what the event says, or the event does not belong where it came.
    pub fn event(&mut self, event: &Event<'_>) -> Result<(), WriteError> {
        match (event, self.inside) {
            (Event::Entry { key, expiry_ms, idle, freq, value }, Inside::Nothing) => {
                let access = access(*idle, *freq);
                match value {
                    Value::String(text) => self.string(key, text, *expiry_ms, access),
                    Value::Compact(compact) => self.compact(key, *compact, *expiry_ms, access)?,
                }
            }
            (Event::Begin { key, expiry_ms, idle, freq, kind, shape, len }, Inside::Nothing) => {
                self.begin_event(key, *expiry_ms, access(*idle, *freq), *kind, *shape, *len)?;
            }
            (Event::EndOfKey, _) => self.end_event()?,
            (_, Inside::Nothing) => self.section_event(event)?,
            (Event::EndOfModuleAux, Inside::ModuleAux) => {
                self.end_module();
                self.inside = Inside::Nothing;
            }
            (Event::ModulePart(part), Inside::ModuleAux | Inside::Module) => self.module_part(*part),
            (Event::Module(module), Inside::ModuleStart { expiry_ms, access }) => {
                let key = std::mem::take(&mut self.key);
                self.begin_module(&key, *module, expiry_ms, access);
                (self.key, self.inside) = (key, Inside::Module);
            }
            (event, Inside::Stream(owed)) => self.stream_event(event, owed)?,
            (event, _) => {
                if self.owed == 0 {
                    return Err(WriteError::WrongCount);
                }
                self.element_event(event)?;
            }
        }
        Ok(())
    }

    /// An event between keys.
    #[cold]
    fn section_event(&mut self, event: &Event<'_>) -> Result<(), WriteError> {
        match event {
            Event::Header { .. } => self.header(),
            Event::Aux { key, value } => self.aux(key, value),
            Event::SelectDb(index) => self.select_db(*index),
            Event::Resize { keys, expires } => self.resize(*keys, *expires),
            Event::SlotInfo { .. } => {}
            Event::Function(code) => self.function(code),
            Event::SlotImport { job, ranges } if self.options.flavor == Flavor::Valkey => {
                self.buf.push(opcode::SLOT_IMPORT);
                self.put_string(job);
                length::write(&mut self.buf, ranges.count() as u64);
                for (first, last) in *ranges {
                    self.put_length(first);
                    self.put_length(last);
                }
            }
            Event::SlotImport { .. } => return Err(self.not_held("the import of hash slots")),
            Event::KeyMeta { .. } => return Err(self.not_held("metadata of modules about keys")),
            Event::ModuleAux { module, when } => {
                self.begin_module_aux(*module, *when);
                self.inside = Inside::ModuleAux;
            }
            Event::End { .. } => self.finish(),
            other => return Err(out_of_place(other)),
        }
        Ok(())
    }

    /// A collection that is one string.
    fn compact(
        &mut self,
        key: &[u8],
        compact: Compact<'_>,
        expiry_ms: Option<u64>,
        access: Option<Access>,
    ) -> Result<(), WriteError> {
        if compact.is_empty() {
            return Ok(());
        }
        let as_it_is = match (compact.kind(), compact.encoding()) {
            (Kind::Set, Encoding::Intset) => Some(form::SET_INTSET),
            (Kind::Set, Encoding::Listpack) if self.options.has_third_forms() => Some(form::SET_LISTPACK),
            (Kind::ZSet, Encoding::Listpack) => Some(form::ZSET_LISTPACK),
            (Kind::Hash, Encoding::Listpack) => Some(form::HASH_LISTPACK),
            _ => None,
        };
        if let Some(type_byte) = as_it_is {
            self.begin_entry(type_byte, key, expiry_ms, access);
            self.put_string(compact.as_bytes());
            self.sum_up_if_due();
            return Ok(());
        }
        match compact.kind() {
            Kind::List => {
                self.begin_list(key, 1, expiry_ms, access);
                self.node(compact);
            }
            Kind::Set => self.small_set(key, compact.len() as u64, compact.entries(), expiry_ms, access),
            Kind::ZSet => self.small_zset_entries(key, compact.entries(), expiry_ms, access),
            _ if compact.encoding() == Encoding::TimedListpack => {
                return self.timed_hash(key, compact, expiry_ms, access);
            }
            _ => self.small_hash(key, compact.entries(), expiry_ms, access),
        }
        Ok(())
    }

    /// A hash in one string that says when its fields expire.
    fn timed_hash(
        &mut self,
        key: &[u8],
        hash: Compact<'_>,
        expiry_ms: Option<u64>,
        access: Option<Access>,
    ) -> Result<(), WriteError> {
        let earliest = hash.fields().filter_map(|(_, _, at)| at).min();
        match (earliest, self.options.timed_fields()) {
            (Some(_), FieldExpiry::Absent) if !self.options.drop_field_expiry => {
                return Err(self.field_expiry());
            }
            (None, _) | (_, FieldExpiry::Absent) => {
                let entries = hash.fields().flat_map(|(field, value, _)| [field, value]);
                self.small_hash(key, entries, expiry_ms, access);
            }
            (Some(earliest), FieldExpiry::BeforeRelative) => {
                self.begin_entry(form::HASH_TIMED_LISTPACK, key, expiry_ms, access);
                self.buf.extend_from_slice(&earliest.to_le_bytes());
                self.put_string(hash.as_bytes());
                self.sum_up_if_due();
            }
            (Some(earliest), _) => {
                let (mut one, mut other) = (TextBuffer::new(), TextBuffer::new());
                self.begin_hash(key, hash.len() as u64, Some(earliest), expiry_ms, access);
                for (field, value, at) in hash.fields() {
                    self.field(field.text(&mut one), value.text(&mut other), at);
                }
            }
        }
        Ok(())
    }

    /// A node of a list.
    fn node(&mut self, node: Compact<'_>) {
        match node.encoding() {
            Encoding::Listpack => self.whole_list_node(node.as_bytes()),
            _ => self.list_node(node.entries()),
        }
    }

    fn begin_event(
        &mut self,
        key: &[u8],
        expiry_ms: Option<u64>,
        access: Option<Access>,
        kind: Kind,
        shape: Shape,
        len: u64,
    ) -> Result<(), WriteError> {
        if len == 0 && !matches!(kind, Kind::Stream | Kind::Module) {
            self.inside = Inside::Empty;
            return Ok(());
        }
        self.inside = match kind {
            Kind::List if shape == Shape::Nodes => {
                self.begin_list(key, len, expiry_ms, access);
                Inside::Nodes
            }
            Kind::List => {
                self.begin_strings(key, len, expiry_ms, access);
                Inside::Strings
            }
            Kind::Set => {
                self.begin_set(key, len, expiry_ms, access);
                Inside::Set
            }
            Kind::ZSet => {
                self.begin_zset(key, len, expiry_ms, access);
                Inside::ZSet
            }
            Kind::Hash => {
                let timed = shape == Shape::ExpiringFields && self.options.holds_field_expiry();
                // When the first of them expires is not known yet. Zero is earlier.
                self.begin_hash(key, len, timed.then_some(0), expiry_ms, access);
                Inside::Hash
            }
            Kind::Stream => {
                self.begin_stream(key, len, expiry_ms, access);
                Inside::Stream(StreamOwed { nodes: len, meta: true, ..StreamOwed::default() })
            }
            Kind::Module => {
                self.key.clear();
                self.key.extend_from_slice(key);
                Inside::ModuleStart { expiry_ms, access }
            }
            Kind::Array => return Err(self.not_held("an array")),
            Kind::String => return Err(WriteError::OutOfPlace { event: "a string in parts" }),
        };
        Ok(())
    }

    fn end_event(&mut self) -> Result<(), WriteError> {
        match self.inside {
            Inside::Nothing | Inside::ModuleStart { .. } | Inside::ModuleAux => {
                return Err(out_of_place(&Event::EndOfKey));
            }
            Inside::Module => self.end_module(),
            Inside::Stream(owed) if owed.meta || owed.groups > 0 || !owed.between_groups() => {
                return Err(WriteError::WrongCount);
            }
            _ if self.owed > 0 => return Err(WriteError::WrongCount),
            _ => {}
        }
        self.inside = Inside::Nothing;
        Ok(())
    }

    #[inline]
    fn element_event(&mut self, event: &Event<'_>) -> Result<(), WriteError> {
        match (event, self.inside) {
            (Event::Element(member), Inside::Set) => self.set_member(member),
            (Event::Element(element), Inside::Strings) => self.list_string(element),
            (Event::Element(element), Inside::Nodes) => self.plain_list_node(element),
            (Event::Elements(node), Inside::Nodes) => self.node(*node),
            (Event::Member { member, score }, Inside::ZSet) => self.zset_member(member, *score),
            (Event::Field { field, value, expiry_ms }, Inside::Hash) => {
                if expiry_ms.is_some()
                    && self.fields == FieldExpiry::Absent
                    && (!self.options.drop_field_expiry || self.options.holds_field_expiry())
                {
                    return Err(self.field_expiry());
                }
                self.field(field, value, *expiry_ms);
            }
            (event, _) => return Err(out_of_place(event)),
        }
        Ok(())
    }

    fn stream_event(&mut self, event: &Event<'_>, mut owed: StreamOwed) -> Result<(), WriteError> {
        let take = |count: &mut u64| {
            *count = count.checked_sub(1).ok_or(WriteError::WrongCount)?;
            Ok(())
        };
        match event {
            Event::StreamNode(node) => {
                take(&mut owed.nodes)?;
                self.packed_stream_node(node.id(), node.as_bytes());
            }
            Event::StreamMeta { meta, groups } if owed.meta && owed.nodes == 0 => {
                (owed.meta, owed.groups) = (false, *groups);
                self.stream_meta(meta, *groups);
            }
            Event::Group { name, last_id, entries_read, pending } if owed.between_groups() => {
                take(&mut owed.groups)?;
                (owed.pending, owed.count) = (*pending, true);
                self.group(name, *last_id, *entries_read, *pending);
            }
            Event::Pending { id, delivered_ms, deliveries } => {
                take(&mut owed.pending)?;
                self.pending_entry(*id, *delivered_ms, *deliveries);
            }
            Event::Consumers(count) if owed.count && owed.pending == 0 => {
                (owed.count, owed.consumers) = (false, *count);
                self.consumers(*count);
            }
            Event::Consumer { name, seen_ms, active_ms, pending } if owed.own == 0 => {
                take(&mut owed.consumers)?;
                owed.own = *pending;
                self.consumer(name, *seen_ms, *active_ms, *pending);
            }
            Event::ConsumerPending(id) => {
                take(&mut owed.own)?;
                self.consumer_entry(*id);
            }
            // What there is none of need not be said.
            Event::Nacks(0) | Event::Idempotence { producers: 0, .. } | Event::IdempotenceCounts { .. } => {}
            Event::Nacks(_) => return Err(self.not_held("a pending entry that consumers gave back")),
            Event::Idempotence { .. } => return Err(self.not_held("a producer of messages with names")),
            event => return Err(out_of_place(event)),
        }
        self.inside = Inside::Stream(owed);
        Ok(())
    }

    #[cold]
    fn field_expiry(&self) -> WriteError {
        WriteError::FieldExpiry { flavor: self.options.flavor, version: self.options.version }
    }

    #[cold]
    fn not_held(&self, what: &'static str) -> WriteError {
        WriteError::NotHeld { what, flavor: self.options.flavor, version: self.options.version }
    }
}

#[cold]
fn out_of_place(event: &Event<'_>) -> WriteError {
    let event = match event {
        Event::Header { .. } => "a header",
        Event::Entry { .. } | Event::Begin { .. } => "a key",
        Event::EndOfKey => "the end of a value",
        Event::End { .. } => "the end of the stream",
        Event::Element(_) | Event::Elements(_) => "an element",
        Event::Field { .. } => "a field",
        Event::Member { .. } => "a member of a sorted set",
        Event::Module(_) | Event::ModulePart(_) | Event::EndOfModuleAux => "a part of what a module keeps",
        Event::StreamNode(_)
        | Event::StreamMeta { .. }
        | Event::Group { .. }
        | Event::Pending { .. }
        | Event::Consumers(_)
        | Event::Consumer { .. }
        | Event::ConsumerPending(StreamId { .. }) => "a part of a stream",
        _ => "an event",
    };
    WriteError::OutOfPlace { event }
}

fn access(idle: Option<u64>, freq: Option<u8>) -> Option<Access> {
    freq.map(Access::Freq).or(idle.map(Access::Idle))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ModuleId, ModulePart, Reader, WriteOptions};

    fn hash(shape: Shape, len: u64) -> Event<'static> {
        Event::Begin { key: b"k", expiry_ms: None, idle: None, freq: None, kind: Kind::Hash, shape, len }
    }

    fn field(expiry_ms: Option<u64>) -> Event<'static> {
        Event::Field { field: b"f", value: b"v", expiry_ms }
    }

    fn all(options: WriteOptions, events: &[Event<'_>]) -> Result<Vec<u8>, WriteError> {
        let mut writer = Writer::new(options);
        events.iter().try_for_each(|event| writer.event(event))?;
        Ok(writer.take())
    }

    #[test]
    fn an_expiry_is_not_lost_unasked() {
        let events = [hash(Shape::ExpiringFields, 1), field(Some(5)), Event::EndOfKey];
        let refused = WriteError::FieldExpiry { flavor: Flavor::Redis, version: 10 };
        assert_eq!(all(WriteOptions::ANY, &events), Err(refused));
        assert_eq!(refused.to_string(), "fields of hashes that expire are not known to RDB version 10");
        let dropping = WriteOptions { drop_field_expiry: true, ..WriteOptions::ANY };
        assert_eq!(all(dropping, &events).unwrap(), b"\x04\x01k\x01\x01f\x01v");
        assert!(all(WriteOptions::VALKEY, &events).unwrap().starts_with(b"\x16\x01k\x01\x01f\x01v\x05"));
        // Fields that could expire and do not are no loss.
        let never = [hash(Shape::ExpiringFields, 1), field(None), Event::EndOfKey];
        assert_eq!(all(WriteOptions::ANY, &never).unwrap(), b"\x04\x01k\x01\x01f\x01v");
        // And a hash whose fields can't expire has none that do.
        let unannounced = [hash(Shape::Elements, 1), field(Some(5))];
        assert!(matches!(all(WriteOptions::VALKEY, &unannounced), Err(WriteError::FieldExpiry { .. })));
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let out_of_place = |events: &[Event<'_>]| {
            assert!(
                matches!(all(WriteOptions::ANY, events), Err(WriteError::OutOfPlace { .. })),
                "{events:?}"
            );
        };
        out_of_place(&[field(None)]);
        out_of_place(&[Event::EndOfKey]);
        out_of_place(&[hash(Shape::Elements, 1), Event::Element(b"a")]);
        out_of_place(&[Event::EndOfModuleAux]);
        let wrong = |events: &[Event<'_>]| {
            assert_eq!(all(WriteOptions::ANY, events), Err(WriteError::WrongCount), "{events:?}");
        };
        wrong(&[hash(Shape::Elements, 2), field(None), Event::EndOfKey]);
        wrong(&[hash(Shape::Elements, 1), field(None), field(None)]);
    }

    #[test]
    fn what_modules_keep_passes_through() {
        let events = [
            Event::ModuleAux { module: ModuleId(77), when: 2 },
            Event::ModulePart(ModulePart::Signed(-3)),
            Event::ModulePart(ModulePart::Float(0.5)),
            Event::EndOfModuleAux,
            Event::Begin {
                key: b"k",
                expiry_ms: Some(9),
                idle: None,
                freq: Some(3),
                kind: Kind::Module,
                shape: Shape::Open,
                len: 0,
            },
            Event::Module(ModuleId(1 << 40)),
            Event::ModulePart(ModulePart::Unsigned(1 << 33)),
            Event::ModulePart(ModulePart::Double(-2.25)),
            Event::ModulePart(ModulePart::String(b"text")),
            Event::EndOfKey,
        ];
        let mut writer = Writer::default();
        writer.header();
        events.iter().for_each(|event| writer.event(event).unwrap());
        writer.finish();
        let mut reader = Reader::default();
        reader.feed(&writer.take());
        assert!(matches!(reader.next(), Ok(Some(Event::Header { .. }))));
        for event in events {
            assert_eq!(reader.next(), Ok(Some(event)));
        }
        assert!(matches!(reader.next(), Ok(Some(Event::End { checksum: Some(_) }))));
    }

    #[test]
    fn a_cluster_s_import_is_of_valkey() {
        let bytes = b"VALKEY080\xf3\x03job\x02\x00\x05\x07\x08\xff\0\0\0\0\0\0\0\0";
        let mut reader = Reader::default();
        let mut writer = Writer::new(WriteOptions { checksum: false, ..WriteOptions::VALKEY });
        let mut other = Writer::default();
        reader.feed(bytes);
        while let Some(event) = reader.next().unwrap() {
            writer.event(&event).unwrap();
            let refused = other.event(&event);
            assert_eq!(refused.is_err(), matches!(event, Event::SlotImport { .. }));
        }
        assert_eq!(writer.take(), bytes);
    }
}
