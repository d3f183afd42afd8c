//! Collections of every kind, written and read back.

use std::collections::BTreeMap;

use listpack::Entry;

use super::*;
use crate::Kind;
use crate::stream::{EntriesRead, NodeBuilder, StreamId, StreamMeta};

type Text = Vec<u8>;

#[derive(Debug, Clone, PartialEq)]
enum Content {
    String(Text),
    List(Vec<Text>),
    Set(Vec<Text>),
    ZSet(Vec<(Text, f64)>),
    Hash(Vec<(Text, Text, Option<u64>)>),
    Stream(Box<Stream>),
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Stream {
    entries: Vec<(StreamId, Vec<(Text, Text)>)>,
    meta: StreamMeta,
    groups: Vec<Group>,
}

#[derive(Debug, Clone, PartialEq)]
struct Group {
    name: Text,
    last_id: StreamId,
    read: EntriesRead,
    pending: Vec<(StreamId, i64, u64)>,
    consumers: Vec<(Text, i64, i64, Vec<StreamId>)>,
}

fn entry(text: &Text) -> Entry<'_> {
    Entry::from_text(text)
}

/// Writes a key; small collections in a compact form if `compact` is set.
fn write(writer: &mut Writer, key: &[u8], content: &Content, expiry: Option<u64>, compact: bool) {
    match content {
        Content::String(text) => writer.string(key, text, expiry, None),
        Content::List(elements) if compact => {
            writer.small_list(key, elements.iter().map(entry), expiry, None);
        }
        Content::List(elements) => {
            let (packed, plain) = elements.split_at(elements.len() / 2);
            writer.begin_list(key, packed.len().div_ceil(3) as u64 + plain.len() as u64, expiry, None);
            packed.chunks(3).for_each(|chunk| writer.list_node(chunk.iter().map(entry)));
            plain.iter().for_each(|element| writer.plain_list_node(element));
        }
        Content::Set(members) if compact => {
            let mut numbers: Vec<i64> = members.iter().filter_map(|m| entry(m).as_int()).collect();
            numbers.sort_unstable();
            if numbers.len() == members.len() {
                writer.int_set(key, numbers.iter().copied(), expiry, None);
            } else {
                writer.small_set(key, members.len() as u64, members.iter().map(entry), expiry, None);
            }
        }
        Content::Set(members) => {
            writer.begin_set(key, members.len() as u64, expiry, None);
            members.iter().for_each(|member| writer.set_member(member));
        }
        Content::ZSet(members) if compact => {
            writer.small_zset(key, members.iter().map(|(m, score)| (entry(m), *score)), expiry, None);
        }
        Content::ZSet(members) => {
            writer.begin_zset(key, members.len() as u64, expiry, None);
            members.iter().for_each(|(member, score)| writer.zset_member(member, *score));
        }
        Content::Hash(fields) => {
            let earliest = fields.iter().filter_map(|(_, _, expiry)| *expiry).min();
            if compact && earliest.is_none() {
                let entries = fields.iter().flat_map(|(field, value, _)| [entry(field), entry(value)]);
                return writer.small_hash(key, entries, expiry, None);
            }
            writer.begin_hash(key, fields.len() as u64, earliest, expiry, None);
            fields.iter().for_each(|(field, value, expiry)| writer.field(field, value, *expiry));
        }
        Content::Stream(stream) => write_stream(writer, key, stream, expiry),
    }
}

