//! Streams.

use keyspace::Kind;
use resp::OwnedArgs;

use super::{START_MS, Tester, check};
use crate::TimeoutReply;

const BAD_ID: &str = "-ERR Invalid stream ID specified as stream command argument\r\n";
const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";

#[test]
fn entries_are_added_with_rising_ids() {
    check(&[
        ("XADD s * f v", "$12\r\n1000000000-0\r\n> XADD s 1000000000-0 f v"),
        ("XADD s * f v", "$12\r\n1000000000-1\r\n> XADD s 1000000000-1 f v"),
        ("XADD s 1000000000-* f v", "$12\r\n1000000000-2\r\n> XADD s 1000000000-2 f v"),
        ("XADD s 1000000007-* f v", "$12\r\n1000000007-0\r\n> XADD s 1000000007-0 f v"),
        ("XADD s * f v", "$12\r\n1000000007-1\r\n> XADD s 1000000007-1 f v"),
        ("XADD s 1000000008 f v", "$12\r\n1000000008-0\r\n> XADD s 1000000008 f v"),
        (
            "XADD s 1000000008-0 f v",
            "-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n",
        ),
        (
            "XADD s 5-* f v",
            "-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n",
        ),
        ("XADD s 0-0 f v", "-ERR The ID specified in XADD must be greater than 0-0\r\n"),
        ("XADD t 0-* f v", "$3\r\n0-1\r\n> XADD t 0-1 f v"),
        ("XLEN s", ":6\r\n"),
        ("XLEN none", ":0\r\n"),
        ("XADD s * f", "-ERR wrong number of arguments for 'xadd' command\r\n"),
        ("XADD s * f v f", "-ERR wrong number of arguments for 'xadd' command\r\n"),
        ("XADD s - f v", BAD_ID),
        ("XADD s + f v", BAD_ID),
        ("XADD s x f v", BAD_ID),
        ("XADD n NOMKSTREAM * f v", "$-1\r\n"),
        ("XADD s NOMKSTREAM 1000000009-1 f v", "$12\r\n1000000009-1\r\n> XADD s NOMKSTREAM 1000000009-1 f v"),
        (
            "XADD s 18446744073709551615-18446744073709551615 f v",
            "$41\r\n18446744073709551615-18446744073709551615\r\n> XADD s 18446744073709551615-18446744073709551615 f v",
        ),
        ("XADD s * f v", "-ERR The stream has exhausted the last possible ID, unable to add more items\r\n"),
        ("SET k v", "+OK\r\n> SET k v"),
        ("XADD k * f v", WRONG_TYPE),
        ("XLEN k", WRONG_TYPE),
        ("TYPE s", "+stream\r\n"),
        ("OBJECT ENCODING s", "$6\r\nstream\r\n"),
    ]);
}

#[test]
fn ranges() {
    check(&[
        ("XADD s 1-1 a 1 b two", "$3\r\n1-1\r\n> XADD s 1-1 a 1 b two"),
        ("XADD s 1-2 a 007", "$3\r\n1-2\r\n> XADD s 1-2 a 007"),
        ("XADD s 2-0 \"\" \"\"", "$3\r\n2-0\r\n> XADD s 2-0  "),
        (
            "XRANGE s - +",
            "*3\r\n*2\r\n$3\r\n1-1\r\n*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$3\r\ntwo\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$3\r\n007\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$0\r\n\r\n$0\r\n\r\n",
        ),
        ("XRANGE s 1 1-1", "*1\r\n*2\r\n$3\r\n1-1\r\n*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$3\r\ntwo\r\n"),
        ("XRANGE s (1-1 1 COUNT 5", "*1\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$3\r\n007\r\n"),
        ("XREVRANGE s (2-0 - COUNT 1", "*1\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$3\r\n007\r\n"),
        ("XREVRANGE s + 2", "*1\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$0\r\n\r\n$0\r\n\r\n"),
        ("XRANGE s 2 1", "*0\r\n"),
        ("XRANGE s - + COUNT 0", "*-1\r\n"),
        ("XRANGE s - + COUNT -1", "*-1\r\n"),
        ("XRANGE s - + COUNT x", "-ERR value is not an integer or out of range\r\n"),
        ("XRANGE s - + COUNT", "-ERR syntax error\r\n"),
        ("XRANGE s - + LIMIT 1", "-ERR syntax error\r\n"),
        ("XRANGE none - +", "*0\r\n"),
        ("XRANGE s (- +", BAD_ID),
        ("XRANGE s ( +", BAD_ID),
        (
            "XRANGE s (18446744073709551615-18446744073709551615 +",
            "-ERR invalid start ID for the interval\r\n",
        ),
        ("XRANGE s - (0-0", "-ERR invalid end ID for the interval\r\n"),
    ]);
}

