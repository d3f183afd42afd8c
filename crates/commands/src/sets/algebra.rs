//! Intersections, unions and differences.

use std::cmp::Reverse;
use std::ops::ControlFlow;

use keyspace::{Db, Element, Limits, SetDraft, SetRef};
use resp::Args;

use super::members::reply_set;
use crate::effects::EventClass;
use crate::errors::{SYNTAX, WRONG_TYPE};
use crate::number::parse_i64;
use crate::{Ctx, Env, element};

/// Looks the keys up that sets are read from; `false` if one holds something else, with the error as reply.
fn look_up(ctx: &mut Ctx<'_>, keys: Args<'_>) -> bool {
    keys.iter().all(|key| {
        ctx.read(key, |entry, out| {
            let usable = entry.is_none_or(|entry| SetRef::of(&entry).is_some());
            if !usable {
                out.error(WRONG_TYPE);
            }
            usable
        })
    })
}

/// The sets of keys that have been looked up; none where a key is missing.
fn sets<'d>(db: &'d Db, env: &Env, keys: Args<'_>) -> Vec<Option<SetRef<'d>>> {
    let set = |key| {
        db.get(key).filter(|entry| !env.is_expired(entry.expiry())).and_then(|entry| SetRef::of(&entry))
    };
    keys.iter().map(set).collect()
}

/// [`sets`] if no key is missing.
fn all_sets<'d>(db: &'d Db, env: &Env, keys: Args<'_>) -> Option<Vec<SetRef<'d>>> {
    sets(db, env, keys).into_iter().collect()
}

/// Stores what a command has come to, or deletes the destination if that is nothing.
fn store(ctx: &mut Ctx<'_>, destination: &[u8], event: &'static str, set: Option<SetDraft<'_>>) {
    let Some(set) = set.filter(|set| !set.get().is_empty()) else {
        if let Some(removed) = ctx.take(destination) {
            ctx.discard(removed, ctx.env.lazyfree_server_del);
            ctx.modified(EventClass::GENERIC, "del", destination);
        }
        return ctx.out.int(0);
    };
    let len = set.get().len();
    ctx.put(destination, set.into_value());
    ctx.modified(EventClass::SET, event, destination);
    ctx.out.int(len as i64);
}

/// Gives the members that all sets have to `f`, until that is enough.
fn intersect(mut sets: Vec<SetRef<'_>>, mut f: impl FnMut(Element<'_>) -> ControlFlow<()>) {
    // The smallest has the fewest members to ask the others for.
    sets.sort_by_key(|set| set.len());
    let Some((smallest, others)) = sets.split_first() else { return };
    for member in smallest.iter() {
        if others.iter().all(|set| set.contains_element(member)) && f(member).is_break() {
            return;
        }
    }
}

/// SINTER key [key ...]
pub(crate) fn sinter(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let keys = args.from(1);
    if !look_up(ctx, keys) {
        return;
    }
    let out = &mut *ctx.out;
    match all_sets(ctx.ks.db(ctx.db), ctx.env, keys) {
        None => out.set(0),
        Some(sets) if sets.len() == 1 => reply_set(sets.first().copied(), out),
        Some(sets) => {
            let (mark, mut len) = (out.deferred_len(), 0);
            intersect(sets, |member| {
                element::bulk(out, member);
                len += 1;
                ControlFlow::Continue(())
            });
            out.set_set_len(mark, len);
        }
    }
}

