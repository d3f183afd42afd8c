//! A deterministic simulator: several instances, a network, disks and clients in one thread, with virtual time.
//!
//! Everything random comes from one seed, so a run that fails can be replayed. While a run lasts, machines crash and come
//! back, links are cut and healed, connections are reset, roles change. What is checked:
//!
//! - always: two instances that claim the same replication id and offset hold the same data, functions included;
//! - always: what a script, a function or a transaction writes is there as a whole, or not at all;
//! - in runs of their own (`ledger`): what clients were told that was written is there after every crash;
//! - at the end, when faults have stopped and one instance is the master of all: every other one comes to its id, its offset
//!   and its data, and what is published there then is heard by those who listen anywhere.

mod act;
mod aof;
mod check;
mod digest;
mod disk;
mod event;
mod jobs;
mod ledger;
mod machine;
mod network;
mod pipe;
mod reach;
mod scenario;
mod scripts;
mod workload;
mod world;

pub use ledger::{Kept, keeps};
pub use scenario::{Outcome, run};
