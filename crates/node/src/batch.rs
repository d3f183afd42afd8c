//! Scratch space for the requests of one read.

use resp::Span;

use commands::CommandSpec;

/// Requests parsed ahead of their execution, so that the memory they will touch can be fetched meanwhile.
pub(crate) const BATCH: usize = 64;

/// One parsed request.
#[derive(Clone, Copy)]
pub(crate) struct Request {
    /// Where it begins in the input.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// Index of its first span.
    pub span: usize,
    /// Number of arguments.
    pub argc: usize,
    /// Its arguments are in the parser's own buffer, not in the input.
    pub inline: bool,
    pub spec: Option<&'static CommandSpec>,
}

/// The requests of one batch and the spans of their arguments.
#[derive(Default)]
pub(crate) struct Batch {
    pub requests: Vec<Request>,
    pub spans: Vec<Span>,
    /// Hashes of the keys that were prefetched, with their databases.
    pub hashes: Vec<u64>,
}

impl Batch {
    pub fn clear(&mut self) {
        self.requests.clear();
        self.spans.clear();
        self.hashes.clear();
    }
}
