//! Adding elements.

use keyspace::{EntryMut, Value};
use resp::Args;

use super::draft::Draft;
use super::hash::Mark;
use super::value::{Form, HEADER, Hll, STALE, STALE_AT};
use super::{CORRUPT, Corrupt, NOT_HLL, dense};
use crate::effects::EventClass;
use crate::errors::WRONG_TYPE;
use crate::{Ctx, access};

/// PFADD key [element ...]
pub(crate) fn pfadd(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let key = args.at(1);
    let elements = args.from(2);
    let max_sparse = ctx.env.limits.hll_sparse_max_bytes;
    let added = ctx.update(key, |entry| add(entry, elements, max_sparse));
    let changes = match added {
        Some(Ok(changes)) => changes,
        Some(Err(error)) => return ctx.out.error(error),
        None => {
            let mut draft = Draft::empty(max_sparse);
            // What was made just now is intact.
            let raised = add_to_draft(&mut draft, elements).unwrap_or_default();
            store_new(ctx, key, &draft.into_value());
            1 + raised
        }
    };
    if changes > 0 {
        ctx.modified(EventClass::STRING, "pfadd", key);
        ctx.fx.dirty += changes - 1;
    }
    ctx.out.int(i64::from(changes > 0));
}

/// Makes a key that holds `value`.
pub(super) fn store_new(ctx: &mut Ctx<'_>, key: &[u8], value: &[u8]) {
    ctx.db_mut().insert(key, Value::Str(Vec::new()), None);
    ctx.created(key);
    let env = ctx.env;
    if let Some(mut entry) = ctx.db_mut().get_mut(key) {
        entry.as_entry().set_access(access::fresh(env));
        replace(&mut entry, value);
    }
}

/// Puts `value` in the place of the string, as an edited one: OBJECT ENCODING answers "raw" for a HyperLogLog of any length.
pub(super) fn replace(entry: &mut EntryMut<'_>, value: &[u8]) {
    let old_len = entry.as_entry().str().map_or(0, <[u8]>::len);
    if value.len() < old_len {
        entry.set_str(value);
    } else {
        entry.set_range(0, value);
    }
}

/// Adds elements to the value at hand; how many of them changed it. An error leaves it as it was.
fn add(entry: &mut EntryMut<'_>, elements: Args<'_>, max_sparse: usize) -> Result<u64, &'static str> {
    let old = entry.as_entry();
    let old = old.str().ok_or(WRONG_TYPE)?;
    let hll = Hll::of(old).ok_or(NOT_HLL)?;
    if hll.form() == Form::Dense {
        return Ok(add_dense(entry, elements));
    }
    // Nothing is copied for elements that change nothing, as most do once they have been seen.
    let Some(first) = first_new(hll, elements).map_err(|Corrupt| CORRUPT)? else { return Ok(0) };
    let mut draft = Draft::of(hll, max_sparse);
    let changes = add_to_draft(&mut draft, elements.from(first)).map_err(|Corrupt| CORRUPT)?;
    replace(entry, &draft.into_value());
    Ok(changes)
}

/// The first element that changes something.
fn first_new(hll: Hll<'_>, elements: Args<'_>) -> Result<Option<usize>, Corrupt> {
    for (at, element) in elements.iter().enumerate() {
        let mark = Mark::of(element);
        if hll.rank(mark.index)? < mark.rank {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

fn add_to_draft(draft: &mut Draft, elements: Args<'_>) -> Result<u64, Corrupt> {
    let mut changes = 0;
    for element in elements {
        changes += u64::from(draft.raise(Mark::of(element))?);
    }
    Ok(changes)
}

/// Adds elements to a value in the dense form, where it is.
fn add_dense(entry: &mut EntryMut<'_>, elements: Args<'_>) -> u64 {
    let mut changes = 0;
    for element in elements {
        let mark = Mark::of(element);
        let value = entry.as_entry();
        let Some(registers) = value.str().and_then(|value| value.get(HEADER..)) else { break };
        if dense::get(registers, mark.index) < mark.rank {
            let (at, bytes) = dense::with(registers, mark.index, mark.rank);
            let len = bytes.len().min(registers.len() - at);
            entry.set_range(HEADER + at, &bytes[..len]);
            changes += 1;
        }
    }
    if changes > 0 {
        let stale = entry.as_entry().str().map_or(0, |value| value[STALE_AT]) | STALE;
        entry.set_range(STALE_AT, &[stale]);
    }
    changes
}
