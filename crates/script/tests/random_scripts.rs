//! Scripts made of random calls of everything that they can reach: whatever they do, the machine lives, and the next script finds the
//! sandbox as it was.

use std::time::{Duration, Instant};

use script::{Invocation, Limits, Machine, Step};

/// Values that functions are tried with, those that overflow something among them.
const VALUES: &[&str] = &[
    "nil",
    "true",
    "0",
    "-1",
    "1",
    "2147483647",
    "-2147483648",
    "4294967296",
    "1e308",
    "0/0",
    "1/0",
    "-1/0",
    "''",
    "'a'",
    "'%s%d%q'",
    "string.rep('x', 5000)",
    "'\\0\\255'",
    "'>I2<i32!8c0s'",
    "'[[1,{\"a\":null}]]'",
    "{}",
    "{1, 2, 3}",
    "{a = {}}",
    "_G",
    "redis",
    "cjson.null",
    "function() return 1 end",
    "coroutine.create(function() coroutine.yield(1) end)",
    "getmetatable('')",
    "setmetatable({}, {__index = function() return 1 end, __newindex = error, __tostring = function() return {} end})",
    "KEYS",
    "cmsgpack.pack({1, {2}, 'x'})",
    "'\\147\\1\\2\\221\\255\\255'",
];

/// The keys of the globals and of each library, in order: what no script may change.
const SHAPE: &str = "local names = {}
    for name, value in pairs(_G) do
        names[#names + 1] = name
        if type(value) == 'table' and name ~= '_G' and name ~= 'KEYS' and name ~= 'ARGV' then
            for inner, thing in pairs(value) do names[#names + 1] = name .. '.' .. inner .. ':' .. type(thing) end
        end
    end
    table.sort(names)
    return table.concat(names, ' ')";

/// Runs a script to its end; one that takes long is killed.
fn run(machine: &mut Machine, code: &str) -> Vec<u8> {
    let Ok(function) = machine.compile(code.as_bytes()) else { return Vec::new() };
    machine
        .prepare(&Invocation { function, keys: &[b"key"], args: &[b"arg"], resp3: true })
        .expect("there is a stack");
    let mut slices = 0;
    loop {
        match machine.resume() {
            Step::Call => machine.answer(b"*3\r\n$1\r\na\r\n:1\r\n%1\r\n+k\r\n,1.5\r\n"),
            Step::AclCheck => machine.answer_acl(None),
            Step::Log => {}
            Step::Slice => {
                slices += 1;
                if slices > 20 {
                    machine.kill("it takes too long");
                }
            }
            Step::Done => break,
        }
    }
    machine.release(function);
    machine.finish().unwrap_or_else(|error| error.reply().into_bytes())
}

#[test]
fn no_script_harms_the_machine() {
    let mut rng = fastrand::Rng::with_seed(number("SCRIPTS_SEED").unwrap_or(7));
    let limits = Limits { memory: 32 << 20 };
    let mut machine = Machine::for_scripts(1, limits);
    let shape = String::from_utf8(run(&mut machine, SHAPE)).expect("names are ASCII");
    let functions: Vec<&str> = shape
        .split_whitespace()
        .filter_map(|name| name.strip_suffix(":function"))
        .chain([
            "pcall",
            "xpcall",
            "unpack",
            "select",
            "next",
            "rawset",
            "rawget",
            "setmetatable",
            "loadstring",
            "load",
            "error",
        ])
        .collect();
    assert!(functions.len() > 80, "{}", functions.len());
    let until = Instant::now() + Duration::from_secs(seconds());
    let mut scripts = 0;
    while scripts < 3000 || (seconds() > 2 && Instant::now() < until) {
        let mut code = String::from("local r\n");
        for _ in 0..rng.usize(1..6) {
            let arguments: Vec<&str> = (0..rng.usize(0..4))
                .map(|_| if rng.u8(..8) == 0 { "r" } else { VALUES[rng.usize(..VALUES.len())] })
                .collect();
            let function = functions[rng.usize(..functions.len())];
            let call = format!("{function}({})", arguments.join(", "));
            match rng.u8(..4) {
                0 => code.push_str(&format!("r = {call}\n")),
                1 => code.push_str(&format!("pcall(function() r = {call} end)\n")),
                2 => code.push_str(&format!(
                    "r = select(2, pcall({function}, {}))\n",
                    if arguments.is_empty() { "nil".into() } else { arguments.join(", ") }
                )),
                _ => code.push_str(&format!("pcall(coroutine.wrap(function() r = {call} end))\n")),
            }
        }
        code.push_str("return r");
        run(&mut machine, &code);
        scripts += 1;
        if scripts % 100 == 0 {
            let now = String::from_utf8_lossy(&run(&mut machine, SHAPE)).into_owned();
            assert_eq!(now, shape, "after {code}");
        }
        if scripts % 10_000 == 0 {
            println!("{scripts} scripts");
        }
        assert!(machine.memory() < 2 * limits.memory, "{} bytes after {code}", machine.memory());
    }
}

/// How long to go on; more than the default with SECONDS_EACH, as for the fuzzers.
fn seconds() -> u64 {
    number("SECONDS_EACH").unwrap_or(2)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
