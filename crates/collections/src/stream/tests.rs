//! A stream against the plainest thing that could be right: a vector of entries, cut into nodes as Redis cuts them.

use std::collections::BTreeMap;

use listpack::{Listpack, View};
use proptest::prelude::*;

use super::*;

type Pairs = Vec<Vec<u8>>;

/// An entry of the model; those that are deleted stay in their node until all are.
#[derive(Clone, Debug)]
struct Entry {
    id: StreamId,
    pairs: Pairs,
    deleted: bool,
}

#[derive(Clone, Debug, Default)]
struct Model {
    nodes: Vec<Vec<Entry>>,
    last_id: StreamId,
    max_deleted_id: StreamId,
    added: u64,
}

/// A node as Redis would have it.
fn listpack(node: &[Entry]) -> Listpack {
    let mut pack = Listpack::new();
    let mut push = |text: &[u8]| pack.push_back(text).unwrap();
    let number = |number: u64| (number as i64).to_string().into_bytes();
    let deleted = node.iter().filter(|entry| entry.deleted).count();
    let fields: Vec<_> = node[0].pairs.iter().step_by(2).collect();
    push(&number((node.len() - deleted) as u64));
    push(&number(deleted as u64));
    push(&number(fields.len() as u64));
    for field in &fields {
        push(field);
    }
    push(b"0");
    for entry in node {
        let same = entry.pairs.iter().step_by(2).collect::<Vec<_>>() == fields;
        push(&number(u64::from(entry.deleted) + 2 * u64::from(same)));
        push(&number(entry.id.ms - node[0].id.ms));
        push(&number(entry.id.seq.wrapping_sub(node[0].id.seq)));
        let mut parts = 3;
        if !same {
            push(&number(entry.pairs.len() as u64 / 2));
            parts += 1;
        }
        for (index, part) in entry.pairs.iter().enumerate() {
            if index % 2 == 1 || !same {
                push(part);
                parts += 1;
            }
        }
        push(&number(parts));
    }
    pack
}

impl Model {
    fn live(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.nodes.iter().flatten().filter(|entry| !entry.deleted)
    }

    fn len(&self) -> u64 {
        self.live().count() as u64
    }

    fn first_id(&self) -> StreamId {
        self.live().next().map_or(StreamId::MIN, |entry| entry.id)
    }

    fn append(&mut self, id: StreamId, pairs: Pairs, limits: NodeLimits) {
        let text: usize = pairs.iter().map(Vec::len).sum();
        let fits = self.nodes.last().is_some_and(|node| {
            (limits.max_bytes == 0 || listpack(node).as_bytes().len() + text < limits.max_bytes)
                && (limits.max_entries == 0 || (node.len() as u64) < limits.max_entries)
        });
        if !fits {
            self.nodes.push(Vec::new());
        }
        self.nodes.last_mut().unwrap().push(Entry { id, pairs, deleted: false });
        self.last_id = id;
        self.added += 1;
    }

    fn remove(&mut self, id: StreamId) -> bool {
        let found = self.nodes.iter_mut().flatten().find(|entry| entry.id == id && !entry.deleted);
        let Some(entry) = found else { return false };
        entry.deleted = true;
        self.nodes.retain(|node| node.iter().any(|entry| !entry.deleted));
        self.max_deleted_id = self.max_deleted_id.max(id);
        true
    }

    fn trim(&mut self, trim: Trim) -> u64 {
        let before = self.len();
        while let Some(node) = self.nodes.first() {
            let live = node.iter().filter(|entry| !entry.deleted).count() as u64;
            if matches!(trim.to, TrimTo::Len(max) if self.len() <= max) {
                break;
            }
            if trim.limit > 0 && before - self.len() + live > trim.limit {
                break;
            }
            let whole = match trim.to {
                TrimTo::Len(max) => self.len() - live >= max,
                TrimTo::MinId(min) => node.last().unwrap().id < min,
            };
            if whole {
                self.nodes.remove(0);
                continue;
            }
            if !trim.approximate {
                while match trim.to {
                    TrimTo::Len(max) => self.len() > max,
                    TrimTo::MinId(min) => self.live().next().is_some_and(|entry| entry.id < min),
                } {
                    let id = self.first_id();
                    self.nodes[0].iter_mut().find(|entry| entry.id == id).unwrap().deleted = true;
                    self.nodes.retain(|node| node.iter().any(|entry| !entry.deleted));
                }
            }
            break;
        }
        before - self.len()
    }
}

fn shown<'a>(items: impl Iterator<Item = Item<'a>>) -> Vec<(StreamId, Pairs)> {
    items
        .map(|item| {
            (item.id, item.pairs().flat_map(|(field, value)| [field.to_vec(), value.to_vec()]).collect())
        })
        .collect()
}

