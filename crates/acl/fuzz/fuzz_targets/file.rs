//! Any file: it is taken whole or not at all, and what it made is saved as a file that makes the same.
#![no_main]

use acl::{Catalog, Users};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let mut catalog = Catalog::new(&["read", "write"], |pattern, text| pattern == text);
    for (number, name) in ["get", "set", "config", "config|get"].iter().enumerate() {
        catalog.add(number, name, 1 << (number % 2), false);
    }
    let mut users = Users::new(catalog);
    let before = users.save();
    match users.load(text, "users.acl") {
        Err(_) => assert_eq!(users.save(), before),
        Ok(()) => {
            let saved = users.save();
            users.load(&saved, "users.acl").expect("what was saved can be loaded");
            assert_eq!(users.save(), saved);
        }
    }
});
