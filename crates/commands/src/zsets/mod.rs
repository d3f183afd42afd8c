//! Sorted sets.

mod add;
mod algebra;
mod bounds;
pub(crate) use bounds::parse_score;
mod look;
mod pop;
mod range;
mod remove;

use crate::row::*;

pub(crate) use add::zadd;

const GROUP: &str = "sorted-set";

/// The key of a command that reads one sorted set.
const READ: &[KeySpec] = &[KeySpec::one(1, RO | ACCESS)];
/// The key of a command that takes members out by range.
const REMOVE: &[KeySpec] = &[KeySpec::one(1, RW | DELETE)];
/// The key of a command that takes members out and returns them.
const POP: &[KeySpec] = &[KeySpec::one(1, RW | ACCESS | DELETE)];
/// Where the keys of a command stand that reads several.
const SOURCES: &[KeySpec] = &[KeySpec::counted(1, 0, 1, 1, RO | ACCESS)];
/// The same where it stores the result.
const STORE: &[KeySpec] = &[KeySpec::one(1, OW | UPDATE), KeySpec::counted(2, 0, 1, 1, RO | ACCESS)];

const RANGE_COST: &str = "O(log(N)+M), N being the number of members and M how many of them are returned";
const REMOVE_COST: &str = "O(log(N)+M), N being the number of members and M how many of them are removed";
const ALL_COST: &str = "O(N*log(N)), N being the number of members of all sets together";
const INTER_COST: &str =
    "O(N*K+M*log(M)), N being the size of the smallest set, K the number of sets, M the size of the result";
const POP_COST: &str = "O(log(N)*M), N being the number of members and M how many of them are removed";
const ONE_COST: &str = "O(log(N)), N being the number of members";