/// SINTERCARD numkeys key [key ...] [LIMIT limit]
pub(crate) fn sintercard(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let Some(count @ 1..) = parse_i64(args.at(1)) else {
        return ctx.out.error("ERR numkeys should be greater than 0");
    };
    let Some(count) = usize::try_from(count).ok().filter(|&count| count <= args.len() - 2) else {
        return ctx.out.error("ERR Number of keys can't be greater than number of args");
    };
    let mut limit = 0;
    let mut words = args.from(2 + count).iter();
    while let Some(word) = words.next() {
        match words.next() {
            Some(value) if word.eq_ignore_ascii_case(b"LIMIT") => match parse_i64(value) {
                Some(value @ 0..) => limit = value,
                _ => return ctx.out.error("ERR LIMIT can't be negative"),
            },
            _ => return ctx.out.error(SYNTAX),
        }
    }
    let keys = args.slice(2..2 + count);
    if !look_up(ctx, keys) {
        return;
    }
    let mut len = 0;
    if let Some(sets) = all_sets(ctx.db(), ctx.env, keys) {
        intersect(sets, |_| {
            len += 1;
            if len == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }
    ctx.out.int(len);
}

/// SINTERSTORE destination key [key ...]
pub(crate) fn sinterstore(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (destination, keys) = (args.at(1), args.from(2));
    if !look_up(ctx, keys) {
        return;
    }
    let (db, env) = (ctx.ks.db(ctx.db), ctx.env);
    let found = all_sets(db, env, keys).map(|sets| {
        let smallest = sets.iter().min_by_key(|set| set.len());
        let mut result = match smallest {
            Some(SetRef::Ints(_)) => SetDraft::ints(&env.limits, db.value_hasher()),
            _ => SetDraft::pack(&env.limits, db.value_hasher()),
        };
        intersect(sets, |member| {
            result.add_element(member);
            ControlFlow::Continue(())
        });
        result.prefer_ints();
        result
    });
    store(ctx, destination, "sinterstore", found);
}

/// SUNION key [key ...]
pub(crate) fn sunion(ctx: &mut Ctx<'_>, args: Args<'_>) {
    /// Asking each earlier set for a member is cheaper than keeping the members of all of them, if they are not many.
    const FEW: usize = 4;
    let keys = args.from(1);
    if !look_up(ctx, keys) {
        return;
    }
    let (db, out) = (ctx.ks.db(ctx.db), &mut *ctx.out);
    let mut sets: Vec<_> = sets(db, ctx.env, keys).into_iter().flatten().collect();
    if sets.len() == 1 {
        reply_set(sets.first().copied(), out);
    } else if sets.len() <= FEW {
        sets.sort_by_key(|set| Reverse(set.len()));
        let (mark, mut len) = (out.deferred_len(), 0);
        for (number, set) in sets.iter().enumerate() {
            let earlier = &sets[..number];
            for member in set.iter() {
                if !earlier.iter().any(|set| set.contains_element(member)) {
                    element::bulk(out, member);
                    len += 1;
                }
            }
        }
        out.set_set_len(mark, len);
    } else {
        reply_set(Some(unite(db, &ctx.env.limits, sets).get()), out);
    }
}

/// All members of some sets.
fn unite<'d, 'l>(db: &Db, limits: &'l Limits, sets: impl IntoIterator<Item = SetRef<'d>>) -> SetDraft<'l> {
    let mut result = SetDraft::ints(limits, db.value_hasher());
    for set in sets {
        set.iter().for_each(|member| _ = result.add_element(member));
    }
    result
}

/// SUNIONSTORE destination key [key ...]
pub(crate) fn sunionstore(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (destination, keys) = (args.at(1), args.from(2));
    if !look_up(ctx, keys) {
        return;
    }
    let (db, env) = (ctx.ks.db(ctx.db), ctx.env);
    let result = unite(db, &env.limits, sets(db, env, keys).into_iter().flatten());
    store(ctx, destination, "sunionstore", Some(result));
}

/// A first set, and others whose members it is to lose.
struct Difference<'d> {
    first: SetRef<'d>,
    others: Vec<SetRef<'d>>,
}

impl<'d> Difference<'d> {
    /// Nothing if nothing can be left.
    fn new(db: &'d Db, env: &Env, keys: Args<'_>) -> Option<Self> {
        let mut found = sets(db, env, keys).into_iter();
        let first = found.next()??;
        let mut others: Vec<_> = found.flatten().collect();
        // The larger a set, the likelier it has a member.
        others.sort_by_key(|set| Reverse(set.len()));
        let itself = keys.from(1).iter().any(|key| key == keys.at(0));
        (!itself).then_some(Difference { first, others })
    }

    /// Whether it is cheaper to remove the members of the others from a copy of the first than to ask them for each of its members.
    fn copies(&self) -> bool {
        let all = self.first.len() + self.others.iter().map(|set| set.len()).sum::<usize>();
        self.first.len().saturating_mul(1 + self.others.len()) / 2 > all
    }

    fn for_each(&self, mut f: impl FnMut(Element<'_>)) {
        for member in self.first.iter() {
            if !self.others.iter().any(|set| set.contains_element(member)) {
                f(member);
            }
        }
    }

    fn copy<'l>(&self, db: &Db, limits: &'l Limits) -> SetDraft<'l> {
        let mut result = unite(db, limits, [self.first]);
        for set in &self.others {
            set.iter().for_each(|member| _ = result.remove_element(member));
        }
        result
    }
}

/// SDIFF key [key ...]
pub(crate) fn sdiff(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let keys = args.from(1);
    if !look_up(ctx, keys) {
        return;
    }
    let (db, env, out) = (ctx.ks.db(ctx.db), ctx.env, &mut *ctx.out);
    match Difference::new(db, env, keys) {
        None => out.set(0),
        Some(difference) if difference.copies() => {
            reply_set(Some(difference.copy(db, &env.limits).get()), out);
        }
        Some(difference) => {
            let (mark, mut len) = (out.deferred_len(), 0);
            difference.for_each(|member| {
                element::bulk(out, member);
                len += 1;
            });
            out.set_set_len(mark, len);
        }
    }
}

/// SDIFFSTORE destination key [key ...]
pub(crate) fn sdiffstore(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (destination, keys) = (args.at(1), args.from(2));
    if !look_up(ctx, keys) {
        return;
    }
    let (db, env) = (ctx.ks.db(ctx.db), ctx.env);
    let result = Difference::new(db, env, keys).map(|difference| {
        if difference.copies() {
            return difference.copy(db, &env.limits);
        }
        let mut result = unite(db, &env.limits, []);
        difference.for_each(|member| _ = result.add_element(member));
        result
    });
    store(ctx, destination, "sdiffstore", result);
}
