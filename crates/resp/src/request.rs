//! The request parser: arrays of bulk strings, and lines of text.
//!
//! A pipeline of small commands is the hot path of a server, and nearly always its buffer holds whole requests. So
//! there are two parsers. `whole_array` knows one case, an array that is all there and within the limits,
//! keeps no state, and gives up at anything else. What it gave up, `resume` takes from the start: it says what is
//! wrong, or remembers how far the request has come, so that a request that arrives in many pieces is not read
//! again from its start for each.

use memchr::memchr;

use crate::inline::split_into;
use crate::{ProtocolError, Span};

/// Bounds on what one request may claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// Most arguments of one request.
    pub max_args: usize,
    /// Longest argument in bytes (`proto-max-bulk-len`).
    pub max_bulk: usize,
    /// Longest line in bytes: an inline request, or the header of an array or argument.
    pub max_inline: usize,
    /// Whether the peer has authenticated, or need not. Decides only the wording of the error when a claim is
    /// over the limits above but within the default ones.
    pub authenticated: bool,
}

/// A line may always be so long, lest `whole_array` accept a header that the slow path calls too long.
const LONGEST_HEADER: usize = 32;
const DEFAULT_MAX_ARGS: usize = 1 << 20;
const DEFAULT_MAX_BULK: usize = 512 << 20;

impl Default for RequestLimits {
    fn default() -> Self {
        RequestLimits {
            max_args: DEFAULT_MAX_ARGS,
            max_bulk: DEFAULT_MAX_BULK,
            max_inline: 64 << 10,
            authenticated: true,
        }
    }
}

impl RequestLimits {
    /// Limits for a peer that must authenticate first: AUTH and HELLO need no more, and a stranger cannot make the
    /// server hold more.
    #[must_use]
    pub fn unauthenticated() -> Self {
        RequestLimits { max_args: 10, max_bulk: 16 << 10, authenticated: false, ..Self::default() }
    }
}

/// How a request was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// An array of bulk strings: its spans index the buffer given to [`RequestParser::parse`].
    Array,
    /// A line of text: its spans index [`RequestParser::inline`].
    Inline,
}

/// What [`RequestParser::parse`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Parsed {
    /// The request is not all there yet.
    Incomplete,
    /// One whole request.
    Request {
        /// Index in the buffer one past the request.
        end: usize,
        /// Number of arguments, which is the number of spans appended; 0 for a blank request.
        argc: usize,
        /// How it was written, which decides what the spans index.
        form: Form,
    },
}

/// Parses requests, one at a time, out of a buffer that the caller fills. It can resume: what it knows of the one
/// incomplete request it keeps, relative to that request's start.
///
/// ```
/// use resp::{Args, Parsed, RequestLimits, RequestParser};
///
/// let limits = RequestLimits::default();
/// let (mut parser, mut spans) = (RequestParser::new(), Vec::new());
/// let buf = b"*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n*1\r\n$4\r\nPI";
///
/// let Parsed::Request { end, argc, .. } = parser.parse(buf, 0, &limits, &mut spans)? else { panic!() };
/// assert_eq!((end, argc), (25, 2));
/// let args = Args::new(buf, &spans);
/// assert_eq!(&args[0], b"ECHO");
///
/// // The next request is cut short, by at least two bytes of its argument and two of the line's end.
/// assert_eq!(parser.parse(buf, end, &limits, &mut spans)?, Parsed::Incomplete);
/// assert_eq!(parser.missing(), 4);
/// # Ok::<(), resp::ProtocolError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct RequestParser {
    /// What is known of the incomplete request; at its default when there is none.
    progress: Progress,
    /// The arguments of the last inline request, without their quotes.
    inline: Vec<u8>,
    missing: usize,
}

/// How far an incomplete request has come. All positions are relative to the request's first byte.
#[derive(Clone, Debug, Default)]
struct Progress {
    /// The first byte not dealt with: the start of a line, or of an argument whose length is in `bulk`.
    at: usize,
    /// So many bytes from `at` on are known not to hold the line's end.
    scanned: usize,
    /// Arguments still to come, the current one included; `None` before the array's header is complete.
    left: Option<usize>,
    /// The length of the current argument, once its header is complete.
    bulk: Option<usize>,
    /// The arguments that are complete.
    found: Vec<Span>,
}