fn check(stream: &Stream, model: &Model, from: StreamId, to: StreamId) {
    let entries = &stream.entries;
    assert_eq!(
        (entries.len(), entries.last_id(), entries.first_id(), entries.max_deleted_id(), entries.added()),
        (model.len(), model.last_id, model.first_id(), model.max_deleted_id, model.added)
    );
    assert_eq!(entries.tail_id(), model.live().next_back().map(|entry| entry.id));
    assert_eq!(entries.node_count(), model.nodes.len());
    let expected = |from: StreamId, to: StreamId| -> Vec<_> {
        model
            .live()
            .filter(|entry| (from..=to).contains(&entry.id))
            .map(|entry| (entry.id, entry.pairs.clone()))
            .collect()
    };
    for (from, to) in [(StreamId::MIN, StreamId::MAX), (from, to)] {
        let mut expected = expected(from, to);
        assert_eq!(shown(entries.range(from, to)), expected);
        expected.reverse();
        assert_eq!(shown(entries.range_back(from, to)), expected);
    }
    for (node, model) in entries.nodes().zip(&model.nodes) {
        assert_eq!(node.listpack_len(), listpack(model).as_bytes().len(), "{model:?}");
        assert_eq!(node.base(), model[0].id);
        assert_eq!(node.len() + node.deleted(), model.len());
    }
    assert!(entries.heap_bytes() >= entries.nodes().map(|node| node.len() * 3).sum::<usize>());
}

