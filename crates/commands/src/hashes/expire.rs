//! When fields expire: setting it, taking it away, and what happens then.

use keyspace::{HashMut, LAST_FIELD_EXPIRY, TextBuffer};
use resp::Args;

use super::delete_empty;
use super::fields::{BAD_COUNT, counted, is_fields, log, log_deletion, named};
use crate::Ctx;
use crate::effects::EventClass;
use crate::errors::{NOT_INTEGER, SYNTAX, WRONG_TYPE};
use crate::generic::Condition;
use crate::number::parse_i64;

/// There is no such field.
const MISSING: i64 = -2;
/// The condition does not hold.
const NOT_MET: i64 = 0;
const SET: i64 = 1;
/// The time is over already: the field is gone.
const DELETED: i64 = 2;

/// HEXPIRE key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub(crate) fn hexpire(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let now_ms = ctx.env.now_ms;
    set_expiry(ctx, args, 1000, now_ms, "hexpire");
}

/// HPEXPIRE key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub(crate) fn hpexpire(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let now_ms = ctx.env.now_ms;
    set_expiry(ctx, args, 1, now_ms, "hpexpire");
}

/// HEXPIREAT key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub(crate) fn hexpireat(ctx: &mut Ctx<'_>, args: Args<'_>) {
    set_expiry(ctx, args, 1000, 0, "hexpireat");
}

/// HPEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub(crate) fn hpexpireat(ctx: &mut Ctx<'_>, args: Args<'_>) {
    set_expiry(ctx, args, 1, 0, "hpexpireat");
}

/// A time as an argument, in Unix milliseconds; the error is the reply.
pub(super) fn parse_time(text: &[u8], unit_ms: i64, base_ms: u64, name: &str) -> Result<i64, String> {
    let value = parse_i64(text).ok_or(NOT_INTEGER)?;
    let at = value.checked_mul(unit_ms).and_then(|ms| ms.checked_add(base_ms as i64));
    match at {
        Some(at) if value >= 0 => Ok(at.min(LAST_FIELD_EXPIRY as i64)),
        _ => Err(format!("ERR invalid expire time in '{name}' command")),
    }
}

/// What the four of them have in common.
struct Request<'a> {
    condition: Condition,
    names: Args<'a>,
    at: i64,
}

impl<'a> Request<'a> {
    fn parse(args: Args<'a>, unit_ms: i64, base_ms: u64, name: &str) -> Result<Self, String> {
        let word = (3..args.len()).find(|&at| is_fields(args.at(at))).ok_or(BAD_COUNT)?;
        let condition = Condition::parse(args.slice(3..word))?;
        let names = counted(args.from(word + 1), 1, BAD_COUNT)?;
        let at = parse_time(args.at(2), unit_ms, base_ms, name)?;
        Ok(Request { condition, names, at })
    }
}

fn set_expiry(ctx: &mut Ctx<'_>, args: Args<'_>, unit_ms: i64, base_ms: u64, name: &str) {
    let key = args.at(1);
    let Request { condition, names, at } = match Request::parse(args, unit_ms, base_ms, name) {
        Ok(request) => request,
        Err(error) => return ctx.out.error(&error),
    };
    let env = ctx.env;
    let past = env.is_past(at);
    let (mut codes, mut changed) = (Vec::with_capacity(names.len()), Vec::new());
    let empty = ctx.update(key, |entry| {
        let mut hash = HashMut::of(entry, &env.limits)?;
        for name in names {
            let code = match hash.get().get(name) {
                None => MISSING,
                Some((_, old)) if env.is_expired(old) => MISSING,
                Some((_, old)) if !condition.allows(old, at) => NOT_MET,
                Some(_) if past => {
                    hash.remove(name);
                    DELETED
                }
                Some(_) => {
                    hash.set_expiry(name, Some(at as u64));
                    SET
                }
            };
            if code > NOT_MET {
                changed.push(name);
            }
            codes.push(code);
        }
        Some(hash.get().is_empty())
    });
    match empty {
        Some(None) => return ctx.out.error(WRONG_TYPE),
        Some(Some(empty)) => report(ctx, key, &changed, if past { None } else { Some(at) }, empty),
        None => codes.resize(names.len(), MISSING),
    }
    ctx.out.array(codes.len());
    codes.into_iter().for_each(|code| ctx.out.int(code));
}

