//! From one list to another: LMOVE and RPOPLPUSH.

use keyspace::ListEnd as End;
use resp::Args;

use super::options::end;
use super::push::{make, note_pushed};
use super::{Found, edit, look_for, note_popped};
use crate::Ctx;

/// LMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT>
pub(crate) fn lmove(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (from, to) = match (end(args.at(3)), end(args.at(4))) {
        (Ok(from), Ok(to)) => (from, to),
        (Err(error), _) | (_, Err(error)) => return ctx.out.error(error),
    };
    if transfer(ctx, args, from, to) == Outcome::NoSource {
        ctx.out.null();
    }
}

/// RPOPLPUSH source destination
pub(crate) fn rpoplpush(ctx: &mut Ctx<'_>, args: Args<'_>) {
    if transfer(ctx, args, End::Back, End::Front) == Outcome::NoSource {
        ctx.out.null();
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Moved,
    /// The reply is an error.
    Refused,
    /// There is nothing to move, and no reply yet.
    NoSource,
}

/// Moves an element from the end `from` of the list at argument 1 to the end `to` of the one at argument 2.
pub(super) fn transfer(ctx: &mut Ctx<'_>, args: Args<'_>, from: End, to: End) -> Outcome {
    let (source, destination) = (args.at(1), args.at(2));
    match look_for(ctx, source) {
        Found::List(()) => {}
        Found::Other => return Outcome::Refused,
        Found::Nothing => return Outcome::NoSource,
    }
    if let Found::Other = look_for(ctx, destination) {
        return Outcome::Refused;
    }
    let popped = edit(ctx, source, |list, _| list.pop(from, |element| element.to_vec()));
    let Found::List(Some(text)) = popped else { return Outcome::NoSource };
    // The source stays for now even if it has become empty: it may be the destination as well.
    let pushed = [&text[..]];
    if let Found::Nothing = edit(ctx, destination, |list, _| list.push(to, pushed.into_iter())) {
        make(ctx, destination, to, pushed);
    }
    note_pushed(ctx, destination, to);
    ctx.out.bulk(&text);
    let left = edit(ctx, source, |list, _| list.len());
    note_popped(ctx, source, from, 1, matches!(left, Found::List(0)));
    Outcome::Moved
}
