//! Making the nodes of a stream.

use listpack::{Builder, Entry};

use super::StreamId;
use super::node::SAME_FIELDS;

/// Makes the listpack of a node, in memory that the next node can use again.
///
/// [`begin`](NodeBuilder::begin), then a push for each entry; `Writer::stream_node` takes it from there.
#[derive(Debug, Default)]
pub struct NodeBuilder {
    id: StreamId,
    pack: Builder,
    /// Entries announced and not pushed.
    owed: u64,
}

impl NodeBuilder {
    /// A builder to be used with [`begin`](NodeBuilder::begin).
    pub fn new() -> Self {
        NodeBuilder::default()
    }

    /// Begins a node of so many entries. Their ids are counted from `id`, as a rule that of the first; those that have exactly
    /// these fields need not repeat them.
    pub fn begin<'e>(
        &mut self,
        id: StreamId,
        entries: u64,
        fields: impl ExactSizeIterator<Item = Entry<'e>>,
    ) {
        self.id = id;
        self.owed = entries;
        self.pack.clear();
        self.number(entries as i64);
        self.number(0);
        self.number(fields.len() as i64);
        fields.for_each(|field| self.pack.push(field));
        self.number(0);
    }

    /// An entry that has the node's own fields: their values, in the same order. Ids rise from entry to entry.
    pub fn push_values<'e>(&mut self, id: StreamId, values: impl Iterator<Item = Entry<'e>>) {
        let before = self.entry(id, SAME_FIELDS);
        values.for_each(|value| self.pack.push(value));
        self.end_entry(before);
    }

    /// An entry with fields of its own.
    pub fn push_fields<'e>(
        &mut self,
        id: StreamId,
        fields: impl ExactSizeIterator<Item = (Entry<'e>, Entry<'e>)>,
    ) {
        let before = self.entry(id, 0);
        self.number(fields.len() as i64);
        for (field, value) in fields {
            self.pack.push(field);
            self.pack.push(value);
        }
        self.end_entry(before);
    }

    /// Bytes of the node so far.
    pub fn bytes(&self) -> usize {
        self.pack.bytes()
    }

    /// The node's id and listpack.
    pub(crate) fn finish(&mut self) -> (StreamId, &[u8]) {
        debug_assert_eq!(self.owed, 0, "as many entries as announced");
        (self.id, self.pack.finish())
    }

    fn entry(&mut self, id: StreamId, flags: i64) -> usize {
        let before = self.pack.len();
        self.owed = self.owed.wrapping_sub(1);
        self.number(flags);
        // The differences wrap around, so that any two ids have one.
        self.number(id.ms.wrapping_sub(self.id.ms) as i64);
        self.number(id.seq.wrapping_sub(self.id.seq) as i64);
        before
    }

    /// An entry ends with its number of entries of the listpack, by which it is found from its end.
    fn end_entry(&mut self, before: usize) {
        self.number((self.pack.len() - before) as i64);
    }

    fn number(&mut self, number: i64) {
        self.pack.push(Entry::Int(number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::StreamNode;
    use proptest::prelude::*;

    type Fields = Vec<(String, String)>;

    fn read(id: StreamId, bytes: &[u8]) -> Vec<(StreamId, Fields)> {
        let text = |entry: Entry<'_>| String::from_utf8(entry.to_vec()).unwrap();
        let checked = StreamNode::check(id, bytes, None).expect("our own nodes are valid");
        let fields = |fields: crate::stream::StreamFields<'_>| {
            fields.map(|(field, value)| (text(field), text(value))).collect()
        };
        checked.node.entries().map(|entry| (entry.id, fields(entry.fields))).collect()
    }

    proptest! {
        #[test]
        fn round_trip(
            ids in proptest::collection::btree_set((any::<u64>(), 0u64..5), 1..12),
            names in proptest::collection::vec("[a-z0-9]{0,3}", 1..4),
            seed: u64,
        ) {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut builder = NodeBuilder::new();
            let ids: Vec<StreamId> = ids.into_iter().map(|(ms, seq)| StreamId { ms, seq }).collect();
            for _ in 0..2 {
                builder.begin(ids[0], ids.len() as u64, names.iter().map(|n| Entry::from(n.as_str())));
                let mut expected = Vec::new();
                for &id in &ids {
                    let mut fields: Fields =
                        names.iter().map(|name| (name.clone(), rng.i16(..).to_string())).collect();
                    if rng.bool() {
                        builder.push_values(id, fields.iter().map(|(_, value)| Entry::from(value.as_str())));
                    } else {
                        fields.push(("more".into(), "x".into()));
                        let entries = fields.iter().map(|(field, value)| (field.as_str().into(), value.as_str().into()));
                        builder.push_fields(id, entries);
                    }
                    expected.push((id, fields));
                }
                let len = builder.bytes();
                let (id, bytes) = builder.finish();
                prop_assert_eq!(len, bytes.len());
                prop_assert_eq!(read(id, bytes), expected);
            }
        }
    }
}
