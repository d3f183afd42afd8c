//! Any payload is restored or refused; what is restored survives another dump.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rdb::Value;

fuzz_target!(|data: &[u8]| {
    if let Ok(Value::String(string)) = rdb::restore(data, false) {
        assert_eq!(rdb::restore(&rdb::dump_string(&string), true), Ok(Value::String(string)));
    }
});
