//! When fields expire: asking for it.

use resp::Args;

use super::fields::named;
use super::get::look;
use crate::Ctx;
use crate::errors::SYNTAX;

/// HTTL key FIELDS numfields field [field ...]
pub(crate) fn httl(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let now_ms = ctx.env.now_ms;
    reply(ctx, args, |at| (at.saturating_sub(now_ms) + 500) / 1000);
}

/// HPTTL key FIELDS numfields field [field ...]
pub(crate) fn hpttl(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let now_ms = ctx.env.now_ms;
    reply(ctx, args, |at| at.saturating_sub(now_ms));
}

/// HEXPIRETIME key FIELDS numfields field [field ...]
pub(crate) fn hexpiretime(ctx: &mut Ctx<'_>, args: Args<'_>) {
    reply(ctx, args, |at| (at + 500) / 1000);
}

/// HPEXPIRETIME key FIELDS numfields field [field ...]
pub(crate) fn hpexpiretime(ctx: &mut Ctx<'_>, args: Args<'_>) {
    reply(ctx, args, |at| at);
}

/// -2 for a field that is missing, -1 for one that stays.
fn reply(ctx: &mut Ctx<'_>, args: Args<'_>, show: impl Fn(u64) -> u64) {
    let names = match named(args.from(2), SYNTAX, SYNTAX) {
        Ok(names) => names,
        Err(error) => return ctx.out.error(error),
    };
    look(ctx, args.at(1), |hash, env, out| {
        out.array(names.len());
        for name in names {
            let field = hash.and_then(|hash| hash.get(name));
            out.int(match field.filter(|(_, expiry)| !env.is_expired(*expiry)) {
                None => -2,
                Some((_, None)) => -1,
                Some((_, Some(at))) => show(at) as i64,
            });
        }
    });
}
