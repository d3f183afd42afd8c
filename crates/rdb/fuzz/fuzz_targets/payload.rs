//! Any payload is read to its end or refused. What is read whole survives another dump, in another version too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rdb::{Compact, Event, Kind, Payload, Value, WriteOptions, Writer};

/// What a payload holds, element by element, whatever its form; `None` if it is refused.
fn read(bytes: &[u8], verify: bool) -> Option<Vec<String>> {
    let mut payload = Payload::open(bytes, verify).ok()?;
    let mut found = Vec::new();
    while let Some(event) = payload.next().ok()? {
        match event {
            Event::Entry { value: Value::String(string), .. } => found.push(format!("{string:?}")),
            Event::Entry { value: Value::Compact(compact), .. } | Event::Elements(compact) => flatten(compact, &mut found),
            Event::Element(element) => found.push(format!("{element:?}")),
            Event::Begin { .. } | Event::EndOfKey => {}
            event => found.push(format!("{event:?}")),
        }
    }
    Some(found)
}

fn flatten(compact: Compact<'_>, found: &mut Vec<String>) {
    match compact.kind() {
        Kind::ZSet => found.extend(compact.members().map(|(member, score)| format!("{:?} {score}", member.to_vec()))),
        Kind::Hash => found.extend(
            compact.fields().map(|(field, value, expiry)| format!("{:?} {:?} {expiry:?}", field.to_vec(), value.to_vec())),
        ),
        _ => found.extend(compact.entries().map(|entry| format!("{:?}", entry.to_vec()))),
    }
}

fn rewrite(compact: Compact<'_>, options: WriteOptions) -> Option<Vec<u8>> {
    let mut writer = Writer::payload(options);
    match compact.kind() {
        Kind::List => writer.small_list(b"", compact.entries(), None, None),
        Kind::Set => writer.small_set(b"", compact.len() as u64, compact.entries(), None, None),
        Kind::ZSet => writer.small_zset(b"", compact.members(), None, None),
        Kind::Hash if compact.fields().all(|(_, _, expiry)| expiry.is_none()) => {
            let entries = compact.fields().flat_map(|(field, value, _)| [field, value]);
            writer.small_hash(b"", entries, None, None);
        }
        _ => return None,
    }
    Some(writer.finish_payload())
}

fuzz_target!(|data: &[u8]| {
    let Some(found) = read(data, false) else { return };
    let mut payload = Payload::open(data, false).expect("it has been opened before");
    match payload.next() {
        Ok(Some(Event::Entry { value: Value::String(string), .. })) => {
            let mut writer = Writer::payload(WriteOptions::ANY);
            writer.string(b"", string, None, None);
            assert_eq!(read(&writer.finish_payload(), true), Some(found));
        }
        Ok(Some(Event::Entry { value: Value::Compact(compact), .. })) => {
            for options in [WriteOptions::ANY, WriteOptions::VALKEY] {
                if let Some(bytes) = rewrite(compact, options) {
                    assert_eq!(read(&bytes, true).as_ref(), Some(&found));
                }
            }
        }
        _ => {}
    }
});
