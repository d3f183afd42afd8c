//! The reply writer: one buffer, both protocol versions.

use crate::encode::{header, line};
use crate::{encode_bulk, format_double, format_human_double};

/// The protocol version a client speaks, as HELLO chooses it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proto {
    /// The version every connection begins with.
    #[default]
    Resp2,
    /// Adds maps, sets, doubles, booleans, pushes and attributes.
    Resp3,
}

/// Where an aggregate begins whose length is not known yet.
#[derive(Debug)]
#[must_use = "the aggregate has no header until its length is set"]
pub struct Mark {
    at: usize,
}

/// A session's replies, on their way to the socket: a buffer and the writer of every type, for both protocol
/// versions.
#[derive(Clone, Debug, Default)]
pub struct ReplyBuf {
    /// The encoded replies.
    pub buf: Vec<u8>,
    /// Decides how the types of RESP3 are written.
    pub proto: Proto,
}

impl ReplyBuf {
    /// An empty buffer that writes RESP2.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the client speaks RESP3.
    #[inline]
    #[must_use]
    pub fn is_resp3(&self) -> bool {
        self.proto == Proto::Resp3
    }

    /// `+OK`
    #[inline]
    pub fn ok(&mut self) {
        self.buf.extend_from_slice(b"+OK\r\n");
    }

    /// A simple string. CR and LF, which it cannot hold, become spaces.
    pub fn simple(&mut self, text: &str) {
        line(&mut self.buf, b'+', text.as_bytes());
    }

    /// An error: the whole text with its code (`ERR …`) but without the dash. CR and LF become spaces.
    pub fn error(&mut self, text: &str) {
        line(&mut self.buf, b'-', text.as_bytes());
    }

    /// An integer.
    #[inline]
    pub fn int(&mut self, value: i64) {
        if (0..10).contains(&value) {
            self.buf.extend_from_slice(&[b':', b'0' + value as u8, b'\r', b'\n']);
            return;
        }
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(value).as_bytes();
        self.buf.reserve(digits.len() + 3);
        self.buf.push(b':');
        self.buf.extend_from_slice(digits);
        self.buf.extend_from_slice(b"\r\n");
    }

