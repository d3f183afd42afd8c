//! The server itself.

mod acl;
mod command;
mod docs;
mod flush;
pub(crate) mod help;
mod info;
mod module;
mod rows;

pub(crate) use rows::ROWS;
