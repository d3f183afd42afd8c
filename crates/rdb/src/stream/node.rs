//! The nodes of a stream: listpacks of entries that share what they have in common.
//!
//! A node has an id, from which the ids of its entries are counted, and a set of fields: its entries' own, if they have no other.
//!
//! ```text
//! entries       number
//! deleted       number of entries that are only marked
//! fields        number
//! field …
//! 0
//!
//! flags         1: deleted; 2: the fields are the node's own
//! ms            difference from the node's id
//! seq           the same
//! fields        number    ⎫ only if the fields are not the node's own
//! field, value …          ⎭
//! value …                 otherwise
//! entries       of the listpack, that this entry took, without this number
//! …
//! ```

use listpack::{Entry, Iter, View};

use super::StreamId;

pub(super) const DELETED: i64 = 1;
pub(super) const SAME_FIELDS: i64 = 2;

/// Why a listpack is not a node of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamNodeError {
    /// It is no valid listpack.
    #[error(transparent)]
    Listpack(#[from] listpack::Error),
    /// It ends inside its head or an entry.
    #[error("a node of a stream ends inside entry {index}")]
    Truncated {
        /// The entry, counted from 0.
        index: u64,
    },
    /// Something else stands where a number is expected, or the number is not possible there.
    #[error("a number in entry {index} of a node of a stream is none, or is impossible")]
    BadNumber {
        /// The entry, counted from 0; 0 also for the head.
        index: u64,
    },
    /// An entry's id is not above that of the entry before it.
    #[error("entry {index} of a node of a stream is not in order")]
    Unordered {
        /// The entry, counted from 0.
        index: u64,
    },
    /// There are more or fewer entries, or deleted ones, than the head says.
    #[error("a node of a stream has not the number of entries that it declares")]
    WrongCount,
}

impl StreamNodeError {
    /// The offset within the bytes of what is wrong, where there is one.
    pub fn offset(&self) -> Option<usize> {
        match self {
            StreamNodeError::Listpack(error) => Some(error.at()),
            _ => None,
        }
    }
}

/// A node of a stream, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamNode<'a> {
    id: StreamId,
    /// Invariant: a listpack that is a valid node.
    bytes: &'a [u8],
}

/// What a check of a node has found.
pub(crate) struct Checked<'a> {
    pub(crate) node: StreamNode<'a>,
    /// The ids of its first and last entry that is not deleted.
    pub(crate) ends: Option<(StreamId, StreamId)>,
    /// The id of its last entry, deleted or not.
    pub(crate) last: Option<StreamId>,
}

impl<'a> StreamNode<'a> {
    /// Checks a node whose entries must come after `before`.
    pub(crate) fn check(
        id: StreamId,
        bytes: &'a [u8],
        before: Option<StreamId>,
    ) -> Result<Checked<'a>, StreamNodeError> {
        let mut reader = CheckingReader { entries: View::new(bytes)?.iter(), index: 0, taken: 0 };
        let head = reader.head()?;
        let (mut last, mut ends) = (before, None);
        let (mut live, mut deleted) = (0u64, 0u64);
        while let Some(flags) = reader.begin_entry()? {
            let entry_id = reader.id(id)?;
            if last.is_some_and(|last| entry_id <= last) {
                return Err(StreamNodeError::Unordered { index: reader.index });
            }
            last = Some(entry_id);
            if flags & SAME_FIELDS != 0 {
                reader.skip(head.fields)?;
            } else {
                let fields = reader.count()?;
                reader.skip(fields.saturating_mul(2))?;
            }
            let taken = reader.taken;
            if reader.count()? != taken {
                return Err(StreamNodeError::BadNumber { index: reader.index });
            }
            if flags & DELETED == 0 {
                live += 1;
                let (first, _) = ends.unwrap_or((entry_id, entry_id));
                ends = Some((first, entry_id));
            } else {
                deleted += 1;
            }
            reader.index += 1;
        }
        if (live, deleted) != (head.live, head.deleted) {
            return Err(StreamNodeError::WrongCount);
        }
        Ok(Checked { node: StreamNode { id, bytes }, ends, last: if reader.index > 0 { last } else { None } })
    }

    /// The id from which those of the entries are counted.
    pub fn id(self) -> StreamId {
        self.id
    }

    /// The listpack.
    pub fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The entries that are not deleted, in the order of their ids.
    pub fn entries(self) -> StreamEntries<'a> {
        let mut entries = View::trusted(self.bytes).iter();
        let mut number = || entries.next().and_then(Entry::as_int).unwrap_or(0);
        let (live, _, field_count) = (number(), number(), number());
        let fields = entries.clone();
        // The zero behind the fields is passed over with them.
        for _ in 0..=field_count {
            entries.next();
        }
        StreamEntries { id: self.id, live, field_count, fields, rest: entries }
    }
}

