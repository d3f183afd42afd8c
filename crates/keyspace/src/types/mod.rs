//! The types of values: what commands see of them, whichever form a value has.

mod limits;

pub use limits::Limits;
