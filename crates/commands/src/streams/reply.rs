//! How entries are told, and how a stream is found.

use keyspace::EntryMut;
use keyspace::stream::{Item, Stream, StreamId};
use listpack::Entry;
use resp::ReplyBuf;

use crate::errors::WRONG_TYPE;
use crate::{Ctx, Effects, Env};

/// An id.
pub(super) fn id(out: &mut ReplyBuf, id: StreamId) {
    out.bulk(id.text().as_bytes());
}

/// An entry: its id, then its fields and values.
pub(super) fn item(out: &mut ReplyBuf, item: Item<'_>) {
    out.array(2);
    id(out, item.id);
    out.array(2 * item.len());
    for (field, value) in item.pairs() {
        text(out, field);
        text(out, value);
    }
}

#[inline]
fn text(out: &mut ReplyBuf, entry: Entry<'_>) {
    match entry {
        Entry::Str(text) => out.bulk(text),
        Entry::Int(number) => out.bulk_int(number),
    }
}

/// An array of as many entries as there are, or as are wanted; 0 is no limit.
pub(super) fn items<'a>(out: &mut ReplyBuf, items: impl Iterator<Item = Item<'a>>, count: u64) -> usize {
    let mark = out.deferred_len();
    let mut len = 0;
    for one in items.take(if count == 0 { usize::MAX } else { count as usize }) {
        item(out, one);
        len += 1;
    }
    out.set_array_len(mark, len);
    len
}

/// Lets `read` look at a stream; `missing` replies if there is no such key.
pub(super) fn with_stream(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    missing: impl FnOnce(&mut ReplyBuf),
    read: impl FnOnce(&Stream, &mut ReplyBuf),
) {
    ctx.read(key, |entry, out| match entry.map(|entry| entry.stream()) {
        None => missing(out),
        Some(None) => out.error(WRONG_TYPE),
        Some(Some(stream)) => read(stream, out),
    });
}

/// "NOGROUP …", with what was looked for.
pub(super) fn no_group(out: &mut ReplyBuf, key: &[u8], group: &[u8], context: &str) {
    let (key, group) = (String::from_utf8_lossy(key), String::from_utf8_lossy(group));
    out.error(&format!("NOGROUP No such key '{key}' or consumer group '{group}'{context}"));
}

/// A stream to be changed, and what a command needs that replies while it changes it.
pub(super) struct Open<'a> {
    pub stream: &'a mut Stream,
    pub out: &'a mut ReplyBuf,
    pub fx: &'a mut Effects,
    pub env: &'a Env,
}

/// The stream at a key, to be changed; `None` if there is no such key.
pub(super) fn open<'a>(ctx: &'a mut Ctx<'_>, key: &[u8]) -> Result<Option<Open<'a>>, &'static str> {
    match ctx.lookup_write(key) {
        None => return Ok(None),
        Some(entry) if entry.stream().is_none() => return Err(WRONG_TYPE),
        Some(_) => {}
    }
    let Ctx { ks, db, out, fx, env, .. } = ctx;
    let stream = ks.db_mut(*db).get_mut(key).and_then(EntryMut::into_stream);
    Ok(stream.map(|stream| Open { stream, out, fx, env }))
}
