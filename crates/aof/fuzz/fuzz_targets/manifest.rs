//! Any manifest: what can be read is written in a form that reads the same.
#![no_main]

use aof::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    if let Ok(manifest) = Manifest::parse(text)
        && !manifest.is_empty()
    {
        assert_eq!(Manifest::parse(manifest.to_string().as_bytes()), Ok(manifest));
    }
});
