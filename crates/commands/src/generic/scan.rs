//! SCAN.

use resp::Args;

use crate::Ctx;
use crate::env::ExpiryMode;
use crate::scan::{Elements, INVALID_CURSOR, Options, Target, parse_cursor};

/// SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]
pub(crate) fn scan(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let Some(cursor) = parse_cursor(args.at(1)) else { return ctx.out.error(INVALID_CURSOR) };
    let options = match Options::parse(args.from(2), Target::Keys) {
        Ok(options) => options,
        Err(error) => return ctx.out.error(&error),
    };
    let mut keys = Elements::new();
    let mut expired: Vec<Box<[u8]>> = Vec::new();
    let env = ctx.env;
    let next = ctx.ks.db(ctx.db).scan(cursor, options.count, &mut |entry| {
        let key = entry.key();
        // Keys that are not asked for stay, also those whose time is over.
        if options.kind.is_some_and(|kind| kind != entry.kind()) || !options.matches(key) {
            return;
        }
        if !env.is_expired(entry.expiry()) {
            keys.push(key);
        } else if env.expiry == ExpiryMode::Delete {
            expired.push(key.into());
        }
    });
    ctx.fx.separate = true;
    for key in expired {
        ctx.expire_if_due(ctx.db, &key);
    }
    keys.reply(next, ctx.out);
}
