//! Reading strings.

use resp::Args;

use super::options::{Allowed, Options};
use super::set::reply_old_value;
use crate::Ctx;
use crate::effects::EventClass;
use crate::errors::{NOT_INTEGER, SYNTAX, WRONG_TYPE};
use crate::number::parse_i64;

/// GET key
pub(crate) fn get(ctx: &mut Ctx<'_>, args: Args<'_>) {
    ctx.read(args.at(1), |entry, out| match entry {
        None => out.null(),
        Some(entry) => match entry.str() {
            Some(value) => out.bulk(value),
            None => out.error(WRONG_TYPE),
        },
    });
}

/// MGET key [key ...]
pub(crate) fn mget(ctx: &mut Ctx<'_>, args: Args<'_>) {
    ctx.out.array(args.len() - 1);
    for key in args.from(1) {
        ctx.read(key, |entry, out| match entry.and_then(|entry| entry.str()) {
            Some(value) => out.bulk(value),
            None => out.null(),
        });
    }
}

/// GETDEL key
pub(crate) fn getdel(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let key = args.at(1);
    if !reply_old_value(ctx, key) {
        return;
    }
    if let Some(removed) = ctx.take(key) {
        ctx.discard(removed, ctx.env.lazyfree_user_del);
        ctx.modified(EventClass::GENERIC, "del", key);
        ctx.fx.rewrite(&[b"DEL", key]);
    }
}

/// GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST]
pub(crate) fn getex(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let key = args.at(1);
    let Some(options) = Options::parse(args, 2, Allowed::GetEx) else { return ctx.out.error(SYNTAX) };
    let expiry = match options.expiry(ctx.env.now_ms).transpose() {
        Ok(expiry) => expiry,
        Err(error) => return error.reply(ctx.out, "getex"),
    };
    let found = ctx.read(key, |entry, out| match entry.map(|entry| (entry.str(), entry.expiry())) {
        None => {
            out.null();
            None
        }
        Some((None, _)) => {
            out.error(WRONG_TYPE);
            None
        }
        Some((Some(value), old_expiry)) => {
            out.bulk(value);
            Some(old_expiry)
        }
    });
    let Some(old_expiry) = found else { return };
    if let Some(at) = expiry {
        if ctx.env.is_past(at as i64) {
            ctx.expire_now(key);
        } else {
            ctx.db_mut().set_expiry(key, Some(at));
            ctx.modified(EventClass::GENERIC, "expire", key);
            let mut digits = itoa::Buffer::new();
            ctx.fx.rewrite(&[b"PEXPIREAT", key, digits.format(at).as_bytes()]);
        }
    } else if options.persist && old_expiry.is_some() {
        ctx.db_mut().set_expiry(key, None);
        ctx.modified(EventClass::GENERIC, "persist", key);
        ctx.fx.rewrite(&[b"PERSIST", key]);
    }
}

/// STRLEN key
pub(crate) fn strlen(ctx: &mut Ctx<'_>, args: Args<'_>) {
    ctx.read(args.at(1), |entry, out| match entry.map(|entry| entry.str()) {
        None => out.int(0),
        Some(Some(value)) => out.int(value.len() as i64),
        Some(None) => out.error(WRONG_TYPE),
    });
}

/// GETRANGE key start end, also as SUBSTR
pub(crate) fn getrange(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (Some(start), Some(end)) = (parse_i64(args.at(2)), parse_i64(args.at(3))) else {
        return ctx.out.error(NOT_INTEGER);
    };
    ctx.read(args.at(1), |entry, out| match entry.map(|entry| entry.str()) {
        None => out.bulk(b""),
        Some(Some(value)) => out.bulk(slice(value, start, end)),
        Some(None) => out.error(WRONG_TYPE),
    });
}

/// The bytes from `start` to `end`, both included, negative ones counted from the end.
fn slice(value: &[u8], start: i64, end: i64) -> &[u8] {
    // Seen from the end, a range that runs backwards stays empty although clamping might turn it round.
    if start < 0 && end < 0 && start > end {
        return b"";
    }
    let len = value.len() as i64;
    let from_front = |at: i64| if at < 0 { (len + at).max(0) } else { at };
    let (start, end) = (from_front(start), from_front(end).min(len - 1));
    if start > end { b"" } else { &value[start as usize..=end as usize] }
}