#[test]
fn deleting_and_trimming() {
    check(&[
        ("XADD s 1-0 f v", "$3\r\n1-0\r\n> XADD s 1-0 f v"),
        ("XADD s 2-0 f v", "$3\r\n2-0\r\n> XADD s 2-0 f v"),
        ("XADD s 3-0 f v", "$3\r\n3-0\r\n> XADD s 3-0 f v"),
        ("XDEL s 2-0 5-0", ":1\r\n> XDEL s 2-0 5-0"),
        ("XDEL s 2-0", ":0\r\n"),
        ("XDEL s 3-0 x", BAD_ID),
        ("XDEL none x", ":0\r\n"),
        ("XLEN s", ":2\r\n"),
        ("XTRIM s MAXLEN 1", ":1\r\n> XTRIM s MAXLEN 1"),
        ("XTRIM s MAXLEN 1", ":0\r\n"),
        ("XTRIM s MINID = 4", ":1\r\n> XTRIM s MINID = 4"),
        // A stream without entries is still one.
        ("EXISTS s", ":1\r\n"),
        ("XTRIM none MAXLEN 0", ":0\r\n"),
        ("XTRIM s MAXLEN x", "-ERR value is not an integer or out of range\r\n"),
        ("XTRIM s MAXLEN -1", "-ERR The MAXLEN argument must be >= 0.\r\n"),
        ("XTRIM s MINID x", BAD_ID),
        ("XTRIM s FOO 1", "-ERR syntax error\r\n"),
        (
            "XTRIM s LIMIT 1",
            "-ERR syntax error, LIMIT cannot be used without specifying a trimming strategy\r\n",
        ),
        ("XTRIM s LIMIT 0", "-ERR syntax error, XTRIM must be called with a trimming strategy\r\n"),
        (
            "XTRIM s MAXLEN 1 LIMIT 1",
            "-ERR syntax error, LIMIT cannot be used without the special ~ option\r\n",
        ),
        ("XTRIM s MAXLEN ~ 1 LIMIT -1", "-ERR The LIMIT argument must be >= 0.\r\n"),
        (
            "XTRIM s MAXLEN 1 MINID 1",
            "-ERR syntax error, MAXLEN and MINID options at the same time are not compatible\r\n",
        ),
        ("XADD s MAXLEN 0 9-0 f v", "$3\r\n9-0\r\n> XADD s MAXLEN 0 9-0 f v"),
        (
            "XADD s LIMIT 0 10-0 f v",
            "-ERR syntax error, LIMIT cannot be used without the special ~ option\r\n",
        ),
        ("XLEN s", ":0\r\n"),
    ]);
}

