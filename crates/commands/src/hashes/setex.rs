//! HSETEX: setting fields together with when they expire.

use keyspace::{FieldExpiry, HashDraft, HashMut, HashRef};
use resp::Args;

use super::delete_empty;
use super::fields::{BAD_COUNT, counted, is_fields, log_deletion, note_expired};
use super::getex::{TimeOption, is_hash};
use crate::Ctx;
use crate::effects::EventClass;
use crate::errors::{SYNTAX, WRONG_TYPE};

/// What a condition asks of something: that it is there, or that it is not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    There,
    Missing,
}

#[derive(Default)]
struct Options<'a> {
    /// NX, XX
    key: Option<Wanted>,
    /// FNX, FXX
    fields: Option<Wanted>,
    time: TimeOption<'a>,
}

impl<'a> Options<'a> {
    /// Reads the options; gives the fields and values behind them, too.
    fn parse(args: Args<'a>) -> Result<(Self, Args<'a>), &'static str> {
        let mut options = Options::default();
        let mut at = 2;
        while !is_fields(args.at(at)) {
            let is = |name: &str| args.at(at).eq_ignore_ascii_case(name.as_bytes());
            let (slot, wanted) = match () {
                () if is("NX") => (&mut options.key, Wanted::Missing),
                () if is("XX") => (&mut options.key, Wanted::There),
                () if is("FNX") => (&mut options.fields, Wanted::Missing),
                () if is("FXX") => (&mut options.fields, Wanted::There),
                () => match options.time.take(args.from(at), "KEEPTTL") {
                    Some(len) => {
                        at += len;
                        continue;
                    }
                    // Here there should be the word, and behind it at least a number, a field and a value.
                    None if at + 4 == args.len() => return Err(BAD_COUNT),
                    None => return Err(SYNTAX),
                },
            };
            if slot.is_some_and(|before| before != wanted) {
                return Err(SYNTAX);
            }
            *slot = Some(wanted);
            at += 1;
        }
        Ok((options, counted(args.from(at + 1), 2, BAD_COUNT)?))
    }
}

/// HSETEX key [NX | XX] [FNX | FXX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]
/// FIELDS numfields field value [field value ...]
pub(crate) fn hsetex(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let key = args.at(1);
    let (options, pairs) = match Options::parse(args) {
        Ok(parsed) => parsed,
        Err(error) => return ctx.out.error(error),
    };
    let Some(exists) = is_hash(ctx, key) else { return ctx.out.error(WRONG_TYPE) };
    if options.key.is_some_and(|wanted| (wanted == Wanted::There) != exists) {
        return ctx.out.int(0);
    }
    let moment = match options.time.moment(ctx.env.now_ms, "hsetex") {
        Ok(moment) => moment,
        Err(error) => return ctx.out.error(&error),
    };
    let env = ctx.env;
    let names = pairs.iter().step_by(2);
    let hash = ctx.ks.db(ctx.db).get(key).and_then(|entry| HashRef::of(&entry));
    // Fields that are there, whether or not their time is over.
    let there = |name: &[u8]| hash.and_then(|hash| hash.get(name)).map(|(_, expiry)| !env.is_expired(expiry));
    if let Some(wanted) = options.fields
        && names.clone().any(|name| (there(name) == Some(true)) != (wanted == Wanted::There))
    {
        return ctx.out.int(0);
    }
    let over: Vec<&[u8]> = names.clone().filter(|name| there(name) == Some(false)).collect();
    if moment.is_some_and(|at| env.is_past(at)) {
        let gone: Vec<&[u8]> = names.filter(|name| there(name).is_some()).collect();
        delete(ctx, key, &gone, pairs.len() / 2);
        return ctx.out.int(1);
    }
    if !over.is_empty() {
        // They come into being anew: KEEPTTL must not find what they had.
        remove(ctx, key, &over);
        note_expired(ctx, key, over.len());
    }
    set(ctx, key, pairs, options.time, moment, &over);
    ctx.out.int(1);
}

