//! Hashes.
//!
//! A field whose time is over is hidden from every command; it is deleted by the expire cycle of a master (see `expire`).

mod expire;
mod fields;
mod get;
mod getex;
mod incr;
mod random;
mod set;
mod setex;
mod ttl;

pub use expire::expire_fields;

use keyspace::{Element, Field, HashRef};

use crate::row::*;
use crate::{Ctx, Env};

const GROUP: &str = "hash";
const FIELDS: &str = "key FIELDS numfields field [field ...]";
const PER_FIELD: &str = "O(N), N being the number of fields given";

pub(crate) const ROWS: &[CommandSpec] = &[
    data("hdel", -3, GROUP, "2.0.0", set::hdel)
        .flags(WRITE | FAST)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RW | DELETE)])
        .elements(2, 1)
        .doc(
            "key field [field ...]",
            "Deletes fields of a hash, and the hash with its last one.",
            "O(N), N being the number of fields given",
        ),
    data("hexists", 3, GROUP, "2.0.0", get::hexists)
        .flags(READONLY | FAST)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RO)])
        .elements(2, 0)
        .doc("key field", "Says whether a hash has a field.", "O(1)"),
    data("hexpire", -6, GROUP, "9.0.0", expire::hexpire)
        .flags(WRITE | FAST)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RW | UPDATE)])
        .doc(
            "key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
            "Lets fields expire after some seconds.",
            PER_FIELD,
        ),
    data("hexpireat", -6, GROUP, "9.0.0", expire::hexpireat)
        .flags(WRITE | FAST)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RW | UPDATE)])
        .doc(
            "key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
            "Lets fields expire at a time in seconds.",
            PER_FIELD,
        ),
    data("hexpiretime", -5, GROUP, "9.0.0", ttl::hexpiretime)
        .flags(READONLY | FAST)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .doc(FIELDS, "Returns when fields expire, in seconds.", PER_FIELD),
    data("hget", 3, GROUP, "2.0.0", get::hget)
        .flags(READONLY | FAST)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .elements(2, 0)
        .doc("key field", "Returns the value of a field.", "O(1)"),
    data("hgetall", 2, GROUP, "2.0.0", get::hgetall)
        .flags(READONLY)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .tips(&["nondeterministic_output_order"])
        .doc("key", "Returns all fields with their values.", "O(N), N being the size of the hash"),
    data("hgetdel", -5, GROUP, "9.1.0", getex::hgetdel)
        .flags(WRITE | FAST)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RW | ACCESS | DELETE)])
        .doc(FIELDS, "Returns the values of fields and deletes them.", PER_FIELD),
    data("hgetex", -5, GROUP, "9.0.0", getex::hgetex)
        .flags(WRITE | FAST)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RW | ACCESS | UPDATE)])
        .doc(
            "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST] FIELDS numfields field [field ...]",
            "Returns the values of fields and sets when they expire.",
            PER_FIELD,
        ),
    data("hincrby", 4, GROUP, "2.0.0", incr::hincrby)
        .flags(WRITE | DENYOOM | FAST)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RW | ACCESS | UPDATE)])
        .elements(2, 0)
        .doc("key field increment", "Adds to the integer in a field; a missing field counts as 0.", "O(1)"),
    data("hincrbyfloat", 4, GROUP, "2.6.0", incr::hincrbyfloat)
        .flags(WRITE | DENYOOM | FAST)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RW | ACCESS | UPDATE)])
        .elements(2, 0)
        .doc(
            "key field increment",
            "Adds to the floating-point number in a field; a missing field counts as 0.",
            "O(1)",
        ),
    data("hkeys", 2, GROUP, "2.0.0", get::hkeys)
        .flags(READONLY)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .tips(&["nondeterministic_output_order"])
        .doc("key", "Returns the names of all fields.", "O(N), N being the size of the hash"),
    data("hlen", 2, GROUP, "2.0.0", get::hlen)
        .flags(READONLY | FAST)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RO)])
        .doc("key", "Returns the number of fields.", "O(1)"),
    data("hmget", -3, GROUP, "2.0.0", get::hmget)
        .flags(READONLY | FAST)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .elements(2, 1)
        .doc(
            "key field [field ...]",
            "Returns the values of several fields.",
            "O(N), N being the number of fields given",
        ),
    data("hmset", -4, GROUP, "2.0.0", set::hmset)
        .flags(WRITE | DENYOOM | FAST)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RW | UPDATE)])
        .elements(2, 2)
        .doc(
            "key <field value> [field value ...]",
            "Sets several fields: HSET with another reply.",
            "O(N), N being the number of fields given",
        ),
    data("hpersist", -5, GROUP, "9.0.0", expire::hpersist)
        .flags(WRITE | FAST)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RW | UPDATE)])
        .doc(FIELDS, "Removes the expiry of fields.", PER_FIELD),
    data("hpexpire", -6, GROUP, "9.0.0", expire::hpexpire)
        .flags(WRITE | FAST)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RW | UPDATE)])
        .doc(
            "key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
            "Lets fields expire after some milliseconds.",
            PER_FIELD,
        ),
    data("hpexpireat", -6, GROUP, "9.0.0", expire::hpexpireat)
        .flags(WRITE | FAST)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RW | UPDATE)])
        .doc(
            "key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
            "Lets fields expire at a time in milliseconds.",
            PER_FIELD,
        ),
    data("hpexpiretime", -5, GROUP, "9.0.0", ttl::hpexpiretime)
        .flags(READONLY | FAST)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .doc(FIELDS, "Returns when fields expire, in milliseconds.", PER_FIELD),
    data("hpttl", -5, GROUP, "9.0.0", ttl::hpttl)
        .flags(READONLY | FAST)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .doc(FIELDS, "Returns for how many milliseconds fields will stay.", PER_FIELD),
    data("hrandfield", -2, GROUP, "6.2.0", random::hrandfield)
        .flags(READONLY)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .tips(&["nondeterministic_output"])
        .doc(
            "key [count [WITHVALUES]]",
            "Returns random fields.",
            "O(N), N being the number of fields returned",
        ),
    data("hscan", -3, GROUP, "2.8.0", get::hscan)
        .flags(READONLY)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .tips(&["nondeterministic_output"])
        .doc(
            "key cursor [MATCH pattern] [COUNT count] [NOVALUES]",
            "Goes through the fields of a hash step by step.",
            "O(1) a step, O(N) in all, N being the size of the hash",
        ),
    data("hset", -4, GROUP, "2.0.0", set::hset)
        .flags(WRITE | DENYOOM | FAST)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RW | UPDATE)])
        .elements(2, 2)
        .doc(
            "key <field value> [field value ...]",
            "Sets fields of a hash; creates it if need be.",
            "O(N), N being the number of fields given",
        ),
    data("hsetex", -6, GROUP, "9.0.0", setex::hsetex)
        .flags(WRITE | DENYOOM | FAST)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RW | INSERT)])
        .doc(
            "key [NX | XX] [FNX | FXX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL] FIELDS numfields <field value> [field value ...]",
            "Sets fields and when they expire.",
            PER_FIELD,
        ),
    data("hsetnx", 4, GROUP, "2.0.0", set::hsetnx)
        .flags(WRITE | DENYOOM | FAST)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RW | INSERT)])
        .elements(2, 0)
        .doc("key field value", "Sets a field that is not there yet.", "O(1)"),
    data("hstrlen", 3, GROUP, "3.2.0", get::hstrlen)
        .flags(READONLY | FAST)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RO)])
        .elements(2, 0)
        .doc("key field", "Returns the length of the value of a field.", "O(1)"),
    data("httl", -5, GROUP, "9.0.0", ttl::httl)
        .flags(READONLY | FAST)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .doc(FIELDS, "Returns for how many seconds fields will stay.", PER_FIELD),
    data("hvals", 2, GROUP, "2.0.0", get::hvals)
        .flags(READONLY)
        .acl(Acl::HASH)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .tips(&["nondeterministic_output_order"])
        .doc("key", "Returns the values of all fields.", "O(N), N being the size of the hash"),
];

/// The value of a field whose time is not over.
#[inline]
pub(super) fn live<'a>(hash: HashRef<'a>, name: &[u8], env: &Env) -> Option<Element<'a>> {
    let (value, expiry) = hash.get(name)?;
    (!env.is_expired(expiry)).then_some(value)
}

/// The fields whose time is not over.
#[inline]
pub(super) fn live_fields<'a>(hash: HashRef<'a>, env: &'a Env) -> impl Iterator<Item = Field<'a>> {
    hash.iter().filter(|field| !env.is_expired(field.expiry))
}

/// How many those are. Counts only where some may be over.
pub(super) fn live_len(hash: HashRef<'_>, env: &Env) -> usize {
    if hash.expires() == 0 { hash.len() } else { live_fields(hash, env).count() }
}

/// Deletes a hash that has lost its last field; that belongs to the change which took it.
pub(super) fn delete_empty(ctx: &mut Ctx<'_>, key: &[u8]) {
    if let Some(removed) = ctx.db_mut().remove(key) {
        ctx.discard(removed, ctx.env.lazyfree_server_del);
    }
    ctx.notify(crate::EventClass::GENERIC, "del", key);
}