/// The entries of a [`StreamNode`].
#[derive(Clone)]
pub struct StreamEntries<'a> {
    id: StreamId,
    /// How many are left.
    live: i64,
    field_count: i64,
    /// From the node's own fields on.
    fields: Iter<'a>,
    /// From the next entry on.
    rest: Iter<'a>,
}

impl<'a> Iterator for StreamEntries<'a> {
    type Item = StreamEntry<'a>;

    fn next(&mut self) -> Option<StreamEntry<'a>> {
        while self.live > 0 {
            let mut number = || self.rest.next().and_then(Entry::as_int);
            let flags = number()?;
            let id = offset(self.id, number()?, number()?);
            let shared = flags & SAME_FIELDS != 0;
            let len = if shared { self.field_count } else { number()? };
            let fields = StreamFields {
                names: shared.then(|| self.fields.clone()),
                rest: self.rest.clone(),
                len: usize::try_from(len).unwrap_or(0),
            };
            // And the number behind them.
            for _ in 0..=(if shared { len } else { 2 * len }) {
                self.rest.next();
            }
            if flags & DELETED == 0 {
                self.live -= 1;
                return Some(StreamEntry { id, fields });
            }
        }
        None
    }
}

/// One entry of a stream.
#[derive(Clone)]
pub struct StreamEntry<'a> {
    /// Its id.
    pub id: StreamId,
    /// Its fields.
    pub fields: StreamFields<'a>,
}

/// The fields of an entry, with their values.
#[derive(Clone)]
pub struct StreamFields<'a> {
    /// Where the names stand, if not with the values.
    names: Option<Iter<'a>>,
    rest: Iter<'a>,
    len: usize,
}

impl<'a> Iterator for StreamFields<'a> {
    type Item = (Entry<'a>, Entry<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.len = self.len.checked_sub(1)?;
        let name = self.names.as_mut().unwrap_or(&mut self.rest).next()?;
        Some((name, self.rest.next()?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len, Some(self.len))
    }
}

impl ExactSizeIterator for StreamFields<'_> {}

/// The differences wrap around: an id with the highest bit set is kept as well.
fn offset(id: StreamId, ms: i64, seq: i64) -> StreamId {
    StreamId { ms: id.ms.wrapping_add_signed(ms), seq: id.seq.wrapping_add_signed(seq) }
}

struct Head {
    live: u64,
    deleted: u64,
    fields: u64,
}

/// Reads a node that may be damaged.
struct CheckingReader<'a> {
    entries: Iter<'a>,
    /// The entry of the stream that is being read.
    index: u64,
    /// Entries of the listpack read since it began.
    taken: u64,
}

impl<'a> CheckingReader<'a> {
    /// The flags of the next entry; `None` at the end.
    fn begin_entry(&mut self) -> Result<Option<i64>, StreamNodeError> {
        self.taken = 1;
        let flags = self.entries.next();
        let bad = StreamNodeError::BadNumber { index: self.index };
        flags.map(|flags| flags.as_int().ok_or(bad)).transpose()
    }

