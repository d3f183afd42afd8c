//! Replies: no panic, both parsers agree, and what was read is written and read again the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use resp::{OwnedReply, ReplyLimits, ReplyParser, parse_reply};

// The first byte chooses the limits and the size of the pieces. Values are compared as text, in which a NaN equals
// itself.
fuzz_target!(|data: &[u8]| {
    let Some((&choice, bytes)) = data.split_first() else { return };
    let limits = if choice & 1 == 0 {
        ReplyLimits::default()
    } else {
        ReplyLimits { max_depth: 3, max_bulk: 20, max_elements: 4 }
    };
    let mut whole: Vec<OwnedReply> = Vec::new();
    let mut rest = bytes;
    let failed = loop {
        match parse_reply(rest, &limits) {
            Ok(Some((reply, len))) => {
                let mut encoded = Vec::new();
                reply.encode(&mut encoded);
                let (again, len_again) = parse_reply(&encoded, &ReplyLimits::default()).unwrap().unwrap();
                assert_eq!(len_again, encoded.len());
                // A line may hold a line feed by itself, which is written as a space.
                if !rest[..len].windows(2).any(|pair| pair[1] == b'\n' && pair[0] != b'\r') {
                    assert_eq!(format!("{again:?}"), format!("{reply:?}"));
                }
                whole.push(reply.into_owned());
                rest = &rest[len..];
            }
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    let (mut parser, mut split, mut split_failed) = (ReplyParser::new(limits), Vec::new(), false);
    'feed: for piece in bytes.chunks(1 + usize::from(choice >> 1)) {
        parser.feed(piece);
        loop {
            match parser.next() {
                Ok(Some(reply)) => split.push(reply),
                Ok(None) => break,
                Err(_) => {
                    split_failed = true;
                    break 'feed;
                }
            }
        }
    }
    assert_eq!((format!("{whole:?}"), failed), (format!("{split:?}"), split_failed));
});
