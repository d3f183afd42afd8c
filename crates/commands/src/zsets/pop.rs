//! Taking out the members with the lowest or the highest scores, waiting for some if need be.

use keyspace::{Element, Kind, ZSetMut, ZSetRef};
use resp::{Args, ReplyBuf};

use super::look::{scored, scored_len};
use super::remove::removed;
use crate::deadline::deadline;
use crate::errors::{SYNTAX, WRONG_TYPE};
use crate::number::parse_i64;
use crate::{BlockRequest, Ctx, TimeoutReply, element};

/// Which end of a sorted set.
#[derive(Clone, Copy)]
enum End {
    Min,
    Max,
}

impl End {
    fn parse(word: &[u8]) -> Option<Self> {
        if word.eq_ignore_ascii_case(b"MIN") {
            Some(End::Min)
        } else if word.eq_ignore_ascii_case(b"MAX") {
            Some(End::Max)
        } else {
            None
        }
    }

    fn event(self) -> &'static str {
        match self {
            End::Min => "zpopmin",
            End::Max => "zpopmax",
        }
    }

    fn command(self) -> &'static [u8] {
        match self {
            End::Min => b"ZPOPMIN",
            End::Max => b"ZPOPMAX",
        }
    }
}

/// Takes out up to `count` members. `begin` is told how many they are going to be, `each` is given them one by one; both write to
/// the reply. Gives how many they were; `None` if the key is missing.
fn pop(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    end: End,
    count: usize,
    begin: impl FnOnce(&mut ReplyBuf, usize),
    mut each: impl FnMut(&mut ReplyBuf, Element<'_>, f64),
) -> Option<Result<usize, &'static str>> {
    let env = ctx.env;
    if let Err(error) =
        ctx.lookup_write(key).map(|entry| ZSetRef::of(&entry).ok_or(WRONG_TYPE).map(|_| ()))?
    {
        return Some(Err(error));
    }
    let out = &mut *ctx.out;
    let mut entry = ctx.ks.db_mut(ctx.db).get_mut(key)?;
    let mut set = ZSetMut::of(&mut entry, &env.limits)?;
    let len = set.get().len();
    let count = count.min(len);
    begin(out, count);
    if count == 0 {
        return Some(Ok(0));
    }
    match end {
        End::Min => set.remove_range(0..count, |member, score| each(out, member, score)),
        End::Max => {
            set.get().iter_back(len - count..len).for_each(|(member, score)| each(out, member, score));
            set.remove_range(len - count..len, |_, _| {});
        }
    }
    removed(ctx, key, end.event(), count, count == len);
    Some(Ok(count))
}

/// ZPOPMIN key [count]
pub(crate) fn zpopmin(ctx: &mut Ctx<'_>, args: Args<'_>) {
    reply_popped(ctx, args, End::Min);
}

/// ZPOPMAX key [count]
pub(crate) fn zpopmax(ctx: &mut Ctx<'_>, args: Args<'_>) {
    reply_popped(ctx, args, End::Max);
}

fn reply_popped(ctx: &mut Ctx<'_>, args: Args<'_>, end: End) {
    if args.len() > 3 {
        return ctx.out.error(SYNTAX);
    }
    let count = match args.get(2).map(parse_i64) {
        None => 1,
        Some(Some(count @ 0..)) => usize::try_from(count).unwrap_or(usize::MAX),
        Some(_) => return ctx.out.error("ERR value is out of range, must be positive"),
    };
    // Without a count there is one pair at most, and it is not put in an array of its own.
    let pairs = args.len() == 3;
    let begin = |out: &mut ReplyBuf, len: usize| {
        if pairs { scored_len(out, len, true) } else { out.array(2 * len) }
    };
    let each = |out: &mut ReplyBuf, member: Element<'_>, score: f64| {
        if pairs {
            return scored(out, member, score, true);
        }
        element::bulk(out, member);
        out.double(score);
    };
    match pop(ctx, args.at(1), end, count, begin, each) {
        None => ctx.out.array(0),
        Some(Err(error)) => ctx.out.error(error),
        Some(Ok(_)) => {}
    }
}

/// ZMPOP numkeys key [key ...] MIN | MAX [COUNT count]
pub(crate) fn zmpop(ctx: &mut Ctx<'_>, args: Args<'_>) {
    match Several::parse(args.from(1)) {
        Err(error) => ctx.out.error(error),
        Ok(several) => {
            if !several.pop(ctx) {
                ctx.out.null_array();
            }
        }
    }
}

