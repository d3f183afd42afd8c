//! From the bytes of a file to commands and annotations.

use std::fmt;

use crc64fast::Digest;

use crate::annotation::{Annotation, BadAnnotation, MAX_LINE, parse};
use crate::framing::{Scan, Scanned};
use crate::point::is_select;

/// Commands are handed over in runs of about so many bytes.
const RUN: usize = 256 * 1024;

const MULTI: &[u8] = b"*1\r\n$5\r\nmulti\r\n";
const EXEC: &[u8] = b"*1\r\n$4\r\nexec\r\n";

/// What comes next in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// Whole commands. A transaction may be spread over several of these.
    Commands {
        /// Their bytes.
        bytes: &'a [u8],
        /// Whose they are.
        origin: Origin,
    },
    /// A line about them.
    Annotation(Annotation),
}

/// Whose commands are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// They are part of a span: the history has them, and their offset is known.
    History,
    /// They were written to a replica by its own clients: no history has them.
    Local,
    /// Somebody else has appended them: nobody knows their offset.
    Unknown,
}

/// What [`Reader::next`] has found.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Step<'a> {
    /// The next item, and how many bytes of the input it was.
    Item {
        /// What it is.
        item: Item<'a>,
        /// Bytes to leave out in the next call.
        len: usize,
    },
    /// More bytes are needed, or this is the end of the file.
    NeedsMore,
}

/// What is wrong in the midst of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Damage {
    /// The byte of the file.
    pub at: u64,
    /// What it is.
    pub kind: DamageKind,
}

/// Kinds of damage.
#[derive(Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// There should be a command here.
    NoCommand,
    /// An annotation of ours is not as it was written.
    Annotation(BadAnnotation),
    /// The checksum of the commands that begin here does not fit.
    Checksum {
        /// How many bytes of commands those are.
        len: u64,
    },
    /// A span ends in the middle of a command, or the next one begins before its end.
    Span,
    /// EXEC without MULTI, or MULTI within MULTI.
    Nesting,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at;
        match &self.kind {
            DamageKind::NoCommand => write!(f, "no command begins at byte {at}"),
            DamageKind::Annotation(error) => write!(f, "{error} at byte {at}"),
            DamageKind::Checksum { len } => {
                write!(f, "the checksum of the {len} bytes from byte {at} on does not fit")
            }
            DamageKind::Span => write!(f, "the commands at byte {at} are not as long as announced"),
            DamageKind::Nesting => write!(f, "MULTI and EXEC do not go together at byte {at}"),
        }
    }
}

impl std::error::Error for Damage {}

/// How a file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The file's length, as far as the reader was given it.
    pub len: u64,
    /// Up to here it consists of whole commands, whole transactions and whole lines: what repair cuts it back to.
    pub whole: u64,
    /// Something is missing at the end, be it that a span stops short of its length.
    pub is_cut: bool,
    /// The last line says that writing ended in good order, and nothing follows it.
    pub ended: bool,
    /// Behind the last span, or where there was none, stand commands that somebody else has written: nobody knows their offsets.
    pub foreign: bool,
}

/// The span that is being read; there is none that has nothing left.
struct OpenSpan {
    origin: Origin,
    digest: Digest,
    expected: u64,
    begins: u64,
    len: u64,
    left: u64,
}

/// Reads one file; for the next one there is a reader of its own.
///
/// It holds no bytes: the caller gives it all that is known from where the last item ended, and more when it is told that this does
/// not do.
pub struct Reader {
    /// Where the next item begins.
    position: u64,
    /// Where the transaction began that is open.
    multi: Option<u64>,
    scan: Scan,
    span: Option<OpenSpan>,
    /// Here a database was selected behind a span whose end was never written: a history has to follow.
    goes_on: Option<u64>,
    ended: bool,
    foreign: bool,
}

impl Default for Reader {
    fn default() -> Self {
        Reader::new()
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("position", &self.position).finish_non_exhaustive()
    }
}

impl Reader {
    /// A reader at the beginning of a file.
    pub fn new() -> Reader {
        Reader::at(0)
    }

    /// A reader in the midst of a file, where commands begin: behind a snapshot.
    pub fn at(position: u64) -> Reader {
        Reader {
            position,
            multi: None,
            scan: Scan::default(),
            span: None,
            goes_on: None,
            ended: false,
            foreign: false,
        }
    }

