//! Keys under other names and in other databases: RENAME, COPY, MOVE.

use resp::Args;

use crate::Ctx;
use crate::effects::EventClass;
use crate::errors::{DB_OUT_OF_RANGE, NO_SUCH_KEY, SYNTAX};
use crate::number::parse_i32;

const SAME_OBJECT: &str = "ERR source and destination objects are the same";

/// RENAME key newkey
pub(crate) fn rename(ctx: &mut Ctx<'_>, args: Args<'_>) {
    rename_to(ctx, args, true);
}

/// RENAMENX key newkey
pub(crate) fn renamenx(ctx: &mut Ctx<'_>, args: Args<'_>) {
    rename_to(ctx, args, false);
}

fn rename_to(ctx: &mut Ctx<'_>, args: Args<'_>, replace: bool) {
    let (from, to) = (args.at(1), args.at(2));
    if ctx.lookup_write(from).is_none() {
        return ctx.out.error(NO_SUCH_KEY);
    }
    if from == to {
        return if replace { ctx.out.ok() } else { ctx.out.int(0) };
    }
    if ctx.lookup_write(to).is_some() && !replace {
        return ctx.out.int(0);
    }
    let db = ctx.db_mut();
    if let Some(removed) = db.remove(from) {
        let replaced = db.insert_removed(to, removed);
        free_replaced(ctx, replaced);
    }
    ctx.notify(EventClass::NEW, "new", to);
    ctx.modified(EventClass::GENERIC, "rename_from", from);
    ctx.touch_key(ctx.db, to);
    ctx.signal_ready(to);
    ctx.notify(EventClass::GENERIC, "rename_to", to);
    if replace { ctx.out.ok() } else { ctx.out.int(1) }
}

/// Frees the value that an implicit deletion left over.
fn free_replaced(ctx: &mut Ctx<'_>, replaced: Option<keyspace::Garbage>) {
    if let Some(garbage) = replaced
        && ctx.env.lazyfree_server_del
        && garbage.is_large()
    {
        ctx.fx.garbage.push(garbage);
    }
}

/// COPY source destination [DB destination-db] [REPLACE]
pub(crate) fn copy(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (from, to) = (args.at(1), args.at(2));
    let (mut to_db, mut replace) = (ctx.db, false);
    let mut words = args.from(3).iter();
    while let Some(word) = words.next() {
        if word.eq_ignore_ascii_case(b"REPLACE") {
            replace = true;
        } else if word.eq_ignore_ascii_case(b"DB")
            && let Some(index) = words.next()
        {
            to_db = match database(ctx, index) {
                Some(index) => index,
                None => return,
            };
        } else {
            return ctx.out.error(SYNTAX);
        }
    }
    if to_db == ctx.db && from == to {
        return ctx.out.error(SAME_OBJECT);
    }
    if !ctx.read(from, |entry, _| entry.is_some()) {
        return ctx.out.int(0);
    }
    if ctx.lookup_write_in(to_db, to).is_some() && !replace {
        return ctx.out.int(0);
    }
    let Some(duplicate) = ctx.db().get(from).map(|entry| entry.duplicate()) else {
        unreachable!("the source was there, and only the destination may have expired since")
    };
    let replaced = ctx.ks.db_mut(to_db).insert_removed(to, duplicate);
    free_replaced(ctx, replaced);
    ctx.notify_in(EventClass::NEW, "new", to_db, to);
    ctx.signal_ready_in(to_db, to);
    ctx.modified_in(EventClass::GENERIC, "copy_to", to_db, to);
    ctx.out.int(1);
}

/// MOVE key db
pub(crate) fn move_key(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let key = args.at(1);
    let Some(to_db) = database(ctx, args.at(2)) else { return };
    if to_db == ctx.db {
        return ctx.out.error(SAME_OBJECT);
    }
    if ctx.lookup_write(key).is_none() || ctx.lookup_write_in(to_db, key).is_some() {
        return ctx.out.int(0);
    }
    if let Some(removed) = ctx.db_mut().remove(key) {
        ctx.ks.db_mut(to_db).insert_removed(key, removed);
    }
    ctx.notify_in(EventClass::NEW, "new", to_db, key);
    ctx.modified(EventClass::GENERIC, "move_from", key);
    ctx.touch_key(to_db, key);
    ctx.signal_ready_in(to_db, key);
    ctx.notify_in(EventClass::GENERIC, "move_to", to_db, key);
    ctx.out.int(1);
}

/// A database by its number; replies with the error if there is none.
fn database(ctx: &mut Ctx<'_>, text: &[u8]) -> Option<usize> {
    match parse_i32(text) {
        Ok(index) => match usize::try_from(index) {
            Ok(index) if index < ctx.ks.databases() => return Some(index),
            _ => ctx.out.error(DB_OUT_OF_RANGE),
        },
        Err(error) => ctx.out.error(error),
    }
    None
}
