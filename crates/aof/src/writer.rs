//! From commands and what is known of them to the bytes of a file.

use backlog::{Offset, PastHistory};

use crate::annotation::{Annotation, History, Span, encode};

/// Appends to a buffer that is going to be written. All of what one call appends belongs together; where it is cut off, the
/// [`Reader`](crate::Reader) notices.
#[derive(Clone, Copy, Debug)]
pub struct Writer;

impl Writer {
    /// A history begins here, or gets another name. It has these earlier names, newest first.
    pub fn history(out: &mut Vec<u8>, history: History, ancestors: &[PastHistory]) {
        encode(out, &Annotation::History(history), &[]);
        for past in ancestors {
            encode(out, &Annotation::Ancestor(*past), &[]);
        }
    }

    /// Whole commands, in pieces cut anywhere, which begin at this offset. No pieces at all say that the history has gone on to there.
    pub fn span(out: &mut Vec<u8>, offset: Offset, unix_ms: u64, commands: &[&[u8]]) {
        Writer::span_line(out, offset, unix_ms, commands);
        commands.iter().for_each(|piece| out.extend_from_slice(piece));
    }

    /// The line in front of such commands alone, for whoever writes them from where they are.
    pub fn span_line(out: &mut Vec<u8>, offset: Offset, unix_ms: u64, commands: &[&[u8]]) {
        let len = commands.iter().map(|piece| piece.len() as u64).sum();
        encode(out, &Annotation::Span(Span { offset, unix_ms, len }), commands);
    }

    /// The line in front of commands that are part of no history.
    pub fn local_line(out: &mut Vec<u8>, unix_ms: u64, commands: &[u8]) {
        encode(out, &Annotation::Local { unix_ms, len: commands.len() as u64 }, &[commands]);
    }

    /// Writing ends here in good order.
    pub fn end(out: &mut Vec<u8>, offset: Offset, unix_ms: u64, db: u32, replica: bool) {
        encode(out, &Annotation::End { offset, unix_ms, db, replica }, &[]);
    }

    /// What follows is of this time or later (`aof-timestamp-enabled`).
    pub fn time(out: &mut Vec<u8>, unix_s: u64) {
        encode(out, &Annotation::Time { unix_s }, &[]);
    }

    /// Selects a database for those who know nothing of offsets: the first command of a file.
    pub fn select(out: &mut Vec<u8>, db: u32) {
        let digits = db.to_string();
        out.extend_from_slice(format!("*2\r\n$6\r\nSELECT\r\n${}\r\n{digits}\r\n", digits.len()).as_bytes());
    }
}
