use proptest::prelude::*;

use super::*;

const MARK: &[u8; 40] = b"0123456789abcdef0123456789abcdef01234567";

/// Feeds the chunks; what the payload was, and what was left over once it ended.
fn receive(header: &[u8], chunks: &[&[u8]]) -> (Vec<u8>, Option<Vec<u8>>) {
    let mut payload = Payload::from_header(header).expect("a good header");
    let mut bytes = Vec::new();
    for (index, chunk) in chunks.iter().enumerate() {
        let mut input = *chunk;
        loop {
            match payload.step(&mut input) {
                Some(Event::Payload(piece)) => {
                    assert!(!piece.is_empty());
                    bytes.extend_from_slice(&piece);
                }
                Some(Event::PayloadEnd) => {
                    assert_eq!(payload.received(), bytes.len() as u64);
                    let left = [input].into_iter().chain(chunks[index + 1..].iter().copied());
                    return (bytes, Some(left.flatten().copied().collect()));
                }
                None => break,
                other => panic!("{other:?}"),
            }
        }
        assert!(input.is_empty(), "everything is taken");
    }
    (bytes, None)
}

fn eof_header(mark: &[u8]) -> Vec<u8> {
    [b"$EOF:", mark].concat()
}

#[test]
fn a_length_is_counted_off() {
    assert_eq!(receive(b"$5", &[b"ab", b"", b"cdefg"]), (b"abcde".to_vec(), Some(b"fg".to_vec())));
    assert_eq!(receive(b"$0", &[b""]), (vec![], Some(vec![])), "an empty payload needs no further byte");
    assert_eq!(receive(b"$5", &[b"abcd"]), (b"abcd".to_vec(), None));
    assert_eq!(receive(b"$9223372036854775807", &[b"abcd"]), (b"abcd".to_vec(), None));
}

#[test]
fn headers_that_are_none_are_refused() {
    for header in [
        &b"$"[..],
        b"$x",
        b"$-1",
        b"$+1",
        b"$9223372036854775808",
        b"$99999999999999999999999",
        b"$EOF:",
        b"$EOF:0123",
        b"$EOF:0123456789abcdef0123456789abcdef012345678",
        b"*1",
        b"+OK",
        b"5",
    ] {
        let error = Payload::from_header(header).expect_err("not a header");
        assert!(matches!(error, LinkError::Unexpected { .. }), "{error}");
    }
    let error = Payload::from_header(b"-ERR out of memory").expect_err("an error");
    assert_eq!(error, LinkError::SyncAborted { reply: "-ERR out of memory".into() });
}

#[test]
fn the_mark_may_be_cut_anywhere() {
    let text = [&b"the payload"[..], MARK, b"the stream"].concat();
    for first in 0..=text.len() {
        for second in first..=text.len() {
            let chunks = [&text[..first], &text[first..second], &text[second..]];
            let expected = (b"the payload".to_vec(), Some(b"the stream".to_vec()));
            assert_eq!(receive(&eof_header(MARK), &chunks), expected, "cut at {first} and {second}");
        }
    }
}

#[test]
fn what_only_looks_like_the_mark_belongs_to_the_payload() {
    // 39 bytes of the mark, then another: also with a mark that begins again within itself.
    for mark in [
        *MARK,
        [b'a'; 40],
        *b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
        *b"abababababababababababababababababababab",
    ] {
        let body = [&mark[..39], b"x", &mark[..20], &mark[..39], b"y"].concat();
        let text = [&body[..], &mark, b"z"].concat();
        let at = text.windows(40).position(|window| window == mark).expect("it is there");
        let expected = (text[..at].to_vec(), Some(text[at + 40..].to_vec()));
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(receive(&eof_header(&mark), &bytes), expected, "byte by byte");
        for cut in 0..=text.len() {
            assert_eq!(receive(&eof_header(&mark), &[&text[..cut], &text[cut..]]), expected, "cut at {cut}");
        }
    }
}

#[test]
fn the_body_is_not_copied() {
    let mut payload = Payload::from_header(&eof_header(MARK)).expect("a good header");
    let text = [&[7u8; 1000][..], &MARK[..10]].concat();
    let mut input = &text[..];
    match payload.step(&mut input) {
        Some(Event::Payload(piece)) => {
            assert_eq!(piece.as_ptr(), text.as_ptr());
            assert_eq!(piece.len(), 1000);
        }
        other => panic!("{other:?}"),
    }
}

proptest! {
    /// Against a search in the whole text; an alphabet of two letters makes near misses likely.
    #[test]
    fn the_first_mark_ends_the_payload(
        mark in prop::collection::vec(prop::sample::select(b"ab".to_vec()), 40),
        pieces in prop::collection::vec((0usize..3, 0usize..40, 1usize..60), 0..8),
        chunk in 1usize..50,
    ) {
        let mut text = Vec::new();
        for (kind, from, len) in pieces {
            match kind {
                0 => text.extend_from_slice(&mark[..from]),
                1 => text.extend_from_slice(&mark[from..]),
                _ => text.extend((0..len).map(|i| b"ab"[i % 2])),
            }
        }
        text.extend_from_slice(&mark);
        text.extend_from_slice(b"rest");
        let at = text.windows(40).position(|window| window == mark).expect("it is there");
        let chunks: Vec<&[u8]> = text.chunks(chunk).collect();
        let expected = (text[..at].to_vec(), Some(text[at + 40..].to_vec()));
        prop_assert_eq!(receive(&eof_header(&mark), &chunks), expected);
    }
}
