//! Writing of requests, and the pieces that requests and replies share.

/// Appends a request: an array of bulk strings.
pub fn encode_request(out: &mut Vec<u8>, args: &[&[u8]]) {
    encode_array_header(out, args.len());
    for arg in args {
        encode_bulk(out, arg);
    }
}

/// Appends the header of an array of `n` elements.
#[inline]
pub fn encode_array_header(out: &mut Vec<u8>, n: usize) {
    header(out, b'*', n);
}

/// Appends a bulk string.
#[inline]
pub fn encode_bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() + 24);
    header(out, b'$', bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Appends a type byte, a length and CR LF.
#[inline]
pub(crate) fn header(out: &mut Vec<u8>, kind: u8, n: usize) {
    if n < 10 {
        out.extend_from_slice(&[kind, b'0' + n as u8, b'\r', b'\n']);
    } else {
        out.push(kind);
        out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends a type byte, text and CR LF; CR and LF within the text, which would end it early, become spaces.
pub(crate) fn line(out: &mut Vec<u8>, kind: u8, text: &[u8]) {
    out.reserve(text.len() + 3);
    out.push(kind);
    let start = out.len();
    out.extend_from_slice(text);
    for byte in &mut out[start..] {
        if matches!(byte, b'\r' | b'\n') {
            *byte = b' ';
        }
    }
    out.extend_from_slice(b"\r\n");
}
