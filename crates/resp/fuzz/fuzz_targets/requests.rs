//! Requests: no panic, and the same requests and error however the bytes are split.

#![no_main]

use libfuzzer_sys::fuzz_target;
use resp::{Args, Form, Parsed, ProtocolError, RequestLimits, RequestParser};

type Requests = Vec<Vec<Vec<u8>>>;

fn parse<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    limits: &RequestLimits,
) -> (Requests, Option<ProtocolError>) {
    let (mut parser, mut requests, mut buf) = (RequestParser::new(), Vec::new(), Vec::new());
    let mut spans = Vec::new();
    for piece in pieces {
        buf.extend_from_slice(piece);
        let mut from = 0;
        loop {
            spans.clear();
            match parser.parse(&buf, from, limits, &mut spans) {
                Ok(Parsed::Request { end, argc, form }) => {
                    assert!(end > from && end <= buf.len() && argc == spans.len());
                    let text = if form == Form::Array { &buf } else { parser.inline() };
                    requests.push(Args::new(text, &spans).iter().map(<[u8]>::to_vec).collect());
                    from = end;
                }
                Ok(Parsed::Incomplete) => {
                    assert!(spans.is_empty());
                    break;
                }
                Err(error) => return (requests, Some(error)),
            }
        }
        buf.drain(..from);
    }
    (requests, None)
}

// The first byte chooses the limits and the size of the pieces.
fuzz_target!(|data: &[u8]| {
    let Some((&choice, bytes)) = data.split_first() else { return };
    let limits = if choice & 1 == 0 { RequestLimits::default() } else { RequestLimits::unauthenticated() };
    let limits = if choice & 2 == 0 { limits } else { RequestLimits { max_bulk: 20, max_inline: 40, ..limits } };
    let whole = parse(std::iter::once(bytes), &limits);
    let split = parse(bytes.chunks(1 + usize::from(choice >> 2)), &limits);
    assert_eq!(whole, split);
});
