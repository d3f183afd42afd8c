//! Scripts against a host that answers by rote.

use crate::{Invocation, Limits, Machine, Step};

/// Runs a script whose calls are answered by `answer`; gives the result as it would go to a client.
pub(crate) fn run_with(
    machine: &mut Machine,
    code: &str,
    mut answer: impl FnMut(&[Vec<u8>]) -> Vec<u8>,
) -> String {
    let function = match machine.compile(code.as_bytes()) {
        Ok(function) => function,
        Err(error) => return format!("compile: {error}"),
    };
    machine.prepare(&Invocation { function, keys: &[b"key"], args: &[b"arg"], resp3: true }).unwrap();
    let mut slices = 0;
    let result = loop {
        match machine.resume() {
            Step::Call => {
                let request: Vec<Vec<u8>> = machine.request().iter().map(<[u8]>::to_vec).collect();
                let reply = answer(&request);
                machine.answer(&reply);
            }
            Step::AclCheck => machine.answer_acl(Some(true)),
            Step::Log => {}
            Step::Slice => {
                slices += 1;
                if slices > 50 {
                    machine.kill("ERR killed");
                }
            }
            Step::Done => break machine.finish(),
        }
    };
    machine.release(function);
    match result {
        Ok(reply) => String::from_utf8_lossy(&reply).into_owned(),
        Err(error) => format!("-{}\r\n", error.reply()),
    }
}

fn run(code: &str) -> String {
    let mut machine = Machine::for_scripts(1, Limits { memory: 64 << 20 });
    run_with(&mut machine, code, |request| {
        let mut out = resp::ReplyBuf::new();
        out.bulk(&request.join(&b' '));
        out.buf
    })
}

#[test]
fn values_become_replies() {
    for (code, reply) in [
        ("return 1", ":1\r\n"),
        ("return -3.9", ":-3\r\n"),
        ("return 'x'", "$1\r\nx\r\n"),
        ("return {1,'a',true,false,nil,3}", "*4\r\n:1\r\n$1\r\na\r\n:1\r\n_\r\n"),
        ("return {ok='fine'}", "+fine\r\n"),
        ("return {err='BAD luck'}", "-BAD luck\r\n"),
        ("return {KEYS[1], ARGV[1]}", "*2\r\n$3\r\nkey\r\n$3\r\narg\r\n"),
        ("return redis.call('get', 'x', 1, 1.5, 1e15)", "$28\r\nget x 1 1.5 1000000000000000\r\n"),
        ("return {map={a=1}}", "%1\r\n$1\r\na\r\n:1\r\n"),
        ("return {double=1.5}", ",1.5\r\n"),
        ("redis.setresp(3) return true", "#t\r\n"),
        ("return redis.sha1hex('abc')", "$40\r\na9993e364706816aba3e25717850c26c9cd0d89d\r\n"),
        ("local t = {} for k in pairs(_G) do t[#t+1] = k end return #t > 30 and 1 or 0", ":1\r\n"),
    ] {
        assert_eq!(run(code), reply, "{code}");
    }
}

#[test]
fn errors_say_where() {
    for (code, reply) in [
        (
            "return foo",
            "-ERR user_script:1: Script attempted to access nonexistent global variable 'foo' script: on @user_script:1.\r\n",
        ),
        (
            "\nfoo = 1",
            "-ERR user_script:2: Attempt to modify a readonly table script: on @user_script:2.\r\n",
        ),
        ("error({err='xx'})", "-xx script: on @user_script:1.\r\n"),
        ("error()", "-ERR nil script: on @user_script:1.\r\n"),
        (
            "redis.call()",
            "-ERR Please specify at least one argument for this call script: on @user_script:1.\r\n",
        ),
        (
            "redis.call({})",
            "-ERR Command arguments must be strings or integers script: on @user_script:1.\r\n",
        ),
        (
            "local ok, e = pcall(redis.call) return {type(e), e}",
            "*2\r\n$6\r\nstring\r\n$54\r\nERR Please specify at least one argument for this call\r\n",
        ),
        ("local ok, e = pcall(error, {a = 1}) return type(e)", "$5\r\ntable\r\n"),
        ("return redis.pcall({})", "-ERR Command arguments must be strings or integers\r\n"),
        ("x x", "compile: user_script:1: '=' expected near 'x'"),
    ] {
        assert_eq!(run(code), reply, "{code}");
    }
}

#[test]
fn the_sandbox_holds() {
    for code in [
        "redis.call = 1",
        "rawset(_G, 'a', 1)",
        "setmetatable(_G, {})",
        "getmetatable(_G).__index = function() return 1 end",
        "getmetatable('').__index = 1",
        "table.insert(redis, 1)",
        "rawset(getmetatable(_G), '__index', {})",
        "cjson.encode = 1",
        "KEYS = 1",
        "_G.pairs = 1",
    ] {
        assert!(run(code).contains("Attempt to modify a readonly table"), "{code}: {}", run(code));
    }
    for code in [
        "loadfile('x')",
        "dofile('x')",
        "print('x')",
        "require('os')",
        "os.execute('x')",
        "io.open('x')",
        "debug.getinfo(1)",
        "newproxy()",
        "getfenv()",
        "setfenv(1, {})",
        "package.path()",
        "module('x')",
    ] {
        let reply = run(code);
        assert!(
            reply.contains("nonexistent global variable") || reply.contains("nil value"),
            "{code}: {reply}"
        );
    }
    assert_eq!(run("return loadstring('\\27Lua')"), "_\r\n");
    assert!(run("return load(function() return nil end)").starts_with('_'));
    assert_eq!(
        run("return load(coroutine.wrap(function() coroutine.yield('return ') coroutine.yield('7') end))()"),
        ":7\r\n"
    );
}

