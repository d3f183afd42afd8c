//! Taking from the ends: LPOP, RPOP, LMPOP.

use keyspace::{ListEnd as End, ListMut};
use resp::{Args, ReplyBuf};

use super::options::{Several, positive};
use super::read::write_range;
use super::{Found, edit, look_for, note_popped};
use crate::{Ctx, element, errors};

/// LPOP key [count]
pub(crate) fn lpop(ctx: &mut Ctx<'_>, args: Args<'_>) {
    pop(ctx, args, End::Front);
}

/// RPOP key [count]
pub(crate) fn rpop(ctx: &mut Ctx<'_>, args: Args<'_>) {
    pop(ctx, args, End::Back);
}

fn pop(ctx: &mut Ctx<'_>, args: Args<'_>, end: End) {
    let key = args.at(1);
    if args.len() > 2 {
        return pop_some(ctx, args, end);
    }
    match edit(ctx, key, |list, out| pop_one(list, end, out)) {
        Found::List(empty) => note_popped(ctx, key, end, 1, empty),
        Found::Other => {}
        Found::Nothing => ctx.out.null(),
    }
}

fn pop_some(ctx: &mut Ctx<'_>, args: Args<'_>, end: End) {
    let key = args.at(1);
    if args.len() > 3 {
        return errors::wrong_arity(ctx.out, if end == End::Front { "lpop" } else { "rpop" });
    }
    let count = match positive(args.at(2)) {
        Some(count) => count,
        None => return ctx.out.error("ERR value is out of range, must be positive"),
    };
    match edit(ctx, key, |list, out| pop_many(list, end, count, out)) {
        Found::List((0, _)) | Found::Other => {}
        Found::List((taken, empty)) => note_popped(ctx, key, end, taken, empty),
        Found::Nothing => ctx.out.null_array(),
    }
}

/// Takes one element and replies with it; whether it was the last.
#[inline]
pub(super) fn pop_one(list: &mut ListMut<'_, '_>, end: End, out: &mut ReplyBuf) -> bool {
    list.pop(end, |element| element::bulk(out, element));
    list.is_empty()
}

/// Takes up to `count` elements and replies with them; how many there were, and whether they were the last.
pub(super) fn pop_many(
    list: &mut ListMut<'_, '_>,
    end: End,
    count: usize,
    out: &mut ReplyBuf,
) -> (usize, bool) {
    let len = list.len();
    let range = match end {
        End::Front => 0..count.min(len),
        End::Back => len.saturating_sub(count)..len,
    };
    let taken = range.len();
    write_range(list.as_ref(), range.clone(), end, out);
    list.remove(range);
    (taken, taken == len)
}

/// LMPOP numkeys key [key ...] <LEFT | RIGHT> [COUNT count]
pub(crate) fn lmpop(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let several = match Several::parse(args, 1) {
        Ok(several) => several,
        Err(error) => return ctx.out.error(error),
    };
    if !pop_first(ctx, &several) {
        ctx.out.null_array();
    }
}

/// Takes elements off the first list that is there; false if there is none, and no reply either.
pub(super) fn pop_first(ctx: &mut Ctx<'_>, several: &Several<'_>) -> bool {
    let end = several.end;
    for key in several.keys {
        match look_for(ctx, key) {
            Found::Nothing => continue,
            Found::Other => return true,
            Found::List(()) => {}
        }
        ctx.out.array(2);
        ctx.out.bulk(key);
        if let Found::List((taken, empty)) =
            edit(ctx, key, |list, out| pop_many(list, end, several.count, out))
        {
            note_popped(ctx, key, end, taken, empty);
            let name: &[u8] = if end == End::Front { b"LPOP" } else { b"RPOP" };
            ctx.fx.rewrite(&[name, key, itoa::Buffer::new().format(taken).as_bytes()]);
        }
        return true;
    }
    false
}
