//! Changing strings in place.

use keyspace::{SetExpiry, Value};
use resp::Args;

use crate::effects::EventClass;
use crate::errors::{NOT_INTEGER, TOO_LONG, WRONG_TYPE};
use crate::number::parse_i64;
use crate::{Ctx, access};

/// APPEND key value
pub(crate) fn append(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (key, value) = (args.at(1), args.at(2));
    let max = ctx.env.proto_max_bulk_len;
    let updated = ctx.update(key, |entry| {
        let old_len = entry.as_entry().str().ok_or(WRONG_TYPE)?.len();
        if old_len + value.len() > max {
            return Err(TOO_LONG);
        }
        Ok(entry.append(value))
    });
    let len = match updated {
        Some(Ok(len)) => len,
        Some(Err(error)) => return ctx.out.error(error),
        None => {
            ctx.store(key, value, SetExpiry::Clear);
            value.len()
        }
    };
    ctx.modified(EventClass::STRING, "append", key);
    ctx.out.int(len as i64);
}

/// SETRANGE key offset value
pub(crate) fn setrange(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (key, value) = (args.at(1), args.at(3));
    let Some(offset) = parse_i64(args.at(2)) else { return ctx.out.error(NOT_INTEGER) };
    let Ok(offset) = usize::try_from(offset) else { return ctx.out.error("ERR offset is out of range") };
    let max = ctx.env.proto_max_bulk_len;
    let too_long = offset.saturating_add(value.len()) > max;
    let updated = ctx.update(key, |entry| {
        let old_len = entry.as_entry().str().ok_or(WRONG_TYPE)?.len();
        match () {
            () if value.is_empty() => Ok((old_len, false)),
            () if too_long => Err(TOO_LONG),
            () => Ok((entry.set_range(offset, value), true)),
        }
    });
    let len = match updated {
        Some(Ok((len, true))) => len,
        Some(Ok((len, false))) => return ctx.out.int(len as i64),
        Some(Err(error)) => return ctx.out.error(error),
        None if value.is_empty() => return ctx.out.int(0),
        None if too_long => return ctx.out.error(TOO_LONG),
        None => {
            ctx.db_mut().insert(key, Value::Str(Vec::new()), None);
            ctx.created(key);
            let env = ctx.env;
            let Some(mut entry) = ctx.db_mut().get_mut(key) else {
                unreachable!("the key was inserted just now")
            };
            entry.as_entry().set_access(access::fresh(env));
            entry.set_range(offset, value)
        }
    };
    ctx.modified(EventClass::STRING, "setrange", key);
    ctx.out.int(len as i64);
}

/// DELIFEQ key value
pub(crate) fn delifeq(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let key = args.at(1);
    let equal = match ctx.lookup_write(key).map(|entry| entry.str().map(|value| value == args.at(2))) {
        None => false,
        Some(Some(equal)) => equal,
        Some(None) => return ctx.out.error(WRONG_TYPE),
    };
    if !equal {
        return ctx.out.int(0);
    }
    if let Some(removed) = ctx.take(key) {
        ctx.discard(removed, ctx.env.lazyfree_user_del);
    }
    ctx.modified(EventClass::GENERIC, "del", key);
    ctx.fx.rewrite(&[b"DEL", key]);
    ctx.out.int(1);
}
