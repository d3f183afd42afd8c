//! Keyspace events of commands that make keys in a way of their own, and of reads that find none: compared with Valkey 9.1.

use resp::OwnedArgs;

use super::Tester;
use crate::EventClass;

#[test]
fn new_keys_and_misses_are_events() {
    let mut tester = Tester::new();
    tester.fx.notify = EventClass::all();
    for (request, expected) in [
        ("SETBIT a 3 1", "new a, setbit a"),
        ("SETBIT a 3 0", "setbit a"),
        ("SETRANGE b 2 zz", "new b, setrange b"),
        ("BITFIELD c INCRBY u8 0 1", "new c, setbit c"),
        ("BITOP OR d a b", "new d, set d"),
        ("BITOP OR d a b", "set d"),
        ("PFADD e", "new e, pfadd e"),
        ("PFMERGE f e", "keymiss f, new f, pfadd f"),
        ("XADD s 1-1 f v", "new s, xadd s"),
        ("XADD s 2-1 f v", "xadd s"),
        ("XGROUP CREATE t g 0 MKSTREAM", "new t, xgroup-create t"),
        ("HSETEX h EXAT 1 FIELDS 1 f v", "new h, hset h, hexpire h, hexpired h, del h"),
        ("HGETEX h EX 10 FIELDS 1 f", "keymiss h"),
        ("XACK u g 1-1", "keymiss u"),
        ("XCLAIM u g c 0 1-1", "keymiss u"),
        ("XAUTOCLAIM u g c 0 0", "keymiss u"),
        ("GET u", "keymiss u"),
        ("EXISTS u", "keymiss u"),
        ("OBJECT ENCODING u", ""),
        ("MEMORY USAGE u", ""),
    ] {
        let words: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        tester.execute(&OwnedArgs::from_slices(&words));
        let events: Vec<String> = tester
            .fx
            .events
            .iter()
            .map(|event| format!("{} {}", event.name, event.key.escape_ascii()))
            .collect();
        assert_eq!(events.join(", "), expected, "{request}");
    }
}
