//! The server's own commands.

use resp::{OwnedArgs, ReplyBuf};

use super::{Tester, check};
use crate::{Registry, RenameError};

#[test]
fn small_talk() {
    check(&[
        ("PING", "+PONG\r\n"),
        ("ping hello", "$5\r\nhello\r\n"),
        ("PING a b", "-ERR wrong number of arguments for 'ping' command\r\n"),
        ("ECHO hello", "$5\r\nhello\r\n"),
        ("TIME", "*2\r\n$7\r\n1000000\r\n$1\r\n0\r\n"),
        ("@advance 1", ""),
        ("TIME", "*2\r\n$7\r\n1000000\r\n$4\r\n1000\r\n"),
        ("MEMORY USAGE x", "$-1\r\n"),
        ("MEMORY USAGE x SAMPLES 5", "$-1\r\n"),
        ("MEMORY USAGE x SAMPLES -1", "-ERR syntax error\r\n"),
        ("MEMORY USAGE x SAMPLES y", "-ERR value is not an integer or out of range\r\n"),
        ("MEMORY USAGE x y", "-ERR syntax error\r\n"),
    ]);
}

#[test]
fn unknown_commands() {
    check(&[
        ("foo", "-ERR unknown command 'foo', with args beginning with: \r\n"),
        ("foo a \"b c\"", "-ERR unknown command 'foo', with args beginning with: 'a' 'b c' \r\n"),
        ("\"fo\\r\\no\"", "-ERR unknown command 'fo  o', with args beginning with: \r\n"),
        ("CONFIG foo", "-ERR unknown subcommand 'foo'. Try CONFIG HELP.\r\n"),
        ("CONFIG", "-ERR wrong number of arguments for 'config' command\r\n"),
        ("CONFIG GET", "-ERR wrong number of arguments for 'config|get' command\r\n"),
    ]);
}

/// Clients find out what they talk to by these.
#[test]
fn neither_a_cluster_nor_modules() {
    const NO_CLUSTER: &str = "-ERR This instance has cluster support disabled\r\n";
    check(&[
        ("CLUSTER INFO", NO_CLUSTER),
        ("cluster slots", NO_CLUSTER),
        ("CLUSTER NODES", NO_CLUSTER),
        ("CLUSTER MEET 127.0.0.1 6379", NO_CLUSTER),
        ("CLUSTER KEYSLOT a", NO_CLUSTER),
        ("CLUSTER HELP", NO_CLUSTER),
        ("CLUSTER KEYSLOT", "-ERR wrong number of arguments for 'cluster|keyslot' command\r\n"),
        ("CLUSTER FOO", "-ERR unknown subcommand 'FOO'. Try CLUSTER HELP.\r\n"),
        ("CLUSTER", "-ERR wrong number of arguments for 'cluster' command\r\n"),
        ("ASKING", NO_CLUSTER),
        ("MODULE LIST", "*0\r\n"),
        ("MODULE LOAD /lib/x.so", "-ERR Error loading the extension. Tandem has no modules.\r\n"),
        ("MODULE LOADEX /lib/x.so", "-ERR Error loading the extension. Tandem has no modules.\r\n"),
        ("MODULE UNLOAD x", "-ERR Error unloading module: no such module with that name\r\n"),
        ("MODULE FOO", "-ERR unknown subcommand 'FOO'. Try MODULE HELP.\r\n"),
    ]);
}

#[test]
fn endless_arguments_are_cut_in_the_error() {
    let long = vec![b'x'; 5000];
    let mut tester = Tester::new();
    let (reply, _) = tester.execute(&OwnedArgs::from_slices(&[&long, &long, &long]));
    assert!(reply.len() < 400, "{} bytes", reply.len());
}