/// Logs and notifies that fields expire at a time from now on, or without a time that they are gone.
pub(super) fn report(ctx: &mut Ctx<'_>, key: &[u8], changed: &[&[u8]], at: Option<i64>, empty: bool) {
    if changed.is_empty() {
        return;
    }
    if let Some(at) = at {
        let mut digits = itoa::Buffer::new();
        ctx.fx.newer = true;
        log(ctx, &[b"HPEXPIREAT", key, digits.format(at).as_bytes()], changed);
        ctx.modified(EventClass::HASH, "hexpire", key);
    } else {
        log_deletion(ctx, key, changed);
        ctx.fx.expired_fields += changed.len() as u64;
        ctx.modified(EventClass::HASH, "hexpired", key);
    }
    ctx.fx.dirty += changed.len() as u64 - 1;
    if empty {
        delete_empty(ctx, key);
    }
}

/// HPERSIST key FIELDS numfields field [field ...]
pub(crate) fn hpersist(ctx: &mut Ctx<'_>, args: Args<'_>) {
    /// The field does not expire.
    const STAYS: i64 = -1;
    let key = args.at(1);
    let names = match named(args.from(2), SYNTAX, BAD_COUNT) {
        Ok(names) => names,
        Err(error) => return ctx.out.error(error),
    };
    let env = ctx.env;
    let (mut codes, mut changed) = (Vec::with_capacity(names.len()), Vec::new());
    let done = ctx.update(key, |entry| {
        let mut hash = HashMut::of(entry, &env.limits)?;
        for name in names {
            codes.push(match hash.get().get(name) {
                None => MISSING,
                Some((_, expiry)) if env.is_expired(expiry) => MISSING,
                Some((_, None)) => STAYS,
                Some(_) => {
                    hash.set_expiry(name, None);
                    changed.push(name);
                    SET
                }
            });
        }
        Some(())
    });
    match done {
        Some(None) => return ctx.out.error(WRONG_TYPE),
        Some(Some(())) => report_persist(ctx, key, &changed),
        None => codes.resize(names.len(), MISSING),
    }
    ctx.out.array(codes.len());
    codes.into_iter().for_each(|code| ctx.out.int(code));
}

/// Logs and notifies that fields do not expire any more.
pub(super) fn report_persist(ctx: &mut Ctx<'_>, key: &[u8], changed: &[&[u8]]) {
    if changed.is_empty() {
        return;
    }
    ctx.fx.newer = true;
    log(ctx, &[b"HPERSIST", key], changed);
    ctx.modified(EventClass::HASH, "hpersist", key);
    ctx.fx.dirty += changed.len() as u64 - 1;
}

/// Deletes up to `max` fields of a hash whose time is over, and logs that: what the expire cycle of a master does with a key that
/// [`keyspace::Db::due_hash`] has given. Gives how many those were.
pub fn expire_fields(ctx: &mut Ctx<'_>, key: &[u8], max: usize) -> usize {
    let env = ctx.env;
    let mut names: Vec<Vec<u8>> = Vec::new();
    let empty = ctx.ks.db_mut(ctx.db).get_mut(key).and_then(|mut entry| {
        let mut hash = HashMut::of(&mut entry, &env.limits)?;
        let mut text = TextBuffer::new();
        hash.remove_due(env.now_ms, max, &mut |field| names.push(field.name.text(&mut text).to_vec()));
        Some(hash.get().is_empty())
    });
    if names.is_empty() {
        return 0;
    }
    let gone: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
    report(ctx, key, &gone, None, empty == Some(true));
    gone.len()
}
