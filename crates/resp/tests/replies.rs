//! Replies: every type of both versions, the limits, and that both parsers agree however the bytes are split.

use bytes::Bytes;
use proptest::prelude::*;
use resp::{OwnedReply, Proto, Reply, ReplyBuf, ReplyError, ReplyLimits, ReplyParser, Value, parse_reply};

/// What both parsers make of the bytes: replies, then perhaps an error. Checks that they agree.
#[track_caller]
fn parse(bytes: &[u8], limits: ReplyLimits) -> (Vec<OwnedReply>, Option<ReplyError>) {
    let mut replies = Vec::new();
    let mut rest = bytes;
    let error = loop {
        match parse_reply(rest, &limits) {
            Ok(Some((reply, len))) => {
                replies.push(reply.into_owned());
                rest = &rest[len..];
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    let whole = (replies, error.map(|error| error.to_string().split(" at ").next().map(str::to_owned)));
    for chunk in [1, 7, usize::MAX] {
        let (mut parser, mut replies, mut error) = (ReplyParser::new(limits), Vec::new(), None);
        'feed: for piece in bytes.chunks(chunk.min(bytes.len().max(1))) {
            parser.feed(piece);
            loop {
                match parser.next() {
                    Ok(Some(reply)) => replies.push(reply),
                    Ok(None) => break,
                    Err(e) => {
                        assert_eq!(parser.next(), Err(e), "an error stays");
                        error = Some(e.to_string().split(" at ").next().map(str::to_owned));
                        break 'feed;
                    }
                }
            }
        }
        assert!(same(&(replies.clone(), error.clone()), &whole), "{chunk}: {replies:?} {error:?}, {whole:?}");
    }
    (whole.0, error)
}

/// Equality under which a NaN is equal to itself.
fn same<T: std::fmt::Debug>(a: &T, b: &T) -> bool {
    format!("{a:?}") == format!("{b:?}")
}

#[track_caller]
fn check(bytes: &[u8], expected: &Reply<'_>) {
    let (replies, error) = parse(bytes, ReplyLimits::default());
    assert_eq!(error, None);
    assert_eq!(replies.len(), 1);
    assert!(same(&replies[0], &expected.clone().into_owned()), "{replies:?}");
    // Short of its last byte it is incomplete, and so not an error.
    assert_eq!(parse(&bytes[..bytes.len() - 1], ReplyLimits::default()), (vec![], None));
}

#[track_caller]
fn check_error(bytes: &[u8], limits: ReplyLimits, expected: &str) {
    let (_, error) = parse(bytes, limits);
    assert_eq!(error.map(|error| error.to_string()).as_deref(), Some(expected), "{}", bytes.escape_ascii());
}

#[test]
fn every_type() {
    check(b"+OK\r\n", &Value::Simple(b"OK"));
    check(b"+\r\n", &Value::Simple(b""));
    check(
        b"+a line that is longer than a few bytes\r\n",
        &Value::Simple(b"a line that is longer than a few bytes"),
    );
    check(b"-ERR no\r\n", &Value::Error(b"ERR no"));
    check(b":0\r\n", &Value::Int(0));
    check(b":+12\r\n", &Value::Int(12));
    check(b":-9223372036854775808\r\n", &Value::Int(i64::MIN));
    check(b":9223372036854775807\r\n", &Value::Int(i64::MAX));
    check(b"$0\r\n\r\n", &Value::Bulk(b""));
    check(b"$5\r\n\r\n$1\n\r\n", &Value::Bulk(b"\r\n$1\n"));
    check(b"$-1\r\n", &Value::Null);
    check(b"_\r\n", &Value::Null);
    check(b"*-1\r\n", &Value::NullArray);
    check(b"*0\r\n", &Value::Array(vec![]));
    check(
        b"*3\r\n$-1\r\n*1\r\n:1\r\n+x\r\n",
        &Value::Array(vec![Value::Null, Value::Array(vec![Value::Int(1)]), Value::Simple(b"x")]),
    );
    check(b"%1\r\n+k\r\n:1\r\n", &Value::Map(vec![(Value::Simple(b"k"), Value::Int(1))]));
    check(b"~2\r\n:1\r\n:2\r\n", &Value::Set(vec![Value::Int(1), Value::Int(2)]));
    check(b">1\r\n+message\r\n", &Value::Push(vec![Value::Simple(b"message")]));
    check(b",1.5\r\n", &Value::Double(1.5));
    check(b",10\r\n", &Value::Double(10.0));
    check(b",-1.2e-7\r\n", &Value::Double(-1.2e-7));
    check(b",inf\r\n", &Value::Double(f64::INFINITY));
    check(b",-inf\r\n", &Value::Double(f64::NEG_INFINITY));
    check(b",nan\r\n", &Value::Double(f64::NAN));
    check(b"#t\r\n", &Value::Boolean(true));
    check(b"#f\r\n", &Value::Boolean(false));
    check(
        b"(-3492890328409238509324850943850943825024385\r\n",
        &Value::BigNumber(b"-3492890328409238509324850943850943825024385"),
    );
    check(b"!21\r\nSYNTAX invalid syntax\r\n", &Value::BulkError(b"SYNTAX invalid syntax"));
    check(b"=8\r\ntxt:text\r\n", &Value::Verbatim { format: *b"txt", text: b"text" });
    check(
        b"|1\r\n+ttl\r\n:9\r\n*1\r\n+x\r\n",
        &Value::Attribute(Box::new(resp::Attributed {
            attributes: vec![(Value::Simple(b"ttl"), Value::Int(9))],
            reply: Value::Array(vec![Value::Simple(b"x")]),
        })),
    );
    check(
        b"|0\r\n+x\r\n",
        &Value::Attribute(Box::new(resp::Attributed { attributes: vec![], reply: Value::Simple(b"x") })),
    );
}

#[test]
fn a_null_is_told_apart_from_a_negative_length() {
    let limits = ReplyLimits::default();
    check_error(b"$-2\r\n", limits, "malformed bulk string at byte 0");
    check_error(b"*-2\r\n", limits, "malformed aggregate at byte 0");
    check_error(b"%-1\r\n", limits, "malformed aggregate at byte 0");
    check_error(b"!-1\r\n", limits, "malformed bulk error at byte 0");
}

#[test]
fn errors_name_what_and_where() {
    let limits = ReplyLimits::default();
    for (bytes, expected) in [
        (&b"?"[..], "unknown reply type '?' at byte 0"),
        (b"*2\r\n:1\r\nx", "unknown reply type 'x' at byte 8"),
        (b"+a\rb\r\n", "malformed line end at byte 0"),
        (b":\r\n", "malformed integer at byte 0"),
        (b":1a\r\n", "malformed integer at byte 0"),
        (b":--1\r\n", "malformed integer at byte 0"),
        (b":1\n", "malformed integer at byte 0"),
        (b":9223372036854775808\r\n", "malformed integer at byte 0"),
        (b":12345678901234567890\r\n", "malformed integer at byte 0"),
        (b"$3\r\nabcd\r\n", "malformed string end at byte 0"),
        (b"*1\r\n$1\r\nab\r\n", "malformed string end at byte 4"),
        (b"$?\r\n", "malformed bulk string at byte 0"),
        (b"_x\r\n", "malformed null at byte 0"),
        (b"#x\r\n", "malformed boolean at byte 0"),
        (b",infinity\r\n", "malformed double at byte 0"),
        (b",1.2.3\r\n", "malformed double at byte 0"),
        (b",\r\n", "malformed double at byte 0"),
        (b"(12x\r\n", "malformed big number at byte 0"),
        (b"(-\r\n", "malformed big number at byte 0"),
        (b"=3\r\ntxt\r\n", "malformed verbatim string at byte 0"),
        (b"=4\r\ntxt-\r\n", "malformed verbatim string at byte 0"),
    ] {
        check_error(bytes, limits, expected);
    }
}

#[test]
fn the_limits_hold() {
    let limits = ReplyLimits { max_depth: 2, max_bulk: 5, max_elements: 3 };
    assert_eq!(parse(b"*1\r\n*1\r\n$5\r\nabcde\r\n", limits).1, None);
    check_error(b"$6\r\nabcdef\r\n", limits, "a string of 6 bytes at byte 0 is over the limit of 5");
    check_error(b"*4\r\n", limits, "an aggregate of 4 elements at byte 0 is over the limit of 3");
    check_error(b"%4\r\n", limits, "an aggregate of 4 elements at byte 0 is over the limit of 3");
    check_error(b"*1\r\n*1\r\n*1\r\n", limits, "aggregates are nested deeper than 2 at byte 8");
    check_error(b"*1\r\n%1\r\n*1\r\n", limits, "aggregates are nested deeper than 2 at byte 8");
    check_error(b"|0\r\n|0\r\n|0\r\n", limits, "aggregates are nested deeper than 2 at byte 8");
    let (_, error) = parse(b"+abcdef\r\n", limits);
    assert!(matches!(error, Some(ReplyError::TooLong { limit: 5, .. })), "{error:?}");
    assert_eq!(parse(b"+abcde\r\n", limits).0, [Value::Simple(Bytes::from("abcde"))]);
    let limits = ReplyLimits { max_depth: 0, ..limits };
    assert_eq!(parse(b":1\r\n*-1\r\n", limits).0.len(), 2);
    check_error(b"*0\r\n", limits, "aggregates are nested deeper than 0 at byte 0");
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    let bytes = b"*1\r\n".repeat(100_000);
    check_error(&bytes, ReplyLimits::default(), "aggregates are nested deeper than 128 at byte 512");
    let bytes = b"*9999999\r\n".repeat(128);
    assert_eq!(parse(&bytes, ReplyLimits::default()), (vec![], None), "and no room is made for claims");
}

#[test]
fn large_strings_are_shared_and_small_ones_copied() {
    let mut parser = ReplyParser::default();
    let large = vec![b'x'; 5000];
    let mut bytes = Vec::new();
    Value::Array(vec![Value::Bulk(&b"small"[..]), Value::Bulk(&large), Value::Int(3)]).encode(&mut bytes);
    parser.feed(&bytes[..3000]);
    assert_eq!(parser.next(), Ok(None));
    assert_eq!(parser.missing(), bytes.len() - 3000 - 4);
    parser.buffer_mut().extend_from_slice(&bytes[3000..]);
    let reply = parser.next().unwrap().unwrap();
    let items = reply.as_slice().unwrap();
    assert_eq!(items[0].as_bytes(), Some(&b"small"[..]));
    assert_eq!(items[1].as_bytes(), Some(&large[..]));
    assert_eq!(parser.next(), Ok(None));
}

#[test]
fn accessors() {
    assert_eq!(Value::Error("ERR x").as_error(), Some(&b"ERR x"[..]));
    assert_eq!(Value::BulkError("ERR y").as_error(), Some(&b"ERR y"[..]));
    assert_eq!(Value::Simple("OK").as_error(), None);
    assert_eq!(Value::Error("ERR x").as_bytes(), None);
    assert!(Value::<&str>::Null.is_null() && Value::<&str>::NullArray.is_null());
    assert!(!Value::Bulk("").is_null());
    assert_eq!(Value::Push(vec![Value::Int(1)]).as_slice(), Some(&[Value::<&str>::Int(1)][..]));
}

fn reply() -> impl Strategy<Value = OwnedReply> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from);
    let text = || "[ -~]{0,30}".prop_map(Bytes::from);
    let leaf = prop_oneof![
        text().prop_map(Value::Simple),
        text().prop_map(Value::Error),
        any::<i64>().prop_map(Value::Int),
        (-200i64..200).prop_map(Value::Int),
        bytes().prop_map(Value::Bulk),
        prop::collection::vec(any::<u8>(), 1000..1100).prop_map(|bytes| Value::Bulk(bytes.into())),
        Just(Value::Null),
        Just(Value::NullArray),
        any::<f64>().prop_map(Value::Double),
        any::<bool>().prop_map(Value::Boolean),
        "[+-]?[0-9]{1,40}".prop_map(|digits| Value::BigNumber(digits.into())),
        bytes().prop_map(Value::BulkError),
        bytes().prop_map(|text| Value::Verbatim { format: *b"mkd", text }),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let items = prop::collection::vec(inner.clone(), 0..6);
        let pairs = prop::collection::vec((inner.clone(), inner.clone()), 0..4);
        prop_oneof![
            items.clone().prop_map(Value::Array),
            items.clone().prop_map(Value::Set),
            items.prop_map(Value::Push),
            pairs.clone().prop_map(Value::Map),
            (pairs, inner).prop_map(|(attributes, reply)| {
                Value::Attribute(Box::new(resp::Attributed { attributes, reply }))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_encoded_is_parsed(replies in prop::collection::vec(reply(), 0..4)) {
        let mut bytes = Vec::new();
        replies.iter().for_each(|reply| reply.encode(&mut bytes));
        let (parsed, error) = parse(&bytes, ReplyLimits::default());
        prop_assert_eq!(error, None);
        prop_assert!(same(&parsed, &replies));
    }

    #[test]
    fn damage_is_seen_alike(reply in reply(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut bytes = Vec::new();
        reply.encode(&mut bytes);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes.truncate(cut.index(bytes.len() + 1).max(bytes.len() / 2));
        parse(&bytes, ReplyLimits { max_depth: 3, max_bulk: 1050, max_elements: 5 });
    }

    #[test]
    fn bytes_of_any_kind_are_seen_alike(bytes in "[*$:+~>%|,#_(!=\\-0-9a-z\r\n]{0,60}") {
        parse(bytes.as_bytes(), ReplyLimits::default());
    }

    #[test]
    fn the_writer_writes_what_the_parser_reads(int: i64, double: f64, bytes: Vec<u8>, text in "[ -~]{0,20}") {
        for proto in [Proto::Resp2, Proto::Resp3] {
            let mut out = ReplyBuf { proto, ..ReplyBuf::new() };
            out.array(6);
            out.int(int);
            out.double(double);
            out.bulk(&bytes);
            out.error(&text);
            out.verbatim("txt", &bytes);
            out.bulk_int(int);
            let (reply, len) = parse_reply(&out.buf, &ReplyLimits::default()).unwrap().unwrap();
            prop_assert_eq!(len, out.buf.len());
            let items = reply.as_slice().unwrap();
            prop_assert_eq!(&items[0], &Value::Int(int));
            let read: f64 = match &items[1] {
                Value::Double(n) => *n,
                text => std::str::from_utf8(text.as_bytes().unwrap()).unwrap().parse().unwrap(),
            };
            prop_assert!(read == double || read.is_nan() && double.is_nan());
            prop_assert_eq!(items[2].as_bytes(), Some(&bytes[..]));
            prop_assert_eq!(items[3].as_error(), Some(text.as_bytes()));
            prop_assert_eq!(items[4].as_bytes(), Some(&bytes[..]));
            let digits = int.to_string();
            prop_assert_eq!(items[5].as_bytes(), Some(digits.as_bytes()));
        }
    }
}
