//! Taking members out, by name or by range.

use std::ops::Range;

use keyspace::{Place, ZSetMut, ZSetRef};
use resp::Args;

use super::bounds::{NOT_MEMBERS, NOT_SCORES, member_range, rank_range, score_range};
use crate::Ctx;
use crate::effects::EventClass;
use crate::errors::{NOT_INTEGER, WRONG_TYPE};
use crate::number::parse_i64;

/// Accounts for members that were taken out, and deletes the key with the last one.
pub(super) fn removed(ctx: &mut Ctx<'_>, key: &[u8], event: &'static str, count: usize, empty: bool) {
    if count > 0 {
        ctx.modified(EventClass::ZSET, event, key);
        ctx.fx.dirty += count as u64 - 1;
    }
    if empty {
        if let Some(removed) = ctx.db_mut().remove(key) {
            ctx.discard(removed, ctx.env.lazyfree_server_del);
        }
        ctx.notify(EventClass::GENERIC, "del", key);
    }
}

/// ZREM key member [member ...]
pub(crate) fn zrem(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (key, env) = (args.at(1), ctx.env);
    let outcome = ctx.update(key, |entry| {
        let mut set = ZSetMut::of(entry, &env.limits)?;
        let mut count = 0;
        for member in args.from(2).iter() {
            count += usize::from(set.remove(member).is_some());
            if set.get().is_empty() {
                break;
            }
        }
        Some((count, set.get().is_empty()))
    });
    finish(ctx, key, "zrem", outcome);
}

fn finish(ctx: &mut Ctx<'_>, key: &[u8], event: &'static str, outcome: Option<Option<(usize, bool)>>) {
    match outcome {
        None => ctx.out.int(0),
        Some(None) => ctx.out.error(WRONG_TYPE),
        Some(Some((count, empty))) => {
            removed(ctx, key, event, count, empty);
            ctx.out.int(count as i64);
        }
    }
}

fn remove_range(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    event: &'static str,
    ranks: impl FnOnce(ZSetRef<'_>) -> Range<usize>,
) {
    let env = ctx.env;
    let outcome = ctx.update(key, |entry| {
        let ranks = ranks(ZSetRef::of(&entry.as_entry())?);
        // What is not there must not cost a copy of a shared value.
        if ranks.is_empty() {
            return Some((0, false));
        }
        let mut set = ZSetMut::of(entry, &env.limits)?;
        let mut count = 0;
        set.remove_range(ranks, |_, _| count += 1);
        Some((count, set.get().is_empty()))
    });
    finish(ctx, key, event, outcome);
}

/// ZREMRANGEBYRANK key start stop
pub(crate) fn zremrangebyrank(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (Some(start), Some(stop)) = (parse_i64(args.at(2)), parse_i64(args.at(3))) else {
        return ctx.out.error(NOT_INTEGER);
    };
    remove_range(ctx, args.at(1), "zremrangebyrank", |set| rank_range(start, stop, set.len()));
}

/// ZREMRANGEBYSCORE key min max
pub(crate) fn zremrangebyscore(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let Some(range) = score_range(args.at(2), args.at(3)) else { return ctx.out.error(NOT_SCORES) };
    remove_between(ctx, args.at(1), "zremrangebyscore", range);
}

/// ZREMRANGEBYLEX key min max
pub(crate) fn zremrangebylex(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let Some(range) = member_range(args.at(2), args.at(3)) else { return ctx.out.error(NOT_MEMBERS) };
    remove_between(ctx, args.at(1), "zremrangebylex", range);
}

fn remove_between(ctx: &mut Ctx<'_>, key: &[u8], event: &'static str, (from, to): (Place<'_>, Place<'_>)) {
    remove_range(ctx, key, event, |set| set.rank_of(from)..set.rank_of(to));
}
