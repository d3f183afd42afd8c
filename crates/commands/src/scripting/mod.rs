//! Scripts and functions: the rows. The instance around the data carries them out.

use crate::row::*;

const GROUP: &str = "scripting";

const WORST: &str = "We cannot tell how the keys will be used so we assume the worst, RW and UPDATE";
const WORST_READ: &str = "We cannot tell how the keys will be used so we assume the worst, RO and ACCESS";

const KEYS: KeySpec = KeySpec::counted(2, 0, 1, 1, RW | ACCESS | UPDATE);
const KEYS_READ: KeySpec = KeySpec::counted(2, 0, 1, 1, RO | ACCESS);

const RUNS: u64 = NOSCRIPT | SKIP_MONITOR | NO_MANDATORY_KEYS | STALE;

const COST: &str = "Depends on what runs.";

const EVERY_NODE: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];
const EVERY_SHARD: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];
const ONE_OF_ALL: &[&str] = &["request_policy:all_shards", "response_policy:one_succeeded"];

pub(crate) const ROWS: &[CommandSpec] = &[
    host("eval", -3, GROUP, "2.6.0").flags(RUNS).acl(Acl::SCRIPTING).keys(&[KEYS.notes(WORST)]).doc(
        "script numkeys [key [key ...]] [arg [arg ...]]",
        "Runs a script.",
        COST,
    ),
    host("evalsha", -3, GROUP, "2.6.0").flags(RUNS).acl(Acl::SCRIPTING).keys(&[KEYS]).doc(
        "sha1 numkeys [key [key ...]] [arg [arg ...]]",
        "Runs a script by its SHA1.",
        COST,
    ),
    host("evalsha_ro", -3, GROUP, "7.0.0")
        .flags(RUNS | READONLY)
        // What a script may do is not for its row to say.
        .acl_instead(Acl::READ, Acl::SCRIPTING)
        .keys(&[KEYS_READ])
        .doc(
            "sha1 numkeys [key [key ...]] [arg [arg ...]]",
            "Runs a script that only reads, by its SHA1.",
            COST,
        ),
    host("eval_ro", -3, GROUP, "7.0.0")
        .flags(RUNS | READONLY)
        // What a script may do is not for its row to say.
        .acl_instead(Acl::READ, Acl::SCRIPTING)
        .keys(&[KEYS_READ.notes(WORST_READ)])
        .doc("script numkeys [key [key ...]] [arg [arg ...]]", "Runs a script that only reads.", COST),
    host("fcall", -3, GROUP, "7.0.0").flags(RUNS).acl(Acl::SCRIPTING).keys(&[KEYS.notes(WORST)]).doc(
        "function numkeys [key [key ...]] [arg [arg ...]]",
        "Calls a function.",
        COST,
    ),
    host("fcall_ro", -3, GROUP, "7.0.0")
        .flags(RUNS | READONLY)
        // What a script may do is not for its row to say.
        .acl_instead(Acl::READ, Acl::SCRIPTING)
        .keys(&[KEYS_READ.notes(WORST_READ)])
        .doc("function numkeys [key [key ...]] [arg [arg ...]]", "Calls a function that only reads.", COST),
    function(),
    script(),
];

const fn function() -> CommandSpec {
    const SUBS: &[CommandSpec] = &[
        sub("function|delete", 3, WRITE | NOSCRIPT).tips(EVERY_SHARD).doc(
            "library-name",
            "Deletes a library with its functions.",
            "O(1)",
        ),
        sub("function|dump", 2, NOSCRIPT).doc(
            "",
            "Returns all libraries as FUNCTION RESTORE takes them.",
            "O(N), N being the number of libraries",
        ),
        sub("function|flush", -2, WRITE | NOSCRIPT).tips(EVERY_SHARD).doc(
            "[ASYNC | SYNC]",
            "Deletes all libraries.",
            "O(N), N being the number of libraries",
        ),
        help("function|help", GROUP, "7.0.0").acl(Acl::SCRIPTING),
        sub("function|kill", 2, NOSCRIPT | ALLOW_BUSY).tips(ONE_OF_ALL).doc(
            "",
            "Ends the function that is running.",
            "O(1)",
        ),
        sub("function|list", -2, NOSCRIPT).tips(&["nondeterministic_output_order"]).doc(
            "[LIBRARYNAME library-name-pattern] [WITHCODE]",
            "Lists the libraries.",
            "O(N), N being the number of functions",
        ),
        sub("function|load", -3, WRITE | DENYOOM | NOSCRIPT).tips(EVERY_SHARD).doc(
            "[REPLACE] function-code",
            "Creates a library.",
            "O(1)",
        ),
        sub("function|restore", -3, WRITE | DENYOOM | NOSCRIPT).tips(EVERY_SHARD).doc(
            "serialized-value [FLUSH | APPEND | REPLACE]",
            "Restores libraries from what FUNCTION DUMP gave.",
            "O(N), N being the number of functions",
        ),
        sub("function|stats", 2, NOSCRIPT | ALLOW_BUSY)
            .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
            .doc("", "Returns what is running, and how much there is to run.", "O(1)"),
    ];
    host("function", -2, GROUP, "7.0.0").flags(0).subs(SUBS).doc(
        "",
        "Libraries of functions.",
        "Depends on the subcommand.",
    )
}

const fn script() -> CommandSpec {
    const SUBS: &[CommandSpec] = &[
        sub("script|debug", -3, NOSCRIPT).doc("<YES | SYNC | NO>", "Sets the debug mode of scripts.", "O(1)"),
        sub("script|exists", -3, NOSCRIPT | STALE)
            .tips(&["request_policy:all_shards", "response_policy:agg_logical_and"])
            .doc(
                "sha1 [sha1 ...]",
                "Tells which scripts are cached.",
                "O(N), N being the number of scripts asked for",
            ),
        sub("script|flush", -2, NOSCRIPT | STALE).tips(EVERY_NODE).doc(
            "[ASYNC | SYNC]",
            "Empties the cache of scripts.",
            "O(N), N being the number of scripts",
        ),
        help("script|help", GROUP, "5.0.0").acl(Acl::SCRIPTING),
        sub("script|kill", 2, NOSCRIPT | ALLOW_BUSY).tips(ONE_OF_ALL).doc(
            "",
            "Ends the script that is running.",
            "O(1)",
        ),
        sub("script|load", 3, NOSCRIPT | STALE).tips(EVERY_NODE).doc(
            "script",
            "Caches a script.",
            "O(N), N being the length of the script",
        ),
        sub("script|show", 3, NOSCRIPT | STALE).doc("sha1", "Returns a cached script.", "O(1)"),
    ];
    host("script", -2, GROUP, "2.6.0").flags(0).subs(SUBS).doc(
        "",
        "The cache of scripts.",
        "Depends on the subcommand.",
    )
}

const fn sub(name: &'static str, arity: i32, flags: u64) -> CommandSpec {
    host(name, arity, GROUP, "2.6.0").flags(flags).acl(Acl::SCRIPTING)
}
