//! CONFIG SET and GET in any order: what GET prints, SET takes, and a refused SET changes nothing.
#![no_main]

use config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|pairs: Vec<(u16, Vec<u8>, bool)>| {
    let parameters: Vec<_> = config::directives().iter().filter(|d| d.is_parameter()).collect();
    let mut config = Config::default();
    for (which, value, listed) in pairs {
        let name = parameters[usize::from(which) % parameters.len()].name.as_bytes();
        let before = config.get(&[b"*"]);
        let list: &[(&[u8], &[u8])] = &[(name, &value), (b"hz", b"7")];
        let refused = config.set(if listed { list } else { &list[..1] }).is_err();
        if refused {
            assert_eq!(config.get(&[b"*"]), before);
            continue;
        }
        let printed = config.get(&[name])[0].1.clone();
        let changed = config.set(&[(name, printed.as_bytes())]).expect("because GET printed it");
        assert!(changed.is_empty(), "{changed:?}");
    }
});