fn write_stream(writer: &mut Writer, key: &[u8], stream: &Stream, expiry: Option<u64>) {
    let nodes = stream.entries.chunks(3);
    writer.begin_stream(key, nodes.len() as u64, expiry, None);
    let mut node = NodeBuilder::new();
    for entries in nodes {
        let (first, fields) = &entries[0];
        node.begin(*first, entries.len() as u64, fields.iter().map(|(name, _)| entry(name)));
        for (id, own) in entries {
            if own.iter().map(|(name, _)| name).eq(fields.iter().map(|(name, _)| name)) {
                node.push_values(*id, own.iter().map(|(_, value)| entry(value)));
            } else {
                node.push_fields(*id, own.iter().map(|(name, value)| (entry(name), entry(value))));
            }
        }
        writer.stream_node(&mut node);
    }
    writer.stream_meta(&stream.meta, stream.groups.len() as u64);
    for group in &stream.groups {
        writer.group(&group.name, group.last_id, group.read, group.pending.len() as u64);
        group.pending.iter().for_each(|&(id, at, count)| writer.pending_entry(id, at, count));
        writer.consumers(group.consumers.len() as u64);
        for (name, seen, active, pending) in &group.consumers {
            writer.consumer(name, *seen, *active, pending.len() as u64);
            pending.iter().for_each(|&id| writer.consumer_entry(id));
        }
    }
}

/// Puts values together from their events.
#[derive(Default)]
struct Collector {
    found: BTreeMap<Text, (Content, Option<u64>)>,
    begun: Option<(Text, Content, Option<u64>)>,
}

impl Collector {
    fn take(&mut self, event: Event<'_>) {
        let content = self.begun.as_mut().map(|(_, content, _)| content);
        match (event, content) {
            (Event::Entry { key, expiry_ms, value, .. }, None) => {
                let content = match value {
                    Value::String(text) => Content::String(text.to_vec()),
                    Value::Compact(compact) => compact_content(compact),
                };
                assert!(self.found.insert(key.to_vec(), (content, expiry_ms)).is_none());
            }
            (Event::Begin { key, expiry_ms, kind, .. }, None) => {
                let content = match kind {
                    Kind::List => Content::List(Vec::new()),
                    Kind::Set => Content::Set(Vec::new()),
                    Kind::ZSet => Content::ZSet(Vec::new()),
                    Kind::Hash => Content::Hash(Vec::new()),
                    Kind::Stream => Content::Stream(Box::default()),
                    other => panic!("{other} in parts"),
                };
                self.begun = Some((key.to_vec(), content, expiry_ms));
            }
            (Event::EndOfKey, Some(_)) => {
                let (key, content, expiry) = self.begun.take().unwrap();
                assert!(self.found.insert(key, (content, expiry)).is_none());
            }
            (Event::Element(text), Some(Content::List(texts) | Content::Set(texts))) => {
                texts.push(text.to_vec());
            }
            (Event::Elements(compact), Some(Content::List(texts))) => {
                texts.extend(compact.entries().map(Entry::to_vec));
            }
            (Event::Member { member, score }, Some(Content::ZSet(members))) => {
                members.push((member.to_vec(), score));
            }
            (Event::Field { field, value, expiry_ms }, Some(Content::Hash(fields))) => {
                fields.push((field.to_vec(), value.to_vec(), expiry_ms));
            }
            (event, Some(Content::Stream(stream))) => stream.take(event),
            (Event::Header { .. } | Event::End { .. }, None) => {}
            (event, content) => panic!("{event:?} inside {content:?}"),
        }
    }
}

impl Stream {
    fn take(&mut self, event: Event<'_>) {
        match (event, self.groups.last_mut()) {
            (Event::StreamNode(node), None) => {
                let fields = |fields: crate::stream::StreamFields<'_>| {
                    fields.map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
                };
                self.entries.extend(node.entries().map(|entry| (entry.id, fields(entry.fields))));
            }
            (Event::StreamMeta { meta, .. }, None) => self.meta = meta,
            (Event::Group { name, last_id, entries_read, .. }, _) => self.groups.push(Group {
                name: name.to_vec(),
                last_id,
                read: entries_read,
                pending: Vec::new(),
                consumers: Vec::new(),
            }),
            (Event::Pending { id, delivered_ms, deliveries }, Some(group)) => {
                group.pending.push((id, delivered_ms, deliveries));
            }
            (Event::Consumer { name, seen_ms, active_ms, .. }, Some(group)) => {
                group.consumers.push((name.to_vec(), seen_ms, active_ms, Vec::new()));
            }
            (Event::Consumers(_), Some(_)) => {}
            (Event::ConsumerPending(id), Some(group)) => group.consumers.last_mut().unwrap().3.push(id),
            (event, _) => panic!("{event:?} inside a stream"),
        }
    }
}

