//! Lists.

mod blocking;
mod edit;
mod options;
mod pop;
mod push;
mod read;
mod transfer;

use keyspace::{ListEnd as End, ListMut, ListRef};
use resp::ReplyBuf;

use crate::Ctx;
use crate::effects::EventClass;
use crate::errors::WRONG_TYPE;
use crate::row::*;

const GROUP: &str = "list";

const PUSH: u64 = WRITE | DENYOOM | FAST;
const POPS: u32 = RW | ACCESS | DELETE;
const PER_ELEMENT: &str = "O(1) an element";

pub(crate) const ROWS: &[CommandSpec] = &[
    data("blmove", 6, GROUP, "6.2.0", blocking::blmove)
        .flags(WRITE | DENYOOM | BLOCKING)
        .acl(Acl::LIST)
        .keys(&[KeySpec::one(1, POPS), KeySpec::one(2, RW | INSERT)])
        .doc(
            "source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout",
            "Moves an element from one list to another; waits for one if there is none.",
            "O(1)",
        ),
    data("blmpop", -5, GROUP, "7.0.0", blocking::blmpop)
        .flags(WRITE | BLOCKING)
        .acl(Acl::LIST)
        .keys(&[KeySpec::counted(2, 0, 1, 1, POPS)])
        .doc(
            "timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
            "Takes elements off the first of the lists that has any; waits for one if none has.",
            "O(N+M), N being the number of keys, M that of the elements",
        ),
    data("blpop", -3, GROUP, "2.0.0", blocking::blpop)
        .flags(WRITE | BLOCKING)
        .acl(Acl::LIST)
        .keys(&[KeySpec::range(1, -2, 1, POPS)])
        .doc(
            "key [key ...] timeout",
            "Takes the first element off the first of the lists that has any; waits for one if none has.",
            "O(N), N being the number of keys",
        ),
    data("brpop", -3, GROUP, "2.0.0", blocking::brpop)
        .flags(WRITE | BLOCKING)
        .acl(Acl::LIST)
        .keys(&[KeySpec::range(1, -2, 1, POPS)])
        .doc(
            "key [key ...] timeout",
            "Takes the last element off the first of the lists that has any; waits for one if none has.",
            "O(N), N being the number of keys",
        ),
    data("brpoplpush", 4, GROUP, "2.2.0", blocking::brpoplpush)
        .flags(WRITE | DENYOOM | BLOCKING)
        .acl(Acl::LIST)
        .keys(&[KeySpec::one(1, POPS), KeySpec::one(2, RW | INSERT)])
        .doc(
            "source destination timeout",
            "Moves the last element of one list to the front of another; waits for one if there is none.",
            "O(1)",
        ),
    data("lindex", 3, GROUP, "1.0.0", read::lindex)
        .flags(READONLY)
        .acl(Acl::LIST)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .doc("key index", "Returns the element at a position.", "O(log(N)), N being the length of the list"),
    data("linsert", 5, GROUP, "2.2.0", edit::linsert)
        .flags(WRITE | DENYOOM)
        .acl(Acl::LIST)
        .keys(&[KeySpec::one(1, RW | INSERT)])
        .doc(
            "key <BEFORE | AFTER> pivot element",
            "Puts an element before or after another one.",
            "O(N), N being the number of elements before the pivot",
        ),
    data("llen", 2, GROUP, "1.0.0", read::llen)
        .flags(READONLY | FAST)
        .acl(Acl::LIST)
        .keys(&[KeySpec::one(1, RO)])
        .doc("key", "Returns the length of a list.", "O(1)"),
    data("lmove", 5, GROUP, "6.2.0", transfer::lmove)
        .flags(WRITE | DENYOOM)
        .acl(Acl::LIST)
        .keys(&[KeySpec::one(1, POPS), KeySpec::one(2, RW | INSERT)])
        .doc(
            "source destination <LEFT | RIGHT> <LEFT | RIGHT>",
            "Moves an element from one list to another.",
            "O(1)",
        ),
    data("lmpop", -4, GROUP, "7.0.0", pop::lmpop)
        .flags(WRITE)
        .acl(Acl::LIST)
        .keys(&[KeySpec::counted(1, 0, 1, 1, POPS)])
        .doc(
            "numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
            "Takes elements off the first of the lists that has any.",
            "O(N+M), N being the number of keys, M that of the elements",
        ),
    data("lpop", -2, GROUP, "1.0.0", pop::lpop)
        .flags(WRITE | FAST)
        .acl(Acl::LIST)
        .keys(&[KeySpec::one(1, POPS)])
        .doc(
            "key [count]",
            "Takes elements off the front of a list.",
            "O(N), N being the number of elements",
        ),
    data("lpos", -3, GROUP, "6.0.6", read::lpos)
        .flags(READONLY)
        .acl(Acl::LIST)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .doc(
            "key element [RANK rank] [COUNT num-matches] [MAXLEN len]",
            "Returns the positions of an element.",
            "O(N), N being the number of elements looked at",
        ),
    data("lpush", -3, GROUP, "1.0.0", push::lpush)
        .flags(PUSH)
        .acl(Acl::LIST)
        .keys(&[KeySpec::one(1, RW | INSERT)])
        .doc(
            "key element [element ...]",
            "Adds elements at the front of a list; creates it if need be.",
            PER_ELEMENT,
        ),
    data("lpushx", -3, GROUP, "2.2.0", push::lpushx)
        .flags(PUSH)
        .acl(Acl::LIST)
        .keys(&[KeySpec::one(1, RW | INSERT)])
        .doc(
            "key element [element ...]",
            "Adds elements at the front of a list, but only if it exists.",
            PER_ELEMENT,
        ),
    data("lrange", 4, GROUP, "1.0.0", read::lrange)
        .flags(READONLY)
        .acl(Acl::LIST)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .doc(
            "key start stop",
            "Returns a part of a list.",
            "O(log(N)+M), N being the length of the list, M the number of elements",
        ),
    data("lrem", 4, GROUP, "1.0.0", edit::lrem)
        .flags(WRITE)
        .acl(Acl::LIST)
        .keys(&[KeySpec::one(1, RW | DELETE)])
        .doc(
            "key count element",
            "Removes elements that are equal to the given one.",
            "O(N), N being the length of the list",
        ),
    data("lset", 4, GROUP, "1.0.0", edit::lset)
        .flags(WRITE | DENYOOM)
        .acl(Acl::LIST)
        .keys(&[KeySpec::one(1, RW | UPDATE)])
        .doc(
            "key index element",
            "Replaces the element at a position.",
            "O(log(N)), N being the length of the list",
        ),
    data("ltrim", 4, GROUP, "1.0.0", edit::ltrim)
        .flags(WRITE)
        .acl(Acl::LIST)
        .keys(&[KeySpec::one(1, RW | DELETE)])
        .doc(
            "key start stop",
            "Removes elements from both ends, so that a range is left.",
            "O(N), N being the number of elements removed",
        ),
    data("rpop", -2, GROUP, "1.0.0", pop::rpop)
        .flags(WRITE | FAST)
        .acl(Acl::LIST)
        .keys(&[KeySpec::one(1, POPS)])
        .doc("key [count]", "Takes elements off the end of a list.", "O(N), N being the number of elements"),
    data("rpoplpush", 3, GROUP, "1.2.0", transfer::rpoplpush)
        .flags(WRITE | DENYOOM)
        .acl(Acl::LIST)
        .keys(&[KeySpec::one(1, POPS), KeySpec::one(2, RW | INSERT)])
        .doc("source destination", "Moves the last element of one list to the front of another.", "O(1)"),
    data("rpush", -3, GROUP, "1.0.0", push::rpush)
        .flags(PUSH)
        .acl(Acl::LIST)
        .keys(&[KeySpec::one(1, RW | INSERT)])
        .doc(
            "key element [element ...]",
            "Adds elements at the end of a list; creates it if need be.",
            PER_ELEMENT,
        ),
    data("rpushx", -3, GROUP, "2.2.0", push::rpushx)
        .flags(PUSH)
        .acl(Acl::LIST)
        .keys(&[KeySpec::one(1, RW | INSERT)])
        .doc(
            "key element [element ...]",
            "Adds elements at the end of a list, but only if it exists.",
            PER_ELEMENT,
        ),
];

