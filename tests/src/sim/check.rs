//! What must hold: equal positions mean equal data, and nobody sees half of what a script or a transaction does.

use std::collections::HashMap;

use backlog::{Offset, ReplicationId};
use keyspace::stream::StreamId;
use keyspace::{Element, Entry, HashRef, ListRef, SetRef, ZSetRef};
use node::Node;

use super::digest::digest;

/// All data as text, for a failure's report.
pub fn describe(node: &Node) -> Vec<String> {
    let keyspace = node.keyspace();
    let mut lines: Vec<String> = (0..keyspace.databases())
        .flat_map(|index| {
            keyspace.db(index).iter().map(move |entry| {
                let mut value = String::new();
                describe_value(&entry, &mut value);
                format!("{index}/{} = {value} expires {:?}", entry.key().escape_ascii(), entry.expiry())
            })
        })
        .collect();
    lines.extend(node.library_texts().iter().map(|text| format!("library {}", text.escape_ascii())));
    lines.sort();
    lines
}

/// Both halves of a pair, as the workload has them written by one script, one function or one transaction: `a` and `b`, the same in
/// both.
pub fn half_of_pair(number: usize, half: char) -> String {
    format!("pair:{number}:{half}")
}

/// Finds a pair whose halves differ: then somebody can see what was done by halves.
fn torn_pair(node: &Node) -> Option<String> {
    let keyspace = node.keyspace();
    (0..keyspace.databases()).find_map(|index| {
        let mut halves = HashMap::<Vec<u8>, Vec<Vec<u8>>>::new();
        for entry in keyspace.db(index).iter().filter(|entry| entry.key().starts_with(b"pair:")) {
            let (pair, half) = entry.key().split_at(entry.key().len() - 2);
            let value = entry.str().map(|value| value.to_vec()).unwrap_or_default();
            halves.entry(pair.to_vec()).or_default().push([half, b" = ", &value].concat());
        }
        halves.into_iter().find(|(_, halves)| halves.len() != 2 || halves[0][5..] != halves[1][5..]).map(
            |(pair, halves)| {
                let halves: Vec<_> = halves.iter().map(|half| half.escape_ascii().to_string()).collect();
                format!("{index}/{}: {halves:?}", pair.escape_ascii())
            },
        )
    })
}

/// What a value holds, whichever form it is kept in.
fn describe_value(entry: &Entry<'_>, out: &mut String) {
    let text = |element: Element<'_>| element.to_vec().escape_ascii().to_string();
    let mut put = |part: String| {
        out.push_str(&part);
        out.push(' ');
    };
    put(format!("{:?}", entry.kind()));
    if let Some(string) = entry.str() {
        put(string.escape_ascii().to_string());
    } else if let Some(list) = ListRef::of(entry) {
        list.iter().for_each(|element| put(text(element)));
    } else if let Some(set) = SetRef::of(entry) {
        let mut members: Vec<_> = set.iter().map(text).collect();
        members.sort();
        members.into_iter().for_each(put);
    } else if let Some(hash) = HashRef::of(entry) {
        let mut fields: Vec<_> = hash
            .iter()
            .map(|field| format!("{}={}@{:?}", text(field.name), text(field.value), field.expiry))
            .collect();
        fields.sort();
        fields.into_iter().for_each(put);
    } else if let Some(set) = ZSetRef::of(entry) {
        set.all().for_each(|(member, score)| put(format!("{}:{score}", text(member))));
    } else if let Some(stream) = entry.stream() {
        let entries = &stream.entries;
        put(format!("{} {} {} {entries:?}", entries.last_id(), entries.max_deleted_id(), entries.added()));
        for (name, group) in stream.groups.iter() {
            put(format!("{} {} {:?}", name.escape_ascii(), group.last_id, group.entries_read));
            for (_, consumer) in group.consumers() {
                put(consumer.name().escape_ascii().to_string());
                consumer.pending_from(StreamId::MIN).for_each(|id| put(format!("{id:?}")));
            }
            for (id, pending) in group.pending_from(StreamId::MIN) {
                put(format!("{id} {} {}", pending.delivered_ms, pending.count));
            }
        }
    }
}

/// A position of a history.
pub type At = (ReplicationId, Offset);

/// Remembers which data belongs to which position of which history: its digest, and whose data it was.
#[derive(Default)]
pub struct Positions {
    seen: HashMap<At, (u64, usize)>,
    /// Where two have been found to differ.
    pub differs_at: Option<At>,
    /// The data of one position are remembered as a whole: those of all of them would be too much.
    watched: Option<At>,
    held_there: Vec<String>,
}

impl Positions {
    /// With a position at which a run like this one has found a difference.
    pub fn watching(watched: Option<At>) -> Positions {
        Positions { watched, ..Positions::default() }
    }

    /// Notes what `machine` holds at a position; an error if another one held something else there, or if it is half of something.
    pub fn note(
        &mut self,
        id: ReplicationId,
        offset: Offset,
        machine: usize,
        node: &Node,
    ) -> Result<(), String> {
        if let Some(pair) = torn_pair(node) {
            return Err(format!("machine {machine} shows half of a change at {id}:{offset}: {pair}"));
        }
        let (at, found) = ((id, offset), digest(node));
        let (expected, first) = *self.seen.entry(at).or_insert_with(|| {
            if self.watched == Some(at) {
                self.held_there = describe(node);
            }
            (found, machine)
        });
        if expected == found {
            return Ok(());
        }
        self.differs_at = Some(at);
        let (here, there) = (describe(node), &self.held_there);
        let only_here: Vec<_> = here.iter().filter(|line| !there.contains(line)).collect();
        let only_there: Vec<_> = there.iter().filter(|line| !here.contains(line)).collect();
        Err(format!(
            "machines {first} and {machine} differ at {id}:{offset}: only {machine} has {only_here:#?}, only {first} has \
             {only_there:#?}"
        ))
    }

    pub fn len(&self) -> usize {
        self.seen.len()
    }
}
