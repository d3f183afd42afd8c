//! Scratch space for the requests of one read.

use std::ops::Range;

use resp::{Args, Span};

use commands::{CommandSpec, ElementRange};

/// Requests parsed ahead of their execution, so that the memory they will touch can be fetched meanwhile.
pub(crate) const BATCH: usize = 64;

/// One parsed request.
#[derive(Clone, Copy)]
pub(crate) struct Request {
    /// Where it begins in the input.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// Where what follows it begins: behind blank requests.
    pub next: usize,
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

    /// Gives back what a request of very many arguments took.
    pub fn shrink(&mut self) {
        /// Spans that are kept.
        const KEEP: usize = 16 * 1024;
        if self.spans.capacity() > KEEP {
            self.spans = Vec::new();
        }
    }
}

/// Requests in a row that look something up in one collection.
pub(crate) struct ElementRun<'a> {
    /// How many there are; one that looks nothing up is a run of its own.
    pub requests: usize,
    pub key: &'a [u8],
    /// How many members or fields they name.
    pub elements: usize,
}

impl Batch {
    fn args<'a>(&'a self, input: &'a [u8], request: &Request) -> Args<'a> {
        Args::new(input, &self.spans[request.span..request.span + request.argc])
    }

    /// The collection and the members or fields of one request, if it looks some up there.
    #[inline]
    fn looked_up<'a>(&'a self, input: &'a [u8], request: &Request) -> Option<(&'a [u8], ElementRange)> {
        // Only what has been parsed in place has its specification here already.
        let elements = request.spec?.elements;
        (!elements.is_none()).then(|| (self.args(input, request).at(1), elements))
    }

    /// The run that begins with request number `from`.
    #[inline]
    pub fn run_of_elements<'a>(&'a self, input: &'a [u8], from: usize) -> ElementRun<'a> {
        let Some((key, range)) = self.looked_up(input, &self.requests[from]) else {
            return ElementRun { requests: 1, key: &[], elements: 0 };
        };
        let mut run =
            ElementRun { requests: 1, key, elements: range.positions(self.requests[from].argc).count() };
        for request in &self.requests[from + 1..] {
            match self.looked_up(input, request) {
                Some((key, range)) if key == run.key => {
                    run.requests += 1;
                    run.elements += range.positions(request.argc).count();
                }
                _ => break,
            }
        }
        run
    }

    /// The members or fields that these requests name.
    pub fn elements<'a>(&'a self, input: &'a [u8], requests: Range<usize>) -> impl Iterator<Item = &'a [u8]> {
        self.requests[requests].iter().flat_map(move |request| {
            let args = self.args(input, request);
            let range = request.spec.map_or(ElementRange::NONE, |spec| spec.elements);
            range.positions(request.argc).map(move |position| args.at(position))
        })
    }
}

#[cfg(test)]
mod tests {
    use commands::Registry;
    use resp::{Parsed, RequestLimits, RequestParser};

    use super::*;

    fn batch_of(registry: &Registry, requests: &[&str]) -> (Vec<u8>, Batch) {
        let mut input = Vec::new();
        for request in requests {
            let words: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
            resp::encode_request(&mut input, &words);
        }
        let (mut batch, mut parser, mut at) = (Batch::default(), RequestParser::new(), 0);
        while at < input.len() {
            let span = batch.spans.len();
            let parsed = parser.parse(&input, at, &RequestLimits::default(), &mut batch.spans).unwrap();
            let Parsed::Request { end, argc, .. } = parsed else { panic!("half a request") };
            let spec = registry.resolve(Args::new(&input, &batch.spans[span..])).ok();
            batch.requests.push(Request { start: at, end, next: end, span, argc, inline: false, spec });
            at = end;
        }
        (input, batch)
    }

    #[test]
    fn requests_in_a_row_that_look_into_one_collection_are_a_run() {
        let registry = Registry::new();
        let (input, batch) = batch_of(
            &registry,
            &[
                "SADD s a b",
                "SISMEMBER s c",
                "SADD t d",
                "GET s",
                "HSET s f 1 g 2",
                "HINCRBY s h 3",
                "HLEN s",
            ],
        );
        let mut runs = Vec::new();
        let mut at = 0;
        while at < batch.requests.len() {
            let run = batch.run_of_elements(&input, at);
            let elements = batch.elements(&input, at..at + run.requests);
            let text: Vec<_> = elements.map(|name| String::from_utf8_lossy(name)).collect();
            assert_eq!(text.len(), run.elements);
            runs.push(format!("{}: {}", String::from_utf8_lossy(run.key), text.join(" ")));
            at += run.requests;
        }
        assert_eq!(runs, ["s: a b c", "t: d", ": ", "s: f g h", ": "]);
    }
}
