//! Scripts on a node.

use std::cell::Cell;

use backlog::Offset;

use crate::action::{Action, Completion, SaveReport};
use crate::node::Boot;
use crate::testing::Fixture;

thread_local! {
    static CLOCK: Cell<u64> = const { Cell::new(0) };
}

/// A clock that goes on by a millisecond whenever it is read.
fn restless() -> u64 {
    CLOCK.with(|clock| {
        clock.set(clock.get() + 1_000_000);
        clock.get()
    })
}

/// A node whose scripts are parked after some slices.
fn impatient() -> Fixture {
    let boot = Boot { clock_ns: restless, ..Boot::default() };
    let mut fixture = Fixture::boot(&["--busy-reply-threshold", "10"], boot);
    fixture.begin_logging();
    fixture
}

fn logging() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.begin_logging();
    fixture
}

/// What a request puts into the log.
fn effects(fixture: &mut Fixture, words: &[&str]) -> String {
    let before = fixture.log_end();
    fixture.run(words);
    fixture.log_from(before)
}

const BUSY: &str =
    "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n";
const FOREVER: &str = "while true do end";

#[test]
fn scripts_call_commands() {
    let mut fixture = Fixture::new();
    assert_eq!(
        fixture.run(&["EVAL", "return redis.call('set', KEYS[1], ARGV[1])", "1", "k", "v"]),
        "+OK\r\n"
    );
    assert_eq!(fixture.run(&["EVAL", "return redis.call('get', KEYS[1])", "1", "k"]), "$1\r\nv\r\n");
    let sha = "a42059b356c875f0717db19a51f6aaca9ae659ea";
    assert_eq!(fixture.run(&["EVALSHA", sha, "0"]), "-NOSCRIPT No matching script.\r\n");
    assert_eq!(fixture.run(&["SCRIPT", "LOAD", "return {1,2,3,4}"]).len(), 47);
    assert_eq!(
        fixture.run(&["EVAL", "return redis.call('incr', 'k')", "0"]),
        "-ERR value is not an integer or out of range script: on @user_script:1.\r\n"
    );
    assert_eq!(
        fixture.run(&["EVAL", "return redis.pcall('incr', 'k').err", "0"]),
        "$43\r\nERR value is not an integer or out of range\r\n"
    );
    for (code, error) in [
        ("redis.call('nosuch')", "ERR Unknown command called from script"),
        ("redis.call('get')", "ERR Wrong number of args calling command from script"),
        ("redis.call('eval', 'return 1', 0)", "ERR This Redis command is not allowed from script"),
    ] {
        assert_eq!(fixture.run(&["EVAL", code, "0"]), format!("-{error} script: on @user_script:1.\r\n"));
    }
    assert_eq!(fixture.run(&["EVAL", "return redis.call('select', 5)", "0"]), "+OK\r\n");
    assert_eq!(fixture.run(&["GET", "k"]), "$1\r\nv\r\n", "the client's database stays");
    assert!(fixture.run(&["CLIENT", "LIST"]).contains("cmd=client|list"));
    assert_eq!(
        fixture.run(&["EVAL_RO", "return redis.call('set', 'a', 1)", "0"]),
        "-ERR Write commands are not allowed from read-only scripts. script: on @user_script:1.\r\n"
    );
    assert_eq!(fixture.run(&["EVAL", "return redis.call('blpop', 'nolist', 0)", "0"]), "$-1\r\n");
    assert!(fixture.run(&["INFO", "memory"]).contains("number_of_cached_scripts:11\r\n"));
    assert_eq!(fixture.run(&["SCRIPT", "FLUSH"]), "+OK\r\n");
    assert!(fixture.run(&["INFO", "memory"]).contains("number_of_cached_scripts:0\r\n"));
}

