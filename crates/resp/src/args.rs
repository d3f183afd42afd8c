//! The arguments of one request: spans into a buffer, a view of them, and an owned copy.

use std::fmt;
use std::ops::{Index, Range};

/// A slice of a request's buffer. 32 bits each are enough: a read buffer is smaller than 4 GiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Index of the first byte.
    pub start: u32,
    /// Number of bytes.
    pub len: u32,
}

impl Span {
    /// The bytes of `buf` that this span names.
    ///
    /// # Panics
    /// If the span lies outside of `buf`, that is if it belongs to another buffer.
    #[inline]
    #[must_use]
    pub fn of(self, buf: &[u8]) -> &[u8] {
        &buf[self.start as usize..][..self.len as usize]
    }
}

/// The arguments of one request, the command's name first: a view that is as cheap to copy as two slices.
///
/// ```
/// use resp::{Args, OwnedArgs};
/// let owned = OwnedArgs::from_slices(&[b"SET", b"key", b"value"]);
/// let args: Args<'_> = owned.as_args();
/// assert_eq!(&args[0], b"SET");
/// assert_eq!(args.get(3), None);
/// assert_eq!(args.from(1).iter().collect::<Vec<_>>(), [b"key".as_slice(), b"value"]);
/// ```
#[derive(Clone, Copy)]
pub struct Args<'a> {
    buf: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// A view of the arguments that `spans` cut out of `buf`.
    #[inline]
    #[must_use]
    pub fn new(buf: &'a [u8], spans: &'a [Span]) -> Self {
        Args { buf, spans }
    }

    /// How many arguments there are, the command's name included.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether the request was blank.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Argument `i`, if there are that many.
    #[inline]
    #[must_use]
    pub fn get(&self, i: usize) -> Option<&'a [u8]> {
        self.spans.get(i).map(|span| span.of(self.buf))
    }

    /// Argument `i`; like indexing, but the result lives as long as the buffer, not as this view.
    ///
    /// # Panics
    /// If there is no such argument.
    #[inline]
    #[must_use]
    pub fn at(&self, i: usize) -> &'a [u8] {
        self.spans[i].of(self.buf)
    }

    /// All arguments in order.
    #[inline]
    pub fn iter(&self) -> ArgsIter<'a> {
        ArgsIter { buf: self.buf, spans: self.spans.iter() }
    }

    /// The arguments from `i` on; none if there are fewer.
    #[inline]
    #[must_use]
    pub fn from(&self, i: usize) -> Args<'a> {
        Args { buf: self.buf, spans: self.spans.get(i..).unwrap_or(&[]) }
    }

    /// The arguments in a range; those of it that there are.
    #[inline]
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Args<'a> {
        let end = range.end.min(self.spans.len());
        Args { buf: self.buf, spans: self.spans.get(range.start..end).unwrap_or(&[]) }
    }

    /// The spans of this view.
    #[inline]
    #[must_use]
    pub fn spans(&self) -> &'a [Span] {
        self.spans
    }
}

impl Index<usize> for Args<'_> {
    type Output = [u8];

    #[inline]
    fn index(&self, i: usize) -> &[u8] {
        self.at(i)
    }
}

impl<'a> IntoIterator for Args<'a> {
    type Item = &'a [u8];
    type IntoIter = ArgsIter<'a>;

    #[inline]
    fn into_iter(self) -> ArgsIter<'a> {
        self.iter()
    }
}

impl fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|arg| arg.escape_ascii().to_string())).finish()
    }
}

/// Iterates over the arguments of a request.
#[derive(Clone)]
pub struct ArgsIter<'a> {
    buf: &'a [u8],
    spans: std::slice::Iter<'a, Span>,
}

impl<'a> Iterator for ArgsIter<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.spans.next().map(|span| span.of(self.buf))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.spans.size_hint()
    }
}

impl DoubleEndedIterator for ArgsIter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.spans.next_back().map(|span| span.of(self.buf))
    }
}

impl ExactSizeIterator for ArgsIter<'_> {}

/// A request that outlives its read buffer: what MULTI queues, what a script builds.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnedArgs {
    buf: Box<[u8]>,
    spans: Box<[Span]>,
}

impl OwnedArgs {
    /// Copies a request's arguments, and nothing of the buffer around them.
    #[must_use]
    pub fn from_args(args: Args<'_>) -> Self {
        Self::collect(args.iter())
    }

    /// Copies the given arguments.
    ///
    /// # Panics
    /// If they hold 4 GiB or more together.
    #[must_use]
    pub fn from_slices(args: &[&[u8]]) -> Self {
        Self::collect(args.iter().copied())
    }

    fn collect<'a>(args: impl ExactSizeIterator<Item = &'a [u8]> + Clone) -> Self {
        let total = args.clone().map(<[u8]>::len).sum();
        assert!(u32::try_from(total).is_ok(), "a request of 4 GiB does not fit 32-bit spans");
        let mut buf = Vec::with_capacity(total);
        let mut spans = Vec::with_capacity(args.len());
        for arg in args {
            spans.push(Span { start: buf.len() as u32, len: arg.len() as u32 });
            buf.extend_from_slice(arg);
        }
        OwnedArgs { buf: buf.into_boxed_slice(), spans: spans.into_boxed_slice() }
    }

    /// A view of the arguments.
    #[inline]
    #[must_use]
    pub fn as_args(&self) -> Args<'_> {
        Args { buf: &self.buf, spans: &self.spans }
    }

    /// Bytes on the heap, for limits on queued commands.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.buf.len() + size_of_val(&*self.spans)
    }
}

impl fmt::Debug for OwnedArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_args().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn view_indexes_iterates_and_tails() {
        let buf = b"..GET...key.";
        let spans = [Span { start: 2, len: 3 }, Span { start: 8, len: 3 }, Span { start: 12, len: 0 }];
        let args = Args::new(buf, &spans);
        assert_eq!(args.len(), 3);
        assert!(!args.is_empty());
        assert_eq!(&args[1], b"key");
        assert_eq!(args.at(2), b"");
        assert_eq!(args.get(3), None);
        assert_eq!(args.iter().rev().map(<[u8]>::len).collect::<Vec<_>>(), [0, 3, 3]);
        assert_eq!(args.from(1).at(0), b"key");
        assert!(args.from(3).is_empty());
        assert!(args.from(7).is_empty());
        assert_eq!(args.slice(1..2).iter().collect::<Vec<_>>(), [b"key"]);
        assert_eq!(args.slice(1..9).len(), 2);
        assert!(args.slice(4..9).is_empty());
        assert_eq!(format!("{:?}", args.from(1)), r#"["key", ""]"#);
    }

    #[test]
    fn owned_copy_holds_only_the_arguments() {
        let buf = b"$3\r\nGET\r\n$1\r\nk\r\n";
        let spans = [Span { start: 4, len: 3 }, Span { start: 13, len: 1 }];
        let owned = OwnedArgs::from_args(Args::new(buf, &spans));
        assert_eq!(owned.heap_bytes(), 4 + 2 * size_of::<Span>());
        assert_eq!(owned.as_args().iter().collect::<Vec<_>>(), [b"GET".as_slice(), b"k"]);
        assert_eq!(owned, OwnedArgs::from_slices(&[b"GET", b"k"]));
    }

    #[test]
    #[should_panic(expected = "out of range")]
    fn a_span_of_another_buffer_is_caught() {
        let _ = Args::new(b"short", &[Span { start: 3, len: 9 }]).at(0);
    }
}
