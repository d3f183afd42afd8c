//! The push parser of whole streams.

mod items;

use items::Parser;

use crate::checksum::{self, Checksum};
use crate::cursor::{Cursor, Stop};
use crate::value::Scratch;
use crate::{Error, Event, Value};

/// Buffers that a large string has made larger than this are given back once they are idle.
const KEPT_CAPACITY: usize = 1 << 20;

/// How a [`Reader`] reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadOptions {
    /// Compare the checksum at the end with that of the bytes read. Costs little; leave it on unless the
    /// transport has a checksum of its own.
    pub verify_checksum: bool,
    /// Longest string to accept, compressed and decompressed.
    pub max_string: u64,
    /// Accept versions beyond those known, and read what they have in common with the last known one. What is new in them ends the
    /// reading with an error when it comes.
    pub newer_versions: bool,
}

impl Default for ReadOptions {
    /// Verifies the checksum; accepts strings up to 512 MiB, the servers' own default.
    fn default() -> Self {
        ReadOptions { verify_checksum: true, max_string: 512 << 20, newer_versions: false }
    }
}

/// A push parser of RDB streams: bytes go in with [`feed`](Reader::feed), events come out of
/// [`next`](Reader::next). Where the stream lies in memory anyway, [`next_in`](Reader::next_in) reads it there.
///
/// The reader holds the bytes of one incomplete item, no more than were fed, and two decompressed strings. An item is at most
/// one element of a value and its key, or a node of a list or stream.
/// After an error it stays in that error.
#[derive(Debug)]
pub struct Reader {
    /// Input; everything before the steps' `used` belongs to items that have been reported. Empty if the input stays with the caller.
    buf: Vec<u8>,
    steps: Steps,
}

/// A reader without its input.
#[derive(Debug)]
struct Steps {
    parser: Parser,
    sum: Sum,
    /// How much of the input belongs to items that have been reported.
    ///
    /// Invariant: `sum.done <= used <= input.len()`.
    used: usize,
    /// Offset in the stream of the input's first byte.
    base: u64,
    /// Nothing can come of another attempt before so many bytes follow `used`.
    needed: usize,
    scratch: Scratch,
}

/// The checksum of the items that have been reported.
#[derive(Debug)]
struct Sum {
    /// Absent if nobody wants to know.
    checksum: Option<Checksum>,
    /// How much of the reader's input is part of it.
    done: usize,
}

impl Sum {
    fn catch_up(&mut self, input: &[u8], used: usize) {
        if let Some(checksum) = &mut self.checksum {
            checksum.update(&input[self.done..used]);
        }
        self.done = used;
    }
}

impl Steps {
    fn next<'a>(&'a mut self, input: &'a [u8]) -> Result<Option<Event<'a>>, Error> {
        if input.len() - self.used < self.needed {
            return Ok(None);
        }
        self.needed = 0;
        // Two steps, so that nothing borrowed from the reader has to live through a loop.
        let mut cursor = loop {
            let mut cursor = Cursor::new(&input[self.used..], self.base + self.used as u64);
            match self.parser.pass(&mut cursor) {
                Ok(false) => break cursor,
                Ok(true) => self.used += cursor.used(),
                Err(Stop::More(needed)) => {
                    self.needed = needed;
                    return Ok(None);
                }
                Err(Stop::Fail(error)) => return Err(self.parser.fail(*error)),
            }
        };
        if self.used - self.sum.done >= checksum::RUN || self.parser.wants_checksum() {
            self.sum.catch_up(input, self.used);
            self.trim_scratch();
        }
        // Nearly all items of nearly all streams. In the general way the event is moved twice before it reaches the
        // caller, which costs more than reading such an item does.
        if let Some((key, value)) = self.parser.plain_entry(&mut cursor) {
            self.used += cursor.used();
            return Ok(Some(self.parser.entry(key, Value::String(value))));
        }
        if let Some(element) = self.parser.plain_element(&mut cursor) {
            self.used += cursor.used();
            return Ok(Some(element));
        }
        let checksum = self.sum.checksum.as_ref();
        match self.parser.report(&mut cursor, checksum, &mut self.scratch) {
            Ok(event) => {
                self.used += cursor.used();
                Ok(Some(event))
            }
            Err(Stop::More(needed)) => {
                self.needed = needed;
                Ok(None)
            }
            Err(Stop::Fail(error)) => Err(self.parser.fail(*error)),
        }
    }

