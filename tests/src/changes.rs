//! Changes of a dataset that leave every kind of value behind, and how it is looked at.

use crate::client::show;
use crate::process::Server;
use crate::wait::wait_eq;

/// Every way of changing strings and keys, with values that look different on the disk and on the wire.
///
/// # Panics
///
/// If the server refuses one.
pub fn change_everything(server: &Server) {
    change_strings(server);
    let mut client = server.client();
    let payload = client.call(&["DUMP", "compressible"]);
    let payload = payload.as_bytes().expect("DUMP answers a string");
    assert_eq!(show(&client.call(&[b"RESTORE".as_slice(), b"restored", b"1000000", payload])), "OK");
}

/// The same without RESTORE, whose payload other makes need not read.
///
/// # Panics
///
/// If the server refuses one.
pub fn change_strings(server: &Server) {
    let mut client = server.client();
    let mut run = |line: &str| {
        let reply = client.call(&resp::split_inline(line.as_bytes()).expect("balanced quotes"));
        assert!(reply.as_error().is_none(), "{line}: {}", show(&reply));
    };
    for line in [
        "FLUSHALL",
        "SET plain value",
        "SET plain2 value NX",
        "SET plain2 other XX GET",
        "SET with-ttl x EX 1000",
        "SET with-pttl x PX 1000000",
        "SET until x EXAT 4000000000",
        "SET until-ms x PXAT 4000000000000",
        "SET with-ttl y KEEPTTL",
        "SETEX setex 1000 x",
        "PSETEX psetex 1000000 x",
        "SETNX setnx x",
        "GETSET plain newer",
        "SET getex x",
        "GETEX getex EX 1000",
        "SET getex2 x EX 100",
        "GETEX getex2 PERSIST",
        "SET getdel x",
        "GETDEL getdel",
        "MSET m1 1 m2 2 m3 ''",
        "MSETNX m4 4 m5 5",
        "INCR m1",
        "DECR m2",
        "INCRBY m1 1000000000000",
        "DECRBY m2 300",
        "SET pi 3.0",
        "INCRBYFLOAT pi 0.14159265",
        "SET pi-ttl 1 EX 1000",
        "INCRBYFLOAT pi-ttl 1.5",
        "APPEND plain '-and more'",
        "APPEND fresh start",
        "SETRANGE plain 2 ___",
        "SETRANGE padded 5 x",
        "SET renamed x EX 1000",
        "RENAME renamed renamed2",
        "SET rnx x",
        "RENAMENX rnx rnx2",
        "COPY plain copied",
        "COPY with-ttl copied-ttl DB 7",
        "SET moved x EX 1000",
        "MOVE moved 3",
        "SET ex x",
        "EXPIRE ex 1000",
        "SET ex2 x",
        "PEXPIRE ex2 100000 NX",
        "SET ex3 x",
        "EXPIREAT ex3 4000000000",
        "SET ex4 x",
        "PEXPIREAT ex4 4000000000000",
        "SET gone x",
        "EXPIRE gone -1",
        "SET gone2 x",
        "PEXPIREAT gone2 1",
        "SET persisted x EX 100",
        "PERSIST persisted",
        "SET deleted x",
        "DEL deleted",
        "SET unlinked x",
        "UNLINK unlinked",
        "SET fleeting x PX 1",
        "SET int8 12",
        "SET int16 -12345",
        "SET int32 1234567890",
        "SET int64 123456789012345678",
        "SET not-an-int 007",
        "SELECT 5",
        "SET five 5",
        "SELECT 6",
        "SET six 6",
        "SWAPDB 5 6",
        "SELECT 8",
        "SET flushed x",
        "FLUSHDB",
        "SELECT 0",
        "MULTI",
        "INCR in-multi",
        "SET in-multi2 x EX 1000",
        "EXEC",
    ] {
        run(line);
    }
    let compressible = vec![b'z'; 50_000];
    let binary: Vec<u8> = (0..=255).cycle().take(20_000).collect();
    for (key, value) in [(&b"compressible"[..], &compressible), (b"binary\r\n\0\xff", &binary)] {
        assert_eq!(show(&client.call(&[b"SET", key, value])), "OK");
    }
    // Reading makes sure that what is over is deleted.
    wait_eq("0", || client.run("EXISTS fleeting"));
}

