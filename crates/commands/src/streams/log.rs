//! How deliveries go into the log: in words that do not depend on the moment.

use keyspace::stream::{Group, Pending, StreamId};
use smallvec::SmallVec;

use crate::Effects;

/// Key and group of an effect.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub key: &'a [u8],
    pub group: &'a [u8],
}

/// So many ids go into one command at most.
const IDS_MAX: usize = 256;

/// Words of an effect; those of a few ids take no allocation.
type Words<'a> = SmallVec<[&'a [u8]; 24]>;

impl Target<'_> {
    /// `XACK key group id …`: the entries are pending no more.
    pub fn acknowledge(self, fx: &mut Effects, ids: &[StreamId]) {
        for ids in ids.chunks(IDS_MAX) {
            let texts: SmallVec<[_; 8]> = ids.iter().map(|id| id.text()).collect();
            let mut words: Words<'_> = SmallVec::from_slice(&[b"XACK", self.key, self.group]);
            words.extend(texts.iter().map(|text| text.as_bytes()));
            fx.rewrite(&words);
        }
    }

    /// `XGROUP SETID key group id ENTRIESREAD n`: how far the group has come.
    pub fn set_id(self, fx: &mut Effects, group: &Group) {
        let read = group.entries_read.map_or(-1, |read| read as i64);
        let (last_id, mut digits) = (group.last_id.text(), itoa::Buffer::new());
        let (last_id, read) = (last_id.as_bytes(), digits.format(read).as_bytes());
        fx.rewrite(&[b"XGROUP", b"SETID", self.key, self.group, last_id, b"ENTRIESREAD", read]);
    }

    /// `XGROUP CREATECONSUMER key group consumer`
    pub fn create_consumer(self, fx: &mut Effects, consumer: &[u8]) {
        fx.rewrite(&[b"XGROUP", b"CREATECONSUMER", self.key, self.group, consumer]);
    }
}

/// Entries that a consumer is given, gathered into as few commands as can say it:
/// `XCLAIM key group consumer 0 id … TIME ms RETRYCOUNT n FORCE JUSTID LASTID id`. The entries are pending with the consumer,
/// whoever had them before, and the group has been given all up to its last id.
pub(super) struct Claims<'a> {
    target: Target<'a>,
    consumer: &'a [u8],
    last_id: StreamId,
    /// What the gathered deliveries have in common.
    delivered_ms: u64,
    count: u64,
    ids: SmallVec<[StreamId; 16]>,
    logged: bool,
}

impl<'a> Claims<'a> {
    pub fn new(target: Target<'a>, consumer: &'a [u8], last_id: StreamId) -> Self {
        Claims { target, consumer, last_id, delivered_ms: 0, count: 0, ids: SmallVec::new(), logged: false }
    }

    /// Adds an entry.
    pub fn push(&mut self, fx: &mut Effects, id: StreamId, pending: &Pending) {
        let same = (pending.delivered_ms, pending.count) == (self.delivered_ms, self.count);
        if !same || self.ids.len() == IDS_MAX {
            self.flush(fx);
            (self.delivered_ms, self.count) = (pending.delivered_ms, pending.count);
        }
        self.ids.push(id);
    }

    /// Writes what is left; whether anything was written at all.
    pub fn finish(mut self, fx: &mut Effects) -> bool {
        self.flush(fx);
        self.logged
    }

    fn flush(&mut self, fx: &mut Effects) {
        if self.ids.is_empty() {
            return;
        }
        let (mut time, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (time, count) = (time.format(self.delivered_ms), count.format(self.count));
        let last_id = self.last_id.text();
        let texts: SmallVec<[_; 8]> = self.ids.iter().map(|id| id.text()).collect();
        let Target { key, group } = self.target;
        let mut words: Words<'_> = SmallVec::from_slice(&[b"XCLAIM", key, group, self.consumer, b"0"]);
        words.extend(texts.iter().map(|text| text.as_bytes()));
        words.extend_from_slice(&[b"TIME", time.as_bytes(), b"RETRYCOUNT", count.as_bytes()]);
        words.extend_from_slice(&[b"FORCE", b"JUSTID", b"LASTID", last_id.as_bytes()]);
        fx.rewrite(&words);
        self.ids.clear();
        self.logged = true;
    }
}
