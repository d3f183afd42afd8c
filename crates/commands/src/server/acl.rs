//! The rows of ACL.

use super::rows::GROUP;
use crate::row::*;

pub(super) const fn acl() -> CommandSpec {
    const ANYBODY: u64 = NOSCRIPT | LOADING | STALE;
    const OPERATOR: u64 = ADMIN | ANYBODY;
    const ALL_NODES: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];
    const SUBS: &[CommandSpec] = &[
        host("acl|cat", -2, GROUP, "6.0.0").flags(ANYBODY).doc(
            "[category]",
            "Lists the categories of commands, or the commands of one.",
            "O(1), the commands being a fixed set",
        ),
        host("acl|deluser", -3, GROUP, "6.0.0").flags(OPERATOR).tips(ALL_NODES).doc(
            "username [username ...]",
            "Deletes users and closes their connections.",
            "O(N), N being the number of connections",
        ),
        host("acl|dryrun", -4, GROUP, "7.0.0").flags(OPERATOR).doc(
            "username command [arg [arg ...]]",
            "Tells whether a user may run a command, without running it.",
            "O(1)",
        ),
        host("acl|genpass", -2, GROUP, "6.0.0").flags(ANYBODY).doc(
            "[bits]",
            "Makes up a password that nobody guesses.",
            "O(1)",
        ),
        host("acl|getuser", 3, GROUP, "6.0.0").flags(OPERATOR).doc(
            "username",
            "Returns the rules of a user.",
            "O(N), N being the number of rules",
        ),
        help("acl|help", GROUP, "6.0.0"),
        host("acl|list", 2, GROUP, "6.0.0").flags(OPERATOR).doc(
            "",
            "Lists the users with their rules, as an ACL file has them.",
            "O(N), N being the number of users",
        ),
        host("acl|load", 2, GROUP, "6.0.0").flags(OPERATOR).doc(
            "",
            "Takes the users from the ACL file again.",
            "O(N), N being the number of users",
        ),
        host("acl|log", -2, GROUP, "6.0.0").flags(OPERATOR).doc(
            "[count | RESET]",
            "Returns what was refused lately.",
            "O(N), N being the number of entries",
        ),
        host("acl|save", 2, GROUP, "6.0.0").flags(OPERATOR).tips(ALL_NODES).doc(
            "",
            "Writes the users to the ACL file.",
            "O(N), N being the number of users",
        ),
        host("acl|setuser", -3, GROUP, "6.0.0").flags(OPERATOR).tips(ALL_NODES).doc(
            "username [rule [rule ...]]",
            "Creates a user or changes its rules.",
            "O(N), N being the number of rules",
        ),
        host("acl|users", 2, GROUP, "6.0.0").flags(OPERATOR).doc(
            "",
            "Lists the names of the users.",
            "O(N), N being the number of users",
        ),
        host("acl|whoami", 2, GROUP, "6.0.0").flags(ANYBODY).doc(
            "",
            "Returns the user of the connection.",
            "O(1)",
        ),
    ];
    host("acl", -2, GROUP, "6.0.0").flags(0).subs(SUBS).doc(
        "",
        "Who may do what.",
        "Depends on the subcommand.",
    )
}
