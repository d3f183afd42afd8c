//! Questions about keys.

use keyspace::Entry;
use resp::Args;

use crate::Ctx;
use crate::env::ExpiryMode;
use crate::glob;

/// How many expired keys in a row RANDOMKEY passes over where it may not delete them.
const MAX_TRIES: usize = 100;

/// EXISTS key [key ...]
pub(crate) fn exists(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let count = args.from(1).iter().filter(|key| ctx.inspect(key, |entry, _| entry.is_some())).count();
    ctx.out.int(count as i64);
}

/// TOUCH key [key ...]
pub(crate) fn touch(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let env = ctx.env;
    let touched = |entry: Option<Entry<'_>>| {
        // It is what the command is for, so CLIENT NO-TOUCH does not keep it from that.
        if let Some(entry) = entry.filter(|_| env.no_touch && !env.lfu) {
            entry.set_access(env.clock);
        }
        entry.is_some()
    };
    let count = args.from(1).iter().filter(|key| ctx.read(key, |entry, _| touched(entry))).count();
    ctx.out.int(count as i64);
}

/// TYPE key
pub(crate) fn key_type(ctx: &mut Ctx<'_>, args: Args<'_>) {
    ctx.inspect(args.at(1), |entry, out| out.simple(entry.map_or("none", |entry| entry.kind().name())));
}

/// KEYS pattern
pub(crate) fn keys(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let pattern = args.at(1);
    let everything = pattern == b"*";
    let mark = ctx.out.deferred_len();
    let mut count = 0;
    for entry in ctx.ks.db(ctx.db).iter() {
        let key = entry.key();
        if (everything || glob::matches(pattern, key)) && !ctx.env.is_expired(entry.expiry()) {
            ctx.out.bulk(key);
            count += 1;
        }
    }
    ctx.out.set_array_len(mark, count);
}

/// RANDOMKEY
pub(crate) fn randomkey(ctx: &mut Ctx<'_>, _: Args<'_>) {
    let mut tries = 0;
    ctx.fx.separate = true;
    loop {
        let Some(entry) = ctx.ks.db(ctx.db).random(ctx.rng) else { return ctx.out.null() };
        if !ctx.env.is_expired(entry.expiry()) {
            return ctx.out.bulk(entry.key());
        }
        tries += 1;
        if ctx.env.expiry == ExpiryMode::Delete {
            let key = entry.key().to_vec();
            ctx.expire_if_due(ctx.db, &key);
        } else if tries == MAX_TRIES {
            // Perhaps every key here has expired: better one of those than to search for ever.
            return ctx.out.bulk(entry.key());
        }
    }
}

/// DBSIZE
pub(crate) fn dbsize(ctx: &mut Ctx<'_>, _: Args<'_>) {
    let len = ctx.db().len();
    ctx.out.int(len as i64);
}
