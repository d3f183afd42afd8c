//! Merging.

use resp::Args;

use super::add::{replace, store_new};
use super::count::raise;
use super::draft::Draft;
use super::hash::Mark;
use super::value::{HEADER, Hll};
use super::{CORRUPT, Corrupt, REGISTERS, Registers, dense};
use crate::Ctx;
use crate::effects::EventClass;

/// PFMERGE destkey [sourcekey ...]
pub(crate) fn pfmerge(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let target = args.at(1);
    let mut registers = [0; REGISTERS];
    let mut any_dense = false;
    for key in args.from(1) {
        match raise(ctx, key, &mut registers) {
            Ok(is_dense) => any_dense |= is_dense,
            Err(error) => return ctx.out.error(error),
        }
    }
    // The target was looked at above like the others, so that it is a HyperLogLog if it is there at all.
    let max_sparse = ctx.env.limits.hll_sparse_max_bytes;
    let old = ctx.lookup_write(target).and_then(|entry| entry.str()).and_then(Hll::of);
    let exists = old.is_some();
    let draft = old.map_or_else(|| Draft::empty(max_sparse), |old| Draft::of(old, max_sparse));
    let Ok(merged) = merge(draft, &registers, any_dense) else { return ctx.out.error(CORRUPT) };
    if exists {
        ctx.update(target, |entry| replace(entry, &merged));
    } else {
        store_new(ctx, target, &merged);
    }
    ctx.modified(EventClass::STRING, "pfadd", target);
    ctx.out.ok();
}

/// The value `into` with these registers, none of which is lower than its own.
fn merge(mut into: Draft, registers: &Registers, dense: bool) -> Result<Vec<u8>, Corrupt> {
    if dense {
        into.make_dense()?;
        let mut value = into.into_value();
        value.truncate(HEADER);
        value.extend_from_slice(&dense::pack(registers));
        return Ok(value);
    }
    for (index, rank) in registers.iter().enumerate().filter(|(_, rank)| **rank > 0) {
        into.raise(Mark { index, rank: *rank })?;
    }
    Ok(into.into_value())
}