/// BZMPOP timeout numkeys key [key ...] MIN | MAX [COUNT count]
pub(crate) fn bzmpop(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let several = match Several::parse(args.from(2)) {
        Err(error) => return ctx.out.error(error),
        Ok(several) => several,
    };
    match deadline(args.at(1), ctx.env.now_ms) {
        Err(error) => ctx.out.error(error),
        Ok(deadline_ms) => {
            if !several.pop(ctx) {
                wait(ctx, several.keys, deadline_ms);
            }
        }
    }
}

/// What ZMPOP and BZMPOP are asked for.
struct Several<'a> {
    keys: Args<'a>,
    end: End,
    count: usize,
}

impl<'a> Several<'a> {
    /// Reads a request from the number of its keys on.
    fn parse(args: Args<'a>) -> Result<Self, &'static str> {
        let Some(keys @ 1..) = parse_i64(args.at(0)) else {
            return Err("ERR numkeys should be greater than 0");
        };
        let Some(end_at) =
            usize::try_from(keys).ok().filter(|keys| *keys < args.len() - 1).map(|keys| keys + 1)
        else {
            return Err(SYNTAX);
        };
        let end = End::parse(args.at(end_at)).ok_or(SYNTAX)?;
        let options = args.from(end_at + 1);
        let count = match options.len() {
            0 => 1,
            2.. if options.at(0).eq_ignore_ascii_case(b"COUNT") => match parse_i64(options.at(1)) {
                Some(count @ 1..) if options.len() == 2 => usize::try_from(count).unwrap_or(usize::MAX),
                Some(1..) => return Err(SYNTAX),
                _ => return Err("ERR count should be greater than 0"),
            },
            _ => return Err(SYNTAX),
        };
        Ok(Self { keys: args.slice(1..end_at), end, count })
    }

    /// Pops from the first key that is there; whether there is one, or an error to be told.
    fn pop(&self, ctx: &mut Ctx<'_>) -> bool {
        for key in self.keys.iter() {
            let begin = |out: &mut ReplyBuf, len: usize| {
                out.array(2);
                out.bulk(key);
                out.array(len);
            };
            let each = |out: &mut ReplyBuf, member: Element<'_>, score: f64| {
                out.array(2);
                element::bulk(out, member);
                out.double(score);
            };
            match pop(ctx, key, self.end, self.count, begin, each) {
                None => continue,
                Some(Err(error)) => ctx.out.error(error),
                Some(Ok(count)) => {
                    let mut digits = itoa::Buffer::new();
                    ctx.fx.rewrite(&[self.end.command(), key, digits.format(count).as_bytes()]);
                }
            }
            return true;
        }
        false
    }
}

/// BZPOPMIN key [key ...] timeout
pub(crate) fn bzpopmin(ctx: &mut Ctx<'_>, args: Args<'_>) {
    pop_or_wait(ctx, args, End::Min);
}

/// BZPOPMAX key [key ...] timeout
pub(crate) fn bzpopmax(ctx: &mut Ctx<'_>, args: Args<'_>) {
    pop_or_wait(ctx, args, End::Max);
}

fn pop_or_wait(ctx: &mut Ctx<'_>, args: Args<'_>, end: End) {
    let last = args.len() - 1;
    let deadline_ms = match deadline(args.at(last), ctx.env.now_ms) {
        Ok(deadline_ms) => deadline_ms,
        Err(error) => return ctx.out.error(error),
    };
    let keys = args.slice(1..last);
    for key in keys.iter() {
        let begin = |out: &mut ReplyBuf, _| {
            out.array(3);
            out.bulk(key);
        };
        let each = |out: &mut ReplyBuf, member: Element<'_>, score: f64| {
            element::bulk(out, member);
            out.double(score);
        };
        match pop(ctx, key, end, 1, begin, each) {
            None => continue,
            Some(Err(error)) => ctx.out.error(error),
            Some(Ok(_)) => ctx.fx.rewrite(&[end.command(), key]),
        }
        return;
    }
    wait(ctx, keys, deadline_ms);
}

/// Makes the client wait for one of the keys, if it may.
fn wait(ctx: &mut Ctx<'_>, keys: Args<'_>, deadline_ms: Option<u64>) {
    if !ctx.env.may_block {
        return ctx.out.null_array();
    }
    ctx.fx.block(BlockRequest {
        keys: keys.iter().map(Box::from).collect(),
        kind: Kind::ZSet,
        deadline_ms,
        on_timeout: TimeoutReply::NullArray,
        wake_when_gone: false,
        request: None,
    });
}
