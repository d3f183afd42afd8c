//! The commands of clusters. Tandem is no node of one, and says so in the words that clients look for when they find out what they talk
//! to.

use resp::Args;

use crate::Ctx;
use crate::row::*;

const GROUP: &str = "cluster";
/// For those who change a cluster.
const CHANGES: u64 = ADMIN | STALE | NO_ASYNC_LOADING;
const VARIES: &[&str] = &["nondeterministic_output"];

fn no_cluster(ctx: &mut Ctx<'_>, _: Args<'_>) {
    ctx.out.error("ERR This instance has cluster support disabled");
}

const fn row(name: &'static str, arity: i32, since: &'static str, flags: u64) -> CommandSpec {
    data(name, arity, GROUP, since, no_cluster).flags(flags)
}

const fn connection(name: &'static str, summary: &'static str) -> CommandSpec {
    host(name, 1, GROUP, "3.0.0").flags(LOADING | STALE | FAST).acl(Acl::CONNECTION).doc("", summary, "O(1)")
}

const SUBS: &[CommandSpec] = &[
    row("cluster|addslots", -3, "3.0.0", CHANGES).doc("slot [slot ...]", "Gives slots to this node.", "O(N)"),
    row("cluster|addslotsrange", -4, "7.0.0", CHANGES).doc(
        "start-slot end-slot [start-slot end-slot ...]",
        "Gives ranges of slots to this node.",
        "O(N)",
    ),
    row("cluster|bumpepoch", 2, "3.0.0", CHANGES).tips(VARIES).doc("", "Begins a new epoch.", "O(1)"),
    row("cluster|cancelslotmigrations", 2, "9.0.0", CHANGES).doc("", "Gives moves of slots up.", "O(N)"),
    row("cluster|count-failure-reports", 3, "3.0.0", ADMIN | STALE).tips(VARIES).doc(
        "node-id",
        "Counts the nodes that say that a node has failed.",
        "O(N)",
    ),
    row("cluster|countkeysinslot", 3, "3.0.0", STALE).doc("slot", "Counts the keys of a slot.", "O(1)"),
    row("cluster|delslots", -3, "3.0.0", CHANGES).doc(
        "slot [slot ...]",
        "Takes slots from this node.",
        "O(N)",
    ),
    row("cluster|delslotsrange", -4, "7.0.0", CHANGES).doc(
        "start-slot end-slot [start-slot end-slot ...]",
        "Takes ranges of slots from this node.",
        "O(N)",
    ),
    row("cluster|failover", -2, "3.0.0", CHANGES).doc(
        "[FORCE | TAKEOVER]",
        "Has a replica take over from its master.",
        "O(1)",
    ),
    row("cluster|flushslot", -3, "9.0.0", ADMIN | WRITE | NO_ASYNC_LOADING).acl(Acl::KEYSPACE).doc(
        "slot [ASYNC | SYNC]",
        "Deletes the keys of a slot.",
        "O(N)",
    ),
    row("cluster|flushslots", 2, "3.0.0", CHANGES).doc("", "Takes all slots from this node.", "O(1)"),
    row("cluster|forget", 3, "3.0.0", CHANGES).doc("node-id", "Removes a node.", "O(1)"),
    row("cluster|getkeysinslot", 4, "3.0.0", STALE).tips(VARIES).doc(
        "slot count",
        "Returns some keys of a slot.",
        "O(N)",
    ),
    row("cluster|getslotmigrations", 2, "9.0.0", CHANGES).doc("", "Returns the moves of slots.", "O(N)"),
    row("cluster|help", 2, "5.0.0", LOADING | STALE).doc("", "Lists the subcommands.", "O(1)"),
    row("cluster|info", 2, "3.0.0", STALE).tips(VARIES).doc("", "Reports on the cluster.", "O(1)"),
    row("cluster|keyslot", 3, "3.0.0", STALE).doc("key", "Returns the slot of a key.", "O(N)"),
    row("cluster|links", 2, "7.0.0", STALE).tips(VARIES).doc("", "Returns the links to other nodes.", "O(N)"),
    row("cluster|meet", -4, "3.0.0", CHANGES).doc(
        "ip port [cluster-bus-port]",
        "Has nodes join the cluster.",
        "O(1)",
    ),
    row("cluster|migrateslots", -4, "9.0.0", CHANGES).doc(
        "SLOTSRANGE start-slot end-slot [start-slot end-slot ...] NODE node-id",
        "Moves slots to another node.",
        "O(N)",
    ),
    row("cluster|myid", 2, "3.0.0", STALE).doc("", "Returns the id of this node.", "O(1)"),
    row("cluster|myshardid", 2, "7.2.0", STALE).tips(VARIES).doc("", "Returns the id of the shard.", "O(1)"),
    row("cluster|nodes", 2, "3.0.0", STALE).tips(VARIES).doc("", "Describes the nodes.", "O(N)"),
    row("cluster|replicas", 3, "5.0.0", ADMIN | STALE).tips(VARIES).doc(
        "node-id",
        "Describes the replicas of a master.",
        "O(N)",
    ),
    row("cluster|replicate", 3, "3.0.0", CHANGES).doc(
        "node-id",
        "Makes this node a replica of another.",
        "O(1)",
    ),
    row("cluster|reset", -2, "3.0.0", ADMIN | STALE | NOSCRIPT).doc(
        "[HARD | SOFT]",
        "Makes this node forget the cluster.",
        "O(N)",
    ),
    row("cluster|saveconfig", 2, "3.0.0", CHANGES).doc("", "Saves what this node knows.", "O(1)"),
    row("cluster|set-config-epoch", 3, "3.0.0", CHANGES).doc(
        "config-epoch",
        "Sets the epoch of a new node.",
        "O(1)",
    ),
    row("cluster|setslot", -4, "3.0.0", CHANGES).doc(
        "slot <IMPORTING node-id | MIGRATING node-id | NODE node-id | STABLE>",
        "Says who has a slot.",
        "O(1)",
    ),
    row("cluster|shards", 2, "7.0.0", LOADING | STALE).tips(VARIES).doc("", "Describes the shards.", "O(N)"),
    row("cluster|slaves", 3, "3.0.0", ADMIN | STALE).tips(VARIES).doc(
        "node-id",
        "Describes the replicas of a master.",
        "O(N)",
    ),
    row("cluster|slot-stats", -4, "8.0.0", LOADING | STALE)
        .tips(&["nondeterministic_output", "request_policy:all_shards"])
        .doc(
            "<SLOTSRANGE start-slot end-slot | ORDERBY metric [LIMIT limit] [ASC | DESC]>",
            "Returns how slots are used.",
            "O(N)",
        ),
    row("cluster|slots", 2, "3.0.0", LOADING | STALE).tips(VARIES).doc(
        "",
        "Returns which node has which slots.",
        "O(N)",
    ),
];

pub(crate) const ROWS: &[CommandSpec] = &[
    data("asking", 1, GROUP, "3.0.0", no_cluster).flags(FAST).acl(Acl::CONNECTION).doc(
        "",
        "Says that the client was redirected here.",
        "O(1)",
    ),
    host("cluster", -2, GROUP, "3.0.0").flags(0).subs(SUBS).doc(
        "",
        "Clusters, of which Tandem is no part.",
        "Depends on the subcommand.",
    ),
    connection("readonly", "Lets a client of a cluster read from replicas."),
    connection("readwrite", "Ends READONLY."),
];