    fn next(&mut self) -> Result<Entry<'a>, StreamNodeError> {
        self.taken += 1;
        self.entries.next().ok_or(StreamNodeError::Truncated { index: self.index })
    }

    fn number(&mut self) -> Result<i64, StreamNodeError> {
        self.next()?.as_int().ok_or(StreamNodeError::BadNumber { index: self.index })
    }

    fn count(&mut self) -> Result<u64, StreamNodeError> {
        u64::try_from(self.number()?).map_err(|_| StreamNodeError::BadNumber { index: self.index })
    }

    fn id(&mut self, base: StreamId) -> Result<StreamId, StreamNodeError> {
        Ok(offset(base, self.number()?, self.number()?))
    }

    fn skip(&mut self, entries: u64) -> Result<(), StreamNodeError> {
        for _ in 0..entries {
            self.next()?;
        }
        Ok(())
    }

    fn head(&mut self) -> Result<Head, StreamNodeError> {
        let head = Head { live: self.count()?, deleted: self.count()?, fields: self.count()? };
        self.skip(head.fields)?;
        match self.number()? {
            0 => Ok(head),
            _ => Err(StreamNodeError::BadNumber { index: 0 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A listpack of numbers and texts.
    fn pack(entries: &[&str]) -> Vec<u8> {
        let mut builder = listpack::Builder::new();
        for entry in entries {
            builder.push(Entry::from(*entry));
        }
        builder.finish().to_vec()
    }

    const ID: StreamId = StreamId { ms: 1000, seq: 5 };

    /// Two fields for the node; an entry with those, a deleted one, and one with a field of its own.
    const SAMPLE: &[&str] = &[
        "2", "1", "2", "a", "b", "0", // head
        "2", "0", "0", "x", "y", "5", //
        "3", "1", "-5", "p", "q", "5", //
        "0", "7", "0", "1", "c", "z", "6",
    ];

    fn describe(node: StreamNode<'_>) -> String {
        let entry = |entry: StreamEntry<'_>| {
            assert_eq!(entry.fields.len(), entry.fields.clone().count());
            let fields: Vec<String> =
                entry.fields.map(|(field, value)| format!("{field:?}: {value:?}")).collect();
            format!("{} {}", entry.id, fields.join(" "))
        };
        node.entries().map(entry).collect::<Vec<_>>().join("; ")
    }

    #[track_caller]
    fn check(entries: &[&str], before: Option<StreamId>, expected: Result<&str, StreamNodeError>) {
        let bytes = pack(entries);
        let found = StreamNode::check(ID, &bytes, before).map(|checked| describe(checked.node));
        assert_eq!(found.as_deref().map_err(|&error| error), expected);
    }

    #[test]
    fn valid_by_hand() {
        check(SAMPLE, None, Ok("1000-5 \"a\": \"x\" \"b\": \"y\"; 1007-5 \"c\": \"z\""));
        check(&["0", "0", "0", "0"], None, Ok(""));
        let bytes = pack(SAMPLE);
        let checked = StreamNode::check(ID, &bytes, None).unwrap();
        assert_eq!(checked.ends, Some((ID, StreamId { ms: 1007, seq: 5 })));
        assert_eq!(checked.last, Some(StreamId { ms: 1007, seq: 5 }));
        assert_eq!((checked.node.id(), checked.node.as_bytes()), (ID, &bytes[..]));
    }

    #[test]
    fn ids_with_the_highest_bit() {
        // The difference from the node's id does not fit 63 bits.
        let far = ["1", "0", "1", "a", "0", "2", "-1001", "-6", "x", "4"];
        check(&far, None, Ok("18446744073709551615-18446744073709551615 \"a\": \"x\""));
    }

    #[test]
    fn damage() {
        let with = |at: usize, entry: &'static str| {
            let mut entries = SAMPLE.to_vec();
            entries[at] = entry;
            entries
        };
        check(&with(0, "1"), None, Err(StreamNodeError::WrongCount));
        check(&with(1, "0"), None, Err(StreamNodeError::WrongCount));
        check(&with(0, "x"), None, Err(StreamNodeError::BadNumber { index: 0 }));
        check(&with(2, "-1"), None, Err(StreamNodeError::BadNumber { index: 0 }));
        check(&with(2, "9223372036854775807"), None, Err(StreamNodeError::Truncated { index: 0 }));
        check(&with(5, "1"), None, Err(StreamNodeError::BadNumber { index: 0 }));
        check(&with(11, "4"), None, Err(StreamNodeError::BadNumber { index: 0 }));
        check(&with(13, "0"), None, Err(StreamNodeError::Unordered { index: 1 }));
        check(&with(21, "9223372036854775807"), None, Err(StreamNodeError::Truncated { index: 2 }));
        check(SAMPLE, Some(ID), Err(StreamNodeError::Unordered { index: 0 }));
        for cut in 0..SAMPLE.len() {
            let bytes = pack(&SAMPLE[..cut]);
            assert!(StreamNode::check(ID, &bytes, None).is_err(), "{cut}");
        }
        let error = listpack::Error::TooShort { len: 0 };
        assert_eq!(StreamNode::check(ID, &[], None).map(|_| ()), Err(error.into()));
    }
}
