//! Any bytes, in two different divisions, give the same events and the same error, and never a panic. What is read is written
//! again in a version that may lack some of it; what comes of that is read whole.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rdb::{Event, ReadOptions, Reader, WriteOptions, Writer};

const OPTIONS: ReadOptions = ReadOptions { verify_checksum: false, max_string: 1 << 20, newer_versions: false };

fn events(chunks: impl Iterator<Item = impl AsRef<[u8]>>) -> Vec<String> {
    let mut reader = Reader::new(OPTIONS);
    let mut events = Vec::new();
    for chunk in chunks {
        reader.feed(chunk.as_ref());
        loop {
            match reader.next() {
                Ok(Some(event)) => events.push(format!("{event:?}")),
                Ok(None) => break,
                Err(error) => {
                    events.push(error.to_string());
                    return events;
                }
            }
        }
    }
    events
}

/// The stream in the version of these options; `None` if it is damaged, or says what they can't.
fn rewrite(stream: &[u8], options: WriteOptions) -> Option<Vec<u8>> {
    let mut reader = Reader::new(OPTIONS);
    let mut writer = Writer::new(options);
    reader.feed(stream);
    while let Some(event) = reader.next().ok()? {
        writer.event(&event).ok()?;
    }
    reader.is_finished().then(|| writer.take())
}

fuzz_target!(|data: &[u8]| {
    let Some((&size, rest)) = data.split_first() else { return };
    // Most inputs are to get beyond the first nine bytes.
    let magics = [b"REDIS0012", b"VALKEY080", b"REDIS0015", b"REDIS0003"];
    let stream = [&magics[usize::from(size & 3)][..], rest].concat();
    assert_eq!(events(std::iter::once(&stream)), events(stream.chunks(usize::from(size) + 1)));
    for options in [
        WriteOptions { drop_field_expiry: true, ..WriteOptions::ANY },
        WriteOptions { version: 12, ..WriteOptions::ANY },
        WriteOptions::VALKEY,
    ] {
        let Some(again) = rewrite(&stream, options) else { continue };
        let mut reader = Reader::default();
        reader.feed(&again);
        let mut last = None;
        while let Some(event) = reader.next().expect("what we write is read") {
            last = Some(matches!(event, Event::End { .. }));
        }
        assert_eq!(last, Some(true));
    }
});