/// The fields would expire at once: what there is of them goes. Who listens hears of all of them, and so of a key that was there for no
/// time at all.
fn delete(ctx: &mut Ctx<'_>, key: &[u8], gone: &[&[u8]], count: usize) {
    let exists = ctx.db().contains(key);
    if !exists {
        ctx.created(key);
    }
    ctx.notify(EventClass::HASH, "hset", key);
    ctx.notify(EventClass::HASH, "hexpire", key);
    ctx.notify(EventClass::HASH, "hexpired", key);
    ctx.fx.expired_fields += count as u64;
    ctx.fx.dirty += count as u64;
    if gone.is_empty() {
        ctx.fx.suppress();
        if !exists {
            ctx.notify(EventClass::GENERIC, "del", key);
        }
        return;
    }
    let empty = remove(ctx, key, gone);
    log_deletion(ctx, key, gone);
    ctx.touch_key(ctx.db, key);
    if empty {
        delete_empty(ctx, key);
    }
}

/// Takes fields out; says whether the hash is empty then.
fn remove(ctx: &mut Ctx<'_>, key: &[u8], names: &[&[u8]]) -> bool {
    let limits = &ctx.env.limits;
    let Some(mut entry) = ctx.ks.db_mut(ctx.db).get_mut(key) else { return false };
    let Some(mut hash) = HashMut::of(&mut entry, limits) else { return false };
    names.iter().for_each(|name| _ = hash.remove(name));
    hash.get().is_empty()
}

/// Sets the fields and logs that.
fn set(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    pairs: Args<'_>,
    option: TimeOption<'_>,
    moment: Option<i64>,
    over: &[&[u8]],
) {
    let count = pairs.len() / 2;
    let keep = matches!(option, TimeOption::Word);
    let expiry = match moment {
        Some(at) => FieldExpiry::At(at as u64),
        None if keep => FieldExpiry::Keep,
        None => FieldExpiry::Clear,
    };
    let (env, db) = (ctx.env, ctx.db);
    let mut kept = false;
    if let Some(mut entry) = ctx.ks.db_mut(db).get_mut(key)
        && let Some(mut hash) = HashMut::of(&mut entry, &env.limits)
    {
        kept = keep && hash.get().expires() > 0;
        hash.expect(count);
        (0..count).for_each(|at| _ = hash.set(pairs.at(2 * at), pairs.at(2 * at + 1), expiry));
    } else {
        let mut hash = HashDraft::new(&env.limits, ctx.db().value_hasher());
        hash.expect(count);
        (0..count).for_each(|at| _ = hash.set(pairs.at(2 * at), pairs.at(2 * at + 1), expiry));
        ctx.put(key, hash.into_value());
    }
    // To a reader of the log, who does not expire by himself, fields that were over are still there, with their expiry. HSET takes
    // that away, and does not take the key along as a deletion of its last field would.
    let anew = |at: &usize| !kept || over.contains(&pairs.at(2 * at));
    let words = |chosen: &[usize]| -> Vec<&[u8]> {
        chosen.iter().flat_map(|at| [pairs.at(2 * at), pairs.at(2 * at + 1)]).collect()
    };
    let (anew, keeping): (Vec<usize>, Vec<usize>) = (0..count).partition(anew);
    let (mut time, mut digits) = (itoa::Buffer::new(), itoa::Buffer::new());
    if let Some(at) = moment {
        let head: [&[u8]; 6] =
            [b"HSETEX", key, b"PXAT", time.format(at).as_bytes(), b"FIELDS", digits.format(count).as_bytes()];
        ctx.fx.newer = true;
        ctx.fx.rewrite(&[&head[..], &words(&anew)].concat());
    } else {
        if !anew.is_empty() {
            ctx.fx.rewrite(&[&[b"HSET", key][..], &words(&anew)].concat());
        }
        if !keeping.is_empty() {
            let count = digits.format(keeping.len()).as_bytes();
            let head: [&[u8]; 5] = [b"HSETEX", key, b"KEEPTTL", b"FIELDS", count];
            ctx.fx.newer = true;
            ctx.fx.rewrite(&[&head[..], &words(&keeping)].concat());
        }
    }
    ctx.modified(EventClass::HASH, "hset", key);
    if moment.is_some() {
        ctx.notify(EventClass::HASH, "hexpire", key);
    }
    ctx.fx.dirty += count as u64 - 1;
}
