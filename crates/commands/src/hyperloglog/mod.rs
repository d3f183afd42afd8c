//! HyperLogLogs: how many different elements there were, in 12 KiB at most and with an error of 0.81 % as a rule.
//!
//! An element's hash chooses one of 16,384 registers by its lower 14 bits; the register keeps the largest number of zeros (plus
//! one) that the rest of such a hash has ended in. The value is a string in the format that Redis gave it, so that it may be
//! copied, dumped and sent to a replica like any other:
//!
//! ```text
//! "HYLL" | form: 0 dense, 1 sparse | 3 bytes 0 | u64 LE: the last count; its highest bit says that it is stale | registers
//!
//! dense    6 bits a register, beginning with the lowest bits of the first byte: 12,288 bytes
//! sparse   00nnnnnn             n + 1 registers are 0
//!          01nnnnnn nnnnnnnn    the same, up to 16,384 of them
//!          1vvvvvnn             n + 1 registers are v + 1
//! ```

mod add;
mod count;
mod debug;
mod dense;
mod draft;
mod estimate;
mod hash;
mod merge;
mod selftest;
mod sparse;
mod value;

use crate::row::*;

const GROUP: &str = "hyperloglog";

/// Number of registers.
const REGISTERS: usize = 1 << 14;

/// All registers, a byte each.
type Registers = [u8; REGISTERS];

/// A string that begins like a HyperLogLog and is none: outside bytes may say anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Corrupt;

const CORRUPT: &str = "INVALIDOBJ Corrupted HLL object detected";
const NOT_HLL: &str = "WRONGTYPE Key is not a valid HyperLogLog string value.";

pub(crate) const ROWS: &[CommandSpec] = &[
    data("pfadd", -2, GROUP, "2.8.9", add::pfadd)
        .flags(WRITE | DENYOOM | FAST)
        .acl(Acl::HYPERLOGLOG)
        .keys(&[KeySpec::one(1, RW | INSERT)])
        .doc("key [element [element ...]]", "Adds elements to a HyperLogLog.", "O(1) for each element"),
    data("pfcount", -2, GROUP, "2.8.9", count::pfcount)
        .flags(READONLY | MAY_REPLICATE)
        .acl(Acl::HYPERLOGLOG)
        .keys(&[KeySpec::range(1, -1, 1, RW | ACCESS).notes(
            "RW because it may change the internal representation of the key, and propagate to replicas",
        )])
        .doc(
            "key [key ...]",
            "Estimates how many different elements one or several HyperLogLogs have seen.",
            "O(1) for one key, O(N) with large constants for several",
        ),
    data("pfdebug", 3, GROUP, "2.8.9", debug::pfdebug)
        .flags(WRITE | DENYOOM | ADMIN)
        .acl(Acl::HYPERLOGLOG)
        .keys(&[KeySpec::one(2, RW | ACCESS)])
        .doc("subcommand key", "Shows the inside of a HyperLogLog.", "N/A"),
    data("pfmerge", -2, GROUP, "2.8.9", merge::pfmerge)
        .flags(WRITE | DENYOOM)
        .acl(Acl::HYPERLOGLOG)
        .keys(&[KeySpec::one(1, RW | ACCESS | INSERT), KeySpec::range(2, -1, 1, RO | ACCESS)])
        .doc(
            "destkey [sourcekey [sourcekey ...]]",
            "Merges HyperLogLogs into one.",
            "O(N), N being the number of keys, with large constants",
        ),
    data("pfselftest", 1, GROUP, "2.8.9", selftest::pfselftest).flags(ADMIN).acl(Acl::HYPERLOGLOG).doc(
        "",
        "Tests the HyperLogLogs of this server.",
        "N/A",
    ),
];