#[test]
fn errors_are_counted_once() {
    let mut fixture = Fixture::new();
    fixture.run(&["SET", "k", "v"]);
    fixture.run(&["EVAL", "return redis.call('incr', 'k')", "0"]);
    fixture.run(&["EVAL", "return redis.pcall('lpush', 'k', 1)", "0"]);
    fixture.run(&["EVAL", "return {err='MINE own'}", "0"]);
    let info = fixture.run(&["INFO", "everything"]);
    for line in [
        "errorstat_ERR:count=1",
        "errorstat_WRONGTYPE:count=1",
        "errorstat_MINE:count=1",
        "total_error_replies:3",
    ] {
        assert!(info.contains(&format!("{line}\r\n")), "{line}: {info}");
    }
    assert!(info.contains("cmdstat_incr:calls=1"));
    assert!(info.contains("rejected_calls=0,failed_calls=3"), "{info}");
}

#[test]
fn effects_are_one_transaction() {
    let mut fixture = logging();
    let log =
        effects(&mut fixture, &["EVAL", "redis.call('set', 'a', 1) return redis.call('get', 'a')", "0"]);
    assert_eq!(log, "*2 $6 SELECT $1 0 *3 $3 set $1 a $1 1 ");
    let log = effects(
        &mut fixture,
        &["EVAL", "redis.call('set', 'a', 1) redis.call('incr', 'b') redis.call('get', 'a')", "0"],
    );
    assert_eq!(log, "*1 $5 MULTI *3 $3 set $1 a $1 1 *2 $4 incr $1 b *1 $4 EXEC ");
    assert_eq!(effects(&mut fixture, &["EVAL", "return redis.call('get', 'a')", "0"]), "");
    // What was done before an error stays.
    let log = effects(&mut fixture, &["EVAL", "redis.call('set', 'a', 2) error('x')", "0"]);
    assert_eq!(log, "*3 $3 set $1 a $1 2 ");
    let log = effects(&mut fixture, &["EVAL", "redis.call('setex', 'a', 100, 2)", "0"]);
    assert_eq!(log, "*5 $3 SET $1 a $1 2 $4 PXAT $13 1700000100000 ");
    let code = "redis.set_repl(redis.REPL_NONE) redis.call('set', 'x', 1) redis.set_repl(redis.REPL_ALL) redis.call('set', 'y', 1)";
    assert_eq!(effects(&mut fixture, &["EVAL", code, "0"]), "*3 $3 set $1 y $1 1 ");
    let code = "redis.call('select', 3) redis.call('set', 'x', 1)";
    assert_eq!(effects(&mut fixture, &["EVAL", code, "0"]), "*2 $6 SELECT $1 3 *3 $3 set $1 x $1 1 ");
    fixture.run(&["MULTI"]);
    fixture.run(&["SET", "p", "1"]);
    fixture.run(&["EVAL", "redis.call('set', 'q', 1) redis.call('set', 'r', 1)", "0"]);
    let log = effects(&mut fixture, &["EXEC"]);
    assert_eq!(
        log,
        "*1 $5 MULTI *2 $6 SELECT $1 0 *3 $3 SET $1 p $1 1 *3 $3 set $1 q $1 1 *3 $3 set $1 r $1 1 *1 $4 EXEC "
    );
    assert_eq!(effects(&mut fixture, &["SCRIPT", "LOAD", "return 1"]), "");
    assert_eq!(effects(&mut fixture, &["SCRIPT", "FLUSH"]), "");
}

#[test]
fn a_watched_key_is_touched_by_ones_own_script() {
    let mut fixture = Fixture::new();
    fixture.run(&["WATCH", "k"]);
    fixture.run(&["EVAL", "return redis.call('set', 'k', 1)", "0"]);
    fixture.run(&["MULTI"]);
    fixture.run(&["PING"]);
    assert_eq!(fixture.run(&["EXEC"]), "*-1\r\n");
}

#[test]
fn a_script_serves_those_who_wait() {
    let mut fixture = Fixture::new();
    let waiting = fixture.client();
    fixture.run_on(waiting, &["BLPOP", "l", "0"]);
    assert_eq!(
        fixture.run(&["EVAL", "redis.call('rpush', 'l', 'a', 'b') return redis.call('lpop', 'l')", "0"]),
        "$1\r\na\r\n"
    );
    assert_eq!(fixture.read_from(waiting), "*2\r\n$1\r\nl\r\n$1\r\nb\r\n");
}

