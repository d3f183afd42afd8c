//! The rows of the server's commands.

use super::acl::acl;
use super::module::module;
use super::{command, flush, info};
use crate::row::*;

pub(super) const GROUP: &str = "server";

const ALL_SHARDS: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];
const REPORT: &[&str] = &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"];

pub(crate) const ROWS: &[CommandSpec] = &[
    acl(),
    host("bgrewriteaof", 1, GROUP, "1.0.0").flags(ADMIN | NOSCRIPT | NO_ASYNC_LOADING).doc(
        "",
        "Has the append only file begin anew with the dataset as it is.",
        "O(1)",
    ),
    host("bgsave", -1, GROUP, "1.0.0").flags(ADMIN | NOSCRIPT | NO_ASYNC_LOADING).doc(
        "[SCHEDULE | CANCEL]",
        "Saves the dataset in the background, or gives that up.",
        "O(1)",
    ),
    command(),
    commandlog(),
    config(),
    data("dbsize", 1, GROUP, "1.0.0", crate::generic::dbsize)
        .flags(READONLY | FAST)
        .acl(Acl::KEYSPACE)
        .tips(&["request_policy:all_shards", "response_policy:agg_sum"])
        .doc("", "Counts the keys of the database.", "O(1)"),
    host("debug", -2, GROUP, "1.0.0").flags(ADMIN | NOSCRIPT | LOADING | STALE | PROTECTED).doc(
        "subcommand [argument ...]",
        "Does what only tests should ask for.",
        "Depends on the subcommand.",
    ),
    host("failover", -1, GROUP, "6.2.0").flags(ADMIN | NOSCRIPT | STALE).doc(
        "[TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds]",
        "Hands the role of the master over to a replica.",
        "O(1)",
    ),
    data("flushall", -1, GROUP, "1.0.0", flush::flushall)
        .flags(WRITE)
        .acl(Acl::KEYSPACE.union(Acl::DANGEROUS))
        .tips(ALL_SHARDS)
        .doc("[ASYNC | SYNC]", "Deletes the keys of all databases.", "O(N), N being the number of keys"),
    data("flushdb", -1, GROUP, "1.0.0", flush::flushdb)
        .flags(WRITE)
        .acl(Acl::KEYSPACE.union(Acl::DANGEROUS))
        .tips(ALL_SHARDS)
        .doc("[ASYNC | SYNC]", "Deletes the keys of the database.", "O(N), N being the number of keys"),
    host("info", -1, GROUP, "1.0.0").flags(LOADING | STALE).acl(Acl::DANGEROUS).tips(REPORT).doc(
        "[section ...]",
        "Reports on the state of the server.",
        "O(1)",
    ),
    latency(),
    host("lastsave", 1, GROUP, "1.0.0")
        .flags(LOADING | STALE | FAST)
        .acl(Acl::ADMIN.union(Acl::DANGEROUS))
        .tips(&["nondeterministic_output"])
        .doc("", "Returns when the dataset was last saved, in seconds.", "O(1)"),
    data("lolwut", -1, GROUP, "5.0.0", info::lolwut).flags(READONLY | FAST).doc(
        "[VERSION version]",
        "Shows a picture, and the version.",
        "O(1)",
    ),
    memory(),
    module(),
    host("monitor", 1, GROUP, "1.0.0").flags(ADMIN | NOSCRIPT | LOADING | STALE).doc(
        "",
        "Shows the commands of all clients as they come.",
        "O(1)",
    ),
    host("psync", -3, GROUP, "2.8.0").flags(ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI).doc(
        "replicationid offset",
        "Begins the replication stream; replicas send this.",
        "O(1), or O(N) if everything has to be sent",
    ),
    host("replconf", -1, GROUP, "3.0.0").flags(ADMIN | NOSCRIPT | LOADING | STALE | ALLOW_BUSY).doc(
        "",
        "Tells a master about a replica; replicas send this.",
        "O(1)",
    ),
    replication(),
    host("replicaof", 3, GROUP, "5.0.0").flags(ADMIN | NOSCRIPT | STALE | NO_ASYNC_LOADING).doc(
        "<host port | NO ONE>",
        "Makes this server a replica of another one, or a master.",
        "O(1)",
    ),
    host("role", 1, GROUP, "2.8.12")
        .flags(NOSCRIPT | LOADING | STALE | FAST)
        .acl(Acl::ADMIN.union(Acl::DANGEROUS))
        .doc("", "Tells whether this is a master or a replica, and of whom.", "O(1)"),
    host("save", 1, GROUP, "1.0.0").flags(ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI).doc(
        "",
        "Saves the dataset and answers when that is done.",
        "O(N), N being the number of keys",
    ),
    host("shutdown", -1, GROUP, "1.0.0")
        .flags(ADMIN | NOSCRIPT | LOADING | STALE | NO_MULTI | ALLOW_BUSY)
        .doc(
            "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
            "Saves the dataset and ends the server.",
            "O(N) when it saves, N being the number of keys",
        ),
    host("slaveof", 3, GROUP, "1.0.0").flags(ADMIN | NOSCRIPT | STALE | NO_ASYNC_LOADING).doc(
        "<host port | NO ONE>",
        "REPLICAOF under its old name.",
        "O(1)",
    ),
    slowlog(),
    data("swapdb", 3, GROUP, "4.0.0", flush::swapdb)
        .flags(WRITE | FAST)
        .acl(Acl::KEYSPACE.union(Acl::DANGEROUS))
        .doc("index1 index2", "Exchanges two databases.", "O(1)"),
    host("sync", 1, GROUP, "1.0.0").flags(ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI).doc(
        "",
        "Begins the replication stream with all data; old replicas send this.",
        "O(N), N being the number of keys",
    ),
    data("time", 1, GROUP, "2.6.0", info::time)
        .flags(LOADING | STALE | FAST)
        .tips(&["nondeterministic_output"])
        .doc("", "Returns the server's time: seconds and microseconds.", "O(1)"),
];

