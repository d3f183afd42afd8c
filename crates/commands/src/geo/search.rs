//! Searches.

use std::ops::ControlFlow;

use keyspace::{Element, Place, ZSetDraft, ZSetRef};
use resp::{Args, ReplyBuf};

use super::distance::Point;
use super::hash::Cell;
use super::look::{reply_distance, reply_point};
use super::options::{Form, Order, Query};
use super::shape::Search;
use crate::effects::EventClass;
use crate::errors::WRONG_TYPE;
use crate::{Ctx, element};

/// How many members one ZADD in the log takes.
const BATCH: usize = 1024;

/// GEORADIUS key longitude latitude radius unit [options]
pub(crate) fn georadius(ctx: &mut Ctx<'_>, args: Args<'_>) {
    run(ctx, args, Form::Radius(true));
}

/// GEORADIUS_RO, which can't store.
pub(crate) fn georadius_ro(ctx: &mut Ctx<'_>, args: Args<'_>) {
    run(ctx, args, Form::Radius(false));
}

/// GEORADIUSBYMEMBER key member radius unit [options]
pub(crate) fn georadiusbymember(ctx: &mut Ctx<'_>, args: Args<'_>) {
    run(ctx, args, Form::ByMember(true));
}

/// GEORADIUSBYMEMBER_RO, which can't store.
pub(crate) fn georadiusbymember_ro(ctx: &mut Ctx<'_>, args: Args<'_>) {
    run(ctx, args, Form::ByMember(false));
}

/// GEOSEARCH key [options]
pub(crate) fn geosearch(ctx: &mut Ctx<'_>, args: Args<'_>) {
    run(ctx, args, Form::Search);
}

/// GEOSEARCHSTORE destination source [options]
pub(crate) fn geosearchstore(ctx: &mut Ctx<'_>, args: Args<'_>) {
    run(ctx, args, Form::SearchStore);
}

/// A member that was found.
struct Found<'a> {
    member: Element<'a>,
    score: f64,
    point: Point,
    distance: f64,
}

fn run(ctx: &mut Ctx<'_>, args: Args<'_>, form: Form) {
    let source = args.at(if form == Form::SearchStore { 2 } else { 1 });
    let limits = &ctx.env.limits;
    let hasher = ctx.db().value_hasher().clone();
    let result = ctx.read(source, |entry, out| {
        let set = match entry.map(|entry| ZSetRef::of(&entry)) {
            Some(None) => {
                out.error(WRONG_TYPE);
                return None;
            }
            set => set.flatten(),
        };
        let query = match Query::parse(form, args, set) {
            Ok(query) => query,
            Err(error) => {
                out.error(&error);
                return None;
            }
        };
        let found = match (set, &query.search) {
            (Some(set), Some(search)) => find(set, search, &query),
            _ => Vec::new(),
        };
        let Some(destination) = query.destination else {
            reply(&found, &query, out);
            return None;
        };
        let mut result = ZSetDraft::new(limits, &hasher);
        for one in &found {
            let score = if query.store_distance { one.distance / query.unit } else { one.score };
            result.insert(&one.member.to_vec(), score);
        }
        Some((destination, result))
    });
    if let Some((destination, result)) = result {
        store(ctx, destination, result, form);
    }
}

/// The members within an area, in order, and no more than asked for.
fn find<'a>(set: ZSetRef<'a>, search: &Search, query: &Query<'_>) -> Vec<Found<'a>> {
    let enough = if query.any { query.count.unwrap_or(usize::MAX) } else { usize::MAX };
    let mut found = Vec::new();
    let _ = search.cells().into_iter().try_for_each(|cell| {
        let (from, to) = cell.scores();
        let ranks = set.rank_of(Place::BeforeScore(from as f64))..set.rank_of(Place::BeforeScore(to as f64));
        for (member, score) in set.iter(ranks) {
            let point = Cell::of_score(score).middle();
            if let Some(distance) = search.distance(point) {
                found.push(Found { member, score, point, distance });
                if found.len() >= enough {
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    });
    match query.order {
        Order::None => {}
        Order::Near => found.sort_by(|a, b| a.distance.total_cmp(&b.distance)),
        Order::Far => found.sort_by(|a, b| b.distance.total_cmp(&a.distance)),
    }
    found.truncate(query.count.unwrap_or(usize::MAX));
    found
}

fn reply(found: &[Found<'_>], query: &Query<'_>, out: &mut ReplyBuf) {
    let parts =
        [query.with_distance, query.with_hash, query.with_point].into_iter().filter(|part| *part).count();
    out.array(found.len());
    for one in found {
        if parts > 0 {
            out.array(1 + parts);
        }
        element::bulk(out, one.member);
        if query.with_distance {
            reply_distance(one.distance / query.unit, out);
        }
        if query.with_hash {
            out.int(one.score as i64);
        }
        if query.with_point {
            reply_point(one.point, out);
        }
    }
}

/// Stores what was found, or deletes the destination if that is nothing. The log gets the result: another machine may compute
/// distances otherwise.
fn store(ctx: &mut Ctx<'_>, destination: &[u8], result: ZSetDraft<'_>, form: Form) {
    let len = result.get().len();
    if len == 0 {
        if let Some(removed) = ctx.take(destination) {
            ctx.discard(removed, ctx.env.lazyfree_server_del);
            ctx.modified(EventClass::GENERIC, "del", destination);
            ctx.fx.rewrite(&[crate::deletion(ctx.env.lazyfree_server_del), destination]);
        }
        return ctx.out.int(0);
    }
    let pairs: Vec<(resp::DoubleText, Vec<u8>)> =
        result.get().all().map(|(member, score)| (resp::format_double(score), member.to_vec())).collect();
    if ctx.put(destination, result.into_value()) {
        ctx.fx.rewrite(&[crate::deletion(ctx.env.lazyfree_server_del), destination]);
    }
    for batch in pairs.chunks(BATCH) {
        let mut words: Vec<&[u8]> = vec![b"ZADD", destination];
        for (score, member) in batch {
            words.extend([score.as_bytes(), member]);
        }
        ctx.fx.rewrite(&words);
    }
    let event = match form {
        Form::Search | Form::SearchStore => "geosearchstore",
        _ => "georadiusstore",
    };
    ctx.modified(EventClass::ZSET, event, destination);
    ctx.fx.dirty += len as u64 - 1;
    ctx.signal_ready(destination);
    ctx.out.int(len as i64);
}
