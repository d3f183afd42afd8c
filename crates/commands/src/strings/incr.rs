//! Counters.

use keyspace::SetExpiry;
use resp::Args;

use super::float::Float;
use crate::Ctx;
use crate::effects::EventClass;
use crate::errors::{NOT_FLOAT, NOT_INTEGER, WRONG_TYPE};
use crate::number::parse_i64;

const OVERFLOW: &str = "ERR increment or decrement would overflow";

/// INCR key
pub(crate) fn incr(ctx: &mut Ctx<'_>, args: Args<'_>) {
    add(ctx, args.at(1), 1);
}

/// DECR key
pub(crate) fn decr(ctx: &mut Ctx<'_>, args: Args<'_>) {
    add(ctx, args.at(1), -1);
}

/// INCRBY key increment
pub(crate) fn incrby(ctx: &mut Ctx<'_>, args: Args<'_>) {
    match parse_i64(args.at(2)) {
        Some(by) => add(ctx, args.at(1), by),
        None => ctx.out.error(NOT_INTEGER),
    }
}

/// DECRBY key decrement
pub(crate) fn decrby(ctx: &mut Ctx<'_>, args: Args<'_>) {
    match parse_i64(args.at(2)) {
        Some(i64::MIN) => ctx.out.error("ERR decrement would overflow"),
        Some(by) => add(ctx, args.at(1), -by),
        None => ctx.out.error(NOT_INTEGER),
    }
}

fn add(ctx: &mut Ctx<'_>, key: &[u8], by: i64) {
    let updated = ctx.update(key, |entry| {
        let text = entry.as_entry().str().ok_or(WRONG_TYPE)?;
        let old = parse_i64(text).ok_or(NOT_INTEGER)?;
        let new = old.checked_add(by).ok_or(OVERFLOW)?;
        entry.set_str(itoa::Buffer::new().format(new).as_bytes());
        Ok(new)
    });
    let new = match updated {
        Some(Ok(new)) => new,
        Some(Err(error)) => return ctx.out.error(error),
        None => {
            ctx.store(key, itoa::Buffer::new().format(by).as_bytes(), SetExpiry::Clear);
            by
        }
    };
    ctx.modified(EventClass::STRING, "incrby", key);
    ctx.out.int(new);
}

/// INCRBYFLOAT key increment
pub(crate) fn incrbyfloat(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let key = args.at(1);
    let old = match ctx.lookup_write(key).map(|entry| entry.str().map(Float::parse)) {
        None => Some(Float::ZERO),
        Some(Some(value)) => value,
        Some(None) => return ctx.out.error(WRONG_TYPE),
    };
    let (Some(old), Some(by)) = (old, Float::parse(args.at(2))) else { return ctx.out.error(NOT_FLOAT) };
    let Some(text) = old.plus(by).to_text() else {
        return ctx.out.error("ERR increment would produce NaN or Infinity");
    };
    ctx.store(key, text.as_bytes(), SetExpiry::Keep);
    ctx.modified(EventClass::STRING, "incrbyfloat", key);
    ctx.out.bulk(text.as_bytes());
    // The sum, not the addition: another machine may compute with another precision.
    ctx.fx.rewrite(&[b"SET", key, text.as_bytes(), b"KEEPTTL"]);
}