pub(crate) const ROWS: &[CommandSpec] = &[
    data("bzmpop", -5, GROUP, "7.0.0", pop::bzmpop)
        .flags(WRITE | BLOCKING)
        .acl(Acl::SORTEDSET)
        .keys(&[KeySpec::counted(2, 0, 1, 1, RW | ACCESS | DELETE)])
        .doc(
            "timeout numkeys key [key ...] <MIN | MAX> [COUNT count]",
            "Removes and returns the lowest or highest members of the first of several sorted sets that has any; waits for some.",
            POP_COST,
        ),
    data("bzpopmax", -3, GROUP, "5.0.0", pop::bzpopmax)
        .flags(WRITE | FAST | BLOCKING)
        .acl(Acl::SORTEDSET)
        .keys(&[KeySpec::range(1, -2, 1, RW | ACCESS | DELETE)])
        .doc(
            "key [key ...] timeout",
            "Removes and returns the highest member of the first of several sorted sets that has any; waits for one.",
            ONE_COST,
        ),
    data("bzpopmin", -3, GROUP, "5.0.0", pop::bzpopmin)
        .flags(WRITE | FAST | BLOCKING)
        .acl(Acl::SORTEDSET)
        .keys(&[KeySpec::range(1, -2, 1, RW | ACCESS | DELETE)])
        .doc(
            "key [key ...] timeout",
            "Removes and returns the lowest member of the first of several sorted sets that has any; waits for one.",
            ONE_COST,
        ),
    data("zadd", -4, GROUP, "1.2.0", add::zadd)
        .flags(WRITE | DENYOOM | FAST)
        .acl(Acl::SORTEDSET)
        .keys(&[KeySpec::one(1, RW | UPDATE)])
        .doc(
            "key [NX | XX] [GT | LT] [CH] [INCR] <score member> [score member ...]",
            "Adds members to a sorted set or changes their scores; creates it if need be.",
            "O(log(N)) for each member, N being the number of members",
        ),
    data("zcard", 2, GROUP, "1.2.0", look::zcard)
        .flags(READONLY | FAST)
        .acl(Acl::SORTEDSET)
        .keys(&[KeySpec::one(1, RO)])
        .doc("key", "Returns the number of members of a sorted set.", "O(1)"),
    data("zcount", 4, GROUP, "2.0.0", look::zcount)
        .flags(READONLY | FAST)
        .acl(Acl::SORTEDSET)
        .keys(READ)
        .doc("key min max", "Counts the members with scores in a range.", ONE_COST),
    data("zdiff", -3, GROUP, "6.2.0", algebra::zdiff)
        .flags(READONLY)
        .acl(Acl::SORTEDSET)
        .keys(SOURCES)
        .doc(
            "numkeys key [key ...] [WITHSCORES]",
            "Returns the members of the first sorted set that no other has.",
            ALL_COST,
        ),
    data("zdiffstore", -4, GROUP, "6.2.0", algebra::zdiffstore)
        .flags(WRITE | DENYOOM)
        .acl(Acl::SORTEDSET)
        .keys(STORE)
        .doc(
            "destination numkeys key [key ...]",
            "Stores the members of the first sorted set that no other has.",
            ALL_COST,
        ),
    data("zincrby", 4, GROUP, "1.2.0", add::zincrby)
        .flags(WRITE | DENYOOM | FAST)
        .acl(Acl::SORTEDSET)
        .keys(&[KeySpec::one(1, RW | ACCESS | UPDATE)])
        .doc("key increment member", "Adds to the score of a member; a missing one counts as 0.", ONE_COST),
    data("zinter", -3, GROUP, "6.2.0", algebra::zinter)
        .flags(READONLY)
        .acl(Acl::SORTEDSET)
        .keys(SOURCES)
        .doc(
            "numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>] [WITHSCORES]",
            "Returns the members that all sorted sets have.",
            INTER_COST,
        ),
    data("zintercard", -3, GROUP, "7.0.0", algebra::zintercard)
        .flags(READONLY)
        .acl(Acl::SORTEDSET)
        .keys(SOURCES)
        .doc(
            "numkeys key [key ...] [LIMIT limit]",
            "Counts the members that all sorted sets have, up to a limit.",
            "O(N*K), N being the size of the smallest set and K the number of sets",
        ),
    data("zinterstore", -4, GROUP, "2.0.0", algebra::zinterstore)
        .flags(WRITE | DENYOOM)
        .acl(Acl::SORTEDSET)
        .keys(STORE)
        .doc(
            "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]",
            "Stores the members that all sorted sets have.",
            INTER_COST,
        ),
    data("zlexcount", 4, GROUP, "2.8.9", look::zlexcount)
        .flags(READONLY | FAST)
        .acl(Acl::SORTEDSET)
        .keys(READ)
        .doc("key min max", "Counts the members in a range of their bytes, all having one score.", ONE_COST),
    data("zmpop", -4, GROUP, "7.0.0", pop::zmpop)
        .flags(WRITE)
        .acl(Acl::SORTEDSET)
        .keys(&[KeySpec::counted(1, 0, 1, 1, RW | ACCESS | DELETE)])
        .doc(
            "numkeys key [key ...] <MIN | MAX> [COUNT count]",
            "Removes and returns the lowest or highest members of the first of several sorted sets that has any.",
            POP_COST,
        ),
    data("zmscore", -3, GROUP, "6.2.0", look::zmscore)
        .flags(READONLY | FAST)
        .acl(Acl::SORTEDSET)
        .keys(READ)
        .doc(
            "key member [member ...]",
            "Returns the scores of several members.",
            "O(N), N being the number of members asked for",
        ),
    data("zpopmax", -2, GROUP, "5.0.0", pop::zpopmax)
        .flags(WRITE | FAST)
        .acl(Acl::SORTEDSET)
        .keys(POP)
        .doc("key [count]", "Removes and returns the members with the highest scores.", POP_COST),
    data("zpopmin", -2, GROUP, "5.0.0", pop::zpopmin)
        .flags(WRITE | FAST)
        .acl(Acl::SORTEDSET)
        .keys(POP)
        .doc("key [count]", "Removes and returns the members with the lowest scores.", POP_COST),
    data("zrandmember", -2, GROUP, "6.2.0", look::zrandmember)
        .flags(READONLY)
        .acl(Acl::SORTEDSET)
        .keys(READ)
        .tips(&["nondeterministic_output"])
        .doc(
            "key [count [WITHSCORES]]",
            "Returns random members; with a negative count perhaps some of them several times.",
            "O(N), N being the number of members returned",
        ),
    data("zrange", -4, GROUP, "1.2.0", range::zrange)
        .flags(READONLY)
        .acl(Acl::SORTEDSET)
        .keys(READ)
        .doc(
            "key start stop [BYSCORE | BYLEX] [REV] [LIMIT <offset count>] [WITHSCORES]",
            "Returns the members in a range of ranks, of scores or of bytes.",
            RANGE_COST,
        ),
    data("zrangebylex", -4, GROUP, "2.8.9", range::zrangebylex)
        .flags(READONLY)
        .acl(Acl::SORTEDSET)
        .keys(READ)
        .doc("key min max [LIMIT <offset count>]", "Returns the members in a range of their bytes.", RANGE_COST),
    data("zrangebyscore", -4, GROUP, "1.0.5", range::zrangebyscore)
        .flags(READONLY)
        .acl(Acl::SORTEDSET)
        .keys(READ)
        .doc(
            "key min max [WITHSCORES] [LIMIT <offset count>]",
            "Returns the members with scores in a range.",
            RANGE_COST,
        ),
    data("zrangestore", -5, GROUP, "6.2.0", range::zrangestore)
        .flags(WRITE | DENYOOM)
        .acl(Acl::SORTEDSET)
        .keys(&[KeySpec::one(1, OW | UPDATE), KeySpec::one(2, RO | ACCESS)])
        .doc(
            "dst src min max [BYSCORE | BYLEX] [REV] [LIMIT <offset count>]",
            "Stores the members in a range of ranks, of scores or of bytes.",
            "O(log(N)+M), N being the number of members and M how many of them are stored",
        ),
    data("zrank", -3, GROUP, "2.0.0", look::zrank)
        .flags(READONLY | FAST)
        .acl(Acl::SORTEDSET)
        .keys(READ)
        .doc("key member [WITHSCORE]", "Tells how many members have lower scores.", ONE_COST),
    data("zrem", -3, GROUP, "1.2.0", remove::zrem)
        .flags(WRITE | FAST)
        .acl(Acl::SORTEDSET)
        .keys(REMOVE)
        .doc(
            "key member [member ...]",
            "Removes members from a sorted set; deletes it with the last one.",
            "O(M*log(N)), N being the number of members and M how many of them are removed",
        ),
    data("zremrangebylex", 4, GROUP, "2.8.9", remove::zremrangebylex)
        .flags(WRITE)
        .acl(Acl::SORTEDSET)
        .keys(REMOVE)
        .doc("key min max", "Removes the members in a range of their bytes.", REMOVE_COST),
    data("zremrangebyrank", 4, GROUP, "2.0.0", remove::zremrangebyrank)
        .flags(WRITE)
        .acl(Acl::SORTEDSET)
        .keys(REMOVE)
        .doc("key start stop", "Removes the members in a range of ranks.", REMOVE_COST),
    data("zremrangebyscore", 4, GROUP, "1.2.0", remove::zremrangebyscore)
        .flags(WRITE)
        .acl(Acl::SORTEDSET)
        .keys(REMOVE)
        .doc("key min max", "Removes the members with scores in a range.", REMOVE_COST),
    data("zrevrange", -4, GROUP, "1.2.0", range::zrevrange)
        .flags(READONLY)
        .acl(Acl::SORTEDSET)
        .keys(READ)
        .doc("key start stop [WITHSCORES]", "Returns the members in a range of ranks, backwards.", RANGE_COST),
    data("zrevrangebylex", -4, GROUP, "2.8.9", range::zrevrangebylex)
        .flags(READONLY)
        .acl(Acl::SORTEDSET)
        .keys(READ)
        .doc(
            "key max min [LIMIT <offset count>]",
            "Returns the members in a range of their bytes, backwards.",
            RANGE_COST,
        ),
    data("zrevrangebyscore", -4, GROUP, "2.2.0", range::zrevrangebyscore)
        .flags(READONLY)
        .acl(Acl::SORTEDSET)
        .keys(READ)
        .doc(
            "key max min [WITHSCORES] [LIMIT <offset count>]",
            "Returns the members with scores in a range, backwards.",
            RANGE_COST,
        ),
    data("zrevrank", -3, GROUP, "2.0.0", look::zrevrank)
        .flags(READONLY | FAST)
        .acl(Acl::SORTEDSET)
        .keys(READ)
        .doc("key member [WITHSCORE]", "Tells how many members have higher scores.", ONE_COST),
    data("zscan", -3, GROUP, "2.8.0", look::zscan)
        .flags(READONLY)
        .acl(Acl::SORTEDSET)
        .keys(READ)
        .tips(&["nondeterministic_output"])
        .doc(
            "key cursor [MATCH pattern] [COUNT count] [NOSCORES]",
            "Walks through the members of a sorted set, some at a time.",
            "O(1) a call, O(N) in all",
        ),
    data("zscore", 3, GROUP, "1.2.0", look::zscore)
        .flags(READONLY | FAST)
        .acl(Acl::SORTEDSET)
        .keys(READ)
        .doc("key member", "Returns the score of a member.", ONE_COST),
    data("zunion", -3, GROUP, "6.2.0", algebra::zunion)
        .flags(READONLY)
        .acl(Acl::SORTEDSET)
        .keys(SOURCES)
        .doc(
            "numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>] [WITHSCORES]",
            "Returns the members that at least one of the sorted sets has.",
            ALL_COST,
        ),
    data("zunionstore", -4, GROUP, "2.0.0", algebra::zunionstore)
        .flags(WRITE | DENYOOM)
        .acl(Acl::SORTEDSET)
        .keys(STORE)
        .doc(
            "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]",
            "Stores the members that at least one of the sorted sets has.",
            ALL_COST,
        ),
];