    fn trim_scratch(&mut self) {
        for buffer in [&mut self.scratch.first, &mut self.scratch.second] {
            buffer.clear();
            buffer.shrink_to(KEPT_CAPACITY);
        }
    }
}

impl Reader {
    /// A reader at the start of a stream.
    pub fn new(options: ReadOptions) -> Self {
        Reader {
            buf: Vec::new(),
            steps: Steps {
                parser: Parser::new(options.max_string, options.newer_versions),
                sum: Sum { checksum: options.verify_checksum.then(Checksum::new), done: 0 },
                used: 0,
                base: 0,
                needed: 0,
                scratch: Scratch::default(),
            },
        }
    }

    /// Hands over the next bytes of the stream, divided in any way.
    ///
    /// Chunks of some 64 KiB are good: small enough for the cache, large enough not to be felt. Take all events
    /// before feeding again, or the input gathers.
    pub fn feed(&mut self, bytes: &[u8]) {
        let steps = &mut self.steps;
        // Moving the rest to the front only if it is the smaller part keeps the cost of moving below that of reading.
        if steps.used >= self.buf.len() - steps.used {
            steps.sum.catch_up(&self.buf, steps.used);
            steps.sum.done = 0;
            steps.base += steps.used as u64;
            self.buf.drain(..steps.used);
            steps.used = 0;
        }
        steps.trim_scratch();
        if self.buf.len() + bytes.len() < KEPT_CAPACITY {
            self.buf.shrink_to(KEPT_CAPACITY);
        }
        self.buf.extend_from_slice(bytes);
    }

    /// The next event; `None` if it needs more bytes, or after [`Event::End`].
    #[expect(
        clippy::should_implement_trait,
        reason = "events borrow from the reader, which no Iterator can say"
    )]
    pub fn next(&mut self) -> Result<Option<Event<'_>>, Error> {
        self.steps.next(&self.buf)
    }

    /// The next event of a stream that lies in memory from its first byte on: what [`next`](Reader::next) gives, without the copy that
    /// [`feed`](Reader::feed) makes.
    ///
    /// Each call gets the same bytes, and perhaps more behind them; `None` asks for more. A reader takes all of its input this way
    /// or none.
    ///
    /// # Panics
    ///
    /// When there are fewer bytes than have been read already.
    pub fn next_in<'a>(&'a mut self, stream: &'a [u8]) -> Result<Option<Event<'a>>, Error> {
        debug_assert!(self.buf.is_empty(), "a reader that has been fed");
        self.steps.next(stream)
    }

    /// Offset in the stream of the first byte that no reported event has covered.
    pub fn position(&self) -> u64 {
        self.steps.base + self.steps.used as u64
    }

    /// Whether [`Event::End`] has been reported.
    pub fn is_finished(&self) -> bool {
        self.steps.parser.is_finished()
    }

    /// The bytes fed that no reported event has covered: after [`Event::End`], what follows the stream.
    pub fn leftover(&self) -> &[u8] {
        self.buf.get(self.steps.used..).unwrap_or_default()
    }

    /// Says that no more input comes: an error unless the stream is at its end.
    pub fn close(&self) -> Result<(), Error> {
        match self.steps.parser.error() {
            Some(error) => Err(error),
            None if self.is_finished() => Ok(()),
            None => Err(Error::Truncated { at: self.position() + self.leftover().len() as u64 }),
        }
    }
}

impl Default for Reader {
    fn default() -> Self {
        Reader::new(ReadOptions::default())
    }
}

#[cfg(test)]
mod tests;
