use proptest::prelude::*;

use super::*;

fn pack(entries: &[&str]) -> Vec<u8> {
    let mut builder = listpack::Builder::new();
    for entry in entries {
        builder.push(Entry::from(*entry));
    }
    builder.finish().to_vec()
}

#[track_caller]
fn check(kind: Kind, encoding: Encoding, bytes: &[u8], expected: Result<&str, CompactError>) {
    let describe = |compact: Compact<'_>| {
        let entries: Vec<_> = compact.entries().collect();
        assert_eq!(compact.len() * compact.step(), entries.len());
        assert_eq!(compact.is_empty(), entries.is_empty());
        assert_eq!((compact.kind(), compact.encoding(), compact.as_bytes()), (kind, encoding, bytes));
        format!("{entries:?}")
    };
    let found = Compact::check(bytes, encoding, kind).map(describe);
    assert_eq!(found.as_deref().map_err(|&error| error), expected);
}

#[test]
fn listpacks_of_every_kind() {
    let lp = Encoding::Listpack;
    check(Kind::List, lp, &pack(&["a", "1", "a"]), Ok("[\"a\", 1, \"a\"]"));
    check(Kind::List, lp, &pack(&[]), Ok("[]"));
    check(Kind::Set, lp, &pack(&["a", "1"]), Ok("[\"a\", 1]"));
    check(Kind::Set, lp, &pack(&["a", "1", "a"]), Err(CompactError::Duplicate));
    check(Kind::Hash, lp, &pack(&["a", "1", "b", "1"]), Ok("[\"a\", 1, \"b\", 1]"));
    check(Kind::Hash, lp, &pack(&["a", "1", "b"]), Err(CompactError::Unpaired { entries: 3 }));
    check(Kind::Hash, lp, &pack(&["a", "1", "a", "2"]), Err(CompactError::Duplicate));
    check(Kind::ZSet, lp, &pack(&["a", "1", "b", "1.5"]), Ok("[\"a\", 1, \"b\", \"1.5\"]"));
    check(Kind::ZSet, lp, &pack(&["a", "1", "a", "1.5"]), Err(CompactError::Duplicate));
    check(Kind::ZSet, lp, &pack(&["a", "1", "b", "nan"]), Err(CompactError::BadScore { index: 1 }));
    check(Kind::ZSet, lp, &pack(&["a", "1", "b", "0"]), Err(CompactError::Unordered { index: 1 }));
    check(Kind::ZSet, lp, &pack(&["b", "1", "a", "1"]), Err(CompactError::Unordered { index: 1 }));
    // Members are compared as text, numbers too.
    check(Kind::ZSet, lp, &pack(&["10", "1", "9", "1"]), Ok("[10, 1, 9, 1]"));
    check(Kind::Set, lp, &pack(&["a"])[1..], Err(pack_error(&pack(&["a"])[1..])));
}

fn pack_error(bytes: &[u8]) -> CompactError {
    View::new(bytes).unwrap_err().into()
}

#[test]
fn fields_with_expiries() {
    let timed = Encoding::TimedListpack;
    let bytes = pack(&["a", "1", "1000", "b", "2", "0"]);
    check(Kind::Hash, timed, &bytes, Ok("[\"a\", 1, 1000, \"b\", 2, 0]"));
    let compact = Compact::check(&bytes, timed, Kind::Hash).unwrap();
    let fields: Vec<_> = compact.fields().map(|(_, value, expiry)| (value, expiry)).collect();
    assert_eq!(fields, [(Entry::Int(1), Some(1000)), (Entry::Int(2), None)]);
    check(Kind::Hash, timed, &pack(&["a", "1", "x"]), Err(CompactError::BadExpiry { index: 0 }));
    check(
        Kind::Hash,
        timed,
        &pack(&["a", "1", "0", "b", "1", "-1"]),
        Err(CompactError::BadExpiry { index: 1 }),
    );
    check(Kind::Hash, timed, &pack(&["a", "1"]), Err(CompactError::Unpaired { entries: 2 }));
    check(Kind::Hash, timed, &pack(&["a", "1", "0", "a", "2", "5"]), Err(CompactError::Duplicate));
}

#[test]
fn other_encodings() {
    let zipmap = b"\x02\x01a\x01\0x\x01b\x01\0y\xff";
    check(Kind::Hash, Encoding::Zipmap, zipmap, Ok("[\"a\", \"x\", \"b\", \"y\"]"));
    let twice = b"\x02\x01a\x01\0x\x01a\x01\0y\xff";
    check(Kind::Hash, Encoding::Zipmap, twice, Err(CompactError::Duplicate));
    check(Kind::Set, Encoding::Intset, b"\x02\0\0\0\x02\0\0\0\x01\0\x02\0", Ok("[1, 2]"));
    check(Kind::Set, Encoding::Intset, b"", Err(IntsetError::TooShort.into()));
    // Two members with scores 1 and 2.
    let ziplist = b"\x15\0\0\0\x12\0\0\0\x04\0\0\x01a\x03\xf2\x02\x01b\x03\xf3\xff";
    check(Kind::ZSet, Encoding::Ziplist, ziplist, Ok("[\"a\", 1, \"b\", 2]"));
    let members: Vec<_> =
        Compact::check(ziplist, Encoding::Ziplist, Kind::ZSet).unwrap().members().map(|(_, s)| s).collect();
    assert_eq!(members, [1.0, 2.0]);
    check(Kind::Hash, Encoding::Ziplist, b"\x01", Err(ZiplistError::TooShort.into()));
}

proptest! {
    #[test]
    fn noise_never_panics(
        noise in proptest::collection::vec(prop_oneof![any::<u8>(), 0u8..4, 0xf0u8..], 0..60),
        framed: bool,
    ) {
        let kinds = [Kind::List, Kind::Set, Kind::ZSet, Kind::Hash];
        let encodings =
            [Encoding::Listpack, Encoding::Ziplist, Encoding::Intset, Encoding::Zipmap, Encoding::TimedListpack];
        for encoding in encodings {
            let mut bytes = noise.clone();
            if framed {
                let total = |header: usize| ((noise.len() + header + 1) as u32).to_le_bytes();
                bytes = match encoding {
                    Encoding::Listpack | Encoding::TimedListpack => {
                        [&total(6)[..], &[0xff; 2], &noise, &[0xff]].concat()
                    }
                    Encoding::Ziplist => [&total(10)[..], &[10, 0, 0, 0, 0xff, 0xff], &noise, &[0xff]].concat(),
                    Encoding::Intset => {
                        [&[2, 0, 0, 0][..], &((noise.len() / 2) as u32).to_le_bytes(), &noise].concat()
                    }
                    Encoding::Zipmap => [&[0xfe][..], &noise, &[0xff]].concat(),
                };
            }
            for kind in kinds {
                if encoding == Encoding::Intset && kind != Kind::Set {
                    continue;
                }
                if let Ok(compact) = Compact::check(&bytes, encoding, kind) {
                    let entries = compact.entries().count();
                    prop_assert_eq!(entries, compact.len() * compact.step());
                    if kind == Kind::ZSet {
                        prop_assert_eq!(compact.members().count(), compact.len());
                    }
                    if kind == Kind::Hash {
                        prop_assert_eq!(compact.fields().count(), compact.len());
                    }
                }
            }
        }
    }
}
