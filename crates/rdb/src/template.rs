//! Templates of Redis 8.10: the fields of many hashes, written once and before all of them. A hash then has the number of its
//! template, and values.

use std::collections::BTreeMap;

use listpack::{Builder, Entry, View};

use crate::compact::{Compact, Encoding};
use crate::cursor::{Cursor, Stop};
use crate::value::Scratch;
use crate::{Error, Event, Kind, length, string};

/// All templates of a stream together may take so much memory: what they say is kept until the end, and small input can make
/// large strings.
const MAX_BYTES: usize = 64 << 20;

/// Fields of hashes.
#[derive(Debug, Default)]
pub(crate) struct Templates {
    by_id: BTreeMap<u64, Vec<Vec<u8>>>,
    bytes: usize,
}

/// A hash whose values follow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TemplatedRest {
    id: u64,
    next: usize,
}

fn bad(reason: &'static str, at: u64) -> Stop {
    Error::BadTemplate { reason, at }.into()
}

impl Templates {
    /// Reads a template, behind its opcode. An incomplete one leaves no trace.
    pub(crate) fn read(&mut self, cursor: &mut Cursor<'_>, limit: u64) -> Result<(), Stop> {
        let at = cursor.at();
        let id = length::read_plain(cursor)?;
        let count = length::read_plain(cursor)?;
        if count == 0 {
            return Err(bad("it has no fields", at));
        }
        if self.by_id.contains_key(&id) {
            return Err(bad("its number is another's", at));
        }
        let (mut fields, mut bytes) = (Vec::new(), self.bytes);
        for _ in 0..count {
            let at = cursor.at();
            let field = string::read_owned(cursor, limit)?;
            bytes += field.len() + size_of::<Vec<u8>>();
            if bytes > MAX_BYTES {
                return Err(bad("templates take too much memory", at));
            }
            // Shorter ones come first; it is what makes the fields of a template different from each other.
            let last = fields.last().map(|last: &Vec<u8>| (last.len(), &last[..]));
            if last >= Some((field.len(), &field[..])) {
                return Err(bad("its fields are not in order", at));
            }
            fields.push(field);
        }
        self.by_id.insert(id, fields);
        self.bytes = bytes;
        Ok(())
    }

    /// The fields of a hash with this template.
    fn get(&self, id: u64, at: u64) -> Result<&[Vec<u8>], Stop> {
        self.by_id.get(&id).map(Vec::as_slice).ok_or_else(|| bad("nothing has its number", at))
    }

    /// Reads a hash whose values are one string. What comes of it, fields and values in turn, is a listpack in `scratch`.
    pub(crate) fn read_packed<'a>(
        &self,
        cursor: &mut Cursor<'_>,
        limit: u64,
        scratch: &'a mut Vec<u8>,
    ) -> Result<Compact<'a>, Stop> {
        let string = cursor.at();
        // A cursor of its own, so that what it reads need not live as long as what comes of it.
        let mut inner = *cursor;
        let located = string::read_located(&mut inner, limit, scratch)?;
        cursor.skip(inner.used() - cursor.used());
        let view = View::new(located.bytes).map_err(|error| {
            let (at, reason) = (located.offset_of(string, Some(error.at())), error.into());
            Error::BadCompact { kind: Kind::Hash, reason, string, at }
        })?;
        let mut values = view.iter();
        let id = values.next().and_then(Entry::as_int).and_then(|id| u64::try_from(id).ok());
        let fields = self.get(id.ok_or_else(|| bad("a number is missing", string))?, string)?;
        if view.len() != fields.len() + 1 {
            return Err(bad("a hash has not as many values as its template has fields", string));
        }
        let mut pack = Builder::new();
        for (field, value) in fields.iter().zip(values) {
            pack.push(Entry::Str(field));
            pack.push(value);
        }
        scratch.clear();
        scratch.extend_from_slice(pack.finish());
        Compact::check(scratch, Encoding::Listpack, Kind::Hash)
            .map_err(|reason| Error::BadCompact { kind: Kind::Hash, reason, string, at: string }.into())
    }

    /// Reads the number of a hash's template; its values follow. Gives how many, too.
    pub(crate) fn begin(&self, cursor: &mut Cursor<'_>) -> Result<(TemplatedRest, u64), Stop> {
        let at = cursor.at();
        let id = length::read_plain(cursor)?;
        Ok((TemplatedRest { id, next: 0 }, self.get(id, at)?.len() as u64))
    }

    /// The next field of a hash; [`Event::EndOfKey`] is the last event.
    pub(crate) fn next<'a>(
        &self,
        rest: &mut TemplatedRest,
        cursor: &mut Cursor<'a>,
        limit: u64,
        scratch: &'a mut Scratch,
    ) -> Result<Event<'a>, Stop> {
        let Some(field) = self.get(rest.id, cursor.at())?.get(rest.next) else { return Ok(Event::EndOfKey) };
        let value = string::read(cursor, limit, &mut scratch.second)?;
        scratch.first.clear();
        scratch.first.extend_from_slice(field);
        rest.next += 1;
        Ok(Event::Field { field: &scratch.first, value, expiry_ms: None })
    }
}
