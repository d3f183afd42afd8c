//! Values of every type in every form, byte by byte.

use super::*;
use crate::compact::CompactError;
use crate::stream::StreamNodeError;

/// `items` after a magic word give `expected`, in one piece and byte by byte.
#[track_caller]
fn check_in(magic: &[u8], items: &[u8], expected: &str) {
    let bytes = [magic, items, b"\xff\0\0\0\0\0\0\0\0"].concat();
    let head = match magic {
        b"VALKEY080" => "Valkey 80",
        b"REDIS0012" => "Redis 12",
        _ => "Redis 10",
    };
    check_all(&bytes, &format!("{head}\n{expected}"));
}

/// A string of the format.
fn string(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    crate::string::write(&mut out, bytes, None);
    out
}

fn pack(entries: &[&str]) -> Vec<u8> {
    let mut builder = listpack::Builder::new();
    for entry in entries {
        builder.push(listpack::Entry::from(*entry));
    }
    string(builder.finish())
}

#[test]
fn lists() {
    check(b"\x01\x01k\x02\x01a\xc0\x07", "k = list of 2\n. a\n. 7\n.\nend\n");
    check(b"\x01\x01k\0", "k = list of 0\n.\nend\n");
    let ziplist = b"\x0d\x0d\0\0\0\x0a\0\0\0\x01\0\0\xf8\xff";
    check(&[b"\x0a\x01k", &ziplist[..]].concat(), "k = list [7]\nend\n");
    let nodes = [b"\x0e\x01k\x02", &ziplist[..], ziplist].concat();
    check(&nodes, "k = list of 2\n. list [7]\n. list [7]\n.\nend\n");
    let nodes = [b"\x12\x01k\x02\x02", &pack(&["a", "7"])[..], b"\x01\x05plain"].concat();
    check(&nodes, "k = list of 2\n. list [a 7]\n. plain\n.\nend\n");
    check(b"\x12\x01k\x01\x03\x01a", "k = list of 1\nnode of a list at offset 13 is of the unknown form 3\n");
    let nodes = [b"\x12\x01k\x01\x02", &pack(&[])[..]].concat();
    check(&nodes, "k = list of 1\n. list []\n.\nend\n");
}

#[test]
fn sets() {
    check(b"\xfc\x01\0\0\0\0\0\0\0\x02\x01k\x02\x01a\x01b", "k = set of 2 at 1\n. a\n. b\n.\nend\n");
    check(b"\x0b\x01k\x0c\x02\0\0\0\x02\0\0\0\x01\0\x02\0", "k = set [1 2]\nend\n");
    check(&[b"\x14\x01k", &pack(&["a", "7"])[..]].concat(), "k = set [a 7]\nend\n");
    check(&[b"\x14\x01k", &pack(&["a", "a"])[..]].concat(), &twice("set"));
    check(
        b"\x0b\x01k\x0c\x02\0\0\0\x02\0\0\0\x02\0\x02\0",
        "damaged set in the string at offset 12: number 1 of an intset is not above the one before it\n",
    );
}

fn twice(kind: &str) -> String {
    format!("damaged {kind} in the string at offset 12: {}\n", CompactError::Duplicate)
}

#[test]
fn sorted_sets() {
    let text = b"\x03\x01k\x04\x01a\xff\x01b\x031.5\x01c\x015\x01d\xfe";
    check(text, "k = zset of 4\n. a -inf\n. b 1.5\n. c 5\n. d inf\n.\nend\n");
    check(b"\x03\x01k\x01\x01a\xfd", "k = zset of 1\nthe score at offset 15 is no number\n");
    check(b"\x03\x01k\x01\x01a\x03nan", "k = zset of 1\nthe score at offset 15 is no number\n");
    check(b"\x05\x01k\x01\x01a\0\0\0\0\0\0\xf8\x3f", "k = zset of 1\n. a 1.5\n.\nend\n");
    check(b"\x05\x01k\x01\x01a\0\0\0\0\0\0\xf8\x7f", "k = zset of 1\nthe score at offset 15 is no number\n");
    let ziplist = b"\x10\x10\0\0\0\x0d\0\0\0\x02\0\0\x01a\x03\xf8\xff";
    check(&[b"\x0c\x01k", &ziplist[..]].concat(), "k = zset [a 7]\nend\n");
    check(&[b"\x11\x01k", &pack(&["a", "7"])[..]].concat(), "k = zset [a 7]\nend\n");
    check(&[b"\x11\x01k", &pack(&["a", "7", "a", "8"])[..]].concat(), &twice("zset"));
}

