//! The types of values: what commands see of them, whichever form a value has.

mod limits;
#[expect(dead_code, reason = "the types that use it are being built")]
mod pack;
mod stream;

pub use limits::Limits;