/// What the slow path found out: `None` asks for more bytes.
type Step<T> = Result<Option<T>, ProtocolError>;

impl RequestParser {
    /// A parser at the start of a request.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses the request that starts at `buf[from]` and appends the spans of its arguments to `spans`.
    ///
    /// On [`Parsed::Incomplete`] nothing is appended. Call again when there are more bytes, with the same request
    /// at `from`; the caller may have moved it to another place or buffer meanwhile. After an error the parser is
    /// as new, but the start of the next request is unknown: close the connection.
    ///
    /// Spans have 32 bits: what lies beyond the first 4 GiB of `buf` is not looked at. The caller bounds its
    /// buffer well before that.
    ///
    /// # Errors
    /// The peer broke the protocol or exceeded `limits`. The error does not depend on how the bytes were split.
    #[inline]
    pub fn parse(
        &mut self,
        buf: &[u8],
        from: usize,
        limits: &RequestLimits,
        spans: &mut Vec<Span>,
    ) -> Result<Parsed, ProtocolError> {
        if self.progress.at == 0
            && self.progress.scanned == 0
            && let Some((end, argc)) = whole_array(buf, from, limits, spans)
        {
            self.missing = 0;
            return Ok(Parsed::Request { end, argc, form: Form::Array });
        }
        self.resume(buf, from, limits, spans)
    }

    /// How many more bytes the incomplete request needs at least, so that the reader can make room for a big
    /// argument at once; 0 if that is unknown, or no request is incomplete. The peer claims this number, within
    /// the limits: it is for the caller to decide how much memory a claim is worth.
    #[inline]
    #[must_use]
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// How many bytes of the incomplete request are dealt with: complete arguments, and the header of the one that is not.
    #[must_use]
    pub fn consumed(&self) -> usize {
        self.progress.at
    }

    /// What the spans of a [`Form::Inline`] request index: its arguments, without quotes and escapes. Valid until
    /// the next call of [`parse`](Self::parse).
    #[inline]
    #[must_use]
    pub fn inline(&self) -> &[u8] {
        &self.inline
    }

    #[cold]
    #[inline(never)]
    fn resume(
        &mut self,
        buf: &[u8],
        from: usize,
        limits: &RequestLimits,
        spans: &mut Vec<Span>,
    ) -> Result<Parsed, ProtocolError> {
        self.missing = 0;
        let buf = &buf[..buf.len().min(u32::MAX as usize)];
        let request = buf.get(from..).unwrap_or(&[]);
        let (found, form) = match request.first() {
            None => return Ok(Parsed::Incomplete),
            Some(b'*') => (self.array(request, limits), Form::Array),
            Some(_) => (self.line(request, limits, spans), Form::Inline),
        };
        match found {
            Ok(None) => Ok(Parsed::Incomplete),
            Ok(Some((len, argc))) => {
                if form == Form::Array {
                    let base = from as u32;
                    spans.extend(
                        self.progress.found.iter().map(|s| Span { start: s.start + base, len: s.len }),
                    );
                }
                self.progress = Progress::default();
                Ok(Parsed::Request { end: from + len, argc, form })
            }
            Err(error) => {
                self.progress = Progress::default();
                Err(error)
            }
        }
    }

