//! Reading a stream after its type byte.

use super::{EntriesRead, StreamId, StreamMeta, StreamNode};
use crate::cursor::{Cursor, Stop};
use crate::form::StreamForm;
use crate::value::Scratch;
use crate::{Error, Event, length, string};

/// What is left of a stream. Its parts come in the order of the fields; a group is followed by its pending entries, then by its
/// consumers, each of which is followed by the ids of those entries that are its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamRest {
    form: StreamForm,
    nodes: u64,
    meta: bool,
    groups: u64,
    pending: u64,
    consumers: u64,
    own: u64,
    /// The ids of the first and last entry so far.
    ends: Option<(StreamId, StreamId)>,
    /// The id that the next one has to be above, in nodes and in lists of pending entries.
    above: Option<StreamId>,
}

impl StreamRest {
    pub(crate) fn new(form: StreamForm, nodes: u64) -> StreamRest {
        StreamRest {
            form,
            nodes,
            meta: true,
            groups: 0,
            pending: 0,
            consumers: 0,
            own: 0,
            ends: None,
            above: None,
        }
    }

    /// Number of nodes that are left.
    pub(crate) fn nodes(&self) -> u64 {
        self.nodes
    }

    pub(crate) fn is_done(&self) -> bool {
        !self.meta && self.groups == 0 && self.pending == 0 && self.consumers == 0 && self.own == 0
    }

    /// Reads the next part. An incomplete one leaves no trace.
    #[inline(never)]
    pub(crate) fn next<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        limit: u64,
        scratch: &'a mut Scratch,
    ) -> Result<Event<'a>, Stop> {
        if self.nodes > 0 {
            self.node(cursor, limit, scratch)
        } else if self.meta {
            self.read_meta(cursor)
        } else if self.pending > 0 {
            self.pending(cursor)
        } else if self.own > 0 {
            let id = self.next_id(cursor)?;
            self.own -= 1;
            self.above = Some(id);
            Ok(Event::ConsumerPending(id))
        } else if self.consumers > 0 {
            self.consumer(cursor, limit, scratch)
        } else {
            self.group(cursor, limit, scratch)
        }
    }

    fn node<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        limit: u64,
        scratch: &'a mut Scratch,
    ) -> Result<Event<'a>, Stop> {
        let at = cursor.at();
        let key = string::read(cursor, limit, &mut scratch.first)?;
        let reason = "the id of a node has not 16 bytes";
        let id = <[u8; StreamId::LEN]>::try_from(key).map_err(|_| Error::BadStream { reason, at })?;
        let at = cursor.at();
        let bytes = string::read(cursor, limit, &mut scratch.second)?;
        let checked = StreamNode::check(StreamId::from_bytes(id), bytes, self.above)
            .map_err(|reason| Error::BadStreamNode { reason, at })?;
        if let Some((first, last)) = checked.ends {
            self.ends = Some((self.ends.map_or(first, |(first, _)| first), last));
        }
        self.above = checked.last.or(self.above);
        self.nodes -= 1;
        Ok(Event::StreamNode(checked.node))
    }

    fn read_meta<'a>(&mut self, cursor: &mut Cursor<'a>) -> Result<Event<'a>, Stop> {
        let at = cursor.at();
        let length = length::read_plain(cursor)?;
        let last_id = read_id(cursor)?;
        let mut meta = StreamMeta { length, last_id, ..StreamMeta::default() };
        if self.form >= StreamForm::Second {
            meta.first_id = read_id(cursor)?;
            meta.max_deleted_id = read_id(cursor)?;
            meta.entries_added = length::read_plain(cursor)?;
        } else {
            meta.first_id = self.ends.map_or(StreamId::default(), |(first, _)| first);
            meta.entries_added = length;
        }
        let reason = match self.ends {
            None if length > 0 => "a stream with a length has no entries",
            Some((_, last)) if last > last_id => "an entry's id is above the last id of its stream",
            _ => "",
        };
        if !reason.is_empty() {
            return Err(Error::BadStream { reason, at }.into());
        }
        self.groups = length::read_plain(cursor)?;
        self.meta = false;
        Ok(Event::StreamMeta(meta))
    }

    fn group<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        limit: u64,
        scratch: &'a mut Scratch,
    ) -> Result<Event<'a>, Stop> {
        let name = string::read(cursor, limit, &mut scratch.first)?;
        let last_id = read_id(cursor)?;
        let entries_read = if self.form >= StreamForm::Second {
            let count = length::read_plain(cursor)?;
            // Minus one in 64 bits says that nobody knows.
            if i64::try_from(count).is_ok() { EntriesRead::Count(count) } else { EntriesRead::Unknown }
        } else {
            EntriesRead::Unrecorded
        };
        let pending = length::read_plain(cursor)?;
        let consumers = if pending == 0 { length::read_plain(cursor)? } else { 0 };
        self.groups -= 1;
        (self.pending, self.consumers, self.above) = (pending, consumers, None);
        Ok(Event::Group { name, last_id, entries_read, pending })
    }

    fn pending<'a>(&mut self, cursor: &mut Cursor<'a>) -> Result<Event<'a>, Stop> {
        let id = self.next_id(cursor)?;
        let delivered_ms = i64::from_le_bytes(cursor.array()?);
        let deliveries = length::read_plain(cursor)?;
        // The number of consumers comes behind the last of these. It is read with it, since it makes no event of its own.
        let consumers = if self.pending == 1 { length::read_plain(cursor)? } else { 0 };
        self.pending -= 1;
        (self.consumers, self.above) = (consumers, Some(id));
        Ok(Event::Pending { id, delivered_ms, deliveries })
    }

    fn consumer<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        limit: u64,
        scratch: &'a mut Scratch,
    ) -> Result<Event<'a>, Stop> {
        let name = string::read(cursor, limit, &mut scratch.first)?;
        let seen_ms = i64::from_le_bytes(cursor.array()?);
        let active_ms =
            if self.form >= StreamForm::Third { i64::from_le_bytes(cursor.array()?) } else { seen_ms };
        let pending = length::read_plain(cursor)?;
        self.consumers -= 1;
        (self.own, self.above) = (pending, None);
        Ok(Event::Consumer { name, seen_ms, active_ms, pending })
    }

    /// The id of a pending entry; they come in order.
    fn next_id(&self, cursor: &mut Cursor<'_>) -> Result<StreamId, Stop> {
        let at = cursor.at();
        let id = StreamId::from_bytes(cursor.array()?);
        if self.above.is_some_and(|above| id <= above) {
            let reason = "pending entries are not in order";
            return Err(Error::BadStream { reason, at }.into());
        }
        Ok(id)
    }
}

/// An id as two lengths.
fn read_id(cursor: &mut Cursor<'_>) -> Result<StreamId, Stop> {
    Ok(StreamId { ms: length::read_plain(cursor)?, seq: length::read_plain(cursor)? })
}
