//! A bounded view of the input from which all parsing is done.

use crate::Error;

/// Why parsing stops before an item is complete.
pub(crate) enum Stop {
    /// The item needs the input to be at least this long, counted from the start of the cursor's data.
    More(usize),
    /// The input is at fault. Boxed, since this type is moved with every item that is read.
    Fail(Box<Error>),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Fail(Box::new(error))
    }
}

/// Reads forward through a slice; knows where in the whole stream it stands.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    data: &'a [u8],
    /// Invariant: `used <= data.len()`.
    used: usize,
    /// Offset of `data[0]` in the stream.
    base: u64,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(data: &'a [u8], base: u64) -> Self {
        Cursor { data, used: 0, base }
    }

    /// Number of bytes read so far.
    #[inline]
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// Offset in the stream of the next byte.
    #[inline]
    pub(crate) fn at(&self) -> u64 {
        self.base + self.used as u64
    }

    /// Everything that follows.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.data[self.used..]
    }

    /// Passes over bytes that [`rest`](Cursor::rest) has shown.
    #[inline]
    pub(crate) fn skip(&mut self, len: usize) {
        debug_assert!(len <= self.rest().len());
        self.used += len;
    }

    /// Goes back to where the cursor began.
    pub(crate) fn rewind(&mut self) {
        self.used = 0;
    }

    /// The next `len` bytes. A `len` beyond all memory is simply never satisfied.
    #[inline]
    pub(crate) fn bytes(&mut self, len: u64) -> Result<&'a [u8], Stop> {
        let rest = &self.data[self.used..];
        if len <= rest.len() as u64 {
            let taken = &rest[..len as usize];
            self.used += len as usize;
            Ok(taken)
        } else {
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            Err(Stop::More(self.used.saturating_add(len)))
        }
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        match self.data[self.used..].first_chunk::<N>() {
            Some(chunk) => {
                self.used += N;
                Ok(*chunk)
            }
            None => Err(Stop::More(self.used + N)),
        }
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, Stop> {
        Ok(self.array::<1>()?[0])
    }
}
