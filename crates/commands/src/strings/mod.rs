//! Strings.

mod edit;
pub(crate) mod float;
mod get;
mod incr;
mod lcs;
mod options;
mod set;

use crate::row::*;

const GROUP: &str = "string";

pub(crate) const ROWS: &[CommandSpec] = &[
    data("append", 3, GROUP, "2.0.0", edit::append)
        .flags(WRITE | DENYOOM | FAST)
        .acl(Acl::STRING)
        .keys(&[KeySpec::one(1, RW | INSERT)])
        .doc("key value", "Appends to a string; creates it if need be.", "O(1) amortised"),
    data("decr", 2, GROUP, "1.0.0", incr::decr)
        .flags(WRITE | DENYOOM | FAST)
        .acl(Acl::STRING)
        .keys(&[KeySpec::one(1, RW | ACCESS | UPDATE)])
        .doc("key", "Subtracts one from an integer; a missing key counts as 0.", "O(1)"),
    data("decrby", 3, GROUP, "1.0.0", incr::decrby)
        .flags(WRITE | DENYOOM | FAST)
        .acl(Acl::STRING)
        .keys(&[KeySpec::one(1, RW | ACCESS | UPDATE)])
        .doc("key decrement", "Subtracts from an integer; a missing key counts as 0.", "O(1)"),
    data("delifeq", 3, GROUP, "9.0.0", edit::delifeq)
        .flags(WRITE | FAST)
        .acl(Acl::STRING)
        .keys(&[KeySpec::one(1, RM | DELETE)])
        .doc("key value", "Deletes a key if it holds exactly this string.", "O(1)"),
    data("get", 2, GROUP, "1.0.0", get::get)
        .flags(READONLY | FAST)
        .acl(Acl::STRING)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .doc("key", "Returns a string.", "O(1)"),
    data("getdel", 2, GROUP, "6.2.0", get::getdel)
        .flags(WRITE | FAST)
        .acl(Acl::STRING)
        .keys(&[KeySpec::one(1, RW | ACCESS | DELETE)])
        .doc("key", "Returns a string and deletes its key.", "O(1)"),
    data("getex", -2, GROUP, "6.2.0", get::getex)
        .flags(WRITE | FAST)
        .acl(Acl::STRING)
        .keys(&[KeySpec::one(1, RW | ACCESS | UPDATE).notes("RW and UPDATE because it changes the TTL")])
        .doc(
            "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | \
             PERSIST]",
            "Returns a string and sets or removes its expiry.",
            "O(1)",
        ),
    data("getrange", 4, GROUP, "2.4.0", get::getrange)
        .flags(READONLY)
        .acl(Acl::STRING)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .doc("key start end", "Returns a part of a string.", "O(N), N being the length of the part"),
    data("getset", 3, GROUP, "1.0.0", set::getset)
        .flags(WRITE | DENYOOM | FAST)
        .acl(Acl::STRING)
        .keys(&[KeySpec::one(1, RW | ACCESS | UPDATE)])
        .doc("key value", "Stores a string and returns the one it replaces.", "O(1)"),
    data("incr", 2, GROUP, "1.0.0", incr::incr)
        .flags(WRITE | DENYOOM | FAST)
        .acl(Acl::STRING)
        .keys(&[KeySpec::one(1, RW | ACCESS | UPDATE)])
        .doc("key", "Adds one to an integer; a missing key counts as 0.", "O(1)"),
    data("incrby", 3, GROUP, "1.0.0", incr::incrby)
        .flags(WRITE | DENYOOM | FAST)
        .acl(Acl::STRING)
        .keys(&[KeySpec::one(1, RW | ACCESS | UPDATE)])
        .doc("key increment", "Adds to an integer; a missing key counts as 0.", "O(1)"),
    data("incrbyfloat", 3, GROUP, "2.6.0", incr::incrbyfloat)
        .flags(WRITE | DENYOOM | FAST)
        .acl(Acl::STRING)
        .keys(&[KeySpec::one(1, RW | ACCESS | UPDATE)])
        .doc("key increment", "Adds to a floating-point number; a missing key counts as 0.", "O(1)"),
    data("lcs", -3, GROUP, "7.0.0", lcs::lcs)
        .flags(READONLY)
        .acl(Acl::STRING)
        .keys(&[KeySpec::range(1, 1, 1, RO | ACCESS)])
        .doc(
            "key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]",
            "Finds the longest common subsequence of two strings.",
            "O(N*M), N and M being the lengths of the strings",
        ),
    data("mget", -2, GROUP, "1.0.0", get::mget)
        .flags(READONLY | FAST)
        .acl(Acl::STRING)
        .keys(&[KeySpec::range(1, -1, 1, RO | ACCESS)])
        .tips(&["request_policy:multi_shard"])
        .doc("key [key ...]", "Returns several strings.", "O(N), N being the number of keys"),
    data("mset", -3, GROUP, "1.0.1", set::mset)
        .flags(WRITE | DENYOOM)
        .acl(Acl::STRING)
        .keys(&[KeySpec::range(1, -1, 2, OW | UPDATE)])
        .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"])
        .doc(
            "<key value> [key value ...]",
            "Stores several strings at once.",
            "O(N), N being the number of keys",
        ),
    data("msetex", -4, GROUP, "9.1.0", set::msetex)
        .flags(WRITE | DENYOOM)
        .acl(Acl::STRING)
        .keys(&[KeySpec::counted(1, 0, 1, 2, OW | UPDATE)])
        .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"])
        .doc(
            "numkeys <key value> [key value ...] [NX | XX] \
             [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | \
             KEEPTTL]",
            "Stores several strings at once with one expiry, on a condition if wanted.",
            "O(N), N being the number of keys",
        ),
    data("msetnx", -3, GROUP, "1.0.1", set::msetnx)
        .flags(WRITE | DENYOOM)
        .acl(Acl::STRING)
        .keys(&[KeySpec::range(1, -1, 2, OW | INSERT)])
        .tips(&["request_policy:multi_shard", "response_policy:agg_min"])
        .doc(
            "<key value> [key value ...]",
            "Stores several strings if none of the keys exists.",
            "O(N), N being the number of keys",
        ),
    data("psetex", 4, GROUP, "2.6.0", set::psetex)
        .flags(WRITE | DENYOOM)
        .acl(Acl::STRING)
        .keys(&[KeySpec::one(1, OW | UPDATE)])
        .doc("key milliseconds value", "Stores a string that expires after some milliseconds.", "O(1)"),
    data("set", -3, GROUP, "1.0.0", set::set)
        .flags(WRITE | DENYOOM)
        .acl(Acl::STRING)
        .keys(&[KeySpec::one(1, RW | ACCESS | UPDATE | VARIABLE)
            .notes("RW and ACCESS due to the optional `GET` argument")])
        .doc(
            "key value [NX | XX | IFEQ comparison-value] [GET] \
             [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | \
             KEEPTTL]",
            "Stores a string, whatever the key held before.",
            "O(1)",
        ),
    data("setex", 4, GROUP, "2.0.0", set::setex)
        .flags(WRITE | DENYOOM)
        .acl(Acl::STRING)
        .keys(&[KeySpec::one(1, OW | UPDATE)])
        .doc("key seconds value", "Stores a string that expires after some seconds.", "O(1)"),
    data("setnx", 3, GROUP, "1.0.0", set::setnx)
        .flags(WRITE | DENYOOM | FAST)
        .acl(Acl::STRING)
        .keys(&[KeySpec::one(1, OW | INSERT)])
        .doc("key value", "Stores a string if the key does not exist.", "O(1)"),
    data("setrange", 4, GROUP, "2.2.0", edit::setrange)
        .flags(WRITE | DENYOOM)
        .acl(Acl::STRING)
        .keys(&[KeySpec::one(1, RW | UPDATE)])
        .doc(
            "key offset value",
            "Overwrites a part of a string, which grows if need be.",
            "O(M), M being the length of the value",
        ),
    data("strlen", 2, GROUP, "2.2.0", get::strlen)
        .flags(READONLY | FAST)
        .acl(Acl::STRING)
        .keys(&[KeySpec::one(1, RO)])
        .doc("key", "Returns the length of a string.", "O(1)"),
    data("substr", 4, GROUP, "1.0.0", get::getrange)
        .flags(READONLY)
        .acl(Acl::STRING)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .doc(
            "key start end",
            "Returns a part of a string: GETRANGE under its old name.",
            "O(N), N being the length of the part",
        ),
];
