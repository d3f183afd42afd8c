//! From the bytes of an increment back to the stream of the history that it holds: what replicas are given that are further behind than
//! memory goes.
//!
//! What the file has left out was for replicas only, and changed no data. In its place they are given as many bytes that mean nothing:
//! pings, with lines that mean nothing inside. A replica takes a ping as a whole or not at all, so that it does not stop
//! at an offset at which another instance, which has what was there, is in the midst of a command; and one that stands at such an offset
//! because it has been given the original is given blank lines.

use std::convert::Infallible;

use backlog::Offset;
use crc64fast::Digest;

use crate::annotation::{Annotation, BadAnnotation, MAX_LINE, Span, parse};
use crate::framing::{Scan, Scanned};
use crate::reader::{Damage, DamageKind};

/// The only command that stands between spans.
const SELECT: &[u8] = b"*2\r\n$6\r\nSELECT\r\n";
/// No line, and no such command, is longer.
const MAX_BETWEEN: usize = MAX_LINE;
/// What means nothing comes in pieces of at most so many bytes.
const MAX_FILLER: u64 = 1 << 20;

/// Where a [`StreamReader`] has the bytes of a file from.
pub trait Source {
    /// Why they cannot be had.
    type Error;

    /// So many bytes from a place of the file on, or as many as there are up to its end.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    fn bytes(&mut self, from: u64, len: usize) -> Result<&[u8], Self::Error>;
}

impl Source for &[u8] {
    type Error = Infallible;

    fn bytes(&mut self, from: u64, len: usize) -> Result<&[u8], Infallible> {
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(self.len());
        Ok(&self[from..self.len().min(from.saturating_add(len))])
    }
}

/// Why the stream cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub enum StreamError<E> {
    /// The file cannot be read.
    Source(E),
    /// What stands there is not what was written.
    Damage(Damage),
    /// At this byte the history stands elsewhere than it should.
    Offset {
        /// The byte of the file.
        at: u64,
        /// Where it should stand.
        expected: Offset,
        /// Where it stands.
        found: Offset,
    },
    /// The file ends at this byte, before the stream does.
    Ends {
        /// The byte of the file.
        at: u64,
    },
}

impl<E: std::fmt::Display> std::fmt::Display for StreamError<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StreamError::Source(error) => error.fmt(f),
            StreamError::Damage(damage) => damage.fmt(f),
            StreamError::Offset { at, expected, found } => {
                write!(f, "byte {at} should be at offset {expected} of the history, and is at {found}")
            }
            StreamError::Ends { at } => write!(f, "it ends at byte {at}, where more was written"),
        }
    }
}

impl<E: std::error::Error> std::error::Error for StreamError<E> {}

/// A line between commands that concerns the stream.
enum Line {
    /// Commands follow, this byte on, with this beginning of their checksum and the whole of it.
    Span {
        offset: Offset,
        len: u64,
        text: Vec<u8>,
        crc: u64,
    },
    /// The history stands there.
    At(Offset),
    /// Commands of no history follow.
    Local {
        len: u64,
        text: Vec<u8>,
        crc: u64,
    },
    /// A database is selected, for those who know nothing of histories: the name of one follows.
    Select,
    Other,
}

/// Reads one stretch of a history out of one file, from front to back. It holds no bytes, and no more of the file is looked at than is
/// on the way.
///
/// ```
/// use aof::{StreamReader, Writer};
/// use backlog::Offset;
///
/// let mut file = Vec::new();
/// let set = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";
/// Writer::span(&mut file, Offset(1000), 1_700_000_000_000, &[set]);
/// Writer::span(&mut file, Offset(1041), 1_700_000_000_000, &[set]);
///
/// let (mut reader, mut stream) = (StreamReader::at(0, Offset(1000)), Vec::new());
/// reader.read(&mut &file[..], 1000, Offset(1068), &mut stream).expect("nothing is damaged");
/// assert_eq!(stream, [&set[..], b"*1\r\n$4\r\nPING\r\n", set].concat());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamReader {
    /// The next byte of the file.
    position: u64,
    /// Where it stands in the history.
    offset: Offset,
    /// Up to here the file lacks what the history has.
    gap_ends: Offset,
    /// So much is left of a span whose checksum fits, behind that.
    left: u64,
    /// A database has just been selected.
    selected: bool,
    /// What was read last is in the place of something that goes on.
    in_gap: bool,
}

impl StreamReader {
    /// A reader at a byte of the file where a line, or a command between spans, begins, and where the history stands there.
    pub fn at(position: u64, offset: Offset) -> StreamReader {
        StreamReader { position, offset, gap_ends: Offset(0), left: 0, selected: false, in_gap: false }
    }

    /// Up to here the stream has been read.
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// Whether what comes next may as well be had from somewhere else: it does not stand in the place of a part of something that is not
    /// in the file.
    pub fn is_settled(&self) -> bool {
        !self.in_gap
    }

