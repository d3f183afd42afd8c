//! ZADD and ZINCRBY.

use keyspace::{Holder, ZSetDraft, ZSetMut};
use resp::Args;

use super::bounds::parse_score;
use crate::Ctx;
use crate::effects::EventClass;
use crate::errors::{NOT_FLOAT, SYNTAX, WRONG_TYPE};

/// The options of ZADD.
#[derive(Default, Clone, Copy)]
struct Options {
    /// NX: only what is not there yet.
    new_only: bool,
    /// XX: only what is there already.
    old_only: bool,
    /// GT: a score that is there only becomes greater.
    greater: bool,
    /// LT: or only less.
    less: bool,
    /// CH: count changes, not only additions.
    changes: bool,
    /// INCR: the number is added to the score.
    increment: bool,
}

impl Options {
    /// The options, and where the first score stands.
    fn parse(args: Args<'_>) -> (Self, usize) {
        let mut options = Self::default();
        for at in 2..args.len() {
            let word = args.at(at);
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            // Most often it is a number.
            match word.first() {
                Some(byte) if byte.is_ascii_alphabetic() => {}
                _ => return (options, at),
            }
            if is(b"NX") {
                options.new_only = true;
            } else if is(b"XX") {
                options.old_only = true;
            } else if is(b"GT") {
                options.greater = true;
            } else if is(b"LT") {
                options.less = true;
            } else if is(b"CH") {
                options.changes = true;
            } else if is(b"INCR") {
                options.increment = true;
            } else {
                return (options, at);
            }
        }
        (options, args.len())
    }

    fn error(self) -> Option<&'static str> {
        if self.new_only && self.old_only {
            return Some("ERR XX and NX options at the same time are not compatible");
        }
        let several = (self.new_only && (self.greater || self.less)) || (self.greater && self.less);
        several.then_some("ERR GT, LT, and/or NX options at the same time are not compatible")
    }

    /// The score that a member is to have.
    #[inline]
    fn decide(self, old: Option<f64>, number: f64) -> Decision {
        let Some(old) = old else {
            return if self.old_only { Decision::Nothing } else { Decision::Score(number) };
        };
        if self.new_only {
            return Decision::Nothing;
        }
        let new = if self.increment { old + number } else { number };
        if new.is_nan() {
            return Decision::NotANumber;
        }
        if (self.less && new >= old) || (self.greater && new <= old) {
            return Decision::Nothing;
        }
        Decision::Score(new)
    }
}

enum Decision {
    Nothing,
    Score(f64),
    NotANumber,
}

/// What has come of all pairs.
#[derive(Default)]
struct Outcome {
    added: u64,
    changed: u64,
    /// The last score that was given, changed or not.
    score: Option<f64>,
    not_a_number: bool,
}

/// ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]
pub(crate) fn zadd(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (options, first) = Options::parse(args);
    let pairs = args.from(first);
    if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
        return ctx.out.error(SYNTAX);
    }
    if let Some(error) = options.error() {
        return ctx.out.error(error);
    }
    if options.increment && pairs.len() > 2 {
        return ctx.out.error("ERR INCR option supports a single increment-element pair");
    }
    add(ctx, args.at(1), options, pairs);
}

/// ZINCRBY key increment member
pub(crate) fn zincrby(ctx: &mut Ctx<'_>, args: Args<'_>) {
    add(ctx, args.at(1), Options { increment: true, ..Options::default() }, args.from(2));
}

fn add(ctx: &mut Ctx<'_>, key: &[u8], options: Options, pairs: Args<'_>) {
    // Nothing is added unless all scores are numbers.
    let Some(first) = parse_score(pairs.at(0)) else { return ctx.out.error(NOT_FLOAT) };
    if (2..pairs.len()).step_by(2).any(|at| parse_score(pairs.at(at)).is_none()) {
        return ctx.out.error(NOT_FLOAT);
    }
    let env = ctx.env;
    let updated =
        ctx.update(key, |entry| Some(add_all(&mut ZSetMut::of(entry, &env.limits)?, options, first, pairs)));
    let outcome = match updated {
        Some(Some(outcome)) => outcome,
        Some(None) => return ctx.out.error(WRONG_TYPE),
        None if options.old_only => Outcome::default(),
        None => {
            let mut set = ZSetDraft::new(&env.limits, ctx.db().value_hasher());
            let outcome = add_all(&mut set, options, first, pairs);
            ctx.put(key, set.into_value());
            ctx.signal_ready(key);
            outcome
        }
    };
    if outcome.not_a_number {
        return ctx.out.error("ERR resulting score is not a number (NaN)");
    }
    let changes = outcome.added + outcome.changed;
    if changes > 0 {
        ctx.modified(EventClass::ZSET, if options.increment { "zincr" } else { "zadd" }, key);
        ctx.fx.dirty += changes - 1;
    }
    match (options.increment, outcome.score) {
        (true, Some(score)) => ctx.out.double(score),
        (true, None) => ctx.out.null(),
        (false, _) => ctx.out.int(if options.changes { changes } else { outcome.added } as i64),
    }
}

fn add_all<H: Holder>(set: &mut ZSetMut<'_, H>, options: Options, first: f64, pairs: Args<'_>) -> Outcome {
    let mut outcome = Outcome::default();
    for at in (0..pairs.len() - 1).step_by(2) {
        let number = if at == 0 { first } else { parse_score(pairs.at(at)).unwrap_or_default() };
        set.change(pairs.at(at + 1), |old| match options.decide(old, number) {
            Decision::Nothing => None,
            Decision::NotANumber => {
                outcome.not_a_number = true;
                None
            }
            Decision::Score(new) => {
                outcome.score = Some(new);
                match old {
                    None => outcome.added += 1,
                    Some(old) => outcome.changed += u64::from(old != new),
                }
                Some(new)
            }
        });
    }
    outcome
}
