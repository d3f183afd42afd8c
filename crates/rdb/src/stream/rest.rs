//! Reading a stream after its type byte.

use super::{EntriesRead, StreamId, StreamMeta, StreamNode};
use crate::cursor::{Cursor, Stop};
use crate::form::StreamForm;
use crate::value::Scratch;
use crate::{Error, Event, length, string};

/// What is left of a stream.
///
/// ```text
/// Nodes ─▶ Meta ─▶ Groups ─▶ Pending ─▶ Consumers ─▶ Consumer ─▶ Own ─▶ Nacks ─▶ Nack
///                    ▲ │                                ▲  │     │               │
///                    │ ▼                                └──┴─────┘               │
///                    └─┬─────────────────────────────────────────────────────────┘
///                      ▼
///                 Idempotence ─▶ Producers ─▶ Entries ─▶ Counts ─▶ Done
/// ```
///
/// A state with nothing left to read is passed over: see [`advance`](StreamRest::advance).
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamRest {
    form: StreamForm,
    state: State,
    /// What is left of the nodes, then of the groups, then of the producers.
    outer: u64,
    /// Of the group's consumers.
    consumers: u64,
    /// Of pending entries, of a consumer's, of those that are nobody's, of a producer's: of those that the state is about.
    inner: u64,
    /// The ids of the first and last entry so far.
    ends: Option<(StreamId, StreamId)>,
    /// The id that the next one has to be above, in nodes and in lists of pending entries.
    above: Option<StreamId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Nodes,
    Meta,
    Groups,
    Pending,
    Consumers,
    Consumer,
    Own,
    Nacks,
    Nack,
    Idempotence,
    Producers,
    Entries,
    Counts,
    Done,
}

impl StreamRest {
    pub(crate) fn new(form: StreamForm, nodes: u64) -> StreamRest {
        let mut rest = StreamRest {
            form,
            state: State::Nodes,
            outer: nodes,
            consumers: 0,
            inner: 0,
            ends: None,
            above: None,
        };
        rest.advance();
        rest
    }

    /// Number of nodes, before the first has been read.
    pub(crate) fn nodes(&self) -> u64 {
        self.outer
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Goes on to the next state in which there is something to read.
    fn advance(&mut self) {
        loop {
            self.state = match self.state {
                State::Nodes if self.outer == 0 => State::Meta,
                State::Groups if self.outer == 0 => match self.form {
                    StreamForm::Fourth | StreamForm::Fifth => State::Idempotence,
                    _ => State::Done,
                },
                State::Pending if self.inner == 0 => State::Consumers,
                State::Own if self.inner == 0 => State::Consumer,
                State::Consumer if self.consumers == 0 => match self.form {
                    StreamForm::Fifth => State::Nacks,
                    _ => State::Groups,
                },
                State::Nack if self.inner == 0 => State::Groups,
                State::Entries if self.inner == 0 => State::Producers,
                State::Producers if self.outer == 0 => State::Counts,
                _ => return,
            };
        }
    }

    /// Reads the next part. An incomplete one leaves no trace.
    #[inline(never)]
    pub(crate) fn next<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        limit: u64,
        scratch: &'a mut Scratch,
    ) -> Result<Event<'a>, Stop> {
        let event = match self.state {
            State::Nodes => self.node(cursor, limit, scratch)?,
            State::Meta => self.meta(cursor)?,
            State::Groups => self.group(cursor, limit, scratch)?,
            State::Pending => self.pending(cursor)?,
            State::Consumers => {
                self.consumers = length::read_plain(cursor)?;
                self.state = State::Consumer;
                Event::Consumers(self.consumers)
            }
            State::Consumer => self.consumer(cursor, limit, scratch)?,
            State::Own => {
                let id = self.next_id(cursor)?;
                self.inner -= 1;
                self.above = Some(id);
                Event::ConsumerPending(id)
            }
            State::Nacks => {
                self.inner = length::read_plain(cursor)?;
                self.state = State::Nack;
                Event::Nacks(self.inner)
            }
            State::Nack => {
                // In the order in which they were given back, not by id.
                let id = StreamId::from_bytes(cursor.array()?);
                self.inner -= 1;
                Event::Nack(id)
            }
            State::Idempotence => {
                let (duration_s, max_entries) = (length::read_plain(cursor)?, length::read_plain(cursor)?);
                self.outer = length::read_plain(cursor)?;
                self.state = State::Producers;
                Event::Idempotence { duration_s, max_entries, producers: self.outer }
            }
            State::Producers => {
                let name = string::read(cursor, limit, &mut scratch.first)?;
                self.inner = length::read_plain(cursor)?;
                self.outer -= 1;
                self.state = State::Entries;
                Event::Producer { name, entries: self.inner }
            }
            State::Entries => {
                let name = string::read(cursor, limit, &mut scratch.first)?;
                let id = read_id(cursor)?;
                self.inner -= 1;
                Event::ProducerEntry { name, id }
            }
            State::Counts => {
                let (added, duplicates) = (length::read_plain(cursor)?, length::read_plain(cursor)?);
                self.state = State::Done;
                Event::IdempotenceCounts { added, duplicates }
            }
            // Nobody asks for more of what is done.
            State::Done => Event::EndOfKey,
        };
        self.advance();
        Ok(event)
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
        let string = cursor.at();
        let located = string::read_located(cursor, limit, &mut scratch.second)?;
        let checked =
            StreamNode::check(StreamId::from_bytes(id), located.bytes, self.above).map_err(|reason| {
                let at = located.offset_of(string, reason.offset());
                Error::BadStreamNode { reason, string, at }
            })?;
        if let Some((first, last)) = checked.ends {
            self.ends = Some((self.ends.map_or(first, |(first, _)| first), last));
        }
        self.above = checked.last.or(self.above);
        self.outer -= 1;
        Ok(Event::StreamNode(checked.node))
    }

    fn meta<'a>(&mut self, cursor: &mut Cursor<'a>) -> Result<Event<'a>, Stop> {
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
        self.outer = length::read_plain(cursor)?;
        self.state = State::Groups;
        Ok(Event::StreamMeta { meta, groups: self.outer })
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
        self.outer -= 1;
        (self.state, self.inner, self.above) = (State::Pending, pending, None);
        Ok(Event::Group { name, last_id, entries_read, pending })
    }

    fn pending<'a>(&mut self, cursor: &mut Cursor<'a>) -> Result<Event<'a>, Stop> {
        let id = self.next_id(cursor)?;
        let delivered_ms = i64::from_le_bytes(cursor.array()?);
        let deliveries = length::read_plain(cursor)?;
        self.inner -= 1;
        self.above = Some(id);
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
        (self.state, self.inner, self.above) = (State::Own, pending, None);
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
