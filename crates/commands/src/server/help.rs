//! The HELP of every container, out of the table.

use resp::Args;

use crate::Ctx;

/// CLIENT HELP, CONFIG HELP, …
pub(crate) fn help(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let Some(container) = ctx.registry.lookup(args.at(0)) else {
        unreachable!("the request was resolved by this name")
    };
    let name = container.name.to_ascii_uppercase();
    // A headline, then two lines each.
    ctx.out.array(1 + 2 * container.subcommands.len());
    ctx.out.simple(&format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    for sub in container.subcommands {
        let usage = format!("{} {}", sub.name.to_ascii_uppercase(), sub.syntax);
        ctx.out.simple(usage.trim_end());
        ctx.out.simple(&format!("    {}", sub.summary));
    }
}
