//! Reading hashes.

use keyspace::{Element, HashRef, TextBuffer};
use resp::{Args, ReplyBuf};

use super::{live, live_fields, live_len};
use crate::errors::WRONG_TYPE;
use crate::scan::{Elements, INVALID_CURSOR, Options, Target, parse_cursor};
use crate::{Ctx, Env, element};

/// Replies with something about the hash of a key: `f` is given none where the key is missing.
pub(super) fn look(ctx: &mut Ctx<'_>, key: &[u8], f: impl FnOnce(Option<HashRef<'_>>, &Env, &mut ReplyBuf)) {
    let env = ctx.env;
    ctx.read(key, |entry, out| match entry.map(|entry| HashRef::of(&entry)) {
        None => f(None, env, out),
        Some(Some(hash)) => f(Some(hash), env, out),
        Some(None) => out.error(WRONG_TYPE),
    });
}

/// Replies with the value of a field, or that there is none.
pub(super) fn bulk_or_null(out: &mut ReplyBuf, value: Option<Element<'_>>) {
    match value {
        Some(value) => element::bulk(out, value),
        None => out.null(),
    }
}

/// HGET key field
pub(crate) fn hget(ctx: &mut Ctx<'_>, args: Args<'_>) {
    look(ctx, args.at(1), |hash, env, out| {
        bulk_or_null(out, hash.and_then(|hash| live(hash, args.at(2), env)));
    });
}

/// HMGET key field [field ...]
pub(crate) fn hmget(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let names = args.from(2);
    look(ctx, args.at(1), |hash, env, out| {
        out.array(names.len());
        for name in names {
            bulk_or_null(out, hash.and_then(|hash| live(hash, name, env)));
        }
    });
}

/// HEXISTS key field
pub(crate) fn hexists(ctx: &mut Ctx<'_>, args: Args<'_>) {
    look(ctx, args.at(1), |hash, env, out| {
        out.int(i64::from(hash.is_some_and(|hash| live(hash, args.at(2), env).is_some())));
    });
}

/// HSTRLEN key field
pub(crate) fn hstrlen(ctx: &mut Ctx<'_>, args: Args<'_>) {
    look(ctx, args.at(1), |hash, env, out| {
        let value = hash.and_then(|hash| live(hash, args.at(2), env));
        out.int(value.map_or(0, |value| value.text(&mut TextBuffer::new()).len()) as i64);
    });
}

/// HLEN key
pub(crate) fn hlen(ctx: &mut Ctx<'_>, args: Args<'_>) {
    look(ctx, args.at(1), |hash, _, out| {
        // With the fields that are over but not yet deleted: counting the others would have to look at all.
        out.int(hash.map_or(0, HashRef::len) as i64);
    });
}

/// HGETALL key
pub(crate) fn hgetall(ctx: &mut Ctx<'_>, args: Args<'_>) {
    look(ctx, args.at(1), |hash, env, out| {
        let Some(hash) = hash else { return out.map(0) };
        out.map(live_len(hash, env));
        for field in live_fields(hash, env) {
            element::bulk(out, field.name);
            element::bulk(out, field.value);
        }
    });
}

/// HKEYS key
pub(crate) fn hkeys(ctx: &mut Ctx<'_>, args: Args<'_>) {
    list(ctx, args, |out, name, _| element::bulk(out, name));
}

/// HVALS key
pub(crate) fn hvals(ctx: &mut Ctx<'_>, args: Args<'_>) {
    list(ctx, args, |out, _, value| element::bulk(out, value));
}

fn list(ctx: &mut Ctx<'_>, args: Args<'_>, one: impl Fn(&mut ReplyBuf, Element<'_>, Element<'_>)) {
    look(ctx, args.at(1), |hash, env, out| {
        let Some(hash) = hash else { return out.array(0) };
        out.array(live_len(hash, env));
        live_fields(hash, env).for_each(|field| one(out, field.name, field.value));
    });
}

/// HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]
pub(crate) fn hscan(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let Some(cursor) = parse_cursor(args.at(2)) else { return ctx.out.error(INVALID_CURSOR) };
    let options = match Options::parse(args.from(3), Target::Hash) {
        Ok(options) => options,
        Err(error) => return ctx.out.error(&error),
    };
    look(ctx, args.at(1), |hash, env, out| {
        let mut elements = Elements::new();
        let (mut name, mut value) = (TextBuffer::new(), TextBuffer::new());
        let next = hash.map_or(0, |hash| {
            hash.scan(cursor, options.count, &mut |field| {
                let name = field.name.text(&mut name);
                if !env.is_expired(field.expiry) && options.matches(name) {
                    elements.push(name);
                    if !options.names_only {
                        elements.push(field.value.text(&mut value));
                    }
                }
            })
        });
        elements.reply(next, out);
    });
}