fn compact_content(compact: crate::Compact<'_>) -> Content {
    let mut texts = compact.entries().map(Entry::to_vec);
    match compact.kind() {
        Kind::List => Content::List(texts.collect()),
        Kind::Set => Content::Set(texts.collect()),
        Kind::ZSet => {
            Content::ZSet(compact.members().map(|(member, score)| (member.to_vec(), score)).collect())
        }
        Kind::Hash => {
            Content::Hash(compact.fields().map(|(f, v, expiry)| (f.to_vec(), v.to_vec(), expiry)).collect())
        }
        _ => panic!("{:?} is never compact", texts.next()),
    }
}

fn text() -> impl Strategy<Value = Text> {
    prop_oneof![
        "[a-d0-9]{0,8}".prop_map(String::into_bytes),
        any::<i16>().prop_map(|n| n.to_string().into_bytes()),
        proptest::collection::vec(any::<u8>(), 0..100),
        (any::<u8>(), 0usize..3000).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

fn texts(most: usize) -> impl Strategy<Value = Vec<Text>> {
    proptest::collection::btree_set(text(), 1..most).prop_map(|texts| texts.into_iter().collect())
}

fn ids() -> impl Strategy<Value = Vec<StreamId>> {
    proptest::collection::btree_set((0u64..50, 0u64..3), 0..12)
        .prop_map(|ids| ids.into_iter().map(|(ms, seq)| StreamId { ms, seq }).collect())
}

fn zsets() -> impl Strategy<Value = Content> {
    let score = prop_oneof![
        any::<f64>().prop_filter("a score is a number", |score| !score.is_nan()),
        (0i8..3).prop_map(f64::from)
    ];
    proptest::collection::btree_map(text(), score, 1..20).prop_map(|members| {
        let mut members: Vec<(Text, f64)> = members.into_iter().collect();
        members.sort_by(|(m, s), (n, t)| s.partial_cmp(t).unwrap().then_with(|| m.cmp(n)));
        Content::ZSet(members)
    })
}

fn streams() -> impl Strategy<Value = Content> {
    let group = (text(), ids(), any::<u32>(), 1usize..4);
    let groups = proptest::collection::vec(group, 0..3);
    (ids(), proptest::collection::vec(text(), 1..4), groups, any::<u32>()).prop_map(
        |(ids, names, groups, n)| {
            let fields =
                |seq: u64| names.iter().skip((seq % 2) as usize).map(|n| (n.clone(), n.clone())).collect();
            let entries: Vec<_> = ids.iter().map(|&id| (id, fields(id.seq))).collect();
            let last_id = ids.last().copied().unwrap_or_default();
            let meta = StreamMeta {
                length: entries.len() as u64,
                last_id,
                first_id: ids.first().copied().unwrap_or_default(),
                max_deleted_id: StreamId { ms: 0, seq: n.into() },
                entries_added: n.into(),
            };
            let groups = groups.into_iter().map(|(name, ids, n, consumers)| Group {
                name,
                last_id: StreamId { ms: 3, seq: n.into() },
                read: if n % 2 == 0 { EntriesRead::Unknown } else { EntriesRead::Count(n.into()) },
                pending: ids.iter().map(|&id| (id, i64::from(n), 7)).collect(),
                consumers: (0..consumers)
                    .map(|c| {
                        let own = ids.iter().skip(c).step_by(consumers).copied().collect();
                        (format!("consumer {c}").into_bytes(), 5, i64::from(n) - 1, own)
                    })
                    .collect(),
            });
            Content::Stream(Box::new(Stream { entries, meta, groups: groups.collect() }))
        },
    )
}

fn contents() -> impl Strategy<Value = Content> {
    let expiry = prop_oneof![Just(None), (1u64..1000).prop_map(Some)];
    let field = (text(), expiry);
    prop_oneof![
        text().prop_map(Content::String),
        proptest::collection::vec(text(), 1..20).prop_map(Content::List),
        texts(20).prop_map(Content::Set),
        proptest::collection::btree_set(any::<i64>(), 1..20)
            .prop_map(|numbers| Content::Set(numbers.iter().map(|n| n.to_string().into_bytes()).collect())),
        zsets(),
        proptest::collection::btree_map(text(), field, 1..20).prop_map(|fields| {
            Content::Hash(fields.into_iter().map(|(f, (v, expiry))| (f, v, expiry)).collect())
        }),
        streams(),
    ]
}

/// What is left of a value in a stream of these options.
impl Content {
    /// No server would keep it.
    fn is_empty(&self) -> bool {
        match self {
            Content::String(_) | Content::Stream(_) => false,
            Content::List(all) | Content::Set(all) => all.is_empty(),
            Content::ZSet(members) => members.is_empty(),
            Content::Hash(fields) => fields.is_empty(),
        }
    }
}

fn expected(content: &Content, options: WriteOptions) -> Content {
    let mut content = content.clone();
    match &mut content {
        Content::Hash(fields) if !options.holds_field_expiry() => {
            fields.iter_mut().for_each(|(_, _, expiry)| *expiry = None);
        }
        Content::Stream(stream) if options.version == 10 => {
            let consumers = stream.groups.iter_mut().flat_map(|group| &mut group.consumers);
            consumers.for_each(|(_, seen, active, _)| *active = *seen);
        }
        // Numbers come back in their own order.
        Content::Set(members) => members.sort_unstable(),
        _ => {}
    }
    content
}

fn options() -> impl Strategy<Value = WriteOptions> {
    let redis = (10u32..=12).prop_map(|version| WriteOptions { version, ..WriteOptions::ANY });
    (prop_oneof![redis, Just(WriteOptions::VALKEY)], any::<bool>())
        .prop_map(|(options, compress)| WriteOptions { compress, ..options })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn round_trip(
        keys in proptest::collection::btree_map(text(), (contents(), proptest::option::of(0u64..100)), 0..10),
        options in options(),
        seed: u64,
    ) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut writer = Writer::new(options);
        let mut bytes = Vec::new();
        writer.header();
        for (key, (content, expiry)) in &keys {
            write(&mut writer, key, content, *expiry, rng.bool());
            if rng.bool() {
                bytes.extend(writer.take());
            }
        }
        writer.finish();
        bytes.extend(writer.take());

        let mut reader = Reader::default();
        let mut collector = Collector::default();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let len = match rng.u8(0..3) { 0 => 1, 1 => rng.usize(1..50), _ => rng.usize(1..3000) };
            let (chunk, tail) = rest.split_at(len.min(rest.len()));
            rest = tail;
            reader.feed(chunk);
            while let Some(event) = reader.next().unwrap() {
                collector.take(event);
            }
        }
        reader.close().unwrap();
        for (_, (content, _)) in collector.found.iter_mut() {
            if let Content::Set(members) = content {
                members.sort_unstable();
            }
        }
        prop_assert_eq!(collector.found.len(), keys.len());
        for (key, (content, expiry)) in &keys {
            let (found, at) = &collector.found[key];
            prop_assert_eq!((found, at), (&expected(content, options), expiry));
        }
    }

    #[test]
    fn events_are_written_again(
        keys in proptest::collection::btree_map(text(), (contents(), proptest::option::of(0u64..100)), 0..10),
        from in options(),
        to in options(),
        compact: bool,
    ) {
        let mut writer = Writer::new(from);
        writer.header();
        for (key, (content, expiry)) in &keys {
            write(&mut writer, key, content, *expiry, compact);
        }
        writer.finish();
        let mut writer_again = Writer::new(WriteOptions { drop_field_expiry: true, ..to });
        let mut reader = Reader::default();
        reader.feed(&writer.take());
        while let Some(event) = reader.next().unwrap() {
            writer_again.event(&event).unwrap();
        }
        let mut reader = Reader::default();
        let mut collector = Collector::default();
        reader.feed(&writer_again.take());
        while let Some(event) = reader.next().unwrap() {
            collector.take(event);
        }
        reader.close().unwrap();
        let mut kept = 0;
        for (key, (content, expiry)) in &keys {
            let expected = expected(&expected(content, from), to);
            if expected.is_empty() {
                continue;
            }
            kept += 1;
            let (mut found, at) = collector.found[key].clone();
            if let Content::Set(members) = &mut found {
                members.sort_unstable();
            }
            prop_assert_eq!((&found, &at), (&expected, expiry));
        }
        prop_assert_eq!(collector.found.len(), kept);
    }

    #[test]
    fn payloads_round_trip(content in contents(), options in options(), compact: bool) {
        let mut writer = Writer::payload(options);
        write(&mut writer, b"left out", &content, Some(1), compact);
        let bytes = writer.finish_payload();
        let mut payload = crate::Payload::open(&bytes, true).unwrap();
        let mut collector = Collector::default();
        while let Some(event) = payload.next().unwrap() {
            collector.take(event);
        }
        let (mut found, expiry) = collector.found.remove(&b""[..]).unwrap();
        if let Content::Set(members) = &mut found {
            members.sort_unstable();
        }
        prop_assert_eq!((found, expiry), (expected(&content, options), None));
    }

    #[test]
    fn damage_never_panics_and_chunks_do_not_matter(
        keys in proptest::collection::vec(contents(), 1..4),
        options in options(),
        flips in proptest::collection::vec(any::<proptest::sample::Index>(), 1..4),
        chunk in 1usize..40,
    ) {
        let mut writer = Writer::new(WriteOptions { compress: false, ..options });
        writer.header();
        for (index, content) in keys.iter().enumerate() {
            write(&mut writer, &[index as u8], content, None, index % 2 == 0);
        }
        writer.finish();
        let mut bytes = writer.take();
        for flip in flips {
            let bit = flip.index((bytes.len() - 9) * 8) + 9 * 8;
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        let options = ReadOptions { verify_checksum: false, ..ReadOptions::default() };
        let whole = describe(&mut Reader::new(options), &[&bytes]);
        let chunks: Vec<&[u8]> = bytes.chunks(chunk).collect();
        prop_assert_eq!(describe(&mut Reader::new(options), &chunks), whole);
    }
}

/// However large a value is, the reader holds one element of it, and reads each once or twice.
#[test]
fn large_values_pass_through() {
    let mut writer = Writer::new(WriteOptions { compress: false, ..WriteOptions::VALKEY });
    writer.header();
    writer.begin_set(b"set", 100_000, None, None);
    for number in 0..100_000 {
        writer.set_member(format!("member {number}").as_bytes());
    }
    writer.begin_hash(b"hash", 100_000, Some(5), None, None);
    for number in 0..100_000u64 {
        writer.field(format!("field {number}").as_bytes(), b"value", Some(5 + number));
    }
    writer.finish();
    let bytes = writer.take();
    let mut reader = Reader::default();
    let mut elements = 0;
    for chunk in bytes.chunks(11) {
        reader.feed(chunk);
        while let Some(event) = reader.next().unwrap() {
            elements += usize::from(matches!(event, Event::Element(_) | Event::Field { .. }));
        }
        assert!(reader.buf.capacity() < 256);
    }
    assert_eq!(elements, 200_000);
}

#[test]
fn hostile_counts_take_no_memory() {
    const HUGE: &[u8] = &[0x81, 0x80, 0, 0, 0, 0, 0, 0, 0]; // 2^63
    for type_byte in 1..=33u8 {
        for magic in [b"REDIS0015", b"VALKEY080"] {
            for tail in [&b""[..], b"\x01a\x01b", &[0; 64]] {
                let bytes = [magic, &[type_byte, 1, b'k'][..], HUGE, tail, HUGE, HUGE].concat();
                let mut reader = Reader::default();
                describe(&mut reader, &[&bytes]);
                let scratch = &reader.steps.scratch;
                let held = reader.buf.capacity() + scratch.first.capacity() + scratch.second.capacity();
                assert!(held <= 512, "{held} bytes for type {type_byte}");
            }
        }
    }
}