    /// Where the next item begins.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Reads the next item at the front of `input`, which begins at [`Reader::position`].
    ///
    /// # Errors
    ///
    /// [`Damage`], after which this reader is of no use any more.
    pub fn next<'a>(&mut self, input: &'a [u8]) -> Result<Step<'a>, Damage> {
        match input.first() {
            None => Ok(Step::NeedsMore),
            Some(b'#') => self.line(input),
            Some(_) => self.commands(input),
        }
    }

    /// What is known once the file is at its end; `rest` bytes of it could not be read.
    pub fn tail(&self, rest: u64) -> Tail {
        Tail {
            len: self.position + rest,
            whole: self.multi.or(self.goes_on).unwrap_or(self.position),
            is_cut: rest > 0 || self.multi.is_some() || self.span.is_some() || self.goes_on.is_some(),
            ended: self.ended && rest == 0,
            foreign: self.foreign,
        }
    }

    fn damage<T>(&self, at: u64, kind: DamageKind) -> Result<T, Damage> {
        Err(Damage { at, kind })
    }

    fn line<'a>(&mut self, input: &'a [u8]) -> Result<Step<'a>, Damage> {
        let window = &input[..input.len().min(MAX_LINE)];
        let Some(end) = window.iter().position(|&byte| byte == b'\n') else {
            if window.len() < MAX_LINE {
                return Ok(Step::NeedsMore);
            }
            return self.damage(self.position, DamageKind::Annotation(BadAnnotation::Malformed));
        };
        let text = &window[..end];
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let line = match parse(text) {
            Ok(line) => line,
            Err(error) => return self.damage(self.position, DamageKind::Annotation(error)),
        };
        // Writing that goes on behind what was cut off begins with a history: what is left of the span cannot be checked.
        let goes_on = matches!(line.annotation, Annotation::History(_));
        let left = self.span.take().is_some() | self.goes_on.take().is_some();
        if left && !goes_on {
            return self.damage(self.position, DamageKind::Span);
        }
        let len = end + 1;
        self.position += len as u64;
        let announced = match line.annotation {
            Annotation::Span(span) => Some((span.len, Origin::History)),
            Annotation::Local { len, .. } => Some((len, Origin::Local)),
            _ => None,
        };
        if let Some(((len, origin), (text, expected))) = announced.zip(line.span_crc) {
            let mut digest = Digest::new();
            digest.write(text);
            self.span = Some(OpenSpan { origin, digest, expected, begins: self.position, len, left: len });
            self.check_span()?;
        }
        match line.annotation {
            Annotation::History(_) => (self.foreign, self.ended) = (false, false),
            Annotation::End { .. } => self.ended = true,
            Annotation::Span(_) | Annotation::Local { .. } | Annotation::Ancestor(_) => {}
            Annotation::Time { .. } | Annotation::Unknown => {}
        }
        Ok(Step::Item { item: Item::Annotation(line.annotation), len })
    }

    fn commands<'a>(&mut self, input: &'a [u8]) -> Result<Step<'a>, Damage> {
        if self.goes_on.is_some() {
            return self.damage(self.position, DamageKind::Span);
        }
        let mut origin = self.span.as_ref().map_or(Origin::Unknown, |span| span.origin);
        let within = origin != Origin::Unknown;
        let limit =
            self.span.as_ref().map_or(usize::MAX, |span| usize::try_from(span.left).unwrap_or(usize::MAX));
        let mut at = 0;
        while at < limit && at < RUN && input.get(at).is_some_and(|&byte| byte != b'#') {
            let begins = self.position + at as u64;
            match self.scan.go_on(&input[at..]) {
                Scanned::Whole(len) => {
                    if at + len > limit {
                        if self.multi.is_some() || !is_select(&input[at..at + len]) {
                            return self.damage(begins, DamageKind::Span);
                        }
                        // What is missing of the span is shorter than what stands in front of the history behind it.
                        if at == 0 {
                            self.goes_on = Some(begins);
                            at = len;
                        }
                        break;
                    }
                    if !self.note_transaction(&input[at..at + len], begins) {
                        if at > 0 {
                            break;
                        }
                        return self.damage(begins, DamageKind::Nesting);
                    }
                    at += len;
                }
                Scanned::Incomplete => break,
                Scanned::Bad(byte) if at == 0 || within => {
                    return self.damage(begins + byte as u64, DamageKind::NoCommand);
                }
                // What comes before it is whole.
                Scanned::Bad(_) => {
                    self.scan = Scan::default();
                    break;
                }
            }
        }
        if at == 0 {
            return Ok(Step::NeedsMore);
        }
        if self.goes_on.is_some() {
            self.span = None;
            origin = Origin::Unknown;
        }
        let commands = &input[..at];
        self.position += at as u64;
        self.ended = false;
        if let Some(span) = &mut self.span {
            span.digest.write(commands);
            span.left -= at as u64;
            self.check_span()?;
        } else {
            self.foreign = true;
        }
        Ok(Step::Item { item: Item::Commands { bytes: commands, origin }, len: at })
    }

    /// At the end of a span: whether it is what was written.
    fn check_span(&mut self) -> Result<(), Damage> {
        let Some(span) = self.span.take_if(|span| span.left == 0) else { return Ok(()) };
        if span.digest.sum64() != span.expected {
            return self.damage(span.begins, DamageKind::Checksum { len: span.len });
        }
        Ok(())
    }

    /// Whether the command may stand here.
    fn note_transaction(&mut self, command: &[u8], begins: u64) -> bool {
        let (begins_one, ends_one) =
            (command.eq_ignore_ascii_case(MULTI), command.eq_ignore_ascii_case(EXEC));
        let fits = !(begins_one && self.multi.is_some() || ends_one && self.multi.is_none());
        if begins_one && fits {
            self.multi = Some(begins);
        } else if ends_one {
            self.multi = None;
        }
        fits
    }
}

#[cfg(test)]
mod tests;
