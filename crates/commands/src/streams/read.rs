//! XREAD, and what it shares with XREADGROUP.

use keyspace::Kind;
use keyspace::stream::StreamId;
use resp::{Args, OwnedArgs, ReplyBuf};
use smallvec::SmallVec;

use super::parse;
use super::reply;
use crate::effects::{BlockRequest, TimeoutReply};
use crate::errors::{SYNTAX, WRONG_TYPE};
use crate::{Ctx, Env};

/// What is asked for.
#[derive(Default)]
pub(super) struct Request<'a> {
    pub group: Option<(&'a [u8], &'a [u8])>,
    pub no_ack: bool,
    /// How many entries of each stream; 0 is no limit.
    pub count: u64,
    /// Until when to wait for some, in unix milliseconds, or for how long it takes.
    pub block: Option<Option<u64>>,
    /// Where the keys stand.
    keys_at: usize,
    /// How many there are; behind them stand as many ids.
    streams: usize,
}

/// An error with a text of its own.
pub(super) type Failure = std::borrow::Cow<'static, str>;

impl<'a> Request<'a> {
    /// Reads the options; `name` is the command's, which is `xread` or `xreadgroup`.
    pub fn parse(args: Args<'a>, name: &str, env: &Env) -> Result<Request<'a>, Failure> {
        let of_group = name == "xreadgroup";
        let mut request = Request::default();
        let mut at = 1;
        while let Some(word) = args.get(at) {
            match (args.get(at + 1), args.get(at + 2)) {
                (Some(value), _) if parse::is(word, "BLOCK") => {
                    request.block = Some(deadline(value, env)?);
                    at += 2;
                }
                (Some(value), _) if parse::is(word, "COUNT") => {
                    request.count = parse::count(value)?;
                    at += 2;
                }
                (Some(_), _) if parse::is(word, "STREAMS") => {
                    request.keys_at = at + 1;
                    break;
                }
                (Some(group), Some(consumer)) if parse::is(word, "GROUP") => {
                    if !of_group {
                        return Err(
                            "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead."
                                .into(),
                        );
                    }
                    request.group = Some((group, consumer));
                    at += 3;
                }
                _ if parse::is(word, "NOACK") => {
                    if !of_group {
                        return Err(
                            "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead."
                                .into(),
                        );
                    }
                    request.no_ack = true;
                    at += 1;
                }
                _ => return Err(SYNTAX.into()),
            }
        }
        if request.keys_at == 0 {
            return Err(SYNTAX.into());
        }
        let rest = args.len() - request.keys_at;
        if rest % 2 == 1 {
            let symbol = if of_group { '>' } else { '$' };
            return Err(format!(
                "ERR Unbalanced '{name}' list of streams: for each stream key an ID or '{symbol}' must be specified."
            )
            .into());
        }
        request.streams = rest / 2;
        if of_group && request.group.is_none() {
            return Err("ERR Missing GROUP option for XREADGROUP".into());
        }
        Ok(request)
    }

    /// The keys, each with what stands for its id.
    pub fn streams(&self, args: Args<'a>) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let ids = args.from(self.keys_at + self.streams);
        args.from(self.keys_at).iter().take(self.streams).zip(ids.iter())
    }

    /// Where the first id stands.
    fn ids_at(&self) -> usize {
        self.keys_at + self.streams
    }

    /// Lets the client wait, if it may; `rewritten` is its request with ids that do not depend on the moment.
    pub fn wait(&self, ctx: &mut Ctx<'_>, args: Args<'a>, rewritten: Option<OwnedArgs>) {
        match self.block {
            Some(deadline_ms) if ctx.env.may_block => ctx.fx.block(BlockRequest {
                keys: self.streams(args).map(|(key, _)| key.into()).collect(),
                kind: Kind::Stream,
                deadline_ms,
                on_timeout: TimeoutReply::NullArray,
                // Of a group that is gone there is an error to be given.
                wake_when_gone: self.group.is_some(),
                request: rewritten,
            }),
            _ => ctx.out.null_array(),
        }
    }
}

/// When to give up; 0 is never.
fn deadline(text: &[u8], env: &Env) -> Result<Option<u64>, &'static str> {
    let timeout = crate::number::parse_i64(text).ok_or("ERR timeout is not an integer or out of range")?;
    match u64::try_from(timeout) {
        Err(_) => Err("ERR timeout is negative"),
        Ok(0) => Ok(None),
        Ok(timeout) if timeout > i64::MAX as u64 - env.now_ms => Err("ERR timeout is out of range"),
        Ok(timeout) => Ok(Some(env.now_ms + timeout)),
    }
}

/// The header of the reply: each stream with its entries.
pub(super) fn streams_header(out: &mut ReplyBuf, len: usize) {
    if out.is_resp3() { out.map(len) } else { out.array(len) }
}

/// The beginning of one stream in the reply.
pub(super) fn stream_header(out: &mut ReplyBuf, key: &[u8]) {
    if !out.is_resp3() {
        out.array(2);
    }
    out.bulk(key);
}

/// XREAD [COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]
pub(crate) fn xread(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let request = match Request::parse(args, "xread", ctx.env) {
        Ok(request) => request,
        Err(error) => return ctx.out.error(&error),
    };
    // Each stream with the id after which there is something to be read, if there is.
    let mut after = SmallVec::<[(&[u8], StreamId, bool); 8]>::new();
    for (key, text) in request.streams(args) {
        let stream = match ctx.lookup_read(key).map(|entry| entry.stream()) {
            Some(None) => return ctx.out.error(WRONG_TYPE),
            Some(Some(stream)) => Some(stream),
            None => None,
        };
        let id = match text {
            b"$" => stream.map_or(StreamId::MIN, |stream| stream.entries.last_id()),
            b"+" => match stream {
                // The last entry, wherever it is: what comes after the id before it.
                Some(stream) if !stream.entries.is_empty() => {
                    stream.entries.last_id().prev().unwrap_or(StreamId::MIN)
                }
                _ => StreamId::MIN,
            },
            b">" => {
                return ctx.out.error(
                    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
                );
            }
            text => match parse::id(text) {
                Ok(id) => id,
                Err(error) => return ctx.out.error(error),
            },
        };
        let more = stream.and_then(|stream| stream.entries.tail_id()).is_some_and(|tail| tail > id);
        after.push((key, id, more));
    }
    let ready = after.iter().filter(|(_, _, more)| *more).count();
    if ready == 0 {
        // What `$` means is settled now: entries that come later are to be found after it.
        let rewritten =
            (request.block.is_some() && request.streams(args).any(|(_, id)| id == b"$")).then(|| {
                let texts: Vec<_> = after.iter().map(|(_, id, _)| id.text()).collect();
                let ids_at = request.ids_at();
                let words = args.iter().enumerate().map(|(at, word)| match word {
                    b"$" if at >= ids_at => texts[at - ids_at].as_bytes(),
                    word => word,
                });
                OwnedArgs::from_slices(&words.collect::<Vec<_>>())
            });
        return request.wait(ctx, args, rewritten);
    }
    streams_header(ctx.out, ready);
    for (key, id, _) in after.iter().filter(|(_, _, more)| *more) {
        stream_header(ctx.out, key);
        let entry = ctx.ks.db(ctx.db).get(key);
        match (entry.and_then(|entry| entry.stream()), id.next()) {
            (Some(stream), Some(start)) => {
                reply::items(ctx.out, stream.entries.range(start, StreamId::MAX), request.count);
            }
            _ => ctx.out.array(0),
        }
    }
}
