//! The direction of dependencies, and who does no I/O.
//!
//! ARCHITECTURE.md says which crate may know which; this holds the crates to it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Crates that take bytes and time and give bytes and wishes, and touch nothing else.
const WITHOUT_IO: [&str; 13] = [
    "aof",
    "script",
    "acl",
    "resp",
    "rdb",
    "listpack",
    "collections",
    "backlog",
    "psync",
    "config",
    "keyspace",
    "commands",
    "node",
];

/// What those must not be linked with.
const IO_CRATES: [&str; 6] = ["tokio", "mio", "socket2", "rustix", "libc", "memmap2"];

/// What those must not write: it opens a socket or a file, starts a thread, or reads a clock.
const IO_WORDS: [&str; 13] = [
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "ToSocketAddrs",
    "std::fs",
    "std::process::Command",
    "std::thread::spawn",
    "thread::sleep",
    "Instant::now",
    "SystemTime::now",
    "std::os::fd",
    "std::os::unix",
];

/// A crate of the workspace.
struct Package {
    /// The folder's name in crates/ or bins/, by which the map calls it.
    name: String,
    manifest: PathBuf,
    /// Dependencies outside of tests, by package name.
    needs: BTreeSet<String>,
}

fn workspace_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the workspace")
}

/// The packages by their package name.
fn packages() -> BTreeMap<String, Package> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(workspace_root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let list = metadata["packages"].as_array().expect("there are packages");
    let package = |package: &Value| {
        let manifest = PathBuf::from(package["manifest_path"].as_str().expect("a path"));
        let folder = manifest.parent().expect("a manifest lies in a folder");
        let folder = folder.strip_prefix(workspace_root()).expect("all members lie in the workspace");
        let name = folder.strip_prefix("crates").unwrap_or(folder).to_str().expect("UTF-8").to_owned();
        let needs = package["dependencies"].as_array().expect("a list").iter();
        let needs = needs
            .filter(|need| need["kind"].as_str() != Some("dev"))
            .map(|need| need["name"].as_str().expect("a name").to_owned())
            .collect();
        (package["name"].as_str().expect("a name").to_owned(), Package { name, manifest, needs })
    };
    list.iter().map(package).collect()
}

/// The table of ARCHITECTURE.md: each crate with those that it may depend on. The crates of tests and benches, which may
/// depend on everything and which nothing may depend on, have no such set.
fn allowed() -> BTreeMap<String, Option<BTreeSet<String>>> {
    let map = std::fs::read_to_string(workspace_root().join("ARCHITECTURE.md")).expect("there is a map");
    let mut allowed: BTreeMap<String, Option<BTreeSet<String>>> = BTreeMap::new();
    for line in map.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, _, needs] = cells[..] else { panic!("not three cells: {line}") };
        let name = name.trim_matches('`').to_owned();
        let named: BTreeSet<String> = needs.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let needs = if name == "tests" || name == "benches" {
            None
        } else if needs.starts_with("all above") {
            Some(allowed.keys().filter(|above| !named.contains(*above)).cloned().collect())
        } else {
            Some(named)
        };
        allowed.insert(name, needs);
    }
    allowed
}

/// The dependencies that the map does not allow, and what else it has wrong.
fn faults(
    packages: &BTreeMap<String, Package>,
    allowed: &BTreeMap<String, Option<BTreeSet<String>>>,
) -> Vec<String> {
    let mut faults = Vec::new();
    for package in packages.values() {
        let Some(allowed) = allowed.get(&package.name) else {
            faults.push(format!("{} is not in the table of ARCHITECTURE.md", package.name));
            continue;
        };
        let Some(allowed) = allowed else { continue };
        for need in package.needs.iter().filter_map(|need| packages.get(need)) {
            if !allowed.contains(&need.name) {
                faults.push(format!("{} must not depend on {}", package.name, need.name));
            }
        }
    }
    let exists = |name: &String| packages.values().any(|package| package.name == *name);
    faults.extend(
        allowed
            .keys()
            .filter(|name| !exists(name))
            .map(|name| format!("{name} is in the table and does not exist")),
    );
    faults
}

#[test]
fn dependencies_go_the_way_of_the_map() {
    let (packages, allowed) = (packages(), allowed());
    assert!(allowed.len() > 10, "the table has been found: {allowed:?}");
    assert_eq!(faults(&packages, &allowed), Vec::<String>::new());
}

#[test]
fn a_wrong_dependency_would_be_noticed() {
    let (mut packages, allowed) = (packages(), allowed());
    let resp = packages.get_mut("tandem-resp").expect("there is resp");
    resp.needs.insert("tandem-node".to_owned());
    assert_eq!(faults(&packages, &allowed), ["resp must not depend on node"]);
}

#[test]
fn what_does_no_io_is_not_linked_with_it() {
    for package in packages().values().filter(|package| WITHOUT_IO.contains(&package.name.as_str())) {
        let io: Vec<_> = package.needs.iter().filter(|need| IO_CRATES.contains(&need.as_str())).collect();
        assert!(io.is_empty(), "{} depends on {io:?}", package.name);
    }
}

#[test]
fn what_does_no_io_does_not_speak_of_it() {
    let packages = packages();
    let mut looked_at = 0;
    for name in WITHOUT_IO {
        let package = packages.values().find(|package| package.name == name);
        let package = package.unwrap_or_else(|| panic!("there is no crate {name}"));
        let mut folders = vec![package.manifest.with_file_name("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("sources can be listed") {
                let path = entry.expect("sources can be listed").path();
                let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
                if stem == "tests" || stem == "testing" {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                looked_at += 1;
                let text = std::fs::read_to_string(&path).expect("sources are UTF-8");
                for (number, line) in without_tests_and_comments(&text) {
                    for word in IO_WORDS {
                        assert!(!line.contains(word), "{}:{number}: {word}", path.display());
                    }
                }
            }
        }
    }
    assert!(looked_at > 50, "{looked_at} files");
}

/// The lines of a file before its test module, without comments. Test modules come last in every file of ours.
fn without_tests_and_comments(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines: Vec<&str> = text.lines().collect();
    let begins_tests = |i: &usize| {
        lines[*i].trim() == "#[cfg(test)]"
            && lines.get(i + 1).is_some_and(|next| next.contains("mod tests {"))
    };
    let end = (0..lines.len()).find(begins_tests).unwrap_or(lines.len());
    let code = |line: &str| !line.trim_start().starts_with("//");
    (1..).zip(lines).take(end).filter(move |(_, line)| code(line))
}

#[test]
fn tests_and_comments_are_left_out() {
    let text = "//! std::fs\nuse a;\n    // std::net\n#[cfg(test)]\nfn b() {}\n#[cfg(test)]\nmod tests {\n use std::fs;\n}";
    let lines: Vec<_> = without_tests_and_comments(text).collect();
    assert_eq!(lines, [(2, "use a;"), (4, "#[cfg(test)]"), (5, "fn b() {}")]);
}