    /// A bulk string.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        encode_bulk(&mut self.buf, bytes);
    }

    /// Bulk strings that all have the same length, which is not zero; `texts` has them one behind the other.
    pub fn bulks(&mut self, len: usize, texts: &[u8]) {
        let mut head = Vec::with_capacity(16);
        header(&mut head, b'$', len);
        let stride = head.len() + len + 2;
        let from = self.buf.len();
        self.buf.resize(from + texts.len() / len * stride, 0);
        for (target, text) in self.buf[from..].chunks_exact_mut(stride).zip(texts.chunks_exact(len)) {
            let (own_head, rest) = target.split_at_mut(head.len());
            own_head.copy_from_slice(&head);
            let (own_text, end) = rest.split_at_mut(len);
            own_text.copy_from_slice(text);
            end.copy_from_slice(b"\r\n");
        }
    }

    /// A number as a bulk string.
    #[inline]
    pub fn bulk_int(&mut self, value: i64) {
        self.bulk(itoa::Buffer::new().format(value).as_bytes());
    }

    /// No value: the null bulk string in RESP2, null in RESP3.
    #[inline]
    pub fn null(&mut self) {
        self.buf.extend_from_slice(if self.is_resp3() { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// No array: the null array in RESP2, null in RESP3.
    #[inline]
    pub fn null_array(&mut self) {
        self.buf.extend_from_slice(if self.is_resp3() { b"_\r\n" } else { b"*-1\r\n" });
    }

    /// The header of an array; `n` replies follow.
    #[inline]
    pub fn array(&mut self, n: usize) {
        header(&mut self.buf, b'*', n);
    }

    /// The header of a map; `n` pairs of replies follow. In RESP2 an array of `2 n`.
    #[inline]
    pub fn map(&mut self, n: usize) {
        let (kind, n) = self.map_header(n);
        header(&mut self.buf, kind, n);
    }

    /// The header of a set; `n` replies follow. In RESP2 an array.
    #[inline]
    pub fn set(&mut self, n: usize) {
        let kind = if self.is_resp3() { b'~' } else { b'*' };
        header(&mut self.buf, kind, n);
    }

    /// The header of an out-of-band message; `n` replies follow. In RESP2 an array.
    #[inline]
    pub fn push(&mut self, n: usize) {
        let kind = if self.is_resp3() { b'>' } else { b'*' };
        header(&mut self.buf, kind, n);
    }

    /// The header of the attributes of the reply after them; `n` pairs of replies follow, then that reply.
    ///
    /// RESP2 has nothing like it: the caller writes attributes for RESP3 only.
    #[inline]
    pub fn attribute(&mut self, n: usize) {
        debug_assert!(self.is_resp3(), "a RESP2 client would take attributes for replies");
        header(&mut self.buf, b'|', n);
    }

    /// A double, in the shortest form that reads back the same. In RESP2 a bulk string.
    pub fn double(&mut self, value: f64) {
        let text = format_double(value);
        self.double_text(text.as_ref());
    }

    /// A double in plain notation, never with an exponent, as INCRBYFLOAT prints it; always a bulk string.
    pub fn human_double(&mut self, value: f64) {
        self.bulk(format_human_double(value).as_bytes());
    }

    fn double_text(&mut self, text: &str) {
        if self.is_resp3() {
            line(&mut self.buf, b',', text.as_bytes());
        } else {
            self.bulk(text.as_bytes());
        }
    }

    /// A boolean. In RESP2 the integer 1 or 0.
    #[inline]
    pub fn boolean(&mut self, value: bool) {
        self.buf.extend_from_slice(match (self.proto, value) {
            (Proto::Resp3, true) => b"#t\r\n",
            (Proto::Resp3, false) => b"#f\r\n",
            (Proto::Resp2, true) => b":1\r\n",
            (Proto::Resp2, false) => b":0\r\n",
        });
    }

    /// An integer of any size, given in decimal. In RESP2 a bulk string.
    pub fn big_number(&mut self, digits: &str) {
        if self.is_resp3() {
            line(&mut self.buf, b'(', digits.as_bytes());
        } else {
            self.bulk(digits.as_bytes());
        }
    }

    /// Text for people, with its format (`txt` or `mkd`). In RESP2 a bulk string of the text alone.
    ///
    /// # Panics
    /// If the format is not three bytes long.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        assert_eq!(format.len(), 3, "a verbatim string's format has three bytes");
        if !self.is_resp3() {
            return self.bulk(text);
        }
        self.buf.reserve(text.len() + 32);
        header(&mut self.buf, b'=', text.len() + 4);
        self.buf.extend_from_slice(format.as_bytes());
        self.buf.push(b':');
        self.buf.extend_from_slice(text);
        self.buf.extend_from_slice(b"\r\n");
    }

    /// Bytes that are encoded already.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }

    /// Begins an aggregate whose length is not known yet. Its elements are written next, then the length is set
    /// by [`set_array_len`](Self::set_array_len) or [`set_map_len`](Self::set_map_len). Of nested ones, the inner
    /// must be finished first. Setting the length moves the elements by the few bytes of the header.
    pub fn deferred_len(&mut self) -> Mark {
        Mark { at: self.buf.len() }
    }

    /// Ends an aggregate begun by [`deferred_len`](Self::deferred_len) as an array of `n`.
    pub fn set_array_len(&mut self, mark: Mark, n: usize) {
        self.insert_header(mark, b'*', n);
    }

    /// Ends an aggregate begun by [`deferred_len`](Self::deferred_len) as a set of `n`.
    pub fn set_set_len(&mut self, mark: Mark, n: usize) {
        let kind = if self.is_resp3() { b'~' } else { b'*' };
        self.insert_header(mark, kind, n);
    }

    /// Ends an aggregate begun by [`deferred_len`](Self::deferred_len) as a map of `n` pairs.
    pub fn set_map_len(&mut self, mark: Mark, n: usize) {
        let (kind, n) = self.map_header(n);
        self.insert_header(mark, kind, n);
    }

    #[inline]
    fn map_header(&self, n: usize) -> (u8, usize) {
        if self.is_resp3() { (b'%', n) } else { (b'*', 2 * n) }
    }

    fn insert_header(&mut self, mark: Mark, kind: u8, n: usize) {
        let end = self.buf.len();
        header(&mut self.buf, kind, n);
        let header_len = self.buf.len() - end;
        self.buf[mark.at..].rotate_right(header_len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(write: impl Fn(&mut ReplyBuf), resp2: &str, resp3: &str) {
        for (proto, expected) in [(Proto::Resp2, resp2), (Proto::Resp3, resp3)] {
            let mut out = ReplyBuf { proto, ..ReplyBuf::new() };
            write(&mut out);
            assert_eq!(String::from_utf8_lossy(&out.buf), expected);
        }
    }

    #[track_caller]
    fn check_same(write: impl Fn(&mut ReplyBuf), expected: &str) {
        check(write, expected, expected);
    }

    #[test]
    fn types_of_both_versions() {
        check_same(ReplyBuf::ok, "+OK\r\n");
        check_same(|out| out.simple("QUEUED"), "+QUEUED\r\n");
        check_same(|out| out.simple("a\r\nb"), "+a  b\r\n");
        check_same(|out| out.error("ERR no\nsuch\rthing"), "-ERR no such thing\r\n");
        check_same(|out| out.int(7), ":7\r\n");
        check_same(|out| out.int(-1), ":-1\r\n");
        check_same(|out| out.int(i64::MIN), ":-9223372036854775808\r\n");
        check_same(|out| out.bulk(b""), "$0\r\n\r\n");
        check_same(|out| out.bulk(b"0123456789"), "$10\r\n0123456789\r\n");
        check_same(|out| out.bulks(2, b"abcdef"), "$2\r\nab\r\n$2\r\ncd\r\n$2\r\nef\r\n");
        check_same(|out| out.bulk_int(-12), "$3\r\n-12\r\n");
        check_same(|out| out.human_double(1e20), "$21\r\n100000000000000000000\r\n");
        check_same(|out| out.array(0), "*0\r\n");
        check_same(|out| out.array(12), "*12\r\n");
        check_same(|out| out.raw(b":1\r\n"), ":1\r\n");
    }

    #[test]
    fn types_of_resp3_and_their_older_forms() {
        check(ReplyBuf::null, "$-1\r\n", "_\r\n");
        check(ReplyBuf::null_array, "*-1\r\n", "_\r\n");
        check(|out| out.map(3), "*6\r\n", "%3\r\n");
        check(|out| out.set(3), "*3\r\n", "~3\r\n");
        check(|out| out.push(3), "*3\r\n", ">3\r\n");
        check(|out| out.double(1.5), "$3\r\n1.5\r\n", ",1.5\r\n");
        check(|out| out.double(f64::NEG_INFINITY), "$4\r\n-inf\r\n", ",-inf\r\n");
        check(|out| out.boolean(true), ":1\r\n", "#t\r\n");
        check(|out| out.boolean(false), ":0\r\n", "#f\r\n");
        check(|out| out.big_number("-12"), "$3\r\n-12\r\n", "(-12\r\n");
        check(|out| out.verbatim("txt", b"hi"), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n");
    }

    #[test]
    fn attributes_are_for_resp3() {
        let mut out = ReplyBuf { proto: Proto::Resp3, ..ReplyBuf::new() };
        out.attribute(1);
        assert_eq!(out.buf, b"|1\r\n");
    }

    #[test]
    fn lengths_may_come_last() {
        let write = |out: &mut ReplyBuf| {
            out.ok();
            let outer = out.deferred_len();
            out.int(1);
            let inner = out.deferred_len();
            out.bulk(b"k");
            out.bulk(b"v");
            out.set_map_len(inner, 1);
            let empty = out.deferred_len();
            out.set_set_len(empty, 0);
            out.set_array_len(outer, 123);
            out.ok();
        };
        check(
            write,
            "+OK\r\n*123\r\n:1\r\n*2\r\n$1\r\nk\r\n$1\r\nv\r\n*0\r\n+OK\r\n",
            "+OK\r\n*123\r\n:1\r\n%1\r\n$1\r\nk\r\n$1\r\nv\r\n~0\r\n+OK\r\n",
        );
    }
}
