//! Scripts, functions and messages: what replicas hear of them.
//!
//! The tests of the first part stand in the order of the table in `docs/propagation.md`.

use harness::client::{Client, show};
use harness::peers;
use harness::process::Server;
use harness::stream::Stream;
use harness::wait::{wait, wait_eq};

fn master() -> Server {
    let master = Server::tandem().unsaved().args(&["--enable-debug-command", "yes"]).start();
    // A key whose time is over stays until somebody comes upon it.
    master.ok(&["DEBUG SET-ACTIVE-EXPIRE 0"]);
    master
}

fn eval(client: &mut Client, code: &str) -> String {
    show(&client.call(&["EVAL", code, "0"]))
}

/// Moments are what they are; that they lie in the next 2000 seconds, and are milliseconds, is what can be said of them.
fn without_times(stream: &str) -> String {
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis();
    let word = |word: &str| match word.parse::<u128>() {
        Ok(ms) if (now..now + 2_000_000).contains(&ms) => "<ms>".to_owned(),
        _ => word.to_owned(),
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    stream.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Runs each script on a master, in turn, and compares what its replicas hear of it.
fn hear(cases: &[(&str, &[&str])]) {
    let master = master();
    let mut stream = Stream::follow(&master);
    let mut client = master.client();
    for (code, effects) in cases {
        let heard = stream.effects(&master, || {
            eval(&mut client, code);
        });
        assert_eq!(without_times(&heard), effects.join("\n"), "{code}");
    }
}

#[test]
fn one_effect_stands_alone() {
    hear(&[
        ("return redis.call('set', 'a', 1)", &["set a 1"]),
        ("redis.call('get', 'a') redis.call('incr', 'a') redis.call('get', 'a')", &["incr a"]),
        ("redis.call('set', 'a', 1, 'nx') redis.call('incr', 'a')", &["incr a"]),
        ("redis.call('select', 3) redis.call('set', 'x', 1)", &["SELECT 3\nset x 1"]),
        ("return redis.call('get', 'a')", &[]),
        ("return 1", &[]),
    ]);
}

#[test]
fn several_effects_are_one_transaction() {
    hear(&[
        ("redis.call('set', 'a', 1) redis.call('incr', 'b')", &["MULTI", "set a 1", "incr b", "EXEC"]),
        (
            "redis.call('set', 'a', 1) redis.call('select', 3) redis.call('set', 'x', 1) redis.call('select', 0) redis.call('incr', 'a')",
            &["MULTI", "set a 1", "SELECT 3", "set x 1", "SELECT 0", "incr a", "EXEC"],
        ),
        // One call that has two effects.
        (
            "redis.call('set', 'src', 'x') redis.call('rename', 'src', 'dst')",
            &["MULTI", "set src x", "rename src dst", "EXEC"],
        ),
        ("return redis.call('sort', 'list', 'store', 'sorted')", &[]),
    ]);
}

#[test]
fn what_depends_on_chance_or_time_is_logged_as_what_came_of_it() {
    hear(&[
        ("redis.call('sadd', 's', 'only', 'two')", &["sadd s only two"]),
        (
            "redis.call('srem', 's', 'two') return redis.call('spop', 's')",
            &["MULTI", "srem s two", "SREM s only", "EXEC"],
        ),
        (
            "redis.call('sadd', 's', 1, 2, 3) return redis.call('spop', 's', 3)",
            &["MULTI", "sadd s 1 2 3", "UNLINK s", "EXEC"],
        ),
        ("return redis.call('incrbyfloat', 'f', '1.5')", &["SET f 1.5 KEEPTTL"]),
        ("return redis.call('hincrbyfloat', 'h', 'f', '0.5')", &["HSET h f 0.5"]),
        ("return redis.call('setex', 'e', 1000, 'v')", &["SET e v PXAT <ms>"]),
        ("return redis.call('expire', 'e', 1000)", &["PEXPIREAT e <ms>"]),
        ("return redis.call('expire', 'e', -1)", &["UNLINK e"]),
        (
            "redis.call('rpush', 'l', 'x') return redis.call('blpop', 'l', 0)",
            &["MULTI", "rpush l x", "LPOP l", "EXEC"],
        ),
        ("return redis.call('blpop', 'l', 0)", &[]),
    ]);
}

#[test]
fn time_and_random_numbers_are_logged_as_values() {
    let master = master();
    let mut stream = Stream::follow(&master);
    let mut client = master.client();
    let code = "local t = redis.call('time') redis.call('set', 't', t[1] .. t[2]) redis.call('set', 'r', math.random())
                redis.call('xadd', 'x', '*', 'f', 'v')";
    let heard = stream.effects(&master, || {
        eval(&mut client, code);
    });
    let id = eval(&mut client, "return redis.call('xrange', 'x', '-', '+')[1][1]");
    let (time, random) = (client.run("GET t"), client.run("GET r"));
    assert_eq!(heard, format!("MULTI\nset t {time}\nset r {random}\nxadd x {id} f v\nEXEC"));
}

#[test]
fn a_key_whose_time_is_over_goes_before_the_effect() {
    let master = master();
    let mut stream = Stream::follow(&master);
    let mut client = master.client();
    for (code, effects) in [
        ("redis.call('incr', 'k')", "MULTI\nUNLINK k\nincr k\nEXEC"),
        ("return redis.call('get', 'k')", "UNLINK k"),
    ] {
        stream.effects(&master, || {
            client.run("SET k 1 PX 1");
            client.run("SET probe 1 PX 1");
            wait_eq("nil", || client.run("GET probe"));
        });
        let heard = stream.effects(&master, || {
            eval(&mut client, code);
        });
        assert_eq!(heard, effects, "{code}");
    }
}

#[test]
fn what_a_script_chose_not_to_replicate_is_not_logged() {
    let none = "redis.set_repl(redis.REPL_NONE) ";
    let set = |name: &str| format!("redis.call('set', '{name}', 1) ");
    let (a, b, c) = (set("a"), set("b"), set("c"));
    hear(&[
        (&format!("{none}{a}"), &[]),
        (&format!("{none}{a}redis.set_repl(redis.REPL_ALL) {b}"), &["set b 1"]),
        (
            &format!("{a}{none}{b}redis.set_repl(redis.REPL_ALL) {c}"),
            &["MULTI", "set a 1", "set c 1", "EXEC"],
        ),
        (&format!("redis.set_repl(redis.REPL_AOF) {a}"), &[]),
        (&format!("redis.set_repl(redis.REPL_SLAVE) {a}"), &["set a 1"]),
        (&format!("redis.set_repl(redis.REPL_REPLICA) {a}"), &["set a 1"]),
        // The next script begins as all do.
        (&a, &["set a 1"]),
        (&format!("{none}redis.call('publish', 'c', 'm')"), &[]),
    ]);
}

#[test]
fn what_was_done_before_an_error_stays() {
    hear(&[
        ("redis.call('set', 'a', 'text') error('half way') redis.call('set', 'b', 1)", &["set a text"]),
        (
            "redis.call('set', 'c', 1) redis.call('set', 'd', 1) redis.call('incr', 'a') redis.call('set', 'e', 1)",
            &["MULTI", "set c 1", "set d 1", "EXEC"],
        ),
        ("redis.pcall('incr', 'a') redis.call('incr', 'c')", &["incr c"]),
        ("redis.call('incr', 'a')", &[]),
        ("redis.call('nosuch')", &[]),
        ("this is no script", &[]),
    ]);
}

#[test]
fn scripts_in_a_transaction_are_part_of_it() {
    let master = master();
    let mut stream = Stream::follow(&master);
    let mut client = master.client();
    let mut transaction = |requests: &[&[&str]]| {
        stream.effects(&master, || {
            client.run("MULTI");
            for request in requests {
                assert_eq!(show(&client.call(request)), "QUEUED");
            }
            assert!(client.run("EXEC").starts_with('['));
        })
    };
    let two = "redis.call('set', 'b', 1) redis.call('set', 'c', 1)";
    assert_eq!(
        transaction(&[&["SET", "a", "1"], &["EVAL", two, "0"], &["INCR", "a"]]),
        "MULTI\nSET a 1\nset b 1\nset c 1\nINCR a\nEXEC"
    );
    assert_eq!(
        transaction(&[&["EVAL", two, "0"], &["EVAL", two, "0"]]),
        "MULTI\nset b 1\nset c 1\nset b 1\nset c 1\nEXEC"
    );
    let failing = "redis.call('set', 'b', 2) error('x')";
    assert_eq!(transaction(&[&["EVAL", failing, "0"], &["INCR", "a"]]), "MULTI\nset b 2\nINCR a\nEXEC");
    assert_eq!(transaction(&[&["EVAL", "redis.call('set', 'b', 3)", "0"]]), "set b 3");
    assert_eq!(transaction(&[&["EVAL", "return 1", "0"], &["GET", "a"]]), "");
    let none = "redis.set_repl(redis.REPL_NONE) redis.call('set', 'b', 4)";
    assert_eq!(transaction(&[&["EVAL", none, "0"], &["INCR", "a"]]), "INCR a");
}

#[test]
fn scripts_themselves_are_not_logged() {
    let master = master();
    let mut stream = Stream::follow(&master);
    let mut client = master.client();
    let mut heard = |request: &[&str]| {
        let mut reply = String::new();
        let heard = stream.effects(&master, || reply = show(&client.call(request)));
        (heard, reply)
    };
    let (effects, sha) = heard(&["SCRIPT", "LOAD", "return redis.call('set', KEYS[1], ARGV[1])"]);
    assert_eq!(effects, "");
    assert_eq!(heard(&["SCRIPT", "EXISTS", &sha]).0, "");
    assert_eq!(heard(&["EVALSHA", &sha, "1", "k", "v"]), ("set k v".to_owned(), "OK".to_owned()));
    assert_eq!(heard(&["EVAL_RO", "return redis.call('get', 'k')", "0"]), (String::new(), "v".to_owned()));
    assert_eq!(heard(&["SCRIPT", "FLUSH"]).0, "");
    assert!(heard(&["EVALSHA", &sha, "1", "k", "v"]).1.starts_with("-NOSCRIPT"));
}

/// Writes much in a script, when there is no room for it.
#[test]
fn a_script_makes_room_before_it_runs_and_not_within() {
    let master = Server::tandem().unsaved().args(&["--maxmemory-policy", "allkeys-random"]).start();
    let mut stream = Stream::follow(&master);
    let mut client = master.client();
    // The interpreter takes memory of its own when it is first needed.
    eval(&mut client, "return 1");
    for number in 0..200 {
        client.run(&format!("SET victim:{number} {}", "v".repeat(2000)));
    }
    let value = "w".repeat(1000);
    // Compiling it takes memory, too: it says that it may run all the same.
    let code =
        format!("#!lua flags=allow-oom\nfor i = 1, 300 do redis.call('set', 'new:' .. i, '{value}') end");
    let heard = stream.effects(&master, || {
        let info = client.info("memory");
        let number = |name: &str| info[name].parse::<u64>().expect("a number");
        let counted = number("used_memory") - number("mem_not_counted_for_evict");
        client.run(&format!("CONFIG SET maxmemory {}", counted - 10_000));
        assert_eq!(eval(&mut client, &code), "nil");
        master.ok(&["CONFIG SET maxmemory 0"]);
    });
    let mut lines = heard.lines().skip_while(|line| line.starts_with("SET victim:"));
    let first = lines.next().expect("something was evicted");
    assert!(first.starts_with("UNLINK "), "{first}");
    let mut lines = lines.skip_while(|line| line.starts_with("UNLINK "));
    assert_eq!(lines.next(), Some("MULTI"));
    for number in 1..=300 {
        assert_eq!(lines.next(), Some(&*format!("set new:{number} {value}")));
    }
    assert_eq!(lines.next(), Some("EXEC"));
    // What it has written too much makes the next command evict.
    assert!(lines.all(|line| line.starts_with("UNLINK ")), "{heard}");
}

const LIBRARY: &str = "#!lua name=lib\nredis.register_function('set', function(keys, args) return redis.call('set', keys[1], args[1]) end)
redis.register_function('two', function(keys) redis.call('incr', keys[1]) redis.call('spop', 's') return redis.call('incrbyfloat', 'f', 1) end)
redis.register_function('fail', function(keys) redis.call('incr', keys[1]) error('half way') end)
redis.register_function{function_name='get', callback=function(keys) return redis.call('get', keys[1]) end, flags={'no-writes'}}";

#[test]
fn libraries_are_logged_as_they_came() {
    let master = master();
    let mut stream = Stream::follow(&master);
    let mut client = master.client();
    let mut heard = |request: &[&[u8]]| {
        stream.effects(&master, || {
            client.call(request);
        })
    };
    let load = format!("FUNCTION LOAD {LIBRARY}");
    assert_eq!(heard(&[b"FUNCTION", b"LOAD", LIBRARY.as_bytes()]), load);
    assert_eq!(heard(&[b"FUNCTION", b"LOAD", LIBRARY.as_bytes()]), "", "there is one of that name");
    assert_eq!(
        heard(&[b"function", b"load", b"REPLACE", LIBRARY.as_bytes()]),
        load.replacen("FUNCTION LOAD", "function load REPLACE", 1)
    );
    assert_eq!(heard(&[b"FUNCTION", b"LOAD", b"#!lua name=bad\nreturn 1"]), "", "it registers nothing");
    assert_eq!(heard(&[b"FUNCTION", b"LIST"]), "");
    let dump = master.client().call(&["FUNCTION", "DUMP"]).as_bytes().expect("a payload").to_vec();
    assert_eq!(heard(&[b"FUNCTION", b"DUMP"]), "");
    assert_eq!(heard(&[b"FUNCTION", b"DELETE", b"lib"]), "FUNCTION DELETE lib");
    assert_eq!(heard(&[b"FUNCTION", b"DELETE", b"lib"]), "", "there is none");
    let restore = format!("FUNCTION RESTORE {}", dump.escape_ascii());
    assert_eq!(heard(&[b"FUNCTION", b"RESTORE", &dump]), restore);
    assert_eq!(heard(&[b"FUNCTION", b"RESTORE", &dump]), "", "there is one of that name");
    assert_eq!(heard(&[b"FUNCTION", b"RESTORE", &dump, b"REPLACE"]), format!("{restore} REPLACE"));
    assert_eq!(heard(&[b"FUNCTION", b"RESTORE", &dump, b"FLUSH"]), format!("{restore} FLUSH"));
    assert_eq!(heard(&[b"FUNCTION", b"RESTORE", b"damaged"]), "");
    assert_eq!(heard(&[b"FUNCTION", b"FLUSH", b"ASYNC"]), "FUNCTION FLUSH ASYNC");
    assert_eq!(
        heard(&[b"FUNCTION", b"FLUSH"]),
        "FUNCTION FLUSH",
        "a replica may hold what the master has not"
    );
    let transaction = stream.effects(&master, || {
        client.run("MULTI");
        client.call(&["FUNCTION", "LOAD", LIBRARY]);
        client.run("FCALL set 1 k v");
        assert_eq!(client.run("EXEC"), "[lib OK]");
    });
    assert_eq!(transaction, format!("MULTI\n{load}\nset k v\nEXEC"));
}

#[test]
fn functions_are_logged_as_their_effects() {
    let master = master();
    let mut stream = Stream::follow(&master);
    let mut client = master.client();
    client.call(&["FUNCTION", "LOAD", LIBRARY]);
    client.run("SADD s only");
    stream.effects(&master, || ());
    for (request, effects) in [
        ("FCALL set 1 k 1", "set k 1"),
        ("FCALL two 1 k", "MULTI\nincr k\nSREM s only\nSET f 1 KEEPTTL\nEXEC"),
        ("FCALL fail 1 k", "incr k"),
        ("FCALL get 1 k", ""),
        ("FCALL_RO get 1 k", ""),
        ("FCALL_RO set 1 k 2", ""),
        ("FCALL none 0", ""),
    ] {
        let heard = stream.effects(&master, || {
            client.run(request);
        });
        assert_eq!(heard, effects, "{request}");
    }
}

#[test]
fn messages_are_logged_as_they_came() {
    let master = master();
    let mut stream = Stream::follow(&master);
    let mut client = master.client();
    let mut heard = |lines: &[&str]| {
        stream.effects(&master, || {
            for line in lines {
                client.run(line);
            }
        })
    };
    assert_eq!(heard(&["PUBLISH channel message"]), "PUBLISH channel message");
    assert_eq!(heard(&["SPUBLISH channel message"]), "SPUBLISH channel message");
    assert_eq!(heard(&["MULTI", "PUBLISH channel message", "EXEC"]), "PUBLISH channel message");
    assert_eq!(
        heard(&["MULTI", "PUBLISH channel message", "SPUBLISH channel other", "SET a 1", "EXEC"]),
        "MULTI\nPUBLISH channel message\nSPUBLISH channel other\nSET a 1\nEXEC"
    );
    assert_eq!(heard(&["EVAL \"redis.call('publish', 'c', 'm')\" 0"]), "publish c m");
    assert_eq!(heard(&["EVAL \"redis.call('spublish', 'c', 'm')\" 0"]), "spublish c m");
    assert_eq!(
        heard(&["EVAL \"redis.call('publish', 'c', 'm') redis.call('set', 'a', 1)\" 0"]),
        "MULTI\npublish c m\nset a 1\nEXEC"
    );
}

/// Subscribers of a replica hear what is published at its master, in order, in either protocol.
fn messages_reach(replica: &Server, master: &Server) {
    replica.replicate(master);
    replica.wait_for_link();
    let mut listeners: Vec<(Client, &str)> = [("2", "["), ("3", ">[")]
        .into_iter()
        .map(|(version, bracket)| {
            let mut listener = replica.client();
            assert!(!listener.run(&format!("HELLO {version}")).starts_with('-'));
            for (command, channel) in [("SUBSCRIBE", "c"), ("PSUBSCRIBE", "c*"), ("SSUBSCRIBE", "s")] {
                assert!(listener.run(&format!("{command} {channel}")).starts_with(bracket));
            }
            (listener, bracket)
        })
        .collect();
    let mut client = master.client();
    for line in [
        "PUBLISH c alone",
        "SPUBLISH s alone",
        "MULTI",
        "PUBLISH c queued",
        "SET key value",
        "SPUBLISH s queued",
        "EXEC",
        "EVAL \"redis.call('publish', KEYS[1], 'scripted') redis.call('spublish', 's', 'scripted') return 1\" 1 c",
        "EVAL \"redis.set_repl(redis.REPL_NONE) return redis.call('publish', 'c', 'for the master only')\" 0",
        "PUBLISH other 'nobody listens'",
        "PUBLISH c last",
    ] {
        let reply = client.run(line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    }
    for (listener, bracket) in &mut listeners {
        for text in ["alone", "queued", "scripted", "last"] {
            assert_eq!(show(&listener.receive()), format!("{bracket}message c {text}]"));
            assert_eq!(show(&listener.receive()), format!("{bracket}pmessage c* c {text}]"));
            if text != "last" {
                assert_eq!(show(&listener.receive()), format!("{bracket}smessage s {text}]"));
            }
        }
    }
    // Nothing else came.
    for (listener, bracket) in &mut listeners {
        assert!(listener.run("UNSUBSCRIBE c").starts_with(*bracket));
    }
}

#[test]
fn messages_reach_subscribers_of_replicas() {
    let master = master();
    messages_reach(&Server::tandem().unsaved().start(), &master);
}

#[test]
fn messages_reach_subscribers_further_down_a_chain() {
    let top = master();
    let middle = Server::tandem().unsaved().follow(&top).start();
    middle.wait_for_link();
    let last = Server::tandem().unsaved().follow(&middle).start();
    last.wait_for_link();
    let mut listener = last.client();
    listener.run("SUBSCRIBE c");
    assert_eq!(top.run("PUBLISH c m"), "0");
    assert_eq!(show(&listener.receive()), "[message c m]");
    // At a replica a message reaches those who are subscribed there, and nobody else.
    let mut own = middle.client();
    own.run("SUBSCRIBE c");
    assert_eq!(middle.run("PUBLISH c here"), "1");
    assert_eq!(show(&own.receive()), "[message c here]");
    assert_eq!(top.run("PUBLISH c m2"), "0");
    assert_eq!(show(&listener.receive()), "[message c m2]");
    wait("the chain holds", || last.position() == top.position());
}

#[test]
fn messages_reach_subscribers_of_a_redis() {
    match peers::redis_server() {
        Some(peer) => messages_reach(&Server::peer(&peer).unsaved().start(), &master()),
        None => peers::skipped("redis-server"),
    }
}

#[test]
fn messages_reach_subscribers_of_a_valkey() {
    let Some(peer) = peers::valkey_server() else { return };
    messages_reach(&Server::peer(&peer).unsaved().start(), &master());
}

#[test]
fn messages_reach_subscribers_of_a_redis_8() {
    let Some(peer) = peers::redis8_server() else { return };
    messages_reach(&Server::peer(&peer).unsaved().start(), &master());
}