#[test]
fn a_long_script_is_parked_and_killed() {
    let mut fixture = impatient();
    let caller = fixture.client();
    assert_eq!(fixture.run_on(caller, &["EVAL", FOREVER, "0"]), "");
    assert_eq!(fixture.node.deadline(), fixture.now.mono_us, "it goes on at once");
    assert_eq!(fixture.run(&["GET", "k"]), BUSY);
    assert_eq!(fixture.run(&["FUNCTION", "KILL"]), BUSY);
    assert_eq!(fixture.run(&["MULTI"]), "+OK\r\n");
    assert_eq!(fixture.run(&["SET", "k", "v"]), BUSY);
    assert!(fixture.run(&["EXEC"]).starts_with("-EXECABORT Transaction discarded because of: BUSY "));
    fixture.advance_ms(1);
    assert_eq!(fixture.run(&["SCRIPT", "KILL"]), "+OK\r\n");
    fixture.advance_ms(1);
    assert_eq!(
        fixture.read_from(caller),
        "-ERR Script killed by user with SCRIPT KILL. script: on @user_script:1.\r\n"
    );
    assert_eq!(fixture.run(&["GET", "k"]), "$-1\r\n");
    assert_eq!(fixture.run(&["SCRIPT", "KILL"]), "-NOTBUSY No scripts in execution right now.\r\n");
    assert_eq!(fixture.run(&["EVAL", "return 7", "0"]), ":7\r\n");
}

#[test]
fn pcall_does_not_save_a_killed_script() {
    let mut fixture = impatient();
    let caller = fixture.client();
    let code = "while true do pcall(function() while true do redis.pcall('get', 'k') end end) end";
    fixture.run_on(caller, &["EVAL", code, "0"]);
    assert_eq!(fixture.run(&["SCRIPT", "KILL"]), "+OK\r\n");
    fixture.advance_ms(1);
    assert!(fixture.read_from(caller).contains("killed by user"));
}

#[test]
fn a_parked_script_that_ends_by_itself_is_answered() {
    let mut fixture = impatient();
    let caller = fixture.client();
    let code = "redis.call('set', 'k', 1) for i = 1, 3e7 do end redis.call('incr', 'k') return 'done'";
    fixture.run_on(caller, &["EVAL", code, "0"]);
    fixture.input(caller, &["GET", "k"]);
    assert!(fixture.run(&["SCRIPT", "KILL"]).starts_with("-UNKILLABLE"));
    let before = fixture.node.replication.log.end();
    for _ in 0..1000 {
        if fixture.node.scripting.parked.is_none() {
            break;
        }
        assert_eq!(fixture.node.replication.log.end(), before, "nobody sees half of it");
        fixture.advance_ms(1);
    }
    assert_eq!(fixture.read_from(caller), "$4\r\ndone\r\n$1\r\n2\r\n");
    assert!(
        fixture
            .log_from(Offset(0))
            .contains("MULTI *2 $6 SELECT $1 0 *3 $3 set $1 k $1 1 *2 $4 incr $1 k *1 $4 EXEC")
    );
    let info = fixture.run(&["INFO", "commandstats"]);
    assert!(info.contains("cmdstat_eval:calls=1,"), "{info}");
    assert!(fixture.run(&["SLOWLOG", "GET"]).contains("EVAL"));
}

#[test]
fn a_transaction_waits_for_its_script() {
    let mut fixture = impatient();
    let caller = fixture.client();
    for words in [&["MULTI"][..], &["SET", "a", "1"], &["EVAL", FOREVER, "0"], &["INCR", "a"]] {
        fixture.run_on(caller, words);
    }
    assert_eq!(fixture.run_on(caller, &["EXEC"]), "");
    assert_eq!(fixture.run(&["GET", "a"]), BUSY);
    assert_eq!(fixture.run(&["SCRIPT", "KILL"]), "+OK\r\n");
    fixture.advance_ms(1);
    assert_eq!(
        fixture.read_from(caller),
        "*3\r\n+OK\r\n-ERR Script killed by user with SCRIPT KILL. script: on @user_script:1.\r\n:2\r\n"
    );
    assert!(fixture.log_from(Offset(0)).ends_with("*3 $3 SET $1 a $1 1 *2 $4 INCR $1 a *1 $4 EXEC "));
}

