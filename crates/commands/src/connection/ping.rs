//! PING and ECHO.

use resp::Args;

use crate::{Ctx, errors};

/// PING [message]
pub(crate) fn ping(ctx: &mut Ctx<'_>, args: Args<'_>) {
    match (args.len(), args.get(1)) {
        (2, Some(message)) => ctx.out.bulk(message),
        (1, _) => ctx.out.simple("PONG"),
        _ => errors::wrong_arity(ctx.out, "ping"),
    }
}

/// ECHO message
pub(crate) fn echo(ctx: &mut Ctx<'_>, args: Args<'_>) {
    ctx.out.bulk(args.at(1));
}