const fn command() -> CommandSpec {
    const ANY_ORDER: &[&str] = &["nondeterministic_output_order"];
    const SUBS: &[CommandSpec] = &[
        data("command|count", 2, GROUP, "2.8.13", command::count)
            .flags(LOADING | STALE)
            .acl(Acl::CONNECTION)
            .doc("", "Counts the commands.", "O(1)"),
        data("command|docs", -2, GROUP, "7.0.0", command::command_docs)
            .flags(LOADING | STALE)
            .acl(Acl::CONNECTION)
            .tips(ANY_ORDER)
            .doc(
                "[command-name ...]",
                "Documents some commands, or all.",
                "O(N), N being the number of commands",
            ),
        data("command|getkeys", -3, GROUP, "2.8.13", command::getkeys)
            .flags(LOADING | STALE)
            .acl(Acl::CONNECTION)
            .doc(
                "command [arg ...]",
                "Returns the keys of a request.",
                "O(N), N being the number of arguments",
            ),
        data("command|getkeysandflags", -3, GROUP, "7.0.0", command::getkeysandflags)
            .flags(LOADING | STALE)
            .acl(Acl::CONNECTION)
            .doc(
                "command [arg ...]",
                "Returns the keys of a request and what happens to them.",
                "O(N), N being the number of arguments",
            ),
        help("command|help", GROUP, "5.0.0").acl(Acl::CONNECTION),
        data("command|info", -2, GROUP, "2.8.13", command::info)
            .flags(LOADING | STALE)
            .acl(Acl::CONNECTION)
            .tips(ANY_ORDER)
            .doc(
                "[command-name ...]",
                "Describes some commands, or all.",
                "O(N), N being the number of commands",
            ),
        data("command|list", -2, GROUP, "7.0.0", command::list)
            .flags(LOADING | STALE)
            .acl(Acl::CONNECTION)
            .tips(ANY_ORDER)
            .doc(
                "[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
                "Lists the names of the commands.",
                "O(N), N being the number of commands",
            ),
    ];
    data("command", -1, GROUP, "2.8.13", command::command)
        .flags(LOADING | STALE)
        .acl(Acl::CONNECTION)
        .tips(ANY_ORDER)
        .subs(SUBS)
        .doc("", "Describes all commands.", "O(N), N being the number of commands")
}