#[test]
fn a_script_goes_on_without_its_client() {
    let mut fixture = impatient();
    let caller = fixture.client();
    fixture.run_on(caller, &["EVAL", "for i = 1, 3e7 do end redis.call('set', 'k', 1)", "0"]);
    fixture.eof(caller);
    assert_eq!(fixture.run(&["GET", "k"]), BUSY);
    for _ in 0..1000 {
        fixture.advance_ms(1);
    }
    assert_eq!(fixture.run(&["GET", "k"]), "$1\r\n1\r\n");
}

#[test]
fn time_stands_still_in_a_script() {
    let mut fixture = impatient();
    let caller = fixture.client();
    fixture.run(&["SET", "k", "v", "PX", "50"]);
    let code = "local a = redis.call('get', 'k') for i = 1, 3e7 do end return {a, redis.call('get', 'k')}";
    fixture.run_on(caller, &["EVAL", code, "0"]);
    for _ in 0..100 {
        fixture.advance_ms(20);
    }
    assert_eq!(fixture.read_from(caller), "*2\r\n$1\r\nv\r\n$1\r\nv\r\n");
    assert_eq!(fixture.run(&["GET", "k"]), "$-1\r\n");
}

const LIBRARY: &str = "#!lua name=lib\n\
    redis.register_function('set', function(keys, args) return redis.call('set', keys[1], args[1]) end)\n\
    redis.register_function{function_name='get', callback=function(keys) return redis.call('get', keys[1]) end, flags={'no-writes'}}";

#[test]
fn functions_are_loaded_called_and_logged() {
    let mut fixture = logging();
    assert_eq!(fixture.run(&["FUNCTION", "LOAD", LIBRARY]), "$3\r\nlib\r\n");
    assert_eq!(fixture.run(&["FUNCTION", "LOAD", LIBRARY]), "-ERR Library 'lib' already exists\r\n");
    assert!(
        effects(&mut fixture, &["FUNCTION", "LOAD", "REPLACE", LIBRARY])
            .starts_with("*4 $8 FUNCTION $4 LOAD $7 REPLACE")
    );
    assert_eq!(fixture.run(&["FCALL", "set", "1", "k", "v"]), "+OK\r\n");
    assert_eq!(fixture.run(&["FCALL_RO", "get", "1", "k"]), "$1\r\nv\r\n");
    assert_eq!(
        fixture.run(&["FCALL_RO", "set", "1", "k", "v"]),
        "-ERR Can not execute a script with write flag using *_ro command.\r\n"
    );
    assert_eq!(fixture.run(&["FCALL", "none", "0"]), "-ERR Function not found\r\n");
    let dump = {
        fixture.node.input(fixture.now, fixture.conn, b"*2\r\n$8\r\nFUNCTION\r\n$4\r\nDUMP\r\n");
        let mut slices = smallvec::SmallVec::new();
        fixture.node.output(fixture.conn, &mut slices);
        let bytes = slices.concat();
        drop(slices);
        fixture.node.written(fixture.now, fixture.conn, bytes.len());
        let start = bytes.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        bytes[start..bytes.len() - 2].to_vec()
    };
    assert_eq!(effects(&mut fixture, &["FUNCTION", "FLUSH"]), "*2 $8 FUNCTION $5 FLUSH ");
    assert_eq!(fixture.run(&["FUNCTION", "LIST"]), "*0\r\n");
    let mut request = Vec::new();
    resp::encode_request(&mut request, &[b"FUNCTION", b"RESTORE", &dump]);
    fixture.node.input(fixture.now, fixture.conn, &request);
    assert_eq!(fixture.read(), "+OK\r\n");
    assert_eq!(fixture.run(&["FCALL", "get", "1", "k"]), "$1\r\nv\r\n");
    assert_eq!(fixture.run(&["DEBUG", "RELOAD"]), "+OK\r\n");
    assert_eq!(fixture.finish_saves(), 1);
    assert_eq!(fixture.run(&["FCALL", "get", "1", "k"]), "$1\r\nv\r\n");
    assert_eq!(fixture.run(&["FUNCTION", "DELETE", "lib"]), "+OK\r\n");
    assert_eq!(fixture.run(&["FUNCTION", "DELETE", "lib"]), "-ERR Library not found\r\n");
}