#[test]
fn approximate_trimming_is_logged_exactly() {
    let mut script = vec![("@stream-node-max-entries 2", "")];
    for (request, reply) in [
        ("XADD s 1-0 f v", "$3\r\n1-0\r\n> XADD s 1-0 f v"),
        ("XADD s 2-0 f v", "$3\r\n2-0\r\n> XADD s 2-0 f v"),
        ("XADD s 3-0 f v", "$3\r\n3-0\r\n> XADD s 3-0 f v"),
        ("XADD s 4-0 f v", "$3\r\n4-0\r\n> XADD s 4-0 f v"),
        ("XADD s MAXLEN ~ 3 LIMIT 10 5-0 f v", "$3\r\n5-0\r\n> XADD s MAXLEN = 3 5-0 f v"),
        ("XTRIM s MAXLEN ~ 2", ":0\r\n"),
        ("XTRIM s MAXLEN ~ 1", ":2\r\n> XTRIM s MAXLEN = 1"),
        ("XADD s MINID ~ 4-0 6-* f v", "$3\r\n6-0\r\n> XADD s MINID = 5-0 6-0 f v"),
        ("XTRIM s MINID ~ 6-0", ":0\r\n"),
        ("XTRIM s MINID ~ 7-0 LIMIT 1", ":0\r\n"),
        ("XTRIM s LIMIT 2 MINID ~ 7-0", ":2\r\n> XTRIM s MINID = 18446744073709551615-18446744073709551615"),
    ] {
        script.push((request, reply));
    }
    check(&script);
}

#[test]
fn reading() {
    check(&[
        ("XADD s 1-0 f v", "$3\r\n1-0\r\n> XADD s 1-0 f v"),
        ("XADD s 2-0 f v", "$3\r\n2-0\r\n> XADD s 2-0 f v"),
        ("XADD t 1-0 f v", "$3\r\n1-0\r\n> XADD t 1-0 f v"),
        ("XREAD STREAMS s 1", "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"),
        (
            "XREAD COUNT 1 STREAMS s 0",
            "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n",
        ),
        ("XREAD STREAMS s +", "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"),
        (
            "XREAD STREAMS s t none 1 $ 0",
            "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n",
        ),
        ("XREAD STREAMS s $", "*-1\r\n"),
        ("XREAD STREAMS none +", "*-1\r\n"),
        ("@resp 3", ""),
        (
            "XREAD STREAMS s t 1 0",
            "%2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n$1\r\nt\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n",
        ),
        ("XREAD STREAMS s $", "_\r\n"),
        ("@resp 2", ""),
        ("XREAD COUNT 1 STREAMS", "-ERR syntax error\r\n"),
        ("XREAD COUNT x STREAMS s 0", "-ERR value is not an integer or out of range\r\n"),
        (
            "XREAD STREAMS s t 0",
            "-ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.\r\n",
        ),
        (
            "XREADGROUP GROUP g c STREAMS s t 0",
            "-ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified.\r\n",
        ),
        (
            "XREAD STREAMS s >",
            "-ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.\r\n",
        ),
        (
            "XREAD GROUP g c STREAMS s 0",
            "-ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.\r\n",
        ),
        (
            "XREAD NOACK STREAMS s 0",
            "-ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.\r\n",
        ),
        ("XREADGROUP NOACK COUNT 5 STREAMS s 0", "-ERR Missing GROUP option for XREADGROUP\r\n"),
        ("XREAD BLOCK -1 STREAMS s 0", "-ERR timeout is negative\r\n"),
        ("XREAD BLOCK x STREAMS s 0", "-ERR timeout is not an integer or out of range\r\n"),
        ("XREAD BLOCK 9223372036854775807 STREAMS s 0", "-ERR timeout is out of range\r\n"),
        ("XREAD FOO STREAMS s 0", "-ERR syntax error\r\n"),
    ]);
}

fn run(tester: &mut Tester, line: &str) -> String {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    String::from_utf8(tester.execute(&OwnedArgs::from_slices(&words)).0).expect("text")
}

