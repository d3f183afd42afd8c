//! Any rules for a user, then any request of its: a refused rule changes nothing, a description makes the same user again, and whoever
//! is unrestricted is refused nothing.
#![no_main]

use acl::{Catalog, Databases, Key, Needs, Request, Users};
use libfuzzer_sys::fuzz_target;

fn users() -> Users {
    let mut catalog = Catalog::new(&["read", "write", "slow"], |pattern, text| {
        pattern == b"*" || pattern == text
    });
    for (number, name) in ["get", "set", "config", "config|get", "config|set", "select", "auth"].iter().enumerate() {
        catalog.add(number, name, 1 << (number % 3), *name == "auth");
    }
    Users::new(catalog)
}

fuzz_target!(|input: (Vec<Vec<Vec<u8>>>, u8, Vec<u8>, Vec<u8>, u32)| {
    let (steps, command, key, channel, db) = input;
    let mut users = users();
    for rules in &steps {
        let rules: Vec<&[u8]> = rules.iter().map(Vec::as_slice).collect();
        let before = users.get(b"u").map(|user| user.description());
        match users.set(b"u", &rules) {
            Err(_) => assert_eq!(users.get(b"u").map(|user| user.description()), before),
            Ok(user) => {
                let description = user.description();
                let words: Vec<&[u8]> = description.split(|byte| *byte == b' ').collect();
                let again = users.set(b"again", &[&[&b"reset"[..]], &words[..]].concat()).expect("a description is made of rules");
                assert_eq!(again.description(), description);
                let databases = [(None, db)];
                let request = Request {
                    command: usize::from(command % 7),
                    first_arg: Some(&key),
                    keys: &[Key { at: 1, name: &key, needs: Needs::BOTH }],
                    channels: &[(1, &channel)],
                    channels_are_patterns: db % 2 == 0,
                    databases: Databases::These(&databases),
                };
                let verdict = users.check(&user, &request);
                assert_eq!(users.check(&again, &request), verdict);
                if user.is_unrestricted() || user.allows_all_of(request.command) {
                    assert_eq!(verdict, Ok(()));
                }
                users.remove(b"again");
            }
        }
    }
    let saved = users.save();
    users.load(&saved, "users.acl").expect("what was saved can be loaded");
    assert_eq!(users.save(), saved);
});