#[test]
fn a_library_that_loads_for_ever_is_stopped() {
    let mut fixture = impatient();
    let reply = fixture.run(&["FUNCTION", "LOAD", "#!lua name=lib\nwhile true do end"]);
    assert!(reply.contains("FUNCTION LOAD timeout"), "{reply}");
    assert_eq!(fixture.run(&["FUNCTION", "LOAD", LIBRARY]), "$3\r\nlib\r\n");
}

#[test]
fn a_long_function_is_shown_and_killed() {
    let mut fixture = impatient();
    let caller = fixture.client();
    fixture.run(&[
        "FUNCTION",
        "LOAD",
        "#!lua name=lib\nredis.register_function('f', function() while true do end end)",
    ]);
    fixture.run_on(caller, &["FCALL", "f", "0"]);
    assert!(fixture.run(&["FUNCTION", "STATS"]).contains("$4\r\nname\r\n$1\r\nf\r\n"));
    assert!(fixture.run(&["SCRIPT", "KILL"]).contains("You can only call FUNCTION KILL"));
    assert_eq!(fixture.run(&["FUNCTION", "KILL"]), "+OK\r\n");
    fixture.advance_ms(1);
    assert!(fixture.read_from(caller).contains("killed by user with FUNCTION KILL"));
}

#[test]
fn scripts_that_say_so_run_where_writes_do_not() {
    let mut fixture = Fixture::with(&["--min-replicas-to-write", "1"]);
    fixture.advance_ms(100);
    assert_eq!(
        fixture.run(&["EVAL", "#!lua\nreturn 1", "0"]),
        "-NOREPLICAS Not enough good replicas to write.\r\n"
    );
    assert_eq!(
        fixture.run(&["EVAL", "#!lua flags=no-writes\nreturn redis.call('get', 'k')", "0"]),
        "$-1\r\n"
    );
    assert!(fixture.run(&["EVAL", "return redis.call('set', 'k', 1)", "0"]).starts_with("-NOREPLICAS"));
    assert_eq!(fixture.run(&["EVAL", "return redis.call('get', 'k')", "0"]), "$-1\r\n");
}

#[test]
fn scripts_seldom_used_are_forgotten() {
    let mut fixture = Fixture::new();
    fixture.run(&["SCRIPT", "LOAD", "return 'kept'"]);
    for number in 0..520 {
        fixture.run(&["EVAL", &format!("return {number}"), "0"]);
        fixture.run(&["EVAL", "return 0", "0"]);
    }
    let info = fixture.run(&["INFO", "everything"]);
    assert!(info.contains("number_of_cached_scripts:501\r\n"), "{info}");
    assert!(info.contains("evicted_scripts:20\r\n"), "{info}");
}

#[test]
fn what_has_no_order_gets_one_in_scripts() {
    let mut fixture = Fixture::new();
    fixture.run(&["SADD", "s", "b", "aa", "c", "a"]);
    assert_eq!(
        fixture.run(&["EVAL", "return redis.call('sort', 's', 'by', 'nosort')", "0"]),
        "*4\r\n$1\r\na\r\n$2\r\naa\r\n$1\r\nb\r\n$1\r\nc\r\n"
    );
}

#[test]
fn a_replica_refuses_a_transaction_whose_script_may_write() {
    let mut fixture = Fixture::new();
    fixture.run(&["MULTI"]);
    fixture.run(&["EVAL", "#!lua\nreturn 1", "0"]);
    fixture.run_on(fixture.conn, &["PING"]);
    let other = fixture.client();
    fixture.run_on(other, &["REPLICAOF", "127.0.0.1", "1"]);
    assert!(fixture.run(&["EXEC"]).starts_with("-EXECABORT Transaction discarded because of: READONLY"));
}