    /// Goes on with an array; gives its length in bytes and in arguments.
    fn array(&mut self, request: &[u8], limits: &RequestLimits) -> Step<(usize, usize)> {
        let progress = &mut self.progress;
        let mut left = match progress.left {
            Some(left) => left,
            None => {
                let Some(line) = progress.header(request, limits, ProtocolError::TooBigMultibulkCount)?
                else {
                    return Ok(None);
                };
                let left = args_count(line, limits)?;
                progress.left = Some(left);
                left
            }
        };
        while left > 0 {
            let len = match progress.bulk {
                Some(len) => len,
                None => {
                    match request.get(progress.at) {
                        None => return Ok(None),
                        Some(b'$') => {}
                        Some(&byte) => return Err(ProtocolError::ExpectedBulk { byte }),
                    }
                    let Some(line) = progress.header(request, limits, ProtocolError::TooBigBulkCount)? else {
                        return Ok(None);
                    };
                    let len = bulk_len(line, limits)?;
                    progress.bulk = Some(len);
                    len
                }
            };
            let end = progress.at.saturating_add(len);
            let Some(line_end) = request.get(end..).and_then(|rest| rest.get(..2)) else {
                self.missing = end.saturating_add(2) - request.len();
                return Ok(None);
            };
            if line_end != b"\r\n" {
                return Err(ProtocolError::InvalidCrlf);
            }
            progress.found.push(Span { start: progress.at as u32, len: len as u32 });
            progress.at = end + 2;
            progress.bulk = None;
            left -= 1;
            progress.left = Some(left);
        }
        Ok(Some((progress.at, progress.found.len())))
    }

    /// Goes on with an inline request; gives its length in bytes and in arguments.
    fn line(
        &mut self,
        request: &[u8],
        limits: &RequestLimits,
        spans: &mut Vec<Span>,
    ) -> Step<(usize, usize)> {
        let too_big = ProtocolError::TooBigInline;
        let Some(line) = self.progress.until(b'\n', request, limits, too_big)? else {
            return Ok(None);
        };
        let len = line.len() + 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.inline.clear();
        let before = spans.len();
        split_into(line, &mut self.inline, spans).inspect_err(|_| spans.truncate(before))?;
        Ok(Some((len, spans.len() - before)))
    }
}

impl Progress {
    /// The line at `at` without its end, which is `end`; its length must be within the limit even when its
    /// end is there, lest the split of the bytes decide.
    fn until<'a>(
        &mut self,
        end: u8,
        request: &'a [u8],
        limits: &RequestLimits,
        too_big: ProtocolError,
    ) -> Step<&'a [u8]> {
        let rest = &request[self.at..];
        let found = memchr(end, &rest[self.scanned..]).map(|i| self.scanned + i);
        if found.unwrap_or(rest.len()) > limits.max_inline.max(LONGEST_HEADER) {
            return Err(too_big);
        }
        self.scanned = found.unwrap_or(rest.len());
        Ok(found.map(|len| &rest[..len]))
    }

    /// The text between the type byte at `at` and CR LF, after which `at` then is.
    fn header<'a>(
        &mut self,
        request: &'a [u8],
        limits: &RequestLimits,
        too_big: ProtocolError,
    ) -> Step<&'a [u8]> {
        let Some(line) = self.until(b'\r', request, limits, too_big)? else {
            return Ok(None);
        };
        match request.get(self.at + line.len() + 1) {
            None => Ok(None),
            Some(b'\n') => {
                self.at += line.len() + 2;
                self.scanned = 0;
                Ok(Some(line.get(1..).unwrap_or(&[])))
            }
            Some(_) => Err(ProtocolError::InvalidCrlf),
        }
    }
}

/// The number of arguments that an array's header announces; none if it is negative.
fn args_count(digits: &[u8], limits: &RequestLimits) -> Result<usize, ProtocolError> {
    let count = decimal(digits).ok_or(ProtocolError::InvalidMultibulkLength)?;
    let count = usize::try_from(count).unwrap_or(0);
    if count <= limits.max_args {
        Ok(count)
    } else if limits.authenticated || count > DEFAULT_MAX_ARGS {
        Err(ProtocolError::InvalidMultibulkLength)
    } else {
        Err(ProtocolError::UnauthenticatedMultibulkLength)
    }
}

