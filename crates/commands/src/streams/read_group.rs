//! XREADGROUP.

use keyspace::stream::{Entries, Group, Pending, StreamId};
use resp::{Args, ReplyBuf};
use smallvec::SmallVec;

use super::log::{Claims, Target};
use super::parse;
use super::read::{self, Request};
use super::reply::{self, Open};
use crate::effects::EventClass;
use crate::errors::WRONG_TYPE;
use crate::{Ctx, Effects};

/// What is asked for of a stream.
#[derive(Clone, Copy)]
enum Wanted {
    /// `>`: entries that nobody has been given.
    New,
    /// What the consumer has been given, after this id.
    After(StreamId),
}

/// XREADGROUP GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key [key ...] id [id ...]
pub(crate) fn xreadgroup(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let request = match Request::parse(args, "xreadgroup", ctx.env) {
        Ok(request) => request,
        Err(error) => return ctx.out.error(&error),
    };
    let Some((group, consumer)) = request.group else { return };
    let mut wanted = SmallVec::<[(&[u8], Wanted); 8]>::new();
    for (key, id) in request.streams(args) {
        match wanted_of(ctx, key, group, id) {
            Some(one) => wanted.push((key, one)),
            None => return,
        }
    }
    // What happens goes into the log in other words, if it happens.
    ctx.fx.suppress();
    let mark = ctx.out.deferred_len();
    let mut served = 0;
    for &(key, wanted) in &wanted {
        let Ok(Some(open)) = reply::open(ctx, key) else { continue };
        let done = serve(open, Target { key, group }, consumer, wanted, &request);
        served += usize::from(done.replied);
        if done.created {
            ctx.notify(EventClass::STREAM, "xgroup-createconsumer", key);
        }
    }
    if served == 0 {
        return request.wait(ctx, args, None);
    }
    if ctx.out.is_resp3() {
        ctx.out.set_map_len(mark, served);
    } else {
        ctx.out.set_array_len(mark, served);
    }
}

/// Checks that there is such a group, and reads an id; `None` after an error.
fn wanted_of(ctx: &mut Ctx<'_>, key: &[u8], group: &[u8], id: &[u8]) -> Option<Wanted> {
    let found = match ctx.lookup_read(key).map(|entry| entry.stream()) {
        Some(None) => {
            ctx.out.error(WRONG_TYPE);
            return None;
        }
        Some(Some(stream)) => stream.groups.get(group).is_some(),
        None => false,
    };
    if !found {
        reply::no_group(ctx.out, key, group, " in XREADGROUP with GROUP option");
        return None;
    }
    let meaningless = |symbol| {
        format!(
            "ERR The {symbol} ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by \
             specifying a proper ID, or use the > ID to get new messages. The {symbol} ID would just return an empty result set."
        )
    };
    match id {
        b">" => return Some(Wanted::New),
        b"$" => ctx.out.error(&meaningless('$')),
        b"+" => ctx.out.error(&meaningless('+')),
        id => match parse::id(id) {
            // This very id stands for `>`, as it does with Redis.
            Ok(StreamId::MAX) => return Some(Wanted::New),
            Ok(id) => return Some(Wanted::After(id)),
            Err(error) => ctx.out.error(error),
        },
    }
    None
}

/// What was done for one stream.
#[derive(Default)]
struct Done {
    /// The reply has something of it.
    replied: bool,
    /// The consumer is new.
    created: bool,
}

/// Serves the consumer from one stream.
fn serve(open: Open<'_>, target: Target<'_>, name: &[u8], wanted: Wanted, request: &Request<'_>) -> Done {
    let Open { stream, out, fx, env } = open;
    let entries = &stream.entries;
    let served = stream.groups.update(target.group, |group| {
        let (consumer, created) = group.ensure_consumer(name, env.now_ms);
        fx.dirty += u64::from(created);
        group.update_consumer(consumer, |consumer| consumer.seen_ms = env.now_ms);
        let replied = match wanted {
            Wanted::After(_) => true,
            Wanted::New => entries.tail_id().is_some_and(|tail| tail > group.last_id),
        };
        let pending = Pending { consumer, delivered_ms: env.now_ms, count: 1 };
        let mut logged = false;
        if replied {
            fx.dirty += 1;
            read::stream_header(out, target.key);
            match wanted {
                Wanted::New => {
                    let ids = deliver(entries, group, out, request.count);
                    if !request.no_ack {
                        group.assign_all(&ids, pending);
                        group.update_consumer(consumer, |consumer| consumer.active_ms = Some(env.now_ms));
                        let mut claims = Claims::new(target, name, group.last_id);
                        ids.iter().for_each(|id| claims.push(fx, *id, &pending));
                        logged = claims.finish(fx);
                    }
                    target.set_id(fx, group);
                }
                Wanted::After(id) => {
                    let claims = Claims::new(target, name, group.last_id);
                    logged = tell_again(entries, group, out, fx, request.count, (id, pending), claims);
                }
            }
        }
        if created && !logged {
            target.create_consumer(fx, name);
        }
        Done { replied, created }
    });
    served.unwrap_or_default()
}

/// Gives the group entries that it has not been given, and says which.
fn deliver(entries: &Entries, group: &mut Group, out: &mut ReplyBuf, count: u64) -> SmallVec<[StreamId; 16]> {
    let start = group.last_id.next().unwrap_or(StreamId::MAX);
    let mut ids = SmallVec::new();
    let items = entries.range(start, StreamId::MAX).inspect(|item| {
        group.advance(entries, item.id);
        ids.push(item.id);
    });
    reply::items(out, items, count);
    ids
}

/// Tells a consumer again what it has been given after `id`, which counts as another delivery; whether the log has something of
/// it.
fn tell_again(
    entries: &Entries,
    group: &mut Group,
    out: &mut ReplyBuf,
    fx: &mut Effects,
    count: u64,
    (id, again): (StreamId, Pending),
    mut claims: Claims<'_>,
) -> bool {
    let start = id.next().unwrap_or(StreamId::MAX);
    let most = if count == 0 { usize::MAX } else { count as usize };
    let ids: SmallVec<[StreamId; 16]> = group
        .consumer(again.consumer)
        .into_iter()
        .flat_map(|own| own.pending_from(start))
        .take(most)
        .collect();
    out.array(ids.len());
    for id in ids {
        let Some(item) = entries.get(id) else {
            // Deleted since it was given.
            out.array(2);
            reply::id(out, id);
            out.null_array();
            continue;
        };
        reply::item(out, item);
        let delivered = group.update_pending(id, |pending| {
            pending.delivered_ms = again.delivered_ms;
            pending.count = pending.count.wrapping_add(1);
            *pending
        });
        if let Some(delivered) = delivered {
            claims.push(fx, id, &delivered);
        }
    }
    claims.finish(fx)
}
