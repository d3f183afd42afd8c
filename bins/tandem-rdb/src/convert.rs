//! `convert`: the same content in another version of the format.
//!
//! What has been read is written again, element by element; only lists in the oldest form, which have no nodes, and the fields of
//! hashes are gathered, a value at a time: a list must say first how many nodes it has, and a hash whether a field of it expires.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use listpack::{Entry, TextBuffer};
use rdb::{Access, Compact, Event, Flavor, Kind, Value, WriteOptions, Writer, compact::Encoding};

use crate::Outcome;
use crate::cli::ConvertArgs;
use crate::source::Source;
use crate::text;

/// As much is gathered before it goes to the file.
const FLUSH: usize = 256 * 1024;
/// Elements of a list's node, where lists are cut into nodes here.
const NODE_ELEMENTS: usize = 128;

pub fn run(args: &ConvertArgs, out: &mut dyn Write) -> Result<Outcome> {
    let flavor = if args.to_version == 80 { Flavor::Valkey } else { Flavor::Redis };
    let options = WriteOptions {
        flavor,
        version: args.to_version,
        compress: !args.no_compression,
        checksum: !args.no_checksum,
    };
    let target = Target::create(&args.to)?;
    let mut converter = Converter {
        writer: Writer::new(options),
        target,
        drop_expiry: args.drop_field_expiry,
        parts: Parts::None,
        keys: 0,
    };
    let read = Source::open(&args.from, "converting")?.read(&mut |event, _| converter.event(event));
    read.map_err(|stop| stop.into_error(&args.from))?;
    converter.flush(0)?;
    converter.target.finish()?;
    writeln!(out, "{}: {} keys in version {}", args.to.display(), converter.keys, args.to_version)?;
    Ok(Outcome::Good)
}

/// A file that takes its place when it is complete.
struct Target {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    done: bool,
}

impl Target {
    fn create(path: &Path) -> Result<Target> {
        let mut name = path.file_name().context("the file to write has no name")?.to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let temporary = path.with_file_name(name);
        let file =
            File::create_new(&temporary).with_context(|| format!("cannot create {}", temporary.display()))?;
        Ok(Target { file, temporary, path: path.to_owned(), done: false })
    }