const fn config() -> CommandSpec {
    const FLAGS: u64 = ADMIN | NOSCRIPT | LOADING | STALE;
    const SUBS: &[CommandSpec] = &[
        host("config|get", -3, GROUP, "2.0.0").flags(FLAGS).doc(
            "pattern [pattern ...]",
            "Returns the settings that match patterns.",
            "O(N), N being the number of settings",
        ),
        help("config|help", GROUP, "5.0.0"),
        host("config|resetstat", 2, GROUP, "2.0.0").flags(FLAGS).doc(
            "",
            "Sets statistics back to zero.",
            "O(1)",
        ),
        host("config|rewrite", 2, GROUP, "2.8.0").flags(FLAGS).doc(
            "",
            "Writes the settings in force to the configuration file.",
            "O(N), N being the size of the file",
        ),
        host("config|set", -4, GROUP, "2.0.0")
            .flags(FLAGS)
            .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
            .doc(
                "<parameter value> [parameter value ...]",
                "Changes settings, all or none.",
                "O(N), N being the number of settings",
            ),
    ];
    host("config", -2, GROUP, "2.0.0").flags(0).subs(SUBS).doc(
        "",
        "The settings.",
        "Depends on the subcommand.",
    )
}

const fn memory() -> CommandSpec {
    const SUBS: &[CommandSpec] = &[
        host("memory|doctor", 2, GROUP, "4.0.0").flags(0).tips(REPORT).doc(
            "",
            "Says what is wrong with the use of memory, if anything.",
            "O(1)",
        ),
        help("memory|help", GROUP, "4.0.0"),
        host("memory|malloc-stats", 2, GROUP, "4.0.0").flags(LOADING).tips(REPORT).doc(
            "",
            "Returns the allocator's own report.",
            "Depends on the allocator.",
        ),
        host("memory|purge", 2, GROUP, "4.0.0").flags(LOADING).tips(ALL_SHARDS).doc(
            "",
            "Asks the allocator to return memory to the system.",
            "Depends on the allocator.",
        ),
        host("memory|stats", 2, GROUP, "4.0.0").flags(0).tips(REPORT).doc(
            "",
            "Reports what memory is used for.",
            "O(1)",
        ),
        data("memory|usage", -3, GROUP, "4.0.0", info::memory_usage)
            .flags(READONLY)
            .keys(&[KeySpec::one(2, RO)])
            .doc(
                "key [SAMPLES count]",
                "Returns how many bytes a key with its value takes.",
                "O(1) for strings",
            ),
    ];
    host("memory", -2, GROUP, "4.0.0").flags(0).subs(SUBS).doc(
        "",
        "What memory is used for.",
        "Depends on the subcommand.",
    )
}

const fn slowlog() -> CommandSpec {
    const FLAGS: u64 = ADMIN | LOADING | STALE;
    const SUBS: &[CommandSpec] = &[
        host("slowlog|get", -2, GROUP, "2.2.12")
            .flags(FLAGS)
            .tips(&["request_policy:all_nodes", "nondeterministic_output"])
            .doc(
                "[count]",
                "Returns the latest entries, 10 unless told otherwise.",
                "O(N), N being the number of entries",
            ),
        help("slowlog|help", GROUP, "6.2.0"),
        host("slowlog|len", 2, GROUP, "2.2.12")
            .flags(FLAGS)
            .tips(&["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"])
            .doc("", "Counts the entries.", "O(1)"),
        host("slowlog|reset", 2, GROUP, "2.2.12")
            .flags(FLAGS)
            .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
            .doc("", "Forgets all entries.", "O(N), N being the number of entries"),
    ];
    host("slowlog", -2, GROUP, "2.2.12").flags(0).subs(SUBS).doc(
        "",
        "Commands that took long.",
        "Depends on the subcommand.",
    )
}

