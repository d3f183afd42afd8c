//! Parsing replies as they arrive, in pieces of any size.

use bytes::{Buf, Bytes, BytesMut};

use crate::decode::RESERVE;
use crate::reply::Attributed;
use crate::token::{Aggregate, Cursor, Stop, plain_bulk};
use crate::{OwnedReply, ReplyError, ReplyLimits, Value};

/// Strings at least this long share the parser's buffer, shorter ones are copied out of it: a copy costs less than
/// the shared count, and a small value that is kept does not hold on to a large buffer.
const SHARE_FROM: usize = 1024;

/// Parses replies out of bytes that arrive in any pieces. It remembers how far the one incomplete reply has come:
/// no element is read twice.
///
/// ```
/// use resp::{ReplyLimits, ReplyParser, Value};
/// let mut parser = ReplyParser::new(ReplyLimits::default());
/// parser.feed(b"*2\r\n:1\r\n");
/// assert_eq!(parser.next()?, None);
/// parser.feed(b":2\r\n+OK\r\n");
/// assert_eq!(parser.next()?, Some(Value::Array(vec![Value::Int(1), Value::Int(2)])));
/// assert_eq!(parser.next()?, Some(Value::Simple("OK".into())));
/// assert_eq!(parser.next()?, None);
/// # Ok::<(), resp::ReplyError>(())
/// ```
#[derive(Debug, Default)]
pub struct ReplyParser {
    limits: ReplyLimits,
    buf: BytesMut,
    /// Bytes of the stream before `buf`.
    consumed: u64,
    /// So many bytes of `buf` are known not to hold the end of the line that they begin.
    scanned: usize,
    missing: usize,
    /// The aggregates that are not complete, the innermost last. Invariant: each lacks at least one value.
    open: Vec<Open>,
    failed: Option<ReplyError>,
}

/// An aggregate that lacks elements.
#[derive(Debug)]
struct Open {
    kind: Aggregate,
    /// Values still to come; for an attribute those of its pairs and the reply.
    left: u64,
    items: Items,
}

#[derive(Debug)]
enum Items {
    Flat(Vec<OwnedReply>),
    /// The pairs, and the key whose value has not come.
    Pairs(Vec<(OwnedReply, OwnedReply)>, Option<OwnedReply>),
}

impl ReplyParser {
    /// A parser with these limits.
    #[must_use]
    pub fn new(limits: ReplyLimits) -> Self {
        ReplyParser { limits, ..Self::default() }
    }

    /// Hands over more bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }

    /// The buffer of bytes not parsed yet, for a reader that can append to it without a copy. Take nothing out.
    pub fn buffer_mut(&mut self) -> &mut BytesMut {
        &mut self.buf
    }

    /// How many more bytes are needed at least before [`next`](Self::next) can get further; 0 if unknown.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// The next reply; `None` if it is not all there yet.
    ///
    /// # Errors
    /// The bytes are no reply, or one beyond the limits. The stream is of no use from there on: every further call
    /// gives the same error.
    #[expect(clippy::should_implement_trait, reason = "an iterator's `None` would mean the end")]
    pub fn next(&mut self) -> Result<Option<OwnedReply>, ReplyError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        match self.advance() {
            Ok(reply) => {
                self.missing = 0;
                Ok(Some(reply))
            }
            Err(Stop::Incomplete(missing)) => {
                self.missing = missing;
                // Of a line's end, which has two bytes, the first may be there.
                self.scanned = self.buf.len().saturating_sub(1);
                Ok(None)
            }
            Err(Stop::Error(error)) => {
                self.failed = Some(error);
                self.open = Vec::new();
                self.buf = BytesMut::new();
                Err(error)
            }
        }
    }

    /// Reads tokens until a reply is complete or there are no more; drops them from the buffer.
    fn advance(&mut self) -> Result<OwnedReply, Stop> {
        loop {
            let mut cursor = Cursor::new(&self.buf, &self.limits);
            cursor.base = self.consumed;
            cursor.scanned = std::mem::take(&mut self.scanned);
            let found = loop {
                match read(&mut cursor, &mut self.open) {
                    None => break Err(cursor.stop),
                    Some(Read::Opened) => {}
                    Some(Read::Large(len)) => break Ok(Err(len)),
                    Some(Read::Value(value)) => {
                        if let Some(reply) = place(&mut self.open, value) {
                            break Ok(Ok(reply));
                        }
                    }
                }
                cursor.scanned = 0;
            };
            let end = cursor.at;
            self.consume(end);
            let len = match found? {
                Ok(reply) => return Ok(reply),
                Err(len) => len,
            };
            // A large bulk string has been read, and has just been dropped but for itself and its CR LF.
            let bytes = self.buf.split_to(len).freeze();
            self.consumed += len as u64;
            self.consume(2);
            if let Some(reply) = place(&mut self.open, Value::Bulk(bytes)) {
                return Ok(reply);
            }
        }
    }

    fn consume(&mut self, len: usize) {
        self.buf.advance(len);
        self.consumed += len as u64;
    }
}

