//! The commands that wait for an element: BLPOP, BRPOP, BLMPOP, BLMOVE, BRPOPLPUSH.

use keyspace::{Kind, ListEnd as End};
use resp::Args;

use super::options::{Several, end};
use super::pop::{pop_first, pop_one};
use super::transfer::{Outcome, transfer};
use super::{Found, edit, look_for, note_popped};
use crate::Ctx;
use crate::deadline::deadline;
use crate::effects::{BlockRequest, TimeoutReply};

/// BLPOP key [key ...] timeout
pub(crate) fn blpop(ctx: &mut Ctx<'_>, args: Args<'_>) {
    pop(ctx, args, End::Front);
}

/// BRPOP key [key ...] timeout
pub(crate) fn brpop(ctx: &mut Ctx<'_>, args: Args<'_>) {
    pop(ctx, args, End::Back);
}

fn pop(ctx: &mut Ctx<'_>, args: Args<'_>, end: End) {
    let last = args.len() - 1;
    let keys = args.slice(1..last);
    let deadline = match deadline(args.at(last), ctx.env.now_ms) {
        Ok(deadline) => deadline,
        Err(error) => return ctx.out.error(error),
    };
    for key in keys {
        match look_for(ctx, key) {
            Found::Nothing => continue,
            Found::Other => return,
            Found::List(()) => {}
        }
        ctx.out.array(2);
        ctx.out.bulk(key);
        if let Found::List(empty) = edit(ctx, key, |list, out| pop_one(list, end, out)) {
            note_popped(ctx, key, end, 1, empty);
            let name: &[u8] = if end == End::Front { b"LPOP" } else { b"RPOP" };
            ctx.fx.rewrite(&[name, key]);
        }
        return;
    }
    if ctx.env.may_block {
        wait(ctx, keys, deadline);
    } else {
        ctx.out.null_array();
    }
}

/// BLMPOP timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]
pub(crate) fn blmpop(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let parsed =
        Several::parse(args, 2).and_then(|several| Ok((several, deadline(args.at(1), ctx.env.now_ms)?)));
    let (several, deadline) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return ctx.out.error(error),
    };
    if pop_first(ctx, &several) {
        return;
    }
    if ctx.env.may_block {
        wait(ctx, several.keys, deadline);
    } else {
        ctx.out.null_array();
    }
}

/// BLMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout
pub(crate) fn blmove(ctx: &mut Ctx<'_>, args: Args<'_>) {
    match (end(args.at(3)), end(args.at(4))) {
        (Ok(from), Ok(to)) => {
            let effect: [&[u8]; 5] = [b"LMOVE", args.at(1), args.at(2), args.at(3), args.at(4)];
            move_or_wait(ctx, args, (from, to), args.at(5), &effect);
        }
        (Err(error), _) | (_, Err(error)) => ctx.out.error(error),
    }
}

/// BRPOPLPUSH source destination timeout
pub(crate) fn brpoplpush(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let effect: [&[u8]; 3] = [b"RPOPLPUSH", args.at(1), args.at(2)];
    move_or_wait(ctx, args, (End::Back, End::Front), args.at(3), &effect);
}

fn move_or_wait(ctx: &mut Ctx<'_>, args: Args<'_>, (from, to): (End, End), timeout: &[u8], effect: &[&[u8]]) {
    let deadline = match deadline(timeout, ctx.env.now_ms) {
        Ok(deadline) => deadline,
        Err(error) => return ctx.out.error(error),
    };
    match transfer(ctx, args, from, to) {
        Outcome::Moved => ctx.fx.rewrite(effect),
        Outcome::Refused => {}
        Outcome::NoSource if ctx.env.may_block => wait(ctx, args.slice(1..2), deadline),
        Outcome::NoSource => ctx.out.null(),
    }
}

fn wait(ctx: &mut Ctx<'_>, keys: Args<'_>, deadline_ms: Option<u64>) {
    ctx.fx.block(BlockRequest {
        keys: keys.iter().map(Into::into).collect(),
        kind: Kind::List,
        deadline_ms,
        on_timeout: TimeoutReply::NullArray,
        wake_when_gone: false,
        request: None,
    });
}
