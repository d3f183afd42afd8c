//! The types of values: what commands see of them, whichever form a value has.

mod choice;
mod hash;
mod holder;
mod limits;
mod list;
mod pack;
mod set;
mod stream;
mod zset;

pub use hash::{Field, FieldExpiry, Fields, HashDraft, HashMut, HashRef, LAST_FIELD_EXPIRY};
pub use holder::{Draft, Holder};
pub use limits::Limits;
pub use list::{Elements as ListElements, ListMut, ListRef, LongList, NewList};
pub use set::{Members, SetDraft, SetMut, SetRef, Taken};
pub use zset::{Scored, ZSetDraft, ZSetMut, ZSetRef};
