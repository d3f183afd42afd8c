//! The payloads of DUMP and RESTORE.

use collections::Hasher;
use keyspace::{Entry, Limits, Value};
use rdb::{Event, Payload, WriteOptions, Writer};

use super::load::Loader;
use super::write::{expiring_fields, write_entry};

/// What DUMP answers for a key: a payload that every server from Redis 7.0 on restores, or, if fields of a hash expire, Valkey from
/// its version 9 on.
pub fn dump(entry: &Entry<'_>) -> Vec<u8> {
    let options = if expiring_fields(entry) { WriteOptions::VALKEY } else { WriteOptions::ANY };
    let mut writer = Writer::payload(options);
    write_entry(&mut writer, entry, usize::MAX, &mut |_| true);
    writer.finish_payload()
}

/// Why a payload can't be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreError {
    /// Its frame is no payload's that we know.
    Frame,
    /// What is in the frame is no value.
    Content,
}

/// The value in a payload.
///
/// # Errors
///
/// When it is damaged.
pub fn restore(payload: &[u8], verify: bool, limits: Limits, hasher: &Hasher) -> Result<Value, RestoreError> {
    let mut payload = Payload::open(payload, verify).map_err(|_| RestoreError::Frame)?;
    let mut loader = Loader::new(limits, hasher.clone());
    let mut value = None;
    while let Some(event) = payload.next().map_err(|_| RestoreError::Content)? {
        match event {
            Event::Entry { value: whole, .. } => {
                value = loader.whole(whole).map_err(|_| RestoreError::Content)?;
            }
            Event::Begin { kind, len, .. } => loader.begin(kind, len),
            Event::EndOfKey => value = loader.end().map_err(|_| RestoreError::Content)?,
            event => loader.element(event).map_err(|_| RestoreError::Content)?,
        }
    }
    value.ok_or(RestoreError::Content)
}
