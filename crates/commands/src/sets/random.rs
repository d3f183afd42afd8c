//! Random members.

use keyspace::{Element, SetMut, SetRef};
use resp::Args;

use super::members::{delete_empty, reply_set};
use crate::effects::EventClass;
use crate::errors::{NOT_INTEGER, SYNTAX, WRONG_TYPE};
use crate::number::parse_i64;
use crate::repeats::Repeats;
use crate::{Ctx, element};

/// How many members of SPOP one SREM in the log takes.
const BATCH: usize = 1024;

/// SPOP key [count]
pub(crate) fn spop(ctx: &mut Ctx<'_>, args: Args<'_>) {
    match args.len() {
        2 => pop_one(ctx, args.at(1)),
        3 => match parse_i64(args.at(2)) {
            None => ctx.out.error(NOT_INTEGER),
            Some(..0) => ctx.out.error("ERR value is out of range, must be positive"),
            Some(count) => pop_many(ctx, args.at(1), usize::try_from(count).unwrap_or(usize::MAX)),
        },
        _ => ctx.out.error(SYNTAX),
    }
}

fn pop_one(ctx: &mut Ctx<'_>, key: &[u8]) {
    let (env, mut rng) = (ctx.env, ctx.rng.fork());
    let popped = ctx.update(key, |entry| {
        let mut set = SetMut::of(entry, &env.limits)?;
        let member = set.pop(&mut rng)?;
        Some((member, set.get().is_empty()))
    });
    let (member, empty) = match popped {
        None => return ctx.out.null(),
        Some(None) => return ctx.out.error(WRONG_TYPE),
        Some(Some(popped)) => popped,
    };
    ctx.modified(EventClass::SET, "spop", key);
    ctx.fx.rewrite(&[b"SREM", key, &member]);
    ctx.out.bulk(&member);
    if empty {
        delete_empty(ctx, key);
    }
}

fn pop_many(ctx: &mut Ctx<'_>, key: &[u8], count: usize) {
    let size = match ctx.lookup_write(key).map(|entry| SetRef::of(&entry).map(SetRef::len)) {
        None => return ctx.out.set(0),
        Some(None) => return ctx.out.error(WRONG_TYPE),
        Some(Some(size)) => size,
    };
    if count == 0 {
        return ctx.out.set(0);
    }
    ctx.modified(EventClass::SET, "spop", key);
    ctx.fx.dirty += count.min(size) as u64 - 1;
    if count >= size {
        reply_set(ctx.ks.db(ctx.db).get(key).and_then(|entry| SetRef::of(&entry)), ctx.out);
        delete_empty(ctx, key);
        // The reader frees it as this instance does.
        let name = crate::deletion(ctx.env.lazyfree_server_del);
        ctx.fx.rewrite(&[name, key]);
        return;
    }
    let limits = &ctx.env.limits;
    let taken = ctx
        .ks
        .db_mut(ctx.db)
        .get_mut(key)
        .and_then(|mut entry| Some(SetMut::of(&mut entry, limits)?.pop_many(count, ctx.rng)))
        .unwrap_or_default();
    ctx.out.set(taken.len());
    let mut command: Vec<&[u8]> = vec![b"SREM", key];
    for member in taken.iter() {
        ctx.out.bulk(member);
        command.push(member);
        if command.len() == BATCH + 2 {
            ctx.fx.rewrite(&command);
            command.truncate(2);
        }
    }
    if command.len() > 2 {
        ctx.fx.rewrite(&command);
    }
}

/// SRANDMEMBER key [count]
pub(crate) fn srandmember(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (key, mut rng, env) = (args.at(1), ctx.rng.fork(), ctx.env);
    let count = match args.len() {
        2 => None,
        3 => match parse_i64(args.at(2)) {
            None => return ctx.out.error(NOT_INTEGER),
            Some(i64::MIN) => {
                return ctx.out.error(
                    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
                );
            }
            count => count,
        },
        _ => return ctx.out.error(SYNTAX),
    };
    ctx.read(key, |entry, out| {
        let set = match entry.map(|entry| SetRef::of(&entry)) {
            None => return if count.is_none() { out.null() } else { out.array(0) },
            Some(None) => return out.error(WRONG_TYPE),
            Some(Some(set)) => set,
        };
        match count {
            None => match set.random(&mut rng) {
                Some(member) => element::bulk(out, member),
                None => out.null(),
            },
            // Each is drawn from all of them, and they come in the order in which they were drawn.
            Some(count @ ..0) => {
                let count = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
                let repeats = Repeats::begin(out, env);
                out.array(count);
                let members = Quick::new(set, count);
                repeats.write(out, count, |out| match members.random(&mut rng) {
                    Some(member) => element::bulk(out, member),
                    None => out.null(),
                });
            }
            Some(count) => {
                let members = set.sample(usize::try_from(count).unwrap_or(usize::MAX), &mut rng);
                out.array(members.len());
                members.into_iter().for_each(|member| element::bulk(out, member));
            }
        }
    });
}

/// A set that is asked for random members again and again: those of a pack are found by their place only once.
enum Quick<'a> {
    Set(SetRef<'a>),
    Listed(Vec<Element<'a>>),
}

impl<'a> Quick<'a> {
    fn new(set: SetRef<'a>, count: usize) -> Self {
        match set {
            SetRef::Pack(pack) if count > 1 => Quick::Listed(pack.iter().collect()),
            set => Quick::Set(set),
        }
    }

    fn random(&self, rng: &mut fastrand::Rng) -> Option<Element<'a>> {
        match self {
            Quick::Set(set) => set.random(rng),
            Quick::Listed(members) => rng.choice(members.iter().copied()),
        }
    }
}
