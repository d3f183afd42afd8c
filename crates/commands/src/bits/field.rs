//! Several integers in one string, read and changed by one command.

use keyspace::EntryMut;
use resp::Args;

use super::bit::{BitOffset, edit_string};
use super::integer::{Encoding, Overflow};
use crate::Ctx;
use crate::effects::EventClass;
use crate::env::Env;
use crate::errors::{NOT_INTEGER, SYNTAX, WRONG_TYPE};
use crate::number::parse_i64;

const BAD_ENCODING: &str =
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";

#[derive(Clone, Copy)]
enum Action {
    Get,
    Set(i64, Overflow),
    Add(i64, Overflow),
}

/// One of a request's operations.
#[derive(Clone, Copy)]
struct Operation {
    encoding: Encoding,
    at: u64,
    action: Action,
}

/// All operations of a request, in order.
struct Plan {
    operations: Vec<Operation>,
    /// The farthest byte that an operation may write.
    last_byte: Option<usize>,
}

impl Plan {
    fn parse(args: Args<'_>, env: &Env) -> Result<Plan, &'static str> {
        let mut plan = Plan { operations: Vec::with_capacity(args.len() / 3), last_byte: None };
        let mut overflow = Overflow::Wrap;
        let mut at = 2;
        while at < args.len() {
            let (word, behind) = (args.at(at), args.len() - at - 1);
            let is = |name: &str, needs: usize| behind >= needs && word.eq_ignore_ascii_case(name.as_bytes());
            if is("overflow", 1) {
                overflow = parse_overflow(args.at(at + 1)).ok_or("ERR Invalid OVERFLOW type specified")?;
                at += 2;
                continue;
            }
            let action: fn(i64, Overflow) -> Action = match () {
                () if is("get", 2) => |_, _| Action::Get,
                () if is("set", 3) => Action::Set,
                () if is("incrby", 3) => Action::Add,
                () => return Err(SYNTAX),
            };
            let encoding = Encoding::parse(args.at(at + 1)).ok_or(BAD_ENCODING)?;
            let offset = BitOffset::parse(args.at(at + 2), Some(encoding.bits()), env)?;
            let reads = is("get", 2);
            let value = if reads { 0 } else { parse_i64(args.at(at + 3)).ok_or(NOT_INTEGER)? };
            if !reads {
                let last = BitOffset(offset.0 + u64::from(encoding.bits()) - 1).byte();
                plan.last_byte = plan.last_byte.max(Some(last));
            }
            plan.operations.push(Operation { encoding, at: offset.0, action: action(value, overflow) });
            at += if reads { 3 } else { 4 };
        }
        Ok(plan)
    }
}

fn parse_overflow(word: &[u8]) -> Option<Overflow> {
    [("wrap", Overflow::Wrap), ("sat", Overflow::Saturate), ("fail", Overflow::Fail)]
        .into_iter()
        .find_map(|(name, overflow)| word.eq_ignore_ascii_case(name.as_bytes()).then_some(overflow))
}

/// BITFIELD key [GET encoding offset | [OVERFLOW WRAP | SAT | FAIL] SET encoding offset value |
/// INCRBY encoding offset increment ...]
pub(crate) fn bitfield(ctx: &mut Ctx<'_>, args: Args<'_>) {
    match Plan::parse(args, ctx.env) {
        Err(error) => ctx.out.error(error),
        Ok(plan) => match plan.last_byte {
            None => read(ctx, args.at(1), &plan),
            Some(last_byte) => write(ctx, args.at(1), &plan, last_byte),
        },
    }
}

/// BITFIELD_RO key [GET encoding offset ...]
pub(crate) fn bitfield_ro(ctx: &mut Ctx<'_>, args: Args<'_>) {
    match Plan::parse(args, ctx.env) {
        Err(error) => ctx.out.error(error),
        Ok(plan) if plan.last_byte.is_some() => {
            ctx.out.error("ERR BITFIELD_RO only supports the GET subcommand");
        }
        Ok(plan) => read(ctx, args.at(1), &plan),
    }
}

fn read(ctx: &mut Ctx<'_>, key: &[u8], plan: &Plan) {
    ctx.read(key, |entry, out| {
        let string = match entry.map(|entry| entry.str()) {
            None => &[][..],
            Some(Some(string)) => string,
            Some(None) => return out.error(WRONG_TYPE),
        };
        out.array(plan.operations.len());
        for operation in &plan.operations {
            out.int(operation.encoding.get(string, operation.at));
        }
    });
}

fn write(ctx: &mut Ctx<'_>, key: &[u8], plan: &Plan, last_byte: usize) {
    let written = edit_string(ctx, key, |entry| {
        let grown = entry.as_entry().str().is_some_and(|string| string.len() <= last_byte);
        if grown {
            entry.set_range(last_byte, &[0]);
        }
        let mut changes = 0;
        let replies: Vec<Option<i64>> = plan
            .operations
            .iter()
            .map(|operation| {
                let (reply, changed) = apply(entry, operation);
                changes += u64::from(changed.is_some_and(|changed| changed || grown));
                reply
            })
            .collect();
        // A string that only grew has changed all the same, and replicas have to be told.
        (replies, changes.max(u64::from(grown)))
    });
    let (replies, changes) = match written {
        Ok(written) => written,
        Err(error) => return ctx.out.error(error),
    };
    ctx.out.array(replies.len());
    for reply in replies {
        match reply {
            Some(value) => ctx.out.int(value),
            None => ctx.out.null(),
        }
    }
    if changes > 0 {
        ctx.modified(EventClass::STRING, "setbit", key);
        ctx.fx.dirty += changes - 1;
    }
}

/// Carries one operation out. Gives its reply, and if it wrote something whether that was something new.
fn apply(entry: &mut EntryMut<'_>, operation: &Operation) -> (Option<i64>, Option<bool>) {
    let Operation { encoding, at, action } = *operation;
    let string = entry.as_entry();
    let string = string.str().unwrap_or_default();
    let old = encoding.get(string, at);
    let (new, replies_new) = match action {
        Action::Get => return (Some(old), None),
        Action::Set(value, overflow) => (encoding.converted(value, overflow), false),
        Action::Add(by, overflow) => (encoding.sum(old, by, overflow), true),
    };
    let Some(new) = new else { return (None, None) };
    if new != old {
        let (from, window) = encoding.set(string, at, new);
        window.with_bytes(|bytes| entry.set_range(from, bytes));
    }
    (Some(if replies_new { new } else { old }), Some(new != old))
}
