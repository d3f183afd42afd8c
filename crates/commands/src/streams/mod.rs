//! Streams.

mod add;
mod claim;
mod group;
mod info;
mod log;
mod parse;
mod pending;
mod range;
mod read;
mod read_group;
mod reply;
mod set_id;
mod trim;

use crate::row::*;

const GROUP: &str = "stream";

/// How the documentation writes the arguments of trimming.
const TRIM_SYNTAX: &str = "key <<MAXLEN | MINID> [= | ~] threshold [LIMIT count]>";

pub(crate) const ROWS: &[CommandSpec] = &[
    data("xack", -4, GROUP, "5.0.0", claim::xack)
        .flags(WRITE | FAST)
        .acl(Acl::STREAM)
        .keys(&[KeySpec::one(1, RW | UPDATE)])
        .doc(
            "key group id [id ...]",
            "Tells a group that entries are done; returns how many of them were pending.",
            "O(1) for each entry",
        ),
    data("xadd", -5, GROUP, "5.0.0", add::xadd)
        .flags(WRITE | DENYOOM | FAST)
        .acl(Acl::STREAM)
        .keys(&[KeySpec::one(1, RW | UPDATE)
            .notes("UPDATE instead of INSERT because of the optional trimming feature")])
        .tips(&["nondeterministic_output"])
        .doc(
            "key [NOMKSTREAM] [<MAXLEN | MINID> [= | ~] threshold [LIMIT count]] \
             <* | id> <field value> [field value ...]",
            "Adds an entry to a stream; creates the stream if need be.",
            "O(1); with trimming O(N), N being the number of entries that are removed",
        ),
    data("xautoclaim", -6, GROUP, "6.2.0", claim::xautoclaim)
        .flags(WRITE | FAST)
        .acl(Acl::STREAM)
        .keys(&[KeySpec::one(1, RW | DELETE)])
        .tips(&["nondeterministic_output"])
        .doc(
            "key group consumer min-idle-time start [COUNT count] [JUSTID]",
            "Gives a consumer pending entries that others have had for long.",
            "O(1) if COUNT is small",
        ),
    data("xclaim", -6, GROUP, "5.0.0", claim::xclaim)
        .flags(WRITE | FAST)
        .acl(Acl::STREAM)
        .keys(&[KeySpec::one(1, RW | UPDATE)])
        .tips(&["nondeterministic_output"])
        .doc(
            "key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds] \
             [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID lastid]",
            "Gives a consumer certain pending entries, whoever had them before.",
            "O(log N), N being the number of pending entries of the group",
        ),
    data("xdel", -3, GROUP, "5.0.0", trim::xdel)
        .flags(WRITE | FAST)
        .acl(Acl::STREAM)
        .keys(&[KeySpec::one(1, RW | DELETE)])
        .doc(
            "key id [id ...]",
            "Deletes entries of a stream; returns how many there were.",
            "O(1) for each entry",
        ),
    xgroup(),
    xinfo(),
    data("xlen", 2, GROUP, "5.0.0", range::xlen)
        .flags(READONLY | FAST)
        .acl(Acl::STREAM)
        .keys(&[KeySpec::one(1, RO)])
        .doc("key", "Returns the number of entries of a stream.", "O(1)"),
    data("xpending", -3, GROUP, "5.0.0", pending::xpending)
        .flags(READONLY)
        .acl(Acl::STREAM)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .tips(&["nondeterministic_output"])
        .doc(
            "key group [[IDLE min-idle-time] start end count [consumer]]",
            "Tells which entries of a group are pending, and with whom.",
            "O(N), N being the number of entries returned; with IDLE, of those looked at",
        ),
    data("xrange", -4, GROUP, "5.0.0", range::xrange)
        .flags(READONLY)
        .acl(Acl::STREAM)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .doc(
            "key start end [COUNT count]",
            "Returns the entries of a stream whose ids lie in a range.",
            "O(N), N being the number of entries returned",
        ),
    data("xread", -4, GROUP, "5.0.0", read::xread)
        .flags(READONLY | BLOCKING)
        .acl(Acl::STREAM)
        .keys(&[KeySpec::half_after("STREAMS", 1, RO | ACCESS)])
        .doc(
            "[COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]",
            "Returns the entries of several streams that come after certain ones, waiting for some if wanted.",
            "O(N) for each stream, N being the number of entries returned",
        ),
    data("xreadgroup", -7, GROUP, "5.0.0", read_group::xreadgroup)
        .flags(WRITE | BLOCKING)
        .acl(Acl::STREAM)
        .keys(&[KeySpec::half_after("STREAMS", 4, RO | ACCESS)])
        .doc(
            "GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] \
             STREAMS key [key ...] id [id ...]",
            "Returns entries that no consumer of a group has been given, or those that one has.",
            "O(N) for each stream, N being the number of entries returned",
        ),
    data("xrevrange", -4, GROUP, "5.0.0", range::xrevrange)
        .flags(READONLY)
        .acl(Acl::STREAM)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .doc(
            "key end start [COUNT count]",
            "Returns the entries of a stream whose ids lie in a range, the last one first.",
            "O(N), N being the number of entries returned",
        ),
    data("xsetid", -3, GROUP, "5.0.0", set_id::xsetid)
        .flags(WRITE | DENYOOM | FAST)
        .acl(Acl::STREAM)
        .keys(&[KeySpec::one(1, RW | UPDATE)])
        .doc(
            "key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]",
            "Sets the last id of a stream, as its copies need it.",
            "O(1)",
        ),
    data("xtrim", -4, GROUP, "5.0.0", trim::xtrim)
        .flags(WRITE)
        .acl(Acl::STREAM)
        .keys(&[KeySpec::one(1, RW | DELETE)])
        .tips(&["nondeterministic_output"])
        .doc(
            TRIM_SYNTAX,
            "Removes entries from the beginning of a stream.",
            "O(N), N being the number of entries that are removed",
        ),
];

