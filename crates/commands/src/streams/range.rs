//! Reading a stream by ids.

use resp::Args;

use super::parse::{self, Error};
use super::reply;
use crate::Ctx;
use crate::errors::SYNTAX;

/// XLEN key
pub(crate) fn xlen(ctx: &mut Ctx<'_>, args: Args<'_>) {
    reply::with_stream(ctx, args.at(1), |out| out.int(0), |stream, out| out.int(stream.entries.len() as i64));
}

/// XRANGE key start end [COUNT count]
pub(crate) fn xrange(ctx: &mut Ctx<'_>, args: Args<'_>) {
    range(ctx, args, false);
}

/// XREVRANGE key end start [COUNT count]
pub(crate) fn xrevrange(ctx: &mut Ctx<'_>, args: Args<'_>) {
    range(ctx, args, true);
}

fn range(ctx: &mut Ctx<'_>, args: Args<'_>, back: bool) {
    let (start, end) = if back { (args.at(3), args.at(2)) } else { (args.at(2), args.at(3)) };
    let parsed = parse::range_start(start)
        .and_then(|start| Ok((start, parse::range_end(end)?)))
        .and_then(|range| Ok((range, count_option(args.from(4))?)));
    let ((start, end), count) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return ctx.out.error(error),
    };
    reply::with_stream(
        ctx,
        args.at(1),
        |out| out.array(0),
        |stream, out| match count {
            // Nothing wanted is not the same as nothing found.
            Some(0) => out.null_array(),
            _ => {
                let count = count.unwrap_or(0);
                if back {
                    reply::items(out, stream.entries.range_back(start, end), count);
                } else {
                    reply::items(out, stream.entries.range(start, end), count);
                }
            }
        },
    );
}

fn count_option(mut args: Args<'_>) -> Result<Option<u64>, Error> {
    let mut count = None;
    while let Some(word) = args.get(0) {
        match args.get(1) {
            Some(value) if parse::is(word, "COUNT") => count = Some(parse::count(value)?),
            _ => return Err(SYNTAX),
        }
        args = args.from(2);
    }
    Ok(count)
}
