//! Whole databases: FLUSHDB, FLUSHALL, SWAPDB.

use resp::Args;

use crate::Ctx;
use crate::errors::{DB_OUT_OF_RANGE, SYNTAX};
use crate::number::parse_i32;

/// FLUSHDB [ASYNC | SYNC]
pub(crate) fn flushdb(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let Some(lazy) = parse_mode(ctx, args) else { return ctx.out.error(SYNTAX) };
    let keys = ctx.db().len();
    let garbage = ctx.db_mut().flush();
    finish(ctx, keys, garbage, lazy);
    if ctx.fx.track_keys {
        ctx.fx.replaced.push(ctx.db as u32);
    }
    ctx.out.ok();
}

/// FLUSHALL [ASYNC | SYNC]
pub(crate) fn flushall(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let Some(lazy) = parse_mode(ctx, args) else { return ctx.out.error(SYNTAX) };
    let keys = ctx.ks.total_keys();
    let garbage = ctx.ks.flush();
    finish(ctx, keys, garbage, lazy);
    ctx.fx.emptied = true;
    if ctx.fx.track_keys {
        ctx.fx.replaced.extend(0..ctx.ks.databases() as u32);
    }
    ctx.out.ok();
}

/// Whether the old contents are to be freed in the background.
fn parse_mode(ctx: &Ctx<'_>, args: Args<'_>) -> Option<bool> {
    match args.get(1) {
        None => Some(ctx.env.lazyfree_user_flush),
        Some(_) if args.len() > 2 => None,
        Some(word) if word.eq_ignore_ascii_case(b"ASYNC") => Some(true),
        Some(word) if word.eq_ignore_ascii_case(b"SYNC") => Some(false),
        Some(_) => None,
    }
}

fn finish(ctx: &mut Ctx<'_>, keys: usize, garbage: keyspace::Garbage, lazy: bool) {
    if lazy {
        ctx.fx.garbage.push(garbage);
    }
    // An empty database is flushed all the same: a replica may hold keys that are not here any more.
    ctx.fx.dirty += keys.max(1) as u64;
}

/// SWAPDB index1 index2
pub(crate) fn swapdb(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let Ok(a) = parse_i32(args.at(1)) else { return ctx.out.error("ERR invalid first DB index") };
    let Ok(b) = parse_i32(args.at(2)) else { return ctx.out.error("ERR invalid second DB index") };
    let index = |value: i32| usize::try_from(value).ok().filter(|index| *index < ctx.ks.databases());
    let (Some(a), Some(b)) = (index(a), index(b)) else { return ctx.out.error(DB_OUT_OF_RANGE) };
    if a != b {
        ctx.ks.swap(a, b);
        if ctx.fx.track_keys || ctx.fx.track_ready {
            ctx.fx.replaced.extend([a as u32, b as u32]);
        }
    }
    ctx.fx.dirty += 1;
    ctx.out.ok();
}
