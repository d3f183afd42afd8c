//! The smallest steps of reading replies: values without elements, and the headers of aggregates.
//!
//! Both reply parsers are made of these; what differs is how they keep the aggregates they are in. Every step gives
//! an `Option` and notes in the cursor why there is nothing: what the steps give then fits in registers, which
//! makes reading twice as fast as with a `Result`.

use memchr::memchr;

use crate::digits::leading_digits;
use crate::{Reply, ReplyError, ReplyLimits, Value};

/// The kinds of aggregates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aggregate {
    Array,
    Set,
    Push,
    /// Counted in pairs.
    Map,
    /// Counted in pairs, then comes the reply they are about.
    Attribute,
}

impl Aggregate {
    /// The aggregate that a type byte announces.
    #[inline]
    pub(crate) fn of(kind: u8) -> Option<Self> {
        Some(match kind {
            b'*' => Aggregate::Array,
            b'~' => Aggregate::Set,
            b'>' => Aggregate::Push,
            b'%' => Aggregate::Map,
            b'|' => Aggregate::Attribute,
            _ => return None,
        })
    }
}

/// Why a step gave nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stop {
    /// This many more bytes are needed, at least.
    Incomplete(usize),
    Error(ReplyError),
}

/// Reads tokens from the front of some bytes on.
pub(crate) struct Cursor<'a, 'l> {
    pub(crate) buf: &'a [u8],
    /// The next token. Steps that give nothing leave it at a token's start.
    pub(crate) at: usize,
    /// Where `buf` lies in the stream, for error messages.
    pub(crate) base: u64,
    /// So many bytes from the first token on are known not to hold the end of a line.
    pub(crate) scanned: usize,
    pub(crate) limits: &'l ReplyLimits,
    /// Why the last step gave nothing, if it gave nothing.
    pub(crate) stop: Stop,
}

impl<'a, 'l> Cursor<'a, 'l> {
    #[inline]
    pub(crate) fn new(buf: &'a [u8], limits: &'l ReplyLimits) -> Self {
        Cursor { buf, at: 0, base: 0, scanned: 0, limits, stop: Stop::Incomplete(1) }
    }

    /// The next token's type byte.
    #[inline]
    pub(crate) fn kind(&mut self) -> Option<u8> {
        match self.buf.get(self.at) {
            None => self.incomplete(1),
            kind => kind.copied(),
        }
    }

