//! Requests: what is accepted, what is refused and in which words, and that the split of the bytes changes nothing.

use proptest::prelude::*;
use resp::{
    Args, Form, Parsed, ProtocolError, RequestLimits, RequestParser, Span, encode_request, split_inline,
};

type Requests = Vec<Vec<Vec<u8>>>;

/// Feeds the bytes in the given pieces, as a connection would: consumed requests are dropped from the buffer, the
/// rest moves to its front.
fn parse_pieces<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    limits: &RequestLimits,
) -> (Requests, Option<ProtocolError>) {
    let (mut parser, mut requests, mut buf) = (RequestParser::new(), Vec::new(), Vec::new());
    for piece in pieces {
        buf.extend_from_slice(piece);
        let mut from = 0;
        loop {
            let mut spans = vec![Span { start: 77, len: 77 }];
            match parser.parse(&buf, from, limits, &mut spans) {
                Ok(Parsed::Request { end, argc, form }) => {
                    assert!(end > from);
                    assert_eq!(spans.len(), 1 + argc);
                    assert_eq!(parser.missing(), 0);
                    let text = if form == Form::Array { &buf } else { parser.inline() };
                    requests.push(Args::new(text, &spans[1..]).iter().map(<[u8]>::to_vec).collect());
                    from = end;
                }
                Ok(Parsed::Incomplete) => {
                    assert_eq!(spans.len(), 1, "nothing is appended for an incomplete request");
                    break;
                }
                Err(error) => {
                    assert_eq!(spans.len(), 1, "nothing is appended for a broken request");
                    return (requests, Some(error));
                }
            }
        }
        buf.drain(..from);
    }
    (requests, None)
}

fn parse(bytes: &[u8]) -> (Requests, Option<ProtocolError>) {
    parse_pieces([bytes], &RequestLimits::default())
}

#[track_caller]
fn check(bytes: &[u8], expected: &[&[&[u8]]]) {
    let (requests, error) = parse(bytes);
    assert_eq!(error, None);
    assert_eq!(requests, expected, "{}", bytes.escape_ascii());
    assert_eq!(parse_pieces(bytes.chunks(1), &RequestLimits::default()), (requests, None));
}

#[track_caller]
fn check_error(bytes: &[u8], limits: &RequestLimits, expected: &str) {
    let (requests, error) = parse_pieces([bytes], limits);
    let text = error.map(|error| error.to_string());
    assert_eq!(text.as_deref(), Some(expected), "{}", bytes.escape_ascii());
    assert_eq!(parse_pieces(bytes.chunks(1), limits), (requests, error));
}

#[test]
fn arrays_of_bulk_strings() {
    check(b"*1\r\n$4\r\nPING\r\n", &[&[b"PING"]]);
    check(b"*2\r\n$3\r\nGET\r\n$13\r\nkey\r\nof\0lines\r\n", &[&[b"GET", b"key\r\nof\0lines"]]);
    check(b"*1\r\n$0\r\n\r\n*1\r\n$1\r\n*\r\n", &[&[b""], &[b"*"]]);
    let big = vec![b'x'; 123_456];
    let mut buf = Vec::new();
    encode_request(&mut buf, &[b"SET", b"k", &big]);
    assert_eq!(parse(&buf), (vec![vec![b"SET".to_vec(), b"k".to_vec(), big]], None));
    let many: Vec<Vec<u8>> = (0..1000).map(|i| format!("{i}").into_bytes()).collect();
    buf.clear();
    encode_request(&mut buf, &many.iter().map(Vec::as_slice).collect::<Vec<_>>());
    assert_eq!(parse(&buf), (vec![many], None));
}

#[test]
fn blank_requests_have_no_arguments() {
    check(b"*0\r\n*-1\r\n*-7\r\n\r\n\n  \t\r\n*1\r\n$1\r\nx\r\n", &[&[], &[], &[], &[], &[], &[], &[b"x"]]);
}

#[test]
fn inline_requests() {
    check(b"PING\r\n", &[&[b"PING"]]);
    check(b" SET  key value \n", &[&[b"SET", b"key", b"value"]]);
    check(
        b"SET k \"a\\x41\\n\" 'it\\'s'\r\nGET k\r\n",
        &[&[b"SET", b"k", b"aA\n", b"it's"], &[b"GET", b"k"]],
    );
    check(b"a\rb\n$5\r\n", &[&[b"a", b"b"], &[b"$5"]]);
}

