//! Small questions to the server that need no more than a [`Ctx`].

use resp::Args;

use crate::Ctx;
use crate::errors::{NOT_INTEGER, SYNTAX};
use crate::number::parse_i64;

/// TIME
pub(crate) fn time(ctx: &mut Ctx<'_>, _: Args<'_>) {
    let now_us = ctx.env.now_us;
    ctx.out.array(2);
    ctx.out.bulk_int((now_us / 1_000_000) as i64);
    ctx.out.bulk_int((now_us % 1_000_000) as i64);
}

/// LOLWUT [VERSION version]
pub(crate) fn lolwut(ctx: &mut Ctx<'_>, _: Args<'_>) {
    const PICTURE: &str = concat!(
        "  __o     __o     __o\n",
        " _\\ <,_  _\\ <,_  _\\ <,_\n",
        "(_)/=(_)=(_)/=(_)=(_)/(_)\n",
        "Tandem ver. ",
        env!("CARGO_PKG_VERSION"),
        "\n"
    );
    ctx.out.verbatim("txt", PICTURE.as_bytes());
}

/// MEMORY USAGE key [SAMPLES count]
pub(crate) fn memory_usage(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let mut words = args.from(3).iter();
    while let Some(word) = words.next() {
        let Some(samples) = words.next().filter(|_| word.eq_ignore_ascii_case(b"SAMPLES")) else {
            return ctx.out.error(SYNTAX);
        };
        match parse_i64(samples) {
            None => return ctx.out.error(NOT_INTEGER),
            Some(..0) => return ctx.out.error(SYNTAX),
            Some(_) => {}
        }
    }
    ctx.inspect_quietly(args.at(2), |entry, out| match entry {
        Some(entry) => out.int(entry.memory_usage() as i64),
        None => out.null(),
    });
}
