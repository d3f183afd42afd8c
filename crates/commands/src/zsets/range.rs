//! ZRANGE and its older relatives.

use std::ops::Range;

use keyspace::{Place, Scored, ZSetDraft, ZSetRef};
use resp::Args;

use super::bounds::{NOT_MEMBERS, NOT_SCORES, member_range, rank_range, score_range};
use super::look::{look, scored, scored_len};
use crate::Ctx;
use crate::effects::EventClass;
use crate::errors::{NOT_INTEGER, SYNTAX, WRONG_TYPE};
use crate::number::parse_i64;

/// What the bounds of a range are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

/// Which members a request asks for.
struct Request<'a> {
    bounds: Bounds<'a>,
    reverse: bool,
    with_scores: bool,
    /// LIMIT: how many to pass over, and how many to give after that, all if negative.
    limit: Option<(i64, i64)>,
}

enum Bounds<'a> {
    Ranks(i64, i64),
    Places(Place<'a>, Place<'a>),
}

/// What the name of a command says already; `None` is left to options.
#[derive(Clone, Copy)]
struct Kind {
    by: Option<By>,
    reverse: Option<bool>,
    store: bool,
}

impl<'a> Request<'a> {
    /// Reads a request from its first bound on.
    #[inline]
    fn parse(args: Args<'a>, kind: Kind) -> Result<Self, &'static str> {
        let (mut by, mut reverse, mut with_scores, mut limit) = (kind.by, kind.reverse, false, None);
        let mut at = 2;
        while at < args.len() {
            let word = args.at(at);
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            if !kind.store && is(b"WITHSCORES") {
                with_scores = true;
            } else if is(b"LIMIT") && at + 2 < args.len() {
                let number = |at| parse_i64(args.at(at)).ok_or(NOT_INTEGER);
                limit = Some((number(at + 1)?, number(at + 2)?));
                at += 2;
            } else if kind.reverse.is_none() && is(b"REV") {
                reverse = Some(true);
            } else if by.is_none() && is(b"BYLEX") {
                by = Some(By::Lex);
            } else if by.is_none() && is(b"BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(SYNTAX);
            }
            at += 1;
        }
        let (by, reverse) = (by.unwrap_or(By::Rank), reverse.unwrap_or(false));
        // All of them, which is what a range of ranks gives anyway, is not taken for a limit.
        if by == By::Rank && limit.is_some_and(|(_, count)| count != -1) {
            return Err(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            );
        }
        if with_scores && by == By::Lex {
            return Err("ERR syntax error, WITHSCORES not supported in combination with BYLEX");
        }
        // Going backwards, the upper bound comes first.
        let (min, max) = if reverse { (args.at(1), args.at(0)) } else { (args.at(0), args.at(1)) };
        let bounds = match by {
            By::Rank => {
                let number = |at| parse_i64(args.at(at)).ok_or(NOT_INTEGER);
                Bounds::Ranks(number(0)?, number(1)?)
            }
            By::Score => {
                score_range(min, max).map(|(from, to)| Bounds::Places(from, to)).ok_or(NOT_SCORES)?
            }
            By::Lex => {
                member_range(min, max).map(|(from, to)| Bounds::Places(from, to)).ok_or(NOT_MEMBERS)?
            }
        };
        Ok(Self { bounds, reverse, with_scores, limit })
    }

    /// The ranks asked for, counted from the first member.
    #[inline]
    fn ranks(&self, set: ZSetRef<'_>) -> Range<usize> {
        let ranks = match self.bounds {
            Bounds::Ranks(start, stop) => {
                let ranks = rank_range(start, stop, set.len());
                return if self.reverse { set.len() - ranks.end..set.len() - ranks.start } else { ranks };
            }
            Bounds::Places(from, to) => set.rank_of(from)..set.rank_of(to),
        };
        let Some((offset, count)) = self.limit else { return ranks };
        let Ok(offset) = usize::try_from(offset) else { return 0..0 };
        let offset = offset.min(ranks.len());
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(ranks.len() - offset);
        if self.reverse {
            ranks.end - offset - count..ranks.end - offset
        } else {
            ranks.start + offset..ranks.start + offset + count
        }
    }

    #[inline]
    fn members<'s>(&self, set: ZSetRef<'s>) -> Scored<'s> {
        let ranks = self.ranks(set);
        if self.reverse { set.iter_back(ranks) } else { set.iter(ranks) }
    }
}

