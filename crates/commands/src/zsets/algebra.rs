//! Unions, intersections and differences, of sorted sets and plain ones, whose members all have the score 1.

use std::ops::ControlFlow;

use keyspace::{Db, Element, Entry, SetRef, TextBuffer, ZSetDraft, ZSetRef};
use resp::Args;

use super::bounds::parse_score;
use super::look::{scored, scored_len};
use super::range::store;
use crate::errors::{NOT_INTEGER, SYNTAX, WRONG_TYPE};
use crate::number::parse_i64;
use crate::{Ctx, Env};

/// What is done with the sets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Inter,
    Diff,
}

/// How the scores of a member become one.
#[derive(Clone, Copy)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn parse(word: &[u8]) -> Option<Self> {
        let all: [(&[u8], Self); 3] = [(b"SUM", Self::Sum), (b"MIN", Self::Min), (b"MAX", Self::Max)];
        all.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, aggregate)| aggregate)
    }

    fn of(self, one: f64, other: f64) -> f64 {
        match self {
            // Infinities of both signs have no sum.
            Self::Sum => number(one + other),
            Self::Min => one.min(other),
            Self::Max => one.max(other),
        }
    }
}

/// Zero in the place of what is no number.
fn number(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// A set that takes part.
#[derive(Clone, Copy)]
enum Source<'a> {
    /// A missing key.
    Nothing,
    Sorted(ZSetRef<'a>),
    Plain(SetRef<'a>),
}

impl<'a> Source<'a> {
    fn of(entry: &Entry<'a>) -> Option<Self> {
        ZSetRef::of(entry).map(Source::Sorted).or_else(|| SetRef::of(entry).map(Source::Plain))
    }

    fn len(self) -> usize {
        match self {
            Source::Nothing => 0,
            Source::Sorted(set) => set.len(),
            Source::Plain(set) => set.len(),
        }
    }

    fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Source::Nothing => None,
            Source::Sorted(set) => set.score(member),
            Source::Plain(set) => set.contains(member).then_some(1.0),
        }
    }

    /// Gives all members to `f` until that is enough.
    fn for_each(self, mut f: impl FnMut(&[u8], f64) -> ControlFlow<()>) {
        let mut text = TextBuffer::new();
        let mut give = |member: Element<'_>, score| f(member.text(&mut text), score).is_break();
        match self {
            Source::Nothing => {}
            Source::Sorted(set) => _ = set.all().any(|(member, score)| give(member, score)),
            Source::Plain(set) => _ = set.iter().any(|member| give(member, 1.0)),
        }
    }
}

/// A request from the number of its keys on.
struct Request<'a> {
    keys: Args<'a>,
    operation: Operation,
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
}

/// Reads the keys of a request, which begins with their number, and looks them up; `None` if that fails, with the error as reply.
fn keys<'a>(ctx: &mut Ctx<'_>, args: Args<'a>, name: &str) -> Option<Args<'a>> {
    let count = match parse_i64(args.at(0)) {
        None => {
            ctx.out.error(NOT_INTEGER);
            return None;
        }
        Some(..1) => {
            ctx.out.error(&format!("ERR at least 1 input key is needed for '{name}' command"));
            return None;
        }
        Some(count) => usize::try_from(count).unwrap_or(usize::MAX),
    };
    if count > args.len() - 1 {
        ctx.out.error(SYNTAX);
        return None;
    }
    let keys = args.slice(1..1 + count);
    for key in keys.iter() {
        let usable = ctx.read(key, |entry, _| entry.is_none_or(|entry| Source::of(&entry).is_some()));
        if !usable {
            ctx.out.error(WRONG_TYPE);
            return None;
        }
    }
    Some(keys)
}

fn parse<'a>(
    ctx: &mut Ctx<'_>,
    args: Args<'a>,
    name: &str,
    operation: Operation,
    stores: bool,
) -> Option<Request<'a>> {
    let keys = keys(ctx, args, name)?;
    let mut request = Request {
        keys,
        operation,
        weights: vec![1.0; keys.len()],
        aggregate: Aggregate::Sum,
        with_scores: false,
    };
    let error = request.parse_options(args.from(1 + keys.len()), stores).err();
    if let Some(error) = error {
        ctx.out.error(error);
        return None;
    }
    Some(request)
}

