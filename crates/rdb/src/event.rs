//! What the reader reports.

use crate::Kind;
use crate::compact::Compact;
use crate::module::{ModuleId, ModulePart};
use crate::slots::SlotRanges;
use crate::stream::{EntriesRead, StreamId, StreamMeta, StreamNode};
use crate::value::Value;

/// Whose numbering of versions, types and opcodes a stream follows.
///
/// The two families share everything up to version 11; beyond that the same byte can mean different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavor {
    /// The magic word is `REDIS`.
    Redis,
    /// The magic word is `VALKEY`.
    Valkey,
}

/// What the length in an [`Event::Begin`] counts, and how the value is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Shape {
    /// Elements: of each comes one event.
    Elements,
    /// Fields of a hash in a form that says of each when it expires, or that it does not.
    ExpiringFields,
    /// Nodes, with as many elements each as their writer saw fit.
    Nodes,
    /// Nothing: the end is marked.
    Open,
}

/// One item of an RDB stream, in the order of the stream.
///
/// The byte slices belong to the reader: copy what has to outlive the next call.
///
/// A value that stands in the stream as one string is one [`Event::Entry`]. Any other is an [`Event::Begin`], the events of its
/// elements, and an [`Event::EndOfKey`]:
///
/// | kind | events of the elements |
/// |---|---|
/// | list | [`Element`](Event::Element), [`Elements`](Event::Elements) |
/// | set | [`Element`](Event::Element) |
/// | hash | [`Field`](Event::Field) |
/// | sorted set | [`Member`](Event::Member) |
/// | stream | [`StreamNode`](Event::StreamNode) …, [`StreamMeta`](Event::StreamMeta), then for each group a [`Group`](Event::Group), [`Pending`](Event::Pending) …, [`Consumers`](Event::Consumers), for each of those a [`Consumer`](Event::Consumer), [`ConsumerPending`](Event::ConsumerPending) …, and from Redis 8.8 on [`Nacks`](Event::Nacks), [`Nack`](Event::Nack) …; from Redis 8.6 on, behind the groups, [`Idempotence`](Event::Idempotence), [`Producer`](Event::Producer) with [`ProducerEntry`](Event::ProducerEntry) …, and [`IdempotenceCounts`](Event::IdempotenceCounts) |
/// | array | [`Cursor`](Event::Cursor), [`Cell`](Event::Cell) … |
/// | module | [`Module`](Event::Module), [`ModulePart`](Event::ModulePart) … |
///
/// The numbers of elements in these events are those that the stream declares. A reader gives exactly so many, or an error.
///
/// What has been read is valid by itself. Whether a member or field of a value in parts has been there before, whoever puts the
/// value together finds out; likewise whether consumers and their group agree on what is pending.
///
/// A collection may turn out to be empty, by [`Compact::is_empty`] or by having no elements between its events. Servers keep no
/// such keys, streams apart, and pass over them when they load one.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The magic word and version; always the first event.
    Header {
        /// The declared version of the format.
        version: u32,
        /// The family of the version number.
        flavor: Flavor,
    },
    /// A field of information about the stream as a whole. Unknown fields are to be ignored.
    Aux {
        /// The field's name.
        key: &'a [u8],
        /// The field's value.
        value: &'a [u8],
    },
    /// The entries that follow belong to this database.
    SelectDb(u64),
    /// How many keys the current database will bring: a hint for the size of tables, not a promise. Bound it
    /// before reserving memory, since it comes from the stream.
    Resize {
        /// Number of keys.
        keys: u64,
        /// Number of keys with an expiry.
        expires: u64,
    },
    /// How many keys of one hash slot follow: a hint like [`Event::Resize`].
    SlotInfo {
        /// The hash slot.
        slot: u64,
        /// Number of keys.
        keys: u64,
        /// Number of keys with an expiry.
        expires: u64,
    },
    /// The source text of a function library.
    Function(&'a [u8]),
    /// Slots that this node of a cluster is taking over from another. Keys of them that follow are not its own yet. Of Valkey.
    SlotImport {
        /// The name of the job, 40 characters.
        job: &'a [u8],
        /// The slots.
        ranges: SlotRanges<'a>,
    },
    /// Data that a module attached to the stream as a whole: [`ModulePart`](Event::ModulePart)s follow, up to an
    /// [`EndOfModuleAux`](Event::EndOfModuleAux).
    ModuleAux {
        /// Whose data it is.
        module: ModuleId,
        /// When it wants to be used: 1, before the keys; 2, behind them.
        when: u64,
    },
    /// The end of what [`Event::ModuleAux`] began.
    EndOfModuleAux,
    /// The next key has metadata of a module; its content has been passed over. Of Redis 8.6.
    KeyMeta {
        /// What stands for the class of the metadata: four characters of six bits of its name, then bits of its version and flags.
        class: u32,
    },
    /// A key with its value.
    Entry {
        /// The key.
        key: &'a [u8],
        /// When the key expires, in milliseconds of Unix time. Expired keys are reported like all others.
        expiry_ms: Option<u64>,
        /// Seconds since the last access, if the writer tracked that.
        idle: Option<u64>,
        /// Logarithmic access counter, if the writer tracked that.
        freq: Option<u8>,
        /// The value.
        value: Value<'a>,
    },
    /// A key with a value whose elements follow.
    Begin {
        /// The key.
        key: &'a [u8],
        /// When the key expires, as in [`Event::Entry`].
        expiry_ms: Option<u64>,
        /// Seconds since the last access, if the writer tracked that.
        idle: Option<u64>,
        /// Logarithmic access counter, if the writer tracked that.
        freq: Option<u8>,
        /// The type of the value.
        kind: Kind,
        /// What `len` counts.
        shape: Shape,
        /// Number of elements or nodes. Bound it like the numbers of [`Event::Resize`] before reserving memory.
        len: u64,
    },
    /// An element of a list, or a member of a set.
    Element(&'a [u8]),
    /// Elements of a list.
    Elements(Compact<'a>),
    /// A field of a hash.
    Field {
        /// Its name.
        field: &'a [u8],
        /// Its value.
        value: &'a [u8],
        /// When it expires, in milliseconds of Unix time.
        expiry_ms: Option<u64>,
    },
    /// A member of a sorted set.
    Member {
        /// The member.
        member: &'a [u8],
        /// Its score, which is a number.
        score: f64,
    },
    /// Entries of a stream. Their ids rise, from node to node too.
    StreamNode(StreamNode<'a>),
    /// What is known about a stream besides its entries. All its nodes have been reported.
    StreamMeta {
        /// It.
        meta: StreamMeta,
        /// Number of groups.
        groups: u64,
    },
    /// A group of consumers.
    Group {
        /// Its name.
        name: &'a [u8],
        /// The id up to which entries have been delivered.
        last_id: StreamId,
        /// How far that is.
        entries_read: EntriesRead,
        /// Number of pending entries.
        pending: u64,
    },
    /// An entry that was delivered to a consumer of the group and not acknowledged. Ids rise.
    Pending {
        /// The entry.
        id: StreamId,
        /// When it was delivered last, in milliseconds of Unix time.
        delivered_ms: i64,
        /// How often it was delivered.
        deliveries: u64,
    },
    /// The group's number of consumers. All that is pending in the group has been reported.
    Consumers(u64),
    /// A consumer of the group.
    Consumer {
        /// Its name.
        name: &'a [u8],
        /// When it last tried to get something, in milliseconds of Unix time.
        seen_ms: i64,
        /// When it last got something; -1 if it never did.
        active_ms: i64,
        /// Number of its pending entries.
        pending: u64,
    },
    /// One of the group's pending entries is this consumer's. Ids rise.
    ConsumerPending(StreamId),
    /// How many of the group's pending entries consumers have given back, so that they are nobody's. Of Redis 8.8.
    Nacks(u64),
    /// One of them, in the order in which they were given back.
    Nack(StreamId),
    /// How a stream tells messages that are sent twice. Of Redis 8.6.
    Idempotence {
        /// For how many seconds a message is remembered.
        duration_s: u64,
        /// How many messages of a producer are remembered.
        max_entries: u64,
        /// Number of producers of which messages are remembered.
        producers: u64,
    },
    /// A producer of messages.
    Producer {
        /// Its name.
        name: &'a [u8],
        /// How many of its messages are remembered.
        entries: u64,
    },
    /// A message that is remembered.
    ProducerEntry {
        /// What the producer calls it.
        name: &'a [u8],
        /// The entry that it has become.
        id: StreamId,
    },
    /// What a stream has counted of messages with names.
    IdempotenceCounts {
        /// Messages that have become entries.
        added: u64,
        /// Messages that were sent again.
        duplicates: u64,
    },
    /// Where the next insertion into an array goes, if there has been one. Of Redis 8.8.
    Cursor(Option<u64>),
    /// An element of an array; their indexes rise.
    Cell {
        /// Where it stands.
        index: u64,
        /// The element.
        value: &'a [u8],
    },
    /// Whose a value of a module is.
    Module(ModuleId),
    /// A part of a module's value, or of its [`Event::ModuleAux`]. What it means only the module knows.
    ModulePart(ModulePart<'a>),
    /// The end of what [`Event::Begin`] began.
    EndOfKey,
    /// The end of the stream; always the last event.
    End {
        /// The checksum in the stream; `None` if the writer left it out.
        checksum: Option<u64>,
    },
}
