//! Storing strings: SET and its older relatives.

use keyspace::SetExpiry;
use resp::Args;

use super::options::{Allowed, Condition, Options, parse_expiry};
use crate::Ctx;
use crate::effects::EventClass;
use crate::errors::{self, SYNTAX, WRONG_TYPE};

/// SET key value [NX | XX | IFEQ comparison-value] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]
pub(crate) fn set(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (key, value) = (args.at(1), args.at(2));
    if args.len() == 3 {
        // The old value does not matter, not even whether its time is over: no lookup but the one that
        // stores.
        ctx.store(key, value, SetExpiry::Clear);
        ctx.modified(EventClass::STRING, "set", key);
        ctx.out.ok();
        return;
    }
    set_with_options(ctx, args);
}

fn set_with_options(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (key, value) = (args.at(1), args.at(2));
    let Some(options) = Options::parse(args, 3, Allowed::Set) else { return ctx.out.error(SYNTAX) };
    let expiry = match options.expiry(ctx.env.now_ms) {
        None if options.keep_ttl => SetExpiry::Keep,
        None => SetExpiry::Clear,
        Some(Ok(at)) => SetExpiry::At(at),
        Some(Err(error)) => return error.reply(ctx.out, "set"),
    };
    if options.get && !reply_old_value(ctx, key) {
        return;
    }
    let allowed = match options.condition {
        Condition::None => true,
        Condition::NotExists => ctx.lookup_write(key).is_none(),
        Condition::Exists => ctx.lookup_write(key).is_some(),
        Condition::Equals(expected) => {
            match ctx.lookup_write(key).map(|entry| entry.str().map(|old| old == expected)) {
                None => false,
                Some(Some(equal)) => equal,
                // With GET the reply is out already, and it was an error.
                Some(None) => return ctx.out.error(WRONG_TYPE),
            }
        }
    };
    if !allowed {
        if !options.get {
            ctx.out.null();
        }
        return;
    }
    if let SetExpiry::At(at) = expiry
        && ctx.env.is_past(at as i64)
    {
        // It would be gone at once; only what it replaces has to go.
        if ctx.lookup_write(key).is_some() {
            ctx.expire_now(key);
        }
        if !options.get {
            ctx.out.ok();
        }
        return;
    }
    if expiry == SetExpiry::Keep {
        // What is kept must be a time that still lies ahead.
        ctx.expire_for_write(ctx.db, key);
    }
    ctx.store(key, value, expiry);
    ctx.modified(EventClass::STRING, "set", key);
    if !options.get {
        ctx.out.ok();
    }
    if let SetExpiry::At(at) = expiry {
        ctx.notify(EventClass::GENERIC, "expire", key);
        // With nothing but the moment it says the same to everybody as it is.
        if args.len() != 5 || !args.at(3).eq_ignore_ascii_case(b"PXAT") {
            let mut digits = itoa::Buffer::new();
            ctx.fx.rewrite(&[b"SET", key, value, b"PXAT", digits.format(at).as_bytes()]);
        }
    } else if options.get || matches!(options.condition, Condition::Equals(_)) {
        // GET would only make the replica reply; IFEQ is not known to all of them, and its outcome is known
        // here.
        let words: [&[u8]; 4] = [b"SET", key, value, b"KEEPTTL"];
        ctx.fx.rewrite(if options.keep_ttl { &words } else { &words[..3] });
    }
}

/// Replies with the value that is about to be replaced; `false` if it is no string and the reply an error.
pub(super) fn reply_old_value(ctx: &mut Ctx<'_>, key: &[u8]) -> bool {
    ctx.read(key, |entry, out| match entry.map(|entry| entry.str()) {
        None => {
            out.null();
            true
        }
        Some(Some(value)) => {
            out.bulk(value);
            true
        }
        Some(None) => {
            out.error(WRONG_TYPE);
            false
        }
    })
}

/// SETNX key value
pub(crate) fn setnx(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let key = args.at(1);
    if ctx.lookup_write(key).is_some() {
        return ctx.out.int(0);
    }
    ctx.store(key, args.at(2), SetExpiry::Clear);
    ctx.modified(EventClass::STRING, "set", key);
    ctx.out.int(1);
}

/// SETEX key seconds value
pub(crate) fn setex(ctx: &mut Ctx<'_>, args: Args<'_>) {
    set_for(ctx, args, 1000, "setex");
}

/// PSETEX key milliseconds value
pub(crate) fn psetex(ctx: &mut Ctx<'_>, args: Args<'_>) {
    set_for(ctx, args, 1, "psetex");
}