impl Request<'_> {
    fn parse_options(&mut self, args: Args<'_>, stores: bool) -> Result<(), &'static str> {
        let weighs = self.operation != Operation::Diff;
        let mut at = 0;
        while at < args.len() {
            let left = args.len() - at - 1;
            let is = |name: &[u8]| args.at(at).eq_ignore_ascii_case(name);
            if weighs && is(b"WEIGHTS") && left >= self.weights.len() {
                for weight in &mut self.weights {
                    at += 1;
                    *weight = parse_score(args.at(at)).ok_or("ERR weight value is not a float")?;
                }
            } else if weighs && is(b"AGGREGATE") && left >= 1 {
                at += 1;
                self.aggregate = Aggregate::parse(args.at(at)).ok_or(SYNTAX)?;
            } else if !stores && is(b"WITHSCORES") {
                self.with_scores = true;
            } else {
                return Err(SYNTAX);
            }
            at += 1;
        }
        Ok(())
    }

    /// What comes of the sets.
    fn carry_out<'l>(&self, db: &Db, env: &'l Env) -> ZSetDraft<'l> {
        let mut result = ZSetDraft::new(&env.limits, db.value_hasher());
        let mut sources = sources(db, env, self.keys, &self.weights);
        if self.operation != Operation::Diff {
            // An intersection is looked for in the smallest; and sums may depend on the order.
            sources.sort_by_key(|(source, _)| source.len());
        }
        let aggregate = self.aggregate;
        match (self.operation, sources.split_first()) {
            (_, None) => {}
            (Operation::Union, _) => {
                let largest = sources.last().map_or(0, |(source, _)| source.len());
                result.expect(largest);
                for (source, weight) in &sources {
                    source.for_each(|member, score| {
                        let score = number(weight * score);
                        result.change(member, |old| Some(old.map_or(score, |old| aggregate.of(old, score))));
                        ControlFlow::Continue(())
                    });
                }
            }
            (Operation::Inter, Some(((smallest, weight), others))) => {
                smallest.for_each(|member, score| {
                    let mut sum = number(weight * score);
                    let in_all = others.iter().all(|(source, weight)| {
                        let score = source.score(member);
                        sum = score.map_or(sum, |score| aggregate.of(sum, number(weight * score)));
                        score.is_some()
                    });
                    if in_all {
                        result.insert(member, sum);
                    }
                    ControlFlow::Continue(())
                });
            }
            (Operation::Diff, Some(((first, _), others))) => {
                first.for_each(|member, score| {
                    if others.iter().all(|(source, _)| source.score(member).is_none()) {
                        result.insert(member, score);
                    }
                    ControlFlow::Continue(())
                });
            }
        }
        result
    }
}

/// The sets of keys that have been looked up, with their weights.
fn sources<'d>(db: &'d Db, env: &Env, keys: Args<'_>, weights: &[f64]) -> Vec<(Source<'d>, f64)> {
    let source = |key| {
        let entry = db.get(key).filter(|entry| !env.is_expired(entry.expiry()));
        entry.and_then(|entry| Source::of(&entry)).unwrap_or(Source::Nothing)
    };
    keys.iter().map(source).zip(weights.iter().copied()).collect()
}

fn reply(ctx: &mut Ctx<'_>, args: Args<'_>, name: &str, operation: Operation) {
    let Some(request) = parse(ctx, args.from(1), name, operation, false) else { return };
    let result = request.carry_out(ctx.ks.db(ctx.db), ctx.env);
    let set = result.get();
    scored_len(ctx.out, set.len(), request.with_scores);
    for (member, score) in set.all() {
        scored(ctx.out, member, score, request.with_scores);
    }
}

fn store_result(ctx: &mut Ctx<'_>, args: Args<'_>, name: &'static str, operation: Operation) {
    let Some(request) = parse(ctx, args.from(2), name, operation, true) else { return };
    let result = request.carry_out(ctx.ks.db(ctx.db), ctx.env);
    store(ctx, args.at(1), name, result);
}

/// ZUNION numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]
pub(crate) fn zunion(ctx: &mut Ctx<'_>, args: Args<'_>) {
    reply(ctx, args, "zunion", Operation::Union);
}

/// ZINTER numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]
pub(crate) fn zinter(ctx: &mut Ctx<'_>, args: Args<'_>) {
    reply(ctx, args, "zinter", Operation::Inter);
}

/// ZDIFF numkeys key [key ...] [WITHSCORES]
pub(crate) fn zdiff(ctx: &mut Ctx<'_>, args: Args<'_>) {
    reply(ctx, args, "zdiff", Operation::Diff);
}

/// ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX]
pub(crate) fn zunionstore(ctx: &mut Ctx<'_>, args: Args<'_>) {
    store_result(ctx, args, "zunionstore", Operation::Union);
}

/// ZINTERSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX]
pub(crate) fn zinterstore(ctx: &mut Ctx<'_>, args: Args<'_>) {
    store_result(ctx, args, "zinterstore", Operation::Inter);
}

/// ZDIFFSTORE destination numkeys key [key ...]
pub(crate) fn zdiffstore(ctx: &mut Ctx<'_>, args: Args<'_>) {
    store_result(ctx, args, "zdiffstore", Operation::Diff);
}

/// ZINTERCARD numkeys key [key ...] [LIMIT limit]
pub(crate) fn zintercard(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let Some(keys) = keys(ctx, args.from(1), "zintercard") else { return };
    let mut limit = 0;
    let mut words = args.from(2 + keys.len()).iter();
    while let Some(word) = words.next() {
        match words.next() {
            Some(value) if word.eq_ignore_ascii_case(b"LIMIT") => match parse_i64(value) {
                Some(value @ 0..) => limit = value,
                _ => return ctx.out.error("ERR LIMIT can't be negative"),
            },
            _ => return ctx.out.error(SYNTAX),
        }
    }
    let mut sources = sources(ctx.ks.db(ctx.db), ctx.env, keys, &vec![1.0; keys.len()]);
    sources.sort_by_key(|(source, _)| source.len());
    let mut count = 0;
    if let Some(((smallest, _), others)) = sources.split_first() {
        smallest.for_each(|member, _| {
            count += i64::from(others.iter().all(|(source, _)| source.score(member).is_some()));
            if limit > 0 && count == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }
    ctx.out.int(count);
}
