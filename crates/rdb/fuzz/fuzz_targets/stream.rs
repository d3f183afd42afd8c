//! Any bytes, in two different divisions, give the same events and the same error, and never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rdb::{ReadOptions, Reader};

fn events(chunks: impl Iterator<Item = impl AsRef<[u8]>>) -> Vec<String> {
    let options = ReadOptions { verify_checksum: false, max_string: 1 << 20 };
    let mut reader = Reader::new(options);
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

fuzz_target!(|data: &[u8]| {
    let Some((&size, rest)) = data.split_first() else { return };
    // Most inputs are to get beyond the first nine bytes.
    let stream = [if size & 1 == 0 { b"REDIS0012" } else { b"VALKEY080" }, rest].concat();
    assert_eq!(events(std::iter::once(&stream)), events(stream.chunks(usize::from(size) + 1)));
});