    fn finish(&mut self) -> Result<()> {
        self.file.sync_all().context("cannot write to the disk")?;
        std::fs::rename(&self.temporary, &self.path)
            .with_context(|| format!("cannot put {} into its place", self.path.display()))?;
        self.done = true;
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if !self.done {
            // Nothing more can be done about it than has been tried.
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

/// The part of a value that has to be gathered.
enum Parts {
    /// Everything goes through as it comes.
    None,
    /// A list without nodes.
    List(Head, Vec<Vec<u8>>),
    /// A hash.
    Hash(Head, Vec<(Vec<u8>, Vec<u8>, Option<u64>)>),
    /// Groups of a stream: how many there are stands before them.
    Stream(Groups),
}

/// What precedes a value.
struct Head {
    key: Vec<u8>,
    expiry_ms: Option<u64>,
    access: Option<Access>,
}

/// What comes behind the nodes of a stream.
#[derive(Default)]
struct Groups {
    meta: rdb::stream::StreamMeta,
    groups: Vec<Group>,
}

struct Group {
    name: Vec<u8>,
    last_id: rdb::StreamId,
    entries_read: rdb::stream::EntriesRead,
    pending: Vec<(rdb::StreamId, i64, u64)>,
    consumers: Vec<Consumer>,
}

struct Consumer {
    name: Vec<u8>,
    seen_ms: i64,
    active_ms: i64,
    pending: Vec<rdb::StreamId>,
}

struct Converter {
    writer: Writer,
    target: Target,
    drop_expiry: bool,
    parts: Parts,
    keys: u64,
}

impl Converter {
    fn event(&mut self, event: Event<'_>) -> Result<()> {
        match event {
            Event::Header { .. } => self.writer.header(),
            Event::Aux { key, value } => self.writer.aux(key, value),
            Event::SelectDb(db) => self.writer.select_db(db),
            Event::Resize { keys, expires } => self.writer.resize(keys, expires),
            // A hint that not every version has.
            Event::SlotInfo { .. } => {}
            Event::Function(code) => self.writer.function(code),
            Event::ModuleAux { module } => {
                bail!("the file has data of the module {module}, which can't be carried over")
            }
            Event::Entry { key, expiry_ms, idle, freq, value } => {
                self.keys += 1;
                let head = Head { key: key.to_vec(), expiry_ms, access: access(idle, freq) };
                match value {
                    Value::String(text) => self.writer.string(key, text, expiry_ms, head.access),
                    Value::Compact(compact) => self.compact(head, compact)?,
                    other => bail!("a value of the unknown form {other:?}"),
                }
            }
            Event::Begin { key, expiry_ms, idle, freq, kind, len } => {
                self.keys += 1;
                self.begin(Head { key: key.to_vec(), expiry_ms, access: access(idle, freq) }, kind, len);
            }
            Event::End { .. } => self.writer.finish(),
            part => self.part(part)?,
        }
        self.flush(FLUSH)
    }

    /// A collection that stood in the file as one string.
    fn compact(&mut self, head: Head, compact: Compact<'_>) -> Result<()> {
        let Head { ref key, expiry_ms, access } = head;
        let writer = &mut self.writer;
        match compact.kind() {
            // No server keeps such a key.
            _ if compact.is_empty() => self.keys -= 1,
            Kind::List => writer.small_list(key, compact.entries(), expiry_ms, access),
            Kind::Set if compact.encoding() == Encoding::Intset => {
                writer.packed_int_set(key, compact.as_bytes(), expiry_ms, access);
            }
            Kind::Set => writer.small_set(key, compact.len() as u64, compact.entries(), expiry_ms, access),
            Kind::ZSet => writer.small_zset(key, compact.members(), expiry_ms, access),
            Kind::Hash if compact.encoding() != Encoding::TimedListpack => {
                writer.small_hash(key, compact.entries(), expiry_ms, access);
            }
            Kind::Hash => {
                let (mut one, mut other) = (TextBuffer::new(), TextBuffer::new());
                let fields = compact
                    .fields()
                    .map(|(field, value, at)| {
                        (field.text(&mut one).to_vec(), value.text(&mut other).to_vec(), at)
                    })
                    .collect();
                return self.hash(head, fields);
            }
            kind => bail!("a {kind} in one string"),
        }
        Ok(())
    }

    fn begin(&mut self, head: Head, kind: Kind, len: u64) {
        let Head { ref key, expiry_ms, access } = head;
        self.parts = Parts::None;
        match kind {
            Kind::Set => self.writer.begin_set(key, len, expiry_ms, access),
            Kind::ZSet => self.writer.begin_zset(key, len, expiry_ms, access),
            Kind::Stream => {
                self.writer.begin_stream(key, len, expiry_ms, access);
                self.parts = Parts::Stream(Groups::default());
            }
            Kind::Hash => self.parts = Parts::Hash(head, Vec::new()),
            _ => self.parts = Parts::List(head, Vec::new()),
        }
    }

    fn part(&mut self, event: Event<'_>) -> Result<()> {
        match (&mut self.parts, event) {
            (Parts::List(_, elements), Event::Element(element)) => elements.push(element.to_vec()),
            (Parts::List(_, elements), Event::Elements(compact)) => {
                let mut buffer = TextBuffer::new();
                elements.extend(compact.entries().map(|element| element.text(&mut buffer).to_vec()));
            }
            (Parts::Hash(_, fields), Event::Field { field, value, expiry_ms }) => {
                fields.push((field.to_vec(), value.to_vec(), expiry_ms));
            }
            (_, Event::Element(member)) => self.writer.set_member(member),
            (_, Event::Member { member, score }) => self.writer.zset_member(member, score),
            (_, Event::StreamNode(node)) => self.writer.packed_stream_node(node.id(), node.as_bytes()),
            (Parts::Stream(groups), event) if !matches!(event, Event::EndOfKey) => groups.part(event),
            (_, Event::EndOfKey) => match std::mem::replace(&mut self.parts, Parts::None) {
                Parts::None => {}
                Parts::List(head, elements) => self.list(&head, &elements),
                Parts::Hash(head, fields) => return self.hash(head, fields),
                Parts::Stream(groups) => groups.write(&mut self.writer),
            },
            _ => {}
        }
        Ok(())
    }

    fn list(&mut self, head: &Head, elements: &[Vec<u8>]) {
        if elements.is_empty() {
            self.keys -= 1;
            return;
        }
        let nodes = elements.chunks(NODE_ELEMENTS);
        self.writer.begin_list(&head.key, nodes.len() as u64, head.expiry_ms, head.access);
        for node in nodes {
            // A large element is a node of its own where servers make them; they take it in a listpack as well.
            self.writer.list_node(node.iter().map(|element| Entry::Str(element)));
        }
    }

    fn hash(&mut self, head: Head, mut fields: Vec<(Vec<u8>, Vec<u8>, Option<u64>)>) -> Result<()> {
        let mut earliest = fields.iter().filter_map(|(_, _, at)| *at).min();
        if earliest.is_some() && !self.writer.options().holds_field_expiry() {
            if !self.drop_expiry {
                bail!(
                    "fields of the hash {} expire, which version {} cannot say: choose 12 or 80, or --drop-field-expiry",
                    text::quoted(&head.key),
                    self.writer.options().version
                );
            }
            earliest = None;
            fields.iter_mut().for_each(|(_, _, at)| *at = None);
        }
        if fields.is_empty() {
            self.keys -= 1;
            return Ok(());
        }
        self.writer.begin_hash(&head.key, fields.len() as u64, earliest, head.expiry_ms, head.access);
        for (field, value, at) in &fields {
            self.writer.field(field, value, *at);
        }
        Ok(())
    }

    /// Writes what has been gathered, if it is as much.
    fn flush(&mut self, at_least: usize) -> Result<()> {
        if self.writer.pending() > at_least {
            let bytes = self.writer.take();
            self.target.file.write_all(&bytes).context("cannot write")?;
        }
        Ok(())
    }
}

impl Groups {
    fn part(&mut self, event: Event<'_>) {
        match event {
            Event::StreamMeta(meta) => self.meta = meta,
            Event::Group { name, last_id, entries_read, .. } => self.groups.push(Group {
                name: name.to_vec(),
                last_id,
                entries_read,
                pending: Vec::new(),
                consumers: Vec::new(),
            }),
            _ => {
                let Some(group) = self.groups.last_mut() else { return };
                match event {
                    Event::Pending { id, delivered_ms, deliveries } => {
                        group.pending.push((id, delivered_ms, deliveries));
                    }
                    Event::Consumer { name, seen_ms, active_ms, .. } => group.consumers.push(Consumer {
                        name: name.to_vec(),
                        seen_ms,
                        active_ms,
                        pending: Vec::new(),
                    }),
                    Event::ConsumerPending(id) => {
                        if let Some(consumer) = group.consumers.last_mut() {
                            consumer.pending.push(id);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    fn write(&self, writer: &mut Writer) {
        writer.stream_meta(&self.meta, self.groups.len() as u64);
        for group in &self.groups {
            writer.group(&group.name, group.last_id, group.entries_read, group.pending.len() as u64);
            for &(id, delivered_ms, deliveries) in &group.pending {
                writer.pending_entry(id, delivered_ms, deliveries);
            }
            writer.consumers(group.consumers.len() as u64);
            for consumer in &group.consumers {
                let Consumer { name, seen_ms, active_ms, pending } = consumer;
                writer.consumer(name, *seen_ms, *active_ms, pending.len() as u64);
                pending.iter().for_each(|&id| writer.consumer_entry(id));
            }
        }
    }
}

fn access(idle: Option<u64>, freq: Option<u8>) -> Option<Access> {
    freq.map(Access::Freq).or(idle.map(Access::Idle))
}
