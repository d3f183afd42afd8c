use proptest::prelude::*;

use super::*;

fn check(pack: &Listpack, expected: &str) {
    assert_eq!(format!("{pack:?}"), expected);
    assert_eq!(View::new(pack.as_bytes()).map(View::len), Ok(pack.len()));
}

fn sample() -> Listpack {
    let mut pack = Listpack::new();
    for text in ["a", "2", "c"] {
        pack.push_back(text).unwrap();
    }
    pack
}

#[test]
fn every_change() {
    let mut pack = sample();
    check(&pack, r#"["a", 2, "c"]"#);
    pack.push_front("front").unwrap();
    check(&pack, r#"["front", "a", 2, "c"]"#);
    assert_eq!(pack.insert(4, "end"), Ok(true));
    assert_eq!(pack.insert(2, -5000), Ok(true));
    assert_eq!(pack.insert(7, "nowhere"), Ok(false));
    check(&pack, r#"["front", "a", -5000, 2, "c", "end"]"#);
    assert_eq!(pack.replace(0, &[b'x'; 70]), Ok(true));
    assert_eq!(pack.replace(-1, ""), Ok(true));
    assert_eq!(pack.replace(6, "nowhere"), Ok(false));
    check(&pack, &format!(r#"["{}", "a", -5000, 2, "c", ""]"#, "x".repeat(70)));
    assert!(pack.remove(0));
    assert!(pack.remove(-1));
    assert!(!pack.remove(4));
    check(&pack, r#"["a", -5000, 2, "c"]"#);
    let second = pack.view().seek(1).unwrap();
    assert_eq!(pack.remove_at(second, 2), 2);
    check(&pack, r#"["a", "c"]"#);
    assert_eq!(pack.remove_at(pack.view().first(), 9), 2);
    check(&pack, "[]");
    assert_eq!(pack, Listpack::new());
}

#[test]
fn positions_stay_with_what_takes_the_place() {
    let mut pack = sample();
    let second = pack.view().seek(1).unwrap();
    pack.insert_at(second, "b").unwrap();
    assert_eq!(pack.view().at(second), Some(Entry::Str(b"b")));
    pack.replace_at(second, 77).unwrap();
    assert_eq!(pack.view().at(second), Some(Entry::Int(77)));
    pack.remove_at(second, 1);
    assert_eq!(pack.view().at(second), Some(Entry::Int(2)));
    let end = pack.view().end();
    assert_eq!(pack.remove_at(end, 3), 0);
    pack.replace_at(end, "d").unwrap();
    check(&pack, r#"["a", 2, "c", "d"]"#);
    pack.clear();
    check(&pack, "[]");
}

#[test]
fn counts_beyond_the_header() {
    let mut pack = Listpack::with_capacity(200_000);
    for _ in 0..65_534 {
        pack.push_back(1).unwrap();
    }
    assert_eq!(count(pack.as_bytes()), 65_534);
    pack.push_back(2).unwrap();
    assert_eq!((count(pack.as_bytes()), pack.len()), (UNKNOWN, 65_535));
    pack.push_front(0).unwrap();
    assert_eq!(pack.len(), 65_536);
    assert_eq!(pack.get(65_535), Some(Entry::Int(2)));
    assert_eq!(pack.get(65_536), None);
    // Once unknown it stays unknown, until it is known again for sure.
    assert_eq!(pack.remove_at(pack.view().first(), 60_000), 60_000);
    assert_eq!((count(pack.as_bytes()), pack.len()), (UNKNOWN, 5_536));
    assert!(View::new(pack.as_bytes()).is_ok());
    pack.clear();
    assert_eq!(count(pack.as_bytes()), 0);
}

#[test]
fn what_would_be_too_large_is_refused_and_changes_nothing() {
    let mut pack = sample();
    // Zeroed memory that is never read costs nothing here: the length alone is refused.
    let huge = vec![0; MAX_BYTES];
    assert!(matches!(pack.push_back(&huge[..]), Err(TooLarge { bytes }) if bytes > MAX_BYTES));
    assert!(pack.replace(0, &huge[..]).is_err());
    check(&pack, r#"["a", 2, "c"]"#);
}

#[test]
fn bytes_come_and_go() {
    let pack = sample();
    let bytes = pack.clone().into_bytes();
    assert_eq!(bytes, b"\x0f\0\0\0\x03\0\x81a\x02\x02\x01\x81c\x02\xff");
    assert_eq!(Listpack::from_bytes(bytes), Ok(pack));
    assert_eq!(Listpack::from_bytes(vec![0; 7]), Err(Error::WrongTotal { declared: 0, actual: 7 }));
}

#[derive(Debug, Clone)]
enum Change {
    PushFront(Vec<u8>),
    PushBack(Vec<u8>),
    Insert(usize, Vec<u8>),
    Replace(isize, Vec<u8>),
    Remove(isize),
    RemoveMany(usize, usize),
    Clear,
}

fn texts() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..20),
        4 => any::<i64>().prop_flat_map(|n| (0u32..64).prop_map(move |s| (n >> s).to_string().into_bytes())),
        1 => (60usize..70).prop_map(|len| vec![b'm'; len]),
        1 => (120usize..135).prop_map(|len| vec![b'm'; len]),
        1 => (4090usize..4100).prop_map(|len| vec![b'l'; len]),
        1 => (16370usize..16390).prop_map(|len| vec![b'h'; len]),
    ]
}

fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => texts().prop_map(Change::PushFront),
        3 => texts().prop_map(Change::PushBack),
        3 => (0usize..30, texts()).prop_map(|(i, t)| Change::Insert(i, t)),
        3 => (-20isize..20, texts()).prop_map(|(i, t)| Change::Replace(i, t)),
        2 => (-20isize..20).prop_map(Change::Remove),
        1 => (0usize..20, 0usize..5).prop_map(|(i, n)| Change::RemoveMany(i, n)),
        1 => Just(Change::Clear),
    ]
}

/// Where a signed index leads in a vector.
fn resolve(len: usize, index: isize) -> Option<usize> {
    let index = if index < 0 { len.checked_add_signed(index)? } else { index.unsigned_abs() };
    (index < len).then_some(index)
}

proptest! {
    #[test]
    fn behaves_like_a_vector(changes in proptest::collection::vec(changes(), 0..60)) {
        let mut pack = Listpack::new();
        let mut model: Vec<Vec<u8>> = Vec::new();
        for change in changes {
            match change {
                Change::PushFront(text) => {
                    pack.push_front(&text[..]).unwrap();
                    model.insert(0, text);
                }
                Change::PushBack(text) => {
                    pack.push_back(&text[..]).unwrap();
                    model.push(text);
                }
                Change::Insert(index, text) => {
                    let fits = index <= model.len();
                    prop_assert_eq!(pack.insert(index, &text[..]), Ok(fits));
                    if fits {
                        model.insert(index, text);
                    }
                }
                Change::Replace(index, text) => {
                    let place = resolve(model.len(), index);
                    prop_assert_eq!(pack.replace(index, &text[..]), Ok(place.is_some()));
                    if let Some(place) = place {
                        model[place] = text;
                    }
                }
                Change::Remove(index) => {
                    let place = resolve(model.len(), index);
                    prop_assert_eq!(pack.remove(index), place.is_some());
                    if let Some(place) = place {
                        model.remove(place);
                    }
                }
                Change::RemoveMany(index, count) => {
                    if let Some(position) = pack.view().seek(index as isize) {
                        let end = (index + count).min(model.len());
                        prop_assert_eq!(pack.remove_at(position, count), end - index);
                        model.drain(index..end);
                    } else {
                        prop_assert!(index >= model.len());
                    }
                }
                Change::Clear => {
                    pack.clear();
                    model.clear();
                }
            }
            prop_assert_eq!(View::new(pack.as_bytes()).err(), None);
            prop_assert_eq!(pack.len(), model.len());
            prop_assert_eq!(pack.is_empty(), model.is_empty());
            prop_assert!(pack.iter().map(Entry::to_vec).eq(model.iter().cloned()));
            prop_assert!(pack.iter().rev().map(Entry::to_vec).eq(model.iter().rev().cloned()));
            for index in -3..model.len() as isize + 2 {
                let expected = resolve(model.len(), index).map(|place| model[place].clone());
                prop_assert_eq!(pack.get(index).map(Entry::to_vec), expected);
            }
            for text in model.iter().take(3) {
                let place = model.iter().position(|other| other == text).unwrap();
                let view = pack.view();
                prop_assert_eq!(view.find(text, view.first(), 1), view.seek(place as isize));
            }
        }
        prop_assert_eq!(Listpack::from_bytes(pack.clone().into_bytes()), Ok(pack));
    }
}