fn bulk_len(digits: &[u8], limits: &RequestLimits) -> Result<usize, ProtocolError> {
    let len = decimal(digits)
        .and_then(|len| usize::try_from(len).ok())
        .filter(|&len| len <= u32::MAX as usize)
        .ok_or(ProtocolError::InvalidBulkLength)?;
    if len <= limits.max_bulk {
        Ok(len)
    } else if limits.authenticated || len > DEFAULT_MAX_BULK {
        Err(ProtocolError::InvalidBulkLength)
    } else {
        Err(ProtocolError::UnauthenticatedBulkLength)
    }
}

/// A number as requests may write it: no plus sign, no needless zero, no space.
fn decimal(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match digits {
        b"0" if digits.len() == text.len() => Some(0),
        [b'1'..=b'9', ..] => std::str::from_utf8(text).ok()?.parse().ok(),
        _ => None,
    }
}

/// Parses an array that is all there, is well-formed and within the limits, and appends its arguments' spans. Gives
/// the index one past it and the number of arguments. On `None` nothing is appended.
///
/// It may reject what it cannot be sure of, and must agree with the slow path on what it accepts.
#[inline]
fn whole_array(
    buf: &[u8],
    from: usize,
    limits: &RequestLimits,
    spans: &mut Vec<Span>,
) -> Option<(usize, usize)> {
    let buf = if buf.len() > u32::MAX as usize { &buf[..u32::MAX as usize] } else { buf };
    let (argc, mut at) = short_header(buf, from, b'*')?;
    // An argument takes six bytes at least: a claim beyond what is there is not worth trying, nor reserving for.
    if argc > limits.max_args || argc > buf.len() / 6 {
        return None;
    }
    let before = spans.len();
    // Slots that are there already are filled without asking for room each time.
    spans.resize(before + argc, Span::default());
    for slot in &mut spans[before..] {
        let Some((start, len)) = argument(buf, at, limits) else {
            spans.truncate(before);
            return None;
        };
        *slot = Span { start: start as u32, len: len as u32 };
        at = start + len + 2;
    }
    Some((at, argc))
}

/// The start and length of the argument whose header is at `buf[at]`.
#[inline(always)]
fn argument(buf: &[u8], at: usize, limits: &RequestLimits) -> Option<(usize, usize)> {
    let (len, start) = short_header(buf, at, b'$')?;
    let line_end = buf.get(start + len..)?.first_chunk::<2>()?;
    (len <= limits.max_bulk && line_end == b"\r\n").then_some((start, len))
}

/// The number between `kind` at `buf[at]` and CR LF, and the index after those. At most nine digits, so that
/// nothing overflows.
#[inline(always)]
fn short_header(buf: &[u8], at: usize, kind: u8) -> Option<(usize, usize)> {
    // One and two digits are the rule: they are told by one load and one comparison.
    let rest = buf.get(at..)?;
    let head = rest.first_chunk::<4>()?;
    let digit = head[1].wrapping_sub(b'0');
    let word = u32::from_le_bytes(*head);
    if word & 0xffff_00ff == u32::from_le_bytes([kind, 0, b'\r', b'\n']) && digit < 10 {
        return Some((usize::from(digit), at + 4));
    }
    let second = head[2].wrapping_sub(b'0');
    if word & 0xff00_00ff == u32::from_le_bytes([kind, 0, 0, b'\r'])
        && (1..10).contains(&digit)
        && second < 10
        && rest.get(4) == Some(&b'\n')
    {
        return Some((usize::from(digit) * 10 + usize::from(second), at + 5));
    }
    if head[0] != kind {
        return None;
    }
    let (n, len) = long_header(&rest[1..])?;
    Some((n, at + 1 + len))
}

/// A number of three to nine digits and CR LF; gives its value and the length of all that.
#[inline(never)]
fn long_header(text: &[u8]) -> Option<(usize, usize)> {
    if !matches!(text.first(), Some(b'1'..=b'9')) {
        return None;
    }
    let mut n = 0;
    for (i, &byte) in text.iter().enumerate().take(10) {
        match byte {
            b'0'..=b'9' if i < 9 => n = n * 10 + usize::from(byte - b'0'),
            b'\r' if text.get(i + 1) == Some(&b'\n') => return Some((n, i + 2)),
            _ => return None,
        }
    }
    None
}
