//! Questions about one sorted set.

use keyspace::{Element, TextBuffer, ZSetRef};
use resp::{Args, ReplyBuf, format_double};

use super::bounds::{NOT_MEMBERS, NOT_SCORES, member_range, score_range};
use crate::errors::{self, NOT_INTEGER, OUT_OF_RANGE, SYNTAX, WRONG_TYPE};
use crate::number::parse_i64;
use crate::repeats::Repeats;
use crate::scan::{Elements, INVALID_CURSOR, Options, Target, parse_cursor};
use crate::{Ctx, element};

/// Replies with something about the sorted set of a key: `f` is given none where the key is missing.
#[inline]
pub(super) fn look(ctx: &mut Ctx<'_>, key: &[u8], f: impl FnOnce(Option<ZSetRef<'_>>, &mut ReplyBuf)) {
    ctx.read(key, |entry, out| match entry.map(|entry| ZSetRef::of(&entry)) {
        Some(None) => out.error(WRONG_TYPE),
        set => f(set.flatten(), out),
    });
}

/// ZCARD key
pub(crate) fn zcard(ctx: &mut Ctx<'_>, args: Args<'_>) {
    look(ctx, args.at(1), |set, out| out.int(set.map_or(0, ZSetRef::len) as i64));
}

fn reply_score(score: Option<f64>, out: &mut ReplyBuf) {
    match score {
        Some(score) => out.double(score),
        None => out.null(),
    }
}

/// ZSCORE key member
pub(crate) fn zscore(ctx: &mut Ctx<'_>, args: Args<'_>) {
    look(ctx, args.at(1), |set, out| reply_score(set.and_then(|set| set.score(args.at(2))), out));
}

/// ZMSCORE key member [member ...]
pub(crate) fn zmscore(ctx: &mut Ctx<'_>, args: Args<'_>) {
    look(ctx, args.at(1), |set, out| {
        let members = args.from(2);
        out.array(members.len());
        for member in members.iter() {
            reply_score(set.and_then(|set| set.score(member)), out);
        }
    });
}

/// ZRANK key member [WITHSCORE]
pub(crate) fn zrank(ctx: &mut Ctx<'_>, args: Args<'_>) {
    reply_rank(ctx, args, "zrank", |rank, _| rank);
}

/// ZREVRANK key member [WITHSCORE]
pub(crate) fn zrevrank(ctx: &mut Ctx<'_>, args: Args<'_>) {
    reply_rank(ctx, args, "zrevrank", |rank, len| len - 1 - rank);
}

fn reply_rank(ctx: &mut Ctx<'_>, args: Args<'_>, name: &str, count: impl FnOnce(usize, usize) -> usize) {
    if args.len() > 4 {
        return errors::wrong_arity(ctx.out, name);
    }
    let with_score = args.len() == 4;
    if with_score && !args.at(3).eq_ignore_ascii_case(b"WITHSCORE") {
        return ctx.out.error(SYNTAX);
    }
    look(ctx, args.at(1), |set, out| {
        let found =
            set.and_then(|set| set.rank(args.at(2)).map(|(rank, score)| (count(rank, set.len()), score)));
        match found {
            None if with_score => out.null_array(),
            None => out.null(),
            Some((rank, score)) => {
                if with_score {
                    out.array(2);
                }
                out.int(rank as i64);
                if with_score {
                    out.double(score);
                }
            }
        }
    });
}

/// ZCOUNT key min max
pub(crate) fn zcount(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let Some(range) = score_range(args.at(2), args.at(3)) else { return ctx.out.error(NOT_SCORES) };
    reply_count(ctx, args.at(1), range);
}

/// ZLEXCOUNT key min max
pub(crate) fn zlexcount(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let Some(range) = member_range(args.at(2), args.at(3)) else { return ctx.out.error(NOT_MEMBERS) };
    reply_count(ctx, args.at(1), range);
}

fn reply_count(ctx: &mut Ctx<'_>, key: &[u8], (from, to): (keyspace::Place<'_>, keyspace::Place<'_>)) {
    let count = |set: ZSetRef<'_>| set.rank_of(to).saturating_sub(set.rank_of(from));
    look(ctx, key, |set, out| out.int(set.map_or(0, count) as i64));
}