#[test]
fn hashes() {
    check(b"\x04\x01k\x02\x01f\x01v\xc0\x07\xc0\x08", "k = hash of 2\n. f = v\n. 7 = 8\n.\nend\n");
    check(
        b"\x09\x01k\x09\x01\x01f\x01\0v\xff",
        "damaged hash in the string at offset 12: misplaced end mark of a zipmap at its offset 6\n",
    );
    check(b"\x09\x01k\x07\x01\x01f\x01\0v\xff", "k = hash [f v]\nend\n");
    let ziplist = b"\x10\x10\0\0\0\x0d\0\0\0\x02\0\0\x01f\x03\xf8\xff";
    check(&[b"\x0d\x01k", &ziplist[..]].concat(), "k = hash [f 7]\nend\n");
    check(&[b"\x10\x01k", &pack(&["f", "7"])[..]].concat(), "k = hash [f 7]\nend\n");
    check(&[b"\x10\x01k", &pack(&["f", "7", "f", "8"])[..]].concat(), &twice("hash"));
}

#[test]
fn fields_that_expire() {
    const NONE: &[u8] = &[0xff; 8];
    let valkey = [b"\x16\x01k\x02\x01f\x01v\x15\xcd\x5b\x07\0\0\0\0\x01g\x01w", NONE].concat();
    check_in(b"VALKEY080", &valkey, "k = hash of 2\n. f = v at 123456789\n. g = w\n.\nend\n");
    let past = b"\x16\x01k\x01\x01f\x01v\xfe\xff\xff\xff\xff\xff\xff\xff";
    check_in(b"VALKEY080", past, "k = hash of 1\nthe expiry of a field at offset 17 is no time\n");

    let redis = b"\x18\x01k\x15\xcd\x5b\x07\0\0\0\0\x03\x01\x01f\x01v\0\x01g\x01w\x03\x01h\x01x";
    let expected = "k = hash of 3\n. f = v at 123456789\n. g = w\n. h = x at 123456791\n.\nend\n";
    check_in(b"REDIS0012", redis, expected);
    let far = b"\x18\x01k\xff\xff\xff\xff\xff\xff\xff\x7f\x01\x02\x01f\x01v";
    check_in(b"REDIS0012", far, "k = hash of 1\nthe expiry of a field at offset 21 is no time\n");
    let negative = b"\x18\x01k\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\x01f\x01v";
    check_in(b"REDIS0012", negative, "the expiry of a field at offset 12 is no time\n");

    let listpack = pack(&["f", "v", "5", "g", "w", "0"]);
    check_in(
        b"REDIS0012",
        &[b"\x19\x01k\x05\0\0\0\0\0\0\0", &listpack[..]].concat(),
        "k = hash [f v 5 g w 0]\nend\n",
    );
    // The two forms of the prereleases say nothing of the earliest expiry.
    check_in(
        b"REDIS0012",
        b"\x16\x01k\x02\x05\x01f\x01v\0\x01g\x01w",
        "k = hash of 2\n. f = v at 5\n. g = w\n.\nend\n",
    );
    check_in(b"REDIS0012", &[b"\x17\x01k", &listpack[..]].concat(), "k = hash [f v 5 g w 0]\nend\n");
    // What Redis numbers 24 Valkey does not have.
    check_in(b"VALKEY080", redis, "byte 24 at offset 9 is neither an opcode nor a value type\n");
}

/// A node with one entry: `a` = `x`.
fn stream_node(ms: u8) -> Vec<u8> {
    let id = [&[0x10][..], &[0; 7], &[ms], &[0; 7], &[5]].concat();
    [&id[..], &pack(&["1", "0", "1", "a", "0", "2", "0", "0", "x", "4"])].concat()
}