#[test]
fn scripts_have_as_much_memory_as_the_settings_say() {
    let mut fixture = Fixture::with(&["--script-memory-limit", "8mb"]);
    let code = "return #string.rep('x', 5000000) + #string.rep('y', 4000000)";
    assert!(fixture.run(&["EVAL", code, "0"]).contains("not enough memory"));
    fixture.run(&["CONFIG", "SET", "script-memory-limit", "64mb"]);
    assert_eq!(fixture.run(&["EVAL", code, "0"]), ":9000000\r\n");
}

/// Lets a parked script run to its end.
fn to_its_end(fixture: &mut Fixture) {
    for _ in 0..1000 {
        if fixture.node.scripting.parked.is_none() {
            return;
        }
        fixture.advance_ms(1);
    }
    panic!("the script has not ended");
}

#[test]
fn the_last_snapshot_has_no_half_of_a_script() {
    let code = "redis.call('set', 'k', 1) for i = 1, 3e7 do end redis.call('incr', 'k')";
    let transaction: [&[&str]; 3] = [&["MULTI"], &["SET", "k", "1"], &["EVAL", "for i = 1, 3e7 do end", "0"]];
    for in_transaction in [false, true] {
        let mut fixture = impatient();
        fixture.run(&["CONFIG", "SET", "save", "900 1"]);
        let caller = fixture.client();
        if in_transaction {
            for words in transaction {
                fixture.run_on(caller, words);
            }
            fixture.run_on(caller, &["INCR", "k"]);
            fixture.run_on(caller, &["EXEC"]);
        } else {
            fixture.run_on(caller, &["EVAL", code, "0"]);
        }
        fixture.saves();
        fixture.node.terminate(fixture.now, crate::Signal::Term);
        assert!(fixture.saves().is_empty(), "the script is not through");
        to_its_end(&mut fixture);
        fixture.advance_ms(100);
        let saves = fixture.saves();
        let [save] = &saves[..] else { panic!("one snapshot, not {}", saves.len()) };
        assert_eq!(
            save.view.db(0).get(b"k").map(|entry| entry.str().map(<[u8]>::to_vec)),
            Some(Some(b"2".to_vec()))
        );
        fixture.complete(save.id, Completion::Saved(Ok(SaveReport { bytes: 1, keys: 1 })));
        assert!(matches!(fixture.actions()[..], [.., Action::Exit { code: 0 }]));
    }
}

#[test]
fn a_script_that_only_reads_holds_no_shutdown_up() {
    for save in ["", "900 1"] {
        let mut fixture = impatient();
        fixture.run(&["CONFIG", "SET", "save", save]);
        let caller = fixture.client();
        fixture.run_on(caller, &["EVAL", FOREVER, "0"]);
        fixture.actions();
        fixture.node.terminate(fixture.now, crate::Signal::Term);
        let exits = |action: &Action| matches!(action, Action::Exit { code: 0 });
        let actions = fixture.actions();
        assert_eq!(actions.iter().any(exits), save.is_empty());
        for action in actions {
            if let Action::Save(job) = action {
                fixture.complete(job.id, Completion::Saved(Ok(SaveReport { bytes: 1, keys: 0 })));
                assert!(fixture.actions().iter().any(exits));
            }
        }
    }
}

#[test]
fn who_cannot_wait_shuts_down_without_saving() {
    let mut fixture = impatient();
    fixture.run(&["CONFIG", "SET", "save", "900 1"]);
    let caller = fixture.client();
    fixture.run_on(caller, &["EVAL", "redis.call('set', 'k', 1) while true do end", "0"]);
    fixture.node.terminate(fixture.now, crate::Signal::Term);
    fixture.advance_ms(1000);
    assert!(fixture.saves().is_empty());
    fixture.run(&["SHUTDOWN", "ABORT"]);
    fixture.run(&["SHUTDOWN", "NOSAVE", "NOW"]);
    assert!(fixture.actions().iter().any(|action| matches!(action, Action::Exit { code: 0 })));
}
