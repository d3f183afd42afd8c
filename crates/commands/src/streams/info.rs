//! XINFO.

use keyspace::stream::{Consumer, Group, Stream, StreamId};
use resp::{Args, ReplyBuf};

use super::group::{no_group, syntax_error};
use super::{parse, reply};
use crate::Ctx;
use crate::errors::NO_SUCH_KEY;

/// XINFO CONSUMERS key group
pub(crate) fn consumers(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (key, name, now_ms) = (args.at(2), args.at(3), ctx.env.now_ms);
    with_stream(ctx, args, |stream, out| {
        let Some(group) = stream.groups.get(name) else { return no_group(out, key, name) };
        out.array(group.consumers_len());
        for (_, consumer) in group.consumers() {
            let since = |at: u64| (now_ms as i64).wrapping_sub(at as i64);
            out.map(4);
            out.bulk(b"name");
            out.bulk(consumer.name());
            out.bulk(b"pending");
            out.int(consumer.pending_len() as i64);
            out.bulk(b"idle");
            out.int(since(consumer.seen_ms).max(0));
            out.bulk(b"inactive");
            out.int(consumer.active_ms.map_or(-1, since));
        }
    });
}

/// XINFO GROUPS key
pub(crate) fn groups(ctx: &mut Ctx<'_>, args: Args<'_>) {
    with_stream(ctx, args, |stream, out| {
        out.array(stream.groups.len());
        for (name, group) in stream.groups.iter() {
            out.map(6);
            out.bulk(b"name");
            out.bulk(name);
            out.bulk(b"consumers");
            out.int(group.consumers_len() as i64);
            out.bulk(b"pending");
            out.int(group.pending_len() as i64);
            progress(out, stream, group);
        }
    });
}

/// XINFO STREAM key [FULL [COUNT count]]
pub(crate) fn stream(ctx: &mut Ctx<'_>, args: Args<'_>) {
    with_stream(ctx, args, |stream, out| match args.len() {
        3 => overview(out, stream),
        4 | 6 if parse::is(args.at(3), "FULL") => {
            let count = match args.get(5) {
                None => Ok(10),
                Some(count) if parse::is(args.at(4), "COUNT") => parse::number(count),
                Some(_) => return syntax_error(out, args),
            };
            match count {
                Ok(count) => full(out, stream, u64::try_from(count).unwrap_or(10)),
                Err(error) => out.error(error),
            }
        }
        _ => syntax_error(out, args),
    });
}

fn with_stream(ctx: &mut Ctx<'_>, args: Args<'_>, read: impl FnOnce(&Stream, &mut ReplyBuf)) {
    reply::with_stream(ctx, args.at(2), |out| out.error(NO_SUCH_KEY), read);
}

/// What both forms begin with: seven pairs.
fn head(out: &mut ReplyBuf, stream: &Stream) {
    let entries = &stream.entries;
    let nodes = entries.node_count() as i64;
    out.bulk(b"length");
    out.int(entries.len() as i64);
    out.bulk(b"radix-tree-keys");
    out.int(nodes);
    out.bulk(b"radix-tree-nodes");
    // A radix tree has at least its root.
    out.int(nodes + 1);
    out.bulk(b"last-generated-id");
    reply::id(out, entries.last_id());
    out.bulk(b"max-deleted-entry-id");
    reply::id(out, entries.max_deleted_id());
    out.bulk(b"entries-added");
    out.int(entries.added() as i64);
    out.bulk(b"recorded-first-entry-id");
    reply::id(out, entries.first_id());
}

fn overview(out: &mut ReplyBuf, stream: &Stream) {
    let entries = &stream.entries;
    out.map(10);
    head(out, stream);
    out.bulk(b"groups");
    out.int(stream.groups.len() as i64);
    out.bulk(b"first-entry");
    match entries.iter().next() {
        Some(item) => reply::item(out, item),
        None => out.null(),
    }
    out.bulk(b"last-entry");
    match entries.range_back(StreamId::MIN, StreamId::MAX).next() {
        Some(item) => reply::item(out, item),
        None => out.null(),
    }
}

/// Everything, of entries up to `count` each; 0 is no limit.
fn full(out: &mut ReplyBuf, stream: &Stream, count: u64) {
    out.map(9);
    head(out, stream);
    out.bulk(b"entries");
    reply::items(out, stream.entries.iter(), count);
    out.bulk(b"groups");
    out.array(stream.groups.len());
    let most = if count == 0 { usize::MAX } else { count as usize };
    for (name, group) in stream.groups.iter() {
        out.map(7);
        out.bulk(b"name");
        out.bulk(name);
        progress(out, stream, group);
        out.bulk(b"pel-count");
        out.int(group.pending_len() as i64);
        out.bulk(b"pending");
        out.array(group.pending_len().min(most));
        for (id, pending) in group.pending_from(StreamId::MIN).take(most) {
            out.array(4);
            reply::id(out, id);
            out.bulk(group.consumer(pending.consumer).map_or(b"", Consumer::name));
            out.int(pending.delivered_ms as i64);
            out.int(pending.count as i64);
        }
        out.bulk(b"consumers");
        out.array(group.consumers_len());
        for (_, consumer) in group.consumers() {
            full_consumer(out, group, consumer, most);
        }
    }
}

fn full_consumer(out: &mut ReplyBuf, group: &Group, consumer: &Consumer, most: usize) {
    out.map(5);
    out.bulk(b"name");
    out.bulk(consumer.name());
    out.bulk(b"seen-time");
    out.int(consumer.seen_ms as i64);
    out.bulk(b"active-time");
    out.int(consumer.active_ms.map_or(-1, |at| at as i64));
    out.bulk(b"pel-count");
    out.int(consumer.pending_len() as i64);
    out.bulk(b"pending");
    out.array(consumer.pending_len().min(most));
    for id in consumer.pending_from(StreamId::MIN).take(most) {
        let (delivered_ms, count) =
            group.pending(id).map_or((0, 0), |pending| (pending.delivered_ms, pending.count));
        out.array(3);
        reply::id(out, id);
        out.int(delivered_ms as i64);
        out.int(count as i64);
    }
}

/// How far a group has come: three pairs.
fn progress(out: &mut ReplyBuf, stream: &Stream, group: &Group) {
    out.bulk(b"last-delivered-id");
    reply::id(out, group.last_id);
    out.bulk(b"entries-read");
    match group.entries_read {
        Some(read) => out.int(read as i64),
        None => out.null(),
    }
    out.bulk(b"lag");
    match group.lag(&stream.entries) {
        Some(lag) => out.int(lag),
        None => out.null(),
    }
}
