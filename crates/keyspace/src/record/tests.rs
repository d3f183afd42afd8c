//! Tests of records; also run under valgrind, as the README says.

use super::*;

fn record(key: &[u8], value: &[u8], expiry: Option<u64>, raw: bool) -> RecordRef {
    RecordRef::new(Parts { key, payload: Payload::Inline(Layout::Str, value), expiry, access: 0xABCDEF, raw })
}

const LENGTHS: [usize; 8] = [0, 1, 16, 37, 254, 255, 256, 1024];
const EXPIRIES: [Option<u64>; 6] =
    [None, Some(0), Some(1_700_000_000_123), Some((1 << 48) - 1), Some(1 << 48), Some(u64::MAX)];

#[test]
fn every_shape_reads_back() {
    for key_len in LENGTHS.into_iter().chain([70_000]) {
        for value_len in LENGTHS {
            for expiry in EXPIRIES {
                let (key, value) = (vec![b'k'; key_len], vec![b'v'; value_len]);
                let record = record(&key, &value, expiry, value_len % 2 == 1);
                let seen = record.as_ptr();
                assert_eq!(seen.key(), key);
                assert!(seen.has_key(&key));
                assert_eq!(seen.inline_str(), Some(&value[..]));
                assert_eq!(seen.expiry(), expiry);
                assert_eq!(seen.access(), 0xABCDEF);
                assert_eq!(seen.is_raw(), value_len % 2 == 1);
                assert_eq!(seen.kind(), Kind::String);
                assert!(seen.object().is_none());
            }
        }
    }
}

#[test]
fn the_usual_record_is_one_cache_line() {
    let (key, value) = ([b'k'; 16], [b'v'; 32]);
    assert_eq!(record(&key, &value, None, false).as_ptr().allocated(), 64);
    assert_eq!(record(&key, &value, Some(1_700_000_000_123), false).as_ptr().allocated(), 64);
}

#[test]
fn keys_that_differ_anywhere_differ() {
    for len in 0..40 {
        let key: Vec<u8> = (0..len).collect();
        let record = record(&key, b"", None, false);
        for at in 0..key.len() {
            let mut other = key.clone();
            other[at] ^= 0x80;
            assert!(!record.as_ptr().has_key(&other), "{len} bytes, differing at {at}");
        }
        assert!(!record.as_ptr().has_key(&[&key[..], b"x"].concat()));
    }
}

#[test]
fn size_classes_hold_and_do_not_waste() {
    let mut last = 0;
    for size in 1..100_000 {
        let class = size_class(size);
        assert!(class >= size && class >= last && class.is_multiple_of(RECORD_ALIGN));
        assert!(class - size < 16.max(size / 4), "{size} in {class}");
        assert_eq!(size_class(class), class);
        last = class;
    }
}

#[test]
fn overwriting_keeps_the_shape_or_does_nothing() {
    for old_len in LENGTHS {
        for new_len in LENGTHS.into_iter().chain([1025]) {
            for (old_expiry, new_expiry) in
                EXPIRIES.into_iter().flat_map(|a| EXPIRIES.into_iter().map(move |b| (a, b)))
            {
                let (old, new) = (vec![b'o'; old_len], vec![b'n'; new_len]);
                let mut record = record(b"key", &old, old_expiry, true);
                let before = record.as_ptr().allocated();
                let done = record.as_mut().expect("ours alone").overwrite(&new, new_expiry);
                let seen = record.as_ptr();
                assert_eq!(seen.key(), b"key");
                assert_eq!(seen.allocated(), before);
                assert_eq!(seen.access(), 0xABCDEF);
                let (want, expiry) = if done { (&new, new_expiry) } else { (&old, old_expiry) };
                assert_eq!((seen.inline_str(), seen.expiry()), (Some(&want[..]), expiry));
                assert_eq!(seen.is_raw(), !done);
                assert!(done || old_len != new_len || old_expiry.is_some() || new_expiry.is_some());
            }
        }
    }
}