#[test]
fn nothing_escapes_the_limits() {
    for (code, part) in [
        ("while true do end", "killed"),
        ("while true do pcall(function() while true do end end) end", "killed"),
        ("local f f = function() return pcall(f) end while true do f() end", "killed"),
        ("while true do coroutine.wrap(function() while true do end end)() end", "killed"),
        ("local t = {} while true do t[#t + 1] = {t} end", "not enough memory"),
        ("return string.rep('x', 1e9)", "not enough memory"),
        ("local s = 'x' while true do s = s .. s end", "not enough memory"),
        ("local function f() return 1 + f() end f()", "stack overflow"),
        ("return string.rep('x', 100):find(string.rep('x?', 1e6))", "pattern too complex"),
        ("local s = string.rep('a', 8192) return (s:find(string.rep('a?', 8192)))", ":1"),
        (
            "local function f(n) return coroutine.wrap(function() return f(n + 1) end)() end return f(1)",
            "C stack overflow",
        ),
        ("local function f() return (string.gsub('x', 'x', f)) end f()", "stack overflow"),
        ("local t = {} for i = 1, 1e4 do t = {t} end return t", "reached lua stack limit"),
        ("local t = {} t[1] = t return t", "reached lua stack limit"),
        ("local t = {} for i = 1, 1e4 do t = {t} end return cjson.encode(t)", "excessive depth"),
        ("return cjson.decode(string.rep('[', 1e5))", "too many nested data structures"),
        ("return cmsgpack.unpack(string.rep('\\145', 1e5))", "Bad data format"),
        ("return {unpack({1, 2, 3}, -2, 2147483647)}", "too many results to unpack"),
        ("return {unpack({1, 2, 3}, -2147483648, 2147483647)}", "too many results to unpack"),
        ("return {unpack({}, 1, 1e7)}", "too many results to unpack"),
        ("local t = {} for i = 1, 40 do t = {t, t} end return t", "result of the script is too long"),
        (
            "local t = {} for i = 1, 40 do t = {map = {a = t, b = t}} end return t",
            "result of the script is too long",
        ),
        (
            "local t = {} for i = 1, 40 do t = {set = {[t] = true, [{t}] = true}} end return t",
            "result of the script is too long",
        ),
        ("local t = {1} for i = 1, 40 do t = {t, t} end return cjson.encode(t)", "not enough memory"),
        (
            "cjson.encode_sparse_array(false, 0) local ok, e = pcall(cjson.encode, {[2147483647] = 1}) cjson.encode_sparse_array(false, 2) return e",
            "not enough memory",
        ),
        (
            "local t = {1} for i = 1, 15 do t = {t, t, t, t, t, t} end return cmsgpack.pack(t)",
            "not enough memory",
        ),
        ("return cjson.decode('[' .. string.rep('{},', 2e6) .. '{}]')", "not enough memory"),
        (
            "return cmsgpack.unpack(string.rep('\\220\\255\\255', 900) .. string.rep('\\1', 65535))",
            "not enough memory",
        ),
        (
            "local s = string.rep('x', 1e6) return struct.pack(string.rep('s', 200), unpack((function() local t = {} for i = 1, 200 do t[i] = s end return t end)()))",
            "not enough memory",
        ),
        ("return #string.rep('', 2147483647)", ":0"),
        (
            "local t = {} for i = 29, 0, -1 do t[2 ^ i] = i end table.insert(t, 1, 'x')",
            "table index out of range",
        ),
        (
            "local t = {} for i = 29, 0, -1 do t[2 ^ i] = i end table.foreachi(t, type)",
            "table index out of range",
        ),
        (
            "local t = {} for i = 29, 0, -1 do t[2 ^ i] = i end table.sort(t, rawequal)",
            "table index out of range",
        ),
        ("table.insert({}, -2147483647, 'x')", "table index out of range"),
        (
            "local t = {2, 3} table.insert(t, 1, 1) table.insert(t, 4) return {t[1], t[4], table.remove(t, 1), #t}",
            "*4\r\n:1\r\n:4\r\n:1\r\n:3\r\n",
        ),
        ("collectgarbage('stop') for i = 1, 1e5 do local t = {i, {}} end return 1", ":1"),
    ] {
        let reply = run(code);
        assert!(reply.contains(part), "{code}: {}", &reply[..reply.len().min(300)]);
    }
}