fn set_for(ctx: &mut Ctx<'_>, args: Args<'_>, unit_ms: i64, name: &str) {
    let (key, value) = (args.at(1), args.at(3));
    let at = match parse_expiry(args.at(2), unit_ms, ctx.env.now_ms) {
        Ok(at) => at,
        Err(error) => return error.reply(ctx.out, name),
    };
    ctx.store(key, value, SetExpiry::At(at));
    ctx.modified(EventClass::STRING, "set", key);
    ctx.notify(EventClass::GENERIC, "expire", key);
    ctx.out.ok();
    let mut digits = itoa::Buffer::new();
    ctx.fx.rewrite(&[b"SET", key, value, b"PXAT", digits.format(at).as_bytes()]);
}

/// GETSET key value
pub(crate) fn getset(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (key, value) = (args.at(1), args.at(2));
    if !reply_old_value(ctx, key) {
        return;
    }
    ctx.store(key, value, SetExpiry::Clear);
    ctx.modified(EventClass::STRING, "set", key);
    ctx.fx.rewrite(&[b"SET", key, value]);
}

/// MSET key value [key value ...]
pub(crate) fn mset(ctx: &mut Ctx<'_>, args: Args<'_>) {
    if args.len().is_multiple_of(2) {
        return errors::wrong_arity(ctx.out, "mset");
    }
    store_pairs(ctx, args.from(1), SetExpiry::Clear);
    ctx.out.ok();
}

/// MSETNX key value [key value ...]
pub(crate) fn msetnx(ctx: &mut Ctx<'_>, args: Args<'_>) {
    if args.len().is_multiple_of(2) {
        return errors::wrong_arity(ctx.out, "msetnx");
    }
    for at in (1..args.len()).step_by(2) {
        if ctx.lookup_write(args.at(at)).is_some() {
            return ctx.out.int(0);
        }
    }
    store_pairs(ctx, args.from(1), SetExpiry::Clear);
    ctx.out.int(1);
}

fn store_pairs(ctx: &mut Ctx<'_>, pairs: Args<'_>, expiry: SetExpiry) {
    for at in (0..pairs.len() - 1).step_by(2) {
        let key = pairs.at(at);
        ctx.store(key, pairs.at(at + 1), expiry);
        ctx.modified(EventClass::STRING, "set", key);
    }
}

/// MSETEX numkeys key value [key value ...] [NX | XX] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]
pub(crate) fn msetex(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let count = crate::number::parse_i32(args.at(1)).ok().and_then(|count| usize::try_from(count).ok());
    let Some(count @ 1..) = count else {
        return ctx.out.error("ERR invalid numkeys value or out of range");
    };
    // The count is the client's word; 31 bits can't overflow here.
    let end = 2 + 2 * count;
    if end > args.len() {
        return ctx.out.error(SYNTAX);
    }
    let pairs = || (2..end).step_by(2).map(|at| (args.at(at), args.at(at + 1)));
    let Some(options) = Options::parse(args, end, Allowed::MSetEx) else { return ctx.out.error(SYNTAX) };
    let expiry = match options.expiry(ctx.env.now_ms) {
        None if options.keep_ttl => SetExpiry::Keep,
        None => SetExpiry::Clear,
        Some(Ok(at)) => SetExpiry::At(at),
        Some(Err(error)) => return error.reply(ctx.out, "msetex"),
    };
    for (key, _) in pairs() {
        let exists = ctx.lookup_write(key).is_some();
        let allowed = match options.condition {
            Condition::NotExists => !exists,
            Condition::Exists => exists,
            _ => true,
        };
        if !allowed {
            return ctx.out.int(0);
        }
    }
    let mut digits = itoa::Buffer::new();
    for (key, value) in pairs() {
        ctx.store(key, value, expiry);
        ctx.modified(EventClass::STRING, "set", key);
        // One SET a key: not every replica knows MSETEX.
        match expiry {
            SetExpiry::At(at) => {
                ctx.notify(EventClass::GENERIC, "expire", key);
                ctx.fx.rewrite(&[b"SET", key, value, b"PXAT", digits.format(at).as_bytes()]);
            }
            SetExpiry::Keep => ctx.fx.rewrite(&[b"SET", key, value, b"KEEPTTL"]),
            SetExpiry::Clear => ctx.fx.rewrite(&[b"SET", key, value]),
        }
    }
    ctx.out.int(1);
}