const fn commandlog() -> CommandSpec {
    const FLAGS: u64 = ADMIN | LOADING | STALE;
    const SUBS: &[CommandSpec] = &[
        host("commandlog|get", 4, GROUP, "8.1.0")
            .flags(FLAGS)
            .tips(&["request_policy:all_nodes", "nondeterministic_output"])
            .doc("count type", "Returns the latest entries of a log.", "O(N), N being the number of entries"),
        help("commandlog|help", GROUP, "8.1.0"),
        host("commandlog|len", 3, GROUP, "8.1.0")
            .flags(FLAGS)
            .tips(&["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"])
            .doc("type", "Counts the entries of a log.", "O(1)"),
        host("commandlog|reset", 3, GROUP, "8.1.0")
            .flags(FLAGS)
            .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
            .doc("type", "Forgets the entries of a log.", "O(N), N being the number of entries"),
    ];
    host("commandlog", -2, GROUP, "8.1.0").flags(0).subs(SUBS).doc(
        "",
        "Commands that took long, and those with large requests or replies.",
        "Depends on the subcommand.",
    )
}

/// Not a command of Redis or Valkey: what their users ask for and cannot ask.
const fn replication() -> CommandSpec {
    const FLAGS: u64 = ADMIN | NOSCRIPT | LOADING | STALE;
    const SINCE: &str = "7.2.4";
    const SUBS: &[CommandSpec] = &[
        host("replication|guard", 2, GROUP, SINCE).flags(FLAGS).doc(
            "",
            "Tells whether this replica keeps its data from those that its master offers.",
            "O(1)",
        ),
        help("replication|help", GROUP, SINCE),
        host("replication|lineage", 2, GROUP, SINCE).flags(FLAGS).doc(
            "",
            "Returns the names of the history that is held here, and up to where each is true.",
            "O(1)",
        ),
        host("replication|why", -2, GROUP, SINCE).flags(FLAGS).doc(
            "[count]",
            "Returns the last synchronisations, why they were full, and how long each phase took.",
            "O(1)",
        ),
    ];
    host("replication", -2, GROUP, SINCE).flags(0).subs(SUBS).doc(
        "",
        "What became of the last synchronisations.",
        "Depends on the subcommand.",
    )
}

const fn latency() -> CommandSpec {
    const FLAGS: u64 = ADMIN | NOSCRIPT | LOADING | STALE;
    const NODES: &[&str] =
        &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"];
    const SUBS: &[CommandSpec] = &[
        host("latency|doctor", 2, GROUP, "2.8.13").flags(FLAGS).tips(NODES).doc(
            "",
            "Says what the latency spikes mean.",
            "O(1)",
        ),
        host("latency|graph", 3, GROUP, "2.8.13").flags(FLAGS).tips(NODES).doc(
            "event",
            "Draws the latency spikes of an event.",
            "O(1)",
        ),
        help("latency|help", GROUP, "2.8.13"),
        host("latency|histogram", -2, GROUP, "7.0.0").flags(FLAGS).tips(NODES).doc(
            "[command ...]",
            "Returns how often commands took how long.",
            "O(N), N being the number of commands",
        ),
        host("latency|history", 3, GROUP, "2.8.13").flags(FLAGS).tips(NODES).doc(
            "event",
            "Returns the latency spikes of an event.",
            "O(1)",
        ),
        host("latency|latest", 2, GROUP, "2.8.13").flags(FLAGS).tips(NODES).doc(
            "",
            "Returns the latest latency spike of every event.",
            "O(1)",
        ),
        host("latency|reset", -2, GROUP, "2.8.13")
            .flags(FLAGS)
            .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
            .doc("[event [event ...]]", "Forgets the latency spikes of some events, or of all.", "O(1)"),
    ];
    host("latency", -2, GROUP, "2.8.13").flags(0).subs(SUBS).doc(
        "",
        "What took long.",
        "Depends on the subcommand.",
    )
}