#[test]
fn inline_arguments_follow_each_other_in_their_own_buffer() {
    let (mut parser, mut spans) = (RequestParser::new(), Vec::new());
    let parsed = parser.parse(b"..ECHO 'a b'\r\n", 2, &RequestLimits::default(), &mut spans);
    assert_eq!(parsed, Ok(Parsed::Request { end: 14, argc: 2, form: Form::Inline }));
    assert_eq!(parser.inline(), b"ECHOa b");
    assert_eq!(spans, [Span { start: 0, len: 4 }, Span { start: 4, len: 3 }]);
}

#[test]
fn errors_in_the_words_that_clients_know() {
    let limits = RequestLimits::default();
    for (bytes, expected) in [
        (&b"*x\r\n"[..], "invalid multibulk length"),
        (b"*\r\n", "invalid multibulk length"),
        (b"*01\r\n", "invalid multibulk length"),
        (b"*+1\r\n", "invalid multibulk length"),
        (b"*-0\r\n", "invalid multibulk length"),
        (b"*1 \r\n", "invalid multibulk length"),
        (b"*1\rx", "invalid CRLF in request"),
        (b"*1\r\n$3\rx", "invalid CRLF in request"),
        (b"*1x\n$3\r\nGET\r\n", "invalid multibulk length"),
        (b"*1048577\r\n", "invalid multibulk length"),
        (b"*99999999999999999999\r\n", "invalid multibulk length"),
        (b"*1\r\n$\r\n", "invalid bulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$abc\r\n", "invalid bulk length"),
        (b"*1\r\n$007\r\n", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"*1\r\n$18446744073709551616\r\n", "invalid bulk length"),
        (b"*1\r\nfoo\r\n", "expected '$', got 'f'"),
        (b"*2\r\n$3\r\nGET\r\n:1\r\n", "expected '$', got ':'"),
        (b"*1\r\n\r\n", "expected '$', got '\\r'"),
        (b"*1\r\n$3\r\nGETX\r\n", "invalid CRLF in request"),
        (b"GET \"key\r\n", "unbalanced quotes in request"),
        (b"GET 'key\r\n", "unbalanced quotes in request"),
        (b"GET \"key\"s\"\r\n", "unbalanced quotes in request"),
    ] {
        check_error(bytes, &limits, expected);
    }
}

#[test]
fn lines_without_an_end_are_too_big() {
    let limits = RequestLimits::default();
    for (start, expected) in [
        (&b"*"[..], "too big mbulk count string"),
        (b"*1\r\n$", "too big bulk count string"),
        (b"GET ", "too big inline request"),
    ] {
        let mut bytes = start.to_vec();
        let line = bytes.rsplit(|&byte| byte == b'\n').next().unwrap_or(&[]).len();
        bytes.resize(start.len() - line + limits.max_inline, b'1');
        assert_eq!(parse(&bytes), (vec![], None), "as long as may be, and still without its end");
        bytes.push(b'1');
        assert_eq!(parse(&bytes).1.map(|error| error.to_string()).as_deref(), Some(expected));
        // That the end has come with it changes nothing.
        bytes.extend_from_slice(b"\r\n");
        assert_eq!(parse(&bytes).1.map(|error| error.to_string()).as_deref(), Some(expected));
    }
}

#[test]
fn the_longest_inline_request_is_accepted() {
    let limits = RequestLimits { max_inline: 100, ..RequestLimits::default() };
    let mut line = vec![b'a'; 99];
    line.extend_from_slice(b"\r\n");
    assert_eq!(parse_pieces([&line[..]], &limits), (vec![vec![vec![b'a'; 99]]], None));
    line.insert(0, b'a');
    check_error(&line, &limits, "too big inline request");
}

#[test]
fn strangers_may_send_little() {
    let limits = RequestLimits::unauthenticated();
    let auth = b"*3\r\n$4\r\nAUTH\r\n$4\r\nuser\r\n$4\r\npass\r\n";
    assert_eq!(parse_pieces([&auth[..]], &limits).0.len(), 1);
    check_error(b"*11\r\n", &limits, "unauthenticated multibulk length");
    check_error(b"*9999999999\r\n", &limits, "invalid multibulk length");
    check_error(b"*1\r\n$16385\r\n", &limits, "unauthenticated bulk length");
    check_error(b"*1\r\n$9999999999\r\n", &limits, "invalid bulk length");
    assert_eq!(parse_pieces([&b"*10\r\n$16384\r\n"[..]], &limits), (vec![], None));
}

