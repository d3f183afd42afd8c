//! The servers and tools of others.
//!
//! Where one is not installed the tests that need it say so and pass. With `TANDEM_REQUIRE_PEERS` set they fail instead, so
//! that a machine that is meant to run them cannot leave them out unnoticed; with `all` also those that need a Redis 8 or a Valkey.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A real Redis server of version 7.0 or later.
///
/// # Panics
///
/// If there is none and `TANDEM_REQUIRE_PEERS` is set.
#[must_use]
pub fn redis_server() -> Option<PathBuf> {
    required("redis-server", find(&search_path(), "redis-server"))
}

/// Redis's own command-line client.
///
/// # Panics
///
/// If there is none and `TANDEM_REQUIRE_PEERS` is set.
#[must_use]
pub fn redis_cli() -> Option<PathBuf> {
    required("redis-cli", find(&search_path(), "redis-cli"))
}

/// A Valkey server of version 9, from `$PEERS/bin`, the default place of that, or `PATH`. `tests/peers.sh` installs it there.
///
/// # Panics
///
/// If there is none and `TANDEM_REQUIRE_PEERS` is `all`.
#[must_use]
pub fn valkey_server() -> Option<PathBuf> {
    newer("valkey-server")
}

/// A Redis server of version 8, installed as `redis8-server` where the others are.
///
/// # Panics
///
/// If there is none and `TANDEM_REQUIRE_PEERS` is `all`.
#[must_use]
pub fn redis8_server() -> Option<PathBuf> {
    newer("redis8-server")
}

/// A server that this release of Debian does not have.
fn newer(program: &str) -> Option<PathBuf> {
    let found = find(&search_path(), program);
    if found.is_none() {
        let wanted = std::env::var("TANDEM_REQUIRE_PEERS").is_ok_and(|which| which == "all");
        assert!(!wanted, "{program} is required and not there");
        skipped(program);
    }
    found
}

/// The programs of Redis and Valkey that check append only files, as far as they are here.
#[must_use]
pub fn aof_checkers() -> Vec<PathBuf> {
    // Redis 8's knows what it is by its name, and ours has another.
    let names = ["redis-check-aof", "valkey-check-aof"];
    let found = names.map(|name| (name, find(&search_path(), name)));
    let here = found.into_iter().filter_map(|(name, path)| {
        if path.is_none() {
            skipped(name);
        }
        path
    });
    here.collect()
}

/// The command-line clients of Redis 7.0, Redis 8 and Valkey 9, as far as they are here.
#[must_use]
pub fn command_line_clients() -> Vec<PathBuf> {
    let found = ["redis-cli", "redis8-cli", "valkey-cli"].map(|name| (name, find(&search_path(), name)));
    found
        .into_iter()
        .filter_map(|(name, path)| {
            if path.is_none() {
                skipped(name);
            }
            path
        })
        .collect()
}

/// A Python that has redis-py.
///
/// # Panics
///
/// If there is none and `TANDEM_REQUIRE_PEERS` is set.
#[must_use]
pub fn python_with_redis() -> Option<PathBuf> {
    // Debian's packages are for Debian's Python, which need not be the first in PATH.
    let candidates = search_path().into_iter().chain([PathBuf::from("/usr/bin")]);
    let found = candidates.map(|folder| folder.join("python3")).find(|python| {
        let check = Command::new(python).args(["-c", "import redis"]).output();
        check.is_ok_and(|output| output.status.success())
    });
    required("python3 with redis-py", found)
}

/// A command that runs Node.js with node-redis.
///
/// # Panics
///
/// If there is none and `TANDEM_REQUIRE_PEERS` is set.
#[must_use]
pub fn node_with_redis() -> Option<Command> {
    let node = required("node", find(&search_path(), "node"))?;
    let command = || {
        let mut command = Command::new(&node);
        // Where Debian has its packages; a Node.js from elsewhere does not look there.
        let debian = "/usr/share/nodejs:/usr/lib/nodejs";
        let paths = std::env::var("NODE_PATH").map_or(debian.to_owned(), |given| format!("{given}:{debian}"));
        command.env("NODE_PATH", paths);
        command
    };
    let check = command().args(["-e", "require('redis')"]).output();
    let found = check.is_ok_and(|output| output.status.success()).then_some(node.clone());
    required("node with node-redis", found).map(|_| command())
}

fn required(program: &str, found: Option<PathBuf>) -> Option<PathBuf> {
    if found.is_none() {
        assert!(std::env::var_os("TANDEM_REQUIRE_PEERS").is_none(), "{program} is required and not there");
        skipped(program);
    }
    found
}

/// Says that a test does nothing because something is not there.
pub fn skipped(lacking: &str) {
    let thread = std::thread::current();
    eprintln!("SKIPPED {}: there is no {lacking} here", thread.name().unwrap_or("a test"));
}

fn search_path() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Some(peers) = std::env::var_os("PEERS") {
        folders.push(Path::new(&peers).join("bin"));
    }
    if let Some(path) = std::env::var_os("PATH") {
        folders.extend(std::env::split_paths(&path));
    }
    if let Some(home) = std::env::var_os("HOME") {
        folders.push(Path::new(&home).join(".cache/tandem-peers/bin"));
    }
    folders
}

fn find(folders: &[PathBuf], program: &str) -> Option<PathBuf> {
    folders.iter().map(|folder| folder.join(program)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_folder_that_has_it_wins() {
        let (empty, one, two) = (tempdir(), tempdir(), tempdir());
        for dir in [&one, &two] {
            std::fs::write(dir.path().join("some-server"), "").unwrap();
        }
        let folders = [&empty, &one, &two].map(|dir| dir.path().to_owned());
        assert_eq!(find(&folders, "some-server"), Some(one.path().join("some-server")));
        assert_eq!(find(&folders, "another-server"), None);
    }

    fn tempdir() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }
}
