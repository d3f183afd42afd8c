//! What holds for any rules.

use acl::{Catalog, Databases, Key, Needs, Request, Users};
use proptest::prelude::*;

const COMMANDS: [&str; 7] = ["get", "set", "config", "config|get", "config|set", "select", "auth"];

fn users() -> Users {
    let matches = |pattern: &[u8], text: &[u8]| pattern == b"*" || pattern == text;
    let mut catalog = Catalog::new(&["read", "write", "slow"], matches);
    for (number, name) in COMMANDS.iter().enumerate() {
        catalog.add(number, name, 1 << (number % 3), *name == "auth");
    }
    Users::new(catalog)
}

/// A rule of a selector, most of them well-formed.
fn rule() -> impl Strategy<Value = String> {
    prop_oneof![
        "[+-](get|set|config|config\\|get|config\\|set|select|GET|select\\|[ab])",
        "[+-]@(all|read|write|slow)",
        "(~|%R~|%W~|%RW~)[ab*]",
        "&[ab*]",
        "db=[0-3](,[0-3])?",
        "alldbs|resetdbs|allkeys|resetkeys|allchannels|resetchannels|allcommands|nocommands",
        "[ -~]{0,6}",
    ]
}

fn user_rule() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => rule(),
        1 => "on|off|nopass|resetpass|reset|clearselectors|[><][ab]",
        1 => proptest::collection::vec(rule(), 0..4).prop_map(|rules| format!("({})", rules.join(" "))),
    ]
}

/// Sets rules one by one, ignoring those that are refused.
fn set_all(users: &mut Users, rules: &[String]) {
    for rule in rules {
        let _ = users.set(b"u", &[rule.as_bytes()]);
    }
    users.set(b"u", &[]).expect("no rules are well-formed");
}

proptest! {
    #[test]
    fn a_description_makes_the_same_user(rules in proptest::collection::vec(user_rule(), 0..12)) {
        let mut users = users();
        set_all(&mut users, &rules);
        let description = users.get(b"u").expect("it is there").description();
        let words: Vec<&[u8]> = description.split(|byte| *byte == b' ').collect();
        let again = users.set(b"v", &words).expect("a description is made of rules");
        prop_assert_eq!(again.description(), description);
        // And it may do the same.
        let user = users.get(b"u").expect("it is there").clone();
        for command in 0..COMMANDS.len() {
            for (key, db) in [("a", 0), ("b", 1), ("c", 3)] {
                let databases = [(None, db)];
                let request = Request {
                    command,
                    first_arg: Some(key.as_bytes()),
                    keys: &[Key { at: 1, name: key.as_bytes(), needs: Needs::READ }],
                    channels: &[(1, key.as_bytes())],
                    databases: Databases::These(&databases),
                    ..Request::default()
                };
                let verdict = users.check(&user, &request);
                prop_assert_eq!(users.check(&again, &request), verdict);
                if user.is_unrestricted() || user.allows_all_of(command) {
                    prop_assert_eq!(verdict, Ok(()));
                }
            }
        }
    }

    #[test]
    fn what_is_saved_is_loaded(rules in proptest::collection::vec(user_rule(), 0..12)) {
        let mut users = users();
        set_all(&mut users, &rules);
        let saved = users.save();
        users.load(&saved, "users.acl").expect("it was saved");
        prop_assert_eq!(users.save(), saved);
    }

    #[test]
    fn a_refused_rule_changes_nothing(good in user_rule(), rules in proptest::collection::vec(".{0,12}", 1..4)) {
        let mut users = users();
        let _ = users.set(b"u", &[good.as_bytes()]);
        let before = users.save();
        let rules: Vec<&[u8]> = rules.iter().map(String::as_bytes).collect();
        if users.set(b"u", &rules).is_err() {
            prop_assert_eq!(users.save(), before);
        }
    }

    #[test]
    fn any_file_is_taken_or_refused(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut users = users();
        let before = users.save();
        if users.load(&text, "users.acl").is_err() {
            prop_assert_eq!(users.save(), before);
        }
    }
}