fn reply_range(ctx: &mut Ctx<'_>, args: Args<'_>, by: Option<By>, reverse: Option<bool>) {
    let request = match Request::parse(args.from(2), Kind { by, reverse, store: false }) {
        Ok(request) => request,
        Err(error) => return ctx.out.error(error),
    };
    look(ctx, args.at(1), |set, out| {
        let Some(set) = set else { return out.array(0) };
        let members = request.members(set);
        scored_len(out, members.len(), request.with_scores);
        for (member, score) in members {
            scored(out, member, score, request.with_scores);
        }
    });
}

/// ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]
pub(crate) fn zrange(ctx: &mut Ctx<'_>, args: Args<'_>) {
    reply_range(ctx, args, None, None);
}

/// ZREVRANGE key start stop [WITHSCORES]
pub(crate) fn zrevrange(ctx: &mut Ctx<'_>, args: Args<'_>) {
    reply_range(ctx, args, Some(By::Rank), Some(true));
}

/// ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]
pub(crate) fn zrangebyscore(ctx: &mut Ctx<'_>, args: Args<'_>) {
    reply_range(ctx, args, Some(By::Score), Some(false));
}

/// ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]
pub(crate) fn zrevrangebyscore(ctx: &mut Ctx<'_>, args: Args<'_>) {
    reply_range(ctx, args, Some(By::Score), Some(true));
}

/// ZRANGEBYLEX key min max [LIMIT offset count]
pub(crate) fn zrangebylex(ctx: &mut Ctx<'_>, args: Args<'_>) {
    reply_range(ctx, args, Some(By::Lex), Some(false));
}

/// ZREVRANGEBYLEX key max min [LIMIT offset count]
pub(crate) fn zrevrangebylex(ctx: &mut Ctx<'_>, args: Args<'_>) {
    reply_range(ctx, args, Some(By::Lex), Some(true));
}

/// ZRANGESTORE destination key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count]
pub(crate) fn zrangestore(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let request = match Request::parse(args.from(3), Kind { by: None, reverse: None, store: true }) {
        Ok(request) => request,
        Err(error) => return ctx.out.error(error),
    };
    let (env, db) = (ctx.env, ctx.db);
    let source = ctx.lookup_read(args.at(2)).map(|entry| ZSetRef::of(&entry).is_some());
    if source == Some(false) {
        return ctx.out.error(WRONG_TYPE);
    }
    let db = ctx.ks.db(db);
    let mut result = ZSetDraft::new(&env.limits, db.value_hasher());
    if source.is_some()
        && let Some(set) = db.get(args.at(2)).and_then(|entry| ZSetRef::of(&entry))
    {
        let mut text = keyspace::TextBuffer::new();
        // In order, whichever way the range was given: the last additions are the cheapest.
        for (member, score) in set.iter(request.ranks(set)) {
            result.insert(member.text(&mut text), score);
        }
    }
    store(ctx, args.at(1), "zrangestore", result);
}

/// Stores what a command has come to, or deletes the destination if that is nothing.
pub(super) fn store(ctx: &mut Ctx<'_>, destination: &[u8], event: &'static str, set: ZSetDraft<'_>) {
    let len = set.get().len();
    if len > 0 {
        ctx.put(destination, set.into_value());
        ctx.signal_ready(destination);
        ctx.modified(EventClass::ZSET, event, destination);
    } else if let Some(removed) = ctx.take(destination) {
        ctx.discard(removed, ctx.env.lazyfree_server_del);
        ctx.modified(EventClass::GENERIC, "del", destination);
    }
    ctx.out.int(len as i64);
}
