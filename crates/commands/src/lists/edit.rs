//! Changing lists anywhere: LSET, LINSERT, LREM, LTRIM.

use keyspace::ListEnd as End;
use resp::Args;

use super::read::{position, range, whole};
use super::{Found, delete_empty, edit, look_for};
use crate::Ctx;
use crate::effects::EventClass;
use crate::errors::{NO_SUCH_KEY, NOT_INTEGER, SYNTAX};
use crate::number::parse_i64;

/// LSET key index element
pub(crate) fn lset(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let key = args.at(1);
    match look_for(ctx, key) {
        Found::List(()) => {}
        Found::Other => return,
        Found::Nothing => return ctx.out.error(NO_SUCH_KEY),
    }
    let Some(index) = parse_i64(args.at(2)) else { return ctx.out.error(NOT_INTEGER) };
    let replaced = edit(ctx, key, |list, _| {
        // A position that is not there is for the list to refuse.
        let index = position(index, list.len()).unwrap_or(usize::MAX);
        list.set(index, args.at(3))
    });
    if let Found::List(true) = replaced {
        ctx.modified(EventClass::LIST, "lset", key);
        ctx.out.ok();
    } else {
        ctx.out.error("ERR index out of range");
    }
}

/// LINSERT key <BEFORE | AFTER> pivot element
pub(crate) fn linsert(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let key = args.at(1);
    let behind = if args.at(2).eq_ignore_ascii_case(b"AFTER") {
        true
    } else if args.at(2).eq_ignore_ascii_case(b"BEFORE") {
        false
    } else {
        return ctx.out.error(SYNTAX);
    };
    let inserted =
        edit(ctx, key, |list, _| list.insert_beside(args.at(3), behind, args.at(4)).then(|| list.len()));
    match inserted {
        Found::Nothing => ctx.out.int(0),
        Found::Other => {}
        Found::List(None) => ctx.out.int(-1),
        Found::List(Some(len)) => {
            ctx.modified(EventClass::LIST, "linsert", key);
            ctx.out.int(len as i64);
        }
    }
}

/// LREM key count element
pub(crate) fn lrem(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let key = args.at(1);
    let count = match whole(args.at(2)) {
        Ok(count) => count,
        Err(error) => return ctx.out.error(error),
    };
    let from = if count < 0 { End::Back } else { End::Front };
    let limit = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
    let removed = edit(ctx, key, |list, _| {
        let removed = list.remove_equal(args.at(3), from, limit);
        (removed, list.is_empty())
    });
    match removed {
        Found::Nothing | Found::List((0, _)) => ctx.out.int(0),
        Found::Other => {}
        Found::List((removed, empty)) => {
            ctx.modified(EventClass::LIST, "lrem", key);
            ctx.fx.dirty += removed as u64 - 1;
            if empty {
                delete_empty(ctx, key);
            }
            ctx.out.int(removed as i64);
        }
    }
}

/// LTRIM key start stop
pub(crate) fn ltrim(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let key = args.at(1);
    let (Some(start), Some(stop)) = (parse_i64(args.at(2)), parse_i64(args.at(3))) else {
        return ctx.out.error(NOT_INTEGER);
    };
    let trimmed = edit(ctx, key, |list, _| {
        let len = list.len();
        let range = range(start, stop, len);
        list.remove(range.end..len);
        list.remove(0..range.start);
        (len - range.len(), range.is_empty())
    });
    match trimmed {
        Found::Nothing => {}
        Found::Other => return,
        Found::List((removed, empty)) => {
            ctx.notify(EventClass::LIST, "ltrim", key);
            if empty {
                delete_empty(ctx, key);
            }
            if removed > 0 {
                ctx.touch_key(ctx.db, key);
                ctx.fx.dirty += removed as u64;
            }
        }
    }
    ctx.out.ok();
}