    /// Reads a value that is no aggregate.
    #[inline(never)]
    pub(crate) fn scalar(&mut self, kind: u8) -> Option<Reply<'a>> {
        Some(match kind {
            b'$' => match self.string("bulk string")? {
                Some(bytes) => Value::Bulk(bytes),
                None => Value::Null,
            },
            b':' => Value::Int(self.number("integer")?),
            b'+' => Value::Simple(self.line()?),
            b'-' => Value::Error(self.line()?),
            b'_' => self.checked_line("null", |text| text.is_empty().then_some(Value::Null))?,
            b'#' => self.checked_line("boolean", |text| match text {
                b"t" => Some(Value::Boolean(true)),
                b"f" => Some(Value::Boolean(false)),
                _ => None,
            })?,
            b',' => self.checked_line("double", |text| double(text).map(Value::Double))?,
            b'(' => self.checked_line("big number", |text| {
                let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
                let valid = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
                valid.then_some(Value::BigNumber(text))
            })?,
            b'!' => self.checked_string("bulk error", |text| Some(Value::BulkError(text)))?,
            b'=' => self.checked_string("verbatim string", |bytes| match bytes {
                [a, b, c, b':', text @ ..] => Some(Value::Verbatim { format: [*a, *b, *c], text }),
                _ => None,
            })?,
            byte => return self.fail(ReplyError::UnknownType { byte, at: self.position() }),
        })
    }

    /// The bytes from the next token on.
    #[inline(always)]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.buf.get(self.at..).unwrap_or(&[])
    }

    /// Goes on to where only `rest` is left.
    #[inline(always)]
    pub(crate) fn go_on(&mut self, rest: &[u8]) {
        self.at = self.buf.len() - rest.len();
    }

    /// Reads the null of RESP2, if it is there.
    #[inline(always)]
    pub(crate) fn plain_null(&mut self) -> bool {
        const NULL: &[u8] = b"$-1\r\n";
        let found = self.rest().starts_with(NULL);
        self.at += if found { NULL.len() } else { 0 };
        found
    }

    /// Reads the header of an aggregate: its number of elements, or nothing for the null array.
    #[inline]
    pub(crate) fn elements(&mut self, kind: Aggregate) -> Option<Option<usize>> {
        let at = self.at;
        let n = self.number("aggregate")?;
        match usize::try_from(n) {
            Ok(n) if n <= self.limits.max_elements => Some(Some(n)),
            Err(_) if n == -1 && kind == Aggregate::Array => Some(None),
            Err(_) => {
                self.at = at;
                self.malformed("aggregate")
            }
            Ok(n) => {
                self.at = at;
                let (len, limit) = (n as u64, self.limits.max_elements as u64);
                self.fail(ReplyError::TooManyElements { len, limit, at: self.position() })
            }
        }
    }

    /// The aggregate at `at` is one level deeper than the limit.
    #[cold]
    pub(crate) fn too_deep<T>(&mut self) -> Option<T> {
        self.fail(ReplyError::TooDeep { limit: self.limits.max_depth, at: self.position() })
    }

    fn position(&self) -> u64 {
        self.base + self.at as u64
    }

    #[cold]
    fn incomplete<T>(&mut self, missing: usize) -> Option<T> {
        self.stop = Stop::Incomplete(missing);
        None
    }

    #[cold]
    fn fail<T>(&mut self, error: ReplyError) -> Option<T> {
        self.stop = Stop::Error(error);
        None
    }

    #[cold]
    fn malformed<T>(&mut self, what: &'static str) -> Option<T> {
        self.fail(ReplyError::Malformed { what, at: self.position() })
    }

    #[cold]
    fn too_long<T>(&mut self, len: usize) -> Option<T> {
        let (len, limit) = (len as u64, self.limits.max_bulk as u64);
        self.fail(ReplyError::TooLong { len, limit, at: self.position() })
    }

    /// Reads the text between the type byte and CR LF.
    #[inline(always)]
    pub(crate) fn line(&mut self) -> Option<&'a [u8]> {
        let rest = &self.buf[self.at + 1..];
        // Most lines are short: a plain loop has found their end before a vector search is under way.
        let near = &rest[..rest.len().min(16)];
        let found = match near.iter().position(|&byte| byte == b'\r') {
            Some(len) => Some(len),
            None => {
                let known = near.len().max(self.scanned.saturating_sub(1)).min(rest.len());
                memchr(b'\r', &rest[known..]).map(|i| known + i)
            }
        };
        let len = found.unwrap_or(rest.len());
        if len > self.limits.max_bulk {
            return self.too_long(len);
        }
        match rest.get(len..) {
            Some([_, b'\n', ..]) => {
                self.at += len + 3;
                Some(&rest[..len])
            }
            Some([_, _, ..]) => self.malformed("line end"),
            _ => self.incomplete(if found.is_some() { 1 } else { 2 }),
        }
    }

    /// Reads a line that `value` makes sense of.
    fn checked_line(
        &mut self,
        what: &'static str,
        value: impl FnOnce(&'a [u8]) -> Option<Reply<'a>>,
    ) -> Option<Reply<'a>> {
        let at = self.at;
        match value(self.line()?) {
            Some(value) => Some(value),
            None => {
                self.at = at;
                self.malformed(what)
            }
        }
    }

    /// Reads a length, so many bytes and CR LF; or only the length, if it is -1.
    fn string(&mut self, what: &'static str) -> Option<Option<&'a [u8]>> {
        let at = self.at;
        let n = self.number(what)?;
        if n == -1 {
            return Some(None);
        }
        let start = std::mem::replace(&mut self.at, at);
        let Ok(len) = usize::try_from(n) else {
            return self.malformed(what);
        };
        if len > self.limits.max_bulk {
            return self.too_long(len);
        }
        let rest = &self.buf[start..];
        match rest.split_at_checked(len) {
            Some((bytes, [b'\r', b'\n', ..])) => {
                self.at = start + len + 2;
                Some(Some(bytes))
            }
            Some((_, [_, _, ..])) => self.malformed("string end"),
            _ => self.incomplete(len.saturating_add(2) - rest.len()),
        }
    }

    /// Reads a string, not null, that `value` makes sense of.
    fn checked_string(
        &mut self,
        what: &'static str,
        value: impl FnOnce(&'a [u8]) -> Option<Reply<'a>>,
    ) -> Option<Reply<'a>> {
        let at = self.at;
        let value = self.string(what)?.and_then(value);
        if value.is_none() {
            self.at = at;
            return self.malformed(what);
        }
        value
    }

    /// Reads the number between the type byte and CR LF.
    fn number(&mut self, what: &'static str) -> Option<i64> {
        let text = &self.buf[self.at + 1..];
        if let Some((n, rest)) = long_number(text) {
            self.at = self.buf.len() - rest.len();
            return Some(n);
        }
        let digits = &text[usize::from(matches!(text, [b'-' | b'+', ..]))..];
        let len = leading_digits(digits).1;
        match &digits[len..] {
            [b'\r'] if len > 0 => self.incomplete(1),
            [] => self.incomplete(2),
            _ => self.malformed(what),
        }
    }
}

