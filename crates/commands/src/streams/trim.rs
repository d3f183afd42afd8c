//! Trimming and deleting.

use keyspace::stream::{Entries, StreamId, Trim, TrimTo};
use resp::Args;

use super::parse::{self, Error};
use super::reply;
use crate::Ctx;
use crate::effects::EventClass;
use crate::env::{Env, ExpiryMode};
use crate::errors::SYNTAX;

/// The trimming options of XADD and XTRIM.
#[derive(Default)]
pub(super) struct Options {
    to: Option<TrimTo>,
    approximate: bool,
    limit: Option<i64>,
    /// Where the threshold stands.
    threshold_at: usize,
    /// Where LIMIT stands.
    limit_at: Option<usize>,
}

impl Options {
    /// Reads the option that stands at `at`, if it is one of them; says where the next argument is.
    pub fn read(&mut self, args: Args<'_>, at: usize) -> Result<Option<usize>, Error> {
        let word = args.at(at);
        let Some(value) = args.get(at + 1) else { return Ok(None) };
        let by_len = parse::is(word, "MAXLEN");
        if by_len || parse::is(word, "MINID") {
            if self.to.is_some() {
                return Err("ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
            }
            let operator = matches!(value, b"~" | b"=") && at + 2 < args.len();
            self.approximate = operator && value == b"~";
            self.threshold_at = at + 1 + usize::from(operator);
            let threshold = args.at(self.threshold_at);
            self.to = Some(if by_len {
                let len = u64::try_from(parse::number(threshold)?);
                TrimTo::Len(len.map_err(|_| "ERR The MAXLEN argument must be >= 0.")?)
            } else {
                TrimTo::MinId(parse::id(threshold)?)
            });
            return Ok(Some(self.threshold_at + 1));
        }
        if parse::is(word, "LIMIT") {
            let limit = parse::number(value)?;
            if limit < 0 {
                return Err("ERR The LIMIT argument must be >= 0.");
            }
            (self.limit, self.limit_at) = (Some(limit), Some(at));
            return Ok(Some(at + 2));
        }
        Ok(None)
    }

    /// What is to be done, once all options are read.
    pub fn finish(&self, env: &Env) -> Result<Option<Trim>, Error> {
        if self.to.is_none() && self.limit.is_some_and(|limit| limit > 0) {
            return Err("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
        }
        let limit = match self.limit {
            // What comes from the master was limited there.
            _ if env.expiry == ExpiryMode::Ignore => 0,
            Some(_) if !self.approximate => {
                return Err("ERR syntax error, LIMIT cannot be used without the special ~ option");
            }
            Some(limit) => limit as u64,
            None if self.approximate => default_limit(env),
            None => 0,
        };
        Ok(self.to.map(|to| Trim { to, approximate: self.approximate, limit }))
    }

    /// The threshold that makes an approximation exact: what it has left.
    pub fn outcome(&self, entries: &Entries) -> Option<Vec<u8>> {
        match self.to? {
            _ if !self.approximate => None,
            TrimTo::Len(_) => Some(entries.len().to_string().into_bytes()),
            TrimTo::MinId(_) => {
                let first = if entries.is_empty() { StreamId::MAX } else { entries.first_id() };
                Some(first.text().as_bytes().to_vec())
            }
        }
    }

    /// The argument at `at` as the log gets it: with an outcome, an approximation becomes exact and loses its limit. `None`
    /// leaves the argument out.
    pub fn logged<'a>(&self, args: Args<'a>, at: usize, outcome: Option<&'a [u8]>) -> Option<&'a [u8]> {
        match outcome {
            Some(_) if self.limit_at.is_some_and(|limit| (limit..limit + 2).contains(&at)) => None,
            Some(_) if at + 1 == self.threshold_at => Some(b"="),
            Some(outcome) if at == self.threshold_at => Some(outcome),
            _ => Some(args.at(at)),
        }
    }
}

const NO_STRATEGY: Error = "ERR syntax error, XTRIM must be called with a trimming strategy";

/// How much trimming one command does unless it is told otherwise: a hundred nodes.
fn default_limit(env: &Env) -> u64 {
    match env.limits.stream_node_max_entries.saturating_mul(100) {
        0 => 10_000,
        limit => limit.min(1_000_000),
    }
}

/// XTRIM key MAXLEN | MINID [= | ~] threshold [LIMIT count]
pub(crate) fn xtrim(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (options, trim) = match parse_xtrim(ctx.env, args) {
        Ok(parsed) => parsed,
        Err(error) => return ctx.out.error(error),
    };
    let key = args.at(1);
    let open = match reply::open(ctx, key) {
        Ok(Some(open)) => open,
        Ok(None) => return ctx.out.int(0),
        Err(error) => return ctx.out.error(error),
    };
    let entries = &mut open.stream.entries;
    let removed = entries.trim(trim);
    if removed > 0
        && let Some(outcome) = options.outcome(entries)
    {
        let words = (0..args.len()).filter_map(|at| options.logged(args, at, Some(&outcome)));
        open.fx.rewrite(&words.collect::<Vec<_>>());
    }
    ctx.out.int(removed as i64);
    if removed > 0 {
        ctx.modified(EventClass::STREAM, "xtrim", key);
        ctx.fx.dirty += removed - 1;
    }
}

fn parse_xtrim(env: &Env, args: Args<'_>) -> Result<(Options, Trim), Error> {
    let mut options = Options::default();
    let mut at = 2;
    while at < args.len() {
        at = options.read(args, at)?.ok_or(SYNTAX)?;
    }
    if options.to.is_none() && options.limit.unwrap_or(0) == 0 {
        return Err(NO_STRATEGY);
    }
    let trim = options.finish(env)?.ok_or(NO_STRATEGY)?;
    Ok((options, trim))
}

/// XDEL key id [id ...]
pub(crate) fn xdel(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let key = args.at(1);
    let open = match reply::open(ctx, key) {
        Ok(Some(open)) => open,
        Ok(None) => return ctx.out.int(0),
        Err(error) => return ctx.out.error(error),
    };
    // All or nothing: an id that is none must not be found halfway.
    let ids = match parse::ids(args.from(2)) {
        Ok(ids) => ids,
        Err(error) => return open.out.error(error),
    };
    let removed = ids.into_iter().filter(|id| open.stream.entries.remove(*id)).count();
    ctx.out.int(removed as i64);
    if removed > 0 {
        ctx.modified(EventClass::STREAM, "xdel", key);
        ctx.fx.dirty += removed as u64 - 1;
    }
}
