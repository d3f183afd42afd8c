//! Parsing a reply that is all there, without copying its strings.

use crate::reply::Attributed;
use crate::token::{Aggregate, Cursor, Stop, plain_bulk, plain_int};
use crate::{Reply, ReplyError, Value};

/// Bounds on what one reply may claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyLimits {
    /// How deep aggregates may be nested; 1 allows an array, but none within it. Attributes count.
    pub max_depth: usize,
    /// Longest string or line in bytes.
    pub max_bulk: usize,
    /// Most elements of one aggregate (the pair of a map counts as one).
    pub max_elements: usize,
}

impl Default for ReplyLimits {
    fn default() -> Self {
        ReplyLimits { max_depth: 128, max_bulk: 512 << 20, max_elements: u32::MAX as usize }
    }
}

/// Elements to make room for before they have been seen. A header of a few bytes may claim any number of elements,
/// in each of many nested aggregates: room beyond this grows with the elements that do come.
pub(crate) const RESERVE: usize = 256;

/// Parses the reply at the start of `buf`; `None` if it is not all there, else the reply and its length in bytes.
///
/// The strings are slices of `buf`. After `None` the whole reply is parsed again by the next call: where large
/// aggregates arrive in many pieces, use [`ReplyParser`](crate::ReplyParser).
///
/// ```
/// use resp::{ReplyLimits, Value, parse_reply};
/// let limits = ReplyLimits::default();
/// let buf = b"*2\r\n:1\r\n$3\r\nfoo\r\n+next";
/// let (reply, len) = parse_reply(buf, &limits)?.expect("the first reply is complete");
/// assert_eq!(reply, Value::Array(vec![Value::Int(1), Value::Bulk(b"foo".as_slice())]));
/// assert_eq!(parse_reply(&buf[len..], &limits)?, None);
/// # Ok::<(), resp::ReplyError>(())
/// ```
///
/// # Errors
/// The bytes are no reply, or one beyond the limits.
#[inline]
pub fn parse_reply<'a>(
    buf: &'a [u8],
    limits: &ReplyLimits,
) -> Result<Option<(Reply<'a>, usize)>, ReplyError> {
    if let Some((bytes, rest)) = plain_bulk(buf, limits) {
        return Ok(Some((Value::Bulk(bytes), buf.len() - rest.len())));
    }
    let mut cursor = Cursor::new(buf, limits);
    match value(&mut cursor, limits.max_depth) {
        Some(reply) => Ok(Some((reply, cursor.at))),
        None => match cursor.stop {
            Stop::Incomplete(_) => Ok(None),
            Stop::Error(error) => Err(error),
        },
    }
}

/// One value, in which aggregates may still be nested `depth` deep. That bounds the recursion.
#[inline(never)]
fn value<'a>(cursor: &mut Cursor<'a, '_>, depth: usize) -> Option<Reply<'a>> {
    let kind = cursor.kind()?;
    let Some(aggregate) = Aggregate::of(kind) else {
        return cursor.scalar(kind);
    };
    let at = cursor.at;
    let Some(n) = cursor.elements(aggregate)? else {
        return Some(Value::NullArray);
    };
    let Some(depth) = depth.checked_sub(1) else {
        cursor.at = at;
        return cursor.too_deep();
    };
    Some(match aggregate {
        Aggregate::Array => Value::Array(items(cursor, n, depth)?),
        Aggregate::Set => Value::Set(items(cursor, n, depth)?),
        Aggregate::Push => Value::Push(items(cursor, n, depth)?),
        Aggregate::Map => Value::Map(pairs(cursor, n, depth)?),
        Aggregate::Attribute => {
            let attributes = pairs(cursor, n, depth)?;
            Value::Attribute(Box::new(Attributed { attributes, reply: value(cursor, depth)? }))
        }
    })
}

fn items<'a>(cursor: &mut Cursor<'a, '_>, n: usize, depth: usize) -> Option<Vec<Reply<'a>>> {
    let mut items = Vec::with_capacity(n.min(RESERVE));
    fill(cursor, &mut items, n, depth)?;
    Some(items)
}

/// Reads values until there are `n`. The types that arrays are mostly made of are read here, in runs, and built in
/// their places; [`value`] knows all types.
fn fill<'a>(cursor: &mut Cursor<'a, '_>, items: &mut Vec<Reply<'a>>, n: usize, depth: usize) -> Option<()> {
    while items.len() < n {
        let mut rest = cursor.rest();
        while items.len() < n
            && let Some((bytes, after)) = plain_bulk(rest, cursor.limits)
        {
            push(items, bytes, Value::Bulk);
            rest = after;
        }
        while items.len() < n
            && let Some((int, after)) = plain_int(rest)
        {
            push(items, int, Value::Int);
            rest = after;
        }
        cursor.go_on(rest);
        if items.len() == n {
            break;
        }
        match cursor.kind()? {
            b'$' if cursor.plain_null() => push(items, (), |()| Value::Null),
            b'+' => push(items, cursor.line()?, Value::Simple),
            b'*' if depth > 0 => match cursor.elements(Aggregate::Array)? {
                None => push(items, (), |()| Value::NullArray),
                Some(n) => {
                    push(items, n.min(RESERVE), |room| Value::Array(Vec::with_capacity(room)));
                    if let Some(Value::Array(inner)) = items.last_mut() {
                        fill(cursor, inner, n, depth - 1)?;
                    }
                }
            },
            _ => items.push(value(cursor, depth)?),
        }
    }
    Some(())
}

/// Pushes `build(from)`, which is built where it will stay. Built elsewhere and moved, as it would be by
/// [`Vec::push`], it is read back in wider pieces than it was just written, and the processor waits: that took
/// two thirds of the time of parsing an array.
#[inline(always)]
fn push<T, U>(items: &mut Vec<U>, from: T, build: impl Fn(T) -> U) {
    items.extend(Some(from).into_iter().map(build));
}

fn pairs<'a>(cursor: &mut Cursor<'a, '_>, n: usize, depth: usize) -> Option<Vec<(Reply<'a>, Reply<'a>)>> {
    let mut pairs = Vec::with_capacity(n.min(RESERVE / 2));
    for _ in 0..n {
        pairs.push((value(cursor, depth)?, value(cursor, depth)?));
    }
    Some(pairs)
}