const fn xgroup() -> CommandSpec {
    const SUBCOMMANDS: &[CommandSpec] = &[
        data("xgroup|create", -5, GROUP, "5.0.0", group::create)
            .flags(WRITE | DENYOOM)
            .acl(Acl::STREAM)
            .keys(&[KeySpec::one(2, RW | INSERT)])
            .doc(
                "key group <id | $> [MKSTREAM] [ENTRIESREAD entries-read]",
                "Creates a consumer group.",
                "O(1)",
            ),
        data("xgroup|createconsumer", 5, GROUP, "6.2.0", group::create_consumer)
            .flags(WRITE | DENYOOM)
            .acl(Acl::STREAM)
            .keys(&[KeySpec::one(2, RW | INSERT)])
            .doc("key group consumer", "Creates a consumer in a group.", "O(1)"),
        data("xgroup|delconsumer", 5, GROUP, "5.0.0", group::delete_consumer)
            .flags(WRITE)
            .acl(Acl::STREAM)
            .keys(&[KeySpec::one(2, RW | DELETE)])
            .doc(
                "key group consumer",
                "Deletes a consumer; returns how many entries it had pending.",
                "O(N), N being the number of its pending entries",
            ),
        data("xgroup|destroy", 4, GROUP, "5.0.0", group::destroy)
            .flags(WRITE)
            .acl(Acl::STREAM)
            .keys(&[KeySpec::one(2, RW | DELETE)])
            .doc("key group", "Deletes a consumer group.", "O(N), N being the number of its pending entries"),
        help("xgroup|help", GROUP, "5.0.0").acl(Acl::STREAM),
        data("xgroup|setid", -5, GROUP, "5.0.0", group::set_id)
            .flags(WRITE)
            .acl(Acl::STREAM)
            .keys(&[KeySpec::one(2, RW | UPDATE)])
            .doc(
                "key group <id | $> [ENTRIESREAD entries-read]",
                "Sets the last entry that a group has been given.",
                "O(1)",
            ),
    ];
    host("xgroup", -2, GROUP, "5.0.0").flags(0).subs(SUBCOMMANDS).doc(
        "",
        "Manages consumer groups.",
        "Depends on the subcommand.",
    )
}

const fn xinfo() -> CommandSpec {
    const SUBCOMMANDS: &[CommandSpec] = &[
        data("xinfo|consumers", 4, GROUP, "5.0.0", info::consumers)
            .flags(READONLY)
            .acl(Acl::STREAM)
            .keys(&[KeySpec::one(2, RO | ACCESS)])
            .tips(&["nondeterministic_output"])
            .doc("key group", "Describes the consumers of a group.", "O(N), N being their number"),
        data("xinfo|groups", 3, GROUP, "5.0.0", info::groups)
            .flags(READONLY)
            .acl(Acl::STREAM)
            .keys(&[KeySpec::one(2, RO | ACCESS)])
            .doc("key", "Describes the groups of a stream.", "O(N), N being their number"),
        help("xinfo|help", GROUP, "5.0.0").acl(Acl::STREAM),
        data("xinfo|stream", -3, GROUP, "5.0.0", info::stream)
            .flags(READONLY)
            .acl(Acl::STREAM)
            .keys(&[KeySpec::one(2, RO | ACCESS)])
            .doc("key [FULL [COUNT count]]", "Describes a stream.", "O(1); O(N) with FULL"),
    ];
    host("xinfo", -2, GROUP, "5.0.0").flags(0).subs(SUBCOMMANDS).doc(
        "",
        "Describes streams and their groups.",
        "Depends on the subcommand.",
    )
}