/// Reads a bulk string if one is at the front, whole and within the limits; gives it and what comes after. If not,
/// the steps of [`Cursor`] will tell why.
#[inline(always)]
pub(crate) fn plain_bulk<'a>(bytes: &'a [u8], limits: &ReplyLimits) -> Option<(&'a [u8], &'a [u8])> {
    let (len, rest) = match bytes {
        [b'$', a @ b'0'..=b'9', b'\r', b'\n', rest @ ..] => (usize::from(a - b'0'), rest),
        [b'$', a @ b'0'..=b'9', b @ b'0'..=b'9', b'\r', b'\n', rest @ ..] => {
            (usize::from(a - b'0') * 10 + usize::from(b - b'0'), rest)
        }
        [b'$', rest @ ..] => {
            let (len, rest) = long_number(rest)?;
            (usize::try_from(len).ok()?, rest)
        }
        _ => return None,
    };
    match rest.split_at_checked(len)? {
        (bytes, [b'\r', b'\n', rest @ ..]) if len <= limits.max_bulk => Some((bytes, rest)),
        _ => None,
    }
}

/// Reads an integer if one is at the front; gives it and what comes after.
#[inline(always)]
pub(crate) fn plain_int(bytes: &[u8]) -> Option<(i64, &[u8])> {
    match bytes {
        [b':', rest @ ..] => long_number(rest),
        _ => None,
    }
}

/// A number with CR LF, and what comes after.
#[inline(always)]
fn long_number(text: &[u8]) -> Option<(i64, &[u8])> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let (n, len) = leading_digits(digits);
    let [b'\r', b'\n', rest @ ..] = digits.get(len..)? else {
        return None;
    };
    if len == 0 {
        return None;
    }
    let n = if negative { 0i64.checked_sub_unsigned(n)? } else { i64::try_from(n).ok()? };
    Some((n, rest))
}

/// A double as replies write it: more than one spelling of infinity is refused.
fn double(text: &[u8]) -> Option<f64> {
    match text {
        b"inf" | b"+inf" => Some(f64::INFINITY),
        b"-inf" => Some(f64::NEG_INFINITY),
        b"nan" | b"-nan" => Some(f64::NAN),
        _ if text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) => {
            std::str::from_utf8(text).ok()?.parse().ok()
        }
        _ => None,
    }
}
