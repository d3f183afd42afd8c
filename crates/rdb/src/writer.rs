//! The writer of whole streams, and of DUMP payloads.

mod collections;
mod events;
mod module;
mod stream;

use events::Inside;
pub use events::WriteError;
use listpack::Entry;

use crate::checksum::{self, Checksum};
use crate::form::{self, FieldExpiry};
use crate::lzf::Compressor;
use crate::{Flavor, header, length, opcode, payload, string};

/// How a [`Writer`] writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteOptions {
    /// Whose version that is.
    pub flavor: Flavor,
    /// Version of the format to declare and to keep to. Of Redis: 10 (Redis 7.0), 11 (Redis 7.2, all of Valkey), 12 (Redis 7.4
    /// and 8.0; Valkey does not read it). Of Valkey: 80 (Valkey 9).
    pub version: u32,
    /// Try to compress strings of more than twenty bytes.
    pub compress: bool,
    /// End the stream with a checksum.
    pub checksum: bool,
    /// [`Writer::event`] leaves out when fields of hashes expire where the version can't say it. Otherwise that is an error.
    pub drop_field_expiry: bool,
}

impl WriteOptions {
    /// What every server from Redis 7.0 on reads.
    pub const ANY: WriteOptions = WriteOptions {
        flavor: Flavor::Redis,
        version: header::DEFAULT_VERSION,
        compress: true,
        checksum: true,
        drop_field_expiry: false,
    };
    /// What Valkey writes from its version 9 on.
    pub const VALKEY: WriteOptions =
        WriteOptions { flavor: Flavor::Valkey, version: header::VALKEY_FIRST, ..WriteOptions::ANY };

    /// Whether the fields of a hash can have an expiry. Where they can't, it is left out.
    pub fn holds_field_expiry(&self) -> bool {
        self.timed_fields() != FieldExpiry::Absent
    }

    fn timed_fields(&self) -> FieldExpiry {
        match (self.flavor, self.version) {
            (Flavor::Valkey, _) => FieldExpiry::Behind,
            (Flavor::Redis, 12..) => FieldExpiry::BeforeRelative,
            _ => FieldExpiry::Absent,
        }
    }

    /// Whether there is all that came with Redis 7.2: sets as listpacks, and the third form of streams.
    fn has_third_forms(&self) -> bool {
        self.version >= 11
    }
}

impl Default for WriteOptions {
    /// [`ANY`](WriteOptions::ANY): version 10, compressed, with a checksum.
    fn default() -> Self {
        WriteOptions::ANY
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
///
/// A key is a call of its own for strings and small collections. Large collections begin with a call that says how many elements
/// follow; then comes a call for each, between which the bytes so far can be taken, so that memory has no need to hold all of one.
///
/// [`event`](Writer::event) makes these calls for events as a [`Reader`](crate::Reader) gives them.
#[derive(Debug)]
pub struct Writer {
    options: WriteOptions,
    /// It is not a stream, but one value.
    payload: bool,
    buf: Vec<u8>,
    /// How much of `buf` is part of `checksum`.
    summed: usize,
    /// Absent if the stream is to have none.
    checksum: Option<Checksum>,
    compressor: Option<Compressor>,
    /// For collections that are written as one string.
    pack: listpack::Builder,
    /// How the fields of the hash that was begun last are written.
    fields: FieldExpiry,
    /// What those that expire before their field are counted from.
    earliest: u64,
    /// Elements announced and not written.
    owed: u64,
    /// What [`event`](Writer::event) is in the midst of.
    inside: Inside,
    /// The key whose value it has not begun.
    key: Vec<u8>,
}

impl Writer {
    /// A writer of one stream.
    ///
    /// # Panics
    ///
    /// If the options ask for a version that cannot be written.
    pub fn new(options: WriteOptions) -> Self {
        assert!(
            header::is_written(options.version, options.flavor),
            "RDB version {} cannot be written",
            options.version
        );
        Writer {
            options,
            payload: false,
            buf: Vec::new(),
            summed: 0,
            checksum: options.checksum.then(Checksum::new),
            compressor: options.compress.then(Compressor::new),
            pack: listpack::Builder::new(),
            fields: FieldExpiry::Absent,
            earliest: 0,
            owed: 0,
            inside: Inside::Nothing,
            key: Vec::new(),
        }
    }

    /// A writer of one DUMP payload: the calls of one key, whose name, expiry and access are left out, then
    /// [`finish_payload`](Writer::finish_payload).
    ///
    /// # Panics
    ///
    /// Like [`new`](Writer::new).
    pub fn payload(options: WriteOptions) -> Self {
        Writer { payload: true, ..Writer::new(WriteOptions { checksum: false, ..options }) }
    }

    /// The options.
    pub fn options(&self) -> WriteOptions {
        self.options
    }

    /// Begins the stream.
    pub fn header(&mut self) {
        header::write(&mut self.buf, self.options.version, self.options.flavor);
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
        self.begin_entry(form::STRING, key, expiry_ms, access);
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

    /// Ends a payload, and gives all of it.
    #[must_use = "the bytes are the payload"]
    pub fn finish_payload(mut self) -> Vec<u8> {
        debug_assert_eq!(self.owed, 0, "as many elements as announced");
        self.buf.extend_from_slice(&(self.options.version as u16).to_le_bytes());
        let checksum = checksum::of(&self.buf);
        self.buf.extend_from_slice(&checksum.to_le_bytes());
        debug_assert!(self.buf.len() >= payload::FOOTER);
        self.buf
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
        debug_assert_eq!(self.owed, 0, "as many elements as announced");
        if self.payload {
            return self.buf.push(type_byte);
        }
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

    /// A string that may be given as a number.
    #[inline]
    fn put_entry(&mut self, entry: Entry<'_>) {
        match entry {
            Entry::Str(text) => self.put_string(text),
            Entry::Int(number) => self.put_string(itoa::Buffer::new().format(number).as_bytes()),
        }
    }

    fn put_length(&mut self, len: u64) {
        length::write(&mut self.buf, len);
    }

    /// The listpack that has been gathered, as a string.
    fn put_pack(&mut self) {
        string::write(&mut self.buf, self.pack.finish(), self.compressor.as_mut());
        self.pack.clear();
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
