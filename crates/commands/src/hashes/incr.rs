//! Counters in fields.

use keyspace::{Element, FieldExpiry, HashDraft, HashMut, HashRef, TextBuffer};
use resp::Args;

use super::fields::note_expired;
use crate::Ctx;
use crate::effects::EventClass;
use crate::errors::{NOT_FLOAT, NOT_INTEGER, WRONG_TYPE};
use crate::number::parse_i64;
use crate::strings::float::Float;

/// What a counter was before it is added to.
struct Before<T> {
    value: T,
    /// When it expires, which stays.
    expiry: Option<u64>,
    /// There was a field, but its time was over.
    over: bool,
}

/// Reads the number in a field; a field that is missing, or over, counts as `zero`. The error is the reply.
fn read<T>(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    zero: T,
    parse: impl FnOnce(Element<'_>) -> Result<T, &'static str>,
) -> Result<Before<T>, &'static str> {
    let env = ctx.env;
    let Some(entry) = ctx.lookup_write(args.at(1)) else {
        return Ok(Before { value: zero, expiry: None, over: false });
    };
    match HashRef::of(&entry).ok_or(WRONG_TYPE)?.get(args.at(2)) {
        None => Ok(Before { value: zero, expiry: None, over: false }),
        Some((_, expiry)) if env.is_expired(expiry) => Ok(Before { value: zero, expiry: None, over: true }),
        Some((text, expiry)) => Ok(Before { value: parse(text)?, expiry, over: false }),
    }
}

/// Stores a counter; a key that is missing becomes a hash.
fn store(ctx: &mut Ctx<'_>, args: Args<'_>, text: &[u8], expiry: FieldExpiry) {
    let (key, name) = (args.at(1), args.at(2));
    let env = ctx.env;
    let done = ctx.ks.db_mut(ctx.db).get_mut(key).and_then(|mut entry| {
        HashMut::of(&mut entry, &env.limits)?.set(name, text, expiry);
        Some(())
    });
    if done.is_none() {
        let mut hash = HashDraft::new(&env.limits, ctx.db().value_hasher());
        hash.set(name, text, expiry);
        ctx.put(key, hash.into_value());
    }
}

/// A counter that was over begins anew, without an expiry.
fn expiry_after<T>(before: &Before<T>) -> FieldExpiry {
    if before.over { FieldExpiry::Clear } else { FieldExpiry::Keep }
}

/// HINCRBY key field increment
pub(crate) fn hincrby(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let Some(by) = parse_i64(args.at(3)) else { return ctx.out.error(NOT_INTEGER) };
    let before = read(ctx, args, 0, |value| value.as_int().ok_or("ERR hash value is not an integer"));
    let before = match before {
        Ok(before) => before,
        Err(error) => return ctx.out.error(error),
    };
    let Some(sum) = before.value.checked_add(by) else {
        return ctx.out.error("ERR increment or decrement would overflow");
    };
    let mut digits = itoa::Buffer::new();
    let text = digits.format(sum).as_bytes();
    store(ctx, args, text, expiry_after(&before));
    if before.over || before.expiry.is_some() {
        // To a reader of the log, who does not expire by himself or does so later, another number may be there.
        log_sum(ctx, args, text, &before);
    }
    ctx.modified(EventClass::HASH, "hincrby", args.at(1));
    ctx.out.int(sum);
}

/// HINCRBYFLOAT key field increment
pub(crate) fn hincrbyfloat(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let key = args.at(1);
    let Some(by) = Float::parse(args.at(3)) else { return ctx.out.error(NOT_FLOAT) };
    if !matches!(by, Float::Finite { .. }) {
        return ctx.out.error("ERR value is NaN or Infinity");
    }
    let before = read(ctx, args, Float::ZERO, |value| {
        Float::parse(value.text(&mut TextBuffer::new())).ok_or("ERR hash value is not a float")
    });
    let before = match before {
        Ok(before) => before,
        Err(error) => return ctx.out.error(error),
    };
    let Some(text) = before.value.plus(by).to_text() else {
        return ctx.out.error("ERR increment would produce NaN or Infinity");
    };
    store(ctx, args, text.as_bytes(), expiry_after(&before));
    // The sum, not the addition: another machine may compute with another precision.
    log_sum(ctx, args, text.as_bytes(), &before);
    ctx.modified(EventClass::HASH, "hincrbyfloat", key);
    ctx.out.bulk(text.as_bytes());
}

/// Logs what a counter is now. HSET would take its expiry away.
fn log_sum<T>(ctx: &mut Ctx<'_>, args: Args<'_>, text: &[u8], before: &Before<T>) {
    let (key, name) = (args.at(1), args.at(2));
    match before.expiry {
        Some(at) => {
            let mut digits = itoa::Buffer::new();
            let at = digits.format(at).as_bytes();
            ctx.fx.newer = true;
            ctx.fx.rewrite(&[b"HSETEX", key, b"PXAT", at, b"FIELDS", b"1", name, text]);
        }
        None => ctx.fx.rewrite(&[b"HSET", key, name, text]),
    }
    note_expired(ctx, key, before.over.into());
}
