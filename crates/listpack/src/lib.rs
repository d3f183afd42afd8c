//! The compact sequence encoding of Redis and Valkey.
#![forbid(unsafe_code)]
