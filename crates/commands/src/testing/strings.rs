//! Strings.

use super::check;

#[test]
fn set_and_get() {
    check(&[
        ("GET a", "$-1\r\n"),
        ("SET a 1", "+OK\r\n> SET a 1"),
        ("get a", "$1\r\n1\r\n"),
        ("SET a", "-ERR wrong number of arguments for 'set' command\r\n"),
        ("SET a 1 FOO", "-ERR syntax error\r\n"),
        ("STRLEN a", ":1\r\n"),
        ("STRLEN b", ":0\r\n"),
        ("SET \"\" \"\"", "+OK\r\n> SET  "),
        ("GET \"\"", "$0\r\n\r\n"),
        ("@resp 3", ""),
        ("GET b", "_\r\n"),
    ]);
}

#[test]
fn set_conditions() {
    check(&[
        ("SET a 1 XX", "$-1\r\n"),
        ("SET a 1 NX", "+OK\r\n> SET a 1 NX"),
        ("SET a 2 NX", "$-1\r\n"),
        ("SET a 2 XX", "+OK\r\n> SET a 2 XX"),
        ("SET a 2 XX NX", "-ERR syntax error\r\n"),
        ("SET a 3 NX GET", "$1\r\n2\r\n"),
        ("SET b 3 NX GET", "$-1\r\n> SET b 3"),
        ("SET b 4 GET KEEPTTL", "$1\r\n3\r\n> SET b 4 KEEPTTL"),
        ("SETNX b 5", ":0\r\n"),
        ("SETNX c 5", ":1\r\n> SETNX c 5"),
    ]);
}

#[test]
fn set_if_equal() {
    check(&[
        ("SET a 1 IFEQ 1", "$-1\r\n"),
        ("SET a 1", "+OK\r\n> SET a 1"),
        ("SET a 2 IFEQ 3", "$-1\r\n"),
        ("SET a 2 IFEQ 1", "+OK\r\n> SET a 2"),
        ("SET a 3 IFEQ 2 GET", "$1\r\n2\r\n> SET a 3"),
        ("SET a 3 IFEQ", "-ERR syntax error\r\n"),
        ("SET a 3 IFEQ 3 NX", "-ERR syntax error\r\n"),
        ("SET a get IFEQ 3 EX 10", "+OK\r\n> SET a get PXAT 1000010000"),
        ("DELIFEQ a x", ":0\r\n"),
        ("DELIFEQ a get", ":1\r\n> DEL a"),
        ("DELIFEQ a get", ":0\r\n"),
    ]);
}

#[test]
fn set_with_expiry_is_logged_with_its_moment() {
    check(&[
        ("SET a 1 EX 10", "+OK\r\n> SET a 1 PXAT 1000010000"),
        ("SET a 1 px 10", "+OK\r\n> SET a 1 PXAT 1000000010"),
        ("SET a 1 EXAT 2000000", "+OK\r\n> SET a 1 PXAT 2000000000"),
        ("SET a 1 PXAT 2000000001 NX", "$-1\r\n"),
        ("SET a 1 PXAT 2000000001 XX GET", "$1\r\n1\r\n> SET a 1 PXAT 2000000001"),
        ("SET a 2 KEEPTTL", "+OK\r\n> SET a 2 KEEPTTL"),
        ("PEXPIRETIME a", ":2000000001\r\n"),
        ("SET a 2", "+OK\r\n> SET a 2"),
        ("PEXPIRETIME a", ":-1\r\n"),
        ("SETEX a 10 v", "+OK\r\n> SET a v PXAT 1000010000"),
        ("PSETEX a 10 v", "+OK\r\n> SET a v PXAT 1000000010"),
        ("SET a 1 EX", "-ERR syntax error\r\n"),
        ("SET a 1 EX 1 PX 1", "-ERR syntax error\r\n"),
        ("SET a 1 KEEPTTL EX 1", "-ERR syntax error\r\n"),
        ("SET a 1 EX x", "-ERR value is not an integer or out of range\r\n"),
        ("SET a 1 EX 0", "-ERR invalid expire time in 'set' command\r\n"),
        ("SET a 1 PX 9223372036854775807", "-ERR invalid expire time in 'set' command\r\n"),
        ("SETEX a -1 v", "-ERR invalid expire time in 'setex' command\r\n"),
        ("PSETEX a 0 v", "-ERR invalid expire time in 'psetex' command\r\n"),
    ]);
}

