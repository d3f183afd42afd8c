//! Properties that hold for any input.

mod common;

use common::{Memory, load};
use config::{Config, directives};
use proptest::prelude::*;

/// Words that are often values, so that generated lines are often accepted.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("yes".to_string()),
        Just("no".to_string()),
        (0i64..100_000).prop_map(|n| n.to_string()),
        (0i64..100).prop_map(|n| format!("{n}mb")),
        (1i64..100).prop_map(|n| format!("{n}s")),
        (0i64..100).prop_map(|n| format!("{n}%")),
        "[a-zA-Z0-9 \"'\\\\#\n\t\u{e9}-]{0,12}",
        (1u16..9).prop_map(|n| format!("host {n}")),
        (1u16..9, 1u16..9).prop_map(|(a, b)| format!("{a} 1 {b} 2")),
        (0u16..9).prop_map(|n| format!("slave {n} 1 {n}")),
        Just("1 2 3".to_string()),
        Just("gxE".to_string()),
        Just("now save".to_string()),
        proptest::sample::select(vec![
            "always",
            "debug",
            "allkeys-lru",
            "swapdb",
            "local",
            "auto",
            "iso8601",
            "CN"
        ])
        .prop_map(str::to_string),
    ]
}

/// Changes that are accepted one by one.
fn changed(changes: &[(usize, String)], mut config: Config) -> Config {
    for (at, value) in changes {
        let parameters: Vec<_> = directives().iter().filter(|d| d.is_parameter()).collect();
        let _ = config.force(parameters[at % parameters.len()].name, value);
    }
    config
}

fn line() -> impl Strategy<Value = String> {
    let names: Vec<_> = directives().iter().flat_map(|d| d.names()).collect();
    prop_oneof![
        8 => (proptest::sample::select(names), value()).prop_map(|(name, value)| format!("{name} {value}")),
        1 => "[ \t]*#.{0,10}",
        1 => Just(String::new()),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_a_configuration_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200), toml: bool) {
        let name = if toml { "t.toml" } else { "t.conf" };
        let mut files = Memory::default();
        files.files.insert(name.into(), bytes.clone());
        files.stdin = bytes.clone();
        let _ = config::load(&[name.into()], &files);
        let _ = config::load(&["-".into()], &files);
        let config = Config::default();
        prop_assert!(config.rewrite(&bytes).is_ok());
        let _ = config.get(&[&bytes]);
        let _ = config.clone().set(&[(&bytes, &bytes)]);
    }

    #[test]
    fn any_lines_and_arguments_are_a_configuration_or_an_error(
        lines in proptest::collection::vec(line(), 0..8),
        args in proptest::collection::vec(prop_oneof![value(), line().prop_map(|l| format!("--{l}"))], 0..6),
    ) {
        let _ = load(&[("t.conf", &lines.join("\n"))], "t.conf");
        let _ = config::load(&args, &Memory::new(&[]));
    }

    #[test]
    fn what_get_prints_set_takes(at in 0usize..1000, text in value()) {
        let config = changed(&[(at, text)], Config::default());
        let mut copy = Config::default();
        for directive in directives().iter().filter(|d| d.is_parameter() && !d.immutable && !d.protected) {
            let printed = common::get(&config, directive.name);
            let result = copy.set(&[(directive.name.as_bytes(), printed.as_bytes())]);
            prop_assert!(result.is_ok(), "{} {printed}: {result:?}", directive.name);
            prop_assert_eq!(common::get(&copy, directive.name), printed);
        }
    }

    #[test]
    fn a_rewritten_file_means_the_settings_of_now(
        lines in proptest::collection::vec(line(), 0..12),
        included in proptest::collection::vec(line(), 0..6),
        place in 0usize..12,
        changes in proptest::collection::vec((0usize..1000, value()), 0..8),
    ) {
        // Only lines that are right by themselves, so that the file as a whole is.
        let good = |lines: Vec<String>| -> Vec<String> {
            // A user may be defined once; that is no property of a line.
            let special = |line: &String| line.starts_with("include") || line.starts_with("user ");
            let alone = |line: &String| !special(line) && load(&[("t", line)], "t").is_ok();
            lines.into_iter().filter(alone).collect()
        };
        let mut main = good(lines);
        if !included.is_empty() {
            main.insert(place.min(main.len()), "include b".into());
        }
        let (main, included) = (main.join("\n"), good(included).join("\n"));
        let loaded = load(&[("t", &main), ("b", &included)], "t");
        let config = changed(&changes, loaded.map_err(|e| TestCaseError::fail(e.to_string()))?.config);
        let after = String::from_utf8(config.rewrite(main.as_bytes()).unwrap()).unwrap();
        let again = load(&[("t", &after), ("b", &included)], "t").map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(again.config.settings(), config.settings(), "{}", after);
        prop_assert_eq!(again.config.get(&[b"*"]), config.get(&[b"*"]));
        // Nothing is left to do, and nothing is done.
        let twice = again.config.rewrite(after.as_bytes()).unwrap();
        prop_assert_eq!(String::from_utf8(twice).unwrap(), after);
    }

    #[test]
    fn a_rewritten_toml_file_means_the_settings_of_now(
        first in proptest::collection::vec((0usize..1000, value()), 0..8),
        changes in proptest::collection::vec((0usize..1000, value()), 0..8),
    ) {
        let read = |text: &str| load(&[("t.toml", text)], "t.toml").map(|loaded| loaded.config);
        let empty = read("").map_err(|e| TestCaseError::fail(e.to_string()))?;
        let before = String::from_utf8(changed(&first, empty).rewrite(b"").unwrap()).unwrap();
        let config = changed(&changes, read(&before).map_err(|e| TestCaseError::fail(format!("{before}{e}")))?);
        let after = String::from_utf8(config.rewrite(before.as_bytes()).unwrap()).unwrap();
        let again = read(&after).map_err(|e| TestCaseError::fail(format!("{after}{e}")))?;
        prop_assert_eq!(again.get(&[b"*"]), config.get(&[b"*"]), "{}", after);
    }
}
