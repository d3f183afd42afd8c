//! Keys, whatever they hold.

mod dump;
mod expire;
mod look;
mod object;
mod remove;
mod rename;
mod scan;

use crate::keys::Begin;
use crate::row::*;

pub(crate) use expire::Condition;
pub(crate) use look::dbsize;

const GROUP: &str = "generic";

const EXPIRE_SYNTAX: &str = "key seconds [NX | XX | GT | LT]";
const PEXPIRE_SYNTAX: &str = "key milliseconds [NX | XX | GT | LT]";

pub(crate) const ROWS: &[CommandSpec] = &[
    data("copy", -3, GROUP, "6.2.0", rename::copy)
        .flags(WRITE | DENYOOM)
        .acl(Acl::KEYSPACE)
        .keys(&[KeySpec::one(1, RO | ACCESS), KeySpec::one(2, OW | UPDATE)])
        .doc(
            "source destination [DB destination-db] [REPLACE]",
            "Copies a value to another key.",
            "O(1) for strings",
        ),
    data("del", -2, GROUP, "1.0.0", remove::del)
        .flags(WRITE)
        .acl(Acl::KEYSPACE)
        .keys(&[KeySpec::range(1, -1, 1, RM | DELETE)])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .doc(
            "key [key ...]",
            "Deletes keys.",
            "O(N), N being the number of keys, plus the size of collections",
        ),
    data("dump", 2, GROUP, "2.6.0", dump::dump)
        .flags(READONLY)
        .acl(Acl::KEYSPACE)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .tips(&["nondeterministic_output"])
        .doc(
            "key",
            "Returns a value in the format that RESTORE reads.",
            "O(M), M being the size of the value",
        ),
    data("exists", -2, GROUP, "1.0.0", look::exists)
        .flags(READONLY | FAST)
        .acl(Acl::KEYSPACE)
        .keys(&[KeySpec::range(1, -1, 1, RO)])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .doc("key [key ...]", "Counts which of the keys exist.", "O(N), N being the number of keys"),
    data("expire", -3, GROUP, "1.0.0", expire::expire)
        .flags(WRITE | FAST)
        .acl(Acl::KEYSPACE)
        .keys(&[KeySpec::one(1, RW | UPDATE)])
        .doc(EXPIRE_SYNTAX, "Lets a key expire after some seconds.", "O(1)"),
    data("expireat", -3, GROUP, "1.2.0", expire::expireat)
        .flags(WRITE | FAST)
        .acl(Acl::KEYSPACE)
        .keys(&[KeySpec::one(1, RW | UPDATE)])
        .doc("key unix-time-seconds [NX | XX | GT | LT]", "Lets a key expire at a time in seconds.", "O(1)"),
    data("expiretime", 2, GROUP, "7.0.0", expire::expiretime)
        .flags(READONLY | FAST)
        .acl(Acl::KEYSPACE)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .doc("key", "Returns when a key expires, in seconds.", "O(1)"),
    data("keys", 2, GROUP, "1.0.0", look::keys)
        .flags(READONLY | ARBITRARY_KEYS)
        .acl(Acl::KEYSPACE.union(Acl::DANGEROUS))
        .tips(&["request_policy:all_shards", "nondeterministic_output_order"])
        .doc(
            "pattern",
            "Returns all keys that match a pattern.",
            "O(N), N being the number of keys in the database",
        ),
    host("migrate", -6, GROUP, "2.6.0")
        .flags(WRITE | NO_MULTI)
        .acl(Acl::KEYSPACE.union(Acl::DANGEROUS))
        .keys(&[
            KeySpec { begin: Begin::IndexUnlessEmpty(3), ..KeySpec::one(3, RW | ACCESS | DELETE) },
            KeySpec { begin: Begin::MigrateKeys, ..KeySpec::range(6, -1, 1, RW | ACCESS | DELETE | INCOMPLETE) },
        ])
        .tips(&["nondeterministic_output"])
        .doc(
            "host port <key | \"\"> destination-db timeout [COPY] [REPLACE] [AUTH password | AUTH2 username password] \
             [KEYS key [key ...]]",
            "Moves keys to another instance.",
            "O(N), N being the size of the values",
        ),
    data("move", 3, GROUP, "1.0.0", rename::move_key)
        .flags(WRITE | FAST)
        .acl(Acl::KEYSPACE)
        .keys(&[KeySpec::one(1, RW | ACCESS | UPDATE)])
        .doc("key db", "Moves a key to another database.", "O(1)"),
    object(),
    data("persist", 2, GROUP, "2.2.0", expire::persist)
        .flags(WRITE | FAST)
        .acl(Acl::KEYSPACE)
        .keys(&[KeySpec::one(1, RW | UPDATE)])
        .doc("key", "Removes the expiry of a key.", "O(1)"),
    data("pexpire", -3, GROUP, "2.6.0", expire::pexpire)
        .flags(WRITE | FAST)
        .acl(Acl::KEYSPACE)
        .keys(&[KeySpec::one(1, RW | UPDATE)])
        .doc(PEXPIRE_SYNTAX, "Lets a key expire after some milliseconds.", "O(1)"),
    data("pexpireat", -3, GROUP, "2.6.0", expire::pexpireat)
        .flags(WRITE | FAST)
        .acl(Acl::KEYSPACE)
        .keys(&[KeySpec::one(1, RW | UPDATE)])
        .doc(
            "key unix-time-milliseconds [NX | XX | GT | LT]",
            "Lets a key expire at a time in milliseconds.",
            "O(1)",
        ),
    data("pexpiretime", 2, GROUP, "7.0.0", expire::pexpiretime)
        .flags(READONLY | FAST)
        .acl(Acl::KEYSPACE)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .doc("key", "Returns when a key expires, in milliseconds.", "O(1)"),
    data("pttl", 2, GROUP, "2.6.0", expire::pttl)
        .flags(READONLY | FAST)
        .acl(Acl::KEYSPACE)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .tips(&["nondeterministic_output"])
        .doc("key", "Returns for how many milliseconds a key will stay.", "O(1)"),
    data("randomkey", 1, GROUP, "1.0.0", look::randomkey)
        .flags(READONLY | ARBITRARY_KEYS)
        .acl(Acl::KEYSPACE)
        .tips(&["request_policy:all_shards", "nondeterministic_output"])
        .doc("", "Returns any key of the database.", "O(1)"),
    data("rename", 3, GROUP, "1.0.0", rename::rename)
        .flags(WRITE)
        .acl(Acl::KEYSPACE)
        .keys(&[KeySpec::one(1, RW | ACCESS | DELETE), KeySpec::one(2, OW | UPDATE)])
        .doc("key newkey", "Gives a key another name, whatever had that name before.", "O(1)"),
    data("renamenx", 3, GROUP, "1.0.0", rename::renamenx)
        .flags(WRITE | FAST)
        .acl(Acl::KEYSPACE)
        .keys(&[KeySpec::one(1, RW | ACCESS | DELETE), KeySpec::one(2, OW | INSERT)])
        .doc("key newkey", "Gives a key another name unless that name is taken.", "O(1)"),
    restore("restore", 0, "2.6.0"),
    restore("restore-asking", ASKING, "3.0.0"),
    data("scan", -2, GROUP, "2.8.0", scan::scan)
        .flags(READONLY | ARBITRARY_KEYS)
        .acl(Acl::KEYSPACE)
        .tips(&["nondeterministic_output", "request_policy:special"])
        .doc(
            "cursor [MATCH pattern] [COUNT count] [TYPE type]",
            "Walks through the keys of the database, some at a time.",
            "O(1) a call, O(N) in all",
        ),
    data("touch", -2, GROUP, "3.2.1", look::touch)
        .flags(READONLY | FAST)
        .acl(Acl::KEYSPACE)
        .keys(&[KeySpec::range(1, -1, 1, RO)])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .doc(
            "key [key ...]",
            "Marks keys as used and counts those that exist.",
            "O(N), N being the number of keys",
        ),
    data("ttl", 2, GROUP, "1.0.0", expire::ttl)
        .flags(READONLY | FAST)
        .acl(Acl::KEYSPACE)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .tips(&["nondeterministic_output"])
        .doc("key", "Returns for how many seconds a key will stay.", "O(1)"),
    data("type", 2, GROUP, "1.0.0", look::key_type)
        .flags(READONLY | FAST)
        .acl(Acl::KEYSPACE)
        .keys(&[KeySpec::one(1, RO)])
        .doc("key", "Returns what kind of value a key holds.", "O(1)"),
    data("unlink", -2, GROUP, "4.0.0", remove::unlink)
        .flags(WRITE | FAST)
        .acl(Acl::KEYSPACE)
        .keys(&[KeySpec::range(1, -1, 1, RM | DELETE)])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .doc(
            "key [key ...]",
            "Deletes keys; large values are freed in the background.",
            "O(N), N being the number of keys",
        ),
    host("wait", 3, GROUP, "3.0.0")
        .flags(NOSCRIPT)
        .acl(Acl::CONNECTION)
        .tips(&["request_policy:all_shards", "response_policy:agg_min"])
        .doc(
            "numreplicas timeout",
            "Waits until that many replicas have acknowledged the client's writes.",
            "O(1)",
        ),
    host("waitaof", 4, GROUP, "7.2.0")
        .flags(NOSCRIPT)
        .acl(Acl::CONNECTION)
        .tips(&["request_policy:all_shards", "response_policy:agg_min"])
        .doc(
            "numlocal numreplicas timeout",
            "Waits until the client's writes are durable in that many append only files: the own one, and those of replicas.",
            "O(1)",
        ),
];