#[test]
fn what_would_be_over_at_once_is_not_stored() {
    check(&[
        ("SET a 1 EXAT 5", "+OK\r\n"),
        ("SET a 1", "+OK\r\n> SET a 1"),
        ("SET a 2 PXAT 5 NX", "$-1\r\n"),
        ("SET a 2 PXAT 5 GET", "$1\r\n1\r\n> DEL a"),
        ("EXISTS a", ":0\r\n"),
        // Only an instance that expires keys itself may say so.
        ("@expiry ignore", ""),
        ("SET a 2 PXAT 5", "+OK\r\n> SET a 2 PXAT 5"),
    ]);
}

#[test]
fn reading_commands_that_write() {
    check(&[
        ("GETSET a 1", "$-1\r\n> SET a 1"),
        ("GETSET a 2", "$1\r\n1\r\n> SET a 2"),
        ("GETEX a", "$1\r\n2\r\n"),
        ("GETEX a EX 10", "$1\r\n2\r\n> PEXPIREAT a 1000010000"),
        ("GETEX a PERSIST", "$1\r\n2\r\n> PERSIST a"),
        ("GETEX a PERSIST", "$1\r\n2\r\n"),
        ("GETEX a PERSIST EX 1", "-ERR syntax error\r\n"),
        ("GETEX a EX 0", "-ERR invalid expire time in 'getex' command\r\n"),
        ("GETEX b EX 0", "-ERR invalid expire time in 'getex' command\r\n"),
        ("GETEX a PXAT 5", "$1\r\n2\r\n> DEL a"),
        ("GETEX a", "$-1\r\n"),
        ("SET a 1", "+OK\r\n> SET a 1"),
        ("GETDEL a", "$1\r\n1\r\n> DEL a"),
        ("GETDEL a", "$-1\r\n"),
    ]);
}

#[test]
fn several_at_once() {
    check(&[
        ("MSET a 1 b 2", "+OK\r\n> MSET a 1 b 2"),
        ("MSET a 1 b", "-ERR wrong number of arguments for 'mset' command\r\n"),
        ("MGET a x b", "*3\r\n$1\r\n1\r\n$-1\r\n$1\r\n2\r\n"),
        ("MSETNX c 1 a 2", ":0\r\n"),
        ("MSETNX c 1 d 2", ":1\r\n> MSETNX c 1 d 2"),
        ("MSETEX 2 a 1 b 2", ":1\r\n> SET a 1; SET b 2"),
        ("MSETEX 1 a 1 EX 10", ":1\r\n> SET a 1 PXAT 1000010000"),
        ("MSETEX 1 a 1 KEEPTTL", ":1\r\n> SET a 1 KEEPTTL"),
        ("MSETEX 2 a 1 e 2 XX", ":0\r\n"),
        ("MSETEX 2 a 1 e 2 NX", ":0\r\n"),
        ("MSETEX 0 a 1", "-ERR invalid numkeys value or out of range\r\n"),
        ("MSETEX 9223372036854775807 a 1", "-ERR invalid numkeys value or out of range\r\n"),
        ("MSETEX 2147483647 a 1", "-ERR syntax error\r\n"),
        ("MSETEX 2 a 1", "-ERR syntax error\r\n"),
    ]);
}

#[test]
fn counters() {
    check(&[
        ("INCR a", ":1\r\n> INCR a"),
        ("INCRBY a 41", ":42\r\n> INCRBY a 41"),
        ("DECR a", ":41\r\n> DECR a"),
        ("DECRBY a -1", ":42\r\n> DECRBY a -1"),
        ("INCRBY a 9223372036854775807", "-ERR increment or decrement would overflow\r\n"),
        ("DECRBY a -9223372036854775808", "-ERR decrement would overflow\r\n"),
        ("INCRBY a 1.5", "-ERR value is not an integer or out of range\r\n"),
        ("SET a \" 1\"", "+OK\r\n> SET a  1"),
        ("INCR a", "-ERR value is not an integer or out of range\r\n"),
        ("SET a 1 EX 10", "+OK\r\n> SET a 1 PXAT 1000010000"),
        ("INCR a", ":2\r\n> INCR a"),
        ("PTTL a", ":10000\r\n"),
        ("OBJECT ENCODING a", "$3\r\nint\r\n"),
    ]);
}

