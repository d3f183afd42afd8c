//! Setting and removing expiries.

use resp::Args;

use crate::Ctx;
use crate::effects::EventClass;
use crate::errors::{self, NOT_INTEGER};
use crate::number::parse_i64;

/// EXPIRE key seconds [NX | XX | GT | LT]
pub(crate) fn expire(ctx: &mut Ctx<'_>, args: Args<'_>) {
    set_expiry(ctx, args, 1000, ctx.env.now_ms, "expire");
}

/// PEXPIRE key milliseconds [NX | XX | GT | LT]
pub(crate) fn pexpire(ctx: &mut Ctx<'_>, args: Args<'_>) {
    set_expiry(ctx, args, 1, ctx.env.now_ms, "pexpire");
}

/// EXPIREAT key unix-time-seconds [NX | XX | GT | LT]
pub(crate) fn expireat(ctx: &mut Ctx<'_>, args: Args<'_>) {
    set_expiry(ctx, args, 1000, 0, "expireat");
}

/// PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT]
pub(crate) fn pexpireat(ctx: &mut Ctx<'_>, args: Args<'_>) {
    set_expiry(ctx, args, 1, 0, "pexpireat");
}

/// On which old expiry a new one depends.
#[derive(Clone, Copy, Default)]
pub(crate) struct Condition {
    none: bool,
    some: bool,
    greater: bool,
    less: bool,
}

impl Condition {
    /// Reads the words of it; the error is the reply.
    pub(crate) fn parse(args: Args<'_>) -> Result<Self, String> {
        let mut condition = Condition::default();
        for word in args.iter() {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            match () {
                () if is("NX") => condition.none = true,
                () if is("XX") => condition.some = true,
                () if is("GT") => condition.greater = true,
                () if is("LT") => condition.less = true,
                () => return Err(format!("ERR Unsupported option {}", String::from_utf8_lossy(word))),
            }
        }
        if condition.none && (condition.some || condition.greater || condition.less) {
            return Err("ERR NX and XX, GT or LT options at the same time are not compatible".into());
        }
        if condition.greater && condition.less {
            return Err("ERR GT and LT options at the same time are not compatible".into());
        }
        Ok(condition)
    }

    /// A key without an expiry lives for ever: longer than any.
    pub(crate) fn allows(self, old: Option<u64>, new: i64) -> bool {
        let old = old.map(|old| old as i64);
        !(self.none && old.is_some()
            || self.some && old.is_none()
            || self.greater && old.is_none_or(|old| new <= old)
            || self.less && old.is_some_and(|old| new >= old))
    }
}

fn set_expiry(ctx: &mut Ctx<'_>, args: Args<'_>, unit_ms: i64, base_ms: u64, name: &str) {
    let key = args.at(1);
    let condition = match Condition::parse(args.from(3)) {
        Ok(condition) => condition,
        Err(error) => return ctx.out.error(&error),
    };
    let Some(value) = parse_i64(args.at(2)) else { return ctx.out.error(NOT_INTEGER) };
    let Some(at) = value.checked_mul(unit_ms).and_then(|ms| ms.checked_add(base_ms as i64)) else {
        return errors::invalid_expire(ctx.out, name);
    };
    let Some(old) = ctx.lookup_write(key).map(|entry| entry.expiry()) else { return ctx.out.int(0) };
    if !condition.allows(old, at) {
        return ctx.out.int(0);
    }
    if ctx.env.is_past(at) {
        ctx.expire_now(key);
    } else {
        // Whoever may not delete keeps the key with a time that is over; before 1970 all such times are
        // alike.
        let at = at.max(1) as u64;
        ctx.db_mut().set_expiry(key, Some(at));
        ctx.modified(EventClass::GENERIC, "expire", key);
        let mut digits = itoa::Buffer::new();
        ctx.fx.rewrite(&[b"PEXPIREAT", key, digits.format(at).as_bytes()]);
    }
    ctx.out.int(1);
}

/// PERSIST key
pub(crate) fn persist(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let key = args.at(1);
    let expires = ctx.lookup_write(key).is_some_and(|entry| entry.expiry().is_some());
    if expires {
        ctx.db_mut().set_expiry(key, None);
        ctx.modified(EventClass::GENERIC, "persist", key);
    }
    ctx.out.int(i64::from(expires));
}

/// TTL key
pub(crate) fn ttl(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let now_ms = ctx.env.now_ms;
    reply_expiry(ctx, args, |at| (at.saturating_sub(now_ms) + 500) / 1000);
}

/// PTTL key
pub(crate) fn pttl(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let now_ms = ctx.env.now_ms;
    reply_expiry(ctx, args, |at| at.saturating_sub(now_ms));
}

/// EXPIRETIME key
pub(crate) fn expiretime(ctx: &mut Ctx<'_>, args: Args<'_>) {
    reply_expiry(ctx, args, |at| (at + 500) / 1000);
}

/// PEXPIRETIME key
pub(crate) fn pexpiretime(ctx: &mut Ctx<'_>, args: Args<'_>) {
    reply_expiry(ctx, args, |at| at);
}

/// -2 for a key that is missing, -1 for one that stays.
fn reply_expiry(ctx: &mut Ctx<'_>, args: Args<'_>, show: impl FnOnce(u64) -> u64) {
    ctx.inspect(args.at(1), |entry, out| {
        out.int(match entry.map(|entry| entry.expiry()) {
            None => -2,
            Some(None) => -1,
            Some(Some(at)) => show(at) as i64,
        });
    });
}
