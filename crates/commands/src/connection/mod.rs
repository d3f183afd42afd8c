//! Connections and transactions.

mod ping;

use crate::row::*;

const GROUP: &str = "connection";

/// What a client may say before it has shown who it is.
const OPENING: u64 = NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY;

pub(crate) const ROWS: &[CommandSpec] = &[
    host("auth", -2, GROUP, "1.0.0").flags(OPENING).acl(Acl::CONNECTION).doc(
        "[username] password",
        "Authenticates the connection.",
        "O(1)",
    ),
    client(),
    data("echo", 2, GROUP, "1.0.0", ping::echo).flags(LOADING | STALE | FAST).acl(Acl::CONNECTION).doc(
        "message",
        "Returns its argument.",
        "O(1)",
    ),
    host("hello", -1, GROUP, "6.0.0").flags(OPENING).acl(Acl::CONNECTION).doc(
        "[<protover> [AUTH <username password>] [SETNAME clientname]]",
        "Chooses the protocol version and introduces both sides.",
        "O(1)",
    ),
    data("ping", -1, GROUP, "1.0.0", ping::ping)
        .flags(FAST)
        .acl(Acl::CONNECTION)
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .doc("[message]", "Shows that the server is there.", "O(1)"),
    host("quit", -1, GROUP, "1.0.0").flags(OPENING).acl(Acl::CONNECTION).doc(
        "",
        "Closes the connection.",
        "O(1)",
    ),
    host("reset", 1, GROUP, "6.2.0").flags(OPENING).acl(Acl::CONNECTION).doc(
        "",
        "Sets the connection back to its beginning.",
        "O(1)",
    ),
    host("select", 2, GROUP, "1.0.0").flags(LOADING | STALE | FAST).acl(Acl::CONNECTION).doc(
        "index",
        "Chooses the database of the connection.",
        "O(1)",
    ),
];

const TRANSACTIONS: &str = "transactions";

/// What belongs to a transaction without being queued in it.
const AROUND: u64 = NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY;

pub(crate) const TRANSACTION_ROWS: &[CommandSpec] = &[
    host("discard", 1, TRANSACTIONS, "2.0.0").flags(AROUND).acl(Acl::TRANSACTION).doc(
        "",
        "Forgets the commands queued since MULTI.",
        "O(N), N being the number of queued commands",
    ),
    host("exec", 1, TRANSACTIONS, "1.2.0")
        .flags(NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG)
        .acl(Acl::TRANSACTION)
        .doc("", "Executes the commands queued since MULTI.", "Depends on the commands."),
    host("multi", 1, TRANSACTIONS, "1.2.0").flags(AROUND | NO_MULTI).acl(Acl::TRANSACTION).doc(
        "",
        "Begins to queue commands.",
        "O(1)",
    ),
    host("unwatch", 1, TRANSACTIONS, "2.2.0").flags(AROUND).acl(Acl::TRANSACTION).doc(
        "",
        "Forgets all watched keys.",
        "O(1)",
    ),
    host("watch", -2, TRANSACTIONS, "2.2.0")
        .flags(AROUND | NO_MULTI)
        .acl(Acl::TRANSACTION)
        .keys(&[KeySpec::range(1, -1, 1, RO)])
        .doc("key [key ...]", "Lets EXEC fail if one of the keys changes before.", "O(1) a key"),
];

const fn client() -> CommandSpec {
    const USER: u64 = NOSCRIPT | LOADING | STALE;
    const OPERATOR: u64 = ADMIN | USER;
    const REPORT: &[&str] = &["nondeterministic_output"];
    const fn row(name: &'static str, arity: i32, since: &'static str, flags: u64) -> CommandSpec {
        host(name, arity, GROUP, since).flags(flags).acl(Acl::CONNECTION)
    }
    const SUBS: &[CommandSpec] = &[
        row("client|caching", 3, "6.0.0", USER).doc(
            "<YES | NO>",
            "Whether the keys of the next command are tracked.",
            "O(1)",
        ),
        row("client|capa", -3, "8.0.0", USER).doc(
            "capability [capability ...]",
            "Tells what the client can do.",
            "O(1)",
        ),
        row("client|getname", 2, "2.6.9", USER).doc("", "Returns the name of the connection.", "O(1)"),
        row("client|getredir", 2, "6.0.0", USER).doc(
            "",
            "Returns which client invalidation messages go to.",
            "O(1)",
        ),
        help("client|help", GROUP, "5.0.0").acl(Acl::CONNECTION),
        row("client|id", 2, "5.0.0", USER).doc("", "Returns the number of the connection.", "O(1)"),
        row("client|import-source", 3, "8.1.0", USER).doc(
            "<ON | OFF>",
            "Whether the connection brings a dataset that is being imported.",
            "O(1)",
        ),
        row("client|info", 2, "6.2.0", USER).tips(REPORT).doc("", "Describes this connection.", "O(1)"),
        row("client|kill", -3, "2.4.0", OPERATOR).doc(
            "<ip:port | filter value [filter value ...]>",
            "Closes connections, by address or by filters.",
            "O(N), N being the number of connections",
        ),
        row("client|list", -2, "2.4.0", OPERATOR).tips(REPORT).doc(
            "[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]",
            "Describes all connections, or some.",
            "O(N), N being the number of connections",
        ),
        row("client|no-evict", 3, "7.0.0", OPERATOR).doc(
            "<ON | OFF>",
            "Whether the connection is spared when buffers are short of memory.",
            "O(1)",
        ),
        row("client|no-touch", 3, "7.2.0", USER).doc(
            "<ON | OFF>",
            "Whether the connection's reads leave the use of keys alone.",
            "O(1)",
        ),
        row("client|pause", -3, "3.0.0", OPERATOR).doc(
            "timeout [WRITE | ALL]",
            "Holds back the commands of all clients for some milliseconds.",
            "O(1)",
        ),
        row("client|reply", 3, "3.2.0", USER).doc(
            "<ON | OFF | SKIP>",
            "Whether the connection gets replies.",
            "O(1)",
        ),
        row("client|setinfo", 4, "7.2.0", USER)
            .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
            .doc("<LIB-NAME libname | LIB-VER libver>", "Tells which library the client uses.", "O(1)"),
        row("client|setname", 3, "2.6.9", USER).doc("connection-name", "Names the connection.", "O(1)"),
        row("client|tracking", -3, "6.0.0", USER).doc(
            "<ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] \
             [BCAST] [OPTIN] [OPTOUT] [NOLOOP]",
            "Whether the connection is told when keys change.",
            "O(1)",
        ),
        row("client|trackinginfo", 2, "6.2.0", USER).doc(
            "",
            "Returns how keys are tracked for the connection.",
            "O(1)",
        ),
        row("client|unblock", -3, "5.0.0", OPERATOR).doc(
            "client-id [TIMEOUT | ERROR]",
            "Wakes a client that waits in a blocking command.",
            "O(log N), N being the number of connections",
        ),
        row("client|unpause", 2, "6.2.0", OPERATOR).doc(
            "",
            "Ends a pause.",
            "O(N), N being the number of clients held back",
        ),
    ];
    host("client", -2, GROUP, "2.4.0").flags(0).subs(SUBS).doc(
        "",
        "Connections.",
        "Depends on the subcommand.",
    )
}
