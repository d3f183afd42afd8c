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
        b"REDIS0015" => "Redis 15",
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
    check(b"\x12\x01k\x01\x01\0", "k = list of 1\nnode of a list at offset 13 is empty\n");
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
        "damaged set at offset 12 (in the string at offset 12: number 1 of an intset is not above the one before it)\n",
    );
}

fn twice(kind: &str) -> String {
    format!("damaged {kind} at offset 12 (in the string at offset 12: {})\n", CompactError::Duplicate)
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
        "damaged hash at offset 19 (in the string at offset 12: misplaced end mark of a zipmap at its offset 6)\n",
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
    check_in(b"VALKEY080", &valkey, "k = hash of 2 with expiries\n. f = v at 123456789\n. g = w\n.\nend\n");
    let past = b"\x16\x01k\x01\x01f\x01v\xfe\xff\xff\xff\xff\xff\xff\xff";
    check_in(
        b"VALKEY080",
        past,
        "k = hash of 1 with expiries\nthe expiry of a field at offset 17 is no time\n",
    );

    let redis = b"\x18\x01k\x15\xcd\x5b\x07\0\0\0\0\x03\x01\x01f\x01v\0\x01g\x01w\x03\x01h\x01x";
    let expected =
        "k = hash of 3 with expiries\n. f = v at 123456789\n. g = w\n. h = x at 123456791\n.\nend\n";
    check_in(b"REDIS0012", redis, expected);
    let far = b"\x18\x01k\xff\xff\xff\xff\xff\xff\xff\x7f\x01\x02\x01f\x01v";
    check_in(
        b"REDIS0012",
        far,
        "k = hash of 1 with expiries\nthe expiry of a field at offset 21 is no time\n",
    );
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
        "k = hash of 2 with expiries\n. f = v at 5\n. g = w\n.\nend\n",
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
    let meta = ". length 2 last 2-5 first 1-5 deleted 0-0 added 2 groups GROUPS\n";
    check(&first, &format!("{expected}{}.\nend\n", meta.replace("GROUPS", "0")));

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
            ". group g 2-5 {read} of 2\n. . 1-5 9 3\n. . 2-5 9 3\n. . 2 consumers\n\
             . . consumer alice 7 {active} of 2\n. . . 1-5\n. . . 2-5\n. . consumer bob 7 {active} of 0\n\
             . group h 0-0 {read} of 0\n. . 0 consumers\n.\nend\n"
        )
    };
    let first = [b"\x0f", &nodes[..], b"\x02\x02\x05", &groups(b"", b"")].concat();
    check(&first, &format!("{expected}{}{}", meta.replace("GROUPS", "2"), text("Unrecorded", 7)));
    let meta = ". length 2 last 2-5 first 1-5 deleted 0-7 added 9 groups 2\n";
    let second = [b"\x13", &nodes[..], b"\x02\x02\x05\x01\x05\0\x07\x09", &groups(b"\x04", b"")].concat();
    check(&second, &format!("{expected}{meta}{}", text("Count(4)", 7)));
    let unknown = b"\x81\xff\xff\xff\xff\xff\xff\xff\xff";
    let third =
        [b"\x15", &nodes[..], b"\x02\x02\x05\x01\x05\0\x07\x09", &groups(unknown, &[0xff; 8])].concat();
    check(&third, &format!("{expected}{meta}{}", text("Unknown", -1)));
    // A stream may be empty.
    check(
        b"\x13\x01k\0\0\x09\0\0\0\0\0\0\0",
        "k = stream of 0\n. length 0 last 9-0 first 0-0 deleted 0-0 added 0 groups 0\n.\nend\n",
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
            "k = stream of 2\n. node 2-5: 2-5 [a x]\n\
             damaged entries of a stream at offset {at} (in the string at offset {at}: {reason})\n"
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
    let found = "k = stream of 0\n. length 0 last 0-0 first 0-0 deleted 0-0 added 0 groups 1\n. group g 0-0 Unrecorded of 2\n. . 1-0 0 0\n";
    check(&twice, &format!("{found}damaged stream at offset 47: pending entries are not in order\n"));
}

#[test]
fn streams_of_later_versions() {
    let id = |ms: u8| [&[0; 7][..], &[ms], &[0; 7], &[5]].concat();
    let start = [b"\x01k\x01", &stream_node(1)[..], b"\x01\x01\x05\x01\x05\0\0\x01"].concat();
    let expected =
        "k = stream of 1\n. node 1-5: 1-5 [a x]\n. length 1 last 1-5 first 1-5 deleted 0-0 added 1";
    // A message of a producer is remembered.
    let known = b"\x40\x64\x0a\x01\x04prod\x01\x03iid\x01\x05\x07\x02";
    let lines = ". 100 s, 10 entries, 1 producers\n. . prod with 1\n. . . iid is 1-5\n. 7 added, 2 twice\n";
    let fourth = [b"\x1a", &start[..], b"\0", known].concat();
    check_in(b"REDIS0015", &fourth, &format!("{expected} groups 0\n{lines}.\nend\n"));
    let none = [b"\x1a", &start[..], b"\0\x40\x64\x0a\0\0\0"].concat();
    let lines_of_none = ". 100 s, 10 entries, 0 producers\n. 0 added, 0 twice\n";
    check_in(b"REDIS0015", &none, &format!("{expected} groups 0\n{lines_of_none}.\nend\n"));
    // A pending entry is nobody's.
    let pending = [&id(1)[..], &[9, 0, 0, 0, 0, 0, 0, 0, 3]].concat();
    let fifth =
        [b"\x1b", &start[..], b"\x01\x01g\x01\x05\x01\x01", &pending, b"\0\x01", &id(1), known].concat();
    let group = ". group g 1-5 Count(1) of 1\n. . 1-5 9 3\n. . 0 consumers\n. . 1 nacks\n. . . 1-5\n";
    check_in(b"REDIS0015", &fifth, &format!("{expected} groups 1\n{group}{lines}.\nend\n"));
}

