//! Where commands begin and end.

/// Arguments of one command at most, and bytes of one argument: what Redis itself accepts.
const MAX_ARGS: u64 = i32::MAX as u64;
const MAX_BULK: u64 = 4 << 30;
/// A header (`*` or `$`, digits, the end of the line) is never longer.
const MAX_HEADER: usize = 24;

/// A command while it is being scanned.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scan {
    /// Bytes of it that are dealt with.
    at: u64,
    /// Arguments still to come; `None` before the header is read.
    left: Option<u64>,
    /// Length of the current argument, once it is known.
    bulk: Option<u64>,
}

/// What a scan has found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scanned {
    /// The command has so many bytes.
    Whole(usize),
    /// It is not all there.
    Incomplete,
    /// At this byte of it something else stands than should.
    Bad(usize),
}

impl Scan {
    /// Goes on with the command at the front of `input`, which on each call is the same and may have become longer.
    pub fn go_on(&mut self, input: &[u8]) -> Scanned {
        loop {
            let at = self.at as usize;
            if let Some(len) = self.bulk {
                let end = self.at + len + 2;
                if (input.len() as u64) < end {
                    return Scanned::Incomplete;
                }
                let end = end as usize;
                if &input[end - 2..end] != b"\r\n" {
                    return Scanned::Bad(end - 2);
                }
                self.at = end as u64;
                self.bulk = None;
                self.left = self.left.map(|left| left - 1);
            } else if self.left == Some(0) {
                *self = Scan::default();
                return Scanned::Whole(at);
            } else {
                let (sign, max) = if self.left.is_none() { (b'*', MAX_ARGS) } else { (b'$', MAX_BULK) };
                match header(&input[at..], sign) {
                    Header::Value { value, len } if value <= max && (sign == b'$' || value > 0) => {
                        self.at += len as u64;
                        if sign == b'*' { self.left = Some(value) } else { self.bulk = Some(value) }
                    }
                    Header::Incomplete => return Scanned::Incomplete,
                    Header::Value { .. } | Header::Bad => return Scanned::Bad(at),
                }
            }
        }
    }
}

enum Header {
    Value { value: u64, len: usize },
    Incomplete,
    Bad,
}

#[inline]
fn header(input: &[u8], sign: u8) -> Header {
    let Some(&first) = input.first() else { return Header::Incomplete };
    if first != sign {
        return Header::Bad;
    }
    let mut value = 0u64;
    for (at, &byte) in input.iter().enumerate().take(MAX_HEADER).skip(1) {
        match byte {
            b'0'..=b'9' => value = value.saturating_mul(10).saturating_add(u64::from(byte - b'0')),
            b'\r' if at > 1 => {
                return match input.get(at + 1) {
                    Some(b'\n') => Header::Value { value, len: at + 2 },
                    Some(_) => Header::Bad,
                    None => Header::Incomplete,
                };
            }
            _ => return Header::Bad,
        }
    }
    if input.len() < MAX_HEADER { Header::Incomplete } else { Header::Bad }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> Scanned {
        Scan::default().go_on(text.as_bytes())
    }

    #[test]
    fn commands_are_arrays_of_bulk_strings() {
        assert_eq!(scan("*1\r\n$4\r\nPING\r\nrest"), Scanned::Whole(14));
        assert_eq!(scan("*2\r\n$0\r\n\r\n$2\r\n\r\n\r\n"), Scanned::Whole(18));
        for (text, at) in [
            ("PING\r\n", 0),
            ("*0\r\n", 0),
            ("*-1\r\n", 0),
            ("*x\r\n", 0),
            ("*1\rx", 0),
            ("*99999999999\r\n", 0),
            ("*1\r\n:4\r\n", 4),
            ("*1\r\n$\r\n", 4),
            ("*1\r\n$99999999999999999999999\r\n", 4),
            ("*1\r\n$4\r\nPINGxx", 12),
        ] {
            assert_eq!(scan(text), Scanned::Bad(at), "{text:?}");
        }
    }

    #[test]
    fn any_beginning_is_incomplete() {
        let text = b"*2\r\n$4\r\nECHO\r\n$12\r\nhello, world\r\n";
        let mut growing = Scan::default();
        for len in 0..text.len() {
            assert_eq!(Scan::default().go_on(&text[..len]), Scanned::Incomplete, "{len}");
            assert_eq!(growing.go_on(&text[..len]), Scanned::Incomplete, "{len}");
        }
        assert_eq!(growing.go_on(text), Scanned::Whole(text.len()));
        assert_eq!(growing.go_on(text), Scanned::Whole(text.len()), "it is as new");
    }
}
