//! Members of one set, and from one to another.

use keyspace::{Element, Entry, SetDraft, SetMut, SetRef, TextBuffer};
use resp::{Args, ReplyBuf};

use crate::effects::EventClass;
use crate::errors::WRONG_TYPE;
use crate::scan::{Elements, INVALID_CURSOR, Options, Target, parse_cursor};
use crate::{Ctx, element};

/// SADD key member [member ...]
pub(crate) fn sadd(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (key, members) = (args.at(1), args.from(2));
    let env = ctx.env;
    let added = ctx.update(key, |entry| {
        let mut set = SetMut::of(entry, &env.limits)?;
        set.expect(members.len());
        Some(set.add_all(members))
    });
    let added = match added {
        Some(Some(added)) => added,
        Some(None) => return ctx.out.error(WRONG_TYPE),
        None => {
            let mut set =
                SetDraft::for_members(members.at(0), members.len(), &env.limits, ctx.db().value_hasher());
            let added = set.add_all(members);
            ctx.put(key, set.into_value());
            added
        }
    };
    if added > 0 {
        ctx.modified(EventClass::SET, "sadd", key);
        ctx.fx.dirty += added as u64 - 1;
    }
    ctx.out.int(added as i64);
}

/// SREM key member [member ...]
pub(crate) fn srem(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (key, members) = (args.at(1), args.from(2));
    let env = ctx.env;
    let outcome = ctx.update(key, |entry| {
        let mut set = SetMut::of(entry, &env.limits)?;
        let mut removed = 0;
        for member in members {
            removed += u64::from(set.remove(member));
            if set.get().is_empty() {
                break;
            }
        }
        Some((removed, set.get().is_empty()))
    });
    let (removed, empty) = match outcome {
        None => return ctx.out.int(0),
        Some(None) => return ctx.out.error(WRONG_TYPE),
        Some(Some(outcome)) => outcome,
    };
    if removed > 0 {
        ctx.modified(EventClass::SET, "srem", key);
        ctx.fx.dirty += removed - 1;
    }
    if empty {
        delete_empty(ctx, key);
    }
    ctx.out.int(removed as i64);
}

/// Deletes a set that has lost its last member; that belongs to the change which took it.
pub(super) fn delete_empty(ctx: &mut Ctx<'_>, key: &[u8]) {
    if let Some(removed) = ctx.db_mut().remove(key) {
        ctx.discard(removed, ctx.env.lazyfree_server_del);
    }
    ctx.notify(EventClass::GENERIC, "del", key);
}

/// SMOVE source destination member
pub(crate) fn smove(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (from, to, member) = (args.at(1), args.at(2), args.at(3));
    let is_set = |entry: Option<Entry<'_>>| entry.map(|entry| SetRef::of(&entry).is_some());
    let (source, destination) = (is_set(ctx.lookup_write(from)), is_set(ctx.lookup_write(to)));
    if source.is_none() {
        return ctx.out.int(0);
    }
    if source == Some(false) || destination == Some(false) {
        return ctx.out.error(WRONG_TYPE);
    }
    let (env, db) = (ctx.env, ctx.db);
    if from == to {
        let set = ctx.ks.db(db).get(from).and_then(|entry| SetRef::of(&entry));
        return ctx.out.int(i64::from(set.is_some_and(|set| set.contains(member))));
    }
    let empty = ctx.ks.db_mut(db).get_mut(from).and_then(|mut entry| {
        let mut set = SetMut::of(&mut entry, &env.limits)?;
        set.remove(member).then(|| set.get().is_empty())
    });
    let Some(empty) = empty else { return ctx.out.int(0) };
    ctx.modified(EventClass::SET, "srem", from);
    if empty {
        delete_empty(ctx, from);
    }
    let added = ctx
        .ks
        .db_mut(db)
        .get_mut(to)
        .and_then(|mut entry| Some(SetMut::of(&mut entry, &env.limits)?.add(member)));
    let added = added.unwrap_or_else(|| {
        let mut set = SetDraft::for_members(member, 1, &env.limits, ctx.db().value_hasher());
        let added = set.add(member);
        ctx.put(to, set.into_value());
        added
    });
    if added {
        ctx.modified(EventClass::SET, "sadd", to);
    }
    ctx.out.int(1);
}

/// Replies with something about the set of a key: `f` is given none where the key is missing.
fn look(ctx: &mut Ctx<'_>, key: &[u8], f: impl FnOnce(Option<SetRef<'_>>, &mut ReplyBuf)) {
    ctx.read(key, |entry, out| match entry.map(|entry| SetRef::of(&entry)) {
        Some(None) => out.error(WRONG_TYPE),
        set => f(set.flatten(), out),
    });
}

/// SCARD key
pub(crate) fn scard(ctx: &mut Ctx<'_>, args: Args<'_>) {
    look(ctx, args.at(1), |set, out| out.int(set.map_or(0, SetRef::len) as i64));
}

/// SISMEMBER key member
pub(crate) fn sismember(ctx: &mut Ctx<'_>, args: Args<'_>) {
    look(ctx, args.at(1), |set, out| out.int(i64::from(set.is_some_and(|set| set.contains(args.at(2))))));
}

/// SMISMEMBER key member [member ...]
pub(crate) fn smismember(ctx: &mut Ctx<'_>, args: Args<'_>) {
    look(ctx, args.at(1), |set, out| {
        let members = args.from(2);
        out.array(members.len());
        for member in members {
            out.int(i64::from(set.is_some_and(|set| set.contains(member))));
        }
    });
}

/// SMEMBERS key
pub(crate) fn smembers(ctx: &mut Ctx<'_>, args: Args<'_>) {
    look(ctx, args.at(1), reply_set);
}

/// Replies with a whole set.
pub(super) fn reply_set(set: Option<SetRef<'_>>, out: &mut ReplyBuf) {
    out.set(set.map_or(0, SetRef::len));
    if let Some(set) = set {
        set.iter().for_each(|member| element::bulk(out, member));
    }
}

/// SSCAN key cursor [MATCH pattern] [COUNT count]
pub(crate) fn sscan(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let Some(cursor) = parse_cursor(args.at(2)) else { return ctx.out.error(INVALID_CURSOR) };
    look(ctx, args.at(1), |set, out| {
        let mut members = Elements::new();
        // A key that is missing is answered before the options are looked at.
        let Some(set) = set else { return members.reply(0, out) };
        let options = match Options::parse(args.from(3), Target::Set) {
            Ok(options) => options,
            Err(error) => return out.error(&error),
        };
        let mut text = TextBuffer::new();
        let next = set.scan(cursor, options.count, &mut |member: Element<'_>| {
            let member = member.text(&mut text);
            if options.matches(member) {
                members.push(member);
            }
        });
        members.reply(next, out);
    });
}