#[test]
fn the_table_as_commands_show_it() {
    check(&[
        (
            "COMMAND INFO get",
            "*1\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n*3\r\n+@read\r\n+@string\r\n+@fast\r\n*0\r\n*1\r\n\
             *6\r\n$5\r\nflags\r\n*2\r\n+RO\r\n+access\r\n$12\r\nbegin_search\r\n*4\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n*2\r\n\
             $5\r\nindex\r\n:1\r\n$9\r\nfind_keys\r\n*4\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n*6\r\n$7\r\nlastkey\r\n:0\r\n\
             $7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n*0\r\n",
        ),
        ("COMMAND INFO nosuch", "*1\r\n$-1\r\n"),
        ("COMMAND DOCS nosuch", "*0\r\n"),
        (
            "COMMAND DOCS mget",
            "*2\r\n$4\r\nmget\r\n*10\r\n$7\r\nsummary\r\n$24\r\nReturns several strings.\r\n$5\r\nsince\r\n$5\r\n1.0.0\r\n$5\r\ngroup\r\n\
             $6\r\nstring\r\n$10\r\ncomplexity\r\n$32\r\nO(N), N being the number of keys\r\n$9\r\narguments\r\n\
             *1\r\n*8\r\n$4\r\nname\r\n$3\r\nkey\r\n$4\r\ntype\r\n$3\r\nkey\r\n$14\r\nkey_spec_index\r\n:0\r\n\
             $5\r\nflags\r\n*1\r\n+multiple\r\n",
        ),
        ("COMMAND GETKEYS MSET a 1 b 2", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
        ("COMMAND GETKEYS OBJECT ENCODING a", "*1\r\n$1\r\na\r\n"),
        ("COMMAND GETKEYS MSETEX 2 a 1 b 2 EX 5", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
        ("COMMAND GETKEYS GET", "-ERR Invalid number of arguments specified for command\r\n"),
        ("COMMAND GETKEYS PING", "-ERR The command has no key arguments\r\n"),
        ("COMMAND GETKEYS nosuch", "-ERR Invalid command specified\r\n"),
        ("COMMAND GETKEYSANDFLAGS SET a 1", "*1\r\n*2\r\n$1\r\na\r\n*2\r\n+OW\r\n+update\r\n"),
        ("COMMAND GETKEYSANDFLAGS SET a 1 GET", "*1\r\n*2\r\n$1\r\na\r\n*3\r\n+RW\r\n+access\r\n+update\r\n"),
        ("COMMAND LIST FILTERBY PATTERN msete*", "*1\r\n$6\r\nmsetex\r\n"),
        ("COMMAND LIST FILTERBY MODULE x", "*0\r\n"),
        ("COMMAND LIST FILTERBY ACLCAT nosuch", "*0\r\n"),
        ("COMMAND LIST FILTERBY x y", "-ERR syntax error\r\n"),
        (
            "SLOWLOG HELP",
            "*9\r\n+SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n+GET [count]\r\n\
             +    Returns the latest entries, 10 unless told otherwise.\r\n+HELP\r\n+    Lists the subcommands.\r\n+LEN\r\n\
             +    Counts the entries.\r\n+RESET\r\n+    Forgets all entries.\r\n",
        ),
    ]);
}

#[test]
fn renamed_commands() {
    let mut tester = Tester::new();
    tester.registry.rename(b"GET", b"fetch").expect("get is there");
    tester.registry.rename(b"keys", b"").expect("keys is there");
    tester.registry.rename(b"config", b"a-name-longer-than-two-words").expect("config is there");
    assert_eq!(tester.registry.rename(b"get", b"x"), Err(RenameError::NoSuchCommand));
    assert_eq!(tester.registry.rename(b"incr", b"DECR"), Err(RenameError::NameTaken));
    let mut run =
        |words: &[&[u8]]| String::from_utf8(tester.execute(&OwnedArgs::from_slices(words)).0).expect("text");
    assert_eq!(run(&[b"Fetch", b"a"]), "$-1\r\n");
    assert!(run(&[b"get", b"a"]).starts_with("-ERR unknown command 'get'"));
    assert!(run(&[b"keys", b"*"]).starts_with("-ERR unknown command 'keys'"));
    assert!(run(&[b"A-Name-longer-than-two-words", b"help"]).starts_with('*'));
    assert!(run(&[b"a-name-longer-than-Two_words", b"help"]).starts_with("-ERR unknown"));
    assert!(run(&[b"COMMAND", b"INFO", b"fetch"]).contains("fetch"));
}

#[test]
fn every_command_is_found_under_its_name_in_any_case() {
    let registry = Registry::new();
    let mut seen = vec![false; registry.len()];
    for spec in registry.iter() {
        let mut mixed = spec.name.to_owned().into_bytes();
        for byte in mixed.iter_mut().step_by(2) {
            byte.make_ascii_uppercase();
        }
        assert!(std::ptr::eq(registry.lookup(&mixed).expect(spec.name), spec));
        for spec in std::iter::once(spec).chain(spec.subcommands) {
            assert!(
                !std::mem::replace(&mut seen[registry.index(spec)], true),
                "{} shares its number",
                spec.full_name
            );
        }
        // One bit off, a byte more, a byte less: another name.
        for at in 0..mixed.len() {
            for bit in [0x01, 0x40, 0x80] {
                let mut other = mixed.clone();
                other[at] ^= bit;
                if !registry.iter().any(|spec| spec.name.as_bytes().eq_ignore_ascii_case(&other)) {
                    assert!(registry.lookup(&other).is_none(), "{}", other.escape_ascii());
                }
            }
        }
        assert!(registry.lookup(&mixed[1..]).is_none_or(|other| other.name == &spec.name[1..]));
        mixed.push(0);
        assert!(registry.lookup(&mixed).is_none());
    }
    assert!(seen.iter().all(|seen| *seen));
    assert!(registry.lookup(b"").is_none());
    assert!(registry.lookup(&[0; 100]).is_none());
}

#[test]
fn every_row_is_complete() {
    for spec in Registry::new().iter() {
        for spec in std::iter::once(spec).chain(spec.subcommands) {
            let name = spec.full_name;
            assert!(
                !spec.summary.is_empty() && !spec.complexity.is_empty() && !spec.since.is_empty(),
                "{name}"
            );
            assert!(spec.arity != 0 && spec.name == spec.name.to_lowercase(), "{name}");
            assert!(
                spec.is_write()
                    || spec.group == "scripting"
                    || !spec.keys.iter().any(|key| key.flags.intersects(crate::KeyFlags::UPDATE)),
                "{name}"
            );
            let tokens = spec.syntax.matches(['[', '<']).count();
            assert_eq!(tokens, spec.syntax.matches([']', '>']).count(), "brackets of {name}");
        }
    }
    let mut tester = Tester::new();
    let mut out = ReplyBuf::new();
    std::mem::swap(&mut out, &mut tester.out);
    for words in [[b"COMMAND".as_slice(), b"DOCS"], [b"COMMAND", b"INFO"]] {
        let (reply, _) = tester.execute(&OwnedArgs::from_slices(&words));
        let (_, len) =
            resp::parse_reply(&reply, &resp::ReplyLimits::default()).expect("well-formed").expect("complete");
        assert_eq!(len, reply.len());
    }
}
