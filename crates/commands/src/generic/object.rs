//! OBJECT: how a value is kept.

use resp::Args;

use crate::{Ctx, access};

/// OBJECT ENCODING key
pub(crate) fn encoding(ctx: &mut Ctx<'_>, args: Args<'_>) {
    ctx.inspect_quietly(args.at(2), |entry, out| match entry {
        Some(entry) => out.bulk(entry.encoding().as_bytes()),
        None => out.null(),
    });
}

/// OBJECT REFCOUNT key
pub(crate) fn refcount(ctx: &mut Ctx<'_>, args: Args<'_>) {
    // A value belongs to one key here: what frozen views share is no business of clients.
    ctx.inspect_quietly(args.at(2), |entry, out| if entry.is_some() { out.int(1) } else { out.null() });
}

/// OBJECT IDLETIME key
pub(crate) fn idletime(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let env = ctx.env;
    ctx.inspect_quietly(args.at(2), |entry, out| match entry {
        None => out.null(),
        Some(_) if env.lfu => out.error(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when \
             switching between policies at runtime LRU and LFU data will take some time to adjust.",
        ),
        Some(entry) => out.int(access::idle_seconds(entry.access(), env) as i64),
    });
}

/// OBJECT FREQ key
pub(crate) fn freq(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let env = ctx.env;
    ctx.inspect_quietly(args.at(2), |entry, out| match entry {
        None => out.null(),
        Some(_) if !env.lfu => out.error(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that \
             when switching between policies at runtime LRU and LFU data will take some time to adjust.",
        ),
        Some(entry) => out.int(i64::from(access::decayed(entry.access(), env))),
    });
}
