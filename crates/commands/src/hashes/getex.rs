//! Reading fields, and changing at once when they expire, or deleting them.

use keyspace::{HashMut, HashRef};
use resp::Args;

use super::expire::{parse_time, report, report_persist};
use super::fields::{BAD_COUNT, counted, is_fields, log_deletion, named};
use super::get::bulk_or_null;
use super::{delete_empty, live};
use crate::Ctx;
use crate::effects::EventClass;
use crate::errors::{SYNTAX, WRONG_TYPE};

/// What to do about the expiry of fields, still as text.
#[derive(Clone, Copy, Default)]
pub(super) enum TimeOption<'a> {
    /// Nothing was said.
    #[default]
    None,
    /// PERSIST of HGETEX, KEEPTTL of HSETEX.
    Word,
    /// A number of so many milliseconds each, from now on or from 1970 on.
    Time { text: &'a [u8], unit_ms: i64, relative: bool },
}

impl<'a> TimeOption<'a> {
    /// Takes in an option at the beginning of `args`, if it is one that concerns the expiry; gives how many arguments it takes. Two that
    /// contradict each other are no option.
    pub fn take(&mut self, args: Args<'a>, word: &str) -> Option<usize> {
        let is = |name: &str| args.at(0).eq_ignore_ascii_case(name.as_bytes());
        if is(word) {
            let free = matches!(self, TimeOption::None | TimeOption::Word);
            *self = TimeOption::Word;
            return free.then_some(1);
        }
        let (unit_ms, relative) = match () {
            () if is("EX") => (1000, true),
            () if is("PX") => (1, true),
            () if is("EXAT") => (1000, false),
            () if is("PXAT") => (1, false),
            () => return None,
        };
        let free = match self {
            TimeOption::None => true,
            TimeOption::Word => false,
            TimeOption::Time { unit_ms: unit, relative: from, .. } => *unit == unit_ms && *from == relative,
        };
        *self = TimeOption::Time { text: args.at(1), unit_ms, relative };
        (free && args.len() > 1).then_some(2)
    }

    /// The moment, if there is one; the error is the reply.
    pub fn moment(self, now_ms: u64, name: &str) -> Result<Option<i64>, String> {
        match self {
            TimeOption::Time { text, unit_ms, relative } => {
                parse_time(text, unit_ms, if relative { now_ms } else { 0 }, name).map(Some)
            }
            _ => Ok(None),
        }
    }
}

/// HGETEX key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]
/// FIELDS numfields field [field ...]
pub(crate) fn hgetex(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let key = args.at(1);
    let mut option = TimeOption::None;
    let mut at = 2;
    while !is_fields(args.at(at)) {
        match option.take(args.from(at), "PERSIST") {
            Some(len) => at += len,
            // Here there should be the word, and behind it at least a number and a field.
            None if at + 3 == args.len() => return ctx.out.error(BAD_COUNT),
            None => return ctx.out.error(SYNTAX),
        }
    }
    let names = match counted(args.from(at + 1), 1, BAD_COUNT) {
        Ok(names) => names,
        Err(error) => return ctx.out.error(error),
    };
    let Some(exists) = is_hash(ctx, key) else { return ctx.out.error(WRONG_TYPE) };
    let moment = match option.moment(ctx.env.now_ms, "hgetex") {
        Ok(moment) => moment,
        Err(error) => return ctx.out.error(&error),
    };
    ctx.out.array(names.len());
    if !exists {
        ctx.missed(key);
        return names.iter().for_each(|_| ctx.out.null());
    }
    let env = ctx.env;
    let persist = matches!(option, TimeOption::Word);
    let past = moment.is_some_and(|at| env.is_past(at));
    let (mut changed, mut empty) = (Vec::new(), false);
    // What is only read is not copied for a view's sake.
    if moment.is_none() && !persist {
        let hash = ctx.ks.db(ctx.db).get(key).and_then(|entry| HashRef::of(&entry));
        for name in names {
            bulk_or_null(ctx.out, hash.and_then(|hash| live(hash, name, env)));
        }
    } else if let Some(mut entry) = ctx.ks.db_mut(ctx.db).get_mut(key)
        && let Some(mut hash) = HashMut::of(&mut entry, &env.limits)
    {
        for name in names {
            let field = hash.get().get(name).filter(|(_, expiry)| !env.is_expired(*expiry));
            bulk_or_null(ctx.out, field.map(|(value, _)| value));
            let Some((_, old)) = field else { continue };
            match moment {
                Some(_) if past => _ = hash.remove(name),
                Some(at) => _ = hash.set_expiry(name, Some(at as u64)),
                None if old.is_some() => _ = hash.set_expiry(name, None),
                None => continue,
            }
            changed.push(name);
        }
        empty = hash.get().is_empty();
    }
    if persist {
        report_persist(ctx, key, &changed);
    } else {
        report(ctx, key, &changed, moment.filter(|_| !past), empty);
    }
}

/// Whether the key is there, for writing; none if it holds something else than a hash.
pub(super) fn is_hash(ctx: &mut Ctx<'_>, key: &[u8]) -> Option<bool> {
    match ctx.lookup_write(key) {
        None => Some(false),
        Some(entry) => HashRef::of(&entry).map(|_| true),
    }
}

/// HGETDEL key FIELDS numfields field [field ...]
pub(crate) fn hgetdel(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let key = args.at(1);
    let names = match named(args.from(2), SYNTAX, BAD_COUNT) {
        Ok(names) => names,
        Err(error) => return ctx.out.error(error),
    };
    let Some(exists) = is_hash(ctx, key) else { return ctx.out.error(WRONG_TYPE) };
    ctx.out.array(names.len());
    if !exists {
        return names.iter().for_each(|_| ctx.out.null());
    }
    let env = ctx.env;
    let (mut removed, mut empty) = (Vec::new(), false);
    if let Some(mut entry) = ctx.ks.db_mut(ctx.db).get_mut(key)
        && let Some(mut hash) = HashMut::of(&mut entry, &env.limits)
    {
        for name in names {
            let value = live(hash.get(), name, env);
            bulk_or_null(ctx.out, value);
            if value.is_some() {
                hash.remove(name);
                removed.push(name);
            }
        }
        empty = hash.get().is_empty();
    }
    if removed.is_empty() {
        return;
    }
    log_deletion(ctx, key, &removed);
    ctx.modified(EventClass::HASH, "hdel", key);
    ctx.fx.dirty += removed.len() as u64 - 1;
    if empty {
        delete_empty(ctx, key);
    }
}
