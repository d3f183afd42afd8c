//! The writer of whole streams.

use crate::checksum::{self, Checksum};
use crate::lzf::Compressor;
use crate::{header, length, opcode, string, value};

/// How a [`Writer`] writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteOptions {
    /// Version of the format to declare: 9 (Redis 5), 10 (Redis 7.0) or 11 (Redis 7.2, all of Valkey) or 12
    /// (Redis 7.4). What this crate writes is the same in all of them.
    pub version: u32,
    /// Try to compress strings of more than twenty bytes.
    pub compress: bool,
    /// End the stream with a checksum.
    pub checksum: bool,
}

impl Default for WriteOptions {
    /// Version 10, compressed, with a checksum.
    fn default() -> Self {
        WriteOptions { version: header::DEFAULT_VERSION, compress: true, checksum: true }
    }
}

/// What a server knows about the last use of a key; which of the two depends on its eviction policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Seconds since the last access.
    Idle(u64),
    /// Logarithmic access counter.
    Freq(u8),
}

/// Encodes a stream into memory, piece by piece: call [`take`](Writer::take) whenever enough is
/// [`pending`](Writer::pending).
///
/// The calls follow the order of the stream: [`header`](Writer::header), aux fields, functions, then for each
/// database [`select_db`](Writer::select_db), [`resize`](Writer::resize) and its keys, then
/// [`finish`](Writer::finish).
#[derive(Debug)]
pub struct Writer {
    version: u32,
    buf: Vec<u8>,
    /// How much of `buf` is part of `checksum`.
    summed: usize,
    /// Absent if the stream is to have none.
    checksum: Option<Checksum>,
    compressor: Option<Compressor>,
}

impl Writer {
    /// A writer of one stream.
    ///
    /// # Panics
    ///
    /// If the options ask for a version outside 9..=12.
    pub fn new(options: WriteOptions) -> Self {
        assert!(
            (header::OLDEST_WRITTEN..=header::REDIS_LAST).contains(&options.version),
            "RDB version {} cannot be written",
            options.version
        );
        Writer {
            version: options.version,
            buf: Vec::new(),
            summed: 0,
            checksum: options.checksum.then(Checksum::new),
            compressor: options.compress.then(Compressor::new),
        }
    }

    /// Begins the stream.
    pub fn header(&mut self) {
        header::write(&mut self.buf, self.version);
    }

    /// A field of information about the stream as a whole.
    pub fn aux(&mut self, key: &[u8], value: &[u8]) {
        self.buf.push(opcode::AUX);
        self.put_string(key);
        self.put_string(value);
    }

    /// The source text of a function library.
    pub fn function(&mut self, code: &[u8]) {
        self.buf.push(opcode::FUNCTION);
        self.put_string(code);
    }

    /// The keys that follow belong to database `index`.
    pub fn select_db(&mut self, index: u64) {
        self.buf.push(opcode::SELECT_DB);
        length::write(&mut self.buf, index);
    }

    /// How many keys the database has, and how many of them expire.
    pub fn resize(&mut self, keys: u64, expires: u64) {
        self.buf.push(opcode::RESIZE);
        length::write(&mut self.buf, keys);
        length::write(&mut self.buf, expires);
    }

    /// A key that holds a string. Its expiry is in milliseconds of Unix time.
    pub fn string(&mut self, key: &[u8], value: &[u8], expiry_ms: Option<u64>, access: Option<Access>) {
        self.begin_entry(value::STRING, key, expiry_ms, access);
        self.put_string(value);
        self.sum_up_if_due();
    }

    /// Ends the stream. Nothing may be written after it.
    pub fn finish(&mut self) {
        self.buf.push(opcode::END);
        self.sum_up();
        // A checksum that happens to be zero reads as none, which does no harm.
        let checksum = self.checksum.as_ref().map_or(0, Checksum::value);
        self.buf.extend_from_slice(&checksum.to_le_bytes());
        self.summed = self.buf.len();
    }

    /// Number of encoded bytes that have not been taken.
    pub fn pending(&self) -> usize {
        self.buf.len()
    }

    /// The bytes encoded since the last take; the stream goes on after them.
    #[must_use = "the bytes are part of the stream"]
    pub fn take(&mut self) -> Vec<u8> {
        let capacity = self.buf.len();
        self.take_with(Vec::with_capacity(capacity))
    }

    /// Like [`take`](Writer::take), but goes on in the memory of `recycled`, whose content is dropped.
    #[must_use = "the bytes are part of the stream"]
    pub fn take_with(&mut self, mut recycled: Vec<u8>) -> Vec<u8> {
        self.sum_up();
        self.summed = 0;
        recycled.clear();
        std::mem::replace(&mut self.buf, recycled)
    }

    /// Everything that precedes the value of a key.
    #[inline]
    fn begin_entry(&mut self, type_byte: u8, key: &[u8], expiry_ms: Option<u64>, access: Option<Access>) {
        if let Some(ms) = expiry_ms {
            self.buf.push(opcode::EXPIRE_MS);
            self.buf.extend_from_slice(&ms.to_le_bytes());
        }
        match access {
            Some(Access::Idle(seconds)) => {
                self.buf.push(opcode::IDLE);
                length::write(&mut self.buf, seconds);
            }
            Some(Access::Freq(counter)) => self.buf.extend_from_slice(&[opcode::FREQ, counter]),
            None => {}
        }
        self.buf.push(type_byte);
        self.put_string(key);
    }

    #[inline]
    fn put_string(&mut self, bytes: &[u8]) {
        string::write(&mut self.buf, bytes, self.compressor.as_mut());
    }

    #[inline]
    fn sum_up_if_due(&mut self) {
        if self.buf.len() - self.summed >= checksum::RUN {
            self.sum_up();
        }
    }

    fn sum_up(&mut self) {
        if let Some(checksum) = &mut self.checksum {
            checksum.update(&self.buf[self.summed..]);
        }
        self.summed = self.buf.len();
    }
}

impl Default for Writer {
    fn default() -> Self {
        Writer::new(WriteOptions::default())
    }
}