/// What one token was.
enum Read {
    /// A value, or an aggregate without elements.
    Value(OwnedReply),
    /// The header of an aggregate, which is open now.
    Opened,
    /// A bulk string of this length, too large to copy; the cursor stands at its first byte.
    Large(usize),
}

#[inline]
fn read(cursor: &mut Cursor<'_, '_>, open: &mut Vec<Open>) -> Option<Read> {
    if let Some((bytes, rest)) = plain_bulk(cursor.rest(), cursor.limits) {
        cursor.go_on(rest);
        return Some(if bytes.len() < SHARE_FROM {
            Read::Value(Value::Bulk(Bytes::copy_from_slice(bytes)))
        } else {
            cursor.at -= bytes.len() + 2;
            Read::Large(bytes.len())
        });
    }
    let kind = cursor.kind()?;
    let Some(aggregate) = Aggregate::of(kind) else {
        return cursor.scalar(kind).map(|value| Read::Value(value.into_owned()));
    };
    let at = cursor.at;
    let Some(n) = cursor.elements(aggregate)? else {
        return Some(Read::Value(Value::NullArray));
    };
    if open.len() >= cursor.limits.max_depth {
        cursor.at = at;
        return cursor.too_deep();
    }
    let opened = Open::new(aggregate, n);
    if opened.left == 0 {
        return Some(Read::Value(opened.close(None)));
    }
    open.push(opened);
    Some(Read::Opened)
}

/// Puts a value where it belongs, and the aggregates that it completes likewise; gives the reply if that
/// completes it.
#[inline]
fn place(open: &mut Vec<Open>, mut value: OwnedReply) -> Option<OwnedReply> {
    loop {
        let Some(innermost) = open.last_mut() else {
            return Some(value);
        };
        innermost.left -= 1;
        if innermost.left > 0 {
            innermost.push(value);
            return None;
        }
        value = open.pop().expect("there is an innermost one").close(Some(value));
    }
}

impl Open {
    fn new(kind: Aggregate, n: usize) -> Self {
        let n64 = n as u64;
        let (left, items) = match kind {
            Aggregate::Array | Aggregate::Set | Aggregate::Push => {
                (n64, Items::Flat(Vec::with_capacity(n.min(RESERVE))))
            }
            Aggregate::Map => (n64 * 2, Items::Pairs(Vec::with_capacity(n.min(RESERVE / 2)), None)),
            Aggregate::Attribute => (n64 * 2 + 1, Items::Pairs(Vec::with_capacity(n.min(RESERVE / 2)), None)),
        };
        Open { kind, left, items }
    }

    fn push(&mut self, value: OwnedReply) {
        match &mut self.items {
            Items::Flat(items) => items.push(value),
            Items::Pairs(pairs, key) => match key.take() {
                None => *key = Some(value),
                Some(key) => pairs.push((key, value)),
            },
        }
    }

    /// The whole aggregate, given its last value, if it has any.
    fn close(mut self, last: Option<OwnedReply>) -> OwnedReply {
        if self.kind == Aggregate::Attribute {
            let reply = last.expect("an attribute is never complete before the reply it is about");
            let Items::Pairs(attributes, None) = self.items else {
                unreachable!("the pairs of an attribute are complete when its reply is");
            };
            return Value::Attribute(Box::new(Attributed { attributes, reply }));
        }
        if let Some(last) = last {
            self.push(last);
        }
        match (self.kind, self.items) {
            (Aggregate::Set, Items::Flat(items)) => Value::Set(items),
            (Aggregate::Push, Items::Flat(items)) => Value::Push(items),
            (_, Items::Flat(items)) => Value::Array(items),
            (_, Items::Pairs(pairs, _)) => Value::Map(pairs),
        }
    }
}
