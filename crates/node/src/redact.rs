//! What must not be read in logs or by MONITOR: passwords, and what belongs to them.

use commands::CommandSpec;
use resp::Args;

/// What stands in their place.
pub(crate) const REDACTED: &[u8] = b"(redacted)";

/// Settings whose values are secrets.
const SECRET_SETTINGS: [&[u8]; 7] = [
    b"requirepass",
    b"masterauth",
    b"primaryauth",
    b"masteruser",
    b"primaryuser",
    b"tls-key-file-pass",
    b"tls-client-key-file-pass",
];

/// Whether the argument at this position is a secret.
pub(crate) fn is_secret(spec: &CommandSpec, args: Args<'_>, at: usize) -> bool {
    match spec.full_name {
        "auth" => at > 0,
        "acl|setuser" | "acl|getuser" | "acl|deluser" => at > 1,
        "config|set" => {
            at > 2
                && at % 2 == 1
                && SECRET_SETTINGS.iter().any(|name| name.eq_ignore_ascii_case(args.at(at - 1)))
        }
        // Behind the version; a name or a password may itself be called AUTH.
        "hello" => at > 2 && is_behind(args, 2, at, b"auth", 2),
        // MIGRATE host port key db timeout [COPY] [REPLACE] [AUTH password | AUTH2 user password] [KEYS key …]
        "migrate" => {
            let end = keyword(args, 6, b"keys").unwrap_or(args.len());
            at < end && (is_behind(args, 6, at, b"auth", 1) || is_behind(args, 6, at, b"auth2", 2))
        }
        _ => false,
    }
}

fn keyword(args: Args<'_>, from: usize, word: &[u8]) -> Option<usize> {
    (from..args.len()).find(|&at| args.at(at).eq_ignore_ascii_case(word))
}

/// Whether a position is one of the `count` ones behind the first `word` at or after `from`.
fn is_behind(args: Args<'_>, from: usize, at: usize, word: &[u8], count: usize) -> bool {
    keyword(args, from, word).is_some_and(|found| at > found && at <= found + count)
}

#[cfg(test)]
mod tests {
    use resp::OwnedArgs;

    use super::*;

    #[test]
    fn passwords_are_secrets() {
        let registry = commands::Registry::new();
        for (request, shown) in [
            ("AUTH a b", "AUTH * *"),
            ("HELLO 3 AUTH a b SETNAME c", "HELLO 3 AUTH * * SETNAME c"),
            ("CONFIG SET hz 10 RequirePass x hz y", "CONFIG SET hz 10 RequirePass * hz y"),
            ("SET auth x", "SET auth x"),
        ] {
            let words: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
            let owned = OwnedArgs::from_slices(&words);
            let args = owned.as_args();
            let spec = registry.resolve(args).expect("a command");
            let words: Vec<&str> = request
                .split(' ')
                .enumerate()
                .map(|(at, word)| if is_secret(spec, args, at) { "*" } else { word })
                .collect();
            assert_eq!(words.join(" "), shown);
        }
    }
}