#[test]
fn arrays() {
    let cells =
        b"\x00\x00\x01a\x05\x01\xfe\xff\xff\xff\xff\xff\xff\xff\x06\x02\0\0\0\0\0\0\xf8\x3f\x07\x02\0\0\0\0\0\0\0\x40\x08\x03\x02bc";
    let lines = ". 0: a\n. 5: -2\n. 6: 1.5\n. 7: 2.0\n. 8: bc\n.\nend\n";
    let without = [b"\x1c\x01k\x05\0", &cells[..]].concat();
    check_in(b"REDIS0015", &without, &format!("k = array of 5\n. cursor None\n{lines}"));
    let with = [b"\x1c\x01k\x05\x01\x31", &cells[..]].concat();
    check_in(b"REDIS0015", &with, &format!("k = array of 5\n. cursor Some(49)\n{lines}"));
    let damaged = |items: &[u8], expected: &str| check_in(b"REDIS0015", items, expected);
    damaged(b"\x1c\x01k\0\0", "damaged array at offset 12: it has no elements\n");
    damaged(b"\x1c\x01k\x01\x02", "damaged array at offset 13: a cursor is there or is not\n");
    let begun = "k = array of 2\n. cursor None\n. 1: a\n";
    damaged(
        b"\x1c\x01k\x02\0\x01\0\x01a\x01\0\x01b",
        &format!("{begun}damaged array at offset 18: its elements are not in order\n"),
    );
    damaged(
        b"\x1c\x01k\x02\0\x01\0\x01a\x02\x04",
        &format!("{begun}damaged array at offset 19: an element is of an unknown form\n"),
    );
}

#[test]
fn hashes_with_templates() {
    let template = b"\xf2\x07\x03\x03age\x04name\x05email";
    let packed = [&template[..], b"\x1e\x01k", &pack(&["7", "42", "Ann", "a@b"])].concat();
    check_in(b"REDIS0015", &packed, "k = hash [age 42 name Ann email a@b]\nend\n");
    let strings = [&template[..], b"\x20\x01k\x07\xc0\x2a\x03Ann\x03a@b\0\x01a\x01b"].concat();
    check_in(
        b"REDIS0015",
        &strings,
        "k = hash of 3\n. age = 42\n. name = Ann\n. email = a@b\n.\na = b\nend\n",
    );
    // A payload's is written out.
    check_in(b"REDIS0015", b"\x1f\x01k\x01\x03age\xc0\x2a", "k = hash of 1\n. age = 42\n.\nend\n");
    let damaged = |items: &[&[u8]], expected: &str| {
        let expected = format!("damaged template of a hash at offset {expected}\n");
        check_in(b"REDIS0015", &items.concat(), &expected);
    };
    damaged(&[b"\xf2\x07\0"], "10: it has no fields");
    damaged(&[template, template], "28: its number is another's");
    damaged(&[b"\xf2\x07\x02\x01b\x01a"], "14: its fields are not in order");
    damaged(&[b"\xf2\x07\x02\x01a\x01a"], "14: its fields are not in order");
    damaged(&[template, b"\x20\x01k\x08"], "30: nothing has its number");
    damaged(&[template, b"\x1e\x01k", &pack(&["8", "1"])], "30: nothing has its number");
    damaged(&[template, b"\x1e\x01k", &pack(&["x", "1"])], "30: a number is missing");
    let few = "30: a hash has not as many values as its template has fields";
    damaged(&[template, b"\x1e\x01k", &pack(&["7", "1"])], few);
}

#[test]
fn a_fault_inside_a_string_has_its_own_offset() {
    // The second entry of the listpack, at its offset 9, begins with a byte that begins none.
    let mut bytes = pack(&["a", "b"]);
    bytes[1 + 9] = 0xfe;
    let expected =
        "damaged hash at offset 22 (in the string at offset 12: byte 0xfe at offset 9 begins no entry)\n";
    check(&[b"\x10\x01k", &bytes[..]].concat(), expected);
    // Where the bytes are packed, there is no place to point at.
    let plain = bytes[1..].to_vec();
    let packed = [b"\x10\x01k\xc3\x0e\x0d\x0c", &plain[..]].concat();
    let expected =
        "damaged hash at offset 12 (in the string at offset 12: byte 0xfe at offset 9 begins no entry)\n";
    check(&packed, expected);
}
