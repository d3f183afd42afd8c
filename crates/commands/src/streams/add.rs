//! XADD.

use keyspace::stream::{AppendError, NewId, NodeLimits, PartialId, Stream, StreamId, Trim};
use resp::Args;
use smallvec::SmallVec;

use super::parse::{self, INVALID_ID};
use super::trim::Options;
use crate::Ctx;
use crate::effects::EventClass;
use crate::env::Env;
use crate::errors::{self, WRONG_TYPE};

/// What is to be added.
struct Request<'a> {
    trimming: Options,
    trim: Option<Trim>,
    make: bool,
    id: NewId,
    /// Where the id stands.
    id_at: usize,
    /// Field, value, field, value …
    pairs: SmallVec<[&'a [u8]; 16]>,
    limits: NodeLimits,
}

/// What was done.
struct Added {
    id: StreamId,
    trimmed: bool,
    /// What the log gets in the place of an approximate threshold.
    outcome: Option<Vec<u8>>,
}

enum Refusal {
    Error(&'static str),
    Arity,
}

/// XADD key [NOMKSTREAM] [MAXLEN | MINID [= | ~] threshold [LIMIT count]] * | id field value [field value ...]
pub(crate) fn xadd(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let request = match Request::parse(args, ctx.env) {
        Ok(request) => request,
        Err(Refusal::Error(error)) => return ctx.out.error(error),
        Err(Refusal::Arity) => return errors::wrong_arity(ctx.out, "xadd"),
    };
    let key = args.at(1);
    let added = ctx.update(key, |entry| match entry.stream_mut() {
        None => Err(WRONG_TYPE),
        Some(stream) => request.carry_out(stream),
    });
    let added = match added {
        Some(added) => added,
        None if !request.make => return ctx.out.null(),
        None => {
            let mut stream = Stream::default();
            let added = request.carry_out(&mut stream);
            if added.is_ok() {
                ctx.db_mut().insert(key, stream.into(), None);
                ctx.created(key);
            }
            added
        }
    };
    let Added { id, trimmed, outcome } = match added {
        Ok(added) => added,
        Err(error) => return ctx.out.error(error),
    };
    let id = id.text();
    ctx.out.bulk(id.as_bytes());
    ctx.modified(EventClass::STREAM, "xadd", key);
    if trimmed {
        ctx.notify(EventClass::STREAM, "xtrim", key);
    }
    if !matches!(request.id, NewId::Full(_)) || outcome.is_some() {
        let words = (0..args.len()).filter_map(|at| {
            if at == request.id_at {
                Some(id.as_bytes())
            } else if at > request.id_at {
                Some(args.at(at))
            } else {
                request.trimming.logged(args, at, outcome.as_deref())
            }
        });
        ctx.fx.rewrite(&words.collect::<SmallVec<[&[u8]; 16]>>());
    }
    ctx.signal_ready(key);
}

impl<'a> Request<'a> {
    fn parse(args: Args<'a>, env: &Env) -> Result<Self, Refusal> {
        let mut trimming = Options::default();
        let (mut make, mut at) = (true, 2);
        let id = loop {
            let Some(word) = args.get(at) else { break None };
            if word == b"*" {
                break Some(NewId::Auto(env.now_ms));
            }
            if let Some(next) = trimming.read(args, at).map_err(Refusal::Error)? {
                at = next;
            } else if parse::is(word, "NOMKSTREAM") {
                make = false;
                at += 1;
            } else {
                match StreamId::parse_partial(word).ok_or(Refusal::Error(INVALID_ID))? {
                    PartialId::Full(id) => break Some(NewId::Full(id)),
                    PartialId::Ms(ms) => break Some(NewId::Ms(ms)),
                }
            }
        };
        let trim = trimming.finish(env).map_err(Refusal::Error)?;
        let pairs: SmallVec<[&[u8]; 16]> = args.from(at + 1).iter().collect();
        let Some(id) = id.filter(|_| !pairs.is_empty() && pairs.len().is_multiple_of(2)) else {
            return Err(Refusal::Arity);
        };
        if id == NewId::Full(StreamId::MIN) {
            return Err(Refusal::Error("ERR The ID specified in XADD must be greater than 0-0"));
        }
        let limits = NodeLimits {
            max_bytes: env.limits.stream_node_max_bytes,
            max_entries: env.limits.stream_node_max_entries,
        };
        Ok(Request { trimming, trim, make, id, id_at: at, pairs, limits })
    }

    fn carry_out(&self, stream: &mut Stream) -> Result<Added, &'static str> {
        let entries = &mut stream.entries;
        if entries.last_id() == StreamId::MAX {
            return Err("ERR The stream has exhausted the last possible ID, unable to add more items");
        }
        let id = entries.append(self.id, &self.pairs, self.limits).map_err(|error| match error {
            AppendError::NotAbove => {
                "ERR The ID specified in XADD is equal or smaller than the target stream top item"
            }
            AppendError::TooLarge => "ERR Elements are too large to be stored",
        })?;
        let trimmed = self.trim.is_some_and(|trim| entries.trim(trim) > 0);
        Ok(Added { id, trimmed, outcome: self.trimming.outcome(entries) })
    }
}
