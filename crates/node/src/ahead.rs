//! Looking ahead: what the requests of a batch will touch is fetched before the first of them runs.
//!
//! Between the parsing of requests the processor would have a few cache misses under way at once, here it has many; with a
//! pipeline this halves what a GET costs on a large keyspace. Keys come first. Then, when several requests in a row go to one
//! collection, the members or fields that they name: these are found only through the key.

use resp::Args;

use commands::CommandSpec;

use crate::batch::Batch;
use crate::node::Node;

/// Keys prefetched for one batch at most: MSET of thousands would only push its own first keys out of the cache.
const MAX_PREFETCH: usize = 256;
/// With fewer members or fields than this there is too little to gain from looking the key up once more.
const MIN_ELEMENTS: usize = 4;

impl Node {
    #[inline]
    pub(crate) fn collect_keys(
        &self,
        db: usize,
        spec: Option<&'static CommandSpec>,
        args: Args<'_>,
        hashes: &mut Vec<u64>,
    ) {
        let Some(spec) = spec else { return };
        let db = self.keyspace.db(db);
        for position in spec.keys_of(args) {
            if hashes.len() == MAX_PREFETCH {
                return;
            }
            hashes.push(db.hash(args.at(position)));
        }
    }

    /// Fetches what the keys of a batch lead to.
    #[inline]
    pub(crate) fn prefetch_keys(&self, db: usize, hashes: &[u64]) {
        if hashes.len() > 1 {
            self.keyspace.db(db).prefetch_batch(hashes);
        }
    }

    /// Fetches what the members and fields lead to that a batch names, wherever several in a row are of one collection.
    #[inline]
    pub(crate) fn prefetch_elements(&self, db: usize, input: &[u8], batch: &Batch) {
        let mut at = 0;
        while at < batch.requests.len() {
            let run = batch.run_of_elements(input, at);
            if run.elements >= MIN_ELEMENTS {
                let requests = at..at + run.requests;
                self.keyspace.db(db).prefetch_elements(run.key, batch.elements(input, requests));
            }
            at += run.requests;
        }
    }
}