/// Changes the list of a key: `None` if there is no such key, or if it holds something else, which is replied then.
#[inline]
fn edit<R>(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    f: impl FnOnce(&mut ListMut<'_, '_>, &mut ReplyBuf) -> R,
) -> Found<R> {
    let limits = &ctx.env.limits;
    let edited = ctx.update_replying(key, |entry, out| {
        let mut list = ListMut::of(entry, limits)?;
        Some(f(&mut list, out))
    });
    match edited {
        Some(Some(result)) => Found::List(result),
        Some(None) => {
            ctx.out.error(WRONG_TYPE);
            Found::Other
        }
        None => Found::Nothing,
    }
}

/// What was done to the list of a key.
enum Found<R> {
    /// It is there; what came of it.
    List(R),
    /// The key holds something else. That has been replied.
    Other,
    /// There is no such key.
    Nothing,
}

/// Looks for the list of a key that is going to be written, and replies if the key holds something else.
fn look_for(ctx: &mut Ctx<'_>, key: &[u8]) -> Found<()> {
    match ctx.lookup_write(key).map(|entry| ListRef::of(&entry).is_some()) {
        None => Found::Nothing,
        Some(true) => Found::List(()),
        Some(false) => {
            ctx.out.error(WRONG_TYPE);
            Found::Other
        }
    }
}

/// Accounts for elements that were taken off one end of a list, and deletes it if that has left it `empty`.
fn note_popped(ctx: &mut Ctx<'_>, key: &[u8], end: End, count: usize, empty: bool) {
    ctx.modified(EventClass::LIST, if end == End::Front { "lpop" } else { "rpop" }, key);
    ctx.fx.dirty += count as u64 - 1;
    if empty {
        delete_empty(ctx, key);
    }
}

/// Deletes a list that has lost its last element; that belongs to the change which took it.
fn delete_empty(ctx: &mut Ctx<'_>, key: &[u8]) {
    if let Some(removed) = ctx.db_mut().remove(key) {
        ctx.discard(removed, ctx.env.lazyfree_server_del);
    }
    ctx.notify(EventClass::GENERIC, "del", key);
}
