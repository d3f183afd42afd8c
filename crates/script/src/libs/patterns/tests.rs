//! Against Lua's own functions, on patterns and subjects made at random.

use std::cell::Cell;

use crate::tests::run_with;
use crate::{Invocation, Limits, Machine, Step};

/// What a case comes to, as a text. Positions of errors are cut off; the calls are made through `pcall`, so they are the only ones.
const DRIVER: &str = "
    local f, s, p, r, n = string[ARGV[1]], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
    local out = {}
    local function note(...)
        for i = 1, select('#', ...) do out[#out + 1] = type((select(i, ...))) .. ':' .. tostring((select(i, ...))) end
        out[#out + 1] = ';'
    end
    local calls = 0
    local function back(...)
        note(...)
        calls = calls + 1
        if calls % 4 == 0 then return nil end
        if calls % 4 == 1 then return false end
        if calls % 7 == 0 then return {} end
        return calls
    end
    if ARGV[1] == 'find' or ARGV[1] == 'match' then
        note(pcall(f, s, p, n))
        note(pcall(f, s, p, n, true))
    elseif ARGV[1] == 'gmatch' then
        note(pcall(function() for a, b, c in f(s, p) do note(a, b, c) end end))
    else
        note(pcall(f, s, p, r, n))
        note(pcall(f, s, p, back, n))
        note(pcall(f, s, p, {a = 'A', b = false, ab = 7, [1] = 'first', ['1'] = {}}, n))
    end
    return (table.concat(out, ' ', 1, #out))";

fn pick(rng: &mut fastrand::Rng, from: &[&str], most: usize) -> String {
    (0..rng.usize(0..=most)).map(|_| from[rng.usize(..from.len())]).collect()
}

/// Errors begin with where they were raised, which differs between a script and plain Lua.
fn without_places(text: &str) -> String {
    let mut out = String::new();
    for part in text.split("string:") {
        let rest = part.split_once(": ").filter(|(place, _)| {
            place.starts_with("user_script:") || place.starts_with("[string ") || place.starts_with("driver:")
        });
        out.push_str(rest.map_or(part, |(_, rest)| rest));
        out.push('|');
    }
    out
}

#[test]
fn they_do_what_lua_does() {
    const SUBJECT: &[&str] = &["a", "b", "ab", "1", " ", "(", ")", "x", "%", "]", "A_"];
    const PATTERN: &[&str] = &[
        "a", "b", ".", "%a", "%d", "%s", "%w", "%A", "%", "(", ")", "()", "[", "]", "[ab]", "[^a]", "[a-b",
        "%]", "%b()", "%f[%a]", "%f", "%1", "%2", "^", "$", "*", "+", "-", "?", "(.)", "(a*)", "(.-)", "%b",
        "%p", "%u", "%x", "%z", "%c", "%l",
    ];
    const BY: &[&str] = &["x", "%0", "%1", "%2", "%%", "%", "%a", "<", ">"];
    let lua = mlua::Lua::new();
    let driver = lua
        .load(format!("local ARGV = {{...}} {DRIVER}"))
        .set_name("=driver")
        .into_function()
        .expect("it compiles");
    let mut machine = Machine::for_scripts(1, Limits::default());
    let function = machine.compile(DRIVER.as_bytes()).expect("it compiles");
    let mut rng = fastrand::Rng::with_seed(5);
    for round in 0..cases() {
        let name = ["find", "match", "gmatch", "gsub"][rng.usize(..4)];
        let (subject, pattern) = (pick(&mut rng, SUBJECT, 8), pick(&mut rng, PATTERN, 6));
        let by = pick(&mut rng, BY, 3);
        let number = ["", "1", "2", "-2", "0", "9", "100"][rng.usize(..7)];
        let args = [name, &subject, &pattern, &by, number];
        let expected: mlua::LuaString =
            driver.call(mlua::Variadic::from_iter(args)).expect("the driver catches errors");
        let args: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
        machine
            .prepare(&Invocation { function, keys: &[], args: &args, resp3: false })
            .expect("there is a stack");
        while machine.resume() != Step::Done {}
        let reply = machine.finish().expect("the driver catches errors");
        let reply = String::from_utf8_lossy(&reply);
        let found = reply.split_once("\r\n").map_or("", |(_, text)| text.trim_end_matches("\r\n"));
        let (found, expected) = (without_places(found), without_places(&expected.to_string_lossy()));
        assert_eq!(found, expected, "round {round}: {name}({subject:?}, {pattern:?}, {by:?}, {number})");
    }
}

/// More than the default with CASES.
fn cases() -> usize {
    std::env::var("CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000)
}

#[test]
fn what_takes_for_ever_is_stopped() {
    for code in [
        "return string.find(string.rep('a', 500), string.rep('a?', 500) .. string.rep('a', 501))",
        "return string.match(string.rep('a', 100000), '.-.-.-b')",
        "for _ in string.gmatch(string.rep('a', 100000), '.-.-.-b') do end",
        "return string.gsub(string.rep('a', 100000), '.-.-.-b', 'x')",
        "return string.gsub(string.rep('a', 100000), '.-.-.-b', function() return 'x' end)",
        "while true do pcall(string.find, string.rep('a', 100000), '.-.-.-b') end",
    ] {
        let mut machine = Machine::for_scripts(1, Limits::default());
        let reply = run_with(&mut machine, code, |_| b"+OK\r\n".to_vec());
        assert!(reply.contains("killed"), "{code}: {reply}");
        assert_eq!(run_with(&mut machine, "return ('abc'):match('b')", |_| Vec::new()), "$1\r\nb\r\n");
    }
}

#[test]
fn pauses_change_nothing() {
    let slices = Cell::new(0);
    let mut machine = Machine::for_scripts(1, Limits::default());
    let code = "local s = string.rep('ab ', 400000)
                local a, n = s:gsub('(a)(b)', '%2%1')
                local b, m = s:gsub('a', {a = 'x'}, 10)
                return {n, m, a:sub(1, 6), b:sub(1, 6), select(2, s:find('%s$')), #s:match('^(.*)a')}";
    let function = machine.compile(code.as_bytes()).expect("it compiles");
    machine.prepare(&Invocation { function, keys: &[], args: &[], resp3: false }).expect("there is a stack");
    loop {
        match machine.resume() {
            Step::Done => break,
            _ => slices.set(slices.get() + 1),
        }
    }
    assert!(slices.get() > 3, "{} slices", slices.get());
    let reply = machine.finish().expect("it ends well");
    let expected = "*6\r\n:400000\r\n:10\r\n$6\r\nba ba \r\n$6\r\nxb xb \r\n:1200000\r\n:1199997\r\n";
    assert_eq!(String::from_utf8_lossy(&reply), expected);
}

#[test]
fn what_is_replaced_may_do_anything() {
    let mut machine = Machine::for_scripts(1, Limits { memory: 64 << 20 });
    let mut run = |code: &str| run_with(&mut machine, code, |_| b"+OK\r\n".to_vec());
    for (code, reply) in [
        ("return (string.gsub('abc', 'b', function(x) return redis.call('X').ok end))", "$4\r\naOKc\r\n"),
        (
            "return (string.gsub('k', '%w', setmetatable({}, {__index = function(_, k) return k .. k end})))",
            "$2\r\nkk\r\n",
        ),
        (
            "local f = coroutine.wrap(function() return (string.gsub('ab', '.', coroutine.yield)) end) f() f('x') return f('y')",
            "$2\r\nxy\r\n",
        ),
        ("return (string.gsub('abc', 'b', cjson))", "$3\r\nabc\r\n"),
        ("return string.gsub(5, 5, 6)", "$1\r\n6\r\n"),
        ("return (('x'):rep(3):gsub('', '-'))", "$7\r\n-x-x-x-\r\n"),
    ] {
        assert_eq!(run(code), reply, "{code}");
    }
    for (code, error) in [
        (
            "string.gsub('a', 'a', function() error('mine') end)",
            "-ERR user_script:1: mine script: on @user_script:1.\r\n",
        ),
        (
            "string.gsub('a', '(', '%1')",
            "-ERR user_script:1: unfinished capture script: on @user_script:1.\r\n",
        ),
        (
            "\nlocal x = string.gsub('a', '%', print)",
            "-ERR user_script:2: Script attempted to access nonexistent global variable 'print' script: on @user_script:2.\r\n",
        ),
        (
            "\nstring.gsub('a', '%', tostring)",
            "-ERR user_script:2: malformed pattern (ends with '%') script: on @user_script:2.\r\n",
        ),
        (
            "string.gsub('a', 'a', function() return {} end)",
            "-ERR user_script:1: invalid replacement value (a table) script: on @user_script:1.\r\n",
        ),
        (
            "string.gmatch('a')",
            "-ERR user_script:1: bad argument #2 to 'gmatch' (string expected, got no value) script: on @user_script:1.\r\n",
        ),
        (
            "for _ in string.gmatch('a', '[') do end",
            "-ERR user_script:1: malformed pattern (missing ']') script: on @user_script:1.\r\n",
        ),
        (
            "local x = string.gsub(string.rep('x', 1e6), 'x', string.rep('y', 1e6))",
            "-ERR user_script:1: not enough memory script: on @user_script:1.\r\n",
        ),
    ] {
        assert_eq!(run(code), error, "{code}");
    }
}