#[test]
fn waiting() {
    let mut tester = Tester::new();
    run(&mut tester, "XADD s 5-1 f v");
    assert_eq!(run(&mut tester, "XREAD BLOCK 100 STREAMS s t $ 7"), "");
    let block = tester.fx.blocked.take().expect("the client waits");
    assert_eq!(block.keys, [Box::from(*b"s"), Box::from(*b"t")]);
    assert_eq!(
        (block.kind, block.deadline_ms, block.wake_when_gone),
        (Kind::Stream, Some(START_MS + 100), false)
    );
    assert_eq!(block.on_timeout, TimeoutReply::NullArray);
    let rewritten =
        OwnedArgs::from_slices(&[b"XREAD", b"BLOCK", b"100", b"STREAMS", b"s", b"t", b"5-1", b"7"]);
    assert_eq!(block.request, Some(rewritten));

    run(&mut tester, "XGROUP CREATE s g $");
    let from = tester.log.len();
    assert_eq!(run(&mut tester, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >"), "");
    let block = tester.fx.blocked.take().expect("the client waits");
    assert_eq!((block.deadline_ms, block.wake_when_gone, block.request), (None, true, None));
    // Waiting has brought the consumer into being.
    let created = OwnedArgs::from_slices(&[b"XGROUP", b"CREATECONSUMER", b"s", b"g", b"c"]);
    assert_eq!(tester.log[from..], [created]);

    tester.env.may_block = false;
    assert_eq!(run(&mut tester, "XREAD BLOCK 0 STREAMS s $"), "*-1\r\n");

    tester.fx.track_ready = true;
    run(&mut tester, "XADD s 6-0 f v");
    run(&mut tester, "XGROUP DESTROY s g");
    assert_eq!(tester.fx.ready, [(0, Box::from(*b"s")), (0, Box::from(*b"s"))]);
}

#[test]
fn groups() {
    check(&[
        (
            "XGROUP CREATE s g $",
            "-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.\r\n",
        ),
        ("XGROUP CREATE s g $ MKSTREAM", "+OK\r\n> XGROUP CREATE s g $ MKSTREAM"),
        ("XGROUP CREATE s g $", "-BUSYGROUP Consumer Group name already exists\r\n"),
        ("XGROUP CREATE s h x", BAD_ID),
        ("XGROUP CREATE s h 0 ENTRIESREAD 3", "+OK\r\n> XGROUP CREATE s h 0 ENTRIESREAD 3"),
        ("XGROUP CREATE s i 0 ENTRIESREAD -2", "-ERR value for ENTRIESREAD must be positive or -1\r\n"),
        ("XGROUP CREATE s i 0 ENTRIESREAD x", "-ERR value is not an integer or out of range\r\n"),
        (
            "XGROUP CREATE s i 0 FOO",
            "-ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP.\r\n",
        ),
        (
            "XGROUP SETID s g 5 MKSTREAM",
            "-ERR unknown subcommand or wrong number of arguments for 'SETID'. Try XGROUP HELP.\r\n",
        ),
        ("XGROUP SETID s g 5-5", "+OK\r\n> XGROUP SETID s g 5-5"),
        ("XGROUP SETID s x 5-5", "-NOGROUP No such consumer group 'x' for key name 's'\r\n"),
        ("XGROUP CREATECONSUMER s g c", ":1\r\n> XGROUP CREATECONSUMER s g c"),
        ("XGROUP CREATECONSUMER s g c", ":0\r\n"),
        ("XGROUP CREATECONSUMER s x c", "-NOGROUP No such consumer group 'x' for key name 's'\r\n"),
        ("XGROUP DELCONSUMER s g d", ":0\r\n"),
        ("XGROUP DELCONSUMER s g c", ":0\r\n> XGROUP DELCONSUMER s g c"),
        ("XGROUP DESTROY s g", ":1\r\n> XGROUP DESTROY s g"),
        ("XGROUP DESTROY s g", ":0\r\n"),
        ("XGROUP", "-ERR wrong number of arguments for 'xgroup' command\r\n"),
        ("XGROUP FOO", "-ERR unknown subcommand 'FOO'. Try XGROUP HELP.\r\n"),
        ("SET k v", "+OK\r\n> SET k v"),
        ("XGROUP CREATE k g $ MKSTREAM", WRONG_TYPE),
        (
            "XREADGROUP GROUP g c STREAMS s >",
            "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option\r\n",
        ),
        ("XREADGROUP GROUP g c STREAMS k >", WRONG_TYPE),
    ]);
}

#[test]
fn deliveries_are_logged_as_claims() {
    let two = "*1\r\n*2\r\n$1\r\ns\r\n*2\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nf\r\n$1\r\na\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\nf\r\n$1\r\nb\r\n";
    check(&[
        ("XADD s 1-0 f a", "$3\r\n1-0\r\n> XADD s 1-0 f a"),
        ("XADD s 2-0 f b", "$3\r\n2-0\r\n> XADD s 2-0 f b"),
        ("XGROUP CREATE s g 0", "+OK\r\n> XGROUP CREATE s g 0"),
        (
            "XREADGROUP GROUP g c STREAMS s >",
            &format!(
                "{two}> XCLAIM s g c 0 1-0 2-0 TIME 1000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 2-0; XGROUP SETID s g 2-0 ENTRIESREAD 2"
            ),
        ),
        ("XREADGROUP GROUP g c STREAMS s >", "*-1\r\n"),
        ("@advance 5", ""),
        (
            "XREADGROUP GROUP g c COUNT 1 STREAMS s 0",
            "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nf\r\n$1\r\na\r\n> XCLAIM s g c 0 1-0 TIME 1000000005 RETRYCOUNT 2 FORCE JUSTID LASTID 2-0",
        ),
        (
            "XREADGROUP GROUP g c STREAMS s 0",
            &format!(
                "{two}> XCLAIM s g c 0 1-0 TIME 1000000005 RETRYCOUNT 3 FORCE JUSTID LASTID 2-0; XCLAIM s g c 0 2-0 TIME 1000000005 RETRYCOUNT 2 FORCE JUSTID LASTID 2-0"
            ),
        ),
        ("XREADGROUP GROUP g d STREAMS s 0", "*1\r\n*2\r\n$1\r\ns\r\n*0\r\n> XGROUP CREATECONSUMER s g d"),
        ("XDEL s 1-0", ":1\r\n> XDEL s 1-0"),
        (
            "XREADGROUP GROUP g c COUNT 1 STREAMS s 0",
            "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*-1\r\n",
        ),
        ("XPENDING s g", "*4\r\n:2\r\n$3\r\n1-0\r\n$3\r\n2-0\r\n*1\r\n*2\r\n$1\r\nc\r\n$1\r\n2\r\n"),
        ("XACK s g 1-0 7-0", ":1\r\n> XACK s g 1-0 7-0"),
        ("XACK s g 1-0", ":0\r\n"),
        ("XACK s g x", BAD_ID),
        ("XACK s none x", ":0\r\n"),
        ("XACK none g x", ":0\r\n"),
        ("XADD s 3-0 f c", "$3\r\n3-0\r\n> XADD s 3-0 f c"),
        (
            "XREADGROUP GROUP g e NOACK STREAMS s >",
            "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n3-0\r\n*2\r\n$1\r\nf\r\n$1\r\nc\r\n> XGROUP SETID s g 3-0 ENTRIESREAD 3; XGROUP CREATECONSUMER s g e",
        ),
        ("XGROUP DELCONSUMER s g c", ":1\r\n> XGROUP DELCONSUMER s g c"),
        ("XPENDING s g", "*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n"),
        (
            "XREADGROUP GROUP g c STREAMS s $",
            "-ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.\r\n",
        ),
    ]);
}

#[test]
fn pending_entries_change_hands() {
    check(&[
        ("XADD s 1-0 f a", "$3\r\n1-0\r\n> XADD s 1-0 f a"),
        ("XADD s 2-0 f b", "$3\r\n2-0\r\n> XADD s 2-0 f b"),
        ("XADD s 3-0 f c", "$3\r\n3-0\r\n> XADD s 3-0 f c"),
        ("XGROUP CREATE s g 0", "+OK\r\n> XGROUP CREATE s g 0"),
        ("XCLAIM s g c 0 1-0", "*0\r\n> XGROUP CREATECONSUMER s g c"),
        (
            "XCLAIM s g c 0 1-0 FORCE JUSTID",
            "*1\r\n$3\r\n1-0\r\n> XCLAIM s g c 0 1-0 TIME 1000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 0-0",
        ),
        (
            "XCLAIM s g c 0 2-0 FORCE",
            "*1\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\nf\r\n$1\r\nb\r\n> XCLAIM s g c 0 2-0 TIME 1000000000 RETRYCOUNT 2 FORCE JUSTID LASTID 0-0",
        ),
        ("@advance 100", ""),
        ("XCLAIM s g d 101 1-0 2-0 JUSTID", "*0\r\n> XGROUP CREATECONSUMER s g d"),
        (
            "XCLAIM s g d 100 1-0 2-0 9-0 IDLE 50 JUSTID LASTID 2-0 RETRYCOUNT 7",
            "*2\r\n$3\r\n1-0\r\n$3\r\n2-0\r\n> XCLAIM s g d 0 1-0 2-0 TIME 1000000050 RETRYCOUNT 7 FORCE JUSTID LASTID 2-0",
        ),
        (
            "XPENDING s g - + 10",
            "*2\r\n*4\r\n$3\r\n1-0\r\n$1\r\nd\r\n:50\r\n:7\r\n*4\r\n$3\r\n2-0\r\n$1\r\nd\r\n:50\r\n:7\r\n",
        ),
        ("XPENDING s g IDLE 51 - + 10", "*0\r\n"),
        ("XPENDING s g IDLE 50 (1-0 + 1 d", "*1\r\n*4\r\n$3\r\n2-0\r\n$1\r\nd\r\n:50\r\n:7\r\n"),
        ("XPENDING s g - + 10 c", "*0\r\n"),
        ("XPENDING s g - + 10 nobody", "*0\r\n"),
        ("XPENDING s g - + 0", "*0\r\n"),
        ("XPENDING s g - +", "-ERR syntax error\r\n"),
        ("XPENDING s g IDLE 5 - +", "-ERR syntax error\r\n"),
        ("XPENDING s h", "-NOGROUP No such key 's' or consumer group 'h'\r\n"),
        ("XPENDING t g - + 1", "-NOGROUP No such key 't' or consumer group 'g'\r\n"),
        // Nothing is claimed, but the group moves on.
        ("XCLAIM s g d 0 9-0 LASTID 3-0", "*0\r\n> XGROUP SETID s g 3-0 ENTRIESREAD -1"),
        ("XCLAIM s g d x 1-0", "-ERR Invalid min-idle-time argument for XCLAIM\r\n"),
        ("XCLAIM s g d 0 x", "-ERR Unrecognized XCLAIM option 'x'\r\n"),
        ("XCLAIM s g d 0 1-0 IDLE", "-ERR Unrecognized XCLAIM option 'IDLE'\r\n"),
        ("XCLAIM s g d 0 1-0 IDLE x", "-ERR Invalid IDLE option argument for XCLAIM\r\n"),
        ("XCLAIM s g d 0 1-0 TIME x", "-ERR Invalid TIME option argument for XCLAIM\r\n"),
        ("XCLAIM s g d 0 1-0 RETRYCOUNT x", "-ERR Invalid RETRYCOUNT option argument for XCLAIM\r\n"),
        ("XCLAIM s h d 0 1-0", "-NOGROUP No such key 's' or consumer group 'h'\r\n"),
        ("XDEL s 1-0", ":1\r\n> XDEL s 1-0"),
        (
            "XAUTOCLAIM s g e 0 - COUNT 1",
            "*3\r\n$3\r\n2-0\r\n*0\r\n*1\r\n$3\r\n1-0\r\n> XGROUP CREATECONSUMER s g e; XACK s g 1-0",
        ),
        (
            "XAUTOCLAIM s g e 0 -",
            "*3\r\n$3\r\n0-0\r\n*1\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\nf\r\n$1\r\nb\r\n*0\r\n> XCLAIM s g e 0 2-0 TIME 1000000100 RETRYCOUNT 8 FORCE JUSTID LASTID 3-0",
        ),
        ("XAUTOCLAIM s g e 1 - JUSTID", "*3\r\n$3\r\n0-0\r\n*0\r\n*0\r\n"),
        (
            "XAUTOCLAIM s g e 0 (1-0 JUSTID",
            "*3\r\n$3\r\n0-0\r\n*1\r\n$3\r\n2-0\r\n*0\r\n> XCLAIM s g e 0 2-0 TIME 1000000100 RETRYCOUNT 8 FORCE JUSTID LASTID 3-0",
        ),
        ("XAUTOCLAIM s g e 0 - COUNT 0", "-ERR COUNT must be > 0\r\n"),
        ("XAUTOCLAIM s g e 0 - FOO", "-ERR syntax error\r\n"),
        ("XAUTOCLAIM s g e x -", "-ERR Invalid min-idle-time argument for XAUTOCLAIM\r\n"),
        ("XAUTOCLAIM s g e 0 x", BAD_ID),
        ("XAUTOCLAIM t g e 0 -", "-NOGROUP No such key 't' or consumer group 'g'\r\n"),
        ("XDEL s 2-0", ":1\r\n> XDEL s 2-0"),
        ("XCLAIM s g e 0 2-0", "*0\r\n> XACK s g 2-0"),
        ("XPENDING s g", "*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n"),
    ]);
}

/// A claim that comes from the master says when it was, whatever this machine's clock says.
#[test]
fn a_replica_believes_the_time_of_a_claim() {
    check(&[
        ("@expiry ignore", ""),
        ("XADD s 1-0 f a", "$3\r\n1-0\r\n> XADD s 1-0 f a"),
        ("XGROUP CREATE s g 0", "+OK\r\n> XGROUP CREATE s g 0"),
        (
            "XCLAIM s g c 0 1-0 TIME 1000000777 RETRYCOUNT 1 FORCE JUSTID LASTID 1-0",
            "*1\r\n$3\r\n1-0\r\n> XCLAIM s g c 0 1-0 TIME 1000000777 RETRYCOUNT 1 FORCE JUSTID LASTID 1-0",
        ),
        ("@expiry delete", ""),
        (
            "XCLAIM s g c 0 1-0 TIME 1000000777 JUSTID",
            "*1\r\n$3\r\n1-0\r\n> XCLAIM s g c 0 1-0 TIME 1000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 1-0",
        ),
    ]);
}

#[test]
fn introspection() {
    let entry = "*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nf\r\n$1\r\na\r\n";
    let head = "$6\r\nlength\r\n:1\r\n$15\r\nradix-tree-keys\r\n:1\r\n$16\r\nradix-tree-nodes\r\n:2\r\n$17\r\nlast-generated-id\r\n$3\r\n1-0\r\n$20\r\nmax-deleted-entry-id\r\n$3\r\n0-0\r\n$13\r\nentries-added\r\n:1\r\n$23\r\nrecorded-first-entry-id\r\n$3\r\n1-0\r\n";
    let progress =
        "$17\r\nlast-delivered-id\r\n$3\r\n1-0\r\n$12\r\nentries-read\r\n:1\r\n$3\r\nlag\r\n:0\r\n";
    check(&[
        ("XINFO STREAM s", "-ERR no such key\r\n"),
        ("XADD s 1-0 f a", "$3\r\n1-0\r\n> XADD s 1-0 f a"),
        ("XGROUP CREATE s g 0", "+OK\r\n> XGROUP CREATE s g 0"),
        (
            "XREADGROUP GROUP g c STREAMS s >",
            &format!(
                "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n{entry}> XCLAIM s g c 0 1-0 TIME 1000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 1-0; XGROUP SETID s g 1-0 ENTRIESREAD 1"
            ),
        ),
        ("XGROUP CREATECONSUMER s g d", ":1\r\n> XGROUP CREATECONSUMER s g d"),
        ("@advance 3", ""),
        (
            "XINFO STREAM s",
            &format!(
                "*20\r\n{head}$6\r\ngroups\r\n:1\r\n$11\r\nfirst-entry\r\n{entry}$10\r\nlast-entry\r\n{entry}"
            ),
        ),
        (
            "XINFO GROUPS s",
            &format!(
                "*1\r\n*12\r\n$4\r\nname\r\n$1\r\ng\r\n$9\r\nconsumers\r\n:2\r\n$7\r\npending\r\n:1\r\n{progress}"
            ),
        ),
        (
            "XINFO CONSUMERS s g",
            "*2\r\n*8\r\n$4\r\nname\r\n$1\r\nc\r\n$7\r\npending\r\n:1\r\n$4\r\nidle\r\n:3\r\n$8\r\ninactive\r\n:3\r\n*8\r\n$4\r\nname\r\n$1\r\nd\r\n$7\r\npending\r\n:0\r\n$4\r\nidle\r\n:3\r\n$8\r\ninactive\r\n:-1\r\n",
        ),
        ("@resp 3", ""),
        (
            "XINFO STREAM s FULL",
            &format!(
                "%9\r\n{head}$7\r\nentries\r\n*1\r\n{entry}$6\r\ngroups\r\n*1\r\n%7\r\n$4\r\nname\r\n$1\r\ng\r\n{progress}$9\r\npel-count\r\n:1\r\n$7\r\npending\r\n*1\r\n*4\r\n$3\r\n1-0\r\n$1\r\nc\r\n:1000000000\r\n:1\r\n$9\r\nconsumers\r\n*2\r\n%5\r\n$4\r\nname\r\n$1\r\nc\r\n$9\r\nseen-time\r\n:1000000000\r\n$11\r\nactive-time\r\n:1000000000\r\n$9\r\npel-count\r\n:1\r\n$7\r\npending\r\n*1\r\n*3\r\n$3\r\n1-0\r\n:1000000000\r\n:1\r\n%5\r\n$4\r\nname\r\n$1\r\nd\r\n$9\r\nseen-time\r\n:1000000000\r\n$11\r\nactive-time\r\n:-1\r\n$9\r\npel-count\r\n:0\r\n$7\r\npending\r\n*0\r\n"
            ),
        ),
        ("@resp 2", ""),
        ("XINFO STREAM s FULL COUNT x", "-ERR value is not an integer or out of range\r\n"),
        (
            "XINFO STREAM s FOO",
            "-ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.\r\n",
        ),
        (
            "XINFO STREAM s FULL FOO 1",
            "-ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.\r\n",
        ),
        ("XINFO CONSUMERS s x", "-NOGROUP No such consumer group 'x' for key name 's'\r\n"),
        ("XINFO CONSUMERS s", "-ERR wrong number of arguments for 'xinfo|consumers' command\r\n"),
    ]);
}

#[test]
fn what_a_stream_remembers_can_be_set() {
    check(&[
        ("XSETID s 5-0", "-ERR no such key\r\n"),
        ("XADD s 5-0 f v", "$3\r\n5-0\r\n> XADD s 5-0 f v"),
        ("XSETID s 4-0", "-ERR The ID specified in XSETID is smaller than the target stream top item\r\n"),
        (
            "XSETID s 9-0 ENTRIESADDED 0",
            "-ERR The entries_added specified in XSETID is smaller than the target stream length\r\n",
        ),
        ("XSETID s 9-0 ENTRIESADDED -1", "-ERR entries_added must be positive\r\n"),
        (
            "XSETID s 9-0 MAXDELETEDID 10-0",
            "-ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id\r\n",
        ),
        (
            "XSETID s 9-0 ENTRIESADDED 7 MAXDELETEDID 8-0",
            "+OK\r\n> XSETID s 9-0 ENTRIESADDED 7 MAXDELETEDID 8-0",
        ),
        ("XSETID s 7-0", "-ERR The ID specified in XSETID is smaller than current max_deleted_entry_id\r\n"),
        ("XSETID s 9-0 MAXDELETEDID", "-ERR syntax error\r\n"),
        ("XSETID s x", BAD_ID),
        ("XGROUP CREATE s g 8-0", "+OK\r\n> XGROUP CREATE s g 8-0"),
        (
            "XINFO GROUPS s",
            "*1\r\n*12\r\n$4\r\nname\r\n$1\r\ng\r\n$9\r\nconsumers\r\n:0\r\n$7\r\npending\r\n:0\r\n$17\r\nlast-delivered-id\r\n$3\r\n8-0\r\n$12\r\nentries-read\r\n$-1\r\n$3\r\nlag\r\n$-1\r\n",
        ),
    ]);
}
