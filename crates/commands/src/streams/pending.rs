//! XPENDING.

use keyspace::stream::{Group, Pending, StreamId};
use resp::{Args, ReplyBuf};

use super::claim::{idle_ms, is_idle_for};
use super::parse::{self, Error};
use super::reply;
use crate::errors::SYNTAX;
use crate::{Ctx, Env};

/// Which pending entries are wanted.
struct Request<'a> {
    min_idle_ms: i64,
    start: StreamId,
    end: StreamId,
    count: u64,
    consumer: Option<&'a [u8]>,
}

/// XPENDING key group [[IDLE min-idle-time] start end count [consumer]]
pub(crate) fn xpending(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let request = match Request::parse(args) {
        Ok(request) => request,
        Err(error) => return ctx.out.error(error),
    };
    let (key, name, env) = (args.at(1), args.at(2), ctx.env);
    reply::with_stream(
        ctx,
        key,
        |out| reply::no_group(out, key, name, ""),
        |stream, out| match (stream.groups.get(name), request) {
            (None, _) => reply::no_group(out, key, name, ""),
            (Some(group), None) => summary(out, group),
            (Some(group), Some(request)) => request.reply(out, group, env),
        },
    );
}

/// How many there are, from where to where, and with whom.
fn summary(out: &mut ReplyBuf, group: &Group) {
    out.array(4);
    out.int(group.pending_len() as i64);
    let Some((first, last)) = group.pending_bounds() else {
        out.null();
        out.null();
        out.null_array();
        return;
    };
    reply::id(out, first);
    reply::id(out, last);
    let mark = out.deferred_len();
    let mut len = 0;
    for (_, consumer) in group.consumers().filter(|(_, consumer)| consumer.pending_len() > 0) {
        out.array(2);
        out.bulk(consumer.name());
        out.bulk_int(consumer.pending_len() as i64);
        len += 1;
    }
    out.set_array_len(mark, len);
}

impl<'a> Request<'a> {
    /// `None` if only the summary is wanted.
    fn parse(args: Args<'a>) -> Result<Option<Self>, Error> {
        let mut rest = match args.len() {
            3 => return Ok(None),
            6..=9 => args.from(3),
            _ => return Err(SYNTAX),
        };
        let mut min_idle_ms = 0;
        if parse::is(rest.at(0), "IDLE") {
            min_idle_ms = parse::number(rest.at(1))?;
            rest = rest.from(2);
        }
        let (Some(start), Some(end), Some(count)) = (rest.get(0), rest.get(1), rest.get(2)) else {
            return Err(SYNTAX);
        };
        let count = parse::count(count)?;
        let (start, end) = (parse::range_start(start)?, parse::range_end(end)?);
        Ok(Some(Request { min_idle_ms, start, end, count, consumer: rest.get(3) }))
    }

    fn reply(&self, out: &mut ReplyBuf, group: &Group, env: &Env) {
        let mark = out.deferred_len();
        let mut len = 0;
        let mut left = self.count;
        let mut tell = |out: &mut ReplyBuf, id: StreamId, pending: &Pending| {
            if id > self.end || left == 0 {
                return false;
            }
            if is_idle_for(env, pending, self.min_idle_ms) {
                reply_pending(out, group, id, pending, env);
                (len, left) = (len + 1, left - 1);
            }
            true
        };
        match self.consumer {
            None => {
                for (id, pending) in group.pending_from(self.start) {
                    if !tell(out, id, pending) {
                        break;
                    }
                }
            }
            Some(name) => {
                let consumer = group.find_consumer(name).and_then(|id| group.consumer(id));
                for id in consumer.into_iter().flat_map(|consumer| consumer.pending_from(self.start)) {
                    if group.pending(id).is_some_and(|pending| !tell(out, id, pending)) {
                        break;
                    }
                }
            }
        }
        out.set_array_len(mark, len);
    }
}

fn reply_pending(out: &mut ReplyBuf, group: &Group, id: StreamId, pending: &Pending, env: &Env) {
    out.array(4);
    reply::id(out, id);
    out.bulk(group.consumer(pending.consumer).map_or(b"", |consumer| consumer.name()));
    out.int(idle_ms(env, pending).max(0));
    out.int(pending.count as i64);
}
