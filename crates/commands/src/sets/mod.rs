//! Sets.

mod algebra;
mod members;
mod random;

use crate::row::*;

const GROUP: &str = "set";

/// Where the keys of a command stand that reads sets.
const SOURCES: &[KeySpec] = &[KeySpec::range(1, -1, 1, RO | ACCESS)];
/// Where the keys of a command stand that reads sets and stores one.
const STORE: &[KeySpec] = &[KeySpec::one(1, OW | UPDATE), KeySpec::range(2, -1, 1, RO | ACCESS)];

const INTER_COST: &str = "O(N*M), N being the size of the smallest set and M the number of sets";
const ALL_COST: &str = "O(N), N being the number of members of all sets together";

pub(crate) const ROWS: &[CommandSpec] = &[
    data("sadd", -3, GROUP, "1.0.0", members::sadd)
        .flags(WRITE | DENYOOM | FAST)
        .acl(Acl::SET)
        .keys(&[KeySpec::one(1, RW | INSERT)])
        .elements(2, 1)
        .doc(
            "key member [member ...]",
            "Adds members to a set; creates it if need be.",
            "O(N), N being the number of members added",
        ),
    data("scard", 2, GROUP, "1.0.0", members::scard)
        .flags(READONLY | FAST)
        .acl(Acl::SET)
        .keys(&[KeySpec::one(1, RO)])
        .doc("key", "Returns the number of members of a set.", "O(1)"),
    data("sdiff", -2, GROUP, "1.0.0", algebra::sdiff)
        .flags(READONLY)
        .acl(Acl::SET)
        .keys(SOURCES)
        .tips(&["nondeterministic_output_order"])
        .doc("key [key ...]", "Returns the members of the first set that no other has.", ALL_COST),
    data("sdiffstore", -3, GROUP, "1.0.0", algebra::sdiffstore)
        .flags(WRITE | DENYOOM)
        .acl(Acl::SET)
        .keys(STORE)
        .doc("destination key [key ...]", "Stores the members of the first set that no other has.", ALL_COST),
    data("sinter", -2, GROUP, "1.0.0", algebra::sinter)
        .flags(READONLY)
        .acl(Acl::SET)
        .keys(SOURCES)
        .tips(&["nondeterministic_output_order"])
        .doc("key [key ...]", "Returns the members that all sets have.", INTER_COST),
    data("sintercard", -3, GROUP, "7.0.0", algebra::sintercard)
        .flags(READONLY)
        .acl(Acl::SET)
        .keys(&[KeySpec::counted(1, 0, 1, 1, RO | ACCESS)])
        .doc(
            "numkeys key [key ...] [LIMIT limit]",
            "Counts the members that all sets have, up to a limit.",
            INTER_COST,
        ),
    data("sinterstore", -3, GROUP, "1.0.0", algebra::sinterstore)
        .flags(WRITE | DENYOOM)
        .acl(Acl::SET)
        .keys(STORE)
        .doc("destination key [key ...]", "Stores the members that all sets have.", INTER_COST),
    data("sismember", 3, GROUP, "1.0.0", members::sismember)
        .flags(READONLY | FAST)
        .acl(Acl::SET)
        .keys(&[KeySpec::one(1, RO)])
        .elements(2, 0)
        .doc("key member", "Tells whether a set has a member.", "O(1)"),
    data("smembers", 2, GROUP, "1.0.0", members::smembers)
        .flags(READONLY)
        .acl(Acl::SET)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .tips(&["nondeterministic_output_order"])
        .doc("key", "Returns all members of a set.", "O(N), N being the number of members"),
    data("smismember", -3, GROUP, "6.2.0", members::smismember)
        .flags(READONLY | FAST)
        .acl(Acl::SET)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .elements(2, 1)
        .doc(
            "key member [member ...]",
            "Tells for several members whether a set has them.",
            "O(N), N being the number of members asked for",
        ),
    data("smove", 4, GROUP, "1.0.0", members::smove)
        .flags(WRITE | FAST)
        .acl(Acl::SET)
        .keys(&[KeySpec::one(1, RW | ACCESS | DELETE), KeySpec::one(2, RW | INSERT)])
        .doc("source destination member", "Moves a member from one set to another.", "O(1)"),
    data("spop", -2, GROUP, "1.0.0", random::spop)
        .flags(WRITE | FAST)
        .acl(Acl::SET)
        .keys(&[KeySpec::one(1, RW | ACCESS | DELETE)])
        .tips(&["nondeterministic_output"])
        .doc(
            "key [count]",
            "Removes and returns random members of a set.",
            "O(1), with a count O(N), N being the count",
        ),
    data("srandmember", -2, GROUP, "1.0.0", random::srandmember)
        .flags(READONLY)
        .acl(Acl::SET)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .tips(&["nondeterministic_output"])
        .doc(
            "key [count]",
            "Returns random members of a set; with a negative count perhaps some of them several times.",
            "O(1), with a count O(N), N being its absolute value",
        ),
    data("srem", -3, GROUP, "1.0.0", members::srem)
        .flags(WRITE | FAST)
        .acl(Acl::SET)
        .keys(&[KeySpec::one(1, RW | DELETE)])
        .elements(2, 1)
        .doc(
            "key member [member ...]",
            "Removes members from a set; deletes it with the last one.",
            "O(N), N being the number of members removed",
        ),
    data("sscan", -3, GROUP, "2.8.0", members::sscan)
        .flags(READONLY)
        .acl(Acl::SET)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .tips(&["nondeterministic_output"])
        .doc(
            "key cursor [MATCH pattern] [COUNT count]",
            "Walks through the members of a set, some at a time.",
            "O(1) a call, O(N) in all",
        ),
    data("sunion", -2, GROUP, "1.0.0", algebra::sunion)
        .flags(READONLY)
        .acl(Acl::SET)
        .keys(SOURCES)
        .tips(&["nondeterministic_output_order"])
        .doc("key [key ...]", "Returns the members that at least one of the sets has.", ALL_COST),
    data("sunionstore", -3, GROUP, "1.0.0", algebra::sunionstore)
        .flags(WRITE | DENYOOM)
        .acl(Acl::SET)
        .keys(STORE)
        .doc("destination key [key ...]", "Stores the members that at least one of the sets has.", ALL_COST),
];
