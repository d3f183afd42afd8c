//! Counting.

use resp::Args;

use super::estimate::Histogram;
use super::value::{COUNT_AT, Hll};
use super::{CORRUPT, NOT_HLL, REGISTERS, Registers};
use crate::Ctx;
use crate::env::ExpiryMode;
use crate::errors::WRONG_TYPE;

/// PFCOUNT key [key ...]
pub(crate) fn pfcount(ctx: &mut Ctx<'_>, args: Args<'_>) {
    if args.len() == 2 {
        return count_one(ctx, args.at(1));
    }
    let mut registers = [0; REGISTERS];
    for key in args.from(1) {
        if let Err(error) = raise(ctx, key, &mut registers) {
            return ctx.out.error(error);
        }
    }
    ctx.out.int(Histogram::of(&registers).estimate() as i64);
}

/// Raises each of `registers` to those of the value at `key`, if there is one; whether it is dense.
pub(super) fn raise(ctx: &mut Ctx<'_>, key: &[u8], registers: &mut Registers) -> Result<bool, &'static str> {
    let Some(entry) = ctx.lookup_read(key) else { return Ok(false) };
    let hll = Hll::of(entry.str().ok_or(WRONG_TYPE)?).ok_or(NOT_HLL)?;
    hll.raise(registers).map_err(|_| CORRUPT)?;
    Ok(hll.form() == super::value::Form::Dense)
}

fn count_one(ctx: &mut Ctx<'_>, key: &[u8]) {
    let counted = ctx.read(key, |entry, out| {
        let Some(entry) = entry else {
            out.int(0);
            return None;
        };
        let hll = match entry.str().map(Hll::of) {
            Some(Some(hll)) => hll,
            Some(None) => {
                out.error(NOT_HLL);
                return None;
            }
            None => {
                out.error(WRONG_TYPE);
                return None;
            }
        };
        if let Some(count) = hll.count() {
            out.int(count as i64);
            return None;
        }
        match hll.histogram() {
            Ok(histogram) => {
                let count = histogram.estimate();
                out.int(count as i64);
                Some(count)
            }
            Err(_) => {
                out.error(CORRUPT);
                None
            }
        }
    });
    let Some(count) = counted else { return };
    if ctx.env.expiry == ExpiryMode::Hide {
        // A replica's data are its master's, byte for byte: it does not note what it has counted for its own clients.
        return;
    }
    ctx.update(key, |entry| entry.set_range(COUNT_AT, &count.to_le_bytes()));
    // Not an event, but a change: whoever dumps or watches the key sees it, and replicas get the command.
    ctx.touch_key(ctx.db, key);
    ctx.fx.dirty += 1;
}