/// A few instructions that take as long as millions of others.
#[test]
fn collections_do_not_hide_from_the_clock() {
    for collect in ["collectgarbage()", "collectgarbage('collect')", "collectgarbage('step', 1000)"] {
        let code = format!("for i = 1, 1000 do {collect} end return 'not stopped'");
        assert!(run(&code).contains("killed"), "{collect}");
        // In a function that the parser calls.
        let read = format!("return load(function() {collect} return ' ' end)");
        assert!(run(&read).contains("killed"), "{collect}");
    }
    assert!(run("for i = 1, 1000 do collectgarbage('count') end return 'done'").contains("done"));
}

#[test]
fn a_killed_machine_works_again() {
    let mut machine = Machine::for_scripts(1, Limits::default());
    let answer = |_: &[Vec<u8>]| b"+OK\r\n".to_vec();
    assert!(run_with(&mut machine, "while true do pcall(redis.call, 'x') end", answer).contains("killed"));
    for _ in 0..3 {
        assert_eq!(run_with(&mut machine, "for i = 1, 1e5 do end return redis.call('x')", answer), "+OK\r\n");
    }
}

#[test]
fn a_machine_may_be_dropped_in_the_middle() {
    let mut machine = Machine::for_scripts(1, Limits::default());
    let function = machine.compile(b"return redis.call('x')").unwrap();
    machine.prepare(&Invocation { function, keys: &[], args: &[], resp3: false }).unwrap();
    assert_eq!(machine.resume(), Step::Call);
    drop(machine);
}

#[test]
fn libraries_register_functions() {
    let mut machine = Machine::for_functions(1, Limits::default());
    let mut load = |body: &[u8]| {
        machine.prepare_library(body)?;
        while machine.resume() != Step::Done {}
        machine.loaded(body)
    };
    let library = load(
        b"#!lua name=lib\nlocal function f(keys, args) return keys[1] .. args[1] end\n\
          redis.register_function('f', f)\n\
          server.register_function{function_name='g', callback=f, flags={'no-writes'}, description='d'}",
    )
    .unwrap();
    assert_eq!(library.functions.len(), 2);
    assert!(library.functions[1].flags.no_writes);
    for (body, error) in [
        (
            "redis.call('x')",
            "ERR Error registering functions: ERR user_function:2: Script attempted to access nonexistent global variable 'call'",
        ),
        (
            "return pairs",
            "ERR Error registering functions: ERR user_function:2: Script attempted to access nonexistent global variable 'pairs'",
        ),
        ("x = 1", "ERR Error registering functions: ERR user_function:2: Attempt to modify a readonly table"),
        ("return 1", "ERR No functions registered"),
        (
            "redis.register_function('x y', function() end)",
            "ERR Function names can only contain letters, numbers, or underscores(_) and must be at least one character long",
        ),
        (
            "redis.register_function(1)",
            "ERR Error registering functions: ERR calling server.register_function with a single argument is only applicable to Lua table (representing named arguments).",
        ),
    ] {
        assert_eq!(load(format!("#!lua name=other\n{body}").as_bytes()).unwrap_err(), error);
    }
    let function = library.functions[0].callback;
    machine.prepare(&Invocation { function, keys: &[b"a"], args: &[b"b"], resp3: false }).unwrap();
    assert_eq!(machine.resume(), Step::Done);
    assert_eq!(machine.finish().unwrap(), b"$2\r\nab\r\n");
}

#[test]
fn libraries_of_values() {
    for (code, reply) in [
        ("return bit.band(0xff, 0x0f, 0x3)", ":3\r\n"),
        ("return bit.tohex(-1, 4)", "$4\r\nffff\r\n"),
        ("return bit.bnot(0)", ":-1\r\n"),
        ("return bit.lshift(1, 31)", ":-2147483648\r\n"),
        (
            "return cjson.encode({1, 'a/b', {x = cjson.null}, 1.5, true})",
            "$30\r\n[1,\"a\\/b\",{\"x\":null},1.5,true]\r\n",
        ),
        ("return cjson.encode({})", "$2\r\n{}\r\n"),
        (
            "local t = cjson.decode('{\"a\":[1,2,{\"b\":\"\\\\u00e9\"}],\"n\":null}') return {t.a[2], t.a[3].b, t.n == cjson.null and 1 or 0}",
            "*3\r\n:2\r\n$2\r\né\r\n:1\r\n",
        ),
        (
            "local ok, e = pcall(cjson.decode, '[') return e",
            "$45\r\nExpected value but found T_END at character 2\r\n",
        ),
        ("return cmsgpack.unpack(cmsgpack.pack({1, 'x', -5, 1.5, {a = 300}}))[5].a", ":300\r\n"),
        ("local n, v = cmsgpack.unpack_one(cmsgpack.pack(1, 2)) return {n, v}", "*2\r\n:1\r\n:1\r\n"),
        (
            "return {struct.unpack('>I2<i4s', struct.pack('>I2<i4s', 258, -2, 'abc'))}",
            "*4\r\n:258\r\n:-2\r\n$3\r\nabc\r\n:11\r\n",
        ),
        ("return struct.size('!8bl')", ":16\r\n"),
    ] {
        assert_eq!(run(code), reply, "{code}");
    }
}
