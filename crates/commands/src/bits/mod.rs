//! Strings as bitmaps and as arrays of small integers.

mod bit;
mod count;
mod field;
mod integer;
mod op;
mod position;
mod range;
mod words;

use crate::row::*;

const GROUP: &str = "bitmap";

pub(crate) const ROWS: &[CommandSpec] = &[
    data("bitcount", -2, GROUP, "2.6.0", count::bitcount)
        .flags(READONLY)
        .acl(Acl::BITMAP)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .doc(
            "key [start [end [BYTE | BIT]]]",
            "Counts the bits that are set in a string or a part of it.",
            "O(N), N being the length of the part",
        ),
    data("bitfield", -2, GROUP, "3.2.0", field::bitfield)
        .flags(WRITE | DENYOOM)
        .acl(Acl::BITMAP)
        .keys(&[KeySpec::one(1, RW | UPDATE | ACCESS | VARIABLE)
            .notes("This command allows both access and modification of the key")])
        .doc(
            "key [GET <encoding offset> | [OVERFLOW <WRAP | SAT | FAIL>] \
             <SET <encoding offset value> | INCRBY <encoding offset increment>> ...]",
            "Reads and changes integers of any width at any bit of a string.",
            "O(1) for each operation",
        ),
    data("bitfield_ro", -2, GROUP, "6.0.0", field::bitfield_ro)
        .flags(READONLY | FAST)
        .acl(Acl::BITMAP)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .doc(
            "key [GET <encoding offset> ...]",
            "Reads integers of any width at any bit of a string.",
            "O(1) for each operation",
        ),
    data("bitop", -4, GROUP, "2.6.0", op::bitop)
        .flags(WRITE | DENYOOM)
        .acl(Acl::BITMAP)
        .keys(&[KeySpec::one(2, OW | UPDATE), KeySpec::range(3, -1, 1, RO | ACCESS)])
        .doc(
            "<AND | OR | XOR | NOT> destkey key [key ...]",
            "Combines strings bit by bit and stores the result.",
            "O(N), N being the length of the longest string",
        ),
    data("bitpos", -3, GROUP, "2.8.7", position::bitpos)
        .flags(READONLY)
        .acl(Acl::BITMAP)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .doc(
            "key bit [start [end [BYTE | BIT]]]",
            "Finds the first bit that is set, or the first that is clear, in a string or a part of it.",
            "O(N), N being the length of the part",
        ),
    data("getbit", 3, GROUP, "2.2.0", bit::getbit)
        .flags(READONLY | FAST)
        .acl(Acl::BITMAP)
        .keys(&[KeySpec::one(1, RO | ACCESS)])
        .doc("key offset", "Returns one bit of a string.", "O(1)"),
    data("setbit", 4, GROUP, "2.2.0", bit::setbit)
        .flags(WRITE | DENYOOM)
        .acl(Acl::BITMAP)
        .keys(&[KeySpec::one(1, RW | ACCESS | UPDATE)])
        .doc(
            "key offset value",
            "Sets or clears one bit of a string, which grows if need be, and returns what it was.",
            "O(1)",
        ),
];