#[test]
fn splicing_writes_over_and_past_the_end() {
    let mut record = record(b"key", b"0123456789", None, false);
    let mut ours = record.as_mut().expect("ours alone");
    assert!(ours.splice(8, b"abc"));
    assert!(ours.splice(0, b"__"));
    assert!(!ours.splice(12, b"x"), "a gap");
    assert!(!ours.splice(11, &[b'x'; 200]), "another size class");
    assert_eq!(record.as_ptr().inline_str(), Some(&b"__234567abc"[..]));
    assert!(record.as_ptr().is_raw());
}

#[test]
fn shared_records_are_not_for_writing() {
    let mut record = record(b"key", b"value", None, false);
    let other = record.clone();
    assert!(record.as_mut().is_none());
    other.as_ptr().set_access(7);
    assert_eq!(record.as_ptr().access(), 7);
    drop(other);
    assert!(record.as_mut().is_some());
}

#[test]
fn objects_are_owned_shared_and_cloned_on_write() {
    let object = Arc::new(Object::Bytes(Layout::Str, b"long".to_vec()));
    let parts = |key, expiry| Parts {
        key,
        payload: Payload::Hung(Arc::clone(&object)),
        expiry,
        access: 0,
        raw: false,
    };
    // An odd header, so that the pointer is unaligned.
    let mut record = RecordRef::new(parts(b"odd", Some(5)));
    let other = RecordRef::new(parts(b"even", None));
    assert_eq!(Arc::count(&object), 3);
    assert_eq!(record.as_ptr().object(), Some(&*object));
    let ours = record.as_mut().and_then(RecordMut::into_object_mut).expect("ours alone");
    let Object::Bytes(Layout::Str, bytes) = ours else { panic!("a string") };
    bytes.push(b'!');
    assert_eq!(record.as_ptr().object(), Some(&Object::Bytes(Layout::Str, b"long!".to_vec())));
    assert_eq!(other.as_ptr().object(), Some(&*object));
    assert_eq!(Arc::count(&object), 2);
    assert_eq!(other.as_ptr().share_object().as_deref(), Some(&*object));
    drop((record, other));
    assert_eq!(Arc::count(&object), 1);
}

#[test]
fn the_last_thread_frees() {
    let object = Arc::new(Object::Bytes(Layout::Str, vec![1; 2000]));
    let payload = Payload::Hung(Arc::clone(&object));
    let record = RecordRef::new(Parts { key: b"key", payload, expiry: None, access: 0, raw: false });
    std::thread::scope(|scope| {
        for access in 0..4 {
            let record = record.clone();
            scope.spawn(move || {
                record.as_ptr().set_access(access);
                let other = record.clone();
                assert_eq!(other.as_ptr().key(), b"key");
            });
        }
        drop(record);
    });
    assert_eq!(Arc::count(&object), 1);
}

#[test]
fn replacing_a_part_keeps_the_size_class_or_does_nothing() {
    for layout in [Layout::Str, Layout::HashPack] {
        for (len, range, with) in [
            (20, 0..0, 3),
            (20, 20..20, 3),
            (20, 5..15, 0),
            (20, 5..15, 40),
            (300, 3..297, 290),
            (255, 1..1, 1),
            (9, 0..9, 9),
        ] {
            let old: Vec<u8> = (0..len).map(|n| n as u8).collect();
            let with = vec![0xaa; with];
            let parts = Parts {
                key: b"key",
                payload: Payload::Inline(layout, &old),
                expiry: Some(7),
                access: 3,
                raw: false,
            };
            let mut record = RecordRef::new(parts);
            let before = record.as_ptr().allocated();
            let mut want = old.clone();
            want.splice(range.clone(), with.iter().copied());
            let done = record.as_mut().expect("ours alone").replace(range.clone(), &with);
            let seen = record.as_ptr();
            assert_eq!(seen.inline(), Some((layout, if done { &want[..] } else { &old[..] })));
            assert_eq!((seen.key(), seen.expiry(), seen.allocated()), (&b"key"[..], Some(7), before));
            if want.len() == old.len() {
                assert!(done);
            }
        }
    }
}
