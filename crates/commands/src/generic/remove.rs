//! DEL and UNLINK.

use resp::Args;

use crate::Ctx;
use crate::effects::EventClass;

/// DEL key [key ...]
pub(crate) fn del(ctx: &mut Ctx<'_>, args: Args<'_>) {
    remove(ctx, args, ctx.env.lazyfree_user_del);
}

/// UNLINK key [key ...]
pub(crate) fn unlink(ctx: &mut Ctx<'_>, args: Args<'_>) {
    remove(ctx, args, true);
}

fn remove(ctx: &mut Ctx<'_>, args: Args<'_>, lazy: bool) {
    let mut count = 0;
    for key in args.from(1) {
        if let Some(removed) = ctx.take(key) {
            ctx.discard(removed, lazy);
            ctx.modified(EventClass::GENERIC, "del", key);
            count += 1;
        }
    }
    ctx.out.int(count);
}
