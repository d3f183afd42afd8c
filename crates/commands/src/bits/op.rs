//! Strings combined bit by bit.

use keyspace::Value;
use resp::Args;

use super::words::Combine;
use crate::effects::EventClass;
use crate::errors::{SYNTAX, WRONG_TYPE};
use crate::{Ctx, access};

/// How much of the result is worked on at a time: all sources' parts and the result's stay in the first cache.
const BLOCK: usize = 8 * 1024;

#[derive(Clone, Copy)]
enum Operation {
    Combine(Combine),
    Not,
}

impl Operation {
    fn parse(word: &[u8]) -> Option<Self> {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        Some(match () {
            () if is("and") => Operation::Combine(Combine::And),
            () if is("or") => Operation::Combine(Combine::Or),
            () if is("xor") => Operation::Combine(Combine::Xor),
            () if is("not") => Operation::Not,
            () => return None,
        })
    }
}

/// BITOP AND | OR | XOR | NOT destkey key [key ...]
pub(crate) fn bitop(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let Some(operation) = Operation::parse(args.at(1)) else { return ctx.out.error(SYNTAX) };
    if matches!(operation, Operation::Not) && args.len() != 4 {
        return ctx.out.error("ERR BITOP NOT must be called with a single source key.");
    }
    let (target, sources) = (args.at(2), args.from(3));
    for key in sources {
        if ctx.lookup_read(key).is_some_and(|entry| entry.str().is_none()) {
            return ctx.out.error(WRONG_TYPE);
        }
    }
    // All of them at once, now that what had expired is gone.
    let strings: Vec<&[u8]> = sources
        .into_iter()
        .map(|key| ctx.peek(ctx.db, key).and_then(|entry| entry.str()).unwrap_or_default())
        .collect();
    let result = combine(operation, &strings);
    let len = result.len();
    if len > 0 {
        store(ctx, target, result);
        ctx.modified(EventClass::STRING, "set", target);
    } else if let Some(removed) = ctx.take(target) {
        ctx.discard(removed, ctx.env.lazyfree_server_del);
        ctx.modified(EventClass::GENERIC, "del", target);
    }
    ctx.out.int(len as i64);
}

/// The result, as long as the longest of the strings; short ones are as if filled up with zeros.
fn combine(operation: Operation, strings: &[&[u8]]) -> Vec<u8> {
    let len = strings.iter().map(|string| string.len()).max().unwrap_or(0);
    let Some((first, others)) = strings.split_first() else { return Vec::new() };
    let mut result = Vec::with_capacity(len);
    for from in (0..len).step_by(BLOCK) {
        let to = len.min(from + BLOCK);
        result.extend_from_slice(slice(first, from, to));
        result.resize(to, 0);
        let block = &mut result[from..];
        match operation {
            Operation::Not => block.iter_mut().for_each(|byte| *byte = !*byte),
            Operation::Combine(how) => {
                others.iter().for_each(|other| how.apply(block, slice(other, from, to)))
            }
        }
    }
    result
}

/// What a string has between two places.
fn slice(string: &[u8], from: usize, to: usize) -> &[u8] {
    &string[from.min(string.len())..to.min(string.len())]
}

/// Stores the result without copying it.
fn store(ctx: &mut Ctx<'_>, key: &[u8], value: Vec<u8>) {
    let existed = ctx.db().contains(key);
    let replaced = ctx.db_mut().insert(key, Value::Str(value), None);
    if !existed {
        ctx.created(key);
    }
    if let Some(replaced) = replaced
        && ctx.env.lazyfree_server_del
        && replaced.is_large()
    {
        ctx.fx.garbage.push(replaced);
    }
    let access = access::fresh(ctx.env);
    if let Some(mut entry) = ctx.db_mut().get_mut(key) {
        entry.as_entry().set_access(access);
        // To clients it is a text that was edited, not one that was set.
        entry.append(b"");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_strings_are_combined_as_short_ones_are() {
        let mut rng = fastrand::Rng::with_seed(3);
        for lens in [vec![3 * BLOCK + 5, BLOCK, 2 * BLOCK + 1], vec![0, 100, 99], vec![7]] {
            let strings: Vec<Vec<u8>> =
                lens.iter().map(|len| (0..*len).map(|_| rng.u8(..)).collect()).collect();
            let slices: Vec<&[u8]> = strings.iter().map(Vec::as_slice).collect();
            let len = lens.iter().copied().max().unwrap_or(0);
            for (how, step) in [
                (Combine::And, (|a, b| a & b) as fn(u8, u8) -> u8),
                (Combine::Or, |a, b| a | b),
                (Combine::Xor, |a, b| a ^ b),
            ] {
                let want: Vec<u8> = (0..len)
                    .map(|at| {
                        let bytes = slices.iter().map(|string| string.get(at).copied().unwrap_or(0));
                        bytes.reduce(step).unwrap_or(0)
                    })
                    .collect();
                assert!(combine(Operation::Combine(how), &slices) == want, "{how:?} of {lens:?}");
            }
        }
        assert_eq!(combine(Operation::Not, &[&[0, 1, 0xff]]), [0xff, 0xfe, 0]);
    }
}