    /// Goes on to this offset without giving out what comes before. The stretch ends at `ends`.
    ///
    /// # Errors
    ///
    /// [`StreamError`]. The reader is of no use after that.
    pub fn seek<S: Source>(
        &mut self,
        source: &mut S,
        to: Offset,
        ends: Offset,
    ) -> Result<(), StreamError<S::Error>> {
        while self.offset < to.min(ends) {
            self.approach(source, ends)?;
            if self.offset < self.gap_ends {
                self.offset = to.min(self.gap_ends);
            } else if self.left > 0 {
                self.advance(self.left.min(to.since(self.offset)));
            }
        }
        Ok(())
    }

    /// Appends about so many bytes of the stream, but nothing beyond `ends`. Fewer than `len` only if the stretch ends; more if what is not
    /// in the file shall not be parted.
    ///
    /// # Errors
    ///
    /// [`StreamError`]. The reader is of no use after that; what was appended before is right.
    pub fn read<S: Source>(
        &mut self,
        source: &mut S,
        len: usize,
        ends: Offset,
        out: &mut Vec<u8>,
    ) -> Result<(), StreamError<S::Error>> {
        let target = out.len().saturating_add(len);
        while out.len() < target && self.offset < ends {
            self.approach(source, ends)?;
            if self.offset < self.gap_ends {
                let now = self.gap_ends.since(self.offset).min(MAX_FILLER);
                fill(out, now as usize);
                self.offset = Offset(self.offset.0 + now);
                self.in_gap = self.offset < self.gap_ends;
            } else if self.left > 0 {
                let now = self.left.min((target - out.len()) as u64);
                let bytes = source.bytes(self.position, now as usize).map_err(StreamError::Source)?;
                if bytes.is_empty() {
                    return Err(StreamError::Ends { at: self.position });
                }
                out.extend_from_slice(bytes);
                self.advance(bytes.len() as u64);
                self.in_gap = false;
            }
        }
        Ok(())
    }

    /// Goes on over lines to what comes next in the stream: bytes that are not in the file, those of a span, or the end of the stretch.
    /// A span is checked before anything is made of its line: that says how much is not in the file before it, too.
    fn approach<S: Source>(&mut self, source: &mut S, ends: Offset) -> Result<(), StreamError<S::Error>> {
        while self.offset < ends && self.offset >= self.gap_ends && self.left == 0 {
            let (line, len) = self.line(source)?;
            match line {
                Line::Span { offset, .. } | Line::At(offset) if offset < self.offset => {
                    return self.elsewhere(offset);
                }
                Line::Span { offset, len: span, text, crc } => {
                    self.enter(source, len, Span { offset, unix_ms: 0, len: span }, (&text, crc), ends)?;
                    self.gap_ends = offset.min(ends);
                }
                Line::At(offset) => {
                    self.position += len;
                    self.gap_ends = offset.min(ends);
                }
                Line::Local { .. } | Line::Select | Line::Other => self.position += len,
            }
        }
        Ok(())
    }

    fn advance(&mut self, by: u64) {
        self.position += by;
        self.offset = Offset(self.offset.0 + by);
        self.left -= by;
    }

    fn elsewhere<T, E>(&self, found: Offset) -> Result<T, StreamError<E>> {
        Err(StreamError::Offset { at: self.position, expected: self.offset, found })
    }

    fn damage<T, E>(&self, at: u64, kind: DamageKind) -> Result<T, StreamError<E>> {
        Err(StreamError::Damage(Damage { at: self.position + at, kind }))
    }

    /// Checks the span whose line is so long, and enters it.
    fn enter<S: Source>(
        &mut self,
        source: &mut S,
        line: u64,
        span: Span,
        crc: (&[u8], u64),
        ends: Offset,
    ) -> Result<(), StreamError<S::Error>> {
        let begins = self.position + line;
        // Where a stretch ends within a span, the rest of it was never written: so it has no checksum, and what there is of it has to
        // consist of whole commands, as it had when it was loaded.
        // One that lies beyond the end altogether says how much is lacking before it: that has to be true as well.
        let left = ends.0.saturating_sub(span.offset.0);
        let there = if left == 0 { span.len } else { span.len.min(left) };
        let len = usize::try_from(there).unwrap_or(usize::MAX);
        let commands = source.bytes(begins, len).map_err(StreamError::Source)?;
        if commands.len() < len {
            let at = begins + commands.len() as u64;
            return Err(StreamError::Ends { at });
        }
        let fits = if there == span.len {
            let mut digest = Digest::new();
            digest.write(crc.0);
            digest.write(commands);
            digest.sum64() == crc.1
        } else {
            are_whole(commands)
        };
        if !fits {
            return self.damage(line, DamageKind::Checksum { len: span.len });
        }
        (self.position, self.left) = (begins, there.min(left));
        Ok(())
    }

