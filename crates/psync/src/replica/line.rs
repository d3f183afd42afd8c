//! Lines out of a stream of bytes.

use super::LinkError;

/// A master's line is not longer than this: replies are less than 100 bytes, error messages may be longer.
pub(super) const MAX_LINE: usize = 64 * 1024;

/// Collects one line after another. Keeps at most [`MAX_LINE`] bytes, and never more than have come.
#[derive(Debug, Default)]
pub(super) struct LineReader {
    partial: Vec<u8>,
}

impl LineReader {
    /// The next line that is not empty, without its end, consumed from the front of `input`; `None` if it is
    /// not complete. Empty lines are keepalives and stand for nothing.
    pub(super) fn next(
        &mut self,
        input: &mut &[u8],
        expected: &'static str,
    ) -> Result<Option<Vec<u8>>, LinkError> {
        loop {
            let end = memchr::memchr(b'\n', input);
            let (piece, rest) = input.split_at(end.unwrap_or(input.len()));
            if self.partial.len() + piece.len() > MAX_LINE {
                return Err(LinkError::LineTooLong { limit: MAX_LINE, expected });
            }
            self.partial.extend_from_slice(piece);
            if end.is_none() {
                *input = rest;
                return Ok(None);
            }
            *input = &rest[1..];
            let mut line = std::mem::take(&mut self.partial);
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            if !line.is_empty() {
                return Ok(Some(line));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<String> {
        let mut reader = LineReader::default();
        let mut lines = Vec::new();
        for chunk in chunks {
            let mut input = *chunk;
            while let Some(line) = reader.next(&mut input, "a line").expect("short lines") {
                lines.push(String::from_utf8(line).expect("ASCII"));
            }
            assert!(input.is_empty());
        }
        lines
    }

    #[test]
    fn keepalives_between_lines_stand_for_nothing() {
        assert_eq!(lines(&[b"\n\n+PONG\r\n\r\n\n+OK\n\n"]), ["+PONG", "+OK"]);
        assert_eq!(lines(&[b"\n", b"+PO", b"", b"NG\r", b"\n+O", b"K\n"]), ["+PONG", "+OK"]);
    }

    #[test]
    fn a_line_without_end_is_cut_off() {
        let mut reader = LineReader::default();
        let chunk = [b'x'; 1000];
        let taken = (0..).find(|_| reader.next(&mut &chunk[..], "a line").is_err());
        assert_eq!(taken, Some(MAX_LINE / 1000));
        assert!(reader.partial.capacity() <= 2 * MAX_LINE);
    }

    #[test]
    fn the_longest_line_passes() {
        let mut text = vec![b'x'; MAX_LINE];
        text.push(b'\n');
        assert_eq!(
            LineReader::default().next(&mut &text[..], "a line").map(|l| l.map(|l| l.len())),
            Ok(Some(MAX_LINE))
        );
        text.insert(0, b'x');
        assert!(LineReader::default().next(&mut &text[..], "a line").is_err());
    }
}