#[test]
fn floating_point_counters_are_logged_as_their_result() {
    check(&[
        ("SET a 0.1 PX 5000", "+OK\r\n> SET a 0.1 PXAT 1000005000"),
        ("INCRBYFLOAT a 0.2", "$3\r\n0.3\r\n> SET a 0.3 KEEPTTL"),
        ("PTTL a", ":5000\r\n"),
        ("INCRBYFLOAT b 5.0e3", "$4\r\n5000\r\n> SET b 5000 KEEPTTL"),
        ("INCRBYFLOAT b nan", "-ERR value is not a valid float\r\n"),
        ("INCRBYFLOAT b inf", "-ERR increment would produce NaN or Infinity\r\n"),
        ("SET c x", "+OK\r\n> SET c x"),
        ("INCRBYFLOAT c 1", "-ERR value is not a valid float\r\n"),
    ]);
}

#[test]
fn parts_of_strings() {
    check(&[
        ("APPEND a Hello", ":5\r\n> APPEND a Hello"),
        ("APPEND a \" World\"", ":11\r\n> APPEND a  World"),
        ("GETRANGE a 0 4", "$5\r\nHello\r\n"),
        ("GETRANGE a -5 -1", "$5\r\nWorld\r\n"),
        ("SUBSTR a 6 100", "$5\r\nWorld\r\n"),
        ("GETRANGE a -1 -5", "$0\r\n\r\n"),
        ("GETRANGE a 5 2", "$0\r\n\r\n"),
        ("GETRANGE a -100 -50", "$1\r\nH\r\n"),
        ("GETRANGE b 0 -1", "$0\r\n\r\n"),
        ("GETRANGE a x 1", "-ERR value is not an integer or out of range\r\n"),
        ("SETRANGE a 6 Redis", ":11\r\n> SETRANGE a 6 Redis"),
        ("GET a", "$11\r\nHello Redis\r\n"),
        ("SETRANGE b 2 x", ":3\r\n> SETRANGE b 2 x"),
        ("GET b", "$3\r\n\\x00\\x00x\r\n"),
        ("OBJECT ENCODING b", "$3\r\nraw\r\n"),
        ("SETRANGE c 5 \"\"", ":0\r\n"),
        ("EXISTS c", ":0\r\n"),
        ("SETRANGE a 0 \"\"", ":11\r\n"),
        ("SETRANGE a -1 x", "-ERR offset is out of range\r\n"),
        ("@max-bulk 16", ""),
        ("SETRANGE a 16 x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"),
        (
            "SETRANGE a 9223372036854775807 x",
            "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n",
        ),
        ("APPEND a 123456", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"),
        ("APPEND a 12345", ":16\r\n> APPEND a 12345"),
    ]);
}

#[test]
fn longest_common_subsequence() {
    check(&[
        ("MSET a ohmytext b mynewtext", "+OK\r\n> MSET a ohmytext b mynewtext"),
        ("LCS a b", "$6\r\nmytext\r\n"),
        ("LCS a b LEN", ":6\r\n"),
        ("LCS a none", "$0\r\n\r\n"),
        (
            "LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN",
            "*4\r\n$7\r\nmatches\r\n*1\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n$3\r\nlen\r\n:6\r\n",
        ),
        ("@resp 3", ""),
        (
            "LCS a b IDX",
            "%2\r\n$7\r\nmatches\r\n*2\r\n*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n*2\r\n*2\r\n:2\r\n:3\r\n*2\r\n:0\r\n:1\r\n$3\r\nlen\r\n:6\r\n",
        ),
        ("LCS a b LEN IDX", "-ERR If you want both the length and indexes, please just use IDX.\r\n"),
        ("LCS a b MINMATCHLEN", "-ERR syntax error\r\n"),
        ("@max-bulk 300", ""),
        ("LCS a b", "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len\r\n"),
    ]);
}