/// Collections of every type, in their small and their large forms.
///
/// # Panics
///
/// If the server refuses one.
pub fn fill_collections(server: &Server) {
    let mut client = server.client();
    let mut run = |words: &[&str]| {
        let reply = client.call(words);
        assert!(reply.as_error().is_none(), "{words:?}: {}", show(&reply));
    };
    run(&["SELECT", "4"]);
    run(&["RPUSH", "list", "a", "1", "", "-70000", "a"]);
    run(&["SADD", "ints", "1", "-5", "70000", "5000000000"]);
    run(&["SADD", "set", "a", "17", "c"]);
    run(&["HSET", "hash", "f", "1", "g", "text", "17", ""]);
    run(&["ZADD", "zset", "1.5", "a", "1", "b", "inf", "c", "-0.1", "17", "1e300", "d", "3", "e"]);
    run(&["PEXPIREAT", "zset", "4000000000000"]);
    run(&["XADD", "stream", "5-1", "f", "v", "g", "17"]);
    run(&["XADD", "stream", "5-2", "f", "w", "g", "18"]);
    run(&["XADD", "stream", "6-0", "other", "x"]);
    run(&["XADD", "stream", "7-0", "f", "y", "g", "z"]);
    run(&["XDEL", "stream", "5-1"]);
    run(&["XGROUP", "CREATE", "stream", "group", "0"]);
    run(&["XGROUP", "CREATE", "stream", "idle", "$"]);
    run(&["XGROUP", "CREATECONSUMER", "stream", "group", "nobody"]);
    run(&["XREADGROUP", "GROUP", "group", "alice", "COUNT", "1", "STREAMS", "stream", ">"]);
    run(&["XREADGROUP", "GROUP", "group", "bob", "STREAMS", "stream", ">"]);
    run(&["XACK", "stream", "group", "6-0"]);
    run(&["XGROUP", "CREATE", "empty-stream", "group", "$", "MKSTREAM"]);
    for part in 0..30u32 {
        let members: Vec<String> = (0..100).map(|n| format!("member {}", part * 100 + n)).collect();
        let numbers: Vec<String> = (0..100).map(|n| (part * 100 + n).to_string()).collect();
        fn all<'a>(head: &[&'a str], items: Vec<&'a str>) -> Vec<&'a str> {
            [head, &items].concat()
        }
        run(&all(&["SADD", "large-set"], members.iter().map(String::as_str).collect()));
        run(&all(&["SADD", "large-ints"], numbers.iter().map(String::as_str).collect()));
        run(&all(&["RPUSH", "large-list"], members.iter().map(String::as_str).collect()));
        let pairs = members.iter().zip(&numbers);
        run(&all(&["HSET", "large-hash"], pairs.clone().flat_map(|(m, n)| [m.as_str(), n]).collect()));
        run(&all(&["ZADD", "large-zset"], pairs.flat_map(|(m, n)| [n.as_str(), m]).collect()));
        for (member, number) in members.iter().zip(&numbers) {
            run(&["XADD", "large-stream", &format!("{number}-1"), "f", member]);
        }
    }
    let long = "z".repeat(20_000);
    run(&["RPUSH", "long-element", "a", &long, "b"]);
    run(&["SADD", "long-member", &long]);
    run(&["HSET", "long-value", "f", &long]);
    run(&["ZADD", "long-scored", "2", &long]);
    run(&["SELECT", "0"]);
}

/// Hashes whose fields expire, small and large, and changes of them in the words of either family.
///
/// # Panics
///
/// If the server refuses one.
pub fn change_fields(server: &Server, valkey: bool) {
    let mut client = server.client();
    let mut run = |line: &str| {
        let reply = client.call(&resp::split_inline(line.as_bytes()).expect("balanced quotes"));
        assert!(reply.as_error().is_none(), "{line}: {}", show(&reply));
    };
    let many: Vec<String> = (0..600).map(|n| format!("f{n} {n}")).collect();
    run("DEL few many gone mixed");
    run("HSET few a 1 b 2 c 3");
    run(&format!("HSET many {}", many.join(" ")));
    run("HPEXPIREAT few 4000000000123 FIELDS 1 b");
    run("HEXPIREAT many 4000000000 FIELDS 2 f1 f599");
    run("HPEXPIRE many 100000000 FIELDS 1 f7");
    run("HEXPIRE many 100000 FIELDS 1 f8");
    run("HPERSIST many FIELDS 1 f8");
    run("HSET mixed stays 1 goes 2");
    run("HPEXPIREAT mixed 1 FIELDS 1 goes");
    run("HSET gone a 1");
    run("HPEXPIREAT gone 1 FIELDS 1 a");
    if valkey {
        run("HSETEX few PXAT 4000000000999 FIELDS 2 d 4 e 5");
        run("HSETEX few KEEPTTL FIELDS 1 b 22");
        run("HGETEX many EXAT 4000000001 FIELDS 1 f9");
    } else {
        run("HSETEX few PXAT 4000000000999 FIELDS 2 d 4 e 5");
        run("HGETEX many EXAT 4000000001 FIELDS 1 f9");
    }
    run("HSET few c 33");
    run("HINCRBY few b 1");
}

/// Fields and values with when each expires.
///
/// # Panics
///
/// If a reply is not what it should be.
#[must_use]
pub fn fields(server: &Server) -> Vec<String> {
    let mut client = server.client();
    let mut all = Vec::new();
    for key in ["few", "many", "gone", "mixed"] {
        let reply = client.call(&["HKEYS", key]);
        let mut names: Vec<String> = reply.as_slice().expect("an array").iter().map(show).collect();
        names.sort();
        for name in names {
            let value = show(&client.call(&["HGET", key, &name]));
            let at = show(&client.call(&["HPEXPIRETIME", key, "FIELDS", "1", &name]));
            all.push(format!("{key} {name} {value} {at}"));
        }
    }
    all
}