const fn restore(name: &'static str, more: u64, since: &'static str) -> CommandSpec {
    const KEYS: &[KeySpec] = &[KeySpec::one(1, OW | UPDATE)];
    data(name, -4, GROUP, since, dump::restore)
        .flags(WRITE | DENYOOM | more)
        .acl(Acl::KEYSPACE.union(Acl::DANGEROUS))
        .keys(KEYS)
        .doc(
            "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
            "Stores a value that DUMP returned.",
            "O(M), M being the size of the value",
        )
}

const fn object() -> CommandSpec {
    const KEY: &[KeySpec] = &[KeySpec::one(2, RO)];
    const TIPS: &[&str] = &["nondeterministic_output"];
    const SUBS: &[CommandSpec] = &[
        data("object|encoding", 3, GROUP, "2.2.3", object::encoding)
            .flags(READONLY)
            .acl(Acl::KEYSPACE)
            .keys(KEY)
            .tips(TIPS)
            .doc("key", "Returns how the value is kept in memory.", "O(1)"),
        data("object|freq", 3, GROUP, "4.0.0", object::freq)
            .flags(READONLY)
            .acl(Acl::KEYSPACE)
            .keys(KEY)
            .tips(TIPS)
            .doc("key", "Returns how often the key is used, as a logarithm; needs an LFU policy.", "O(1)"),
        help("object|help", GROUP, "6.2.0").acl(Acl::KEYSPACE),
        data("object|idletime", 3, GROUP, "2.2.3", object::idletime)
            .flags(READONLY)
            .acl(Acl::KEYSPACE)
            .keys(KEY)
            .tips(TIPS)
            .doc("key", "Returns for how many seconds the key has not been used.", "O(1)"),
        data("object|refcount", 3, GROUP, "2.2.3", object::refcount)
            .flags(READONLY)
            .acl(Acl::KEYSPACE)
            .keys(KEY)
            .tips(TIPS)
            .doc("key", "Returns how many references the value has.", "O(1)"),
    ];
    host("object", -2, GROUP, "2.2.3").flags(0).subs(SUBS).doc(
        "",
        "Tells how values are kept.",
        "Depends on the subcommand.",
    )
}
