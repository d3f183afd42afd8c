//! The payload of a full synchronisation, in either of its forms.
//!
//! ```text
//! $<length>\r\n   <length bytes>
//! $EOF:<mark>\r\n <bytes> <mark>        the mark is 40 bytes that the master drew at random
//! ```
//!
//! No line end follows the bytes: what comes next is the stream.

use memchr::memmem;

use super::LinkError;
use super::event::{Event, PayloadBytes};
use crate::wire::{excerpt, parse_number};

const MARK_LEN: usize = 40;
const EXPECTED: &str = "the header of a payload";

/// Where a payload stands.
#[derive(Debug)]
pub(super) struct Payload {
    len: Option<u64>,
    received: u64,
    end: End,
}

#[derive(Debug)]
enum End {
    /// Bytes still to come.
    After {
        remaining: u64,
    },
    At(Box<MarkSearch>),
}

impl Payload {
    /// Reads the header line.
    pub(super) fn from_header(line: &[u8]) -> Result<Payload, LinkError> {
        if line.starts_with(b"-") {
            return Err(LinkError::SyncAborted { reply: excerpt(line) });
        }
        let unexpected = || LinkError::Unexpected { expected: EXPECTED, got: excerpt(line) };
        let form = line.strip_prefix(b"$").ok_or_else(unexpected)?;
        if let Some(mark) = form.strip_prefix(b"EOF:") {
            let mark: [u8; MARK_LEN] = mark.try_into().map_err(|_| unexpected())?;
            return Ok(Payload { len: None, received: 0, end: End::At(Box::new(MarkSearch::new(mark))) });
        }
        let len = parse_number(form).ok_or_else(unexpected)?;
        Ok(Payload { len: Some(len), received: 0, end: End::After { remaining: len } })
    }

    /// The length, if the master said it.
    pub(super) fn len(&self) -> Option<u64> {
        self.len
    }

    /// Bytes of the payload handed out so far.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// The next event out of the front of `input`: a piece, the end, or nothing if more bytes are needed.
    pub(super) fn step<'b>(&mut self, input: &mut &'b [u8]) -> Option<Event<'b>> {
        let piece = match &mut self.end {
            End::After { remaining: 0 } => return Some(Event::PayloadEnd),
            End::After { remaining } => {
                let len = usize::try_from(*remaining).map_or(input.len(), |left| left.min(input.len()));
                let (piece, rest) = input.split_at(len);
                *input = rest;
                *remaining -= len as u64;
                Found::Bytes(PayloadBytes::borrowed(piece))
            }
            End::At(search) => search.step(input),
        };
        match piece {
            Found::Mark => Some(Event::PayloadEnd),
            Found::Bytes(bytes) if bytes.is_empty() => None,
            Found::Bytes(bytes) => {
                self.received += bytes.len() as u64;
                Some(Event::Payload(bytes))
            }
        }
    }
}

enum Found<'b> {
    Bytes(PayloadBytes<'b>),
    Mark,
}

/// Looks for the end mark, which may be cut anywhere.
///
/// Bytes at the end of an input that could be the beginning of the mark are held back. They equal the
/// beginning of the mark, so it is enough to remember how many they are.
#[derive(Debug)]
struct MarkSearch {
    mark: [u8; MARK_LEN],
    finder: memmem::Finder<'static>,
    /// So many bytes, the first ones of `mark`, have been consumed and not handed out.
    /// Invariant: less than the mark's length.
    held: usize,
}

impl MarkSearch {
    fn new(mark: [u8; MARK_LEN]) -> MarkSearch {
        MarkSearch { mark, finder: memmem::Finder::new(&mark).into_owned(), held: 0 }
    }

    fn step<'b>(&mut self, input: &mut &'b [u8]) -> Found<'b> {
        let nothing = Found::Bytes(PayloadBytes::borrowed(&[]));
        if input.is_empty() {
            return nothing;
        }
        if self.held > 0 {
            let wrong = self.wrong_start(input);
            if wrong > 0 {
                // What remains held is the beginning of the mark once more: `wrong_start` has just checked
                // it.
                self.held -= wrong;
                return Found::Bytes(PayloadBytes::held_back(self.mark, wrong));
            }
            let taken = (MARK_LEN - self.held).min(input.len());
            *input = &input[taken..];
            self.held += taken;
            if self.held < MARK_LEN {
                return nothing;
            }
            self.held = 0;
            return Found::Mark;
        }
        match self.finder.find(input) {
            Some(0) => {
                *input = &input[MARK_LEN..];
                Found::Mark
            }
            Some(at) => {
                let (piece, rest) = input.split_at(at);
                *input = rest;
                Found::Bytes(PayloadBytes::borrowed(piece))
            }
            None => {
                let longest = input.len().min(MARK_LEN - 1);
                self.held = (1..=longest).rev().find(|&n| input.ends_with(&self.mark[..n])).unwrap_or(0);
                let (piece, _) = input.split_at(input.len() - self.held);
                *input = &[];
                Found::Bytes(PayloadBytes::borrowed(piece))
            }
        }
    }

    /// How many of the bytes held back cannot belong to the mark, now that `input` is known to follow them:
    /// the mark may begin no earlier than after so many.
    fn wrong_start(&self, input: &[u8]) -> usize {
        let held = &self.mark[..self.held];
        let may_begin_at = |start: usize| {
            let (known, to_come) = self.mark.split_at(self.held - start);
            let compared = to_come.len().min(input.len());
            held[start..] == *known && input[..compared] == to_come[..compared]
        };
        (0..self.held).find(|&start| may_begin_at(start)).unwrap_or(self.held)
    }
}

#[cfg(test)]
mod tests;
