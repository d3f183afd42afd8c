//! Setting and deleting fields.

use keyspace::{FieldExpiry, HashDraft, HashMut};
use resp::Args;

use super::delete_empty;
use super::fields::{log_deletion, note_expired};
use crate::Ctx;
use crate::effects::EventClass;
use crate::errors::{self, WRONG_TYPE};

/// HSET key field value [field value ...]
pub(crate) fn hset(ctx: &mut Ctx<'_>, args: Args<'_>) {
    if let Some(added) = set_all(ctx, args, "hset") {
        ctx.out.int(added as i64);
    }
}

/// HMSET key field value [field value ...]
pub(crate) fn hmset(ctx: &mut Ctx<'_>, args: Args<'_>) {
    if set_all(ctx, args, "hmset").is_some() {
        ctx.out.ok();
    }
}

/// Sets all fields; gives how many of them are new. After an error, which has been replied, gives nothing.
fn set_all(ctx: &mut Ctx<'_>, args: Args<'_>, name: &str) -> Option<usize> {
    let (key, pairs) = (args.at(1), args.from(2));
    if pairs.len() % 2 != 0 {
        errors::wrong_arity(ctx.out, name);
        return None;
    }
    let count = pairs.len() / 2;
    let env = ctx.env;
    let updated = ctx.update(key, |entry| {
        let mut hash = HashMut::of(entry, &env.limits)?;
        hash.expect(count);
        let (mut added, mut renewed) = (0, 0);
        for at in 0..count {
            let (name, value) = (pairs.at(2 * at), pairs.at(2 * at + 1));
            let over = hash.get().expires() > 0
                && hash.get().get(name).is_some_and(|(_, expiry)| env.is_expired(expiry));
            added += usize::from(hash.set(name, value, FieldExpiry::Clear) || over);
            renewed += usize::from(over);
        }
        Some((added, renewed))
    });
    let added = match updated {
        Some(Some((added, renewed))) => {
            note_expired(ctx, key, renewed);
            added
        }
        Some(None) => {
            ctx.out.error(WRONG_TYPE);
            return None;
        }
        None => {
            let mut hash = HashDraft::new(&env.limits, ctx.db().value_hasher());
            hash.expect(count);
            let added = (0..count)
                .filter(|at| hash.set(pairs.at(2 * at), pairs.at(2 * at + 1), FieldExpiry::Clear))
                .count();
            ctx.put(key, hash.into_value());
            added
        }
    };
    ctx.modified(EventClass::HASH, "hset", key);
    ctx.fx.dirty += count as u64 - 1;
    Some(added)
}

/// HSETNX key field value
pub(crate) fn hsetnx(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (key, name, value) = (args.at(1), args.at(2), args.at(3));
    let env = ctx.env;
    let updated = ctx.update(key, |entry| {
        let mut hash = HashMut::of(entry, &env.limits)?;
        match hash.get().get(name) {
            Some((_, expiry)) if !env.is_expired(expiry) => Some(None),
            before => {
                let over = before.is_some();
                hash.set(name, value, FieldExpiry::Clear);
                Some(Some(over))
            }
        }
    });
    let over = match updated {
        Some(Some(Some(over))) => over,
        Some(Some(None)) => return ctx.out.int(0),
        Some(None) => return ctx.out.error(WRONG_TYPE),
        None => {
            let mut hash = HashDraft::new(&env.limits, ctx.db().value_hasher());
            hash.set(name, value, FieldExpiry::Clear);
            ctx.put(key, hash.into_value());
            false
        }
    };
    if over {
        // To a reader of the log, who does not expire by himself, the field is still there.
        ctx.fx.rewrite(&[b"HSET", key, name, value]);
        note_expired(ctx, key, 1);
    }
    ctx.modified(EventClass::HASH, "hset", key);
    ctx.out.int(1);
}

/// HDEL key field [field ...]
pub(crate) fn hdel(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (key, names) = (args.at(1), args.from(2));
    let env = ctx.env;
    let (mut removed, mut spared) = (Vec::new(), false);
    let empty = ctx.update(key, |entry| {
        let mut hash = HashMut::of(entry, &env.limits)?;
        for name in names {
            let over = hash.get().expires() > 0
                && hash.get().get(name).is_some_and(|(_, expiry)| env.is_expired(expiry));
            // A field that is over is for the expire cycle to delete.
            spared |= over;
            if !over && hash.remove(name) {
                removed.push(name);
            }
            if hash.get().is_empty() {
                break;
            }
        }
        Some(hash.get().is_empty())
    });
    let empty = match empty {
        None => return ctx.out.int(0),
        Some(None) => return ctx.out.error(WRONG_TYPE),
        Some(Some(empty)) => empty,
    };
    if !removed.is_empty() {
        if spared {
            // To a reader of the log, who does not expire by himself, the others are there like these.
            log_deletion(ctx, key, &removed);
        }
        ctx.modified(EventClass::HASH, "hdel", key);
        ctx.fx.dirty += removed.len() as u64 - 1;
    }
    if empty {
        delete_empty(ctx, key);
    }
    ctx.out.int(removed.len() as i64);
}