/// Writes a stream as dumps do, and reads it back: what Redis writes, with its deleted entries, and what we write.
fn check_dump(stream: &Stream, model: &Model) {
    let mut ours = Entries::default();
    let mut theirs = Entries::default();
    for (node, model) in stream.entries.nodes().zip(&model.nodes) {
        let pack = node.to_listpack().unwrap();
        let mut live = model.clone();
        live.retain(|entry| !entry.deleted);
        if live.len() == model.len() {
            assert_eq!(pack.as_bytes(), listpack(model).as_bytes());
        }
        ours.push_listpack(node.base(), pack.view()).unwrap();
        let pack = listpack(model).into_bytes();
        theirs.push_listpack(model[0].id, View::new(&pack).unwrap()).unwrap();
        // A node twice is none that follows.
        assert_eq!(theirs.push_listpack(model[0].id, View::new(&pack).unwrap()), Err(BadNode));
    }
    for mut read in [ours, theirs] {
        read.set_last_id(model.last_id, Some(model.added), Some(model.max_deleted_id));
        assert_eq!(read, stream.entries);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Append(u64, u64, Pairs),
    Remove(prop::sample::Index),
    Trim(TrimBy, bool, u64),
    Freeze,
}

#[derive(Clone, Debug)]
enum TrimBy {
    Len(u64),
    Id(prop::sample::Index),
}

fn pairs() -> impl Strategy<Value = Pairs> {
    let text = prop_oneof![
        4 => "[a-c]{0,3}".prop_map(String::into_bytes),
        2 => any::<i32>().prop_map(|number| number.to_string().into_bytes()),
        1 => (0u8..100).prop_map(|number| number.to_string().into_bytes()),
        1 => proptest::collection::vec(any::<u8>(), 0..200),
    ];
    let shared = text.clone().prop_map(|value| vec![b"f".to_vec(), value]);
    let more = (text.clone(), text.clone()).prop_map(|(a, b)| vec![b"12".to_vec(), a, b"g".to_vec(), b]);
    let own = proptest::collection::vec((text.clone(), text), 1..4)
        .prop_map(|pairs| pairs.into_iter().flat_map(|(field, value)| [field, value]).collect());
    prop_oneof![4 => shared, 2 => more, 1 => own]
}

fn step() -> impl Strategy<Value = Step> {
    let delta = || prop_oneof![4 => Just(0u64), 2 => 1u64..5, 1 => 1u64..100_000];
    let trim_by =
        prop_oneof![(0u64..60).prop_map(TrimBy::Len), any::<prop::sample::Index>().prop_map(TrimBy::Id)];
    prop_oneof![
        12 => (delta(), delta(), pairs()).prop_map(|(ms, seq, pairs)| Step::Append(ms, seq, pairs)),
        3 => any::<prop::sample::Index>().prop_map(Step::Remove),
        1 => (trim_by, any::<bool>(), 0u64..30).prop_map(|(by, about, limit)| Step::Trim(by, about, limit)),
        1 => Just(Step::Freeze),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn entries_behave_like_a_vector(
        steps in proptest::collection::vec(step(), 1..250),
        max_bytes in prop_oneof![Just(0usize), 20usize..400],
        max_entries in prop_oneof![Just(0u64), 1u64..20],
    ) {
        let limits = NodeLimits { max_bytes, max_entries };
        let (mut stream, mut model) = (Stream::default(), Model::default());
        let mut frozen = Vec::new();
        // An id that is or was there.
        let some_id = |model: &Model, index: &prop::sample::Index| {
            let ids: Vec<_> = model.nodes.iter().flatten().map(|entry| entry.id).collect();
            if ids.is_empty() { StreamId::MIN } else { ids[index.index(ids.len())] }
        };
        for step in &steps {
            match step {
                Step::Append(ms, seq, pairs) => {
                    let last = model.last_id;
                    let id = if *ms > 0 { StreamId::new(last.ms + ms, *seq) } else { StreamId::new(last.ms, last.seq + 1 + seq) };
                    let parts: Vec<&[u8]> = pairs.iter().map(Vec::as_slice).collect();
                    prop_assert_eq!(stream.entries.append(NewId::Full(id), &parts, limits), Ok(id));
                    model.append(id, pairs.clone(), limits);
                }
                Step::Remove(index) => {
                    let id = some_id(&model, index);
                    prop_assert_eq!(stream.entries.contains(id), model.live().any(|entry| entry.id == id));
                    prop_assert_eq!(stream.entries.remove(id), model.remove(id));
                }
                Step::Trim(by, approximate, limit) => {
                    let to = match by {
                        TrimBy::Len(len) => TrimTo::Len(*len),
                        TrimBy::Id(index) => TrimTo::MinId(some_id(&model, index)),
                    };
                    let limit = if *approximate { *limit } else { 0 };
                    let trim = Trim { to, approximate: *approximate, limit };
                    prop_assert_eq!(stream.entries.trim(trim), model.trim(trim), "{:?}", trim);
                }
                Step::Freeze => frozen.push((stream.clone(), model.clone())),
            }
        }
        frozen.push((stream, model));
        for (stream, model) in &frozen {
            let ids: Vec<_> = model.nodes.iter().flatten().map(|entry| entry.id).collect();
            let (from, to) = (ids.get(ids.len() / 3).copied(), ids.get(ids.len() * 2 / 3).copied());
            check(stream, model, from.unwrap_or_default(), to.unwrap_or_default());
            check_dump(stream, model);
        }
    }

    #[test]
    fn noise_is_no_node(bytes in proptest::collection::vec(any::<u8>(), 0..100), texts in proptest::collection::vec("[0-9]{1,3}|a", 0..30)) {
        let _ = View::new(&bytes).map(|view| Entries::default().push_listpack(StreamId::MIN, view));
        let mut pack = Listpack::new();
        for text in &texts {
            pack.push_back(text.as_str()).unwrap();
        }
        let _ = Entries::default().push_listpack(StreamId::MIN, pack.view());
    }
}

#[test]
fn ids_that_the_stream_chooses() {
    let limits = NodeLimits { max_bytes: 4096, max_entries: 100 };
    let pairs: [&[u8]; 2] = [b"f", b"v"];
    let mut entries = Entries::default();
    let id = StreamId::new;
    for (new, given) in [
        (NewId::Full(id(0, 0)), Err(AppendError::NotAbove)),
        (NewId::Ms(0), Ok(id(0, 1))),
        (NewId::Auto(0), Ok(id(0, 2))),
        (NewId::Auto(7), Ok(id(7, 0))),
        (NewId::Auto(5), Ok(id(7, 1))),
        (NewId::Ms(7), Ok(id(7, 2))),
        (NewId::Ms(6), Err(AppendError::NotAbove)),
        (NewId::Ms(8), Ok(id(8, 0))),
        (NewId::Full(id(8, u64::MAX)), Ok(id(8, u64::MAX))),
        (NewId::Ms(8), Err(AppendError::NotAbove)),
        (NewId::Auto(8), Ok(id(9, 0))),
        (NewId::Full(StreamId::MAX), Ok(StreamId::MAX)),
        (NewId::Auto(8), Err(AppendError::NotAbove)),
    ] {
        assert_eq!(entries.append(new, &pairs, limits), given, "{new:?}");
    }
}

/// Deliveries as a plain map knows them.
#[derive(Clone, Debug, Default)]
struct GroupModel {
    consumers: BTreeMap<Vec<u8>, (u64, Option<u64>)>,
    pending: BTreeMap<StreamId, (Vec<u8>, u64, u64)>,
}

#[derive(Clone, Debug)]
enum GroupStep {
    Create(u8),
    Remove(u8),
    Assign(u8, Vec<u64>, u64),
    Acknowledge(u64),
    Seen(u8, u64),
    Freeze,
}

fn group_step() -> impl Strategy<Value = GroupStep> {
    let (name, id) = (0u8..5, 0u64..300);
    prop_oneof![
        1 => name.clone().prop_map(GroupStep::Create),
        1 => name.clone().prop_map(GroupStep::Remove),
        6 => (name.clone(), proptest::collection::btree_set(id.clone(), 1..40), any::<u64>())
            .prop_map(|(name, ids, count)| GroupStep::Assign(name, ids.into_iter().collect(), count)),
        9 => id.prop_map(GroupStep::Acknowledge),
        1 => (name, any::<u64>()).prop_map(|(name, ms)| GroupStep::Seen(name, ms)),
        1 => Just(GroupStep::Freeze),
    ]
}

fn check_group(group: &Group, model: &GroupModel) {
    let name_of = |id| group.consumer(id).unwrap().name().to_vec();
    let pending: Vec<_> = group
        .pending_from(StreamId::MIN)
        .map(|(id, pending)| (id, (name_of(pending.consumer), pending.delivered_ms, pending.count)))
        .collect();
    assert_eq!(pending, model.pending.clone().into_iter().collect::<Vec<_>>());
    assert_eq!(group.pending_len(), model.pending.len());
    let bounds = model.pending.first_key_value().zip(model.pending.last_key_value());
    assert_eq!(group.pending_bounds(), bounds.map(|(first, last)| (*first.0, *last.0)));
    let consumers: Vec<_> = group
        .consumers()
        .map(|(_, consumer)| (consumer.name().to_vec(), (consumer.seen_ms, consumer.active_ms)))
        .collect();
    assert_eq!(consumers, model.consumers.clone().into_iter().collect::<Vec<_>>());
    assert_eq!(group.consumers_len(), model.consumers.len());
    for (_, consumer) in group.consumers() {
        let own = model.pending.iter().filter(|(_, (name, _, _))| name == consumer.name()).map(|(id, _)| *id);
        let own: Vec<_> = own.collect();
        assert_eq!(consumer.pending_from(StreamId::MIN).collect::<Vec<_>>(), own);
        assert_eq!(consumer.pending_len(), own.len());
    }
}

proptest! {
    #[test]
    fn groups_behave_like_maps(steps in proptest::collection::vec(group_step(), 1..200)) {
        let mut stream = Stream::default();
        prop_assert!(stream.groups.create(b"g", StreamId::MIN, Some(0)));
        prop_assert!(!stream.groups.create(b"g", StreamId::MAX, None));
        let mut model = GroupModel::default();
        let mut frozen = Vec::new();
        for step in steps {
            if let GroupStep::Freeze = step {
                frozen.push((stream.clone(), model.clone()));
                continue;
            }
            stream.groups.update(b"g", |group| match step {
                GroupStep::Create(name) => {
                    let created = group.create_consumer(&[name], 5);
                    assert_eq!(created, !model.consumers.contains_key(&vec![name]));
                    model.consumers.entry(vec![name]).or_insert((5, None));
                }
                GroupStep::Remove(name) => {
                    let before = model.pending.len();
                    model.pending.retain(|_, (owner, _, _)| *owner != [name]);
                    let removed = model.consumers.remove(&vec![name]).map(|_| before - model.pending.len());
                    assert_eq!(group.remove_consumer(&[name]), removed);
                }
                GroupStep::Assign(name, ids, count) => {
                    let Some(consumer) = group.find_consumer(&[name]) else { return };
                    let ids: Vec<_> = ids.into_iter().map(|ms| StreamId::new(ms, 0)).collect();
                    group.assign_all(&ids, Pending { consumer, delivered_ms: 7, count });
                    model.pending.extend(ids.into_iter().map(|id| (id, (vec![name], 7, count))));
                }
                GroupStep::Acknowledge(ms) => {
                    let id = StreamId::new(ms, 0);
                    assert_eq!(group.acknowledge(id), model.pending.remove(&id).is_some());
                }
                GroupStep::Seen(name, ms) => {
                    if let Some(id) = group.find_consumer(&[name]) {
                        group.update_consumer(id, |consumer| consumer.active_ms = Some(ms));
                        model.consumers.insert(vec![name], (5, Some(ms)));
                    }
                }
                GroupStep::Freeze => {}
            });
        }
        frozen.push((stream, model));
        for (stream, model) in &frozen {
            check_group(stream.groups.get(b"g").unwrap(), model);
        }
    }
}

/// What three fields of eight bytes take: 24 bytes of text, and little around them.
#[test]
fn short_entries_are_small() {
    let limits = NodeLimits { max_bytes: 4096, max_entries: 100 };
    let mut entries = Entries::default();
    for number in 0..50_000u64 {
        let values = [number, number + 1, number + 2].map(|number| format!("noise{:03}", number % 1000));
        let pairs: [&[u8]; 6] =
            [b"a", values[0].as_bytes(), b"b", values[1].as_bytes(), b"c", values[2].as_bytes()];
        entries.append(NewId::Auto(1_700_000_000_000 + number / 250), &pairs, limits).unwrap();
    }
    let each = entries.heap_bytes() as f64 / 50_000.0;
    assert!(each < 33.0, "{each} bytes an entry");
}