/// ZRANDMEMBER key [count [WITHSCORES]]
pub(crate) fn zrandmember(ctx: &mut Ctx<'_>, args: Args<'_>) {
    if args.len() == 2 {
        let mut rng = ctx.rng.fork();
        return look(ctx, args.at(1), |set, out| match set.and_then(|set| set.random(&mut rng)) {
            Some((member, _)) => element::bulk(out, member),
            None => out.null(),
        });
    }
    let Some(count) = parse_i64(args.at(2)) else { return ctx.out.error(NOT_INTEGER) };
    if count == i64::MIN {
        return ctx.out.error(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        );
    }
    let with_scores = args.len() > 3;
    if args.len() > 4 || (with_scores && !args.at(3).eq_ignore_ascii_case(b"WITHSCORES")) {
        return ctx.out.error(SYNTAX);
    }
    if with_scores && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return ctx.out.error(OUT_OF_RANGE);
    }
    let (mut rng, env) = (ctx.rng.fork(), ctx.env);
    look(ctx, args.at(1), |set, out| {
        let Some(set) = set else { return out.array(0) };
        let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        if count < 0 {
            // Each drawn from all: some perhaps several times.
            let repeats = Repeats::begin(out, env);
            scored_len(out, wanted, with_scores);
            return repeats.write(out, wanted, |out| {
                if let Some((member, score)) = set.random(&mut rng) {
                    scored(out, member, score, with_scores);
                }
            });
        }
        let wanted = wanted.min(set.len());
        scored_len(out, wanted, with_scores);
        for_each_of_sample(set, wanted, &mut rng, |member, score| scored(out, member, score, with_scores));
    });
}

/// Gives that many different members, each choice with the same chance.
fn for_each_of_sample(
    set: ZSetRef<'_>,
    wanted: usize,
    rng: &mut fastrand::Rng,
    mut f: impl FnMut(Element<'_>, f64),
) {
    /// Drawing ranks until there are enough different ones meets more and more of those it has.
    const MANY_DRAWS: usize = 3;
    if wanted < set.len() / MANY_DRAWS {
        let mut seen = std::collections::HashSet::with_capacity(wanted);
        while seen.len() < wanted {
            let rank = rng.usize(..set.len());
            if seen.insert(rank)
                && let Some((member, score)) = set.nth(rank)
            {
                f(member, score);
            }
        }
        return;
    }
    let (mut wanted, mut left) = (wanted, set.len());
    for (member, score) in set.all() {
        if rng.usize(..left) < wanted {
            f(member, score);
            wanted -= 1;
        }
        left -= 1;
    }
}

/// Begins a reply of members, each with its score if wanted: in pairs, which RESP2 clients get one behind the other.
#[inline]
pub(super) fn scored_len(out: &mut ReplyBuf, len: usize, with_scores: bool) {
    out.array(if with_scores && !out.is_resp3() { len * 2 } else { len });
}

/// One member of such a reply.
#[inline]
pub(super) fn scored(out: &mut ReplyBuf, member: Element<'_>, score: f64, with_scores: bool) {
    if with_scores && out.is_resp3() {
        out.array(2);
    }
    element::bulk(out, member);
    if with_scores {
        out.double(score);
    }
}

/// ZSCAN key cursor [MATCH pattern] [COUNT count] [NOSCORES]
pub(crate) fn zscan(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let Some(cursor) = parse_cursor(args.at(2)) else { return ctx.out.error(INVALID_CURSOR) };
    look(ctx, args.at(1), |set, out| {
        let mut members = Elements::new();
        // A key that is missing is answered before the options are looked at.
        let Some(set) = set else { return members.reply(0, out) };
        let options = match Options::parse(args.from(3), Target::ZSet) {
            Ok(options) => options,
            Err(error) => return out.error(&error),
        };
        let mut text = TextBuffer::new();
        let next = set.scan(cursor, options.count, &mut |member, score| {
            let member = member.text(&mut text);
            if options.matches(member) {
                members.push(member);
                if !options.names_only {
                    members.push(format_double(score).as_ref().as_bytes());
                }
            }
        });
        members.reply(next, out);
    });
}
