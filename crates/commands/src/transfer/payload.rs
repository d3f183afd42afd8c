//! The payloads of DUMP and RESTORE.

use collections::Hasher;
use keyspace::{Entry, Limits, Value};
use rdb::{Event, Kind, Payload, ReadOptions, WriteOptions, Writer};

use super::load::{BadValue, Loader};
use super::write::{expiring_fields, idle_consumers, write_entry};
use crate::Env;

/// What DUMP answers for a key: a payload that every server from Redis 7.0 on restores, unless something would be lost that way.
/// If fields of a hash expire, Valkey restores it from its version 9 on; if a consumer of a stream was last active at another time
/// than it was last seen, Redis 7.2 and Valkey do.
pub fn dump(entry: &Entry<'_>) -> Vec<u8> {
    write(
        entry,
        match () {
            () if expiring_fields(entry) => WriteOptions::VALKEY,
            () if idle_consumers(entry) => WriteOptions { version: 11, ..WriteOptions::ANY },
            () => WriteOptions::ANY,
        },
    )
}

/// [`dump`] for a server that may be older: when consumers were active is not worth a refusal.
pub fn dump_for_any(entry: &Entry<'_>) -> Vec<u8> {
    write(entry, if expiring_fields(entry) { WriteOptions::VALKEY } else { WriteOptions::ANY })
}

fn write(entry: &Entry<'_>, options: WriteOptions) -> Vec<u8> {
    let mut writer = Writer::payload(options);
    write_entry(&mut writer, entry, usize::MAX, &mut |_| true);
    writer.finish_payload()
}

/// Why a payload can't be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreError {
    /// Its frame is no payload's that we know.
    Frame,
    /// What is in the frame is no value; the text says why, for the log.
    Content(String),
}

/// What is wrong with a value, in words that operators look for in logs, with its place.
pub fn damage_of(error: rdb::Error) -> String {
    use rdb::compact::CompactError;
    let damaged = match error {
        rdb::Error::BadCompact { reason: CompactError::Zipmap(_), .. } => "Zipmap",
        rdb::Error::BadStreamNode { .. } => "Stream listpack",
        rdb::Error::BadCompact { kind, reason, .. } => match (kind, reason) {
            (Kind::ZSet, CompactError::Ziplist(_)) => "Zset ziplist",
            (Kind::Hash, CompactError::Ziplist(_)) => "Hash ziplist",
            (Kind::List, CompactError::Ziplist(_)) => "List ziplist",
            (Kind::ZSet, _) => "Zset listpack",
            (Kind::Hash, _) => "Hash listpack",
            (Kind::List, _) => "List listpack",
            (Kind::Set, CompactError::Intset(_)) => "Intset",
            _ => "Set listpack",
        },
        _ => return error.to_string(),
    };
    format!("{damaged} integrity check failed: {error}")
}

/// How RESTORE reads payloads.
pub fn read_options(env: &Env) -> ReadOptions {
    ReadOptions {
        verify_checksum: env.verify_dump,
        newer_versions: env.newer_dumps,
        ..ReadOptions::default()
    }
}

/// The value in a payload.
///
/// # Errors
///
/// When it is damaged.
pub fn restore(
    payload: &[u8],
    options: ReadOptions,
    limits: Limits,
    hasher: &Hasher,
) -> Result<Value, RestoreError> {
    let mut payload = Payload::with_options(payload, options).map_err(|_| RestoreError::Frame)?;
    let mut loader = Loader::new(limits, hasher.clone());
    let mut value = None;
    let bad_value = |error: BadValue| RestoreError::Content(error.to_string());
    while let Some(event) = payload.next().map_err(|error| RestoreError::Content(damage_of(error)))? {
        match event {
            Event::Entry { value: whole, .. } => value = loader.whole(whole).map_err(bad_value)?,
            Event::Begin { kind, len, .. } => loader.begin(kind, len),
            Event::EndOfKey => value = loader.end().map_err(bad_value)?,
            event => loader.element(event).map_err(bad_value)?,
        }
    }
    value.ok_or_else(|| RestoreError::Content("a collection without elements".to_owned()))
}