#[test]
fn limits_hold_for_whole_requests_too() {
    let limits = RequestLimits { max_args: 2, max_bulk: 3, ..RequestLimits::default() };
    assert_eq!(parse_pieces([&b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"[..]], &limits).0.len(), 1);
    check_error(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n", &limits, "invalid multibulk length");
    check_error(b"*2\r\n$3\r\nGET\r\n$4\r\nlong\r\n", &limits, "invalid bulk length");
}

#[test]
fn a_claim_takes_no_memory() {
    let (mut parser, mut spans) = (RequestParser::new(), Vec::new());
    let limits = RequestLimits::default();
    let bytes = b"*1048576\r\n$536870912\r\nx";
    assert_eq!(parser.parse(bytes, 0, &limits, &mut spans), Ok(Parsed::Incomplete));
    assert_eq!(spans.capacity(), 0);
    assert_eq!(parser.missing(), 536_870_912 + 2 - 1);
}

#[test]
fn missing_counts_down() {
    let (mut parser, mut spans) = (RequestParser::new(), Vec::new());
    let limits = RequestLimits::default();
    let bytes = b"*1\r\n$5\r\nhello\r\n";
    let missing: Vec<usize> = (0..bytes.len())
        .map(|len| {
            assert_eq!(parser.parse(&bytes[..len], 0, &limits, &mut spans), Ok(Parsed::Incomplete));
            parser.missing()
        })
        .collect();
    assert_eq!(missing, [0, 0, 0, 0, 0, 0, 0, 0, 7, 6, 5, 4, 3, 2, 1]);
}

#[test]
fn a_parser_is_as_new_after_an_error() {
    let (mut parser, mut spans) = (RequestParser::new(), Vec::new());
    let limits = RequestLimits::default();
    assert_eq!(parser.parse(b"*2\r\n$1\r\na\r\n$", 0, &limits, &mut spans), Ok(Parsed::Incomplete));
    assert!(parser.parse(b"*2\r\n$1\r\na\r\n$x\r\n", 0, &limits, &mut spans).is_err());
    let parsed = parser.parse(b"PING\r\n", 0, &limits, &mut spans);
    assert_eq!(parsed, Ok(Parsed::Request { end: 6, argc: 1, form: Form::Inline }));
}

#[test]
fn a_start_beyond_the_buffer_is_incomplete() {
    let mut parser = RequestParser::new();
    assert_eq!(parser.parse(b"PING", 9, &RequestLimits::default(), &mut Vec::new()), Ok(Parsed::Incomplete));
}

/// Requests of both forms, some blank, some broken.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let args = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..6);
    let array = args.prop_map(|args| {
        let mut out = Vec::new();
        encode_request(&mut out, &args.iter().map(Vec::as_slice).collect::<Vec<_>>());
        out
    });
    let request = prop_oneof![
        8 => array,
        2 => "[ a-z\"'\\\\x0-9]{0,20}\r?\n".prop_map(String::into_bytes),
        1 => r"\*[0-9-]{0,3}\r\n(\$[0-9-]{0,2}\r\n[a-z]{0,3}\r\n){0,2}".prop_map(String::into_bytes),
    ];
    (
        prop::collection::vec(request, 0..8),
        prop::option::weighted(0.2, (any::<prop::sample::Index>(), any::<u8>())),
    )
        .prop_map(|(requests, damage)| {
            let mut bytes = requests.concat();
            if let (Some((at, byte)), false) = (damage, bytes.is_empty()) {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_split_gives_the_same(bytes in stream(), mut cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6), small in any::<bool>()) {
        let limits = if small {
            RequestLimits { max_args: 3, max_bulk: 12, max_inline: 40, authenticated: false }
        } else {
            RequestLimits::default()
        };
        let whole = parse_pieces([&bytes[..]], &limits);
        prop_assert_eq!(&parse_pieces(bytes.chunks(1), &limits), &whole);
        cuts.sort_by_key(|cut| cut.index(bytes.len() + 1));
        let (mut pieces, mut at) = (Vec::new(), 0);
        for cut in cuts {
            let cut = cut.index(bytes.len() + 1);
            pieces.push(&bytes[at..cut]);
            at = cut;
        }
        pieces.push(&bytes[at..]);
        prop_assert_eq!(&parse_pieces(pieces, &limits), &whole);
    }

    #[test]
    fn what_is_encoded_is_parsed(requests in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..12), 0..5)) {
        let mut bytes = Vec::new();
        for args in &requests {
            encode_request(&mut bytes, &args.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
        prop_assert_eq!(parse(&bytes), (requests, None));
    }

    #[test]
    fn quoted_arguments_read_back(args in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 0..5)) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
        let line = args.iter().map(|arg| format!("\"{}\"", hex(arg))).collect::<Vec<_>>().join(" ");
        prop_assert_eq!(split_inline(line.as_bytes()), Ok(args));
    }
}