    /// What stands between spans next, and how long it is. Commands are not among it, or a span whose line is damaged would be passed over.
    fn line<S: Source>(&mut self, source: &mut S) -> Result<(Line, u64), StreamError<S::Error>> {
        let (line, is_name, len) = self.look(source)?;
        if std::mem::replace(&mut self.selected, matches!(line, Line::Select)) && !is_name {
            return self.damage(0, DamageKind::NoCommand);
        }
        if let Line::Local { len: local, text, crc } = line {
            let local = self.local(source, self.position + len, local, (&text, crc))?;
            return Ok((Line::Other, len + local));
        }
        Ok((line, len))
    }

    /// How long the commands are that belong to no history: as long as announced, unless the rest of them was never written.
    fn local<S: Source>(
        &self,
        source: &mut S,
        begins: u64,
        len: u64,
        crc: (&[u8], u64),
    ) -> Result<u64, StreamError<S::Error>> {
        let all = usize::try_from(len).unwrap_or(usize::MAX);
        let commands = source.bytes(begins, all).map_err(StreamError::Source)?;
        let mut digest = Digest::new();
        digest.write(crc.0);
        digest.write(commands);
        if commands.len() == all && digest.sum64() == crc.1 {
            return Ok(len);
        }
        let mut whole = 0;
        while let Scanned::Whole(len) = Scan::default().go_on(&commands[whole..]) {
            whole += len;
        }
        Ok(whole as u64)
    }

    /// What stands there, whether it is the name of a history, and how long it is.
    fn look<S: Source>(&self, source: &mut S) -> Result<(Line, bool, u64), StreamError<S::Error>> {
        let input = source.bytes(self.position, MAX_BETWEEN).map_err(StreamError::Source)?;
        match input.first() {
            None => return Err(StreamError::Ends { at: self.position }),
            Some(b'#') => {}
            Some(_) => {
                return match Scan::default().go_on(input) {
                    Scanned::Whole(len) if input.starts_with(SELECT) => Ok((Line::Select, false, len as u64)),
                    Scanned::Incomplete if input.len() < MAX_BETWEEN => {
                        Err(StreamError::Ends { at: self.position + input.len() as u64 })
                    }
                    Scanned::Whole(_) | Scanned::Incomplete | Scanned::Bad(_) => {
                        self.damage(0, DamageKind::NoCommand)
                    }
                };
            }
        }
        let window = &input[..input.len().min(MAX_LINE)];
        let Some(end) = window.iter().position(|&byte| byte == b'\n') else {
            if window.len() < MAX_LINE {
                return Err(StreamError::Ends { at: self.position + window.len() as u64 });
            }
            return self.damage(0, DamageKind::Annotation(BadAnnotation::Malformed));
        };
        let text = window[..end].strip_suffix(b"\r").unwrap_or(&window[..end]);
        let parsed = match parse(text) {
            Ok(parsed) => parsed,
            Err(error) => return self.damage(0, DamageKind::Annotation(error)),
        };
        let line = match (parsed.annotation, parsed.span_crc) {
            (Annotation::Span(span), Some((text, crc))) => {
                Line::Span { offset: span.offset, len: span.len, text: text.to_vec(), crc }
            }
            (Annotation::Local { len, .. }, Some((text, crc))) => {
                Line::Local { len, text: text.to_vec(), crc }
            }
            (Annotation::History(history), _) => Line::At(history.offset),
            (Annotation::End { offset, .. }, _) => Line::At(offset),
            _ => Line::Other,
        };
        Ok((line, matches!(parsed.annotation, Annotation::History(_)), end as u64 + 1))
    }
}

fn are_whole(mut commands: &[u8]) -> bool {
    while !commands.is_empty() {
        match Scan::default().go_on(commands) {
            Scanned::Whole(len) => commands = &commands[len..],
            Scanned::Incomplete | Scanned::Bad(_) => return false,
        }
    }
    true
}

/// A ping without an argument, and what stands in front of one with it.
const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
const PING_WITH: &[u8] = b"*2\r\n$4\r\nPING\r\n";

/// Appends so many bytes that mean nothing.
fn fill(out: &mut Vec<u8>, len: usize) {
    let end = out.len() + len;
    if len < PING.len() {
        return out.resize(end, b'\n');
    }
    if len == PING.len() {
        return out.extend_from_slice(PING);
    }
    // `$`, the digits, two line ends: an argument of so many bytes with so many digits.
    let fitting = (1..=20).find_map(|digits| {
        let argument = len.checked_sub(PING_WITH.len() + 5 + digits)?;
        let text = argument.to_string();
        (text.len() == digits).then_some((argument, text))
    });
    let Some((argument, text)) = fitting else {
        // A few lengths are none of a ping.
        out.push(b'\n');
        return fill(out, len - 1);
    };
    out.extend_from_slice(PING_WITH);
    out.push(b'$');
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
    out.resize(out.len() + argument, b'\n');
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests;