#[test]
fn streams() {
    let nodes = [&b"\x01k\x02"[..], &stream_node(1), &stream_node(2)].concat();
    let first = [b"\x0f", &nodes[..], b"\x02\x02\x05", b"\0"].concat();
    let expected = "k = stream of 2\n. node 1-5: 1-5 [a x]\n. node 2-5: 2-5 [a x]\n";
    let meta = ". length 2 last 2-5 first 1-5 deleted 0-0 added 2\n";
    check(&first, &format!("{expected}{meta}.\nend\n"));

    let id = |ms: u8| [&[0; 7][..], &[ms], &[0; 7], &[5]].concat();
    let pending = |ms: u8| [&id(ms)[..], &[9, 0, 0, 0, 0, 0, 0, 0, 3]].concat();
    let seen = [7, 0, 0, 0, 0, 0, 0, 0];
    let groups = |read: &[u8], active: &[u8]| {
        let first = [b"\x01g\x02\x05", read, b"\x02", &pending(1), &pending(2), b"\x02"].concat();
        let alice = [b"\x05alice", &seen[..], active, b"\x02", &id(1), &id(2)].concat();
        let bob = [b"\x03bob", &seen[..], active, b"\0"].concat();
        [b"\x02", &first[..], &alice, &bob, b"\x01h\0\0", read, b"\0\0"].concat()
    };
    let text = |read: &str, active: i64| {
        format!(
            ". group g 2-5 {read} of 2\n. . 1-5 9 3\n. . 2-5 9 3\n. . consumer alice 7 {active} of 2\n. . . 1-5\n\
             . . . 2-5\n. . consumer bob 7 {active} of 0\n. group h 0-0 {read} of 0\n.\nend\n"
        )
    };
    let first = [b"\x0f", &nodes[..], b"\x02\x02\x05", &groups(b"", b"")].concat();
    check(&first, &format!("{expected}{meta}{}", text("Unrecorded", 7)));
    let meta = ". length 2 last 2-5 first 1-5 deleted 0-7 added 9\n";
    let second = [b"\x13", &nodes[..], b"\x02\x02\x05\x01\x05\0\x07\x09", &groups(b"\x04", b"")].concat();
    check(&second, &format!("{expected}{meta}{}", text("Count(4)", 7)));
    let unknown = b"\x81\xff\xff\xff\xff\xff\xff\xff\xff";
    let third =
        [b"\x15", &nodes[..], b"\x02\x02\x05\x01\x05\0\x07\x09", &groups(unknown, &[0xff; 8])].concat();
    check(&third, &format!("{expected}{meta}{}", text("Unknown", -1)));
    // A stream may be empty.
    check(
        b"\x13\x01k\0\0\x09\0\0\0\0\0\0\0",
        "k = stream of 0\n. length 0 last 9-0 first 0-0 deleted 0-0 added 0\n.\nend\n",
    );
}

#[test]
fn damaged_streams() {
    let short = b"\x13\x01k\x01\x05short";
    check(short, "k = stream of 1\ndamaged stream at offset 13: the id of a node has not 16 bytes\n");
    let order = [&b"\x13\x01k\x02"[..], &stream_node(2), &stream_node(2)].concat();
    let reason = StreamNodeError::Unordered { index: 0 };
    let at = 13 + stream_node(2).len() + 17;
    check(
        &order,
        &format!(
            "k = stream of 2\n. node 2-5: 2-5 [a x]\ndamaged entries of a stream in the string at offset {at}: {reason}\n"
        ),
    );
    let above = [&b"\x0f\x01k\x01"[..], &stream_node(2), b"\x01\x02\x04\0"].concat();
    check(
        &above,
        "k = stream of 1\n. node 2-5: 2-5 [a x]\ndamaged stream at offset 60: an entry's id is above the last id of its stream\n",
    );
    let none = b"\x0f\x01k\0\x01\x02\x04\0";
    check(none, "k = stream of 0\ndamaged stream at offset 13: a stream with a length has no entries\n");
    let id = [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    let twice = [b"\x0f\x01k\0\0\0\0\x01\x01g\0\0\x02", &id[..], &[0; 9], &id, &[0; 9]].concat();
    let found = "k = stream of 0\n. length 0 last 0-0 first 0-0 deleted 0-0 added 0\n. group g 0-0 Unrecorded of 2\n. . 1-0 0 0\n";
    check(&twice, &format!("{found}damaged stream at offset 47: pending entries are not in order\n"));
}
