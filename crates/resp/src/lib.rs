//! RESP2 and RESP3, the wire protocol of Redis and Valkey, for servers and clients. No I/O: bytes go in, values come
//! out, and the other way round.
//!
//! A server reads requests with [`RequestParser`] and writes replies with [`ReplyBuf`]:
//!
//! ```
//! use resp::{Args, Form, Parsed, ReplyBuf, RequestLimits, RequestParser};
//!
//! let limits = RequestLimits::default();
//! let mut parser = RequestParser::new();
//! let mut spans = Vec::new();
//! let mut out = ReplyBuf::new();
//!
//! // What a socket gave: two requests, one in each form, and the start of a third.
//! let buf = b"*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\nPING\r\n*1\r\n$4\r\nQU";
//! let mut at = 0;
//! loop {
//!     spans.clear();
//!     match parser.parse(buf, at, &limits, &mut spans) {
//!         Ok(Parsed::Request { end, form, .. }) => {
//!             at = end;
//!             let text = if form == Form::Array { buf } else { parser.inline() };
//!             let args = Args::new(text, &spans);
//!             match args.get(0) {
//!                 None => {} // A blank line has no reply.
//!                 Some(b"PING") => out.simple("PONG"),
//!                 Some(b"ECHO") if args.len() == 2 => out.bulk(&args[1]),
//!                 Some(_) => out.error("ERR unknown command"),
//!             }
//!         }
//!         Ok(Parsed::Incomplete) => break, // Keep buf[at..] and read on.
//!         Err(error) => {
//!             out.error(&format!("ERR Protocol error: {error}"));
//!             break; // And close the connection.
//!         }
//!     }
//! }
//! assert_eq!(out.buf, b"$2\r\nhi\r\n+PONG\r\n");
//! assert_eq!(at, 28);
//! ```
//!
//! A client writes requests with [`encode_request`] and reads replies with [`parse_reply`], which copies nothing, or
//! with [`ReplyParser`], which takes bytes in any pieces and gives values that stand on their own:
//!
//! ```
//! use resp::{ReplyLimits, ReplyParser, Value, encode_request};
//!
//! let mut out = Vec::new();
//! encode_request(&mut out, &[b"GET", b"key"]);
//! assert_eq!(out, b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n");
//!
//! let mut replies = ReplyParser::new(ReplyLimits::default());
//! replies.feed(b"$5\r\nva");
//! assert_eq!(replies.next()?, None);
//! replies.feed(b"lue\r\n");
//! assert_eq!(replies.next()?, Some(Value::Bulk("value".into())));
//! # Ok::<(), resp::ReplyError>(())
//! ```
//!
//! # What a peer can do
//!
//! Nothing that a peer sends makes these parsers panic, recurse without bound, or take memory that it has not sent
//! the bytes for, apart from a small bound. Limits are the caller's: [`RequestLimits`] and [`ReplyLimits`]. What a
//! parser makes of some bytes, errors included, does not depend on how they were split.

#![forbid(unsafe_code)]

mod args;
mod decode;
mod digits;
mod double;
mod encode;
mod error;
mod incremental;
mod inline;
mod reply;
mod reply_buf;
mod request;
mod token;

pub use args::{Args, ArgsIter, OwnedArgs, Span};
pub use decode::{ReplyLimits, parse_reply};
pub use double::{DoubleText, format_double, format_human_double};
pub use encode::{encode_array_header, encode_bulk, encode_request};
pub use error::{ProtocolError, ReplyError, UnbalancedQuotes};
pub use incremental::ReplyParser;
pub use inline::split_inline;
pub use reply::{Attributed, OwnedReply, Reply, Value};
pub use reply_buf::{Mark, Proto, ReplyBuf};
pub use request::{Form, Parsed, RequestLimits, RequestParser};
