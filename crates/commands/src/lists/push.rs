//! Adding at the ends: LPUSH and its relatives.

use keyspace::{ListEnd as End, NewList};
use resp::Args;

use super::{Found, edit};
use crate::Ctx;
use crate::effects::EventClass;

/// LPUSH key element [element ...]
pub(crate) fn lpush(ctx: &mut Ctx<'_>, args: Args<'_>) {
    push(ctx, args, End::Front, true);
}

/// RPUSH key element [element ...]
pub(crate) fn rpush(ctx: &mut Ctx<'_>, args: Args<'_>) {
    push(ctx, args, End::Back, true);
}

/// LPUSHX key element [element ...]
pub(crate) fn lpushx(ctx: &mut Ctx<'_>, args: Args<'_>) {
    push(ctx, args, End::Front, false);
}

/// RPUSHX key element [element ...]
pub(crate) fn rpushx(ctx: &mut Ctx<'_>, args: Args<'_>) {
    push(ctx, args, End::Back, false);
}

fn push(ctx: &mut Ctx<'_>, args: Args<'_>, end: End, create: bool) {
    let (key, texts) = (args.at(1), args.from(2));
    let len = match edit(ctx, key, |list, _| list.push(end, texts.iter())) {
        Found::List(len) => len,
        Found::Other => return,
        Found::Nothing if !create => return ctx.out.int(0),
        Found::Nothing => {
            make(ctx, key, end, texts);
            texts.len()
        }
    };
    note_pushed(ctx, key, end);
    ctx.fx.dirty += texts.len() as u64;
    ctx.out.int(len as i64);
}

/// Makes a list by pushing elements at one end.
pub(super) fn make<'t, T>(ctx: &mut Ctx<'_>, key: &[u8], end: End, texts: T)
where
    T: IntoIterator<Item = &'t [u8], IntoIter: DoubleEndedIterator + Clone>,
{
    if let Some(value) = NewList::pushed(end, texts.into_iter(), &ctx.env.limits) {
        ctx.put(key, value);
        // Those who wait for this list wait because there was none; one that grows has nobody waiting.
        ctx.signal_ready(key);
    }
}

/// Accounts for elements that were added, but for their number.
pub(super) fn note_pushed(ctx: &mut Ctx<'_>, key: &[u8], end: End) {
    ctx.touch_key(ctx.db, key);
    ctx.notify(EventClass::LIST, if end == End::Front { "lpush" } else { "rpush" }, key);
}
